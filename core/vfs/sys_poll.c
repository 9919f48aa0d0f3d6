/* SPDX-License-Identifier: MIT */
/* poll(2), ppoll(2), select(2), pselect(2). */
#include "vfs_priv.h"

#include <maestro/time_user.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

struct pollfd_k {
	int fd;
	s16 events, revents;
};
#define POLL_STACK 16u

/* ---------------------------------------------------------------- poll */
static u32 poll_one(const struct pollfd_k *p, struct poll_table *pt)
{
	u32 want = (u16)p->events | EPOLLERR | EPOLLHUP, got;
	struct fd f;

	if (p->fd < 0)
		return 0;
	f = fd_get_light(p->fd);
	if (!f.file)
		return EPOLLNVAL;
	if (pt)
		pt->key = want;
	got = vfs_poll(f.file, pt) & want;
	fd_put_light(f);
	return got;
}

static long poll_all(struct pollfd_k *p, unsigned n, ktime_t deadline)
{
	struct poll_wait_set set;
	bool late = deadline == 0;
	long ready = 0;

	poll_set_init(&set);
	if (late)
		set.pt.queue = NULL;
	for (;;) {
		kerr_t err;

		for (unsigned i = 0; i < n; i++) {
			p[i].revents = (s16)poll_one(&p[i], &set.pt);
			if (p[i].revents) {
				ready++;
				set.pt.queue = NULL;
			}
		}
		/* Once round all the queues is enough. */
		set.pt.queue = NULL;
		if (ready || late)
			break;
		err = poll_set_sleep(&set, deadline);
		if (kerr_is(err, ETIMEDOUT)) {
			late = true;
		} else if (err) {
			ready = kerr_code(err);
			break;
		}
	}
	poll_set_fini(&set);
	return ready;
}

static long do_poll(void __user *ufds, unsigned n, ktime_t deadline)
{
	struct pollfd_k small[POLL_STACK], *p = small;
	struct pollfd_k __user *u = ufds;
	long ret;

	if (n > rlimit_get(RLIMIT_NOFILE))
		return -EINVAL;
	if (n > POLL_STACK) {
		p = kmalloc(n * sizeof(*p), GFP_KERNEL);
		if (!p)
			return -ENOMEM;
	}
	ret = n && copy_from_user(p, u, n * sizeof(*p)) ? -EFAULT : poll_all(p, n, deadline);
	if (ret >= 0 && n && copy_to_user(u, p, n * sizeof(*p)))
		ret = -EFAULT;
	if (p != small)
		kfree(p);
	return ret;
}

static long poll_restart(struct restart_info *r)
{
	long ret = do_poll((void __user *)(uintptr_t)r->arg[0], (unsigned)r->arg[1], (ktime_t)r->arg[2]);

	return ret == -EINTR ? -ERESTART_RESTARTBLOCK : ret;
}

long sys_poll(void __user *fds, unsigned n, int timeout)
{
	ktime_t deadline = timeout < 0 ? S64_MAX : timeout ? ktime_get() + timeout * NSEC_PER_MSEC : 0;
	long ret = do_poll(fds, n, deadline);

	if (ret != -EINTR)
		return ret;
	current->restart.fn = poll_restart;
	current->restart.arg[0] = (uintptr_t)fds;
	current->restart.arg[1] = n;
	current->restart.arg[2] = (u64)deadline;
	return -ERESTART_RESTARTBLOCK;
}

/* ---------------------------------------------------------------- select */
#define SEL_IN (EPOLLRDNORM | EPOLLRDBAND | EPOLLIN | EPOLLHUP | EPOLLERR)
#define SEL_OUT (EPOLLWRBAND | EPOLLWRNORM | EPOLLOUT | EPOLLERR)
#define SEL_EX EPOLLPRI
#define SEL_STACK_LONGS (6u * BITMAP_LONGS(256))

struct selection {
	unsigned n;
	unsigned long *want[3], *got[3];
};

static u32 select_wants(const struct selection *s, unsigned fd)
{
	u32 want = 0;

	if (bitmap_test(s->want[0], fd))
		want |= SEL_IN;
	if (bitmap_test(s->want[1], fd))
		want |= SEL_OUT;
	if (bitmap_test(s->want[2], fd))
		want |= SEL_EX;
	return want;
}

