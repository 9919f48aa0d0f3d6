// SPDX-License-Identifier: MIT
/* Signals: masks, handlers, siginfo, flags, altstack, waiting, order, errors. */
#include "../abi.h"
#include <ucontext.h>

static volatile sig_atomic_t count, last, depth, deepest;
static siginfo_t info;
static char trail[64];

static void on(int s)
{
	count++;
	last = s;
	if (strlen(trail) < 60)
		trail[strlen(trail)] = (char)('A' + s % 26);
}

static void on_info(int s, siginfo_t *si, void *context)
{
	(void)context;
	on(s);
	info = *si;
}

static void on_nested(int s)
{
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (count++ < 3)
		raise(s);
	depth--;
}

static sigset_t seen_mask;

static void on_mask(int s)
{
	(void)s;
	sigprocmask(SIG_BLOCK, NULL, &seen_mask);
}

static void *stack_seen;

static void on_stack(int s)
{
	stack_t ss;

	(void)s;
	stack_seen = __builtin_frame_address(0);
	sigaltstack(NULL, &ss);
	NUM("altstack flags inside", ss.ss_flags);
	CALL("altstack change inside", sigaltstack(&ss, NULL));
}

static void set(int s, void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	sigaction(s, &sa, NULL);
}

static void set_info(int s, int flags)
{
	struct sigaction sa = { .sa_sigaction = on_info, .sa_flags = SA_SIGINFO | flags };

	sigaction(s, &sa, NULL);
}

static void fault(const char *name, int s, void *address, int kind)
{
	abi_line(name, "%s code %d address %s%s", abi_signal(s), info.si_code,
		 info.si_addr == address ? "right" : "wrong", kind ? "" : "");
}


static void test_basic(void)
{
	struct sigaction sa;
	sigset_t m, old;

	YES("default at start", signal(SIGUSR1, on) == SIG_DFL);
	raise(SIGUSR1);
	abi_line("raised", "%d %s", count, abi_signal(last));
	CALL("sigaction kill", sigaction(SIGKILL, &(struct sigaction) { .sa_handler = on }, NULL));
	CALL("sigaction stop", sigaction(SIGSTOP, &(struct sigaction) { .sa_handler = on }, NULL));
	CALL("sigaction query kill", sigaction(SIGKILL, NULL, &sa));
	CALL("sigaction 0", sigaction(0, NULL, &sa));
	CALL("raw sigaction 65", syscall(SYS_rt_sigaction, 65, NULL, &sa, 8));
	CALL("raw sigaction size", syscall(SYS_rt_sigaction, SIGUSR1, NULL, &sa, 4));
	CALL("raw sigprocmask size", syscall(SYS_rt_sigprocmask, 0, NULL, &m, 4));
	sigemptyset(&m);
	sigaddset(&m, SIGUSR1);
	sigaddset(&m, SIGKILL);
	sigaddset(&m, SIGSTOP);
	CALL("block", sigprocmask(SIG_BLOCK, &m, &old));
	sigprocmask(SIG_BLOCK, NULL, &m);
	abi_line("mask", "%d %d %d", sigismember(&m, SIGUSR1), sigismember(&m, SIGKILL), sigismember(&m, SIGSTOP));
	CALL("bad how", sigprocmask(77, &m, NULL));
	count = 0;
	raise(SIGUSR1);
	raise(SIGUSR1);
	NUM("while blocked", count);
	sigpending(&m);
	NUM("pending", sigismember(&m, SIGUSR1));
	sigprocmask(SIG_SETMASK, &old, NULL);
	NUM("delivered once", count);
	/* Ignoring drops what is pending. */
	sigaddset(&old, SIGUSR2);
	sigprocmask(SIG_BLOCK, &old, NULL);
	raise(SIGUSR2);
	signal(SIGUSR2, SIG_IGN);
	sigpending(&m);
	NUM("ignored pending", sigismember(&m, SIGUSR2));
	signal(SIGUSR2, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &old, NULL);
	CALL("kill 0 signal", kill(getpid(), 0));
	CALL("kill missing", kill(99999, 0));
	CALL("kill bad signal", kill(getpid(), 99));
	CALL("kill negative signal", kill(getpid(), -1));
	CALL("kill missing group", kill(-99999, SIGTERM));
	CALL("tgkill", syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1));
	CALL("tgkill mismatch", syscall(SYS_tgkill, 1, getpid(), SIGUSR1));
	CALL("tgkill 0", syscall(SYS_tgkill, 0, getpid(), 0));
	CALL("tkill missing", syscall(SYS_tkill, 99999, 0));
	CALL("tkill negative", syscall(SYS_tkill, -1, 0));
	CHILD("kill as user", setuid(1000);
		CALL("user kills init", kill(1, SIGCONT));
		CALL("user kills group none", kill(-1, 0)));
	CHILD("kill init is ignored", CALL("kill 1 kill", kill(1, SIGKILL)));
	for (int s = 1; s < 32; s++) {
		if (s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU)
			continue;
		char name[32];
		snprintf(name, sizeof(name), "default of %s", abi_signal(s));
		CHILD(name, setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 }); raise(s));
	}
	CHILD("default of real-time", raise(SIGRTMIN));
}

