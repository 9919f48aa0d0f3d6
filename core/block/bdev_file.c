/* SPDX-License-Identifier: MIT */
/*
 * Block devices as files (/dev/sda1): reads and writes go through the buffer cache, so that they agree with the metadata of a file system mounted from
 * the device, and never see what a file's block held before it was last written out (BUF_ALIAS, block.h). ioctls: ioctl_list(2), linux/fs.h. There is no mmap.
 *
 * Locking: block_device.size_sem is held for reading from looking at block_size to having the buf; user memory is touched with no lock but the buf's
 * reference (reads) or through a bounce inside the buf's lock without faults (writes copy from a bounce buffer).
 */
#include <maestro/block.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "block_priv.h"

#define READAHEAD_BYTES 131072u
#define DIRTY_LIMIT_BYTES (8u << 20)

/* _IOR/_IOW('0x12', n, size_t): the size is the native word's. */
#define IOC_WORD ((unsigned)sizeof(long) << 16)
#define BLKROSET 0x125d
#define BLKROGET 0x125e
#define BLKRRPART 0x125f
#define BLKGETSIZE 0x1260
#define BLKFLSBUF 0x1261
#define BLKRASET 0x1262
#define BLKRAGET 0x1263
#define BLKSECTGET 0x1267
#define BLKSSZGET 0x1268
#define BLKBSZGET (0x80001270u | IOC_WORD)
#define BLKBSZSET (0x40001271u | IOC_WORD)
#define BLKGETSIZE64 (0x80001272u | IOC_WORD)
#define BLKDISCARD 0x1277
#define BLKIOMIN 0x1278
#define BLKIOOPT 0x1279
#define BLKALIGNOFF 0x127a
#define BLKPBSZGET 0x127b
#define BLKDISCARDZEROES 0x127c
#define BLKROTATIONAL 0x127e
#define HDIO_GETGEO 0x0301

static struct block_device *file_bdev(const struct file *f)
{
	return f->priv;
}

static kerr_t bdev_open(struct inode *inode, struct file *f)
{
	struct block_device *b = block_find(inode->rdev);
	kerr_t err;

	if (!b)
		return KERR(ENXIO);
	if (f->flags & O_EXCL) {
		err = block_claim(b, f);
		if (err) {
			block_put(b);
			return err;
		}
	}
	atomic_inc(&b->openers);
	if (f->mode & FMODE_WRITE)
		atomic_inc(&b->writers);
	f->priv = b;
	return KERR(0);
}

static void bdev_release(struct inode *inode, struct file *f)
{
	struct block_device *b = file_bdev(f);
	kerr_t err;

	(void)inode;
	if (b->holder == f)
		block_release_claim(b, f);
	if (f->mode & FMODE_WRITE)
		atomic_dec(&b->writers);
	if (atomic_dec_and_test(&b->openers) && !b->holder) {
		/* Nobody is left who could tell stale from fresh: leave nothing cached. An error stays in wb_err's place in the log. */
		err = buf_sync(b, true);
		if (!err)
			(void)buf_invalidate(b);
	}
	block_idle(b);
	block_put(b);
}

/* The buf that holds byte pos; *off is where. read: uptodate; else only if all of [pos, pos+len) up to the block's end need not be kept. */
static kerr_t bdev_buf(struct block_device *b, loff_t pos, size_t len, bool for_write, struct buf **out, u32 *off)
{
	kerr_t err;
	u64 block;

	rwsem_read_lock(&b->size_sem);
	block = (u64)pos >> ilog2(b->block_size);
	*off = (u32)pos & (b->block_size - 1);
	if (for_write && !*off && len >= b->block_size)
		err = buf_get_alias(b, block, out);
	else
		err = buf_read_alias(b, block, out);
	rwsem_read_unlock(&b->size_sem);
	return err;
}

static void bdev_readahead(struct block_device *b, struct file *f, loff_t pos, size_t count)
{
	u64 block, last;
	unsigned shift, n;

	rwsem_read_lock(&b->size_sem);
	shift = ilog2(b->block_size);
	block = (u64)pos >> shift;
	if (!buf_is_cached(b, block)) {
		last = ((u64)pos + MAX(count, (size_t)1) - 1) >> shift;
		n = (unsigned)MIN(last - block + 1, (u64)(READAHEAD_BYTES >> shift));
		if (f->ra.prev == (pgoff_t)(pos >> PAGE_SHIFT)) /* goes on where the last read ended */
			n = READAHEAD_BYTES >> shift;
		if (n > 1)
			buf_readahead_alias(b, block, n);
	}
	rwsem_read_unlock(&b->size_sem);
}

