/* SPDX-License-Identifier: MIT */
/* Commands that change single things: mkdir rm mv ln mknod chmod chown touch setfattr write. */
#include "img.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

typedef int change_fn(struct side *d, const char *path, const void *how);

/* one() for each operand from the first on, and below directories if recursive. */
static int change_tree(struct side *d, struct text *path, bool recursive, change_fn *one, const void *how)
{
	struct names names;
	struct stat st;
	int err = side_lstat(d, path->data, &st);

	if (!err)
		err = one(d, path->data, how);
	if (err || !recursive || !S_ISDIR(st.st_mode))
		return err;
	err = side_list(d, path->data, &names);
	for (size_t i = 0; !err && i < names.count; i++) {
		size_t before = text_push(path, names.list[i]);

		err = change_tree(d, path, true, one, how);
		text_cut(path, before);
	}
	names_free(&names);
	return err;
}

static enum img_exit change_all(struct side *d, int argc, char **argv, bool recursive, change_fn *one, const void *how)
{
	for (int i = optind; i < argc; i++) {
		struct text path = {0};
		int err;

		text_adds(&path, argv[i]);
		err = change_tree(d, &path, recursive, one, how);
		if (err)
			complain_write(d->s, d->im, path.data, err, 0);
		text_free(&path);
	}
	return d->s->worst;
}

/* ---------------------------------------------------------------- mkdir, mknod */
enum img_exit command_mkdir(struct session *s, int argc, char **argv)
{
	bool parents = false;
	mode_t mode = S_IFDIR | 0755;
	struct side d;
	enum img_exit bad;
	int c;

	while ((c = next_option(s, argc, argv, "pm:", NULL)) != -1) {
		if (c == 'p')
			parents = true;
		else if (c != 'm')
			return IMG_USAGE;
		else if (parse_mode(optarg, mode, &mode))
			return usage_error(s, "mkdir", "no mode: %s", optarg);
	}
	bad = open_operand(s, argc, argv, true, &d);
	for (int i = optind; !bad && i < argc; i++) {
		int err = parents ? side_make_path(&d, argv[i], mode & 07777) : side_mkdir(&d, argv[i], mode & 07777);

		if (err)
			complain_write(s, d.im, argv[i], err, 0);
	}
	return s->worst;
}

enum img_exit command_mknod(struct session *s, int argc, char **argv)
{
	mode_t mode = 0644, type;
	uint64_t nr[2] = {0, 0};
	struct side d;
	enum img_exit bad;
	int c, err;

	while ((c = next_option(s, argc, argv, "m:", NULL)) != -1) {
		if (c != 'm')
			return IMG_USAGE;
		if (parse_mode(optarg, mode, &mode))
			return usage_error(s, "mknod", "no mode: %s", optarg);
	}
	bad = open_operand(s, argc, argv, true, &d);
	if (bad)
		return bad;
	c = argc - optind >= 2 ? argv[optind + 1][0] : 0;
	type = c == 'c' || c == 'u' ? S_IFCHR : c == 'b' ? S_IFBLK : c == 'p' ? S_IFIFO : 0;
	if (!type || argc - optind != (type == S_IFIFO ? 2 : 4))
		return usage_error(s, "mknod", "PATH c|b|p [MAJOR MINOR]");
	for (int i = 0; type != S_IFIFO && i < 2; i++)
		if (parse_number(argv[optind + 2 + i], i ? 1048575 : 4095, &nr[i]))
			return usage_error(s, "mknod", "no device number: %s", argv[optind + 2 + i]);
	err = side_mknod(&d, argv[optind], type | (mode & 07777), makedev((unsigned)nr[0], (unsigned)nr[1]));
	if (err)
		complain_write(s, d.im, argv[optind], err, 0);
	return s->worst;
}

/* ---------------------------------------------------------------- rm, mv, ln */
enum img_exit command_rm(struct session *s, int argc, char **argv)
{
	bool recursive = false, force = false;
	struct side d;
	enum img_exit bad;
	int c;

