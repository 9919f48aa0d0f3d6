/* SPDX-License-Identifier: MIT */
/*
 * What the System V families have in common: the table of a family, ids and keys, permissions, waiting (sysvipc(7)).
 *
 * An id is index + 2^15 * sequence; indices are given out in turn, and the sequence counts the rounds, so that a stale id seldom hits a new object.
 */
#include "sysv_priv.h"

#include <maestro/lib.h>
#include <maestro/slab.h>

#define SEQ_MAX (S32_MAX >> IPC_INDEX_BITS)
#define MIN_CYCLE 64u /* indices before they are used again */

void ipc_ids_init(struct ipc_ids *ids, const char *name, const struct ipc_ops *ops)
{
	ids->ops = ops;
	spin_init(&ids->lock, RANK_SPIN_OUTER, name);
	ids->last_index = -1;
}

void ipc_perm_init(struct ipc_perm *p, ipc_key_t key, int flags, const char *name)
{
	const struct cred *c = current_cred();

	spin_init(&p->lock, RANK_FILES, name);
	atomic_set(&p->refs, 1);
	p->key = p->first_key = key;
	p->mode = (u32)flags & 0777;
	p->uid = p->cuid = c->euid;
	p->gid = p->cgid = c->egid;
}

/* ---------------------------------------------------------------- table */

static struct hlist *bucket(struct ipc_ids *ids, ipc_key_t key)
{
	return &ids->keys[hash_u32((u32)key) >> 26];
}
_Static_assert(IPC_KEY_BUCKETS == 1u << (32 - 26), "bucket()");

static struct ipc_perm *find_key_locked(struct ipc_ids *ids, ipc_key_t key)
{
	struct ipc_perm *p;

	hlist_for_each(p, bucket(ids, key), by_key)
		if (p->key == key)
			return p;
	return NULL;
}

/* Of a key for a get call, referenced. KERR(ENOENT), KERR(EEXIST). */
static kerr_t find_key(struct ipc_ids *ids, ipc_key_t key, int flags, struct ipc_perm **out)
{
	struct ipc_perm *p;
	kerr_t err = 0;

	if (key == IPC_PRIVATE)
		return KERR(ENOENT);
	spin_lock(&ids->lock);
	p = find_key_locked(ids, key);
	if (!p) {
		err = KERR(ENOENT);
	} else if ((flags & IPC_CREAT) && (flags & IPC_EXCL)) {
		err = KERR(EEXIST);
	} else {
		atomic_inc(&p->refs);
		*out = p;
	}
	spin_unlock(&ids->lock);
	return err;
}

/* Indices in turn: the first free one after the last given out, below a bound that grows with the table. */
static int choose_index(const struct ipc_ids *ids)
{
	unsigned bound = MIN(MAX(ids->in_use * 3 / 2, MIN_CYCLE), ids->nslots);
	unsigned from = (unsigned)(ids->last_index + 1);

	for (unsigned i = 0; i < bound; i++) {
		unsigned at = from + i < bound ? from + i : (from + i) % bound;

		if (!ids->slots[at])
			return (int)at;
	}
	return -1;
}

static void insert_locked(struct ipc_ids *ids, struct ipc_perm *p, int index)
{
	if (index <= ids->last_index && ++ids->seq > SEQ_MAX)
		ids->seq = 0;
	ids->last_index = index;
	p->seq = (u32)ids->seq;
	p->id = index | ids->seq << IPC_INDEX_BITS;
	ids->slots[index] = p;
	ids->in_use++;
	if (p->key != IPC_PRIVATE)
		hlist_add(bucket(ids, p->key), &p->by_key);
}

/* A table of more room, filled from the old one; *old is to be freed. False: no memory. ids.lock held, dropped meanwhile. */
static bool grow_locked(struct ipc_ids *ids) REQUIRES(ids->lock)
{
	unsigned n = ids->nslots ? ids->nslots * 2 : MIN_CYCLE;
	struct ipc_perm **bigger, **old = NULL;

	spin_unlock(&ids->lock);
	bigger = kzalloc(n * sizeof(*bigger), GFP_KERNEL);
	spin_lock(&ids->lock);
	if (bigger && n > ids->nslots) {
		old = ids->slots;
		if (old)
			memcpy(bigger, old, ids->nslots * sizeof(*old));
		ids->slots = bigger;
		ids->nslots = n;
		bigger = NULL;
	} else if (!bigger && n > ids->nslots) {
		return false;
	}
	spin_unlock(&ids->lock);
	kfree(old);
	kfree(bigger); /* another was faster */
	spin_lock(&ids->lock);
	return true;
}

