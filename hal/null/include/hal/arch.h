/* SPDX-License-Identifier: MIT */
/* The null port: no machine. Types and hot functions a port must give; see hal/include/hal/cpu.h. */
#pragma once

#include <maestro/types.h>

#define HAL_MAX_CPUS 1
#define HAL_KSTACK_SIZE 16384UL
#define HAL_USER_START 0x1000UL
#define HAL_USER_END 0xC0000000UL
#define HAL_ELF_MACHINE 0
#define HAL_HWCAP 0UL
#define HAL_PLATFORM "null"
#define HAL_KMAP_DEPTH 4

struct kernel;
struct task;
/* What the context switch of the port saves; here nothing. */
struct hal_context {
	void *stack;
};
/* The root of the port's translation tables; here nothing. */
struct hal_mmu {
	void *root;
};

extern struct kernel *null_kernel;
extern struct task *null_current;
static inline struct kernel *hal_kernel(void)
{
	return null_kernel;
}
static inline struct task *hal_current(void)
{
	return null_current;
}
static inline unsigned long hal_irq_save(void)
{
	return 0;
}
static inline void hal_irq_restore(unsigned long flags)
{
	(void)flags;
}
static inline void hal_irq_enable(void)
{
}
static inline void hal_cpu_relax(void)
{
}
static inline u64 hal_cycles(void)
{
	return 0;
}
static inline bool hal_is_direct(paddr_t pa)
{
	(void)pa;
	return true;
}
static inline void *hal_phys_to_virt(paddr_t pa)
{
	return (void *)(uintptr_t)pa;
}
static inline paddr_t hal_virt_to_phys(const void *va)
{
	return (paddr_t)(uintptr_t)va;
}
