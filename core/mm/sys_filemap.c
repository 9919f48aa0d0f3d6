/* SPDX-License-Identifier: MIT */
/*
 * System calls that steer a file's page cache: readahead(2), posix_fadvise(2), sync_file_range(2).
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "vm.h"

enum { FADV_NORMAL, FADV_RANDOM, FADV_SEQUENTIAL, FADV_WILLNEED, FADV_DONTNEED, FADV_NOREUSE };
enum { SYNC_WAIT_BEFORE = 1, SYNC_WRITE = 2, SYNC_WAIT_AFTER = 4 };

static struct mapping *file_mapping(const struct file *f)
{
	struct mapping *m = f->inode->mapping;

	return m && m->ops && m->ops->read_pages ? m : NULL;
}

long sys_readahead(int fd, s64 off, size_t count)
{
	struct fd f = fd_get_light(fd);
	long ret = 0;

	if (!f.file)
		return -EBADF;
	if (!(f.file->mode & FMODE_READ))
		ret = -EBADF;
	else if (!file_mapping(f.file) || !S_ISREG(f.file->inode->mode) || off < 0)
		ret = -EINVAL;
	else
		readahead_range(file_mapping(f.file), (pgoff_t)(off >> PAGE_SHIFT), MIN(count >> PAGE_SHIFT, (size_t)8192) + 1,
				ULONG_MAX);
	fd_put_light(f);
	return ret;
}

/* Pages wholly inside the range; the last one also if the range ends with the file. */
static void dont_need(struct mapping *m, loff_t off, loff_t end)
{
	pgoff_t first = last_page(off), past = end == S64_MAX ? ULONG_MAX : (pgoff_t)(end >> PAGE_SHIFT);

	if (end != S64_MAX && end >= inode_size(m->inode))
		past = last_page(end);
	if (mapping_write_range(m, off, end == S64_MAX ? end : end - 1, false))
		return;
	if (past > first)
		mapping_invalidate_clean(m, first, past - 1);
}

static long fadvise(struct file *f, loff_t off, loff_t len, int advice)
{
	struct mapping *m = file_mapping(f);
	loff_t end = len && len <= S64_MAX - off ? off + len : S64_MAX;

	switch (advice) {
	case FADV_NORMAL:
		f->ra.max_pages = RA_PAGES;
		return 0;
	case FADV_SEQUENTIAL:
		f->ra.max_pages = RA_PAGES * 2;
		return 0;
	case FADV_RANDOM:
		f->ra.max_pages = 1;
		return 0;
	case FADV_WILLNEED:
		if (m)
			readahead_range(m, (pgoff_t)(off >> PAGE_SHIFT),
					end == S64_MAX ? 8192 : (size_t)MIN(last_page(end) - (pgoff_t)(off >> PAGE_SHIFT), 8192UL),
					ULONG_MAX);
		return 0;
	case FADV_DONTNEED:
		if (m)
			dont_need(m, off, end);
		return 0;
	case FADV_NOREUSE:
		return 0;
	default:
		return -EINVAL;
	}
}

long do_fadvise(int fd, loff_t off, loff_t len, int advice)
{
	struct fd f = fd_get_light(fd);
	long ret;

	if (!f.file)
		return -EBADF;
	if (S_ISFIFO(f.file->inode->mode))
		ret = -ESPIPE;
	else if (len < 0 || off < 0)
		ret = -EINVAL;
	else
		ret = fadvise(f.file, off, len, advice);
	fd_put_light(f);
	return ret;
}

long sys_fadvise64(int fd, s64 off, size_t len, int advice)
{
	return do_fadvise(fd, off, (loff_t)len, advice);
}

static long sync_range(struct file *f, loff_t off, loff_t n, unsigned flags)
{
	struct mapping *m = file_mapping(f);
	loff_t end = n ? off + n - 1 : S64_MAX;
	kerr_t err = KERR(0);

	if (!S_ISREG(f->inode->mode) && !S_ISBLK(f->inode->mode) && !S_ISDIR(f->inode->mode) && !S_ISLNK(f->inode->mode))
		return -ESPIPE;
	if (!m)
		return 0;
	if (flags & (SYNC_WAIT_BEFORE | SYNC_WRITE | SYNC_WAIT_AFTER))
		err = mapping_write_range(m, off, end, flags & (SYNC_WAIT_BEFORE | SYNC_WAIT_AFTER));
	if (!err && (flags & (SYNC_WAIT_BEFORE | SYNC_WAIT_AFTER)))
		err = errseq_check(&m->wb_err, &f->wb_err_seen);
	return kerr_code(err);
}

long sys_sync_file_range(int fd, s64 off, s64 n, unsigned flags)
{
	struct fd f;
	long ret;

	if ((flags & ~(unsigned)(SYNC_WAIT_BEFORE | SYNC_WRITE | SYNC_WAIT_AFTER)) || off < 0 || n < 0 || n > S64_MAX - off)
		return -EINVAL;
	f = fd_get_light(fd);
	if (!f.file)
		return -EBADF;
	ret = sync_range(f.file, off, n, flags);
	fd_put_light(f);
	return ret;
}