kerr_t ipc_add(struct ipc_ids *ids, struct ipc_perm *p, u32 limit, kerr_t (*check)(struct ipc_perm *p))
{
	kerr_t err = 0;

	spin_lock(&ids->lock);
	/* A bound of 3/2 of what is in use must fit, up to the most there can be. */
	while (!err && ids->nslots < IPC_MNI && ids->nslots < (ids->in_use + 1) * 3 / 2 + 1)
		err = grow_locked(ids) ? KERR(0) : KERR(ENOMEM);
	if (!err && p->key != IPC_PRIVATE && find_key_locked(ids, p->key))
		err = KERR(EEXIST);
	if (!err && ids->in_use >= MIN(limit, IPC_MNI))
		err = KERR(ENOSPC);
	if (!err && check)
		err = check(p);
	if (!err) {
		int index = choose_index(ids);

		DEBUG_ASSERT(index >= 0); /* fewer are in use than the bound */
		insert_locked(ids, p, index);
	}
	spin_unlock(&ids->lock);
	return err;
}

static kerr_t find_slot(struct ipc_ids *ids, int index, int id, struct ipc_perm **out)
{
	struct ipc_perm *p = NULL;

	spin_lock(&ids->lock);
	if (index >= 0 && (unsigned)index < ids->nslots)
		p = ids->slots[index];
	if (p && id >= 0 && p->id != id)
		p = NULL;
	if (p)
		atomic_inc(&p->refs);
	spin_unlock(&ids->lock);
	if (!p)
		return KERR(EINVAL);
	*out = p;
	return 0;
}

kerr_t ipc_find(struct ipc_ids *ids, int id, struct ipc_perm **out)
{
	return id < 0 ? KERR(EINVAL) : find_slot(ids, id & (int)(IPC_MNI - 1), id, out);
}

kerr_t ipc_find_index(struct ipc_ids *ids, int index, struct ipc_perm **out)
{
	return find_slot(ids, index & (int)(IPC_MNI - 1), -1, out);
}

struct ipc_perm *ipc_next(struct ipc_ids *ids, int *index)
{
	struct ipc_perm *p = NULL;

	spin_lock(&ids->lock);
	for (; (unsigned)*index < ids->nslots; ++*index)
		if ((p = ids->slots[*index]) != NULL) {
			atomic_inc(&p->refs);
			break;
		}
	spin_unlock(&ids->lock);
	return p;
}

void ipc_forget_key_locked(struct ipc_perm *p)
{
	hlist_del(&p->by_key);
	p->key = IPC_PRIVATE;
}

void ipc_remove_locked(struct ipc_ids *ids, struct ipc_perm *p)
{
	int index = p->id & (int)(IPC_MNI - 1);

	assert_held(&ids->lock);
	assert_held(&p->lock);
	DEBUG_ASSERT(ids->slots[index] == p);
	hlist_del(&p->by_key);
	ids->slots[index] = NULL;
	ids->in_use--;
	p->deleted = true;
}

int ipc_max_index(struct ipc_ids *ids, unsigned *in_use)
{
	unsigned n;

	spin_lock(&ids->lock);
	for (n = ids->nslots; n > 1 && !ids->slots[n - 1];)
		n--;
	if (in_use)
		*in_use = ids->in_use;
	spin_unlock(&ids->lock);
	return n ? (int)n - 1 : 0;
}

void ipc_put(struct ipc_ids *ids, struct ipc_perm *p)
{
	if (atomic_dec_and_test(&p->refs))
		ids->ops->free(p);
}

/* ---------------------------------------------------------------- permissions */

bool ipc_allowed(const struct ipc_perm *p, int flag)
{
	const struct cred *c = current_cred();
	u32 wanted = (u32)(flag >> 6 | flag >> 3 | flag), granted = p->mode;

	if (c->euid == p->cuid || c->euid == p->uid)
		granted >>= 6;
	else if (cred_in_group(c, p->cgid) || cred_in_group(c, p->gid))
		granted >>= 3;
	return !(wanted & ~granted & 7) || capable(CAP_IPC_OWNER);
}

bool ipc_owner(const struct ipc_perm *p)
{
	u32 euid = current_cred()->euid;

	return euid == p->cuid || euid == p->uid || capable(CAP_SYS_ADMIN);
}

void ipc_stat_fill(const struct ipc_perm *p, struct ipc_stat *out)
{
	*out = (struct ipc_stat) { p->key, p->uid, p->gid, p->cuid, p->cgid, p->mode, p->seq };
}

kerr_t ipc_stat_set(struct ipc_perm *p, const struct ipc_stat *in)
{
	if (in->uid == U32_MAX || in->gid == U32_MAX)
		return KERR(EINVAL);
	p->uid = in->uid;
	p->gid = in->gid;
	p->mode = (p->mode & ~0777u) | (in->mode & 0777);
	return 0;
}

