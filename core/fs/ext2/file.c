/* SPDX-License-Identifier: MIT */
/*
 * The contents of files: page cache operations, and the file operations of regular files.
 *
 * Blocks are allocated when a page is prepared for a write (write_begin, page_mkwrite), so writing back cannot run out of space. With blocks smaller than a
 * page only the blocks touched are allocated; a hole in a dirty page is written back only if there is something in it.
 *
 * Bios: pages whose blocks form one run are strung together as long as the runs continue each other. A page in several pieces gets a struct page_io that
 * counts them.
 *
 * Locking: the page lock; ext2_inode.tree inside ext2_map().
 */
#include <maestro/cred.h>
#include <maestro/mm.h>
#include <maestro/uaccess.h>

#include "ext2.h"

#define CLUSTER_VECS 64
#define MAX_PARTS 4 /* blocks in a page: block size >= 1024 */

static u32 blocks_per_page(const struct ext2_sb *s)
{
	return (u32)PAGE_SIZE >> s->block_bits;
}

/* ---------------------------------------------------------------- a window of the map: what ext2_map() said last */
struct extent {
	u64 lblk;
	u32 len, phys; /* len 0: nothing known */
};

static kerr_t extent_lookup(struct inode *inode, struct extent *x, u64 lblk, u32 max, u32 *phys)
{
	bool fresh;
	kerr_t err;

	if (!x->len || lblk < x->lblk || lblk >= x->lblk + x->len) {
		x->len = 0;
		err = ext2_map(inode, lblk, max, false, &x->phys, &x->len, &fresh);
		if (err)
			return err;
		x->lblk = lblk;
	}
	*phys = x->phys ? x->phys + (u32)(lblk - x->lblk) : 0;
	return KERR(0);
}

/* The blocks of a page that lie in the file. max: how many more blocks the caller will ask for. */
static kerr_t page_blocks(struct inode *inode, struct extent *x, const struct page *p, loff_t size, u32 max, u32 *phys, u32 *count)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	u64 first = (u64)p->index << (PAGE_SHIFT - s->block_bits), end = ((u64)size + s->block_size - 1) >> s->block_bits;
	u32 n = first >= end ? 0 : (u32)MIN(end - first, (u64)blocks_per_page(s));

	for (u32 i = 0; i < n; i++) {
		kerr_t err = extent_lookup(inode, x, first + i, max - i, &phys[i]);

		if (err)
			return err;
	}
	*count = n;
	return KERR(0);
}

/* The page is one run on disk from its first byte on. */
static bool is_one_run(const u32 *phys, u32 n)
{
	if (!n || !phys[0])
		return false;
	for (u32 i = 1; i < n; i++) {
		if (phys[i] != phys[0] + i)
			return false;
	}
	return true;
}

static void page_zero(struct page *p, size_t from, size_t to)
{
	u8 *va;

	if (from >= to)
		return;
	va = page_map(p);
	memset(va + from, 0, to - from);
	page_unmap(va);
}

/* ---------------------------------------------------------------- bios */
struct page_io { /* a page in several bios */
	struct page *page;
	struct atomic left, err;
	bool write;
};

static void page_io_put(struct page_io *io)
{
	if (!atomic_dec_and_test(&io->left))
		return;
	if (io->write)
		page_end_writeback(io->page, atomic_read(&io->err));
	else
		page_end_read(io->page, atomic_read(&io->err));
	kfree(io);
}

static void page_io_end(struct bio *bio)
{
	struct page_io *io = bio->priv;

	if (bio->status)
		atomic_set(&io->err, bio->status);
	bio_free(bio);
	page_io_put(io);
}

static void read_cluster_end(struct bio *bio)
{
	for (unsigned i = 0; i < bio->nvecs; i++)
		page_end_read(bio->vecs[i].page, bio->status);
	bio_free(bio);
}

static void write_cluster_end(struct bio *bio)
{
	for (unsigned i = 0; i < bio->nvecs; i++)
		page_end_writeback(bio->vecs[i].page, bio->status);
	bio_free(bio);
}

/* A bio that grows while blocks continue each other. */
struct cluster {
	struct inode *inode;
	struct bio *bio;
	u32 next; /* block */
	u8 op, flags;
	unsigned vecs; /* for a new bio */
};

static void cluster_flush(struct cluster *c)
{
	if (c->bio)
		bio_submit(c->bio);
	c->bio = NULL;
}

