// SPDX-License-Identifier: MIT
/* AF_UNIX: names (nodes, abstract, given by the kernel), connecting, listening, permissions, /proc. */
#include "../abi.h"
#include <stddef.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#define HEAD ((socklen_t)offsetof(struct sockaddr_un, sun_path))

static struct sockaddr_un named(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, path, strlen(path));
	return a;
}

static struct sockaddr_un abstract(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path + 1, name, strlen(name));
	return a;
}

static void show_name(const char *what, int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_un a;
	socklen_t n = sizeof(a);
	char text[256];
	int used = 0;

	memset(&a, 'z', sizeof(a));
	errno = 0;
	if (get(fd, (void *)&a, &n) < 0) {
		FAILED(what);
		return;
	}
	for (socklen_t i = HEAD; i < n && i < sizeof(a); i++)
		used += sprintf(text + used, a.sun_path[i - HEAD] >= 32 ? "%c" : "\\%o", a.sun_path[i - HEAD]);
	text[used] = 0;
	abi_line(what, "family %d length %u [%s]", a.sun_family, n, text);
}

static void test_bind(void)
{
	struct sockaddr_un a = named("n1"), b = named("n2"), long_, m = abstract("one");
	struct stat st;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), t;

	show_name("unnamed", s, getsockname);
	CALL("bind nothing", bind(s, (void *)&a, 0));
	CALL("bind one byte", bind(s, (void *)&a, 1));
	CALL("bind too long", bind(s, (void *)&a, sizeof(a) + 1));
	CALL("bind far too long", bind(s, (void *)&a, 129));
	CALL("bind negative", bind(s, (void *)&a, (socklen_t)-1));
	a.sun_family = AF_INET;
	CALL("bind family", bind(s, (void *)&a, sizeof(a)));
	a.sun_family = AF_UNSPEC;
	CALL("bind unspec", bind(s, (void *)&a, sizeof(a)));
	a.sun_family = AF_UNIX;
	CALL("bind bad pointer", bind(s, (void *)8, sizeof(a)));
	umask(027);
	CALL("bind", bind(s, (void *)&a, HEAD + 2));
	show_name("name without NUL", s, getsockname);
	stat("n1", &st);
	HEX("mode under umask", st.st_mode);
	NUM("links", st.st_nlink);
	NUM("size", st.st_size);
	umask(022);
	CALL("bind again same", bind(s, (void *)&a, sizeof(a)));
	CALL("bind again other", bind(s, (void *)&b, sizeof(b)));
	CALL("other was not left", access("n2", F_OK));
	CALL("bind again abstract", bind(s, (void *)&m, HEAD + 4));
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	fchmod(t, 0640);
	b = named("moded");
	CALL("bind after fchmod", bind(t, (void *)&b, sizeof(b)));
	stat("moded", &st);
	HEX("mode after fchmod", st.st_mode);
	fstat(t, &st);
	HEX("socket's own mode", st.st_mode);
	b = named("no/such");
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("bind no directory", bind(t, (void *)&b, sizeof(b)));
	b = named("n1/x");
	CALL("bind not a directory", bind(t, (void *)&b, sizeof(b)));
	b = named(".");
	CALL("bind dot", bind(t, (void *)&b, sizeof(b)));
	b = named("new/");
	CALL("bind slash", bind(t, (void *)&b, sizeof(b)));
	symlink("dangling", "link");
	b = named("link");
	CALL("bind on link", bind(t, (void *)&b, sizeof(b)));
	memset(&long_, 'l', sizeof(long_));
	long_.sun_family = AF_UNIX;
	CALL("bind 108 bytes", bind(t, (void *)&long_, sizeof(long_)));
	show_name("108 bytes", t, getsockname);
	int k = socket(AF_UNIX, SOCK_STREAM, 0);
	listen(t, 1);
	CALL("connect 108 bytes", connect(k, (void *)&long_, sizeof(long_)));
	char path[109] = { 0 };
	memset(path, 'l', 108);
	CALL("unlink it", unlink(path));
	CALL("open node", open("n1", O_RDONLY));
	CALL("open node O_PATH", open("n1", O_PATH) >= 0);
	CALL("truncate node", truncate("n1", 0));
	close(s);
	CALL("node stays", access("n1", F_OK));
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("in use still", bind(s, (void *)&a, sizeof(a)));
	CALL("connect to left node", connect(s, (void *)&a, sizeof(a)));
	CALL("mknod socket", mknod("made", S_IFSOCK | 0600, 0));
	b = named("made");
	CALL("connect to made node", connect(s, (void *)&b, sizeof(b)));
	abi_file("plain", "x", 0644);
	b = named("plain");
	CALL("connect to file", connect(s, (void *)&b, sizeof(b)));
	b = named("absent");
	CALL("connect to nothing", connect(s, (void *)&b, sizeof(b)));
}

