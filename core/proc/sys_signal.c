/* SPDX-License-Identifier: MIT */
/*
 * Signal calls: kill(2), tkill(2), rt_sigqueueinfo(2), sigaction(2), sigprocmask(2), sigpending(2), sigsuspend(2), sigtimedwait(2), sigaltstack(2),
 * pause(2), pidfd_send_signal(2). The old i386 forms, and sigreturn(2), are in core/abi/i386.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/signal.h>
#include <hal/context.h>
#include <hal/time.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/time_user.h>

#include "proc_priv.h"

#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM 0x80000000u

static bool sig_valid(int sig)
{
	return sig >= 0 && sig <= NSIG;
}

/* ---------------------------------------------------------------- sending */

static void info_from_me(struct siginfo *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->signo = sig;
	info->code = code;
	info->user.pid = hal_current()->proc->pid;
	info->user.uid = current_cred()->uid;
}

/* Tree lock held. */
static kerr_t kill_one(struct proc *p, int sig, const struct siginfo *info, bool group, struct task *t)
{
	unsigned long flags;
	struct sighand *s;
	kerr_t err;

	if (!signal_may_send(current_cred(), t, sig) && (t->proc != hal_current()->proc))
		return KERR(EPERM);
	if (!sig || (p && p->is_zombie))
		return KERR(0);
	s = sighand_lock(t, &flags);
	err = signal_send_locked(t, sig, info, group);
	sighand_unlock(s, flags);
	return err;
}

struct kill_many {
	int sig;
	const struct siginfo *info;
	unsigned sent, found;
	kerr_t err;
};
static void kill_member(struct proc *p, void *arg)
{
	struct kill_many *k = arg;
	kerr_t err;

	if (!p->leader)
		return;
	k->found++;
	err = kill_one(p, k->sig, k->info, true, p->leader);
	if (err)
		k->err = err;
	else
		k->sent++;
}

/* Tree lock held. */
static kerr_t kill_all(int sig, const struct siginfo *info)
{
	struct kill_many k = { sig, info, 0, 0, KERR(0) };
	struct proc *p;

	for_each_proc(p) {
		if (p->pid <= 1 || p == hal_current()->proc)
			continue;
		kill_member(p, &k);
	}
	if (!k.found)
		return KERR(ESRCH);
	return k.err == KERR(EPERM) ? KERR(0) : k.err; /* as Linux: those one may not signal do not count here */
}

static kerr_t kill_group(pid_t pgrp, int sig, const struct siginfo *info)
{
	struct kill_many k = { sig, info, 0, 0, KERR(0) };

	pgrp_for_each(pgrp, kill_member, &k);
	if (k.sent)
		return KERR(0);
	return k.found ? k.err : KERR(ESRCH);
}

static kerr_t kill_any(pid_t pid, int sig, const struct siginfo *info)
{
	unsigned long flags;
	struct task *t;
	kerr_t err;

	if (!sig_valid(sig))
		return KERR(EINVAL);
	if (pid == (pid_t)0x80000000)
		return KERR(ESRCH);
	flags = tasklist_lock();
	if (pid > 0) {
		struct proc *p;

		t = pid_task(pid); /* a thread's number names its group */
		p = t ? t->proc : pid_proc(pid);
		err = p && p->leader ? kill_one(p, sig, info, true, p->leader) : KERR(ESRCH);
	} else if (pid == -1) {
		err = kill_all(sig, info);
	} else {
		err = kill_group(pid ? -pid : hal_current()->proc->pgrp, sig, info);
	}
	tasklist_unlock(flags);
	return err;
}

long sys_kill(pid_t pid, int sig)
{
	struct siginfo info;

	info_from_me(&info, sig, SI_USER);
	return kerr_code(kill_any(pid, sig, &info));
}

