/* SPDX-License-Identifier: MIT */
/*
 * Unpacking tar archives: v7, ustar, pax and GNU, with long names, large numbers, sparse files and extended attributes (SCHILY.xattr, as GNU tar,
 * bsdtar and star write them). Directories get their times at the end, when nothing is put into them any more.
 */
#include "img.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tar.h"

#define MAX_META (16u << 20) /* of a long name or a pax header: more is damage */

struct xattr {
	char *name, *val;
	size_t len;
};
struct entry {
	char *path, *link; /* own memory */
	struct stat st;
	char type;
	bool size_set, mtime_set, uid_set, gid_set; /* by a pax header, which rules over the plain one */
	struct xattr *xattrs;
	size_t nxattrs;
	struct tar_run *runs; /* sparse: where data lies */
	size_t nruns;
	bool sparse, map_in_data; /* GNU.sparse.major 1: the map stands before the data */
	uint64_t stored;	  /* bytes in the archive */
};
struct directory { /* times to be set at the end */
	char *path;
	struct timespec times[2];
};
struct reader {
	struct session *s;
	struct side to;
	const struct override *over;
	int fd;
	const char *name;
	const char *top; /* directory of the image */
	char *buf;	 /* COPY_CHUNK, of which [at, end) is unread */
	size_t at, end;
	uint64_t offset; /* in the archive, of `at` */
	struct entry global; /* pax 'g' */
	struct directory *dirs;
	size_t ndirs;
	char last_dir[4096]; /* known to be there */
};

/* ---------------------------------------------------------------- the stream */
/* Up to want bytes, contiguous: how many (0: the end), or -errno. */
static ssize_t take(struct reader *r, size_t want, char **out)
{
	size_t have;

	if (r->at == r->end) {
		ssize_t n;

		do
			n = read(r->fd, r->buf, COPY_CHUNK);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return -errno;
		r->at = 0;
		r->end = (size_t)n;
	}
	have = r->end - r->at;
	if (have > want)
		have = want;
	*out = r->buf + r->at;
	r->at += have;
	r->offset += have;
	return (ssize_t)have;
}

/* Exactly n bytes; -ENODATA at the end. out NULL: skipped. */
static int take_all(struct reader *r, void *out, uint64_t n)
{
	char *to = out;

	while (n) {
		char *p;
		ssize_t got = take(r, n < COPY_CHUNK ? (size_t)n : COPY_CHUNK, &p);

		if (got <= 0)
			return got ? (int)got : -ENODATA;
		if (to) {
			memcpy(to, p, (size_t)got);
			to += got;
		}
		n -= (uint64_t)got;
	}
	return 0;
}

static int skip_padding(struct reader *r, uint64_t n)
{
	return take_all(r, NULL, (TAR_BLOCK - n % TAR_BLOCK) % TAR_BLOCK);
}

/* ---------------------------------------------------------------- numbers */
/* Octal text, or GNU's base 256 with the top bit set. -1: neither. */
static int64_t number(const char *field, size_t n)
{
	const unsigned char *p = (const unsigned char *)field;
	uint64_t v = 0;
	size_t i = 0;

	if (p[0] & 0x80) {
		v = p[0] & 0x40 ? UINT64_MAX : 0; /* the sign */
		v = v << 6 | (p[0] & 0x3f);
		for (i = 1; i < n; i++)
			v = v << 8 | p[i];
		return (int64_t)v;
	}
	while (i < n && p[i] == ' ')
		i++;
	for (; i < n && p[i] >= '0' && p[i] <= '7'; i++)
		v = v << 3 | (p[i] - '0');
	return i < n && p[i] && p[i] != ' ' ? -1 : (int64_t)v;
}
#define NUMBER(field) number(field, sizeof(field))

static bool checksum_ok(const struct tar_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	int64_t plain = 0, with_sign = 0, told = NUMBER(h->checksum);

	for (size_t i = 0; i < TAR_BLOCK; i++) {
		bool blank = i >= offsetof(struct tar_header, checksum) && i < offsetof(struct tar_header, type);

		plain += blank ? ' ' : p[i];
		with_sign += blank ? ' ' : (signed char)p[i];
	}
	return told == plain || told == with_sign;
}

