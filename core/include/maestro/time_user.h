/* SPDX-License-Identifier: MIT */
/* Times that programs pass, for all calls that take a timeout: reading, checking, deadlines. */
#pragma once

#include <abi/time.h>
#include <maestro/timer.h>
#include <maestro/uaccess.h>

/*
 * struct timespec: with the machine's long, or (time64) struct __kernel_timespec, of the *_time64 calls. KERR(EFAULT); the value is not checked, and
 * nanoseconds that an s32 does not hold read as -1.
 */
kerr_t get_timespec(struct timespec64 *out, const void __user *p, bool time64) __must_check;
kerr_t put_timespec(struct timespec64 t, void __user *p, bool time64) __must_check;
kerr_t get_timespec_pair(struct timespec64 out[2], const void __user *p, bool time64) __must_check;
/* struct itimerspec of timers, in both forms. */
kerr_t get_itimerspec(struct itimer_spec *out, const void __user *p, bool time64) __must_check;
kerr_t put_itimerspec(const struct itimer_spec *spec, void __user *p, bool time64) __must_check;
kerr_t get_timeval(struct timespec64 *out, const void __user *p) __must_check; /* KERR(EINVAL) if usec is not in range */
kerr_t put_timeval(struct timespec64 t, void __user *p) __must_check;
/* now + t, saturated at S64_MAX. */
ktime_t deadline_after(struct timespec64 t);
/* A relative timeout of a program: NULL: S64_MAX. KERR(EFAULT), KERR(EINVAL). time64: the wide form. */
kerr_t get_timeout(ktime_t *deadline, const void __user *p, bool time64) __must_check;
