/* SPDX-License-Identifier: MIT */
/*
 * Page frames: the page array, and allocation as the rest of the kernel sees it. Below it stands the buddy allocator (buddy.c), reached for
 * batches; single pages come from and go to per-CPU caches.
 *
 *   pages_alloc() -> this CPU's cache of the zone -> buddy_alloc() -> reclaim_pages(), again
 *
 * Zones: 0 the direct map, 1 high memory. GFP_HIGH takes high memory first, and the direct map only while that leaves the
 * kernel's own reserve untouched. Watermarks are per zone.
 *
 * Locking: caches belong to their CPU, interrupts off; page_state.lock (RANK_BUDDY) is taken inside that.
 */
#include "buddy.h"

#include <hal/cpu.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/pagecache.h>
#include <maestro/printk.h>
#include <maestro/slab.h>

static struct page_state *pages(void)
{
	return &kernel()->page;
}

struct page *pfn_to_page(pfn_t pfn)
{
	return pages()->map + pfn;
}

pfn_t page_to_pfn(const struct page *p)
{
	return (pfn_t)(p - pages()->map);
}

struct page *phys_to_page(paddr_t pa)
{
	struct page *p;

	if (pa >> PAGE_SHIFT >= pages()->max_pfn)
		return NULL;
	p = pfn_to_page((pfn_t)(pa >> PAGE_SHIFT));
	return page_test(p, PG_RESERVED) ? NULL : p;
}

struct page *virt_to_page(const void *va)
{
	return pages()->map + (pfn_t)(hal_virt_to_phys(va) >> PAGE_SHIFT);
}

void *page_address(const struct page *p)
{
	DEBUG_ASSERT(hal_is_direct(page_to_phys(p)));
	return hal_phys_to_virt(page_to_phys(p));
}

/* --- how much is left --- */
struct wait_queue *page_low_wait(void)
{
	return &pages()->low_wait;
}

bool page_low(void)
{
	for (unsigned z = 0; z < PAGE_ZONES; z++)
		if (load_relaxed(&pages()->zone[z].nfree) < pages()->zone[z].low)
			return true;
	return false;
}

size_t page_low_pages(void)
{
	size_t n = 0;

	for (unsigned z = 0; z < PAGE_ZONES; z++) {
		u32 nfree = load_relaxed(&pages()->zone[z].nfree), high = pages()->zone[z].high;

		n += nfree < high ? high - nfree : 0;
	}
	return n;
}

bool page_plenty(void)
{
	return page_low_pages() == 0;
}

u64 page_free_count(void)
{
	u64 n = 0;

	/* the caches' counts are other CPUs' own: read torn, for a report */
	for (unsigned z = 0; z < PAGE_ZONES; z++) {
		n += load_relaxed(&pages()->zone[z].nfree);
		for (unsigned c = 0; c < hal_cpu_count(); c++)
			n += load_relaxed(&pages()->cpu[c][z].count);
	}
	return n;
}

void page_reserve_count(u64 *total, u64 *min)
{
	*total = pages()->zone[0].total + pages()->zone[1].total;
	*min = pages()->zone[0].min + pages()->zone[1].min;
}

static void zone_report(struct mem_info *out)
{
	struct page_state *ps = pages();

	out->total = ps->zone[0].total + ps->zone[1].total;
	out->free = page_free_count();
	out->high_total = ps->zone[1].total;
	out->high_free = load_relaxed(&ps->zone[1].nfree);
}

/* Counters that several CPUs move may be seen below 0 for an instant. */
static u64 counter(const struct atomic_long *a)
{
	long v = atomic_read(a);

	return v > 0 ? (u64)v : 0;
}

void page_stats(struct mem_info *out)
{
	const struct mm_state *mm = &kernel()->mm;

	memset(out, 0, sizeof(*out));
	zone_report(out);
	out->slab = (u64)(atomic_read(&kernel()->slab.pages) + atomic_read(&kernel()->slab.big_pages));
	out->cached = counter(&mm->nr_cached);
	out->dirty = counter(&mm->nr_dirty);
	out->writeback = counter(&mm->nr_writeback);
	out->mapped = counter(&mm->nr_mapped);
	out->anon = counter(&mm->nr_anon);
	out->shmem = counter(&mm->nr_shmem);
	out->active = counter(&mm->nr_active);
	out->inactive = counter(&mm->nr_inactive);
	out->committed = counter(&mm->committed);
	out->commit_limit = div_u64(out->total * mm->overcommit_ratio, 100);
}

/* Its own CPU's alone to change; others read it (page_free_count()). */
static void cache_count(struct page_cpu_cache *c, int more)
{
	store_relaxed(&c->count, c->count + (unsigned)more);
}

