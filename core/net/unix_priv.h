/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX: private contract (unix(7)).
 *
 * unix.c makes, names, connects and ends sockets; unix_name.c keeps the names; unix_msg.c has messages and their accounting; unix_stream.c and unix_dgram.c
 * send and receive; unix_gc.c counts sockets in messages, and collects those that nobody can reach.
 * Locking: socket.lock of one; of two, in the order of unix_lock_both(). The table's and the collector's locks come before.
 */
#pragma once

#include "net_priv.h"

struct unix_addr { /* [c] once it is in a socket */
	struct atomic refs;
	int len;   /* of what follows, as bind(2) counts it */
	struct unix_sockaddr {
		u16 family;
		char path[108];
	} a;
};
_Static_assert(sizeof(struct unix_sockaddr) == 110, "struct sockaddr_un");
#define UNIX_ADDR_HEAD offsetof(struct unix_sockaddr, path)

struct unix_msg {
	struct list node;	/* [receiver's lock] */
	struct unix_sock *from; /* a reference: what is charged, and whose address is told */
	u32 len;
	u32 pos;		/* [read_mutex] received so far */
	u32 charge;
	pid_t pid;		/* who wrote it; 0: not told */
	uid_t uid;
	gid_t gid;
	struct scm_files *files; /* [receiver's lock, read_mutex] */
	s64 stamp;		/* ns since the Epoch, if the receiver wants it */
	u8 chunk_shift;		/* 0: the bytes follow; else they lie in chunks of that size */
	union {
		u8 data[sizeof(void *)];
		u8 *chunk[1];
	};
};

struct unix_sock {
	struct socket s; /* first */
	/* [a] */
	struct unix_sock *peer; /* a reference. Streams: set once; written under s.lock */
	struct unix_addr *addr; /* set once, under table_lock and s.lock */
	/* [s.lock] */
	struct list queue;	/* unix_msg */
	unsigned qlen;		/* messages, or connections of a listening one */
	u32 arrivals;		/* messages so far */
	unsigned backlog;	/* how many more than this fill it */
	struct list pending;	/* listening: unix_sock.pending_node, not accepted yet; a reference each */
	struct list pending_node; /* [listener's s.lock] */
	struct unix_msg *oob;	/* the urgent byte, in the queue */
	/* [table_lock] */
	struct hlist_node hash;
	struct list all_node;
	struct path path;	/* what it is bound to, until it is released */
	/* [gc_lock] */
	struct list inflight_node;
	unsigned inflight;	/* references to its file in messages */
	unsigned gc_refs;	/* of those, not yet found in candidates' queues */
	u8 gc_state;
	/* own locks */
	struct mutex read_mutex; /* RANK_SOCKET_READ: one receiver at a time */
	struct wait_queue room;	/* senders and connectors that found the queue full */
	struct wait_entry room_relay; /* hangs on the peer's `room` for those who poll this one */
	struct unix_sock *room_of; /* [s.lock] whose queue it hangs on */
};

static inline struct unix_sock *unix_of(struct socket *s)
{
	return container_of(s, struct unix_sock, s);
}
static inline struct unix_state *un(void)
{
	return &net()->un;
}

/* --- unix.c --- */
static inline void unix_get(struct unix_sock *u)
{
	socket_get(&u->s);
}
void unix_put(struct unix_sock *u);
/* Its peer, referenced, or NULL. */
struct unix_sock *unix_peer_get(struct unix_sock *u);
void unix_lock_both(struct unix_sock *a, struct unix_sock *b) ACQUIRES(a->s.lock, b->s.lock);
void unix_unlock_both(struct unix_sock *a, struct unix_sock *b) RELEASES(a->s.lock, b->s.lock);
static inline bool unix_queue_full(const struct unix_sock *u)
{
	return load_relaxed(&u->qlen) > load_relaxed(&u->backlog);
}
static inline bool unix_writable(const struct unix_sock *u)
{
	/* a quarter, less one byte: Linux counts one for the socket itself */
	return u->s.state != SOCKET_LISTENING && (atomic_read(&u->s.wmem) << 2) < load_relaxed(&u->s.sndbuf) - 3;
}
/* Waits for room in other's queue, or its end. KERR(EAGAIN): the deadline is over; KERR(ERESTARTSYS), KERR(EINTR). */
kerr_t unix_wait_room(struct unix_sock *other, ktime_t deadline, ktime_t timeo) __must_check;
/* Who polls u is told when other has room. Both locked. False: there is room again. */
bool unix_relay_room(struct unix_sock *u, struct unix_sock *other);
void unix_relay_end(struct unix_sock *u); /* u->s.lock held */

