/* SPDX-License-Identifier: MIT */
/*
 * The buffer cache: one struct buf per (device, block) of metadata, and of what is read and written through /dev nodes. Write-out is in buf_write.c.
 *
 *   buf_read(dev, n, &b); buf_lock(b); change b->data; buf_mark_dirty(b); buf_unlock(b); buf_put(b);
 *
 * States are bits of buf.flags. LOCKED: owned for a change of content or for I/O; a block being written does not change under the device. DIRTY: newer than
 * the disk, and on its device's dirty list. A buf with no references stays cached, on the LRU list, until buf_shrink() takes it (second chance by REFERENCED).
 * ALIAS: block.h. The flag is set under the buf's lock where a block is read or made by the node's own calls, and goes when a file system asks for it.
 *
 * Locking: block.hash_lock (RANK_BUF_HASH) for the hash, LRU, the device's lists, and for a count of references to rise from 0; never taken from interrupts.
 * BUF_LOCKED is a sleeping lock (RANK_BUF), given back from I/O completion too. Who holds one buf and wants a second takes them in any order as long as
 * it does no I/O with the first: write-out never waits for a lock while it keeps unsubmitted bufs locked.
 */
#include <maestro/block.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>
#include <maestro/sched.h>
#include <maestro/slab.h>

#include "block_priv.h"

#define SHRINK_STEP 256 /* bufs looked at under one holding of the lock */

/* ---------------------------------------------------------------- lock bit */
bool buf_trylock(struct buf *b)
{
	return !((unsigned long)atomic_or(&b->flags, 1L << BUF_LOCKED) & (1UL << BUF_LOCKED));
}

static bool buf_trylock_waiting(struct buf *b)
{
	(void)atomic_or(&b->flags, 1L << BUF_WAITERS);
	return buf_trylock(b);
}

void buf_lock(struct buf *b)
{
	if (likely(buf_trylock(b)))
		return;
	wait_event(block_wait_queue(b), buf_trylock_waiting(b));
}

void buf_unlock_clear(struct buf *b, unsigned long also)
{
	struct wait_queue *q = block_wait_queue(b);
	unsigned long old = (unsigned long)atomic_and(&b->flags, (long)~(also | 1UL << BUF_LOCKED | 1UL << BUF_WAITERS));

	DEBUG_ASSERT(old & (1UL << BUF_LOCKED));
	if (old & (1UL << BUF_WAITERS))
		wake_up_all(q);
}

void buf_unlock(struct buf *b)
{
	buf_unlock_clear(b, 0);
}

/* ---------------------------------------------------------------- the cache */
static struct hlist *buf_chain(const struct block_device *bdev, u64 block)
{
	return &kernel()->block.hash[hash_u32((u32)block ^ hash_ptr(bdev)) >> (32 - BUF_HASH_BITS)];
}

/* With a reference. */
static struct buf *buf_find_locked(const struct block_device *bdev, u64 block)
{
	struct buf *b;

	assert_held(&kernel()->block.hash_lock);
	hlist_for_each(b, buf_chain(bdev, block), hash)
	{
		if (b->block == block && b->bdev == bdev) {
			atomic_inc(&b->refs);
			if (!buf_test(b, BUF_REFERENCED))
				(void)atomic_or(&b->flags, 1L << BUF_REFERENCED);
			return b;
		}
	}
	return NULL;
}

struct buf *buf_peek(struct block_device *bdev, u64 block)
{
	struct block_state *s = &kernel()->block;
	struct buf *b;

	spin_lock(&s->hash_lock);
	b = buf_find_locked(bdev, block);
	spin_unlock(&s->hash_lock);
	return b;
}

/* Read once through the node, and the disk has been written past us since. */
static bool buf_is_stale(const struct buf *b)
{
	return unlikely(buf_test(b, BUF_ALIAS)) && !buf_test(b, BUF_DIRTY) && load_relaxed(&b->seen) != atomic_read(&b->bdev->disk->past_bufs);
}

/* A file system asked for it. Waits for a reader of the node's: from here on its content is changed by the owner only. */
static void buf_claim(struct buf *b)
{
	if (likely(!buf_test(b, BUF_ALIAS)))
		return;
	buf_lock(b);
	buf_unlock_clear(b, 1UL << BUF_ALIAS | (buf_is_stale(b) ? 1UL << BUF_UPTODATE : 0));
}

struct buf *buf_find(struct block_device *bdev, u64 block)
{
	struct buf *b = buf_peek(bdev, block);

	if (b)
		buf_claim(b);
	return b;
}

