/* SPDX-License-Identifier: MIT */
/*
 * System V message queues (msgget(2), msgop(2), msgctl(2), sysvipc(7)).
 *
 * A message is one allocation. A sender hands it straight to a receiver that waits for it; else it goes on the queue. Senders that find the queue full wait
 * in order and try again when it shrinks. Locking: each queue's own lock; user memory is touched outside.
 */
#include <maestro/lib.h>
#include <maestro/slab.h>

#include "sysv_priv.h"

struct msg {
	struct list node; /* [queue's lock] */
	long type;
	size_t size;
	u8 text[];
};
struct msg_queue {
	struct ipc_perm perm;
	/* [perm.lock] */
	s64 stime, rtime, ctime;
	unsigned long cbytes, qnum, qbytes;
	pid_t lspid, lrpid;
	struct list messages;  /* oldest first */
	struct list receivers; /* struct receiver */
	struct list senders;   /* struct ipc_waiter */
};

enum match { MATCH_ANY, MATCH_EQUAL, MATCH_NOT_EQUAL, MATCH_LEAST, MATCH_NUMBER };
struct wanted {
	enum match match;
	long type;   /* MATCH_NUMBER: the message's place in the queue */
	size_t size; /* the most that fits; S32_MAX with MSG_NOERROR */
};
struct receiver {
	struct ipc_waiter w;
	struct wanted want;
	struct msg *msg; /* what it got */
};

static struct msg_queue *queue_of(struct ipc_perm *p)
{
	return container_of(p, struct msg_queue, perm);
}

static void queue_free(struct ipc_perm *p)
{
	struct msg_queue *q = queue_of(p);

	while (!list_empty(&q->messages)) {
		struct msg *m = list_first(&q->messages, struct msg, node);

		list_del(&m->node);
		kfree(m);
	}
	kfree(q);
}

static void queue_put(struct msg_queue *q)
{
	ipc_put(&ipc_state()->msg, &q->perm);
}

static void wake_senders(struct msg_queue *q)
{
	struct ipc_waiter *w, *next;

	list_for_each_safe(w, next, &q->senders, node)
		ipc_wake(w, 0);
}

static void wake_receivers(struct msg_queue *q, int result)
{
	struct receiver *r, *next;

	list_for_each_safe(r, next, &q->receivers, w.node)
		ipc_wake(&r->w, result);
}

/* ---------------------------------------------------------------- msgget, msgctl */

static long msg_create(ipc_key_t key, size_t size, int flags)
{
	struct ipc_state *st = ipc_state();
	struct msg_queue *q = kzalloc(sizeof(*q), GFP_KERNEL);
	kerr_t err;
	int id;

	(void)size;
	if (!q)
		return -ENOMEM;
	ipc_perm_init(&q->perm, key, flags, "msg");
	q->ctime = ipc_now();
	q->qbytes = st->msg_mnb;
	list_init(&q->messages);
	list_init(&q->receivers);
	list_init(&q->senders);
	atomic_inc(&q->perm.refs);
	err = ipc_add(&st->msg, &q->perm, load_relaxed(&st->msg_mni), NULL);
	if (err)
		atomic_dec(&q->perm.refs);
	id = q->perm.id;
	queue_put(q);
	return err ? kerr_code(err) : id;
}

long do_msgget(ipc_key_t key, int flags)
{
	return ipc_get(&ipc_state()->msg, key, 0, flags);
}

static void queue_stat(const struct msg_queue *q, struct msg_stat *out)
{
	ipc_stat_fill(&q->perm, &out->perm);
	out->stime = q->stime;
	out->rtime = q->rtime;
	out->ctime = q->ctime;
	out->cbytes = q->cbytes;
	out->qnum = q->qnum;
	out->qbytes = q->qbytes;
	out->lspid = q->lspid;
	out->lrpid = q->lrpid;
}

