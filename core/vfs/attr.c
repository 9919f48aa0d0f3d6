/* SPDX-License-Identifier: MIT */
/*
 * Attributes of inodes: permission, times, owners, modes, sizes. Follows path_resolution(7), capabilities(7), chmod(2), chown(2),
 * utimensat(2), mount(2) (relatime).
 * Locking: permission reads the mode without a lock (one word); changes run under the inode's rwsem, times under inode.lock.
 */
#include "vfs_priv.h"

#include <maestro/acl.h>
#include <maestro/notify.h>

/* Neither owner nor group nor list allow it. */
static kerr_t permission_by_capability(const struct inode *inode, unsigned mask)
{
	const struct cred *c = current_cred();
	mode_t mode = inode->mode;

	if (S_ISDIR(mode)) {
		if (!(mask & MAY_WRITE) && cred_capable(c, CAP_DAC_READ_SEARCH))
			return 0;
		return cred_capable(c, CAP_DAC_OVERRIDE) ? KERR(0) : KERR(EACCES);
	}
	if (mask == MAY_READ && cred_capable(c, CAP_DAC_READ_SEARCH))
		return 0;
	if ((!(mask & MAY_EXEC) || (mode & 0111)) && cred_capable(c, CAP_DAC_OVERRIDE))
		return 0;
	return KERR(EACCES);
}

kerr_t permission_generic(struct inode *inode, unsigned mask)
{
	const struct cred *c = current_cred();
	mode_t mode = inode->mode, bits = mode;

	if (c->fsuid != inode->uid && inode_may_have_acl(inode)) {
		kerr_t err = inode_acl_permission(inode, mask);

		if (!err)
			return 0;
		if (kerr_code(err) != -EAGAIN && kerr_code(err) != -EACCES)
			return err;
		if (kerr_code(err) == -EACCES)
			return permission_by_capability(inode, mask);
	}
	if (c->fsuid == inode->uid)
		bits >>= 6;
	else if (((mode >> 3) ^ mode) & 7 && cred_in_group(c, inode->gid))
		bits >>= 3;
	return mask & ~bits & 7 ? permission_by_capability(inode, mask) : KERR(0);
}

kerr_t inode_permission(struct inode *inode, unsigned mask)
{
	if (mask & MAY_WRITE) {
		mode_t type = inode->mode & S_IFMT;

		if ((inode->sb->flags & MS_RDONLY) && (type == S_IFREG || type == S_IFDIR || type == S_IFLNK))
			return KERR(EROFS);
		if (load_relaxed(&inode->flags) & INODE_IMMUTABLE)
			return KERR(EPERM);
	}
	if (inode->ops && inode->ops->permission)
		return inode->ops->permission(inode, mask);
	return permission_generic(inode, mask);
}

bool inode_owner_or_capable(const struct inode *inode)
{
	return current_cred()->fsuid == inode->uid || capable(CAP_FOWNER);
}

/* ---------------------------------------------------------------- times */
static struct timespec64 time_now(const struct super *sb)
{
	struct timespec64 t = ktime_get_real_coarse_ts();

	if (sb->time_gran >= NSEC_PER_SEC)
		t.nsec = 0;
	else if (sb->time_gran > 1)
		t.nsec -= t.nsec % (s32)sb->time_gran;
	return t;
}

static struct timespec64 time_clamp(const struct super *sb, struct timespec64 t)
{
	if (sb->time_max > sb->time_min) {
		if (t.sec < sb->time_min)
			t = (struct timespec64) { sb->time_min, 0 };
		else if (t.sec > sb->time_max)
			t = (struct timespec64) { sb->time_max, 0 };
	}
	if (sb->time_gran >= NSEC_PER_SEC)
		t.nsec = 0;
	else if (sb->time_gran > 1)
		t.nsec -= t.nsec % (s32)sb->time_gran;
	return t;
}

static bool time_same(struct timespec64 a, struct timespec64 b)
{
	return a.sec == b.sec && a.nsec == b.nsec;
}

void inode_touch(struct inode *inode, u32 attr_times)
{
	struct timespec64 now = time_now(inode->sb);
	bool changed = false;

	spin_lock(&inode->lock);
	if ((attr_times & ATTR_ATIME) && !time_same(inode->atime, now))
		inode->atime = now, changed = true;
	if ((attr_times & ATTR_MTIME) && !time_same(inode->mtime, now))
		inode->mtime = now, changed = true;
	if ((attr_times & ATTR_CTIME) && !time_same(inode->ctime, now))
		inode->ctime = now, changed = true;
	spin_unlock(&inode->lock);
	if (changed)
		inode_mark_dirty(inode, DIRTY_SYNC);
}

static bool time_before_or_same(struct timespec64 a, struct timespec64 b)
{
	return a.sec != b.sec ? a.sec < b.sec : a.nsec <= b.nsec;
}

