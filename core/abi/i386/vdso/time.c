/* SPDX-License-Identifier: MIT */
/*
 * Reading clocks without the kernel, from the page before the image. Compiled apart, into the vDSO; position-independent, no data of its own.
 * What cannot be answered here is asked of the kernel.
 */
#include "data.h"

#define PUBLIC __attribute__((visibility("default")))
#define NR_TIME 13
#define NR_GETTIMEOFDAY 78
#define NR_CLOCK_GETTIME 265
#define NR_CLOCK_GETRES 266
#define NR_CLOCK_GETTIME64 403
enum { REALTIME = 0, MONOTONIC = 1, MONOTONIC_RAW = 4, REALTIME_COARSE = 5, MONOTONIC_COARSE = 6, BOOTTIME = 7 };

extern const volatile struct vdso_data vdso_data __attribute__((visibility("hidden")));

struct user_timespec {
	s32 sec, nsec;
};
struct user_timespec64 {
	s64 sec;
	s32 nsec, pad;
};
struct user_timeval {
	s32 sec, usec;
};
struct user_timezone {
	s32 minuteswest, dsttime;
};

PUBLIC long __vdso_clock_gettime(int id, struct user_timespec *ts);
PUBLIC long __vdso_clock_gettime64(int id, struct user_timespec64 *ts);
PUBLIC long __vdso_clock_getres(int id, struct user_timespec *ts);
PUBLIC long __vdso_gettimeofday(struct user_timeval *tv, struct user_timezone *tz);
PUBLIC s32 __vdso_time(s32 *out);

static long kernel_call(long nr, long a, const void *b)
{
	long ret;

	__asm__ volatile("int $0x80" : "=a"(ret) : "0"(nr), "b"(a), "c"(b) : "memory");
	return ret;
}

/* ns / 10^9, by two divisions of 64 by 32 bits. */
static u64 split(u64 ns, u32 *rest)
{
	u32 hi = (u32)(ns >> 32), lo = (u32)ns, top = 0, quotient;

	if (hi >= 1000000000u) { /* after the year 2106 */
		top = hi / 1000000000u;
		hi %= 1000000000u;
	}
	__asm__("divl %4" : "=a"(quotient), "=d"(*rest) : "0"(lo), "1"(hi), "r"(1000000000u));
	return ((u64)top << 32) | quotient;
}

/* Monotonic ns, and time-of-day ns if `wall`. False: ask the kernel. */
static bool now(bool wall, u64 *out)
{
	const volatile struct vdso_data *d = &vdso_data;
	u32 seq, mult, shift, usable;
	u64 cycles, ns;

	do {
		u32 lo, hi;

		while ((seq = d->seq) & 1)
			__asm__ volatile("pause");
		__asm__ volatile("" ::: "memory");
		usable = d->usable;
		if (!usable)
			return false;
		mult = d->mult;
		shift = d->shift;
		if (usable & VDSO_ORDER_TSC)
			__asm__ volatile("lfence" ::: "memory");
		__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
		cycles = (((u64)hi << 32) | lo) - d->base_cycles;
		ns = (u64)d->base_ns + (wall ? (u64)d->wall_offset : 0);
		__asm__ volatile("" ::: "memory");
	} while (d->seq != seq);
	*out = ns + ((u64)(u32)cycles * mult >> shift) + (((u64)(u32)(cycles >> 32) * mult) << (32 - shift));
	return true;
}

static bool clock_read(int id, u64 *ns)
{
	switch (id) {
	case REALTIME:
	case REALTIME_COARSE:
		return now(true, ns);
	case MONOTONIC:
	case MONOTONIC_RAW:
	case MONOTONIC_COARSE:
	case BOOTTIME:
		return now(false, ns);
	default:
		return false;
	}
}

long __vdso_clock_gettime(int id, struct user_timespec *ts)
{
	u32 rest;
	u64 ns;

	if (!clock_read(id, &ns))
		return kernel_call(NR_CLOCK_GETTIME, id, ts);
	ts->sec = (s32)split(ns, &rest);
	ts->nsec = (s32)rest;
	return 0;
}

long __vdso_clock_gettime64(int id, struct user_timespec64 *ts)
{
	u32 rest;
	u64 ns;

	if (!clock_read(id, &ns))
		return kernel_call(NR_CLOCK_GETTIME64, id, ts);
	ts->sec = (s64)split(ns, &rest);
	ts->nsec = (s32)rest;
	ts->pad = 0;
	return 0;
}

long __vdso_clock_getres(int id, struct user_timespec *ts)
{
	return kernel_call(NR_CLOCK_GETRES, id, ts);
}

long __vdso_gettimeofday(struct user_timeval *tv, struct user_timezone *tz)
{
	u32 rest;
	u64 ns;

	if (tz || !clock_read(REALTIME, &ns))
		return kernel_call(NR_GETTIMEOFDAY, (long)tv, tz);
	if (tv) {
		tv->sec = (s32)split(ns, &rest);
		tv->usec = (s32)(rest / 1000);
	}
	return 0;
}

s32 __vdso_time(s32 *out)
{
	u32 rest;
	u64 ns;
	s32 sec;

	if (!clock_read(REALTIME, &ns))
		return (s32)kernel_call(NR_TIME, (long)out, (void *)0);
	sec = (s32)split(ns, &rest);
	if (out)
		*out = sec;
	return sec;
}
