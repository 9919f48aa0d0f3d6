/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous I/O (io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2)).
 *
 * A context's events stand in a ring that the program has mapped too, with the head that readers move and the tail that the kernel moves, so that a library
 * may take events without a call. The ring is an unnamed shmem file; its address is the context's number. Reading, writing and syncing are done when
 * they are submitted (as Linux does for what is not O_DIRECT); only IOCB_CMD_POLL waits, on the wait queues of its file, and ends in a work item.
 *
 * Locking: mm.aio_lock for an address space's list of contexts; a context's mutex for ring and events; its spinlock for the requests under way.
 */
#include <maestro/aio.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/shmem.h>

#include "vfs_priv.h"

#define RING_MAGIC 0xa10a10a1u
#define KEY 0u

struct ring_head { /* struct aio_ring, as libaio knows it */
	u32 id, nr, head, tail, magic, compat, incompat, length;
};
_Static_assert(sizeof(struct ring_head) == 32, "libaio");

struct aio_context {
	struct list node; /* [mm.aio_lock] */
	struct atomic refs;
	uaddr_t id; /* [c] where the ring is mapped */
	u32 slots;  /* [c] of the ring; one stays empty */
	u32 charged; /* [c] events, against aio-max-nr */
	struct file *ring; /* [c] */
	struct wait_queue wait; /* for events */
	u32 completed; /* [a] counts events, for those who wait */
	struct mutex mutex; /* RANK_EVENTS */
	u32 tail; /* [mutex] */
	/* [lock] */
	struct spinlock lock; /* RANK_SPIN_OUTER */
	struct list active; /* struct aio_poll */
	u32 in_flight; /* submitted, their events not yet taken */
	bool dead;
};

#define POLL_QUEUES 4
struct aio_poll {
	struct list node; /* [ctx.lock] */
	bool done; /* [ctx.lock] somebody completes it, or nobody may yet */
	struct aio_context *ctx; /* a reference */
	struct file *file, *eventfd;
	u64 obj, data;
	u32 events;
	struct atomic woken_by; /* [a] keys of wake-ups */
	struct poll_table pt;
	struct work work;
	struct timer kick; /* due at once: a wake-up holds its queue's lock, under which no work can be queued */
	unsigned n;
	bool overflow; /* more queues than there is room for */
	struct {
		struct wait_queue *q;
		struct wait_entry e;
	} wait[POLL_QUEUES];
};

/* ---------------------------------------------------------------- contexts */

static void context_put(struct aio_context *c)
{
	if (!atomic_dec_and_test(&c->refs))
		return;
	atomic_sub(&vfs()->aio_events, (int)c->charged);
	if (c->ring)
		file_put(c->ring);
	kfree(c);
}

/* Of current's space, referenced. */
static struct aio_context *context_find(uaddr_t id)
{
	struct mm *mm = current->mm;
	struct aio_context *c, *found = NULL;

	if (!mm)
		return NULL;
	spin_lock(&mm->aio_lock);
	list_for_each(c, &mm->aio_contexts, node)
		if (c->id == id) {
			atomic_inc(&c->refs);
			found = c;
			break;
		}
	spin_unlock(&mm->aio_lock);
	return found;
}

/* What fits in whole pages, and at least one more than asked for. */
static u32 ring_slots(u32 nr, size_t *size)
{
	*size = ALIGN_UP(sizeof(struct ring_head) + (nr + 2) * sizeof(struct aio_event), PAGE_SIZE);
	return (u32)((*size - sizeof(struct ring_head)) / sizeof(struct aio_event));
}

