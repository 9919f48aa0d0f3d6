/* SPDX-License-Identifier: MIT */
/*
 * Loop devices: files as disks (loop(4), losetup(8)). /dev/loop-control makes them as they are asked for; a thread of each that is bound reads and writes
 * the file, through its page cache, so that both agree. No partitions, no encryption, no direct I/O: what asks for them is refused.
 *
 *   LOOP_CONFIGURE: file, offset, limit -> size of the disk, worker -> requests: loop_submit() -> worker -> file_read_kernel(), file_write_kernel()
 *   LOOP_CLR_FD, or the last user of one with LO_FLAGS_AUTOCLEAR: worker stopped, file put
 *
 * Locking: block.loop_mutex for the table; loop.mutex for what a loop is bound to; loop.queue_lock for requests on their way to the worker.
 */
#include <maestro/block.h>
#include <maestro/dev.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/sched.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "block_priv.h"

#define LOOP_MAJOR 7u
#define MISC_MAJOR 10u
#define LOOP_CONTROL_MINOR 237u
enum { LOOP_SET_FD = 0x4c00, LOOP_CLR_FD, LOOP_SET_STATUS64 = 0x4c04, LOOP_GET_STATUS64, LOOP_CHANGE_FD, LOOP_SET_CAPACITY, LOOP_SET_DIRECT_IO,
       LOOP_SET_BLOCK_SIZE, LOOP_CONFIGURE, LOOP_CTL_ADD = 0x4c80, LOOP_CTL_REMOVE, LOOP_CTL_GET_FREE };
enum { LO_READ_ONLY = 1, LO_AUTOCLEAR = 4, LO_PARTSCAN = 8, LO_DIRECT_IO = 16 };
#define LO_SETTABLE LO_AUTOCLEAR /* by LOOP_SET_STATUS64 */
#define LO_KNOWN (LO_READ_ONLY | LO_AUTOCLEAR)

struct loop_info64 {
	u64 device, inode, rdevice, offset, sizelimit;
	u32 number, encrypt_type, encrypt_key_size, flags;
	u8 file_name[64], crypt_name[64], encrypt_key[32];
	u64 init[2];
};
STATIC_ASSERT(sizeof(struct loop_info64) == 232);
struct loop_config {
	u32 fd, block_size;
	struct loop_info64 info;
	u64 reserved[8];
};
STATIC_ASSERT(sizeof(struct loop_config) == 304);

struct loop {
	struct disk disk;
	unsigned number; /* [c] */
	struct mutex mutex; /* RANK_LOOP */
	/* [mutex] */
	struct file *file; /* a reference; NULL: not bound */
	u64 offset, sizelimit;
	u32 flags;
	u8 name[64];
	struct task *worker;
	/* [queue_lock] RANK_BLOCK_QUEUE, irqsave */
	struct spinlock queue_lock;
	struct list requests; /* struct request.node */
	struct wait_queue wait;
};

static struct loop *loop_of(struct disk *d)
{
	return d->driver;
}

static struct block_device *whole(struct loop *l)
{
	return list_first(&l->disk.parts, struct block_device, node);
}

/* ---------------------------------------------------------------- requests */

static kerr_t loop_submit(struct disk *d, struct request *rq)
{
	struct loop *l = loop_of(d);
	unsigned long flags = spin_lock_irqsave(&l->queue_lock);

	list_add_tail(&l->requests, &rq->node);
	spin_unlock_irqrestore(&l->queue_lock, flags);
	wake_up_all(&l->wait);
	return KERR(0);
}

static struct request *next_request(struct loop *l)
{
	unsigned long flags = spin_lock_irqsave(&l->queue_lock);
	struct request *rq = list_empty(&l->requests) ? NULL : list_first(&l->requests, struct request, node);

	if (rq)
		list_del(&rq->node);
	spin_unlock_irqrestore(&l->queue_lock, flags);
	return rq;
}

/* A file that became shorter reads as zeros; so a disk would, or worse. */
static int move(struct loop *l, const struct bio_vec *v, bool write, loff_t pos)
{
	u8 *at = page_map(v->page);
	ssize_t n = write ? file_write_kernel(l->file, at + v->off, v->len, pos) : file_read_kernel(l->file, at + v->off, v->len, pos);
	int status = n < 0 ? (int)n : write && n < (ssize_t)v->len ? -EIO : 0;

	if (!status && !write && n < (ssize_t)v->len)
		memset(at + v->off + n, 0, v->len - (size_t)n);
	page_unmap(at);
	return status;
}

