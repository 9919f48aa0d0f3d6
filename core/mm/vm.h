/* SPDX-License-Identifier: MIT */
/*
 * Private to core/mm: what the files of the page cache and of address spaces share.
 *
 * Lock order inside the room: mm.lock, PG_LOCKED, mapping.i_mmap_lock, mm.pt_lock, mapping.lock, lru_lock.
 */
#pragma once

#include <hal/upcall.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/pagecache.h>
#include <maestro/printk.h>
#include <maestro/proc.h>
#include <maestro/shmem.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#define RA_PAGES 32u	     /* 128 KiB: the widest read-ahead window */
#define STACK_GUARD_PAGES 256u
#define STACK_GUARD (STACK_GUARD_PAGES * PAGE_SIZE)
#define FAULT_AROUND 16u     /* pages mapped around a read fault, a power of two */

static inline struct mm_state *mm_state(void)
{
	return &kernel()->mm;
}
static inline pgoff_t last_page(loff_t size) /* index of the first page beyond `size` bytes */
{
	return (pgoff_t)((size + (loff_t)PAGE_SIZE - 1) >> PAGE_SHIFT);
}

static inline struct page *frame_page(pfn_t frame) /* of hal_mmu_frames_fn */
{
	return kernel()->page.map + (frame & ~HAL_FRAME_USED);
}
static inline pfn_t page_frame(const struct page *p)
{
	return (pfn_t)(p - kernel()->page.map);
}

/* --- lru.c: a page is on a list while it is in the cache (PG_LRU), or isolated by reclaim --- */
void lru_add(struct page *p);
void lru_del(struct page *p);
void page_mark_accessed(struct page *p);
/* Takes up to n of the oldest off a list, each with a reference; put back with lru_add. Returns how many. */
unsigned lru_isolate(bool active, struct page **batch, unsigned n);

kerr_t reclaim_init(void) __must_check; /* starts kswapd */

/* --- writeback.c --- */
/* Sleeps until some page's write-back ends, or the time (ns from now) is over. */
void wait_for_writeback_progress(ktime_t ns);

/* --- filemap.c --- */
/* Puts a fresh locked page in the tree and on the LRU; the tree takes a reference. KERR(EEXIST), KERR(ENOMEM). May sleep. */
kerr_t mapping_add(struct mapping *m, pgoff_t index, struct page *p) __must_check;
/* Takes a locked page, clean of maps and write-back, out of its tree and drops the tree's reference. */
void mapping_remove(struct page *p);
/* As mapping_remove, if nobody but the caller and the tree has it and it is clean. The caller holds one reference, and the lock. */
bool mapping_remove_unused(struct page *p) __must_check;
/* A locked page read in (or filled otherwise) by now: waits and checks. KERR(EIO). */
kerr_t page_wait_uptodate(struct page *p) __must_check;
/* shmem: room for one more dirty page? KERR(ENOSPC). */
kerr_t shmem_charge(struct mapping *m) __must_check;

/* --- readahead.c --- */
void readahead_sync(struct mapping *m, struct readahead *ra, pgoff_t index, size_t want);
void readahead_async(struct mapping *m, struct readahead *ra, pgoff_t index);
void readahead_range(struct mapping *m, pgoff_t first, size_t n, pgoff_t mark);

