/* SPDX-License-Identifier: MIT */
/* What the measures share: bench.c runs them, rows_*.c hold them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { FILE_SIZE = 8 << 20, CHUNK = 65536, FILES = 1000 };

/* Where the second disk is mounted: a root with programs. Rows of it run inside. */
#define WORLD "/world"

struct row {
	const char *name;
	void (*run)(long n);	 /* n operations */
	long fixed;		 /* operations in the mode of fixed counts */
	long multiple;		 /* counts are multiples of this; 0: any */
	void (*prepare)(void);	 /* once before, not measured; may be NULL */
	unsigned repeats;	 /* measured runs; 0: the usual number */
};
extern const struct row rows_calls[], rows_process[], rows_talk[], rows_memory[], rows_world[]; /* a row without name ends each */

extern int zero_fd, null_fd, data_fd;
extern char buffer[CHUNK];
extern void (*vsyscall_entry)(void);

int64_t now(void); /* ns */
void die(const char *what) __attribute__((noreturn));
void reap(int pid); /* waits for a child that must succeed */
