/* SPDX-License-Identifier: MIT */
/*
 * The request queue of a disk: merging, elevator, dispatch, completion.
 *
 * disk.pending is sorted by sector; flushes stand first. Dispatch is C-LOOK: the nearest request at or after where the last one ended, then round to the
 * lowest. Reads (and writes somebody waits for) go before write-back, but at most READS_AHEAD in a row while others wait. There is no barrier: who needs an
 * order waits for the first request to end, and flushes.
 *
 * One context at a time offers requests to the driver (disk.dispatching); who comes meanwhile, a completion inside submit() included, only leaves its work on
 * the list, so the stack does not grow with synchronous drivers.
 *
 * Locking: disk.lock (RANK_BLOCK_QUEUE, irqsave) for all of the queue; not held over the driver's submit() or a bio's end().
 */
#include <hal/time.h>
#include <maestro/block.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>

#include "block_priv.h"

#define MAX_PENDING 256 /* requests; more submitters sleep */
#define READS_AHEAD 16
#define RETRY_NS (1 * NSEC_PER_MSEC)

static void queue_run(struct disk *d);

/* ---------------------------------------------------------------- merging and order */
static bool rq_can_merge(const struct disk *d, const struct request *rq, const struct bio *bio)
{
	return rq->op == bio->op && (rq->flags & BIO_FUA) == (bio->flags & BIO_FUA) && (bio->op == BIO_READ || bio->op == BIO_WRITE) &&
	       rq->sectors + (bio->size >> SECTOR_SHIFT) <= d->max_sectors && rq->nsegs + bio->nvecs <= d->max_segs;
}

static void rq_merged(struct disk *d, struct request *rq, const struct bio *bio)
{
	rq->sectors += bio->size >> SECTOR_SHIFT;
	rq->nsegs += bio->nvecs;
	rq->flags |= bio->flags & BIO_SYNC;
	d->merges++;
}

static void rq_start_new(struct bio *bio)
{
	struct request *rq = &bio->rq;

	list_init(&rq->bios);
	list_add_tail(&rq->bios, &bio->node);
	rq->sector = bio->disk_sector;
	rq->sectors = bio->size >> SECTOR_SHIFT;
	rq->op = bio->op;
	rq->flags = bio->flags;
	rq->nsegs = bio->nvecs;
	rq->retries = 0;
	rq->driver = NULL;
}

/* Puts bio into the queue: at the end or the front of a request it touches, or as a request of its own in its place. */
static void queue_insert(struct disk *d, struct bio *bio)
{
	sector_t end = bio->disk_sector + (bio->size >> SECTOR_SHIFT);
	struct list *after = &d->pending;

	assert_held(&d->lock);
	if (bio->op == BIO_FLUSH) {
		rq_start_new(bio);
		list_add(&d->pending, &bio->rq.node);
		d->npending++;
		return;
	}
	/* From the high end: streams come in rising order. */
	for (struct list *l = d->pending.prev; l != &d->pending; l = l->prev) {
		struct request *rq = list_entry(l, struct request, node);

		if (rq->op == BIO_FLUSH) {
			after = l;
			break;
		}
		if (rq->sector == end && rq_can_merge(d, rq, bio)) {
			list_add(&rq->bios, &bio->node);
			rq->sector = bio->disk_sector;
			rq_merged(d, rq, bio);
			return;
		}
		if (rq->sector + rq->sectors == bio->disk_sector && rq_can_merge(d, rq, bio)) {
			list_add_tail(&rq->bios, &bio->node);
			rq_merged(d, rq, bio);
			return;
		}
		if (rq->sector <= bio->disk_sector) {
			after = l;
			break;
		}
	}
	rq_start_new(bio);
	list_add(after, &bio->rq.node);
	d->npending++;
}

static bool rq_urgent(const struct request *rq)
{
	return rq->op != BIO_WRITE || (rq->flags & BIO_SYNC);
}

/* C-LOOK among the urgent ones, or among all. NULL: none of that kind. */
static struct request *queue_next(struct disk *d, bool urgent_only)
{
	struct request *rq, *lowest = NULL;

	list_for_each(rq, &d->pending, node) {
		if (rq->op == BIO_FLUSH)
			return rq;
		if (urgent_only && !rq_urgent(rq))
			continue;
		if (rq->sector >= d->last_pos)
			return rq;
		if (!lowest)
			lowest = rq;
	}
	return lowest;
}

static struct request *queue_pick(struct disk *d)
{
	struct request *rq = NULL;

	assert_held(&d->lock);
	if (d->reads_ahead < READS_AHEAD)
		rq = queue_next(d, true);
	if (rq) {
		d->reads_ahead++;
	} else {
		rq = queue_next(d, false);
		d->reads_ahead = 0;
	}
	return rq;
}

