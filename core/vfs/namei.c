/* SPDX-License-Identifier: MIT */
/*
 * Walking paths. Follows path_resolution(7), symlink(7), openat2(2).
 *
 * A walk holds vfs.dcache_lock from component to component as long as names are cached and nothing has to sleep: no reference is taken
 * on the way. For anything else (a lookup in the file system, a symbolic link, a permission or revalidate operation) it takes references
 * to the place it stands on (walk.held), drops the lock, does it, and goes on under the lock.
 *
 *	walk_start(&w, dirfd, "a/b", LOOKUP_FOLLOW) -> walk_run(&w, &path) -> walk_end(&w)
 *	with LOOKUP_PARENT: walk_run stops before "b", w.path is "a", w.last is "b"
 */
#include "vfs_priv.h"

#include <maestro/acl.h>

#define MAX_LINKS 40

static void walk_lock(struct walk *w) ACQUIRES(vfs()->dcache_lock)
{
	(void)w;
	spin_lock(&vfs()->dcache_lock);
}

/* References where we stand, and leaves the lock. */
static void walk_unlock(struct walk *w) RELEASES(vfs()->dcache_lock)
{
	struct path old = w->held;

	if (old.dentry == w->path.dentry && old.mnt == w->path.mnt) {
		spin_unlock(&vfs()->dcache_lock);
		return;
	}
	path_get(&w->path);
	w->held = w->path;
	spin_unlock(&vfs()->dcache_lock);
	if (old.mnt)
		path_put(&old);
}

static struct link_text *text_free(struct link_text *t)
{
	struct link_text *up = t->up;

	kfree(t);
	return up;
}

void walk_end(struct walk *w)
{
	if (w->held.mnt)
		path_put(&w->held);
	if (w->root_ref)
		path_put(&w->root);
	while (w->text)
		w->text = text_free(w->text);
	fd_put_light(w->base);
}

static void walk_init(struct walk *w, const char *name, unsigned flags)
{
	w->s = name;
	w->flags = flags;
	w->links = 0;
	w->held.mnt = NULL;
	w->held.dentry = NULL;
	w->root_ref = false;
	w->text = NULL;
	w->base.file = NULL;
	w->base.ref = false;
	w->last_type = LAST_ROOT;
	w->trailing = false;
}

/* Only the task itself changes a context it does not share; from a shared one references are taken, for another thread may chdir meanwhile. */
static void walk_root_from_ctx(struct walk *w, bool cwd) NO_LOCK_ANALYSIS
{
	struct fs_ctx *fs = current->fs;
	bool shared = atomic_read(&fs->refs) > 1;

	if (shared)
		spin_lock(&fs->lock);
	w->root = fs->root;
	w->path = cwd ? fs->cwd : fs->root;
	if (shared) {
		path_get(&w->root);
		w->root_ref = true;
		path_get(&w->path);
		w->held = w->path;
	}
	if (shared)
		spin_unlock(&fs->lock);
}

kerr_t walk_start_at(struct walk *w, const struct path *base, const char *name, unsigned flags)
{
	walk_init(w, name, flags);
	w->path = *base;
	if (current->fs) {
		walk_root_from_ctx(w, false);
		if (*name != '/') {
			if (w->held.mnt)
				path_put(&w->held);
			w->held.mnt = NULL;
			w->path = *base;
		}
	} else {
		w->root = (struct path) { vfs()->root_mnt, vfs()->root_mnt->root };
		if (*name == '/')
			w->path = w->root;
	}
	return *name || (flags & LOOKUP_EMPTY) ? KERR(0) : KERR(ENOENT);
}

