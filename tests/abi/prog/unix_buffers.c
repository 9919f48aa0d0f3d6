// SPDX-License-Identifier: MIT
/* AF_UNIX: how much fits into a socket, what a message is charged, limits of the options and of /proc/sys/net. */
#include "../abi.h"
#include <linux/sockios.h>
#include <sys/socket.h>
#include <sys/un.h>

static char big[400000];

static void option(const char *name, int fd, int opt, int set)
{
	int v = set;
	socklen_t n = sizeof(v);

	if (set >= 0)
		setsockopt(fd, SOL_SOCKET, opt, &v, sizeof(v));
	getsockopt(fd, SOL_SOCKET, opt, &v, &n);
	NUM(name, v);
}

static void test_limits(void)
{
	int s[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	option("sndbuf", s[0], SO_SNDBUF, -1);
	option("rcvbuf", s[0], SO_RCVBUF, -1);
	option("least sndbuf", s[0], SO_SNDBUF, 0);
	option("least rcvbuf", s[0], SO_RCVBUF, 0);
	option("most sndbuf", s[0], SO_SNDBUF, 1 << 30);
	option("most rcvbuf", s[0], SO_RCVBUF, 1 << 30);
	option("forced sndbuf", s[0], SO_SNDBUFFORCE, 1 << 20);
	option("sndbuf after force", s[0], SO_SNDBUF, -1);
	option("some sndbuf", s[0], SO_SNDBUF, 10000);
	close(s[0]);
	close(s[1]);
}

/* One send, then until the buffer is full; then what the receiver must take before there is room again. */
static void fill(int type, int size, int sndbuf)
{
	int s[2], once, all, reads = 0, r, e;
	long total = 0;
	char name[64];
	struct pollfd p;

	sprintf(name, "%s of %d, sndbuf %d", type == SOCK_STREAM ? "stream" : type == SOCK_DGRAM ? "dgram" : "seqpacket", size, sndbuf);
	socketpair(AF_UNIX, type, 0, s);
	if (sndbuf)
		setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	r = (int)send(s[0], big, (size_t)size, 0);
	e = errno;
	if (r < 0) {
		abi_line(name, "%s", abi_errno(e));
		goto end;
	}
	ioctl(s[0], SIOCOUTQ, &once);
	do
		total += r;
	while ((r = (int)send(s[0], big, (size_t)size, 0)) > 0);
	e = errno;
	ioctl(s[0], SIOCOUTQ, &all);
	p = (struct pollfd) { s[0], POLLOUT, 0 };
	while (reads < 100000 && poll(&p, 1, 0) == 0) {
		read(s[1], big, (size_t)size);
		reads++;
	}
	abi_line(name, "charge %d; %ld in all, charge %d, then %s; room after %d", once, total, all, abi_errno(e), reads);
end:
	close(s[0]);
	close(s[1]);
}

static void test_fill(void)
{
	static const int sizes[] = { 1, 64, 256, 257, 300, 700, 768, 769, 1000, 1800, 2000, 3800, 3840, 3841, 4096, 5000, 6000, 8192, 10000, 16000, 16128,
		16129, 16384, 20000, 32768, 36608, 36609, 40000, 65536, 100000, 120000, 163000, 180191, 180192, 180193, 190000 };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		fill(SOCK_STREAM, sizes[i], 0);
		fill(SOCK_DGRAM, sizes[i], 0);
		fill(SOCK_STREAM, sizes[i], 9000);
		fill(SOCK_DGRAM, sizes[i], 9000);
	}
	fill(SOCK_SEQPACKET, 100, 0);
	fill(SOCK_SEQPACKET, 5000, 0);
}

static void sysctl(const char *path, const char *set)
{
	char text[64] = "";
	int fd = open(path, O_RDWR);

	if (fd < 0) {
		FAILED(path);
		return;
	}
	if (set)
		CALL("write", write(fd, set, strlen(set)));
	lseek(fd, 0, SEEK_SET);
	read(fd, text, sizeof(text) - 1);
	STR(path, text);
	close(fd);
}

static void test_sysctl(void)
{
	int s[2], q, d;
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, "\0queue", 6);
	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	sysctl("/proc/sys/net/core/wmem_max", NULL);
	sysctl("/proc/sys/net/core/rmem_max", NULL);
	sysctl("/proc/sys/net/core/wmem_default", NULL);
	sysctl("/proc/sys/net/core/rmem_default", NULL);
	sysctl("/proc/sys/net/core/somaxconn", NULL);
	sysctl("/proc/sys/net/core/optmem_max", NULL);
	sysctl("/proc/sys/net/unix/max_dgram_qlen", "3\n");
	q = socket(AF_UNIX, SOCK_DGRAM, 0);
	CALL("bind", bind(q, (void *)&a, 8));
	d = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	CALL("connect", connect(d, (void *)&a, 8));
	for (int i = 0; i < 5; i++)
		CALL("short queue", send(d, "x", 1, 0));
	sysctl("/proc/sys/net/unix/max_dgram_qlen", "10\n");
	sysctl("/proc/sys/net/core/wmem_max", "100000\n");
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	option("sndbuf with another limit", s[0], SO_SNDBUF, 1 << 20);
	sysctl("/proc/sys/net/core/wmem_max", "180224\n");
	sysctl("/proc/sys/net/core/wmem_max", "1\n");
}

int main(void)
{
	test_limits();
	test_fill();
	test_sysctl();
	return 0;
}
