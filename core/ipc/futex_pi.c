/* SPDX-License-Identifier: MIT */
/*
 * futex(2) with priority inheritance: FUTEX_LOCK_PI, UNLOCK_PI, TRYLOCK_PI, LOCK_PI2, WAIT_REQUEUE_PI, CMP_REQUEUE_PI.
 *
 * The word holds the owner's tid. While tasks wait in the kernel there is a struct pi_lock for it in its bucket; it knows the owner and the waiters, best
 * priority first. The owner runs with the best priority of all who wait for any of its locks; if it waits for a lock itself, the owner of that one
 * inherits in turn. An unlock hands the lock over: the word gets the new owner's tid, and the waiter wakes with the lock. When an owner dies, the first
 * waiter gets the lock and repairs the word itself, since only it is sure to have it mapped; until then the pi_lock stays (`repairs`).
 *
 * Locking: the bucket's lock, then proc.pi_lock, one for all chains. Owners are looked up by tid before any of them, so words are read twice.
 */
#include "futex_priv.h"

#define CHAIN_MAX 1024

struct pi_lock {
	struct list node; /* [bucket lock] in bucket.pi_locks */
	struct futex_key key; /* [c] compared only */
	/* [pi_lock] */
	struct task *owner; /* a reference */
	struct list owner_node; /* in owner.pi_owned */
	struct list waiters; /* struct pi_waiter, best first, then oldest */
	unsigned repairs; /* new owners that have yet to write the word */
};

struct pi_waiter { /* on the waiter's stack */
	struct list node; /* [pi_lock] */
	struct task *task;
	struct pi_lock *lock; /* [pi_lock] what it waits for, or got and must repair */
	unsigned priority; /* [pi_lock] real-time priority it is sorted by */
	const struct futex_key *key2; /* WAIT_REQUEUE_PI: the lock it wants in the end */
	bool repair; /* the word still names the dead owner */
	bool granted; /* [a] the giver's last store */
};

static struct spinlock *pi_spin(void)
{
	return &kernel()->proc.pi_lock;
}

/* ---------------------------------------------------------------- priorities, all under pi_lock */

static void insert_by_priority(struct pi_lock *l, struct pi_waiter *w)
{
	struct list *at = l->waiters.prev;

	w->priority = load_relaxed(&w->task->se.rt_priority);
	while (at != &l->waiters && list_entry(at, struct pi_waiter, node)->priority < w->priority)
		at = at->prev;
	list_add(at, &w->node);
}

static unsigned inherited(const struct task *t)
{
	const struct pi_lock *l;
	unsigned best = 0;

	list_for_each(l, &t->pi_owned, owner_node)
		if (!list_empty(&l->waiters))
			best = MAX(best, list_first(&l->waiters, struct pi_waiter, node)->priority);
	return best;
}

/* What t inherits changed: it, and who it waits for. */
static void propagate(struct task *t)
{
	for (unsigned i = 0; t && i < CHAIN_MAX; i++) {
		struct pi_waiter *w = t->pi_blocked;

		sched_inherit(t, inherited(t));
		if (!w || w->priority == load_relaxed(&t->se.rt_priority))
			return;
		list_del(&w->node);
		insert_by_priority(w->lock, w);
		t = w->lock->owner;
	}
}

void futex_pi_priority_changed(struct task *t)
{
	spin_lock(pi_spin());
	if (t->pi_blocked)
		propagate(t);
	spin_unlock(pi_spin());
}

/* Does owner wait, over however many locks, for t? */
static bool waits_for(const struct task *owner, const struct task *t)
{
	for (unsigned i = 0; owner && i < CHAIN_MAX; i++) {
		if (owner == t)
			return true;
		owner = owner->pi_blocked ? owner->pi_blocked->lock->owner : NULL;
	}
	return owner != NULL;
}

static void set_owner(struct pi_lock *l, struct task *t)
{
	struct task *old = l->owner;

	if (old)
		list_del(&l->owner_node);
	l->owner = t ? task_get(t) : NULL;
	if (t)
		list_add_tail(&t->pi_owned, &l->owner_node);
	if (old) {
		propagate(old);
		task_put(old);
	}
}

