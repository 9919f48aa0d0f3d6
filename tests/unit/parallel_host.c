/* SPDX-License-Identifier: MIT */
/* Eight threads in one instance of four vCPUs: what ThreadSanitizer looks at. */
#include "unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define THREADS 8
static struct maestro *k;
static const char *base;
static unsigned steps;
static int pipes[2];

static void *work(void *arg)
{
	uint32_t seed = 100 + (uint32_t)(long)arg;
	static __thread char data[5000];
	char a[64], b[64], dents[1000];
	struct stat st;

	for (unsigned i = 0; i < steps; i++) {
		int fd;

		snprintf(a, sizeof(a), "%s/d%u/n%u", base, unit_random(&seed) % 3, unit_random(&seed) % 8);
		snprintf(b, sizeof(b), "%s/d%u/n%u", base, unit_random(&seed) % 3, unit_random(&seed) % 8);
		switch (unit_random(&seed) % 12) {
		case 0:
		case 1:
			fd = maestro_open(k, a, O_CREAT | O_RDWR, 0644);
			if (fd >= 0) {
				maestro_pwrite(k, fd, data, unit_random(&seed) % sizeof(data), unit_random(&seed) % 20000);
				maestro_pread(k, fd, data, sizeof(data), 0);
				if (i % 16 == 0)
					maestro_fsync(k, fd);
				maestro_close(k, fd);
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
			maestro_truncate(k, a, unit_random(&seed) % 10000);
			break;
		case 8:
			maestro_stat(k, a, &st);
			break;
		case 9:
			snprintf(a, sizeof(a), "%s/d%u", base, unit_random(&seed) % 3);
			fd = maestro_open(k, a, O_RDONLY | O_DIRECTORY);
			if (fd >= 0) {
				while (maestro_getdents64(k, fd, dents, sizeof(dents)) > 0)
					;
				maestro_close(k, fd);
			}
			break;
		case 10:
			if ((long)arg % 2)
				maestro_write(k, pipes[1], data, 10);
			else
				maestro_read(k, pipes[0], data, 10);
			break;
		case 11:
			if (i % 32 == 0)
				maestro_sync(k);
			else
				maestro_symlink(k, a, b);
			break;
		}
	}
	maestro_thread_exit(k);
	return NULL;
}

static void stress(const char *where)
{
	pthread_t t[THREADS];
	const char *many = getenv("UNIT_STEPS");
	char path[64];

	base = where;
	steps = many ? (unsigned)atoi(many) : 400;
	OK(maestro_pipe2(k, pipes, O_NONBLOCK));
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/d%d", base, i);
		OK(maestro_mkdir(k, path, 0755));
	}
	for (long i = 0; i < THREADS; i++)
		ck_assert(!pthread_create(&t[i], NULL, work, (void *)i));
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

START_TEST(on_tmpfs)
{
	struct maestro_options o = {.size = sizeof(o), .threads = 4};

	k = unit_new_with(&o);
	stress("");
	unit_end(k);
}
END_TEST

START_TEST(on_ext2)
{
	struct maestro_options o = {.size = sizeof(o), .threads = 4};
	const char *image = unit_image("-b 1024", 32);

	k = unit_new_with(&o);
	unit_mount(k, image);
	stress("/mnt");
	OK(maestro_close(k, pipes[0]));
	OK(maestro_close(k, pipes[1]));
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(one_vcpu)
{
	struct maestro_options o = {.size = sizeof(o), .threads = 1};

	k = unit_new_with(&o);
	stress("");
	unit_end(k);
}
END_TEST

static void *read_text(void *arg)
{
	char text[1000];

	for (unsigned i = 0; i < steps; i++) {
		long n = maestro_pread(k, (int)(intptr_t)arg, text, sizeof(text), i % 3 ? 20 : 0);

		ck_assert_int_gt(n, 0);
		ck_assert_ptr_null(memchr(text, 0, (size_t)n));
	}
	maestro_thread_exit(k);
	return NULL;
}

/* The text of one open file is made anew, shorter and longer, by each that reads its beginning; the others read what there is. */
START_TEST(one_text)
{
	struct maestro_options o = {.size = sizeof(o), .threads = 4};
	pthread_t t[3];
	int fd;

	k = unit_new_with(&o);
	OK(maestro_mkdir(k, "/proc", 0755));
	OK(maestro_mkdir(k, "/m", 0755));
	OK(maestro_mount(k, "proc", "/proc", "proc", 0, NULL));
	OK(fd = maestro_open(k, "/proc/self/mounts", O_RDONLY));
	steps = 2000;
	for (int i = 0; i < 3; i++)
		ck_assert(!pthread_create(&t[i], NULL, read_text, (void *)(intptr_t)fd));
	for (int i = 0; i < 50; i++) {
		for (int n = 0; n < 40; n++)
			OK(maestro_mount(k, "none", "/m", "tmpfs", 0, NULL));
		for (int n = 0; n < 40; n++)
			OK(maestro_umount(k, "/m", 0));
	}
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	OK(maestro_close(k, fd));
	unit_end(k);
}
END_TEST

Suite *suite_parallel(void)
{
	Suite *s = suite_create("parallel");
	TCase *t = tcase_create("eight threads");

	tcase_set_timeout(t, 240);
	tcase_add_test(t, on_tmpfs);
	tcase_add_test(t, on_ext2);
	tcase_add_test(t, one_vcpu);
	tcase_add_test(t, one_text);
	suite_add_tcase(s, t);
	return s;
}
