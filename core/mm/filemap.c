/* SPDX-License-Identifier: MIT */
/*
 * The page cache's tree: finding, adding and removing pages, the page lock, and the states dirty and under write-back.
 *
 * struct mapping holds an xarray of pages by index; the marks of the xarray follow PG_DIRTY and PG_WRITEBACK. A page leaves the tree only while
 * locked, so p->mapping is stable for the holder of the page lock. mapping.lock (interrupts off) protects tree and marks; it is taken from I/O
 * completion. Page locks are bits with hashed wait queues.
 *
 *   mapping_read_page -> readahead_sync -> mapping_add, ops->read_pages ... page_end_read (interrupt) -> page_wait_uptodate
 */
#include "vm.h"

/* ---- page lock ---- */

static struct wait_queue *page_queue(const struct page *p)
{
	return &mm_state()->page_wait[hash_ptr(p) >> 26];
}
STATIC_ASSERT(PAGE_WAIT_QUEUES == 64);

bool page_trylock(struct page *p)
{
	return !page_test_set(p, PG_LOCKED);
}

/* PG_WAITERS is set again before each try: the unlocker either sees it, or the try succeeds. */
static bool page_lock_or_mark(struct page *p)
{
	page_set(p, PG_WAITERS);
	return page_trylock(p);
}

void page_lock(struct page *p)
{
	might_sleep();
	if (unlikely(!page_trylock(p)))
		wait_event(page_queue(p), page_lock_or_mark(p));
}

static void page_wake(struct page *p)
{
	page_clear(p, PG_WAITERS);
	wake_up_all(page_queue(p));
}

void page_unlock(struct page *p)
{
	unsigned long old = (unsigned long)atomic_and(&p->flags, ~(1L << PG_LOCKED));

	DEBUG_ASSERT(old & (1UL << PG_LOCKED));
	if (unlikely(old & (1UL << PG_WAITERS)))
		page_wake(p);
}

static bool page_clear_of(struct page *p, enum page_flag flag)
{
	page_set(p, PG_WAITERS);
	memory_barrier();
	return !page_test(p, flag);
}

void page_wait_writeback(struct page *p)
{
	if (page_test(p, PG_WRITEBACK))
		wait_event(page_queue(p), page_clear_of(p, PG_WRITEBACK));
}

static void page_wait_unlocked(struct page *p)
{
	if (page_test(p, PG_LOCKED))
		wait_event(page_queue(p), page_clear_of(p, PG_LOCKED));
}

/* ---- the tree ---- */

void mapping_init(struct mapping *m, struct inode *inode, const struct mapping_ops *ops)
{
	memset(m, 0, sizeof(*m));
	m->inode = inode;
	m->ops = ops;
	m->gfp = GFP_USER;
	spin_init(&m->lock, RANK_MAPPING, "mapping");
	spin_init(&m->i_mmap_lock, RANK_I_MMAP, "i_mmap");
	xa_init(&m->pages);
	list_init(&m->i_mmap);
}

struct page *mapping_find(struct mapping *m, pgoff_t index)
{
	unsigned long irq = spin_lock_irqsave(&m->lock);
	struct page *p = xa_load(&m->pages, index);

	if (p)
		page_get(p);
	spin_unlock_irqrestore(&m->lock, irq);
	return p;
}

struct page *mapping_find_next(struct mapping *m, pgoff_t *index, pgoff_t last)
{
	unsigned long irq = spin_lock_irqsave(&m->lock);
	struct page *p = xa_find(&m->pages, index, last);

	if (p)
		page_get(p);
	spin_unlock_irqrestore(&m->lock, irq);
	return p;
}

bool mapping_has_range(struct mapping *m, pgoff_t first, pgoff_t last)
{
	unsigned long irq;
	bool has;

	if (!load_relaxed(&m->nrpages))
		return false;
	irq = spin_lock_irqsave(&m->lock);
	has = xa_find(&m->pages, &first, last);
	spin_unlock_irqrestore(&m->lock, irq);
	return has;
}

static kerr_t tree_insert(struct mapping *m, pgoff_t index, struct page *p)
{
	unsigned long irq = spin_lock_irqsave(&m->lock);
	kerr_t err = xa_insert(&m->pages, index, p);

	if (!err) {
		p->index = index;
		p->mapping = m;
		store_relaxed(&m->nrpages, m->nrpages + 1);
	}
	spin_unlock_irqrestore(&m->lock, irq);
	return err;
}

