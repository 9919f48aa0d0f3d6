/* SPDX-License-Identifier: MIT */
/*
 * Options at SOL_SOCKET (socket(7)). Those that only say something about a network are kept and read back, as Linux does for AF_UNIX.
 * An option that is not listed here is ENOPROTOOPT.
 */
#include "net_priv.h"

enum { SO_DEBUG = 1, SO_REUSEADDR, SO_TYPE, SO_ERROR, SO_DONTROUTE, SO_BROADCAST, SO_SNDBUF, SO_RCVBUF, SO_KEEPALIVE, SO_OOBINLINE, SO_NO_CHECK,
       SO_PRIORITY, SO_LINGER, SO_BSDCOMPAT, SO_REUSEPORT, SO_PASSCRED, SO_PEERCRED, SO_RCVLOWAT, SO_SNDLOWAT, SO_RCVTIMEO_OLD, SO_SNDTIMEO_OLD,
       SO_BINDTODEVICE = 25, SO_DETACH_FILTER = 27, SO_PEERNAME = 28, SO_TIMESTAMP_OLD = 29, SO_ACCEPTCONN = 30, SO_PEERSEC = 31, SO_SNDBUFFORCE = 32,
       SO_RCVBUFFORCE = 33, SO_PASSSEC = 34, SO_TIMESTAMPNS_OLD = 35, SO_MARK = 36, SO_PROTOCOL = 38, SO_DOMAIN = 39, SO_PEEK_OFF = 42, SO_NOFCS = 43,
       SO_SELECT_ERR_QUEUE = 45, SO_COOKIE = 57, SO_PEERGROUPS = 59, SO_TIMESTAMP_NEW = 63, SO_TIMESTAMPNS_NEW = 64, SO_RCVTIMEO_NEW = 66,
       SO_SNDTIMEO_NEW = 67 };
#define MIN_BUF (2048u + ALIGN_UP(ABI_SKB_HEAD, 64u))
#define TICKS_PER_SEC 250
#define INT_MAX S32_MAX

/* A flag of struct socket_options.bits by option, or 0. */
static u32 kept_bit(int name)
{
	switch (name) {
	case SO_DEBUG:
	case SO_REUSEADDR:
	case SO_DONTROUTE:
	case SO_BROADCAST:
	case SO_KEEPALIVE:
	case SO_NO_CHECK:
		return 1u << name;
	case SO_NOFCS:
		return 1u << 30;
	case SO_SELECT_ERR_QUEUE:
		return 1u << 31;
	default:
		return 0;
	}
}

static u32 socket_flag(int name)
{
	switch (name) {
	case SO_OOBINLINE:
		return SOCKET_OOBINLINE;
	case SO_PASSCRED:
		return SOCKET_PASSCRED;
	case SO_PASSSEC:
		return SOCKET_PASSSEC;
	default:
		return 0;
	}
}

static u32 stamp_flags(int name)
{
	switch (name) {
	case SO_TIMESTAMP_OLD:
		return SOCKET_STAMP;
	case SO_TIMESTAMP_NEW:
		return SOCKET_STAMP | SOCKET_STAMP_NEW;
	case SO_TIMESTAMPNS_OLD:
		return SOCKET_STAMP_NS;
	case SO_TIMESTAMPNS_NEW:
		return SOCKET_STAMP_NS | SOCKET_STAMP_NEW;
	default:
		return 0;
	}
}

/* ---------------------------------------------------------------- setting */
static void set_bits(struct socket *s, u32 *word, u32 clear, u32 set)
{
	spin_lock(&s->lock);
	store_relaxed(word, (*word & ~clear) | set);
	spin_unlock(&s->lock);
}

static long set_sndbuf(struct socket *s, int val)
{
	val = MIN(val, INT_MAX / 2);
	store_relaxed(&s->sndbuf, MAX((int)((u32)val * 2), (int)(MIN_BUF * 2)));
	socket_wake_out(s);
	return 0;
}

