/* SPDX-License-Identifier: MIT */
/*
 * Contents, directories, extended attributes. Nothing is remembered about what is open: opening is answered once with ENOSYS, after which the host's kernel
 * opens and closes by itself, keeps its caches, and sends us only what it does not know. A node has one file of its own (maestro_node_file()); it was
 * checked before who may do what with it.
 */
#include "fs_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define MAX_READ (1u << 20)

/* A buffer of this thread's, at least so large; NULL: no memory. */
static char *scratch(size_t size)
{
	static _Thread_local char *buf;
	static _Thread_local size_t have;

	if (size > have) {
		char *more = realloc(buf, size);

		if (!more)
			return NULL;
		buf = more;
		have = size;
	}
	return buf;
}

static int file_of(fuse_req_t req, fuse_ino_t ino, struct maestro_file **out)
{
	const struct front *f = front_of(req);

	return maestro_node_file(f->k, front_node(f, ino), out);
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (front_of(req)->stateless) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (front_of(req)->stateless_dirs) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	fi->cache_readdir = fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

static ssize_t give_read(void *arg, const struct iovec *pieces, unsigned count, size_t bytes)
{
	int err = wire_reply_pieces(arg, pieces, count, bytes);

	return err ? err : (ssize_t)bytes;
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct maestro_file *file;
	ssize_t n = file_of(req, ino, &file);
	char *buf;

	(void)fi;
	if (!n && maestro_file_give(front_of(req)->k, file, (uint64_t)off, size, give_read, req) > 0)
		return;
	buf = scratch(size);
	if (!buf)
		n = -ENOMEM;
	if (!n)
		n = maestro_file_read(front_of(req)->k, file, buf, size, (uint64_t)off);
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

/* The file's own mode: the file system, or the file, can only be read. */
static int write_error(fuse_req_t req, int err)
{
	return err != -EBADF ? -err : front_of(req)->read_only ? EROFS : EPERM;
}

/* Contents are about to be changed by somebody who may not keep set-id bits. */
static int drop_set_id(fuse_req_t req, fuse_ino_t ino)
{
	const struct front *f = front_of(req);
	struct maestro_attr a;
	int err = maestro_node_getattr(f->k, front_node(f, ino), &a);

	return err || !(a.mode & (S_ISUID | S_ISGID)) ? err : maestro_node_setattr(f->k, NULL, front_node(f, ino), MAESTRO_SET_KILL_PRIVS, &a, &a);
}

/* The host's kernel does not say it of these requests. */
static int drop_set_id_of_others(fuse_req_t req, fuse_ino_t ino)
{
	return fuse_req_ctx(req)->uid ? drop_set_id(req, ino) : 0;
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct maestro_file *file;
	ssize_t n = file_of(req, ino, &file);

	(void)fi;
	if (!n && wire_kills_privs())
		n = drop_set_id(req, ino);
	if (!n)
		n = maestro_file_write(front_of(req)->k, file, buf, size, (uint64_t)off);
	if (n < 0)
		fuse_reply_err(req, write_error(req, (int)n));
	else
		fuse_reply_write(req, (size_t)n);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct maestro_file *file;
	int err = file_of(req, ino, &file);

	(void)fi;
	fuse_reply_err(req, err ? -err : -maestro_file_fsync(front_of(req)->k, file, datasync));
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi)
{
	struct maestro_file *file;
	int err = file_of(req, ino, &file);

	(void)fi;
	if (!err)
		err = drop_set_id_of_others(req, ino);
	if (!err)
		err = maestro_file_fallocate(front_of(req)->k, file, mode, (uint64_t)offset, (uint64_t)length);
	fuse_reply_err(req, write_error(req, err));
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct maestro_file *file;
	int64_t pos = file_of(req, ino, &file);

	(void)fi;
	if (!pos)
		pos = maestro_file_lseek(front_of(req)->k, file, off, whence);
	if (pos < 0)
		fuse_reply_err(req, (int)-pos);
	else
		fuse_reply_lseek(req, pos);
}

/* Up to a piece at a time: the caller comes again for the rest. */
void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in, struct fuse_file_info *fi_in, fuse_ino_t out, off_t off_out,
			struct fuse_file_info *fi_out, size_t len, int flags)
{
	struct maestro *k = front_of(req)->k;
	struct maestro_file *from, *to;
	char *buf = scratch(MAX_READ);
	ssize_t n = file_of(req, in, &from);

	(void)fi_in;
	(void)fi_out;
	if (!n)
		n = file_of(req, out, &to);
	if (!n && flags)
		n = -EINVAL;
	if (!n && !buf)
		n = -ENOMEM;
	if (!n)
		n = drop_set_id_of_others(req, out);
	if (!n)
		n = maestro_file_read(k, from, buf, len < MAX_READ ? len : MAX_READ, (uint64_t)off_in);
	if (n > 0)
		n = maestro_file_write(k, to, buf, (size_t)n, (uint64_t)off_out);
	if (n < 0)
		fuse_reply_err(req, write_error(req, (int)n));
	else
		fuse_reply_write(req, (size_t)n);
}

/* The host's kernel asks this before it sets flags: the same flags in other bits (ioctl_xfs_fsgetxattr(2)). */
static long get_fsxattr(struct maestro *k, struct maestro_file *file, char *data)
{
	static const struct {
		unsigned flag, xflag;
	} map[] = {{FS_SYNC_FL, FS_XFLAG_SYNC}, {FS_IMMUTABLE_FL, FS_XFLAG_IMMUTABLE}, {FS_APPEND_FL, FS_XFLAG_APPEND}, {FS_NODUMP_FL, FS_XFLAG_NODUMP},
		   {FS_NOATIME_FL, FS_XFLAG_NOATIME}};
	struct fsxattr x = {0};
	unsigned flags = 0;
	long ret = maestro_file_ioctl(k, NULL, file, (unsigned)FS_IOC_GETFLAGS, &flags);

	for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if (flags & map[i].flag)
			x.fsx_xflags |= map[i].xflag;
	memcpy(data, &x, sizeof(x));
	return ret;
}

/* Only commands whose data travels by what their number says: the flags of chattr(1) and the generation. */
void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi, unsigned flags, const void *in, size_t in_size,
	      size_t out_size)
{
	const struct maestro_caller who = front_caller(req);
	const struct maestro_caller strict = {.uid = who.uid, .gid = who.gid};
	struct maestro_file *file;
	char data[256] = {0};
	long ret = file_of(req, ino, &file);

	(void)arg;
	(void)fi;
	if (!ret && ((flags & FUSE_IOCTL_UNRESTRICTED) || in_size > sizeof(data) || out_size > sizeof(data)))
		ret = -ENOTTY;
	if (!ret && in_size)
		memcpy(data, in, in_size);
	if (!ret && cmd == (unsigned)FS_IOC_FSGETXATTR)
		ret = get_fsxattr(front_of(req)->k, file, data);
	else if (!ret)
		ret = maestro_file_ioctl(front_of(req)->k, &strict, file, cmd, data);
	if (!ret && cmd == (unsigned)FS_IOC_SETFLAGS)
		ret = maestro_node_file_again(front_of(req)->k, front_node(front_of(req), ino));
	if (ret < 0)
		fuse_reply_err(req, (int)-ret);
	else
		fuse_reply_ioctl(req, (int)ret, data, out_size);
}

