/* SPDX-License-Identifier: MIT */
/*
 * Directories of tmpfs: entries stand in two trees, by name for lookup and by cookie for readdir, so that both are quick in a directory of any
 * size and readdir is not disturbed by changes. An entry holds a reference on its inode. Locking: the directory's rwsem, taken by the VFS.
 */
#include <maestro/lib.h>

#include <maestro/acl.h>

#include "tmpfs.h"

#define FIRST_COOKIE 2 /* 0 and 1 are "." and ".." */

static int compare(u32 hash, const char *name, u32 len, const struct tmpfs_dirent *de)
{
	if (hash != de->hash)
		return hash < de->hash ? -1 : 1;
	if (len != de->len)
		return len < de->len ? -1 : 1;
	return memcmp(name, de->name, len);
}

struct tmpfs_dirent *tmpfs_dirent_find(struct inode *dir, const char *name, u32 len)
{
	u32 hash = hash_bytes(name, len, 0);
	struct rb_node *n = tmpfs_i(dir)->by_name.root;

	while (n) {
		struct tmpfs_dirent *de = rb_entry(n, struct tmpfs_dirent, by_name);
		int order = compare(hash, name, len, de);

		if (!order)
			return de;
		n = order < 0 ? n->left : n->right;
	}
	return NULL;
}

/* The entry with the smallest cookie >= pos. */
static struct tmpfs_dirent *find_cookie(struct inode *dir, loff_t pos)
{
	struct rb_node *n = tmpfs_i(dir)->by_cookie.root;
	struct tmpfs_dirent *best = NULL;

