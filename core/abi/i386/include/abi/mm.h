/* SPDX-License-Identifier: MIT */
/* i386: structures of memory calls. */
#pragma once

#include <maestro/types.h>

/* What the first mmap call (number 90) takes by pointer. */
struct abi_mmap_args {
	u32 addr, len, prot, flags;
	s32 fd;
	u32 offset; /* bytes */
};
_Static_assert(sizeof(struct abi_mmap_args) == 24, "seen by programs");
