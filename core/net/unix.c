/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX sockets (unix(7)): making, connecting, ending.
 *
 * A stream connects so: the connector makes the other end (an embryo), which waits in the listener's `pending` until accept(2) gives it a file. Each end holds a
 * reference to the other; streams keep it until they end, so they follow u->peer without a lock.
 * Locking: s.lock of the socket; two in the order of their addresses; a listener's before a connector's; table_lock, gc_lock before them.
 */
#include "unix_priv.h"

static const struct socket_ops stream_ops, dgram_ops, seqpacket_ops;

/* ---------------------------------------------------------------- life */
static bool relay_wake(struct wait_entry *e, u32 key)
{
	struct unix_sock *u = e->priv;

	list_del(&e->node);
	wake_up_within(&u->s.out, key);
	return false;
}

static kerr_t sock_new(const struct socket_ops *ops, int type, struct unix_sock **out)
{
	struct unix_sock *u = kmem_cache_alloc(un()->cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));

	if (!u)
		return KERR(ENOMEM);
	socket_init(&u->s, ops, type, 0);
	list_init(&u->queue);
	list_init(&u->pending);
	list_init(&u->pending_node);
	list_init(&u->inflight_node);
	wait_queue_init(&u->room);
	wait_entry_init(&u->room_relay);
	u->room_relay.task = NULL;
	u->room_relay.wake = relay_wake;
	u->room_relay.priv = u;
	mutex_init(&u->read_mutex, RANK_SOCKET_READ, "socket read");
	u->backlog = load_relaxed(&net()->max_dgram_qlen);
	spin_lock(&un()->table_lock);
	list_add_tail(&un()->all, &u->all_node);
	spin_unlock(&un()->table_lock);
	*out = u;
	return 0;
}

void unix_put(struct unix_sock *u)
{
	if (!atomic_dec_and_test(&u->s.refs))
		return;
	ASSERT(list_empty(&u->queue) && atomic_read(&u->s.wmem) == 0 && !u->inflight && !u->peer);
	unix_addr_put(u->addr);
	if (u->s.peer_cred)
		cred_put(u->s.peer_cred);
	kmem_cache_free(un()->cache, u);
}

kerr_t unix_create(int type, int protocol, struct socket **out)
{
	const struct socket_ops *ops = &dgram_ops;
	struct unix_sock *u;
	kerr_t err;

	if (protocol && protocol != AF_UNIX)
		return KERR(EPROTONOSUPPORT);
	if (type == SOCK_STREAM)
		ops = &stream_ops;
	else if (type == SOCK_SEQPACKET)
		ops = &seqpacket_ops;
	else if (type == SOCK_RAW) /* believe it or not: unix(7) */
		type = SOCK_DGRAM;
	else if (type != SOCK_DGRAM)
		return KERR(ESOCKTNOSUPPORT);
	err = sock_new(ops, type, &u);
	if (err)
		return err;
	u->s.protocol = protocol;
	*out = &u->s;
	return 0;
}

kerr_t unix_init(void)
{
	struct unix_state *x = un();

	spin_init(&x->table_lock, RANK_NET_TABLE, "unix.table");
	list_init(&x->all);
	unix_gc_init();
	return kmem_cache_create(&x->cache, "unix socket", sizeof(struct unix_sock), 16);
}

void unix_lock_both(struct unix_sock *a, struct unix_sock *b) NO_LOCK_ANALYSIS
{
	struct unix_sock *first = a < b ? a : b;

	spin_lock(&first->s.lock);
	if (a != b)
		spin_lock_nested(first == a ? &b->s.lock : &a->s.lock);
}

void unix_unlock_both(struct unix_sock *a, struct unix_sock *b) NO_LOCK_ANALYSIS
{
	spin_unlock(&a->s.lock);
	if (a != b)
		spin_unlock(&b->s.lock);
}

struct unix_sock *unix_peer_get(struct unix_sock *u)
{
	struct unix_sock *peer;

	spin_lock(&u->s.lock);
	peer = u->peer;
	if (peer)
		unix_get(peer);
	spin_unlock(&u->s.lock);
	return peer;
}

