/* SPDX-License-Identifier: MIT */
/*
 * Sockets (socket(7)). A struct socket is a family's object with the common part first; its file stands on sockfs ("socket:[N]"), and the file's operations
 * go to the family by struct socket_ops.
 *
 *   socket(2) -> net_family of the domain -> family.create -> struct socket -> socket_file() -> fd
 *   sendmsg(2), write(2) -> socket_msg -> socket_ops.sendmsg
 *
 * Context of all operations: process, may sleep, no lock held, unless said. Sends and receives give a count or -errno.
 */
#pragma once

#include <maestro/cred.h>
#include <maestro/fasync.h>
#include <maestro/lock.h>
#include <maestro/uaccess.h>
#include <maestro/wait.h>

enum { AF_UNSPEC = 0, AF_UNIX = 1, AF_MAX = 46 };
enum { SOCK_STREAM = 1, SOCK_DGRAM = 2, SOCK_RAW = 3, SOCK_SEQPACKET = 5, SOCK_TYPE_MAX = 11 };
#define SOCK_TYPE_MASK 0xf
#define SOL_SOCKET 1

#define MSG_OOB 1u
#define MSG_PEEK 2u
#define MSG_CTRUNC 8u
#define MSG_TRUNC 0x20u
#define MSG_DONTWAIT 0x40u
#define MSG_EOR 0x80u
#define MSG_WAITALL 0x100u
#define MSG_NOSIGNAL 0x4000u
#define MSG_WAITFORONE 0x10000u
#define MSG_CMSG_CLOEXEC 0x40000000u

#define SHUT_RECEIVE 1u
#define SHUT_SEND 2u
#define SHUT_BOTH 3u

#define ADDRESS_MAX 128 /* struct sockaddr_storage */

struct file;
struct poll_table;
struct seq_buf;
struct socket;

/* What one send or receive is about. */
struct socket_msg {
	struct iov_iter *it;
	u32 flags;	 /* MSG_* of the call */
	u32 report;	 /* receives: what recvmsg(2) says in msg_flags */
	/* an address: sends: the target, namelen 0 none. Receives: NULL, or room of ADDRESS_MAX that the family fills, with namelen */
	void *name;
	int namelen;
	/* sends: a kernel copy of the control bytes; receives: the program's buffer (NULL: none was given), both advance as they are used */
	const u8 *control_in;
	u8 __user *control_out;
	size_t controllen;
};

struct socket_ops {
	int family;
	void (*release)(struct socket *s); /* its file went: consumes the reference */
	kerr_t (*bind)(struct socket *s, const void *addr, int len);
	kerr_t (*connect)(struct socket *s, const void *addr, int len, bool nonblock);
	kerr_t (*pair)(struct socket *a, struct socket *b); /* both are fresh; NULL: EOPNOTSUPP */
	kerr_t (*listen)(struct socket *s, unsigned backlog);
	kerr_t (*accept)(struct socket *s, bool nonblock, struct socket **out); /* with a reference, no file yet */
	long (*getname)(struct socket *s, bool peer, void *addr); /* the length */
	kerr_t (*shutdown)(struct socket *s, unsigned how); /* SHUT_* */
	u32 (*poll)(struct socket *s, struct file *f, struct poll_table *pt);
	long (*ioctl)(struct socket *s, unsigned cmd, unsigned long arg);
	ssize_t (*sendmsg)(struct socket *s, struct socket_msg *m, size_t len);
	ssize_t (*recvmsg)(struct socket *s, struct socket_msg *m, size_t len);
	kerr_t (*set_peek_off)(struct socket *s, int off); /* NULL: EOPNOTSUPP */
};

enum socket_state { SOCKET_CLOSED, SOCKET_CONNECTED, SOCKET_LISTENING };
enum { SOCKET_PASSCRED = 1, SOCKET_PASSSEC = 2, SOCKET_OOBINLINE = 4, SOCKET_STAMP = 8, SOCKET_STAMP_NS = 16, SOCKET_STAMP_NEW = 32, SOCKET_DEAD = 64,
       SOCKET_NOSPACE = 128 /* somebody found no room: POLL_OUT is due when there is */ };

#define SOCKET_TICK 4000000 /* ns: timeouts are kept in Linux's ticks of 1/250 s, as programs read them back */

struct socket {
	/* [c] */
	const struct socket_ops *ops;
	int type, protocol;
	struct atomic refs;
	/* [a] */
	int error;	    /* errno to report once: SO_ERROR and the next call */
	struct atomic wmem; /* bytes charged for what was sent and not yet received */
	u32 flags;	    /* SOCKET_*; written under lock */
	int sndbuf, rcvbuf, rcvlowat, peek_off;
	unsigned long rcvtimeo, sndtimeo; /* SOCKET_TICKs; ULONG_MAX: none */
	/* [lock] to write; single words are read without */
	struct spinlock lock; /* RANK_SOCKET */
	enum socket_state state;
	u32 shutdown;	    /* SHUT_* */
	struct file *file;  /* no reference; NULL: not accepted yet, or closed */
	pid_t peer_pid;
	const struct cred *peer_cred; /* or NULL */
	struct socket_options { u32 bits, priority, mark; int linger; } opt; /* settings that only getsockopt reads back */
	u64 cookie;
	/* own locks */
	struct fasync_queue async; /* O_ASYNC */
	struct wait_queue in, out; /* who waits for bytes or connections; who waits for room. Both are woken when the state changes */
};

/* A family gives a fresh socket with one reference. KERR(EPROTONOSUPPORT), KERR(ESOCKTNOSUPPORT), KERR(ENOMEM). */
kerr_t unix_create(int type, int protocol, struct socket **out) __must_check;
kerr_t net_init(void) __must_check;
kerr_t unix_init(void) __must_check;
void unix_show_sockets(struct seq_buf *s); /* /proc/net/unix */
struct socket *socket_of_file(const struct file *f); /* NULL: it is none */
