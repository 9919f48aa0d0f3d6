/* SPDX-License-Identifier: MIT */
/* i386: what stat(2) and its kin give. */
#pragma once

#include <maestro/types.h>

struct abi_old_stat { /* the first stat: oldstat, oldfstat, oldlstat */
	u16 dev, ino, mode, nlink, uid, gid, rdev, pad;
	u32 size, atime, mtime, ctime;
};
_Static_assert(sizeof(struct abi_old_stat) == 32, "oldstat");
struct abi_stat {
	u32 dev, ino;
	u16 mode, nlink, uid, gid;
	u32 rdev, size, blksize, blocks;
	u32 atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	u32 unused[2];
};
_Static_assert(sizeof(struct abi_stat) == 64, "stat(2)");
struct __attribute__((packed, aligned(4))) abi_stat64 {
	u64 dev;
	u32 pad0, ino32, mode, nlink, uid, gid;
	u64 rdev;
	u32 pad3;
	s64 size;
	u32 blksize;
	u64 blocks;
	u32 atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	u64 ino;
};
_Static_assert(sizeof(struct abi_stat64) == 96, "stat64(2)");
#define ABI_STAT_NARROW 1 /* struct abi_stat cannot hold every size */
struct abi_statx_time {
	s64 sec;
	u32 nsec;
	s32 pad;
};
struct abi_statx {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	u16 mode, pad1;
	u64 ino, size, blocks, attributes_mask;
	struct abi_statx_time atime, btime, ctime, mtime;
	u32 rdev_major, rdev_minor, dev_major, dev_minor;
	u64 mnt_id;
	u32 dio_mem_align, dio_offset_align;
	u64 spare[12];
};
_Static_assert(sizeof(struct abi_statx) == 256, "statx(2)");
