/* SPDX-License-Identifier: MIT */
/* i386: what the structures of the System V calls are made of (svipc(7)). */
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
