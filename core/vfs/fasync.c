/* SPDX-License-Identifier: MIT */
/*
 * Signal-driven I/O: queues of O_ASYNC files, and who owns a file (fcntl(2), F_SETOWN).
 * Locking: vfs.fasync_lock for all queues, held while signals are sent; inside it file.lock, which protects the owner.
 */
#include <maestro/fasync.h>

#include "vfs_priv.h"

struct fasync_entry {
	struct list node; /* [vfs.fasync_lock] */
	struct file *file;
	int fd;
};

static struct fasync_entry *find_entry(struct fasync_queue *q, const struct file *f)
{
	struct fasync_entry *e;

	assert_held(&vfs()->fasync_lock);
	list_for_each(e, &q->entries, node)
		if (e->file == f)
			return e;
	return NULL;
}

static void set_flag(struct file *f, bool on)
{
	spin_lock(&f->lock);
	f->flags = on ? f->flags | O_ASYNC : f->flags & ~O_ASYNC;
	spin_unlock(&f->lock);
}

kerr_t fasync_set(int fd, struct file *f, struct fasync_queue *q, bool on)
{
	struct fasync_entry *fresh = NULL, *old;
	unsigned long flags;

	if (on) {
		fresh = kmalloc(sizeof(*fresh), GFP_KERNEL);
		if (!fresh)
			return KERR(ENOMEM);
		*fresh = (struct fasync_entry) { .file = f, .fd = fd };
	}
	flags = spin_lock_irqsave(&vfs()->fasync_lock);
	old = find_entry(q, f);
	if (on && old) {
		old->fd = fd;
		old = fresh; /* not needed */
	} else if (on) {
		list_add(&q->entries, &fresh->node);
	} else if (old) {
		list_del(&old->node);
	}
	set_flag(f, on);
	spin_unlock_irqrestore(&vfs()->fasync_lock, flags);
	kfree(old);
	return 0;
}

void fasync_notify_slow(struct fasync_queue *q, int sig, int code)
{
	unsigned long flags = spin_lock_irqsave(&vfs()->fasync_lock);
	struct fasync_entry *e;

	list_for_each(e, &q->entries, node) {
		struct file_owner o;

		spin_lock(&e->file->lock);
		o = e->file->owner;
		spin_unlock(&e->file->lock);
		if (sig != SIGURG || o.sig)
			sigio_send(&o, e->fd, sig, code);
	}
	spin_unlock_irqrestore(&vfs()->fasync_lock, flags);
}

/* ---------------------------------------------------------------- owners */

kerr_t file_owner_set(struct file *f, int type, pid_t id, bool force)
{
	const struct cred *c = current_cred();

	if (id && !sigio_target_exists(type, id))
		return KERR(ESRCH);
	spin_lock(&f->lock);
	if (force || !f->owner.pid) {
		f->owner.type = type;
		f->owner.pid = id;
		f->owner.uid = c->uid;
		f->owner.euid = c->euid;
	}
	spin_unlock(&f->lock);
	return 0;
}

kerr_t file_owner_set_number(struct file *f, long who)
{
	pid_t id = (pid_t)who;

	if (id == -S32_MAX - 1)
		return KERR(EINVAL);
	return id < 0 ? file_owner_set(f, OWNER_PGRP, -id, true) : file_owner_set(f, OWNER_PID, id, true);
}

static struct file_owner living_owner(struct file *f)
{
	struct file_owner o;

	spin_lock(&f->lock);
	o = f->owner;
	spin_unlock(&f->lock);
	if (o.pid && !sigio_target_exists(o.type, o.pid))
		o.pid = 0;
	return o;
}

long file_owner_get_number(struct file *f)
{
	struct file_owner o = living_owner(f);

	return o.type == OWNER_PGRP ? -(long)o.pid : o.pid;
}

bool file_owner_signal(struct file *f, int sig)
{
	struct file_owner o;

	spin_lock(&f->lock);
	o = f->owner;
	spin_unlock(&f->lock);
	sigio_send(&o, -1, sig, 0);
	return o.pid != 0;
}

/* struct f_owner_ex of fcntl(2). */
struct f_owner_ex {
	int type;
	pid_t pid;
};

kerr_t file_owner_get_user(struct file *f, void __user *arg)
{
	struct file_owner o = living_owner(f);
	struct f_owner_ex out = { o.type, o.pid };

	return copy_out((struct f_owner_ex __user *)arg, &out);
}

kerr_t file_owner_set_user(struct file *f, const void __user *arg)
{
	struct f_owner_ex o;

	if (copy_in(&o, (const struct f_owner_ex __user *)arg))
		return KERR(EFAULT);
	if (o.type < OWNER_TID || o.type > OWNER_PGRP)
		return KERR(EINVAL);
	return file_owner_set(f, o.type, o.pid, true);
}
