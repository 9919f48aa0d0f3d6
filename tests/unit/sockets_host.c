/* SPDX-License-Identifier: MIT */
/* AF_UNIX through the library: pairs, names, descriptors in messages, cycles of sockets that only messages know. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define FDS_MOST 240 /* in a message */

static struct maestro *k;

static long pair(int type, int s[2])
{
	return maestro_syscall(k, SYS_socketpair, AF_UNIX, type, 0, s);
}

static long send_fds(int to, const int *fds, unsigned n)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_MOST * sizeof(int))];
	} control;
	char byte = 'm';
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return maestro_syscall(k, SYS_sendmsg, to, &m, 0);
}

/* The one descriptor of a message. */
static int recv_fd(int from, int flags)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec v = {&byte, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	int fd;

	OK(maestro_syscall(k, SYS_recvmsg, from, &m, flags));
	ck_assert_uint_eq(m.msg_controllen, sizeof(control.bytes));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

START_TEST(pair_moves_bytes)
{
	static char big[200000], got[200000];
	size_t sent = 0, seen = 0;
	struct pollfd p;
	char buf[8];
	int s[2];

	k = unit_new();
	OK(pair(SOCK_STREAM | SOCK_NONBLOCK, s));
	FAILS(maestro_read(k, s[0], buf, 8), EAGAIN);
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 255);
	while (seen < sizeof(big)) {
		long n = maestro_write(k, s[0], big + sent, sizeof(big) - sent);

		if (n > 0)
			sent += (size_t)n;
		else if (sent < sizeof(big))
			ck_assert_int_eq(n, -EAGAIN);
		n = maestro_read(k, s[1], got + seen, 3001);
		OK(n);
		seen += (size_t)n;
	}
	ck_assert(!memcmp(big, got, sizeof(big)));
	OK(maestro_close(k, s[0]));
	p = (struct pollfd){.fd = s[1], .events = POLLIN};
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLIN | POLLHUP);
	ck_assert_int_eq(maestro_read(k, s[1], buf, 8), 0);
	FAILS(maestro_write(k, s[1], "x", 1), EPIPE);
	FAILS(maestro_syscall(k, SYS_socketpair, AF_INET, SOCK_STREAM, 0, s), EAFNOSUPPORT);
	unit_end(k);
}
END_TEST

static struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/socket"};

static void *serve(void *arg)
{
	int l = (int)(intptr_t)arg, c = (int)maestro_syscall(k, SYS_accept4, l, NULL, NULL, 0);
	char buf[64];
	long n;

	while ((n = maestro_read(k, c, buf, sizeof(buf))) > 0)
		if (maestro_write(k, c, buf, (size_t)n) != n)
			break;
	maestro_close(k, c);
	maestro_thread_exit(k);
	return (void *)(intptr_t)(n ? 1 : 0);
}

