/* SPDX-License-Identifier: MIT */
/* Signals: signal(7), sigaction(2). Frames and struct layouts that programs see are in core/abi. */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>
#include <maestro/list.h>
#include <maestro/lock.h>
#include <maestro/types.h>

#define NSIG 64
#define SIGRTMIN 32
enum { SIGHUP = 1, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM,
       SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS };

typedef u64 sigset_t; /* bit n-1 is signal n */
#define SIGMASK(sig) (1ULL << ((sig) - 1))
#define SIG_KERNEL_ONLY (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP))
#define SIG_STOP_MASK (SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define SIG_CORE_MASK                                                                                                                         \
	(SIGMASK(SIGQUIT) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGABRT) | SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | \
	 SIGMASK(SIGSYS) | SIGMASK(SIGXCPU) | SIGMASK(SIGXFSZ))
#define SIG_IGNORE_DEFAULT (SIGMASK(SIGCHLD) | SIGMASK(SIGCONT) | SIGMASK(SIGURG) | SIGMASK(SIGWINCH))

#define SIG_DFL 0UL
#define SIG_IGN 1UL
#define SA_NOCLDSTOP 1u
#define SA_NOCLDWAIT 2u
#define SA_SIGINFO 4u
#define SA_RESTORER 0x04000000u
#define SA_ONSTACK 0x08000000u
#define SA_RESTART 0x10000000u
#define SA_NODEFER 0x40000000u
#define SA_RESETHAND 0x80000000u

#define SI_USER 0
#define SI_KERNEL 0x80
#define SI_QUEUE (-1)
#define SI_TIMER (-2)
#define SI_MESGQ (-3)
#define SI_ASYNCIO (-4)
#define SI_SIGIO (-5)
#define SI_TKILL (-6)
enum { ILL_ILLOPC = 1, ILL_ILLOPN };
enum { FPE_INTDIV = 1, FPE_INTOVF, FPE_FLTDIV, FPE_FLTOVF, FPE_FLTUND, FPE_FLTRES, FPE_FLTINV };
enum { SEGV_MAPERR = 1, SEGV_ACCERR };
enum { BUS_ADRALN = 1, BUS_ADRERR };
enum { TRAP_BRKPT = 1, TRAP_TRACE, TRAP_BRANCH, TRAP_HWBKPT };
enum { CLD_EXITED = 1, CLD_KILLED, CLD_DUMPED, CLD_TRAPPED, CLD_STOPPED, CLD_CONTINUED };

/* The kernel's own form; abi copies it out in the program's layout, by signo and code. */
struct siginfo {
	int signo, code, err;
	union {
		struct { pid_t pid; uid_t uid; u64 value; } user; /* kill, sigqueue, mesgq */
		struct { pid_t pid; uid_t uid; int status; u64 utime, stime; /* clock ticks, 100 Hz */ } chld;
		struct { u64 addr; u32 trapno; } fault;
		struct { int timer_id, overrun; u64 value; u32 cycle; /* 0: a program sent it */ } timer;
		struct { long band; int fd; } poll;
		struct { u64 call_addr; int syscall; u32 arch; } sys;
	};
};

struct sigaction_k {
	uaddr_t handler;  /* SIG_DFL or SIG_IGN */
	uaddr_t restorer;
	unsigned long flags;
	sigset_t mask;
};
struct sig_altstack {
	u64 sp, size;
	int flags;
};
struct sigqueue {
	struct list node;
	struct siginfo info;
	struct posix_timer *timer; /* that owns it, or NULL */
	struct user_struct *user;
};
struct sigpending {
	struct list queue; /* [sighand.lock] struct sigqueue, oldest first */
	sigset_t set;	   /* [sighand.lock] */
};
/* Shared by CLONE_SIGHAND. */
struct sighand {
	struct atomic refs;
	struct spinlock lock; /* RANK_SIGHAND, irqsave */
	struct sigaction_k action[NSIG]; /* [lock] index sig-1 */
	struct wait_queue *signalfd_wait; /* [c] */
	struct sighand *replaced; /* [c] the one an exec took this for: late senders may still hold its lock, so it dies with this one */
};

struct task;
struct proc;
struct cred;

