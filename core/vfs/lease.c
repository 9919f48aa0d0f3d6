/* SPDX-License-Identifier: MIT */
/*
 * Leases (fcntl(2), "Leases"): a file's holder hears by signal before another opens or truncates it, and has lease-break-time seconds to give way.
 *
 * All leases stand in one list; inode.nleases says how many are on an inode, so that an open of a file without any pays one load. A lease that is being
 * broken has a time limit; whoever wants the file waits on vfs.locks_wait, and changes the lease when the limit passes.
 * Locking: vfs.locks_lock. The signal is sent, and the file's O_ASYNC set, outside it: a reference to the file keeps the lease.
 */
#include "vfs_priv.h"

#include <maestro/fasync.h>

struct lease {
	struct list node; /* [vfs.locks_lock] */
	/* [c] */
	struct file *file;   /* not counted: its release ends the lease */
	struct inode *inode; /* file's */
	int fd;
	/* [vfs.locks_lock] */
	int type; /* F_RDLCK, F_WRLCK; F_UNLCK: it is over */
	bool to_unlock, to_read; /* being broken: what it is to become */
	ktime_t unlock_by, read_by; /* then it does by itself */
	struct fasync_queue async;
};

static bool breaking(const struct lease *l)
{
	return l->to_unlock || l->to_read;
}

static struct lease *find_locked(const struct file *f)
{
	struct lease *l;

	assert_held(&vfs()->locks_lock);
	list_for_each(l, &vfs()->leases, node)
		if (l->file == f)
			return l;
	return NULL;
}

/* The lease becomes `type`. Those to free go on `over`. */
static void change_locked(struct lease *l, int type, struct list *over)
{
	if (type == F_UNLCK)
		l->to_unlock = l->to_read = false;
	else
		l->to_read = false;
	l->type = type;
	if (type == F_UNLCK) {
		list_move_tail(over, &l->node);
		store_relaxed(&l->inode->nleases, l->inode->nleases - 1);
	}
}

/* What is past its time gives way. */
static void time_out_locked(struct inode *inode, struct list *over)
{
	ktime_t now = ktime_get();
	struct lease *l, *next;

	list_for_each_safe(l, next, &vfs()->leases, node) {
		if (l->inode != inode)
			continue;
		if (l->to_read && l->read_by <= now)
			change_locked(l, F_RDLCK, over);
		if (l->to_unlock && l->unlock_by <= now)
			change_locked(l, F_UNLCK, over);
	}
}

/* Ends what is over: the file is nobody's any more. No lock held. */
static void dispose(struct list *over)
{
	bool any = !list_empty(over);

	while (!list_empty(over)) {
		struct lease *l = list_first(over, struct lease, node);
		kerr_t err = fasync_set(-1, l->file, &l->async, false);

		(void)err; /* only coming needs memory */
		spin_lock(&l->file->lock);
		l->file->owner = (struct file_owner) { 0 };
		spin_unlock(&l->file->lock);
		list_del(&l->node);
		kfree(l);
	}
	if (any)
		wake_up_all(&vfs()->locks_wait);
}

/* ---------------------------------------------------------------- fcntl */

/* Nobody but the holder may have it open in a way that the lease would have to be broken for. */
static bool others_open(const struct file *f, int type)
{
	const struct inode *inode = f->inode;

	if (type == F_RDLCK)
		return atomic_read(&inode->writers) > 0;
	return atomic_read(&inode->writers) != (f->mode & FMODE_WRITE ? 1 : 0) || atomic_read(&inode->readers) != (f->mode & FMODE_WRITE ? 0 : 1);
}

static long add_locked(struct file *f, int type, struct lease *fresh, struct list *over)
{
	struct lease *l, *mine = NULL;

	time_out_locked(f->inode, over);
	if (others_open(f, type))
		return -EAGAIN;
	list_for_each(l, &vfs()->leases, node) {
		if (l->inode != f->inode)
			continue;
		if (l->file == f)
			mine = l;
		else if (type == F_WRLCK || l->to_unlock)
			return -EAGAIN;
	}
	if (mine) {
		change_locked(mine, type, over);
		return 1;
	}
	list_add_tail(&vfs()->leases, &fresh->node);
	store_relaxed(&f->inode->nleases, f->inode->nleases + 1);
	return 0;
}

static long lease_add(struct file *f, int fd, int type)
{
	struct lease *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	struct list over;
	kerr_t err;
	long ret;

	if (!fresh)
		return -ENOMEM;
	list_init(&over);
	fresh->file = f;
	fresh->inode = f->inode;
	fresh->fd = fd;
	fresh->type = type;
	fasync_queue_init(&fresh->async);
	err = fasync_set(fd, f, &fresh->async, true);
	if (err) {
		kfree(fresh);
		return kerr_code(err);
	}
	spin_lock(&vfs()->locks_lock);
	ret = add_locked(f, type, fresh, &over);
	spin_unlock(&vfs()->locks_lock);
	dispose(&over);
	if (!ret) {
		err = file_owner_set(f, OWNER_PID, current->proc->pid, false);
		return kerr_code(err);
	}
	err = fasync_set(-1, f, &fresh->async, false);
	(void)err;
	kfree(fresh);
	wake_up_all(&vfs()->locks_wait); /* a lease may have been lowered */
	return MIN(ret, 0L);
}