/* The least of three: the block's or page's rest, the request's, the device's. */
static size_t step(size_t room, size_t want, loff_t left)
{
	size_t n = MIN(room, want);

	return left < (loff_t)n ? (size_t)left : n;
}

static ssize_t bdev_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct block_device *b = file_bdev(f);
	loff_t size = (loff_t)block_bytes(b);
	ssize_t done = 0;
	kerr_t err = KERR(0);

	while (it->count && *pos < size) {
		struct buf *buf;
		u32 off;
		size_t n, got;

		bdev_readahead(b, f, *pos, it->count);
		err = bdev_buf(b, *pos, 0, false, &buf, &off);
		if (err)
			break;
		n = step(buf->size - off, it->count, size - *pos);
		got = copy_to_iter(it, (const u8 *)buf->data + off, n);
		buf_put(buf);
		*pos += (loff_t)got;
		done += (ssize_t)got;
		if (got < n) {
			err = KERR(EFAULT);
			break;
		}
		if (task_signal_pending_state(TASK_KILLABLE)) {
			err = KERR(EINTR);
			break;
		}
		cond_resched();
	}
	f->ra.prev = (pgoff_t)(*pos >> PAGE_SHIFT);
	return done || !err ? done : kerr_code(err);
}

/* Bounded by the device: writing past its end is ENOSPC. */
static ssize_t bdev_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct block_device *b = file_bdev(f);
	loff_t size = (loff_t)block_bytes(b);
	ssize_t done = 0;
	kerr_t err = KERR(0);
	struct page *bounce;
	u8 *tmp;

	if (block_read_only(b))
		return -EPERM;
	if (it->count && *pos >= size)
		return -ENOSPC;
	bounce = page_alloc(GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;
	tmp = page_address(bounce);
	while (it->count && *pos < size) {
		struct buf *buf;
		u32 off;
		size_t n = step(PAGE_SIZE - ((size_t)*pos & (PAGE_SIZE - 1)), it->count, size - *pos), got;

		got = copy_from_iter(it, tmp, n);
		if (!got) {
			err = KERR(EFAULT);
			break;
		}
		for (size_t put = 0; put < got;) {
			size_t part;

			err = bdev_buf(b, *pos, got - put, true, &buf, &off);
			if (err)
				break;
			part = MIN((size_t)(buf->size - off), got - put);
			buf_lock(buf);
			memcpy((u8 *)buf->data + off, tmp + put, part);
			buf_overwritten(buf);
			buf_unlock(buf);
			buf_put(buf);
			put += part;
			*pos += (loff_t)part;
			done += (ssize_t)part;
		}
		if (err)
			break;
		if ((u64)load_relaxed(&b->ndirty) * b->block_size > DIRTY_LIMIT_BYTES) {
			err = buf_sync(b, true);
			if (err)
				break;
		}
		cond_resched();
	}
	page_put(bounce);
	if (done > 0 && (f->flags & (O_DSYNC | O_DIRECT))) {
		kerr_t sync_err = buf_sync(b, true);

		if (!sync_err)
			sync_err = block_flush(b);
		if (sync_err)
			return kerr_code(sync_err);
	}
	return done || !err ? done : kerr_code(err);
}

static loff_t bdev_llseek(struct file *f, loff_t off, int whence)
{
	return fixed_size_llseek(f, off, whence, (loff_t)block_bytes(file_bdev(f)));
}

static kerr_t bdev_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	kerr_t err = buf_sync(file_bdev(f), true);

	(void)start;
	(void)end;
	(void)datasync;
	return err ? err : block_flush(file_bdev(f));
}

/* ---------------------------------------------------------------- ioctl */
struct hd_geometry {
	u8 heads, sectors;
	u16 cylinders;
	unsigned long start;
};

static long ioctl_geometry(struct block_device *b, void __user *arg)
{
	struct hd_geometry g = { .heads = 255, .sectors = 63, .start = (unsigned long)b->start };
	kerr_t err;

	g.cylinders = (u16)MIN(div_u64(b->disk->sectors, 255 * 63), (u64)65535);
	err = copy_to_user(arg, &g, sizeof(g));
	return kerr_code(err);
}

static long put_int(void __user *arg, int v)
{
	kerr_t err = copy_to_user(arg, &v, sizeof(v));

	return kerr_code(err);
}

