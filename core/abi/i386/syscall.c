/* SPDX-License-Identifier: MIT */
/*
 * Entry of i386 system calls: number in eax, arguments in ebx ecx edx esi edi ebp, result in eax (syscall(2)).
 * This is the hottest path of the kernel: one table lookup and two calls.
 */
#include <hal/regs_i386.h>
#include <hal/upcall.h>
#include <maestro/errno.h>
#include <maestro/ptrace.h>
#include <maestro/seccomp.h>
#include <maestro/syscall.h>
#include <maestro/syscall_table.h>
#include <maestro/task.h>

#define WATCHED (TASK_TRACE_SYSCALLS | TASK_PTRACE_SYSCALL | TASK_SINGLESTEP | TASK_SECCOMP)
#define NO_CALL U32_MAX

/* The call to make: a tracer may have chosen another, or none (eax is its result then). */
static unsigned __cold watch_enter(struct hal_regs *regs)
{
	regs->eax = (u32)-ENOSYS; /* what a tracer sees */
	if ((hal_current()->flags & TASK_PTRACE_SYSCALL) && !ptrace_syscall(true))
		return NO_CALL;
	if ((hal_current()->flags & TASK_SECCOMP) && !seccomp_enter(regs))
		return NO_CALL;
	if (hal_current()->flags & TASK_TRACE_SYSCALLS)
		syscall_trace_enter(regs, regs->orig_eax);
	return regs->orig_eax;
}

static void __cold watch_exit(struct hal_regs *regs, unsigned nr)
{
	if (hal_current()->flags & TASK_TRACE_SYSCALLS)
		syscall_trace_exit(regs, nr, (long)regs->eax);
	if (hal_current()->flags & (TASK_PTRACE_SYSCALL | TASK_SINGLESTEP))
		(void)ptrace_syscall(false);
}

void upcall_syscall(struct hal_regs *regs)
{
	const struct task *t = hal_current();
	unsigned nr = regs->orig_eax;

	if (unlikely(t->flags & WATCHED))
		nr = watch_enter(regs);
	if (likely(nr < syscall_count && syscall_table[nr].fn))
		regs->eax = (u32)syscall_table[nr].fn(regs);
	else if (nr != NO_CALL)
		regs->eax = (u32)syscall_missing(nr);
	if (unlikely(t->flags & WATCHED)) /* by now: a tracer may have begun in between */
		watch_exit(regs, nr);
}
