/* SPDX-License-Identifier: MIT */
/*
 * FUSE's low-level operations (libfuse 3, fuse_lowlevel.h) on libmaestro's nodes: an inode number of FUSE is the address of a node, with the same lookup count.
 * The image is ours alone, so the host's kernel may keep what it has read. It checks permissions (default_permissions), we only say who makes a file.
 */
#include "fs_host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static struct front *front_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static struct maestro_node *node_of(const struct front *f, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? f->root : (struct maestro_node *)ino;
}

static struct maestro_caller caller_of(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	return (struct maestro_caller){.uid = ctx->uid, .gid = ctx->gid, .privileged = true};
}

static struct maestro_file *file_of(const struct fuse_file_info *fi)
{
	return (struct maestro_file *)(uintptr_t)fi->fh;
}

static void to_stat(const struct maestro_attr *a, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = a->ino;
	st->st_mode = a->mode;
	st->st_nlink = a->nlink;
	st->st_uid = a->uid;
	st->st_gid = a->gid;
	st->st_rdev = makedev(a->rdev_major, a->rdev_minor);
	st->st_size = (off_t)a->size;
	st->st_blksize = a->blksize;
	st->st_blocks = (blkcnt_t)a->blocks;
	st->st_atim = (struct timespec){.tv_sec = a->atime, .tv_nsec = a->atime_ns};
	st->st_mtim = (struct timespec){.tv_sec = a->mtime, .tv_nsec = a->mtime_ns};
	st->st_ctim = (struct timespec){.tv_sec = a->ctime, .tv_nsec = a->ctime_ns};
}

/* Takes over one lookup of n; gives it back on error. */
static int fill_entry(const struct front *f, struct maestro_node *n, struct fuse_entry_param *e)
{
	struct maestro_attr a;
	int err = maestro_node_getattr(f->k, n, &a);

	memset(e, 0, sizeof(*e));
	if (err) {
		maestro_node_forget(f->k, n, 1);
		return err;
	}
	e->ino = n == f->root ? FUSE_ROOT_ID : (fuse_ino_t)n;
	to_stat(&a, &e->attr);
	e->attr_timeout = e->entry_timeout = f->timeout;
	return 0;
}

static void reply_entry(fuse_req_t req, int err, struct maestro_node *n)
{
	const struct front *f = front_of(req);
	struct fuse_entry_param e;

	if (!err)
		err = fill_entry(f, n, &e);
	if (err)
		fuse_reply_err(req, -err);
	else if (fuse_reply_entry(req, &e) == -ENOENT) /* the request was interrupted: nobody will forget it */
		maestro_node_forget(f->k, n, 1);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	(void)userdata;
	conn->want &= ~(unsigned)FUSE_CAP_HANDLE_KILLPRIV; /* the host's kernel clears set-id bits, by its caller's rights */
	if (conn->capable & FUSE_CAP_EXPORT_SUPPORT)
		conn->want |= FUSE_CAP_EXPORT_SUPPORT;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_node *n;
	int err = maestro_node_lookup(f->k, NULL, node_of(f, parent), name, &n);

	if (err == -ENOENT) {
		struct fuse_entry_param none = {.entry_timeout = f->timeout}; /* a name that is not there may be kept as well */

		fuse_reply_entry(req, &none);
		return;
	}
	reply_entry(req, err, n);
}

