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
void disk_queue_init(struct disk *d);
void disk_queue_drain(struct disk *d); /* waits until nothing is pending or in flight */
