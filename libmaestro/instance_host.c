/* SPDX-License-Identifier: MIT */
/* maestro_create, maestro_destroy and disks: what needs the host's memory and files. */
#include "lib_host.h"

#include <errno.h>
#include <maestro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backing.h"

#define DEFAULT_MEMORY (64ULL << 20)
#define MIN_MEMORY (8ULL << 20)
#define MAX_MEMORY (1ULL << 40)
#define MAX_CMDLINE 496
#define FIRST_OPTIONS_SIZE offsetof(struct maestro_options, panicked)

unsigned maestro_version(void)
{
	return MAESTRO_VERSION;
}

static void log_text(void *arg, const char *text, host_u64 len)
{
	const struct maestro_options *o = arg;

	o->log(o->log_arg, text, len);
}

static int check_options(struct maestro_options *o)
{
	if (!o->memory)
		o->memory = DEFAULT_MEMORY;
	if (!o->threads)
		o->threads = 1;
	if (o->memory < MIN_MEMORY || o->memory > MAX_MEMORY || o->threads > HOSTED_MAX_VCPUS || o->log_level < 0 || o->log_level > 8)
		return -EINVAL;
	if (o->preemption && (o->preemption < 2 || !o->seed || o->threads > 1))
		return -EINVAL;
	if (o->cmdline && strlen(o->cmdline) >= MAX_CMDLINE)
		return -EINVAL;
	o->memory &= ~4095ULL;
	return 0;
}

static void free_instance(struct maestro *k)
{
	hosted_snapshots_release(&k->h);
	backing_release_all(&k->h);
	host_fini(&k->h);
	host_unreserve(k->h.arena, k->h.arena_size);
	free(k->h.log_arg);
	free(k);
}

int maestro_create(const struct maestro_options *options, struct maestro **out)
{
	struct maestro_options *o = calloc(1, sizeof(*o));
	struct maestro *k = calloc(1, sizeof(*k));
	int err = -ENOMEM;

	if (!o || !k)
		goto free_both;
	err = -EINVAL;
	if (options) {
		if (options->size < FIRST_OPTIONS_SIZE)
			goto free_both;
		memcpy(o, options, options->size < sizeof(*o) ? options->size : sizeof(*o));
	}
	err = check_options(o);
	if (err)
		goto free_both;
	k->h.arena_size = o->memory;
	k->h.nvcpus = o->threads;
	k->h.virtual_clock = o->virtual_clock;
	k->h.seed = o->seed;
	k->h.preemption = o->preemption;
	k->h.preempt_random = o->seed;
	k->h.log = o->log ? log_text : NULL;
	k->h.log_arg = o; /* lives as long as the instance */
	k->log_level = o->log_level ? o->log_level : 7;
	k->h.panicked = o->panicked;
	k->h.panic_arg = o->panic_arg;
	if (o->log_level)
		snprintf(k->h.cmdline, sizeof(k->h.cmdline), "loglevel=%d %s", o->log_level, o->cmdline ? o->cmdline : "");
	else if (o->cmdline)
		strcpy(k->h.cmdline, o->cmdline);
	err = -ENOMEM;
	k->h.arena = host_reserve(k->h.arena_size, o->huge_pages);
	if (!k->h.arena)
		goto free_both;
	err = host_init(&k->h);
	if (err) {
		host_unreserve(k->h.arena, k->h.arena_size);
		goto free_both;
	}
	err = hosted_boot(&k->h);
	if (!err)
		err = lib_start(k);
	if (err) {
		free_instance(k);
		return err;
	}
	*out = k;
	return 0;
free_both:
	free(o);
	free(k);
	return err;
}

int maestro_destroy(struct maestro *k)
{
	int err;

	if (!k)
		return 0;
	err = k->h.dead ? -EIO : lib_finish(k);
	free_instance(k);
	return err;
}

/* ---------------------------------------------------------------- snapshots */
static struct hosted_snapshot *inner(struct maestro_snapshot *s)
{
	return (struct hosted_snapshot *)s;
}

int maestro_snapshot(struct maestro *k, struct maestro_snapshot **out)
{
	struct hosted_snapshot *s;
	int err = hosted_snapshot(&k->h, &s);

	if (!err)
		*out = (struct maestro_snapshot *)s;
	return err;
}

