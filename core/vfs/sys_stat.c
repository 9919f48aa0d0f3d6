/* SPDX-License-Identifier: MIT */
/* stat(2), statx(2), statfs(2), access(2). */
#include "vfs_priv.h"

#include <abi/fs.h>
#include <abi/stat.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

kerr_t do_fstat(int fd, struct kstat *out)
{
	struct fd f = fd_get_light(fd);
	kerr_t err;

	if (!f.file) { /* O_PATH may */
		f.file = fd_get_any(fd);
		f.ref = true;
		if (!f.file)
			return KERR(EBADF);
	}
	err = vfs_getattr(&f.file->path, out);
	fd_put_light(f);
	return err;
}

static bool empty_name(const char __user *name)
{
	char c = 1;

	return !copy_from_user(&c, name, 1) && !c;
}

kerr_t do_stat_path(int dirfd, const char __user *name, unsigned at_flags, struct kstat *out)
{
	unsigned lookup = at_flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	kerr_t err;

	if (at_flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | 0x6000))
		return KERR(EINVAL);
	if (at_flags & AT_EMPTY_PATH) {
		if (dirfd >= 0 && empty_name(name))
			return do_fstat(dirfd, out);
		lookup |= LOOKUP_EMPTY;
	}
	err = user_path(dirfd, name, lookup, &p);
	if (err)
		return err;
	err = vfs_getattr(&p, out);
	path_put(&p);
	return err;
}

static long stat_out(const struct kstat *k, void __user *out)
{
	struct abi_stat st;

	memset(&st, 0, sizeof(st));
	st.dev = dev_encode(k->dev);
	st.ino = (__typeof__(st.ino))k->ino;
	st.mode = (__typeof__(st.mode))k->mode;
	st.nlink = (__typeof__(st.nlink))k->nlink;
	st.uid = (__typeof__(st.uid))k->uid;
	st.gid = (__typeof__(st.gid))k->gid;
	st.rdev = dev_encode(k->rdev);
	st.size = (__typeof__(st.size))k->size;
	st.blksize = k->blksize;
	st.blocks = (__typeof__(st.blocks))k->blocks;
	st.atime = (__typeof__(st.atime))k->atime.sec;
	st.atime_nsec = (__typeof__(st.atime_nsec))k->atime.nsec;
	st.mtime = (__typeof__(st.mtime))k->mtime.sec;
	st.mtime_nsec = (__typeof__(st.mtime_nsec))k->mtime.nsec;
	st.ctime = (__typeof__(st.ctime))k->ctime.sec;
	st.ctime_nsec = (__typeof__(st.ctime_nsec))k->ctime.nsec;
	if (ABI_STAT_NARROW && ((u64)st.ino != k->ino || k->size > S32_MAX || st.nlink != k->nlink))
		return -EOVERFLOW;
	return kerr_code(copy_out((struct abi_stat __user *)out, &st));
}

long sys_newfstatat(int dirfd, const char __user *name, void __user *out, int flags)
{
	struct kstat k;
	kerr_t err = do_stat_path(dirfd, name, (u32)flags, &k);

	return err ? kerr_code(err) : stat_out(&k, out);
}

long sys_newstat(const char __user *name, void __user *out)
{
	return sys_newfstatat(AT_FDCWD, name, out, 0);
}

long sys_newlstat(const char __user *name, void __user *out)
{
	return sys_newfstatat(AT_FDCWD, name, out, AT_SYMLINK_NOFOLLOW);
}

long sys_newfstat(int fd, void __user *out)
{
	struct kstat k;
	kerr_t err = do_fstat(fd, &k);

	return err ? kerr_code(err) : stat_out(&k, out);
}

#define STATX_BASIC 0x7ffu
#define STATX_BTIME 0x800u
#define STATX_MNT_ID 0x1000u
#define STATX_RESERVED 0x80000000u
#define AT_STATX_BOTH 0x6000u

static struct abi_statx_time statx_time(struct timespec64 t)
{
	return (struct abi_statx_time) { t.sec, (u32)t.nsec, 0 };
}

long sys_statx(int dirfd, const char __user *name, unsigned flags, unsigned mask, void __user *out)
{
	struct abi_statx x;
	struct kstat k;
	kerr_t err;

	if ((mask & STATX_RESERVED) || (flags & AT_STATX_BOTH) == AT_STATX_BOTH)
		return -EINVAL;
	err = do_stat_path(dirfd, name, flags, &k);
	if (err)
		return kerr_code(err);
	memset(&x, 0, sizeof(x));
	x.mask = STATX_BASIC | STATX_MNT_ID | (k.has_btime ? STATX_BTIME : 0);
	x.blksize = k.blksize;
	x.attributes = k.attributes;
	x.attributes_mask = k.attributes_mask;
	x.nlink = k.nlink;
	x.uid = k.uid;
	x.gid = k.gid;
	x.mode = (u16)k.mode;
	x.ino = k.ino;
	x.size = (u64)k.size;
	x.blocks = k.blocks;
	x.atime = statx_time(k.atime);
	if (k.has_btime)
		x.btime = statx_time(k.btime);
	x.ctime = statx_time(k.ctime);
	x.mtime = statx_time(k.mtime);
	x.rdev_major = DEV_MAJOR(k.rdev);
	x.rdev_minor = DEV_MINOR(k.rdev);
	x.dev_major = DEV_MAJOR(k.dev);
	x.dev_minor = DEV_MINOR(k.dev);
	x.mnt_id = k.mnt_id;
	return kerr_code(copy_out((struct abi_statx __user *)out, &x));
}

