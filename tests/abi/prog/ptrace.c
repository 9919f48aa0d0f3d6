// SPDX-License-Identifier: MIT
/* Tracing: stops at signals, system calls, steps and forks; memory and registers; attach, seize, interrupt, detach. */
#include "../abi.h"
#include <sys/ptrace.h>
#include <sys/user.h>

static volatile int word = 77;

static void next(const char *name, pid_t c, int request, long sig)
{
	int s;

	ptrace(request, c, 0, sig);
	if (waitpid(c, &s, __WALL) != c) {
		FAILED(name);
		return;
	}
	if (WIFSTOPPED(s))
		abi_line(name, "stopped %s event %d", abi_signal(WSTOPSIG(s) & 0x7f), s >> 16);
	else
		abi_status(name, s);
}

static void test_basic(void)
{
	struct user_regs_struct r;
	int s;
	pid_t c = fork();

	if (c == 0) {
		CALL("traceme", ptrace(PTRACE_TRACEME, 0, 0, 0));
		CALL("traceme again", ptrace(PTRACE_TRACEME, 0, 0, 0));
		raise(SIGSTOP);
		syscall(SYS_getppid);
		_exit(word);
	}
	waitpid(c, &s, 0);
	abi_status("traced stop", s);
	errno = 0;
	NUM("peek", ptrace(PTRACE_PEEKDATA, c, &word, 0));
	CALL("poke", ptrace(PTRACE_POKEDATA, c, &word, 44));
	CALL("getregs", ptrace(PTRACE_GETREGS, c, 0, &r));
	CALL("setregs", ptrace(PTRACE_SETREGS, c, 0, &r));
	HEX("cs", r.xcs);
	CALL("peek user", ptrace(PTRACE_PEEKUSER, c, 13 * 4, 0));
	CALL("peek user beyond", ptrace(PTRACE_PEEKUSER, c, 4000, 0));
	CALL("peek unmapped", ptrace(PTRACE_PEEKDATA, c, 8, 0));
	CALL("options", ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACESYSGOOD));
	CALL("bad options", ptrace(PTRACE_SETOPTIONS, c, 0, 1 << 28));
	CALL("bad request", ptrace(0x7777, c, 0, 0));
	CALL("bad signal", ptrace(PTRACE_CONT, c, 0, 99));
	ptrace(PTRACE_SYSCALL, c, 0, 0);
	int calls = 0;
	while (waitpid(c, &s, 0) == c && WIFSTOPPED(s)) {
		if (WSTOPSIG(s) == (SIGTRAP | 0x80)) {
			ptrace(PTRACE_GETREGS, c, 0, &r);
			calls += r.orig_eax == SYS_getppid;
		}
		ptrace(PTRACE_SYSCALL, c, 0, 0);
	}
	NUM("getppid seen", calls);
	abi_status("traced end", s);
	CALL("not traced", ptrace(PTRACE_CONT, getppid(), 0, 0));
}

static void test_signals(void)
{
	siginfo_t si;
	int s;
	pid_t c = fork();

	if (c == 0) {
		signal(SIGUSR2, SIG_IGN);
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGUSR1);
		raise(SIGUSR2);
		raise(SIGTERM);
		_exit(3);
	}
	waitpid(c, &s, 0);
	abi_status("first signal", s);
	CALL("getsiginfo", ptrace(PTRACE_GETSIGINFO, c, 0, &si));
	abi_line("siginfo", "%d %d", si.si_signo, si.si_code);
	next("ignored one is told", c, PTRACE_CONT, 0);
	next("suppressed", c, PTRACE_CONT, SIGUSR2);
	next("let through", c, PTRACE_CONT, SIGKILL);
	c = fork();
	if (c == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		for (;;) {
		}
	}
	waitpid(c, &s, 0);
	next("step", c, PTRACE_SINGLESTEP, 0);
	next("step again", c, PTRACE_SINGLESTEP, 0);
	CALL("kill", kill(c, SIGKILL));
	waitpid(c, &s, 0);
	abi_status("killed", s);
}

static void test_events(void)
{
	unsigned long message = 0;
	int s;
	pid_t c = fork(), k;

	if (c == 0) {
		char *argv[] = { "true", NULL };

		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		if (fork() == 0)
			_exit(7);
		wait(NULL);
		execv("/bin/busybox", argv);
		_exit(9);
	}
	waitpid(c, &s, 0);
	ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACEFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
	next("fork", c, PTRACE_CONT, 0);
	CALL("message", ptrace(PTRACE_GETEVENTMSG, c, 0, &message));
	k = (pid_t)message;
	YES("child", waitpid(k, &s, __WALL) == k);
	abi_status("child begins", s);
	next("child at exit", k, PTRACE_CONT, 0);
	ptrace(PTRACE_GETEVENTMSG, k, 0, &message);
	HEX("with", message);
	next("child ends", k, PTRACE_CONT, 0);
	next("exec or SIGCHLD", c, PTRACE_CONT, 0);
	next("then", c, PTRACE_CONT, 0);
	next("at exit", c, PTRACE_CONT, 0);
	next("end", c, PTRACE_CONT, 0);
}

static void test_attach(void)
{
	int s;
	pid_t c = fork();

	if (c == 0)
		for (;;)
			pause();
	CALL("attach", ptrace(PTRACE_ATTACH, c, 0, 0));
	CALL("attach again", ptrace(PTRACE_ATTACH, c, 0, 0));
	waitpid(c, &s, 0);
	abi_status("attached", s);
	CALL("detach", ptrace(PTRACE_DETACH, c, 0, 0));
	CALL("seize with address", ptrace(PTRACE_SEIZE, c, 1, 0));
	CALL("seize", ptrace(PTRACE_SEIZE, c, 0, 0));
	CALL("not stopped", ptrace(PTRACE_CONT, c, 0, 0));
	CALL("interrupt", ptrace(PTRACE_INTERRUPT, c, 0, 0));
	YES("stops", waitpid(c, &s, 0) == c);
	HEX("status", s);
	/* The signal of a detach from this stop is dropped: another one ends the child. */
	CALL("detach again", ptrace(PTRACE_DETACH, c, 0, SIGTERM));
	CALL("lives on", waitpid(c, &s, WNOHANG));
	kill(c, SIGKILL);
	waitpid(c, &s, 0);
	abi_status("killed", s);
	CALL("attach self", ptrace(PTRACE_ATTACH, getpid(), 0, 0));
	CHILD("as user", setuid(1000); CALL("attach init", ptrace(PTRACE_ATTACH, 1, 0, 0)));
}

int main(void)
{
	test_basic();
	test_signals();
	test_events();
	test_attach();
	return 0;
}
