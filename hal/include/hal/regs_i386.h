/* SPDX-License-Identifier: MIT */
/*
 * User registers of an i386 program as saved on the kernel stack at entry (Intel SDM vol. 3, 6.12). core/abi/i386 and the i386 backend share it.
 * The order is what the entry code pushes; orig_eax is the system call number, or -1 when the entry was a trap.
 */
#pragma once

#include <maestro/types.h>

struct hal_regs {
	u32 ebx, ecx, edx, esi, edi, ebp, eax;
	u32 ds, es, fs, gs; /* 16 bits used */
	u32 orig_eax;
	u32 eip, cs, eflags, esp, ss;
};
_Static_assert(sizeof(struct hal_regs) == 68, "layout is pushed by assembly");
