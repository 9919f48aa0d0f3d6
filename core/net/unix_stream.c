/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX streams: sending and receiving (unix(7), recv(2), send(2)).
 *
 * A send is cut into messages as Linux cuts it, each queued at the peer as soon as it is filled. A receive takes bytes of as many messages as fit, but stops
 * behind one with descriptors, and between writers if credentials are wanted. read_mutex keeps receivers apart, so that only the queue itself needs the lock.
 */
#include "unix_priv.h"

/* ---------------------------------------------------------------- sending */
/* Appends m to the peer's queue. KERR(EPIPE): it hears nothing any more; m is still the caller's. */
static kerr_t deliver(struct unix_sock *to, struct unix_msg *m, bool urgent)
{
	spin_lock(&to->s.lock);
	if (unlikely((to->s.flags & SOCKET_DEAD) || (to->s.shutdown & SHUT_RECEIVE))) {
		spin_unlock(&to->s.lock);
		return KERR(EPIPE);
	}
	unix_msg_sign(m, to);
	if (urgent)
		store_relaxed(&to->oob, m);
	unix_enqueue(to, m);
	spin_unlock(&to->s.lock);
	if (unlikely(urgent))
		socket_urgent(&to->s);
	socket_wake_in(&to->s);
	return 0;
}

/* One message of up to len bytes; what was sent. */
static ssize_t send_part(struct unix_sock *u, struct unix_sock *to, struct socket_msg *sm, size_t len, struct scm *scm, bool urgent)
{
	u32 part = urgent ? 1 : unix_stream_part(u, len);
	struct unix_msg *m;
	kerr_t err = unix_wait_wmem(u, sm->flags & MSG_DONTWAIT);

	if (!err)
		err = unix_msg_alloc(u, part, unix_stream_charge(part), &m);
	if (err)
		return kerr_code(err);
	unix_msg_set_scm(m, scm);
	if (scm->files) {
		err = unix_files_fly(scm->files);
		if (!err) {
			m->files = scm->files;
			scm->files = NULL;
		}
	}
	if (!err)
		err = unix_msg_fill(m, sm->it);
	if (!err)
		err = deliver(to, m, urgent);
	if (err) {
		unix_msg_free(m);
		return kerr_code(err);
	}
	return (ssize_t)part;
}

static kerr_t may_send(struct unix_sock *u, const struct socket_msg *m)
{
	if (m->namelen)
		return u->s.state == SOCKET_CONNECTED ? KERR(EISCONN) : KERR(EOPNOTSUPP);
	if (!load_acquire(&u->peer))
		return KERR(ENOTCONN);
	return 0;
}

static void broken_pipe(const struct socket_msg *m)
{
	kerr_t lost = m->flags & MSG_NOSIGNAL ? KERR(0) : signal_send_task(current, SIGPIPE, NULL);

	(void)lost;
}

/* All of it; the urgent byte of MSG_OOB last. */
static ssize_t send_all(struct unix_sock *u, struct socket_msg *m, size_t len, struct scm *scm)
{
	size_t urgent_at = m->flags & MSG_OOB ? len - 1 : len, done = 0;
	ssize_t n = 0;

	while (done < len) {
		bool urgent = done == urgent_at;

		n = send_part(u, u->peer, m, urgent ? 1 : urgent_at - done, scm, urgent);
		if (n < 0)
			break;
		done += (size_t)n;
	}
	return done ? (ssize_t)done : n;
}

ssize_t unix_stream_send(struct socket *s, struct socket_msg *m, size_t len)
{
	struct unix_sock *u = unix_of(s);
	struct scm scm = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	ssize_t ret;
	kerr_t err;

	unix_gc_when_many();
	err = unlikely(m->controllen) ? scm_send(m, &scm) : KERR(0);
	if (!err && (m->flags & MSG_OOB) && !len)
		err = KERR(EOPNOTSUPP);
	if (!err)
		err = may_send(u, m);
	if (unlikely(err)) {
		unix_scm_drop(&scm);
		return kerr_code(err);
	}
	ret = load_relaxed(&s->shutdown) & SHUT_SEND ? -EPIPE : send_all(u, m, len, &scm);
	if (unlikely(ret == -EPIPE))
		broken_pipe(m);
	unix_scm_drop(&scm);
	return ret;
}

/* ---------------------------------------------------------------- receiving */
struct stream_read {
	struct unix_sock *u;
	struct socket_msg *m;
	struct scm scm;
	size_t left, copied, target;
	u32 skip;	 /* of the next message: SO_PEEK_OFF */
	u32 seen;	 /* arrivals when the queue was looked at */
	bool peek, signed_, got; /* scm says whose bytes these are; there was a message */
};

