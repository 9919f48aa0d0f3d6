/* SPDX-License-Identifier: MIT */
/* maestro-img COMMAND [OPTIONS] IMAGE ...: the table of commands, options that all have, scripts. */
#include "img.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 256

struct command {
	const char *name;
	enum img_exit (*run)(struct session *s, int argc, char **argv);
	const char *use, *help;
};

static const struct command commands[] = {
	{"ls", command_ls, "[-alidR] IMAGE [PATH...]", "Lists directories. -l modes, owners (numbers), sizes, times in UTC; -i inodes; -R all below; -d not what they hold."},
	{"cat", command_cat, "IMAGE PATH...", "Writes files to standard output."},
	{"stat", command_stat, "IMAGE [PATH...]", "Shows all about files; links are not followed."},
	{"find", command_find, "[--name GLOB] [--type LETTERS] [--maxdepth N] [--print0 | --ls] IMAGE [PATH...]",
	 "Lists all below. Types: f d l c b p s."},
	{"cp", command_cp, "[--owner UID:GID] [--mode MODE] [--spec TABLE] [--no-overwrite-dir] FROM... TO",
	 "Copies files and trees, IMAGE:/path being inside an image: in, out, within, or from image to image. All is kept: types, holes, hard links,\n"
	 "owners, modes, times, extended attributes, ACLs. FROM/. means what FROM holds. To the host goes what its user may: owners only for root.\n"
	 "--owner and --mode (as for chmod, u=rwX,go=rX for one) replace what the source has; --spec applies a table afterwards;\n"
	 "--no-overwrite-dir leaves directories that are there (or links to such) as they are."},
	{"tar", command_tar, "[--format pax|gnu|ustar] IMAGE ARCHIVE [DIRECTORY]",
	 "Packs the tree into an archive (\"-\": standard output), names sorted."},
	{"untar", command_untar, "[--owner UID:GID] [--mode MODE] [--spec TABLE] IMAGE ARCHIVE [DIRECTORY]",
	 "Unpacks an archive (\"-\": standard input) into the image: ustar, pax, GNU; packed by gzip, xz, zstd, bzip2 or lzip if these are installed.\n"
	 "What is there is replaced, directories are merged."},
	{"mkdir", command_mkdir, "[-p] [-m MODE] IMAGE PATH...", "Makes directories. -p with those above, and no complaint if it is there."},
	{"mknod", command_mknod, "[-m MODE] IMAGE PATH c|b|p [MAJOR MINOR]", "Makes a device or pipe."},
	{"rm", command_rm, "[-rf] IMAGE PATH...", "Removes files; -r directories with what they hold; -f no complaint about what is not there."},
	{"mv", command_mv, "IMAGE FROM... TO", "Renames, or moves into a directory."},
	{"ln", command_ln, "[-sf] IMAGE TARGET NAME", "Gives a file another name; -s makes a symbolic link; -f replaces what is there."},
	{"chmod", command_chmod, "[-R] IMAGE MODE PATH...", "Changes permissions: octal, or like u=rwX,go-w."},
	{"chown", command_chown, "[-R] IMAGE UID[:GID] PATH...", "Changes owners, by number; links themselves."},
	{"touch", command_touch, "[-acm] [-d DATE] IMAGE PATH...",
	 "Sets times; makes empty files that are missing unless -c. DATE: YYYY-MM-DD HH:MM:SS in UTC, or @SECONDS."},
	{"setfattr", command_setfattr, "-n NAME [-v VALUE] | -x NAME IMAGE PATH...", "Sets or removes an extended attribute. VALUE: text, or 0xHEX."},
	{"getfattr", command_getfattr, "[-d | -n NAME] IMAGE PATH...", "Shows extended attributes: all, or one."},
	{"write", command_write, "[--append | --seek OFFSET] [--mode MODE] IMAGE PATH",
	 "Writes standard input to a file, which is made if missing, and otherwise emptied before unless --append or --seek."},
	{"spec", command_spec, "IMAGE TABLE [DIRECTORY]",
	 "Sets owners and modes and makes devices by a table, as genext2fs -D. Lines: PATH TYPE MODE UID GID [MAJOR MINOR [START INCREMENT COUNT]].\n"
	 "TYPE: f file, d directory (made), r all below, c b p devices and pipes (made). \"-\" leaves what is."},
	{"df", command_df, "[-h] [-i] IMAGE", "Shows how full it is; -i inodes."},
	{"info", command_info, "IMAGE", "Shows label, UUID, features, sizes and state of an ext2, ext3 or ext4 file system."},
	{"label", command_label, "IMAGE [LABEL]", "Shows or sets the label."},
	{"mkfs", command_mkfs,
	 "[-b BLOCK] [-I INODE] [-N INODES | -i BYTES] [-m PERCENT] [-L LABEL] [-U UUID] [-F] [-d SOURCE] [--free SIZE] [--spec TABLE] IMAGE [SIZE]",
	 "Makes an ext2 file system. SIZE (K, M, G, T) makes the file that long; without it the file, device or partition is taken as it is.\n"
	 "-b 1024, 2048, 4096; -I bytes of an inode; -N how many, or -i one for so many bytes; -m kept for the superuser (5); -U a UUID, random or clear;\n"
	 "-F overwrites a file system. -d fills it from a directory or a tar archive, with --owner, --mode and --spec as for cp; without SIZE the image is\n"
	 "made as large as a directory needs, and --free more."},
};

