/* SPDX-License-Identifier: MIT */
/*
 * Supers: one mounted file system each, shared by all its mounts; file system types; sync. Follows mount(2), sync(2).
 * Locking: vfs.supers_lock for the list; super.active counts mounts and passing users, the last one shuts the file system down;
 * super.umount_sem is held for writing by remount and shutdown, for reading by sync.
 */
#include "vfs_priv.h"

#include <maestro/acl.h>
#include <maestro/block.h>
#include <maestro/notify.h>
#include <maestro/printk.h>

kerr_t fs_register(const struct fs_type *t)
{
	struct vfs_state *v = vfs();
	kerr_t err = KERR(ENOMEM);

	/* Types register before vfs_init(), when the lock is still zeroed: it works so, unranked. */
	for (unsigned i = 0; i < v->ntypes; i++)
		if (!strcmp(v->types[i]->name, t->name))
			return KERR(EBUSY);
	if (v->ntypes < VFS_MAX_TYPES) {
		v->types[v->ntypes++] = t;
		err = 0;
	}
	return err;
}

const struct fs_type *fs_find(const char *name)
{
	struct vfs_state *v = vfs();

	for (unsigned i = 0; i < v->ntypes; i++)
		if (!strcmp(v->types[i]->name, name))
			return v->types[i];
	return NULL;
}

kerr_t fs_no_options(const char *option)
{
	(void)option;
	return KERR(ENOENT);
}

void fs_type_for_each(void (*fn)(const struct fs_type *t, void *arg), void *arg)
{
	for (unsigned i = 0; i < vfs()->ntypes; i++)
		fn(vfs()->types[i], arg);
}

/* ---------------------------------------------------------------- life */
static kerr_t anon_dev_alloc(dev_t *out)
{
	struct vfs_state *v = vfs();
	size_t n;

	spin_lock(&v->supers_lock);
	n = bitmap_find_zero(v->anon_devs, 1024, 1);
	if (n < 1024)
		bitmap_set(v->anon_devs, n);
	spin_unlock(&v->supers_lock);
	if (n >= 1024)
		return KERR(EMFILE);
	*out = DEV(0, n);
	return 0;
}

static void anon_dev_free(dev_t dev)
{
	spin_lock(&vfs()->supers_lock);
	bitmap_clear(vfs()->anon_devs, DEV_MINOR(dev));
	spin_unlock(&vfs()->supers_lock);
}

static struct super *super_alloc(const struct fs_type *t, unsigned flags)
{
	struct super *sb = kzalloc(sizeof(*sb), GFP_KERNEL);

	if (!sb)
		return NULL;
	sb->type = t;
	sb->flags = flags & (MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME | MS_SILENT);
	sb->max_bytes = S32_MAX;
	sb->time_gran = 1;
	sb->blocksize = PAGE_SIZE;
	atomic_set(&sb->active, 1);
	rwsem_init(&sb->umount_sem, RANK_SB_UMOUNT, "super.umount");
	mutex_init(&sb->rename_mutex, RANK_RENAME, "super.rename");
	spin_init(&sb->inodes_lock, RANK_DCACHE, "super.inodes");
	spin_init(&sb->dirty_lock, RANK_DCACHE, "super.dirty");
	list_init(&sb->inodes);
	list_init(&sb->dirty);
	list_init(&sb->node);
	return sb;
}

static void super_free(struct super *sb)
{
	if (sb->bdev) {
		block_release_claim(sb->bdev, sb);
		block_idle(sb->bdev);
		block_put(sb->bdev);
	} else if (sb->dev) {
		anon_dev_free(sb->dev);
	}
	kfree(sb);
}

static void super_shutdown(struct super *sb)
{
	kerr_t err = super_sync(sb, true);
	struct inode *root = NULL;

	if (err)
		klog_err("VFS: %s: errors while writing back at unmount", sb->id);
	notify_super_gone(sb);
	spin_lock(&vfs()->supers_lock);
	list_del(&sb->node);
	spin_unlock(&vfs()->supers_lock);
	if (sb->root) {
		if (sb->ops && sb->ops->kill_tree)
			root = inode_get(sb->root->inode);
		dentry_kill_tree(sb->root);
		sb->root = NULL;
	}
	if (root) {
		sb->ops->kill_tree(root);
		inode_put(root);
	}
	super_evict_inodes(sb);
	if (!list_empty(&sb->inodes))
		klog_err("VFS: %s: inodes in use after unmount", sb->id);
	if (sb->ops && sb->ops->put_super)
		sb->ops->put_super(sb);
	super_free(sb);
}

void super_put(struct super *sb)
{
	if (atomic_dec_and_test(&sb->active))
		super_shutdown(sb);
}

/* A live super of the type (and device), with an active reference. */
static struct super *super_find(const struct fs_type *t, const struct block_device *b)
{
	struct super *sb, *found = NULL;

