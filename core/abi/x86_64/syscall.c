/* SPDX-License-Identifier: MIT */
/* Entry of x86_64 system calls: the hosted backend hands over number and arguments in struct hal_regs (syscall(2)). */
#include <hal/regs_x86_64.h>
#include <hal/upcall.h>
#include <maestro/errno.h>
#include <maestro/syscall.h>
#include <maestro/syscall_table.h>
#include <maestro/task.h>

void upcall_syscall(struct hal_regs *regs)
{
	unsigned long nr = (unsigned long)regs->nr;
	bool traced = hal_current()->flags & TASK_TRACE_SYSCALLS;

	if (unlikely(traced))
		syscall_trace_enter(regs, (unsigned)nr);
	if (likely(nr < syscall_count && syscall_table[nr].fn))
		regs->ret = syscall_table[nr].fn(regs);
	else
		regs->ret = syscall_missing((unsigned)nr);
	if (unlikely(traced))
		syscall_trace_exit(regs, (unsigned)nr, regs->ret);
}