/* ---------------------------------------------------------------- entries */
static void entry_free(struct entry *e)
{
	free(e->path);
	free(e->link);
	for (size_t i = 0; i < e->nxattrs; i++) {
		free(e->xattrs[i].name);
		free(e->xattrs[i].val);
	}
	free(e->xattrs);
	free(e->runs);
	*e = (struct entry){0};
}

static void add_run(struct entry *e, uint64_t offset, uint64_t bytes)
{
	if (!(e->nruns & (e->nruns - 1)))
		e->runs = must_realloc(e->runs, (e->nruns ? e->nruns * 2 : 1) * sizeof(*e->runs));
	e->runs[e->nruns++] = (struct tar_run){offset, bytes};
}

static void set_string(char **to, const char *val, size_t n)
{
	free(*to);
	*to = must_alloc(n + 1);
	memcpy(*to, val, n);
}

static void set_xattr(struct entry *e, const char *name, const char *val, size_t n)
{
	struct xattr *x;

	e->xattrs = must_realloc(e->xattrs, (e->nxattrs + 1) * sizeof(*e->xattrs));
	x = &e->xattrs[e->nxattrs++];
	*x = (struct xattr){.name = must_dup(name), .len = n};
	x->val = must_alloc(n + 1);
	memcpy(x->val, val, n);
}

/* GNU.sparse.map of format 0.1: offset,bytes,offset,bytes ... */
static int sparse_list(struct entry *e, const char *val)
{
	while (*val) {
		char *end;
		uint64_t offset = strtoull(val, &end, 10), bytes;

		if (*end != ',')
			return -EINVAL;
		bytes = strtoull(end + 1, &end, 10);
		if (*end && *end != ',')
			return -EINVAL;
		add_run(e, offset, bytes);
		val = *end ? end + 1 : end;
	}
	return 0;
}

static int sparse_keyword(struct entry *e, const char *key, const char *val, size_t n)
{
	e->sparse = true;
	if (!strcmp(key, "name"))
		set_string(&e->path, val, n);
	else if (!strcmp(key, "size") || !strcmp(key, "realsize"))
		e->st.st_size = (off_t)strtoull(val, NULL, 10);
	else if (!strcmp(key, "major"))
		e->map_in_data = atoi(val) >= 1;
	else if (!strcmp(key, "map"))
		return sparse_list(e, val);
	else if (!strcmp(key, "offset"))
		add_run(e, strtoull(val, NULL, 10), 0);
	else if (!strcmp(key, "numbytes") && e->nruns)
		e->runs[e->nruns - 1].bytes = strtoull(val, NULL, 10);
	return 0;
}

static int keyword(struct entry *e, const char *key, const char *val, size_t n)
{
	if (!strncmp(key, "GNU.sparse.", 11))
		return sparse_keyword(e, key + 11, val, n);
	if (!strcmp(key, "path")) {
		if (!e->sparse)
			set_string(&e->path, val, n);
	} else if (!strcmp(key, "linkpath")) {
		set_string(&e->link, val, n);
	} else if (!strcmp(key, "size")) {
		e->stored = strtoull(val, NULL, 10);
		e->size_set = true;
	} else if (!strcmp(key, "uid")) {
		e->st.st_uid = (uid_t)strtoul(val, NULL, 10);
		e->uid_set = true;
	} else if (!strcmp(key, "gid")) {
		e->st.st_gid = (gid_t)strtoul(val, NULL, 10);
		e->gid_set = true;
	} else if (!strcmp(key, "mtime")) {
		(void)parse_seconds(val, &e->st.st_mtim);
		e->mtime_set = true;
	} else if (!strncmp(key, "SCHILY.xattr.", 13)) {
		set_xattr(e, key + 13, val, n);
	}
	return 0;
}

/* A pax header: records of "LENGTH KEY=VALUE\n". */
static int pax_records(struct entry *e, char *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		char *end, *eq, *key;
		uint64_t n = strtoull(data + at, &end, 10);
		int err;

		if (data[at] < '0' || data[at] > '9' || *end != ' ' || !n || n > len - at || data[at + n - 1] != '\n')
			return -EINVAL;
		key = end + 1;
		data[at + n - 1] = 0;
		eq = memchr(key, '=', (size_t)(data + at + n - key));
		if (!eq)
			return -EINVAL;
		*eq = 0;
		err = keyword(e, key, eq + 1, (size_t)(data + at + n - 1 - (eq + 1)));
		if (err)
			return err;
		at += n;
	}
	return 0;
}