	spin_lock(&vfs()->supers_lock);
	list_for_each(sb, &vfs()->supers, node) {
		if (sb->type == t && sb->bdev == b && atomic_inc_not_zero(&sb->active)) {
			found = sb;
			break;
		}
	}
	spin_unlock(&vfs()->supers_lock);
	return found;
}

/* The device a mount names: a node's path, or (for the boot line) what block_find_spec knows. */
static kerr_t source_device(const char *source, struct block_device **out)
{
	struct path p;
	struct inode *inode;
	kerr_t err;

	if (!source || !*source)
		return KERR(EINVAL);
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &p);
	if (kerr_is(err, ENOENT) && block_find_spec(source, out) == 0)
		return 0;
	if (err)
		return err;
	inode = p.dentry->inode;
	if (!S_ISBLK(inode->mode)) {
		err = KERR(ENOTBLK);
	} else if ((p.mnt->flags | inode->sb->flags) & MS_NODEV) {
		err = KERR(EACCES);
	} else {
		*out = block_find(inode->rdev);
		if (!*out)
			err = KERR(ENXIO);
	}
	path_put(&p);
	return err;
}

static kerr_t super_fill(struct super *sb, const char *data)
{
	kerr_t err;

	if (!sb->bdev) {
		err = anon_dev_alloc(&sb->dev);
		if (err)
			return err;
		strlcpy(sb->id, sb->type->name, sizeof(sb->id));
	}
	err = sb->type->fill_super(sb, data, sb->flags & MS_SILENT);
	if (err) {
		super_evict_inodes(sb);
		return err;
	}
	sb->flags &= ~MS_SILENT;
	spin_lock(&vfs()->supers_lock);
	list_add_tail(&vfs()->supers, &sb->node);
	spin_unlock(&vfs()->supers_lock);
	return 0;
}

static kerr_t super_get_bdev(const struct fs_type *t, const char *source, unsigned flags, const char *data, struct super **out)
{
	struct block_device *b;
	struct super *sb;
	kerr_t err = source_device(source, &b);

	if (err)
		return err;
	sb = super_find(t, b);
	if (sb) {
		block_put(b);
		if ((sb->flags ^ flags) & MS_RDONLY) {
			super_put(sb);
			return KERR(EBUSY);
		}
		*out = sb;
		return 0;
	}
	if (b->disk->read_only && !(flags & MS_RDONLY)) {
		block_put(b);
		return KERR(EACCES);
	}
	sb = super_alloc(t, flags);
	if (!sb) {
		block_put(b);
		return KERR(ENOMEM);
	}
	err = block_claim(b, sb);
	if (err) {
		block_put(b);
		kfree(sb);
		return err;
	}
	sb->bdev = b;
	sb->dev = b->dev;
	strlcpy(sb->id, b->name, sizeof(sb->id));
	err = super_fill(sb, data);
	if (err) {
		super_free(sb);
		return err;
	}
	*out = sb;
	return 0;
}

kerr_t super_get(const struct fs_type *t, const char *source, unsigned flags, const char *data, struct super **out)
{
	struct super *sb;
	kerr_t err;

	if (t->flags & FS_REQUIRES_DEV)
		return super_get_bdev(t, source, flags, data, out);
	if (t->flags & FS_SINGLE) {
		sb = super_find(t, NULL);
		if (sb) {
			*out = sb;
			return 0;
		}
	}
	sb = super_alloc(t, flags);
	if (!sb)
		return KERR(ENOMEM);
	err = super_fill(sb, data);
	if (err) {
		super_free(sb);
		return err;
	}
	*out = sb;
	return 0;
}

kerr_t super_remount(struct super *sb, unsigned flags, const char *data, bool force)
{
	unsigned want = (flags & (MS_RDONLY | MS_SYNCHRONOUS | MS_DIRSYNC | MS_MANDLOCK | MS_LAZYTIME)) | (sb->flags & MS_POSIXACL);
	kerr_t err = 0;

	(void)force; /* writers were looked for by the caller */
	rwsem_write_lock(&sb->umount_sem);
	if ((want & MS_RDONLY) && !(sb->flags & MS_RDONLY))
		err = super_sync(sb, true);
	if (!(want & MS_RDONLY) && sb->bdev && sb->bdev->disk->read_only)
		err = KERR(EACCES);
	if (!err && sb->ops && sb->ops->remount)
		err = sb->ops->remount(sb, &want, data);
	if (!err)
		sb->flags = want;
	rwsem_write_unlock(&sb->umount_sem);
	return err;
}

/* ---------------------------------------------------------------- sync */
static size_t dirty_count(struct super *sb)
{
	const struct inode *i;
	size_t n = 0;

	spin_lock(&sb->dirty_lock);
	list_for_each(i, &sb->dirty, dirty_node)
		n++;
	spin_unlock(&sb->dirty_lock);
	return n;
}

