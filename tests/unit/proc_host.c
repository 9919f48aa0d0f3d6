/* SPDX-License-Identifier: MIT */
/* procfs and sysfs: each file reads alike whole and in pieces; what they say is what system calls say; what is set there is so. */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#define TEXT_MOST 65536

static struct maestro *k;
static char text[TEXT_MOST];

static void setup(void)
{
	k = unit_new();
	OK(maestro_mkdir(k, "/proc", 0755));
	OK(maestro_mkdir(k, "/sys", 0755));
	OK(maestro_mount(k, "proc", "/proc", "proc", 0, NULL));
	OK(maestro_mount(k, "sysfs", "/sys", "sysfs", 0, NULL));
}

static const char *read_text(const char *path)
{
	int fd = maestro_open(k, path, O_RDONLY);
	ssize_t n;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(-fd));
	n = maestro_read(k, fd, text, sizeof(text) - 1);
	ck_assert_msg(n >= 0, "%s: %s", path, strerror((int)-n));
	text[n] = 0;
	OK(maestro_close(k, fd));
	return text;
}

static long write_text(const char *path, const char *what)
{
	int fd = maestro_open(k, path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = maestro_write(k, fd, what, strlen(what));
	OK(maestro_close(k, fd));
	return n;
}

/* "NAME: VALUE" or "NAME VALUE" on a line of the text. */
static long field(const char *all, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = all; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, name, len) && (p[len] == ':' || p[len] == ' ' || p[len] == '\t'))
			return atol(p + len + 1);
	ck_abort_msg("there is no %s in\n%s", name, all);
	return 0;
}

/* ---------------------------------------------------------------- everything there is */
static unsigned nfiles;

static int changes_by_itself(const char *path)
{
	static const char *const names[] = { "/uuid", "/slabinfo", "/vmstat", "/meminfo", "/dentry-state", "/inode-nr", "/smaps", "/kmsg", "/stat", "/io", "/schedstat" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(path) >= strlen(names[i]) && !strcmp(path + strlen(path) - strlen(names[i]), names[i]))
			return 1;
	return 0;
}

static void check_file(const char *path)
{
	static char pieces[TEXT_MOST];
	int fd = maestro_open(k, path, O_RDONLY | O_NONBLOCK);
	ssize_t n, got = 0, whole;

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(-fd));
	whole = maestro_read(k, fd, text, sizeof(text));
	ck_assert_msg(whole >= 0 && whole < TEXT_MOST, "%s: %zd", path, whole);
	ck_assert_msg(strcmp(path, "/proc/kmsg") == 0 || !maestro_read(k, fd, text + whole, 1), "%s goes on after its end", path);
	OK(maestro_close(k, fd));
	nfiles++;
	if (changes_by_itself(path))
		return;
	fd = maestro_open(k, path, O_RDONLY);
	OK(fd);
	while ((n = maestro_read(k, fd, pieces + got, 37)) > 0)
		got += n;
	OK(n);
	ck_assert_msg(got == whole && !memcmp(text, pieces, (size_t)got), "%s: differs in pieces: %zd, %zd", path, whole, got);
	if (whole > 10 && maestro_lseek(k, fd, 10, SEEK_SET) == 10) {
		ck_assert_int_eq(maestro_read(k, fd, pieces, 5), whole - 10 < 5 ? whole - 10 : 5);
		ck_assert_msg(!memcmp(pieces, text + 10, 5 < whole - 10 ? 5 : (size_t)whole - 10), "%s: differs from the middle on", path);
	}
	OK(maestro_close(k, fd));
}

static void check_dir(const char *dir, unsigned depth);

static void check_entry(const char *path, unsigned type, unsigned depth)
{
	struct stat st;
	ssize_t n;

	ck_assert_msg(!maestro_lstat(k, path, &st), "%s is listed, not found", path);
	ck_assert_msg(type == IFTODT(st.st_mode), "%s: type %u, mode %o", path, type, st.st_mode);
	if (S_ISDIR(st.st_mode)) {
		check_dir(path, depth + 1);
	} else if (S_ISLNK(st.st_mode)) {
		n = maestro_readlink(k, path, text, sizeof(text));
		ck_assert_msg(n > 0 || n == -ENOENT, "%s: %zd", path, n); /* a kernel thread's exe leads nowhere */
	} else if ((st.st_mode & 0444) && S_ISREG(st.st_mode) && !strstr(path, "/mem") && !strstr(path, "/pagemap")) {
		check_file(path);
	}
}

