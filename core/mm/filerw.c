/* SPDX-License-Identifier: MIT */
/*
 * File operations over a mapping: read, write, lseek, mmap and its faults.
 *
 * Reading takes no lock but mapping.lock for each lookup; a page is used by its reference. Writing holds the inode's rwsem for writing; a page is
 * copied into while locked, with page faults off: the source may be a map of this very page. Specification: read(2), write(2), lseek(2), mmap(2).
 */
#include "vm.h"

/* ---- read ---- */

/* The page at index, uptodate and referenced. */
static kerr_t read_page_for(struct file *f, struct mapping *m, pgoff_t index, size_t want, struct page **out)
{
	struct page *p = mapping_find(m, index);

	if (unlikely(!p)) {
		readahead_sync(m, &f->ra, index, want);
		p = mapping_find(m, index);
	}
	if (p && unlikely(page_test(p, PG_READAHEAD))) {
		page_clear(p, PG_READAHEAD);
		readahead_async(m, &f->ra, index);
	}
	if (likely(p && page_test(p, PG_UPTODATE))) {
		*out = p;
		return KERR(0);
	}
	if (p)
		page_put(p);
	return mapping_read_page(m, index, NULL, out);
}

static ssize_t read_direct(struct file *f, struct mapping *m, struct iov_iter *it, loff_t *pos)
{
	ssize_t done = 0;
	kerr_t err = mapping_write_range(m, *pos, *pos + (loff_t)it->count - 1, true);

	if (!err)
		err = m->ops->direct_io(f, it, *pos, &done);
	if (err)
		return kerr_code(err);
	*pos += done;
	file_accessed(f);
	return done;
}

/* One page's worth; 0 at the end of the file. */
static ssize_t read_step(struct file *f, struct mapping *m, struct iov_iter *it, loff_t pos)
{
	size_t off = (size_t)pos & ~PAGE_MASK, n = MIN(it->count, PAGE_SIZE - off), done;
	pgoff_t index = (pgoff_t)(pos >> PAGE_SHIFT);
	struct page *p;
	loff_t size;
	kerr_t err;

	if (pos >= inode_size(m->inode))
		return 0;
	err = read_page_for(f, m, index, (it->count + off + PAGE_SIZE - 1) >> PAGE_SHIFT, &p);
	if (unlikely(err))
		return kerr_code(err);
	size = inode_size(m->inode); /* after uptodate: a truncation zeroed the page first */
	if (unlikely(size - pos < (loff_t)n))
		n = pos < size ? (size_t)(size - pos) : 0;
	done = copy_page_to_iter(it, p, off, n);
	if (load_relaxed(&f->ra.prev) != index || !off)
		page_mark_accessed(p);
	store_relaxed(&f->ra.prev, index);
	page_put(p);
	return unlikely(!done && n) ? -EFAULT : (ssize_t)done;
}

ssize_t generic_read_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct mapping *m = f->inode->mapping;
	ssize_t total = 0, n = 0;

	if (unlikely(!it->count))
		return 0;
	if (unlikely(*pos < 0))
		return -EINVAL;
	if (unlikely((f->flags & O_DIRECT) && m->ops->direct_io))
		return read_direct(f, m, it, pos);
	while (it->count) {
		n = read_step(f, m, it, *pos);
		if (n <= 0)
			break;
		*pos += n;
		total += n;
		if (it->count)
			cond_resched();
	}
	file_accessed(f);
	return total ? total : n;
}

/* ---- write ---- */

/* RLIMIT_FSIZE, the file system's limit, and 2 GiB for files opened without O_LARGEFILE by 32-bit programs. */
static kerr_t write_limits(struct file *f, struct iov_iter *it, loff_t pos)
{
	u64 limit = rlimit_get(RLIMIT_FSIZE), max = (u64)f->inode->sb->max_bytes;

	if (!max)
		max = (u64)S64_MAX;
	if (S_ISREG(f->inode->mode) && limit != RLIM_INFINITY) {
		if ((u64)pos >= limit) {
			kerr_t err = signal_send_task(current, SIGXFSZ, SIGINFO_KERNEL);

			(void)err; /* it is a standard signal: pending already is enough */
			return KERR(EFBIG);
		}
		if (it->count > limit - (u64)pos)
			it->count = (size_t)(limit - (u64)pos);
	}
	if (sizeof(long) == 4 && !(f->flags & O_LARGEFILE))
		max = MIN(max, (u64)S32_MAX);
	if ((u64)pos >= max)
		return KERR(EFBIG);
	if (it->count > max - (u64)pos)
		it->count = (size_t)(max - (u64)pos);
	return KERR(0);
}

/* F_SEAL_GROW is shmem's own to check, page by page: what still fits is written. */
static kerr_t check_seals(const struct inode *inode)
{
	return unlikely(inode->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) ? KERR(EPERM) : KERR(0);
}

