/* SPDX-License-Identifier: MIT */
/*
 * Atomics: a struct wraps the value, so that a plain load or store does not compile.
 * Orders: _relaxed none, _acquire/_release as C11; everything else is sequentially consistent.
 */
#pragma once

#include <maestro/types.h>

struct atomic {
	int v;
};
struct atomic_long {
	long v;
};
struct atomic64 {
	u64 v;
};

#define ATOMIC_INIT(x) { (x) }
#define atomic_read(a) __atomic_load_n(&(a)->v, __ATOMIC_RELAXED)
/* What others did before they changed it is seen: for who finds himself the only one left. */
#define atomic_read_acquire(a) __atomic_load_n(&(a)->v, __ATOMIC_ACQUIRE)
#define atomic_set(a, x) __atomic_store_n(&(a)->v, (x), __ATOMIC_RELAXED)
#define atomic_set_release(a, x) __atomic_store_n(&(a)->v, (x), __ATOMIC_RELEASE)
#define atomic_add(a, x) ((void)__atomic_fetch_add(&(a)->v, (x), __ATOMIC_SEQ_CST))
#define atomic_sub(a, x) ((void)__atomic_fetch_sub(&(a)->v, (x), __ATOMIC_SEQ_CST))
#define atomic_inc(a) atomic_add(a, 1)
#define atomic_dec(a) atomic_sub(a, 1)
#define atomic_add_return(a, x) __atomic_add_fetch(&(a)->v, (x), __ATOMIC_SEQ_CST)
#define atomic_sub_return(a, x) __atomic_sub_fetch(&(a)->v, (x), __ATOMIC_SEQ_CST)
#define atomic_inc_return(a) atomic_add_return(a, 1)
/* True when the count came to 0. */
#define atomic_dec_and_test(a) (__atomic_sub_fetch(&(a)->v, 1, __ATOMIC_ACQ_REL) == 0)
#define atomic_xchg(a, x) __atomic_exchange_n(&(a)->v, (x), __ATOMIC_SEQ_CST)
#define atomic_or(a, x) __atomic_fetch_or(&(a)->v, (x), __ATOMIC_SEQ_CST)	 /* returns the old value */
#define atomic_and(a, x) __atomic_fetch_and(&(a)->v, (x), __ATOMIC_SEQ_CST) /* returns the old value */
/* On failure *(expected) holds the value found. */
#define atomic_cmpxchg(a, expected, x) \
	__atomic_compare_exchange_n(&(a)->v, (expected), (x), false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)
/* Adds 1 unless the value is 0; false then. */
static inline bool atomic_inc_not_zero(struct atomic *a)
{
	int old = atomic_read(a);

	while (old)
		if (atomic_cmpxchg(a, &old, old + 1))
			return true;
	return false;
}

#define READ_ONCE(x) (*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile __typeof__(x) *)&(x) = (v))
/* For single words read without their lock on purpose; each use says why. */
#define load_relaxed(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define store_relaxed(p, x) __atomic_store_n((p), (x), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, x) __atomic_store_n((p), (x), __ATOMIC_RELEASE)
#define compiler_barrier() __asm__ volatile("" ::: "memory")
#define memory_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)
