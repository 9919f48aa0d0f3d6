/* SPDX-License-Identifier: MIT */
/*
 * The unit tests' runner (Check). Arguments name suites; none: all. Environment: UNIT_DIR (where images are made), CK_FORK=no for debuggers.
 */
#include "unit.h"
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct maestro *unit_new_with(const struct maestro_options *o)
{
	struct maestro *k = NULL;
	int err = maestro_create(o, &k);

	ck_assert_msg(!err, "maestro_create: %s", strerror(-err));
	return k;
}

struct maestro *unit_new(void)
{
	const struct maestro_options o = {.size = sizeof(o), .virtual_clock = true, .seed = 1};

	return unit_new_with(&o);
}

void unit_end(struct maestro *k)
{
	int err = maestro_destroy(k);

	ck_assert_msg(!err, "maestro_destroy: %s", strerror(-err));
}

static int run(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

const char *unit_image(const char *mke2fs_options, unsigned mib)
{
	static char path[256];
	const char *dir = getenv("UNIT_DIR");
	char command[600];

	snprintf(path, sizeof(path), "%s/image-%d.ext2", dir ? dir : ".", (int)getpid());
	unlink(path);
	snprintf(command, sizeof(command), "mke2fs -q -F -t ext2 %s %s %uM >/dev/null 2>&1", mke2fs_options, path, mib);
	ck_assert_msg(run(command) == 0, "%s failed", command);
	return path;
}

void unit_fsck(const char *image)
{
	char command[400];
	int code;

	snprintf(command, sizeof(command), "e2fsck -fn %s >%s.log 2>&1", image, image);
	code = run(command);
	if (code) {
		snprintf(command, sizeof(command), "cat %s.log >&2", image);
		run(command);
	}
	ck_assert_msg(code == 0, "e2fsck: status %d", code);
	snprintf(command, sizeof(command), "%s.log", image);
	unlink(command);
	unlink(image);
}

void unit_mount(struct maestro *k, const char *image)
{
	char disk[MAESTRO_DISK_NAME], dev[32];

	OK(maestro_disk_add_file(k, image, 0, disk));
	snprintf(dev, sizeof(dev), "/dev/%s", disk);
	if (maestro_access(k, "/mnt", 0))
		OK(maestro_mkdir(k, "/mnt", 0755));
	OK(maestro_mount(k, dev, "/mnt", "ext2", 0, NULL));
}

void unit_umount(struct maestro *k)
{
	OK(maestro_umount(k, "/mnt", 0));
	OK(maestro_disk_remove(k, "vda"));
}

void unit_put(struct maestro *k, const char *path, const void *data, size_t n)
{
	int fd = maestro_open(k, path, 0101, 0644); /* O_WRONLY | O_CREAT */

	OK(fd);
	ck_assert_int_eq(maestro_write(k, fd, data, n), n);
	OK(maestro_close(k, fd));
}

uint32_t unit_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* ---------------------------------------------------------------- kernel-side tests, one by one */
static void run_kernel_test(unsigned suite, unsigned i)
{
	struct maestro *k = unit_new();
	const char *wrong = maestro_ktest_run(k, suite, i);

	ck_assert_msg(!wrong, "%s, %s: %s", maestro_ktest_suite(suite), maestro_ktest_name(suite, i), wrong);
	unit_end(k);
}

#define KERNEL_TEST(n)                                  \
	START_TEST(kernel_##n)                              \
	{                                                   \
		run_kernel_test(n, (unsigned)_i);      \
	}                                                   \
	END_TEST
KERNEL_TEST(0)
KERNEL_TEST(1)
KERNEL_TEST(2)
KERNEL_TEST(3)
KERNEL_TEST(4)
KERNEL_TEST(5)

Suite *suite_kernel(void)
{
	const TTest *const tests[] = {kernel_0, kernel_1, kernel_2, kernel_3, kernel_4, kernel_5};
	Suite *s = suite_create("kernel");

	for (unsigned i = 0; maestro_ktest_suite(i); i++) {
		TCase *t = tcase_create(maestro_ktest_suite(i));
		int n = 0;

		while (maestro_ktest_name(i, (unsigned)n))
			n++;
		tcase_set_timeout(t, 120);
		_tcase_add_test(t, tests[i], 0, 0, 0, n);
		suite_add_tcase(s, t);
	}
	return s;
}

static const struct {
	const char *name;
	Suite *(*make)(void);
} all[] = {
	{"kernel", suite_kernel}, {"files", suite_files}, {"events", suite_events}, {"ext2", suite_ext2}, {"failures", suite_failures},
	{"instances", suite_instances}, {"disks", suite_disks}, {"parallel", suite_parallel},
	{"snapshots", suite_snapshots}, {"product", suite_product}, {"ipc", suite_ipc}, {"sockets", suite_sockets}, {"proc", suite_proc}, {"locks", suite_locks}, {"devices", suite_devices}, {"streams", suite_streams}, {"mounts", suite_mounts}, {"through", suite_through}, {"mountfds", suite_mountfds},
};

static int wanted(int argc, char **argv, const char *name)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return 1;
	return argc < 2;
}

int main(int argc, char **argv)
{
	SRunner *r = srunner_create(NULL);
	int failed;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (wanted(argc, argv, all[i].name))
			srunner_add_suite(r, all[i].make());
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? 1 : 0;
}
