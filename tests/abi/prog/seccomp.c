// SPDX-License-Identifier: MIT
/* seccomp(2): strict mode; filters that allow, fail, trap, kill and ask a tracer; what a program may hold; threads; who may. */
#include "../abi.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define NR BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define WHEN(n, answer) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, n, 0, 1), BPF_STMT(BPF_RET | BPF_K, answer)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define INSTALL(how, ...) ({ struct sock_filter f_[] = { __VA_ARGS__ }; struct sock_fprog p_ = { sizeof(f_) / sizeof(f_[0]), f_ }; \
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, how, &p_); })

static void say(const char *text)
{
	syscall(SYS_write, 1, text, strlen(text));
}

static void test_strict(void)
{
	CHILD("read, write, exit", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); say("check strict: writes\n"); syscall(SYS_exit, 3));
	CHILD("another call", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); getppid(); syscall(SYS_exit, 3));
	CHILD("exit_group", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT); _exit(3));
	CALL("strict with flags", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
	CALL("strict with args", syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, &(int){ 0 }));
	CALL("bad op", syscall(SYS_seccomp, 77, 0, NULL));
	CALL("bad mode", prctl(PR_SET_SECCOMP, 7));
	CALL("mode", prctl(PR_GET_SECCOMP));
}

static volatile int got_code, got_errno, got_nr;
static volatile unsigned got_arch;
static void on_sys(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	got_code = si->si_code;
	got_errno = si->si_errno;
	got_nr = si->si_syscall;
	got_arch = si->si_arch;
}

static void trapped(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
	long r;

	sigaction(SIGSYS, &sa, NULL);
	CALL("install", INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_TRAP | 55), ALLOW));
	r = syscall(SYS_getppid);
	abi_line("trap", "result is the number %d code %d errno %d nr %d arch %x", r == SYS_getppid, got_code, got_errno, got_nr == SYS_getppid, got_arch);
}

static void failing(void)
{
	CALL("install", INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV), WHEN(SYS_getuid32, SECCOMP_RET_ERRNO | 5000), WHEN(SYS_getgid32, SECCOMP_RET_ERRNO),
				ALLOW));
	CALL("errno", syscall(SYS_getppid));
	CALL("large errno", syscall(SYS_getuid32));
	CALL("errno 0", syscall(SYS_getgid32));
	CALL("mode", prctl(PR_GET_SECCOMP));
	CALL("strict now", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
	CALL("second", INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_ERRNO | ENOTTY), WHEN(SYS_geteuid32, SECCOMP_RET_ERRNO | EBUSY), ALLOW));
	CALL("the newer", syscall(SYS_getppid));
	CALL("one more", syscall(SYS_geteuid32));
	CHILD("child has it", CALL("in the child", syscall(SYS_geteuid32)));
	CALL("no listener", INSTALL(0, NR, WHEN(SYS_getegid32, SECCOMP_RET_USER_NOTIF), ALLOW));
	CALL("notify", syscall(SYS_getegid32));
	CALL("no tracer", INSTALL(0, NR, WHEN(SYS_getpgid, SECCOMP_RET_TRACE), ALLOW));
	CALL("trace", syscall(SYS_getpgid, 0));
}

static void arguments(void)
{
	CALL("install", INSTALL(0, NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_close, 0, 3),
				BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 100, 0, 1),
				BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EDOM), BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
				BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), ALLOW));
	CALL("close 50", close(50));
	CALL("close 101", close(101));
	CALL("computing", INSTALL(0, NR, BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
				  BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2), BPF_STMT(BPF_ST, 5), BPF_STMT(BPF_LDX | BPF_MEM, 5), BPF_STMT(BPF_LD | BPF_IMM, SYS_getppid),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EIO), BPF_STMT(BPF_LD | BPF_LEN, 0),
				  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 64, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD), ALLOW));
	CALL("getppid", syscall(SYS_getppid));
	CALL("others", syscall(SYS_getuid32) == -1);
}

static void *kills_itself(void *arg)
{
	(void)arg;
	INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_KILL_THREAD), ALLOW);
	syscall(SYS_getppid);
	return NULL;
}

static void *asks(void *arg)
{
	abi_sleep_ms((long)arg);
	errno = 0;
	return (void *)(syscall(SYS_getppid) == -1 ? (long)errno : 0L);
}

static void *has_none_to_gain(void *arg)
{
	abi_sleep_ms((long)arg);
	return (void *)(long)prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0);
}

/* With the filter a sibling gets no_new_privs, once its thread has it. */
static void threads_gain_nothing(void)
{
	pthread_t t;
	void *r;

	pthread_create(&t, NULL, has_none_to_gain, (void *)0);
	pthread_join(t, &r);
	NUM("sibling before", (long)r);
	pthread_create(&t, NULL, has_none_to_gain, (void *)50);
	CALL("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CALL("to all", INSTALL(SECCOMP_FILTER_FLAG_TSYNC, ALLOW));
	pthread_join(t, &r);
	NUM("sibling after", (long)r);
	_exit(7);
}

static void threads(void)
{
	pthread_t t;
	void *r;

	pthread_create(&t, NULL, kills_itself, NULL);
	abi_sleep_ms(50);
	say("check thread: only it is gone\n");
	pthread_create(&t, NULL, asks, (void *)50);
	CALL("to all", INSTALL(SECCOMP_FILTER_FLAG_TSYNC, NR, WHEN(SYS_getppid, SECCOMP_RET_ERRNO | EDOM), ALLOW));
	pthread_join(t, &r);
	STR("sibling", abi_errno((int)(long)r));
	_exit(7);
}

static void refuses(const char *name, struct sock_filter *f, unsigned n)
{
	struct sock_fprog p = { (unsigned short)n, f };

	CALL(name, syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p));
}
#define REFUSED(name, ...) do { struct sock_filter f_[] = { __VA_ARGS__ }; refuses(name, f_, sizeof(f_) / sizeof(f_[0])); } while (0)

