/* SPDX-License-Identifier: MIT */
/* Run queues and idle tasks at start; what an idle CPU does. */
#include <hal/context.h>
#include <hal/upcall.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>

#include "sched_impl.h"

static void cpu_init(struct cpu *cpu, unsigned id)
{
	cpu->id = id;
	spin_init(&cpu->rq_lock, RANK_RUNQUEUE, "runqueue");
	spin_init(&cpu->timer_lock, RANK_TIMER, "timers");
	for (unsigned i = 0; i < ARRAY_SIZE(cpu->rt); i++)
		list_init(&cpu->rt[i]);
	cpu->armed = S64_MAX;
	cpu->tick_due = S64_MAX;
}

/* The calling context becomes CPU id's idle task. */
static void adopt_idle(struct task *t, unsigned id)
{
	struct cpu *cpu = &kernel()->cpus[id];

	ksnprintf(t->comm, sizeof(t->comm), "swapper/%u", id);
	t->flags |= TASK_KTHREAD;
	t->state = TASK_RUNNING;
	t->syscall_nr = -1;
	if (!atomic_read(&t->refs))
		atomic_set(&t->refs, 1);
	t->se.cpu = id;
	t->se.affinity = 1ULL << id;
	t->se.policy = SCHED_IDLE;
	t->se.weight = 3;
	t->se.exec_start = (u64)hal_time_ns();
	t->se.on_cpu = true;
	list_init(&t->se.rt_node);
	cpu->idle = cpu->current_task = t;
	cpu->switched_from = t;
	cpu->idle_start = t->se.exec_start;
	kernel()->sched.online_mask |= 1UL << id;
	cpu->online = true;
	kernel()->sched.ncpus++;
}

kerr_t sched_init(void)
{
	struct sched_state *s = &kernel()->sched;

	spin_init(&s->load_lock, RANK_LEAF, "load");
	s->rt_period_us = 1000000;
	s->rt_runtime_us = 950000;
	s->load_next = hal_time_ns() + 5 * NSEC_PER_SEC;
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++)
		cpu_init(&kernel()->cpus[i], i);
	adopt_idle(hal_current(), 0);
	/* kernel threads inherit from the idle task; what it is itself is never looked at */
	hal_current()->se.policy = SCHED_OTHER;
	hal_current()->se.affinity = ~0ULL;
	return KERR(0);
}

void upcall_cpu_start(unsigned id)
{
	unsigned long flags = spin_lock_irqsave(&kernel()->sched.load_lock);

	adopt_idle(hal_current(), id);
	spin_unlock_irqrestore(&kernel()->sched.load_lock, flags);
}

void sched_idle_loop(void)
{
	struct task *t = hal_current();

	for (;;) {
		struct cpu *cpu = this_cpu();

		(void)hal_irq_save();
		if (cpu->nr_running || (atomic_read(&t->work) & WORK_RESCHED)) {
			hal_irq_enable();
			schedule();
		} else {
			hal_cpu_idle();
		}
	}
}
