/* SPDX-License-Identifier: MIT */
/* The kernel instance of a run and the images mounted in it; messages and progress. */
#include "img.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEFAULT_MEMORY (128ULL << 20)

/* ---------------------------------------------------------------- messages */
static void say(const char *fmt, va_list ap, int err)
{
	fputs("maestro-img: ", stderr);
	vfprintf(stderr, fmt, ap);
	if (err)
		fprintf(stderr, ": %s", strerror(-err));
	fputc('\n', stderr);
}

void complain(struct session *s, enum img_exit code, int err, const char *fmt, ...)
{
	va_list ap;

	progress_end(s);
	va_start(ap, fmt);
	say(fmt, ap, err);
	va_end(ap);
	if (code > s->worst)
		s->worst = code;
}

enum img_exit complain_write(struct session *s, struct image *im, const char *path, int err, uint64_t need)
{
	struct statfs_words { long w[15]; } st = {{0}};
	long bsize, bfree, ffree;

	if (err != -ENOSPC || !im) {
		complain(s, err == -EIO ? IMG_WRITE : IMG_FAILED, err, "%s", path);
		return s->worst;
	}
	image_enter(s, im);
	(void)maestro_syscall(s->k, SYS_statfs, "/", &st);
	bsize = st.w[1];
	bfree = st.w[3];
	ffree = st.w[6];
	if (ffree <= 0)
		complain(s, IMG_NO_SPACE, 0, "%s does not fit into %s: all inodes are in use (make it anew with more: mkfs -N)", path, im->file);
	else
		complain(s, IMG_NO_SPACE, 0, "%s does not fit into %s: %llu bytes were still to be written, %lld are free (make it larger)", path, im->file,
			 (unsigned long long)need, (long long)bfree * bsize);
	complain(s, IMG_NO_SPACE, 0, "stopped after %llu files", (unsigned long long)s->done_files);
	return IMG_NO_SPACE;
}

static void kernel_says(void *arg, const char *text, size_t len)
{
	struct session *s = arg;

	progress_end(s);
	fprintf(stderr, "maestro-img: %.*s", (int)len, text);
}

void progress(struct session *s, uint64_t files, uint64_t bytes)
{
	struct timespec now;

	s->done_files += files;
	s->done_bytes += bytes;
	if (s->quiet)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if ((now.tv_sec - s->shown.tv_sec) * 1000 + (now.tv_nsec - s->shown.tv_nsec) / 1000000 < 200)
		return;
	s->shown = now;
	s->showing = true;
	fprintf(stderr, "\r%llu files, %llu MiB ", (unsigned long long)s->done_files, (unsigned long long)(s->done_bytes >> 20));
}

void progress_end(struct session *s)
{
	if (s->showing)
		fputs("\r\033[K", stderr);
	s->showing = false;
}

/* ---------------------------------------------------------------- the instance */
void session_init(struct session *s)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	uint64_t v;

	*s = (struct session){.memory = DEFAULT_MEMORY, .epoch = -1, .top = -1, .quiet = !isatty(STDERR_FILENO)};
	if (epoch && !parse_number(epoch, INT64_MAX, &v))
		s->epoch = (int64_t)v;
	else if (epoch)
		complain(s, IMG_USAGE, 0, "SOURCE_DATE_EPOCH is no number of seconds: %s", epoch);
}

int64_t now_seconds(const struct session *s)
{
	return s->epoch >= 0 ? s->epoch : (int64_t)time(NULL);
}

static int start(struct session *s)
{
	struct maestro_options o = {.size = sizeof(o), .memory = s->memory, .log = kernel_says, .log_arg = s, .log_level = 5, .huge_pages = true};
	int err;

	if (s->k)
		return 0;
	if (s->epoch >= 0) { /* nothing of the run's own may get into the image */
		o.virtual_clock = true;
		o.seed = 1;
	}
	err = maestro_create(&o, &s->k);
	if (err) {
		s->k = NULL;
		return err;
	}
	if (s->epoch >= 0) {
		struct timespec t = {.tv_sec = s->epoch};

		err = (int)maestro_syscall(s->k, SYS_clock_settime, CLOCK_REALTIME, &t);
	}
	maestro_umask(s->k, 0);
	s->top = maestro_open(s->k, "/", O_RDONLY | O_DIRECTORY);
	return err ? err : s->top < 0 ? s->top : 0;
}

void image_enter(struct session *s, struct image *im)
{
	if (s->current == im)
		return;
	(void)maestro_syscall(s->k, SYS_fchdir, s->top);
	(void)maestro_syscall(s->k, SYS_chroot, ".");
	s->current = im;
	if (im) {
		(void)maestro_syscall(s->k, SYS_chroot, im->mount);
		(void)maestro_chdir(s->k, "/");
	}
}

/* ---------------------------------------------------------------- places */
static bool names_part(const char *s, unsigned *part, const char **end)
{
	char *e;
	unsigned long v;

	if (strncmp(s, ":part=", 6) != 0)
		return false;
	v = strtoul(s + 6, &e, 10);
	if (e == s + 6 || !v || v > 128 || (*e && strncmp(e, ":/", 2) != 0))
		return false;
	*part = (unsigned)v;
	*end = e;
	return true;
}