int maestro_restore(struct maestro *k, struct maestro_snapshot *s)
{
	return hosted_restore(&k->h, inner(s));
}

int maestro_snapshot_free(struct maestro *k, struct maestro_snapshot *s)
{
	return s ? hosted_snapshot_forget(&k->h, inner(s)) : 0;
}

/* ---------------------------------------------------------------- disks */
static int disk_enter_add(struct maestro *k, const struct host_disk_ops *ops, void *arg, const struct host_disk_info *info, char *name)
{
	struct backing *b;
	int err = hosted_enter(&k->h);

	if (err)
		return err;
	b = backing_new(&k->h, ops, arg, info);
	err = b ? hosted_disk_add(backing_disk_ops(b), b, info, name) : -ENOMEM;
	if (err && b)
		backing_abandon(b);
	hosted_leave();
	return err;
}

int maestro_disk_add_file_part(struct maestro *k, const char *path, unsigned flags, uint64_t offset, uint64_t size, char name[MAESTRO_DISK_NAME])
{
	struct host_disk_info info;
	void *arg;
	int err = host_file_open(path, flags & ~(unsigned)MAESTRO_DISK_NO_PARTITIONS, offset, size, &arg, &info);

	if (err)
		return err;
	info.no_partscan = flags & MAESTRO_DISK_NO_PARTITIONS;
	err = disk_enter_add(k, &host_file_ops, arg, &info, name);
	if (err)
		host_file_close(arg);
	return err;
}

int maestro_disk_add_file(struct maestro *k, const char *path, unsigned flags, char name[MAESTRO_DISK_NAME])
{
	return maestro_disk_add_file_part(k, path, flags, 0, 0, name);
}

struct ops_disk {
	const struct maestro_disk_ops *ops;
	void *arg;
};

static int ops_transfer(void *arg, _Bool write, const struct host_iov *iov, unsigned n, host_u64 offset, host_u64 bytes)
{
	const struct ops_disk *d = arg;

	(void)bytes;
	for (unsigned i = 0; i < n; i++) {
		int err = write ? d->ops->write(d->arg, iov[i].base, offset, iov[i].len) : d->ops->read(d->arg, iov[i].base, offset, iov[i].len);

		if (err)
			return err;
		offset += iov[i].len;
	}
	return 0;
}

static int ops_flush(void *arg)
{
	const struct ops_disk *d = arg;

	return d->ops->flush ? d->ops->flush(d->arg) : 0;
}

static int ops_discard(void *arg, host_u64 offset, host_u64 bytes)
{
	const struct ops_disk *d = arg;

	return d->ops->discard(d->arg, offset, bytes);
}

static void ops_release(void *arg)
{
	struct ops_disk *d = arg;

	if (d->ops->release)
		d->ops->release(d->arg);
	free(d);
}

static const struct host_disk_ops with_discard = {ops_transfer, ops_flush, ops_discard, ops_release, NULL};
static const struct host_disk_ops without_discard = {ops_transfer, ops_flush, NULL, ops_release, NULL};

int maestro_disk_add_ops(struct maestro *k, const struct maestro_disk_ops *ops, void *arg, uint64_t sectors, unsigned flags, char name[MAESTRO_DISK_NAME])
{
	struct host_disk_info info = {.sectors = sectors, .model = "memory"};
	struct ops_disk *d;
	int err;

	info.read_only = (flags & MAESTRO_DISK_READ_ONLY) || !ops->write;
	info.no_partscan = flags & MAESTRO_DISK_NO_PARTITIONS;
	d = malloc(sizeof(*d));
	if (!d)
		return -ENOMEM;
	*d = (struct ops_disk){ops, arg};
	err = disk_enter_add(k, ops->discard ? &with_discard : &without_discard, d, &info, name);
	if (err)
		free(d);
	return err;
}

int maestro_disk_remove(struct maestro *k, const char *name)
{
	int err = hosted_enter(&k->h);

	if (err)
		return err;
	err = hosted_disk_remove(name);
	hosted_leave();
	return err;
}