static bool cluster_add(struct cluster *c, struct page *p, u32 block, u32 count)
{
	const struct ext2_sb *s = EXT2_SB(c->inode->sb);
	u32 bytes = count << s->block_bits;

	if (c->bio && (block != c->next || !bio_add(c->bio, p, 0, bytes)))
		cluster_flush(c);
	else if (c->bio)
		goto added;
	c->bio = bio_alloc(s->bdev, c->vecs, GFP_NOFS);
	if (!c->bio)
		c->bio = bio_alloc(s->bdev, 1, GFP_NOFS);
	if (!c->bio)
		return false;
	c->bio->op = c->op;
	c->bio->flags = c->flags;
	c->bio->sector = (sector_t)block << (s->block_bits - SECTOR_SHIFT);
	c->bio->end = c->op == BIO_READ ? read_cluster_end : write_cluster_end;
	(void)bio_add(c->bio, p, 0, bytes);
added:
	c->next = block + count;
	return true;
}

/* One bio for each run of the page's blocks; holes are left out. The last to end ends the page. */
static kerr_t submit_pieces(struct inode *inode, struct page *p, const u32 *phys, u32 n, u8 op, u8 flags)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct page_io *io = kzalloc(sizeof(*io), GFP_NOFS);
	kerr_t err = KERR(0);

	if (!io)
		return KERR(ENOMEM);
	io->page = p;
	io->write = op == BIO_WRITE;
	atomic_set(&io->left, 1);
	for (u32 i = 0, len; i < n; i += len) {
		struct bio *bio;

		len = 1;
		if (!phys[i])
			continue;
		while (i + len < n && phys[i + len] == phys[i] + len)
			len++;
		bio = bio_alloc(s->bdev, 1, GFP_NOFS);
		if (!bio) {
			atomic_set(&io->err, -ENOMEM);
			break;
		}
		bio->op = op;
		bio->flags = flags;
		bio->sector = (sector_t)phys[i] << (s->block_bits - SECTOR_SHIFT);
		bio->end = page_io_end;
		bio->priv = io;
		(void)bio_add(bio, p, i << s->block_bits, len << s->block_bits);
		atomic_inc(&io->left);
		bio_submit(bio);
	}
	page_io_put(io);
	return err;
}

/* ---------------------------------------------------------------- reading */
static bool any_replayed(const struct ext2_sb *s, const u32 *phys, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		if (phys[i] && ext2_is_replayed(s, phys[i]))
			return true;
	}
	return false;
}

/* Some of its blocks are not on the disk, but were in the journal: through the buffer cache. */
static void read_replayed(struct inode *inode, struct page *p, const u32 *phys, u32 n)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	kerr_t err = KERR(0);

	page_zero(p, 0, PAGE_SIZE);
	for (u32 i = 0; i < n && !err; i++) {
		struct buf *b;
		u8 *va;

		if (!phys[i])
			continue;
		err = buf_read(s->bdev, phys[i], &b);
		if (err)
			break;
		va = page_map(p);
		memcpy(va + (i << s->block_bits), b->data, s->block_size);
		page_unmap(va);
		buf_put(b);
	}
	page_end_read(p, kerr_code(err));
}

static void read_one(struct cluster *c, struct extent *x, struct page *p, loff_t size, u32 max)
{
	const struct ext2_sb *s = EXT2_SB(c->inode->sb);
	u32 phys[MAX_PARTS], n, mapped = 0;
	kerr_t err = page_blocks(c->inode, x, p, size, max, phys, &n);

	p->priv = 0; /* a directory's page: not checked yet */
	if (err) {
		page_end_read(p, kerr_code(err));
		return;
	}
	if (unlikely(s->nreplayed) && any_replayed(s, phys, n)) {
		read_replayed(c->inode, p, phys, n);
		return;
	}
	if (likely(is_one_run(phys, n))) {
		page_zero(p, n << s->block_bits, PAGE_SIZE);
		if (!cluster_add(c, p, phys[0], n))
			page_end_read(p, -ENOMEM);
		return;
	}
	for (u32 i = 0; i < n; i++) {
		if (phys[i])
			mapped++;
		else
			page_zero(p, i << s->block_bits, (i + 1) << s->block_bits);
	}
	page_zero(p, n << s->block_bits, PAGE_SIZE);
	if (!mapped) {
		page_end_read(p, 0);
		return;
	}
	cluster_flush(c);
	err = submit_pieces(c->inode, p, phys, n, BIO_READ, 0);
	if (err)
		page_end_read(p, kerr_code(err));
}