/* ---------------------------------------------------------------- dispatch */
static void bio_finish(struct bio *bio, int status)
{
	if ((bio->op == BIO_WRITE || bio->op == BIO_DISCARD) && !(bio->flags & BIO_BUF))
		atomic_inc(&bio->bdev->disk->past_bufs);
	bio->status = status;
	bio->end(bio);
}

static void queue_run(struct disk *d)
{
	unsigned long flags;

	preempt_disable(); /* nobody else can offer requests while we are in here: be quick */
	flags = spin_lock_irqsave(&d->lock);
	if (d->dispatching)
		goto out;
	d->dispatching = true;
	while (d->inflight < d->queue_depth && !list_empty(&d->pending)) {
		struct request *rq = queue_pick(d);
		unsigned ends = d->ends;
		kerr_t err;

		list_del(&rq->node);
		d->npending--;
		if (d->inflight++ == 0)
			d->busy_since = (u64)hal_time_ns();
		if (rq->op != BIO_FLUSH)
			d->last_pos = rq->sector + rq->sectors;
		spin_unlock_irqrestore(&d->lock, flags);
		err = d->ops->submit(d, rq);
		if (err && kerr_code(err) != -EBUSY) {
			request_end(rq, d, kerr_code(err));
			err = KERR(0);
		}
		flags = spin_lock_irqsave(&d->lock);
		if (!err)
			continue;
		list_add(&d->pending, &rq->node);
		d->npending++;
		d->inflight--;
		if (ends != d->ends)
			continue; /* room came while the driver was saying no */
		if (!d->inflight)
			timer_start(&d->retry, hal_time_ns() + RETRY_NS);
		break;
	}
	d->dispatching = false;
out:
	spin_unlock_irqrestore(&d->lock, flags);
	preempt_enable();
}

static void queue_retry(struct timer *t)
{
	queue_run(container_of(t, struct disk, retry));
}

void request_end(struct request *rq, struct disk *d, int status)
{
	struct list bios;
	struct bio *bio, *tmp;
	unsigned long flags;
	bool room, idle;

	list_init(&bios);
	flags = spin_lock_irqsave(&d->lock);
	list_splice_tail(&bios, &rq->bios);
	if (rq->op == BIO_READ) {
		d->reads++;
		d->read_sectors += rq->sectors;
	} else if (rq->op == BIO_WRITE) {
		d->writes++;
		d->write_sectors += rq->sectors;
	}
	d->ends++;
	d->inflight--;
	if (!d->inflight)
		d->io_ns += (u64)hal_time_ns() - d->busy_since;
	room = d->npending < MAX_PENDING * 3 / 4;
	idle = !d->inflight && !d->npending;
	if (status)
		klog(LOG_ERR, "%s: %s error %d at sector %llu, %u sectors", d->name,
		     rq->op == BIO_READ ? "read" : rq->op == BIO_WRITE ? "write" : rq->op == BIO_FLUSH ? "flush" : "discard", status,
		     (unsigned long long)rq->sector, rq->sectors);
	spin_unlock_irqrestore(&d->lock, flags);

	/* The device first, then those who wait: their wake-ups take longer. */
	queue_run(d);
	list_for_each_safe(bio, tmp, &bios, node) {
		list_del(&bio->node);
		bio_finish(bio, status);
	}
	if (room && wait_queue_active(&d->room))
		wake_up_all(&d->room);
	if (idle && wait_queue_active(&d->idle))
		wake_up_all(&d->idle);
}

/* ---------------------------------------------------------------- submission */
/* A write with BIO_FUA on a disk that has only a flush: the flush follows the write, and its status is the bio's. */
struct fua_step {
	struct bio *orig;
	void (*end)(struct bio *bio);
	void *priv;
	struct bio *flush;
};

static void fua_flushed(struct bio *flush)
{
	struct fua_step *s = flush->priv;
	struct bio *orig = s->orig;

	orig->status = flush->status;
	orig->end = s->end;
	orig->priv = s->priv;
	bio_free(flush);
	kfree(s);
	orig->end(orig);
}

static void queue_add_one(struct disk *d, struct bio *bio)
{
	unsigned long flags = spin_lock_irqsave(&d->lock);

	queue_insert(d, bio);
	spin_unlock_irqrestore(&d->lock, flags);
}

static void fua_written(struct bio *bio)
{
	struct fua_step *s = bio->priv;

	if (bio->status) {
		s->flush->status = bio->status;
		fua_flushed(s->flush);
		return;
	}
	queue_add_one(bio->bdev->disk, s->flush);
	queue_run(bio->bdev->disk);
}

static kerr_t fua_emulate(struct bio *bio)
{
	struct fua_step *s = kzalloc(sizeof(*s), GFP_NOFS);

	if (!s)
		return KERR(ENOMEM);
	s->flush = bio_alloc(bio->bdev, 0, GFP_NOFS);
	if (!s->flush) {
		kfree(s);
		return KERR(ENOMEM);
	}
	s->flush->op = BIO_FLUSH;
	s->flush->end = fua_flushed;
	s->flush->priv = s;
	s->orig = bio;
	s->end = bio->end;
	s->priv = bio->priv;
	bio->end = fua_written;
	bio->priv = s;
	bio->flags &= (u8)~BIO_FUA;
	return KERR(0);
}

