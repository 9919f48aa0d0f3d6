/* SPDX-License-Identifier: MIT */
/* What ptrace.c and sys_ptrace.c share. */
#pragma once

#include <maestro/ptrace.h>

#define O_TRACESYSGOOD 1u
#define O_EXITKILL (1u << 20)
#define O_MASK (0xffu | O_EXITKILL)
enum { PT_SEIZED = 1 }; /* task.ptrace_flags */

/* Tree lock held: tracer, and its process, may give t orders from now on. */
void ptrace_link(struct task *t, struct task *tracer, u32 flags, u32 options);
