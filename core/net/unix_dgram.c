/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX datagrams and sequenced packets: sending, receiving, connecting, polling (unix(7)).
 *
 * A datagram waits in one message. A queue takes no more than `backlog` + 1 of senders that are not its own partner; the others wait in `room`. A sequenced packet
 * socket is connected as a stream is.
 */
#include "unix_priv.h"

/* ---------------------------------------------------------------- sending */
struct dgram_send {
	struct unix_sock *u, *to; /* to: referenced, or NULL */
	struct socket_msg *m;
	struct unix_msg *msg;
	ktime_t timeo, deadline;
};

/* May u send to `to`? Only if that has no partner, or u is it. */
static bool may_send(const struct unix_sock *u, const struct unix_sock *to)
{
	return !to->peer || to->peer == u;
}

/* The target is dead. A partner is forgotten: KERR(ECONNREFUSED); another of that name may be found: KERR(ESTALE). */
static kerr_t target_dead(struct dgram_send *d)
{
	struct unix_sock *u = d->u, *dead = d->to;
	bool partner;

	if (u->s.type == SOCK_SEQPACKET)
		return KERR(EPIPE);
	spin_lock(&u->s.lock);
	partner = u->peer == dead;
	if (partner) {
		u->peer = NULL;
		u->s.state = SOCKET_CLOSED;
		unix_relay_end(u);
	}
	spin_unlock(&u->s.lock);
	if (!partner)
		return KERR(ESTALE);
	socket_wake_out(&u->s);
	unix_dgram_disconnected(u, dead);
	unix_put(dead);
	return KERR(ECONNREFUSED);
}

/* The queue is full and the caller does not wait: whoever polls u will be told when that changes. KERR(ESTALE): it has changed. */
static kerr_t full_now(struct dgram_send *d)
{
	bool full;

	unix_lock_both(d->u, d->to);
	full = d->u->peer != d->to || unix_relay_room(d->u, d->to);
	unix_unlock_both(d->u, d->to);
	return full ? KERR(EAGAIN) : KERR(ESTALE);
}

static kerr_t deliver(struct dgram_send *d)
{
	struct unix_sock *u = d->u, *to = d->to;
	bool full = false, dead = false;
	kerr_t err = 0;

	spin_lock(&to->s.lock);
	if (!may_send(u, to))
		err = KERR(EPERM);
	else if (to->s.flags & SOCKET_DEAD)
		dead = true;
	else if (to->s.shutdown & SHUT_RECEIVE)
		err = KERR(EPIPE);
	else if (to != u && to->peer != u && unix_queue_full(to))
		full = true;
	else {
		unix_msg_sign(d->msg, to);
		unix_enqueue(to, d->msg);
	}
	spin_unlock(&to->s.lock);
	if (dead)
		return target_dead(d);
	if (!full)
		return err;
	if (!d->timeo)
		return full_now(d);
	err = unix_wait_room(to, d->deadline, d->timeo);
	if (kerr_code(err) == -EAGAIN)
		d->timeo = 0; /* one more try, which tells how it stands */
	else if (err)
		return err;
	return KERR(ESTALE);
}

/* Finds the target, if it was named or died, and delivers. */
static kerr_t send_msg(struct dgram_send *d)
{
	kerr_t err;

	do {
		if (!d->to) {
			if (!d->m->namelen)
				return KERR(ECONNRESET);
			err = unix_find(d->m->name, d->m->namelen, d->u->s.type, &d->to);
			if (err)
				return err;
		}
		err = deliver(d);
		if (!err)
			socket_wake_in(&d->to->s);
		if (err && kerr_code(err) == -ESTALE && (d->to->s.flags & SOCKET_DEAD)) {
			unix_put(d->to);
			d->to = NULL;
		}
	} while (kerr_code(err) == -ESTALE);
	return err;
}

