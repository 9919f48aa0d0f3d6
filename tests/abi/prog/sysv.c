// SPDX-License-Identifier: MIT
/* System V IPC: ids and keys, permissions, limits, waiting, undo, /proc/sysvipc, ipc(2) and the direct calls. */
#include "../abi.h"
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

#define KEY 0x4d61
#define SHM_STAT_ANY_ 15
#define SEM_STAT_ANY_ 20
#define MSG_STAT_ANY_ 13

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static void file(const char *name, const char *path)
{
	char buf[800];
	int fd = open(path, O_RDONLY);
	ssize_t n = read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	for (char *p = buf; *p; p++)
		if (*p == '\n')
			*p = '|';
	STR(name, buf);
}

static void set_file(const char *name, const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);

	CALL(name, write(fd, text, strlen(text)));
	close(fd);
	file(path, path);
}

/* How many areas /proc/self/maps shows with this in the line. */
static int maps_lines(const char *what)
{
	char line[300];
	FILE *f = fopen("/proc/self/maps", "r");
	int n = 0;

	while (fgets(line, sizeof(line), f))
		n += strstr(line, what) != NULL;
	fclose(f);
	return n;
}

static unsigned long nattch(int id)
{
	struct shmid_ds ds;

	return shmctl(id, IPC_STAT, &ds) ? 999 : (unsigned long)ds.shm_nattch;
}

static void test_shm(void)
{
	struct shmid_ds ds;
	int id, other;
	char *p, *q;

	CALL("get too small", shmget(KEY, 0, IPC_CREAT | 0600));
	CALL("get none", shmget(KEY, 100, 0600));
	DOES("create", id = shmget(KEY, 10000, IPC_CREAT | 0640));
	YES("the same", shmget(KEY, 10000, 0) == id);
	YES("the same, smaller", shmget(KEY, 1, IPC_CREAT) == id);
	CALL("greater", shmget(KEY, 10001, 0));
	CALL("exclusive", shmget(KEY, 1, IPC_CREAT | IPC_EXCL | 0600));
	CALL("huge", shmget(IPC_PRIVATE, 4096, SHM_HUGETLB | 0600));
	CALL("huge, odd size", shmget(IPC_PRIVATE, 4096, SHM_HUGETLB | (13 << 26) | 0600));
	CALL("stat", shmctl(id, IPC_STAT, &ds));
	abi_line("segment", "size %zu mode %o key %x nattch %lu cpid %d lpid %d a %d d %d c %d", ds.shm_segsz, ds.shm_perm.mode,
		 ds.shm_perm.__key, (unsigned long)ds.shm_nattch, ds.shm_cpid == getpid(), ds.shm_lpid, ds.shm_atime != 0,
		 ds.shm_dtime != 0, ds.shm_ctime != 0);
	CALL("at unaligned", (long)shmat(id, (void *)0x20000123, 0));
	CALL("remap nowhere", (long)shmat(id, NULL, SHM_REMAP));
	CALL("remap rounded to 0", (long)shmat(id, (void *)0x123, SHM_REMAP | SHM_RND));
	HEX("at rounded", (long)shmat(id, (void *)0x20000123, SHM_RND));
	CALL("at taken", (long)shmat(id, (void *)0x20001000, 0));
	HEX("at taken, remap", (long)shmat(id, (void *)0x20001000, SHM_REMAP));
	NUM("attached", nattch(id));
	NUM("in maps", maps_lines("/SYSV00004d61 (deleted)"));
	CALL("detach middle", shmdt((void *)0x20001000));
	NUM("attached", nattch(id));
	CALL("detach again", shmdt((void *)0x20001000));
	CALL("detach unaligned", shmdt((void *)0x20000001));
	CALL("detach rest", shmdt((void *)0x20000000));
	NUM("attached", nattch(id));
	p = shmat(id, NULL, 0);
	strcpy(p + 5000, "text");
	q = shmat(id, NULL, SHM_RDONLY);
	STR("seen twice", q + 5000);
	CHILD("write to read-only", q[0] = 1);
	CALL("read-only made writable", mprotect(q, 4096, PROT_READ | PROT_WRITE));
	if (fork() == 0) {
		NUM("in the child", nattch(id));
		shmdt(p);
		NUM("in the child, one less", nattch(id));
		_exit(0);
	}
	wait(NULL);
	NUM("child gone", nattch(id));
	munmap(p, 4096);
	NUM("part unmapped", nattch(id));
	munmap(p + 4096, 4096);
	munmap(p + 8192, 4096);
	NUM("all unmapped", nattch(id));
	CALL("mlock", shmctl(id, SHM_LOCK, NULL));
	shmctl(id, IPC_STAT, &ds);
	NUM("mode locked", ds.shm_perm.mode);
	CALL("munlock", shmctl(id, SHM_UNLOCK, NULL));
	ds.shm_perm.uid = 77;
	ds.shm_perm.mode = 0666;
	CALL("set", shmctl(id, IPC_SET, &ds));
	shmctl(id, IPC_STAT, &ds);
	abi_line("was set", "uid %u cuid %u mode %o", ds.shm_perm.uid, ds.shm_perm.cuid, ds.shm_perm.mode);
	ds.shm_perm.uid = -1;
	CALL("set bad uid", shmctl(id, IPC_SET, &ds));
	CALL("remove", shmctl(id, IPC_RMID, NULL));
	CALL("stat removed", shmctl(id, IPC_STAT, &ds));
	NUM("mode", ds.shm_perm.mode);
	NUM("key", ds.shm_perm.__key);
	CALL("get removed", shmget(KEY, 1, 0));
	DOES("attach removed in use", (long)(p = shmat(id, NULL, 0)));
	shmdt(p);
	DOES("another", other = shmget(KEY, 4096, IPC_CREAT | 0600));
	YES("other id", other != id);
	shmctl(other, IPC_RMID, NULL);
	shmdt(q);
	CALL("gone", shmctl(id, IPC_STAT, &ds));
	CALL("bad command", shmctl(id, 99, &ds));
	CALL("negative id", shmctl(-1, IPC_STAT, &ds));
	CALL("set fault", syscall(SYS_shmctl, id, IPC_SET, 8));
}