/* ---------------------------------------------------------------- help */
static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static void print_help(const struct command *c)
{
	printf("usage: maestro-img %s %s\n\n%s\n\n"
	       "IMAGE: a file or device with an ext2 file system; IMAGE:part=2: in its second partition.\n"
	       "    --offset BYTES      where in the image it begins     --sizelimit BYTES   how long it is there\n"
	       "    --memory SIZE       of the kernel inside (128M)      -q, --quiet         no progress\n",
	       c->name, c->use, c->help);
}

static void print_commands(FILE *to)
{
	fputs("usage: maestro-img COMMAND [OPTIONS] IMAGE ...\n"
	      "       maestro-img --script FILE [IMAGE]      one command a line; \"@\" stands for IMAGE\n"
	      "       maestro-img COMMAND --help\n\n"
	      "Reads, changes and makes ext2 images without root.\n\n",
	      to);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].use);
	fputs("\nIMAGE: a file or device; IMAGE:part=2 a partition of it; IMAGE:/path a file in it (cp).\n", to);
}

enum img_exit usage_error(struct session *s, const char *command, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	complain(s, IMG_USAGE, 0, "%s: %s; see maestro-img %s --help", command, text, command);
	return IMG_USAGE;
}

/* ---------------------------------------------------------------- options */
enum { OPT_OFFSET = 1000, OPT_SIZE, OPT_MEMORY, OPT_HELP };

static const struct option common[] = {{"offset", 1, NULL, OPT_OFFSET}, {"sizelimit", 1, NULL, OPT_SIZE}, {"memory", 1, NULL, OPT_MEMORY},
				       {"quiet", 0, NULL, 'q'}, {"help", 0, NULL, OPT_HELP}};
#define NCOMMON (sizeof(common) / sizeof(common[0]))

static int take_common(struct session *s, const char *command, int c)
{
	uint64_t *to = c == OPT_OFFSET ? &s->offset : c == OPT_SIZE ? &s->size : &s->memory;

	if (c == 'q') {
		s->quiet = true;
		return 0;
	}
	if (parse_size(optarg, to) || (c == OPT_OFFSET && *to % 512)) {
		(void)usage_error(s, command, "no number of bytes%s: %s", c == OPT_OFFSET ? " that is a multiple of 512" : "", optarg);
		return -EINVAL;
	}
	return 0;
}

