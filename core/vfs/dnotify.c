/* SPDX-License-Identifier: MIT */
/*
 * Directory notification (fcntl(2), F_NOTIFY): an open directory's owner gets a signal when something in it changes. Superseded by inotify(7).
 *
 * All notifications stand in one list, since they are few: an event of a directory walks it, while there is any. Each belongs to a directory's open file
 * and to the table of files that asked; a close through that table ends it. vfs.nwatches counts them with inotify's watches.
 * Locking: vfs.fasync_lock, held while signals are sent.
 */
#include <maestro/fasync.h>

#include "notify.h"

#define DN_ACCESS 0x1u
#define DN_MODIFY 0x2u
#define DN_CREATE 0x4u
#define DN_DELETE 0x8u
#define DN_RENAME 0x10u
#define DN_ATTRIB 0x20u
#define DN_MULTISHOT 0x80000000u

struct dnotify {
	struct list node; /* [fasync_lock] */
	/* [c] */
	struct file *file; /* not counted: its release ends this */
	const struct files *owner;
	/* [fasync_lock] */
	int fd;	  /* what si_fd will say */
	u32 mask; /* IN_*; IN_ONESHOT is not among them: DN_MULTISHOT stands for itself */
};

static u32 events_of(unsigned long arg)
{
	return (arg & DN_ACCESS ? IN_ACCESS : 0) | (arg & DN_MODIFY ? IN_MODIFY : 0) | (arg & DN_CREATE ? IN_CREATE | IN_MOVED_TO : 0) |
	       (arg & DN_DELETE ? IN_DELETE | IN_MOVED_FROM : 0) | (arg & DN_RENAME ? IN_MOVED_WITHIN : 0) | (arg & DN_ATTRIB ? IN_ATTRIB : 0) |
	       (arg & DN_MULTISHOT);
}

/* Takes it off the list; the caller frees it when the lock is gone. */
static void detach_locked(struct dnotify *dn, struct list *over)
{
	assert_held(&vfs()->fasync_lock);
	list_move_tail(over, &dn->node);
	store_relaxed(&vfs()->ndnotifies, vfs()->ndnotifies - 1);
	atomic_dec(&vfs()->nwatches);
}

static void free_all(struct list *over)
{
	while (!list_empty(over)) {
		struct dnotify *dn = list_first(over, struct dnotify, node);

		list_del(&dn->node);
		kfree(dn);
	}
}

void dnotify_tell_slow(const struct inode *dir, u32 event)
{
	struct dnotify *dn, *next;
	unsigned long flags;
	struct list over;

	list_init(&over);
	flags = spin_lock_irqsave(&vfs()->fasync_lock);
	list_for_each_safe(dn, next, &vfs()->dnotifies, node) {
		struct file_owner o;

		if (dn->file->inode != dir || !(dn->mask & event & (IN_ALL_EVENTS | IN_MOVED_WITHIN)))
			continue;
		spin_lock(&dn->file->lock);
		o = dn->file->owner;
		spin_unlock(&dn->file->lock);
		sigio_send(&o, dn->fd, SIGIO, POLL_MSG);
		if (!(dn->mask & DN_MULTISHOT))
			detach_locked(dn, &over);
	}
	spin_unlock_irqrestore(&vfs()->fasync_lock, flags);
	free_all(&over);
}

void dnotify_closed_slow(const struct file *f, const struct files *owner)
{
	struct dnotify *dn, *next;
	unsigned long flags;
	struct list over;

	list_init(&over);
	flags = spin_lock_irqsave(&vfs()->fasync_lock);
	list_for_each_safe(dn, next, &vfs()->dnotifies, node)
		if (dn->file == f && (!owner || dn->owner == owner))
			detach_locked(dn, &over);
	spin_unlock_irqrestore(&vfs()->fasync_lock, flags);
	free_all(&over);
}

/* Adds to what is there already for the file and this table. True: `fresh` is in the list now. */
static bool attach_locked(struct dnotify *fresh)
{
	struct dnotify *dn;

	assert_held(&vfs()->fasync_lock);
	list_for_each(dn, &vfs()->dnotifies, node) {
		if (dn->file == fresh->file && dn->owner == fresh->owner) {
			dn->fd = fresh->fd;
			dn->mask |= fresh->mask;
			return false;
		}
	}
	list_add(&vfs()->dnotifies, &fresh->node);
	store_relaxed(&vfs()->ndnotifies, vfs()->ndnotifies + 1);
	atomic_inc(&vfs()->nwatches);
	return true;
}

long dnotify_set(struct file *f, int fd, unsigned long arg)
{
	struct dnotify *fresh;
	unsigned long flags;
	kerr_t err;
	bool used;

	if (!load_relaxed(&vfs()->dnotify_enable))
		return -EINVAL;
	if (!(arg & ~(unsigned long)DN_MULTISHOT)) {
		dnotify_closed(f, current->files);
		return 0;
	}
	if (!S_ISDIR(f->inode->mode))
		return -ENOTDIR;
	fresh = kmalloc(sizeof(*fresh), GFP_KERNEL);
	if (!fresh)
		return -ENOMEM;
	*fresh = (struct dnotify) { .file = f, .owner = current->files, .fd = fd, .mask = events_of(arg) };
	err = file_owner_set(f, OWNER_PID, current->proc->pid, false);
	if (err) {
		kfree(fresh);
		return kerr_code(err);
	}
	flags = spin_lock_irqsave(&vfs()->fasync_lock);
	used = attach_locked(fresh);
	spin_unlock_irqrestore(&vfs()->fasync_lock, flags);
	if (!used)
		kfree(fresh);
	return 0;
}