static kerr_t dgram_make(struct dgram_send *d, size_t len, struct scm *scm)
{
	kerr_t err;

	if (len > (size_t)load_relaxed(&d->u->s.sndbuf) - 32)
		return KERR(EMSGSIZE);
	err = unix_wait_wmem(d->u, d->m->flags & MSG_DONTWAIT);
	if (!err)
		err = unix_msg_alloc(d->u, (u32)len, unix_dgram_charge((u32)len), &d->msg);
	if (err)
		return err;
	unix_msg_set_scm(d->msg, scm);
	if (scm->files) {
		err = unix_files_fly(scm->files);
		if (err)
			return err;
		d->msg->files = scm->files;
		scm->files = NULL;
	}
	return unix_msg_fill(d->msg, d->m->it);
}

static kerr_t dgram_send(struct dgram_send *d, size_t len, struct scm *scm)
{
	kerr_t err = 0;

	if (d->m->flags & MSG_OOB)
		return KERR(EOPNOTSUPP);
	if (d->m->namelen) {
		err = unix_check_addr(d->m->name, d->m->namelen);
	} else {
		d->to = unix_peer_get(d->u);
		if (!d->to)
			err = KERR(ENOTCONN);
	}
	if (!err)
		err = unix_autobind_for_cred(d->u);
	if (!err)
		err = dgram_make(d, len, scm);
	if (err)
		return err;
	d->timeo = d->m->flags & MSG_DONTWAIT ? 0 : socket_timeo(&d->u->s.sndtimeo);
	d->deadline = socket_deadline(d->timeo);
	return send_msg(d);
}

ssize_t unix_dgram_send(struct socket *s, struct socket_msg *m, size_t len)
{
	struct dgram_send d = { .u = unix_of(s), .m = m };
	struct scm scm = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	kerr_t err;

	unix_gc_when_many();
	err = unlikely(m->controllen) ? scm_send(m, &scm) : KERR(0);
	if (!err)
		err = dgram_send(&d, len, &scm);
	if (err && d.msg)
		unix_msg_free(d.msg);
	if (d.to)
		unix_put(d.to);
	unix_scm_drop(&scm);
	return err ? (ssize_t)kerr_code(err) : (ssize_t)len;
}

ssize_t unix_seqpacket_send(struct socket *s, struct socket_msg *m, size_t len)
{
	kerr_t err = socket_take_error(s);

	if (err)
		return kerr_code(err);
	if (s->state != SOCKET_CONNECTED)
		return -ENOTCONN;
	m->namelen = 0;
	return unix_dgram_send(s, m, len);
}

/* ---------------------------------------------------------------- receiving */
/* The message to read; peeking with SO_PEEK_OFF, the first that is not wholly seen. */
static struct unix_msg *dgram_at(struct unix_sock *u, bool peek, u32 *skip)
{
	struct unix_msg *m, *found = NULL;

	spin_lock(&u->s.lock);
	list_for_each(m, &u->queue, node) {
		if (*skip < m->len || (!*skip && !m->len) || !peek) {
			found = m;
			break;
		}
		*skip -= m->len;
	}
	if (found && !peek) {
		list_del(&found->node);
		store_relaxed(&u->qlen, u->qlen - 1);
	}
	spin_unlock(&u->s.lock);
	return found;
}

/* Nothing to read: 0: look again; else the result. */
static kerr_t dgram_wait(struct unix_sock *u, ktime_t deadline, ktime_t timeo, bool *end)
{
	kerr_t err = socket_take_error(&u->s);

	if (err)
		return err;
	if (load_relaxed(&u->s.shutdown) & SHUT_RECEIVE) {
		*end = timeo || u->s.type == SOCK_SEQPACKET;
		return *end ? KERR(0) : KERR(EAGAIN);
	}
	if (!timeo)
		return KERR(EAGAIN);
	err = wait_event_interruptible_until(
		&u->s.in, load_relaxed(&u->qlen) || load_relaxed(&u->s.error) || (load_relaxed(&u->s.shutdown) & SHUT_RECEIVE), deadline);
	return err ? socket_wait_error(err, timeo) : KERR(0);
}