static void test_shm_info(void)
{
	struct shminfo limits;
	struct shm_info info;
	struct shmid_ds ds;
	int id = shmget(IPC_PRIVATE, 8192, 0600), index;
	char *p = shmat(id, NULL, 0);

	p[0] = 1;
	DOES("ipc info", shmctl(0, IPC_INFO, (void *)&limits));
	abi_line("limits", "%lx %lu %lu %lu %lx", (unsigned long)limits.shmmax, (unsigned long)limits.shmmin, (unsigned long)limits.shmmni,
		 (unsigned long)limits.shmseg, (unsigned long)limits.shmall);
	DOES("shm info", index = shmctl(0, SHM_INFO, (void *)&info));
	abi_line("info", "%d segments, %lu pages, %lu in memory", info.used_ids, info.shm_tot, info.shm_rss);
	YES("by index", shmctl(index, SHM_STAT, &ds) == id);
	YES("by index, any", shmctl(index, SHM_STAT_ANY_, &ds) == id);
	CALL("index unused", shmctl(index + 9, SHM_STAT, &ds));
	shmctl(id, IPC_RMID, NULL);
	shmdt(p);
}

static void test_shm_user(void)
{
	int id = shmget(KEY, 4096, IPC_CREAT | 0640);

	if (fork() == 0) {
		struct shmid_ds ds;

		setgid(88);
		setuid(77);
		CALL("other get", shmget(KEY, 1, 0400));
		CALL("other get nothing", shmget(KEY, 1, 0) == id);
		CALL("other attach", (long)shmat(id, NULL, SHM_RDONLY));
		CALL("other stat", shmctl(id, IPC_STAT, &ds));
		DOES("other stat any", shmctl(id & 32767, SHM_STAT_ANY_, &ds));
		CALL("other remove", shmctl(id, IPC_RMID, NULL));
		CALL("other lock", shmctl(id, SHM_LOCK, NULL));
		CALL("other huge", shmget(IPC_PRIVATE, 4096, SHM_HUGETLB | 0600));
		_exit(0);
	}
	wait(NULL);
	shmctl(id, IPC_RMID, NULL);
}

