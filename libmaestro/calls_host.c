/* SPDX-License-Identifier: MIT */
/* The named calls of maestro.h: each is its system call. */
#include <maestro.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* Integers travel sign-extended, as in a register. */
#define A(x) _Generic((x), int: (unsigned long)(long)(x), default: (unsigned long)(x))
#define CALL0(k, nr) maestro_syscall6(k, nr, 0, 0, 0, 0, 0, 0)
#define CALL1(k, nr, a) maestro_syscall6(k, nr, A(a), 0, 0, 0, 0, 0)
#define CALL2(k, nr, a, b) maestro_syscall6(k, nr, A(a), A(b), 0, 0, 0, 0)
#define CALL3(k, nr, a, b, c) maestro_syscall6(k, nr, A(a), A(b), A(c), 0, 0, 0)
#define CALL4(k, nr, a, b, c, d) maestro_syscall6(k, nr, A(a), A(b), A(c), A(d), 0, 0)
#define CALL5(k, nr, a, b, c, d, e) maestro_syscall6(k, nr, A(a), A(b), A(c), A(d), A(e), 0)

int maestro_mount(struct maestro *k, const char *source, const char *target, const char *type, unsigned long flags, const char *data)
{
	return (int)CALL5(k, SYS_mount, source, target, type, flags, data);
}

int maestro_umount(struct maestro *k, const char *target, int flags)
{
	return (int)CALL2(k, SYS_umount2, target, flags);
}

static unsigned long next_word(va_list ap)
{
	return va_arg(ap, unsigned long);
}

int maestro_open(struct maestro *k, const char *path, int flags, ...)
{
	unsigned mode;
	va_list ap;

	va_start(ap, flags);
	mode = (unsigned)next_word(ap);
	va_end(ap);
	return (int)CALL3(k, SYS_open, path, flags, mode);
}

int maestro_openat(struct maestro *k, int dir, const char *path, int flags, ...)
{
	unsigned mode;
	va_list ap;

	va_start(ap, flags);
	mode = (unsigned)next_word(ap);
	va_end(ap);
	return (int)CALL4(k, SYS_openat, dir, path, flags, mode);
}

int maestro_fcntl(struct maestro *k, int fd, int cmd, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, cmd);
	arg = next_word(ap);
	va_end(ap);
	return (int)CALL3(k, SYS_fcntl, fd, cmd, arg);
}

int maestro_ioctl(struct maestro *k, int fd, unsigned long cmd, ...)
{
	unsigned long arg;
	va_list ap;

	va_start(ap, cmd);
	arg = next_word(ap);
	va_end(ap);
	return (int)CALL3(k, SYS_ioctl, fd, cmd, arg);
}

#define DEFINE1(ret, name, nr, T1)                     \
	ret maestro_##name(struct maestro *k, T1 a)        \
	{                                                  \
		return (ret)CALL1(k, nr, a);                   \
	}
#define DEFINE2(ret, name, nr, T1, T2)                 \
	ret maestro_##name(struct maestro *k, T1 a, T2 b)  \
	{                                                  \
		return (ret)CALL2(k, nr, a, b);                \
	}
#define DEFINE3(ret, name, nr, T1, T2, T3)                  \
	ret maestro_##name(struct maestro *k, T1 a, T2 b, T3 c) \
	{                                                       \
		return (ret)CALL3(k, nr, a, b, c);                  \
	}
#define DEFINE4(ret, name, nr, T1, T2, T3, T4)                    \
	ret maestro_##name(struct maestro *k, T1 a, T2 b, T3 c, T4 d) \
	{                                                             \
		return (ret)CALL4(k, nr, a, b, c, d);                     \
	}
#define DEFINE5(ret, name, nr, T1, T2, T3, T4, T5)                      \
	ret maestro_##name(struct maestro *k, T1 a, T2 b, T3 c, T4 d, T5 e) \
	{                                                                   \
		return (ret)CALL5(k, nr, a, b, c, d, e);                        \
	}

