/* SPDX-License-Identifier: MIT */
/* The work of the time calls, behind their 32-bit and 64-bit forms (sys_time.c; core/abi/i386/sys_time64.c). */
#pragma once

#include <maestro/time_user.h>

long do_clock_settime(int clock, struct timespec64 t);
kerr_t do_clock_getres(int clock, struct timespec64 *out) __must_check;
/* time64: the form in which the time that is left is written to rem (may be NULL). */
long do_clock_nanosleep(int clock, int flags, struct timespec64 t, void __user *rem, bool time64);
/* What adjtimex(2) reports; only reading is supported. modes: of the call. The clock's state, or -errno. */
long do_adjtimex(u32 modes);
struct timespec64 rr_interval_of(struct task *t);
long do_rr_get_interval(pid_t pid, struct timespec64 *out);
