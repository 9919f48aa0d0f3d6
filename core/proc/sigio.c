/* SPDX-License-Identifier: MIT */
/*
 * SIGIO to the owner of a file (fcntl(2), F_SETOWN, F_SETSIG). A chosen signal carries what happened; if it cannot be queued, plain SIGIO goes in its
 * place. Permission is that of whoever chose the owner, as it was then.
 */
#include <maestro/fasync.h>
#include <maestro/vfs.h>

#include "proc_priv.h"

#define EPOLLMSG 0x400u

struct sigio {
	const struct file_owner *owner;
	int fd, sig, code;
};

/* These have codes of their own: POLL_* would be taken for one of them. */
static bool has_own_codes(int sig)
{
	return SIGMASK(sig) & (SIGMASK(SIGILL) | SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGTRAP) | SIGMASK(SIGCHLD) | SIGMASK(SIGSYS));
}

static long band_of(int code)
{
	static const u16 bands[] = {
		[POLL_IN] = EPOLLIN | EPOLLRDNORM,
		[POLL_OUT] = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
		[POLL_MSG] = EPOLLIN | EPOLLRDNORM | EPOLLMSG,
		[POLL_ERR] = EPOLLERR,
		[POLL_PRI] = EPOLLPRI | EPOLLRDBAND,
		[POLL_HUP] = EPOLLHUP | EPOLLERR,
	};

	return bands[code];
}

static bool may_send(const struct file_owner *o, const struct cred *c)
{
	return !o->euid || o->euid == c->suid || o->euid == c->uid || o->uid == c->suid || o->uid == c->uid;
}

/* Tree lock held. */
static void send_to(struct task *t, const struct sigio *s)
{
	bool group = s->owner->type != OWNER_TID;
	unsigned long flags;
	struct sighand *h;
	kerr_t err = KERR(EAGAIN);

	if (!t->sighand || !may_send(s->owner, t->cred))
		return;
	h = sighand_lock(t, &flags);
	if (s->owner->sig && s->code) {
		struct siginfo info = { .signo = s->owner->sig, .code = has_own_codes(s->owner->sig) ? SI_SIGIO : s->code };

		info.poll.band = band_of(s->code);
		info.poll.fd = s->fd;
		err = signal_send_locked(t, info.signo, &info, group);
	}
	if (err)
		err = signal_send_locked(t, s->code ? SIGIO : s->sig, SIGINFO_KERNEL, group);
	(void)err; /* neither SIGIO nor SIGURG is a real-time signal */
	sighand_unlock(h, flags);
}

static void send_to_member(struct proc *p, void *arg)
{
	if (p->leader)
		send_to(p->leader, arg);
}

void sigio_send(const struct file_owner *o, int fd, int sig, int code)
{
	struct sigio s = { o, fd, sig, code };
	unsigned long flags;
	struct task *t;

	DEBUG_ASSERT(code >= 0 && code <= POLL_HUP);
	if (!o->pid)
		return;
	flags = tasklist_lock();
	if (o->type == OWNER_PGRP) {
		pgrp_for_each(o->pid, send_to_member, &s);
	} else {
		t = pid_task(o->pid);
		if (t)
			send_to(t, &s);
	}
	tasklist_unlock(flags);
}

bool sigio_target_exists(int type, pid_t id)
{
	unsigned long flags = tasklist_lock();
	struct pid *pid = pid_find(id);
	bool found = pid && (type == OWNER_TID ? pid->task != NULL : type == OWNER_PID ? pid->proc != NULL : !list_empty(&pid->pgrp_members));

	tasklist_unlock(flags);
	return found;
}
