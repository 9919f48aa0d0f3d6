/* SPDX-License-Identifier: MIT */
/* The state of the net room in struct kernel: what all sockets share, and the names of AF_UNIX. */
#pragma once

#include <maestro/list.h>
#include <maestro/lock.h>
#include <maestro/types.h>

struct kmem_cache;
struct mount;
struct scm_files;
struct task;

#define UNIX_HASH 256u

struct unix_state {
	struct kmem_cache *cache; /* [c] struct unix_sock */

	struct spinlock table_lock; /* RANK_NET_TABLE */
	struct hlist names[UNIX_HASH];	/* [table_lock] abstract ones */
	struct hlist inodes[UNIX_HASH]; /* [table_lock] those bound to a node of a file system */
	struct list all;		/* [table_lock] for /proc/net/unix */

	struct spinlock gc_lock;  /* RANK_NET_GC */
	struct list inflight;	  /* [gc_lock] sockets whose files are in messages */
	unsigned total_inflight;  /* [gc_lock] to write: references in messages, to sockets */
	bool collecting;	  /* [gc_lock] somebody does */
	bool gc_wanted;		  /* [gc_lock] once more, when nobody collects or drops */
	struct scm_files *dropped; /* [gc_lock] files of messages nobody will receive, to be put */
	bool dropping;		  /* [gc_lock] somebody is putting them */
};

struct net_state {
	struct mount *sock_mnt; /* [c] sockfs */
	u32 wmem_max, rmem_max, wmem_default, rmem_default, somaxconn, optmem_max, max_dgram_qlen; /* [a] /proc/sys/net */
	struct unix_state un;
};