static long lease_remove(struct file *f)
{
	struct list over;
	struct lease *l;

	list_init(&over);
	spin_lock(&vfs()->locks_lock);
	l = find_locked(f);
	if (l)
		change_locked(l, F_UNLCK, &over);
	spin_unlock(&vfs()->locks_lock);
	dispose(&over);
	return l ? 0 : -EAGAIN;
}

long lease_set(struct file *f, int fd, unsigned long type)
{
	if (type != F_RDLCK && type != F_WRLCK && type != F_UNLCK)
		return -EINVAL;
	if (current_cred()->fsuid != f->inode->uid && !capable(CAP_LEASE))
		return -EACCES;
	if (!S_ISREG(f->inode->mode))
		return -EINVAL;
	return type == F_UNLCK ? lease_remove(f) : lease_add(f, fd, (int)type);
}

long lease_get(struct file *f)
{
	long type = F_UNLCK;
	struct list over;
	struct lease *l;

	list_init(&over);
	spin_lock(&vfs()->locks_lock);
	time_out_locked(f->inode, &over);
	l = find_locked(f);
	if (l)
		type = l->to_unlock ? F_UNLCK : l->to_read ? F_RDLCK : l->type;
	spin_unlock(&vfs()->locks_lock);
	dispose(&over);
	return type;
}

void lease_file_released(struct file *f)
{
	(void)lease_remove(f);
}

/* ---------------------------------------------------------------- breaking */

static bool conflicts(const struct lease *l, const struct inode *inode, bool write)
{
	return l->inode == inode && (write || l->type == F_WRLCK);
}

/* Marks a lease as being broken; true: its holder is to be told. */
static bool mark_locked(struct lease *l, bool write, ktime_t by)
{
	if (write ? l->to_unlock : breaking(l))
		return false;
	if (write) {
		l->to_unlock = true;
		l->unlock_by = by;
	} else {
		l->to_read = true;
		l->read_by = by;
	}
	return true;
}

/*
 * The first lease in the way, if there is one: its time, and its file with a reference if the holder has yet to be told. A file whose last reference is
 * going has no lease soon: it is not told, but waited for.
 */
static bool next_in_way(struct inode *inode, bool write, ktime_t by, ktime_t *until, struct file **tell, struct lease **told)
{
	bool found = false;
	struct list over;
	struct lease *l;

	list_init(&over);
	*tell = NULL;
	spin_lock(&vfs()->locks_lock);
	time_out_locked(inode, &over);
	list_for_each(l, &vfs()->leases, node) {
		if (!conflicts(l, inode, write))
			continue;
		if (!found)
			*until = S64_MAX;
		found = true;
		if (mark_locked(l, write, by) && atomic_inc_not_zero(&l->file->refs)) {
			*tell = l->file;
			*told = l;
		}
		*until = MIN(*until, l->to_unlock ? l->unlock_by : l->read_by);
		if (*tell)
			break;
	}
	spin_unlock(&vfs()->locks_lock);
	dispose(&over);
	return found;
}

static bool still_in_way(struct inode *inode, bool write)
{
	bool found = false;
	struct lease *l;

	spin_lock(&vfs()->locks_lock);
	list_for_each(l, &vfs()->leases, node)
		found |= conflicts(l, inode, write);
	spin_unlock(&vfs()->locks_lock);
	return found;
}

/* Tells the holder. The reference keeps the file; its lease may be over by now, then there is nobody in its queue. */
static void tell_holder(struct file *f, struct lease *l)
{
	struct file_owner o;
	int fd = -1;

	spin_lock(&vfs()->locks_lock);
	if (find_locked(f) == l)
		fd = l->fd;
	spin_unlock(&vfs()->locks_lock);
	spin_lock(&f->lock);
	o = f->owner;
	spin_unlock(&f->lock);
	if (fd >= 0)
		sigio_send(&o, fd, SIGIO, POLL_MSG);
	file_put(f);
}

kerr_t lease_break_slow(struct inode *inode, bool write, bool nonblock)
{
	u32 wait = load_relaxed(&vfs()->lease_break_time); /* s; 0: no limit */
	ktime_t by = wait ? ktime_get() + (s64)wait * NSEC_PER_SEC : S64_MAX, until = S64_MAX;
	struct lease *told = NULL;
	struct file *tell;
	kerr_t err = 0;

	while (!err && next_in_way(inode, write, by, &until, &tell, &told)) {
		if (tell) {
			tell_holder(tell, told);
			continue;
		}
		if (nonblock)
			return KERR(EWOULDBLOCK);
		err = wait_event_interruptible_until(&vfs()->locks_wait, !still_in_way(inode, write), until);
		if (kerr_code(err) == -ETIMEDOUT)
			err = 0; /* the next look takes it away */
	}
	return err;
}
