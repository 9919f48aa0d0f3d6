/* SPDX-License-Identifier: MIT */
/*
 * Clock calls: clock_gettime(2), clock_nanosleep(2), gettimeofday(2), time(2), adjtimex(2). The struct forms here have the machine's long;
 * i386's 64-bit forms are in core/abi/i386/sys_time64.c over the same do_ functions.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "time_impl.h"

#include "../sched/sched_impl.h"

#include <hal/time.h>
#include <maestro/cred.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>

#define TIMER_ABSTIME 1

long sys_time(void __user *tloc)
{
	abi_time_t now = (abi_time_t)ktime_get_real_coarse_ts().sec;

	/* the coarse clock may lag behind a second that clock_gettime has shown already; Linux's does too */
	if (tloc && copy_out(tloc, &now))
		return -EFAULT;
	return (long)now;
}

long sys_gettimeofday(void __user *tv, void __user *tz)
{
	if (tv && put_timeval(ns_to_timespec(ktime_get_real()), tv))
		return -EFAULT;
	if (tz) {
		struct abi_timezone z = { kernel()->time.minuteswest, kernel()->time.dsttime };

		if (copy_out(tz, &z))
			return -EFAULT;
	}
	return 0;
}

long sys_settimeofday(const void __user *tv, const void __user *tz)
{
	struct timespec64 t = { 0, 0 };
	struct abi_timezone z;
	kerr_t err;

	if (tv) {
		err = get_timeval(&t, tv);
		if (err)
			return kerr_code(err);
	}
	if (tz && copy_in(&z, tz))
		return -EFAULT;
	if (tv && !timespec_valid(t))
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (tz) {
		if (z.minuteswest > 15 * 60 || z.minuteswest < -15 * 60)
			return -EINVAL;
		kernel()->time.minuteswest = z.minuteswest;
		kernel()->time.dsttime = z.dsttime;
	}
	if (!tv)
		return 0;
	if (timespec_to_ns(t) < hal_time_ns()) /* the boot would lie before the Epoch */
		return -EINVAL;
	ktime_set_real(timespec_to_ns(t));
	return 0;
}

long do_clock_settime(int clock, struct timespec64 t)
{
	if (clock != CLOCK_REALTIME || !timespec_valid(t) || timespec_to_ns(t) == S64_MAX)
		return -EINVAL;
	if (!capable(CAP_SYS_TIME))
		return -EPERM;
	if (timespec_to_ns(t) < hal_time_ns()) /* the boot would lie before the Epoch */
		return -EINVAL;
	ktime_set_real(timespec_to_ns(t));
	return 0;
}

long sys_clock_settime(int clock, const void __user *tp)
{
	struct timespec64 t;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	if (get_timespec(&t, tp, false))
		return -EFAULT;
	return do_clock_settime(clock, t);
}

long sys_clock_gettime(int clock, void __user *tp)
{
	s64 ns;
	kerr_t err = clock_read(clock, &ns);

	if (err)
		return kerr_code(err);
	return put_timespec(ns_to_timespec(ns), tp, false) ? -EFAULT : 0;
}

kerr_t do_clock_getres(int clock, struct timespec64 *out)
{
	s64 ns;
	kerr_t err = clock_read(clock, &ns);

	if (err)
		return err;
	out->sec = 0;
	if (clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE)
		out->nsec = (s32)SCHED_TICK_NS;
	else if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID)
		out->nsec = 1;
	else
		out->nsec = (s32)hal_time_resolution();
	return KERR(0);
}

long sys_clock_getres(int clock, void __user *res)
{
	struct timespec64 t;
	kerr_t err = do_clock_getres(clock, &t);

	if (err)
		return kerr_code(err);
	return res && put_timespec(t, res, false) ? -EFAULT : 0;
}

/* --- sleeping --- */
static long nanosleep_restart(struct restart_info *r);

/* arg: 0 deadline, 1 address of rem, 2 its form. The deadline stays, so that a restarted sleep does not grow. */
static long sleep_relative(ktime_t deadline, void __user *rem, bool time64)
{
	struct restart_info *r = &hal_current()->restart;
	struct timespec64 left;
	kerr_t err = sleep_until(deadline);

	if (!err)
		return 0;
	if (rem) {
		s64 ns = deadline - hal_time_ns();

		left = ns_to_timespec(ns > 0 ? ns : 0);
		err = put_timespec(left, rem, time64);
		if (err)
			return kerr_code(err);
	}
	r->fn = nanosleep_restart;
	r->arg[0] = (u64)deadline;
	r->arg[1] = (uaddr_t)rem;
	r->arg[2] = time64;
	return -ERESTART_RESTARTBLOCK;
}

static long nanosleep_restart(struct restart_info *r)
{
	return sleep_relative((ktime_t)r->arg[0], (void __user *)(uaddr_t)r->arg[1], r->arg[2]);
}

long do_clock_nanosleep(int clock, int flags, struct timespec64 t, void __user *rem, bool time64)
{
	ktime_t deadline;
	kerr_t err;

	if (clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID)
		return -EOPNOTSUPP; /* sleeping on CPU time */
	err = clock_to_deadline(clock, 0, &deadline);
	if (err)
		return kerr_code(err);
	if (!timespec_valid(t))
		return -EINVAL;
	if (!(flags & TIMER_ABSTIME))
		return sleep_relative(deadline_after(t), rem, time64);
	err = clock_to_deadline(clock, timespec_to_ns(t), &deadline);
	if (err)
		return kerr_code(err);
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_ALARM || clock == CLOCK_TAI)
		err = sleep_until_real(timespec_to_ns(t));
	else
		err = sleep_until(deadline);
	return err ? -ERESTARTNOHAND : 0;
}

long sys_nanosleep(const void __user *req, void __user *rem)
{
	struct timespec64 t;

	if (get_timespec(&t, req, false))
		return -EFAULT;
	return do_clock_nanosleep(CLOCK_MONOTONIC, 0, t, rem, false);
}

long sys_clock_nanosleep(int clock, int flags, const void __user *req, void __user *rem)
{
	struct timespec64 t;

	if (get_timespec(&t, req, false))
		return -EFAULT;
	return do_clock_nanosleep(clock, flags, t, rem, false);
}

/* --- adjtimex: the clock runs free, and says so --- */
#define ADJ_OFFSET_SS_READ 0xa001u
#define STA_UNSYNC 0x40
#define TIME_ERROR 5

long do_adjtimex(u32 modes)
{
	if (!modes || modes == ADJ_OFFSET_SS_READ)
		return TIME_ERROR;
	return capable(CAP_SYS_TIME) ? -EOPNOTSUPP : -EPERM;
}

long sys_adjtimex(void __user *buf)
{
	struct abi_timex x;
	struct timespec64 now;
	long ret;

	if (copy_in(&x, (const void __user *)buf))
		return -EFAULT;
	ret = do_adjtimex(x.modes);
	if (ret < 0)
		return ret;
	now = ns_to_timespec(ktime_get_real());
	x = (struct abi_timex){ .modes = x.modes, .status = STA_UNSYNC, .maxerror = 16000000, .esterror = 16000000, .constant = 2, .precision = 1,
				.tolerance = 32768000, .tick = 10000 };
	x.time.sec = (abi_time_t)now.sec;
	x.time.usec = now.nsec / 1000;
	return copy_out(buf, &x) ? -EFAULT : ret;
}

long sys_clock_adjtime(int clock, void __user *buf)
{
	if (clock != CLOCK_REALTIME)
		return clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ? -EOPNOTSUPP : -EINVAL;
	return sys_adjtimex(buf);
}
