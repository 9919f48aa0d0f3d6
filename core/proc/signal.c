/* SPDX-License-Identifier: MIT */
/*
 * Signals, the sending half and the queues (signal(7), sigqueue(3), kill(2)).
 *
 * A thread has its own queue (task.pending), a group one that all its threads share (proc.shared_pending); sighand.lock protects both, and the handlers.
 * The list of a group's threads changes under the tree lock and sighand.lock together, so either is enough to walk it.
 * WORK_SIGNAL in task.work says "look at your queues before you go back to user mode"; it is set by whoever makes a signal deliverable, and cleared only by
 * the thread itself. A fatal signal is turned into SIGKILL for each thread at once, when it is sent, so that sleeping threads die without scheduling others.
 *
 * sighand pointers of a task live as long as the task, so a sender that holds a task reference, or the tree lock, needs no more.
 */
#include <hal/cpu.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/posix_timer.h>
#include <maestro/proc.h>
#include <maestro/slab.h>

#include "proc_priv.h"

/* ---------------------------------------------------------------- handlers */

struct sighand *sighand_alloc(void)
{
	struct sighand *s = kmem_cache_alloc(kernel()->proc.sighand_cache, GFP_KERNEL);

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s));
	atomic_set(&s->refs, 1);
	spin_init(&s->lock, RANK_SIGHAND, "sighand");
	return s;
}

void sighand_get(struct sighand *s)
{
	atomic_inc(&s->refs);
}

void sighand_put(struct sighand *s)
{
	while (s && atomic_dec_and_test(&s->refs)) {
		struct sighand *replaced = s->replaced;

		kmem_cache_free(kernel()->proc.sighand_cache, s);
		s = replaced;
	}
}

struct sighand *sighand_lock(struct task *t, unsigned long *flags) NO_LOCK_ANALYSIS
{
	for (;;) {
		struct sighand *s = load_acquire(&t->sighand);

		*flags = spin_lock_irqsave(&s->lock);
		if (likely(s == load_relaxed(&t->sighand)))
			return s;
		spin_unlock_irqrestore(&s->lock, *flags);
	}
}

void sighand_unlock(struct sighand *s, unsigned long flags) NO_LOCK_ANALYSIS
{
	spin_unlock_irqrestore(&s->lock, flags);
}

void signal_flush_handlers(struct task *t)
{
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	for (unsigned i = 0; i < NSIG; i++) {
		struct sigaction_k *a = &s->action[i];

		if (a->handler != SIG_IGN)
			a->handler = SIG_DFL;
		a->flags = 0;
		a->restorer = 0;
		a->mask = 0;
	}
	sighand_unlock(s, flags);
}

/* ---------------------------------------------------------------- queues */

void sigpending_init(struct sigpending *p)
{
	list_init(&p->queue);
	p->set = 0;
}

/* It is off its list. */
static void sigqueue_free(struct sigqueue *q)
{
	if (q->timer) {
		list_init(&q->node); /* the timer's, to use again */
		return;
	}
	if (q->user) {
		atomic_dec(&q->user->sigpending);
		user_put(q->user);
	}
	kmem_cache_free(kernel()->proc.sigqueue_cache, q);
}

void sigpending_flush(struct sigpending *p)
{
	sigpending_discard(p, ~0ULL);
}

void sigpending_discard(struct sigpending *p, sigset_t set)
{
	struct sigqueue *q, *next;

	if (!(p->set & set))
		return;
	p->set &= ~set;
	list_for_each_safe(q, next, &p->queue, node)
		if (SIGMASK(q->info.signo) & set) {
			list_del(&q->node);
			sigqueue_free(q);
		}
}

/* NULL: no memory, or the user has too many queued. */
static struct sigqueue *sigqueue_alloc(struct task *t, bool exempt)
{
	struct user_struct *u = t->cred->user;
	struct sigqueue *q;

	if (!exempt && (u64)(unsigned)atomic_read(&u->sigpending) >= t->proc->rlim[RLIMIT_SIGPENDING].cur)
		return NULL;
	q = kmem_cache_alloc(kernel()->proc.sigqueue_cache, GFP_ATOMIC);
	if (!q)
		return NULL;
	q->timer = NULL;
	q->user = u;
	atomic_inc(&u->refs);
	atomic_inc(&u->sigpending);
	return q;
}

/* ---------------------------------------------------------------- what a signal would do */

static bool is_default_ignored(int sig)
{
	return SIGMASK(sig) & SIG_IGNORE_DEFAULT;
}

static bool is_stop(int sig)
{
	return SIGMASK(sig) & SIG_STOP_MASK;
}

/* By default it ends the group. */
static bool is_default_fatal(int sig)
{
	return !is_default_ignored(sig) && !is_stop(sig);
}

