/* SPDX-License-Identifier: MIT */
/*
 * A task is a thread: what is scheduled. A proc is a thread group: what has a PID for others, children, and a table of signals.
 * Lifetime: a task lives until its last task_get() is put; a proc until its last proc_get().
 */
#pragma once

#include <hal/context.h>
#include <maestro/sched.h>
#include <maestro/signal.h>

struct proc;
struct mm;
struct files;
struct fs_ctx;
struct cred;
struct pid;

/* Bits of task.work: why the way back to user mode must call upcall_user_return(). */
enum {
	WORK_RESCHED = 1 << 0,
	WORK_SIGNAL = 1 << 1,
	WORK_TRACE_EXIT = 1 << 2, /* ptrace or the tracer wants system call exits */
	WORK_NOTIFY = 1 << 3,	  /* task_notify_work() has something to do */
};
/* task.flags [o] */
enum {
	TASK_KTHREAD = 1 << 0,
	TASK_EXITING = 1 << 1,
	TASK_SINGLESTEP = 1 << 2,
	TASK_HOSTED_CALLER = 1 << 3, /* a thread of the host process that entered */
	TASK_NO_EXEC = 1 << 4,	     /* forked and not yet exec'd (acct, setpgid) */
	TASK_RESTORE_SIGMASK = 1 << 5,
	TASK_MEMALLOC = 1 << 6, /* reclaiming: may use the reserve */
	TASK_USED_SUPERPRIV = 1 << 7,
	TASK_TRACE_SYSCALLS = 1 << 8, /* print calls as strace does */
	TASK_PTRACE_SYSCALL = 1 << 9, /* stop at calls; set by the tracer while it is stopped */
	TASK_SECCOMP = 1 << 12,	      /* seccomp_enter() before each call; set by siblings too */
	TASK_PAST_CORE = 1 << 11,     /* ending: a core dump need not wait for it */
	TASK_PTRACE_EMU = 1 << 10,    /* and do not carry them out (PTRACE_SYSEMU) */
};

struct task {
	/* The backend's assembly knows these offsets (asserted there): keep them first, in this order. */
	struct atomic work;	  /* [a] WORK_* */
	struct atomic preempt_count; /* [o] */

	/* [c] constant after creation */
	pid_t tid;
	struct proc *proc;	/* NULL for kernel threads */
	struct atomic refs;	/* [a] */

	/* [o] owner only */
	u32 flags;
	struct mm *mm;		/* NULL: kernel thread */
	struct mm *active_mm;	/* what the CPU has loaded while mm is NULL */
	struct files *files;
	struct fs_ctx *fs;
	const struct cred *cred; /* [o] to write; others read under proc tree lock */
	char comm[16];		 /* [o]; others may read it torn */
	u64 set_child_tid_ptr;	 /* user addresses; 0 none */
	u64 clear_child_tid_ptr;
	u64 robust_list_head;
	u64 rseq_ptr;		 /* rseq(2): user address, 0 none */
	u32 rseq_sig;
	bool rseq_event;	 /* it lost the CPU, or is to run a handler: a critical section it is in starts over */
	ktime_t start_time;	 /* hal_time_ns at creation */
	u64 min_flt, maj_flt;
	u64 utime, stime;	 /* ns */
	u64 io_rchar, io_wchar;
	ktime_t acct_last;	 /* when utime/stime were last charged */
	struct restart_info {	 /* for restart_syscall(2) */
		long (*fn)(struct restart_info *r);
		u64 arg[5];
	} restart;
	void *journal_info;	 /* a file system's, while inside it */
	unsigned kmap_depth;
	unsigned pagefault_disabled;
	unsigned link_depth;
	void (*kthread_fn)(void *);
	void *kthread_arg;
	bool kthread_stop;	 /* [a] */
	int syscall_nr;		 /* -1 outside system calls */
	struct trace_line *trace_line; /* the tracer's, between entry and exit of a call */
	void *exit_wait;	 /* kthread_stop's completion */
	u32 trap_no, trap_error; /* of the last trap, for signal frames */
	u64 trap_addr;
	u8 pdeath_signal;	 /* prctl(PR_SET_PDEATHSIG) */
	u32 ioprio;
	u64 timer_slack;	 /* ns */
	struct sem_undo_list *sem_undo; /* semop(2)'s SEM_UNDO; shared by CLONE_SYSVSEM; NULL: none yet */
	bool sysv_shm;		 /* it made segments (shm_rmid_forced) */

	/* [a] */
	unsigned state;		 /* enum task_state; written by owner, or under the run queue's lock */

	/* [run queue lock] */
	struct sched_entity se;

	/* signals [sighand.lock] */
	struct sighand *sighand;
	struct sigpending pending;
	sigset_t blocked;	 /* [o] to write under the lock */
	sigset_t real_blocked;	 /* the mask behind sigtimedwait(2), while it waits: its signals neither kill nor are ignored */
	sigset_t saved_mask;	 /* [o] for sigsuspend, ppoll: put back at the way out */
	struct sig_altstack altstack; /* [o] */
	u32 jobctl;		 /* stop and trace state, signal room */
	u8 seccomp_mode;	 /* SECCOMP_* */
	bool no_new_privs;	 /* [sighand.lock to write] only ever set: by its thread, or with a filter of a sibling's */
	struct seccomp_filter *seccomp_filter;

	/* tree [proc tree lock] */
	struct list thread_node; /* in proc.threads */
	struct pid *pid;	 /* of tid */
	int exit_code;		 /* wait status of this thread */

