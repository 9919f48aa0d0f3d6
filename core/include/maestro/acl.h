/* SPDX-License-Identifier: MIT */
/*
 * POSIX access control lists: acl(5). A file system that keeps them sets MS_POSIXACL in its super's flags, gives and takes them as the attributes
 * system.posix_acl_access and system.posix_acl_default in the form of getxattr(2), and calls inode_acl_inherit() for each new inode.
 */
#pragma once

#include <maestro/vfs.h>

#define MS_POSIXACL (1u << 16) /* in super.flags */
/* In inode.flags: known to have none. Gone as soon as one is set. */
#define INODE_NO_ACL (1u << 16)
#define INODE_NO_DEFAULT_ACL (1u << 17)

/* A list gives nobody but the owner more than the mode's group bits: without these it need not be asked. */
static inline bool inode_may_have_acl(const struct inode *inode)
{
	return !(load_relaxed(&inode->flags) & INODE_NO_ACL) && (inode->mode & 0070) && (inode->sb->flags & MS_POSIXACL);
}

enum { ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_GROUP = 8, ACL_MASK = 16, ACL_OTHER = 32 };
struct acl_entry { /* as in the attribute */
	u16 tag, perm;
	u32 id; /* for ACL_USER and ACL_GROUP, else ~0 */
};

/* Whether the list lets current do what mask (MAY_*) says. KERR(EAGAIN): there is none, the mode decides. KERR(EACCES), KERR(ENOMEM), KERR(EIO). May sleep. */
kerr_t inode_acl_permission(struct inode *inode, unsigned mask) __must_check;
/*
 * setxattr(2) of one of the two attributes, and its removal (val NULL): checks the list, keeps the mode in step. inode's rwsem held for writing.
 * KERR(EINVAL): no list. KERR(EPERM): not the owner. KERR(EACCES): a default list is for directories. KERR(EOPNOTSUPP).
 */
kerr_t inode_acl_set(struct inode *inode, const char *name, const void *val, size_t size) __must_check;
/* The mode has changed: the list follows. inode's rwsem held for writing. */
kerr_t inode_acl_chmod(struct inode *inode) __must_check;
/* What a new file's mode is in dir: without the bits of current's umask, unless a default list takes its place. */
mode_t inode_acl_umask(struct inode *dir, mode_t mode);
/* dir's default list becomes that of the new inode, whose mode is narrowed by it. Before anybody else sees the inode. KERR(ENOSPC), KERR(ENOMEM), KERR(EIO). */
kerr_t inode_acl_inherit(struct inode *dir, struct inode *inode) __must_check;
bool acl_attribute(const char *name); /* one of the two */