static long select_record(const struct selection *s, unsigned fd, u32 events)
{
	static const u32 mask[3] = { SEL_IN, SEL_OUT, SEL_EX };
	long n = 0;

	for (int i = 0; i < 3; i++) {
		if (bitmap_test(s->want[i], fd) && (events & mask[i])) {
			bitmap_set(s->got[i], fd);
			n++;
		}
	}
	return n;
}

/* Asks all once. Ready bits, or -EBADF. */
static long select_scan(const struct selection *s, struct poll_wait_set *set)
{
	long ready = 0;

	for (unsigned i = 0; i < BITMAP_LONGS(s->n); i++) {
		unsigned long word = s->want[0][i] | s->want[1][i] | s->want[2][i];

		for (; word; word &= word - 1) {
			unsigned fd = i * (unsigned)BITS_PER_LONG + (unsigned)__builtin_ctzl(word);
			u32 events;
			struct fd f;

			if (fd >= s->n)
				break;
			f = fd_get_light((int)fd);
			if (!f.file)
				return -EBADF;
			set->pt.key = select_wants(s, fd);
			events = vfs_poll(f.file, &set->pt);
			if (events & set->pt.key)
				ready += select_record(s, fd, events);
			fd_put_light(f);
			if (ready)
				set->pt.queue = NULL;
		}
	}
	return ready;
}

static long select_loop(const struct selection *s, ktime_t deadline)
{
	struct poll_wait_set set;
	bool late = deadline == 0;
	long ready;

	poll_set_init(&set);
	if (late)
		set.pt.queue = NULL;
	for (;;) {
		kerr_t err;

		ready = select_scan(s, &set);
		set.pt.queue = NULL;
		if (ready || late)
			break;
		err = poll_set_sleep(&set, deadline);
		if (kerr_is(err, ETIMEDOUT)) {
			late = true;
		} else if (err) {
			ready = kerr_is(err, EINTR) ? -ERESTARTNOHAND : kerr_code(err);
			break;
		}
	}
	poll_set_fini(&set);
	return ready;
}

static kerr_t bits_in(unsigned long *dst, const void __user *src, unsigned n)
{
	size_t bytes = BITMAP_LONGS(n) * sizeof(long);
	kerr_t err;

	if (!src) {
		memset(dst, 0, bytes);
		return 0;
	}
	err = copy_from_user(dst, src, bytes);
	/* Bits past n belong to nobody. */
	if (!err && n % BITS_PER_LONG)
		dst[n / BITS_PER_LONG] &= (1UL << (n % BITS_PER_LONG)) - 1;
	return err;
}

long select_core(int n, void __user *in, void __user *out, void __user *ex, ktime_t deadline)
{
	void __user *user[3] = { in, out, ex };
	unsigned long small[SEL_STACK_LONGS], *bits = small;
	struct selection s;
	size_t longs;
	long ret = 0;

	if (n < 0)
		return -EINVAL;
	/* Beyond the table there is nothing to ask; the program's sets are not looked at there either. */
	spin_lock(&current->files->lock);
	s.n = MIN((unsigned)n, current->files->max);
	spin_unlock(&current->files->lock);
	longs = BITMAP_LONGS(s.n);
	if (6 * longs > SEL_STACK_LONGS) {
		bits = kmalloc(6 * longs * sizeof(long), GFP_KERNEL);
		if (!bits)
			return -ENOMEM;
	}
	for (unsigned i = 0; i < 3; i++) {
		s.want[i] = bits + i * longs;
		s.got[i] = bits + (3 + i) * longs;
		if (!ret)
			ret = kerr_code(bits_in(s.want[i], user[i], s.n));
		memset(s.got[i], 0, longs * sizeof(long));
	}
	if (!ret)
		ret = select_loop(&s, deadline);
	for (unsigned i = 0; i < 3 && ret >= 0; i++)
		if (user[i] && copy_to_user(user[i], s.got[i], longs * sizeof(long)))
			ret = -EFAULT;
	if (bits != small)
		kfree(bits);
	return ret;
}