	while (n) {
		struct tmpfs_dirent *de = rb_entry(n, struct tmpfs_dirent, by_cookie);

		if (de->cookie >= pos) {
			best = de;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

kerr_t tmpfs_dirent_add(struct inode *dir, const char *name, u32 len, struct inode *inode)
{
	struct tmpfs_inode *ti = tmpfs_i(dir);
	struct tmpfs_dirent *de = kmalloc(sizeof(*de) + len, GFP_KERNEL);
	struct rb_node **link = &ti->by_name.root, *parent = NULL;

	if (!de)
		return KERR(ENOMEM);
	de->hash = hash_bytes(name, len, 0);
	de->len = len;
	de->inode = inode_get(inode);
	memcpy(de->name, name, len);
	while (*link) {
		parent = *link;
		link = compare(de->hash, name, len, rb_entry(parent, struct tmpfs_dirent, by_name)) < 0 ? &parent->left : &parent->right;
	}
	rb_insert(&ti->by_name, &de->by_name, parent, link);
	/* Cookies only grow: the place is the rightmost. */
	de->cookie = FIRST_COOKIE + ti->next_cookie++;
	parent = rb_last(&ti->by_cookie);
	rb_insert(&ti->by_cookie, &de->by_cookie, parent, parent ? &parent->right : &ti->by_cookie.root);
	inode_set_size(dir, dir->size + TMPFS_DIRENT_SIZE);
	return 0;
}

static void unlink_dirent(struct inode *dir, struct tmpfs_dirent *de)
{
	rb_erase(&tmpfs_i(dir)->by_name, &de->by_name);
	rb_erase(&tmpfs_i(dir)->by_cookie, &de->by_cookie);
	inode_set_size(dir, dir->size - TMPFS_DIRENT_SIZE);
}

void tmpfs_dirent_remove(struct inode *dir, struct tmpfs_dirent *de)
{
	unlink_dirent(dir, de);
	inode_put(de->inode);
	kfree(de);
}

bool tmpfs_dir_empty(struct inode *dir)
{
	return !tmpfs_i(dir)->by_name.root;
}

/* Without recursion: a directory's entries are spliced away bottom-up by always descending into the first one. */
void tmpfs_dir_free_all(struct inode *top)
{
	struct inode *dir = top;

	while (!tmpfs_dir_empty(top)) {
		struct tmpfs_dirent *de = rb_entry(rb_first(&tmpfs_i(dir)->by_cookie), struct tmpfs_dirent, by_cookie);
		struct inode *child = de->inode;

		if (S_ISDIR(child->mode) && !tmpfs_dir_empty(child)) {
			dir = child;
			continue;
		}
		child->nlink = 0;
		tmpfs_dirent_remove(dir, de);
		dir = top;
	}
}

static void touch_dir(struct inode *dir)
{
	inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
}

static void set_parent(struct inode *inode, const struct inode *dir)
{
	WRITE_ONCE(tmpfs_i(inode)->parent, dir->ino);
}

static kerr_t tmpfs_lookup(struct inode *dir, struct dentry *d)
{
	struct tmpfs_dirent *de = tmpfs_dirent_find(dir, d->name.str, d->name.len);

	dentry_splice(d, de ? inode_get(de->inode) : NULL);
	return 0;
}

/* Enters a fresh inode under d's name; consumes it, also on error. */
static kerr_t enter(struct inode *dir, struct dentry *d, struct inode *inode)
{
	kerr_t err = tmpfs_dirent_add(dir, d->name.str, d->name.len, inode);

	if (err) {
		inode->nlink = 0;
		inode_put(inode);
		return err;
	}
	if (S_ISDIR(inode->mode)) {
		inode_nlink_add(dir);
		set_parent(inode, dir);
	}
	touch_dir(dir);
	dentry_instantiate(d, inode);
	return 0;
}

static kerr_t tmpfs_mknod(struct inode *dir, struct dentry *d, mode_t mode, dev_t rdev)
{
	struct inode *inode;
	kerr_t err = tmpfs_inode_make(dir->sb, dir, mode, rdev, &inode);

	if (err)
		return err;
	err = inode_acl_inherit(dir, inode);
	if (err) {
		inode->nlink = 0;
		inode_put(inode);
		return err;
	}
	return enter(dir, d, inode);
}

static kerr_t tmpfs_create(struct inode *dir, struct dentry *d, mode_t mode)
{
	return tmpfs_mknod(dir, d, (mode & ~S_IFMT) | S_IFREG, 0);
}

static kerr_t tmpfs_mkdir(struct inode *dir, struct dentry *d, mode_t mode)
{
	return tmpfs_mknod(dir, d, (mode & ~S_IFMT) | S_IFDIR, 0);
}

static kerr_t tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct inode *inode;
	kerr_t err = tmpfs_inode_make(dir->sb, dir, S_IFLNK | 0777, 0, &inode);

	if (err)
		return err;
	tmpfs_i(inode)->target = kstrdup(target, GFP_KERNEL);
	if (!tmpfs_i(inode)->target) {
		inode->nlink = 0;
		inode_put(inode);
		return KERR(ENOMEM);
	}
	inode_set_size(inode, (loff_t)strlen(target));
	return enter(dir, d, inode);
}

static kerr_t tmpfs_link(struct dentry *old, struct inode *dir, struct dentry *d)
{
	struct inode *inode = old->inode;
	kerr_t err = tmpfs_dirent_add(dir, d->name.str, d->name.len, inode);

	if (err)
		return err;
	inode_nlink_add(inode);
	inode_touch(inode, ATTR_CTIME);
	touch_dir(dir);
	dentry_instantiate(d, inode_get(inode));
	return 0;
}

static kerr_t tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	struct tmpfs_dirent *de = tmpfs_dirent_find(dir, d->name.str, d->name.len);

	if (!de)
		return KERR(ENOENT);
	inode_touch(de->inode, ATTR_CTIME);
	inode_nlink_drop(de->inode);
	tmpfs_dirent_remove(dir, de);
	touch_dir(dir);
	return 0;
}

static kerr_t tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	if (!tmpfs_dir_empty(d->inode))
		return KERR(ENOTEMPTY);
	inode_nlink_drop(d->inode); /* its "." */
	inode_nlink_drop(dir);	    /* its ".." */
	return tmpfs_unlink(dir, d);
}

static kerr_t exchange(struct inode *odir, struct tmpfs_dirent *ode, struct inode *ndir, struct tmpfs_dirent *nde)
{
	struct inode *a = ode->inode, *b = nde->inode;

	ode->inode = b;
	nde->inode = a;
	set_parent(b, odir);
	if (odir != ndir && S_ISDIR(a->mode) != S_ISDIR(b->mode)) {
		inode_nlink_drop(S_ISDIR(a->mode) ? odir : ndir);
		inode_nlink_add(S_ISDIR(a->mode) ? ndir : odir);
	}
	inode_touch(b, ATTR_CTIME);
	return 0;
}

