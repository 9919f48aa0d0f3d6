/* SPDX-License-Identifier: MIT */
/*
 * Pipes and FIFOs: a ring of pages. Follows pipe(7), fifo(7), splice(2).
 *
 * A write of up to a page goes whole into one slot (or into the rest of the newest one), which makes it atomic. The ring has twice as many
 * slots as may be used, so that a splice finds room for what it has read. One emptied page is kept for the next write.
 * A splice out of a pipe writes from the oldest slot without pipe.mutex; until it is done nobody else takes from the pipe (lent).
 * Locking: pipe.mutex; head and tail are also read without it to decide about sleeping. f->priv of a reader counts the writers seen at open:
 * a FIFO that never had a writer is not hung up.
 */
#include "vfs_priv.h"

#define PIPE_DEF_SLOTS 16u
#define PIPE_MAX_SIZE (1u << 20)

struct pipe_buf {
	struct page *page;
	u16 off, len;
	bool packet; /* its rest is thrown away by a short read */
};
struct pipe {
	struct mutex mutex;
	u32 head, tail;		/* [mutex] slots filled in all, slots emptied in all */
	u32 limit, mask;	/* [mutex] slots to use; slots there are, less one */
	struct pipe_buf *ring;	/* [mutex] */
	struct page *spare;	/* [mutex] */
	unsigned readers, writers; /* [mutex] open files */
	unsigned files;		/* [inode.lock] */
	u32 r_counter, w_counter; /* [mutex] opens so far */
	bool lent;		/* [mutex] the oldest slot is being written elsewhere */
	struct wait_queue rd, wr, given_back;
	struct fasync_queue rd_async, wr_async;
	struct pipe_buf first_ring[2 * PIPE_DEF_SLOTS];
};

static struct pipe *pipe_alloc(void)
{
	struct pipe *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	mutex_init(&p->mutex, RANK_PIPE, "pipe");
	wait_queue_init(&p->rd);
	wait_queue_init(&p->wr);
	wait_queue_init(&p->given_back);
	fasync_queue_init(&p->rd_async);
	fasync_queue_init(&p->wr_async);
	p->limit = PIPE_DEF_SLOTS;
	p->mask = ARRAY_SIZE(p->first_ring) - 1;
	p->ring = p->first_ring;
	return p;
}

static void pipe_free(struct pipe *p)
{
	while (p->tail != p->head)
		page_put(p->ring[p->tail++ & p->mask].page);
	if (p->spare)
		page_put(p->spare);
	if (p->ring != p->first_ring)
		kfree(p->ring);
	kfree(p);
}

struct pipe *pipe_of(struct file *f)
{
	return S_ISFIFO(f->inode->mode) && f->ops == &fifo_fops ? f->inode->pipe : NULL;
}

static inline bool pipe_empty(const struct pipe *p)
{
	return load_relaxed(&p->head) == load_relaxed(&p->tail);
}

static inline bool pipe_full(const struct pipe *p)
{
	return load_relaxed(&p->head) - load_relaxed(&p->tail) >= load_relaxed(&p->limit);
}

static inline void wake_readers(struct pipe *p)
{
	if (wait_queue_active(&p->rd))
		wake_up_n(&p->rd, 0, EPOLLIN | EPOLLRDNORM);
	fasync_notify(&p->rd_async, POLL_IN);
}

static inline void wake_writers(struct pipe *p)
{
	if (wait_queue_active(&p->wr))
		wake_up_n(&p->wr, 0, EPOLLOUT | EPOLLWRNORM);
	fasync_notify(&p->wr_async, POLL_OUT);
}

static void slot_done(struct pipe *p, struct pipe_buf *b)
{
	if (!p->spare && atomic_read(&b->page->refs) == 1)
		p->spare = b->page;
	else
		page_put(b->page);
	b->page = NULL;
	store_relaxed(&p->tail, p->tail + 1);
}

