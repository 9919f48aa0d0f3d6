/* SPDX-License-Identifier: MIT */
/* What moves and waits for data: pipes and FIFOs, splicing, select, inotify, descriptors. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static struct maestro *k;
static char data[200000], back[200000];

static void setup(void)
{
	uint32_t seed = 5;

	k = unit_new();
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)unit_random(&seed);
}

static int opened(const char *path, int flags)
{
	int fd = maestro_open(k, path, flags, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(-fd));
	return fd;
}

/* ---------------------------------------------------------------- pipes */
START_TEST(pipe_sizes)
{
	int fd[2], n = -1, top, now, after;

	setup();
	OK(maestro_pipe2(k, fd, O_NONBLOCK | O_CLOEXEC));
	ck_assert_int_eq(maestro_fcntl(k, fd[0], F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(maestro_fcntl(k, fd[0], F_GETPIPE_SZ), 65536);
	ck_assert_int_eq(maestro_write(k, fd[1], data, 20000), 20000);
	OK(maestro_ioctl(k, fd[0], FIONREAD, &n));
	ck_assert_int_eq(n, 20000);
	ck_assert_int_eq(maestro_read(k, fd[0], back, 5000), 5000);
	FAILS(maestro_fcntl(k, fd[1], F_SETPIPE_SZ, 4096), EBUSY); /* what is in it does not fit */
	ck_assert_int_eq(maestro_fcntl(k, fd[1], F_SETPIPE_SZ, 100000), 131072);
	ck_assert_int_eq(maestro_write(k, fd[1], data + 20000, 200000 - 20000) > 90000, 1);
	OK(maestro_ioctl(k, fd[0], FIONREAD, &n));
	top = n;
	for (now = 0; now < top; now += after) {
		after = (int)maestro_read(k, fd[0], back + now, 7777);
		ck_assert_int_gt(after, 0);
	}
	ck_assert(!memcmp(back, data + 5000, (size_t)top));
	ck_assert_int_eq(maestro_fcntl(k, fd[1], F_SETPIPE_SZ, 1), 4096);
	ck_assert_int_eq(maestro_write(k, fd[1], data, 5000), 4096);
	FAILS(maestro_fcntl(k, fd[1], F_SETPIPE_SZ, 0), EINVAL);
	FAILS(maestro_fcntl(k, fd[1], F_SETPIPE_SZ, -1), EINVAL);
	FAILS(maestro_fcntl(k, opened("/x", O_CREAT | O_RDWR), F_GETPIPE_SZ), EBADF);
	OK(maestro_syscall(k, SYS_setresuid, 1000, 1000, 1000));
	FAILS(maestro_fcntl(k, fd[1], F_SETPIPE_SZ, 8 << 20), EPERM);
	FAILS(maestro_pipe2(k, fd, O_APPEND), EINVAL);
	unit_end(k);
}
END_TEST

/* With O_DIRECT each write is a packet: what a read leaves of it is gone. */
START_TEST(pipe_packets)
{
	int fd[2];

	setup();
	OK(maestro_pipe2(k, fd, O_NONBLOCK | O_DIRECT));
	ck_assert_int_eq(maestro_write(k, fd[1], "one", 3), 3);
	ck_assert_int_eq(maestro_write(k, fd[1], "second", 6), 6);
	ck_assert_int_eq(maestro_write(k, fd[1], data, 5000), 5000); /* two packets */
	ck_assert_int_eq(maestro_read(k, fd[0], back, 100), 3);
	ck_assert_int_eq(maestro_read(k, fd[0], back, 3), 3);
	ck_assert_int_eq(maestro_read(k, fd[0], back, sizeof(back)), 4096);
	ck_assert_int_eq(maestro_read(k, fd[0], back, sizeof(back)), 5000 - 4096);
	FAILS(maestro_read(k, fd[0], back, 1), EAGAIN);
	unit_end(k);
}
END_TEST

START_TEST(fifos)
{
	struct pollfd p;
	int r, w, both;

	setup();
	OK(maestro_mknod(k, "/fifo", S_IFIFO | 0644, 0));
	FAILS(maestro_open(k, "/fifo", O_WRONLY | O_NONBLOCK), ENXIO);
	r = opened("/fifo", O_RDONLY | O_NONBLOCK);
	ck_assert_int_eq(maestro_read(k, r, back, 1), 0); /* no writer */
	p = (struct pollfd){ .fd = r, .events = POLLIN };
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 0); /* none was there yet: no hang-up */
	w = opened("/fifo", O_WRONLY | O_NONBLOCK);
	FAILS(maestro_read(k, r, back, 1), EAGAIN);
	OK(maestro_write(k, w, "abc", 3));
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLIN);
	OK(maestro_close(k, w));
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLIN | POLLHUP);
	ck_assert_int_eq(maestro_read(k, r, back, 10), 3);
	ck_assert_int_eq(maestro_read(k, r, back, 10), 0);
	both = opened("/fifo", O_RDWR);
	OK(maestro_close(k, r));
	OK(maestro_write(k, both, "x", 1));
	ck_assert_int_eq(maestro_read(k, both, back, 10), 1);
	FAILS(maestro_lseek(k, both, 0, SEEK_SET), ESPIPE);
	FAILS(maestro_pread(k, both, back, 1, 0), ESPIPE);
	FAILS(maestro_ftruncate(k, both, 0), EINVAL);
	unit_end(k);
}
END_TEST