/* tgid 0: any group. */
static long kill_thread(pid_t tgid, pid_t tid, int sig, const struct siginfo *info)
{
	unsigned long flags;
	struct task *t;
	kerr_t err = KERR(ESRCH);

	if (!sig_valid(sig))
		return -EINVAL;
	flags = tasklist_lock();
	t = pid_task(tid);
	if (t && (!tgid || t->proc->pid == tgid)) {
		err = kill_one(NULL, t->flags & TASK_EXITING ? 0 : sig, info, false, t);
		if (err == KERR(EAGAIN) && !info)
			err = KERR(0);
	}
	tasklist_unlock(flags);
	return kerr_code(err);
}

long sys_tgkill(pid_t tgid, pid_t tid, int sig)
{
	struct siginfo info;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	info_from_me(&info, sig, SI_TKILL);
	return kill_thread(tgid, tid, sig, &info);
}

long sys_tkill(pid_t tid, int sig)
{
	struct siginfo info;

	if (tid <= 0)
		return -EINVAL;
	info_from_me(&info, sig, SI_TKILL);
	return kill_thread(0, tid, sig, &info);
}

/* A program may not pretend that the kernel or kill(2) sent it, but to itself. */
static kerr_t check_info(struct siginfo *info, int sig, pid_t to)
{
	info->signo = sig;
	if ((info->code >= 0 || info->code == SI_TKILL) && to != hal_current()->proc->pid)
		return KERR(EPERM);
	return KERR(0);
}

long sys_rt_sigqueueinfo(pid_t pid, int sig, const void __user *uinfo)
{
	struct siginfo info;
	kerr_t err = siginfo_from_user(&info, uinfo);

	if (!err)
		err = check_info(&info, sig, pid);
	if (!err)
		err = pid > 0 ? kill_any(pid, sig, &info) : KERR(ESRCH);
	return kerr_code(err);
}

long sys_rt_tgsigqueueinfo(pid_t tgid, pid_t tid, int sig, const void __user *uinfo)
{
	struct siginfo info;
	kerr_t err;

	err = siginfo_from_user(&info, uinfo);
	if (err)
		return kerr_code(err);
	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	err = check_info(&info, sig, tgid);
	return err ? kerr_code(err) : kill_thread(tgid, tid, sig, &info);
}

static kerr_t signal_pidfd(struct proc *p, int sig, const void __user *uinfo)
{
	struct siginfo info;
	unsigned long flags;
	kerr_t err = KERR(0);
	int signo;

	if (uinfo) {
		err = siginfo_from_user(&info, uinfo);
		if (err)
			return err;
		signo = info.signo;
		err = check_info(&info, sig, p->pid);
		if (signo != sig)
			return KERR(EINVAL);
		if (err)
			return err;
	} else {
		info_from_me(&info, sig, SI_USER);
	}
	if (!sig_valid(sig))
		return KERR(EINVAL);
	flags = tasklist_lock();
	err = p->leader ? kill_one(p, sig, &info, true, p->leader) : KERR(ESRCH);
	tasklist_unlock(flags);
	return err;
}

