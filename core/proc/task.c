/* SPDX-License-Identifier: MIT */
/*
 * Tasks, processes and their numbers: allocation, lookup, end of life.
 *
 * struct pid stands for a number while a thread, a process, a process group or a session uses it, so a number is not given out again too early.
 * Numbers are handed out in turn up to PID_MAX, as pid_max of proc(5) says. One spinlock (tree_lock) protects numbers, tree and groups; interrupts
 * may send signals to groups, so it is taken irqsave.
 *
 * References: a task has one for the scheduler (put by sched_finish_switch after its last switch); a group's leader one more, held by proc->leader until
 * it is reaped. A proc has one for being in the tree, and one per task.
 */
#include <hal/context.h>
#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/seccomp.h>
#include <maestro/slab.h>

#include "proc_priv.h"

unsigned long tasklist_lock(void) NO_LOCK_ANALYSIS
{
	return spin_lock_irqsave(&kernel()->proc.tree_lock);
}

void tasklist_unlock(unsigned long flags) NO_LOCK_ANALYSIS
{
	spin_unlock_irqrestore(&kernel()->proc.tree_lock, flags);
}

struct list *proc_list_head(void)
{
	return &kernel()->proc.procs;
}

/* ---------------------------------------------------------------- numbers */

static struct hlist *pid_bucket(pid_t nr)
{
	return &kernel()->proc.pid_hash[hash_u32((u32)nr) >> (32 - PID_HASH_BITS)];
}

struct pid *pid_find(pid_t nr)
{
	struct pid *p;

	assert_held(&kernel()->proc.tree_lock);
	hlist_for_each(p, pid_bucket(nr), hash)
		if (p->nr == nr)
			return p;
	return NULL;
}

struct task *pid_task(pid_t nr)
{
	struct pid *p = pid_find(nr);

	return p ? p->task : NULL;
}

struct proc *pid_proc(pid_t nr)
{
	struct pid *p = pid_find(nr);

	return p ? p->proc : NULL;
}

kerr_t pid_alloc(struct pid **out, pid_t wanted)
{
	struct proc_state *s = &kernel()->proc;
	struct pid *p = kmem_cache_alloc(s->pid_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));
	unsigned long flags;
	size_t nr;

	if (!p)
		return KERR(ENOMEM);
	list_init(&p->pgrp_members);
	list_init(&p->session_members);
	flags = tasklist_lock();
	nr = (size_t)wanted;
	if (!wanted) {
		nr = bitmap_find_zero(s->pid_map, PID_MAX, (size_t)s->last_pid + 1);
		if (nr >= PID_MAX) /* the low numbers are the first daemons': a second round leaves them out, as Linux does */
			nr = bitmap_find_zero(s->pid_map, PID_MAX, 300);
	}
	if (nr >= PID_MAX || (nr == 1 ? pid_find(1) != NULL : bitmap_test(s->pid_map, nr))) {
		tasklist_unlock(flags);
		kmem_cache_free(s->pid_cache, p);
		return KERR(EAGAIN);
	}
	bitmap_set(s->pid_map, nr);
	p->nr = (pid_t)nr;
	if (!wanted)
		s->last_pid = p->nr;
	hlist_add(pid_bucket(p->nr), &p->hash);
	tasklist_unlock(flags);
	*out = p;
	return KERR(0);
}

void pid_drop_if_unused(struct pid *p)
{
	struct proc_state *s = &kernel()->proc;

	assert_held(&s->tree_lock);
	if (p->task || p->proc || !list_empty(&p->pgrp_members) || !list_empty(&p->session_members))
		return;
	hlist_del(&p->hash);
	if (p->nr != 1) /* for ever init's */
		bitmap_clear(s->pid_map, (size_t)p->nr);
	kmem_cache_free(s->pid_cache, p);
}

void pid_free_unused(struct pid *p)
{
	unsigned long flags = tasklist_lock();

	pid_drop_if_unused(p);
	tasklist_unlock(flags);
}

struct proc *proc_find(pid_t pid)
{
	unsigned long flags = tasklist_lock();
	struct proc *p = pid_proc(pid);

	if (p)
		proc_get(p);
	tasklist_unlock(flags);
	return p;
}

struct task *task_find(pid_t tid)
{
	unsigned long flags = tasklist_lock();
	struct task *t = pid_task(tid);

	if (t)
		task_get(t);
	tasklist_unlock(flags);
	return t;
}

/* ---------------------------------------------------------------- tasks */

kerr_t task_alloc(struct task **out, const char *name)
{
	struct task *t = kmem_cache_alloc(kernel()->proc.task_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));

	if (!t)
		return KERR(ENOMEM);
	atomic_set(&t->refs, 1);
	t->state = TASK_NEW;
	t->syscall_nr = -1;
	t->cred = cred_get(current_cred());
	t->start_time = t->acct_last = hal_time_ns();
	t->timer_slack = 50000;
	strlcpy(t->comm, name, sizeof(t->comm));
	sigpending_init(&t->pending);
	t->altstack.flags = 2; /* SS_DISABLE */
	list_init(&t->thread_node);
	list_init(&t->pi_owned);
	list_init(&t->ptrace_node);
	list_init(&t->ptraced);
	*out = t;
	return KERR(0);
}

