/* SPDX-License-Identifier: MIT */
/* ptrace(2): one task stops another at signals, system calls and events. core/proc/ptrace.c; registers are core/abi's. */
#pragma once

#include <maestro/task.h>

enum { PTRACE_EVENT_FORK = 1, PTRACE_EVENT_VFORK, PTRACE_EVENT_CLONE, PTRACE_EVENT_EXEC, PTRACE_EVENT_VFORK_DONE, PTRACE_EVENT_EXIT,
       PTRACE_EVENT_STOP = 128 };
enum { PTRACE_OP_NONE, PTRACE_OP_ENTRY, PTRACE_OP_EXIT };

/* --- by the traced task, of itself; may sleep, no lock held --- */
/* It stops before a signal is acted on; the signal that is left of it, 0: none. info is changed with it. */
int ptrace_signal(struct siginfo *info);
void ptrace_group_stop(int sig);     /* a stop signal was let through */
void ptrace_trap_stop(void);	     /* PTRACE_INTERRUPT, or a new child of a seized task */
void ptrace_syscall(bool entry);     /* TASK_PTRACE_SYSCALL is set */
void ptrace_event(unsigned event, unsigned long message); /* if its tracer wants to know */
void ptrace_exec(void);
/* --- tree lock held --- */
unsigned ptrace_clone_event(const struct task *me, u64 flags, int exit_signal); /* PTRACE_EVENT_*, 0: nobody asked */
void ptrace_inherit(struct task *child, struct task *me); /* the child is new in the tree, and has not run */
void ptrace_unlink(struct task *t);  /* t is traced no more */
void ptrace_exit_tracer(struct task *t); /* those that t traces go on alone */
struct proc;
void ptrace_tell_exit(struct proc *p); /* p is a zombie, traced by another than its parent */
static inline bool ptrace_by_other(const struct task *t, const struct proc *parent)
{
	return t->ptracer && t->ptracer->proc != parent;
}
