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

void mounts_changed(void)
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

static void number_mount(struct mount *m)
{
	m->id = ++vfs()->next_mount_id;
}

/* It is seen from now on. */
static void list_mount(struct mount *m)
{
	if (!m->id)
		number_mount(m);
	m->listed = true;
	list_add_tail(&vfs()->mounts, &m->all_node);
}

bool mount_is_seen(const struct mount *m)
{
	while (m->parent)
		m = m->parent;
	return m == vfs()->root_mnt;
}

struct mount *mount_next_in_tree(struct mount *m, const struct mount *top)
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
	for (sub = m; sub; sub = mount_next_in_tree(sub, m))
		mount_share(sub);
	err = mount_propagate(at, m, &copies);
	list_for_each_safe(c, next, &copies, all_node) {
		list_del(&c->all_node);
		if (err)
			drop_tree(c);
		for (sub = c; !err && sub; sub = mount_next_in_tree(sub, c))
			if (!sub->listed) /* what stands on a copy since may be an old one */
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
	if (!mount_is_seen(at.mnt)) {
		err = KERR(EINVAL);
	} else if (S_ISDIR(at.dentry->inode->mode) != S_ISDIR(m->root->inode->mode)) {
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

	for (m = mount_next_in_tree(src->mnt, src->mnt); m; m = mount_next_in_tree(m, src->mnt)) {
		struct mount *copy;
		kerr_t err;

		if (m->parent == src->mnt && !dentry_is_below(m->point, src->dentry))
			continue;
		/* The copy of m's parent is found by walking the copies along: same super and root, same depth order. */
		copy_parent = m->parent == src->mnt ? top : NULL;
		for (struct mount *c = top; c && !copy_parent; c = mount_next_in_tree(c, top))
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

static kerr_t copy_to_bind(const struct path *src, bool rec, struct mount **out)
{
	if (src->mnt->unbindable || !mount_is_seen(src->mnt))
		return KERR(EINVAL);
	return mount_clone_tree(src, CLONE_SAME, rec, out);
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
	err = copy_to_bind(&src, rec, &m);
	if (!err) {
		err = graft(m, at, false);
		if (err)
			drop_tree(m);
		for (c = m; !err && c; c = mount_next_in_tree(c, m))
			list_mount(c);
	}
	mutex_unlock(&vfs()->mount_mutex);
	path_put(&src);
	return err;
}

static bool has_unbindable(struct mount *top)
{
	for (struct mount *m = top; m; m = mount_next_in_tree(m, top))
		if (m->unbindable)
			return true;
	return false;
}

/* Can m, seen at src, come to the place `to`? */
static kerr_t may_move(const struct path *src, const struct path *to)
{
	struct mount *m = src->mnt;

	if (!mount_is_seen(to->mnt) || (m->parent ? !mount_is_seen(m) : !m->loose))
		return KERR(EINVAL);
	if (src->dentry != m->root || S_ISDIR(to->dentry->inode->mode) != S_ISDIR(m->root->inode->mode))
		return KERR(EINVAL);
	if ((m->parent && m->parent->peer_group) || (to->mnt->peer_group && has_unbindable(m)))
		return KERR(EINVAL);
	for (const struct mount *p = to->mnt; p; p = p->parent)
		if (p == m)
			return KERR(ELOOP);
	return 0;
}

static void move_to(struct mount *m, const struct path *to)
{
	struct path old = { NULL, NULL };

	spin_lock(&vfs()->dcache_lock);
	if (m->parent)
		detach(m, &old);
	attach(m, to);
	spin_unlock(&vfs()->dcache_lock);
	if (old.mnt)
		path_put(&old);
	m->loose = false;
	for (struct mount *c = m; c; c = mount_next_in_tree(c, m))
		if (!c->listed)
			list_mount(c);
}

kerr_t mount_move(const struct path *src, const struct path *at)
{
	struct path to = *at;
	kerr_t err;

	mutex_lock(&vfs()->mount_mutex);
	path_follow_mounts_get(&to);
	err = to.dentry->inode->flags & INODE_DEAD ? KERR(ENOENT) : may_move(src, &to);
	if (!err)
		err = propagate(src->mnt, &to);
	if (!err)
		move_to(src->mnt, &to);
	path_put(&to);
	mutex_unlock(&vfs()->mount_mutex);
	if (!err)
		mounts_changed();
	return err;
}

static kerr_t mount_move_named(const char *source, const struct path *at)
{
	struct path src;
	kerr_t err;

	if (!source || !*source)
		return KERR(EINVAL);
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &src);
	if (err)
		return err;
	err = mount_move(&src, at);
	path_put(&src);
	return err;
}

/* ---------------------------------------------------------------- trees that a file holds */
/* The reference that a place in the tree would have is the file's: it, or the place that the tree comes to, gives it back. */
static kerr_t hold_by_file(struct mount *m, struct file **out)
{
	kerr_t err = file_open_path(&(struct path) { m, m->root }, O_PATH, current_cred(), out);

	if (err)
		return err;
	(*out)->mode |= FMODE_UNMOUNT;
	mutex_lock(&vfs()->mount_mutex);
	m->loose = true;
	for (struct mount *c = m; c; c = mount_next_in_tree(c, m))
		number_mount(c);
	mutex_unlock(&vfs()->mount_mutex);
	return 0;
}

kerr_t mount_open_super(struct super *sb, const char *source, unsigned mflags, struct file **out)
{
	struct mount *m;
	kerr_t err;

	atomic_inc(&sb->active);
	err = mount_alloc(sb, sb->root, source, mflags, &m);
	if (err)
		return err;
	err = hold_by_file(m, out);
	if (err)
		mount_put(m);
	return err;
}

kerr_t mount_open_copy(const struct path *src, bool rec, struct file **out)
{
	struct mount *m;
	kerr_t err;

	mutex_lock(&vfs()->mount_mutex);
	err = copy_to_bind(src, rec, &m);
	mutex_unlock(&vfs()->mount_mutex);
	if (err)
		return err;
	err = hold_by_file(m, out);
	if (err) {
		mutex_lock(&vfs()->mount_mutex);
		drop_tree(m);
		mutex_unlock(&vfs()->mount_mutex);
	}
	return err;
}

void mount_file_released(struct mount *m)
{
	mutex_lock(&vfs()->mount_mutex);
	if (m->loose)
		drop_tree(m);
	mutex_unlock(&vfs()->mount_mutex);
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
		err = mount_move_named(source, at);
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
		m->listed = m->loose = false;
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
	for (m = top; m && list_empty(&gone); m = mount_next_in_tree(m, top))
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
	if (!m->parent || !mount_is_seen(m))
		return KERR(EINVAL);
	if (!(flags & MNT_DETACH)) {
		/* One for the attachment, one for the caller's path. */
		if (!list_empty(&m->children) || atomic_read(&m->refs) > 2 + acct_pins(m) || (m->parent->peer_group && mount_propagated_busy(m)))
			return KERR(EBUSY);
	}
	if ((flags & MNT_EXPIRE) && !m->expiring) {
		WRITE_ONCE(m->expiring, true);
		return KERR(EAGAIN);
	}
	drop_propagated(m);
	return 0;
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
		err = mount_remount_super(at->mnt->sb, at->mnt->sb->flags | MS_RDONLY, NULL); /* the caller's root stays, read-only */
	else
		err = umount_locked(at->mnt, flags);
	mutex_unlock(&vfs()->mount_mutex);
	if (!err && !at->mnt->parent)
		acct_stop(at->mnt);
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
