/* SPDX-License-Identifier: MIT */
/* A host process: the hot part of the contract (hal/include/hal/cpu.h). "Physical memory" is the instance's arena; physical address 0 is its first byte. */
#pragma once

#include <maestro/types.h>

#define HAL_MAX_CPUS 8
#define HAL_KSTACK_SIZE 65536UL
#define HAL_USER_START 0x1000UL
#define HAL_USER_END 0x800000000000UL
#define HAL_ELF_MACHINE 62 /* EM_X86_64 */
#define HAL_HWCAP 0UL
#define HAL_PLATFORM "x86_64"
#define HAL_KMAP_DEPTH 4

struct kernel;
struct task;

struct hal_context {
	struct hosted_fiber *fiber; /* NULL for a caller's thread */
	struct host_thread *thread; /* of a caller; NULL for a fiber */
};
struct hal_mmu {
	void *root; /* software page table: radix tree of struct hal_pte, in the arena */
	u32 table_pages;
};

/* Per host thread; the calling thread's entry into an instance. All words, so that an index names a field. */
struct hosted_tls {
	struct task *running;
	struct kernel *kernel;
	u8 *arena;
	unsigned long irq_off;
	void *vcpu;   /* struct hosted_vcpu */
	void *thread; /* struct host_thread */
	void *inst;   /* struct hosted */
	unsigned long preemption; /* of inst; 0: kernel code is not preempted at random */
};
extern __thread struct hosted_tls hosted_tls __attribute__((tls_model("initial-exec")));

/*
 * A fiber may go on in another thread after a switch, so the compiler must not keep the address of hosted_tls over a call: each access finds it anew
 * through %fs, in code that it cannot see into.
 */
#define HOSTED_TLS_OFFSET(off_)                                                             \
	({                                                                                   \
		unsigned long tls_off_;                                                          \
		__asm__("mov hosted_tls@gottpoff(%%rip), %0" : "=r"(tls_off_));                  \
		tls_off_ + (off_);                                                               \
	})
#define HOSTED_TLS_GET(field_)                                                              \
	({                                                                                   \
		__typeof__(((struct hosted_tls *)0)->field_) tls_val_;                           \
		__asm__ volatile("movq %%fs:(%1), %0"                                            \
				 : "=r"(tls_val_)                                                        \
				 : "r"(HOSTED_TLS_OFFSET(__builtin_offsetof(struct hosted_tls, field_))) \
				 : "memory");                                                            \
		tls_val_;                                                                        \
	})
#define HOSTED_TLS_SET(field_, value_)                                                         \
	({                                                                                      \
		__typeof__(((struct hosted_tls *)0)->field_) tls_new_ = (value_);                    \
		__asm__ volatile("movq %0, %%fs:(%1)"                                                \
				 :                                                                           \
				 : "r"(tls_new_), "r"(HOSTED_TLS_OFFSET(__builtin_offsetof(struct hosted_tls, field_))) \
				 : "memory");                                                                \
	})

static inline struct kernel *hal_kernel(void)
{
	return HOSTED_TLS_GET(kernel);
}
static inline struct task *hal_current(void)
{
	return HOSTED_TLS_GET(running);
}
/* Interrupts were allowed again; with a seed, one may have come. */
void hosted_preempt_point(void);
static inline void hosted_irqs_on(void)
{
	if (__builtin_expect(HOSTED_TLS_GET(preemption) != 0, 0))
		hosted_preempt_point();
}
static inline unsigned long hal_irq_save(void)
{
	unsigned long depth = HOSTED_TLS_GET(irq_off);

	HOSTED_TLS_SET(irq_off, depth + 1);
	return depth;
}
static inline void hal_irq_restore(unsigned long flags)
{
	HOSTED_TLS_SET(irq_off, flags);
	if (!flags)
		hosted_irqs_on();
}
static inline void hal_irq_enable(void)
{
	HOSTED_TLS_SET(irq_off, 0);
	hosted_irqs_on();
}
static inline void hal_cpu_relax(void)
{
	__builtin_ia32_pause();
}
u64 hal_cycles(void); /* with a seed: a counter, so that runs repeat */
static inline bool hal_is_direct(paddr_t pa)
{
	(void)pa;
	return true;
}
static inline void *hal_phys_to_virt(paddr_t pa)
{
	return HOSTED_TLS_GET(arena) + pa;
}
static inline paddr_t hal_virt_to_phys(const void *va)
{
	return (paddr_t)((const u8 *)va - HOSTED_TLS_GET(arena));
}
