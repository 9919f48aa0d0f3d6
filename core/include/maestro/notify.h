/* SPDX-License-Identifier: MIT */
/*
 * File system events for those who watch (inotify(7)). The VFS calls these after what happened; without any watch in the kernel each costs one load.
 * Context: process; nothing here sleeps. Locks held by the caller: any sleeping ones, no spinlock.
 */
#pragma once

#include <maestro/kernel.h>
#include <maestro/vfs.h>

#define IN_ACCESS 0x1u
#define IN_MODIFY 0x2u
#define IN_ATTRIB 0x4u
#define IN_CLOSE_WRITE 0x8u
#define IN_CLOSE_NOWRITE 0x10u
#define IN_OPEN 0x20u
#define IN_MOVED_FROM 0x40u
#define IN_MOVED_TO 0x80u
#define IN_CREATE 0x100u
#define IN_DELETE 0x200u
#define IN_DELETE_SELF 0x400u
#define IN_MOVE_SELF 0x800u
#define IN_ALL_EVENTS 0xfffu
#define IN_UNMOUNT 0x2000u
#define IN_Q_OVERFLOW 0x4000u
#define IN_IGNORED 0x8000u
#define IN_ISDIR 0x40000000u

/* Events queued for one inotify file; inotify files and watches of one user. */
#define INOTIFY_MAX_EVENTS 16384u
#define INOTIFY_MAX_INSTANCES 128
#define INOTIFY_MAX_WATCHES 65536

void notify_inode_slow(struct inode *inode, u32 event);
void notify_dentry_slow(struct dentry *d, u32 event);
void notify_dir_slow(struct inode *dir, u32 event, const struct name *n, u32 cookie);
void notify_change_slow(struct dentry *d, u32 attr_valid);
void notify_inode_gone_slow(struct inode *inode);
void notify_super_gone(struct super *sb); /* watches below sb end with IN_UNMOUNT */
u32 notify_cookie(void);		  /* for the two halves of a rename; never 0 */

static inline bool notify_any(void)
{
	return unlikely(atomic_read(&kernel()->vfs.nwatches) > 0);
}
/* To those who watch the object, and its directory if it is reached by d. */
static inline void notify_dentry(struct dentry *d, u32 event)
{
	if (notify_any())
		notify_dentry_slow(d, event);
}
static inline void notify_file(struct file *f, u32 event)
{
	if (notify_any() && !(f->mode & FMODE_PATH))
		notify_dentry_slow(f->path.dentry, event);
}
/* Only to those who watch the object. */
static inline void notify_inode(struct inode *inode, u32 event)
{
	if (notify_any())
		notify_inode_slow(inode, event);
}
/* An entry of dir. event: with IN_ISDIR if it is a directory's. */
static inline void notify_dir(struct inode *dir, u32 event, const struct name *n)
{
	if (notify_any())
		notify_dir_slow(dir, event, n, 0);
}
/* Attributes were set: ATTR_* say which. */
static inline void notify_change(struct dentry *d, u32 attr_valid)
{
	if (notify_any())
		notify_change_slow(d, attr_valid);
}
/* A dentry gives up an inode without links: IN_DELETE_SELF, and its watches end. The caller holds a reference on inode. */
static inline void notify_inode_gone(struct inode *inode)
{
	if (notify_any() && inode->nlink == 0 && inode->watches.first)
		notify_inode_gone_slow(inode);
}
