/* SPDX-License-Identifier: MIT */
/*
 * Disks' overlays (backing.h), and what is to go wrong with transfers (struct hosted_faults). An overlay is a reserved range as large as the disk, and after it a bit per sector that says where the sector is: in the
 * range or below. Both are one tracked range, so that a snapshot of them is a track_save like that of the arena.
 *
 * Locking: transfers come one at a time per disk; the list of backings is under the instance's host lock; snapshots are taken and restored while
 * nobody is inside.
 */
#include "backing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "track.h"

#define SECTOR 512ULL
#define PAGE 4096ULL

struct backing {
	struct hosted *h;
	struct backing *next;
	const struct host_disk_ops *ops;
	void *arg;
	host_u64 sectors;
	unsigned saves; /* snapshots that know it */
	_Bool gone;	/* its disk was removed */
	_Bool discarded; /* the overlay is not to be written out */
	/* the overlay; data NULL: none */
	host_u8 *data;
	host_u64 *present; /* bit per sector */
	host_u64 size;	   /* of both */
	struct track *track;
};

/* ---------------------------------------------------------------- the overlay */
static host_u64 round_up(host_u64 n, host_u64 to)
{
	return (n + to - 1) / to * to;
}

static int overlay_make(struct backing *b)
{
	host_u64 bytes = round_up(b->sectors * SECTOR, PAGE);

	b->size = bytes + round_up(b->sectors / 8 + 8, PAGE);
	b->data = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (b->data == MAP_FAILED) {
		b->data = NULL;
		return -ENOMEM;
	}
	b->present = (host_u64 *)(b->data + bytes);
	b->track = track_new(b->data, b->size, 0);
	if (b->track)
		return 0;
	munmap(b->data, b->size);
	b->data = NULL;
	return -ENOMEM;
}

static void overlay_drop(struct backing *b)
{
	if (!b->data)
		return;
	track_free(b->track);
	munmap(b->data, b->size);
	b->data = NULL;
}

static _Bool in_overlay(const struct backing *b, host_u64 sector)
{
	return b->present[sector / 64] >> (sector % 64) & 1;
}

/* How many sectors from `sector` on, below `end`, are in the same place as it. */
static host_u64 run_length(const struct backing *b, host_u64 sector, host_u64 end)
{
	_Bool in = in_overlay(b, sector);
	host_u64 s = sector + 1;

	while (s < end) {
		host_u64 word = b->present[s / 64];

		if (s % 64 == 0 && s + 64 <= end && word == (in ? ~0ULL : 0))
			s += 64;
		else if ((word >> (s % 64) & 1) == in)
			s++;
		else
			break;
	}
	return s - sector;
}

static void mark_present(struct backing *b, host_u64 sector, host_u64 n)
{
	host_u64 first = (host_u64)((host_u8 *)&b->present[sector / 64] - b->data);

	track_touch_in(b->track, first, ((sector + n - 1) / 64 - sector / 64 + 1) * 8);
	for (host_u64 s = sector; s < sector + n; s++)
		b->present[s / 64] |= 1ULL << (s % 64);
}

static void overlay_write(struct backing *b, const struct host_iov *iov, unsigned n, host_u64 offset, host_u64 bytes)
{
	track_touch_in(b->track, offset, bytes);
	mark_present(b, offset / SECTOR, bytes / SECTOR);
	for (unsigned i = 0; i < n; i++) {
		memcpy(b->data + offset, iov[i].base, iov[i].len);
		offset += iov[i].len;
	}
}

