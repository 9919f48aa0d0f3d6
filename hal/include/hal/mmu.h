/* SPDX-License-Identifier: MIT */
/*
 * HAL contract: user address spaces. Kernel addresses are the same in all of them and are the backend's business.
 * The caller serialises changes of one space (mm->pt_lock, a spinlock): none of these sleeps. Ranges are page-aligned.
 */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>

enum {
	HAL_PTE_PRESENT = 1 << 0,
	HAL_PTE_WRITE = 1 << 1,
	HAL_PTE_EXEC = 1 << 2,
	HAL_PTE_ACCESSED = 1 << 3,
	HAL_PTE_DIRTY = 1 << 4,
	HAL_PTE_SPECIAL = 1 << 5, /* software bit: the frame has no counted struct page (device memory, zero page) */
	HAL_PTE_UNCACHED = 1 << 6,
};
struct hal_pte {
	paddr_t frame;
	u32 flags; /* HAL_PTE_*; 0: nothing is mapped */
};

/* An empty space. KERR(ENOMEM). May sleep. */
kerr_t hal_mmu_init(struct hal_mmu *mmu) __must_check;
/* Frees all tables. Nothing is mapped any more, and it is active nowhere. */
void hal_mmu_fini(struct hal_mmu *mmu);
/* This CPU now translates through mmu (NULL: kernel only). Interrupts off. Cheap if it is already so. */
void hal_mmu_activate(struct hal_mmu *mmu);
struct hal_pte hal_mmu_get(struct hal_mmu *mmu, uaddr_t va);
/*
 * Maps va, in place of what was there; flushes the old translation if there was one (on all CPUs). KERR(ENOMEM) when a table cannot be
 * allocated (GFP_ATOMIC): nothing changed.
 */
kerr_t hal_mmu_set(struct hal_mmu *mmu, uaddr_t va, paddr_t frame, u32 flags) __must_check;
/*
 * Maps up to 32 pages from va on, frames[i] at page i, all with these flags: those that are not HAL_FRAME_NONE, where nothing is mapped. Returns a
 * bit for each that was; fewer are when a table cannot be allocated (GFP_ATOMIC). Nothing needs to be flushed.
 */
#define HAL_FRAME_NONE (~(pfn_t)0)
u32 hal_mmu_fill(struct hal_mmu *mmu, uaddr_t va, const pfn_t *frames, unsigned n, u32 flags) __must_check;
/*
 * What a run of entries held, at most HAL_MMU_BATCH at a time: the frames' numbers, with HAL_FRAME_USED where the entry had been accessed. SPECIAL
 * entries are left out. Must not sleep.
 */
#define HAL_MMU_BATCH 64u
#define HAL_FRAME_USED ((pfn_t)1 << (sizeof(pfn_t) * 8 - 1))
typedef void hal_mmu_frames_fn(void *arg, const pfn_t *frames, unsigned n);
/*
 * Unmaps [start, end): fn gets the frames after their entries are cleared. Translations are flushed, on all CPUs, before it returns. Frees tables
 * that became empty. fn may be NULL.
 */
void hal_mmu_unmap(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_frames_fn *fn, void *arg);
/* flags = (flags & ~clear) | set, for each present page of the range; flushes where a right was taken or a bit cleared. */
void hal_mmu_change(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, u32 set, u32 clear);
/* Calls fn for each present page of the range; fn must not change mmu, nor sleep. */
typedef void hal_mmu_fn(void *arg, uaddr_t va, struct hal_pte pte);
void hal_mmu_walk(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_fn *fn, void *arg);
/*
 * fork: maps in dst, where nothing is mapped there yet, every present page of src's range, same frame and flags; with `cow`, WRITE is first
 * cleared in both. fn gets the frames (to count references). KERR(ENOMEM) leaves dst partly filled (the caller unmaps it). Both spaces' locks are
 * held. Does not flush src: the caller calls hal_mmu_flush() once after.
 */
kerr_t hal_mmu_copy(struct hal_mmu *dst, struct hal_mmu *src, uaddr_t start, uaddr_t end, bool cow, hal_mmu_frames_fn *fn, void *arg) __must_check;
/* Drops all cached translations of mmu, on every CPU that may have some. */
void hal_mmu_flush(struct hal_mmu *mmu);
/* Pages of tables this space uses (for RSS-like accounting, VmPTE). */
size_t hal_mmu_table_pages(const struct hal_mmu *mmu);
