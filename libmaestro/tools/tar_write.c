/* SPDX-License-Identifier: MIT */
/*
 * Packing a tree of an image. Names come sorted and nothing of the run gets in, so the same tree gives the same bytes.
 *
 * What a plain ustar header cannot say (long names, large numbers, fractions of seconds, attributes, holes) is said by a pax header before it, or in
 * GNU's ways, or is an error with ustar.
 *
 * What cannot be read is complained about and left out, or stands as zeros where its header is written already: the rest of a damaged image is packed.
 */
#include "img.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "tar.h"

struct writer {
	struct session *s;
	struct side from;
	int fd;
	const char *name;
	enum tar_format format;
	char *out; /* COPY_CHUNK */
	size_t used;
	uint64_t total;
	int err;   /* the archive cannot be written any more */
	char *buf; /* COPY_CHUNK */
	struct links links;
};
struct item {
	const char *path; /* in the image */
	const char *name; /* in the archive */
	struct stat st;
	char type;
	char link[4097];
	uint64_t stored;
	struct tar_run *runs; /* sparse */
	size_t nruns;
	bool sparse;
};

/* ---------------------------------------------------------------- the stream */
static int flush_out(struct writer *w)
{
	size_t at = 0;

	while (at < w->used) {
		ssize_t n = write(w->fd, w->out + at, w->used - at);

		if (n < 0 && errno != EINTR)
			return w->err = -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	w->used = 0;
	return 0;
}

static int put(struct writer *w, const void *data, size_t n)
{
	const char *p = data;

	w->total += n;
	while (n) {
		size_t part = COPY_CHUNK - w->used < n ? COPY_CHUNK - w->used : n;
		int err = 0;

		memcpy(w->out + w->used, p, part);
		w->used += part;
		p += part;
		n -= part;
		if (w->used == COPY_CHUNK)
			err = flush_out(w);
		if (err)
			return err;
	}
	return 0;
}

static int put_zeros(struct writer *w, uint64_t n)
{
	static const char zeros[TAR_RECORD];
	int err = 0;

	while (n && !err) {
		size_t part = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

		err = put(w, zeros, part);
		n -= part;
	}
	return err;
}

static int pad_block(struct writer *w, uint64_t n)
{
	return put_zeros(w, (TAR_BLOCK - n % TAR_BLOCK) % TAR_BLOCK);
}

/* ---------------------------------------------------------------- headers */
/* Octal with a NUL, or base 256 where it does not fit; false: only the latter. */
static bool put_number(char *field, size_t n, int64_t v)
{
	if (v >= 0 && (uint64_t)v < 1ull << (3 * (n - 1))) {
		char digits[24];

		snprintf(digits, sizeof(digits), "%0*" PRIo64, (int)n - 1, (uint64_t)v);
		memcpy(field, digits, n);
		return true;
	}
	for (size_t i = n; i--; v >>= 8)
		field[i] = (char)(v & 0xff);
	field[0] |= (char)0x80;
	return false;
}
#define PUT_NUMBER(field, v) put_number(field, sizeof(field), v)

static void put_checksum(struct tar_header *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned sum = 0;

	memset(h->checksum, ' ', sizeof(h->checksum));
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += p[i];
	snprintf(h->checksum, 7, "%06o", sum & 0777777);
}

/* Into name, or prefix and name. */
static bool put_name(struct tar_header *h, const char *name, bool prefix)
{
	size_t n = strlen(name);

	if (n <= sizeof(h->name)) {
		memcpy(h->name, name, n);
		return true;
	}
	for (const char *c = strchr(name, '/'); prefix && c; c = strchr(c + 1, '/')) {
		size_t before = (size_t)(c - name), rest = n - before - 1;

		if (before <= sizeof(h->prefix) && rest && rest <= sizeof(h->name)) {
			memcpy(h->prefix, name, before);
			memcpy(h->name, c + 1, rest);
			return true;
		}
	}
	memcpy(h->name, name, sizeof(h->name));
	return false;
}

static void put_magic(struct tar_header *h, enum tar_format format)
{
	if (format == TAR_GNU)
		memcpy(h->magic, "ustar  ", 8); /* and the version behind it */
	else
		memcpy(h->magic, "ustar\0" "00", 8);
}

/* An entry of type L, K or x with that data. */
static int put_describing(struct writer *w, char type, const char *name, const char *data, size_t n)
{
	struct tar_header h = {0};
	int err;

	(void)put_name(&h, name, false);
	(void)PUT_NUMBER(h.mode, 0644);
	(void)PUT_NUMBER(h.uid, 0);
	(void)PUT_NUMBER(h.gid, 0);
	(void)PUT_NUMBER(h.size, (int64_t)n);
	(void)PUT_NUMBER(h.mtime, 0);
	h.type = type;
	put_magic(&h, w->format);
	put_checksum(&h);
	err = put(w, &h, sizeof(h));
	if (!err)
		err = put(w, data, n);
	return err ? err : pad_block(w, n);
}

/* "LENGTH KEY=VALUE\n", where LENGTH counts itself. */
static void pax_record(struct text *t, const char *key, const char *val, size_t n)
{
	size_t body = strlen(key) + n + 3, len = body + 1, digits;
	char number[24];

	do {
		digits = (size_t)snprintf(number, sizeof(number), "%zu", len);
		if (digits + body == len)
			break;
		len = digits + body;
	} while (true);
	text_adds(t, number);
	text_adds(t, " ");
	text_adds(t, key);
	text_adds(t, "=");
	text_add(t, val, n);
	text_adds(t, "\n");
}

static void pax_number(struct text *t, const char *key, int64_t v)
{
	char digits[24];

	pax_record(t, key, digits, (size_t)snprintf(digits, sizeof(digits), "%" PRId64, v));
}

static void pax_time(struct text *t, const struct timespec *v)
{
	char digits[40];
	bool below = v->tv_sec < 0 && v->tv_nsec; /* -1 s and 0.25 s more are -0.75 s */
	long long seconds = (long long)v->tv_sec + below;
	int n = snprintf(digits, sizeof(digits), "%s%lld.%09ld", below && !seconds ? "-" : "", seconds, below ? 1000000000 - v->tv_nsec : v->tv_nsec);

	while (digits[n - 1] == '0')
		n--;
	pax_record(t, "mtime", digits, (size_t)(digits[n - 1] == '.' ? n - 1 : n));
}

static int pax_xattrs(struct writer *w, const struct item *it, struct text *t)
{
	char list[65536], val[65536], key[300];
	ssize_t n = side_listxattr(&w->from, it->path, list, sizeof(list));

	if (n < 0)
		return n == -EOPNOTSUPP ? 0 : (int)n;
	for (const char *name = list; name < list + n; name += strlen(name) + 1) {
		ssize_t len = side_getxattr(&w->from, it->path, name, val, sizeof(val));

		if (len < 0)
			return (int)len;
		snprintf(key, sizeof(key), "SCHILY.xattr.%.255s", name);
		pax_record(t, key, val, (size_t)len);
	}
	return 0;
}

/* The header that stands for it without its pax or GNU companions; *fits false: those are needed. */
static void fill_header(const struct writer *w, const struct item *it, struct tar_header *h, bool *name_fits, bool *link_fits, bool *numbers_fit)
{
	bool fit = true;

	*name_fits = put_name(h, it->name, w->format != TAR_GNU);
	*link_fits = strlen(it->link) <= sizeof(h->link);
	memcpy(h->link, it->link, *link_fits ? strlen(it->link) : sizeof(h->link));
	fit &= PUT_NUMBER(h->mode, it->st.st_mode & 07777);
	fit &= PUT_NUMBER(h->uid, it->st.st_uid);
	fit &= PUT_NUMBER(h->gid, it->st.st_gid);
	fit &= PUT_NUMBER(h->size, (int64_t)it->stored);
	fit &= PUT_NUMBER(h->mtime, it->st.st_mtim.tv_sec);
	if (it->type == '3' || it->type == '4') {
		fit &= PUT_NUMBER(h->major, major(it->st.st_rdev));
		fit &= PUT_NUMBER(h->minor, minor(it->st.st_rdev));
	}
	h->type = it->type;
	put_magic(h, w->format);
	*numbers_fit = fit;
}

static void map_text(const struct item *it, struct text *map)
{
	char line[64];

	snprintf(line, sizeof(line), "%zu\n", it->nruns);
	text_adds(map, line);
	for (size_t i = 0; i < it->nruns; i++) {
		snprintf(line, sizeof(line), "%" PRIu64 "\n%" PRIu64 "\n", it->runs[i].offset, it->runs[i].bytes);
		text_adds(map, line);
	}
	while (map->len % TAR_BLOCK)
		text_add(map, "", 1);
}

static int put_pax(struct writer *w, struct item *it, const struct text *map)
{
	struct tar_header h = {0};
	struct text t = {0}, name = {0};
	bool name_fits, link_fits, numbers_fit;
	const char *own = it->name;
	int err;

	if (it->sparse) {
		pax_record(&t, "GNU.sparse.major", "1", 1);
		pax_record(&t, "GNU.sparse.minor", "0", 1);
		pax_record(&t, "GNU.sparse.name", own, strlen(own));
		pax_number(&t, "GNU.sparse.realsize", it->st.st_size);
		text_add(&name, own, (size_t)(base_name(own) - own));
		text_adds(&name, "GNUSparseFile.0/");
		text_adds(&name, base_name(own));
		it->name = name.data;
		it->stored += map->len;
	}
	fill_header(w, it, &h, &name_fits, &link_fits, &numbers_fit);
	if (!name_fits)
		pax_record(&t, "path", it->name, strlen(it->name));
	if (!link_fits)
		pax_record(&t, "linkpath", it->link, strlen(it->link));
	if (it->st.st_uid > 07777777)
		pax_number(&t, "uid", it->st.st_uid);
	if (it->st.st_gid > 07777777)
		pax_number(&t, "gid", it->st.st_gid);
	if (it->stored > 077777777777)
		pax_number(&t, "size", (int64_t)it->stored);
	if (it->st.st_mtim.tv_nsec || it->st.st_mtim.tv_sec < 0 || it->st.st_mtim.tv_sec > 077777777777)
		pax_time(&t, &it->st.st_mtim);
	err = it->type == '1' ? 0 : pax_xattrs(w, it, &t);
	if (!err && t.len) {
		char label[100];

		snprintf(label, sizeof(label), "./PaxHeaders/%.80s", base_name(own));
		err = put_describing(w, 'x', label, t.data, t.len);
	}
	put_checksum(&h);
	if (!err)
		err = put(w, &h, sizeof(h));
	it->name = own;
	text_free(&t);
	text_free(&name);
	return err;
}

/* GNU: the map goes into the header and blocks behind it. */
static int put_gnu_map(struct writer *w, const struct item *it, struct tar_header *h)
{
	char *raw = (char *)h, block[TAR_BLOCK] = {0};
	struct tar_sparse *map = (void *)(raw + TAR_SPARSE_HEADER_AT);
	size_t i = 0;
	int err;

	for (; i < it->nruns && i < TAR_SPARSE_IN_HEADER; i++) {
		(void)PUT_NUMBER(map[i].offset, (int64_t)it->runs[i].offset);
		(void)PUT_NUMBER(map[i].bytes, (int64_t)it->runs[i].bytes);
	}
	raw[TAR_SPARSE_EXTENDED_AT] = i < it->nruns;
	(void)put_number(raw + TAR_SPARSE_REALSIZE_AT, 12, it->st.st_size);
	put_checksum(h);
	err = put(w, h, sizeof(*h));
	while (!err && i < it->nruns) {
		memset(block, 0, sizeof(block));
		map = (void *)block;
		for (size_t j = 0; j < TAR_SPARSE_IN_BLOCK && i < it->nruns; i++, j++) {
			(void)PUT_NUMBER(map[j].offset, (int64_t)it->runs[i].offset);
			(void)PUT_NUMBER(map[j].bytes, (int64_t)it->runs[i].bytes);
		}
		block[TAR_SPARSE_BLOCK_FLAG_AT] = i < it->nruns;
		err = put(w, block, sizeof(block));
	}
	return err;
}

static int put_gnu(struct writer *w, struct item *it)
{
	struct tar_header h = {0};
	bool name_fits, link_fits, numbers_fit;
	int err = 0;

	fill_header(w, it, &h, &name_fits, &link_fits, &numbers_fit);
	if (!link_fits)
		err = put_describing(w, 'K', "././@LongLink", it->link, strlen(it->link) + 1);
	if (!err && !name_fits)
		err = put_describing(w, 'L', "././@LongLink", it->name, strlen(it->name) + 1);
	if (err)
		return err;
	if (it->sparse) {
		h.type = 'S';
		return put_gnu_map(w, it, &h);
	}
	put_checksum(&h);
	return put(w, &h, sizeof(h));
}

static int put_ustar(struct writer *w, struct item *it)
{
	struct tar_header h = {0};
	bool name_fits, link_fits, numbers_fit;

	fill_header(w, it, &h, &name_fits, &link_fits, &numbers_fit);
	if (!name_fits || !link_fits)
		return -ENAMETOOLONG;
	if (!numbers_fit)
		return -EOVERFLOW;
	put_checksum(&h);
	return put(w, &h, sizeof(h));
}

/* ---------------------------------------------------------------- data */
static void add_run(struct item *it, int64_t offset, int64_t bytes)
{
	if (!(it->nruns & (it->nruns - 1)))
		it->runs = must_realloc(it->runs, (it->nruns ? it->nruns * 2 : 1) * sizeof(*it->runs));
	it->runs[it->nruns++] = (struct tar_run){(uint64_t)offset, (uint64_t)bytes};
	it->stored += (uint64_t)bytes;
}

static int find_runs(struct writer *w, int fd, struct item *it)
{
	int64_t at = 0, size = it->st.st_size;

	it->stored = (uint64_t)size;
	if (w->format == TAR_USTAR || it->st.st_blocks * 512 >= size)
		return 0;
	it->stored = 0;
	while (at < size) {
		int64_t data = side_seek(&w->from, fd, at, SEEK_DATA), hole;

		if (data == -ENXIO)
			break;
		hole = data < 0 ? data : side_seek(&w->from, fd, data, SEEK_HOLE);
		if (hole < 0)
			return (int)hole;
		if (hole > size)
			hole = size;
		add_run(it, data, hole - data);
		at = hole;
	}
	if (at < size)
		add_run(it, size, 0); /* says where the file ends */
	it->sparse = it->stored < (uint64_t)size;
	return 0;
}

static int put_run(struct writer *w, const char *path, int fd, uint64_t at, uint64_t n)
{
	int err = 0;

	while (n && !err) {
		size_t want = n < COPY_CHUNK ? (size_t)n : COPY_CHUNK;
		ssize_t got = side_read(&w->from, fd, w->buf, want, at);

		if (got <= 0) {
			complain(w->s, IMG_FAILED, got ? (int)got : -EIO, "%s: zeros stand for what cannot be read", path);
			return put_zeros(w, n);
		}
		err = put(w, w->buf, (size_t)got);
		at += (uint64_t)got;
		n -= (uint64_t)got;
		progress(w->s, 0, (uint64_t)got);
	}
	return err;
}

static int put_item(struct writer *w, struct item *it, const struct text *map)
{
	return w->format == TAR_PAX ? put_pax(w, it, map) : w->format == TAR_GNU ? put_gnu(w, it) : put_ustar(w, it);
}

static int put_regular(struct writer *w, struct item *it)
{
	struct text map = {0};
	uint64_t data;
	int fd = side_open(&w->from, it->path, O_RDONLY | O_NOFOLLOW, 0), err;

	if (fd < 0)
		return fd;
	err = find_runs(w, fd, it);
	data = it->stored;
	if (it->sparse && w->format == TAR_PAX)
		map_text(it, &map);
	if (!err)
		err = put_item(w, it, &map);
	if (!err && map.len)
		err = put(w, map.data, map.len);
	if (!err && !it->sparse)
		err = put_run(w, it->path, fd, 0, data);
	for (size_t i = 0; !err && it->sparse && i < it->nruns; i++)
		err = put_run(w, it->path, fd, it->runs[i].offset, it->runs[i].bytes);
	if (!err)
		err = pad_block(w, data);
	(void)side_close(&w->from, fd);
	free(it->runs);
	text_free(&map);
	return err;
}

/* ---------------------------------------------------------------- the tree */
static char type_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return '0';
	case S_IFLNK: return '2';
	case S_IFCHR: return '3';
	case S_IFBLK: return '4';
	case S_IFDIR: return '5';
	case S_IFIFO: return '6';
	default: return 0;
	}
}

