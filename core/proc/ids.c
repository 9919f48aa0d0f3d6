/* SPDX-License-Identifier: MIT */
/*
 * Process groups and sessions: setpgid(2), setsid(2), getpgid(2), getsid(2), and what the terminal asks (credentials(7), POSIX 3.264 "orphaned process
 * group"). All under the tree lock.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/kernel.h>
#include <maestro/proc.h>
#include <maestro/tty.h>

#include "proc_priv.h"

void pgrp_for_each(pid_t pgrp, void (*fn)(struct proc *p, void *arg), void *arg)
{
	struct pid *pid = pid_find(pgrp);
	struct proc *p, *next;

	if (pid)
		list_for_each_safe(p, next, &pid->pgrp_members, pgrp_node)
			fn(p, arg);
}

void session_for_each(pid_t session, void (*fn)(struct proc *p, void *arg), void *arg)
{
	struct pid *pid = pid_find(session);
	struct proc *p, *next;

	if (pid)
		list_for_each_safe(p, next, &pid->session_members, session_node)
			fn(p, arg);
}

pid_t pid_session(pid_t nr)
{
	struct pid *pid = pid_find(nr);

	if (!pid)
		return -1;
	if (!list_empty(&pid->pgrp_members))
		return list_first(&pid->pgrp_members, struct proc, pgrp_node)->session;
	return pid->proc ? pid->proc->session : -1;
}

/* No member, `ignored` aside, has a parent in the session but outside the group. */
static bool is_orphaned(struct pid *pgrp, const struct proc *ignored)
{
	struct proc *p;

	list_for_each(p, &pgrp->pgrp_members, pgrp_node) {
		if (p == ignored || (p->is_zombie && !p->nthreads) || !p->parent || p->parent == kernel()->proc.init)
			continue;
		if (p->parent->pgrp != p->pgrp && p->parent->session == p->session)
			return false;
	}
	return true;
}

bool pgrp_is_orphaned(pid_t pgrp)
{
	struct pid *pid = pid_find(pgrp);

	return !pid || is_orphaned(pid, NULL);
}

static bool has_stopped(struct pid *pgrp)
{
	struct proc *p;

	list_for_each(p, &pgrp->pgrp_members, pgrp_node)
		if (p->flags & PROC_STOPPED)
			return true;
	return false;
}

static void send_to_group(struct pid *pgrp, int sig)
{
	struct proc *p;

	list_for_each(p, &pgrp->pgrp_members, pgrp_node) {
		struct task *t = p->leader;
		unsigned long flags;
		struct sighand *s;
		kerr_t err;

		if (!t)
			continue;
		s = sighand_lock(t, &flags);
		err = signal_send_locked(t, sig, SIGINFO_KERNEL, true);
		(void)err; /* no real-time signal */
		sighand_unlock(s, flags);
	}
}

void pgrp_hangup_if_orphaned(struct proc *p, struct proc *parent, struct proc *exiting)
{
	struct proc *ignored = p == exiting ? p : NULL;
	struct pid *pgrp = p->pgrp_pid;

	/* It changes only if p was the link between its group and the rest of the session. */
	if (!pgrp || !parent || parent->pgrp == p->pgrp || parent->session != p->session)
		return;
	if (!is_orphaned(pgrp, ignored) || !has_stopped(pgrp))
		return;
	send_to_group(pgrp, SIGHUP);
	send_to_group(pgrp, SIGCONT);
}

/* Tree lock held. */
static kerr_t setpgid_locked(struct proc *me, pid_t pid, pid_t pgrp)
{
	struct proc *p = pid == me->pid ? me : pid_proc(pid);
	struct pid *to;

	if (!p)
		return KERR(ESRCH);
	if (p != me) {
		if (p->parent != me)
			return KERR(ESRCH);
		if (p->session != me->session)
			return KERR(EPERM);
		if (p->has_execed)
			return KERR(EACCES);
	}
	if (p->session_leader)
		return KERR(EPERM);
	to = pid_find(pgrp);
	if (pgrp != p->pid) {
		struct proc *member;

		if (!to || list_empty(&to->pgrp_members))
			return KERR(EPERM);
		member = list_first(&to->pgrp_members, struct proc, pgrp_node);
		if (member->session != me->session)
			return KERR(EPERM);
	}
	if (p->pgrp_pid != to)
		proc_set_pgrp(p, to);
	return KERR(0);
}

kerr_t do_setpgid(pid_t pid, pid_t pgrp)
{
	struct proc *me = hal_current()->proc;
	unsigned long flags;
	kerr_t err;

	if (!pid)
		pid = me->pid;
	if (!pgrp)
		pgrp = pid;
	if (pgrp < 0)
		return KERR(EINVAL);
	flags = tasklist_lock();
	err = setpgid_locked(me, pid, pgrp);
	tasklist_unlock(flags);
	return err;
}

long do_setsid(void)
{
	struct proc *p = hal_current()->proc;
	unsigned long flags = tasklist_lock();
	struct pid *pid = pid_find(p->pid);
	struct tty *tty;

	if (p->session_leader || !list_empty(&pid->pgrp_members)) {
		tasklist_unlock(flags);
		return -EPERM;
	}
	p->session_leader = true;
	proc_set_pgrp(p, pid);
	proc_set_session(p, pid);
	tty = p->tty;
	p->tty = NULL;
	tasklist_unlock(flags);
	if (tty)
		tty_put(tty);
	return p->pid;
}

/* ---------------------------------------------------------------- calls */

long sys_setpgid(pid_t pid, pid_t pgrp)
{
	return kerr_code(do_setpgid(pid, pgrp));
}

long sys_setsid(void)
{
	return do_setsid();
}

long sys_getpgid(pid_t pid)
{
	struct proc *me = hal_current()->proc, *p;
	unsigned long flags;
	struct task *t;
	long ret = -ESRCH;

	if (!pid)
		return me->pgrp;
	flags = tasklist_lock();
	t = pid_task(pid);
	p = t ? t->proc : pid_proc(pid);
	if (p)
		ret = p->pgrp;
	tasklist_unlock(flags);
	return ret;
}

long sys_getpgrp(void)
{
	return hal_current()->proc->pgrp;
}

long sys_getsid(pid_t pid)
{
	struct proc *me = hal_current()->proc, *p;
	unsigned long flags;
	struct task *t;
	long ret = -ESRCH;

	if (!pid)
		return me->session;
	flags = tasklist_lock();
	t = pid_task(pid);
	p = t ? t->proc : pid_proc(pid);
	if (p)
		ret = p->session;
	tasklist_unlock(flags);
	return ret;
}

long sys_getpid(void)
{
	return hal_current()->proc->pid;
}

/* Under the lock, so that a parent that is being reaped is not followed. */
long sys_getppid(void)
{
	return load_relaxed(&hal_current()->proc->ppid);
}

long sys_gettid(void)
{
	return hal_current()->tid;
}

long sys_set_tid_address(void __user *p)
{
	hal_current()->clear_child_tid_ptr = (uaddr_t)p;
	return hal_current()->tid;
}
