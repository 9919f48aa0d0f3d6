// SPDX-License-Identifier: MIT
/*
 * Measures of a kernel, from inside: bench [-f] [row ...].
 * Each row runs an operation count that takes some tens of milliseconds, a few
 * times over, and prints the best: "bench ROW OPS NANOSECONDS".  With -f the
 * counts are fixed and each row runs once, between two lines of mark and name,
 * so that a machine which counts instructions compares the same work.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REPEATS = 5, TARGET_NS = 40000000, FILE_SIZE = 8 << 20, CHUNK = 65536, FILES = 1000 };

static int zero_fd, null_fd, data_fd;
static char buffer[CHUNK];
static void (*vsyscall_entry)(void);

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what)
{
	dprintf(1, "bench failed %s: %s\n", what, strerror(errno));
	_exit(1);
}

static void null_int80(long n)
{
	while (n-- > 0) {
		long r;
		__asm__ volatile("int $0x80" : "=a"(r) : "a"(SYS_getppid) : "memory");
	}
}

static void null_sysenter(long n)
{
	if (!vsyscall_entry) {
		errno = ENOSYS;
		die("no AT_SYSINFO");
	}
	while (n-- > 0) {
		long r;
		__asm__ volatile("call *%1" : "=a"(r) : "r"(vsyscall_entry), "0"(SYS_getppid) : "memory", "cc");
	}
}

static void read_zero(long n)
{
	while (n-- > 0)
		if (read(zero_fd, buffer, 1) != 1)
			die("read");
}

static void write_null(long n)
{
	while (n-- > 0)
		if (write(null_fd, buffer, 1) != 1)
			die("write");
}

static void stat_path(long n)
{
	struct stat st;

	while (n-- > 0)
		if (stat("/bench/data", &st) < 0)
			die("stat");
}

static void open_close(long n)
{
	while (n-- > 0) {
		int fd = open("/bench/data", O_RDONLY);
		if (fd < 0 || close(fd) < 0)
			die("open");
	}
}

static void gettime(long n)
{
	while (n-- > 0)
		now();
}

static void fork_wait(long n)
{
	while (n-- > 0) {
		pid_t c = fork();
		if (c == 0)
			_exit(0);
		if (c < 0 || waitpid(c, NULL, 0) != c)
			die("fork");
	}
}

static void fork_exec(long n)
{
	while (n-- > 0) {
		pid_t c = fork();
		if (c == 0) {
			execl("/bench/nop", "nop", NULL);
			_exit(127);
		}
		int s = -1;
		if (c < 0 || waitpid(c, &s, 0) != c || s != 0)
			die("exec");
	}
}

static void thread_join(long n)
{
	while (n-- > 0) {
		pthread_t t;
		if (pthread_create(&t, NULL, (void *(*)(void *))(void *)now, NULL) || pthread_join(t, NULL))
			die("thread");
	}
}

static void ping_pong(long n)
{
	int a[2], b[2];
	char c = 0;

	if (pipe(a) < 0 || pipe(b) < 0)
		die("pipe");
	pid_t child = fork();
	if (child == 0) {
		close(a[1]);
		while (read(a[0], &c, 1) == 1)
			if (write(b[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	close(a[0]);
	for (long i = 0; i < n; i++)
		if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1)
			die("ping");
	close(a[1]);
	close(b[0]);
	close(b[1]);
	waitpid(child, NULL, 0);
}

static void pipe_stream(long n)
{
	int a[2];

	if (pipe(a) < 0)
		die("pipe");
	pid_t child = fork();
	if (child == 0) {
		close(a[1]);
		while (read(a[0], buffer, CHUNK) > 0) {
		}
		_exit(0);
	}
	close(a[0]);
	for (long i = 0; i < n; i++)
		if (write(a[1], buffer, CHUNK) != CHUNK)
			die("stream");
	close(a[1]);
	waitpid(child, NULL, 0);
}

/* The same over sockets: one byte to and fro, and a stream of large writes. */
static void unix_ping_pong(long n)
{
	int s[2];
	char c = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		die("socketpair");
	pid_t child = fork();
	if (child == 0) {
		close(s[0]);
		while (read(s[1], &c, 1) == 1)
			if (write(s[1], &c, 1) != 1)
				break;
		_exit(0);
	}
	close(s[1]);
	for (long i = 0; i < n; i++)
		if (write(s[0], &c, 1) != 1 || read(s[0], &c, 1) != 1)
			die("ping");
	close(s[0]);
	waitpid(child, NULL, 0);
}

static void unix_stream(long n)
{
	int s[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) < 0)
		die("socketpair");
	pid_t child = fork();
	if (child == 0) {
		close(s[0]);
		while (read(s[1], buffer, CHUNK) > 0) {
		}
		_exit(0);
	}
	close(s[1]);
	for (long i = 0; i < n; i++)
		if (write(s[0], buffer, CHUNK) != CHUNK)
			die("stream");
	close(s[0]);
	waitpid(child, NULL, 0);
}

static void page_fault(long n)
{
	while (n > 0) {
		long pages = n < 1024 ? n : 1024;
		char *p = mmap(NULL, (size_t)pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
		for (long i = 0; i < pages; i++)
			*(volatile char *)(p + i * 4096) = 1;
		munmap(p, (size_t)pages * 4096);
		n -= pages;
	}
}

static void map_unmap(long n)
{
	while (n-- > 0) {
		char *p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, data_fd, 0);
		if (p == MAP_FAILED)
			die("mmap");
		(void)*(volatile char *)p;
		munmap(p, 65536);
	}
}

