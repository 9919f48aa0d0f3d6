/* SPDX-License-Identifier: MIT */
/*
 * The buffer cache's write-out: what is dirty is on a list of its device, oldest first, and is written in batches, in block order, by sync, by reclaim's
 * wish, and some seconds after it became dirty. What must be on the disk before anything else (buf_mark_dirty_first()) has a list of its own.
 * States and locks: buf.c.
 */
#include <hal/time.h>
#include <maestro/printk.h>
#include <maestro/sched.h>

#include "block_priv.h"

#define WRITE_BATCH 64
#define FLUSH_DELAY_NS (5 * NSEC_PER_SEC)

void buf_flush_in(ktime_t delay)
{
	struct block_state *s = &kernel()->block;

	if (!atomic_xchg(&s->flush_armed, 1))
		delayed_work_queue(&s->flush, delay);
}

void buf_mark_dirty(struct buf *b)
{
	struct block_state *s = &kernel()->block;

	if (unlikely(!buf_test(b, BUF_UPTODATE)))
		return; /* forgotten meanwhile: on a damaged file system two files may share a block, and one was deleted */
	if ((unsigned long)atomic_or(&b->flags, 1L << BUF_DIRTY) & (1UL << BUF_DIRTY))
		return;
	spin_lock(&s->hash_lock);
	/* Unless a writer came between the bit and the list. */
	if (buf_test(b, BUF_DIRTY) && list_empty(&b->dirty_node)) {
		b->dirtied = (u64)hal_time_ns();
		if (unlikely(buf_test(b, BUF_FIRST))) {
			atomic_inc(&b->bdev->nfirst);
			list_add_tail(&b->bdev->dirty_first, &b->dirty_node);
		} else {
			list_add_tail(&b->bdev->dirty, &b->dirty_node);
		}
		b->bdev->ndirty++;
	}
	spin_unlock(&s->hash_lock);
	buf_flush_in(FLUSH_DELAY_NS);
}

void buf_overwritten(struct buf *b)
{
	DEBUG_ASSERT(buf_test(b, BUF_LOCKED));
	if (!buf_test(b, BUF_UPTODATE))
		(void)atomic_or(&b->flags, 1L << BUF_ALIAS | 1L << BUF_UPTODATE);
	store_relaxed(&b->seen, atomic_read(&b->bdev->disk->past_bufs));
	buf_mark_dirty(b);
}

/* true: it was dirty. */
static bool buf_clear_dirty(struct buf *b)
{
	struct block_state *s = &kernel()->block;
	bool was;

	spin_lock(&s->hash_lock);
	if (unlikely(buf_test(b, BUF_FIRST) && !list_empty(&b->dirty_node)))
		atomic_dec(&b->bdev->nfirst);
	was = (unsigned long)atomic_and(&b->flags, (long)~(1UL << BUF_DIRTY | 1UL << BUF_FIRST)) & (1UL << BUF_DIRTY);
	if (!list_empty(&b->dirty_node)) {
		list_del(&b->dirty_node);
		b->bdev->ndirty--;
	}
	spin_unlock(&s->hash_lock);
	return was;
}

void buf_mark_dirty_first(struct buf *b)
{
	DEBUG_ASSERT(buf_test(b, BUF_LOCKED));
	(void)buf_clear_dirty(b);
	(void)atomic_or(&b->flags, 1L << BUF_FIRST);
	buf_mark_dirty(b);
}

static void buf_write_failed(struct buf *b, int status)
{
	(void)atomic_or(&b->flags, 1L << BUF_ERROR);
	klog_err("%s: lost write of block %llu: error %d", b->bdev->name, (unsigned long long)b->block, status);
}

static void buf_write_end(struct bio *bio)
{
	struct buf *b = bio->priv;
	struct block_device *bdev = b->bdev;

	if (bio->status) {
		buf_write_failed(b, bio->status);
		atomic_set(&bdev->wb_err, bio->status);
	}
	bio_free(bio);
	buf_unlock_clear(b, 1UL << BUF_WRITING);
	buf_put(b);
	if (atomic_dec_and_test(&bdev->writing))
		wake_up_all(&bdev->wb_wait);
}

/* b is locked, and a reference of the caller's goes with it. false: it was clean, or no memory (then it is dirty again, and *err says so). */
static bool buf_queue_write(struct buf *b, struct list *bios, kerr_t *err)
{
	struct bio *bio;

	if (!buf_clear_dirty(b))
		return false;
	bio = buf_bio(b, BIO_WRITE);
	if (!bio) {
		buf_mark_dirty(b);
		*err = KERR(ENOMEM);
		return false;
	}
	bio->end = buf_write_end;
	(void)atomic_or(&b->flags, 1L << BUF_WRITING);
	atomic_inc(&b->bdev->writing);
	list_add_tail(bios, &bio->node);
	return true;
}

