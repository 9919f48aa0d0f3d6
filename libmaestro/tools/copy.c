/* SPDX-License-Identifier: MIT */
/*
 * Trees from side to side: types, data with holes, several names of one file, owners, modes, times, extended attributes (and with them ACLs).
 * A directory gets its times when it is full, so they are those of the source.
 */
#include "img.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---------------------------------------------------------------- files with several names */
struct link_entry {
	dev_t dev;
	ino_t ino;
	char *path; /* NULL: free */
};

static struct link_entry *links_slot(struct link_entry *slots, size_t size, dev_t dev, ino_t ino)
{
	size_t i = (ino * 0x9e3779b97f4a7c15ULL ^ dev) & (size - 1);

	while (slots[i].path && (slots[i].ino != ino || slots[i].dev != dev))
		i = (i + 1) & (size - 1);
	return &slots[i];
}

static void links_grow(struct links *l)
{
	size_t size = l->size ? l->size * 2 : 1024;
	struct link_entry *slots = must_alloc(size * sizeof(*slots));

	for (size_t i = 0; i < l->size; i++)
		if (l->slots[i].path)
			*links_slot(slots, size, l->slots[i].dev, l->slots[i].ino) = l->slots[i];
	free(l->slots);
	l->slots = slots;
	l->size = size;
}

const char *links_note(struct links *l, dev_t dev, ino_t ino, const char *path)
{
	struct link_entry *e;

	if (l->count * 2 >= l->size)
		links_grow(l);
	e = links_slot(l->slots, l->size, dev, ino);
	if (e->path)
		return e->path;
	*e = (struct link_entry){.dev = dev, .ino = ino, .path = must_dup(path)};
	l->count++;
	return NULL;
}

void links_free(struct links *l)
{
	for (size_t i = 0; i < l->size; i++)
		free(l->slots[i].path);
	free(l->slots);
	*l = (struct links){0};
}

/* ---------------------------------------------------------------- what is not data */
int put_meta(struct side *to, const char *path, const struct stat *st)
{
	const struct timespec times[2] = {st->st_atim, st->st_mtim};
	int err = side_chown(to, path, st->st_uid, st->st_gid);

	if (err == -EPERM && !to->im)
		err = 0; /* an ordinary user of the host: told once by the caller */
	if (!err && !S_ISLNK(st->st_mode)) /* after the owner, which takes set-id bits away */
		err = side_chmod(to, path, st->st_mode);
	return err ? err : side_times(to, path, times);
}

static int copy_xattr(struct copy *c, const char *from, const char *to, const char *name)
{
	char val[65536];
	ssize_t n = side_getxattr(&c->from, from, name, val, sizeof(val));
	int err;

	if (n < 0)
		return (int)n;
	err = side_setxattr(&c->to, to, name, val, (size_t)n);
	if (!c->to.im && (err == -EPERM || err == -EOPNOTSUPP)) {
		if (!c->warned_xattr)
			complain(c->s, IMG_OK, 0, "%s: %s and the like are not kept: the host refuses them", to, name);
		c->warned_xattr = true;
		return 0;
	}
	return err;
}

static int copy_xattrs(struct copy *c, const char *from, const char *to)
{
	char list[65536];
	ssize_t n = side_listxattr(&c->from, from, list, sizeof(list));
	int err = 0;

	if (n == -EOPNOTSUPP || n == -ENODATA)
		return 0;
	if (n < 0)
		return (int)n;
	for (const char *name = list; !err && name < list + n; name += strlen(name) + 1)
		err = copy_xattr(c, from, to, name);
	return err;
}

static int finish(struct copy *c, const char *from, const char *to, struct stat *st)
{
	int err = copy_xattrs(c, from, to);

	if (c->over.uid >= 0)
		st->st_uid = (uid_t)c->over.uid;
	if (c->over.gid >= 0)
		st->st_gid = (gid_t)c->over.gid;
	if (c->over.mode && !S_ISLNK(st->st_mode) && !err)
		err = parse_mode(c->over.mode, st->st_mode, &st->st_mode);
	if (c->s->epoch >= 0 && c->to.im) { /* reading the source may have changed its access time; nothing is younger than the epoch */
		if (st->st_mtim.tv_sec > c->s->epoch)
			st->st_mtim = (struct timespec){.tv_sec = c->s->epoch};
		st->st_atim = st->st_mtim;
	}
	if (!c->to.im && !c->warned_owner && geteuid() && st->st_uid != geteuid()) {
		complain(c->s, IMG_OK, 0, "owners are not kept: only root may give files away (fakeroot can record them)");
		c->warned_owner = true;
	}
	return err ? err : put_meta(&c->to, to, st);
}

