/* SPDX-License-Identifier: MIT */
/*
 * POSIX access control lists, after acl(5) and the withdrawn POSIX 1003.1e draft 17 it describes.
 *
 * A list is kept by the file system only, as an attribute; here it is read for each decision. That most inodes have none is remembered in inode.flags,
 * so these cost one test. An answer "none" that a change of the list overtook must not be remembered: inode.version tells.
 *
 * Locking: the inode's rwsem, held for writing, where a list is changed; none where it is read. inode.lock for flags and version.
 */
#include "vfs_priv.h"

#include <maestro/acl.h>

#define ACL_VERSION 2u
#define NAME_ACCESS "system.posix_acl_access"
#define NAME_DEFAULT "system.posix_acl_default"
#define RWX 7u

struct acl {
	unsigned n;
	u32 version; /* from here on: the attribute */
	struct acl_entry e[];
};
_Static_assert(sizeof(struct acl_entry) == 8 && offsetof(struct acl, e) == 8, "the attribute's layout");

static size_t acl_bytes(unsigned n)
{
	return sizeof(u32) + n * sizeof(struct acl_entry);
}

bool acl_attribute(const char *name)
{
	return !strcmp(name, NAME_ACCESS) || !strcmp(name, NAME_DEFAULT);
}

/* ---------------------------------------------------------------- the list itself */
/* Entries stand in the order of their tags; users and groups ask for a mask. */
static bool acl_sane(const struct acl *a)
{
	unsigned at = 0, seen = 0;

	for (unsigned i = 0; i < a->n; i++) {
		const struct acl_entry *e = &a->e[i];
		bool many = e->tag == ACL_USER || e->tag == ACL_GROUP;

		if (e->perm & ~RWX || !e->tag || (e->tag & (e->tag - 1)) || e->tag > ACL_OTHER || e->tag < at || (e->tag == at && !many))
			return false;
		if (many && e->id == ~0u)
			return false;
		at = e->tag;
		seen |= e->tag;
	}
	return (seen & ACL_USER_OBJ) && (seen & ACL_GROUP_OBJ) && (seen & ACL_OTHER) && (!(seen & (ACL_USER | ACL_GROUP)) || (seen & ACL_MASK));
}

static struct acl_entry *acl_entry(struct acl *a, unsigned tag)
{
	for (unsigned i = 0; i < a->n; i++) {
		if (a->e[i].tag == tag)
			return &a->e[i];
	}
	return NULL;
}

/* The entry the mode's group bits stand for. */
static struct acl_entry *group_class(struct acl *a)
{
	struct acl_entry *mask = acl_entry(a, ACL_MASK);

	return mask ? mask : acl_entry(a, ACL_GROUP_OBJ);
}

static mode_t acl_mode(struct acl *a)
{
	return (mode_t)(acl_entry(a, ACL_USER_OBJ)->perm << 6 | group_class(a)->perm << 3 | acl_entry(a, ACL_OTHER)->perm);
}

static void acl_set_mode(struct acl *a, mode_t mode)
{
	acl_entry(a, ACL_USER_OBJ)->perm = (u16)(mode >> 6 & RWX);
	group_class(a)->perm = (u16)(mode >> 3 & RWX);
	acl_entry(a, ACL_OTHER)->perm = (u16)(mode & RWX);
}

/* val as an attribute, its layout checked. *out NULL: it says "none". */
static kerr_t acl_parse(const void *val, size_t size, struct acl **out)
{
	unsigned n = (unsigned)((size - sizeof(u32)) / sizeof(struct acl_entry));
	struct acl *a;
	u32 version;

	*out = NULL;
	if (!val)
		return KERR(0);
	if (size < sizeof(version))
		return KERR(EINVAL);
	memcpy(&version, val, sizeof(version));
	if (version != ACL_VERSION)
		return KERR(EOPNOTSUPP);
	if (size != acl_bytes(n))
		return KERR(EINVAL);
	if (!n)
		return KERR(0);
	a = kmalloc(sizeof(*a) + n * sizeof(a->e[0]), GFP_NOFS);
	if (!a)
		return KERR(ENOMEM);
	a->n = n;
	memcpy(&a->version, val, size);
	*out = a;
	return KERR(0);
}

/* ---------------------------------------------------------------- to and from the file system */
static bool has_acls(const struct inode *inode)
{
	return (inode->sb->flags & MS_POSIXACL) && !S_ISLNK(inode->mode) && inode->ops && inode->ops->getxattr && inode->ops->setxattr;
}

static u32 none_flag(bool is_default)
{
	return is_default ? INODE_NO_DEFAULT_ACL : INODE_NO_ACL;
}

static void remember_none(struct inode *inode, bool is_default, u64 version)
{
	spin_lock(&inode->lock);
	if (inode->version == version)
		store_relaxed(&inode->flags, inode->flags | none_flag(is_default));
	spin_unlock(&inode->lock);
}

/* *out, if there is a list (else NULL), is for kfree(). */
static kerr_t acl_get(struct inode *inode, bool is_default, struct acl **out)
{
	const char *name = is_default ? NAME_DEFAULT : NAME_ACCESS;
	ssize_t n;
	void *raw;
	kerr_t err;
	u64 version;

	*out = NULL;
	if ((load_relaxed(&inode->flags) & none_flag(is_default)) || !has_acls(inode))
		return KERR(0);
	spin_lock(&inode->lock);
	version = inode->version;
	spin_unlock(&inode->lock);
	n = inode->ops->getxattr(inode, name, NULL, 0);
	if (n == -ENODATA || n == -EOPNOTSUPP) {
		remember_none(inode, is_default, version);
		return KERR(0);
	}
	if (n < 0)
		return KERR(-(int)n);
	raw = kmalloc((size_t)n + 1, GFP_NOFS);
	if (!raw)
		return KERR(ENOMEM);
	n = inode->ops->getxattr(inode, name, raw, (size_t)n);
	err = n == -ENODATA ? KERR(0) : n < 0 ? KERR(-(int)n) : acl_parse(raw, (size_t)n, out);
	kfree(raw);
	if (!err && *out && !acl_sane(*out)) { /* from a damaged disk */
		kfree(*out);
		*out = NULL;
		err = KERR(EIO);
	}
	return err;
}

