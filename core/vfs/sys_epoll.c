/* SPDX-License-Identifier: MIT */
/*
 * epoll(7). An eventpoll holds items, in a tree by (file, fd); each item hangs on the wait queues of its file, and a wake-up puts it on the
 * ready list. epoll_wait asks the ready items' files for what is really there; level-triggered ones stay on the list.
 *
 * Locking: vfs.epoll_mutex (who watches whom, and the life of items), then ep.mutex (the tree, sending), then ep.lock (the ready list; taken
 * by wake-ups with the file's queue locked, interrupts off).
 */
#include "vfs_priv.h"

#include <maestro/time_user.h>

#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP (1u << 29)
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define EP_PRIVATE (EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET)
#define EP_QUEUES 3
#define EP_MAX_DEPTH 5

struct eventpoll {
	struct mutex mutex;
	struct rb_tree items;	/* [mutex] */
	u32 round;		/* [mutex] of sending */
	struct spinlock lock;	/* irqsave */
	struct list ready;	/* [lock] */
	struct wait_queue wq;	/* epoll_wait */
	struct wait_queue poll_wait; /* those who poll the epoll itself */
};
struct epitem {
	struct rb_node node;	/* [ep.mutex] */
	struct eventpoll *ep;	/* [c] */
	struct file *file;	/* [c] no reference: its release removes the item */
	int fd;			/* [c] */
	u32 events;		/* [ep.mutex] to write */
	u64 data;		/* [ep.mutex] */
	u32 round;		/* [ep.mutex] last sent in */
	struct list ready_node;	/* [ep.lock] */
	struct list file_node;	/* [vfs.epoll_mutex] in file.epoll_links */
	unsigned nqueues;
	struct poll_slot slot[EP_QUEUES];
};
struct __packed epoll_event_k { /* packed on x86_64, and so laid out on i386 anyway */
	u32 events;
	u64 data;
};
_Static_assert(sizeof(struct epoll_event_k) == 12, "struct epoll_event");

static const struct file_ops epoll_fops;

kerr_t epoll_init(void)
{
	mutex_init(&vfs()->epoll_mutex, RANK_MOUNT, "epoll");
	wait_queue_init(&vfs()->signalfd_wait);
	return 0;
}

static void item_ready(struct epitem *it)
{
	struct eventpoll *ep = it->ep;
	unsigned long flags = spin_lock_irqsave(&ep->lock);

	if (list_empty(&it->ready_node))
		list_add_tail(&ep->ready, &it->ready_node);
	spin_unlock_irqrestore(&ep->lock, flags);
}

static bool item_wake(struct wait_entry *e, u32 key)
{
	struct epitem *it = e->priv;
	u32 events = load_relaxed(&it->events);

	if (!(events & ~EP_PRIVATE) || (key && !(key & events)))
		return false;
	item_ready(it);
	wake_up_within(&it->ep->wq, EPOLLIN);
	wake_up_within(&it->ep->poll_wait, EPOLLIN | EPOLLRDNORM);
	return true;
}

struct item_table {
	struct poll_table pt;
	struct epitem *it;
	bool failed;
};

static void item_queue(struct poll_table *pt, struct file *f, struct wait_queue *q)
{
	struct item_table *t = container_of(pt, struct item_table, pt);
	struct epitem *it = t->it;
	struct poll_slot *s;

	(void)f;
	if (it->nqueues == EP_QUEUES) {
		t->failed = true;
		return;
	}
	s = &it->slot[it->nqueues++];
	wait_entry_init(&s->entry);
	s->entry.wake = item_wake;
	s->entry.priv = it;
	s->entry.exclusive = it->events & EPOLLEXCLUSIVE;
	s->q = q;
	wait_add(q, &s->entry);
}

static u32 item_poll(struct epitem *it)
{
	struct poll_table pt = { .queue = NULL, .key = it->events };

	return vfs_poll(it->file, &pt) & it->events & ~EP_PRIVATE;
}

/* ---------------------------------------------------------------- the tree */
static int item_order(const struct epitem *it, const struct file *f, int fd)
{
	if (it->file != f)
		return f < it->file ? -1 : 1;
	return fd < it->fd ? -1 : fd > it->fd;
}

static struct epitem *item_find(struct eventpoll *ep, struct file *f, int fd)
{
	struct rb_node *n = ep->items.root;

