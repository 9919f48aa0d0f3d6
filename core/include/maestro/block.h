/* SPDX-License-Identifier: MIT */
/*
 * Block devices: disks, partitions, asynchronous requests, and the buffer cache for metadata.
 *
 * A driver fills a struct disk and calls disk_register(): the core reads the partition table and makes sda, sda1 ...
 * Users build a bio and submit it; end() is called when it is done (any context).
 */
#pragma once

#include <maestro/lock.h>
#include <maestro/page.h>
#include <maestro/timer.h>
#include <maestro/wait.h>

#define SECTOR_SIZE 512u
#define SECTOR_SHIFT 9

enum bio_op { BIO_READ, BIO_WRITE, BIO_FLUSH, BIO_DISCARD };
enum { BIO_FUA = 1, BIO_PREFLUSH = 2, BIO_SYNC = 4, BIO_RAHEAD = 8, BIO_BUF = 16 /* to or from the buffer cache */ };
struct bio_vec {
	struct page *page;
	u32 off, len; /* multiples of 512 */
};
struct block_device;
/* A request as the driver sees it: one or more merged bios, contiguous on the disk. Lives in one of its bios: not to be touched after request_end(). */
struct request {
	struct list node; /* [queue lock] disk.pending */
	struct list bios; /* struct bio.node, in disk order */
	sector_t sector;
	u32 sectors;
	u8 op, flags;
	unsigned nsegs;	  /* bio_vecs in all */
	int retries;
	void *driver;	  /* the driver's own */
};
struct bio {
	struct block_device *bdev;
	sector_t sector;	/* relative to bdev */
	u8 op;			/* enum bio_op */
	u8 flags;
	u16 nvecs, max_vecs;
	u32 size;		/* bytes in all */
	int status;		/* 0 or negative errno, set before end() */
	void (*end)(struct bio *bio); /* owns the bio again; any context, must not sleep */
	void *priv;
	struct list node;	/* [queue lock] */
	sector_t disk_sector;	/* set by submit: absolute */
	struct request rq;	/* used when this bio starts a request: submitting never allocates */
	struct bio_vec vecs[];
};
#define BIO_MAX_VECS 256
struct bio *bio_alloc(struct block_device *bdev, unsigned max_vecs, enum gfp gfp) __must_check;
void bio_free(struct bio *bio);
/* false: full, or it would be more than the disk takes in one request (max_sectors, max_segs). */
bool bio_add(struct bio *bio, struct page *page, u32 off, u32 len);
void bio_submit(struct bio *bio);		  /* may sleep when the queue is full. Out of range: ends with -EIO */
/* Several bios (linked by node) for one disk, queued and merged as a batch before the first is started. bios is empty after. May sleep. */
void bio_submit_list(struct list *bios);
kerr_t bio_submit_wait(struct bio *bio) __must_check; /* end is replaced */
kerr_t block_flush(struct block_device *bdev) __must_check; /* the device's write cache */
/* What these bytes (whole sectors) held is not needed any more. May sleep. KERR(EOPNOTSUPP), KERR(EIO), KERR(ENOMEM). */
kerr_t block_discard(struct block_device *bdev, u64 start, u64 len) __must_check;