/* Ends each page itself, with its error if it has one: so it always returns 0. */
static kerr_t ext2_read_pages(struct mapping *m, struct page **pages, unsigned n)
{
	struct inode *inode = m->inode;
	struct cluster c = { .inode = inode, .op = BIO_READ, .vecs = MIN(n, (unsigned)CLUSTER_VECS) };
	u32 bpp = blocks_per_page(EXT2_SB(inode->sb));
	struct extent x = { 0, 0, 0 };
	loff_t size = inode_size(inode);

	for (unsigned i = 0; i < n; i++) {
		if (unlikely(ext2_has_inline_data(inode)))
			ext2_inline_read_page(inode, pages[i]);
		else
			read_one(&c, &x, pages[i], size, (n - i) * bpp);
	}
	cluster_flush(&c);
	return KERR(0);
}

/* ---------------------------------------------------------------- write-back */
struct write_state {
	struct cluster c;
	struct extent x;
};

static bool block_is_zero(struct page *p, u32 off, u32 len)
{
	u8 *va = page_map(p);
	const unsigned long *w = (const unsigned long *)(const void *)(va + off);
	bool zero = true;

	for (u32 i = 0; i < len / sizeof(*w) && zero; i++)
		zero = !w[i];
	page_unmap(va);
	return zero;
}

/* Bytes in a hole came through a map after the file grew: they need their block now. */
static kerr_t fill_holes(struct inode *inode, struct page *p, u32 *phys, u32 n, struct extent *x)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	u64 first = (u64)p->index << (PAGE_SHIFT - s->block_bits);

	for (u32 i = 0; i < n; i++) {
		u32 len;
		bool fresh;
		kerr_t err;

		if (phys[i] || block_is_zero(p, i << s->block_bits, s->block_size))
			continue;
		x->len = 0;
		err = ext2_map(inode, first + i, 1, true, &phys[i], &len, &fresh);
		if (err)
			return err;
	}
	return KERR(0);
}

/* p is locked and clean-for-io; leaves unlocked and under write-back, or dirty again. */
static kerr_t write_one(struct page *p, void *arg)
{
	struct write_state *w = arg;
	struct inode *inode = w->c.inode;
	loff_t size = inode_size(inode), start = (loff_t)p->index << PAGE_SHIFT;
	u32 phys[MAX_PARTS], n = 0, mapped = 0;
	kerr_t err;

	page_start_writeback(p);
	if (size > start && size < start + (loff_t)PAGE_SIZE)
		page_zero(p, (size_t)(size - start), PAGE_SIZE); /* what a map wrote past the end must not reach the disk */
	err = page_blocks(inode, &w->x, p, size, CLUSTER_VECS, phys, &n);
	if (!err && !is_one_run(phys, n))
		err = fill_holes(inode, p, phys, n, &w->x);
	for (u32 i = 0; i < n && !err; i++)
		mapped += phys[i] != 0;
	if (!err && mapped && is_one_run(phys, n)) {
		if (cluster_add(&w->c, p, phys[0], n)) {
			page_unlock(p);
			return KERR(0);
		}
		err = KERR(ENOMEM);
	} else if (!err && mapped) {
		cluster_flush(&w->c);
		page_unlock(p);
		err = submit_pieces(inode, p, phys, n, BIO_WRITE, w->c.flags);
		if (!err)
			return KERR(0);
		page_set_dirty(p);
		page_end_writeback(p, 0);
		return err;
	}
	if (err && kerr_code(err) == -ENOMEM)
		page_set_dirty(p); /* not lost: another time */
	page_unlock(p);
	page_end_writeback(p, kerr_code(err) == -ENOMEM ? 0 : kerr_code(err));
	return err;
}

static kerr_t ext2_write_pages(struct mapping *m, struct writeback *wb)
{
	struct write_state w = { .c = { .inode = m->inode, .op = BIO_WRITE, .flags = wb->sync ? BIO_SYNC : 0, .vecs = CLUSTER_VECS } };
	kerr_t err = write_dirty_pages(m, wb, write_one, &w);

	cluster_flush(&w.c);
	return err;
}

/* ---------------------------------------------------------------- write(2) */
/* A write failed after it had allocated: gives back what lies past the end. */
static void write_failed(struct inode *inode, loff_t end)
{
	loff_t size = inode_size(inode);

	if (end > size)
		ext2_truncate_blocks(inode, (u64)size);
}