kerr_t generic_write_checks(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct inode *inode = f->inode;
	kerr_t err;

	if (f->flags & O_APPEND)
		*pos = inode->size;
	if (*pos < 0)
		return KERR(EINVAL);
	if (!it->count)
		return KERR(0);
	err = write_limits(f, it, *pos);
	if (!err)
		err = check_seals(inode);
	if (!err)
		err = inode_kill_privs(inode);
	if (!err)
		inode_touch(inode, ATTR_MTIME | ATTR_CTIME);
	return err;
}

/* One page's worth. The source is faulted in before the page is locked; should it vanish in between, nothing is copied and we try again. */
static ssize_t write_step(struct mapping *m, struct iov_iter *it, loff_t pos)
{
	size_t off = (size_t)pos & ~PAGE_MASK, n = MIN(it->count, PAGE_SIZE - off);

	for (;;) {
		struct page *p;
		size_t copied, accepted;
		kerr_t err;

		err = m->ops->write_begin(m, pos, (unsigned)n, &p);
		if (err)
			return kerr_code(err);
		copied = copy_page_from_iter_atomic(it, p, off, n);
		if (copied < n && !page_test(p, PG_UPTODATE)) { /* a part of a page that was never read would show garbage */
			iov_iter_revert(it, copied);
			copied = 0;
		}
		if (copied)
			page_mark_accessed(p);
		accepted = m->ops->write_end(m, pos, (unsigned)n, (unsigned)copied, p);
		if (accepted < copied)
			iov_iter_revert(it, copied - accepted);
		if (likely(accepted))
			return (ssize_t)accepted;
		if (copied)
			return -EIO;
		n = iov_iter_fault_in(it, n); /* less than before: the rest is not there, and would keep us here for ever */
		if (!n)
			return -EFAULT;
	}
}

static ssize_t write_cached(struct mapping *m, struct iov_iter *it, loff_t *pos)
{
	ssize_t total = 0, n = 0;
	unsigned pages = 0;

	while (it->count) {
		n = write_step(m, it, *pos);
		if (n < 0)
			break;
		*pos += n;
		total += n;
		if ((++pages & 31) == 0)
			balance_dirty_pages(m);
		if (it->count) {
			cond_resched();
			if (unlikely(task_signal_pending()) && task_signal_pending_state(TASK_KILLABLE)) {
				n = -EINTR;
				break;
			}
		}
	}
	return total ? total : n;
}

static ssize_t write_direct(struct file *f, struct mapping *m, struct iov_iter *it, loff_t *pos)
{
	loff_t end = *pos + (loff_t)it->count - 1;
	ssize_t done = 0;
	kerr_t err = mapping_write_range(m, *pos, end, true);

	if (!err) {
		mapping_invalidate_clean(m, (pgoff_t)(*pos >> PAGE_SHIFT), (pgoff_t)(end >> PAGE_SHIFT));
		err = m->ops->direct_io(f, it, *pos, &done);
		/* A map may have read the old content in meanwhile. */
		mapping_invalidate_clean(m, (pgoff_t)(*pos >> PAGE_SHIFT), (pgoff_t)(end >> PAGE_SHIFT));
	}
	if (err)
		return kerr_code(err);
	*pos += done;
	return done;
}

/* Readers take no lock: what they read in meanwhile may be the old content. */
static void refresh_cached(struct mapping *m, struct page *from, loff_t pos, size_t len)
{
	pgoff_t first = (pgoff_t)(pos >> PAGE_SHIFT), index = first, last = first + (pgoff_t)(len >> PAGE_SHIFT) - 1;
	struct page *p;

	while (load_relaxed(&m->nrpages) && (p = mapping_find_next(m, &index, last))) {
		page_lock(p);
		page_wait_writeback(p);
		if (p->mapping == m && page_test(p, PG_UPTODATE)) {
			u8 *to = page_map(p), *va = page_map(from + (index - first));

			memcpy(to, va, PAGE_SIZE);
			page_unmap(va);
			page_unmap(to);
			page_set_dirty(p);
		}
		page_unlock(p);
		page_put(p);
		if (index++ >= last)
			break;
	}
}

/* Whole pages of which none is cached go to the disk at once. Bytes moved; what is left, and errors, are the cached way's. */
static size_t write_past_cache(struct mapping *m, struct iov_iter *it, loff_t pos)
{
	size_t len = it->count & PAGE_MASK, done, at = it->segs->off + it->off;
	struct page *from = it->segs->page + (at >> PAGE_SHIFT);
	pgoff_t first = (pgoff_t)(pos >> PAGE_SHIFT);
	kerr_t err;

	if (!m->ops->write_through || it->kind != IOV_PAGES || it->nsegs != 1 || (at & ~PAGE_MASK) || ((size_t)pos & ~PAGE_MASK) || !len ||
	    mapping_has_range(m, first, first + (pgoff_t)(len >> PAGE_SHIFT) - 1))
		return 0;
	err = m->ops->write_through(m->inode, from, len, pos, &done);
	(void)err; /* the cached way meets it again */
	if (done)
		refresh_cached(m, from, pos, (done + PAGE_SIZE - 1) & PAGE_MASK);
	iov_iter_advance(it, done);
	return done;
}

