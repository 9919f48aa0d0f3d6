/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own address space, 0xC0000000 and above, shared by all others through one page directory:
 *
 *   0xC0000000  direct map of the first 768 MiB of memory, 2 MiB pages; the part that holds the kernel image has 4 KiB pages, so that text is
 *               not writable, read-only data neither, and nothing else executable
 *   0xF0000000  kernel stacks (see X86_SLOT_* in x86.h), with the temporary maps of their tasks
 *   0xF8000000  device registers, handed out upwards, never given back
 *
 * Tables of the last two are made when first needed and never freed, so entries may be looked up without a lock.
 * Intel SDM vol. 3, 4.4 (PAE paging).
 */
#include <hal/memory.h>
#include <maestro/lib.h>
#include <maestro/page.h>
#include <maestro/task.h>
#include <x86/x86.h>

#define IMAGE_TABLES 12 /* 24 MiB for kernel image and what lies below */

u64 x86_kernel_pd[512] __aligned(4096);
u64 x86_kernel_pdpt[4] __aligned(32);
static u64 image_pt[IMAGE_TABLES][512] __aligned(4096);
static u64 first_slots_pt[512] __aligned(4096);
u64 x86_pte_nx;
paddr_t x86_direct_end;
static u64 global;
static struct spinlock tables_lock; /* RANK_LEAF: x86_kernel_pd above the direct map, device_next */
static uintptr_t device_next = X86_DEVICE_BASE;

static u64 image_flags(uintptr_t va)
{
	if (va < (uintptr_t)x86_image_start)
		return PTE_W | x86_pte_nx;
	if (va < (uintptr_t)x86_text_end)
		return 0;
	if (va < (uintptr_t)x86_rodata_end)
		return x86_pte_nx;
	return PTE_W | x86_pte_nx;
}

static void map_image(unsigned tables)
{
	for (unsigned t = 0; t < tables; t++) {
		for (unsigned i = 0; i < 512; i++) {
			paddr_t pa = ((paddr_t)t << 21) + ((paddr_t)i << 12);

			image_pt[t][i] = pa | PTE_P | PTE_A | PTE_D | global | image_flags(HAL_DIRECT_BASE + (uintptr_t)pa);
		}
		x86_kernel_pd[t] = hal_virt_to_phys(image_pt[t]) | PTE_P | PTE_W;
	}
}

void x86_paging_init(void)
{
	unsigned tables = (unsigned)(ALIGN_UP(hal_virt_to_phys(x86_image_end), (paddr_t)0x200000) >> 21);
	paddr_t direct = ALIGN_UP(hal_boot_info()->ram_end, (paddr_t)0x200000);

	if (tables > IMAGE_TABLES)
		x86_fatal("the kernel image is too large for its tables");
	x86_direct_end = MIN(direct, (paddr_t)HAL_DIRECT_SIZE);
	x86_pte_nx = x86_has_nx ? PTE_HW_NX : PTE_SOFT_NX;
	global = x86_hwcap & CPU_PGE ? PTE_G : 0;
	spin_init(&tables_lock, RANK_LEAF, "x86_tables");
	map_image(tables);
	for (unsigned i = tables; i < (unsigned)(x86_direct_end >> 21); i++)
		x86_kernel_pd[i] = ((u64)i << 21) | PTE_P | PTE_W | PTE_A | PTE_D | PTE_LARGE | global | x86_pte_nx;
	x86_kernel_pd[(X86_SLOT_BASE >> 21) & 511] = hal_virt_to_phys(first_slots_pt) | PTE_P | PTE_W;
	x86_kernel_pdpt[3] = hal_virt_to_phys(x86_kernel_pd) | PTE_P;
	x86_write_cr3((u32)hal_virt_to_phys(x86_kernel_pdpt));
	if (global)
		x86_write_cr4(x86_read_cr4() | 0x80);
}

u64 *x86_kernel_pte(uintptr_t va)
{
	u64 *pde = &x86_kernel_pd[(va >> 21) & 511];
	unsigned long flags;
	struct page *page;

	if (*pde & PTE_P)
		return x86_kernel_pte_known(va);
	page = pages_alloc(0, (enum gfp)(GFP_ATOMIC | GFP_ZERO));
	if (!page)
		return NULL;
	flags = spin_lock_irqsave(&tables_lock);
	if (!(*pde & PTE_P)) {
		*pde = page_to_phys(page) | PTE_P | PTE_W;
		page = NULL;
	}
	spin_unlock_irqrestore(&tables_lock, flags);
	if (page)
		page_put(page);
	return x86_kernel_pte_known(va);
}

