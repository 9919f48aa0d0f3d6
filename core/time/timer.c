/* SPDX-License-Identifier: MIT */
/*
 * One-shot timers: a tree per CPU, by deadline. A timer is queued on the CPU that starts it, and runs there. The hardware is armed for the earliest
 * deadline or the scheduler's tick; when that is cancelled, the interrupt comes for nothing, which is cheaper than arming anew each time.
 *
 * Locking: cpu.timer_lock (RANK_TIMER, irqsave), not held while fn runs. timer.cpu changes only under the lock of the CPU it names.
 */
#include "../sched/sched_impl.h"

#include <hal/cpu.h>
#include <hal/time.h>
#include <hal/upcall.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/timer.h>

/* cpu.armed when the hardware's deadline has passed: no real one is equal to it, so it is armed anew, if only with "never". */
#define SPENT (-1)

void timer_init(struct timer *t, void (*fn)(struct timer *t))
{
	memset(t, 0, sizeof(*t));
	t->fn = fn;
}

static struct cpu *cpu_of(const struct timer *t)
{
	return &kernel()->cpus[load_relaxed(&t->cpu)];
}

static struct cpu *lock_home(struct timer *t) NO_LOCK_ANALYSIS
{
	for (;;) {
		struct cpu *cpu = cpu_of(t);

		spin_lock(&cpu->timer_lock);
		if (likely(cpu == cpu_of(t)))
			return cpu;
		spin_unlock(&cpu->timer_lock);
	}
}

static void tree_insert(struct cpu *cpu, struct timer *t)
{
	struct rb_node **link = &cpu->timers.root, *parent = NULL;
	bool first = true;

	while (*link) {
		parent = *link;
		if (t->deadline < rb_entry(parent, struct timer, node)->deadline) {
			link = &parent->left;
		} else {
			link = &parent->right;
			first = false;
		}
	}
	rb_insert(&cpu->timers, &t->node, parent, link);
	if (first)
		cpu->timers_first = &t->node;
	store_relaxed(&t->queued, true);
}

static void tree_remove(struct cpu *cpu, struct timer *t)
{
	if (cpu->timers_first == &t->node)
		cpu->timers_first = rb_next(&t->node);
	rb_erase(&cpu->timers, &t->node);
	store_relaxed(&t->queued, false);
}

static ktime_t first_deadline(const struct cpu *cpu)
{
	return cpu->timers_first ? rb_entry(cpu->timers_first, struct timer, node)->deadline : S64_MAX;
}

/* Locks the CPU that shall have t, which is on no tree then: this one, unless its function runs elsewhere just now. */
static struct cpu *lock_new_home(struct timer *t)
{
	struct cpu *here = this_cpu();

	for (;;) {
		struct cpu *cpu = lock_home(t);

		assert_held(&cpu->timer_lock);
		if (t->queued)
			tree_remove(cpu, t);
		if (cpu == here || load_relaxed(&cpu->timer_running) == t)
			return cpu;
		store_relaxed(&t->cpu, here->id);
		spin_unlock(&cpu->timer_lock);
		/* somebody else may start it meanwhile: look again */
	}
}

void timer_start(struct timer *t, ktime_t deadline)
{
	unsigned long flags;
	struct cpu *cpu;

	preempt_disable();
	flags = hal_irq_save();
	cpu = lock_new_home(t);
	assert_held(&cpu->timer_lock);
	t->deadline = deadline;
	tree_insert(cpu, t);
	if (cpu->timers_first == &t->node) {
		if (likely(cpu == this_cpu()))
			timers_arm_by(cpu, deadline);
		else
			hal_cpu_kick(cpu->id);
	}
	spin_unlock(&cpu->timer_lock);
	hal_irq_restore(flags);
	preempt_enable();
}

bool timer_cancel(struct timer *t)
{
	unsigned long flags;
	struct cpu *cpu;
	bool was;

	preempt_disable();
	flags = hal_irq_save();
	cpu = lock_home(t);
	assert_held(&cpu->timer_lock);
	was = t->queued;
	if (was)
		tree_remove(cpu, t);
	spin_unlock(&cpu->timer_lock);
	hal_irq_restore(flags);
	preempt_enable();
	return was;
}

void timer_cancel_sync(struct timer *t)
{
	for (;;) {
		(void)timer_cancel(t);
		/* the lock above ordered this read after fn was taken off the tree */
		if (load_acquire(&cpu_of(t)->timer_running) != t && !timer_queued(t))
			return;
		hal_cpu_relax();
	}
}

ktime_t timers_next(void)
{
	struct cpu *cpu = this_cpu();
	unsigned long flags = spin_lock_irqsave(&cpu->timer_lock);
	ktime_t next = first_deadline(cpu);

	spin_unlock_irqrestore(&cpu->timer_lock, flags);
	return next;
}

void timers_rearm(void)
{
	struct cpu *cpu = this_cpu();
	ktime_t next;

	spin_lock(&cpu->timer_lock);
	next = MIN(first_deadline(cpu), cpu->tick_due);
	spin_unlock(&cpu->timer_lock);
	if (next == cpu->armed)
		return;
	cpu->armed = next;
	hal_timer_arm(next);
}

static void run_due(struct cpu *cpu, ktime_t now)
{
	spin_lock(&cpu->timer_lock);
	while (first_deadline(cpu) <= now) {
		struct timer *t = rb_entry(cpu->timers_first, struct timer, node);

		store_relaxed(&cpu->timer_running, t);
		tree_remove(cpu, t);
		spin_unlock(&cpu->timer_lock);
		t->fn(t); /* t may be gone after it */
		spin_lock(&cpu->timer_lock);
		store_release(&cpu->timer_running, NULL);
	}
	spin_unlock(&cpu->timer_lock);
}

static void run(bool user)
{
	struct cpu *cpu;
	ktime_t now;

	preempt_disable();
	cpu = this_cpu();
	now = hal_time_ns();
	run_due(cpu, now);
	if (now >= cpu->tick_due) {
		time_update_coarse(now);
		sched_tick(cpu, user, now);
		if (now >= kernel()->sched.load_next)
			sched_update_load(now);
		log_wake_if_pending();
	}
	if (cpu->armed <= now)
		cpu->armed = SPENT;
	timers_rearm();
	preempt_enable_quiet();
}

void timers_run(void)
{
	run(false);
}

void upcall_timer(bool user)
{
	/* the deadline it was armed for is spent, even if the interrupt came a little early */
	this_cpu()->armed = SPENT;
	run(user);
}

/* --- sleeping with a deadline --- */
struct sleeper {
	struct timer timer;
	struct task *task;
};

static void sleeper_fire(struct timer *t)
{
	(void)task_wake(container_of(t, struct sleeper, timer)->task, TASK_SLEEPING);
}

bool schedule_until(ktime_t deadline)
{
	struct sleeper s;
	bool late;

	if (deadline == S64_MAX) {
		schedule();
		return false;
	}
	if (hal_time_ns() >= deadline) {
		task_set_state(TASK_RUNNING);
		cond_resched();
		return true;
	}
	timer_init(&s.timer, sleeper_fire);
	s.task = hal_current();
	timer_start(&s.timer, deadline);
	schedule();
	/* off its tree without our doing: it fired */
	late = !timer_cancel(&s.timer);
	if (late)
		timer_cancel_sync(&s.timer);
	return late;
}

kerr_t sleep_until(ktime_t deadline)
{
	for (;;) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (task_signal_pending())
			break;
		if (schedule_until(deadline))
			return KERR(0);
	}
	task_set_state(TASK_RUNNING);
	return KERR(ERESTARTSYS);
}
