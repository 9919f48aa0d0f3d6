/* SPDX-License-Identifier: MIT */
/*
 * The space of a file in memory: fallocate and the search for data and holes.
 *
 * A page that fallocate reserved is PG_DIRTY, so that it is counted and kept, but not PG_UPTODATE until something uses it: it is zeroed then, and
 * still counts as a hole, as on Linux. Locking: the inode's rwsem for writing; mapping.lock for the search.
 * Specification: fallocate(2), lseek(2) "Seeking file data and holes".
 */
#include "vm.h"

#define FALLOC_KEEP_SIZE 1
#define FALLOC_PUNCH_HOLE 2

static kerr_t reserve_page(struct mapping *m, pgoff_t index)
{
	struct page *p;
	kerr_t err = mapping_grab(m, index, &p);

	if (err)
		return err;
	if (!page_test(p, PG_DIRTY)) {
		err = shmem_charge(m);
		if (!err)
			page_set_dirty(p);
	}
	page_unlock(p);
	page_put(p);
	return err;
}

/* Gives back what was reserved in [first, past) and is not in use. */
static void unreserve(struct mapping *m, pgoff_t first, pgoff_t past)
{
	for (; first < past; first++) {
		struct page *p = mapping_find(m, first);

		if (!p)
			continue;
		page_lock(p);
		if (p->mapping == m && !page_test(p, PG_UPTODATE))
			mapping_remove(p);
		page_unlock(p);
		page_put(p);
	}
}

static kerr_t reserve(struct mapping *m, pgoff_t first, pgoff_t past)
{
	const struct shmem_limit *l = m->limit;
	pgoff_t i;

	if (l && l->max && past - first > (unsigned long)l->max)
		return KERR(ENOSPC);
	for (i = first; i < past; i++) {
		kerr_t err = task_signal_pending() ? KERR(EINTR) : reserve_page(m, i);

		if (err) {
			unreserve(m, first, i);
			return err;
		}
		cond_resched();
	}
	return 0;
}

static kerr_t allocate_locked(struct inode *inode, int mode, loff_t off, loff_t end)
{
	kerr_t err = inode_size_ok(inode, end);

	if (!err && (inode->seals & F_SEAL_GROW) && end > inode->size)
		err = KERR(EPERM);
	if (!err)
		err = reserve(inode->mapping, (pgoff_t)(off >> PAGE_SHIFT), last_page(end));
	if (!err && !(mode & FALLOC_KEEP_SIZE) && end > inode->size)
		inode_set_size(inode, end);
	return err;
}

static kerr_t punch_locked(struct inode *inode, loff_t off, loff_t end)
{
	if (inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
		return KERR(EPERM);
	mapping_truncate_range(inode->mapping, off, end);
	return 0;
}

long shmem_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	struct inode *inode = f->inode;
	kerr_t err;

	if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE))
		return -EOPNOTSUPP;
	rwsem_write_lock(&inode->rwsem);
	err = inode_kill_privs(inode);
	if (!err)
		err = mode & FALLOC_PUNCH_HOLE ? punch_locked(inode, off, off + len) : allocate_locked(inode, mode, off, off + len);
	if (!err)
		inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
	rwsem_write_unlock(&inode->rwsem);
	return kerr_code(err);
}

/* The first page at or after `first` that holds data; past `last`: none. mapping.lock held. */
static pgoff_t next_data(struct mapping *m, pgoff_t first, pgoff_t last)
{
	unsigned long i = first;
	struct page *p;

	while ((p = xa_find(&m->pages, &i, last)) && !(page_test(p, PG_DIRTY) && page_test(p, PG_UPTODATE)) && i < last)
		i++;
	return p && page_test(p, PG_DIRTY) && page_test(p, PG_UPTODATE) ? i : last + 1;
}

static pgoff_t next_hole(struct mapping *m, pgoff_t first, pgoff_t last)
{
	while (first <= last && next_data(m, first, first) == first)
		first++;
	return first;
}

static loff_t seek_in_mapping(struct inode *inode, loff_t off, bool data)
{
	struct mapping *m = inode->mapping;
	loff_t size = inode_size(inode), at;
	unsigned long irq;
	pgoff_t found, last;

	if (off < 0 || off >= size)
		return -ENXIO;
	last = last_page(size) - 1;
	irq = spin_lock_irqsave(&m->lock);
	found = data ? next_data(m, (pgoff_t)(off >> PAGE_SHIFT), last) : next_hole(m, (pgoff_t)(off >> PAGE_SHIFT), last);
	spin_unlock_irqrestore(&m->lock, irq);
	if (found > last)
		return data ? -ENXIO : size;
	at = (loff_t)found << PAGE_SHIFT;
	return MAX(at, off);
}

loff_t shmem_llseek(struct file *f, loff_t off, int whence)
{
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_llseek(f, off, whence);
	off = seek_in_mapping(f->inode, off, whence == SEEK_DATA);
	if (off >= 0)
		f->pos = off;
	return off;
}
