/* SPDX-License-Identifier: MIT */
/*
 * The mount tree: which super is seen where. Follows mount(2), umount(2), pivot_root(2), mount_namespaces(7). There is one namespace; what happens
 * to a shared mount happens to its peers and slaves too (mount_peers.c).
 *
 * A mount hangs on (parent, point): it holds references to both, and is found by them in a hash table. Locking: vfs.mount_mutex serialises
 * changes; the hash, parent and point are read by walks under vfs.dcache_lock, so changes hold that too. A mount's reference count: one for
 * being attached, one per child, per path, per open file.
 */
#include "vfs_priv.h"

static struct hlist *mount_slot(const struct mount *parent, const struct dentry *point)
{
	return &vfs()->mhash[(hash_ptr(parent) ^ hash_ptr(point)) >> 26 & (VFS_MOUNT_HASH - 1)];
}

struct mount *mount_lookup_locked(struct mount *mnt, struct dentry *d)
{
	struct mount *m;

	assert_held(&vfs()->dcache_lock);
	hlist_for_each(m, mount_slot(mnt, d), hash)
		if (m->parent == mnt && m->point == d)
			return m;
	return NULL;
}

struct mount *mount_get(struct mount *m)
{
	atomic_inc(&m->refs);
	return m;
}

void mount_put(struct mount *m)
{
	if (unlikely(READ_ONCE(m->expiring)))
		WRITE_ONCE(m->expiring, false);
	mount_put_unused(m);
}

void mount_put_unused(struct mount *m)
{
	if (!atomic_dec_and_test(&m->refs))
		return;
	/* A walk may stand here without a reference: it holds the lock. */
	spin_lock(&vfs()->dcache_lock);
	spin_unlock(&vfs()->dcache_lock);
	DEBUG_ASSERT(!m->parent);
	dentry_put(m->root);
	super_put(m->sb);
	kfree(m->source);
	kfree(m);
}

kerr_t mount_want_write(struct mount *m)
{
	/* The count first, then the flag: a remount sets the flag first, then looks at the count. */
	atomic_inc(&m->writers);
	if (likely(!((READ_ONCE(m->flags) | READ_ONCE(m->sb->flags)) & MS_RDONLY)))
		return 0;
	atomic_dec(&m->writers);
	return KERR(EROFS);
}

void mount_drop_write(struct mount *m)
{
	atomic_dec(&m->writers);
}

/* Consumes the caller's active reference on sb, also on failure. */
static kerr_t mount_alloc(struct super *sb, struct dentry *root, const char *source, unsigned flags, struct mount **out)
{
	struct mount *m = kzalloc(sizeof(*m), GFP_KERNEL);
	char *text = kstrdup(source && *source ? source : "none", GFP_KERNEL);

	if (!m || !text) {
		kfree(m);
		kfree(text);
		super_put(sb);
		return KERR(ENOMEM);
	}
	m->sb = sb;
	m->root = dentry_get(root);
	m->source = text;
	m->flags = flags & MNT_FLAGS;
	list_init(&m->peers);
	list_init(&m->slaves);
	list_init(&m->slave_node);
	atomic_set(&m->refs, 1);
	list_init(&m->child_node);
	list_init(&m->children);
	list_init(&m->all_node);
	*out = m;
	return 0;
}

static void mounts_changed(void)
{
	atomic_inc(&vfs()->mount_event);
	wake_up_all(&vfs()->mount_wait);
}

/* ---------------------------------------------------------------- the tree. mount_mutex held */
static void attach(struct mount *m, const struct path *at)
{
	assert_held(&vfs()->dcache_lock);
	m->parent = mount_get(at->mnt);
	m->point = dentry_get(at->dentry);
	at->dentry->mounted++;
	list_add_tail(&at->mnt->children, &m->child_node);
	hlist_add(mount_slot(m->parent, m->point), &m->hash);
	m->detached = false;
}

/* out: the references the mount held on its place, for the caller to put. */
static void detach(struct mount *m, struct path *out)
{
	assert_held(&vfs()->dcache_lock);
	*out = (struct path) { m->parent, m->point };
	hlist_del(&m->hash);
	list_del(&m->child_node);
	m->point->mounted--;
	m->parent = NULL;
	m->point = NULL;
}

static void list_mount(struct mount *m)
{
	m->id = ++vfs()->next_mount_id;
	list_add_tail(&vfs()->mounts, &m->all_node);
}

