/* SPDX-License-Identifier: MIT */
/* inotify_init1(2), inotify_add_watch(2), inotify_rm_watch(2), and the file that events are read from (inotify(7)). Queues and watches: notify.c. */
#include "notify.h"

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

#define IN_ONLYDIR 0x01000000u
#define IN_DONT_FOLLOW 0x02000000u
#define IN_MASK_CREATE 0x10000000u
#define IN_MASK_ADD 0x20000000u
#define IN_VALID                                                                                                       \
	(IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | \
	 IN_ISDIR | IN_ONESHOT)
#define FIONREAD 0x541b

struct abi_inotify_event {
	s32 wd;
	u32 mask, cookie, len;
};
_Static_assert(sizeof(struct abi_inotify_event) == 16, "as programs see it");

/* ---------------------------------------------------------------- reading */
/* The name with its NUL, padded so that the next event is aligned. */
static size_t padded_name(const struct inotify_event_k *e)
{
	return e->len ? ALIGN_UP(e->len + 1, sizeof(struct abi_inotify_event)) : 0;
}

/* The oldest event, off the queue, if it fits in room; *size is what it takes. */
static struct inotify_event_k *next_event(struct inotify *g, size_t room, size_t *size)
{
	struct inotify_event_k *e = NULL;

	spin_lock(&vfs()->notify_lock);
	*size = 0;
	if (!list_empty(&g->events)) {
		e = list_first(&g->events, struct inotify_event_k, node);
		*size = sizeof(struct abi_inotify_event) + padded_name(e);
		if (*size <= room) {
			list_del(&e->node);
			g->nevents--;
		} else {
			e = NULL;
		}
	}
	spin_unlock(&vfs()->notify_lock);
	return e;
}

static void event_done(struct inotify *g, struct inotify_event_k *e)
{
	if (e != &g->overflow) {
		kfree(e);
		return;
	}
	spin_lock(&vfs()->notify_lock);
	g->overflowed = false;
	spin_unlock(&vfs()->notify_lock);
}

static bool event_out(struct iov_iter *it, const struct inotify_event_k *e)
{
	static const char zeros[sizeof(struct abi_inotify_event)];
	size_t padded = padded_name(e);
	struct abi_inotify_event a = { e->wd, e->mask, e->cookie, (u32)padded };

	return copy_to_iter(it, &a, sizeof(a)) == sizeof(a) && copy_to_iter(it, e->name, e->len) == e->len &&
	       copy_to_iter(it, zeros, padded - e->len) == padded - e->len;
}

/* Whole events, as many as there are and as fit. */
static ssize_t read_events(struct inotify *g, struct iov_iter *it)
{
	struct inotify_event_k *e;
	ssize_t done = 0;
	size_t size;

	while ((e = next_event(g, it->count, &size)) != NULL) {
		bool ok = event_out(it, e);

		event_done(g, e);
		if (!ok)
			return -EFAULT;
		done += (ssize_t)size;
	}
	return done || !size ? done : -EINVAL;
}

static bool has_events(const struct inotify *g)
{
	return load_relaxed(&g->events.next) != &g->events;
}

static ssize_t inotify_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct inotify *g = f->priv;

	(void)pos;
	for (;;) {
		ssize_t n = read_events(g, it);
		kerr_t err;

		if (n)
			return n;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&g->wq, has_events(g));
		if (err)
			return kerr_code(err);
	}
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *g = f->priv;

	poll_wait(pt, f, &g->wq);
	return has_events(g) ? EPOLLIN | EPOLLRDNORM : 0;
}

static long inotify_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct inotify *g = f->priv;
	struct inotify_event_k *e;
	size_t n = 0;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	spin_lock(&vfs()->notify_lock);
	list_for_each(e, &g->events, node)
		n += sizeof(struct abi_inotify_event) + padded_name(e);
	spin_unlock(&vfs()->notify_lock);
	return kerr_code(put_user((int)n, (int __user *)arg));
}

static void inotify_free(struct inotify *g)
{
	atomic_dec(&g->user->inotify_instances);
	user_put(g->user);
	kfree(g);
}

static void inotify_release(struct inode *inode, struct file *f)
{
	struct inotify *g = f->priv;
	struct list done;

	(void)inode;
	list_init(&done);
	spin_lock(&vfs()->notify_lock);
	while (!list_empty(&g->watches))
		watch_detach(list_first(&g->watches, struct watch, group_node), false, &done);
	spin_unlock(&vfs()->notify_lock);
	watches_free(&done);
	while (!list_empty(&g->events)) { /* no watch is left to add to them */
		struct inotify_event_k *e = list_first(&g->events, struct inotify_event_k, node);

		list_del(&e->node);
		if (e != &g->overflow)
			kfree(e);
	}
	inotify_free(g);
}

/* A copy of the watch with the next higher number, its inode referenced. */
static bool watch_after(const struct inotify *g, int wd, struct watch *out)
{
	const struct watch *w, *best = NULL;

	spin_lock(&vfs()->notify_lock);
	list_for_each(w, &g->watches, group_node)
		if (w->wd > wd && (!best || w->wd < best->wd))
			best = w;
	if (best) {
		*out = *best;
		inode_get(best->inode);
	}
	spin_unlock(&vfs()->notify_lock);
	return best != NULL;
}

