/* SPDX-License-Identifier: MIT */
/*
 * The calls that send and receive (send(2), recv(2), sendmsg(2), recvmsg(2), sendmmsg(2), recvmmsg(2)).
 * The order in which bad arguments are found is Linux's.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "net_priv.h"

#define IOV_MAX 1024u
#define RW_MAX 0x7ffff000UL
#define CONTROL_FAST 64
#define PTR(word) ((void __user *)(uintptr_t)(word))

static bool in_user_space(const void __user *buf, size_t size)
{
	uintptr_t start = (uintptr_t)buf;

	return start <= HAL_USER_END && size <= HAL_USER_END - start;
}

static u32 nonblock_flag(const struct fd *f)
{
	return f->file->flags & O_NONBLOCK ? MSG_DONTWAIT : 0;
}

/* ---------------------------------------------------------------- one buffer */
long sys_sendto(int fd, const void __user *buf, size_t size, unsigned flags, const void __user *uaddr, int addrlen)
{
	u8 addr[ADDRESS_MAX];
	struct iov_iter it;
	struct socket_msg m = { .it = &it };
	struct socket *s;
	struct fd f;
	kerr_t err;
	long ret;

	size = MIN(size, RW_MAX);
	if (!in_user_space(buf, size))
		return -EFAULT;
	err = socket_fd(fd, &f, &s);
	if (err)
		return kerr_code(err);
	if (uaddr) {
		memset(addr, 0, sizeof(addr));
		err = address_from_user(addr, uaddr, addrlen);
		m.name = addr;
		m.namelen = addrlen;
	}
	iov_iter_user(&it, (void __user *)(uintptr_t)buf, size, false);
	m.flags = flags | nonblock_flag(&f);
	ret = err ? kerr_code(err) : s->ops->sendmsg(s, &m, size);
	fd_put_light(f);
	return ret;
}

long sys_recvfrom(int fd, void __user *buf, size_t size, unsigned flags, void __user *uaddr, void __user *ulen)
{
	u8 addr[ADDRESS_MAX];
	struct iov_iter it;
	struct socket_msg m = { .it = &it };
	struct socket *s;
	struct fd f;
	kerr_t err;
	long ret;

	size = MIN(size, RW_MAX);
	if (!in_user_space(buf, size))
		return -EFAULT;
	err = socket_fd(fd, &f, &s);
	if (err)
		return kerr_code(err);
	iov_iter_user(&it, buf, size, true);
	m.flags = flags | nonblock_flag(&f);
	m.name = uaddr ? addr : NULL;
	ret = s->ops->recvmsg(s, &m, size);
	if (ret >= 0 && uaddr) {
		err = address_to_user(addr, m.namelen, uaddr, ulen);
		if (err)
			ret = kerr_code(err);
	}
	fd_put_light(f);
	return ret;
}

/* ---------------------------------------------------------------- struct msghdr */
struct msg_in { /* a program's msghdr, with what it points to */
	struct abi_msghdr h;
	struct iov_iter it;
	struct iovec_k small[IOV_FAST], *iov;
	u8 addr[ADDRESS_MAX];
	size_t total;
};

/* Header and segments. What msg_free() undoes is there on success only. */
static kerr_t msg_import(struct msg_in *in, const void __user *umsg, bool receive)
{
	ssize_t total;

	if (copy_in(&in->h, (const struct abi_msghdr __user *)umsg))
		return KERR(EFAULT);
	if (!in->h.name)
		in->h.namelen = 0;
	if (in->h.namelen < 0)
		return KERR(EINVAL);
	in->h.namelen = MIN(in->h.namelen, ADDRESS_MAX);
	if (!receive && in->h.namelen) {
		memset(in->addr, 0, sizeof(in->addr));
		if (copy_from_user(in->addr, PTR(in->h.name), (size_t)in->h.namelen))
			return KERR(EFAULT);
	}
	if (in->h.iovlen > IOV_MAX)
		return KERR(EMSGSIZE);
	total = iovec_import(PTR(in->h.iov), (unsigned long)in->h.iovlen, in->small, &in->iov);
	if (total < 0)
		return kerr_of(total);
	in->total = (size_t)total;
	iov_iter_vec(&in->it, in->iov, (unsigned)in->h.iovlen, in->total, receive);
	return 0;
}

static void msg_free(struct msg_in *in)
{
	iovec_free(in->iov, in->small);
}

static long send_imported(struct socket *s, struct msg_in *in, unsigned flags)
{
	u8 fast[CONTROL_FAST], *control = fast;
	struct socket_msg m = { .it = &in->it, .flags = flags, .name = in->addr, .namelen = in->h.namelen, .controllen = (size_t)in->h.controllen };
	long ret;

	if (m.controllen > load_relaxed(&net()->optmem_max))
		return -ENOBUFS;
	if (m.controllen > sizeof(fast)) {
		control = kmalloc(m.controllen, GFP_KERNEL);
		if (!control)
			return -ENOBUFS;
	}
	m.control_in = control;
	if (m.controllen && copy_from_user(control, PTR(in->h.control), m.controllen))
		ret = -EFAULT;
	else
		ret = s->ops->sendmsg(s, &m, in->total);
	if (control != fast)
		kfree(control);
	return ret;
}

static long send_msg(struct socket *s, const void __user *umsg, unsigned flags)
{
	struct msg_in in;
	kerr_t err = msg_import(&in, umsg, false);
	long ret;

	if (err)
		return kerr_code(err);
	ret = send_imported(s, &in, flags);
	msg_free(&in);
	return ret;
}