void file_accessed(struct file *f)
{
	struct inode *inode = f->inode;
	struct mount *mnt = f->path.mnt;
	u32 mflags = mnt->flags | inode->sb->flags;
	struct timespec64 now;

	if ((f->flags & O_NOATIME) || (load_relaxed(&inode->flags) & INODE_NOATIME) || (mflags & (MS_RDONLY | MS_NOATIME)))
		return;
	if ((mflags & MS_NODIRATIME) && S_ISDIR(inode->mode))
		return;
	now = time_now(inode->sb);
	/* relatime: when it is not newer than the last change, or a day old. */
	if ((mflags & MS_RELATIME) && !time_before_or_same(inode->atime, inode->mtime) &&
	    !time_before_or_same(inode->atime, inode->ctime) && now.sec - inode->atime.sec < 24 * 60 * 60)
		return;
	if (!time_same(inode->atime, now))
		inode_touch(inode, ATTR_ATIME);
}

/* ---------------------------------------------------------------- setattr */
kerr_t inode_setattr_simple(struct inode *inode, const struct attr *a)
{
	if (a->valid & ATTR_UID)
		inode->uid = a->uid;
	if (a->valid & ATTR_GID)
		inode->gid = a->gid;
	if (a->valid & ATTR_MODE) {
		mode_t mode = a->mode;

		if ((mode & S_ISGID) && !cred_in_group(current_cred(), inode->gid) && !capable(CAP_FSETID))
			mode &= ~S_ISGID;
		inode->mode = (inode->mode & S_IFMT) | (mode & S_IALLUGO);
	}
	spin_lock(&inode->lock);
	if (a->valid & ATTR_ATIME)
		inode->atime = time_clamp(inode->sb, a->atime);
	if (a->valid & ATTR_MTIME)
		inode->mtime = time_clamp(inode->sb, a->mtime);
	if (a->valid & ATTR_CTIME)
		inode->ctime = time_clamp(inode->sb, a->ctime);
	spin_unlock(&inode->lock);
	inode_mark_dirty(inode, DIRTY_SYNC);
	return 0;
}

kerr_t inode_setattr_locked(struct inode *inode, const struct attr *a)
{
	struct attr b = *a;
	struct timespec64 now = time_now(inode->sb);

	DEBUG_ASSERT(rwsem_is_held_write(&inode->rwsem));
	if (!(b.valid & ATTR_CTIME))
		b.ctime = now;
	if (!(b.valid & ATTR_ATIME_SET))
		b.atime = now;
	if (!(b.valid & ATTR_MTIME_SET))
		b.mtime = now;
	b.valid |= ATTR_CTIME;
	if (b.valid & (ATTR_KILL_SUID | ATTR_KILL_SGID)) {
		mode_t mode = b.valid & ATTR_MODE ? b.mode : inode->mode;

		if (b.valid & ATTR_KILL_SUID)
			mode &= ~S_ISUID;
		if (b.valid & ATTR_KILL_SGID)
			mode &= ~S_ISGID;
		if (mode != inode->mode || (b.valid & ATTR_MODE)) {
			b.mode = mode;
			b.valid |= ATTR_MODE;
		}
		b.valid &= ~(u32)(ATTR_KILL_SUID | ATTR_KILL_SGID);
	}
	if (b.valid & (ATTR_UID | ATTR_GID | ATTR_SIZE)) {
		kerr_t err = inode_drop_caps(inode);

		if (err)
			return err;
	}
	if (inode->ops && inode->ops->setattr)
		return inode->ops->setattr(inode, &b);
	if (b.valid & ATTR_SIZE)
		return KERR(EINVAL);
	return inode_setattr_simple(inode, &b);
}

/* Which set-id bits a write or chown takes away: set-gid without group execution stays, for members of the group. */
static u32 kill_bits(const struct inode *inode)
{
	u32 kill = 0;

	if (inode->mode & S_ISUID)
		kill |= ATTR_KILL_SUID;
	if ((inode->mode & S_ISGID) && ((inode->mode & 0010) || !(cred_in_group(current_cred(), inode->gid) || capable(CAP_FSETID))))
		kill |= ATTR_KILL_SGID;
	return kill;
}

u32 inode_privs_to_kill(const struct inode *inode)
{
	if (likely(!(inode->mode & (S_ISUID | S_ISGID))) || !S_ISREG(inode->mode) || capable(CAP_FSETID))
		return 0;
	return kill_bits(inode);
}

kerr_t inode_kill_privs(struct inode *inode)
{
	struct attr a = { .valid = inode_privs_to_kill(inode) };
	kerr_t err = inode_drop_caps(inode);

	return err || likely(!a.valid) ? err : inode_setattr_locked(inode, &a);
}

kerr_t inode_size_ok(const struct inode *inode, loff_t size)
{
	if (size > inode->sb->max_bytes)
		return KERR(EFBIG);
	if ((u64)size > rlimit_get(RLIMIT_FSIZE) && size > inode_size(inode)) {
		kerr_t unused = signal_send_task(current, SIGXFSZ, SIGINFO_KERNEL);

		(void)unused; /* a standard signal: pending already is enough */
		return KERR(EFBIG);
	}
	return 0;
}

