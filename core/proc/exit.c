/* SPDX-License-Identifier: MIT */
/*
 * The end of threads and processes (_exit(2), exit_group(2), wait(2) "NOTES").
 *
 *   do_exit: gives back memory, files, names -> the tree: children go to a reaper, the parent hears -> TASK_DEAD, schedule() for the last time
 *
 * A leader that ends before its group's other threads stays as a zombie thread; the process becomes a zombie with its last thread.
 * Locks: the tree lock over sighand.lock; what must sleep comes before.
 */
#include <maestro/futex.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>
#include <maestro/posix_timer.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>
#include <maestro/slab.h>
#include <maestro/sysv.h>
#include <maestro/tty.h>
#include <maestro/vfs.h>

#include "proc_priv.h"

void vfork_complete(struct task *t)
{
	struct vfork_done *v = t->vfork_done;

	if (!v)
		return;
	t->vfork_done = NULL;
	store_release(&v->done, true);
	wake_up_all(&v->wait);
	if (atomic_dec_and_test(&v->refs))
		kfree(v);
}

void task_drop_mm(struct task *t)
{
	struct mm *mm = t->mm;

	DEBUG_ASSERT(t == hal_current());
	if (mm) {
		if (mm->host) { /* no tables of its own: nothing stays loaded */
			t->mm = NULL;
		} else {
			/* The CPU may go on with these tables until it switches: the scheduler drops this reference with active_mm. */
			preempt_disable();
			mm_ref(mm);
			t->active_mm = mm;
			t->mm = NULL;
			preempt_enable();
		}
	}
	vfork_complete(t);
	if (mm)
		mm_put_user(mm);
}

/* From here on nobody picks t for a signal; those it was to take go to its siblings. */
static void stop_taking_signals(struct task *t)
{
	struct proc *p = t->proc;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	bool stopped;
	struct task *o;

	t->flags |= TASK_EXITING;
	p->used_privilege |= t->flags & TASK_USED_SUPERPRIV;
	stopped = signal_exit_leaves_stop(t);
	if (!(p->flags & PROC_GROUP_EXIT) && (p->shared_pending.set & ~t->blocked))
		list_for_each(o, &p->threads, thread_node)
			if (!(o->flags & TASK_EXITING) && (p->shared_pending.set & ~o->blocked))
				signal_wake(o, false);
	sighand_unlock(s, flags);
	if (stopped)
		proc_notify_parent_stop(p, CLD_STOPPED);
}

static void init_died(struct task *t, int code)
{
	klog(LOG_EMERG, "init (%s) ended, status %#x: nothing is left to run", t->comm, (unsigned)code);
	kernel_shutdown(boot_params()->panic_timeout ? SHUTDOWN_RESTART : SHUTDOWN_HALT);
}

/* What goes with the last thread. */
static void leave_group(struct proc *p)
{
	struct tty *tty;
	unsigned long flags;

	timer_cancel_sync(&p->real_timer);
	posix_timers_drop(p);
	if (p->session_leader)
		tty_session_exit(p);
	flags = tasklist_lock();
	tty = p->tty;
	p->tty = NULL;
	tasklist_unlock(flags);
	if (tty)
		tty_put(tty);
}

/* ---------------------------------------------------------------- the tree */

static struct proc *find_reaper(struct proc *p)
{
	struct proc *init = kernel()->proc.init;

	for (struct proc *a = p->parent; a && a != init; a = a->parent)
		if (a->is_subreaper && atomic_read(&a->live) > 0)
			return a;
	return init == p ? NULL : init;
}

static void reparent_children(struct proc *p, struct list *dead)
{
	struct proc *reaper, *c, *next;
	struct task *t;

	if (list_empty(&p->children))
		return;
	reaper = find_reaper(p);
	list_for_each_safe(c, next, &p->children, sibling) {
		list_del(&c->sibling);
		proc_set_parent(c, reaper);
		c->exit_signal = SIGCHLD;
		if (reaper)
			list_add_tail(&reaper->children, &c->sibling);
		list_for_each(t, &c->threads, thread_node)
			if (t->pdeath_signal && !(t->flags & TASK_EXITING)) {
				kerr_t err = signal_send_task(t, t->pdeath_signal, SIGINFO_KERNEL);

				(void)err; /* best effort, as prctl(2) allows */
			}
		if (c->is_zombie && signal_notify_exit(c))
			proc_release(c, dead);
		pgrp_hangup_if_orphaned(c, p, p);
	}
}

void proc_release(struct proc *p, struct list *dead)
{
	struct proc_state *s = &kernel()->proc;
	struct task *leader = p->leader;
	struct pid *pid = leader->pid;

	assert_held(&s->tree_lock);
	ASSERT(p->is_zombie && !p->reaped);
	p->reaped = true;
	if (leader->ptracer)
		ptrace_unlink(leader);
	p->leader = NULL;
	leader->pid = NULL;
	list_del(&p->sibling);
	list_del(&p->all_node);
	s->nr_procs--;
	/* While pid->proc is set, leaving its own group and session does not free the number. */
	proc_set_pgrp(p, NULL);
	proc_set_session(p, NULL);
	pid->task = NULL;
	pid->proc = NULL;
	pid_drop_if_unused(pid);
	list_add_tail(dead, &p->sibling);
}

void proc_dispose(struct list *dead)
{
	struct proc *p, *next;

	list_for_each_safe(p, next, dead, sibling) {
		struct task *leader = list_first(&p->threads, struct task, thread_node);

		list_del(&p->sibling);
		list_del(&leader->thread_node);
		task_put(leader);
		proc_put(p);
	}
}

