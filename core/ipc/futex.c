/* SPDX-License-Identifier: MIT */
/*
 * futex(2): waiting on a word of user memory, and robust lists (get_robust_list(2), set_robust_list(2)).
 *
 * A word is named by a key: (mm, address) if it is private, or lies in private memory; (inode, offset) in shared memory. A hash of buckets holds the
 * waiters of all keys; a bucket's spinlock makes "compare the word, then queue" one step against wakers. The word is read with page faults off
 * under it; if that fails it is faulted in outside and tried again.
 *
 * A waiter lies on its own stack. A waker unlinks it and then sets `woken`: after that it may be gone, so its task is referenced before.
 * Locks with priority inheritance: futex_pi.c.
 */
#include "futex_priv.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_REQUEUE 3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP 5
#define FUTEX_LOCK_PI 6
#define FUTEX_UNLOCK_PI 7
#define FUTEX_TRYLOCK_PI 8
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_WAIT_REQUEUE_PI 11
#define FUTEX_CMP_REQUEUE_PI 12
#define FUTEX_LOCK_PI2 13
#define FUTEX_PRIVATE_FLAG 128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_BITSET_ANY 0xffffffffu

kerr_t futex_init(void)
{
	struct proc_state *s = &kernel()->proc;

	for (unsigned i = 0; i < FUTEX_HASH_SIZE; i++) {
		spin_init(&s->futex[i].lock, RANK_FUTEX, "futex");
		list_init(&s->futex[i].waiters);
		list_init(&s->futex[i].pi_locks);
	}
	spin_init(&s->pi_lock, RANK_PI, "futex pi");
	return KERR(0);
}

/* ---------------------------------------------------------------- keys */

static kerr_t shared_key(struct mm *mm, uaddr_t addr, struct futex_key *key)
{
	kerr_t err = KERR(0);
	struct vma *v;

	rwsem_read_lock(&mm->lock);
	v = vma_find(mm, addr);
	if (!v || v->start > addr) {
		err = KERR(EFAULT);
	} else if ((v->flags & VM_SHARED) && v->file) {
		key->inode = inode_get(v->file->inode);
		key->object = key->inode;
		key->offset = ((u64)v->pgoff << PAGE_SHIFT) + (addr - v->start);
	}
	rwsem_read_unlock(&mm->lock);
	return err;
}

kerr_t futex_key_make(u64 uaddr, bool shared, struct futex_key *key)
{
	struct mm *mm = hal_current()->mm;

	if (uaddr & 3)
		return KERR(EINVAL);
	if (uaddr >= HAL_USER_END || !mm)
		return KERR(EFAULT);
	key->object = mm;
	key->offset = uaddr;
	key->inode = NULL;
	return shared && !mm->host ? shared_key(mm, (uaddr_t)uaddr, key) : KERR(0);
}

void futex_key_put(struct futex_key *key)
{
	if (key->inode)
		inode_put(key->inode);
}

kerr_t futex_load_locked(u64 uaddr, u32 *val)
{
	kerr_t err;

	pagefault_disable();
	err = hal_user_load(futex_word(uaddr), val);
	pagefault_enable();
	return err;
}

/* ---------------------------------------------------------------- waking */

/* Bucket locked. w may be gone after. */
static void wake_waiter(struct futex_waiter *w)
{
	struct task *t = task_get(w->task);

	list_del(&w->node);
	store_release(&w->woken, true);
	task_wake(t, TASK_INTERRUPTIBLE);
	task_put(t);
}

/* How many, or -EINVAL: those who wait for a lock, or shall, are not to be woken so. */
static long wake_locked(struct futex_bucket *b, const struct futex_key *key, unsigned n, u32 bitset)
{
	struct futex_waiter *w, *next;
	unsigned woken = 0;

	if (unlikely(!list_empty(&b->pi_locks)) && futex_pi_is_lock(b, key))
		return -EINVAL;
	list_for_each_safe(w, next, &b->waiters, node) {
		if (woken >= n)
			break;
		if (!futex_key_equal(&w->key, key))
			continue;
		if (unlikely(w->pi != NULL))
			return -EINVAL;
		if (w->bitset & bitset) {
			wake_waiter(w);
			woken++;
		}
	}
	return (long)woken;
}

