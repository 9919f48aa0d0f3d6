/* SPDX-License-Identifier: MIT */
/*
 * Taking pages out of the page cache: truncation, hole punching, dropping what is clean.
 *
 * The caller holds the inode's rwsem for writing and has already set the new size: faults that come after see it. A fault that saw the old size
 * holds the page lock while it installs the page and then checks that the page is still in the mapping; so unmapping each page again under its
 * lock, before it is removed, leaves no map of a removed page.
 */
#include "vm.h"

static void drop_page(struct mapping *m, struct page *p)
{
	page_lock(p);
	page_wait_writeback(p);
	if (p->mapping == m) {
		if (atomic_read(&p->mapcount))
			mapping_unmap(m, p->index, p->index, true);
		mapping_remove(p);
	}
	page_unlock(p);
	page_put(p);
}

static void drop_range(struct mapping *m, pgoff_t first, pgoff_t last)
{
	struct page *p;

	while (load_relaxed(&m->nrpages) && (p = mapping_find_next(m, &first, last))) {
		drop_page(m, p);
		cond_resched();
		if (first++ >= last)
			break;
	}
}

/* Zeroes a part of one page, if it is cached; it becomes dirty, unless it is a hole of a file in memory. */
static void zero_part(struct mapping *m, pgoff_t index, size_t from, size_t to)
{
	struct page *p = mapping_find(m, index);
	u8 *va;

	if (!p)
		return;
	page_lock(p);
	page_wait_writeback(p);
	if (p->mapping == m && page_test(p, PG_UPTODATE)) {
		va = page_map(p);
		memset(va + from, 0, to - from);
		page_unmap(va);
		if (!(m->flags & MAPPING_SHMEM))
			page_set_dirty(p);
	}
	page_unlock(p);
	page_put(p);
}

void mapping_truncate(struct mapping *m, loff_t new_size)
{
	pgoff_t first = last_page(new_size);
	size_t tail = (size_t)new_size & ~PAGE_MASK;

	if (load_relaxed(&m->nrpages)) {
		mapping_unmap(m, first, ULONG_MAX, true);
		if (tail)
			zero_part(m, (pgoff_t)(new_size >> PAGE_SHIFT), tail, PAGE_SIZE);
		drop_range(m, first, ULONG_MAX);
	}
	if (!new_size) { /* the inode may be freed next: whoever removed the last page must have let go of the lock */
		unsigned long irq = spin_lock_irqsave(&m->lock);

		spin_unlock_irqrestore(&m->lock, irq);
	}
}

void mapping_truncate_range(struct mapping *m, loff_t start, loff_t end)
{
	pgoff_t first = last_page(start), past = (pgoff_t)(end >> PAGE_SHIFT);
	size_t head = (size_t)start & ~PAGE_MASK, tail = (size_t)end & ~PAGE_MASK;

	if (!load_relaxed(&m->nrpages) || start >= end)
		return;
	if (head && first > past) { /* inside one page */
		zero_part(m, past, head, tail);
		return;
	}
	if (head)
		zero_part(m, first - 1, head, PAGE_SIZE);
	if (tail)
		zero_part(m, past, 0, tail);
	if (first >= past)
		return;
	mapping_unmap(m, first, past - 1, false);
	drop_range(m, first, past - 1);
}

size_t mapping_invalidate_clean(struct mapping *m, pgoff_t first, pgoff_t last)
{
	size_t dropped = 0;
	struct page *p;

	while (load_relaxed(&m->nrpages) && first <= last && (p = mapping_find_next(m, &first, last))) {
		if (page_trylock(p)) {
			if (p->mapping == m && mapping_remove_unused(p))
				dropped++;
			page_unlock(p);
		}
		page_put(p);
		if (first++ == ULONG_MAX)
			break;
		cond_resched();
	}
	return dropped;
}
