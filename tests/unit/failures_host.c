/* SPDX-License-Identifier: MIT */
/* Everything that can fail fails once: each allocation, each disk write, each pointer. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct maestro *k;

/* ---------------------------------------------------------------- the nth allocation */
static long op_create(void)
{
	return maestro_open(k, "/mnt/d/new", O_CREAT | O_EXCL | O_RDWR, 0644);
}
static void undo_create(long fd)
{
	if (fd >= 0)
		OK(maestro_close(k, (int)fd));
	maestro_unlink(k, "/mnt/d/new");
}
static long op_write(void)
{
	static char data[200000];
	int fd = maestro_open(k, "/mnt/d/data", O_CREAT | O_RDWR, 0644);
	long n, err;

	if (fd < 0)
		return fd;
	n = maestro_write(k, fd, data, sizeof(data));
	if (n >= 0)
		n = n == sizeof(data) ? 0 : -ENOMEM; /* a short write: the rest did not fit into memory */
	if (!n)
		n = maestro_fsync(k, fd);
	err = maestro_close(k, fd);
	return n ? n : err;
}
static void undo_write(long ret)
{
	(void)ret;
	maestro_unlink(k, "/mnt/d/data");
}
static long op_read(void)
{
	static char data[100000];
	int fd = maestro_open(k, "/mnt/d/file", O_RDONLY);
	long n;

	if (fd < 0)
		return fd;
	n = maestro_read(k, fd, data, sizeof(data));
	if (n >= 0 && n != 50000)
		n = -ENOMEM;
	OK(maestro_close(k, fd));
	return n;
}
static long op_mkdir(void)
{
	return maestro_mkdir(k, "/mnt/d/dir", 0755);
}
static void undo_mkdir(long ret)
{
	(void)ret;
	maestro_rmdir(k, "/mnt/d/dir");
}
static long op_rename(void)
{
	return maestro_rename(k, "/mnt/d/file", "/mnt/file2");
}
static void undo_rename(long ret)
{
	(void)ret;
	maestro_rename(k, "/mnt/file2", "/mnt/d/file");
}
static long op_symlink(void)
{
	return maestro_symlink(k, "a long target that does not fit into the inode, so that it takes a block of its own: 0123456789", "/mnt/d/sym");
}
static void undo_symlink(long ret)
{
	(void)ret;
	maestro_unlink(k, "/mnt/d/sym");
}
static long op_link(void)
{
	return maestro_link(k, "/mnt/d/file", "/mnt/d/hard");
}
static void undo_link(long ret)
{
	(void)ret;
	maestro_unlink(k, "/mnt/d/hard");
}
static long op_list(void)
{
	char buf[1024];
	int fd = maestro_open(k, "/mnt/d", O_RDONLY | O_DIRECTORY);
	long n;

	if (fd < 0)
		return fd;
	while ((n = maestro_getdents64(k, fd, buf, sizeof(buf))) > 0)
		;
	OK(maestro_close(k, fd));
	return n;
}
static long op_xattr(void)
{
	return maestro_setxattr(k, "/mnt/d/file", "user.test", "0123456789", 10, 0);
}
static void undo_xattr(long ret)
{
	(void)ret;
	maestro_removexattr(k, "/mnt/d/file", "user.test");
}
static long op_pipe(void)
{
	int fd[2];
	long err = maestro_pipe2(k, fd, 0), n;

	if (err)
		return err;
	n = maestro_write(k, fd[1], "0123456789", 10);
	OK(maestro_close(k, fd[0]));
	OK(maestro_close(k, fd[1]));
	return n < 0 ? n : 0;
}
static long op_truncate(void)
{
	return maestro_truncate(k, "/mnt/d/trunc", 1);
}
static void undo_truncate(long ret)
{
	(void)ret;
	OK(maestro_truncate(k, "/mnt/d/trunc", 60000));
}
static long op_epoll(void)
{
	long ep = maestro_syscall(k, SYS_epoll_create1, 0), efd, err;
	char ev[12] = {1};

	if (ep < 0)
		return ep;
	efd = maestro_syscall(k, SYS_eventfd2, 0, 0);
	err = efd < 0 ? efd : maestro_syscall(k, SYS_epoll_ctl, ep, 1, efd, ev);
	if (efd >= 0)
		OK(maestro_close(k, (int)efd));
	OK(maestro_close(k, (int)ep));
	return err;
}
static long op_mount(void)
{
	return maestro_mount(k, "t", "/mnt/d/point", "tmpfs", 0, "size=1m");
}
static long op_bind(void)
{
	return maestro_mount(k, "/mnt/d", "/mnt/d/point", NULL, MS_BIND | MS_REC, NULL);
}
static void undo_mount(long ret)
{
	if (!ret)
		OK(maestro_umount(k, "/mnt/d/point", 0));
}
static long op_lookup(void)
{
	struct stat st;

	return maestro_stat(k, "/mnt/d/../d/./file", &st);
}
static long op_replace(void)
{
	long err = maestro_link(k, "/mnt/d/file", "/mnt/d/other");

	return err ? err : maestro_rename(k, "/mnt/d/trunc", "/mnt/d/other");
}
static void undo_replace(long ret)
{
	struct stat st;

	(void)ret;
	if (maestro_stat(k, "/mnt/d/trunc", &st))
		OK(maestro_rename(k, "/mnt/d/other", "/mnt/d/trunc"));
	else
		maestro_unlink(k, "/mnt/d/other");
}
static long op_tmpfile(void)
{
	long err, fd = maestro_open(k, "/mnt/d", O_TMPFILE | O_RDWR, 0600);
	char path[40];

	if (fd < 0)
		return fd;
	err = maestro_write(k, (int)fd, "x", 1);
	snprintf(path, sizeof(path), "/proc/self/fd/%ld", fd);
	if (err == 1)
		err = maestro_linkat(k, AT_FDCWD, path, AT_FDCWD, "/mnt/d/new", AT_SYMLINK_FOLLOW);
	OK(maestro_close(k, (int)fd));
	return err;
}
static void undo_tmpfile(long ret)
{
	(void)ret;
	maestro_unlink(k, "/mnt/d/new");
}
static long op_lock(void)
{
	struct flock l = {.l_type = F_WRLCK, .l_start = 5, .l_len = 10}, u = {.l_type = F_UNLCK, .l_start = 7, .l_len = 1};
	int fd = maestro_open(k, "/mnt/d/file", O_RDWR);
	long err;

	if (fd < 0)
		return fd;
	err = maestro_fcntl(k, fd, F_SETLK, &l);
	if (!err)
		err = maestro_fcntl(k, fd, F_SETLK, &u);
	OK(maestro_close(k, fd));
	return err == -ENOLCK ? -ENOMEM : err;
}
static long op_splice(void)
{
	int fd = maestro_open(k, "/mnt/d/file", O_RDONLY), p[2];
	long n, err;

	if (fd < 0)
		return fd;
	err = maestro_pipe2(k, p, O_NONBLOCK);
	if (!err) {
		n = maestro_syscall(k, SYS_splice, fd, NULL, p[1], NULL, 20000, 0);
		err = n == 20000 ? 0 : n < 0 ? n : -ENOMEM;
		OK(maestro_close(k, p[0]));
		OK(maestro_close(k, p[1]));
	}
	OK(maestro_close(k, fd));
	return err;
}
static long op_watch(void)
{
	long err, in = maestro_syscall(k, SYS_inotify_init1, 0);

	if (in < 0)
		return in;
	err = maestro_syscall(k, SYS_inotify_add_watch, in, "/mnt/d", 0xfff);
	if (err >= 0) {
		long fd = maestro_open(k, "/mnt/d/file", O_RDONLY);

		if (fd >= 0)
			OK(maestro_close(k, (int)fd));
		err = fd < 0 ? fd : 0;
	}
	OK(maestro_close(k, (int)in));
	return err == -ENOSPC ? -ENOMEM : err;
}
static long op_read_proc(void)
{
	static char text[8192];
	int fd = maestro_open(k, "/proc/self/mountinfo", O_RDONLY);
	long n;

	if (fd < 0)
		return fd;
	n = maestro_read(k, fd, text, sizeof(text));
	OK(maestro_close(k, fd));
	return n;
}
static void undo_nothing(long ret)
{
	(void)ret;
}