static int thread_fd[2];
static long thread_result;

static void *drain(void *arg)
{
	size_t at = 0;
	ssize_t n;

	(void)arg;
	while ((n = maestro_read(k, thread_fd[0], back + at, 3333)) > 0)
		at += (size_t)n;
	thread_result = n ? n : (long)at;
	maestro_thread_exit(k);
	return NULL;
}

/* A writer that waits for room, and a FIFO whose opening waits for the other side. */
START_TEST(waiting_for_room)
{
	struct maestro_options o = { .size = sizeof(o) };
	pthread_t t;

	setup();
	unit_end(k);
	k = unit_new_with(&o);
	OK(maestro_pipe2(k, thread_fd, 0));
	ck_assert(!pthread_create(&t, NULL, drain, NULL));
	ck_assert_int_eq(maestro_write(k, thread_fd[1], data, sizeof(data)), sizeof(data));
	OK(maestro_close(k, thread_fd[1]));
	pthread_join(t, NULL);
	ck_assert_int_eq(thread_result, sizeof(data));
	ck_assert(!memcmp(back, data, sizeof(data)));
	unit_end(k);
}
END_TEST

static void *open_reader(void *arg)
{
	(void)arg;
	thread_fd[0] = maestro_open(k, "/fifo", O_RDONLY);
	return drain(NULL);
}

