/* SPDX-License-Identifier: MIT */
/* Pipes, poll, epoll, eventfd, timerfd; calls that block, between host threads. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>

static struct maestro *k;

START_TEST(pipe_basic)
{
	static char big[70000];
	struct pollfd p;
	int fd[2];
	char buf[8];

	k = unit_new();
	OK(maestro_pipe2(k, fd, O_NONBLOCK));
	FAILS(maestro_read(k, fd[0], buf, 8), EAGAIN);
	ck_assert_int_eq(maestro_write(k, fd[1], "abc", 3), 3);
	ck_assert_int_eq(maestro_read(k, fd[0], buf, 8), 3);
	ck_assert_int_eq(maestro_write(k, fd[1], big, sizeof(big)), 65536);
	FAILS(maestro_write(k, fd[1], big, 1), EAGAIN);
	p = (struct pollfd){.fd = fd[1], .events = POLLOUT};
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 0);
	ck_assert_int_eq(maestro_read(k, fd[0], big, sizeof(big)), 65536);
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	OK(maestro_close(k, fd[1]));
	ck_assert_int_eq(maestro_read(k, fd[0], buf, 8), 0);
	p = (struct pollfd){.fd = fd[0], .events = POLLIN};
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert(p.revents & POLLHUP);
	OK(maestro_pipe2(k, fd, 0));
	OK(maestro_close(k, fd[0]));
	FAILS(maestro_write(k, fd[1], "x", 1), EPIPE);
	unit_end(k);
}
END_TEST

START_TEST(poll_times_out)
{
	struct pollfd p;
	int64_t start;
	int fd[2];

	k = unit_new();
	OK(maestro_pipe2(k, fd, 0));
	p = (struct pollfd){.fd = fd[0], .events = POLLIN};
	start = maestro_time(k);
	ck_assert_int_eq(maestro_poll(k, &p, 1, 5000), 0);
	ck_assert_int_ge(maestro_time(k) - start, 5000000000LL);
	ck_assert_int_lt(maestro_time(k) - start, 5100000000LL);
	unit_end(k);
}
END_TEST

START_TEST(epoll_and_timers)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 17}, got[4];
	struct {
		struct timespec interval, value;
	} its = {{0, 0}, {2, 0}};
	uint64_t n = 3;
	int ep, efd, tfd;

	k = unit_new();
	ep = (int)maestro_syscall(k, SYS_epoll_create1, 0);
	efd = (int)maestro_syscall(k, SYS_eventfd2, 0, O_NONBLOCK);
	tfd = (int)maestro_syscall(k, SYS_timerfd_create, CLOCK_MONOTONIC, 0);
	OK(ep);
	OK(efd);
	OK(tfd);
	OK(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, efd, &ev));
	FAILS(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, efd, &ev), EEXIST);
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 0);
	ck_assert_int_eq(maestro_write(k, efd, &n, 8), 8);
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, -1), 1);
	ck_assert(got[0].data.u64 == 17 && got[0].events == EPOLLIN);
	ck_assert_int_eq(maestro_read(k, efd, &n, 8), 8);
	ev.data.u64 = 18;
	OK(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, tfd, &ev));
	OK(maestro_syscall(k, SYS_timerfd_settime, tfd, 0, &its, NULL));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 1000), 0);
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 5000), 1);
	ck_assert(got[0].data.u64 == 18);
	ck_assert_int_eq(maestro_read(k, tfd, &n, 8), 8);
	ck_assert_uint_eq(n, 1);
	unit_end(k);
}
END_TEST

static int pipe_fd[2];

static void *write_later(void *unused)
{
	(void)unused;
	for (int i = 0; i < 100; i++)
		if (maestro_write(k, pipe_fd[1], "x", 1) != 1)
			return (void *)1;
	maestro_thread_exit(k);
	return NULL;
}

/* A thread that blocks inside lets another in. */
START_TEST(threads_block)
{
	struct maestro_options o = {.size = sizeof(o)};
	pthread_t t;
	void *wrong;
	char c;

	k = unit_new_with(&o);
	OK(maestro_pipe2(k, pipe_fd, 0));
	ck_assert(!pthread_create(&t, NULL, write_later, NULL));
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(maestro_read(k, pipe_fd[0], &c, 1), 1);
	pthread_join(t, &wrong);
	ck_assert_ptr_null(wrong);
	unit_end(k);
}
END_TEST

START_TEST(sleeps_on_the_host_clock)
{
	struct maestro_options o = {.size = sizeof(o)};
	struct timespec t = {.tv_nsec = 20000000}, a, b;

	k = unit_new_with(&o);
	clock_gettime(CLOCK_MONOTONIC, &a);
	OK(maestro_syscall(k, SYS_nanosleep, &t, NULL));
	clock_gettime(CLOCK_MONOTONIC, &b);
	ck_assert_int_ge((b.tv_sec - a.tv_sec) * 1000000000L + b.tv_nsec - a.tv_nsec, 20000000);
	unit_end(k);
}
END_TEST

Suite *suite_events(void)
{
	Suite *s = suite_create("events");
	TCase *t = tcase_create("pipes, poll, timers");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, pipe_basic);
	tcase_add_test(t, poll_times_out);
	tcase_add_test(t, epoll_and_timers);
	tcase_add_test(t, threads_block);
	tcase_add_test(t, sleeps_on_the_host_clock);
	suite_add_tcase(s, t);
	return s;
}
