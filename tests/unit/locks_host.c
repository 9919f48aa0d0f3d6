/* SPDX-License-Identifier: MIT */
/* Locks of bytes and of files, leases, and signals for files: between processes of an instance, beside what /proc/locks says. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct maestro *k;
static struct maestro_task *other;
static int mine, theirs;

/* A file that two processes have open; the calling thread is the first. */
static void setup(void)
{
	k = unit_new();
	unit_put(k, "/f", "0123456789", 10);
	mine = maestro_open(k, "/f", O_RDWR);
	OK(mine);
	OK(maestro_task_create(k, &other));
	OK(maestro_task_switch(k, other));
	theirs = maestro_open(k, "/f", O_RDWR);
	OK(theirs);
	OK(maestro_task_switch(k, NULL));
}

static void as_other(int yes)
{
	OK(maestro_task_switch(k, yes ? other : NULL));
}

static long lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return maestro_fcntl(k, fd, cmd, &l);
}

/* Who would be in the way of a write lock of these bytes, and where: pid, or 0. */
static pid_t asked(int fd, int cmd, off_t start, off_t len, struct flock *l)
{
	*l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len };
	OK(maestro_fcntl(k, fd, cmd, l));
	return l->l_type == F_UNLCK ? 0 : l->l_pid;
}

START_TEST(bytes)
{
	struct flock l;
	pid_t me;

	setup();
	me = (pid_t)maestro_syscall(k, SYS_getpid);
	OK(lock(mine, F_SETLK, F_WRLCK, 10, 10)); /* 10..19 */
	OK(lock(mine, F_SETLK, F_WRLCK, 20, 10)); /* joined: 10..29 */
	OK(lock(mine, F_SETLK, F_RDLCK, 15, 5));  /* split: w 10..14, r 15..19, w 20..29 */
	as_other(1);
	ck_assert_int_eq(asked(theirs, F_GETLK, 0, 10, &l), 0);
	ck_assert_int_eq(asked(theirs, F_GETLK, 0, 0, &l), me);
	ck_assert(l.l_start == 10 && l.l_len == 5 && l.l_type == F_WRLCK && l.l_whence == SEEK_SET);
	ck_assert_int_eq(asked(theirs, F_GETLK, 15, 3, &l), me);
	ck_assert(l.l_start == 15 && l.l_len == 5 && l.l_type == F_RDLCK);
	OK(lock(theirs, F_SETLK, F_RDLCK, 16, 2)); /* two readers */
	FAILS(lock(theirs, F_SETLK, F_WRLCK, 16, 2), EAGAIN);
	FAILS(lock(theirs, F_SETLK, F_RDLCK, 14, 1), EAGAIN);
	as_other(0);
	FAILS(lock(mine, F_SETLK, F_WRLCK, 15, 5), EAGAIN); /* cannot be made stronger while the other reads */
	OK(lock(mine, F_SETLK, F_UNLCK, 12, 12));	    /* leaves w 10..11, w 24..29 */
	as_other(1);
	ck_assert_int_eq(asked(theirs, F_GETLK, 12, 12, &l), 0);
	ck_assert_int_eq(asked(theirs, F_GETLK, 12, 0, &l), me);
	ck_assert(l.l_start == 24 && l.l_len == 6);
	OK(lock(theirs, F_SETLK, F_WRLCK, 30, 0)); /* to the end of all files */
	as_other(0);
	ck_assert_int_ne(asked(mine, F_GETLK, 1LL << 40, 1, &l), 0);
	ck_assert(l.l_start == 30 && l.l_len == 0);
	/* Closing any descriptor of the file drops them all. */
	OK(maestro_close(k, maestro_open(k, "/f", O_RDONLY)));
	as_other(1);
	ck_assert_int_eq(asked(theirs, F_GETLK, 0, 0, &l), 0);
	OK(lock(theirs, F_SETLK, F_WRLCK, 0, 5));
	as_other(0);
	/* So does the end of a process. */
	FAILS(lock(mine, F_SETLK, F_RDLCK, 0, 1), EAGAIN);
	OK(maestro_task_destroy(k, other));
	OK(lock(mine, F_SETLK, F_WRLCK, 0, 0));
	unit_end(k);
}
END_TEST