static int serve(struct loop *l, const struct request *rq)
{
	loff_t pos = (loff_t)(l->offset + ((u64)rq->sector << SECTOR_SHIFT));
	const struct bio *b;
	int status = 0;

	if (!l->file)
		return -EIO;
	if (rq->op == BIO_FLUSH)
		return kerr_code(vfs_fsync(l->file, 0, S64_MAX, true));
	if (rq->op != BIO_READ && rq->op != BIO_WRITE)
		return -EOPNOTSUPP;
	list_for_each(b, &rq->bios, node)
		for (unsigned i = 0; i < b->nvecs && !status; i++) {
			status = move(l, &b->vecs[i], rq->op == BIO_WRITE, pos);
			pos += b->vecs[i].len;
		}
	return status;
}

static bool has_request(struct loop *l)
{
	unsigned long flags = spin_lock_irqsave(&l->queue_lock);
	bool has = !list_empty(&l->requests);

	spin_unlock_irqrestore(&l->queue_lock, flags);
	return has;
}

static void worker(void *arg)
{
	struct loop *l = arg;

	for (;;) {
		struct request *rq = next_request(l);
		kerr_t woken;

		if (rq) {
			request_end(rq, &l->disk, serve(l, rq));
			continue;
		}
		if (kthread_should_stop())
			return;
		woken = wait_event_interruptible(&l->wait, has_request(l) || kthread_should_stop());
		(void)woken;
	}
}

/* ---------------------------------------------------------------- binding; loop.mutex held */

static void set_capacity(struct loop *l)
{
	u64 size = l->file ? (u64)inode_size(l->file->inode) : 0;

	size = size > l->offset ? size - l->offset : 0;
	if (l->sizelimit && l->sizelimit < size)
		size = l->sizelimit;
	disk_set_sectors(&l->disk, size >> SECTOR_SHIFT);
}

static kerr_t check_info(const struct loop_info64 *i, u32 known)
{
	if (i->encrypt_type || i->encrypt_key_size || (i->flags & ~known))
		return KERR(EINVAL);
	return (s64)i->offset < 0 || (s64)i->sizelimit < 0 ? KERR(EOVERFLOW) : KERR(0);
}

static void take_info(struct loop *l, const struct loop_info64 *i, u32 settable)
{
	l->offset = i->offset;
	l->sizelimit = i->sizelimit;
	l->flags = (l->flags & ~settable) | (i->flags & settable);
	memcpy(l->name, i->file_name, sizeof(l->name));
	l->name[sizeof(l->name) - 1] = 0;
}

static kerr_t bind(struct loop *l, struct file *f, const struct loop_config *c)
{
	char name[16];
	kerr_t err = check_info(&c->info, LO_KNOWN);

	if (!err && l->file)
		err = KERR(EBUSY);
	if (!err && (!S_ISREG(f->inode->mode) || !f->ops->read_iter))
		err = KERR(EINVAL);
	if (!err && c->block_size && (c->block_size < SECTOR_SIZE || c->block_size > PAGE_SIZE || (c->block_size & (c->block_size - 1))))
		err = KERR(EINVAL);
	if (err)
		return err;
	ksnprintf(name, sizeof(name), "loop%u", l->number);
	l->file = f; /* the worker sees it: its first request comes after */
	err = kthread_create(&l->worker, worker, l, name);
	if (err) {
		l->file = NULL;
		return err;
	}
	take_info(l, &c->info, LO_KNOWN);
	if (!(f->mode & FMODE_WRITE))
		l->flags |= LO_READ_ONLY;
	l->disk.read_only = l->flags & LO_READ_ONLY;
	l->disk.logical_block = c->block_size ? c->block_size : SECTOR_SIZE;
	set_capacity(l);
	return KERR(0);
}

/* The file, for the caller to put when it holds no lock any more. */
static struct file *unbind(struct loop *l)
{
	struct block_device *b = whole(l);
	struct file *f = l->file;
	kerr_t err = buf_sync(b, true);

	(void)err; /* the log has it */
	(void)buf_invalidate(b);
	kthread_stop(l->worker); /* it does what is left first */
	l->worker = NULL;
	l->file = NULL;
	l->offset = l->sizelimit = 0;
	l->flags = 0;
	memset(l->name, 0, sizeof(l->name));
	l->disk.read_only = false;
	set_capacity(l);
	return f;
}