START_TEST(waiting_for_the_other_side)
{
	struct maestro_options o = { .size = sizeof(o) };
	pthread_t t;
	int w;

	k = unit_new_with(&o);
	OK(maestro_mknod(k, "/fifo", S_IFIFO | 0644, 0));
	ck_assert(!pthread_create(&t, NULL, open_reader, NULL));
	w = maestro_open(k, "/fifo", O_WRONLY);
	OK(w);
	OK(maestro_write(k, w, "hello", 5));
	OK(maestro_close(k, w));
	pthread_join(t, NULL);
	ck_assert_int_eq(thread_result, 5);
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- splicing */
START_TEST(spliced)
{
	loff_t off = 1000;
	int a[2], b[2], in, out;
	struct iovec iov[2] = { { data, 3000 }, { data + 3000, 2000 } };

	setup();
	unit_put(k, "/in", data, 100000);
	in = opened("/in", O_RDONLY);
	out = opened("/out", O_CREAT | O_RDWR);
	OK(maestro_pipe2(k, a, O_NONBLOCK));
	OK(maestro_pipe2(k, b, O_NONBLOCK));
	/* a file into a pipe, with a position of one's own and the file's */
	ck_assert_int_eq(maestro_syscall(k, SYS_splice, in, &off, a[1], NULL, 10000, 0), 10000);
	ck_assert_int_eq(off, 11000);
	ck_assert_int_eq(maestro_lseek(k, in, 0, SEEK_CUR), 0);
	ck_assert_int_eq(maestro_syscall(k, SYS_splice, in, NULL, a[1], NULL, 1000, 0), 1000);
	ck_assert_int_eq(maestro_lseek(k, in, 0, SEEK_CUR), 1000);
	/* doubled, then moved */
	ck_assert_int_eq(maestro_syscall(k, SYS_tee, a[0], b[1], 5000, 0), 5000);
	ck_assert_int_eq(maestro_read(k, b[0], back, 6000), 5000);
	ck_assert(!memcmp(back, data + 1000, 5000));
	ck_assert_int_eq(maestro_syscall(k, SYS_splice, a[0], NULL, b[1], NULL, 6000, 0), 6000);
	ck_assert_int_eq(maestro_read(k, b[0], back, 20000), 6000);
	ck_assert(!memcmp(back, data + 1000, 6000));
	/* a pipe into a file */
	off = 500;
	ck_assert_int_eq(maestro_syscall(k, SYS_splice, a[0], NULL, out, &off, 100000, 0), 5000);
	ck_assert_int_eq(off, 5500);
	ck_assert_int_eq(maestro_pread(k, out, back, 6000, 500), 5000);
	ck_assert(!memcmp(back, data + 7000, 4000) && !memcmp(back + 4000, data, 1000));
	FAILS(maestro_syscall(k, SYS_splice, a[0], NULL, out, NULL, 100, 0), EAGAIN);
	/* memory */
	ck_assert_int_eq(maestro_syscall(k, SYS_vmsplice, a[1], iov, 2, 0), 5000);
	iov[0].iov_base = back;
	iov[1].iov_base = back + 3000;
	ck_assert_int_eq(maestro_syscall(k, SYS_vmsplice, a[0], iov, 2, 0), 5000);
	ck_assert(!memcmp(back, data, 5000));
	/* what cannot be */
	FAILS(maestro_syscall(k, SYS_splice, in, NULL, out, NULL, 100, 0), EINVAL);
	off = 0;
	FAILS(maestro_syscall(k, SYS_splice, in, NULL, a[1], &off, 100, 0), ESPIPE);
	FAILS(maestro_syscall(k, SYS_tee, a[0], a[1], 100, 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_tee, in, a[1], 100, 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_splice, 99, NULL, a[1], NULL, 1, 0), EBADF);
	FAILS(maestro_syscall(k, SYS_splice, in, NULL, a[1], NULL, 1, 64), EINVAL);
	OK(maestro_close(k, b[0]));
	OK(maestro_write(k, a[1], "x", 1));
	FAILS(maestro_syscall(k, SYS_splice, a[0], NULL, b[1], NULL, 100, 0), EPIPE);
	unit_end(k);
}
END_TEST

START_TEST(copied)
{
	off_t off = 10;
	int in, out, append;

	setup();
	unit_put(k, "/in", data, 100000);
	in = opened("/in", O_RDWR);
	out = opened("/out", O_CREAT | O_RDWR);
	append = opened("/out", O_WRONLY | O_APPEND);
	ck_assert_int_eq(maestro_syscall(k, SYS_sendfile, out, in, &off, 50000), 50000);
	ck_assert_int_eq(off, 50010);
	ck_assert_int_eq(maestro_syscall(k, SYS_sendfile, out, in, NULL, 1000000), 100000);
	ck_assert_int_eq(maestro_syscall(k, SYS_sendfile, out, in, NULL, 1), 0);
	ck_assert_int_eq(maestro_pread(k, out, back, sizeof(back), 0), 150000);
	ck_assert(!memcmp(back, data + 10, 50000) && !memcmp(back + 50000, data, 100000));
	FAILS(maestro_syscall(k, SYS_sendfile, append, in, NULL, 1), EINVAL);
	FAILS(maestro_syscall(k, SYS_sendfile, in, append, NULL, 1), EBADF);
	off = 99990;
	ck_assert_int_eq(maestro_lseek(k, out, 0, SEEK_SET), 0);
	ck_assert_int_eq(maestro_syscall(k, SYS_copy_file_range, in, &off, out, NULL, 100, 0), 10);
	ck_assert_int_eq(off, 100000);
	ck_assert_int_eq(maestro_lseek(k, out, 0, SEEK_CUR), 10);
	FAILS(maestro_syscall(k, SYS_copy_file_range, in, NULL, append, NULL, 10, 0), EBADF);
	FAILS(maestro_syscall(k, SYS_copy_file_range, in, NULL, out, NULL, 10, 1), EINVAL);
	off = 5;
	OK(maestro_lseek(k, in, 0, SEEK_SET));
	FAILS(maestro_syscall(k, SYS_copy_file_range, in, NULL, in, &off, 10, 0), EINVAL); /* they overlap */
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- select, signals, events */
START_TEST(selected)
{
	struct timeval tv = { 3, 0 };
	struct timespec ts = { 2, 0 };
	fd_set r, w;
	int fd[2];
	int64_t start;

	setup();
	OK(maestro_pipe2(k, fd, 0));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(fd[0], &r);
	FD_SET(fd[1], &w);
	ck_assert_int_eq(maestro_syscall(k, SYS_select, fd[1] + 1, &r, &w, NULL, &tv), 1);
	ck_assert(!FD_ISSET(fd[0], &r) && FD_ISSET(fd[1], &w));
	FD_SET(fd[0], &r);
	start = maestro_time(k);
	ck_assert_int_eq(maestro_syscall(k, SYS_select, fd[1] + 1, &r, NULL, NULL, &tv), 0);
	ck_assert_int_ge(maestro_time(k) - start, 2900000000LL);
	ck_assert(tv.tv_sec == 0 && !FD_ISSET(fd[0], &r));
	FD_SET(fd[0], &r);
	start = maestro_time(k);
	ck_assert_int_eq(maestro_syscall(k, SYS_pselect6, fd[1] + 1, &r, NULL, NULL, &ts, NULL), 0);
	ck_assert_int_ge(maestro_time(k) - start, 2000000000LL);
	OK(maestro_write(k, fd[1], "x", 1));
	FD_SET(fd[0], &r);
	ck_assert_int_eq(maestro_syscall(k, SYS_select, fd[1] + 1, &r, NULL, NULL, NULL), 1);
	OK(maestro_close(k, fd[0]));
	FD_SET(fd[0], &r);
	FAILS(maestro_syscall(k, SYS_select, fd[1] + 1, &r, NULL, NULL, NULL), EBADF);
	FAILS(maestro_syscall(k, SYS_select, -1, NULL, NULL, NULL, NULL), EINVAL);
	tv.tv_sec = -1;
	FAILS(maestro_syscall(k, SYS_select, 0, NULL, NULL, NULL, &tv), EINVAL);
	unit_end(k);
}
END_TEST

START_TEST(signals_read)
{
	uint64_t set = 1ULL << (SIGUSR1 - 1) | 1ULL << (SIGRTMIN - 1), all = set | 1ULL << (SIGUSR2 - 1);
	struct signalfd_siginfo si[3];
	siginfo_t info = { .si_code = SI_QUEUE };
	struct pollfd p;
	int fd;

	setup();
	OK(maestro_syscall(k, SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 8));
	fd = (int)maestro_syscall(k, SYS_signalfd4, -1, &set, 8, SFD_NONBLOCK | SFD_CLOEXEC);
	OK(fd);
	FAILS(maestro_read(k, fd, si, sizeof(si)), EAGAIN);
	FAILS(maestro_read(k, fd, si, 10), EINVAL);
	OK(maestro_syscall(k, SYS_kill, maestro_syscall(k, SYS_getpid), SIGUSR1));
	OK(maestro_syscall(k, SYS_kill, maestro_syscall(k, SYS_getpid), SIGUSR2)); /* not asked for */
	info.si_value.sival_int = 77;
	OK(maestro_syscall(k, SYS_rt_sigqueueinfo, maestro_syscall(k, SYS_getpid), SIGRTMIN, &info));
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(maestro_read(k, fd, si, sizeof(si)), 2 * sizeof(si[0]));
	ck_assert(si[0].ssi_signo == SIGUSR1 && si[0].ssi_code == SI_USER && si[0].ssi_pid == (uint32_t)maestro_syscall(k, SYS_getpid));
	ck_assert(si[1].ssi_signo == (uint32_t)SIGRTMIN && si[1].ssi_code == SI_QUEUE && si[1].ssi_int == 77);
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 0);
	set = 1ULL << (SIGUSR2 - 1);
	ck_assert_int_eq(maestro_syscall(k, SYS_signalfd4, fd, &set, 8, 0), fd);
	ck_assert_int_eq(maestro_read(k, fd, si, sizeof(si)), sizeof(si[0]));
	ck_assert_uint_eq(si[0].ssi_signo, SIGUSR2);
	FAILS(maestro_syscall(k, SYS_signalfd4, -1, &set, 4, 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_signalfd4, -1, &set, 8, 1), EINVAL);
	FAILS(maestro_syscall(k, SYS_signalfd4, 99, &set, 8, 0), EBADF);
	unit_end(k);
}
END_TEST

START_TEST(event_counters)
{
	struct pollfd p;
	uint64_t n = 5;
	int fd, sem;

	setup();
	fd = (int)maestro_syscall(k, SYS_eventfd2, 3, O_NONBLOCK);
	OK(fd);
	ck_assert_int_eq(maestro_write(k, fd, &n, 8), 8);
	ck_assert_int_eq(maestro_read(k, fd, &n, 8), 8);
	ck_assert_uint_eq(n, 8);
	FAILS(maestro_read(k, fd, &n, 8), EAGAIN);
	FAILS(maestro_read(k, fd, &n, 7), EINVAL);
	n = ~0ULL;
	FAILS(maestro_write(k, fd, &n, 8), EINVAL);
	n = ~0ULL - 1;
	ck_assert_int_eq(maestro_write(k, fd, &n, 8), 8);
	n = 1;
	FAILS(maestro_write(k, fd, &n, 8), EAGAIN);
	p = (struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT };
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLIN);
	sem = (int)maestro_syscall(k, SYS_eventfd2, 2, O_NONBLOCK | 1);
	OK(sem);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(maestro_read(k, sem, &n, 8), 8);
		ck_assert_uint_eq(n, 1);
	}
	FAILS(maestro_read(k, sem, &n, 8), EAGAIN);
	FAILS(maestro_syscall(k, SYS_eventfd2, 0, 2), EINVAL);
	unit_end(k);
}
END_TEST