long sys_select(int n, void __user *in, void __user *out, void __user *ex, void __user *timeout)
{
	struct abi_timeval tv;
	ktime_t deadline = S64_MAX;
	struct timespec64 t;
	kerr_t lost;
	long ret;

	if (timeout) {
		if (copy_in(&tv, (struct abi_timeval __user *)timeout))
			return -EFAULT;
		if (tv.sec < 0 || tv.usec < 0)
			return -EINVAL;
		t.sec = tv.sec + tv.usec / 1000000;
		t.nsec = (s32)(tv.usec % 1000000) * 1000;
		deadline = poll_deadline(t);
	}
	ret = select_core(n, in, out, ex, deadline);
	if (timeout && ret != -ERESTARTNOHAND) {
		t = deadline ? time_left(deadline) : (struct timespec64) { 0, 0 };
		tv = (struct abi_timeval) { (long)t.sec, t.nsec / 1000 };
		lost = copy_out((struct abi_timeval __user *)timeout, &tv);
		(void)lost; /* it may be in read-only memory; the result stands */
	}
	return ret;
}

/* ---------------------------------------------------------------- with a signal mask */
struct sigset_arg {
	void __user *mask;
	size_t size;
};

/* What is left is written back where it came from: nobody minds if that fails. */
static void timeout_out(void __user *p, bool wide, ktime_t deadline)
{
	struct timespec64 t = deadline ? time_left(deadline) : (struct timespec64) { 0, 0 };
	kerr_t lost = put_timespec(t, p, wide);

	(void)lost;
}

static kerr_t timeout_in(const void __user *p, bool wide, ktime_t *deadline)
{
	struct timespec64 t;
	kerr_t err;

	*deadline = S64_MAX;
	if (!p)
		return 0;
	err = get_timespec(&t, p, wide);
	if (err)
		return err;
	if (!timespec_valid(t))
		return KERR(EINVAL);
	*deadline = poll_deadline(t);
	return 0;
}

static long pselect(int n, void __user *in, void __user *out, void __user *ex, const void __user *timeout, const void __user *sig, bool wide)
{
	struct sigset_arg s = { NULL, 0 };
	ktime_t deadline;
	bool swapped;
	long ret;
	kerr_t err = 0;

	if (sig && copy_in(&s, (const struct sigset_arg __user *)sig))
		return -EFAULT;
	err = timeout_in(timeout, wide, &deadline);
	if (!err)
		err = sigmask_swap(s.mask, s.size, &swapped);
	if (err)
		return kerr_code(err);
	ret = sigmask_restore(swapped, select_core(n, in, out, ex, deadline));
	if (timeout && ret != -ERESTARTNOHAND)
		timeout_out((void __user *)(uintptr_t)timeout, wide, deadline);
	return ret;
}

long sys_pselect6(int n, void __user *in, void __user *out, void __user *ex, const void __user *timeout, const void __user *sig)
{
	return pselect(n, in, out, ex, timeout, sig, false);
}

long sys_pselect6_time64(int n, void __user *in, void __user *out, void __user *ex, const void __user *timeout, const void __user *sig)
{
	return pselect(n, in, out, ex, timeout, sig, true);
}

static long ppoll(void __user *fds, unsigned n, const void __user *timeout, const void __user *mask, size_t size, bool wide)
{
	ktime_t deadline;
	bool swapped;
	long ret;
	kerr_t err = timeout_in(timeout, wide, &deadline);

	if (!err)
		err = sigmask_swap(mask, size, &swapped);
	if (err)
		return kerr_code(err);
	ret = do_poll(fds, n, deadline);
	if (ret == -EINTR)
		ret = -ERESTARTNOHAND;
	ret = sigmask_restore(swapped, ret);
	if (timeout && ret != -ERESTARTNOHAND)
		timeout_out((void __user *)(uintptr_t)timeout, wide, deadline);
	return ret;
}

long sys_ppoll(void __user *fds, unsigned n, const void __user *timeout, const void __user *mask, size_t size)
{
	return ppoll(fds, n, timeout, mask, size, false);
}

long sys_ppoll_time64(void __user *fds, unsigned n, const void __user *timeout, const void __user *mask, size_t size)
{
	return ppoll(fds, n, timeout, mask, size, true);
}
