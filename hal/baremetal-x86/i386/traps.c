/* SPDX-License-Identifier: MIT */
/*
 * Exceptions. From user mode they become page faults for the core or signals, with Linux's choice of signal and code; from kernel mode they are
 * either an access to user memory that has a fixup, or a bug: then the registers are printed and the kernel panics.
 * Intel SDM vol. 3, 6.15.
 */
#include <hal/platform.h>
#include <hal/regs_i386.h>
#include <hal/upcall.h>
#include <maestro/assert.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/signal.h>
#include <maestro/task.h>
#include <x86/x86.h>

enum { TRAP_DE = 0, TRAP_DB = 1, TRAP_BP = 3, TRAP_UD = 6, TRAP_GP = 13, TRAP_PF = 14, TRAP_MF = 16, TRAP_AC = 17, TRAP_XM = 19, TRAP_COUNT = 32 };
enum { PF_PRESENT = 1, PF_WRITE = 2, PF_FETCH = 16 };
#define EFLAGS_TF 0x100u
#define EFLAGS_IF 0x200u

struct fixup {
	u32 insn, target;
};
extern const struct fixup x86_fixup_start[], x86_fixup_end[];
extern u8 x86_df_stack[];

/* A few dozen entries, looked at only when an access failed. */
uintptr_t x86_fixup_find(uintptr_t eip)
{
	for (const struct fixup *f = x86_fixup_start; f < x86_fixup_end; f++)
		if (f->insn == eip)
			return f->target;
	return 0;
}

static const char *const names[TRAP_COUNT] = { "divide error", "debug", "NMI", "breakpoint", "overflow", "bound range", "invalid opcode",
					       "device not available", "double fault", "coprocessor overrun", "invalid TSS", "segment not present",
					       "stack fault", "general protection", "page fault", "reserved", "x87 error", "alignment check",
					       "machine check", "SIMD error" };

static void registers_print(const struct hal_regs *r, u32 cr2)
{
	klog(LOG_EMERG, "EIP %04x:%08x  EFLAGS %08x  CR2 %08x  CR3 %08x", r->cs & 0xffff, r->eip, r->eflags, cr2, x86_read_cr3());
	klog(LOG_EMERG, "EAX %08x  EBX %08x  ECX %08x  EDX %08x", r->eax, r->ebx, r->ecx, r->edx);
	klog(LOG_EMERG, "ESI %08x  EDI %08x  EBP %08x  ESP %08x", r->esi, r->edi, r->ebp, (u32)&r->esp);
}

static void __cold frames_print(const struct hal_regs *r)
{
	u32 pc = r->eip, bp = r->ebp;

	for (int i = 0; i < 24; i++) {
		u32 back = i ? 1 : 0; /* a return address may stand after the end of the function that called */
		const char *name = "?";
		size_t off = 0;

		(void)hal_symbol(pc - back, &name, &off);
		klog(LOG_EMERG, "  %08x %s+0x%zx", pc, name, off + back);
		if (bp < (u32)r || (bp ^ (u32)r) & ~(HAL_KSTACK_SIZE - 1) || bp & 3)
			return;
		pc = ((u32 *)bp)[1];
		bp = ((u32 *)bp)[0];
	}
}

static void __cold __noreturn kernel_trap(const struct hal_regs *regs, u32 error, u32 trapno, u32 cr2)
{
	registers_print(regs, cr2);
	frames_print(regs);
	if (trapno == TRAP_PF)
		panic("the kernel cannot %s address %08x (error %x)", error & PF_FETCH ? "execute" : error & PF_WRITE ? "write" : "read", cr2, error);
	panic("%s in the kernel (trap %u, error %x)", names[trapno] ? names[trapno] : "trap", trapno, error);
}

static void page_fault(struct hal_regs *regs, u32 error)
{
	u32 cr2 = x86_read_cr2();
	unsigned flags = ((error & PF_PRESENT) ? FAULT_PRESENT : 0) | ((error & PF_WRITE) ? FAULT_WRITE : 0) | ((error & PF_FETCH) ? FAULT_EXEC : 0);
	uintptr_t fixup;

	if (regs->cs & 3) {
		hal_irq_enable();
		(void)upcall_page_fault(regs, cr2, flags | FAULT_USER);
		return;
	}
	fixup = x86_fixup_find(regs->eip);
	if (!fixup)
		kernel_trap(regs, error, TRAP_PF, cr2);
	/* With interrupts off, or where faults are disabled, nothing may be paged in. */
	if (cr2 < HAL_USER_END && (regs->eflags & EFLAGS_IF) && !hal_current()->pagefault_disabled) {
		hal_irq_enable();
		if (upcall_page_fault(regs, cr2, flags))
			return;
	}
	regs->eip = (u32)fixup;
}

static int x87_code(u32 status)
{
	if (status & 1)
		return FPE_FLTINV;
	if (status & 4)
		return FPE_FLTDIV;
	if (status & 8)
		return FPE_FLTOVF;
	if (status & (2 | 16))
		return FPE_FLTUND;
	return FPE_FLTRES;
}

static int fpu_code(u32 trapno)
{
	u32 mxcsr;
	u16 status, control;

	if (trapno == TRAP_MF) {
		__asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(status), "=m"(control));
		return x87_code(status & ~(u32)control & 0x3f);
	}
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return x87_code(~(mxcsr >> 7) & mxcsr & 0x3f);
}