/* The first on the dirty list, referenced; it goes to the list's end, where others who sync at the same time still find it. NULL: none. */
static struct inode *next_dirty(struct super *sb, size_t *left)
{
	struct inode *found = NULL;

	spin_lock(&sb->dirty_lock);
	while (!found && *left && !list_empty(&sb->dirty)) {
		struct inode *i = list_first(&sb->dirty, struct inode, dirty_node);

		(*left)--;
		list_move_tail(&sb->dirty, &i->dirty_node);
		if (inode_grab(i))
			found = i;
	}
	spin_unlock(&sb->dirty_lock);
	return found;
}

/*
 * Writes the inodes that are on the dirty list now; one that fails does not stop the others. Twice their number is looked at: the flusher may move some
 * behind us while it is at them.
 */
static kerr_t super_write_inodes(struct super *sb, bool wait)
{
	size_t left = 2 * dirty_count(sb);
	struct inode *inode;
	kerr_t first = 0;

	while ((inode = next_dirty(sb, &left))) {
		kerr_t err = inode_write_sync(inode, wait);

		if (err && !first)
			first = err;
		inode_put(inode);
		cond_resched();
	}
	return first;
}

/* Pages on their way to the disk keep no inode on the dirty list. Errors stay with the mapping, for fsync to report. */
static void super_wait_pages(struct super *sb)
{
	struct inode *i, *prev = NULL;
	kerr_t err;

	spin_lock(&sb->inodes_lock);
	list_for_each(i, &sb->inodes, sb_node) {
		if (!xa_marked(&i->data.pages, XA_MARK_WRITEBACK) || !inode_grab(i))
			continue;
		spin_unlock(&sb->inodes_lock);
		if (prev)
			inode_put(prev);
		err = mapping_write_range(&i->data, 0, S64_MAX, true);
		if (err)
			klog_debug("sync of inode %llu on %s: error %d", (unsigned long long)i->ino, sb->id, -kerr_code(err));
		prev = i;
		spin_lock(&sb->inodes_lock);
	}
	spin_unlock(&sb->inodes_lock);
	if (prev)
		inode_put(prev);
}

kerr_t super_sync(struct super *sb, bool wait)
{
	kerr_t err, err2 = 0;

	if (sb->flags & MS_RDONLY)
		return 0;
	err = super_write_inodes(sb, wait);
	if (wait)
		super_wait_pages(sb);
	if (sb->ops && sb->ops->sync_fs)
		err2 = sb->ops->sync_fs(sb, wait);
	return err ? err : err2;
}

void super_for_each(void (*fn)(struct super *sb, void *arg), void *arg)
{
	struct vfs_state *v = vfs();
	struct super *sb, *prev = NULL;

	spin_lock(&v->supers_lock);
	list_for_each(sb, &v->supers, node) {
		if (!atomic_inc_not_zero(&sb->active))
			continue;
		spin_unlock(&v->supers_lock);
		if (prev)
			super_put(prev);
		fn(sb, arg);
		prev = sb;
		spin_lock(&v->supers_lock);
	}
	spin_unlock(&v->supers_lock);
	if (prev)
		super_put(prev);
}

struct sync_arg {
	bool wait;
	kerr_t err;
};

static void sync_one(struct super *sb, void *arg)
{
	struct sync_arg *a = arg;
	kerr_t err;

	rwsem_read_lock(&sb->umount_sem);
	err = super_sync(sb, a->wait);
	rwsem_read_unlock(&sb->umount_sem);
	if (err && !a->err)
		a->err = err;
}

kerr_t do_sync_all(bool wait)
{
	struct sync_arg a = { false, 0 };

	/* First start all the writing, then wait for it. */
	super_for_each(sync_one, &a);
	if (!wait)
		return a.err;
	a.wait = true;
	super_for_each(sync_one, &a);
	return a.err;
}

static void ro_one(struct super *sb, void *arg)
{
	struct sync_arg *a = arg;
	kerr_t err;

	if (sb->flags & MS_RDONLY)
		return;
	err = super_remount(sb, sb->flags | MS_RDONLY, NULL, true);
	if (err && !a->err)
		a->err = err;
}

kerr_t vfs_remount_all_ro(void)
{
	struct sync_arg a = { true, 0 };
	kerr_t err = do_sync_all(true);

	super_for_each(ro_one, &a);
	return err ? err : a.err;
}

kerr_t vfs_statfs(struct super *sb, struct kstatfs *out)
{
	kerr_t err = 0;

	memset(out, 0, sizeof(*out));
	out->namelen = NAME_MAX;
	out->bsize = sb->blocksize;
	out->type = sb->magic;
	if (sb->ops && sb->ops->statfs)
		err = sb->ops->statfs(sb, out);
	if (!out->frsize)
		out->frsize = out->bsize;
	if (!out->fsid)
		out->fsid = dev_encode(sb->dev);
	return err;
}
