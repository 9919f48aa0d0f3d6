/* SPDX-License-Identifier: MIT */
/*
 * The way back to user mode: rescheduling, signals, traps (hal/upcall.h; signal(7), "Execution of signal handlers").
 *
 *   upcall_user_return -> signal_deliver: takes signals until one has a handler (abi_signal_frame builds its frame), one kills, or none is left
 *   (then an interrupted system call is rewound, abi_syscall_restart)
 */
#include <hal/upcall.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>

#include "proc_priv.h"

#define SS_AUTODISARM 0x80000000u
#define SS_DISABLE 2

static void run_handler(struct hal_regs *regs, const struct siginfo *info, const struct sigaction_k *sa)
{
	struct task *t = hal_current();
	int sig = info->signo;
	sigset_t old = t->flags & TASK_RESTORE_SIGMASK ? t->saved_mask : t->blocked;
	sigset_t mask = t->blocked | sa->mask;
	bool step = t->flags & TASK_SINGLESTEP;

	abi_syscall_restart(regs, true, sa->flags & SA_RESTART);
	if (unlikely(step))
		ptrace_step_off(t); /* not in the frame */
	if ((t->rseq_ptr && !rseq_signal(regs)) || !abi_signal_frame(regs, sig, info, sa, old)) {
		if (sig == SIGSEGV) { /* its handler cannot run either */
			unsigned long flags;
			struct sighand *s = sighand_lock(t, &flags);

			s->action[SIGSEGV - 1].handler = SIG_DFL;
			sighand_unlock(s, flags);
		}
		signal_force(t, SIGSEGV, SIGINFO_KERNEL);
		return;
	}
	t->flags &= ~(u32)TASK_RESTORE_SIGMASK;
	if ((u32)t->altstack.flags & SS_AUTODISARM) {
		t->altstack.sp = t->altstack.size = 0;
		t->altstack.flags = SS_DISABLE;
	}
	if (!(sa->flags & SA_NODEFER))
		mask |= SIGMASK(sig);
	signal_set_blocked(mask);
	if (unlikely(step))
		ptrace_step_handler();
}

/* What a signal without a handler does. Returns if life goes on. */
static void default_action(const struct siginfo *info)
{
	int sig = info->signo;
	struct task *t = hal_current();
	struct proc *p = t->proc;
	unsigned long flags;
	bool orphaned;

	if (SIGMASK(sig) & SIG_IGNORE_DEFAULT)
		return;
	if ((p->flags & PROC_SIGNAL_UNKILLABLE) && !(SIGMASK(sig) & SIG_KERNEL_ONLY))
		return;
	if (SIGMASK(sig) & SIG_STOP_MASK) {
		if (sig != SIGSTOP) {
			/* Nobody could ever continue it: such a group is not stopped by the terminal (POSIX, 2.4.3). */
			flags = tasklist_lock();
			orphaned = pgrp_is_orphaned(p->pgrp);
			tasklist_unlock(flags);
			if (orphaned)
				return;
		}
		signal_stop_current(sig);
		return;
	}
	if (SIGMASK(sig) & SIG_CORE_MASK)
		core_dump(info);
	do_group_exit(sig);
}

/* Takes the next signal; *sa is its action, with SA_RESETHAND already carried out. 0: none. */
static int next_signal(struct siginfo *info, struct sigaction_k *sa)
{
	struct task *t = hal_current();
	int sig;
	unsigned long flags;
	struct sighand *s;

	do {
		sig = signal_dequeue(t->blocked, info);
		if (!sig)
			return 0;
		if (unlikely(t->ptracer) && sig != SIGKILL)
			sig = ptrace_signal(info);
	} while (!sig);
	s = sighand_lock(t, &flags);
	*sa = s->action[sig - 1];
	if (sa->handler != SIG_IGN && sa->handler != SIG_DFL && (sa->flags & SA_RESETHAND))
		s->action[sig - 1].handler = SIG_DFL;
	sighand_unlock(s, flags);
	return sig;
}

void signal_deliver(struct hal_regs *regs)
{
	struct task *t = hal_current();
	struct sigaction_k sa;
	struct siginfo info;

	if (t->flags & TASK_HOSTED_CALLER) {
		/* The host's thread has no stack of ours to build a frame on: its call fails with EINTR, the signal stays pending for sigtimedwait(2). */
		(void)atomic_and(&t->work, ~WORK_SIGNAL);
		abi_syscall_restart(regs, true, false);
		signal_restore_temporary();
		return;
	}
	for (;;) {
		if (t->proc->flags & (PROC_TELL_STOPPED | PROC_TELL_CONTINUED))
			signal_tell_parent(t->proc);
		if (t->jobctl & JOBCTL_STOP_PENDING) {
			signal_stop_current(0);
			continue;
		}
		if (unlikely(t->jobctl & (JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY))) {
			ptrace_trap_stop();
			continue;
		}
		if (!next_signal(&info, &sa))
			break;
		if (sa.handler == SIG_IGN)
			continue;
		if (sa.handler != SIG_DFL) {
			run_handler(regs, &info, &sa);
			return;
		}
		default_action(&info);
	}
	abi_syscall_restart(regs, false, false);
	signal_restore_temporary();
}

void upcall_user_return(struct hal_regs *regs)
{
	struct task *t = hal_current();
	unsigned long flags;
	int work;

	while ((work = atomic_read(&t->work) & (WORK_RESCHED | WORK_SIGNAL | WORK_NOTIFY))) {
		hal_irq_enable();
		if (work & WORK_RESCHED)
			schedule();
		if (work & WORK_NOTIFY) {
			(void)atomic_and(&t->work, ~WORK_NOTIFY);
			task_notify_work(regs);
		}
		if (work & WORK_SIGNAL)
			signal_deliver(regs);
		flags = hal_irq_save();
		(void)flags; /* they stay off from the last look at work on */
	}
}

void upcall_user_trap(struct hal_regs *regs, int sig, int code, uaddr_t addr, unsigned trapno, unsigned error)
{
	struct task *t = hal_current();
	struct siginfo info;

	(void)regs;
	t->trap_no = trapno;
	t->trap_error = error;
	t->trap_addr = addr;
	memset(&info, 0, sizeof(info));
	info.signo = sig;
	info.code = code;
	info.fault.addr = addr;
	info.fault.trapno = trapno;
	signal_force(t, sig, &info);
}