static int data_class(u32 size)
{
	return size == 512 ? 0 : size == 1024 ? 1 : size == 2048 ? 2 : -1;
}

static void buf_free(struct buf *b)
{
	struct block_state *s = &kernel()->block;

	if (data_class(b->size) < 0)
		page_put(virt_to_page(b->data));
	else
		kmem_cache_free(s->data[data_class(b->size)], b->data);
	kmem_cache_free(s->bufs, b);
}

static struct buf *buf_new(struct block_device *bdev, u64 block)
{
	struct block_state *s = &kernel()->block;
	u32 size = bdev->block_size;
	struct buf *b = kmem_cache_alloc(s->bufs, (enum gfp)(GFP_NOFS | GFP_ZERO));

	if (!b)
		return NULL;
	if (data_class(size) < 0) {
		struct page *p = page_alloc(GFP_NOFS);

		b->data = p ? page_address(p) : NULL;
	} else {
		b->data = kmem_cache_alloc(s->data[data_class(size)], GFP_NOFS);
	}
	if (!b->data) {
		kmem_cache_free(s->bufs, b);
		return NULL;
	}
	b->bdev = bdev;
	b->block = block;
	b->size = size;
	atomic_set(&b->refs, 1);
	list_init(&b->lru);
	list_init(&b->bdev_node);
	list_init(&b->dirty_node);
	return b;
}

#define ALLOC_TRIES 40
#define ALLOC_PAUSE (5 * NSEC_PER_MSEC)

/*
 * File systems cannot go on without their metadata: short of memory, a buffer may come from the reserve, or waits for the reclaimer, or in the end
 * for a process to die. NULL: current itself is dying, or nothing helped.
 */
static struct buf *buf_new_sure(struct block_device *bdev, u64 block)
{
	struct task *t = hal_current();
	struct buf *b = buf_new(bdev, block);
	u32 had = t->flags & TASK_MEMALLOC;

	for (unsigned i = 0; !b && i < ALLOC_TRIES; i++) {
		t->flags |= TASK_MEMALLOC;
		b = buf_new(bdev, block);
		t->flags = (t->flags & ~(u32)TASK_MEMALLOC) | had;
		if (b || task_signal_pending_state(TASK_KILLABLE))
			break;
		if (i >= ALLOC_TRIES / 4 && out_of_memory())
			continue;
		task_set_state(TASK_UNINTERRUPTIBLE);
		(void)schedule_until(ktime_get() + ALLOC_PAUSE);
	}
	return b;
}

kerr_t buf_get_alias(struct block_device *bdev, u64 block, struct buf **out)
{
	struct block_state *s = &kernel()->block;
	struct buf *b = buf_peek(bdev, block), *fresh;

	if (likely(b)) {
		*out = b;
		return KERR(0);
	}
	if (block >= (block_bytes(bdev) >> ilog2(bdev->block_size)))
		return KERR(EIO);
	fresh = buf_new_sure(bdev, block);
	if (!fresh)
		return KERR(ENOMEM);
	spin_lock(&s->hash_lock);
	b = buf_find_locked(bdev, block);
	if (!b) {
		b = fresh;
		fresh = NULL;
		hlist_add(buf_chain(bdev, block), &b->hash);
		list_add_tail(&s->lru, &b->lru);
		list_add_tail(&bdev->bufs, &b->bdev_node);
		bdev->nbufs++;
		s->nbufs++;
		s->bytes += b->size;
	}
	spin_unlock(&s->hash_lock);
	if (fresh)
		buf_free(fresh);
	*out = b;
	return KERR(0);
}

kerr_t buf_get(struct block_device *bdev, u64 block, struct buf **out)
{
	kerr_t err = buf_get_alias(bdev, block, out);

	if (!err)
		buf_claim(*out);
	return err;
}

void buf_put(struct buf *b)
{
	if (!b)
		return;
	DEBUG_ASSERT(atomic_read(&b->refs) > 0);
	(void)atomic_sub_return(&b->refs, 1);
}

void buf_ref(struct buf *b)
{
	atomic_inc(&b->refs);
}

/* ---------------------------------------------------------------- reading */
/* A read is about to start. What is there now must not pass for it meanwhile. */
static void begin_fill(struct buf *b)
{
	DEBUG_ASSERT(buf_test(b, BUF_LOCKED));
	(void)atomic_and(&b->flags, (long)~(1UL << BUF_UPTODATE));
	store_relaxed(&b->seen, atomic_read(&b->bdev->disk->past_bufs));
}

