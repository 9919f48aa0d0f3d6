/* SPDX-License-Identifier: MIT */
/* x86_64: structures of the time calls as programs see them (time(7), clock_gettime(2), adjtimex(2)). */
#pragma once

#include <maestro/types.h>

typedef s64 abi_time_t;
struct abi_timespec {
	s64 sec, nsec;
};
struct abi_timeval {
	s64 sec, usec;
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
	s64 offset, freq, maxerror, esterror;
	s32 status;
	s64 constant, precision, tolerance;
	struct abi_timeval time;
	s64 tick, ppsfreq, jitter;
	s32 shift;
	s64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai;
	s32 reserved[11];
};
_Static_assert(sizeof(struct abi_timex) == 208, "adjtimex(2)");
