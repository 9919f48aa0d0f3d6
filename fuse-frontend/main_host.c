/* SPDX-License-Identifier: MIT */
/*
 * maestro-fuse IMAGE MOUNTPOINT: mounts an ext2 image through a kernel of our own, without root. One thread: it answers requests, and between them lets the kernel's
 * own threads (write-back) run.
 */
#include "fs_host.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#define PUMP_MS 1000

struct settings {
	char *image, *mountpoint;
	int read_only, read_write, help, version, foreground, debug, no_lock;
	unsigned long long offset, size;
	unsigned memory; /* MiB */
	char *type, *data;
};

#define OPT(text, member, value) {text, offsetof(struct settings, member), value}
enum { KEY_LETTERS = 1 };
static const struct fuse_opt options[] = {
	OPT("-h", help, 1), OPT("--help", help, 1), OPT("-V", version, 1), OPT("--version", version, 1), OPT("-f", foreground, 1),
	OPT("-d", debug, 1), OPT("ro", read_only, 1), OPT("-r", read_only, 1), OPT("rw", read_write, 1), OPT("offset=%llu", offset, 0),
	OPT("sizelimit=%llu", size, 0), OPT("memory=%u", memory, 0), OPT("type=%s", type, 0), OPT("data=%s", data, 0), OPT("nolock", no_lock, 1),
	FUSE_OPT_KEY("user=", KEY_LETTERS), FUSE_OPT_KEY("noauto", FUSE_OPT_KEY_DISCARD), FUSE_OPT_KEY("defaults", FUSE_OPT_KEY_DISCARD),
	FUSE_OPT_END,
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
	if (key == KEY_LETTERS)
		return 0;
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
	      "Mounts an ext2 file system in a file (or block device), by the Maestro kernel in this process.\n"
	      "\n"
	      "    -f                  stay in the foreground\n"
	      "    -d                  foreground, and print every request\n"
	      "    -o ro, -r           read-only (so it is, too, when the image may not be written)\n"
	      "    -o rw               fail if the image may not be written\n"
	      "    -o offset=BYTES     where in the image it begins (a multiple of 512)\n"
	      "    -o sizelimit=BYTES  how long it is there\n"
	      "    -o allow_other      let other users in (root, or user_allow_other in /etc/fuse.conf)\n"
	      "    -o memory=MIB       memory of the kernel, page cache included (default 64)\n"
	      "    -o data=OPTIONS     mount options for the file system\n"
	      "    -o nolock           do not lock the image against a second mount\n"
	      "    -h, -V              this text, the version\n"
	      "\n"
	      "Permissions are checked (default_permissions); new files belong to who makes them.\n"
	      "Unmount with: fusermount3 -u MOUNTPOINT, or SIGTERM.\n",
	      to);
}

static bool in_background;

static void complain(const char *what, int err)
{
	if (in_background)
		syslog(LOG_ERR, "%s: %s", what, strerror(-err));
	else
		fprintf(stderr, "maestro-fuse: %s: %s\n", what, strerror(-err));
}

static void log_line(void *arg, const char *text, size_t len)
{
	(void)arg;
	if (in_background)
		syslog(LOG_WARNING, "%.*s", (int)len, text);
	else
		fprintf(stderr, "maestro-fuse: %.*s", (int)len, text);
}

static int open_image(struct front *f, const struct settings *s)
{
	char name[MAESTRO_DISK_NAME];
	unsigned flags = (s->read_only ? MAESTRO_DISK_READ_ONLY : s->read_write ? 0 : MAESTRO_DISK_FALL_BACK) | (s->no_lock ? MAESTRO_DISK_NO_LOCK : 0);
	char dev[sizeof(name) + 8];
	const char *type = s->type ? s->type : "ext2";
	int err = maestro_disk_add_file_part(f->k, s->image, flags, s->offset, s->size, name);

	if (err == -EBUSY)
		fprintf(stderr, "maestro-fuse: %s is in use: another process has it locked\n", s->image);
	else if (err == -EINVAL)
		fprintf(stderr, "maestro-fuse: %s: too short, or offset= is no multiple of 512\n", s->image);
	else if (err)
		complain(s->image, err);
	if (err)
		return err;
	snprintf(dev, sizeof(dev), "/dev/%s", name);
	err = maestro_mkdir(f->k, "/mnt", 0755);
	if (err)
		return err;
	f->read_only = s->read_only;
	err = maestro_mount(f->k, dev, "/mnt", type, f->read_only ? 1 : 0, s->data);
	if ((err == -EROFS || err == -EACCES) && !s->read_write && !f->read_only) {
		/* The image may only be read. */
		f->read_only = true;
		err = maestro_mount(f->k, dev, "/mnt", type, 1, s->data);
	}
	if (err == -EINVAL)
		fprintf(stderr, "maestro-fuse: %s: no %s file system, or one with features or options that are not supported\n", s->image, type);
	else if (err)
		complain(s->image, err);
	if (err)
		return err;
	maestro_umask(f->k, 0); /* modes come masked by the caller's own */
	return maestro_node_root(f->k, "/mnt", &f->root);
}

