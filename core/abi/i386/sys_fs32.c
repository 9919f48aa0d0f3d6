/* SPDX-License-Identifier: MIT */
/* File calls that only i386 has: the first stat, stat64, fcntl64, truncate64, statfs64, the select with its arguments in memory, readdir. */
#include "../../vfs/vfs_priv.h"

#include <abi/fs.h>
#include <abi/i386.h>
#include <abi/stat.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#else
long sys_select(int n, void __user *in, void __user *out, void __user *ex, void __user *timeout);
long sys_chown(const char __user *name, uid_t uid, gid_t gid);
long sys_lchown(const char __user *name, uid_t uid, gid_t gid);
long sys_fchown(int fd, uid_t uid, gid_t gid);
#endif

/* ---------------------------------------------------------------- stat */
static long old_stat_out(const struct kstat *k, void __user *out)
{
	struct abi_old_stat st = {
		.dev = (u16)(DEV_MAJOR(k->dev) << 8 | (DEV_MINOR(k->dev) & 0xff)),
		.ino = (u16)k->ino,
		.mode = (u16)k->mode,
		.nlink = (u16)k->nlink,
		.uid = k->uid > 0xffff ? 65534 : (u16)k->uid,
		.gid = k->gid > 0xffff ? 65534 : (u16)k->gid,
		.rdev = (u16)(DEV_MAJOR(k->rdev) << 8 | (DEV_MINOR(k->rdev) & 0xff)),
		.size = (u32)k->size,
		.atime = (u32)k->atime.sec,
		.mtime = (u32)k->mtime.sec,
		.ctime = (u32)k->ctime.sec,
	};

	if (st.ino != k->ino || st.nlink != k->nlink || k->size > S32_MAX)
		return -EOVERFLOW;
	return kerr_code(copy_out((struct abi_old_stat __user *)out, &st));
}

long sys_old_stat(const char __user *name, void __user *out)
{
	struct kstat k;
	kerr_t err = do_stat_path(AT_FDCWD, name, 0, &k);

	return err ? kerr_code(err) : old_stat_out(&k, out);
}

long sys_old_lstat(const char __user *name, void __user *out)
{
	struct kstat k;
	kerr_t err = do_stat_path(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &k);

	return err ? kerr_code(err) : old_stat_out(&k, out);
}

long sys_old_fstat(int fd, void __user *out)
{
	struct kstat k;
	kerr_t err = do_fstat(fd, &k);

	return err ? kerr_code(err) : old_stat_out(&k, out);
}

static long stat64_out(const struct kstat *k, void __user *out)
{
	struct abi_stat64 st = {
		.dev = dev_encode(k->dev),
		.ino32 = (u32)k->ino,
		.mode = k->mode,
		.nlink = k->nlink,
		.uid = k->uid,
		.gid = k->gid,
		.rdev = dev_encode(k->rdev),
		.size = k->size,
		.blksize = k->blksize,
		.blocks = k->blocks,
		.atime = (u32)k->atime.sec,
		.atime_nsec = (u32)k->atime.nsec,
		.mtime = (u32)k->mtime.sec,
		.mtime_nsec = (u32)k->mtime.nsec,
		.ctime = (u32)k->ctime.sec,
		.ctime_nsec = (u32)k->ctime.nsec,
		.ino = k->ino,
	};

	return kerr_code(copy_out((struct abi_stat64 __user *)out, &st));
}

long sys_fstatat64(int dirfd, const char __user *name, void __user *out, int flags)
{
	struct kstat k;
	kerr_t err = do_stat_path(dirfd, name, (u32)flags, &k);

	return err ? kerr_code(err) : stat64_out(&k, out);
}

long sys_stat64(const char __user *name, void __user *out)
{
	return sys_fstatat64(AT_FDCWD, name, out, 0);
}

long sys_lstat64(const char __user *name, void __user *out)
{
	return sys_fstatat64(AT_FDCWD, name, out, AT_SYMLINK_NOFOLLOW);
}

long sys_fstat64(int fd, void __user *out)
{
	struct kstat k;
	kerr_t err = do_fstat(fd, &k);

	return err ? kerr_code(err) : stat64_out(&k, out);
}