	while ((c = next_option(s, argc, argv, "rRf", NULL)) != -1) {
		if (c == 'r' || c == 'R')
			recursive = true;
		else if (c == 'f')
			force = true;
		else
			return IMG_USAGE;
	}
	bad = open_operand(s, argc, argv, true, &d);
	for (int i = optind; !bad && i < argc; i++) {
		int err = recursive ? side_remove_all(&d, argv[i]) : side_unlink(&d, argv[i]);

		if (err == -EISDIR)
			complain(s, IMG_FAILED, 0, "%s is a directory: rm -r removes it with what is in it", argv[i]);
		else if (err && !(force && err == -ENOENT))
			complain(s, IMG_FAILED, err, "%s", argv[i]);
	}
	return s->worst;
}

/* Where `from` goes when the last operand is a directory: inside. The caller frees it. */
static char *target_of(struct side *d, const char *from, const char *to)
{
	char *plain = without_slashes(from);
	struct text t = {0};
	struct stat st;

	text_adds(&t, to);
	if (!side_stat(d, to, &st) && S_ISDIR(st.st_mode))
		(void)text_push(&t, base_name(plain));
	free(plain);
	return t.data;
}

enum img_exit command_mv(struct session *s, int argc, char **argv)
{
	struct side d;
	enum img_exit bad;
	struct stat st;

	if (next_option(s, argc, argv, "", NULL) != -1)
		return IMG_USAGE;
	bad = open_operand(s, argc, argv, true, &d);
	if (bad)
		return bad;
	if (argc - optind < 2)
		return usage_error(s, "mv", "from where, and where to?");
	if (argc - optind > 2 && (side_stat(&d, argv[argc - 1], &st) || !S_ISDIR(st.st_mode)))
		return usage_error(s, "mv", "%s is no directory", argv[argc - 1]);
	for (int i = optind; i < argc - 1; i++) {
		char *to = target_of(&d, argv[i], argv[argc - 1]);
		int err = side_rename(&d, argv[i], to);

		if (err)
			complain_write(s, d.im, argv[i], err, 0);
		free(to);
	}
	return s->worst;
}

