/* SPDX-License-Identifier: MIT */
/*
 * Snapshots of an instance: what is inside the arena through track.h, disks' contents through backing.h, and here the few things of an instance that
 * live outside: vCPUs, clock, random numbers, which thread has which task, the list of fibers.
 *
 * A fiber's stack needs care. It is in the arena, and a fault on it could not be handled, for the handler's frame goes there too; so stacks stay
 * writable. What lies below a suspended fiber's stack pointer means nothing, and is not copied.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backing.h"
#include "track.h"

#ifdef HOSTED_VALGRIND
#include <valgrind/valgrind.h>
#endif

void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size) __attribute__((weak));
void *__tsan_get_current_fiber(void) __attribute__((weak));

#define STACK_HEAD 4096 /* below a stack's bottom lies its record, in the same page */

struct thread_save {
	struct host_thread *thread;
	void *task, *own_task;
};
struct hosted_snapshot {
	struct hosted *h;
	struct hosted_snapshot *next;
	struct track_save *arena;
	struct track_save **disk_saves;
	struct backing **disks;
	struct thread_save *threads;
	unsigned ndisks, nthreads;
	/* of struct hosted */
	struct hosted_vcpu vcpu[HOSTED_MAX_VCPUS];
	struct host_stack *fibers;
	host_s64 virtual_now, uptime;
	host_u64 seed, preempt_random;
	struct hosted_faults faults;
};

/* Nobody is inside, or waits inside for something. The lock is held. After a panic who was inside has left. */
static _Bool quiet(const struct hosted *h)
{
	if (h->dead)
		return 1;
	for (unsigned i = 0; i < h->nvcpus; i++)
		if (__atomic_load_n(&h->vcpu[i].held, __ATOMIC_SEQ_CST))
			return 0;
	return !__atomic_load_n(&h->nparked, __ATOMIC_SEQ_CST) && !__atomic_load_n(&h->enter_waiters, __ATOMIC_SEQ_CST);
}

static void save_stacks(struct hosted_snapshot *s)
{
	for (const struct host_stack *f = s->h->fibers; f; f = f->next_fiber) {
		const char *start = (const char *)(((host_u64)f->bottom) & ~(host_u64)(STACK_HEAD - 1)), *sp = f->sp;

		track_pin(s->arena, start, STACK_HEAD);
		track_pin(s->arena, sp, (host_u64)((const char *)f->bottom + f->size - sp));
		track_ignore(s->arena, start + STACK_HEAD, (host_u64)(sp - start - STACK_HEAD));
	}
}

static int save_threads(struct hosted_snapshot *s)
{
	unsigned n = 0;

	for (const struct host_thread *t = s->h->threads; t; t = t->next)
		n++;
	s->threads = calloc(n + 1, sizeof(*s->threads));
	if (!s->threads)
		return -ENOMEM;
	for (struct host_thread *t = s->h->threads; t && s->nthreads < n; t = t->next)
		s->threads[s->nthreads++] = (struct thread_save){t, t->task, t->own_task};
	return 0;
}

static int save_disks(struct hosted_snapshot *s)
{
	unsigned n = 0;

	for (struct backing *b = backing_first(s->h); b; b = backing_next(b))
		n++;
	s->disks = calloc(n + 1, sizeof(struct backing *));
	s->disk_saves = calloc(n + 1, sizeof(struct track_save *));
	if (!s->disks || !s->disk_saves)
		return -ENOMEM;
	for (struct backing *b = backing_first(s->h); b; b = backing_next(b)) {
		s->disk_saves[s->ndisks] = backing_save(b);
		if (!s->disk_saves[s->ndisks])
			return -ENOMEM;
		s->disks[s->ndisks++] = b;
	}
	return 0;
}

static int save_arena(struct hosted_snapshot *s)
{
	struct hosted *h = s->h;

	if (!h->track)
		h->track = track_new(h->arena, h->arena_size, 1);
	if (!h->track)
		return -ENOMEM;
	s->arena = track_save(h->track);
	return s->arena ? 0 : -ENOMEM;
}

static void save_rest(struct hosted_snapshot *s)
{
	struct hosted *h = s->h;

	memcpy(s->vcpu, h->vcpu, sizeof(s->vcpu));
	s->fibers = h->fibers;
	s->virtual_now = h->virtual_now;
	s->uptime = host_clock_ns() - h->start_ns;
	s->seed = h->seed;
	s->preempt_random = h->preempt_random;
	s->faults = h->faults;
}

