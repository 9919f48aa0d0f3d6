/* SPDX-License-Identifier: MIT */
/*
 * The page cache: one struct mapping per inode holds its pages, shared by read, write and mmap; read-ahead, write-back, truncation, reclaim.
 * A page in a mapping has one reference for it. State changes under PG_LOCKED. See page.h for the page lock.
 */
#pragma once

#include <maestro/errseq.h>
#include <maestro/lock.h>
#include <maestro/page.h>
#include <maestro/uaccess.h>
#include <maestro/xarray.h>

struct inode;
struct file;
struct mapping;
struct vma;
struct vm_ops;
struct shmem_limit;

struct writeback {
	loff_t start, end; /* byte range, end inclusive; 0, S64_MAX for all */
	long nr_to_write;  /* pages; decremented */
	bool sync;	   /* wait for pages under write-back, write all that was dirty at the start */
	bool for_reclaim;
};
struct mapping_ops {
	/* Fills a locked page; the page is unlocked when the I/O ends (uptodate or error set). May return before. pages: up to n contiguous new locked pages. */
	kerr_t (*read_pages)(struct mapping *m, struct page **pages, unsigned n);
	/*
	 * Prepares [pos, pos+len) (inside one page) for a write: *out is the locked page, uptodate as needed, blocks allocated.
	 * KERR(ENOSPC), KERR(EIO), KERR(ENOMEM). Inode's rwsem held for writing.
	 */
	kerr_t (*write_begin)(struct mapping *m, loff_t pos, unsigned len, struct page **out);
	/* Ends it: `copied` bytes are new; marks dirty, extends i_size, unlocks and puts the page. Returns bytes accepted. */
	unsigned (*write_end)(struct mapping *m, loff_t pos, unsigned len, unsigned copied, struct page *page);
	/* Writes dirty pages of the range. */
	kerr_t (*write_pages)(struct mapping *m, struct writeback *wb);
	/* The page leaves the cache (truncate, reclaim). NULL: nothing. */
	void (*invalidate)(struct page *p);
	kerr_t (*direct_io)(struct file *f, struct iov_iter *it, loff_t pos, ssize_t *done); /* NULL: O_DIRECT goes through the cache */
	/*
	 * Where byte pos, a multiple of the block size, is on the device: *at bytes from its beginning, or LOCATE_HOLE; and for how many bytes from there on that goes
	 * on (*len, at most max). Inode's rwsem held. KERR(EOPNOTSUPP): the contents are not plainly in blocks; KERR(EIO), KERR(EUCLEAN). NULL: never.
	 */
	kerr_t (*locate)(struct inode *inode, loff_t pos, size_t max, u64 *at, size_t *len);
	/*
	 * Writes whole pages that are not in the cache to the disk without keeping them: len bytes at pos from the contiguous frames that begin with page.
	 * Extends i_size. *done: how many bytes arrived, whole pages or not; the rest is for the cached way, which finds the error again. Inode's rwsem held for writing. KERR(ENOSPC), KERR(EIO), KERR(ENOMEM).
	 */
	kerr_t (*write_through)(struct inode *inode, struct page *page, size_t len, loff_t pos, size_t *done);
};
#define LOCATE_HOLE (~0ULL)
struct mapping {
	struct inode *inode;		/* [c] */
	const struct mapping_ops *ops;	/* [c] */
	struct spinlock lock;		/* RANK_MAPPING, irqsave */
	struct xarray pages;		/* [lock] */
	unsigned long nrpages;		/* [lock] to write: looked at without it whether there are any */
	struct spinlock i_mmap_lock;
	struct list i_mmap;		/* [i_mmap_lock] vmas */
	struct atomic writable_maps;	/* shared writable maps */
	struct errseq wb_err;		/* of its pages' write-back */
	u32 flags;			/* [c] MAPPING_* */
	enum gfp gfp;			/* [c] for its pages */
	ktime_t dirtied;		/* [lock] when its first dirty page of now became so */
	struct shmem_limit *limit;	/* [c] MAPPING_SHMEM: what it may use, or NULL: no limit (shmem.h) */
};
enum { MAPPING_SHMEM = 1 /* the pages are the only copy: never written, never dropped while dirty */ };
void mapping_init(struct mapping *m, struct inode *inode, const struct mapping_ops *ops);

