/* SPDX-License-Identifier: MIT */
/*
 * User address spaces: three-level PAE tables (Intel SDM vol. 3, 4.4). Entry 3 of the pointer table is the kernel's directory, in every space;
 * entries 0..2 get a directory when first needed. Tables lie in the direct map, so they are reached without temporary maps.
 *
 * An entry that is not zero holds a page, even when its present bit was taken away by hal_mmu_change() (a page that may not be touched keeps
 * its frame). The caller's mm.pt_lock protects everything here.
 *
 * Flushing: only translations that were used (accessed bit) can be cached. Few pages are dropped one by one, many by reloading CR3, which leaves
 * the kernel's global ones. One processor runs so far: a space that is not active here is cached nowhere.
 */
#include <hal/mmu.h>
#include <maestro/assert.h>
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <x86/x86.h>

#define LARGE_SPAN 0x200000UL
#define FLUSH_FEW 32u

static struct kmem_cache *pdpt_cache; /* made by the first hal_mmu_init(), before there is a second task */

/* What must be flushed at the end of an operation. */
struct flush {
	unsigned n;
	bool all;
	uaddr_t va[FLUSH_FEW];
};

static bool is_active(const struct hal_mmu *mmu)
{
	return x86_this_cpu()->active_mmu == mmu;
}

static void flush_add(struct flush *f, uaddr_t va)
{
	if (f->n < FLUSH_FEW)
		f->va[f->n++] = va;
	else
		f->all = true;
}

static void flush_run(struct hal_mmu *mmu, const struct flush *f)
{
	if (!is_active(mmu))
		return;
	if (f->all) {
		x86_write_cr3((u32)mmu->cr3);
		return;
	}
	for (unsigned i = 0; i < f->n; i++)
		x86_invlpg(f->va[i]);
}

static u64 to_pte(paddr_t frame, u32 flags)
{
	u64 e = frame | PTE_U;

	if (flags & HAL_PTE_PRESENT)
		e |= PTE_P;
	if (flags & HAL_PTE_WRITE)
		e |= PTE_W;
	if (!(flags & HAL_PTE_EXEC))
		e |= x86_pte_nx;
	if (flags & HAL_PTE_ACCESSED)
		e |= PTE_A;
	if (flags & HAL_PTE_DIRTY)
		e |= PTE_D;
	if (flags & HAL_PTE_SPECIAL)
		e |= PTE_SPECIAL;
	if (flags & HAL_PTE_UNCACHED)
		e |= PTE_PCD | PTE_PWT;
	return e;
}

static struct hal_pte from_pte(u64 e)
{
	u32 lo = (u32)e, flags = 0;

	if (!e)
		return (struct hal_pte){ 0, 0 };
	flags = (lo & 1) | (lo & 2) /* present, write: the same bits */ | ((lo >> 2) & (HAL_PTE_ACCESSED | HAL_PTE_DIRTY));
	if (!(e & x86_pte_nx))
		flags |= HAL_PTE_EXEC;
	if (lo & PTE_SPECIAL)
		flags |= HAL_PTE_SPECIAL;
	if (lo & PTE_PCD)
		flags |= HAL_PTE_UNCACHED;
	return (struct hal_pte){ e & PTE_ADDR, flags };
}
_Static_assert(HAL_PTE_PRESENT == PTE_P && HAL_PTE_WRITE == PTE_W, "from_pte");
_Static_assert(HAL_PTE_ACCESSED << 2 == PTE_A && HAL_PTE_DIRTY << 2 == PTE_D, "from_pte");

/* Clears an entry and returns it with the accessed and dirty bits as they were last. */
static inline u64 pte_take(u64 *pte)
{
	u32 *half = (u32 *)(void *)pte;
	u32 lo = __atomic_exchange_n(&half[0], 0, __ATOMIC_SEQ_CST), hi = half[1];

	half[1] = 0;
	return ((u64)hi << 32) | lo;
}

kerr_t hal_mmu_init(struct hal_mmu *mmu)
{
	if (!pdpt_cache) {
		kerr_t err = kmem_cache_create(&pdpt_cache, "x86_pdpt", 32, 32);

		if (err)
			return err;
	}
	*mmu = (struct hal_mmu){ .pdpt = kmem_cache_alloc(pdpt_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO)) };
	if (!mmu->pdpt)
		return KERR(ENOMEM);
	mmu->pdpt[3] = x86_kernel_pdpt[3];
	mmu->cr3 = hal_virt_to_phys(mmu->pdpt);
	return 0;
}

