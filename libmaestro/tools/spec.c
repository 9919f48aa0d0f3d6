/* SPDX-License-Identifier: MIT */
/*
 * Tables of owners, modes and devices, as genext2fs -D and makedevs know them, one line a path:
 *
 *   PATH TYPE MODE UID GID [MAJOR MINOR [START INCREMENT COUNT]]
 *
 * TYPE: f a file that is there, d a directory (made if missing), c, b, p devices and pipes (made), r a tree that is there (X in MODE as for chmod).
 * "-" leaves what is. With COUNT, PATH0, PATH1 ... are made, the minor growing by INCREMENT. '#' begins a comment.
 */
#include "img.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

enum { PATH, TYPE, MODE, UID, GID, MAJOR, MINOR, START, INCREMENT, COUNT, FIELDS };

struct line {
	char *words[FIELDS];
	int n;
	char type;
	int64_t uid, gid;
	uint64_t major, minor, start, increment, count;
};

static bool given(const struct line *l, int i)
{
	return i < l->n && strcmp(l->words[i], "-") != 0;
}

static int number(const struct line *l, int i, uint64_t max, uint64_t *out)
{
	return given(l, i) ? parse_number(l->words[i], max, out) : 0;
}

static int parse_line(char *text, struct line *l)
{
	uint64_t id;
	mode_t mode;

	*l = (struct line){.uid = -1, .gid = -1, .increment = 1};
	l->n = split_words(text, l->words, FIELDS);
	if (l->n <= 0)
		return l->n;
	l->type = l->words[TYPE] ? l->words[TYPE][0] : 0;
	if (l->n < 2 || !l->type || l->words[TYPE][1] || !strchr("fdcbpr", l->type))
		return -EINVAL;
	if (given(l, MODE) && parse_mode(l->words[MODE], S_IFREG | 0644, &mode))
		return -EINVAL;
	if (given(l, UID) && !parse_number(l->words[UID], UINT32_MAX - 1, &id))
		l->uid = (int64_t)id;
	else if (given(l, UID))
		return -EINVAL;
	if (given(l, GID) && !parse_number(l->words[GID], UINT32_MAX - 1, &id))
		l->gid = (int64_t)id;
	else if (given(l, GID))
		return -EINVAL;
	if (strchr("cb", l->type) && !(given(l, MAJOR) && given(l, MINOR)))
		return -EINVAL;
	if (number(l, MAJOR, 4095, &l->major) || number(l, MINOR, 1048575, &l->minor) || number(l, START, UINT32_MAX, &l->start) ||
	    number(l, INCREMENT, UINT32_MAX, &l->increment) || number(l, COUNT, 1000000, &l->count))
		return -EINVAL;
	return l->n;
}

static int set_one(struct side *d, const struct line *l, const char *path)
{
	struct stat st;
	int err = side_lstat(d, path, &st);

	if (err)
		return err;
	if (l->uid >= 0)
		st.st_uid = (uid_t)l->uid;
	if (l->gid >= 0)
		st.st_gid = (gid_t)l->gid;
	if (given(l, MODE))
		err = parse_mode(l->words[MODE], st.st_mode, &st.st_mode);
	return err ? err : put_meta(d, path, &st);
}

static int set_tree(struct side *d, const struct line *l, struct text *path)
{
	struct names names;
	struct stat st;
	int err = side_lstat(d, path->data, &st);

	if (!err)
		err = set_one(d, l, path->data);
	if (err || !S_ISDIR(st.st_mode))
		return err;
	err = side_list(d, path->data, &names);
	for (size_t i = 0; !err && i < names.count; i++) {
		size_t before = text_push(path, names.list[i]);

		err = set_tree(d, l, path);
		text_cut(path, before);
	}
	names_free(&names);
	return err;
}

static int make_device(struct side *d, const struct line *l, const char *path, uint64_t minor)
{
	mode_t type = l->type == 'c' ? S_IFCHR : l->type == 'b' ? S_IFBLK : S_IFIFO;
	struct stat st;
	int err = side_lstat(d, path, &st);

	if (!err)
		err = S_ISDIR(st.st_mode) ? -EISDIR : side_unlink(d, path);
	if (err && err != -ENOENT)
		return err;
	err = side_mknod(d, path, type | 0644, makedev((unsigned)l->major, (unsigned)minor));
	if (!err && d->s->epoch >= 0) {
		const struct timespec times[2] = {{.tv_sec = d->s->epoch}, {.tv_sec = d->s->epoch}};

		err = side_times(d, path, times);
	}
	return err ? err : set_one(d, l, path);
}

static int apply_line(struct side *d, const struct line *l, struct text *path)
{
	struct stat st;
	int err;

	if (l->type == 'r')
		return set_tree(d, l, path);
	if (l->type == 'd' && side_lstat(d, path->data, &st) == -ENOENT) {
		err = side_make_path(d, path->data, 0755);
		return err ? err : set_one(d, l, path->data);
	}
	if (strchr("fd", l->type))
		return set_one(d, l, path->data);
	if (!l->count)
		return make_device(d, l, path->data, l->minor);
	for (uint64_t i = 0; i < l->count; i++) {
		size_t before = path->len;
		char digits[24];

		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)(l->start + i));
		text_adds(path, digits);
		err = make_device(d, l, path->data, l->minor + i * l->increment);
		if (err)
			return err;
		text_cut(path, before);
	}
	return 0;
}

enum img_exit spec_apply(struct session *s, struct image *im, const char *file, const char *dir)
{
	struct side d = {s, im};
	FILE *f = !strcmp(file, "-") ? stdin : fopen(file, "re");
	enum img_exit bad = IMG_OK;
	char *text = NULL;
	size_t size = 0;

	if (!f) {
		complain(s, IMG_FAILED, -errno, "%s", file);
		return IMG_FAILED;
	}
	for (unsigned number_ = 1; !bad && getline(&text, &size, f) > 0; number_++) {
		struct text path = {0};
		struct line l;
		int n = parse_line(text, &l), err;

		if (n < 0) {
			complain(s, IMG_USAGE, 0, "%s:%u: no line of a table: PATH TYPE(fdcbpr) MODE UID GID [MAJOR MINOR [START INCREMENT COUNT]]", file, number_);
			bad = IMG_USAGE;
		}
		if (n <= 0)
			continue;
		text_adds(&path, dir);
		(void)text_push(&path, l.words[PATH]);
		err = apply_line(&d, &l, &path);
		if (err == -ENOSPC) {
			bad = complain_write(s, im, path.data, err, 0);
		} else if (err) {
			complain(s, IMG_FAILED, err, "%s:%u: %s", file, number_, path.data);
			bad = IMG_FAILED;
		}
		text_free(&path);
	}
	free(text);
	if (f != stdin)
		fclose(f);
	return bad;
}