/* The next mount of the subtree of top, in order parent before child; NULL at the end. */
static struct mount *next_in_tree(struct mount *m, const struct mount *top)
{
	if (!list_empty(&m->children))
		return list_first(&m->children, struct mount, child_node);
	while (m != top) {
		if (m->child_node.next != &m->parent->children)
			return list_entry(m->child_node.next, struct mount, child_node);
		m = m->parent;
	}
	return NULL;
}

static void drop_tree(struct mount *top);

void mount_attach_below(struct mount *m, const struct path *at)
{
	struct path old = { NULL, NULL };
	struct mount *top;

	spin_lock(&vfs()->dcache_lock);
	top = mount_lookup_locked(at->mnt, at->dentry);
	if (top)
		detach(top, &old);
	attach(m, at);
	if (top)
		attach(top, &(struct path) { m, m->root });
	spin_unlock(&vfs()->dcache_lock);
	if (top)
		path_put(&old);
}

/* m is about to be attached at `at`: the same happens elsewhere first, if that is shared. On error nothing has. */
static kerr_t propagate(struct mount *m, const struct path *at)
{
	struct mount *c, *next, *sub;
	struct list copies;
	kerr_t err;

	if (!at->mnt->peer_group)
		return KERR(0);
	list_init(&copies);
	for (sub = m; sub; sub = next_in_tree(sub, m))
		mount_share(sub);
	err = mount_propagate(at, m, &copies);
	list_for_each_safe(c, next, &copies, all_node) {
		list_del(&c->all_node);
		if (err)
			drop_tree(c);
		for (sub = c; !err && sub; sub = next_in_tree(sub, c))
			if (!sub->id) /* what stands on a copy since may be an old one */
				list_mount(sub);
	}
	return err;
}

/* Puts m on top of what is mounted at `where`. Reference follows. once: KERR(EBUSY) if the same is there already. */
static kerr_t graft(struct mount *m, const struct path *where, bool once)
{
	struct path at = *where;
	kerr_t err = 0;

	path_follow_mounts_get(&at);
	if (S_ISDIR(at.dentry->inode->mode) != S_ISDIR(m->root->inode->mode)) {
		err = KERR(ENOTDIR);
	} else if (at.dentry->inode->flags & INODE_DEAD) {
		err = KERR(ENOENT);
	} else if (once && at.mnt->sb == m->sb && at.mnt->root == at.dentry && m->root == at.dentry) {
		err = KERR(EBUSY);
	} else {
		err = propagate(m, &at);
		if (!err) {
			spin_lock(&vfs()->dcache_lock);
			attach(m, &at);
			spin_unlock(&vfs()->dcache_lock);
		}
	}
	path_put(&at);
	return err;
}

static kerr_t mount_new(const char *source, const struct path *at, const char *type, unsigned flags, unsigned mflags, const char *data)
{
	const struct fs_type *t = fs_find(type);
	struct super *sb;
	struct mount *m;
	kerr_t err;

	if (!t)
		return KERR(ENODEV);
	err = super_get(t, source, flags, data, &sb);
	if (err)
		return err;
	err = mount_alloc(sb, sb->root, source, mflags, &m);
	if (err)
		return err;
	mutex_lock(&vfs()->mount_mutex);
	err = graft(m, at, true);
	if (!err)
		list_mount(m);
	mutex_unlock(&vfs()->mount_mutex);
	if (err)
		mount_put(m);
	return err;
}

static kerr_t clone_mount(struct mount *old, struct dentry *root, enum mount_clone how, struct mount **out)
{
	kerr_t err;

	atomic_inc(&old->sb->active);
	err = mount_alloc(old->sb, root, old->source, old->flags, out);
	if (!err)
		mount_clone_propagation(*out, old, how);
	return err;
}

/* A copy of the mounts below src's, inside dentry src->dentry, hung on the copy top. */
static kerr_t clone_children(const struct path *src, struct mount *top, enum mount_clone how)
{
	struct mount *m, *copy_parent;

	for (m = next_in_tree(src->mnt, src->mnt); m; m = next_in_tree(m, src->mnt)) {
		struct mount *copy;
		kerr_t err;

		if (m->parent == src->mnt && !dentry_is_below(m->point, src->dentry))
			continue;
		/* The copy of m's parent is found by walking the copies along: same super and root, same depth order. */
		copy_parent = m->parent == src->mnt ? top : NULL;
		for (struct mount *c = top; c && !copy_parent; c = next_in_tree(c, top))
			if (c->sb == m->parent->sb && c->root == m->parent->root && c->point == m->parent->point)
				copy_parent = c;
		if (!copy_parent || m->unbindable)
			continue;
		err = clone_mount(m, m->root, how, &copy);
		if (err)
			return err;
		spin_lock(&vfs()->dcache_lock);
		attach(copy, &(struct path) { copy_parent, m->point });
		spin_unlock(&vfs()->dcache_lock);
	}
	return 0;
}

