/* SPDX-License-Identifier: MIT */
/*
 * System V semaphores (semget(2), semop(2), semctl(2), sysvipc(7)).
 *
 * A set has one lock and one list of tasks that wait, oldest first. Whoever changes values looks through the list and performs, for the waiters, what can
 * be done now; so a waiter that wakes has nothing left to do. An operation list is all or nothing: it is tried on the values and taken back if it fails.
 *
 * SEM_UNDO: each group of tasks that shares by CLONE_SYSVSEM has a struct sem_undo_list of adjustments, one struct sem_undo per set, which hangs on the
 * set as well. Locks: the list's mutex (while an adjustment is found, made, or applied at exit), then ipc.sem.lock, then the set's.
 */
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <maestro/time_user.h>

#include "sysv_priv.h"

#define SEM_VALUE_MAX 32767
#define SEM_ADJUST_MAX SEM_VALUE_MAX
#define SEM_MNS 1024000000
#define SEM_OPS_FAST 16

struct sem {
	int value;
	pid_t pid; /* who changed it last */
};
struct sem_set {
	struct ipc_perm perm;
	unsigned nsems; /* [c] */
	/* [perm.lock] */
	s64 otime, ctime;
	struct list waiters; /* struct sem_waiter, oldest first */
	struct list undos;   /* struct sem_undo.set_node */
	struct sem sems[];
};
struct sem_undo {
	struct list set_node;  /* [set.perm.lock] */
	struct list list_node; /* [list.mutex] */
	struct sem_set *set;   /* a reference; [c] */
	s16 adjust[];	       /* [set.perm.lock] */
};
struct sem_undo_list {
	struct atomic refs;
	struct mutex mutex;
	struct list undos; /* [mutex] */
};
struct sem_waiter {
	struct ipc_waiter w;
	const struct sem_op *ops;
	unsigned nops;
	const struct sem_op *blocking; /* the operation it waits for */
	struct sem_undo *undo;
	pid_t pid;
};

static struct sem_set *set_of(struct ipc_perm *p)
{
	return container_of(p, struct sem_set, perm);
}

static void set_free(struct ipc_perm *p)
{
	DEBUG_ASSERT(list_empty(&set_of(p)->waiters) && list_empty(&set_of(p)->undos));
	kfree(set_of(p));
}

static void set_put(struct sem_set *s)
{
	ipc_put(&ipc_state()->sem, &s->perm);
}

/* ---------------------------------------------------------------- performing */

/* Takes back ops[0, n). */
static void take_back(struct sem_set *s, const struct sem_op *ops, unsigned n, struct sem_undo *undo)
{
	while (n-- > 0) {
		s->sems[ops[n].num].value -= ops[n].op;
		if (ops[n].flags & SEM_UNDO)
			undo->adjust[ops[n].num] = (s16)(undo->adjust[ops[n].num] + ops[n].op);
	}
}

/* One operation: 0, 1 (it must wait), -ERANGE. */
static int perform_one(struct sem_set *s, const struct sem_op *op, struct sem_undo *undo)
{
	struct sem *sem = &s->sems[op->num];
	int value = sem->value + op->op;

	if ((!op->op && sem->value) || value < 0)
		return 1;
	if (value > SEM_VALUE_MAX)
		return -ERANGE;
	if (op->flags & SEM_UNDO) {
		int adjust = undo->adjust[op->num] - op->op;

		if (adjust < -SEM_ADJUST_MAX - 1 || adjust > SEM_ADJUST_MAX)
			return -ERANGE;
		undo->adjust[op->num] = (s16)adjust;
	}
	sem->value = value;
	return 0;
}

/* All of q's operations: 0; 1: they must wait (q->blocking); or -errno. set locked. */
static int perform(struct sem_set *s, struct sem_waiter *q)
{
	for (unsigned i = 0; i < q->nops; i++) {
		int ret = perform_one(s, &q->ops[i], q->undo);

		if (!ret)
			continue;
		take_back(s, q->ops, i, q->undo);
		q->blocking = &q->ops[i];
		return ret == 1 && (q->ops[i].flags & IPC_NOWAIT) ? -EAGAIN : ret;
	}
	for (unsigned i = 0; i < q->nops; i++)
		s->sems[q->ops[i].num].pid = q->pid;
	return 0;
}

static bool alters(const struct sem_op *ops, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (ops[i].op)
			return true;
	return false;
}

