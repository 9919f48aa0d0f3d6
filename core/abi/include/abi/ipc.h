/* SPDX-License-Identifier: MIT */
/* Structures of the System V calls as programs see them (shmctl(2), semctl(2), msgctl(2)). */
#pragma once

#include <abi/ipc_words.h>
#include <maestro/types.h>

struct abi_shmid_ds {
	struct abi_ipc_perm perm;
	unsigned long segsz;
	struct abi_ipc_time atime, dtime, ctime;
	s32 cpid, lpid;
	unsigned long nattch, unused[2];
};
_Static_assert(sizeof(struct abi_shmid_ds) == (sizeof(long) == 8 ? 112 : 84), "shmctl(2)");
struct abi_shminfo {
	unsigned long max, min, mni, seg, all, unused[4];
};
struct abi_shm_info {
	s32 used_ids;
	unsigned long total, resident, swapped, swap_attempts, swap_successes;
};
struct abi_semid_ds {
	struct abi_ipc_perm perm;
	unsigned long otime, otime_high, ctime, ctime_high; /* the high words only where longs are short */
	unsigned long nsems, unused[2];
};
_Static_assert(sizeof(struct abi_semid_ds) == (sizeof(long) == 8 ? 104 : 64), "semctl(2)");
struct abi_msqid_ds {
	struct abi_ipc_perm perm;
	struct abi_ipc_time stime, rtime, ctime;
	unsigned long cbytes, qnum, qbytes;
	s32 lspid, lrpid;
	unsigned long unused[2];
};
_Static_assert(sizeof(struct abi_msqid_ds) == (sizeof(long) == 8 ? 120 : 88), "msgctl(2)");
