/* SPDX-License-Identifier: MIT */
/*
 * Entry of i386 system calls: number in eax, arguments in ebx ecx edx esi edi ebp, result in eax (syscall(2)).
 * This is the hottest path of the kernel: one table lookup and two calls.
 */
#include <hal/regs_i386.h>
#include <hal/upcall.h>
#include <maestro/errno.h>
#include <maestro/syscall.h>
#include <maestro/syscall_table.h>
#include <maestro/task.h>

void upcall_syscall(struct hal_regs *regs)
{
	unsigned nr = regs->orig_eax;
	bool traced = hal_current()->flags & TASK_TRACE_SYSCALLS;
	long ret;

	if (unlikely(traced))
		syscall_trace_enter(regs, nr);
	if (likely(nr < syscall_count && syscall_table[nr].fn))
		ret = syscall_table[nr].fn(regs);
	else
		ret = syscall_missing(nr);
	regs->eax = (u32)ret;
	if (unlikely(traced))
		syscall_trace_exit(regs, nr, ret);
}
