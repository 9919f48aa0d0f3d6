/* SPDX-License-Identifier: MIT */
/* The dispatch table that core/abi/gen.py makes. */
#pragma once

#include <maestro/syscall.h>
#include <maestro/types.h>
#if defined(__i386__)
#include <hal/regs_i386.h>
/* The i386 convention: ebx ecx edx esi edi ebp, the first six words of struct hal_regs. */
#define ARG(i) (((const u32 *)r)[i])
#else
#include <hal/regs_x86_64.h>
#define ARG(i) (r->arg[i])
#endif

struct syscall_entry {
	long (*fn)(const struct hal_regs *r); /* NULL: ENOSYS */
	const char *name;
	const char *args; /* a letter each; core/debug/strace.c reads them */
};
extern const struct syscall_entry syscall_table[];
extern const unsigned syscall_count;
