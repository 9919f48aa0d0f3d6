/* SPDX-License-Identifier: MIT */
/*
 * What the System V families share (ids.c).
 *
 * An object is found by id or key under ids.lock, which takes a reference; then its own lock is taken, and `deleted` looked at. It leaves the table under
 * both. The last reference frees it, outside all locks.
 */
#pragma once

#include <maestro/kernel.h>
#include <maestro/proc.h>
#include <maestro/sysv.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#define IPC_INDEX_BITS 15
#define IPC_MNI (1u << IPC_INDEX_BITS)

struct ipc_perm {
	/* [c] once it is in the table */
	int id;
	ipc_key_t first_key;
	u32 cuid, cgid;
	u32 seq;
	struct atomic refs; /* [a] */
	struct spinlock lock; /* RANK_FILES */
	/* [lock], written under ids.lock too */
	bool deleted;
	ipc_key_t key; /* IPC_PRIVATE once nobody may find it any more */
	/* [lock] */
	u32 uid, gid, mode;
	/* [ids.lock] */
	struct hlist_node by_key;
};

/* What each family does in its own way. */
struct ipc_ops {
	void (*free)(struct ipc_perm *p); /* no references are left; no locks */
	bool (*smaller)(const struct ipc_perm *p, size_t size); /* than a get call asks for; NULL: never */
	long (*create)(ipc_key_t key, size_t size, int flags); /* a new object's id, or -errno; -EEXIST: another came first */
	/* IPC_SET from the family's struct, IPC_RMID. ids.lock and p.lock held, p not deleted, the caller may */
	kerr_t (*set)(struct ipc_perm *p, const void *in);
	void (*remove)(struct ipc_perm *p);
};
extern const struct ipc_ops shm_ipc_ops, sem_ipc_ops, msg_ipc_ops;

static inline struct ipc_state *ipc_state(void)
{
	return &kernel()->ipc;
}
static inline s64 ipc_now(void)
{
	return ktime_get_real_coarse_ts().sec;
}
void ipc_ids_init(struct ipc_ids *ids, const char *name, const struct ipc_ops *ops);
void ipc_perm_init(struct ipc_perm *p, ipc_key_t key, int flags, const char *name); /* one reference, the creator's */

void ipc_put(struct ipc_ids *ids, struct ipc_perm *p); /* a reference; outside all locks */
/* shmget(2), semget(2), msgget(2): the id of the key's object, made if need be, or -errno. */
long ipc_get(struct ipc_ids *ids, ipc_key_t key, size_t size, int flags);
/* IPC_SET of what in says (the family's struct); IPC_RMID with NULL. 0 or -errno. */
long ipc_change(struct ipc_ids *ids, int id, const void *in);
/*
 * Puts a fresh object in the table, which takes over a reference. check (may be NULL) charges limits, under ids.lock. KERR(ENOSPC), KERR(ENOMEM);
 * KERR(EEXIST): another came first with the key.
 */
kerr_t ipc_add(struct ipc_ids *ids, struct ipc_perm *p, u32 limit, kerr_t (*check)(struct ipc_perm *p)) __must_check;
/* By id, referenced. KERR(EINVAL). */
kerr_t ipc_find(struct ipc_ids *ids, int id, struct ipc_perm **out) __must_check;
/* By id for IPC_STAT (any false), by index for X_STAT. */
kerr_t ipc_find_index(struct ipc_ids *ids, int index, struct ipc_perm **out) __must_check;
/* The next in the table at or after *index, which becomes its index; referenced, NULL at the end. */
struct ipc_perm *ipc_next(struct ipc_ids *ids, int *index);
/* ids.lock and p.lock held: out of the table. The caller puts the table's reference after. */
void ipc_remove_locked(struct ipc_ids *ids, struct ipc_perm *p);
/* As IPC_RMID on a segment in use: no key leads to it any more. ids.lock and p.lock held. */
void ipc_forget_key_locked(struct ipc_perm *p);
int ipc_max_index(struct ipc_ids *ids, unsigned *in_use); /* 0 if there is none */

/* p.lock held from here on. flag: permission bits, any of the three places. */
bool ipc_allowed(const struct ipc_perm *p, int flag);
/*
 * What the three kinds of *_STAT begin with: the object of an identifier or of an index, locked, with a reference. any: without permission to read.
 * 0 or the object's identifier; -EIDRM, -EACCES: *out is locked all the same. With *out NULL there is none: -EINVAL and others.
 */
long ipc_stat_lock(struct ipc_ids *ids, int id, bool by_id, bool any, struct ipc_perm **out);
void ipc_stat_unlock(struct ipc_ids *ids, struct ipc_perm *p);
bool ipc_owner(const struct ipc_perm *p); /* may IPC_SET and IPC_RMID */
void ipc_stat_fill(const struct ipc_perm *p, struct ipc_stat *out);
kerr_t ipc_stat_set(struct ipc_perm *p, const struct ipc_stat *in) __must_check;

/* One task that waits for an object to change. It lies on the waiter's stack; the object's lock protects it until `done`. */
struct ipc_waiter {
	struct list node;
	struct task *task;
	int result;
	bool done; /* [a] the waker's last store */
};
void ipc_waiter_init(struct ipc_waiter *w);
/* p.lock held; w may be gone after. It is off its list. */
void ipc_wake(struct ipc_waiter *w, int result);
/*
 * p.lock held, w on a list: sleeps without the lock, and takes it again. True if it was woken (w.result counts); else it is still on its list.
 * *late: the deadline came.
 */
bool ipc_sleep(struct ipc_perm *p, struct ipc_waiter *w, ktime_t deadline, bool *late) REQUIRES(p->lock);

