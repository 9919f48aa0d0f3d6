/* SPDX-License-Identifier: MIT */
/*
 * Disks and partitions: registering, finding, claiming.
 *
 * A struct block_device stands for the whole disk (partno 0, first in disk.parts) and for each partition. The list holds one reference; block_find()
 * gives out more. A device with a holder (a mounted file system, a swap area, an O_EXCL opener) is not claimed twice.
 *
 * Locking: block.mutex (RANK_FS_ALLOC) for the list of disks and their parts; block_device.mutex for the holder.
 */
#include <maestro/block.h>
#include <maestro/dev.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#include "block_priv.h"

#define DEFAULT_READAHEAD 256 /* sectors */

void block_get(struct block_device *b)
{
	atomic_inc(&b->refs);
}

void block_put(struct block_device *b)
{
	if (b && atomic_dec_and_test(&b->refs)) {
		DEBUG_ASSERT(list_empty(&b->bufs));
		kfree(b);
	}
}

/* ---------------------------------------------------------------- finding */
void block_for_each(void (*fn)(struct block_device *b, void *arg), void *arg)
{
	struct block_state *s = &kernel()->block;
	struct block_device *b;
	struct disk *d;

	mutex_lock(&s->mutex);
	list_for_each(d, &s->disks, node)
		list_for_each(b, &d->parts, node)
			fn(b, arg);
	mutex_unlock(&s->mutex);
}

struct find_arg {
	dev_t dev;
	const char *name;
	struct block_device *found;
};

static void find_one(struct block_device *b, void *arg)
{
	struct find_arg *f = arg;

	if (f->found || (f->name ? strcmp(b->name, f->name) != 0 : b->dev != f->dev))
		return;
	block_get(b);
	f->found = b;
}

struct block_device *block_find(dev_t dev)
{
	struct find_arg f = { .dev = dev };

	block_for_each(find_one, &f);
	return f.found;
}

struct block_device *block_find_name(const char *name)
{
	struct find_arg f = { .name = name };

	block_for_each(find_one, &f);
	return f.found;
}

/* ---------------------------------------------------------------- claims */
kerr_t block_claim(struct block_device *b, void *holder)
{
	kerr_t err = KERR(0);

	mutex_lock(&b->mutex);
	if (b->holder && b->holder != holder)
		err = KERR(EBUSY);
	else
		b->holder = holder;
	mutex_unlock(&b->mutex);
	return err;
}

void block_release_claim(struct block_device *b, void *holder)
{
	mutex_lock(&b->mutex);
	DEBUG_ASSERT(b->holder == holder);
	if (b->holder == holder)
		b->holder = NULL;
	mutex_unlock(&b->mutex);
}

kerr_t block_set_size(struct block_device *b, u32 size)
{
	kerr_t err;

	if (size < SECTOR_SIZE || size > PAGE_SIZE || (size & (size - 1)) || size < b->disk->logical_block)
		return KERR(EINVAL);
	rwsem_write_lock(&b->size_sem);
	err = buf_sync(b, true);
	if (!err && !buf_invalidate(b) && size != b->block_size) {
		/* Somebody is in the middle of a block: a moment later he is not. */
		for (unsigned tries = 0; tries < 100 && !buf_invalidate(b); tries++)
			sched_yield_current();
		if (!buf_invalidate(b))
			err = KERR(EBUSY);
	}
	if (!err)
		b->block_size = size;
	rwsem_write_unlock(&b->size_sem);
	return err;
}

void block_idle(struct block_device *b)
{
	if (b->disk->ops->idle && !block_in_use(b))
		b->disk->ops->idle(b->disk);
}

/* ---------------------------------------------------------------- registration */
/* The largest block the device is a whole number of: no tail is out of reach. */
static u32 natural_block_size(const struct block_device *b)
{
	u32 size = PAGE_SIZE;

	while (size > b->disk->logical_block && (b->sectors & ((size >> SECTOR_SHIFT) - 1)))
		size >>= 1;
	return size;
}

void disk_set_sectors(struct disk *d, u64 sectors)
{
	struct block_device *b = list_first(&d->parts, struct block_device, node);

	rwsem_write_lock(&b->size_sem);
	d->sectors = b->sectors = sectors;
	b->block_size = natural_block_size(b);
	rwsem_write_unlock(&b->size_sem);
}

static struct block_device *bdev_new(struct disk *d, unsigned partno, sector_t start, sector_t sectors)
{
	struct block_device *b = kzalloc(sizeof(*b), GFP_KERNEL);
	size_t len = strlen(d->name);
	bool digit = len && d->name[len - 1] >= '0' && d->name[len - 1] <= '9';

