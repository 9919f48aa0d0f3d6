/* SPDX-License-Identifier: MIT */
/* Times that programs pass, for all calls that take a timeout: reading, checking, deadlines. */
#pragma once

#include <abi/time.h>
#include <maestro/timer.h>
#include <maestro/uaccess.h>

/* struct timespec with the machine's long. KERR(EFAULT); the value is not checked. */
kerr_t get_timespec(struct timespec64 *out, const void __user *p) __must_check;
kerr_t put_timespec(struct timespec64 t, void __user *p) __must_check;
/* struct __kernel_timespec, of the *_time64 calls. */
kerr_t get_timespec64(struct timespec64 *out, const void __user *p) __must_check;
kerr_t put_timespec64(struct timespec64 t, void __user *p) __must_check;
kerr_t get_timeval(struct timespec64 *out, const void __user *p) __must_check; /* KERR(EINVAL) if usec is not in range */
kerr_t put_timeval(struct timespec64 t, void __user *p) __must_check;
/* now + t, saturated at S64_MAX. */
ktime_t deadline_after(struct timespec64 t);
/* A relative timeout of a program: NULL: S64_MAX. KERR(EFAULT), KERR(EINVAL). time64: the wide form. */
kerr_t get_timeout(ktime_t *deadline, const void __user *p, bool time64) __must_check;