static long wake(u64 uaddr, bool shared, unsigned n, u32 bitset)
{
	struct futex_bucket *b;
	struct futex_key key;
	kerr_t err;
	long ret;

	if (!bitset)
		return -EINVAL;
	err = futex_key_make(uaddr, shared, &key);
	if (err)
		return kerr_code(err);
	b = futex_bucket_of(&key);
	/* A waiter queues before it reads the word a last time, and the caller changed the word before: an empty bucket has nobody to lose. */
	memory_barrier();
	if (load_relaxed(&b->waiters.next) == &b->waiters && load_relaxed(&b->pi_locks.next) == &b->pi_locks) {
		futex_key_put(&key);
		return 0;
	}
	spin_lock(&b->lock);
	ret = wake_locked(b, &key, n, bitset);
	spin_unlock(&b->lock);
	futex_key_put(&key);
	return ret;
}

long futex_wake_addr(u64 uaddr, unsigned n, bool shared)
{
	return wake(uaddr, shared, n, FUTEX_BITSET_ANY);
}

/* ---------------------------------------------------------------- waiting */

static struct futex_bucket *waiter_lock(struct futex_waiter *w) NO_LOCK_ANALYSIS
{
	for (;;) {
		struct futex_bucket *b = load_acquire(&w->bucket);

		spin_lock(&b->lock);
		if (b == load_relaxed(&w->bucket))
			return b;
		spin_unlock(&b->lock); /* requeued in between */
	}
}

kerr_t futex_queue_if(struct futex_waiter *w, u64 uaddr, u32 val)
{
	struct futex_bucket *b = futex_bucket_of(&w->key);

	w->bucket = b;
	for (;;) {
		u32 now;

		spin_lock(&b->lock);
		list_add_tail(&b->waiters, &w->node);
		memory_barrier(); /* see wake() */
		if (!futex_load_locked(uaddr, &now)) {
			if (now != val) {
				list_del(&w->node);
				spin_unlock(&b->lock);
				return KERR(EAGAIN);
			}
			task_set_state(TASK_INTERRUPTIBLE);
			spin_unlock(&b->lock);
			return KERR(0);
		}
		list_del(&w->node);
		spin_unlock(&b->lock);
		if (hal_user_load(futex_word(uaddr), &now))
			return KERR(EFAULT);
	}
}

bool futex_unqueue(struct futex_waiter *w)
{
	struct futex_bucket *b;
	bool woken;

	if (load_acquire(&w->woken))
		return true;
	b = waiter_lock(w);
	assert_held(&b->lock);
	woken = w->woken;
	if (!woken)
		list_del(&w->node);
	spin_unlock(&b->lock);
	return woken;
}

static long wait_restart(struct restart_info *r);

static long do_futex_wait(u64 uaddr, bool shared, u32 val, u32 bitset, ktime_t deadline, bool absolute)
{
	struct futex_waiter w = { .task = hal_current(), .bitset = bitset };
	struct restart_info *r = &hal_current()->restart;
	bool late = false;
	kerr_t err;
	long ret = 0;

	if (!bitset)
		return -EINVAL;
	err = futex_key_make(uaddr, shared, &w.key);
	if (err)
		return kerr_code(err);
	err = futex_queue_if(&w, uaddr, val);
	if (err) {
		futex_key_put(&w.key);
		return kerr_code(err);
	}
	while (!load_acquire(&w.woken) && !late && !task_signal_pending()) {
		late = schedule_until(deadline);
		task_set_state(TASK_INTERRUPTIBLE);
	}
	task_set_state(TASK_RUNNING);
	if (!futex_unqueue(&w)) {
		ret = late ? -ETIMEDOUT : -ERESTARTSYS;
		if (!late && deadline != S64_MAX && !absolute) {
			r->fn = wait_restart;
			r->arg[0] = uaddr;
			r->arg[1] = (u64)val | (u64)bitset << 32;
			r->arg[2] = (u64)deadline;
			r->arg[3] = shared;
			ret = -ERESTART_RESTARTBLOCK;
		}
	}
	futex_key_put(&w.key);
	return ret;
}

