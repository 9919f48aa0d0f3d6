/* SPDX-License-Identifier: MIT */
/*
 * The two lists of page cache pages by age. New pages start on the inactive list; a second use moves a page to the active one; reclaim takes
 * from the tail of the inactive list and refills it from the active one (reclaim.c).
 *
 * A page on a list is in a mapping: it is taken off before the mapping drops its reference. lru_lock protects lists, PG_LRU and PG_ACTIVE.
 */
#include "vm.h"

static void lru_link(struct mm_state *s, struct page *p)
{
	assert_held(&s->lru_lock);
	page_set(p, PG_LRU);
	if (page_test(p, PG_ACTIVE)) {
		list_add(&s->lru_active, &p->lru);
		atomic_inc(&s->nr_active);
	} else {
		list_add(&s->lru_inactive, &p->lru);
		atomic_inc(&s->nr_inactive);
	}
}

static void lru_unlink(struct mm_state *s, struct page *p)
{
	assert_held(&s->lru_lock);
	page_clear(p, PG_LRU);
	list_del(&p->lru);
	if (page_test(p, PG_ACTIVE))
		atomic_dec(&s->nr_active);
	else
		atomic_dec(&s->nr_inactive);
}

/* The page may have been truncated while reclaim had it isolated: then it must not come back. */
void lru_add(struct page *p)
{
	struct mm_state *s = mm_state();
	unsigned long irq = spin_lock_irqsave(&s->lru_lock);

	if (!page_test(p, PG_LRU) && load_relaxed(&p->mapping))
		lru_link(s, p);
	spin_unlock_irqrestore(&s->lru_lock, irq);
}

void lru_del(struct page *p)
{
	struct mm_state *s = mm_state();
	unsigned long irq = spin_lock_irqsave(&s->lru_lock);

	if (page_test(p, PG_LRU))
		lru_unlink(s, p);
	spin_unlock_irqrestore(&s->lru_lock, irq);
}

static void lru_activate(struct page *p)
{
	struct mm_state *s = mm_state();
	unsigned long irq = spin_lock_irqsave(&s->lru_lock);

	if (page_test(p, PG_LRU) && !page_test(p, PG_ACTIVE)) {
		lru_unlink(s, p);
		page_set(p, PG_ACTIVE);
		lru_link(s, p);
	}
	page_clear(p, PG_REFERENCED);
	spin_unlock_irqrestore(&s->lru_lock, irq);
}

void page_mark_accessed(struct page *p)
{
	if (!page_test(p, PG_REFERENCED))
		page_set(p, PG_REFERENCED);
	else if (!page_test(p, PG_ACTIVE))
		lru_activate(p);
}

unsigned lru_isolate(bool active, struct page **batch, unsigned n)
{
	struct mm_state *s = mm_state();
	struct list *l = active ? &s->lru_active : &s->lru_inactive;
	unsigned long irq = spin_lock_irqsave(&s->lru_lock);
	unsigned got = 0;

	while (got < n && !list_empty(l)) {
		struct page *p = list_last(l, struct page, lru);

		page_get(p); /* on a list: its mapping has a reference */
		lru_unlink(s, p);
		batch[got++] = p;
	}
	spin_unlock_irqrestore(&s->lru_lock, irq);
	return got;
}