/* ---------------------------------------------------------------- directories */
struct name {
	uint64_t ino, next;
	unsigned type;
	char text[256];
};
struct listing {
	fuse_req_t req;
	char *buf;
	size_t size, used;
	struct name *names; /* with attributes: taken first, looked up when the directory is left alone again */
	size_t count, room;
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

static void reply_listing(struct listing *l, int err)
{
	if (err && !l->used)
		fuse_reply_err(l->req, -err);
	else
		fuse_reply_buf(l->req, l->buf, l->used);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct listing l = {.req = req, .buf = scratch(size), .size = size};
	struct maestro_file *file;
	int err = file_of(req, ino, &file);

	(void)fi;
	if (!l.buf)
		err = -ENOMEM;
	if (!err)
		err = maestro_file_readdir(front_of(req)->k, file, (uint64_t)off, add_entry, &l);
	reply_listing(&l, err);
}

static bool note_name(void *arg, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next)
{
	struct listing *l = arg;
	struct name *n = &l->names[l->count];
	struct fuse_entry_param e;

	if (len > 255)
		return true;
	n->ino = ino;
	n->type = type;
	n->next = next;
	memcpy(n->text, name, len);
	n->text[len] = 0;
	l->used += fuse_add_direntry_plus(l->req, NULL, 0, n->text, &e, 0);
	if (l->used > l->size || l->count + 1 == l->room)
		return false;
	l->count++;
	return true;
}

/* Looks the names up. One that is gone meanwhile, and "." and "..", go without attributes, which counts as no lookup. */
static void add_attributes(struct listing *l, struct maestro_node *dir)
{
	const struct front *f = front_of(l->req);

	l->used = 0;
	for (size_t i = 0; i < l->count; i++) {
		const struct name *n = &l->names[i];
		struct fuse_entry_param e = {.attr = {.st_ino = n->ino, .st_mode = n->type << 12}};
		struct maestro_node *node = NULL;
		size_t len;

		if (strcmp(n->text, ".") != 0 && strcmp(n->text, "..") != 0 && !maestro_node_lookup(f->k, NULL, dir, n->text, &node) &&
		    front_entry(f, node, &e))
			e = (struct fuse_entry_param){.attr = {.st_ino = n->ino, .st_mode = n->type << 12}};
		len = fuse_add_direntry_plus(l->req, l->buf + l->used, l->size - l->used, n->text, &e, (off_t)n->next);
		if (len > l->size - l->used) {
			if (e.ino)
				maestro_node_forget(f->k, node, 1);
			return;
		}
		l->used += len;
	}
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	const struct front *f = front_of(req);
	size_t room = size / 128 + 2; /* an entry takes more than that */
	size_t at = (size + 15) & ~(size_t)15; /* names stand behind what is sent */
	struct listing l = {.req = req, .buf = scratch(at + room * sizeof(struct name)), .size = size, .room = room};
	struct maestro_file *file;
	int err = file_of(req, ino, &file);

	(void)fi;
	if (!l.buf)
		err = -ENOMEM;
	if (!err) {
		l.names = (void *)(l.buf + at);
		err = maestro_file_readdir(f->k, file, (uint64_t)off, note_name, &l);
	}
	if (err && !l.count) {
		fuse_reply_err(req, -err);
		return;
	}
	add_attributes(&l, front_node(f, ino));
	fuse_reply_buf(req, l.buf, l.used);
}

/* ---------------------------------------------------------------- extended attributes */
static void reply_xattr(fuse_req_t req, ssize_t n, const char *buf, size_t size)
{
	if (n < 0)
		fuse_reply_err(req, (int)-n);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	const struct front *f = front_of(req);
	char *buf = scratch(size ? size : 1);
	ssize_t n = f->no_xattr ? -ENOSYS : !buf ? -ENOMEM : maestro_node_getxattr(f->k, NULL, front_node(f, ino), name, buf, size);

	reply_xattr(req, n, buf, size);
}

void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	const struct front *f = front_of(req);
	char *buf = scratch(size ? size : 1);
	ssize_t n = f->no_xattr ? -ENOSYS : !buf ? -ENOMEM : maestro_node_listxattr(f->k, NULL, front_node(f, ino), buf, size);

	reply_xattr(req, n, buf, size);
}

static void set_xattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	const struct front *f = front_of(req);
	struct maestro_caller who = front_caller(req);

	fuse_reply_err(req, f->no_xattr ? ENOSYS : -maestro_node_setxattr(f->k, &who, front_node(f, ino), name, value, size, flags));
}

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags)
{
	set_xattr(req, ino, name, value, size, flags);
}

void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	set_xattr(req, ino, name, NULL, 0, XATTR_REPLACE);
}
