/* SPDX-License-Identifier: MIT */
/*
 * read(2), write(2), their p and v forms, lseek, truncate, fallocate, fsync, sync, getdents, sendfile, copy_file_range, splice.
 * A file's position is locked only where another thread or descriptor could use it at the same time.
 */
#include "vfs_priv.h"

#include <abi/fs.h>
#include <maestro/notify.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

static inline bool pos_lock(struct file *f) NO_LOCK_ANALYSIS
{
	if ((f->mode & FMODE_STREAM) || atomic_read(&f->refs) == 1)
		return false;
	mutex_lock(&f->pos_mutex);
	return true;
}

static inline void pos_unlock(struct file *f, bool locked) NO_LOCK_ANALYSIS
{
	if (locked)
		mutex_unlock(&f->pos_mutex);
}

long sys_read(int fd, void __user *buf, size_t n)
{
	struct fd f = fd_get_light(fd);
	struct iov_iter it;
	bool locked;
	ssize_t ret;

	if (unlikely(!f.file))
		return -EBADF;
	if (unlikely((ssize_t)n < 0)) {
		ret = -EINVAL;
		goto put;
	}
	iov_iter_user(&it, buf, MIN(n, MAX_RW_COUNT), true);
	locked = pos_lock(f.file);
	ret = vfs_read(f.file, &it, &f.file->pos);
	pos_unlock(f.file, locked);
put:
	fd_put_light(f);
	return ret;
}

long sys_write(int fd, const void __user *buf, size_t n)
{
	struct fd f = fd_get_light(fd);
	struct iov_iter it;
	bool locked;
	ssize_t ret;

	if (unlikely(!f.file))
		return -EBADF;
	if (unlikely((ssize_t)n < 0)) {
		ret = -EINVAL;
		goto put;
	}
	iov_iter_user(&it, (void __user *)(uintptr_t)buf, MIN(n, MAX_RW_COUNT), false);
	locked = pos_lock(f.file);
	ret = vfs_write(f.file, &it, &f.file->pos);
	pos_unlock(f.file, locked);
put:
	fd_put_light(f);
	return ret;
}

/* At a place of the caller's; the file's own position stays. */
static long rw_at(struct file *f, struct iov_iter *it, loff_t pos)
{
	if (pos < 0)
		return -EINVAL;
	if (f->mode & FMODE_STREAM)
		return -ESPIPE;
	return it->to_iter ? vfs_read(f, it, &pos) : vfs_write(f, it, &pos);
}

static long prw(int fd, void __user *buf, size_t n, s64 pos, bool read)
{
	struct fd f;
	struct iov_iter it;
	long ret;

	if (pos < 0)
		return -EINVAL;
	f = fd_get_light(fd);
	if (!f.file)
		return -EBADF;
	iov_iter_user(&it, buf, MIN(n, MAX_RW_COUNT), read);
	ret = (ssize_t)n < 0 ? -EINVAL : rw_at(f.file, &it, pos);
	fd_put_light(f);
	return ret;
}

long sys_pread64(int fd, void __user *buf, size_t n, s64 pos)
{
	return prw(fd, buf, n, pos, true);
}

long sys_pwrite64(int fd, const void __user *buf, size_t n, s64 pos)
{
	return prw(fd, (void __user *)(uintptr_t)buf, n, pos, false);
}

#define RWF_HIPRI 1
#define RWF_DSYNC 2
#define RWF_SYNC 4
#define RWF_NOWAIT 8
#define RWF_APPEND 16

static long rw_flagged(struct file *f, struct iov_iter *it, loff_t *pos, int flags)
{
	ssize_t n;

	if (it->to_iter)
		return vfs_read(f, it, pos);
	if ((flags & RWF_APPEND) && S_ISREG(f->inode->mode))
		*pos = inode_size(f->inode);
	n = vfs_write(f, it, pos);
	if (n > 0 && (flags & (RWF_DSYNC | RWF_SYNC)) && !(f->flags & O_DSYNC)) {
		kerr_t err = vfs_fsync(f, 0, S64_MAX, !(flags & RWF_SYNC));

		if (err)
			return kerr_code(err);
	}
	return n;
}

