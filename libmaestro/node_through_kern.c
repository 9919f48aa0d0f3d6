/* SPDX-License-Identifier: MIT */
/*
 * Contents of files without copies: handing out the page cache's pages and windows of the disk, and writing from memory that the instance knows.
 *
 * Locking: the inode's rwsem is held for reading while pieces are out, so blocks stay where they are; pages by their references.
 */
#include <maestro/block.h>

#include "disk.h"
#include "node_kern.h"

#define PIECES 1000 /* a host's system call takes 1024, and its caller may have some of its own */
#define THROUGH_LEAST 65536

struct pieces {
	unsigned count, npages;
	size_t bytes;
	struct host_iov iov[PIECES]; /* as struct iovec: disk_host.c checks */
	struct page *pages[PIECES];  /* references */
};

static bool add_piece(struct pieces *l, const void *base, size_t len)
{
	struct host_iov *last = l->count ? &l->iov[l->count - 1] : NULL;

	l->bytes += len;
	if (last && (const u8 *)last->base + last->len == base) {
		last->len += len;
		return true;
	}
	if (l->count == PIECES)
		return false;
	l->iov[l->count++] = (struct host_iov){(void *)(uintptr_t)base, len};
	return true;
}

static kerr_t add_hole(struct pieces *l, size_t len)
{
	static const u8 zeros[PAGE_SIZE];

	for (size_t part; len; len -= part) {
		part = MIN(len, sizeof(zeros));
		if (!add_piece(l, zeros, part))
			return KERR(EOPNOTSUPP);
	}
	return KERR(0);
}

/* Bytes that no page of the cache has. pos is anywhere in a block. */
static kerr_t add_from_disk(struct pieces *l, struct inode *inode, loff_t pos, size_t len)
{
	u32 in_block = (u32)pos & (inode->sb->blocksize - 1);

	while (len) {
		const u8 *at;
		u64 offset;
		size_t part;
		kerr_t err = inode->mapping->ops->locate(inode, pos - in_block, len + in_block, &offset, &part);

		if (err)
			return err;
		part -= in_block;
		if (offset == LOCATE_HOLE) {
			err = add_hole(l, part);
		} else {
			at = hosted_disk_window(inode->sb->bdev, offset + in_block, part);
			err = at && add_piece(l, at, part) ? KERR(0) : KERR(EOPNOTSUPP);
		}
		if (err)
			return err;
		in_block = 0;
		pos += (loff_t)part;
		len -= part;
	}
	return KERR(0);
}

/* How far from pos on no page is cached, at most len. */
static size_t uncached(struct mapping *m, loff_t pos, size_t len)
{
	pgoff_t index = (pgoff_t)(pos >> PAGE_SHIFT), last = (pgoff_t)((pos + (loff_t)len - 1) >> PAGE_SHIFT);
	struct page *p = mapping_find_next(m, &index, last);

	if (!p)
		return len;
	page_put(p);
	return MAX((loff_t)index << PAGE_SHIFT, pos) - pos;
}

/* One page's worth, or what lies up to the next cached page. *len: how much. */
static kerr_t add_next(struct pieces *l, struct inode *inode, loff_t pos, size_t *len)
{
	struct mapping *m = inode->mapping;
	size_t off = (size_t)pos & ~PAGE_MASK, in_page = MIN(*len, PAGE_SIZE - off);
	struct page *p = m->nrpages ? mapping_find(m, (pgoff_t)(pos >> PAGE_SHIFT)) : NULL;
	size_t free;

	if (p && page_test(p, PG_UPTODATE)) {
		l->pages[l->npages++] = p;
		*len = in_page;
		return add_piece(l, (u8 *)page_address(p) + off, in_page) ? KERR(0) : KERR(EOPNOTSUPP);
	}
	if (p)
		page_put(p); /* being read: the disk has it */
	free = m->nrpages ? uncached(m, pos, *len) : *len;
	*len = MAX(free, in_page);
	return add_from_disk(l, inode, pos, *len);
}

static kerr_t gather(struct pieces *l, struct inode *inode, loff_t pos, size_t n)
{
	while (n) {
		size_t len = n;
		kerr_t err = l->npages == PIECES ? KERR(EOPNOTSUPP) : add_next(l, inode, pos, &len);

		if (err)
			return err;
		pos += (loff_t)len;
		n -= len;
	}
	return KERR(0);
}

static ssize_t give_some(struct file *f, loff_t pos, size_t n, maestro_give *give, void *arg)
{
	struct inode *inode = f->inode;
	struct pieces *l;
	loff_t size;
	ssize_t ret = 0;

	if (!(f->mode & FMODE_READ))
		return -EBADF;
	if (!S_ISREG(inode->mode) || !inode->mapping || !inode->mapping->ops->locate)
		return -EOPNOTSUPP;
	if (pos < 0)
		return -EINVAL;
	l = kmalloc(sizeof(*l), GFP_KERNEL);
	if (!l)
		return -ENOMEM;
	l->count = l->npages = 0;
	l->bytes = 0;
	(void)file_get(f); /* once give() has answered, the file may be closed */
	rwsem_read_lock(&inode->rwsem);
	size = inode_size(inode);
	if (pos < size)
		ret = kerr_code(gather(l, inode, pos, (size_t)MIN((u64)n, (u64)(size - pos))));
	if (!ret && l->bytes)
		ret = give(arg, (const struct iovec *)(const void *)l->iov, l->count, l->bytes);
	rwsem_read_unlock(&inode->rwsem);
	for (unsigned i = 0; i < l->npages; i++)
		page_put(l->pages[i]);
	kfree(l);
	if (ret > 0)
		file_accessed(f);
	file_put(f);
	return ret;
}

ssize_t maestro_file_give(struct maestro *k, struct maestro_file *f, uint64_t offset, size_t n, maestro_give *give, void *arg)
{
	ssize_t ret = node_enter(k);

	if (ret)
		return ret;
	ret = give_some(f->file, (loff_t)offset, n, give, arg);
	hosted_leave();
	return ret;
}

/* ---------------------------------------------------------------- buffers */
static unsigned order_of(size_t size)
{
	unsigned order = 0;

	while (PAGE_SIZE << order < size)
		order++;
	return order;
}

void *maestro_buffer_alloc(struct maestro *k, size_t size)
{
	struct page *p;

	if (order_of(size) > PAGE_MAX_ORDER || node_enter(k))
		return NULL;
	p = pages_alloc(order_of(size), GFP_KERNEL);
	hosted_leave();
	return p ? page_address(p) : NULL;
}

void maestro_buffer_free(struct maestro *k, void *buf, size_t size)
{
	if (!buf || node_enter(k))
		return;
	pages_free(virt_to_page(buf), order_of(size));
	hosted_leave();
}

bool node_buffer_seg(const struct hosted *h, const void *buf, size_t n, struct page_seg *out)
{
	const u8 *p = buf;

	if (likely(n < THROUGH_LEAST) || p < h->arena || p >= h->arena + h->arena_size || n > (size_t)(h->arena + h->arena_size - p) ||
	    ((uintptr_t)p & ~PAGE_MASK))
		return false;
	*out = (struct page_seg){.page = virt_to_page(p), .len = (u32)n};
	return true;
}
