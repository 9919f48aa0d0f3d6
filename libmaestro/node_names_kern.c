/* SPDX-License-Identifier: MIT */
/* Nodes by name: lookup, making, removing, renaming. */
#include "node_kern.h"

/* The node of what a call found or made at p, unless it failed with err. */
static kerr_t node_if_found(kerr_t err, struct path *p, struct maestro_node **out)
{
	return err ? err : node_of(p, out);
}

int maestro_node_root(struct maestro *k, const char *path, struct maestro_node **out)
{
	struct path p;

	return NODE_CALL(k, node_if_found(path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p), &p, out));
}

static kerr_t lookup_in(struct maestro_node *dir, const char *name, struct maestro_node **out)
{
	struct path p = {.mnt = dir->path.mnt};
	struct inode *inode = dir->path.dentry->inode;
	size_t len = strlen(name);
	kerr_t err;

	if (!S_ISDIR(inode->mode))
		return KERR(ENOTDIR);
	err = inode_permission(inode, MAY_EXEC);
	if (err)
		return err;
	if (!strcmp(name, ".") || !strcmp(name, "..")) {
		/* Above the root of a mount is only itself. */
		bool up = name[1] && dir->path.dentry != dir->path.mnt->root;

		p.dentry = dentry_get(up ? dir->path.dentry->parent : dir->path.dentry);
	} else {
		err = vfs_lookup_one(dir->path.dentry, name, len, &p.dentry);
		if (err)
			return err;
		if (!p.dentry->inode) {
			dentry_put(p.dentry);
			return KERR(ENOENT);
		}
	}
	mount_get(p.mnt);
	return node_of(&p, out);
}

int maestro_node_lookup(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, struct maestro_node **out)
{
	return NODE_CALL_AS(k, who, lookup_in(dir, name, out));
}

int maestro_node_mkdir(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, struct maestro_node **out)
{
	struct path p;

	return NODE_CALL_AS(k, who, node_if_found(vfs_mkdir(&dir->path, name, mode, &p), &p, out));
}

static kerr_t make_node(struct maestro_node *dir, const char *name, mode_t mode, u32 major, u32 minor, struct path *p)
{
	if (S_ISREG(mode) || !(mode & S_IFMT))
		return vfs_create(&dir->path, name, mode | S_IFREG, p);
	if (major > 0xfff || minor > 0xfffff)
		return KERR(EINVAL);
	return vfs_mknod(&dir->path, name, mode, DEV(major, minor), p);
}

int maestro_node_mknod(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, uint32_t major,
		       uint32_t minor, struct maestro_node **out)
{
	struct path p;

	return NODE_CALL_AS(k, who, node_if_found(make_node(dir, name, mode, major, minor, &p), &p, out));
}

int maestro_node_symlink(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, const char *target,
			 struct maestro_node **out)
{
	struct path p;

	return NODE_CALL_AS(k, who, node_if_found(vfs_symlink(&dir->path, name, target, &p), &p, out));
}

int maestro_node_link(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, struct maestro_node *dir, const char *name)
{
	return NODE_CALL_AS(k, who, vfs_link(&n->path, &dir->path, name));
}

int maestro_node_unlink(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name)
{
	return NODE_CALL_AS(k, who, vfs_unlink(&dir->path, name));
}

int maestro_node_rmdir(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name)
{
	return NODE_CALL_AS(k, who, vfs_rmdir(&dir->path, name));
}

int maestro_node_rename(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, struct maestro_node *ndir,
			const char *nname, unsigned flags)
{
	return NODE_CALL_AS(k, who, vfs_rename(&dir->path, name, &ndir->path, nname, flags));
}

ssize_t maestro_node_readlink(struct maestro *k, struct maestro_node *n, char *buf, size_t size)
{
	char *text;
	ssize_t len;
	int code = node_enter(k);

	if (code)
		return code;
	text = path_buf_alloc();
	len = -ENOMEM;
	if (text) {
		kerr_t err = vfs_readlink(&n->path, text);

		len = kerr_code(err);
		if (!err) {
			len = (ssize_t)MIN(strlen(text), size);
			memcpy(buf, text, (size_t)len);
		}
		path_buf_free(text);
	}
	hosted_leave();
	return len;
}