START_TEST(epoll_kinds)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = 1 }, got[4];
	struct timespec ts = { 0, 500000000 };
	int ep, outer, fd[2];

	setup();
	OK(maestro_pipe2(k, fd, O_NONBLOCK));
	ep = (int)maestro_syscall(k, SYS_epoll_create1, EPOLL_CLOEXEC);
	outer = (int)maestro_syscall(k, SYS_epoll_create, 5);
	OK(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd[0], &ev));
	OK(maestro_write(k, fd[1], "x", 1));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 1);
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 0); /* told once */
	OK(maestro_write(k, fd[1], "x", 1));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 1);
	ev.events = EPOLLIN | EPOLLONESHOT;
	OK(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_MOD, fd[0], &ev));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 1);
	OK(maestro_write(k, fd[1], "x", 1));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 0); /* switched off */
	OK(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_MOD, fd[0], &ev));
	/* One in another; not in itself, nor in a ring. */
	ev.events = EPOLLIN;
	OK(maestro_syscall(k, SYS_epoll_ctl, outer, EPOLL_CTL_ADD, ep, &ev));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_pwait2, outer, got, 4, &ts, NULL, 8), 1);
	FAILS(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, outer, &ev), ELOOP);
	FAILS(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
	FAILS(maestro_syscall(k, SYS_epoll_ctl, fd[0], EPOLL_CTL_ADD, ep, &ev), EINVAL);
	FAILS(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, opened("/x", O_CREAT | O_RDWR), &ev), EPERM);
	FAILS(maestro_syscall(k, SYS_epoll_ctl, ep, 9, fd[0], &ev), EINVAL);
	FAILS(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_MOD, fd[1], &ev), ENOENT);
	FAILS(maestro_syscall(k, SYS_epoll_wait, ep, got, 0, 0), EINVAL);
	OK(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_DEL, fd[0], NULL));
	FAILS(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_DEL, fd[0], NULL), ENOENT);
	/* Closing takes it out; the other side's end is told. */
	ev.events = 0;
	OK(maestro_syscall(k, SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fd[1], &ev));
	OK(maestro_close(k, fd[0]));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 1);
	ck_assert_uint_eq(got[0].events, EPOLLERR);
	OK(maestro_close(k, fd[1]));
	ck_assert_int_eq(maestro_syscall(k, SYS_epoll_wait, ep, got, 4, 0), 0);
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- inotify */
static char events[4096] __attribute__((aligned(8)));
static ssize_t events_len, events_at;