static long msg_stat(int id, int cmd, struct msg_stat *out)
{
	struct ipc_perm *p;
	long ret = ipc_stat_lock(&ipc_state()->msg, id, cmd == IPC_STAT, cmd == MSG_STAT_ANY, &p);

	if (!p)
		return ret;
	if (ret >= 0)
		queue_stat(queue_of(p), out);
	ipc_stat_unlock(&ipc_state()->msg, p);
	return ret;
}

static long msg_info(int cmd, struct msg_info *out)
{
	struct ipc_state *st = ipc_state();
	unsigned used;
	int max = ipc_max_index(&st->msg, &used);

	memset(out, 0, sizeof(*out));
	out->mni = (int)st->msg_mni;
	out->max = (int)st->msg_max;
	out->mnb = (int)st->msg_mnb;
	out->ssz = 16;
	out->seg = 0xffff;
	if (cmd == MSG_INFO) {
		out->pool = (int)used;
		out->map = atomic_read(&st->msg_count);
		out->tql = atomic_read(&st->msg_bytes);
	} else {
		out->pool = 512000; /* KiB: what the greatest number of queues would hold at their usual size */
		out->map = out->tql = 16384;
	}
	return max;
}

static kerr_t queue_set(struct ipc_perm *p, const void *from)
{
	const struct msg_stat *in = from;
	struct msg_queue *q = queue_of(p);
	kerr_t err;

	if (in->qbytes > ipc_state()->msg_mnb && !capable(CAP_SYS_RESOURCE))
		return KERR(EPERM);
	err = ipc_stat_set(&q->perm, &in->perm);
	if (err)
		return err;
	q->qbytes = in->qbytes;
	q->ctime = ipc_now();
	wake_receivers(q, -EAGAIN); /* they may have lost the right to wait */
	wake_senders(q);
	return 0;
}

static void queue_remove(struct ipc_perm *p)
{
	struct ipc_state *st = ipc_state();
	struct msg_queue *q = queue_of(p);

	ipc_remove_locked(&st->msg, p);
	atomic_sub(&st->msg_count, (int)q->qnum);
	atomic_sub(&st->msg_bytes, (int)q->cbytes);
	wake_receivers(q, -EIDRM);
	wake_senders(q);
}

const struct ipc_ops msg_ipc_ops = {
	.free = queue_free,
	.create = msg_create,
	.set = queue_set,
	.remove = queue_remove,
};

long do_msgctl(int id, int cmd, union msg_io *io)
{
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case MSG_INFO:
		return msg_info(cmd, &io->info);
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		return msg_stat(id, cmd, &io->stat);
	case IPC_RMID:
		return ipc_change(&ipc_state()->msg, id, NULL);
	case IPC_SET:
		return ipc_change(&ipc_state()->msg, id, &io->stat);
	default:
		return -EINVAL;
	}
}

/* ---------------------------------------------------------------- matching */

static struct wanted wanted_make(long type, size_t size, int flags)
{
	struct wanted w = { MATCH_EQUAL, type, flags & MSG_NOERROR ? S32_MAX : size };

	if (flags & MSG_COPY) {
		w.match = MATCH_NUMBER;
	} else if (!type) {
		w.match = MATCH_ANY;
	} else if (type < 0) {
		w.match = MATCH_LEAST;
		w.type = type == -LONG_MAX - 1 ? LONG_MAX : -type;
	} else if (flags & MSG_EXCEPT) {
		w.match = MATCH_NOT_EQUAL;
	}
	return w;
}

static bool matches(const struct wanted *w, long type)
{
	switch (w->match) {
	case MATCH_EQUAL:
		return type == w->type;
	case MATCH_NOT_EQUAL:
		return type != w->type;
	case MATCH_LEAST:
		return type <= w->type;
	default:
		return true;
	}
}

/* The message that is meant, or NULL. Queue locked. */
static struct msg *find_msg(struct msg_queue *q, const struct wanted *w)
{
	struct msg *m, *best = NULL;
	long n = 0;

