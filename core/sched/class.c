/* SPDX-License-Identifier: MIT */
/*
 * A task's class and place are changed while it runs, waits in a queue or sleeps: policy, priority (its own, or one inherited from who waits for it),
 * nice value, CPUs. Locking: the lock of its run queue.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>

#include "sched_impl.h"

struct sched_class {
	u8 policy, base, inherited;
	s8 nice;
};

/* t is of that class now. Its queue locked. */
static void take_class(struct cpu *cpu, struct task *t, const struct sched_class *c)
{
	u8 rt = MAX(c->base, c->inherited);

	if (t->se.rt_priority && !rt)
		t->se.vruntime = cpu->min_vruntime;
	t->se.policy = c->policy;
	t->se.rt_base = c->base;
	t->se.rt_inherited = c->inherited;
	t->se.rt_priority = rt;
	t->se.nice = c->nice;
	t->se.weight = c->policy == SCHED_IDLE ? 3 : fair_weight_of(c->nice);
}

static void set_class_locked(struct cpu *cpu, struct task *t, const struct sched_class *c)
{
	bool running = cpu->current_task == t, queued = t->se.on_rq && !running;

	if (running)
		(void)rq_update_curr(cpu, hal_time_ns());
	if (queued)
		rq_remove(cpu, t);
	if (t->se.on_rq)
		rq_count_out(cpu, t);
	take_class(cpu, t, c);
	if (queued || running) {
		if (t != cpu->idle)
			rq_count_in(cpu, t);
		if (queued) {
			rq_insert(cpu, t, false);
			rq_check_preempt(cpu, t);
		} else {
			rq_resched(cpu);
		}
	}
}

void sched_set(struct task *t, enum sched_policy policy, int rt_priority, int nice)
{
	struct sched_class c = { .policy = (u8)policy, .base = (u8)rt_priority, .nice = (s8)nice };
	unsigned long flags;
	struct cpu *cpu;

	cpu = task_rq_lock(t, &flags);
	c.inherited = t->se.rt_inherited;
	set_class_locked(cpu, t, &c);
	task_rq_unlock(cpu, flags);
}

void sched_inherit(struct task *t, unsigned rt_priority)
{
	unsigned long flags;
	struct cpu *cpu;

	cpu = task_rq_lock(t, &flags);
	if (t->se.rt_inherited != rt_priority) {
		struct sched_class c = { t->se.policy, t->se.rt_base, (u8)rt_priority, t->se.nice };

		set_class_locked(cpu, t, &c);
	}
	task_rq_unlock(cpu, flags);
}

kerr_t sched_set_affinity(struct task *t, u64 mask)
{
	unsigned long flags;
	struct cpu *cpu;

	if (!(mask & load_relaxed(&kernel()->sched.online_mask)))
		return KERR(EINVAL);
	cpu = task_rq_lock(t, &flags);
	t->se.affinity = mask;
	if (may_run_on(t, cpu->id) || !t->se.on_rq) {
		task_rq_unlock(cpu, flags);
	} else if (cpu->current_task != t) {
		rq_remove(cpu, t);
		rq_count_out(cpu, t);
		rq_activate(cpu, t, false, flags);
	} else {
		task_rq_unlock(cpu, flags);
		if (t == hal_current()) { /* it moves itself: a sleep of no length has it woken where it may run */
			task_set_state(TASK_UNINTERRUPTIBLE);
			(void)schedule_until(hal_time_ns() + 1);
		}
	}
	return KERR(0);
}
