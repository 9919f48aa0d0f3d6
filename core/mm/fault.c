/* SPDX-License-Identifier: MIT */
/*
 * Page faults. mm.lock is held for reading; what is decided without pt_lock (allocation, I/O, copying) is checked again under it before an entry is
 * written, and a race that was lost simply faults again.
 *
 *   mm_fault -> fault_once: finds the area, grows a stack -> fault_in_vma
 *     entry present, write refused  -> write_protected: take over or copy a private page, page_mkwrite for a shared one
 *     none, anonymous               -> zero page, or a zeroed page
 *     none, file                    -> map_around what the cache has, else ops->fault, then map or copy
 *
 * Pages of the page cache are put into tables under their page lock, with a look that they are still in the mapping; a shared page becomes writable
 * only together with PG_DIRTY (see page_clear_dirty_for_io). Specification: mmap(2), sigaction(2) on si_code.
 */
#include "vm.h"

/* ---- helpers ---- */

/* The mapping whose page lock guards pages of this area, or NULL (device and special areas). */
static struct mapping *cache_of(const struct vma *v)
{
	return v->file && S_ISREG(v->file->inode->mode) ? v->file->inode->mapping : NULL;
}

static bool access_allowed(const struct vma *v, unsigned flags)
{
	if (unlikely(flags & FAULT_FORCE))
		return (flags & FAULT_WRITE) ? (v->flags & VM_WRITE) || (!(v->flags & VM_SHARED) && (v->flags & VM_MAYWRITE))
					     : (v->flags & (VM_MAYREAD | VM_READ)) != 0;
	if (flags & FAULT_WRITE)
		return (v->flags & VM_WRITE) != 0;
	if (flags & FAULT_EXEC)
		return (v->flags & VM_EXEC) != 0;
	return (v->flags & (VM_READ | VM_WRITE | VM_EXEC)) != 0;
}

static enum fault_outcome outcome_of(kerr_t err)
{
	switch (-kerr_code(err)) {
	case 0:
		return FAULT_OK;
	case ENOMEM:
		return FAULT_NOMEM;
	case EAGAIN:
		return FAULT_RETRY;
	default:
		return FAULT_BUS;
	}
}

/* Enters p at addr if nothing is there; takes the caller's reference in any case. */
static enum fault_outcome enter_page(struct vma *v, uaddr_t addr, struct page *p, u32 flags)
{
	struct mm *mm = v->mm;
	enum fault_outcome out = FAULT_OK;
	bool entered = false;

	spin_lock(&mm->pt_lock);
	if (!(hal_mmu_get(&mm->mmu, addr).flags & HAL_PTE_PRESENT)) {
		entered = !hal_mmu_set(&mm->mmu, addr, page_to_phys(p), flags);
		if (entered)
			page_map_get(mm, p);
		else
			out = FAULT_NOMEM;
	}
	spin_unlock(&mm->pt_lock);
	if (!entered)
		page_put(p);
	return out;
}

static u32 private_flags(const struct vma *v)
{
	return vma_pte_flags(v) | HAL_PTE_ACCESSED | ((v->flags & VM_WRITE) ? (u32)(HAL_PTE_WRITE | HAL_PTE_DIRTY) : 0);
}

static struct page *new_anon(struct vma *v, bool zeroed)
{
	struct page *p = page_alloc((enum gfp)(GFP_USER | GFP_ANON | (zeroed ? GFP_ZERO : 0)));

	if (!p)
		return NULL;
	page_set(p, PG_ANON);
	if (!load_relaxed(&v->has_anon))
		store_relaxed(&v->has_anon, true);
	return p;
}

static void copy_page(struct page *dst, struct page *src)
{
	void *from = page_map(src), *to = page_map(dst);

	memcpy(to, from, PAGE_SIZE);
	page_unmap(to);
	page_unmap(from);
}

/* ---- anonymous memory ---- */

static enum fault_outcome map_zero_page(struct vma *v, uaddr_t addr)
{
	struct mm *mm = v->mm;
	enum fault_outcome out = FAULT_OK;

	spin_lock(&mm->pt_lock);
	if (!(hal_mmu_get(&mm->mmu, addr).flags & HAL_PTE_PRESENT) &&
	    hal_mmu_set(&mm->mmu, addr, page_to_phys(mm_state()->zero), vma_pte_flags(v) | HAL_PTE_ACCESSED | HAL_PTE_SPECIAL))
		out = FAULT_NOMEM;
	spin_unlock(&mm->pt_lock);
	return out;
}