/* The message at the head to read from, or NULL. The urgent byte stands in the way, unless it is read in line. s.lock held. */
static struct unix_msg *head_locked(struct stream_read *r)
{
	struct unix_sock *u = r->u;
	struct unix_msg *m;

	if (list_empty(&u->queue))
		return NULL;
	m = list_first(&u->queue, struct unix_msg, node);
	if (likely(m != u->oob))
		return m;
	if (r->copied)
		return NULL;
	if (u->s.flags & SOCKET_OOBINLINE) {
		if (!r->peek)
			store_relaxed(&u->oob, NULL);
		return m;
	}
	return NULL;
}

/* The urgent byte that nobody fetched is passed over; the message for the caller to free, or NULL. */
static struct unix_msg *skip_urgent_locked(struct stream_read *r)
{
	struct unix_sock *u = r->u;
	struct unix_msg *m = u->oob;

	if (!m || r->copied || r->peek || (u->s.flags & SOCKET_OOBINLINE) || u->queue.next != &m->node)
		return NULL;
	store_relaxed(&u->oob, NULL);
	list_del(&m->node);
	store_relaxed(&u->qlen, u->qlen - 1);
	return m;
}

/* The message behind m, when peeking; NULL: none. read_mutex keeps them in place. */
static struct unix_msg *next_peeked(struct unix_sock *u, struct unix_msg *m)
{
	struct unix_msg *next = NULL;

	spin_lock(&u->s.lock);
	if (m->node.next != &u->queue)
		next = list_first(&m->node, struct unix_msg, node);
	if (next && next == u->oob && !(u->s.flags & SOCKET_OOBINLINE))
		next = NULL;
	spin_unlock(&u->s.lock);
	return next;
}

static void dequeue(struct unix_sock *u, struct unix_msg *m)
{
	spin_lock(&u->s.lock);
	list_del(&m->node);
	store_relaxed(&u->qlen, u->qlen - 1);
	if (u->oob == m)
		store_relaxed(&u->oob, NULL);
	spin_unlock(&u->s.lock);
	unix_msg_free(m);
}

static bool same_writer(const struct stream_read *r, const struct unix_msg *m)
{
	return r->scm.pid == m->pid && r->scm.uid == m->uid && r->scm.gid == m->gid;
}

/* What comes with the first message: whose it is, from where. False: it is another's, to be read by the next call. */
static bool take_head(struct stream_read *r, const struct unix_msg *m)
{
	if (r->signed_)
		return same_writer(r, m);
	if (unlikely(load_relaxed(&r->u->s.flags) & SOCKET_PASSCRED)) {
		r->scm.pid = m->pid;
		r->scm.uid = m->uid;
		r->scm.gid = m->gid;
		r->signed_ = true;
	}
	if (unlikely(r->m->name)) {
		r->m->namelen = m->from->addr ? unix_addr_copy(m->from, r->m->name) : 0;
		r->m->name = NULL; /* told once */
	}
	return true;
}

static void peek_off_add(struct unix_sock *u, int n)
{
	int off = load_relaxed(&u->s.peek_off);

	if (unlikely(off >= 0))
		store_relaxed(&u->s.peek_off, MAX(off + n, 0));
}

/* Copies from m. 1: more can be read; 0: this is all; -errno. */
static int read_from(struct stream_read *r, struct unix_msg *m)
{
	u32 have = m->len - m->pos - r->skip;
	size_t want = MIN((size_t)have, r->left), n = unix_msg_read(m, m->pos + r->skip, r->m->it, want);
	bool files = m->files;
	kerr_t err;

	if (unlikely(n < want))
		return r->copied ? 0 : -EFAULT;
	r->got = true;
	r->copied += n;
	r->left -= n;
	if (unlikely(files)) {
		err = unix_msg_files(r->u, m, r->peek, &r->scm);
		if (err)
			return kerr_code(err);
	}
	if (unlikely(r->peek)) {
		peek_off_add(r->u, (int)n);
		r->skip = 0;
		return !files && r->left && n == have;
	}
	peek_off_add(r->u, -(int)n);
	m->pos += (u32)n;
	if (m->pos < m->len)
		return 0;
	dequeue(r->u, m);
	return !files && r->left;
}

/* Past what SO_PEEK_OFF has seen. NULL: all of it. */
static struct unix_msg *skip_peeked(struct stream_read *r, struct unix_msg *m)
{
	while (m && r->skip >= m->len - m->pos) {
		r->skip -= m->len - m->pos;
		m = next_peeked(r->u, m);
	}
	return m;
}