	list_for_each(m, &q->messages, node) {
		if (w->match == MATCH_NUMBER) {
			if (n++ == w->type)
				return m;
		} else if (matches(w, m->type)) {
			if (w->match != MATCH_LEAST)
				return m;
			if (!best || m->type < best->type)
				best = m;
		}
	}
	return best;
}

/* ---------------------------------------------------------------- msgsnd */

/* To the first receiver that waits for such a one; those it is too long for hear of it. */
static bool hand_over(struct msg_queue *q, struct msg *m)
{
	struct receiver *r, *next;

	list_for_each_safe(r, next, &q->receivers, w.node) {
		if (!matches(&r->want, m->type))
			continue;
		if (r->want.size < m->size) {
			ipc_wake(&r->w, -E2BIG);
			continue;
		}
		q->lrpid = r->w.task->proc->pid;
		q->rtime = ipc_now();
		r->msg = m;
		ipc_wake(&r->w, 0);
		return true;
	}
	return false;
}

static void enqueue(struct msg_queue *q, struct msg *m)
{
	list_add_tail(&q->messages, &m->node);
	q->cbytes += m->size;
	q->qnum++;
	atomic_add(&ipc_state()->msg_bytes, (int)m->size);
	atomic_inc(&ipc_state()->msg_count);
}

/* Takes the message on success. */
static long send_locked(struct msg_queue *q, struct msg *m, int flags) REQUIRES(q->perm.lock)
{
	for (;;) {
		struct ipc_waiter w;
		bool late;

		if (!ipc_allowed(&q->perm, 0222))
			return -EACCES;
		if (q->perm.deleted)
			return -EIDRM;
		if (m->size + q->cbytes <= q->qbytes && q->qnum + 1 <= q->qbytes)
			break;
		if (flags & IPC_NOWAIT)
			return -EAGAIN;
		ipc_waiter_init(&w);
		list_add_tail(&q->senders, &w.node);
		if (!ipc_sleep(&q->perm, &w, S64_MAX, &late)) {
			list_del(&w.node);
			return -ERESTARTNOHAND;
		}
		if (q->perm.deleted)
			return -EIDRM;
	}
	q->lspid = current->proc->pid;
	q->stime = ipc_now();
	if (!hand_over(q, m))
		enqueue(q, m);
	return 0;
}

