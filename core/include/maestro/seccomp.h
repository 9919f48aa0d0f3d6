/* SPDX-License-Identifier: MIT */
/* seccomp(2): a thread gives up system calls, all but four or by a program's choice. core/proc/seccomp.c. */
#pragma once

#include <maestro/task.h>

enum { SECCOMP_DISABLED, SECCOMP_STRICT, SECCOMP_FILTER, SECCOMP_DEAD };
struct seccomp_data;

/* Current is about to make a call (TASK_SECCOMP is set). False: it shall not be made, its result is set. May not return: the call may be the thread's last. */
bool seccomp_enter(struct hal_regs *regs);
void seccomp_inherit(struct task *t, struct task *me); /* t is new, me current. sighand.lock of me held */
void seccomp_release(struct task *t);		       /* t is freed */
unsigned seccomp_filters(const struct task *t);	       /* how many it has, for /proc */
/* prctl(2), PR_SET_SECCOMP */
long seccomp_prctl(unsigned long mode, const void __user *program);

/* --- abi/<arch> --- */
void abi_seccomp_data(const struct hal_regs *regs, struct seccomp_data *d);
void abi_syscall_rollback(struct hal_regs *regs); /* as before the call was made */
