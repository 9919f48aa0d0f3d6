/* SPDX-License-Identifier: MIT */
/*
 * New tasks: clone(2), the first process, and the host's threads that enter the kernel.
 *
 *   task_alloc -> share or copy what the flags say -> hal_context_fork, abi_clone_regs -> into the tree (cannot fail any more) -> sched_wake_new
 *
 * No namespaces: their flags are refused with EINVAL, as by a Linux built without them.
 */
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>
#include <maestro/seccomp.h>
#include <maestro/slab.h>
#include <maestro/sysv.h>
#include <maestro/tty.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "proc_priv.h"

#define CLONE_REFUSED (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

static kerr_t check_flags(const struct clone_args *a)
{
	u64 f = a->flags;

	if (f & CLONE_REFUSED)
		return KERR(EINVAL);
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return KERR(EINVAL);
	if ((f & CLONE_SIGHAND) && !(f & CLONE_VM))
		return KERR(EINVAL);
	if ((f & CLONE_CLEAR_SIGHAND) && (f & CLONE_SIGHAND))
		return KERR(EINVAL);
	if ((f & CLONE_PIDFD) && (f & (CLONE_DETACHED | CLONE_THREAD)))
		return KERR(EINVAL);
	if ((f & CLONE_PIDFD) && (f & CLONE_PARENT_SETTID) && a->pidfd_ptr == a->parent_tid_ptr)
		return KERR(EINVAL);
	if ((f & CLONE_PARENT) && hal_current()->proc == kernel()->proc.init)
		return KERR(EINVAL);
	return KERR(0);
}

static kerr_t check_limits(void)
{
	const struct cred *c = current_cred();

	if (kernel()->proc.nr_threads >= PID_MAX - 500)
		return KERR(EAGAIN);
	if ((u64)(unsigned)atomic_read(&c->user->processes) >= rlimit_get(RLIMIT_NPROC) && c->uid != 0 && !capable(CAP_SYS_RESOURCE) &&
	    !capable(CAP_SYS_ADMIN))
		return KERR(EAGAIN);
	return KERR(0);
}

/* A signal that came first is handled first: the call starts again after it. */
static bool signal_first(struct task *me)
{
	unsigned long flags;
	struct sighand *s;

	if (likely(!(atomic_read(&me->work) & WORK_SIGNAL)))
		return false;
	s = sighand_lock(me, &flags);
	signal_recalc(me);
	sighand_unlock(s, flags);
	return atomic_read(&me->work) & WORK_SIGNAL;
}

static kerr_t copy_sighand(struct task *t, struct task *me, u64 f)
{
	struct sighand *s = me->sighand;

	if (f & CLONE_SIGHAND) {
		sighand_get(s);
		t->sighand = s;
		return KERR(0);
	}
	t->sighand = kmem_cache_alloc(kernel()->proc.sighand_cache, GFP_KERNEL);
	if (!t->sighand)
		return KERR(ENOMEM);
	atomic_set(&t->sighand->refs, 1);
	spin_init(&t->sighand->lock, RANK_SIGHAND, "sighand");
	t->sighand->signalfd_wait = NULL;
	t->sighand->replaced = NULL;
	/* Only this group's threads change them, each entry under the lock; a torn read would need a racing sigaction(2) of a sibling. */
	if (me->proc->nthreads > 1) {
		unsigned long flags;

		s = sighand_lock(me, &flags);
		memcpy(t->sighand->action, s->action, sizeof(s->action));
		sighand_unlock(s, flags);
	} else {
		memcpy(t->sighand->action, s->action, sizeof(s->action));
	}
	if (f & CLONE_CLEAR_SIGHAND)
		signal_flush_handlers(t);
	return KERR(0);
}

static kerr_t copy_files(struct task *t, struct task *me, u64 f)
{
	if (f & CLONE_FILES) {
		atomic_inc(&me->files->refs);
		t->files = me->files;
		return KERR(0);
	}
	return files_dup(me->files, &t->files);
}

static kerr_t copy_fs(struct task *t, struct task *me, u64 f)
{
	if (f & CLONE_FS) {
		atomic_inc(&me->fs->refs);
		t->fs = me->fs;
		return KERR(0);
	}
	return fs_ctx_dup(me->fs, &t->fs);
}

