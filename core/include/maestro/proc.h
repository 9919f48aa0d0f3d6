/* SPDX-License-Identifier: MIT */
/* Processes: thread groups, their tree, sessions, groups, resource limits, fork, exec, exit, wait. */
#pragma once

#include <maestro/cred.h>
#include <maestro/signal.h>
#include <maestro/task.h>
#include <maestro/timer.h>
#include <maestro/wait.h>

enum { RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_AS,
       RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME, RLIMIT_COUNT };
#define RLIM_INFINITY (~0ULL)
struct rlimit64 {
	u64 cur, max;
};
struct rusage_k {
	u64 utime, stime; /* ns */
	u64 minflt, majflt, nvcsw, nivcsw, inblock, oublock;
	u64 maxrss; /* KiB */
};

struct file;
struct tty;
struct proc {
	/* [c] */
	pid_t pid;
	struct atomic refs; /* [a] */
	ktime_t start_time;
	/* [kernel.proc.tree_lock] irqsave spinlock RANK_TASKLIST */
	struct proc *parent; /* set by proc_set_parent() */
	pid_t ppid;	     /* of parent, 0 none; one word, so getppid(2) reads it without the lock */
	struct list children, sibling;
	struct list threads; /* struct task.thread_node */
	struct task *leader; /* kept until the proc is reaped */
	unsigned nthreads;   /* not yet dead */
	struct atomic live;  /* [a] threads that have not begun to exit */
	struct list all_node;
	pid_t pgrp, session;
	struct list pgrp_node, session_node; /* in struct pid */
	struct pid *pgrp_pid, *session_pid;
	bool session_leader, is_zombie, has_execed, is_subreaper, reaped;
	int exit_signal; /* to the parent at exit; 0 none */
	/* [sighand.lock of the group] */
	struct sigpending shared_pending;
	int group_exit_code;
	u32 flags; /* PROC_* */
	bool used_privilege; /* some thread that ended had used a capability; for acct(5) */
	int stop_sig, stop_report, cont_report;
	unsigned stop_count;
	struct task *group_exec_task;
	struct core_state *core; /* a dump is being written: the group dies after it */
	/* [a] or own lock */
	struct wait_queue exit_wait; /* pidfds are polled here for the end */
	struct wait_queue child_wait; /* parents sleep here in wait4 */
	struct rlimit64 rlim[RLIMIT_COUNT]; /* [tree_lock] to write; single words read without */
	struct rusage_k self_dead, children_dead; /* [tree_lock] threads that ended; reaped children */
	struct tty *tty;  /* [tree_lock] controlling terminal, a reference */
	pid_t tty_old_pgrp; /* [tree_lock] a leader's: foreground group of a terminal that was hung up; 0 none */
	struct timer real_timer; /* ITIMER_REAL */
	ktime_t real_interval;	 /* [sighand.lock] */
	struct itimer_cpu { u64 value, interval; } cpu_timer[2]; /* VIRTUAL, PROF: ns left */
	struct list posix_timers; /* [sighand.lock] */
	int posix_timer_next;	  /* [sighand.lock] */
	unsigned cpu_clock_timers; /* [sighand.lock] of those: on CPU clocks. The tick reads it without */
	struct mutex exec_mutex;
	struct mutex ptrace_mutex; /* a tracer's: its threads work on those they trace one at a time */
	int oom_score_adj; /* [a] */
	u32 personality;
	u32 login_uid, login_session; /* whose login it comes from, for pam_loginuid(8); -1: none. Inherited */
	u64 io_counters[6];
};
enum {
	PROC_GROUP_EXIT = 1, /* all threads are dying with group_exit_code */
	PROC_STOPPED = 2,
	PROC_CONTINUED = 4,
	PROC_SIGNAL_UNKILLABLE = 8, /* init */
	PROC_TELL_STOPPED = 16,	    /* the parent has yet to hear; told by the next thread in signal_dequeue() */
	PROC_TELL_CONTINUED = 32,
};

