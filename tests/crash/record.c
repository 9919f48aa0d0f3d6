/* SPDX-License-Identifier: MIT */
/* The recorded disk. */
#include "crash.h"

#include <errno.h>

static int disk_read(void *arg, void *buf, uint64_t offset, size_t len)
{
	const struct record *r = arg;

	memcpy(buf, r->image + offset, len);
	return 0;
}

static struct entry *append(struct record *r)
{
	if (r->n == r->room) {
		r->room = r->room ? r->room * 2 : 64;
		r->log = realloc(r->log, r->room * sizeof(*r->log));
		if (!r->log)
			abort();
	}
	return &r->log[r->n++];
}

static int disk_write(void *arg, const void *buf, uint64_t offset, size_t len)
{
	struct record *r = arg;
	struct entry *e = append(r);

	*e = (struct entry){(uint32_t)offset, (uint32_t)len, malloc(len)};
	if (!e->data)
		abort();
	memcpy(e->data, buf, len);
	memcpy(r->image + offset, buf, len);
	return 0;
}

static int disk_flush(void *arg)
{
	struct record *r = arg;

	*append(r) = (struct entry){0, 0, NULL};
	return 0;
}

static const struct maestro_disk_ops disk_ops = {.read = disk_read, .write = disk_write, .flush = disk_flush};

int record_mount(struct maestro *k, struct record *r)
{
	char name[MAESTRO_DISK_NAME], dev[32];

	MUST(maestro_disk_add_ops(k, &disk_ops, r, IMAGE_SIZE / 512, MAESTRO_DISK_NO_PARTITIONS, name));
	snprintf(dev, sizeof(dev), "/dev/%s", name);
	return maestro_mount(k, dev, "/mnt", "ext2", 0, NULL);
}

void record_reset(struct record *r, const uint8_t *image)
{
	for (unsigned i = 0; i < r->n; i++)
		free(r->log[i].data);
	r->n = 0;
	memcpy(r->image, image, IMAGE_SIZE);
}

/* One past the last flush among the first c entries. */
static unsigned flushed(const struct record *r, unsigned c)
{
	while (c && r->log[c - 1].len)
		c--;
	return c;
}

unsigned record_unflushed(const struct record *r, unsigned c)
{
	return c - flushed(r, c);
}

void record_state(const struct record *r, const uint8_t *base, unsigned c, uint64_t keep, uint8_t *out)
{
	unsigned sure = flushed(r, c);

	memcpy(out, base, IMAGE_SIZE);
	for (unsigned i = 0; i < c; i++)
		if (i < sure || i - sure >= 64 || (keep >> (i - sure) & 1))
			memcpy(out + r->log[i].offset, r->log[i].data, r->log[i].len);
}