static void test_rmid_forced(void)
{
	struct shmid_ds ds;
	int id;
	char *p;

	set_file("force", "/proc/sys/kernel/shm_rmid_forced", "1\n");
	id = shmget(IPC_PRIVATE, 4096, 0600);
	CALL("forced, never attached", shmctl(id, IPC_STAT, &ds));
	p = shmat(id, NULL, 0);
	shmdt(p);
	CALL("forced, detached", shmctl(id, IPC_STAT, &ds));
	int pipes[2];
	pipe(pipes);
	if (fork() == 0) {
		id = shmget(IPC_PRIVATE, 4096, 0600);
		write(pipes[1], &id, sizeof(id));
		_exit(0);
	}
	wait(NULL);
	read(pipes[0], &id, sizeof(id));
	CALL("forced, creator ended", shmctl(id, IPC_STAT, &ds));
	set_file("force bad", "/proc/sys/kernel/shm_rmid_forced", "2\n");
	set_file("force off", "/proc/sys/kernel/shm_rmid_forced", "0\n");
}

static void test_sem(void)
{
	struct sembuf up = { 0, 1, 0 }, down = { 0, -1, IPC_NOWAIT }, zero = { 0, 0, IPC_NOWAIT };
	struct sembuf two[2] = { { 0, -1, IPC_NOWAIT }, { 1, -1, IPC_NOWAIT } };
	struct timespec t = { 0, 50000000 };
	unsigned short v[3] = { 1, 2, 3 };
	struct semid_ds ds;
	struct seminfo info;
	union semun arg;
	int id;

	CALL("sem none", semget(KEY, 1, 0));
	CALL("sem 0", semget(KEY, 0, IPC_CREAT | 0600));
	CALL("sem negative", semget(KEY, -1, IPC_CREAT | 0600));
	CALL("sem too many", semget(KEY, 32001, IPC_CREAT | 0600));
	DOES("sem create", id = semget(KEY, 3, IPC_CREAT | 0600));
	CALL("sem more", semget(KEY, 4, 0));
	YES("sem 0 of it", semget(KEY, 0, 0) == id);
	CALL("down at 0", semop(id, &down, 1));
	CALL("zero at 0", semop(id, &zero, 1));
	CALL("up", semop(id, &up, 1));
	NUM("pid", semctl(id, 0, GETPID) == getpid());
	NUM("pid of another", semctl(id, 1, GETPID));
	CALL("zero at 1", semop(id, &zero, 1));
	CALL("both or none", semop(id, two, 2));
	NUM("value kept", semctl(id, 0, GETVAL));
	down.sem_flg = 0;
	semop(id, &down, 1);
	CALL("timed", semtimedop(id, &down, 1, &t));
	t.tv_nsec = -1;
	CALL("timed bad", semtimedop(id, &down, 1, &t));
	CALL("timed fault", syscall(SYS_semtimedop_time64, id, &down, 1, 8));
	CALL("no ops", semop(id, &up, 0));
	CALL("too many ops", semop(id, &up, 501));
	CALL("ops fault", semop(id, (void *)8, 1));
	CALL("bad id", semop(id + 77777, &up, 1));
	up.sem_num = 3;
	CALL("bad number", semop(id, &up, 1));
	up.sem_num = 0;
	up.sem_op = 32767;
	CALL("up far", semop(id, &up, 1));
	CALL("up too far", semop(id, &up, 1));
	arg.array = v;
	CALL("setall", semctl(id, 0, SETALL, arg));
	memset(v, 0, sizeof(v));
	CALL("getall", semctl(id, 0, GETALL, arg));
	abi_line("all", "%d %d %d", v[0], v[1], v[2]);
	v[1] = 40000;
	CALL("setall range", semctl(id, 0, SETALL, arg));
	arg.array = (void *)8;
	CALL("setall fault", semctl(id, 0, SETALL, arg));
	CALL("getall fault", semctl(id, 0, GETALL, arg));
	arg.val = 32768;
	CALL("setval range", semctl(id, 0, SETVAL, arg));
	arg.val = 5;
	CALL("setval number", semctl(id, 3, SETVAL, arg));
	CALL("getval number", semctl(id, -1, GETVAL));
	CALL("setval", semctl(id, 1, SETVAL, arg));
	NUM("getval", semctl(id, 1, GETVAL));
	arg.buf = &ds;
	CALL("sem stat", semctl(id, 0, IPC_STAT, arg));
	abi_line("set", "nsems %lu mode %o o %d c %d", (unsigned long)ds.sem_nsems, ds.sem_perm.mode, ds.sem_otime != 0, ds.sem_ctime != 0);
	ds.sem_perm.mode = 0444;
	CALL("sem set", semctl(id, 0, IPC_SET, arg));
	arg.info = &info;
	DOES("sem ipc info", semctl(0, 0, IPC_INFO, arg));
	abi_line("sem limits", "%d %d %d %d %d %d %d %d %d %d", info.semmap, info.semmni, info.semmns, info.semmnu, info.semmsl, info.semopm,
		 info.semume, info.semusz, info.semvmx, info.semaem);
	DOES("sem info", semctl(0, 0, SEM_INFO, arg));
	abi_line("sem used", "%d %d", info.semusz, info.semaem);
	arg.buf = &ds;
	YES("sem by index", semctl(id & 32767, 0, SEM_STAT, arg) == id);
	YES("sem by index any", semctl(id & 32767, 0, SEM_STAT_ANY_, arg) == id);
	CALL("sem bad command", semctl(id, 0, 99));
	CALL("sem remove", semctl(id, 0, IPC_RMID));
	CALL("sem removed", semctl(id, 0, GETVAL));
}