/* What recvmsg(2) tells besides the bytes. */
static kerr_t recv_results(const struct msg_in *in, const struct socket_msg *m, struct abi_msghdr __user *umsg)
{
	kerr_t err;

	if (in->h.name) {
		err = address_to_user(in->addr, m->namelen, PTR(in->h.name), (int __user *)&umsg->namelen);
		if (err)
			return err;
	}
	err = put_user(m->report, &umsg->flags);
	if (!err)
		err = put_user((__typeof__(umsg->controllen))((uintptr_t)m->control_out - (uintptr_t)PTR(in->h.control)), &umsg->controllen);
	return err;
}

/* *report: msg_flags as told to the program. */
static long recv_msg(struct socket *s, void __user *umsg, unsigned flags, u32 *report)
{
	struct msg_in in;
	struct socket_msg m = { .it = &in.it, .flags = flags, .report = flags & MSG_CMSG_CLOEXEC };
	kerr_t err = msg_import(&in, umsg, true);
	long ret;

	if (err)
		return kerr_code(err);
	m.name = in.h.name ? in.addr : NULL;
	m.control_out = PTR(in.h.control);
	m.controllen = (size_t)in.h.controllen;
	ret = s->ops->recvmsg(s, &m, in.total);
	if (ret >= 0) {
		err = recv_results(&in, &m, umsg);
		if (err)
			ret = kerr_code(err);
	}
	*report = m.report;
	msg_free(&in);
	return ret;
}

long sys_sendmsg(int fd, const void __user *msg, unsigned flags)
{
	struct socket *s;
	struct fd f;
	kerr_t err;
	long ret;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	err = socket_fd(fd, &f, &s);
	if (err)
		return kerr_code(err);
	ret = send_msg(s, msg, flags | nonblock_flag(&f));
	fd_put_light(f);
	return ret;
}

long sys_recvmsg(int fd, void __user *msg, unsigned flags)
{
	struct socket *s;
	struct fd f;
	kerr_t err;
	u32 report;
	long ret;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	err = socket_fd(fd, &f, &s);
	if (err)
		return kerr_code(err);
	ret = recv_msg(s, msg, flags | nonblock_flag(&f), &report);
	fd_put_light(f);
	return ret;
}

/* ---------------------------------------------------------------- several */
static long send_many(struct socket *s, struct abi_mmsghdr __user *msgs, unsigned vlen, unsigned flags)
{
	unsigned n = 0;
	long ret = 0;

	vlen = MIN(vlen, IOV_MAX);
	while (n < vlen) {
		ret = send_msg(s, &msgs[n].hdr, flags);
		if (ret < 0)
			break;
		if (put_user((u32)ret, &msgs[n].len)) {
			ret = -EFAULT;
			break;
		}
		n++;
		if (task_signal_pending())
			break;
		cond_resched();
	}
	return n ? (long)n : ret;
}

long sys_sendmmsg(int fd, const void __user *msgs, unsigned vlen, unsigned flags)
{
	struct socket *s;
	struct fd f;
	kerr_t err;
	long ret;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	err = socket_fd(fd, &f, &s);
	if (err)
		return kerr_code(err);
	ret = send_many(s, (struct abi_mmsghdr __user *)(uintptr_t)msgs, vlen, flags | nonblock_flag(&f));
	fd_put_light(f);
	return ret;
}

/* Until vlen, an error, or the deadline, which is looked at after each message (recvmmsg(2), BUGS). */
static long recv_many(struct socket *s, struct abi_mmsghdr __user *msgs, unsigned vlen, unsigned flags, ktime_t deadline)
{
	kerr_t err = socket_take_error(s);
	unsigned n = 0;
	long ret = 0;

	if (err)
		return kerr_code(err);
	while (n < vlen) {
		u32 report = 0;

		ret = recv_msg(s, &msgs[n].hdr, flags & ~MSG_WAITFORONE, &report);
		if (ret < 0)
			break;
		if (put_user((u32)ret, &msgs[n].len)) {
			ret = -EFAULT;
			break;
		}
		n++;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if ((deadline != S64_MAX && ktime_get() >= deadline) || (report & MSG_OOB))
			break;
		cond_resched();
	}
	if (n && ret < 0 && ret != -EAGAIN)
		store_relaxed(&s->error, (int)-ret); /* the next call tells */
	return n ? (long)n : ret;
}

static kerr_t put_left(ktime_t deadline, void __user *timeout, bool time64)
{
	ktime_t now = ktime_get();
	struct timespec64 left = ns_to_timespec(deadline > now ? deadline - now : 0);

	return put_timespec(left, timeout, time64);
}

static long recvmmsg(int fd, void __user *msgs, unsigned vlen, unsigned flags, const void __user *timeout, bool time64)
{
	ktime_t deadline;
	struct socket *s;
	struct fd f;
	kerr_t err;
	long ret;

	if (flags & ABI_MSG_CMSG_COMPAT)
		return -EINVAL;
	err = get_timeout(&deadline, timeout, time64);
	if (!err)
		err = socket_fd(fd, &f, &s);
	if (err)
		return kerr_code(err);
	ret = recv_many(s, msgs, vlen, flags | nonblock_flag(&f), deadline);
	fd_put_light(f);
	if (ret > 0 && timeout && put_left(deadline, (void __user *)(uintptr_t)timeout, time64))
		ret = -EFAULT;
	return ret;
}

long sys_recvmmsg(int fd, void __user *msgs, unsigned vlen, unsigned flags, const void __user *timeout)
{
	return recvmmsg(fd, msgs, vlen, flags, timeout, false);
}

long sys_recvmmsg_time64(int fd, void __user *msgs, unsigned vlen, unsigned flags, const void __user *timeout)
{
	return recvmmsg(fd, msgs, vlen, flags, timeout, true);
}
