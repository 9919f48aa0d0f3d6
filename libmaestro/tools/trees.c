/* SPDX-License-Identifier: MIT */
/* Commands for whole trees and whole file systems: cp tar untar spec mkfs label info. */
#include "img.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ext2_disk.h"

static const struct option tree_options[] = {{"owner", 1, NULL, 'o'}, {"mode", 1, NULL, 'm'}, {"spec", 1, NULL, 'S'},
					      {"no-overwrite-dir", 0, NULL, 'k'}, {0}};

/* Options that replace what the source says; false: bad use, which was said. */
static bool override_option(struct session *s, const char *command, int c, struct override *over, const char **spec)
{
	mode_t mode;

	if (c == 'o' && parse_owner(optarg, &over->uid, &over->gid))
		usage_error(s, command, "no owner: %s (numbers: UID:GID)", optarg);
	else if (c == 'm' && parse_mode(optarg, S_IFREG, &mode))
		usage_error(s, command, "no mode: %s", optarg);
	else if (c == 'o')
		return true;
	else if (c == 'm')
		return over->mode = optarg, true;
	else if (c == 'S')
		return *spec = optarg, true;
	return false;
}

/* ---------------------------------------------------------------- cp */
/* SRC to DST, or into it if it is a directory; "SRC/." is what SRC holds. */
static enum img_exit copy_operand(struct copy *c, const char *from, const char *to, bool several)
{
	struct text target = {0};
	struct stat st;
	size_t n = strlen(from);
	bool contents = !strcmp(from, "/") || !strcmp(from, ".") || (n >= 2 && !strcmp(from + n - 2, "/."));
	bool into = !side_stat(&c->to, to, &st) && S_ISDIR(st.st_mode);
	char *plain = without_slashes(from);
	enum img_exit bad;

	text_adds(&target, to);
	if (into && !contents)
		(void)text_push(&target, base_name(plain));
	if (several && !into) {
		complain(c->s, IMG_USAGE, 0, "cp: %s is no directory", to);
		bad = IMG_USAGE;
	} else {
		bad = copy_tree(c, plain, target.data);
	}
	free(plain);
	text_free(&target);
	return bad;
}

static enum img_exit copy_place(struct session *s, const char *from, struct image *to, const char *to_path, const struct override *over, bool several,
				bool keep_dirs)
{
	struct image *source = NULL;
	struct place p = {0};
	struct copy c;
	enum img_exit bad = IMG_OK;

	if (place_in_image(from)) {
		place_parse(s, from, &p);
		bad = image_open(s, &p, false, &source);
	}
	if (!bad) {
		copy_init(&c, s, source, to);
		c.over = *over;
		c.keep_dirs = keep_dirs;
		bad = copy_operand(&c, p.path ? p.path : from, to_path, several);
		copy_fini(&c);
	}
	place_free(&p);
	return bad;
}

enum img_exit command_cp(struct session *s, int argc, char **argv)
{
	struct override over = {-1, -1, NULL};
	struct image *to = NULL;
	struct place p = {0};
	const char *spec = NULL;
	enum img_exit bad = IMG_OK;
	bool inside, keep_dirs = false;
	int c;

	while ((c = next_option(s, argc, argv, "arRdo:m:S:", tree_options)) != -1) {
		if (c == 'k')
			keep_dirs = true;
		else if (c == '?' || (!strchr("arRd", c) && !override_option(s, "cp", c, &over, &spec)))
			return IMG_USAGE;
	}
	if (argc - optind < 2)
		return usage_error(s, "cp", "from where, and where to? (IMAGE:/path is inside an image)");
	inside = place_in_image(argv[argc - 1]);
	for (int i = optind; i < argc - 1; i++)
		if (!inside && !place_in_image(argv[i]))
			return usage_error(s, "cp", "neither %s nor %s is in an image: IMAGE:/path", argv[i], argv[argc - 1]);
	if (spec && !inside)
		return usage_error(s, "cp", "--spec goes with copying into an image");
	if (inside) {
		place_parse(s, argv[argc - 1], &p);
		bad = image_open(s, &p, true, &to);
	}
	for (int i = optind; !bad && i < argc - 1; i++)
		bad = copy_place(s, argv[i], to, p.path ? p.path : argv[argc - 1], &over, argc - optind > 2, keep_dirs);
	if (!bad && spec)
		bad = spec_apply(s, to, spec, "/");
	place_free(&p);
	return s->worst;
}