static const struct {
	const char *name;
	long (*op)(void);
	void (*undo)(long ret);
} ops[] = {
	{"create", op_create, undo_create}, {"write", op_write, undo_write}, {"read", op_read, undo_nothing}, {"mkdir", op_mkdir, undo_mkdir},
	{"rename", op_rename, undo_rename}, {"symlink", op_symlink, undo_symlink}, {"link", op_link, undo_link}, {"list", op_list, undo_nothing},
	{"xattr", op_xattr, undo_xattr}, {"pipe", op_pipe, undo_nothing}, {"truncate", op_truncate, undo_truncate}, {"epoll", op_epoll, undo_nothing},
	{"mount", op_mount, undo_mount}, {"bind", op_bind, undo_mount}, {"lookup", op_lookup, undo_nothing}, {"replace", op_replace, undo_replace},
	{"tmpfile", op_tmpfile, undo_tmpfile}, {"lock", op_lock, undo_nothing}, {"splice", op_splice, undo_nothing}, {"watch", op_watch, undo_nothing},
	{"read proc", op_read_proc, undo_nothing},
};
#define OPS (sizeof(ops) / sizeof(ops[0]))
#define MOST_ALLOCATIONS 3000

static uint64_t objects_in_use(void)
{
	struct maestro_memory m;

	maestro_sync(k);
	maestro_drop_caches(k);
	OK(maestro_memory(k, &m));
	return m.objects;
}

