/* SPDX-License-Identifier: MIT */
/* What the files of core/net share. */
#pragma once

#include <abi/socket.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/net.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/time_user.h>
#include <maestro/vfs.h>

static inline struct net_state *net(void)
{
	return &kernel()->net;
}

/* --- socket.c --- */
/* The common part of a fresh socket: refs 1, defaults. */
void socket_init(struct socket *s, const struct socket_ops *ops, int type, int protocol);
static inline void socket_get(struct socket *s)
{
	atomic_inc(&s->refs);
}
/* A file for s, which it owns from then on (its last close releases s). On error s is as before. flags: O_NONBLOCK. */
kerr_t socket_file(struct socket *s, u32 flags, struct file **out) __must_check;
/* The file behind a number, and its socket: put with fd_put_light. KERR(EBADF), KERR(ENOTSOCK). */
kerr_t socket_fd(int fd, struct fd *f, struct socket **out) __must_check;
/* The error to report, once; 0 none. */
kerr_t socket_take_error(struct socket *s) __must_check;
/* Sleeps end so: with a timeout running a signal means EINTR, else the call may be restarted (signal(7)). */
kerr_t socket_wait_error(kerr_t err, ktime_t timeo) __must_check;
/* A timeout in ns, S64_MAX none; and an absolute deadline for it. */
static inline ktime_t socket_timeo(const unsigned long *ticks)
{
	unsigned long n = load_relaxed(ticks);

	return likely(n == ULONG_MAX) ? S64_MAX : (ktime_t)n * SOCKET_TICK;
}
ktime_t socket_deadline(ktime_t timeo);
void socket_no_space(struct socket *s);	 /* a send, or a poll, found no room */
void socket_has_space(struct socket *s); /* who asked for signals hears of room */
/* An urgent byte came: SIGURG to the file's owner. No spinlock held. */
void socket_urgent(struct socket *s);
/* Wakes all: the state changed. */
void socket_state_changed(struct socket *s);
static inline void socket_wake_in(struct socket *s)
{
	if (wait_queue_active(&s->in))
		wake_up_n(&s->in, 1, EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLPRI);
	fasync_notify(&s->async, POLL_IN);
}
static inline void socket_wake_out(struct socket *s)
{
	if (wait_queue_active(&s->out))
		wake_up_n(&s->out, 0, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	if (unlikely(load_relaxed(&s->flags) & SOCKET_NOSPACE))
		socket_has_space(s);
}
static inline bool socket_is_stream(const struct socket *s)
{
	return s->type == SOCK_STREAM;
}
/* What SO_PEERCRED of s will say. s->lock held. */
void socket_set_peercred(struct socket *s, pid_t pid, const struct cred *cred);

/* --- sockopt.c --- */
long socket_setsockopt(struct socket *s, int name, const void __user *val, int len);
long socket_getsockopt(struct socket *s, int name, void __user *val, int __user *len);

/* --- sys_socket.c --- */
kerr_t address_from_user(void *dst, const void __user *src, int len) __must_check;
/* As Linux: cut to what there is room for; the full length is told. */
kerr_t address_to_user(const void *addr, int len, void __user *dst, int __user *ulen) __must_check;

/* --- scm.c: control messages --- */
#define SCM_MAX_FD 253u
struct scm_files {
	struct scm_files *next; /* of those to be dropped */
	struct user_struct *user; /* who sent them, counted in its unix_inflight; NULL: not counted */
	unsigned count;
	struct file *file[];
};
struct scm {
	pid_t pid; /* 0: none */
	uid_t uid;
	gid_t gid;
	struct scm_files *files;
};
/* Reads what a sender says. Its files are referenced. KERR(EINVAL), KERR(EBADF), KERR(EPERM), KERR(ESRCH), KERR(ENOMEM), KERR(ETOOMANYREFS). */
kerr_t scm_send(const struct socket_msg *m, struct scm *out) __must_check;
/* Tells the receiver, whose socket's flags say what it wants; takes the files over. */
void scm_receive(const struct socket *s, struct socket_msg *m, struct scm *scm);
void scm_put_cmsg(struct socket_msg *m, int level, int type, const void *data, size_t len);
void scm_files_put(struct scm_files *f); /* at once */
kerr_t scm_files_dup(const struct scm_files *f, struct scm_files **out) __must_check;