kerr_t mapping_add(struct mapping *m, pgoff_t index, struct page *p)
{
	kerr_t err;

	DEBUG_ASSERT(page_test(p, PG_LOCKED));
	page_get(p);
	err = tree_insert(m, index, p);
	if (err && kerr_code(err) == -ENOMEM) { /* nodes come from the atomic reserve: make room and try once more */
		reclaim_pages(32, GFP_NOFS);
		err = tree_insert(m, index, p);
	}
	if (err) {
		page_put(p);
		return err;
	}
	atomic_inc(&mm_state()->nr_cached);
	lru_add(p);
	return KERR(0);
}

/* mapping.lock held. */
static void tree_erase(struct mapping *m, struct page *p)
{
	assert_held(&m->lock);
	(void)xa_erase(&m->pages, p->index);
	store_relaxed(&m->nrpages, m->nrpages - 1);
	store_relaxed(&p->mapping, NULL);
}

static void shmem_uncharge(struct mapping *m)
{
	struct inode *inode = m->inode;

	atomic_dec(&mm_state()->nr_shmem);
	if (m->limit)
		atomic_dec(&m->limit->used);
	spin_lock(&inode->lock);
	inode->blocks -= PAGE_SIZE / 512;
	spin_unlock(&inode->lock);
}

static void forget_dirty(struct mapping *m, struct page *p)
{
	if (!page_test_clear(p, PG_DIRTY))
		return;
	if (m->flags & MAPPING_SHMEM)
		shmem_uncharge(m);
	else
		atomic_dec(&mm_state()->nr_dirty);
}

void mapping_remove(struct page *p)
{
	struct mapping *m = p->mapping;
	unsigned long irq;

	DEBUG_ASSERT(page_test(p, PG_LOCKED) && !page_test(p, PG_WRITEBACK));
	if (m->ops->invalidate)
		m->ops->invalidate(p);
	forget_dirty(m, p);
	irq = spin_lock_irqsave(&m->lock);
	tree_erase(m, p);
	spin_unlock_irqrestore(&m->lock, irq);
	lru_del(p);
	atomic_dec(&mm_state()->nr_cached);
	page_put(p);
}

/* Lookups take their reference under mapping.lock, and maps need a reference first: two references mean that the page is ours and the tree's. */
bool mapping_remove_unused(struct page *p)
{
	struct mapping *m = p->mapping;
	unsigned long irq;
	bool unused;

	if (page_test(p, PG_DIRTY) || page_test(p, PG_WRITEBACK) || atomic_read(&p->mapcount))
		return false;
	if (m->ops->invalidate && atomic_read_acquire(&p->refs) == 2)
		m->ops->invalidate(p);
	irq = spin_lock_irqsave(&m->lock);
	unused = atomic_read_acquire(&p->refs) == 2 && !page_test(p, PG_DIRTY);
	if (unused)
		tree_erase(m, p);
	spin_unlock_irqrestore(&m->lock, irq);
	if (!unused)
		return false;
	lru_del(p);
	atomic_dec(&mm_state()->nr_cached);
	page_put(p);
	return true;
}

kerr_t mapping_grab(struct mapping *m, pgoff_t index, struct page **out)
{
	for (;;) {
		struct page *p = mapping_find(m, index);
		kerr_t err;

		if (p) {
			page_lock(p);
			if (likely(p->mapping == m)) {
				*out = p;
				return KERR(0);
			}
			page_unlock(p);
			page_put(p);
			continue;
		}
		p = page_alloc((enum gfp)(m->gfp | GFP_NOIO));
		if (!p)
			return KERR(ENOMEM);
		page_set(p, PG_LOCKED);
		err = mapping_add(m, index, p);
		if (!err) {
			*out = p;
			return KERR(0);
		}
		page_clear(p, PG_LOCKED);
		page_put(p);
		if (kerr_code(err) != -EEXIST)
			return err;
	}
}

/* Reads one page that is in the tree. A page that was truncated meanwhile is reported as not found by the callers' own check. */
static kerr_t read_one(struct mapping *m, struct page *p)
{
	page_lock(p);
	if (page_test(p, PG_UPTODATE) || p->mapping != m) {
		page_unlock(p);
		return KERR(0);
	}
	page_clear(p, PG_ERROR);
	atomic_inc(&mm_state()->pages_read);
	return m->ops->read_pages(m, &p, 1); /* unlocks, now or later */
}

kerr_t page_wait_uptodate(struct page *p)
{
	page_wait_unlocked(p);
	return page_test(p, PG_UPTODATE) ? KERR(0) : KERR(EIO);
}

static kerr_t grab_unlocked(struct mapping *m, pgoff_t index, struct page **out)
{
	kerr_t err = mapping_grab(m, index, out);

	if (!err)
		page_unlock(*out);
	return err;
}