/* at: a position, or -1 for the file's own. */
static long vector(int fd, const void __user *uvec, unsigned long n, const s64 *at, bool read, int flags)
{
	struct iovec_k small[IOV_FAST], *vec;
	struct iov_iter it;
	ssize_t total;
	loff_t pos;
	long ret;
	struct fd f = fd_get_light(fd);

	if (!f.file)
		return -EBADF;
	ret = -EOPNOTSUPP;
	if (flags & ~(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND))
		goto put;
	if ((flags & RWF_NOWAIT) && !(f.file->flags & O_NONBLOCK)) /* cannot be promised */
		goto put;
	ret = -EBADF;
	if (!(f.file->mode & (read ? FMODE_READ : FMODE_WRITE)))
		goto put;
	ret = -ESPIPE;
	if (at && (f.file->mode & FMODE_STREAM))
		goto put;
	total = iovec_import(uvec, n, small, &vec);
	if (total < 0) {
		ret = total;
		goto put;
	}
	iov_iter_vec(&it, vec, (unsigned)n, MIN((size_t)total, MAX_RW_COUNT), read);
	if (at) {
		pos = *at;
		ret = rw_flagged(f.file, &it, &pos, flags);
	} else {
		bool locked = pos_lock(f.file);

		ret = rw_flagged(f.file, &it, &f.file->pos, flags);
		pos_unlock(f.file, locked);
	}
	iovec_free(vec, small);
put:
	fd_put_light(f);
	return ret;
}

long sys_readv(int fd, const void __user *vec, unsigned long n)
{
	return vector(fd, vec, n, NULL, true, 0);
}

long sys_writev(int fd, const void __user *vec, unsigned long n)
{
	return vector(fd, vec, n, NULL, false, 0);
}

long sys_preadv(int fd, const void __user *vec, unsigned long n, s64 pos)
{
	return pos < 0 ? -EINVAL : vector(fd, vec, n, &pos, true, 0);
}

long sys_pwritev(int fd, const void __user *vec, unsigned long n, s64 pos)
{
	return pos < 0 ? -EINVAL : vector(fd, vec, n, &pos, false, 0);
}

long sys_preadv2(int fd, const void __user *vec, unsigned long n, s64 pos, int flags)
{
	return pos < -1 ? -EINVAL : vector(fd, vec, n, pos == -1 ? NULL : &pos, true, flags);
}

long sys_pwritev2(int fd, const void __user *vec, unsigned long n, s64 pos, int flags)
{
	return pos < -1 ? -EINVAL : vector(fd, vec, n, pos == -1 ? NULL : &pos, false, flags);
}

/* ---------------------------------------------------------------- position and size */
static s64 seek(int fd, loff_t off, unsigned whence)
{
	struct fd f = fd_get_light(fd);
	s64 ret = -EINVAL;

	if (!f.file)
		return -EBADF;
	if (whence <= SEEK_HOLE) {
		bool locked = pos_lock(f.file);

		ret = vfs_llseek(f.file, off, (int)whence);
		pos_unlock(f.file, locked);
	}
	fd_put_light(f);
	return ret;
}

long sys_lseek(int fd, long off, int whence)
{
	s64 ret = seek(fd, off, (unsigned)whence);

	return ret != (long)ret ? -EOVERFLOW : (long)ret;
}

long sys_llseek(int fd, unsigned long high, unsigned long low, void __user *result, unsigned whence)
{
	s64 ret = seek(fd, (s64)((u64)high << 32 | (u32)low), whence);

	if (ret < 0)
		return (long)ret;
	return kerr_code(put_user(ret, (s64 __user *)result));
}

kerr_t do_truncate_user(const char __user *name, s64 len)
{
	struct path p;
	kerr_t err;

	if (len < 0)
		return KERR(EINVAL);
	err = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = vfs_truncate(&p, len);
	path_put(&p);
	return err;
}

