/* SPDX-License-Identifier: MIT */
/* The state of the proc room in struct kernel: the process tree, credentials, signals, futexes. */
#pragma once

#include <maestro/list.h>
#include <maestro/lock.h>
#include <maestro/types.h>

#define PID_MAX 32768
#define PID_HASH_SIZE 512u
#define PID_HASH_BITS 9
#define FUTEX_HASH_SIZE 256u
#define FUTEX_HASH_BITS 8
#define UTS_LEN 64
#define CORE_PATTERN_MAX 128 /* as core(5) has it */

struct file;
struct proc;
struct cred;
struct kmem_cache;
struct futex_bucket {
	struct spinlock lock; /* RANK_FUTEX */
	struct list waiters;  /* [lock] */
	struct list pi_locks; /* [lock] struct pi_lock */
};
struct proc_state {
	/* [c] */
	struct kmem_cache *task_cache, *proc_cache, *pid_cache, *sighand_cache, *cred_cache, *sigqueue_cache;
	const struct cred *root_cred;
	struct mm *host_mm; /* hosted: the one space of all callers' threads; [attach] made by the first */
	/* [tree_lock] RANK_TASKLIST, irqsave */
	struct spinlock tree_lock;
	struct list procs;
	struct hlist pid_hash[PID_HASH_SIZE];
	unsigned long pid_map[PID_MAX / (8 * sizeof(long))];
	pid_t last_pid;
	unsigned nr_procs, nr_threads;
	u64 forks;	   /* since boot, for /proc/stat */
	struct proc *init; /* pid 1, or NULL */
	/* [user_lock] RANK_LEAF */
	struct spinlock user_lock;
	struct list users;
	/* [uts_lock] RANK_LEAF */
	struct spinlock uts_lock;
	char nodename[UTS_LEN + 1], domainname[UTS_LEN + 1];
	char core_pattern[CORE_PATTERN_MAX];
	u32 core_uses_pid, suid_dumpable; /* [a] */
	struct atomic logins;	   /* [a] numbers of login sessions given out */
	bool ctrl_alt_del_reboots; /* [a] reboot(2): the keys restart at once; else init gets SIGINT */
	struct futex_bucket futex[FUTEX_HASH_SIZE];
	/* [acct_mutex] RANK_ACCT: process accounting */
	struct mutex acct_mutex;
	struct file *acct_file; /* NULL: off; looked at without the lock first */
	bool acct_paused;	/* too little room in the file's file system */
	ktime_t acct_look;	/* when to look at that again */
	u32 acct_limits[3];	/* [a] /proc/sys/kernel/acct */
	struct spinlock pi_lock; /* RANK_PI: owners and waiters of all PI futexes */
};