kerr_t mapping_read_page(struct mapping *m, pgoff_t index, struct file *file, struct page **out)
{
	struct page *p = mapping_find(m, index);
	kerr_t err = KERR(0);

	for (;;) {
		if (!p && file) {
			readahead_sync(m, &file->ra, index, 1);
			p = mapping_find(m, index);
		}
		if (!p)
			err = grab_unlocked(m, index, &p);
		if (err)
			return err;
		page_wait_unlocked(p);
		if (likely(page_test(p, PG_UPTODATE)))
			break;
		err = read_one(m, p);
		if (!err)
			page_wait_unlocked(p);
		if (page_test(p, PG_UPTODATE))
			break;
		if (err || load_relaxed(&p->mapping) == m) {
			page_put(p);
			return err ? err : KERR(EIO);
		}
		page_put(p); /* truncated under us: look again */
		p = NULL;
	}
	*out = p;
	return KERR(0);
}

/* ---- states ---- */

kerr_t shmem_charge(struct mapping *m)
{
	struct shmem_limit *l = m->limit;

	return l && l->max && atomic_read(&l->used) >= l->max ? KERR(ENOSPC) : KERR(0);
}

static void shmem_set_dirty(struct mapping *m, struct page *p)
{
	struct inode *inode = m->inode;

	if (page_test_set(p, PG_DIRTY))
		return;
	atomic_inc(&mm_state()->nr_shmem);
	if (m->limit)
		atomic_inc(&m->limit->used);
	spin_lock(&inode->lock);
	inode->blocks += PAGE_SIZE / 512;
	spin_unlock(&inode->lock);
}

void page_set_dirty(struct page *p)
{
	struct mapping *m = load_relaxed(&p->mapping);
	unsigned long irq;
	bool newly = false;

	if (page_test(p, PG_DIRTY) || !m)
		return;
	if (m->flags & MAPPING_SHMEM) {
		shmem_set_dirty(m, p);
		return;
	}
	irq = spin_lock_irqsave(&m->lock);
	if (p->mapping == m && !page_test_set(p, PG_DIRTY)) {
		newly = true;
		if (!xa_marked(&m->pages, XA_MARK_DIRTY))
			m->dirtied = ktime_get();
		xa_set_mark(&m->pages, p->index, XA_MARK_DIRTY);
		atomic_inc(&mm_state()->nr_dirty);
	}
	spin_unlock_irqrestore(&m->lock, irq);
	if (newly && m->inode)
		inode_mark_dirty(m->inode, DIRTY_PAGES);
}

/*
 * A table entry is writable only if the page was made dirty by the fault that made it so (fault.c), under the page lock, which we hold: so a page
 * that is not PG_DIRTY has no writable map, and entries' dirty bits never need to be collected.
 */
bool page_clear_dirty_for_io(struct page *p)
{
	struct mapping *m = p->mapping;
	unsigned long irq;
	bool was;

	DEBUG_ASSERT(page_test(p, PG_LOCKED));
	if (!m || (m->flags & MAPPING_SHMEM) || !page_test(p, PG_DIRTY))
		return false;
	if (atomic_read(&p->mapcount))
		(void)page_mkclean(p);
	irq = spin_lock_irqsave(&m->lock);
	was = page_test_clear(p, PG_DIRTY);
	if (was) {
		xa_clear_mark(&m->pages, p->index, XA_MARK_DIRTY);
		atomic_dec(&mm_state()->nr_dirty);
	}
	spin_unlock_irqrestore(&m->lock, irq);
	return was;
}

void page_start_writeback(struct page *p)
{
	struct mapping *m = p->mapping;
	unsigned long irq;

	DEBUG_ASSERT(page_test(p, PG_LOCKED) && m);
	irq = spin_lock_irqsave(&m->lock);
	if (!page_test_set(p, PG_WRITEBACK)) {
		xa_set_mark(&m->pages, p->index, XA_MARK_WRITEBACK);
		atomic_inc(&mm_state()->nr_writeback);
		atomic_inc(&mm_state()->pages_written);
	}
	spin_unlock_irqrestore(&m->lock, irq);
}

/* Truncation waits for write-back, and then takes mapping.lock to remove the page: so m lives until we drop that lock. */
void page_end_writeback(struct page *p, int err)
{
	struct mapping *m = p->mapping;
	struct mm_state *s = mm_state();
	unsigned long irq;

	if (err) {
		page_set(p, PG_ERROR);
		errseq_set(&m->wb_err, err);
		errseq_set(&m->inode->sb->wb_err, err);
	}
	irq = spin_lock_irqsave(&m->lock);
	xa_clear_mark(&m->pages, p->index, XA_MARK_WRITEBACK);
	page_clear(p, PG_WRITEBACK);
	spin_unlock_irqrestore(&m->lock, irq);
	atomic_dec(&s->nr_writeback);
	if (page_test(p, PG_WAITERS))
		page_wake(p);
	if (wait_queue_active(&s->dirty_wait))
		wake_up_all(&s->dirty_wait);
}