/* ---------------------------------------------------------------- tar, untar, spec */
enum img_exit command_tar(struct session *s, int argc, char **argv)
{
	static const struct option longs[] = {{"format", 1, NULL, 'H'}, {0}};
	enum tar_format format = TAR_PAX;
	const char *file, *dir;
	struct side d;
	enum img_exit bad;
	int c, fd;

	while ((c = next_option(s, argc, argv, "H:", longs)) != -1) {
		if (c != 'H')
			return IMG_USAGE;
		if (!strcmp(optarg, "pax"))
			format = TAR_PAX;
		else if (!strcmp(optarg, "gnu"))
			format = TAR_GNU;
		else if (!strcmp(optarg, "ustar"))
			format = TAR_USTAR;
		else
			return usage_error(s, "tar", "no format: %s (pax, gnu, ustar)", optarg);
	}
	if (argc - optind < 2 || argc - optind > 3)
		return usage_error(s, "tar", "IMAGE ARCHIVE [DIRECTORY]");
	file = argv[optind + 1];
	dir = argc - optind > 2 ? argv[optind + 2] : "/";
	bad = open_operand(s, argc, argv, false, &d);
	if (bad)
		return bad;
	fd = !strcmp(file, "-") ? STDOUT_FILENO : open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0) {
		complain(s, IMG_FAILED, -errno, "%s", file);
		return IMG_FAILED;
	}
	(void)tar_create(s, d.im, fd, file, dir, format);
	if (fd != STDOUT_FILENO && close(fd))
		complain(s, IMG_FAILED, -errno, "%s", file);
	return s->worst;
}

static enum img_exit untar_file(struct session *s, struct image *im, const char *archive, const char *dir, const struct override *over)
{
	enum img_exit bad;
	pid_t child;
	int status = 0, fd = tar_open(archive, &child);

	if (fd < 0) {
		complain(s, IMG_FAILED, fd, "%s", archive);
		return IMG_FAILED;
	}
	bad = tar_extract(s, im, fd, archive, dir, over);
	if (fd != STDIN_FILENO)
		close(fd);
	if (child && waitpid(child, &status, 0) == child && status && !bad && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)) {
		complain(s, IMG_FAILED, 0, "%s could not be unpacked", archive);
		bad = IMG_FAILED;
	}
	return bad;
}

enum img_exit command_untar(struct session *s, int argc, char **argv)
{
	struct override over = {-1, -1, NULL};
	const char *spec = NULL, *archive, *dir;
	struct side d;
	enum img_exit bad;
	int c;

	while ((c = next_option(s, argc, argv, "o:m:S:", tree_options)) != -1)
		if (c == '?' || !override_option(s, "untar", c, &over, &spec))
			return IMG_USAGE;
	if (argc - optind < 2 || argc - optind > 3)
		return usage_error(s, "untar", "IMAGE ARCHIVE [DIRECTORY]");
	archive = argv[optind + 1];
	dir = argc - optind > 2 ? argv[optind + 2] : "/";
	bad = open_operand(s, argc, argv, true, &d);
	if (!bad)
		bad = untar_file(s, d.im, archive, dir, &over);
	if (!bad && spec)
		bad = spec_apply(s, d.im, spec, dir);
	return s->worst;
}

enum img_exit command_spec(struct session *s, int argc, char **argv)
{
	struct side d;
	enum img_exit bad;

	if (next_option(s, argc, argv, "", NULL) != -1)
		return IMG_USAGE;
	if (argc - optind < 2 || argc - optind > 3)
		return usage_error(s, "spec", "IMAGE TABLE [DIRECTORY]");
	bad = open_operand(s, argc, argv, true, &d);
	if (!bad)
		(void)spec_apply(s, d.im, argv[optind], argc - optind > 1 ? argv[optind + 1] : "/");
	return s->worst;
}

