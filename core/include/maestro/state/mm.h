/* SPDX-License-Identifier: MIT */
/* The state of core/mm in struct kernel: frames (page), objects (slab), the rest (mm). */
#pragma once

#include <maestro/lock.h>
#include <maestro/page.h>
#include <maestro/types.h>
#include <maestro/wait.h>

struct mount;
struct task;

#define PAGE_ZONES 2 /* 0: the direct map, 1: high memory */
struct page_zone {
	/* [c] */
	u32 min, low, high; /* watermarks, pages: below min only the privileged, below low reclaim starts, at high it stops */
	u64 total;	    /* pages ever given to this zone [page lock during boot] */
	/* [lock] */
	u32 nfree;	    /* read without it for the watermarks */
	struct list free[PAGE_MAX_ORDER + 1];
};
struct page_cpu_cache { /* [o] its CPU, interrupts off */
	unsigned count;
	struct list pages;
};
struct page_state {
	/* [c] */
	struct page *map; /* one for each frame below max_pfn */
	pfn_t max_pfn;
	unsigned batch, cache_high;
	/* [lock] RANK_BUDDY, irqsave */
	struct spinlock lock;
	struct page_zone zone[PAGE_ZONES];
	/* [o] */
	struct page_cpu_cache cpu[HAL_MAX_CPUS][PAGE_ZONES];
	/* [a] */
	struct wait_queue low_wait; /* who frees pages in the background sleeps here */
	bool fail_armed;
	/* [fail_lock] RANK_LEAF */
	struct spinlock fail_lock;
	u64 fail_at, fail_seen;
	u32 fail_per_million;
	u64 fail_random;
};
#define KMALLOC_CLASSES 10
struct slab_state {
	struct mutex caches_mutex;   /* RANK_MUTEX_LEAF */
	struct list caches;	     /* [caches_mutex] struct kmem_cache.node */
	struct kmem_cache *cache_of_caches, *path_cache; /* [c] */
	struct kmem_cache *kmalloc[KMALLOC_CLASSES]; /* [c] */
	struct atomic_long pages;    /* [a] pages in slabs */
	struct atomic_long big_pages; /* [a] pages given out by kmalloc whole */
};
#define PAGE_WAIT_QUEUES 64
struct mm_state {
	/* [c] */
	struct kmem_cache *mm_cache, *vma_cache;
	struct page *zero;	/* reads of untouched memory map it, HAL_PTE_SPECIAL */
	struct task *flusher, *kswapd;
	unsigned long total_pages; /* of RAM */
	long cache_floor;	   /* pages of files that a program's own memory does not drive out */
	/* [a] pages, for page_stats() and the throttles */
	struct atomic_long nr_cached, nr_dirty, nr_writeback, nr_mapped, nr_anon, nr_shmem, nr_active, nr_inactive;
	struct atomic_long committed;
	/* [a] events since boot */
	struct atomic_long pgfault, pgmajfault, oom_kills, pages_read, pages_written, pages_scanned, pages_stolen;
	/* [a] /proc/sys/vm and kernel: plain words, read and written whole */
	u32 overcommit_memory, overcommit_ratio;
	u32 dirty_ratio, dirty_background_ratio;	   /* percent */
	u32 dirty_writeback_centisecs, dirty_expire_centisecs;
	u32 max_map_count, mmap_min_addr, randomize_va_space, swappiness, panic_on_oom;
	/* [lru_lock] */
	struct spinlock lru_lock; /* RANK_LRU, irqsave */
	struct list lru_active, lru_inactive; /* struct page.lru, newest first */
	/* [shrinker_mutex] */
	struct mutex shrinker_mutex;
	struct list shrinkers;
	/* Held while another task's mm pointer is followed, and once before an mm is freed: see task_mm_get(). */
	struct spinlock task_mm_lock;
	/* Hashed by page: waits for PG_LOCKED and PG_WRITEBACK. */
	struct wait_queue page_wait[PAGE_WAIT_QUEUES];
	/* write-back [a] */
	struct wait_queue flusher_wait, dirty_wait; /* the thread sleeps; throttled writers and reclaimers sleep */
	struct atomic flush_wanted;
	/* [shmem_mutex] the hidden tmpfs behind shmem_file(), made at first use */
	struct mutex shmem_mutex;
	struct mount *shmem_mnt;
};
