/* SPDX-License-Identifier: MIT */
/* i386: structures of the System V calls as programs see them (shmctl(2), semctl(2), msgctl(2)). */
#pragma once

#include <maestro/types.h>

struct abi_ipc_perm { /* struct ipc64_perm */
	s32 key;
	u32 uid, gid, cuid, cgid;
	u16 mode, pad1;
	u16 seq, pad2;
	u32 unused[2];
};
_Static_assert(sizeof(struct abi_ipc_perm) == 36, "svipc(7)");
/* Seconds, as wide as the structures have room for. */
struct abi_ipc_time {
	u32 lo, hi;
};
static inline struct abi_ipc_time abi_ipc_time(s64 t)
{
	return (struct abi_ipc_time) { (u32)t, (u32)(t >> 32) };
}
struct abi_shmid_ds {
	struct abi_ipc_perm perm;
	u32 segsz;
	struct abi_ipc_time atime, dtime, ctime;
	s32 cpid, lpid;
	u32 nattch, unused[2];
};
_Static_assert(sizeof(struct abi_shmid_ds) == 84, "shmctl(2)");
struct abi_shminfo {
	u32 max, min, mni, seg, all, unused[4];
};
struct abi_shm_info {
	s32 used_ids;
	u32 total, resident, swapped, swap_attempts, swap_successes;
};
struct abi_semid_ds {
	struct abi_ipc_perm perm;
	u32 otime, otime_high, ctime, ctime_high; /* the high words only where longs are short */
	u32 nsems, unused[2];
};
_Static_assert(sizeof(struct abi_semid_ds) == 64, "semctl(2)");
struct abi_msqid_ds {
	struct abi_ipc_perm perm;
	struct abi_ipc_time stime, rtime, ctime;
	u32 cbytes, qnum, qbytes;
	s32 lspid, lrpid;
	u32 unused[2];
};
_Static_assert(sizeof(struct abi_msqid_ds) == 88, "msgctl(2)");
