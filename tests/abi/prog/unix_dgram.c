// SPDX-License-Identifier: MIT
/* AF_UNIX datagrams and sequenced packets; sendmsg, recvmsg and their forms for several; descriptors and credentials in messages. */
#include "../abi.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define HEAD ((socklen_t)offsetof(struct sockaddr_un, sun_path))

static int s[2];
static char buf[1000];

static void pair(int type)
{
	close(s[0]);
	close(s[1]);
	if (socketpair(AF_UNIX, type, 0, s))
		FAILED("pair");
}

static struct sockaddr_un abstract(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path + 1, name, strlen(name));
	return a;
}

static void revents(const char *name, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP, 0 };

	poll(&p, 1, 0);
	HEX(name, p.revents);
}

static void test_dgram(void)
{
	struct sockaddr_un a = abstract("a"), b = abstract("b"), c, none = { .sun_family = AF_UNSPEC };
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0), z = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t n = sizeof(c);

	revents("fresh", x);
	bind(x, (void *)&a, HEAD + 2);
	bind(y, (void *)&b, HEAD + 2);
	CALL("send nowhere", send(z, "x", 1, 0));
	CALL("connect", connect(z, (void *)&a, HEAD + 2));
	CALL("send", send(z, "one", 3, 0));
	CALL("sendto another", sendto(z, "two", 3, 0, (void *)&b, HEAD + 2));
	CALL("recvfrom unnamed", recvfrom(x, buf, 10, 0, (void *)&c, &n));
	NUM("its length", n);
	n = sizeof(c);
	sendto(y, "named", 5, 0, (void *)&a, HEAD + 2);
	CALL("recvfrom named", recvfrom(x, buf, 10, 0, (void *)&c, &n));
	NUM("its length", n);
	CALL("connect elsewhere", connect(z, (void *)&b, HEAD + 2));
	CALL("y connects to x", connect(y, (void *)&a, HEAD + 2));
	CALL("z may not send to y", send(z, "x", 1, 0));
	CALL("nor connect", connect(z, (void *)&b, HEAD + 2));
	CALL("y drains what z sent", recv(y, buf, 10, MSG_DONTWAIT));
	CALL("disconnect", connect(y, (void *)&none, sizeof(none.sun_family)));
	CALL("disconnect short", connect(y, (void *)&none, 1));
	CALL("send again", send(z, "x", 1, 0));
	CALL("connect to stream family", connect(z, (void *)&(struct sockaddr_un) { AF_INET, "x" }, sizeof(a)));
	for (int i = 0; i < 12; i++)
		CALL("queue", send(z, "q", 1, 0));
	revents("full", z);
	recv(y, buf, 1, 0);
	revents("not full", z);
	CALL("one more", send(z, "q", 1, 0));
	CALL("sendto the full", sendto(x, "q", 1, MSG_DONTWAIT, (void *)&b, HEAD + 2));
	struct timeval tv = { 0, 30000 };
	setsockopt(x, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	CALL("sendto times out", sendto(x, "q", 1, 0, (void *)&b, HEAD + 2));
	pid_t child = fork();
	if (!child) {
		tv.tv_usec = 0;
		setsockopt(x, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
		_exit(sendto(x, "late", 4, 0, (void *)&b, HEAD + 2) == 4 ? 0 : errno);
	}
	abi_sleep_ms(30);
	recv(y, buf, 1, 0);
	int st;
	waitpid(child, &st, 0);
	abi_status("a waiting sender", st);
	CALL("shutdown", shutdown(y, SHUT_RD));
	revents("shut", y);
	CALL("send to shut", send(z, "x", 1, MSG_NOSIGNAL));
	while (recv(y, buf, 10, MSG_DONTWAIT) > 0)
		;
	CALL("shut, dontwait", recv(y, buf, 10, MSG_DONTWAIT));
	CALL("shut, waiting", recv(y, buf, 10, 0));
	close(y);
	CALL("send to closed", send(z, "x", 1, 0));
	CALL("and again", send(z, "x", 1, 0));
	CALL("sendto closed", sendto(z, "x", 1, 0, (void *)&b, HEAD + 2));
	CALL("accept", accept(x, NULL, NULL));
	CALL("empty datagram", sendto(z, "", 0, 0, (void *)&a, HEAD + 2));
	revents("empty is readable", x);
	CALL("its recv", recv(x, buf, 10, 0));
	CALL("self", connect(x, (void *)&a, HEAD + 2));
	CALL("to self", send(x, "me", 2, 0));
	CALL("from self", recv(x, buf, 10, 0));
	CALL("too large", sendto(z, malloc(400000), 400000, 0, (void *)&a, HEAD + 2));
	sendto(z, "x", 1, 0, (void *)&a, HEAD + 2);
}

static void test_reconnect(void)
{
	struct sockaddr_un a = abstract("ra"), b = abstract("rb"), c = abstract("rc");
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0), z = socket(AF_UNIX, SOCK_DGRAM, 0), v;
	socklen_t n = sizeof(v);

	bind(x, (void *)&a, HEAD + 3);
	bind(y, (void *)&b, HEAD + 3);
	bind(z, (void *)&c, HEAD + 3);
	connect(x, (void *)&b, HEAD + 3);
	connect(y, (void *)&a, HEAD + 3);
	send(y, "old", 3, 0);
	CALL("reconnect", connect(x, (void *)&c, HEAD + 3));
	CALL("the old is gone", recv(x, buf, 10, MSG_DONTWAIT));
	getsockopt(y, SOL_SOCKET, SO_ERROR, &v, &n);
	NUM("its sender hears", v);
	CALL("old partner sends", send(y, "x", 1, 0));
}

