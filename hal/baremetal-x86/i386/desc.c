/* SPDX-License-Identifier: MIT */
/*
 * GDT, IDT, TSS and the SYSENTER registers (Intel SDM vol. 3, 3.4.5, 6.10, 7.2, 5.8.7). Selectors are those Linux programs see: user code 0x73,
 * user data 0x7b, TLS 0x33, 0x3b, 0x43. The double fault is a task: its stack does not depend on the one that overflowed.
 */
#include <maestro/lib.h>
#include <maestro/task.h>
#include <x86/x86.h>

struct x86_cpu x86_cpus[HAL_MAX_CPUS] __aligned(64);
static u64 idt[256] __aligned(64);

extern u8 x86_boot_stack[], x86_df_stack[];
extern u8 x86_int80[], x86_sysenter[], x86_df_entry[];

static u64 descriptor(u32 base, u32 limit, u32 access, u32 flags)
{
	u32 lo = (base << 16) | (limit & 0xffff);
	u32 hi = (base & 0xff000000) | (flags << 20) | (limit & 0xf0000) | (access << 8) | ((base >> 16) & 0xff);

	return ((u64)hi << 32) | lo;
}

static u64 gate(u32 target, u32 selector, u32 access)
{
	return ((u64)((target & 0xffff0000) | (access << 8)) << 32) | (selector << 16) | (target & 0xffff);
}

static void gdt_init(struct x86_cpu *c)
{
	struct {
		u16 limit;
		u32 base;
	} __packed ptr = { sizeof(c->gdt) - 1, (u32)c->gdt };

	c->gdt[SEL_KERNEL_CS >> 3] = descriptor(0, 0xfffff, 0x9b, 0xc);
	c->gdt[SEL_KERNEL_DS >> 3] = descriptor(0, 0xfffff, 0x93, 0xc);
	c->gdt[SEL_USER_CS >> 3] = descriptor(0, 0xfffff, 0xfb, 0xc);
	c->gdt[SEL_USER_DS >> 3] = descriptor(0, 0xfffff, 0xf3, 0xc);
	c->gdt[GDT_TSS] = descriptor((u32)&c->tss, sizeof(c->tss) - 1, 0x89, 0);
	c->gdt[GDT_DF_TSS] = descriptor((u32)&c->df_tss, sizeof(c->df_tss) - 1, 0x89, 0);
	__asm__ volatile("lgdt %0\n\t"
			 "ljmp %1, $1f\n"
			 "1:\n\t"
			 "mov %2, %%ds\n\tmov %2, %%es\n\tmov %3, %%ss\n\tmov %4, %%fs\n\tmov %4, %%gs"
			 ::"m"(ptr), "i"(SEL_KERNEL_CS), "r"(SEL_USER_DS), "r"(SEL_KERNEL_DS), "r"(0)
			 : "memory");
}

static void tss_init(struct x86_cpu *c)
{
	c->tss.esp0 = (u32)x86_boot_stack + HAL_KSTACK_SIZE;
	c->tss.ss0 = SEL_KERNEL_DS;
	c->tss.trap_iomap = sizeof(c->tss) << 16; /* no I/O permission map */
	c->df_tss = c->tss;
	c->df_tss.cr3 = (u32)hal_virt_to_phys(x86_kernel_pdpt);
	c->df_tss.eip = (u32)x86_df_entry;
	c->df_tss.eflags = 2;
	c->df_tss.esp = (u32)x86_df_stack + HAL_KSTACK_SIZE;
	c->df_tss.cs = SEL_KERNEL_CS;
	c->df_tss.ss = SEL_KERNEL_DS;
	c->df_tss.ds = c->df_tss.es = SEL_USER_DS;
	__asm__ volatile("ltr %w0" ::"r"(GDT_TSS << 3));
	__asm__ volatile("lldt %w0" ::"r"(0)); /* none: what reset leaves there covers user addresses */
}

static void idt_init(void)
{
	struct {
		u16 limit;
		u32 base;
	} __packed ptr = { sizeof(idt) - 1, (u32)idt };

	for (unsigned i = 0; i < 256; i++)
		idt[i] = gate(x86_stub_table[i], SEL_KERNEL_CS, 0x8e);
	/* Programs may use int3 and into. */
	idt[3] = gate(x86_stub_table[3], SEL_KERNEL_CS, 0xee);
	idt[4] = gate(x86_stub_table[4], SEL_KERNEL_CS, 0xee);
	idt[8] = gate(0, GDT_DF_TSS << 3, 0x85);
	idt[VECTOR_SYSCALL] = gate((u32)x86_int80, SEL_KERNEL_CS, 0xee);
	__asm__ volatile("lidt %0" ::"m"(ptr));
}

void x86_desc_init(void)
{
	struct x86_cpu *c = x86_this_cpu();

	gdt_init(c);
	tss_init(c);
	idt_init();
	if (x86_has_sysenter) {
		x86_wrmsr(MSR_SYSENTER_CS, SEL_KERNEL_CS);
		x86_wrmsr(MSR_SYSENTER_ESP, (u32)&c->tss.esp0);
		x86_wrmsr(MSR_SYSENTER_EIP, (u32)x86_sysenter);
	}
}
