/* SPDX-License-Identifier: MIT */
/*
 * futex(2): waiting on a word of user memory, and robust lists (get_robust_list(2), set_robust_list(2)).
 *
 * A word is named by a key: (mm, address) if it is private, or lies in private memory; (inode, offset) in shared memory. A hash of buckets holds the
 * waiters of all keys; a bucket's spinlock makes "compare the word, then queue" one step against wakers. The word is read with page faults off
 * under it; if that fails it is faulted in outside and tried again.
 *
 * A waiter lies on its own stack. A waker unlinks it and then sets `woken`: after that it may be gone, so its task is referenced before.
 * The priority-inheritance operations are not there: ENOSYS.
 */
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

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_REQUEUE 3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP 5
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_PRIVATE_FLAG 128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_BITSET_ANY 0xffffffffu
#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK 0x3fffffffu

struct futex_key {
	const void *object; /* mm or inode */
	u64 offset;
	struct inode *inode; /* a reference to put, or NULL */
};

struct futex_waiter {
	struct list node; /* [bucket lock] */
	struct task *task;
	struct futex_key key; /* [bucket lock] requeueing changes it */
	struct futex_bucket *bucket; /* [a] changes under both buckets' locks */
	u32 bitset;
	bool woken; /* [a] the waker's last store */
};

kerr_t futex_init(void)
{
	struct proc_state *s = &kernel()->proc;

	for (unsigned i = 0; i < FUTEX_HASH_SIZE; i++) {
		spin_init(&s->futex[i].lock, RANK_FUTEX, "futex");
		list_init(&s->futex[i].waiters);
	}
	return KERR(0);
}

/* ---------------------------------------------------------------- keys */

static struct futex_bucket *bucket_of(const struct futex_key *k)
{
	u32 h = hash_u32(hash_ptr(k->object) + (u32)(k->offset >> 2));

	return &kernel()->proc.futex[h >> (32 - FUTEX_HASH_BITS)];
}

static bool key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->object == b->object && a->offset == b->offset;
}

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

static kerr_t key_make(u64 uaddr, bool shared, struct futex_key *key)
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

static void key_put(struct futex_key *key)
{
	if (key->inode)
		inode_put(key->inode);
}

static u32 __user *word(u64 uaddr)
{
	return (u32 __user *)(uaddr_t)uaddr;
}