/* A child that does the operations; its end says how. */
static pid_t sem_child(int id, struct sembuf *ops, unsigned n)
{
	pid_t c = fork();

	if (c == 0)
		_exit(semop(id, ops, n) ? errno : 0);
	abi_sleep_ms(100);
	return c;
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

static void on_alarm(int sig)
{
	(void)sig;
}

static void test_sem_wait(void)
{
	struct sembuf down = { 0, -1, 0 }, up = { 0, 1, 0 }, zero = { 0, 0, 0 }, pair[2] = { { 0, -1, 0 }, { 1, -1, 0 } };
	struct sembuf undo = { 0, 2, SEM_UNDO }, undo_down = { 0, -1, SEM_UNDO };
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval soon = { { 0, 0 }, { 0, 50000 } };
	int id = semget(IPC_PRIVATE, 2, 0600);
	union semun arg = { .val = 1 };
	pid_t a, b;

	a = sem_child(id, &down, 1);
	b = sem_child(id, pair, 2);
	NUM("wait for more", semctl(id, 0, GETNCNT));
	NUM("wait for more of 1", semctl(id, 1, GETNCNT));
	NUM("wait for zero", semctl(id, 0, GETZCNT));
	semop(id, &up, 1);
	ended("first served", a);
	up.sem_num = 1;
	semop(id, &up, 1);
	NUM("wait for more still", semctl(id, 0, GETNCNT));
	arg.val = 1;
	semctl(id, 0, SETVAL, arg);
	ended("second served by setval", b);
	abi_line("left", "%d %d", semctl(id, 0, GETVAL), semctl(id, 1, GETVAL));
	semctl(id, 0, SETVAL, arg);
	a = sem_child(id, &zero, 1);
	NUM("wait for zero", semctl(id, 0, GETZCNT));
	semop(id, &down, 1);
	ended("zero came", a);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	CALL("interrupted", semop(id, &down, 1));
	a = sem_child(id, &undo, 1);
	ended("undo done", a);
	NUM("undone", semctl(id, 0, GETVAL));
	arg.val = 1;
	semctl(id, 0, SETVAL, arg);
	a = fork();
	if (a == 0) {
		semop(id, &undo_down, 1);
		NUM("taken", semctl(id, 0, GETVAL));
		arg.val = 7;
		semctl(id, 0, SETVAL, arg);
		_exit(0);
	}
	ended("taken and set", a);
	NUM("setval clears undo", semctl(id, 0, GETVAL));
	a = fork();
	if (a == 0) {
		semop(id, &undo_down, 1);
		syscall(SYS_unshare, CLONE_SYSVSEM);
		NUM("undone by unshare", semctl(id, 0, GETVAL));
		_exit(0);
	}
	ended("unshared", a);
	a = fork();
	if (a == 0) {
		semop(id, &undo_down, 1);
		raise(SIGKILL);
	}
	ended("killed", a);
	NUM("undone for the killed", semctl(id, 0, GETVAL));
	down.sem_op = -100;
	a = sem_child(id, &down, 1);
	semctl(id, 0, IPC_RMID);
	ended("removed while waited for", a);
}

struct message {
	long type;
	char text[64];
};

static void send(int id, long type, const char *text)
{
	struct message m = { type, "" };

	strcpy(m.text, text);
	if (msgsnd(id, &m, strlen(text) + 1, IPC_NOWAIT))
		FAILED("send");
}

static void receive(const char *name, int id, long type, int flags)
{
	struct message m = { 0, "" };
	ssize_t n = msgrcv(id, &m, sizeof(m.text), type, flags | IPC_NOWAIT);

	if (n < 0)
		FAILED(name);
	else
		abi_line(name, "%zd type %ld \"%s\"", n, m.type, m.text);
}

static void test_msg(void)
{
	struct message m = { 1, "" };
	struct msqid_ds ds;
	struct msginfo info;
	int id, n;

	CALL("msg none", msgget(KEY, 0));
	DOES("msg create", id = msgget(KEY, IPC_CREAT | 0600));
	CALL("msg exclusive", msgget(KEY, IPC_CREAT | IPC_EXCL));
	send(id, 5, "five");
	send(id, 3, "three");
	send(id, 4, "four");
	send(id, 3, "three again");
	receive("copy 2", id, 2, 040000);
	receive("copy 9", id, 9, 040000);
	CALL("copy waiting", msgrcv(id, &m, 64, 0, 040000));
	receive("least to 4", id, -4, 0);
	receive("not 5", id, 5, MSG_EXCEPT);
	receive("3", id, 3, 0);
	receive("3 no more", id, 3, 0);
	receive("any", id, 0, 0);
	send(id, LONG_MAX, "last");
	receive("least of all", id, LONG_MIN, 0);
	send(id, 2, "a longer message");
	CALL("too small", msgrcv(id, &m, 4, 0, IPC_NOWAIT));
	CALL("cut", msgrcv(id, &m, 4, 0, IPC_NOWAIT | MSG_NOERROR));
	BYTES("cut text", m.text, 4);
	CALL("type 0", (m.type = 0, msgsnd(id, &m, 1, 0)));
	m.type = 1;
	CALL("too long", msgsnd(id, &m, 8193, 0));
	CALL("negative size", msgsnd(id, &m, (size_t)-1, 0));
	CALL("send fault", msgsnd(id, (void *)8, 1, 0));
	CALL("receive negative", msgrcv(id, &m, (size_t)-1, 0, IPC_NOWAIT));
	CALL("empty message", msgsnd(id, &m, 0, 0));
	CALL("empty received", msgrcv(id, &m, 64, 0, IPC_NOWAIT));
	CALL("msg stat", msgctl(id, IPC_STAT, &ds));
	abi_line("queue", "%lu %lu %lu lspid %d lrpid %d s %d r %d c %d mode %o", (unsigned long)ds.__msg_cbytes, (unsigned long)ds.msg_qnum,
		 (unsigned long)ds.msg_qbytes, ds.msg_lspid == getpid(), ds.msg_lrpid == getpid(), ds.msg_stime != 0, ds.msg_rtime != 0,
		 ds.msg_ctime != 0, ds.msg_perm.mode);
	ds.msg_qbytes = 100;
	CALL("msg set", msgctl(id, IPC_SET, &ds));
	for (n = 0; msgsnd(id, &m, 30, IPC_NOWAIT) == 0; n++) {
	}
	FAILED("full");
	NUM("fitted", n);
	send(id, 8, "");
	DOES("msg ipc info", msgctl(0, IPC_INFO, (void *)&info));
	abi_line("msg limits", "%d %d %d %d %d %d %d %u", info.msgpool, info.msgmap, info.msgmax, info.msgmnb, info.msgmni, info.msgssz,
		 info.msgtql, info.msgseg);
	DOES("msg info", msgctl(0, MSG_INFO, (void *)&info));
	abi_line("msg used", "%d %d %d", info.msgpool, info.msgmap, info.msgtql);
	YES("msg by index", msgctl(id & 32767, MSG_STAT, &ds) == id);
	YES("msg by index any", msgctl(id & 32767, MSG_STAT_ANY_, &ds) == id);
	CALL("msg bad command", msgctl(id, 99, &ds));
	CALL("msg remove", msgctl(id, IPC_RMID, NULL));
	CALL("msg removed", msgrcv(id, &m, 64, 0, IPC_NOWAIT));
}

static void test_msg_wait(void)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	struct itimerval soon = { { 0, 0 }, { 0, 50000 } };
	struct message m = { 1, "x" };
	struct msqid_ds ds;
	int id = msgget(IPC_PRIVATE, 0600);
	pid_t a, b;

	a = fork();
	if (a == 0)
		_exit(msgrcv(id, &m, 64, 7, 0) < 0 ? errno : m.type == 7 ? 0 : 99);
	b = fork();
	if (b == 0)
		_exit(msgrcv(id, &m, 2, 0, 0) < 0 ? errno : 0);
	abi_sleep_ms(100);
	send(id, 7, "for the first");
	ended("receiver of 7", a);
	send(id, 8, "too long for the second");
	ended("receiver of little", b);
	receive("still there", id, 8, 0);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	CALL("receive interrupted", msgrcv(id, &m, 64, 1, 0));
	msgctl(id, IPC_STAT, &ds);
	ds.msg_qbytes = 10;
	msgctl(id, IPC_SET, &ds);
	msgsnd(id, &m, 8, 0);
	a = fork();
	if (a == 0)
		_exit(msgsnd(id, &m, 8, 0) ? errno : 0);
	abi_sleep_ms(100);
	receive("room", id, 0, 0);
	ended("sender", a);
	receive("what it sent", id, 0, 0);
	a = fork();
	if (a == 0)
		_exit(msgrcv(id, &m, 64, 7, 0) < 0 ? errno : 0);
	abi_sleep_ms(100);
	msgctl(id, IPC_RMID, NULL);
	ended("removed under a receiver", a);
}

