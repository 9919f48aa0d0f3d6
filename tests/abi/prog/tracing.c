// SPDX-License-Identifier: MIT
/* Tracing in depth: register sets, debug registers, steps over calls and into handlers, threads, exec by a thread, stops of groups. */
#include "../abi.h"
#include <elf.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

#define EVENT(e) (SIGTRAP | PTRACE_EVENT_##e << 8)
static volatile int word = 77;

static void show(const char *name, int s)
{
	if (WIFSTOPPED(s))
		abi_line(name, "stopped %s%s event %d", abi_signal(WSTOPSIG(s) & 0x7f), WSTOPSIG(s) & 0x80 ? "+80" : "", s >> 16);
	else
		abi_status(name, s);
}

static int waited(const char *name, pid_t c)
{
	int s = -1;

	if (waitpid(c, &s, __WALL) != c)
		FAILED(name);
	else
		show(name, s);
	return s;
}

static int next(const char *name, pid_t c, int request, long sig)
{
	ptrace(request, c, 0, sig);
	return waited(name, c);
}

static pid_t traced(void (*fn)(void))
{
	int s;
	pid_t c = fork();

	if (c == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		fn();
		_exit(0);
	}
	waitpid(c, &s, 0);
	return c;
}

static void end(pid_t c)
{
	int s;

	kill(c, SIGKILL);
	while (waitpid(c, &s, __WALL) == c && WIFSTOPPED(s))
		;
}

static void floats(void)
{
	static double d = 2.5;

	__asm__ volatile("fninit; fldl %0; fld1; fldz" ::"m"(d));
	raise(SIGUSR1);
}

