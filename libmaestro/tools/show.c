/* SPDX-License-Identifier: MIT */
/* Commands that only read: ls, cat, stat, find, df, getfattr. */
#include "img.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* ---------------------------------------------------------------- ls */
struct ls {
	struct side side;
	bool all, lng, ino, recursive, directory;
};

static void print_size(const struct stat *st, char out[40])
{
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
		snprintf(out, 40, "%u, %u", major(st->st_rdev), minor(st->st_rdev));
	else
		snprintf(out, 40, "%lld", (long long)st->st_size);
}

static int print_line(struct ls *l, const char *path, const char *name)
{
	char mode[11], date[64], size[40], target[4097];
	struct stat st;
	int err = side_lstat(&l->side, path, &st);

	if (err)
		return err;
	if (l->ino)
		printf("%8llu ", (unsigned long long)st.st_ino);
	if (!l->lng) {
		printf("%s\n", name);
		return 0;
	}
	print_mode(st.st_mode, mode);
	print_date(&st.st_mtim, date);
	print_size(&st, size);
	printf("%s %4lu %5u %5u %10s %.16s %s", mode, (unsigned long)st.st_nlink, st.st_uid, st.st_gid, size, date, name);
	if (S_ISLNK(st.st_mode) && !side_readlink(&l->side, path, target))
		printf(" -> %s", target);
	putchar('\n');
	return 0;
}

static int list_directory(struct ls *l, struct text *path, bool title)
{
	struct names names;
	int err = side_list(&l->side, path->data, &names), first = 0;

	if (err)
		return err;
	if (title)
		printf("%s:\n", path->data);
	for (size_t i = 0; i < names.count; i++) {
		size_t before = text_push(path, names.list[i]);

		err = l->all || names.list[i][0] != '.' ? print_line(l, path->data, names.list[i]) : 0;
		first = first ? first : err;
		text_cut(path, before);
	}
	for (size_t i = 0; l->recursive && i < names.count; i++) {
		size_t before = text_push(path, names.list[i]);
		struct stat st;

		if (!side_lstat(&l->side, path->data, &st) && S_ISDIR(st.st_mode)) {
			putchar('\n');
			err = list_directory(l, path, true);
			first = first ? first : err;
		}
		text_cut(path, before);
	}
	names_free(&names);
	return first;
}

static int list_one(struct ls *l, const char *arg, bool title)
{
	struct text path = {0};
	struct stat st;
	int err = side_lstat(&l->side, arg, &st);

	if (!err && !l->lng && S_ISLNK(st.st_mode) && !l->directory)
		(void)side_stat(&l->side, arg, &st);
	if (err || !S_ISDIR(st.st_mode) || l->directory)
		return err ? err : print_line(l, arg, arg);
	text_adds(&path, arg);
	err = list_directory(l, &path, title || l->recursive);
	text_free(&path);
	return err;
}

/* Calls one() for each operand behind the image, or for what place named, or for the root. */
enum img_exit command_ls(struct session *s, int argc, char **argv)
{
	struct ls l = {0};
	enum img_exit bad;
	int c;

	while ((c = next_option(s, argc, argv, "alidR", NULL)) != -1) {
		switch (c) {
		case 'a': l.all = true; break;
		case 'l': l.lng = true; break;
		case 'i': l.ino = true; break;
		case 'd': l.directory = true; break;
		case 'R': l.recursive = true; break;
		default: return IMG_USAGE;
		}
	}
	bad = open_operand(s, argc, argv, false, &l.side);
	if (bad)
		return bad;
	for (int i = optind; i < argc; i++) {
		int err;

		if (i > optind)
			putchar('\n');
		err = list_one(&l, argv[i], argc - optind > 1);
		if (err)
			complain(s, IMG_FAILED, err, "%s", argv[i]);
	}
	return s->worst;
}

/* ---------------------------------------------------------------- cat */
static int cat(struct side *d, const char *path, char *buf)
{
	uint64_t at = 0;
	int fd = side_open(d, path, O_RDONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = side_read(d, fd, buf, COPY_CHUNK, at)) > 0) {
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n) {
			n = -errno;
			break;
		}
		at += (uint64_t)n;
	}
	(void)side_close(d, fd);
	return (int)n;
}

enum img_exit command_cat(struct session *s, int argc, char **argv)
{
	struct side d;
	enum img_exit bad;
	char *buf;

	if (next_option(s, argc, argv, "", NULL) != -1)
		return IMG_USAGE;
	bad = open_operand(s, argc, argv, false, &d);
	if (bad)
		return bad;
	buf = must_alloc(COPY_CHUNK);
	for (int i = optind; i < argc; i++) {
		int err = cat(&d, argv[i], buf);

		if (err)
			complain(s, IMG_FAILED, err, "%s", argv[i]);
	}
	free(buf);
	return s->worst;
}

