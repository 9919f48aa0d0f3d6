/* SPDX-License-Identifier: MIT */
/* The other half of the contract: what a backend calls in the core. */
#pragma once

#include <hal/arch.h>
#include <maestro/types.h>

struct hal_regs;
struct task;

/*
 * The first call, on the boot CPU, on a stack that becomes the idle task's, interrupts off, hal_kernel() zeroed.
 * Bare metal: never returns (the boot context ends as the idle loop). Hosted: calls kernel_start() directly instead.
 */
void upcall_boot(void);
/* The calling context, hal_current() a zeroed task of its own, becomes the idle task of another CPU; returns. Bare metal then calls sched_idle_loop(). */
void upcall_cpu_start(unsigned cpu);
/*
 * A system call of the current task: number and arguments in regs, by the ABI (core/abi). Interrupts on. The result is written to regs.
 * The backend then calls upcall_user_return() if hal_current()->work is not 0, and leaves.
 */
void upcall_syscall(struct hal_regs *regs);
/* Signals, rescheduling, tracing before user mode. Interrupts off at entry and at return; on in between. Loops until no work is left. */
void upcall_user_return(struct hal_regs *regs);
/*
 * A page fault on a user address. From user mode (regs is the user's), or from a user copy in the kernel (user false).
 * Interrupts on; may sleep. Returns true if mended; false (only with user == false) if the copy shall fail.
 * From user mode an unmendable fault queues SIGSEGV or SIGBUS and returns true.
 */
enum { FAULT_WRITE = 1, FAULT_EXEC = 2, FAULT_PRESENT = 4, FAULT_USER = 8 };
bool upcall_page_fault(struct hal_regs *regs, uaddr_t addr, unsigned flags);
/* Another trap in user mode (division, invalid opcode, breakpoint, debug, alignment, FPU): becomes signal `sig` with si_code, si_addr, and trap number for the frame. */
void upcall_user_trap(struct hal_regs *regs, int sig, int code, uaddr_t addr, unsigned trapno, unsigned error);
/* The timer armed by hal_timer_arm() came due. Interrupt context, interrupts off. user: it interrupted user mode (for accounting). */
void upcall_timer(bool user);
/* The last thing of a device interrupt or timer that interrupted kernel mode: preempts if it is due and allowed. Interrupts off. */
void upcall_irq_exit_kernel(void);
/* Every interrupt handler is between these two (nesting count, current stays the interrupted task). */
void upcall_irq_enter(void);
void upcall_irq_leave(void);
/* hal_cpu_kick() reached this CPU. Interrupt context. */
void upcall_kick(void);
