/* SPDX-License-Identifier: MIT */
/*
 * What snapshots stand on: ranges of memory whose pages can be put back as they were. A page is copied when it is first written after a snapshot, so
 * taking one costs nothing but making the range read-only, and restoring costs a copy of each page written since. Pages found to be written stay
 * writable over restores and are always put back: a program that restores again and again soon takes no fault at all.
 *
 * Writes are found by the SIGSEGV handler (track_fault), or told by who writes (track_touch): the host's kernel, which answers -EFAULT and sends no signal.
 */
#pragma once

#include "host.h"

struct track;
struct track_save;

/* Of a range of whole pages. protect: writes are found; else each is told by track_touch(). NULL: no memory, or too many ranges. */
struct track *track_new(void *base, host_u64 size, _Bool protect);
void track_free(struct track *t); /* no saves any more; the range is writable again */
/* The range as it is now; nobody writes during the call. NULL: no memory. */
struct track_save *track_save(struct track *t);
/* Puts it back. Nobody reads or writes during the call. */
void track_restore(struct track_save *s);
/* The range stays as it is. */
void track_forget(struct track_save *s);
/* Their content does not matter to s: not copied, and writable. Whole pages inside [p, p + n). */
void track_ignore(struct track_save *s, const void *p, host_u64 n);
/* They stay writable as long as s is there: a fault on them could not be handled (stacks). */
void track_pin(struct track_save *s, const void *p, host_u64 n);
/* Before the pages that hold [p, p + n) are written. Cheap if the range is not tracked, or they were written before. */
void track_touch_slow(const void *p, host_u64 n);
extern int track_ranges; /* atomic: how many protected ranges there are */
static inline void track_touch(const void *p, host_u64 n)
{
	if (__builtin_expect(__atomic_load_n(&track_ranges, __ATOMIC_RELAXED) != 0, 0))
		track_touch_slow(p, n);
}
/* The same where the range is known and not found by address. */
void track_touch_in(struct track *t, host_u64 offset, host_u64 n);
/* In a SIGSEGV handler: was it a write to a tracked page? Then it can be written now. */
_Bool track_fault(const void *addr);
