/* SPDX-License-Identifier: MIT */
/*
 * File handles: name_to_handle_at(2), open_by_handle_at(2). What a handle says is the file system's (super_ops.id_make, id_find); here an inode that was
 * found so gets a dentry: one that it has; for a file without any, one that stands alone; for a directory its real place, looked for upwards from it.
 * Locking: vfs.dcache_lock for the lists of dentries.
 */
#include "vfs_priv.h"

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

#define MAX_HANDLE_SZ 128u
#define FILEID_INVALID 0xff
#define DEPTH_MAX 4096u

struct abi_file_handle {
	u32 bytes;
	s32 type;
};
_Static_assert(sizeof(struct abi_file_handle) == 8, "struct file_handle without its bytes");

/* ---------------------------------------------------------------- inode -> dentry */
/* A dentry of inode, referenced: best one that has a place. NULL: there is none. */
static struct dentry *find_dentry(struct inode *inode)
{
	struct dentry *d, *best = NULL;

	spin_lock(&vfs()->dcache_lock);
	list_for_each(d, &inode->dentries, alias)
		if (!best || (d->flags & DENTRY_HASHED))
			best = d;
	if (best)
		dentry_get(best);
	spin_unlock(&vfs()->dcache_lock);
	return best;
}

struct name_search {
	struct dir_context ctx;
	ino_t ino;
	size_t len; /* 0: not found */
	bool any;   /* something was read */
	char name[NAME_MAX];
};

static bool match_number(struct dir_context *ctx, const char *name, size_t len, ino_t ino, unsigned type, loff_t next)
{
	struct name_search *s = container_of(ctx, struct name_search, ctx);

	(void)type;
	(void)next;
	s->any = true;
	if (ino != s->ino || len > NAME_MAX || name_is_dot(name, len))
		return true;
	memcpy(s->name, name, len);
	s->len = len;
	return false;
}

/* Looks child up by its name in dir, which gives it a dentry. KERR(ESTALE): it is not there. */
static kerr_t name_child(const struct path *dir, const struct inode *child)
{
	struct name_search s = { .ctx.actor = match_number, .ino = child->ino };
	struct dentry *d;
	struct file *f;
	kerr_t err = file_open_path(dir, O_RDONLY | O_DIRECTORY, current_cred(), &f);

	if (err)
		return err;
	do {
		s.any = false;
		err = vfs_iterate(f, &s.ctx);
	} while (!err && !s.len && s.any);
	file_put(f);
	if (err || !s.len)
		return err ? err : KERR(ESTALE);
	err = vfs_lookup_one(dir->dentry, s.name, s.len, &d);
	if (!err)
		dentry_put(d);
	return err;
}

/* The lowest directory above dir that has a dentry (*at), and the one below it that has none (*below, referenced). */
static kerr_t find_connected(struct inode *dir, struct dentry **at, struct inode **below)
{
	struct inode *child = inode_get(dir), *parent;

	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		kerr_t err = dir->sb->ops->dir_parent(child, &parent);

		if (err) {
			inode_put(child);
			return err;
		}
		*at = find_dentry(parent);
		if (*at) {
			inode_put(parent);
			*below = child;
			return 0;
		}
		inode_put(child);
		child = parent;
	}
	inode_put(child);
	return KERR(ESTALE);
}

static kerr_t connect_directory(struct mount *m, struct inode *inode, struct dentry **out)
{
	for (unsigned step = 0; step < DEPTH_MAX; step++) {
		struct path above = { .mnt = m };
		struct inode *below;
		kerr_t err;

		*out = find_dentry(inode);
		if (*out)
			return 0;
		err = find_connected(inode, &above.dentry, &below);
		if (err)
			return err;
		err = name_child(&above, below);
		dentry_put(above.dentry);
		inode_put(below);
		if (err)
			return err;
	}
	return KERR(ESTALE);
}

/* A file whose names nobody has looked up. */
static kerr_t lone_dentry(struct inode *inode, struct dentry **out)
{
	static const struct name n = { "/", 1, 0 };
	kerr_t err = dentry_alloc(inode->sb, NULL, &n, out);

	if (!err)
		dentry_instantiate(*out, inode_get(inode));
	return err;
}

