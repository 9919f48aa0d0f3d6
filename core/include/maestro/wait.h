/* SPDX-License-Identifier: MIT */
/*
 * Wait queues. A typical sleep:   KERR e = wait_event_interruptible(&q, condition);
 * The condition is evaluated with no lock of the queue held, after the task is queued and marked: no wake-up is lost.
 */
#pragma once

#include <maestro/lock.h>
#include <maestro/sched.h>

struct wait_entry {
	struct list node; /* [queue lock] */
	struct task *task;
	/* Called at wake-up with the queue's lock held, interrupts off; returns true if it took the wake-up (counts as exclusive). key: poll events or 0. */
	bool (*wake)(struct wait_entry *e, u32 key);
	bool exclusive;
	void *priv;
};
struct wait_queue {
	struct spinlock lock; /* taken irqsave */
	struct list entries;  /* [lock] exclusive ones at the tail */
};
void wait_queue_init(struct wait_queue *q);
/* Wakes all non-exclusive and at most n exclusive waiters (n 0: all). Any context. */
void wake_up_n(struct wait_queue *q, unsigned n, u32 key);
void wake_up_within(struct wait_queue *q, u32 key); /* all of q, from within another queue's wake function */
#define wake_up(q) wake_up_n((q), 1, 0)
#define wake_up_all(q) wake_up_n((q), 0, 0)
#define wake_up_poll(q, events) wake_up_n((q), 1, (events))
static inline bool wait_queue_active(struct wait_queue *q)
{
	memory_barrier();
	return load_relaxed(&q->entries.next) != &q->entries;
}

void wait_entry_init(struct wait_entry *e); /* for the current task, default wake */
void wait_add(struct wait_queue *q, struct wait_entry *e);    /* keeps task state: for poll-like uses */
void wait_remove(struct wait_queue *q, struct wait_entry *e); /* harmless if not queued */
/* Queue (if not queued yet) and set the state; then test the condition; then schedule(). */
void wait_prepare(struct wait_queue *q, struct wait_entry *e, enum task_state state);
void wait_finish(struct wait_queue *q, struct wait_entry *e); /* running again, off the queue */

#define wait_loop_(q, cond, state_, on_signal, sleep)            \
	({                                                           \
		kerr_t wait_err_ = KERR(0);                              \
		if (!(cond)) {                                           \
			struct wait_entry wait_e_;                           \
			wait_entry_init(&wait_e_);                           \
			for (;;) {                                           \
				wait_prepare((q), &wait_e_, (state_));           \
				if (cond)                                        \
					break;                                       \
				if ((state_) != TASK_UNINTERRUPTIBLE && task_signal_pending_state((state_))) { \
					wait_err_ = (on_signal);                     \
					break;                                       \
				}                                                \
				sleep;                                           \
			}                                                    \
			wait_finish((q), &wait_e_);                          \
		}                                                        \
		wait_err_;                                               \
	})
#define wait_event(q, cond) ((void)wait_loop_(q, cond, TASK_UNINTERRUPTIBLE, KERR(0), schedule()))
/* 0, or KERR(ERESTARTSYS). */
#define wait_event_interruptible(q, cond) wait_loop_(q, cond, TASK_INTERRUPTIBLE, KERR(ERESTARTSYS), schedule())
/* Only a fatal signal ends it: KERR(EINTR). */
#define wait_event_killable(q, cond) wait_loop_(q, cond, TASK_KILLABLE, KERR(EINTR), schedule())
/* deadline: absolute hal_time_ns; S64_MAX none. 0, KERR(ERESTARTSYS), or KERR(ETIMEDOUT). */
#define wait_event_interruptible_until(q, cond, deadline)                                               \
	({                                                                                                  \
		bool wait_late_ = false;                                                                        \
		kerr_t wait_until_ = wait_loop_(q, (cond) || wait_late_, TASK_INTERRUPTIBLE, KERR(ERESTARTSYS), \
						wait_late_ = schedule_until(deadline));                                         \
		if (!wait_until_ && wait_late_ && !(cond))                                                      \
			wait_until_ = KERR(ETIMEDOUT);                                                              \
		wait_until_;                                                                                    \
	})
