/* SPDX-License-Identifier: MIT */
/*
 * Taking pages out of page tables, and the counts that go with table entries.
 *
 * Each entry of a counted page owns one reference and one of page.mapcount. Another CPU may still write through a stale translation until
 * hal_mmu_unmap() returns: where one could be using the space, pages are gathered and put only after it; otherwise they are put at once.
 * pt_lock protects tables and counts.
 */
#include "vm.h"

#define ZAP_BATCH 64u

struct zap {
	struct mm *mm;
	bool gather;
	unsigned n;
	struct page *pages[ZAP_BATCH];
};

void mm_count_page(struct mm *mm, struct page *p, int n)
{
	const struct mapping *m;

	assert_held(&mm->pt_lock);
	if (page_test(p, PG_ANON)) {
		mm->rss_anon += n;
		return;
	}
	m = load_relaxed(&p->mapping); /* a mapped page is not taken out of its mapping */
	if (m && (m->flags & MAPPING_SHMEM))
		mm->rss_shmem += n;
	else
		mm->rss_file += n;
}

static struct atomic_long *mapped_counter(const struct page *p)
{
	return page_test(p, PG_ANON) ? &mm_state()->nr_anon : &mm_state()->nr_mapped;
}

void page_map_get(struct mm *mm, struct page *p)
{
	if (atomic_inc_return(&p->mapcount) == 1)
		atomic_inc(mapped_counter(p));
	mm_count_page(mm, p, 1);
}

void page_map_put(struct mm *mm, struct page *p)
{
	mm_count_page(mm, p, -1);
	if (atomic_dec_and_test(&p->mapcount))
		atomic_dec(mapped_counter(p));
}

static void zap_file_page(struct mm *mm, struct page *p, bool used)
{
	if (used && !page_test(p, PG_REFERENCED))
		page_set(p, PG_REFERENCED);
	page_map_put(mm, p);
}

static void zap_frames(void *arg, const pfn_t *frames, unsigned n)
{
	struct zap *z = arg;
	unsigned others = 0;
	long unmapped = 0;

	for (unsigned i = 0; i < n; i++) {
		struct page *p = frame_page(frames[i]);

		if (unlikely(!page_test(p, PG_ANON))) {
			zap_file_page(z->mm, p, frames[i] & HAL_FRAME_USED);
			others++;
		} else if (atomic_dec_and_test(&p->mapcount)) {
			unmapped++;
		}
		if (z->gather)
			z->pages[z->n++] = p;
		else
			page_put(p);
	}
	z->mm->rss_anon -= (long)(n - others);
	if (unmapped)
		atomic_sub(&mm_state()->nr_anon, unmapped);
}

/* May a thread be running in this space on another CPU? */
static bool used_elsewhere(const struct mm *mm)
{
	int users = atomic_read(&mm->users);

	if (users == 0 || hal_cpu_count() == 1)
		return false;
	return users > 1 || current->mm != mm;
}

static void zap_range(struct zap *z, uaddr_t start, uaddr_t end)
{
	spin_lock(&z->mm->pt_lock);
	hal_mmu_unmap(&z->mm->mmu, start, end, zap_frames, z);
	spin_unlock(&z->mm->pt_lock);
	for (unsigned i = 0; i < z->n; i++)
		page_put(z->pages[i]);
	z->n = 0;
}

void mm_zap_tables(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct zap z;

	z.mm = mm;
	z.n = 0;
	z.gather = used_elsewhere(mm);
	if (!z.gather) {
		zap_range(&z, start, end);
		return;
	}
	while (start < end) {
		uaddr_t next = end - start > ZAP_BATCH * PAGE_SIZE ? start + ZAP_BATCH * PAGE_SIZE : end;

		zap_range(&z, start, next);
		start = next;
	}
}

void mm_zap(struct mm *mm, uaddr_t start, uaddr_t end)
{
	DEBUG_ASSERT(IS_ALIGNED(start | end, PAGE_SIZE));
	mm_zap_tables(mm, start, end);
	if (unlikely(mm->nstash))
		stash_drop(mm, start, end);
}

void mm_zap_file_pages(struct vma *v, uaddr_t start, uaddr_t end)
{
	struct mm *mm = v->mm;

	if (!load_relaxed(&v->has_anon)) {
		mm_zap_tables(mm, start, end);
		return;
	}
	for (; start < end; start += PAGE_SIZE) {
		struct hal_pte pte;
		bool anon;

		spin_lock(&mm->pt_lock);
		pte = hal_mmu_get(&mm->mmu, start);
		anon = !(pte.flags & HAL_PTE_PRESENT) ||
		       (!(pte.flags & HAL_PTE_SPECIAL) && page_test(phys_to_page(pte.frame), PG_ANON));
		spin_unlock(&mm->pt_lock);
		if (!anon) /* a copy made right now is lost by nobody: its file page went away at the same moment */
			mm_zap_tables(mm, start, start + PAGE_SIZE);
	}
}