static long set_rcvbuf(struct socket *s, int val)
{
	val = MIN(val, INT_MAX / 2);
	store_relaxed(&s->rcvbuf, MAX((int)((u32)val * 2), (int)MIN_BUF));
	return 0;
}

static long set_buf_force(struct socket *s, int name, int val)
{
	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	val = MAX(val, 0);
	return name == SO_SNDBUFFORCE ? set_sndbuf(s, val) : set_rcvbuf(s, val);
}

static long set_timeout(unsigned long *out, const void __user *val, int len, bool new)
{
	struct abi_timeval narrow;
	s64 wide[2];
	unsigned long ticks;

	if (len < (int)(new ? sizeof(wide) : sizeof(narrow)))
		return -EINVAL;
	if (new ? copy_in(&wide, (const s64(__user *)[2])val) : copy_in(&narrow, (const struct abi_timeval __user *)val))
		return -EFAULT;
	if (!new) {
		wide[0] = narrow.sec;
		wide[1] = narrow.usec;
	}
	if (wide[1] < 0 || wide[1] >= 1000000)
		return -EDOM;
	if (wide[0] < 0)
		ticks = 0;
	else if ((!wide[0] && !wide[1]) || wide[0] >= S32_MAX / TICKS_PER_SEC - 1)
		ticks = ULONG_MAX;
	else
		ticks = (unsigned long)wide[0] * TICKS_PER_SEC + DIV_ROUND_UP((u32)wide[1], SOCKET_TICK / 1000);
	store_relaxed(out, ticks);
	return 0;
}

static long set_linger(struct socket *s, const void __user *val, int len)
{
	s32 l[2];

	if (len < (int)sizeof(l))
		return -EINVAL;
	if (copy_in(&l, (const s32(__user *)[2])val))
		return -EFAULT;
	set_bits(s, &s->opt.bits, 1u << SO_LINGER, l[0] ? 1u << SO_LINGER : 0);
	if (l[0])
		store_relaxed(&s->opt.linger, l[1]);
	return 0;
}

static long set_priority(struct socket *s, int val)
{
	if ((val < 0 || val > 6) && !capable(CAP_NET_RAW) && !capable(CAP_NET_ADMIN))
		return -EPERM;
	store_relaxed(&s->opt.priority, (u32)val);
	return 0;
}

static long set_mark(struct socket *s, int val)
{
	if (!capable(CAP_NET_RAW) && !capable(CAP_NET_ADMIN))
		return -EPERM;
	store_relaxed(&s->opt.mark, (u32)val);
	return 0;
}

static long set_stamp(struct socket *s, int name, int val)
{
	const u32 all = SOCKET_STAMP | SOCKET_STAMP_NS | SOCKET_STAMP_NEW;

	set_bits(s, &s->flags, all, val ? stamp_flags(name) : 0);
	return 0;
}

static long set_flag(struct socket *s, int name, int val)
{
	u32 bit = kept_bit(name);

	if (name == SO_DEBUG && val && !capable(CAP_NET_ADMIN))
		return -EACCES;
	if (bit)
		set_bits(s, &s->opt.bits, bit, val ? bit : 0);
	bit = socket_flag(name);
	if (bit)
		set_bits(s, &s->flags, bit, val ? bit : 0);
	return 0;
}

