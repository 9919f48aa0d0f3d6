/* SPDX-License-Identifier: MIT */
/* ext2 on images of each geometry: what is written is there after a remount, and e2fsck has nothing to say. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const geometry[] = {"-b 1024", "-b 2048", "-b 4096", "-b 1024 -I 256 -O ^dir_index", "-b 4096 -O ^sparse_super,^large_file,^resize_inode -I 128"};
#define GEOMETRIES 5

static void fill(char *data, size_t n, uint32_t seed)
{
	for (size_t i = 0; i < n; i++)
		data[i] = (char)unit_random(&seed);
}

START_TEST(tree_survives)
{
	static char data[300000], back[300000];
	struct maestro *k = unit_new();
	const char *image = unit_image(geometry[_i], 64);
	char path[128], target[300];
	struct stat st;

	unit_mount(k, image);
	for (unsigned d = 0; d < 10; d++) {
		snprintf(path, sizeof(path), "/mnt/dir%u", d);
		OK(maestro_mkdir(k, path, 0700 + d));
		for (unsigned f = 0; f < 20; f++) {
			size_t n = (d * 20 + f) * 1499;

			snprintf(path, sizeof(path), "/mnt/dir%u/file%u", d, f);
			fill(data, n, d * 100 + f + 1);
			unit_put(k, path, data, n);
		}
		memset(target, 'a' + (int)d, sizeof(target));
		target[d * 28 + 1] = 0;
		snprintf(path, sizeof(path), "/mnt/dir%u/link", d);
		OK(maestro_symlink(k, target, path));
	}
	unit_umount(k);
	unit_end(k);
	k = unit_new();
	unit_mount(k, image);
	for (unsigned d = 0; d < 10; d++) {
		snprintf(path, sizeof(path), "/mnt/dir%u", d);
		OK(maestro_stat(k, path, &st));
		ck_assert_uint_eq(st.st_mode & 07777, (0700 + d) & ~022u);
		for (unsigned f = 0; f < 20; f++) {
			size_t n = (d * 20 + f) * 1499;
			int fd;

			snprintf(path, sizeof(path), "/mnt/dir%u/file%u", d, f);
			fill(data, n, d * 100 + f + 1);
			fd = maestro_open(k, path, O_RDONLY);
			OK(fd);
			ck_assert_int_eq(maestro_read(k, fd, back, sizeof(back)), n);
			ck_assert(!memcmp(data, back, n));
			OK(maestro_close(k, fd));
		}
		snprintf(path, sizeof(path), "/mnt/dir%u/link", d);
		ck_assert_int_eq(maestro_readlink(k, path, target, sizeof(target)), d * 28 + 1);
	}
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(sparse_and_large)
{
	struct maestro *k = unit_new();
	const char *image = unit_image(geometry[_i], 64);
	const int64_t far[] = {0, 11 * 1024, 300 * 1024, 70LL << 20, 3LL << 30, (15LL << 30) - 4096};
	char c, buf[4096];
	struct stat st;
	int fd;

	unit_mount(k, image);
	fd = maestro_open(k, "/mnt/sparse", O_CREAT | O_RDWR, 0644);
	OK(fd);
	for (unsigned i = 0; i < 6; i++) {
		c = (char)('0' + i);
		ck_assert_int_eq(maestro_pwrite(k, fd, &c, 1, far[i]), 1);
	}
	OK(maestro_fstat(k, fd, &st));
	ck_assert_int_eq(st.st_size, far[5] + 1);
	ck_assert_int_lt(st.st_blocks, 400);
	ck_assert_int_eq(maestro_pread(k, fd, buf, sizeof(buf), 1LL << 30), 4096);
	for (unsigned i = 0; i < sizeof(buf); i++)
		ck_assert(!buf[i]);
	OK(maestro_close(k, fd));
	unit_umount(k);
	unit_mount(k, image);
	fd = maestro_open(k, "/mnt/sparse", O_RDWR);
	OK(fd);
	for (unsigned i = 0; i < 6; i++)
		ck_assert(maestro_pread(k, fd, &c, 1, far[i]) == 1 && c == (char)('0' + i));
	OK(maestro_ftruncate(k, fd, 100 << 20));
	OK(maestro_ftruncate(k, fd, 4LL << 30));
	ck_assert(maestro_pread(k, fd, &c, 1, far[4]) == 1 && !c);
	OK(maestro_ftruncate(k, fd, 5));
	OK(maestro_close(k, fd));
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(many_files)
{
	struct maestro *k = unit_new();
	const char *image = unit_image("-b 1024 -N 4000", 32);
	char path[64];
	struct stat st;

	unit_mount(k, image);
	OK(maestro_mkdir(k, "/mnt/d", 0755));
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/mnt/d/a rather long name for a file %u", i);
		unit_put(k, path, path, i % 50);
	}
	for (unsigned i = 0; i < 3000; i += 3) {
		snprintf(path, sizeof(path), "/mnt/d/a rather long name for a file %u", i);
		OK(maestro_unlink(k, path));
	}
	maestro_drop_caches(k);
	for (unsigned i = 0; i < 3000; i++) {
		snprintf(path, sizeof(path), "/mnt/d/a rather long name for a file %u", i);
		ck_assert_int_eq(maestro_stat(k, path, &st), i % 3 ? 0 : -ENOENT);
		ck_assert(!(i % 3) || st.st_size == (off_t)(i % 50));
	}
	FAILS(maestro_rmdir(k, "/mnt/d"), ENOTEMPTY);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

/* Without an index a name takes the first place that is large enough: short ones go where long ones left room, also in pages that are full for those. */
START_TEST(first_fit)
{
	const char *image = unit_image("-b 4096 -O ^dir_index", 8);
	struct maestro *k = unit_new();
	struct stat st;
	char name[256];

	unit_mount(k, image);
	OK(maestro_mkdir(k, "/mnt/d", 0755));
	for (int i = 0; i < 38; i++) { /* 19 a page, with "." and ".." in the first; each leaves 120 bytes or more */
		snprintf(name, sizeof(name), "/mnt/d/%0200d", i);
		OK(maestro_mknod(k, name, S_IFREG | 0644, 0));
	}
	for (int i = 0; i < 20; i++) { /* of 12 bytes */
		snprintf(name, sizeof(name), "/mnt/d/%c", 'a' + i);
		OK(maestro_mknod(k, name, S_IFREG | 0644, 0));
		OK(maestro_stat(k, "/mnt/d", &st));
		ck_assert_int_eq(st.st_size, 8192);
	}
	snprintf(name, sizeof(name), "/mnt/d/%0200d", 5);
	OK(maestro_unlink(k, name)); /* in the first page */
	snprintf(name, sizeof(name), "/mnt/d/%0180d", 0);
	OK(maestro_mknod(k, name, S_IFREG | 0644, 0));
	OK(maestro_stat(k, "/mnt/d", &st));
	ck_assert_int_eq(st.st_size, 8192);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(disk_full)
{
	static char data[65536];
	struct maestro *k = unit_new();
	const char *image = unit_image("-b 1024 -m 0 -N 64", 4);
	char path[64];
	long n = 0;
	int fd, files = 0;

	unit_mount(k, image);
	fd = maestro_open(k, "/mnt/big", O_CREAT | O_WRONLY, 0644);
	OK(fd);
	while ((n = maestro_write(k, fd, data, sizeof(data))) > 0)
		;
	FAILS(n, ENOSPC);
	do { /* a block or two may be left where the file would have needed one more for its map */
		snprintf(path, sizeof(path), "/mnt/d%d", files++);
		n = maestro_mkdir(k, path, 0755);
	} while (!n && files < 10);
	FAILS(n, ENOSPC);
	OK(maestro_ftruncate(k, fd, 1 << 20));
	ck_assert_int_eq(maestro_pwrite(k, fd, data, sizeof(data), 1 << 20), sizeof(data));
	OK(maestro_close(k, fd));
	do { /* until there are no inodes */
		snprintf(path, sizeof(path), "/mnt/f%d", files++);
		fd = maestro_open(k, path, O_CREAT | O_WRONLY, 0644);
		if (fd >= 0)
			OK(maestro_close(k, fd));
	} while (fd >= 0 && files < 100);
	FAILS(fd, ENOSPC);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

static unsigned count_names(struct maestro *k, int fd, size_t room, unsigned char *seen, unsigned n)
{
	static char buf[32768];
	unsigned count = 0;
	ssize_t got;

	while ((got = maestro_getdents64(k, fd, buf, room)) > 0) {
		for (ssize_t at = 0; at < got; at += *(unsigned short *)(buf + at + 16)) {
			const char *name = buf + at + 19;
			unsigned i;

			if (sscanf(name, "name-%u", &i) != 1)
				continue;
			ck_assert_uint_lt(i, n);
			ck_assert_msg(!seen[i], "%s is told twice", name);
			seen[i] = 1;
			count++;
		}
	}
	OK(got);
	return count;
}

/* An indexed directory: two levels, entries found, read once each though the leaves are split meanwhile, half removed; what e2fsck -D makes is used. */
START_TEST(index_of_names)
{
	static const char *const how[] = { "-b 1024 -N 30000", "-b 4096 -N 30000", "-b 1024 -N 30000", "-b 2048 -N 30000" };
	static const char *const hash[] = { "half_md4", "tea", "legacy", "tea" };
	enum { N = 20000 };
	static unsigned char seen[N];
	const char *image = unit_image(how[_i], 128);
	struct maestro *k;
	char line[512];
	int fd;

	snprintf(line, sizeof(line), "tune2fs -E hash_alg=%s %s >/dev/null", hash[_i], image);
	ck_assert_int_eq(system(line), 0);
	for (unsigned round = 0; round < 2; round++) {
		k = unit_new();
		unit_mount(k, image);
		if (!round)
			OK(maestro_mkdir(k, "/mnt/d", 0755));
		OK(maestro_chdir(k, "/mnt/d"));
		for (unsigned i = round; i < N; i += 2) {
			snprintf(line, sizeof(line), "name-%u-%s", i, i % 5 ? "" : "rather-a-long-one-\xc3\xa4");
			OK(maestro_mknod(k, line, S_IFREG | 0644, 0));
		}
		OK(maestro_chdir(k, "/"));
		unit_umount(k);
		unit_end(k);
		/* The index of the first half is rebuilt, and goes on growing. */
		snprintf(line, sizeof(line), "e2fsck -f%s %s >/dev/null", round ? "n" : "yD", image);
		ck_assert_int_le(system(line), round ? 0 : 256);
	}
	k = unit_new();
	unit_mount(k, image);
	OK(maestro_chdir(k, "/mnt/d"));
	for (unsigned i = 0; i < N; i++) {
		struct stat st;

		snprintf(line, sizeof(line), "name-%u-%s", i, i % 5 ? "" : "rather-a-long-one-\xc3\xa4");
		OK(maestro_stat(k, line, &st));
		line[5] = 'x';
		FAILS(maestro_stat(k, line, &st), ENOENT);
	}
	fd = maestro_open(k, ".", O_RDONLY | O_DIRECTORY);
	OK(fd);
	ck_assert_uint_eq(count_names(k, fd, 32768, seen, N), N);
	OK(maestro_close(k, fd));
	for (unsigned i = 0; i < N; i += 2) {
		snprintf(line, sizeof(line), "name-%u-%s", i, i % 5 ? "" : "rather-a-long-one-\xc3\xa4");
		OK(maestro_unlink(k, line));
	}
	/* Read in small steps, with names coming in between. */
	memset(seen, 0, sizeof(seen));
	fd = maestro_open(k, ".", O_RDONLY | O_DIRECTORY);
	OK(fd);
	for (unsigned i = 0, got = 0; got < N / 2; i++) {
				static char buf[300];
		ssize_t n = maestro_getdents64(k, fd, buf, sizeof(buf));

		ck_assert_int_gt(n, 0);
		for (ssize_t at = 0; at < n; at += *(unsigned short *)(buf + at + 16)) {
			unsigned which;

			if (sscanf(buf + at + 19, "name-%u", &which) == 1) {
				ck_assert(which < N && !seen[which]);
				seen[which] = 1;
				got++;
			}
		}
		if (i < 6000) {
			snprintf(line, sizeof(line), "other-%u", i);
			OK(maestro_mknod(k, line, S_IFREG | 0644, 0));
		}
	}
	OK(maestro_close(k, fd));
	OK(maestro_chdir(k, "/"));
	unit_umount(k);
	unit_end(k);
	snprintf(line, sizeof(line), "debugfs -R 'htree /d' %s 2>&1 | grep -q 'Root node dump'", image);
	ck_assert_msg(!system(line), "there is no index");
	unit_fsck(image);
}
END_TEST

/* The line of /proc/mounts of /mnt. */
static const char *mount_line(struct maestro *k)
{
	static char text[4096];
	int fd;
	ssize_t n;

	if (maestro_mkdir(k, "/proc", 0755) != -EEXIST)
		OK(maestro_mount(k, "proc", "/proc", "proc", 0, NULL));
	OK(fd = maestro_open(k, "/proc/mounts", O_RDONLY));
	n = maestro_read(k, fd, text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = 0;
	OK(maestro_close(k, fd));
	return strstr(text, " /mnt ");
}

START_TEST(options)
{
	static const struct {
		const char *given, *said;
	} good[] = {
		{"grpid", "rw,relatime,grpid"}, {"grpid,nogrpid,bsdgroups,sysvgroups", "rw,relatime"}, {"noacl", "rw,relatime,noacl"}, {"noacl,acl,user_xattr,debug", "rw,relatime"},
		{"minixdf,noreservation", "minixdf"}, {"minixdf,bsddf,noreservation,reservation,check=none,nocheck", "rw,relatime"}, {"noreservation", ",noreservation"},
		{"resuid=5,resgid=6", "resuid=5,resgid=6"}, {"errors=remount-ro", "errors=remount-ro"}, {"sb=1", ",sb=1"},
	};
	static const char *const bad[] = {"resgid=x", "sb=", "errors=sometimes", "grpid=1", "colour", "check=all"};
	const char *image = unit_image("-b 1024", 4);
	struct maestro *k = unit_new();
	char disk[MAESTRO_DISK_NAME];

	OK(maestro_disk_add_file(k, image, 0, disk));
	OK(maestro_mkdir(k, "/mnt", 0755));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		FAILS(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, bad[i]), EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const char *line;

		OK(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, good[i].given));
		line = mount_line(k);
		ck_assert_msg(line && strstr(line, good[i].said), "%s: %s", good[i].given, line);
		OK(maestro_umount(k, "/mnt", 0));
	}
	unit_end(k);
	unit_fsck(image);
}
END_TEST

/* Features that are not known: of the incompatible ones no mount, of the others none for writing; the log says which. */
START_TEST(unknown_features)
{
	static char log[65536];
	const char *image = unit_image("-b 1024", 4);
	struct maestro *k = unit_new();
	char disk[MAESTRO_DISK_NAME];
	uint32_t words[3]; /* compat, incompat, ro_compat */
	int fd = open(image, O_RDWR);
	long n;

	ck_assert_int_eq(pread(fd, words, sizeof(words), 1024 + 92), sizeof(words));
	OK(maestro_disk_add_file(k, image, 0, disk));
	OK(maestro_mkdir(k, "/mnt", 0755));
	FAILS(maestro_mount(k, "/dev/vda", "/mnt", "ext3", 0, NULL), EINVAL); /* there is no journal */
	for (int i = 0; i < 3; i++) {
		uint32_t old = words[1];

		words[1] |= i == 0 ? 0x40 : i == 1 ? 0x800000 : 0; /* extents, unknown, none */
		if (i == 2)
			words[2] |= 0x400000;
		ck_assert_int_eq(pwrite(fd, words, sizeof(words), 1024 + 92), sizeof(words));
		OK(maestro_disk_remove(k, "vda"));
		OK(maestro_disk_add_file(k, image, 0, disk));
		if (i < 2)
			FAILS(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, NULL), EINVAL);
		words[1] = old;
	}
	OK(maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, NULL));
	FAILS(maestro_mkdir(k, "/mnt/d", 0755), EROFS);
	OK(maestro_umount(k, "/mnt", 0));
	n = maestro_syscall(k, SYS_syslog, 3, log, sizeof(log) - 1);
	ck_assert_int_gt(n, 0);
	log[n] = 0;
	ck_assert_ptr_nonnull(strstr(log, "cannot mount as ext3: there is no journal"));
	ck_assert_ptr_nonnull(strstr(log, "it is an ext4 file system, with features: extent"));
	ck_assert_ptr_nonnull(strstr(log, "unsupported features: 0x800000"));
	ck_assert_ptr_nonnull(strstr(log, "these features are not written: 0x400000"));
	unit_end(k);
	close(fd);
	unlink(image);
}
END_TEST