/* With a reference, or NULL. Not locked. */
struct page *mapping_find(struct mapping *m, pgoff_t index);
/* The first page from *index to last, with a reference, and its index; or NULL. Not locked. */
struct page *mapping_find_next(struct mapping *m, pgoff_t *index, pgoff_t last);
bool mapping_has_range(struct mapping *m, pgoff_t first, pgoff_t last); /* any page is there */
/* Finds or creates (uninitialised, not uptodate); locked, with a reference. KERR(ENOMEM). */
kerr_t mapping_grab(struct mapping *m, pgoff_t index, struct page **out) __must_check;
/* Found or read; uptodate, unlocked, with a reference. KERR(EIO), KERR(ENOMEM). file may be NULL (read-ahead state). */
kerr_t mapping_read_page(struct mapping *m, pgoff_t index, struct file *file, struct page **out) __must_check;
/* Marks the page dirty in the tree, puts the inode on its super's dirty list. Page locked or pinned. */
void page_set_dirty(struct page *p);
bool page_clear_dirty_for_io(struct page *p); /* locked; also cleans shared maps; true if it was dirty: must be written */
void page_start_writeback(struct page *p);    /* locked */
void page_end_writeback(struct page *p, int err); /* any context */
void page_end_read(struct page *p, int err);	  /* any context: sets uptodate or error, unlocks */
/* Iterates dirty pages of the range: calls write(page) with it locked and clean-for-io; write must start write-back and unlock. Helper for write_pages. */
kerr_t write_dirty_pages(struct mapping *m, struct writeback *wb, kerr_t (*write)(struct page *p, void *arg), void *arg) __must_check;
/* Truncation: drops pages beyond size and zeroes the tail of the last one; waits for write-back. Inode's rwsem held. */
void mapping_truncate(struct mapping *m, loff_t new_size);
void mapping_truncate_range(struct mapping *m, loff_t start, loff_t end); /* hole punching: whole pages dropped, edges zeroed */
size_t mapping_invalidate_clean(struct mapping *m, pgoff_t first, pgoff_t last); /* drops clean unmapped pages (drop_caches, fadvise) */
/* Writes and waits. */
kerr_t mapping_write_range(struct mapping *m, loff_t start, loff_t end, bool wait) __must_check;

/* Ready-made file operations over a mapping. */
ssize_t generic_read_iter(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t generic_write_iter(struct file *f, struct iov_iter *it, loff_t *pos); /* takes the inode's rwsem; O_APPEND, limits, set-id clearing, O_SYNC */
kerr_t generic_mmap(struct file *f, struct vma *v);
extern const struct vm_ops generic_vm_ops; /* const data */
struct vm_fault;
kerr_t generic_fault(struct vm_fault *f) __must_check;	      /* for a file system's own vm_ops */
kerr_t generic_page_mkwrite(struct vm_fault *f) __must_check; /* times and EOF only; no blocks are allocated */
/* What a write must do first, inode's rwsem held for writing: O_APPEND, limits (it->count is cut; SIGXFSZ), seals, set-id bits, times. */
kerr_t generic_write_checks(struct file *f, struct iov_iter *it, loff_t *pos) __must_check;
loff_t generic_llseek(struct file *f, loff_t off, int whence);

/* Read-ahead state in each open file. */
struct readahead {
	pgoff_t start, size, async; /* the window; async: the mark that starts the next */
	pgoff_t prev;
	u32 max_pages;
};
/* Write-back of everything: kernel thread, sync(2). core/mm/writeback.c */
kerr_t writeback_init(void) __must_check; /* starts the flusher and kswapd; needs kernel threads */
void writeback_kick(void);	       /* start soon */
void balance_dirty_pages(struct mapping *m); /* throttle writers. May sleep */
kerr_t pagecache_init(void) __must_check;  /* before any mapping is used; needs page_init, slab_init */
size_t reclaim_pages(size_t want, enum gfp gfp); /* frees about `want` pages; returns how many. May sleep */
/* /proc/sys/vm/drop_caches: 1 pages, 2 dentries and inodes, 3 both. Clean ones only. */
void drop_caches(unsigned what);
size_t shrink_caches(size_t nr, enum gfp gfp); /* runs the shrinkers */
