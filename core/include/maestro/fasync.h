/* SPDX-License-Identifier: MIT */
/*
 * Signal-driven I/O (fcntl(2), "Managing signals"): O_ASYNC files stand in the queue of what they are a view of, and whoever owns the file gets SIGIO,
 * or the signal of F_SETSIG, when something becomes possible there.
 *
 * An object that can be waited for embeds a struct fasync_queue. Its file_ops.fasync calls fasync_set(), and beside each wake_up of pollers stands a
 * fasync_notify(), which costs one load while nobody asked. The last file_put() takes the file out by calling file_ops.fasync(fd -1, f, false).
 */
#pragma once

#include <maestro/atomic.h>
#include <maestro/errno.h>
#include <maestro/list.h>
#include <maestro/types.h>

struct file;
struct proc;

enum { POLL_IN = 1, POLL_OUT, POLL_MSG, POLL_ERR, POLL_PRI, POLL_HUP }; /* si_code of SIGIO */

struct fasync_queue {
	struct list entries; /* [vfs.fasync_lock] */
};
static inline void fasync_queue_init(struct fasync_queue *q)
{
	list_init(&q->entries);
}

/* Puts f in q or takes it out, and sets O_ASYNC in its flags. fd: what si_fd will say. Sleeping context. KERR(ENOMEM). */
kerr_t fasync_set(int fd, struct file *f, struct fasync_queue *q, bool on) __must_check;
void fasync_notify_slow(struct fasync_queue *q, int sig, int code);
/*
 * Signals the owners of all files in q; code: POLL_IN... Any context; of locks only sleeping ones may be held.
 * _urgent: SIGURG, for those only that chose a signal by F_SETSIG (the others get theirs by file_owner_signal).
 */
static inline void fasync_notify(struct fasync_queue *q, int code)
{
	if (unlikely(load_relaxed(&q->entries.next) != &q->entries))
		fasync_notify_slow(q, 29 /* SIGIO */, code);
}
static inline void fasync_notify_urgent(struct fasync_queue *q)
{
	if (unlikely(load_relaxed(&q->entries.next) != &q->entries))
		fasync_notify_slow(q, 23 /* SIGURG */, POLL_PRI);
}

/* Who gets a file's signals: F_SETOWN, F_SETOWN_EX, F_SETSIG. */
enum owner_type { OWNER_TID, OWNER_PID, OWNER_PGRP };
struct file_owner {
	pid_t pid; /* 0: nobody */
	int type;  /* enum owner_type */
	int sig;   /* 0: SIGIO */
	u32 uid, euid; /* of who chose it: the signal is sent in their name */
};
/* current chooses. force: in place of one that is there. KERR(ESRCH): no such. */
kerr_t file_owner_set(struct file *f, int type, pid_t id, bool force) __must_check;
/* The way of F_SETOWN and SIOCSPGRP: a negative number is a process group's. KERR(EINVAL), KERR(ESRCH). */
kerr_t file_owner_set_number(struct file *f, long who) __must_check;
long file_owner_get_number(struct file *f); /* 0: nobody, or they are gone */
/* Sends the owner sig (SIGURG) with nothing more to say; true if there is an owner. */
bool file_owner_signal(struct file *f, int sig);

/* core/proc/sigio.c: sends what `code` (POLL_*) on fd means to the owner, or with code 0 plain `sig`. Any context. */
void sigio_send(const struct file_owner *o, int fd, int sig, int code);
bool sigio_target_exists(int type, pid_t id);
