/* SPDX-License-Identifier: MIT */
/* Reading a whole tree; see tree_host.h. */
#include "tree_host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <maestro.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_SIZE 4096
#define CHUNK 65536

long world_call(const struct world *w, long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e)
{
	long r;

	if (w->k)
		return maestro_syscall6(w->k, nr, a, b, c, d, e, 0);
	r = syscall(nr, a, b, c, d, e, 0);
	return r < 0 ? -errno : r;
}

struct walk {
	const struct world *w;
	const struct limits *limits;
	FILE *out;
	unsigned count, depth;
	uint8_t *chunk;
};

struct names {
	char **list;
	size_t n, room;
};

static uint64_t hash(uint64_t h, const void *p, size_t n)
{
	const uint8_t *s = p;

	while (n--)
		h = (h ^ *s++) * 0x100000001b3u;
	return h;
}
#define HASH_START 0xcbf29ce484222325u

static void names_add(struct names *a, const char *name)
{
	if (a->n == a->room) {
		a->room = a->room ? 2 * a->room : 64;
		a->list = realloc(a->list, a->room * sizeof(a->list[0]));
		if (!a->list)
			abort();
	}
	a->list[a->n] = strdup(name);
	if (!a->list[a->n++])
		abort();
}

static void names_free(struct names *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->list[i]);
	free(a->list);
}

static int name_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void names_sort(struct names *a)
{
	if (a->n)
		qsort(a->list, a->n, sizeof(a->list[0]), name_cmp);
}

/* One line must stay one line, whatever the name. */
static void put_text(FILE *out, const char *s)
{
	for (; *s; s++) {
		if (*s > ' ' && *s < 127 && *s != '\\')
			fputc(*s, out);
		else
			fprintf(out, "\\%03o", (uint8_t)*s);
	}
}

static void read_xattrs(struct walk *k, const char *path)
{
	char *list = (char *)k->chunk, *value = NULL;
	struct names a = { 0 };
	long n = CALL(k->w, SYS_llistxattr, path, list, CHUNK, 0, 0);

	if (n > 0)
		value = malloc(CHUNK);
	if (n < 0 && k->out)
		fprintf(k->out, " xattrs:%ld", n);
	for (long at = 0; at < n; at += (long)strlen(list + at) + 1)
		names_add(&a, list + at);
	names_sort(&a);
	for (size_t i = 0; i < a.n && value; i++) {
		n = CALL(k->w, SYS_lgetxattr, path, a.list[i], value, CHUNK, 0);
		if (!k->out)
			continue;
		fputc(' ', k->out);
		put_text(k->out, a.list[i]);
		fprintf(k->out, "=%ld:%llx", n, (unsigned long long)hash(HASH_START, value, n > 0 ? (size_t)n : 0));
	}
	names_free(&a);
	free(value);
}

static void read_map(struct walk *k, int fd, uint64_t size)
{
	long at = 0, err = 0;

	/* At most some pieces: a hostile file may have very many. */
	for (unsigned i = 0; i < 1000 && (uint64_t)at < size; i++) {
		long data = CALL(k->w, SYS_lseek, fd, at, SEEK_DATA, 0, 0), hole;

		if (data < 0) {
			err = data;
			break;
		}
		hole = CALL(k->w, SYS_lseek, fd, data, SEEK_HOLE, 0, 0);
		if (k->out)
			fprintf(k->out, " %lx-%lx", data, hole);
		err = hole < 0 ? hole : 0;
		if (hole <= at)
			break;
		at = hole;
	}
	if (k->out && err && err != -ENXIO)
		fprintf(k->out, " map:%ld", err);
}

static void read_file(struct walk *k, const char *path, uint64_t size)
{
	uint64_t h = HASH_START, total = 0, most = k->limits->file_bytes;
	long fd = CALL(k->w, SYS_openat, AT_FDCWD, path, O_RDONLY | O_NOATIME | O_NONBLOCK, 0, 0), n;

	if (fd < 0) {
		if (k->out)
			fprintf(k->out, " open:%ld", fd);
		return;
	}
	read_map(k, (int)fd, size);
	CALL(k->w, SYS_lseek, fd, 0, SEEK_SET, 0, 0);
	while ((n = CALL(k->w, SYS_read, fd, k->chunk, CHUNK, 0, 0)) > 0) {
		if (k->out)
			h = hash(h, k->chunk, (size_t)n);
		total += (uint64_t)n;
		if (most && total >= most)
			break;
	}
	if (most && size > total) { /* its end as well */
		CALL(k->w, SYS_pread64, fd, k->chunk, CHUNK, size > CHUNK ? size - CHUNK : 0, 0);
	}
	if (k->out)
		fprintf(k->out, " %llu:%llx:%ld", (unsigned long long)total, (unsigned long long)h, n);
	CALL(k->w, SYS_close, fd, 0, 0, 0, 0);
}

