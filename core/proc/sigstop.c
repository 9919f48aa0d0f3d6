/* SPDX-License-Identifier: MIT */
/*
 * Job control: stopping and continuing a thread group, and what its parent hears of it (signal(7), wait(2), "WUNTRACED", "WCONTINUED").
 *
 * A stop signal marks all threads JOBCTL_STOP_PENDING; each stops where it would go back to user mode, and the last one to do so makes the group
 * PROC_STOPPED and tells the parent. SIGCONT takes it all back when it is sent, not when it is delivered; the first thread that runs tells the parent.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>

#include "proc_priv.h"

void signal_continue_locked(struct proc *p)
{
	struct task *t;
	u32 tell = 0;

	if (p->flags & PROC_STOPPED)
		tell = PROC_TELL_CONTINUED;
	else if (p->stop_count)
		tell = PROC_TELL_STOPPED;
	if (tell) {
		p->flags = (p->flags & PROC_SIGNAL_UNKILLABLE) | PROC_CONTINUED | tell;
		p->stop_count = 0;
		p->stop_report = 0;
		p->cont_report = 1;
	}
	sigpending_discard(&p->shared_pending, SIG_STOP_MASK);
	list_for_each(t, &p->threads, thread_node) {
		sigpending_discard(&t->pending, SIG_STOP_MASK);
		t->jobctl &= ~(u32)(JOBCTL_STOP_PENDING | JOBCTL_STOP_COUNTED);
		if (tell && !(t->flags & TASK_EXITING))
			(void)atomic_or(&t->work, WORK_SIGNAL);
		task_wake(t, TASK_STOPPED);
		if (unlikely(t->ptracer))
			ptrace_continued(t);
	}
}

int signal_group_stop(const struct proc *p)
{
	return (p->flags & PROC_STOPPED) || p->stop_count ? p->stop_sig : 0;
}

/* p is stopped: does its parent hear of that, or, as its tracer, of each thread? */
static bool parent_hears(struct proc *p)
{
	unsigned long flags = tasklist_lock();
	bool hears = !p->leader || !p->leader->ptracer || ptrace_by_other(p->leader, p->parent);

	tasklist_unlock(flags);
	return hears;
}

static void begin_stop(struct task *t, int sig)
{
	struct proc *p = t->proc;
	struct task *o;

	if (!(p->flags & PROC_STOPPED))
		p->stop_sig = sig;
	p->stop_count = 0;
	list_for_each(o, &p->threads, thread_node) {
		if ((o->flags & TASK_EXITING) || (o->state & TASK_STOPPED))
			continue;
		o->jobctl |= JOBCTL_STOP_PENDING | JOBCTL_STOP_COUNTED;
		p->stop_count++;
		if (o != t)
			signal_wake(o, false);
	}
}

/* t will not run user code now: true if it was the last of its group to stop. */
static bool leave_count(struct task *t)
{
	struct proc *p = t->proc;
	bool counted = t->jobctl & JOBCTL_STOP_COUNTED;

	t->jobctl &= ~(u32)(JOBCTL_STOP_PENDING | JOBCTL_STOP_COUNTED);
	if (!counted || !p->stop_count || --p->stop_count || (p->flags & PROC_STOPPED))
		return false;
	p->flags = (p->flags & PROC_SIGNAL_UNKILLABLE) | PROC_STOPPED;
	p->cont_report = 0;
	p->stop_report = p->stop_sig;
	return true;
}

/* Stops with the group: begins a stop with `sig`, or joins one. False if the group is dying instead. Returns when it is continued. */
bool signal_stop_current(int sig)
{
	struct task *t = hal_current();
	struct proc *p = t->proc;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	bool last, traced;

	if ((p->flags & PROC_GROUP_EXIT) || p->group_exec_task || sig_is_fatal_pending(t)) {
		t->jobctl &= ~(u32)(JOBCTL_STOP_PENDING | JOBCTL_STOP_COUNTED);
		sighand_unlock(s, flags);
		return false;
	}
	if (!(t->jobctl & JOBCTL_STOP_PENDING)) {
		if (!sig) { /* SIGCONT came in between */
			sighand_unlock(s, flags);
			return true;
		}
		begin_stop(t, sig);
	}
	last = leave_count(t);
	traced = t->ptracer;
	if (traced) { /* signal_deliver() goes on with ptrace_trap_stop() */
		t->jobctl |= JOBCTL_TRAP_STOP;
		(void)atomic_or(&t->work, WORK_SIGNAL);
	} else {
		task_set_state(TASK_STOPPED);
	}
	sighand_unlock(s, flags);
	if (last && (!traced || parent_hears(p)))
		proc_notify_parent_stop(p, CLD_STOPPED);
	if (traced)
		return true;
	schedule();
	flags = spin_lock_irqsave(&s->lock);
	signal_recalc(t);
	spin_unlock_irqrestore(&s->lock, flags);
	return true;
}

