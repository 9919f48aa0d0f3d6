/* SPDX-License-Identifier: MIT */
/*
 * Private pages of areas that may not be accessed at all (PROT_NONE). A table entry is either readable or absent, so mprotect(PROT_NONE) moves the
 * anonymous pages of the range to mm.stash, an array by page number [pt_lock]; a fault after the next mprotect brings them back. A stashed page
 * keeps its reference, its mapcount and its place in the rss.
 */
#include "vm.h"

#define CHUNK 32u

struct found {
	unsigned n;
	uaddr_t va[CHUNK];
	struct page *page[CHUNK];
};

static void note_anon(void *arg, uaddr_t va, struct hal_pte pte)
{
	struct found *f = arg;
	struct page *p;

	if (pte.flags & HAL_PTE_SPECIAL)
		return;
	p = phys_to_page(pte.frame);
	if (!page_test(p, PG_ANON))
		return;
	f->va[f->n] = va;
	f->page[f->n++] = p;
}

static kerr_t stash_chunk(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct found f;
	kerr_t err = KERR(0);

	f.n = 0;
	spin_lock(&mm->pt_lock);
	hal_mmu_walk(&mm->mmu, start, end, note_anon, &f);
	for (unsigned i = 0; i < f.n; i++) {
		err = xa_insert(&mm->stash, f.va[i] >> PAGE_SHIFT, f.page[i]);
		if (err)
			break;
		hal_mmu_unmap(&mm->mmu, f.va[i], f.va[i] + PAGE_SIZE, NULL, NULL);
		mm->nstash++;
	}
	spin_unlock(&mm->pt_lock);
	return err;
}

kerr_t stash_range(struct mm *mm, uaddr_t start, uaddr_t end)
{
	kerr_t err = KERR(0);

	while (!err && start < end) {
		uaddr_t next = end - start > CHUNK * PAGE_SIZE ? start + CHUNK * PAGE_SIZE : end;

		err = stash_chunk(mm, start, next);
		start = next;
	}
	return err;
}

/* The first stashed page at or after *index, below `last` (inclusive), taken out. pt_lock held. */
static struct page *take_next(struct mm *mm, unsigned long *index, unsigned long last)
{
	struct page *p = xa_find(&mm->stash, index, last);

	assert_held(&mm->pt_lock);
	if (!p)
		return NULL;
	(void)xa_erase(&mm->stash, *index);
	mm->nstash--;
	return p;
}

void stash_drop(struct mm *mm, uaddr_t start, uaddr_t end)
{
	unsigned long index = start >> PAGE_SHIFT, last = (end - 1) >> PAGE_SHIFT;
	struct page *p;

	spin_lock(&mm->pt_lock);
	while (mm->nstash && index <= last && (p = take_next(mm, &index, last))) {
		page_map_put(mm, p);
		page_put(p);
		index++;
	}
	spin_unlock(&mm->pt_lock);
}

enum fault_outcome stash_restore(struct vma *v, uaddr_t addr, bool *found)
{
	struct mm *mm = v->mm;
	u32 flags = vma_pte_flags(v) | HAL_PTE_ACCESSED;
	enum fault_outcome out = FAULT_OK;
	struct page *p;

	*found = false;
	spin_lock(&mm->pt_lock);
	p = xa_load(&mm->stash, addr >> PAGE_SHIFT);
	if (p) {
		*found = true;
		if ((v->flags & VM_WRITE) && atomic_read_acquire(&p->refs) == 1)
			flags |= HAL_PTE_WRITE | HAL_PTE_DIRTY;
		if (hal_mmu_set(&mm->mmu, addr, page_to_phys(p), flags)) {
			out = FAULT_NOMEM;
		} else {
			(void)xa_erase(&mm->stash, addr >> PAGE_SHIFT);
			mm->nstash--;
		}
	}
	spin_unlock(&mm->pt_lock);
	return out;
}

/* fork; dst is not visible to anyone else yet. */
kerr_t stash_copy(struct mm *dst, struct mm *src, uaddr_t start, uaddr_t end)
{
	unsigned long index = start >> PAGE_SHIFT, last = (end - 1) >> PAGE_SHIFT;
	kerr_t err = KERR(0);
	struct page *p;

	spin_lock(&src->pt_lock);
	spin_lock_nested(&dst->pt_lock);
	while (!err && index <= last && (p = xa_find(&src->stash, &index, last))) {
		err = xa_insert(&dst->stash, index, p);
		if (!err) {
			page_get(p);
			page_map_get(dst, p);
			dst->nstash++;
		}
		index++;
	}
	spin_unlock(&dst->pt_lock);
	spin_unlock(&src->pt_lock);
	return err;
}

/* mremap: on KERR(ENOMEM) the page that could not be placed is where it was, those before it have moved. */
kerr_t stash_move(struct mm *mm, uaddr_t from, uaddr_t to, size_t len)
{
	unsigned long index = from >> PAGE_SHIFT, last = (from + len - 1) >> PAGE_SHIFT, base = index;
	kerr_t err = KERR(0);
	struct page *p;

	spin_lock(&mm->pt_lock);
	while (!err && index <= last && (p = xa_find(&mm->stash, &index, last))) {
		err = xa_insert(&mm->stash, (to >> PAGE_SHIFT) + (index - base), p);
		if (!err)
			(void)xa_erase(&mm->stash, index);
		index++;
	}
	spin_unlock(&mm->pt_lock);
	return err;
}