/* Checks bio against its device and makes it absolute. false: it has been ended. */
static bool bio_prepare(struct bio *bio)
{
	struct block_device *b = bio->bdev;
	struct disk *d = b->disk;
	u32 sectors = bio->size >> SECTOR_SHIFT;
	kerr_t err = KERR(0);

	if (bio->op == BIO_FLUSH) {
		if (d->has_flush)
			return true;
		bio_finish(bio, 0);
		return false;
	}
	if (!sectors || bio->sector >= b->sectors || sectors > b->sectors - bio->sector ||
	    (((bio->sector << SECTOR_SHIFT) | bio->size) & (d->logical_block - 1))) {
		klog_err("%s: access beyond the end or unaligned: sector %llu, %u sectors of %llu", b->name, (unsigned long long)bio->sector,
			 sectors, (unsigned long long)b->sectors);
		err = KERR(EIO);
	} else if (bio->op != BIO_READ && d->read_only) {
		err = KERR(EROFS);
	} else if (bio->op == BIO_DISCARD && !d->has_discard) {
		err = KERR(EOPNOTSUPP);
	}
	if (!err && (bio->flags & BIO_PREFLUSH)) {
		bio->flags &= (u8)~BIO_PREFLUSH;
		err = block_flush(b);
	}
	if (!err && (bio->flags & BIO_FUA) && !d->has_fua) {
		if (d->has_flush)
			err = fua_emulate(bio);
		else
			bio->flags &= (u8)~BIO_FUA; /* no volatile cache: every write is through */
	}
	if (err) {
		bio_finish(bio, kerr_code(err));
		return false;
	}
	bio->disk_sector = b->start + bio->sector;
	return true;
}

static void queue_load(struct disk *d, unsigned *pending, unsigned *inflight)
{
	unsigned long flags = spin_lock_irqsave(&d->lock);

	*pending = d->npending;
	*inflight = d->inflight;
	spin_unlock_irqrestore(&d->lock, flags);
}

static bool queue_has_room(struct disk *d)
{
	unsigned pending, inflight;

	queue_load(d, &pending, &inflight);
	return pending < MAX_PENDING;
}

static bool queue_is_idle(struct disk *d)
{
	unsigned pending, inflight;

	queue_load(d, &pending, &inflight);
	return !pending && !inflight;
}

/* Not exact: several submitters may pass at once. */
static void queue_wait_room(struct disk *d)
{
	wait_event(&d->room, queue_has_room(d));
}

void bio_submit(struct bio *bio)
{
	struct disk *d = bio->bdev->disk;

	bio->status = 0;
	if (!bio_prepare(bio))
		return;
	queue_wait_room(d);
	queue_add_one(d, bio);
	queue_run(d);
}

void bio_submit_list(struct list *bios)
{
	struct disk *d = NULL;
	struct list ready;
	struct bio *bio, *tmp;
	unsigned long flags;

	list_init(&ready);
	list_for_each_safe(bio, tmp, bios, node) {
		list_del(&bio->node);
		DEBUG_ASSERT(!d || d == bio->bdev->disk);
		d = bio->bdev->disk;
		bio->status = 0;
		if (bio_prepare(bio))
			list_add_tail(&ready, &bio->node);
	}
	if (list_empty(&ready))
		return;
	queue_wait_room(d);
	flags = spin_lock_irqsave(&d->lock);
	list_for_each_safe(bio, tmp, &ready, node) {
		list_del(&bio->node);
		queue_insert(d, bio);
	}
	spin_unlock_irqrestore(&d->lock, flags);
	queue_run(d);
}

void disk_queue_init(struct disk *d)
{
	spin_init(&d->lock, RANK_BLOCK_QUEUE, "disk.lock");
	list_init(&d->pending);
	wait_queue_init(&d->room);
	wait_queue_init(&d->idle);
	timer_init(&d->retry, queue_retry);
	d->npending = d->inflight = d->ends = d->reads_ahead = 0;
	d->dispatching = false;
	d->last_pos = 0;
	if (!d->logical_block)
		d->logical_block = SECTOR_SIZE;
	if (!d->max_sectors)
		d->max_sectors = 256;
	d->max_sectors = MAX(d->max_sectors, (u32)(PAGE_SIZE >> SECTOR_SHIFT));
	if (!d->max_segs)
		d->max_segs = 32;
	if (!d->queue_depth)
		d->queue_depth = 1;
}

void disk_queue_drain(struct disk *d)
{
	wait_event(&d->idle, queue_is_idle(d));
	timer_cancel_sync(&d->retry);
}
