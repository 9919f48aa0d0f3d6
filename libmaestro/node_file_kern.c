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

int maestro_node_open(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, unsigned flags, struct maestro_file **out)
{
	return NODE_CALL_AS(k, who, open_path(&n->path, flags, out));
}

/* The file was just made by us: it is opened whatever its mode says (open(2)), with all privileges. */
static kerr_t open_made(const struct path *p, unsigned flags, struct maestro_file **file)
{
	const struct cred *mine = node_exchange_cred(cred_get(kernel()->proc.root_cred));
	kerr_t err = open_path(p, flags & ~O_TRUNC, file);

	cred_put(node_exchange_cred(mine));
	return err;
}

static void close_file(struct maestro_file *f)
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

		err = open_made(&p, flags, &f);
		if (err) {
			path_put(&p);
		} else {
			err = node_of(&p, out);
			if (err)
				close_file(f);
			else
				*file = f;
		}
	}
	node_leave_as(saved);
	return kerr_code(err);
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
	struct iov_iter it;
	loff_t pos = (loff_t)offset;
	ssize_t put = node_enter(k);

	if (put)
		return put;
	iov_iter_user(&it, (void __user *)(uintptr_t)buf, MIN(n, 0x7ffff000UL), false);
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
	close_file(f);
	hosted_leave();
}