static u64 *table_alloc(struct hal_mmu *mmu, bool zero)
{
	struct page *p = pages_alloc(0, zero ? (enum gfp)(GFP_ATOMIC | GFP_ZERO) : GFP_ATOMIC);

	if (!p)
		return NULL;
	mmu->table_pages++;
	return page_address(p);
}

static void table_free(struct hal_mmu *mmu, paddr_t table)
{
	mmu->table_pages--;
	pages_free(phys_to_page(table), 0);
}

void hal_mmu_fini(struct hal_mmu *mmu)
{
	u32 directories = 0;

	ASSERT(!is_active(mmu));
	for (unsigned i = 0; i < 3; i++)
		directories += mmu->pd[i] != NULL;
	for (unsigned i = 0; i < 3; i++) {
		u64 *pd = mmu->pd[i];

		if (!pd)
			continue;
		for (unsigned j = 0; j < 512 && mmu->table_pages > directories; j++)
			if (pd[j])
				table_free(mmu, pd[j] & PTE_ADDR);
		table_free(mmu, hal_virt_to_phys(pd));
		directories--;
	}
	kmem_cache_free(pdpt_cache, mmu->pdpt);
	*mmu = (struct hal_mmu){ 0 };
}

void hal_mmu_activate(struct hal_mmu *mmu)
{
	struct x86_cpu *c = x86_this_cpu();

	if (c->active_mmu == mmu)
		return;
	c->active_mmu = mmu;
	x86_write_cr3(mmu ? (u32)mmu->cr3 : (u32)hal_virt_to_phys(x86_kernel_pdpt));
}

void hal_mmu_flush(struct hal_mmu *mmu)
{
	if (is_active(mmu))
		x86_write_cr3((u32)mmu->cr3);
}

size_t hal_mmu_table_pages(const struct hal_mmu *mmu)
{
	return mmu->table_pages;
}

static inline u64 *pde_of(struct hal_mmu *mmu, uaddr_t va)
{
	u64 *pd = mmu->pd[va >> 30];

	return pd ? &pd[(va >> 21) & 511] : NULL;
}
/* The page table that covers va, or NULL. */
static inline u64 *pt_of(struct hal_mmu *mmu, uaddr_t va)
{
	u64 *pde = pde_of(mmu, va);

	return pde && *pde ? hal_phys_to_virt(*pde & PTE_ADDR) : NULL;
}

/* The slot of va's directory entry, with the directory made if need be. */
static u64 *pde_make(struct hal_mmu *mmu, uaddr_t va)
{
	unsigned top = (unsigned)(va >> 30);

	if (!mmu->pd[top]) {
		u64 *pd = table_alloc(mmu, true);

		if (!pd)
			return NULL;
		mmu->pd[top] = pd;
		mmu->pdpt[top] = hal_virt_to_phys(pd) | PTE_P;
		if (is_active(mmu)) /* the CPU keeps the four pointers in registers */
			x86_write_cr3((u32)mmu->cr3);
	}
	return &mmu->pd[top][(va >> 21) & 511];
}

static u64 *pt_make(struct hal_mmu *mmu, uaddr_t va, bool zero)
{
	u64 *pde = pde_make(mmu, va), *pt;

	if (!pde)
		return NULL;
	if (*pde)
		return hal_phys_to_virt(*pde & PTE_ADDR);
	pt = table_alloc(mmu, zero);
	if (pt)
		*pde = hal_virt_to_phys(pt) | PTE_P | PTE_W | PTE_U;
	return pt;
}

struct hal_pte hal_mmu_get(struct hal_mmu *mmu, uaddr_t va)
{
	u64 *pt = pt_of(mmu, va);

	DEBUG_ASSERT(va < HAL_USER_END);
	return from_pte(pt ? pt[(va >> 12) & 511] : 0);
}

kerr_t hal_mmu_set(struct hal_mmu *mmu, uaddr_t va, paddr_t frame, u32 flags)
{
	u64 *pt = pt_make(mmu, va, true), *pte, old;

	DEBUG_ASSERT(va < HAL_USER_END);
	if (!pt)
		return KERR(ENOMEM);
	pte = &pt[(va >> 12) & 511];
	old = *pte;
	x86_pte_write(pte, to_pte(frame, flags));
	if ((old & PTE_P) && (old & PTE_A) && is_active(mmu))
		x86_invlpg(va);
	return 0;
}