/* An exiting thread no longer counts. sighand.lock held; true if that completed a stop of the others. */
bool signal_exit_leaves_stop(struct task *t)
{
	return leave_count(t) && atomic_read(&t->proc->live) > 0;
}

static void child_info(struct siginfo *info, struct proc *p, int code, int status)
{
	struct rusage_k usage;

	memset(info, 0, sizeof(*info));
	rusage_of_proc(p, &usage);
	info->signo = SIGCHLD;
	info->code = code;
	info->chld.pid = p->pid;
	info->chld.uid = p->leader->cred->uid;
	info->chld.status = status;
	info->chld.utime = div_u64(usage.utime, 10000000);
	info->chld.stime = div_u64(usage.stime, 10000000);
}

void proc_notify_parent_stop(struct proc *p, int why)
{
	unsigned long flags = tasklist_lock(), sflags;
	struct proc *parent = p->parent;
	struct sigaction_k *a;
	struct siginfo info;
	struct sighand *s;

	if (!parent || !parent->leader || !p->leader) {
		tasklist_unlock(flags);
		return;
	}
	child_info(&info, p, why, why == CLD_CONTINUED ? SIGCONT : p->stop_sig & 0x7f);
	s = sighand_lock(parent->leader, &sflags);
	a = &s->action[SIGCHLD - 1];
	if (a->handler != SIG_IGN && !(a->flags & SA_NOCLDSTOP)) {
		kerr_t err = signal_send_locked(parent->leader, SIGCHLD, &info, true);

		(void)err; /* no real-time signal */
	}
	sighand_unlock(s, sflags);
	wake_up_all(&parent->child_wait);
	tasklist_unlock(flags);
}

/* Says what signal_continue_locked() left to be said. No lock held. */
void signal_tell_parent(struct proc *p)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	u32 tell = p->flags & (PROC_TELL_STOPPED | PROC_TELL_CONTINUED);

	p->flags &= ~(u32)(PROC_TELL_STOPPED | PROC_TELL_CONTINUED);
	signal_recalc(t);
	sighand_unlock(s, flags);
	if (tell)
		proc_notify_parent_stop(p, tell & PROC_TELL_CONTINUED ? CLD_CONTINUED : CLD_STOPPED);
}

bool signal_notify_exit(struct proc *p)
{
	struct proc *parent = p->parent;
	bool reap = false, send = p->exit_signal != 0;
	int status = p->leader->exit_code;
	struct sigaction_k *a;
	struct siginfo info;
	unsigned long flags;
	struct sighand *s;

	if (!parent || !parent->leader)
		return true;
	child_info(&info, p, CLD_EXITED, status >> 8);
	if (status & 0x7f) {
		info.code = status & 0x80 ? CLD_DUMPED : CLD_KILLED;
		info.chld.status = status & 0x7f;
	}
	s = sighand_lock(parent->leader, &flags);
	a = &s->action[SIGCHLD - 1];
	if (p->exit_signal == SIGCHLD && (a->handler == SIG_IGN || (a->flags & SA_NOCLDWAIT))) {
		/* The parent will never wait; with SA_NOCLDWAIT it still hears (sigaction(2)). */
		reap = true;
		if (a->handler == SIG_IGN)
			send = false;
	}
	if (send) {
		kerr_t err = signal_send_locked(parent->leader, p->exit_signal, &info, true);

		(void)err; /* lost only for want of memory; wait4() still finds the child */
	}
	sighand_unlock(s, flags);
	wake_up_all(&parent->child_wait);
	return reap;
}
