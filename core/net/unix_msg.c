/* SPDX-License-Identifier: MIT */
/*
 * Messages of AF_UNIX: their bytes, and what they cost.
 *
 * Small ones lie behind their header, larger ones in chunks. A message is charged to its sender until it is received, with what Linux's buffers take: a program
 * sees that in how much it can send before it must wait, and in SIOCOUTQ (socket(7), SO_SNDBUF).
 * Locking: the sender's charge is atomic; a message in a queue belongs to the queue's lock, what is read of it to the receiver's read_mutex.
 */
#include "unix_priv.h"

#define SKB_HEAD_MAX ((u32)PAGE_SIZE - ABI_SKB_TAIL)	  /* bytes in a buffer of one page */
#define SKB_DGRAM_MAX ((u32)PAGE_SIZE * 4 - ABI_SKB_TAIL) /* ... of four */
#define SKB_FRAGS 17u
#define CHUNK_SHIFT 15u

/* ---------------------------------------------------------------- accounting */
static u32 skb_charge(u32 head, u32 pages)
{
	u32 bytes = ALIGN_UP(head, 64u) + ABI_SKB_TAIL;

	return (1u << bit_width(bytes - 1)) + ABI_SKB_HEAD + ALIGN_UP(pages, (u32)PAGE_SIZE);
}

u32 unix_stream_part(const struct unix_sock *u, size_t left)
{
	size_t half = (size_t)(load_relaxed(&u->s.sndbuf) >> 1) - 64, most = MIN(half, (size_t)SKB_HEAD_MAX + 32768);

	return (u32)MIN(left, most);
}

u32 unix_stream_charge(u32 len)
{
	u32 pages = len > SKB_HEAD_MAX ? MIN(ALIGN_UP(len - SKB_HEAD_MAX, (u32)PAGE_SIZE), len) : 0;

	return skb_charge(len - pages, pages);
}

u32 unix_dgram_charge(u32 len)
{
	u32 pages = len > SKB_DGRAM_MAX ? ALIGN_UP(MIN(len - SKB_DGRAM_MAX, SKB_FRAGS * (u32)PAGE_SIZE), (u32)PAGE_SIZE) : 0;

	return skb_charge(len - pages, pages);
}

static bool may_charge(const struct socket *s)
{
	return atomic_read(&s->wmem) < load_relaxed(&s->sndbuf);
}

/* What ends a wait for room, besides room. */
static bool send_over(const struct socket *s)
{
	return load_relaxed(&s->error) || (load_relaxed(&s->shutdown) & SHUT_SEND);
}

kerr_t unix_wait_wmem(struct unix_sock *u, bool nonblock)
{
	struct socket *s = &u->s;
	ktime_t timeo = nonblock ? 0 : socket_timeo(&s->sndtimeo), deadline = 0;
	kerr_t err;

	for (bool first = true;; first = false) {
		err = socket_take_error(s);
		if (unlikely(err))
			return err;
		if (unlikely(load_relaxed(&s->shutdown) & SHUT_SEND))
			return KERR(EPIPE);
		if (likely(may_charge(s)))
			return 0;
		if (first)
			socket_no_space(s);
		if (!timeo)
			return KERR(EAGAIN);
		if (first)
			deadline = socket_deadline(timeo);
		err = wait_event_interruptible_until(&s->out, may_charge(s) || send_over(s), deadline);
		if (err)
			return socket_wait_error(err, timeo);
	}
}

/* ---------------------------------------------------------------- bytes */
static void chunks_free(struct unix_msg *m, u32 n)
{
	while (n)
		kfree(m->chunk[--n]);
}

static u32 chunk_count(u32 len, unsigned shift)
{
	return (len + (1u << shift) - 1) >> shift;
}

static struct unix_msg *chunked_alloc(u32 len, unsigned shift)
{
	u32 n = chunk_count(len, shift);
	struct unix_msg *m = kmalloc(offsetof(struct unix_msg, chunk) + n * sizeof(m->chunk[0]), GFP_KERNEL);

	if (!m)
		return NULL;
	m->chunk_shift = (u8)shift;
	for (u32 i = 0; i < n; i++) {
		m->chunk[i] = kmalloc(MIN(len - (i << shift), 1u << shift), GFP_KERNEL);
		if (!m->chunk[i]) {
			chunks_free(m, i);
			kfree(m);
			return NULL;
		}
	}
	return m;
}

kerr_t unix_msg_alloc(struct unix_sock *u, u32 len, u32 charge, struct unix_msg **out)
{
	struct unix_msg *m;

	if (likely(len <= PAGE_SIZE - offsetof(struct unix_msg, data))) {
		m = kmalloc(MAX(offsetof(struct unix_msg, data) + len, sizeof(*m)), GFP_KERNEL);
		if (m)
			m->chunk_shift = 0;
	} else {
		m = chunked_alloc(len, CHUNK_SHIFT);
		if (!m) /* memory may lie in pieces */
			m = chunked_alloc(len, PAGE_SHIFT);
	}
	if (!m)
		return KERR(ENOBUFS);
	m->len = len;
	m->pos = 0;
	m->charge = charge;
	m->pid = 0;
	m->uid = (uid_t)-1;
	m->gid = (gid_t)-1;
	m->files = NULL;
	m->stamp = 0;
	m->from = u;
	unix_get(u);
	atomic_add(&u->s.wmem, (int)charge);
	*out = m;
	return 0;
}

