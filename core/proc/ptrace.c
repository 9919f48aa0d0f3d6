/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2), the traced side. A traced task stops (TASK_TRACED) where it takes a signal, enters or leaves a system call, stops with its group, or at an
 * event its tracer asked for; the tracer hears by SIGCHLD and wait(2), looks, and lets it go on (sys_ptrace.c).
 *
 *   traced: stop: ptrace_code, TASK_TRACED, tells -> sleeps -> goes on with the signal that the tracer left in ptrace_code
 *   tracer: wait4 takes ptrace_code -> PEEK, GETREGS... -> resume: ptrace_code, flags, task_wake
 *
 * A thread that ends while it is traced stays (task.ptrace_zombie) until its tracer has waited for it, and its group with it.
 *
 * Locking: the tree lock over who traces whom, ptrace_code and the way in and out of TASK_TRACED; what belongs to the traced task (registers, masks,
 * flags) is the tracer's while that sleeps. SIGKILL ends a stop at any time but while an order is carried out (JOBCTL_FROZEN, under proc.ptrace_mutex of the
 * tracer): sighand.lock makes the look for it and the state one step.
 */
#include <hal/context.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>

#include "proc_priv.h"
#include "ptrace_priv.h"

/* ---------------------------------------------------------------- stopping */

static void tell(struct task *t, int code, int status)
{
	struct proc *to = t->ptracer->proc;
	struct sigaction_k *a;
	struct siginfo info;
	unsigned long flags;
	struct sighand *s;

	if (!to->leader)
		return;
	memset(&info, 0, sizeof(info));
	info.signo = SIGCHLD;
	info.code = code;
	info.chld.pid = t->tid;
	info.chld.uid = t->cred->uid;
	info.chld.status = status;
	s = sighand_lock(to->leader, &flags);
	a = &s->action[SIGCHLD - 1];
	if (a->handler != SIG_IGN && !(a->flags & SA_NOCLDSTOP)) {
		kerr_t err = signal_send_locked(to->leader, SIGCHLD, &info, true);

		(void)err; /* no real-time signal */
	}
	sighand_unlock(s, flags);
	wake_up_all(&to->child_wait);
}

void ptrace_step_off(struct task *t)
{
	if (t->flags & TASK_SINGLESTEP) {
		t->flags &= ~(u32)TASK_SINGLESTEP;
		abi_ptrace_step(t, false);
	}
}

/* The signal that the tracer gives back. why: CLD_TRAPPED or CLD_STOPPED, for its siginfo. */
static int stop(int code, int why, struct siginfo *info)
{
	struct task *t = hal_current();
	unsigned long flags = tasklist_lock(), sflags;
	struct sighand *s;
	int sig;

	if (!t->ptracer) {
		tasklist_unlock(flags);
		return code & 0x7f;
	}
	s = sighand_lock(t, &sflags);
	if (sig_is_fatal_pending(t)) {
		sighand_unlock(s, sflags);
		tasklist_unlock(flags);
		return 0;
	}
	ptrace_step_off(t);
	t->jobctl &= ~(u32)JOBCTL_TRAP_STOP;
	if (code >> 8 == PTRACE_EVENT_STOP)
		t->jobctl &= ~(u32)JOBCTL_TRAP_NOTIFY;
	t->ptrace_code = code;
	t->last_siginfo = info;
	task_set_state(TASK_TRACED);
	sighand_unlock(s, sflags);
	tell(t, why, code & 0x7f);
	tasklist_unlock(flags);
	schedule();
	flags = tasklist_lock();
	s = sighand_lock(t, &sflags);
	t->jobctl &= ~(u32)JOBCTL_LISTENING;
	signal_recalc(t); /* nobody chose us for what came meanwhile */
	sighand_unlock(s, sflags);
	sig = sig_is_fatal_pending(t) ? 0 : t->ptrace_code;
	t->ptrace_code = 0;
	t->last_siginfo = NULL;
	tasklist_unlock(flags);
	return sig;
}

static void trap_info(struct siginfo *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->signo = sig;
	info->code = code;
	info->user.pid = hal_current()->proc->pid;
	info->user.uid = current_cred()->uid;
}

/* A stop that is no signal's: what comes back is sent. */
static void stop_and_send(int code)
{
	struct siginfo info;
	kerr_t err;
	int sig;

	trap_info(&info, SIGTRAP, code);
	sig = stop(code, CLD_TRAPPED, &info);
	if (!sig)
		return;
	err = signal_send_task(hal_current(), sig, NULL);
	(void)err;
}

int ptrace_signal(struct siginfo *info)
{
	struct task *t = hal_current();
	int sig = stop(info->signo, CLD_TRAPPED, info);

	if (!sig)
		return 0;
	if (sig != info->signo) {
		memset(info, 0, sizeof(*info));
		info->signo = sig;
		info->code = SI_USER;
		info->user.pid = t->ptracer ? t->ptracer->proc->pid : 0;
	}
	if (t->blocked & SIGMASK(sig)) {
		kerr_t err = signal_send_task(t, sig, info);

		(void)err; /* as it would be without us */
		return 0;
	}
	return sig;
}

void ptrace_trap_stop(void)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	int sig = signal_group_stop(t->proc);
	struct siginfo info;

	t->jobctl &= ~(u32)(JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY);
	if (!t->ptracer && sig) /* it went meanwhile: stop as the others do */
		t->jobctl |= JOBCTL_STOP_PENDING;
	signal_recalc(t);
	sighand_unlock(s, flags);
	if (!t->ptracer)
		return;
	if (t->ptrace_flags & PT_SEIZED) {
		sig = sig ? sig : SIGTRAP;
		trap_info(&info, sig, sig | PTRACE_EVENT_STOP << 8);
		(void)stop(info.code, CLD_STOPPED, &info); /* there is no signal that another could take the place of */
	} else if (sig) {
		(void)stop(sig, CLD_STOPPED, NULL);
	}
}

