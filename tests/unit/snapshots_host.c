/* SPDX-License-Identifier: MIT */
/* Snapshots: everything comes back, again and again, in any order; host files stay as they are meanwhile. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * ThreadSanitizer and valgrind have no way to take a stack back: there a snapshot is refused, and what needs one is left out. Who runs the tests under them
 * says so (UNIT_NO_SNAPSHOTS); elsewhere it must not be refused.
 */
static _Bool snapshot(struct maestro *k, struct maestro_snapshot **s)
{
	int err = maestro_snapshot(k, s);

	if (getenv("UNIT_NO_SNAPSHOTS")) {
		FAILS(err, EOPNOTSUPP);
		fprintf(stderr, "snapshots: not under this tool (its shadow of the stack cannot be put back): left out\n");
		return 0;
	}
	OK(err);
	return 1;
}

static uint64_t mix(uint64_t sum, const void *data, size_t n)
{
	const unsigned char *p = data;

	while (n--)
		sum = (sum ^ *p++) * 0x100000001b3ULL;
	return sum;
}

/* A number that stands for all there is under a directory: names, attributes, contents. */
static uint64_t digest(struct maestro *k, const char *dir)
{
	char buf[4096], path[512], data[8192];
	uint64_t sum = 1;
	int fd = maestro_open(k, dir, O_RDONLY | O_DIRECTORY);
	ssize_t n;

	OK(fd);
	while ((n = maestro_getdents64(k, fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buf + at);
			struct stat st;

			at += e->d_reclen;
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
				continue;
			OK(maestro_lstat(k, path, &st));
			st.st_atim.tv_nsec = st.st_atim.tv_sec = 0;
			sum = mix(mix(sum, path, strlen(path)), &st, sizeof(st));
			if (S_ISDIR(st.st_mode))
				sum += digest(k, path);
			if (S_ISREG(st.st_mode)) {
				int f = maestro_open(k, path, O_RDONLY);
				ssize_t r;

				OK(f);
				while ((r = maestro_read(k, f, data, sizeof(data))) > 0)
					sum = mix(sum, data, (size_t)r);
				OK(r);
				OK(maestro_close(k, f));
			}
		}
	OK(n);
	OK(maestro_close(k, fd));
	return sum;
}

/* One change, drawn: some fail, and that is right. */
static void change(struct maestro *k, const char *top, uint32_t *rnd)
{
	char a[64], b[64];
	static char data[20000];
	int fd;

	snprintf(a, sizeof(a), "%s/%u", top, unit_random(rnd) % 12);
	snprintf(b, sizeof(b), "%s/%u", top, unit_random(rnd) % 12);
	switch (unit_random(rnd) % 8) {
	case 0:
		maestro_mkdir(k, a, 0700);
		break;
	case 1:
		maestro_rename(k, a, b);
		break;
	case 2:
		maestro_unlink(k, a);
		break;
	case 3:
		maestro_rmdir(k, a);
		break;
	case 4:
		maestro_truncate(k, a, unit_random(rnd) % 30000);
		break;
	case 5:
		maestro_link(k, a, b);
		break;
	default:
		fd = maestro_open(k, a, O_RDWR | O_CREAT, 0600);
		memset(data, (int)unit_random(rnd), sizeof(data));
		if (fd < 0)
			break;
		maestro_pwrite(k, fd, data, unit_random(rnd) % sizeof(data), unit_random(rnd) % 20000);
		if (unit_random(rnd) % 3 == 0)
			maestro_fsync(k, fd);
		maestro_close(k, fd);
	}
}

static void changes(struct maestro *k, unsigned n, uint32_t *rnd)
{
	while (n--) {
		change(k, "/mnt", rnd);
		change(k, "/ram", rnd);
	}
}

static struct maestro *populated(const char *image, uint32_t *rnd, bool huge_pages)
{
	struct maestro_options o = {.size = sizeof(o), .virtual_clock = true, .seed = 1, .huge_pages = huge_pages};
	struct maestro *k = unit_new_with(&o);

	unit_mount(k, image);
	OK(maestro_mkdir(k, "/ram", 0755));
	changes(k, 60, rnd);
	return k;
}

static uint64_t both(struct maestro *k)
{
	return digest(k, "/mnt") * 31 + digest(k, "/ram");
}

START_TEST(again_and_again)
{
	const char *image = unit_image("-b 1024", 2);
	uint32_t rnd = 7;
	struct maestro *k = populated(image, &rnd, _i);
	struct maestro_snapshot *s;
	uint64_t before = both(k);
	unsigned differed = 0;

	if (snapshot(k, &s)) {
		for (int i = 0; i < 200; i++) {
			changes(k, i % 40, &rnd);
			differed += both(k) != before;
			if (i % 10 == 0)
				maestro_drop_caches(k);
			OK(maestro_restore(k, s));
			ck_assert_uint_eq(both(k), before);
		}
		ck_assert_uint_gt(differed, 150);
		OK(maestro_snapshot_free(k, s));
		changes(k, 40, &rnd);
	}
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(in_any_order)
{
	const char *image = unit_image("-b 4096", 4);
	uint32_t rnd = 11;
	struct maestro *k = populated(image, &rnd, false);
	struct maestro_snapshot *s[4] = {NULL};
	uint64_t sum[4];

	for (int i = 0; i < 4; i++) {
		changes(k, 10, &rnd);
		sum[i] = both(k);
		if (!snapshot(k, &s[i]))
			break;
	}
	for (int i = 0; i < 150 && s[3]; i++) {
		unsigned n = unit_random(&rnd) % 4;

		changes(k, unit_random(&rnd) % 30, &rnd);
		OK(maestro_restore(k, s[n]));
		ck_assert_uint_eq(both(k), sum[n]);
		if (i % 50 == 49) { /* one goes, another comes */
			OK(maestro_snapshot_free(k, s[n]));
			sum[n] = both(k);
			ck_assert(snapshot(k, &s[n]));
		}
	}
	for (int i = 0; i < 4 && s[3]; i++)
		OK(maestro_snapshot_free(k, s[i]));
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

static uint64_t host_file_sum(const char *path)
{
	static char data[1 << 16];
	int fd = open(path, O_RDONLY);
	uint64_t sum = 1;
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		sum = mix(sum, data, (size_t)n);
	close(fd);
	return sum;
}

START_TEST(host_file_stays)
{
	const char *image = unit_image("-b 1024", 2);
	struct maestro *k = unit_new();
	struct maestro_snapshot *s;
	uint64_t before;
	char buf[8];
	int fd;

	unit_mount(k, image);
	maestro_sync(k);
	before = host_file_sum(image);
	if (snapshot(k, &s)) {
		unit_put(k, "/mnt/a", "written", 7);
		maestro_sync(k);
		ck_assert_uint_eq(host_file_sum(image), before);
		OK(maestro_snapshot_free(k, s));
		ck_assert_uint_ne(host_file_sum(image), before);
		/* through the cache's back: it is in the file now */
		maestro_drop_caches(k);
		fd = maestro_open(k, "/mnt/a", O_RDONLY);
		OK(fd);
		ck_assert_int_eq(maestro_read(k, fd, buf, 8), 7);
		ck_assert(!memcmp(buf, "written", 7));
		OK(maestro_close(k, fd));
	}
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(destroyed_with_it)
{
	const char *image = unit_image("-b 1024", 2);
	struct maestro *k = unit_new();
	struct maestro_snapshot *s;
	uint64_t before;

	unit_mount(k, image);
	unit_put(k, "/mnt/kept", "x", 1);
	maestro_sync(k);
	before = host_file_sum(image);
	if (snapshot(k, &s)) {
		unit_put(k, "/mnt/lost", "x", 1);
		OK(maestro_destroy(k));
		ck_assert_uint_eq(host_file_sum(image), before);
	}
	unlink(image);
}
END_TEST

START_TEST(open_files_and_clock)
{
	struct maestro *k = unit_new();
	struct maestro_snapshot *s;
	uint64_t a[2], b[2];
	int64_t then;
	char buf[4];
	int fd, p[2];

	unit_put(k, "/f", "abcdef", 6);
	fd = maestro_open(k, "/f", O_RDONLY);
	OK(fd);
	ck_assert_int_eq(maestro_read(k, fd, buf, 2), 2);
	OK(maestro_pipe2(k, p, 0));
	ck_assert_int_eq(maestro_write(k, p[1], "pipe", 4), 4);
	then = maestro_time(k);
	if (!snapshot(k, &s))
		goto out;
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(maestro_read(k, fd, buf, 2), 2);
		ck_assert(!memcmp(buf, "cd", 2));
		ck_assert_int_eq(maestro_read(k, p[0], buf, 4), 4);
		ck_assert(!memcmp(buf, "pipe", 4));
		ck_assert_int_eq(maestro_syscall(k, SYS_getrandom, i ? b : a, sizeof(a), 0), sizeof(a));
		ck_assert(!i || !memcmp(a, b, sizeof(a)));
		OK(maestro_close(k, fd));
		OK(maestro_unlink(k, "/f"));
		maestro_pump(k, 3000000000LL);
		ck_assert_int_gt(maestro_time(k), then + 2000000000LL);
		OK(maestro_restore(k, s));
		ck_assert_int_eq(maestro_time(k), then);
	}
out:
	unit_end(k);
}
END_TEST

static unsigned released;
static char memory[2][65536];
static int mem_read(void *arg, void *buf, uint64_t offset, size_t len)
{
	memcpy(buf, (char *)arg + offset, len);
	return 0;
}
static int mem_write(void *arg, const void *buf, uint64_t offset, size_t len)
{
	memcpy((char *)arg + offset, buf, len);
	return 0;
}
static void mem_release(void *arg)
{
	(void)arg;
	released++;
}
static const struct maestro_disk_ops mem_ops = {.read = mem_read, .write = mem_write, .release = mem_release};

static void write_first(struct maestro *k, const char *dev, char c)
{
	char sector[512];
	int fd = maestro_open(k, dev, O_RDWR);

	memset(sector, c, sizeof(sector));
	OK(fd);
	ck_assert_int_eq(maestro_pwrite(k, fd, sector, 512, 0), 512);
	OK(maestro_fsync(k, fd));
	OK(maestro_close(k, fd));
}

static int read_first(struct maestro *k, const char *dev)
{
	unsigned char sector[512];
	int fd = maestro_open(k, dev, O_RDONLY);

	OK(fd);
	ck_assert_int_eq(maestro_pread(k, fd, sector, 512, 0), 512);
	OK(maestro_close(k, fd));
	return sector[0];
}

START_TEST(disks_come_and_go)
{
	struct maestro *k = unit_new();
	struct maestro_snapshot *s;
	char name[MAESTRO_DISK_NAME];

	released = 0;
	OK(maestro_disk_add_ops(k, &mem_ops, memory[0], 128, 0, name));
	write_first(k, "/dev/vda", 'a');
	if (!snapshot(k, &s))
		goto out;
	write_first(k, "/dev/vda", 'b');
	ck_assert_int_eq(read_first(k, "/dev/vda"), 'b');
	ck_assert_int_eq(memory[0][0], 'a');
	OK(maestro_disk_remove(k, "vda"));
	ck_assert_uint_eq(released, 0);
	OK(maestro_disk_add_ops(k, &mem_ops, memory[1], 128, 0, name));
	write_first(k, "/dev/vda", 'c');
	ck_assert_int_eq(memory[1][0], 'c');
	OK(maestro_restore(k, s));
	ck_assert_uint_eq(released, 1);
	ck_assert_int_eq(read_first(k, "/dev/vda"), 'a');
	FAILS(maestro_disk_remove(k, "vdb"), ENODEV);
	write_first(k, "/dev/vda", 'd');
	OK(maestro_snapshot_free(k, s));
	ck_assert_int_eq(memory[0][0], 'd');
	FAILS(maestro_restore(k, s), EINVAL);
out:
	unit_end(k);
}
END_TEST

static int reader_pipe[2];
static void *blocked_reader(void *arg)
{
	struct maestro *k = arg;
	char c;
	ssize_t n = maestro_read(k, reader_pipe[0], &c, 1);

	maestro_thread_exit(k);
	return (void *)(intptr_t)n;
}

START_TEST(somebody_inside)
{
	struct maestro_options o = {.size = sizeof(o)};
	struct maestro *k = unit_new_with(&o);
	struct maestro_snapshot *s;
	pthread_t t;
	void *n;
	int err = 0;

	OK(maestro_pipe2(k, reader_pipe, 0));
	ck_assert(!pthread_create(&t, NULL, blocked_reader, k));
	for (int i = 0; i < 2000 && !err; i++) {
		usleep(1000);
		err = maestro_snapshot(k, &s);
		if (!err)
			OK(maestro_snapshot_free(k, s));
	}
	ck_assert_int_eq(err, getenv("UNIT_NO_SNAPSHOTS") ? -EOPNOTSUPP : -EBUSY);
	ck_assert_int_eq(maestro_write(k, reader_pipe[1], "x", 1), 1);
	pthread_join(t, &n);
	ck_assert_int_eq((intptr_t)n, 1);
	unit_end(k);
}
END_TEST

static void *other_thread(void *arg)
{
	struct maestro *k = arg;

	return (void *)(intptr_t)maestro_mkdir(k, "/by-thread", 0755);
}

START_TEST(threads_since)
{
	struct maestro *k = unit_new();
	struct maestro_snapshot *s;
	struct stat st;
	pthread_t t;
	void *err;

	if (!snapshot(k, &s))
		goto out;
	for (int i = 0; i < 5; i++) {
		ck_assert(!pthread_create(&t, NULL, other_thread, k));
		pthread_join(t, &err);
		OK((intptr_t)err);
		OK(maestro_stat(k, "/by-thread", &st));
		OK(maestro_restore(k, s));
		FAILS(maestro_stat(k, "/by-thread", &st), ENOENT);
	}
out:
	unit_end(k);
}
END_TEST

START_TEST(in_a_child)
{
	const char *image = unit_image("-b 1024", 2);
	uint32_t rnd = 3;
	struct maestro *k = populated(image, &rnd, false);
	struct maestro_snapshot *s;
	uint64_t before = both(k);
	int status;
	pid_t pid;

	if (snapshot(k, &s)) {
		changes(k, 30, &rnd);
		pid = fork();
		if (!pid) {
			if (maestro_restore(k, s))
				_exit(2);
			_exit(both(k) == before ? 0 : 1);
		}
		ck_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
		ck_assert_int_eq(WEXITSTATUS(status), 0);
		OK(maestro_snapshot_free(k, s));
	}
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

Suite *suite_snapshots(void)
{
	Suite *s = suite_create("snapshots");
	TCase *t = tcase_create("save and put back");

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, again_and_again, 0, 2); /* with huge pages, too */
	tcase_add_test(t, in_any_order);
	tcase_add_test(t, host_file_stays);
	tcase_add_test(t, destroyed_with_it);
	tcase_add_test(t, open_files_and_clock);
	tcase_add_test(t, disks_come_and_go);
	tcase_add_test(t, somebody_inside);
	tcase_add_test(t, threads_since);
	tcase_add_test(t, in_a_child);
	suite_add_tcase(s, t);
	return s;
}