/* As fuse_session_loop(), and wakes up now and then for the kernel's threads. */
static int serve(struct front *f, struct fuse_session *se)
{
	struct fuse_buf buf = {.mem = NULL};
	struct pollfd p = {.fd = fuse_session_fd(se), .events = POLLIN};
	int res = 0;

	while (!fuse_session_exited(se)) {
		int n = poll(&p, 1, PUMP_MS);

		if (n < 0 && errno != EINTR) {
			res = -errno;
			break;
		}
		if (n <= 0) {
			maestro_pump(f->k, -1);
			continue;
		}
		res = fuse_session_receive_buf(se, &buf);
		if (res == -EINTR)
			continue;
		if (res <= 0)
			break;
		fuse_session_process_buf(se, &buf);
	}
	free(buf.mem);
	fuse_session_reset(se);
	return res < 0 ? res : 0;
}

static int run(struct front *f, struct fuse_args *args, const struct settings *s)
{
	struct fuse_session *se;
	char *opts = NULL;
	int err;

	if (asprintf(&opts, "-odefault_permissions,subtype=maestro,fsname=%s%s", s->image, f->read_only ? ",ro" : "") < 0)
		return 1;
	for (char *c = strstr(opts, "fsname="); c && *c; c++)
		if (*c == ',' && strcmp(c, ",ro") != 0)
			*c = '_';
	err = fuse_opt_add_arg(args, opts);
	free(opts);
	if (err || (s->debug && fuse_opt_add_arg(args, "-odebug")))
		return 1;
	se = fuse_session_new(args, &front_ops, sizeof(front_ops), f);
	if (!se)
		return 1;
	err = 1;
	if (fuse_set_signal_handlers(se) == 0) {
		if (fuse_session_mount(se, s->mountpoint) == 0) {
			if (fuse_daemonize(s->foreground || s->debug) == 0) {
				in_background = !(s->foreground || s->debug);
				err = serve(f, se) ? 1 : 0;
			}
			fuse_session_unmount(se);
		}
		fuse_remove_signal_handlers(se);
	}
	fuse_session_destroy(se);
	return err;
}

int main(int argc, char **argv)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	struct settings s = {.memory = 64};
	struct front f = {.timeout = 3600.0};
	struct maestro_options o = {.size = sizeof(o), .log = log_line, .log_level = 5};
	int err;

	if (fuse_opt_parse(&args, &s, options, take_argument))
		return 2;
	if (s.help) {
		usage(stdout);
		return 0;
	}
	if (s.version) {
		printf("maestro-fuse %u.%u, libfuse %s\n", maestro_version() >> 16, maestro_version() & 0xffff, fuse_pkgversion());
		return 0;
	}
	if (!s.image || !s.mountpoint) {
		usage(stderr);
		return 2;
	}
	openlog("maestro-fuse", LOG_PID, LOG_DAEMON);
	o.memory = (uint64_t)s.memory << 20;
	err = maestro_create(&o, &f.k);
	if (err) {
		complain("cannot start the kernel", err);
		return 1;
	}
	err = open_image(&f, &s) ? 1 : run(&f, &args, &s);
	if (maestro_destroy(f.k) && !err) {
		complain("writing the image out at the end", -EIO);
		err = 1;
	}
	fuse_opt_free_args(&args);
	free(s.image);
	free(s.mountpoint);
	return err;
}
