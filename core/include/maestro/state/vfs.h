/* SPDX-License-Identifier: MIT */
/* The state of the vfs room in struct kernel. */
#pragma once

#include <maestro/list.h>
#include <maestro/lock.h>
#include <maestro/slab.h>
#include <maestro/timer.h>
#include <maestro/types.h>
#include <maestro/wait.h>

struct file;
struct fs_type;
struct inode;
struct mount;

#define VFS_MOUNT_HASH 64u
#define VFS_MAX_TYPES 32u

struct vfs_state {
	/* [c] after vfs_init */
	struct kmem_cache *dentry_cache, *inode_cache, *file_cache, *pipe_cache;
	struct hlist *dhash, *ihash;
	u32 dhash_mask, ihash_mask;
	struct shrinker dentry_shrinker, inode_shrinker;
	struct mount *anon_mnt, *pipe_mnt;
	struct inode *anon_inode;
	struct mount *root_mnt; /* the first mount */

	/* Dentries, their links to inodes, and the mount tree as walks see it. RANK_DCACHE */
	struct spinlock dcache_lock;
	struct list dlru;	    /* [dcache_lock] unused dentries, oldest first */
	size_t ndentries, nunused;  /* [dcache_lock] */
	struct hlist mhash[VFS_MOUNT_HASH]; /* [dcache_lock] mounts by (parent, point) */

	/* RANK_INODE_CACHE */
	struct spinlock inode_lock;
	struct list ilru;	    /* [inode_lock] */
	size_t ninodes, niunused;   /* [inode_lock] */
	struct wait_queue inode_wait; /* I_NEW or I_FREEING went away */

	struct spinlock supers_lock; /* RANK_DCACHE */
	struct list supers;	     /* [supers_lock] */
	const struct fs_type *types[VFS_MAX_TYPES]; /* [supers_lock] */
	unsigned ntypes;	     /* [supers_lock] */
	unsigned long anon_devs[1024 / (8 * sizeof(long))]; /* [supers_lock] minors of major 0 */

	struct mutex mount_mutex;   /* RANK_MOUNT: the mount tree's writers */
	struct list mounts;	    /* [mount_mutex] all attached mounts, oldest first */
	int next_mount_id;	    /* [mount_mutex] */
	int next_peer_group;	    /* [mount_mutex] */
	struct wait_queue mount_wait; /* poll on /proc/mounts */
	struct atomic mount_event;

	struct spinlock notify_lock; /* RANK_ISPIN: watches on inodes, and the events queued for them */
	struct atomic nwatches;	    /* [a] all watches, inotify's (changed under notify_lock) and F_NOTIFY's */
	u32 notify_cookie;	    /* [notify_lock] */

	struct spinlock ino_lock;   /* RANK_LEAF */
	u64 next_ino;		    /* [ino_lock] numbers of pipes and anonymous inodes */

	struct atomic nfiles;	    /* [a] open files */
	struct spinlock defer_lock; /* RANK_WORK, irqsave */
	struct file *deferred;	    /* [defer_lock] files to release from a safe context */
	struct work defer_work;

	struct spinlock locks_lock; /* RANK_FILES: flock, POSIX and OFD locks of all inodes */
	struct list all_locks;	    /* [locks_lock] newest first */
	struct list leases;	    /* [locks_lock] struct lease */
	u32 lease_break_time;	    /* [a] s */
	struct list lock_waiters;   /* [locks_lock] for deadlock detection */
	struct wait_queue locks_wait;
	u64 nlocks;

	struct spinlock timerfd_lock; /* RANK_SPIN_OUTER, irqsave */
	struct list timerfds;	    /* [timerfd_lock] those that follow the clock */

	struct atomic aio_events;   /* [a] that contexts may hold, of all processes */
	u32 aio_max;		    /* [a] fs.aio-max-nr */

	struct spinlock fasync_lock; /* RANK_SPIN_OUTER, irqsave: the queues of O_ASYNC files */
	struct list dnotifies;	    /* [fasync_lock] struct dnotify */
	size_t ndnotifies;	    /* [fasync_lock] their number; read without it */
	u32 dnotify_enable;	    /* [a] fs.dir-notify-enable */

	struct wait_queue signalfd_wait; /* all signalfds: a sighand that has one points here */
	struct mutex epoll_mutex;   /* RANK_MOUNT: nesting of epolls, and links of files to them */
};