/* Under a bucket's lock. KERR(EFAULT): the page is not there; fault it in without the lock. */
static kerr_t load_locked(u64 uaddr, u32 *val)
{
	kerr_t err;

	pagefault_disable();
	err = hal_user_load(word(uaddr), val);
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

static unsigned wake_locked(struct futex_bucket *b, const struct futex_key *key, unsigned n, u32 bitset)
{
	struct futex_waiter *w, *next;
	unsigned woken = 0;

	list_for_each_safe(w, next, &b->waiters, node) {
		if (woken >= n)
			break;
		if (key_equal(&w->key, key) && (w->bitset & bitset)) {
			wake_waiter(w);
			woken++;
		}
	}
	return woken;
}

static long wake(u64 uaddr, bool shared, unsigned n, u32 bitset)
{
	struct futex_bucket *b;
	struct futex_key key;
	kerr_t err;
	long ret;

	if (!bitset)
		return -EINVAL;
	err = key_make(uaddr, shared, &key);
	if (err)
		return kerr_code(err);
	b = bucket_of(&key);
	/* A waiter queues before it reads the word a last time, and the caller changed the word before: an empty bucket has nobody to lose. */
	memory_barrier();
	if (load_relaxed(&b->waiters.next) == &b->waiters) {
		key_put(&key);
		return 0;
	}
	spin_lock(&b->lock);
	ret = (long)wake_locked(b, &key, n, bitset);
	spin_unlock(&b->lock);
	key_put(&key);
	return ret;
}

long futex_wake_addr(u64 uaddr, unsigned n, bool shared)
{
	return wake(uaddr, shared, n, FUTEX_BITSET_ANY);
}

/* ---------------------------------------------------------------- waiting */

static struct futex_bucket *waiter_lock(struct futex_waiter *w)
{
	for (;;) {
		struct futex_bucket *b = load_acquire(&w->bucket);

		spin_lock(&b->lock);
		if (b == load_relaxed(&w->bucket))
			return b;
		spin_unlock(&b->lock); /* requeued in between */
	}
}

/* Queues w if the word is still val. KERR(EAGAIN): it is not. */
static kerr_t queue_if(struct futex_waiter *w, u64 uaddr, u32 val)
{
	struct futex_bucket *b = bucket_of(&w->key);

	w->bucket = b;
	for (;;) {
		u32 now;

		spin_lock(&b->lock);
		list_add_tail(&b->waiters, &w->node);
		memory_barrier(); /* see wake() */
		if (!load_locked(uaddr, &now)) {
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
		if (hal_user_load(word(uaddr), &now))
			return KERR(EFAULT);
	}
}

/* Off the queue; true if a waker was first. */
static bool unqueue(struct futex_waiter *w)
{
	struct futex_bucket *b;
	bool woken;

	if (load_acquire(&w->woken))
		return true;
	b = waiter_lock(w);
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
	err = key_make(uaddr, shared, &w.key);
	if (err)
		return kerr_code(err);
	err = queue_if(&w, uaddr, val);
	if (err) {
		key_put(&w.key);
		return kerr_code(err);
	}
	while (!load_acquire(&w.woken) && !late && !task_signal_pending()) {
		late = schedule_until(deadline);
		task_set_state(TASK_INTERRUPTIBLE);
	}
	task_set_state(TASK_RUNNING);
	if (!unqueue(&w)) {
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
	key_put(&w.key);
	return ret;
}

/* Off all queues; the first that was woken, or -1. */
static long unqueue_all(struct futex_waiter *w, unsigned n)
{
	long woken = -1;

	for (unsigned i = 0; i < n; i++) {
		if (unqueue(&w[i]) && woken < 0)
			woken = (long)i;
		key_put(&w[i].key);
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
		err = key_make(vec[queued].uaddr, !(vec[queued].flags & FUTEX_PRIVATE_FLAG), &x->key);
		if (err)
			break;
		err = queue_if(x, vec[queued].uaddr, (u32)vec[queued].val);
		if (err)
			key_put(&x->key);
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

static void lock_both(struct futex_bucket *a, struct futex_bucket *b)
{
	if (a == b) {
		spin_lock(&a->lock);
		return;
	}
	spin_lock(a < b ? &a->lock : &b->lock);
	spin_lock_nested(a < b ? &b->lock : &a->lock);
}

static void unlock_both(struct futex_bucket *a, struct futex_bucket *b)
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
		if (!key_equal(&w->key, k1))
			continue;
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

static long requeue(u64 uaddr, u64 uaddr2, bool shared, unsigned nwake, unsigned nmove, const u32 *expected)
{
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	kerr_t err;
	long ret;

	if ((int)nwake < 0 || (int)nmove < 0)
		return -EINVAL;
	err = key_make(uaddr, shared, &k1);
	if (err)
		return kerr_code(err);
	err = key_make(uaddr2, shared, &k2);
	if (err) {
		key_put(&k1);
		return kerr_code(err);
	}
	b1 = bucket_of(&k1);
	b2 = bucket_of(&k2);
	for (;;) {
		u32 now;

		lock_both(b1, b2);
		if (!expected || !load_locked(uaddr, &now)) {
			ret = expected && now != *expected ? -EAGAIN : requeue_locked(b1, &k1, b2, &k2, nwake, nmove);
			unlock_both(b1, b2);
			break;
		}
		unlock_both(b1, b2);
		if (hal_user_load(word(uaddr), &now)) {
			ret = -EFAULT;
			break;
		}
	}
	key_put(&k1);
	key_put(&k2);
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
	err = key_make(uaddr, shared, &k1);
	if (err)
		return kerr_code(err);
	err = key_make(uaddr2, shared, &k2);
	if (err) {
		key_put(&k1);
		return kerr_code(err);
	}
	b1 = bucket_of(&k1);
	b2 = bucket_of(&k2);
	for (;;) {
		lock_both(b1, b2);
		pagefault_disable();
		err = hal_user_atomic(word(uaddr2), (enum hal_user_op)ops[op], oparg, &old);
		pagefault_enable();
		if (!err)
			break;
		unlock_both(b1, b2);
		/* For writing: a private copy may have to be made. */
		if (hal_user_atomic(word(uaddr2), HAL_USER_OR, 0, &old)) {
			key_put(&k1);
			key_put(&k2);
			return -EFAULT;
		}
	}
	holds = wake_op_holds(cmp, old, cmparg, &ok);
	ret = (long)wake_locked(b1, &k1, n1, FUTEX_BITSET_ANY);
	if (holds)
		ret += (long)wake_locked(b2, &k2, n2, FUTEX_BITSET_ANY);
	unlock_both(b1, b2);
	key_put(&k1);
	key_put(&k2);
	return ret;
}

/* deadline: absolute hal_time_ns(). */
long do_futex(u64 uaddr, int op, u32 val, ktime_t deadline, bool has_timeout, u64 uaddr2, u32 val2, u32 val3)
{
	bool shared = !(op & FUTEX_PRIVATE_FLAG);
	int cmd = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

	if (!has_timeout)
		deadline = S64_MAX;
	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET)
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

/* The lock at addr belonged to t, if the word says so: marks the owner dead and wakes one waiter. */
static kerr_t robust_death(struct task *t, u64 addr, bool pending)
{
	u32 val, old;

	if ((addr & 3) || hal_user_load(word(addr), &val))
		return KERR(EFAULT);
	for (;;) {
		if (pending && !(val & FUTEX_TID_MASK)) { /* unlocked, and died before the wake-up */
			(void)futex_wake_addr(addr, 1, true);
			return KERR(0);
		}
		if ((val & FUTEX_TID_MASK) != (u32)t->tid)
			return KERR(0);
		if (hal_user_cmpxchg(word(addr), val, (val & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &old))
			return KERR(EFAULT);
		if (old == val)
			break;
		val = old;
	}
	if (val & FUTEX_WAITERS)
		(void)futex_wake_addr(addr, 1, true);
	return KERR(0);
}

static void walk_robust_list(struct task *t)
{
	unsigned long head = (unsigned long)t->robust_list_head, entry;
	struct robust_head h;

	if (copy_in(&h, (const struct robust_head __user *)head))
		return;
	entry = h.next & ~1UL; /* bit 0: a PI lock */
	for (unsigned i = 0; i < ROBUST_LIMIT && entry != head; i++) {
		unsigned long next;
		bool last = copy_in(&next, (const unsigned long __user *)entry) != KERR(0);

		if (entry != (h.pending & ~1UL) && robust_death(t, entry + (unsigned long)h.offset, false))
			return;
		if (last)
			return;
		entry = next & ~1UL;
		cond_resched();
	}
	if (h.pending)
		(void)!robust_death(t, (h.pending & ~1UL) + (unsigned long)h.offset, true);
}

void futex_exit_robust(struct task *t)
{
	if (!t->mm || t->mm->host)
		return;
	if (t->robust_list_head)
		walk_robust_list(t);
	t->robust_list_head = 0;
	/* With a second user of the memory: somebody may wait in pthread_join(). */
	if (t->clear_child_tid_ptr && atomic_read(&t->mm->users) > 1) {
		if (!put_user((u32)0, word(t->clear_child_tid_ptr)))
			(void)futex_wake_addr(t->clear_child_tid_ptr, 1, true);
	}
	t->clear_child_tid_ptr = 0;
}