	/* vfork: the parent waits here until the child execs or exits */
	struct vfork_done *vfork_done;
	/* futex room */
	struct list pi_owned; /* [proc.pi_lock] struct pi_lock that others wait for */
	struct pi_waiter *pi_blocked; /* [proc.pi_lock] */
	bool futex_gone; /* [proc.pi_lock] it has given all its locks away, for good */
	/* ptrace room [proc tree lock] */
	struct task *ptracer;
	struct list ptrace_node, ptraced;
	u32 ptrace_flags, ptrace_options;
	int ptrace_code;  /* the stop's, until it is waited for; then the signal to go on with */
	bool ptrace_zombie; /* a thread that leads no group has ended, and its tracer has not heard yet; one reference */
	unsigned long ptrace_message;
	struct siginfo *last_siginfo;

#ifdef MAESTRO_DEBUG
	struct held_lock {
		const void *lock;
		const char *name;
		enum lock_rank rank;
	} held[24]; /* [o] */
	unsigned nheld;
	unsigned fail_nth_seen;
#endif
	struct hal_tls_area { struct hal_tls slot[3]; } tls; /* [o] */
	struct hal_context ctx; /* the backend's */
};

static inline struct task *task_get(struct task *t)
{
	atomic_inc(&t->refs);
	return t;
}
void task_put(struct task *t); /* any context; the last one frees it and its stack, later, from a safe context */
/* A zeroed task with one reference, name, kernel stack not yet made. KERR(ENOMEM). */
kerr_t task_alloc(struct task **out, const char *name) __must_check;
struct hal_regs;
/* WORK_NOTIFY's work: what a new thread does before its first user instruction (CLONE_CHILD_SETTID), and rseq_resume(). */
void task_notify_work(struct hal_regs *regs);
/* rseq(2), core/sched/rseq.c. Current, on its way to user mode: leaves a critical section it was disturbed in, tells the program its CPU. */
void rseq_resume(struct hal_regs *regs);
/* A handler will run: the section is left first. False: the program's structure is bad, it gets SIGSEGV. */
bool rseq_signal(struct hal_regs *regs) __must_check;

bool task_signal_pending_state(unsigned state); /* current has a signal that ends a sleep in `state` */
static inline bool task_signal_pending(void)
{
	return atomic_read(&hal_current()->work) & WORK_SIGNAL;
}
static inline void task_set_state(enum task_state s) /* of current, before testing the condition of a sleep */
{
	__atomic_store_n(&hal_current()->state, (unsigned)s, __ATOMIC_SEQ_CST);
}

/* struct kernel begins with its CPUs (asserted in core/sched/sched.c). */
static inline struct cpu *this_cpu(void)
{
	return (struct cpu *)(void *)hal_kernel() + hal_current()->se.cpu;
}

static inline void preempt_disable(void)
{
	struct task *t = hal_current();

	atomic_set(&t->preempt_count, atomic_read(&t->preempt_count) + 1);
	compiler_barrier();
}
static inline void preempt_enable(void)
{
	struct task *t = hal_current();
	int n = atomic_read(&t->preempt_count) - 1;

	compiler_barrier();
	atomic_set(&t->preempt_count, n);
	if (unlikely(n == 0 && (atomic_read(&t->work) & WORK_RESCHED)))
		preempt_schedule();
}
/* --- spinlocks --- */
static inline void spin_lock(struct spinlock *l) ACQUIRES(l) NO_LOCK_ANALYSIS
{
	int free = 0;

	preempt_disable();
	lock_debug_acquire(l, l->rank, l->name, false);
	if (unlikely(!__atomic_compare_exchange_n(&l->v.v, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		spin_lock_slow(l);
}
static inline void spin_lock_nested(struct spinlock *l) ACQUIRES(l) NO_LOCK_ANALYSIS
{
	int free = 0;

	preempt_disable();
	lock_debug_acquire(l, l->rank, l->name, true);
	if (unlikely(!__atomic_compare_exchange_n(&l->v.v, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		spin_lock_slow(l);
}
static inline bool spin_trylock(struct spinlock *l) TRY_ACQUIRES(true, l) NO_LOCK_ANALYSIS
{
	int free = 0;

	preempt_disable();
	if (__atomic_compare_exchange_n(&l->v.v, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		lock_debug_acquire(l, RANK_NONE, l->name, true); /* a try cannot deadlock: any order is right */
		return true;
	}
	preempt_enable();
	return false;
}
static inline void spin_unlock(struct spinlock *l) RELEASES(l) NO_LOCK_ANALYSIS
{
	lock_debug_release(l);
	__atomic_store_n(&l->v.v, 0, __ATOMIC_RELEASE);
	preempt_enable();
}
static inline unsigned long spin_lock_irqsave(struct spinlock *l) ACQUIRES(l) NO_LOCK_ANALYSIS
{
	unsigned long flags = hal_irq_save();

	spin_lock(l);
	return flags;
}
static inline void spin_unlock_irqrestore(struct spinlock *l, unsigned long flags) RELEASES(l) NO_LOCK_ANALYSIS
{
	lock_debug_release(l);
	__atomic_store_n(&l->v.v, 0, __ATOMIC_RELEASE);
	hal_irq_restore(flags);
	preempt_enable();
}
static inline bool spin_is_locked(const struct spinlock *l)
{
	return atomic_read(&l->v) != 0;
}
/* Tells the analysis, where it cannot see that l is held. */
static inline void lock_assume(const struct spinlock *l) ASSUMES(l) NO_LOCK_ANALYSIS
{
	(void)l;
}
#define assert_held(l)                       \
	do {                                 \
		lock_assume(l);              \
		DEBUG_ASSERT(spin_is_locked(l)); \
	} while (0)
