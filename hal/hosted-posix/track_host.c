/* SPDX-License-Identifier: MIT */
/*
 * Copies of pages on their first write (track.h).
 *
 * The one invariant: a page that is writable has been copied to, or is ignored by, every save of its range. So a fault, and a restore of one save before
 * it overwrites a page, first give the page to the saves that lack it.
 *
 * Locking: t->lock, a spinning lock, covers all of a track; it is taken in the fault handler, and nothing that can fault is done under it. A range is
 * found by address in a table of slots without a lock: only a thread inside the range's instance faults there, and it is not freed then.
 */
#include "track.h"

#include <stdlib.h>
#include <sys/mman.h>

void __asan_get_shadow_mapping(size_t *scale, size_t *offset) __attribute__((weak));

#define PAGE 4096ULL
#define SHADOW_PAGE (PAGE / 8)
#define MAX_RANGES 256
/* A save with more pages than this is now and then made read-only again, so that pages written once are not put back for ever. */
#define MANY_PAGES 64
#define RESTORES_BEFORE_RESET 64

struct track_save {
	struct track *of;
	struct track_save *next; /* [lock] */
	host_u8 *copy;		 /* the whole range, reserved */
	host_u8 *shadow;	 /* ASan's, likewise; NULL without */
	host_u64 *have;		 /* [lock] bit per page: copied or ignored */
	host_u32 *list;		 /* [lock] copied pages from its start, ignored ones from its end */
	host_u64 n, pinned;	 /* [lock] copied ones; the first `pinned` of them stay writable */
	host_u64 ignored;	 /* [lock] */
	host_u64 restores;
	void *map;
	host_u64 map_size;
};
struct track {
	host_u8 *base;
	host_u64 pages;
	_Bool protect;
	int slot;		/* in ranges; -1 */
	int lock;
	host_u64 *writable;	/* [lock; read without] bit per page */
	struct track_save *saves; /* [lock] */
};

static struct {
	host_u64 base, end; /* atomic; end 0: free */
	struct track *t;
} ranges[MAX_RANGES];
int track_ranges;

static void lock(struct track *t)
{
	while (__atomic_exchange_n(&t->lock, 1, __ATOMIC_ACQUIRE))
		__builtin_ia32_pause();
}
static void unlock(struct track *t)
{
	__atomic_store_n(&t->lock, 0, __ATOMIC_RELEASE);
}

static _Bool bit(const host_u64 *map, host_u64 i)
{
	return __atomic_load_n(&map[i / 64], __ATOMIC_ACQUIRE) >> (i % 64) & 1;
}
static void set_bit(host_u64 *map, host_u64 i)
{
	__atomic_fetch_or(&map[i / 64], 1ULL << (i % 64), __ATOMIC_RELEASE);
}
static void clear_bit(host_u64 *map, host_u64 i)
{
	__atomic_fetch_and(&map[i / 64], ~(1ULL << (i % 64)), __ATOMIC_RELEASE);
}

/* Copies by hand: the range may hold bytes that a sanitizer has poisoned. */
static void copy_words(void *dst, const void *src, host_u64 bytes)
{
	host_u64 words = bytes / 8;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
}

static host_u8 *shadow_of(const struct track *t, host_u64 page)
{
	size_t scale, offset;

	__asan_get_shadow_mapping(&scale, &offset);
	return (host_u8 *)(((host_u64)(t->base + page * PAGE) >> scale) + offset);
}