static kerr_t copy_mm(struct task *t, struct task *me, u64 f)
{
	if (f & CLONE_VM) {
		mm_get(me->mm);
		t->mm = me->mm;
		return KERR(0);
	}
	return mm_fork(&t->mm, me->mm);
}

static kerr_t copy_proc(struct task *t, struct task *me, const struct clone_args *a)
{
	struct proc *p, *mine = me->proc;
	kerr_t err;

	if (a->flags & CLONE_THREAD) {
		t->proc = proc_get(mine);
		return KERR(0);
	}
	err = proc_alloc(&p);
	if (err)
		return err;
	t->proc = proc_get(p);
	memcpy(p->rlim, mine->rlim, sizeof(p->rlim));
	p->exit_signal = a->exit_signal;
	if (a->flags & CLONE_PARENT)
		p->exit_signal = mine->exit_signal;
	p->personality = mine->personality;
	p->login_uid = mine->login_uid;
	p->login_session = mine->login_session;
	p->oom_score_adj = mine->oom_score_adj;
	return KERR(0);
}

static void inherit(struct task *t, struct task *me, u64 f)
{
	t->flags = TASK_NO_EXEC | (me->flags & TASK_TRACE_SYSCALLS);
	t->blocked = me->blocked;
	t->tls = me->tls;
	t->ioprio = me->ioprio;
	t->timer_slack = me->timer_slack;
	if (!(f & CLONE_VM)) { /* at the same place in its copy of memory */
		t->rseq_ptr = me->rseq_ptr;
		t->rseq_sig = me->rseq_sig;
		t->rseq_event = me->rseq_event;
		if (t->rseq_ptr)
			(void)atomic_or(&t->work, WORK_NOTIFY);
	}
	/* A thread of its own stack cannot share an alternate one. */
	if ((f & (CLONE_VM | CLONE_VFORK)) != CLONE_VM)
		t->altstack = me->altstack;
}

/* Undoes what copy_task() had done; t was never in the tree. */
static void drop_task(struct task *t)
{
	struct proc *p = t->proc;
	bool own_proc = p && !p->leader; /* never got into the tree */

	sem_exit(t);
	if (t->mm)
		mm_put_user(t->mm);
	if (t->fs)
		fs_ctx_put(t->fs);
	if (t->files)
		files_put(t->files);
	t->mm = NULL;
	t->state = TASK_DEAD;
	kfree(t->vfork_done);
	task_put(t);
	if (own_proc)
		proc_put(p);
}

static kerr_t copy_task(struct task **out, const struct clone_args *a)
{
	struct task *me = hal_current(), *t;
	kerr_t err = task_alloc(&t, me->comm);

	if (err)
		return err;
	inherit(t, me, a->flags);
	err = copy_proc(t, me, a);
	if (!err)
		err = copy_sighand(t, me, a->flags);
	if (!err)
		err = copy_files(t, me, a->flags);
	if (!err)
		err = copy_fs(t, me, a->flags);
	if (!err)
		err = copy_mm(t, me, a->flags);
	if (!err && (a->flags & CLONE_SYSVSEM))
		err = sem_undo_share(t, me);
	if (!err)
		err = hal_context_fork(t, me);
	if (!err)
		err = abi_clone_regs(t, a);
	if (err) {
		drop_task(t);
		return err;
	}
	*out = t;
	return KERR(0);
}

static kerr_t choose_pid(const struct clone_args *a, struct pid **out)
{
	pid_t wanted = 0;

	if (a->set_tid_size) {
		if (a->set_tid_size > 1)
			return KERR(EINVAL);
		if (copy_in(&wanted, (const pid_t __user *)(uaddr_t)a->set_tid_ptr))
			return KERR(EFAULT);
		if (wanted < 1 || wanted >= PID_MAX)
			return KERR(EINVAL);
		if (!capable(CAP_SYS_ADMIN) && !capable(CAP_CHECKPOINT_RESTORE))
			return KERR(EPERM);
	}
	if (wanted) {
		kerr_t err = pid_alloc(out, wanted);

		return err == KERR(EAGAIN) ? KERR(EEXIST) : err;
	}
	return pid_alloc(out, 0);
}

