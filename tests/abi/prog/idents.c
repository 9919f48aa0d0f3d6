// SPDX-License-Identifier: MIT
/* User and group ids, groups, capabilities, uname, sysinfo, getrandom, odd calls. */
#include "../abi.h"
#include <sys/resource.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/fsuid.h>
#include <sys/personality.h>
#include <sys/random.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void ids(const char *name)
{
	uid_t r, e, s;
	gid_t g, f, t;

	getresuid(&r, &e, &s);
	getresgid(&g, &f, &t);
	abi_line(name, "uid %u %u %u gid %u %u %u", r, e, s, g, f, t);
}

/* An open /proc/PID is good for pidfd_send_signal, and for nothing else. */
static void pidfd_dirs(void)
{
	char path[32];
	pid_t child = fork();

	if (child == 0) {
		pause();
		_exit(0);
	}
	snprintf(path, sizeof(path), "/proc/%d", child);
	int dir = open(path, O_RDONLY | O_DIRECTORY), place = open(path, O_PATH), top = open("/proc", O_RDONLY);
	strcat(path, "/task");
	int tasks = open(path, O_RDONLY);
	CALL("pidfd dir", syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
	CALL("pidfd dir O_PATH", syscall(SYS_pidfd_send_signal, place, 0, NULL, 0));
	CALL("pidfd dir top", syscall(SYS_pidfd_send_signal, top, 0, NULL, 0));
	CALL("pidfd dir tasks", syscall(SYS_pidfd_send_signal, tasks, 0, NULL, 0));
	CALL("pidfd dir getfd", syscall(SYS_pidfd_getfd, dir, 0, 0));
	CALL("pidfd dir waitid", waitid(P_PIDFD, (id_t)dir, NULL, WEXITED | WNOHANG));
	CALL("pidfd dir kill", syscall(SYS_pidfd_send_signal, dir, SIGTERM, NULL, 0));
	int s = 0;
	waitpid(child, &s, 0);
	abi_status("pidfd dir child", s);
	CALL("pidfd dir gone", syscall(SYS_pidfd_send_signal, dir, 0, NULL, 0));
	close(dir);
	close(place);
	close(top);
	close(tasks);
}

int main(void)
{
	gid_t g[4] = { 5, 3, 9, 1 };
	struct utsname u;
	struct sysinfo si;
	char buf[300];

	ids("start");
	CHILD("setuid root", CALL("setuid", setuid(10)); ids("after"); CALL("setuid back", setuid(0)));
	CHILD("seteuid", CALL("seteuid", seteuid(10)); ids("after"); CALL("setuid other", setuid(20));
		CALL("seteuid back", seteuid(0)); ids("back"));
	CHILD("setreuid", CALL("setreuid", setreuid(10, 20)); ids("after");
		CALL("swap", setreuid(20, 10)); ids("swapped"); CALL("foreign", setreuid(-1, 30)));
	CHILD("setreuid saved", setreuid(-1, 10); ids("after"); CALL("again", setreuid(0, 0)); ids("root"));
	CHILD("setresuid", CALL("setresuid", setresuid(1, 2, 3)); ids("after");
		CALL("permute", setresuid(3, 1, 2)); ids("permuted");
		CALL("foreign", setresuid(4, -1, -1)); CALL("none", setresuid(-1, -1, -1)));
	CHILD("setgid", CALL("setgid", setgid(10)); ids("after"); setuid(5); CALL("setgid user", setgid(0)));
	CHILD("setregid", CALL("setregid", setregid(10, 20)); ids("after"));
	CHILD("setresgid", CALL("setresgid", setresgid(1, 2, 3)); setuid(9); ids("after");
		CALL("permute", setresgid(3, 1, 2)); CALL("foreign", setresgid(7, 7, 7)));
	CHILD("setfsuid", NUM("old", setfsuid(10)); NUM("now", setfsuid(-1)); ids("fsuid"));
	CALL("setgroups", setgroups(4, g));
	CALL("getgroups count", getgroups(0, NULL));
	CALL("getgroups", getgroups(4, g));
	abi_line("groups", "%u %u %u %u", g[0], g[1], g[2], g[3]);
	CALL("getgroups small", getgroups(2, g));
	CALL("setgroups many", setgroups(70000, g));
	CHILD("setgroups user", setuid(10); CALL("eperm", setgroups(1, g)));
	CALL("setgroups none", setgroups(0, NULL));
	CALL("setuid -1", setuid(-1));
	CALL("old setuid16", syscall(SYS_setuid, 0));
	CALL("getuid16", syscall(SYS_getuid));
	CHILD("uid over 16 bits", setuid(100000); CALL("getuid 16", syscall(SYS_getuid)); NUM("getuid 32", getuid()));
	struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct d[2];
	CALL("capget", syscall(SYS_capget, &h, d));
	abi_line("caps", "%x %x %x", d[0].effective, d[0].permitted, d[0].inheritable);
	h.version = 1;
	CALL("capget version", syscall(SYS_capget, &h, d));
	HEX("version told", h.version);
	CHILD("caps of a user", setuid(10); h.version = _LINUX_CAPABILITY_VERSION_3;
		syscall(SYS_capget, &h, d); abi_line("none", "%x %x", d[0].effective, d[0].permitted));
	CALL("uname", uname(&u));
	STR("sysname", u.sysname);
	STR("machine", u.machine);
	CALL("sethostname", sethostname("a-host", 6));
	uname(&u);
	STR("nodename", u.nodename);
	CALL("sethostname long", sethostname(buf, 65));
	CALL("setdomainname", setdomainname("dom", 3));
	CHILD("sethostname user", setuid(10); CALL("eperm", sethostname("x", 1)));
	CALL("sysinfo", sysinfo(&si));
	YES("ram", si.totalram > 50u << 20 / si.mem_unit);
	YES("free", si.freeram > 0 && si.freeram < si.totalram);
	YES("uptime", si.uptime >= 0 && si.uptime < 100000);
	YES("procs", si.procs > 1);
	NUM("unit", si.mem_unit);
	CALL("getrandom", getrandom(buf, 64, 0));
	YES("not constant", memcmp(buf, buf + 32, 32) != 0);
	CALL("getrandom bad", getrandom(buf, 64, 99));
	CALL("personality", personality(0xffffffff));
	CALL("getcpu", syscall(SYS_getcpu, NULL, NULL, NULL));
	CALL("sysfs bad", syscall(SYS_sysfs, 99));
	CALL("reboot magic", syscall(SYS_reboot, 1, 2, 3, NULL));
	CHILD("reboot user", setuid(10); CALL("eperm", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x4321fedc, NULL)));
	CALL("syslog size", syscall(SYS_syslog, 10, NULL, 0) > 0);
	CALL("syslog bad", syscall(SYS_syslog, 99, NULL, 0));
	CALL("unknown", syscall(9999));
	CALL("unknown negative", syscall(-5));
	CALL("unimplemented break", syscall(17));
	CALL("sync", syscall(SYS_sync));
	CALL("syncfs", syncfs(0));
	CALL("syncfs bad", syncfs(99));
	CALL("iopl", syscall(SYS_iopl, 9));
	CALL("ioperm", syscall(SYS_ioperm, 0x10000, 1, 1));
	CALL("modify_ldt bad", syscall(SYS_modify_ldt, 99, NULL, 0));
	CALL("ptrace missing", syscall(SYS_ptrace, 16, 99999, 0, 0));
	CALL("acct missing", syscall(SYS_acct, "none"));
	CALL("swapon missing", syscall(SYS_swapon, "none", 0));
	CALL("socketcall bad", syscall(SYS_socketcall, 99, NULL));
	CALL("ipc bad", syscall(SYS_ipc, 99, 0, 0, 0, 0));
	CHILD("ioprio", setpgid(0, 0);
		CALL("never set", syscall(SYS_ioprio_get, 1, 0));
		CALL("of a group", syscall(SYS_ioprio_get, 2, 0));
		CALL("nicer", setpriority(PRIO_PROCESS, 0, 7));
		CALL("of a nice group", syscall(SYS_ioprio_get, 2, 0));
		CALL("set", syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6));
		CALL("then", syscall(SYS_ioprio_get, 1, 0));
		CALL("then of the group", syscall(SYS_ioprio_get, 2, 0));
		CALL("of none", syscall(SYS_ioprio_get, 1, 99999)));
	CALL("ioprio of init", syscall(SYS_ioprio_get, 1, 1));
	CALL("kcmp self", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0));
	CALL("pidfd", syscall(SYS_pidfd_open, getpid(), 0));
	CALL("pidfd missing", syscall(SYS_pidfd_open, 99999, 0));
	CALL("pidfd signal", syscall(SYS_pidfd_send_signal, 3, 0, NULL, 0));
	pidfd_dirs();
	CALL("membarrier query", syscall(SYS_membarrier, 0, 0, 0) >= 0);
	CALL("membarrier bad", syscall(SYS_membarrier, 0x40000, 0, 0));
	CALL("vhangup user", (setuid(10), syscall(SYS_vhangup)));
	return 0;
}