/* Values changed: performs for those who wait what can be done now. set locked. */
static void serve_waiters(struct sem_set *s)
{
	struct sem_waiter *q, *next;
	bool again = !list_empty(&s->waiters);

	while (again) {
		again = false;
		list_for_each_safe(q, next, &s->waiters, w.node) {
			bool changed = alters(q->ops, q->nops);
			int ret = perform(s, q);

			if (ret == 1)
				continue;
			if (!ret)
				s->otime = ipc_now();
			ipc_wake(&q->w, ret);
			if (!ret && changed) {
				again = true;
				break;
			}
		}
	}
}

/* ---------------------------------------------------------------- undo */

static kerr_t undo_list_get(struct task *t, struct sem_undo_list **out)
{
	struct sem_undo_list *l = t->sem_undo;

	if (!l) {
		l = kzalloc(sizeof(*l), GFP_KERNEL);
		if (!l)
			return KERR(ENOMEM);
		atomic_set(&l->refs, 1);
		mutex_init(&l->mutex, RANK_MUTEX_LEAF, "sem undo");
		list_init(&l->undos);
		t->sem_undo = l;
	}
	*out = l;
	return 0;
}

kerr_t sem_undo_share(struct task *child, struct task *parent)
{
	struct sem_undo_list *l;
	kerr_t err = undo_list_get(parent, &l);

	if (err)
		return err;
	atomic_inc(&l->refs);
	child->sem_undo = l;
	return 0;
}

/* Off both lists, and freed. The list's mutex held, the set's lock not. */
static void undo_drop(struct sem_undo *u)
{
	struct sem_set *s = u->set;

	list_del(&u->list_node);
	spin_lock(&s->perm.lock);
	list_del(&u->set_node);
	spin_unlock(&s->perm.lock);
	set_put(s);
	kfree(u);
}

/* On the way those of removed sets go. The list's mutex held. */
static struct sem_undo *undo_find(struct sem_undo_list *l, const struct sem_set *s)
{
	struct sem_undo *u, *next;

	list_for_each_safe(u, next, &l->undos, list_node) {
		if (u->set == s)
			return u;
		if (load_relaxed(&u->set->perm.deleted))
			undo_drop(u);
	}
	return NULL;
}

static void undo_insert(struct sem_undo_list *l, struct sem_undo *u, struct sem_set *s)
{
	atomic_inc(&s->perm.refs);
	u->set = s;
	list_add_tail(&l->undos, &u->list_node);
	spin_lock(&s->perm.lock);
	list_add(&s->undos, &u->set_node);
	spin_unlock(&s->perm.lock);
}

/* Current's adjustments of the set. KERR(ENOMEM). */
static kerr_t undo_get(struct sem_set *s, struct sem_undo **out)
{
	struct sem_undo *u, *fresh = NULL;
	struct sem_undo_list *l;
	kerr_t err = undo_list_get(current, &l);

	if (err)
		return err;
	for (;;) {
		mutex_lock(&l->mutex);
		u = undo_find(l, s);
		if (!u && fresh) {
			undo_insert(l, fresh, s);
			u = fresh;
			fresh = NULL;
		}
		mutex_unlock(&l->mutex);
		if (u)
			break;
		fresh = kzalloc(sizeof(*u) + s->nsems * sizeof(u->adjust[0]), GFP_KERNEL);
		if (!fresh)
			return KERR(ENOMEM);
	}
	kfree(fresh); /* another thread was faster */
	*out = u;
	return 0;
}

/* Applies one set's adjustments. */
static void undo_apply(struct sem_undo *u, pid_t pid)
{
	struct sem_set *s = u->set;

	spin_lock(&s->perm.lock);
	for (unsigned i = 0; !s->perm.deleted && i < s->nsems; i++) {
		int value = s->sems[i].value + u->adjust[i];

		if (!u->adjust[i])
			continue;
		s->sems[i].value = MIN(MAX(value, 0), SEM_VALUE_MAX);
		s->sems[i].pid = pid;
	}
	if (!s->perm.deleted) {
		serve_waiters(s);
		s->otime = ipc_now();
	}
	spin_unlock(&s->perm.lock);
}

void sem_exit(struct task *t)
{
	struct sem_undo_list *l = t->sem_undo;

	if (!l)
		return;
	t->sem_undo = NULL;
	if (!atomic_dec_and_test(&l->refs))
		return;
	mutex_lock(&l->mutex);
	while (!list_empty(&l->undos)) {
		struct sem_undo *u = list_first(&l->undos, struct sem_undo, list_node);

		undo_apply(u, t->proc->pid);
		undo_drop(u);
	}
	mutex_unlock(&l->mutex);
	kfree(l);
}