static enum fault_outcome anon_fault(struct vma *v, uaddr_t addr, unsigned flags)
{
	struct page *p;

	if (!(flags & FAULT_WRITE)) {
		/* The entry must be seen by fork, which looks at has_anon only: a child finds zeroes by itself. */
		return map_zero_page(v, addr);
	}
	p = new_anon(v, true);
	return p ? enter_page(v, addr, p, private_flags(v)) : FAULT_NOMEM;
}

/* ---- writing to what is mapped read-only ---- */

/* Makes the entry of `old` (NULL: the zero page, at frame) map a copy; takes the caller's reference on old. */
static enum fault_outcome copy_on_write(struct vma *v, uaddr_t addr, struct page *old, paddr_t frame)
{
	struct mm *mm = v->mm;
	struct page *p = new_anon(v, !old);
	enum fault_outcome out = FAULT_OK;
	bool replaced = false;
	struct hal_pte pte;

	if (!p) {
		if (old)
			page_put(old);
		return FAULT_NOMEM;
	}
	if (old)
		copy_page(p, old);
	spin_lock(&mm->pt_lock);
	pte = hal_mmu_get(&mm->mmu, addr);
	if ((pte.flags & HAL_PTE_PRESENT) && pte.frame == frame && !(pte.flags & HAL_PTE_WRITE)) {
		replaced = !hal_mmu_set(&mm->mmu, addr, page_to_phys(p), private_flags(v));
		if (replaced) {
			page_map_get(mm, p);
			if (old)
				page_map_put(mm, old);
		} else {
			out = FAULT_NOMEM;
		}
	}
	spin_unlock(&mm->pt_lock);
	if (!replaced)
		page_put(p);
	else if (old)
		page_put(old); /* the entry's */
	if (old)
		page_put(old);
	return out;
}

/* p: referenced, and on success of page_mkwrite locked. Makes it dirty and its entry writable; takes the reference. */
static enum fault_outcome enter_shared(struct vma *v, uaddr_t addr, struct page *p)
{
	struct mm *mm = v->mm;
	u32 bits = HAL_PTE_WRITE | HAL_PTE_DIRTY | HAL_PTE_ACCESSED;
	enum fault_outcome out = FAULT_OK;
	bool entered = false;
	struct hal_pte pte;

	spin_lock(&mm->pt_lock);
	pte = hal_mmu_get(&mm->mmu, addr);
	if (!(pte.flags & HAL_PTE_PRESENT)) {
		entered = !hal_mmu_set(&mm->mmu, addr, page_to_phys(p), vma_pte_flags(v) | bits);
		if (entered)
			page_map_get(mm, p);
		else
			out = FAULT_NOMEM;
	} else if (pte.frame == page_to_phys(p)) {
		hal_mmu_change(&mm->mmu, addr, addr + PAGE_SIZE, bits, 0);
	} else {
		out = FAULT_RETRY;
	}
	spin_unlock(&mm->pt_lock);
	if (!entered)
		page_put(p);
	return out;
}

static enum fault_outcome make_shared_writable(struct vma *v, uaddr_t addr, struct page *p)
{
	struct mapping *m = cache_of(v);
	struct vm_fault f = { .vma = v, .addr = addr, .pgoff = vma_pgoff(v, addr), .flags = FAULT_WRITE, .page = p };
	enum fault_outcome out;
	kerr_t err = KERR(0);

	if (v->ops->page_mkwrite)
		err = v->ops->page_mkwrite(&f);
	else
		page_lock(p);
	if (err) {
		page_put(p);
		return outcome_of(err);
	}
	if (m && p->mapping != m) {
		page_unlock(p);
		page_put(p);
		return FAULT_RETRY;
	}
	page_set_dirty(p);
	page_get(p);
	out = enter_shared(v, addr, p);
	page_unlock(p);
	page_put(p);
	return out;
}

/* The entry is present and not writable. */
static enum fault_outcome write_protected(struct mm *mm, struct vma *v, uaddr_t addr, struct hal_pte pte) RELEASES(mm->pt_lock)
{
	struct page *p = (pte.flags & HAL_PTE_SPECIAL) ? NULL : phys_to_page(pte.frame);
	u32 bits = (v->flags & VM_WRITE) ? HAL_PTE_WRITE | HAL_PTE_DIRTY | HAL_PTE_ACCESSED : 0;

