/* SPDX-License-Identifier: MIT */
/* Between the watches on inodes (notify.c) and the files that report them (sys_inotify.c). All of it under vfs.notify_lock. */
#pragma once

#include <maestro/notify.h>

#include "vfs_priv.h"

#define IN_EXCL_UNLINK 0x04000000u
#define IN_ONESHOT 0x80000000u

struct inotify_event_k {
	struct list node;
	s32 wd;
	u32 mask, cookie;
	u32 len; /* of the name, without NUL */
	char name[];
};
struct inotify {
	/* [notify_lock] */
	struct list events, watches;
	unsigned nevents;
	int last_wd;
	bool overflowed; /* `overflow` is queued */
	/* [c] */
	struct user_struct *user;
	/* [own] */
	struct wait_queue wq;
	struct inotify_event_k overflow; /* always there for when no other can be had */
};
struct watch {
	struct hlist_node inode_node; /* on inode->watches */
	struct list group_node;
	struct inotify *group;
	struct inode *inode; /* a reference */
	int wd;
	u32 mask; /* IN_*, with IN_EXCL_UNLINK and IN_ONESHOT */
};

/* Queues an event for the watch; notify_lock held. A oneshot watch goes onto `done`. */
void watch_post(struct watch *w, u32 event, const struct name *n, u32 cookie, struct list *done);
/* Takes the watch off inode and group; with IN_IGNORED if `tell`. notify_lock held. Then watches_free() without it. */
void watch_detach(struct watch *w, bool tell, struct list *done);
void watches_free(struct list *done);