kerr_t hal_map_device(paddr_t start, size_t size, bool uncached, void **out)
{
	paddr_t first = ALIGN_DOWN(start, PAGE_SIZE);
	size_t pages = (size_t)(ALIGN_UP(start + size, PAGE_SIZE) - first) >> PAGE_SHIFT;
	u64 bits = PTE_P | PTE_W | PTE_A | PTE_D | global | x86_pte_nx | (uncached ? PTE_PCD | PTE_PWT : 0);
	unsigned long flags;
	uintptr_t va;

	if (!uncached && start + size <= x86_direct_end) {
		*out = hal_phys_to_virt(start);
		return 0;
	}
	flags = spin_lock_irqsave(&tables_lock);
	va = device_next;
	if (pages > (X86_DEVICE_END - va) >> PAGE_SHIFT)
		va = 0;
	else
		device_next += pages << PAGE_SHIFT;
	spin_unlock_irqrestore(&tables_lock, flags);
	if (!va)
		return KERR(ENOMEM);
	for (size_t i = 0; i < pages; i++) {
		u64 *pte = x86_kernel_pte(va + (i << PAGE_SHIFT));

		if (!pte)
			return KERR(ENOMEM);
		*pte = (first + ((paddr_t)i << PAGE_SHIFT)) | bits;
	}
	*out = (void *)(va + (uintptr_t)(start - first));
	return 0;
}

/* The maps of a task lie below its stack's guard; those of the boot task, whose stack is in the image, in slot 0. */
static uintptr_t kmap_base(const struct task *t)
{
	uintptr_t stack = (uintptr_t)t->ctx.stack;

	return stack >= X86_SLOT_BASE ? stack - X86_SLOT_STACK : X86_SLOT_BASE;
}

void *hal_kmap(paddr_t frame)
{
	struct task *t = hal_current();
	uintptr_t va;

	if (frame < x86_direct_end)
		return hal_phys_to_virt(frame);
	ASSERT(t->ctx.kmap_depth < HAL_KMAP_DEPTH);
	va = kmap_base(t) + t->ctx.kmap_depth++ * PAGE_SIZE;
	/* No flush: the entry was not present, so it is cached nowhere. */
	x86_pte_write(x86_kernel_pte_known(va), frame | PTE_P | PTE_W | PTE_A | PTE_D | x86_pte_nx);
	return (void *)va;
}

void hal_kunmap(void *va)
{
	struct task *t = hal_current();
	uintptr_t page = ALIGN_DOWN((uintptr_t)va, PAGE_SIZE);

	if (page < X86_SLOT_BASE)
		return;
	ASSERT(t->ctx.kmap_depth && page == kmap_base(t) + (t->ctx.kmap_depth - 1) * PAGE_SIZE);
	t->ctx.kmap_depth--;
	*x86_kernel_pte_known(page) = 0;
	x86_invlpg(page);
}

/* Page 5 of slot 0 (x86.h): its guard is not needed, for the boot task's stack is elsewhere. */
#define IRQ_MAP (X86_SLOT_BASE + 5 * PAGE_SIZE)
void *x86_irq_map(paddr_t frame)
{
	if (frame < x86_direct_end)
		return hal_phys_to_virt(frame);
	*x86_kernel_pte_known(IRQ_MAP) = frame | PTE_P | PTE_W | PTE_A | PTE_D | x86_pte_nx;
	x86_invlpg(IRQ_MAP);
	return (void *)IRQ_MAP;
}

void x86_irq_unmap(void)
{
	*x86_kernel_pte_known(IRQ_MAP) = 0;
	x86_invlpg(IRQ_MAP);
}

/* No sanitizer watches this kernel. */
void hal_poison(const void *p, size_t n)
{
	(void)p;
	(void)n;
}
void hal_unpoison(const void *p, size_t n)
{
	(void)p;
	(void)n;
}