static kerr_t dentry_of(struct mount *m, struct inode *inode, struct dentry **out)
{
	if (S_ISDIR(inode->mode))
		return connect_directory(m, inode, out);
	*out = find_dentry(inode);
	return *out ? KERR(0) : lone_dentry(inode, out);
}

/* ---------------------------------------------------------------- system calls */
static kerr_t handle_out(struct path *p, struct abi_file_handle __user *handle, int __user *mount_id)
{
	const struct super_ops *ops = p->mnt->sb->ops;
	struct abi_file_handle h;
	struct file_id id;
	kerr_t err = 0;
	u32 room;

	if (!ops->id_make)
		return KERR(EOPNOTSUPP);
	if (copy_in(&h, handle))
		return KERR(EFAULT);
	if (h.bytes > MAX_HANDLE_SZ)
		return KERR(EINVAL);
	ops->id_make(p->dentry->inode, &id);
	room = h.bytes;
	h = (struct abi_file_handle){ .bytes = (u32)(id.words * sizeof(u32)), .type = id.type };
	if (h.bytes > room) {
		h.type = FILEID_INVALID;
		err = KERR(EOVERFLOW);
	}
	if (put_user(p->mnt->id, mount_id) || copy_out(handle, &h) || (!err && copy_to_user(handle + 1, id.word, h.bytes)))
		return KERR(EFAULT);
	return err;
}

long sys_name_to_handle_at(int dirfd, const char __user *name, void __user *handle, void __user *mount_id, int flags)
{
	struct path p;
	kerr_t err;

	if ((u32)flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = user_path(dirfd, name, ((u32)flags & AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0) | ((u32)flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);
	if (err)
		return kerr_code(err);
	err = handle_out(&p, handle, mount_id);
	path_put(&p);
	return kerr_code(err);
}

static kerr_t handle_in(const struct abi_file_handle __user *handle, struct file_id *id)
{
	u8 bytes[MAX_HANDLE_SZ];
	struct abi_file_handle h;

	if (copy_in(&h, handle))
		return KERR(EFAULT);
	if (!h.bytes || h.bytes > MAX_HANDLE_SZ)
		return KERR(EINVAL);
	if (copy_from_user(bytes, handle + 1, h.bytes))
		return KERR(EFAULT);
	memset(id, 0, sizeof(*id));
	id->type = h.type;
	id->words = MIN(h.bytes / (u32)sizeof(u32), FILE_ID_WORDS);
	memcpy(id->word, bytes, id->words * sizeof(u32));
	return 0;
}

/* A mount of the file system that the handle is of. */
static kerr_t mount_of_fd(int fd, struct mount **out)
{
	struct path cwd;
	struct file *f;

	if (fd == AT_FDCWD) {
		fs_ctx_get_cwd(&cwd);
		*out = mount_get(cwd.mnt);
		path_put(&cwd);
		return 0;
	}
	f = fd_get(fd);
	if (!f)
		return KERR(EBADF);
	*out = mount_get(f->path.mnt);
	file_put(f);
	return 0;
}

/* Errors of the search say little to a program: the handle leads nowhere (any more). */
static kerr_t path_of_handle(int mount_fd, const struct file_id *id, struct path *out)
{
	struct inode *inode;
	kerr_t err = mount_of_fd(mount_fd, &out->mnt);

	if (err)
		return err;
	err = out->mnt->sb->ops->id_find ? out->mnt->sb->ops->id_find(out->mnt->sb, id, &inode) : KERR(ESTALE);
	if (!err) {
		err = dentry_of(out->mnt, inode, &out->dentry);
		inode_put(inode);
	}
	if (err) {
		mount_put(out->mnt);
		return kerr_is(err, ENOMEM) ? err : KERR(ESTALE);
	}
	return 0;
}

long sys_open_by_handle_at(int mount_fd, const void __user *handle, int flags)
{
	struct file_id id;
	struct file *f;
	struct path p;
	kerr_t err;
	long fd;

	if (!capable(CAP_DAC_READ_SEARCH))
		return -EPERM;
	err = handle_in(handle, &id);
	if (!err)
		err = path_of_handle(mount_fd, &id, &p);
	if (err)
		return kerr_code(err);
	err = open_path_checked(&p, (u32)flags | (sizeof(long) == 8 ? O_LARGEFILE : 0), &f);
	path_put(&p);
	if (err)
		return kerr_code(err);
	fd = fd_install(f, (u32)flags & O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}
