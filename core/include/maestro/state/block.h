/* SPDX-License-Identifier: MIT */
/* The state of the block room in struct kernel. */
#pragma once

#include <maestro/lock.h>
#include <maestro/slab.h>
#include <maestro/timer.h>
#include <maestro/types.h>
#include <maestro/wait.h>

#define BUF_HASH_BITS 13
#define BUF_WAIT_QUEUES 32
#define LOOP_MAX 64u

struct block_state {
	/* [c] */
	struct kmem_cache *bufs;    /* struct buf */
	struct kmem_cache *data[3]; /* blocks of 512, 1024, 2048 bytes, aligned to their size */
	struct hlist *hash;
	struct shrinker shrinker;
	struct wait_queue wait[BUF_WAIT_QUEUES]; /* by hash of the buf's address: its lock bit */
	/* [a] */
	struct atomic flush_armed;
	struct delayed_work flush;
	/* [mutex] */
	struct mutex mutex; /* RANK_FS_ALLOC */
	struct list disks;
	struct mutex loop_mutex; /* RANK_LOOPS */
	struct loop *loop[LOOP_MAX]; /* [loop_mutex] */
	/* [hash_lock] */
	struct spinlock hash_lock;
	struct list lru;
	size_t nbufs, bytes;
};