/* The next message, with read_mutex held; NULL, without it, on error or (*err 0) at the end. */
static struct unix_msg *dgram_next(struct unix_sock *u, const struct socket_msg *sm, u32 *skip, kerr_t *err) TRY_ACQUIRES(true, u->read_mutex) NO_LOCK_ANALYSIS
{
	ktime_t timeo = sm->flags & MSG_DONTWAIT ? 0 : socket_timeo(&u->s.rcvtimeo), deadline = socket_deadline(timeo);
	bool end = false;

	for (;;) {
		mutex_lock(&u->read_mutex);
		*err = socket_take_error(&u->s);
		if (!*err) {
			struct unix_msg *m;

			*skip = sm->flags & MSG_PEEK ? (u32)MAX(load_relaxed(&u->s.peek_off), 0) : 0;
			m = dgram_at(u, sm->flags & MSG_PEEK, skip);
			if (m)
				return m;
		}
		mutex_unlock(&u->read_mutex);
		if (!*err)
			*err = dgram_wait(u, deadline, timeo, &end);
		if (*err || end)
			return NULL;
	}
}

static void peek_off_move(struct unix_sock *u, int n)
{
	int off = load_relaxed(&u->s.peek_off);

	if (unlikely(off >= 0))
		store_relaxed(&u->s.peek_off, MAX(off + n, 0));
}

/* Gives the receiver bytes, address and control messages. read_mutex held. */
static ssize_t dgram_give(struct unix_sock *u, struct unix_msg *m, struct socket_msg *sm, u32 skip, size_t len)
{
	size_t have = m->len - skip, n = MIN(have, len);
	bool peek = sm->flags & MSG_PEEK;
	struct scm scm = { m->pid, m->uid, m->gid, NULL };
	kerr_t err;

	if (sm->name)
		sm->namelen = m->from->addr ? unix_addr_copy(m->from, sm->name) : 0;
	if (len < have)
		sm->report |= MSG_TRUNC;
	if (unix_msg_read(m, skip, sm->it, n) != n)
		return -EFAULT;
	unix_put_stamp(u, m, sm);
	err = unix_msg_files(u, m, peek, &scm);
	if (err)
		return kerr_code(err);
	peek_off_move(u, peek ? (int)n : -(int)m->len);
	if (sm->control_out || scm.files || (load_relaxed(&u->s.flags) & SOCKET_PASSCRED))
		scm_receive(&u->s, sm, &scm);
	return (ssize_t)(sm->flags & MSG_TRUNC ? have : n);
}

