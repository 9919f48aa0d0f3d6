/* SPDX-License-Identifier: MIT */
/*
 * Partition tables: MBR with extended partitions, and GPT (UEFI specification 2.10, chapter 5). What they say is checked against the disk; an entry that
 * does not fit is reported and left out, a damaged GPT is read from its backup.
 *
 * Locking: none of its own; the disk is being registered or rescanned. Sectors are read through the buffer cache of the whole disk.
 */
#include <maestro/block.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>

#include "block_priv.h"

#define MBR_ENTRIES 446
#define MAX_LOGICAL 128
#define GPT_MAX_ENTRIES 1024

struct mbr_entry {
	u8 boot, chs_first[3], type, chs_last[3];
	u32 start, sectors;
} __packed;
_Static_assert(sizeof(struct mbr_entry) == 16, "MBR entry");

struct gpt_header {
	u8 signature[8];
	u32 revision, header_size, header_crc, reserved;
	u64 my_lba, alternate_lba, first_usable, last_usable;
	u8 disk_guid[16];
	u64 entries_lba;
	u32 nentries, entry_size, entries_crc;
} __packed;
_Static_assert(sizeof(struct gpt_header) == 92, "GPT header");

struct gpt_entry {
	u8 type[16], guid[16];
	u64 first, last, attributes;
	u16 name[36];
} __packed;
_Static_assert(sizeof(struct gpt_entry) == 128, "GPT entry");

/* Copies bytes of the disk at byte offset pos. */
static kerr_t read_bytes(struct block_device *b, u64 pos, void *out, size_t n)
{
	u8 *dst = out;

	while (n) {
		u32 off = (u32)pos & (b->block_size - 1);
		size_t part = MIN(n, (size_t)(b->block_size - off));
		struct buf *buf;
		kerr_t err = buf_read(b, pos >> ilog2(b->block_size), &buf);

		if (err)
			return err;
		memcpy(dst, (const u8 *)buf->data + off, part);
		buf_put(buf);
		dst += part;
		pos += part;
		n -= part;
	}
	return KERR(0);
}

/* A partition in units of logical blocks; false: it does not fit on the disk. */
static bool add_checked(struct disk *d, unsigned partno, u64 start, u64 count, const char *uuid, const char *label)
{
	unsigned shift = ilog2(d->logical_block) - SECTOR_SHIFT;
	u64 total = d->sectors >> shift;
	kerr_t err;

	if (!start || !count || start >= total || count > total - start) {
		klog_warn("%s: partition %u (%llu, %llu blocks) does not fit on the disk, left out", d->name, partno, (unsigned long long)start,
			  (unsigned long long)count);
		return false;
	}
	err = disk_add_part(d, partno, start << shift, count << shift, uuid, label);
	return !err;
}

/* ---------------------------------------------------------------- MBR */
static bool is_extended(u8 type)
{
	return type == 0x05 || type == 0x0f || type == 0x85;
}

/* A chain of tables inside the extended partition; each names one logical partition (relative to itself) and the next table (relative to ext). */
static __noinline void scan_logical(struct disk *d, struct block_device *whole, u32 signature, u64 ext, u64 ext_size)
{
	unsigned partno = 5;
	u64 table = ext;

	for (unsigned i = 0; i < MAX_LOGICAL; i++) {
		u8 sector[SECTOR_SIZE];
		struct mbr_entry e[4];
		u64 next = 0;
		kerr_t err = read_bytes(whole, table * d->logical_block, sector, sizeof(sector));

		if (err || sector[510] != 0x55 || sector[511] != 0xaa)
			return;
		memcpy(e, sector + MBR_ENTRIES, sizeof(e));
		for (unsigned k = 0; k < 4; k++) {
			char uuid[16];

			if (!e[k].sectors || !e[k].type)
				continue;
			if (is_extended(e[k].type)) {
				if (!next)
					next = ext + e[k].start;
				continue;
			}
			if (table + e[k].start + e[k].sectors > ext + ext_size) {
				klog_warn("%s: logical partition %u leaves its extended partition, left out", d->name, partno);
				continue;
			}
			(void)ksnprintf(uuid, sizeof(uuid), "%08x-%02x", signature, partno);
			(void)add_checked(d, partno, table + e[k].start, e[k].sectors, uuid, "");
			partno++;
		}
		/* Forward only: a loop cannot be. */
		if (next <= table || next >= ext + ext_size)
			return;
		table = next;
	}
}

static __noinline void scan_mbr(struct disk *d, struct block_device *whole, const u8 *sector)
{
	struct mbr_entry e[4];
	u32 signature;

	memcpy(&signature, sector + 440, sizeof(signature));
	memcpy(e, sector + MBR_ENTRIES, sizeof(e));
	for (unsigned i = 0; i < 4; i++) {
		if (e[i].boot & 0x7f)
			return; /* no table: the boot sector of a file system on the whole disk */
	}
	for (unsigned i = 0; i < 4; i++) {
		char uuid[16];

		if (!e[i].sectors || !e[i].type)
			continue;
		(void)ksnprintf(uuid, sizeof(uuid), "%08x-%02x", signature, i + 1);
		(void)add_checked(d, i + 1, e[i].start, e[i].sectors, uuid, "");
	}
	for (unsigned i = 0; i < 4; i++) {
		if (is_extended(e[i].type) && e[i].sectors && e[i].start) {
			scan_logical(d, whole, signature, e[i].start, e[i].sectors);
			break;
		}
	}
}

