/* SPDX-License-Identifier: MIT */
/*
 * Waiting for children: wait4(2), waitid(2), waitpid(2). All of it happens under the tree lock, so two waiters never take the same child.
 * Children belong to the whole thread group; __WNOTHREAD is accepted and has nothing to restrict.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>

#include "proc_priv.h"

#define WNOHANG 1u
#define WUNTRACED 2u /* WSTOPPED */
#define WEXITED 4u
#define WCONTINUED 8u
#define WNOWAIT 0x01000000u
#define WNOTHREAD 0x20000000u
#define WALL 0x40000000u
#define WCLONE 0x80000000u
enum { P_ALL, P_PID, P_PGID, P_PIDFD };

static bool eligible(const struct wait_args *a, const struct proc *c)
{
	if (a->idtype == P_PID && c->pid != a->id)
		return false;
	if (a->idtype == P_PIDFD && c != a->proc)
		return false;
	if (a->idtype == P_PGID && c->pgrp != a->id)
		return false;
	return (a->options & WALL) || ((c->exit_signal != SIGCHLD) == !!(a->options & WCLONE));
}

static void report(struct wait_args *a, struct proc *c, int status, int code, int info_status)
{
	if (a->status)
		*a->status = status;
	if (a->usage) {
		rusage_of_proc(c, a->usage);
		rusage_add(a->usage, &c->children_dead);
	}
	if (a->info) {
		memset(a->info, 0, sizeof(*a->info));
		a->info->signo = SIGCHLD;
		a->info->code = code;
		a->info->chld.pid = c->pid;
		a->info->chld.uid = c->leader->cred->uid;
		a->info->chld.status = info_status;
	}
}

static void reap(struct wait_args *a, struct proc *c, struct list *dead)
{
	struct proc *me = hal_current()->proc;
	int status = c->leader->exit_code;

	report(a, c, status, !(status & 0x7f) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED, status & 0x7f ? status & 0x7f : status >> 8);
	if (a->options & WNOWAIT)
		return;
	rusage_add(&me->children_dead, &c->self_dead);
	rusage_add(&me->children_dead, &c->children_dead);
	proc_release(c, dead);
}

/* True if c has something to say, and it was said. */
static bool consider(struct wait_args *a, struct proc *c, struct list *dead)
{
	bool keep = a->options & WNOWAIT;

	if (c->is_zombie) {
		if (c->leader->ptracer && c->leader->ptracer->proc != hal_current()->proc)
			return false; /* its tracer comes first */
		if (!(a->options & WEXITED))
			return false;
		reap(a, c, dead);
		return true;
	}
	if ((a->options & WUNTRACED) && (c->flags & PROC_STOPPED) && c->stop_report &&
	    !(c->leader->ptracer && c->leader->ptracer->proc == hal_current()->proc)) {
		report(a, c, c->stop_report << 8 | 0x7f, CLD_STOPPED, c->stop_report);
		if (!keep)
			c->stop_report = 0;
		return true;
	}
	if ((a->options & WCONTINUED) && c->cont_report) {
		report(a, c, 0xffff, CLD_CONTINUED, SIGCONT);
		if (!keep)
			c->cont_report = 0;
		return true;
	}
	return false;
}

/* ---------------------------------------------------------------- traced tasks */

static bool tracee_meant(const struct wait_args *a, const struct task *t)
{
	switch (a->idtype) {
	case P_PID:
		return t->tid == a->id;
	case P_PGID:
		return t->proc->pgrp == a->id;
	case P_PIDFD:
		return t->proc == a->proc;
	default:
		return true;
	}
}

static void report_stop(struct wait_args *a, struct task *t)
{
	if (a->status)
		*a->status = t->ptrace_code << 8 | 0x7f;
	if (a->usage)
		rusage_of_task(t, a->usage);
	if (a->info) {
		memset(a->info, 0, sizeof(*a->info));
		a->info->signo = SIGCHLD;
		a->info->code = CLD_TRAPPED;
		a->info->chld.pid = t->tid;
		a->info->chld.uid = t->cred->uid;
		a->info->chld.status = t->ptrace_code;
	}
	if (!(a->options & WNOWAIT))
		t->ptrace_code = 0;
}