static void *reserve(host_u64 size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static host_u64 bitmap_bytes(host_u64 pages)
{
	return (pages + 63) / 64 * 8;
}

/* ---------------------------------------------------------------- ranges */
static int claim_slot(struct track *t)
{
	for (int i = 0; i < MAX_RANGES; i++) {
		host_u64 free = 0;

		if (!__atomic_compare_exchange_n(&ranges[i].base, &free, (host_u64)t->base, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
			continue;
		ranges[i].t = t;
		__atomic_store_n(&ranges[i].end, (host_u64)t->base + t->pages * PAGE, __ATOMIC_RELEASE);
		__atomic_add_fetch(&track_ranges, 1, __ATOMIC_SEQ_CST);
		return i;
	}
	return -1;
}

static struct track *find_range(const void *addr)
{
	host_u64 a = (host_u64)addr;

	for (int i = 0; i < MAX_RANGES; i++)
		if (a < __atomic_load_n(&ranges[i].end, __ATOMIC_ACQUIRE) && a >= __atomic_load_n(&ranges[i].base, __ATOMIC_RELAXED))
			return ranges[i].t;
	return NULL;
}

struct track *track_new(void *base, host_u64 size, _Bool protect)
{
	struct track *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	*t = (struct track){.base = base, .pages = size / PAGE, .protect = protect, .slot = -1};
	t->writable = reserve(bitmap_bytes(t->pages));
	if (t->writable && protect)
		t->slot = claim_slot(t);
	if (t->writable && (!protect || t->slot >= 0))
		return t;
	if (t->writable)
		munmap(t->writable, bitmap_bytes(t->pages));
	free(t);
	return NULL;
}

void track_free(struct track *t)
{
	if (t->slot >= 0) {
		__atomic_sub_fetch(&track_ranges, 1, __ATOMIC_SEQ_CST);
		__atomic_store_n(&ranges[t->slot].end, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&ranges[t->slot].base, 0, __ATOMIC_RELEASE);
		mprotect(t->base, t->pages * PAGE, PROT_READ | PROT_WRITE);
	}
	munmap(t->writable, bitmap_bytes(t->pages));
	free(t);
}

/* ---------------------------------------------------------------- pages */
static void give_page(struct track_save *s, host_u64 i)
{
	if (bit(s->have, i))
		return;
	copy_words(s->copy + i * PAGE, s->of->base + i * PAGE, PAGE);
	if (s->shadow)
		copy_words(s->shadow + i * SHADOW_PAGE, shadow_of(s->of, i), SHADOW_PAGE);
	s->list[s->n++] = (host_u32)i;
	set_bit(s->have, i);
}

/* Every save gets it, except one. lock held. */
static void give_to_all(struct track *t, host_u64 i, const struct track_save *except)
{
	for (struct track_save *s = t->saves; s; s = s->next)
		if (s != except)
			give_page(s, i);
}

static void make_writable(struct track *t, host_u64 i)
{
	if (t->protect)
		mprotect(t->base + i * PAGE, PAGE, PROT_READ | PROT_WRITE);
	set_bit(t->writable, i);
}

static void touch_page(struct track *t, host_u64 i)
{
	if (bit(t->writable, i))
		return;
	lock(t);
	if (!bit(t->writable, i)) {
		give_to_all(t, i, NULL);
		make_writable(t, i);
	}
	unlock(t);
}

void track_touch_in(struct track *t, host_u64 offset, host_u64 n)
{
	for (host_u64 i = offset / PAGE; n && i <= (offset + n - 1) / PAGE; i++)
		touch_page(t, i);
}

void track_touch_slow(const void *p, host_u64 n)
{
	struct track *t = find_range(p);

	if (t)
		track_touch_in(t, (host_u64)p - (host_u64)t->base, n);
}

_Bool track_fault(const void *addr)
{
	struct track *t = find_range(addr);

	if (!t)
		return 0;
	touch_page(t, (host_u64)((const host_u8 *)addr - t->base) / PAGE);
	return 1;
}

/* ---------------------------------------------------------------- saves */
struct track_save *track_save(struct track *t)
{
	host_u64 bits = bitmap_bytes(t->pages), bytes = t->pages * PAGE, list = t->pages * sizeof(host_u32);
	host_u64 shadow = __asan_get_shadow_mapping && t->protect ? t->pages * SHADOW_PAGE : 0;
	struct track_save *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->map_size = bytes + shadow + bits + list;
	s->map = reserve(s->map_size);
	if (!s->map) {
		free(s);
		return NULL;
	}
	s->of = t;
	s->copy = s->map;
	s->shadow = shadow ? s->copy + bytes : NULL;
	s->have = (host_u64 *)(s->copy + bytes + shadow);
	s->list = (host_u32 *)(s->copy + bytes + shadow + bits);
	lock(t);
	s->next = t->saves;
	t->saves = s;
	madvise(t->writable, bits, MADV_DONTNEED); /* all bits to 0 */
	if (t->protect)
		mprotect(t->base, bytes, PROT_READ);
	unlock(t);
	return s;
}

void track_forget(struct track_save *s)
{
	struct track *t = s->of;

	lock(t);
	for (struct track_save **p = &t->saves; *p; p = &(*p)->next)
		if (*p == s) {
			*p = s->next;
			break;
		}
	unlock(t);
	munmap(s->map, s->map_size);
	free(s);
}

void track_pin(struct track_save *s, const void *p, host_u64 n)
{
	track_touch_in(s->of, (host_u64)((const host_u8 *)p - s->of->base), n);
	s->pinned = s->n;
}

void track_ignore(struct track_save *s, const void *p, host_u64 n)
{
	struct track *t = s->of;
	host_u64 start = (host_u64)((const host_u8 *)p - t->base), end = (start + n) / PAGE;

	lock(t);
	for (host_u64 i = (start + PAGE - 1) / PAGE; i < end; i++) {
		if (bit(s->have, i))
			continue;
		give_to_all(t, i, s);
		set_bit(s->have, i);
		make_writable(t, i);
		s->list[t->pages - ++s->ignored] = (host_u32)i;
	}
	unlock(t);
}

/* Everything is as s has it: pages but the pinned ones need no copy until they are written again. */
static void start_over(struct track *t, struct track_save *s)
{
	for (host_u64 k = s->pinned; k < s->n; k++) {
		clear_bit(s->have, s->list[k]);
		clear_bit(t->writable, s->list[k]);
		if (t->protect)
			mprotect(t->base + s->list[k] * PAGE, PAGE, PROT_READ);
	}
	s->n = s->pinned;
	s->restores = 0;
}

/* Writable before s is put back: a page may have been closed by a save, or a fresh start of one, since. */
static void open_page(struct track_save *s, host_u64 i)
{
	if (bit(s->of->writable, i))
		return;
	give_to_all(s->of, i, s);
	make_writable(s->of, i);
}

void track_restore(struct track_save *s)
{
	struct track *t = s->of;

	lock(t);
	for (host_u64 k = 0; k < s->ignored; k++)
		open_page(s, s->list[t->pages - 1 - k]);
	for (host_u64 k = 0; k < s->n; k++) {
		host_u64 i = s->list[k];

		open_page(s, i);
		copy_words(t->base + i * PAGE, s->copy + i * PAGE, PAGE);
		if (s->shadow)
			copy_words(shadow_of(t, i), s->shadow + i * SHADOW_PAGE, SHADOW_PAGE);
	}
	if (s->n > MANY_PAGES && ++s->restores >= RESTORES_BEFORE_RESET)
		start_over(t, s);
	unlock(t);
}
