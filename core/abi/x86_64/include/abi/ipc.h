/* SPDX-License-Identifier: MIT */
/* x86_64: structures of the System V calls as programs see them (shmctl(2), semctl(2), msgctl(2)). */
#pragma once

#include <maestro/types.h>

struct abi_ipc_perm { /* struct ipc64_perm */
	s32 key;
	u32 uid, gid, cuid, cgid;
	u32 mode;
	u16 seq, pad1;
	u32 pad2;
	u64 unused[2];
};
_Static_assert(sizeof(struct abi_ipc_perm) == 48, "svipc(7)");
/* Seconds, as wide as the structures have room for. */
struct abi_ipc_time {
	s64 t;
};
static inline struct abi_ipc_time abi_ipc_time(s64 t)
{
	return (struct abi_ipc_time) { t };
}
struct abi_shmid_ds {
	struct abi_ipc_perm perm;
	u64 segsz;
	struct abi_ipc_time atime, dtime, ctime;
	s32 cpid, lpid;
	u64 nattch, unused[2];
};
_Static_assert(sizeof(struct abi_shmid_ds) == 112, "shmctl(2)");
struct abi_shminfo {
	u64 max, min, mni, seg, all, unused[4];
};
struct abi_shm_info {
	s32 used_ids;
	u64 total, resident, swapped, swap_attempts, swap_successes;
};
struct abi_semid_ds {
	struct abi_ipc_perm perm;
	u64 otime, otime_high, ctime, ctime_high; /* the high words only where longs are short */
	u64 nsems, unused[2];
};
_Static_assert(sizeof(struct abi_semid_ds) == 104, "semctl(2)");
struct abi_msqid_ds {
	struct abi_ipc_perm perm;
	struct abi_ipc_time stime, rtime, ctime;
	u64 cbytes, qnum, qbytes;
	s32 lspid, lrpid;
	u64 unused[2];
};
_Static_assert(sizeof(struct abi_msqid_ds) == 120, "msgctl(2)");