/* Reads what there is. read_mutex held. 0 or -errno (only if nothing was read). */
static int read_queue(struct stream_read *r)
{
	struct unix_sock *u = r->u;
	int more = 1;

	while (more > 0) {
		struct unix_msg *urgent, *m;

		spin_lock(&u->s.lock);
		r->seen = u->arrivals;
		urgent = skip_urgent_locked(r);
		m = head_locked(r);
		spin_unlock(&u->s.lock);
		if (unlikely(urgent))
			unix_msg_free(urgent);
		if (unlikely(r->skip) && m)
			m = skip_peeked(r, m);
		while (m && more > 0) {
			if (!take_head(r, m))
				return 0;
			more = read_from(r, m);
			if (likely(!r->peek))
				break;
			if (more > 0)
				m = next_peeked(u, m);
		}
		if (!m || r->peek)
			break;
	}
	return more < 0 ? more : 0;
}

/* Something came since the queue was looked at, or nothing will. */
static bool more_or_end(const struct unix_sock *u, u32 seen)
{
	return load_relaxed(&u->arrivals) != seen || load_relaxed(&u->s.error) || (load_relaxed(&u->s.shutdown) & SHUT_RECEIVE);
}

/* read_mutex is dropped while it waits. */
static kerr_t wait_data(struct unix_sock *u, u32 seen, ktime_t deadline, ktime_t timeo) REQUIRES(u->read_mutex)
{
	kerr_t err;

	mutex_unlock(&u->read_mutex);
	err = wait_event_interruptible_until(&u->s.in, more_or_end(u, seen), deadline);
	mutex_lock(&u->read_mutex);
	return err ? socket_wait_error(err, timeo) : KERR(0);
}

/* Until there is enough. 0: what was copied stands (maybe nothing: the end). */
static kerr_t read_enough(struct stream_read *r) REQUIRES(r->u->read_mutex)
{
	ktime_t timeo = r->m->flags & MSG_DONTWAIT ? 0 : socket_timeo(&r->u->s.rcvtimeo), deadline = 0;
	bool waited = false;

	for (;;) {
		int ret = read_queue(r);
		kerr_t err;

		if (ret < 0)
			return kerr_of(ret);
		/* a peek does not wait for more than there is */
		if (r->copied >= r->target || r->scm.files || (r->got && (!r->left || r->peek)))
			return 0;
		err = socket_take_error(&r->u->s);
		if (err)
			return err;
		if (load_relaxed(&r->u->s.shutdown) & SHUT_RECEIVE) {
			if (!load_relaxed(&r->u->qlen) || r->copied || r->peek)
				return 0;
			continue; /* the last bytes came before the end did */
		}
		if (!timeo)
			return KERR(EAGAIN);
		if (r->signed_ && r->copied && load_relaxed(&r->u->qlen))
			return 0; /* another writer's are next */
		if (!waited)
			deadline = socket_deadline(timeo);
		waited = true;
		err = wait_data(r->u, r->seen, deadline, timeo);
		if (err)
			return err;
	}
}

/* MSG_OOB: the one urgent byte. */
static ssize_t receive_urgent(struct unix_sock *u, struct socket_msg *sm)
{
	bool peek = sm->flags & MSG_PEEK;
	struct unix_msg *m;
	ssize_t ret = 1;

	mutex_lock(&u->read_mutex);
	spin_lock(&u->s.lock);
	m = u->s.flags & SOCKET_OOBINLINE ? NULL : u->oob;
	spin_unlock(&u->s.lock);
	if (!m)
		ret = -EINVAL;
	else if (sm->it->count && unix_msg_read(m, m->pos, sm->it, 1) != 1)
		ret = -EFAULT;
	else
		sm->report |= MSG_OOB;
	if (m && !peek)
		dequeue(u, m);
	mutex_unlock(&u->read_mutex);
	return ret;
}

ssize_t unix_stream_recv(struct socket *s, struct socket_msg *m, size_t len)
{
	struct unix_sock *u = unix_of(s);
	struct stream_read r = { .u = u, .m = m, .left = len, .peek = m->flags & MSG_PEEK };
	int lowat;
	kerr_t err;

	if (unlikely(s->state != SOCKET_CONNECTED))
		return -EINVAL;
	if (unlikely(m->flags & MSG_OOB))
		return receive_urgent(u, m);
	lowat = load_relaxed(&s->rcvlowat);
	r.target = MAX(m->flags & MSG_WAITALL ? len : MIN((size_t)lowat, len), (size_t)1);
	r.scm.uid = (uid_t)-1;
	r.scm.gid = (gid_t)-1;
	mutex_lock(&r.u->read_mutex);
	if (unlikely(r.peek))
		r.skip = (u32)MAX(load_relaxed(&s->peek_off), 0);
	err = read_enough(&r);
	mutex_unlock(&r.u->read_mutex);
	if (unlikely(err && !r.copied)) {
		unix_scm_drop(&r.scm);
		return kerr_code(err);
	}
	if (m->control_out || r.scm.files || r.signed_)
		scm_receive(s, m, &r.scm);
	return (ssize_t)r.copied;
}