void place_parse(const struct session *s, const char *arg, struct place *out)
{
	*out = (struct place){0};
	for (const char *c = strchr(arg, ':'); c; c = strchr(c + 1, ':')) {
		const char *rest = c;

		if (names_part(c, &out->part, &rest) || !strncmp(c, ":/", 2)) {
			out->file = strndup(arg, (size_t)(c - arg));
			if (*rest)
				out->path = must_dup(rest + 1);
			break;
		}
	}
	if (!out->file)
		out->file = must_dup(arg);
	if (s->at && !strcmp(out->file, "@")) {
		struct place at;
		struct session plain = {0};

		place_parse(&plain, s->at, &at);
		free(out->file);
		out->file = at.file;
		if (!out->part)
			out->part = at.part;
		free(at.path);
	}
}

bool place_in_image(const char *arg)
{
	struct session none = {0};
	struct place p;
	bool in;

	place_parse(&none, arg, &p);
	in = p.path;
	place_free(&p);
	return in;
}

void place_free(struct place *p)
{
	free(p->file);
	free(p->path);
}

/* ---------------------------------------------------------------- images */
static enum img_exit complain_open(struct session *s, const char *file, int err)
{
	if (err == -EBUSY)
		complain(s, IMG_NO_IMAGE, 0, "%s is in use: another process has it mounted or locked; unmount it there first", file);
	else if (err == -EINVAL)
		complain(s, IMG_NO_IMAGE, 0, "%s: too short for a disk, or --offset is no multiple of 512 inside it", file);
	else if (err == -ENOENT)
		complain(s, IMG_NO_IMAGE, 0, "%s: there is no such file (maestro-img mkfs makes one)", file);
	else
		complain(s, IMG_NO_IMAGE, err, "%s", file);
	return IMG_NO_IMAGE;
}

static enum img_exit add_disk(struct session *s, struct image *im, bool write)
{
	unsigned flags = MAESTRO_DISK_NO_FLUSH | (write ? 0 : MAESTRO_DISK_READ_ONLY); /* as cp(1) */
	int err;

	if (!im->part)
		flags |= MAESTRO_DISK_NO_PARTITIONS;
	err = maestro_disk_add_file_part(s->k, im->file, flags, im->offset, im->size, im->disk);
	return err ? complain_open(s, im->file, err) : IMG_OK;
}

/* Whether the start of the image looks like a partition table, for a better message. */
static bool has_partitions(const struct image *im)
{
	unsigned char sector[512];
	int fd = open(im->file, O_RDONLY | O_CLOEXEC);
	bool yes = false;

	if (fd >= 0) {
		yes = pread(fd, sector, sizeof(sector), (off_t)im->offset) == sizeof(sector) && sector[510] == 0x55 && sector[511] == 0xaa;
		close(fd);
	}
	return yes;
}

static enum img_exit mount_image(struct session *s, struct image *im, bool write)
{
	char dev[32];
	int err;

	if (im->part)
		snprintf(dev, sizeof(dev), "/dev/%s%u", im->disk, im->part);
	else
		snprintf(dev, sizeof(dev), "/dev/%s", im->disk);
	snprintf(im->mount, sizeof(im->mount), "/m%u", s->mounts++);
	err = maestro_mkdir(s->k, im->mount, 0755);
	if (!err)
		err = maestro_mount(s->k, dev, im->mount, "ext2", write ? 0 : MS_RDONLY, NULL);
	if (!err)
		return IMG_OK;
	if (im->part && (err == -ENOENT || err == -ENXIO || err == -ENODEV))
		complain(s, IMG_NO_IMAGE, 0, "%s has no partition %u", im->file, im->part);
	else if (err == -EINVAL && !im->part && has_partitions(im))
		complain(s, IMG_NO_IMAGE, 0, "%s: no ext2 file system, but perhaps partitions: try %s:part=1", im->file, im->file);
	else if (err == -EINVAL)
		complain(s, IMG_NO_IMAGE, 0, "%s: no ext2 file system, or one with features that are not supported", im->file);
	else if ((err == -EROFS || err == -EACCES) && write)
		complain(s, IMG_NO_IMAGE, 0, "%s: the file system can only be read (it has features of later versions)", im->file);
	else
		complain(s, IMG_NO_IMAGE, err, "%s: cannot be mounted", im->file);
	return IMG_NO_IMAGE;
}

enum img_exit image_open(struct session *s, const struct place *p, bool write, struct image **out)
{
	struct image *im;
	enum img_exit bad;
	int err = start(s);

