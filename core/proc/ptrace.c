/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2). A traced task stops (TASK_TRACED) where it takes a signal, enters or leaves a system call, or at an event its tracer asked for; the tracer
 * hears by SIGCHLD and wait(2), looks, and lets it go on.
 *
 *   traced: ptrace_stop: ptrace_code, TASK_TRACED, tells -> sleeps -> goes on with the signal that the tracer left in ptrace_code
 *   tracer: wait4 takes ptrace_code -> PEEK, GETREGS... -> resume: ptrace_code, flags, task_wake
 *
 * Any thread of the tracer's process may give orders. A thread that ends is told only if it leads its group; its siblings just vanish. Seccomp stops,
 * PTRACE_PEEKSIGINFO and system call emulation are not there: EIO.
 *
 * Locking: the tree lock over who traces whom, ptrace_code and the way in and out of TASK_TRACED; what belongs to the traced task (registers, masks,
 * flags) is the tracer's while that sleeps. SIGKILL ends a stop at any time: sighand.lock makes the look for it and the state one step.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <hal/cpu.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>
#include <maestro/uaccess.h>

#include "proc_priv.h"

enum { PTRACE_TRACEME, PTRACE_PEEKTEXT, PTRACE_PEEKDATA, PTRACE_POKETEXT = 4, PTRACE_POKEDATA, PTRACE_CONT = 7, PTRACE_KILL, PTRACE_SINGLESTEP,
       PTRACE_ATTACH = 16, PTRACE_DETACH, PTRACE_SYSCALL = 24, PTRACE_SETOPTIONS = 0x4200, PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO, PTRACE_SETSIGINFO,
       PTRACE_SEIZE = 0x4206, PTRACE_INTERRUPT, PTRACE_LISTEN, PTRACE_GETSIGMASK = 0x420a, PTRACE_SETSIGMASK };
#define O_TRACESYSGOOD 1u
#define O_EXITKILL (1u << 20)
#define O_MASK (0xffu | O_EXITKILL)
enum { PT_SEIZED = 1, PT_LISTEN = 2 }; /* task.ptrace_flags */

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

static void step_off(struct task *t)
{
	if (t->flags & TASK_SINGLESTEP) {
		t->flags &= ~(u32)TASK_SINGLESTEP;
		abi_ptrace_step(t, false);
	}
}

/* The signal that the tracer gives back. */
static int stop(int code, struct siginfo *info)
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
	step_off(t);
	t->ptrace_code = code;
	t->last_siginfo = info;
	task_set_state(TASK_TRACED);
	sighand_unlock(s, sflags);
	tell(t, CLD_TRAPPED, code & 0x7f);
	tasklist_unlock(flags);
	schedule();
	flags = tasklist_lock();
	s = sighand_lock(t, &sflags);
	signal_recalc(t); /* nobody chose us for what came meanwhile */
	sighand_unlock(s, sflags);
	sig = sig_is_fatal_pending(t) ? 0 : t->ptrace_code;
	t->ptrace_code = 0;
	t->last_siginfo = NULL;
	tasklist_unlock(flags);
	return sig;
}

static void trap_info(struct siginfo *info, int code)
{
	memset(info, 0, sizeof(*info));
	info->signo = SIGTRAP;
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

	trap_info(&info, code);
	sig = stop(code, &info);
	if (!sig || !hal_current()->ptracer)
		return;
	err = signal_send_task(hal_current(), sig, NULL);
	(void)err;
}

int ptrace_signal(struct siginfo *info)
{
	struct task *t = hal_current();
	int sig = stop(info->signo, info);

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

void ptrace_group_stop(int sig)
{
	struct task *t = hal_current();
	struct siginfo info;

	trap_info(&info, sig);
	(void)stop(t->ptrace_flags & PT_SEIZED ? sig | PTRACE_EVENT_STOP << 8 : sig, t->ptrace_flags & PT_SEIZED ? &info : NULL);
	if (t->ptrace_flags & PT_LISTEN) {
		t->ptrace_flags &= ~(u32)PT_LISTEN;
		signal_stop_current(sig);
	}
}

void ptrace_trap_stop(void)
{
	stop_and_send(SIGTRAP | PTRACE_EVENT_STOP << 8);
}

void ptrace_syscall(bool entry)
{
	struct task *t = hal_current();

	t->ptrace_op = entry ? PTRACE_OP_ENTRY : PTRACE_OP_EXIT;
	stop_and_send(t->ptrace_options & O_TRACESYSGOOD ? SIGTRAP | 0x80 : SIGTRAP);
	t->ptrace_op = PTRACE_OP_NONE;
}

void ptrace_event(unsigned event, unsigned long message)
{
	struct task *t = hal_current();

	if (!t->ptracer || !(t->ptrace_options & (1u << event)))
		return;
	t->ptrace_message = message;
	stop_and_send(SIGTRAP | (int)(event << 8));
}

void ptrace_exec(void)
{
	struct task *t = hal_current();
	kerr_t err;

	if (t->ptrace_options & (1u << PTRACE_EVENT_EXEC)) {
		ptrace_event(PTRACE_EVENT_EXEC, (unsigned long)t->tid);
	} else if (!(t->ptrace_flags & PT_SEIZED)) {
		err = signal_send_task(t, SIGTRAP, NULL);
		(void)err;
	}
}

/* ---------------------------------------------------------------- who traces whom; tree lock held */

static void link_tracer(struct task *t, struct task *tracer, u32 flags, u32 options)
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
	t->ptracer = NULL;
	t->ptrace_flags = t->ptrace_options = 0;
	t->flags &= ~(u32)TASK_PTRACE_SYSCALL;
	list_del(&t->ptrace_node);
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
	link_tracer(child, me->ptracer, me->ptrace_flags & PT_SEIZED, me->ptrace_options);
	if (me->ptrace_flags & PT_SEIZED)
		child->jobctl |= JOBCTL_TRAP_STOP;
	else
		child->pending.set |= SIGMASK(SIGSTOP);
	(void)atomic_or(&child->work, WORK_SIGNAL);
}