long socket_setsockopt(struct socket *s, int name, const void __user *uval, int len)
{
	s32 val;

	if (len < (int)sizeof(val))
		return -EINVAL;
	if (copy_in(&val, (const s32 __user *)uval))
		return -EFAULT;
	if (kept_bit(name) || socket_flag(name))
		return set_flag(s, name, val);
	if (stamp_flags(name))
		return set_stamp(s, name, val);
	switch (name) {
	case SO_SNDBUF:
		return set_sndbuf(s, (int)MIN((u32)val, load_relaxed(&net()->wmem_max)));
	case SO_RCVBUF:
		return set_rcvbuf(s, (int)MIN((u32)val, load_relaxed(&net()->rmem_max)));
	case SO_SNDBUFFORCE:
	case SO_RCVBUFFORCE:
		return set_buf_force(s, name, val);
	case SO_PRIORITY:
		return set_priority(s, val);
	case SO_LINGER:
		return set_linger(s, uval, len);
	case SO_BSDCOMPAT:
		return 0;
	case SO_RCVLOWAT:
		store_relaxed(&s->rcvlowat, val < 0 ? INT_MAX : val ?: 1);
		return 0;
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return set_timeout(&s->rcvtimeo, uval, len, name == SO_RCVTIMEO_NEW);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return set_timeout(&s->sndtimeo, uval, len, name == SO_SNDTIMEO_NEW);
	case SO_DETACH_FILTER:
		return -ENOENT; /* none can be attached */
	case SO_MARK:
		return set_mark(s, val);
	case SO_REUSEPORT: /* of ports, which only internet sockets have */
		return val ? -EOPNOTSUPP : 0;
	case SO_PEEK_OFF:
		return s->ops->set_peek_off ? kerr_code(s->ops->set_peek_off(s, val)) : -EOPNOTSUPP;
	default:
		return -ENOPROTOOPT;
	}
}

/* ---------------------------------------------------------------- reading */
union answer {
	s32 num;
	s32 pair[2];
	u64 cookie;
	s64 wide[2];
	struct abi_timeval narrow;
	u32 cred[3];
};

static size_t get_timeout_opt(const unsigned long *ticks, union answer *v, bool new)
{
	struct timespec64 t = { 0, 0 };
	ktime_t timeo = socket_timeo(ticks);

	if (timeo != S64_MAX)
		t = ns_to_timespec(timeo);
	if (new) {
		v->wide[0] = t.sec;
		v->wide[1] = t.nsec / 1000;
		return sizeof(v->wide);
	}
	v->narrow = (struct abi_timeval) { .sec = (abi_time_t)t.sec, .usec = t.nsec / 1000 };
	return sizeof(v->narrow);
}

static size_t get_peercred(struct socket *s, union answer *v)
{
	spin_lock(&s->lock);
	v->cred[0] = (u32)s->peer_pid;
	v->cred[1] = s->peer_cred ? s->peer_cred->euid : (u32)-1;
	v->cred[2] = s->peer_cred ? s->peer_cred->egid : (u32)-1;
	spin_unlock(&s->lock);
	return sizeof(v->cred);
}

static long get_peergroups(struct socket *s, void __user *val, int __user *ulen, int len)
{
	const struct cred *c;
	size_t bytes;
	long ret = 0;

	spin_lock(&s->lock);
	c = s->peer_cred ? cred_get(s->peer_cred) : NULL;
	spin_unlock(&s->lock);
	if (!c)
		return -ENODATA;
	bytes = c->groups->count * sizeof(gid_t);
	if ((size_t)len < bytes)
		ret = -ERANGE;
	else if (copy_to_user(val, c->groups->gid, bytes))
		ret = -EFAULT;
	if (ret != -EFAULT && put_user((int)bytes, ulen))
		ret = -EFAULT;
	cred_put(c);
	return ret;
}

static long get_peername(struct socket *s, void __user *val, int __user *ulen, int len)
{
	u8 addr[ADDRESS_MAX];
	long n = s->ops->getname(s, true, addr);

	if (n < 0)
		return -ENOTCONN;
	if (n < len)
		return -EINVAL;
	if (copy_to_user(val, addr, (size_t)len))
		return -EFAULT;
	return kerr_code(put_user(len, ulen));
}

