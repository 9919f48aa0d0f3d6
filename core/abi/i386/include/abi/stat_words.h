/* SPDX-License-Identifier: MIT */
/* i386: what stat(2) gives. */
#pragma once

#include <maestro/types.h>

struct abi_stat {
	u32 dev, ino;
	u16 mode, nlink, uid, gid;
	u32 rdev, size, blksize, blocks;
	u32 atime, atime_nsec, mtime, mtime_nsec, ctime, ctime_nsec;
	u32 unused[2];
};
_Static_assert(sizeof(struct abi_stat) == 64, "stat(2)");
#define ABI_STAT_NARROW 1 /* struct abi_stat cannot hold every size */