/* --- vma.c --- */
struct vma *vma_alloc(struct mm *mm);
void vma_free(struct vma *v); /* puts the file; not linked any more */
void vma_link(struct mm *mm, struct vma *v);
void vma_unlink(struct mm *mm, struct vma *v);
struct vma *vma_prev(const struct mm *mm, const struct vma *v);
struct vma *vma_next(const struct mm *mm, const struct vma *v);
struct vma *vma_last(const struct mm *mm);
void vma_set_range(struct vma *v, uaddr_t start, uaddr_t end, pgoff_t pgoff);
/* Cuts v at addr (start < addr < end): *out is the upper part. KERR(ENOMEM). */
kerr_t vma_split(struct vma *v, uaddr_t addr, struct vma **out) __must_check;
/* Cuts so that [start, end) consists of whole areas; *first is the first that ends above start, or NULL. */
kerr_t vma_isolate(struct mm *mm, uaddr_t start, uaddr_t end, struct vma **first) __must_check;
/* Joins v with its neighbours where they are alike; returns the one that remains. */
struct vma *vma_merge(struct vma *v);
bool vma_alike(const struct vma *a, const struct vma *b);
void vma_account(struct mm *mm, const struct vma *v, long pages); /* total, data, stack, ... */
/* RLIMIT_AS and RLIMIT_DATA allow `pages` more of this kind. */
bool vma_within_limits(const struct mm *mm, u32 flags, u64 pages);
uaddr_t vma_find_gap(struct mm *mm, uaddr_t hint, size_t len);
/* Makes a MAP_GROWSDOWN area reach down to addr. mm.lock held for writing. KERR(ENOMEM). */
kerr_t vma_grow_down(struct vma *v, uaddr_t addr) __must_check;
/* The file's mapping that the area's pages come from, or NULL. */
static inline struct mapping *vma_mapping(const struct vma *v)
{
	return v->file ? v->file->inode->mapping : NULL;
}
static inline pgoff_t vma_pgoff(const struct vma *v, uaddr_t addr)
{
	return v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
}
static inline unsigned long vma_pages(const struct vma *v)
{
	return (v->end - v->start) >> PAGE_SHIFT;
}
static inline bool vma_is_shared_writable(const struct vma *v)
{
	return (v->flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE);
}
static inline u32 vma_pte_flags(const struct vma *v) /* without WRITE */
{
	return HAL_PTE_PRESENT | ((v->flags & VM_EXEC) ? (u32)HAL_PTE_EXEC : 0);
}

/* --- oom.c --- */
struct mm *proc_mm(struct proc *p); /* of its first thread that has one, referenced (mm_unref); NULL: none. Tree lock held */

/* --- zap.c: unmapping --- */
/* Unmaps the pages of a range and drops their references; the area stays. mm.lock held, or the mm is dying. */
void mm_zap(struct mm *mm, uaddr_t start, uaddr_t end);
void mm_zap_file_pages(struct vma *v, uaddr_t start, uaddr_t end);
void mm_zap_tables(struct mm *mm, uaddr_t start, uaddr_t end); /* not the stash */
void mm_count_page(struct mm *mm, struct page *p, int n); /* rss; pt_lock held */
/* A page gained or lost an entry in a table; pt_lock held. */
void page_map_get(struct mm *mm, struct page *p);
void page_map_put(struct mm *mm, struct page *p); /* does not drop the reference */

/* --- stash.c: private pages of PROT_NONE areas; mm.lock held for writing unless said --- */
kerr_t stash_range(struct mm *mm, uaddr_t start, uaddr_t end) __must_check; /* moves anonymous pages from the tables to the stash */
void stash_drop(struct mm *mm, uaddr_t start, uaddr_t end);
kerr_t stash_copy(struct mm *dst, struct mm *src, uaddr_t start, uaddr_t end) __must_check;
kerr_t stash_move(struct mm *mm, uaddr_t from, uaddr_t to, size_t len) __must_check;

/* --- fault.c --- */
enum fault_outcome { FAULT_OK, FAULT_RETRY, FAULT_NOMEM, FAULT_BUS, FAULT_MAPERR, FAULT_ACCERR };
/* One try with mm.lock held for reading; v holds addr. */
enum fault_outcome fault_in_vma(struct vma *v, uaddr_t addr, unsigned flags);
/* A stashed page goes back to the tables; *found: there was one. mm.lock held for reading. */
enum fault_outcome stash_restore(struct vma *v, uaddr_t addr, bool *found);
enum { FAULT_FORCE = 1 << 8 }; /* a debugger: only VM_MAY* and privacy count */
/* mmap.c */
kerr_t munmap_locked(struct mm *mm, uaddr_t start, size_t len) __must_check; /* mm.lock held for writing */
void mm_unmap_all(struct mm *mm);
long mmap_locked(struct mm *mm, struct file *file, uaddr_t addr, size_t len, unsigned prot, unsigned flags, pgoff_t pgoff,
		 u32 vm_flags);