/* ---------------------------------------------------------------- mkfs */
struct mkfs_run {
	struct mkfs_options o;
	struct override over;
	const char *source, *spec;
	uint64_t size, room;
};

static int mkfs_option(struct session *s, struct mkfs_run *r, int c)
{
	uint64_t v = 0;
	char *end;

	switch (c) {
	case 'b': if (parse_size(optarg, &v) || v > 65536) return -EINVAL; r->o.block = (unsigned)v; return 0;
	case 'I': if (parse_size(optarg, &v) || v > 65536) return -EINVAL; r->o.inode_size = (unsigned)v; return 0;
	case 'N': return parse_number(optarg, UINT32_MAX, &r->o.inodes);
	case 'i': return parse_size(optarg, &r->o.ratio);
	case 'm': r->o.reserved = strtod(optarg, &end); return *end || end == optarg || !(r->o.reserved >= 0 && r->o.reserved <= 50) ? -EINVAL : 0;
	case 'L': r->o.label = optarg; return 0;
	case 'U': r->o.uuid = optarg; return 0;
	case 'F': r->o.force = true; return 0;
	case 'd': r->source = optarg; return 0;
	case 'f': return parse_size(optarg, &r->room);
	default: return override_option(s, "mkfs", c, &r->over, &r->spec) ? 0 : -EINVAL;
	}
}

/* How long an image must be for the tree, with so much room beside. */
static int measure(struct mkfs_run *r)
{
	unsigned block = r->o.block ? r->o.block : 4096, isize = r->o.inode_size ? r->o.inode_size : 256;
	uint64_t bytes = 0, inodes = 0, tables;
	int err = copy_measure(r->source, block, &bytes, &inodes);

	if (err)
		return err;
	bytes += r->room + (64u << 10);
	r->o.block = block;
	if (!r->o.ratio)
		r->o.ratio = 16384;
	if (!r->o.inodes) {
		r->o.inodes = bytes / r->o.ratio;
		if (r->o.inodes < inodes + inodes / 16 + 64)
			r->o.inodes = inodes + inodes / 16 + 64;
	}
	tables = r->o.inodes * isize;
	/* bitmaps, descriptors and their room to grow; the share of the superuser */
	bytes = (uint64_t)((double)(bytes + tables + bytes / 100 + (4u << 20)) / (1 - r->o.reserved / 100));
	r->size = (bytes + (1u << 20) - 1) >> 20 << 20;
	return 0;
}

static enum img_exit fill(struct session *s, const struct place *p, struct mkfs_run *r)
{
	struct image *im;
	struct copy c;
	struct stat st;
	enum img_exit bad = image_open(s, p, true, &im);

	if (bad)
		return bad;
	if (!r->source)
		return r->spec ? spec_apply(s, im, r->spec, "/") : IMG_OK;
	if (!stat(r->source, &st) && S_ISDIR(st.st_mode)) {
		copy_init(&c, s, NULL, im);
		c.over = r->over;
		bad = copy_tree(&c, r->source, "/");
		copy_fini(&c);
	} else {
		bad = untar_file(s, im, r->source, "/", &r->over);
	}
	return !bad && r->spec ? spec_apply(s, im, r->spec, "/") : bad;
}

/* Before anything is overwritten. */
static enum img_exit sources_there(struct session *s, const struct mkfs_run *r)
{
	const char *files[] = {r->source, r->spec};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (files[i] && strcmp(files[i], "-") != 0 && access(files[i], R_OK)) {
			complain(s, IMG_FAILED, -errno, "%s", files[i]);
			return IMG_FAILED;
		}
	return IMG_OK;
}

enum img_exit command_mkfs(struct session *s, int argc, char **argv)
{
	static const struct option longs[] = {{"owner", 1, NULL, 'o'}, {"mode", 1, NULL, 'M'}, {"spec", 1, NULL, 'S'}, {"free", 1, NULL, 'f'}, {0}};
	struct mkfs_run r = {.o = {.reserved = 5}, .over = {-1, -1, NULL}};
	struct place p;
	struct stat st;
	enum img_exit bad = IMG_OK;
	int c;

