/* SPDX-License-Identifier: MIT */
/*
 * Unpacks an initramfs: one or more cpio archives in the "newc" format (070701, 070702), uncompressed, each ended by TRAILER!!!.
 * Format: cpio(5), initramfs-buffer-format. Every field is checked against the archive's end: it may come from anywhere.
 */
#include <maestro/init.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#define NEWC_HEADER 110

struct newc {
	u32 ino, mode, uid, gid, nlink, mtime, size, major, minor, rmajor, rminor, namesize;
};
/* A file with several links: the first name is made, the others are linked to it. */
struct hard_link {
	struct hard_link *next;
	u32 ino, major, minor;
	char name[];
};
struct unpacker {
	const u8 *data;
	size_t size, pos;
	struct hard_link *links;
	unsigned files;
};

static bool parse_hex(const u8 *p, u32 *out)
{
	u32 v = 0;

	for (int i = 0; i < 8; i++) {
		u8 c = p[i];

		if (c >= '0' && c <= '9')
			v = v << 4 | (u32)(c - '0');
		else if ((c | 32) >= 'a' && (c | 32) <= 'f')
			v = v << 4 | (u32)((c | 32) - 'a' + 10);
		else
			return false;
	}
	*out = v;
	return true;
}

static kerr_t parse_header(const u8 *p, struct newc *h)
{
	u32 field[13];

	if (memcmp(p, "070701", 6) && memcmp(p, "070702", 6))
		return KERR(EINVAL);
	for (int i = 0; i < 13; i++)
		if (!parse_hex(p + 6 + i * 8, &field[i]))
			return KERR(EINVAL);
	*h = (struct newc){field[0], field[1], field[2], field[3], field[4], field[5], field[6], field[7], field[8], field[9], field[10], field[11]};
	return 0;
}

static kerr_t set_owner(const char *name, const struct newc *h)
{
	struct attr a = {.valid = ATTR_UID | ATTR_GID, .uid = h->uid, .gid = h->gid};
	struct path p;
	kerr_t err;

	err = path_lookup(AT_FDCWD, name, 0, &p);
	if (err)
		return err;
	err = vfs_setattr(&p, &a);
	if (!err && !S_ISLNK(h->mode)) {
		a = (struct attr){.valid = ATTR_MODE | ATTR_MTIME | ATTR_MTIME_SET, .mode = h->mode & 07777, .mtime = {.sec = h->mtime}};
		err = vfs_setattr(&p, &a);
	}
	path_put(&p);
	return err;
}

static kerr_t write_file(const char *name, const struct newc *h, const u8 *body)
{
	struct open_how_k how = {.flags = O_WRONLY | O_CREAT | O_TRUNC, .mode = 0600};
	struct file *f;
	kerr_t err = do_open(AT_FDCWD, name, &how, &f);
	ssize_t n;

	if (err)
		return err;
	n = file_write_kernel(f, body, h->size, 0);
	file_put(f);
	return n == (ssize_t)h->size ? KERR(0) : n < 0 ? kerr_of(n) : KERR(ENOSPC);
}

static kerr_t make_regular(struct unpacker *u, const char *name, const struct newc *h, const u8 *body)
{
	struct hard_link *l;

	if (h->nlink < 2)
		return write_file(name, h, body);
	for (l = u->links; l; l = l->next)
		if (l->ino == h->ino && l->major == h->major && l->minor == h->minor)
			break;
	if (l) { /* the contents come with the last name */
		kerr_t err = do_link(AT_FDCWD, l->name, AT_FDCWD, name, 0);

		return err || !h->size ? err : write_file(name, h, body);
	}
	l = kmalloc(sizeof(*l) + strlen(name) + 1, GFP_KERNEL);
	if (!l)
		return KERR(ENOMEM);
	*l = (struct hard_link){.next = u->links, .ino = h->ino, .major = h->major, .minor = h->minor};
	strlcpy(l->name, name, strlen(name) + 1);
	u->links = l;
	return write_file(name, h, body);
}

static kerr_t make_symlink(const char *name, const struct newc *h, const u8 *body)
{
	char *target = kstrndup((const char *)body, h->size, GFP_KERNEL);
	kerr_t err;

	if (!target)
		return KERR(ENOMEM);
	err = do_symlink(target, AT_FDCWD, name);
	kfree(target);
	return err;
}

static kerr_t make_entry(struct unpacker *u, const char *name, const struct newc *h, const u8 *body)
{
	kerr_t err;

	if (S_ISDIR(h->mode)) {
		err = do_mkdir(AT_FDCWD, name, 0755);
		if (kerr_code(err) == -EEXIST)
			err = 0;
	} else {
		if (!S_ISREG(h->mode) || h->nlink < 2) {
			err = do_unlink(AT_FDCWD, name);
			if (err && kerr_code(err) != -ENOENT)
				return err;
		}
		if (S_ISREG(h->mode))
			err = make_regular(u, name, h, body);
		else if (S_ISLNK(h->mode))
			err = make_symlink(name, h, body);
		else
			err = do_mknod(AT_FDCWD, name, h->mode, DEV(h->rmajor, h->rminor));
	}
	return err ? err : set_owner(name, h);
}

static void free_links(struct unpacker *u)
{
	while (u->links) {
		struct hard_link *l = u->links;

		u->links = l->next;
		kfree(l);
	}
}

/* One member; *more false at the archive's end. */
static kerr_t unpack_one(struct unpacker *u, bool *more)
{
	size_t name_at, body_at;
	const char *name;
	struct newc h;
	kerr_t err;

	if (u->size - u->pos < NEWC_HEADER)
		return KERR(EINVAL);
	err = parse_header(u->data + u->pos, &h);
	if (err)
		return err;
	name_at = u->pos + NEWC_HEADER;
	if (!h.namesize || h.namesize > PATH_MAX || h.namesize > u->size - name_at)
		return KERR(EINVAL);
	name = (const char *)u->data + name_at;
	body_at = ALIGN_UP(name_at + h.namesize, (size_t)4);
	if (name[h.namesize - 1] || body_at > u->size || h.size > u->size - body_at)
		return KERR(EINVAL);
	u->pos = MIN(ALIGN_UP(body_at + h.size, (size_t)4), u->size);
	*more = strcmp(name, "TRAILER!!!") != 0;
	if (!*more) {
		free_links(u);
		return 0;
	}
	while (*name == '/')
		name++;
	if (!*name || !strcmp(name, "."))
		return 0;
	u->files++;
	return make_entry(u, name, &h, u->data + body_at);
}

kerr_t initramfs_unpack(const void *data, size_t size)
{
	struct unpacker u = {.data = data, .size = size};
	kerr_t err = 0;

	while (!err && u.pos < size) {
		size_t start = u.pos;
		bool more;

		if (!u.data[u.pos]) { /* padding between archives */
			u.pos++;
			continue;
		}
		err = unpack_one(&u, &more);
		if (err)
			klog_err("initramfs: not a newc cpio archive, or it cannot be unpacked, at byte %lu: error %d", (unsigned long)start, -kerr_code(err));
	}
	free_links(&u);
	if (!err)
		klog(LOG_NOTICE, "initramfs: %u files", u.files);
	return err;
}