/* Puts a new process into the tree. Tree lock and sighand.lock held. */
static void link_proc(struct proc *p, struct task *leader, struct proc *parent, struct pid *pid)
{
	struct proc_state *s = &kernel()->proc;

	p->pid = pid->nr;
	p->leader = task_get(leader);
	pid->proc = p;
	proc_set_parent(p, parent);
	if (parent)
		list_add_tail(&parent->children, &p->sibling);
	list_add_tail(&s->procs, &p->all_node);
	s->nr_procs++;
}

/* A thread of its process. Tree lock and sighand.lock held. */
static void link_thread(struct task *t, struct pid *pid)
{
	struct proc *p = t->proc;

	t->tid = pid->nr;
	t->pid = pid;
	pid->task = t;
	list_add_tail(&p->threads, &t->thread_node);
	p->nthreads++;
	atomic_inc(&p->live);
	atomic_inc(&t->cred->user->processes);
	kernel()->proc.nr_threads++;
	kernel()->proc.forks++;
}

/* The step that cannot be undone. KERR(ERESTARTNOINTR): the group is being killed, stopped, or replaced. */
static kerr_t join_tree(struct task *t, struct task *me, struct pid *pid, u64 f, bool trace)
{
	struct proc *p = t->proc, *mine = me->proc;
	unsigned long flags = tasklist_lock(), sflags;
	struct sighand *s = sighand_lock(me, &sflags);

	if (atomic_read(&me->work) & WORK_SIGNAL) {
		sighand_unlock(s, sflags);
		tasklist_unlock(flags);
		return KERR(ERESTARTNOINTR);
	}
	seccomp_inherit(t, me);
	link_thread(t, pid);
	if (!(f & CLONE_THREAD)) {
		link_proc(p, t, f & CLONE_PARENT ? mine->parent : mine, pid);
		if (mine->pgrp_pid)
			proc_set_pgrp(p, mine->pgrp_pid);
		if (mine->session_pid)
			proc_set_session(p, mine->session_pid);
		if (mine->tty)
			p->tty = tty_get(mine->tty);
	}
	if (unlikely(trace) && me->ptracer)
		ptrace_inherit(t, me);
	sighand_unlock(s, sflags);
	tasklist_unlock(flags);
	return KERR(0);
}

static kerr_t vfork_prepare(struct task *t, struct vfork_done **out)
{
	struct vfork_done *v = kmalloc(sizeof(*v), GFP_KERNEL);

	if (!v)
		return KERR(ENOMEM);
	v->done = false;
	wait_queue_init(&v->wait);
	atomic_set(&v->refs, 2);
	t->vfork_done = *out = v;
	return KERR(0);
}

static void vfork_wait(struct vfork_done *v)
{
	kerr_t err = wait_event_killable(&v->wait, load_acquire(&v->done));

	(void)err; /* killed: the way to user mode sees to that */
	if (atomic_dec_and_test(&v->refs))
		kfree(v);
}

/* CLONE_PIDFD: the descriptor is told now and filled when nothing can fail any more. */
static kerr_t pidfd_prepare(const struct clone_args *a, struct proc *p, int *fd, struct file **file)
{
	kerr_t err = fd_reserve(O_CLOEXEC, fd);

	if (err)
		return err;
	err = pidfd_file(p, 0, file);
	if (!err && put_user(*fd, (int __user *)(uaddr_t)a->pidfd_ptr)) {
		file_put(*file);
		err = KERR(EFAULT);
	}
	if (err)
		fd_unreserve(*fd);
	return err;
}