/* The end of a task that another's child is: the tracer sees it, then it is the parent's. */
static void report_end(struct wait_args *a, struct task *t, struct list *dead)
{
	struct proc *p = t->proc;
	int status = p->flags & PROC_GROUP_EXIT ? p->group_exit_code : t->exit_code;

	report(a, p, status, !(status & 0x7f) ? CLD_EXITED : status & 0x80 ? CLD_DUMPED : CLD_KILLED, status & 0x7f ? status & 0x7f : status >> 8);
	if (a->info)
		a->info->chld.pid = t->tid;
	if (a->options & WNOWAIT)
		return;
	ptrace_unlink(t);
	if (t->ptrace_zombie)
		thread_release(t, dead);
	else if (signal_notify_exit(p))
		proc_release(p, dead);
}

/* Of one thread of ours. *any: there is one that is meant. */
static pid_t look_at_traced(struct wait_args *a, struct task *tracer, struct list *dead, struct task **ended, bool *any)
{
	struct task *t;

	list_for_each(t, &tracer->ptraced, ptrace_node) {
		pid_t tid = t->tid;

		if (!tracee_meant(a, t))
			continue;
		*any = true;
		if ((t->state & TASK_TRACED) && t->ptrace_code) {
			report_stop(a, t);
			return tid;
		}
		if (!(a->options & WEXITED))
			continue;
		if (t->ptrace_zombie || (t->proc->is_zombie && t == t->proc->leader && t->proc->parent != hal_current()->proc)) {
			if (t->ptrace_zombie && !(a->options & WNOWAIT))
				*ended = t;
			report_end(a, t, dead);
			return tid;
		}
	}
	return 0;
}

static pid_t look_traced(struct wait_args *a, struct list *dead, struct task **ended, bool *any)
{
	struct task *m;
	pid_t pid = 0;

	list_for_each(m, &hal_current()->proc->threads, thread_node) {
		if (likely(list_empty(&m->ptraced)))
			continue;
		pid = look_at_traced(a, m, dead, ended, any);
		if (pid)
			break;
	}
	return pid;
}

/* The pid; 0: there are children, but nothing to report; -ECHILD. */
static long look(struct wait_args *a, struct list *dead)
{
	unsigned long flags = tasklist_lock();
	struct task *ended = NULL;
	struct proc *c, *next;
	long ret = -ECHILD;

	list_for_each_safe(c, next, &hal_current()->proc->children, sibling) {
		pid_t pid = c->pid;

		if (!eligible(a, c))
			continue;
		ret = 0;
		if (consider(a, c, dead)) {
			ret = pid;
			break;
		}
		if (a->idtype == P_PID)
			break;
	}
	if (ret <= 0) {
		bool any = false;
		pid_t pid = look_traced(a, dead, &ended, &any);

		ret = pid ? pid : any ? 0 : ret;
	}
	tasklist_unlock(flags);
	if (ended)
		task_put(ended);
	return ret;
}

long do_wait(struct wait_args *a)
{
	struct wait_queue *q = &hal_current()->proc->child_wait;
	struct wait_entry e;
	struct list dead;
	long ret;

	list_init(&dead);
	ret = look(a, &dead);
	if (!ret && !(a->options & WNOHANG)) {
		wait_entry_init(&e);
		for (;;) {
			wait_prepare(q, &e, TASK_INTERRUPTIBLE);
			ret = look(a, &dead);
			if (ret)
				break;
			if (task_signal_pending()) {
				ret = -ERESTARTSYS;
				break;
			}
			schedule();
		}
		wait_finish(q, &e);
	}
	proc_dispose(&dead);
	return ret;
}
