// SPDX-License-Identifier: MIT
/* clone, threads, futex, TLS, robust lists, exit_group. */
#include "../abi.h"
#include <asm/ldt.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <semaphore.h>

static long futex(volatile void *w, int op, int v, const struct timespec *t, volatile void *w2, int v3)
{
	return syscall(SYS_futex, w, op, v, t, w2, v3);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter;
static volatile int word, word2;
static __thread int mine = 7;
static sem_t sem;

static void *add(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	mine = (int)(intptr_t)arg;
	pthread_barrier_wait(&barrier);
	return (void *)(intptr_t)mine;
}

static void *waiter(void *arg)
{
	(void)arg;
	long r = futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0);
	return (void *)(r < 0 ? -(long)errno : r);
}

static int clone_fn(void *arg)
{
	*(volatile int *)arg = 55;
	syscall(SYS_exit, 9);
	return 0;
}

static volatile pid_t thread_tid;
static volatile int thread_signalled;

static void on(int s)
{
	(void)s;
	thread_signalled = (int)syscall(SYS_gettid);
}

static void *sleeper(void *arg)
{
	(void)arg;
	thread_tid = (pid_t)syscall(SYS_gettid);
	while (!thread_signalled)
		abi_sleep_ms(1);
	return NULL;
}

static void *last_words(void *arg)
{
	(void)arg;
	abi_sleep_ms(30);
	_exit(21);
}

static void *exec_in_thread(void *arg)
{
	(void)arg;
	char *av[] = { "busybox", "true", NULL };
	execv("/bin/busybox", av);
	return NULL;
}

static void *producer(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&lock);
		word2++;
		pthread_cond_signal(&cond);
		pthread_mutex_unlock(&lock);
	}
	sem_post(&sem);
	return NULL;
}

/* Ends in time? A status, or that it does not; then it is killed. */
static void ends(const char *name, pid_t c)
{
	int status = -1;
	pid_t got = 0;

	for (int i = 0; i < 300 && !got; i++) {
		abi_sleep_ms(10);
		got = waitpid(c, &status, WNOHANG);
	}
	if (got == c)
		HEX(name, status);
	else
		abi_line(name, "does not end");
}

static void *takes_all(void *arg)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGCONT);
	if (arg)
		read(signalfd(-1, &all, 0), arg, 128);
	else
		sigwaitinfo(&all, NULL);
	abi_line("takes all", "it took what nobody can take");
	return NULL;
}

/* SIGKILL and SIGSTOP are not for sigwaitinfo(2) and signalfd(2), also when a thread's group ends. */
static void end_of_waiters(void)
{
	static char buf[128];

	for (int how = 0; how < 4; how++) {
		pid_t c = fork();

		if (!c) {
			pthread_t t;

			if (how & 1)
				takes_all(how & 2 ? buf : NULL);
			pthread_create(&t, NULL, takes_all, how & 2 ? buf : NULL);
			abi_sleep_ms(50);
			_exit(3);
		}
		if (how & 1) {
			abi_sleep_ms(50);
			kill(c, SIGSTOP);
			waitpid(c, NULL, WUNTRACED);
			kill(c, SIGCONT);
			kill(c, SIGKILL);
		}
		ends(how & 1 ? "killed while it waits" : "group's end while one waits", c);
	}
}

