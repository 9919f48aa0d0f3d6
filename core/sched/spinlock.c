/* SPDX-License-Identifier: MIT */
/* Spinlocks: the contended path. One word, 0 free, 1 held; a waiter reads until it looks free, so that the cache line is not fought over. */
#include <hal/cpu.h>
#include <maestro/kernel.h>

void spin_init(struct spinlock *l, enum lock_rank rank, const char *name)
{
	atomic_set(&l->v, 0);
#ifdef MAESTRO_DEBUG
	l->rank = rank;
	l->name = name;
	l->owner = NULL;
#else
	(void)rank;
	(void)name;
#endif
}

void spin_lock_slow(struct spinlock *l)
{
	for (;;) {
		int free = 0;

		while (atomic_read(&l->v))
			hal_cpu_relax();
		if (__atomic_compare_exchange_n(&l->v.v, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return;
	}
}