long do_clone(const struct clone_args *a)
{
	struct task *me = hal_current(), *t;
	struct vfork_done *vfork = NULL;
	struct file *pidfd = NULL;
	struct pid *pid;
	unsigned event;
	int fd = -1;
	kerr_t err;
	pid_t nr;

	err = check_flags(a);
	if (!err)
		err = check_limits();
	if (!err && signal_first(me))
		err = KERR(ERESTARTNOINTR);
	if (err)
		return kerr_code(err);
	err = copy_task(&t, a);
	if (err)
		return kerr_code(err);
	if (a->flags & CLONE_VFORK) {
		err = vfork_prepare(t, &vfork);
		if (err)
			goto drop;
	}
	err = choose_pid(a, &pid);
	if (err)
		goto drop;
	nr = pid->nr;
	if (a->flags & CLONE_PIDFD) {
		err = pidfd_prepare(a, t->proc, &fd, &pidfd);
		if (err)
			goto drop_pid;
	}
	if (a->flags & CLONE_PARENT_SETTID) {
		kerr_t ignored = put_user(nr, (pid_t __user *)(uaddr_t)a->parent_tid_ptr);

		(void)ignored; /* as on Linux, a bad pointer is the program's loss */
	}
	if (a->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid_ptr = a->child_tid_ptr;
	if (a->flags & CLONE_CHILD_SETTID) {
		t->set_child_tid_ptr = a->child_tid_ptr;
		(void)atomic_or(&t->work, WORK_NOTIFY);
	}
	sched_fork_init(t, me);
	event = ptrace_clone_event(me, a->flags, a->exit_signal);
	err = join_tree(t, me, pid, a->flags, event || (a->flags & CLONE_PTRACE));
	if (err)
		goto drop_fd;
	if (pidfd)
		fd_fill(fd, pidfd);
	sched_wake_new(t);
	if (unlikely(event))
		ptrace_event(event, (unsigned long)nr);
	if (vfork) {
		vfork_wait(vfork);
		ptrace_event(PTRACE_EVENT_VFORK_DONE, (unsigned long)nr);
	}
	return nr;
drop_fd:
	if (pidfd) {
		fd_unreserve(fd);
		file_put(pidfd);
	}
drop_pid:
	pid_free_unused(pid);
drop:
	drop_task(t);
	return kerr_code(err);
}

void task_notify_work(struct hal_regs *regs)
{
	struct task *t = hal_current();

	if (t->set_child_tid_ptr) {
		u64 p = t->set_child_tid_ptr;
		kerr_t err;

		t->set_child_tid_ptr = 0;
		err = put_user(t->tid, (pid_t __user *)(uaddr_t)p);
		(void)err; /* as on Linux, a bad pointer is the program's loss */
	}
	if (t->rseq_ptr)
		rseq_resume(regs);
}

/* ---------------------------------------------------------------- tasks without a parent */

static void default_rlimits(struct proc *p)
{
	static const struct {
		u8 which;
		u64 cur, max;
	} some[] = {
		{ RLIMIT_STACK, 8 << 20, RLIM_INFINITY },
		{ RLIMIT_CORE, 0, RLIM_INFINITY },
		{ RLIMIT_NOFILE, 1024, 4096 },
		{ RLIMIT_MEMLOCK, 8 << 20, 8 << 20 },
		{ RLIMIT_MSGQUEUE, 819200, 819200 },
		{ RLIMIT_NICE, 0, 0 },
		{ RLIMIT_RTPRIO, 0, 0 },
	};
	struct mem_info mem;
	u64 threads;

	for (unsigned i = 0; i < RLIMIT_COUNT; i++)
		p->rlim[i].cur = p->rlim[i].max = RLIM_INFINITY;
	for (unsigned i = 0; i < ARRAY_SIZE(some); i++) {
		p->rlim[some[i].which].cur = some[i].cur;
		p->rlim[some[i].which].max = some[i].max;
	}
	page_stats(&mem);
	threads = MIN(MAX(mem.total >> 4, 64ULL), (u64)PID_MAX); /* kernel stacks shall not fill more than an eighth of memory */
	p->rlim[RLIMIT_NPROC].cur = p->rlim[RLIMIT_NPROC].max = threads;
	p->rlim[RLIMIT_SIGPENDING].cur = p->rlim[RLIMIT_SIGPENDING].max = threads;
}

/* A proc of its own with files, names, handlers; t is not in the tree yet. On error t is as before, for drop_task(). */
static kerr_t furnish(struct task *t)
{
	struct task *me = hal_current();
	struct proc *p;
	kerr_t err = proc_alloc(&p);

	if (err)
		return err;
	t->proc = proc_get(p);
	default_rlimits(p);
	p->exit_signal = SIGCHLD;
	t->sighand = sighand_alloc();
	if (!t->sighand)
		return KERR(ENOMEM);
	err = files_alloc(&t->files);
	if (err)
		return err;
	return me->fs ? fs_ctx_dup(me->fs, &t->fs) : fs_ctx_alloc(&t->fs);
}

static void adopt(struct task *t, struct pid *pid)
{
	unsigned long flags = tasklist_lock(), sflags;
	struct sighand *s = sighand_lock(t, &sflags);

	link_thread(t, pid);
	if (!t->proc->leader)
		link_proc(t->proc, t, NULL, pid);
	sighand_unlock(s, sflags);
	tasklist_unlock(flags);
}

static void init_entry(void *arg)
{
	struct task *t = arg;

	sched_finish_switch();
	hal_irq_enable();
	t->kthread_fn(t->kthread_arg);
	hal_enter_user();
}

/* What a process of the kernel's own begins with. id 0: any. On success *t and *pid are for adopt(). */
static kerr_t spawn_begin(const char *name, void (*fn)(void *), void *arg, kerr_t (*equip)(struct task *t), pid_t id, struct task **out, struct pid **pid)
{
	struct task *t;
	kerr_t err = task_alloc(&t, name);

	if (err)
		return err;
	t->kthread_fn = fn;
	t->kthread_arg = arg;
	err = equip(t);
	if (!err)
		err = hal_context_init(t, init_entry, t);
	if (!err)
		err = pid_alloc(pid, id);
	if (err)
		drop_task(t);
	else
		*out = t;
	return err;
}

kerr_t proc_spawn_init(void (*fn)(void *), void *arg)
{
	struct task *t;
	struct pid *pid;
	kerr_t err = spawn_begin("init", fn, arg, furnish, 1, &t, &pid);

	if (err)
		return err;
	t->proc->flags = PROC_SIGNAL_UNKILLABLE;
	kernel()->proc.init = t->proc;
	sched_fork_init(t, hal_current());
	adopt(t, pid);
	sched_wake_new(t);
	return KERR(0);
}

/* root's, with init's directories: nothing of current's is the new process's. */
static kerr_t make_independent(struct task *t)
{
	const struct cred *mine = t->cred;
	struct fs_ctx *fs = NULL;
	unsigned long flags;
	struct task *init;
	kerr_t err;

	t->cred = cred_get(kernel()->proc.root_cred);
	cred_put(mine);
	err = furnish(t);
	if (err)
		return err;
	flags = tasklist_lock();
	init = kernel()->proc.init ? kernel()->proc.init->leader : NULL;
	if (init && init->fs) {
		fs = init->fs;
		atomic_inc(&fs->refs);
	}
	tasklist_unlock(flags);
	if (!fs)
		return KERR(0);
	fs_ctx_put(t->fs);
	t->fs = NULL;
	err = fs_ctx_dup(fs, &t->fs);
	fs_ctx_put(fs);
	return err;
}

kerr_t proc_spawn_helper(void (*fn)(void *), void *arg, struct proc **out)
{
	struct task *t;
	struct pid *pid;
	kerr_t err = spawn_begin("helper", fn, arg, make_independent, 0, &t, &pid);

	if (err)
		return err;
	sched_fork_init(t, hal_current());
	adopt(t, pid);
	*out = proc_get(t->proc);
	sched_wake_new(t);
	return KERR(0);
}

static kerr_t host_mm(struct task *t)
{
	struct proc_state *s = &kernel()->proc;
	kerr_t err;

	if (!s->host_mm) {
		err = mm_alloc(&s->host_mm);
		if (err)
			return err;
		s->host_mm->host = true;
	}
	mm_get(s->host_mm);
	t->mm = s->host_mm;
	return KERR(0);
}

kerr_t proc_attach_caller(struct task **out, struct proc *p)
{
	struct pid *pid;
	struct task *t;
	kerr_t err = task_alloc(&t, "caller");

	if (err)
		return err;
	t->flags = TASK_HOSTED_CALLER;
	err = host_mm(t);
	if (!err && p) {
		unsigned long flags = tasklist_lock();
		struct task *first = p->leader;

		/* The leader of a live process of callers keeps its files and names as long as it has threads. */
		if (first && first->files && first->fs) {
			t->proc = proc_get(p);
			t->sighand = first->sighand;
			sighand_get(t->sighand);
			t->files = first->files;
			atomic_inc(&t->files->refs);
			t->fs = first->fs;
			atomic_inc(&t->fs->refs);
		} else {
			err = KERR(ESRCH);
		}
		tasklist_unlock(flags);
	} else if (!err) {
		err = furnish(t);
	}
	if (!err)
		err = pid_alloc(&pid, 0);
	if (err) {
		drop_task(t);
		return err;
	}
	sched_fork_init(t, hal_current());
	t->state = TASK_RUNNING;
	adopt(t, pid);
	*out = t;
	return KERR(0);
}
