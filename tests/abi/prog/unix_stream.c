// SPDX-License-Identifier: MIT
/* AF_UNIX streams: flags of receives and sends, shutdown, ends, timeouts, urgent bytes, options, files' calls on sockets. */
#include "../abi.h"
#include <linux/sockios.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/un.h>

static int s[2];
static char buf[70000];

static void pair(int type)
{
	close(s[0]);
	close(s[1]);
	if (socketpair(AF_UNIX, type, 0, s))
		FAILED("pair");
}

static void revents(const char *name, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLPRI | POLLOUT | POLLRDHUP, 0 };

	poll(&p, 1, 0);
	HEX(name, p.revents);
}

static int queued(int fd)
{
	int n = -1;

	ioctl(fd, SIOCINQ, &n);
	return n;
}

static void test_receive(void)
{
	struct iovec v[3] = { { buf, 2 }, { buf + 10, 0 }, { buf + 20, 30 } };
	int e = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET }, got;

	pair(SOCK_STREAM);
	CALL("send nothing", send(s[0], buf, 0, 0));
	CALL("read nothing from empty", read(s[1], buf, 0));
	send(s[0], "abc", 3, 0);
	send(s[0], "defg", 4, 0);
	NUM("queued", queued(s[1]));
	CALL("recv nothing", recv(s[1], buf, 0, 0));
	CALL("peek joins", recv(s[1], buf, 100, MSG_PEEK));
	BYTES("peeked", buf, 7);
	CALL("peek with trunc", recv(s[1], buf, 2, MSG_PEEK | MSG_TRUNC));
	CALL("readv", readv(s[1], v, 3));
	BYTES("parts", buf + 20, 5);
	CALL("writev", writev(s[0], (struct iovec[]) { { "xy", 2 }, { "z", 1 } }, 2));
	NUM("queued by writev", queued(s[1]));
	CALL("recv flags", recv(s[1], buf, 10, MSG_DONTWAIT | MSG_ERRQUEUE));
	CALL("recv dontwait", recv(s[1], buf, 10, MSG_DONTWAIT));
	CALL("recv waitall dontwait", recv(s[1], buf, 10, MSG_DONTWAIT | MSG_WAITALL));
	send(s[0], "12345", 5, 0);
	CALL("waitall with too little, dontwait", recv(s[1], buf, 10, MSG_DONTWAIT | MSG_WAITALL));
	CHILD("waitall", {
		if (!fork()) {
			send(s[0], "123", 3, 0);
			abi_sleep_ms(20);
			send(s[0], "4567", 4, 0);
			_exit(0);
		}
		CALL("waitall waits", recv(s[1], buf, 6, MSG_WAITALL));
		wait(NULL);
	});
	CALL("what is left", read(s[1], buf, 10));
	send(s[0], "ab", 2, 0);
	CALL("read bad pointer", read(s[1], (void *)8, 10));
	CALL("still there", read(s[1], buf, 10));
	CALL("send bad pointer", send(s[0], (void *)8, 10, 0));
	CALL("nothing came", recv(s[1], buf, 10, MSG_DONTWAIT));
	epoll_ctl(e, EPOLL_CTL_ADD, s[1], &ev);
	CALL("epoll empty", epoll_wait(e, &got, 1, 0));
	send(s[0], "a", 1, 0);
	CALL("epoll edge", epoll_wait(e, &got, 1, 0));
	CALL("epoll no edge", epoll_wait(e, &got, 1, 0));
	send(s[0], "b", 1, 0);
	CALL("epoll new edge", epoll_wait(e, &got, 1, 0));
	read(s[1], buf, 10);
	CALL("epoll after read", epoll_wait(e, &got, 1, 0));
	ev.events = EPOLLOUT | EPOLLET;
	epoll_ctl(e, EPOLL_CTL_MOD, s[1], &ev);
	CALL("epoll writable", epoll_wait(e, &got, 1, 0));
	close(s[0]);
	CALL("epoll at the end", epoll_wait(e, &got, 1, 0));
	HEX("its events", got.events);
	close(e);
	s[0] = -1;
}