kerr_t mount_clone_tree(const struct path *src, enum mount_clone how, bool rec, struct mount **out)
{
	struct mount *m;
	kerr_t err = clone_mount(src->mnt, src->dentry, how, &m);

	if (!err && rec) {
		err = clone_children(src, m, how);
		if (err)
			drop_tree(m);
	}
	if (!err)
		*out = m;
	return err;
}

static kerr_t mount_bind(const char *source, const struct path *at, bool rec)
{
	struct path src;
	struct mount *m, *c;
	kerr_t err;

	if (!source || !*source)
		return KERR(EINVAL);
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &src);
	if (err)
		return err;
	mutex_lock(&vfs()->mount_mutex);
	err = src.mnt->unbindable ? KERR(EINVAL) : mount_clone_tree(&src, CLONE_SAME, rec, &m);
	if (!err) {
		err = graft(m, at, false);
		if (err)
			drop_tree(m);
		for (c = m; !err && c; c = next_in_tree(c, m))
			list_mount(c);
	}
	mutex_unlock(&vfs()->mount_mutex);
	path_put(&src);
	return err;
}

static bool has_unbindable(struct mount *top)
{
	for (struct mount *m = top; m; m = next_in_tree(m, top))
		if (m->unbindable)
			return true;
	return false;
}

static kerr_t mount_move(const char *source, const struct path *at)
{
	struct path src, old;
	struct mount *m, *p;
	kerr_t err;

	if (!source || !*source)
		return KERR(EINVAL);
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &src);
	if (err)
		return err;
	mutex_lock(&vfs()->mount_mutex);
	m = src.mnt;
	if (src.dentry != m->root || !m->parent || m->parent->peer_group || (at->mnt->peer_group && has_unbindable(m)))
		err = KERR(EINVAL);
	for (p = at->mnt; !err && p; p = p->parent)
		if (p == m)
			err = KERR(ELOOP);
	if (!err && S_ISDIR(at->dentry->inode->mode) != S_ISDIR(m->root->inode->mode))
		err = KERR(EINVAL);
	if (!err) {
		struct path to = *at;

		path_follow_mounts_get(&to);
		err = propagate(m, &to);
		if (!err) {
			spin_lock(&vfs()->dcache_lock);
			detach(m, &old);
			attach(m, &to);
			spin_unlock(&vfs()->dcache_lock);
			path_put(&old);
		}
		path_put(&to);
	}
	mutex_unlock(&vfs()->mount_mutex);
	path_put(&src);
	return err;
}

/* Makes a mount read-only, or writable; fails while it is written to. */
static kerr_t mount_set_flags(struct mount *m, unsigned mflags)
{
	u32 old = m->flags;

	WRITE_ONCE(m->flags, mflags & MNT_FLAGS);
	memory_barrier();
	if ((mflags & MS_RDONLY) && !(old & MS_RDONLY) && atomic_read(&m->writers) > 0) {
		WRITE_ONCE(m->flags, old);
		return KERR(EBUSY);
	}
	return 0;
}

static bool super_has_writers(const struct super *sb)
{
	struct mount *m;

	list_for_each(m, &vfs()->mounts, all_node)
		if (m->sb == sb && atomic_read(&m->writers) > 0)
			return true;
	return false;
}

static kerr_t mount_remount(const struct path *at, unsigned flags, unsigned mflags, const char *data)
{
	struct super *sb = at->mnt->sb;
	u32 old;
	kerr_t err = 0;

	if (at->dentry != at->mnt->root)
		return KERR(EINVAL);
	mutex_lock(&vfs()->mount_mutex);
	if (flags & MS_BIND) {
		err = mount_set_flags(at->mnt, mflags);
	} else {
		old = sb->flags;
		if ((flags & MS_RDONLY) && !(old & MS_RDONLY)) {
			/* New writers see the flag; those who were faster are seen here. */
			WRITE_ONCE(sb->flags, old | MS_RDONLY);
			memory_barrier();
			if (super_has_writers(sb))
				err = KERR(EBUSY);
			WRITE_ONCE(sb->flags, old);
		}
		if (!err)
			err = super_remount(sb, flags, data, false);
		if (!err)
			WRITE_ONCE(at->mnt->flags, mflags & MNT_FLAGS);
	}
	mutex_unlock(&vfs()->mount_mutex);
	return err;
}