static void file_read(long n)
{
	off_t at = 0;

	while (n-- > 0) {
		if (pread(data_fd, buffer, CHUNK, at) != CHUNK)
			die("pread");
		at = (at + CHUNK) % FILE_SIZE;
	}
}

static void file_write(long n)
{
	static int fd = -1;
	off_t at = 0;

	if (fd < 0)
		fd = open("/bench/out", O_RDWR | O_CREAT | O_TRUNC, 0644);
	while (n-- > 0) {
		if (pwrite(fd, buffer, CHUNK, at) != CHUNK)
			die("pwrite");
		at = (at + CHUNK) % FILE_SIZE;
	}
}

/* One operation is a file made and removed. */
static void create_unlink(long n)
{
	char name[48];

	mkdir("/bench/files", 0755);
	for (long done = 0; done < n; done += FILES) {
		long count = n - done < FILES ? n - done : FILES;
		for (long i = 0; i < count; i++) {
			snprintf(name, sizeof(name), "/bench/files/file-%ld", i);
			int fd = open(name, O_CREAT | O_WRONLY | O_EXCL, 0644);
			if (fd < 0)
				die("create");
			close(fd);
		}
		for (long i = 0; i < count; i++) {
			snprintf(name, sizeof(name), "/bench/files/file-%ld", i);
			if (unlink(name) < 0)
				die("unlink");
		}
	}
}

static void on_signal(int s)
{
	(void)s;
}

static void signal_self(long n)
{
	signal(SIGUSR1, on_signal);
	pid_t self = getpid();
	while (n-- > 0)
		kill(self, SIGUSR1);
}

static const struct {
	const char *name;
	void (*run)(long n);
	long fixed;		/* operations in the mode of fixed counts */
	bool whole;		/* only counts of FILES make sense */
} rows[] = {
	{ "null-int80", null_int80, 20000, false },
	{ "null-sysenter", null_sysenter, 20000, false },
	{ "clock-gettime", gettime, 20000, false },
	{ "read-1", read_zero, 20000, false },
	{ "write-1", write_null, 20000, false },
	{ "stat", stat_path, 10000, false },
	{ "open-close", open_close, 5000, false },
	{ "signal-self", signal_self, 5000, false },
	{ "fork-exit-wait", fork_wait, 200, false },
	{ "fork-exec-wait", fork_exec, 100, false },
	{ "thread-join", thread_join, 200, false },
	{ "pipe-ping-pong", ping_pong, 2000, false },
	{ "pipe-64k", pipe_stream, 200, false },
	{ "unix-ping-pong", unix_ping_pong, 2000, false },
	{ "unix-64k", unix_stream, 200, false },
	{ "page-fault", page_fault, 10240, false },
	{ "mmap-file", map_unmap, 2000, false },
	{ "read-64k-cached", file_read, 512, false },
	{ "write-64k-cached", file_write, 256, false },
	{ "create-unlink", create_unlink, 1000, true },
};

static void measure(unsigned row)
{
	int64_t best = INT64_MAX, t;
	long n = rows[row].whole ? FILES : 1;

	/* Find the count that takes long enough; this also warms the caches. */
	for (;;) {
		t = now();
		rows[row].run(n);
		t = now() - t;
		if (t >= TARGET_NS / 4 || n >= 1 << 24)
			break;
		n *= t < TARGET_NS / 40 ? 8 : 2;
	}
	n = rows[row].whole ? n : (long)((double)n * TARGET_NS / (double)(t + 1)) + 1;
	for (int i = 0; i < REPEATS; i++) {
		t = now();
		rows[row].run(n);
		t = now() - t;
		if (t < best)
			best = t;
	}
	dprintf(1, "bench %s %ld %lld\n", rows[row].name, n, (long long)best);
}

/* Once to warm, once measured; the clock is the machine's instruction count. */
static void measure_fixed(unsigned row)
{
	rows[row].run(rows[row].whole ? FILES : rows[row].fixed / 10 + 1);
	int64_t t = now();
	rows[row].run(rows[row].fixed);
	t = now() - t;
	dprintf(1, "bench %s %ld %lld\n", rows[row].name, rows[row].fixed, (long long)t);
}

static bool wanted(int argc, char **argv, const char *name)
{
	if (argc < 1)
		return true;
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	bool fixed = argc > 1 && strcmp(argv[1], "-f") == 0;
	int skip = 1 + fixed;

	vsyscall_entry = (void (*)(void))getauxval(AT_SYSINFO);
	zero_fd = open("/dev/zero", O_RDONLY);
	null_fd = open("/dev/null", O_WRONLY);
	data_fd = open("/bench/data", O_RDONLY);
	if (zero_fd < 0 || null_fd < 0 || data_fd < 0)
		die("open");
	for (int i = 0; i < FILE_SIZE / CHUNK; i++)
		if (pread(data_fd, buffer, CHUNK, (off_t)i * CHUNK) != CHUNK)
			die("warm");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (!wanted(argc - skip, argv + skip, rows[i].name))
			continue;
		/* A child, so that one row's failure costs only itself. */
		pid_t c = fork();
		if (c == 0) {
			(fixed ? measure_fixed : measure)(i);
			_exit(0);
		}
		int s = 0;
		waitpid(c, &s, 0);
		if (s != 0)
			dprintf(1, "bench-failed %s %x\n", rows[i].name, s);
	}
	return 0;
}