kerr_t do_ftruncate(int fd, s64 len)
{
	struct attr a = { .valid = ATTR_SIZE | ATTR_MTIME, .size = len };
	struct file *f;
	kerr_t err = KERR(EINVAL);

	if (len < 0)
		return err;
	f = fd_get(fd);
	if (!f)
		return KERR(EBADF);
	/* 32-bit programs reach 2 GiB only with O_LARGEFILE, in ftruncate64 as well (but not in truncate64). */
	if (sizeof(long) == 4 && !(f->flags & O_LARGEFILE) && len > S32_MAX)
		err = KERR(EINVAL);
	else if (S_ISREG(f->inode->mode) && (f->mode & FMODE_WRITE))
		err = vfs_setattr(&f->path, &a);
	file_put(f);
	return err;
}

long sys_truncate(const char __user *name, long len)
{
	return kerr_code(do_truncate_user(name, len));
}

long sys_ftruncate(int fd, long len)
{
	return kerr_code(do_ftruncate(fd, len));
}

#define FALLOC_KEEP_SIZE 1
#define FALLOC_PUNCH_HOLE 2
#define FALLOC_COLLAPSE 8
#define FALLOC_ZERO 16
#define FALLOC_INSERT 32
#define FALLOC_UNSHARE 64

static long fallocate(struct file *f, int mode, s64 off, s64 len)
{
	struct inode *inode = f->inode;

	if (off < 0 || len <= 0)
		return -EINVAL;
	if (mode & ~(FALLOC_KEEP_SIZE | FALLOC_PUNCH_HOLE | FALLOC_COLLAPSE | FALLOC_ZERO | FALLOC_INSERT | FALLOC_UNSHARE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_PUNCH_HOLE) && !(mode & FALLOC_KEEP_SIZE))
		return -EOPNOTSUPP;
	if (!(f->mode & FMODE_WRITE))
		return -EBADF;
	if ((load_relaxed(&inode->flags) & INODE_APPEND) && (mode & ~FALLOC_KEEP_SIZE))
		return -EPERM;
	if (load_relaxed(&inode->flags) & INODE_IMMUTABLE)
		return -EPERM;
	if (S_ISFIFO(inode->mode))
		return -ESPIPE;
	if (S_ISDIR(inode->mode))
		return -EISDIR;
	if (!S_ISREG(inode->mode) && !S_ISBLK(inode->mode))
		return -ENODEV;
	if (off > S64_MAX - len || off + len > inode->sb->max_bytes)
		return -EFBIG;
	return f->ops->fallocate ? f->ops->fallocate(f, mode, off, len) : -EOPNOTSUPP;
}

long sys_fallocate(int fd, int mode, s64 off, s64 len)
{
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = fallocate(f, mode, off, len);
	if (!ret)
		notify_file(f, IN_MODIFY);
	file_put(f);
	return ret;
}

/* ---------------------------------------------------------------- to the disk */
static long fsync_fd(int fd, bool data)
{
	struct file *f = fd_get(fd);
	kerr_t err;

	if (!f)
		return -EBADF;
	err = vfs_fsync(f, 0, S64_MAX, data);
	file_put(f);
	return kerr_code(err);
}

long sys_fsync(int fd)
{
	return fsync_fd(fd, false);
}

long sys_fdatasync(int fd)
{
	return fsync_fd(fd, true);
}

long sys_sync(void)
{
	kerr_t lost = do_sync_all(true);

	(void)lost; /* sync(2) cannot fail; fsync reports to those who ask */
	return 0;
}

long sys_syncfs(int fd)
{
	struct file *f = fd_get(fd);
	struct super *sb;
	kerr_t err, lost;

	if (!f)
		return -EBADF;
	sb = f->path.mnt->sb;
	rwsem_read_lock(&sb->umount_sem);
	err = super_sync(sb, true);
	rwsem_read_unlock(&sb->umount_sem);
	lost = errseq_check(&sb->wb_err, &f->sb_err_seen);
	file_put(f);
	return kerr_code(err ? err : lost);
}