long sys_pidfd_send_signal(int pidfd, int sig, const void __user *info, unsigned flags)
{
	struct proc *p;
	kerr_t err;

	if (flags)
		return -EINVAL;
	err = pidfd_or_dir_get(pidfd, &p);
	if (err)
		return kerr_code(err);
	err = signal_pidfd(p, sig, info);
	proc_put(p);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- handlers */

kerr_t do_sigaction(int sig, const struct sigaction_k *new, struct sigaction_k *old)
{
	struct task *t = hal_current(), *o;
	unsigned long flags;
	struct sigaction_k *a;
	struct sighand *s;

	if (sig < 1 || sig > NSIG || (new && (SIGMASK(sig) & SIG_KERNEL_ONLY)))
		return KERR(EINVAL);
	s = sighand_lock(t, &flags);
	a = &s->action[sig - 1];
	if (old)
		*old = *a;
	if (new) {
		*a = *new;
		a->mask &= ~SIG_KERNEL_ONLY;
		/* What is pending and now ignored is discarded (POSIX, sigaction). */
		if (a->handler == SIG_IGN || (a->handler == SIG_DFL && (SIGMASK(sig) & SIG_IGNORE_DEFAULT))) {
			sigpending_discard(&t->proc->shared_pending, SIGMASK(sig));
			list_for_each(o, &t->proc->threads, thread_node)
				sigpending_discard(&o->pending, SIGMASK(sig));
		}
	}
	sighand_unlock(s, flags);
	return KERR(0);
}

#define SA_KNOWN (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_RESTORER | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND)

long sys_rt_sigaction(int sig, const void __user *act, void __user *oact, size_t setsize)
{
	struct abi_sigaction u;
	struct sigaction_k new, old;
	kerr_t err;

	if (setsize != sizeof(sigset_t))
		return -EINVAL;
	if (act) {
		if (copy_from_user(&u, act, sizeof(u)))
			return -EFAULT;
		new.handler = u.handler;
		new.flags = u.flags & SA_KNOWN; /* unknown ones vanish: that is how programs probe */
		new.restorer = u.restorer;
		new.mask = u.mask;
	}
	err = do_sigaction(sig, act ? &new : NULL, oact ? &old : NULL);
	if (err || !oact)
		return kerr_code(err);
	memset(&u, 0, sizeof(u));
	u.handler = (abi_ptr_t)old.handler;
	u.flags = (abi_ptr_t)old.flags;
	u.restorer = (abi_ptr_t)old.restorer;
	u.mask = old.mask;
	return kerr_code(copy_to_user(oact, &u, sizeof(u)));
}

/* ---------------------------------------------------------------- masks */

enum { SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK };

kerr_t do_sigprocmask(int how, sigset_t set, sigset_t meant)
{
	sigset_t now = hal_current()->blocked;

	switch (how) {
	case SIG_BLOCK:
		signal_set_blocked(now | set);
		return KERR(0);
	case SIG_UNBLOCK:
		signal_set_blocked(now & ~set);
		return KERR(0);
	case SIG_SETMASK:
		signal_set_blocked((now & ~meant) | set);
		return KERR(0);
	default:
		return KERR(EINVAL);
	}
}

long sys_rt_sigprocmask(int how, const void __user *uset, void __user *uold, size_t setsize)
{
	sigset_t old = hal_current()->blocked, set;
	kerr_t err;

	if (setsize != sizeof(sigset_t))
		return -EINVAL;
	if (uset) {
		err = copy_in(&set, (const sigset_t __user *)uset);
		if (!err)
			err = do_sigprocmask(how, set, ~0ULL);
		if (err)
			return kerr_code(err);
	}
	return uold ? kerr_code(copy_to_user(uold, &old, sizeof(old))) : 0;
}

long sys_rt_sigpending(void __user *uset, size_t setsize)
{
	sigset_t set = signal_pending_set() & hal_current()->blocked;

	if (setsize > sizeof(set))
		return -EINVAL;
	return kerr_code(copy_to_user(uset, &set, setsize));
}

long do_sigsuspend(sigset_t set)
{
	signal_set_temporary(set);
	while (!task_signal_pending()) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (!task_signal_pending())
			schedule();
		task_set_state(TASK_RUNNING);
	}
	return -ERESTARTNOHAND;
}

long sys_rt_sigsuspend(const void __user *uset, size_t setsize)
{
	sigset_t set;

	if (setsize != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, uset, sizeof(set)))
		return -EFAULT;
	return do_sigsuspend(set);
}

long sys_pause(void)
{
	while (!task_signal_pending()) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (!task_signal_pending())
			schedule();
		task_set_state(TASK_RUNNING);
	}
	return -ERESTARTNOHAND;
}

/* ---------------------------------------------------------------- sigtimedwait */

