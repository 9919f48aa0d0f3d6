/* SPDX-License-Identifier: MIT */
/* System V IPC, POSIX message queues and PI futexes through the library, in x86_64's layouts; waiting between host threads. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>

static struct maestro *k;
static int sem;

/* On the host's clock, as threads that wait for each other need it: the virtual one runs on while one of them waits. */
static struct maestro *instance_for_threads(void)
{
	const struct maestro_options o = {.size = sizeof(o)};

	return unit_new_with(&o);
}

static void *sem_waiter(void *arg)
{
	struct sembuf down = {0, -1, 0};

	(void)arg;
	return (void *)maestro_syscall(k, SYS_semop, sem, &down, 1);
}

START_TEST(semaphores)
{
	struct sembuf up = {0, 1, 0}, down = {0, -1, IPC_NOWAIT}, wait = {0, -1, 0}, undo = {1, 3, SEM_UNDO};
	struct timespec five = {5, 0};
	struct semid_ds ds;
	int64_t start;

	k = unit_new();
	sem = (int)maestro_syscall(k, SYS_semget, 77, 2, IPC_CREAT | 0600);
	OK(sem);
	FAILS(maestro_syscall(k, SYS_semget, 77, 3, 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_semop, sem, &down, 1), EAGAIN);
	start = maestro_time(k);
	FAILS(maestro_syscall(k, SYS_semtimedop, sem, &wait, 1, &five), EAGAIN);
	ck_assert_int_ge(maestro_time(k) - start, 5000000000LL);
	OK(maestro_syscall(k, SYS_semop, sem, &up, 1));
	OK(maestro_syscall(k, SYS_semop, sem, &down, 1));
	OK(maestro_syscall(k, SYS_semop, sem, &undo, 1));
	ck_assert_int_eq(maestro_syscall(k, SYS_semctl, sem, 1, GETVAL, 0), 3);
	memset(&ds, 0xff, sizeof(ds));
	OK(maestro_syscall(k, SYS_semctl, sem, 0, IPC_STAT, &ds));
	ck_assert_uint_eq(ds.sem_nsems, 2);
	ck_assert_uint_eq(ds.sem_perm.mode, 0600);
	ck_assert_int_eq(ds.sem_perm.__key, 77);
	ck_assert_int_ne(ds.sem_ctime, 0);
	OK(maestro_syscall(k, SYS_semctl, sem, 0, IPC_RMID, 0));
	FAILS(maestro_syscall(k, SYS_semctl, sem, 0, GETVAL, 0), EINVAL);
	unit_end(k);
}
END_TEST

START_TEST(semaphores_between_threads)
{
	struct sembuf up = {0, 1, 0};
	pthread_t t;
	void *ret;

	k = instance_for_threads();
	sem = (int)maestro_syscall(k, SYS_semget, IPC_PRIVATE, 1, 0600);
	OK(sem);
	ck_assert_int_eq(pthread_create(&t, NULL, sem_waiter, NULL), 0);
	while (maestro_syscall(k, SYS_semctl, sem, 0, GETNCNT, 0) != 1)
		sched_yield();
	OK(maestro_syscall(k, SYS_semop, sem, &up, 1));
	pthread_join(t, &ret);
	ck_assert_ptr_eq(ret, NULL);
	unit_end(k);
}
END_TEST

START_TEST(messages)
{
	struct {
		long type;
		char text[32];
	} m = {3, "three"}, got;
	struct msqid_ds ds;
	int id;

	k = unit_new();
	id = (int)maestro_syscall(k, SYS_msgget, IPC_PRIVATE, 0600);
	OK(id);
	OK(maestro_syscall(k, SYS_msgsnd, id, &m, 6, 0));
	m.type = 1;
	OK(maestro_syscall(k, SYS_msgsnd, id, &m, 2, 0));
	OK(maestro_syscall(k, SYS_msgctl, id, IPC_STAT, &ds));
	ck_assert_uint_eq(ds.msg_qnum, 2);
	ck_assert_uint_eq(ds.msg_qbytes, 16384);
	ck_assert_int_eq(maestro_syscall(k, SYS_msgrcv, id, &got, 32, -5, 0), 2);
	ck_assert_int_eq(got.type, 1);
	ck_assert_int_eq(maestro_syscall(k, SYS_msgrcv, id, &got, 32, 3, 0), 6);
	ck_assert_str_eq(got.text, "three");
	FAILS(maestro_syscall(k, SYS_msgrcv, id, &got, 32, 0, IPC_NOWAIT), ENOMSG);
	FAILS(maestro_syscall(k, SYS_msgsnd, id, (void *)8, 6, 0), EFAULT);
	OK(maestro_syscall(k, SYS_msgctl, id, IPC_RMID, 0));
	unit_end(k);
}
END_TEST