/* Off all queues; the first that was woken, or -1. */
static long unqueue_all(struct futex_waiter *w, unsigned n)
{
	long woken = -1;

	for (unsigned i = 0; i < n; i++) {
		if (futex_unqueue(&w[i]) && woken < 0)
			woken = (long)i;
		futex_key_put(&w[i].key);
	}
	return woken;
}

static bool any_woken(const struct futex_waiter *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (load_acquire(&w[i].woken))
			return true;
	return false;
}

long do_futex_waitv(const struct futex_vec *vec, unsigned n, ktime_t deadline)
{
	struct futex_waiter *w = kzalloc(n * sizeof(*w), GFP_KERNEL);
	unsigned queued = 0;
	bool late = false;
	kerr_t err = KERR(0);
	long ret;

	if (!w)
		return -ENOMEM;
	while (queued < n && !err) {
		struct futex_waiter *x = &w[queued];

		x->task = hal_current();
		x->bitset = FUTEX_BITSET_ANY;
		err = futex_key_make(vec[queued].uaddr, !(vec[queued].flags & FUTEX_PRIVATE_FLAG), &x->key);
		if (err)
			break;
		err = futex_queue_if(x, vec[queued].uaddr, (u32)vec[queued].val);
		if (err)
			futex_key_put(&x->key);
		else
			queued++;
	}
	while (!err) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (any_woken(w, n) || late || task_signal_pending())
			break;
		late = schedule_until(deadline);
	}
	task_set_state(TASK_RUNNING);
	ret = unqueue_all(w, queued);
	kfree(w);
	if (ret >= 0)
		return ret;
	return err ? kerr_code(err) : late ? -ETIMEDOUT : -ERESTARTSYS;
}

static long wait_restart(struct restart_info *r)
{
	return do_futex_wait(r->arg[0], r->arg[3], (u32)r->arg[1], (u32)(r->arg[1] >> 32), (ktime_t)r->arg[2], false);
}

/* ---------------------------------------------------------------- two words */

void futex_lock_both(struct futex_bucket *a, struct futex_bucket *b) NO_LOCK_ANALYSIS
{
	if (a == b) {
		spin_lock(&a->lock);
		return;
	}
	spin_lock(a < b ? &a->lock : &b->lock);
	spin_lock_nested(a < b ? &b->lock : &a->lock);
}

void futex_unlock_both(struct futex_bucket *a, struct futex_bucket *b) NO_LOCK_ANALYSIS
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

/*
 * Both buckets locked. The waiter keeps the inode reference it took, and takes none on the new one: keys are only compared, and a stale match would be a
 * spurious wake-up, which futex(2) allows.
 */
static void move_waiter(struct futex_waiter *w, struct futex_bucket *b, const struct futex_key *to)
{
	w->key.object = to->object;
	w->key.offset = to->offset;
	list_move_tail(&b->waiters, &w->node);
	store_release(&w->bucket, b);
}

static long requeue_locked(struct futex_bucket *b1, const struct futex_key *k1, struct futex_bucket *b2, const struct futex_key *k2, unsigned nwake,
			   unsigned nmove)
{
	struct futex_waiter *w, *next;
	unsigned woken = 0, moved = 0;

	list_for_each_safe(w, next, &b1->waiters, node) {
		if (!futex_key_equal(&w->key, k1))
			continue;
		if (w->pi)
			return -EINVAL;
		if (woken < nwake) {
			wake_waiter(w);
			woken++;
		} else if (moved < nmove) {
			move_waiter(w, b2, k2);
			moved++;
		} else {
			break;
		}
	}
	return (long)(woken + moved);
}

/* The keys of two words; both are to be put. */
static kerr_t keys_make(u64 uaddr, u64 uaddr2, bool shared, struct futex_key *k1, struct futex_key *k2)
{
	kerr_t err = futex_key_make(uaddr, shared, k1);

	if (err)
		return err;
	err = futex_key_make(uaddr2, shared, k2);
	if (err)
		futex_key_put(k1);
	return err;
}

