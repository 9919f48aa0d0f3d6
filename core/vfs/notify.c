/* SPDX-License-Identifier: MIT */
/*
 * Watches on inodes, and what becomes of an event: it is queued at once for every watch that asked for it (inotify(7)); those of F_NOTIFY get a signal.
 *
 * Structures: inode.watches holds the watches of all inotify files on it; each has a reference on the inode, which so stays in memory.
 * vfs.nwatches is their number, so that nothing is paid without any. Locking: vfs.notify_lock for all; names of dentries are read under
 * vfs.dcache_lock, outside it. Events are allocated under the lock, from what is free at once: if there is none, the queue overflows.
 */
#include "notify.h"

/* Does the newest event say the same already? */
static bool same_as_last(const struct inotify *g, int wd, u32 mask, const struct name *n)
{
	const struct inotify_event_k *e;
	u32 len = n ? n->len : 0;

	if (list_empty(&g->events))
		return false;
	e = list_entry(g->events.prev, struct inotify_event_k, node);
	return e->wd == wd && e->mask == mask && e->len == len && (!len || !memcmp(e->name, n->str, len));
}

static void queue_overflow(struct inotify *g)
{
	if (g->overflowed)
		return;
	g->overflowed = true;
	g->overflow.wd = -1;
	g->overflow.mask = IN_Q_OVERFLOW;
	list_add_tail(&g->events, &g->overflow.node);
	g->nevents++;
}

static void queue_event(struct inotify *g, int wd, u32 mask, const struct name *n, u32 cookie)
{
	u32 len = n ? n->len : 0;
	struct inotify_event_k *e;

	assert_held(&vfs()->notify_lock);
	if (same_as_last(g, wd, mask, n))
		return;
	e = g->nevents < INOTIFY_MAX_EVENTS ? kmalloc(sizeof(*e) + len, GFP_ATOMIC) : NULL;
	if (e) {
		e->wd = wd;
		e->mask = mask;
		e->cookie = cookie;
		e->len = len;
		if (len)
			memcpy(e->name, n->str, len);
		list_add_tail(&g->events, &e->node);
		g->nevents++;
	} else {
		queue_overflow(g);
	}
	wake_up_n(&g->wq, 0, EPOLLIN | EPOLLRDNORM);
}

void watch_detach(struct watch *w, bool tell, struct list *done)
{
	if (tell)
		queue_event(w->group, w->wd, IN_IGNORED, NULL, 0);
	hlist_del(&w->inode_node);
	list_del(&w->group_node);
	list_add_tail(done, &w->group_node);
	atomic_dec(&w->group->user->inotify_watches);
	atomic_dec(&vfs()->nwatches);
}

void watches_free(struct list *done)
{
	while (!list_empty(done)) {
		struct watch *w = list_first(done, struct watch, group_node);

		list_del(&w->group_node);
		inode_put(w->inode);
		kfree(w);
	}
}

void watch_post(struct watch *w, u32 event, const struct name *n, u32 cookie, struct list *done)
{
	if (!(w->mask & event & IN_ALL_EVENTS))
		return;
	if (event & (IN_DELETE_SELF | IN_MOVE_SELF))
		event &= ~IN_ISDIR;
	queue_event(w->group, w->wd, event, n, cookie);
	if (w->mask & IN_ONESHOT)
		watch_detach(w, true, done);
}

/* To all watches of inode. unlinked: the name is no more, which some do not want to hear of. */
static void post_all(struct inode *inode, u32 event, const struct name *n, u32 cookie, bool unlinked, struct list *done)
{
	struct watch *w;
	struct hlist_node *next;

	for (struct hlist_node *at = inode->watches.first; at; at = next) {
		next = at->next;
		w = container_of(at, struct watch, inode_node);
		if (!(unlinked && (w->mask & IN_EXCL_UNLINK)))
			watch_post(w, event, n, cookie, done);
	}
}

