/* SPDX-License-Identifier: MIT */
/* Descriptors: close, dup, fcntl, ioctl, flock, pipe. Follows the man pages of those names, and Linux in the order of checks. */
#include "vfs_priv.h"

#include <abi/fs.h>
#include <maestro/shmem.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

long sys_close(int fd)
{
	kerr_t err = do_close(fd);

	/* The descriptor is gone either way: a restart would close another's. */
	if (kerr_code(err) <= -ERESTARTSYS)
		return -EINTR;
	return kerr_code(err);
}

#define CLOSE_RANGE_UNSHARE 2u
#define CLOSE_RANGE_CLOEXEC 4u

long sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	struct files *t = current->files, *own;
	unsigned max;

	if ((flags & ~(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) || first > last)
		return -EINVAL;
	if ((flags & CLOSE_RANGE_UNSHARE) && atomic_read(&t->refs) > 1) {
		kerr_t err = files_dup(t, &own);

		if (err)
			return kerr_code(err);
		current->files = own;
		files_put(t);
		t = own;
	}
	spin_lock(&t->lock);
	max = t->max;
	spin_unlock(&t->lock);
	for (unsigned fd = first; fd <= last && fd < max; fd++) {
		kerr_t lost = 0;

		if (flags & CLOSE_RANGE_CLOEXEC)
			(void)files_set_cloexec((int)fd, true);
		else
			lost = do_close((int)fd);
		(void)lost;
	}
	return 0;
}

static long dup_from(struct file *f, unsigned min, unsigned flags)
{
	long fd = fd_install_from(file_get(f), min, flags);

	if (fd < 0)
		file_put(f);
	return fd;
}