	/* A device's frame, or a private page that nobody else has: the right is all that is missing. */
	if ((v->flags & VM_PFNMAP) || (p && page_test(p, PG_ANON) && atomic_read_acquire(&p->refs) == 1)) {
		if (bits)
			hal_mmu_change(&mm->mmu, addr, addr + PAGE_SIZE, bits, 0);
		spin_unlock(&mm->pt_lock);
		return FAULT_OK;
	}
	if (p)
		page_get(p);
	spin_unlock(&mm->pt_lock);
	if (p && (v->flags & VM_SHARED))
		return make_shared_writable(v, addr, p);
	return copy_on_write(v, addr, p, pte.frame);
}

/* ---- files ---- */

/* Pages of the cache around the one that is wanted, by their place; locked. NULL: not there, or not fit to be mapped. */
struct around {
	pgoff_t first;
	unsigned n, wanted;
	struct page *page[FAULT_AROUND];
};

static bool take_cached(struct page *p)
{
	return page_test(p, PG_UPTODATE) && !page_test(p, PG_READAHEAD) && page_trylock(p);
}

/* The window of the table of pages that may be mapped; it lies in one run of the page tree. */
static void place_window(const struct vma *v, pgoff_t index, struct around *a)
{
	pgoff_t first = index & ~(pgoff_t)(FAULT_AROUND - 1), last = first + FAULT_AROUND - 1;

	if (v->flags & VM_RAND_READ)
		first = last = index;
	a->first = MAX(first, v->pgoff);
	a->n = (unsigned)(MIN(last, v->pgoff + vma_pages(v) - 1) - a->first) + 1;
	a->wanted = (unsigned)(index - a->first);
}
STATIC_ASSERT(XA_RUN % FAULT_AROUND == 0);

/* Locks what the cache has of the window. False: not the wanted page. */
static bool collect_around(struct mapping *m, struct around *a)
{
	unsigned long irq = spin_lock_irqsave(&m->lock);
	void *const *slot = xa_slots(&m->pages, a->first);
	bool found = slot && slot[a->wanted] && take_cached(slot[a->wanted]);

	for (unsigned i = 0; found && i < a->n; i++) {
		struct page *p = slot[i];

		a->page[i] = p && (i == a->wanted || take_cached(p)) ? p : NULL;
	}
	spin_unlock_irqrestore(&m->lock, irq);
	return found;
}

static u32 window_flags(const struct vma *v, const struct mapping *m, const struct around *a, unsigned i)
{
	const struct page *p = a->page[i];
	u32 flags = vma_pte_flags(v) | (i == a->wanted ? (u32)HAL_PTE_ACCESSED : 0);

	/* In memory files a dirty page stays dirty: it may be writable at once. */
	if ((m->flags & MAPPING_SHMEM) && (v->flags & (VM_SHARED | VM_WRITE)) == (VM_SHARED | VM_WRITE) && p && page_test(p, PG_DIRTY))
		flags |= HAL_PTE_WRITE;
	return flags;
}

/* Enters the window's pages, neighbours with the same flags in one go; a bit for each that went in. */
static u32 fill_window(struct vma *v, const struct mapping *m, const struct around *a)
{
	uaddr_t at = v->start + ((a->first - v->pgoff) << PAGE_SHIFT);
	u32 entered = 0, flags = window_flags(v, m, a, 0);
	pfn_t frames[FAULT_AROUND];

	for (unsigned i = 0, from = 0; i < a->n; i++) {
		u32 next = i + 1 < a->n ? window_flags(v, m, a, i + 1) : 0;

		frames[i] = a->page[i] ? page_frame(a->page[i]) : HAL_FRAME_NONE;
		if (next == flags)
			continue;
		entered |= hal_mmu_fill(&v->mm->mmu, at + from * PAGE_SIZE, frames + from, i + 1 - from, flags) << from;
		from = i + 1;
		flags = next;
	}
	return entered;
}

/* Each entry has a reference of its own. */
static void count_window(struct mm *mm, const struct around *a, u32 entered)
{
	int fresh = 0, all = 0;

	for (unsigned i = 0; i < a->n; i++) {
		if (!(entered & 1u << i))
			continue;
		page_get(a->page[i]);
		fresh += atomic_inc_return(&a->page[i]->mapcount) == 1;
		all++;
	}
	if (all)
		mm_count_page(mm, a->page[__builtin_ctz(entered)], all);
	if (fresh)
		atomic_add(&mm_state()->nr_mapped, fresh);
}

