/* SPDX-License-Identifier: MIT */
/* Changing whatever there is in a tree that may be damaged; see tree_host.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tree_host.h"

#define VICTIMS 64
#define PATH_SIZE 4096
#define PUNCH (1 | 2) /* KEEP_SIZE, PUNCH_HOLE */

struct victims {
	char path[VICTIMS][PATH_SIZE];
	unsigned n;
};

static void gather(const struct world *w, struct victims *v, const char *path, unsigned depth)
{
	long fd = CALL(w, SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0, 0), n;
	unsigned first = v->n, last;
	char buf[4096];

	if (fd < 0)
		return;
	while ((n = CALL(w, SYS_getdents64, fd, buf, sizeof(buf), 0, 0)) > 0 && v->n < VICTIMS) {
		for (long at = 0; at < n && v->n < VICTIMS;) {
			const struct dirent64 *d = (const void *)(buf + at);

			at += d->d_reclen;
			if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0 &&
			    snprintf(v->path[v->n], PATH_SIZE, "%s/%s", path, d->d_name) < PATH_SIZE)
				v->n++;
		}
	}
	CALL(w, SYS_close, fd, 0, 0, 0, 0);
	last = v->n;
	for (unsigned i = first; i < last && depth; i++)
		gather(w, v, v->path[i], depth - 1);
}

static void write_to(const struct world *w, const char *path, int flags, uint64_t at, size_t len)
{
	long fd = CALL(w, SYS_openat, AT_FDCWD, path, flags | O_NONBLOCK, 0644, 0);
	char *buf = malloc(len);

	if (fd >= 0 && buf) {
		memset(buf, 'x', len);
		CALL(w, SYS_pwrite64, fd, buf, len, at, 0);
		CALL(w, SYS_fsync, fd, 0, 0, 0, 0);
	}
	if (fd >= 0)
		CALL(w, SYS_close, fd, 0, 0, 0, 0);
	free(buf);
}

static void change(const struct world *w, const char *path, const char *top, unsigned i)
{
	struct stat st;
	char other[PATH_SIZE], value[600];
	uint64_t size;
	long fd;

	memset(value, 'v', sizeof(value));
	snprintf(other, sizeof(other), "%s/new-%u", top, i);
	if (CALL(w, SYS_lstat, path, &st, 0, 0, 0))
		return;
	size = (uint64_t)st.st_size;
	CALL(w, SYS_lsetxattr, path, "user.abuse", value, i % 2 ? 20 : sizeof(value), 0);
	CALL(w, SYS_chmod, path, 0640, 0, 0, 0);
	switch (i % 6) {
	case 0:
		write_to(w, path, O_WRONLY, size, 30000);
		break;
	case 1:
		CALL(w, SYS_truncate, path, size / 2, 0, 0, 0);
		CALL(w, SYS_truncate, path, size + 1000000, 0, 0, 0);
		break;
	case 2:
		fd = CALL(w, SYS_openat, AT_FDCWD, path, O_RDWR | O_NONBLOCK, 0, 0);
		if (fd >= 0) {
			CALL(w, SYS_fallocate, fd, PUNCH, 1000, size, 0);
			CALL(w, SYS_close, fd, 0, 0, 0, 0);
		}
		write_to(w, path, O_WRONLY, 5000000, 100);
		break;
	case 3:
		CALL(w, SYS_rename, path, other, 0, 0, 0);
		break;
	case 4:
		CALL(w, SYS_link, path, other, 0, 0, 0);
		CALL(w, SYS_unlink, path, 0, 0, 0, 0);
		break;
	default:
		CALL(w, SYS_lremovexattr, path, "user.abuse", 0, 0, 0);
		if (CALL(w, SYS_unlink, path, 0, 0, 0, 0) == -EISDIR)
			CALL(w, SYS_rmdir, path, 0, 0, 0, 0);
		break;
	}
}

static void make_new(const struct world *w, const char *top)
{
	static const char long_target[] = "a/target/that/is/longer/than/what/fits/into/an/inode/which/is/less/than/sixty/bytes/long";
	char path[PATH_SIZE];

	for (unsigned i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "%s/made-%u", top, i);
		switch (i % 4) {
		case 0:
			write_to(w, path, O_CREAT | O_WRONLY, i % 8 ? 0 : 3000000, 1000 * i);
			break;
		case 1:
			CALL(w, SYS_mkdir, path, 0755, 0, 0, 0);
			strncat(path, "/in", sizeof(path) - strlen(path) - 1);
			write_to(w, path, O_CREAT | O_WRONLY, 0, 100);
			break;
		case 2:
			CALL(w, SYS_symlink, i % 8 == 2 ? "short" : long_target, path, 0, 0, 0);
			break;
		default:
			CALL(w, SYS_mknod, path, S_IFIFO | 0600, 0, 0, 0);
			break;
		}
	}
}

void tree_abuse(const struct world *w, const char *path)
{
	struct victims *v = calloc(1, sizeof(*v));

	if (!v)
		abort();
	gather(w, v, path, 3);
	make_new(w, path);
	for (unsigned i = 0; i < v->n; i++)
		change(w, v->path[i], path, i);
	CALL(w, SYS_sync, 0, 0, 0, 0, 0);
	gather(w, v, path, 1); /* what has been made goes again */
	for (unsigned i = v->n; i-- > 0;) {
		if (CALL(w, SYS_unlink, v->path[i], 0, 0, 0, 0) == -EISDIR)
			CALL(w, SYS_rmdir, v->path[i], 0, 0, 0, 0);
	}
	free(v);
}
