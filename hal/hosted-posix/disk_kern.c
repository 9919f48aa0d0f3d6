/* SPDX-License-Identifier: MIT */
/*
 * Disks in a host process: a struct disk over host_disk_ops. A request is carried out, on the caller's stack, before submit() returns: so I/O errors,
 * their order and cut-offs repeat exactly from run to run.
 *
 * Names and numbers are virtio's (vda, 254:0, 16 minors each). Locking: none of its own; the block layer submits one request at a time (queue_depth 1),
 * and disks come and go under the name table's mutex.
 */
#include <maestro/block.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/slab.h>

#include "disk.h"
#include "hosted_kern.h"

#define DISK_MAJOR 254
#define DISK_MINORS 16

struct hosted_disk {
	struct disk disk;
	const struct host_disk_ops *ops;
	void *arg;
	unsigned slot;
};

static struct kernel_host *kern_host(void)
{
	return HOSTED_TLS_GET(inst) ? ((struct hosted *)HOSTED_TLS_GET(inst))->kern : NULL;
}

/* The whole of a request's data as a list of host buffers: frames of the arena, neighbours joined. */
static unsigned gather(const struct request *rq, struct host_iov *iov)
{
	struct bio *bio;
	unsigned n = 0;

	list_for_each(bio, &rq->bios, node) {
		for (unsigned i = 0; i < bio->nvecs; i++) {
			const struct bio_vec *v = &bio->vecs[i];
			u8 *p = (u8 *)page_address(v->page) + v->off;

			if (n && (u8 *)iov[n - 1].base + iov[n - 1].len == p) {
				iov[n - 1].len += v->len;
				continue;
			}
			iov[n++] = (struct host_iov){.base = p, .len = v->len};
		}
	}
	return n;
}

static int carry_out(struct hosted_disk *hd, struct request *rq)
{
	struct host_iov iov[HOSTED_MAX_SEGS];
	u64 offset = rq->sector << SECTOR_SHIFT, bytes = (u64)rq->sectors << SECTOR_SHIFT;

	switch (rq->op) {
	case BIO_READ:
	case BIO_WRITE:
		return hd->ops->transfer(hd->arg, rq->op == BIO_WRITE, iov, gather(rq, iov), offset, bytes);
	case BIO_FLUSH:
		return hd->ops->flush ? hd->ops->flush(hd->arg) : 0;
	case BIO_DISCARD:
		return hd->ops->discard ? hd->ops->discard(hd->arg, offset, bytes) : -EOPNOTSUPP;
	}
	return -EOPNOTSUPP;
}

static kerr_t disk_submit(struct disk *d, struct request *rq)
{
	struct hosted_disk *hd = container_of(d, struct hosted_disk, disk);

	request_end(rq, d, carry_out(hd, rq));
	return 0;
}

static const struct disk_ops hosted_disk_ops = {
	.submit = disk_submit,
};

const void *hosted_disk_window(const struct block_device *b, u64 offset, u64 bytes)
{
	const struct disk *d = b->disk;
	const struct hosted_disk *hd;

	if (d->ops != &hosted_disk_ops || offset + bytes > (u64)b->sectors << SECTOR_SHIFT)
		return NULL;
	hd = container_of(d, const struct hosted_disk, disk);
	return hd->ops->window ? hd->ops->window(hd->arg, ((u64)b->start << SECTOR_SHIFT) + offset, bytes) : NULL;
}

static int free_slot(void)
{
	const struct kernel_host *kh = kern_host();

	for (int i = 0; i < HOSTED_MAX_DISKS; i++)
		if (!kh->disk[i])
			return i;
	return -ENOSPC;
}

static void name_disk(char *name, size_t size, unsigned slot)
{
	if (slot < 26)
		ksnprintf(name, size, "vd%c", 'a' + (int)slot);
	else
		ksnprintf(name, size, "vd%c%c", 'a' + (int)(slot / 26) - 1, 'a' + (int)(slot % 26));
}

int hosted_disk_add(const struct host_disk_ops *ops, void *arg, const struct host_disk_info *info, char *name)
{
	struct kernel_host *kh = kern_host();
	struct hosted_disk *hd;
	struct disk *d;
	int slot;
	kerr_t err;

	if (!info->sectors)
		return -EINVAL;
	hd = kzalloc(sizeof(*hd), GFP_KERNEL);
	if (!hd)
		return -ENOMEM;
	mutex_lock(&kh->disks_mutex);
	slot = free_slot();
	if (slot < 0) {
		mutex_unlock(&kh->disks_mutex);
		kfree(hd);
		return slot;
	}
	hd->ops = ops;
	hd->arg = arg;
	hd->slot = (unsigned)slot;
	d = &hd->disk;
	name_disk(d->name, sizeof(d->name), hd->slot);
	d->major = DISK_MAJOR;
	d->first_minor = hd->slot * DISK_MINORS;
	d->minors = DISK_MINORS;
	d->sectors = info->sectors;
	d->logical_block = SECTOR_SIZE;
	d->max_sectors = 1024;
	d->max_segs = HOSTED_MAX_SEGS;
	d->read_only = info->read_only;
	d->no_partscan = info->no_partscan;
	d->has_flush = ops->flush != NULL;
	d->has_discard = ops->discard != NULL;
	strlcpy(d->model, info->model, sizeof(d->model));
	d->ops = &hosted_disk_ops;
	err = disk_register(d);
	if (!err)
		kh->disk[slot] = hd;
	mutex_unlock(&kh->disks_mutex);
	if (err) {
		kfree(hd);
		return kerr_code(err);
	}
	strlcpy(name, d->name, 8);
	return 0;
}

/* Somebody has the disk or a part of it open or mounted. block.mutex held. */
static bool disk_busy(struct disk *d)
{
	struct block_device *b;

	list_for_each(b, &d->parts, node)
		if (b->holder || atomic_read(&b->openers) || atomic_read(&b->refs) > 1)
			return true;
	return false;
}

int hosted_disk_remove(const char *name)
{
	struct kernel_host *kh = kern_host();
	struct hosted_disk *hd = NULL;
	bool busy = false;

	mutex_lock(&kh->disks_mutex);
	for (unsigned i = 0; i < HOSTED_MAX_DISKS && !hd; i++) {
		hd = kh->disk[i];
		if (hd && strcmp(hd->disk.name, name) != 0)
			hd = NULL;
	}
	if (hd) {
		mutex_lock(&kernel()->block.mutex);
		busy = disk_busy(&hd->disk);
		mutex_unlock(&kernel()->block.mutex);
		if (!busy)
			kh->disk[hd->slot] = NULL;
	}
	mutex_unlock(&kh->disks_mutex);
	if (!hd)
		return -ENODEV;
	if (busy)
		return -EBUSY;
	disk_unregister(&hd->disk);
	if (hd->ops->release)
		hd->ops->release(hd->arg);
	kfree(hd);
	return 0;
}