/* --- single pages --- */
static void cache_refill(struct page_state *ps, struct page_cpu_cache *c, unsigned z, u32 floor)
{
	spin_lock(&ps->lock);
	for (unsigned i = 0; i < ps->batch; i++) {
		struct page *p = buddy_alloc(ps, z, 0, floor);

		if (!p)
			break;
		list_add_tail(&c->pages, &p->lru);
		cache_count(c, 1);
	}
	spin_unlock(&ps->lock);
}

static void cache_drain(struct page_state *ps, struct page_cpu_cache *c, unsigned n)
{
	spin_lock(&ps->lock);
	while (n-- && c->count) {
		struct page *p = list_last(&c->pages, struct page, lru);

		list_del(&p->lru);
		cache_count(c, -1);
		buddy_free(ps, p, 0);
	}
	spin_unlock(&ps->lock);
}

static struct page *cached_alloc(struct page_state *ps, unsigned z, u32 floor)
{
	struct page_cpu_cache *c;
	struct page *p = NULL;
	unsigned long flags;

	preempt_disable();
	flags = hal_irq_save();
	c = &ps->cpu[this_cpu()->id][z];
	if (unlikely(!c->count))
		cache_refill(ps, c, z, floor);
	if (likely(c->count)) {
		p = list_first(&c->pages, struct page, lru);
		list_del(&p->lru);
		cache_count(c, -1);
	}
	hal_irq_restore(flags);
	preempt_enable();
	return p;
}

static void cached_free(struct page_state *ps, struct page *p, unsigned z)
{
	struct page_cpu_cache *c;
	unsigned long flags;

	preempt_disable();
	flags = hal_irq_save();
	c = &ps->cpu[this_cpu()->id][z];
	list_add(&c->pages, &p->lru);
	cache_count(c, 1);
	if (unlikely(c->count > ps->cache_high))
		cache_drain(ps, c, ps->batch);
	hal_irq_restore(flags);
	preempt_enable();
}

void pages_drain(void)
{
	struct page_state *ps = pages();
	unsigned long flags;

	preempt_disable();
	flags = hal_irq_save();
	for (unsigned z = 0; z < PAGE_ZONES; z++)
		cache_drain(ps, &ps->cpu[this_cpu()->id][z], ~0u);
	hal_irq_restore(flags);
	preempt_enable();
}

/* --- allocation --- */
static struct page *zone_alloc(struct page_state *ps, unsigned z, unsigned order, u32 floor)
{
	unsigned long flags;
	struct page *p;

	if (order == 0)
		return cached_alloc(ps, z, floor);
	flags = spin_lock_irqsave(&ps->lock);
	p = buddy_alloc(ps, z, order, floor);
	spin_unlock_irqrestore(&ps->lock, flags);
	return p;
}

static struct page *try_alloc(struct page_state *ps, unsigned order, enum gfp gfp)
{
	bool waits = gfp & GFP_WAIT;
	u32 floor = ps->zone[0].min;
	struct page *p;

	if (gfp & GFP_HIGH) {
		p = ps->zone[1].total ? zone_alloc(ps, 1, order, waits ? ps->zone[1].min : 0) : NULL;
		if (p)
			return p;
		/* with high memory present, what the kernel alone can use is kept from programs a little more */
		if (ps->zone[1].total)
			floor *= 2;
	}
	if (hal_current()->flags & TASK_MEMALLOC)
		floor = 0;
	else if (!waits)
		floor /= 2;
	return zone_alloc(ps, 0, order, floor);
}

/* Reclaim sleeps, and must not be entered from itself. */
static bool may_reclaim(enum gfp gfp)
{
	struct task *t = hal_current();

	return (gfp & GFP_WAIT) && kernel()->running && !(t->flags & TASK_MEMALLOC) && atomic_read(&t->preempt_count) == 0 &&
	       t != this_cpu()->idle;
}

static __noinline struct page *alloc_slow(struct page_state *ps, unsigned order, enum gfp gfp)
{
	struct page *p = NULL;

	wake_up_all(&ps->low_wait);
	if (!may_reclaim(gfp))
		return NULL;
	/* Reclaim may free what others take at once: a few rounds, as long as there is progress. Big blocks also need luck. */
	for (unsigned round = 0; round < (order > 3 ? 4u : 16u); round++) {
		size_t want = MAX((size_t)32, (size_t)2 << order), got;

		hal_current()->flags |= TASK_MEMALLOC;
		got = reclaim_pages(want, gfp);
		hal_current()->flags &= ~(u32)TASK_MEMALLOC;
		if (order)
			pages_drain();
		p = try_alloc(ps, order, gfp);
		if (p || !got)
			break;
		cond_resched();
	}
	return p;
}

