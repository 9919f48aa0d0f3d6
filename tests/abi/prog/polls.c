// SPDX-License-Identifier: MIT
/* poll, ppoll, select, pselect, epoll, eventfd, timerfd, signalfd. */
#include "../abi.h"
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void one(const char *name, int fd, short events)
{
	struct pollfd p = { fd, events, 0 };
	int n = poll(&p, 1, 0);

	abi_line(name, "%d revents %x", n, (unsigned)p.revents);
}

static void on_alarm(int s)
{
	(void)s;
}

static void test_poll(void)
{
	int p[2], fd = open("f", O_RDWR | O_CREAT, 0644);
	struct pollfd pf[3];
	long long t;

	pipe(p);
	one("read end empty", p[0], POLLIN | POLLOUT);
	one("write end", p[1], POLLIN | POLLOUT);
	write(p[1], "x", 1);
	one("read end full", p[0], POLLIN | POLLRDNORM | POLLPRI);
	one("file", fd, POLLIN | POLLOUT);
	one("bad fd", 99, POLLIN);
	one("negative fd", -1, POLLIN);
	one("no events", p[0], 0);
	one("dev null", open("/dev/null", O_RDWR), POLLIN | POLLOUT);
	int w = p[1];
	close(w);
	one("hup with data", p[0], POLLIN);
	char c;
	read(p[0], &c, 1);
	one("hup", p[0], POLLIN);
	pipe(p);
	close(p[0]);
	one("err", p[1], POLLOUT);
	pipe(p);
	pf[0] = (struct pollfd) { p[0], POLLIN, 0 };
	pf[1] = (struct pollfd) { p[1], POLLOUT, 0 };
	CALL("two", poll(pf, 2, -1));
	t = abi_now_ms();
	CALL("timeout", poll(pf, 1, 50));
	t = abi_now_ms() - t;
	YES("waited", t >= 49 && t < 2000);
	CALL("none", poll(NULL, 0, 10));
	CALL("efault", poll((void *)8, 1, 0));
	CALL("too many", poll(pf, 1u << 30, 0));
	CALL("ppoll", ppoll(pf, 1, &(struct timespec) { 0, 1000000 }, NULL));
	CALL("ppoll bad time", ppoll(pf, 1, &(struct timespec) { 0, 2000000000 }, NULL));
	CHILD("wakes", pid_t k = fork();
		if (k == 0) { abi_sleep_ms(30); write(p[1], "y", 1); _exit(0); }
		CALL("woken", poll(pf, 1, 5000));
		waitpid(k, NULL, 0));
	read(p[0], &c, 1);
	signal(SIGALRM, on_alarm);
	struct itimerval it = { .it_value = { 0, 30000 } };
	setitimer(ITIMER_REAL, &it, NULL);
	CALL("eintr", poll(pf, 1, 5000));
	sigset_t m, none;
	sigemptyset(&none);
	sigemptyset(&m);
	sigaddset(&m, SIGALRM);
	sigprocmask(SIG_BLOCK, &m, NULL);
	raise(SIGALRM);
	CALL("poll with blocked", poll(pf, 1, 5));
	CALL("ppoll unblocks", ppoll(pf, 1, NULL, &none));
	sigprocmask(SIG_UNBLOCK, &m, NULL);
	fd_set r, s, e;
	FD_ZERO(&r); FD_ZERO(&s); FD_ZERO(&e);
	FD_SET(p[0], &r);
	FD_SET(p[1], &s);
	FD_SET(p[0], &e);
	struct timeval tv = { 1, 0 };
	CALL("select", select(p[1] + 1, &r, &s, &e, &tv));
	abi_line("sets", "%d %d %d", !!FD_ISSET(p[0], &r), !!FD_ISSET(p[1], &s), !!FD_ISSET(p[0], &e));
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	tv = (struct timeval) { 0, 30000 };
	CALL("select timeout", select(p[0] + 1, &r, NULL, NULL, &tv));
	abi_line("left", "%ld.%06ld set %d", (long)tv.tv_sec, (long)tv.tv_usec, !!FD_ISSET(p[0], &r));
	FD_ZERO(&r);
	FD_SET(90, &r);
	CALL("select bad fd", select(91, &r, NULL, NULL, &tv));
	CALL("select negative", select(-1, NULL, NULL, NULL, &tv));
	tv = (struct timeval) { -1, 0 };
	CALL("select bad time", select(0, NULL, NULL, NULL, &tv));
	CALL("pselect", pselect(0, NULL, NULL, NULL, &(struct timespec) { 0, 1000 }, NULL));
}

