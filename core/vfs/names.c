/* SPDX-License-Identifier: MIT */
/*
 * Making and removing names: mkdir, mknod, symlink, link, unlink, rmdir, rename. Follows the man pages of section 2 and path_resolution(7).
 *
 * vfs_x() works in a given directory; do_x() walks a path first. Locking: the directory's rwsem for writing; rename between directories
 * takes the super's rename mutex, then both directories, the ancestor first. A victim's or source's rwsem comes after.
 * Order of checks is Linux's, since programs see which error wins.
 */
#include "vfs_priv.h"

#include <maestro/acl.h>
#include <maestro/notify.h>

mode_t mode_masked(mode_t mode)
{
	return current->fs ? mode & ~current->fs->umask : mode;
}

kerr_t may_create(struct inode *dir, struct dentry *d)
{
	if (d->inode)
		return KERR(EEXIST);
	if (dir->flags & INODE_DEAD)
		return KERR(ENOENT);
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

static bool sticky_forbids(const struct inode *dir, const struct inode *victim)
{
	uid_t me;

	if (!(dir->mode & S_ISVTX))
		return false;
	me = current_cred()->fsuid;
	return me != victim->uid && me != dir->uid && !capable(CAP_FOWNER);
}

static kerr_t may_delete(struct inode *dir, const struct dentry *d, bool want_dir)
{
	const struct inode *victim = d->inode;
	kerr_t err;

	if (!victim)
		return KERR(ENOENT);
	err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if (dir->flags & INODE_APPEND)
		return KERR(EPERM);
	if (sticky_forbids(dir, victim) || (victim->flags & (INODE_APPEND | INODE_IMMUTABLE)))
		return KERR(EPERM);
	if (want_dir) {
		if (!S_ISDIR(victim->mode))
			return KERR(ENOTDIR);
		if (d->parent == d)
			return KERR(EBUSY);
	} else if (S_ISDIR(victim->mode)) {
		return KERR(EISDIR);
	}
	return dir->flags & INODE_DEAD ? KERR(ENOENT) : KERR(0);
}

/* ---------------------------------------------------------------- creation */
enum make_kind { MAKE_FILE, MAKE_DIR, MAKE_NODE, MAKE_SYMLINK, MAKE_LINK };
struct make {
	enum make_kind kind;
	mode_t mode;
	dev_t rdev;
	const char *target;	 /* MAKE_SYMLINK */
	const struct path *old;	 /* MAKE_LINK */
	bool umask; /* mode is still to be masked, or a default list of the directory takes its place */
};

kerr_t dir_create(struct inode *dir, struct dentry *d, mode_t mode)
{
	if (!dir->ops || !dir->ops->create)
		return KERR(EACCES);
	return dir->ops->create(dir, d, (mode & S_IALLUGO) | S_IFREG);
}

static kerr_t make_link(struct inode *dir, struct dentry *d, struct dentry *old)
{
	struct inode *inode = old->inode;
	kerr_t err;

	if (inode->sb != dir->sb)
		return KERR(EXDEV);
	if (load_relaxed(&inode->flags) & (INODE_APPEND | INODE_IMMUTABLE))
		return KERR(EPERM);
	if (!dir->ops || !dir->ops->link || S_ISDIR(inode->mode))
		return KERR(EPERM);
	rwsem_write_lock_nested(&inode->rwsem);
	if (inode->nlink == 0 && !(load_relaxed(&inode->flags) & INODE_LINKABLE))
		err = KERR(ENOENT);
	else
		err = dir->ops->link(old, dir, d);
	if (!err)
		inode_flags_change(inode, 0, INODE_LINKABLE);
	rwsem_write_unlock(&inode->rwsem);
	return err;
}

static kerr_t make_op(struct inode *dir, struct dentry *d, const struct make *m)
{
	const struct inode_ops *ops = dir->ops;
	mode_t mode = m->umask ? inode_acl_umask(dir, m->mode) : m->mode;

	switch (m->kind) {
	case MAKE_FILE:
		return dir_create(dir, d, mode);
	case MAKE_DIR:
		if (!ops || !ops->mkdir)
			return KERR(EPERM);
		return ops->mkdir(dir, d, (mode & (0777 | S_ISVTX)) | S_IFDIR);
	case MAKE_NODE:
		if ((S_ISCHR(m->mode) || S_ISBLK(m->mode)) && !capable(CAP_MKNOD))
			return KERR(EPERM);
		if (!ops || !ops->mknod)
			return KERR(EPERM);
		return ops->mknod(dir, d, mode, m->rdev);
	case MAKE_SYMLINK:
		if (!ops || !ops->symlink)
			return KERR(EPERM);
		return ops->symlink(dir, d, m->target);
	case MAKE_LINK:
		return make_link(dir, d, m->old->dentry);
	}
	return KERR(EINVAL);
}

static kerr_t make_in(const struct path *at, const struct name *n, bool trailing, const struct make *m, struct path *out)
{
	struct inode *dir = at->dentry->inode;
	struct dentry *d = NULL;
	kerr_t err, ro;

	if (!S_ISDIR(dir->mode))
		return KERR(ENOTDIR);
	ro = mount_want_write(at->mnt);
	rwsem_write_lock(&dir->rwsem);
	err = lookup_child_locked(at->dentry, n, &d);
	if (!err && d->inode)
		err = KERR(EEXIST);
	if (!err && trailing && m->kind != MAKE_DIR)
		err = KERR(ENOENT);
	if (!err)
		err = ro;
	if (!err && m->kind == MAKE_LINK && m->old->mnt != at->mnt)
		err = KERR(EXDEV);
	if (!err)
		err = may_create(dir, d);
	if (!err)
		err = make_op(dir, d, m);
	rwsem_write_unlock(&dir->rwsem);
	if (!err && m->kind == MAKE_LINK)
		notify_inode(d->inode, IN_ATTRIB);
	if (!err)
		notify_dir(dir, m->kind == MAKE_DIR ? IN_CREATE | IN_ISDIR : IN_CREATE, n);
	if (!err && out) {
		path_get(at);
		dentry_put(at->dentry);
		*out = (struct path) { at->mnt, d };
	} else if (d) {
		dentry_put(d);
	}
	if (!ro)
		mount_drop_write(at->mnt);
	return err;
}

static kerr_t make_named(const struct path *dir, const char *name, const struct make *m, struct path *out)
{
	size_t len = strlen(name);
	struct name n;

	if (len > NAME_MAX)
		return KERR(ENAMETOOLONG);
	if (!len || name_is_dot(name, len) || strchr(name, '/'))
		return KERR(EINVAL);
	n = name_make(dir->dentry, name, len);
	return make_in(dir, &n, false, m, out);
}

static kerr_t make_walk(int dirfd, const char *name, const struct make *m, struct path *out)
{
	struct walk w;
	kerr_t err = walk_start(&w, dirfd, name, LOOKUP_PARENT);

	if (!err)
		err = walk_run(&w, NULL);
	if (!err)
		err = w.last_type == LAST_NORM ? make_in(&w.path, &w.last, w.trailing, m, out) : KERR(EEXIST);
	walk_end(&w);
	return err;
}

/* What mknod(2) takes: 0 is a regular file. */
static kerr_t node_make(mode_t mode, dev_t dev, struct make *m)
{
	switch (mode & S_IFMT) {
	case 0:
	case S_IFREG:
		*m = (struct make) { .kind = MAKE_FILE, .mode = mode };
		return 0;
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		*m = (struct make) { .kind = MAKE_NODE, .mode = mode, .rdev = S_ISCHR(mode) || S_ISBLK(mode) ? dev : 0 };
		return 0;
	case S_IFDIR:
		return KERR(EPERM);
	default:
		return KERR(EINVAL);
	}
}

kerr_t vfs_create(const struct path *dir, const char *name, mode_t mode, struct path *out)
{
	return make_named(dir, name, &(struct make) { .kind = MAKE_FILE, .mode = mode }, out);
}

kerr_t vfs_mkdir(const struct path *dir, const char *name, mode_t mode, struct path *out)
{
	return make_named(dir, name, &(struct make) { .kind = MAKE_DIR, .mode = mode }, out);
}

kerr_t vfs_mknod(const struct path *dir, const char *name, mode_t mode, dev_t dev, struct path *out)
{
	struct make m;
	kerr_t err = node_make(mode, dev, &m);

	return err ? err : make_named(dir, name, &m, out);
}

kerr_t vfs_symlink(const struct path *dir, const char *name, const char *target, struct path *out)
{
	return make_named(dir, name, &(struct make) { .kind = MAKE_SYMLINK, .target = target }, out);
}

kerr_t vfs_link(const struct path *old, const struct path *dir, const char *name)
{
	return make_named(dir, name, &(struct make) { .kind = MAKE_LINK, .old = old }, NULL);
}

kerr_t do_mkdir(int dirfd, const char *name, mode_t mode)
{
	return make_walk(dirfd, name, &(struct make) { .kind = MAKE_DIR, .mode = mode, .umask = true }, NULL);
}

kerr_t do_mknod_path(int dirfd, const char *name, mode_t mode, dev_t dev, struct path *out)
{
	struct make m;
	kerr_t err = node_make(mode, dev, &m);

	if (err)
		return err;
	m.umask = true;
	return make_walk(dirfd, name, &m, out);
}

kerr_t do_mknod(int dirfd, const char *name, mode_t mode, dev_t dev)
{
	return do_mknod_path(dirfd, name, mode, dev, NULL);
}

kerr_t do_symlink(const char *target, int dirfd, const char *name)
{
	if (!*target)
		return KERR(ENOENT);
	return make_walk(dirfd, name, &(struct make) { .kind = MAKE_SYMLINK, .target = target }, NULL);
}

kerr_t do_link(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags)
{
	unsigned lookup = 0;
	struct path old;
	kerr_t err;

	if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return KERR(EINVAL);
	if (flags & AT_EMPTY_PATH) {
		if (!capable(CAP_DAC_READ_SEARCH))
			return KERR(ENOENT);
		lookup |= LOOKUP_EMPTY;
	}
	if (flags & AT_SYMLINK_FOLLOW)
		lookup |= LOOKUP_FOLLOW;
	err = path_lookup(odfd, oname, lookup, &old);
	if (err)
		return err;
	err = make_walk(ndfd, nname, &(struct make) { .kind = MAKE_LINK, .old = &old }, NULL);
	path_put(&old);
	return err;
}

/* ---------------------------------------------------------------- removal */
static kerr_t remove_locked(struct inode *dir, struct dentry *d, bool rmdir)
{
	struct inode *victim = d->inode;
	kerr_t err = may_delete(dir, d, rmdir);

	if (err)
		return err;
	if (!dir->ops || (rmdir ? !dir->ops->rmdir : !dir->ops->unlink))
		return KERR(EPERM);
	rwsem_write_lock_nested(&victim->rwsem);
	if (d->mounted) {
		err = KERR(EBUSY);
	} else if (rmdir) {
		dentry_prune_children(d);
		err = dir->ops->rmdir(dir, d);
		if (!err)
			victim->flags |= INODE_DEAD;
	} else {
		err = dir->ops->unlink(dir, d);
	}
	rwsem_write_unlock(&victim->rwsem);
	if (err)
		return err;
	if (!rmdir)
		notify_inode(victim, IN_ATTRIB); /* its count of links */
	dentry_delete(d);
	return 0;
}

static kerr_t remove_in(const struct path *at, const struct name *n, bool trailing, bool rmdir)
{
	struct inode *dir = at->dentry->inode, *victim = NULL;
	struct dentry *d = NULL;
	kerr_t err = mount_want_write(at->mnt);

	if (err)
		return err;
	rwsem_write_lock(&dir->rwsem);
	err = lookup_child_locked(at->dentry, n, &d);
	if (!err && !d->inode)
		err = KERR(ENOENT);
	if (!err && trailing && !rmdir)
		err = S_ISDIR(d->inode->mode) ? KERR(EISDIR) : KERR(ENOTDIR);
	if (!err) {
		/* Its eviction shall not run under the directory's lock. */
		victim = inode_get(d->inode);
		err = remove_locked(dir, d, rmdir);
	}
	rwsem_write_unlock(&dir->rwsem);
	if (!err)
		notify_dir(dir, rmdir ? IN_DELETE | IN_ISDIR : IN_DELETE, n);
	if (d)
		dentry_put(d);
	if (victim)
		inode_put(victim);
	mount_drop_write(at->mnt);
	return err;
}

static kerr_t remove_named(const struct path *dir, const char *name, bool rmdir)
{
	size_t len = strlen(name);
	struct name n;

	if (!len || len > NAME_MAX || name_is_dot(name, len) || strchr(name, '/'))
		return len > NAME_MAX ? KERR(ENAMETOOLONG) : KERR(EINVAL);
	if (!S_ISDIR(dir->dentry->inode->mode))
		return KERR(ENOTDIR);
	n = name_make(dir->dentry, name, len);
	return remove_in(dir, &n, false, rmdir);
}

kerr_t vfs_unlink(const struct path *dir, const char *name)
{
	return remove_named(dir, name, false);
}

kerr_t vfs_rmdir(const struct path *dir, const char *name)
{
	return remove_named(dir, name, true);
}

static kerr_t remove_walk(int dirfd, const char *name, bool rmdir)
{
	struct walk w;
	kerr_t err = walk_start(&w, dirfd, name, LOOKUP_PARENT);

	if (!err)
		err = walk_run(&w, NULL);
	if (err)
		;
	else if (w.last_type == LAST_NORM)
		err = remove_in(&w.path, &w.last, w.trailing, rmdir);
	else if (!rmdir)
		err = KERR(EISDIR);
	else if (w.last_type == LAST_DOTDOT)
		err = KERR(ENOTEMPTY);
	else
		err = w.last_type == LAST_DOT ? KERR(EINVAL) : KERR(EBUSY);
	walk_end(&w);
	return err;
}

kerr_t do_unlink(int dirfd, const char *name)
{
	return remove_walk(dirfd, name, false);
}

kerr_t do_rmdir(int dirfd, const char *name)
{
	return remove_walk(dirfd, name, true);
}

/* ---------------------------------------------------------------- rename */
struct rename {
	const struct path *odir, *ndir;
	struct name oname, nname;
	bool otrail, ntrail;
	unsigned flags;
	struct dentry *od, *nd; /* found, referenced */
};

static void lock_dirs(struct inode *a, struct dentry *ad, struct inode *b, struct dentry *bd) NO_LOCK_ANALYSIS
{
	if (a == b) {
		rwsem_write_lock(&a->rwsem);
		return;
	}
	mutex_lock(&a->sb->rename_mutex);
	/* The ancestor first; between strangers, the lower address. */
	if (dentry_is_below(ad, bd) || (!dentry_is_below(bd, ad) && b < a)) {
		rwsem_write_lock(&b->rwsem);
		rwsem_write_lock_nested(&a->rwsem);
	} else {
		rwsem_write_lock(&a->rwsem);
		rwsem_write_lock_nested(&b->rwsem);
	}
}

static void unlock_dirs(struct inode *a, struct inode *b) NO_LOCK_ANALYSIS
{
	rwsem_write_unlock(&a->rwsem);
	if (a != b) {
		rwsem_write_unlock(&b->rwsem);
		mutex_unlock(&a->sb->rename_mutex);
	}
}

/* Looks both names up and applies the rules that need no permission. */
static kerr_t rename_find(struct rename *r)
{
	kerr_t err = lookup_child_locked(r->odir->dentry, &r->oname, &r->od);
	bool exchange = r->flags & RENAME_EXCHANGE;

	if (err)
		return err;
	if (!r->od->inode)
		return KERR(ENOENT);
	err = lookup_child_locked(r->ndir->dentry, &r->nname, &r->nd);
	if (err)
		return err;
	if ((r->flags & RENAME_NOREPLACE) && r->nd->inode)
		return KERR(EEXIST);
	if (exchange) {
		if (!r->nd->inode)
			return KERR(ENOENT);
		if (!S_ISDIR(r->nd->inode->mode) && r->ntrail)
			return KERR(ENOTDIR);
	}
	if (!S_ISDIR(r->od->inode->mode) && (r->otrail || (!exchange && r->ntrail)))
		return KERR(ENOTDIR);
	if (dentry_is_below(r->ndir->dentry, r->od))
		return KERR(EINVAL);
	if (dentry_is_below(r->odir->dentry, r->nd))
		return exchange ? KERR(EINVAL) : KERR(ENOTEMPTY);
	return 0;
}

static kerr_t rename_check(struct rename *r, struct inode *odir, struct inode *ndir)
{
	struct inode *src = r->od->inode, *dst = r->nd->inode;
	bool is_dir = S_ISDIR(src->mode), exchange = r->flags & RENAME_EXCHANGE;
	kerr_t err = may_delete(odir, r->od, is_dir);

	if (err)
		return err;
	if (!dst)
		err = may_create(ndir, r->nd);
	else
		err = may_delete(ndir, r->nd, exchange ? S_ISDIR(dst->mode) : is_dir);
	if (err)
		return err;
	if (!odir->ops || !odir->ops->rename)
		return KERR(EPERM);
	/* A moved directory's ".." is written. */
	if (odir != ndir && is_dir)
		err = inode_permission(src, MAY_WRITE);
	if (!err && odir != ndir && exchange && S_ISDIR(dst->mode))
		err = inode_permission(dst, MAY_WRITE);
	if (!err && (r->od->mounted || r->nd->mounted))
		err = KERR(EBUSY);
	return err;
}

/* Directories first, as their rank says; among equals the lower address. */
static bool locks_before(const struct inode *a, const struct inode *b)
{
	if (S_ISDIR(a->mode) != S_ISDIR(b->mode))
		return S_ISDIR(a->mode);
	return a < b;
}

static void lock_two(struct inode *a, struct inode *b)
{
	if (b && locks_before(b, a)) {
		rwsem_write_lock_nested(&b->rwsem);
		rwsem_write_lock_nested(&a->rwsem);
		return;
	}
	rwsem_write_lock_nested(&a->rwsem);
	if (b)
		rwsem_write_lock_nested(&b->rwsem);
}

static kerr_t rename_locked(struct rename *r, struct inode **victim)
{
	struct inode *odir = r->odir->dentry->inode, *ndir = r->ndir->dentry->inode, *src, *dst;
	bool exchange = r->flags & RENAME_EXCHANGE;
	kerr_t err = rename_find(r);

	if (err)
		return err;
	src = r->od->inode;
	dst = r->nd->inode;
	if (src == dst)
		return 0;
	err = rename_check(r, odir, ndir);
	if (err)
		return err;
	if (dst)
		*victim = inode_get(dst);
	lock_two(src, dst);
	if (dst && !exchange && S_ISDIR(dst->mode))
		dentry_prune_children(r->nd);
	err = odir->ops->rename(odir, r->od, ndir, r->nd, r->flags);
	if (!err && dst && !exchange && S_ISDIR(dst->mode))
		dst->flags |= INODE_DEAD;
	rwsem_write_unlock(&src->rwsem);
	if (dst)
		rwsem_write_unlock(&dst->rwsem);
	if (!err)
		dentry_move(r->od, r->nd, exchange);
	return err;
}

/* One thing went from a name to another. */
static void tell_move(struct inode *odir, const struct name *o, struct inode *ndir, const struct name *n, struct inode *moved, struct inode *replaced)
{
	u32 cookie = notify_cookie(), dir = S_ISDIR(moved->mode) ? IN_ISDIR : 0;

	if (odir == ndir)
		dnotify_tell(odir, IN_MOVED_WITHIN);
	notify_dir_slow(odir, IN_MOVED_FROM | dir, o, cookie);
	notify_dir_slow(ndir, IN_MOVED_TO | dir, n, cookie);
	if (replaced)
		notify_inode(replaced, IN_ATTRIB);
	notify_inode(moved, IN_MOVE_SELF);
}

static void rename_tell(const struct rename *r, struct inode *odir, struct inode *ndir)
{
	struct inode *src = r->od->inode, *dst = r->nd->inode;
	bool exchange = r->flags & RENAME_EXCHANGE;

	if (src == dst)
		return; /* two names of one file: nothing happened */
	tell_move(odir, &r->oname, ndir, &r->nname, src, exchange ? NULL : dst);
	if (exchange)
		tell_move(ndir, &r->nname, odir, &r->oname, dst, NULL);
}

static kerr_t rename_in(struct rename *r)
{
	struct inode *odir = r->odir->dentry->inode, *ndir = r->ndir->dentry->inode, *victim = NULL;
	kerr_t err;

	r->od = r->nd = NULL;
	if (r->odir->mnt != r->ndir->mnt)
		return KERR(EXDEV);
	err = mount_want_write(r->odir->mnt);
	if (err)
		return err;
	lock_dirs(odir, r->odir->dentry, ndir, r->ndir->dentry);
	err = rename_locked(r, &victim);
	unlock_dirs(odir, ndir);
	if (!err && notify_any())
		rename_tell(r, odir, ndir);
	if (r->nd)
		dentry_put(r->nd);
	if (r->od)
		dentry_put(r->od);
	if (victim)
		inode_put(victim);
	mount_drop_write(r->odir->mnt);
	return err;
}

static kerr_t rename_flags_check(unsigned flags)
{
	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return KERR(EINVAL);
	return flags == (RENAME_NOREPLACE | RENAME_EXCHANGE) ? KERR(EINVAL) : KERR(0);
}

kerr_t vfs_rename(const struct path *odir, const char *oname, const struct path *ndir, const char *nname, unsigned flags)
{
	size_t olen = strlen(oname), nlen = strlen(nname);
	struct rename r = { .odir = odir, .ndir = ndir, .flags = flags };
	kerr_t err = rename_flags_check(flags);

	if (err)
		return err;
	if (olen > NAME_MAX || nlen > NAME_MAX)
		return KERR(ENAMETOOLONG);
	if (!olen || !nlen || name_is_dot(oname, olen) || name_is_dot(nname, nlen) || strchr(oname, '/') || strchr(nname, '/'))
		return KERR(EINVAL);
	r.oname = name_make(odir->dentry, oname, olen);
	r.nname = name_make(ndir->dentry, nname, nlen);
	return rename_in(&r);
}

kerr_t do_rename(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags)
{
	struct walk ow, nw;
	kerr_t err = rename_flags_check(flags);

	if (err)
		return err;
	err = walk_start(&ow, odfd, oname, LOOKUP_PARENT);
	if (!err)
		err = walk_run(&ow, NULL);
	if (err) {
		walk_end(&ow);
		return err;
	}
	err = walk_start(&nw, ndfd, nname, LOOKUP_PARENT);
	if (!err)
		err = walk_run(&nw, NULL);
	if (err)
		;
	else if (ow.path.mnt != nw.path.mnt)
		err = KERR(EXDEV);
	else if (ow.last_type != LAST_NORM)
		err = KERR(EBUSY);
	else if (nw.last_type != LAST_NORM)
		err = flags & RENAME_NOREPLACE ? KERR(EEXIST) : KERR(EBUSY);
	else
		err = rename_in(&(struct rename) { .odir = &ow.path, .ndir = &nw.path, .oname = ow.last, .nname = nw.last,
						   .otrail = ow.trailing, .ntrail = nw.trailing, .flags = flags });
	walk_end(&nw);
	walk_end(&ow);
	return err;
}

/* ---------------------------------------------------------------- others */
kerr_t vfs_lookup_one(struct dentry *parent, const char *name, size_t len, struct dentry **out)
{
	struct name n;

	if (len > NAME_MAX)
		return KERR(ENAMETOOLONG);
	if (!parent->inode || !S_ISDIR(parent->inode->mode))
		return KERR(ENOTDIR);
	n = name_make(parent, name, len);
	return lookup_child(parent, &n, 0, out);
}

kerr_t vfs_readlink(const struct path *p, char *buf)
{
	struct inode *inode = p->dentry->inode;

	if (!S_ISLNK(inode->mode) || !inode->ops || !inode->ops->readlink)
		return KERR(EINVAL);
	return inode->ops->readlink(inode, buf);
}