/* The data of an entry that describes the next one. The caller frees *out. */
static int take_meta(struct reader *r, uint64_t n, char **out)
{
	int err;

	if (n > MAX_META)
		return -EINVAL;
	*out = must_alloc((size_t)n + 1);
	err = take_all(r, *out, n);
	if (!err)
		err = skip_padding(r, n);
	if (err)
		free(*out);
	return err;
}

/* GNU 'S': runs in the header and in blocks behind it. */
static int gnu_sparse(struct reader *r, struct entry *e, const struct tar_header *h)
{
	const char *raw = (const char *)h;
	const struct tar_sparse *map = (const void *)(raw + TAR_SPARSE_HEADER_AT);
	char block[TAR_BLOCK];
	size_t n = TAR_SPARSE_IN_HEADER;
	bool more = raw[TAR_SPARSE_EXTENDED_AT];

	e->sparse = true;
	e->st.st_size = (off_t)number(raw + TAR_SPARSE_REALSIZE_AT, 12);
	for (;;) {
		for (size_t i = 0; i < n && map[i].bytes[0]; i++)
			add_run(e, (uint64_t)NUMBER(map[i].offset), (uint64_t)NUMBER(map[i].bytes));
		if (!more)
			return 0;
		if (take_all(r, block, sizeof(block)))
			return -EINVAL;
		map = (const void *)block;
		n = TAR_SPARSE_IN_BLOCK;
		more = block[TAR_SPARSE_BLOCK_FLAG_AT];
	}
}

static mode_t type_bits(char type, const char *path)
{
	size_t n = strlen(path);

	switch (type) {
	case '2': return S_IFLNK;
	case '3': return S_IFCHR;
	case '4': return S_IFBLK;
	case '5': case 'D': return S_IFDIR;
	case '6': return S_IFIFO;
	default: return n && path[n - 1] == '/' ? S_IFDIR : S_IFREG;
	}
}

static int plain_fields(struct reader *r, struct entry *e, const struct tar_header *h)
{
	int64_t size = NUMBER(h->size), mode = NUMBER(h->mode), uid = NUMBER(h->uid), gid = NUMBER(h->gid);
	bool ustar = !memcmp(h->magic, "ustar\0", 6);

	if (size < 0 || mode < 0)
		return -EINVAL;
	e->type = h->type;
	if (!e->path) {
		struct text t = {0};

		if (ustar && h->prefix[0]) {
			text_add(&t, h->prefix, strnlen(h->prefix, sizeof(h->prefix)));
			text_add(&t, "/", 1);
		}
		text_add(&t, h->name, strnlen(h->name, sizeof(h->name)));
		e->path = t.data;
	}
	if (!e->link)
		set_string(&e->link, h->link, strnlen(h->link, sizeof(h->link)));
	if (!e->size_set)
		e->stored = (uint64_t)size;
	if (h->type >= '1' && h->type <= '6') /* links, devices, directories: no data, whatever size says */
		e->stored = 0;
	if (!e->uid_set)
		e->st.st_uid = (uid_t)uid;
	if (!e->gid_set)
		e->st.st_gid = (gid_t)gid;
	if (!e->mtime_set)
		e->st.st_mtim.tv_sec = NUMBER(h->mtime);
	e->st.st_mode = type_bits(h->type, e->path) | ((mode_t)mode & 07777);
	if (h->type == '3' || h->type == '4')
		e->st.st_rdev = makedev((unsigned)NUMBER(h->major), (unsigned)NUMBER(h->minor));
	if (h->type == 'S')
		return gnu_sparse(r, e, h);
	if (!e->sparse)
		e->st.st_size = (off_t)e->stored;
	return 0;
}

/* Entries 'L', 'K', 'x', 'g' describe what follows. */
static int describing(struct reader *r, struct entry *e, const struct tar_header *h, bool *was)
{
	int64_t size = NUMBER(h->size);
	char *data;
	int err;

	*was = h->type && strchr("LKxgX", h->type);
	if (!*was)
		return 0;
	if (size < 0)
		return -EINVAL;
	err = take_meta(r, (uint64_t)size, &data);
	if (err)
		return err;
	if (h->type == 'L')
		set_string(&e->path, data, strlen(data));
	else if (h->type == 'K')
		set_string(&e->link, data, strlen(data));
	else
		err = pax_records(h->type == 'g' ? &r->global : e, data, (size_t)size);
	free(data);
	return err;
}

