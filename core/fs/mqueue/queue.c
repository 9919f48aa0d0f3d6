/* SPDX-License-Identifier: MIT */
/*
 * One POSIX message queue (mq_overview(7), mq_send(3), mq_receive(3), mq_notify(3)).
 *
 * A sender hands its message straight to a receiver that waits; a receiver takes the oldest waiting sender's message in, in its place. Waiters lie on their
 * own stacks. Locking: the queue's lock; signals of a notification are sent after it is dropped.
 */
#include <maestro/lib.h>
#include <maestro/posix_timer.h>

#include "mqueue.h"

#define HARD_MSG_MAX 65536
#define HARD_SIZE_MAX (16 << 20)
#define MSG_OVERHEAD (6 * (long)sizeof(long)) /* what Linux counts for a message, and for a priority, against RLIMIT_MSGQUEUE */

static kerr_t check_attr(const struct mq_attr_k *a)
{
	bool free = capable(CAP_SYS_RESOURCE);
	long most = free ? HARD_MSG_MAX : (long)mq_state()->msg_max, longest = free ? HARD_SIZE_MAX : (long)mq_state()->msgsize_max;

	if (a->maxmsg <= 0 || a->msgsize <= 0 || a->maxmsg > most || a->msgsize > longest)
		return KERR(EINVAL);
	return (u64)a->maxmsg * (u64)a->msgsize > (u64)LONG_MAX - 2 * MSG_OVERHEAD * HARD_MSG_MAX ? KERR(EOVERFLOW) : KERR(0);
}

static kerr_t charge(struct mq_queue *q)
{
	struct user_struct *u = current_cred()->user;
	long bytes = q->attr.maxmsg * q->attr.msgsize + MSG_OVERHEAD * (q->attr.maxmsg + MIN(q->attr.maxmsg, (long)MQ_PRIO_MAX));

	if ((u64)atomic_add_return(&u->mq_bytes, bytes) > rlimit_get(RLIMIT_MSGQUEUE)) {
		atomic_sub(&u->mq_bytes, bytes);
		return KERR(EMFILE);
	}
	atomic_inc(&u->refs);
	q->user = u;
	q->charged = bytes;
	return 0;
}

kerr_t mq_init(struct mq_queue *q, const struct mq_attr_k *attr)
{
	struct mqueue_state *s = mq_state();
	kerr_t err = 0;

	q->attr = attr ? *attr : (struct mq_attr_k) { MIN(s->msg_max, s->msg_default), MIN(s->msgsize_max, s->msgsize_default) };
	if (attr)
		err = check_attr(attr);
	return err ? err : charge(q);
}

void mq_fini(struct mq_queue *q)
{
	while (!list_empty(&q->messages)) {
		struct mq_msg *m = list_first(&q->messages, struct mq_msg, node);

		list_del(&m->node);
		kfree(m);
	}
	if (q->notify_owner)
		proc_put(q->notify_owner);
	if (q->user) {
		atomic_sub(&q->user->mq_bytes, q->charged);
		user_put(q->user);
	}
}

/* ---------------------------------------------------------------- messages, the lock held */

static void insert(struct mq_queue *q, struct mq_msg *m)
{
	struct list *at = q->messages.prev;

	while (at != &q->messages && list_entry(at, struct mq_msg, node)->prio < m->prio)
		at = at->prev;
	list_add(at, &m->node);
	q->count++;
	q->bytes += m->size;
}

static struct mq_msg *take(struct mq_queue *q)
{
	struct mq_msg *m = list_first(&q->messages, struct mq_msg, node);

	list_del(&m->node);
	q->count--;
	q->bytes -= m->size;
	return m;
}

/* w may be gone after. */
static void wake(struct mq_waiter *w)
{
	struct task *t = task_get(w->task);

	list_del(&w->node);
	store_release(&w->done, true);
	task_wake(t, TASK_INTERRUPTIBLE);
	task_put(t);
}

/* Sleeps without the lock, and has it again: KERR(0): somebody did it. */
static kerr_t sleep_on(struct mq_queue *q, struct list *waiters, struct mq_waiter *w, ktime_t deadline) REQUIRES(q->lock)
{
	bool late = false;

	list_add_tail(waiters, &w->node);
	task_set_state(TASK_INTERRUPTIBLE);
	spin_unlock(&q->lock);
	while (!load_acquire(&w->done) && !late && !task_signal_pending()) {
		late = schedule_until(deadline);
		task_set_state(TASK_INTERRUPTIBLE);
	}
	task_set_state(TASK_RUNNING);
	spin_lock(&q->lock);
	if (w->done)
		return 0;
	list_del(&w->node);
	return late ? KERR(ETIMEDOUT) : KERR(ERESTARTSYS);
}

