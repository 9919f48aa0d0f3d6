/* SPDX-License-Identifier: MIT */
/*
 * Checksums of metadata, for reading: metadata_csum (crc32c of nearly everything; kernel.org, "ext4 Metadata Checksums") and its forerunner uninit_bg, here
 * gdt_csum (crc16 of group descriptors). An image that has them is never written, so none is ever made here.
 *
 * A seed stands before each: crc32c of the file system's uuid; for what belongs to an inode, then of its number and its generation.
 *
 * Locking: none; callers hold a reference to the buf or page.
 */
#include "ext2.h"

#define CSUM_CRC32C 1

#define LEAF_TAIL_TYPE 0xDE
struct leaf_tail { /* looks like an unused entry */
	u32 zero;
	u16 rec_len;
	u8 name_len, type;
	u32 checksum;
};
struct index_tail {
	u32 reserved, checksum;
};
_Static_assert(sizeof(struct leaf_tail) == 12 && sizeof(struct index_tail) == 8, "checksums of directories");

kerr_t ext2_csum_setup(struct ext2_sb *s)
{
	const struct ext2_super *es = s->es;

	if (!es->rev_level)
		return KERR(0);
	s->metadata_csum = es->feature_ro_compat & EXT2_RO_METADATA_CSUM;
	s->gdt_csum = !s->metadata_csum && (es->feature_ro_compat & EXT2_RO_GDT_CSUM);
	s->csum_seed = es->feature_incompat & EXT2_INCOMPAT_CSUM_SEED ? es->checksum_seed : crc32c(~0u, es->uuid, sizeof(es->uuid));
	if (!s->metadata_csum)
		return KERR(0);
	if (es->checksum_type != CSUM_CRC32C) {
		klog_err("EXT2-fs (%s): unknown checksum algorithm %u", s->sb->id, es->checksum_type);
		return KERR(EINVAL);
	}
	if (crc32c(~0u, es, offsetof(struct ext2_super, checksum)) != es->checksum) {
		klog_err("EXT2-fs (%s): invalid checksum of the superblock; run e2fsck", s->sb->id);
		return KERR(EBADMSG);
	}
	return KERR(0);
}

static u16 group_crc16(const struct ext2_sb *s, u32 group, const struct ext2_group *gd)
{
	u32 size = 1u << s->desc_shift, at = offsetof(struct ext2_group, checksum), past = at + sizeof(gd->checksum);
	u16 crc = crc16(0xffff, s->es->uuid, sizeof(s->es->uuid));

	crc = crc16(crc, &group, sizeof(group));
	crc = crc16(crc, gd, at);
	return past < size ? crc16(crc, (const u8 *)gd + past, size - past) : crc;
}

bool ext2_group_csum_ok(const struct ext2_sb *s, u32 group)
{
	static const u16 zero;
	const struct ext2_group *gd = ext2_group_desc(s, group, NULL);
	u32 size = 1u << s->desc_shift, at = offsetof(struct ext2_group, checksum), past = at + sizeof(gd->checksum), crc;

	if (s->gdt_csum)
		return group_crc16(s, group, gd) == gd->checksum;
	if (!s->metadata_csum)
		return true;
	crc = crc32c(s->csum_seed, &group, sizeof(group));
	crc = crc32c(crc, gd, at);
	crc = crc32c(crc, &zero, sizeof(zero));
	crc = crc32c(crc, (const u8 *)gd + past, size - past);
	return (u16)crc == gd->checksum;
}

static u32 inode_seed(const struct ext2_sb *s, u32 ino, u32 generation)
{
	u32 crc = crc32c(s->csum_seed, &ino, sizeof(ino));

	return crc32c(crc, &generation, sizeof(generation));
}