static kerr_t mount_propagation(const struct path *at, unsigned flags)
{
	unsigned type = flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE);
	struct mount *m;

	if ((type & (type - 1)) || (flags & ~(MS_REC | MS_SILENT | type)))
		return KERR(EINVAL);
	if (at->dentry != at->mnt->root)
		return KERR(EINVAL);
	mutex_lock(&vfs()->mount_mutex);
	for (m = at->mnt; m; m = flags & MS_REC ? next_in_tree(m, at->mnt) : NULL)
		mount_set_propagation(m, type);
	mutex_unlock(&vfs()->mount_mutex);
	return 0;
}

kerr_t do_mount(const char *source, const struct path *at, const char *type, unsigned flags, const char *data)
{
	unsigned mflags = flags & (MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RDONLY | MS_NOSYMFOLLOW);
	kerr_t err;

	if (!(flags & (MS_NOATIME | MS_STRICTATIME)))
		mflags |= MS_RELATIME;
	if ((flags & (MS_REMOUNT | MS_BIND)) == (MS_REMOUNT | MS_BIND) || (flags & MS_REMOUNT))
		err = mount_remount(at, flags, mflags, data);
	else if (flags & MS_BIND)
		err = mount_bind(source, at, flags & MS_REC);
	else if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
		err = mount_propagation(at, flags);
	else if (flags & MS_MOVE)
		err = mount_move(source, at);
	else if (!type || !*type)
		err = KERR(EINVAL);
	else
		err = mount_new(source, at, type, flags, mflags, data);
	if (!err)
		mounts_changed();
	return err;
}

kerr_t mount_kernel(const struct fs_type *t, const char *source, unsigned flags, const char *data, struct mount **out)
{
	struct super *sb;
	kerr_t err = super_get(t, source, flags, data, &sb);

	return err ? err : mount_alloc(sb, sb->root, source, flags | MS_RELATIME, out);
}

/* ---------------------------------------------------------------- umount */
/* Takes a whole subtree apart, leaves first, and gives back each mount's attachment. */
static void drop_tree(struct mount *top)
{
	for (;;) {
		struct mount *m = top;
		struct path at = { NULL, NULL };

		while (!list_empty(&m->children))
			m = list_first(&m->children, struct mount, child_node);
		list_del(&m->all_node);
		mount_set_propagation(m, MS_PRIVATE);
		spin_lock(&vfs()->dcache_lock);
		if (m->parent)
			detach(m, &at);
		m->detached = true;
		spin_unlock(&vfs()->dcache_lock);
		if (at.mnt)
			path_put(&at);
		mount_put(m);
		if (m == top)
			return;
	}
}

#define MNT_FORCE 1u
#define MNT_DETACH 2u
#define MNT_EXPIRE 4u

/* Of top's tree, the first mount that goes elsewhere too: there it goes now. False: there is no such (any more). */
static bool drop_counterparts(struct mount *top)
{
	struct mount *m, *c, *next;
	struct list gone;

	list_init(&gone);
	for (m = top; m && list_empty(&gone); m = next_in_tree(m, top))
		if (m->parent->peer_group)
			mount_propagated_umount(m, &gone);
	if (list_empty(&gone))
		return false;
	list_for_each_safe(c, next, &gone, all_node)
		drop_tree(c);
	return true;
}

/* With what happens elsewhere when it is taken off a shared parent. What has mounts on it there waits until those are gone: from the leaves on. */
static void drop_propagated(struct mount *top)
{
	while (drop_counterparts(top))
		;
	drop_tree(top);
}

static kerr_t umount_locked(struct mount *m, unsigned flags)
{
	if (m->detached)
		return KERR(EINVAL);
	if (!m->parent)
		return m == vfs()->root_mnt ? KERR(EINVAL) : KERR(EINVAL);
	if (!(flags & MNT_DETACH)) {
		/* One for the attachment, one for the caller's path. */
		if (!list_empty(&m->children) || atomic_read(&m->refs) > 2 || (m->parent->peer_group && mount_propagated_busy(m)))
			return KERR(EBUSY);
	}
	if ((flags & MNT_EXPIRE) && !m->expiring) {
		WRITE_ONCE(m->expiring, true);
		return KERR(EAGAIN);
	}
	drop_propagated(m);
	return 0;
}

/* The caller's root cannot be unmounted: it becomes read-only. */
static kerr_t umount_root(struct mount *m)
{
	return super_remount(m->sb, m->sb->flags | MS_RDONLY, NULL, false);
}

