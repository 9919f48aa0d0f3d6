// SPDX-License-Identifier: MIT
/* File locks: POSIX, OFD and flock; who conflicts with whom, splitting and joining, waiting, deadlock, what releases them. */
#include "../abi.h"
#include <sys/file.h>

static int fd;

static void on_alarm(int s)
{
	(void)s;
}

static struct flock lk(short type, off_t start, off_t len)
{
	return (struct flock) { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
}

static int set(int f, int cmd, short type, off_t start, off_t len)
{
	struct flock l = lk(type, start, len);

	return fcntl(f, cmd, &l);
}

/* What stands in the way, as seen by this process. */
static void get(const char *name, int f, int cmd, short type, off_t start, off_t len)
{
	struct flock l = lk(type, start, len);

	l.l_pid = 0;
	if (fcntl(f, cmd, &l) < 0)
		abi_return(name, -1);
	else
		abi_line(name, "type %d from %lld for %lld whence %d pid %s", l.l_type, (long long)l.l_start, (long long)l.l_len, l.l_whence,
			 l.l_pid == getppid() ? "parent" : l.l_pid == 0 ? "0" : l.l_pid == -1 ? "-1" : "other");
}

#define SEEN(name, type, start, len) CHILD(name " seen", get(name, fd, F_GETLK, type, start, len))

static void test_posix(void)
{
	struct flock l;

	CALL("write lock", set(fd, F_SETLK, F_WRLCK, 10, 10));
	get("own", fd, F_GETLK, F_WRLCK, 0, 0);
	SEEN("inside", F_RDLCK, 12, 2);
	SEEN("before", F_WRLCK, 0, 10);
	SEEN("touching", F_WRLCK, 0, 11);
	SEEN("all", F_WRLCK, 0, 0);
	CALL("unlock middle", set(fd, F_SETLK, F_UNLCK, 13, 3));
	SEEN("first part", F_WRLCK, 0, 0);
	SEEN("second part", F_WRLCK, 14, 0);
	CALL("downgrade part", set(fd, F_SETLK, F_RDLCK, 18, 10));
	SEEN("read of read", F_RDLCK, 20, 1);
	SEEN("write of read", F_WRLCK, 20, 1);
	CALL("join", set(fd, F_SETLK, F_WRLCK, 0, 100));
	SEEN("joined", F_RDLCK, 50, 1);
	CALL("to the end", set(fd, F_SETLK, F_RDLCK, 200, 0));
	SEEN("far", F_WRLCK, 1LL << 30, 1);
	CALL("one behind", set(fd, F_SETLK, F_WRLCK, 150, 5));
	CALL("one before", set(fd, F_SETLK, F_WRLCK, 120, 5));
	SEEN("the first of both", F_WRLCK, 105, 90);
	CALL("gone again", set(fd, F_SETLK, F_UNLCK, 120, 50));
	CALL("negative length", set(fd, F_SETLK, F_WRLCK, 110, -5));
	SEEN("negative", F_RDLCK, 100, 20);
	CALL("negative start", set(fd, F_SETLK, F_WRLCK, 3, -5));
	CALL("bad type", set(fd, F_SETLK, 7, 0, 1));
	CALL("bad get type", (l = lk(F_UNLCK, 0, 1), fcntl(fd, F_GETLK, &l)));
	l = lk(F_RDLCK, 0, 1);
	l.l_whence = 5;
	CALL("bad whence", fcntl(fd, F_SETLK, &l));
	l = lk(F_RDLCK, -2, 1);
	l.l_whence = SEEK_END;
	CALL("from end", fcntl(fd, F_SETLK, &l));
	lseek(fd, 5, SEEK_SET);
	l = lk(F_UNLCK, 0, 0);
	l.l_whence = SEEK_CUR;
	CALL("from here", fcntl(fd, F_SETLK, &l));
	SEEN("rest", F_WRLCK, 0, 0);
	SEEN("nothing", F_WRLCK, 5, 0);
	CHILD("not inherited", CALL("conflict", set(fd, F_SETLK, F_WRLCK, 0, 1)); CALL("free", set(fd, F_SETLK, F_WRLCK, 50, 1)));
	SEEN("gone with the child", F_WRLCK, 50, 1);
	int other = open("f", O_RDONLY);
	CALL("write lock of a reader", set(other, F_SETLK, F_WRLCK, 60, 1));
	int wonly = open("f", O_WRONLY);
	CALL("read lock of a writer", set(wonly, F_SETLK, F_RDLCK, 60, 1));
	close(wonly);
	SEEN("any close releases", F_WRLCK, 0, 0);
	close(other);
	CALL("dir", (other = open(".", O_RDONLY), set(other, F_SETLK, F_RDLCK, 0, 1)));
	close(other);
	CALL("O_PATH", (other = open("f", O_PATH), set(other, F_SETLK, F_RDLCK, 0, 1)));
	close(other);
	int p[2];
	pipe(p);
	CALL("pipe", set(p[0], F_SETLK, F_RDLCK, 0, 1));
	close(p[0]);
	close(p[1]);
	CALL("efault", fcntl(fd, F_SETLK, (void *)8));
}

static void test_wait(void)
{
	int to[2], c;
	char b;

	pipe(to);
	pid_t k = fork();
	if (k == 0) {
		set(fd, F_SETLK, F_WRLCK, 0, 10);
		write(to[1], "x", 1);
		abi_sleep_ms(60);
		_exit(0);
	}
	read(to[0], &b, 1);
	long long t = abi_now_ms();
	CALL("at once", set(fd, F_SETLK, F_WRLCK, 0, 5));
	CALL("waits", set(fd, F_SETLKW, F_WRLCK, 0, 5));
	YES("waited", abi_now_ms() - t >= 30);
	waitpid(k, NULL, 0);
	struct sigaction sa = { .sa_handler = on_alarm };
	sigaction(SIGALRM, &sa, NULL);
	CHILD("interrupted", struct itimerval it = { .it_value = { 0, 30000 } };
		sigaction(SIGALRM, &sa, NULL);
		setitimer(ITIMER_REAL, &it, NULL);
		CALL("eintr", set(fd, F_SETLKW, F_WRLCK, 0, 5)));
	/* The child holds 20, wants 0; we hold 0, want 20. */
	k = fork();
	if (k == 0) {
		set(fd, F_SETLK, F_WRLCK, 20, 1);
		write(to[1], "x", 1);
		_exit(set(fd, F_SETLKW, F_WRLCK, 0, 1) == 0 ? 7 : errno);
	}
	read(to[0], &b, 1);
	abi_sleep_ms(30);
	CALL("deadlock", set(fd, F_SETLKW, F_WRLCK, 20, 1));
	CALL("let it", set(fd, F_SETLK, F_UNLCK, 0, 0));
	waitpid(k, &c, 0);
	abi_status("the other", c);
	close(to[0]);
	close(to[1]);
}

static void test_ofd(void)
{
	struct flock64 l = { .l_type = F_WRLCK, .l_len = 10, .l_pid = 5 };
	int a = open("f", O_RDWR), b = open("f", O_RDWR), d = dup(a);

	CALL("pid not 0", fcntl(a, F_OFD_SETLK, &l));
	CALL("ofd", set(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	CALL("same description", set(d, F_OFD_SETLK, F_WRLCK, 5, 10));
	CALL("other description", set(b, F_OFD_SETLK, F_WRLCK, 14, 1));
	get("ofd get", b, F_OFD_GETLK, F_RDLCK, 0, 0);
	get("posix get", b, F_GETLK, F_RDLCK, 0, 0);
	CALL("against posix", set(b, F_SETLK, F_RDLCK, 0, 1));
	CHILD("inherited", CALL("child has it", set(a, F_OFD_SETLK, F_WRLCK, 0, 10)); CALL("child unlocks", set(a, F_OFD_SETLK, F_UNLCK, 0, 0)));
	CALL("unlocked by child", set(b, F_OFD_SETLK, F_WRLCK, 0, 1));
	CALL("posix against ofd", set(a, F_SETLK, F_WRLCK, 0, 1));
	close(b);
	CALL("closed", set(a, F_OFD_SETLK, F_WRLCK, 0, 1));
	close(a);
	b = open("f", O_RDWR);
	CALL("dup keeps", set(b, F_OFD_SETLK, F_WRLCK, 0, 1));
	close(d);
	CALL("last close", set(b, F_OFD_SETLK, F_WRLCK, 0, 1));
	close(b);
}

static void test_flock(void)
{
	int a = open("f", O_RDONLY), b = open("f", O_RDONLY), d = dup(a);

	CALL("shared", flock(a, LOCK_SH));
	CALL("shared too", flock(b, LOCK_SH | LOCK_NB));
	CALL("upgrade", flock(a, LOCK_EX | LOCK_NB));
	CALL("lost by trying", flock(b, LOCK_EX | LOCK_NB));
	CALL("unlock", flock(b, LOCK_UN));
	CALL("exclusive", flock(a, LOCK_EX | LOCK_NB));
	CALL("by dup", flock(d, LOCK_SH | LOCK_NB));
	CALL("other", flock(b, LOCK_EX | LOCK_NB));
	CALL("posix does not care", set(fd, F_SETLK, F_WRLCK, 0, 0));
	set(fd, F_SETLK, F_UNLCK, 0, 0);
	CHILD("child", CALL("inherited", flock(a, LOCK_EX | LOCK_NB)); CALL("unlocks for all", flock(a, LOCK_UN)));
	CALL("free now", flock(b, LOCK_EX | LOCK_NB));
	CALL("bad op", flock(a, 99));
	CALL("no op", flock(a, LOCK_NB));
	CALL("bad fd", flock(99, LOCK_SH));
	int p = open("f", O_PATH);
	CALL("O_PATH", flock(p, LOCK_SH));
	close(p);
	p = open(".", O_RDONLY);
	CALL("dir", flock(p, LOCK_EX));
	close(p);
	pid_t k = fork();
	if (k == 0) {
		abi_sleep_ms(40);
		flock(b, LOCK_UN);
		_exit(0);
	}
	CALL("waits", flock(a, LOCK_EX));
	waitpid(k, NULL, 0);
	struct itimerval it = { .it_value = { 0, 30000 } };
	setitimer(ITIMER_REAL, &it, NULL);
	CALL("eintr", flock(b, LOCK_SH));
	close(a);
	CALL("still by dup", flock(b, LOCK_SH | LOCK_NB));
	close(d);
	CALL("closed", flock(b, LOCK_SH | LOCK_NB));
	close(b);
}

static void test_lease(void)
{
	int r = open("f", O_RDONLY), w = open("g", O_CREAT | O_RDWR, 0644);

	CALL("get lease", fcntl(w, F_GETLEASE));
	CALL("read lease of a writer", fcntl(w, F_SETLEASE, F_RDLCK));
	CALL("bad lease", fcntl(w, F_SETLEASE, 9));
	CALL("lease on pipe", (pipe((int[2]) { 0 }), fcntl(0, F_SETLEASE, 9)));
	CALL("bad command", fcntl(w, 999));
	CALL("setsig", fcntl(w, F_SETSIG, 99));
	CALL("getsig", fcntl(w, F_GETSIG));
	close(r);
	close(w);
}

static void test_proc(void)
{
	char text[4096], kind[20], mode[20], how[20], end[40];
	int n, found = 0;

	set(fd, F_SETLK, F_WRLCK, 3, 4);
	flock(fd, LOCK_SH);
	n = open("/proc/locks", O_RDONLY);
	ssize_t got = read(n, text, sizeof(text) - 1);
	text[got > 0 ? got : 0] = 0;
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		int pid;
		long long start;
		if (sscanf(line, "%*d: %19s %19s %19s %d %*s %lld %39s", kind, how, mode, &pid, &start, end) == 6 && pid == getpid()) {
			found++;
			abi_line("line", "%s %s %s %lld %s", kind, how, mode, start, end);
		}
	}
	NUM("lines", found);
	set(fd, F_SETLK, F_UNLCK, 0, 0);
	flock(fd, LOCK_UN);
	close(n);
}

int main(void)
{
	fd = open("f", O_RDWR | O_CREAT, 0644);
	write(fd, "0123456789", 10);
	test_posix();
	test_wait();
	test_ofd();
	test_flock();
	test_proc();
	test_lease();
	return 0;
}