START_TEST(segments)
{
	struct shmid_ds ds;
	int id;

	k = unit_new();
	id = (int)maestro_syscall(k, SYS_shmget, 5, 10000, IPC_CREAT | 0640);
	OK(id);
	OK(maestro_syscall(k, SYS_shmctl, id, IPC_STAT, &ds));
	ck_assert_uint_eq(ds.shm_segsz, 10000);
	ck_assert_uint_eq(ds.shm_nattch, 0);
	ck_assert_uint_eq(ds.shm_perm.mode, 0640);
	FAILS(maestro_syscall(k, SYS_shmat, id, NULL, 0), ENOSYS); /* the host's memory is not ours to map */
	OK(maestro_syscall(k, SYS_shmctl, id, IPC_RMID, NULL));
	FAILS(maestro_syscall(k, SYS_shmctl, id, IPC_STAT, &ds), EINVAL);
	unit_end(k);
}
END_TEST

START_TEST(posix_queues)
{
	struct mq_attr a = {.mq_maxmsg = 2, .mq_msgsize = 16}, now;
	struct timespec t;
	char buf[16];
	unsigned prio;
	int q;

	k = unit_new();
	q = (int)maestro_syscall(k, SYS_mq_open, "q", O_RDWR | O_CREAT, 0600, &a);
	OK(q);
	OK(maestro_syscall(k, SYS_mq_timedsend, q, "low", 4, 1, NULL));
	OK(maestro_syscall(k, SYS_mq_timedsend, q, "high", 5, 2, NULL));
	OK(maestro_syscall(k, SYS_clock_gettime, CLOCK_REALTIME, &t));
	t.tv_sec += 3;
	FAILS(maestro_syscall(k, SYS_mq_timedsend, q, "more", 5, 2, &t), ETIMEDOUT);
	OK(maestro_syscall(k, SYS_mq_getsetattr, q, NULL, &now));
	ck_assert_int_eq(now.mq_curmsgs, 2);
	ck_assert_int_eq(maestro_syscall(k, SYS_mq_timedreceive, q, buf, 16, &prio, NULL), 5);
	ck_assert_uint_eq(prio, 2);
	ck_assert_int_eq(maestro_syscall(k, SYS_mq_timedreceive, q, buf, 16, &prio, NULL), 4);
	ck_assert_str_eq(buf, "low");
	FAILS(maestro_syscall(k, SYS_mq_timedsend, q, (void *)8, 5, 2, NULL), EFAULT);
	OK(maestro_close(k, q));
	OK(maestro_syscall(k, SYS_mq_unlink, "q"));
	unit_end(k);
}
END_TEST

/* One who waits for the other side of a queue: the sender of "more" to a full one, or the receiver from an empty one. */
static void *queue_waiter(void *receive)
{
	char buf[16] = "";
	long ret = receive ? maestro_syscall(k, SYS_mq_timedreceive, sem, buf, 16, NULL, NULL) : maestro_syscall(k, SYS_mq_timedsend, sem, "more", 5, 0, NULL);

	maestro_thread_exit(k);
	return (void *)(receive && ret == 5 && strcmp(buf, "hello") ? -1 : ret);
}

static long joined(pthread_t t)
{
	void *ret;

	pthread_join(t, &ret);
	return (long)ret;
}

/* What the file of the queue says, /q/queue. */
static const char *queue_file(void)
{
	static char text[120];
	int fd = maestro_open(k, "/q/queue", O_RDONLY);
	ssize_t n = maestro_read(k, fd, text, sizeof(text) - 1);

	ck_assert_int_gt(n, 0);
	text[n] = 0;
	ck_assert_int_eq(maestro_read(k, fd, text + n, 1), 0);
	OK(maestro_close(k, fd));
	return text;
}

START_TEST(posix_queues_wait)
{
	struct mq_attr a = {.mq_maxmsg = 1, .mq_msgsize = 16};
	struct pollfd p;
	char buf[16];
	pthread_t t;

	k = instance_for_threads();
	OK(sem = (int)maestro_syscall(k, SYS_mq_open, "queue", O_RDWR | O_CREAT, 0600, &a));
	OK(maestro_mkdir(k, "/q", 0755));
	OK(maestro_mount(k, "none", "/q", "mqueue", 0, NULL));
	ck_assert_str_eq(queue_file(), "QSIZE:0          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n");
	p = (struct pollfd){.fd = sem, .events = POLLIN | POLLOUT};
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLOUT);
	ck_assert_int_eq(pthread_create(&t, NULL, queue_waiter, (void *)1), 0);
	OK(maestro_syscall(k, SYS_mq_timedsend, sem, "hello", 6, 3, NULL));
	ck_assert_int_eq(joined(t), 6);
	OK(maestro_syscall(k, SYS_mq_timedsend, sem, "first", 6, 0, NULL));
	ck_assert(!strncmp(queue_file(), "QSIZE:6 ", 8));
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLIN);
	ck_assert_int_eq(pthread_create(&t, NULL, queue_waiter, NULL), 0);
	ck_assert_int_eq(maestro_syscall(k, SYS_mq_timedreceive, sem, buf, 16, NULL, NULL), 6);
	ck_assert_str_eq(buf, "first");
	ck_assert_int_eq(joined(t), 0);
	ck_assert_int_eq(maestro_syscall(k, SYS_mq_timedreceive, sem, buf, 16, NULL, NULL), 5);
	ck_assert_str_eq(buf, "more");
	OK(maestro_umount(k, "/q", 0));
	unit_end(k);
}
END_TEST

