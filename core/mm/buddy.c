/* SPDX-License-Identifier: MIT */
/*
 * The buddy allocator (Knuth, vol. 1, 2.5): free blocks of 1 << order frames, aligned to their size, on a list per zone and order. The head of
 * a free block has PG_BUDDY and its order; freeing merges with the buddy (the frame number with bit `order` flipped) while that is a
 * free block of the same order in the same zone.
 *
 * Locking: page_state.lock, held by the callers.
 */
#include "buddy.h"

#include <maestro/kernel.h>

static void push(struct page_zone *zone, struct page *p, unsigned order)
{
	atomic_set(&p->flags, 1L << PG_BUDDY);
	p->order = order;
	list_add(&zone->free[order], &p->lru);
}

static void unlink(struct page *p)
{
	list_del(&p->lru);
	atomic_set(&p->flags, 0);
}

struct page *buddy_alloc(struct page_state *ps, unsigned z, unsigned order, u32 floor)
{
	struct page_zone *zone = &ps->zone[z];
	unsigned o = order;
	struct page *p;

	assert_held(&ps->lock);
	if (zone->nfree < floor + (1u << order))
		return NULL;
	while (o <= PAGE_MAX_ORDER && list_empty(&zone->free[o]))
		o++;
	if (o > PAGE_MAX_ORDER)
		return NULL;
	p = list_first(&zone->free[o], struct page, lru);
	DEBUG_ASSERT(page_test(p, PG_BUDDY) && p->order == o);
	unlink(p);
	while (o > order) {
		o--;
		push(zone, p + (1UL << o), o);
	}
	store_relaxed(&zone->nfree, zone->nfree - (1u << order));
	return p;
}

void buddy_free(struct page_state *ps, struct page *p, unsigned order)
{
	unsigned z = page_zone_of(p);
	struct page_zone *zone = &ps->zone[z];
	pfn_t pfn = (pfn_t)(p - ps->map);

	assert_held(&ps->lock);
	DEBUG_ASSERT(!page_test(p, PG_BUDDY));
	store_relaxed(&zone->nfree, zone->nfree + (1u << order));
	for (; order < PAGE_MAX_ORDER; order++) {
		pfn_t other = pfn ^ (1UL << order);
		struct page *b = ps->map + other;

		if (other + (1UL << order) > ps->max_pfn || !page_test(b, PG_BUDDY) || b->order != order || page_zone_of(b) != z)
			break;
		unlink(b);
		pfn &= ~(1UL << order);
	}
	push(zone, ps->map + pfn, order);
}