/* ---------------------------------------------------------------- stat */
static const char *type_name(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "regular file";
	case S_IFDIR: return "directory";
	case S_IFLNK: return "symbolic link";
	case S_IFCHR: return "character device";
	case S_IFBLK: return "block device";
	case S_IFIFO: return "fifo";
	default: return "socket";
	}
}

static void print_time(const char *label, const struct timespec *t)
{
	char date[64];

	print_date(t, date);
	printf("%s: %s.%09ld UTC\n", label, date, t->tv_nsec);
}

static int print_stat(struct side *d, const char *path)
{
	char mode[11], target[4097];
	struct stat st;
	int err = side_lstat(d, path, &st);

	if (err)
		return err;
	print_mode(st.st_mode, mode);
	printf("  File: %s", path);
	if (S_ISLNK(st.st_mode) && !side_readlink(d, path, target))
		printf(" -> %s", target);
	printf("\n  Size: %lld\tBlocks: %lld\tIO Block: %ld\t%s\n", (long long)st.st_size, (long long)st.st_blocks, (long)st.st_blksize,
	       type_name(st.st_mode));
	printf(" Inode: %llu\tLinks: %lu", (unsigned long long)st.st_ino, (unsigned long)st.st_nlink);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
		printf("\tDevice type: %u,%u", major(st.st_rdev), minor(st.st_rdev));
	printf("\nAccess: (%04o/%s)\tUid: %u\tGid: %u\n", st.st_mode & 07777, mode, st.st_uid, st.st_gid);
	print_time("Access", &st.st_atim);
	print_time("Modify", &st.st_mtim);
	print_time("Change", &st.st_ctim);
	return 0;
}

/* Options taken, image open: one() for each path. */
static enum img_exit for_each(struct session *s, int argc, char **argv, int (*one)(struct side *, const char *))
{
	struct side d;
	enum img_exit bad = open_operand(s, argc, argv, false, &d);

	for (int i = optind; !bad && i < argc; i++) {
		int err = one(&d, argv[i]);

		if (err)
			complain(s, IMG_FAILED, err, "%s", argv[i]);
	}
	return s->worst;
}

enum img_exit command_stat(struct session *s, int argc, char **argv)
{
	if (next_option(s, argc, argv, "", NULL) != -1)
		return IMG_USAGE;
	return for_each(s, argc, argv, print_stat);
}

/* ---------------------------------------------------------------- find */
struct find {
	struct side side;
	const char *name, *type;
	uint64_t depth;
	bool zero, lng;
};

static bool find_wants(const struct find *f, const struct stat *st, const char *path)
{
	static const char letters[] = "?pc?d?b?f?l?s???";
	const char *name = base_name(path);

	if (f->name && fnmatch(f->name, *name ? name : "/", 0) != 0)
		return false;
	return !f->type || strchr(f->type, letters[st->st_mode >> 12 & 15]);
}

static int find_in(struct find *f, struct text *path, uint64_t depth)
{
	struct names names;
	struct stat st;
	int err = side_lstat(&f->side, path->data, &st), first = 0;

	if (err)
		return err;
	if (find_wants(f, &st, path->data)) {
		struct ls l = {.side = f->side, .lng = true, .ino = true};

		if (f->lng)
			(void)print_line(&l, path->data, path->data);
		else
			printf("%s%c", path->data, f->zero ? 0 : '\n');
	}
	if (!S_ISDIR(st.st_mode) || depth >= f->depth)
		return 0;
	err = side_list(&f->side, path->data, &names);
	if (err)
		return err;
	for (size_t i = 0; i < names.count; i++) {
		size_t before = text_push(path, names.list[i]);

		err = find_in(f, path, depth + 1);
		if (err && !first) {
			first = err;
			complain(f->side.s, IMG_FAILED, err, "%s", path->data);
		}
		text_cut(path, before);
	}
	names_free(&names);
	return 0;
}

enum img_exit command_find(struct session *s, int argc, char **argv)
{
	static const struct option longs[] = {{"name", 1, NULL, 'n'}, {"type", 1, NULL, 't'}, {"maxdepth", 1, NULL, 'm'}, {"print0", 0, NULL, '0'},
					      {"ls", 0, NULL, 'l'}, {0}};
	struct find f = {.depth = UINT64_MAX};
	enum img_exit bad;
	int c;