/* ---------------------------------------------------------------- calls */

static long found(const struct ipc_ids *ids, struct ipc_perm *p, size_t size, int flags)
{
	long ret;

	spin_lock(&p->lock);
	if (ids->ops->smaller && ids->ops->smaller(p, size))
		ret = -EINVAL;
	else
		ret = ipc_allowed(p, flags) ? p->id : -EACCES;
	spin_unlock(&p->lock);
	return ret;
}

long ipc_get(struct ipc_ids *ids, ipc_key_t key, size_t size, int flags)
{
	for (;;) {
		struct ipc_perm *p;
		kerr_t err = find_key(ids, key, flags, &p);
		long ret;

		if (!err) {
			ret = found(ids, p, size, flags);
			ipc_put(ids, p);
			return ret;
		}
		if (kerr_code(err) != -ENOENT || (key != IPC_PRIVATE && !(flags & IPC_CREAT)))
			return kerr_code(err);
		ret = ids->ops->create(key, size, flags);
		if (ret != -EEXIST) /* another came first: look at its object */
			return ret;
	}
}

static kerr_t change_locked(const struct ipc_ops *ops, struct ipc_perm *p, const void *in)
{
	if (p->deleted)
		return KERR(EIDRM);
	if (!ipc_owner(p))
		return KERR(EPERM);
	if (in)
		return ops->set(p, in);
	ops->remove(p);
	return KERR(0);
}

long ipc_change(struct ipc_ids *ids, int id, const void *in)
{
	struct ipc_perm *p;
	kerr_t err = ipc_find(ids, id, &p);
	bool gone;

	if (err)
		return kerr_code(err);
	spin_lock(&ids->lock);
	spin_lock(&p->lock);
	err = change_locked(ids->ops, p, in);
	gone = !err && p->deleted;
	spin_unlock(&p->lock);
	spin_unlock(&ids->lock);
	if (gone)
		ipc_put(ids, p); /* the table's reference */
	ipc_put(ids, p);
	return kerr_code(err);
}

long ipc_stat_lock(struct ipc_ids *ids, int id, bool by_id, bool any, struct ipc_perm **out) NO_LOCK_ANALYSIS
{
	struct ipc_perm *p;
	kerr_t err = by_id ? ipc_find(ids, id, &p) : ipc_find_index(ids, id, &p);

	*out = NULL;
	if (err)
		return kerr_code(err);
	*out = p;
	spin_lock(&p->lock);
	if (p->deleted)
		return -EIDRM;
	if (!any && !ipc_allowed(p, 0444))
		return -EACCES;
	return by_id ? 0 : p->id;
}

void ipc_stat_unlock(struct ipc_ids *ids, struct ipc_perm *p) NO_LOCK_ANALYSIS
{
	spin_unlock(&p->lock);
	ipc_put(ids, p);
}

/* ---------------------------------------------------------------- waiting */

void ipc_waiter_init(struct ipc_waiter *w)
{
	*w = (struct ipc_waiter) { .task = hal_current() };
	list_init(&w->node);
}

void ipc_wake(struct ipc_waiter *w, int result)
{
	struct task *t = task_get(w->task);

	list_del(&w->node);
	w->result = result;
	store_release(&w->done, true);
	task_wake(t, TASK_INTERRUPTIBLE);
	task_put(t);
}

bool ipc_sleep(struct ipc_perm *p, struct ipc_waiter *w, ktime_t deadline, bool *late)
{
	*late = false;
	task_set_state(TASK_INTERRUPTIBLE);
	spin_unlock(&p->lock);
	while (!load_acquire(&w->done) && !*late && !task_signal_pending()) {
		*late = schedule_until(deadline);
		task_set_state(TASK_INTERRUPTIBLE);
	}
	task_set_state(TASK_RUNNING);
	spin_lock(&p->lock);
	return w->done;
}

kerr_t sysv_init(void)
{
	struct ipc_state *s = ipc_state();

	ipc_ids_init(&s->shm, "shm ids", &shm_ipc_ops);
	ipc_ids_init(&s->sem, "sem ids", &sem_ipc_ops);
	ipc_ids_init(&s->msg, "msg ids", &msg_ipc_ops);
	s->shm_max = s->shm_all = ULONG_MAX - (1UL << 24);
	s->shm_mni = 4096;
	s->sem_msl = 32000;
	s->sem_mni = 32000;
	s->sem_mns = 1024000000;
	s->sem_opm = 500;
	s->msg_max = 8192;
	s->msg_mnb = 16384;
	s->msg_mni = 32000;
	return 0;
}