void page_end_read(struct page *p, int err)
{
	if (unlikely(err)) {
		page_set(p, PG_ERROR);
	} else {
		page_clear(p, PG_ERROR);
		page_set(p, PG_UPTODATE);
	}
	page_unlock(p);
}

/* ---- writing ---- */

static struct page *find_marked(struct mapping *m, pgoff_t *index, pgoff_t last, enum xa_mark mark)
{
	unsigned long irq = spin_lock_irqsave(&m->lock);
	struct page *p = xa_find_marked(&m->pages, index, last, mark);

	if (p)
		page_get(p);
	spin_unlock_irqrestore(&m->lock, irq);
	return p;
}

/* Locks the page if it is to be written now. */
static bool lock_for_write(struct mapping *m, struct page *p, const struct writeback *wb)
{
	if (wb->sync)
		page_lock(p);
	else if (!page_trylock(p))
		return false;
	if (p->mapping == m && page_test(p, PG_DIRTY)) {
		if (wb->sync)
			page_wait_writeback(p);
		if (!page_test(p, PG_WRITEBACK) && page_clear_dirty_for_io(p))
			return true;
	}
	page_unlock(p);
	return false;
}

static pgoff_t writeback_last(const struct writeback *wb)
{
	u64 last = (u64)wb->end >> PAGE_SHIFT;

	return last > ULONG_MAX ? ULONG_MAX : (pgoff_t)last;
}

kerr_t write_dirty_pages(struct mapping *m, struct writeback *wb, kerr_t (*write)(struct page *p, void *arg), void *arg)
{
	pgoff_t index = (pgoff_t)(wb->start >> PAGE_SHIFT), last = writeback_last(wb);
	kerr_t first_err = KERR(0);

	while (wb->nr_to_write > 0) {
		struct page *p = find_marked(m, &index, last, XA_MARK_DIRTY);

		if (!p)
			break;
		if (lock_for_write(m, p, wb)) {
			kerr_t err = write(p, arg);

			if (err && !first_err)
				first_err = err;
			wb->nr_to_write--;
		}
		page_put(p);
		if (index++ >= last)
			break;
		cond_resched();
	}
	return first_err;
}

static void wait_range(struct mapping *m, const struct writeback *wb)
{
	pgoff_t index = (pgoff_t)(wb->start >> PAGE_SHIFT), last = writeback_last(wb);
	struct page *p;

	while ((p = find_marked(m, &index, last, XA_MARK_WRITEBACK))) {
		page_wait_writeback(p);
		page_put(p);
		if (index++ >= last)
			break;
	}
}

static bool mapping_has(struct mapping *m, enum xa_mark mark)
{
	unsigned long irq = spin_lock_irqsave(&m->lock);
	bool has = xa_marked(&m->pages, mark);

	spin_unlock_irqrestore(&m->lock, irq);
	return has;
}

kerr_t mapping_write_range(struct mapping *m, loff_t start, loff_t end, bool wait)
{
	struct writeback wb = { .start = start, .end = end, .nr_to_write = LONG_MAX, .sync = wait };
	kerr_t err = KERR(0);

	if (!load_relaxed(&m->nrpages) || !m->ops || (m->flags & MAPPING_SHMEM))
		return KERR(0);
	if (m->ops->write_pages && mapping_has(m, XA_MARK_DIRTY))
		err = m->ops->write_pages(m, &wb);
	if (wait && mapping_has(m, XA_MARK_WRITEBACK))
		wait_range(m, &wb);
	return err;
}

kerr_t pagecache_init(void)
{
	struct mm_state *s = mm_state();

	spin_init(&s->lru_lock, RANK_LRU, "lru");
	list_init(&s->lru_active);
	list_init(&s->lru_inactive);
	for (unsigned i = 0; i < PAGE_WAIT_QUEUES; i++)
		wait_queue_init(&s->page_wait[i]);
	wait_queue_init(&s->flusher_wait);
	wait_queue_init(&s->dirty_wait);
	mutex_init(&s->shmem_mutex, RANK_NONE, "shmem"); /* outside the mount locks */
	if (!s->shrinkers.next) { /* a shrinker may have come before us */
		mutex_init(&s->shrinker_mutex, RANK_MUTEX_LEAF, "shrinkers");
		list_init(&s->shrinkers);
	}
	s->dirty_ratio = 20;
	s->dirty_background_ratio = 10;
	s->dirty_writeback_centisecs = 500;
	s->dirty_expire_centisecs = 3000;
	return KERR(0);
}
