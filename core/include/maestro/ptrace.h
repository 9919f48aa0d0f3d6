/* SPDX-License-Identifier: MIT */
/* ptrace(2): one task stops another at signals, system calls and events. core/proc/ptrace.c; registers are core/abi's. */
#pragma once

#include <maestro/task.h>

enum { PTRACE_EVENT_FORK = 1, PTRACE_EVENT_VFORK, PTRACE_EVENT_CLONE, PTRACE_EVENT_EXEC, PTRACE_EVENT_VFORK_DONE, PTRACE_EVENT_EXIT, PTRACE_EVENT_SECCOMP,
       PTRACE_EVENT_STOP = 128 };
enum { PTRACE_OP_NONE, PTRACE_OP_ENTRY, PTRACE_OP_EXIT, PTRACE_OP_SECCOMP };
enum { PTRACE_MESSAGE_ENTRY = 1, PTRACE_MESSAGE_EXIT }; /* task.ptrace_message at a stop for a system call */

/* --- by the traced task, of itself; may sleep, no lock held --- */
/* It stops before a signal is acted on; the signal that is left of it, 0: none. info is changed with it. */
int ptrace_signal(struct siginfo *info);
void ptrace_trap_stop(void);	     /* JOBCTL_TRAP_STOP, JOBCTL_TRAP_NOTIFY: with its group, or for its tracer alone */
/* TASK_PTRACE_SYSCALL or TASK_SINGLESTEP is set. At entry, false: the call shall not be made. */
bool ptrace_syscall(bool entry);
void ptrace_step_handler(void);	     /* a handler is about to run, and its tracer goes step by step */
void ptrace_continued(struct task *t); /* t's group got SIGCONT. sighand.lock held */
void ptrace_step_off(struct task *t); /* no trap after the next instruction */
void ptrace_event(unsigned event, unsigned long message); /* if its tracer wants to know */
void ptrace_exec(pid_t old_tid);
/* --- tree lock held --- */
unsigned ptrace_clone_event(const struct task *me, u64 flags, int exit_signal); /* PTRACE_EVENT_*, 0: nobody asked */
void ptrace_inherit(struct task *child, struct task *me); /* the child is new in the tree, and has not run */
void ptrace_unlink(struct task *t);  /* t is traced no more */
void ptrace_exit_tracer(struct task *t, struct list *dead); /* those that t traces go on alone; dead: proc_release()'s */
struct proc;
void ptrace_tell_exit(struct task *t); /* to its tracer */
static inline bool ptrace_by_other(const struct task *t, const struct proc *parent)
{
	return t->ptracer && t->ptracer->proc != parent;
}
