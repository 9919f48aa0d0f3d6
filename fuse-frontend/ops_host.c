/* SPDX-License-Identifier: MIT */
/*
 * FUSE's low-level operations (libfuse 3, fuse_lowlevel.h) on libmaestro's nodes: an inode number of FUSE is the address of a node, with the same lookup count.
 * The image is ours alone, so the host's kernel may keep what it has read. It checks permissions (default_permissions), we only say who makes a file.
 */
#include "fs_host.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>

struct maestro_node *front_node(const struct front *f, fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? f->root : (struct maestro_node *)ino;
}

struct maestro_caller front_caller(fuse_req_t req)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	if (front_of(req)->fakeroot)
		return (struct maestro_caller){.privileged = true};
	return (struct maestro_caller){.uid = ctx->uid, .gid = ctx->gid, .privileged = true};
}

void front_stat(const struct front *f, const struct maestro_attr *a, struct stat *st)
{
	*st = (struct stat){
		.st_ino = a->ino,
		.st_mode = a->mode,
		.st_nlink = a->nlink,
		.st_uid = f->uid < 0 ? a->uid : (uid_t)f->uid,
		.st_gid = f->gid < 0 ? a->gid : (gid_t)f->gid,
		.st_rdev = makedev(a->rdev_major, a->rdev_minor),
		.st_size = (off_t)a->size,
		.st_blksize = a->blksize,
		.st_blocks = (blkcnt_t)a->blocks,
		.st_atim = {.tv_sec = a->atime, .tv_nsec = a->atime_ns},
		.st_mtim = {.tv_sec = a->mtime, .tv_nsec = a->mtime_ns},
		.st_ctim = {.tv_sec = a->ctime, .tv_nsec = a->ctime_ns},
	};
}

int front_entry(const struct front *f, struct maestro_node *n, struct fuse_entry_param *e)
{
	struct maestro_attr a;
	int err = maestro_node_getattr(f->k, n, &a);

	memset(e, 0, sizeof(*e));
	if (err) {
		maestro_node_forget(f->k, n, 1);
		return err;
	}
	e->ino = n == f->root ? FUSE_ROOT_ID : (fuse_ino_t)n;
	front_stat(f, &a, &e->attr);
	e->attr_timeout = e->entry_timeout = f->timeout;
	return 0;
}

static void reply_entry(fuse_req_t req, int err, struct maestro_node *n)
{
	const struct front *f = front_of(req);
	struct fuse_entry_param e;

	if (!err)
		err = front_entry(f, n, &e);
	if (err)
		fuse_reply_err(req, -err);
	else if (fuse_reply_entry(req, &e) == -ENOENT) /* the request was interrupted: nobody will forget it */
		maestro_node_forget(f->k, n, 1);
}

static void want(struct fuse_conn_info *conn, unsigned caps)
{
	conn->want |= conn->capable & caps;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct front *f = userdata;

	/* Set-id bits: wire_host.c. Splicing would copy once more. Nobody asks us to open, so O_TRUNC must come as a setattr. */
	conn->want &= ~(unsigned)(FUSE_CAP_HANDLE_KILLPRIV | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_AUTO_INVAL_DATA |
				  FUSE_CAP_ATOMIC_O_TRUNC);
	want(conn, FUSE_CAP_EXPORT_SUPPORT | FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ |
			   FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_IOCTL_DIR | FUSE_CAP_ASYNC_DIO);
	conn->want &= ~(unsigned)FUSE_CAP_WRITEBACK_CACHE;
	if (f->writeback && !f->read_only)
		want(conn, FUSE_CAP_WRITEBACK_CACHE);
	f->stateless = conn->capable & FUSE_CAP_NO_OPEN_SUPPORT;
	f->stateless_dirs = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	conn->max_write = 1u << 20;
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->time_gran = 1;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_node *n;
	int err = maestro_node_lookup(f->k, NULL, front_node(f, parent), name, &n);

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
		maestro_node_forget(f->k, front_node(f, ino), count);
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
	front_stat(front_of(req), a, &st);
	fuse_reply_attr(req, &st, front_of(req)->timeout);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct front *f = front_of(req);
	struct maestro_attr a;
	int err = maestro_node_getattr(f->k, front_node(f, ino), &a);

	(void)fi;
	reply_attr(req, err, &a);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int to_set, struct fuse_file_info *fi)
{
	static const struct {
		int fuse;
		unsigned ours;
	} map[] = {{FUSE_SET_ATTR_MODE, MAESTRO_SET_MODE}, {FUSE_SET_ATTR_UID, MAESTRO_SET_UID}, {FUSE_SET_ATTR_GID, MAESTRO_SET_GID},
		   {FUSE_SET_ATTR_SIZE, MAESTRO_SET_SIZE}, {FUSE_SET_ATTR_CTIME, MAESTRO_SET_CTIME}};
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);
	struct maestro_attr a = {
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.size = (uint64_t)st->st_size,
		.atime = st->st_atim.tv_sec,
		.mtime = st->st_mtim.tv_sec,
		.ctime = st->st_ctim.tv_sec,
		.atime_ns = (uint32_t)st->st_atim.tv_nsec,
		.ctime_ns = (uint32_t)st->st_ctim.tv_nsec,
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
	if (!set || wire_kills_privs()) /* without anything else: chown(2) to nobody new */
		set |= MAESTRO_SET_KILL_PRIVS;
	err = maestro_node_setattr(f->k, &who, front_node(f, ino), set, &a, &a);
	reply_attr(req, err, &a);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	const struct front *f = front_of(req);
	char text[4097];
	ssize_t len = maestro_node_readlink(f->k, front_node(f, ino), text, sizeof(text) - 1);

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
	struct maestro_caller who = front_caller(req);
	struct maestro_node *n;
	int err = maestro_node_mknod(f->k, &who, front_node(f, parent), name, mode, major(rdev), minor(rdev), &n);

	reply_entry(req, err, n);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);
	struct maestro_node *n;
	int err = maestro_node_mkdir(f->k, &who, front_node(f, parent), name, mode, &n);

	reply_entry(req, err, n);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);
	struct maestro_node *n;
	int err = maestro_node_symlink(f->k, &who, front_node(f, parent), name, target, &n);

	reply_entry(req, err, n);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);
	struct maestro_node *n;
	int err = maestro_node_link(f->k, &who, front_node(f, ino), front_node(f, parent), name);

	if (!err)
		err = maestro_node_lookup(f->k, NULL, front_node(f, parent), name, &n);
	reply_entry(req, err, n);
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);

	fuse_reply_err(req, -maestro_node_unlink(f->k, &who, front_node(f, parent), name));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);

	fuse_reply_err(req, -maestro_node_rmdir(f->k, &who, front_node(f, parent), name));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *to_name, unsigned flags)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);

	fuse_reply_err(req, -maestro_node_rename(f->k, &who, front_node(f, parent), name, front_node(f, to), to_name, flags));
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct front *f = front_of(req);
	struct maestro_statfs s;
	int err = maestro_node_statfs(f->k, front_node(f, ino ? ino : FUSE_ROOT_ID), &s);

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
	.read = op_read,
	.write = op_write,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.copy_file_range = op_copy_file_range,
	.ioctl = op_ioctl,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsync,
	.statfs = op_statfs,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.setxattr = op_setxattr,
	.removexattr = op_removexattr,
};
