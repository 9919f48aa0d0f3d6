/* SPDX-License-Identifier: MIT */
/*
 * Advisory locks: flock(2), POSIX and open-file-description locks of fcntl(2).
 *
 * All locks of an inode are on one list; a POSIX lock is owned by a table of descriptors, the others by an open file. Waiters sleep on one
 * queue and look again when anything was unlocked. Locking: vfs.locks_lock; deadlocks of POSIX locks are found by following who waits for whom.
 */
#include "vfs_priv.h"

enum lock_kind { LOCK_FLOCK, LOCK_POSIX, LOCK_OFD };
struct file_lock {
	struct list node, all_node; /* all_node: in vfs.all_locks, newest first */
	struct inode *inode;
	enum lock_kind kind;
	int type;
	loff_t start, end; /* inclusive */
	const void *owner;
	pid_t pid;
};
struct file_lock_ctx {
	struct list locks; /* [vfs.locks_lock] */
};
struct lock_waiter {
	struct list node; /* [vfs.locks_lock] in vfs.lock_waiters */
	const void *owner, *blocker;
};

#define LOCK_SH 1u
#define LOCK_EX 2u
#define LOCK_NB 4u
#define LOCK_UN 8u

kerr_t locks_init(void)
{
	spin_init(&vfs()->locks_lock, RANK_FILES, "locks");
	list_init(&vfs()->lock_waiters);
	list_init(&vfs()->all_locks);
	wait_queue_init(&vfs()->locks_wait);
	return 0;
}

static kerr_t ctx_get(struct inode *inode)
{
	struct file_lock_ctx *c;

	if (inode->locks)
		return 0;
	c = kmalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return KERR(ENOMEM);
	list_init(&c->locks);
	spin_lock(&vfs()->locks_lock);
	if (inode->locks)
		kfree(c);
	else
		store_release(&inode->locks, c);
	spin_unlock(&vfs()->locks_lock);
	return 0;
}

void locks_free(struct inode *inode)
{
	kfree(inode->locks);
	inode->locks = NULL;
}

/* flock and the fcntl kinds do not see each other. */
static bool conflicts(const struct file_lock *a, const struct file_lock *b)
{
	if ((a->kind == LOCK_FLOCK) != (b->kind == LOCK_FLOCK) || a->owner == b->owner)
		return false;
	if (a->type != F_WRLCK && b->type != F_WRLCK)
		return false;
	return a->start <= b->end && b->start <= a->end;
}

static struct file_lock *find_conflict(struct inode *inode, const struct file_lock *want)
{
	struct file_lock *l;

	assert_held(&vfs()->locks_lock);
	list_for_each(l, &inode->locks->locks, node)
		if (conflicts(l, want))
			return l;
	return NULL;
}

static bool would_deadlock(const void *owner, const void *blocker)
{
	for (int hops = 0; hops < 100; hops++) {
		struct lock_waiter *w;
		const void *next = NULL;

		list_for_each(w, &vfs()->lock_waiters, node)
			if (w->owner == blocker)
				next = w->blocker;
		if (!next)
			return false;
		if (next == owner)
			return true;
		blocker = next;
	}
	return false;
}

/* An owner's locks stand together, by where they begin: F_GETLK tells of the first in the way, as Linux does. */
static void lock_add(struct inode *inode, struct file_lock *l)
{
	struct list *before = &inode->locks->locks;
	struct file_lock *o;

	l->inode = inode;
	list_for_each(o, &inode->locks->locks, node)
		if (o->kind == l->kind && o->owner == l->owner) {
			before = o->node.next;
			if (o->start > l->start) {
				before = &o->node;
				break;
			}
		}
	list_add_tail(before, &l->node);
	list_add(&vfs()->all_locks, &l->all_node);
	vfs()->nlocks++;
}

static void lock_remove(struct file_lock *l, struct list *freed)
{
	list_del(&l->node);
	list_del(&l->all_node);
	list_add_tail(freed, &l->node);
	vfs()->nlocks--;
}

static void free_list(struct list *freed)
{
	while (!list_empty(freed)) {
		struct file_lock *l = list_first(freed, struct file_lock, node);

		list_del(&l->node);
		kfree(l);
	}
}

/*
 * Puts `want` (or, with F_UNLCK, nothing) over the owner's locks in its range: cuts what overlaps, joins what touches and has its type.
 * spare[0] becomes the lock, spare[1] the tail of one that is cut in the middle; what is used is set to NULL.
 */