struct disk;
struct disk_ops {
	/*
	 * Starts rq on the hardware; called with disk->lock NOT held, preemption off, interrupts may be on or off; must not sleep. May call request_end() itself.
	 * KERR(EBUSY): no room now, the core offers it again after the next request_end(). Any other error: the core ends the request with it.
	 */
	kerr_t (*submit)(struct disk *d, struct request *rq);
	long (*ioctl)(struct disk *d, unsigned cmd, unsigned long arg); /* NULL ok */
	void (*release)(struct disk *d); /* it is unregistered */
	void (*idle)(struct disk *d);	 /* nobody has it open or mounted any more; may sleep. NULL ok */
};
struct disk {
	/* set by the driver */
	char name[16];	  /* "sda", "vda" */
	u32 major, first_minor, minors;
	u64 sectors;
	u32 logical_block; /* bytes: 512.. */
	u32 max_sectors;  /* per request */
	u32 max_segs;
	bool read_only, has_flush, has_fua, has_discard, removable, rotational, no_partscan;
	char model[48], serial[32];
	const struct disk_ops *ops;
	void *driver;
	unsigned queue_depth; /* requests in flight at once */
	/* the core's */
	struct spinlock lock; /* RANK_BLOCK_QUEUE, irqsave */
	struct list pending;  /* [lock] requests not yet started, in elevator order */
	unsigned npending, inflight; /* [lock] */
	unsigned ends;	      /* [lock] how many requests ended: a change means there may be room again */
	unsigned reads_ahead; /* [lock] reads started in a row while writes wait */
	bool dispatching;     /* [lock] somebody offers requests to the driver */
	struct atomic past_bufs; /* [a] writes and discards that ended and went past the buffer cache: see BUF_ALIAS */
	sector_t last_pos;    /* [lock] where the last started request ended */
	struct timer retry;   /* for a driver that was busy with nothing in flight */
	struct wait_queue room, idle;
	struct list parts;    /* struct block_device.node, the whole disk first */
	struct list node;
	u64 reads, writes, read_sectors, write_sectors, merges; /* [lock] */
	u64 io_ns, busy_since; /* [lock] time with something in flight */
};
/* Registers, scans partitions, makes device nodes. The core keeps *d until disk_unregister. KERR(ENOMEM). May sleep. */
kerr_t disk_register(struct disk *d) __must_check;
void disk_unregister(struct disk *d); /* no users any more; waits for requests */
/* The driver finished rq (status 0 or negative errno). Any context. */
void request_end(struct request *rq, struct disk *d, int status);

struct block_device { /* a disk or a partition */
	struct disk *disk;
	struct list node;
	char name[24];
	dev_t dev;
	sector_t start, sectors;
	unsigned partno; /* 0: whole */
	char uuid[40], label[40]; /* PARTUUID, PARTLABEL */
	u32 block_size;		 /* of the buffer cache on it: 512..4096 */
	struct atomic refs;
	struct atomic openers, writers;
	void *holder;		 /* [block.mutex] a mounted super or swap: exclusive */
	struct mutex mutex;
	struct rwsem size_sem;	 /* block_size; held for reading from looking at it to getting the buf */
	u32 readahead;		 /* sectors, for BLKRAGET and BLKRASET */
	bool read_only;		 /* BLKROSET */
	/* buffer cache of this device [hash lock] */
	struct list bufs, dirty; /* dirty: oldest first */
	struct list dirty_first; /* those that must be on the disk before any of `dirty` is written */
	struct atomic nfirst;	 /* [a] how many, for who asks without the lock */
	size_t nbufs, ndirty;
	struct atomic writing;	 /* [a] bufs being written */
	struct atomic wb_err;	 /* [a] an error of write-out not reported yet, negative */
	struct wait_queue wb_wait;
};
struct block_device *block_find(dev_t dev); /* with a reference */
struct block_device *block_find_name(const char *name);
/* root=: /dev/NAME, NAME, MAJ:MIN, UUID=, LABEL= (reads ext superblocks), PARTUUID=, PARTLABEL=. KERR(ENODEV). */
kerr_t block_find_spec(const char *spec, struct block_device **out) __must_check;
void block_get(struct block_device *b);
void block_put(struct block_device *b);
kerr_t block_claim(struct block_device *b, void *holder) __must_check; /* KERR(EBUSY) */
static inline bool block_in_use(const struct block_device *b)
{
	return b->holder || atomic_read(&b->openers);
}
void block_idle(struct block_device *b); /* somebody stopped using it: tells the driver if that was the last. No lock of the block room held */
/* The medium of d, of which nothing is cached, is another: no partitions. */
void disk_set_sectors(struct disk *d, u64 sectors);
kerr_t loop_init(void) __must_check; /* /dev/loop-control */
struct loop_status {
	struct file *file; /* a reference */
	u64 offset, sizelimit; /* bytes */
	bool autoclear;
};
bool loop_status(const struct block_device *b, struct loop_status *out); /* what the whole disk b stands for; false: it is no loop device, or not bound */
void block_release_claim(struct block_device *b, void *holder);
/* Lists what there is, for "no root" messages and /proc/partitions. */
void block_for_each(void (*fn)(struct block_device *b, void *arg), void *arg);
/* Flushes and drops buffers; sets the size of blocks. KERR(EINVAL), KERR(EIO). */
kerr_t block_set_size(struct block_device *b, u32 size) __must_check;
extern const struct file_ops block_fops; /* /dev nodes: through the buffer cache */
kerr_t block_init(void) __must_check;

