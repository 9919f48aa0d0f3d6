/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's core: choosing who runs, switching, waking, ticks.
 *
 * Each CPU has a run queue: a bit map and lists for real-time tasks (1..99), a tree for fair ones. The running task is in neither, but counts
 * in nr_running. A typical sleep and wake-up:
 *
 *   task_set_state(TASK_INTERRUPTIBLE); if (!condition) schedule();      condition = true; task_wake(t, TASK_INTERRUPTIBLE);
 *
 * Locking: cpu.rq_lock, interrupts off. It is held across hal_context_switch(): who continues unlocks it in sched_finish_switch(). So who holds
 * the lock of the queue a task was last on sees the task either still running there or switched out completely; that is what makes
 * waking on another CPU safe. The lock's own preempt count belongs to the task that took it: each switched-out task carries 1.
 *
 * The tick: every 4 ms while a CPU is not idle. It ends slices, samples user and system time and advances the coarse clock. An idle CPU has none.
 * CPU time is charged exactly, from the clock, at switches and ticks; whether it was user or system time is what the last tick saw.
 */
#include "sched_impl.h"

#include <hal/context.h>
#include <hal/mmu.h>
#include <hal/time.h>
#include <hal/upcall.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>
#include <maestro/proc.h>
#include <maestro/timer.h>

#define WAKEUP_GRANULARITY_NS NSEC_PER_MSEC
#define SLEEPER_CREDIT_NS (3 * NSEC_PER_MSEC)

STATIC_ASSERT(offsetof(struct kernel, cpus) == 0); /* this_cpu() */

