/* SPDX-License-Identifier: MIT */
/* The command line: ours, libfuse's, and that of mount(8), which calls us as mount.fuse.maestro. */
#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPT(text, member, value) {text, offsetof(struct settings, member), value}
enum { KEY_IGNORED = 1, KEY_TYPE, KEY_VERBOSE };
static const struct fuse_opt options[] = {
	OPT("-h", help, 1), OPT("--help", help, 1), OPT("-V", version, 1), OPT("--version", version, 1), OPT("-d", debug, 1), OPT("ro", read_only, 1),
	OPT("-r", read_only, 1), OPT("rw", read_write, 1), OPT("-w", read_write, 1), OPT("offset=%llu", offset, 0), OPT("sizelimit=%llu", size, 0),
	OPT("part=%u", part, 0), OPT("memory=%u", memory, 0), OPT("threads=%u", threads, 0), OPT("vcpus=%u", vcpus, 0), OPT("type=%s", type, 0),
	OPT("data=%s", data, 0), OPT("nolock", no_lock, 1), OPT("allow_other", allow_other, 1), OPT("uid=%lli", uid, 0), OPT("gid=%lli", gid, 0), OPT("fakeroot", fakeroot, 1),
	OPT("noxattr", no_xattr, 1), OPT("writeback", writeback, 1), OPT("errors=%s", errors, 0), OPT("norecovery", no_recovery, 1), OPT("log=%s", log, 0),
	FUSE_OPT_KEY("-f", KEY_VERBOSE), FUSE_OPT_KEY("user=", KEY_IGNORED), FUSE_OPT_KEY("user", KEY_IGNORED), FUSE_OPT_KEY("users", KEY_IGNORED),
	FUSE_OPT_KEY("x-", KEY_IGNORED), FUSE_OPT_KEY("noauto", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("auto", FUSE_OPT_KEY_DISCARD),
	FUSE_OPT_KEY("nofail", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("_netdev", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("loop", FUSE_OPT_KEY_DISCARD),
	FUSE_OPT_KEY("defaults", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("default_permissions", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("-t ", KEY_TYPE),
	FUSE_OPT_KEY("-v", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("-n", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("-s", FUSE_OPT_KEY_DISCARD), FUSE_OPT_END,
};

/* We go to the background, where paths must be absolute. */
static char *absolute(const char *path)
{
	char *real = realpath(path, NULL);

	return real ? real : strdup(path);
}

static int take_argument(void *data, const char *arg, int key, struct fuse_args *out)
{
	struct settings *s = data;

	(void)out;
	if (key == KEY_IGNORED || key == KEY_TYPE)
		return 0;
	if (key == KEY_VERBOSE) { /* -f: mount(8) means by it that nothing is to be done */
		if (s->helper)
			s->fake = 1;
		else
			s->foreground = 1;
		return 0;
	}
	if (key != FUSE_OPT_KEY_NONOPT)
		return 1; /* libfuse's: allow_other and the like */
	if (!s->image)
		s->image = absolute(arg);
	else if (!s->mountpoint)
		s->mountpoint = absolute(arg);
	else {
		fprintf(stderr, "maestro-fuse: one argument too many: %s\n", arg);
		return -1;
	}
	return 0;
}

static void usage(FILE *to)
{
	fputs("usage: maestro-fuse [options] IMAGE MOUNTPOINT\n"
	      "Mounts an ext2 file system in a file (or block device), by the Maestro kernel in a process of its own.\n"
	      "\n"
	      "    -f                  stay in the foreground\n"
	      "    -d                  foreground, and print every request\n"
	      "    -o ro, -r           read-only (so it is, too, when the image may not be written)\n"
	      "    -o rw               fail if the image may not be written\n"
	      "    -o part=N           partition N of the image\n"
	      "    -o offset=BYTES     where in the image it begins (a multiple of 512)\n"
	      "    -o sizelimit=BYTES  how long it is there\n"
	      "    -o uid=N, gid=N     show all files as owned by N\n"
	      "    -o fakeroot         act as root inside: no permissions are checked, new files are root's\n"
	      "    -o allow_other      let other users in (root, or user_allow_other in /etc/fuse.conf)\n"
	      "    -o errors=WHAT      on damage: continue, remount-ro, panic\n"
	      "    -o norecovery       do not replay a journal (read-only)\n"
	      "    -o noxattr          no extended attributes: quicker writes of many files\n"
	      "    -o writeback        let the host's kernel collect writes: quicker for many small ones into few files\n"
	      "    -o memory=MIB       memory of the kernel, page cache included, taken as needed (default 256)\n"
	      "    -o threads=N        threads that take requests (default 1, which is quickest for one user)\n"
	      "    -o vcpus=N          how many of them run in the kernel in parallel (default 1)\n"
	      "    -o log=FILE         where messages go (default: syslog, in the foreground standard error)\n"
	      "    -o data=OPTIONS     further mount options for the file system\n"
	      "    -o nolock           do not lock the image against a second mount\n"
	      "    -h, -V              this text, the version\n"
	      "\n"
	      "Permissions are checked by the host's kernel; new files belong to who makes them.\n"
	      "Unmount with: fusermount3 -u MOUNTPOINT, umount, or SIGTERM. In fstab the type is fuse.maestro.\n",
	      to);
}

/* errors= and norecovery are the file system's. */
static int join_data(struct settings *s)
{
	char *all;

	if (asprintf(&all, "%s%s%s%s%s", s->errors ? "errors=" : "", s->errors ? s->errors : "", s->no_recovery ? ",norecovery" : "", s->data ? "," : "",
		     s->data ? s->data : "") < 0)
		return -ENOMEM;
	free(s->data);
	s->data = *all == ',' ? all + 1 : *all ? all : NULL;
	return 0;
}

/* The name of the image in /proc/mounts: no commas, which separate options. */
static int add_names(const struct settings *s, struct fuse_args *args)
{
	char *opts, *name;
	int err;

	/* Whom root mounted it for alone may do all: then the host's kernel need not ask for a directory's mode after each change in it. */
	bool checked = !s->fakeroot && (s->allow_other || getuid() != 0);

	if (asprintf(&opts, "-o%s%ssubtype=maestro,fsname=%s", s->allow_other ? "allow_other," : "", checked ? "default_permissions," : "", s->image) < 0)
		return -ENOMEM;
	name = strstr(opts, "fsname=");
	for (char *c = name; *c; c++)
		if (*c == ',')
			*c = '_';
	err = fuse_opt_add_arg(args, opts);
	free(opts);
	if (!err && s->debug)
		err = fuse_opt_add_arg(args, "-odebug");
	return err ? -ENOMEM : 0;
}

int settings_parse(struct settings *s, struct fuse_args *args)
{
	const char *slash = strrchr(args->argv[0], '/');

	s->helper = !strncmp(slash ? slash + 1 : args->argv[0], "mount.", 6);
	if (fuse_opt_parse(args, s, options, take_argument))
		return 2;
	if (s->help) {
		usage(stdout);
		return 0;
	}
	if (s->version) {
		printf("maestro-fuse %u.%u, libfuse %s\n", maestro_version() >> 16, maestro_version() & 0xffff, fuse_pkgversion());
		return 0;
	}
	if (s->fake)
		return 0;
	if (!s->image || !s->mountpoint || !s->threads || !s->vcpus || s->uid > UINT32_MAX || s->gid > UINT32_MAX || (s->read_only && s->read_write)) {
		usage(stderr);
		return 2;
	}
	return join_data(s) || add_names(s, args) ? 1 : -1;
}

int settings_open_disk(const struct settings *s, struct front *f, char disk[MAESTRO_DISK_NAME])
{
	unsigned flags = (s->read_only ? MAESTRO_DISK_READ_ONLY : s->read_write ? 0 : MAESTRO_DISK_FALL_BACK) | (s->no_lock ? MAESTRO_DISK_NO_LOCK : 0) |
			 (s->part ? 0 : MAESTRO_DISK_NO_PARTITIONS);
	struct stat st;

	if (!stat(s->image, &st) && S_ISREG(st.st_mode))
		f->file_limit = (uint64_t)st.st_size;
	return maestro_disk_add_file_part(f->k, s->image, flags, s->offset, s->size, disk);
}