/* ---------------------------------------------------------------- room in another's queue */
static bool room_or_end(const struct unix_sock *u)
{
	return !unix_queue_full(u) || (load_relaxed(&u->s.flags) & SOCKET_DEAD) || (load_relaxed(&u->s.shutdown) & SHUT_RECEIVE);
}

kerr_t unix_wait_room(struct unix_sock *other, ktime_t deadline, ktime_t timeo)
{
	kerr_t err = wait_event_interruptible_until(&other->room, room_or_end(other), deadline);

	return socket_wait_error(err, timeo);
}

bool unix_relay_room(struct unix_sock *u, struct unix_sock *other)
{
	if (u->room_of != other) {
		unix_relay_end(u);
		u->room_of = other;
		unix_get(other);
	}
	wait_add(&other->room, &u->room_relay);
	memory_barrier();
	return unix_queue_full(other);
}

void unix_relay_end(struct unix_sock *u)
{
	struct unix_sock *other = u->room_of;

	assert_held(&u->s.lock);
	if (!other)
		return;
	wait_remove(&other->room, &u->room_relay);
	u->room_of = NULL;
	unix_put(other); /* not the last: it is the peer still */
}

/* ---------------------------------------------------------------- ending */
static void unix_end(struct unix_sock *u, bool embryo);

static void queue_purge(struct unix_sock *u)
{
	struct list queue;

	list_init(&queue);
	spin_lock(&u->s.lock);
	list_splice_tail(&queue, &u->queue);
	store_relaxed(&u->qlen, 0);
	u->oob = NULL;
	spin_unlock(&u->s.lock);
	while (!list_empty(&queue)) {
		struct unix_msg *m = list_first(&queue, struct unix_msg, node);

		list_del(&m->node);
		unix_msg_free(m);
	}
}

static void pending_purge(struct unix_sock *u)
{
	for (;;) {
		struct unix_sock *e = NULL;

		spin_lock(&u->s.lock);
		if (!list_empty(&u->pending)) {
			e = list_first(&u->pending, struct unix_sock, pending_node);
			list_del(&e->pending_node);
		}
		spin_unlock(&u->s.lock);
		if (!e)
			return;
		unix_end(e, true);
	}
}

/* The other end of a stream hears of the end. */
static void peer_hang_up(struct unix_sock *peer, bool reset)
{
	spin_lock(&peer->s.lock);
	store_relaxed(&peer->s.shutdown, SHUT_BOTH);
	if (reset)
		store_relaxed(&peer->s.error, ECONNRESET);
	spin_unlock(&peer->s.lock);
	socket_state_changed(&peer->s);
	fasync_notify(&peer->s.async, POLL_HUP);
}

/* Consumes a reference. */
static void unix_end(struct unix_sock *u, bool embryo)
{
	struct unix_sock *peer;
	bool unread;

	unix_unname(u);
	spin_lock(&u->s.lock);
	u->s.flags |= SOCKET_DEAD;
	u->s.file = NULL;
	store_relaxed(&u->s.shutdown, SHUT_BOTH);
	u->s.state = SOCKET_CLOSED;
	peer = u->peer;
	u->peer = NULL;
	unix_relay_end(u);
	unread = !list_empty(&u->queue);
	spin_unlock(&u->s.lock);
	wake_up_all(&u->room);
	socket_state_changed(&u->s);
	if (peer) {
		if (u->s.type != SOCK_DGRAM)
			peer_hang_up(peer, unread || embryo);
		unix_put(peer);
	}
	pending_purge(u);
	queue_purge(u);
	unix_put(u);
	unix_gc();
}

static void unix_release(struct socket *s)
{
	unix_end(unix_of(s), false);
}

/* ---------------------------------------------------------------- connecting */
static kerr_t unix_pair(struct socket *a, struct socket *b)
{
	struct unix_sock *x = unix_of(a), *y = unix_of(b);

	unix_get(x);
	unix_get(y);
	unix_lock_both(x, y);
	x->peer = y;
	y->peer = x;
	socket_set_peercred(a, current->proc->pid, current_cred());
	socket_set_peercred(b, current->proc->pid, current_cred());
	a->state = b->state = SOCKET_CONNECTED;
	unix_unlock_both(x, y);
	return 0;
}

