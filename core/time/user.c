/* SPDX-License-Identifier: MIT */
/* Times in user memory. */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/time_user.h>

#include <hal/time.h>

/* A long of 64 bits may hold what an s32 would hide. */
static struct timespec64 narrowed(s64 sec, s64 nsec)
{
	return (struct timespec64) { sec, nsec < 0 || nsec > S32_MAX ? -1 : (s32)nsec };
}

kerr_t get_timespec(struct timespec64 *out, const void __user *p, bool time64)
{
	struct abi_timespec64 wide;
	struct abi_timespec t;
	kerr_t err = time64 ? copy_in(&wide, p) : copy_in(&t, p);

	if (err)
		return err;
	if (!time64)
		*out = narrowed(t.sec, t.nsec);
	else /* the upper half of nsec is padding where longs are short */
		*out = narrowed(wide.sec, sizeof(long) == 4 ? (s64)(s32)wide.nsec : wide.nsec);
	return KERR(0);
}

kerr_t put_timespec(struct timespec64 t, void __user *p, bool time64)
{
	struct abi_timespec64 wide = { t.sec, t.nsec };
	struct abi_timespec words = { (abi_time_t)t.sec, t.nsec };

	return time64 ? copy_out(p, &wide) : copy_out(p, &words);
}

/* Where the second of two begins. */
static uaddr_t second(const void __user *p, bool time64)
{
	return (uaddr_t)p + (time64 ? sizeof(struct abi_timespec64) : sizeof(struct abi_timespec));
}

kerr_t get_timespec_pair(struct timespec64 out[2], const void __user *p, bool time64)
{
	kerr_t err = get_timespec(&out[0], p, time64);

	return err ? err : get_timespec(&out[1], (const void __user *)second(p, time64), time64);
}

kerr_t get_itimerspec(struct itimer_spec *out, const void __user *p, bool time64)
{
	struct timespec64 t[2];
	kerr_t err = get_timespec_pair(t, p, time64);

	if (!err)
		*out = (struct itimer_spec) { t[0], t[1] };
	return err;
}

kerr_t put_itimerspec(const struct itimer_spec *spec, void __user *p, bool time64)
{
	kerr_t err = put_timespec(spec->interval, p, time64);

	return err ? err : put_timespec(spec->value, (void __user *)second(p, time64), time64);
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
	err = get_timespec(&t, p, time64);
	if (err)
		return err;
	if (!timespec_valid(t))
		return KERR(EINVAL);
	*deadline = deadline_after(t);
	return KERR(0);
}
