// SPDX-License-Identifier: MIT
/* Processes that talk to each other, and waiting for many files. */
#define _GNU_SOURCE
#include "bench.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MANY = 100 };
static int many[MANY][2], highest, poll_fd;

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

/* Two processes and two words of shared memory: each waits for its own to be set. */
static void futex_wait_for(int *word)
{
	while (__atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST) == 0)
		if (syscall(SYS_futex, word, FUTEX_WAIT, 0, NULL, NULL, 0) < 0 && errno != EAGAIN && errno != EINTR)
			die("futex");
}

static void futex_tell(int *word)
{
	__atomic_store_n(word, 1, __ATOMIC_SEQ_CST);
	if (syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0) < 0)
		die("futex");
}

static void futex_ping_pong(long n)
{
	int *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (words == MAP_FAILED)
		die("mmap");
	pid_t child = fork();
	if (child == 0) {
		for (long i = 0; i < n; i++) {
			futex_wait_for(&words[0]);
			futex_tell(&words[1]);
		}
		_exit(0);
	}
	for (long i = 0; i < n; i++) {
		futex_tell(&words[0]);
		futex_wait_for(&words[1]);
	}
	reap(child);
	munmap(words, 4096);
}

/* A hundred pipes, the last with something to read. */
static void open_many(void)
{
	struct epoll_event e = { .events = EPOLLIN };

	poll_fd = epoll_create1(0);
	for (int i = 0; i < MANY; i++) {
		if (pipe(many[i]) < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, many[i][0], &e) < 0)
			die("pipes");
		highest = many[i][0];
	}
	if (write(many[MANY - 1][1], "x", 1) != 1)
		die("write");
}

static void select_many(long n)
{
	while (n-- > 0) {
		fd_set set;

		FD_ZERO(&set);
		for (int i = 0; i < MANY; i++)
			FD_SET(many[i][0], &set);
		if (select(highest + 1, &set, NULL, NULL, NULL) != 1)
			die("select");
	}
}

static void epoll_many(long n)
{
	struct epoll_event got[MANY];

	while (n-- > 0)
		if (epoll_wait(poll_fd, got, MANY, -1) != 1)
			die("epoll");
}

const struct row rows_talk[] = {
	{ "pipe-ping-pong", ping_pong, 2000, 0, NULL, 0 },
	{ "pipe-64k", pipe_stream, 200, 0, NULL, 0 },
	{ "unix-ping-pong", unix_ping_pong, 2000, 0, NULL, 0 },
	{ "unix-64k", unix_stream, 200, 0, NULL, 0 },
	{ "futex-ping-pong", futex_ping_pong, 2000, 0, NULL, 0 },
	{ "select-100", select_many, 2000, 0, open_many, 0 },
	{ "epoll-100", epoll_many, 5000, 0, open_many, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};