static long requeue(u64 uaddr, u64 uaddr2, bool shared, unsigned nwake, unsigned nmove, const u32 *expected)
{
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	kerr_t err;
	long ret;

	if ((int)nwake < 0 || (int)nmove < 0)
		return -EINVAL;
	err = keys_make(uaddr, uaddr2, shared, &k1, &k2);
	if (err)
		return kerr_code(err);
	b1 = futex_bucket_of(&k1);
	b2 = futex_bucket_of(&k2);
	for (;;) {
		u32 now;

		futex_lock_both(b1, b2);
		if (!expected || !futex_load_locked(uaddr, &now)) {
			ret = expected && now != *expected ? -EAGAIN : requeue_locked(b1, &k1, b2, &k2, nwake, nmove);
			futex_unlock_both(b1, b2);
			break;
		}
		futex_unlock_both(b1, b2);
		if (hal_user_load(futex_word(uaddr), &now)) {
			ret = -EFAULT;
			break;
		}
	}
	futex_key_put(&k1);
	futex_key_put(&k2);
	return ret;
}

static bool wake_op_holds(u32 cmp, u32 old, u32 arg, bool *ok)
{
	*ok = true;
	switch (cmp) {
	case 0:
		return old == arg;
	case 1:
		return old != arg;
	case 2:
		return (s32)old < (s32)arg;
	case 3:
		return (s32)old <= (s32)arg;
	case 4:
		return (s32)old > (s32)arg;
	case 5:
		return (s32)old >= (s32)arg;
	default:
		*ok = false;
		return false;
	}
}

/* Both operands of FUTEX_WAKE_OP are signed 12-bit fields. */
static u32 field12(u32 code, unsigned shift)
{
	return (u32)((s32)(code << (20 - shift)) >> 20);
}

static long wake_op(u64 uaddr, u64 uaddr2, bool shared, unsigned n1, unsigned n2, u32 code)
{
	static const u8 ops[] = { HAL_USER_SET, HAL_USER_ADD, HAL_USER_OR, HAL_USER_ANDN, HAL_USER_XOR };
	u32 op = (code >> 28) & 7, cmp = (code >> 24) & 15, oparg = field12(code, 12), cmparg = field12(code, 0), old;
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	bool holds, ok;
	kerr_t err;
	long ret;

	if (code & 0x80000000u)
		oparg = 1u << (oparg & 31);
	if (op >= ARRAY_SIZE(ops))
		return -ENOSYS;
	(void)wake_op_holds(cmp, 0, 0, &ok);
	if (!ok)
		return -ENOSYS;
	err = keys_make(uaddr, uaddr2, shared, &k1, &k2);
	if (err)
		return kerr_code(err);
	b1 = futex_bucket_of(&k1);
	b2 = futex_bucket_of(&k2);
	for (;;) {
		futex_lock_both(b1, b2);
		pagefault_disable();
		err = hal_user_atomic(futex_word(uaddr2), (enum hal_user_op)ops[op], oparg, &old);
		pagefault_enable();
		if (!err)
			break;
		futex_unlock_both(b1, b2);
		/* For writing: a private copy may have to be made. */
		if (hal_user_atomic(futex_word(uaddr2), HAL_USER_OR, 0, &old)) {
			futex_key_put(&k1);
			futex_key_put(&k2);
			return -EFAULT;
		}
	}
	holds = wake_op_holds(cmp, old, cmparg, &ok);
	ret = wake_locked(b1, &k1, n1, FUTEX_BITSET_ANY);
	if (holds && ret >= 0) {
		long more = wake_locked(b2, &k2, n2, FUTEX_BITSET_ANY);

		ret = more < 0 ? more : ret + more;
	}
	futex_unlock_both(b1, b2);
	futex_key_put(&k1);
	futex_key_put(&k2);
	return ret;
}