static void test_checks(void)
{
	struct sock_filter none = ALLOW;

	refuses("empty", &none, 0);
	refuses("too long", &none, 5000);
	refuses("bad pointer", (void *)16, 1);
	CALL("bad program pointer", syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 16));
	CALL("bad flags", INSTALL(0x1000, ALLOW));
	CALL("notif sizes flags", syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, NULL));
	REFUSED("no return", NR);
	REFUSED("jump out", BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0), ALLOW);
	REFUSED("branch out", BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 3, 0), ALLOW);
	REFUSED("unwritten memory", BPF_STMT(BPF_LD | BPF_MEM, 3), ALLOW);
	REFUSED("written on one way", NR, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 1), BPF_STMT(BPF_ST, 3), BPF_STMT(BPF_LD | BPF_MEM, 3), ALLOW);
	REFUSED("memory beyond", BPF_STMT(BPF_ST, 16), ALLOW);
	REFUSED("load beyond", BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), ALLOW);
	REFUSED("odd load", BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), ALLOW);
	REFUSED("byte load", BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), ALLOW);
	REFUSED("indexed", BPF_STMT(BPF_LD | BPF_W | BPF_IND, 0), ALLOW);
	REFUSED("by zero", BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), ALLOW);
	REFUSED("modulo", BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), ALLOW);
	REFUSED("wide shift", BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), ALLOW);
	REFUSED("unknown", BPF_STMT(0xff, 0), ALLOW);
	REFUSED("return X", BPF_STMT(BPF_RET | BPF_X, 0));
	for (unsigned i = 0; i < 7; i++) {
		static const unsigned a[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD, SECCOMP_RET_TRAP, SECCOMP_RET_ERRNO, SECCOMP_RET_TRACE, SECCOMP_RET_LOG, 0x1234 };
		char name[32];

		snprintf(name, sizeof(name), "action %x", a[i]);
		CALL(name, syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &a[i]));
	}
}

static void unprivileged(void)
{
	setuid(1000);
	CALL("not without no_new_privs", INSTALL(0, ALLOW));
	CALL("no_new_privs", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CALL("now", INSTALL(0, ALLOW));
}

static void asked(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_TRACE | 77), WHEN(SYS_getuid32, SECCOMP_RET_ERRNO | EDOM), ALLOW);
	CALL("changed to getuid", syscall(SYS_getppid));
	CALL("skipped", syscall(SYS_getppid));
	YES("let through", syscall(SYS_getppid) > 0);
	_exit(2);
}

static void test_tracer(void)
{
	struct user_regs_struct r;
	unsigned long message = 0;
	int s;
	pid_t c = fork();

	if (c == 0)
		asked();
	waitpid(c, &s, 0);
	ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACESECCOMP);
	for (int i = 0; i < 3; i++) {
		unsigned char info[96] = { 0 };

		ptrace(PTRACE_CONT, c, 0, 0);
		waitpid(c, &s, 0);
		HEX("status", s);
		ptrace(PTRACE_GETEVENTMSG, c, 0, &message);
		NUM("data", message);
		NUM("info", ptrace(PTRACE_GET_SYSCALL_INFO, c, sizeof(info), info));
		NUM("op", info[0]);
		ptrace(PTRACE_GETREGS, c, 0, &r);
		if (i == 0)
			r.orig_eax = SYS_getuid32;
		if (i == 1) {
			r.orig_eax = -1;
			r.eax = 99;
		}
		ptrace(PTRACE_SETREGS, c, 0, &r);
	}
	ptrace(PTRACE_CONT, c, 0, 0);
	waitpid(c, &s, 0);
	abi_status("end", s);
}

int main(void)
{
	test_strict();
	test_checks();
	CHILD("errno", failing());
	CHILD("trap", trapped());
	CHILD("arguments", arguments());
	CHILD("kill process", INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_KILL_PROCESS), ALLOW); signal(SIGSYS, SIG_IGN); getppid(); say("check no: alive\n"));
	CHILD("kill thread", INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_KILL_THREAD), ALLOW); getppid(); say("check no: alive\n"));
	CHILD("unknown answer", INSTALL(0, NR, WHEN(SYS_getppid, 0x12340000), ALLOW); getppid(); say("check no: alive\n"));
	CHILD("log", INSTALL(0, NR, WHEN(SYS_getppid, SECCOMP_RET_LOG), ALLOW); YES("allowed", getppid() > 0));
	CHILD("exec", INSTALL(0, NR, WHEN(SYS_getuid32, SECCOMP_RET_ERRNO | 1), ALLOW); execl("/bin/busybox", "grep", "^Seccomp", "/proc/self/status", NULL));
	CHILD("threads", threads());
	CHILD("threads gain nothing", threads_gain_nothing());
	CHILD("unprivileged", unprivileged());
	test_tracer();
	return 0;
}