	while ((c = next_option(s, argc, argv, "b:I:N:i:m:L:U:Fd:o:S:f:M:", longs)) != -1) {
		if (c == '?')
			return IMG_USAGE;
		if (c == 'M' ? !override_option(s, "mkfs", 'm', &r.over, &r.spec) : mkfs_option(s, &r, c) != 0)
			return usage_error(s, "mkfs", "-%c: %s", c, optarg);
	}
	if (argc - optind < 1 || argc - optind > 2)
		return usage_error(s, "mkfs", "IMAGE [SIZE]");
	if (argc - optind == 2 && (parse_size(argv[optind + 1], &r.size) || !r.size))
		return usage_error(s, "mkfs", "no size: %s", argv[optind + 1]);
	place_parse(s, argv[optind], &p);
	if (!r.size && r.source && !p.part && !s->offset && !stat(r.source, &st) && S_ISDIR(st.st_mode) && (stat(p.file, &st) || r.o.force)) {
		int err = measure(&r);

		if (err) {
			complain(s, IMG_FAILED, err, "%s", r.source);
			bad = IMG_FAILED;
		}
	} else if (!r.size && stat(p.file, &st)) {
		bad = usage_error(s, "mkfs", "%s is not there yet: how large is it to be?", p.file);
	}
	if (!bad)
		bad = sources_there(s, &r);
	if (!bad)
		bad = mkfs(s, &p, r.size, &r.o);
	if (!bad && (r.source || r.spec))
		bad = fill(s, &p, &r);
	place_free(&p);
	return s->worst;
}