/* deadline: absolute hal_time_ns(). */
long do_futex(u64 uaddr, int op, u32 val, ktime_t deadline, bool has_timeout, u64 uaddr2, u32 val2, u32 val3)
{
	bool shared = !(op & FUTEX_PRIVATE_FLAG);
	int cmd = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

	if (!has_timeout)
		deadline = S64_MAX;
	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_WAIT_REQUEUE_PI && cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	switch (cmd) {
	case FUTEX_WAIT:
		return do_futex_wait(uaddr, shared, val, FUTEX_BITSET_ANY, deadline, false);
	case FUTEX_WAIT_BITSET:
		return do_futex_wait(uaddr, shared, val, val3, deadline, true);
	case FUTEX_WAKE:
		return wake(uaddr, shared, val, FUTEX_BITSET_ANY);
	case FUTEX_WAKE_BITSET:
		return wake(uaddr, shared, val, val3);
	case FUTEX_REQUEUE:
		return requeue(uaddr, uaddr2, shared, val, val2, NULL);
	case FUTEX_CMP_REQUEUE:
		return requeue(uaddr, uaddr2, shared, val, val2, &val3);
	case FUTEX_WAKE_OP:
		return wake_op(uaddr, uaddr2, shared, val, val2, val3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return futex_lock_pi(uaddr, shared, deadline, false);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(uaddr, shared, S64_MAX, true);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(uaddr, shared);
	case FUTEX_WAIT_REQUEUE_PI:
		return futex_wait_requeue_pi(uaddr, shared, val, deadline, uaddr2);
	case FUTEX_CMP_REQUEUE_PI:
		return futex_cmp_requeue_pi(uaddr, uaddr2, shared, val, val2, val3);
	default:
		return -ENOSYS;
	}
}

/* ---------------------------------------------------------------- the end of a thread */

/* struct robust_list_head, in the program's words. */
struct robust_head {
	unsigned long next;
	long offset;
	unsigned long pending;
};
#define ROBUST_LIMIT 2048

/* The lock at addr belonged to t, if the word says so: marks the owner dead and wakes one waiter. pi: futex_pi_exit() finds the next owner. */
static kerr_t robust_death(struct task *t, u64 addr, bool pending, bool pi)
{
	u32 val, old;

	if ((addr & 3) || hal_user_load(futex_word(addr), &val))
		return KERR(EFAULT);
	for (;;) {
		if (pending && !pi && !(val & FUTEX_TID_MASK)) { /* unlocked, and died before the wake-up */
			(void)futex_wake_addr(addr, 1, true);
			return KERR(0);
		}
		if ((val & FUTEX_TID_MASK) != (u32)t->tid)
			return KERR(0);
		if (hal_user_cmpxchg(futex_word(addr), val, (val & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &old))
			return KERR(EFAULT);
		if (old == val)
			break;
		val = old;
	}
	if (!pi && (val & FUTEX_WAITERS))
		(void)futex_wake_addr(addr, 1, true);
	return KERR(0);
}

static void walk_robust_list(struct task *t)
{
	unsigned long head = (unsigned long)t->robust_list_head, entry; /* with bit 0: a PI lock's */
	struct robust_head h;

	if (copy_in(&h, (const struct robust_head __user *)head))
		return;
	entry = h.next;
	for (unsigned i = 0; i < ROBUST_LIMIT && (entry & ~1UL) != head; i++) {
		unsigned long next;
		bool last = copy_in(&next, (const unsigned long __user *)(entry & ~1UL)) != KERR(0);

		if ((entry & ~1UL) != (h.pending & ~1UL) && robust_death(t, (entry & ~1UL) + (unsigned long)h.offset, false, entry & 1))
			return;
		if (last)
			return;
		entry = next;
		cond_resched();
	}
	if (h.pending)
		(void)!robust_death(t, (h.pending & ~1UL) + (unsigned long)h.offset, true, h.pending & 1);
}

void futex_exit_robust(struct task *t)
{
	if (!t->mm || t->mm->host)
		return;
	if (t->robust_list_head)
		walk_robust_list(t);
	t->robust_list_head = 0;
	futex_pi_exit(t);
	/* With a second user of the memory: somebody may wait in pthread_join(). */
	if (t->clear_child_tid_ptr && atomic_read(&t->mm->users) > 1) {
		if (!put_user((u32)0, futex_word(t->clear_child_tid_ptr)))
			(void)futex_wake_addr(t->clear_child_tid_ptr, 1, true);
	}
	t->clear_child_tid_ptr = 0;
}