	if (!b)
		return NULL;
	b->disk = d;
	b->partno = partno;
	b->start = start;
	b->sectors = sectors;
	b->dev = DEV(d->major, d->first_minor + partno);
	if (partno)
		(void)ksnprintf(b->name, sizeof(b->name), "%s%s%u", d->name, digit ? "p" : "", partno);
	else
		(void)strlcpy(b->name, d->name, sizeof(b->name));
	b->block_size = natural_block_size(b);
	b->readahead = DEFAULT_READAHEAD;
	atomic_set(&b->refs, 1);
	mutex_init(&b->mutex, RANK_MUTEX_LEAF, "block_device.mutex");
	rwsem_init(&b->size_sem, RANK_FS_ALLOC, "block_device.size_sem");
	list_init(&b->node);
	list_init(&b->bufs);
	list_init(&b->dirty);
	list_init(&b->dirty_first);
	wait_queue_init(&b->wb_wait);
	return b;
}

static kerr_t bdev_publish(struct disk *d, struct block_device *b)
{
	struct block_state *s = &kernel()->block;
	kerr_t err = dev_node_add(b->name, S_IFBLK | 0600, b->dev);

	if (err)
		return err;
	mutex_lock(&s->mutex);
	list_add_tail(&d->parts, &b->node);
	mutex_unlock(&s->mutex);
	return KERR(0);
}

kerr_t disk_add_part(struct disk *d, unsigned partno, sector_t start, sector_t sectors, const char *uuid, const char *label)
{
	struct block_device *b;
	kerr_t err;

	if (partno >= d->minors) {
		klog_warn("%s: partition %u has no device number left", d->name, partno);
		return KERR(ENOSPC);
	}
	b = bdev_new(d, partno, start, sectors);
	if (!b)
		return KERR(ENOMEM);
	(void)strlcpy(b->uuid, uuid, sizeof(b->uuid));
	(void)strlcpy(b->label, label, sizeof(b->label));
	err = bdev_publish(d, b);
	if (err)
		block_put(b);
	return err;
}

/* Writes out and drops what is cached of b, takes it off the list, gives back the list's reference. */
static void bdev_remove(struct block_device *b)
{
	struct block_state *s = &kernel()->block;
	kerr_t err;

	dev_node_remove(b->name);
	mutex_lock(&s->mutex);
	list_del(&b->node);
	mutex_unlock(&s->mutex);
	err = buf_sync(b, true);
	if (err)
		klog_err("%s: error %d writing the last blocks", b->name, kerr_code(err));
	(void)buf_invalidate(b);
	block_put(b);
}

static void log_disk(const struct disk *d)
{
	const struct block_device *b;
	char parts[96] = "";
	int n = 0;

	list_for_each(b, &d->parts, node) {
		if (b->partno)
			n += kscnprintf(parts + n, sizeof(parts) - (size_t)n, " %s", b->name);
	}
	klog(LOG_NOTICE, "%s: %llu sectors (%llu MiB) %s%s%s", d->name, (unsigned long long)d->sectors, (unsigned long long)(d->sectors >> 11),
		  d->model, n ? ":" : "", parts);
}

kerr_t disk_register(struct disk *d)
{
	struct block_state *s = &kernel()->block;
	struct block_device *whole;
	kerr_t err;

	disk_queue_init(d);
	list_init(&d->parts);
	list_init(&d->node);
	if (!d->minors)
		d->minors = 1;
	whole = bdev_new(d, 0, 0, d->sectors);
	if (!whole)
		return KERR(ENOMEM);
	err = bdev_publish(d, whole);
	if (err) {
		block_put(whole);
		return err;
	}
	mutex_lock(&s->mutex);
	list_add_tail(&s->disks, &d->node);
	mutex_unlock(&s->mutex);
	if (!d->no_partscan && d->sectors)
		disk_scan_partitions(d);
	if (d->sectors)
		log_disk(d);
	return KERR(0);
}

void disk_unregister(struct disk *d)
{
	struct block_state *s = &kernel()->block;

	while (!list_empty(&d->parts))
		bdev_remove(list_last(&d->parts, struct block_device, node));
	mutex_lock(&s->mutex);
	list_del(&d->node);
	mutex_unlock(&s->mutex);
	disk_queue_drain(d);
	if (d->ops->release)
		d->ops->release(d);
}

kerr_t disk_rescan(struct disk *d)
{
	struct block_state *s = &kernel()->block;
	struct block_device *b, *whole = NULL;
	bool busy = false;
	kerr_t err;

	mutex_lock(&s->mutex);
	list_for_each(b, &d->parts, node) {
		if (!b->partno)
			whole = b;
		else if (b->holder || atomic_read(&b->openers) || atomic_read(&b->refs) > 1)
			busy = true;
	}
	mutex_unlock(&s->mutex);
	if (busy || !whole)
		return KERR(EBUSY);
	err = buf_sync(whole, true);
	if (err)
		return err;
	while (list_last(&d->parts, struct block_device, node) != whole)
		bdev_remove(list_last(&d->parts, struct block_device, node));
	disk_scan_partitions(d);
	log_disk(d);
	return KERR(0);
}

kerr_t block_init(void)
{
	struct block_state *s = &kernel()->block;

	mutex_init(&s->mutex, RANK_FS_ALLOC, "block.mutex");
	list_init(&s->disks);
	return buf_cache_init();
}
