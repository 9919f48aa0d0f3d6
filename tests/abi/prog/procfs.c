// SPDX-License-Identifier: MIT
/* The shapes of /proc that programs lean on. */
#include "../abi.h"

static char text[65536];

static int slurp(const char *path)
{
	int fd = open(path, O_RDONLY), n = 0, r;

	if (fd < 0)
		return -errno;
	while (n < (int)sizeof(text) - 1 && (r = (int)read(fd, text + n, sizeof(text) - 1 - (size_t)n)) > 0)
		n += r;
	close(fd);
	text[n] = 0;
	return n;
}

static int has(const char *s)
{
	return strstr(text, s) != NULL;
}

static void keys(const char *path, const char *const *names)
{
	char name[80];

	if (slurp(path) < 0) {
		abi_line(path, "missing");
		return;
	}
	for (; *names; names++) {
		snprintf(name, sizeof(name), "%s %s", path, *names);
		for (char *p = name; *p; p++)
			if (*p == '\n' || *p == '\t' || *p == ':')
				*p = ' ';
		YES(name, has(*names));
	}
}

int main(int argc, char **argv)
{
	char path[64], link[300];
	int n, fields = 0, pid;
	char comm[64], state;

	if (argc > 1 && strcmp(argv[1], "show") == 0)
		return 0;
	n = slurp("/proc/self/stat");
	YES("stat", n > 100);
	for (char *p = text; *p; p++)
		fields += *p == ' ';
	NUM("stat fields", fields + 1);
	if (sscanf(text, "%d (%63[^)]) %c", &pid, comm, &state) == 3) {
		YES("stat pid", pid == getpid());
		STR("stat comm", comm);
		abi_line("stat state", "%c", state);
	}
	int ppid, pgrp, sid, tty;
	if (sscanf(strchr(text, ')') + 4, "%d %d %d %d", &ppid, &pgrp, &sid, &tty) == 4)
		abi_line("stat ids", "%d %d %d tty %d", ppid == getppid(), pgrp == getpgrp(), sid == getsid(0), tty);
	n = slurp("/proc/self/statm");
	fields = 0;
	for (char *p = text; *p; p++)
		fields += *p == ' ';
	NUM("statm fields", fields + 1);
	static const char *const status[] = { "Name:\tprocfs\n", "State:\tR (running)\n", "Tgid:\t", "Pid:\t", "PPid:\t",
		"TracerPid:\t0\n", "Uid:\t0\t0\t0\t0\n", "Gid:\t0\t0\t0\t0\n", "FDSize:\t", "Groups:\t", "VmPeak:\t",
		"VmSize:\t", "VmRSS:\t", "VmData:\t", "VmStk:\t", "VmExe:\t", "Threads:\t1\n", "SigPnd:\t0000000000000000\n",
		"SigBlk:\t0000000000000000\n", "SigIgn:\t0000000000000000\n", "SigCgt:\t", "CapEff:\t", NULL };
	keys("/proc/self/status", status);
	n = slurp("/proc/self/cmdline");
	BYTES("cmdline", text, n);
	n = slurp("/proc/self/environ");
	BYTES("environ", text, n);
	slurp("/proc/self/comm");
	STR("comm", text);
	n = (int)readlink("/proc/self/exe", link, sizeof(link));
	link[n > 0 ? n : 0] = 0;
	STR("exe", link);
	n = (int)readlink("/proc/self/cwd", link, sizeof(link));
	link[n > 0 ? n : 0] = 0;
	STR("cwd", link);
	n = (int)readlink("/proc/self/root", link, sizeof(link));
	link[n > 0 ? n : 0] = 0;
	STR("root", link);
	n = (int)readlink("/proc/self", link, sizeof(link));
	link[n > 0 ? n : 0] = 0;
	YES("self", atoi(link) == getpid());
	snprintf(path, sizeof(path), "/proc/%d/stat", getppid());
	YES("parent", slurp(path) > 0);
	CALL("missing process", open("/proc/99999/stat", O_RDONLY));
	CALL("init", access("/proc/1/stat", R_OK));
	int fd = open("f", O_RDWR | O_CREAT, 0644), p[2];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = (int)readlink(path, link, sizeof(link));
	link[n > 0 ? n : 0] = 0;
	STR("fd link", link);
	struct stat st;
	lstat(path, &st);
	HEX("fd link mode", st.st_mode);
	CALL("open through fd", open(path, O_RDONLY) >= 0);
	unlink("f");
	n = (int)readlink(path, link, sizeof(link));
	link[n > 0 ? n : 0] = 0;
	STR("deleted", link);
	CALL("open deleted through fd", open(path, O_RDONLY) >= 0);
	pipe(p);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p[0]);
	n = (int)readlink(path, link, sizeof(link));
	YES("pipe link", n > 6 && memcmp(link, "pipe:[", 6) == 0);
	CALL("fd missing", readlink("/proc/self/fd/99", link, 9));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", p[0]);
	slurp(path);
	YES("fdinfo", has("pos:\t0\n") && has("flags:\t"));
	slurp("/proc/self/maps");
	YES("maps exe", has(" /abi/procfs\n"));
	YES("maps stack", has(" [stack]\n") || has("[stack]"));
	YES("maps vdso", has("[vdso]"));
	YES("maps heap", has("[heap]"));
	unsigned long a, b, off, ino;
	char perm[8];
	unsigned maj, min;
	YES("maps line", sscanf(text, "%lx-%lx %4s %lx %x:%x %lu", &a, &b, perm, &off, &maj, &min, &ino) == 7 && b > a);
	static const char *const meminfo[] = { "MemTotal:", "MemFree:", "MemAvailable:", "Buffers:", "Cached:", "SwapTotal:",
		"SwapFree:", "Slab:", " kB\n", NULL };
	keys("/proc/meminfo", meminfo);
	static const char *const statk[] = { "cpu  ", "cpu0 ", "intr ", "ctxt ", "btime ", "processes ", "procs_running ",
		"procs_blocked ", NULL };
	keys("/proc/stat", statk);
	static const char *const cpuinfo[] = { "processor\t: 0\n", "vendor_id\t: ", "model name\t: ", "flags\t\t: ", "bogomips\t: ", NULL };
	keys("/proc/cpuinfo", cpuinfo);
	static const char *const fs[] = { "nodev\tproc\n", "nodev\ttmpfs\n", "\text2\n", "nodev\tdevpts\n", NULL };
	keys("/proc/filesystems", fs);
	static const char *const mounts[] = { " / ext2 rw", " /proc proc ", " /tmp tmpfs ", " /dev ", NULL };
	keys("/proc/mounts", mounts);
	keys("/proc/self/mountinfo", (const char *const[]) { " - ext2 ", " - proc ", NULL });
	double up, idle, load;
	slurp("/proc/uptime");
	YES("uptime", sscanf(text, "%lf %lf", &up, &idle) == 2 && up > 0);
	slurp("/proc/loadavg");
	int running, total, last;
	YES("loadavg", sscanf(text, "%lf %lf %lf %d/%d %d", &load, &load, &load, &running, &total, &last) == 6 && total > 1);
	slurp("/proc/version");
	YES("version", has("version "));
	YES("cmdline kernel", slurp("/proc/cmdline") > 0 && has("root="));
	YES("devices", slurp("/proc/devices") > 0 && has("Character devices:\n") && has("  1 mem\n"));
	YES("partitions", slurp("/proc/partitions") > 0 && has("major minor  #blocks  name"));
	YES("hostname", slurp("/proc/sys/kernel/hostname") > 0);
	YES("ostype", slurp("/proc/sys/kernel/ostype") > 0);
	STR("ostype value", text);
	slurp("/proc/sys/kernel/pid_max");
	YES("pid_max", atoi(text) >= 4096);
	YES("random uuid", slurp("/proc/sys/kernel/random/uuid") == 37);
	CALL("write read-only", open("/proc/version", O_WRONLY));
	CALL("create in proc", open("/proc/newfile", O_CREAT | O_WRONLY, 0644));
	CALL("mkdir in proc", mkdir("/proc/newdir", 0755));
	CALL("unlink in proc", unlink("/proc/version"));
	stat("/proc/self/stat", &st);
	HEX("stat mode", st.st_mode);
	NUM("stat size", st.st_size);
	stat("/proc", &st);
	HEX("proc mode", st.st_mode);
	slurp("/proc/self/limits");
	YES("limits", has("Max open files"));
	YES("task dir", access("/proc/self/task", F_OK) == 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", getpid());
	YES("task stat", slurp(path) > 0);
	pid_t k = fork();
	if (k == 0)
		_exit(0);
	abi_sleep_ms(30);
	snprintf(path, sizeof(path), "/proc/%d/stat", k);
	slurp(path);
	YES("zombie", has(") Z "));
	snprintf(path, sizeof(path), "/proc/%d/cmdline", k);
	NUM("zombie cmdline", slurp(path));
	snprintf(path, sizeof(path), "/proc/%d/exe", k);
	CALL("zombie exe", readlink(path, link, 100));
	waitpid(k, NULL, 0);
	return 0;
}