static void test_ends(void)
{
	pair(SOCK_STREAM);
	CALL("shutdown read", shutdown(s[0], SHUT_RD));
	revents("poll shut read", s[0]);
	revents("poll its peer", s[1]);
	CALL("read after it", read(s[0], buf, 1));
	CALL("peer's send", send(s[1], "x", 1, MSG_NOSIGNAL));
	CALL("own send", send(s[0], "x", 1, MSG_NOSIGNAL));
	CALL("peer reads", read(s[1], buf, 1));
	CALL("shutdown write too", shutdown(s[0], SHUT_WR));
	revents("poll shut both", s[0]);
	revents("peer of shut both", s[1]);
	CALL("peer at end", read(s[1], buf, 1));
	CALL("shutdown again", shutdown(s[0], SHUT_RDWR));
	pair(SOCK_STREAM);
	send(s[0], "left", 4, 0);
	shutdown(s[0], SHUT_WR);
	revents("data and end", s[1]);
	CALL("data first", read(s[1], buf, 10));
	CALL("end then", read(s[1], buf, 10));
	CALL("and again", read(s[1], buf, 10));
	pair(SOCK_STREAM);
	send(s[0], "unread", 6, 0);
	close(s[1]);
	revents("poll reset", s[0]);
	CALL("reset", read(s[0], buf, 1));
	CALL("then end", read(s[0], buf, 1));
	CALL("then pipe", send(s[0], "x", 1, MSG_NOSIGNAL));
	s[1] = -1;
	pair(SOCK_STREAM);
	send(s[0], "unread", 6, 0);
	send(s[1], "data", 4, 0);
	close(s[1]);
	s[1] = -1;
	CALL("data before reset", read(s[0], buf, 10));
	int v = 0;
	socklen_t n = sizeof(v);
	getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &n);
	NUM("so_error", v);
	getsockopt(s[0], SOL_SOCKET, SO_ERROR, &v, &n);
	NUM("so_error once", v);
	CALL("read after so_error", read(s[0], buf, 10));
	pair(SOCK_STREAM);
	close(s[1]);
	s[1] = -1;
	CHILD("sigpipe", { signal(SIGPIPE, SIG_DFL); write(s[0], "x", 1); });
	CHILD("no sigpipe", { signal(SIGPIPE, SIG_DFL); CALL("nosignal", send(s[0], "x", 1, MSG_NOSIGNAL)); });
	pair(SOCK_STREAM);
	pid_t child = fork();
	if (!child) {
		close(s[0]);
		_exit(read(s[1], buf, 10) == 0 ? 7 : errno);
	}
	abi_sleep_ms(30);
	close(s[0]);
	s[0] = -1;
	int st;
	waitpid(child, &st, 0);
	abi_status("a sleeping reader sees the end", st);
	pair(SOCK_STREAM);
	child = fork();
	if (!child) {
		signal(SIGPIPE, SIG_IGN);
		close(s[1]);
		while (write(s[0], buf, sizeof(buf)) > 0)
			;
		_exit(errno);
	}
	abi_sleep_ms(30);
	close(s[1]);
	s[1] = -1;
	waitpid(child, &st, 0);
	abi_status("a sleeping writer hears it", st);
	pair(SOCK_STREAM);
	child = fork();
	if (!child)
		_exit(read(s[1], buf, 10) == 0 ? 7 : errno);
	abi_sleep_ms(30);
	shutdown(s[1], SHUT_RD);
	waitpid(child, &st, 0);
	abi_status("a sleeping reader is shut", st);
}

static void alarm_handler(int sig)
{
	(void)sig;
}

static void test_times(void)
{
	struct timeval tv = { 0, 30000 }, got = { 1, 1 };
	socklen_t n = sizeof(got);
	long long t;

	pair(SOCK_STREAM);
	CALL("set timeout", setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	CALL("get timeout", getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n));
	abi_line("timeout", "%ld.%06ld size %u", (long)got.tv_sec, (long)got.tv_usec, n);
	t = abi_now_ms();
	CALL("read times out", read(s[0], buf, 1));
	YES("it took its time", abi_now_ms() - t >= 28);
	tv.tv_usec = 1;
	setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n);
	abi_line("rounded", "%ld.%06ld", (long)got.tv_sec, (long)got.tv_usec);
	tv.tv_usec = 1000000;
	CALL("too many us", setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	tv = (struct timeval) { -1, 0 };
	CALL("negative", setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	CALL("does not wait", read(s[0], buf, 1));
	CALL("short", setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, 4));
	long long wide[2] = { 3, 500000 };
	CALL("wide", setsockopt(s[0], SOL_SOCKET, 66, wide, sizeof(wide)));
	n = sizeof(got);
	getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &n);
	abi_line("wide told narrow", "%ld.%06ld", (long)got.tv_sec, (long)got.tv_usec);
	n = sizeof(wide);
	wide[0] = wide[1] = 0;
	getsockopt(s[0], SOL_SOCKET, 66, wide, &n);
	abi_line("told wide", "%lld.%06lld size %u", wide[0], wide[1], n);
	tv = (struct timeval) { 0, 30000 };
	setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	long total = 0, r;
	while ((r = send(s[0], buf, sizeof(buf), 0)) > 0)
		total += r;
	CALL("send timed out", r);
	YES("sent some", total > 100000);
	/* a signal: restarted, or EINTR when there is a timeout */
	struct sigaction sa = { .sa_handler = alarm_handler, .sa_flags = SA_RESTART };
	struct itimerval it = { .it_value = { 0, 20000 } };
	sigaction(SIGALRM, &sa, NULL);
	pair(SOCK_STREAM);
	tv = (struct timeval) { 2, 0 };
	setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setitimer(ITIMER_REAL, &it, NULL);
	CALL("signal with timeout", read(s[0], buf, 1));
	pid_t child = fork();
	if (!child) {
		abi_sleep_ms(60);
		write(s[1], "x", 1);
		_exit(0);
	}
	setitimer(ITIMER_REAL, &it, NULL);
	CALL("signal without, restarted", read(s[1], buf, 0) + read(s[0], buf, 1));
	waitpid(child, NULL, 0);
	sa.sa_flags = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	CALL("signal, not restarted", read(s[1], buf, 1));
}