static ssize_t write_through(struct mapping *m, struct iov_iter *it, loff_t *pos)
{
	ssize_t done = (ssize_t)write_past_cache(m, it, *pos), n;

	*pos += done;
	if (!it->count)
		return done;
	n = write_cached(m, it, pos);
	return !done ? n : n > 0 ? done + n : done;
}

static bool write_is_sync(const struct file *f)
{
	return (f->flags & O_DSYNC) || (f->inode->sb->flags & MS_SYNCHRONOUS) || (load_relaxed(&f->inode->flags) & INODE_SYNC);
}

ssize_t generic_write_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct inode *inode = f->inode;
	struct mapping *m = inode->mapping;
	size_t given = it->count;
	loff_t start;
	ssize_t n = 0;
	kerr_t err;

	if (unlikely(!given))
		return 0;
	rwsem_write_lock(&inode->rwsem);
	err = generic_write_checks(f, it, pos);
	start = *pos;
	if (unlikely(err))
		n = kerr_code(err);
	else if (unlikely((f->flags & O_DIRECT) && m->ops->direct_io))
		n = write_direct(f, m, it, pos);
	else if (unlikely(it->kind == IOV_PAGES && it->through))
		n = write_through(m, it, pos);
	else
		n = write_cached(m, it, pos);
	rwsem_write_unlock(&inode->rwsem);
	if (n <= 0)
		return n;
	if (unlikely(write_is_sync(f))) {
		err = vfs_fsync(f, start, start + n - 1, (f->flags & O_SYNC) != O_SYNC);
		if (err)
			return kerr_code(err);
	}
	return n;
}

/* ---- lseek ---- */

loff_t generic_llseek(struct file *f, loff_t off, int whence)
{
	loff_t size = inode_size(f->inode), max = f->inode->sb->max_bytes;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow(off, f->pos, &off))
			return -EOVERFLOW;
		break;
	case SEEK_END:
		if (__builtin_add_overflow(off, size, &off))
			return -EOVERFLOW;
		break;
	case SEEK_DATA: /* without knowledge of holes: all is data, and a hole follows the end */
		if (off < 0 || off >= size)
			return -ENXIO;
		break;
	case SEEK_HOLE:
		if (off < 0 || off >= size)
			return -ENXIO;
		off = size;
		break;
	default:
		return -EINVAL;
	}
	if (off < 0 || (max && off > max))
		return -EINVAL;
	f->pos = off;
	return off;
}

/* ---- mmap ---- */

static void read_around(struct vma *v, struct mapping *m, pgoff_t index)
{
	pgoff_t first = index > RA_PAGES / 2 ? index - RA_PAGES / 2 : 0;

	if (v->flags & VM_RAND_READ)
		return;
	if (v->flags & VM_SEQ_READ)
		readahead_sync(m, &v->file->ra, index, RA_PAGES / 4);
	else
		readahead_range(m, first, RA_PAGES, ULONG_MAX);
}

kerr_t generic_fault(struct vm_fault *f)
{
	struct mapping *m = vma_mapping(f->vma);
	struct page *p;
	kerr_t err;

	if (f->pgoff >= last_page(inode_size(m->inode)))
		return KERR(EFAULT);
	p = mapping_find(m, f->pgoff);
	if (!p || !page_test(p, PG_UPTODATE)) {
		f->major = true;
		if (!p)
			read_around(f->vma, m, f->pgoff);
		else
			page_put(p);
		err = mapping_read_page(m, f->pgoff, NULL, &p);
		if (err)
			return err;
	} else if (page_test(p, PG_READAHEAD)) {
		page_clear(p, PG_READAHEAD);
		readahead_async(m, &f->vma->file->ra, f->pgoff);
	}
	page_mark_accessed(p);
	f->page = p;
	return KERR(0);
}

kerr_t generic_page_mkwrite(struct vm_fault *f)
{
	struct mapping *m = vma_mapping(f->vma);
	struct page *p = f->page;
	kerr_t err = KERR(0);

	inode_touch(m->inode, ATTR_MTIME | ATTR_CTIME);
	page_lock(p);
	if (p->mapping != m || f->pgoff >= last_page(inode_size(m->inode)))
		err = KERR(EFAULT);
	else if ((m->flags & MAPPING_SHMEM) && !page_test(p, PG_DIRTY))
		err = shmem_charge(m);
	if (err)
		page_unlock(p);
	return err;
}

const struct vm_ops generic_vm_ops = {
	.fault = generic_fault,
	.page_mkwrite = generic_page_mkwrite,
};

kerr_t generic_mmap(struct file *f, struct vma *v)
{
	const struct mapping *m = f->inode->mapping;

	if (!m->ops || !m->ops->read_pages)
		return KERR(ENOEXEC);
	if (vma_is_shared_writable(v) && !m->ops->write_pages && !(m->flags & MAPPING_SHMEM))
		return KERR(EINVAL);
	file_accessed(f);
	v->ops = &generic_vm_ops;
	return KERR(0);
}