	if (err) {
		complain(s, IMG_FAILED, err, "cannot start the kernel (--memory?)");
		return IMG_FAILED;
	}
	for (im = s->images; im; im = im->next)
		if (!strcmp(im->file, p->file) && im->part == p->part && im->offset == s->offset)
			break;
	if (im && (im->writable || !write)) {
		*out = im;
		return IMG_OK;
	}
	if (im) {
		bad = image_close(s, im);
		if (bad)
			return bad;
	}
	image_enter(s, NULL);
	im = must_alloc(sizeof(*im));
	*im = (struct image){.file = must_dup(p->file), .part = p->part, .offset = s->offset, .size = s->size, .writable = write};
	bad = add_disk(s, im, write);
	if (!bad) {
		bad = mount_image(s, im, write);
		if (bad)
			(void)maestro_disk_remove(s->k, im->disk);
	}
	if (bad) {
		free(im->file);
		free(im);
		return bad;
	}
	im->next = s->images;
	s->images = im;
	*out = im;
	return IMG_OK;
}

enum img_exit image_close(struct session *s, struct image *im)
{
	int fd, err = 0;

	for (struct image **p = &s->images; *p; p = &(*p)->next) {
		if (*p == im) {
			*p = im->next;
			break;
		}
	}
	image_enter(s, NULL);
	fd = im->writable ? maestro_open(s->k, im->mount, O_RDONLY | O_DIRECTORY) : -1;
	if (fd >= 0) {
		err = maestro_syncfs(s->k, fd);
		(void)maestro_close(s->k, fd);
	}
	if (!err)
		err = maestro_umount(s->k, im->mount, 0);
	if (!err)
		err = maestro_disk_remove(s->k, im->disk);
	if (err)
		complain(s, IMG_WRITE, err, "%s: could not be written out; it may be damaged (e2fsck -f)", im->file);
	free(im->file);
	free(im);
	return err ? IMG_WRITE : IMG_OK;
}

enum img_exit image_close_file(struct session *s, const char *file)
{
	for (struct image *im = s->images, *next; im; im = next) {
		next = im->next;
		if (!strcmp(im->file, file)) {
			enum img_exit bad = image_close(s, im);

			if (bad)
				return bad;
		}
	}
	return IMG_OK;
}

static int read_number(struct session *s, const char *path, uint64_t *out)
{
	char text[32] = "";
	int fd = maestro_open(s->k, path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = maestro_read(s->k, fd, text, sizeof(text) - 1);
	(void)maestro_close(s->k, fd);
	if (n <= 0)
		return n ? (int)n : -EIO;
	*out = strtoull(text, NULL, 10);
	return 0;
}

/* Partitions are found by the kernel: it tells start and size as sysfs does. */
static int partition_range(struct session *s, const struct image *im, uint64_t *offset, uint64_t *size)
{
	char path[80];
	uint64_t first, sectors;
	int err = maestro_mkdir(s->k, "/sys", 0755);

	if (!err)
		err = maestro_mount(s->k, "sysfs", "/sys", "sysfs", 0, NULL);
	if (err && err != -EEXIST)
		return err;
	snprintf(path, sizeof(path), "/sys/block/%s/%s%u/start", im->disk, im->disk, im->part);
	err = read_number(s, path, &first);
	snprintf(path, sizeof(path), "/sys/block/%s/%s%u/size", im->disk, im->disk, im->part);
	if (!err)
		err = read_number(s, path, &sectors);
	if (err)
		return err;
	*offset = im->offset + first * 512;
	*size = sectors * 512;
	return 0;
}

static int whole_size(const char *file, uint64_t *size)
{
	struct stat st;
	int fd, err = 0;

	if (stat(file, &st))
		return -errno;
	*size = (uint64_t)st.st_size;
	if (!S_ISBLK(st.st_mode))
		return S_ISREG(st.st_mode) ? 0 : -EINVAL;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = ioctl(fd, 0x80081272ul, size) ? -errno : 0; /* BLKGETSIZE64 */
	close(fd);
	return err;
}

enum img_exit image_range(struct session *s, const struct place *p, uint64_t *offset, uint64_t *size)
{
	struct image im = {.file = p->file, .part = p->part, .offset = s->offset, .size = s->size};
	enum img_exit bad;
	int err;

	if (!p->part) {
		err = whole_size(p->file, size);
		*offset = s->offset;
		if (!err && *offset >= *size)
			err = -EINVAL;
		if (err)
			return complain_open(s, p->file, err);
		*size = s->size && s->size < *size - *offset ? s->size : *size - *offset;
		return IMG_OK;
	}
	err = start(s);
	if (err) {
		complain(s, IMG_FAILED, err, "cannot start the kernel (--memory?)");
		return IMG_FAILED;
	}
	bad = image_close_file(s, p->file);
	if (!bad)
		bad = add_disk(s, &im, false);
	if (bad)
		return bad;
	image_enter(s, NULL);
	err = partition_range(s, &im, offset, size);
	(void)maestro_disk_remove(s->k, im.disk);
	if (err) {
		complain(s, IMG_NO_IMAGE, 0, "%s has no partition %u", p->file, p->part);
		return IMG_NO_IMAGE;
	}
	return IMG_OK;
}

enum img_exit session_end(struct session *s)
{
	progress_end(s);
	while (s->images)
		(void)image_close(s, s->images);
	if (s->k && maestro_destroy(s->k))
		complain(s, IMG_WRITE, 0, "an image could not be written out");
	s->k = NULL;
	return s->worst;
}