static kerr_t unix_listen(struct socket *s, unsigned backlog)
{
	struct unix_sock *u = unix_of(s);
	kerr_t err = 0;

	if (s->type == SOCK_DGRAM)
		return KERR(EOPNOTSUPP);
	if (!load_relaxed(&u->addr))
		return KERR(EINVAL);
	spin_lock(&s->lock);
	if (s->state == SOCKET_CONNECTED) {
		err = KERR(EINVAL);
	} else {
		store_relaxed(&u->backlog, backlog);
		s->state = SOCKET_LISTENING;
		socket_set_peercred(s, current->proc->pid, current_cred());
	}
	spin_unlock(&s->lock);
	if (!err)
		wake_up_all(&u->room);
	return err;
}

/* The two ends know each other, the listener has one more to accept. Both u and l locked. */
static void connect_locked(struct unix_sock *u, struct unix_sock *l, struct unix_sock *embryo)
{
	spin_lock_nested(&embryo->s.lock);
	unix_get(u);
	embryo->peer = u;
	embryo->s.state = SOCKET_CONNECTED;
	socket_set_peercred(&embryo->s, current->proc->pid, current_cred());
	store_release(&embryo->addr, l->addr ? unix_addr_get(l->addr) : NULL);
	spin_unlock(&embryo->s.lock);
	socket_set_peercred(&u->s, l->s.peer_pid, l->s.peer_cred);
	u->s.state = SOCKET_CONNECTED;
	unix_get(embryo);
	store_release(&u->peer, embryo);
	list_add_tail(&l->pending, &embryo->pending_node);
	store_relaxed(&l->qlen, l->qlen + 1);
}

/* One try: 0; KERR(EAGAIN) with *full: wait; other errors. KERR(ESTALE): it died meanwhile, look again. */
static kerr_t connect_try(struct unix_sock *u, struct unix_sock *l, struct unix_sock *embryo)
{
	kerr_t err = 0;

	if (l == u)
		return u->s.state == SOCKET_LISTENING ? KERR(EINVAL) : KERR(ECONNREFUSED);
	unix_lock_both(u, l);
	if (l->s.flags & SOCKET_DEAD)
		err = KERR(ESTALE);
	else if (l->s.state != SOCKET_LISTENING || (l->s.shutdown & SHUT_RECEIVE))
		err = KERR(ECONNREFUSED);
	else if (unix_queue_full(l))
		err = KERR(EAGAIN);
	else if (u->s.state != SOCKET_CLOSED)
		err = u->s.state == SOCKET_CONNECTED ? KERR(EISCONN) : KERR(EINVAL);
	else
		connect_locked(u, l, embryo);
	unix_unlock_both(u, l);
	return err;
}

static kerr_t connect_to(struct unix_sock *u, const void *addr, int len, bool nonblock, struct unix_sock *embryo)
{
	ktime_t timeo = nonblock ? 0 : socket_timeo(&u->s.sndtimeo), deadline = socket_deadline(timeo);

	for (;;) {
		struct unix_sock *l;
		kerr_t err = unix_find(addr, len, u->s.type, &l);

		if (err)
			return err;
		err = connect_try(u, l, embryo);
		if (!err)
			socket_wake_in(&l->s);
		if (kerr_code(err) == -EAGAIN && timeo) {
			err = unix_wait_room(l, deadline, timeo);
			if (!err)
				err = KERR(ESTALE);
		}
		unix_put(l);
		if (kerr_code(err) != -ESTALE)
			return err;
	}
}

static kerr_t unix_stream_connect(struct socket *s, const void *addr, int len, bool nonblock)
{
	struct unix_sock *u = unix_of(s), *embryo;
	kerr_t err = unix_check_addr(addr, len);

	if (!err)
		err = unix_autobind_for_cred(u);
	if (!err)
		err = sock_new(s->ops, s->type, &embryo);
	if (err)
		return err;
	err = connect_to(u, addr, len, nonblock, embryo);
	if (err)
		unix_end(embryo, false);
	return err;
}

static bool pending_or_end(const struct unix_sock *u)
{
	return load_relaxed(&u->qlen) || (load_relaxed(&u->s.shutdown) & SHUT_RECEIVE);
}