/* The next entry; *more false at the end of the archive. */
static int next_entry(struct reader *r, struct entry *e, bool *more)
{
	struct tar_header h;
	unsigned zeros = 0;
	int err;

	*e = (struct entry){0};
	*more = true;
	/* A global header holds for all that do not say otherwise; only owners and times are of use. */
	if (r->global.uid_set)
		e->st.st_uid = r->global.st.st_uid, e->uid_set = true;
	if (r->global.gid_set)
		e->st.st_gid = r->global.st.st_gid, e->gid_set = true;
	if (r->global.mtime_set)
		e->st.st_mtim = r->global.st.st_mtim, e->mtime_set = true;
	for (;;) {
		bool meta;

		err = take_all(r, &h, sizeof(h));
		if (err == -ENODATA || (!err && !h.name[0] && !h.checksum[0] && ++zeros == 2)) {
			*more = false;
			return err && r->offset == 0 ? err : 0;
		}
		if (err)
			return err;
		if (!h.name[0] && !h.checksum[0])
			continue;
		if (!checksum_ok(&h))
			return -EBADMSG;
		err = describing(r, e, &h, &meta);
		if (err || !meta)
			return err ? err : plain_fields(r, e, &h);
	}
}

/* ---------------------------------------------------------------- putting them into the image */
/* The name in the image: inside the top directory, whatever the archive says. NULL: it would lead out. */
static char *inside(struct reader *r, const char *name)
{
	struct text t = {0};

	text_adds(&t, r->top);
	while (*name) {
		size_t n = strcspn(name, "/");

		if (n == 2 && !memcmp(name, "..", 2)) {
			text_free(&t);
			return NULL;
		}
		if (n && !(n == 1 && *name == '.')) {
			if (t.data[t.len - 1] != '/')
				text_add(&t, "/", 1);
			text_add(&t, name, n);
		}
		name += n;
		while (*name == '/')
			name++;
	}
	return t.data;
}

static int make_parents(struct reader *r, const char *path)
{
	const char *slash = strrchr(path, '/');
	char dir[4096];
	size_t n = (size_t)(slash - path);
	int err;

	if (!n)
		return 0;
	if (n >= sizeof(dir))
		return -ENAMETOOLONG;
	memcpy(dir, path, n);
	dir[n] = 0;
	if (!strcmp(dir, r->last_dir))
		return 0;
	err = side_make_path(&r->to, dir, 0755);
	if (!err)
		strcpy(r->last_dir, dir);
	return err;
}

static int write_run(struct reader *r, int fd, uint64_t offset, uint64_t n, uint64_t *left)
{
	while (n) {
		char *p;
		ssize_t got = take(r, n < COPY_CHUNK ? (size_t)n : COPY_CHUNK, &p);
		int err;

		if (got <= 0)
			return got ? (int)got : -ENODATA;
		err = side_write(&r->to, fd, p, (size_t)got, offset);
		if (err)
			return err;
		offset += (uint64_t)got;
		n -= (uint64_t)got;
		*left -= (uint64_t)got;
		progress(r->s, 0, (uint64_t)got);
	}
	return 0;
}

/* One decimal line of a map that stands before the data. */
static int map_number(struct reader *r, uint64_t *taken, uint64_t *out)
{
	char digits[24], *p;

	for (size_t i = 0; i < sizeof(digits); i++) {
		if (take(r, 1, &p) != 1)
			return -ENODATA;
		++*taken;
		if (*p == '\n') {
			digits[i] = 0;
			return parse_number(digits, INT64_MAX, out);
		}
		digits[i] = *p;
	}
	return -EINVAL;
}

