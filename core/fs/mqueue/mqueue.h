/* SPDX-License-Identifier: MIT */
/*
 * POSIX message queues (mq_overview(7)): private structures. A queue is a file of the mqueue file system, whose one directory is tmpfs's (super.c); what
 * it does is in queue.c, the calls in sys_mqueue.c.
 */
#pragma once

#include "../tmpfs/tmpfs.h"

#include <maestro/kernel.h>
#include <maestro/proc.h>
#include <maestro/signal.h>

#define MQ_PRIO_MAX 32768u
#define MQ_FILE_SIZE 80 /* of a queue's file: more than its text ever takes */

struct mq_attr_k {
	long maxmsg, msgsize;
};
struct mq_msg {
	struct list node; /* [queue.lock] */
	size_t size;
	u32 prio;
	u8 text[];
};
struct mq_waiter { /* on the waiter's stack */
	struct list node; /* [queue.lock] */
	struct task *task;
	struct mq_msg *msg; /* to send, or what was received */
	bool done;	    /* [a] the waker's last store */
};
struct mq_queue {
	struct spinlock lock; /* RANK_SPIN_OUTER */
	/* [c] */
	struct mq_attr_k attr;
	struct user_struct *user; /* who is charged; referenced */
	long charged;		  /* bytes */
	/* [lock] */
	long count;
	size_t bytes;
	struct list messages; /* highest priority first, oldest first within one */
	struct list senders, receivers;
	struct proc *notify_owner; /* referenced, or NULL */
	int notify_kind, notify_sig;
	u64 notify_value;
	struct wait_queue poll_wait;
};
struct mq_inode {
	struct mq_queue q;
	struct tmpfs_inode t; /* the directory's trees; the inode */
};
struct mq_notify_k {
	int kind, sig; /* SIGEV_* */
	u64 value;
};

static inline struct mq_queue *mq_of(struct inode *inode)
{
	return &container_of(inode, struct mq_inode, t.vfs)->q;
}
static inline struct mqueue_state *mq_state(void)
{
	return &kernel()->mqueue;
}

/* --- queue.c --- */
/* attr NULL: the defaults. KERR(EINVAL), KERR(EOVERFLOW), KERR(EMFILE). */
kerr_t mq_init(struct mq_queue *q, const struct mq_attr_k *attr) __must_check;
void mq_fini(struct mq_queue *q); /* nobody uses it any more */
/* deadline absolute, S64_MAX none. msg is the queue's on success. KERR(EAGAIN), KERR(ETIMEDOUT), KERR(ERESTARTSYS). */
kerr_t mq_send(struct mq_queue *q, struct mq_msg *msg, bool nonblock, ktime_t deadline) __must_check;
kerr_t mq_receive(struct mq_queue *q, bool nonblock, ktime_t deadline, struct mq_msg **out) __must_check;
/* n NULL: current's process wants no more. KERR(EBUSY). */
kerr_t mq_set_notify(struct mq_queue *q, const struct mq_notify_k *n) __must_check;

/* --- super.c --- */
extern const struct file_ops mq_file_fops;
kerr_t mq_create_named(const char *name, mode_t mode, const struct mq_attr_k *attr, struct path *out) __must_check;