static kerr_t tmpfs_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, unsigned flags)
{
	struct tmpfs_dirent *ode = tmpfs_dirent_find(odir, od->name.str, od->name.len);
	struct tmpfs_dirent *nde = tmpfs_dirent_find(ndir, nd->name.str, nd->name.len);
	struct inode *inode = od->inode;
	kerr_t err;

	if (!ode)
		return KERR(ENOENT);
	if (flags & RENAME_EXCHANGE) {
		err = nde ? exchange(odir, ode, ndir, nde) : KERR(ENOENT);
	} else if (nde) {
		struct inode *victim = nde->inode;

		if (S_ISDIR(victim->mode) && !tmpfs_dir_empty(victim))
			return KERR(ENOTEMPTY);
		nde->inode = inode_get(inode);
		tmpfs_dirent_remove(odir, ode);
		if (S_ISDIR(victim->mode)) {
			inode_nlink_drop(victim);
			inode_nlink_drop(odir);
		}
		inode_touch(victim, ATTR_CTIME);
		inode_nlink_drop(victim);
		inode_put(victim);
		err = 0;
	} else {
		err = tmpfs_dirent_add(ndir, nd->name.str, nd->name.len, inode);
		if (err)
			return err;
		tmpfs_dirent_remove(odir, ode);
		if (S_ISDIR(inode->mode) && odir != ndir) {
			inode_nlink_drop(odir);
			inode_nlink_add(ndir);
		}
	}
	if (err)
		return err;
	set_parent(inode, ndir);
	touch_dir(odir);
	touch_dir(ndir);
	inode_touch(inode, ATTR_CTIME);
	return 0;
}

static kerr_t tmpfs_tmpfile(struct inode *dir, struct inode **out, mode_t mode)
{
	kerr_t err = tmpfs_inode_make(dir->sb, dir, (mode & ~S_IFMT) | S_IFREG, 0, out);

	if (err)
		return err;
	(*out)->nlink = 0;
	err = inode_acl_inherit(dir, *out);
	if (err)
		inode_put(*out);
	return err;
}

static unsigned type_of(mode_t mode)
{
	return (mode & S_IFMT) >> 12;
}

/* Read from its start, a directory ends with the entry that was the newest then (f->priv: the cookie behind it): who makes one for each it reads comes to an end. */
static kerr_t tmpfs_iterate(struct file *f, struct dir_context *ctx)
{
	struct dentry *d = f->path.dentry;
	struct tmpfs_dirent *de;

	if (ctx->pos == 0) {
		f->priv = (void *)(uintptr_t)(FIRST_COOKIE + tmpfs_i(f->inode)->next_cookie);
		if (!ctx->actor(ctx, ".", 1, f->inode->ino, DT_DIR, 1))
			return 0;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->actor(ctx, "..", 2, d->parent->inode->ino, DT_DIR, FIRST_COOKIE))
			return 0;
		ctx->pos = FIRST_COOKIE;
	}
	while ((de = find_cookie(f->inode, ctx->pos)) != NULL && (!f->priv || de->cookie < (loff_t)(uintptr_t)f->priv)) {
		if (!ctx->actor(ctx, de->name, de->len, de->inode->ino, type_of(de->inode->mode), de->cookie + 1))
			return 0;
		ctx->pos = de->cookie + 1;
	}
	return 0;
}

static kerr_t tmpfs_dir_setattr(struct inode *inode, const struct attr *a)
{
	return inode_setattr_simple(inode, a);
}

const struct inode_ops tmpfs_dir_ops = {
	.lookup = tmpfs_lookup,
	.create = tmpfs_create,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.symlink = tmpfs_symlink,
	.mkdir = tmpfs_mkdir,
	.rmdir = tmpfs_rmdir,
	.mknod = tmpfs_mknod,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.setattr = tmpfs_dir_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
};
const struct file_ops tmpfs_dir_fops = {
	.iterate = tmpfs_iterate,
	.llseek = generic_llseek,
};