/* Only who was seized hears; others sleep on until their tracer says so. */
void ptrace_continued(struct task *t)
{
	if (!(t->ptrace_flags & PT_SEIZED) || (t->flags & TASK_EXITING))
		return;
	t->jobctl |= JOBCTL_TRAP_NOTIFY;
	signal_wake(t, t->jobctl & JOBCTL_LISTENING);
}

bool ptrace_syscall(bool entry)
{
	struct task *t = hal_current();
	bool emulated = t->flags & TASK_PTRACE_EMU;
	struct siginfo info;

	if (!entry && (t->flags & TASK_SINGLESTEP)) { /* the step over the call ends here, not behind the next instruction */
		memset(&info, 0, sizeof(info));
		info.code = TRAP_BRKPT;
		info.fault.addr = abi_user_ip(hal_user_regs(t));
		t->trap_no = 1;
		signal_force(t, SIGTRAP, &info);
		return true;
	}
	if (!(t->flags & TASK_PTRACE_SYSCALL) || (emulated && !entry))
		return true;
	t->ptrace_message = entry ? PTRACE_MESSAGE_ENTRY : PTRACE_MESSAGE_EXIT;
	stop_and_send(t->ptrace_options & O_TRACESYSGOOD ? SIGTRAP | 0x80 : SIGTRAP);
	return !emulated && !sig_is_fatal_pending(t);
}

void ptrace_step_handler(void)
{
	struct siginfo info;

	trap_info(&info, SIGTRAP, SIGTRAP);
	(void)stop(SIGTRAP, CLD_TRAPPED, &info);
}

void ptrace_event(unsigned event, unsigned long message)
{
	struct task *t = hal_current();

	if (!t->ptracer || !(t->ptrace_options & (1u << event)))
		return;
	t->ptrace_message = message;
	stop_and_send(SIGTRAP | (int)(event << 8));
}

void ptrace_exec(pid_t old_tid)
{
	struct task *t = hal_current();
	kerr_t err;

	if (t->ptrace_options & (1u << PTRACE_EVENT_EXEC)) {
		ptrace_event(PTRACE_EVENT_EXEC, (unsigned long)old_tid);
	} else if (!(t->ptrace_flags & PT_SEIZED)) {
		err = signal_send_task(t, SIGTRAP, NULL);
		(void)err;
	}
}

/* ---------------------------------------------------------------- who traces whom; tree lock held */

void ptrace_link(struct task *t, struct task *tracer, u32 flags, u32 options)
{
	assert_held(&kernel()->proc.tree_lock);
	t->ptracer = tracer;
	t->ptrace_flags = flags;
	t->ptrace_options = options;
	t->ptrace_code = 0;
	list_add_tail(&tracer->ptraced, &t->ptrace_node);
}

void ptrace_unlink(struct task *t)
{
	unsigned long flags;
	struct sighand *s;

	assert_held(&kernel()->proc.tree_lock);
	t->ptracer = NULL;
	t->ptrace_flags = t->ptrace_options = 0;
	list_del(&t->ptrace_node);
	if (t->flags & TASK_EXITING)
		return;
	ptrace_step_off(t);
	t->flags &= ~(u32)(TASK_PTRACE_SYSCALL | TASK_PTRACE_EMU);
	s = sighand_lock(t, &flags);
	t->jobctl &= ~(u32)(JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY | JOBCTL_LISTENING);
	if (signal_group_stop(t->proc)) {
		t->jobctl |= JOBCTL_STOP_PENDING; /* back into its group's stop */
		(void)atomic_or(&t->work, WORK_SIGNAL);
	}
	sighand_unlock(s, flags);
}

unsigned ptrace_clone_event(const struct task *me, u64 flags, int exit_signal)
{
	unsigned event = flags & CLONE_VFORK ? PTRACE_EVENT_VFORK : exit_signal != SIGCHLD ? PTRACE_EVENT_CLONE : PTRACE_EVENT_FORK;

	if (!me->ptracer || (flags & CLONE_UNTRACED))
		return 0;
	return me->ptrace_options & (1u << event) ? event : 0;
}

void ptrace_inherit(struct task *child, struct task *me)
{
	ptrace_link(child, me->ptracer, me->ptrace_flags & PT_SEIZED, me->ptrace_options);
	if (me->ptrace_flags & PT_SEIZED)
		child->jobctl |= JOBCTL_TRAP_STOP;
	else
		child->pending.set |= SIGMASK(SIGSTOP);
	(void)atomic_or(&child->work, WORK_SIGNAL);
}

void ptrace_tell_exit(struct task *t)
{
	int status = t->exit_code;

	tell(t, !(status & 0x7f) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED, status & 0x7f ? status & 0x7f : status >> 8);
}

void ptrace_exit_tracer(struct task *t, struct list *dead)
{
	struct task *o, *next;

	list_for_each_safe(o, next, &t->ptraced, ptrace_node) {
		bool kill = o->ptrace_options & O_EXITKILL, was_other = ptrace_by_other(o, o->proc->parent);

		ptrace_unlink(o);
		if (o->ptrace_zombie) {
			thread_release(o, dead);
			task_put(o);
			continue;
		}
		if (o->proc->is_zombie) {
			if (was_other && o == o->proc->leader && signal_notify_exit(o->proc)) /* its parent hears now */
				proc_release(o->proc, dead);
			continue;
		}
		if (kill) {
			kerr_t err = signal_send_task(o, SIGKILL, SIGINFO_KERNEL);

			(void)err;
		}
		(void)task_wake(o, TASK_TRACED);
	}
}
