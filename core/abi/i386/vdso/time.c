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

struct user_timespec {
	s32 sec, nsec;
};
struct user_timespec64 {
	u32 sec_low, sec_high; /* as one number of 64 bits */
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

/* ns / 10^9, by a division of 64 by 32 bits; *top is what the quotient has above 32 bits. */
static inline u32 split(u64 ns, u32 *rest, u32 *top)
{
	u32 hi = (u32)(ns >> 32), lo = (u32)ns, quotient;

	*top = 0;
	if (__builtin_expect(hi >= 1000000000u, 0)) { /* after the year 2106 */
		*top = hi / 1000000000u;
		hi %= 1000000000u;
	}
	__asm__("divl %4" : "=a"(quotient), "=d"(*rest) : "0"(lo), "1"(hi), "r"(1000000000u));
	return quotient;
}

/* Where the data lies, without a return that no call of the program's answers to. */
static inline const volatile struct vdso_data *data_page(void)
{
	const volatile struct vdso_data *d;

	__asm__("call 1f\n1:\tpopl %0\n\taddl $vdso_data - 1b, %0" : "=r"(d));
	return d;
}

/* Time of day if `which` is 0, monotonic ns if it is 1. False: ask the kernel. */
static inline bool now(unsigned which, u64 *out)
{
	const volatile struct vdso_data *d = data_page();
	u32 seq, mult, doublings, usable;
	u64 cycles, ns;

	do {
		u32 lo, hi;

		while (__builtin_expect((seq = d->seq) & 1, 0))
			__asm__ volatile("pause");
		__asm__ volatile("" ::: "memory");
		usable = d->usable;
		if (__builtin_expect(!usable, 0))
			return false;
		mult = d->mult;
		doublings = d->doublings;
		ns = (u64)d->base_ns[which];
		if (__builtin_expect(usable & VDSO_ORDER_TSC, 1))
			__asm__ volatile("lfence" ::: "memory");
		__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi)::"memory");
		cycles = (((u64)hi << 32) | lo) - d->base_cycles;
		__asm__ volatile("" ::: "memory");
	} while (__builtin_expect(d->seq != seq, 0));
	while (__builtin_expect(doublings, 0)) {
		cycles += cycles;
		doublings--;
	}
	*out = ns + (((u64)(u32)cycles * mult) >> 32) + (u64)(u32)(cycles >> 32) * mult;
	return true;
}

/* REALTIME is 0 and MONOTONIC is 1, which are what now() takes. */
static inline bool clock_read(int id, u64 *ns)
{
	const u32 known = 1u << REALTIME_COARSE | 1u << MONOTONIC_RAW | 1u << MONOTONIC_COARSE | 1u << BOOTTIME;
	unsigned which = (unsigned)id;

	if (__builtin_expect(which > MONOTONIC, 0)) {
		if (which > BOOTTIME || !((known >> which) & 1))
			return false;
		which = which != REALTIME_COARSE;
	}
	return now(which, ns);
}

long __vdso_clock_gettime(int id, struct user_timespec *ts)
{
	u32 rest, top;
	u64 ns;

	if (!clock_read(id, &ns))
		return kernel_call(NR_CLOCK_GETTIME, id, ts);
	ts->sec = (s32)split(ns, &rest, &top);
	ts->nsec = (s32)rest;
	return 0;
}

long __vdso_clock_gettime64(int id, struct user_timespec64 *ts)
{
	u32 rest, top;
	u64 ns;

	if (!clock_read(id, &ns))
		return kernel_call(NR_CLOCK_GETTIME64, id, ts);
	ts->sec_low = split(ns, &rest, &top);
	ts->sec_high = top;
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
	u32 rest, top;
	u64 ns;

	if (tz || !now(REALTIME, &ns))
		return kernel_call(NR_GETTIMEOFDAY, (long)tv, tz);
	if (tv) {
		tv->sec = (s32)split(ns, &rest, &top);
		tv->usec = (s32)(rest / 1000);
	}
	return 0;
}

s32 __vdso_time(s32 *out)
{
	u32 rest, top;
	u64 ns;
	s32 sec;

	if (!now(REALTIME, &ns))
		return (s32)kernel_call(NR_TIME, (long)out, (void *)0);
	sec = (s32)split(ns, &rest, &top);
	if (out)
		*out = sec;
	return sec;
}