/* One piece of memory, from above or below. */
static int overlay_read_piece(struct backing *b, host_u8 *to, host_u64 offset, host_u64 len)
{
	while (len) {
		host_u64 sector = offset / SECTOR, n = run_length(b, sector, sector + len / SECTOR) * SECTOR;

		if (in_overlay(b, sector)) {
			memcpy(to, b->data + offset, n);
		} else {
			const struct host_iov iov = {to, n};
			int err = b->ops->transfer(b->arg, 0, &iov, 1, offset, n);

			if (err)
				return err;
		}
		to += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int overlay_read(struct backing *b, const struct host_iov *iov, unsigned n, host_u64 offset)
{
	for (unsigned i = 0; i < n; i++) {
		int err = overlay_read_piece(b, iov[i].base, offset, iov[i].len);

		if (err)
			return err;
		offset += iov[i].len;
	}
	return 0;
}

/* To where it would have gone without snapshots. */
static int overlay_write_out(struct backing *b)
{
	_Bool any = 0;
	host_u64 n;

	for (host_u64 s = 0; s < b->sectors && !b->discarded; s += n) {
		struct host_iov iov;
		int err;

		n = run_length(b, s, b->sectors);
		if (!in_overlay(b, s))
			continue;
		if (n > 2048)
			n = 2048;
		iov = (struct host_iov){b->data + s * SECTOR, n * SECTOR};
		err = b->ops->transfer(b->arg, 1, &iov, 1, s * SECTOR, n * SECTOR);
		if (err)
			return err;
		any = 1;
	}
	return any && b->ops->flush ? b->ops->flush(b->arg) : 0;
}

/* ---------------------------------------------------------------- faults */
static _Bool chance(struct hosted_faults *f, host_u32 per_million)
{
	f->random = f->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return ((f->random >> 32) * 1000000ULL) >> 32 < per_million;
}

/* 0, or the error that this one is to have. */
static int count_io(struct hosted_faults *f, int kind)
{
	host_u64 seen = ++f->seen[kind];

	if (seen == f->nth[kind] || (f->per_million[kind] && chance(f, f->per_million[kind])))
		return f->error;
	return 0;
}

/* How much of a write of `bytes` still arrives. */
static host_u64 arrives(struct hosted_faults *f, host_u64 bytes)
{
	if (f->power_off)
		return 0;
	if (f->seen[HOST_IO_WRITE] != f->cut_write)
		return bytes;
	f->power_off = 1;
	return f->cut_bytes < bytes ? f->cut_bytes : bytes;
}

/* ---------------------------------------------------------------- as a disk's operations */
static int write_some(struct backing *b, const struct host_iov *iov, unsigned n, host_u64 offset, host_u64 bytes)
{
	struct host_iov first[HOSTED_MAX_SEGS];
	host_u64 left = bytes;
	unsigned used = 0;

	for (; used < n && left; used++) {
		first[used] = iov[used];
		if (first[used].len > left)
			first[used].len = left;
		left -= first[used].len;
	}
	if (!used)
		return 0;
	if (!b->data)
		return b->ops->transfer(b->arg, 1, first, used, offset, bytes);
	overlay_write(b, first, used, offset, bytes);
	return 0;
}

static int backing_transfer(void *arg, _Bool write, const struct host_iov *iov, unsigned n, host_u64 offset, host_u64 bytes)
{
	struct backing *b = arg;
	int err = count_io(&b->h->faults, write ? HOST_IO_WRITE : HOST_IO_READ);

	if (err)
		return err;
	if (write)
		return write_some(b, iov, n, offset, arrives(&b->h->faults, bytes));
	for (unsigned i = 0; i < n; i++)
		track_touch(iov[i].base, iov[i].len); /* the host's kernel may be who writes there */
	return b->data ? overlay_read(b, iov, n, offset) : b->ops->transfer(b->arg, 0, iov, n, offset, bytes);
}

static int backing_flush(void *arg)
{
	struct backing *b = arg;
	int err = count_io(&b->h->faults, HOST_IO_FLUSH);

	if (err || b->h->faults.power_off || b->data || !b->ops->flush)
		return err;
	return b->ops->flush(b->arg);
}

/* Discarded sectors may read as anything: the overlay keeps them as they were. */
static int backing_discard(void *arg, host_u64 offset, host_u64 bytes)
{
	const struct backing *b = arg;

	return b->data || b->h->faults.power_off ? 0 : b->ops->discard(b->arg, offset, bytes);
}

static _Bool faults_planned(const struct hosted_faults *f)
{
	return f->nth[HOST_IO_READ] || f->per_million[HOST_IO_READ] || f->power_off;
}

static const void *backing_window(void *arg, host_u64 offset, host_u64 bytes)
{
	const struct backing *b = arg;

	return b->data || !b->ops->window || faults_planned(&b->h->faults) ? NULL : b->ops->window(b->arg, offset, bytes);
}

static void unlink_backing(struct backing *b)
{
	for (struct backing **p = &b->h->backings; *p; p = &(*p)->next)
		if (*p == b) {
			*p = b->next;
			break;
		}
}

static void backing_destroy(struct backing *b)
{
	unlink_backing(b);
	overlay_drop(b);
	if (b->ops->release)
		b->ops->release(b->arg);
	free(b);
}

static void remove_locked(struct backing *b)
{
	if (b->saves)
		b->gone = 1;
	else
		backing_destroy(b);
}

/* Its disk was removed. */
static void backing_release(void *arg)
{
	struct backing *b = arg;
	struct hosted *h = b->h;

	host_lock(h);
	remove_locked(b);
	host_unlock(h);
}

const struct host_disk_ops backing_ops = {backing_transfer, backing_flush, NULL, backing_release, backing_window};
const struct host_disk_ops backing_ops_discard = {backing_transfer, backing_flush, backing_discard, backing_release, backing_window};

const struct host_disk_ops *backing_disk_ops(const struct backing *b)
{
	return b->ops->discard ? &backing_ops_discard : &backing_ops;
}

struct backing *backing_new(struct hosted *h, const struct host_disk_ops *ops, void *arg, const struct host_disk_info *info)
{
	struct backing *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	*b = (struct backing){.h = h, .ops = ops, .arg = arg, .sectors = info->sectors};
	host_lock(h);
	b->next = h->backings;
	h->backings = b;
	host_unlock(h);
	return b;
}

void backing_abandon(struct backing *b)
{
	host_lock(b->h);
	unlink_backing(b);
	host_unlock(b->h);
	free(b);
}

/* ---------------------------------------------------------------- snapshots */
static struct backing *skip_gone(struct backing *b)
{
	while (b && b->gone)
		b = b->next;
	return b;
}

struct backing *backing_first(struct hosted *h)
{
	return skip_gone(h->backings);
}

struct backing *backing_next(struct backing *b)
{
	return skip_gone(b->next);
}

struct track_save *backing_save(struct backing *b)
{
	_Bool had = b->data != NULL;
	struct track_save *s;

	if (!had && overlay_make(b))
		return NULL;
	s = track_save(b->track);
	if (s)
		b->saves++;
	else if (!had)
		overlay_drop(b);
	return s;
}

void backing_restore(struct backing *b, struct track_save *s)
{
	track_restore(s);
	b->gone = 0;
}

static _Bool is_known(const struct backing *b, struct backing *const *known, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (known[i] == b)
			return 1;
	return 0;
}

void backing_keep_only(struct hosted *h, struct backing *const *known, unsigned n)
{
	struct backing *next;

	for (struct backing *b = h->backings; b; b = next) {
		next = b->next;
		if (!is_known(b, known, n))
			remove_locked(b);
	}
}

int backing_forget(struct backing *b, struct track_save *s)
{
	int err;

	track_forget(s);
	if (--b->saves)
		return 0;
	err = overlay_write_out(b);
	overlay_drop(b);
	if (b->gone)
		backing_destroy(b);
	return err;
}

void backing_discard_overlays(struct hosted *h)
{
	for (struct backing *b = h->backings; b; b = b->next)
		b->discarded = 1;
}

void backing_release_all(struct hosted *h)
{
	while (h->backings)
		backing_destroy(h->backings);
}
