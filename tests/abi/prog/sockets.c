// SPDX-License-Identifier: MIT
/* Local sockets: pairs, streams, datagrams, passing descriptors; errors of the families. */
#include "../abi.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strcpy(a.sun_path, path);
	return a;
}

static void revents(const char *name, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

	poll(&p, 1, 0);
	HEX(name, p.revents);
}

static void test_pair(void)
{
	char buf[64];
	int s[2], v;
	socklen_t n = sizeof(v);
	struct stat st;

	CALL("pair", socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	abi_line("numbers", "%d %d", s[0], s[1]);
	fstat(s[0], &st);
	HEX("mode", st.st_mode & S_IFMT);
	CALL("getfl", fcntl(s[0], F_GETFL));
	CALL("send", send(s[0], "stream", 6, 0));
	CALL("peek", recv(s[1], buf, 3, MSG_PEEK));
	CALL("recv part", recv(s[1], buf, 3, 0));
	CALL("write", write(s[0], "more", 4));
	CALL("read joins", v = (int)read(s[1], buf, 64));
	BYTES("joined", buf, v);
	CALL("recv dontwait", recv(s[1], buf, 1, MSG_DONTWAIT));
	revents("poll idle", s[1]);
	CALL("type", getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &n));
	NUM("type value", v);
	CALL("shutdown write", shutdown(s[0], SHUT_WR));
	CALL("eof", read(s[1], buf, 1));
	revents("poll shut", s[1]);
	signal(SIGPIPE, SIG_IGN);
	CALL("send after shutdown", send(s[0], "x", 1, 0));
	CALL("other way works", send(s[1], "back", 4, 0));
	CALL("read back", read(s[0], buf, 64));
	close(s[0]);
	CALL("send to closed", send(s[1], "x", 1, MSG_NOSIGNAL));
	revents("poll closed", s[1]);
	CALL("lseek", lseek(s[1], 0, SEEK_CUR));
	close(s[1]);
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s);
	CALL("cloexec", fcntl(s[0], F_GETFD));
	CALL("nonblock", fcntl(s[0], F_GETFL));
	send(s[0], "one", 3, 0);
	send(s[0], "two!", 4, 0);
	CALL("dgram keeps bounds", read(s[1], buf, 64));
	CALL("dgram cut", recv(s[1], buf, 2, MSG_TRUNC));
	CALL("dgram empty", read(s[1], buf, 64));
	CALL("dgram zero", send(s[0], "", 0, 0));
	CALL("dgram zero read", read(s[1], buf, 64));
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	send(s[0], "packet", 6, 0);
	CALL("seqpacket", read(s[1], buf, 64));
	CALL("pair inet", socketpair(AF_INET, SOCK_STREAM, 0, s));
	CALL("pair type", socketpair(AF_UNIX, 99, 0, s));
	CALL("pair protocol", socketpair(AF_UNIX, SOCK_STREAM, 99, s));
}

