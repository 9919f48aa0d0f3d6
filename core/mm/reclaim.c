/* SPDX-License-Identifier: MIT */
/*
 * Reclaim: giving back page cache pages and cached objects when frames run short.
 *
 * Candidates come from the tail of the inactive list, in batches off the list with a reference. A page is locked by trylock, unmapped if its table
 * entries were not used since the last look, and dropped if it is clean and unused. Dirty pages are the flusher's work: reclaim itself starts no
 * I/O, so it may run under any lock that an allocation with GFP_WAIT may be made under. Anonymous and dirty shmem pages stay: there is no swap.
 *
 * Where programs' own memory grows (GFP_ANON), the file cache keeps cache_floor pages. Else a program that eats all would first drive out the code
 * of all programs, its own among it, and each would read it again and again, for minutes, before any allocation fails and one is killed.
 */
#include "vm.h"

#define BATCH 32u

enum verdict { KEEP, ACTIVATE, FREED, DIRTY };

/* p is locked. */
static enum verdict judge(struct page *p)
{
	bool referenced = false;

	if (!p->mapping)
		return KEEP;
	if (p->mapping->flags & MAPPING_SHMEM) {
		if (page_test(p, PG_DIRTY))
			return ACTIVATE;
	} else if (page_test(p, PG_WRITEBACK) || page_test(p, PG_DIRTY)) {
		return DIRTY;
	}
	if (atomic_read(&p->mapcount) && !page_try_unmap(p, &referenced))
		return referenced ? ACTIVATE : KEEP;
	return mapping_remove_unused(p) ? FREED : KEEP;
}

static enum verdict reclaim_one(struct page *p)
{
	enum verdict v = KEEP;

	if (page_trylock(p)) {
		v = judge(p);
		page_unlock(p);
	}
	if (v != FREED) {
		if (v == ACTIVATE)
			page_set(p, PG_ACTIVE);
		lru_add(p);
	}
	page_put(p);
	return v;
}

/* Moves some of the oldest active pages to the inactive list; one that was touched since goes round again. */
static void refill_inactive(void)
{
	struct page *batch[BATCH];
	unsigned n = lru_isolate(true, batch, BATCH);

	for (unsigned i = 0; i < n; i++) {
		if (!page_test_clear(batch[i], PG_REFERENCED))
			page_clear(batch[i], PG_ACTIVE);
		lru_add(batch[i]);
		page_put(batch[i]);
	}
}

static bool at_floor(const struct mm_state *s, enum gfp gfp)
{
	return (gfp & GFP_ANON) && atomic_read(&s->nr_cached) - atomic_read(&s->nr_shmem) <= s->cache_floor;
}

static size_t shrink_lru(size_t want, enum gfp gfp)
{
	struct mm_state *s = mm_state();
	long budget = atomic_read(&s->nr_inactive) + atomic_read(&s->nr_active) + (long)BATCH;
	size_t freed = 0, dirty = 0;

	while (freed < want && budget > 0 && !at_floor(s, gfp)) {
		struct page *batch[BATCH];
		unsigned n;

		if (atomic_read(&s->nr_inactive) < atomic_read(&s->nr_active) || atomic_read(&s->nr_inactive) < (long)BATCH)
			refill_inactive();
		n = lru_isolate(false, batch, BATCH);
		budget -= (long)BATCH;
		atomic_add(&s->pages_scanned, (long)n);
		for (unsigned i = 0; i < n; i++) {
			enum verdict v = reclaim_one(batch[i]);

			freed += v == FREED;
			dirty += v == DIRTY;
		}
		cond_resched();
	}
	atomic_add(&s->pages_stolen, (long)freed);
	if (dirty)
		writeback_kick();
	return freed;
}

void shrinker_register(struct shrinker *sh)
{
	struct mm_state *s = mm_state();

	if (!s->shrinkers.next) {
		mutex_init(&s->shrinker_mutex, RANK_MUTEX_LEAF, "shrinkers");
		list_init(&s->shrinkers);
	}
	mutex_lock(&s->shrinker_mutex);
	list_add_tail(&s->shrinkers, &sh->node);
	mutex_unlock(&s->shrinker_mutex);
}

/* Shrinkers are registered at boot and stay, so that the list needs no lock to be read (a shrinker takes locks of a lower rank). */
size_t shrink_caches(size_t nr, enum gfp gfp)
{
	struct mm_state *s = mm_state();
	struct shrinker *sh;
	size_t freed = 0;

	if (!s->shrinkers.next)
		return 0;
	list_for_each(sh, &s->shrinkers, node)
		freed += sh->shrink(sh, nr, gfp);
	return freed;
}

size_t reclaim_pages(size_t want, enum gfp gfp)
{
	struct mm_state *s = mm_state();
	size_t freed, objects;

	if (!s->lru_inactive.next)
		return 0;
	freed = shrink_lru(want, gfp);
	objects = shrink_caches(freed < want ? want * 4 : want / 4 + 1, gfp);
	if (!freed && !objects && !(gfp & GFP_NOIO) && atomic_read(&s->nr_dirty) + atomic_read(&s->nr_writeback) > 0 &&
	    s->flusher && current != s->flusher) {
		writeback_kick();
		wait_for_writeback_progress(100 * NSEC_PER_MSEC);
		freed = shrink_lru(want, gfp);
	}
	return freed + (objects + 7) / 8; /* a page of objects is about eight of them */
}

static void kswapd(void *arg)
{
	struct wait_queue *low = page_low_wait();

	(void)arg;
	current->flags |= TASK_MEMALLOC;
	while (!kthread_should_stop()) {
		unsigned idle_rounds = 0;

		kerr_t err = wait_event_interruptible(low, page_low() || kthread_should_stop());

		(void)err; /* no signal comes here */
		while (!page_plenty() && !kthread_should_stop() && idle_rounds < 3) {
			size_t want = MIN(MAX(page_low_pages(), (size_t)BATCH), (size_t)512);

			if (!reclaim_pages(want, (enum gfp)(GFP_KERNEL | GFP_ANON)))
				idle_rounds++;
			cond_resched();
		}
		if (idle_rounds) /* nothing to be had: do not spin until something changes */
			wait_for_writeback_progress(NSEC_PER_SEC);
	}
}

static void drop_list(bool active)
{
	struct mm_state *s = mm_state();
	long left = atomic_read(active ? &s->nr_active : &s->nr_inactive);

	while (left > 0) {
		struct page *batch[BATCH];
		unsigned n = lru_isolate(active, batch, BATCH);

		if (!n)
			break;
		left -= (long)n;
		for (unsigned i = 0; i < n; i++) {
			struct page *p = batch[i];
			bool gone = false;

			if (page_trylock(p)) {
				gone = p->mapping && mapping_remove_unused(p);
				page_unlock(p);
			}
			if (!gone)
				lru_add(p);
			page_put(p);
		}
		cond_resched();
	}
}

void drop_caches(unsigned what)
{
	if (what & 2)
		while (shrink_caches(1024, GFP_KERNEL) > 10)
			cond_resched();
	if (what & 1) {
		drop_list(false);
		drop_list(true);
	}
}

kerr_t reclaim_init(void)
{
	return kthread_create(&mm_state()->kswapd, kswapd, NULL, "kswapd0");
}