static struct unix_sock *pending_take(struct unix_sock *u)
{
	struct unix_sock *e = NULL;

	spin_lock(&u->s.lock);
	if (!list_empty(&u->pending)) {
		e = list_first(&u->pending, struct unix_sock, pending_node);
		list_del(&e->pending_node);
		store_relaxed(&u->qlen, u->qlen - 1);
	}
	spin_unlock(&u->s.lock);
	return e;
}

static kerr_t unix_accept(struct socket *s, bool nonblock, struct socket **out)
{
	ktime_t timeo = nonblock ? 0 : socket_timeo(&s->rcvtimeo), deadline = socket_deadline(timeo);
	struct unix_sock *u = unix_of(s), *e;

	if (s->type == SOCK_DGRAM)
		return KERR(EOPNOTSUPP);
	if (s->state != SOCKET_LISTENING)
		return KERR(EINVAL);
	while (!(e = pending_take(u))) {
		kerr_t err;

		if (load_relaxed(&s->shutdown) & SHUT_RECEIVE)
			return KERR(EINVAL);
		if (!timeo)
			return KERR(EAGAIN);
		err = wait_event_interruptible_until(&s->in, pending_or_end(u), deadline);
		if (err)
			return socket_wait_error(err, timeo);
	}
	if (wait_queue_active(&u->room))
		wake_up_n(&u->room, 1, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	e->s.flags |= load_relaxed(&s->flags) & (SOCKET_PASSCRED | SOCKET_PASSSEC);
	*out = &e->s;
	return 0;
}

/* ---------------------------------------------------------------- the rest */
static long unix_getname(struct socket *s, bool peer, void *addr)
{
	struct unix_sock *u = unix_of(s);
	long len;

	if (!peer)
		return unix_addr_copy(u, addr);
	u = unix_peer_get(u);
	if (!u)
		return -ENOTCONN;
	len = unix_addr_copy(u, addr);
	unix_put(u);
	return len;
}

/* signal: to whom of O_ASYNC it is told; the one who did it knows. */
static void shut(struct unix_sock *u, unsigned how, bool signal)
{
	spin_lock(&u->s.lock);
	store_relaxed(&u->s.shutdown, u->s.shutdown | how);
	spin_unlock(&u->s.lock);
	socket_state_changed(&u->s);
	wake_up_all(&u->room);
	if (signal && how == SHUT_BOTH)
		fasync_notify(&u->s.async, POLL_HUP);
	else if (signal && (how & SHUT_RECEIVE))
		fasync_notify(&u->s.async, POLL_IN);
}

static kerr_t unix_shutdown(struct socket *s, unsigned how)
{
	struct unix_sock *u = unix_of(s), *peer = unix_peer_get(u);

	shut(u, how, false);
	if (peer && s->type != SOCK_DGRAM)
		shut(peer, (how & SHUT_RECEIVE ? SHUT_SEND : 0) | (how & SHUT_SEND ? SHUT_RECEIVE : 0), true);
	if (peer)
		unix_put(peer);
	return 0;
}

static u32 unix_poll(struct socket *s, struct file *f, struct poll_table *pt)
{
	const struct unix_sock *u = unix_of(s);
	u32 shutdown = load_relaxed(&s->shutdown), mask = 0;

	(void)f;
	(void)pt;
	if (load_relaxed(&s->error))
		mask |= EPOLLERR;
	if (shutdown == SHUT_BOTH || s->state == SOCKET_CLOSED)
		mask |= EPOLLHUP;
	if (shutdown & SHUT_RECEIVE)
		mask |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (load_relaxed(&u->qlen))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (load_relaxed(&u->oob))
		mask |= EPOLLPRI;
	if (unix_writable(u))
		mask |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return mask;
}

enum { SIOCATMARK = 0x8905, SIOCOUTQ = 0x5411, SIOCINQ = 0x541b };

/* Bytes that can be read: of the first datagram, or of all. */
static long queued_bytes(struct unix_sock *u)
{
	struct unix_msg *m;
	long n = 0;

	if (u->s.state == SOCKET_LISTENING)
		return -EINVAL;
	spin_lock(&u->s.lock);
	list_for_each(m, &u->queue, node) {
		n += m->len - m->pos;
		if (u->s.type == SOCK_DGRAM)
			break;
	}
	spin_unlock(&u->s.lock);
	return n;
}

static bool at_mark(struct unix_sock *u)
{
	bool at;

	spin_lock(&u->s.lock);
	at = u->oob && u->queue.next == &u->oob->node;
	spin_unlock(&u->s.lock);
	return at;
}

static long unix_ioctl(struct socket *s, unsigned cmd, unsigned long arg)
{
	long n;

	switch (cmd) {
	case SIOCOUTQ:
		n = atomic_read(&s->wmem);
		break;
	case SIOCINQ:
		n = queued_bytes(unix_of(s));
		break;
	case SIOCATMARK:
		n = at_mark(unix_of(s));
		break;
	default:
		return -ENOIOCTLCMD;
	}
	return n < 0 ? n : kerr_code(put_user((int)n, (int __user *)arg));
}

static kerr_t unix_set_peek_off(struct socket *s, int off)
{
	store_relaxed(&s->peek_off, off);
	return 0;
}

#define COMMON_OPS                                                                                                      \
	.family = AF_UNIX, .release = unix_release, .bind = unix_bind, .pair = unix_pair, .listen = unix_listen, .accept = unix_accept, \
	.getname = unix_getname, .shutdown = unix_shutdown, .ioctl = unix_ioctl, .set_peek_off = unix_set_peek_off

static const struct socket_ops stream_ops = {
	COMMON_OPS, .connect = unix_stream_connect, .poll = unix_poll, .sendmsg = unix_stream_send, .recvmsg = unix_stream_recv,
};
static const struct socket_ops dgram_ops = {
	COMMON_OPS, .connect = unix_dgram_connect, .poll = unix_dgram_poll, .sendmsg = unix_dgram_send, .recvmsg = unix_dgram_recv,
};
static const struct socket_ops seqpacket_ops = {
	COMMON_OPS, .connect = unix_stream_connect, .poll = unix_dgram_poll, .sendmsg = unix_seqpacket_send, .recvmsg = unix_seqpacket_recv,
};

/* ---------------------------------------------------------------- /proc/net/unix */
static void show_one(struct seq_buf *s, struct unix_sock *u)
{
	enum { UNCONNECTED = 1, CONNECTING, CONNECTED, DISCONNECTING };
	const struct unix_addr *a = u->addr;
	unsigned long ino = 0;
	bool on, has_file;
	char text[112];
	int len = 0;

	spin_lock(&u->s.lock);
	on = u->s.state == SOCKET_CONNECTED;
	has_file = u->s.file;
	if (has_file)
		ino = (unsigned long)u->s.file->inode->ino;
	spin_unlock(&u->s.lock);
	for (; a && len < a->len - (int)UNIX_ADDR_HEAD; len++)
		text[len] = ((const char *)&a->a)[(int)UNIX_ADDR_HEAD + len] ?: '@';
	if (len && text[0] != '@')
		len--; /* the NUL */
	seq_printf(s, "%08x: %08X %08X %08X %04X %02X %5lu%s%.*s\n", hash_ptr(u), (unsigned)atomic_read(&u->s.refs), 0u,
		   u->s.state == SOCKET_LISTENING ? 1u << 16 : 0u, (unsigned)u->s.type,
		   (unsigned)(has_file ? (on ? CONNECTED : UNCONNECTED) : on ? CONNECTING : DISCONNECTING), ino, len ? " " : "", len, text);
}

void unix_show_sockets(struct seq_buf *s)
{
	struct unix_sock *u, *prev = NULL;

	seq_puts(s, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	/* One at a time, held by a reference: the text may need memory, which no spinlock allows. */
	spin_lock(&un()->table_lock);
	list_for_each(u, &un()->all, all_node) {
		unix_get(u);
		spin_unlock(&un()->table_lock);
		if (prev)
			unix_put(prev);
		prev = u;
		show_one(s, u);
		spin_lock(&un()->table_lock);
		if (list_empty(&u->all_node))
			break; /* it ended meanwhile: the list is told as far as this */
	}
	spin_unlock(&un()->table_lock);
	if (prev)
		unix_put(prev);
}