void unix_msg_free(struct unix_msg *m)
{
	struct unix_sock *from = m->from;

	atomic_sub(&from->s.wmem, (int)m->charge);
	if ((wait_queue_active(&from->s.out) || (load_relaxed(&from->s.flags) & SOCKET_NOSPACE)) && unix_writable(from))
		socket_wake_out(&from->s);
	if (m->files)
		unix_files_drop(m->files);
	if (m->chunk_shift)
		chunks_free(m, chunk_count(m->len, m->chunk_shift));
	kfree(m);
	unix_put(from);
}

/* The bytes at `at`, and how many of them lie together. */
static u8 *msg_bytes(const struct unix_msg *m, u32 at, size_t *together)
{
	u32 mask;

	if (likely(!m->chunk_shift)) {
		*together = m->len - at;
		return (u8 *)(uintptr_t)m->data + at;
	}
	mask = (1u << m->chunk_shift) - 1;
	*together = MIN(m->len - at, mask + 1 - (at & mask));
	return m->chunk[at >> m->chunk_shift] + (at & mask);
}

kerr_t unix_msg_fill(struct unix_msg *m, struct iov_iter *it)
{
	for (u32 at = 0; at < m->len;) {
		size_t n;
		u8 *p = msg_bytes(m, at, &n);

		if (copy_from_iter(it, p, n) != n)
			return KERR(EFAULT);
		at += (u32)n;
	}
	return 0;
}

size_t unix_msg_read(const struct unix_msg *m, u32 from, struct iov_iter *it, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t part, moved;
		const u8 *p = msg_bytes(m, from + (u32)done, &part);

		part = MIN(part, n - done);
		moved = copy_to_iter(it, p, part);
		done += moved;
		if (moved < part)
			break;
	}
	return done;
}

/* ---------------------------------------------------------------- what goes with them */
void unix_msg_sign(struct unix_msg *m, const struct unix_sock *to)
{
	if (unlikely(load_relaxed(&to->s.flags) & (SOCKET_STAMP | SOCKET_STAMP_NS)))
		m->stamp = ktime_get_real();
	if (m->pid)
		return;
	/* one that is not accepted yet may still ask */
	if (!to->s.file || ((load_relaxed(&m->from->s.flags) | load_relaxed(&to->s.flags)) & SOCKET_PASSCRED)) {
		m->pid = current->proc ? current->proc->pid : 0;
		m->uid = current_cred()->uid;
		m->gid = current_cred()->gid;
	}
}

void unix_enqueue(struct unix_sock *to, struct unix_msg *m)
{
	assert_held(&to->s.lock);
	list_add_tail(&to->queue, &m->node);
	store_relaxed(&to->qlen, to->qlen + 1);
	store_relaxed(&to->arrivals, to->arrivals + 1);
}

enum { SO_TIMESTAMP_OLD = 29, SO_TIMESTAMPNS_OLD = 35, SO_TIMESTAMP_NEW = 63, SO_TIMESTAMPNS_NEW = 64 };

void unix_put_stamp(const struct unix_sock *u, const struct unix_msg *m, struct socket_msg *to)
{
	u32 flags = load_relaxed(&u->s.flags);
	s64 ns = m->stamp ? m->stamp : ktime_get_real();
	struct timespec64 t = ns_to_timespec(ns);
	s64 wide[2] = { t.sec, flags & SOCKET_STAMP_NS ? t.nsec : t.nsec / 1000 };
	long narrow[2] = { (long)wide[0], (long)wide[1] };
	bool new = flags & SOCKET_STAMP_NEW;
	int type;

	if (!(flags & (SOCKET_STAMP | SOCKET_STAMP_NS)))
		return;
	if (flags & SOCKET_STAMP_NS)
		type = new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS_OLD;
	else
		type = new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP_OLD;
	if (new)
		scm_put_cmsg(to, SOL_SOCKET, type, wide, sizeof(wide));
	else
		scm_put_cmsg(to, SOL_SOCKET, type, narrow, sizeof(narrow));
}

kerr_t unix_msg_files(struct unix_sock *u, struct unix_msg *m, bool peek, struct scm *scm)
{
	struct scm_files *f = m->files;

	if (likely(!f))
		return 0;
	if (peek) {
		kerr_t err = scm_files_dup(f, &scm->files);

		/* A collection that saw the files before these references must end before the caller can close what it found them in. */
		spin_lock(&un()->gc_lock);
		spin_unlock(&un()->gc_lock);
		return err;
	}
	spin_lock(&u->s.lock);
	m->files = NULL;
	spin_unlock(&u->s.lock);
	unix_files_land(f);
	scm->files = f;
	return 0;
}

void unix_scm_drop(struct scm *scm)
{
	if (scm->files)
		scm_files_put(scm->files);
	scm->files = NULL;
}