/* ---------------------------------------------------------------- locks, bucket locked */

static struct pi_lock *find_lock(struct futex_bucket *b, const struct futex_key *key)
{
	struct pi_lock *l;

	list_for_each(l, &b->pi_locks, node)
		if (futex_key_equal(&l->key, key))
			return l;
	return NULL;
}

bool futex_pi_is_lock(struct futex_bucket *b, const struct futex_key *key)
{
	return find_lock(b, key) != NULL;
}

/* Without waiters and repairs there is nothing for the kernel to know. pi_lock held too. Returns what to free. */
static struct pi_lock *drop_if_idle(struct pi_lock *l)
{
	if (!list_empty(&l->waiters) || l->repairs)
		return NULL;
	list_del(&l->node);
	set_owner(l, NULL);
	return l;
}

static struct pi_lock *lock_init(struct futex_bucket *b, struct pi_lock *l, const struct futex_key *key)
{
	l->key = *key;
	list_init(&l->waiters);
	list_init(&l->owner_node);
	list_add_tail(&b->pi_locks, &l->node);
	return l;
}

static kerr_t word_cmpxchg_locked(u64 uaddr, u32 expected, u32 desired)
{
	u32 old;
	kerr_t err;

	pagefault_disable();
	err = hal_user_cmpxchg(futex_word(uaddr), expected, desired, &old);
	pagefault_enable();
	return err ? err : old == expected ? KERR(0) : KERR(EAGAIN);
}

/* Makes the word present and writable; no lock held. */
static kerr_t word_fault_in(u64 uaddr)
{
	u32 old;

	return hal_user_atomic(futex_word(uaddr), HAL_USER_OR, 0, &old);
}

/* ---------------------------------------------------------------- taking a lock for a task */

struct attempt {
	u64 uaddr;
	struct futex_key *key;
	struct futex_bucket *bucket;
	struct task *task; /* who wants it */
	u32 seen;	   /* the word as the owner was looked up by */
	struct task *owner; /* of `seen`, referenced; NULL: no such task */
	struct pi_lock *fresh; /* for when none is there yet */
	bool contended;	   /* more tasks will be queued at once: the word says WAITERS from the start */
};
enum { TAKEN = 0, QUEUED = 1 };

/* No lock held: reads the word, and finds its owner. KERR(EFAULT), KERR(ENOMEM). */
static kerr_t attempt_prepare(struct attempt *a)
{
	kerr_t err = hal_user_load(futex_word(a->uaddr), &a->seen);

	if (err)
		return err;
	a->owner = a->seen & FUTEX_TID_MASK ? task_find((pid_t)(a->seen & FUTEX_TID_MASK)) : NULL;
	if (!a->fresh)
		a->fresh = kzalloc(sizeof(*a->fresh), GFP_KERNEL);
	return a->fresh ? KERR(0) : KERR(ENOMEM);
}

static void attempt_release(struct attempt *a)
{
	if (a->owner)
		task_put(a->owner);
	a->owner = NULL;
}

/* The owner the word names must be able to give the lock back. pi_lock held. */
static kerr_t check_owner(const struct attempt *a)
{
	if (!a->owner || a->owner->futex_gone)
		return KERR(ESRCH);
	return a->owner->flags & TASK_KTHREAD ? KERR(EPERM) : KERR(0);
}

/* Waits for the lock behind its owner. pi_lock held. */
static kerr_t enqueue(struct attempt *a, struct pi_lock *l, struct pi_waiter *w)
{
	if (waits_for(l->owner, a->task))
		return KERR(EDEADLK);
	w->task = a->task;
	w->lock = l;
	insert_by_priority(l, w);
	a->task->pi_blocked = w;
	propagate(l->owner);
	return 0;
}

