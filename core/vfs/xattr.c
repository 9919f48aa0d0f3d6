/* SPDX-License-Identifier: MIT */
/* Extended attributes: who may touch which name space. Follows xattr(7). Locking: the inode's rwsem for writing in setxattr. */
#include "vfs_priv.h"

#include <maestro/acl.h>
#include <maestro/notify.h>

#define XATTR_CAPS "security.capability"

static bool has_prefix(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static kerr_t xattr_permission(struct inode *inode, const char *name, unsigned mask)
{
	if ((mask & MAY_WRITE) && (load_relaxed(&inode->flags) & (INODE_IMMUTABLE | INODE_APPEND)))
		return KERR(EPERM);
	if (!strcmp(name, XATTR_CAPS)) /* file_caps_check() for a new value; to take one away: */
		return mask & MAY_WRITE && !capable(CAP_SETFCAP) ? KERR(EPERM) : KERR(0);
	if (has_prefix(name, "security.")) /* the attribute's own rules; without a module: privilege to change it */
		return mask & MAY_WRITE && !capable(CAP_SYS_ADMIN) ? KERR(EPERM) : KERR(0);
	if (has_prefix(name, "system."))
		return KERR(0); /* the file system's own rules */
	if (has_prefix(name, "trusted.")) {
		if (capable(CAP_SYS_ADMIN))
			return 0;
		return mask & MAY_WRITE ? KERR(EPERM) : KERR(ENODATA);
	}
	if (has_prefix(name, "user.")) {
		if (!S_ISREG(inode->mode) && !S_ISDIR(inode->mode))
			return mask & MAY_WRITE ? KERR(EPERM) : KERR(ENODATA);
		if (S_ISDIR(inode->mode) && (inode->mode & S_ISVTX) && (mask & MAY_WRITE) && !inode_owner_or_capable(inode))
			return KERR(EPERM);
	}
	return inode_permission(inode, mask);
}

ssize_t vfs_getxattr(const struct path *p, const char *name, void *buf, size_t size)
{
	struct inode *inode = p->dentry->inode;
	kerr_t err = xattr_permission(inode, name, MAY_READ);

	if (err)
		return kerr_code(err);
	if (acl_attribute(name) && (!(inode->sb->flags & MS_POSIXACL) || S_ISLNK(inode->mode)))
		return -EOPNOTSUPP;
	if (!inode->ops || !inode->ops->getxattr)
		return -EOPNOTSUPP;
	return inode->ops->getxattr(inode, name, buf, size);
}

kerr_t vfs_setxattr(const struct path *p, const char *name, const void *val, size_t size, int flags)
{
	struct inode *inode = p->dentry->inode;
	kerr_t err = mount_want_write(p->mnt);

	if (err)
		return err;
	if (val && !strcmp(name, XATTR_CAPS))
		err = file_caps_check(val, size);
	if (err) {
		mount_drop_write(p->mnt);
		return err;
	}
	rwsem_write_lock(&inode->rwsem);
	err = acl_attribute(name) ? KERR(0) : xattr_permission(inode, name, MAY_WRITE);
	if (!err && (inode->sb->flags & MS_RDONLY))
		err = KERR(EROFS);
	inode_flags_change(inode, 0, INODE_NO_CAPS);
	if (!err && acl_attribute(name))
		err = inode_acl_set(inode, name, val, size);
	else if (!err)
		err = inode->ops && inode->ops->setxattr ? inode->ops->setxattr(inode, name, val, size, flags) : KERR(EOPNOTSUPP);
	rwsem_write_unlock(&inode->rwsem);
	mount_drop_write(p->mnt);
	if (!err)
		notify_dentry(p->dentry, IN_ATTRIB);
	return err;
}

kerr_t inode_drop_caps_slow(struct inode *inode)
{
	kerr_t err = KERR(0);

	if (inode->ops && inode->ops->getxattr && inode->ops->setxattr && inode->ops->getxattr(inode, XATTR_CAPS, NULL, 0) >= 0)
		err = inode->ops->setxattr(inode, XATTR_CAPS, NULL, 0, 0);
	if (!err)
		inode_flags_change(inode, INODE_NO_CAPS, 0);
	return err;
}

ssize_t vfs_listxattr(const struct path *p, char *buf, size_t size)
{
	struct inode *inode = p->dentry->inode;

	if (!inode->ops || !inode->ops->listxattr)
		return 0;
	return inode->ops->listxattr(inode, buf, size);
}