static void test_sets(void)
{
	struct user_fpregs_struct fp;
	struct user_fpxregs_struct fx;
	unsigned char buf[1024];
	struct iovec v;
	unsigned desc[4];
	pid_t c = traced(floats);
	static const struct { int type; const char *name; } sets[] = { { NT_PRSTATUS, "prstatus" }, { NT_PRFPREG, "prfpreg" }, { NT_PRXFPREG, "prxfpreg" },
		{ NT_386_TLS, "tls" }, { NT_X86_XSTATE, "xstate" }, { 0x999, "unknown" } };

	next("floats", c, PTRACE_CONT, 0);
	CALL("getfpregs", ptrace(PTRACE_GETFPREGS, c, 0, &fp));
	HEX("cwd", fp.cwd);
	HEX("swd", fp.swd);
	HEX("twd", fp.twd);
	BYTES("st", fp.st_space, 80);
	fp.cwd = 0xffff027f;
	CALL("setfpregs", ptrace(PTRACE_SETFPREGS, c, 0, &fp));
	CALL("getfpxregs", ptrace(PTRACE_GETFPXREGS, c, 0, &fx));
	HEX("cwd after", fx.cwd);
	HEX("twd after", fx.twd);
	HEX("mxcsr", fx.mxcsr);
	fx.mxcsr = 0xffffffff;
	CALL("bad mxcsr", ptrace(PTRACE_SETFPXREGS, c, 0, &fx));
	for (unsigned i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
		for (size_t len = 0; len <= 1000; len += len < 16 ? 8 : 984) {
			char name[64];

			v.iov_base = buf;
			v.iov_len = len;
			snprintf(name, sizeof(name), "getregset %s %zu", sets[i].name, len);
			CALL(name, ptrace(PTRACE_GETREGSET, c, sets[i].type, &v));
			NUM("length", v.iov_len);
		}
	v.iov_len = 17;
	CALL("odd length", ptrace(PTRACE_GETREGSET, c, NT_PRSTATUS, &v));
	CALL("thread area", ptrace(PTRACE_GET_THREAD_AREA, c, 6, desc));
	abi_line("descriptor", "%u %x %x", desc[0], desc[2], desc[3]);
	CALL("set thread area", ptrace(PTRACE_SET_THREAD_AREA, c, 6, desc));
	CALL("thread area beyond", ptrace(PTRACE_GET_THREAD_AREA, c, 9, desc));
	CALL("thread area negative", ptrace(PTRACE_GET_THREAD_AREA, c, -1, desc));
	end(c);
}

static void touch(void)
{
	word = 1;
	for (int i = 0; i < 3; i++)
		word += i;
	_exit(word);
}

static __attribute__((noinline)) void called(void)
{
	__asm__ volatile("");
}

static void calls(void)
{
	called();
	called();
	_exit(4);
}

#define DR(n) (offsetof(struct user, u_debugreg) + 4 * (n))

static void test_debug_registers(void)
{
	siginfo_t si;
	pid_t c = traced(touch);

	for (int i = 0; i < 8; i++) {
		char name[32];

		snprintf(name, sizeof(name), "dr%d", i);
		errno = 0;
		abi_line(name, "%lx %s", ptrace(PTRACE_PEEKUSER, c, DR(i), 0), abi_errno(errno));
	}
	CALL("address", ptrace(PTRACE_POKEUSER, c, DR(0), &word));
	CALL("kernel address", ptrace(PTRACE_POKEUSER, c, DR(1), 0xc1000000));
	CALL("dr4", ptrace(PTRACE_POKEUSER, c, DR(4), 0));
	CALL("dr5", ptrace(PTRACE_POKEUSER, c, DR(5), 0));
	CALL("exec, 4 bytes", ptrace(PTRACE_POKEUSER, c, DR(7), 0x000c0001));
	CALL("i/o", ptrace(PTRACE_POKEUSER, c, DR(7), 0x00020001));
	CALL("8 bytes", ptrace(PTRACE_POKEUSER, c, DR(7), 0x00090001));
	CALL("write, 4 bytes", ptrace(PTRACE_POKEUSER, c, DR(7), 0x000d0001));
	HEX("control", ptrace(PTRACE_PEEKUSER, c, DR(7), 0));
	for (int i = 0; i < 4; i++) {
		int s = next("watched", c, PTRACE_CONT, 0);

		if (!WIFSTOPPED(s))
			break;
		ptrace(PTRACE_GETSIGINFO, c, 0, &si);
		NUM("code", si.si_code);
		HEX("status", ptrace(PTRACE_PEEKUSER, c, DR(6), 0));
		errno = 0;
		NUM("word", ptrace(PTRACE_PEEKDATA, c, &word, 0));
	}
	CALL("off", ptrace(PTRACE_POKEUSER, c, DR(7), 0));
	next("goes on", c, PTRACE_CONT, 0);
	c = traced(calls);
	ptrace(PTRACE_POKEUSER, c, DR(2), called);
	CALL("misaligned write", ptrace(PTRACE_POKEUSER, c, DR(7), 0x01000010));
	CALL("exec", ptrace(PTRACE_POKEUSER, c, DR(7), 0x00000010));
	for (int i = 0; i < 3; i++) {
		struct user_regs_struct r;
		int s = next("breakpoint", c, PTRACE_CONT, 0);

		if (!WIFSTOPPED(s))
			break;
		ptrace(PTRACE_GETREGS, c, 0, &r);
		YES("there", r.eip == (long)called);
		HEX("hit", ptrace(PTRACE_PEEKUSER, c, DR(6), 0));
	}
	(void)waitpid(c, NULL, WNOHANG);
}

static void handler(int sig)
{
	(void)sig;
	word++;
}

static void call_and_signal(void)
{
	signal(SIGUSR2, handler);
	__asm__ volatile("int3");
	__asm__ volatile("int $0x80" ::"a"(SYS_getppid) : "memory");
	syscall(SYS_getppid);
	_exit(5);
}

static void test_steps(void)
{
	struct user_regs_struct r;
	siginfo_t si;
	long before;
	pid_t c = traced(call_and_signal);

	next("int3", c, PTRACE_CONT, 0);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	before = r.eip;
	for (int i = 0; i < 8; i++) {
		long op;

		errno = 0;
		op = ptrace(PTRACE_PEEKTEXT, c, r.eip, 0) & 0xffff;
		next("step", c, PTRACE_SINGLESTEP, 0);
		ptrace(PTRACE_GETREGS, c, 0, &r);
		ptrace(PTRACE_GETSIGINFO, c, 0, &si);
		abi_line("at", "%ld code %d flags %lx", r.eip - before, si.si_code, r.eflags & 0x100);
		if (op == 0x80cd)
			break;
	}
	before = r.eip;
	next("step into handler", c, PTRACE_SINGLESTEP, SIGUSR2);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	YES("handler begins", r.eip == (long)handler);
	HEX("trap flag", r.eflags & 0x100);
	ptrace(PTRACE_GETSIGINFO, c, 0, &si);
	abi_line("info", "%d %d", si.si_signo, si.si_code);
	errno = 0;
	HEX("saved trap flag", ptrace(PTRACE_PEEKDATA, c, r.esp + 8 + 16 * 4, 0) & 0x100);
	next("step in it", c, PTRACE_SINGLESTEP, 0);
	next("call", c, PTRACE_SYSCALL, 0);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	YES("sigreturn", r.orig_eax == SYS_sigreturn || r.orig_eax == SYS_rt_sigreturn);
	next("its end", c, PTRACE_SYSCALL, 0);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	YES("back", r.eip == before);
	end(c);
}

struct info {
	unsigned char op, pad[3];
	unsigned arch;
	unsigned long long ip, sp, word[7];
	unsigned ret_data;
};

static void some_calls(void)
{
	syscall(SYS_getppid);
	syscall(SYS_close, 99, 2, 3);
	syscall(SYS_getppid);
	_exit(6);
}

static void syscall_stop(const char *name, pid_t c)
{
	struct info i;
	unsigned long message = 99;
	siginfo_t si;
	long n;

	memset(&i, 0, sizeof(i));
	n = ptrace(PTRACE_GET_SYSCALL_INFO, c, sizeof(i), &i);
	ptrace(PTRACE_GETEVENTMSG, c, 0, &message);
	ptrace(PTRACE_GETSIGINFO, c, 0, &si);
	abi_line(name, "%ld op %d arch %x word %lld %lld message %lu code %x", n, i.op, i.arch, i.op == 2 && !(i.word[1] & 0xff) ? 0 : i.word[0], i.word[1] & 0xffffffff, message,
		 (unsigned)si.si_code);
}

static void test_calls(void)
{
	struct user_regs_struct r;
	pid_t c = traced(some_calls);

	next("plain", c, PTRACE_SYSCALL, 0);
	syscall_stop("without option", c);
	ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACESYSGOOD);
	next("exit", c, PTRACE_SYSCALL, 0);
	syscall_stop("getppid", c);
	next("close", c, PTRACE_SYSCALL, 0);
	syscall_stop("close", c);
	next("close ends", c, PTRACE_SYSCALL, 0);
	syscall_stop("close end", c);
	next("getppid", c, PTRACE_SYSCALL, 0);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	NUM("eax", r.eax);
	r.orig_eax = -1;
	r.eax = 1234;
	ptrace(PTRACE_SETREGS, c, 0, &r);
	next("no call", c, PTRACE_SYSCALL, 0);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	NUM("result", r.eax);
	next("exit call", c, PTRACE_SYSCALL, 0);
	syscall_stop("exit", c);
	next("ends", c, PTRACE_SYSCALL, 0);
	c = traced(some_calls);
	next("emulated", c, 31, 0);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	YES("getppid", r.orig_eax == SYS_getppid);
	r.eax = 7;
	ptrace(PTRACE_SETREGS, c, 0, &r);
	next("the next", c, 31, 0);
	ptrace(PTRACE_GETREGS, c, 0, &r);
	YES("close", r.orig_eax == SYS_close);
	end(c);
}

