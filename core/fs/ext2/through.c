/* SPDX-License-Identifier: MIT */
/*
 * Contents past the page cache: where they are on the disk, and whole pages written there at once.
 *
 * A block that has no page in the cache has on the disk what it is to have; for a new one that is seen to here. Locking: see mapping_ops.
 */
#include "ext2.h"

kerr_t ext2_locate(struct inode *inode, loff_t pos, size_t max, u64 *at, size_t *len)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	u64 blocks = ((u64)max + s->block_size - 1) >> s->block_bits;
	u32 phys, n;
	bool fresh;
	kerr_t err;

	DEBUG_ASSERT(max && !((u64)pos & (s->block_size - 1)));
	if (ext2_has_inline_data(inode) || ext2_is_encrypted(inode) || s->nreplayed)
		return KERR(EOPNOTSUPP);
	err = ext2_map(inode, (u64)pos >> s->block_bits, (u32)MIN(blocks, (u64)S32_MAX), false, &phys, &n, &fresh);
	if (err)
		return err;
	*at = phys ? (u64)phys << s->block_bits : LOCATE_HOLE;
	*len = (size_t)MIN((u64)max, (u64)n << s->block_bits);
	return KERR(0);
}

/* A bio from as much of [off, off + len) of the frames behind `page` as one takes. */
static struct bio *run_bio(const struct ext2_sb *s, struct page *page, size_t off, size_t len, u64 at)
{
	struct bio *bio = bio_alloc(s->bdev, (unsigned)MIN((len >> PAGE_SHIFT) + 2, (size_t)BIO_MAX_VECS), GFP_NOFS);

	if (!bio)
		return NULL;
	bio->op = BIO_WRITE;
	bio->flags = BIO_SYNC;
	bio->sector = (sector_t)(at >> SECTOR_SHIFT);
	while (len) {
		u32 in_page = (u32)(off & ~PAGE_MASK), part = (u32)MIN(len, (size_t)(PAGE_SIZE - in_page));

		if (!bio_add(bio, page + (off >> PAGE_SHIFT), in_page, part))
			break;
		off += part;
		len -= part;
	}
	return bio;
}

static kerr_t write_run(const struct ext2_sb *s, struct page *page, size_t off, size_t len, u64 at)
{
	while (len) {
		struct bio *bio = run_bio(s, page, off, len, at);
		size_t size;
		kerr_t err;

		if (!bio)
			return KERR(ENOMEM);
		size = bio->size;
		err = size ? bio_submit_wait(bio) : KERR(EIO);
		bio_free(bio);
		if (err)
			return err;
		off += size;
		at += size;
		len -= size;
	}
	return KERR(0);
}

/*
 * One run of blocks at pos. Holes below the end of the file are left to the cached way (*bytes is 0): readers could find there what is not theirs before it
 * is written over.
 */
static kerr_t write_next(struct inode *inode, struct page *page, size_t off, size_t len, loff_t pos, size_t *bytes)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	u64 lblk = (u64)pos >> s->block_bits, end = ((u64)inode->size + s->block_size - 1) >> s->block_bits;
	u32 phys, n = (u32)(len >> s->block_bits);
	bool create = lblk >= end, fresh;
	kerr_t err;

	*bytes = 0;
	err = ext2_map(inode, lblk, create ? n : (u32)MIN((u64)n, end - lblk), create, &phys, &n, &fresh);
	if (err || !phys)
		return err;
	err = write_run(s, page, off, (size_t)n << s->block_bits, (u64)phys << s->block_bits);
	if (!err)
		*bytes = (size_t)n << s->block_bits;
	else if (fresh && !ext2_unmap(inode, lblk, n))
		ext2_blocks_free(inode, phys, n);
	return err;
}

kerr_t ext2_write_through(struct inode *inode, struct page *page, size_t len, loff_t pos, size_t *done)
{
	size_t bytes;
	kerr_t err;

	DEBUG_ASSERT(rwsem_is_held_write(&inode->rwsem));
	*done = 0;
	do {
		err = write_next(inode, page, *done, len - *done, pos + (loff_t)*done, &bytes);
		*done += bytes;
		if (pos + (loff_t)*done > inode->size) {
			inode_set_size(inode, pos + (loff_t)*done);
			inode_mark_dirty(inode, DIRTY_SYNC);
		}
	} while (bytes && *done < len);
	return err;
}
