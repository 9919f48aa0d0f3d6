/* SPDX-License-Identifier: MIT */
/*
 * ptrace(2), the tracer's side: who may trace whom, and what it may ask of a task that is stopped. Any thread of the tracer's process may give orders.
 * Requests on registers are core/abi's. The traced side, and locking: ptrace.c.
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
#include <maestro/uaccess.h>

#include "proc_priv.h"
#include "ptrace_priv.h"

enum { PTRACE_TRACEME, PTRACE_PEEKTEXT, PTRACE_PEEKDATA, PTRACE_POKETEXT = 4, PTRACE_POKEDATA, PTRACE_CONT = 7, PTRACE_KILL, PTRACE_SINGLESTEP,
       PTRACE_ATTACH = 16, PTRACE_DETACH, PTRACE_SYSCALL = 24, PTRACE_SYSEMU = 31, PTRACE_SYSEMU_SINGLESTEP, PTRACE_SETOPTIONS = 0x4200,
       PTRACE_GETEVENTMSG, PTRACE_GETSIGINFO, PTRACE_SETSIGINFO, PTRACE_SEIZE = 0x4206, PTRACE_INTERRUPT, PTRACE_LISTEN, PTRACE_PEEKSIGINFO,
       PTRACE_GETSIGMASK, PTRACE_SETSIGMASK, PTRACE_GET_RSEQ_CONFIGURATION = 0x420f };

static long trace_me(void)
{
	struct task *t = hal_current();
	unsigned long flags = tasklist_lock();
	struct proc *parent = t->proc->parent;
	long ret = -EPERM;

	if (!t->ptracer && parent && parent->leader && !(parent->leader->flags & TASK_EXITING)) {
		ptrace_link(t, parent->leader, 0, 0);
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

		ptrace_link(t, me, seize ? PT_SEIZED : 0, seize ? (u32)options : 0);
		s = sighand_lock(t, &sflags);
		if (!seize)
			err = signal_send_locked(t, SIGSTOP, SIGINFO_KERNEL, false);
		if (t->state & TASK_STOPPED) { /* from the group's stop into ours, without a step between */
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
	signal_wake(t, t->jobctl & JOBCTL_LISTENING);
	sighand_unlock(s, flags);
	return 0;
}

/* What came while it was frozen counts now. Its sighand.lock held. */
static void unfreeze_locked(struct task *t)
{
	if (!(t->jobctl & JOBCTL_FROZEN))
		return;
	t->jobctl &= ~(u32)JOBCTL_FROZEN;
	if (sig_is_fatal_pending(t))
		signal_wake(t, true);
}

static void unfreeze(struct task *t)
{
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	unfreeze_locked(t);
	sighand_unlock(s, flags);
}

/* It stays in its group's stop, and stops anew when that ends. */
static long listen(struct task *t)
{
	unsigned long flags;
	struct sighand *s;

	if (!(t->ptrace_flags & PT_SEIZED) || !t->last_siginfo || t->last_siginfo->code >> 8 != PTRACE_EVENT_STOP)
		return -EIO;
	s = sighand_lock(t, &flags);
	t->jobctl |= JOBCTL_LISTENING;
	unfreeze_locked(t);
	if (t->jobctl & JOBCTL_TRAP_NOTIFY)
		signal_wake(t, true);
	sighand_unlock(s, flags);
	return 0;
}

static void resume_flags(struct task *t, long request)
{
	bool step = request == PTRACE_SINGLESTEP || request == PTRACE_SYSEMU_SINGLESTEP, emulate = request == PTRACE_SYSEMU || request == PTRACE_SYSEMU_SINGLESTEP;

	t->flags &= ~(u32)(TASK_PTRACE_SYSCALL | TASK_PTRACE_EMU);
	if (request == PTRACE_SYSCALL || emulate)
		t->flags |= TASK_PTRACE_SYSCALL;
	if (emulate)
		t->flags |= TASK_PTRACE_EMU;
	if (step) {
		t->flags |= TASK_SINGLESTEP;
		abi_ptrace_step(t, true);
	}
}

