/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: per-CPU run queues, a fair class (virtual run time, nice), FIFO and RR classes, preemption, sleeping with and without a deadline.
 */
#pragma once

#include <hal/cpu.h>
#include <maestro/lock.h>
#include <maestro/rbtree.h>
#include <maestro/types.h>

/* Bits, so that a wake-up can name a set. */
enum task_state {
	TASK_RUNNING = 0,
	TASK_INTERRUPTIBLE = 1,
	TASK_UNINTERRUPTIBLE = 2,
	TASK_KILLABLE = 4, /* wakes for fatal signals only */
	TASK_STOPPED = 8,
	TASK_TRACED = 16,
	TASK_ZOMBIE = 32,
	TASK_DEAD = 64, /* may be reaped once off its CPU */
	TASK_NEW = 128,
	TASK_SLEEPING = TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE | TASK_KILLABLE,
};
enum sched_policy { SCHED_OTHER = 0, SCHED_FIFO = 1, SCHED_RR = 2, SCHED_BATCH = 3, SCHED_IDLE = 5 };

/* What the scheduler keeps in each task. */
struct sched_entity {
	struct rb_node node;	/* [rq] in the fair tree */
	struct list rt_node;	/* [rq] in a real-time list */
	u64 vruntime;		/* [rq] ns, weighted */
	u64 exec_start;		/* [rq] when it was last put on the CPU, ns */
	u64 sum_exec;		/* [rq] ns on the CPU in all */
	u64 tick_utime, tick_exec; /* [o] task.utime and sum_exec at the last tick */
	u64 slice_start;	/* [rq] sum_exec when it got the CPU (RR quantum, fair slice) */
	u32 weight;		/* [rq] from nice */
	s8 nice;		/* [rq] -20..19 */
	u8 policy;		/* [rq] enum sched_policy */
	u8 rt_priority;		/* [rq] it runs with: 1..99, 0 for the fair class; the greater of the next two */
	u8 rt_base;		/* [rq] its own */
	u8 rt_inherited;	/* [rq] of those who wait for a lock it has */
	bool on_rq;		/* [rq] */
	bool on_cpu;		/* [a] still on its stack; a waker waits before it moves it */
	bool reset_on_fork;	/* [rq] */
	bool to_tail;		/* [rq] it yielded, or its quantum is over: queue it behind its equals */
	bool in_user;		/* [o] the last sample found it in user mode: what is charged between samples goes there */
	u32 cpu;		/* [rq] */
	u64 affinity;		/* [rq] bit per CPU */
	u64 nvcsw, nivcsw;	/* [rq] switches, voluntary and not */
};

struct task;
struct mm;
struct timer;

/* One per CPU, in struct kernel. */
struct cpu {
	/* [c] */
	unsigned id;
	struct task *idle;
	/* [o] this CPU only */
	unsigned irq_depth;
	u64 irq_count;
	/* [rq.lock] */
	struct spinlock rq_lock; /* RANK_RUNQUEUE, interrupts off */
	struct task *current_task;
	struct rb_tree fair;
	struct rb_node *fair_first;
	u64 min_vruntime;
	u64 fair_weight;
	struct list rt[100];
	unsigned long rt_map[(100 + 8 * sizeof(long) - 1) / (8 * sizeof(long))];
	bool rt_throttled;	/* real-time tasks have used up what they may while others wait, see rt.c */
	u64 rt_time;		/* ns of real-time tasks since rt_period_start */
	ktime_t rt_period_start;
	unsigned nr_running;
	u64 idle_ns, user_ns, system_ns, idle_start;
	u64 switches;
	struct task *dead;	/* a task that must be put once its stack is no longer used */
	struct task *switched_from; /* who ran before, until sched_finish_switch() */
	struct mm *drop_mm;	/* a borrowed space to put then */
	long nr_uninterruptible; /* sleepers counted in the load; may be negative on one CPU, the sum is right */
	bool online;
	/* [o] interrupts off */
	ktime_t tick_due;	/* the scheduler's tick, S64_MAX while idle */
	unsigned held_base;	/* debug: locks of the task that an interrupt stopped */
	/* [timer.lock] */
	struct spinlock timer_lock;
	struct rb_tree timers;
	struct rb_node *timers_first;
	struct timer *timer_running; /* [a] its fn is being run here */
	ktime_t armed; /* [o] interrupts off: what hal_timer_arm was told */
};

static inline struct task *current_task(void)
{
	return hal_current();
}
#define current hal_current()
static inline struct cpu *this_cpu(void); /* stable only with preemption or interrupts off */