static void test_seqpacket(void)
{
	struct iovec v = { buf, 3 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	pair(SOCK_SEQPACKET);
	CALL("send", send(s[0], "packet", 6, 0));
	CALL("recvmsg", recvmsg(s[1], &m, 0));
	HEX("flags", m.msg_flags);
	CALL("eor", send(s[0], "pac", 3, MSG_EOR));
	CALL("recvmsg", recvmsg(s[1], &m, 0));
	HEX("flags", m.msg_flags);
	CALL("with address", sendto(s[0], "x", 1, 0, (void *)&(struct sockaddr_un) { AF_UNIX, "y" }, 5));
	CALL("came", recv(s[1], buf, 10, MSG_DONTWAIT));
	CALL("oob", send(s[0], "x", 1, MSG_OOB));
	CALL("waitall is one packet", (send(s[0], "ab", 2, 0), send(s[0], "cd", 2, 0), recv(s[1], buf, 4, MSG_WAITALL)));
	CALL("trunc", recv(s[1], buf, 1, MSG_TRUNC));
	shutdown(s[0], SHUT_WR);
	revents("shut", s[1]);
	CALL("end", recv(s[1], buf, 10, 0));
	CALL("end dontwait", recv(s[1], buf, 10, MSG_DONTWAIT));
	CALL("send shut", send(s[0], "x", 1, MSG_NOSIGNAL));
	close(s[0]);
	s[0] = -1;
	CALL("to closed", send(s[1], "x", 1, MSG_NOSIGNAL));
	CHILD("its signal", { signal(SIGPIPE, SIG_DFL); send(s[1], "x", 1, 0); });
	int x = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	CALL("send unconnected", send(x, "x", 1, 0));
	CALL("recv unconnected", recv(x, buf, 1, 0));
	revents("unconnected", x);
}

static void test_msghdr(void)
{
	struct iovec v[2] = { { "ab", 2 }, { "cde", 3 } }, r[2] = { { buf, 1 }, { buf + 1, 2 } };
	struct sockaddr_un a = abstract("msg"), from;
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	int d = socket(AF_UNIX, SOCK_DGRAM, 0);

	pair(SOCK_DGRAM);
	CALL("sendmsg", sendmsg(s[0], &m, 0));
	m = (struct msghdr) { .msg_iov = r, .msg_iovlen = 2, .msg_name = &from, .msg_namelen = sizeof(from), .msg_flags = 0x55 };
	CALL("recvmsg", recvmsg(s[1], &m, 0));
	abi_line("told", "flags %x namelen %u controllen %u", m.msg_flags, m.msg_namelen, (unsigned)m.msg_controllen);
	BYTES("cut", buf, 3);
	bind(d, (void *)&a, HEAD + 4);
	m = (struct msghdr) { .msg_iov = v, .msg_iovlen = 2, .msg_name = &a, .msg_namelen = HEAD + 4 };
	CALL("to a name", sendmsg(s[0], &m, 0));
	m.msg_namelen = (socklen_t)-1;
	CALL("negative name", sendmsg(s[0], &m, 0));
	m.msg_namelen = 200;
	CALL("long name", sendmsg(s[0], &m, 0));
	m.msg_namelen = 4;
	m.msg_name = (void *)8;
	CALL("bad name", sendmsg(s[0], &m, 0));
	m.msg_name = NULL;
	CALL("no name", sendmsg(s[0], &m, 0));
	m.msg_iovlen = 1025;
	CALL("many segments", sendmsg(s[0], &m, 0));
	m.msg_iovlen = 1;
	m.msg_iov = (void *)8;
	CALL("bad segments", sendmsg(s[0], &m, 0));
	m.msg_iov = v;
	m.msg_control = (void *)8;
	m.msg_controllen = 16;
	CALL("bad control", sendmsg(s[0], &m, 0));
	m.msg_controllen = 1 << 20;
	CALL("much control", sendmsg(s[0], &m, 0));
	m.msg_controllen = 4;
	m.msg_control = buf;
	CALL("little control", sendmsg(s[0], &m, 0));
	CALL("compat flag", sendmsg(s[0], &m, (int)0x80000000));
	m.msg_control = NULL;
	m.msg_controllen = 0;
	pair(SOCK_DGRAM);
	struct mmsghdr mm[3] = { { .msg_hdr = m }, { .msg_hdr = m }, { .msg_hdr = m } };
	mm[1].msg_hdr.msg_iovlen = 2;
	CALL("sendmmsg", sendmmsg(s[0], mm, 3, 0));
	abi_line("lengths", "%u %u %u", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	struct iovec w[3] = { { buf, 10 }, { buf + 10, 10 }, { buf + 20, 10 } };
	for (int i = 0; i < 3; i++)
		mm[i] = (struct mmsghdr) { .msg_hdr = { .msg_iov = &w[i], .msg_iovlen = 1 }, .msg_len = 77 };
	CALL("recvmmsg two", recvmmsg(s[1], mm, 2, 0, NULL));
	CALL("recvmmsg wait for one", recvmmsg(s[1], mm, 3, MSG_WAITFORONE, NULL));
	abi_line("lengths", "%u %u %u", mm[0].msg_len, mm[1].msg_len, mm[2].msg_len);
	CALL("recvmmsg none", recvmmsg(s[1], mm, 3, MSG_DONTWAIT, NULL));
	CALL("recvmmsg zero", recvmmsg(s[1], mm, 0, 0, NULL));
	CALL("sendmmsg zero", sendmmsg(s[1], mm, 0, 0));
	struct timespec t = { 0, 2000000000 };
	CALL("recvmmsg bad time", recvmmsg(s[1], mm, 1, 0, &t));
	send(s[0], "x", 1, 0);
	t = (struct timespec) { 0, 0 };
	CALL("recvmmsg no time", recvmmsg(s[1], mm, 3, 0, &t));
	abi_line("time left", "%ld.%09ld", (long)t.tv_sec, t.tv_nsec);
	mm[0].msg_hdr.msg_iov = (void *)8;
	CALL("sendmmsg bad first", sendmmsg(s[0], mm, 2, 0));
	int on = 1;
	char control[64];
	setsockopt(s[1], SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on));
	send(s[0], "x", 1, 0);
	m = (struct msghdr) { .msg_iov = r, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	CALL("with a time", recvmsg(s[1], &m, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	abi_line("time", "type %d length %u controllen %u", c ? c->cmsg_type : -1, c ? (unsigned)c->cmsg_len : 0, (unsigned)m.msg_controllen);
}

/* A message of one byte with these descriptors; room for `room` bytes of control at the receiver. */
static long send_fds(int fd, const int *fds, int n, int flags)
{
	static char control[CMSG_SPACE(300 * sizeof(int))];
	struct iovec v = { "f", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	return sendmsg(fd, &m, flags);
}

static void recv_fds(const char *name, int fd, size_t room, int flags, int *out)
{
	static char control[2000];
	struct iovec v = { buf, 10 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = room ? control : NULL, .msg_controllen = room };
	long r = recvmsg(fd, &m, flags);
	struct cmsghdr *c = r < 0 ? NULL : CMSG_FIRSTHDR(&m);
	int got = c ? (int)((c->cmsg_len - sizeof(*c)) / sizeof(int)) : 0;

	if (r < 0) {
		FAILED(name);
		return;
	}
	abi_line(name, "%ld flags %x controllen %u cmsg %d/%d of %u: %d", r, m.msg_flags, (unsigned)m.msg_controllen, c ? c->cmsg_level : -1,
		 c ? c->cmsg_type : -1, c ? (unsigned)c->cmsg_len : 0, c && c->cmsg_type == SCM_RIGHTS ? got : -1);
	for (int i = 0; i < got && c->cmsg_type == SCM_RIGHTS; i++) {
		int f;
		memcpy(&f, CMSG_DATA(c) + i * (int)sizeof(int), sizeof(int));
		if (out && i == 0)
			*out = f;
		else
			close(f);
	}
}

static int open_fds(void)
{
	int n = 0;

	for (int i = 0; i < 400; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void test_rights(void)
{
	int p[2], many[300], got = -1;

	pair(SOCK_STREAM);
	pipe(p);
	for (int i = 0; i < 300; i++)
		many[i] = p[0];
	int before = open_fds();
	CALL("253", send_fds(s[0], many, 253, 0));
	recv_fds("253 with little room", s[1], CMSG_SPACE(3 * sizeof(int)), 0, NULL);
	CALL("254", send_fds(s[0], many, 254, 0));
	CALL("none", send_fds(s[0], many, 0, 0));
	recv_fds("none came", s[1], 100, 0, NULL);
	many[1] = -1;
	CALL("a bad one", send_fds(s[0], many, 2, 0));
	many[1] = 399;
	CALL("a closed one", send_fds(s[0], many, 2, 0));
	many[1] = p[0];
	CALL("two", send_fds(s[0], many, 2, 0));
	recv_fds("no control", s[1], 0, 0, NULL);
	CALL("two", send_fds(s[0], many, 2, 0));
	recv_fds("room for one", s[1], CMSG_LEN(sizeof(int)), 0, NULL);
	CALL("two", send_fds(s[0], many, 2, 0));
	recv_fds("room for half", s[1], CMSG_LEN(2), 0, NULL);
	CALL("two", send_fds(s[0], many, 2, 0));
	CALL("read drops them", read(s[1], buf, 10));
	NUM("left open", open_fds() - before);
	/* boundaries in a stream */
	send(s[0], "aa", 2, 0);
	send_fds(s[0], many, 1, 0);
	send(s[0], "bb", 2, 0);
	recv_fds("up to the one with", s[1], 100, 0, NULL);
	recv_fds("what is behind", s[1], 100, 0, NULL);
	send_fds(s[0], many, 1, 0);
	recv_fds("peeked", s[1], 100, MSG_PEEK, NULL);
	recv_fds("then taken", s[1], 100, MSG_CMSG_CLOEXEC, &got);
	NUM("close on exec", fcntl(got, F_GETFD));
	close(got);
	/* the end of the pipe is when the last one goes */
	send_fds(s[0], &p[1], 1, 0);
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	CALL("writer in a message", read(p[0], buf, 1));
	close(s[1]);
	s[1] = -1;
	CALL("message and writer are gone", read(p[0], buf, 1));
	/* sockets in themselves */
	int q[2];
	pipe(q);
	fcntl(q[0], F_SETFL, O_NONBLOCK);
	pair(SOCK_STREAM);
	int set[3] = { s[0], s[1], q[1] };
	send_fds(s[0], set, 3, 0);
	send_fds(s[1], set, 3, 0);
	close(q[1]);
	close(s[0]);
	CALL("cycle held by one", read(q[0], buf, 1));
	close(s[1]);
	s[0] = s[1] = -1;
	CALL("cycle is gone", read(q[0], buf, 1));
	close(q[0]);
	pipe(q);
	fcntl(q[0], F_SETFL, O_NONBLOCK);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un a = abstract("cycle");
	bind(l, (void *)&a, HEAD + 6);
	listen(l, 5);
	connect(c, (void *)&a, HEAD + 6);
	set[0] = l;
	set[1] = c;
	set[2] = q[1];
	send_fds(c, set, 3, 0);
	close(q[1]);
	close(c);
	CALL("listener holds it", read(q[0], buf, 1));
	close(l);
	CALL("listener's cycle is gone", read(q[0], buf, 1));
	pair(SOCK_DGRAM);
	CALL("dgram", send_fds(s[0], many, 2, 0));
	recv_fds("dgram came", s[1], 100, 0, NULL);
	int path = open(".", O_PATH);
	CALL("o_path", send_fds(s[0], &path, 1, 0));
	recv_fds("o_path came", s[1], 100, 0, &got);
	HEX("still o_path", fcntl(got, F_GETFL) & O_PATH);
	struct rlimit rl = { 20, 20 };
	CHILD("limits", {
		setrlimit(RLIMIT_NOFILE, &rl);
		setuid(1000);
		int f[12];
		for (int i = 0; i < 12; i++)
			f[i] = s[0];
		for (int i = 0; i < 4; i++)
			CALL("in flight", send_fds(s[0], f, 12, 0));
		recv_fds("some do not fit", s[1], 200, 0, NULL);
	});
	recv_fds("in another process", s[1], 200, 0, NULL);
}

static void cmsg(const char *name, int level, int type, size_t len, const void *data, size_t size)
{
	char control[200] = { 0 };
	struct iovec v = { "c", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(size) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = len;
	memcpy(CMSG_DATA(c), data, size);
	CALL(name, sendmsg(s[0], &m, 0));
}

static void recv_cred(const char *name, size_t room)
{
	char control[200];
	struct iovec v = { buf, 100 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = room };
	long r = recvmsg(s[1], &m, MSG_DONTWAIT);
	struct cmsghdr *c = r < 0 ? NULL : CMSG_FIRSTHDR(&m);
	struct ucred u = { -1, 0, 0 };

	if (r < 0) {
		FAILED(name);
		return;
	}
	if (c)
		memcpy(&u, CMSG_DATA(c), sizeof(u));
	abi_line(name, "%ld flags %x controllen %u type %d length %u pid %s uid %d gid %d", r, m.msg_flags, (unsigned)m.msg_controllen, c ? c->cmsg_type : -1,
		 c ? (unsigned)c->cmsg_len : 0, u.pid == getpid() ? "ours" : u.pid == 0 ? "0" : u.pid == 1 ? "1" : "other", (int)u.uid, (int)u.gid);
}

static void test_credentials(void)
{
	struct ucred u = { getpid(), 0, 0 };
	int on = 1, off = 0, zero = 0;

	pair(SOCK_STREAM);
	send(s[0], "a", 1, 0);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	recv_cred("sent before", 100);
	send(s[0], "b", 1, 0);
	recv_cred("sent after", 100);
	send(s[0], "b", 1, 0);
	recv_cred("no room", 8);
	send(s[0], "b", 1, 0);
	recv_cred("little room", 20);
	send(s[0], "b", 1, 0);
	CALL("read without", read(s[1], buf, 10));
	cmsg("own", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
	recv_cred("own came", 100);
	u.pid = 1;
	cmsg("init's pid", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
	recv_cred("init's came", 100);
	u.uid = 55;
	u.gid = 66;
	cmsg("other ids", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
	send(s[0], "next", 4, 0);
	recv_cred("others came", 100);
	recv_cred("then ours", 100);
	u.pid = 30000;
	cmsg("no such pid", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
	u.pid = getpid();
	u.uid = (uid_t)-1;
	cmsg("bad uid", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
	cmsg("short", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(4), &u, sizeof(u));
	cmsg("unknown type", SOL_SOCKET, 99, CMSG_LEN(4), &zero, 4);
	cmsg("unknown level", 99, 1, CMSG_LEN(4), &zero, 4);
	cmsg("length 0", SOL_SOCKET, SCM_RIGHTS, 0, &zero, 4);
	cmsg("length too long", SOL_SOCKET, SCM_RIGHTS, 100, &zero, 4);
	cmsg("rights of one byte", SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(1), &zero, 4);
	read(s[1], buf, 100);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &off, sizeof(off));
	u = (struct ucred) { getpid(), 0, 0 };
	cmsg("not wanted", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
	recv_cred("not told", 100);
	CHILD("another user", {
		setgid(1000);
		setuid(1000);
		u = (struct ucred) { getpid(), 0, 1000 };
		cmsg("root's uid", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
		u = (struct ucred) { getpid(), 1000, 0 };
		cmsg("root's gid", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
		u = (struct ucred) { 1, 1000, 1000 };
		cmsg("another pid", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
		setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
		u = (struct ucred) { getpid(), 1000, 1000 };
		cmsg("its own", SOL_SOCKET, SCM_CREDENTIALS, CMSG_LEN(sizeof(u)), &u, sizeof(u));
		recv_cred("its own came", 100);
	});
	pair(SOCK_DGRAM);
	send(s[0], "d", 1, 0);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	recv_cred("dgram before", 100);
	send(s[0], "d", 1, 0);
	recv_cred("dgram after", 100);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	s[0] = s[1] = -1;
	test_dgram();
	test_reconnect();
	test_seqpacket();
	test_msghdr();
	test_rights();
	test_credentials();
	return 0;
}
