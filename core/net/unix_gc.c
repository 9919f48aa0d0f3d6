/* SPDX-License-Identifier: MIT */
/*
 * Sockets in messages (SCM_RIGHTS of sockets, unix(7)): how many there are, and those that only messages know.
 *
 * A socket whose file has no other references than those in messages can still be received, if the queue with the message can be reached. unix_gc() takes
 * all such sockets as candidates, takes away from each the references that lie in the candidates' own queues, and what then still has some left is
 * reachable from outside; so is all that lies in its queue, and so on. The rest is garbage: its messages are dropped, which closes it.
 *
 * Locking: gc_lock for the counts and during a collection; it comes before socket.lock. A message's files are counted before it is in a queue and until it has
 * left it, so that what a collection does not find in queues only makes it careful.
 */
#include "unix_priv.h"

enum { GC_NONE, GC_CANDIDATE, GC_REACHED };
#define GC_MANY 16000u

void unix_gc_init(void)
{
	spin_init(&un()->gc_lock, RANK_NET_GC, "unix.gc");
	list_init(&un()->inflight);
}

static struct unix_sock *unix_of_file(const struct file *f)
{
	struct socket *s = socket_of_file(f);

	return s && s->ops->family == AF_UNIX ? unix_of(s) : NULL;
}

/* ---------------------------------------------------------------- counting */
kerr_t unix_files_fly(struct scm_files *f)
{
	struct user_struct *user = current_cred()->user;
	struct unix_state *x = un();

	if ((u64)atomic_read(&user->unix_inflight) > rlimit_get(RLIMIT_NOFILE) && !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN))
		return KERR(ETOOMANYREFS);
	spin_lock(&x->gc_lock);
	for (unsigned i = 0; i < f->count; i++) {
		struct unix_sock *u = unix_of_file(f->file[i]);

		if (!u)
			continue;
		if (u->inflight++ == 0)
			list_add_tail(&x->inflight, &u->inflight_node);
		store_relaxed(&x->total_inflight, x->total_inflight + 1);
	}
	spin_unlock(&x->gc_lock);
	atomic_inc(&user->refs);
	atomic_add(&user->unix_inflight, (int)f->count);
	f->user = user;
	return 0;
}

void unix_files_land(struct scm_files *f)
{
	struct unix_state *x = un();

	spin_lock(&x->gc_lock);
	for (unsigned i = 0; i < f->count; i++) {
		struct unix_sock *u = unix_of_file(f->file[i]);

		if (!u)
			continue;
		ASSERT(u->inflight > 0);
		if (--u->inflight == 0)
			list_del(&u->inflight_node);
		store_relaxed(&x->total_inflight, x->total_inflight - 1);
	}
	spin_unlock(&x->gc_lock);
	atomic_sub(&f->user->unix_inflight, (int)f->count);
	user_put(f->user);
	f->user = NULL;
}

/* ---------------------------------------------------------------- collecting */
typedef void (*ref_fn)(struct unix_sock *u, struct list *work);

static void refs_of_queue(struct unix_sock *holder, ref_fn fn, struct list *work)
{
	struct unix_msg *m;

	spin_lock_nested(&holder->s.lock);
	list_for_each(m, &holder->queue, node)
		for (unsigned i = 0; m->files && i < m->files->count; i++) {
			struct unix_sock *u = unix_of_file(m->files->file[i]);

			if (u && u->gc_state != GC_NONE)
				fn(u, work);
		}
	spin_unlock(&holder->s.lock);
}

/* All that u's queue holds; a listening one has its connections' queues. gc_lock held. */
static void refs_of(struct unix_sock *u, ref_fn fn, struct list *work)
{
	struct unix_sock *embryo;

	if (u->s.state == SOCKET_LISTENING) {
		spin_lock(&u->s.lock);
		list_for_each(embryo, &u->pending, pending_node)
			refs_of_queue(embryo, fn, work);
		spin_unlock(&u->s.lock);
	} else {
		refs_of_queue(u, fn, work);
	}
}

static void ref_inside(struct unix_sock *u, struct list *work)
{
	(void)work;
	ASSERT(u->gc_refs > 0);
	u->gc_refs--;
}

static void ref_reached(struct unix_sock *u, struct list *work)
{
	if (u->gc_state == GC_REACHED)
		return;
	u->gc_state = GC_REACHED;
	list_move_tail(work, &u->inflight_node);
}

