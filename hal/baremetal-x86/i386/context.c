/* SPDX-License-Identifier: MIT */
/*
 * Kernel contexts. A stack is 8 KiB in a slot of its own (X86_SLOT_* in x86.h) with an unmapped guard below; its first word points to the
 * task, which is how hal_current() finds it, and the user registers are at its top. With each stack of a user task comes a FXSAVE image.
 *
 * Freed stacks are kept for the next fork, CACHE_MAX of them, mapped and linked through their second word.
 *
 * FPU: state is saved when a user task leaves the CPU and loaded when the registers hold another's (cpu.fpu_owner): going to a kernel thread and
 * back loads nothing. Intel SDM vol. 3, 13.5.
 */
#include <hal/context.h>
#include <hal/regs_i386.h>
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <maestro/task.h>
#include <x86/x86.h>

#define CACHE_MAX 64u
#define STACK_PAGES 2u
#define EFLAGS_USER 0x202u /* IF and the bit that is always 1 */
#define FCW_DEFAULT 0x37f
#define MXCSR_DEFAULT 0x1f80

void x86_fork_return(void);
void x86_kernel_start(void);
void X86_ASMCALL x86_enter_user(struct hal_regs *regs) __attribute__((noreturn));

/* The lowest words of a stack. */
struct stack_base {
	struct task *task;
	struct stack_base *next; /* [stacks.lock] while free */
	u8 *fpu;		 /* kept while free */
};
/* What the stack pointer of a task that does not run points at; x86_switch_stack pops it. */
struct switch_frame {
	u32 edi, esi, ebx, ebp, eip;
};

static struct {
	struct spinlock lock; /* RANK_LEAF, irqsave */
	bool ready;
	struct stack_base *free;
	unsigned nfree;
	unsigned long used[BITMAP_LONGS(X86_SLOT_COUNT)]; /* slot 0 is the boot task's */
	size_t hint;
} stacks;

static struct hal_regs *user_regs(const struct task *t)
{
	return (struct hal_regs *)((u8 *)t->ctx.stack + HAL_KSTACK_SIZE) - 1;
}

struct hal_regs *hal_user_regs(struct task *t)
{
	return t->ctx.user ? user_regs(t) : NULL;
}

static size_t slot_take(void)
{
	unsigned long flags;
	size_t slot;

	if (!stacks.ready) { /* the first task is made before there is a second CPU */
		spin_init(&stacks.lock, RANK_LEAF, "x86_stacks");
		bitmap_set(stacks.used, 0);
		stacks.ready = true;
	}
	flags = spin_lock_irqsave(&stacks.lock);
	slot = bitmap_find_zero(stacks.used, X86_SLOT_COUNT, stacks.hint);
	if (slot == X86_SLOT_COUNT)
		slot = bitmap_find_zero(stacks.used, X86_SLOT_COUNT, 0);
	if (slot < X86_SLOT_COUNT) {
		bitmap_set(stacks.used, slot);
		stacks.hint = slot + 1;
	}
	spin_unlock_irqrestore(&stacks.lock, flags);
	return slot;
}

static void slot_give(size_t slot)
{
	unsigned long flags = spin_lock_irqsave(&stacks.lock);

	bitmap_clear(stacks.used, slot);
	stacks.hint = MIN(stacks.hint, slot);
	spin_unlock_irqrestore(&stacks.lock, flags);
}

static void stack_unmap(uintptr_t stack, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++) {
		u64 *pte = x86_kernel_pte_known(stack + i * PAGE_SIZE);
		paddr_t pa = *pte & PTE_ADDR;

		*pte = 0;
		x86_invlpg(stack + i * PAGE_SIZE);
		pages_free(phys_to_page(pa), 0);
	}
}

static struct stack_base *stack_make(void)
{
	size_t slot = slot_take();
	uintptr_t stack = X86_SLOT_BASE + slot * X86_SLOT_SIZE + X86_SLOT_STACK;

	if (slot == X86_SLOT_COUNT)
		return NULL;
	for (unsigned i = 0; i < STACK_PAGES; i++) {
		u64 *pte = x86_kernel_pte(stack + i * PAGE_SIZE);
		struct page *p = pte ? pages_alloc(0, GFP_KERNEL) : NULL;

		if (!p) {
			stack_unmap(stack, i);
			slot_give(slot);
			return NULL;
		}
		*pte = page_to_phys(p) | PTE_P | PTE_W | PTE_A | PTE_D | x86_pte_nx;
	}
	((struct stack_base *)stack)->fpu = NULL;
	return (struct stack_base *)stack;
}

static struct stack_base *stack_get(void)
{
	struct stack_base *s = NULL;
	unsigned long flags;

	if (load_relaxed(&stacks.free)) {
		flags = spin_lock_irqsave(&stacks.lock);
		s = stacks.free;
		if (s) {
			stacks.free = s->next;
			stacks.nfree--;
		}
		spin_unlock_irqrestore(&stacks.lock, flags);
	}
	return s ? s : stack_make();
}

