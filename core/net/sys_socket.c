/* SPDX-License-Identifier: MIT */
/*
 * The calls that make, name and connect sockets (socket(2), bind(2), connect(2), listen(2), accept(2), getsockname(2), shutdown(2), getsockopt(2)).
 * The order in which bad arguments are found is Linux's, since programs see which error wins.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "net_priv.h"

#define SOCK_FLAGS (O_CLOEXEC | O_NONBLOCK)

/* ---------------------------------------------------------------- addresses */
kerr_t address_from_user(void *dst, const void __user *src, int len)
{
	if (len < 0 || len > ADDRESS_MAX)
		return KERR(EINVAL);
	return len ? copy_from_user(dst, src, (size_t)len) : KERR(0);
}

kerr_t address_to_user(const void *addr, int len, void __user *dst, int __user *ulen)
{
	s32 room;

	if (copy_in(&room, (const s32 __user *)ulen))
		return KERR(EFAULT);
	room = MIN(room, len);
	if (room < 0)
		return KERR(EINVAL);
	if (room && copy_to_user(dst, addr, (size_t)room))
		return KERR(EFAULT);
	return put_user(len, ulen);
}

/* ---------------------------------------------------------------- making */
static const struct net_family {
	int family;
	kerr_t (*create)(int type, int protocol, struct socket **out);
} families[] = {
	{ AF_UNIX, unix_create },
};

static kerr_t socket_create(int domain, int type, int protocol, struct socket **out)
{
	if (domain < 0 || domain >= AF_MAX)
		return KERR(EAFNOSUPPORT);
	if (type >= SOCK_TYPE_MAX)
		return KERR(EINVAL);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (families[i].family == domain)
			return families[i].create(type, protocol, out);
	return KERR(EAFNOSUPPORT);
}

