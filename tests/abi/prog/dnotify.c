// SPDX-License-Identifier: MIT
/* F_NOTIFY: what in a directory raises which signal, once or each time, and what ends it. */
#include "../abi.h"

/* How many signals came, and of which descriptor the last said that it is. */
static void came(const char *name, int fd)
{
	struct timespec none = { 0, 0 };
	siginfo_t si, last = { 0 };
	sigset_t set;
	int n = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGIO);
	for (; sigtimedwait(&set, &si, &none) > 0; n++)
		last = si;
	if (!n)
		abi_line(name, "none");
	else
		abi_line(name, "%d %s code %d band %lx %s", n, last.si_signo == SIGRTMIN ? "real-time" : abi_signal(last.si_signo), last.si_code,
			 last.si_signo == SIGRTMIN ? (long)last.si_band : 0, last.si_signo != SIGRTMIN || last.si_fd == fd ? "its fd" : "other fd");
}

static void touch(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT, 0644);

	write(fd, "x", 1);
	close(fd);
}

static int watch(const char *dir, unsigned long mask)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY);

	fcntl(fd, F_SETSIG, SIGRTMIN);
	CALL("notify", fcntl(fd, F_NOTIFY, mask));
	return fd;
}

/* Everything that can be done in w, and how many signals each gives under one mask. */
static void each_event(const char *what, unsigned long mask)
{
	char buf[64];
	int fd, f;

	abi_line("mask", "%s", what);
	fd = watch("w", mask | DN_MULTISHOT);
	f = open("w/new", O_RDWR | O_CREAT, 0644);
	came("create", fd);
	write(f, "data", 4);
	came("write", fd);
	pread(f, buf, 4, 0);
	came("read", fd);
	ftruncate(f, 2);
	came("truncate", fd);
	fchmod(f, 0600);
	came("chmod", fd);
	futimens(f, NULL);
	came("utimens", fd);
	close(f);
	came("close", fd);
	link("w/new", "w/link");
	came("link", fd);
	rename("w/link", "w/renamed");
	came("rename within", fd);
	rename("w/renamed", "outside");
	came("rename away", fd);
	rename("outside", "w/back");
	came("rename back", fd);
	mkdir("w/d", 0755);
	came("mkdir", fd);
	touch("w/d/below");
	came("below", fd);
	close(open("w/d", O_RDONLY));
	chmod("w/d", 0700);
	came("chmod of a subdirectory", fd);
	chmod("w", 0700);
	came("chmod of itself", fd);
	unlink("w/d/below");
	rmdir("w/d");
	came("rmdir", fd);
	unlink("w/back");
	unlink("w/new");
	came("unlink", fd);
	close(fd);
}

static void test_ends(void)
{
	int fd = watch("w", DN_CREATE), other, status;

	touch("w/a");
	came("first", fd);
	touch("w/b");
	came("only once", fd);
	CALL("again", fcntl(fd, F_NOTIFY, DN_CREATE));
	CALL("and more", fcntl(fd, F_NOTIFY, DN_DELETE | DN_MULTISHOT));
	touch("w/c");
	unlink("w/c");
	came("both", fd);
	CALL("no more", fcntl(fd, F_NOTIFY, 0));
	touch("w/c");
	came("none", fd);
	CALL("none, many times", fcntl(fd, F_NOTIFY, DN_MULTISHOT));
	CALL("anew", fcntl(fd, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
	other = dup(fd);
	CALL("through another", fcntl(other, F_NOTIFY, DN_CREATE | DN_MULTISHOT));
	touch("w/d");
	came("last descriptor", other);
	if (!fork()) {
		touch("w/e");
		close(fd);
		close(other);
		_exit(0);
	}
	wait(&status);
	came("a child closes", other);
	close(fd);
	touch("w/f");
	came("one closed", other);
	close(other);
	touch("w/g");
	came("all closed", -1);
	fd = watch("w", DN_CREATE);
	fcntl(fd, F_SETSIG, 0);
	touch("w/h");
	came("plain", fd);
	CALL("owner", fcntl(fd, F_GETOWN) == getpid());
	close(fd);
}

static void test_errors(void)
{
	int f = open("plain", O_RDWR | O_CREAT, 0600), p = open("w", O_PATH);

	CALL("a file", fcntl(f, F_NOTIFY, DN_CREATE));
	CALL("nothing of a file", fcntl(f, F_NOTIFY, 0));
	CALL("O_PATH", fcntl(p, F_NOTIFY, DN_CREATE));
	CALL("bad fd", fcntl(99, F_NOTIFY, DN_CREATE));
	close(p);
	p = open("w", O_RDONLY);
	CALL("unknown bits", fcntl(p, F_NOTIFY, 0x40));
	touch("w/i");
	came("unknown bits", p);
	abi_file("/proc/sys/fs/dir-notify-enable", "0\n", 0644);
	CALL("switched off", fcntl(p, F_NOTIFY, DN_CREATE));
	CALL("switched off, none", fcntl(p, F_NOTIFY, 0));
	abi_file("/proc/sys/fs/dir-notify-enable", "1\n", 0644);
	CALL("switched on", fcntl(p, F_NOTIFY, DN_CREATE));
	close(p);
	close(f);
}

int main(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	mkdir("w", 0755);
	each_event("access", DN_ACCESS);
	each_event("modify", DN_MODIFY);
	each_event("create", DN_CREATE);
	each_event("delete", DN_DELETE);
	each_event("rename", DN_RENAME);
	each_event("attrib", DN_ATTRIB);
	each_event("delete, create and rename", DN_DELETE | DN_CREATE | DN_RENAME);
	test_ends();
	test_errors();
	return 0;
}