static long resume(struct task *t, long request, unsigned long sig)
{
	unsigned long flags;
	long ret = -ESRCH;

	if (sig > NSIG)
		return -EIO;
	flags = tasklist_lock();
	if ((t->state & TASK_TRACED) && !(t->jobctl & JOBCTL_LISTENING)) {
		resume_flags(t, request);
		t->ptrace_code = request == PTRACE_KILL ? SIGKILL : (int)sig;
		if (request == PTRACE_DETACH) {
			int keep = t->ptrace_code;

			ptrace_unlink(t);
			t->ptrace_code = keep;
		}
		unfreeze(t);
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

/* The one at `index` of the queue. False: there are not so many. */
static bool signal_at(struct task *t, bool shared, u64 index, struct siginfo *info)
{
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	struct sigpending *p = shared ? &t->proc->shared_pending : &t->pending;
	bool found = false;
	struct sigqueue *q;

	list_for_each(q, &p->queue, node)
		if (!index--) {
			*info = q->info;
			found = true;
			break;
		}
	sighand_unlock(s, flags);
	return found;
}

#define PEEK_SHARED 1u

static long peek_signals(struct task *t, unsigned long from, unsigned long to)
{
	struct {
		u64 off;
		u32 flags;
		s32 count;
	} a;
	struct siginfo info;
	long n;

	if (copy_from_user(&a, (const void __user *)from, sizeof(a)))
		return -EFAULT;
	if ((a.flags & ~PEEK_SHARED) || a.count < 0)
		return -EINVAL;
	for (n = 0; n < a.count && signal_at(t, a.flags & PEEK_SHARED, a.off + (u64)n, &info); n++, to += SIGINFO_USER_SIZE)
		if (siginfo_to_user((void __user *)to, &info))
			return n ? n : -EFAULT;
	return n;
}

static long rseq_configuration(struct task *t, unsigned long size, unsigned long to)
{
	const struct {
		u64 pointer;
		u32 size, signature, flags, pad;
	} c = { .pointer = t->rseq_ptr, .size = t->rseq_ptr ? 32 : 0, .signature = t->rseq_sig };

	return copy_to_user((void __user *)to, &c, MIN(size, sizeof(c))) ? -EFAULT : (long)sizeof(c);
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
	case PTRACE_SYSEMU:
	case PTRACE_SYSEMU_SINGLESTEP:
	case PTRACE_DETACH:
	case PTRACE_KILL:
		return resume(t, request, data);
	case PTRACE_LISTEN:
		return listen(t);
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
	case PTRACE_PEEKSIGINFO:
		return peek_signals(t, addr, data);
	case PTRACE_GET_RSEQ_CONFIGURATION:
		return rseq_configuration(t, addr, data);
	case PTRACE_GETSIGMASK:
	case PTRACE_SETSIGMASK:
		return signal_mask(t, addr, data, request == PTRACE_SETSIGMASK);
	default:
		return abi_ptrace(t, request, addr, data);
	}
}

/* Is it ours, and stopped? Then it stays so. */
static bool freeze(struct task *t)
{
	unsigned long flags = tasklist_lock(), sflags;
	bool ok = t->ptracer && t->ptracer->proc == hal_current()->proc;
	struct sighand *s;

	if (ok) {
		s = sighand_lock(t, &sflags);
		ok = (t->state & TASK_TRACED) && !(t->jobctl & JOBCTL_LISTENING);
		if (ok)
			t->jobctl |= JOBCTL_FROZEN;
		sighand_unlock(s, sflags);
	}
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

static long order_frozen(struct task *t, long request, unsigned long addr, unsigned long data)
{
	struct proc *me = hal_current()->proc;
	long ret = -ESRCH;

	mutex_lock(&me->ptrace_mutex);
	if (freeze(t)) {
		ret = order(t, request, addr, data);
		unfreeze(t);
	}
	mutex_unlock(&me->ptrace_mutex);
	return ret;
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
		ret = order_frozen(t, request, addr, data);
	task_put(t);
	return ret;
}
