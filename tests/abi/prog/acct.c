// SPDX-License-Identifier: MIT
/* Process accounting (acct(2), acct(5)): what is refused, the records of processes that end in several ways, the file system under the file. */
#include "../abi.h"
#include <sys/acct.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static void refused(void)
{
	CALL("none", acct("none"));
	CALL("directory", acct("."));
	CALL("device", acct("/dev/null"));
	CALL("empty name", acct(""));
	CALL("bad pointer", syscall(SYS_acct, 1));
	CALL("off twice", acct(NULL));
	CALL("and again", acct(NULL));
	CHILD("user", setuid(10); CALL("off", acct(NULL)); CALL("on", acct("f")));
}

/* The records of those that were named so, as far as they are the same each time. */
static void records(const char *file, const char *name)
{
	struct acct_v3 r;
	int fd = open(file, O_RDONLY), n = 0;
	uint32_t now = (uint32_t)time(NULL);
	char what[80];

	while (read(fd, &r, sizeof(r)) == sizeof(r)) {
		float elapsed;

		if (strncmp(r.ac_comm, name, sizeof(r.ac_comm)))
			continue;
		snprintf(what, sizeof(what), "%s %d", name, n++);
		memcpy(&elapsed, &r.ac_etime, sizeof(elapsed));
		abi_line(what, "flag %x version %d exit %x uid %d gid %d tty %x", r.ac_flag, r.ac_version, r.ac_exitcode, r.ac_uid, r.ac_gid, r.ac_tty);
		YES("its parent", (pid_t)r.ac_ppid == getpid());
		YES("began of late", r.ac_btime <= now && r.ac_btime > now - 100);
		YES("lived as long as it did", elapsed >= 0 && elapsed < 3000);
		abi_line("io", "%d %d %d", r.ac_io, r.ac_rw, r.ac_swaps);
		YES("faults", r.ac_minflt > 0);
		YES("memory", r.ac_mem > 0);
		YES("time", r.ac_utime + r.ac_stime < 3000);
	}
	NUM("of that name", n);
	close(fd);
}

static void run(const char *name, void (*what)(void))
{
	pid_t c = fork();

	if (!c) {
		prctl(PR_SET_NAME, name);
		what();
		_exit(0);
	}
	waitpid(c, NULL, 0);
}

static void nothing(void) { }
static void fails(void) { _exit(3); }
static void killed(void) { raise(SIGKILL); }
static void busy(void)
{
	struct rusage u;

	do
		getrusage(RUSAGE_SELF, &u);
	while (u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_sec * 1000000 + u.ru_stime.tv_usec < 300000);
}
static void user(void)
{
	if (setgid(20) || setuid(10))
		_exit(9);
}
static void privileged(void) { sethostname("maestro", 7); }
static void limited(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_FSIZE, &none);
}
static void program(void) { execl("/bin/busybox", "true", (char *)NULL); }

static void kept(void)
{
	struct stat st;

	close(open("f", O_CREAT | O_WRONLY, 0600));
	CALL("on", acct("f"));
	run("a-nothing", nothing);
	run("a-fails", fails);
	run("a-killed", killed);
	run("a-user", user);
	run("a-privileged", privileged);
	run("a-limited", limited);
	run("a-program", program);
	run("a-name-that-is-too-long", nothing);
	run("a-busy", busy);
	CALL("another file", acct("none"));
	run("b-nothing", nothing);
	CALL("off", acct(NULL));
	run("c-nothing", nothing);
	stat("f", &st);
	YES("whole records", st.st_size && st.st_size % 64 == 0);
	for (int i = 0; i < 8; i++) {
		static const char *const names[] = { "a-nothing", "a-fails", "a-killed", "a-user", "a-privileged", "a-limited", "a-name-that-is-", "b-nothing" };

		records("f", names[i]);
	}
	records("f", "c-nothing");
	records("f", "busybox");
	records("f", "true");
}

/* Times are in hundredths, with three bits of exponent. */
static void times_of(void)
{
	struct acct_v3 r;
	int fd = open("f", O_RDONLY);

	while (read(fd, &r, sizeof(r)) == sizeof(r))
		if (!strcmp(r.ac_comm, "a-busy"))
			YES("busy for a while (sampled by ticks on Linux)", r.ac_utime + r.ac_stime > 3);
	close(fd);
}

static void under_mount(void)
{
	mkdir("m", 0755);
	CALL("mount", mount("none", "m", "tmpfs", 0, NULL));
	close(open("m/f", O_CREAT | O_WRONLY, 0600));
	CALL("on a mount", acct("m/f"));
	run("d-nothing", nothing);
	records("m/f", "d-nothing");
	CALL("umount", umount("m"));
	close(open("g", O_CREAT | O_WRONLY, 0400));
	CALL("may not be read", acct("g"));
	CALL("off then", acct(NULL));
	CALL("remount", mount("none", "m", "tmpfs", 0, NULL));
	CALL("umount again", umount("m"));
}

static void proc_file(void)
{
	char text[64] = "";
	int fd;

	mkdir("p", 0755);
	CALL("proc", mount("none", "p", "proc", 0, NULL));
	CALL("proc over it", mount("other", "p", "proc", 0, NULL));
	fd = open("p/sys/kernel/acct", O_RDWR);
	YES("limits", read(fd, text, sizeof(text) - 1) > 0);
	STR("of room", text);
	CALL("set", pwrite(fd, "5 3\n", 4, 0));
	CALL("set wrong", pwrite(fd, "x 7\n", 4, 0));
	memset(text, 0, sizeof(text));
	CALL("read again", pread(fd, text, sizeof(text) - 1, 0));
	STR("changed", text);
	CALL("as it was", pwrite(fd, "4 2 30\n", 7, 0));
	close(fd);
	CALL("umount proc", umount("p"));
	YES("the first is there", !access("p/self", F_OK));
	CALL("umount the first", umount("p"));
	YES("nothing is there", access("p/self", F_OK));
}

int main(void)
{
	refused();
	kept();
	times_of();
	under_mount();
	proc_file();
	return 0;
}
