/* SPDX-License-Identifier: MIT */
/*
 * System V IPC (sysvipc(7)): shared memory, semaphore sets, message queues. do_x: kernel types only, for the system calls of the ABIs.
 * All may sleep; no locks held by the caller.
 */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

struct seq_buf;
struct task;

typedef s32 ipc_key_t;
#define IPC_PRIVATE 0
#define IPC_CREAT 01000
#define IPC_EXCL 02000
#define IPC_NOWAIT 04000
#define IPC_64 0x100 /* ipc(2): the caller means the newer layouts */
enum { IPC_RMID = 0, IPC_SET = 1, IPC_STAT = 2, IPC_INFO = 3 };
enum { MSG_STAT = 11, MSG_INFO = 12, MSG_STAT_ANY = 13 };
enum { SHM_LOCK = 11, SHM_UNLOCK = 12, SHM_STAT = 13, SHM_INFO = 14, SHM_STAT_ANY = 15 };
enum { GETPID = 11, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL, SEM_STAT, SEM_INFO, SEM_STAT_ANY };

/* What IPC_STAT tells of any object; IPC_SET takes uid, gid and mode. */
struct ipc_stat {
	ipc_key_t key;
	u32 uid, gid, cuid, cgid, mode, seq;
};

kerr_t sysv_init(void) __must_check;

/* --- shm.c --- */
#define SHM_HUGETLB 04000
#define SHM_NORESERVE 010000
#define SHM_RDONLY 010000
#define SHM_RND 020000
#define SHM_REMAP 040000
#define SHM_EXEC 0100000
struct shm_stat {
	struct ipc_stat perm;
	size_t size; /* bytes */
	s64 atime, dtime, ctime; /* s */
	pid_t cpid, lpid;
	unsigned long nattch;
};
union shm_io {
	struct shm_stat stat; /* IPC_STAT, SHM_STAT, SHM_STAT_ANY: out. IPC_SET: perm in */
	struct { unsigned long max, min, mni, seg, all; } limits; /* IPC_INFO */
	struct { int used; unsigned long total, resident; } info; /* SHM_INFO: segments; pages */
};
long do_shmget(ipc_key_t key, size_t size, int flags);
long do_shmctl(int id, int cmd, union shm_io *io);
long do_shmat(int id, uaddr_t addr, int flags, uaddr_t *at);
long do_shmdt(uaddr_t addr);
void shm_exit(struct task *t); /* t ends, or leaves by unshare(2): with shm_rmid_forced its segments go, once detached */
void shm_set_rmid_forced(u32 on);

/* --- sem.c --- */
struct sem_op { /* struct sembuf of semop(2), the same in all ABIs */
	u16 num;
	s16 op, flags;
};
_Static_assert(sizeof(struct sem_op) == 6, "semop(2)");
#define SEM_UNDO 010000
struct sem_stat {
	struct ipc_stat perm;
	s64 otime, ctime; /* s */
	unsigned nsems;
};
struct sem_info { /* struct seminfo of semctl(2), the same in all ABIs */
	int map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem;
};
union sem_io {
	struct sem_stat stat; /* IPC_STAT, SEM_STAT, SEM_STAT_ANY: out. IPC_SET: perm in */
	struct sem_info info; /* IPC_INFO, SEM_INFO */
};
long do_semget(ipc_key_t key, int nsems, int flags);
/* Commands on the set: STAT, INFO, SET, RMID. */
long do_semctl(int id, int cmd, union sem_io *io);
/* Commands on values: GETVAL, GETPID, GETNCNT, GETZCNT, GETALL, SETVAL, SETALL. arg: the value or the array's address. */
long do_semctl_values(int id, int num, int cmd, unsigned long arg);
/* timeout: absolute, S64_MAX none. */
long do_semop(int id, const struct sem_op *ops, unsigned n, ktime_t deadline);
long sem_op_user(int id, const void __user *ops, unsigned n, const void __user *timeout, bool time64); /* semtimedop(2) */
kerr_t sem_undo_share(struct task *child, struct task *parent) __must_check; /* CLONE_SYSVSEM. KERR(ENOMEM) */
void sem_exit(struct task *t); /* undoes what t's group of SEM_UNDO users did, if t is its last */

/* --- msg.c --- */
#define MSG_NOERROR 010000
#define MSG_EXCEPT 020000
#define MSG_COPY 040000
struct msg_stat {
	struct ipc_stat perm;
	s64 stime, rtime, ctime; /* s */
	unsigned long cbytes, qnum, qbytes;
	pid_t lspid, lrpid;
};
struct msg_info { /* struct msginfo of msgctl(2), the same in all ABIs */
	int pool, map, max, mnb, mni, ssz, tql;
	u16 seg;
};
union msg_io {
	struct msg_stat stat; /* STAT: out. IPC_SET: perm and qbytes in */
	struct msg_info info;
};
long do_msgget(ipc_key_t key, int flags);
long do_msgctl(int id, int cmd, union msg_io *io);
/* text: the message after its type. The bytes received, or -errno. */
long do_msgsnd(int id, long type, const void __user *text, size_t size, int flags);
long do_msgrcv(int id, void __user *buf, size_t size, long type, int flags);

/* --- /proc/sysvipc --- */
void shm_show(struct seq_buf *s);
void sem_show(struct seq_buf *s);
void msg_show(struct seq_buf *s);
