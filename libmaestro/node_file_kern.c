/* SPDX-License-Identifier: MIT */
/* Open files of nodes. */
#include "node_kern.h"

static kerr_t open_path(const struct path *p, unsigned flags, struct maestro_file **out)
{
	struct lib_nodes *l = node_state();
	struct maestro_file *f = kzalloc(sizeof(*f), GFP_KERNEL);
	kerr_t err;

	if (!f)
		return KERR(ENOMEM);
	err = file_open_path(p, (flags & ~(O_CREAT | O_EXCL | O_NOCTTY)) | O_LARGEFILE, NULL, &f->file);
	if (err) {
		kfree(f);
		return err;
	}
	mutex_lock(&l->mutex);
	list_add(&l->files, &f->node);
	mutex_unlock(&l->mutex);
	*out = f;
	return 0;
}

/* What open(2) asks of an object that is there. */
static kerr_t may_open(struct inode *inode, unsigned flags)
{
	static const unsigned masks[] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
	unsigned mask = masks[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);

	if ((inode->flags & INODE_APPEND) && (mask & MAY_WRITE) && (!(flags & O_APPEND) || (flags & O_TRUNC)))
		return KERR(EPERM);
	return inode_permission(inode, mask);
}

static kerr_t open_checked(const struct path *p, unsigned flags, struct maestro_file **out)
{
	kerr_t err = may_open(p->dentry->inode, flags);

	return err ? err : open_path(p, flags, out);
}

int maestro_node_open(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, unsigned flags, struct maestro_file **out)
{
	return NODE_CALL_AS(k, who, open_checked(&n->path, flags, out));
}

/* With all privileges. checked: what they do not override holds. */
static kerr_t open_privileged(const struct path *p, unsigned flags, bool checked, struct maestro_file **file)
{
	const struct cred *mine = node_exchange_cred(cred_get(kernel()->proc.root_cred));
	kerr_t err = checked ? open_checked(p, flags, file) : open_path(p, flags, file);

	cred_put(node_exchange_cred(mine));
	return err;
}

void node_file_close(struct maestro_file *f)
{
	struct lib_nodes *l = node_state();

	mutex_lock(&l->mutex);
	list_del(&f->node);
	mutex_unlock(&l->mutex);
	file_put(f->file);
	kfree(f);
}

int maestro_node_create(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, unsigned flags,
			struct maestro_node **out, struct maestro_file **file)
{
	const struct cred *saved;
	struct path p;
	kerr_t err;
	int code = node_enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_create(&dir->path, name, (mode & 07777 & ~hal_current()->fs->umask) | S_IFREG, &p);
	if (!err) {
		struct maestro_file *f;

		err = open_privileged(&p, flags & ~O_TRUNC, false, &f); /* just made by us: whatever its mode says, as open(2) */
		if (err) {
			path_put(&p);
		} else {
			err = node_of(&p, out);
			if (err)
				node_file_close(f);
			else
				*file = f;
		}
	}
	node_leave_as(saved);
	return kerr_code(err);
}

/* For reading and writing where that is possible at all. */
static kerr_t open_own(struct maestro_node *n, struct maestro_file **out)
{
	bool dir = S_ISDIR(n->path.dentry->inode->mode);
	kerr_t err = open_privileged(&n->path, dir ? O_RDONLY | O_DIRECTORY : O_RDWR, true, out);

	if (kerr_code(err) == -EPERM && !dir)
		err = open_privileged(&n->path, O_RDWR | O_APPEND, true, out); /* one that may only be appended to */
	if (err && !dir && kerr_code(err) != -ENOMEM)
		err = open_privileged(&n->path, O_RDONLY, true, out); /* a read-only file system, or a file that must not be changed */
	return err;
}

/* Makes f the node's file in place of `old`, which goes with the node, since others may be using it; false: somebody was faster. */
static bool own_replace(struct maestro_node *n, struct maestro_file *old, struct maestro_file *f)
{
	struct lib_nodes *l = node_state();
	bool ours;

	mutex_lock(&l->mutex);
	ours = n->own == old;
	if (ours) {
		f->older = old;
		store_release(&n->own, f);
	}
	mutex_unlock(&l->mutex);
	return ours;
}

static kerr_t own_file(struct maestro_node *n, struct maestro_file *old, struct maestro_file **out)
{
	struct maestro_file *f;
	kerr_t err = open_own(n, &f);

	if (err)
		return err;
	if (!own_replace(n, old, f))
		node_file_close(f);
	*out = load_acquire(&n->own);
	return 0;
}

int maestro_node_file(struct maestro *k, struct maestro_node *n, struct maestro_file **out)
{
	*out = load_acquire(&n->own);
	return likely(*out) ? 0 : NODE_CALL(k, own_file(n, NULL, out));
}