/* --- buffer cache (core/block/buf.c): blocks of metadata, one struct buf per (device, block) --- */
enum { BUF_UPTODATE, BUF_DIRTY, BUF_LOCKED, BUF_WRITING, BUF_ERROR, BUF_WAITERS, BUF_REFERENCED, BUF_ALIAS, BUF_FIRST, BUF_CHECKED /* its user has verified the content */ };
/*
 * BUF_ALIAS: read through the device's node, and no file system has asked for it. It may well be a block of a file, which is written from the file's own
 * cache: so it is good only until something is written to the disk past the buffer cache (disk.past_bufs against buf.seen), unless it is dirty. Whoever
 * asks for the block by the calls below makes it metadata: then this is the only cache of it, for the device's node too.
 */
struct buf {
	/* [c] */
	struct block_device *bdev;
	u64 block;
	u32 size;
	void *data; /* size bytes in the direct map, aligned to size */
	/* [a] */
	struct atomic_long flags;
	struct atomic refs;
	/* [buf lock] */
	int seen; /* BUF_ALIAS: disk.past_bufs when it was read */
	/* [hash lock] */
	struct hlist_node hash;
	struct list lru, bdev_node, dirty_node;
	u64 dirtied; /* ns */
};
/* Uptodate, with a reference. KERR(EIO), KERR(ENOMEM). */
kerr_t buf_read(struct block_device *b, u64 block, struct buf **out) __must_check;
/* Not read: the caller will overwrite all of it (and then calls buf_set_uptodate). */
kerr_t buf_get(struct block_device *b, u64 block, struct buf **out) __must_check;
struct buf *buf_find(struct block_device *b, u64 block); /* only if cached */
void buf_readahead(struct block_device *b, u64 block, unsigned n);
void buf_put(struct buf *b); /* NULL is harmless */
void buf_ref(struct buf *b);
void buf_lock(struct buf *b);	/* content changes: exclusive against write-out. May sleep */
void buf_unlock(struct buf *b);
void buf_set_uptodate(struct buf *b);
void buf_mark_dirty(struct buf *b);
/*
 * New content of a block that others will point to, where what the disk holds there now would lead astray (an indirect block): it is on the disk, flushed,
 * before any other buf that is dirty from now on is written. The caller marks who points to it afterwards.
 */
void buf_mark_dirty_first(struct buf *b);
kerr_t buf_write_sync(struct buf *b) __must_check;
/* Forget it: the block was freed (drops dirty state). Harmless if not cached. */
void buf_forget(struct block_device *b, u64 block);
kerr_t buf_sync(struct block_device *b, bool wait) __must_check; /* writes all dirty ones; reports errors once */
size_t buf_shrink(size_t nr, bool may_io);
/* Drops all clean, unused bufs: what was read through them may no longer be what is on the disk. true: none is left. */
bool buf_invalidate(struct block_device *b);
size_t buf_cache_bytes(void);
kerr_t buf_cache_init(void) __must_check;
static inline bool buf_test(const struct buf *b, int flag)
{
	return ((unsigned long)atomic_read(&b->flags) >> flag) & 1;
}
/* Reads the partition table of d and adds what it finds; core/block/part.c. */
void disk_scan_partitions(struct disk *d);
kerr_t disk_add_part(struct disk *d, unsigned partno, sector_t start, sector_t sectors, const char *uuid, const char *label) __must_check;
kerr_t disk_rescan(struct disk *d) __must_check; /* KERR(EBUSY) when a partition is in use */
static inline u64 block_bytes(const struct block_device *b)
{
	return b->sectors << SECTOR_SHIFT;
}
static inline bool block_read_only(const struct block_device *b)
{
	return b->read_only || b->disk->read_only;
}