static bool ignored_locked(struct task *t, int sig, bool from_kernel)
{
	uaddr_t handler = t->sighand->action[sig - 1].handler;

	/* What is blocked may get a handler before it is unblocked. */
	if (((t->blocked | t->real_blocked) & SIGMASK(sig)) && sig != SIGKILL)
		return false;
	if (t->ptracer && sig != SIGKILL)
		return false;
	if ((t->proc->flags & PROC_SIGNAL_UNKILLABLE) && handler == SIG_DFL && !(from_kernel && (SIGMASK(sig) & SIG_KERNEL_ONLY)))
		return true;
	return handler == SIG_IGN || (handler == SIG_DFL && is_default_ignored(sig));
}

bool signal_is_ignored(struct task *t, int sig)
{
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	bool ret = (t->blocked & SIGMASK(sig)) || s->action[sig - 1].handler == SIG_IGN;

	sighand_unlock(s, flags);
	return ret;
}

bool signal_is_blocked_or_ignored(int sig)
{
	return signal_is_ignored(hal_current(), sig);
}

bool sig_is_fatal_pending(const struct task *t)
{
	return t->pending.set & SIGMASK(SIGKILL);
}

bool task_signal_pending_state(unsigned state)
{
	struct task *t = hal_current();

	if (!(state & (TASK_INTERRUPTIBLE | TASK_KILLABLE)) || !(atomic_read(&t->work) & WORK_SIGNAL))
		return false;
	return (state & TASK_INTERRUPTIBLE) || sig_is_fatal_pending(t);
}

void signal_recalc(struct task *t)
{
	sigset_t set = t->pending.set | t->proc->shared_pending.set;

	assert_held(&t->sighand->lock);
	if ((set & ~t->blocked) || (t->jobctl & (JOBCTL_STOP_PENDING | JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY)) || (t->proc->flags & (PROC_TELL_STOPPED | PROC_TELL_CONTINUED)))
		(void)atomic_or(&t->work, WORK_SIGNAL);
	else if (t == hal_current())
		(void)atomic_and(&t->work, ~WORK_SIGNAL);
}

/* ---------------------------------------------------------------- sending */

void signal_wake(struct task *t, bool fatal)
{
	unsigned states = TASK_INTERRUPTIBLE;

	if (fatal)
		states |= TASK_KILLABLE | TASK_STOPPED | (t->jobctl & JOBCTL_FROZEN ? 0 : TASK_TRACED);
	(void)atomic_or(&t->work, WORK_SIGNAL);
	if (t == hal_current())
		return;
	if (!task_wake(t, states) && t->se.on_cpu)
		hal_cpu_kick(t->se.cpu);
}

void signal_kill_others(struct task *t, bool all)
{
	struct task *o;

	list_for_each(o, &t->proc->threads, thread_node) {
		if (o == t && !all)
			continue;
		o->jobctl &= ~(u32)(JOBCTL_STOP_PENDING | JOBCTL_STOP_COUNTED);
		if (o->flags & TASK_EXITING)
			continue;
		o->pending.set |= SIGMASK(SIGKILL);
		signal_wake(o, true);
	}
	t->proc->stop_count = 0;
}

/* SIGCONT undoes pending stops and the other way round, even if blocked or ignored. False: nothing more to do. */
static bool prepare(struct task *t, int sig, bool from_kernel)
{
	struct proc *p = t->proc;
	struct task *o;

	if (p->flags & PROC_GROUP_EXIT)
		return p->core && sig == SIGKILL; /* that ends a dump */
	if (is_stop(sig)) {
		sigpending_discard(&p->shared_pending, SIGMASK(SIGCONT));
		list_for_each(o, &p->threads, thread_node)
			sigpending_discard(&o->pending, SIGMASK(SIGCONT));
	} else if (sig == SIGCONT) {
		signal_continue_locked(p);
	}
	return !ignored_locked(t, sig, from_kernel);
}

static bool wants(const struct task *t, int sig)
{
	if ((t->blocked & SIGMASK(sig)) && sig != SIGKILL)
		return false;
	if (t->flags & TASK_EXITING)
		return false;
	if (sig == SIGKILL)
		return true;
	if (t->state & (TASK_STOPPED | TASK_TRACED))
		return false;
	return t == hal_current() || !(atomic_read(&t->work) & WORK_SIGNAL);
}