/* Moves the messages with files out of a queue. */
static void harvest_queue(struct unix_sock *u, struct list *out)
{
	struct unix_msg *m, *tmp;

	spin_lock_nested(&u->s.lock);
	list_for_each_safe(m, tmp, &u->queue, node)
		if (m->files) {
			list_move_tail(out, &m->node);
			store_relaxed(&u->qlen, u->qlen - 1);
			if (u->oob == m)
				u->oob = NULL;
		}
	spin_unlock(&u->s.lock);
}

static void harvest(struct unix_sock *u, struct list *out)
{
	struct unix_sock *embryo;

	if (u->s.state == SOCKET_LISTENING) {
		spin_lock(&u->s.lock);
		list_for_each(embryo, &u->pending, pending_node)
			harvest_queue(embryo, out);
		spin_unlock(&u->s.lock);
	} else {
		harvest_queue(u, out);
	}
}

/* Sorts all sockets in messages: garbage onto its list, what can be reached back onto un()->inflight. gc_lock held. */
static void gc_sort(struct list *garbage)
{
	struct unix_state *x = un();
	struct unix_sock *u, *tmp;
	struct list reached;

	list_init(&reached);
	list_for_each_safe(u, tmp, &x->inflight, inflight_node) {
		if ((unsigned)atomic_read(&u->s.file->refs) != u->inflight)
			continue;
		u->gc_state = GC_CANDIDATE;
		u->gc_refs = u->inflight;
		list_move_tail(garbage, &u->inflight_node);
	}
	list_for_each(u, garbage, inflight_node)
		refs_of(u, ref_inside, NULL);
	list_for_each_safe(u, tmp, garbage, inflight_node)
		if (u->gc_refs)
			ref_reached(u, &reached);
	list_for_each(u, &reached, inflight_node) /* it grows meanwhile */
		refs_of(u, ref_reached, &reached);
	list_for_each(u, &reached, inflight_node)
		u->gc_state = GC_NONE;
	list_splice_tail(&x->inflight, &reached);
}

/* Lets go of gc_lock while it frees messages. */
static void gc_once_locked(struct unix_state *x) REQUIRES(x->gc_lock)
{
	struct unix_sock *u;
	struct list garbage, messages;

	assert_held(&x->gc_lock);
	list_init(&garbage);
	list_init(&messages);
	gc_sort(&garbage);
	list_for_each(u, &garbage, inflight_node) {
		harvest(u, &messages);
		u->gc_state = GC_NONE;
	}
	list_splice_tail(&x->inflight, &garbage);
	spin_unlock(&x->gc_lock);
	while (!list_empty(&messages)) {
		struct unix_msg *m = list_first(&messages, struct unix_msg, node);

		list_del(&m->node);
		unix_msg_free(m);
	}
	spin_lock(&x->gc_lock);
}

/* Collects as long as it is asked for. Not while files are dropped: each socket that falls would ask, and once at the end answers all. */
static void gc_wanted_locked(struct unix_state *x) REQUIRES(x->gc_lock)
{
	while (x->gc_wanted && !x->collecting && !x->dropping) {
		x->gc_wanted = false;
		x->collecting = true;
		gc_once_locked(x);
		x->collecting = false;
	}
}

void unix_gc(void)
{
	struct unix_state *x = un();

	if (!load_relaxed(&x->total_inflight))
		return;
	spin_lock(&x->gc_lock);
	x->gc_wanted = true;
	gc_wanted_locked(x);
	spin_unlock(&x->gc_lock);
}

void unix_files_drop(struct scm_files *f)
{
	struct unix_state *x = un();

	unix_files_land(f);
	spin_lock(&x->gc_lock);
	f->next = x->dropped;
	x->dropped = f;
	if (x->dropping) {
		spin_unlock(&x->gc_lock);
		return;
	}
	x->dropping = true;
	while (x->dropped) {
		f = x->dropped;
		x->dropped = f->next;
		spin_unlock(&x->gc_lock);
		scm_files_put(f);
		spin_lock(&x->gc_lock);
	}
	x->dropping = false;
	gc_wanted_locked(x);
	spin_unlock(&x->gc_lock);
}

void unix_gc_when_many(void)
{
	if (unlikely(load_relaxed(&un()->total_inflight) > GC_MANY))
		unix_gc();
}