/* pt_lock holds the reference of those that were entered; the others need one while they are unlocked. */
static void unlock_window(const struct around *a, u32 entered)
{
	for (unsigned i = 0; i < a->n; i++) {
		struct page *p = a->page[i];

		if (!p)
			continue;
		if (!(entered & 1u << i))
			page_get(p);
		page_unlock(p);
		if (!(entered & 1u << i))
			page_put(p);
	}
}

/* For reads: maps what the cache has around addr. False: the wanted page was not there. */
static bool map_around(struct vma *v, struct mapping *m, uaddr_t addr)
{
	struct mm *mm = v->mm;
	struct around a;
	bool mapped;
	u32 entered;

	place_window(v, vma_pgoff(v, addr), &a);
	if (!collect_around(m, &a))
		return false;
	spin_lock(&mm->pt_lock);
	entered = fill_window(v, m, &a);
	mapped = (entered & 1u << a.wanted) || (hal_mmu_get(&mm->mmu, addr).flags & HAL_PTE_PRESENT);
	count_window(mm, &a, entered);
	page_mark_accessed(a.page[a.wanted]);
	unlock_window(&a, entered);
	spin_unlock(&mm->pt_lock);
	return mapped;
}

static kerr_t special_fault(struct vm_fault *f)
{
	struct page **pages = f->vma->priv;
	struct page *p = pages ? pages[(f->addr - f->vma->start) >> PAGE_SHIFT] : NULL;

	if (!p)
		return KERR(EFAULT);
	page_get(p);
	f->page = p;
	return KERR(0);
}

static enum fault_outcome enter_read(struct vma *v, struct mapping *m, uaddr_t addr, struct page *p)
{
	u32 flags = vma_pte_flags(v) | HAL_PTE_ACCESSED;
	enum fault_outcome out;

	if (!m)
		return enter_page(v, addr, p, flags);
	page_lock(p);
	if (p->mapping != m) {
		page_unlock(p);
		page_put(p);
		return FAULT_RETRY;
	}
	page_get(p);
	out = enter_page(v, addr, p, flags);
	page_unlock(p);
	page_put(p);
	return out;
}

/* A private copy straight away: the file's page is not mapped first. Takes the reference on src. */
static enum fault_outcome enter_copy(struct vma *v, uaddr_t addr, struct page *src)
{
	struct page *p = new_anon(v, false);

	if (p)
		copy_page(p, src);
	page_put(src);
	return p ? enter_page(v, addr, p, private_flags(v)) : FAULT_NOMEM;
}

static enum fault_outcome file_fault(struct vma *v, uaddr_t addr, unsigned flags)
{
	struct mapping *m = cache_of(v);
	struct vm_fault f = { .vma = v, .addr = addr, .pgoff = vma_pgoff(v, addr), .flags = flags };
	kerr_t err;

	if (!(flags & FAULT_WRITE) && m && map_around(v, m, addr))
		return FAULT_OK;
	err = v->ops->fault ? v->ops->fault(&f) : special_fault(&f);
	if (f.major) {
		atomic_inc(&mm_state()->pgmajfault);
		current->maj_flt++;
	}
	if (err)
		return outcome_of(err);
	if (!(flags & FAULT_WRITE))
		return enter_read(v, m, addr, f.page);
	if (!(v->flags & VM_SHARED))
		return enter_copy(v, addr, f.page);
	return make_shared_writable(v, addr, f.page);
}

/* ---- the fault ---- */

enum fault_outcome fault_in_vma(struct vma *v, uaddr_t addr, unsigned flags)
{
	struct mm *mm = v->mm;
	struct hal_pte pte;