DEFINE1(int, close, SYS_close, int)
DEFINE3(ssize_t, read, SYS_read, int, void *, size_t)
DEFINE3(ssize_t, write, SYS_write, int, const void *, size_t)
DEFINE4(ssize_t, pread, SYS_pread64, int, void *, size_t, int64_t)
DEFINE4(ssize_t, pwrite, SYS_pwrite64, int, const void *, size_t, int64_t)
DEFINE3(ssize_t, readv, SYS_readv, int, const struct iovec *, int)
DEFINE3(ssize_t, writev, SYS_writev, int, const struct iovec *, int)
DEFINE3(int64_t, lseek, SYS_lseek, int, int64_t, int)
DEFINE2(int, stat, SYS_stat, const char *, struct stat *)
DEFINE2(int, lstat, SYS_lstat, const char *, struct stat *)
DEFINE2(int, fstat, SYS_fstat, int, struct stat *)
DEFINE4(int, fstatat, SYS_newfstatat, int, const char *, struct stat *, int)
DEFINE5(int, statx, SYS_statx, int, const char *, int, unsigned, struct statx *)
DEFINE2(int, access, SYS_access, const char *, int)
DEFINE2(int, mkdir, SYS_mkdir, const char *, unsigned)
DEFINE3(int, mkdirat, SYS_mkdirat, int, const char *, unsigned)
DEFINE3(int, mknod, SYS_mknod, const char *, unsigned, unsigned long)
DEFINE1(int, unlink, SYS_unlink, const char *)
DEFINE3(int, unlinkat, SYS_unlinkat, int, const char *, int)
DEFINE1(int, rmdir, SYS_rmdir, const char *)
DEFINE2(int, rename, SYS_rename, const char *, const char *)
DEFINE5(int, renameat2, SYS_renameat2, int, const char *, int, const char *, unsigned)
DEFINE2(int, link, SYS_link, const char *, const char *)
DEFINE5(int, linkat, SYS_linkat, int, const char *, int, const char *, int)
DEFINE2(int, symlink, SYS_symlink, const char *, const char *)
DEFINE3(int, symlinkat, SYS_symlinkat, const char *, int, const char *)
DEFINE3(ssize_t, readlink, SYS_readlink, const char *, char *, size_t)
DEFINE4(ssize_t, readlinkat, SYS_readlinkat, int, const char *, char *, size_t)
DEFINE3(ssize_t, getdents64, SYS_getdents64, int, void *, size_t)
DEFINE1(int, chdir, SYS_chdir, const char *)
DEFINE2(ssize_t, getcwd, SYS_getcwd, char *, size_t)
DEFINE1(unsigned, umask, SYS_umask, unsigned)
DEFINE2(int, truncate, SYS_truncate, const char *, int64_t)
DEFINE2(int, ftruncate, SYS_ftruncate, int, int64_t)
DEFINE4(int, fallocate, SYS_fallocate, int, int, int64_t, int64_t)
DEFINE1(int, fsync, SYS_fsync, int)
DEFINE1(int, fdatasync, SYS_fdatasync, int)
DEFINE1(int, syncfs, SYS_syncfs, int)
DEFINE2(int, chmod, SYS_chmod, const char *, unsigned)
DEFINE2(int, fchmod, SYS_fchmod, int, unsigned)
DEFINE3(int, chown, SYS_chown, const char *, unsigned, unsigned)
DEFINE3(int, lchown, SYS_lchown, const char *, unsigned, unsigned)
DEFINE3(int, fchown, SYS_fchown, int, unsigned, unsigned)
DEFINE2(int, statfs, SYS_statfs, const char *, struct statfs *)
DEFINE2(int, fstatfs, SYS_fstatfs, int, struct statfs *)
DEFINE1(int, dup, SYS_dup, int)
DEFINE2(int, dup2, SYS_dup2, int, int)
DEFINE2(int, flock, SYS_flock, int, int)
DEFINE3(int, poll, SYS_poll, struct pollfd *, unsigned long, int)
DEFINE4(ssize_t, getxattr, SYS_getxattr, const char *, const char *, void *, size_t)
DEFINE4(ssize_t, lgetxattr, SYS_lgetxattr, const char *, const char *, void *, size_t)
DEFINE3(ssize_t, listxattr, SYS_listxattr, const char *, char *, size_t)
DEFINE5(int, setxattr, SYS_setxattr, const char *, const char *, const void *, size_t, int)
DEFINE2(int, removexattr, SYS_removexattr, const char *, const char *)

int maestro_pipe2(struct maestro *k, int fds[2], int flags)
{
	return (int)CALL2(k, SYS_pipe2, fds, flags);
}

int maestro_utimensat(struct maestro *k, int dir, const char *path, const struct timespec *times, int flags)
{
	return (int)CALL4(k, SYS_utimensat, dir, path, times, flags);
}

int maestro_clock_set(struct maestro *k, const struct timespec *wall)
{
	return (int)CALL2(k, SYS_clock_settime, 0, wall); /* CLOCK_REALTIME */
}

void maestro_sync(struct maestro *k)
{
	(void)CALL0(k, SYS_sync);
}