/* ---------------------------------------------------------------- directories */
struct getdents {
	struct dir_context ctx;
	u8 __user *out;
	size_t room;
	long err;
	bool any;
};

static bool dirent_put(struct getdents *g, const void *entry, size_t len)
{
	if (copy_to_user(g->out, entry, len)) {
		g->err = -EFAULT;
		return false;
	}
	g->out += len;
	g->room -= len;
	g->any = true;
	return true;
}

static bool fill64(struct dir_context *ctx, const char *name, size_t len, ino_t ino, unsigned type, loff_t next)
{
	struct getdents *g = container_of(ctx, struct getdents, ctx);
	size_t reclen = ALIGN_UP(ABI_DIRENT64_NAME + len + 1, sizeof(u64));
	union {
		struct abi_dirent64 d;
		u8 bytes[ABI_DIRENT64_NAME + NAME_MAX + 16];
	} e;

	if (len > NAME_MAX) {
		g->err = -EIO;
		return false;
	}
	if (reclen > g->room) {
		g->err = -EINVAL;
		return false;
	}
	e.d.ino = ino;
	e.d.off = next;
	e.d.reclen = (u16)reclen;
	e.d.type = (u8)type;
	memcpy(e.bytes + ABI_DIRENT64_NAME, name, len);
	memset(e.bytes + ABI_DIRENT64_NAME + len, 0, reclen - ABI_DIRENT64_NAME - len);
	return dirent_put(g, e.bytes, reclen);
}

static bool fill_native(struct dir_context *ctx, const char *name, size_t len, ino_t ino, unsigned type, loff_t next)
{
	struct getdents *g = container_of(ctx, struct getdents, ctx);
	const size_t at = offsetof(struct abi_dirent, name);
	size_t reclen = ALIGN_UP(at + len + 2, sizeof(long));
	union {
		struct abi_dirent d;
		u8 bytes[offsetof(struct abi_dirent, name) + NAME_MAX + 16];
	} e;

	if (len > NAME_MAX) {
		g->err = -EIO;
		return false;
	}
	if (reclen > g->room) {
		g->err = -EINVAL;
		return false;
	}
	if ((unsigned long)ino != ino) {
		g->err = -EOVERFLOW;
		return false;
	}
	e.d.ino = (unsigned long)ino;
	e.d.off = (unsigned long)next;
	e.d.reclen = (u16)reclen;
	memcpy(e.bytes + at, name, len);
	memset(e.bytes + at + len, 0, reclen - at - len);
	e.bytes[reclen - 1] = (u8)type;
	return dirent_put(g, e.bytes, reclen);
}

static long getdents(int fd, void __user *out, unsigned n,
		     bool (*actor)(struct dir_context *, const char *, size_t, ino_t, unsigned, loff_t))
{
	struct getdents g = { .ctx = { .actor = actor }, .out = out, .room = n };
	struct file *f = fd_get(fd);
	kerr_t err;

	if (!f)
		return -EBADF;
	mutex_lock(&f->pos_mutex);
	err = vfs_iterate(f, &g.ctx);
	mutex_unlock(&f->pos_mutex);
	file_put(f);
	if (g.any)
		return (long)(n - g.room);
	return err ? kerr_code(err) : g.err;
}

long sys_getdents64(int fd, void __user *out, unsigned n)
{
	return getdents(fd, out, n, fill64);
}

long sys_getdents(int fd, void __user *out, unsigned n)
{
	return getdents(fd, out, n, fill_native);
}

