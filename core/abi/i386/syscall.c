/* SPDX-License-Identifier: MIT */
/*
 * Entry of i386 system calls: number in eax, arguments in ebx ecx edx esi edi ebp, result in eax (syscall(2)).
 * This is the hottest path of the kernel: one table lookup and two calls.
 */
#include <hal/regs_i386.h>
#include <hal/upcall.h>
#include <maestro/errno.h>
#include <maestro/ptrace.h>
#include <maestro/syscall.h>
#include <maestro/syscall_table.h>
#include <maestro/task.h>

/* The number may be another after it. */
static unsigned __cold trace_enter(struct hal_regs *regs)
{
	if (hal_current()->flags & TASK_PTRACE_SYSCALL)
		ptrace_syscall(true);
	if (hal_current()->flags & TASK_TRACE_SYSCALLS)
		syscall_trace_enter(regs, regs->orig_eax);
	return regs->orig_eax;
}

static void __cold trace_exit(struct hal_regs *regs, unsigned nr, long ret)
{
	if (hal_current()->flags & TASK_TRACE_SYSCALLS)
		syscall_trace_exit(regs, nr, ret);
	if (hal_current()->flags & TASK_PTRACE_SYSCALL)
		ptrace_syscall(false);
}

void upcall_syscall(struct hal_regs *regs)
{
	unsigned nr = regs->orig_eax;
	bool traced = hal_current()->flags & (TASK_TRACE_SYSCALLS | TASK_PTRACE_SYSCALL);
	long ret;

	if (unlikely(traced)) {
		regs->eax = (u32)-ENOSYS; /* what a tracer sees at the entry */
		nr = trace_enter(regs);
	}
	if (likely(nr < syscall_count && syscall_table[nr].fn))
		ret = syscall_table[nr].fn(regs);
	else
		ret = syscall_missing(nr);
	regs->eax = (u32)ret;
	if (unlikely(traced))
		trace_exit(regs, nr, ret);
}