/* Two threads, each blocking for the other. */
START_TEST(server_and_client)
{
	struct maestro_options o = {.size = sizeof(o), .threads = (unsigned)_i};
	pthread_t t;
	void *wrong;
	char buf[8];
	int l, c;

	k = unit_new_with(&o);
	l = (int)maestro_syscall(k, SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	c = (int)maestro_syscall(k, SYS_socket, AF_UNIX, SOCK_STREAM, 0);
	OK(l);
	FAILS(maestro_syscall(k, SYS_connect, c, &address, sizeof(address)), ENOENT);
	OK(maestro_syscall(k, SYS_bind, l, &address, sizeof(address)));
	FAILS(maestro_syscall(k, SYS_connect, c, &address, sizeof(address)), ECONNREFUSED);
	OK(maestro_syscall(k, SYS_listen, l, 1));
	ck_assert(!pthread_create(&t, NULL, serve, (void *)(intptr_t)l));
	OK(maestro_syscall(k, SYS_connect, c, &address, sizeof(address)));
	for (int i = 0; i < 200; i++) {
		ck_assert_int_eq(maestro_write(k, c, &i, sizeof(i)), sizeof(i));
		ck_assert_int_eq(maestro_read(k, c, buf, sizeof(buf)), sizeof(i));
		ck_assert(!memcmp(buf, &i, sizeof(i)));
	}
	OK(maestro_close(k, c));
	pthread_join(t, &wrong);
	ck_assert_ptr_null(wrong);
	OK(maestro_unlink(k, "/socket"));
	unit_end(k);
}
END_TEST

START_TEST(descriptors_travel)
{
	char buf[8];
	int s[2], p[2], got;

	k = unit_new();
	OK(pair(SOCK_DGRAM, s));
	OK(maestro_pipe2(k, p, 0));
	OK(send_fds(s[0], &p[1], 1));
	OK(maestro_close(k, p[1]));
	got = recv_fd(s[1], 0);
	ck_assert_int_eq(maestro_write(k, got, "there", 5), 5);
	OK(maestro_close(k, got));
	ck_assert_int_eq(maestro_read(k, p[0], buf, 8), 5);
	ck_assert_int_eq(maestro_read(k, p[0], buf, 8), 0);
	unit_end(k);
}
END_TEST

/* As on Linux, the end of any socket looks for those that nobody can reach. */
static void collect(void)
{
	OK(maestro_close(k, (int)maestro_syscall(k, SYS_socket, AF_UNIX, SOCK_DGRAM, 0)));
}

/* A ring of n sockets, each in the next one's queue, with the writing end of a pipe: when all are closed, so is the pipe. */
static void ring(int n, int type)
{
	int s[32][2], p[2];
	char c;

	OK(maestro_pipe2(k, p, O_NONBLOCK));
	for (int i = 0; i < n; i++)
		OK(pair(type, s[i]));
	for (int i = 0; i < n; i++) {
		int fds[3] = {s[i][0], s[i][1], p[1]};

		OK(send_fds(s[(i + 1) % n][0], fds, 3));
	}
	OK(maestro_close(k, p[1]));
	for (int i = 0; i < n; i++) {
		FAILS(maestro_read(k, p[0], &c, 1), EAGAIN);
		OK(maestro_close(k, s[i][0]));
		OK(maestro_close(k, s[i][1]));
	}
	collect();
	ck_assert_int_eq(maestro_read(k, p[0], &c, 1), 0);
	OK(maestro_close(k, p[0]));
}

START_TEST(cycles_are_collected)
{
	struct maestro_memory before, after;

	k = unit_new();
	ring(31, SOCK_STREAM); /* the table of descriptors grows once */
	maestro_drop_caches(k);
	OK(maestro_memory(k, &before));
	for (int i = 0; i < 50; i++) {
		ring(1 + i % 30, SOCK_STREAM);
		ring(1 + i % 30, SOCK_DGRAM);
		ring(1 + i % 7, SOCK_SEQPACKET);
	}
	maestro_drop_caches(k);
	OK(maestro_memory(k, &after));
	ck_assert_uint_eq(before.objects, after.objects);
	unit_end(k);
}
END_TEST

/* A chain, each socket known only to the message in the next one: closing the end closes all, without a stack for each. */
START_TEST(long_chain_falls)
{
	int p[2], s[2], last[2];
	char c;

	k = unit_new();
	OK(maestro_pipe2(k, p, O_NONBLOCK));
	OK(pair(SOCK_STREAM, last));
	OK(send_fds(last[0], &p[1], 1));
	OK(maestro_close(k, p[1]));
	for (int i = 0; i < 5000; i++) {
		OK(pair(SOCK_STREAM, s));
		OK(send_fds(s[0], last, 2));
		OK(maestro_close(k, last[0]));
		OK(maestro_close(k, last[1]));
		last[0] = s[0];
		last[1] = s[1];
		if (i % 1000 == 0)
			FAILS(maestro_read(k, p[0], &c, 1), EAGAIN);
	}
	OK(maestro_close(k, last[0]));
	OK(maestro_close(k, last[1]));
	ck_assert_int_eq(maestro_read(k, p[0], &c, 1), 0);
	unit_end(k);
}
END_TEST

#define OTHERS (4 * FDS_MOST)
#define ROUNDS (atoi(getenv("UNIT_STEPS") ?: "80000") / 40)

static void *collector(void *stop)
{
	while (!__atomic_load_n((bool *)stop, __ATOMIC_RELAXED))
		collect();
	maestro_thread_exit(k);
	return NULL;
}

/*
 * Sockets u and v, each in the other's queue, are garbage when v is closed, but not if somebody looked at the message in v before and has u. A collection that
 * sees u before that look and v after the close must not come between; many others lie between the two, so that it could.
 */
static void peek_and_close(const int *others)
{
	int u[2], v[2], holder[2], got;
	char byte = 0;

	OK(pair(SOCK_STREAM, u));
	OK(pair(SOCK_STREAM, v));
	OK(pair(SOCK_STREAM, holder));
	OK(send_fds(v[1], &u[0], 1)); /* u[0] lies in v[0] */
	for (int i = 0; i < OTHERS; i += FDS_MOST)
		OK(send_fds(holder[0], others + i, FDS_MOST));
	OK(send_fds(u[1], &v[0], 1)); /* v[0] lies in u[0] */
	OK(maestro_close(k, u[0]));
	got = recv_fd(v[0], MSG_PEEK);
	OK(maestro_close(k, v[0]));
	ck_assert_int_eq(maestro_syscall(k, SYS_recvfrom, got, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL), 1);
	ck_assert_int_eq(byte, 'm');
	OK(maestro_close(k, got));
	for (int i = 0; i < 2; i++)
		OK(maestro_close(k, holder[i]));
	OK(maestro_close(k, u[1]));
	OK(maestro_close(k, v[1]));
}

START_TEST(peek_against_collection)
{
	struct maestro_options o = {.size = sizeof(o), .threads = 4};
	int others[OTHERS];
	bool stop = false;
	pthread_t t[2];

	k = unit_new_with(&o);
	for (int i = 0; i < OTHERS; i++)
		OK(others[i] = (int)maestro_syscall(k, SYS_socket, AF_UNIX, SOCK_DGRAM, 0));
	for (int i = 0; i < 2; i++)
		ck_assert(!pthread_create(&t[i], NULL, collector, &stop));
	for (int i = 0; i < ROUNDS; i++)
		peek_and_close(others);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	unit_end(k);
}
END_TEST

/* A pair, a message with a descriptor, a name: whichever allocation fails, an error comes, and nothing is lost. */
static long everything(void)
{
	static const struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "\0name"};
	int s[2], l = -1;
	long ret = pair(SOCK_STREAM, s);

	if (ret < 0)
		return ret;
	ret = send_fds(s[0], s, 2);
	if (ret >= 0)
		ret = l = (int)maestro_syscall(k, SYS_socket, AF_UNIX, SOCK_DGRAM, 0);
	if (ret >= 0)
		ret = maestro_syscall(k, SYS_bind, l, &name, offsetof(struct sockaddr_un, sun_path) + 5);
	if (ret >= 0)
		ret = maestro_syscall(k, SYS_sendto, l, "datagram", 8, 0, &name, offsetof(struct sockaddr_un, sun_path) + 5);
	if (l >= 0)
		maestro_close(k, l);
	maestro_close(k, s[0]);
	maestro_close(k, s[1]);
	return ret;
}

