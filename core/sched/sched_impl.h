/* SPDX-License-Identifier: MIT */
/* What the files of core/sched and core/time share. */
#pragma once

#include <hal/time.h>
#include <maestro/sched.h>

struct proc;

#define SCHED_TICK_NS (4 * NSEC_PER_MSEC)
#define SCHED_RR_QUANTUM (100 * NSEC_PER_MSEC)

/* --- fair.c: weights and the fair tree. Run queue lock held. --- */
u32 fair_weight_of(int nice);
u64 fair_scale(u64 ns, u32 weight); /* ns of CPU as virtual time of a task of this weight */
void fair_insert(struct cpu *cpu, struct task *t);
void fair_remove(struct cpu *cpu, struct task *t);
void fair_update_min(struct cpu *cpu);
static inline struct task *fair_leftmost(const struct cpu *cpu)
{
	return cpu->fair_first ? rb_entry(cpu->fair_first, struct task, se.node) : NULL;
}
bool fair_slice_over(const struct cpu *cpu, const struct task *t);

/* --- rt.c. Run queue lock held. True: rt_throttled has changed, so choose again. --- */
bool rt_tick(struct cpu *cpu, ktime_t now);

/* --- sched.c --- */
/* Run queue lock held. The task that runs counts, but is in no queue. */
u64 rq_update_curr(struct cpu *cpu, ktime_t now); /* charges the running task up to now; returns what was charged */
void rq_insert(struct cpu *cpu, struct task *t, bool head);
void rq_remove(struct cpu *cpu, struct task *t);
void rq_count_in(struct cpu *cpu, struct task *t);
void rq_count_out(struct cpu *cpu, struct task *t);
void rq_check_preempt(struct cpu *cpu, struct task *t); /* t was queued: shall it run at once? */
void rq_resched(struct cpu *cpu);			/* that CPU chooses anew, soon */
/* t, runnable and on no queue, whose queue `cpu` is locked, goes to the best CPU's. Ends as task_rq_unlock() does. */
void rq_activate(struct cpu *cpu, struct task *t, bool is_new, unsigned long flags);
static inline bool may_run_on(const struct task *t, unsigned cpu)
{
	return (t->se.affinity >> cpu) & 1;
}
/* Leaves a region without preemption, and does not preempt even if that is due. */
static inline void preempt_enable_quiet(void)
{
	struct task *t = hal_current();

	compiler_barrier();
	atomic_set(&t->preempt_count, atomic_read(&t->preempt_count) - 1);
}
/* The run queue of t, locked, with interrupts and preemption off. It stays t's as long as the lock is held. */
struct cpu *task_rq_lock(struct task *t, unsigned long *flags);
static inline void task_rq_unlock(struct cpu *cpu, unsigned long flags) NO_LOCK_ANALYSIS
{
	spin_unlock(&cpu->rq_lock);
	hal_irq_restore(flags);
	preempt_enable();
}
void sched_tick(struct cpu *cpu, bool user, ktime_t now); /* interrupts off */
void sched_update_load(ktime_t now);
u64 sched_proc_runtime(struct proc *p); /* ns of all threads, alive and dead */
bool sched_may_nice(const struct task *t, int nice); /* current may give t this nice value, as far as limits go */
/* --- core/time --- */
void timers_rearm(void); /* this CPU, from its tree and tick; interrupts off */
static inline void timers_arm_by(struct cpu *cpu, ktime_t deadline) /* this CPU, at the latest then; interrupts off */
{
	if (deadline < cpu->armed || cpu->armed < 0) {
		cpu->armed = deadline;
		hal_timer_arm(deadline);
	}
}
void time_update_coarse(ktime_t now); /* interrupts off */
/* Counts current's CPU time since its last tick against ITIMER_VIRTUAL, ITIMER_PROF, CPU timers and RLIMIT_CPU. Interrupt context. */
void itimer_cpu_tick(void);