/* The number that debugfs prints. */
static unsigned debugfs_number(const char *image, const char *request)
{
	char line[512];
	unsigned n = 0;
	FILE *f;

	snprintf(line, sizeof(line), "debugfs -R '%s' %s 2>/dev/null", request, image);
	f = popen(line, "r");
	ck_assert(f && fscanf(f, "%u", &n) == 1);
	pclose(f);
	return n;
}

static void poke(int fd, off_t at, uint32_t v)
{
	ck_assert_int_eq(pwrite(fd, &v, sizeof(v), at), sizeof(v));
}

/* A journal that is not empty, of so many blocks, as its superblock and its inode say. */
static long mount_with_journal(const char *image, uint32_t blocks)
{
	uint32_t table, features;
	uint16_t inode_size;
	struct maestro *k;
	char disk[MAESTRO_DISK_NAME];
	int fd = open(image, O_RDWR);
	unsigned at = debugfs_number(image, "bmap <8> 0") * 1024;
	long ret;

	ck_assert_int_eq(pread(fd, &features, 4, 1024 + 96), 4);
	ck_assert_int_eq(pread(fd, &inode_size, 2, 1024 + 88), 2);
	ck_assert_int_eq(pread(fd, &table, 4, 2048 + 8), 4);
	poke(fd, 1024 + 96, features | 4); /* to be recovered */
	poke(fd, at + 16, __builtin_bswap32(blocks));
	poke(fd, at + 28, __builtin_bswap32(1)); /* where its log starts */
	poke(fd, table * 1024l + 7 * inode_size + 4, blocks << 10);
	poke(fd, table * 1024l + 7 * inode_size + 108, blocks >> 22);
	close(fd);
	k = unit_new();
	OK(maestro_mkdir(k, "/mnt", 0755));
	OK(maestro_disk_add_file(k, image, 0, disk));
	ret = maestro_mount(k, "/dev/vda", "/mnt", "ext3", MS_RDONLY, NULL);
	if (!ret)
		OK(maestro_umount(k, "/mnt", 0));
	unit_end(k);
	return ret;
}