static void stack_put(struct stack_base *s)
{
	unsigned long flags = spin_lock_irqsave(&stacks.lock);
	bool keep = stacks.nfree < CACHE_MAX;

	if (keep) {
		s->next = stacks.free;
		stacks.free = s;
		stacks.nfree++;
	}
	spin_unlock_irqrestore(&stacks.lock, flags);
	if (keep)
		return;
	kfree(s->fpu);
	stack_unmap((uintptr_t)s, STACK_PAGES);
	slot_give(((uintptr_t)s - X86_SLOT_BASE) / X86_SLOT_SIZE);
}

/* Gives t a stack on which it starts at `start` with EBX and ESI; `room` bytes at the top stay free. */
static kerr_t stack_attach(struct task *t, bool user, void (*start)(void), u32 ebx, u32 esi, size_t room)
{
	struct stack_base *s = stack_get();
	struct switch_frame *frame;

	if (!s)
		return KERR(ENOMEM);
	if (user && !s->fpu) {
		s->fpu = kmalloc(HAL_FPU_SIZE, GFP_KERNEL);
		if (!s->fpu) {
			stack_put(s);
			return KERR(ENOMEM);
		}
	}
	s->task = t;
	t->ctx.stack = s;
	t->ctx.user = user;
	t->ctx.fpu = user ? s->fpu : NULL;
	if (user && x86_this_cpu()->fpu_owner == s->fpu)
		x86_this_cpu()->fpu_owner = NULL;
	t->ctx.kmap_depth = 0;
	frame = (struct switch_frame *)((uintptr_t)s + HAL_KSTACK_SIZE - room) - 1;
	*frame = (struct switch_frame){ .ebx = ebx, .esi = esi, .eip = (u32)start };
	t->ctx.esp = (u32)frame;
	return 0;
}

static void fpu_image_reset(u8 *image)
{
	u16 fcw = FCW_DEFAULT;
	u32 mxcsr = MXCSR_DEFAULT;

	memset(image, 0, HAL_FPU_SIZE);
	memcpy(image, &fcw, sizeof(fcw));
	memcpy(image + 24, &mxcsr, sizeof(mxcsr));
}

static void fxsave(void *image)
{
	__asm__ volatile("fxsave (%0)" ::"r"(image) : "memory");
}
static void fxrstor(const void *image)
{
	__asm__ volatile("fxrstor (%0)" ::"r"(image) : "memory");
}

kerr_t hal_context_init(struct task *t, void (*entry)(void *arg), void *arg)
{
	bool user = !(t->flags & TASK_KTHREAD);
	kerr_t err = stack_attach(t, user, x86_kernel_start, (u32)entry, (u32)arg, user ? sizeof(struct hal_regs) : 0);

	if (err)
		return err;
	memset(t->ctx.tls_desc, 0, sizeof(t->ctx.tls_desc));
	if (user) {
		*user_regs(t) = (struct hal_regs){ .ds = SEL_USER_DS, .es = SEL_USER_DS, .cs = SEL_USER_CS, .ss = SEL_USER_DS, .eflags = EFLAGS_USER,
						   .orig_eax = U32_MAX };
		fpu_image_reset(t->ctx.fpu);
	}
	return 0;
}

void hal_context_fini(struct task *t)
{
	if (!t->ctx.stack)
		return;
	stack_put(t->ctx.stack);
	t->ctx = (struct hal_context){ 0 };
}

kerr_t hal_context_fork(struct task *child, struct task *parent)
{
	kerr_t err = stack_attach(child, true, x86_fork_return, 0, 0, sizeof(struct hal_regs));

	if (err)
		return err;
	*user_regs(child) = *user_regs(parent);
	user_regs(child)->eax = 0;
	memcpy(child->ctx.tls_desc, parent->ctx.tls_desc, sizeof(child->ctx.tls_desc));
	child->tls = parent->tls;
	if (!parent->ctx.fpu)
		fpu_image_reset(child->ctx.fpu);
	else
		hal_fpu_save(parent, child->ctx.fpu);
	return 0;
}

static void debug_load(const struct hal_context *c)
{
	__asm__ volatile("mov %0, %%dr7" ::"r"(0));
	if (!c->dr7)
		return;
	__asm__ volatile("mov %0, %%dr0; mov %1, %%dr1; mov %2, %%dr2; mov %3, %%dr3" ::"r"(c->dr[0]), "r"(c->dr[1]), "r"(c->dr[2]), "r"(c->dr[3]));
	__asm__ volatile("mov %0, %%dr7" ::"r"(c->dr7));
}

void hal_debug_set(struct task *t, const struct hal_debug *d)
{
	for (unsigned i = 0; i < 4; i++)
		t->ctx.dr[i] = (u32)d->addr[i];
	t->ctx.dr6 = (u32)d->status;
	t->ctx.dr7 = (u32)d->control;
	if (t == hal_current())
		debug_load(&t->ctx);
}

void hal_debug_get(const struct task *t, struct hal_debug *d)
{
	for (unsigned i = 0; i < 4; i++)
		d->addr[i] = t->ctx.dr[i];
	d->status = t->ctx.dr6;
	d->control = t->ctx.dr7;
}

