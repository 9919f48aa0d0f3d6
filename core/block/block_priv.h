/* SPDX-License-Identifier: MIT */
/* What the files of the block room share. */
#pragma once

#include <maestro/block.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>

/* The queue for sleepers on the object at p; shared with others, so they test their own condition. */
static inline struct wait_queue *block_wait_queue(const void *p)
{
	return &kernel()->block.wait[(hash_ptr(p) >> 8) % BUF_WAIT_QUEUES];
}
/* The buffer cache as the device's node uses it: what these read or make stays BUF_ALIAS until a file system asks for the block. */
kerr_t buf_read_alias(struct block_device *bdev, u64 block, struct buf **out) __must_check;
kerr_t buf_get_alias(struct block_device *bdev, u64 block, struct buf **out) __must_check; /* for one who overwrites all of it */
void buf_readahead_alias(struct block_device *bdev, u64 block, unsigned n);
bool buf_is_cached(struct block_device *bdev, u64 block); /* and still good */
void buf_overwritten(struct buf *b); /* locked, from buf_get_alias() or buf_read_alias(): uptodate and dirty now, still an alias if it was */

/* What buf.c and buf_write.c share. */
bool buf_trylock(struct buf *b);
void buf_unlock_clear(struct buf *b, unsigned long also); /* buf_unlock(), and these flags go with it */
struct buf *buf_peek(struct block_device *bdev, u64 block); /* with a reference, if it is cached; an alias stays one */
struct bio *buf_bio(struct buf *b, enum bio_op op) __must_check; /* of the whole block; bio.priv is b. NULL: no memory */
void buf_flush_in(ktime_t delay); /* the next write-out of all devices, unless one is due already */
void buf_flush_init(void);

void disk_queue_init(struct disk *d);
void disk_queue_drain(struct disk *d); /* waits until nothing is pending or in flight */