kerr_t walk_start(struct walk *w, int dirfd, const char *name, unsigned flags)
{
	static const struct path none;

	walk_init(w, name, flags);
	w->path = none;
	w->root = none;
	if (!*name && !(flags & LOOKUP_EMPTY))
		return KERR(ENOENT);
	if (unlikely(!current->fs)) {
		w->root = (struct path) { vfs()->root_mnt, vfs()->root_mnt->root };
		w->path = w->root;
		return 0;
	}
	if (*name == '/' && !(flags & LOOKUP_IN_ROOT)) {
		if (flags & LOOKUP_BENEATH)
			return KERR(EXDEV);
		walk_root_from_ctx(w, false);
	} else if (dirfd == AT_FDCWD) {
		walk_root_from_ctx(w, true);
	} else {
		walk_root_from_ctx(w, false);
		w->base = fd_get_light(dirfd);
		if (!w->base.file) {
			/* O_PATH descriptors serve as well. */
			struct file *f = fd_get_any(dirfd);

			if (!f)
				return KERR(EBADF);
			w->base = (struct fd) { f, true };
		}
		if (w->held.mnt) {
			path_put(&w->held);
			w->held.mnt = NULL;
		}
		w->path = w->base.file->path;
		if (*name && !S_ISDIR(w->base.file->inode->mode))
			return KERR(ENOTDIR);
	}
	if (flags & (LOOKUP_IN_ROOT | LOOKUP_BENEATH)) {
		if (w->root_ref)
			path_put(&w->root);
		w->root = w->path;
		path_get(&w->root);
		w->root_ref = true;
	}
	return 0;
}

struct name name_make(const struct dentry *parent, const char *s, size_t len)
{
	return (struct name) { s, (u32)len, name_hash(parent, s, len) };
}

/* ---------------------------------------------------------------- asking the file system */
/* Who changes the directory is not given a negative dentry to fill where none can be filled. */
static kerr_t found(struct inode *dir, struct dentry *d, struct dentry **out)
{
	if (unlikely(!d->inode && (dir->flags & INODE_NO_NEW))) {
		dentry_put(d);
		return KERR(ENOENT);
	}
	*out = d;
	return 0;
}

kerr_t lookup_child_locked(struct dentry *parent, const struct name *n, struct dentry **out)
{
	struct inode *dir = parent->inode;

	for (;;) {
		struct dentry *d = dcache_find(parent, n);
		bool lost;
		kerr_t err;

		if (d && d->ops && d->ops->revalidate && !d->ops->revalidate(d)) {
			if (d->mounted) {
				*out = d;
				return 0;
			}
			dentry_drop(d);
			dentry_put(d);
			d = NULL;
		}
		if (d)
			return found(dir, d, out);
		if (dir->flags & INODE_DEAD)
			return KERR(ENOENT);
		if (!dir->ops || !dir->ops->lookup)
			return KERR(ENOTDIR);
		err = dentry_alloc(parent->sb, parent, n, &d);
		if (err)
			return err;
		err = dir->ops->lookup(dir, d);
		if (err && !kerr_is(err, ENOENT)) {
			dentry_put(d);
			return err;
		}
		lost = d->flags & DENTRY_LOST;
		/* A file system may say ENOENT instead of splicing. */
		if (err && !lost && !(d->flags & DENTRY_HASHED)) {
			dentry_splice(d, NULL);
			lost = d->flags & DENTRY_LOST;
		}
		if (!lost)
			return found(dir, d, out);
		dentry_put(d);
	}
}

kerr_t lookup_child(struct dentry *parent, const struct name *n, unsigned flags, struct dentry **out)
{
	struct dentry *d = dcache_find(parent, n);
	kerr_t err;

	if (d && d->ops && d->ops->revalidate) {
		if (!d->ops->revalidate(d) && !d->mounted) {
			dentry_drop(d);
			dentry_put(d);
			d = NULL;
		}
	}
	if (d) {
		*out = d;
		return 0;
	}
	if (flags & LOOKUP_CACHED)
		return KERR(EAGAIN);
	rwsem_read_lock(&parent->inode->rwsem);
	err = lookup_child_locked(parent, n, out);
	rwsem_read_unlock(&parent->inode->rwsem);
	return err;
}

