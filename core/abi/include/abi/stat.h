/* SPDX-License-Identifier: MIT */
/* What stat(2) and its kin give. */
#pragma once

#include <abi/stat_words.h>
#include <maestro/types.h>

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