START_TEST(every_allocation)
{
	static char data[50000];
	const char *image = unit_image("-b 1024", 16);
	uint64_t before, n;

	k = unit_new();
	unit_mount(k, image);
	OK(maestro_mkdir(k, "/proc", 0755));
	OK(maestro_mount(k, "proc", "/proc", "proc", 0, NULL));
	OK(maestro_mkdir(k, "/mnt/d", 0755));
	OK(maestro_mkdir(k, "/mnt/d/point", 0755));
	unit_put(k, "/mnt/d/file", data, sizeof(data));
	unit_put(k, "/mnt/d/trunc", data, sizeof(data));
	/* once in peace, so that what stays for ever is there */
	ops[_i].undo(ops[_i].op());
	before = objects_in_use();
	for (n = 1; n < MOST_ALLOCATIONS; n++) {
		uint64_t seen;
		long ret;

		maestro_drop_caches(k);
		maestro_fail_nth_alloc(k, n);
		ret = ops[_i].op();
		seen = maestro_fail_nth_alloc(k, 0);
		ck_assert_msg(ret >= 0 || ret == -ENOMEM || ret == -ENFILE || ret == -EAGAIN || ret == -EIO, "%s, allocation %lu: %s", ops[_i].name, (unsigned long)n,
			      strerror((int)-ret));
		ops[_i].undo(ret);
		if (seen < n) {
			ck_assert_msg(ret >= 0, "%s: %s though nothing failed", ops[_i].name, strerror((int)-ret));
			break;
		}
		/* the next call works */
		ret = ops[_i].op();
		ck_assert_msg(ret >= 0, "%s, after allocation %lu failed: %s", ops[_i].name, (unsigned long)n, strerror((int)-ret));
		ops[_i].undo(ret);
	}
	ck_assert_uint_lt(n, MOST_ALLOCATIONS);
	ck_assert_msg(objects_in_use() <= before + 4, "%s: %lu objects before, %lu after %lu failures", ops[_i].name, (unsigned long)before,
		      (unsigned long)objects_in_use(), (unsigned long)n);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

/* ---------------------------------------------------------------- pointers */
START_TEST(wild_pointers)
{
	static const unsigned long wild[] = {0, 8, 0xfff, 0x123456789000, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, ~0UL - 4096, ~0UL};
	struct stat st;
	int fd, p[2];

	k = unit_new();
	unit_put(k, "/f", "hello", 5);
	fd = maestro_open(k, "/f", O_RDWR);
	OK(fd);
	OK(maestro_pipe2(k, p, O_NONBLOCK));
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		unsigned long w = wild[i];
		char *ptr = (char *)w;

		FAILS(maestro_open(k, ptr, O_RDONLY), EFAULT);
		FAILS(maestro_open(k, ptr, O_CREAT | O_WRONLY, 0600), EFAULT);
		FAILS(maestro_stat(k, ptr, &st), EFAULT);
		FAILS(maestro_stat(k, "/f", (struct stat *)w), EFAULT);
		FAILS(maestro_fstat(k, fd, (struct stat *)w), EFAULT);
		FAILS(maestro_pread(k, fd, ptr, 5, 0), EFAULT);
		FAILS(maestro_pwrite(k, fd, ptr, 5, 0), EFAULT);
		FAILS(maestro_write(k, p[1], ptr, 5), EFAULT);
		FAILS(maestro_mkdir(k, ptr, 0755), EFAULT);
		FAILS(maestro_unlink(k, ptr), EFAULT);
		FAILS(maestro_rmdir(k, ptr), EFAULT);
		FAILS(maestro_rename(k, ptr, "/x"), EFAULT);
		FAILS(maestro_rename(k, "/f", ptr), EFAULT);
		FAILS(maestro_link(k, "/f", ptr), EFAULT);
		FAILS(maestro_symlink(k, ptr, "/x"), EFAULT);
		FAILS(maestro_readlink(k, ptr, (char *)&st, 10), EFAULT);
		FAILS(maestro_chmod(k, ptr, 0), EFAULT);
		FAILS(maestro_chown(k, ptr, 0, 0), EFAULT);
		FAILS(maestro_truncate(k, ptr, 0), EFAULT);
		FAILS(maestro_access(k, ptr, 0), EFAULT);
		FAILS(maestro_chdir(k, ptr), EFAULT);
		FAILS(maestro_getcwd(k, ptr, 100), EFAULT);
		FAILS(maestro_pipe2(k, (int *)w, 0), EFAULT);
		FAILS(maestro_statfs(k, "/", (struct statfs *)w), EFAULT);
		FAILS(maestro_syscall(k, SYS_uname, w), EFAULT);
		FAILS(maestro_readv(k, fd, (const struct iovec *)w, 1), EFAULT);
		FAILS(maestro_syscall(k, SYS_poll, w, 1, 0), EFAULT);
	}
	unit_end(k);
}
END_TEST

