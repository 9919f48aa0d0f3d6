/* SPDX-License-Identifier: MIT */
/*
 * Reverse maps of file pages: from a page through its mapping's list of areas to the table entries.
 *
 * i_mmap_lock keeps the areas alive and in place; pt_lock of each space is taken inside it. The page is locked, so that no new map of it appears
 * (fault.c installs file pages under the page lock). Private copies (PG_ANON) have no reverse map: without swap nobody asks.
 */
#include "vm.h"

/* Returns false to stop. The entry maps the page; i_mmap_lock and pt_lock are held. */
typedef bool rmap_fn(struct vma *v, uaddr_t addr, struct hal_pte pte, void *arg);

static bool rmap_visit(struct page *p, struct vma *v, rmap_fn *fn, void *arg)
{
	struct mm *mm = v->mm;
	bool go_on = true;
	struct hal_pte pte;
	uaddr_t addr;

	if (p->index < v->pgoff || p->index - v->pgoff >= vma_pages(v))
		return true;
	addr = v->start + ((p->index - v->pgoff) << PAGE_SHIFT);
	spin_lock(&mm->pt_lock);
	pte = hal_mmu_get(&mm->mmu, addr);
	if ((pte.flags & HAL_PTE_PRESENT) && !(pte.flags & HAL_PTE_SPECIAL) && pte.frame == page_to_phys(p))
		go_on = fn(v, addr, pte, arg);
	spin_unlock(&mm->pt_lock);
	return go_on;
}

static void rmap_walk(struct page *p, rmap_fn *fn, void *arg)
{
	struct mapping *m = p->mapping;
	struct vma *v;

	DEBUG_ASSERT(page_test(p, PG_LOCKED));
	if (!m)
		return;
	spin_lock(&m->i_mmap_lock);
	list_for_each(v, &m->i_mmap, i_mmap_node)
		if (!rmap_visit(p, v, fn, arg))
			break;
	spin_unlock(&m->i_mmap_lock);
}

static bool mkclean_one(struct vma *v, uaddr_t addr, struct hal_pte pte, void *arg)
{
	bool *dirty = arg;

	if (pte.flags & (HAL_PTE_WRITE | HAL_PTE_DIRTY)) {
		*dirty = true;
		hal_mmu_change(&v->mm->mmu, addr, addr + PAGE_SIZE, 0, HAL_PTE_WRITE | HAL_PTE_DIRTY);
	}
	return true;
}

bool page_mkclean(struct page *p)
{
	bool dirty = false;

	rmap_walk(p, mkclean_one, &dirty);
	return dirty;
}

struct unmap_try {
	struct page *page;
	bool referenced, locked;
};

/* Locked areas keep their pages; a used page loses its mark and stays this time. */
static bool look_one(struct vma *v, uaddr_t addr, struct hal_pte pte, void *arg)
{
	struct unmap_try *t = arg;

	if (v->flags & VM_LOCKED)
		t->locked = true;
	if (pte.flags & HAL_PTE_ACCESSED) {
		t->referenced = true;
		hal_mmu_change(&v->mm->mmu, addr, addr + PAGE_SIZE, 0, HAL_PTE_ACCESSED);
	}
	return !t->locked;
}

static bool unmap_one(struct vma *v, uaddr_t addr, struct hal_pte pte, void *arg)
{
	struct unmap_try *t = arg;

	(void)pte;
	hal_mmu_unmap(&v->mm->mmu, addr, addr + PAGE_SIZE, NULL, NULL);
	page_map_put(v->mm, t->page);
	page_put(t->page); /* never the last: the caller has one */
	return true;
}

bool page_try_unmap(struct page *p, bool *referenced)
{
	struct unmap_try t = { .page = p };

	rmap_walk(p, look_one, &t);
	*referenced = t.referenced;
	if (t.locked || t.referenced)
		return false;
	rmap_walk(p, unmap_one, &t);
	return atomic_read(&p->mapcount) == 0;
}

static void unmap_in_vma(struct vma *v, pgoff_t first, pgoff_t last, bool even_cows)
{
	pgoff_t vlast = v->pgoff + vma_pages(v) - 1;
	uaddr_t start, end;

	if (last < v->pgoff || first > vlast)
		return;
	start = first <= v->pgoff ? v->start : v->start + ((first - v->pgoff) << PAGE_SHIFT);
	end = last >= vlast ? v->end : v->start + ((last - v->pgoff + 1) << PAGE_SHIFT);
	if (even_cows)
		mm_zap(v->mm, start, end);
	else
		mm_zap_file_pages(v, start, end);
}

void mapping_unmap(struct mapping *m, pgoff_t first, pgoff_t last, bool even_cows)
{
	struct vma *v;

	if (list_empty(&m->i_mmap)) /* a map made after this look sees the new size */
		return;
	spin_lock(&m->i_mmap_lock);
	list_for_each(v, &m->i_mmap, i_mmap_node)
		unmap_in_vma(v, first, last, even_cows);
	spin_unlock(&m->i_mmap_lock);
}
