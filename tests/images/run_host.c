/* SPDX-License-Identifier: MIT */
/* A library kernel on an image in memory; see image_host.h. */
#include "image_host.h"

#include <maestro.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "tree_host.h"

static int disk_read(void *arg, void *buf, uint64_t offset, size_t len)
{
	const struct image_run *r = arg;

	memcpy(buf, r->mem + offset, len);
	return 0;
}

static int disk_write(void *arg, const void *buf, uint64_t offset, size_t len)
{
	struct image_run *r = arg;

	memcpy(r->mem + offset, buf, len);
	return 0;
}

static const struct maestro_disk_ops disk_ops = { .read = disk_read, .write = disk_write };

int image_begin(struct image_run *r, void *mem, size_t size)
{
	struct maestro_options o = { .size = sizeof(o), .memory = 64 << 20, .virtual_clock = true, .seed = 1, .log = r->verbose };
	char name[MAESTRO_DISK_NAME];
	int err = maestro_create(&o, &r->k);

	r->mem = mem;
	r->size = size;
	if (err)
		return err;
	err = maestro_disk_add_ops(r->k, &disk_ops, r, size / 512, MAESTRO_DISK_NO_PARTITIONS, name);
	if (!err)
		err = maestro_mkdir(r->k, "/mnt", 0755);
	return err;
}

int image_mount(struct image_run *r, const char *type, unsigned long flags, const char *options)
{
	return maestro_mount(r->k, "/dev/vda", "/mnt", type, flags, options);
}

void image_end(struct image_run *r)
{
	if (r->k)
		(void)maestro_destroy(r->k);
	r->k = NULL;
}

int image_abuse(void *mem, size_t size, void (*verbose)(void *arg, const char *text, size_t len))
{
	static const struct limits limits = { .depth = 12, .entries = 2000, .file_bytes = 4 << 20 };
	struct image_run r = { .verbose = verbose };
	struct world w;
	bool mounted = false;

	if (image_begin(&r, mem, size))
		abort();
	w.k = r.k;
	if (!image_mount(&r, "ext4", MS_RDONLY, NULL)) {
		mounted = true;
		tree_read(&w, "/mnt", &limits, NULL);
		if (maestro_umount(r.k, "/mnt", 0))
			abort();
	}
	if (mounted && !image_mount(&r, "ext4", 0, "errors=continue")) {
		tree_abuse(&w, "/mnt");
		tree_read(&w, "/mnt", &limits, NULL);
		if (maestro_umount(r.k, "/mnt", 0))
			abort();
	}
	image_end(&r);
	return mounted;
}