void hal_context_switch(struct task *prev, struct task *next)
{
	struct x86_cpu *c = x86_this_cpu();

	if (prev->ctx.fpu) {
		fxsave(prev->ctx.fpu);
		c->fpu_owner = prev->ctx.fpu;
	}
	if (next->ctx.user) {
		c->tss.esp0 = (u32)next->ctx.stack + HAL_KSTACK_SIZE;
		c->gdt[GDT_TLS] = next->ctx.tls_desc[0];
		c->gdt[GDT_TLS + 1] = next->ctx.tls_desc[1];
		c->gdt[GDT_TLS + 2] = next->ctx.tls_desc[2];
		/* The way out compares and loads them anew (entry.S). */
		__asm__ volatile("mov %0, %%fs; mov %0, %%gs" ::"r"(0));
		if (c->fpu_owner != next->ctx.fpu) {
			fxrstor(next->ctx.fpu);
			c->fpu_owner = next->ctx.fpu;
		}
	}
	if (unlikely(prev->ctx.dr7 | next->ctx.dr7))
		debug_load(&next->ctx);
	x86_switch_stack(&prev->ctx.esp, next->ctx.esp);
}

void hal_enter_user(void)
{
	x86_enter_user(user_regs(hal_current()));
}

/* --- FPU images for signal frames and tracers --- */
void hal_fpu_save(struct task *t, void *buf)
{
	DEBUG_ASSERT(IS_ALIGNED((uintptr_t)buf, 16));
	if (t != hal_current()) {
		memcpy(buf, t->ctx.fpu, HAL_FPU_SIZE);
		return;
	}
	memset(buf, 0, HAL_FPU_SIZE); /* what is reserved in the image, FXSAVE leaves as it is */
	fxsave(buf);
}

/* Another task, that does not run, finds the new state when it is switched to. */
static void fpu_forget(struct task *t)
{
	unsigned long flags = hal_irq_save();

	if (x86_this_cpu()->fpu_owner == t->ctx.fpu)
		x86_this_cpu()->fpu_owner = NULL;
	hal_irq_restore(flags);
}

kerr_t hal_fpu_load(struct task *t, const void *buf)
{
	u32 mxcsr;

	DEBUG_ASSERT(IS_ALIGNED((uintptr_t)buf, 16));
	memcpy(&mxcsr, (const u8 *)buf + 24, sizeof(mxcsr));
	if (mxcsr & ~x86_mxcsr_mask)
		return KERR(EINVAL);
	if (t == hal_current()) {
		fxrstor(buf);
	} else {
		memcpy(t->ctx.fpu, buf, HAL_FPU_SIZE);
		fpu_forget(t);
	}
	return 0;
}

void hal_fpu_reset(struct task *t)
{
	u8 image[HAL_FPU_SIZE] __aligned(16);

	DEBUG_ASSERT(t == hal_current());
	fpu_image_reset(image);
	fxrstor(image);
}

/* --- TLS --- */
enum { TLS_SEG_32BIT = 1 << 0, TLS_CONTENTS = 3 << 1, TLS_READ_ONLY = 1 << 3, TLS_PAGES = 1 << 4, TLS_NOT_PRESENT = 1 << 5, TLS_USEABLE = 1 << 6 };

/* Always a data or stack segment of ring 3, as set_thread_area(2) has it. */
static u64 tls_descriptor(const struct hal_tls *tls)
{
	u32 access = 0x71, flags = 0, limit = tls->limit;

	if (!tls->base && !tls->limit && (!tls->flags || (tls->flags & (TLS_READ_ONLY | TLS_NOT_PRESENT)) == (TLS_READ_ONLY | TLS_NOT_PRESENT)))
		return 0;
	access |= (tls->flags & TLS_READ_ONLY) ? 0 : 2;
	access |= ((tls->flags & TLS_CONTENTS) >> 1 & 1) << 2;
	access |= (tls->flags & TLS_NOT_PRESENT) ? 0 : 0x80;
	flags |= (tls->flags & TLS_SEG_32BIT) ? 4 : 0;
	flags |= (tls->flags & TLS_PAGES) ? 8 : 0;
	flags |= (tls->flags & TLS_USEABLE) ? 1 : 0;
	return ((u64)((tls->base & 0xff000000) | flags << 20 | (limit & 0xf0000) | access << 8 | ((tls->base >> 16) & 0xff)) << 32) |
	       (tls->base << 16) | (limit & 0xffff);
}

void hal_tls_set(struct task *t, unsigned slot, const struct hal_tls *tls)
{
	unsigned long flags;

	DEBUG_ASSERT(slot < 3);
	t->tls.slot[slot] = *tls;
	t->ctx.tls_desc[slot] = tls_descriptor(tls);
	if (t != hal_current())
		return;
	flags = hal_irq_save();
	x86_this_cpu()->gdt[GDT_TLS + slot] = t->ctx.tls_desc[slot];
	__asm__ volatile("mov %0, %%fs; mov %0, %%gs" ::"r"(0));
	hal_irq_restore(flags);
}

void hal_tls_get(struct task *t, unsigned slot, struct hal_tls *tls)
{
	DEBUG_ASSERT(slot < 3);
	*tls = t->tls.slot[slot];
}
