/* SPDX-License-Identifier: MIT */
/*
 * Finding a device by what a boot line or fstab calls it: a name, numbers, or a UUID or label of the file system (an ext superblock at byte 1024:
 * magic at 56, UUID at 104, volume name at 120) or of the partition.
 */
#include <maestro/block.h>
#include <maestro/lib.h>
#include <maestro/printk.h>

#include "block_priv.h"

#define EXT_SUPER 1024u
#define EXT_MAGIC 0xEF53

/* What of the superblock tells who it is. */
struct ext_id {
	u8 uuid[16];
	char label[16];
};

static bool read_ext_id(struct block_device *b, struct ext_id *id)
{
	u32 off;
	bool found = false;
	struct buf *buf;
	u8 head[136];
	kerr_t err;

	if (b->sectors < 4)
		return false;
	rwsem_read_lock(&b->size_sem);
	off = EXT_SUPER & (b->block_size - 1);
	err = buf_read(b, EXT_SUPER >> ilog2(b->block_size), &buf);
	rwsem_read_unlock(&b->size_sem);
	if (err)
		return false;
	/* All three members lie in the first 512 bytes: in one block of any size. */
	memcpy(head, (const u8 *)buf->data + off, sizeof(head));
	if (head[56] == (EXT_MAGIC & 0xff) && head[57] == EXT_MAGIC >> 8) {
		memcpy(id->uuid, head + 104, sizeof(id->uuid));
		memcpy(id->label, head + 120, sizeof(id->label));
		found = true;
	}
	buf_put(buf);
	return found;
}

struct spec_arg {
	enum { BY_UUID, BY_LABEL, BY_PARTUUID, BY_PARTLABEL } kind;
	const char *text;
	struct block_device *found;
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static bool same_nocase(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

static bool match_fs(struct block_device *b, const struct spec_arg *a)
{
	struct ext_id id;
	char text[40];

	if (!read_ext_id(b, &id))
		return false;
	if (a->kind == BY_LABEL) {
		memcpy(text, id.label, sizeof(id.label));
		text[sizeof(id.label)] = '\0';
		return !strcmp(text, a->text);
	}
	(void)ksnprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id.uuid[0], id.uuid[1], id.uuid[2],
			id.uuid[3], id.uuid[4], id.uuid[5], id.uuid[6], id.uuid[7], id.uuid[8], id.uuid[9], id.uuid[10], id.uuid[11], id.uuid[12],
			id.uuid[13], id.uuid[14], id.uuid[15]);
	return same_nocase(text, a->text);
}

static void match_one(struct block_device *b, void *arg)
{
	struct spec_arg *a = arg;
	bool hit;

	if (a->found)
		return;
	if (a->kind == BY_PARTUUID)
		hit = b->partno && same_nocase(b->uuid, a->text);
	else if (a->kind == BY_PARTLABEL)
		hit = b->partno && !strcmp(b->label, a->text);
	else
		hit = match_fs(b, a);
	if (hit) {
		block_get(b);
		a->found = b;
	}
}

static struct block_device *find_numbers(const char *spec)
{
	u64 major, minor;
	kerr_t err = kstrtou64(&spec, 10, &major);

	if (err || *spec != ':')
		return NULL;
	spec++;
	err = kstrtou64(&spec, 10, &minor);
	if (err || *spec || major > 0xfff || minor > 0xfffff)
		return NULL;
	return block_find(DEV((u32)major, (u32)minor));
}

kerr_t block_find_spec(const char *spec, struct block_device **out)
{
	static const struct {
		const char *prefix;
		int kind;
	} kinds[] = { { "UUID=", BY_UUID }, { "LABEL=", BY_LABEL }, { "PARTUUID=", BY_PARTUUID }, { "PARTLABEL=", BY_PARTLABEL } };
	struct block_device *b = NULL;
	bool tagged = false;

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].prefix);
		struct spec_arg a = { .kind = kinds[i].kind, .text = spec + n };

		if (strncmp(spec, kinds[i].prefix, n) != 0)
			continue;
		block_for_each(match_one, &a);
		b = a.found;
		tagged = true;
		break;
	}
	if (!tagged) {
		b = block_find_name(strncmp(spec, "/dev/", 5) ? spec : spec + 5);
		if (!b)
			b = find_numbers(spec);
	}
	if (!b)
		return KERR(ENODEV);
	*out = b;
	return KERR(0);
}