/* ---------------------------------------------------------------- steps */
/* Where ".." leads; dcache lock held. */
static kerr_t step_up(struct walk *w)
{
	struct path *p = &w->path;

	for (;;) {
		if (p->dentry == w->root.dentry && p->mnt == w->root.mnt) {
			if (w->flags & LOOKUP_BENEATH)
				return KERR(EXDEV);
			break;
		}
		if (p->dentry != p->mnt->root) {
			p->dentry = p->dentry->parent;
			break;
		}
		if (!p->mnt->parent)
			break;
		if (w->flags & LOOKUP_NO_XDEV)
			return KERR(EXDEV);
		p->dentry = p->mnt->point;
		p->mnt = p->mnt->parent;
	}
	while (unlikely(p->dentry->mounted)) {
		struct mount *m = mount_lookup_locked(p->mnt, p->dentry);

		if (!m)
			break;
		p->mnt = m;
		p->dentry = m->root;
	}
	return 0;
}

static kerr_t cross_mounts_locked(struct walk *w, struct path *p)
{
	while (unlikely(p->dentry->mounted)) {
		struct mount *m = mount_lookup_locked(p->mnt, p->dentry);

		if (!m)
			break;
		if (w->flags & LOOKUP_NO_XDEV)
			return KERR(EXDEV);
		p->mnt = m;
		p->dentry = m->root;
	}
	return 0;
}

void path_follow_mounts(struct path *p)
{
	struct path at = *p;

	spin_lock(&vfs()->dcache_lock);
	while (at.dentry->mounted) {
		struct mount *m = mount_lookup_locked(at.mnt, at.dentry);

		if (!m)
			break;
		at = (struct path) { m, m->root };
	}
	if (at.mnt == p->mnt) {
		spin_unlock(&vfs()->dcache_lock);
		return;
	}
	path_get(&at);
	spin_unlock(&vfs()->dcache_lock);
	path_put(p);
	*p = at;
}

void path_follow_mounts_get(struct path *p)
{
	path_get(p);
	path_follow_mounts(p);
}

/* A magic link: the walk goes on at out, wherever it is. Consumes out. */
static kerr_t jump(struct walk *w, struct path *out)
{
	if (w->flags & (LOOKUP_NO_MAGIC | LOOKUP_BENEATH | LOOKUP_IN_ROOT)) {
		bool magic = w->flags & LOOKUP_NO_MAGIC;

		path_put(out);
		return magic ? KERR(ELOOP) : KERR(EXDEV);
	}
	if ((w->flags & LOOKUP_NO_XDEV) && out->mnt != w->path.mnt) {
		path_put(out);
		return KERR(EXDEV);
	}
	if (w->held.mnt)
		path_put(&w->held);
	w->held = w->path = *out;
	return 0;
}

static kerr_t read_link(struct inode *inode, struct link_text **out)
{
	char *buf = path_buf_alloc();
	struct link_text *t;
	size_t len;
	kerr_t err;

	if (!buf)
		return KERR(ENOMEM);
	err = inode->ops && inode->ops->readlink ? inode->ops->readlink(inode, buf) : KERR(EINVAL);
	if (!err) {
		len = strlen(buf);
		t = len ? kmalloc(sizeof(*t) + len + 1, GFP_KERNEL) : NULL;
		if (!t) {
			err = len ? KERR(ENOMEM) : KERR(ENOENT);
		} else {
			memcpy(t->text, buf, len + 1);
			*out = t;
		}
	}
	path_buf_free(buf);
	return err;
}