static void prepare(struct page *p, unsigned order, enum gfp gfp)
{
	atomic_set(&p->flags, 0);
	atomic_set(&p->refs, 1);
	atomic_set(&p->mapcount, 0);
	p->mapping = NULL;
	p->index = 0;
	p->priv = 0;
	list_init(&p->lru);
	for (unsigned i = 1; i < 1u << order; i++) {
		atomic_set(&p[i].flags, 0);
		atomic_set(&p[i].refs, 0);
		atomic_set(&p[i].mapcount, 0);
		p[i].mapping = NULL;
	}
	if (hal_is_direct(page_to_phys(p)))
		mem_unpoison(page_address(p), PAGE_SIZE << order);
	if (!(gfp & GFP_ZERO))
		return;
	for (unsigned i = 0; i < 1u << order; i++) {
		void *va = page_map(p + i);

		memset(va, 0, PAGE_SIZE);
		page_unmap(va);
	}
}

struct page *pages_alloc(unsigned order, enum gfp gfp)
{
	struct page_state *ps = pages();
	struct page *p;

	DEBUG_ASSERT(order <= PAGE_MAX_ORDER);
	if (gfp & GFP_WAIT)
		might_sleep();
	if (unlikely(load_relaxed(&ps->fail_armed)) && alloc_should_fail())
		return NULL;
	p = try_alloc(ps, order, gfp);
	if (unlikely(!p)) {
		p = alloc_slow(ps, order, gfp);
		if (!p)
			return NULL;
	} else if (unlikely(page_low()) && wait_queue_active(&ps->low_wait)) {
		wake_up_all(&ps->low_wait);
	}
	prepare(p, order, gfp);
	return p;
}

void pages_free(struct page *p, unsigned order)
{
	struct page_state *ps = pages();
	unsigned long flags;

	DEBUG_ASSERT(!page_test(p, PG_BUDDY) && !page_test(p, PG_RESERVED) && !page_test(p, PG_LRU));
	DEBUG_ASSERT(atomic_read(&p->mapcount) == 0);
	atomic_set(&p->refs, 0);
	atomic_set(&p->flags, 0);
	if (hal_is_direct(page_to_phys(p)))
		mem_poison(page_address(p), PAGE_SIZE << order);
	if (order == 0) {
		cached_free(ps, p, page_zone_of(p));
		return;
	}
	flags = spin_lock_irqsave(&ps->lock);
	buddy_free(ps, p, order);
	spin_unlock_irqrestore(&ps->lock, flags);
}

/* --- failing on purpose --- */
void alloc_fail_nth(u64 nth)
{
	struct page_state *ps = pages();
	unsigned long flags = spin_lock_irqsave(&ps->fail_lock);

	ps->fail_at = nth;
	ps->fail_seen = 0;
	store_relaxed(&ps->fail_armed, nth || ps->fail_per_million);
	spin_unlock_irqrestore(&ps->fail_lock, flags);
}

void alloc_fail_often(u32 per_million, u64 seed)
{
	struct page_state *ps = pages();
	unsigned long flags = spin_lock_irqsave(&ps->fail_lock);

	ps->fail_per_million = per_million;
	ps->fail_random = seed;
	store_relaxed(&ps->fail_armed, ps->fail_at || per_million);
	spin_unlock_irqrestore(&ps->fail_lock, flags);
}

u64 alloc_fail_seen(void)
{
	struct page_state *ps = pages();
	unsigned long flags = spin_lock_irqsave(&ps->fail_lock);
	u64 n = ps->fail_seen;

	spin_unlock_irqrestore(&ps->fail_lock, flags);
	return n;
}

bool alloc_should_fail(void)
{
	struct page_state *ps = pages();
	unsigned long flags = spin_lock_irqsave(&ps->fail_lock);
	bool fail = ++ps->fail_seen == ps->fail_at;

	if (ps->fail_per_million) {
		ps->fail_random = ps->fail_random * 6364136223846793005ULL + 1442695040888963407ULL;
		fail |= ((ps->fail_random >> 32) * 1000000ULL) >> 32 < ps->fail_per_million;
	}
	spin_unlock_irqrestore(&ps->fail_lock, flags);
	return fail;
}

/* --- boot --- */
static paddr_t ram_limit(const struct hal_boot_info *b)
{
	u64 limit = kernel()->params.mem_limit;

	return limit && limit < b->ram_end ? ALIGN_DOWN(limit, PAGE_SIZE) : b->ram_end;
}

/* The page array lies at the start of the first range that can hold it in the direct map; `skip` is what it takes there. */
static const struct hal_ram_range *place_map(struct page_state *ps, const struct hal_boot_info *b, paddr_t limit, paddr_t *skip)
{
	size_t bytes = ALIGN_UP(ps->max_pfn * sizeof(struct page), PAGE_SIZE);

	for (unsigned i = 0; i < b->ram_count; i++) {
		const struct hal_ram_range *r = &b->ram[i];
		paddr_t end = MIN(r->end, limit);

		if (end < r->start || end - r->start < bytes || !hal_is_direct(r->start) || !hal_is_direct(r->start + bytes - 1))
			continue;
		ps->map = hal_phys_to_virt(r->start);
		*skip = bytes;
		return r;
	}
	return NULL;
}