/* A value was set from outside: nobody's adjustments of it count any more. num -1: of all. set locked. */
static void undo_forget(struct sem_set *s, int num)
{
	struct sem_undo *u;

	list_for_each(u, &s->undos, set_node)
		for (unsigned i = 0; i < s->nsems; i++)
			if (num < 0 || i == (unsigned)num)
				u->adjust[i] = 0;
}

/* ---------------------------------------------------------------- semget */

static kerr_t charge(struct ipc_perm *p)
{
	struct ipc_state *st = ipc_state();

	if (st->sem_used + set_of(p)->nsems > st->sem_mns)
		return KERR(ENOSPC);
	st->sem_used += set_of(p)->nsems;
	return 0;
}

static long sem_create(ipc_key_t key, size_t nsems, int flags)
{
	struct ipc_state *st = ipc_state();
	struct sem_set *s;
	kerr_t err;
	int id;

	if (!nsems)
		return -EINVAL;
	s = kzalloc(sizeof(*s) + nsems * sizeof(s->sems[0]), GFP_KERNEL);
	if (!s)
		return -ENOMEM;
	ipc_perm_init(&s->perm, key, flags, "sem");
	s->nsems = (unsigned)nsems;
	s->ctime = ipc_now();
	list_init(&s->waiters);
	list_init(&s->undos);
	atomic_inc(&s->perm.refs);
	err = ipc_add(&st->sem, &s->perm, load_relaxed(&st->sem_mni), charge);
	if (err)
		atomic_dec(&s->perm.refs);
	id = s->perm.id;
	set_put(s);
	return err ? kerr_code(err) : id;
}

static bool set_smaller(const struct ipc_perm *p, size_t nsems)
{
	return container_of(p, struct sem_set, perm)->nsems < nsems;
}

long do_semget(ipc_key_t key, int nsems, int flags)
{
	if (nsems < 0 || (u32)nsems > ipc_state()->sem_msl)
		return -EINVAL;
	return ipc_get(&ipc_state()->sem, key, (size_t)nsems, flags);
}

/* ---------------------------------------------------------------- semctl: the set */

static void set_stat(const struct sem_set *s, struct sem_stat *out)
{
	ipc_stat_fill(&s->perm, &out->perm);
	out->otime = s->otime;
	out->ctime = s->ctime;
	out->nsems = s->nsems;
}

static long sem_stat(int id, int cmd, struct sem_stat *out)
{
	struct ipc_perm *p;
	long ret = ipc_stat_lock(&ipc_state()->sem, id, cmd == IPC_STAT, cmd == SEM_STAT_ANY, &p);

	if (!p)
		return ret;
	if (ret >= 0)
		set_stat(set_of(p), out);
	ipc_stat_unlock(&ipc_state()->sem, p);
	return ret;
}

static long sem_info(int cmd, struct sem_info *out)
{
	struct ipc_state *st = ipc_state();
	unsigned used;
	int max = ipc_max_index(&st->sem, &used);

	*out = (struct sem_info) { .map = SEM_MNS, .mni = (int)st->sem_mni, .mns = (int)st->sem_mns, .mnu = SEM_MNS, .msl = (int)st->sem_msl,
				   .opm = (int)st->sem_opm, .ume = 500, .usz = 20, .vmx = SEM_VALUE_MAX, .aem = SEM_ADJUST_MAX };
	if (cmd == SEM_INFO) {
		out->usz = (int)used;
		out->aem = (int)st->sem_used;
	}
	return max;
}

static kerr_t set_change(struct ipc_perm *p, const void *in)
{
	kerr_t err = ipc_stat_set(p, &((const struct sem_stat *)in)->perm);

	if (!err)
		set_of(p)->ctime = ipc_now();
	return err;
}

static void set_remove(struct ipc_perm *p)
{
	struct sem_set *s = set_of(p);
	struct sem_waiter *q, *next;

	ipc_remove_locked(&ipc_state()->sem, p);
	ipc_state()->sem_used -= s->nsems;
	list_for_each_safe(q, next, &s->waiters, w.node)
		ipc_wake(&q->w, -EIDRM);
}

const struct ipc_ops sem_ipc_ops = {
	.free = set_free,
	.smaller = set_smaller,
	.create = sem_create,
	.set = set_change,
	.remove = set_remove,
};