int next_option(struct session *s, int argc, char **argv, const char *letters, const struct option *longs)
{
	struct option all[NCOMMON + 16] = {0};
	char some[64];
	size_t n = 0;
	int c;

	memcpy(all, common, sizeof(common));
	for (; longs && longs[n].name; n++)
		all[NCOMMON + n] = longs[n];
	snprintf(some, sizeof(some), "%sq", letters);
	for (;;) {
		c = getopt_long(argc, argv, some, all, NULL);
		if (c == OPT_HELP) {
			print_help(find_command(argv[0]));
			exit(IMG_OK);
		}
		if (c == '?') {
			(void)usage_error(s, argv[0], "bad option");
			return '?';
		}
		if (c != 'q' && (c < OPT_OFFSET || c > OPT_MEMORY))
			return c;
		if (take_common(s, argv[0], c))
			return '?';
	}
}

enum img_exit open_operand(struct session *s, int argc, char **argv, bool write, struct side *out)
{
	struct place p;
	enum img_exit bad;

	if (optind >= argc)
		return usage_error(s, argv[0], "which image?");
	place_parse(s, argv[optind], &p);
	*out = (struct side){.s = s};
	bad = image_open(s, &p, write, &out->im);
	/* IMAGE:/path is as good as IMAGE /path; commands that show take the root when nothing is named. */
	if (!bad && p.path)
		argv[optind] = must_dup(p.path);
	else if (!bad && optind + 1 == argc && !write)
		argv[optind] = must_dup("/");
	else
		optind++;
	place_free(&p);
	return bad;
}

/* ---------------------------------------------------------------- running */
static enum img_exit run_command(struct session *s, int argc, char **argv)
{
	const struct command *c = find_command(argv[0]);

	if (!c) {
		complain(s, IMG_USAGE, 0, "there is no command %s; maestro-img --help lists them", argv[0]);
		return IMG_USAGE;
	}
	optind = 0; /* glibc: begin anew */
	return c->run(s, argc, argv);
}

static enum img_exit run_script(struct session *s, const char *file)
{
	FILE *f = !strcmp(file, "-") ? stdin : fopen(file, "re");
	char *line = NULL;
	size_t size = 0;

	if (!f) {
		complain(s, IMG_FAILED, -errno, "%s", file);
		return IMG_FAILED;
	}
	for (unsigned number = 1; !s->worst && getline(&line, &size, f) > 0; number++) {
		const struct session before = *s;
		char *words[MAX_WORDS + 1] = {0};
		int n = split_words(line, words, MAX_WORDS);

		if (n < 0)
			complain(s, IMG_USAGE, 0, "%s:%u: an open quote, or more than %d words", file, number, MAX_WORDS);
		if (n <= 0)
			continue;
		if (run_command(s, n, words))
			complain(s, IMG_OK, 0, "%s:%u: stopped here", file, number);
		s->offset = before.offset; /* options hold for their line */
		s->size = before.size;
	}
	free(line);
	if (f != stdin)
		fclose(f);
	return s->worst;
}

int main(int argc, char **argv)
{
	struct session s;

	session_init(&s);
	if (s.worst)
		return (int)s.worst;
	signal(SIGPIPE, SIG_IGN); /* an image is written out whoever stops listening */
	if (argc >= 2 && (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))) {
		print_commands(stdout);
		return IMG_OK;
	}
	if (argc >= 2 && !strcmp(argv[1], "--version")) {
		printf("maestro-img %u.%u\n", maestro_version() >> 16, maestro_version() & 0xffff);
		return IMG_OK;
	}
	if (argc < 2) {
		print_commands(stderr);
		return IMG_USAGE;
	}
	if (!strcmp(argv[1], "--script")) {
		if (argc < 3 || argc > 4) {
			print_commands(stderr);
			return IMG_USAGE;
		}
		s.at = argc == 4 ? argv[3] : NULL;
		s.script = true;
		(void)run_script(&s, argv[2]);
	} else {
		(void)run_command(&s, argc - 1, argv + 1);
	}
	(void)session_end(&s);
	if (fflush(stdout))
		complain(&s, IMG_FAILED, -errno, "standard output");
	return (int)s.worst;
}