static kerr_t queue_behind(struct attempt *a, struct pi_lock *l, struct pi_waiter *w)
{
	bool made = false;
	kerr_t err = 0;

	spin_lock(pi_spin());
	if (l) {
		if (!l->repairs && (a->seen & FUTEX_TID_MASK) != (u32)l->owner->tid)
			err = KERR(EINVAL);
	} else {
		err = check_owner(a);
		if (!err) {
			l = lock_init(a->bucket, a->fresh, a->key);
			a->fresh = NULL;
			made = true;
			set_owner(l, a->owner);
		}
	}
	if (!err && w)
		err = enqueue(a, l, w);
	if (made)
		a->fresh = drop_if_idle(l); /* only asked, or a deadlock */
	spin_unlock(pi_spin());
	return err;
}

/*
 * Bucket locked. TAKEN, QUEUED (w NULL: it could only be queued), or -errno; -EAGAIN: the word changed, -EFAULT: it is not there: prepare again.
 */
static long attempt_locked(struct attempt *a, struct pi_waiter *w)
{
	struct pi_lock *l = find_lock(a->bucket, a->key);
	u32 tid = (u32)a->task->tid, now;
	kerr_t err = futex_load_locked(a->uaddr, &now);

	if (err)
		return -EFAULT;
	if (now != a->seen)
		return -EAGAIN;
	if ((now & FUTEX_TID_MASK) == tid)
		return -EDEADLK;
	if (!l && !(now & FUTEX_TID_MASK)) {
		err = word_cmpxchg_locked(a->uaddr, now, (now & FUTEX_OWNER_DIED) | tid | (a->contended ? FUTEX_WAITERS : 0));
		return err ? kerr_code(err) : TAKEN;
	}
	if (!(now & FUTEX_WAITERS)) {
		err = word_cmpxchg_locked(a->uaddr, now, now | FUTEX_WAITERS);
		if (err)
			return kerr_code(err);
		a->seen = now | FUTEX_WAITERS;
	}
	err = queue_behind(a, l, w);
	return err ? kerr_code(err) : QUEUED;
}

/* ---------------------------------------------------------------- waiting for it */

/* A new owner after a death writes its name. The pi_lock stays until then, so nobody takes the word for free. */
static long repair(struct pi_waiter *w, u64 uaddr, struct futex_key *key)
{
	struct futex_bucket *b = futex_bucket_of(key);
	struct pi_lock *idle;
	u32 val, old;
	kerr_t err = hal_user_load(futex_word(uaddr), &val);

	while (!err) {
		err = hal_user_cmpxchg(futex_word(uaddr), val, FUTEX_OWNER_DIED | FUTEX_WAITERS | (u32)w->task->tid, &old);
		if (err || old == val)
			break;
		val = old;
	}
	spin_lock(&b->lock);
	spin_lock(pi_spin());
	w->lock->repairs--;
	idle = drop_if_idle(w->lock);
	spin_unlock(pi_spin());
	spin_unlock(&b->lock);
	kfree(idle);
	return kerr_code(err);
}

/* Gives up waiting; true if the lock came first. */
static bool withdraw(struct pi_waiter *w, struct futex_key *key)
{
	struct futex_bucket *b = futex_bucket_of(key);
	struct pi_lock *idle = NULL;
	bool granted;

	spin_lock(&b->lock);
	spin_lock(pi_spin());
	granted = w->granted;
	if (!granted) {
		list_del(&w->node);
		w->task->pi_blocked = NULL;
		if (w->lock->owner)
			propagate(w->lock->owner);
		idle = drop_if_idle(w->lock);
	}
	spin_unlock(pi_spin());
	spin_unlock(&b->lock);
	kfree(idle);
	return granted;
}

/* Sleeps until w has the lock: 0; -ETIMEDOUT; -EINTR for a signal. */
static long sleep_for_lock(struct pi_waiter *w, u64 uaddr, struct futex_key *key, ktime_t deadline)
{
	bool late = false;

	for (;;) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (load_acquire(&w->granted) || late || task_signal_pending())
			break;
		late = schedule_until(deadline);
	}
	task_set_state(TASK_RUNNING);
	if (!load_acquire(&w->granted) && !withdraw(w, key))
		return late ? -ETIMEDOUT : -EINTR;
	return w->repair ? repair(w, uaddr, key) : 0;
}