static kerr_t setattr_check(struct inode *inode, struct attr *a)
{
	const struct cred *c = current_cred();

	if ((load_relaxed(&inode->flags) & (INODE_IMMUTABLE | INODE_APPEND)) &&
	    (a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME_SET | ATTR_MTIME_SET)))
		return KERR(EPERM);
	if ((load_relaxed(&inode->flags) & INODE_APPEND) && (a->valid & ATTR_SIZE))
		return KERR(EPERM);
	if (a->valid & ATTR_SIZE) {
		kerr_t err = inode_size_ok(inode, a->size);

		if (err)
			return err;
	}
	if ((a->valid & ATTR_UID) && !((c->fsuid == inode->uid && a->uid == inode->uid) || capable(CAP_CHOWN)))
		return KERR(EPERM);
	if ((a->valid & ATTR_GID) &&
	    !((c->fsuid == inode->uid && (a->gid == inode->gid || cred_in_group(c, a->gid))) || capable(CAP_CHOWN)))
		return KERR(EPERM);
	if (a->valid & ATTR_MODE) {
		gid_t gid = a->valid & ATTR_GID ? a->gid : inode->gid;

		if (!inode_owner_or_capable(inode))
			return KERR(EPERM);
		if ((a->mode & S_ISGID) && !cred_in_group(c, gid) && !capable(CAP_FSETID))
			a->mode &= ~S_ISGID;
	}
	if ((a->valid & (ATTR_ATIME_SET | ATTR_MTIME_SET)) && !inode_owner_or_capable(inode))
		return KERR(EPERM);
	return 0;
}

kerr_t vfs_setattr(const struct path *p, struct attr *a)
{
	struct inode *inode = p->dentry->inode;
	kerr_t err = path_want_write(p);

	if (err)
		return err;
	rwsem_write_lock(&inode->rwsem);
	if (a->valid & (ATTR_UID | ATTR_GID | ATTR_KILL_SUID)) /* chown asks even without a new owner: here is what there is to take away */
		a->valid = (a->valid & ~(u32)ATTR_KILL_SUID) | (S_ISDIR(inode->mode) ? 0 : kill_bits(inode));
	else if (a->valid & ATTR_SIZE)
		a->valid |= inode_privs_to_kill(inode);
	err = setattr_check(inode, a);
	if (!err)
		err = inode_setattr_locked(inode, a);
	if (!err && (a->valid & ATTR_MODE))
		err = inode_acl_chmod(inode);
	rwsem_write_unlock(&inode->rwsem);
	mount_drop_write(p->mnt);
	if (!err)
		notify_change(p->dentry, a->valid);
	return err;
}

kerr_t path_want_write(const struct path *p)
{
	return mount_want_write(p->mnt);
}

kerr_t vfs_truncate(const struct path *p, loff_t size)
{
	struct inode *inode = p->dentry->inode;
	struct attr a = { .valid = ATTR_SIZE | ATTR_MTIME, .size = size };
	kerr_t err;

	if (S_ISDIR(inode->mode))
		return KERR(EISDIR);
	if (!S_ISREG(inode->mode) || size < 0)
		return KERR(EINVAL);
	err = path_want_write(p);
	if (err)
		return err;
	err = inode_permission(inode, MAY_WRITE);
	if (!err && (load_relaxed(&inode->flags) & INODE_APPEND))
		err = KERR(EPERM);
	if (!err)
		err = inode_write_get(inode);
	if (!err) {
		err = lease_break(inode, true, false);
		if (err)
			inode_write_put(inode);
	}
	if (!err) {
		rwsem_write_lock(&inode->rwsem);
		err = setattr_check(inode, &a);
		a.valid |= inode_privs_to_kill(inode);
		if (!err)
			err = inode_setattr_locked(inode, &a);
		rwsem_write_unlock(&inode->rwsem);
		inode_write_put(inode);
	}
	mount_drop_write(p->mnt);
	if (!err)
		notify_dentry(p->dentry, IN_MODIFY);
	return err;
}

/* ---------------------------------------------------------------- getattr */
void path_getattr(struct inode *inode, struct kstat *out)
{
	struct super *sb = inode->sb;

	out->dev = sb->dev;
	out->ino = inode->ino;
	out->mode = inode->mode;
	out->nlink = inode->nlink;
	out->uid = inode->uid;
	out->gid = inode->gid;
	out->rdev = inode->rdev;
	out->blksize = sb->blocksize ? sb->blocksize : PAGE_SIZE;
	spin_lock(&inode->lock);
	out->size = inode->size;
	out->blocks = inode->blocks;
	out->atime = inode->atime;
	out->mtime = inode->mtime;
	out->ctime = inode->ctime;
	out->btime = inode->btime;
	spin_unlock(&inode->lock);
	out->has_btime = out->btime.sec != 0;
	out->attributes = 0;
	out->attributes_mask = 0;
}

kerr_t vfs_getattr(const struct path *p, struct kstat *out)
{
	struct inode *inode = p->dentry->inode;

	if (unlikely(!inode))
		return KERR(ENOENT);
	path_getattr(inode, out);
	out->mnt_id = (u64)p->mnt->id;
	if (inode->ops && inode->ops->getattr)
		return inode->ops->getattr(inode, out);
	return 0;
}
