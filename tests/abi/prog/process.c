// SPDX-License-Identifier: MIT
/* fork, vfork, wait4, waitid, exit statuses, groups, sessions, limits, rusage. */
#include "../abi.h"
#include <sys/prctl.h>

static int shared_variable = 1;

static void test_wait(void)
{
	int s = 0;
	siginfo_t si;
	struct rusage ru;
	pid_t c, d;

	CALL("no child", wait(&s));
	CALL("no child nohang", waitpid(-1, &s, WNOHANG));
	CALL("not my child", waitpid(1, &s, 0));
	CALL("bad options", waitpid(-1, &s, 0x100));
	CHILD("exit 0", _exit(0));
	CHILD("exit 255", _exit(255));
	CHILD("exit 256", _exit(256));
	CHILD("exit -1", _exit(-1));
	CHILD("abort", abort());
	CHILD("kill", kill(getpid(), SIGKILL));
	CHILD("term", raise(SIGTERM));
	CHILD("segv", setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 }); *(volatile int *)8 = 1);
	CHILD("fpe", volatile int z = 0; z = 7 / z);
	CHILD("ill", __asm__ volatile("ud2"));
	CHILD("trap", __asm__ volatile("int3"));
	CHILD("privileged", __asm__ volatile("hlt"));
	CHILD("memory is copied", shared_variable = 2);
	NUM("variable", shared_variable);
	c = fork();
	if (c == 0) {
		abi_sleep_ms(40);
		_exit(3);
	}
	CALL("nohang", waitpid(c, &s, WNOHANG));
	YES("wait4 pid", wait4(c, &s, 0, &ru) == c);
	abi_status("wait4", s);
	CALL("again", waitpid(c, &s, 0));
	c = fork();
	if (c == 0)
		_exit(9);
	memset(&si, 0, sizeof(si));
	CALL("waitid nowait", waitid(P_PID, (id_t)c, &si, WEXITED | WNOWAIT));
	abi_line("info", "signo %d code %d status %d pid %d uid %d", si.si_signo, si.si_code, si.si_status,
		 si.si_pid == c, si.si_uid);
	CALL("waitid reap", waitid(P_PID, (id_t)c, &si, WEXITED));
	CALL("waitid gone", waitid(P_PID, (id_t)c, &si, WEXITED));
	CALL("waitid no kind", waitid(P_ALL, 0, &si, 0));
	CALL("waitid bad type", waitid(99, 0, &si, WEXITED));
	c = fork();
	if (c == 0)
		for (;;)
			pause();
	memset(&si, 1, sizeof(si));
	CALL("waitid nohang", waitid(P_PID, (id_t)c, &si, WEXITED | WNOHANG));
	NUM("waitid nohang pid", si.si_pid);
	kill(c, SIGSTOP);
	CALL("waitid stopped", waitid(P_PID, (id_t)c, &si, WSTOPPED));
	abi_line("stopped info", "code %d status %d", si.si_code, si.si_status);
	kill(c, SIGCONT);
	CALL("waitid continued", waitid(P_PID, (id_t)c, &si, WCONTINUED));
	abi_line("continued info", "code %d status %d", si.si_code, si.si_status);
	kill(c, SIGUSR2);
	CALL("waitid killed", waitid(P_PID, (id_t)c, &si, WEXITED));
	abi_line("killed info", "code %d status %d", si.si_code, si.si_status);
	/* Ignoring SIGCHLD reaps by itself. */
	signal(SIGCHLD, SIG_IGN);
	if ((c = fork()) == 0)
		_exit(1);
	CALL("sigchld ignored", waitpid(c, &s, 0));
	signal(SIGCHLD, SIG_DFL);
	/* By group. */
	c = fork();
	if (c == 0) {
		setpgid(0, 0);
		_exit(4);
	}
	setpgid(c, c);
	d = fork();
	if (d == 0)
		_exit(5);
	YES("wait group", waitpid(-c, &s, 0) == c);
	abi_status("group", s);
	YES("wait own group", waitpid(0, &s, 0) == d);
	abi_status("own group", s);
	c = vfork();
	if (c == 0)
		_exit(6);
	waitpid(c, &s, 0);
	abi_status("vfork", s);
	YES("vfork ran first", c > 0);
	/* Orphans go to the subreaper. */
	CALL("subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1));
	int p[2];
	pipe(p);
	c = fork();
	if (c == 0) {
		d = fork();
		if (d == 0) {
			abi_sleep_ms(30);
			char ok = getppid() == getpgrp() || getppid() > 1;
			write(p[1], &ok, 1);
			_exit(8);
		}
		_exit(2);
	}
	waitpid(c, &s, 0);
	abi_status("middle", s);
	char ok = 0;
	read(p[0], &ok, 1);
	YES("orphan came here", ok);
	YES("orphan waited", wait(&s) > 0);
	abi_status("orphan", s);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
	CALL("pdeathsig", prctl(PR_SET_PDEATHSIG, SIGTERM));
	prctl(PR_SET_PDEATHSIG, 0);
	char name[16];
	CALL("set name", prctl(PR_SET_NAME, "a-very-long-process-name"));
	CALL("get name", prctl(PR_GET_NAME, name));
	STR("name", name);
	CALL("prctl bad", prctl(9999, 0, 0, 0, 0));
	CALL("dumpable", prctl(PR_GET_DUMPABLE));
}