bool ext2_inode_csum_ok(const struct ext2_sb *s, u32 ino, const struct ext2_dinode *raw)
{
	static const u16 zero;
	u32 lo = offsetof(struct ext2_dinode, checksum_lo), hi = offsetof(struct ext2_dinode, checksum_hi), crc, from;
	bool has_hi = s->inode_size > EXT2_OLD_INODE && EXT2_OLD_INODE + (u32)raw->extra_isize >= hi + sizeof(zero);

	if (!s->metadata_csum)
		return true;
	crc = inode_seed(s, ino, raw->generation);
	crc = crc32c(crc, raw, lo);
	crc = crc32c(crc, &zero, sizeof(zero));
	from = lo + sizeof(zero);
	if (has_hi) {
		crc = crc32c(crc, (const u8 *)raw + from, hi - from);
		crc = crc32c(crc, &zero, sizeof(zero));
		from = hi + sizeof(zero);
	}
	crc = crc32c(crc, (const u8 *)raw + from, s->inode_size - from);
	return has_hi ? crc == (raw->checksum_lo | (u32)raw->checksum_hi << 16) : (u16)crc == raw->checksum_lo;
}

bool ext2_inode_block_csum_ok(const struct inode *inode, const void *data, u32 len, u32 stored)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);

	return !s->metadata_csum || crc32c(inode_seed(s, (u32)inode->ino, inode->generation), data, len) == stored;
}

bool ext2_xattr_block_csum_ok(const struct ext2_sb *s, u64 block, const void *data, u32 at)
{
	static const u32 zero;
	u32 crc, stored;

	if (!s->metadata_csum)
		return true;
	memcpy(&stored, (const u8 *)data + at, sizeof(stored));
	crc = crc32c(s->csum_seed, &block, sizeof(block));
	crc = crc32c(crc, data, at);
	crc = crc32c(crc, &zero, sizeof(zero));
	crc = crc32c(crc, (const u8 *)data + at + sizeof(zero), s->block_size - at - (u32)sizeof(zero));
	return crc == stored;
}

/* ---------------------------------------------------------------- directories */
/* Where in an index node the count of its entries is; 0: the block is no index node. */
static u32 index_count_at(const struct ext2_sb *s, const u8 *data)
{
	const struct ext2_dirent *e = (const void *)data, *dotdot = (const void *)(data + 12);
	u32 root_info;

	if (e->rec_len == s->block_size && !e->inode && !e->name_len)
		return 8; /* an inner node: behind one entry that looks empty */
	if (e->rec_len != 12 || dotdot->rec_len != s->block_size - 12)
		return 0;
	memcpy(&root_info, data + 24, sizeof(root_info));
	return root_info || data[29] != 8 ? 0 : 32;
}

static bool index_csum_ok(const struct inode *dir, const u8 *data, u32 count_at)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	static const u32 zero;
	struct index_tail t;
	u16 limit, count;
	u32 crc;

	memcpy(&limit, data + count_at, sizeof(limit));
	memcpy(&count, data + count_at + 2, sizeof(count));
	if (count > limit || count_at + limit * 8u > s->block_size - sizeof(t))
		return false;
	memcpy(&t, data + count_at + limit * 8u, sizeof(t));
	crc = inode_seed(s, (u32)dir->ino, dir->generation);
	crc = crc32c(crc, data, count_at + count * 8u);
	crc = crc32c(crc, &t.reserved, sizeof(t.reserved));
	return crc32c(crc, &zero, sizeof(zero)) == t.checksum;
}

bool ext2_dir_csum_ok(const struct inode *dir, const void *data)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	u32 at = s->block_size - (u32)sizeof(struct leaf_tail), count_at = 0;
	struct leaf_tail t;

	if (!s->metadata_csum || ext2_has_inline_data(dir))
		return true;
	if (EXT2_I(dir)->flags & EXT2_INDEX_FL)
		count_at = index_count_at(s, data);
	if (count_at)
		return index_csum_ok(dir, data, count_at);
	memcpy(&t, (const u8 *)data + at, sizeof(t));
	return !t.zero && t.rec_len == sizeof(t) && !t.name_len && t.type == LEAF_TAIL_TYPE && ext2_inode_block_csum_ok(dir, data, at, t.checksum);
}
