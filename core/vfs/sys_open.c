/* SPDX-License-Identifier: MIT */
/* open, openat2, and the calls that make and remove names; chdir, chroot, getcwd, umask. Thin: do_x() has the rules. */
#include "vfs_priv.h"

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

/* Programs whose words have 64 bits always may see large files. */
#define FORCE_LARGEFILE (sizeof(long) == 8 ? O_LARGEFILE : 0)
#define OPEN_FLAGS                                                                                                           \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_SYNC | O_DSYNC | O_ASYNC | O_DIRECT | \
	 O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE)

static long open_fd(int dirfd, const char __user *name, const struct open_how_k *how)
{
	struct file *f;
	char *buf;
	int fd;
	kerr_t err = getname(name, false, &buf);

	if (err)
		return kerr_code(err);
	err = fd_reserve(how->flags & O_CLOEXEC, &fd);
	if (!err) {
		err = do_open(dirfd, buf, how, &f);
		if (err)
			fd_unreserve(fd);
		else
			fd_fill(fd, f);
	}
	putname(buf);
	return err ? kerr_code(err) : fd;
}

long sys_openat(int dirfd, const char __user *name, int flags, mode_t mode)
{
	struct open_how_k how = { .flags = ((u32)flags & OPEN_FLAGS) | FORCE_LARGEFILE, .mode = mode & S_IALLUGO };

	return open_fd(dirfd, name, &how);
}

long sys_open(const char __user *name, int flags, mode_t mode)
{
	return sys_openat(AT_FDCWD, name, flags, mode);
}

long sys_creat(const char __user *name, mode_t mode)
{
	return sys_openat(AT_FDCWD, name, (int)(O_CREAT | O_WRONLY | O_TRUNC), mode);
}

struct open_how_user {
	u64 flags, mode, resolve;
};

static long how_resolve(u64 resolve, u32 *out)
{
	static const u32 map[] = { LOOKUP_NO_XDEV, LOOKUP_NO_MAGIC, LOOKUP_NO_SYMLINKS | LOOKUP_NO_MAGIC, LOOKUP_BENEATH, LOOKUP_IN_ROOT, LOOKUP_CACHED };

	if (resolve >> ARRAY_SIZE(map))
		return -EINVAL;
	if ((resolve & 0x18) == 0x18) /* beneath and in root */
		return -EINVAL;
	*out = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
		if (resolve >> i & 1)
			*out |= map[i];
	return 0;
}

long sys_openat2(int dirfd, const char __user *name, const void __user *uhow, size_t size)
{
	struct open_how_user u;
	struct open_how_k how;
	kerr_t err;
	long ret;

	if (size < sizeof(u))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&u, sizeof(u), uhow, size);
	if (err)
		return kerr_code(err);
	if (u.flags & ~(u64)OPEN_FLAGS)
		return -EINVAL;
	how.flags = (u32)u.flags;
	how.mode = (mode_t)u.mode;
	if (how.flags & (O_CREAT | (O_TMPFILE & ~O_DIRECTORY))) {
		if (u.mode & ~(u64)S_IALLUGO)
			return -EINVAL;
	} else if (u.mode) {
		return -EINVAL;
	}
	if ((how.flags & O_PATH) && (how.flags & ~(O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)))
		return -EINVAL;
	ret = how_resolve(u.resolve, &how.resolve);
	if (ret)
		return ret;
	if ((how.resolve & LOOKUP_CACHED) && (how.flags & (O_TRUNC | O_CREAT | (O_TMPFILE & ~O_DIRECTORY))))
		return -EAGAIN;
	how.flags |= FORCE_LARGEFILE;
	return open_fd(dirfd, name, &how);
}

/* ---------------------------------------------------------------- names */
long sys_mkdirat(int dirfd, const char __user *name, mode_t mode)
{
	char *buf;
	kerr_t err = getname(name, false, &buf);

	if (err)
		return kerr_code(err);
	err = do_mkdir(dirfd, buf, mode);
	putname(buf);
	return kerr_code(err);
}

long sys_mkdir(const char __user *name, mode_t mode)
{
	return sys_mkdirat(AT_FDCWD, name, mode);
}

long sys_mknodat(int dirfd, const char __user *name, mode_t mode, unsigned dev)
{
	char *buf;
	kerr_t err = getname(name, false, &buf);

	if (err)
		return kerr_code(err);
	err = do_mknod(dirfd, buf, mode, dev_decode(dev));
	putname(buf);
	return kerr_code(err);
}

long sys_mknod(const char __user *name, mode_t mode, unsigned dev)
{
	return sys_mknodat(AT_FDCWD, name, mode, dev);
}

long sys_unlinkat(int dirfd, const char __user *name, int flags)
{
	char *buf;
	kerr_t err;

	if ((u32)flags & ~AT_REMOVEDIR)
		return -EINVAL;
	err = getname(name, false, &buf);
	if (err)
		return kerr_code(err);
	err = flags ? do_rmdir(dirfd, buf) : do_unlink(dirfd, buf);
	putname(buf);
	return kerr_code(err);
}

long sys_unlink(const char __user *name)
{
	return sys_unlinkat(AT_FDCWD, name, 0);
}

long sys_rmdir(const char __user *name)
{
	return sys_unlinkat(AT_FDCWD, name, AT_REMOVEDIR);
}

