/* SPDX-License-Identifier: MIT */
/*
 * Controlling terminals and job control.
 * proc.tty, tty.session and tty.pgrp change under the process tree lock; no signal is sent with it held by us.
 * Specification: POSIX XBD 11.1.3 and 11.1.4; tty_ioctl(4); credentials(7).
 */
#include "tty_priv.h"

static struct proc *my_proc(void)
{
	return current->proc;
}

struct tty *tty_get_current(void)
{
	struct tty *t = NULL;
	unsigned long flags;

	if (!my_proc())
		return NULL;
	flags = tasklist_lock();
	if (my_proc()->tty)
		t = tty_get(my_proc()->tty);
	tasklist_unlock(flags);
	return t;
}

kerr_t tty_check_change(struct tty *t, int sig)
{
	struct proc *p = my_proc();
	bool orphaned;
	pid_t pgrp;
	unsigned long flags;

	if (!p || p->tty != t)
		return 0;
	flags = tasklist_lock();
	pgrp = p->pgrp;
	if (p->tty != t || !t->pgrp || t->pgrp == pgrp) {
		tasklist_unlock(flags);
		return 0;
	}
	orphaned = pgrp_is_orphaned(pgrp);
	tasklist_unlock(flags);
	if (signal_is_blocked_or_ignored(sig))
		return sig == SIGTTIN ? KERR(EIO) : KERR(0);
	if (orphaned)
		return KERR(EIO);
	signal_send_pgrp(pgrp, sig, SIGINFO_KERNEL);
	return KERR(ERESTARTSYS);
}

/* Process tree lock held. Gives up the reference that p had; t keeps at least the caller's. */
static void drop_ctty(struct proc *p, void *arg)
{
	struct tty *t = arg;

	if (p->tty != t)
		return;
	p->tty = NULL;
	tty_put(t);
}

static void set_ctty(struct tty *t)
{
	struct proc *p = my_proc();

	t->session = p->session;
	t->pgrp = p->pgrp;
	p->tty = tty_get(t);
}

void tty_open_ctty(struct tty *t, struct file *f)
{
	struct proc *p = my_proc();
	unsigned long flags;

	if (!p || !(f->mode & FMODE_READ) || !p->session_leader)
		return;
	flags = tasklist_lock();
	if (p->session_leader && !p->tty && !t->session)
		set_ctty(t);
	tasklist_unlock(flags);
}

long tty_ioctl_sctty(struct tty *t, struct file *f, unsigned long arg)
{
	struct proc *p = my_proc();
	bool admin = capable(CAP_SYS_ADMIN);
	unsigned long flags;
	long ret = 0;

	if (!p)
		return -EPERM;
	flags = tasklist_lock();
	if (p->session_leader && p->session == t->session && p->tty == t)
		goto out;
	ret = -EPERM;
	if (!p->session_leader || p->tty)
		goto out;
	if (t->session && (arg != 1 || !admin))
		goto out;
	if (!(f->mode & FMODE_READ) && !admin)
		goto out;
	if (t->session)
		session_for_each(t->session, drop_ctty, t);
	set_ctty(t);
	ret = 0;
out:
	tasklist_unlock(flags);
	return ret;
}

struct leader_search {
	struct proc *leader;
	struct tty *tty;
};
static void find_leader(struct proc *p, void *arg)
{
	struct leader_search *s = arg;

	if (p->session_leader && !s->leader)
		s->leader = proc_get(p);
}

/* The session loses t. hangup: its leader is told (SIGHUP, SIGCONT); exit_session: the foreground group too. */
void tty_clear_session(struct tty *t, bool hangup, bool exit_session)
{
	struct leader_search s = { NULL, t };
	unsigned long flags = tasklist_lock();
	pid_t session = t->session, pgrp = t->pgrp;

	if (session) {
		session_for_each(session, find_leader, &s);
		if (s.leader && hangup)
			s.leader->tty_old_pgrp = pgrp;
		session_for_each(session, drop_ctty, t);
	}
	t->session = t->pgrp = 0;
	tasklist_unlock(flags);
	if (s.leader) {
		if (hangup) {
			(void)!signal_send_proc(s.leader, SIGHUP, SIGINFO_KERNEL);
			(void)!signal_send_proc(s.leader, SIGCONT, SIGINFO_KERNEL);
		}
		proc_put(s.leader);
	}
	if (exit_session && pgrp)
		signal_send_pgrp(pgrp, SIGHUP, SIGINFO_KERNEL);
}

