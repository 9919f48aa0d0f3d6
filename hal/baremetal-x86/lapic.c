/* SPDX-License-Identifier: MIT */
/* The local APIC: its one-shot timer, and passing on what the 8259A sends (virtual wire). Intel SDM vol. 3, chapter 10. */
#include <hal/memory.h>
#include <maestro/atomic.h>
#include <x86/x86.h>

enum { REG_ID = 0x20, REG_TPR = 0x80, REG_EOI = 0xb0, REG_SVR = 0xf0, REG_LVT_TIMER = 0x320, REG_LVT_LINT0 = 0x350, REG_LVT_LINT1 = 0x360,
       REG_LVT_ERROR = 0x370, REG_TIMER_INIT = 0x380, REG_TIMER_COUNT = 0x390, REG_TIMER_DIV = 0x3e0 };
#define LVT_MASKED 0x10000u

static volatile u8 *regs;

static u32 reg_read(u32 reg)
{
	return *(volatile u32 *)(volatile void *)(regs + reg);
}
static void reg_write(u32 reg, u32 v)
{
	*(volatile u32 *)(volatile void *)(regs + reg) = v;
}

/*
 * Early: no allocation is possible, so the registers are mapped in stack slot 0, of which the boot task uses only the first four pages
 * (for its temporary maps).
 */
bool x86_lapic_init(void)
{
	u64 base = x86_rdmsr(MSR_APIC_BASE);
	uintptr_t va = X86_SLOT_BASE + 7 * PAGE_SIZE;

	if (!(base & 0x800)) {
		base |= 0x800;
		x86_wrmsr(MSR_APIC_BASE, base);
	}
	*x86_kernel_pte_known(va) = (base & PTE_ADDR) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_PCD | PTE_PWT | x86_pte_nx;
	x86_invlpg(va);
	regs = (volatile u8 *)va;
	reg_write(REG_TPR, 0);
	reg_write(REG_SVR, 0x100 | VECTOR_SPURIOUS);
	if (!(reg_read(REG_SVR) & 0x100))
		return false;
	reg_write(REG_LVT_LINT0, 0x700);
	reg_write(REG_LVT_LINT1, 0x400);
	reg_write(REG_LVT_ERROR, LVT_MASKED);
	reg_write(REG_TIMER_DIV, 3); /* by 16 */
	reg_write(REG_LVT_TIMER, LVT_MASKED | VECTOR_TIMER);
	return true;
}

void x86_lapic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

void x86_lapic_timer_mode(bool tsc_deadline)
{
	reg_write(REG_LVT_TIMER, VECTOR_TIMER | (tsc_deadline ? 0x40000 : 0));
	memory_barrier();
}

void x86_lapic_timer_set(u32 count)
{
	reg_write(REG_TIMER_INIT, count);
}

u32 x86_lapic_timer_count(void)
{
	return reg_read(REG_TIMER_COUNT);
}
