/* SPDX-License-Identifier: MIT */
/*
 * Files without a place in any tree: eventfd, epoll, timerfd and the like share one inode of a file system of their own; each has a dentry
 * that only carries its name ("anon_inode:[eventfd]"). Pipes have a file system too, since each pipe has an inode number (pipe.c).
 */
#include "vfs_priv.h"

static size_t anon_dname(struct dentry *d, char *buf, size_t size)
{
	strlcpy(buf, d->name.str, size);
	return d->name.len;
}

static const struct dentry_ops anon_dentry_ops = { .dname = anon_dname };
static const struct super_ops anon_super_ops = { .alloc_inode = NULL };

static kerr_t anon_fill_super(struct super *sb, const char *data, bool silent)
{
	struct inode *root;
	kerr_t err;

	(void)data;
	(void)silent;
	sb->ops = &anon_super_ops;
	sb->magic = strcmp(sb->type->name, "pipefs") ? 0x09041934 : 0x50495045;
	err = inode_new(sb, &root);
	if (err)
		return err;
	root->ino = 1;
	root->mode = S_IFDIR | 0555;
	return dentry_make_root(root, &sb->root);
}

static const struct fs_type anon_type = { .name = "anon_inodefs", .flags = FS_NODEV_LISTED, .fill_super = anon_fill_super };
static const struct fs_type pipe_type = { .name = "pipefs", .flags = FS_NODEV_LISTED, .fill_super = anon_fill_super };

kerr_t anon_init(void)
{
	struct vfs_state *v = vfs();
	kerr_t err = mount_kernel(&pipe_type, "pipefs", MS_NOATIME, NULL, &v->pipe_mnt);

	if (!err)
		err = mount_kernel(&anon_type, "anon_inodefs", MS_NOATIME, NULL, &v->anon_mnt);
	if (!err)
		err = inode_new(v->anon_mnt->sb, &v->anon_inode);
	if (err)
		return err;
	v->anon_inode->ino = vfs_new_ino() + 1;
	v->anon_inode->mode = 0600;
	return 0;
}

kerr_t file_anon(const char *name, const struct file_ops *ops, void *priv, u32 flags, struct file **out)
{
	struct vfs_state *v = vfs();
	struct name n = { name, (u32)strlen(name), 0 };
	struct file *f = file_alloc();
	struct dentry *d;
	kerr_t err;

	if (!f)
		return KERR(ENFILE);
	err = dentry_alloc(v->anon_mnt->sb, NULL, &n, &d);
	if (err) {
		file_put(f);
		return err;
	}
	d->ops = &anon_dentry_ops;
	dentry_instantiate(d, inode_get(v->anon_inode));
	f->path = (struct path) { mount_get(v->anon_mnt), d };
	f->inode = v->anon_inode;
	f->flags = flags & ~O_CLOEXEC;
	f->mode = (flags + 1) & O_ACCMODE;
	f->ops = ops;
	f->priv = priv;
	*out = f;
	return 0;
}

kerr_t pseudo_dentry(struct mount *mnt, mode_t mode, const struct dentry_ops *ops, struct dentry **out)
{
	static const struct name n = { "", 0, 0 };
	struct inode *inode;
	struct dentry *d;
	kerr_t err = inode_new(mnt->sb, &inode);

	if (err)
		return err;
	inode->ino = vfs_new_ino();
	inode->mode = mode;
	inode->uid = current_cred()->fsuid;
	inode->gid = current_cred()->fsgid;
	inode->atime = inode->mtime = inode->ctime = ktime_get_real_coarse_ts();
	err = dentry_alloc(mnt->sb, NULL, &n, &d);
	if (err) {
		inode_put(inode);
		return err;
	}
	d->ops = ops;
	dentry_instantiate(d, inode);
	*out = d;
	return 0;
}

kerr_t file_pseudo(struct mount *mnt, mode_t mode, const struct dentry_ops *ops, struct file **out)
{
	struct file *f = file_alloc();
	struct dentry *d;
	kerr_t err;

	if (!f)
		return KERR(ENFILE);
	err = pseudo_dentry(mnt, mode, ops, &d);
	if (err) {
		file_put(f);
		return err;
	}
	f->path = (struct path) { mount_get(mnt), d };
	f->inode = d->inode;
	*out = f;
	return 0;
}