static void test_groups(void)
{
	YES("session leader", getsid(0) == getpid());
	YES("group leader", getpgrp() == getpid());
	CALL("setsid as leader", setsid());
	CALL("setpgid session leader", setpgid(0, 0));
	CALL("setpgid missing", setpgid(99999, 0));
	CALL("setpgid negative", setpgid(0, -1));
	CALL("getpgid missing", getpgid(99999));
	CALL("getsid missing", getsid(99999));
	CALL("getsid 1", getsid(1) >= 0);
	CHILD("child groups",
		YES("in parent's group", getpgrp() == getppid());
		CALL("own group", setpgid(0, 0));
		YES("own leader", getpgrp() == getpid());
		CALL("foreign group", setpgid(0, 1));
		CALL("back", setpgid(0, getppid()));
		CALL("setsid", setsid() == getpid());
		YES("sid", getsid(0) == getpid());
		CALL("parent", setpgid(getppid(), getppid())));
	pid_t c = fork();
	if (c == 0) {
		execl("/bin/busybox", "sleep", "5", NULL);
		_exit(1);
	}
	abi_sleep_ms(100);
	CALL("setpgid after exec", setpgid(c, c));
	CALL("kill", kill(c, SIGKILL));
	waitpid(c, NULL, 0);
	CALL("tcgetpgrp none", tcgetpgrp(0));
	CALL("open tty none", open("/dev/tty", O_RDWR));
}

static void test_limits(void)
{
	struct rlimit r;
	struct rusage ru;

	static const struct { int n; const char *name; } limits[] = {
		{ RLIMIT_CPU, "cpu" }, { RLIMIT_FSIZE, "fsize" }, { RLIMIT_DATA, "data" },
		{ RLIMIT_STACK, "stack" }, { RLIMIT_CORE, "core" }, { RLIMIT_RSS, "rss" },
		{ RLIMIT_NOFILE, "nofile" }, { RLIMIT_AS, "as" }, { RLIMIT_LOCKS, "locks" },
		{ RLIMIT_NICE, "nice" }, { RLIMIT_RTPRIO, "rtprio" }, { RLIMIT_MSGQUEUE, "msgqueue" } };
	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		getrlimit(limits[i].n, &r);
		abi_line(limits[i].name, "%llx %llx", (unsigned long long)r.rlim_cur,
			 (unsigned long long)r.rlim_max);
	}
	CALL("bad resource", getrlimit(99, &r));
	r = (struct rlimit) { 20, 10 };
	CALL("cur over max", setrlimit(RLIMIT_NOFILE, &r));
	struct rlimit64 { uint64_t cur, max; } a = { 50, 60 }, b = { 0, 0 };
	CALL("prlimit set", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &a, &b));
	CALL("prlimit get", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &b));
	abi_line("prlimit", "%llu %llu", (unsigned long long)b.cur, (unsigned long long)b.max);
	CALL("prlimit missing", syscall(SYS_prlimit64, 99999, RLIMIT_NOFILE, NULL, &b));
	CHILD("inherited", getrlimit(RLIMIT_NOFILE, &r); NUM("cur", r.rlim_cur));
	CHILD("unprivileged", setuid(1000);
		r = (struct rlimit) { 10, 60 };
		CALL("lower cur", setrlimit(RLIMIT_NOFILE, &r));
		r = (struct rlimit) { 60, 60 };
		CALL("raise cur", setrlimit(RLIMIT_NOFILE, &r));
		r = (struct rlimit) { 60, 61 };
		CALL("raise max", setrlimit(RLIMIT_NOFILE, &r)));
	CALL("rusage self", getrusage(RUSAGE_SELF, &ru));
	YES("maxrss", ru.ru_maxrss > 50);
	YES("minflt", ru.ru_minflt > 10);
	CALL("rusage children", getrusage(RUSAGE_CHILDREN, &ru));
	CALL("rusage bad", getrusage(55, &ru));
	CHILD("cpu counted", volatile long x = 0;
		long long t = abi_now_ms();
		while (abi_now_ms() - t < 60)
			x++;
		getrusage(RUSAGE_SELF, &ru);
		YES("time used", ru.ru_utime.tv_sec * 1000000L + ru.ru_utime.tv_usec
		    + ru.ru_stime.tv_sec * 1000000L + ru.ru_stime.tv_usec >= 20000));
	CHILD("cpu limit", r = (struct rlimit) { 1, 2 }; setrlimit(RLIMIT_CPU, &r); for (;;));
	CALL("getpriority", getpriority(PRIO_PROCESS, 0));
	CALL("nice", nice(5));
	CALL("getpriority after", getpriority(PRIO_PROCESS, 0));
	CALL("raw getpriority", syscall(SYS_getpriority, PRIO_PROCESS, 0));
	CALL("setpriority", setpriority(PRIO_PROCESS, 0, 50));
	CALL("clamped", getpriority(PRIO_PROCESS, 0));
	CALL("setpriority bad", setpriority(9, 0, 0));
	CALL("setpriority missing", setpriority(PRIO_PROCESS, 99999, 0));
	CHILD("nice user", setuid(1000); CALL("raise", setpriority(PRIO_PROCESS, 0, -5)));
	CALL("sched get", sched_getscheduler(0));
	CALL("sched max fifo", sched_get_priority_max(SCHED_FIFO));
	CALL("sched min other", sched_get_priority_min(SCHED_OTHER));
	CALL("sched bad", sched_get_priority_min(77));
	CALL("yield", sched_yield());
	cpu_set_t cpus;
	CPU_ZERO(&cpus);
	DOES("affinity", sched_getaffinity(0, sizeof(cpus), &cpus));
	NUM("cpus", CPU_COUNT(&cpus));
	struct timespec ts;
	CALL("rr interval bad", sched_rr_get_interval(-1, &ts));
}

int main(void)
{
	test_wait();
	test_groups();
	test_limits();
	return 0;
}
