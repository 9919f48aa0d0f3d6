/* SPDX-License-Identifier: MIT */
/* i386 PC: the hot part of the contract (hal/include/hal/cpu.h). Kernel at 0xC0000000, PAE, kernel stacks aligned to their size. */
#pragma once

#include <maestro/types.h>

#define HAL_MAX_CPUS 8
#define HAL_KSTACK_SIZE 8192UL
#define HAL_USER_START 0x1000UL
#define HAL_USER_END 0xC0000000UL
#define HAL_ELF_MACHINE 3 /* EM_386 */
#define HAL_PLATFORM "i686"
#define HAL_KMAP_DEPTH 4
#define HAL_DIRECT_BASE 0xC0000000UL
#define HAL_DIRECT_SIZE 0x30000000UL /* 768 MiB of direct map; then vmap, stacks, device maps */
extern u32 x86_hwcap; /* CPUID.1:EDX */
#define HAL_HWCAP ((unsigned long)x86_hwcap)

struct kernel;
struct task;

struct hal_context {
	u32 esp;	     /* saved stack pointer while not running */
	void *stack;	     /* lowest byte of the kernel stack; its first word points back to the task */
	u8 *fpu;	     /* 512-byte FXSAVE image, 16-byte aligned; NULL: kernel thread */
	unsigned kmap_depth; /* the maps lie beside the stack: they need no switch */
	bool user;	     /* has a user side: its registers are at the top of the stack */
	u64 tls_desc[3];     /* GDT entries 6..8 of this thread */
	u32 dr[4], dr6, dr7; /* debug registers; dr6: the bits that are set when something happened. dr7 0: off */
};
struct hal_mmu {
	paddr_t cr3;	/* the page-directory-pointer table's frame */
	u64 *pdpt;
	u64 *pd[3];	/* user page directories, NULL until used */
	u32 table_pages;
};

extern struct kernel the_kernel;
static inline struct kernel *hal_kernel(void)
{
	return &the_kernel;
}
static inline struct task *hal_current(void)
{
	uintptr_t sp;

	__asm__("mov %%esp, %0" : "=r"(sp));
	return *(struct task **)(sp & ~(HAL_KSTACK_SIZE - 1));
}
static inline unsigned long hal_irq_save(void)
{
	unsigned long flags;

	__asm__ volatile("pushfl; popl %0; cli" : "=r"(flags)::"memory");
	return flags;
}
static inline void hal_irq_restore(unsigned long flags)
{
	if (flags & 0x200)
		__asm__ volatile("sti" ::: "memory");
}
static inline void hal_irq_enable(void)
{
	__asm__ volatile("sti" ::: "memory");
}
static inline void hal_cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}
static inline u64 hal_cycles(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((u64)hi << 32) | lo;
}
static inline bool hal_is_direct(paddr_t pa)
{
	return pa < HAL_DIRECT_SIZE;
}
static inline void *hal_phys_to_virt(paddr_t pa)
{
	return (void *)(HAL_DIRECT_BASE + (uintptr_t)pa);
}
static inline paddr_t hal_virt_to_phys(const void *va)
{
	return (uintptr_t)va - HAL_DIRECT_BASE;
}