static void forget(const struct front *f, fuse_ino_t ino, uint64_t count)
{
	if (ino != FUSE_ROOT_ID)
		maestro_node_forget(f->k, node_of(f, ino), count);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	forget(front_of(req), ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *list)
{
	for (size_t i = 0; i < count; i++)
		forget(front_of(req), list[i].ino, list[i].nlookup);
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, int err, const struct maestro_attr *a)
{
	struct stat st;

	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	to_stat(a, &st);
	fuse_reply_attr(req, &st, front_of(req)->timeout);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct front *f = front_of(req);
	struct maestro_attr a;
	int err = maestro_node_getattr(f->k, node_of(f, ino), &a);

	(void)fi;
	reply_attr(req, err, &a);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
	static const struct {
		int fuse;
		unsigned ours;
	} map[] = {{FUSE_SET_ATTR_MODE, MAESTRO_SET_MODE}, {FUSE_SET_ATTR_UID, MAESTRO_SET_UID}, {FUSE_SET_ATTR_GID, MAESTRO_SET_GID},
		   {FUSE_SET_ATTR_SIZE, MAESTRO_SET_SIZE}};
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);
	struct maestro_attr a = {
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = (uint64_t)st->st_size,
		.atime = st->st_atim.tv_sec,
		.mtime = st->st_mtim.tv_sec,
		.atime_ns = (uint32_t)st->st_atim.tv_nsec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};
	unsigned set = 0;
	int err;

	(void)fi;
	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (to_set & map[i].fuse)
			set |= map[i].ours;
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		set |= MAESTRO_SET_ATIME_NOW;
	else if (to_set & FUSE_SET_ATTR_ATIME)
		set |= MAESTRO_SET_ATIME;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		set |= MAESTRO_SET_MTIME_NOW;
	else if (to_set & FUSE_SET_ATTR_MTIME)
		set |= MAESTRO_SET_MTIME;
	err = maestro_node_setattr(f->k, &who, node_of(f, ino), set, &a, &a);
	reply_attr(req, err, &a);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	const struct front *f = front_of(req);
	char text[4097];
	ssize_t len = maestro_node_readlink(f->k, node_of(f, ino), text, sizeof(text) - 1);

	if (len < 0) {
		fuse_reply_err(req, (int)-len);
		return;
	}
	text[len] = 0;
	fuse_reply_readlink(req, text);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);
	struct maestro_node *n;
	int err = maestro_node_mknod(f->k, &who, node_of(f, parent), name, mode, major(rdev), minor(rdev), &n);

	reply_entry(req, err, n);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);
	struct maestro_node *n;
	int err = maestro_node_mkdir(f->k, &who, node_of(f, parent), name, mode, &n);

	reply_entry(req, err, n);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);
	struct maestro_node *n;
	int err = maestro_node_symlink(f->k, &who, node_of(f, parent), name, target, &n);

	reply_entry(req, err, n);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);
	struct maestro_node *n;
	int err = maestro_node_link(f->k, &who, node_of(f, ino), node_of(f, parent), name);

	if (!err)
		err = maestro_node_lookup(f->k, NULL, node_of(f, parent), name, &n);
	reply_entry(req, err, n);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);

	fuse_reply_err(req, -maestro_node_unlink(f->k, &who, node_of(f, parent), name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);

	fuse_reply_err(req, -maestro_node_rmdir(f->k, &who, node_of(f, parent), name));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *to_name, unsigned flags)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);

	fuse_reply_err(req, -maestro_node_rename(f->k, &who, node_of(f, parent), name, node_of(f, to), to_name, flags));
}

/* ---------------------------------------------------------------- files */
static int open_file(fuse_req_t req, fuse_ino_t ino, int flags, struct fuse_file_info *fi)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);
	struct maestro_file *file;
	int err;

	/* O_APPEND: the host's kernel sends the right offsets; O_DIRECT, O_SYNC: it syncs. */
	err = maestro_node_open(f->k, &who, node_of(f, ino), (unsigned)(flags & (O_ACCMODE | O_TRUNC | O_DIRECTORY | O_NOATIME)), &file);
	if (!err)
		fi->fh = (uint64_t)(uintptr_t)file;
	return err;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int err = open_file(req, ino, fi->flags, fi);

	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	fi->keep_cache = 1;
	if (fuse_reply_open(req, fi) == -ENOENT)
		maestro_file_close(front_of(req)->k, file_of(fi));
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	int err = open_file(req, ino, O_RDONLY | O_DIRECTORY, fi);

	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	if (fuse_reply_open(req, fi) == -ENOENT)
		maestro_file_close(front_of(req)->k, file_of(fi));
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);
	struct fuse_entry_param e;
	struct maestro_node *n;
	struct maestro_file *file;
	int err = maestro_node_create(f->k, &who, node_of(f, parent), name, mode, (unsigned)(fi->flags & O_ACCMODE), &n, &file);

	if (err == -EEXIST && !(fi->flags & O_EXCL)) {
		err = maestro_node_lookup(f->k, NULL, node_of(f, parent), name, &n);
		if (!err) {
			err = maestro_node_open(f->k, &who, n, (unsigned)(fi->flags & (O_ACCMODE | O_TRUNC)), &file);
			if (err)
				maestro_node_forget(f->k, n, 1);
		}
	}
	if (!err) {
		err = fill_entry(f, n, &e);
		if (err)
			maestro_file_close(f->k, file);
	}
	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)file;
	fi->keep_cache = 1;
	if (fuse_reply_create(req, &e, fi) == -ENOENT) {
		maestro_file_close(f->k, file);
		maestro_node_forget(f->k, n, 1);
	}
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	char *buf = malloc(size);
	ssize_t n;

	(void)ino;
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	n = maestro_file_read(front_of(req)->k, file_of(fi), buf, size, (uint64_t)off);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
	free(buf);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	ssize_t n = maestro_file_write(front_of(req)->k, file_of(fi), buf, size, (uint64_t)off);

	(void)ino;
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_write(req, (size_t)n);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_reply_err(req, -maestro_file_flush(front_of(req)->k, file_of(fi)));
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	maestro_file_close(front_of(req)->k, file_of(fi));
	fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_reply_err(req, -maestro_file_fsync(front_of(req)->k, file_of(fi), datasync));
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
	(void)ino;
	fuse_reply_err(req, -maestro_file_fallocate(front_of(req)->k, file_of(fi), mode, (uint64_t)offset, (uint64_t)length));
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	int64_t pos = maestro_file_lseek(front_of(req)->k, file_of(fi), off, whence);

	(void)ino;
	if (pos < 0)
		fuse_reply_err(req, (int)-pos);
	else
		fuse_reply_lseek(req, pos);
}