/* Moves what there is into the iterator. mutex held. */
static ssize_t drain(struct pipe *p, struct iov_iter *it)
{
	ssize_t done = 0;

	while (p->tail != p->head && it->count) {
		struct pipe_buf *b = &p->ring[p->tail & p->mask];
		size_t want = MIN((size_t)b->len, it->count);
		size_t n = copy_to_iter(it, (u8 *)page_address(b->page) + b->off, want);
		bool packet = b->packet;

		done += (ssize_t)n;
		b->off += (u16)n;
		b->len -= (u16)n;
		if (n < want)
			return done ? done : -EFAULT;
		if (!b->len || packet)
			slot_done(p, b);
		if (packet)
			break;
	}
	return done;
}

/* Takes pipe.mutex to take from the pipe. */
static void lock_to_take(struct pipe *p) ACQUIRES(p->mutex)
{
	mutex_lock(&p->mutex);
	while (unlikely(p->lent)) {
		mutex_unlock(&p->mutex);
		wait_event(&p->given_back, !load_relaxed(&p->lent));
		mutex_lock(&p->mutex);
	}
}

static ssize_t pipe_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pipe *p = f->inode->pipe;
	ssize_t ret;

	(void)pos;
	if (unlikely(!it->count))
		return 0;
	lock_to_take(p);
	for (;;) {
		kerr_t err;

		ret = drain(p, it);
		if (ret || !p->writers)
			break;
		if (f->flags & O_NONBLOCK) {
			ret = -EAGAIN;
			break;
		}
		mutex_unlock(&p->mutex);
		err = wait_event_interruptible(&p->rd, !pipe_empty(p) || !load_relaxed(&p->writers));
		if (err)
			return kerr_code(err);
		lock_to_take(p);
	}
	mutex_unlock(&p->mutex);
	if (ret > 0) {
		wake_writers(p);
		file_accessed(f);
	}
	return ret;
}

/* Fills the rest of the newest slot if the whole of n fits. mutex held. */
static size_t merge(struct pipe *p, struct iov_iter *it, size_t n)
{
	struct pipe_buf *b = &p->ring[(p->head - 1) & p->mask];
	size_t moved;

	if (b->packet || b->off + b->len + n > PAGE_SIZE || atomic_read(&b->page->refs) != 1)
		return 0;
	moved = copy_from_iter(it, (u8 *)page_address(b->page) + b->off + b->len, n);
	b->len += (u16)moved;
	return moved;
}

/* One new slot. mutex held. Bytes, or -errno. */
static ssize_t fill_slot(struct pipe *p, struct iov_iter *it, bool packet)
{
	struct pipe_buf *b = &p->ring[p->head & p->mask];
	size_t want = MIN(it->count, PAGE_SIZE), n;
	struct page *page = p->spare;

	p->spare = NULL;
	if (!page)
		page = page_alloc(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	n = copy_from_iter(it, page_address(page), want);
	if (!n) {
		p->spare = page;
		return -EFAULT;
	}
	*b = (struct pipe_buf) { .page = page, .off = 0, .len = (u16)n, .packet = packet };
	store_relaxed(&p->head, p->head + 1);
	return (ssize_t)n;
}

static ssize_t pipe_no_reader(void)
{
	kerr_t lost = signal_send_task(current, SIGPIPE, NULL);

	(void)lost;
	return -EPIPE;
}

static ssize_t pipe_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pipe *p = f->inode->pipe;
	bool packet = f->flags & O_DIRECT;
	size_t chars = it->count & (PAGE_SIZE - 1);
	ssize_t done = 0, n;

	(void)pos;
	if (unlikely(!it->count))
		return 0;
	mutex_lock(&p->mutex);
	if (p->readers && chars && p->tail != p->head && !packet)
		done = (ssize_t)merge(p, it, chars);
	while (it->count) {
		kerr_t err;

		if (!p->readers) {
			n = pipe_no_reader();
			goto stop;
		}
		if (!pipe_full(p)) {
			n = fill_slot(p, it, packet);
			if (n < 0)
				goto stop;
			done += n;
			continue;
		}
		n = -EAGAIN;
		if (f->flags & O_NONBLOCK)
			goto stop;
		mutex_unlock(&p->mutex);
		wake_readers(p);
		err = wait_event_interruptible(&p->wr, !pipe_full(p) || !load_relaxed(&p->readers));
		if (err)
			return done ? done : kerr_code(err);
		mutex_lock(&p->mutex);
		continue;
stop:
		if (!done)
			done = n;
		break;
	}
	mutex_unlock(&p->mutex);
	if (done > 0) {
		wake_readers(p);
		if (f->path.mnt != vfs()->pipe_mnt)
			inode_touch(f->inode, ATTR_MTIME | ATTR_CTIME);
	}
	return done;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->inode->pipe;
	u32 mask = 0;

	if (f->mode & FMODE_READ)
		poll_wait(pt, f, &p->rd);
	if (f->mode & FMODE_WRITE)
		poll_wait(pt, f, &p->wr);
	if (f->mode & FMODE_READ) {
		if (!pipe_empty(p))
			mask |= EPOLLIN | EPOLLRDNORM;
		if (!load_relaxed(&p->writers) && (u32)(uintptr_t)f->priv != p->w_counter)
			mask |= EPOLLHUP;
	}
	if (f->mode & FMODE_WRITE) {
		if (!pipe_full(p))
			mask |= EPOLLOUT | EPOLLWRNORM;
		if (!load_relaxed(&p->readers))
			mask |= EPOLLERR;
	}
	return mask;
}

