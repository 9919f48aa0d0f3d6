/* SPDX-License-Identifier: MIT */
/* The state of the ipc room in struct kernel: System V objects. Futexes are in the proc room's. */
#pragma once

#include <maestro/list.h>
#include <maestro/lock.h>
#include <maestro/types.h>

struct ipc_ops;
struct ipc_perm;

#define IPC_KEY_BUCKETS 64u
/* One family of objects, by index and by key. */
struct ipc_ids {
	const struct ipc_ops *ops; /* [c] */
	struct spinlock lock; /* RANK_SPIN_OUTER; an object's own lock nests inside */
	/* [lock] */
	struct ipc_perm **slots; /* by index */
	unsigned nslots, in_use;
	int last_index, seq;
	struct hlist keys[IPC_KEY_BUCKETS];
};

struct ipc_state {
	struct ipc_ids shm, sem, msg;
	/* limits [a]: single words, read and written whole */
	unsigned long shm_max, shm_all; /* bytes; pages */
	u32 shm_mni, shm_rmid_forced;
	u32 sem_msl, sem_mns, sem_opm, sem_mni;
	u32 msg_max, msg_mnb, msg_mni;
	/* [shm.lock] */
	unsigned long shm_pages; /* of all segments */
	/* [sem.lock] */
	u32 sem_used; /* semaphores of all sets */
	/* [a] of all queues */
	struct atomic msg_count, msg_bytes;
};
