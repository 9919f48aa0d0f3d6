/* SPDX-License-Identifier: MIT */
/*
 * hal/mmu.h as a software page table: four levels of 512 words, like the machine's own, in pages of the arena. A leaf word is a frame with HAL_PTE_*
 * in its low 12 bits. There is no translation cache, so there is nothing to flush. Locking: the caller's mm.pt_lock.
 */
#include <hal/mmu.h>
#include <maestro/lib.h>
#include <maestro/page.h>

#define LEVELS 4
#define INDEX_BITS 9
#define ENTRIES 512u

static unsigned index_of(uaddr_t va, int level)
{
	return (va >> (PAGE_SHIFT + level * INDEX_BITS)) & (ENTRIES - 1);
}

static u64 *table_new(struct hal_mmu *mmu)
{
	struct page *p = pages_alloc(0, (enum gfp)(GFP_ATOMIC | GFP_ZERO));

	if (!p)
		return NULL;
	mmu->table_pages++;
	return page_address(p);
}

static void table_free(struct hal_mmu *mmu, u64 *table)
{
	mmu->table_pages--;
	pages_free(virt_to_page(table), 0);
}

/* The leaf word of va; NULL where no table is (or, with `make`, no memory). */
static u64 *leaf(struct hal_mmu *mmu, uaddr_t va, bool make)
{
	u64 *table = mmu->root;

	for (int level = LEVELS - 1; level > 0; level--) {
		u64 *entry = &table[index_of(va, level)];

		if (!*entry) {
			u64 *below = make ? table_new(mmu) : NULL;

			if (!below)
				return NULL;
			*entry = hal_virt_to_phys(below);
		}
		table = hal_phys_to_virt(*entry);
	}
	return &table[index_of(va, 0)];
}

static struct hal_pte unpack(u64 word)
{
	return (struct hal_pte){.frame = word & ~(u64)(PAGE_SIZE - 1), .flags = (u32)(word & (PAGE_SIZE - 1))};
}

kerr_t hal_mmu_init(struct hal_mmu *mmu)
{
	mmu->table_pages = 0;
	mmu->root = table_new(mmu);
	return mmu->root ? KERR(0) : KERR(ENOMEM);
}

static void free_level(struct hal_mmu *mmu, u64 *table, int level)
{
	for (unsigned i = 0; level > 0 && i < ENTRIES; i++)
		if (table[i])
			free_level(mmu, hal_phys_to_virt(table[i]), level - 1);
	table_free(mmu, table);
}

void hal_mmu_fini(struct hal_mmu *mmu)
{
	if (mmu->root)
		free_level(mmu, mmu->root, LEVELS - 1);
	mmu->root = NULL;
}

void hal_mmu_activate(struct hal_mmu *mmu)
{
	(void)mmu;
}

struct hal_pte hal_mmu_get(struct hal_mmu *mmu, uaddr_t va)
{
	u64 *word = leaf(mmu, va, false);

	return unpack(word ? *word : 0);
}

kerr_t hal_mmu_set(struct hal_mmu *mmu, uaddr_t va, paddr_t frame, u32 flags)
{
	u64 *word = leaf(mmu, va, true);

	if (!word)
		return KERR(ENOMEM);
	*word = frame | flags | HAL_PTE_PRESENT;
	return 0;
}

u32 hal_mmu_fill(struct hal_mmu *mmu, uaddr_t va, const pfn_t *frames, unsigned n, u32 flags)
{
	u32 mapped = 0;

	for (unsigned i = 0; i < n; i++, va += PAGE_SIZE) {
		u64 *word = frames[i] == HAL_FRAME_NONE ? NULL : leaf(mmu, va, true);

		if (!word || *word)
			continue;
		*word = frames[i] << PAGE_SHIFT | flags | HAL_PTE_PRESENT;
		mapped |= 1u << i;
	}
	return mapped;
}

/* Calls fn for each present leaf of the range, skipping what has no tables. */
static void for_each_leaf(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, void (*fn)(u64 *word, uaddr_t va, void *arg), void *arg)
{
	const uaddr_t span = PAGE_SIZE << INDEX_BITS;
	uaddr_t va = start;

	while (va < end) {
		uaddr_t stop = MIN(end, ALIGN_DOWN(va, span) + span);
		u64 *word = leaf(mmu, va, false);

		if (!word) {
			va = stop;
			continue;
		}
		for (; va < stop; va += PAGE_SIZE, word++)
			if (*word)
				fn(word, va, arg);
	}
}

struct walk {
	struct hal_mmu *dst;
	hal_mmu_fn *fn;
	hal_mmu_frames_fn *frames_fn;
	void *arg;
	u32 set, clear;
	kerr_t err;
	unsigned nframes;
	pfn_t frames[HAL_MMU_BATCH];
};

static void give_frames(struct walk *w)
{
	if (w->frames_fn && w->nframes)
		w->frames_fn(w->arg, w->frames, w->nframes);
	w->nframes = 0;
}

static void note_frame(struct walk *w, u64 word)
{
	if (word & HAL_PTE_SPECIAL)
		return;
	w->frames[w->nframes++] = word >> PAGE_SHIFT | ((word & HAL_PTE_ACCESSED) ? HAL_FRAME_USED : 0);
	if (w->nframes == HAL_MMU_BATCH)
		give_frames(w);
}

static void unmap_one(u64 *word, uaddr_t va, void *arg)
{
	u64 old = *word;

	(void)va;
	*word = 0;
	note_frame(arg, old);
}

void hal_mmu_unmap(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_frames_fn *fn, void *arg)
{
	struct walk w = {.frames_fn = fn, .arg = arg};

	for_each_leaf(mmu, start, end, unmap_one, &w);
	give_frames(&w);
}

static void change_one(u64 *word, uaddr_t va, void *arg)
{
	struct walk *w = arg;

	(void)va;
	*word = (*word & ~(u64)w->clear) | w->set;
}

void hal_mmu_change(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, u32 set, u32 clear)
{
	struct walk w = {.set = set, .clear = clear};

	for_each_leaf(mmu, start, end, change_one, &w);
}

static void walk_one(u64 *word, uaddr_t va, void *arg)
{
	struct walk *w = arg;

	w->fn(w->arg, va, unpack(*word));
}

void hal_mmu_walk(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_fn *fn, void *arg)
{
	struct walk w = {.fn = fn, .arg = arg};

	for_each_leaf(mmu, start, end, walk_one, &w);
}

static void copy_one(u64 *word, uaddr_t va, void *arg)
{
	struct walk *w = arg;
	u64 *to;

	if (w->err)
		return;
	to = leaf(w->dst, va, true);
	if (!to) {
		w->err = KERR(ENOMEM);
		return;
	}
	*word &= ~(u64)w->clear;
	*to = *word;
	note_frame(w, *word);
}

kerr_t hal_mmu_copy(struct hal_mmu *dst, struct hal_mmu *src, uaddr_t start, uaddr_t end, bool cow, hal_mmu_frames_fn *fn, void *arg)
{
	struct walk w = {.dst = dst, .frames_fn = fn, .arg = arg, .clear = cow ? HAL_PTE_WRITE : 0};

	for_each_leaf(src, start, end, copy_one, &w);
	give_frames(&w);
	return w.err;
}

void hal_mmu_flush(struct hal_mmu *mmu)
{
	(void)mmu;
}

size_t hal_mmu_table_pages(const struct hal_mmu *mmu)
{
	return mmu->table_pages;
}