struct bio *buf_bio(struct buf *b, enum bio_op op)
{
	struct bio *bio = bio_alloc(b->bdev, 1, GFP_NOFS);

	if (!bio)
		return NULL;
	bio->op = (u8)op;
	bio->flags = BIO_BUF;
	bio->sector = b->block << (ilog2(b->size) - SECTOR_SHIFT);
	bio->priv = b;
	(void)bio_add(bio, virt_to_page(b->data), (u32)((uintptr_t)b->data & (PAGE_SIZE - 1)), b->size);
	return bio;
}

static kerr_t buf_fill(struct buf *b)
{
	struct bio *bio = buf_bio(b, BIO_READ);
	kerr_t err;

	if (!bio)
		return KERR(ENOMEM);
	bio->flags |= BIO_SYNC;
	begin_fill(b);
	err = bio_submit_wait(bio);
	bio_free(bio);
	if (!err)
		(void)atomic_or(&b->flags, 1L << BUF_UPTODATE);
	return err;
}

kerr_t buf_read(struct block_device *bdev, u64 block, struct buf **out)
{
	struct buf *b;
	kerr_t err = buf_get(bdev, block, &b);

	if (err)
		return err;
	if (unlikely(!buf_test(b, BUF_UPTODATE))) {
		buf_lock(b);
		if (!buf_test(b, BUF_UPTODATE))
			err = buf_fill(b);
		buf_unlock(b);
		if (err) {
			buf_put(b);
			return err;
		}
	}
	*out = b;
	return KERR(0);
}

kerr_t buf_read_alias(struct block_device *bdev, u64 block, struct buf **out)
{
	struct buf *b;
	kerr_t err = buf_get_alias(bdev, block, &b);

	if (err)
		return err;
	if (!buf_test(b, BUF_UPTODATE) || buf_is_stale(b)) {
		buf_lock(b);
		if (!buf_test(b, BUF_UPTODATE)) {
			(void)atomic_or(&b->flags, 1L << BUF_ALIAS);
			err = buf_fill(b);
		} else if (buf_is_stale(b)) {
			err = buf_fill(b);
		}
		buf_unlock(b);
		if (err) {
			buf_put(b);
			return err;
		}
	}
	*out = b;
	return KERR(0);
}

bool buf_is_cached(struct block_device *bdev, u64 block)
{
	struct buf *b = buf_peek(bdev, block);
	bool cached = b && buf_test(b, BUF_UPTODATE) && !buf_is_stale(b);

	buf_put(b);
	return cached;
}

static void buf_readahead_end(struct bio *bio)
{
	struct buf *b = bio->priv;

	if (!bio->status)
		(void)atomic_or(&b->flags, 1L << BUF_UPTODATE);
	bio_free(bio);
	/* The reference goes last: with it the buf might be freed under the unlock. */
	buf_unlock(b);
	buf_put(b);
}

static void readahead(struct block_device *bdev, u64 block, unsigned n, bool alias)
{
	struct list bios;
	u64 end = block_bytes(bdev) >> ilog2(bdev->block_size);

	list_init(&bios);
	for (; n && block < end; n--, block++) {
		struct buf *b;
		struct bio *bio;

		if (buf_get_alias(bdev, block, &b))
			break;
		if ((buf_test(b, BUF_UPTODATE) && !buf_is_stale(b)) || !buf_trylock(b)) {
			buf_put(b);
			continue;
		}
		bio = buf_test(b, BUF_UPTODATE) && !buf_is_stale(b) ? NULL : buf_bio(b, BIO_READ);
		if (!bio) {
			buf_unlock(b);
			buf_put(b);
			continue;
		}
		if (alias && !buf_test(b, BUF_UPTODATE))
			(void)atomic_or(&b->flags, 1L << BUF_ALIAS);
		begin_fill(b);
		bio->end = buf_readahead_end;
		bio->flags |= BIO_RAHEAD;
		list_add_tail(&bios, &bio->node);
	}
	bio_submit_list(&bios);
}

void buf_readahead(struct block_device *bdev, u64 block, unsigned n)
{
	readahead(bdev, block, n, false);
}

void buf_readahead_alias(struct block_device *bdev, u64 block, unsigned n)
{
	readahead(bdev, block, n, true);
}

void buf_set_uptodate(struct buf *b)
{
	(void)atomic_or(&b->flags, 1L << BUF_UPTODATE);
	if (unlikely(buf_test(b, BUF_ALIAS)))
		(void)atomic_and(&b->flags, (long)~(1UL << BUF_ALIAS)); /* the node read it since buf_get() */
}

