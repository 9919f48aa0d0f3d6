// SPDX-License-Identifier: MIT
/*
 * Measures of a kernel, from inside: bench [-f] [row ...].
 * Each row runs an operation count that takes some tens of milliseconds, a few
 * times over, and prints the best: "bench ROW OPS NANOSECONDS".  With -f the
 * counts are fixed and each row runs once after warming,
 * so that a machine which counts instructions compares the same work.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REPEATS = 5, TARGET_NS = 40000000 };

int zero_fd, null_fd, data_fd;
char buffer[CHUNK];
void (*vsyscall_entry)(void);

int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void die(const char *what)
{
	dprintf(1, "bench failed %s: %s\n", what, strerror(errno));
	_exit(1);
}

void reap(int pid)
{
	int s = -1;

	if (pid < 0 || waitpid(pid, &s, 0) != pid || s != 0) {
		errno = s > 0 ? ECHILD : errno;
		die("child");
	}
}

static int64_t timed(const struct row *r, long n)
{
	int64_t t = now();

	r->run(n);
	return now() - t;
}

/* So many operations that TARGET_NS go by; this also warms the caches. A run that was disturbed does not end the search. */
static long calibrate(const struct row *r)
{
	long step = r->multiple ? r->multiple : 1, n = step;
	int64_t t;

	for (;;) {
		t = timed(r, n);
		if (t >= TARGET_NS / 4 && t < 10 * TARGET_NS) {
			int64_t again = timed(r, n);
			t = again < t ? again : t;
		}
		if (t >= TARGET_NS / 4 || n >= 1 << 24)
			break;
		n *= t < TARGET_NS / 40 ? 8 : 2;
	}
	return r->multiple ? n : (long)((double)n * TARGET_NS / (double)(t + 1)) + 1;
}

static void measure(const struct row *r)
{
	long n = calibrate(r);
	int64_t best = INT64_MAX;

	for (unsigned i = 0; i < (r->repeats ? r->repeats : REPEATS); i++) {
		int64_t t = timed(r, n);
		if (t < best)
			best = t;
	}
	dprintf(1, "bench %s %ld %lld\n", r->name, n, (long long)best);
}

/* Once to warm, once measured; the clock is the machine's instruction count. */
static void measure_fixed(const struct row *r)
{
	r->run(r->multiple ? r->multiple : r->fixed / 10 + 1);
	dprintf(1, "bench %s %ld %lld\n", r->name, r->fixed, (long long)timed(r, r->fixed));
}

static bool wanted(char **names, const char *name)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

/* A child for each row, so that one row's failure costs only itself. */
static void run_rows(const struct row *r, char **names, bool fixed)
{
	for (; r->name; r++) {
		if (!wanted(names, r->name))
			continue;
		pid_t c = fork();
		if (c == 0) {
			if (r->prepare)
				r->prepare();
			(fixed ? measure_fixed : measure)(r);
			_exit(0);
		}
		int s = 0;
		waitpid(c, &s, 0);
		if (s != 0)
			dprintf(1, "bench-failed %s %x\n", r->name, s);
	}
}

int main(int argc, char **argv)
{
	bool fixed = argc > 1 && strcmp(argv[1], "-f") == 0;
	char **names = argv + 1 + fixed;
	struct stat st;

	vsyscall_entry = (void (*)(void))getauxval(AT_SYSINFO);
	zero_fd = open("/dev/zero", O_RDONLY);
	null_fd = open("/dev/null", O_WRONLY);
	data_fd = open("/bench/data", O_RDONLY);
	if (zero_fd < 0 || null_fd < 0 || data_fd < 0)
		die("open");
	for (int i = 0; i < FILE_SIZE / CHUNK; i++)
		if (pread(data_fd, buffer, CHUNK, (off_t)i * CHUNK) != CHUNK)
			die("warm");
	run_rows(rows_calls, names, fixed);
	run_rows(rows_process, names, fixed);
	run_rows(rows_talk, names, fixed);
	run_rows(rows_memory, names, fixed);
	if (stat(WORLD "/bin/sh", &st) == 0)
		run_rows(rows_world, names, fixed);
	return 0;
}