static int put_one(struct writer *w, struct item *it)
{
	const char *other = NULL;

	it->type = type_of(it->st.st_mode);
	if (!it->type) {
		complain(w->s, IMG_OK, 0, "%s: archives have no sockets: left out", it->path);
		return 0;
	}
	if (!S_ISDIR(it->st.st_mode) && it->st.st_nlink > 1)
		other = links_note(&w->links, it->st.st_dev, it->st.st_ino, it->name);
	if (other) {
		it->type = '1';
		snprintf(it->link, sizeof(it->link), "%s", other);
		return put_item(w, it, NULL);
	}
	if (S_ISREG(it->st.st_mode))
		return put_regular(w, it);
	if (S_ISLNK(it->st.st_mode)) {
		int err = side_readlink(&w->from, it->path, it->link);

		if (err)
			return err;
	}
	return put_item(w, it, NULL);
}

/* The header of what is at path, and its data. */
static int put_path(struct writer *w, const struct stat *st, const char *path, struct text *name)
{
	struct item *it = must_alloc(sizeof(*it));
	size_t before = name->len;
	int err;

	if (S_ISDIR(st->st_mode))
		text_adds(name, "/");
	it->st = *st;
	it->path = path;
	it->name = name->data;
	err = put_one(w, it);
	text_cut(name, before);
	free(it);
	progress(w->s, 1, 0);
	return err;
}