int main(void)
{
	pthread_t t[8];
	void *r;
	struct timespec ts = { 0, 20000000 };

	pthread_barrier_init(&barrier, NULL, 5);
	for (long i = 0; i < 4; i++)
		GIVES("create", pthread_create(&t[i], NULL, add, (void *)(i + 10)));
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 4; i++) {
		GIVES("join", pthread_join(t[i], &r));
		NUM("value", (intptr_t)r);
	}
	NUM("counter", counter);
	NUM("own TLS", mine);
	YES("gettid is getpid", syscall(SYS_gettid) == getpid());
	sem_init(&sem, 0, 0);
	pthread_create(&t[0], NULL, producer, NULL);
	pthread_mutex_lock(&lock);
	while (word2 < 100)
		pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
	NUM("condition", word2);
	CALL("sem", sem_wait(&sem));
	pthread_join(t[0], NULL);
	/* Futex. */
	CALL("wait differs", futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
	CALL("wait times out", futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
	CALL("wait bad time", futex(&word, FUTEX_WAIT, 0, &(struct timespec) { 0, -1 }, NULL, 0));
	CALL("wake none", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL("unaligned", futex((char *)&word + 1, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL("fault", futex((void *)8, FUTEX_WAIT, 1, NULL, NULL, 0));
	CALL("wake unmapped private", futex((void *)8, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0));
	CALL("bad op", futex(&word, 99, 1, NULL, NULL, 0));
	CALL("bitset zero", futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, waiter, NULL);
	abi_sleep_ms(30);
	CALL("wake one", futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL("requeue", futex(&word, FUTEX_CMP_REQUEUE, 0, (void *)10, &word2, 0));
	CALL("cmp requeue differs", futex(&word, FUTEX_CMP_REQUEUE, 0, (void *)10, &word2, 5));
	CALL("wake rest there", futex(&word2, FUTEX_WAKE, 10, NULL, NULL, 0));
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &r);
		NUM("waiter", (intptr_t)r);
	}
	CALL("wake op", futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &word2, FUTEX_OP(FUTEX_OP_SET, 77, FUTEX_OP_CMP_EQ, 100)));
	NUM("wake op set", word2);
	word = 0;
	int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHILD("futex across processes",
		pid_t k = fork();
		if (k == 0) {
			abi_sleep_ms(30);
			*shared = 1;
			futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0);
			_exit(0);
		}
		CALL("woken across", futex(shared, FUTEX_WAIT, 0, &(struct timespec) { 5, 0 }, NULL, 0));
		waitpid(k, NULL, 0));
	/* Raw clone. */
	static char stack[65536] __attribute__((aligned(16)));
	volatile int seen = 0;
	pid_t tid = 0;
	int s;
	pid_t k = clone(clone_fn, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)&seen);
	YES("clone vm", k > 0 && waitpid(k, &s, 0) == k);
	abi_status("clone status", s);
	NUM("memory shared", seen);
	seen = 0;
	k = clone(clone_fn, stack + sizeof(stack), SIGCHLD, (void *)&seen);
	waitpid(k, &s, 0);
	NUM("memory not shared", seen);
	k = clone(clone_fn, stack + sizeof(stack), CLONE_VM, (void *)&seen);
	CALL("no signal needs __WALL", waitpid(k, &s, 0));
	YES("with __WALL", waitpid(k, &s, __WALL) == k);
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
	volatile pid_t clear = 1;
	k = clone(clone_fn, stack + sizeof(stack), flags, (void *)&seen, &tid, NULL, &clear);
	YES("thread", k > 0);
	YES("parent settid", tid == k);
	while (clear)
		futex(&clear, FUTEX_WAIT, clear, &ts, NULL, 0);
	NUM("child cleartid", clear);
	CALL("sighand without vm", clone(clone_fn, stack + 60000, CLONE_SIGHAND, NULL));
	CALL("thread without sighand", clone(clone_fn, stack + 60000, CLONE_THREAD | CLONE_VM, NULL));
	CALL("fs and newns", clone(clone_fn, stack + 60000, CLONE_FS | CLONE_NEWNS, NULL));
	CALL("set_tid_address", syscall(SYS_set_tid_address, &clear) == getpid());
	struct user_desc u = { .entry_number = (unsigned)-1, .base_addr = (unsigned)(uintptr_t)&seen, .limit = 0xfffff,
		.seg_32bit = 1, .limit_in_pages = 1, .useable = 1 };
	CALL("set_thread_area", syscall(SYS_set_thread_area, &u));
	NUM("entry", u.entry_number);
	seen = 1234;
	int got = 0;
	__asm__ volatile("movw %w1, %%fs\n\tmovl %%fs:0, %0" : "=r"(got) : "r"(u.entry_number * 8 + 3));
	NUM("through fs", got);
	CALL("get_thread_area", syscall(SYS_get_thread_area, &u));
	u.entry_number = 1;
	CALL("get bad entry", syscall(SYS_get_thread_area, &u));
	/* Signals to threads, exits, exec. */
	signal(SIGUSR1, on);
	pthread_create(&t[0], NULL, sleeper, NULL);
	while (!thread_tid)
		abi_sleep_ms(1);
	GIVES("pthread_kill", pthread_kill(t[0], SIGUSR1));
	pthread_join(t[0], NULL);
	YES("in that thread", thread_signalled == thread_tid);
	CHILD("thread exits process", pthread_create(&t[0], NULL, last_words, NULL); pause());
	CHILD("main thread exits first", pthread_create(&t[0], NULL, last_words, NULL); pthread_exit(NULL));
	CHILD("exec in thread", pthread_create(&t[0], NULL, exec_in_thread, NULL); pause());
	CHILD("signal kills all", pthread_create(&t[0], NULL, sleeper, NULL); thread_signalled = 0; kill(getpid(), SIGTERM); pause());
	CHILD("robust mutex", (void)0;
		pthread_mutexattr_t a;
		pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		pthread_mutexattr_init(&a);
		pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
		pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
		pthread_mutex_init(m, &a);
		pid_t d = fork();
		if (d == 0) {
			pthread_mutex_lock(m);
			_exit(0);
		}
		waitpid(d, NULL, 0);
		GIVES("owner died", pthread_mutex_lock(m));
		GIVES("consistent", pthread_mutex_consistent(m));
		GIVES("unlock", pthread_mutex_unlock(m)));
	GIVES("detached", pthread_create(&t[0], NULL, sleeper, NULL) ?: pthread_detach(t[0]));
	end_of_waiters();
	return 0;
}
