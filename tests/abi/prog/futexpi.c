// SPDX-License-Identifier: MIT
/* Futexes with priority inheritance: locks, hand-over, deadlock, inheritance through chains, death of owners, requeueing. */
#include "../abi.h"
#include <linux/futex.h>

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

static unsigned *f; /* shared: locks in f[0..7], other words in f[8..] */

static long op(unsigned *word, int cmd, unsigned val, const void *timeout, unsigned *word2, unsigned val3)
{
	return syscall(SYS_futex, word, cmd, val, timeout, word2, val3);
}

static pid_t self(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static void word(const char *name, unsigned v)
{
	unsigned tid = v & FUTEX_TID_MASK;

	abi_line(name, "%s%s%s", v & FUTEX_WAITERS ? "waiters " : "", v & FUTEX_OWNER_DIED ? "died " : "",
		 !tid ? "free" : tid == (unsigned)self() ? "mine" : "another's");
}

static struct timespec from_now(clockid_t clock, long ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms * 1000000;
	while (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

/* priority and rt_priority of /proc/PID/stat, policy. */
static void priority(const char *name, pid_t pid)
{
	char path[40], line[600], *p;
	long prio = 0, rt = -1, policy = -1, v;
	FILE *s;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	s = fopen(path, "r");
	p = s && fgets(line, sizeof(line), s) ? strrchr(line, ')') + 2 : NULL;
	for (int i = 3; p && i <= 41; i++) {
		v = strtol(p, NULL, 10);
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
		if (i == 18)
			prio = v;
		if (i == 40)
			rt = v;
		if (i == 41)
			policy = v;
	}
	if (s)
		fclose(s);
	abi_line(name, "%ld rt %ld policy %ld", prio, rt, policy);
}

static void fifo(int prio)
{
	struct sched_param p = { prio };

	sched_setscheduler(0, prio ? SCHED_FIFO : SCHED_OTHER, &p);
}

static void ended(const char *name, pid_t c)
{
	int s;

	waitpid(c, &s, 0);
	if (WIFEXITED(s))
		STR(name, WEXITSTATUS(s) ? abi_errno(WEXITSTATUS(s)) : "0");
	else
		abi_status(name, s);
}

#define RESULT(call) _exit((call) < 0 ? errno : 0)

static void test_alone(void)
{
	struct timespec past = { 1, 0 }, bad = { 1, -1 };

	CALL("lock", op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	word("word", f[0]);
	CALL("lock again", op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL("try again", op(f, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	CALL("unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	word("word", f[0]);
	CALL("unlock again", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	CALL("try", op(f, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	CALL("private unlock", op(f, FUTEX_UNLOCK_PI | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 0));
	CALL("lock 2", op(f, FUTEX_LOCK_PI2, 0, NULL, NULL, 0));
	op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	CALL("unaligned", op((unsigned *)((char *)f + 1), FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL("fault", op((unsigned *)8, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL("unlock fault", op((unsigned *)8, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	CALL("realtime flag", op(f, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
	CALL("realtime flag, 2", op(f, FUTEX_LOCK_PI2 | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
	op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	CALL("bad time", op(f, FUTEX_LOCK_PI, 0, &bad, NULL, 0));
	CALL("time fault", op(f, FUTEX_LOCK_PI, 0, (void *)8, NULL, 0));
	f[0] = 30011;
	CALL("owner gone", op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	HEX("word", f[0]);
	CALL("try, owner gone", op(f, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	f[0] = FUTEX_OWNER_DIED;
	CALL("owner died", op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	word("word", f[0]);
	CALL("unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	word("word", f[0]);
	f[0] = 1;
	CALL("init's", op(f, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	CALL("init's, late", op(f, FUTEX_LOCK_PI, 0, &past, NULL, 0));
	HEX("word", f[0]);
	f[0] = 0;
}

static void test_hand_over(void)
{
	struct timespec t;
	pid_t c;

	op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	c = fork();
	if (c == 0) {
		CALL("child's try", op(f, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
		CALL("child's unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
		t = from_now(CLOCK_REALTIME, 30);
		CALL("child is late", op(f, FUTEX_LOCK_PI, 0, &t, NULL, 0));
		t = from_now(CLOCK_MONOTONIC, 30);
		CALL("child is late again", op(f, FUTEX_LOCK_PI2, 0, &t, NULL, 0));
		f[9] = 1;
		CALL("child's lock", op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
		word("child's word", f[0]);
		CALL("child's unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
		word("free", f[0]);
		_exit(0);
	}
	while (!*(volatile unsigned *)&f[9])
		abi_sleep_ms(10);
	abi_sleep_ms(50);
	word("while it waits", f[0]);
	CALL("wake", op(f, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL("unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	ended("child", c);
	f[9] = 0;
}

/* A child that locks the words of the list one after the other, tells when it has got so far, and waits for the last. */
static pid_t locker(int prio, const int *list, unsigned slot)
{
	pid_t c = fork();

	if (c == 0) {
		fifo(prio);
		for (; *list >= 0; list++) {
			long r = op(f + *list, FUTEX_LOCK_PI, 0, NULL, NULL, 0);

			if (r < 0)
				_exit(errno);
			f[slot]++;
			f[30 + f[29]++] = slot;
		}
		for (int i = 0; i < 8; i++)
			if ((f[i] & FUTEX_TID_MASK) == (unsigned)self())
				op(f + i, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
		_exit(0);
	}
	abi_sleep_ms(80);
	return c;
}

static void test_priorities(void)
{
	static const int zero[] = { 0, -1 }, one_zero[] = { 1, 0, -1 }, one[] = { 1, -1 };
	pid_t a, b, c;

	op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	priority("mine", getpid());
	a = locker(0, zero, 10);
	b = locker(10, zero, 11);
	priority("mine, 10 waits", getpid());
	c = locker(20, zero, 12);
	priority("mine, 20 waits", getpid());
	op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	priority("mine, unlocked", getpid());
	ended("low", a);
	ended("middle", b);
	ended("high", c);
	abi_line("order", "%u %u %u", f[30], f[31], f[32]);
	memset(f, 0, 256);
	op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	a = locker(0, one_zero, 10);
	priority("chain: mine", getpid());
	b = locker(30, one, 11);
	priority("chain: mine, 30 waits", getpid());
	priority("chain: middle", a);
	kill(b, SIGKILL);
	waitpid(b, NULL, 0);
	priority("chain: mine, it was killed", getpid());
	b = locker(5, one, 11);
	struct sched_param p = { 7 };
	sched_setscheduler(b, SCHED_FIFO, &p);
	priority("chain: changed while it waits", getpid());
	op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	ended("chain: middle", a);
	ended("chain: end", b);
	priority("chain: mine at last", getpid());
	memset(f, 0, 256);
}

static void test_deadlock(void)
{
	static const int one_zero[] = { 1, 0, -1 };
	pid_t a;

	op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	a = locker(0, one_zero, 10);
	CALL("deadlock", op(f + 1, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL("deadlock, try", op(f + 1, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	ended("other", a);
	memset(f, 0, 256);
}

static void test_death(void)
{
	struct { void *next; long offset; void *pending; } head;
	void *entry[2];
	pid_t c = fork();

	if (c == 0) {
		op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
		f[9] = 1;
		abi_sleep_ms(100);
		_exit(0);
	}
	while (!*(volatile unsigned *)&f[9])
		abi_sleep_ms(10);
	CALL("owner dies", op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	word("word", f[0]);
	CALL("unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	word("word", f[0]);
	waitpid(c, NULL, 0);
	f[9] = 0;
	for (int waiting = 0; waiting < 2; waiting++) {
		c = fork();
		if (c == 0) {
			head.next = (char *)entry + 1; /* a PI lock */
			head.offset = (char *)f - (char *)entry;
			head.pending = NULL;
			entry[0] = &head;
			syscall(SYS_set_robust_list, &head, sizeof(head));
			op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
			f[9] = 1;
			abi_sleep_ms(waiting ? 100 : 0);
			_exit(0);
		}
		if (!waiting)
			waitpid(c, NULL, 0);
		while (!*(volatile unsigned *)&f[9])
			abi_sleep_ms(10);
		if (!waiting)
			word("robust, dead", f[0]);
		CALL("robust owner died", op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
		word("word", f[0]);
		CALL("unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
		word("word", f[0]);
		if (waiting)
			waitpid(c, NULL, 0);
		f[9] = 0;
	}
}

static void on_alarm(int sig)
{
	(void)sig;
}

static pid_t requeued(unsigned *w, unsigned *lock)
{
	pid_t c = fork();

	if (c == 0) {
		long r = op(w, FUTEX_WAIT_REQUEUE_PI, *w, NULL, lock, 0);
		int e = errno;

		if (r == 0) {
			word("requeued, has it", *lock);
			op(lock, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
		}
		_exit(r < 0 ? e : 0);
	}
	abi_sleep_ms(50);
	return c;
}

static void test_requeue(void)
{
	unsigned *w = f + 8;
	struct timespec t;
	pid_t a, b;

	w[0] = 5;
	CALL("wait, same", op(w, FUTEX_WAIT_REQUEUE_PI, 5, NULL, w, 0));
	CALL("wait, other value", op(w, FUTEX_WAIT_REQUEUE_PI, 6, NULL, f, 0));
	t = from_now(CLOCK_MONOTONIC, 20);
	CALL("wait, late", op(w, FUTEX_WAIT_REQUEUE_PI, 5, &t, f, 0));
	t = from_now(CLOCK_REALTIME, 20);
	CALL("wait, late, realtime", op(w, FUTEX_WAIT_REQUEUE_PI | FUTEX_CLOCK_REALTIME, 5, &t, f, 0));
	CALL("requeue, same", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, w, 5));
	CALL("requeue, wake 2", op(w, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, f, 5));
	CALL("requeue, other value", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, f, 6));
	CALL("requeue nobody", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, f, 5));
	a = requeued(w, f);
	CALL("wake one that is to be requeued", op(w, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL("requeue it plainly", op(w, FUTEX_CMP_REQUEUE, 1, (void *)1, f + 9, 5));
	CALL("requeue to another lock", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, f + 1, 5));
	CALL("requeue", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, f, 5));
	ended("requeued", a);
	word("lock", f[0]);
	op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	a = requeued(w, f);
	b = requeued(w, f);
	CALL("requeue both", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, f, 5));
	word("lock", f[0]);
	op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	ended("first", a);
	ended("second", b);
	a = fork();
	if (a == 0)
		RESULT(op(w, FUTEX_WAIT, 5, NULL, NULL, 0));
	abi_sleep_ms(50);
	CALL("requeue an ordinary one", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)1, f, 5));
	CALL("wake it", op(w, FUTEX_WAKE, 1, NULL, NULL, 0));
	ended("ordinary", a);
	op(f, FUTEX_LOCK_PI, 0, NULL, NULL, 0);
	a = fork();
	if (a == 0) {
		t = from_now(CLOCK_MONOTONIC, 200);
		RESULT(op(w, FUTEX_WAIT_REQUEUE_PI, 5, &t, f, 0));
	}
	b = fork();
	if (b == 0) {
		struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
		struct itimerval soon = { { 0, 0 }, { 0, 200000 } };

		sigaction(SIGALRM, &sa, NULL);
		setitimer(ITIMER_REAL, &soon, NULL);
		RESULT(op(w, FUTEX_WAIT_REQUEUE_PI, 5, NULL, f, 0));
	}
	abi_sleep_ms(50);
	CALL("requeue both again", op(w, FUTEX_CMP_REQUEUE_PI, 1, (void *)10, f, 5));
	ended("late for the lock", a);
	ended("signal while it waits for the lock", b);
	CALL("unlock", op(f, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	word("lock", f[0]);
}

int main(void)
{
	f = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_alone();
	test_hand_over();
	test_priorities();
	test_deadlock();
	test_death();
	test_requeue();
	return 0;
}