static void put_tree(struct writer *w, struct text *path, struct text *name)
{
	struct names names = {0};
	struct stat st;
	int err = side_lstat(&w->from, path->data, &st);

	if (!err)
		err = put_path(w, &st, path->data, name);
	if (!err && S_ISDIR(st.st_mode))
		err = side_list(&w->from, path->data, &names);
	if (err && !w->err)
		complain(w->s, IMG_FAILED, err, "%s", path->data);
	for (size_t i = 0; !w->err && i < names.count; i++) {
		size_t p = text_push(path, names.list[i]), n = text_push(name, names.list[i]);

		put_tree(w, path, name);
		text_cut(path, p);
		text_cut(name, n);
	}
	names_free(&names);
}

enum img_exit tar_create(struct session *s, struct image *im, int fd, const char *name, const char *dir, enum tar_format format)
{
	struct writer w = {.s = s, .from = {s, im}, .fd = fd, .name = name, .format = format, .out = must_alloc(COPY_CHUNK), .buf = must_alloc(COPY_CHUNK)};
	struct text path = {0}, inner = {0};

	text_adds(&path, dir);
	text_adds(&inner, ".");
	put_tree(&w, &path, &inner);
	if (!w.err && !put_zeros(&w, 2ull * TAR_BLOCK) && !put_zeros(&w, (TAR_RECORD - w.total % TAR_RECORD) % TAR_RECORD))
		(void)flush_out(&w); /* w.err has it */
	if (w.err)
		complain(s, w.err == -ENOSPC ? IMG_NO_SPACE : IMG_FAILED, w.err, "%s", name);
	text_free(&path);
	text_free(&inner);
	links_free(&w.links);
	free(w.out);
	free(w.buf);
	return s->worst;
}
