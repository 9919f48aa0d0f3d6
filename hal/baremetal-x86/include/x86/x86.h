/* SPDX-License-Identifier: MIT */
/*
 * What the files of the PC backend share: instructions that C lacks, interrupt lines, address layout, per-CPU tables.
 * Drivers use the first two parts (ports, x86_irq_register); the rest is the backend's own.
 */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>

/* --- ports --- */
static inline u8 inb(u16 port)
{
	u8 v;

	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u16 inw(u16 port)
{
	u16 v;

	__asm__ volatile("inw %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline u32 inl(u16 port)
{
	u32 v;

	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outw(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}
static inline void outl(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port));
}
static inline void insw(u16 port, void *buf, size_t words)
{
	__asm__ volatile("rep insw" : "+D"(buf), "+c"(words) : "d"(port) : "memory");
}
/* A port write that takes about a microsecond on every PC. */
static inline void x86_io_wait(void)
{
	outb(0x80, 0);
}

/* --- interrupt lines (irq.c) --- */
/*
 * Has fn(arg) called, interrupts off, when line `irq` (ISA number: what the PCI interrupt line register holds too) is raised. Lines may be
 * shared: fn looks whether its device asked. Never undone. KERR(EINVAL), KERR(ENOMEM). May sleep.
 */
kerr_t x86_irq_register(unsigned irq, void (*fn)(void *arg), void *arg) __must_check;
/* Spins for at least `us` microseconds. Any context, after x86_time_init(). */
void x86_delay_us(u32 us);

/* --- processor --- */
struct x86_cpuid {
	u32 a, b, c, d;
};
static inline struct x86_cpuid x86_cpuid(u32 leaf, u32 sub)
{
	struct x86_cpuid r;

	__asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(sub));
	return r;
}
static inline u64 x86_rdmsr(u32 msr)
{
	u32 lo, hi;

	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return ((u64)hi << 32) | lo;
}
static inline void x86_wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
#define X86_READ_CR(n)                                                    \
	static inline u32 x86_read_cr##n(void)                            \
	{                                                                 \
		u32 v;                                                    \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)::"memory"); \
		return v;                                                 \
	}
X86_READ_CR(0)
X86_READ_CR(2)
X86_READ_CR(3)
X86_READ_CR(4)
static inline void x86_write_cr0(u32 v)
{
	__asm__ volatile("mov %0, %%cr0" ::"r"(v) : "memory");
}
static inline void x86_write_cr3(u32 v)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(v) : "memory");
}
static inline void x86_write_cr4(u32 v)
{
	__asm__ volatile("mov %0, %%cr4" ::"r"(v) : "memory");
}
static inline void x86_invlpg(uintptr_t va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}
static inline void x86_cli(void)
{
	__asm__ volatile("cli" ::: "memory");
}

enum {
	MSR_APIC_BASE = 0x1b,
	MSR_SYSENTER_CS = 0x174,
	MSR_SYSENTER_ESP = 0x175,
	MSR_SYSENTER_EIP = 0x176,
	MSR_TSC_DEADLINE = 0x6e0,
	MSR_EFER = 0xc0000080,
};
/* CPUID.1:EDX */
#define CPU_TSC (1u << 4)
#define CPU_PAE (1u << 6)
#define CPU_APIC (1u << 9)
#define CPU_SEP (1u << 11)
#define CPU_PGE (1u << 13)
#define CPU_PSE36 (1u << 17)
#define CPU_FXSR (1u << 24)
#define CPU_SSE (1u << 25)
#define CPU_SSE2 (1u << 26)

/* Set by x86_cpu_init(), constant after. */
extern bool x86_copy_wide; /* copy.S may use XMM registers */
extern bool x86_has_nx, x86_has_erms, x86_has_rdrand, x86_has_tsc_deadline, x86_has_sysenter, x86_has_apic;
extern char x86_vendor[13];
extern u32 x86_mxcsr_mask; /* the bits a program may set */
extern u32 x86_phys_bits; /* of a physical address */

/* --- boot, in this order (i386/start.c) --- */
void x86_cpu_init(void);		   /* looks at CPUID; ends with a message if the CPU is too old */
void x86_boot_parse(u32 magic, u32 info);  /* multiboot: command line, memory map, modules; boot page tables active */
void x86_paging_init(void);		   /* the final kernel page tables: W^X, NX, direct map */
void x86_desc_init(void);		   /* GDT, IDT, TSS, SYSENTER */
void x86_irq_init(void);
void x86_time_init(void);
void x86_acpi_init(void);
/* ACPI's root pointer as the boot loader passed it, or 0. */
extern paddr_t x86_boot_rsdp;
void x86_fatal(const char *text) __noreturn; /* before panic() works */

/* --- kernel addresses (i386/paging.c) --- */
/* 0xF0000000: 4096 stack slots of 32 KiB: 4 pages for temporary maps, 2 unmapped pages (the guard), 2 pages of stack. */
#define X86_SLOT_BASE 0xF0000000UL
#define X86_SLOT_SIZE 0x8000UL
#define X86_SLOT_COUNT 4096u
#define X86_SLOT_STACK 0x6000UL
#define X86_DEVICE_BASE 0xF8000000UL
#define X86_DEVICE_END 0xFFC00000UL