/* Until the word stands still: TAKEN, QUEUED or -errno. */
static long attempt_run(struct attempt *a, struct pi_waiter *w)
{
	long ret;

	for (;;) {
		kerr_t err = attempt_prepare(a);

		if (!err) {
			spin_lock(&a->bucket->lock);
			ret = attempt_locked(a, w);
			spin_unlock(&a->bucket->lock);
		} else {
			ret = kerr_code(err);
		}
		attempt_release(a);
		if (!err && ret == -EFAULT) {
			err = word_fault_in(a->uaddr);
			ret = err ? -EFAULT : -EAGAIN;
		} else if (ret == -ESRCH) { /* unless it has just written its will */
			u32 now;

			err = hal_user_load(futex_word(a->uaddr), &now);
			ret = !err && now != a->seen ? -EAGAIN : -ESRCH;
		}
		if (ret != -EAGAIN)
			return ret;
		if (task_signal_pending())
			return -ERESTARTNOINTR;
		cond_resched();
	}
}

long futex_lock_pi(u64 uaddr, bool shared, ktime_t deadline, bool try)
{
	struct pi_waiter w = { .granted = false };
	struct attempt a = { .uaddr = uaddr, .task = current };
	struct futex_key key;
	kerr_t err = futex_key_make(uaddr, shared, &key);
	long ret;

	if (err)
		return kerr_code(err);
	a.key = &key;
	a.bucket = futex_bucket_of(&key);
	ret = attempt_run(&a, try ? NULL : &w);
	kfree(a.fresh);
	if (ret == QUEUED)
		ret = try ? -EAGAIN : sleep_for_lock(&w, uaddr, &key, deadline);
	futex_key_put(&key);
	return ret == -EINTR ? -ERESTARTNOINTR : ret;
}

/* ---------------------------------------------------------------- giving it away */

/* To the first waiter, which wakes with it. Bucket and pi_lock held. Returns what to free. */
static struct pi_lock *grant_first(struct pi_lock *l, bool repair_word)
{
	struct pi_waiter *w = list_first(&l->waiters, struct pi_waiter, node);
	struct task *t = task_get(w->task);
	struct pi_lock *idle;

	list_del(&w->node);
	t->pi_blocked = NULL;
	w->repair = repair_word;
	if (repair_word)
		l->repairs++;
	set_owner(l, t);
	propagate(t);
	idle = drop_if_idle(l);
	store_release(&w->granted, true);
	task_wake(t, TASK_INTERRUPTIBLE);
	task_put(t);
	return idle;
}

static long unlock_locked(struct futex_bucket *b, const struct futex_key *key, u64 uaddr, struct pi_lock **idle)
{
	struct pi_lock *l = find_lock(b, key);
	u32 tid = (u32)current->tid, now, next = 0;
	kerr_t err = futex_load_locked(uaddr, &now);

	if (err)
		return -EFAULT;
	if ((now & FUTEX_TID_MASK) != tid)
		return -EPERM;
	spin_lock(pi_spin());
	if (l && l->owner != current)
		err = KERR(EINVAL);
	else if (l && !list_empty(&l->waiters))
		next = FUTEX_WAITERS | (u32)list_first(&l->waiters, struct pi_waiter, node)->task->tid;
	if (!err)
		err = word_cmpxchg_locked(uaddr, now, next);
	if (!err && next)
		*idle = grant_first(l, false);
	spin_unlock(pi_spin());
	return kerr_code(err);
}