/* ---------------------------------------------------------------- giving back */
/* Off all lists; the caller frees it. hash_lock held, no references. */
static void buf_detach(struct buf *b)
{
	struct block_state *s = &kernel()->block;

	assert_held(&s->hash_lock);
	hlist_del(&b->hash);
	list_del(&b->lru);
	list_del(&b->bdev_node);
	b->bdev->nbufs--;
	s->nbufs--;
	s->bytes -= b->size;
}

static bool buf_is_idle(const struct buf *b)
{
	return !atomic_read_acquire(&b->refs) && !buf_test(b, BUF_DIRTY) && !buf_test(b, BUF_LOCKED) && list_empty(&b->dirty_node);
}

static void free_list(struct list *l)
{
	while (!list_empty(l)) {
		struct buf *b = list_first(l, struct buf, lru);

		list_del(&b->lru);
		buf_free(b);
	}
}

/* The clock's hand goes on by SHRINK_STEP bufs, or until nr are taken. */
static size_t shrink_step(size_t nr, bool *dirty)
{
	struct block_state *s = &kernel()->block;
	struct list gone;
	size_t freed = 0, scan;

	list_init(&gone);
	spin_lock(&s->hash_lock);
	for (scan = MIN(s->nbufs, (size_t)SHRINK_STEP); scan && freed < nr; scan--) {
		struct buf *b = list_first(&s->lru, struct buf, lru);
		bool young = (unsigned long)atomic_and(&b->flags, (long)~(1UL << BUF_REFERENCED)) & (1UL << BUF_REFERENCED);

		if (young || !buf_is_idle(b)) {
			*dirty |= buf_test(b, BUF_DIRTY);
			list_move_tail(&s->lru, &b->lru);
			continue;
		}
		buf_detach(b);
		list_add(&gone, &b->lru);
		freed++;
	}
	spin_unlock(&s->hash_lock);
	free_list(&gone);
	return freed;
}

size_t buf_shrink(size_t nr, bool may_io)
{
	struct block_state *s = &kernel()->block;
	/* Where all are young (a disk was read through) the hand goes round until it meets the first again: else there would seem to be nothing. */
	size_t freed = 0, scanned = 0, most = 2 * load_relaxed(&s->nbufs);
	bool dirty = false;

	while (freed < nr && scanned < most && (!freed || scanned < nr * 4)) {
		freed += shrink_step(nr - freed, &dirty);
		scanned += SHRINK_STEP;
	}
	if (dirty && may_io)
		buf_flush_in(0);
	return freed;
}

static size_t buf_shrinker(struct shrinker *sh, size_t nr, enum gfp gfp)
{
	(void)sh;
	return buf_shrink(nr, (gfp & GFP_WAIT) && !(gfp & GFP_NOIO));
}

bool buf_invalidate(struct block_device *bdev)
{
	struct block_state *s = &kernel()->block;
	struct list gone;
	struct buf *b, *tmp;
	bool empty;

	list_init(&gone);
	spin_lock(&s->hash_lock);
	list_for_each_safe(b, tmp, &bdev->bufs, bdev_node) {
		if (!buf_is_idle(b))
			continue;
		buf_detach(b);
		list_add(&gone, &b->lru);
	}
	empty = list_empty(&bdev->bufs);
	spin_unlock(&s->hash_lock);
	free_list(&gone);
	return empty;
}

size_t buf_cache_bytes(void)
{
	return load_relaxed(&kernel()->block.bytes);
}

kerr_t buf_cache_init(void)
{
	static const char *const names[] = { "block_512", "block_1024", "block_2048" };
	struct block_state *s = &kernel()->block;
	kerr_t err = kmem_cache_create(&s->bufs, "buf", sizeof(struct buf), sizeof(void *));

	for (unsigned i = 0; !err && i < ARRAY_SIZE(names); i++)
		err = kmem_cache_create(&s->data[i], names[i], 512u << i, 512u << i);
	if (err)
		return err;
	s->hash = kzalloc(sizeof(struct hlist) << BUF_HASH_BITS, GFP_KERNEL);
	if (!s->hash)
		return KERR(ENOMEM);
	spin_init(&s->hash_lock, RANK_BUF_HASH, "block.hash_lock");
	list_init(&s->lru);
	for (unsigned i = 0; i < BUF_WAIT_QUEUES; i++)
		wait_queue_init(&s->wait[i]);
	buf_flush_init();
	s->shrinker.name = "buf";
	s->shrinker.shrink = buf_shrinker;
	shrinker_register(&s->shrinker);
	return KERR(0);
}