static kerr_t acl_store(struct inode *inode, bool is_default, const struct acl *a)
{
	const char *name = is_default ? NAME_DEFAULT : NAME_ACCESS;
	kerr_t err = inode->ops->setxattr(inode, name, a ? &a->version : NULL, a ? acl_bytes(a->n) : 0, 0);

	if (!a && kerr_code(err) == -ENODATA)
		err = KERR(0);
	spin_lock(&inode->lock);
	inode->version++;
	store_relaxed(&inode->flags, inode->flags & ~none_flag(is_default));
	spin_unlock(&inode->lock);
	return err;
}

/* ---------------------------------------------------------------- decisions */
static kerr_t verdict(u16 perm, unsigned want)
{
	return (perm & want) == want ? KERR(0) : KERR(EACCES);
}

static kerr_t acl_check(const struct inode *inode, struct acl *a, unsigned want)
{
	const struct cred *c = current_cred();
	const struct acl_entry *mask = acl_entry(a, ACL_MASK);
	u16 limit = mask ? mask->perm : (u16)RWX;
	bool in_some = false;

	for (unsigned i = 0; i < a->n; i++) {
		const struct acl_entry *e = &a->e[i];

		if (e->tag == ACL_USER_OBJ && c->fsuid == inode->uid)
			return verdict(e->perm, want);
		if (e->tag == ACL_USER && c->fsuid == e->id)
			return verdict(e->perm & limit, want);
		if ((e->tag == ACL_GROUP_OBJ && cred_in_group(c, inode->gid)) || (e->tag == ACL_GROUP && cred_in_group(c, e->id))) {
			in_some = true;
			if ((e->perm & want) == want)
				return verdict(e->perm & limit, want);
		}
		if (e->tag == ACL_OTHER && !in_some)
			return verdict(e->perm, want);
	}
	return KERR(EACCES);
}

kerr_t inode_acl_permission(struct inode *inode, unsigned mask)
{
	struct acl *a;
	kerr_t err = acl_get(inode, false, &a);

	if (err)
		return err;
	if (!a)
		return KERR(EAGAIN);
	err = acl_check(inode, a, mask & RWX);
	kfree(a);
	return err;
}

/* ---------------------------------------------------------------- changes */
static kerr_t set_access(struct inode *inode, struct acl *a)
{
	mode_t mode = inode->mode;
	kerr_t err;

	if (a)
		mode = (mode & ~0777u) | acl_mode(a);
	if (a && (mode & S_ISGID) && !cred_in_group(current_cred(), inode->gid) && !capable(CAP_FSETID))
		mode &= ~S_ISGID;
	/* A list that says no more than the mode is not kept. */
	err = acl_store(inode, false, a && a->n > 3 ? a : NULL);
	if (err)
		return err;
	inode->mode = mode;
	inode_touch(inode, ATTR_CTIME);
	return KERR(0);
}

kerr_t inode_acl_set(struct inode *inode, const char *name, const void *val, size_t size)
{
	bool is_default = !strcmp(name, NAME_DEFAULT);
	struct acl *a;
	kerr_t err;

	if (load_relaxed(&inode->flags) & (INODE_IMMUTABLE | INODE_APPEND))
		return KERR(EPERM);
	err = acl_parse(val, size, &a);
	if (err)
		return err;
	if (!has_acls(inode))
		err = KERR(EOPNOTSUPP);
	else if (is_default && !S_ISDIR(inode->mode))
		err = a ? KERR(EACCES) : KERR(0);
	else if (!inode_owner_or_capable(inode))
		err = KERR(EPERM);
	else if (a && !acl_sane(a))
		err = KERR(EINVAL);
	else
		err = is_default ? acl_store(inode, true, a) : set_access(inode, a);
	kfree(a);
	return err;
}

kerr_t inode_acl_chmod(struct inode *inode)
{
	struct acl *a;
	kerr_t err = acl_get(inode, false, &a);

	if (err || !a)
		return err;
	acl_set_mode(a, inode->mode);
	err = acl_store(inode, false, a);
	kfree(a);
	return err;
}

mode_t inode_acl_umask(struct inode *dir, mode_t mode)
{
	struct acl *a;
	kerr_t err = acl_get(dir, true, &a);

	if (err || !a)
		return mode_masked(mode);
	kfree(a);
	return mode;
}

kerr_t inode_acl_inherit(struct inode *dir, struct inode *inode)
{
	struct acl *a;
	kerr_t err;

	if (S_ISLNK(inode->mode))
		return KERR(0);
	err = acl_get(dir, true, &a);
	if (err || !a)
		return err;
	if (S_ISDIR(inode->mode))
		err = acl_store(inode, true, a);
	acl_set_mode(a, inode->mode & acl_mode(a));
	if (!err && a->n > 3)
		err = acl_store(inode, false, a);
	if (!err)
		inode->mode = (inode->mode & ~0777u) | acl_mode(a);
	kfree(a);
	return err;
}
