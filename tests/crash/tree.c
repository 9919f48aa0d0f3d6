/* SPDX-License-Identifier: MIT */
/* What there is in a mounted file system, as far as a program can see. */
#include "crash.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

static uint64_t mix(uint64_t sum, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n--)
		sum = (sum ^ *p++) * 0x100000001b3ULL;
	return sum;
}

static uint64_t sum_file(struct maestro *k, const char *path)
{
	static char buf[65536];
	int fd = maestro_open(k, path, O_RDONLY | O_NOATIME);
	uint64_t sum = 7;
	ssize_t n;

	if (fd < 0)
		return (uint64_t)(int64_t)fd;
	while ((n = maestro_read(k, fd, buf, sizeof(buf))) > 0)
		sum = mix(sum, buf, (size_t)n);
	maestro_close(k, fd);
	return n ? (uint64_t)(int64_t)n : sum;
}

void tree_object(struct maestro *k, const char *path, struct object *o)
{
	char full[MAX_PATH + 8], buf[512];
	struct stat st;
	ssize_t n;

	memset(o, 0, sizeof(*o));
	snprintf(o->path, sizeof(o->path), "%s", path);
	snprintf(full, sizeof(full), "/mnt/%s", path);
	if (maestro_lstat(k, full, &st)) {
		o->absent = true;
		return;
	}
	o->mode = st.st_mode;
	o->uid = st.st_uid;
	o->ino = st.st_ino;
	if (S_ISREG(st.st_mode)) {
		o->size = (uint64_t)st.st_size;
		o->sum = sum_file(k, full);
		n = maestro_lgetxattr(k, full, "user.t", buf, sizeof(buf));
		o->xattr = n > 0 ? mix(9, buf, (size_t)n) : 0;
	} else if (S_ISLNK(st.st_mode)) {
		n = maestro_readlink(k, full, buf, sizeof(buf));
		o->sum = n > 0 ? mix(8, buf, (size_t)n) : (uint64_t)n;
	}
}

static void read_dir(struct maestro *k, const char *path, struct tree *t)
{
	char buf[2048], full[MAX_PATH + 8], name[MAX_PATH];
	int fd;
	ssize_t n;

	snprintf(full, sizeof(full), "/mnt/%s", path);
	fd = maestro_open(k, full, O_RDONLY | O_DIRECTORY | O_NOATIME);
	if (fd < 0)
		return;
	while ((n = maestro_getdents64(k, fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buf + at);

			at += e->d_reclen;
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || t->n == MAX_OBJECTS)
				continue;
			if ((size_t)snprintf(name, sizeof(name), "%s%s%s", path, *path ? "/" : "", e->d_name) >= sizeof(name))
				continue;
			tree_object(k, name, &t->o[t->n++]);
			if (S_ISDIR(t->o[t->n - 1].mode) && strlen(name) < MAX_PATH / 2)
				read_dir(k, name, t);
		}
	maestro_close(k, fd);
}

void tree_read(struct maestro *k, struct tree *t)
{
	t->n = 0;
	read_dir(k, "", t);
}

const struct object *tree_find(const struct tree *t, const char *path)
{
	for (unsigned i = 0; i < t->n; i++)
		if (!t->o[i].absent && !strcmp(t->o[i].path, path))
			return &t->o[i];
	return NULL;
}