static int call_would_wait(long nr)
{
	static const long waits[] = {SYS_select, SYS_pause, SYS_wait4, SYS_rt_sigsuspend, SYS_rt_sigtimedwait, SYS_poll, SYS_ppoll, SYS_pselect6, SYS_futex,
				     SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_pwait2, SYS_waitid, SYS_msgrcv, SYS_semop, SYS_flock, SYS_vhangup, SYS_kill, SYS_tkill,
				     SYS_tgkill, SYS_rt_sigqueueinfo, SYS_futex_waitv, SYS_nanosleep, SYS_clock_nanosleep, SYS_pidfd_send_signal, SYS_rt_tgsigqueueinfo};

	for (unsigned i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		if (waits[i] == nr)
			return 1;
	return 0;
}

/* No number with any of these arguments harms the process, and the instance still works after. */
START_TEST(all_numbers)
{
	static const unsigned long args[] = {0, 1, ~0UL, 0x1000, 0x8000000000000000, 100, 0x7fffffff};
	uint32_t seed = 3;
	struct stat st;

	k = unit_new();
	for (long nr = 0; nr < 460; nr++) {
		if (call_would_wait(nr))
			continue;
		for (unsigned i = 0; i < 40; i++) {
			unsigned long a[6];

			for (unsigned j = 0; j < 6; j++)
				a[j] = i < 7 ? args[i] : args[unit_random(&seed) % 7];
			maestro_syscall6(k, nr, a[0], a[1], a[2], a[3], a[4], a[5]);
		}
	}
	OK(maestro_syscall(k, SYS_getpid));
	maestro_stat(k, "/", &st);
	maestro_destroy(k);
}
END_TEST

/* ---------------------------------------------------------------- disk errors */
struct faulty {
	unsigned char *mem;
	size_t size;
	long fail_at, writes; /* the write that fails; from it on all fail if `cut` */
	int cut;
};
static int faulty_read(void *arg, void *buf, uint64_t offset, size_t len)
{
	struct faulty *f = arg;

	memcpy(buf, f->mem + offset, len);
	return 0;
}
static int faulty_write(void *arg, const void *buf, uint64_t offset, size_t len)
{
	struct faulty *f = arg;

	f->writes++;
	if (f->fail_at && (f->writes == f->fail_at || (f->cut && f->writes > f->fail_at)))
		return -EIO;
	memcpy(f->mem + offset, buf, len);
	return 0;
}
static int faulty_flush(void *arg)
{
	(void)arg;
	return 0;
}
static const struct maestro_disk_ops faulty_ops = {.read = faulty_read, .write = faulty_write, .flush = faulty_flush};

static void load(struct faulty *f, const char *image)
{
	FILE *file = fopen(image, "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fread(f->mem, 1, f->size, file), f->size);
	fclose(file);
}

/* A write that fails is an error of some call (each once), never a crash; the instance goes on. */
START_TEST(every_write)
{
	struct faulty f = {.size = 2 << 20};
	const char *image = unit_image("-b 1024", 2);
	static char data[30000];
	char name[MAESTRO_DISK_NAME];
	int errors = 0;

	f.mem = malloc(f.size);
	for (f.fail_at = 1; f.fail_at < 60; f.fail_at++) {
		int fd, err = 0;

		load(&f, image);
		f.writes = 0;
		f.cut = f.fail_at % 2;
		k = unit_new();
		OK(maestro_disk_add_ops(k, &faulty_ops, &f, f.size / 512, 0, name));
		OK(maestro_mkdir(k, "/mnt", 0755));
		err = maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, NULL);
		if (!err) {
			fd = maestro_open(k, "/mnt/f", O_CREAT | O_WRONLY, 0644);
			if (fd >= 0) {
				maestro_write(k, fd, data, sizeof(data));
				err |= maestro_fsync(k, fd);
				maestro_close(k, fd);
			}
			err |= maestro_mkdir(k, "/mnt/d", 0755);
			maestro_sync(k);
			maestro_unlink(k, "/mnt/f");
			maestro_umount(k, "/mnt", 0);
		}
		errors += err != 0;
		maestro_destroy(k);
	}
	free(f.mem);
	unlink(image);
	ck_assert_int_gt(errors, 0);
}
END_TEST

static int checked(const char *options, const char *image)
{
	char command[400];
	int status;

	snprintf(command, sizeof(command), "e2fsck %s %s >/dev/null 2>&1", options, image);
	status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* Writes the file and waits for it; the errors of that. */
static int put_synced(const char *path)
{
	static const char data[9000] = "data";
	int fd = maestro_open(k, path, O_CREAT | O_WRONLY, 0644), err;

	OK(fd);
	ck_assert_int_eq(maestro_write(k, fd, data, sizeof(data)), sizeof(data));
	err = maestro_fsync(k, fd);
	OK(maestro_close(k, fd));
	return err;
}

/* One write of many is lost: a sync says so. What comes later is written, and what e2fsck finds it can repair. */
START_TEST(lost_writes_and_e2fsck)
{
	struct maestro_faults plan = {.size = sizeof(plan)};
	unsigned lost = 0, clean = 0, repaired = 0;

	for (plan.write_nth = 1; plan.write_nth < 20; plan.write_nth++) {
		const char *image = unit_image("-b 1024", 2);
		struct maestro_fault_counts seen;
		int code, err, root;

		k = unit_new();
		unit_mount(k, image);
		OK(root = maestro_open(k, "/mnt", O_RDONLY));
		OK(maestro_fault_plan(k, &plan));
		OK(maestro_mkdir(k, "/mnt/d", 0755));
		err = put_synced("/mnt/d/f");
		OK(maestro_symlink(k, "a/target", "/mnt/d/s"));
		err |= maestro_syncfs(k, root);
		OK(maestro_rename(k, "/mnt/d/f", "/mnt/g"));
		err |= put_synced("/mnt/d/h");
		err |= maestro_syncfs(k, root);
		OK(maestro_fault_counts(k, &seen));
		OK(maestro_fault_plan(k, NULL));
		if (seen.writes >= plan.write_nth) {
			ck_assert_int_ne(err, 0);
			lost++;
		} else {
			ck_assert_int_eq(err, 0);
		}
		OK(put_synced("/mnt/later"));
		OK(maestro_syncfs(k, root));
		OK(maestro_close(k, root));
		unit_umount(k);
		unit_end(k);
		code = checked("-fn", image);
		clean += !code;
		if (code) {
			ck_assert_int_le(checked("-fy", image), 1);
			ck_assert_int_eq(checked("-fn", image), 0);
			repaired++;
		}
		unlink(image);
	}
	ck_assert_uint_gt(lost, 10);
	ck_assert_uint_gt(clean, 4 * repaired);
}
END_TEST

/* A page of a file is lost. syncfs(2) tells each that had the file system open, once; then fsync(2) who has the file. */
START_TEST(lost_pages_are_told)
{
	struct maestro_faults plan = {.size = sizeof(plan), .write_nth = 1};
	const char *image = unit_image("-b 4096", 2);
	static const char data[9000] = "data";
	int fd, fs[2], late;

	k = unit_new();
	unit_mount(k, image);
	OK(fd = maestro_open(k, "/mnt/f", O_CREAT | O_WRONLY, 0644));
	for (int i = 0; i < 2; i++)
		OK(fs[i] = maestro_open(k, "/mnt", O_RDONLY));
	OK(maestro_syncfs(k, fs[0]));
	ck_assert_int_eq(maestro_write(k, fd, data, sizeof(data)), sizeof(data));
	OK(maestro_fault_plan(k, &plan));
	maestro_sync(k);
	OK(maestro_fault_plan(k, NULL));
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(maestro_syncfs(k, fs[i]), -EIO);
		OK(maestro_syncfs(k, fs[i]));
	}
	OK(late = maestro_open(k, "/mnt", O_RDONLY));
	OK(maestro_syncfs(k, late));
	OK(maestro_close(k, late));
	/* The file's own error has been told to nobody yet: also who opens it now learns of it. */
	OK(late = maestro_open(k, "/mnt/f", O_WRONLY));
	ck_assert_int_eq(maestro_fsync(k, late), -EIO);
	OK(maestro_fsync(k, late));
	ck_assert_int_eq(maestro_fsync(k, fd), -EIO);
	OK(maestro_fsync(k, fd));
	OK(maestro_close(k, late));
	OK(late = maestro_open(k, "/mnt/f", O_WRONLY));
	OK(maestro_fsync(k, late));
	OK(maestro_close(k, late));
	OK(maestro_close(k, fd));
	for (int i = 0; i < 2; i++)
		OK(maestro_close(k, fs[i]));
	unit_umount(k);
	unit_end(k);
	unlink(image);
}
END_TEST

static int panicked;
static void on_panic(void *arg, const char *text)
{
	(void)arg;
	(void)text;
	panicked = 1;
}

/* A small memory: everything is done, or refused, but nothing dies. */
START_TEST(little_memory)
{
	struct maestro_options o = {.size = sizeof(o), .memory = 8 << 20, .virtual_clock = true, .panicked = on_panic};
	const char *image = unit_image("-b 4096", 64);
	static char data[1 << 20];
	char path[32];

	k = unit_new_with(&o);
	unit_mount(k, image);
	for (int i = 0; i < 40; i++) {
		snprintf(path, sizeof(path), "/mnt/f%d", i);
		unit_put(k, path, data, sizeof(data));
	}
	for (int i = 0; i < 40; i++) {
		int fd;

		snprintf(path, sizeof(path), "/mnt/f%d", i);
		fd = maestro_open(k, path, O_RDONLY);
		OK(fd);
		ck_assert_int_eq(maestro_read(k, fd, data, sizeof(data)), sizeof(data));
		OK(maestro_close(k, fd));
	}
	/* tmpfs cannot be written out: it ends with an error */
	{
		int fd = maestro_open(k, "/big", O_CREAT | O_WRONLY, 0600);
		long n = 0;

		OK(fd);
		for (int i = 0; i < 20 && n >= 0; i++)
			n = maestro_write(k, fd, data, sizeof(data));
		ck_assert_msg(n == -ENOMEM || n == -ENOSPC || n >= 0, "%s", strerror((int)-n));
		OK(maestro_close(k, fd));
		OK(maestro_unlink(k, "/big"));
	}
	unit_umount(k);
	ck_assert(!panicked);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

/* Names that were looked up for nothing are more than memory holds: they go, those in use stay. */
START_TEST(many_names)
{
	struct maestro_options o = {.size = sizeof(o), .memory = 8 << 20, .virtual_clock = true, .panicked = on_panic};
	const char *image = unit_image("-b 4096", 16);
	struct maestro_memory m;
	char path[64];
	int dir;

	k = unit_new_with(&o);
	unit_mount(k, image);
	OK(maestro_mkdir(k, "/mnt/kept", 0755));
	OK(dir = maestro_open(k, "/mnt/kept", O_RDONLY | O_DIRECTORY));
	unit_put(k, "/mnt/kept/file", "x", 1);
	for (int i = 0; i < 60000; i++) {
		snprintf(path, sizeof(path), "/mnt/a-name-that-nobody-has-%d", i);
		FAILS(maestro_access(k, path, F_OK), ENOENT);
	}
	OK(maestro_memory(k, &m));
	ck_assert_uint_lt(m.objects, 50000);
	ck_assert(!panicked);
	OK(maestro_syscall(k, SYS_faccessat, dir, "file", F_OK));
	OK(maestro_close(k, dir));
	maestro_drop_caches(k);
	OK(maestro_memory(k, &m));
	ck_assert_uint_lt(m.objects, 20000);
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

Suite *suite_failures(void)
{
	Suite *s = suite_create("failures");
	TCase *t = tcase_create("all that can fail");

	tcase_set_timeout(t, 240);
	tcase_add_loop_test(t, every_allocation, 0, (int)OPS);
	tcase_add_test(t, wild_pointers);
	tcase_add_test(t, all_numbers);
	tcase_add_test(t, every_write);
	tcase_add_test(t, lost_writes_and_e2fsck);
	tcase_add_test(t, lost_pages_are_told);
	tcase_add_test(t, little_memory);
	tcase_add_test(t, many_names);
	suite_add_tcase(s, t);
	return s;
}
