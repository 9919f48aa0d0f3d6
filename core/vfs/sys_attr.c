/* SPDX-License-Identifier: MIT */
/* chmod(2), chown(2), utimensat(2), setxattr(2) and their forms. */
#include "vfs_priv.h"

#include <maestro/time_user.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

/* ---------------------------------------------------------------- mode */
static kerr_t set_mode(const struct path *p, mode_t mode)
{
	struct attr a = { .valid = ATTR_MODE, .mode = mode & S_IALLUGO };

	if (S_ISLNK(p->dentry->inode->mode))
		return KERR(EOPNOTSUPP);
	return vfs_setattr(p, &a);
}

long sys_fchmodat(int dirfd, const char __user *name, mode_t mode)
{
	struct path p;
	kerr_t err = user_path(dirfd, name, LOOKUP_FOLLOW, &p);

	if (err)
		return kerr_code(err);
	err = set_mode(&p, mode);
	path_put(&p);
	return kerr_code(err);
}

long sys_chmod(const char __user *name, mode_t mode)
{
	return sys_fchmodat(AT_FDCWD, name, mode);
}

long sys_fchmod(int fd, mode_t mode)
{
	struct file *f = fd_get(fd);
	kerr_t err;

	if (!f)
		return -EBADF;
	err = set_mode(&f->path, mode);
	file_put(f);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- owner */
/* What chown(2) changes: set-id bits go even if nobody new becomes the owner. */
static void owner_attr(struct attr *a, uid_t uid, gid_t gid)
{
	*a = (struct attr){ .valid = ATTR_CTIME | ATTR_KILL_SUID, .uid = uid, .gid = gid, .ctime = ktime_get_real_coarse_ts() };
	if (uid != (uid_t)-1)
		a->valid |= ATTR_UID;
	if (gid != (gid_t)-1)
		a->valid |= ATTR_GID;
}

long sys_fchownat(int dirfd, const char __user *name, uid_t uid, gid_t gid, int flags)
{
	unsigned lookup = (u32)flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	struct attr a;
	kerr_t err;

	if ((u32)flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((u32)flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path(dirfd, name, lookup, &p);
	if (err)
		return kerr_code(err);
	owner_attr(&a, uid, gid);
	err = vfs_setattr(&p, &a);
	path_put(&p);
	return kerr_code(err);
}

long sys_chown(const char __user *name, uid_t uid, gid_t gid)
{
	return sys_fchownat(AT_FDCWD, name, uid, gid, 0);
}

long sys_lchown(const char __user *name, uid_t uid, gid_t gid)
{
	return sys_fchownat(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

long sys_fchown(int fd, uid_t uid, gid_t gid)
{
	struct file *f = fd_get(fd);
	struct attr a;
	kerr_t err;

	if (!f)
		return -EBADF;
	owner_attr(&a, uid, gid);
	err = vfs_setattr(&f->path, &a);
	file_put(f);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- times */
#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe

static kerr_t set_times(const struct path *p, const struct timespec64 *ts)
{
	struct inode *inode = p->dentry->inode;
	struct attr a = { .valid = ATTR_ATIME | ATTR_MTIME };
	bool now = !ts || (ts[0].nsec == UTIME_NOW && ts[1].nsec == UTIME_NOW);

	if (!now) {
		if (ts[0].nsec == UTIME_OMIT)
			a.valid &= ~(u32)ATTR_ATIME;
		else if (ts[0].nsec != UTIME_NOW)
			a.valid |= ATTR_ATIME_SET;
		if (ts[1].nsec == UTIME_OMIT)
			a.valid &= ~(u32)ATTR_MTIME;
		else if (ts[1].nsec != UTIME_NOW)
			a.valid |= ATTR_MTIME_SET;
		a.atime = ts[0];
		a.mtime = ts[1];
		if (!(a.valid & (ATTR_ATIME | ATTR_MTIME)))
			return 0;
		/* One given and one "now" needs an owner too. */
		if (!inode_owner_or_capable(inode))
			return KERR(EPERM);
	} else {
		if (load_relaxed(&inode->flags) & INODE_IMMUTABLE)
			return KERR(EPERM);
		/* To touch, writing it is enough. */
		if (!inode_owner_or_capable(inode)) {
			kerr_t err = inode_permission(inode, MAY_WRITE);

			if (err)
				return err;
		}
	}
	return vfs_setattr(p, &a);
}

static bool nsec_valid(s32 n)
{
	return n == UTIME_NOW || n == UTIME_OMIT || (n >= 0 && n < NSEC_PER_SEC);
}

kerr_t do_utimes(int dirfd, const char __user *name, const struct timespec64 *ts, unsigned flags)
{
	unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path p;
	struct file *f;
	kerr_t err;

	if (ts && (!nsec_valid(ts[0].nsec) || !nsec_valid(ts[1].nsec)))
		return KERR(EINVAL);
	if (!name && dirfd != AT_FDCWD) {
		if (flags)
			return KERR(EINVAL);
		f = fd_get(dirfd);
		if (!f)
			return KERR(EBADF);
		err = set_times(&f->path, ts);
		file_put(f);
		return err;
	}
	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return KERR(EINVAL);
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path(dirfd, name, lookup, &p);
	if (err)
		return err;
	err = set_times(&p, ts);
	path_put(&p);
	return err;
}

static bool both_omitted(const struct timespec64 *ts)
{
	return ts[0].nsec == UTIME_OMIT && ts[1].nsec == UTIME_OMIT;
}

static long utimensat(int dirfd, const char __user *name, const void __user *times, int flags, bool time64)
{
	struct timespec64 ts[2];

	if (!times)
		return kerr_code(do_utimes(dirfd, name, NULL, (u32)flags));
	if (get_timespec_pair(ts, times, time64))
		return -EFAULT;
	return both_omitted(ts) ? 0 : kerr_code(do_utimes(dirfd, name, ts, (u32)flags));
}

long sys_utimensat(int dirfd, const char __user *name, const void __user *times, int flags)
{
	return utimensat(dirfd, name, times, flags, false);
}

long sys_utimensat_time64(int dirfd, const char __user *name, const void __user *times, int flags)
{
	return utimensat(dirfd, name, times, flags, true);
}

long sys_futimesat(int dirfd, const char __user *name, const void __user *times)
{
	struct abi_timeval n[2];
	struct timespec64 ts[2];

	if (!times)
		return kerr_code(do_utimes(dirfd, name, NULL, 0));
	if (copy_from_user(n, times, sizeof(n)))
		return -EFAULT;
	for (int i = 0; i < 2; i++) {
		if (n[i].usec < 0 || n[i].usec >= 1000000)
			return -EINVAL;
		ts[i] = (struct timespec64) { n[i].sec, (s32)n[i].usec * 1000 };
	}
	return kerr_code(do_utimes(dirfd, name, ts, 0));
}

long sys_utimes(const char __user *name, const void __user *times)
{
	return sys_futimesat(AT_FDCWD, name, times);
}

long sys_utime(const char __user *name, const void __user *times)
{
	struct timespec64 ts[2];
	long n[2];

	if (!times)
		return kerr_code(do_utimes(AT_FDCWD, name, NULL, 0));
	if (copy_from_user(n, times, sizeof(n)))
		return -EFAULT;
	ts[0] = (struct timespec64) { n[0], 0 };
	ts[1] = (struct timespec64) { n[1], 0 };
	return kerr_code(do_utimes(AT_FDCWD, name, ts, 0));
}

/* ---------------------------------------------------------------- extended attributes */
#define XATTR_NAME_MAX 255
#define XATTR_SIZE_MAX 65536
#define XATTR_LIST_MAX 65536

#define BY_PATH (-2) /* no descriptor: the name counts, NULL too */

/* The object of a call: a path or a descriptor; references in *p. */
static kerr_t object(const char __user *name, int fd, unsigned lookup, struct path *p)
{
	struct file *f;

	if (fd == BY_PATH)
		return user_path(AT_FDCWD, name, lookup, p);
	f = fd_get(fd);
	if (!f)
		return KERR(EBADF);
	*p = f->path;
	path_get(p);
	file_put(f);
	return 0;
}

static kerr_t attr_name(const char __user *user, char *buf)
{
	kerr_t err = copy_string_from_user(buf, user, XATTR_NAME_MAX + 1);

	if (kerr_is(err, ENAMETOOLONG) || (!err && !*buf))
		return KERR(ERANGE);
	return err;
}

static long xattr_set(const char __user *name, int fd, unsigned lookup, const char __user *uattr, const void __user *uval, size_t size, int flags)
{
	char attr[XATTR_NAME_MAX + 1];
	struct path p;
	void *val = NULL;
	kerr_t err;

	if (flags & ~3)
		return -EINVAL;
	err = attr_name(uattr, attr);
	if (err)
		return kerr_code(err);
	if (size > XATTR_SIZE_MAX)
		return -E2BIG;
	val = kmalloc(size ? size : 1, GFP_KERNEL);
	if (!val)
		return -ENOMEM;
	err = size ? copy_from_user(val, uval, size) : KERR(0);
	if (!err)
		err = object(name, fd, lookup, &p);
	if (!err) {
		err = vfs_setxattr(&p, attr, val, size, flags);
		path_put(&p);
	}
	kfree(val);
	return kerr_code(err);
}

static long xattr_get(const char __user *name, int fd, unsigned lookup, const char __user *uattr, void __user *out, size_t size)
{
	char attr[XATTR_NAME_MAX + 1];
	struct path p;
	void *val = NULL;
	ssize_t n;
	kerr_t err = attr_name(uattr, attr);

	if (err)
		return kerr_code(err);
	size = MIN(size, (size_t)XATTR_SIZE_MAX);
	if (size) {
		val = kmalloc(size, GFP_KERNEL);
		if (!val)
			return -ENOMEM;
	}
	err = object(name, fd, lookup, &p);
	n = kerr_code(err);
	if (!err) {
		n = vfs_getxattr(&p, attr, val, size);
		path_put(&p);
	}
	if (n > 0 && size && copy_to_user(out, val, (size_t)n))
		n = -EFAULT;
	kfree(val);
	return n;
}

static long xattr_list(const char __user *name, int fd, unsigned lookup, void __user *out, size_t size)
{
	struct path p;
	char *list = NULL;
	ssize_t n;
	kerr_t err;

	size = MIN(size, (size_t)XATTR_LIST_MAX);
	if (size) {
		list = kmalloc(size, GFP_KERNEL);
		if (!list)
			return -ENOMEM;
	}
	err = object(name, fd, lookup, &p);
	n = kerr_code(err);
	if (!err) {
		n = vfs_listxattr(&p, list, size);
		path_put(&p);
	}
	if (n > 0 && size && copy_to_user(out, list, (size_t)n))
		n = -EFAULT;
	kfree(list);
	return n;
}

static long xattr_remove(const char __user *name, int fd, unsigned lookup, const char __user *uattr)
{
	char attr[XATTR_NAME_MAX + 1];
	struct path p;
	kerr_t err = attr_name(uattr, attr);

	if (!err)
		err = object(name, fd, lookup, &p);
	if (err)
		return kerr_code(err);
	err = vfs_setxattr(&p, attr, NULL, 0, 0);
	path_put(&p);
	return kerr_code(err);
}

long sys_setxattr(const char __user *name, const char __user *attr, const void __user *val, size_t size, int flags)
{
	return xattr_set(name, BY_PATH, LOOKUP_FOLLOW, attr, val, size, flags);
}

long sys_lsetxattr(const char __user *name, const char __user *attr, const void __user *val, size_t size, int flags)
{
	return xattr_set(name, BY_PATH, 0, attr, val, size, flags);
}

long sys_fsetxattr(int fd, const char __user *attr, const void __user *val, size_t size, int flags)
{
	return xattr_set(NULL, MAX(fd, -1), 0, attr, val, size, flags);
}

long sys_getxattr(const char __user *name, const char __user *attr, void __user *val, size_t size)
{
	return xattr_get(name, BY_PATH, LOOKUP_FOLLOW, attr, val, size);
}

long sys_lgetxattr(const char __user *name, const char __user *attr, void __user *val, size_t size)
{
	return xattr_get(name, BY_PATH, 0, attr, val, size);
}

long sys_fgetxattr(int fd, const char __user *attr, void __user *val, size_t size)
{
	return xattr_get(NULL, MAX(fd, -1), 0, attr, val, size);
}

long sys_listxattr(const char __user *name, void __user *list, size_t size)
{
	return xattr_list(name, BY_PATH, LOOKUP_FOLLOW, list, size);
}

long sys_llistxattr(const char __user *name, void __user *list, size_t size)
{
	return xattr_list(name, BY_PATH, 0, list, size);
}

long sys_flistxattr(int fd, void __user *list, size_t size)
{
	return xattr_list(NULL, MAX(fd, -1), 0, list, size);
}

long sys_removexattr(const char __user *name, const char __user *attr)
{
	return xattr_remove(name, BY_PATH, LOOKUP_FOLLOW, attr);
}

long sys_lremovexattr(const char __user *name, const char __user *attr)
{
	return xattr_remove(name, BY_PATH, 0, attr);
}

long sys_fremovexattr(int fd, const char __user *attr)
{
	return xattr_remove(NULL, MAX(fd, -1), 0, attr);
}
