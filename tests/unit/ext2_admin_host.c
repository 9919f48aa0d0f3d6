/* SPDX-License-Identifier: MIT */
/* ext2 as administrators see it: where blocks are, free ones given back to the disk, and what the superblock tells of mounts and of errors. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct maestro *k;
static char data[300000], back[300000];

/* The first line of what a command says. */
static const char *said(const char *before, const char *image, const char *after)
{
	static char line[400];
	char command[400];
	FILE *p;

	snprintf(command, sizeof(command), "%s %s 2>/dev/null %s", before, image, after);
	p = popen(command, "r");
	ck_assert_ptr_nonnull(p);
	line[0] = 0;
	ck_assert_msg(fgets(line, sizeof(line), p) != NULL, "%s says nothing", command);
	pclose(p);
	return line;
}

static struct {
	struct fiemap m;
	struct fiemap_extent e[64];
} map;

static long ask(int fd, uint64_t start, uint64_t len, unsigned flags, unsigned count)
{
	memset(&map, 0, sizeof(map));
	map.m = (struct fiemap){ .fm_start = start, .fm_length = len, .fm_flags = flags, .fm_extent_count = count };
	return maestro_ioctl(k, fd, FS_IOC_FIEMAP, &map);
}

/* Extents agree with FIBMAP, block by block, and with debugfs. */
START_TEST(where_blocks_are)
{
	static const char *const how[] = { "-b 1024", "-b 4096 -O ^resize_inode" };
	const unsigned block = _i ? 4096 : 1024;
	const char *image = unit_image(how[_i], 16);
	unsigned last = 0, seen = 0;
	long first;
	int fd;

	k = unit_new();
	unit_mount(k, image);
	fd = maestro_open(k, "/mnt/f", O_CREAT | O_RDWR, 0644);
	OK(fd);
	OK(ask(fd, 0, ~0ULL, 0, 64));
	ck_assert_uint_eq(map.m.fm_mapped_extents, 0);
	ck_assert_int_eq(maestro_pwrite(k, fd, data, 50000, 0), 50000);
	ck_assert_int_eq(maestro_pwrite(k, fd, data, 5000, 100 * block), 5000);
	ck_assert_int_eq(maestro_pwrite(k, fd, data, 1, 400 * block), 1);
	OK(ask(fd, 0, ~0ULL, FIEMAP_FLAG_SYNC, 64));
	ck_assert_uint_ge(map.m.fm_mapped_extents, 3);
	for (unsigned i = 0; i < map.m.fm_mapped_extents; i++) {
		const struct fiemap_extent *e = &map.e[i];

		ck_assert(e->fe_logical % block == 0 && e->fe_length % block == 0 && e->fe_physical % block == 0 && e->fe_length);
		ck_assert_uint_eq(e->fe_flags, FIEMAP_EXTENT_MERGED | (i + 1 == map.m.fm_mapped_extents ? FIEMAP_EXTENT_LAST : 0));
		for (unsigned b = last; b < (e->fe_logical + e->fe_length) / block; b++) {
			int at = (int)b;

			OK(maestro_ioctl(k, fd, FIBMAP, &at));
			ck_assert_int_eq(at, b < e->fe_logical / block ? 0 : (long)(e->fe_physical / block + b - e->fe_logical / block));
			seen += at != 0;
		}
		last = (unsigned)((e->fe_logical + e->fe_length) / block);
	}
	ck_assert_uint_eq(seen, (50000 + block - 1) / block + (5000 + block - 1) / block + 1);
	ck_assert_uint_eq(last, 401);
	first = (long)map.e[0].fe_physical / block;
	/* Counted only; no more than asked for; a part. */
	last = map.m.fm_mapped_extents;
	OK(ask(fd, 0, ~0ULL, 0, 0));
	ck_assert_uint_eq(map.m.fm_mapped_extents, last);
	OK(ask(fd, 0, ~0ULL, 0, 1));
	ck_assert(map.m.fm_mapped_extents == 1 && !(map.e[0].fe_flags & FIEMAP_EXTENT_LAST));
	OK(ask(fd, 100 * block + 7, 100, 0, 64));
	ck_assert(map.m.fm_mapped_extents == 1 && map.e[0].fe_logical == 100 * block);
	OK(ask(fd, 50 * block + block, 10, 0, 64));
	ck_assert_uint_eq(map.m.fm_mapped_extents, 0);
	FAILS(ask(fd, 0, 0, 0, 64), EINVAL);
	FAILS(ask(fd, 0, 10, 0, 0x7fffffff), EINVAL);
	FAILS(ask(fd, 0, 10, FIEMAP_FLAG_SYNC | FIEMAP_FLAG_CACHE, 64), EBADR);
	ck_assert_uint_eq(map.m.fm_flags, FIEMAP_FLAG_CACHE);
	FAILS(ask(fd, 1ULL << 62, 10, 0, 64), EFBIG);
	FAILS(maestro_ioctl(k, fd, FS_IOC_FIEMAP, NULL), EFAULT);
	OK(maestro_close(k, fd));
	unit_umount(k);
	unit_end(k);
	ck_assert_int_eq(atol(said("debugfs -R 'bmap /f 0'", image, "")), first);
	unit_fsck(image);
}
END_TEST