kerr_t do_umount(const struct path *at, unsigned flags)
{
	struct path root;
	bool is_root;
	kerr_t err;

	if (at->dentry != at->mnt->root)
		return KERR(EINVAL);
	if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH)))
		return KERR(EINVAL);
	fs_ctx_get_root(&root);
	is_root = root.mnt == at->mnt;
	path_put(&root);
	mutex_lock(&vfs()->mount_mutex);
	if (is_root && !(flags & MNT_DETACH))
		err = super_has_writers(at->mnt->sb) ? KERR(EBUSY) : umount_root(at->mnt);
	else
		err = umount_locked(at->mnt, flags);
	mutex_unlock(&vfs()->mount_mutex);
	if (!err)
		mounts_changed();
	return err;
}

/* ---------------------------------------------------------------- pivot_root */
/* Every task whose root or cwd is the old root is moved to the new one. */
static void move_tasks(const struct path *from, const struct path *to)
{
	unsigned long flags = tasklist_lock();
	unsigned n = 0;
	struct proc *p;
	struct task *t;

	for_each_proc(p) {
		list_for_each(t, &p->threads, thread_node) {
			struct fs_ctx *fs = t->fs;

			if (!fs)
				continue;
			spin_lock(&fs->lock);
			for (int i = 0; i < 2; i++) {
				struct path *at = i ? &fs->cwd : &fs->root;

				if (at->mnt == from->mnt && at->dentry == from->dentry) {
					*at = *to;
					path_get(to);
					n++;
				}
			}
			spin_unlock(&fs->lock);
		}
	}
	tasklist_unlock(flags);
	while (n--)
		path_put(from);
}

static bool mount_is_below(const struct path *p, const struct path *root)
{
	struct mount *m = p->mnt;
	struct dentry *d = p->dentry;

	while (m != root->mnt && m->parent) {
		d = m->point;
		m = m->parent;
	}
	return m == root->mnt && dentry_is_below(d, root->dentry);
}

kerr_t do_pivot_root(const struct path *new_root, const struct path *put_old)
{
	struct path root, new_at, root_at = { NULL, NULL };
	kerr_t err = 0;

	fs_ctx_get_root(&root);
	mutex_lock(&vfs()->mount_mutex);
	if (!S_ISDIR(new_root->dentry->inode->mode) || !S_ISDIR(put_old->dentry->inode->mode))
		err = KERR(ENOTDIR);
	else if (new_root->mnt == root.mnt || put_old->mnt == root.mnt)
		err = KERR(EBUSY);
	else if (root.dentry != root.mnt->root || new_root->dentry != new_root->mnt->root || !new_root->mnt->parent)
		err = KERR(EINVAL);
	else if (put_old->mnt->peer_group || new_root->mnt->parent->peer_group || (root.mnt->parent && root.mnt->parent->peer_group))
		err = KERR(EINVAL);
	else if (!root.mnt->parent && root.mnt == vfs()->root_mnt)
		err = KERR(EINVAL); /* the first root file system stays */
	else if (!mount_is_below(put_old, new_root) || !mount_is_below(new_root, &root))
		err = KERR(EINVAL);
	if (!err) {
		spin_lock(&vfs()->dcache_lock);
		detach(new_root->mnt, &new_at);
		if (root.mnt->parent) {
			detach(root.mnt, &root_at);
			attach(new_root->mnt, &root_at);
		}
		attach(root.mnt, put_old);
		spin_unlock(&vfs()->dcache_lock);
		path_put(&new_at);
		if (root_at.mnt)
			path_put(&root_at);
	}
	mutex_unlock(&vfs()->mount_mutex);
	if (!err) {
		move_tasks(&root, new_root);
		mounts_changed();
	}
	path_put(&root);
	return err;
}

void mount_for_each(void (*fn)(struct mount *m, void *arg), void *arg)
{
	struct mount *m;

	mutex_lock(&vfs()->mount_mutex);
	list_for_each(m, &vfs()->mounts, all_node)
		fn(m, arg);
	mutex_unlock(&vfs()->mount_mutex);
}

kerr_t mount_init(void)
{
	struct vfs_state *v = vfs();
	const struct fs_type *t = fs_find("tmpfs");
	kerr_t err;

	spin_init(&v->supers_lock, RANK_DCACHE, "supers");
	list_init(&v->supers);
	mutex_init(&v->mount_mutex, RANK_MOUNT, "mounts");
	list_init(&v->mounts);
	wait_queue_init(&v->mount_wait);
	if (!t)
		return KERR(ENODEV);
	err = mount_kernel(t, "rootfs", 0, "mode=755", &v->root_mnt);
	if (!err)
		list_mount(v->root_mnt);
	return err;
}