/* t is off its group's live threads. Returns true if it was the last. Tree lock held. */
static bool leave_tree_locked(struct task *t)
{
	struct proc *p = t->proc;
	struct rusage_k usage;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	rusage_of_task(t, &usage);
	rusage_add(&p->self_dead, &usage);
	t->utime = t->stime = t->min_flt = t->maj_flt = 0;
	store_relaxed(&p->nthreads, p->nthreads - 1); /* leave_tree() looks without the lock */
	kernel()->proc.nr_threads--;
	if (t != p->leader)
		list_del(&t->thread_node);
	sighand_unlock(s, flags);
	atomic_dec(&t->cred->user->processes);
	if (t != p->leader) {
		struct pid *pid = t->pid;

		t->pid = NULL;
		pid->task = NULL;
		pid_drop_if_unused(pid);
	}
	if (p->group_exec_task && p->nthreads == 1)
		task_wake(p->group_exec_task, TASK_KILLABLE);
	return p->nthreads == 0;
}

void thread_release(struct task *t, struct list *dead)
{
	struct proc *p = t->proc;

	assert_held(&kernel()->proc.tree_lock);
	if (!leave_tree_locked(t))
		return;
	reparent_children(p, dead);
	pgrp_hangup_if_orphaned(p, p->parent, p);
	if (p->flags & PROC_GROUP_EXIT)
		p->leader->exit_code = p->group_exit_code;
	store_release(&p->is_zombie, true);
	wake_up_n(&p->exit_wait, 0, EPOLLIN | EPOLLRDNORM);
	if (ptrace_by_other(p->leader, p->parent))
		ptrace_tell_exit(p->leader); /* its parent hears when the tracer is done with it */
	else if (signal_notify_exit(p))
		proc_release(p, dead);
}

static void leave_tree(struct task *t) NO_LOCK_ANALYSIS
{
	struct proc *p = t->proc;
	bool others = load_relaxed(&p->nthreads) > 1;
	struct list dead;
	unsigned long flags;

	list_init(&dead);
	if (others) /* one of them may be at what t traces */
		mutex_lock(&p->ptrace_mutex);
	flags = tasklist_lock();
	ptrace_exit_tracer(t, &dead);
	if (t->ptracer && t != p->leader) {
		task_get(t)->ptrace_zombie = true; /* thread_release() when its tracer has taken note */
		ptrace_tell_exit(t);
	} else {
		thread_release(t, &dead);
	}
	tasklist_unlock(flags);
	if (others)
		mutex_unlock(&p->ptrace_mutex);
	proc_dispose(&dead);
}

/* Others (procfs) take their references under the tree lock, so the pointers are cleared there. */
static void drop_files(struct task *t)
{
	struct files *files = t->files;
	unsigned long flags = tasklist_lock();

	t->files = NULL;
	tasklist_unlock(flags);
	if (files)
		files_put(files);
}

static void drop_names(struct task *t)
{
	struct fs_ctx *fs = t->fs;
	unsigned long flags = tasklist_lock();

	t->fs = NULL;
	tasklist_unlock(flags);
	if (fs)
		fs_ctx_put(fs);
}

/* Everything but the last switch. */
static void give_all_back(struct task *t, int code)
{
	struct proc *p = t->proc;
	bool last;

	ASSERT(p && !(t->flags & TASK_EXITING));
	stop_taking_signals(t);
	t->exit_code = code;
	last = atomic_dec_and_test(&p->live);
	if (last && p == kernel()->proc.init)
		init_died(t, p->flags & PROC_GROUP_EXIT ? p->group_exit_code : code);
	if (t->mm && !t->mm->host) {
		u64 rss = (u64)(t->mm->rss_anon + t->mm->rss_file + t->mm->rss_shmem);

		rss = MAX(rss, t->mm->hiwater_rss) << (PAGE_SHIFT - 10);
		p->self_dead.maxrss = MAX(p->self_dead.maxrss, rss);
	}
	if (last)
		acct_process();
	futex_exit_robust(t);
	task_drop_mm(t);
	sem_exit(t);
	shm_exit(t);
	drop_files(t);
	if (last)
		leave_group(p);
	drop_names(t);
	leave_tree(t);
}

void do_exit(int code)
{
	struct task *t = hal_current();

	if (t->flags & TASK_HOSTED_CALLER)
		panic("a host thread cannot exit here: proc_detach_caller() is its way out");
	if (t->proc->nthreads > 1)
		core_wait();
	if (t->ptracer)
		ptrace_event(PTRACE_EVENT_EXIT, (unsigned long)code);
	give_all_back(t, code);
	task_set_state(TASK_DEAD);
	schedule();
	panic("a dead task runs");
}

void proc_detach_caller(struct task *t)
{
	ASSERT(t == hal_current() && (t->flags & TASK_HOSTED_CALLER));
	give_all_back(t, 0);
}

void do_group_exit(int code)
{
	struct task *t = hal_current();
	struct proc *p = t->proc;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	if (p->flags & PROC_GROUP_EXIT) {
		code = p->group_exit_code;
	} else if (p->group_exec_task) {
		code = 0; /* only this thread makes room for the exec */
	} else {
		p->flags = (p->flags & PROC_SIGNAL_UNKILLABLE) | PROC_GROUP_EXIT;
		p->group_exit_code = code;
		if (p->nthreads > 1)
			signal_kill_others(t, false);
	}
	sighand_unlock(s, flags);
	do_exit(code);
}