kerr_t walk_follow(struct walk *w, struct dentry *d)
{
	struct inode *inode = d->inode;
	struct link_text *t;
	struct path target;
	kerr_t err;

	if (w->flags & LOOKUP_NO_SYMLINKS || ++w->links > MAX_LINKS)
		return KERR(ELOOP);
	if (w->path.mnt->flags & MS_NOSYMFOLLOW)
		return KERR(ELOOP);
	if (!(load_relaxed(&inode->flags) & INODE_NOATIME) && !((w->path.mnt->flags | inode->sb->flags) & (MS_RDONLY | MS_NOATIME)) &&
	    inode->atime.sec <= inode->ctime.sec)
		inode_touch(inode, ATTR_ATIME);
	if (inode->ops && inode->ops->follow) {
		err = inode->ops->follow(inode, &target);
		return err ? err : jump(w, &target);
	}
	err = read_link(inode, &t);
	if (err)
		return err;
	/* The text this link was named in is done with if nothing is left of it. */
	while (*w->s == '/')
		w->s++;
	t->rest = *w->s ? w->s : NULL;
	t->up = w->text;
	if (!t->rest && w->text) {
		t->rest = w->text->rest;
		t->up = text_free(w->text);
	}
	w->text = t;
	w->s = t->text;
	if (t->text[0] == '/') {
		if (w->flags & LOOKUP_BENEATH)
			return KERR(EXDEV);
		if ((w->flags & LOOKUP_NO_XDEV) && w->path.mnt != w->root.mnt)
			return KERR(EXDEV);
		path_get(&w->root);
		if (w->held.mnt)
			path_put(&w->held);
		w->held = w->path = w->root;
	}
	return 0;
}

/* May the walk pass through the directory? Most may be by all; else ask, without the lock if the file system has a say. */
static kerr_t may_pass(struct walk *w) REQUIRES(vfs()->dcache_lock)
{
	struct inode *inode = w->path.dentry->inode;
	bool own = inode->ops && inode->ops->permission;
	kerr_t err;

	if (own || unlikely(inode_may_have_acl(inode))) {
		walk_unlock(w);
		err = own ? inode->ops->permission(inode, MAY_EXEC) : permission_generic(inode, MAY_EXEC);
		walk_lock(w);
		return err;
	}
	if ((inode->mode & 0111) == 0111)
		return 0;
	return permission_generic(inode, MAY_EXEC);
}

/* Scans one component at w->s: w->last, w->last_type; w->s after it and its slashes; *more: another component follows in this text. */
static kerr_t scan(struct walk *w, bool *more)
{
	const char *s = w->s, *start = s;
	u32 h = name_hash_start(w->path.dentry);
	u8 c;

	for (c = (u8)*s; c && c != '/'; c = (u8)*++s)
		h = name_hash_step(h, c);
	w->last.str = start;
	w->last.len = (u32)(s - start);
	w->last.hash = name_hash_end(h);
	w->last_type = LAST_NORM;
	if (start[0] == '.' && w->last.len <= 2) {
		if (w->last.len == 1)
			w->last_type = LAST_DOT;
		else if (start[1] == '.')
			w->last_type = LAST_DOTDOT;
	}
	w->trailing = c == '/';
	while (*s == '/')
		s++;
	w->s = s;
	*more = *s != 0;
	return w->last.len > NAME_MAX ? KERR(ENAMETOOLONG) : KERR(0);
}

/* Goes to child d, which is referenced or was just found. The lock may be dropped meanwhile. */
static kerr_t step_into(struct walk *w, struct dentry *d, bool more) REQUIRES(vfs()->dcache_lock)
{
	struct path next = { w->path.mnt, d };
	struct inode *inode;
	kerr_t err = cross_mounts_locked(w, &next);

	if (err)
		return err;
	inode = next.dentry->inode;
	if (unlikely(!inode))
		return KERR(ENOENT);
	if (S_ISLNK(inode->mode) && (more || (w->flags & LOOKUP_FOLLOW))) {
		struct dentry *link = dentry_get(next.dentry);

		walk_unlock(w);
		err = walk_follow(w, link);
		dentry_put(link);
		walk_lock(w);
		return err;
	}
	w->path = next;
	if (more && unlikely(!S_ISDIR(inode->mode)))
		return KERR(ENOTDIR);
	return 0;
}

