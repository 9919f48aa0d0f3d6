/* SPDX-License-Identifier: MIT */
/*
 * Crash safety of ext2: short workloads run on a recorded disk; each moment of the record, and legal reorderings of what was not flushed by then, is a
 * state that a power cut could leave. For each: the kernel survives mounting it, e2fsck repairs it, what was promised is there, nothing else is damaged.
 *
 *   record.c   the disk: its image and the log of writes and flushes; building the state of a moment
 *   ops.c      the file operations, and what each touches
 *   tree.c     what there is in a mounted file system
 *   expect.c   what must be there, from which moment of the log to which
 *   main.c     the workloads, the states, the checks
 */
#pragma once

#include <maestro.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IMAGE_SIZE (320u << 10)
#define MAX_OPS 3

void crash_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn)); /* says which state it was */
/* Only what cannot fail for the kernel's own reasons. */
#define MUST(x)                                                          \
	do {                                                                 \
		long must_ = (long)(x);                                          \
		if (must_ < 0)                                                   \
			crash_fail("%s: %s", #x, strerror((int)-must_));             \
	} while (0)

/* ---------------------------------------------------------------- record.c */
struct entry { /* of the log: a write, or (len 0) a flush */
	uint32_t offset, len;
	uint8_t *data;
};
struct record {
	uint8_t image[IMAGE_SIZE];
	struct entry *log;
	unsigned n, room;
};
/* Adds r to the instance as a disk and mounts it on /mnt. Writes go to the image and the log. 0 or -errno. */
int record_mount(struct maestro *k, struct record *r);
void record_reset(struct record *r, const uint8_t *image); /* an empty log */
/*
 * What the disk holds when the power goes after c entries of the log: base, everything before the last flush among them, and of the writes after it those
 * whose bit in `keep` is set (the first is bit 0; from the 64th on all).
 */
void record_state(const struct record *r, const uint8_t *base, unsigned c, uint64_t keep, uint8_t *out);
unsigned record_unflushed(const struct record *r, unsigned c); /* how many writes those are */

/* ---------------------------------------------------------------- tree.c */
enum { MAX_OBJECTS = 80, MAX_PATH = 48 };
struct object {
	char path[MAX_PATH]; /* below /mnt */
	bool absent;
	uint32_t mode, uid;
	uint64_t ino; /* only to find other names of the same file */
	uint64_t size;
	uint64_t sum; /* of contents, or of the target */
	uint64_t xattr; /* of user.t; 0: none */
};
struct tree {
	struct object o[MAX_OBJECTS];
	unsigned n;
};
void tree_read(struct maestro *k, struct tree *t);
/* One object; absent if it is not there. Errors of reading count as content, so that they differ from anything right. */
void tree_object(struct maestro *k, const char *path, struct object *o);
const struct object *tree_find(const struct tree *t, const char *path); /* NULL */

/* ---------------------------------------------------------------- ops.c */
struct op {
	const char *name;
	long (*run)(struct maestro *k);
	const char *touches[4]; /* whose state is in the open from its beginning to the next promise; the first is what fsync is for */
};
extern const struct op ops[];
extern const unsigned nops;
void ops_prepare(struct maestro *k); /* makes what they work on */

/* ---------------------------------------------------------------- expect.c */
enum promise { NAMED, SOMEWHERE /* under any name, an old one or in lost+found */, DATA_SOMEWHERE /* its contents, not its attributes */ };
struct expectation {
	struct object o;
	enum promise what;
	unsigned from, to; /* in entries of the log: holds if from <= c <= to */
};
struct expectations {
	struct expectation e[600];
	unsigned n;
};
void expect_all(struct expectations *x, const struct tree *t, unsigned from);
void expect_object(struct expectations *x, const struct object *o, enum promise what, unsigned from);
void expect_end(struct expectations *x, const char *path, unsigned at); /* it is touched from now on, and all below it */
void expect_end_inode(struct expectations *x, uint64_t ino, unsigned at); /* and its other names */
/* What of it does not hold in t after c entries; NULL: all holds. */
const struct expectation *expect_check(const struct expectations *x, const struct tree *t, unsigned c);