void notify_dir_slow(struct inode *dir, u32 event, const struct name *n, u32 cookie)
{
	struct list done;

	list_init(&done);
	spin_lock(&vfs()->notify_lock);
	post_all(dir, event, n, cookie, false, &done);
	spin_unlock(&vfs()->notify_lock);
	watches_free(&done);
	dnotify_tell(dir, event);
}

void notify_inode_slow(struct inode *inode, u32 event)
{
	notify_dir_slow(inode, event | (S_ISDIR(inode->mode) ? IN_ISDIR : 0), NULL, 0);
}

void notify_dentry_slow(struct dentry *d, u32 event)
{
	struct inode *inode = d->inode, *dir;
	struct list done;

	if (!inode)
		return;
	if (S_ISDIR(inode->mode))
		event |= IN_ISDIR;
	list_init(&done);
	spin_lock(&vfs()->dcache_lock);
	spin_lock(&vfs()->notify_lock);
	dir = d->parent != d ? d->parent->inode : NULL;
	if (dir)
		post_all(dir, event, &d->name, 0, !(d->flags & DENTRY_HASHED), &done);
	post_all(inode, event, NULL, 0, false, &done);
	spin_unlock(&vfs()->notify_lock);
	spin_unlock(&vfs()->dcache_lock);
	watches_free(&done);
	if (dir)
		dnotify_tell(dir, event);
	if (S_ISDIR(inode->mode))
		dnotify_tell(inode, event);
}

void notify_change_slow(struct dentry *d, u32 valid)
{
	u32 event = 0;

	if (valid & (ATTR_UID | ATTR_GID | ATTR_MODE))
		event |= IN_ATTRIB;
	if (valid & ATTR_SIZE)
		event |= IN_MODIFY;
	if ((valid & (ATTR_ATIME | ATTR_MTIME)) == (ATTR_ATIME | ATTR_MTIME))
		event |= IN_ATTRIB;
	else if (valid & ATTR_ATIME)
		event |= IN_ACCESS;
	else if (valid & ATTR_MTIME)
		event |= IN_MODIFY;
	if (event)
		notify_dentry_slow(d, event);
}

static void end_all(struct inode *inode, u32 event, struct list *done)
{
	struct hlist_node *at;

	while ((at = inode->watches.first) != NULL) {
		struct watch *w = container_of(at, struct watch, inode_node);

		if ((w->mask & IN_DELETE_SELF) || (event & IN_UNMOUNT))
			queue_event(w->group, w->wd, event, NULL, 0);
		watch_detach(w, true, done);
	}
}

void notify_inode_gone_slow(struct inode *inode)
{
	struct list done;

	list_init(&done);
	spin_lock(&vfs()->notify_lock);
	end_all(inode, IN_DELETE_SELF, &done);
	spin_unlock(&vfs()->notify_lock);
	watches_free(&done);
}

void notify_super_gone(struct super *sb)
{
	struct list done;

	if (!notify_any())
		return;
	list_init(&done);
	spin_lock(&sb->inodes_lock);
	spin_lock(&vfs()->notify_lock);
	for (struct list *at = sb->inodes.prev; at != &sb->inodes; at = at->prev) { /* newest first, as Linux */
		struct inode *inode = list_entry(at, struct inode, sb_node);

		if (inode->watches.first)
			end_all(inode, IN_UNMOUNT | (S_ISDIR(inode->mode) ? IN_ISDIR : 0), &done);
	}
	spin_unlock(&vfs()->notify_lock);
	spin_unlock(&sb->inodes_lock);
	watches_free(&done);
}

u32 notify_cookie(void)
{
	u32 cookie;

	spin_lock(&vfs()->notify_lock);
	cookie = ++vfs()->notify_cookie;
	if (!cookie)
		cookie = ++vfs()->notify_cookie;
	spin_unlock(&vfs()->notify_lock);
	return cookie;
}