/* Gives back what s has; 0 or the first error of writing disks out. */
static int drop(struct hosted_snapshot *s)
{
	int first = 0;

	for (unsigned i = 0; i < s->ndisks; i++) {
		int err = backing_forget(s->disks[i], s->disk_saves[i]);

		first = first ? first : err;
	}
	if (s->arena)
		track_forget(s->arena);
	if (!s->h->snapshots && s->h->track) {
		track_free(s->h->track);
		s->h->track = NULL;
	}
	free(s->disks);
	free(s->disk_saves);
	free(s->threads);
	free(s);
	return first;
}

/* Tools that keep more about memory and stacks than could be put back. */
static _Bool watched(void)
{
#ifdef HOSTED_VALGRIND
	if (RUNNING_ON_VALGRIND)
		return 1;
#endif
	return __tsan_get_current_fiber != NULL;
}

int hosted_snapshot(struct hosted *h, struct hosted_snapshot **out)
{
	struct hosted_snapshot *s;
	int err;

	if (watched())
		return -EOPNOTSUPP;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->h = h;
	host_lock(h);
	err = h->dead ? -EIO : quiet(h) ? 0 : -EBUSY;
	if (!err)
		err = save_threads(s);
	if (!err)
		err = save_disks(s);
	if (!err)
		err = save_arena(s);
	if (err) {
		(void)drop(s); /* nothing was written since */
		host_unlock(h);
		return err;
	}
	save_stacks(s);
	save_rest(s);
	s->next = h->snapshots;
	h->snapshots = s;
	host_unlock(h);
	*out = s;
	return 0;
}

static _Bool is_of(const struct hosted *h, const struct hosted_snapshot *s)
{
	for (const struct hosted_snapshot *i = h->snapshots; i; i = i->next)
		if (i == s)
			return 1;
	return 0;
}

/* Threads that came since have no task; they get one when they enter. */
static void restore_threads(const struct hosted_snapshot *s)
{
	for (struct host_thread *t = s->h->threads; t; t = t->next) {
		t->task = t->own_task = NULL;
		t->granted_vcpu = -1;
		t->granted_task = NULL;
		t->parked = 0;
	}
	for (unsigned i = 0; i < s->nthreads; i++) {
		s->threads[i].thread->task = s->threads[i].task;
		s->threads[i].thread->own_task = s->threads[i].own_task;
	}
}

static void restore_rest(const struct hosted_snapshot *s)
{
	struct hosted *h = s->h;

	memcpy(h->vcpu, s->vcpu, sizeof(s->vcpu));
	h->fibers = s->fibers;
	h->virtual_now = s->virtual_now;
	h->start_ns = host_clock_ns() - s->uptime;
	h->seed = s->seed;
	h->preempt_random = s->preempt_random;
	h->faults = s->faults;
	h->parked = h->parked_tail = NULL;
	h->nparked = h->enter_waiters = 0;
	h->dead = 0;
}

/* What is not copied of a stack may have served something else meanwhile. */
static void unpoison_stacks(const struct hosted *h)
{
	for (const struct host_stack *f = h->fibers; f; f = f->next_fiber)
		host_unpoison(f->bottom, (host_u64)((const char *)f->sp - (const char *)f->bottom));
}

/* A panic on a fiber's stack was left by longjmp: tell ASan that we are on our own. */
static void tell_stack_left(struct hosted *h)
{
	const struct host_thread *t = host_thread_get(h);

	if (!__sanitizer_start_switch_fiber || !t || !t->carrier.bottom)
		return;
	__sanitizer_start_switch_fiber(NULL, t->carrier.bottom, t->carrier.size);
	__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

int hosted_restore(struct hosted *h, struct hosted_snapshot *s)
{
	_Bool panicked = h->dead;

	if (panicked)
		tell_stack_left(h);
	host_lock(h);
	if (!is_of(h, s) || !quiet(h)) {
		int err = is_of(h, s) ? -EBUSY : -EINVAL;

		host_unlock(h);
		return err;
	}
	track_restore(s->arena);
	for (unsigned i = 0; i < s->ndisks; i++)
		backing_restore(s->disks[i], s->disk_saves[i]);
	backing_keep_only(h, s->disks, s->ndisks);
	restore_threads(s);
	restore_rest(s);
	unpoison_stacks(h);
	host_unlock(h);
	return 0;
}

int hosted_snapshot_forget(struct hosted *h, struct hosted_snapshot *s)
{
	int err;

	host_lock(h);
	if (!is_of(h, s) || !quiet(h)) {
		err = is_of(h, s) ? -EBUSY : -EINVAL;
		host_unlock(h);
		return err;
	}
	for (struct hosted_snapshot **p = &h->snapshots; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	err = drop(s);
	host_unlock(h);
	return err;
}

void hosted_snapshots_release(struct hosted *h)
{
	backing_discard_overlays(h);
	while (h->snapshots) {
		struct hosted_snapshot *s = h->snapshots;

		h->snapshots = s->next;
		(void)drop(s);
	}
}