void ptrace_tell_exit(struct proc *p)
{
	int status = p->leader->exit_code;

	tell(p->leader, status & 0x7f ? CLD_KILLED : CLD_EXITED, status & 0x7f ? status & 0x7f : status >> 8);
}

void ptrace_exit_tracer(struct task *t)
{
	struct task *o, *next;

	list_for_each_safe(o, next, &t->ptraced, ptrace_node) {
		bool kill = o->ptrace_options & O_EXITKILL, was_other = ptrace_by_other(o, o->proc->parent);

		ptrace_unlink(o);
		if (o->proc->is_zombie) {
			if (was_other && o == o->proc->leader)
				(void)signal_notify_exit(o->proc); /* its parent hears now */
			continue;
		}
		if (kill) {
			kerr_t err = signal_send_task(o, SIGKILL, SIGINFO_KERNEL);

			(void)err;
		}
		(void)task_wake(o, TASK_TRACED);
	}
}

/* ---------------------------------------------------------------- orders */

static long trace_me(void)
{
	struct task *t = hal_current();
	unsigned long flags = tasklist_lock();
	struct proc *parent = t->proc->parent;
	long ret = -EPERM;

	if (!t->ptracer && parent && parent->leader && !(parent->leader->flags & TASK_EXITING)) {
		link_tracer(t, parent->leader, 0, 0);
		ret = 0;
	}
	tasklist_unlock(flags);
	return ret;
}

static bool may_attach(struct task *t)
{
	struct mm *mm = task_mm_get(t);
	bool may = mm && !mm->host && t->proc != hal_current()->proc && mm_may_access(t, mm);

	if (mm)
		mm_unref(mm);
	return may;
}

static long attach(struct task *t, bool seize, unsigned long addr, unsigned long options)
{
	struct task *me = hal_current();
	unsigned long flags, sflags;
	struct sighand *s;
	long ret = -EPERM;

	if (seize && (addr || (options & ~(unsigned long)O_MASK)))
		return -EIO;
	if (!may_attach(t))
		return -EPERM;
	flags = tasklist_lock();
	if (!t->ptracer && !(t->flags & TASK_EXITING)) {
		kerr_t err = KERR(0);

		link_tracer(t, me, seize ? PT_SEIZED : 0, seize ? (u32)options : 0);
		s = sighand_lock(t, &sflags);
		if (!seize)
			err = signal_send_locked(t, SIGSTOP, SIGINFO_KERNEL, false);
		if (t->state & TASK_STOPPED) { /* from the group's stop into ours, without a step between */
			if (seize)
				t->jobctl |= JOBCTL_TRAP_STOP;
			(void)atomic_or(&t->work, WORK_SIGNAL);
			(void)task_wake(t, TASK_STOPPED);
		}
		sighand_unlock(s, sflags);
		(void)err;
		ret = 0;
	}
	tasklist_unlock(flags);
	return ret;
}

static long interrupt(struct task *t)
{
	unsigned long flags;
	struct sighand *s;

	if (!(t->ptrace_flags & PT_SEIZED))
		return -EIO;
	s = sighand_lock(t, &flags);
	t->jobctl |= JOBCTL_TRAP_STOP;
	signal_wake(t, false);
	sighand_unlock(s, flags);
	return 0;
}

