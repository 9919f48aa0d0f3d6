/* SPDX-License-Identifier: MIT */
/* The same calls on the host's files and on an image's. The host's go through libc, so that fakeroot(1) sees them. */
#include "img.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static struct maestro *enter(struct side *d)
{
	image_enter(d->s, d->im);
	return d->s->k;
}

/* The image's call or the host's, whose errno becomes the result. */
#define EITHER(d, ours, theirs)                  \
	({                                       \
		long r_;                         \
                                                 \
		if ((d)->im) {                   \
			struct maestro *k = enter(d); \
                                                 \
			r_ = (ours);             \
		} else {                         \
			r_ = (theirs);           \
			if (r_ < 0)              \
				r_ = -errno;     \
		}                                \
		r_;                              \
	})

int side_lstat(struct side *d, const char *path, struct stat *out)
{
	return (int)EITHER(d, maestro_lstat(k, path, out), lstat(path, out));
}

int side_stat(struct side *d, const char *path, struct stat *out)
{
	return (int)EITHER(d, maestro_stat(k, path, out), stat(path, out));
}

int side_readlink(struct side *d, const char *path, char out[4097])
{
	long n = EITHER(d, maestro_readlink(k, path, out, 4096), readlink(path, out, 4096));

	if (n < 0)
		return (int)n;
	out[n] = 0;
	return 0;
}

int side_open(struct side *d, const char *path, int flags, mode_t mode)
{
	flags |= O_CLOEXEC;
	return (int)EITHER(d, maestro_open(k, path, flags, (unsigned long)mode), open(path, flags, mode));
}

int side_close(struct side *d, int fd)
{
	return (int)EITHER(d, maestro_close(k, fd), close(fd));
}

ssize_t side_read(struct side *d, int fd, void *buf, size_t n, uint64_t offset)
{
	return EITHER(d, maestro_pread(k, fd, buf, n, (int64_t)offset), pread(fd, buf, n, (off_t)offset));
}