static long pipe_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct pipe *p = f->inode->pipe;
	int n = 0;

	if (cmd != 0x541b) /* FIONREAD */
		return -ENOIOCTLCMD;
	mutex_lock(&p->mutex);
	for (u32 i = p->tail; i != p->head; i++)
		n += p->ring[i & p->mask].len;
	mutex_unlock(&p->mutex);
	return kerr_code(put_user(n, (int __user *)arg));
}

static void pipe_release(struct inode *inode, struct file *f)
{
	struct pipe *p = inode->pipe;
	bool last, one_side;

	mutex_lock(&p->mutex);
	if (f->mode & FMODE_READ)
		p->readers--;
	if (f->mode & FMODE_WRITE)
		p->writers--;
	one_side = !p->readers != !p->writers;
	mutex_unlock(&p->mutex);
	wake_up_n(&p->rd, 0, EPOLLIN | EPOLLRDNORM | EPOLLHUP | EPOLLERR);
	wake_up_n(&p->wr, 0, EPOLLOUT | EPOLLWRNORM | EPOLLHUP | EPOLLERR);
	if (one_side) {
		fasync_notify(&p->rd_async, POLL_IN);
		fasync_notify(&p->wr_async, POLL_OUT);
	}
	spin_lock(&inode->lock);
	last = --p->files == 0;
	if (last)
		inode->pipe = NULL;
	spin_unlock(&inode->lock);
	if (last)
		pipe_free(p);
}

/* The FIFO's pipe, made by the first that opens it. Counted. */
static struct pipe *fifo_get(struct inode *inode)
{
	struct pipe *fresh = NULL, *p;

	for (;;) {
		spin_lock(&inode->lock);
		if (!inode->pipe)
			inode->pipe = fresh;
		p = inode->pipe;
		if (p)
			p->files++;
		spin_unlock(&inode->lock);
		if (p) {
			if (fresh && fresh != p)
				pipe_free(fresh);
			return p;
		}
		fresh = pipe_alloc();
		if (!fresh)
			return NULL;
	}
}

/* The other side shows up: its counter moves. The mutex is dropped meanwhile. */
static kerr_t fifo_wait(struct pipe *p, struct wait_queue *q, const u32 *counter) REQUIRES(p->mutex)
{
	u32 seen = *counter;
	kerr_t err;

	mutex_unlock(&p->mutex);
	err = wait_event_interruptible(q, load_relaxed(counter) != seen);
	mutex_lock(&p->mutex);
	return err;
}