	while ((c = next_option(s, argc, argv, "n:t:m:0l", longs)) != -1) {
		switch (c) {
		case 'n': f.name = optarg; break;
		case 't': f.type = optarg; break;
		case '0': f.zero = true; break;
		case 'l': f.lng = true; break;
		case 'm':
			if (parse_number(optarg, UINT32_MAX, &f.depth))
				return usage_error(s, "find", "no depth: %s", optarg);
			break;
		default: return IMG_USAGE;
		}
	}
	bad = open_operand(s, argc, argv, false, &f.side);
	for (int i = optind; !bad && i < argc; i++) {
		struct text path = {0};
		int err;

		text_adds(&path, argv[i]);
		err = find_in(&f, &path, 0);
		if (err)
			complain(s, IMG_FAILED, err, "%s", argv[i]);
		text_free(&path);
	}
	return s->worst;
}

/* ---------------------------------------------------------------- df */
static void human(uint64_t bytes, char out[16])
{
	static const char units[] = "BKMGT";
	double v = (double)bytes;
	unsigned u = 0;

	for (; v >= 1024 && u < 4; u++)
		v /= 1024;
	snprintf(out, 16, u && v < 10 ? "%.1f%c" : "%.0f%c", v, units[u]);
}

enum img_exit command_df(struct session *s, int argc, char **argv)
{
	bool readable = false, inodes = false;
	struct statfs st;
	struct side d;
	enum img_exit bad;
	uint64_t total, used, avail;
	char text[3][16];
	int c, err;

	while ((c = next_option(s, argc, argv, "hi", NULL)) != -1) {
		if (c == 'h')
			readable = true;
		else if (c == 'i')
			inodes = true;
		else
			return IMG_USAGE;
	}
	bad = open_operand(s, argc, argv, false, &d);
	if (bad)
		return bad;
	image_enter(s, d.im);
	err = maestro_statfs(s->k, "/", &st);
	if (err) {
		complain(s, IMG_FAILED, err, "%s", d.im->file);
		return s->worst;
	}
	total = inodes ? st.f_files : st.f_blocks * (uint64_t)st.f_bsize;
	used = inodes ? st.f_files - st.f_ffree : (st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
	avail = inodes ? st.f_ffree : st.f_bavail * (uint64_t)st.f_bsize;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t v = i == 0 ? total : i == 1 ? used : avail;

		if (readable && !inodes)
			human(v, text[i]);
		else
			snprintf(text[i], sizeof(text[i]), "%" PRIu64, inodes ? v : v >> 10);
	}
	printf("%-20s %10s %10s %10s Use%%\n", "Image", inodes ? "Inodes" : readable ? "Size" : "1K-blocks", "Used", inodes ? "Free" : "Available");
	printf("%-20s %10s %10s %10s %3.0f%%\n", d.im->file, text[0], text[1], text[2], used + avail ? 100.0 * (double)used / (double)(used + avail) : 0.0);
	return s->worst;
}

/* ---------------------------------------------------------------- getfattr */
static bool printable(const char *val, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isprint((unsigned char)val[i]) || val[i] == '"' || val[i] == '\\')
			return false;
	return true;
}

static int print_xattr(struct side *d, const char *path, const char *name)
{
	char val[65536];
	ssize_t n = side_getxattr(d, path, name, val, sizeof(val));

	if (n < 0)
		return (int)n;
	printf("%s=", name);
	if (printable(val, (size_t)n)) {
		printf("\"%.*s\"", (int)n, val);
	} else {
		printf("0x");
		for (ssize_t i = 0; i < n; i++)
			printf("%02x", (unsigned char)val[i]);
	}
	putchar('\n');
	return 0;
}

static int print_xattrs(struct side *d, const char *path)
{
	char list[65536];
	ssize_t n = side_listxattr(d, path, list, sizeof(list));
	int err = 0;

	if (n <= 0)
		return (int)n;
	printf("# file: %s\n", path);
	for (const char *name = list; !err && name < list + n; name += strlen(name) + 1)
		err = print_xattr(d, path, name);
	putchar('\n');
	return err;
}

enum img_exit command_getfattr(struct session *s, int argc, char **argv)
{
	const char *name = NULL;
	struct side d;
	enum img_exit bad;
	int c;

	while ((c = next_option(s, argc, argv, "n:d", NULL)) != -1) {
		if (c == 'n')
			name = optarg;
		else if (c != 'd')
			return IMG_USAGE;
	}
	if (!name)
		return for_each(s, argc, argv, print_xattrs);
	bad = open_operand(s, argc, argv, false, &d);
	for (int i = optind; !bad && i < argc; i++) {
		int err = print_xattr(&d, argv[i], name);

		if (err)
			complain(s, IMG_FAILED, err, "%s: %s", argv[i], name);
	}
	return s->worst;
}
