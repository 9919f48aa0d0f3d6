/* SPDX-License-Identifier: MIT */
/* x86_64: what stat(2) gives. */
#pragma once

#include <maestro/types.h>

struct abi_stat {
	u64 dev, ino, nlink;
	u32 mode, uid, gid, pad0;
	u64 rdev;
	s64 size, blksize, blocks;
	u64 atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	s64 unused[3];
};
_Static_assert(sizeof(struct abi_stat) == 144, "stat(2)");
#define ABI_STAT_NARROW 0
