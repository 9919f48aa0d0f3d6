/* SPDX-License-Identifier: MIT */
/* Many kernels in one process. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

START_TEST(a_thousand)
{
	for (int i = 0; i < 1000; i++) {
		struct maestro *k = unit_new();

		unit_put(k, "/f", "x", 1);
		OK(maestro_mkdir(k, "/d", 0755));
		unit_end(k);
	}
}
END_TEST

static void *use_one(void *arg)
{
	char name[16] = "/f?";
	const char *wrong = NULL;

	for (int i = 0; i < 20 && !wrong; i++) {
		struct maestro_options o = {.size = sizeof(o), .virtual_clock = true};
		struct maestro *k, *other;
		struct stat st;

		name[2] = (char)('0' + (long)arg);
		if (maestro_create(&o, &k) || maestro_create(&o, &other))
			return (void *)(uintptr_t)"create";
		for (int j = 0; j < 100; j++) {
			int fd = maestro_open(k, name, O_CREAT | O_RDWR, 0600);

			if (fd < 0 || maestro_write(k, fd, "hello", 5) != 5 || maestro_close(k, fd))
				wrong = "open, write, close";
			if (maestro_stat(other, name, &st) != -ENOENT)
				wrong = "it is seen in another instance";
			if (maestro_unlink(k, name))
				wrong = "unlink";
		}
		if (maestro_destroy(k) || maestro_destroy(other))
			wrong = "destroy";
	}
	return (void *)(uintptr_t)wrong;
}

START_TEST(eight_at_once)
{
	pthread_t t[8];

	for (long i = 0; i < 8; i++)
		ck_assert(!pthread_create(&t[i], NULL, use_one, (void *)i));
	for (int i = 0; i < 8; i++) {
		void *wrong;

		pthread_join(t[i], &wrong);
		ck_assert_msg(!wrong, "%s", (const char *)wrong);
	}
}
END_TEST

START_TEST(same_seed_same_run)
{
	uint64_t a[4], b[4];

	for (int i = 0; i < 2; i++) {
		struct maestro *k = unit_new();

		ck_assert_int_eq(maestro_syscall(k, SYS_getrandom, i ? b : a, sizeof(a), 0), sizeof(a));
		unit_end(k);
	}
	ck_assert(!memcmp(a, b, sizeof(a)));
}
END_TEST

START_TEST(options_are_checked)
{
	struct maestro_options o = {.size = sizeof(o), .memory = 1 << 20};
	struct maestro *k;

	FAILS(maestro_create(&o, &k), EINVAL);
	o = (struct maestro_options){.size = sizeof(o), .threads = 100};
	FAILS(maestro_create(&o, &k), EINVAL);
	o = (struct maestro_options){.size = 3};
	FAILS(maestro_create(&o, &k), EINVAL);
	ck_assert_uint_eq(maestro_version() >> 16, MAESTRO_VERSION_MAJOR);
	OK(maestro_destroy(NULL));
}
END_TEST

START_TEST(what_is_refused)
{
	static const long nrs[] = {SYS_fork, SYS_vfork, SYS_clone, SYS_execve, SYS_exit, SYS_exit_group, SYS_mmap, SYS_brk, SYS_reboot, SYS_rt_sigreturn};
	struct maestro *k = unit_new();

	for (unsigned i = 0; i < sizeof(nrs) / sizeof(nrs[0]); i++)
		FAILS(maestro_syscall(k, nrs[i], 0, 0, 0, 0, 0, 0), ENOSYS);
	unit_end(k);
}
END_TEST

START_TEST(child_goes_on)
{
	struct maestro *k = unit_new();
	int status;
	pid_t pid;

	unit_put(k, "/f", "x", 1);
	pid = fork();
	if (!pid) {
		struct stat st;

		_exit(maestro_stat(k, "/f", &st) || st.st_size != 1 || maestro_unlink(k, "/f") || maestro_destroy(k) ? 1 : 0);
	}
	ck_assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
	unit_end(k);
}
END_TEST

static char log_seen[4096];
static void keep_log(void *arg, const char *text, size_t len)
{
	size_t n = strlen(log_seen);

	(void)arg;
	if (n + len < sizeof(log_seen))
		strncat(log_seen, text, len);
}

START_TEST(log_callback)
{
	struct maestro_options o = {.size = sizeof(o), .log = keep_log, .log_level = 8};
	struct maestro *k = unit_new_with(&o);
	char disk[MAESTRO_DISK_NAME];
	const char *image = unit_image("-b 1024", 2);

	OK(maestro_disk_add_file(k, image, 0, disk));
	ck_assert_ptr_nonnull(strstr(log_seen, "vda"));
	unit_end(k);
	unlink(image);
}
END_TEST

Suite *suite_instances(void)
{
	Suite *s = suite_create("instances");
	TCase *t = tcase_create("many kernels");

	tcase_set_timeout(t, 240);
	tcase_add_test(t, a_thousand);
	tcase_add_test(t, eight_at_once);
	tcase_add_test(t, same_seed_same_run);
	tcase_add_test(t, options_are_checked);
	tcase_add_test(t, what_is_refused);
	tcase_add_test(t, child_goes_on);
	tcase_add_test(t, log_callback);
	suite_add_tcase(s, t);
	return s;
}