/* The lock may be dropped meanwhile. */
static kerr_t step_name(struct walk *w, bool more) REQUIRES(vfs()->dcache_lock)
{
	struct dentry *d = dcache_find_locked(w->path.dentry, w->last.str, w->last.len, w->last.hash);
	kerr_t err;

	if (likely(d) && likely(!(d->ops && d->ops->revalidate)))
		return step_into(w, d, more);
	walk_unlock(w);
	err = lookup_child(w->path.dentry, &w->last, w->flags, &d);
	walk_lock(w);
	if (err)
		return err;
	err = step_into(w, d, more);
	/* d stays valid: it is where we stand, or no longer needed. Stand on it with a reference before giving ours back. */
	walk_unlock(w);
	dentry_put(d);
	walk_lock(w);
	return err;
}

static kerr_t walk_components(struct walk *w) REQUIRES(vfs()->dcache_lock)
{
	kerr_t err;

	for (;;) {
		bool more, rest;

		while (*w->s == '/')
			w->s++;
		if (!*w->s) {
			if (!w->text || !w->text->rest)
				return 0;
			w->s = w->text->rest;
			w->text = text_free(w->text);
			continue;
		}
		if (unlikely(!S_ISDIR(w->path.dentry->inode->mode)))
			return KERR(ENOTDIR);
		err = may_pass(w);
		if (err)
			return err;
		err = scan(w, &more);
		rest = more || (w->text && w->text->rest);
		if (!rest) {
			if (w->flags & LOOKUP_PARENT)
				return err;
			if (w->trailing)
				w->flags |= LOOKUP_FOLLOW | LOOKUP_DIRECTORY;
		}
		if (err)
			return err;
		if (w->last_type == LAST_DOTDOT)
			err = step_up(w);
		else if (w->last_type == LAST_NORM)
			err = step_name(w, rest);
		if (err)
			return err;
	}
}

kerr_t walk_run(struct walk *w, struct path *out)
{
	kerr_t err;

	walk_lock(w);
	w->last_type = LAST_ROOT;
	err = walk_components(w);
	if (!err && !(w->flags & LOOKUP_PARENT)) {
		if ((w->flags & LOOKUP_DIRECTORY) && !S_ISDIR(w->path.dentry->inode->mode)) {
			err = KERR(ENOTDIR);
		} else if (w->held.mnt && w->held.dentry == w->path.dentry && w->held.mnt == w->path.mnt) {
			*out = w->held;
			w->held.mnt = NULL;
		} else {
			path_get(&w->path);
			*out = w->path;
		}
		spin_unlock(&vfs()->dcache_lock);
		return err;
	}
	if (err)
		spin_unlock(&vfs()->dcache_lock);
	else
		walk_unlock(w);
	return err;
}

/* ---------------------------------------------------------------- entry points */
kerr_t path_lookup(int dirfd, const char *name, unsigned flags, struct path *out)
{
	struct walk w;
	kerr_t err = walk_start(&w, dirfd, name, flags);

	if (!err)
		err = walk_run(&w, out);
	walk_end(&w);
	return err;
}

kerr_t path_lookup_at(const struct path *base, const char *name, unsigned flags, struct path *out)
{
	struct walk w;
	kerr_t err = walk_start_at(&w, base, name, flags);

	if (!err)
		err = walk_run(&w, out);
	walk_end(&w);
	return err;
}

kerr_t getname(const char __user *user, bool empty_ok, char **out)
{
	char *buf = path_buf_alloc();
	kerr_t err;

	if (!buf)
		return KERR(ENOMEM);
	err = copy_string_from_user(buf, user, PATH_MAX);
	if (!err && !*buf && !empty_ok)
		err = KERR(ENOENT);
	if (err) {
		path_buf_free(buf);
		return err;
	}
	*out = buf;
	return 0;
}

kerr_t user_path(int dirfd, const char __user *name, unsigned lookup, struct path *out)
{
	char *buf;
	kerr_t err = getname(name, lookup & LOOKUP_EMPTY, &buf);

	if (err)
		return err;
	err = path_lookup(dirfd, buf, lookup, out);
	putname(buf);
	return err;
}
