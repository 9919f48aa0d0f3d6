/* SPDX-License-Identifier: MIT */
/* How long the library takes: hosted [IMAGE [SMALL-IMAGE]]. The best of several rounds, ns. */
#include <fcntl.h>
#include <maestro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct maestro *k;
static int fd;

static void op_getppid(void)
{
	maestro_syscall6(k, SYS_getppid, 0, 0, 0, 0, 0, 0);
}
static void op_read(void)
{
	char buf[1];

	maestro_pread(k, fd, buf, 1, 0);
}
static void op_read_4k(void)
{
	static char buf[4096];

	maestro_pread(k, fd, buf, sizeof(buf), 0);
}
static void op_stat(void)
{
	struct stat st;

	maestro_stat(k, "/dir/file", &st);
}
static void op_open_close(void)
{
	maestro_close(k, maestro_open(k, "/dir/file", O_RDONLY));
}
static void op_create_unlink(void)
{
	maestro_close(k, maestro_open(k, "/dir/new", O_CREAT | O_WRONLY, 0600));
	maestro_unlink(k, "/dir/new");
}

static const struct {
	const char *name;
	void (*op)(void);
	int n;
} ops[] = {
	{"getppid", op_getppid, 200000}, {"pread 1 byte", op_read, 100000}, {"pread 4 KiB", op_read_4k, 100000}, {"stat /dir/file", op_stat, 100000},
	{"open and close", op_open_close, 100000}, {"create and unlink (tmpfs)", op_create_unlink, 20000},
};

static void measure(void)
{
	static char data[8192];
	int f;

	if (maestro_create(NULL, &k) || maestro_mkdir(k, "/dir", 0755))
		exit(1);
	f = maestro_open(k, "/dir/file", O_CREAT | O_RDWR, 0600);
	if (f < 0 || maestro_write(k, f, data, sizeof(data)) != sizeof(data))
		exit(1);
	fd = f;
	for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		double best = 1e18;

		for (int round = 0; round < 7; round++) {
			double start = now(), each;

			for (int j = 0; j < ops[i].n; j++)
				ops[i].op();
			each = (now() - start) / ops[i].n;
			best = each < best ? each : best;
		}
		printf("%-28s %10.1f ns\n", ops[i].name, best);
	}
	maestro_destroy(k);
}

static void measure_instances(const char *image)
{
	double best = 1e18, best_mount = 1e18;

	for (int i = 0; i < 50; i++) {
		double start = now(), t;
		char disk[MAESTRO_DISK_NAME];

		if (maestro_create(NULL, &k))
			exit(1);
		t = now() - start;
		best = t < best ? t : best;
		if (image) {
			int err = maestro_disk_add_file(k, image, 0, disk);

			maestro_mkdir(k, "/mnt", 0755);
			if (err || maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, NULL)) {
				fprintf(stderr, "hosted: cannot mount %s\n", image);
				exit(1);
			}
			t = now() - start;
			best_mount = t < best_mount ? t : best_mount;
		}
		maestro_destroy(k);
	}
	printf("%-28s %10.1f us\n", "create an instance", best / 1e3);
	if (image)
		printf("%-28s %10.1f us\n", "create, add disk, mount", best_mount / 1e3);
}

static struct maestro *mounted(const char *image)
{
	char disk[MAESTRO_DISK_NAME];

	if (maestro_create(NULL, &k) || maestro_disk_add_file(k, image, 0, disk) || maestro_mkdir(k, "/mnt", 0755) ||
	    maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, NULL)) {
		fprintf(stderr, "hosted: cannot mount %s\n", image);
		exit(1);
	}
	return k;
}

/* What a fuzzer does between two restores. */
static void change_something(void)
{
	static char data[3000];
	int f = maestro_open(k, "/mnt/file", O_CREAT | O_RDWR, 0600);

	if (f < 0 || maestro_write(k, f, data, sizeof(data)) != sizeof(data) || maestro_fsync(k, f) || maestro_close(k, f) ||
	    maestro_mkdir(k, "/mnt/dir", 0755) || maestro_rename(k, "/mnt/file", "/mnt/dir/file"))
		exit(1);
}

static void measure_snapshot(const char *image)
{
	double take = 1e18, put_back = 1e18, sum = 0, whole;
	struct maestro_snapshot *s;
	enum { ROUNDS = 5000 };

	mounted(image);
	for (int i = 0; i < 20; i++) {
		double start = now();

		if (maestro_snapshot(k, &s))
			exit(1);
		take = now() - start < take ? now() - start : take;
		maestro_snapshot_free(k, s);
	}
	if (maestro_snapshot(k, &s))
		exit(1);
	whole = now();
	for (int i = 0; i < ROUNDS; i++) {
		double start;

		change_something();
		start = now();
		if (maestro_restore(k, s))
			exit(1);
		start = now() - start;
		put_back = start < put_back ? start : put_back;
		sum += start;
	}
	whole = now() - whole;
	printf("%-28s %10.1f us\n", "take a snapshot", take / 1e3);
	printf("%-28s %10.1f us (mean %.1f)\n", "restore, mounted ext2", put_back / 1e3, sum / ROUNDS / 1e3);
	printf("%-28s %10.1f us\n", "5 changing calls, restore", whole / ROUNDS / 1e3);
	maestro_destroy(k);
}

int main(int argc, char **argv)
{
	measure();
	measure_instances(argc > 1 ? argv[1] : NULL);
	if (argc > 2)
		measure_snapshot(argv[2]);
	return 0;
}