/* ---------------------------------------------------------------- directories */
struct listing {
	fuse_req_t req;
	char *buf;
	size_t size, used;
};

static bool add_entry(void *arg, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct listing *l = arg;
	struct stat st = {.st_ino = ino, .st_mode = type << 12};
	char text[256];
	size_t n;

	if (len > 255)
		return true;
	memcpy(text, name, len);
	text[len] = 0;
	n = fuse_add_direntry(l->req, l->buf + l->used, l->size - l->used, text, &st, (off_t)next);
	if (n > l->size - l->used)
		return false;
	l->used += n;
	return true;
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct listing l = {.req = req, .buf = malloc(size), .size = size};
	int err;

	(void)ino;
	if (!l.buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	err = maestro_file_readdir(front_of(req)->k, file_of(fi), (uint64_t)off, add_entry, &l);
	if (err && !l.used)
		fuse_reply_err(req, -err);
	else
		fuse_reply_buf(req, l.buf, l.used);
	free(l.buf);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct front *f = front_of(req);
	struct maestro_statfs s;
	int err = maestro_node_statfs(f->k, node_of(f, ino ? ino : FUSE_ROOT_ID), &s);

	if (err) {
		fuse_reply_err(req, -err);
		return;
	}
	fuse_reply_statfs(req, &(struct statvfs){
		.f_bsize = s.bsize,
		.f_frsize = s.frsize,
		.f_blocks = s.blocks,
		.f_bfree = s.bfree,
		.f_bavail = s.bavail,
		.f_files = s.files,
		.f_ffree = s.ffree,
		.f_favail = s.ffree,
		.f_namemax = s.namelen,
		.f_flag = s.read_only ? ST_RDONLY : 0,
	});
}

/* ---------------------------------------------------------------- extended attributes */
static void reply_xattr(fuse_req_t req, ssize_t n, char *buf, size_t size)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
	free(buf);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	const struct front *f = front_of(req);
	char *buf = malloc(size ? size : 1);

	reply_xattr(req, buf ? maestro_node_getxattr(f->k, NULL, node_of(f, ino), name, buf, size) : -ENOMEM, buf, size);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	const struct front *f = front_of(req);
	char *buf = malloc(size ? size : 1);

	reply_xattr(req, buf ? maestro_node_listxattr(f->k, NULL, node_of(f, ino), buf, size) : -ENOMEM, buf, size);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);

	fuse_reply_err(req, -maestro_node_setxattr(f->k, &who, node_of(f, ino), name, value, size, flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = caller_of(req);

	fuse_reply_err(req, -maestro_node_setxattr(f->k, &who, node_of(f, ino), name, NULL, 0, XATTR_REPLACE));
}

const struct fuse_lowlevel_ops front_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.readlink = op_readlink,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.unlink = op_unlink,
	.rmdir = op_rmdir,
	.rename = op_rename,
	.open = op_open,
	.create = op_create,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_release,
	.fsyncdir = op_fsync,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
};
