/* SPDX-License-Identifier: MIT */
/*
 * open(2), openat2(2): from a path to a struct file. The walk stops before the last component when O_CREAT is given, so that a missing
 * name can be made under its directory's lock. Order of checks is Linux's.
 */
#include "vfs_priv.h"

#include <maestro/acl.h>
#include <maestro/notify.h>

#define O_TMPFILE_BIT 020000000u

static unsigned acc_mask(u32 flags)
{
	static const u8 mask[4] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE };
	unsigned m = mask[flags & O_ACCMODE];

	return flags & O_TRUNC ? m | MAY_WRITE : m;
}

/* Permission to open what was found. *flags loses O_TRUNC where it means nothing. */
static kerr_t may_open(const struct path *p, u32 *flags)
{
	struct inode *inode = p->dentry->inode;
	unsigned mask = acc_mask(*flags);
	kerr_t err;

	switch (inode->mode & S_IFMT) {
	case S_IFLNK:
		return KERR(ELOOP);
	case S_IFDIR:
		if (mask & MAY_WRITE)
			return KERR(EISDIR);
		break;
	case S_IFBLK:
	case S_IFCHR:
		if ((p->mnt->flags | inode->sb->flags) & MS_NODEV)
			return KERR(EACCES);
		fallthrough;
	case S_IFIFO:
	case S_IFSOCK:
		*flags &= ~O_TRUNC;
		break;
	}
	err = inode_permission(inode, mask);
	if (err)
		return err;
	if ((load_relaxed(&inode->flags) & INODE_APPEND) &&
	    (((*flags & O_ACCMODE) != O_RDONLY && !(*flags & O_APPEND)) || (*flags & O_TRUNC)))
		return KERR(EPERM);
	if ((*flags & O_NOATIME) && !inode_owner_or_capable(inode))
		return KERR(EPERM);
	return 0;
}

static kerr_t truncate_open(struct inode *inode)
{
	struct attr a = { .valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME | ATTR_TRUNC_OPEN };
	kerr_t err;

	rwsem_write_lock(&inode->rwsem);
	a.mtime = a.ctime = ktime_get_real_coarse_ts();
	a.valid |= inode_privs_to_kill(inode);
	err = inode_setattr_locked(inode, &a);
	rwsem_write_unlock(&inode->rwsem);
	return err;
}

/* Makes the file of f->path, whose references f owns (also on failure, until file_put). */
static kerr_t open_path(struct file *f, u32 flags, bool created)
{
	struct inode *inode = f->path.dentry->inode;
	bool trunc = (flags & O_TRUNC) && !created && S_ISREG(inode->mode);
	kerr_t err = 0;

	if (trunc)
		err = mount_want_write(f->path.mnt);
	if (err)
		return err;
	err = file_finish_open(f, flags);
	if (!err && trunc) {
		if (f->mode & FMODE_WRITER) {
			err = truncate_open(inode);
		} else {
			err = inode_write_get(inode);
			if (!err) {
				err = truncate_open(inode);
				inode_write_put(inode);
			}
		}
	}
	if (trunc)
		mount_drop_write(f->path.mnt);
	if (!err && trunc)
		notify_dentry(f->path.dentry, IN_MODIFY);
	return err;
}

static kerr_t open_found(struct file *f, u32 flags)
{
	struct inode *inode = f->path.dentry->inode;
	kerr_t err;

	if (flags & O_PATH)
		return file_finish_open(f, flags);
	if (S_ISLNK(inode->mode))
		return KERR(ELOOP);
	if (flags & O_CREAT) {
		if (S_ISDIR(inode->mode))
			return KERR(EISDIR);
	}
	if ((flags & O_DIRECTORY) && !S_ISDIR(inode->mode))
		return KERR(ENOTDIR);
	err = may_open(&f->path, &flags);
	return err ? err : open_path(f, flags, false);
}

/* A missing name, in w->path: makes it. *made says so; otherwise another was faster and *d is what it made. */
static kerr_t create_last(struct walk *w, u32 flags, mode_t mode, struct dentry **d, bool *made)
{
	struct inode *dir = w->path.dentry->inode;
	kerr_t err, ro = mount_want_write(w->path.mnt);

	rwsem_write_lock(&dir->rwsem);
	err = lookup_child_locked(w->path.dentry, &w->last, d);
	if (!err && !(*d)->inode) {
		err = ro;
		if (!err)
			err = may_create(dir, *d);
		if (!err)
			err = dir_create(dir, *d, mode);
		if (!err)
			*made = true;
		else
			dentry_put(*d);
	} else if (!err && (flags & O_EXCL)) {
		dentry_put(*d);
		err = KERR(EEXIST);
	}
	rwsem_write_unlock(&dir->rwsem);
	if (!ro)
		mount_drop_write(w->path.mnt);
	if (*made)
		notify_dir(dir, IN_CREATE, &w->last);
	return err;
}