/* A number in use as a thread, process, process group or session. [tree_lock] */
struct pid {
	pid_t nr;
	struct hlist_node hash;
	struct task *task;	  /* the thread of this number, until it is released */
	struct proc *proc;	  /* the process of this number, until it is reaped */
	struct list pgrp_members; /* proc.pgrp_node */
	struct list session_members; /* proc.session_node */
};

static inline struct proc *proc_get(struct proc *p)
{
	atomic_inc(&p->refs);
	return p;
}
/* Tree lock held (or p is not in the tree yet). */
static inline void proc_set_parent(struct proc *p, struct proc *parent)
{
	p->parent = parent;
	store_relaxed(&p->ppid, parent ? parent->pid : 0);
}
void proc_put(struct proc *p);
/* With a reference, or NULL. Take the tree lock themselves. */
struct proc *proc_find(pid_t pid);
struct task *task_find(pid_t tid);
/* The process of a pidfd, with a reference; NULL: EBADF. flags: the file's, may be NULL. */
struct proc *pidfd_get(int fd, u32 *flags);
/* The same, where an open /proc/PID will do too. KERR(EBADF); KERR(ESRCH): that process is gone. */
kerr_t pidfd_or_dir_get(int fd, struct proc **out) __must_check;
/* procfs: is f an open /proc/PID? Then *out is the process, with a reference, or NULL once it is gone. */
bool proc_file_process(struct file *f, struct proc **out);
kerr_t proc_init(void) __must_check;

/* --- acct.c: process accounting, for who unmounts --- */
struct mount;
int acct_pins(const struct mount *m);  /* references to m that its file holds */
void acct_stop(const struct mount *m); /* m is gone (NULL: all are): accounting ends, if its file is there */

struct vfork_done {
	bool done; /* [wait.lock] */
	struct wait_queue wait;
	struct atomic refs;
};

/* --- fork.c --- */
struct clone_args {
	u64 flags; /* CLONE_*; exit signal apart */
	u64 pidfd_ptr, child_tid_ptr, parent_tid_ptr;
	int exit_signal;
	u64 stack; /* user sp of the child, or 0: the parent's */
	u64 tls;   /* user pointer to struct user_desc (i386) or base (x86_64) */
	u64 set_tid_ptr, set_tid_size;
};
#define CLONE_VM 0x100u
#define CLONE_FS 0x200u
#define CLONE_FILES 0x400u
#define CLONE_SIGHAND 0x800u
#define CLONE_PIDFD 0x1000u
#define CLONE_PTRACE 0x2000u
#define CLONE_VFORK 0x4000u
#define CLONE_PARENT 0x8000u
#define CLONE_THREAD 0x10000u
#define CLONE_NEWNS 0x20000u
#define CLONE_SYSVSEM 0x40000u
#define CLONE_SETTLS 0x80000u
#define CLONE_PARENT_SETTID 0x100000u
#define CLONE_CHILD_CLEARTID 0x200000u
#define CLONE_DETACHED 0x400000u
#define CLONE_UNTRACED 0x800000u
#define CLONE_CHILD_SETTID 0x1000000u
#define CLONE_NEWCGROUP 0x2000000u
#define CLONE_NEWUTS 0x4000000u
#define CLONE_NEWIPC 0x8000000u
#define CLONE_NEWUSER 0x10000000u
#define CLONE_NEWPID 0x20000000u
#define CLONE_NEWNET 0x40000000u
#define CLONE_IO 0x80000000u
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
/* The child's tid, or -errno. */
long do_clone(const struct clone_args *args);
/* The first user process: a task of proc 1 that runs fn(arg) in the kernel; fn ends by exec. */
kerr_t proc_spawn_init(void (*fn)(void *), void *arg) __must_check;
/* A process of root's without a parent, as the kernel needs one (core dumps); the same of fn. *out: it, with a reference. */
kerr_t proc_spawn_helper(void (*fn)(void *), void *arg, struct proc **out) __must_check;
/* Hosted: makes a task for the host's calling thread, member of proc `p` (NULL: a new proc with its own files and fs, root's credentials). */
kerr_t proc_attach_caller(struct task **out, struct proc *p) __must_check;
/* current (t) leaves its process, as by exit. One reference on t is left: the backend puts it when t is no longer hal_current(). */
void proc_detach_caller(struct task *t);