static long wait_for_signal(sigset_t which, ktime_t deadline, struct siginfo *info)
{
	struct task *t = hal_current();
	sigset_t saved = t->blocked;
	bool late = false;
	int sig;

	which &= ~SIG_KERNEL_ONLY;
	sig = signal_dequeue(~which, info);
	if (sig)
		return sig;
	if (deadline <= hal_time_ns())
		return -EAGAIN;
	/* Unblocked while we sleep, so that the sender wakes this thread for them. */
	t->real_blocked = saved;
	signal_set_blocked(saved & ~which);
	while (!late) {
		task_set_state(TASK_INTERRUPTIBLE);
		if (task_signal_pending())
			break;
		late = schedule_until(deadline);
	}
	task_set_state(TASK_RUNNING);
	t->real_blocked = 0;
	signal_set_blocked(saved);
	sig = signal_dequeue(~which, info);
	if (sig)
		return sig;
	return late ? -EAGAIN : -EINTR;
}

static long sigtimedwait(const void __user *uset, void __user *uinfo, const void __user *timeout, size_t setsize, bool time64)
{
	ktime_t deadline;
	struct siginfo info;
	kerr_t err;
	sigset_t set;
	long sig;

	if (setsize != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, uset, sizeof(set)))
		return -EFAULT;
	err = get_timeout(&deadline, timeout, time64);
	if (err)
		return kerr_code(err);
	sig = wait_for_signal(set, deadline, &info);
	if (sig > 0 && uinfo && siginfo_to_user(uinfo, &info))
		return -EFAULT;
	return sig;
}

long sys_rt_sigtimedwait(const void __user *set, void __user *info, const void __user *timeout, size_t setsize)
{
	return sigtimedwait(set, info, timeout, setsize, false);
}

long sys_rt_sigtimedwait_time64(const void __user *set, void __user *info, const void __user *timeout, size_t setsize)
{
	return sigtimedwait(set, info, timeout, setsize, true);
}

/* ---------------------------------------------------------------- alternate stack */

static bool on_altstack(const struct task *t, uaddr_t sp)
{
	const struct sig_altstack *a = &t->altstack;

	if ((u32)a->flags & SS_AUTODISARM)
		return false;
	return a->size && sp > a->sp && sp - a->sp <= a->size;
}

static kerr_t set_altstack(struct task *t, const struct abi_stack *u, uaddr_t sp)
{
	u32 mode = (u32)u->flags & ~SS_AUTODISARM;

	if (on_altstack(t, sp))
		return KERR(EPERM);
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return KERR(EINVAL);
	if (mode == SS_DISABLE) {
		t->altstack.sp = t->altstack.size = 0;
	} else {
		if (u->size < ABI_MINSIGSTKSZ)
			return KERR(ENOMEM);
		t->altstack.sp = u->sp;
		t->altstack.size = u->size;
	}
	t->altstack.flags = u->flags;
	return KERR(0);
}

long sys_sigaltstack(const void __user *unew, void __user *uold)
{
	struct task *t = hal_current();
	struct hal_regs *regs = hal_user_regs(t);
	uaddr_t sp = regs ? abi_user_sp(regs) : 0;
	struct abi_stack old, new;

	memset(&old, 0, sizeof(old));
	old.sp = (abi_ptr_t)t->altstack.sp;
	old.size = (abi_ptr_t)t->altstack.size;
	old.flags = (t->altstack.size ? (on_altstack(t, sp) ? SS_ONSTACK : 0) : SS_DISABLE) | (s32)((u32)t->altstack.flags & SS_AUTODISARM);
	if (unew) {
		kerr_t err = copy_from_user(&new, unew, sizeof(new));

		if (!err)
			err = set_altstack(t, &new, sp);
		if (err)
			return kerr_code(err);
	}
	return uold ? kerr_code(copy_to_user(uold, &old, sizeof(old))) : 0;
}

long sys_restart_syscall(void)
{
	struct restart_info *r = &hal_current()->restart;

	return r->fn ? r->fn(r) : -EINTR;
}