/* Makes the locked page uptodate: reads its blocks, zeroes holes and the blocks of `fresh` (a bit each), whose disk content is nobody's. */
static kerr_t fill_page(struct inode *inode, struct page *p, u32 fresh)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct extent x = { 0, 0, 0 };
	u32 phys[MAX_PARTS], n;
	kerr_t err = page_blocks(inode, &x, p, inode_size(inode), blocks_per_page(s), phys, &n);

	for (u32 i = 0; i < blocks_per_page(s) && !err; i++) {
		struct bio *bio;

		if (i >= n || !phys[i] || (fresh & 1u << i)) {
			page_zero(p, i << s->block_bits, (i + 1) << s->block_bits);
			continue;
		}
		bio = bio_alloc(s->bdev, 1, GFP_NOFS);
		if (!bio)
			return KERR(ENOMEM);
		bio->sector = (sector_t)phys[i] << (s->block_bits - SECTOR_SHIFT);
		bio->op = BIO_READ;
		bio->flags = BIO_SYNC;
		(void)bio_add(bio, p, i << s->block_bits, s->block_size);
		err = bio_submit_wait(bio);
		bio_free(bio);
	}
	if (!err)
		page_set(p, PG_UPTODATE);
	return err;
}

/* Blocks for bytes [from, to) of the page. *fresh: a bit for each that is new. */
static kerr_t allocate_range(struct inode *inode, const struct page *p, u32 from, u32 to, u32 *fresh)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	u64 first = (u64)p->index << (PAGE_SHIFT - s->block_bits);
	u32 i = from >> s->block_bits, end = (to + s->block_size - 1) >> s->block_bits;

	*fresh = 0;
	while (i < end) {
		u32 phys, len;
		bool is_new;
		kerr_t err = ext2_map(inode, first + i, end - i, true, &phys, &len, &is_new);

		if (err)
			return err;
		if (is_new)
			*fresh |= ((1u << len) - 1) << i;
		i += len;
	}
	return KERR(0);
}

/* What has to be in the page around the bytes to come. */
static kerr_t prepare_content(struct inode *inode, struct page *p, u32 from, u32 to, u32 fresh)
{
	loff_t size = inode_size(inode), start = (loff_t)p->index << PAGE_SHIFT;

	if (start >= size || (!fresh && !from && start + (loff_t)to >= size) || (!fresh && !from && to == PAGE_SIZE)) {
		/* Nothing old that would be kept. */
		page_zero(p, 0, from);
		page_zero(p, to, PAGE_SIZE);
		return KERR(0);
	}
	return fill_page(inode, p, fresh);
}

kerr_t ext2_write_begin(struct mapping *m, loff_t pos, unsigned len, struct page **out)
{
	struct inode *inode = m->inode;
	u32 from = (u32)pos & (PAGE_SIZE - 1), to = from + len, fresh = 0;
	struct page *p;
	kerr_t err, fill_err = KERR(0);

	DEBUG_ASSERT(to <= PAGE_SIZE);
	err = mapping_grab(m, (pgoff_t)(pos >> PAGE_SHIFT), &p);
	if (err)
		return err;
	if (!page_test(p, PG_UPTODATE))
		p->priv = 0;
	err = allocate_range(inode, p, from, to, &fresh);
	if (!page_test(p, PG_UPTODATE)) {
		if (!err)
			err = prepare_content(inode, p, from, to, fresh);
		else if (fresh)
			fill_err = fill_page(inode, p, fresh); /* what was allocated inside the file must read as zeros */
	}
	/* New blocks inside the file: whatever becomes of this write, their content has to get there. */
	if (fresh && !fill_err && page_test(p, PG_UPTODATE))
		page_set_dirty(p);
	if (!err) {
		*out = p;
		return KERR(0);
	}
	write_failed(inode, pos + len);
	page_unlock(p);
	page_put(p);
	return err;
}

unsigned ext2_write_end(struct mapping *m, loff_t pos, unsigned len, unsigned copied, struct page *p)
{
	struct inode *inode = m->inode;

	if (copied < len && !page_test(p, PG_UPTODATE))
		copied = 0; /* a part of the page would be garbage */
	if (copied) {
		page_set(p, PG_UPTODATE);
		if (pos + copied > inode->size) {
			inode_set_size(inode, pos + copied);
			inode_mark_dirty(inode, DIRTY_SYNC);
		}
		page_set_dirty(p);
	}
	if (copied < len)
		write_failed(inode, pos + len);
	page_unlock(p);
	page_put(p);
	return copied;
}

const struct mapping_ops ext2_mapping_ops = {
	.read_pages = ext2_read_pages,
	.write_begin = ext2_write_begin,
	.write_end = ext2_write_end,
	.write_pages = ext2_write_pages,
	.locate = ext2_locate,
	.write_through = ext2_write_through,
};

/* ---------------------------------------------------------------- mmap */
static kerr_t ext2_fault(struct vm_fault *f)
{
	return generic_vm_ops.fault(f);
}

