/* SPDX-License-Identifier: MIT */
/*
 * Between a disk of the instance (disk_kern.c) and what carries it (host_disk_ops): the layer that keeps writes in memory while a snapshot
 * exists, and makes transfers fail on purpose.
 *
 * A backing belongs to its instance from backing_new() on. It is released when its disk is removed or the instance goes, but not before the last snapshot
 * that knows the disk. What is written while a snapshot knows it stays in an overlay; when the last such snapshot is forgotten, the overlay is written out.
 */
#pragma once

#include "disk.h"

struct backing;
struct track_save;

extern const struct host_disk_ops backing_ops, backing_ops_discard;
/* The ops to register a disk with, and the argument for them. NULL: no memory (then arg is still the caller's). */
struct backing *backing_new(struct hosted *h, const struct host_disk_ops *ops, void *arg, const struct host_disk_info *info);
const struct host_disk_ops *backing_disk_ops(const struct backing *b);
/* The disk could not be registered: arg is the caller's again. */
void backing_abandon(struct backing *b);

/* --- for snapshots; nobody is inside --- */
struct backing *backing_first(struct hosted *h); /* of those whose disks are there */
struct backing *backing_next(struct backing *b);
/* A new snapshot knows it: its content from now on can be restored. NULL: no memory. */
struct track_save *backing_save(struct backing *b);
void backing_restore(struct backing *b, struct track_save *s);
/* All disks were put back to a snapshot: those that it does not know go. known: the ones it does. */
void backing_keep_only(struct hosted *h, struct backing *const *known, unsigned n);
/* One snapshot less. Writes the overlay out if it was the last: 0 or -errno. */
int backing_forget(struct backing *b, struct track_save *s);
/* What is in overlays is not to be written out any more. */
void backing_discard_overlays(struct hosted *h);
/* The instance goes: overlays are dropped, everything is released. */
void backing_release_all(struct hosted *h);