	while (n) {
		struct epitem *it = rb_entry(n, struct epitem, node);
		int order = item_order(it, f, fd);

		if (!order)
			return it;
		n = order < 0 ? n->left : n->right;
	}
	return NULL;
}

static void item_insert(struct eventpoll *ep, struct epitem *it)
{
	struct rb_node **link = &ep->items.root, *parent = NULL;

	while (*link) {
		parent = *link;
		link = item_order(rb_entry(parent, struct epitem, node), it->file, it->fd) < 0 ? &parent->left : &parent->right;
	}
	rb_insert(&ep->items, &it->node, parent, link);
}

/* epoll_mutex and ep.mutex held. */
static void item_remove(struct epitem *it)
{
	struct eventpoll *ep = it->ep;
	unsigned long flags;

	for (unsigned i = 0; i < it->nqueues; i++)
		wait_remove(it->slot[i].q, &it->slot[i].entry);
	list_del(&it->file_node);
	rb_erase(&ep->items, &it->node);
	flags = spin_lock_irqsave(&ep->lock);
	list_del(&it->ready_node);
	spin_unlock_irqrestore(&ep->lock, flags);
	kfree(it);
}

void epoll_file_released(struct file *f)
{
	mutex_lock(&vfs()->epoll_mutex);
	while (!list_empty(&f->epoll_links)) {
		struct epitem *it = list_first(&f->epoll_links, struct epitem, file_node);
		struct eventpoll *ep = it->ep;

		mutex_lock(&ep->mutex);
		item_remove(it);
		mutex_unlock(&ep->mutex);
	}
	mutex_unlock(&vfs()->epoll_mutex);
}

/* How deep epolls nest below f, or -1 if `avoid` is among them. epoll_mutex held: nothing is added meanwhile. */
static int nesting(struct file *f, const struct eventpoll *avoid, int depth)
{
	struct eventpoll *ep = f->priv;
	int deepest = 0;

	if (f->ops != &epoll_fops)
		return 0;
	if (ep == avoid || depth > EP_MAX_DEPTH)
		return -1;
	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		int below = nesting(rb_entry(n, struct epitem, node)->file, avoid, depth + 1);

		if (below < 0)
			return -1;
		deepest = MAX(deepest, below);
	}
	return deepest + 1;
}

/* ---------------------------------------------------------------- epoll_ctl */
static void kick(struct eventpoll *ep)
{
	wake_up_n(&ep->wq, 0, EPOLLIN);
	wake_up_n(&ep->poll_wait, 0, EPOLLIN | EPOLLRDNORM);
}

static long item_add(struct eventpoll *ep, struct file *f, int fd, u32 events, u64 data)
{
	struct item_table t = { .pt = { .queue = item_queue, .key = events } };
	struct epitem *it = kzalloc(sizeof(*it), GFP_KERNEL);

	if (!it)
		return -ENOMEM;
	it->ep = ep;
	it->file = f;
	it->fd = fd;
	it->events = events | EPOLLERR | EPOLLHUP;
	it->data = data;
	list_init(&it->ready_node);
	list_init(&it->file_node);
	t.it = it;
	item_insert(ep, it);
	list_add(&f->epoll_links, &it->file_node);
	if (vfs_poll(f, &t.pt) & it->events & ~EP_PRIVATE) {
		item_ready(it);
		kick(ep);
	}
	if (t.failed) {
		item_remove(it);
		return -ENOMEM;
	}
	return 0;
}

static long item_modify(struct eventpoll *ep, struct epitem *it, u32 events, u64 data)
{
	if (it->events & EPOLLEXCLUSIVE)
		return -EINVAL;
	store_relaxed(&it->events, events | EPOLLERR | EPOLLHUP);
	it->data = data;
	memory_barrier();
	if (item_poll(it)) {
		item_ready(it);
		kick(ep);
	}
	return 0;
}

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3
#define EPOLLEXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

static long ctl_locked(struct file *epf, int op, int fd, struct file *f, const struct epoll_event_k *ev)
{
	struct eventpoll *ep = epf->priv;
	struct epitem *it = item_find(ep, f, fd);

	switch (op) {
	case EPOLL_CTL_ADD:
		return it ? -EEXIST : item_add(ep, f, fd, ev->events, ev->data);
	case EPOLL_CTL_DEL:
		if (!it)
			return -ENOENT;
		item_remove(it);
		return 0;
	case EPOLL_CTL_MOD:
		return it ? item_modify(ep, it, ev->events, ev->data) : -ENOENT;
	default:
		return -EINVAL;
	}
}

