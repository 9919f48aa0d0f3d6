// SPDX-License-Identifier: MIT
/* Extended attributes, inotify, System V IPC, ptrace: the rest that programs use. */
#include "../abi.h"
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/user.h>
#include <sys/xattr.h>

static void test_xattr(void)
{
	char buf[64];
	int n;

	abi_file("x", "", 0644);
	CALL("set trusted", setxattr("x", "trusted.one", "value", 5, 0));
	CALL("get trusted", n = (int)getxattr("x", "trusted.one", buf, sizeof(buf)));
	CALL("get size", getxattr("x", "trusted.one", NULL, 0));
	CALL("get short", getxattr("x", "trusted.one", buf, 2));
	CALL("get missing", getxattr("x", "trusted.none", buf, sizeof(buf)));
	CALL("create exists", setxattr("x", "trusted.one", "v", 1, XATTR_CREATE));
	CALL("replace missing", setxattr("x", "trusted.two", "v", 1, XATTR_REPLACE));
	CALL("list", listxattr("x", buf, sizeof(buf)));
	CALL("list short", listxattr("x", buf, 3));
	CALL("remove", removexattr("x", "trusted.one"));
	CALL("remove again", removexattr("x", "trusted.one"));
	CALL("no prefix", setxattr("x", "plain", "v", 1, 0));
	CALL("empty name", setxattr("x", "", "v", 1, 0));
	CALL("bad flag", setxattr("x", "trusted.q", "v", 1, 99));
	CALL("too large", setxattr("x", "trusted.q", buf, 70000, 0));
	CALL("missing file", getxattr("none", "trusted.q", buf, 1));
}

static void event(const char *name, int fd)
{
	char buf[1024], text[300] = "";
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0) {
		abi_return(name, -1);
		return;
	}
	for (char *p = buf; p < buf + n;) {
		struct inotify_event *e = (void *)p;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d:%x:%s ", e->wd, e->mask, e->len ? e->name : "");
		p += sizeof(*e) + e->len;
	}
	STR(name, text);
}

static void test_inotify(void)
{
	int fd, w;

	mkdir("watch", 0755);
	CALL("init", fd = inotify_init1(IN_NONBLOCK));
	CALL("init bad", inotify_init1(1));
	CALL("add", w = inotify_add_watch(fd, "watch", IN_ALL_EVENTS & ~(IN_ACCESS | IN_OPEN | IN_CLOSE)));
	CALL("add missing", inotify_add_watch(fd, "none", IN_ALL_EVENTS));
	CALL("add nothing", inotify_add_watch(fd, "watch", 0));
	event("quiet", fd);
	close(open("watch/f", O_CREAT | O_WRONLY, 0644));
	event("created", fd);
	abi_file("watch/f", "text", 0644);
	event("written", fd);
	rename("watch/f", "out");
	event("moved out", fd);
	rename("out", "watch/g");
	event("moved in", fd);
	chmod("watch/g", 0600);
	unlink("watch/g");
	event("changed and gone", fd);
	CALL("remove", inotify_rm_watch(fd, w));
	event("ignored", fd);
	CALL("remove again", inotify_rm_watch(fd, w));
}

static void test_sysv(void)
{
	int id, v;
	struct sembuf op = { 0, -1, IPC_NOWAIT };
	struct { long type; char text[16]; } m = { 3, "message" };
	char *p;

	CALL("shm missing", shmget(0x1234, 4096, 0));
	DOES("shmget", id = shmget(IPC_PRIVATE, 5000, IPC_CREAT | 0600));
	p = shmat(id, NULL, 0);
	YES("attached", p != (void *)-1);
	if (p != (void *)-1) {
		CHILD("shared", strcpy(p, "by child"));
		STR("seen", p);
	}
	struct shmid_ds ds;
	CALL("stat", shmctl(id, IPC_STAT, &ds));
	abi_line("size", "%zu attached %lu", ds.shm_segsz, (unsigned long)ds.shm_nattch);
	CALL("detach", shmdt(p));
	CALL("detach again", shmdt(p));
	CALL("remove", shmctl(id, IPC_RMID, NULL));
	CALL("attach removed", (long)shmat(id, NULL, 0));
	DOES("semget", id = semget(IPC_PRIVATE, 2, IPC_CREAT | 0600));
	CALL("setval", semctl(id, 0, SETVAL, 1));
	CALL("down", semop(id, &op, 1));
	CALL("down again", semop(id, &op, 1));
	op.sem_op = 1;
	CALL("up", semop(id, &op, 1));
	CALL("getval", semctl(id, 0, GETVAL));
	op.sem_num = 9;
	CALL("bad number", semop(id, &op, 1));
	CALL("remove sem", semctl(id, 0, IPC_RMID));
	DOES("msgget", id = msgget(IPC_PRIVATE, IPC_CREAT | 0600));
	CALL("send", msgsnd(id, &m, 8, 0));
	CALL("receive other type", msgrcv(id, &m, 16, 5, IPC_NOWAIT));
	CALL("receive too small", msgrcv(id, &m, 2, 3, IPC_NOWAIT));
	CALL("receive", v = (int)msgrcv(id, &m, 16, 3, IPC_NOWAIT));
	CALL("empty", msgrcv(id, &m, 16, 0, IPC_NOWAIT));
	CALL("send bad type", (m.type = 0, msgsnd(id, &m, 8, 0)));
	CALL("remove queue", msgctl(id, IPC_RMID, NULL));
}

static void test_ptrace(void)
{
	struct user_regs_struct r;
	static volatile int word = 77;
	int s;
	pid_t c = fork();

	if (c == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
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
	CALL("peek unmapped", ptrace(PTRACE_PEEKDATA, c, 8, 0));
	CALL("options", ptrace(PTRACE_SETOPTIONS, c, 0, PTRACE_O_TRACESYSGOOD));
	CALL("syscall", ptrace(PTRACE_SYSCALL, c, 0, 0));
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

int main(void)
{
	test_xattr();
	test_inotify();
	test_sysv();
	test_ptrace();
	return 0;
}