static void check_dir(const char *dir, unsigned depth)
{
	char buf[4096], path[512];
	int fd = maestro_open(k, dir, O_RDONLY | O_DIRECTORY);
	unsigned small = 0, large = 0;
	ssize_t n;

	ck_assert_msg(fd >= 0, "%s: %s", dir, strerror(-fd));
	ck_assert_uint_lt(depth, 12);
	while ((n = maestro_getdents64(k, fd, buf, 48)) > 0)
		small++;
	ck_assert_msg(!n, "%s: %s", dir, strerror((int)-n));
	ck_assert_int_eq(maestro_lseek(k, fd, 0, SEEK_SET), 0);
	while ((n = maestro_getdents64(k, fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n; large++) {
			const struct dirent64 *e = (const void *)(buf + at);

			at += e->d_reclen;
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			if (e->d_name[0] != '.')
				check_entry(path, e->d_type, depth);
		}
	OK(maestro_close(k, fd));
	ck_assert_msg(small <= large, "%s", dir);
	snprintf(path, sizeof(path), "%s/no such name", dir);
	FAILS(maestro_open(k, path, O_RDONLY), ENOENT);
	ck_assert_int_lt(maestro_mkdir(k, path, 0755), 0);
	ck_assert_int_lt(maestro_open(k, path, O_CREAT | O_WRONLY, 0644), 0);
}

START_TEST(every_file)
{
	const char *image = unit_image("-b 1024", 2);
	struct maestro_task *other;
	int fds[2];

	setup();
	unit_mount(k, image); /* a disk, for the files of disks */
	OK(maestro_pipe2(k, fds, 0));
	OK(maestro_task_create(k, &other));
	OK(maestro_open(k, "/proc/self/status", O_RDONLY));
	check_dir("/proc", 0);
	check_dir("/sys", 0);
	ck_assert_uint_gt(nfiles, 150);
	FAILS(maestro_unlink(k, "/proc/version"), EPERM);
	FAILS(maestro_rename(k, "/proc/version", "/proc/v"), ENOENT);
	FAILS(maestro_open(k, "/proc/999999999", O_RDONLY), ENOENT);
	FAILS(maestro_open(k, "/proc/01", O_RDONLY), ENOENT);
	OK(maestro_task_destroy(k, other));
	unit_umount(k);
	unit_end(k);
	unlink(image);
}
END_TEST

/* ---------------------------------------------------------------- oneself */
START_TEST(own_status)
{
	struct rlimit lim = { 100, 200 };
	long pid;
	char path[64], line[200];
	struct stat a, b;

	setup();
	pid = maestro_syscall(k, SYS_getpid);
	ck_assert_int_eq(field(read_text("/proc/self/status"), "Pid"), pid);
	ck_assert_int_eq(field(text, "PPid"), maestro_syscall(k, SYS_getppid));
	ck_assert_int_eq(field(text, "Tgid"), pid);
	ck_assert_int_eq(field(text, "Threads"), 1);
	ck_assert_int_eq(field(text, "Uid"), 0);
	ck_assert_ptr_nonnull(strstr(text, "CapEff:\t000001ffffffffff\n"));
	ck_assert_int_gt(maestro_readlink(k, "/proc/self", path, sizeof(path)), 0);
	ck_assert_int_eq(atol(path), pid);
	/* names */
	ck_assert_int_eq(write_text("/proc/self/comm", "a name that is rather long"), 26);
	ck_assert_str_eq(read_text("/proc/self/comm"), "a name that is \n");
	ck_assert_ptr_nonnull(strstr(read_text("/proc/self/status"), "Name:\ta name that is \n"));
	OK(maestro_syscall(k, SYS_prctl, 15, "shorter"));
	ck_assert_str_eq(read_text("/proc/self/comm"), "shorter\n");
	ck_assert_int_eq(strncmp(strchr(read_text("/proc/self/stat"), '('), "(shorter) R", 11), 0);
	ck_assert_int_eq(atol(text), pid);
	/* how willingly it is killed */
	ck_assert_int_gt(write_text("/proc/self/oom_score_adj", "-500"), 0);
	ck_assert_str_eq(read_text("/proc/self/oom_score_adj"), "-500\n");
	FAILS(write_text("/proc/self/oom_score_adj", "1001"), EINVAL);
	FAILS(write_text("/proc/self/oom_score_adj", "x"), EINVAL);
	ck_assert_str_eq(read_text("/proc/self/oom_score_adj"), "-500\n");
	/* limits */
	OK(maestro_syscall(k, SYS_setrlimit, RLIMIT_NOFILE, &lim));
	snprintf(line, sizeof(line), "%-25s %-20u %-20u %-10s\n", "Max open files", 100, 200, "files");
	ck_assert_msg(strstr(read_text("/proc/self/limits"), line) != NULL, "%s", text);
	/* where it is */
	OK(maestro_mkdir(k, "/dir", 0755));
	OK(maestro_chdir(k, "/dir"));
	ck_assert_int_eq(maestro_readlink(k, "/proc/self/cwd", path, sizeof(path)), 4);
	ck_assert(!memcmp(path, "/dir", 4));
	OK(maestro_stat(k, "/proc/self/cwd", &a));
	OK(maestro_stat(k, "/dir", &b));
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	OK(maestro_chdir(k, "/"));
	ck_assert_int_eq(maestro_readlink(k, "/proc/self/root", path, sizeof(path)), 1);
	unit_end(k);
}
END_TEST

START_TEST(own_files)
{
	char path[64], target[64];
	struct maestro_task *other;
	int fd, again, fds[2], dir;
	ssize_t n;

	setup();
	unit_put(k, "/f", "hello", 5);
	fd = maestro_open(k, "/f", O_RDWR);
	OK(fd);
	ck_assert_int_eq(maestro_lseek(k, fd, 3, SEEK_SET), 3);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	ck_assert_int_eq(field(read_text(path), "pos"), 3);
	ck_assert_int_eq(strtol(strstr(text, "flags:\t") + 7, NULL, 8) & O_ACCMODE, O_RDWR);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = maestro_readlink(k, path, target, sizeof(target));
	ck_assert(n == 2 && !memcmp(target, "/f", 2));
	OK(maestro_unlink(k, "/f"));
	n = maestro_readlink(k, path, target, sizeof(target));
	ck_assert_int_eq(n, 12);
	ck_assert(!memcmp(target, "/f (deleted)", 12));
	/* It is opened again by its link though it has no name, with a position of its own. */
	again = maestro_open(k, path, O_RDONLY);
	OK(again);
	ck_assert_int_eq(maestro_read(k, again, text, 10), 5);
	OK(maestro_close(k, again));
	/* Files that never had one. */
	OK(maestro_pipe2(k, fds, 0));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[0]);
	n = maestro_readlink(k, path, target, sizeof(target));
	ck_assert(n > 7 && !memcmp(target, "pipe:[", 6));
	again = (int)maestro_syscall(k, SYS_eventfd2, 5, 0);
	OK(again);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", again);
	ck_assert_int_eq(field(read_text(path), "eventfd-count"), 5);
	/* A process that is gone. */
	OK(maestro_task_create(k, &other));
	OK(maestro_task_switch(k, other));
	snprintf(path, sizeof(path), "/proc/%ld", maestro_syscall(k, SYS_getpid));
	OK(maestro_task_switch(k, NULL));
	dir = maestro_open(k, path, O_RDONLY | O_DIRECTORY);
	OK(dir);
	fd = maestro_openat(k, dir, "status", O_RDONLY);
	OK(fd);
	OK(maestro_task_destroy(k, other));
	FAILS(maestro_read(k, fd, text, 10), ESRCH);
	FAILS(maestro_openat(k, dir, "stat", O_RDONLY), ENOENT);
	FAILS(maestro_open(k, path, O_RDONLY), ENOENT);
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- the machine */
START_TEST(machine)
{
	struct maestro_memory m;
	struct utsname uts;
	char line[300];

	setup();
	OK(maestro_memory(k, &m));
	ck_assert_int_eq(field(read_text("/proc/meminfo"), "MemTotal"), m.total >> 10);
	ck_assert_int_le(labs(field(text, "MemFree") - (long)(m.free >> 10)), 256);
	OK(maestro_syscall(k, SYS_uname, &uts));
	snprintf(line, sizeof(line), "Linux version %s ", uts.release);
	ck_assert_int_eq(strncmp(read_text("/proc/version"), line, strlen(line)), 0);
	snprintf(line, sizeof(line), "%s\n", uts.version);
	ck_assert_str_eq(read_text("/proc/sys/kernel/version"), line);
	ck_assert_int_eq(field(read_text("/proc/stat"), "processes") > 0, 1);
	OK(maestro_clock_advance(k, 12500000000LL));
	ck_assert_int_eq(strncmp(read_text("/proc/uptime"), "12.5", 4), 0);
	ck_assert_ptr_nonnull(strstr(read_text("/proc/filesystems"), "\text2\n"));
	ck_assert_ptr_nonnull(strstr(text, "nodev\ttmpfs\n"));
	ck_assert_ptr_nonnull(strstr(read_text("/proc/devices"), "Character devices:\n  1 mem\n"));
	unit_end(k);
}
END_TEST

START_TEST(mounts_told)
{
	const char *image = unit_image("-b 1024", 2);

	setup();
	unit_mount(k, image);
	ck_assert_ptr_nonnull(strstr(read_text("/proc/mounts"), "/dev/vda /mnt ext2 rw,relatime 0 0\n"));
	OK(maestro_mkdir(k, "/a b", 0755));
	OK(maestro_mount(k, "tab\there", "/a b", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY | MS_NOATIME, "size=1m,mode=700"));
	ck_assert_msg(strstr(read_text("/proc/self/mounts"), "tab\\011here /a\\040b tmpfs ro,nosuid,nodev,noexec,noatime,size=1024k,mode=700 0 0\n") != NULL, "%s", text);
	ck_assert_msg(strstr(read_text("/proc/self/mountinfo"), " / /a\\040b ro,nosuid,nodev,noexec,noatime - tmpfs tab\\011here ro,size=1024k,mode=700\n") != NULL, "%s", text);
	OK(maestro_mount(k, NULL, "/mnt", NULL, MS_REMOUNT | MS_RDONLY, "errors=remount-ro,resuid=7,grpid"));
	ck_assert_msg(strstr(read_text("/proc/mounts"), "/dev/vda /mnt ext2 ro,relatime,grpid,resuid=7,errors=remount-ro 0 0\n") != NULL, "%s", text);
	OK(maestro_umount(k, "/a b", 0));
	unit_umount(k);
	unit_end(k);
	unlink(image);
}
END_TEST

/* ---------------------------------------------------------------- settings */
START_TEST(settings)
{
	static const char *const numbers[] = { "vm/swappiness", "vm/dirty_ratio", "vm/overcommit_memory", "vm/max_map_count", "fs/lease-break-time", "kernel/msgmax",
					       "kernel/core_uses_pid", "net/core/somaxconn", "fs/mqueue/msg_max", "kernel/shmmni", "net/unix/max_dgram_qlen" };
	struct maestro_task *other;
	struct utsname uts;
	char path[128], before[64];

	setup();
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		snprintf(path, sizeof(path), "/proc/sys/%s", numbers[i]);
		snprintf(before, sizeof(before), "%s", read_text(path));
		ck_assert_msg(write_text(path, "x") == -EINVAL, "%s", path);
		ck_assert_msg(write_text(path, "-1") == -EINVAL, "%s", path);
		ck_assert_msg(write_text(path, "1 trailing") < 0 || atol(read_text(path)) == 1, "%s", path);
		ck_assert_msg(write_text(path, "1\n") == 2, "%s", path);
		ck_assert_str_eq(read_text(path), "1\n");
		ck_assert_msg(write_text(path, before) == (long)strlen(before), "%s", path);
		ck_assert_str_eq(read_text(path), before);
	}
	FAILS(write_text("/proc/sys/vm/swappiness", "201"), EINVAL);
	ck_assert_int_eq(write_text("/proc/sys/kernel/hostname", "somewhere\n"), 10);
	OK(maestro_syscall(k, SYS_uname, &uts));
	ck_assert_str_eq(uts.nodename, "somewhere");
	OK(maestro_syscall(k, SYS_setdomainname, "domain", 6));
	ck_assert_str_eq(read_text("/proc/sys/kernel/domainname"), "domain\n");
	ck_assert_int_eq(write_text("/proc/sys/kernel/core_pattern", "/tmp/core.%p"), 12);
	ck_assert_str_eq(read_text("/proc/sys/kernel/core_pattern"), "/tmp/core.%p\n");
	ck_assert_int_gt(write_text("/proc/sys/kernel/sem", "250\t32000 100 128"), 0);
	ck_assert_str_eq(read_text("/proc/sys/kernel/sem"), "250\t32000\t100\t128\n");
	ck_assert_int_gt(write_text("/proc/sys/vm/drop_caches", "3"), 0);
	FAILS(write_text("/proc/sys/vm/drop_caches", "9"), EINVAL);
	/* Two numbers of their own each time. */
	snprintf(before, sizeof(before), "%s", read_text("/proc/sys/kernel/random/uuid"));
	ck_assert_str_ne(read_text("/proc/sys/kernel/random/uuid"), before);
	snprintf(before, sizeof(before), "%s", read_text("/proc/sys/kernel/random/boot_id"));
	ck_assert_str_eq(read_text("/proc/sys/kernel/random/boot_id"), before);
	/* Not for everybody. */
	OK(maestro_task_create(k, &other));
	OK(maestro_task_switch(k, other));
	snprintf(path, sizeof(path), "/proc/%ld/fd", maestro_syscall(k, SYS_getpid));
	OK(maestro_task_switch(k, NULL));
	OK(maestro_syscall(k, SYS_setresuid, 1000, 1000, 1000));
	FAILS(write_text("/proc/sys/kernel/hostname", "x"), EACCES);
	FAILS(maestro_open(k, "/proc/slabinfo", O_RDONLY), EACCES);
	FAILS(maestro_open(k, path, O_RDONLY), EACCES);
	unit_end(k);
}
END_TEST

START_TEST(sysv_objects)
{
	const long message[] = { 1, 2 };
	long shm, sem, msg;
	char want[64];

	setup();
	shm = maestro_syscall(k, SYS_shmget, 0x1234, 5000, 01600);
	sem = maestro_syscall(k, SYS_semget, 0x55, 3, 01640);
	msg = maestro_syscall(k, SYS_msgget, 0x77, 01666);
	OK(shm);
	OK(sem);
	OK(msg);
	snprintf(want, sizeof(want), "\n%10d %10ld", 0x1234, shm);
	ck_assert_msg(strstr(read_text("/proc/sysvipc/shm"), want) != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, " 5000 "));
	snprintf(want, sizeof(want), "\n%10d %10ld", 0x55, sem);
	ck_assert_msg(strstr(read_text("/proc/sysvipc/sem"), want) != NULL, "%s", text);
	OK(maestro_syscall(k, SYS_msgsnd, msg, message, 8, 0));
	snprintf(want, sizeof(want), "\n%10d %10ld   666           8          1", 0x77, msg);
	ck_assert_msg(strstr(read_text("/proc/sysvipc/msg"), want) != NULL, "%s", text);
	unit_end(k);
}
END_TEST

