// SPDX-License-Identifier: MIT
/* Capabilities and ids across execve(2): file capabilities, set-id files, ambient ones, securebits, no_new_privs, tracers. */
#include "../abi.h"
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <grp.h>
#include <sys/xattr.h>

static char self[128];

struct vfs_caps {
	unsigned magic, data[4], rootid;
};
#define V2 0x02000000u
#define V3 0x03000000u
#define BIT(c) (1u << (c))

static int file_caps(const char *path, unsigned magic, unsigned permitted, unsigned inheritable, size_t size)
{
	struct vfs_caps v = { magic, { permitted, inheritable, 0, 0 }, 0 };

	return setxattr(path, "security.capability", &v, size, 0);
}

static void caps(unsigned *e, unsigned *p, unsigned *i)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	syscall(SYS_capget, &h, d);
	*e = d[0].effective;
	*p = d[0].permitted;
	*i = d[0].inheritable;
}

static void set_inheritable(unsigned add)
{
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];

	syscall(SYS_capget, &h, d);
	d[0].inheritable |= add;
	syscall(SYS_capset, &h, d);
}

/* The program that is run: what it has. */
static int shown(const char *name)
{
	unsigned e, p, i, ambient = 0;

	caps(&e, &p, &i);
	for (int c = 0; c < 32; c++)
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1)
			ambient |= 1u << c;
	abi_line(name, "euid %d egid %d effective %x permitted %x inheritable %x ambient %x secure %lu dumpable %d", geteuid(), getegid(), e, p, i, ambient,
		 getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE));
	return 0;
}

static void become_user(void)
{
	setgroups(0, NULL);
	setresgid(1000, 1000, 1000);
	setresuid(1000, 1000, 1000);
}

static void run(const char *name)
{
	execl("./prog", "prog", name, NULL);
	FAILED(name);
	_exit(1);
}

static void fresh(mode_t mode)
{
	char buf[65536];
	int in = open(self, O_RDONLY), out;
	ssize_t n;

	unlink("prog");
	out = open("prog", O_WRONLY | O_CREAT | O_TRUNC, 0755);
	while ((n = read(in, buf, sizeof(buf))) > 0)
		write(out, buf, (size_t)n);
	close(in);
	close(out);
	chmod("prog", mode);
}

static void test_attribute(void)
{
	struct vfs_caps v;

	fresh(0755);
	CALL("v2", file_caps("prog", V2, BIT(CAP_NET_RAW), 0, 20));
	CALL("get", getxattr("prog", "security.capability", &v, sizeof(v)));
	CALL("short", file_caps("prog", V2, 0, 0, 12));
	CALL("v1 magic", file_caps("prog", 0x01000000u, 0, 0, 12));
	CALL("v9", file_caps("prog", 0x09000000u, 0, 0, 20));
	CALL("v2 of v3's size", file_caps("prog", V2, 0, 0, 24));
	CALL("v3", file_caps("prog", V3, BIT(CAP_NET_RAW), 0, 24));
	CHILD("as user", become_user(); CALL("set", file_caps("prog", V2, 0, 0, 20));
	      YES("user may get", getxattr("prog", "security.capability", &v, sizeof(v)) > 0));
	CALL("remove", removexattr("prog", "security.capability"));
	CALL("none", getxattr("prog", "security.capability", &v, sizeof(v)));
	file_caps("prog", V2 | 1, BIT(CAP_NET_RAW), 0, 20);
	chown("prog", 0, 0);
	CALL("after chown", getxattr("prog", "security.capability", &v, sizeof(v)));
	fresh(0755);
	file_caps("prog", V2 | 1, BIT(CAP_NET_RAW), 0, 20);
	int fd = open("prog", O_WRONLY | O_APPEND);
	write(fd, "x", 1);
	close(fd);
	CALL("after write", getxattr("prog", "security.capability", &v, sizeof(v)));
}

static void test_exec(void)
{
	fresh(0755);
	CHILD("plain root", run("plain root"));
	CHILD("plain user", become_user(); run("plain user"));
	file_caps("prog", V2 | 1, BIT(CAP_NET_RAW) | BIT(CAP_CHOWN), 0, 20);
	CHILD("effective", become_user(); run("effective"));
	CHILD("root with file caps", run("root with file caps"));
	CHILD("bounding", prctl(PR_CAPBSET_DROP, CAP_NET_RAW); become_user(); run("bounding"));
	CHILD("no_new_privs", become_user(); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); run("no_new_privs"));
	file_caps("prog", V2, BIT(CAP_NET_RAW), 0, 20);
	CHILD("permitted only", become_user(); run("permitted only"));
	CHILD("less in bounding", prctl(PR_CAPBSET_DROP, CAP_NET_RAW); become_user(); run("less in bounding"));
	file_caps("prog", V2 | 1, 0, BIT(CAP_KILL), 20);
	CHILD("inheritable", set_inheritable(BIT(CAP_KILL)); prctl(PR_SET_KEEPCAPS, 1); become_user(); run("inheritable"));
	CHILD("not inherited", become_user(); run("not inherited"));
	file_caps("prog", V3 | 1, BIT(CAP_NET_RAW), 0, 24);
	CHILD("version 3", become_user(); run("version 3"));
	fresh(04755);
	CHILD("setuid root", become_user(); run("setuid root"));
	CHILD("setuid root, no_new_privs", become_user(); prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); run("setuid root, no_new_privs"));
	CHILD("setuid root, noroot", prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); become_user(); run("setuid root, noroot"));
	file_caps("prog", V2 | 1, BIT(CAP_NET_RAW), 0, 20);
	CHILD("setuid root with caps", become_user(); run("setuid root with caps"));
	fresh(0755);
	chown("prog", 1001, 1002);
	chmod("prog", 06755);
	CHILD("set ids", become_user(); run("set ids"));
	CHILD("root, set ids", run("root, set ids"));
	chmod("prog", 02745);
	CHILD("setgid without x", become_user(); run("setgid without x"));
	fresh(0755);
	CHILD("ambient", set_inheritable(BIT(CAP_KILL)); prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0); prctl(PR_SET_SECUREBITS, SECBIT_KEEP_CAPS);
	      become_user(); prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0); run("ambient"));
	file_caps("prog", V2, BIT(CAP_NET_RAW), 0, 20);
	CHILD("ambient and file", set_inheritable(BIT(CAP_KILL)); prctl(PR_SET_KEEPCAPS, 1); become_user();
	      prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_KILL, 0, 0); run("ambient and file"));
	fresh(0755);
	CHILD("noroot", prctl(PR_SET_SECUREBITS, SECBIT_NOROOT); run("noroot"));
}

static void traced_run(const char *name, int privileged)
{
	int s;
	pid_t c;

	if (!privileged)
		become_user();
	c = fork();
	if (c == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		if (privileged)
			become_user();
		run(name);
	}
	while (waitpid(c, &s, 0) == c && WIFSTOPPED(s))
		ptrace(PTRACE_CONT, c, 0, 0);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[0], "prog"))
		return shown(argv[1]);
	readlink("/proc/self/exe", self, sizeof(self) - 1);
	chmod(".", 0777);
	umask(0);
	test_attribute();
	test_exec();
	fresh(04755);
	CHILD("traced", traced_run("traced by user", 0));
	CHILD("traced by root", traced_run("traced by root", 1));
	unlink("prog");
	return 0;
}