/* Nobody uses it any more. */
static void loop_idle(struct disk *d)
{
	struct loop *l = loop_of(d);
	struct file *gone = NULL;

	mutex_lock(&l->mutex);
	if (l->file && (l->flags & LO_AUTOCLEAR) && !block_in_use(whole(l)))
		gone = unbind(l);
	mutex_unlock(&l->mutex);
	if (gone)
		file_put(gone);
}

/* ---------------------------------------------------------------- ioctls of a loop */

static long configure(struct loop *l, const struct loop_config *c)
{
	struct file *f = fd_get((int)c->fd);
	kerr_t err;

	if (!f)
		return -EBADF;
	err = bind(l, f, c);
	if (err)
		file_put(f);
	return kerr_code(err);
}

static long configure_from_user(struct loop *l, const void __user *from)
{
	struct loop_config c;

	if (copy_from_user(&c, from, sizeof(c)))
		return -EFAULT;
	return configure(l, &c);
}

static long configure_fd(struct loop *l, int fd)
{
	struct loop_config c;

	memset(&c, 0, sizeof(c));
	c.fd = (u32)fd;
	return configure(l, &c);
}

/* While others have it open it goes with the last of them. */
static long clear(struct loop *l, struct file **gone)
{
	if (atomic_read(&whole(l)->openers) > 1 || whole(l)->holder)
		l->flags |= LO_AUTOCLEAR;
	else
		*gone = unbind(l);
	return 0;
}

static long set_status(struct loop *l, const void __user *from)
{
	struct loop_info64 i;
	kerr_t err;

	if (copy_from_user(&i, from, sizeof(i)))
		return -EFAULT;
	err = check_info(&i, ~0u & ~(u32)(LO_PARTSCAN | LO_DIRECT_IO));
	if (err)
		return kerr_code(err);
	err = buf_sync(whole(l), true);
	if (err)
		return kerr_code(err);
	(void)buf_invalidate(whole(l));
	take_info(l, &i, LO_SETTABLE);
	set_capacity(l);
	return 0;
}

/* As stat(2) has it. */
static u64 device_number(dev_t d)
{
	return (DEV_MINOR(d) & 0xff) | DEV_MAJOR(d) << 8 | (DEV_MINOR(d) & ~0xffu) << 12;
}

static long get_status(struct loop *l, void __user *to)
{
	struct loop_info64 i;

	memset(&i, 0, sizeof(i));
	i.device = device_number(l->file->inode->sb->dev);
	i.inode = l->file->inode->ino;
	i.offset = l->offset;
	i.sizelimit = l->sizelimit;
	i.number = l->number;
	i.flags = l->flags;
	memcpy(i.file_name, l->name, sizeof(i.file_name));
	return kerr_code(copy_to_user(to, &i, sizeof(i)));
}

static long set_block_size(struct loop *l, unsigned long size)
{
	kerr_t err;

	if (size < SECTOR_SIZE || size > PAGE_SIZE || (size & (size - 1)))
		return -EINVAL;
	err = buf_sync(whole(l), true);
	if (err)
		return kerr_code(err);
	if (!buf_invalidate(whole(l)))
		return -EAGAIN;
	l->disk.logical_block = (u32)size;
	set_capacity(l);
	return 0;
}

/* Of one that is bound. loop.mutex held */
static long bound_ioctl(struct loop *l, unsigned cmd, unsigned long arg, struct file **gone)
{
	switch (cmd) {
	case LOOP_GET_STATUS64:
		return get_status(l, (void __user *)arg);
	case LOOP_CLR_FD:
		return clear(l, gone);
	case LOOP_SET_STATUS64:
		return set_status(l, (const void __user *)arg);
	case LOOP_SET_CAPACITY:
		set_capacity(l);
		return 0;
	case LOOP_SET_BLOCK_SIZE:
		return set_block_size(l, arg);
	case LOOP_SET_DIRECT_IO:
		return arg ? -EINVAL : 0;
	default: /* LOOP_CHANGE_FD: of one that reads only, for install media */
		return -EINVAL;
	}
}

