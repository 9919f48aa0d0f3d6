// SPDX-License-Identifier: MIT
/* POSIX message queues, and their file system. */
#include "../abi.h"
#include <mqueue.h>
#include <sys/vfs.h>

static volatile sig_atomic_t hits;
static volatile int last_code, last_value;
static volatile pid_t last_pid;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	hits++;
	last_code = info->si_code;
	last_value = info->si_value.sival_int;
	last_pid = info->si_pid;
}

static void attributes(const char *name, mqd_t q)
{
	struct mq_attr a;

	if (mq_getattr(q, &a))
		FAILED(name);
	else
		abi_line(name, "flags %lo maxmsg %ld msgsize %ld cur %ld", a.mq_flags, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static void file(const char *name, const char *path)
{
	char buf[200];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	STR(name, buf);
}

/* The one child there is; its signals may come first. */
static void reap(void)
{
	while (wait(NULL) < 0 && errno == EINTR) {
	}
}

static void test_open(void)
{
	struct mq_attr a = { .mq_maxmsg = 3, .mq_msgsize = 16 };
	mqd_t q, r;
	int fd;

	CALL("none", mq_open("/none", O_RDWR));
	DOES("create", q = mq_open("/one", O_RDWR | O_CREAT, 0640, NULL));
	attributes("default", q);
	NUM("close on exec", fcntl(q, F_GETFD));
	CALL("exclusive", mq_open("/one", O_RDWR | O_CREAT | O_EXCL, 0600, NULL));
	CALL("both ways", mq_open("/one", O_RDWR | O_WRONLY));
	DOES("again, other attributes", r = mq_open("/one", O_RDONLY | O_CREAT, 0600, &a));
	attributes("kept", r);
	CALL("send on read-only", mq_send(r, "x", 1, 0));
	mq_close(r);
	mq_close(q);
	CALL("raw with slash", syscall(SYS_mq_open, "/one", O_RDWR, 0, NULL));
	CALL("raw dot", syscall(SYS_mq_open, ".", O_RDWR, 0, NULL));
	CALL("raw empty", syscall(SYS_mq_open, "", O_RDWR, 0, NULL));
	CALL("raw fault", syscall(SYS_mq_open, 8, O_RDWR, 0, NULL));
	CALL("raw attr fault", syscall(SYS_mq_open, "two", O_RDWR | O_CREAT, 0600, 8));
	a.mq_maxmsg = 0;
	CALL("no messages", mq_open("/two", O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = 3;
	a.mq_msgsize = -1;
	CALL("negative size", mq_open("/two", O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = 65537;
	a.mq_msgsize = 1;
	CALL("too many messages", mq_open("/two", O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = 60;
	a.mq_msgsize = 16000;
	CALL("more than the limit", mq_open("/two", O_RDWR | O_CREAT, 0600, &a));
	a.mq_maxmsg = 98;
	a.mq_msgsize = 8300;
	CALL("a little more than the limit", mq_open("/two", O_RDWR | O_CREAT, 0600, &a));
	a.mq_msgsize = 8100;
	DOES("within the limit", q = mq_open("/two", O_RDWR | O_CREAT, 0600, &a));
	CALL("nothing left", mq_open("/three", O_RDWR | O_CREAT, 0600, &a));
	mq_close(q);
	CALL("unlink two", mq_unlink("/two"));
	fd = open("plain", O_RDWR | O_CREAT, 0600);
	CALL("send to a file", mq_send(fd, "x", 1, 0));
	CALL("receive from a file", syscall(SYS_mq_timedreceive, fd, NULL, 0, NULL, NULL));
	CALL("attributes of a file", syscall(SYS_mq_getsetattr, fd, NULL, NULL));
	CALL("notify of a file", mq_notify(fd, NULL));
	CALL("bad descriptor", mq_send(77, "x", 1, 0));
	close(fd);
	CALL("unlink", mq_unlink("/one"));
	CALL("unlink again", mq_unlink("/one"));
}

static void test_messages(void)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	mqd_t q = mq_open("/q", O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a);
	struct timespec past = { 1, 0 }, bad = { 1, -1 };
	char buf[16];
	unsigned prio = 99;

	CALL("empty", mq_receive(q, buf, 16, &prio));
	CALL("low", mq_send(q, "low", 4, 1));
	CALL("high", mq_send(q, "high", 5, 9));
	CALL("low 2", mq_send(q, "low 2", 6, 1));
	CALL("nothing", mq_send(q, "", 0, 32767));
	CALL("full", mq_send(q, "x", 1, 0));
	CALL("priority", mq_send(q, "x", 1, 32768));
	CALL("too long", mq_send(q, buf, 17, 0));
	CALL("small buffer", mq_receive(q, buf, 15, NULL));
	attributes("four", q);
	for (int i = 0; i < 4; i++) {
		memset(buf, 0, sizeof(buf));
		CALL("receive", mq_receive(q, buf, 16, &prio));
		abi_line("received", "\"%s\" %u", buf, prio);
	}
	a.mq_flags = 0;
	struct mq_attr old;
	CALL("setattr", mq_setattr(q, &a, &old));
	NUM("old flags", old.mq_flags);
	attributes("blocking", q);
	a.mq_flags = O_APPEND;
	CALL("setattr bad", mq_setattr(q, &a, NULL));
	CALL("late", mq_timedreceive(q, buf, 16, NULL, &past));
	CALL("bad time", mq_timedreceive(q, buf, 16, NULL, &bad));
	CALL("raw time fault", syscall(SYS_mq_timedreceive_time64, q, buf, 16, NULL, 8));
	CALL("raw old time fault", syscall(SYS_mq_timedreceive, q, buf, 16, NULL, 8));
	for (int i = 0; i < 4; i++)
		mq_send(q, "fill", 5, 0);
	CALL("send late", mq_timedsend(q, "x", 1, 0, &past));
	CALL("text fault", mq_send(q, (void *)8, 4, 0));
	CALL("receive fault", mq_receive(q, (void *)8, 16, NULL));
	attributes("one lost by the fault", q);
	CALL("attr fault", syscall(SYS_mq_getsetattr, q, NULL, 8));
	CALL("new attr fault", syscall(SYS_mq_getsetattr, q, 8, NULL));
	mq_close(q);
	mq_unlink("/q");
}

static void test_waiting(void)
{
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 16 };
	mqd_t q = mq_open("/w", O_RDWR | O_CREAT, 0600, &a);
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct itimerval soon = { { 0, 0 }, { 0, 50000 } };
	struct pollfd p = { q, POLLIN | POLLOUT, 0 };
	char buf[16] = "";
	unsigned prio;
	pid_t c;
	int s;

	CALL("poll empty", poll(&p, 1, 0));
	HEX("events", p.revents);
	c = fork();
	if (c == 0) {
		ssize_t n = mq_receive(q, buf, 16, &prio);
		abi_line("child received", "%zd \"%s\" %u", n, buf, prio);
		_exit(0);
	}
	abi_sleep_ms(50);
	mq_send(q, "hello", 6, 7);
	waitpid(c, &s, 0);
	mq_send(q, "first", 6, 0);
	CALL("poll full", poll(&p, 1, 0));
	HEX("events", p.revents);
	c = fork();
	if (c == 0)
		_exit(mq_send(q, "second", 7, 0) ? errno : 0);
	abi_sleep_ms(50);
	mq_receive(q, buf, 16, NULL);
	STR("first", buf);
	waitpid(c, &s, 0);
	abi_status("sender", s);
	mq_receive(q, buf, 16, NULL);
	STR("second", buf);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	CALL("interrupted", mq_receive(q, buf, 16, NULL));
	c = fork();
	if (c == 0) {
		abi_sleep_ms(50);
		_exit(mq_send(q, "wake", 5, 0));
	}
	p.events = POLLIN;
	CALL("poll waits", poll(&p, 1, 2000));
	waitpid(c, &s, 0);
	mq_close(q);
	mq_unlink("/w");
}

static void test_notify(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 4711 };
	mqd_t q = mq_open("/n", O_RDWR | O_CREAT, 0600, NULL), r;
	char buf[8192];

	sigaction(SIGUSR1, &sa, NULL);
	CALL("notify", mq_notify(q, &e));
	CALL("notify again", mq_notify(q, &e));
	if (fork() == 0) {
		CALL("child's notify", mq_notify(q, &e));
		CALL("child's no notify", mq_notify(q, NULL));
		mq_send(q, "x", 1, 0);
		_exit(0);
	}
	reap();
	abi_line("told", "%d code %d value %d by %s", (int)hits, last_code, last_value, last_pid == getpid() ? "me" : "another");
	hits = 0;
	mq_send(q, "y", 1, 0);
	NUM("once only", hits);
	CALL("notify while not empty", mq_notify(q, &e));
	mq_send(q, "z", 1, 0);
	NUM("not empty", hits);
	for (int i = 0; i < 3; i++)
		mq_receive(q, buf, sizeof(buf), NULL);
	mq_send(q, "z", 1, 0);
	abi_line("empty again", "%d by %s", (int)hits, last_pid == getpid() ? "me" : "another");
	mq_receive(q, buf, sizeof(buf), NULL);
	hits = 0;
	mq_notify(q, &e);
	CALL("no notify", mq_notify(q, NULL));
	mq_send(q, "z", 1, 0);
	NUM("not told", hits);
	mq_receive(q, buf, sizeof(buf), NULL);
	mq_notify(q, &e);
	r = mq_open("/n", O_RDWR);
	mq_close(r);
	mq_send(q, "z", 1, 0);
	NUM("not told after a close", hits);
	mq_receive(q, buf, sizeof(buf), NULL);
	e.sigev_notify = SIGEV_NONE;
	CALL("notify none", mq_notify(q, &e));
	mq_send(q, "z", 1, 0);
	CALL("used up", mq_notify(q, &e));
	e.sigev_notify = 9;
	CALL("notify bad", mq_notify(q, &e));
	e.sigev_notify = SIGEV_SIGNAL;
	e.sigev_signo = 65;
	CALL("notify bad signal", mq_notify(q, &e));
	CALL("notify fault", syscall(SYS_mq_notify, q, 8));
	mq_close(q);
	mq_unlink("/n");
}

static void test_files(void)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 16 };
	mqd_t q = mq_open("/seen", O_RDWR | O_CREAT, 0640, &a);
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct statfs fs;
	struct stat st;
	struct dirent *d;
	DIR *dir;
	int fd;

	mkdir("mq", 0755);
	CALL("mount", mount("none", "mq", "mqueue", 0, NULL));
	statfs("mq", &fs);
	abi_line("statfs", "%lx %ld %ld", (long)fs.f_type, (long)fs.f_bsize, (long)fs.f_namelen);
	stat("mq", &st);
	abi_line("root", "%o links %lu", st.st_mode, (unsigned long)st.st_nlink);
	mq_send(q, "hello", 6, 0);
	mq_send(q, "hello", 6, 0);
	CALL("stat", stat("mq/seen", &st));
	abi_line("file", "%o size %ld", st.st_mode, (long)st.st_size);
	file("text", "mq/seen");
	struct mq_attr got;
	fd = open("mq/made", O_RDWR | O_CREAT, 0600);
	YES("made by open", fd >= 0);
	CALL("is a queue", mq_getattr(fd, &got));
	abi_line("of the usual size", "%ld %ld", got.mq_maxmsg, got.mq_msgsize);
	CALL("write", write(fd, "x", 1));
	close(fd);
	dir = opendir("mq");
	int n = 0;
	while ((d = readdir(dir)))
		n++;
	closedir(dir);
	NUM("entries", n);
	CALL("mkdir", mkdir("mq/dir", 0755));
	CALL("rename", rename("mq/made", "mq/other"));
	CALL("link", link("mq/made", "mq/other"));
	CALL("symlink", symlink("made", "mq/other"));
	CALL("unlink", unlink("mq/made"));
	CALL("umount busy", umount("mq"));
	mq_receive(q, (char[16]){ 0 }, 16, NULL);
	mq_receive(q, (char[16]){ 0 }, 16, NULL);
	mq_notify(q, &e);
	mount("none", "mq", "mqueue", 0, NULL);
	char text[100] = "";
	fd = open("mq/seen", O_RDONLY);
	read(fd, text, sizeof(text) - 1);
	close(fd);
	int size, notify, signo, pid;
	NUM("fields", sscanf(text, "QSIZE:%d NOTIFY:%d SIGNO:%d NOTIFY_PID:%d", &size, &notify, &signo, &pid));
	abi_line("values", "%d %d %d %d", size, notify, signo, pid == getpid());
	umount("mq");
	mq_close(q);
	mq_unlink("/seen");
}

static void test_user(void)
{
	struct mq_attr a = { .mq_maxmsg = 11, .mq_msgsize = 16 };
	mqd_t q;

	DOES("mine", q = mq_open("/mine", O_RDWR | O_CREAT, 0640, NULL));

	if (fork() == 0) {
		mqd_t r;

		setgid(77);
		setuid(77);
		CALL("other's", mq_open("/mine", O_RDONLY));
		CALL("other's unlink", mq_unlink("/mine"));
		CALL("above msg_max", mq_open("/own", O_RDWR | O_CREAT, 0600, &a));
		a.mq_maxmsg = 1;
		a.mq_msgsize = 8193;
		CALL("above msgsize_max", mq_open("/own", O_RDWR | O_CREAT, 0600, &a));
		a.mq_msgsize = 16;
		DOES("own", r = mq_open("/own", O_RDWR | O_CREAT, 0600, &a));
		mq_close(r);
		CALL("own unlink", mq_unlink("/own"));
		_exit(0);
	}
	reap();
	mq_close(q);
	mq_unlink("/mine");
	file("queues_max", "/proc/sys/fs/mqueue/queues_max");
	file("msg_max", "/proc/sys/fs/mqueue/msg_max");
	file("msgsize_max", "/proc/sys/fs/mqueue/msgsize_max");
	file("msg_default", "/proc/sys/fs/mqueue/msg_default");
	file("msgsize_default", "/proc/sys/fs/mqueue/msgsize_default");
}

int main(void)
{
	char dir[] = "mqXXXXXX";

	if (!mkdtemp(dir) || chdir(dir))
		FAILED("directory");
	test_open();
	test_messages();
	test_waiting();
	test_notify();
	test_files();
	test_user();
	return 0;
}
