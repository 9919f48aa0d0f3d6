// SPDX-License-Identifier: MIT
/* The clock is set under those who wait for a time of day; ustat, process_mrelease. */
#include "../abi.h"
#include <sys/timerfd.h>

static void move(long seconds)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += seconds;
	clock_settime(CLOCK_REALTIME, &t);
}

static struct itimerspec at(long seconds)
{
	struct itimerspec s = { { 0, 0 }, { 0, 0 } };

	clock_gettime(CLOCK_REALTIME, &s.it_value);
	s.it_value.tv_sec += seconds;
	return s;
}

static struct itimerspec in(long seconds)
{
	struct itimerspec s = { { 0, 0 }, { seconds, 0 } };

	return s;
}

static void expired(const char *name, int fd)
{
	uint64_t n = 0;
	struct pollfd p = { fd, POLLIN, 0 };

	CALL(name, poll(&p, 1, 300));
	CALL("read", read(fd, &n, sizeof(n)));
	NUM("times", n);
}

static void test_timerfd(void)
{
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK), mono = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct itimerspec s = at(1000), left;

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &s, NULL);
	move(500);
	expired("half way", fd);
	timerfd_gettime(fd, &left);
	YES("left", left.it_value.tv_sec >= 490 && left.it_value.tv_sec <= 500);
	move(600);
	expired("there", fd);
	s = in(1000);
	timerfd_settime(fd, 0, &s, NULL);
	move(2000);
	expired("a relative one", fd);
	move(-3100);
	s = at(1000);
	CALL("cancel on set", timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL));
	move(10);
	expired("cancelled", fd);
	expired("once", fd);
	move(-10);
	s = at(1000);
	CALL("set without reading", timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL));
	CALL("set again", timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL));
	s = in(1000);
	CALL("relative with cancel", timerfd_settime(fd, TFD_TIMER_CANCEL_ON_SET, &s, NULL));
	move(10);
	expired("not cancelled", fd);
	move(-10);
	clock_gettime(CLOCK_MONOTONIC, &s.it_value);
	s.it_value.tv_sec += 100;
	CALL("monotonic with cancel", timerfd_settime(mono, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &s, NULL));
	move(200);
	expired("monotonic", mono);
	move(-200);
	close(fd);
	close(mono);
}

static volatile sig_atomic_t hits;

static void on_signal(int sig)
{
	(void)sig;
	hits++;
}

static void test_timer(void)
{
	struct sigevent e = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec s = at(1000);
	timer_t t;

	signal(SIGUSR1, on_signal);
	timer_create(CLOCK_REALTIME, &e, &t);
	timer_settime(t, TIMER_ABSTIME, &s, NULL);
	move(500);
	abi_sleep_ms(20);
	NUM("timer, half way", hits);
	move(600);
	abi_sleep_ms(20);
	NUM("timer, there", hits);
	s = in(100);
	timer_settime(t, 0, &s, NULL);
	move(200);
	abi_sleep_ms(20);
	NUM("relative timer", hits);
	move(-1300);
	timer_delete(t);
}

static void test_sleep(void)
{
	struct itimerspec s = at(1000);
	int st;
	pid_t c = fork();

	if (c == 0)
		_exit(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &s.it_value, NULL));
	abi_sleep_ms(50);
	move(500);
	abi_sleep_ms(50);
	NUM("sleeps on", waitpid(c, &st, WNOHANG));
	move(600);
	waitpid(c, &st, 0);
	abi_status("sleeper", st);
	move(-1100);
}

static void test_ustat(void)
{
	struct { int tfree; unsigned long tinode; char names[12]; } u;
	struct stat st;

	stat("/", &st);
	CALL("ustat", syscall(SYS_ustat, (unsigned)st.st_dev, &u));
	YES("free", u.tfree > 0 && u.tinode > 0);
	CALL("ustat fault", syscall(SYS_ustat, (unsigned)st.st_dev, 8));
	CALL("ustat nothing", syscall(SYS_ustat, 0x7777u, &u));
}

static void test_mrelease(void)
{
	pid_t c = fork();
	int fd, p[2];
	char *m = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	pipe(p);
	memset(m, 1, 1 << 20);
	if (c == 0)
		for (;;)
			pause();
	fd = (int)syscall(SYS_pidfd_open, c, 0);
	CALL("mrelease of the living", syscall(SYS_process_mrelease, fd, 0));
	CALL("mrelease flags", syscall(SYS_process_mrelease, fd, 1));
	CALL("mrelease of a pipe", syscall(SYS_process_mrelease, p[0], 0));
	CALL("mrelease of nothing", syscall(SYS_process_mrelease, 99, 0));
	kill(c, SIGKILL);
	waitpid(c, NULL, 0);
	CALL("mrelease of the dead", syscall(SYS_process_mrelease, fd, 0));
	close(fd);
}

int main(void)
{
	test_timerfd();
	test_timer();
	test_sleep();
	test_ustat();
	test_mrelease();
	return 0;
}