static void read_link(struct walk *k, const char *path)
{
	long n = CALL(k->w, SYS_readlinkat, AT_FDCWD, path, k->chunk, CHUNK - 1, 0);

	if (!k->out)
		return;
	k->chunk[n > 0 ? n : 0] = 0;
	fprintf(k->out, " %ld:", n);
	put_text(k->out, (char *)k->chunk);
}

static void read_any(struct walk *k, const char *path);

static void read_dir(struct walk *k, const char *path)
{
	long fd = CALL(k->w, SYS_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOATIME, 0, 0), n;
	unsigned most = k->limits->entries;
	struct names a = { 0 };

	if (fd < 0) {
		if (k->out)
			fprintf(k->out, " open:%ld\n", fd);
		return;
	}
	while ((n = CALL(k->w, SYS_getdents64, fd, k->chunk, CHUNK, 0, 0)) > 0 && (!most || a.n < most)) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const void *)(k->chunk + at);

			names_add(&a, d->d_name);
			at += d->d_reclen;
		}
	}
	CALL(k->w, SYS_close, fd, 0, 0, 0, 0);
	if (k->out)
		fprintf(k->out, " entries:%zu:%ld\n", a.n, n);
	names_sort(&a);
	k->depth++;
	for (size_t i = 0; i < a.n && (!most || k->count < most); i++) {
		char full[PATH_SIZE];

		if (!strcmp(a.list[i], ".") || !strcmp(a.list[i], ".."))
			continue;
		if (snprintf(full, sizeof(full), "%s/%s", path, a.list[i]) < (int)sizeof(full))
			read_any(k, full);
	}
	k->depth--;
	names_free(&a);
}

static void read_any(struct walk *k, const char *path)
{
	struct statx st;
	long err = CALL(k->w, SYS_statx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &st);

	k->count++;
	if (k->out)
		put_text(k->out, path);
	if (err) {
		if (k->out)
			fprintf(k->out, " stat:%ld\n", err);
		return;
	}
	if (k->out)
		fprintf(k->out, " %o %u:%u %llu links %u size %llu blocks %llu dev %x:%x a %lld.%u m %lld.%u c %lld.%u b %lld.%u attr %llx", st.stx_mode,
			st.stx_uid, st.stx_gid, (unsigned long long)st.stx_ino, st.stx_nlink, (unsigned long long)st.stx_size,
			(unsigned long long)st.stx_blocks, st.stx_rdev_major, st.stx_rdev_minor, (long long)st.stx_atime.tv_sec, st.stx_atime.tv_nsec,
			(long long)st.stx_mtime.tv_sec, st.stx_mtime.tv_nsec, (long long)st.stx_ctime.tv_sec, st.stx_ctime.tv_nsec,
			(long long)(st.stx_mask & STATX_BTIME ? st.stx_btime.tv_sec : -1), st.stx_mask & STATX_BTIME ? st.stx_btime.tv_nsec : 0,
			(unsigned long long)st.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_NODUMP | STATX_ATTR_ENCRYPTED |
								 STATX_ATTR_VERITY));
	read_xattrs(k, path);
	if ((st.stx_mode & S_IFMT) == S_IFREG)
		read_file(k, path, st.stx_size);
	else if ((st.stx_mode & S_IFMT) == S_IFLNK)
		read_link(k, path);
	if ((st.stx_mode & S_IFMT) == S_IFDIR && (!k->limits->depth || k->depth < k->limits->depth))
		read_dir(k, path);
	else if (k->out)
		fputc('\n', k->out);
}

unsigned tree_read(const struct world *w, const char *path, const struct limits *limits, FILE *out)
{
	struct walk k = { .w = w, .limits = limits, .out = out, .chunk = malloc(CHUNK) };

	if (!k.chunk)
		abort();
	read_any(&k, path);
	free(k.chunk);
	return k.count;
}
