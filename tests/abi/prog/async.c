// SPDX-License-Identifier: MIT
/* Signals from files: O_ASYNC, owners, F_SETSIG, leases. */
#include "../abi.h"
#include <pty.h>

static volatile sig_atomic_t hits;
static volatile int last_sig, last_code, last_fd;
static volatile long last_band;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	hits++;
	last_sig = sig;
	last_code = info->si_code;
	last_fd = info->si_fd;
	last_band = info->si_band;
}

static void handle(int sig)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	sigaction(sig, &sa, NULL);
}

/* What came since the last time; fd: the one that si_fd should be. */
static void came(const char *name, int fd)
{
	if (!hits)
		abi_line(name, "nothing");
	else if (last_code == SI_KERNEL)
		abi_line(name, "%d %s from the kernel", (int)hits, abi_signal(last_sig));
	else
		abi_line(name, "%d %s code %d band %lx fd %s", (int)hits, abi_signal(last_sig), last_code, last_band,
			 last_fd == fd ? "right" : "wrong");
	hits = 0;
}

static void test_owner(void)
{
	struct f_owner_ex o = { 7, 1 };
	int p[2];
	pid_t c;

	pipe(p);
	CALL("owner at first", fcntl(p[0], F_GETOWN));
	CALL("set own", fcntl(p[0], F_SETOWN, getpid()));
	YES("own is me", fcntl(p[0], F_GETOWN) == getpid());
	CALL("owner of a duplicate", fcntl(dup(p[0]), F_GETOWN) == getpid());
	CALL("set group", fcntl(p[0], F_SETOWN, -getpgrp()));
	YES("group is mine", fcntl(p[0], F_GETOWN) == -getpgrp());
	CALL("set nobody", fcntl(p[0], F_SETOWN, 30011));
	CALL("set no group", fcntl(p[0], F_SETOWN, -30011));
	CALL("set least", fcntl(p[0], F_SETOWN, INT_MIN));
	CALL("set 0", fcntl(p[0], F_SETOWN, 0));
	CALL("owner gone", fcntl(p[0], F_GETOWN));
	CALL("ex bad type", fcntl(p[0], F_SETOWN_EX, &o));
	o.type = F_OWNER_TID;
	o.pid = (pid_t)syscall(SYS_gettid);
	CALL("ex thread", fcntl(p[0], F_SETOWN_EX, &o));
	o.type = 9;
	CALL("ex get", fcntl(p[0], F_GETOWN_EX, &o));
	abi_line("ex got", "%d %d", o.type, o.pid == getpid());
	o.pid = 30011;
	CALL("ex nobody", fcntl(p[0], F_SETOWN_EX, &o));
	CALL("ex fault", fcntl(p[0], F_SETOWN_EX, 8));
	c = fork();
	if (c == 0)
		_exit(0);
	CALL("set child", fcntl(p[0], F_SETOWN, c));
	waitpid(c, NULL, 0);
	CALL("child gone", fcntl(p[0], F_GETOWN));
	CALL("sig", fcntl(p[0], F_GETSIG));
	CALL("setsig bad", fcntl(p[0], F_SETSIG, 65));
	CALL("setsig", fcntl(p[0], F_SETSIG, SIGRTMIN + 1));
	CALL("getsig", fcntl(p[0], F_GETSIG) == SIGRTMIN + 1);
	close(p[0]);
	close(p[1]);
}