/* Takes away what a link `to` is to replace, unless it is the target itself, or a target that can have no link. */
static int clear_for_link(struct side *d, bool symbolic, const char *target, const char *to)
{
	struct stat a, b;
	int err = symbolic ? 0 : side_lstat(d, target, &a);

	if (!err && !symbolic && S_ISDIR(a.st_mode))
		err = -EPERM;
	if (!err && side_lstat(d, to, &b))
		return 0;
	if (!err && !symbolic && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
		err = -EEXIST;
	return err ? err : side_unlink(d, to);
}

enum img_exit command_ln(struct session *s, int argc, char **argv)
{
	bool symbolic = false, force = false;
	struct side d;
	enum img_exit bad;
	char *to;
	int c, err;

	while ((c = next_option(s, argc, argv, "sf", NULL)) != -1) {
		if (c == 's')
			symbolic = true;
		else if (c == 'f')
			force = true;
		else
			return IMG_USAGE;
	}
	bad = open_operand(s, argc, argv, true, &d);
	if (bad)
		return bad;
	if (argc - optind != 2)
		return usage_error(s, "ln", "TARGET and the new name");
	to = target_of(&d, argv[optind], argv[optind + 1]);
	err = force ? clear_for_link(&d, symbolic, argv[optind], to) : 0;
	if (!err)
		err = symbolic ? side_symlink(&d, argv[optind], to) : side_link(&d, argv[optind], to);
	if (err)
		complain_write(s, d.im, to, err, 0);
	free(to);
	return s->worst;
}

/* ---------------------------------------------------------------- chmod, chown, touch */
static int change_mode(struct side *d, const char *path, const void *how)
{
	struct stat st;
	int err = side_lstat(d, path, &st);

	if (err || S_ISLNK(st.st_mode))
		return err; /* links have none */
	err = parse_mode(how, st.st_mode, &st.st_mode);
	return err ? err : side_chmod(d, path, st.st_mode);
}

enum img_exit command_chmod(struct session *s, int argc, char **argv)
{
	bool recursive = false;
	const char *how;
	struct side d;
	enum img_exit bad;
	mode_t mode;
	int c;

	while ((c = next_option(s, argc, argv, "R", NULL)) != -1) {
		if (c != 'R')
			return IMG_USAGE;
		recursive = true;
	}
	bad = open_operand(s, argc, argv, true, &d);
	if (bad)
		return bad;
	if (argc - optind < 2)
		return usage_error(s, "chmod", "which mode, and of what?");
	how = argv[optind++];
	if (parse_mode(how, S_IFREG, &mode))
		return usage_error(s, "chmod", "no mode: %s", how);
	return change_all(&d, argc, argv, recursive, change_mode, how);
}

static int change_owner(struct side *d, const char *path, const void *how)
{
	const int64_t *ids = how;

	return side_chown(d, path, ids[0] < 0 ? (uid_t)-1 : (uid_t)ids[0], ids[1] < 0 ? (gid_t)-1 : (gid_t)ids[1]);
}

enum img_exit command_chown(struct session *s, int argc, char **argv)
{
	bool recursive = false;
	int64_t ids[2];
	struct side d;
	enum img_exit bad;
	int c;

	while ((c = next_option(s, argc, argv, "Rh", NULL)) != -1) {
		if (c == 'R')
			recursive = true;
		else if (c != 'h')
			return IMG_USAGE;
	}
	bad = open_operand(s, argc, argv, true, &d);
	if (bad)
		return bad;
	if (argc - optind < 2)
		return usage_error(s, "chown", "whom to, and what?");
	if (parse_owner(argv[optind], &ids[0], &ids[1]))
		return usage_error(s, "chown", "no owner: %s (numbers: UID, UID:GID or :GID)", argv[optind]);
	optind++;
	return change_all(&d, argc, argv, recursive, change_owner, ids);
}

static int touch(struct side *d, const char *path, const void *how)
{
	return side_times(d, path, how);
}

enum img_exit command_touch(struct session *s, int argc, char **argv)
{
	struct timespec times[2], when;
	bool access = false, modify = false, create = true;
	struct side d;
	enum img_exit bad;
	int c;

	when = (struct timespec){.tv_sec = s->epoch};
	if (s->epoch < 0 && parse_date("now", &when))
		return IMG_FAILED;
	while ((c = next_option(s, argc, argv, "acmd:", NULL)) != -1) {
		switch (c) {
		case 'a': access = true; break;
		case 'm': modify = true; break;
		case 'c': create = false; break;
		case 'd':
			if (parse_date(optarg, &when))
				return usage_error(s, "touch", "no date: %s (YYYY-MM-DD HH:MM:SS in UTC, or @SECONDS)", optarg);
			break;
		default: return IMG_USAGE;
		}
	}
	bad = open_operand(s, argc, argv, true, &d);
	if (bad)
		return bad;
	times[0] = access || !modify ? when : (struct timespec){.tv_nsec = UTIME_OMIT};
	times[1] = modify || !access ? when : (struct timespec){.tv_nsec = UTIME_OMIT};
	for (int i = optind; create && i < argc; i++) {
		int fd = side_open(&d, argv[i], O_WRONLY | O_CREAT | O_EXCL, 0644);

		if (fd >= 0)
			(void)side_close(&d, fd);
		else if (fd != -EEXIST)
			complain_write(s, d.im, argv[i], fd, 0);
	}
	return change_all(&d, argc, argv, false, touch, times);
}

/* ---------------------------------------------------------------- setfattr */
struct xattr_change {
	const char *name; /* NULL: none */
	char *val;	  /* NULL: remove */
	size_t len;
};

static int change_xattr(struct side *d, const char *path, const void *how)
{
	const struct xattr_change *x = how;

	return x->val ? side_setxattr(d, path, x->name, x->val, x->len) : side_removexattr(d, path, x->name);
}

/* Text, or bytes as 0xHEX. */
static int parse_value(const char *s, struct xattr_change *x)
{
	size_t n = strlen(s);

	x->val = must_dup(s);
	x->len = n;
	if (strncmp(s, "0x", 2) != 0)
		return 0;
	if (n % 2)
		return -EINVAL;
	for (size_t i = 2; i < n; i += 2) {
		char word[3] = {s[i], s[i + 1], 0};

		if (!isxdigit((unsigned char)word[0]) || !isxdigit((unsigned char)word[1]))
			return -EINVAL;
		x->val[i / 2 - 1] = (char)strtoul(word, NULL, 16);
	}
	x->len = n / 2 - 1;
	return 0;
}

enum img_exit command_setfattr(struct session *s, int argc, char **argv)
{
	struct xattr_change x = {0};
	struct side d;
	enum img_exit bad;
	bool removes = false;
	int c;

	while ((c = next_option(s, argc, argv, "n:v:x:", NULL)) != -1) {
		if (c == 'n' || c == 'x')
			x.name = optarg;
		if (c == 'x')
			removes = true;
		else if (c == 'v' && parse_value(optarg, &x))
			return usage_error(s, "setfattr", "no bytes: %s", optarg);
		else if (c == '?')
			return IMG_USAGE;
	}
	if (!x.name)
		return usage_error(s, "setfattr", "-n NAME [-v VALUE], or -x NAME");
	if (!removes && !x.val)
		x.val = must_dup("");
	bad = open_operand(s, argc, argv, true, &d);
	if (!bad)
		bad = change_all(&d, argc, argv, false, change_xattr, &x);
	free(x.val);
	return bad;
}

/* ---------------------------------------------------------------- write */
static int write_from(struct side *d, int fd, uint64_t at, char *buf, uint64_t *left)
{
	ssize_t n;

	while ((n = read(STDIN_FILENO, buf, COPY_CHUNK)) > 0) {
		int err = side_write(d, fd, buf, (size_t)n, at);

		*left = (uint64_t)n;
		if (err)
			return err;
		at += (uint64_t)n;
		progress(d->s, 0, (uint64_t)n);
	}
	return n < 0 ? -errno : 0;
}

enum img_exit command_write(struct session *s, int argc, char **argv)
{
	static const struct option longs[] = {{"append", 0, NULL, 'a'}, {"seek", 1, NULL, 's'}, {"mode", 1, NULL, 'm'}, {0}};
	int flags = O_WRONLY | O_CREAT | O_TRUNC, c, fd, err, close_err;
	uint64_t at = 0, left = 0;
	mode_t mode = S_IFREG | 0644;
	struct side d;
	enum img_exit bad;
	bool append = false;
	char *buf;

	while ((c = next_option(s, argc, argv, "as:m:", longs)) != -1) {
		if (c == 'a')
			append = true;
		else if (c == 's' && parse_size(optarg, &at))
			return usage_error(s, "write", "no offset: %s", optarg);
		else if (c == 'm' && parse_mode(optarg, mode, &mode))
			return usage_error(s, "write", "no mode: %s", optarg);
		else if (c == '?')
			return IMG_USAGE;
		if (c == 'a' || c == 's')
			flags &= ~O_TRUNC;
	}
	bad = open_operand(s, argc, argv, true, &d);
	if (bad)
		return bad;
	if (argc - optind != 1)
		return usage_error(s, "write", "one path, which gets what comes on standard input");
	fd = side_open(&d, argv[optind], flags, mode & 07777);
	if (fd < 0)
		return complain_write(s, d.im, argv[optind], fd, 0);
	if (append)
		at = (uint64_t)side_seek(&d, fd, 0, SEEK_END);
	buf = must_alloc(COPY_CHUNK);
	err = write_from(&d, fd, at, buf, &left);
	free(buf);
	close_err = side_close(&d, fd);
	if (err || close_err)
		complain_write(s, d.im, argv[optind], err ? err : close_err, left);
	return s->worst;
}
