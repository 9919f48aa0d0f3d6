// SPDX-License-Identifier: MIT
/* Single system calls, files, signals. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

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

static void on_signal_info(int s, siginfo_t *info, void *context)
{
	(void)s;
	(void)info;
	(void)context;
}

static void signal_install(long n)
{
	struct sigaction a = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

	while (n-- > 0)
		if (sigaction(SIGUSR2, &a, NULL) < 0)
			die("sigaction");
}

/* To a handler that wants to know all, by the call that raise(3) makes. */
static void signal_info(long n)
{
	struct sigaction a = { .sa_sigaction = on_signal_info, .sa_flags = SA_SIGINFO };
	pid_t self = getpid();

	if (sigaction(SIGUSR1, &a, NULL) < 0)
		die("sigaction");
	while (n-- > 0)
		syscall(SYS_tgkill, self, self, SIGUSR1);
}

const struct row rows_calls[] = {
	{ "null-int80", null_int80, 20000, 0, NULL, 0 },
	{ "null-sysenter", null_sysenter, 20000, 0, NULL, 0 },
	{ "clock-gettime", gettime, 20000, 0, NULL, 0 },
	{ "read-1", read_zero, 20000, 0, NULL, 0 },
	{ "write-1", write_null, 20000, 0, NULL, 0 },
	{ "stat", stat_path, 10000, 0, NULL, 0 },
	{ "open-close", open_close, 5000, 0, NULL, 0 },
	{ "read-64k-cached", file_read, 512, 0, NULL, 0 },
	{ "write-64k-cached", file_write, 256, 0, NULL, 0 },
	{ "create-unlink", create_unlink, FILES, FILES, NULL, 0 },
	{ "signal-install", signal_install, 10000, 0, NULL, 0 },
	{ "signal-self", signal_self, 5000, 0, NULL, 0 },
	{ "signal-info", signal_info, 5000, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};