/* ---------------------------------------------------------------- between files */
/* Copies through a page, or splices if an end is a pipe. Positions move by what was written. */
static ssize_t copy_between(struct file *in, loff_t *ipos, struct file *out, loff_t *opos, size_t n)
{
	struct page *page;
	ssize_t done = 0;

	if (pipe_of(out))
		return pipe_splice_to(in, ipos, out, n, out->flags & O_NONBLOCK);
	page = page_alloc(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	while (n) {
		struct iov_iter it;
		loff_t from = *ipos;
		ssize_t got, put;

		iov_iter_kernel(&it, page_address(page), MIN(n, PAGE_SIZE), true);
		got = vfs_read(in, &it, &from);
		if (got <= 0) {
			done = done ? done : got;
			break;
		}
		iov_iter_kernel(&it, page_address(page), (size_t)got, false);
		put = vfs_write(out, &it, opos);
		if (put <= 0) {
			done = done ? done : put;
			break;
		}
		*ipos += put;
		done += put;
		n -= (size_t)put;
		if (put < got || task_signal_pending())
			break;
		cond_resched();
	}
	page_put(page);
	return done;
}

static long sendfile(int outfd, int infd, loff_t *off, size_t n)
{
	struct file *in = fd_get(infd), *out = fd_get(outfd);
	long ret = -EBADF;
	bool locked;

	if (!in || !out)
		goto put;
	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE))
		goto put;
	ret = -ESPIPE;
	if (off && (in->mode & FMODE_STREAM))
		goto put;
	ret = -EINVAL;
	if ((in->mode & FMODE_STREAM) || (out->flags & O_APPEND) || (off && *off < 0))
		goto put;
	n = MIN(n, MAX_RW_COUNT);
	if (off) {
		ret = copy_between(in, off, out, &out->pos, n);
	} else {
		locked = pos_lock(in);
		ret = copy_between(in, &in->pos, out, &out->pos, n);
		pos_unlock(in, locked);
	}
put:
	if (out)
		file_put(out);
	if (in)
		file_put(in);
	return ret;
}

long sys_sendfile64(int out, int in, void __user *offset, size_t n)
{
	loff_t off;
	long ret;

	if (!offset)
		return sendfile(out, in, NULL, n);
	if (copy_in(&off, (const loff_t __user *)offset))
		return -EFAULT;
	ret = sendfile(out, in, &off, n);
	return put_user(off, (loff_t __user *)offset) ? -EFAULT : ret;
}

long sys_sendfile(int out, int in, void __user *offset, size_t n)
{
	long small, ret;
	loff_t off;

	if (!offset)
		return sendfile(out, in, NULL, n);
	if (copy_in(&small, (const long __user *)offset))
		return -EFAULT;
	off = small;
	ret = sendfile(out, in, &off, n);
	return put_user((long)off, (long __user *)offset) ? -EFAULT : ret;
}

/* One end's position: the caller's (read in, written back), or the file's. */
struct place {
	struct file *file;
	void __user *user;
	loff_t own, *pos;
};

static long place_in(struct place *p, struct file *f, void __user *user)
{
	p->file = f;
	p->user = user;
	p->pos = &f->pos;
	if (!user)
		return 0;
	if (copy_in(&p->own, (const loff_t __user *)user))
		return -EFAULT;
	p->pos = &p->own;
	return p->own < 0 ? -EINVAL : 0;
}

static long place_out(const struct place *p, long ret)
{
	if (!p->user || ret < 0)
		return ret;
	return put_user(p->own, (loff_t __user *)p->user) ? -EFAULT : ret;
}

static long copy_range_check(struct file *in, struct file *out, unsigned flags)
{
	if (flags)
		return -EINVAL;
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE) || (out->flags & O_APPEND))
		return -EBADF;
	return in->inode->sb->type == out->inode->sb->type ? 0 : -EXDEV;
}

long sys_copy_file_range(int infd, void __user *ioff, int outfd, void __user *ooff, size_t n, unsigned flags)
{
	struct file *in = fd_get(infd), *out = fd_get(outfd);
	struct place a, b;
	long ret = -EBADF;

	if (!in || !out)
		goto put;
	ret = place_in(&a, in, ioff);
	if (!ret)
		ret = place_in(&b, out, ooff);
	if (!ret)
		ret = copy_range_check(in, out, flags);
	if (ret)
		goto put;
	n = MIN(n, MAX_RW_COUNT);
	if (in->inode == out->inode && *a.pos < *b.pos + (loff_t)n && *b.pos < *a.pos + (loff_t)n) {
		ret = -EINVAL;
		goto put;
	}
	ret = copy_between(in, a.pos, out, b.pos, n);
	ret = place_out(&b, place_out(&a, ret));
put:
	if (out)
		file_put(out);
	if (in)
		file_put(in);
	return ret;
}