/* Something must be written before b. Looked at under b's lock: who points to a new block marked that first, and then changed b under its lock. */
static bool buf_must_wait(const struct buf *b)
{
	return unlikely(atomic_read(&b->bdev->nfirst)) && buf_test(b, BUF_DIRTY) && !buf_test(b, BUF_FIRST);
}

static kerr_t buf_write_firsts(struct block_device *bdev);

kerr_t buf_write_sync(struct buf *b)
{
	struct bio *bio;
	kerr_t err;

	bio = buf_bio(b, BIO_WRITE);
	if (!bio)
		return KERR(ENOMEM);
	bio->flags |= BIO_SYNC;
	buf_lock(b);
	while (buf_must_wait(b)) {
		buf_unlock(b);
		err = buf_write_firsts(b->bdev);
		if (err) {
			bio_free(bio);
			return err;
		}
		buf_lock(b);
	}
	(void)buf_clear_dirty(b);
	err = bio_submit_wait(bio);
	if (err)
		buf_write_failed(b, kerr_code(err));
	buf_unlock(b);
	bio_free(bio);
	return err;
}

static int buf_cmp_block(const void *a, const void *b)
{
	const struct buf *x = *(struct buf *const *)a, *y = *(struct buf *const *)b;

	return x->block < y->block ? -1 : x->block > y->block;
}

/* Up to WRITE_BATCH of the oldest on a list of dirty ones, referenced, in block order. */
static unsigned dirty_batch(const struct list *dirty, u64 before, struct buf **batch)
{
	struct block_state *s = &kernel()->block;
	struct buf *b;
	unsigned n = 0;

	spin_lock(&s->hash_lock);
	list_for_each(b, dirty, dirty_node) {
		if (n == WRITE_BATCH || b->dirtied > before)
			break;
		atomic_inc(&b->refs);
		batch[n++] = b;
	}
	spin_unlock(&s->hash_lock);
	sort(batch, n, sizeof(batch[0]), buf_cmp_block);
	return n;
}

/* Starts the write-out of a list of dirty ones, what became dirty up to `before`. */
static kerr_t buf_write_list(struct block_device *bdev, const struct list *dirty, u64 before)
{
	struct buf *batch[WRITE_BATCH];
	kerr_t err = KERR(0);
	unsigned n;

	while (!err && (n = dirty_batch(dirty, before, batch)) != 0) {
		struct list bios;

		list_init(&bios);
		for (unsigned i = 0; i < n; i++) {
			struct buf *b = batch[i];

			if (!buf_trylock(b)) {
				bio_submit_list(&bios);
				buf_lock(b);
			}
			while (!err && buf_must_wait(b)) {
				buf_unlock(b);
				bio_submit_list(&bios);
				err = buf_write_firsts(bdev);
				buf_lock(b);
			}
			if (err || !buf_queue_write(b, &bios, &err)) {
				buf_unlock(b);
				buf_put(b);
			}
		}
		bio_submit_list(&bios);
	}
	return err;
}

/* What must be on the disk before others are written, and the flush after it. */
static kerr_t buf_write_firsts(struct block_device *bdev)
{
	kerr_t err = buf_write_list(bdev, &bdev->dirty_first, U64_MAX);

	wait_event(&bdev->wb_wait, atomic_read(&bdev->writing) == 0);
	if (!err && atomic_read(&bdev->wb_err))
		err = KERR(-atomic_read(&bdev->wb_err)); /* buf_sync() reports it as well */
	return err ? err : block_flush(bdev);
}

static kerr_t buf_write_dirty(struct block_device *bdev, u64 before)
{
	kerr_t err = KERR(0);

	if (unlikely(atomic_read(&bdev->nfirst)))
		err = buf_write_firsts(bdev);
	return err ? err : buf_write_list(bdev, &bdev->dirty, before);
}

kerr_t buf_sync(struct block_device *bdev, bool wait)
{
	kerr_t err = buf_write_dirty(bdev, (u64)hal_time_ns());
	int lost;

	if (!wait)
		return err;
	wait_event(&bdev->wb_wait, atomic_read(&bdev->writing) == 0);
	lost = atomic_xchg(&bdev->wb_err, 0);
	if (!err && lost)
		err = KERR(-lost);
	return err;
}

void buf_forget(struct block_device *bdev, u64 block)
{
	struct buf *b = buf_peek(bdev, block);

	if (!b)
		return;
	buf_lock(b); /* a write on its way must not land on what the block holds next */
	(void)buf_clear_dirty(b);
	buf_unlock_clear(b, 1UL << BUF_UPTODATE | 1UL << BUF_CHECKED);
	buf_put(b);
}

static void flush_one(struct block_device *b, void *arg)
{
	kerr_t err;

	(void)arg;
	err = buf_sync(b, false);
	if (err)
		buf_flush_in(FLUSH_DELAY_NS); /* no memory: again, later */
}

static void flush_fn(struct work *w)
{
	(void)w;
	atomic_set(&kernel()->block.flush_armed, 0);
	block_for_each(flush_one, NULL);
}

void buf_flush_init(void)
{
	delayed_work_init(&kernel()->block.flush, flush_fn);
}