static void test_raw(void)
{
	unsigned char ds[200];
	int id = (int)syscall(SYS_shmget, IPC_PRIVATE, 4096, 0600), sem, msg;
	unsigned long at;
	short old[40];

	YES("direct shmget", id >= 0);
	CALL("direct stat", syscall(SYS_shmctl, id, IPC_STAT, ds));
	CALL("direct stat with IPC_64", syscall(SYS_shmctl, id, IPC_STAT | 0x100, ds));
	CALL("old stat", syscall(SYS_ipc, 24, id, IPC_STAT, 0, ds));
	BYTES("old stat's size", ds + 16, 4);
	CALL("old set", syscall(SYS_ipc, 24, id, IPC_SET, 0, ds));
	CALL("new stat", syscall(SYS_ipc, 24, id, IPC_STAT | 0x100, 0, ds));
	BYTES("new stat's size", ds + 36, 4);
	at = (unsigned long)syscall(SYS_shmat, id, 0, 0);
	YES("direct shmat", at < (unsigned long)-4095);
	CALL("direct shmdt", syscall(SYS_shmdt, at));
	CALL("ipc shmat", syscall(SYS_ipc, 21, id, 0, &at, 0));
	CALL("ipc shmat version 1", syscall(SYS_ipc, 21 | 1 << 16, id, 0, &at, 0));
	CALL("ipc shmdt", syscall(SYS_ipc, 22, 0, 0, 0, at));
	CALL("ipc shmat fault", syscall(SYS_ipc, 21, id, 0, 8, 0));
	CALL("direct remove", syscall(SYS_shmctl, id, IPC_RMID, 0));
	sem = (int)syscall(SYS_semget, IPC_PRIVATE, 2, 0600);
	YES("direct semget", sem >= 0);
	CALL("direct setval", syscall(SYS_semctl, sem, 0, SETVAL, 3));
	CALL("direct getval", syscall(SYS_semctl, sem, 0, GETVAL, 0));
	CALL("direct sem stat", syscall(SYS_semctl, sem, 0, IPC_STAT, ds));
	CALL("ipc semctl null", syscall(SYS_ipc, 3, sem, 0, GETVAL, 0));
	CALL("ipc semctl fault", syscall(SYS_ipc, 3, sem, 0, GETVAL, 8));
	at = (unsigned long)old;
	CALL("ipc old sem stat", syscall(SYS_ipc, 3, sem, 0, IPC_STAT, &at));
	NUM("ipc old sem nsems", old[20]);
	CALL("direct sem remove", syscall(SYS_semctl, sem, 0, IPC_RMID, 0));
	msg = (int)syscall(SYS_msgget, IPC_PRIVATE, 0600);
	struct message m = { 3, "hello" };
	CALL("direct msgsnd", syscall(SYS_msgsnd, msg, &m, 6, 0));
	struct { void *p; long type; } kludge = { &m, 3 };
	memset(&m, 0, sizeof(m));
	CALL("ipc old msgrcv", syscall(SYS_ipc, 12, msg, 64, 0, &kludge));
	STR("ipc old msgrcv's text", m.text);
	CALL("ipc old msgrcv null", syscall(SYS_ipc, 12, msg, 64, 0, 0));
	CALL("direct msgsnd", syscall(SYS_msgsnd, msg, &m, 6, 0));
	CALL("direct msgrcv", syscall(SYS_msgrcv, msg, &m, 64, 0, 0));
	CALL("ipc old msg stat", syscall(SYS_ipc, 14, msg, IPC_STAT, 0, ds));
	BYTES("ipc old msg stat's qbytes", ds + 48, 2);
	CALL("direct msg remove", syscall(SYS_msgctl, msg, IPC_RMID, 0));
	CALL("ipc unknown", syscall(SYS_ipc, 9, 0, 0, 0, 0));
}