#define SPLICE_F_NONBLOCK 2u
#define SPLICE_F_ALL 15u

static long splice(struct file *in, void __user *ioff, struct file *out, void __user *ooff, size_t n, bool nonblock)
{
	struct pipe *pin = pipe_of(in), *pout = pipe_of(out);
	struct place p;
	loff_t probe;
	long ret;

	if (!(in->mode & FMODE_READ) || !(out->mode & FMODE_WRITE))
		return -EBADF;
	if ((pin && ioff) || (pout && ooff))
		return -ESPIPE;
	if ((ooff && copy_in(&probe, (const loff_t __user *)ooff)) || (ioff && copy_in(&probe, (const loff_t __user *)ioff)))
		return -EFAULT;
	if (pin && pout)
		return pipe_to_pipe(in, out, n, nonblock || (in->flags & O_NONBLOCK) || (out->flags & O_NONBLOCK), false);
	if (pin) {
		if (ooff && (out->mode & FMODE_STREAM))
			return -EINVAL;
		if (out->flags & O_APPEND)
			return -EINVAL;
		ret = place_in(&p, out, ooff);
		return ret ? ret : place_out(&p, pipe_splice_from(in, out, p.pos, n, nonblock || (in->flags & O_NONBLOCK)));
	}
	if (!pout)
		return -EINVAL;
	if (ioff && (in->mode & FMODE_STREAM))
		return -EINVAL;
	ret = place_in(&p, in, ioff);
	return ret ? ret : place_out(&p, pipe_splice_to(in, p.pos, out, n, nonblock || (out->flags & O_NONBLOCK)));
}

long sys_splice(int infd, void __user *ioff, int outfd, void __user *ooff, size_t n, unsigned flags)
{
	struct file *in, *out;
	long ret = -EBADF;

	if (!n)
		return 0;
	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	in = fd_get(infd);
	out = fd_get(outfd);
	if (in && out)
		ret = splice(in, ioff, out, ooff, MIN(n, MAX_RW_COUNT), flags & SPLICE_F_NONBLOCK);
	if (out)
		file_put(out);
	if (in)
		file_put(in);
	return ret;
}

long sys_tee(int infd, int outfd, size_t n, unsigned flags)
{
	struct file *in, *out;
	long ret = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!n)
		return 0;
	in = fd_get(infd);
	out = fd_get(outfd);
	if (in && out && (in->mode & FMODE_READ) && (out->mode & FMODE_WRITE))
		ret = pipe_of(in) && pipe_of(out) ?
			      pipe_to_pipe(in, out, n, (flags & SPLICE_F_NONBLOCK) || ((in->flags | out->flags) & O_NONBLOCK), true) :
			      -EINVAL;
	if (out)
		file_put(out);
	if (in)
		file_put(in);
	return ret;
}

/* Bytes are copied: gifts of pages are a hint (vmsplice(2)). */
long sys_vmsplice(int fd, const void __user *vec, unsigned long n, unsigned flags)
{
	struct file *f;
	long ret = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (pipe_of(f)) {
		ret = vector(fd, vec, n, NULL, !(f->mode & FMODE_WRITE), 0);
	} else if (f->mode & (FMODE_READ | FMODE_WRITE)) {
		/* Linux reads the vector first: its errors come before that of the descriptor. */
		struct iovec_k small[IOV_FAST], *copy;
		ssize_t total = iovec_import(vec, n, small, &copy);

		if (total < 0)
			ret = total;
		else
			iovec_free(copy, small);
	}
	file_put(f);
	return ret;
}