static long host_blocks(const char *image)
{
	struct stat st;

	ck_assert_int_eq(stat(image, &st), 0);
	return (long)st.st_blocks / 2; /* KiB */
}

START_TEST(free_blocks_given_back)
{
	struct fstrim_range r = { .len = ~0ULL };
	const char *image = unit_image(_i ? "-b 4096" : "-b 1024", 32);
	uint32_t seed = 9;
	long full, trimmed;
	char path[32];
	int fd;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)unit_random(&seed);
	k = unit_new();
	unit_mount(k, image);
	for (unsigned i = 0; i < 60; i++) {
		snprintf(path, sizeof(path), "/mnt/f%u", i);
		unit_put(k, path, data + i, sizeof(data) - 100);
	}
	maestro_sync(k);
	full = host_blocks(image);
	for (unsigned i = 0; i < 60; i += 2) {
		snprintf(path, sizeof(path), "/mnt/f%u", i);
		OK(maestro_unlink(k, path));
	}
	fd = maestro_open(k, "/mnt", O_RDONLY | O_DIRECTORY);
	OK(fd);
	OK(maestro_ioctl(k, fd, FITRIM, &r));
	trimmed = host_blocks(image);
	ck_assert_msg(full - trimmed > 30 * 290 * 9 / 10, "%ld KiB before, %ld after", full, trimmed);
	ck_assert_uint_gt(r.len, 30 * 290000);
	/* What is there is still there, and the rest can be used again. */
	maestro_drop_caches(k);
	for (unsigned i = 1; i < 60; i += 2) {
		int f;

		snprintf(path, sizeof(path), "/mnt/f%u", i);
		f = maestro_open(k, path, O_RDONLY);
		OK(f);
		ck_assert_int_eq(maestro_read(k, f, back, sizeof(back)), sizeof(data) - 100);
		ck_assert(!memcmp(back, data + i, sizeof(data) - 100));
		OK(maestro_close(k, f));
	}
	unit_put(k, "/mnt/again", data, sizeof(data));
	r = (struct fstrim_range){ .start = 1 << 20, .len = 2 << 20, .minlen = 64 << 10 };
	OK(maestro_ioctl(k, fd, FITRIM, &r));
	ck_assert_uint_le(r.len, 2 << 20);
	r = (struct fstrim_range){ .start = 1ULL << 40, .len = 1 << 20 };
	FAILS(maestro_ioctl(k, fd, FITRIM, &r), EINVAL);
	r = (struct fstrim_range){ .len = 100 };
	FAILS(maestro_ioctl(k, fd, FITRIM, &r), EINVAL);
	r = (struct fstrim_range){ .len = ~0ULL, .minlen = 1ULL << 40 };
	FAILS(maestro_ioctl(k, fd, FITRIM, &r), EINVAL);
	OK(maestro_syscall(k, SYS_setresuid, 1000, 1000, 0));
	FAILS(maestro_ioctl(k, fd, FITRIM, &r), EPERM);
	OK(maestro_syscall(k, SYS_setresuid, 0, 0, 0));
	OK(maestro_close(k, fd));
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(mount_point_told)
{
	const char *image = unit_image("-b 1024", 2);

	k = unit_new();
	unit_mount(k, image);
	unit_put(k, "/mnt/f", "x", 1);
	unit_umount(k);
	unit_end(k);
	ck_assert_str_eq(said("dumpe2fs -h", image, "| sed -n 's/^Last mounted on: *//p'"), "/mnt\n");
	unit_fsck(image);
}
END_TEST