static void test_limits(void)
{
	file("shmmax", "/proc/sys/kernel/shmmax");
	file("shmall", "/proc/sys/kernel/shmall");
	set_file("set shmmni", "/proc/sys/kernel/shmmni", "1\n");
	int a = shmget(IPC_PRIVATE, 1, 0600);
	CALL("one too many", shmget(IPC_PRIVATE, 1, 0600));
	shmctl(a, IPC_RMID, NULL);
	set_file("set shmmni back", "/proc/sys/kernel/shmmni", "4096\n");
	set_file("set shmmni far", "/proc/sys/kernel/shmmni", "40000\n");
	set_file("set shmmax", "/proc/sys/kernel/shmmax", "8192");
	CALL("too large", shmget(IPC_PRIVATE, 8193, 0600));
	set_file("set shmmax back", "/proc/sys/kernel/shmmax", "4278190079");
	set_file("set shmall", "/proc/sys/kernel/shmall", "1");
	CALL("too much", shmget(IPC_PRIVATE, 8192, 0600));
	set_file("set shmall back", "/proc/sys/kernel/shmall", "4278190079");
	file("sem", "/proc/sys/kernel/sem");
	set_file("set sem", "/proc/sys/kernel/sem", "10 20 5 2\n");
	CALL("too many in a set", semget(IPC_PRIVATE, 11, 0600));
	a = semget(IPC_PRIVATE, 10, 0600);
	set_file("set sem", "/proc/sys/kernel/sem", "10 15\n");
	CALL("too many in all", semget(IPC_PRIVATE, 10, 0600));
	semctl(a, 0, IPC_RMID);
	set_file("set sem back", "/proc/sys/kernel/sem", "32000 1024000000 500 32000\n");
	set_file("set msgmax", "/proc/sys/kernel/msgmax", "16\n");
	struct message m = { 1, "" };
	a = msgget(IPC_PRIVATE, 0600);
	CALL("longer than msgmax", msgsnd(a, &m, 17, 0));
	set_file("set msgmax back", "/proc/sys/kernel/msgmax", "8192\n");
	file("msgmnb", "/proc/sys/kernel/msgmnb");
	file("msgmni", "/proc/sys/kernel/msgmni");
	msgctl(a, IPC_RMID, NULL);
}