static void expect(int fd, int wd, uint32_t mask, const char *name)
{
	const struct inotify_event *e;

	if (events_at >= events_len) {
		events_len = maestro_read(k, fd, events, sizeof(events));
		events_at = 0;
		ck_assert_msg(events_len > 0, "no event: wanted %#x %s: %s", mask, name ? name : "", strerror((int)-events_len));
	}
	e = (const void *)(events + events_at);
	events_at += (ssize_t)sizeof(*e) + e->len;
	ck_assert_msg(e->wd == wd && e->mask == mask && !strcmp(e->len ? e->name : "", name ? name : ""), "%d %#x %s, wanted %d %#x %s", e->wd, e->mask,
		      e->len ? e->name : "", wd, mask, name ? name : "");
}

START_TEST(watched)
{
	const struct inotify_event *e;
	uint32_t cookie;
	int in, d, f, fd, n = 0;

	setup();
	OK(maestro_mkdir(k, "/d", 0755));
	OK(maestro_mkdir(k, "/e", 0755));
	in = (int)maestro_syscall(k, SYS_inotify_init1, IN_NONBLOCK);
	OK(in);
	d = (int)maestro_syscall(k, SYS_inotify_add_watch, in, "/d", IN_ALL_EVENTS);
	OK(d);
	fd = opened("/d/f", O_CREAT | O_RDWR);
	expect(in, d, IN_CREATE, "f");
	expect(in, d, IN_OPEN, "f");
	OK(maestro_write(k, fd, "x", 1));
	OK(maestro_write(k, fd, "x", 1)); /* the same again: told once */
	OK(maestro_ioctl(k, in, FIONREAD, &n));
	ck_assert_int_eq(n, 32);
	OK(maestro_pread(k, fd, back, 1, 0));
	OK(maestro_fchmod(k, fd, 0600));
	OK(maestro_close(k, fd));
	expect(in, d, IN_MODIFY, "f");
	expect(in, d, IN_ACCESS, "f");
	expect(in, d, IN_ATTRIB, "f");
	expect(in, d, IN_CLOSE_WRITE, "f");
	f = (int)maestro_syscall(k, SYS_inotify_add_watch, in, "/d/f", IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB);
	OK(f);
	OK(maestro_rename(k, "/d/f", "/d/g"));
	events_len = maestro_read(k, in, events, sizeof(events));
	events_at = 0;
	e = (const void *)events;
	cookie = e->cookie;
	expect(in, d, IN_MOVED_FROM, "f");
	e = (const void *)(events + events_at);
	ck_assert(e->cookie == cookie && cookie);
	expect(in, d, IN_MOVED_TO, "g");
	expect(in, f, IN_MOVE_SELF, NULL);
	OK(maestro_rename(k, "/d/g", "/e/g"));
	expect(in, d, IN_MOVED_FROM, "g");
	expect(in, f, IN_MOVE_SELF, NULL);
	OK(maestro_rename(k, "/e/g", "/d/h"));
	expect(in, d, IN_MOVED_TO, "h");
	expect(in, f, IN_MOVE_SELF, NULL);
	OK(maestro_unlink(k, "/d/h"));
	expect(in, f, IN_ATTRIB, NULL); /* its link count */
	expect(in, f, IN_DELETE_SELF, NULL);
	expect(in, f, IN_IGNORED, NULL);
	expect(in, d, IN_DELETE, "h");
	OK(maestro_mkdir(k, "/d/sub", 0755));
	expect(in, d, IN_CREATE | IN_ISDIR, "sub");
	OK(maestro_rmdir(k, "/d/sub"));
	expect(in, d, IN_DELETE | IN_ISDIR, "sub");
	FAILS(maestro_read(k, in, events, sizeof(events)), EAGAIN);
	OK(maestro_rmdir(k, "/d"));
	expect(in, d, IN_DELETE_SELF, NULL);
	expect(in, d, IN_IGNORED, NULL);
	FAILS(maestro_syscall(k, SYS_inotify_rm_watch, in, d), EINVAL);
	unit_end(k);
}
END_TEST