/* --- exit.c --- */
#define WAIT_CORE 0x80
void do_exit(int code) __noreturn;	 /* code: wait status, exit code << 8 or signal */
void do_group_exit(int code) __noreturn; /* the whole thread group */
struct wait_args {
	int idtype; /* P_ALL 0, P_PID 1, P_PGID 2, P_PIDFD 3 */
	pid_t id;
	const struct proc *proc; /* P_PIDFD's */
	unsigned options;
	struct siginfo *info;	 /* out, may be NULL */
	int *status;		 /* out, wait4 status, may be NULL */
	struct rusage_k *usage;	 /* out, may be NULL */
};
/* The pid, 0 (WNOHANG), or -errno. */
long do_wait(struct wait_args *args);
void rusage_of_task(struct task *t, struct rusage_k *out);
void rusage_of_proc(struct proc *p, struct rusage_k *out); /* threads alive and dead */

/* --- exec.c --- */
struct exec_strings { /* argv or envp: user pointers, or kernel strings */
	const void __user *user;
	const char *const *kern;
};
/* Replaces current's program. On success returns 0 with registers set to the new entry point; the caller returns to user mode. */
kerr_t do_execve(int dirfd, const char *path, struct exec_strings argv, struct exec_strings envp, int flags) __must_check;

/* Execution denies writing (ETXTBSY). mm.exe_file is a reference that holds such a denial: one more of its kind, and the end of one. */
struct file *exe_file_get(struct file *f);
void exe_file_put(struct file *f);

/* --- ids.c: process groups, sessions --- */
kerr_t do_setpgid(pid_t pid, pid_t pgid) __must_check;
long do_setsid(void);
bool pgrp_is_orphaned(pid_t pgrp); /* tree lock held */
/* Calls fn for each member; tree lock held. */
void pgrp_for_each(pid_t pgrp, void (*fn)(struct proc *p, void *arg), void *arg);
void session_for_each(pid_t session, void (*fn)(struct proc *p, void *arg), void *arg);
/* The session of the process group of this number, or, if there is no such group, of the process. -1: the number is not in use. Tree lock held */
pid_t pid_session(pid_t nr);

/* --- pieces that fork, exec, exit and the id calls share; tree lock held --- */
struct pid *pid_find(pid_t nr);
void proc_set_pgrp(struct proc *p, struct pid *pgrp);
void proc_set_session(struct proc *p, struct pid *session);
void pid_drop_if_unused(struct pid *pid);
/* In wait4's words: the process of `p` changed state. */
void proc_notify_parent_stop(struct proc *p, int why); /* CLD_STOPPED, CLD_CONTINUED. Takes the tree lock itself */
void itimer_real_fire(struct timer *t);		       /* ITIMER_REAL's timer function */

/* --- threads of a proc, all tasks: tree lock --- */
unsigned long tasklist_lock(void);
void tasklist_unlock(unsigned long flags);
static inline u64 rlimit_get(unsigned which) /* of current's proc */
{
	return hal_current()->proc ? hal_current()->proc->rlim[which].cur : RLIM_INFINITY;
}
#define for_each_proc(p) list_for_each(p, proc_list_head(), all_node)
struct list *proc_list_head(void);
/* Accounting: charges the time since the last call to user or system. Called by entry/exit at tick granularity. */
void acct_tick(bool user, u64 ns);
