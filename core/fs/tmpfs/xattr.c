/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes of tmpfs: the trusted. and security. classes and access control lists, in a list (xattr(7)). Locking: the inode's rwsem, taken by the
 * VFS, for changes; inode.lock for the list, which permission checks read.
 */
#include <maestro/acl.h>
#include <maestro/lib.h>

#include "tmpfs.h"

#define XATTR_CREATE 1
#define XATTR_REPLACE 2

static kerr_t name_check(const char *name)
{
	size_t class = !strncmp(name, "trusted.", 8) ? 8 : !strncmp(name, "security.", 9) ? 9 : 0;

	if (!class)
		return acl_attribute(name) ? KERR(0) : KERR(EOPNOTSUPP);
	return name[class] ? KERR(0) : KERR(EINVAL);
}

static struct tmpfs_xattr *find(struct inode *inode, const char *name)
{
	struct tmpfs_xattr *x;

	list_for_each(x, &tmpfs_i(inode)->xattrs, node)
		if (!strcmp(x->name, name))
			return x;
	return NULL;
}

static void drop(struct tmpfs_xattr *x)
{
	list_del(&x->node);
	kfree(x->name);
	kfree(x);
}

ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	const struct tmpfs_xattr *x;
	kerr_t err = name_check(name);
	ssize_t n;

	if (err)
		return kerr_code(err);
	spin_lock(&inode->lock);
	x = find(inode, name);
	n = !x ? -ENODATA : size && size < x->size ? -ERANGE : (ssize_t)x->size;
	if (n > 0 && size)
		memcpy(buf, x->value, x->size);
	spin_unlock(&inode->lock);
	return n;
}

kerr_t tmpfs_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags)
{
	struct tmpfs_xattr *old, *x = NULL;
	kerr_t err = name_check(name);

	if (err)
		return err;
	old = find(inode, name);
	if (old && (flags & XATTR_CREATE))
		return KERR(EEXIST);
	if (!old && (!val || (flags & XATTR_REPLACE)))
		return KERR(ENODATA);
	if (val) {
		x = kmalloc(sizeof(*x) + size, GFP_KERNEL);
		if (!x)
			return KERR(ENOMEM);
		x->size = size;
		x->name = kstrdup(name, GFP_KERNEL);
		if (!x->name) {
			kfree(x);
			return KERR(ENOMEM);
		}
		memcpy(x->value, val, size);
	}
	spin_lock(&inode->lock);
	if (x)
		list_add_tail(&tmpfs_i(inode)->xattrs, &x->node);
	if (old)
		list_del(&old->node);
	spin_unlock(&inode->lock);
	if (old)
		drop(old);
	inode_touch(inode, ATTR_CTIME);
	return 0;
}

ssize_t tmpfs_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct tmpfs_xattr *x;
	size_t total = 0;

	list_for_each(x, &tmpfs_i(inode)->xattrs, node) {
		size_t len = strlen(x->name) + 1;

		if (!strncmp(x->name, "trusted.", 8) && !capable(CAP_SYS_ADMIN))
			continue;
		if (size) {
			if (total + len > size)
				return -ERANGE;
			memcpy(buf + total, x->name, len);
		}
		total += len;
	}
	return (ssize_t)total;
}

void tmpfs_xattr_free(struct inode *inode)
{
	struct list *head = &tmpfs_i(inode)->xattrs;

	while (!list_empty(head))
		drop(list_first(head, struct tmpfs_xattr, node));
}