static kerr_t ring_make(struct aio_context *c, u32 nr)
{
	struct ring_head h = { .magic = RING_MAGIC, .compat = 1, .length = sizeof(h) };
	size_t size;
	kerr_t err;
	long at;

	c->slots = h.nr = ring_slots(nr, &size);
	err = shmem_file((loff_t)size, "[aio]", &c->ring);
	if (err)
		return err;
	at = file_write_kernel(c->ring, &h, sizeof(h), 0);
	if (at == (long)sizeof(h))
		at = do_mmap(c->ring, 0, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (IS_ERR_VALUE(at))
		return KERR(-at);
	c->id = (uaddr_t)at;
	return 0;
}

kerr_t do_io_setup(u32 nr, uaddr_t *id)
{
	struct vfs_state *v = vfs();
	struct mm *mm = current->mm;
	struct aio_context *c;
	kerr_t err;

	if (!mm || mm->host)
		return KERR(ENOSYS);
	if (nr > 0x10000000u / sizeof(struct aio_event))
		return KERR(EINVAL);
	if ((u32)atomic_add_return(&v->aio_events, (int)nr) > load_relaxed(&v->aio_max)) {
		atomic_sub(&v->aio_events, (int)nr);
		return KERR(EAGAIN);
	}
	c = kzalloc(sizeof(*c), GFP_KERNEL);
	if (!c) {
		atomic_sub(&v->aio_events, (int)nr);
		return KERR(ENOMEM);
	}
	c->charged = nr;
	atomic_set(&c->refs, 1);
	wait_queue_init(&c->wait);
	mutex_init(&c->mutex, RANK_EVENTS, "aio");
	spin_init(&c->lock, RANK_SPIN_OUTER, "aio");
	list_init(&c->active);
	err = ring_make(c, nr);
	if (err) {
		context_put(c);
		return err;
	}
	spin_lock(&mm->aio_lock);
	list_add(&mm->aio_contexts, &c->node);
	spin_unlock(&mm->aio_lock);
	*id = c->id;
	return 0;
}

/* ---------------------------------------------------------------- events */

static loff_t slot_at(u32 i)
{
	return (loff_t)(sizeof(struct ring_head) + i * sizeof(struct aio_event));
}

/* The head as the program left it. c.mutex held. KERR(EIO): the ring cannot be read. */
static kerr_t ring_read_head(struct aio_context *c, u32 *head)
{
	if (file_read_kernel(c->ring, head, sizeof(*head), offsetof(struct ring_head, head)) != (ssize_t)sizeof(*head))
		return KERR(EIO);
	*head %= c->slots; /* it may say anything */
	return 0;
}

static u32 ring_used(const struct aio_context *c, u32 head)
{
	return c->tail >= head ? c->tail - head : c->tail + c->slots - head;
}

/* Requests under way and events not taken: what the ring must have room for. Takes one place. */
static kerr_t reserve(struct aio_context *c)
{
	kerr_t err = 0;
	u32 head;

	mutex_lock(&c->mutex);
	err = ring_read_head(c, &head);
	if (!err) {
		spin_lock(&c->lock);
		if (c->dead)
			err = KERR(EINVAL);
		else if (c->in_flight + ring_used(c, head) + 1 >= c->slots)
			err = KERR(EAGAIN);
		else
			c->in_flight++;
		spin_unlock(&c->lock);
	}
	mutex_unlock(&c->mutex);
	return err;
}

static void unreserve(struct aio_context *c)
{
	spin_lock(&c->lock);
	c->in_flight--;
	spin_unlock(&c->lock);
}

/* Puts an event in the place that was reserved. */
static void complete(struct aio_context *c, u64 data, u64 obj, s64 res, struct file *eventfd)
{
	struct aio_event e = { .data = data, .obj = obj, .res = res };
	u32 tail;

	mutex_lock(&c->mutex);
	/* Reserved places are never full; a page of an existing shmem file that cannot be had is the program's loss. */
	if (file_write_kernel(c->ring, &e, sizeof(e), slot_at(c->tail)) == (ssize_t)sizeof(e)) {
		tail = (c->tail + 1) % c->slots;
		if (file_write_kernel(c->ring, &tail, sizeof(tail), offsetof(struct ring_head, tail)) == (ssize_t)sizeof(tail))
			c->tail = tail;
	}
	unreserve(c);
	mutex_unlock(&c->mutex);
	(void)__atomic_fetch_add(&c->completed, 1, __ATOMIC_RELEASE);
	if (eventfd)
		eventfd_add(eventfd, 1);
	wake_up_all(&c->wait);
}

/* Moves at most n events out of the ring; how many, or -errno. */
static long take_events(struct aio_context *c, struct aio_event __user *out, long n)
{
	struct aio_event e;
	long done = 0;
	kerr_t err;
	u32 head;

	mutex_lock(&c->mutex);
	err = ring_read_head(c, &head);
	while (!err && done < n && head != c->tail) {
		if (file_read_kernel(c->ring, &e, sizeof(e), slot_at(head)) != (ssize_t)sizeof(e))
			err = KERR(EIO);
		else if (copy_out(out + done, &e))
			err = KERR(EFAULT);
		else
			head = (head + 1) % c->slots;
		done += !err;
	}
	if (done && file_write_kernel(c->ring, &head, sizeof(head), offsetof(struct ring_head, head)) != (ssize_t)sizeof(head))
		err = KERR(EIO);
	mutex_unlock(&c->mutex);
	return done ? done : kerr_code(err);
}

long do_io_getevents(uaddr_t id, long min, long n, struct aio_event __user *out, ktime_t deadline)
{
	struct aio_context *c = context_find(id);
	long done = 0, ret;
	kerr_t err = 0;

	if (!c)
		return -EINVAL;
	if (min < 0 || min > n) {
		context_put(c);
		return -EINVAL;
	}
	for (;;) {
		u32 seen = load_acquire(&c->completed);

		ret = take_events(c, out + done, n - done);
		if (ret > 0)
			done += ret;
		if (ret < 0 || done >= min || err || load_relaxed(&c->dead))
			break;
		err = wait_event_interruptible_until(&c->wait, load_acquire(&c->completed) != seen || load_relaxed(&c->dead), deadline);
	}
	context_put(c);
	if (done)
		return done;
	return ret < 0 ? ret : kerr_code(err) == -ERESTARTSYS ? -EINTR : 0;
}

/* ---------------------------------------------------------------- polling */

static void poll_kick(struct timer *t)
{
	work_queue(&container_of(t, struct aio_poll, kick)->work);
}

static bool poll_wake(struct wait_entry *e, u32 key)
{
	struct aio_poll *p = e->priv;

	if (!key || (key & p->events)) {
		(void)atomic_or(&p->woken_by, (int)key);
		timer_start(&p->kick, ktime_get());
	}
	return false; /* takes nothing from those who sleep */
}

static void poll_enqueue(struct poll_table *pt, struct file *f, struct wait_queue *q)
{
	struct aio_poll *p = container_of(pt, struct aio_poll, pt);
	struct wait_entry *e;

	(void)f;
	if (p->n == POLL_QUEUES) {
		p->overflow = true;
		return;
	}
	e = &p->wait[p->n].e;
	p->wait[p->n++].q = q;
	wait_entry_init(e);
	e->wake = poll_wake;
	e->priv = p;
	wait_add(q, e);
}

/* One caller gets true, and ends the request. */
static bool poll_claim(struct aio_poll *p)
{
	bool mine;

	spin_lock(&p->ctx->lock);
	mine = !p->done;
	if (mine) {
		p->done = true;
		list_del(&p->node);
	}
	spin_unlock(&p->ctx->lock);
	return mine;
}

static void poll_unqueue(struct aio_poll *p)
{
	while (p->n) {
		p->n--;
		wait_remove(p->wait[p->n].q, &p->wait[p->n].e);
	}
}

static void poll_free(struct aio_poll *p)
{
	file_put(p->file);
	if (p->eventfd)
		file_put(p->eventfd);
	context_put(p->ctx);
	kfree(p);
}

static void poll_work(struct work *w)
{
	struct aio_poll *p = container_of(w, struct aio_poll, work);
	/* What the wake-up named is reported too, as far as it is true. */
	u32 ready = vfs_poll(p->file, NULL), mask = ready & p->events ? ready & (p->events | (u32)atomic_read(&p->woken_by)) : 0;

	if (!mask || !poll_claim(p))
		return;
	poll_unqueue(p);
	timer_cancel_sync(&p->kick);
	(void)work_cancel(&p->work); /* a wake-up came while this ran */
	complete(p->ctx, p->data, p->obj, mask, p->eventfd);
	poll_free(p);
}

/* A claimed request, from outside the work item. report: its event says that nothing came. */
static void poll_end(struct aio_poll *p, bool report)
{
	poll_unqueue(p);
	timer_cancel_sync(&p->kick);
	if (!work_cancel(&p->work))
		work_flush(&p->work);
	if (report)
		complete(p->ctx, p->data, p->obj, 0, p->eventfd);
	else
		unreserve(p->ctx);
	poll_free(p);
}

static struct aio_poll *poll_make(struct aio_context *c, const struct aio_request *r)
{
	struct aio_poll *p = kzalloc(sizeof(*p), GFP_KERNEL);

	if (!p)
		return NULL;
	atomic_inc(&c->refs);
	list_init(&p->node);
	p->done = true;
	p->ctx = c;
	p->file = file_get(r->file);
	p->eventfd = r->eventfd ? file_get(r->eventfd) : NULL;
	p->data = r->data;
	p->obj = r->obj;
	p->events = (u32)r->buf | EPOLLERR | EPOLLHUP;
	p->pt.queue = poll_enqueue;
	p->pt.key = p->events;
	work_init(&p->work, poll_work);
	timer_init(&p->kick, poll_kick);
	return p;
}

static kerr_t submit_poll(struct aio_context *c, const struct aio_request *r)
{
	struct aio_poll *p;
	bool refuse;

	if ((u16)r->buf != r->buf || r->offset || r->nbytes || r->rw_flags)
		return KERR(EINVAL);
	p = poll_make(c, r);
	if (!p)
		return KERR(ENOMEM);
	(void)vfs_poll(p->file, &p->pt);
	spin_lock(&c->lock);
	refuse = p->overflow || c->dead;
	if (!refuse) {
		p->done = false;
		list_add_tail(&c->active, &p->node);
		work_queue(&p->work); /* it may be ready, or have been woken before it could be claimed */
	} else {
		c->in_flight++; /* poll_end() gives one place back, and the caller another */
	}
	spin_unlock(&c->lock);
	if (refuse)
		poll_end(p, false);
	return refuse ? KERR(EINVAL) : KERR(0);
}

kerr_t do_io_cancel(uaddr_t id, u64 obj)
{
	struct aio_context *c = context_find(id);
	struct aio_poll *p, *found = NULL;

	if (!c)
		return KERR(EINVAL);
	spin_lock(&c->lock);
	list_for_each(p, &c->active, node)
		if (p->obj == obj) {
			p->done = true;
			list_del(&p->node);
			found = p;
			break;
		}
	spin_unlock(&c->lock);
	if (found)
		poll_end(found, true);
	context_put(c);
	return found ? KERR(EINPROGRESS) : KERR(EINVAL);
}

/* ---------------------------------------------------------------- the end of a context */

/* It is off its list. */
static void context_kill(struct aio_context *c)
{
	for (;;) {
		struct aio_poll *p = NULL;

		spin_lock(&c->lock);
		store_relaxed(&c->dead, true);
		if (!list_empty(&c->active)) {
			p = list_first(&c->active, struct aio_poll, node);
			p->done = true;
			list_del(&p->node);
		}
		spin_unlock(&c->lock);
		if (!p)
			break;
		poll_end(p, false);
	}
	wake_up_all(&c->wait);
	context_put(c);
}

kerr_t do_io_destroy(uaddr_t id)
{
	struct aio_context *c = context_find(id);
	size_t size;
	bool mine;
	kerr_t err;

	if (!c)
		return KERR(EINVAL);
	spin_lock(&current->mm->aio_lock);
	mine = !list_empty(&c->node);
	list_del(&c->node);
	spin_unlock(&current->mm->aio_lock);
	if (mine) {
		size = (size_t)inode_size(c->ring->inode);
		err = do_munmap(c->id, size);
		(void)err; /* the program unmapped it, or has too many areas to: the context goes all the same */
		context_kill(c);
	}
	context_put(c);
	return mine ? KERR(0) : KERR(EINVAL);
}

void aio_exit_mm(struct mm *mm)
{
	while (!list_empty(&mm->aio_contexts)) {
		struct aio_context *c = list_first(&mm->aio_contexts, struct aio_context, node);

		list_del(&c->node);
		context_kill(c);
	}
}

/* ---------------------------------------------------------------- submitting */

static ssize_t run_iter(const struct aio_request *r, struct iov_iter *it)
{
	loff_t pos = r->offset;
	ssize_t n = it->to_iter ? vfs_read(r->file, it, &pos) : vfs_write(r->file, it, &pos);

	/* Nothing may be restarted: the call that would be is over. */
	return n == -ERESTARTSYS || n == -ERESTARTNOINTR || n == -ERESTARTNOHAND || n == -ERESTART_RESTARTBLOCK ? -EINTR : n;
}

/* What can be told at once is the submission's error; the transfer's is the event's. */
static kerr_t submit_rw(const struct aio_request *r, bool read, bool vectored, s64 *res)
{
	struct iovec_k small[IOV_FAST], *vec;
	struct iov_iter it;
	ssize_t total;

	if (!(r->file->mode & (read ? FMODE_READ : FMODE_WRITE)))
		return KERR(EBADF);
	if (!(read ? r->file->ops->read_iter : r->file->ops->write_iter))
		return KERR(EINVAL);
	if (r->rw_flags)
		return KERR(EOPNOTSUPP);
	if (r->offset < 0)
		return KERR(EINVAL);
	if (!vectored) {
		iov_iter_user(&it, (void __user *)(uaddr_t)r->buf, MIN((size_t)r->nbytes, MAX_RW_COUNT), read);
		*res = run_iter(r, &it);
		return 0;
	}
	total = iovec_import((const void __user *)(uaddr_t)r->buf, (unsigned long)r->nbytes, small, &vec);
	if (total < 0)
		return KERR(-total);
	iov_iter_vec(&it, vec, (unsigned)r->nbytes, MIN((size_t)total, MAX_RW_COUNT), read);
	*res = run_iter(r, &it);
	iovec_free(vec, small);
	return 0;
}

static kerr_t submit_sync(const struct aio_request *r, bool data_only, s64 *res)
{
	if (r->buf || r->offset || r->nbytes || r->rw_flags || !r->file->ops->fsync)
		return KERR(EINVAL);
	*res = kerr_code(vfs_fsync(r->file, 0, S64_MAX, data_only));
	return 0;
}

/* A place is reserved. *res: of what is done already; queued: it will be later. */
static kerr_t submit_reserved(struct aio_context *c, const struct aio_request *r, s64 *res, bool *queued)
{
	switch (r->opcode) {
	case IOCB_CMD_PREAD:
	case IOCB_CMD_PREADV:
		return submit_rw(r, true, r->opcode == IOCB_CMD_PREADV, res);
	case IOCB_CMD_PWRITE:
	case IOCB_CMD_PWRITEV:
		return submit_rw(r, false, r->opcode == IOCB_CMD_PWRITEV, res);
	case IOCB_CMD_FSYNC:
	case IOCB_CMD_FDSYNC:
		return submit_sync(r, r->opcode == IOCB_CMD_FDSYNC, res);
	case IOCB_CMD_POLL:
		*queued = true;
		return submit_poll(c, r);
	default:
		return KERR(EINVAL);
	}
}

struct aio_context *aio_context_get(uaddr_t id)
{
	return context_find(id);
}

void aio_context_put(struct aio_context *c)
{
	context_put(c);
}

kerr_t aio_submit(struct aio_context *c, const struct aio_request *r)
{
	bool queued = false;
	s64 res = 0;
	kerr_t err = reserve(c);

	if (err)
		return err;
	err = submit_reserved(c, r, &res, &queued);
	if (err)
		unreserve(c);
	else if (!queued)
		complete(c, r->data, r->obj, res, r->eventfd);
	return err;
}
