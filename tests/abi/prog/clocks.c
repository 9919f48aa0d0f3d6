// SPDX-License-Identifier: MIT
/* Clocks, sleeps, interval timers, POSIX timers, alarm. */
#include "../abi.h"
#include <sys/times.h>

static volatile sig_atomic_t count;

static void on(int s)
{
	(void)s;
	count++;
}

static void spin_ms(long ms)
{
	struct timespec t;
	long long end;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	end = t.tv_sec * 1000LL + t.tv_nsec / 1000000 + ms;
	do {
		for (volatile int i = 0; i < 100000; i++) {
		}
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	} while (t.tv_sec * 1000LL + t.tv_nsec / 1000000 < end);
}

int main(void)
{
	struct timespec t, u;
	struct itimerval it = { { 0, 0 }, { 0, 30000 } }, old;
	struct timeval tv;
	struct tms tms;
	long long a;
	static const struct { int id; const char *name; } clocks[] = {
		{ CLOCK_REALTIME, "realtime" }, { CLOCK_MONOTONIC, "monotonic" },
		{ CLOCK_PROCESS_CPUTIME_ID, "process" }, { CLOCK_THREAD_CPUTIME_ID, "thread" },
		{ CLOCK_MONOTONIC_RAW, "raw" }, { CLOCK_REALTIME_COARSE, "realtime coarse" },
		{ CLOCK_MONOTONIC_COARSE, "monotonic coarse" }, { CLOCK_BOOTTIME, "boottime" },
		{ CLOCK_TAI, "tai" }, { 99, "bad" } };

	for (unsigned i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		CALL(clocks[i].name, clock_gettime(clocks[i].id, &t));
		CALL("raw call", syscall(SYS_clock_gettime, clocks[i].id, &t));
		CALL("raw 64", syscall(SYS_clock_gettime64, clocks[i].id, (long long[2]) { 0 }));
		t.tv_nsec = 0;
		CALL("resolution", clock_getres(clocks[i].id, &t));
	}
	clock_getres(CLOCK_MONOTONIC, &t);
	NUM("resolution ns", t.tv_nsec);
	clock_gettime(CLOCK_REALTIME, &t);
	YES("after 2020", t.tv_sec > 1577836800);
	YES("nsec range", t.tv_nsec >= 0 && t.tv_nsec < 1000000000);
	gettimeofday(&tv, NULL);
	YES("gettimeofday agrees", labs((long)(tv.tv_sec - t.tv_sec)) <= 1);
	YES("time agrees", labs((long)(time(NULL) - t.tv_sec)) <= 1);
	int backward = 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	for (int i = 0; i < 20000; i++) {
		clock_gettime(CLOCK_MONOTONIC, &u);
		backward += u.tv_sec < t.tv_sec || (u.tv_sec == t.tv_sec && u.tv_nsec < t.tv_nsec);
		t = u;
	}
	NUM("backward", backward);
	a = abi_now_ms();
	CALL("nanosleep", nanosleep(&(struct timespec) { 0, 50000000 }, NULL));
	a = abi_now_ms() - a;
	YES("slept", a >= 49 && a < 500);
	CALL("nanosleep negative", nanosleep(&(struct timespec) { -1, 0 }, NULL));
	CALL("nanosleep nsec", nanosleep(&(struct timespec) { 0, 1000000000 }, NULL));
	CALL("nanosleep zero", nanosleep(&(struct timespec) { 0, 0 }, NULL));
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += 30000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	GIVES("absolute", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
	clock_gettime(CLOCK_MONOTONIC, &u);
	YES("reached", u.tv_sec > t.tv_sec || u.tv_nsec >= t.tv_nsec);
	GIVES("absolute past", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec) { 5, 0 }, NULL));
	GIVES("sleep bad clock", clock_nanosleep(77, 0, &t, NULL));
	GIVES("sleep thread clock", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &t, NULL));
	signal(SIGALRM, on);
	signal(SIGVTALRM, on);
	signal(SIGPROF, on);
	sigset_t alarm_only, before;
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_BLOCK, &alarm_only, &before); /* on a slow machine it comes before we wait */
	CALL("setitimer", setitimer(ITIMER_REAL, &it, NULL));
	CALL("sigsuspend", sigsuspend(&before));
	sigprocmask(SIG_SETMASK, &before, NULL);
	NUM("alarms", count);
	CALL("getitimer", getitimer(ITIMER_REAL, &old));
	abi_line("spent", "%ld %ld", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
	it.it_interval.tv_usec = 10000;
	count = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	while (count < 5)
		pause();
	YES("periodic", count >= 5);
	getitimer(ITIMER_REAL, &old);
	NUM("interval", old.it_interval.tv_usec);
	it = (struct itimerval) { 0 };
	CALL("stop", setitimer(ITIMER_REAL, &it, &old));
	NUM("old interval", old.it_interval.tv_usec);
	it.it_value.tv_usec = 1000000;
	CALL("bad usec", setitimer(ITIMER_REAL, &it, NULL));
	CALL("bad which", setitimer(9, &it, NULL));
	count = 0;
	it.it_value.tv_usec = 20000;
	CALL("virtual", setitimer(ITIMER_VIRTUAL, &it, NULL));
	spin_ms(150);
	YES("virtual fired", count > 0);
	count = 0;
	CALL("prof", setitimer(ITIMER_PROF, &it, NULL));
	spin_ms(150);
	YES("prof fired", count > 0);
	CALL("alarm", alarm(10));
	CALL("alarm again", alarm(5));
	CALL("alarm off", alarm(0));
	CALL("alarm none", alarm(0));
	timer_t id;
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
	struct itimerspec its = { { 0, 10000000 }, { 0, 10000000 } }, now;
	CALL("timer_create", timer_create(CLOCK_MONOTONIC, &ev, &id));
	CALL("timer_settime", timer_settime(id, 0, &its, NULL));
	count = 0;
	while (count < 3)
		pause();
	CALL("timer_gettime", timer_gettime(id, &now));
	NUM("timer interval", now.it_interval.tv_nsec);
	CALL("timer_delete", timer_delete(id));
	CALL("raw timer gone", syscall(SYS_timer_gettime, 12345, &now));
	CALL("raw timer bad clock", syscall(SYS_timer_create, 99, NULL, &id));
	sigset_t m;
	sigemptyset(&m);
	sigaddset(&m, SIGALRM);
	sigprocmask(SIG_BLOCK, &m, NULL);
	timer_create(CLOCK_MONOTONIC, &ev, &id);
	timer_settime(id, 0, &its, NULL);
	abi_sleep_ms(55);
	siginfo_t si;
	memset(&si, 0, sizeof(si));
	sigwaitinfo(&m, &si);
	abi_line("timer info", "code %d overrun %s", si.si_code, si.si_overrun >= 3 ? "some" : "few");
	timer_delete(id);
	YES("times", times(&tms) != (clock_t)-1);
	YES("times user", tms.tms_utime + tms.tms_stime >= 10);
	CHILD("settime user", setuid(1000); CALL("clock_settime", clock_settime(CLOCK_REALTIME, &t));
		CALL("settimeofday", settimeofday(&tv, NULL)));
	CALL("settime monotonic", clock_settime(CLOCK_MONOTONIC, &t));
	CALL("settime nsec", clock_settime(CLOCK_REALTIME, &(struct timespec) { 100, -5 }));
	CALL("clock of process", clock_gettime((clockid_t)(~(unsigned)getpid() << 3 | 2), &t));
	CALL("clock of missing", clock_gettime((clockid_t)(~99999u << 3 | 2), &t));
	return 0;
}
