// SPDX-License-Identifier: MIT
/* Job control and terminals, on a pty: stop and continue, line editing, signals, hangup. */
#include "../abi.h"
#include <pty.h>

static int master, slave;
static char slave_name[64];

static void send_(const char *s)
{
	write(master, s, strlen(s));
	abi_sleep_ms(10);
}

/* What the master can read now. */
static void echo(const char *name)
{
	char buf[512];
	struct pollfd p = { master, POLLIN, 0 };
	ssize_t n = 0, r;

	while (n < 400 && poll(&p, 1, 30) > 0 && (p.revents & POLLIN)) {
		r = read(master, buf + n, sizeof(buf) - (size_t)n);
		if (r <= 0)
			break;
		n += r;
	}
	BYTES(name, buf, (size_t)n);
}

static void input(const char *name, size_t size)
{
	char buf[512];
	ssize_t n;

	fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
	n = read(slave, buf, size);
	if (n < 0)
		abi_line(name, "%s", abi_errno(errno));
	else
		BYTES(name, buf, (size_t)n);
	fcntl(slave, F_SETFL, O_RDWR);
}

static void flags(const char *name, struct termios *t)
{
	abi_line(name, "i %x o %x c %x l %x line %d", t->c_iflag, t->c_oflag, t->c_cflag, t->c_lflag, t->c_line);
}

static void mode(tcflag_t on, tcflag_t off)
{
	struct termios t;

	tcgetattr(slave, &t);
	t.c_lflag = (t.c_lflag | on) & ~off;
	tcsetattr(slave, TCSANOW, &t);
}

static void test_open(void)
{
	int lock = 0, n = -1;
	struct stat st;

	CALL("ptmx", master = open("/dev/ptmx", O_RDWR | O_NOCTTY));
	CALL("lock", ioctl(master, TIOCSPTLCK, &lock));
	CALL("number", ioctl(master, TIOCGPTN, &n));
	snprintf(slave_name, sizeof(slave_name), "/dev/pts/%d", n);
	CALL("slave", slave = open(slave_name, O_RDWR | O_NOCTTY));
	CALL("isatty master", isatty(master));
	CALL("isatty slave", isatty(slave));
	fstat(slave, &st);
	HEX("mode", st.st_mode & (S_IFMT | 0620));
	NUM("major", major(st.st_rdev));
	YES("ttyname", ttyname(slave) && strcmp(ttyname(slave), slave_name) == 0);
	CALL("slave has no number", ioctl(slave, TIOCGPTN, &n));
}

static void test_termios(void)
{
	struct termios t, u;
	struct winsize w = { 0 };

	CALL("tcgetattr", tcgetattr(slave, &t));
	flags("defaults", &t);
	BYTES("characters", t.c_cc, 19);
	NUM("ispeed", cfgetispeed(&t));
	u = t;
	u.c_lflag &= ~ICANON;
	u.c_iflag |= IUTF8;
	u.c_cc[VMIN] = 3;
	CALL("tcsetattr", tcsetattr(slave, TCSADRAIN, &u));
	memset(&u, 0, sizeof(u));
	tcgetattr(slave, &u);
	flags("set", &u);
	NUM("vmin", u.c_cc[VMIN]);
	tcsetattr(slave, TCSAFLUSH, &t);
	CALL("raw bad", ioctl(slave, TCSETS, 8));
	CALL("winsize", ioctl(slave, TIOCGWINSZ, &w));
	abi_line("size", "%d %d", w.ws_row, w.ws_col);
	w = (struct winsize) { 33, 77, 0, 0 };
	CALL("set winsize", ioctl(master, TIOCSWINSZ, &w));
	w = (struct winsize) { 0 };
	ioctl(slave, TIOCGWINSZ, &w);
	abi_line("size set", "%d %d", w.ws_row, w.ws_col);
	CALL("tcflush", tcflush(slave, TCIOFLUSH));
	CALL("tcflush bad", tcflush(slave, 77));
	CALL("tcdrain", tcdrain(slave));
	CALL("tcsendbreak", tcsendbreak(slave, 0));
	CALL("tcflow off", tcflow(slave, TCOOFF));
	CALL("tcflow on", tcflow(slave, TCOON));
	int q = -1;
	CALL("outq", ioctl(slave, TIOCOUTQ, &q));
	CALL("unknown ioctl", ioctl(slave, 0x54ff, &q));
	CALL("getd", ioctl(slave, TIOCGETD, &q));
	NUM("discipline", q);
	CALL("excl", ioctl(slave, TIOCEXCL));
	CALL("nxcl", ioctl(slave, TIOCNXCL));
}