static long epoll_ctl(struct file *epf, int op, int fd, struct file *f, const struct epoll_event_k *ev)
{
	struct eventpoll *ep = epf->priv;
	long ret;

	if (!f->ops->poll)
		return -EPERM;
	if (epf == f || epf->ops != &epoll_fops)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (ev->events & EPOLLEXCLUSIVE)) {
		if (op == EPOLL_CTL_MOD || (ev->events & ~EPOLLEXCLUSIVE_OK) || f->ops == &epoll_fops)
			return -EINVAL;
	}
	mutex_lock(&vfs()->epoll_mutex);
	if (op == EPOLL_CTL_ADD && f->ops == &epoll_fops && (nesting(f, ep, 1) < 0 || nesting(f, ep, 1) >= EP_MAX_DEPTH)) {
		mutex_unlock(&vfs()->epoll_mutex);
		return -ELOOP;
	}
	mutex_lock(&ep->mutex);
	ret = ctl_locked(epf, op, fd, f, ev);
	mutex_unlock(&ep->mutex);
	mutex_unlock(&vfs()->epoll_mutex);
	return ret;
}

/* ---------------------------------------------------------------- waiting */
/* The next ready item not yet looked at in this round; NULL: none. Off the list. ep.mutex held. */
static struct epitem *next_ready(struct eventpoll *ep)
{
	unsigned long flags = spin_lock_irqsave(&ep->lock);
	struct epitem *it = NULL;

	if (!list_empty(&ep->ready)) {
		it = list_first(&ep->ready, struct epitem, ready_node);
		if (it->round == ep->round)
			it = NULL;
		else
			list_del(&it->ready_node);
	}
	spin_unlock_irqrestore(&ep->lock, flags);
	return it;
}

static long send_events(struct eventpoll *ep, struct epoll_event_k __user *out, int max)
{
	struct epitem *it;
	int n = 0;

	mutex_lock(&ep->mutex);
	ep->round++;
	while (n < max && (it = next_ready(ep))) {
		struct epoll_event_k ev;
		u32 got;

		it->round = ep->round;
		got = item_poll(it);
		if (!got)
			continue;
		ev = (struct epoll_event_k) { got, it->data };
		if (copy_out(out + n, &ev)) {
			item_ready(it);
			mutex_unlock(&ep->mutex);
			return n ? n : -EFAULT;
		}
		n++;
		if (it->events & EPOLLONESHOT)
			store_relaxed(&it->events, it->events & EP_PRIVATE);
		else if (!(it->events & EPOLLET))
			item_ready(it);
	}
	mutex_unlock(&ep->mutex);
	return n;
}

static bool ep_has_ready(struct eventpoll *ep)
{
	return load_relaxed(&ep->ready.next) != &ep->ready;
}

static long epoll_wait(struct file *epf, struct epoll_event_k __user *out, int max, ktime_t deadline)
{
	struct eventpoll *ep = epf->priv;

	for (;;) {
		kerr_t err;

		if (ep_has_ready(ep)) {
			long n = send_events(ep, out, max);

			if (n)
				return n;
		}
		if (deadline == 0)
			return 0;
		err = wait_event_interruptible_until(&ep->wq, ep_has_ready(ep), deadline);
		if (kerr_is(err, ETIMEDOUT))
			return 0;
		if (err)
			return -EINTR;
	}
}

/* ---------------------------------------------------------------- the file */
static u32 epoll_poll(struct file *f, struct poll_table *pt)
{
	struct eventpoll *ep = f->priv;
	struct epitem *it;
	u32 mask = 0;

	poll_wait(pt, f, &ep->poll_wait);
	if (!ep_has_ready(ep))
		return 0;
	mutex_lock_nested(&ep->mutex);
	ep->round++;
	while (!mask && (it = next_ready(ep))) {
		it->round = ep->round;
		if (item_poll(it)) {
			item_ready(it);
			mask = EPOLLIN | EPOLLRDNORM;
		}
	}
	mutex_unlock(&ep->mutex);
	return mask;
}

static void epoll_release(struct inode *inode, struct file *f)
{
	struct eventpoll *ep = f->priv;
	struct rb_node *n;

	(void)inode;
	mutex_lock(&vfs()->epoll_mutex);
	mutex_lock(&ep->mutex);
	while ((n = rb_first(&ep->items)))
		item_remove(rb_entry(n, struct epitem, node));
	mutex_unlock(&ep->mutex);
	mutex_unlock(&vfs()->epoll_mutex);
	kfree(ep);
}