START_TEST(allocations_fail)
{
	struct maestro_memory before, after;
	unsigned failed = 0;

	k = unit_new();
	OK(everything());
	collect();
	maestro_drop_caches(k);
	OK(maestro_memory(k, &before));
	for (uint64_t n = 1;; n++) {
		long ret;

		maestro_fail_nth_alloc(k, n);
		ret = everything();
		maestro_fail_nth_alloc(k, 0);
		collect();
		if (ret < 0) {
			ck_assert_msg(ret == -ENOMEM || ret == -ENOBUFS || ret == -ENFILE, "%s", strerror((int)-ret));
			failed++;
		} else if (n > 100) {
			break;
		}
		maestro_drop_caches(k);
		OK(maestro_memory(k, &after));
		ck_assert_uint_eq(before.objects, after.objects);
	}
	ck_assert_uint_ge(failed, 8);
	OK(everything());
	unit_end(k);
}
END_TEST

Suite *suite_sockets(void)
{
	Suite *s = suite_create("sockets");
	TCase *t = tcase_create("AF_UNIX");

	tcase_set_timeout(t, 240);
	tcase_add_test(t, pair_moves_bytes);
	tcase_add_loop_test(t, server_and_client, 1, 3);
	tcase_add_test(t, descriptors_travel);
	tcase_add_test(t, cycles_are_collected);
	tcase_add_test(t, long_chain_falls);
	tcase_add_test(t, peek_against_collection);
	tcase_add_test(t, allocations_fail);
	suite_add_tcase(s, t);
	return s;
}