/* ---------------------------------------------------------------- notification */

struct notice {
	struct proc *owner; /* a reference, or NULL: nothing to send */
	struct siginfo info;
};

static struct notice notice_take(struct mq_queue *q)
{
	struct notice n = { q->notify_owner, { .signo = q->notify_sig, .code = SI_MESGQ } };

	q->notify_owner = NULL;
	if (!n.owner)
		return n;
	if (q->notify_kind != SIGEV_SIGNAL)
		n.info.signo = 0;
	n.info.user.pid = current->proc->pid;
	n.info.user.uid = current_cred()->uid;
	n.info.user.value = q->notify_value;
	return n;
}

/* The lock not held. */
static void notice_send(struct notice *n)
{
	kerr_t err = 0;

	if (!n->owner)
		return;
	if (n->info.signo)
		err = signal_send_proc(n->owner, n->info.signo, &n->info);
	(void)err; /* its queue of signals is full: mq_notify(3) promises no more */
	proc_put(n->owner);
}

kerr_t mq_set_notify(struct mq_queue *q, const struct mq_notify_k *n)
{
	struct proc *me = current->proc, *dropped = NULL;
	kerr_t err = 0;

	spin_lock(&q->lock);
	if (!n) {
		if (q->notify_owner == me) {
			dropped = me;
			q->notify_owner = NULL;
		}
	} else if (q->notify_owner) {
		err = KERR(EBUSY);
	} else {
		q->notify_owner = proc_get(me);
		q->notify_kind = n->kind;
		q->notify_sig = n->sig;
		q->notify_value = n->value;
	}
	spin_unlock(&q->lock);
	if (dropped)
		proc_put(dropped);
	return err;
}

/* ---------------------------------------------------------------- sending and receiving */

kerr_t mq_send(struct mq_queue *q, struct mq_msg *m, bool nonblock, ktime_t deadline)
{
	struct mq_waiter self = { .task = current, .msg = m };
	struct notice n = { NULL, { 0 } };
	kerr_t err = 0;

	spin_lock(&q->lock);
	if (q->count == q->attr.maxmsg) {
		err = nonblock ? KERR(EAGAIN) : sleep_on(q, &q->senders, &self, deadline);
		spin_unlock(&q->lock);
		return err;
	}
	if (!list_empty(&q->receivers)) {
		struct mq_waiter *r = list_first(&q->receivers, struct mq_waiter, node);

		r->msg = m;
		wake(r);
	} else {
		insert(q, m);
		if (q->count == 1)
			n = notice_take(q);
		wake_up_n(&q->poll_wait, 0, EPOLLIN | EPOLLRDNORM);
	}
	spin_unlock(&q->lock);
	notice_send(&n);
	return 0;
}

/* There is room: the sender that waited longest has its message in. A full queue was never empty: nobody is to be told. */
static void serve_sender(struct mq_queue *q, struct notice *n)
{
	struct mq_waiter *s;

	if (list_empty(&q->senders)) {
		wake_up_n(&q->poll_wait, 0, EPOLLOUT | EPOLLWRNORM);
		return;
	}
	s = list_first(&q->senders, struct mq_waiter, node);
	insert(q, s->msg);
	wake(s);
	if (q->count == 1) /* of one message */
		*n = notice_take(q);
	wake_up_n(&q->poll_wait, 0, EPOLLIN | EPOLLRDNORM);
}

kerr_t mq_receive(struct mq_queue *q, bool nonblock, ktime_t deadline, struct mq_msg **out)
{
	struct mq_waiter self = { .task = current };
	struct notice n = { NULL, { 0 } };
	kerr_t err = 0;

	spin_lock(&q->lock);
	if (q->count) {
		*out = take(q);
		serve_sender(q, &n);
	} else {
		err = nonblock ? KERR(EAGAIN) : sleep_on(q, &q->receivers, &self, deadline);
		if (!err)
			*out = self.msg;
	}
	spin_unlock(&q->lock);
	notice_send(&n);
	return err;
}