static int take_map(struct reader *r, struct entry *e)
{
	uint64_t taken = 0, n, offset, bytes;
	int err = map_number(r, &taken, &n);

	for (; !err && n; n--) {
		err = map_number(r, &taken, &offset);
		if (!err)
			err = map_number(r, &taken, &bytes);
		if (!err)
			add_run(e, offset, bytes);
	}
	if (!err)
		err = skip_padding(r, taken);
	taken = (taken + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
	if (!err && taken > e->stored)
		err = -EINVAL;
	if (!err)
		e->stored -= taken;
	return err;
}

static int put_data(struct reader *r, struct entry *e, int fd, uint64_t *left)
{
	int err = 0;

	*left = e->stored;
	if (!e->sparse)
		return write_run(r, fd, 0, e->stored, left);
	if (e->map_in_data)
		err = take_map(r, e);
	*left = e->stored;
	for (size_t i = 0; !err && i < e->nruns; i++) {
		if (e->runs[i].bytes > *left || e->runs[i].offset > (uint64_t)e->st.st_size || e->runs[i].bytes > (uint64_t)e->st.st_size - e->runs[i].offset)
			return -EINVAL;
		err = write_run(r, fd, e->runs[i].offset, e->runs[i].bytes, left);
	}
	return err ? err : side_resize(&r->to, fd, (uint64_t)e->st.st_size);
}

static int put_file(struct reader *r, struct entry *e, const char *path, uint64_t *left)
{
	int err, close_err, fd = side_open(&r->to, path, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (fd < 0)
		return fd;
	err = put_data(r, e, fd, left);
	close_err = side_close(&r->to, fd);
	return err ? err : close_err;
}

static int put_directory(struct reader *r, const struct entry *e, const char *path)
{
	int err = side_mkdir(&r->to, path, 0700);

	if (err == -EEXIST) {
		struct stat st;

		err = side_stat(&r->to, path, &st); /* a link to a directory may stand for it */
		if (!err && !S_ISDIR(st.st_mode)) {
			err = side_unlink(&r->to, path);
			if (!err)
				err = side_mkdir(&r->to, path, 0700);
		} else if (!err) {
			struct stat own;

			if (!side_lstat(&r->to, path, &own) && S_ISLNK(own.st_mode))
				return -EISDIR; /* as the link: its owner and mode stay */
		}
	}
	if (err)
		return err;
	if (!(r->ndirs & (r->ndirs - 1)))
		r->dirs = must_realloc(r->dirs, (r->ndirs ? r->ndirs * 2 : 1) * sizeof(*r->dirs));
	r->dirs[r->ndirs++] = (struct directory){must_dup(path), {e->st.st_mtim, e->st.st_mtim}};
	return 0;
}

/* What is there goes, but a directory. */
static int put_other(struct reader *r, struct entry *e, const char *path, uint64_t *left)
{
	struct stat st;
	int err = side_lstat(&r->to, path, &st);

	if (!err)
		err = S_ISDIR(st.st_mode) ? -EISDIR : side_unlink(&r->to, path);
	if (err && err != -ENOENT)
		return err;
	if (S_ISLNK(e->st.st_mode))
		return side_symlink(&r->to, e->link, path);
	if (S_ISREG(e->st.st_mode))
		return put_file(r, e, path, left);
	return side_mknod(&r->to, path, (e->st.st_mode & S_IFMT) | 0600, e->st.st_rdev);
}

static int put_hard_link(struct reader *r, struct entry *e, const char *path)
{
	char *target = inside(r, e->link);
	int err = target ? 0 : -EXDEV;

	if (!err && strcmp(target, path) != 0) {
		(void)side_unlink(&r->to, path);
		err = side_link(&r->to, target, path);
	}
	free(target);
	return err;
}

static int put_entry(struct reader *r, struct entry *e, const char *path, uint64_t *left)
{
	int err;

	if (e->type == '1')
		return put_hard_link(r, e, path);
	err = S_ISDIR(e->st.st_mode) ? put_directory(r, e, path) : put_other(r, e, path, left);
	if (err)
		return S_ISDIR(e->st.st_mode) && err == -EISDIR ? 0 : err;
	for (size_t i = 0; !err && i < e->nxattrs; i++)
		err = side_setxattr(&r->to, path, e->xattrs[i].name, e->xattrs[i].val, e->xattrs[i].len);
	if (r->over->uid >= 0)
		e->st.st_uid = (uid_t)r->over->uid;
	if (r->over->gid >= 0)
		e->st.st_gid = (gid_t)r->over->gid;
	if (!err && r->over->mode)
		err = parse_mode(r->over->mode, e->st.st_mode, &e->st.st_mode);
	e->st.st_atim = e->st.st_mtim;
	return err ? err : put_meta(&r->to, path, &e->st);
}

/* One entry with its data. */
static enum img_exit one_entry(struct reader *r, struct entry *e)
{
	char *path = inside(r, e->path);
	uint64_t before = r->offset, left = e->stored, whole, taken;
	int err;

	if (!path) {
		complain(r->s, IMG_FAILED, 0, "%s: %s leads out of the archive: left out", r->name, e->path);
		err = 0;
	} else {
		err = make_parents(r, path);
		if (!err)
			err = put_entry(r, e, path, &left);
	}
	if (err == -ENODATA) {
		complain(r->s, IMG_FAILED, 0, "%s: ends in the middle of %s", r->name, e->path);
		free(path);
		return IMG_FAILED;
	}
	if (err) {
		enum img_exit bad = complain_write(r->s, r->to.im, path ? path : e->path, err, left);

		free(path);
		return bad == IMG_NO_SPACE || bad == IMG_WRITE ? bad : IMG_FAILED;
	}
	free(path);
	progress(r->s, 1, 0);
	/* what of its data was not taken, and the padding */
	taken = r->offset - before;
	whole = e->map_in_data ? taken + left : e->stored;
	err = take_all(r, NULL, whole - taken);
	if (!err)
		err = skip_padding(r, whole);
	if (err)
		complain(r->s, IMG_FAILED, 0, "%s: ends in the middle of %s", r->name, e->path);
	return err ? IMG_FAILED : IMG_OK;
}

static void end_directories(struct reader *r)
{
	while (r->ndirs) {
		struct directory *d = &r->dirs[--r->ndirs];

		(void)side_times(&r->to, d->path, d->times); /* it may be gone again */
		free(d->path);
	}
	free(r->dirs);
}

enum img_exit tar_extract(struct session *s, struct image *im, int fd, const char *name, const char *dir, const struct override *over)
{
	struct reader *r = must_alloc(sizeof(*r));
	enum img_exit bad = IMG_OK;
	bool more = true;

	*r = (struct reader){.s = s, .to = {s, im}, .over = over, .fd = fd, .name = name, .top = dir, .buf = must_alloc(COPY_CHUNK)};
	while (!bad && more) {
		struct entry e;
		int err = next_entry(r, &e, &more);

		if (err) {
			bool damaged = err == -EBADMSG || err == -EINVAL;

			complain(s, IMG_FAILED, damaged ? 0 : err, "%s: %s near byte %llu", name, damaged ? "no tar archive, or damaged" : "cannot be read",
				 (unsigned long long)r->offset);
			bad = IMG_FAILED;
		} else if (more) {
			bad = one_entry(r, &e);
		}
		entry_free(&e);
	}
	end_directories(r);
	entry_free(&r->global);
	free(r->buf);
	free(r);
	return bad;
}

/* ---------------------------------------------------------------- compressed archives */
static const char *program_for(const unsigned char *magic)
{
	static const struct {
		const char *bytes, *program;
		size_t n;
	} known[] = {{"\x1f\x8b", "gzip", 2}, {"\xfd" "7zXZ", "xz", 5}, {"\x28\xb5\x2f\xfd", "zstd", 4}, {"BZh", "bzip2", 3}, {"LZIP", "lzip", 4}};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!memcmp(magic, known[i].bytes, known[i].n))
			return known[i].program;
	return NULL;
}

int tar_open(const char *name, pid_t *child)
{
	unsigned char magic[8] = {0};
	const char *program;
	int fd, ends[2];

	*child = 0;
	if (!strcmp(name, "-"))
		return STDIN_FILENO;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	program = pread(fd, magic, sizeof(magic), 0) > 0 ? program_for(magic) : NULL;
	if (!program)
		return fd;
	if (pipe2(ends, O_CLOEXEC)) {
		close(fd);
		return -errno;
	}
	*child = fork();
	if (!*child) {
		dup2(fd, STDIN_FILENO);
		dup2(ends[1], STDOUT_FILENO);
		execlp(program, program, "-dc", (char *)NULL);
		fprintf(stderr, "maestro-img: %s is packed with %s, which is not installed\n", name, program);
		_exit(127);
	}
	close(fd);
	close(ends[1]);
	if (*child < 0) {
		close(ends[0]);
		return -errno;
	}
	return ends[0];
}
