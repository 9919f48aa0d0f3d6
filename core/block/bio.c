/* SPDX-License-Identifier: MIT */
/*
 * Bios: building, checking, waiting. The queue itself is queue.c.
 *
 *   bio = bio_alloc(bdev, n, gfp); bio->sector = ..; bio->op = ..; bio_add(bio, page, off, len) ...; bio->end = done; bio_submit(bio);
 *
 * A bio never needs splitting: bio_add() refuses what would not fit in one request of the disk. Nothing is allocated on the way to the driver,
 * so write-out cannot fail for want of memory once its bio exists.
 *
 * Locking: none of its own; a bio belongs to its maker until submitted, and again from end() on.
 */
#include <maestro/block.h>
#include <maestro/lib.h>
#include <maestro/slab.h>

#include "block_priv.h"

struct bio *bio_alloc(struct block_device *bdev, unsigned max_vecs, enum gfp gfp)
{
	struct bio *bio;

	DEBUG_ASSERT(max_vecs <= BIO_MAX_VECS);
	bio = kmalloc(sizeof(*bio) + max_vecs * sizeof(bio->vecs[0]), gfp);
	if (!bio)
		return NULL;
	memset(bio, 0, sizeof(*bio));
	bio->bdev = bdev;
	bio->max_vecs = (u16)max_vecs;
	list_init(&bio->node);
	list_init(&bio->rq.node);
	list_init(&bio->rq.bios);
	return bio;
}

void bio_free(struct bio *bio)
{
	kfree(bio);
}

bool bio_add(struct bio *bio, struct page *page, u32 off, u32 len)
{
	const struct disk *d = bio->bdev->disk;
	struct bio_vec *last = bio->nvecs ? &bio->vecs[bio->nvecs - 1] : NULL;

	DEBUG_ASSERT(len && ((off | len) & (SECTOR_SIZE - 1)) == 0 && off + len <= PAGE_SIZE);
	if (((bio->size + len) >> SECTOR_SHIFT) > d->max_sectors)
		return false;
	if (last && last->page == page && last->off + last->len == off) {
		last->len += len;
		bio->size += len;
		return true;
	}
	if (bio->nvecs == bio->max_vecs || bio->nvecs >= d->max_segs)
		return false;
	bio->vecs[bio->nvecs++] = (struct bio_vec){ .page = page, .off = off, .len = len };
	bio->size += len;
	return true;
}

/* Wakes through a queue of the kernel's, not of the waiter's frame: that goes away as soon as `done` is seen. */
static void bio_wait_end(struct bio *bio)
{
	struct wait_queue *q = block_wait_queue(bio);
	struct atomic *done = bio->priv;

	atomic_set_release(done, 1);
	wake_up_all(q);
}

kerr_t bio_submit_wait(struct bio *bio)
{
	struct atomic done = ATOMIC_INIT(0);

	might_sleep();
	bio->end = bio_wait_end;
	bio->priv = &done;
	bio_submit(bio);
	wait_event(block_wait_queue(bio), atomic_read_acquire(&done));
	return bio->status ? KERR(-bio->status) : KERR(0);
}

kerr_t block_flush(struct block_device *bdev)
{
	struct bio *bio;
	kerr_t err;

	if (!bdev->disk->has_flush)
		return KERR(0);
	bio = bio_alloc(bdev, 0, GFP_NOFS);
	if (!bio)
		return KERR(ENOMEM);
	bio->op = BIO_FLUSH;
	err = bio_submit_wait(bio);
	bio_free(bio);
	return err;
}

#define DISCARD_MOST ((u64)1 << 30) /* bytes in one request */

kerr_t block_discard(struct block_device *bdev, u64 start, u64 len)
{
	kerr_t err = KERR(0);

	if (!bdev->disk->has_discard)
		return KERR(EOPNOTSUPP);
	while (!err && len) {
		u32 n = (u32)MIN(len, DISCARD_MOST);
		struct bio *bio = bio_alloc(bdev, 0, GFP_NOFS);

		if (!bio)
			return KERR(ENOMEM);
		bio->op = BIO_DISCARD;
		bio->sector = start >> SECTOR_SHIFT;
		bio->size = n;
		err = bio_submit_wait(bio);
		bio_free(bio);
		start += n;
		len -= n;
	}
	return err;
}