/* A journal that says it is longer than its file system: a walk over it would hardly end. */
START_TEST(endless_journal)
{
	const char *image = unit_image("-b 1024 -O has_journal -J size=1", 8);

	OK(mount_with_journal(image, 1024));
	FAILS(mount_with_journal(image, 8193), EUCLEAN);
	FAILS(mount_with_journal(image, 0x70000000), EUCLEAN);
	OK(mount_with_journal(image, 1024));
	unlink(image);
}
END_TEST

/* An index whose hashes go down again, as on a damaged disk: reading the directory ends. */
START_TEST(unsorted_index)
{
	const char *image = unit_image("-b 1024 -N 3000", 8);
	struct maestro *k = unit_new();
	static char buf[4096];
	char line[512];
	uint32_t e[8];
	unsigned block, reads = 0;
	ssize_t n;
	int fd;

	unit_mount(k, image);
	OK(maestro_mkdir(k, "/mnt/d", 0755));
	for (unsigned i = 0; i < 600; i++) {
		snprintf(line, sizeof(line), "/mnt/d/a-name-of-some-length-%u", i);
		OK(maestro_mknod(k, line, S_IFREG | 0644, 0));
	}
	unit_umount(k);
	unit_end(k);
	block = debugfs_number(image, "bmap /d 0");
	fd = open(image, O_RDWR);
	/* (hash, block) from byte 32 of the block; the first hash is limit and count */
	ck_assert_int_eq(pread(fd, e, sizeof(e), block * 1024l + 32), sizeof(e));
	ck_assert_uint_gt(e[0] >> 16, 8);
	e[4] |= 1; /* "goes on in the next", which begins at ... */
	e[6] = 4;
	ck_assert_int_eq(pwrite(fd, e, sizeof(e), block * 1024l + 32), sizeof(e));
	close(fd);
	k = unit_new();
	unit_mount(k, image);
	fd = maestro_open(k, "/mnt/d", O_RDONLY | O_DIRECTORY);
	OK(fd);
	do {
		n = maestro_getdents64(k, fd, buf, sizeof(buf));
		ck_assert_uint_lt(++reads, 1000);
	} while (n > 0);
	ck_assert_int_eq(n, -EUCLEAN);
	OK(maestro_close(k, fd));
	unit_umount(k);
	unit_end(k);
	unlink(image);
}
END_TEST