/* ---------------------------------------------------------------- errors */
/* The first data block of /f is said to lie outside of the file system. */
static const char *damaged(void)
{
	const char *image;
	char command[400];

	k = unit_new();
	image = unit_image("-b 1024", 2);
	unit_mount(k, image);
	unit_put(k, "/mnt/f", data, 20000);
	unit_umount(k);
	unit_end(k);
	snprintf(command, sizeof(command), "debugfs -w -R 'set_inode_field /f block[0] 99999' %s >/dev/null 2>&1", image);
	ck_assert_int_eq(system(command), 0);
	return image;
}

static void read_damage(void)
{
	int fd = maestro_open(k, "/mnt/f", O_RDONLY);

	OK(fd);
	ck_assert_int_lt(maestro_read(k, fd, back, 1000), 0);
	OK(maestro_close(k, fd));
}

START_TEST(errors_noted)
{
	const char *image = damaged();
	struct stat st;
	char want[32];
	char disk[MAESTRO_DISK_NAME];

	k = unit_new();
	OK(maestro_disk_add_file(k, image, 0, disk));
	OK(maestro_mkdir(k, "/mnt", 0755));
	OK(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, _i ? "errors=remount-ro" : "errors=continue"));
	OK(maestro_stat(k, "/mnt/f", &st));
	read_damage();
	read_damage();
	ck_assert_int_eq(maestro_mkdir(k, "/mnt/d", 0755), _i ? -EROFS : 0);
	OK(maestro_umount(k, "/mnt", 0));
	unit_end(k);
	snprintf(want, sizeof(want), "%lu\n", (unsigned long)st.st_ino);
	ck_assert_str_eq(said("dumpe2fs -h", image, "| sed -n 's/^First error inode #: *//p'"), want);
	ck_assert_str_eq(said("dumpe2fs -h", image, "| sed -n 's/^First error block #: *//p'"), "99999\n");
	ck_assert_int_ge(atol(said("dumpe2fs -h", image, "| sed -n 's/^FS Error count: *//p'")), _i ? 1 : 2);
	ck_assert_ptr_nonnull(strstr(said("dumpe2fs -h", image, "| sed -n 's/^Filesystem state: *//p'"), "with errors"));
	unlink(image);
}
END_TEST

static jmp_buf out;
static char last_words[200];
static void on_panic(void *arg, const char *text)
{
	(void)arg;
	snprintf(last_words, sizeof(last_words), "%s", text);
	longjmp(out, 1);
}

/* Asked for by an option, or by the image. */
START_TEST(errors_panic)
{
	struct maestro_options o = { .size = sizeof(o), .virtual_clock = true, .panicked = on_panic };
	const char *image = damaged();
	char disk[MAESTRO_DISK_NAME], command[300];

	if (_i) {
		snprintf(command, sizeof(command), "tune2fs -e panic %s >/dev/null", image);
		ck_assert_int_eq(system(command), 0);
	}
	k = unit_new_with(&o);
	OK(maestro_disk_add_file(k, image, 0, disk));
	OK(maestro_mkdir(k, "/mnt", 0755));
	OK(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, _i ? NULL : "errors=panic"));
	if (!setjmp(out)) {
		read_damage();
		ck_abort_msg("it goes on");
	}
	ck_assert_msg(strstr(last_words, "panic forced after error") != NULL, "%s", last_words);
	FAILS(maestro_mkdir(k, "/mnt/d", 0755), EIO);
	(void)maestro_destroy(k);
	ck_assert_str_eq(said("dumpe2fs -h", image, "| sed -n 's/^First error block #: *//p'"), "99999\n");
	unlink(image);
}
END_TEST

TCase *ext2_admin_case(void)
{
	TCase *t = tcase_create("administration");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, where_blocks_are, 0, 2);
	tcase_add_loop_test(t, free_blocks_given_back, 0, 2);
	tcase_add_test(t, mount_point_told);
	tcase_add_loop_test(t, errors_noted, 0, 2);
	tcase_add_loop_test(t, errors_panic, 0, 2);
	return t;
}
