/* SPDX-License-Identifier: MIT */
/* What only i386 has: structures that were too narrow, and those that came for them. stat(2), statfs(2), clock_adjtime(2). */
#pragma once

#include <maestro/types.h>

struct abi_old_stat { /* the first stat: oldstat, oldfstat, oldlstat */
	u16 dev, ino, mode, nlink, uid, gid, rdev, pad;
	u32 size, atime, mtime, ctime;
};
_Static_assert(sizeof(struct abi_old_stat) == 32, "oldstat");
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
struct __attribute__((packed, aligned(4))) abi_statfs64 {
	u32 type, bsize;
	u64 blocks, bfree, bavail, files, ffree;
	u32 fsid[2];
	u32 namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct abi_statfs64) == 84, "statfs64(2)");
/* clock_adjtime64: every long is 64 bits. */
struct abi_timex64 {
	u32 modes, pad0;
	s64 offset, freq, maxerror, esterror;
	s32 status, pad1;
	s64 constant, precision, tolerance;
	s64 time_sec, time_usec;
	s64 tick, ppsfreq, jitter;
	s32 shift, pad2;
	s64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai;
	s32 reserved[11];
};
_Static_assert(sizeof(struct abi_timex64) == 208, "clock_adjtime64");