/* ---------------------------------------------------------------- data */
static int copy_range(struct copy *c, int in, int out, uint64_t at, uint64_t end, uint64_t *left)
{
	while (at < end) {
		size_t want = end - at < COPY_CHUNK ? (size_t)(end - at) : COPY_CHUNK;
		ssize_t n = side_read(&c->from, in, c->buf, want, at);
		int err;

		if (n <= 0)
			return (int)n; /* 0: it became shorter */
		err = side_write(&c->to, out, c->buf, (size_t)n, at);
		if (err)
			return err;
		at += (uint64_t)n;
		*left -= (uint64_t)n < *left ? (uint64_t)n : *left;
		progress(c->s, 0, (uint64_t)n);
	}
	return 0;
}

/* Only what is no hole. */
static int copy_data(struct copy *c, int in, int out, const struct stat *st, uint64_t *left)
{
	uint64_t size = (uint64_t)st->st_size;
	int64_t at = 0;
	int err = 0;

	*left = size;
	if ((uint64_t)st->st_blocks * 512 >= size)
		return copy_range(c, in, out, 0, size, left);
	while (!err && (uint64_t)at < size) {
		int64_t data = side_seek(&c->from, in, at, SEEK_DATA), hole;

		if (data == -ENXIO)
			break; /* only a hole is left */
		hole = data < 0 ? data : side_seek(&c->from, in, data, SEEK_HOLE);
		if (hole < 0)
			return (int)hole;
		err = copy_range(c, in, out, (uint64_t)data, (uint64_t)hole < size ? (uint64_t)hole : size, left);
		at = hole;
	}
	return err ? err : side_resize(&c->to, out, size);
}