	if (unlikely(!access_allowed(v, flags)))
		return FAULT_ACCERR;
	spin_lock(&mm->pt_lock);
	pte = hal_mmu_get(&mm->mmu, addr);
	if (pte.flags & HAL_PTE_PRESENT) {
		if ((flags & FAULT_WRITE) && !(pte.flags & HAL_PTE_WRITE))
			return write_protected(mm, v, addr, pte);
		if ((flags & FAULT_EXEC) && !(pte.flags & HAL_PTE_EXEC))
			hal_mmu_change(&mm->mmu, addr, addr + PAGE_SIZE, HAL_PTE_EXEC, 0);
		spin_unlock(&mm->pt_lock);
		return FAULT_OK; /* another thread was quicker, or a stale translation */
	}
	spin_unlock(&mm->pt_lock);
	if (unlikely(mm->nstash)) {
		bool found;
		enum fault_outcome out = stash_restore(v, addr, &found);

		if (found)
			return out;
	}
	return v->ops ? file_fault(v, addr, flags) : anon_fault(v, addr, flags);
}

/* Grows the stack that addr lies below: needs the lock for writing. On FAULT_OK it is held for reading again. */
static enum fault_outcome grow_stack(struct mm *mm, uaddr_t addr, struct vma **out)
{
	struct vma *v;

	rwsem_read_unlock(&mm->lock);
	rwsem_write_lock(&mm->lock);
	v = vma_find(mm, addr);
	if (!v || (addr < v->start && (!(v->flags & VM_GROWSDOWN) || vma_grow_down(v, addr)))) {
		rwsem_write_unlock(&mm->lock);
		return FAULT_MAPERR;
	}
	rwsem_downgrade(&mm->lock);
	*out = v;
	return FAULT_OK;
}

static enum fault_outcome fault_once(struct mm *mm, uaddr_t addr, unsigned flags)
{
	enum fault_outcome out;
	struct vma *v;

	rwsem_read_lock(&mm->lock);
	v = vma_find(mm, addr);
	if (unlikely(!v || addr < v->start)) {
		if (!v || !(v->flags & VM_GROWSDOWN)) {
			rwsem_read_unlock(&mm->lock);
			return FAULT_MAPERR;
		}
		out = grow_stack(mm, addr, &v);
		if (out != FAULT_OK)
			return out;
	}
	out = fault_in_vma(v, addr & PAGE_MASK, flags);
	rwsem_read_unlock(&mm->lock);
	return out;
}

static bool dying(void)
{
	return task_signal_pending() && task_signal_pending_state(TASK_KILLABLE);
}

struct fault_result mm_fault(struct mm *mm, uaddr_t addr, unsigned flags)
{
	struct fault_result bad = { SIGSEGV, SEGV_MAPERR };

	if (unlikely(mm->host || addr >= HAL_USER_END))
		return bad;
	for (;;) {
		switch (fault_once(mm, addr, flags)) {
		case FAULT_OK:
			return (struct fault_result){ 0, 0 };
		case FAULT_RETRY:
			break;
		case FAULT_NOMEM:
			if (!dying() && out_of_memory())
				break;
			return (struct fault_result){ SIGKILL, 0 };
		case FAULT_BUS:
			return (struct fault_result){ SIGBUS, BUS_ADRERR };
		case FAULT_ACCERR:
			bad.code = SEGV_ACCERR;
			return bad;
		case FAULT_MAPERR:
			return bad;
		}
		if (dying())
			return (struct fault_result){ SIGKILL, 0 };
		cond_resched();
	}
}

bool upcall_page_fault(struct hal_regs *regs, uaddr_t addr, unsigned flags)
{
	struct task *t = current;
	struct fault_result r = { SIGSEGV, SEGV_MAPERR };
	struct siginfo info = { 0 };

	(void)regs;
	if (unlikely(t->pagefault_disabled) && !(flags & FAULT_USER))
		return false;
	if (likely(t->mm)) {
		t->min_flt++;
		atomic_inc(&mm_state()->pgfault);
		r = mm_fault(t->mm, addr, flags & (FAULT_WRITE | FAULT_EXEC));
	}
	if (likely(!r.sig))
		return true;
	if (!(flags & FAULT_USER))
		return false;
	t->trap_no = 14;
	t->trap_error = (flags & FAULT_PRESENT ? 1 : 0) | (flags & FAULT_WRITE ? 2 : 0) | 4 | (flags & FAULT_EXEC ? 16 : 0);
	t->trap_addr = addr;
	info.signo = r.sig;
	info.code = r.code;
	info.fault.addr = addr;
	info.fault.trapno = 14; /* page fault (Intel SDM vol. 3, 6.15) */
	if (r.sig == SIGKILL)
		signal_force(t, SIGKILL, SIGINFO_KERNEL);
	else
		signal_force(t, r.sig, &info);
	return true;
}