/* --- unix_name.c --- */
kerr_t unix_check_addr(const void *addr, int len) __must_check;
kerr_t unix_bind(struct socket *s, const void *addr, int len) __must_check;
/* Names it itself, if SO_PASSCRED is on and it has no name: what it sends must be answerable. */
kerr_t unix_autobind_for_cred(struct unix_sock *u) __must_check;
/* The socket of that name and type, referenced. KERR(ECONNREFUSED), KERR(EPROTOTYPE), errors of paths. */
kerr_t unix_find(const void *addr, int len, int type, struct unix_sock **out) __must_check;
void unix_unname(struct unix_sock *u);
static inline struct unix_addr *unix_addr_get(struct unix_addr *a)
{
	atomic_inc(&a->refs);
	return a;
}
void unix_addr_put(struct unix_addr *a);
int unix_addr_copy(const struct unix_sock *u, void *to); /* the length */

/* --- unix_msg.c --- */
/* How Linux would split and charge what is sent. */
u32 unix_stream_part(const struct unix_sock *u, size_t left);
u32 unix_stream_charge(u32 len);
u32 unix_dgram_charge(u32 len);
/* Waits until u may send. KERR(EAGAIN), KERR(EPIPE), the socket's error ... */
kerr_t unix_wait_wmem(struct unix_sock *u, bool nonblock) __must_check;
/* A message of u's with room for len bytes, charged. KERR(ENOMEM), KERR(ENOBUFS). */
kerr_t unix_msg_alloc(struct unix_sock *u, u32 len, u32 charge, struct unix_msg **out) __must_check;
void unix_msg_free(struct unix_msg *m); /* uncharges, wakes the sender; files are dropped. No lock held */
kerr_t unix_msg_fill(struct unix_msg *m, struct iov_iter *it) __must_check;
/* n bytes from `from` on; what could be moved. */
size_t unix_msg_read(const struct unix_msg *m, u32 from, struct iov_iter *it, size_t n);
static inline void unix_msg_set_scm(struct unix_msg *m, const struct scm *scm)
{
	m->pid = scm->pid;
	m->uid = scm->uid;
	m->gid = scm->gid;
}
/* Who wrote it, if sender or receiver wants to know; when. receiver's lock held. */
void unix_msg_sign(struct unix_msg *m, const struct unix_sock *to);
/* At the tail of to's queue. Its lock held. */
void unix_enqueue(struct unix_sock *to, struct unix_msg *m);
void unix_put_stamp(const struct unix_sock *u, const struct unix_msg *m, struct socket_msg *to);
/* Takes (or, peeking, copies) the files of m. */
kerr_t unix_msg_files(struct unix_sock *u, struct unix_msg *m, bool peek, struct scm *scm) __must_check;
void unix_scm_drop(struct scm *scm);

/* --- unix_stream.c, unix_dgram.c --- */
ssize_t unix_stream_send(struct socket *s, struct socket_msg *m, size_t len);
ssize_t unix_stream_recv(struct socket *s, struct socket_msg *m, size_t len);
ssize_t unix_dgram_send(struct socket *s, struct socket_msg *m, size_t len);
ssize_t unix_dgram_recv(struct socket *s, struct socket_msg *m, size_t len);
ssize_t unix_seqpacket_send(struct socket *s, struct socket_msg *m, size_t len);
ssize_t unix_seqpacket_recv(struct socket *s, struct socket_msg *m, size_t len);
kerr_t unix_dgram_connect(struct socket *s, const void *addr, int len, bool nonblock) __must_check;
u32 unix_dgram_poll(struct socket *s, struct file *f, struct poll_table *pt);
/* u's partner is another now, or none: what the old one sent is thrown away, and it is told. No lock held. */
void unix_dgram_disconnected(struct unix_sock *u, struct unix_sock *old);

/* --- unix_gc.c --- */
void unix_gc_init(void);
/* A message takes the files over: counts them. KERR(ETOOMANYREFS). */
kerr_t unix_files_fly(struct scm_files *f) __must_check;
void unix_files_land(struct scm_files *f); /* out of the message again: still the caller's */
/* Lands and puts them; nested calls leave the work to the outermost, so that a chain of sockets in sockets needs no stack. */
void unix_files_drop(struct scm_files *f);
/* Collects if there are sockets in messages. No lock held. */
void unix_gc(void);
/* Before a send: collects when there are very many. */
void unix_gc_when_many(void);