static kerr_t ext2_page_mkwrite(struct vm_fault *f)
{
	struct inode *inode = f->vma->file->inode;
	struct page *p = f->page;
	u32 fresh, end = PAGE_SIZE;
	kerr_t err = generic_vm_ops.page_mkwrite(f); /* locks the page, checks that it is still in the file, touches the times */
	loff_t size;

	if (err)
		return err;
	size = inode_size(inode) - ((loff_t)p->index << PAGE_SHIFT);
	if (size < (loff_t)end)
		end = (u32)size;
	err = allocate_range(inode, p, 0, end, &fresh);
	if (fresh)
		page_set_dirty(p);
	if (err)
		page_unlock(p);
	return err;
}

static const struct vm_ops ext2_vm_ops = {
	.fault = ext2_fault,
	.page_mkwrite = ext2_page_mkwrite,
};

static kerr_t ext2_mmap(struct file *f, struct vma *v)
{
	kerr_t err = generic_mmap(f, v);

	if (!err)
		v->ops = &ext2_vm_ops;
	return err;
}

/* ---------------------------------------------------------------- other file operations */
kerr_t ext2_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	struct inode *inode = f->inode;
	kerr_t err, e;

	(void)datasync; /* an inode that is dirty for its times only is cheap enough to write */
	err = mapping_write_range(inode->mapping, start, end, true);
	e = errseq_check(&inode->mapping->wb_err, &f->wb_err_seen);
	if (e)
		err = e;
	if (READ_ONCE(inode->state) & (I_DIRTY | I_DIRTY_TIME)) {
		e = inode_write_sync(inode, true);
	} else {
		/* An earlier write_inode() may have left it in a dirty buf. */
		struct ext2_dinode *raw;
		struct buf *b;

		e = ext2_inode_buf(inode->sb, (u32)inode->ino, &b, &raw);
		if (!e) {
			if (buf_test(b, BUF_DIRTY) && !ext2_read_only(inode->sb))
				e = buf_write_sync(b);
			buf_put(b);
		}
	}
	if (!err)
		err = e;
	e = ext2_sync_indirect(inode);
	if (!err)
		err = e;
	e = block_flush(EXT2_SB(inode->sb)->bdev);
	return err ? err : e;
}

static void ext2_release(struct inode *inode, struct file *f)
{
	if (f->mode & FMODE_WRITE)
		ext2_window_drop(inode);
}

/* The next hole or data at or after off; blocks are allocated as soon as there is data in memory, so the map tells. */
static loff_t seek_map(struct inode *inode, loff_t off, bool data)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	loff_t size = inode_size(inode);

	if (off < 0 || off >= size)
		return -ENXIO;
	while (off < size) {
		u64 lblk = (u64)off >> s->block_bits;
		u32 phys, len;
		bool fresh;
		kerr_t err = ext2_map(inode, lblk, 1u << 20, false, &phys, &len, &fresh);

		if (err)
			return kerr_code(err);
		if ((phys != 0) == data)
			return off;
		off = (loff_t)((lblk + len) << s->block_bits);
		cond_resched();
	}
	return data ? -ENXIO : size;
}

static loff_t ext2_llseek(struct file *f, loff_t off, int whence)
{
	if ((whence != SEEK_DATA && whence != SEEK_HOLE) || ext2_has_inline_data(f->inode))
		return generic_llseek(f, off, whence);
	off = seek_map(f->inode, off, whence == SEEK_DATA);
	if (off >= 0)
		f->pos = off;
	return off;
}

static kerr_t ext2_open(struct inode *inode, struct file *f)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);

	if (unlikely(!load_relaxed(&s->mount_point_told)) && !ext2_read_only(inode->sb))
		ext2_tell_mount_point(s, f->path.mnt);
	return ext2_is_encrypted(inode) ? KERR(ENOKEY) : KERR(0);
}

const struct file_ops ext2_file_ops = {
	.open = ext2_open,
	.read_iter = generic_read_iter,
	.write_iter = generic_write_iter,
	.llseek = ext2_llseek,
	.mmap = ext2_mmap,
	.fsync = ext2_fsync,
	.fallocate = ext2_fallocate,
	.release = ext2_release,
	.ioctl = ext2_ioctl,
};

const struct inode_ops ext2_file_inode_ops = {
	.setattr = ext2_setattr,
	.getattr = ext2_getattr,
	.getxattr = ext2_getxattr,
	.setxattr = ext2_setxattr,
	.listxattr = ext2_listxattr,
};