/* ---------------------------------------------------------------- statfs */
static u64 statfs_flags(const struct mount *m)
{
	u32 f = m->flags | (m->sb->flags & (MS_RDONLY | MS_SYNCHRONOUS | MS_MANDLOCK));
	u64 out = 0x20; /* ST_VALID */

	out |= f & (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_SYNCHRONOUS | MS_MANDLOCK);
	out |= f & (MS_NOATIME | MS_NODIRATIME);
	if (f & MS_RELATIME)
		out |= 4096;
	if (f & MS_NOSYMFOLLOW)
		out |= 8192;
	return out;
}

kerr_t do_statfs_path(const char __user *name, struct kstatfs *k)
{
	struct path p;
	kerr_t err = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = vfs_statfs(p.mnt->sb, k);
	k->flags = statfs_flags(p.mnt);
	path_put(&p);
	return err;
}

kerr_t do_statfs_fd(int fd, struct kstatfs *k)
{
	struct file *f = fd_get_any(fd);
	kerr_t err;

	if (!f)
		return KERR(EBADF);
	err = vfs_statfs(f->path.mnt->sb, k);
	k->flags = statfs_flags(f->path.mnt);
	file_put(f);
	return err;
}

static long statfs_out(const struct kstatfs *k, void __user *out)
{
	struct abi_statfs s;

	memset(&s, 0, sizeof(s));
	if ((k->blocks | k->bfree | k->bavail) > ABI_STATFS_MAX)
		return -EOVERFLOW;
	/* "All of them" in files is passed on as such. */
	if ((k->files != U64_MAX && k->files > ABI_STATFS_MAX) || (k->ffree != U64_MAX && k->ffree > ABI_STATFS_MAX))
		return -EOVERFLOW;
	FILL_STATFS(s, *k);
	return kerr_code(copy_out((struct abi_statfs __user *)out, &s));
}

long sys_statfs(const char __user *name, void __user *out)
{
	struct kstatfs k;
	kerr_t err = do_statfs_path(name, &k);

	return err ? kerr_code(err) : statfs_out(&k, out);
}

long sys_fstatfs(int fd, void __user *out)
{
	struct kstatfs k;
	kerr_t err = do_statfs_fd(fd, &k);

	return err ? kerr_code(err) : statfs_out(&k, out);
}

/* ---------------------------------------------------------------- access */
static kerr_t access_check(const struct path *p, unsigned mode)
{
	struct inode *inode = p->dentry->inode;
	kerr_t err;

	if ((mode & MAY_EXEC) && S_ISREG(inode->mode) && ((p->mnt->flags | inode->sb->flags) & MS_NOEXEC))
		return KERR(EACCES);
	err = inode_permission(inode, mode);
	if (err || !(mode & MAY_WRITE))
		return err;
	if (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || S_ISLNK(inode->mode))
		return p->mnt->flags & MS_RDONLY ? KERR(EROFS) : KERR(0);
	return 0;
}

/* With the real ids in place of the effective ones, and root's powers only for a real root. */
static kerr_t real_cred(struct cred **out)
{
	kerr_t err = cred_prepare(out);
	struct cred *c = *out;

	if (err)
		return err;
	c->fsuid = c->uid;
	c->fsgid = c->gid;
	if (c->uid)
		c->cap_effective = 0;
	else
		c->cap_effective = c->cap_permitted;
	return 0;
}

static long do_access(int dirfd, const char __user *name, int mode, unsigned flags)
{
	const struct cred *saved = current->cred;
	struct cred *real = NULL;
	struct path p;
	unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	kerr_t err = 0;

	if ((mode & ~7) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	if (!(flags & AT_EACCESS) && saved && (saved->fsuid != saved->uid || saved->fsgid != saved->gid ||
					       (saved->uid ? saved->cap_effective != 0 : saved->cap_effective != saved->cap_permitted))) {
		err = real_cred(&real);
		if (err)
			return kerr_code(err);
		current->cred = real; /* only for the walk; it cannot be seen to be wrong from outside */
	}
	err = user_path(dirfd, name, lookup, &p);
	if (!err) {
		err = access_check(&p, (unsigned)mode);
		path_put(&p);
	}
	if (real) {
		current->cred = saved;
		cred_abort(real);
	}
	return kerr_code(err);
}

long sys_faccessat2(int dirfd, const char __user *name, int mode, int flags)
{
	return do_access(dirfd, name, mode, (u32)flags);
}

long sys_faccessat(int dirfd, const char __user *name, int mode)
{
	return do_access(dirfd, name, mode, 0);
}

long sys_access(const char __user *name, int mode)
{
	return do_access(AT_FDCWD, name, mode, 0);
}

/* ---------------------------------------------------------------- ustat */
struct ustat_user { /* struct ustat of ustat(2) */
	s32 tfree;
	unsigned long tinode;
	char names[12];
};

struct ustat_search {
	dev_t dev;
	struct super *sb;
};

/* Found: one more reference, since sb is only held meanwhile. */
static void ustat_match(struct super *sb, void *arg)
{
	struct ustat_search *s = arg;

	if (!s->sb && sb->dev == s->dev) {
		atomic_inc(&sb->active);
		s->sb = sb;
	}
}

long sys_ustat(unsigned dev, void __user *buf)
{
	struct ustat_search s = { .dev = dev_decode(dev) };
	struct ustat_user u;
	struct kstatfs k;
	kerr_t err;

	super_for_each(ustat_match, &s);
	if (!s.sb)
		return -EINVAL;
	err = vfs_statfs(s.sb, &k);
	super_put(s.sb);
	if (err)
		return kerr_code(err);
	memset(&u, 0, sizeof(u));
	u.tfree = (s32)k.bfree;
	u.tinode = (unsigned long)k.ffree;
	return copy_to_user(buf, &u, sizeof(u)) ? -EFAULT : 0;
}