int side_write(struct side *d, int fd, const void *buf, size_t n, uint64_t offset)
{
	const char *p = buf;

	while (n) {
		long put = EITHER(d, maestro_pwrite(k, fd, p, n, (int64_t)offset), pwrite(fd, p, n, (off_t)offset));

		if (put == -EINTR)
			continue;
		if (put <= 0)
			return put ? (int)put : -EIO;
		p += put;
		n -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

int64_t side_seek(struct side *d, int fd, int64_t offset, int whence)
{
	return EITHER(d, maestro_lseek(k, fd, offset, whence), lseek(fd, offset, whence));
}

int side_resize(struct side *d, int fd, uint64_t size)
{
	return (int)EITHER(d, maestro_ftruncate(k, fd, (int64_t)size), ftruncate(fd, (off_t)size));
}

int side_mkdir(struct side *d, const char *path, mode_t mode)
{
	return (int)EITHER(d, maestro_mkdir(k, path, mode), mkdir(path, mode));
}

int side_mknod(struct side *d, const char *path, mode_t mode, dev_t dev)
{
	return (int)EITHER(d, maestro_mknod(k, path, mode, dev), mknod(path, mode, dev));
}

int side_symlink(struct side *d, const char *target, const char *path)
{
	return (int)EITHER(d, maestro_symlink(k, target, path), symlink(target, path));
}

int side_link(struct side *d, const char *from, const char *to)
{
	return (int)EITHER(d, maestro_link(k, from, to), link(from, to));
}

int side_unlink(struct side *d, const char *path)
{
	return (int)EITHER(d, maestro_unlink(k, path), unlink(path));
}

int side_rmdir(struct side *d, const char *path)
{
	return (int)EITHER(d, maestro_rmdir(k, path), rmdir(path));
}

int side_rename(struct side *d, const char *from, const char *to)
{
	return (int)EITHER(d, maestro_rename(k, from, to), rename(from, to));
}

int side_chown(struct side *d, const char *path, uid_t uid, gid_t gid)
{
	return (int)EITHER(d, maestro_lchown(k, path, uid, gid), lchown(path, uid, gid));
}

int side_chmod(struct side *d, const char *path, mode_t mode)
{
	return (int)EITHER(d, maestro_chmod(k, path, mode & 07777), chmod(path, mode & 07777));
}

int side_times(struct side *d, const char *path, const struct timespec times[2])
{
	return (int)EITHER(d, maestro_utimensat(k, AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW),
			   utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW));
}

ssize_t side_listxattr(struct side *d, const char *path, char *buf, size_t n)
{
	return EITHER(d, maestro_syscall(k, SYS_llistxattr, path, buf, n), llistxattr(path, buf, n));
}

ssize_t side_getxattr(struct side *d, const char *path, const char *name, void *buf, size_t n)
{
	return EITHER(d, maestro_lgetxattr(k, path, name, buf, n), lgetxattr(path, name, buf, n));
}

int side_setxattr(struct side *d, const char *path, const char *name, const void *val, size_t n)
{
	return (int)EITHER(d, maestro_syscall(k, SYS_lsetxattr, path, name, val, n, 0), lsetxattr(path, name, val, n, 0));
}

int side_removexattr(struct side *d, const char *path, const char *name)
{
	return (int)EITHER(d, maestro_syscall(k, SYS_lremovexattr, path, name), lremovexattr(path, name));
}

/* ---------------------------------------------------------------- directories */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Entries of one buffer. A damaged image may hold names that are no names: they would lead elsewhere. */
static int take_entries(const char *buf, long n, struct names *out)
{
	for (long at = 0; at < n;) {
		const struct dirent64 *e = (const void *)(buf + at);

		at += e->d_reclen;
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (strchr(e->d_name, '/') || !*e->d_name)
			return -EUCLEAN;
		if (!(out->count & (out->count - 1)))
			out->list = must_realloc(out->list, (out->count ? out->count * 2 : 1) * sizeof(*out->list));
		out->list[out->count++] = must_dup(e->d_name);
	}
	return 0;
}

int side_list(struct side *d, const char *path, struct names *out)
{
	_Alignas(struct dirent64) char buf[32768];
	int err = 0, fd = side_open(d, path, O_RDONLY | O_DIRECTORY, 0);
	long n;

	*out = (struct names){0};
	if (fd < 0)
		return fd;
	do {
		n = EITHER(d, maestro_getdents64(k, fd, buf, sizeof(buf)), syscall(SYS_getdents64, fd, buf, sizeof(buf)));
		err = n < 0 ? (int)n : take_entries(buf, n, out);
	} while (n > 0 && !err);
	(void)side_close(d, fd);
	if (err)
		names_free(out);
	else if (out->count)
		qsort(out->list, out->count, sizeof(*out->list), by_name);
	return err;
}

void names_free(struct names *n)
{
	for (size_t i = 0; i < n->count; i++)
		free(n->list[i]);
	free(n->list);
	*n = (struct names){0};
}

static int remove_in(struct side *d, struct text *path)
{
	struct names names;
	struct stat st;
	int err = side_lstat(d, path->data, &st);

	if (err)
		return err;
	if (!S_ISDIR(st.st_mode))
		return side_unlink(d, path->data);
	err = side_list(d, path->data, &names);
	for (size_t i = 0; !err && i < names.count; i++) {
		size_t before = text_push(path, names.list[i]);

		err = remove_in(d, path);
		text_cut(path, before);
	}
	names_free(&names);
	return err ? err : side_rmdir(d, path->data);
}

int side_remove_all(struct side *d, const char *path)
{
	struct text t = {0};
	int err;

	text_adds(&t, path);
	err = remove_in(d, &t);
	text_free(&t);
	return err;
}

int side_make_path(struct side *d, const char *path, mode_t mode)
{
	char *copy = must_dup(path);
	int err = 0;

	for (char *c = copy + 1; *copy && !err; c++) {
		char was = *c;

		if (was && was != '/')
			continue;
		*c = 0;
		err = side_mkdir(d, copy, was ? 0755 : mode);
		if (err == -EEXIST) {
			struct stat st;

			err = side_stat(d, copy, &st);
			if (!err && !S_ISDIR(st.st_mode))
				err = -ENOTDIR;
		}
		*c = was;
		if (!was)
			break;
	}
	free(copy);
	return err;
}
