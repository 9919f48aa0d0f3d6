/* SPDX-License-Identifier: MIT */
/* The state of system call dispatch in struct kernel: what programs asked for that is not there. */
#pragma once

#include <maestro/atomic.h>
#include <maestro/types.h>

#define SYSCALL_MISSING_MAX 512

struct syscall_state {
	struct atomic missing[SYSCALL_MISSING_MAX]; /* [a] calls by number that were answered with ENOSYS */
	bool trace_all;				    /* [c] trace=all on the boot line */
};