START_TEST(random_tree)
{
	struct maestro *k = unit_new();
	const char *image = unit_image(geometry[_i], 32);
	uint32_t seed = 12345 + (uint32_t)_i;
	char a[64], b[64];
	static char data[20000];

	unit_mount(k, image);
	for (unsigned i = 0; i < 8; i++) {
		snprintf(a, sizeof(a), "/mnt/d%u", i);
		OK(maestro_mkdir(k, a, 0755));
	}
	for (unsigned step = 0; step < 3000; step++) {
		int fd;

		snprintf(a, sizeof(a), "/mnt/d%u/n%u", unit_random(&seed) % 8, unit_random(&seed) % 20);
		snprintf(b, sizeof(b), "/mnt/d%u/n%u", unit_random(&seed) % 8, unit_random(&seed) % 20);
		switch (unit_random(&seed) % 9) {
		case 0:
		case 1:
			fd = maestro_open(k, a, O_CREAT | O_WRONLY, 0644);
			if (fd >= 0) {
				maestro_pwrite(k, fd, data, unit_random(&seed) % sizeof(data), unit_random(&seed) % 100000);
				OK(maestro_close(k, fd));
			}
			break;
		case 2:
			maestro_mkdir(k, a, 0755);
			break;
		case 3:
			maestro_unlink(k, a);
			break;
		case 4:
			maestro_rmdir(k, a);
			break;
		case 5:
			maestro_rename(k, a, b);
			break;
		case 6:
			maestro_link(k, a, b);
			break;
		case 7:
			maestro_truncate(k, a, unit_random(&seed) % 50000);
			break;
		case 8:
			maestro_setxattr(k, a, "user.x", data, unit_random(&seed) % 200, 0);
			break;
		}
		if (step % 500 == 499) {
			if (step % 1000 == 999)
				maestro_sync(k);
			maestro_drop_caches(k);
		}
	}
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

Suite *suite_ext2(void)
{
	Suite *s = suite_create("ext2");
	TCase *t = tcase_create("images");

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, tree_survives, 0, GEOMETRIES);
	tcase_add_loop_test(t, sparse_and_large, 0, GEOMETRIES);
	tcase_add_test(t, many_files);
	tcase_add_test(t, disk_full);
	tcase_add_loop_test(t, index_of_names, 0, 4);
	tcase_add_test(t, unsorted_index);
	tcase_add_test(t, first_fit);
	tcase_add_test(t, endless_journal);
	tcase_add_test(t, options);
	tcase_add_test(t, unknown_features);
	tcase_add_loop_test(t, random_tree, 0, GEOMETRIES);
	suite_add_tcase(s, t);
	suite_add_tcase(s, ext2_admin_case());
	return s;
}
