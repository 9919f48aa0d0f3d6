/* SPDX-License-Identifier: MIT */
/*
 * Lock order, checked as locks are taken (debug builds): each task keeps the stack of locks it holds; a new one must have a higher rank than all
 * of them (equal for _nested). An interrupt handler starts its own order on top of the task it stopped: what that task holds
 * says nothing about the handler. Locks of rank RANK_NONE are recorded but not ordered.
 */
#include <maestro/kernel.h>

#ifdef MAESTRO_DEBUG
static unsigned first_held(void)
{
	return this_cpu()->irq_depth ? this_cpu()->held_base : 0;
}

void lock_debug_acquire(const void *lock, enum lock_rank rank, const char *name, bool nested)
{
	struct task *t = hal_current();

	/* before the scheduler stands, locks are taken by one context only */
	if (!t || load_relaxed(&kernel()->debug.panicking))
		return;
	for (unsigned i = first_held(); i < t->nheld; i++) {
		const struct held_lock *h = &t->held[i];

		/* a sleeping lock may begin with its own spinlock: the address alone does not tell them apart */
		if (h->lock == lock && h->rank == rank)
			panic("lock order: %s takes %s, which it holds already", t->comm, name);
		if (rank && h->rank && (h->rank > rank || (h->rank == rank && !nested)))
			panic("lock order: %s takes %s (rank %d) holding %s (rank %d)", t->comm, name, rank, h->name, h->rank);
	}
	if (t->nheld == ARRAY_SIZE(t->held))
		panic("lock order: %s holds %u locks", t->comm, t->nheld);
	t->held[t->nheld++] = (struct held_lock){ lock, name, rank };
}

void lock_debug_release(const void *lock)
{
	struct task *t = hal_current();

	if (!t || load_relaxed(&kernel()->debug.panicking))
		return;
	for (unsigned i = t->nheld; i-- > 0;) {
		if (t->held[i].lock != lock)
			continue;
		for (t->nheld--; i < t->nheld; i++)
			t->held[i] = t->held[i + 1];
		return;
	}
	panic("lock order: %s releases a lock it does not hold (%p)", t->comm, lock);
}

void might_sleep(void)
{
	struct task *t = hal_current();

	if (!t || load_relaxed(&kernel()->debug.panicking))
		return;
	if (atomic_read(&t->preempt_count) || this_cpu()->irq_depth)
		panic("%s may sleep here: preempt count %d, interrupt depth %u, last lock %s", t->comm, atomic_read(&t->preempt_count),
		      this_cpu()->irq_depth, t->nheld ? t->held[t->nheld - 1].name : "none");
}
#endif