static long ioctl_set_size(struct block_device *b, const void __user *arg)
{
	kerr_t err;
	int size;

	err = copy_from_user(&size, arg, sizeof(size));
	if (err)
		return kerr_code(err);
	if (b->holder)
		return -EBUSY;
	err = size > 0 ? block_set_size(b, (u32)size) : KERR(EINVAL);
	return kerr_code(err);
}

static long ioctl_discard(struct block_device *b, const void __user *arg)
{
	u64 range[2];
	kerr_t err = copy_from_user(range, arg, sizeof(range));

	if (err)
		return kerr_code(err);
	if (!b->disk->has_discard)
		return -EOPNOTSUPP;
	if (block_read_only(b))
		return -EPERM;
	if (((range[0] | range[1]) & (b->disk->logical_block - 1)) || range[0] > block_bytes(b) || range[1] > block_bytes(b) - range[0])
		return -EINVAL;
	err = buf_sync(b, true);
	(void)buf_invalidate(b);
	if (!err)
		err = block_discard(b, range[0], range[1]);
	return kerr_code(err);
}

/* Questions answered by one int. false: none of these. */
static bool ioctl_int(struct block_device *b, unsigned cmd, int *v)
{
	switch (cmd) {
	case BLKROGET:
		*v = block_read_only(b);
		return true;
	case BLKSSZGET:
	case BLKPBSZGET:
	case BLKIOMIN:
		*v = (int)b->disk->logical_block;
		return true;
	case BLKBSZGET:
		*v = (int)b->block_size;
		return true;
	case BLKIOOPT:
	case BLKALIGNOFF:
	case BLKDISCARDZEROES:
		*v = 0;
		return true;
	default:
		return false;
	}
}

static long ioctl_admin(struct block_device *b, unsigned cmd, unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	kerr_t err;
	int v;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	switch (cmd) {
	case BLKROSET:
		err = copy_from_user(&v, uarg, sizeof(v));
		if (!err)
			b->read_only = v != 0;
		return kerr_code(err);
	case BLKFLSBUF:
		err = buf_sync(b, true);
		(void)buf_invalidate(b);
		return kerr_code(err);
	case BLKRASET:
		b->readahead = (u32)arg;
		return 0;
	case BLKBSZSET:
		return ioctl_set_size(b, uarg);
	default: /* BLKRRPART */
		if (b->partno)
			return -EINVAL;
		err = disk_rescan(b->disk);
		return kerr_code(err);
	}
}

static long bdev_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct block_device *b = file_bdev(f);
	void __user *uarg = (void __user *)arg;
	unsigned long word;
	kerr_t err;
	u64 bytes;
	u16 half;
	int v;

	if (ioctl_int(b, cmd, &v))
		return put_int(uarg, v);
	switch (cmd) {
	case BLKGETSIZE:
		if (b->sectors > ULONG_MAX)
			return -EFBIG;
		word = (unsigned long)b->sectors;
		err = copy_to_user(uarg, &word, sizeof(word));
		return kerr_code(err);
	case BLKGETSIZE64:
		bytes = block_bytes(b);
		err = copy_to_user(uarg, &bytes, sizeof(bytes));
		return kerr_code(err);
	case BLKRAGET:
		word = b->readahead;
		err = copy_to_user(uarg, &word, sizeof(word));
		return kerr_code(err);
	case BLKSECTGET:
	case BLKROTATIONAL:
		half = cmd == BLKSECTGET ? (u16)MIN(b->disk->max_sectors, 65535u) : (u16)b->disk->rotational;
		err = copy_to_user(uarg, &half, sizeof(half));
		return kerr_code(err);
	case BLKDISCARD:
		return f->mode & FMODE_WRITE ? ioctl_discard(b, uarg) : -EBADF;
	case HDIO_GETGEO:
		return ioctl_geometry(b, uarg);
	case BLKROSET:
	case BLKFLSBUF:
	case BLKRASET:
	case BLKBSZSET:
	case BLKRRPART:
		return ioctl_admin(b, cmd, arg);
	default:
		return b->disk->ops->ioctl ? b->disk->ops->ioctl(b->disk, cmd, arg) : -ENOIOCTLCMD;
	}
}

const struct file_ops block_fops = {
	.open = bdev_open,
	.release = bdev_release,
	.read_iter = bdev_read,
	.write_iter = bdev_write,
	.llseek = bdev_llseek,
	.fsync = bdev_fsync,
	.ioctl = bdev_ioctl,
};