static void test_passing(void)
{
	int s[2], fd = open("passed", O_RDWR | O_CREAT, 0644), got = -1, on = 1;
	char byte = 'b', control[CMSG_SPACE(64)];
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = CMSG_SPACE(sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(fd, "inside", 6);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	CALL("send descriptor", sendmsg(s[0], &m, 0));
	close(fd);
	memset(control, 0, sizeof(control));
	m.msg_controllen = sizeof(control);
	CALL("receive it", recvmsg(s[1], &m, MSG_CMSG_CLOEXEC));
	c = CMSG_FIRSTHDR(&m);
	if (c)
		memcpy(&got, CMSG_DATA(c), sizeof(int));
	abi_line("control", "level %d type %d", c ? c->cmsg_level : -1, c ? c->cmsg_type : -1);
	CALL("its offset", lseek(got, 0, SEEK_CUR));
	CALL("its flag", fcntl(got, F_GETFD));
	CALL("passcred", setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	m.msg_controllen = 0;
	sendmsg(s[0], &m, 0);
	m.msg_controllen = sizeof(control);
	recvmsg(s[1], &m, 0);
	c = CMSG_FIRSTHDR(&m);
	struct ucred u = { 0, 1, 1 };
	if (c)
		memcpy(&u, CMSG_DATA(c), sizeof(u));
	abi_line("credentials", "type %d pid %d uid %u gid %u", c ? c->cmsg_type : -1, u.pid == getpid(), u.uid, u.gid);
	socklen_t n = sizeof(u);
	CALL("peercred", getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &n));
	YES("peer is us", u.pid == getpid());
}

static void test_named(void)
{
	struct sockaddr_un a = address("server"), b = address("none"), c;
	socklen_t n = sizeof(c);
	char buf[64];
	struct stat st;
	int l, k, d;

	CALL("socket", l = socket(AF_UNIX, SOCK_STREAM, 0));
	CALL("listen unbound", listen(l, 5));
	CALL("bind", bind(l, (void *)&a, sizeof(a)));
	stat("server", &st);
	HEX("file mode", st.st_mode);
	CALL("bind twice", bind(l, (void *)&b, sizeof(b)));
	d = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("address in use", bind(d, (void *)&a, sizeof(a)));
	CALL("connect before listen", connect(d, (void *)&a, sizeof(a)));
	CALL("accept before listen", accept(l, NULL, NULL));
	CALL("listen", listen(l, 1));
	CALL("connect missing", connect(d, (void *)&b, sizeof(b)));
	CALL("connect short", connect(d, (void *)&a, 1));
	CALL("connect", connect(d, (void *)&a, sizeof(a)));
	CALL("connect again", connect(d, (void *)&a, sizeof(a)));
	revents("listener ready", l);
	CALL("accept", k = accept4(l, (void *)&c, &n, SOCK_CLOEXEC));
	NUM("peer length", n);
	CALL("accept cloexec", fcntl(k, F_GETFD));
	n = sizeof(c);
	CALL("getpeername", getpeername(d, (void *)&c, &n));
	STR("peer", c.sun_path);
	CALL("to server", write(d, "question", 8));
	CALL("at server", read(k, buf, 64));
	CALL("answer", write(k, "answer", 6));
	CALL("at client", read(d, buf, 64));
	close(k);
	CALL("client sees end", read(d, buf, 64));
	close(l);
	unlink("server");
	CALL("connect unlinked", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	memset(&a, 0, sizeof(a));
	a.sun_family = AF_UNIX;
	memcpy(a.sun_path, "\0abstract", 9);
	l = socket(AF_UNIX, SOCK_DGRAM, 0);
	CALL("abstract bind", bind(l, (void *)&a, (socklen_t)sizeof(sa_family_t) + 9));
	k = socket(AF_UNIX, SOCK_DGRAM, 0);
	CALL("sendto", sendto(k, "hi", 2, 0, (void *)&a, (socklen_t)sizeof(sa_family_t) + 9));
	CALL("recvfrom", recvfrom(l, buf, 64, 0, NULL, NULL));
	CALL("send unconnected", send(k, "hi", 2, 0));
	CALL("accept dgram", accept(l, NULL, NULL));
	CALL("open bound name", (bind(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&b, sizeof(b)), open("none", O_RDWR)));
}

static void test_errors(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = open("f", O_RDWR | O_CREAT, 0644), v = 0;
	socklen_t n = sizeof(v);

	CALL("no family", socket(99, SOCK_STREAM, 0));
	CALL("no type", socket(AF_UNIX, 77, 0));
	CALL("no protocol", socket(AF_UNIX, SOCK_STREAM, 77));
	CALL("not a socket", listen(fd, 1));
	CALL("send on file", send(fd, "x", 1, 0));
	CALL("bad fd", listen(99, 1));
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("read unconnected", read(s, &v, 1));
	CALL("write unconnected", write(s, &v, 1));
	CALL("wrong family", connect(s, (void *)&in, sizeof(in)));
	CALL("getpeername", getpeername(s, (void *)&in, &n));
	CALL("shutdown", shutdown(s, SHUT_RD));
	CALL("shutdown bad", shutdown(s, 9));
	CALL("getsockopt level", getsockopt(s, 999, 1, &v, &n));
	CALL("getsockopt name", getsockopt(s, SOL_SOCKET, 999, &v, &n));
	CALL("error", getsockopt(s, SOL_SOCKET, SO_ERROR, &v, &n));
	NUM("error value", v);
}

int main(void)
{
	test_pair();
	test_passing();
	test_named();
	test_errors();
	return 0;
}
