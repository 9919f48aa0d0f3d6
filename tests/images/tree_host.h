/* SPDX-License-Identifier: MIT */
/* Trees of files, read or abused by system calls that go to the host's kernel or into libmaestro: the same calls, so that what they say can be compared. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct maestro;

struct world {
	struct maestro *k; /* NULL: the host */
};
long world_call(const struct world *w, long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e);
#define CALL(w, nr, a, b, c, d, e) \
	world_call((w), (nr), (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d), (unsigned long)(e))

/* How much of a tree that may be hostile is looked at; 0: no limit. */
struct limits {
	unsigned depth, entries;
	uint64_t file_bytes;
};
/*
 * Reads everything below path: attributes, extended attributes, contents, holes. out: one line each is written there, names in order; NULL: nothing is.
 * Returns how many objects there were.
 */
unsigned tree_read(const struct world *w, const char *path, const struct limits *limits, FILE *out);
/* Makes, changes and removes things below path. What fails, fails: only the process must live. */
void tree_abuse(const struct world *w, const char *path);