long futex_unlock_pi(u64 uaddr, bool shared)
{
	struct futex_bucket *b;
	struct futex_key key;
	kerr_t err = futex_key_make(uaddr, shared, &key);
	long ret;

	if (err)
		return kerr_code(err);
	b = futex_bucket_of(&key);
	for (;;) {
		struct pi_lock *idle = NULL;

		spin_lock(&b->lock);
		ret = unlock_locked(b, &key, uaddr, &idle);
		spin_unlock(&b->lock);
		kfree(idle);
		if (ret == -EFAULT)
			ret = word_fault_in(uaddr) ? -EFAULT : -EAGAIN;
		if (ret != -EAGAIN)
			break;
	}
	futex_key_put(&key);
	return ret;
}

/* The lock that t has had longest, if any, with its bucket locked and pi_lock held. Else nothing is held but pi_lock. */
static struct pi_lock *owned_lock(struct task *t, struct futex_bucket **b) NO_LOCK_ANALYSIS
{
	for (;;) {
		spin_lock(pi_spin());
		if (list_empty(&t->pi_owned))
			return NULL;
		*b = futex_bucket_of(&list_first(&t->pi_owned, struct pi_lock, owner_node)->key);
		spin_unlock(pi_spin());
		spin_lock(&(*b)->lock);
		spin_lock(pi_spin());
		if (!list_empty(&t->pi_owned)) {
			struct pi_lock *l = list_first(&t->pi_owned, struct pi_lock, owner_node);

			if (futex_bucket_of(&l->key) == *b)
				return l;
		}
		spin_unlock(pi_spin());
		spin_unlock(&(*b)->lock);
	}
}

void futex_pi_exit(struct task *t) NO_LOCK_ANALYSIS
{
	struct futex_bucket *b;
	struct pi_lock *l;

	while ((l = owned_lock(t, &b)) != NULL) {
		struct pi_lock *idle;

		if (list_empty(&l->waiters)) { /* only a repair is due, and not by t: it would be in that call */
			set_owner(l, NULL);
			idle = drop_if_idle(l);
		} else {
			idle = grant_first(l, true);
		}
		spin_unlock(pi_spin());
		spin_unlock(&b->lock);
		kfree(idle);
	}
	if (t->flags & TASK_EXITING)
		t->futex_gone = true; /* from here on nobody queues behind it */
	spin_unlock(pi_spin());
}

/* ---------------------------------------------------------------- requeueing to a lock */

/* Woken before it was requeued; a signal, or the time. */
static long ended_early(bool woken, bool late)
{
	if (woken)
		return -EAGAIN;
	return late ? -ETIMEDOUT : -ERESTARTNOINTR;
}

static long wait_requeue(struct futex_waiter *w, u64 uaddr, u32 val, ktime_t deadline, u64 uaddr2, struct futex_key *key2)
{
	bool late = false;
	kerr_t err = futex_queue_if(w, uaddr, val);
	long ret;

	if (err)
		return kerr_code(err);
	while (!load_acquire(&w->woken) && !late && !task_signal_pending()) {
		late = schedule_until(deadline);
		task_set_state(TASK_INTERRUPTIBLE);
	}
	task_set_state(TASK_RUNNING);
	if (!futex_unqueue(w))
		return ended_early(false, late);
	/* `woken` says that it left the first queue: with the lock, waiting for it, or for nothing. */
	if (!w->pi->lock && !w->pi->granted)
		return ended_early(true, late);
	ret = sleep_for_lock(w->pi, uaddr2, key2, deadline);
	return ret == -EINTR ? -EAGAIN : ret; /* the word changed meanwhile: a restart would find that */
}

long futex_wait_requeue_pi(u64 uaddr, bool shared, u32 val, ktime_t deadline, u64 uaddr2)
{
	struct pi_waiter pi = { .granted = false };
	struct futex_waiter w = { .task = current, .bitset = U32_MAX, .pi = &pi };
	struct futex_key key2;
	kerr_t err;
	long ret;

	if (uaddr == uaddr2)
		return -EINVAL;
	err = futex_key_make(uaddr2, shared, &key2);
	if (err)
		return kerr_code(err);
	err = futex_key_make(uaddr, shared, &w.key);
	if (err) {
		futex_key_put(&key2);
		return kerr_code(err);
	}
	pi.key2 = &key2;
	if (futex_key_equal(&w.key, &key2))
		ret = -EINVAL;
	else
		ret = wait_requeue(&w, uaddr, val, deadline, uaddr2, &key2);
	futex_key_put(&w.key);
	futex_key_put(&key2);
	return ret;
}