/* The last reference went: nobody can find t, and no CPU is on its stack. */
static void task_free(struct task *t)
{
	ASSERT(t != hal_current());
	hal_context_fini(t);
	sigpending_flush(&t->pending);
	seccomp_release(t);
	if (t->sighand)
		sighand_put(t->sighand);
	cred_put(t->cred);
	if (t->proc)
		proc_put(t->proc);
	kmem_cache_free(kernel()->proc.task_cache, t);
}

void task_put(struct task *t)
{
	if (atomic_dec_and_test(&t->refs))
		task_free(t);
}

/* ---------------------------------------------------------------- processes */

/* setitimer(2), ITIMER_REAL. Interrupt context. */
void itimer_real_fire(struct timer *t)
{
	struct proc *p = container_of(t, struct proc, real_timer);
	kerr_t err;

	err = signal_send_proc(p, SIGALRM, SIGINFO_KERNEL);
	(void)err; /* SIGALRM is no real-time signal: it is at least marked pending */
	if (p->real_interval) {
		ktime_t now = hal_time_ns();
		ktime_t next = t->deadline + p->real_interval;

		if (next <= now)
			next = now + p->real_interval;
		timer_start(t, next);
	}
}

kerr_t proc_alloc(struct proc **out)
{
	struct proc *p = kmem_cache_alloc(kernel()->proc.proc_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));

	if (!p)
		return KERR(ENOMEM);
	atomic_set(&p->refs, 1);
	p->start_time = hal_time_ns();
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->threads);
	list_init(&p->all_node);
	list_init(&p->pgrp_node);
	list_init(&p->session_node);
	list_init(&p->posix_timers);
	sigpending_init(&p->shared_pending);
	wait_queue_init(&p->child_wait);
	wait_queue_init(&p->exit_wait);
	mutex_init(&p->exec_mutex, RANK_EXEC, "exec");
	mutex_init(&p->ptrace_mutex, RANK_PTRACE, "ptrace");
	timer_init(&p->real_timer, itimer_real_fire);
	p->login_uid = p->login_session = U32_MAX;
	*out = p;
	return KERR(0);
}

void proc_put(struct proc *p)
{
	if (!atomic_dec_and_test(&p->refs))
		return;
	DEBUG_ASSERT(!p->tty);
	sigpending_flush(&p->shared_pending);
	kmem_cache_free(kernel()->proc.proc_cache, p);
}

void proc_set_pgrp(struct proc *p, struct pid *pgrp)
{
	struct pid *old = p->pgrp_pid;

	assert_held(&kernel()->proc.tree_lock);
	list_del(&p->pgrp_node);
	p->pgrp_pid = pgrp;
	p->pgrp = pgrp ? pgrp->nr : 0;
	if (pgrp)
		list_add_tail(&pgrp->pgrp_members, &p->pgrp_node);
	if (old && old != pgrp)
		pid_drop_if_unused(old);
}

void proc_set_session(struct proc *p, struct pid *session)
{
	struct pid *old = p->session_pid;

	assert_held(&kernel()->proc.tree_lock);
	list_del(&p->session_node);
	p->session_pid = session;
	p->session = session ? session->nr : 0;
	if (session)
		list_add_tail(&session->session_members, &p->session_node);
	if (old && old != session)
		pid_drop_if_unused(old);
}

kerr_t proc_init(void)
{
	struct proc_state *s = &kernel()->proc;
	static const struct {
		const char *name;
		size_t size, offset;
	} caches[] = {
		{ "task", sizeof(struct task), offsetof(struct proc_state, task_cache) },
		{ "proc", sizeof(struct proc), offsetof(struct proc_state, proc_cache) },
		{ "pid", sizeof(struct pid), offsetof(struct proc_state, pid_cache) },
		{ "sighand", sizeof(struct sighand), offsetof(struct proc_state, sighand_cache) },
		{ "cred", sizeof(struct cred), offsetof(struct proc_state, cred_cache) },
		{ "sigqueue", sizeof(struct sigqueue), offsetof(struct proc_state, sigqueue_cache) },
	};

	spin_init(&s->tree_lock, RANK_TASKLIST, "tasklist");
	spin_init(&s->user_lock, RANK_LEAF, "users");
	spin_init(&s->uts_lock, RANK_LEAF, "uts");
	mutex_init(&s->acct_mutex, RANK_ACCT, "acct");
	memcpy(s->acct_limits, (u32[3]){4, 2, 30}, sizeof(s->acct_limits)); /* proc(5) */
	list_init(&s->procs);
	list_init(&s->users);
	strlcpy(s->nodename, "maestro", sizeof(s->nodename));
	strlcpy(s->domainname, "(none)", sizeof(s->domainname));
	strlcpy(s->core_pattern, "core", sizeof(s->core_pattern));
	bitmap_set(s->pid_map, 0);
	bitmap_set(s->pid_map, 1); /* init's, given by name */
	s->last_pid = 1;
	for (unsigned i = 0; i < ARRAY_SIZE(caches); i++) {
		struct kmem_cache **c = (struct kmem_cache **)(void *)((u8 *)s + caches[i].offset);
		kerr_t err = kmem_cache_create(c, caches[i].name, caches[i].size, 16);

		if (err)
			return err;
	}
	return cred_kernel(&s->root_cred);
}
