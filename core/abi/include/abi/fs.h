/* SPDX-License-Identifier: MIT */
/* File structures of the system calls: locks, directory entries, statfs. fcntl(2), getdents(2), statfs(2). */
#pragma once

#include <maestro/types.h>

struct abi_flock { /* F_GETLK, F_SETLK, F_SETLKW */
	s16 type, whence;
	long start, len;
	s32 pid;
};
struct abi_flock64 { /* F_OFD_*, and F_*LK64 of i386 */
	s16 type, whence;
	s64 start, len;
	s32 pid;
};
struct abi_dirent { /* getdents; d_type is the entry's last byte */
	unsigned long ino, off;
	u16 reclen;
	char name[];
};
struct abi_dirent64 {
	u64 ino;
	s64 off;
	u16 reclen;
	u8 type;
	char name[];
};
#define ABI_DIRENT64_NAME 19
_Static_assert(__builtin_offsetof(struct abi_dirent64, name) == ABI_DIRENT64_NAME, "getdents64(2)");
_Static_assert(sizeof(struct abi_flock) == (sizeof(long) == 8 ? 32 : 16) && sizeof(struct abi_flock64) == (sizeof(long) == 8 ? 32 : 24), "fcntl(2)");
struct abi_statfs {
	unsigned long type, bsize, blocks, bfree, bavail, files, ffree;
	u32 fsid[2];
	unsigned long namelen, frsize, flags, spare[4];
};
_Static_assert(sizeof(struct abi_statfs) == (sizeof(long) == 8 ? 120 : 64), "statfs(2)");
#define ABI_STATFS_MAX ((u64)~0UL) /* larger counts: EOVERFLOW */