static void hup_cont(pid_t pgrp, bool cont)
{
	if (!pgrp)
		return;
	signal_send_pgrp(pgrp, SIGHUP, SIGINFO_KERNEL);
	if (cont)
		signal_send_pgrp(pgrp, SIGCONT, SIGINFO_KERNEL);
}

/* A leader leaves its terminal: on exit a hardware line is hung up; a pty's foreground group gets SIGHUP. */
static void leader_leaves(struct proc *p, struct tty *t, bool exiting)
{
	unsigned long flags;
	pid_t pgrp;

	if (exiting && !t->pty) {
		tty_hangup(t, true);
		return;
	}
	flags = tasklist_lock();
	pgrp = t->session == p->session ? t->pgrp : 0;
	tasklist_unlock(flags);
	hup_cont(pgrp, !exiting);
	flags = tasklist_lock();
	if (t->session == p->session) {
		session_for_each(t->session, drop_ctty, t);
		t->session = t->pgrp = 0;
	}
	tasklist_unlock(flags);
}

void tty_session_exit(struct proc *p)
{
	struct tty *t = NULL;
	pid_t old = 0;
	unsigned long flags = tasklist_lock();

	if (p->tty)
		t = tty_get(p->tty);
	else
		old = p->tty_old_pgrp;
	p->tty_old_pgrp = 0;
	tasklist_unlock(flags);
	if (t) {
		leader_leaves(p, t, true);
		tty_put(t);
	} else {
		hup_cont(old, true);
	}
}

long tty_ioctl_notty(struct tty *t)
{
	struct proc *p = my_proc();
	unsigned long flags;

	if (!p || p->tty != t)
		return -ENOTTY;
	if (p->session_leader)
		leader_leaves(p, t, false);
	flags = tasklist_lock();
	drop_ctty(p, t);
	tasklist_unlock(flags);
	return 0;
}

pid_t tty_foreground_pgrp(struct tty *t)
{
	pid_t pgrp = t ? load_relaxed(&t->pgrp) : 0;

	return pgrp ? pgrp : -1;
}

long tty_ioctl_gpgrp(struct tty *t, bool master, pid_t *out)
{
	if (!master && (!my_proc() || my_proc()->tty != t))
		return -ENOTTY;
	*out = load_relaxed(&t->pgrp);
	return 0;
}

long tty_ioctl_gsid(struct tty *t, bool master, pid_t *out)
{
	if (!master && (!my_proc() || my_proc()->tty != t))
		return -ENOTTY;
	*out = load_relaxed(&t->session);
	return *out ? 0 : -ENOTTY;
}

long tty_ioctl_spgrp(struct tty *t, bool master, pid_t pgrp)
{
	struct proc *p = my_proc();
	kerr_t err = tty_check_change(t, SIGTTOU);
	unsigned long flags;
	long ret = 0;

	if (err)
		return kerr_code(err) == -EIO ? -ENOTTY : kerr_code(err);
	(void)master; /* the other end has no say unless it is the caller's own terminal */
	if (pgrp < 0)
		return -EINVAL;
	flags = tasklist_lock();
	if (!p || p->tty != t || t->session != p->session) {
		ret = -ENOTTY;
	} else {
		pid_t session = pid_session(pgrp);

		if (session < 0)
			ret = -ESRCH;
		else if (session != p->session)
			ret = -EPERM;
		else
			store_relaxed(&t->pgrp, pgrp);
	}
	tasklist_unlock(flags);
	return ret;
}
