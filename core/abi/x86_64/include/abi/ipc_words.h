/* SPDX-License-Identifier: MIT */
/* x86_64: what the structures of the System V calls are made of (svipc(7)). */
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