long do_msgsnd(int id, long type, const void __user *text, size_t size, int flags)
{
	struct msg_queue *q;
	struct ipc_perm *p;
	struct msg *m;
	kerr_t err;
	long ret;

	if (size > ipc_state()->msg_max || (ssize_t)size < 0 || id < 0 || type < 1)
		return -EINVAL;
	m = kmalloc(sizeof(*m) + size, GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	list_init(&m->node);
	m->type = type;
	m->size = size;
	err = copy_from_user(m->text, text, size);
	if (!err)
		err = ipc_find(&ipc_state()->msg, id, &p);
	if (err) {
		kfree(m);
		return kerr_code(err);
	}
	q = queue_of(p);
	spin_lock(&q->perm.lock);
	ret = send_locked(q, m, flags);
	spin_unlock(&q->perm.lock);
	queue_put(q);
	if (ret)
		kfree(m);
	return ret;
}

/* ---------------------------------------------------------------- msgrcv */

static void take(struct msg_queue *q, struct msg *m)
{
	list_del(&m->node);
	q->qnum--;
	q->cbytes -= m->size;
	q->rtime = ipc_now();
	q->lrpid = current->proc->pid;
	atomic_sub(&ipc_state()->msg_bytes, (int)m->size);
	atomic_dec(&ipc_state()->msg_count);
	wake_senders(q);
}

/* MSG_COPY: into the caller's message, which has room for `room` bytes. */
static long copy_msg(const struct msg *m, struct msg *to, size_t room)
{
	to->type = m->type;
	to->size = m->size;
	memcpy(to->text, m->text, MIN(m->size, room));
	return 0;
}

/* 0 and *out, or -errno. copy: MSG_COPY's room, of want->size bytes at most msg_max. */
static long receive_locked(struct msg_queue *q, const struct wanted *want, int flags, struct msg *copy, size_t room, struct msg **out)
	REQUIRES(q->perm.lock)
{
	for (;;) {
		struct receiver r = { .want = *want };
		struct msg *m;
		bool late;

		if (!ipc_allowed(&q->perm, 0444))
			return -EACCES;
		if (q->perm.deleted)
			return -EIDRM;
		m = find_msg(q, want);
		if (m && want->size < m->size)
			return -E2BIG;
		if (m && copy) {
			*out = copy;
			return copy_msg(m, copy, room);
		}
		if (m) {
			take(q, m);
			*out = m;
			return 0;
		}
		if (flags & IPC_NOWAIT)
			return -ENOMSG;
		ipc_waiter_init(&r.w);
		list_add_tail(&q->receivers, &r.w.node);
		if (!ipc_sleep(&q->perm, &r.w, S64_MAX, &late)) {
			list_del(&r.w.node);
			return -ERESTARTNOHAND;
		}
		if (r.msg) {
			*out = r.msg;
			return 0;
		}
		if (r.w.result != -EAGAIN) /* that one: look again */
			return r.w.result;
	}
}

/* struct msgbuf: a long and the text. */
static long deliver(const struct msg *m, void __user *buf, size_t size)
{
	long __user *type = buf;
	size_t n = MIN(size, m->size);

	if (put_user(m->type, type) || copy_to_user(type + 1, m->text, n))
		return -EFAULT;
	return (long)n;
}

long do_msgrcv(int id, void __user *buf, size_t size, long type, int flags)
{
	struct wanted want = wanted_make(type, size, flags);
	size_t room = MIN(size, (size_t)ipc_state()->msg_max);
	struct msg *copy = NULL, *m = NULL;
	struct msg_queue *q;
	struct ipc_perm *p;
	kerr_t err;
	long ret;

	if (id < 0 || (ssize_t)size < 0)
		return -EINVAL;
	if (flags & MSG_COPY) {
		if ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT))
			return -EINVAL;
		copy = kmalloc(sizeof(*copy) + room, GFP_KERNEL);
		if (!copy)
			return -ENOMEM;
	}
	err = ipc_find(&ipc_state()->msg, id, &p);
	if (err) {
		kfree(copy);
		return kerr_code(err);
	}
	q = queue_of(p);
	spin_lock(&q->perm.lock);
	ret = receive_locked(q, &want, flags, copy, room, &m);
	spin_unlock(&q->perm.lock);
	queue_put(q);
	if (!ret)
		ret = deliver(m, buf, copy ? room : size);
	if (m != copy)
		kfree(m);
	kfree(copy);
	return ret;
}

/* ---------------------------------------------------------------- /proc/sysvipc/msg */

void msg_show(struct seq_buf *s)
{
	struct ipc_perm *p;

	seq_puts(s, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n");
	for (int i = 0; (p = ipc_next(&ipc_state()->msg, &i)) != NULL; i++) {
		struct msg_stat st;

		spin_lock(&p->lock);
		queue_stat(queue_of(p), &st);
		spin_unlock(&p->lock);
		seq_printf(s, "%10d %10d  %4o  %10lu %10lu %5u %5u %5u %5u %5u %5u %10llu %10llu %10llu\n", st.perm.key, p->id, st.perm.mode, st.cbytes, st.qnum,
			   (unsigned)st.lspid, (unsigned)st.lrpid, st.perm.uid, st.perm.gid, st.perm.cuid, st.perm.cgid, (unsigned long long)st.stime,
			   (unsigned long long)st.rtime, (unsigned long long)st.ctime);
		queue_put(queue_of(p));
	}
}
