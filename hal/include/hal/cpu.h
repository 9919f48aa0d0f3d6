/* SPDX-License-Identifier: MIT */
/*
 * HAL contract: processors and interrupts.
 *
 * hal/arch.h, found by include path, belongs to the backend. It defines, inline, the hot functions and the types
 * that the core embeds:
 *   struct kernel *hal_kernel(void)        the kernel instance (bare metal: an address; hosted: the one entered)
 *   struct task *hal_current(void)         the running task; before the first switch: the boot task
 *   unsigned long hal_irq_save(void)       turns interrupts off on this CPU, returns the state before
 *   void hal_irq_restore(unsigned long)    back to that state
 *   void hal_irq_enable(void)
 *   void hal_cpu_relax(void)               a hint inside a spin loop
 *   u64 hal_cycles(void)                   a cheap counter for entropy and traces; any rate
 *   void *hal_phys_to_virt(paddr_t)        only for addresses in the direct map (hal_is_direct)
 *   bool hal_is_direct(paddr_t)
 *   paddr_t hal_virt_to_phys(const void *)
 *   struct hal_context, struct hal_mmu     what a task and an address space carry for the backend
 *   HAL_MAX_CPUS, HAL_KSTACK_SIZE, HAL_USER_START, HAL_USER_END, HAL_ELF_MACHINE, HAL_HWCAP, HAL_PLATFORM
 * Hosted: interrupts are off means that the vCPU takes no upcall; the two calls are a counter.
 */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>

/* How many CPUs the core shall use: 1..HAL_MAX_CPUS. Constant after boot. */
unsigned hal_cpu_count(void);
/* Starts CPU `cpu`; it calls upcall_cpu_start(). KERR(ENODEV) if it does not answer. May sleep. */
kerr_t hal_cpu_start(unsigned cpu) __must_check;
/*
 * Waits until an interrupt may have made work: called by the idle task with interrupts off; returns with them on
 * (enable-and-halt is atomic: no wake-up is lost).
 */
void hal_cpu_idle(void);
/* Makes another CPU run upcall_kick(); used to have it look at its run queue. Any context. */
void hal_cpu_kick(unsigned cpu);
