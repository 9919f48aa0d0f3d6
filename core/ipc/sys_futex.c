/* SPDX-License-Identifier: MIT */
/* futex(2), set_robust_list(2), get_robust_list(2): arguments and clocks; the work is in futex.c. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <hal/time.h>
#include <maestro/futex.h>
#include <maestro/kernel.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/time_user.h>

#define FUTEX_WAIT 0
#define FUTEX_LOCK_PI 6
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_LOCK_PI2 13
#define FUTEX_CMD_MASK (~(128 | 256))
#define FUTEX_CLOCK_REALTIME 256

/* Absolute, but for FUTEX_WAIT's. NULL: S64_MAX. */
static kerr_t futex_deadline(int op, int cmd, const void __user *p, bool time64, ktime_t *deadline)
{
	struct timespec64 ts;
	kerr_t err;

	if (cmd == FUTEX_WAIT)
		return get_timeout(deadline, p, time64);
	*deadline = S64_MAX;
	if (!p)
		return KERR(0);
	err = get_timespec(&ts, p, time64);
	if (!err && !timespec_valid(ts))
		err = KERR(EINVAL);
	if (err)
		return err;
	return clock_to_deadline(cmd == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME) ? CLOCK_REALTIME : CLOCK_MONOTONIC, timespec_to_ns(ts), deadline);
}

static long futex(u64 uaddr, int op, u32 val, unsigned long timeout, u64 uaddr2, u32 val3, bool time64)
{
	int cmd = op & FUTEX_CMD_MASK;
	ktime_t deadline;
	kerr_t err;

	/* Only the waiting commands have a timeout there; for others it is a number. */
	if (cmd != FUTEX_WAIT && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI && cmd != FUTEX_LOCK_PI2 && cmd != FUTEX_WAIT_REQUEUE_PI)
		return do_futex(uaddr, op, val, 0, false, uaddr2, (u32)timeout, val3);
	err = futex_deadline(op, cmd, (const void __user *)timeout, time64, &deadline);
	if (err)
		return kerr_code(err);
	return do_futex(uaddr, op, val, deadline, timeout != 0, uaddr2, 0, val3);
}

long sys_futex(void __user *uaddr, int op, u32 val, unsigned long timeout, void __user *uaddr2, u32 val3)
{
	return futex((uaddr_t)uaddr, op, val, timeout, (uaddr_t)uaddr2, val3, false);
}

long sys_futex_time64(void __user *uaddr, int op, u32 val, unsigned long timeout, void __user *uaddr2, u32 val3)
{
	return futex((uaddr_t)uaddr, op, val, timeout, (uaddr_t)uaddr2, val3, true);
}

#define FUTEX_WAITV_MAX 128
#define FUTEX2_32 2u
#define FUTEX_PRIVATE_FLAG 128u

static kerr_t check_vec(const struct futex_vec *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if ((v[i].flags & ~(FUTEX2_32 | FUTEX_PRIVATE_FLAG)) || v[i].reserved || !(v[i].flags & FUTEX2_32))
			return KERR(EINVAL);
	return KERR(0);
}

/* The time is absolute, and a 64-bit timespec in both ABIs. */
long sys_futex_waitv(const void __user *waiters, unsigned n, unsigned flags, const void __user *timeout, int clock)
{
	ktime_t deadline = S64_MAX;
	struct futex_vec *vec;
	struct timespec64 ts;
	kerr_t err = KERR(0);
	long ret;

	if (flags || !n || n > FUTEX_WAITV_MAX || !waiters)
		return -EINVAL;
	if (timeout) {
		if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
			return -EINVAL;
		err = get_timespec(&ts, timeout, true);
		if (!err && !timespec_valid(ts))
			err = KERR(EINVAL);
		if (!err)
			err = clock_to_deadline(clock, timespec_to_ns(ts), &deadline);
	}
	if (err)
		return kerr_code(err);
	vec = kmalloc(n * sizeof(*vec), GFP_KERNEL);
	if (!vec)
		return -ENOMEM;
	err = copy_from_user(vec, waiters, n * sizeof(*vec));
	if (!err)
		err = check_vec(vec, n);
	ret = err ? kerr_code(err) : do_futex_waitv(vec, n, deadline);
	kfree(vec);
	return ret;
}

long sys_set_robust_list(const void __user *head, size_t len)
{
	if (len != 3 * sizeof(long))
		return -EINVAL;
	hal_current()->robust_list_head = (uaddr_t)head;
	return 0;
}

long sys_get_robust_list(int pid, void __user *head, void __user *len)
{
	struct task *t = pid ? task_find(pid) : task_get(hal_current());
	unsigned long val;
	bool mine;

	if (!t)
		return -ESRCH;
	mine = t->proc == hal_current()->proc;
	val = (unsigned long)t->robust_list_head;
	if (!mine && (t->cred->uid != current_cred()->euid) && !capable(CAP_SYS_PTRACE)) {
		task_put(t);
		return -EPERM;
	}
	task_put(t);
	if (put_user((size_t)(3 * sizeof(long)), (size_t __user *)len) || put_user(val, (unsigned long __user *)head))
		return -EFAULT;
	return 0;
}