/* Finds a thread for the signal that was queued, and makes it look; or kills the group if that is what it will come to. */
static void complete(struct task *t, int sig, bool group)
{
	struct proc *p = t->proc;
	struct task *o;

	if (t->sighand->signalfd_wait)
		wake_up_all(t->sighand->signalfd_wait);
	if (!wants(t, sig)) {
		if (!group)
			return;
		t = NULL;
		list_for_each(o, &p->threads, thread_node)
			if (wants(o, sig)) {
				t = o;
				break;
			}
		if (!t)
			return; /* all have it blocked, or will look anyway */
	}
	if (is_default_fatal(sig) && !(SIGMASK(sig) & SIG_CORE_MASK) && t->sighand->action[sig - 1].handler == SIG_DFL && !((t->blocked | t->real_blocked) & SIGMASK(sig)) &&
	    (sig == SIGKILL || !t->ptracer)) {
		p->flags = (p->flags & PROC_SIGNAL_UNKILLABLE) | PROC_GROUP_EXIT;
		p->group_exit_code = sig;
		signal_kill_others(t, true);
		return;
	}
	signal_wake(t, sig == SIGKILL);
}

static void fill_info(struct siginfo *to, int sig, const struct siginfo *info)
{
	if (info && info != SIGINFO_KERNEL) {
		*to = *info;
	} else {
		memset(to, 0, sizeof(*to));
		to->code = SI_KERNEL;
		if (!info) {
			to->code = SI_USER;
			to->user.pid = hal_current()->proc ? hal_current()->proc->pid : 0;
			to->user.uid = current_cred()->uid;
		}
	}
	to->signo = sig;
}

kerr_t signal_send_locked(struct task *t, int sig, const struct siginfo *info, bool group)
{
	struct sigpending *pend = group ? &t->proc->shared_pending : &t->pending;
	bool from_kernel = info == SIGINFO_KERNEL || (info && info->code > 0);
	bool legacy = sig < SIGRTMIN;
	struct sigqueue *q;

	assert_held(&t->sighand->lock);
	if (!prepare(t, sig, from_kernel))
		return KERR(0);
	if (legacy && (pend->set & SIGMASK(sig)))
		return KERR(0); /* one is enough */
	if (sig != SIGKILL) {
		q = sigqueue_alloc(t, legacy && (!info || info == SIGINFO_KERNEL || info->code >= 0));
		if (q) {
			fill_info(&q->info, sig, info);
			list_add_tail(&pend->queue, &q->node);
		} else if (!legacy && info && info != SIGINFO_KERNEL && info->code != SI_USER) {
			return KERR(EAGAIN);
		}
	}
	pend->set |= SIGMASK(sig);
	complete(t, sig, group);
	return KERR(0);
}

struct sigqueue *signal_timer_queue(struct task *t, struct posix_timer *timer)
{
	struct sigqueue *q = sigqueue_alloc(t, false);

	if (!q)
		return NULL;
	q->timer = timer;
	list_init(&q->node);
	return q;
}

void signal_timer_queue_free(struct sigqueue *q)
{
	q->timer = NULL;
	if (list_empty(&q->node))
		sigqueue_free(q);
}

bool signal_send_timer(struct task *t, struct sigqueue *q, bool group)
{
	struct sigpending *pend = group ? &t->proc->shared_pending : &t->pending;
	int sig = q->info.signo;

	assert_held(&t->sighand->lock);
	if (!prepare(t, sig, true))
		return false;
	if (list_empty(&q->node)) {
		list_add_tail(&pend->queue, &q->node);
		pend->set |= SIGMASK(sig);
		complete(t, sig, group);
	}
	return true;
}

kerr_t signal_send_task(struct task *t, int sig, const struct siginfo *info)
{
	unsigned long flags;
	struct sighand *s;
	kerr_t err;

	if (!t->sighand)
		return KERR(0); /* a kernel thread */
	s = sighand_lock(t, &flags);
	err = signal_send_locked(t, sig, info, false);
	sighand_unlock(s, flags);
	return err;
}

/* Tree lock held: the leader cannot be reaped meanwhile. */
static kerr_t send_proc_locked(struct proc *p, int sig, const struct siginfo *info)
{
	struct task *t = p->leader;
	unsigned long flags;
	struct sighand *s;
	kerr_t err;

	if (!t)
		return KERR(0); /* reaped */
	s = sighand_lock(t, &flags);
	err = signal_send_locked(t, sig, info, true);
	sighand_unlock(s, flags);
	return err;
}

kerr_t signal_send_proc(struct proc *p, int sig, const struct siginfo *info)
{
	unsigned long flags = tasklist_lock();
	kerr_t err = send_proc_locked(p, sig, info);

	tasklist_unlock(flags);
	return err;
}

struct pgrp_signal {
	int sig;
	const struct siginfo *info;
};
static void send_to_member(struct proc *p, void *arg)
{
	const struct pgrp_signal *s = arg;
	kerr_t err = send_proc_locked(p, s->sig, s->info);

	(void)err; /* the terminal's signals are not real-time ones: they are never refused */
}

void signal_send_pgrp(pid_t pgrp, int sig, const struct siginfo *info)
{
	struct pgrp_signal s = { sig, info };
	unsigned long flags = tasklist_lock();

	pgrp_for_each(pgrp, send_to_member, &s);
	tasklist_unlock(flags);
}