static void inotify_fdinfo(struct file *f, struct seq_buf *s)
{
	struct watch w = { .wd = 0 };

	/* One by one: the text grows without the lock. */
	for (int last = 0; watch_after(f->priv, last, &w); last = w.wd) {
		seq_printf(s, "inotify wd:%x ino:%llx sdev:%x mask:%x ignored_mask:0\n", (unsigned)w.wd, (unsigned long long)w.inode->ino,
			   (unsigned)dev_encode(w.inode->sb->dev), w.mask & IN_ALL_EVENTS);
		inode_put(w.inode);
	}
}

static const struct file_ops inotify_fops = {
	.read_iter = inotify_read,
	.llseek = noop_llseek,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.release = inotify_release,
	.show_fdinfo = inotify_fdinfo,
};

/* ---------------------------------------------------------------- system calls */
static kerr_t inotify_make(struct inotify **out)
{
	struct user_struct *user = current_cred()->user;
	struct inotify *g;

	if (atomic_add_return(&user->inotify_instances, 1) > INOTIFY_MAX_INSTANCES) {
		atomic_dec(&user->inotify_instances);
		return KERR(EMFILE);
	}
	g = kzalloc(sizeof(*g), GFP_KERNEL);
	if (!g) {
		atomic_dec(&user->inotify_instances);
		return KERR(ENOMEM);
	}
	atomic_inc(&user->refs);
	g->user = user;
	list_init(&g->events);
	list_init(&g->watches);
	wait_queue_init(&g->wq);
	*out = g;
	return 0;
}

long sys_inotify_init1(int flags)
{
	struct inotify *g;
	struct file *f;
	kerr_t err;
	long fd;

	if ((u32)flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = inotify_make(&g);
	if (err)
		return kerr_code(err);
	err = file_anon("anon_inode:inotify", &inotify_fops, g, O_RDONLY | ((u32)flags & O_NONBLOCK), &f);
	if (err) {
		inotify_free(g);
		return kerr_code(err);
	}
	f->mode |= FMODE_STREAM;
	fd = fd_install(f, (u32)flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

long sys_inotify_init(void)
{
	return sys_inotify_init1(0);
}

static struct watch *find_watch(const struct inotify *g, const struct inode *inode, int wd)
{
	struct watch *w;

	list_for_each(w, &g->watches, group_node)
		if (inode ? w->inode == inode : w->wd == wd)
			return w;
	return NULL;
}

/* The lowest number that no watch has, above the last one given. */
static int new_wd(struct inotify *g)
{
	do
		g->last_wd = g->last_wd == S32_MAX ? 1 : g->last_wd + 1;
	while (find_watch(g, NULL, g->last_wd));
	return g->last_wd;
}

static long watch_change(struct watch *w, u32 mask)
{
	u32 kept = mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);

	if (mask & IN_MASK_CREATE)
		return -EEXIST;
	w->mask = mask & IN_MASK_ADD ? w->mask | kept : kept;
	return w->wd;
}

static long watch_add(struct inotify *g, struct inode *inode, u32 mask)
{
	struct watch *fresh, *w;
	long wd;

	if (atomic_add_return(&g->user->inotify_watches, 1) > INOTIFY_MAX_WATCHES) {
		atomic_dec(&g->user->inotify_watches);
		return -ENOSPC;
	}
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	if (!fresh) {
		atomic_dec(&g->user->inotify_watches);
		return -ENOMEM;
	}
	spin_lock(&vfs()->notify_lock);
	w = find_watch(g, inode, 0);
	if (w) {
		wd = watch_change(w, mask);
	} else {
		fresh->group = g;
		fresh->inode = inode_get(inode);
		fresh->mask = mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);
		wd = fresh->wd = new_wd(g);
		hlist_add(&inode->watches, &fresh->inode_node);
		list_add_tail(&g->watches, &fresh->group_node);
		atomic_inc(&vfs()->nwatches);
	}
	spin_unlock(&vfs()->notify_lock);
	if (w) {
		atomic_dec(&g->user->inotify_watches);
		kfree(fresh);
	}
	return wd;
}

/* The file of an inotify descriptor, referenced. */
static long inotify_file(int fd, struct file **out)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	if (f->ops != &inotify_fops) {
		file_put(f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

long sys_inotify_add_watch(int fd, const char __user *name, unsigned mask)
{
	unsigned lookup = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct file *f;
	struct path p;
	long ret;
	kerr_t err;

	if (!mask || (mask & ~IN_VALID))
		return -EINVAL;
	if ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)) {
		f = fd_get(fd);
		if (f)
			file_put(f);
		return f ? -EINVAL : -EBADF;
	}
	ret = inotify_file(fd, &f);
	if (ret)
		return ret;
	err = user_path(AT_FDCWD, name, lookup, &p);
	if (!err) {
		err = inode_permission(p.dentry->inode, MAY_READ);
		ret = err ? kerr_code(err) : watch_add(f->priv, p.dentry->inode, mask);
		path_put(&p);
	} else {
		ret = kerr_code(err);
	}
	file_put(f);
	return ret;
}

long sys_inotify_rm_watch(int fd, int wd)
{
	struct file *f;
	struct watch *w;
	struct list done;
	long ret = inotify_file(fd, &f);

	if (ret)
		return ret;
	list_init(&done);
	spin_lock(&vfs()->notify_lock);
	w = find_watch(f->priv, NULL, wd);
	if (w)
		watch_detach(w, true, &done);
	spin_unlock(&vfs()->notify_lock);
	watches_free(&done);
	file_put(f);
	return w ? 0 : -EINVAL;
}