/* --- sending. Any context unless said. info NULL: SI_USER from current; SIGINFO_KERNEL: from the kernel --- */
#define SIGINFO_KERNEL ((const struct siginfo *)1)
/* To one thread, or to the whole group. KERR(EAGAIN) when a real-time signal cannot be queued. */
kerr_t signal_send_task(struct task *t, int sig, const struct siginfo *info) __must_check;
kerr_t signal_send_proc(struct proc *p, int sig, const struct siginfo *info) __must_check;
/* A trap: cannot be blocked or ignored; then it kills. */
void signal_force(struct task *t, int sig, const struct siginfo *info);
/* To each member of a process group; used by the tty. Takes the process tree lock. */
void signal_send_pgrp(pid_t pgrp, int sig, const struct siginfo *info);
bool signal_is_ignored(struct task *t, int sig); /* tty: SIGTTOU/SIGTTIN ignored or blocked */
bool signal_is_blocked_or_ignored(int sig);	 /* by current */
/* The lock of t's handlers, whichever they are by now (exec may replace them). */
struct sighand *sighand_lock(struct task *t, unsigned long *flags);
void sighand_unlock(struct sighand *s, unsigned long flags);
/* kill(2)'s permission rule for current. */
bool signal_may_send(const struct cred *from, struct task *to, int sig);

/* --- POSIX timers: a signal with room of its own. sighand.lock of t held, but for the first --- */
struct posix_timer;
struct sigqueue *signal_timer_queue(struct task *t, struct posix_timer *timer); /* NULL: no memory, or too many (RLIMIT_SIGPENDING) */
void signal_timer_queue_free(struct sigqueue *q);				 /* if it is queued: once it is taken */
/* False: t ignores it. It may be queued already; then nothing happens. */
bool signal_send_timer(struct task *t, struct sigqueue *q, bool group) __must_check;

/* --- receiving --- */
/* Takes the next deliverable signal of current out of its queues (0: none) and its info. Under no lock. */
int signal_dequeue(sigset_t mask_out, struct siginfo *info);
void signal_recalc(struct task *t);   /* WORK_SIGNAL from the queues. sighand.lock held */
void signal_set_blocked(sigset_t set); /* of current */
/* Called by upcall_user_return with WORK_SIGNAL set: stops, kills, dumps, or builds a handler frame through abi. */
struct hal_regs;
void signal_deliver(struct hal_regs *regs);
void signal_flush_handlers(struct task *t); /* exec */
/* One number of a set is pending for current's group or current itself (signalfd, sigpending). */
sigset_t signal_pending_set(void);
/* Sleeping calls with a mask of their own (ppoll, pselect, sigsuspend, epoll_pwait): installs `set`; the old mask comes back on the way to user mode. */
void signal_set_temporary(sigset_t set);
/* Puts the mask of signal_set_temporary back at once: the call ended without a signal. */
void signal_restore_temporary(void);
struct sighand *sighand_alloc(void);
void sighand_get(struct sighand *s);
void sighand_put(struct sighand *s);
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p); /* frees what is queued */

/* --- calls, without their ABI (core/proc/sys_signal.c) --- */
kerr_t do_sigaction(int sig, const struct sigaction_k *new, struct sigaction_k *old) __must_check; /* either may be NULL */
/* SIG_BLOCK 0, SIG_UNBLOCK 1, SIG_SETMASK 2. meant: the bits that SIG_SETMASK replaces (the old calls know 32). */
kerr_t do_sigprocmask(int how, sigset_t set, sigset_t meant) __must_check;
long do_sigsuspend(sigset_t set);

/* --- the program's layout of a siginfo (core/proc/siginfo.c over <abi/signal.h>) --- */
#define SIGINFO_USER_SIZE 128u
struct abi_siginfo;
void siginfo_to_abi(struct abi_siginfo *to, const struct siginfo *info);
kerr_t siginfo_to_user(void __user *dst, const struct siginfo *info) __must_check;
kerr_t siginfo_from_user(struct siginfo *info, const void __user *src) __must_check;

/* --- abi/<arch>/signal.c --- */
/* Builds the frame on the user stack and points regs at the handler. false: the stack cannot be written (the caller forces SIGSEGV). */
bool abi_signal_frame(struct hal_regs *regs, int sig, const struct siginfo *info, const struct sigaction_k *sa, sigset_t oldmask);
/* After a system call that returned -ERESTART*: rewinds to the instruction, or turns the result into -EINTR. has_handler, and its SA_RESTART. */
void abi_syscall_restart(struct hal_regs *regs, bool has_handler, bool sa_restart);