/* One may be told of the first message of an empty queue, once. */
START_TEST(posix_queues_tell)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 7};
	uint64_t set = 1ull << (SIGUSR1 - 1);
	struct timespec none = {0};
	siginfo_t info;
	char buf[8192];
	int q;

	k = unit_new();
	OK(maestro_mkdir(k, "/q", 0755));
	OK(maestro_mount(k, "none", "/q", "mqueue", 0, NULL));
	OK(maestro_syscall(k, SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8));
	OK(q = (int)maestro_syscall(k, SYS_mq_open, "queue", O_RDWR | O_CREAT, 0600, NULL));
	OK(maestro_syscall(k, SYS_mq_notify, q, &ev));
	FAILS(maestro_syscall(k, SYS_mq_notify, q, &ev), EBUSY);
	ck_assert_ptr_nonnull(strstr(queue_file(), " SIGNO:10 "));
	ck_assert_ptr_nonnull(strstr(queue_file(), " SIGNO:0 ")); /* any close of the queue by that process ends it */
	OK(maestro_syscall(k, SYS_mq_notify, q, &ev));
	for (int i = 0; i < 2; i++)
		OK(maestro_syscall(k, SYS_mq_timedsend, q, "x", 1, 0, NULL));
	ck_assert_int_eq(maestro_syscall(k, SYS_rt_sigtimedwait, &set, &info, &none, 8), SIGUSR1);
	ck_assert_int_eq(info.si_code, SI_MESGQ);
	ck_assert_int_eq(info.si_value.sival_int, 7);
	FAILS(maestro_syscall(k, SYS_rt_sigtimedwait, &set, &info, &none, 8), EAGAIN);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(maestro_syscall(k, SYS_mq_timedreceive, q, buf, sizeof(buf), NULL, NULL), 1);
	OK(maestro_syscall(k, SYS_mq_notify, q, &ev));
	OK(maestro_syscall(k, SYS_mq_notify, q, NULL)); /* not any more */
	OK(maestro_syscall(k, SYS_mq_timedsend, q, "x", 1, 0, NULL));
	FAILS(maestro_syscall(k, SYS_rt_sigtimedwait, &set, &info, &none, 8), EAGAIN);
	OK(maestro_close(k, q));
	OK(maestro_umount(k, "/q", 0));
	unit_end(k);
}
END_TEST

static uint32_t word;

static void *pi_locker(void *arg)
{
	long ret = maestro_syscall(k, SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0);

	(void)arg;
	if (!ret)
		ret = maestro_syscall(k, SYS_futex, &word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return (void *)ret;
}

START_TEST(pi_futex)
{
	pthread_t t;
	void *ret;

	k = instance_for_threads();
	word = 0;
	OK(maestro_syscall(k, SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	FAILS(maestro_syscall(k, SYS_futex, &word, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EDEADLK);
	ck_assert_int_eq(pthread_create(&t, NULL, pi_locker, NULL), 0);
	while (!(__atomic_load_n(&word, __ATOMIC_SEQ_CST) & FUTEX_WAITERS))
		sched_yield();
	OK(maestro_syscall(k, SYS_futex, &word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	pthread_join(t, &ret);
	ck_assert_ptr_eq(ret, NULL);
	ck_assert_uint_eq(word, 0);
	FAILS(maestro_syscall(k, SYS_futex, (void *)8, FUTEX_LOCK_PI, 0, NULL, NULL, 0), EFAULT);
	unit_end(k);
}
END_TEST

Suite *suite_ipc(void)
{
	Suite *s = suite_create("ipc");
	TCase *t = tcase_create("ipc");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, semaphores);
	tcase_add_test(t, semaphores_between_threads);
	tcase_add_test(t, messages);
	tcase_add_test(t, segments);
	tcase_add_test(t, posix_queues);
	tcase_add_test(t, posix_queues_wait);
	tcase_add_test(t, posix_queues_tell);
	tcase_add_test(t, pi_futex);
	suite_add_tcase(s, t);
	return s;
}