/* s has a file with a number, or is released. */
static long socket_install(struct socket *s, u32 flags)
{
	struct file *f;
	kerr_t err = socket_file(s, flags, &f);
	long fd;

	if (err) {
		s->ops->release(s);
		return kerr_code(err);
	}
	fd = fd_install(f, flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

long sys_socket(int domain, int type, int protocol)
{
	struct socket *s;
	kerr_t err;

	if ((u32)type & ~SOCK_TYPE_MASK & ~SOCK_FLAGS)
		return -EINVAL;
	err = socket_create(domain, type & SOCK_TYPE_MASK, protocol, &s);
	if (err)
		return kerr_code(err);
	return socket_install(s, (u32)type & SOCK_FLAGS);
}

static kerr_t pair_create(int domain, int type, int protocol, struct socket *s[2])
{
	kerr_t err = socket_create(domain, type & SOCK_TYPE_MASK, protocol, &s[0]);

	if (err)
		return err;
	err = socket_create(domain, type & SOCK_TYPE_MASK, protocol, &s[1]);
	if (err)
		goto release;
	err = s[0]->ops->pair ? s[0]->ops->pair(s[0], s[1]) : KERR(EOPNOTSUPP);
	if (!err)
		return 0;
	s[1]->ops->release(s[1]);
release:
	s[0]->ops->release(s[0]);
	return err;
}

static kerr_t pair_files(struct socket *s[2], u32 flags, struct file *f[2])
{
	kerr_t err = socket_file(s[0], flags, &f[0]);

	if (err) {
		s[0]->ops->release(s[0]);
		s[1]->ops->release(s[1]);
		return err;
	}
	err = socket_file(s[1], flags, &f[1]);
	if (err) {
		s[1]->ops->release(s[1]);
		file_put(f[0]);
	}
	return err;
}

long sys_socketpair(int domain, int type, int protocol, void __user *sv)
{
	struct socket *s[2];
	struct file *f[2];
	int fd[2];
	kerr_t err;

	if ((u32)type & ~SOCK_TYPE_MASK & ~SOCK_FLAGS)
		return -EINVAL;
	err = fd_reserve((u32)type & O_CLOEXEC, &fd[0]);
	if (err)
		return kerr_code(err);
	err = fd_reserve((u32)type & O_CLOEXEC, &fd[1]);
	if (err)
		goto first;
	/* Linux writes the numbers first */
	err = copy_to_user(sv, fd, sizeof(fd));
	if (!err)
		err = pair_create(domain, type, protocol, s);
	if (!err)
		err = pair_files(s, (u32)type & SOCK_FLAGS, f);
	if (err)
		goto second;
	fd_fill(fd[0], f[0]);
	fd_fill(fd[1], f[1]);
	return 0;
second:
	fd_unreserve(fd[1]);
first:
	fd_unreserve(fd[0]);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- naming and connecting */
long sys_bind(int fd, const void __user *uaddr, int len)
{
	u8 addr[ADDRESS_MAX];
	struct socket *s;
	struct fd f;
	kerr_t err = socket_fd(fd, &f, &s);

	if (err)
		return kerr_code(err);
	memset(addr, 0, sizeof(addr));
	err = address_from_user(addr, uaddr, len);
	if (!err)
		err = s->ops->bind(s, addr, len);
	fd_put_light(f);
	return kerr_code(err);
}

long sys_connect(int fd, const void __user *uaddr, int len)
{
	u8 addr[ADDRESS_MAX];
	struct fd f = fd_get_light(fd);
	struct socket *s;
	kerr_t err;

	if (!f.file)
		return -EBADF;
	memset(addr, 0, sizeof(addr));
	err = address_from_user(addr, uaddr, len);
	s = socket_of_file(f.file);
	if (!err)
		err = s ? s->ops->connect(s, addr, len, f.file->flags & O_NONBLOCK) : KERR(ENOTSOCK);
	fd_put_light(f);
	return kerr_code(err);
}

long sys_listen(int fd, int backlog)
{
	struct socket *s;
	struct fd f;
	kerr_t err = socket_fd(fd, &f, &s);

	if (err)
		return kerr_code(err);
	err = s->ops->listen(s, MIN((u32)backlog, load_relaxed(&net()->somaxconn)));
	fd_put_light(f);
	return kerr_code(err);
}

/* The peer's address goes out before the number is given. */
static kerr_t accept_file(struct socket *s, bool nonblock, void __user *uaddr, void __user *ulen, u32 flags, struct file **out)
{
	u8 addr[ADDRESS_MAX];
	struct socket *new;
	long len;
	kerr_t err = s->ops->accept(s, nonblock, &new);

	if (err)
		return err;
	err = socket_file(new, flags, out);
	if (err) {
		new->ops->release(new);
		return err;
	}
	if (!uaddr)
		return 0;
	len = new->ops->getname(new, true, addr);
	err = len < 0 ? KERR(ECONNABORTED) : address_to_user(addr, (int)len, uaddr, ulen);
	if (err)
		file_put(*out);
	return err;
}

static long accept_fd(struct file *lf, void __user *uaddr, void __user *ulen, u32 flags)
{
	struct socket *s = socket_of_file(lf);
	struct file *f;
	int fd;
	kerr_t err;

	if (flags & ~SOCK_FLAGS)
		return -EINVAL;
	err = fd_reserve(flags & O_CLOEXEC, &fd);
	if (err)
		return kerr_code(err);
	err = s ? accept_file(s, lf->flags & O_NONBLOCK, uaddr, ulen, flags, &f) : KERR(ENOTSOCK);
	if (err) {
		fd_unreserve(fd);
		return kerr_code(err);
	}
	fd_fill(fd, f);
	return fd;
}

long sys_accept4(int fd, void __user *addr, void __user *len, int flags)
{
	struct fd f = fd_get_light(fd);
	long ret;

	if (!f.file)
		return -EBADF;
	ret = accept_fd(f.file, addr, len, (u32)flags);
	fd_put_light(f);
	return ret;
}

long sys_accept(int fd, void __user *addr, void __user *len)
{
	return sys_accept4(fd, addr, len, 0);
}

static long get_name(int fd, bool peer, void __user *uaddr, void __user *ulen)
{
	u8 addr[ADDRESS_MAX];
	struct socket *s;
	struct fd f;
	kerr_t err = socket_fd(fd, &f, &s);
	long len;

	if (err)
		return kerr_code(err);
	len = s->ops->getname(s, peer, addr);
	err = len < 0 ? kerr_of(len) : address_to_user(addr, (int)len, uaddr, ulen);
	fd_put_light(f);
	return kerr_code(err);
}

long sys_getsockname(int fd, void __user *addr, void __user *len)
{
	return get_name(fd, false, addr, len);
}

long sys_getpeername(int fd, void __user *addr, void __user *len)
{
	return get_name(fd, true, addr, len);
}

long sys_shutdown(int fd, int how)
{
	struct socket *s;
	struct fd f;
	kerr_t err = socket_fd(fd, &f, &s);

	if (err)
		return kerr_code(err);
	err = how < 0 || how > 2 ? KERR(EINVAL) : s->ops->shutdown(s, (unsigned)how + 1);
	fd_put_light(f);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- options */
long sys_setsockopt(int fd, int level, int name, const void __user *val, int len)
{
	struct socket *s;
	struct fd f;
	kerr_t err;
	long ret;

	if (len < 0)
		return -EINVAL;
	err = socket_fd(fd, &f, &s);
	if (err)
		return kerr_code(err);
	ret = level == SOL_SOCKET ? socket_setsockopt(s, name, val, len) : -EOPNOTSUPP;
	fd_put_light(f);
	return ret;
}

long sys_getsockopt(int fd, int level, int name, void __user *val, void __user *len)
{
	struct socket *s;
	struct fd f;
	kerr_t err = socket_fd(fd, &f, &s);
	long ret;

	if (err)
		return kerr_code(err);
	ret = level == SOL_SOCKET ? socket_getsockopt(s, name, val, len) : -EOPNOTSUPP;
	fd_put_light(f);
	return ret;
}
