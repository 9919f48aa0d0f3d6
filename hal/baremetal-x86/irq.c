/* SPDX-License-Identifier: MIT */
/*
 * Interrupt lines through the two 8259A controllers (data sheet; ISA lines 0..15). A line is unmasked when its first handler comes. The local
 * APIC, where there is one, passes them on (virtual wire) and brings the timer.
 */
#include <hal/upcall.h>
#include <hal/regs_i386.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/task.h>
#include <x86/x86.h>

#define PIC1 0x20
#define PIC2 0xA0
#define LINES 16u

struct handler {
	void (*fn)(void *arg);
	void *arg;
	struct handler *next;
};
static struct handler *handlers[LINES]; /* [lines_lock] to write; readers see a complete list at any time */
static struct spinlock lines_lock;	/* RANK_LEAF */
static u16 masked = 0xfffb;		/* [lines_lock] line 2 leads to the second controller */

void x86_irq_init(void)
{
	spin_init(&lines_lock, RANK_LEAF, "x86_irq");
	outb(PIC1, 0x11); /* ICW1: edge, cascade, ICW4 follows */
	x86_io_wait();
	outb(PIC2, 0x11);
	x86_io_wait();
	outb(PIC1 + 1, VECTOR_IRQ0);
	x86_io_wait();
	outb(PIC2 + 1, VECTOR_IRQ0 + 8);
	x86_io_wait();
	outb(PIC1 + 1, 4);
	x86_io_wait();
	outb(PIC2 + 1, 2);
	x86_io_wait();
	outb(PIC1 + 1, 1);
	x86_io_wait();
	outb(PIC2 + 1, 1);
	x86_io_wait();
	outb(PIC1 + 1, (u8)masked);
	outb(PIC2 + 1, (u8)(masked >> 8));
	x86_has_apic = x86_has_apic && x86_lapic_init();
}

kerr_t x86_irq_register(unsigned irq, void (*fn)(void *arg), void *arg)
{
	struct handler *h, **at;
	unsigned long flags;

	if (irq >= LINES || irq == 2)
		return KERR(EINVAL);
	h = kmalloc(sizeof(*h), GFP_KERNEL);
	if (!h)
		return KERR(ENOMEM);
	*h = (struct handler){ fn, arg, NULL };
	flags = spin_lock_irqsave(&lines_lock);
	for (at = &handlers[irq]; *at; at = &(*at)->next)
		;
	store_release(at, h);
	masked &= (u16)~(1u << irq);
	outb(irq < 8 ? PIC1 + 1 : PIC2 + 1, irq < 8 ? (u8)masked : (u8)(masked >> 8));
	spin_unlock_irqrestore(&lines_lock, flags);
	return 0;
}

/* Lines 7 and 15 appear when a request vanished before it was acknowledged; the in-service register tells. */
static bool is_spurious(unsigned irq)
{
	u16 base = irq < 8 ? PIC1 : PIC2;

	if (irq != 7 && irq != 15)
		return false;
	outb(base, 0x0b);
	if (inb(base) & 0x80)
		return false;
	if (irq == 15)
		outb(PIC1, 0x20);
	return true;
}

static void line_interrupt(unsigned irq)
{
	if (is_spurious(irq))
		return;
	for (struct handler *h = load_acquire(&handlers[irq]); h; h = load_acquire(&h->next))
		h->fn(h->arg);
	if (irq >= 8)
		outb(PIC2, 0x20);
	outb(PIC1, 0x20);
}

void X86_ASMCALL x86_irq(struct hal_regs *regs, u32 vector)
{
	if (vector == VECTOR_SPURIOUS)
		return;
	upcall_irq_enter();
	if (vector == VECTOR_TIMER) {
		x86_lapic_eoi();
		x86_timer_interrupt(regs->cs & 3);
	} else if (vector >= VECTOR_IRQ0 && vector < VECTOR_IRQ0 + LINES) {
		if (vector == VECTOR_IRQ0) {
			outb(PIC1, 0x20);
			x86_timer_interrupt(regs->cs & 3);
		} else {
			line_interrupt(vector - VECTOR_IRQ0);
		}
	} else if (vector == VECTOR_KICK) {
		x86_lapic_eoi();
		upcall_kick();
	}
	upcall_irq_leave();
}

/* Unmasks the PIT's line, which has no handler in the list. */
void x86_irq_enable_pit(void);
void x86_irq_enable_pit(void)
{
	masked &= (u16)~1u;
	outb(PIC1 + 1, (u8)masked);
}