/* Without what differs from run to run: ids, pids, times. */
static void table(const char *name, const char *path)
{
	char line[400], out[400];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f)) {
		size_t n = 0;

		line[strcspn(line, "\n")] = '\0';
		for (char *p = line; *p && n + 1 < sizeof(out); p++) {
			if (strchr("0123456789", *p) && strspn(p, "0123456789") >= 9 && strncmp(p, "4294967295", 10)) {
				n += (size_t)snprintf(out + n, sizeof(out) - n, "#%zu", strspn(p, "0123456789"));
				p += strspn(p, "0123456789") - 1;
				continue;
			}
			out[n++] = *p;
		}
		out[n] = '\0';
		STR(name, out);
	}
	if (f)
		fclose(f);
}

static void test_tables(void)
{
	int shm, sem, msg;
	struct msqid_ds ds;

	table("no segments", "/proc/sysvipc/shm");
	table("no sets", "/proc/sysvipc/sem");
	table("no queues", "/proc/sysvipc/msg");
	shm = shmget(0x7000001, 5000, IPC_CREAT | 0604);
	sem = semget(0x7000002, 5, IPC_CREAT | 0640);
	msg = msgget(0x7000003, IPC_CREAT | 0600);
	send(msg, 1, "hello");
	msgctl(msg, IPC_STAT, &ds);
	/* the ids depend on what was there before: only that there is a line */
	for (int i = 0; i < 3; i++) {
		static const char *const path[] = { "/proc/sysvipc/shm", "/proc/sysvipc/sem", "/proc/sysvipc/msg" };
		char line[300];
		int lines = 0, key = 0, id = -1, want[3] = { shm, sem, msg };
		unsigned mode = 0;
		FILE *f = fopen(path[i], "r");

		while (fgets(line, sizeof(line), f))
			if (lines++)
				sscanf(line, "%d %d %o", &key, &id, &mode);
		fclose(f);
		abi_line(path[i], "%d lines key %x mode %o id %s", lines, key, mode, id == want[i] ? "right" : "wrong");
	}
	shmctl(shm, IPC_RMID, NULL);
	semctl(sem, 0, IPC_RMID);
	msgctl(msg, IPC_RMID, NULL);
}

int main(void)
{
	test_shm();
	test_shm_info();
	test_shm_user();
	test_rmid_forced();
	test_sem();
	test_sem_wait();
	test_msg();
	test_msg_wait();
	test_tables();
	test_limits();
	test_raw(); /* leaves a segment attached */
	return 0;
}
