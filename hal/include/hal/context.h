/* SPDX-License-Identifier: MIT */
/* HAL contract: kernel contexts (stacks and register sets) and the switch between them. */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>

struct task;

/*
 * Gives t->ctx a kernel stack (guarded: running over its end is a reported panic, not corruption) and makes it start in
 * entry(arg) with interrupts off, when first switched to. entry never returns. KERR(ENOMEM). May sleep.
 */
kerr_t hal_context_init(struct task *t, void (*entry)(void *arg), void *arg) __must_check;
/* Releases the stack. t is not running on any CPU. May be called from the context of another task only. Any context. */
void hal_context_fini(struct task *t);
/*
 * Saves the running context in prev->ctx and continues next. Called with the run queue's lock held and interrupts off; the lock
 * travels: the one who continues releases it. Switches hal_current(), the kernel stack used on traps, user TLS, FPU and temporary maps.
 * The address space is switched before, by hal_mmu_activate().
 * Hosted: a task is a fiber or a caller's thread; see hosted-posix.
 */
void hal_context_switch(struct task *prev, struct task *next);
/* fork: makes child->ctx hold a copy of the parent's user registers and FPU state, to leave the kernel by the path of a system call
 * with result 0 when first run, after calling entry-side hook sched_finish_switch(). Allocates the stack. KERR(ENOMEM). */
kerr_t hal_context_fork(struct task *child, struct task *parent) __must_check;
/* The user registers saved at the last entry to the kernel; NULL for a task that has no user side. */
struct hal_regs *hal_user_regs(struct task *t);
/* Leaves the kernel for user mode with t's saved registers (after exec, or the first run of init). Current task only. Never returns. */
void hal_enter_user(void) __attribute__((noreturn));
/* FPU state for signal frames, core dumps, ptrace: the FXSAVE image, 512 bytes, aligned to 16. Of current, or of a task that does not run. */
#define HAL_FPU_SIZE 512
void hal_fpu_save(struct task *t, void *buf);
/* KERR(EINVAL) if the image has bits that the CPU refuses. */
kerr_t hal_fpu_load(struct task *t, const void *buf) __must_check;
void hal_fpu_reset(struct task *t); /* current: as a new program finds it */
/*
 * Hardware breakpoints and watchpoints, in the machine's own terms (x86: DR0 to DR3, DR6, DR7; the core's ABI checked them). They hold while t runs in user
 * mode; a hit is a trap with TRAP_HWBKPT, and adds its bits to status. Current, or a task that does not run. A new thread has none.
 */
struct hal_debug {
	unsigned long addr[4], status, control; /* control 0: none */
};
void hal_debug_set(struct task *t, const struct hal_debug *d);
void hal_debug_get(const struct task *t, struct hal_debug *d);
/* User TLS: sets slot 0..2 of the thread's GDT entries (i386), or FS/GS base by slot 0/1 (x86_64). Current or stopped task. */
struct hal_tls {
	u32 base, limit; /* limit in the unit that flags say */
	u32 flags;	 /* bits of struct user_desc, from bit 0: seg_32bit, contents(2), read_exec_only, limit_in_pages, seg_not_present, useable */
};
void hal_tls_set(struct task *t, unsigned slot, const struct hal_tls *tls);
void hal_tls_get(struct task *t, unsigned slot, struct hal_tls *tls);