/* The signal of each trap; 0: one the program cannot cause, our bug. */
static const u8 signals[TRAP_COUNT] = { SIGFPE, SIGTRAP, 0, SIGTRAP, SIGSEGV, SIGSEGV, SIGILL, SIGSEGV, 0, SIGFPE, SIGSEGV, SIGBUS, SIGBUS, SIGSEGV,
					0, 0, SIGFPE, SIGBUS, 0, SIGFPE };

#define DR6_IDLE 0xffff0ff0u /* the bits that read as 1 */
#define DR6_HITS 0xfu
#define DR6_STEP 0x4000u
#define EFLAGS_RF 0x10000u

/* What happened, as a code of SIGTRAP. A breakpoint on an instruction is a fault: RF lets it run the next time (SDM vol. 3, 18.3.1.1). */
static int debug_code(struct hal_regs *regs)
{
	struct hal_context *c = &hal_current()->ctx;
	u32 dr6;

	__asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
	__asm__ volatile("mov %0, %%dr6" ::"r"(DR6_IDLE));
	dr6 &= DR6_STEP | DR6_HITS;
	for (unsigned i = 0; i < 4; i++) {
		u32 enabled = c->dr7 >> (2 * i) & 3;

		if (!enabled)
			dr6 &= ~(1u << i);
		else if ((dr6 & (1u << i)) && !(c->dr7 >> (16 + 4 * i) & 3))
			regs->eflags |= EFLAGS_RF;
	}
	c->dr6 = dr6;
	return dr6 & DR6_STEP ? TRAP_TRACE : dr6 & DR6_HITS ? TRAP_HWBKPT : TRAP_BRKPT;
}

static void user_trap(struct hal_regs *regs, u32 error, u32 trapno)
{
	int code = SI_KERNEL;
	uaddr_t addr = 0;

	switch (trapno) {
	case TRAP_DE:
		code = FPE_INTDIV;
		addr = regs->eip;
		break;
	case TRAP_DB:
		code = debug_code(regs);
		addr = regs->eip;
		break;
	case TRAP_UD:
		code = ILL_ILLOPN;
		addr = regs->eip;
		break;
	case TRAP_AC:
		code = BUS_ADRALN;
		break;
	case TRAP_MF:
	case TRAP_XM:
		code = fpu_code(trapno);
		addr = regs->eip;
		break;
	default:
		break;
	}
	if (trapno >= TRAP_COUNT || !signals[trapno])
		kernel_trap(regs, error, trapno, 0);
	hal_irq_enable();
	upcall_user_trap(regs, signals[trapno], code, addr, trapno, error);
}

void X86_ASMCALL x86_trap(struct hal_regs *regs, u32 error, u32 trapno)
{
	uintptr_t fixup;

	if (likely(trapno == TRAP_PF)) {
		page_fault(regs, error);
	} else if (regs->cs & 3) {
		user_trap(regs, error, trapno);
	} else if ((fixup = x86_fixup_find(regs->eip))) {
		regs->eip = (u32)fixup;
	} else if (trapno == TRAP_DB) {
		regs->eflags &= ~EFLAGS_TF;
		__asm__ volatile("mov %0, %%dr6" ::"r"(DR6_IDLE)); /* a watched word of the program, used on its behalf */
	} else {
		kernel_trap(regs, error, trapno, 0);
	}
}

/* IRET refused the program's CS, SS or flags: as on Linux that is the program's segmentation fault. */
void X86_ASMCALL x86_bad_iret(struct hal_regs *regs)
{
	hal_irq_enable();
	upcall_user_trap(regs, SIGSEGV, SI_KERNEL, 0, TRAP_GP, 0);
}

/* On a stack of its own: the stack pointer is usually in a guard. */
void X86_ASMCALL x86_double_fault(void)
{
	const struct x86_tss *t = &x86_this_cpu()->tss;
	struct hal_regs r = { .ebx = t->ebx, .ecx = t->ecx, .edx = t->edx, .esi = t->esi, .edi = t->edi, .ebp = t->ebp, .eax = t->eax,
			      .eip = t->eip, .cs = t->cs, .eflags = t->eflags, .esp = t->esp };
	uintptr_t slot = t->esp & ~(X86_SLOT_SIZE - 1), stack = t->esp & ~(HAL_KSTACK_SIZE - 1);
	bool overflow = t->esp >= X86_SLOT_BASE && t->esp < X86_DEVICE_BASE && (t->esp - slot) < X86_SLOT_STACK + 64;

	if (overflow)
		stack = slot + X86_SLOT_STACK;
	/* hal_current() works here too. */
	*(struct task **)x86_df_stack = *(struct task **)stack;
	registers_print(&r, x86_read_cr2());
	klog(LOG_EMERG, "ESP was %08x", t->esp);
	for (u32 bp = r.ebp, i = 0; i < 16 && (bp & ~(HAL_KSTACK_SIZE - 1)) == stack && !(bp & 3); bp = *(u32 *)bp, i++) {
		const char *name = "?";
		size_t off = 0;

		(void)hal_symbol(((u32 *)bp)[1] - 1, &name, &off);
		klog(LOG_EMERG, "  %08x %s+0x%zx", ((u32 *)bp)[1], name, off + 1);
	}
	if (overflow)
		panic("kernel stack overflow in %s", hal_current()->comm);
	panic("double fault");
}