static long resume(struct task *t, long request, unsigned long sig)
{
	unsigned long flags;
	long ret = -ESRCH;

	if (sig > NSIG)
		return -EIO;
	flags = tasklist_lock();
	if (t->state & TASK_TRACED) {
		t->flags &= ~(u32)TASK_PTRACE_SYSCALL;
		if (request == PTRACE_SYSCALL)
			t->flags |= TASK_PTRACE_SYSCALL;
		if (request == PTRACE_SINGLESTEP) {
			t->flags |= TASK_SINGLESTEP;
			abi_ptrace_step(t, true);
		}
		t->ptrace_code = request == PTRACE_KILL ? SIGKILL : request == PTRACE_LISTEN ? 0 : (int)sig;
		if (request == PTRACE_LISTEN)
			t->ptrace_flags |= PT_LISTEN;
		if (request == PTRACE_DETACH) {
			int keep = t->ptrace_code;

			ptrace_unlink(t);
			t->ptrace_code = keep;
		}
		(void)task_wake(t, TASK_TRACED);
		ret = 0;
	}
	tasklist_unlock(flags);
	return ret;
}

static long memory(struct task *t, unsigned long addr, unsigned long data, bool write)
{
	struct mm *mm = task_mm_get(t);
	unsigned long word = data;
	ssize_t n = mm ? mm_access(mm, addr, &word, sizeof(word), write) : 0;

	if (mm)
		mm_unref(mm);
	if (n != (ssize_t)sizeof(word))
		return -EIO;
	return write ? 0 : kerr_code(put_user(word, (unsigned long __user *)data));
}

static long signal_info(struct task *t, unsigned long data, bool set)
{
	struct siginfo info;
	kerr_t err;

	if (!t->last_siginfo)
		return -EINVAL;
	if (!set)
		return kerr_code(siginfo_to_user((void __user *)data, t->last_siginfo));
	err = siginfo_from_user(&info, (const void __user *)data);
	if (!err)
		*t->last_siginfo = info;
	return kerr_code(err);
}

static long signal_mask(struct task *t, unsigned long size, unsigned long data, bool set)
{
	unsigned long flags;
	struct sighand *s;
	sigset_t mask;

	if (size != sizeof(sigset_t))
		return -EINVAL;
	if (!set)
		return kerr_code(put_user(t->blocked, (sigset_t __user *)data));
	if (copy_in(&mask, (const sigset_t __user *)data))
		return -EFAULT;
	s = sighand_lock(t, &flags);
	t->blocked = mask & ~SIG_KERNEL_ONLY;
	signal_recalc(t);
	sighand_unlock(s, flags);
	return 0;
}

static long order(struct task *t, long request, unsigned long addr, unsigned long data)
{
	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return memory(t, addr, data, false);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return memory(t, addr, data, true);
	case PTRACE_CONT:
	case PTRACE_SYSCALL:
	case PTRACE_SINGLESTEP:
	case PTRACE_DETACH:
	case PTRACE_KILL:
		return resume(t, request, data);
	case PTRACE_LISTEN:
		return t->ptrace_flags & PT_SEIZED ? resume(t, request, 0) : -EIO;
	case PTRACE_SETOPTIONS:
		if (data & ~(unsigned long)O_MASK)
			return -EINVAL;
		t->ptrace_options = (u32)data;
		return 0;
	case PTRACE_GETEVENTMSG:
		return kerr_code(put_user(t->ptrace_message, (unsigned long __user *)data));
	case PTRACE_GETSIGINFO:
	case PTRACE_SETSIGINFO:
		return signal_info(t, data, request == PTRACE_SETSIGINFO);
	case PTRACE_GETSIGMASK:
	case PTRACE_SETSIGMASK:
		return signal_mask(t, addr, data, request == PTRACE_SETSIGMASK);
	default:
		return abi_ptrace(t, request, addr, data);
	}
}

/* Is it ours, and stopped for good? */
static bool at_hand(struct task *t)
{
	unsigned long flags = tasklist_lock();
	bool ok = t->ptracer && t->ptracer->proc == hal_current()->proc && (t->state & TASK_TRACED);

	tasklist_unlock(flags);
	while (ok && load_acquire(&t->se.on_cpu)) { /* on its way to sleep */
		hal_cpu_relax();
		cond_resched();
	}
	return ok;
}

static bool is_ours(struct task *t)
{
	unsigned long flags = tasklist_lock();
	bool ok = t->ptracer && t->ptracer->proc == hal_current()->proc;

	tasklist_unlock(flags);
	return ok;
}

long sys_ptrace(long request, pid_t pid, unsigned long addr, unsigned long data)
{
	struct task *t;
	long ret;

	if (request == PTRACE_TRACEME)
		return trace_me();
	t = task_find(pid);
	if (!t)
		return -ESRCH;
	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE)
		ret = attach(t, request == PTRACE_SEIZE, addr, data);
	else if (request == PTRACE_INTERRUPT)
		ret = is_ours(t) ? interrupt(t) : -ESRCH;
	else if (request == PTRACE_KILL && is_ours(t))
		ret = kerr_code(signal_send_task(t, SIGKILL, SIGINFO_KERNEL));
	else
		ret = at_hand(t) ? order(t, request, addr, data) : -ESRCH;
	task_put(t);
	return ret;
}