#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_U 4ull
#define PTE_PWT 8ull
#define PTE_PCD 0x10ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_LARGE 0x80ull
#define PTE_G 0x100ull
#define PTE_SPECIAL 0x200ull
#define PTE_SOFT_NX 0x400ull /* what stands for NX on a CPU without it */
#define PTE_HW_NX (1ull << 63)
#define PTE_ADDR 0x000ffffffffff000ull
extern u64 x86_pte_nx; /* PTE_HW_NX, or PTE_SOFT_NX */
extern u64 x86_kernel_pd[512], x86_kernel_pdpt[4];
/* The entry of a kernel address above the direct map; makes its table if it is missing. NULL: no memory. Any context. */
u64 *x86_kernel_pte(uintptr_t va);
/* The same where the table is known to exist. */
static inline u64 *x86_kernel_pte_known(uintptr_t va)
{
	u64 *pt = (u64 *)hal_phys_to_virt(x86_kernel_pd[(va >> 21) & 511] & PTE_ADDR);

	return &pt[(va >> 12) & 511];
}
/* The upper half of an entry changes only while it is not present: the CPU never sees half of one. */
static inline void x86_pte_write(u64 *pte, u64 v)
{
	volatile u32 *half = (volatile u32 *)(volatile void *)pte;

	half[0] = 0;
	half[1] = (u32)(v >> 32);
	half[0] = (u32)v;
}
extern paddr_t x86_direct_end; /* how far the direct map really reaches */
extern char x86_image_start[], x86_text_end[], x86_rodata_end[], x86_image_end[];

/* A page anywhere in memory, mapped for a moment: interrupts off from one call to the other, no nesting. For drivers that must copy. */
void *x86_irq_map(paddr_t frame);
void x86_irq_unmap(void);

/* --- per-CPU tables (i386/desc.c) --- */
#define SEL_KERNEL_CS 0x60
#define SEL_KERNEL_DS 0x68
#define SEL_USER_CS 0x73
#define SEL_USER_DS 0x7b
#define GDT_TLS 6
#define GDT_TSS 16
#define GDT_DF_TSS 17
struct x86_tss {
	u32 link, esp0, ss0, esp1, ss1, esp2, ss2, cr3, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi;
	u32 es, cs, ss, ds, fs, gs, ldt, trap_iomap;
};
_Static_assert(sizeof(struct x86_tss) == 104, "Intel SDM vol. 3, 8.2.1");
struct x86_cpu {
	u64 gdt[32];
	/* SYSENTER starts with its stack pointer at tss.esp0 and loads it; an NMI or a debug trap there pushes a few words here. */
	u32 sysenter_stack[62];
	struct x86_tss tss;
	struct x86_tss df_tss;
	u8 *fpu_owner;		   /* whose FXSAVE image the FPU registers equal, or NULL */
	struct hal_mmu *active_mmu; /* NULL: the kernel's tables */
};
extern struct x86_cpu x86_cpus[HAL_MAX_CPUS];
static inline struct x86_cpu *x86_this_cpu(void)
{
	return &x86_cpus[0]; /* one processor is started so far */
}

struct hal_regs;
/* Assembly calls these with arguments in registers, however the rest is compiled. */
#define X86_ASMCALL __attribute__((regparm(3)))
void X86_ASMCALL x86_trap(struct hal_regs *regs, u32 error, u32 trapno);
void X86_ASMCALL x86_irq(struct hal_regs *regs, u32 vector);
void X86_ASMCALL x86_bad_iret(struct hal_regs *regs);
void X86_ASMCALL x86_start(u32 magic, u32 info) __noreturn;
void X86_ASMCALL x86_double_fault(void) __noreturn;
/* Saves the callee-saved registers and the stack pointer, continues at next_esp. */
void X86_ASMCALL x86_switch_stack(u32 *prev_esp, u32 next_esp);
/* Where an interrupted instruction that may fault continues; 0: it may not. */
uintptr_t x86_fixup_find(uintptr_t eip);
extern const u32 x86_stub_table[256];

#define VECTOR_IRQ0 0x20
#define VECTOR_SYSCALL 0x80
#define VECTOR_TIMER 0xef
#define VECTOR_KICK 0xfd
#define VECTOR_SPURIOUS 0xff
void x86_timer_interrupt(bool user); /* time.c */
/* lapic.c */
bool x86_lapic_init(void); /* false: none */
void x86_lapic_eoi(void);
void x86_lapic_timer_set(u32 count);	/* one-shot, divided by 16 */
u32 x86_lapic_timer_count(void);
void x86_lapic_timer_mode(bool tsc_deadline);
/* pci.c */
void x86_pci_probe(void);
/* The drivers of terminals (serial line, screen, keyboard). */
void x86_console_drivers_init(void);