/* ---------------------------------------------------------------- statfs64 */
static long statfs64_out(const struct kstatfs *k, void __user *out)
{
	struct abi_statfs64 s;

	memset(&s, 0, sizeof(s));
	FILL_STATFS(s, *k);
	return kerr_code(copy_out((struct abi_statfs64 __user *)out, &s));
}

long sys_statfs64(const char __user *name, size_t size, void __user *out)
{
	struct kstatfs k;
	kerr_t err;

	if (size != sizeof(struct abi_statfs64))
		return -EINVAL;
	err = do_statfs_path(name, &k);
	return err ? kerr_code(err) : statfs64_out(&k, out);
}

long sys_fstatfs64(int fd, size_t size, void __user *out)
{
	struct kstatfs k;
	kerr_t err;

	if (size != sizeof(struct abi_statfs64))
		return -EINVAL;
	err = do_statfs_fd(fd, &k);
	return err ? kerr_code(err) : statfs64_out(&k, out);
}

/* ---------------------------------------------------------------- others */
long sys_fcntl64(int fd, unsigned cmd, unsigned long arg)
{
	return do_fcntl(fd, cmd, arg, true);
}

long sys_truncate64(const char __user *name, s64 len)
{
	return kerr_code(do_truncate_user(name, len));
}

long sys_ftruncate64(int fd, s64 len)
{
	return kerr_code(do_ftruncate(fd, len));
}

/* The arguments lie in memory: the only one passed is their address, where select(2) has its count. */
long sys_old_select(int args, void __user *unused1, void __user *unused2, void __user *unused3, void __user *unused4)
{
	u32 a[5];

	(void)unused1;
	(void)unused2;
	(void)unused3;
	(void)unused4;
	if (copy_from_user(a, (const void __user *)(uintptr_t)(u32)args, sizeof(a)))
		return -EFAULT;
	return sys_select((int)a[0], (void __user *)(uintptr_t)a[1], (void __user *)(uintptr_t)a[2], (void __user *)(uintptr_t)a[3],
			  (void __user *)(uintptr_t)a[4]);
}

struct old_dirent {
	u32 ino, off;
	u16 len;
	char name[NAME_MAX + 1];
};
struct old_readdir {
	struct dir_context ctx;
	struct old_dirent entry;
	bool any;
};

static bool old_fill(struct dir_context *ctx, const char *name, size_t len, ino_t ino, unsigned type, loff_t next)
{
	struct old_readdir *r = container_of(ctx, struct old_readdir, ctx);

	(void)type;
	if (r->any || len > NAME_MAX)
		return false;
	r->entry.ino = (u32)ino;
	r->entry.off = (u32)next;
	r->entry.len = (u16)len;
	memcpy(r->entry.name, name, len);
	r->entry.name[len] = 0;
	r->any = true;
	return true;
}

/* One entry a call: 1, or 0 at the end. */
long sys_old_readdir(int fd, void __user *out, unsigned count)
{
	struct old_readdir r = { .ctx = { .actor = old_fill } };
	struct file *f = fd_get(fd);
	kerr_t err;

	(void)count;
	if (!f)
		return -EBADF;
	mutex_lock(&f->pos_mutex);
	err = vfs_iterate(f, &r.ctx);
	mutex_unlock(&f->pos_mutex);
	file_put(f);
	if (err)
		return kerr_code(err);
	if (!r.any)
		return 0;
	err = copy_to_user(out, &r.entry, offsetof(struct old_dirent, name) + r.entry.len + 1);
	return err ? kerr_code(err) : 1;
}

/* ---------------------------------------------------------------- 16-bit owners: 0xffff leaves one as it is */
static u32 id16(u32 id)
{
	return (u16)id == 0xffff ? (u32)-1 : (u16)id;
}

long sys_chown16(const char __user *name, uid_t uid, gid_t gid)
{
	return sys_chown(name, id16(uid), id16(gid));
}

long sys_lchown16(const char __user *name, uid_t uid, gid_t gid)
{
	return sys_lchown(name, id16(uid), id16(gid));
}

long sys_fchown16(int fd, uid_t uid, gid_t gid)
{
	return sys_fchown(fd, id16(uid), id16(gid));
}
