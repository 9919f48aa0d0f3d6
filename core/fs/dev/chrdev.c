/* SPDX-License-Identifier: MIT */
/* Character device numbers: ranges of (major, minor) and the operations behind them. Locking: dev.lock. */
#include <maestro/dev.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#include "dev_priv.h"

struct chrdev_range {
	struct list node; /* [dev.lock] by major, then minor */
	u32 major, first, count;
	const char *name;
	const struct file_ops *fops;
};

static bool overlaps(const struct chrdev_range *r, u32 major, u32 first, u32 count)
{
	return r->major == major && first < r->first + r->count && r->first < first + count;
}

kerr_t chrdev_register(u32 major, u32 first, u32 count, const char *name, const struct file_ops *fops)
{
	struct dev_state *s = &kernel()->dev;
	struct chrdev_range *r, *n = kmalloc(sizeof(*n), GFP_KERNEL);
	struct list *before;

	if (!n)
		return KERR(ENOMEM);
	*n = (struct chrdev_range){.major = major, .first = first, .count = count, .name = name, .fops = fops};
	spin_lock(&s->lock);
	before = &s->chrdevs;
	list_for_each(r, &s->chrdevs, node) {
		if (overlaps(r, major, first, count)) {
			spin_unlock(&s->lock);
			kfree(n);
			return KERR(EBUSY);
		}
		if (DEV(r->major, r->first) < DEV(major, first))
			before = &r->node;
	}
	list_add(before, &n->node);
	spin_unlock(&s->lock);
	return 0;
}

void chrdev_unregister(u32 major, u32 first, u32 count)
{
	struct dev_state *s = &kernel()->dev;
	struct chrdev_range *r, *tmp;

	spin_lock(&s->lock);
	list_for_each_safe(r, tmp, &s->chrdevs, node)
		if (r->major == major && r->first == first && r->count == count) {
			list_del(&r->node);
			spin_unlock(&s->lock);
			kfree(r);
			return;
		}
	spin_unlock(&s->lock);
}

const struct file_ops *chrdev_find(dev_t dev)
{
	struct dev_state *s = &kernel()->dev;
	const struct file_ops *fops = NULL;
	struct chrdev_range *r;

	spin_lock(&s->lock);
	list_for_each(r, &s->chrdevs, node)
		if (overlaps(r, DEV_MAJOR(dev), DEV_MINOR(dev), 1))
			fops = r->fops;
	spin_unlock(&s->lock);
	return fops;
}

void chrdev_for_each(void (*fn)(void *arg, u32 major, const char *name), void *arg)
{
	struct dev_state *s = &kernel()->dev;
	u32 last = U32_MAX;
	struct chrdev_range *r;

	spin_lock(&s->lock);
	list_for_each(r, &s->chrdevs, node) {
		if (r->major != last)
			fn(arg, r->major, r->name);
		last = r->major;
	}
	spin_unlock(&s->lock);
}

kerr_t chrdev_init(void)
{
	struct dev_state *s = &kernel()->dev;

	spin_init(&s->lock, RANK_LEAF, "chrdevs");
	list_init(&s->chrdevs);
	mutex_init(&s->node_lock, RANK_MOUNT, "dev nodes");
	list_init(&s->nodes);
	random_bytes(s->boot_id, sizeof(s->boot_id));
	return mem_devices_init();
}