/* What of a disk is in /sys/block and /proc/partitions agrees. */
START_TEST(disk_in_sysfs)
{
	const char *image = unit_image("-b 1024", 2);
	char disk[MAESTRO_DISK_NAME], name[32];
	struct stat st;

	setup();
	OK(maestro_disk_add_file(k, image, 0, disk));
	ck_assert_int_eq(atol(read_text("/sys/block/vda/size")), 4096);
	ck_assert_str_eq(read_text("/sys/block/vda/ro"), "0\n");
	OK(maestro_stat(k, "/dev/vda", &st));
	snprintf(name, sizeof(name), "%u:%u\n", (unsigned)(st.st_rdev >> 8) & 0xfff, (unsigned)st.st_rdev & 0xff);
	ck_assert_str_eq(read_text("/sys/block/vda/dev"), name);
	ck_assert_ptr_nonnull(strstr(read_text("/proc/partitions"), "       2048 vda\n"));
	name[strlen(name) - 1] = 0;
	snprintf(text, sizeof(text), "/sys/dev/block/%s/size", name);
	ck_assert_int_eq(atol(read_text(strdup(text))), 4096);
	OK(maestro_disk_remove(k, "vda"));
	FAILS(maestro_open(k, "/sys/block/vda/size", O_RDONLY), ENOENT);
	unit_end(k);
	unlink(image);
}
END_TEST

Suite *suite_proc(void)
{
	Suite *s = suite_create("proc");
	TCase *t = tcase_create("proc and sys");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, every_file);
	tcase_add_test(t, own_status);
	tcase_add_test(t, own_files);
	tcase_add_test(t, machine);
	tcase_add_test(t, mounts_told);
	tcase_add_test(t, settings);
	tcase_add_test(t, sysv_objects);
	tcase_add_test(t, disk_in_sysfs);
	suite_add_tcase(s, t);
	return s;
}
