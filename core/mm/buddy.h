/* SPDX-License-Identifier: MIT */
/* The buddy allocator, private to core/mm. page_state.lock is held for all of it. */
#pragma once

#include <maestro/kernel_fwd.h>
#include <maestro/page.h>
#include <maestro/state/mm.h>

/* A block of 1 << order frames that leaves at least `floor` free pages in the zone, or NULL. */
struct page *buddy_alloc(struct page_state *ps, unsigned zone, unsigned order, u32 floor);
void buddy_free(struct page_state *ps, struct page *p, unsigned order);

static inline unsigned page_zone_of(const struct page *p)
{
	return hal_is_direct(page_to_phys(p)) ? 0 : 1;
}

/* Telling a sanitizer costs a call for each page: only where one may listen. */
#if defined(MAESTRO_DEBUG) || defined(__SANITIZE_ADDRESS__)
#define mem_poison(p, n) hal_poison((p), (n))
#define mem_unpoison(p, n) hal_unpoison((p), (n))
#else
#define mem_poison(p, n) ((void)sizeof(p))
#define mem_unpoison(p, n) ((void)sizeof(p))
#endif