/* w leaves the first queue: it owns the lock, or waits for it. Both buckets locked; the waiter may be gone after. */
static void leave_first_queue(struct futex_waiter *w, bool granted)
{
	struct task *t = task_get(w->task);

	list_del(&w->node);
	if (granted)
		store_release(&w->pi->granted, true);
	store_release(&w->woken, true);
	if (granted)
		task_wake(t, TASK_INTERRUPTIBLE);
	task_put(t);
}

static struct futex_waiter *first_of(struct futex_bucket *b, const struct futex_key *key)
{
	struct futex_waiter *w;

	list_for_each(w, &b->waiters, node)
		if (futex_key_equal(&w->key, key))
			return w;
	return NULL;
}

/* One waiter of k1 for the lock of `a`. 1: moved or given the lock; 0: nobody is left; -errno. Both buckets locked. */
static long requeue_one(struct futex_bucket *b1, const struct futex_key *k1, struct attempt *a)
{
	struct futex_waiter *w = first_of(b1, k1);
	long ret;

	if (!w)
		return 0;
	if (!w->pi || !futex_key_equal(w->pi->key2, a->key))
		return -EINVAL;
	a->task = w->task;
	ret = attempt_locked(a, w->pi);
	if (ret < 0)
		return ret;
	leave_first_queue(w, ret == TAKEN);
	return 1;
}

struct requeue_pi {
	u64 uaddr;
	struct futex_key key;
	struct futex_bucket *bucket;
	u32 expected;
	unsigned most, done;
};

/* One waiter at a time, since each may need a pi_lock and an owner looked up. 1: go on; 0: done; -errno. */
static long requeue_step(struct requeue_pi *r, struct attempt *a)
{
	u32 now;
	kerr_t err = attempt_prepare(a);
	long ret;

	if (err)
		return kerr_code(err);
	futex_lock_both(r->bucket, a->bucket);
	err = futex_load_locked(r->uaddr, &now);
	if (err)
		ret = -EFAULT;
	else if (!r->done && now != r->expected)
		ret = -EWOULDBLOCK;
	else
		ret = requeue_one(r->bucket, &r->key, a);
	futex_unlock_both(r->bucket, a->bucket);
	attempt_release(a);
	if (ret == -EAGAIN && !err && (r->done || now == r->expected))
		return 1; /* the lock's word changed */
	if (ret == -EFAULT)
		return hal_user_load(futex_word(r->uaddr), &now) || word_fault_in(a->uaddr) ? -EFAULT : 1;
	if (ret > 0)
		return ++r->done < r->most;
	return ret;
}

long futex_cmp_requeue_pi(u64 uaddr, u64 uaddr2, bool shared, unsigned nwake, unsigned nmove, u32 expected)
{
	struct requeue_pi r = { .uaddr = uaddr, .expected = expected, .most = nwake + nmove };
	struct attempt a = { .uaddr = uaddr2, .contended = nmove > 0 };
	struct futex_key key2;
	kerr_t err;
	long ret;

	if (uaddr == uaddr2 || nwake != 1 || (int)nmove < 0)
		return -EINVAL;
	err = futex_key_make(uaddr, shared, &r.key);
	if (err)
		return kerr_code(err);
	err = futex_key_make(uaddr2, shared, &key2);
	if (err) {
		futex_key_put(&r.key);
		return kerr_code(err);
	}
	r.bucket = futex_bucket_of(&r.key);
	a.key = &key2;
	a.bucket = futex_bucket_of(&key2);
	ret = futex_key_equal(&r.key, &key2) ? -EINVAL : 1;
	while (ret > 0)
		ret = requeue_step(&r, &a);
	kfree(a.fresh);
	futex_key_put(&r.key);
	futex_key_put(&key2);
	return ret ? ret : (long)r.done;
}
