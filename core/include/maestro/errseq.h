/* SPDX-License-Identifier: MIT */
/*
 * An error of write-back, for who asks later: each asker is told once of the last one, and one that nobody was told of is kept for who comes after it
 * (fsync(2), syncfs(2); Linux, core-api/errseq). One word: the error's number, whether somebody was told, how many there were.
 */
#pragma once

#include <maestro/atomic.h>
#include <maestro/errno.h>
#include <maestro/types.h>

#define ERRSEQ_NUMBER 0xfffu
#define ERRSEQ_TOLD 0x1000u
#define ERRSEQ_ONE 0x2000u

struct errseq {
	struct atomic v; /* [a]; 0: none yet */
};

static inline u32 errseq_read(const struct errseq *e)
{
	return (u32)atomic_read(&e->v);
}

/* An error happened: err is negative. Any context. */
static inline void errseq_set(struct errseq *e, int err)
{
	int old = atomic_read(&e->v);
	u32 next;

	do
		next = (((u32)old & ~(ERRSEQ_NUMBER | ERRSEQ_TOLD)) + ((u32)old & ERRSEQ_TOLD ? ERRSEQ_ONE : 0)) | (u32)-err;
	while (!atomic_cmpxchg(&e->v, &old, (int)next));
}

/* What an asker keeps from the start on, for errseq_check(). */
static inline u32 errseq_sample(const struct errseq *e)
{
	u32 now = errseq_read(e);

	return now & ERRSEQ_TOLD ? now : 0;
}

/* KERR of the last error, if it is not the one of *since; it is from now on. */
static inline kerr_t errseq_check(struct errseq *e, u32 *since)
{
	u32 now = errseq_read(e);
	int old = (int)now;

	if (likely(now == load_relaxed(since)))
		return KERR(0);
	if (!(now & ERRSEQ_TOLD) && !atomic_cmpxchg(&e->v, &old, (int)(now | ERRSEQ_TOLD)))
		now = (u32)old; /* one more came, or another was told */
	store_relaxed(since, now | ERRSEQ_TOLD);
	return KERR((int)(now & ERRSEQ_NUMBER));
}
