/* SPDX-License-Identifier: MIT */
/*
 * The socket calls of a kernel that has no protocol family: socket(2) answers EAFNOSUPPORT, as Linux does for a family it was built without, and programs
 * that can do without a daemon then do. No file is a socket, so the other calls answer EBADF or ENOTSOCK, after what Linux checks before that.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/lib.h>
#include <maestro/time_user.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#define FAMILIES 46
#define SOCK_TYPE_MASK 0xf
#define SOCK_TYPES 11
#define SOCK_FLAGS (O_CLOEXEC | O_NONBLOCK)
#define ADDRESS_MAX 128

static long no_socket(int fd)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	file_put(f);
	return -ENOTSOCK;
}

long sys_socket(int domain, int type, int protocol)
{
	(void)protocol;
	if ((type & ~SOCK_TYPE_MASK) & ~SOCK_FLAGS)
		return -EINVAL;
	/* unknown families are refused before unknown types */
	return domain < 0 || domain >= FAMILIES || (type & SOCK_TYPE_MASK) < SOCK_TYPES ? -EAFNOSUPPORT : -EINVAL;
}

long sys_socketpair(int domain, int type, int protocol, void __user *sv)
{
	s32 fds[2];

	if ((type & ~SOCK_TYPE_MASK) & ~SOCK_FLAGS)
		return -EINVAL;
	/* Linux writes the numbers first */
	if (copy_in(&fds, (const void __user *)sv) || copy_out(sv, &fds))
		return -EFAULT;
	return sys_socket(domain, type, protocol);
}

long sys_bind(int fd, const void __user *addr, int len)
{
	(void)addr;
	(void)len;
	return no_socket(fd);
}

long sys_connect(int fd, const void __user *addr, int len)
{
	u8 copy[ADDRESS_MAX];
	long ret = no_socket(fd);

	if (ret == -EBADF)
		return ret;
	if (len < 0 || len > ADDRESS_MAX)
		return -EINVAL;
	return copy_from_user(copy, addr, (size_t)len) ? -EFAULT : ret;
}

long sys_listen(int fd, int backlog)
{
	(void)backlog;
	return no_socket(fd);
}

long sys_accept4(int fd, void __user *addr, void __user *len, int flags)
{
	long ret = no_socket(fd);

	(void)addr;
	(void)len;
	return ret != -EBADF && (flags & ~SOCK_FLAGS) ? -EINVAL : ret;
}

long sys_accept(int fd, void __user *addr, void __user *len)
{
	return sys_accept4(fd, addr, len, 0);
}

long sys_getsockopt(int fd, int level, int name, void __user *val, void __user *len)
{
	(void)level;
	(void)name;
	(void)val;
	(void)len;
	return no_socket(fd);
}

long sys_setsockopt(int fd, int level, int name, const void __user *val, int len)
{
	(void)level;
	(void)name;
	(void)val;
	return len < 0 ? -EINVAL : no_socket(fd);
}

long sys_getsockname(int fd, void __user *addr, void __user *len)
{
	(void)addr;
	(void)len;
	return no_socket(fd);
}

long sys_getpeername(int fd, void __user *addr, void __user *len)
{
	(void)addr;
	(void)len;
	return no_socket(fd);
}

static bool in_user_space(const void __user *buf, size_t size)
{
	uintptr_t start = (uintptr_t)buf;

	return start <= HAL_USER_END && size <= HAL_USER_END - start;
}

long sys_sendto(int fd, const void __user *buf, size_t size, unsigned flags, const void __user *addr, int addrlen)
{
	(void)flags;
	(void)addr;
	(void)addrlen;
	return in_user_space(buf, size) ? no_socket(fd) : -EFAULT;
}

long sys_recvfrom(int fd, void __user *buf, size_t size, unsigned flags, void __user *addr, void __user *addrlen)
{
	(void)flags;
	(void)addr;
	(void)addrlen;
	return in_user_space(buf, size) ? no_socket(fd) : -EFAULT;
}

long sys_sendmsg(int fd, const void __user *msg, unsigned flags)
{
	(void)msg;
	return flags & 0x80000000u ? -EINVAL : no_socket(fd);
}

long sys_recvmsg(int fd, void __user *msg, unsigned flags)
{
	(void)msg;
	return flags & 0x80000000u ? -EINVAL : no_socket(fd);
}

long sys_sendmmsg(int fd, const void __user *msgs, unsigned vlen, unsigned flags)
{
	(void)msgs;
	(void)vlen;
	return flags & 0x80000000u ? -EINVAL : no_socket(fd);
}

static long recvmmsg(int fd, unsigned flags, const void __user *timeout, bool time64)
{
	struct timespec64 t;

	if (flags & 0x80000000u)
		return -EINVAL;
	if (timeout) {
		if (time64 ? get_timespec64(&t, timeout) : get_timespec(&t, timeout))
			return -EFAULT;
		if (!timespec_valid(t))
			return -EINVAL;
	}
	return no_socket(fd);
}

long sys_recvmmsg(int fd, void __user *msgs, unsigned vlen, unsigned flags, const void __user *timeout)
{
	(void)msgs;
	(void)vlen;
	return recvmmsg(fd, flags, timeout, false);
}

long sys_recvmmsg_time64(int fd, void __user *msgs, unsigned vlen, unsigned flags, const void __user *timeout)
{
	(void)msgs;
	(void)vlen;
	return recvmmsg(fd, flags, timeout, true);
}

long sys_shutdown(int fd, int how)
{
	(void)how;
	return no_socket(fd);
}
