/* SPDX-License-Identifier: MIT */
/*
 * What an ABI program prints.  Each line is `check name: value`, and must come
 * out the same on Linux and on Maestro: no pids, addresses, times or inode
 * numbers.  A line is one write(2), so that fork never prints it twice.
 */
#pragma once
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

__attribute__((format(printf, 2, 3), unused))
static void abi_line(const char *name, const char *format, ...)
{
	char line[1024];
	va_list ap;
	int n = snprintf(line, sizeof(line), "check %s: ", name);

	va_start(ap, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	for (int done = 0; done < n;) {
		ssize_t r = write(1, line + done, (size_t)(n - done));
		if (r < 0 && errno != EINTR)
			_exit(99);
		if (r > 0)
			done += (int)r;
	}
}

__attribute__((unused))
static const char *abi_errno(int e)
{
	static char unknown[32];
	const char *s = strerrorname_np(e);

	if (s)
		return s;
	snprintf(unknown, sizeof(unknown), "errno%d", e);
	return unknown;
}

__attribute__((unused))
static const char *abi_signal(int s)
{
	static char name[4][32];
	static unsigned turn;
	char *p = name[turn++ % 4];
	const char *abbrev = s > 0 && s < 32 ? sigabbrev_np(s) : NULL;

	if (abbrev)
		snprintf(p, sizeof(name[0]), "SIG%s", abbrev);
	else
		snprintf(p, sizeof(name[0]), "signal%d", s);
	return p;
}

__attribute__((unused))
static void abi_return(const char *name, long long r)
{
	if (r == -1)
		abi_line(name, "-1 %s", abi_errno(errno));
	else
		abi_line(name, "%lld", r);
}

__attribute__((unused))
static void abi_bytes(const char *name, const void *data, size_t n)
{
	char text[900];
	const unsigned char *p = data;
	size_t used = 0;

	for (size_t i = 0; i < n && used + 8 < sizeof(text); i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%02x", p[i]);
	text[used] = '\0';
	abi_line(name, "%zu [%s]", n, text);
}

__attribute__((unused))
static void abi_status(const char *name, int status)
{
	if (WIFEXITED(status))
		abi_line(name, "exit %d", WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		abi_line(name, "killed %s", abi_signal(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		abi_line(name, "stopped %s", abi_signal(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		abi_line(name, "continued");
	else
		abi_line(name, "status %x", status);
}

/* The result of a call: its value, or -1 and the name of errno. */
#define CALL(name, expr) do { errno = 0; long long r_ = (long long)(expr); abi_return(name, r_); } while (0)
/* A call that should not have come back: why it did. */
#define FAILED(name) abi_return(name, -1)
/* Success or the name of errno; for results that differ from run to run. */
#define DOES(name, expr) do { errno = 0; long long r_ = (long long)(expr); \
	if (r_ == -1) abi_return(name, r_); else abi_line(name, "done"); } while (0)
/* The result of a call that gives an error number, as pthread ones do. */
#define GIVES(name, expr) do { int r_ = (expr); abi_line(name, "%s", r_ ? abi_errno(r_) : "0"); } while (0)
#define NUM(name, value) abi_line(name, "%lld", (long long)(value))
#define HEX(name, value) abi_line(name, "%llx", (unsigned long long)(value))
#define STR(name, s) abi_line(name, "\"%s\"", s)
#define YES(name, cond) abi_line(name, "%s", (cond) ? "yes" : "no")
#define BYTES(name, p, n) abi_bytes(name, p, n)
/* Run a block in a child; print how the child ended. */
#define CHILD(name, ...) do { int st_; pid_t c_ = fork(); \
	if (c_ == 0) { __VA_ARGS__; _exit(0); } \
	while (waitpid(c_, &st_, 0) < 0 && errno == EINTR) { } abi_status(name, st_); } while (0)

__attribute__((unused))
static void abi_sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0 && errno == EINTR) {
	}
}

/* Make a file with this content; the caller has a scratch directory. */
__attribute__((unused))
static void abi_file(const char *path, const char *content, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);

	if (fd < 0 || write(fd, content, strlen(content)) != (ssize_t)strlen(content))
		abi_line("setup", "cannot make %s: %s", path, abi_errno(errno));
	close(fd);
}

__attribute__((unused))
static long long abi_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}