static kerr_t open_create(struct walk *w, struct file *f, const struct open_how_k *how)
{
	u32 flags = how->flags;

	for (;;) {
		struct dentry *d;
		bool made = false;
		kerr_t err = walk_run(w, NULL);

		if (err)
			return err;
		if (w->last_type != LAST_NORM || w->trailing)
			return KERR(EISDIR);
		err = lookup_child(w->path.dentry, &w->last, w->flags, &d);
		if (err)
			return err;
		if (!d->inode) {
			dentry_put(d);
			err = create_last(w, flags, inode_acl_umask(w->path.dentry->inode, how->mode), &d, &made);
			if (err)
				return err;
		} else if (flags & O_EXCL) {
			dentry_put(d);
			return KERR(EEXIST);
		}
		if (S_ISLNK(d->inode->mode) && !d->mounted) {
			err = flags & O_NOFOLLOW ? KERR(ELOOP) : walk_follow(w, d);
			dentry_put(d);
			if (err)
				return err;
			continue;
		}
		f->path = (struct path) { mount_get(w->path.mnt), d };
		if (made)
			return open_path(f, flags & ~O_TRUNC, true);
		if (d->mounted) {
			if (how->resolve & LOOKUP_NO_XDEV)
				return KERR(EXDEV);
			path_follow_mounts(&f->path);
		}
		return open_found(f, flags);
	}
}

static kerr_t open_existing(struct walk *w, struct file *f, u32 flags)
{
	kerr_t err = walk_run(w, &f->path);

	return err ? err : open_found(f, flags);
}

/* An unnamed file in a directory. */
static kerr_t open_tmpfile(struct walk *w, struct file *f, const struct open_how_k *how)
{
	struct dentry *d;
	struct inode *dir, *inode;
	struct path at;
	struct name n;
	char text[24];
	kerr_t err = walk_run(w, &at);

	if (err)
		return err;
	dir = at.dentry->inode;
	err = S_ISDIR(dir->mode) ? mount_want_write(at.mnt) : KERR(ENOTDIR);
	if (err)
		goto put;
	err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (!err && (!dir->ops || !dir->ops->tmpfile))
		err = KERR(EOPNOTSUPP);
	if (!err)
		err = dir->ops->tmpfile(dir, &inode, (inode_acl_umask(dir, how->mode) & S_IALLUGO) | S_IFREG);
	if (err)
		goto drop;
	if (!(how->flags & O_EXCL))
		inode_flags_change(inode, INODE_LINKABLE, 0);
	n.len = (u32)kscnprintf(text, sizeof(text), "#%llu", (unsigned long long)inode->ino);
	n.str = text;
	n.hash = 0;
	err = dentry_alloc(dir->sb, at.dentry, &n, &d);
	if (err) {
		inode_put(inode);
		goto drop;
	}
	dentry_instantiate(d, inode);
	f->path = (struct path) { mount_get(at.mnt), d };
	err = open_path(f, how->flags & ~(O_TRUNC | O_CREAT), true);
drop:
	mount_drop_write(at.mnt);
put:
	path_put(&at);
	return err;
}

static kerr_t open_check_flags(struct open_how_k *how)
{
	u32 flags = how->flags;

	if (flags & O_PATH) {
		how->flags = flags & (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC);
		return 0;
	}
	if (flags & O_TMPFILE_BIT) {
		if (!(flags & O_DIRECTORY) || (flags & O_CREAT) || !(acc_mask(flags) & MAY_WRITE))
			return KERR(EINVAL);
	}
	if ((flags & O_SYNC & ~O_DSYNC) != 0)
		how->flags |= O_DSYNC;
	return 0;
}

kerr_t do_open(int dirfd, const char *name, const struct open_how_k *how, struct file **out)
{
	struct open_how_k h = *how;
	struct walk w;
	struct file *f;
	unsigned lookup;
	kerr_t err = open_check_flags(&h);

	if (err)
		return err;
	lookup = h.resolve;
	if (!(h.flags & O_NOFOLLOW))
		lookup |= LOOKUP_FOLLOW;
	if (h.flags & O_DIRECTORY)
		lookup |= LOOKUP_DIRECTORY;
	if ((h.flags & O_CREAT) && !(h.flags & O_TMPFILE_BIT))
		lookup = h.resolve | LOOKUP_PARENT;
	f = file_alloc();
	if (!f)
		return KERR(ENFILE);
	err = walk_start(&w, dirfd, name, lookup);
	if (err)
		;
	else if (h.flags & O_TMPFILE_BIT)
		err = open_tmpfile(&w, f, &h);
	else if (h.flags & O_CREAT)
		err = open_create(&w, f, &h);
	else
		err = open_existing(&w, f, h.flags);
	walk_end(&w);
	if (err) {
		file_put(f);
		return err;
	}
	notify_file(f, IN_OPEN);
	*out = f;
	return 0;
}

kerr_t open_path_checked(const struct path *p, u32 flags, struct file **out)
{
	struct open_how_k how = { .flags = flags };
	struct file *f;
	kerr_t err = open_check_flags(&how);

	if (!err && (how.flags & O_CREAT) && (how.flags & O_EXCL))
		err = KERR(EEXIST);
	if (err)
		return err;
	f = file_alloc();
	if (!f)
		return KERR(ENFILE);
	path_get(p);
	f->path = *p;
	err = open_found(f, how.flags);
	if (err) {
		file_put(f);
		return err;
	}
	notify_file(f, IN_OPEN);
	*out = f;
	return 0;
}

kerr_t file_open_path(const struct path *p, u32 flags, const struct cred *c, struct file **out)
{
	struct file *f = file_alloc();
	kerr_t err;

	if (!f)
		return KERR(ENFILE);
	if (c) {
		const struct cred *old = f->cred;

		f->cred = cred_get(c);
		cred_put(old);
	}
	path_get(p);
	f->path = *p;
	err = open_path(f, flags & ~(O_CREAT | O_EXCL), false);
	if (err) {
		file_put(f);
		return err;
	}
	*out = f;
	return 0;
}