/* ---------------------------------------------------------------- the superblock: label, info */
/* Opens and locks the file and reads the superblock; the descriptor, or -1 after complaining. */
static int open_super(struct session *s, const struct place *p, bool write, struct ext2_super *sb, uint64_t *at)
{
	uint64_t size;
	int fd;

	if (image_close_file(s, p->file) || image_range(s, p, at, &size))
		return -1;
	fd = open(p->file, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0) {
		complain(s, IMG_NO_IMAGE, -errno, "%s", p->file);
		return -1;
	}
	if (flock(fd, (write ? LOCK_EX : LOCK_SH) | LOCK_NB)) {
		complain(s, IMG_NO_IMAGE, 0, "%s is in use: unmount it first", p->file);
	} else if (pread(fd, sb, sizeof(*sb), (off_t)(*at + EXT2_SUPER_AT)) != sizeof(*sb) || sb->magic != EXT2_MAGIC) {
		complain(s, IMG_NO_IMAGE, 0, "%s: no ext2, ext3 or ext4 file system (of a disk with partitions, name one: %s:part=1)", p->file, p->file);
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

enum img_exit command_label(struct session *s, int argc, char **argv)
{
	struct ext2_super sb;
	struct place p;
	uint64_t at;
	bool write;
	int fd;

	if (next_option(s, argc, argv, "", NULL) != -1)
		return IMG_USAGE;
	if (argc - optind < 1 || argc - optind > 2)
		return usage_error(s, "label", "IMAGE [LABEL]");
	write = argc - optind == 2;
	if (write && strlen(argv[optind + 1]) > sizeof(sb.label))
		return usage_error(s, "label", "a label has at most 16 bytes");
	place_parse(s, argv[optind], &p);
	fd = open_super(s, &p, write, &sb, &at);
	if (fd >= 0 && !write) {
		printf("%.16s\n", sb.label);
	} else if (fd >= 0 && (sb.ro_compat & EXT2_RO_CSUM)) {
		complain(s, IMG_FAILED, 0, "%s: its superblock has a checksum, which is not written here: use e2label", p.file);
	} else if (fd >= 0) {
		memset(sb.label, 0, sizeof(sb.label));
		memcpy(sb.label, argv[optind + 1], strlen(argv[optind + 1]));
		if (pwrite(fd, &sb, sizeof(sb), (off_t)(at + EXT2_SUPER_AT)) != sizeof(sb) || fsync(fd))
			complain(s, IMG_WRITE, -errno, "%s", p.file);
	}
	if (fd >= 0)
		close(fd);
	place_free(&p);
	return s->worst;
}

static void print_features(const struct ext2_super *sb)
{
	static const struct {
		uint32_t set, bit;
		const char *name;
	} names[] = {{0, 0x4, "has_journal"}, {0, 0x8, "ext_attr"}, {0, 0x10, "resize_inode"}, {0, 0x20, "dir_index"}, {0, 0x200, "sparse_super2"},
		     {1, 0x2, "filetype"}, {1, 0x4, "needs_recovery"}, {1, 0x8, "journal_dev"}, {1, 0x10, "meta_bg"}, {1, 0x40, "extent"},
		     {1, 0x80, "64bit"}, {1, 0x100, "mmp"}, {1, 0x200, "flex_bg"}, {1, 0x400, "ea_inode"}, {1, 0x2000, "metadata_csum_seed"},
		     {1, 0x4000, "large_dir"}, {1, 0x8000, "inline_data"}, {1, 0x10000, "encrypt"}, {1, 0x20000, "casefold"}, {2, 0x1, "sparse_super"},
		     {2, 0x2, "large_file"}, {2, 0x8, "huge_file"}, {2, 0x10, "uninit_bg"}, {2, 0x20, "dir_nlink"}, {2, 0x40, "extra_isize"},
		     {2, 0x100, "quota"}, {2, 0x200, "bigalloc"}, {2, 0x400, "metadata_csum"}, {2, 0x2000, "project"}, {2, 0x8000, "verity"}};
	uint32_t left[3] = {sb->compat, sb->incompat, sb->ro_compat};

	printf("features:   ");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (left[names[i].set] & names[i].bit) {
			printf("%s ", names[i].name);
			left[names[i].set] &= ~names[i].bit;
		}
	for (unsigned i = 0; i < 3; i++)
		if (left[i])
			printf("unknown:%u:0x%x ", i, left[i]);
	putchar('\n');
}

static void print_when(const char *what, uint32_t seconds)
{
	const struct timespec t = {.tv_sec = seconds};
	char date[64];

	print_date(&t, date);
	printf("%-12s%s\n", what, seconds ? date : "never");
}

enum img_exit command_info(struct session *s, int argc, char **argv)
{
	struct ext2_super sb;
	struct place p;
	uint64_t at, block;
	int fd;

	if (next_option(s, argc, argv, "", NULL) != -1)
		return IMG_USAGE;
	if (argc - optind != 1)
		return usage_error(s, "info", "IMAGE");
	place_parse(s, argv[optind], &p);
	fd = open_super(s, &p, false, &sb, &at);
	place_free(&p);
	if (fd < 0)
		return s->worst;
	close(fd);
	block = 1024ull << (sb.log_block & 31);
	printf("label:      %.16s\nuuid:       ", sb.label);
	for (unsigned i = 0; i < 16; i++)
		printf("%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", sb.uuid[i]);
	printf("\nbegins at:  %llu\nstate:      %s%s\n", (unsigned long long)at, sb.state & 1 ? "clean" : "not clean", sb.state & 2 ? ", with errors" : "");
	print_features(&sb);
	printf("block size: %llu\nblocks:     %u, %u free, %u kept for the superuser\n", (unsigned long long)block, sb.blocks, sb.free_blocks, sb.reserved_blocks);
	printf("inode size: %u\ninodes:     %u, %u free\n", sb.rev ? sb.inode_size : 128, sb.inodes, sb.free_inodes);
	printf("groups:     %u blocks, %u inodes each\nmounts:     %u\n", sb.blocks_per_group, sb.inodes_per_group, sb.mounts);
	print_when("made:", sb.mkfs_time);
	print_when("mounted:", sb.mtime);
	print_when("written:", sb.wtime);
	print_when("checked:", sb.last_check);
	return s->worst;
}