void signal_force(struct task *t, int sig, const struct siginfo *info)
{
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	struct sigaction_k *a = &s->action[sig - 1];
	bool blocked = t->blocked & SIGMASK(sig);
	kerr_t err;

	if (blocked || a->handler == SIG_IGN) {
		a->handler = SIG_DFL;
		t->blocked &= ~SIGMASK(sig);
	}
	/* A trap that nobody handles ends even init. */
	if (a->handler == SIG_DFL && !t->ptracer)
		t->proc->flags &= ~(u32)PROC_SIGNAL_UNKILLABLE;
	err = signal_send_locked(t, sig, info, false);
	(void)err; /* traps are no real-time signals */
	signal_recalc(t);
	sighand_unlock(s, flags);
}

bool signal_may_send(const struct cred *from, struct task *to, int sig)
{
	const struct cred *c = to->cred;
	struct task *t = hal_current();

	if (from->euid == c->suid || from->euid == c->uid || from->uid == c->suid || from->uid == c->uid)
		return true;
	if (cred_capable(from, CAP_KILL))
		return true;
	return sig == SIGCONT && t->proc && to->proc && t->proc->session == to->proc->session;
}

/* ---------------------------------------------------------------- receiving */

/* Traps come before what others sent, so that the frame shows the right place. */
#define SYNCHRONOUS (SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGFPE) | SIGMASK(SIGSYS))

static int take(struct sigpending *p, sigset_t mask_out, struct siginfo *info)
{
	sigset_t set = p->set & ~mask_out;
	struct sigqueue *q, *found = NULL;
	bool more = false;
	int sig;

	if (!set)
		return 0;
	if (set & SYNCHRONOUS)
		set &= SYNCHRONOUS;
	sig = (u32)set ? __builtin_ctz((u32)set) + 1 : __builtin_ctz((u32)(set >> 32)) + 33;
	list_for_each(q, &p->queue, node)
		if (q->info.signo == sig) {
			if (found) {
				more = true;
				break;
			}
			found = q;
		}
	if (!more)
		p->set &= ~SIGMASK(sig);
	if (found) {
		*info = found->info;
		list_del(&found->node);
		sigqueue_free(found);
	} else {
		memset(info, 0, sizeof(*info));
		info->signo = sig;
		info->code = SI_USER;
	}
	return sig;
}

static int dequeue_locked(struct task *t, sigset_t mask_out, struct siginfo *info)
{
	int sig;

	if (!(mask_out & SIGMASK(SIGKILL)) && sig_is_fatal_pending(t)) {
		memset(info, 0, sizeof(*info));
		info->signo = SIGKILL;
		t->pending.set &= ~SIGMASK(SIGKILL);
		signal_recalc(t);
		return SIGKILL;
	}
	sig = take(&t->pending, mask_out, info);
	if (!sig)
		sig = take(&t->proc->shared_pending, mask_out, info);
	signal_recalc(t);
	return sig;
}

int signal_dequeue(sigset_t mask_out, struct siginfo *info)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	int sig = dequeue_locked(t, mask_out, info);

	sighand_unlock(s, flags);
	if (unlikely(sig && info->code == SI_TIMER && info->timer.cycle))
		posix_timer_taken(info);
	return sig;
}

sigset_t signal_pending_set(void)
{
	struct task *t = hal_current();

	return t->pending.set | t->proc->shared_pending.set;
}

void signal_set_blocked(sigset_t set)
{
	struct task *t = hal_current(), *o;
	unsigned long flags;
	struct sighand *s;
	sigset_t newly, shared;

	set &= ~SIG_KERNEL_ONLY;
	if (t->blocked == set)
		return;
	s = sighand_lock(t, &flags);
	newly = set & ~t->blocked;
	shared = t->proc->shared_pending.set & newly;
	t->blocked = set;
	signal_recalc(t);
	/* Signals of the group that this thread was to take: others that do not block them must look. */
	if (unlikely(shared) && t->proc->nthreads > 1)
		list_for_each(o, &t->proc->threads, thread_node)
			if (o != t && (shared & ~o->blocked) && !(o->flags & TASK_EXITING))
				signal_wake(o, false);
	sighand_unlock(s, flags);
}

void signal_set_temporary(sigset_t set)
{
	struct task *t = hal_current();

	t->saved_mask = t->blocked;
	t->flags |= TASK_RESTORE_SIGMASK;
	signal_set_blocked(set);
}

void signal_restore_temporary(void)
{
	struct task *t = hal_current();

	if (!(t->flags & TASK_RESTORE_SIGMASK))
		return;
	t->flags &= ~(u32)TASK_RESTORE_SIGMASK;
	signal_set_blocked(t->saved_mask);
}