static void lock_apply(struct inode *inode, const struct file_lock *want, struct file_lock *spare[2], struct list *freed)
{
	loff_t start = want->start, end = want->end;
	struct file_lock *l, *tmp, *n;

	list_for_each_safe(l, tmp, &inode->locks->locks, node) {
		if (l->kind != want->kind || l->owner != want->owner)
			continue;
		if (l->type == want->type && l->start <= (end == S64_MAX ? end : end + 1) && (l->end == S64_MAX || l->end + 1 >= start)) {
			start = MIN(start, l->start);
			end = MAX(end, l->end);
			lock_remove(l, freed);
			continue;
		}
		if (l->end < want->start || l->start > want->end)
			continue;
		if (l->start < want->start && l->end > want->end) {
			n = spare[1];
			spare[1] = NULL;
			*n = *l;
			n->start = want->end + 1;
			l->end = want->start - 1;
			lock_add(inode, n);
		} else if (l->start < want->start) {
			l->end = want->start - 1;
		} else if (l->end > want->end) {
			l->start = want->end + 1;
		} else {
			lock_remove(l, freed);
		}
	}
	if (want->type == F_UNLCK)
		return;
	n = spare[0];
	spare[0] = NULL;
	*n = *want;
	n->start = start;
	n->end = end;
	lock_add(inode, n);
}

static bool still_blocked(struct inode *inode, const struct file_lock *want)
{
	bool blocked;

	spin_lock(&vfs()->locks_lock);
	blocked = find_conflict(inode, want) != NULL;
	spin_unlock(&vfs()->locks_lock);
	return blocked;
}

static kerr_t lock_set(struct inode *inode, const struct file_lock *want, bool wait)
{
	struct file_lock *spare[2] = { kmalloc(sizeof(struct file_lock), GFP_KERNEL), kmalloc(sizeof(struct file_lock), GFP_KERNEL) };
	struct vfs_state *v = vfs();
	struct file_lock *c;
	struct list freed;
	kerr_t err = spare[0] && spare[1] ? ctx_get(inode) : KERR(ENOLCK);

	list_init(&freed);
	while (!err) {
		struct lock_waiter w;

		spin_lock(&v->locks_lock);
		c = want->type == F_UNLCK ? NULL : find_conflict(inode, want);
		if (!c) {
			lock_apply(inode, want, spare, &freed);
			spin_unlock(&v->locks_lock);
			break;
		}
		if (!wait)
			err = KERR(EAGAIN);
		else if (want->kind == LOCK_POSIX && would_deadlock(want->owner, c->owner))
			err = KERR(EDEADLK);
		w = (struct lock_waiter) { .owner = want->owner, .blocker = c->owner };
		list_add_tail(&v->lock_waiters, &w.node);
		spin_unlock(&v->locks_lock);
		if (!err)
			err = wait_event_interruptible(&v->locks_wait, !still_blocked(inode, want));
		spin_lock(&v->locks_lock);
		list_del(&w.node);
		spin_unlock(&v->locks_lock);
	}
	kfree(spare[0]);
	kfree(spare[1]);
	if (!err && wait_queue_active(&v->locks_wait))
		wake_up_all(&v->locks_wait);
	free_list(&freed);
	return err;
}

static void remove_owned(struct inode *inode, const void *owner, bool posix)
{
	struct file_lock *l, *tmp;
	struct list freed;

	list_init(&freed);
	spin_lock(&vfs()->locks_lock);
	list_for_each_safe(l, tmp, &inode->locks->locks, node)
		if (l->owner == owner && (l->kind == LOCK_POSIX) == posix)
			lock_remove(l, &freed);
	spin_unlock(&vfs()->locks_lock);
	if (list_empty(&freed))
		return;
	free_list(&freed);
	wake_up_all(&vfs()->locks_wait);
}

void locks_remove_posix(struct file *f, struct files *owner)
{
	remove_owned(f->inode, owner, true);
}

void locks_remove_file(struct file *f)
{
	remove_owned(f->inode, f, false);
}

/* ---------------------------------------------------------------- fcntl */
static kerr_t range_of(struct file *f, const struct flock_k *l, struct file_lock *out)
{
	loff_t base = 0;

	switch (l->whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = f->pos;
		break;
	case SEEK_END:
		base = inode_size(f->inode);
		break;
	default:
		return KERR(EINVAL);
	}
	if (l->start > S64_MAX - base)
		return KERR(EOVERFLOW);
	base += l->start;
	if (base < 0)
		return KERR(EINVAL);
	out->start = base;
	out->end = S64_MAX;
	if (l->len > 0) {
		if (l->len - 1 > S64_MAX - base)
			return KERR(EOVERFLOW);
		out->end = base + l->len - 1;
	} else if (l->len < 0) {
		if (base + l->len < 0)
			return KERR(EINVAL);
		out->end = base - 1;
		out->start = base + l->len;
	}
	return 0;
}