/*
 * Gives the CPU away as current->state says. Sleeping context. With state TASK_ZOMBIE or TASK_DEAD it never returns, and the reference a task has for
 * being scheduled is put once its stack is left.
 */
void schedule(void);
/* As schedule(), at most until the absolute time; true if the time came before a wake-up. S64_MAX: no limit. */
bool schedule_until(ktime_t deadline);
/* Makes t runnable if its state is in `states`; true if it was. Any context. */
bool task_wake(struct task *t, unsigned states);
#define task_wake_sleeping(t) task_wake((t), TASK_SLEEPING)
/* Puts a new task (TASK_NEW) on a run queue. */
void sched_wake_new(struct task *t);
/* The tail of every switch, on the new task's stack: unlocks the run queue, puts the dead. New tasks call it first, on entry. */
void sched_finish_switch(void);
/* Inherits class, nice, affinity; also for kernel threads. Leaves preempt_count at 1: the first sched_finish_switch() takes it back. */
void sched_fork_init(struct task *child, struct task *parent);
/* Brings current's utime, stime and sum_exec up to now (they are charged at switches and ticks). */
void sched_account_current(void);
void sched_yield_current(void);
void cond_resched(void); /* lets others run if they are due; in long loops, no locks held */
void sched_set(struct task *t, enum sched_policy policy, int rt_priority, int nice);
void sched_inherit(struct task *t, unsigned rt_priority); /* from those who wait for its locks; 0: nothing */
/* /proc/sys/kernel/sched_rt_period_us and _runtime_us. KERR(EINVAL): a runtime below -1 or above the period, a period below 1. */
kerr_t sched_rt_limits_set(s32 period_us, s32 runtime_us) __must_check;
kerr_t sched_set_affinity(struct task *t, u64 mask) __must_check;
u64 sched_task_runtime(struct task *t); /* ns on the CPU so far, now included */
kerr_t sched_init(void) __must_check;	/* run queues; the boot context becomes CPU 0's idle task */
void sched_idle_loop(void) __noreturn;
unsigned sched_nr_running(void);
void sched_loadavg(unsigned long out[3]); /* fixed point, 11 fraction bits */

/*
 * Hosted backends: an idle vCPU has no stack; hal_context_switch(prev, cpu->idle) means that the host thread lets the vCPU go. There the backend sets
 * hal_current() to cpu->idle and calls sched_finish_switch(), which unlocks the run queue; then the vCPU is idle, and any host
 * thread that holds it (and interrupts off) may do one of these. upcall_timer() may be called on an idle vCPU too.
 */
/*
 * The calling host thread becomes the running task t of this_cpu(), which is idle, without passing through the queue: the fast path of every
 * library call. hal_current() is the idle task, or t with t->se.cpu set to the vCPU. t is new or came back by sched_host_leave(), and is on no
 * queue. Interrupts off; the caller turns them on. No lock is held on return.
 */
void sched_host_enter(struct task *t);
/*
 * The opposite: the running task t leaves, the vCPU is idle after; the caller then sets hal_current() to the idle task. Interrupts off. True if
 * tasks are runnable here (sched_host_pick() would find one): hand the vCPU to whoever waits for it. No lock is held on return.
 */
bool sched_host_leave(struct task *t);
/*
 * On an idle vCPU, hal_current() the idle task, interrupts off: runs due timers, then takes the next runnable task off the queue and makes it this CPU's.
 * The run queue's lock is held when a task is returned: the backend sets hal_current() to it and continues it where it stopped in
 * hal_context_switch() (or starts it, at the entry it was given), and the continued task calls sched_finish_switch(). NULL: nothing to run, no
 * lock held; timers_next() tells until when to wait.
 */
struct task *sched_host_pick(void);
/*
 * In hal_context_switch(), when another host thread is to continue the next task but may be busy for long, with what might even need this run queue:
 * the task before is off the CPU now, and the lock is released. Who continues the task calls sched_host_resume() first, which locks again.
 */
void sched_host_hand_over(void);
void sched_host_resume(void);

/* Kernel threads: no user side, never signalled. fn returns to end it. The task is returned with a reference for the caller. */
kerr_t kthread_create(struct task **out, void (*fn)(void *), void *arg, const char *name) __must_check;
bool kthread_should_stop(void);
void kthread_stop(struct task *t); /* asks, waits for its end, puts the reference. May sleep */

/* Preemption. */
void preempt_schedule(void);
static inline void preempt_disable(void);
static inline void preempt_enable(void);

#include <maestro/task.h> /* the inline bodies need struct task */