ssize_t unix_dgram_recv(struct socket *s, struct socket_msg *sm, size_t len)
{
	struct unix_sock *u = unix_of(s);
	struct unix_msg *m;
	u32 skip;
	ssize_t ret;
	kerr_t err;

	if (sm->flags & MSG_OOB)
		return -EOPNOTSUPP;
	m = dgram_next(u, sm, &skip, &err);
	if (!m)
		return kerr_code(err);
	if (wait_queue_active(&u->room))
		wake_up_n(&u->room, 0, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	ret = dgram_give(u, m, sm, skip, len);
	mutex_unlock(&u->read_mutex);
	if (!(sm->flags & MSG_PEEK))
		unix_msg_free(m);
	return ret;
}

ssize_t unix_seqpacket_recv(struct socket *s, struct socket_msg *m, size_t len)
{
	if (s->state != SOCKET_CONNECTED)
		return -ENOTCONN;
	return unix_dgram_recv(s, m, len);
}

/* ---------------------------------------------------------------- partners */
void unix_dgram_disconnected(struct unix_sock *u, struct unix_sock *old)
{
	struct list queue;
	bool tell = false;

	list_init(&queue);
	spin_lock(&u->s.lock);
	list_splice_tail(&queue, &u->queue);
	store_relaxed(&u->qlen, 0);
	spin_unlock(&u->s.lock);
	spin_lock(&old->s.lock);
	if (!list_empty(&queue) && !(old->s.flags & SOCKET_DEAD) && old->peer == u) {
		store_relaxed(&old->s.error, ECONNRESET);
		tell = true;
	}
	old->s.state = SOCKET_CLOSED;
	spin_unlock(&old->s.lock);
	if (!list_empty(&queue))
		wake_up_all(&u->room);
	if (tell)
		socket_state_changed(&old->s);
	while (!list_empty(&queue)) {
		struct unix_msg *m = list_first(&queue, struct unix_msg, node);

		list_del(&m->node);
		unix_msg_free(m);
	}
}

/* u's partner becomes `to` (NULL: none), whose reference it takes. KERR(EPERM), KERR(ESTALE). */
static kerr_t set_partner(struct unix_sock *u, struct unix_sock *to)
{
	struct unix_sock *old, *other = to ? to : u;
	kerr_t err = 0;

	unix_lock_both(u, other);
	if (to && (to->s.flags & SOCKET_DEAD))
		err = KERR(ESTALE);
	else if (to && !may_send(u, to))
		err = KERR(EPERM);
	if (err) {
		unix_unlock_both(u, other);
		return err;
	}
	old = u->peer;
	store_release(&u->peer, to);
	u->s.state = to ? SOCKET_CONNECTED : SOCKET_CLOSED;
	if (to)
		to->s.state = SOCKET_CONNECTED;
	if (old)
		unix_relay_end(u);
	unix_unlock_both(u, other);
	if (old) {
		socket_wake_out(&u->s);
		if (old != to)
			unix_dgram_disconnected(u, old);
		unix_put(old);
	}
	return 0;
}

kerr_t unix_dgram_connect(struct socket *s, const void *addr, int len, bool nonblock)
{
	struct unix_sock *u = unix_of(s), *to;
	u16 family;
	kerr_t err;

	(void)nonblock;
	if (len < (int)sizeof(family))
		return KERR(EINVAL);
	memcpy(&family, addr, sizeof(family));
	if (family == AF_UNSPEC)
		return set_partner(u, NULL);
	err = unix_check_addr(addr, len);
	if (!err)
		err = unix_autobind_for_cred(u);
	while (!err) {
		err = unix_find(addr, len, s->type, &to);
		if (err)
			break;
		err = set_partner(u, to);
		if (!err)
			return 0;
		unix_put(to);
		if (kerr_code(err) == -ESTALE)
			err = 0;
	}
	return err;
}

/* ---------------------------------------------------------------- polling */
/* There is room in the partner's queue, as far as it is limited for u. */
static bool partner_has_room(struct unix_sock *u)
{
	struct unix_sock *to = unix_peer_get(u);
	bool full = false;

	if (!to)
		return true;
	if (to->peer != u && unix_queue_full(to)) {
		unix_lock_both(u, to);
		full = u->peer == to && unix_relay_room(u, to);
		unix_unlock_both(u, to);
	}
	unix_put(to);
	return !full;
}

u32 unix_dgram_poll(struct socket *s, struct file *f, struct poll_table *pt)
{
	struct unix_sock *u = unix_of(s);
	u32 shutdown = load_relaxed(&s->shutdown), mask = 0;

	(void)f;
	(void)pt;
	if (load_relaxed(&s->error))
		mask |= EPOLLERR;
	if (shutdown & SHUT_RECEIVE)
		mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (shutdown == SHUT_BOTH || (s->type == SOCK_SEQPACKET && s->state == SOCKET_CLOSED))
		mask |= EPOLLHUP;
	if (load_relaxed(&u->qlen))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (unix_writable(u) && partner_has_room(u))
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	else
		socket_no_space(s);
	return mask;
}