static void test_urgent(void)
{
	int v, on = 1;

	pair(SOCK_STREAM);
	CALL("send urgent", send(s[0], "normal!", 7, MSG_OOB));
	revents("poll urgent", s[1]);
	CALL("at mark no", ioctl(s[1], SIOCATMARK, &v));
	NUM("mark", v);
	CALL("read up to it", read(s[1], buf, 100));
	ioctl(s[1], SIOCATMARK, &v);
	NUM("mark now", v);
	CALL("peek urgent", recv(s[1], buf, 5, MSG_OOB | MSG_PEEK));
	CALL("recv urgent", recv(s[1], buf, 5, MSG_OOB));
	BYTES("urgent", buf, 1);
	CALL("no more", recv(s[1], buf, 5, MSG_OOB));
	pair(SOCK_STREAM);
	send(s[0], "a!", 2, MSG_OOB);
	send(s[0], "b", 1, 0);
	CALL("before", read(s[1], buf, 100));
	CALL("skipped", read(s[1], buf, 100));
	BYTES("after", buf, 1);
	pair(SOCK_STREAM);
	setsockopt(s[1], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	send(s[0], "in", 2, 0);
	send(s[0], "!", 1, MSG_OOB);
	send(s[0], "line", 4, 0);
	CALL("inline, up to it", read(s[1], buf, 100));
	CALL("inline, with it", read(s[1], buf, 100));
	BYTES("inline text", buf, 5);
	CALL("not as urgent", recv(s[1], buf, 1, MSG_OOB));
	CALL("urgent nothing", send(s[0], "", 0, MSG_OOB));
	CALL("dgram none", send(socket(AF_UNIX, SOCK_DGRAM, 0), "x", 1, MSG_OOB));
}

static volatile int hits, last_sig, last_code, last_fd;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	hits++;
	last_sig = sig;
	last_code = info->si_code;
	last_fd = info->si_fd;
}

static void came(const char *name, int fd)
{
	if (!hits)
		abi_line(name, "nothing");
	else if (last_code == SI_KERNEL)
		abi_line(name, "%d %s from the kernel", hits, abi_signal(last_sig));
	else
		abi_line(name, "%d %s code %d fd %s", hits, abi_signal(last_sig), last_code, last_fd == fd ? "right" : "wrong");
	hits = 0;
}

static void test_signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	int on = 1, me = getpid(), v;

	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGURG, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	pair(SOCK_STREAM);
	CALL("owner", ioctl(s[0], FIOSETOWN, &me));
	CALL("owner told", ioctl(s[0], SIOCGPGRP, &v));
	YES("it is us", v == me);
	CALL("async", ioctl(s[0], FIOASYNC, &on));
	HEX("flags", fcntl(s[0], F_GETFL));
	send(s[1], "x", 1, 0);
	came("bytes", s[0]);
	fcntl(s[0], F_SETSIG, SIGUSR1);
	send(s[1], "x", 1, 0);
	came("bytes, own signal", s[0]);
	send(s[1], "!", 1, MSG_OOB);
	came("urgent", s[0]);
	fcntl(s[0], F_SETSIG, 0);
	send(s[1], "!", 1, MSG_OOB);
	came("urgent, no own signal", s[0]);
	read(s[0], buf, 100);
	came("reading", s[0]);
	fcntl(s[0], F_SETSIG, SIGUSR1);
	fcntl(s[0], F_SETFL, O_NONBLOCK | O_ASYNC);
	while (send(s[0], buf, 4096, 0) > 0)
		;
	came("filling", s[0]);
	while (recv(s[1], buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	came("room", s[0]);
	shutdown(s[1], SHUT_WR);
	came("peer shuts writing", s[0]);
	shutdown(s[1], SHUT_RD);
	came("peer shuts reading", s[0]);
	shutdown(s[0], SHUT_RDWR);
	came("own shutdown", s[0]);
	close(s[1]);
	s[1] = -1;
	came("peer closes", s[0]);
	pair(SOCK_DGRAM);
	fcntl(s[0], F_SETOWN, me);
	fcntl(s[0], F_SETSIG, SIGUSR1);
	fcntl(s[0], F_SETFL, O_ASYNC);
	send(s[1], "d", 1, 0);
	came("datagram", s[0]);
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0signals" };
	int l = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(l, (void *)&a, 9);
	listen(l, 1);
	fcntl(l, F_SETOWN, me);
	fcntl(l, F_SETSIG, SIGUSR1);
	fcntl(l, F_SETFL, O_ASYNC);
	connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, 9);
	came("a connection", l);
	close(l);
}

