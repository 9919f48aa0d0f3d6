/* SPDX-License-Identifier: MIT */
/* i386: structures of the time calls as programs see them (time(7), clock_gettime(2), adjtimex(2)). */
#pragma once

#include <maestro/types.h>

typedef s32 abi_time_t;
struct abi_timespec {
	s32 sec, nsec;
};
struct abi_timeval {
	s32 sec, usec;
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
	s32 offset, freq, maxerror, esterror;
	s32 status;
	s32 constant, precision, tolerance;
	struct abi_timeval time;
	s32 tick, ppsfreq, jitter;
	s32 shift;
	s32 stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai;
	s32 reserved[11];
};
_Static_assert(sizeof(struct abi_timex) == 128, "adjtimex(2)");
/* clock_adjtime64: every long is 64 bits. */
struct abi_timex64 {
	u32 modes, pad0;
	s64 offset, freq, maxerror, esterror;
	s32 status, pad1;
	s64 constant, precision, tolerance;
	s64 time_sec, time_usec;
	s64 tick, ppsfreq, jitter;
	s32 shift, pad2;
	s64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai;
	s32 reserved[11];
};
_Static_assert(sizeof(struct abi_timex64) == 208, "clock_adjtime64");
