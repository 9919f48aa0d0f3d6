// SPDX-License-Identifier: MIT
/* Processes and threads. */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* What the next fork has to share. */
static void touch_much(void)
{
	enum { MUCH = 64 << 20 };
	char *p = mmap(NULL, MUCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	memset(p, 1, MUCH);
}

const struct row rows_process[] = {
	{ "fork-exit-wait", fork_wait, 200, 0, NULL, 0 },
	{ "fork-64m", fork_wait, 10, 0, touch_much, 0 },
	{ "fork-exec-wait", fork_exec, 100, 0, NULL, 0 },
	{ "thread-join", thread_join, 200, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};