static void test_files(void)
{
	int f = open("data", O_RDWR | O_CREAT | O_TRUNC, 0644), p[2];

	pair(SOCK_STREAM);
	write(f, "0123456789", 10);
	off_t off = 2;
	CALL("sendfile", sendfile(s[0], f, &off, 5));
	CALL("read", read(s[1], buf, 100));
	BYTES("sent", buf, 5);
	pipe(p);
	send(s[0], "through a pipe", 14, 0);
	CALL("splice in", splice(s[1], NULL, p[1], NULL, 100, 0));
	CALL("splice out", splice(p[0], NULL, s[1], NULL, 7, 0));
	CALL("came", read(s[0], buf, 100));
	loff_t lo = 0;
	CALL("splice at", splice(s[1], &lo, p[1], NULL, 1, 0));
	CALL("splice none", splice(s[0], NULL, p[1], NULL, 10, SPLICE_F_NONBLOCK));
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	CALL("splice nonblocking", splice(s[0], NULL, p[1], NULL, 10, SPLICE_F_NONBLOCK));
	int on = 1;
	fcntl(s[0], F_SETFL, 0);
	CALL("fionbio", ioctl(s[0], FIONBIO, &on));
	HEX("flags", fcntl(s[0], F_GETFL));
	CALL("eagain", read(s[0], buf, 1));
	CALL("fionread", ioctl(s[0], FIONREAD, &on));
	CALL("unknown ioctl", ioctl(s[0], 0x1234, &on));
	int d = dup(s[0]);
	close(s[0]);
	CALL("a dup keeps it", send(d, "x", 1, 0));
	close(d);
	CALL("read", read(s[1], buf, 10));
	CALL("the last ends it", read(s[1], buf, 10));
	s[0] = -1;
}

static void get(const char *name, int opt, int size)
{
	int v[16] = { 0 };
	socklen_t n = (socklen_t)size;
	int r = getsockopt(s[0], SOL_SOCKET, opt, v, &n);

	if (r < 0)
		abi_line(name, "%s", abi_errno(errno));
	else
		abi_line(name, "%d size %u", v[0], n);
}

static void set(const char *name, int opt, int value, int size)
{
	char text[64];

	sprintf(text, "set %s", name);
	CALL(text, setsockopt(s[0], SOL_SOCKET, opt, &value, (socklen_t)size));
	get(name, opt, 4);
}