/* ---------------------------------------------------------------- GPT */
static void guid_text(const u8 *g, char *out, size_t size)
{
	(void)ksnprintf(out, size, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[3], g[2], g[1], g[0], g[5], g[4], g[7],
			g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

static void label_text(const struct gpt_entry *e, char *out, size_t size)
{
	size_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(e->name) && n + 1 < size; i++) {
		u16 c = e->name[i];

		if (!c)
			break;
		out[n++] = c < 0x80 ? (char)c : '?';
	}
	out[n] = '\0';
}

/* Reads the header at lba and its entries (kmalloc'd into *entries), checked. */
static __noinline kerr_t gpt_load(struct block_device *whole, u64 lba, struct gpt_header *h, u8 **entries)
{
	u32 lb = whole->disk->logical_block;
	u64 total = block_bytes(whole) >> ilog2(lb);
	u32 crc, size;
	u8 raw[512];
	u8 *table;
	kerr_t err = read_bytes(whole, lba * lb, raw, sizeof(raw));

	if (err)
		return err;
	memcpy(h, raw, sizeof(*h));
	if (memcmp(h->signature, "EFI PART", 8) != 0 || h->header_size < sizeof(*h) || h->header_size > sizeof(raw) || h->my_lba != lba)
		return KERR(EINVAL);
	memset(raw + offsetof(struct gpt_header, header_crc), 0, 4);
	crc = ~crc32_le(~0u, raw, h->header_size);
	if (crc != h->header_crc)
		return KERR(EINVAL);
	if (h->nentries > GPT_MAX_ENTRIES || h->entry_size < sizeof(struct gpt_entry) || h->entry_size > 1024 || (h->entry_size & 7))
		return KERR(EINVAL);
	size = h->nentries * h->entry_size;
	if (!size || h->entries_lba < 2 || h->entries_lba >= total || ((size + lb - 1) >> ilog2(lb)) > total - h->entries_lba)
		return KERR(EINVAL);
	table = kmalloc(size, GFP_KERNEL);
	if (!table)
		return KERR(ENOMEM);
	err = read_bytes(whole, h->entries_lba * lb, table, size);
	if (!err && (u32)~crc32_le(~0u, table, size) != h->entries_crc)
		err = KERR(EINVAL);
	if (err) {
		kfree(table);
		return err;
	}
	*entries = table;
	return KERR(0);
}

static __noinline void scan_gpt(struct disk *d, struct block_device *whole)
{
	static const u8 unused[16];
	struct gpt_header h;
	u8 *entries;
	kerr_t err = gpt_load(whole, 1, &h, &entries);

	if (err) {
		u64 last = (d->sectors >> (ilog2(d->logical_block) - SECTOR_SHIFT)) - 1;

		klog_warn("%s: primary GPT is damaged (error %d), trying the backup", d->name, kerr_code(err));
		err = gpt_load(whole, last, &h, &entries);
		if (err) {
			klog_err("%s: backup GPT is damaged too (error %d): no partitions", d->name, kerr_code(err));
			return;
		}
	}
	for (u32 i = 0; i < h.nentries; i++) {
		struct gpt_entry e;
		char uuid[40], label[40];

		memcpy(&e, entries + (size_t)i * h.entry_size, sizeof(e));
		if (!memcmp(e.type, unused, sizeof(unused)))
			continue;
		if (e.last < e.first || e.first < h.first_usable || e.last > h.last_usable) {
			klog_warn("%s: partition %u is outside the usable blocks, left out", d->name, i + 1);
			continue;
		}
		guid_text(e.guid, uuid, sizeof(uuid));
		label_text(&e, label, sizeof(label));
		(void)add_checked(d, i + 1, e.first, e.last - e.first + 1, uuid, label);
	}
	kfree(entries);
}

void disk_scan_partitions(struct disk *d)
{
	struct block_device *whole = list_first(&d->parts, struct block_device, node);
	u8 sector[SECTOR_SIZE];
	kerr_t err = read_bytes(whole, 0, sector, sizeof(sector));

	if (err) {
		klog_err("%s: cannot read the partition table: error %d", d->name, kerr_code(err));
		return;
	}
	if (sector[510] != 0x55 || sector[511] != 0xaa)
		return;
	for (unsigned i = 0; i < 4; i++) {
		if (sector[MBR_ENTRIES + i * 16 + 4] == 0xee) {
			scan_gpt(d, whole);
			return;
		}
	}
	scan_mbr(d, whole, sector);
}
