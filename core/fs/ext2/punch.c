/* SPDX-License-Identifier: MIT */
/*
 * Punching holes: fallocate(2), FALLOC_FL_PUNCH_HOLE. Preallocation has no form on this disk, so it is refused, as by Linux.
 *
 * Whole pages leave the cache and their blocks are freed; parts of pages are zeroed. A map may dirty a page of the range meanwhile: so blocks are first
 * taken out of the tree, then what was on its way to them is waited for, and only then they are free for others.
 * Locking: the inode's rwsem for writing; the tree's inside ext2_unmap().
 */
#include "ext2.h"

#define FALLOC_KEEP_SIZE 1
#define FALLOC_PUNCH_HOLE 2
#define RUNS 32

struct run {
	u32 start, count;
};

/* Takes mapped blocks from *lblk on out of the tree, until `past` or until the list is full. */
static kerr_t gather(struct inode *inode, u64 *lblk, u64 past, struct run *runs, unsigned *n)
{
	for (*n = 0; *lblk < past && *n < RUNS;) {
		u32 phys, len;
		bool fresh;
		kerr_t err = ext2_map(inode, *lblk, (u32)MIN(past - *lblk, (u64)1 << 20), false, &phys, &len, &fresh);

		if (!err && phys)
			err = ext2_unmap(inode, *lblk, len);
		if (err)
			return err;
		if (phys)
			runs[(*n)++] = (struct run){ phys, len };
		*lblk += len;
		cond_resched();
	}
	return KERR(0);
}

static kerr_t free_range(struct inode *inode, u64 lblk, u64 past)
{
	unsigned bits = EXT2_SB(inode->sb)->block_bits, n;
	struct run runs[RUNS];
	kerr_t err = KERR(0);

	ext2_window_drop(inode);
	while (lblk < past && !err) {
		u64 from = lblk;
		kerr_t wait;

		err = gather(inode, &lblk, past, runs, &n);
		wait = mapping_write_range(inode->mapping, (loff_t)(from << bits), (loff_t)(lblk << bits) - 1, true);
		if (!err)
			err = wait;
		for (unsigned i = 0; i < n; i++)
			ext2_blocks_free(inode, runs[i].start, runs[i].count);
	}
	return err;
}

/* The page that holds pos in its middle has to be cached, for mapping_truncate_range() to wipe its part. */
static kerr_t edge_read(struct inode *inode, loff_t pos, struct page **out)
{
	*out = NULL;
	if (!((u32)pos & (PAGE_SIZE - 1)))
		return KERR(0);
	return mapping_read_page(inode->mapping, (pgoff_t)(pos >> PAGE_SHIFT), NULL, out);
}

static kerr_t punch(struct inode *inode, loff_t off, loff_t end)
{
	unsigned bits = EXT2_SB(inode->sb)->block_bits;
	loff_t size = inode_size(inode), first = (loff_t)ALIGN_UP((u64)off, (u64)PAGE_SIZE), past;
	struct page *head, *tail = NULL;
	kerr_t err;

	if (off >= size)
		return KERR(0);
	end = MIN(end, size);
	past = end == size ? (loff_t)ALIGN_UP((u64)end, (u64)PAGE_SIZE) : (loff_t)ALIGN_DOWN((u64)end, (u64)PAGE_SIZE);
	err = edge_read(inode, off, &head);
	if (!err)
		err = edge_read(inode, end, &tail);
	if (!err) {
		mapping_truncate_range(inode->mapping, off, end);
		if (first < past)
			err = free_range(inode, (u64)first >> bits, (u64)past >> bits);
		mapping_invalidate_clean(inode->mapping, (pgoff_t)(off >> PAGE_SHIFT), (pgoff_t)((end - 1) >> PAGE_SHIFT));
		inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
	}
	if (head)
		page_put(head);
	if (tail)
		page_put(tail);
	return err;
}

long ext2_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	struct inode *inode = f->inode;
	kerr_t err;

	if (mode != (FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE))
		return -EOPNOTSUPP;
	rwsem_write_lock(&inode->rwsem);
	err = inode_kill_privs(inode);
	if (!err)
		err = punch(inode, off, off + len);
	rwsem_write_unlock(&inode->rwsem);
	return kerr_code(err);
}