static int copy_file(struct copy *c, const char *from, const char *to, const struct stat *st, uint64_t *left)
{
	int in = side_open(&c->from, from, O_RDONLY | O_NOFOLLOW, 0), out, err, close_err;

	if (in < 0)
		return in;
	out = side_open(&c->to, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	err = out;
	if (out >= 0) {
		err = copy_data(c, in, out, st, left);
		close_err = side_close(&c->to, out);
		if (!err)
			err = close_err;
	}
	(void)side_close(&c->from, in);
	return err;
}

/* ---------------------------------------------------------------- trees */
/* Makes room for something of this type: what is there goes, unless both are directories (or, with links, it leads to one). */
static int clear_target(struct side *to, const char *path, mode_t type, bool links)
{
	struct stat st;
	int err = side_lstat(to, path, &st);

	if (err)
		return err == -ENOENT ? 0 : err;
	if (links && S_ISDIR(type) && S_ISLNK(st.st_mode))
		(void)side_stat(to, path, &st);
	if (S_ISDIR(st.st_mode))
		return S_ISDIR(type) ? 0 : -EISDIR;
	return S_ISDIR(type) ? -ENOTDIR : side_unlink(to, path);
}

/* One thing that is no directory. *left: bytes not written. */
static int copy_one(struct copy *c, const char *from, const char *to, struct stat *st, uint64_t *left)
{
	int err = clear_target(&c->to, to, st->st_mode, false);

	if (err)
		return err;
	if (st->st_nlink > 1) {
		const char *other = links_note(&c->links, st->st_dev, st->st_ino, to);

		if (other && strcmp(other, to) != 0)
			return side_link(&c->to, other, to);
	}
	if (S_ISREG(st->st_mode)) {
		err = copy_file(c, from, to, st, left);
	} else if (S_ISLNK(st->st_mode)) {
		char target[4097];

		err = side_readlink(&c->from, from, target);
		if (!err)
			err = side_symlink(&c->to, target, to);
	} else {
		err = side_mknod(&c->to, to, (st->st_mode & S_IFMT) | 0600, st->st_rdev);
	}
	return err ? err : finish(c, from, to, st);
}

static enum img_exit tell(struct copy *c, const char *from, const char *to, int err, uint64_t left)
{
	if (err == -ENOSPC)
		return complain_write(c->s, c->to.im, to, err, left);
	complain(c->s, IMG_FAILED, err, "%s -> %s", from, to);
	return c->to.im ? IMG_FAILED : IMG_OK; /* to the host goes what can */
}

static enum img_exit copy_in(struct copy *c, struct text *from, struct text *to);

static enum img_exit copy_directory(struct copy *c, struct text *from, struct text *to, struct stat *st)
{
	struct names names;
	enum img_exit bad = IMG_OK;
	int err = clear_target(&c->to, to->data, st->st_mode, c->keep_dirs);
	bool keep;

	if (!err)
		err = side_mkdir(&c->to, to->data, 0700);
	keep = err == -EEXIST && c->keep_dirs;
	if (err == -EEXIST)
		err = 0;
	if (!err)
		err = side_list(&c->from, from->data, &names);
	if (err)
		return tell(c, from->data, to->data, err, 0);
	for (size_t i = 0; !bad && i < names.count; i++) {
		size_t f = text_push(from, names.list[i]), t = text_push(to, names.list[i]);

		bad = copy_in(c, from, to);
		text_cut(from, f);
		text_cut(to, t);
	}
	names_free(&names);
	if (bad || keep)
		return bad;
	err = finish(c, from->data, to->data, st);
	return err ? tell(c, from->data, to->data, err, 0) : IMG_OK;
}

static enum img_exit copy_in(struct copy *c, struct text *from, struct text *to)
{
	uint64_t left = 0;
	struct stat st;
	int err = side_lstat(&c->from, from->data, &st);

	if (!err && S_ISDIR(st.st_mode))
		return copy_directory(c, from, to, &st);
	if (!err)
		err = copy_one(c, from->data, to->data, &st, &left);
	if (err)
		return tell(c, from->data, to->data, err, left);
	progress(c->s, 1, 0);
	return IMG_OK;
}

void copy_init(struct copy *c, struct session *s, struct image *from, struct image *to)
{
	*c = (struct copy){.s = s, .from = {s, from}, .to = {s, to}, .over = {-1, -1, NULL}, .buf = must_alloc(COPY_CHUNK)};
}

void copy_fini(struct copy *c)
{
	links_free(&c->links);
	free(c->buf);
}

enum img_exit copy_tree(struct copy *c, const char *from, const char *to)
{
	struct text f = {0}, t = {0};
	enum img_exit bad;

	text_adds(&f, from);
	text_adds(&t, to);
	bad = copy_in(c, &f, &t);
	text_free(&f);
	text_free(&t);
	return bad;
}

/* ---------------------------------------------------------------- how much there is */
static int measure_in(struct text *path, unsigned block, struct links *seen, uint64_t *bytes, uint64_t *inodes)
{
	struct side host = {0};
	struct names names;
	struct stat st;
	uint64_t used;
	int err = side_lstat(&host, path->data, &st);

	if (err)
		return err;
	if (!S_ISDIR(st.st_mode)) {
		if (st.st_nlink > 1 && links_note(seen, st.st_dev, st.st_ino, "x"))
			return 0;
		++*inodes;
		used = (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size ? (uint64_t)st.st_blocks * 512 : (uint64_t)st.st_size;
		if (S_ISREG(st.st_mode) || (S_ISLNK(st.st_mode) && st.st_size >= 60))
			used = (used + block - 1) / block * block;
		else
			used = 0;
		*bytes += used + (used > 12ull * block ? used / (block / 4) + 2ull * block : 0);
		return 0;
	}
	++*inodes;
	err = side_list(&host, path->data, &names);
	used = 24;
	for (size_t i = 0; !err && i < names.count; i++) {
		size_t before = text_push(path, names.list[i]);

		used += 12 + strlen(names.list[i]);
		err = measure_in(path, block, seen, bytes, inodes);
		text_cut(path, before);
	}
	*bytes += (used + used / 8 + block - 1) / block * block;
	names_free(&names);
	return err;
}

int copy_measure(const char *path, unsigned block, uint64_t *bytes, uint64_t *inodes)
{
	struct links seen = {0};
	struct text t = {0};
	int err;

	text_adds(&t, path);
	err = measure_in(&t, block, &seen, bytes, inodes);
	text_free(&t);
	links_free(&seen);
	return err;
}
