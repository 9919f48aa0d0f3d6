/* SPDX-License-Identifier: MIT */
/*
 * Wait queues. A wake-up takes the default kind of entry off the queue as it wakes the task, so that an exclusive waiter does not eat a second
 * wake-up before it has run; wait_prepare() puts it back if the condition was not for it.
 *
 * Locking: wait_queue.lock (RANK_WAITQ, irqsave); a wake-up takes the run queue's inside. wait_finish() always takes the lock: the waker may still
 * be at work on the entry, which lies on the waiter's stack, and on the queue.
 */
#include <maestro/kernel.h>
#include <maestro/wait.h>

void wait_queue_init(struct wait_queue *q)
{
	spin_init(&q->lock, RANK_WAITQ, "wait queue");
	list_init(&q->entries);
}

static bool wake_default(struct wait_entry *e, u32 key)
{
	(void)key;
	if (!task_wake(e->task, TASK_SLEEPING))
		return false;
	list_del(&e->node);
	return true;
}

void wait_entry_init(struct wait_entry *e)
{
	list_init(&e->node);
	e->task = hal_current();
	e->wake = wake_default;
	e->exclusive = false;
	e->priv = NULL;
}

static void add_locked(struct wait_queue *q, struct wait_entry *e)
{
	if (!list_empty(&e->node))
		return;
	if (e->exclusive)
		list_add_tail(&q->entries, &e->node);
	else
		list_add(&q->entries, &e->node);
}

void wait_add(struct wait_queue *q, struct wait_entry *e)
{
	unsigned long flags = spin_lock_irqsave(&q->lock);

	add_locked(q, e);
	spin_unlock_irqrestore(&q->lock, flags);
}

void wait_remove(struct wait_queue *q, struct wait_entry *e)
{
	unsigned long flags = spin_lock_irqsave(&q->lock);

	list_del(&e->node);
	spin_unlock_irqrestore(&q->lock, flags);
}

void wait_prepare(struct wait_queue *q, struct wait_entry *e, enum task_state state)
{
	unsigned long flags = spin_lock_irqsave(&q->lock);

	add_locked(q, e);
	task_set_state(state);
	spin_unlock_irqrestore(&q->lock, flags);
}

void wait_finish(struct wait_queue *q, struct wait_entry *e)
{
	task_set_state(TASK_RUNNING);
	wait_remove(q, e);
}

void wake_up_n(struct wait_queue *q, unsigned n, u32 key)
{
	struct wait_entry *e, *tmp;
	unsigned long flags;

	if (!wait_queue_active(q))
		return;
	flags = spin_lock_irqsave(&q->lock);
	list_for_each_safe(e, tmp, &q->entries, node) {
		/* read first: once woken, the entry's owner may be gone with it */
		bool exclusive = e->exclusive;

		if (e->wake(e, key) && exclusive && n && --n == 0)
			break;
	}
	spin_unlock_irqrestore(&q->lock, flags);
}

void wake_up_within(struct wait_queue *q, u32 key)
{
	struct wait_entry *e, *tmp;

	if (!wait_queue_active(q))
		return;
	spin_lock_nested(&q->lock);
	list_for_each_safe(e, tmp, &q->entries, node) {
		if (e->wake)
			(void)e->wake(e, key);
		else
			task_wake_sleeping(e->task);
	}
	spin_unlock(&q->lock);
}
