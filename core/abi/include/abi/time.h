/* SPDX-License-Identifier: MIT */
/* Structures of the time calls as programs see them (time(7), clock_gettime(2), adjtimex(2)). */
#pragma once

#include <maestro/types.h>

typedef long abi_time_t;
struct abi_timespec {
	long sec, nsec;
};
struct abi_timeval {
	long sec, usec;
};
/* The *_time64 calls; a 32-bit program leaves rubbish in the upper half of nsec. */
struct abi_timespec64 {
	s64 sec, nsec;
};
struct abi_timezone {
	s32 minuteswest, dsttime;
};
struct abi_itimerval {
	struct abi_timeval interval, value;
};
struct abi_itimerspec {
	struct abi_timespec interval, value;
};
struct abi_itimerspec64 {
	struct abi_timespec64 interval, value;
};
struct abi_timex {
	u32 modes;
	long offset, freq, maxerror, esterror;
	s32 status;
	long constant, precision, tolerance;
	struct abi_timeval time;
	long tick, ppsfreq, jitter;
	s32 shift;
	long stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai;
	s32 reserved[11];
};
_Static_assert(sizeof(struct abi_timex) == (sizeof(long) == 8 ? 208 : 128), "adjtimex(2)");
