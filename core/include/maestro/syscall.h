/* SPDX-License-Identifier: MIT */
/*
 * System calls. core/abi/<arch>/syscalls.tbl lists every number of Linux 6.1 with argument kinds, handler and support level;
 * core/abi/gen.py makes from it: prototypes (gen/sys_proto.h), the dispatch table, the tracer's formats, docs/syscalls.md.
 *
 * A handler is `long sys_NAME(...)`, returns a result or -errno, takes the arguments of the man page with these C types:
 *   int, unsigned, long, unsigned long, size_t, s64 (64-bit offsets, whole in both ABIs), pid_t, mode_t ->u32, uid_t/gid_t,
 *   const char __user * (strings), const void __user * (in), void __user * (out and in-out).
 * Structs of programs: <abi/...>, those that both ABIs write alike in core/abi/include, the others in the ABI's own folder.
 */
#pragma once

#include <maestro/types.h>

struct task;
struct hal_regs;
/* Tracing, strace's format, to the log. */
void syscall_trace_enter(struct hal_regs *regs, unsigned nr);
void syscall_trace_exit(struct hal_regs *regs, unsigned nr, long ret);
long sys_ni_syscall(void);
/* Logs an unknown or unimplemented number once per number, with current's name; counts it for /proc/maestro/syscalls. */
long syscall_missing(unsigned nr);