long sys_dup(int fd)
{
	struct file *f = fd_get_any(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = dup_from(f, 0, 0);
	file_put(f);
	return ret;
}

long sys_dup3(int old, int new, int flags)
{
	if ((u32)flags & ~O_CLOEXEC)
		return -EINVAL;
	if (old == new)
		return -EINVAL;
	return fd_dup_to(old, new, (u32)flags);
}

long sys_dup2(int old, int new)
{
	struct file *f;

	if (old != new)
		return fd_dup_to(old, new, 0);
	f = fd_get_any(old);
	if (!f)
		return -EBADF;
	file_put(f);
	return new;
}

static long pipe_fds(int __user *out, int flags)
{
	struct file *f[2];
	int fd[2];
	kerr_t err;

	if ((u32)flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	err = do_pipe(f, (u32)flags);
	if (err)
		return kerr_code(err);
	err = fd_reserve((u32)flags & O_CLOEXEC, &fd[0]);
	if (err)
		goto put;
	err = fd_reserve((u32)flags & O_CLOEXEC, &fd[1]);
	if (err)
		goto unreserve;
	err = copy_to_user(out, fd, sizeof(fd));
	if (err) {
		fd_unreserve(fd[1]);
		goto unreserve;
	}
	fd_fill(fd[0], f[0]);
	fd_fill(fd[1], f[1]);
	return 0;
unreserve:
	fd_unreserve(fd[0]);
put:
	file_put(f[0]);
	file_put(f[1]);
	return kerr_code(err);
}

long sys_pipe2(void __user *fds, int flags)
{
	return pipe_fds(fds, flags);
}

long sys_pipe(void __user *fds)
{
	return pipe_fds(fds, 0);
}

#define LOCK_MAND 32u

long sys_flock(int fd, unsigned op)
{
	struct file *f;
	long ret;

	if (op & LOCK_MAND) /* mandatory locks are gone; Linux ignores what asks for them */
		return 0;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = do_flock(f, op);
	file_put(f);
	return ret;
}

/* ---------------------------------------------------------------- fcntl */
enum {
	F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG, F_GETLK64, F_SETLK64, F_SETLKW64,
	F_SETOWN_EX, F_GETOWN_EX,
	F_OFD_GETLK = 36, F_OFD_SETLK, F_OFD_SETLKW,
	F_SETLEASE = 1024, F_GETLEASE, F_NOTIFY,
	F_DUPFD_CLOEXEC = 1030, F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS,
};
#define SETFL_MASK (O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME)

/* O_ASYNC comes or goes: the object's own business, which also sets the flag. */
static long set_async(struct file *f, int fd, bool on)
{
	return f->ops->fasync ? kerr_code(f->ops->fasync(fd, f, on)) : -ENOTTY;
}

static long set_flags(struct file *f, int fd, u32 want)
{
	if ((load_relaxed(&f->inode->flags) & INODE_APPEND) && (f->flags & O_APPEND) && !(want & O_APPEND))
		return -EPERM;
	if ((want & O_NOATIME) && !(f->flags & O_NOATIME) && !inode_owner_or_capable(f->inode))
		return -EPERM;
	if ((want & O_DIRECT) && !S_ISFIFO(f->inode->mode) && !file_can_direct(f))
		return -EINVAL;
	if (f->ops->set_flags) {
		kerr_t err = f->ops->set_flags(f, want);

		if (err)
			return kerr_code(err);
	}
	if (((want ^ f->flags) & O_ASYNC) && f->ops->fasync) {
		long ret = set_async(f, fd, want & O_ASYNC);

		if (ret)
			return ret;
	}
	spin_lock(&f->lock);
	f->flags = (f->flags & ~SETFL_MASK) | (want & SETFL_MASK);
	spin_unlock(&f->lock);
	return 0;
}

static long native_lock(struct file *f, int fd, unsigned cmd, unsigned long arg)
{
	struct abi_flock __user *u = (struct abi_flock __user *)arg;
	struct abi_flock l;
	struct flock_k k;
	kerr_t err;

	if (copy_in(&l, u))
		return -EFAULT;
	k = (struct flock_k) { l.type, l.whence, l.start, l.len, l.pid };
	if (cmd != F_GETLK)
		return kerr_code(fcntl_setlk(f, fd, &k, false, cmd == F_SETLKW));
	err = fcntl_getlk(f, &k, false);
	if (err)
		return kerr_code(err);
	l.type = (s16)k.type;
	if (k.type != F_UNLCK) {
		if ((long)k.start != k.start || (long)k.len != k.len)
			return -EOVERFLOW;
		l.whence = (s16)k.whence;
		l.start = (long)k.start;
		l.len = (long)k.len;
		l.pid = k.pid;
	}
	return copy_out(u, &l) ? -EFAULT : 0;
}

static long wide_lock(struct file *f, int fd, unsigned cmd, unsigned long arg)
{
	struct abi_flock64 __user *u = (struct abi_flock64 __user *)arg;
	bool ofd = cmd >= F_OFD_GETLK, get = cmd == F_GETLK64 || cmd == F_OFD_GETLK;
	struct abi_flock64 l;
	struct flock_k k;
	kerr_t err;

	if (copy_in(&l, u))
		return -EFAULT;
	k = (struct flock_k) { l.type, l.whence, l.start, l.len, l.pid };
	if (!get)
		return kerr_code(fcntl_setlk(f, fd, &k, ofd, cmd == F_SETLKW64 || cmd == F_OFD_SETLKW));
	err = fcntl_getlk(f, &k, ofd);
	if (err)
		return kerr_code(err);
	l.type = (s16)k.type;
	if (k.type != F_UNLCK) {
		l.whence = (s16)k.whence;
		l.start = k.start;
		l.len = k.len;
		l.pid = k.pid;
	}
	return copy_out(u, &l) ? -EFAULT : 0;
}

static long fcntl_dup(struct file *f, unsigned long min, u32 flags)
{
	u64 limit = rlimit_get(RLIMIT_NOFILE);

	if (min >= limit || min > S32_MAX)
		return -EINVAL;
	return dup_from(f, (unsigned)min, flags);
}

static long fcntl_file(struct file *f, int fd, unsigned cmd, unsigned long arg, bool wide)
{
	switch (cmd) {
	case F_SETFL:
		return set_flags(f, fd, (u32)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
		return native_lock(f, fd, cmd, arg);
	case F_GETLK64:
	case F_SETLK64:
	case F_SETLKW64:
		return wide ? wide_lock(f, fd, cmd, arg) : -EINVAL;
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return wide_lock(f, fd, cmd, arg);
	case F_SETOWN:
		return kerr_code(file_owner_set_number(f, (long)arg));
	case F_GETOWN:
		return file_owner_get_number(f);
	case F_SETOWN_EX:
		return kerr_code(file_owner_set_user(f, (const void __user *)arg));
	case F_GETOWN_EX:
		return kerr_code(file_owner_get_user(f, (void __user *)arg));
	case F_SETSIG:
		if (arg > NSIG)
			return -EINVAL;
		f->owner.sig = (int)arg;
		return 0;
	case F_GETSIG:
		return f->owner.sig;
	case F_SETLEASE:
		return lease_set(f, fd, arg);
	case F_GETLEASE:
		return lease_get(f);
	case F_NOTIFY:
		return dnotify_set(f, fd, arg);
	case F_SETPIPE_SZ:
		return pipe_set_size(f, arg);
	case F_GETPIPE_SZ:
		return pipe_get_size(f);
	case F_ADD_SEALS:
		return shmem_add_seals(f, (unsigned)arg);
	case F_GET_SEALS:
		return shmem_get_seals(f);
	default:
		return -EINVAL;
	}
}

long do_fcntl(int fd, unsigned cmd, unsigned long arg, bool wide)
{
	struct file *f = fd_get_any(fd);
	long ret;

	if (!f)
		return -EBADF;
	switch (cmd) {
	case F_DUPFD:
		ret = fcntl_dup(f, arg, 0);
		break;
	case F_DUPFD_CLOEXEC:
		ret = fcntl_dup(f, arg, O_CLOEXEC);
		break;
	case F_GETFD:
		ret = files_test_cloexec(fd);
		break;
	case F_SETFD:
		ret = files_set_cloexec(fd, arg & 1) ? 0 : -EBADF;
		break;
	case F_GETFL:
		ret = (long)f->flags;
		break;
	default:
		ret = f->mode & FMODE_PATH ? -EBADF : fcntl_file(f, fd, cmd, arg, wide);
	}
	file_put(f);
	return ret;
}

long sys_fcntl(int fd, unsigned cmd, unsigned long arg)
{
	return do_fcntl(fd, cmd, arg, false);
}

/* ---------------------------------------------------------------- ioctl */
#define FIGETBSZ 2u
#define FS_IOC_FIEMAP 0xc020660bu
#define FIONREAD 0x541bu
#define FIONBIO 0x5421u
#define FIONCLEX 0x5450u
#define FIOCLEX 0x5451u
#define FIOASYNC 0x5452u

static long ioctl_flag(struct file *f, int fd, unsigned cmd, unsigned long arg)
{
	int on;

	if (copy_in(&on, (int __user *)arg))
		return -EFAULT;
	if (cmd == FIOASYNC)
		return !on == !(f->flags & O_ASYNC) ? 0 : set_async(f, fd, on);
	return set_flags(f, fd, on ? f->flags | O_NONBLOCK : f->flags & ~O_NONBLOCK);
}

static long ioctl_any(struct file *f, int fd, unsigned cmd, unsigned long arg)
{
	struct inode *inode = f->inode;
	long ret;
	s64 left;

	switch (cmd) {
	case FIOCLEX:
	case FIONCLEX:
		(void)files_set_cloexec(fd, cmd == FIOCLEX);
		return 0;
	case FIONBIO:
	case FIOASYNC:
		return ioctl_flag(f, fd, cmd, arg);
	case FIGETBSZ:
		return kerr_code(put_user((int)inode->sb->blocksize, (int __user *)arg));
	case FIONREAD:
		if (!S_ISREG(inode->mode))
			break;
		left = inode_size(inode) - f->pos;
		return kerr_code(put_user((int)left, (int __user *)arg));
	}
	ret = vfs_ioctl(f, cmd, arg);
	return ret == -ENOTTY && cmd == FS_IOC_FIEMAP ? -EOPNOTSUPP : ret; /* a command that every file has */
}

long sys_ioctl(int fd, unsigned cmd, unsigned long arg)
{
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = ioctl_any(f, fd, cmd, arg);
	file_put(f);
	return ret;
}