static void test_flags(void)
{
	struct sigaction sa;
	char c;
	int p[2], s;
	pid_t k;

	set(SIGUSR1, on_nested, 0);
	count = depth = deepest = 0;
	raise(SIGUSR1);
	abi_line("no nodefer", "count %d deepest %d", count, deepest);
	set(SIGUSR1, on_nested, SA_NODEFER);
	count = depth = deepest = 0;
	raise(SIGUSR1);
	abi_line("nodefer", "count %d deepest %d", count, deepest);
	set(SIGUSR1, on, SA_RESETHAND);
	raise(SIGUSR1);
	sigaction(SIGUSR1, NULL, &sa);
	YES("resethand", sa.sa_handler == SIG_DFL);
	sa = (struct sigaction) { .sa_handler = on_mask };
	sigaddset(&sa.sa_mask, SIGHUP);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	abi_line("mask inside", "own %d hup %d term %d", sigismember(&seen_mask, SIGUSR1),
		 sigismember(&seen_mask, SIGHUP), sigismember(&seen_mask, SIGTERM));
	sigprocmask(SIG_BLOCK, NULL, &seen_mask);
	NUM("mask after", sigismember(&seen_mask, SIGHUP));
	/* Restarting: read on a pipe that a child fills after the signal. */
	for (int restart = 0; restart < 2; restart++) {
		pipe(p);
		set(SIGUSR1, on, restart ? SA_RESTART : 0);
		k = fork();
		if (k == 0) {
			abi_sleep_ms(40);
			kill(getppid(), SIGUSR1);
			abi_sleep_ms(60);
			write(p[1], "k", 1);
			_exit(0);
		}
		CALL(restart ? "read restarts" : "read eintr", read(p[0], &c, 1));
		waitpid(k, &s, 0);
		while (waitpid(k, &s, 0) < 0 && errno == EINTR) {
		}
		close(p[0]);
		close(p[1]);
	}
	set(SIGUSR1, on, SA_RESTART);
	k = fork();
	if (k == 0) {
		abi_sleep_ms(30);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	CALL("pause despite restart", pause());
	while (waitpid(k, &s, 0) < 0 && errno == EINTR) {
	}
	k = fork();
	if (k == 0) {
		abi_sleep_ms(30);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	struct timespec rem = { 0, 0 };
	CALL("nanosleep eintr", nanosleep(&(struct timespec) { 3, 0 }, &rem));
	YES("remaining", rem.tv_sec == 2 && rem.tv_nsec > 0);
	while (waitpid(k, &s, 0) < 0 && errno == EINTR) {
	}
	k = fork();
	if (k == 0) {
		abi_sleep_ms(30);
		kill(getppid(), SIGUSR1);
		abi_sleep_ms(60);
		_exit(5);
	}
	YES("waitpid restarts", waitpid(k, &s, 0) == k);
	/* SA_NOCLDWAIT and SA_NOCLDSTOP */
	set(SIGCHLD, on, SA_NOCLDSTOP);
	count = 0;
	k = fork();
	if (k == 0)
		for (;;)
			pause();
	kill(k, SIGSTOP);
	waitpid(k, &s, WUNTRACED);
	abi_status("stopped child", s);
	NUM("nocldstop", count);
	kill(k, SIGKILL);
	while (waitpid(k, &s, 0) < 0 && errno == EINTR) {
	}
	NUM("death is told", count);
	set(SIGCHLD, on, SA_NOCLDWAIT);
	k = fork();
	if (k == 0)
		_exit(0);
	while (waitpid(k, &s, 0) < 0 && errno == EINTR) {
	}
	CALL("nocldwait", waitpid(k, &s, 0));
	set_info(SIGCHLD, 0);
	k = fork();
	if (k == 0)
		_exit(17);
	while (waitpid(k, &s, 0) < 0 && errno == EINTR) {
	}
	abi_line("sigchld info", "code %d status %d pid %d uid %d", info.si_code, info.si_status,
		 info.si_pid == k, info.si_uid);
	signal(SIGCHLD, SIG_DFL);
}

static void test_wait(void)
{
	sigset_t m, none;
	siginfo_t si;
	union sigval v = { .sival_int = 4242 };
	struct timespec zero = { 0, 0 };

	set_info(SIGUSR1, 0);
	memset(&info, 0, sizeof(info));
	kill(getpid(), SIGUSR1);
	abi_line("kill info", "signo %d code %d pid %d", info.si_signo, info.si_code, info.si_pid == getpid());
	raise(SIGUSR1);
	NUM("tgkill code", info.si_code);
	CALL("sigqueue", sigqueue(getpid(), SIGUSR1, v));
	abi_line("queue info", "code %d value %d", info.si_code, info.si_value.sival_int);
	sigemptyset(&none);
	sigfillset(&m);
	sigprocmask(SIG_SETMASK, &m, NULL);
	for (int s = SIGRTMIN + 3; s >= SIGRTMIN; s--) {
		set(s, on, 0);
		sigqueue(getpid(), s, v);
		sigqueue(getpid(), s, v);
	}
	memset(trail, 0, sizeof(trail));
	count = 0;
	sigprocmask(SIG_SETMASK, &none, NULL);
	NUM("real-time queued", count);
	YES("each twice", strlen(trail) == 8 && trail[0] == trail[1] && trail[2] == trail[3]);
	sigprocmask(SIG_SETMASK, &m, NULL);
	for (int i = 0; i < 3; i++) {
		v.sival_int = i;
		sigqueue(getpid(), SIGRTMIN, v);
	}
	for (int i = 0; i < 3; i++) {
		YES("sigwaitinfo", sigwaitinfo(&m, &si) == SIGRTMIN);
		NUM("in order", si.si_value.sival_int);
	}
	sigqueue(getpid(), SIGRTMIN + 1, v);
	kill(getpid(), SIGTERM);
	YES("low first", sigtimedwait(&m, &si, &zero) == SIGTERM);
	YES("then high", sigtimedwait(&m, &si, &zero) == SIGRTMIN + 1);
	CALL("timed out", sigtimedwait(&m, &si, &zero));
	CALL("bad time", sigtimedwait(&m, &si, &(struct timespec) { 0, -1 }));
	long long t = abi_now_ms();
	CALL("waits", sigtimedwait(&m, &si, &(struct timespec) { 0, 40000000 }));
	YES("waited", abi_now_ms() - t >= 39);
	set(SIGUSR2, on, 0);
	count = 0;
	kill(getpid(), SIGUSR2);
	CALL("sigsuspend", sigsuspend(&none));
	NUM("handled in suspend", count);
	sigpending(&m);
	sigprocmask(SIG_BLOCK, NULL, &m);
	NUM("mask back", sigismember(&m, SIGUSR2));
	sigprocmask(SIG_SETMASK, &none, NULL);
	CALL("queue as kernel", syscall(SYS_rt_sigqueueinfo, 1, SIGUSR1, &si));
	/* Two pending: the lower number is handled first... on return. */
	sigfillset(&m);
	sigprocmask(SIG_SETMASK, &m, NULL);
	set(SIGUSR1, on, 0);
	memset(trail, 0, sizeof(trail));
	raise(SIGUSR2);
	raise(SIGUSR1);
	raise(SIGHUP);
	set(SIGHUP, on, 0);
	sigprocmask(SIG_SETMASK, &none, NULL);
	STR("order of entry", trail);
}

static void test_stack(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;

	CALL("query", sigaltstack(NULL, &old));
	NUM("disabled", old.ss_flags);
	CALL("too small", sigaltstack(&(stack_t) { .ss_sp = stack, .ss_size = 100 }, NULL));
	CALL("bad flags", sigaltstack(&(stack_t) { .ss_sp = stack, .ss_size = 65536, .ss_flags = 77 }, NULL));
	CALL("set", sigaltstack(&ss, NULL));
	set(SIGUSR1, on_stack, SA_ONSTACK);
	raise(SIGUSR1);
	YES("on it", (char *)stack_seen >= stack && (char *)stack_seen < stack + sizeof(stack));
	sigaltstack(NULL, &old);
	abi_line("after", "%d %zu", old.ss_flags, old.ss_size);
	ss.ss_flags = SS_DISABLE;
	CALL("disable", sigaltstack(&ss, NULL));
	CHILD("stack overflow caught",
		ss.ss_flags = 0;
		sigaltstack(&ss, NULL);
		set(SIGSEGV, (void (*)(int))_exit, SA_ONSTACK);
		setrlimit(RLIMIT_STACK, &(struct rlimit) { 262144, 262144 });
		volatile char *volatile p = __builtin_frame_address(0);
		for (;;)
			*(p -= 1024) = 1);
	CHILD("no stack for a handler", set(SIGSEGV, on, 0);
		setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
		__asm__ volatile("movl $16, %%esp; movl %%eax, (%%esp)" : : : "memory"));
}

#include <setjmp.h>
static sigjmp_buf again;

static void on_fault(int s, siginfo_t *si, void *context)
{
	(void)context;
	last = s;
	info = *si;
	siglongjmp(again, 1);
}

static int trapno, errcode;

static void on_context(int s, siginfo_t *si, void *context)
{
	ucontext_t *u = context;

	(void)s;
	(void)si;
	trapno = u->uc_mcontext.gregs[REG_TRAPNO];
	errcode = u->uc_mcontext.gregs[REG_ERR];
	u->uc_mcontext.gregs[REG_EIP] += 2;	/* past a two-byte instruction */
	u->uc_mcontext.gregs[REG_EAX] = 0x1234;
}

#define FAULT(name, address, ...) do { \
	if (sigsetjmp(again, 1) == 0) { __VA_ARGS__; abi_line(name, "no fault"); } \
	else fault(name, last, (void *)(address), 0); } while (0)

static void test_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open("short", O_CREAT | O_RDWR | O_TRUNC, 0644);

	ftruncate(fd, 100);
	char *file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGFPE, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGTRAP, &sa, NULL);
	FAULT("write null", 16, *(volatile char *)16 = 1);
	FAULT("read null", 20, (void)*(volatile char *)20);
	FAULT("write read-only", ro + 5, *(volatile char *)(ro + 5) = 1);
	FAULT("read none", none, (void)*(volatile char *)none);
	FAULT("kernel address", 0xC0100000, (void)*(volatile char *)0xC0100000);
	FAULT("beyond file", file + 4096, (void)*(volatile char *)(file + 4096));
	FAULT("in last page", 0, (void)*(volatile char *)(file + 200));
	FAULT("execute data", ro, ((void (*)(void))ro)());
	FAULT("jump to null", 0, ((void (*)(void))0)());
	FAULT("divide", info.si_addr, volatile int z = 0; z = 7 / z);
	FAULT("undefined", info.si_addr, __asm__ volatile("ud2"));
	FAULT("hlt", 0, __asm__ volatile("hlt"));
	FAULT("int 0x20", 0, __asm__ volatile("int $0x20"));
	FAULT("in", 0, __asm__ volatile("inb $0x80, %%al" : : : "eax"));
	FAULT("cli", 0, __asm__ volatile("cli"));
	FAULT("int3", 0, __asm__ volatile("int3"));
	FAULT("bad segment", 0, __asm__ volatile("movw %w0, %%fs" : : "r"(0x1238)));
	CHILD("blocked fault kills", sigset_t m; sigfillset(&m); sigprocmask(SIG_SETMASK, &m, NULL);
		setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
		*(volatile char *)16 = 1);
	CHILD("ignored fault kills", signal(SIGSEGV, SIG_IGN);
		setrlimit(RLIMIT_CORE, &(struct rlimit) { 0, 0 });
		*(volatile char *)16 = 1);
	CHILD("single step", sa.sa_sigaction = on_fault; sigaction(SIGTRAP, &sa, NULL);
		if (sigsetjmp(again, 1) == 0)
			__asm__ volatile("pushfl; orl $0x100, (%%esp); popfl; nop" : : : "memory", "cc");
		abi_line("step", "%s code %d", abi_signal(last), info.si_code));
	/* A handler that mends registers. */
	sa.sa_sigaction = on_context;
	sigaction(SIGSEGV, &sa, NULL);
	unsigned eax = 0;
	__asm__ volatile("xorl %%ecx, %%ecx\n\tmovl (%%ecx), %%eax" : "=a"(eax) : : "ecx", "memory");
	HEX("register set by handler", eax);
	abi_line("trap", "%d error %x", trapno, errcode);
	/* Floating point state lives through a handler. */
	set(SIGUSR1, on, 0);
	double d = 1.5;
	__asm__ volatile("fldl %1\n\tmovl %2, %%eax\n\tint $0x80\n\tfstpl %0"
		: "=m"(d) : "m"(d), "i"(SYS_sched_yield) : "eax");
	raise(SIGUSR1);
	abi_line("fpu", "%.2f", d);
	CHILD("fpu exception", short cw; sa.sa_sigaction = on_fault; sigaction(SIGFPE, &sa, NULL);
		if (sigsetjmp(again, 1) == 0) {
			__asm__ volatile("fnstcw %0" : "=m"(cw));
			cw &= ~4;
			__asm__ volatile("fldcw %0; fldz; fld1; fdivp; fwait" : : "m"(cw));
			abi_line("fpu divide", "no fault");
		} else {
			abi_line("fpu divide", "%s code %d", abi_signal(last), info.si_code);
		});
}

int main(void)
{
	test_basic();
	test_flags();
	test_wait();
	test_stack();
	test_faults();
	return 0;
}