static u64 socket_cookie(struct socket *s)
{
	u64 fresh = 0, cookie;

	spin_lock(&s->lock);
	cookie = s->cookie;
	spin_unlock(&s->lock);
	if (cookie)
		return cookie;
	while (!fresh)
		random_bytes(&fresh, sizeof(fresh));
	spin_lock(&s->lock);
	if (!s->cookie)
		s->cookie = fresh;
	cookie = s->cookie;
	spin_unlock(&s->lock);
	return cookie;
}

static int get_error(struct socket *s)
{
	return -kerr_code(socket_take_error(s));
}

/* Fills v; its size, or -ENOPROTOOPT. */
static long answer(struct socket *s, int name, union answer *v)
{
	u32 flags = load_relaxed(&s->flags);

	if (kept_bit(name)) {
		v->num = (load_relaxed(&s->opt.bits) & kept_bit(name)) != 0;
		return sizeof(v->num);
	}
	if (socket_flag(name)) {
		v->num = (flags & socket_flag(name)) != 0;
		return sizeof(v->num);
	}
	if (stamp_flags(name)) {
		v->num = (flags & (SOCKET_STAMP | SOCKET_STAMP_NS | SOCKET_STAMP_NEW)) == stamp_flags(name);
		return sizeof(v->num);
	}
	switch (name) {
	case SO_TYPE:
		v->num = s->type;
		break;
	case SO_PROTOCOL:
		v->num = s->protocol;
		break;
	case SO_DOMAIN:
		v->num = s->ops->family;
		break;
	case SO_ERROR:
		v->num = get_error(s);
		break;
	case SO_SNDBUF:
		v->num = s->sndbuf;
		break;
	case SO_RCVBUF:
		v->num = s->rcvbuf;
		break;
	case SO_PRIORITY:
		v->num = (s32)s->opt.priority;
		break;
	case SO_MARK:
		v->num = (s32)s->opt.mark;
		break;
	case SO_LINGER:
		v->pair[0] = (s->opt.bits >> SO_LINGER) & 1;
		v->pair[1] = s->opt.linger;
		return sizeof(v->pair);
	case SO_BSDCOMPAT:
	case SO_REUSEPORT:
		v->num = 0;
		break;
	case SO_RCVLOWAT:
		v->num = s->rcvlowat;
		break;
	case SO_SNDLOWAT:
		v->num = 1;
		break;
	case SO_RCVTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
		return (long)get_timeout_opt(&s->rcvtimeo, v, name == SO_RCVTIMEO_NEW);
	case SO_SNDTIMEO_OLD:
	case SO_SNDTIMEO_NEW:
		return (long)get_timeout_opt(&s->sndtimeo, v, name == SO_SNDTIMEO_NEW);
	case SO_PEERCRED:
		return (long)get_peercred(s, v);
	case SO_ACCEPTCONN:
		v->num = s->state == SOCKET_LISTENING;
		break;
	case SO_PEEK_OFF:
		v->num = s->peek_off;
		break;
	default:
		return -ENOPROTOOPT;
	}
	return sizeof(v->num);
}

long socket_getsockopt(struct socket *s, int name, void __user *val, int __user *ulen)
{
	union answer v;
	s32 len;
	long n;

	if (copy_in(&len, (const s32 __user *)ulen))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	memset(&v, 0, sizeof(v));
	if (name == SO_PEERGROUPS)
		return get_peergroups(s, val, ulen, len);
	if (name == SO_PEERNAME)
		return get_peername(s, val, ulen, len);
	if (name == SO_PEEK_OFF && !s->ops->set_peek_off)
		return -EOPNOTSUPP;
	if (name == SO_COOKIE) {
		if (len < (int)sizeof(v.cookie))
			return -EINVAL;
		v.cookie = socket_cookie(s);
		n = sizeof(v.cookie);
	} else {
		n = answer(s, name, &v);
	}
	if (n < 0)
		return n;
	len = MIN(len, (s32)n);
	if (copy_to_user(val, &v, (size_t)len))
		return -EFAULT;
	return kerr_code(put_user(len, ulen));
}
