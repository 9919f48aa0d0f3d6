/* SPDX-License-Identifier: MIT */
/* HAL contract: clocks and the one-shot timer. */
#pragma once

#include <hal/arch.h>
#include <maestro/types.h>

/* Nanoseconds since boot, never going back, same on all CPUs. Any context. Hosted: the host's clock, or virtual time. */
ktime_t hal_time_ns(void);
/* Nanoseconds since the Epoch, read from the RTC or the host: the core reads it once at boot. May take milliseconds. */
s64 hal_time_wall(void);
/* Best-effort write of the RTC. */
void hal_time_set_wall(s64 ns);
/*
 * Has upcall_timer() called on this CPU at or soon after `deadline` (ns as hal_time_ns; S64_MAX: never). One deadline per CPU: a new one
 * replaces the old. A deadline in the past fires at once. Interrupts off.
 */
void hal_timer_arm(ktime_t deadline);
/* Resolution of hal_time_ns in ns, for clock_getres. */
u32 hal_time_resolution(void);
/* How the vDSO may read the clock without a trap: mult/shift over the TSC. false: it must call the kernel. */
struct hal_vclock {
	u64 base_cycles; /* ns(c) = base_ns + ((c - base_cycles) * mult >> shift) */
	ktime_t base_ns;
	u32 mult, shift;
};
bool hal_time_vclock(struct hal_vclock *out);