static void test_abstract(void)
{
	struct sockaddr_un a = abstract("abs"), e = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), t = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), k;

	CALL("bind abstract", bind(s, (void *)&a, HEAD + 4));
	show_name("abstract", s, getsockname);
	CALL("same name", bind(t, (void *)&a, HEAD + 4));
	CALL("same name, longer", bind(t, (void *)&a, HEAD + 5));
	show_name("longer", t, getsockname);
	CALL("same name, other type", bind(d, (void *)&a, HEAD + 4));
	k = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("connect unlistening", connect(k, (void *)&a, HEAD + 4));
	listen(s, 3);
	CALL("connect wrong length", connect(k, (void *)&a, HEAD + 6));
	CALL("connect", connect(k, (void *)&a, HEAD + 4));
	show_name("peer", k, getpeername);
	show_name("own", k, getsockname);
	CALL("dgram to stream's name", sendto(socket(AF_UNIX, SOCK_DGRAM, 0), "x", 1, 0, (void *)&a, HEAD + 4));
	int q = accept(s, NULL, NULL);
	show_name("accepted has the name", q, getsockname);
	show_name("accepted's peer", q, getpeername);
	close(s);
	close(q);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("name is free again", bind(s, (void *)&a, HEAD + 4));
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("autobind", bind(s, (void *)&e, HEAD));
	struct sockaddr_un g;
	socklen_t n = sizeof(g);
	getsockname(s, (void *)&g, &n);
	NUM("given length", n);
	NUM("given is abstract", g.sun_path[0]);
	NUM("given in hex", (long)strspn(g.sun_path + 1, "0123456789abcdef"));
	CALL("autobind again", bind(s, (void *)&e, HEAD));
	memset(&e, 0, sizeof(e));
	e.sun_family = AF_UNIX;
	t = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("one NUL is a name", bind(t, (void *)&e, HEAD + 1));
	show_name("one NUL", t, getsockname);
	int on = 1;
	t = socket(AF_UNIX, SOCK_DGRAM, 0);
	setsockopt(t, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	CALL("send binds by passcred", sendto(t, "x", 1, 0, (void *)&a, HEAD + 4));
	n = sizeof(g);
	getsockname(t, (void *)&g, &n);
	NUM("bound by passcred", n);
	/* an address that does not fit is cut, its length told */
	char small[5];
	n = sizeof(small);
	CALL("cut name", getsockname(s, (void *)small, &n));
	NUM("cut length", n);
	n = 0;
	CALL("no room", getsockname(s, (void *)small, &n));
	NUM("no room length", n);
	n = (socklen_t)-1;
	CALL("negative room", getsockname(s, (void *)small, &n));
	CALL("bad length", getsockname(s, (void *)small, (void *)8));
	n = 4;
	CALL("bad room", getsockname(s, (void *)8, &n));
	CALL("no peer", getpeername(s, (void *)&g, &n));
}

