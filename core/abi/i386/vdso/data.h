/* SPDX-License-Identifier: MIT */
/* The page of data right before the vDSO image: how to turn the TSC into time without entering the kernel. */
#pragma once

#include <maestro/types.h>

#define VDSO_USABLE 1u
#define VDSO_ORDER_TSC 2u /* the CPU has lfence: RDTSC shall not be run ahead */

struct vdso_data {
	u32 seq;	/* odd while the kernel writes; readers retry if it changed */
	u32 usable;	/* VDSO_*; 0: the clock cannot be read here, call the kernel */
	u32 mult;	/* ns are cycles * 2^doublings * mult / 2^32 */
	u32 doublings;	/* 0 where the TSC runs at 1 GHz or more */
	u64 base_cycles;
	s64 base_ns[2]; /* at base_cycles: time of day; monotonic */
};