int maestro_node_file_again(struct maestro *k, struct maestro_node *n)
{
	struct maestro_file *old = load_acquire(&n->own), *f;

	return old ? NODE_CALL(k, own_file(n, old, &f)) : 0;
}

long maestro_file_ioctl(struct maestro *k, const struct maestro_caller *who, struct maestro_file *f, unsigned cmd, void *arg)
{
	const struct cred *saved;
	long ret = node_enter_as(k, who, &saved);

	if (ret)
		return ret;
	ret = vfs_ioctl(f->file, cmd, (unsigned long)arg);
	node_leave_as(saved);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

ssize_t maestro_file_read(struct maestro *k, struct maestro_file *f, void *buf, size_t n, uint64_t offset)
{
	struct iov_iter it;
	loff_t pos = (loff_t)offset;
	ssize_t got = node_enter(k);

	if (got)
		return got;
	iov_iter_user(&it, (void __user *)buf, MIN(n, 0x7ffff000UL), true);
	got = pos < 0 ? -EINVAL : vfs_read(f->file, &it, &pos);
	hosted_leave();
	return got;
}

ssize_t maestro_file_write(struct maestro *k, struct maestro_file *f, const void *buf, size_t n, uint64_t offset)
{
	struct page_seg seg;
	struct iov_iter it;
	loff_t pos = (loff_t)offset;
	ssize_t put = node_enter(k);

	if (put)
		return put;
	n = MIN(n, 0x7ffff000UL);
	if (node_buffer_seg(&k->h, buf, n, &seg)) {
		iov_iter_pages(&it, &seg, 1, n, false);
		it.through = true;
	} else {
		iov_iter_user(&it, (void __user *)(uintptr_t)buf, n, false);
	}
	put = pos < 0 ? -EINVAL : vfs_write(f->file, &it, &pos);
	hosted_leave();
	return put;
}

int maestro_file_flush(struct maestro *k, struct maestro_file *f)
{
	return NODE_CALL(k, f->file->ops->flush ? f->file->ops->flush(f->file) : KERR(0));
}

int maestro_file_fsync(struct maestro *k, struct maestro_file *f, bool data_only)
{
	return NODE_CALL(k, vfs_fsync(f->file, 0, S64_MAX, data_only));
}

int maestro_file_fallocate(struct maestro *k, struct maestro_file *f, int mode, uint64_t offset, uint64_t len)
{
	long ret;
	int code = node_enter(k);

	if (code)
		return code;
	if (!(f->file->mode & FMODE_WRITE))
		ret = -EBADF;
	else if (!f->file->ops->fallocate)
		ret = -EOPNOTSUPP;
	else if (!len || offset > (u64)S64_MAX || len > (u64)S64_MAX - offset)
		ret = -EINVAL;
	else
		ret = f->file->ops->fallocate(f->file, mode, (loff_t)offset, (loff_t)len);
	hosted_leave();
	return (int)ret;
}

int64_t maestro_file_lseek(struct maestro *k, struct maestro_file *f, int64_t offset, int whence)
{
	int64_t pos = node_enter(k);

	if (pos)
		return pos;
	mutex_lock(&f->file->pos_mutex);
	pos = vfs_llseek(f->file, offset, whence);
	mutex_unlock(&f->file->pos_mutex);
	hosted_leave();
	return pos;
}

struct entry_ctx {
	struct dir_context ctx;
	maestro_entry *entry;
	void *arg;
};

static bool pass_entry(struct dir_context *ctx, const char *name, size_t len, ino_t ino, unsigned type, loff_t next_pos)
{
	struct entry_ctx *e = container_of(ctx, struct entry_ctx, ctx);

	return e->entry(e->arg, name, len, ino, type, (u64)next_pos);
}

int maestro_file_readdir(struct maestro *k, struct maestro_file *f, uint64_t offset, maestro_entry *entry, void *arg)
{
	struct entry_ctx e = {.ctx = {.actor = pass_entry}, .entry = entry, .arg = arg};
	loff_t at = 0;
	kerr_t err = KERR(0);
	int code = node_enter(k);

	if (code)
		return code;
	mutex_lock(&f->file->pos_mutex);
	if ((u64)f->file->pos != offset)
		at = vfs_llseek(f->file, (loff_t)offset, SEEK_SET);
	if (at < 0)
		err = kerr_of((long)at);
	else
		err = vfs_iterate(f->file, &e.ctx);
	mutex_unlock(&f->file->pos_mutex);
	hosted_leave();
	return kerr_code(err);
}

void maestro_file_close(struct maestro *k, struct maestro_file *f)
{
	if (node_enter(k))
		return;
	node_file_close(f);
	hosted_leave();
}
