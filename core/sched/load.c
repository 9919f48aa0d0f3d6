/* SPDX-License-Identifier: MIT */
/* Load averages (proc(5), /proc/loadavg): runnable tasks and uninterruptible sleepers, decaying over 1, 5 and 15 minutes, every 5 s. */
#include "sched_impl.h"

#include <hal/time.h>
#include <maestro/kernel.h>

#define PERIOD_NS (5 * NSEC_PER_SEC)
#define FIXED_1 2048ul

unsigned sched_nr_running(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < HAL_MAX_CPUS; i++)
		n += load_relaxed(&kernel()->cpus[i].nr_running);
	return n;
}

static unsigned long active_tasks(void)
{
	long n = 0;

	for (unsigned i = 0; i < HAL_MAX_CPUS; i++)
		n += (long)load_relaxed(&kernel()->cpus[i].nr_running) + load_relaxed(&kernel()->cpus[i].nr_uninterruptible);
	return n > 0 ? (unsigned long)n : 0;
}

void sched_update_load(ktime_t now)
{
	/* e^(-5/60), e^(-5/300), e^(-5/900) in 11 fraction bits */
	static const unsigned long decay[3] = { 1884, 2014, 2037 };
	struct sched_state *s = &kernel()->sched;
	unsigned long flags, active;

	flags = spin_lock_irqsave(&s->load_lock);
	/* After a long idle time the averages have decayed to nothing anyhow: do not count each period of hours. */
	if (now - s->load_next > 1000 * PERIOD_NS) {
		s->load[0] = s->load[1] = s->load[2] = 0;
		s->load_next = now;
	}
	active = active_tasks() * FIXED_1;
	while (now >= s->load_next) {
		for (unsigned i = 0; i < 3; i++) {
			unsigned long up = active >= s->load[i] ? FIXED_1 - 1 : 0;

			s->load[i] = (s->load[i] * decay[i] + active * (FIXED_1 - decay[i]) + up) >> 11;
		}
		s->load_next += PERIOD_NS;
	}
	spin_unlock_irqrestore(&s->load_lock, flags);
}

void sched_loadavg(unsigned long out[3])
{
	ktime_t now = hal_time_ns();

	if (now >= kernel()->sched.load_next)
		sched_update_load(now);
	for (unsigned i = 0; i < 3; i++)
		out[i] = kernel()->sched.load[i];
}