START_TEST(bytes_refused)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_CUR, .l_start = -3, .l_len = 2 };
	int ro, wo;

	setup();
	ro = maestro_open(k, "/f", O_RDONLY);
	wo = maestro_open(k, "/f", O_WRONLY);
	FAILS(lock(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
	FAILS(lock(wo, F_SETLK, F_RDLCK, 0, 1), EBADF);
	FAILS(lock(mine, F_SETLK, 7, 0, 1), EINVAL);
	FAILS(lock(mine, F_SETLK, F_RDLCK, -1, 1), EINVAL);
	FAILS(lock(mine, F_SETLK, F_RDLCK, 5, -6), EINVAL);
	FAILS(lock(mine, F_GETLK, F_UNLCK, 0, 1), EINVAL);
	FAILS(maestro_fcntl(k, mine, F_SETLK, &l), EINVAL); /* before the beginning */
	ck_assert_int_eq(maestro_lseek(k, mine, 5, SEEK_SET), 5);
	OK(maestro_fcntl(k, mine, F_SETLK, &l)); /* 2..3 */
	l = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = 0, .l_len = -4 };
	OK(maestro_fcntl(k, mine, F_SETLK, &l)); /* 6..9 */
	as_other(1);
	ck_assert_int_ne(asked(theirs, F_GETLK, 0, 0, &l), 0);
	ck_assert(l.l_start == 2 && l.l_len == 2 && l.l_type == F_RDLCK);
	ck_assert_int_ne(asked(theirs, F_GETLK, 4, 0, &l), 0);
	ck_assert(l.l_start == 6 && l.l_len == 4 && l.l_type == F_WRLCK);
	as_other(0);
	unit_end(k);
}
END_TEST

START_TEST(of_open_files)
{
	struct flock l;
	int second, copy;

	setup();
	second = maestro_open(k, "/f", O_RDWR);
	copy = maestro_dup(k, mine);
	OK(lock(mine, F_OFD_SETLK, F_WRLCK, 0, 5));
	FAILS(lock(second, F_OFD_SETLK, F_RDLCK, 4, 1), EAGAIN); /* one process, two open files */
	FAILS(lock(second, F_SETLK, F_RDLCK, 4, 1), EAGAIN);	 /* and of the other kind */
	OK(lock(copy, F_OFD_SETLK, F_RDLCK, 0, 2));		 /* one open file */
	ck_assert_int_eq(asked(second, F_OFD_GETLK, 0, 0, &l), -1);
	ck_assert(l.l_start == 0 && l.l_len == 2 && l.l_type == F_RDLCK);
	l = (struct flock){ .l_type = F_WRLCK, .l_pid = 5 };
	FAILS(maestro_fcntl(k, mine, F_OFD_SETLK, &l), EINVAL);
	OK(maestro_close(k, mine));
	FAILS(lock(second, F_OFD_SETLK, F_WRLCK, 0, 0), EAGAIN);
	OK(maestro_close(k, copy)); /* the last descriptor */
	OK(lock(second, F_OFD_SETLK, F_WRLCK, 0, 0));
	unit_end(k);
}
END_TEST