static kerr_t fifo_open(struct inode *inode, struct file *f)
{
	bool named = inode->sb != vfs()->pipe_mnt->sb; /* a pipe of pipe(2) can be opened through /proc/PID/fd: that waits for nobody */
	struct pipe *p;
	kerr_t err = 0;

	if (!(f->mode & (FMODE_READ | FMODE_WRITE)))
		return KERR(EINVAL);
	p = fifo_get(inode);
	if (!p)
		return KERR(ENOMEM);
	f->mode |= FMODE_STREAM;
	f->priv = NULL;
	mutex_lock(&p->mutex);
	if (named && (f->mode & FMODE_WRITE) && !(f->mode & FMODE_READ) && (f->flags & O_NONBLOCK) && !p->readers) {
		f->mode &= ~(FMODE_READ | FMODE_WRITE);
		err = KERR(ENXIO);
	} else {
		if (f->mode & FMODE_READ) {
			p->r_counter++;
			p->readers++;
			wake_up_all(&p->wr);
		}
		if (f->mode & FMODE_WRITE) {
			p->w_counter++;
			p->writers++;
			wake_up_all(&p->rd);
		}
		if (named && !(f->mode & FMODE_WRITE) && !p->writers) {
			if (f->flags & O_NONBLOCK)
				f->priv = (void *)(uintptr_t)p->w_counter;
			else
				err = fifo_wait(p, &p->rd, &p->w_counter);
		} else if (named && !(f->mode & FMODE_READ) && !p->readers) {
			err = fifo_wait(p, &p->wr, &p->r_counter);
		}
	}
	mutex_unlock(&p->mutex);
	if (err)
		pipe_release(inode, f);
	return err;
}

static kerr_t pipe_fasync(int fd, struct file *f, bool on)
{
	struct pipe *p = f->inode->pipe;
	kerr_t err = 0;

	if (f->mode & FMODE_READ)
		err = fasync_set(fd, f, &p->rd_async, on);
	if (!err && (f->mode & FMODE_WRITE))
		err = fasync_set(fd, f, &p->wr_async, on);
	if (err && on && (f->mode & FMODE_WRITE) && (f->mode & FMODE_READ)) {
		kerr_t gone = fasync_set(fd, f, &p->rd_async, false);

		(void)gone;
	}
	return err;
}

static kerr_t pipe_set_flags(struct file *f, unsigned flags)
{
	(void)f;
	(void)flags;
	return 0;
}

const struct file_ops fifo_fops = {
	.open = fifo_open,
	.release = pipe_release,
	.read_iter = pipe_read,
	.write_iter = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.set_flags = pipe_set_flags,
	.fasync = pipe_fasync,
};

/* ---------------------------------------------------------------- pipe(2) */
static size_t pipe_dname(struct dentry *d, char *buf, size_t size)
{
	return (size_t)ksnprintf(buf, size, "pipe:[%llu]", (unsigned long long)d->inode->ino);
}

static const struct dentry_ops pipe_dentry_ops = { .dname = pipe_dname };

static kerr_t pipe_inode_make(struct dentry **out)
{
	struct pipe *p = pipe_alloc();
	kerr_t err = p ? pseudo_dentry(vfs()->pipe_mnt, S_IFIFO | 0600, &pipe_dentry_ops, out) : KERR(ENOMEM);

	if (!err)
		(*out)->inode->pipe = p;
	else if (p)
		pipe_free(p);
	return err;
}

static void pipe_file_fill(struct file *f, struct dentry *d, u32 flags)
{
	f->path = (struct path) { mount_get(vfs()->pipe_mnt), d };
	f->inode = d->inode;
	f->flags = flags;
	f->mode = ((flags + 1) & O_ACCMODE) | FMODE_STREAM;
	f->ops = &fifo_fops;
}