static void epoll_fdinfo(struct file *f, struct seq_buf *s)
{
	struct eventpoll *ep = f->priv;

	mutex_lock(&ep->mutex);
	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *it = rb_entry(n, struct epitem, node);

		seq_printf(s, "tfd: %8d events: %8x data: %16llx\n", it->fd, it->events, (unsigned long long)it->data);
	}
	mutex_unlock(&ep->mutex);
}

static const struct file_ops epoll_fops = { .poll = epoll_poll, .llseek = noop_llseek, .release = epoll_release, .show_fdinfo = epoll_fdinfo };

/* ---------------------------------------------------------------- system calls */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

long sys_epoll_create1(int flags)
{
	struct eventpoll *ep;
	struct file *f;
	kerr_t err;
	long fd;

	if ((u32)flags & ~O_CLOEXEC)
		return -EINVAL;
	ep = kzalloc(sizeof(*ep), GFP_KERNEL);
	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->mutex, RANK_EVENTS, "epoll.mutex");
	spin_init(&ep->lock, RANK_TIMER, "epoll.lock");
	list_init(&ep->ready);
	wait_queue_init(&ep->wq);
	wait_queue_init(&ep->poll_wait);
	err = file_anon("anon_inode:[eventpoll]", &epoll_fops, ep, O_RDWR, &f);
	if (err) {
		kfree(ep);
		return kerr_code(err);
	}
	fd = fd_install(f, (u32)flags);
	if (fd < 0)
		file_put(f);
	return fd;
}

long sys_epoll_create(int size)
{
	return size <= 0 ? -EINVAL : sys_epoll_create1(0);
}

long sys_epoll_ctl(int epfd, int op, int fd, const void __user *event)
{
	struct epoll_event_k ev = { 0, 0 };
	struct file *epf, *f;
	long ret;

	if (op != EPOLL_CTL_DEL && copy_in(&ev, (const struct epoll_event_k __user *)event))
		return -EFAULT;
	epf = fd_get(epfd);
	f = fd_get(fd);
	ret = epf && f ? epoll_ctl(epf, op, fd, f, &ev) : -EBADF;
	if (f)
		file_put(f);
	if (epf)
		file_put(epf);
	return ret;
}

static long do_epoll_wait(int epfd, void __user *events, int max, ktime_t deadline)
{
	struct file *epf;
	long ret;

	if (max <= 0 || max > S32_MAX / (int)sizeof(struct epoll_event_k))
		return -EINVAL;
	if ((uaddr_t)events > HAL_USER_END - (size_t)max * sizeof(struct epoll_event_k))
		return -EFAULT;
	epf = fd_get(epfd);
	if (!epf)
		return -EBADF;
	ret = epf->ops == &epoll_fops ? epoll_wait(epf, events, max, deadline) : -EINVAL;
	file_put(epf);
	return ret;
}

static ktime_t deadline_ms(int ms)
{
	if (ms < 0)
		return S64_MAX;
	return ms ? ktime_get() + ms * NSEC_PER_MSEC : 0;
}

long sys_epoll_wait(int epfd, void __user *events, int max, int timeout)
{
	return do_epoll_wait(epfd, events, max, deadline_ms(timeout));
}

long sys_epoll_pwait(int epfd, void __user *events, int max, int timeout, const void __user *mask, size_t size)
{
	bool swapped;
	kerr_t err = sigmask_swap(mask, size, &swapped);

	if (err)
		return kerr_code(err);
	return sigmask_restore(swapped, do_epoll_wait(epfd, events, max, deadline_ms(timeout)));
}

/* The time is a 64-bit timespec in both ABIs. */
long sys_epoll_pwait2(int epfd, void __user *events, int max, const void __user *timeout, const void __user *mask, size_t size)
{
	struct timespec64 t;
	ktime_t deadline = S64_MAX;
	bool swapped;
	kerr_t err = 0;

	if (timeout) {
		err = get_timespec(&t, timeout, true);
		if (!err && !timespec_valid(t))
			err = KERR(EINVAL);
		if (err)
			return kerr_code(err);
		deadline = poll_deadline(t);
	}
	err = sigmask_swap(mask, size, &swapped);
	if (err)
		return kerr_code(err);
	return sigmask_restore(swapped, do_epoll_wait(epfd, events, max, deadline));
}