static void test_lines(void)
{
	struct termios t;
	int n = -1;

	write(slave, "a\nb\tc\r\n", 7);
	echo("output processing");
	tcgetattr(slave, &t);
	t.c_oflag &= ~OPOST;
	tcsetattr(slave, TCSANOW, &t);
	write(slave, "raw\n", 4);
	echo("no output processing");
	t.c_oflag |= OPOST;
	tcsetattr(slave, TCSANOW, &t);
	send_("abc");
	input("incomplete line", 100);
	echo("echo");
	send_("d\n");
	echo("echo of newline");
	ioctl(slave, FIONREAD, &n);
	NUM("fionread", n);
	input("short read", 2);
	input("rest of line", 100);
	send_("one\ntwo\n");
	echo("two echoed");
	input("one line at a time", 100);
	input("second line", 100);
	send_("cr\r");
	echo("cr echoed");
	input("cr is newline", 100);
	send_("abX\177c\n");
	echo("erase echo");
	input("erased", 100);
	send_("\177\177z\n");
	echo("erase at start");
	input("nothing to erase", 100);
	send_("foo bar\027baz\n");
	echo("werase echo");
	input("word erased", 100);
	send_("killed\025ok\n");
	echo("kill echo");
	input("line killed", 100);
	send_("q\026\003x\n");
	echo("literal echo");
	input("literal", 100);
	send_("re\022\n");
	echo("reprint");
	input("reprinted", 100);
	send_("tab\tx\177\177\n");
	echo("tab erase");
	input("tab erased", 100);
	send_("\001\033\n");
	echo("control echo");
	input("control", 100);
	send_("part\004");
	echo("eof echo");
	input("eof pushes", 100);
	send_("\004");
	input("eof alone", 100);
	input("then nothing", 100);
	send_("eol\004more\n");
	input("before eof", 100);
	input("after eof", 100);
	echo("flush");
	mode(0, ECHO);
	send_("silent\n");
	echo("no echo");
	input("silent line", 100);
	mode(ECHONL, 0);
	send_("x\n");
	echo("echonl");
	input("echonl line", 100);
	mode(ECHO, ECHONL);
	/* Not canonical. */
	tcgetattr(slave, &t);
	t.c_lflag &= ~(ICANON | ECHO);
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &t);
	send_("ab\177\004");
	input("raw bytes", 100);
	t.c_cc[VMIN] = 0;
	t.c_cc[VTIME] = 1;
	tcsetattr(slave, TCSANOW, &t);
	char c;
	long long start = abi_now_ms();
	CALL("vtime read", read(slave, &c, 1));
	YES("vtime waited", abi_now_ms() - start >= 90);
	t.c_cc[VTIME] = 0;
	tcsetattr(slave, TCSANOW, &t);
	CALL("vmin 0 vtime 0", read(slave, &c, 1));
	t.c_iflag &= ~ICRNL;
	t.c_iflag |= INLCR | ISTRIP;
	tcsetattr(slave, TCSANOW, &t);
	send_("\r\n\xe1");
	input("inlcr istrip", 100);
	t.c_iflag = ICRNL | IXON;
	t.c_lflag |= ICANON | ECHO;
	t.c_cc[VMIN] = 1;
	tcsetattr(slave, TCSANOW, &t);
	/* Flow control. */
	send_("\023");
	fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
	CALL("write while stopped", write(slave, "held", 4));
	fcntl(slave, F_SETFL, O_RDWR);
	echo("nothing while stopped");
	send_("\021");
	CALL("write after start", write(slave, "go", 2));
	echo("after start");
	/* A long line. */
	static char line[5000];
	memset(line, 'L', sizeof(line));
	mode(0, ECHO);
	fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK);
	for (int i = 0; i < 5000; i += 500)
		write(master, line + i, 500), abi_sleep_ms(2);
	send_("\n");
	fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK);
	NUM("long line is cut", read(slave, line, sizeof(line)));
	fcntl(slave, F_SETFL, O_RDWR);
	fcntl(master, F_SETFL, O_RDWR);
	tcflush(slave, TCIFLUSH);
	mode(ECHO, 0);
	/* poll on both ends. */
	struct pollfd p = { slave, POLLIN | POLLOUT, 0 };
	poll(&p, 1, 0);
	HEX("poll idle", p.revents);
	send_("no");
	poll(&p, 1, 0);
	HEX("poll without newline", p.revents);
	send_("w\n");
	poll(&p, 1, 0);
	HEX("poll with line", p.revents);
	tcflush(slave, TCIFLUSH);
	echo("rest");
	/* Packet mode. */
	int on = 1;
	CALL("packet mode", ioctl(master, TIOCPKT, &on));
	write(slave, "pk", 2);
	echo("packet");
	on = 0;
	ioctl(master, TIOCPKT, &on);
}