static void test_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0x1122334455667788 }, out[4];
	int p[2], ep, n;

	CALL("create", ep = epoll_create1(EPOLL_CLOEXEC));
	CALL("getfd", fcntl(ep, F_GETFD));
	CALL("create bad", epoll_create1(1));
	CALL("create 0", epoll_create(0));
	pipe(p);
	CALL("add", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	CALL("add twice", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev));
	CALL("add self", epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev));
	CALL("add bad", epoll_ctl(ep, EPOLL_CTL_ADD, 99, &ev));
	int fd = open("f", O_RDWR | O_CREAT, 0644);
	CALL("add file", epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	CALL("del missing", epoll_ctl(ep, EPOLL_CTL_DEL, p[1], &ev));
	CALL("mod missing", epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev));
	CALL("bad op", epoll_ctl(ep, 9, p[1], &ev));
	CALL("not epoll", epoll_ctl(fd, EPOLL_CTL_ADD, p[1], &ev));
	CALL("wait none", epoll_wait(ep, out, 4, 0));
	write(p[1], "a", 1);
	CALL("wait", n = epoll_wait(ep, out, 4, 1000));
	HEX("events", out[0].events);
	HEX("data", out[0].data.u64);
	CALL("level again", epoll_wait(ep, out, 4, 0));
	ev.events = EPOLLIN | EPOLLET;
	CALL("mod edge", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev));
	CALL("edge once", epoll_wait(ep, out, 4, 0));
	CALL("edge twice", epoll_wait(ep, out, 4, 0));
	write(p[1], "b", 1);
	CALL("edge again", epoll_wait(ep, out, 4, 0));
	ev.events = EPOLLIN | EPOLLONESHOT;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
	CALL("oneshot", epoll_wait(ep, out, 4, 0));
	CALL("oneshot spent", epoll_wait(ep, out, 4, 0));
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
	CALL("rearmed", epoll_wait(ep, out, 4, 0));
	CALL("maxevents 0", epoll_wait(ep, out, 0, 0));
	CALL("wait efault", epoll_wait(ep, (void *)8, 4, 0));
	one("poll epoll idle", ep, POLLIN);
	ev.events = EPOLLIN;
	epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &ev);
	one("poll epoll ready", ep, POLLIN);
	close(p[1]);
	epoll_wait(ep, out, 4, 0);
	HEX("hup", out[0].events);
	close(p[0]);
	CALL("closed is gone", epoll_wait(ep, out, 4, 0));
	CALL("pwait", epoll_pwait(ep, out, 4, 5, NULL));
}

static void test_event(void)
{
	uint64_t v = 0;
	int e;

	CALL("eventfd", e = eventfd(3, EFD_NONBLOCK));
	CALL("read", read(e, &v, 8));
	NUM("value", v);
	CALL("read empty", read(e, &v, 8));
	v = 5;
	CALL("write", write(e, &v, 8));
	write(e, &v, 8);
	one("readable", e, POLLIN | POLLOUT);
	read(e, &v, 8);
	NUM("sum", v);
	v = UINT64_MAX;
	CALL("write max", write(e, &v, 8));
	v = UINT64_MAX - 1;
	CALL("write max-1", write(e, &v, 8));
	v = 1;
	CALL("overflow", write(e, &v, 8));
	CALL("short", write(e, &v, 4));
	CALL("short read", read(e, &v, 4));
	CALL("bad flag", eventfd(0, 0x100));
	int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	read(s, &v, 8);
	NUM("semaphore", v);
	read(s, &v, 8);
	CALL("semaphore empty", read(s, &v, 8));
	int t;
	CALL("timerfd", t = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	CALL("timerfd idle", read(t, &v, 8));
	struct itimerspec its = { { 0, 10000000 }, { 0, 10000000 } }, old;
	CALL("settime", timerfd_settime(t, 0, &its, NULL));
	one("timer not yet", t, POLLIN);
	abi_sleep_ms(35);
	CALL("timer read", read(t, &v, 8));
	YES("ticks", v >= 3);
	CALL("gettime", timerfd_gettime(t, &old));
	NUM("interval", old.it_interval.tv_nsec);
	its = (struct itimerspec) { { 0, 1 }, { 0, 1 } }; /* shorter than anything takes */
	CALL("settime shortest", timerfd_settime(t, 0, &its, NULL));
	abi_sleep_ms(5);
	one("timer expired", t, POLLIN);
	CALL("shortest read", read(t, &v, 8));
	YES("many ticks", v >= 1000000);
	abi_sleep_ms(5);
	CALL("shortest read again", read(t, &v, 8));
	YES("many ticks again", v >= 1000000);
	CALL("bad clock", timerfd_create(77, 0));
	its.it_value.tv_nsec = -1;
	CALL("bad time", timerfd_settime(t, 0, &its, NULL));
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigprocmask(SIG_BLOCK, &m, NULL);
	int sf;
	CALL("signalfd", sf = signalfd(-1, &m, SFD_NONBLOCK));
	struct signalfd_siginfo si;
	CALL("signalfd empty", read(sf, &si, sizeof(si)));
	kill(getpid(), SIGUSR1);
	one("signalfd ready", sf, POLLIN);
	CALL("signalfd read", read(sf, &si, sizeof(si)));
	NUM("signo", si.ssi_signo);
	NUM("code", si.ssi_code);
	YES("pid", si.ssi_pid == (uint32_t)getpid());
	CALL("signalfd short", read(sf, &si, 10));
}

int main(void)
{
	test_poll();
	test_epoll();
	test_event();
	return 0;
}