static void test_listen(void)
{
	struct sockaddr_un a = abstract("listen");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c[6], k, v;
	socklen_t n = sizeof(v);
	struct sockaddr_un p;

	CALL("listen unbound", listen(l, 1));
	bind(l, (void *)&a, HEAD + 7);
	getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &n);
	NUM("acceptconn before", v);
	CALL("accept before", accept(l, NULL, NULL));
	CALL("listen", listen(l, 1));
	getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &n);
	NUM("acceptconn", v);
	CALL("send on listening", send(l, "x", 1, MSG_NOSIGNAL));
	CALL("recv on listening", recv(l, &v, 1, 0));
	CALL("connect listening", connect(l, (void *)&a, HEAD + 7));
	CALL("getpeername listening", getpeername(l, (void *)&p, &n));
	fcntl(l, F_SETFL, O_NONBLOCK);
	CALL("accept none", accept(l, NULL, NULL));
	for (int i = 0; i < 4; i++) {
		c[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		CALL("connect backlog", connect(c[i], (void *)&a, HEAD + 7));
	}
	CALL("write before accept", write(c[0], "early", 5));
	CALL("listen more", listen(l, 2));
	CALL("connect again", connect(c[2], (void *)&a, HEAD + 7));
	CALL("listen negative", listen(l, -1));
	CALL("connect then", connect(c[3], (void *)&a, HEAD + 7));
	CALL("accept bad flags", accept4(l, NULL, NULL, 0x10));
	CALL("accept flags", (k = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0);
	HEX("accepted getfl", fcntl(k, F_GETFL));
	NUM("accepted getfd", fcntl(k, F_GETFD));
	char buf[8];
	CALL("read early", read(k, buf, 8));
	CALL("read none", read(k, buf, 8));
	CALL("accept bad address", accept(l, (void *)8, &n));
	CALL("that one is gone", write(c[1], "x", 1));
	close(c[2]);
	CALL("accept of a closed one", (k = accept(l, NULL, NULL)) >= 0);
	CALL("its end", read(k, buf, 8));
	struct pollfd pf = { l, POLLIN | POLLOUT, 0 };
	poll(&pf, 1, 0);
	HEX("listener poll", pf.revents);
	close(l);
	CALL("reset of the unaccepted", read(c[3], buf, 8));
	CALL("then the end", read(c[3], buf, 8));
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(l, (void *)&a, HEAD + 7);
	listen(l, 0);
	k = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	CALL("seqpacket to stream", connect(k, (void *)&a, HEAD + 7));
	CALL("shutdown listener", shutdown(l, SHUT_RD));
	k = socket(AF_UNIX, SOCK_STREAM, 0);
	CALL("connect shut listener", connect(k, (void *)&a, HEAD + 7));
	CALL("accept shut listener", accept(l, NULL, NULL));
	CALL("listen dgram", listen(socket(AF_UNIX, SOCK_DGRAM, 0), 1));
	int pair[2];
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	CALL("listen on a pair", listen(pair[0], 1));
	CALL("bind a pair", bind(pair[0], (void *)&(struct sockaddr_un) { AF_UNIX, "pairname" }, sizeof(a)));
	show_name("peer of the bound", pair[1], getpeername);
	CALL("listen on a bound pair", listen(pair[0], 1));
	CALL("connect a pair", connect(pair[0], (void *)&a, HEAD + 7));
	CALL("accept on a pair", accept(pair[0], NULL, NULL));
}

static void test_blocking(void)
{
	struct sockaddr_un a = abstract("block");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_STREAM, 0);
	struct timeval tv = { 0, 30000 };

	bind(l, (void *)&a, HEAD + 6);
	listen(l, 0);
	CALL("first connects", connect(c, (void *)&a, HEAD + 6));
	setsockopt(d, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	long long t0 = abi_now_ms();
	CALL("second times out", connect(d, (void *)&a, HEAD + 6));
	YES("it waited", abi_now_ms() - t0 >= 25);
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	CALL("accept", accept(l, NULL, NULL) >= 0);
	CALL("accept times out", accept(l, NULL, NULL));
	connect(d, (void *)&a, HEAD + 6);
	pid_t child = fork();
	if (!child) {
		int e = socket(AF_UNIX, SOCK_STREAM, 0);
		int r = connect(e, (void *)&a, HEAD + 6);
		write(e, "late", 4);
		_exit(r ? errno : 0);
	}
	abi_sleep_ms(50);
	close(accept(l, NULL, NULL));
	int k = accept(l, NULL, NULL);
	char buf[8];
	CALL("waiting connector came", read(k, buf, 8));
	int st;
	waitpid(child, &st, 0);
	abi_status("connector", st);
	child = fork();
	if (!child) {
		tv = (struct timeval) { 0, 0 };
		setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
		_exit(accept(l, NULL, NULL) < 0 ? errno : 0);
	}
	abi_sleep_ms(50);
	shutdown(l, SHUT_RDWR);
	waitpid(child, &st, 0);
	abi_status("accept ended by shutdown", st);
}

static void test_permission(void)
{
	struct sockaddr_un a = named("guarded"), b = named("locked/in");
	int l = socket(AF_UNIX, SOCK_STREAM, 0);

	CALL("bind", bind(l, (void *)&a, sizeof(a)));
	listen(l, 5);
	chmod("guarded", 0400);
	mkdir("locked", 0700);
	int m = socket(AF_UNIX, SOCK_STREAM, 0);
	bind(m, (void *)&b, sizeof(b));
	listen(m, 5);
	struct sockaddr_un c = named("/none/of/yours");
	CHILD("as another", {
		setgid(1000);
		setuid(1000);
		int s = socket(AF_UNIX, SOCK_STREAM, 0);
		CALL("no write permission", connect(s, (void *)&a, sizeof(a)));
		CALL("no search permission", connect(s, (void *)&b, sizeof(b)));
		CALL("no path", connect(s, (void *)&c, sizeof(c)));
		c = named("locked/mine");
		CALL("bind in locked", bind(s, (void *)&c, sizeof(c)));
	});
	chmod("guarded", 0222);
	CHILD("with write", {
		setuid(1000);
		CALL("write permission is enough", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	});
	rename("guarded", "moved");
	a = named("moved");
	CALL("a renamed node", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	link("moved", "second");
	a = named("second");
	CALL("a second name", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
	symlink("second", "sym");
	a = named("sym");
	CALL("through a link", connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, sizeof(a)));
}

static void test_proc(void)
{
	struct sockaddr_un a = abstract("procname"), b = named("procnode");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);
	char link[64], text[64], line[256];
	struct stat st;
	FILE *f;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	bind(l, (void *)&a, HEAD + 9);
	listen(l, 1);
	bind(d, (void *)&b, sizeof(b));
	fstat(l, &st);
	HEX("mode", st.st_mode);
	NUM("links", st.st_nlink);
	NUM("size", st.st_size);
	NUM("block size", st.st_blksize);
	sprintf(link, "/proc/self/fd/%d", l);
	text[readlink(link, text, 63)] = 0;
	sprintf(line, "socket:[%llu]", (unsigned long long)st.st_ino);
	YES("link text", !strcmp(text, line));
	CALL("open through proc", open(link, O_RDWR));
	f = fopen("/proc/net/unix", "r");
	fgets(line, sizeof(line), f);
	line[strlen(line) - 1] = 0;
	STR("header", line);
	while (fgets(line, sizeof(line), f)) {
		unsigned refs, prot, flags, type, state;
		unsigned long ino;
		char name[128] = "";
		sscanf(line, "%*[^:]: %x %x %x %x %x %lu %127s", &refs, &prot, &flags, &type, &state, &ino, name);
		if (strstr(line, "procn"))
			abi_line(name, "refs %u protocol %u flags %x type %u state %u own inode %d", refs, prot, flags, type, state, ino == st.st_ino);
	}
	fclose(f);
	CALL("lseek", lseek(l, 0, SEEK_SET));
	CALL("pread", pread(l, line, 1, 0));
	CALL("ftruncate", ftruncate(l, 0));
	CALL("fsync", fsync(l));
	CALL("mmap", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, l, 0) == MAP_FAILED ? -1 : 0);
	CALL("flock", flock(l, LOCK_EX | LOCK_NB));
	CALL("getdents", syscall(SYS_getdents64, l, line, 64));
	CALL("tcgetattr", tcgetattr(l, &(struct termios) { 0 }));
	CALL("setfl direct", fcntl(l, F_SETFL, O_DIRECT));
	CALL("setfl append", fcntl(l, F_SETFL, O_APPEND));
	HEX("getfl", fcntl(l, F_GETFL));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	test_bind();
	test_abstract();
	test_listen();
	test_blocking();
	test_permission();
	test_proc();
	return 0;
}
