/* SPDX-License-Identifier: MIT */
/* What the plain futex operations (futex.c) and those with priority inheritance (futex_pi.c) share. */
#pragma once

#include <hal/time.h>
#include <hal/user.h>
#include <maestro/futex.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK 0x3fffffffu

struct futex_key {
	const void *object; /* mm or inode */
	u64 offset;
	struct inode *inode; /* a reference to put, or NULL */
};

struct pi_waiter;
struct futex_waiter {
	struct list node; /* [bucket lock] */
	struct task *task;
	struct futex_key key; /* [bucket lock] requeueing changes it */
	struct futex_bucket *bucket; /* [a] changes under both buckets' locks */
	u32 bitset;
	bool woken; /* [a] the waker's last store */
	struct pi_waiter *pi; /* FUTEX_WAIT_REQUEUE_PI: what it becomes; NULL: an ordinary waiter */
};

static inline struct futex_bucket *futex_bucket_of(const struct futex_key *k)
{
	u32 h = hash_u32(hash_ptr(k->object) + (u32)(k->offset >> 2));

	return &kernel()->proc.futex[h >> (32 - FUTEX_HASH_BITS)];
}
static inline bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset;
}
static inline u32 __user *futex_word(u64 uaddr)
{
	return (u32 __user *)(uaddr_t)uaddr;
}

/* --- futex.c --- */
/* KERR(EINVAL), KERR(EFAULT). The caller puts the key. */
kerr_t futex_key_make(u64 uaddr, bool shared, struct futex_key *key) __must_check;
void futex_key_put(struct futex_key *key);
/* Under a bucket's lock. KERR(EFAULT): the page is not there; fault it in without the lock. */
kerr_t futex_load_locked(u64 uaddr, u32 *val) __must_check;
/* Two buckets, in the order of their addresses; they may be one. */
void futex_lock_both(struct futex_bucket *a, struct futex_bucket *b) ACQUIRES(a->lock, b->lock);
void futex_unlock_both(struct futex_bucket *a, struct futex_bucket *b) RELEASES(a->lock, b->lock);
/* Queues w if the word is still val, and sets the state for a sleep. KERR(EAGAIN): it is not. KERR(EFAULT). */
kerr_t futex_queue_if(struct futex_waiter *w, u64 uaddr, u32 val) __must_check;
/* Off the queue; true if a waker was first. */
bool futex_unqueue(struct futex_waiter *w);

/* --- futex_pi.c --- */
long futex_lock_pi(u64 uaddr, bool shared, ktime_t deadline, bool try);
long futex_unlock_pi(u64 uaddr, bool shared);
long futex_wait_requeue_pi(u64 uaddr, bool shared, u32 val, ktime_t deadline, u64 uaddr2);
long futex_cmp_requeue_pi(u64 uaddr, u64 uaddr2, bool shared, unsigned nwake, unsigned nmove, u32 expected);
bool futex_pi_is_lock(struct futex_bucket *b, const struct futex_key *key); /* tasks wait for such a lock there. Bucket locked */
void futex_pi_exit(struct task *t); /* t ends: the locks it holds go to who waits for them */