/* The end of the part of [va, end) that one page table covers. */
static inline uaddr_t span_end(uaddr_t va, uaddr_t end)
{
	uaddr_t next = (va | (LARGE_SPAN - 1)) + 1;

	return next < end ? next : end;
}
/* Skips what has no table: the next address worth looking at. */
static inline uaddr_t skip_absent(struct hal_mmu *mmu, uaddr_t va)
{
	return mmu->pd[va >> 30] ? (va | (LARGE_SPAN - 1)) + 1 : (va | 0x3fffffff) + 1;
}

/* A part of one table. */
static u32 fill_entries(u64 *pte, const pfn_t *frames, unsigned n, u64 attributes)
{
	u32 mapped = 0;

	for (unsigned i = 0; i < n; i++)
		if (frames[i] != HAL_FRAME_NONE && !(u32)pte[i]) {
			x86_pte_write(&pte[i], (u64)frames[i] << PAGE_SHIFT | attributes);
			mapped |= 1u << i;
		}
	return mapped;
}

u32 hal_mmu_fill(struct hal_mmu *mmu, uaddr_t va, const pfn_t *frames, unsigned n, u32 flags)
{
	uaddr_t end = va + n * PAGE_SIZE, stop;
	u32 mapped = 0;

	for (unsigned i = 0; va < end; i += (unsigned)((stop - va) >> PAGE_SHIFT), va = stop) {
		u64 *pt = pt_make(mmu, va, true);

		stop = span_end(va, end);
		if (pt)
			mapped |= fill_entries(&pt[(va >> 12) & 511], frames + i, (unsigned)((stop - va) >> PAGE_SHIFT), to_pte(0, flags)) << i;
	}
	return mapped;
}

/* The first of n entries from i on that is not empty, or n. */
static unsigned skip_empty(const u64 *pte, unsigned i, unsigned n)
{
	while (i + 4 <= n && !((u32)pte[i] | (u32)pte[i + 1] | (u32)pte[i + 2] | (u32)pte[i + 3]))
		i += 4;
	while (i < n && !(u32)pte[i])
		i++;
	return i;
}

/* An entry with a counted frame. Only the low half tells: an entry that holds a page has PTE_U. */
static inline bool is_counted(u32 lo)
{
	return (lo & (u32)(PTE_U | PTE_SPECIAL)) == (u32)PTE_U;
}

static inline pfn_t frame_of(u64 e)
{
	return (pfn_t)((e & PTE_ADDR) >> PAGE_SHIFT);
}

static inline pfn_t noted_frame(u64 e)
{
	return frame_of(e) | (((u32)e & (u32)PTE_A) ? HAL_FRAME_USED : 0);
}

/* Clears n entries from va on; returns how many frames were noted. */
static unsigned take_entries(u64 *pte, uaddr_t va, unsigned n, struct flush *f, pfn_t *frames)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		u64 e;

		if (!(u32)pte[i]) {
			i = skip_empty(pte, i, n) - 1;
			continue;
		}
		e = pte_take(&pte[i]);
		if (e & PTE_A)
			flush_add(f, va + i * PAGE_SIZE);
		if (is_counted((u32)e))
			frames[found++] = noted_frame(e);
	}
	return found;
}

/* As take_entries(), of a table that goes as a whole: nothing need be written. */
static unsigned read_entries(const u64 *pte, unsigned n, pfn_t *frames)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		u64 e = pte[i];

		if (is_counted((u32)e))
			frames[found++] = noted_frame(e);
		else if (!(u32)e)
			i = skip_empty(pte, i, n) - 1;
	}
	return found;
}

/*
 * The part of one table from va on, n entries; the table is freed if nothing is left in it. One processor, and no user access happens before the
 * caller flushes: fn may free frames.
 */
static void unmap_in_table(struct hal_mmu *mmu, u64 *pt, uaddr_t va, unsigned n, struct flush *f, hal_mmu_frames_fn *fn, void *arg)
{
	u64 *pde = pde_of(mmu, va), *pte = &pt[(va >> 12) & 511];
	paddr_t table = *pde & PTE_ADDR;
	bool whole = n == 512;
	pfn_t frames[HAL_MMU_BATCH];

	if (whole) {
		*pde = 0;
		f->all = true;
	}
	for (unsigned i = 0, part; i < n; i += part) {
		unsigned found;

		part = MIN(n - i, HAL_MMU_BATCH);
		found = whole ? read_entries(pte + i, part, frames) : take_entries(pte + i, va + i * PAGE_SIZE, part, f, frames);
		if (fn && found)
			fn(arg, frames, found);
	}
	if (!whole) {
		if (skip_empty(pt, 0, 512) < 512)
			return;
		*pde = 0;
		flush_add(f, va); /* drops what is cached of upper entries too (SDM vol. 3, 4.10.4.1) */
	}
	table_free(mmu, table);
}