/* Two names, either of which may be empty as said. */
static kerr_t getnames(const char __user *a, bool a_empty, const char __user *b, char **abuf, char **bbuf)
{
	kerr_t err = getname(a, a_empty, abuf);

	if (err)
		return err;
	err = getname(b, false, bbuf);
	if (err)
		putname(*abuf);
	return err;
}

long sys_symlinkat(const char __user *target, int dirfd, const char __user *name)
{
	char *t, *n;
	kerr_t err = getnames(target, false, name, &t, &n);

	if (err)
		return kerr_code(err);
	err = do_symlink(t, dirfd, n);
	putname(n);
	putname(t);
	return kerr_code(err);
}

long sys_symlink(const char __user *target, const char __user *name)
{
	return sys_symlinkat(target, AT_FDCWD, name);
}

long sys_linkat(int odfd, const char __user *old, int ndfd, const char __user *new, int flags)
{
	char *o, *n;
	kerr_t err;

	if ((u32)flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = getnames(old, (u32)flags & AT_EMPTY_PATH, new, &o, &n);
	if (err)
		return kerr_code(err);
	err = do_link(odfd, o, ndfd, n, (u32)flags);
	putname(n);
	putname(o);
	return kerr_code(err);
}

long sys_link(const char __user *old, const char __user *new)
{
	return sys_linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

long sys_renameat2(int odfd, const char __user *old, int ndfd, const char __user *new, unsigned flags)
{
	char *o, *n;
	kerr_t err = getnames(old, false, new, &o, &n);

	if (err)
		return kerr_code(err);
	err = do_rename(odfd, o, ndfd, n, flags);
	putname(n);
	putname(o);
	return kerr_code(err);
}

long sys_renameat(int odfd, const char __user *old, int ndfd, const char __user *new)
{
	return sys_renameat2(odfd, old, ndfd, new, 0);
}

long sys_rename(const char __user *old, const char __user *new)
{
	return sys_renameat2(AT_FDCWD, old, AT_FDCWD, new, 0);
}

long sys_readlinkat(int dirfd, const char __user *name, void __user *out, int size)
{
	struct path p;
	char *buf;
	size_t n;
	kerr_t err;
	bool empty = false;

	if (size <= 0)
		return -EINVAL;
	err = getname(name, true, &buf);
	if (err)
		return kerr_code(err);
	empty = !*buf;
	err = path_lookup(dirfd, buf, LOOKUP_EMPTY, &p);
	if (!err) {
		if (!S_ISLNK(p.dentry->inode->mode))
			err = empty ? KERR(ENOENT) : KERR(EINVAL);
		else
			err = vfs_readlink(&p, buf);
		path_put(&p);
	}
	n = err ? 0 : MIN(strlen(buf), (size_t)size);
	if (!err)
		err = copy_to_user(out, buf, n);
	putname(buf);
	return err ? kerr_code(err) : (long)n;
}

long sys_readlink(const char __user *name, void __user *out, int size)
{
	return sys_readlinkat(AT_FDCWD, name, out, size);
}

/* ---------------------------------------------------------------- where a task is */
static kerr_t enter_dir(const struct path *p, bool root)
{
	kerr_t err = inode_permission(p->dentry->inode, MAY_EXEC);

	if (err)
		return err;
	if (root) {
		if (!capable(CAP_SYS_CHROOT))
			return KERR(EPERM);
		fs_ctx_set_root(p);
	} else {
		fs_ctx_set_cwd(p);
	}
	return 0;
}

static long enter_named(const char __user *name, bool root)
{
	struct path p;
	kerr_t err = user_path(AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return kerr_code(err);
	err = enter_dir(&p, root);
	path_put(&p);
	return kerr_code(err);
}

long sys_chdir(const char __user *name)
{
	return enter_named(name, false);
}

long sys_chroot(const char __user *name)
{
	return enter_named(name, true);
}

long sys_fchdir(int fd)
{
	struct file *f = fd_get_any(fd);
	kerr_t err;

	if (!f)
		return -EBADF;
	err = S_ISDIR(f->inode->mode) ? enter_dir(&f->path, false) : KERR(ENOTDIR);
	file_put(f);
	return kerr_code(err);
}

static long cwd_text(void __user *out, size_t size, char *buf)
{
	struct path root, cwd;
	bool unreachable, deleted;
	char *text;
	size_t n;

	fs_ctx_get_root(&root);
	fs_ctx_get_cwd(&cwd);
	deleted = cwd.dentry->parent != cwd.dentry && !(cwd.dentry->flags & DENTRY_HASHED);
	/* Room is left in front for "(unreachable)". */
	text = path_text(&cwd, &root, buf + 16, PATH_MAX - 16, &unreachable);
	path_put(&cwd);
	path_put(&root);
	if (deleted)
		return -ENOENT;
	if (!text)
		return -ENAMETOOLONG;
	if (unreachable) {
		text -= 13;
		memcpy(text, "(unreachable)", 13);
	}
	n = strlen(text) + 1;
	if (n > size)
		return -ERANGE;
	return copy_to_user(out, text, n) ? -EFAULT : (long)n;
}

long sys_getcwd(void __user *out, size_t size)
{
	char *buf = path_buf_alloc();
	long ret;

	if (!buf)
		return -ENOMEM;
	ret = cwd_text(out, size, buf);
	path_buf_free(buf);
	return ret;
}

long sys_umask(mode_t mask)
{
	struct fs_ctx *fs = current->fs;
	mode_t old;

	spin_lock(&fs->lock);
	old = fs->umask;
	fs->umask = mask & 0777;
	spin_unlock(&fs->lock);
	return (long)old;
}