static void *thread(void *arg)
{
	if (arg)
		execl("/bin/busybox", "true", NULL);
	return NULL;
}

static void one_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	abi_sleep_ms(50); /* its status is read before the group's */
	_exit(8);
}

static void exec_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, thread, (void *)1);
	pause();
}

static void test_threads(void)
{
	unsigned long tid = 0, message = 0;
	int s, ends = 0;
	pid_t c = traced(one_thread), w;

	ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACECLONE);
	next("clone", c, PTRACE_CONT, 0);
	ptrace(PTRACE_GETEVENTMSG, c, 0, &tid);
	waited("thread begins", (pid_t)tid);
	ptrace(PTRACE_CONT, tid, 0, 0);
	ptrace(PTRACE_CONT, c, 0, 0);
	while ((w = waitpid(-1, &s, __WALL)) > 0) {
		if (WIFSTOPPED(s)) {
			ptrace(PTRACE_CONT, w, 0, WSTOPSIG(s) == SIGTRAP ? 0 : WSTOPSIG(s));
			continue;
		}
		show(w == c ? "leader ends" : "thread ends", s);
		ends++;
	}
	NUM("ends", ends);
	c = traced(exec_thread);
	ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT);
	next("clone", c, PTRACE_CONT, 0);
	ptrace(PTRACE_GETEVENTMSG, c, 0, &tid);
	waited("thread begins", (pid_t)tid);
	ptrace(PTRACE_CONT, c, 0, 0);
	ptrace(PTRACE_CONT, tid, 0, 0);
	for (int i = 0; i < 6 && (w = waitpid(-1, &s, __WALL)) > 0; i++) {
		show(w == c ? "leader" : w == (pid_t)tid ? "thread" : "other", s);
		if (s >> 8 == EVENT(EXEC)) {
			ptrace(PTRACE_GETEVENTMSG, c, 0, &message);
			YES("was the thread", message == tid);
		}
		ptrace(PTRACE_CONT, w, 0, 0);
	}
}

static pid_t looping(void)
{
	pid_t c = fork();

	if (c == 0)
		for (;;)
			pause();
	abi_sleep_ms(20);
	return c;
}