static kerr_t make_request(struct file *f, const struct flock_k *l, bool ofd, struct file_lock *out)
{
	kerr_t err;

	if (l->type != F_RDLCK && l->type != F_WRLCK && l->type != F_UNLCK)
		return KERR(EINVAL);
	if (ofd && l->pid)
		return KERR(EINVAL);
	err = range_of(f, l, out);
	out->kind = ofd ? LOCK_OFD : LOCK_POSIX;
	out->type = l->type;
	out->owner = ofd ? (const void *)f : (const void *)current->files;
	out->pid = ofd ? -1 : current->proc ? current->proc->pid : 0;
	return err;
}

kerr_t fcntl_getlk(struct file *f, struct flock_k *l, bool ofd)
{
	struct file_lock want, *c = NULL;
	kerr_t err;

	if (l->type == F_UNLCK && !ofd)
		return KERR(EINVAL);
	err = make_request(f, l, ofd, &want);
	if (err)
		return err;
	spin_lock(&vfs()->locks_lock);
	if (f->inode->locks)
		c = find_conflict(f->inode, &want);
	if (c) {
		l->type = c->type;
		l->whence = SEEK_SET;
		l->start = c->start;
		l->len = c->end == S64_MAX ? 0 : c->end - c->start + 1;
		l->pid = c->pid;
	} else {
		l->type = F_UNLCK;
	}
	spin_unlock(&vfs()->locks_lock);
	return 0;
}

kerr_t fcntl_setlk(struct file *f, int fd, const struct flock_k *l, bool ofd, bool wait)
{
	struct file_lock want;
	struct file *now;
	kerr_t err = make_request(f, l, ofd, &want);

	if (err)
		return err;
	if ((l->type == F_RDLCK && !(f->mode & FMODE_READ)) || (l->type == F_WRLCK && !(f->mode & FMODE_WRITE)))
		return KERR(EBADF);
	err = lock_set(f->inode, &want, wait);
	if (err || ofd || l->type == F_UNLCK)
		return err;
	/* Another thread may have closed the descriptor meanwhile; nobody would ever remove the lock. */
	now = fd_get_any(fd);
	if (now)
		file_put(now);
	if (now != f) {
		locks_remove_posix(f, current->files);
		return KERR(EBADF);
	}
	return 0;
}

long do_flock(struct file *f, unsigned op)
{
	struct file_lock want = { .kind = LOCK_FLOCK, .start = 0, .end = S64_MAX, .owner = f, .pid = current->proc ? current->proc->pid : 0 };
	struct file_lock drop;
	kerr_t err;

	switch (op & ~LOCK_NB) {
	case LOCK_SH:
		want.type = F_RDLCK;
		break;
	case LOCK_EX:
		want.type = F_WRLCK;
		break;
	case LOCK_UN:
		want.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	err = lock_set(f->inode, &want, false);
	if (!kerr_is(err, EAGAIN))
		return kerr_code(err);
	/* A conversion is not atomic (flock(2)): the old lock goes first, and is lost even if we shall not wait. */
	drop = want;
	drop.type = F_UNLCK;
	err = lock_set(f->inode, &drop, false);
	if (!err)
		err = op & LOCK_NB ? KERR(EAGAIN) : lock_set(f->inode, &want, true);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- /proc/locks */
/* A copy of the n'th lock of all, and of what names its file. */
static bool lock_at(u64 n, struct file_lock *out, dev_t *dev, ino_t *ino)
{
	struct file_lock *l;
	bool found = false;

	spin_lock(&vfs()->locks_lock);
	list_for_each(l, &vfs()->all_locks, all_node) {
		if (n--)
			continue;
		*out = *l;
		*dev = l->inode->sb->dev;
		*ino = l->inode->ino;
		found = true;
		break;
	}
	spin_unlock(&vfs()->locks_lock);
	return found;
}

void vfs_show_locks(struct seq_buf *s)
{
	static const char *const kinds[] = { [LOCK_FLOCK] = "FLOCK ", [LOCK_POSIX] = "POSIX ", [LOCK_OFD] = "OFDLCK" };
	struct file_lock l = { .kind = LOCK_FLOCK };
	dev_t dev = 0;
	ino_t ino = 0;

	/* One at a time: the text grows without the lock. */
	for (u64 n = 0; lock_at(n, &l, &dev, &ino); n++) {
		seq_printf(s, "%llu: %s ADVISORY  %s %d %02x:%02x:%llu %lld ", (unsigned long long)n + 1, kinds[l.kind],
			   l.type == F_WRLCK ? "WRITE" : "READ ", l.pid, DEV_MAJOR(dev), DEV_MINOR(dev), (unsigned long long)ino, (long long)l.start);
		if (l.end == S64_MAX)
			seq_puts(s, "EOF\n");
		else
			seq_printf(s, "%lld\n", (long long)l.end);
	}
}
