/* SPDX-License-Identifier: MIT */
/* The calls of POSIX timers, in the machine's own words; the work is in posix_timer.c, the 64-bit forms of i386 in abi/i386/sys_time64.c. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/signal.h>
#include <maestro/lib.h>
#include <maestro/posix_timer.h>
#include <maestro/time_user.h>

#define TIMER_ABSTIME 1

long sys_timer_create(int clock, const void __user *event, void __user *id)
{
	struct posix_timer_spec spec = { .clock = clock, .notify = SIGEV_SIGNAL, .signo = SIGALRM, .default_value = true };
	struct abi_sigevent e;
	kerr_t err;
	long ret;
	s32 n;

	if (event) {
		if (copy_in(&e, event))
			return -EFAULT;
		spec = (struct posix_timer_spec){ .clock = clock, .notify = e.notify, .signo = e.signo, .tid = e.tid, .value = e.value };
	}
	ret = do_timer_create(&spec);
	if (ret < 0)
		return ret;
	n = (s32)ret;
	if (!copy_out(id, &n))
		return 0;
	err = do_timer_delete(n);
	(void)err; /* another thread may have guessed its number */
	return -EFAULT;
}

long sys_timer_delete(int id)
{
	return kerr_code(do_timer_delete(id));
}

long sys_timer_getoverrun(int id)
{
	return do_timer_getoverrun(id);
}

long sys_timer_settime(int id, int flags, const void __user *new, void __user *old)
{
	struct itimer_spec spec, was;
	kerr_t err;

	if (!new)
		return -EINVAL;
	if (get_itimerspec(&spec, new, false))
		return -EFAULT;
	err = do_timer_settime(id, flags & TIMER_ABSTIME, &spec, old ? &was : NULL);
	if (err)
		return kerr_code(err);
	return old && put_itimerspec(&was, old, false) ? -EFAULT : 0;
}

long sys_timer_gettime(int id, void __user *value)
{
	struct itimer_spec spec;
	kerr_t err = do_timer_gettime(id, &spec);

	if (err)
		return kerr_code(err);
	return put_itimerspec(&spec, value, false) ? -EFAULT : 0;
}