static void set_watermarks(struct page_state *ps)
{
	for (unsigned z = 0; z < PAGE_ZONES; z++) {
		struct page_zone *zone = &ps->zone[z];
		u64 min = zone->total / 128;

		min = min > 2048 ? 2048 : min;
		zone->min = (u32)min;
		zone->low = (u32)(min + min / 2);
		zone->high = (u32)(min * 2);
	}
	/* The caches hold at most some thousandth of memory each. */
	ps->batch = (unsigned)((ps->zone[0].total + ps->zone[1].total) / 2048);
	ps->batch = ps->batch < 4 ? 4 : ps->batch > 16 ? 16 : ps->batch;
	ps->cache_high = ps->batch * 4;
}

/* Frees [start, end) less the initrd, in the largest aligned blocks that fit. */
static void give_range(struct page_state *ps, paddr_t start, paddr_t end)
{
	pfn_t pfn = (pfn_t)((start + PAGE_SIZE - 1) >> PAGE_SHIFT), last = (pfn_t)(end >> PAGE_SHIFT);

	while (pfn < last) {
		unsigned order = pfn ? (unsigned)__builtin_ctzl(pfn) : PAGE_MAX_ORDER;

		if (order > PAGE_MAX_ORDER)
			order = PAGE_MAX_ORDER;
		while (pfn + (1UL << order) > last)
			order--;
		for (pfn_t i = pfn; i < pfn + (1UL << order); i++)
			atomic_set(&ps->map[i].flags, 0);
		ps->zone[page_zone_of(ps->map + pfn)].total += 1u << order;
		buddy_free(ps, ps->map + pfn, order);
		pfn += 1UL << order;
	}
}

void pages_give(paddr_t start, paddr_t end)
{
	struct page_state *ps = pages();
	unsigned long flags;

	if (end > (paddr_t)ps->max_pfn << PAGE_SHIFT)
		end = (paddr_t)ps->max_pfn << PAGE_SHIFT;
	if (start >= end)
		return;
	flags = spin_lock_irqsave(&ps->lock);
	give_range(ps, start, end);
	spin_unlock_irqrestore(&ps->lock, flags);
}

kerr_t page_init(void)
{
	struct page_state *ps = pages();
	const struct hal_boot_info *b = hal_boot_info();
	paddr_t limit = ram_limit(b), skip = 0;
	const struct hal_ram_range *home;

	spin_init(&ps->lock, RANK_BUDDY, "buddy");
	spin_init(&ps->fail_lock, RANK_LEAF, "fail_nth");
	wait_queue_init(&ps->low_wait);
	for (unsigned z = 0; z < PAGE_ZONES; z++) {
		for (unsigned o = 0; o <= PAGE_MAX_ORDER; o++)
			list_init(&ps->zone[z].free[o]);
		for (unsigned c = 0; c < HAL_MAX_CPUS; c++)
			list_init(&ps->cpu[c][z].pages);
	}
	ps->max_pfn = (pfn_t)(limit >> PAGE_SHIFT);
	home = place_map(ps, b, limit, &skip);
	if (!home) {
		klog(LOG_EMERG, "memory: no range of RAM can hold the page array");
		return KERR(ENOMEM);
	}
	for (pfn_t i = 0; i < ps->max_pfn; i++) {
		memset(&ps->map[i], 0, sizeof(struct page));
		atomic_set(&ps->map[i].flags, 1L << PG_RESERVED);
	}
	for (unsigned i = 0; i < b->ram_count; i++) {
		paddr_t start = b->ram[i].start + (&b->ram[i] == home ? skip : 0), end = MIN(b->ram[i].end, limit);

		/* the loader's initrd may lie inside a range: its pages come later, by pages_give() */
		if (b->initrd < b->initrd_end && b->initrd < end && b->initrd_end > start) {
			if (b->initrd > start)
				pages_give(start, ALIGN_DOWN(b->initrd, PAGE_SIZE));
			start = ALIGN_UP(b->initrd_end, PAGE_SIZE);
		}
		if (start < end)
			pages_give(start, end);
	}
	set_watermarks(ps);
	klog_info("memory: %lu KiB usable, %lu KiB of it high, page array %zu KiB",
		  (unsigned long)(ps->zone[0].total + ps->zone[1].total) * 4, (unsigned long)ps->zone[1].total * 4, (size_t)skip / 1024);
	return KERR(0);
}
