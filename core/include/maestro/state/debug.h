/* SPDX-License-Identifier: MIT */
/* The state of the debug room in struct kernel. */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>

#define DEBUG_SYSCALLS 512

struct debug_state {
	/* [a] counts of system calls that do not exist here, by number */
	struct atomic missing_count[DEBUG_SYSCALLS];
	bool panicking; /* [a] set once, by panic() */
};