/* --- the lock that travels --- */
static void rq_lock_raw(struct cpu *cpu)
{
	int free = 0;

	preempt_disable();
	if (unlikely(!__atomic_compare_exchange_n(&cpu->rq_lock.v.v, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		spin_lock_slow(&cpu->rq_lock);
}

static bool rq_trylock_raw(struct cpu *cpu)
{
	int free = 0;

	return __atomic_compare_exchange_n(&cpu->rq_lock.v.v, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static void rq_unlock_raw(struct cpu *cpu)
{
	__atomic_store_n(&cpu->rq_lock.v.v, 0, __ATOMIC_RELEASE);
	preempt_enable_quiet();
}

struct cpu *task_rq_lock(struct task *t, unsigned long *flags) NO_LOCK_ANALYSIS
{
	preempt_disable();
	*flags = hal_irq_save();
	for (;;) {
		struct cpu *cpu = &kernel()->cpus[load_relaxed(&t->se.cpu)];

		spin_lock(&cpu->rq_lock);
		if (likely(cpu->id == load_relaxed(&t->se.cpu)))
			return cpu;
		spin_unlock(&cpu->rq_lock);
	}
}

/* --- accounting --- */
void acct_tick(bool user, u64 ns)
{
	struct task *t = hal_current();
	struct cpu *cpu = this_cpu();

	if (user) {
		t->utime += ns;
		cpu->user_ns += ns;
	} else {
		t->stime += ns;
		cpu->system_ns += ns;
	}
}

u64 rq_update_curr(struct cpu *cpu, ktime_t now)
{
	struct task *t = cpu->current_task;
	u64 ns = (u64)now - t->se.exec_start;

	if ((s64)ns <= 0)
		return 0;
	t->se.exec_start = (u64)now;
	if (t == cpu->idle)
		return 0;
	t->se.sum_exec += ns;
	if (t->se.in_user) {
		t->utime += ns;
		cpu->user_ns += ns;
	} else {
		t->stime += ns;
		cpu->system_ns += ns;
	}
	if (!t->se.rt_priority) {
		t->se.vruntime += fair_scale(ns, t->se.weight);
		fair_update_min(cpu);
	} else {
		cpu->rt_time += ns;
	}
	return ns;
}

void sched_account_current(void)
{
	unsigned long flags = hal_irq_save();
	struct cpu *cpu = this_cpu();

	rq_lock_raw(cpu);
	(void)rq_update_curr(cpu, hal_time_ns());
	rq_unlock_raw(cpu);
	hal_irq_restore(flags);
}

u64 sched_task_runtime(struct task *t)
{
	unsigned long flags;
	struct cpu *cpu;
	u64 ns;

	cpu = task_rq_lock(t, &flags);
	if (cpu->current_task == t)
		(void)rq_update_curr(cpu, hal_time_ns());
	ns = t->se.sum_exec;
	task_rq_unlock(cpu, flags);
	return ns;
}

/* --- queues --- */
void rq_insert(struct cpu *cpu, struct task *t, bool head)
{
	unsigned prio = t->se.rt_priority;

	if (!prio) {
		fair_insert(cpu, t);
		return;
	}
	if (head)
		list_add(&cpu->rt[prio], &t->se.rt_node);
	else
		list_add_tail(&cpu->rt[prio], &t->se.rt_node);
	bitmap_set(cpu->rt_map, 99 - prio);
}

void rq_remove(struct cpu *cpu, struct task *t)
{
	unsigned prio = t->se.rt_priority;

	if (!prio) {
		fair_remove(cpu, t);
		return;
	}
	list_del(&t->se.rt_node);
	if (list_empty(&cpu->rt[prio]))
		bitmap_clear(cpu->rt_map, 99 - prio);
}

void rq_count_in(struct cpu *cpu, struct task *t)
{
	t->se.on_rq = true;
	store_relaxed(&cpu->nr_running, cpu->nr_running + 1);
	if (!t->se.rt_priority)
		cpu->fair_weight += t->se.weight;
}

void rq_count_out(struct cpu *cpu, struct task *t)
{
	t->se.on_rq = false;
	store_relaxed(&cpu->nr_running, cpu->nr_running - 1);
	if (!t->se.rt_priority)
		cpu->fair_weight -= t->se.weight;
}

/* The highest real-time priority that waits here, 0 if none. */
static unsigned rt_best(const struct cpu *cpu)
{
	size_t i = bitmap_find_set(cpu->rt_map, 100, 0);

	return i < 100 ? 99 - (unsigned)i : 0;
}

/* Takes the best waiting task off its queue; NULL: none. */
static struct task *queue_take(struct cpu *cpu)
{
	unsigned prio = rt_best(cpu);
	struct task *t;

	if (unlikely(prio) && !(cpu->rt_throttled && cpu->fair_first))
		t = list_first(&cpu->rt[prio], struct task, se.rt_node);
	else
		t = fair_leftmost(cpu);
	if (t)
		rq_remove(cpu, t);
	return t;
}

/* --- several CPUs --- */
static bool is_idle(const struct cpu *cpu)
{
	return load_relaxed(&cpu->nr_running) == 0;
}

static struct cpu *select_cpu(struct task *t, struct cpu *last)
{
	struct kernel *k = kernel();
	struct cpu *best = NULL;

	if (likely(k->sched.ncpus == 1))
		return last;
	if (may_run_on(t, last->id) && is_idle(last))
		return last;
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++) {
		struct cpu *c = &k->cpus[i];

		if (!c->online || !may_run_on(t, i))
			continue;
		if (!best || load_relaxed(&c->nr_running) < load_relaxed(&best->nr_running) ||
		    (c == last && load_relaxed(&c->nr_running) == load_relaxed(&best->nr_running)))
			best = c;
	}
	return best ? best : last;
}

/* An idle CPU takes a waiting task from a busy one. Both locks: the other is only tried, so no order is needed. */
static struct task *steal(struct cpu *cpu)
{
	struct kernel *k = kernel();

	if (likely(k->sched.ncpus == 1))
		return NULL;
	for (unsigned i = 0; i < HAL_MAX_CPUS; i++) {
		struct cpu *from = &k->cpus[i];
		struct task *t = NULL;

		if (from == cpu || !from->online || load_relaxed(&from->nr_running) < 2 || !rq_trylock_raw(from))
			continue;
		for (struct rb_node *n = from->fair_first; n; n = rb_next(n)) {
			t = rb_entry(n, struct task, se.node);
			if (may_run_on(t, cpu->id))
				break;
			t = NULL;
		}
		if (t) {
			rq_remove(from, t);
			rq_count_out(from, t);
			t->se.vruntime += cpu->min_vruntime - from->min_vruntime;
			store_relaxed(&t->se.cpu, cpu->id);
			rq_count_in(cpu, t);
		}
		__atomic_store_n(&from->rq_lock.v.v, 0, __ATOMIC_RELEASE);
		if (t)
			return t;
	}
	return NULL;
}

void rq_resched(struct cpu *cpu)
{
	if (atomic_or(&cpu->current_task->work, WORK_RESCHED) & WORK_RESCHED)
		return;
	if (cpu != this_cpu())
		hal_cpu_kick(cpu->id);
}

void rq_check_preempt(struct cpu *cpu, struct task *t)
{
	struct task *curr = cpu->current_task;

	if (curr == cpu->idle || t->se.rt_priority > curr->se.rt_priority || curr->se.policy == SCHED_IDLE) {
		rq_resched(cpu);
		return;
	}
	if (curr->se.rt_priority || t->se.policy == SCHED_BATCH || t->se.policy == SCHED_IDLE)
		return;
	if ((s64)(curr->se.vruntime - t->se.vruntime) > (s64)fair_scale(WAKEUP_GRANULARITY_NS, t->se.weight))
		rq_resched(cpu);
}

/* --- switching --- */
static struct mm *loaded_mm(const struct task *t)
{
	if (t->mm)
		return t->mm->host ? NULL : t->mm;
	return t->active_mm;
}

/*
 * A task without a space of its own runs in the one that is loaded, and holds a reference (active_mm) as long as it does: from a user task to a
 * kernel task one is taken, between kernel tasks it is handed on, and then back in a user task it is put.
 */
static void switch_mm(struct cpu *cpu, struct task *prev, struct task *next)
{
	struct mm *loaded = loaded_mm(prev), *want = next->mm;

	if (!want) {
		if (prev->mm && loaded)
			mm_ref(loaded);
		else if (!prev->mm)
			prev->active_mm = NULL;
		next->active_mm = loaded;
		return;
	}
	if (!want->host && want != loaded)
		hal_mmu_activate(&want->mmu);
	if (!prev->mm) {
		cpu->drop_mm = prev->active_mm;
		prev->active_mm = NULL;
	}
}

static void start_tick(struct cpu *cpu, ktime_t now)
{
	if (cpu->tick_due != S64_MAX)
		return;
	cpu->tick_due = now + SCHED_TICK_NS;
	time_update_coarse(now);
	timers_arm_by(cpu, cpu->tick_due);
}

/* Bookkeeping of a change of the running task; after it only the stack is still prev's. */
static void set_current(struct cpu *cpu, struct task *prev, struct task *next, ktime_t now)
{
	cpu->current_task = next;
	cpu->switched_from = prev;
	cpu->switches++;
	next->se.exec_start = (u64)now;
	next->se.slice_start = next->se.sum_exec;
	if (next->rseq_ptr) {
		next->rseq_event = true;
		(void)atomic_or(&next->work, WORK_NOTIFY);
	}
	store_relaxed(&next->se.on_cpu, true);
	if (prev == cpu->idle) {
		cpu->idle_ns += (u64)now - cpu->idle_start;
		start_tick(cpu, now);
	}
	if (next == cpu->idle)
		cpu->idle_start = (u64)now;
	switch_mm(cpu, prev, next);
}

/* prev keeps the CPU's queue or leaves it, as its state says. */
static void put_prev(struct cpu *cpu, struct task *prev, bool preempted)
{
	unsigned state = load_relaxed(&prev->state);

	if (state != TASK_RUNNING && !preempted) {
		if (state == TASK_INTERRUPTIBLE && (atomic_read(&prev->work) & WORK_SIGNAL)) {
			store_relaxed(&prev->state, TASK_RUNNING);
		} else {
			rq_count_out(cpu, prev);
			prev->se.nvcsw++;
			if (state & (TASK_UNINTERRUPTIBLE | TASK_KILLABLE))
				store_relaxed(&cpu->nr_uninterruptible, cpu->nr_uninterruptible + 1);
			if (state & (TASK_DEAD | TASK_ZOMBIE))
				cpu->dead = prev;
			return;
		}
	}
	if (prev->se.to_tail && !prev->se.rt_priority && cpu->fair_first) {
		const struct task *left = fair_leftmost(cpu);

		if ((s64)(left->se.vruntime - prev->se.vruntime) >= 0)
			prev->se.vruntime = left->se.vruntime + 1;
	}
	rq_insert(cpu, prev, !prev->se.to_tail);
	prev->se.to_tail = false;
}

/* The heart. Lock held, interrupts off. False: current goes on, and the lock is still held. True: switched away and back; unlocked. */
static bool switch_task(struct cpu *cpu, bool preempted)
{
	struct task *prev = cpu->current_task, *next;
	ktime_t now = hal_time_ns();

	(void)rq_update_curr(cpu, now);
	(void)atomic_and(&prev->work, ~WORK_RESCHED);
	if (prev != cpu->idle)
		put_prev(cpu, prev, preempted);
	next = queue_take(cpu);
	if (!next)
		next = steal(cpu);
	if (!next)
		next = cpu->idle;
	if (next == prev) {
		prev->se.slice_start = prev->se.sum_exec;
		return false;
	}
	if (prev->se.on_rq)
		prev->se.nivcsw++;
	set_current(cpu, prev, next, now);
	hal_context_switch(prev, next);
	sched_finish_switch();
	return true;
}

void sched_finish_switch(void)
{
	struct cpu *cpu = this_cpu();
	struct task *dead = cpu->dead;
	struct mm *drop = cpu->drop_mm;

	__atomic_store_n(&cpu->switched_from->se.on_cpu, false, __ATOMIC_RELEASE);
	cpu->dead = NULL;
	cpu->drop_mm = NULL;
	__atomic_store_n(&cpu->rq_lock.v.v, 0, __ATOMIC_RELEASE);
	if (unlikely(drop))
		mm_unref(drop);
	if (unlikely(dead))
		task_put(dead);
	preempt_enable_quiet();
}

/* The idle task cannot leave its CPU: when boot code sleeps in it, it waits for an interrupt at a time. */
static void idle_wait(struct task *t)
{
	while (load_relaxed(&t->state) != TASK_RUNNING && !(atomic_read(&t->work) & WORK_RESCHED) && !this_cpu()->nr_running) {
		(void)hal_irq_save();
		if (load_relaxed(&t->state) == TASK_RUNNING || (atomic_read(&t->work) & WORK_RESCHED) || this_cpu()->nr_running) {
			hal_irq_enable();
			return;
		}
		hal_cpu_idle();
	}
}

static void check_may_schedule(void)
{
#ifdef MAESTRO_DEBUG
	struct task *t = hal_current();

	if (atomic_read(&t->preempt_count) != 0 || this_cpu()->irq_depth)
		panic("schedule() while %s: preempt count %d, %u locks held, last %s", t->comm, atomic_read(&t->preempt_count), t->nheld,
		      t->nheld ? t->held[t->nheld - 1].name : "none");
#endif
}

void schedule(void)
{
	check_may_schedule();
	do {
		unsigned long flags = hal_irq_save();
		struct cpu *cpu = this_cpu();

		rq_lock_raw(cpu);
		if (!switch_task(cpu, false))
			rq_unlock_raw(cpu);
		hal_irq_restore(flags);
		if (unlikely(hal_current() == this_cpu()->idle && load_relaxed(&hal_current()->state) != TASK_RUNNING))
			idle_wait(hal_current());
	} while (unlikely(atomic_read(&hal_current()->work) & WORK_RESCHED));
}

void preempt_schedule(void)
{
	/* the idle task goes to its loop by itself; hosted, it could not be switched from here */
	if (this_cpu()->irq_depth || hal_current() == this_cpu()->idle)
		return;
	do {
		unsigned long flags = hal_irq_save();
		struct cpu *cpu = this_cpu();

		rq_lock_raw(cpu);
		if (!switch_task(cpu, true))
			rq_unlock_raw(cpu);
		hal_irq_restore(flags);
	} while (unlikely(atomic_read(&hal_current()->work) & WORK_RESCHED));
}

void cond_resched(void)
{
	struct task *t = hal_current();

	if (unlikely(atomic_read(&t->work) & WORK_RESCHED) && atomic_read(&t->preempt_count) == 0)
		preempt_schedule();
}

void sched_yield_current(void)
{
	unsigned long flags = hal_irq_save();
	struct cpu *cpu = this_cpu();

	rq_lock_raw(cpu);
	hal_current()->se.to_tail = true;
	if (!switch_task(cpu, true))
		rq_unlock_raw(cpu);
	hal_irq_restore(flags);
}

/* --- waking --- */
static void place_woken(struct cpu *cpu, struct task *t)
{
	u64 least = cpu->min_vruntime - SLEEPER_CREDIT_NS;

	if ((s64)(t->se.vruntime - least) < 0)
		t->se.vruntime = least;
}

void rq_activate(struct cpu *cpu, struct task *t, bool is_new, unsigned long flags) NO_LOCK_ANALYSIS
{
	struct cpu *to = select_cpu(t, cpu);

	if (to != cpu) {
		t->se.vruntime -= cpu->min_vruntime;
		store_relaxed(&t->se.cpu, to->id);
		spin_unlock(&cpu->rq_lock);
		spin_lock(&to->rq_lock);
		t->se.vruntime += to->min_vruntime;
	}
	if (is_new)
		t->se.vruntime = to->min_vruntime + fair_scale(NSEC_PER_MSEC, t->se.weight);
	else if (!t->se.rt_priority)
		place_woken(to, t);
	rq_count_in(to, t);
	rq_insert(to, t, false);
	rq_check_preempt(to, t);
	task_rq_unlock(to, flags);
}

bool task_wake(struct task *t, unsigned states)
{
	unsigned long flags;
	struct cpu *cpu;
	unsigned state;

	/* pairs with task_set_state(): who changed the condition sees the state, or the sleeper sees the condition */
	memory_barrier();
	if (!(load_relaxed(&t->state) & states))
		return false;
	cpu = task_rq_lock(t, &flags);
	state = load_relaxed(&t->state);
	if (!(state & states)) {
		task_rq_unlock(cpu, flags);
		return false;
	}
	store_relaxed(&t->state, TASK_RUNNING);
	if (t->se.on_rq || t == cpu->idle) {
		/* not asleep yet, or preempted on the way there */
		if (t == cpu->idle && t == cpu->current_task && cpu != this_cpu())
			hal_cpu_kick(cpu->id);
		task_rq_unlock(cpu, flags);
	} else {
		if (state & (TASK_UNINTERRUPTIBLE | TASK_KILLABLE))
			store_relaxed(&cpu->nr_uninterruptible, cpu->nr_uninterruptible - 1);
		rq_activate(cpu, t, false, flags);
	}
	return true;
}

void sched_wake_new(struct task *t)
{
	unsigned long flags;
	struct cpu *cpu;

	DEBUG_ASSERT(!t->se.on_rq);
	cpu = task_rq_lock(t, &flags);
	store_relaxed(&t->state, TASK_RUNNING);
	rq_activate(cpu, t, true, flags);
}

void sched_fork_init(struct task *child, struct task *parent)
{
	struct sched_entity *se = &child->se;

	memset(se, 0, sizeof(*se));
	se->policy = parent->se.policy;
	se->rt_priority = se->rt_base = parent->se.rt_base;
	se->nice = parent->se.nice;
	se->affinity = parent->se.affinity;
	se->cpu = parent->se.cpu;
	if (parent->se.reset_on_fork) {
		se->policy = SCHED_OTHER;
		se->rt_priority = se->rt_base = 0;
		se->nice = se->nice < 0 ? 0 : se->nice;
	}
	se->weight = se->policy == SCHED_IDLE ? 3 : fair_weight_of(se->nice);
	se->in_user = !(child->flags & TASK_KTHREAD);
	list_init(&se->rt_node);
	child->state = TASK_NEW;
	atomic_set(&child->preempt_count, 1);
}

/* --- ticks and interrupts --- */
void sched_tick(struct cpu *cpu, bool user, ktime_t now)
{
	struct task *t = cpu->current_task;

	if (t == cpu->idle) {
		/* boot code runs in the idle task: the coarse clock has to go on for it */
		cpu->tick_due = kernel()->running ? S64_MAX : now + SCHED_TICK_NS;
		return;
	}
	cpu->tick_due = now + SCHED_TICK_NS;
	t->se.in_user = user;
	spin_lock(&cpu->rq_lock);
	(void)rq_update_curr(cpu, now);
	if (t->se.rt_priority) {
		if (t->se.policy == SCHED_RR && t->se.sum_exec - t->se.slice_start >= (u64)SCHED_RR_QUANTUM) {
			t->se.slice_start = t->se.sum_exec;
			if (!list_empty(&cpu->rt[t->se.rt_priority])) {
				t->se.to_tail = true;
				rq_resched(cpu);
			}
		}
	} else if (fair_slice_over(cpu, t)) {
		rq_resched(cpu);
	}
	if (rt_tick(cpu, now))
		rq_resched(cpu);
	spin_unlock(&cpu->rq_lock);
	if (t->proc)
		itimer_cpu_tick();
}

void upcall_irq_enter(void)
{
	struct task *t = hal_current();
	struct cpu *cpu = this_cpu();

	atomic_set(&t->preempt_count, atomic_read(&t->preempt_count) + 1);
	if (cpu->irq_depth++ == 0) {
#ifdef MAESTRO_DEBUG
		cpu->held_base = t->nheld;
#endif
	}
	cpu->irq_count++;
}

void upcall_irq_leave(void)
{
	struct cpu *cpu = this_cpu();

	log_wake_if_pending();
	if (--cpu->irq_depth == 0)
		cpu->held_base = 0;
	preempt_enable_quiet();
}

void upcall_irq_exit_kernel(void)
{
	struct task *t = hal_current();

	if (unlikely(atomic_read(&t->work) & WORK_RESCHED) && atomic_read(&t->preempt_count) == 0 && !this_cpu()->irq_depth)
		preempt_schedule();
}

void upcall_kick(void)
{
	/* who kicked has set WORK_RESCHED, or queued a timer here */
	timers_rearm();
}

/* --- hosted --- */
void sched_host_enter(struct task *t)
{
	struct cpu *cpu = this_cpu();
	ktime_t now = hal_time_ns();

	DEBUG_ASSERT(cpu->current_task == cpu->idle && !t->se.on_rq);
	store_relaxed(&t->se.cpu, cpu->id);
	rq_lock_raw(cpu);
	store_relaxed(&t->state, TASK_RUNNING);
	if (!t->se.rt_priority)
		place_woken(cpu, t);
	rq_count_in(cpu, t);
	set_current(cpu, cpu->idle, t, now);
	cpu->idle->se.on_cpu = false;
	atomic_set(&cpu->idle->preempt_count, atomic_read(&cpu->idle->preempt_count) + 1);
	/* file times may be as old as a tick; torn or stale, it is only early or late */
	if (unlikely(now - kernel()->time.coarse_at >= NSEC_PER_MSEC / 4))
		time_update_coarse(now);
	{
		struct mm *drop = cpu->drop_mm;

		cpu->drop_mm = NULL;
		rq_unlock_raw(cpu);
		if (drop)
			mm_unref(drop);
	}
	/* a new task carries the count of a switch it does not come from */
	atomic_set(&t->preempt_count, 0);
}

bool sched_host_leave(struct task *t)
{
	struct cpu *cpu = this_cpu();
	ktime_t now = hal_time_ns();
	bool more;

	DEBUG_ASSERT(cpu->current_task == t);
	rq_lock_raw(cpu);
	(void)rq_update_curr(cpu, now);
	if (unlikely(atomic_read(&t->work) & WORK_RESCHED))
		(void)atomic_and(&t->work, ~WORK_RESCHED);
	rq_count_out(cpu, t);
	store_relaxed(&t->state, TASK_NEW); /* no wake-up reaches it outside */
	set_current(cpu, t, cpu->idle, now);
	t->se.on_cpu = false;
	atomic_set(&cpu->idle->preempt_count, atomic_read(&cpu->idle->preempt_count) - 1);
	more = cpu->nr_running != 0;
	if (unlikely(atomic_read(&cpu->idle->work) & WORK_RESCHED))
		(void)atomic_and(&cpu->idle->work, ~WORK_RESCHED); /* what is queued is told by the result; later ones kick */
	rq_unlock_raw(cpu);
	return more;
}

struct task *sched_host_pick(void)
{
	struct cpu *cpu = this_cpu();
	struct task *next;

	timers_run();
	rq_lock_raw(cpu);
	(void)atomic_and(&cpu->idle->work, ~WORK_RESCHED); /* from here on who queues something kicks */
	next = queue_take(cpu);
	if (!next)
		next = steal(cpu);
	if (!next) {
		rq_unlock_raw(cpu);
		return NULL;
	}
	set_current(cpu, cpu->idle, next, hal_time_ns());
	return next;
}

void sched_host_hand_over(void) NO_LOCK_ANALYSIS
{
	struct cpu *cpu = this_cpu();
	struct task *prev = cpu->switched_from;

	cpu->switched_from = cpu->idle;
	__atomic_store_n(&prev->se.on_cpu, false, __ATOMIC_RELEASE);
	__atomic_store_n(&cpu->rq_lock.v.v, 0, __ATOMIC_RELEASE);
}

void sched_host_resume(void) NO_LOCK_ANALYSIS
{
	struct cpu *cpu = this_cpu();

	if (unlikely(!rq_trylock_raw(cpu)))
		spin_lock_slow(&cpu->rq_lock);
}
