/* SPDX-License-Identifier: MIT */
/* i386 only: the clock calls with 64-bit seconds that Linux 5.1 added, and stime(2). */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "../../time/time_impl.h"

#include <abi/i386.h>
#include <maestro/cred.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/posix_timer.h>

long sys_stime(const void __user *t)
{
	abi_time_t sec;

	if (copy_in(&sec, t))
		return -EFAULT;
	return do_clock_settime(CLOCK_REALTIME, (struct timespec64){ sec, 0 });
}

long sys_clock_gettime64(int clock, void __user *tp)
{
	s64 ns;
	kerr_t err = clock_read(clock, &ns);

	if (err)
		return kerr_code(err);
	return put_timespec(ns_to_timespec(ns), tp, true) ? -EFAULT : 0;
}

long sys_clock_settime64(int clock, const void __user *tp)
{
	struct timespec64 t;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	if (get_timespec(&t, tp, true))
		return -EFAULT;
	return do_clock_settime(clock, t);
}

long sys_clock_getres_time64(int clock, void __user *res)
{
	struct timespec64 t;
	kerr_t err = do_clock_getres(clock, &t);

	if (err)
		return kerr_code(err);
	return res && put_timespec(t, res, true) ? -EFAULT : 0;
}

long sys_clock_nanosleep_time64(int clock, int flags, const void __user *req, void __user *rem)
{
	struct timespec64 t;

	if (get_timespec(&t, req, true))
		return -EFAULT;
	return do_clock_nanosleep(clock, flags, t, rem, true);
}

long sys_timer_settime64(int id, int flags, const void __user *new, void __user *old)
{
	struct itimer_spec spec, was;
	kerr_t err;

	if (!new)
		return -EINVAL;
	if (get_itimerspec(&spec, new, true))
		return -EFAULT;
	err = do_timer_settime(id, flags & 1, &spec, old ? &was : NULL);
	if (err)
		return kerr_code(err);
	return old && put_itimerspec(&was, old, true) ? -EFAULT : 0;
}

long sys_timer_gettime64(int id, void __user *value)
{
	struct itimer_spec spec;
	kerr_t err = do_timer_gettime(id, &spec);

	if (err)
		return kerr_code(err);
	return put_itimerspec(&spec, value, true) ? -EFAULT : 0;
}

long sys_clock_adjtime64(int clock, void __user *buf)
{
	struct abi_timex64 x;
	struct timespec64 now;
	long ret;

	if (copy_in(&x, (const void __user *)buf))
		return -EFAULT;
	if (clock != CLOCK_REALTIME)
		return clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ? -EOPNOTSUPP : -EINVAL;
	ret = do_adjtimex(x.modes);
	if (ret < 0)
		return ret;
	now = ns_to_timespec(ktime_get_real());
	x = (struct abi_timex64){ .modes = x.modes, .status = 0x40, .maxerror = 16000000, .esterror = 16000000, .constant = 2, .precision = 1,
				  .tolerance = 32768000, .time_sec = now.sec, .time_usec = now.nsec / 1000, .tick = 10000 };
	return copy_out(buf, &x) ? -EFAULT : ret;
}

long sys_sched_rr_get_interval_time64(pid_t pid, void __user *tp)
{
	struct timespec64 t;
	long ret = do_rr_get_interval(pid, &t);

	if (ret)
		return ret;
	return put_timespec(t, tp, true) ? -EFAULT : 0;
}
