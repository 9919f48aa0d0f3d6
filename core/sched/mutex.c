/* SPDX-License-Identifier: MIT */
/*
 * Mutexes. owner is the task that holds it, with bit 0 set while others wait; free and uncontended it is one compare-and-swap away.
 * The holder hands it over to the first waiter: nobody starves, and the woken task finds itself the owner.
 *
 * Locking: mutex.lock (RANK_WAITQ) for the list of waiters and every change of owner while bit 0 is set.
 */
#include <maestro/kernel.h>
#include <maestro/sched.h>
#include <maestro/wait.h>

#define WAITERS 1ul

struct waiter {
	struct list node; /* [mutex.lock] */
	struct task *task;
	bool granted;	  /* [a] */
};

void mutex_init(struct mutex *m, enum lock_rank rank, const char *name)
{
	m->owner = NULL;
	spin_init(&m->lock, RANK_WAITQ, name);
	list_init(&m->waiters);
	m->rank = rank;
	m->name = name;
}

static uintptr_t owner_word(const struct mutex *m)
{
	return (uintptr_t)load_relaxed(&m->owner);
}

static bool owner_swap(struct mutex *m, uintptr_t old, uintptr_t new)
{
	struct task *expected = (struct task *)old;

	return __atomic_compare_exchange_n(&m->owner, &expected, (struct task *)new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Marks the mutex as waited for; false: it became free, and is now the caller's. */
static bool mark_waited(struct mutex *m)
{
	for (;;) {
		uintptr_t old = owner_word(m);

		if (!old) {
			if (owner_swap(m, 0, (uintptr_t)hal_current()))
				return false;
		} else if ((old & WAITERS) || owner_swap(m, old, old | WAITERS)) {
			return true;
		}
	}
}

static void leave_queue(struct mutex *m, struct waiter *w)
{
	list_del(&w->node);
	if (list_empty(&m->waiters))
		store_relaxed(&m->owner, (struct task *)(owner_word(m) & ~WAITERS));
}

static __noinline bool lock_slow(struct mutex *m, enum task_state state)
{
	struct waiter w = { .task = hal_current() };
	bool got = true;

	DEBUG_ASSERT((owner_word(m) & ~WAITERS) != (uintptr_t)hal_current());
	list_init(&w.node);
	spin_lock(&m->lock);
	if (!mark_waited(m)) {
		spin_unlock(&m->lock);
		return true;
	}
	list_add_tail(&m->waiters, &w.node);
	for (;;) {
		task_set_state(state);
		if (load_acquire(&w.granted))
			break;
		if (state == TASK_INTERRUPTIBLE && task_signal_pending()) {
			got = false;
			break;
		}
		spin_unlock(&m->lock);
		schedule();
		spin_lock(&m->lock);
	}
	task_set_state(TASK_RUNNING);
	if (w.granted)
		got = true;
	else
		leave_queue(m, &w);
	spin_unlock(&m->lock);
	return got;
}

static __noinline void unlock_slow(struct mutex *m)
{
	struct waiter *w;

	spin_lock(&m->lock);
	if (list_empty(&m->waiters)) {
		__atomic_store_n(&m->owner, NULL, __ATOMIC_RELEASE);
		spin_unlock(&m->lock);
		return;
	}
	w = list_first(&m->waiters, struct waiter, node);
	list_del(&w->node);
	__atomic_store_n(&m->owner, (struct task *)((uintptr_t)w->task | (list_empty(&m->waiters) ? 0 : WAITERS)), __ATOMIC_RELEASE);
	{
		struct task *t = w->task;

		/* w lies on the waiter's stack, which lives until the waiter gets this lock */
		store_release(&w->granted, true);
		(void)task_wake(t, TASK_SLEEPING);
	}
	spin_unlock(&m->lock);
}

static inline bool lock_fast(struct mutex *m)
{
	return likely(owner_swap(m, 0, (uintptr_t)hal_current()));
}

void mutex_lock(struct mutex *m) NO_LOCK_ANALYSIS
{
	might_sleep();
	lock_debug_acquire(m, m->rank, m->name, false);
	if (!lock_fast(m))
		(void)lock_slow(m, TASK_UNINTERRUPTIBLE);
}

void mutex_lock_nested(struct mutex *m) NO_LOCK_ANALYSIS
{
	might_sleep();
	lock_debug_acquire(m, m->rank, m->name, true);
	if (!lock_fast(m))
		(void)lock_slow(m, TASK_UNINTERRUPTIBLE);
}

bool mutex_trylock(struct mutex *m)
{
	if (!lock_fast(m))
		return false;
	lock_debug_acquire(m, RANK_NONE, m->name, true);
	return true;
}

kerr_t mutex_lock_interruptible(struct mutex *m)
{
	might_sleep();
	lock_debug_acquire(m, m->rank, m->name, false);
	if (lock_fast(m) || lock_slow(m, TASK_INTERRUPTIBLE))
		return KERR(0);
	lock_debug_release(m);
	return KERR(EINTR);
}

void mutex_unlock(struct mutex *m) NO_LOCK_ANALYSIS
{
	DEBUG_ASSERT(mutex_is_held(m));
	lock_debug_release(m);
	if (!likely(owner_swap(m, (uintptr_t)hal_current(), 0)))
		unlock_slow(m);
}

bool mutex_is_held(const struct mutex *m)
{
	return (owner_word(m) & ~WAITERS) == (uintptr_t)hal_current();
}
