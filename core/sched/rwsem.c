/* SPDX-License-Identifier: MIT */
/*
 * Reader-writer semaphores. Waiters queue in order of arrival, and a reader that finds anybody waiting queues too, so writers are not starved.
 * Who leaves hands over: to the first waiter if that is a writer, else to all readers at the head of the queue.
 *
 * Locking: rwsem.lock (RANK_WAITQ).
 */
#include <maestro/kernel.h>
#include <maestro/sched.h>

struct waiter {
	struct list node; /* [rwsem.lock] */
	struct task *task;
	bool write;
	bool granted; /* [a] */
};

void rwsem_init(struct rwsem *s, enum lock_rank rank, const char *name)
{
	spin_init(&s->lock, RANK_WAITQ, name);
	s->count = 0;
	list_init(&s->waiters);
	s->writer = NULL;
	s->rank = rank;
	s->name = name;
}

static __noinline void wait_turn(struct rwsem *s, bool write) RELEASES(s->lock)
{
	struct waiter w = { .task = hal_current(), .write = write };

	list_add_tail(&s->waiters, &w.node);
	for (;;) {
		task_set_state(TASK_UNINTERRUPTIBLE);
		if (w.granted)
			break;
		spin_unlock(&s->lock);
		schedule();
		spin_lock(&s->lock);
	}
	task_set_state(TASK_RUNNING);
	spin_unlock(&s->lock);
}

/* Gives the free (or read-held) semaphore to whose turn it is. */
static void hand_over(struct rwsem *s)
{
	while (!list_empty(&s->waiters)) {
		struct waiter *w = list_first(&s->waiters, struct waiter, node);

		if (w->write ? s->count != 0 : s->count < 0)
			return;
		list_del(&w->node);
		s->count = w->write ? -1 : s->count + 1;
		if (w->write)
			s->writer = w->task;
		/* w is gone once its owner gets the lock that is held here */
		w->granted = true;
		(void)task_wake(w->task, TASK_SLEEPING);
	}
}

void rwsem_read_lock(struct rwsem *s)
{
	might_sleep();
	lock_debug_acquire(s, s->rank, s->name, false);
	spin_lock(&s->lock);
	if (likely(s->count >= 0 && list_empty(&s->waiters))) {
		s->count++;
		spin_unlock(&s->lock);
		return;
	}
	wait_turn(s, false);
}

bool rwsem_read_trylock(struct rwsem *s)
{
	bool got;

	spin_lock(&s->lock);
	got = s->count >= 0 && list_empty(&s->waiters);
	s->count += got;
	spin_unlock(&s->lock);
	if (got)
		lock_debug_acquire(s, RANK_NONE, s->name, true);
	return got;
}

void rwsem_read_unlock(struct rwsem *s)
{
	lock_debug_release(s);
	spin_lock(&s->lock);
	DEBUG_ASSERT(s->count > 0);
	if (--s->count == 0 && unlikely(!list_empty(&s->waiters)))
		hand_over(s);
	spin_unlock(&s->lock);
}

static void write_lock(struct rwsem *s)
{
	spin_lock(&s->lock);
	DEBUG_ASSERT(s->writer != hal_current());
	if (likely(s->count == 0 && list_empty(&s->waiters))) {
		s->count = -1;
		s->writer = hal_current();
		spin_unlock(&s->lock);
		return;
	}
	wait_turn(s, true);
}

void rwsem_write_lock(struct rwsem *s)
{
	might_sleep();
	lock_debug_acquire(s, s->rank, s->name, false);
	write_lock(s);
}

void rwsem_write_lock_nested(struct rwsem *s)
{
	might_sleep();
	lock_debug_acquire(s, s->rank, s->name, true);
	write_lock(s);
}

bool rwsem_write_trylock(struct rwsem *s)
{
	bool got;

	spin_lock(&s->lock);
	got = s->count == 0 && list_empty(&s->waiters);
	if (got) {
		s->count = -1;
		s->writer = hal_current();
	}
	spin_unlock(&s->lock);
	if (got)
		lock_debug_acquire(s, RANK_NONE, s->name, true);
	return got;
}

void rwsem_write_unlock(struct rwsem *s)
{
	lock_debug_release(s);
	spin_lock(&s->lock);
	DEBUG_ASSERT(s->count == -1 && s->writer == hal_current());
	s->count = 0;
	s->writer = NULL;
	if (unlikely(!list_empty(&s->waiters)))
		hand_over(s);
	spin_unlock(&s->lock);
}

void rwsem_downgrade(struct rwsem *s)
{
	spin_lock(&s->lock);
	DEBUG_ASSERT(s->count == -1 && s->writer == hal_current());
	s->count = 1;
	s->writer = NULL;
	hand_over(s);
	spin_unlock(&s->lock);
}

bool rwsem_is_held_write(const struct rwsem *s)
{
	/* only current itself can make this true, so no lock is needed */
	return load_relaxed(&s->writer) == hal_current();
}