static void test_groups(void)
{
	siginfo_t si;
	int s;
	pid_t c = looping();

	CALL("seize", ptrace(PTRACE_SEIZE, c, 0, 0));
	CALL("listen, not stopped", ptrace(PTRACE_LISTEN, c, 0, 0));
	kill(c, SIGSTOP);
	waited("signal", c);
	CALL("listen, no group stop", ptrace(PTRACE_LISTEN, c, 0, 0));
	next("group stop", c, PTRACE_CONT, SIGSTOP);
	CALL("siginfo", ptrace(PTRACE_GETSIGINFO, c, 0, &si));
	abi_line("info", "%d %x", si.si_signo, (unsigned)si.si_code);
	CALL("listen", ptrace(PTRACE_LISTEN, c, 0, 0));
	CALL("busy", ptrace(PTRACE_GETSIGINFO, c, 0, &si));
	CALL("nothing", waitpid(c, &s, __WALL | WNOHANG));
	kill(c, SIGCONT);
	waited("continued", c);
	next("SIGCONT", c, PTRACE_CONT, 0);
	ptrace(PTRACE_CONT, c, 0, SIGCONT);
	abi_sleep_ms(20);
	CALL("interrupt", ptrace(PTRACE_INTERRUPT, c, 0, 0));
	waited("interrupted", c);
	ptrace(PTRACE_GETSIGINFO, c, 0, &si);
	abi_line("info", "%d %x", si.si_signo, (unsigned)si.si_code);
	kill(c, SIGSTOP);
	next("signal again", c, PTRACE_CONT, 0);
	next("group again", c, PTRACE_CONT, SIGSTOP);
	CALL("detach", ptrace(PTRACE_DETACH, c, 0, 0));
	waitpid(c, &s, WUNTRACED);
	show("stopped without us", s);
	CALL("attach", ptrace(PTRACE_ATTACH, c, 0, 0));
	waited("attached", c);
	CALL("no siginfo", ptrace(PTRACE_GETSIGINFO, c, 0, &si));
	next("and its signal", c, PTRACE_CONT, 0);
	CALL("siginfo", ptrace(PTRACE_GETSIGINFO, c, 0, &si));
	CALL("detach to run", ptrace(PTRACE_DETACH, c, 0, SIGCONT));
	abi_sleep_ms(20);
	CALL("runs", waitpid(c, &s, WNOHANG | WUNTRACED));
	end(c);
}

static void queue_and_stop(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++) {
		union sigval v = { .sival_int = 40 + i };

		sigqueue(getpid(), SIGRTMIN, v);
	}
	syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
	raise(SIGUSR2);
}

static void test_queue(void)
{
	struct __ptrace_peeksiginfo_args a = { .off = 0, .flags = PTRACE_PEEKSIGINFO_SHARED, .nr = 8 };
	siginfo_t si[8];
	unsigned long long mask = 0;
	pid_t c = traced(queue_and_stop);
	int n;

	next("queued", c, PTRACE_CONT, 0);
	NUM("shared", n = ptrace(PTRACE_PEEKSIGINFO, c, &a, si));
	for (int i = 0; i < n; i++)
		abi_line("one", "%d %d", si[i].si_signo, si[i].si_value.sival_int);
	a.off = 2;
	NUM("from 2", ptrace(PTRACE_PEEKSIGINFO, c, &a, si));
	a.flags = a.off = 0;
	NUM("own", n = ptrace(PTRACE_PEEKSIGINFO, c, &a, si));
	NUM("signal", n ? si[0].si_signo : 0);
	a.nr = -1;
	CALL("negative", ptrace(PTRACE_PEEKSIGINFO, c, &a, si));
	a.flags = 2;
	CALL("bad flag", ptrace(PTRACE_PEEKSIGINFO, c, &a, si));
	CALL("mask size", ptrace(PTRACE_GETSIGMASK, c, 4, &mask));
	CALL("getsigmask", ptrace(PTRACE_GETSIGMASK, c, 8, &mask));
	HEX("mask", mask);
	mask = ~0ull;
	CALL("setsigmask", ptrace(PTRACE_SETSIGMASK, c, 8, &mask));
	ptrace(PTRACE_GETSIGMASK, c, 8, &mask);
	HEX("mask now", mask);
	end(c);
}

static void test_tracer_ends(void)
{
	int s;
	pid_t c = looping(), t;

	t = fork();
	if (t == 0) {
		ptrace(PTRACE_SEIZE, c, 0, PTRACE_O_EXITKILL);
		_exit(0);
	}
	waitpid(t, &s, 0);
	waitpid(c, &s, 0);
	show("killed with its tracer", s);
	c = looping();
	t = fork();
	if (t == 0) {
		ptrace(PTRACE_SEIZE, c, 0, 0);
		ptrace(PTRACE_INTERRUPT, c, 0, 0);
		waitpid(c, &s, __WALL);
		_exit(0);
	}
	waitpid(t, &s, 0);
	CALL("lives", waitpid(c, &s, WNOHANG));
	kill(c, SIGTERM);
	waitpid(c, &s, 0);
	show("ends", s);
}

int main(void)
{
	test_sets();
	test_debug_registers();
	test_steps();
	test_calls();
	test_threads();
	test_groups();
	test_queue();
	test_tracer_ends();
	return 0;
}