long do_semctl(int id, int cmd, union sem_io *io)
{
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SEM_INFO:
		return sem_info(cmd, &io->info);
	case IPC_STAT:
	case SEM_STAT:
	case SEM_STAT_ANY:
		return sem_stat(id, cmd, &io->stat);
	case IPC_RMID:
		return ipc_change(&ipc_state()->sem, id, NULL);
	case IPC_SET:
		return ipc_change(&ipc_state()->sem, id, &io->stat);
	default:
		return -EINVAL;
	}
}

/* ---------------------------------------------------------------- semctl: values */

/* Who waits for semaphore num to be zero, or to grow. */
static long count_waiters(const struct sem_set *s, unsigned num, bool zero)
{
	const struct sem_waiter *q;
	long n = 0;

	list_for_each(q, &s->waiters, w.node)
		n += q->blocking->num == num && !q->blocking->op == zero;
	return n;
}

static long get_one(const struct sem_set *s, unsigned num, int cmd)
{
	switch (cmd) {
	case GETVAL:
		return s->sems[num].value;
	case GETPID:
		return s->sems[num].pid;
	default:
		return count_waiters(s, num, cmd == GETZCNT);
	}
}

static long set_one(struct sem_set *s, unsigned num, int value)
{
	undo_forget(s, (int)num);
	s->sems[num].value = value;
	s->sems[num].pid = current->proc->pid;
	s->ctime = ipc_now();
	serve_waiters(s);
	return 0;
}

static long one_locked(struct sem_set *s, int num, int cmd, int value)
{
	bool bad = num < 0 || (unsigned)num >= s->nsems, set = cmd == SETVAL;

	if (set && bad)
		return -EINVAL;
	if (!ipc_allowed(&s->perm, set ? 0222 : 0444))
		return -EACCES;
	if (bad)
		return -EINVAL;
	if (s->perm.deleted)
		return -EIDRM;
	return set ? set_one(s, (unsigned)num, value) : get_one(s, (unsigned)num, cmd);
}

static long get_all(struct sem_set *s, u16 *values)
{
	long ret = 0;

	spin_lock(&s->perm.lock);
	if (!ipc_allowed(&s->perm, 0444))
		ret = -EACCES;
	else if (s->perm.deleted)
		ret = -EIDRM;
	for (unsigned i = 0; !ret && i < s->nsems; i++)
		values[i] = (u16)s->sems[i].value;
	spin_unlock(&s->perm.lock);
	return ret;
}

static long set_all(struct sem_set *s, const u16 *values)
{
	long ret = 0;

	for (unsigned i = 0; i < s->nsems; i++)
		if (values[i] > SEM_VALUE_MAX)
			return -ERANGE;
	spin_lock(&s->perm.lock);
	if (s->perm.deleted)
		ret = -EIDRM;
	for (unsigned i = 0; !ret && i < s->nsems; i++) {
		s->sems[i].value = values[i];
		s->sems[i].pid = current->proc->pid;
	}
	if (!ret) {
		undo_forget(s, -1);
		s->ctime = ipc_now();
		serve_waiters(s);
	}
	spin_unlock(&s->perm.lock);
	return ret;
}

static long all_values(struct sem_set *s, int cmd, unsigned long arg)
{
	size_t size = s->nsems * sizeof(u16);
	u16 *values;
	bool allowed;
	long ret;

	spin_lock(&s->perm.lock);
	allowed = ipc_allowed(&s->perm, cmd == SETALL ? 0222 : 0444);
	spin_unlock(&s->perm.lock);
	if (!allowed)
		return -EACCES;
	values = kmalloc(size, GFP_KERNEL);
	if (!values)
		return -ENOMEM;
	if (cmd == GETALL) {
		ret = get_all(s, values);
		if (!ret && copy_to_user((void __user *)arg, values, size))
			ret = -EFAULT;
	} else {
		ret = copy_from_user(values, (const void __user *)arg, size) ? -EFAULT : set_all(s, values);
	}
	kfree(values);
	return ret;
}

long do_semctl_values(int id, int num, int cmd, unsigned long arg)
{
	struct ipc_perm *p;
	kerr_t err;
	long ret;

	if (id < 0)
		return -EINVAL;
	if (cmd == SETVAL && ((int)arg < 0 || (int)arg > SEM_VALUE_MAX))
		return -ERANGE;
	err = ipc_find(&ipc_state()->sem, id, &p);
	if (err)
		return kerr_code(err);
	if (cmd == GETALL || cmd == SETALL) {
		ret = all_values(set_of(p), cmd, arg);
	} else {
		spin_lock(&p->lock);
		ret = one_locked(set_of(p), num, cmd, (int)arg);
		spin_unlock(&p->lock);
	}
	set_put(set_of(p));
	return ret;
}