static volatile sig_atomic_t got;

static void on(int s)
{
	got = s;
}

static void catch(int s)
{
	sigaction(s, &(struct sigaction) { .sa_handler = on }, NULL);
}

/* In a session of its own, with the slave as controlling terminal. */
static void session(void)
{
	char buf[16];
	pid_t k;
	int s;

	CALL("no tty yet", open("/dev/tty", O_RDWR));
	CALL("tcgetpgrp before", tcgetpgrp(slave));
	CALL("sctty", ioctl(slave, TIOCSCTTY, 0));
	CALL("sctty again", ioctl(slave, TIOCSCTTY, 0));
	CALL("dev tty", open("/dev/tty", O_RDWR) >= 0);
	YES("foreground is us", tcgetpgrp(slave) == getpgrp());
	pid_t sid = -1;
	CALL("tiocgsid", ioctl(slave, TIOCGSID, &sid));
	YES("sid", sid == getpid());
	catch(SIGINT); catch(SIGQUIT); catch(SIGWINCH); catch(SIGTSTP);
	send_("junk\003");
	STR("intr", abi_signal(got));
	echo("intr echo");
	input("intr flushed", 100);
	got = 0;
	send_("\034");
	STR("quit", abi_signal(got));
	echo("quit echo");
	got = 0;
	send_("\032");
	STR("susp", abi_signal(got));
	echo("susp echo");
	got = 0;
	mode(0, ISIG);
	send_("\003\n");
	NUM("no isig", got);
	input("no isig input", 10);
	echo("no isig echo");
	mode(ISIG, 0);
	struct winsize w = { 40, 90, 0, 0 };
	ioctl(master, TIOCSWINSZ, &w);
	abi_sleep_ms(10);
	STR("winch", abi_signal(got));
	got = 0;
	ioctl(master, TIOCSWINSZ, &w);
	abi_sleep_ms(10);
	NUM("same size, no winch", got);
	CALL("tcsetpgrp foreign", tcsetpgrp(slave, 1));
	CALL("tcsetpgrp missing", tcsetpgrp(slave, 99999));
	CALL("tcsetpgrp negative", tcsetpgrp(slave, -1));
	int sg = SIGINT;
	CALL("tiocsig", ioctl(master, TIOCSIG, sg));
	STR("tiocsig got", abi_signal(got));
	/* A background group stops when it reads; writes only with TOSTOP. */
	k = fork();
	if (k == 0) {
		setpgid(0, 0);
		signal(SIGTTIN, SIG_DFL);
		read(slave, buf, 1);
		_exit(1);
	}
	setpgid(k, k);
	waitpid(k, &s, WUNTRACED);
	abi_status("background read", s);
	kill(k, SIGKILL);
	waitpid(k, &s, 0);
	k = fork();
	if (k == 0) {
		setpgid(0, 0);
		signal(SIGTTIN, SIG_IGN);
		CALL("background read ignored", read(slave, buf, 1));
		CALL("background write", write(slave, "bg", 2));
		CALL("background tcsetpgrp", (signal(SIGTTOU, SIG_IGN), tcsetpgrp(slave, getpgrp())));
		_exit(0);
	}
	setpgid(k, k);
	waitpid(k, &s, WUNTRACED);
	abi_status("background ignored", s);
	signal(SIGTTOU, SIG_IGN);
	CALL("take it back", tcsetpgrp(slave, getpgrp()));
	echo("background output");
	mode(TOSTOP, 0);
	k = fork();
	if (k == 0) {
		setpgid(0, 0);
		signal(SIGTTOU, SIG_DFL);
		write(slave, "bg", 2);
		abi_sleep_ms(60);
		_exit(1);
	}
	setpgid(k, k);
	waitpid(k, &s, WUNTRACED);
	abi_status("tostop write", s);
	mode(0, TOSTOP);
	kill(k, SIGCONT);
	waitpid(k, &s, WCONTINUED);
	abi_status("continued", s);
	waitpid(k, &s, 0);
	abi_status("then ended", s);
	/* ^Z stops the foreground job. */
	signal(SIGTSTP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	k = fork();
	if (k == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(k, k);
	CALL("foreground child", tcsetpgrp(slave, k));
	send_("\032");
	YES("stopped is told", waitpid(k, &s, WUNTRACED) == k);
	abi_status("susp job", s);
	CALL("not told twice", waitpid(k, &s, WUNTRACED | WNOHANG));
	kill(k, SIGCONT);
	waitpid(k, &s, WCONTINUED);
	abi_status("cont job", s);
	send_("\003");
	waitpid(k, &s, 0);
	abi_status("int job", s);
	CALL("back to us", tcsetpgrp(slave, getpgrp()));
	echo("job echo");
	/* Hangup: the leader is told; writes fail, reads end. */
	catch(SIGHUP);
	got = 0;
	close(master);
	abi_sleep_ms(20);
	STR("hangup", abi_signal(got));
	CALL("read after hangup", read(slave, buf, 1));
	CALL("write after hangup", write(slave, "x", 1));
	CALL("ioctl after hangup", ioctl(slave, TIOCGWINSZ, &w));
	struct pollfd p = { slave, POLLIN | POLLOUT, 0 };
	poll(&p, 1, 0);
	HEX("poll after hangup", p.revents);
	CALL("open gone", open(slave_name, O_RDWR | O_NOCTTY));
}

/* What the kernel takes: the C library's struct is larger. */
struct kernel_termios {
	unsigned iflag, oflag, cflag, lflag;
	unsigned char line, cc[19];
};

static void locked_user(void)
{
	struct kernel_termios k;

	setresuid(1000, 1000, 1000);
	CALL("user sees locks", ioctl(slave, TIOCGLCKTRMIOS, &k));
	CALL("user sets locks", ioctl(slave, TIOCSLCKTRMIOS, &k));
	_exit(0);
}

static void test_locked(void)
{
	struct kernel_termios k, lock = { .lflag = ECHO, .oflag = OPOST, .cc[VINTR] = 1 };
	int status;

	memset(&k, 0xff, sizeof(k));
	CALL("locks", ioctl(slave, TIOCGLCKTRMIOS, &k));
	abi_bytes("no locks", &k, sizeof(k));
	CALL("lock", ioctl(slave, TIOCSLCKTRMIOS, &lock));
	CALL("locks of master", ioctl(master, TIOCGLCKTRMIOS, &k));
	abi_bytes("locks now", &k, sizeof(k));
	ioctl(slave, TCGETS, &k);
	k.lflag &= ~(unsigned)(ECHO | ECHOE);
	k.oflag &= ~(unsigned)OPOST;
	k.cc[VINTR] = 7;
	k.cc[VQUIT] = 8;
	CALL("set", ioctl(slave, TCSETS, &k));
	ioctl(slave, TCGETS, &k);
	abi_line("kept", "%x %x %d %d", k.lflag & (ECHO | ECHOE), k.oflag & OPOST, k.cc[VINTR], k.cc[VQUIT]);
	k.lflag |= ECHOE;
	k.cc[VQUIT] = 034;
	ioctl(slave, TCSETS, &k);
	if (!fork())
		locked_user();
	wait(&status);
	CALL("fault", ioctl(slave, TIOCSLCKTRMIOS, 8));
	memset(&lock, 0, sizeof(lock));
	CALL("unlock", ioctl(slave, TIOCSLCKTRMIOS, &lock));
}

int main(void)
{
	int s;
	char c;

	test_open();
	test_termios();
	test_locked();
	test_lines();
	pid_t k = fork();
	if (k == 0) {
		setsid();
		session();
		_exit(0);
	}
	close(master);
	waitpid(k, &s, 0);
	abi_status("session", s);
	close(slave);
	/* The slave closing ends the master's reading. */
	test_open();
	write(slave, "left", 4);
	close(slave);
	CALL("master reads rest", read(master, &c, 1));
	echo("rest before eio");
	CALL("master eio", read(master, &c, 1));
	struct pollfd p = { master, POLLIN, 0 };
	poll(&p, 1, 0);
	HEX("master poll", p.revents);
	CALL("reopen slave", slave = open(slave_name, O_RDWR | O_NOCTTY));
	write(slave, "again", 5);
	echo("reopened");
	int second = -1;
	CALL("second master", second = open("/dev/ptmx", O_RDWR | O_NOCTTY));
	int n = -1, m = -1;
	ioctl(master, TIOCGPTN, &n);
	ioctl(second, TIOCGPTN, &m);
	YES("different numbers", n != m);
	char name[32];
	snprintf(name, sizeof(name), "/dev/pts/%d", m);
	CALL("locked slave", open(name, O_RDWR | O_NOCTTY));
	/* The leader's death tells the foreground group. */
	k = fork();
	if (k == 0) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		pid_t d = fork();
		if (d == 0) {
			signal(SIGHUP, SIG_DFL);
			close(slave);
			for (;;)
				pause();
		}
		abi_sleep_ms(20);
		_exit(0);
	}
	waitpid(k, &s, 0);
	abi_status("leader gone", s);
	return 0;
}
