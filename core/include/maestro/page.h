/* SPDX-License-Identifier: MIT */
/* Page frames: struct page, the buddy allocator, per-CPU caches. */
#pragma once

#include <hal/memory.h>
#include <maestro/kernel_fwd.h>
#include <maestro/lock.h>

/* What an allocation may do. */
enum gfp {
	GFP_ATOMIC = 0,		/* never sleeps; may use half of the reserve */
	GFP_WAIT = 1 << 0,	/* may sleep and reclaim */
	GFP_ZERO = 1 << 1,
	GFP_HIGH = 1 << 2,	/* a frame outside the direct map will do */
	GFP_NOIO = 1 << 3,	/* reclaim may not start I/O (inside a file system or block layer) */
	GFP_ANON = 1 << 4,	/* reclaim leaves the file cache its floor: see cache_floor of struct mm_state */
	GFP_KERNEL = GFP_WAIT,
	GFP_USER = GFP_WAIT | GFP_HIGH,
	GFP_NOFS = GFP_WAIT | GFP_NOIO,
};

/* page.flags bits [a]. */
enum page_flag {
	PG_LOCKED,    /* owner may change content and state; wait with page_lock() */
	PG_UPTODATE,  /* content is valid */
	PG_DIRTY,     /* newer than disk */
	PG_WRITEBACK, /* being written */
	PG_REFERENCED,
	PG_ACTIVE,    /* on the active LRU list */
	PG_LRU,
	PG_ERROR,
	PG_SLAB,
	PG_BUDDY,     /* free, head of a block of 1 << order */
	PG_RESERVED,  /* kernel image, holes: never allocated */
	PG_ANON,
	PG_WAITERS,   /* somebody waits on LOCKED or WRITEBACK */
	PG_RECLAIM,
	PG_READAHEAD, /* touching it starts the next read-ahead */
	PG_MLOCKED,
};

struct mapping;
struct kmem_cache;

struct page {
	struct atomic_long flags; /* [a] bits of enum page_flag */
	struct atomic refs;	  /* [a] 0: free */
	struct atomic mapcount;	  /* [a] how many user page table entries map it */
	union {
		struct mapping *mapping; /* [mapping.lock] page cache */
		struct kmem_cache *slab; /* [c] while PG_SLAB */
	};
	union {
		pgoff_t index;	 /* [c] while in a mapping */
		void *freelist;	 /* [slab lock] */
	};
	union {
		struct list lru; /* [lru lock, or buddy lock when free] */
		struct list slab_list;
	};
	union {
		unsigned order;	 /* [buddy lock] of a block's head */
		unsigned inuse;	 /* [slab lock] */
		unsigned long priv;
	};
};

static inline bool page_test(const struct page *p, enum page_flag f)
{
	return ((unsigned long)atomic_read_acquire(&p->flags) >> f) & 1; /* what was done before it was set is seen */
}
static inline bool page_test_set(struct page *p, enum page_flag f) /* returns the old bit */
{
	return ((unsigned long)atomic_or(&p->flags, 1L << f) >> f) & 1;
}
static inline void page_set(struct page *p, enum page_flag f)
{
	(void)atomic_or(&p->flags, 1L << f);
}
static inline bool page_test_clear(struct page *p, enum page_flag f)
{
	return ((unsigned long)atomic_and(&p->flags, ~(1L << f)) >> f) & 1;
}
static inline void page_clear(struct page *p, enum page_flag f)
{
	(void)atomic_and(&p->flags, ~(1L << f));
}

/* --- frames <-> struct page --- */
struct page *pfn_to_page(pfn_t pfn);
pfn_t page_to_pfn(const struct page *p);
static inline paddr_t page_to_phys(const struct page *p);
struct page *phys_to_page(paddr_t pa); /* NULL if no RAM is there */
struct page *virt_to_page(const void *va);
/* Address of a page known to be in the direct map (not GFP_HIGH). */
void *page_address(const struct page *p);
/* Address of any page; LIFO per task; may sleep while mapped. Cheap when it is in the direct map. */
void *page_map(struct page *p);
void page_unmap(void *va);

static inline paddr_t page_to_phys(const struct page *p)
{
	return (paddr_t)page_to_pfn(p) << PAGE_SHIFT;
}

/* --- allocation --- */
#define PAGE_MAX_ORDER 10
/* 1 << order contiguous frames, refs 1 on the head. NULL if there is no memory. */
struct page *pages_alloc(unsigned order, enum gfp gfp) __must_check;
void pages_free(struct page *p, unsigned order); /* refs is ignored */
static inline struct page *page_alloc(enum gfp gfp)
{
	return pages_alloc(0, gfp);
}
static inline void page_get(struct page *p)
{
	atomic_inc(&p->refs);
}
static inline void page_put(struct page *p) /* frees an order-0 page with the last reference. Any context */
{
	DEBUG_ASSERT(atomic_read(&p->refs) > 0);
	if (atomic_dec_and_test(&p->refs))
		pages_free(p, 0);
}
kerr_t page_init(void) __must_check; /* builds the page array and buddy lists from hal_boot_info() */
struct mem_info {
	u64 total, free, cached, buffers, dirty, writeback, slab, active, inactive, shmem, mapped, anon, page_tables, kernel_stack; /* pages */
	u64 high_total, high_free, committed, commit_limit;
};
void page_stats(struct mem_info *out);
u64 page_free_count(void);
/* Woken when free pages fall below the low watermark: the background reclaimer sleeps here, until page_low() is false. */
struct wait_queue;
struct wait_queue *page_low_wait(void);
bool page_low(void);	  /* some zone is below its low watermark */
bool page_plenty(void);	  /* every zone has reached its high watermark: background reclaim may stop */
size_t page_low_pages(void); /* pages wanted to reach the high watermarks, 0 if there */
void page_reserve_count(u64 *total, u64 *min); /* for overcommit: all usable pages, and those kept back */
/* Gives pages [start, end) that no range of hal_boot_info()->ram covers to the allocator: the initrd once it is unpacked. */
void pages_give(paddr_t start, paddr_t end);
/* Returns the pages this CPU holds back in its caches to the free lists. */
void pages_drain(void);
bool alloc_should_fail(void); /* alloc_fail_nth: counts one allocation; true if it is the one. Only call when page_state.fail_armed */

/* --- page lock (core/mm/filemap.c) --- */
void page_lock(struct page *p);
bool page_trylock(struct page *p) __must_check;
void page_unlock(struct page *p); /* wakes waiters; from I/O completion too */
void page_wait_writeback(struct page *p);