static void test_pipe(int flags, const char *what)
{
	int p[2];
	char buf[8];

	abi_line("pipe", "%s", what);
	pipe2(p, flags);
	CALL("flags", fcntl(p[0], F_GETFL));
	CALL("async", fcntl(p[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	CALL("flags now", fcntl(p[0], F_GETFL));
	write(p[1], "a", 1);
	came("no owner", p[0]);
	fcntl(p[0], F_SETOWN, getpid());
	write(p[1], "b", 1);
	came("written", p[0]);
	write(p[1], "c", 1);
	came("written again", p[0]);
	fcntl(p[0], F_SETSIG, SIGRTMIN);
	write(p[1], "d", 1);
	came("real-time", p[0]);
	fcntl(p[0], F_SETSIG, SIGCHLD);
	write(p[1], "e", 1);
	came("as SIGCHLD", p[0]);
	fcntl(p[0], F_SETSIG, SIGIO);
	write(p[1], "f", 1);
	came("SIGIO chosen", p[0]);
	fcntl(p[0], F_SETSIG, SIGUSR1);
	write(p[1], "g", 1);
	came("as SIGUSR1", p[0]);
	fcntl(p[1], F_SETOWN, getpid());
	fcntl(p[1], F_SETSIG, SIGIO);
	CALL("writer async", fcntl(p[1], F_SETFL, O_ASYNC));
	read(p[0], buf, 2);
	came("read", p[1]);
	CALL("writer off", fcntl(p[1], F_SETFL, 0));
	read(p[0], buf, 2);
	came("read again", p[1]);
	close(p[1]);
	came("writer closed", p[0]);
	CALL("off", fcntl(p[0], F_SETFL, O_NONBLOCK));
	close(p[0]);
	came("closed", -1);
}

static void test_fioasync(void)
{
	int p[2], on = 1, off = 0, fd = open("plain", O_RDWR | O_CREAT, 0600);

	pipe(p);
	CALL("fioasync", ioctl(p[0], FIOASYNC, &on));
	HEX("flag", fcntl(p[0], F_GETFL) & O_ASYNC);
	fcntl(p[0], F_SETOWN, getpid());
	write(p[1], "x", 1);
	came("by ioctl", p[0]);
	CALL("fioasync off", ioctl(p[0], FIOASYNC, &off));
	HEX("flag off", fcntl(p[0], F_GETFL) & O_ASYNC);
	write(p[1], "x", 1);
	came("off", p[0]);
	CALL("fioasync fault", ioctl(p[0], FIOASYNC, 8));
	CALL("fioasync of a file", ioctl(fd, FIOASYNC, &on));
	CALL("setfl of a file", fcntl(fd, F_SETFL, O_ASYNC));
	HEX("flag of a file", fcntl(fd, F_GETFL) & O_ASYNC);
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void test_fifo(void)
{
	int fd;

	mkfifo("fifo", 0600);
	fd = open("fifo", O_RDWR);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETSIG, SIGRTMIN);
	CALL("fifo async", fcntl(fd, F_SETFL, O_ASYNC));
	write(fd, "x", 1);
	came("fifo written", fd);
	close(fd);
	came("fifo closed", -1);
}

static void test_other_user(void)
{
	int p[2];
	pid_t c;

	pipe(p);
	fcntl(p[0], F_SETFL, O_ASYNC);
	c = fork();
	if (c == 0) {
		setuid(77);
		fcntl(p[0], F_SETOWN, getppid());
		_exit(0);
	}
	waitpid(c, NULL, 0);
	write(p[1], "x", 1);
	came("owner set by another user", p[0]);
	close(p[0]);
	close(p[1]);
}

static void test_child_owner(void)
{
	int p[2], s;
	pid_t c;

	pipe(p);
	c = fork();
	if (c == 0) {
		for (;;)
			pause();
	}
	signal(SIGUSR2, SIG_DFL);
	fcntl(p[0], F_SETOWN, c);
	fcntl(p[0], F_SETSIG, SIGUSR2);
	fcntl(p[0], F_SETFL, O_ASYNC);
	write(p[1], "x", 1);
	waitpid(c, &s, 0);
	abi_status("child killed by it", s);
	close(p[0]);
	close(p[1]);
}

static void test_pty(void)
{
	int m, s;
	struct termios t;
	char buf[8];

	if (openpty(&m, &s, NULL, NULL, NULL)) {
		FAILED("openpty");
		return;
	}
	tcgetattr(s, &t);
	cfmakeraw(&t);
	tcsetattr(s, TCSANOW, &t);
	CALL("slave async", fcntl(s, F_SETFL, O_ASYNC));
	YES("slave's owner", fcntl(s, F_GETOWN) == getpid());
	CALL("master async", fcntl(m, F_SETFL, O_ASYNC));
	YES("master's owner", fcntl(m, F_GETOWN) == getpid());
	fcntl(s, F_SETSIG, SIGRTMIN);
	fcntl(m, F_SETSIG, SIGRTMIN);
	write(m, "x", 1);
	abi_sleep_ms(50);
	came("to the slave", s);
	read(s, buf, 8);
	hits = 0;
	write(s, "y", 1);
	abi_sleep_ms(50);
	came("to the master", m);
	close(s);
	close(m);
	hits = 0;
}

static void break_time(const char *seconds)
{
	int fd = open("/proc/sys/fs/lease-break-time", O_WRONLY);

	write(fd, seconds, strlen(seconds));
	close(fd);
}

static void test_lease_rules(void)
{
	int r, r2, w, dir = open(".", O_RDONLY);

	close(open("leased", O_RDWR | O_CREAT, 0600));
	r = open("leased", O_RDONLY);
	CALL("no lease", fcntl(r, F_GETLEASE));
	CALL("lease bad", fcntl(r, F_SETLEASE, 7));
	CALL("lease of a directory", fcntl(dir, F_SETLEASE, F_RDLCK));
	CALL("no lease to give back", fcntl(r, F_SETLEASE, F_UNLCK));
	CALL("read lease", fcntl(r, F_SETLEASE, F_RDLCK));
	CALL("lease", fcntl(r, F_GETLEASE));
	HEX("async by it", fcntl(r, F_GETFL) & O_ASYNC);
	YES("owner by it", fcntl(r, F_GETOWN) == getpid());
	r2 = open("leased", O_RDONLY);
	CALL("second read lease", fcntl(r2, F_SETLEASE, F_RDLCK));
	CALL("write lease beside others", fcntl(r, F_SETLEASE, F_WRLCK));
	CALL("give back", fcntl(r, F_SETLEASE, F_UNLCK));
	HEX("async without", fcntl(r, F_GETFL) & O_ASYNC);
	CALL("owner without", fcntl(r, F_GETOWN));
	close(r2);
	CALL("write lease", fcntl(r, F_SETLEASE, F_WRLCK));
	CALL("lease", fcntl(r, F_GETLEASE));
	CALL("to a read lease", fcntl(r, F_SETLEASE, F_RDLCK));
	CALL("and back", fcntl(r, F_SETLEASE, F_WRLCK));
	close(r);
	w = open("leased", O_RDWR);
	CALL("read lease of a writer", fcntl(w, F_SETLEASE, F_RDLCK));
	CALL("write lease of a writer", fcntl(w, F_SETLEASE, F_WRLCK));
	CALL("opening it without waiting", open("leased", O_RDONLY | O_NONBLOCK));
	CALL("lease now", fcntl(w, F_GETLEASE));
	close(w);
	hits = 0;
	if (fork() == 0) {
		setuid(77);
		CALL("other's file", fcntl(dir, F_SETLEASE, F_RDLCK));
		_exit(0);
	}
	wait(NULL);
	close(dir);
}

/* A child that does something to the leased file; how it ends, and after how long. */
static void against(const char *name, int fd, int type, int what, int answer)
{
	long long start;
	int s;
	pid_t c;

	fcntl(fd, F_SETSIG, SIGRTMIN);
	CALL(name, fcntl(fd, F_SETLEASE, type));
	hits = 0;
	start = abi_now_ms();
	c = fork();
	if (c == 0) {
		long r = what == 0 ? open("leased", O_RDONLY) : what == 1 ? open("leased", O_WRONLY) : what == 2 ? truncate("leased", 0)
		       : open("leased", O_RDWR | O_NONBLOCK);

		_exit(r < 0 ? errno : 0);
	}
	while (!hits && abi_now_ms() - start < 3000)
		abi_sleep_ms(5);
	came("told", fd);
	CALL("asked to become", fcntl(fd, F_GETLEASE));
	if (answer >= 0)
		CALL("answer", fcntl(fd, F_SETLEASE, answer));
	while (waitpid(c, &s, 0) < 0 && errno == EINTR) {
	}
	abi_line("the other", "%s %s", abi_errno(WEXITSTATUS(s)), abi_now_ms() - start > 800 ? "late" : "at once");
	CALL("lease after", fcntl(fd, F_GETLEASE));
	fcntl(fd, F_SETLEASE, F_UNLCK);
}

static void test_lease_breaks(void)
{
	int r = open("leased", O_RDONLY);

	break_time("1");
	against("write lease, reader, lowered", r, F_WRLCK, 0, F_RDLCK);
	against("write lease, reader, given back", r, F_WRLCK, 0, F_UNLCK);
	against("write lease, reader, no answer", r, F_WRLCK, 0, -1);
	against("read lease, writer, given back", r, F_RDLCK, 1, F_UNLCK);
	against("read lease, writer, no answer", r, F_RDLCK, 1, -1);
	against("read lease, truncation, given back", r, F_RDLCK, 2, F_UNLCK);
	against("write lease, without waiting", r, F_WRLCK, 3, -1);
	CALL("read lease", fcntl(r, F_SETLEASE, F_RDLCK));
	if (fork() == 0) {
		YES("a reader beside a read lease", open("leased", O_RDONLY) >= 0);
		_exit(0);
	}
	wait(NULL);
	came("not told", r);
	close(r);
	YES("free after the close", (r = open("leased", O_RDWR | O_NONBLOCK)) >= 0);
	close(r);
	break_time("45");
}

int main(void)
{
	char dir[] = "asyncXXXXXX";

	if (!mkdtemp(dir) || chdir(dir))
		FAILED("directory");
	handle(SIGIO);
	handle(SIGRTMIN);
	handle(SIGUSR1);
	handle(SIGCHLD);
	test_owner();
	signal(SIGIO, SIG_DFL);
	handle(SIGIO);
	hits = 0;
	test_pipe(0, "plain");
	test_fioasync();
	test_fifo();
	signal(SIGCHLD, SIG_DFL);
	test_other_user();
	test_child_owner();
	test_pty();
	test_lease_rules();
	test_lease_breaks();
	return 0;
}
