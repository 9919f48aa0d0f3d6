/* SPDX-License-Identifier: MIT */
/* Times in user memory. */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/time_user.h>

#include <hal/time.h>

kerr_t get_timespec(struct timespec64 *out, const void __user *p)
{
	struct abi_timespec t;
	kerr_t err = copy_in(&t, p);

	if (err)
		return err;
	out->sec = t.sec;
	/* a long of 64 bits may hold what an s32 would hide */
	out->nsec = t.nsec < 0 || t.nsec >= NSEC_PER_SEC ? -1 : (s32)t.nsec;
	return KERR(0);
}

kerr_t put_timespec(struct timespec64 t, void __user *p)
{
	struct abi_timespec u = { .sec = (abi_time_t)t.sec, .nsec = t.nsec };

	return copy_out(p, &u);
}

kerr_t get_timespec64(struct timespec64 *out, const void __user *p)
{
	struct abi_timespec64 t;
	kerr_t err = copy_in(&t, p);
	s64 nsec;

	if (err)
		return err;
	nsec = sizeof(long) == 4 ? (s64)(s32)t.nsec : t.nsec;
	out->sec = t.sec;
	out->nsec = nsec < 0 || nsec >= NSEC_PER_SEC ? -1 : (s32)nsec;
	return KERR(0);
}

kerr_t put_timespec64(struct timespec64 t, void __user *p)
{
	struct abi_timespec64 u = { .sec = t.sec, .nsec = t.nsec };

	return copy_out(p, &u);
}

kerr_t get_timeval(struct timespec64 *out, const void __user *p)
{
	struct abi_timeval t;
	kerr_t err = copy_in(&t, p);

	if (err)
		return err;
	if (t.usec < 0 || t.usec >= 1000000)
		return KERR(EINVAL);
	out->sec = t.sec;
	out->nsec = (s32)t.usec * 1000;
	return KERR(0);
}

kerr_t put_timeval(struct timespec64 t, void __user *p)
{
	struct abi_timeval u = { .sec = (abi_time_t)t.sec, .usec = t.nsec / 1000 };

	return copy_out(p, &u);
}

ktime_t deadline_after(struct timespec64 t)
{
	s64 ns = timespec_to_ns(t);
	ktime_t now = hal_time_ns();

	return ns > S64_MAX - now ? S64_MAX : now + ns;
}

kerr_t get_timeout(ktime_t *deadline, const void __user *p, bool time64)
{
	struct timespec64 t;
	kerr_t err;

	if (!p) {
		*deadline = S64_MAX;
		return KERR(0);
	}
	err = time64 ? get_timespec64(&t, p) : get_timespec(&t, p);
	if (err)
		return err;
	if (!timespec_valid(t))
		return KERR(EINVAL);
	*deadline = deadline_after(t);
	return KERR(0);
}