static void test_options(void)
{
	static const struct { const char *name; int opt; } o[] = { { "debug", SO_DEBUG }, { "reuseaddr", SO_REUSEADDR }, { "type", SO_TYPE },
		{ "error", SO_ERROR }, { "dontroute", SO_DONTROUTE }, { "broadcast", SO_BROADCAST }, { "keepalive", SO_KEEPALIVE },
		{ "oobinline", SO_OOBINLINE }, { "no check", SO_NO_CHECK }, { "priority", SO_PRIORITY }, { "bsdcompat", SO_BSDCOMPAT },
		{ "reuseport", SO_REUSEPORT }, { "passcred", SO_PASSCRED }, { "rcvlowat", SO_RCVLOWAT }, { "sndlowat", SO_SNDLOWAT },
		{ "acceptconn", SO_ACCEPTCONN }, { "passsec", SO_PASSSEC }, { "mark", SO_MARK }, { "protocol", SO_PROTOCOL }, { "domain", SO_DOMAIN },
		{ "peek off", SO_PEEK_OFF }, { "nofcs", SO_NOFCS }, { "peersec", SO_PEERSEC }, { "none", 200 }, { "negative", -1 } };
	struct linger l = { 1, 5 };
	struct ucred u;
	socklen_t n = 4;
	int v = 1;

	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		pair(type);
		for (unsigned i = 0; i < sizeof(o) / sizeof(*o); i++) {
			get(o[i].name, o[i].opt, 4);
			set(o[i].name, o[i].opt, 1, 4);
		}
	}
	pair(SOCK_STREAM);
	get("two bytes", SO_TYPE, 2);
	get("many bytes", SO_TYPE, 60);
	get("no bytes", SO_TYPE, 0);
	get("negative size", SO_TYPE, -1);
	set("lowat negative", SO_RCVLOWAT, -5, 4);
	set("lowat zero", SO_RCVLOWAT, 0, 4);
	set("short value", SO_RCVLOWAT, 1, 3);
	set("long value", SO_RCVLOWAT, 7, 8);
	set("priority 7", SO_PRIORITY, 7, 4);
	CALL("linger", setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	get("linger told", SO_LINGER, 8);
	CALL("linger short", setsockopt(s[0], SOL_SOCKET, SO_LINGER, &l, 4));
	CALL("set bad pointer", setsockopt(s[0], SOL_SOCKET, SO_PASSCRED, (void *)8, 4));
	CALL("get bad pointer", getsockopt(s[0], SOL_SOCKET, SO_PASSCRED, (void *)8, &n));
	CALL("get bad length", getsockopt(s[0], SOL_SOCKET, SO_PASSCRED, &v, (void *)8));
	CALL("level", setsockopt(s[0], 6, 1, &v, 4));
	CALL("level get", getsockopt(s[0], 6, 1, &v, &n));
	n = sizeof(u);
	getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &n);
	abi_line("peercred", "us %d uid %d gid %d size %u", u.pid == getpid(), (int)u.uid, (int)u.gid, n);
	gid_t groups[8];
	n = sizeof(groups);
	CALL("peergroups", getsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, groups, &n));
	NUM("their size", n);
	struct sockaddr_un a;
	n = sizeof(a);
	CALL("peername whole", getsockopt(s[0], SOL_SOCKET, 28, &a, &n));
	n = 2;
	CALL("peername", getsockopt(s[0], SOL_SOCKET, 28, &a, &n));
	int alone = socket(AF_UNIX, SOCK_STREAM, 0);
	n = sizeof(u);
	getsockopt(alone, SOL_SOCKET, SO_PEERCRED, &u, &n);
	abi_line("peercred of none", "%d %d %d", u.pid, (int)u.uid, (int)u.gid);
	n = sizeof(groups);
	CALL("peergroups of none", getsockopt(alone, SOL_SOCKET, SO_PEERGROUPS, groups, &n));
	CHILD("others", {
		setgid(7);
		setuid(1000);
		CALL("debug", setsockopt(s[0], SOL_SOCKET, SO_DEBUG, &v, 4));
		v = 7;
		CALL("priority", setsockopt(s[0], SOL_SOCKET, SO_PRIORITY, &v, 4));
		CALL("mark", setsockopt(s[0], SOL_SOCKET, SO_MARK, &v, 4));
		CALL("force", setsockopt(s[0], SOL_SOCKET, SO_SNDBUFFORCE, &v, 4));
		int q[2];
		socketpair(AF_UNIX, SOCK_STREAM, 0, q);
		n = sizeof(u);
		getsockopt(q[0], SOL_SOCKET, SO_PEERCRED, &u, &n);
		abi_line("another's peercred", "us %d uid %d gid %d", u.pid == getpid(), (int)u.uid, (int)u.gid);
	});
	/* SO_PEEK_OFF */
	v = 1;
	setsockopt(s[0], SOL_SOCKET, SO_PEEK_OFF, &v, 4);
	send(s[1], "abcdef", 6, 0);
	send(s[1], "ghi", 3, 0);
	CALL("peek at 1", recv(s[0], buf, 2, MSG_PEEK));
	BYTES("bc", buf, 2);
	CALL("peek at 3", recv(s[0], buf, 5, MSG_PEEK));
	BYTES("then", buf, 5);
	CALL("peek past", recv(s[0], buf, 5, MSG_PEEK));
	CALL("read moves it back", recv(s[0], buf, 4, 0));
	get("offset then", SO_PEEK_OFF, 4);
	CALL("peek at the end", recv(s[0], buf, 5, MSG_PEEK | MSG_DONTWAIT));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	s[0] = s[1] = -1;
	test_receive();
	test_ends();
	test_times();
	test_urgent();
	test_signals();
	test_files();
	test_options();
	return 0;
}