static long loop_ioctl(struct disk *d, unsigned cmd, unsigned long arg)
{
	struct loop *l = loop_of(d);
	struct file *gone = NULL;
	long ret;

	if (cmd < LOOP_SET_FD || cmd > LOOP_CONFIGURE || cmd == LOOP_SET_FD + 2 || cmd == LOOP_SET_FD + 3)
		return -ENOIOCTLCMD;
	if (cmd != LOOP_GET_STATUS64 && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&l->mutex);
	if (cmd == LOOP_CONFIGURE)
		ret = configure_from_user(l, (const void __user *)arg);
	else if (cmd == LOOP_SET_FD)
		ret = configure_fd(l, (int)arg);
	else
		ret = l->file ? bound_ioctl(l, cmd, arg, &gone) : -ENXIO;
	mutex_unlock(&l->mutex);
	if (gone)
		file_put(gone);
	return ret;
}

/* ---------------------------------------------------------------- /dev/loop-control */

static void loop_release(struct disk *d)
{
	kfree(loop_of(d));
}

static const struct disk_ops loop_ops = { .submit = loop_submit, .ioctl = loop_ioctl, .release = loop_release, .idle = loop_idle };

bool loop_status(const struct block_device *b, struct loop_status *out)
{
	struct loop *l;

	if (b->disk->ops != &loop_ops || b->partno)
		return false;
	l = loop_of(b->disk);
	mutex_lock(&l->mutex);
	*out = (struct loop_status){ l->file ? file_get(l->file) : NULL, l->offset, l->sizelimit, l->flags & LO_AUTOCLEAR };
	mutex_unlock(&l->mutex);
	return out->file;
}

/* block.loop_mutex held */
static long loop_add(unsigned n)
{
	struct loop **slot = &kernel()->block.loop[n], *l;
	kerr_t err;

	if (*slot)
		return -EEXIST;
	l = kzalloc(sizeof(*l), GFP_KERNEL);
	if (!l)
		return -ENOMEM;
	l->number = n;
	mutex_init(&l->mutex, RANK_LOOP, "loop");
	spin_init(&l->queue_lock, RANK_BLOCK_QUEUE, "loop.queue");
	list_init(&l->requests);
	wait_queue_init(&l->wait);
	ksnprintf(l->disk.name, sizeof(l->disk.name), "loop%u", n);
	l->disk.major = LOOP_MAJOR;
	l->disk.first_minor = n;
	l->disk.minors = 1;
	l->disk.logical_block = SECTOR_SIZE;
	l->disk.max_sectors = 256;
	l->disk.max_segs = 64;
	l->disk.queue_depth = 16;
	l->disk.has_flush = l->disk.no_partscan = true;
	l->disk.ops = &loop_ops;
	l->disk.driver = l;
	err = disk_register(&l->disk);
	if (err) {
		kfree(l);
		return kerr_code(err);
	}
	*slot = l;
	return (long)n;
}

static long loop_remove(unsigned n)
{
	struct loop *l = kernel()->block.loop[n];

	if (!l)
		return -ENODEV;
	if (l->file || block_in_use(whole(l)))
		return -EBUSY;
	kernel()->block.loop[n] = NULL;
	disk_unregister(&l->disk);
	return 0;
}

static long loop_free(void)
{
	unsigned n = 0;

	while (n < LOOP_MAX && kernel()->block.loop[n] && kernel()->block.loop[n]->file)
		n++;
	if (n == LOOP_MAX)
		return -ENOSPC;
	return kernel()->block.loop[n] ? (long)n : loop_add(n);
}

static long control_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct mutex *m = &kernel()->block.loop_mutex;
	long ret;

	(void)f;
	if (cmd < LOOP_CTL_ADD || cmd > LOOP_CTL_GET_FREE)
		return -ENOIOCTLCMD;
	if (cmd != LOOP_CTL_GET_FREE && arg >= LOOP_MAX)
		return -EINVAL;
	mutex_lock(m);
	if (cmd == LOOP_CTL_ADD)
		ret = loop_add((unsigned)arg);
	else
		ret = cmd == LOOP_CTL_REMOVE ? loop_remove((unsigned)arg) : loop_free();
	mutex_unlock(m);
	return ret;
}

static const struct file_ops control_fops = { .ioctl = control_ioctl };

kerr_t loop_init(void)
{
	kerr_t err = chrdev_register(MISC_MAJOR, LOOP_CONTROL_MINOR, 1, "misc", &control_fops);

	mutex_init(&kernel()->block.loop_mutex, RANK_LOOPS, "loops");
	return err ? err : dev_node_add("loop-control", S_IFCHR | 0660, DEV(MISC_MAJOR, LOOP_CONTROL_MINOR));
}