void hal_mmu_unmap(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_frames_fn *fn, void *arg)
{
	struct flush f = { .n = 0, .all = false };
	uaddr_t va = start, stop;

	for (; va < end; va = stop) {
		u64 *pt = pt_of(mmu, va);

		if (!pt) {
			stop = skip_absent(mmu, va);
			continue;
		}
		stop = span_end(va, end);
		unmap_in_table(mmu, pt, va, (unsigned)((stop - va) >> PAGE_SHIFT), &f, fn, arg);
	}
	flush_run(mmu, &f);
}

void hal_mmu_change(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, u32 set, u32 clear)
{
	struct flush f = { .n = 0, .all = false };
	uaddr_t va = start;

	while (va < end) {
		u64 *pt = pt_of(mmu, va);
		uaddr_t stop;

		if (!pt) {
			va = skip_absent(mmu, va);
			continue;
		}
		for (stop = span_end(va, end); va < stop; va += PAGE_SIZE) {
			u64 *pte = &pt[(va >> 12) & 511], old = *pte, now;
			struct hal_pte p;

			if (!old)
				continue;
			p = from_pte(old);
			now = to_pte(p.frame, (p.flags & ~clear) | set);
			if (now == old)
				continue;
			x86_pte_write(pte, now);
			/* A right only given needs no flush: the stale translation faults and is dropped by that. */
			if ((old & PTE_A) && ((old & ~now & (PTE_P | PTE_W | PTE_A | PTE_D)) || (now & ~old & x86_pte_nx)))
				flush_add(&f, va);
		}
	}
	flush_run(mmu, &f);
}

void hal_mmu_walk(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_fn *fn, void *arg)
{
	uaddr_t va = start;

	while (va < end) {
		u64 *pt = pt_of(mmu, va);
		uaddr_t stop;

		if (!pt) {
			va = skip_absent(mmu, va);
			continue;
		}
		for (stop = span_end(va, end); va < stop; va += PAGE_SIZE)
			if (pt[(va >> 12) & 511])
				fn(arg, va, from_pte(pt[(va >> 12) & 511]));
	}
}

/* Copies n entries without the bits `clear`, and takes these from the old ones. Zero entries are written too: a new table need not be cleared first. */
static unsigned copy_entries(u64 *to, u64 *from, unsigned n, u32 clear, pfn_t *frames)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++) {
		u64 e = from[i];

		if ((u32)e & clear) {
			/* The CPU may set accessed and dirty meanwhile: clear the one bit only. */
			(void)__atomic_fetch_and((u32 *)(void *)&from[i], ~clear, __ATOMIC_SEQ_CST);
			e &= ~(u64)clear;
		}
		to[i] = e;
		if (is_counted((u32)e))
			frames[found++] = frame_of(e);
	}
	return found;
}

static void copy_table(u64 *to, u64 *from, unsigned n, u32 clear, hal_mmu_frames_fn *fn, void *arg)
{
	pfn_t frames[HAL_MMU_BATCH];

	for (unsigned i = 0, part; i < n; i += part) {
		unsigned found;

		part = MIN(n - i, HAL_MMU_BATCH);
		found = copy_entries(to + i, from + i, part, clear, frames);
		if (found)
			fn(arg, frames, found);
	}
}

kerr_t hal_mmu_copy(struct hal_mmu *dst, struct hal_mmu *src, uaddr_t start, uaddr_t end, bool cow, hal_mmu_frames_fn *fn, void *arg)
{
	uaddr_t va = start, stop;

	for (; va < end; va = stop) {
		u64 *from = pt_of(src, va), *to;
		unsigned first = (va >> 12) & 511, n;

		if (!from) {
			stop = skip_absent(src, va);
			continue;
		}
		stop = span_end(va, end);
		n = (unsigned)((stop - va) >> PAGE_SHIFT);
		if (skip_empty(from + first, 0, n) == n)
			continue;
		to = pt_make(dst, va, n < 512);
		if (!to)
			return KERR(ENOMEM);
		copy_table(to + first, from + first, n, cow ? (u32)PTE_W : 0, fn, arg);
	}
	return 0;
}
