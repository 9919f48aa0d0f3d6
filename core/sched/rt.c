/* SPDX-License-Identifier: MIT */
/*
 * What real-time tasks may use of a CPU while others wait: rt_runtime of each rt_period, by default 950 ms of a second, so that a real-time task
 * that never sleeps can still be killed. Unlike Linux, nothing is withheld while no other task wants to run. Specification: sched(7).
 *
 * Locking: the counters of a CPU are under its run queue lock; the limits are plain words, each read whole.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/sched.h>

#include "sched_impl.h"

bool rt_tick(struct cpu *cpu, ktime_t now)
{
	const struct sched_state *s = &kernel()->sched;
	s32 runtime = load_relaxed(&s->rt_runtime_us);
	bool was = cpu->rt_throttled;

	assert_held(&cpu->rq_lock);
	if (now - cpu->rt_period_start >= (ktime_t)load_relaxed(&s->rt_period_us) * 1000) {
		cpu->rt_period_start = now;
		cpu->rt_time = 0;
	}
	cpu->rt_throttled = runtime >= 0 && cpu->rt_time > 0 && cpu->rt_time >= (u64)runtime * 1000;
	return cpu->rt_throttled != was;
}

kerr_t sched_rt_limits_set(s32 period_us, s32 runtime_us)
{
	struct sched_state *s = &kernel()->sched;

	if (period_us < 1 || runtime_us < -1 || runtime_us > period_us)
		return KERR(EINVAL);
	store_relaxed(&s->rt_period_us, period_us);
	store_relaxed(&s->rt_runtime_us, runtime_us);
	return KERR(0);
}