kerr_t do_pipe(struct file *out[2], unsigned flags)
{
	struct file *r = file_alloc(), *w = file_alloc();
	struct dentry *d;
	struct pipe *p;
	kerr_t err = r && w ? pipe_inode_make(&d) : KERR(ENFILE);

	if (err) {
		if (r)
			file_put(r);
		if (w)
			file_put(w);
		return err;
	}
	p = d->inode->pipe;
	p->readers = p->writers = p->r_counter = p->w_counter = 1;
	p->files = 2;
	pipe_file_fill(r, d, O_RDONLY | (flags & O_NONBLOCK));
	pipe_file_fill(w, dentry_get(d), O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
	out[0] = r;
	out[1] = w;
	return 0;
}

long pipe_get_size(struct file *f)
{
	struct pipe *p = pipe_of(f);

	return p ? (long)(p->limit * PAGE_SIZE) : -EBADF;
}

long pipe_set_size(struct file *f, size_t size)
{
	struct pipe *p = pipe_of(f);
	struct pipe_buf *ring, *old;
	u32 slots = 1, used;

	if (!p)
		return -EBADF;
	if (!size || size > (1u << 31))
		return -EINVAL;
	if (size > PIPE_MAX_SIZE && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	while (slots * PAGE_SIZE < size)
		slots *= 2;
	ring = kzalloc(2 * slots * sizeof(*ring), GFP_KERNEL);
	if (!ring)
		return -ENOMEM;
	mutex_lock(&p->mutex);
	used = p->head - p->tail;
	if (used > slots) {
		mutex_unlock(&p->mutex);
		kfree(ring);
		return -EBUSY;
	}
	for (u32 i = 0; i < used; i++)
		ring[i] = p->ring[(p->tail + i) & p->mask];
	old = p->ring;
	p->ring = ring;
	p->mask = 2 * slots - 1;
	p->tail = 0;
	p->head = used;
	p->limit = slots;
	mutex_unlock(&p->mutex);
	if (old != p->first_ring)
		kfree(old);
	wake_writers(p);
	return (long)(slots * PAGE_SIZE);
}

/* ---------------------------------------------------------------- splice */
/* Waits until there is something (or nobody will write): 1 data, 0 end, -errno. Under lock_to_take(), dropped meanwhile. */
static long splice_wait_data(struct pipe *p, bool nonblock) REQUIRES(p->mutex)
{
	while (p->tail == p->head) {
		kerr_t err;

		if (!p->writers)
			return 0;
		if (nonblock)
			return -EAGAIN;
		mutex_unlock(&p->mutex);
		err = wait_event_interruptible(&p->rd, !pipe_empty(p) || !load_relaxed(&p->writers));
		lock_to_take(p);
		if (err)
			return kerr_code(err);
	}
	return 1;
}

/* The oldest slot comes back, so much shorter. */
static void give_back(struct pipe *p, size_t taken)
{
	struct pipe_buf *b;

	mutex_lock(&p->mutex);
	b = &p->ring[p->tail & p->mask];
	b->off += (u16)taken;
	b->len -= (u16)taken;
	if (!b->len)
		slot_done(p, b);
	store_relaxed(&p->lent, false);
	mutex_unlock(&p->mutex);
	wake_up_all(&p->given_back);
	if (taken)
		wake_writers(p);
}

/* One slot at a time is written; it stays where it is meanwhile. */
ssize_t pipe_splice_from(struct file *in, struct file *out, loff_t *pos, size_t n, bool nonblock)
{
	struct pipe *p = in->inode->pipe;
	ssize_t done = 0;

	while (n) {
		const struct pipe_buf *b;
		struct iov_iter it;
		size_t want;
		ssize_t wrote;
		long ready;

		lock_to_take(p);
		ready = splice_wait_data(p, nonblock || done);
		if (ready != 1) {
			mutex_unlock(&p->mutex);
			return done ? done : ready;
		}
		b = &p->ring[p->tail & p->mask];
		want = MIN((size_t)b->len, n);
		iov_iter_kernel(&it, (u8 *)page_address(b->page) + b->off, want, false);
		p->lent = true;
		mutex_unlock(&p->mutex);
		wrote = vfs_write(out, &it, pos);
		give_back(p, wrote > 0 ? (size_t)wrote : 0);
		if (wrote < 0)
			return done ? done : wrote;
		done += wrote;
		n -= (size_t)wrote;
		if ((size_t)wrote < want)
			break;
	}
	return done;
}

/* Room for one slot: 1, or -errno. The mutex is dropped meanwhile. */
static long splice_wait_room(struct pipe *p, bool nonblock) REQUIRES(p->mutex)
{
	for (;;) {
		kerr_t err;

		if (!p->readers)
			return pipe_no_reader();
		if (!pipe_full(p))
			return 1;
		if (nonblock)
			return -EAGAIN;
		mutex_unlock(&p->mutex);
		err = wait_event_interruptible(&p->wr, !pipe_full(p) || !load_relaxed(&p->readers));
		mutex_lock(&p->mutex);
		if (err)
			return kerr_code(err);
	}
}

/* A stream is waited for only at the start; a socket not even then if the call is nonblocking. */
static bool splice_would_wait(struct file *in, bool nonblock, ssize_t done)
{
	if (!(in->mode & FMODE_STREAM) || !(done || (nonblock && S_ISSOCK(in->inode->mode))))
		return false;
	return !(vfs_poll(in, NULL) & (EPOLLIN | EPOLLHUP | EPOLLERR));
}

ssize_t pipe_splice_to(struct file *in, loff_t *pos, struct file *out, size_t n, bool nonblock)
{
	struct pipe *p = out->inode->pipe;
	ssize_t done = 0;

	while (n) {
		struct page *page;
		struct iov_iter it;
		ssize_t got;
		long room;

		mutex_lock(&p->mutex);
		room = splice_wait_room(p, nonblock || done);
		mutex_unlock(&p->mutex);
		if (room != 1)
			return done ? done : room;
		if (splice_would_wait(in, nonblock, done))
			return done ? done : -EAGAIN;
		page = page_alloc(GFP_KERNEL);
		if (!page)
			return done ? done : -ENOMEM;
		iov_iter_kernel(&it, page_address(page), MIN(n, PAGE_SIZE), true);
		got = vfs_read(in, &it, pos);
		if (got <= 0) {
			page_put(page);
			return done ? done : got;
		}
		mutex_lock(&p->mutex);
		/* Others may have filled the room meanwhile: the spare slots take it. */
		while (p->head - p->tail > p->mask) {
			mutex_unlock(&p->mutex);
			wait_event(&p->wr, !pipe_full(p) || !load_relaxed(&p->readers));
			mutex_lock(&p->mutex);
			if (!p->readers)
				break;
		}
		if (p->head - p->tail <= p->mask) {
			p->ring[p->head & p->mask] = (struct pipe_buf) { .page = page, .len = (u16)got };
			store_relaxed(&p->head, p->head + 1);
		} else {
			page_put(page);
		}
		mutex_unlock(&p->mutex);
		wake_readers(p);
		done += got;
		n -= (size_t)got;
		if ((size_t)got < PAGE_SIZE)
			break;
	}
	return done;
}

/* tee (keep) and splice between pipes: pages are shared, not copied. */
ssize_t pipe_to_pipe(struct file *in, struct file *out, size_t n, bool nonblock, bool keep)
{
	struct pipe *a = in->inode->pipe, *b = out->inode->pipe, *first = a < b ? a : b, *second = a < b ? b : a;
	ssize_t done = 0;
	long ready;
	u32 at;

	if (a == b)
		return -EINVAL;
	for (;;) {
		lock_to_take(a);
		ready = splice_wait_data(a, nonblock);
		mutex_unlock(&a->mutex);
		if (ready != 1)
			return ready;
		mutex_lock(&b->mutex);
		ready = splice_wait_room(b, nonblock);
		mutex_unlock(&b->mutex);
		if (ready != 1)
			return ready;
		mutex_lock(&first->mutex);
		mutex_lock_nested(&second->mutex);
		if (!a->lent && a->tail != a->head && !pipe_full(b))
			break;
		mutex_unlock(&second->mutex);
		mutex_unlock(&first->mutex);
	}
	for (at = a->tail; n && at != a->head && !pipe_full(b); at++) {
		struct pipe_buf *src = &a->ring[at & a->mask], *dst = &b->ring[b->head & b->mask];
		u16 len = (u16)MIN((size_t)src->len, n);

		*dst = *src;
		dst->len = len;
		page_get(src->page);
		store_relaxed(&b->head, b->head + 1);
		done += len;
		n -= len;
		if (keep)
			continue;
		src->off += len;
		src->len -= len;
		if (!src->len)
			slot_done(a, src);
	}
	mutex_unlock(&second->mutex);
	mutex_unlock(&first->mutex);
	wake_readers(b);
	if (!keep)
		wake_writers(a);
	return done;
}