START_TEST(watches)
{
	int in, d, n;

	setup();
	OK(maestro_mkdir(k, "/d", 0755));
	unit_put(k, "/f", "x", 1);
	in = (int)maestro_syscall(k, SYS_inotify_init1, IN_NONBLOCK);
	FAILS(maestro_syscall(k, SYS_inotify_add_watch, in, "/f", IN_ONLYDIR | IN_OPEN), ENOTDIR);
	FAILS(maestro_syscall(k, SYS_inotify_add_watch, in, "/f", 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_inotify_add_watch, in, "/none", IN_OPEN), ENOENT);
	FAILS(maestro_syscall(k, SYS_inotify_add_watch, 99, "/f", IN_OPEN), EBADF);
	d = (int)maestro_syscall(k, SYS_inotify_add_watch, in, "/d", IN_CREATE);
	OK(d);
	ck_assert_int_eq(maestro_syscall(k, SYS_inotify_add_watch, in, "/d", IN_DELETE), d); /* replaced */
	unit_put(k, "/d/a", "", 0);
	FAILS(maestro_read(k, in, events, sizeof(events)), EAGAIN);
	ck_assert_int_eq(maestro_syscall(k, SYS_inotify_add_watch, in, "/d", IN_CREATE | IN_MASK_ADD), d);
	unit_put(k, "/d/b", "", 0);
	OK(maestro_unlink(k, "/d/a"));
	FAILS(maestro_read(k, in, events, 16), EINVAL); /* too little for one */
	expect(in, d, IN_CREATE, "b");
	expect(in, d, IN_DELETE, "a");
	FAILS(maestro_syscall(k, SYS_inotify_add_watch, in, "/d", IN_CREATE | IN_MASK_CREATE), EEXIST);
	OK(maestro_syscall(k, SYS_inotify_rm_watch, in, d));
	expect(in, d, IN_IGNORED, NULL);
	d = (int)maestro_syscall(k, SYS_inotify_add_watch, in, "/d", IN_CREATE | IN_ONESHOT);
	unit_put(k, "/d/c", "", 0);
	unit_put(k, "/d/e", "", 0);
	expect(in, d, IN_CREATE, "c");
	expect(in, d, IN_IGNORED, NULL);
	FAILS(maestro_read(k, in, events, sizeof(events)), EAGAIN);
	/* More than the queue holds. */
	d = (int)maestro_syscall(k, SYS_inotify_add_watch, in, "/d", IN_CREATE | IN_DELETE);
	for (n = 0; n < 8500; n++) {
		OK(maestro_mkdir(k, "/d/n", 0755));
		OK(maestro_rmdir(k, "/d/n"));
	}
	for (n = 0; (events_len = maestro_read(k, in, events, sizeof(events))) > 0;)
		for (events_at = 0; events_at < events_len; n++) {
			const struct inotify_event *e = (const void *)(events + events_at);

			events_at += (ssize_t)sizeof(*e) + e->len;
			if (e->mask == IN_Q_OVERFLOW)
				ck_assert(n == 16384 && e->wd == -1);
		}
	ck_assert_int_eq(n, 16385);
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- descriptors */
START_TEST(descriptors)
{
	int fd, dup, i;

	setup();
	fd = opened("/f", O_CREAT | O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(maestro_fcntl(k, fd, F_DUPFD, 50), 50);
	ck_assert_int_eq(maestro_fcntl(k, fd, F_DUPFD_CLOEXEC, 50), 51);
	ck_assert_int_eq(maestro_fcntl(k, 50, F_GETFD), 0);
	ck_assert_int_eq(maestro_fcntl(k, 51, F_GETFD), FD_CLOEXEC);
	OK(maestro_fcntl(k, 50, F_SETFD, FD_CLOEXEC));
	ck_assert_int_eq(maestro_fcntl(k, 50, F_GETFD), FD_CLOEXEC);
	FAILS(maestro_fcntl(k, fd, F_DUPFD, -1), EINVAL);
	FAILS(maestro_fcntl(k, fd, F_DUPFD, 1 << 20), EINVAL);
	ck_assert_int_eq(maestro_dup2(k, fd, fd), fd);
	FAILS(maestro_syscall(k, SYS_dup3, fd, fd, 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_dup3, fd, 60, 1), EINVAL);
	ck_assert_int_eq(maestro_syscall(k, SYS_dup3, fd, 60, O_CLOEXEC), 60);
	FAILS(maestro_dup2(k, 99, 3), EBADF);
	FAILS(maestro_dup2(k, fd, 1 << 20), EBADF);
	FAILS(maestro_fcntl(k, fd, 9999, 0), EINVAL);
	FAILS(maestro_fcntl(k, 99, F_GETFL), EBADF);
	/* They share a position and flags. */
	OK(maestro_write(k, fd, "0123456789", 10));
	ck_assert_int_eq(maestro_lseek(k, 60, 0, SEEK_CUR), 10);
	OK(maestro_fcntl(k, 60, F_SETFL, O_APPEND));
	ck_assert_int_eq(maestro_fcntl(k, fd, F_GETFL) & O_APPEND, O_APPEND);
	/* Ranges. */
	OK(maestro_syscall(k, SYS_close_range, 50, 51, 0));
	FAILS(maestro_fcntl(k, 50, F_GETFD), EBADF);
	for (i = 100; i < 110; i++)
		ck_assert_int_eq(maestro_dup2(k, fd, i), i);
	OK(maestro_syscall(k, SYS_close_range, 102, 104, 4)); /* CLOEXEC */
	ck_assert_int_eq(maestro_fcntl(k, 103, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(maestro_fcntl(k, 105, F_GETFD), 0);
	FAILS(maestro_syscall(k, SYS_close_range, 9, 8, 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_close_range, 1, 2, 8), EINVAL);
	OK(maestro_syscall(k, SYS_close_range, 61, ~0u, 2)); /* of a table of its own */
	FAILS(maestro_close(k, 109), EBADF);
	/* Only a path. */
	dup = opened("/f", O_PATH);
	FAILS(maestro_read(k, dup, back, 1), EBADF);
	FAILS(maestro_fcntl(k, dup, F_SETFL, 0), EBADF);
	FAILS(maestro_fchmod(k, dup, 0), EBADF);
	OK(maestro_fcntl(k, dup, F_GETFL));
	unit_end(k);
}
END_TEST

START_TEST(vectors)
{
	struct iovec iov[3] = { { data, 10 }, { NULL, 0 }, { data + 10, 20 } }, in[2] = { { back, 7 }, { back + 7, 100 } };
	int fd;

	setup();
	fd = opened("/f", O_CREAT | O_RDWR);
	ck_assert_int_eq(maestro_writev(k, fd, iov, 3), 30);
	ck_assert_int_eq(maestro_syscall(k, SYS_pwritev, fd, iov, 3, 100, 0), 30);
	ck_assert_int_eq(maestro_syscall(k, SYS_preadv, fd, in, 2, 100, 0), 30);
	ck_assert(!memcmp(back, data, 30));
	ck_assert_int_eq(maestro_syscall(k, SYS_preadv2, fd, in, 2, -1, -1, 0), 100); /* from the position, 30 on */
	ck_assert_int_eq(maestro_lseek(k, fd, 0, SEEK_CUR), 130);
	ck_assert_int_eq(maestro_syscall(k, SYS_pwritev2, fd, iov, 1, 0, 0, 0x10), 10); /* RWF_APPEND */
	ck_assert_int_eq(maestro_lseek(k, fd, 0, SEEK_END), 140);
	FAILS(maestro_syscall(k, SYS_preadv2, fd, in, 2, 0, 0, 1 << 20), EOPNOTSUPP);
	FAILS(maestro_syscall(k, SYS_preadv, fd, in, 2, -5, -1), EINVAL);
	FAILS(maestro_readv(k, fd, in, -1), EINVAL);
	FAILS(maestro_readv(k, fd, in, 1025), EINVAL);
	in[0].iov_len = ~0UL;
	FAILS(maestro_readv(k, fd, in, 2), EINVAL);
	unit_end(k);
}
END_TEST

Suite *suite_streams(void)
{
	const TTest *const tests[] = { pipe_sizes, pipe_packets, fifos, waiting_for_room, waiting_for_the_other_side, spliced, copied, selected, signals_read,
				       event_counters, epoll_kinds, watched, watches, descriptors, vectors };
	Suite *s = suite_create("streams");
	TCase *t = tcase_create("pipes, splicing, waiting, watching");

	tcase_set_timeout(t, 60);
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(t, tests[i]);
	suite_add_tcase(s, t);
	return s;
}
