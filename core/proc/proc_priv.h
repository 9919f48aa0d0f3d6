/* SPDX-License-Identifier: MIT */
/* What the files of core/proc share with each other and with nobody else. */
#pragma once

#include <maestro/proc.h>

struct file;

/* task.jobctl bits [sighand.lock] */
enum {
	JOBCTL_STOP_PENDING = 1 << 0, /* shall stop with its group */
	JOBCTL_STOP_COUNTED = 1 << 1, /* and proc.stop_count counts it */
	JOBCTL_TRAP_STOP = 1 << 2,    /* shall stop for its tracer: PTRACE_INTERRUPT, a group's stop, its end */
	JOBCTL_LISTENING = 1 << 3,    /* its tracer left it in a group's stop (PTRACE_LISTEN) */
	JOBCTL_TRAP_NOTIFY = 1 << 4,  /* seized: the group was continued, its tracer is to hear */
	JOBCTL_FROZEN = 1 << 5,	      /* its tracer is at it: not even SIGKILL ends its stop before that is done */
};

/* --- task.c --- */
kerr_t pid_alloc(struct pid **out, pid_t wanted) __must_check; /* wanted 0: the next free one. Takes the tree lock */
void pid_free_unused(struct pid *pid);			       /* takes the tree lock; drops it if nothing hangs on it */
kerr_t proc_alloc(struct proc **out) __must_check;	       /* one reference; not in the tree */
struct task *pid_task(pid_t nr);			       /* tree lock held; no reference */
struct proc *pid_proc(pid_t nr);			       /* tree lock held; no reference */

/* --- pidfd.c --- */
kerr_t pidfd_file(struct proc *p, u32 flags, struct file **out) __must_check;

/* --- exit.c --- */
/* Tree lock held: a zombie leaves the tree, and goes on `dead`, for proc_dispose() once the lock is dropped. */
void proc_release(struct proc *p, struct list *dead);
void proc_dispose(struct list *dead);
/* Tree lock held: t, which has ended, leaves its group; with the last one the group is a zombie, or goes on `dead`. */
void thread_release(struct task *t, struct list *dead);
void rusage_add(struct rusage_k *to, const struct rusage_k *from);
void vfork_complete(struct task *t);
void task_drop_mm(struct task *t); /* of current: it runs on as a kernel thread */

/* --- acct.c --- */
void acct_process(void); /* the last thread of current's process ends: a record of it, if they are kept */

/* --- coredump.c --- */
void core_dump(const struct siginfo *info); /* current dies of this signal: dumps, if that is wanted, and marks the group's exit status */
void core_wait(void);			    /* current ends: not before the dump of its group is written */

/* --- signal.c; sighand.lock of the target held --- */
bool sig_is_fatal_pending(const struct task *t);
void signal_wake(struct task *t, bool fatal);
void signal_kill_others(struct task *t, bool all); /* SIGKILL to the other threads (or all) of t's group */
kerr_t signal_send_locked(struct task *t, int sig, const struct siginfo *info, bool group) __must_check;
void sigpending_discard(struct sigpending *p, sigset_t set);
/* --- sigstop.c --- */
bool signal_stop_current(int sig);
int signal_group_stop(const struct proc *p); /* the signal that stops or has stopped p, 0: none. sighand.lock held */
void signal_continue_locked(struct proc *p);
bool signal_exit_leaves_stop(struct task *t); /* sighand.lock held */
void signal_tell_parent(struct proc *p);
/* Tells the parent of p's death (tree lock held); true if nobody will wait for it. */
bool signal_notify_exit(struct proc *p);

/* --- ids.c, tree lock held --- */
/* `p` loses its parent (exiting: p itself, or the parent that exits): hangs up and continues p's group if that leaves it orphaned and stopped. */
void pgrp_hangup_if_orphaned(struct proc *p, struct proc *parent, struct proc *exiting);

/* --- cred.c --- */
struct path;
/* c, a fresh copy of current's, becomes the new program's. *secure: it shall distrust its environment. KERR(EPERM). cred_exec.c */
kerr_t cred_exec(struct cred *c, const struct path *file, bool *secure) __must_check;
/* Recomputes the capability sets after ids changed (capabilities(7), "Effect of user ID changes"). */
void cred_fixup_caps(struct cred *new, const struct cred *old);
kerr_t cred_set_user(struct cred *c, uid_t uid) __must_check;

static inline struct sighand *current_sighand(void)
{
	return hal_current()->sighand;
}