START_TEST(whole_files)
{
	char text[512];
	int fd, copy;
	ssize_t n;

	setup();
	OK(maestro_mkdir(k, "/proc", 0755));
	OK(maestro_mount(k, "proc", "/proc", "proc", 0, NULL));
	copy = maestro_dup(k, mine);
	OK(maestro_flock(k, mine, LOCK_EX));
	OK(maestro_flock(k, copy, LOCK_EX | LOCK_NB)); /* it has it */
	as_other(1);
	FAILS(maestro_flock(k, theirs, LOCK_SH | LOCK_NB), EAGAIN);
	as_other(0);
	fd = maestro_open(k, "/proc/locks", O_RDONLY);
	n = maestro_read(k, fd, text, sizeof(text) - 1);
	ck_assert_int_gt(n, 0);
	text[n] = 0;
	ck_assert_msg(!strncmp(text, "1: FLOCK  ADVISORY  WRITE ", 26) && strstr(text, " 0 EOF\n"), "%s", text);
	OK(maestro_flock(k, copy, LOCK_SH));
	as_other(1);
	OK(maestro_flock(k, theirs, LOCK_SH | LOCK_NB));
	as_other(0);
	FAILS(maestro_flock(k, mine, LOCK_EX | LOCK_NB), EAGAIN);
	FAILS(maestro_flock(k, mine, LOCK_SH | LOCK_EX), EINVAL);
	FAILS(maestro_flock(k, 99, LOCK_SH), EBADF);
	OK(maestro_task_destroy(k, other));
	OK(maestro_flock(k, mine, LOCK_EX | LOCK_NB));
	OK(maestro_flock(k, mine, LOCK_UN));
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- waiting for one */
static int wait_cmd;
static long waited;

static void *wait_for_lock(void *arg)
{
	(void)arg;
	if (maestro_task_switch(k, other))
		return NULL;
	waited = wait_cmd == LOCK_EX ? maestro_flock(k, theirs, LOCK_EX) : lock(theirs, wait_cmd, F_WRLCK, 5, 1);
	(void)maestro_task_switch(k, NULL);
	maestro_thread_exit(k);
	return NULL;
}

START_TEST(waits)
{
	static const int cmds[] = { F_SETLKW, F_OFD_SETLKW, LOCK_EX };
	struct maestro_options o = { .size = sizeof(o) };
	struct timespec ms = { .tv_nsec = 5000000 };
	pthread_t t;

	k = unit_new_with(&o);
	unit_put(k, "/f", "0123456789", 10);
	mine = maestro_open(k, "/f", O_RDWR);
	OK(maestro_task_create(k, &other));
	as_other(1);
	theirs = maestro_open(k, "/f", O_RDWR);
	as_other(0);
	wait_cmd = cmds[_i];
	waited = 1;
	OK(wait_cmd == LOCK_EX ? maestro_flock(k, mine, LOCK_EX) : lock(mine, F_SETLK, F_WRLCK, 0, 0));
	ck_assert(!pthread_create(&t, NULL, wait_for_lock, NULL));
	for (unsigned i = 0; i < 10; i++)
		OK(maestro_syscall(k, SYS_nanosleep, &ms, NULL));
	ck_assert_int_eq(waited, 1);
	OK(wait_cmd == LOCK_EX ? maestro_flock(k, mine, LOCK_UN) : lock(mine, F_SETLK, F_UNLCK, 0, 0));
	pthread_join(t, NULL);
	ck_assert_int_eq(waited, 0);
	if (wait_cmd == LOCK_EX)
		FAILS(maestro_flock(k, mine, LOCK_SH | LOCK_NB), EAGAIN);
	else
		FAILS(lock(mine, F_SETLK, F_RDLCK, 5, 1), EAGAIN);
	unit_end(k);
}
END_TEST

static void *wait_crosswise(void *arg)
{
	(void)arg;
	if (maestro_task_switch(k, other))
		return NULL;
	waited = lock(theirs, F_SETLKW, F_WRLCK, 0, 1); /* which the first holds */
	(void)maestro_task_switch(k, NULL);
	maestro_thread_exit(k);
	return NULL;
}

START_TEST(deadlock_is_seen)
{
	struct maestro_options o = { .size = sizeof(o) };
	struct timespec ms = { .tv_nsec = 50000000 };
	pthread_t t;

	k = unit_new_with(&o);
	unit_put(k, "/f", "0123456789", 10);
	mine = maestro_open(k, "/f", O_RDWR);
	OK(lock(mine, F_SETLK, F_WRLCK, 0, 1));
	OK(maestro_task_create(k, &other));
	as_other(1);
	theirs = maestro_open(k, "/f", O_RDWR);
	OK(lock(theirs, F_SETLK, F_WRLCK, 1, 1));
	as_other(0);
	waited = 1;
	ck_assert(!pthread_create(&t, NULL, wait_crosswise, NULL));
	for (unsigned i = 0; i < 100; i++) {
		struct flock l = { .l_type = F_WRLCK, .l_start = 1, .l_len = 1 };
		long r;

		OK(maestro_syscall(k, SYS_nanosleep, &ms, NULL));
		if (i < 3)
			continue; /* the other is given time to begin waiting: else this one would wait, and the other be told */
		r = maestro_fcntl(k, mine, F_SETLKW, &l);
		ck_assert_msg(r == -EDEADLK || waited == -EDEADLK, "%ld, %ld", r, waited);
		break;
	}
	OK(lock(mine, F_SETLK, F_UNLCK, 0, 0));
	pthread_join(t, NULL);
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- leases, and signals for files */
static void block(int sig)
{
	uint64_t set = 1ULL << (sig - 1);

	OK(maestro_syscall(k, SYS_rt_sigprocmask, SIG_BLOCK, &set, NULL, 8));
}

/* The next of the signal: what it says, or -EAGAIN. */
static long next_signal(int sig, siginfo_t *info)
{
	uint64_t set = 1ULL << (sig - 1);
	struct timespec now = { 0 };

	return maestro_syscall(k, SYS_rt_sigtimedwait, &set, info, &now, 8);
}

START_TEST(leases)
{
	siginfo_t info;
	int64_t start;
	int fd;

	setup();
	block(SIGIO);
	FAILS(maestro_fcntl(k, mine, F_SETLEASE, F_WRLCK), EAGAIN); /* the other has it open */
	FAILS(maestro_fcntl(k, mine, F_SETLEASE, F_RDLCK), EAGAIN); /* for writing */
	OK(maestro_task_destroy(k, other));
	FAILS(maestro_fcntl(k, mine, F_SETLEASE, 9), EINVAL);
	OK(maestro_fcntl(k, mine, F_SETLEASE, F_WRLCK));
	ck_assert_int_eq(maestro_fcntl(k, mine, F_GETLEASE), F_WRLCK);
	OK(maestro_task_create(k, &other));
	/* Another opens it: refused if it does not wait, and we are told. */
	as_other(1);
	FAILS(maestro_open(k, "/f", O_RDONLY | O_NONBLOCK), EAGAIN);
	as_other(0);
	ck_assert_int_eq(next_signal(SIGIO, &info), SIGIO);
	ck_assert_int_eq(maestro_fcntl(k, mine, F_GETLEASE), F_RDLCK); /* what it is to become */
	OK(maestro_fcntl(k, mine, F_SETLEASE, F_UNLCK));
	as_other(1);
	fd = maestro_open(k, "/f", O_RDONLY | O_NONBLOCK);
	OK(fd);
	OK(maestro_close(k, fd));
	as_other(0);
	/* Not given up, it is taken away after its time. */
	OK(maestro_fcntl(k, mine, F_SETLEASE, F_WRLCK));
	start = maestro_time(k);
	as_other(1);
	fd = maestro_open(k, "/f", O_WRONLY);
	OK(fd);
	as_other(0);
	ck_assert_int_ge(maestro_time(k) - start, 44000000000LL);
	ck_assert_int_eq(maestro_fcntl(k, mine, F_GETLEASE), F_UNLCK);
	unit_end(k);
}
END_TEST

START_TEST(truncation_breaks_leases)
{
	struct f_owner_ex owner = { .type = F_OWNER_PID };
	siginfo_t info;
	int ro;

	setup();
	OK(maestro_task_destroy(k, other));
	OK(maestro_close(k, mine));
	ro = maestro_open(k, "/f", O_RDONLY);
	block(SIGUSR1);
	OK(maestro_fcntl(k, ro, F_SETSIG, SIGUSR1));
	ck_assert_int_eq(maestro_fcntl(k, ro, F_GETSIG), SIGUSR1);
	OK(maestro_fcntl(k, ro, F_SETLEASE, F_RDLCK));
	OK(maestro_fcntl(k, ro, F_GETOWN_EX, &owner));
	ck_assert_int_eq(owner.pid, maestro_syscall(k, SYS_getpid));
	OK(maestro_truncate(k, "/f", 3)); /* waits until the lease's time is over */
	ck_assert_int_eq(next_signal(SIGUSR1, &info), SIGUSR1);
	ck_assert_int_eq(info.si_fd, ro);
	ck_assert_int_eq(maestro_fcntl(k, ro, F_GETLEASE), F_UNLCK);
	/* Only of one's own files, and of files. */
	OK(maestro_chown(k, "/f", 5, 5));
	OK(maestro_syscall(k, SYS_setresuid, 6, 6, 0));
	FAILS(maestro_fcntl(k, ro, F_SETLEASE, F_RDLCK), EACCES);
	unit_end(k);
}
END_TEST

START_TEST(signals_for_files)
{
	struct f_owner_ex owner = { .type = F_OWNER_PID };
	siginfo_t info;
	int fd[2];

	k = unit_new();
	OK(maestro_pipe2(k, fd, O_NONBLOCK));
	block(SIGIO);
	block(SIGRTMIN);
	ck_assert_int_eq(maestro_fcntl(k, fd[0], F_GETOWN), 0);
	OK(maestro_fcntl(k, fd[0], F_SETOWN, (int)maestro_syscall(k, SYS_getpid)));
	OK(maestro_write(k, fd[1], "x", 1));
	FAILS(next_signal(SIGIO, &info), EAGAIN); /* not asked for yet */
	OK(maestro_fcntl(k, fd[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	ck_assert_int_eq(maestro_fcntl(k, fd[0], F_GETFL) & (O_ASYNC | O_NONBLOCK), O_ASYNC | O_NONBLOCK);
	OK(maestro_write(k, fd[1], "x", 1));
	ck_assert_int_eq(next_signal(SIGIO, &info), SIGIO);
	ck_assert_int_eq(info.si_code, SI_KERNEL);
	/* With a number of one's own it says which file, and why. */
	OK(maestro_fcntl(k, fd[0], F_SETSIG, SIGRTMIN));
	OK(maestro_write(k, fd[1], "x", 1));
	ck_assert_int_eq(next_signal(SIGRTMIN, &info), SIGRTMIN);
	ck_assert_int_eq(info.si_fd, fd[0]);
	ck_assert_int_eq(info.si_code, POLL_IN);
	ck_assert_int_eq(info.si_band, POLLIN | POLLRDNORM);
	OK(maestro_fcntl(k, fd[0], F_SETFL, O_NONBLOCK));
	OK(maestro_write(k, fd[1], "x", 1));
	FAILS(next_signal(SIGRTMIN, &info), EAGAIN);
	/* Owners: a thread, a group, nobody. */
	owner.type = F_OWNER_TID;
	owner.pid = (pid_t)maestro_syscall(k, SYS_gettid);
	OK(maestro_fcntl(k, fd[0], F_SETOWN_EX, &owner));
	ck_assert_int_eq(maestro_fcntl(k, fd[0], F_GETOWN), owner.pid);
	owner.pid = 12345;
	FAILS(maestro_fcntl(k, fd[0], F_SETOWN_EX, &owner), ESRCH);
	owner.type = 7;
	FAILS(maestro_fcntl(k, fd[0], F_SETOWN_EX, &owner), EINVAL);
	FAILS(maestro_fcntl(k, fd[0], F_SETSIG, 65), EINVAL);
	OK(maestro_syscall(k, SYS_setsid));
	OK(maestro_fcntl(k, fd[0], F_SETOWN, -(int)maestro_syscall(k, SYS_getpgrp)));
	OK(maestro_fcntl(k, fd[0], F_GETOWN_EX, &owner));
	ck_assert(owner.type == F_OWNER_PGRP && owner.pid == maestro_syscall(k, SYS_getpgrp));
	OK(maestro_fcntl(k, fd[0], F_SETOWN, 0));
	ck_assert_int_eq(maestro_fcntl(k, fd[0], F_GETOWN), 0);
	unit_end(k);
}
END_TEST

/* What happened in a directory that is open; once, unless it shall go on. */
START_TEST(directory_notices)
{
	siginfo_t info;
	int dir, again, file;

	k = unit_new();
	block(SIGIO);
	block(SIGRTMIN);
	OK(maestro_mkdir(k, "/d", 0755));
	unit_put(k, "/d/f", "x", 1);
	OK(dir = maestro_open(k, "/d", O_RDONLY | O_DIRECTORY));
	OK(file = maestro_open(k, "/d/f", O_RDWR));
	FAILS(maestro_fcntl(k, file, F_NOTIFY, DN_CREATE), ENOTDIR);
	OK(maestro_fcntl(k, dir, F_NOTIFY, DN_CREATE));
	OK(maestro_write(k, file, "y", 1)); /* not asked for */
	FAILS(next_signal(SIGIO, &info), EAGAIN);
	unit_put(k, "/d/g", "x", 1);
	ck_assert_int_eq(next_signal(SIGIO, &info), SIGIO);
	unit_put(k, "/d/h", "x", 1);
	FAILS(next_signal(SIGIO, &info), EAGAIN); /* it was once */

	OK(maestro_fcntl(k, dir, F_SETSIG, SIGRTMIN));
	OK(maestro_fcntl(k, dir, F_NOTIFY, DN_MODIFY | DN_MULTISHOT));
	OK(maestro_fcntl(k, dir, F_NOTIFY, DN_DELETE | DN_RENAME | DN_ATTRIB | DN_ACCESS)); /* added to it */
	for (int i = 0; i < 2; i++) {
		OK(maestro_write(k, file, "z", 1));
		ck_assert_int_eq(next_signal(SIGRTMIN, &info), SIGRTMIN);
		ck_assert_int_eq(info.si_fd, dir);
		ck_assert_int_eq(info.si_code, POLL_MSG);
	}
	OK(maestro_rename(k, "/d/h", "/d/i")); /* inside: a name that changed, and one that is gone */
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(next_signal(SIGRTMIN, &info), SIGRTMIN);
	FAILS(next_signal(SIGRTMIN, &info), EAGAIN);
	OK(maestro_chmod(k, "/d/i", 0600));
	ck_assert_int_eq(next_signal(SIGRTMIN, &info), SIGRTMIN);
	OK(maestro_rename(k, "/d/i", "/i")); /* gone, as by unlink(2) */
	ck_assert_int_eq(next_signal(SIGRTMIN, &info), SIGRTMIN);
	FAILS(next_signal(SIGRTMIN, &info), EAGAIN);

	OK(maestro_fcntl(k, dir, F_NOTIFY, 0)); /* no more */
	OK(maestro_unlink(k, "/d/g"));
	FAILS(next_signal(SIGRTMIN, &info), EAGAIN);
	/* A close ends it, even if the directory is open by another number. */
	OK(maestro_fcntl(k, dir, F_NOTIFY, DN_DELETE | DN_MULTISHOT));
	OK(again = maestro_fcntl(k, dir, F_DUPFD, 0));
	OK(maestro_close(k, dir));
	OK(maestro_unlink(k, "/d/f"));
	FAILS(next_signal(SIGRTMIN, &info), EAGAIN);
	OK(maestro_close(k, again));
	unit_end(k);
}
END_TEST

Suite *suite_locks(void)
{
	Suite *s = suite_create("locks");
	TCase *t = tcase_create("locks, leases, signals");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, bytes);
	tcase_add_test(t, bytes_refused);
	tcase_add_test(t, of_open_files);
	tcase_add_test(t, whole_files);
	tcase_add_loop_test(t, waits, 0, 3);
	tcase_add_test(t, deadlock_is_seen);
	tcase_add_test(t, leases);
	tcase_add_test(t, truncation_breaks_leases);
	tcase_add_test(t, signals_for_files);
	tcase_add_test(t, directory_notices);
	suite_add_tcase(s, t);
	return s;
}