/* ---------------------------------------------------------------- semop */

/* The operations are done now, or the caller sleeps until somebody does them. */
static long perform_or_wait(struct sem_set *s, struct sem_waiter *q, ktime_t deadline) REQUIRES(s->perm.lock)
{
	bool late;
	int ret = perform(s, q);

	if (!ret) {
		s->otime = ipc_now();
		if (alters(q->ops, q->nops))
			serve_waiters(s);
		return 0;
	}
	if (ret < 0)
		return ret;
	ipc_waiter_init(&q->w);
	list_add_tail(&s->waiters, &q->w.node);
	if (ipc_sleep(&s->perm, &q->w, deadline, &late))
		return q->w.result;
	list_del(&q->w.node);
	return late ? -EAGAIN : -EINTR;
}

static long semop_on(struct sem_set *s, struct sem_waiter *q, ktime_t deadline)
{
	bool undo = false;
	long ret = 0;

	for (unsigned i = 0; i < q->nops; i++) {
		undo |= q->ops[i].flags & SEM_UNDO;
		if (q->ops[i].num >= s->nsems)
			ret = -EFBIG;
	}
	if (!ret && undo)
		ret = kerr_code(undo_get(s, &q->undo));
	if (ret)
		return ret;
	spin_lock(&s->perm.lock);
	if (!ipc_allowed(&s->perm, alters(q->ops, q->nops) ? 0222 : 0444))
		ret = -EACCES;
	else if (s->perm.deleted)
		ret = -EIDRM;
	else
		ret = perform_or_wait(s, q, deadline);
	spin_unlock(&s->perm.lock);
	return ret;
}

long do_semop(int id, const struct sem_op *ops, unsigned n, ktime_t deadline)
{
	struct sem_waiter q = { .ops = ops, .nops = n, .pid = current->proc->pid };
	struct ipc_perm *p;
	kerr_t err = ipc_find(&ipc_state()->sem, id, &p);
	long ret;

	if (err)
		return kerr_code(err);
	ret = semop_on(set_of(p), &q, deadline);
	set_put(set_of(p));
	return ret;
}

static kerr_t semop_deadline(const void __user *timeout, bool time64, ktime_t *deadline)
{
	*deadline = S64_MAX;
	return timeout ? get_timeout(deadline, timeout, time64) : KERR(0);
}

long sem_op_user(int id, const void __user *uops, unsigned n, const void __user *timeout, bool time64)
{
	struct sem_op fast[SEM_OPS_FAST], *ops = fast;
	ktime_t deadline;
	kerr_t err = semop_deadline(timeout, time64, &deadline);
	long ret;

	if (kerr_code(err) == -EFAULT)
		return -EFAULT;
	if (!n || id < 0)
		return -EINVAL;
	if (n > ipc_state()->sem_opm)
		return -E2BIG;
	if (n > SEM_OPS_FAST) {
		ops = kmalloc(n * sizeof(*ops), GFP_KERNEL);
		if (!ops)
			return -ENOMEM;
	}
	if (copy_from_user(ops, uops, n * sizeof(*ops)))
		ret = -EFAULT;
	else
		ret = err ? kerr_code(err) : do_semop(id, ops, n, deadline);
	if (ops != fast)
		kfree(ops);
	return ret;
}

/* ---------------------------------------------------------------- /proc/sysvipc/sem */

void sem_show(struct seq_buf *s)
{
	struct ipc_perm *p;

	seq_puts(s, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	for (int i = 0; (p = ipc_next(&ipc_state()->sem, &i)) != NULL; i++) {
		struct sem_stat st;

		spin_lock(&p->lock);
		set_stat(set_of(p), &st);
		spin_unlock(&p->lock);
		seq_printf(s, "%10d %10d  %4o %10u %5u %5u %5u %5u %10llu %10llu\n", st.perm.key, p->id, st.perm.mode, st.nsems, st.perm.uid, st.perm.gid,
			   st.perm.cuid, st.perm.cgid, (unsigned long long)st.otime, (unsigned long long)st.ctime);
		set_put(set_of(p));
	}
}
