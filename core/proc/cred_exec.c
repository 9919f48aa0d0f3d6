/* SPDX-License-Identifier: MIT */
/*
 * Credentials across execve(2): set-id files, file capabilities (the attribute security.capability, versions 2 and 3), root's, ambient ones, and what
 * is taken back from a program that somebody else has a hand on (capabilities(7), "Transformation of capabilities during execve()").
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/vfs.h>

#include "exec_priv.h"
#include "proc_priv.h"

#define XATTR_CAPS "security.capability"
#define VFS_CAP_REVISION 0xff000000u
#define VFS_CAP_V2 0x02000000u
#define VFS_CAP_V3 0x03000000u
#define VFS_CAP_EFFECTIVE 1u

/* As on disk, little-endian; version 2 ends before rootid. */
struct vfs_cap {
	u32 magic;
	struct {
		u32 permitted, inheritable;
	} data[2];
	u32 rootid;
};
#define VFS_CAP_V2_SIZE 20
#define VFS_CAP_V3_SIZE 24
STATIC_ASSERT(sizeof(struct vfs_cap) == VFS_CAP_V3_SIZE && offsetof(struct vfs_cap, rootid) == VFS_CAP_V2_SIZE);

struct file_caps {
	bool present, effective;
	cap_t permitted, inheritable;
};

static bool fits(const void *attr, size_t size)
{
	const struct vfs_cap *v = attr;
	u32 version;

	if (size < sizeof(v->magic))
		return false;
	version = v->magic & VFS_CAP_REVISION;
	return (version == VFS_CAP_V2 && size == VFS_CAP_V2_SIZE) || (version == VFS_CAP_V3 && size == VFS_CAP_V3_SIZE);
}

kerr_t file_caps_check(const void *attr, size_t size)
{
	if (!fits(attr, size))
		return KERR(EINVAL);
	return capable(CAP_SETFCAP) ? KERR(0) : KERR(EPERM);
}

/* KERR(EINVAL): the attribute is none that we know. */
static kerr_t read_caps(const struct path *p, struct file_caps *out)
{
	struct inode *inode = p->dentry->inode;
	struct vfs_cap v = { 0 };
	ssize_t n;

	*out = (struct file_caps){ 0 };
	if (!inode->ops || !inode->ops->getxattr)
		return KERR(0);
	n = inode->ops->getxattr(inode, XATTR_CAPS, &v, sizeof(v));
	if (n < 0) /* there is none, or the file system has none */
		return KERR(0);
	if (!fits(&v, (size_t)n))
		return KERR(EINVAL);
	if (v.rootid) /* of another user namespace */
		return KERR(0);
	out->present = true;
	out->effective = v.magic & VFS_CAP_EFFECTIVE;
	out->permitted = (v.data[0].permitted | (cap_t)v.data[1].permitted << 32) & CAP_FULL;
	out->inheritable = (v.data[0].inheritable | (cap_t)v.data[1].inheritable << 32) & CAP_FULL;
	return KERR(0);
}

/* A tracer without privilege would have what the program gains. */
static bool traced_by_less(void)
{
	unsigned long flags;
	bool less;

	if (likely(!hal_current()->ptracer))
		return false;
	flags = tasklist_lock();
	less = hal_current()->ptracer && !cred_capable(hal_current()->ptracer->cred, CAP_SYS_PTRACE);
	tasklist_unlock(flags);
	return less;
}

static void set_ids(struct cred *c, const struct inode *i)
{
	if (i->mode & S_ISUID)
		c->euid = i->uid;
	if ((i->mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
		c->egid = i->gid;
}

static bool is_set_id(const struct cred *c)
{
	return c->euid != c->uid || c->egid != c->gid;
}

/* Root's files have all capabilities; not so if a set-user-ID-root file says itself what it needs. */
static void add_roots(struct cred *c, const struct file_caps *f, bool *effective)
{
	if ((c->securebits & SECURE_NOROOT) || (c->euid != 0 && c->uid != 0))
		return;
	if (f->present && c->euid == 0 && c->uid != 0)
		return;
	c->cap_permitted = c->cap_bounding | c->cap_inheritable;
	*effective |= c->euid == 0;
}

/* Nothing more than before for a program that another looks into, or that gave up getting more. */
static void take_back(struct cred *c, const struct cred *old)
{
	bool gained = c->cap_permitted & ~old->cap_permitted, none = load_relaxed(&hal_current()->no_new_privs);

	if ((!is_set_id(c) && !gained) || !(none || traced_by_less()))
		return;
	if (!cred_capable(old, CAP_SETUID) || none) {
		c->euid = c->uid;
		c->egid = c->gid;
	}
	c->cap_permitted &= old->cap_permitted;
}

kerr_t cred_exec(struct cred *c, const struct path *file, bool *secure)
{
	bool nosuid = (file->mnt->flags | file->mnt->sb->flags) & MS_NOSUID, effective;
	const struct cred *old = current_cred();
	struct file_caps f = { 0 };
	kerr_t err = KERR(0);

	if (!nosuid && !load_relaxed(&hal_current()->no_new_privs))
		set_ids(c, file->dentry->inode);
	if (!nosuid)
		err = read_caps(file, &f);
	if (err)
		return KERR(EPERM);
	effective = f.effective;
	c->cap_permitted = (f.permitted & c->cap_bounding) | (f.inheritable & c->cap_inheritable);
	if (f.effective && (f.permitted & ~c->cap_permitted))
		return KERR(EPERM); /* a file that counts on what it cannot get */
	add_roots(c, &f, &effective);
	take_back(c, old);
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	if (f.present || is_set_id(c))
		c->cap_ambient = 0;
	c->cap_permitted |= c->cap_ambient;
	c->cap_effective = effective ? c->cap_permitted : c->cap_ambient;
	c->securebits &= ~SECURE_KEEP_CAPS;
	*secure = is_set_id(c) || (c->uid != 0 && (effective || (c->cap_permitted & ~c->cap_ambient)));
	return KERR(0);
}
