/* SPDX-License-Identifier: MIT */
/* The tree of mounts: binding, moving, propagation, remounting, other roots, unmounting what is in use. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct maestro *k;

static void dirs(const char *const *list)
{
	for (; *list; list++)
		OK(maestro_mkdir(k, *list, 0755));
}
#define DIRS(...) dirs((const char *const[]){ __VA_ARGS__, NULL })

static void setup(void)
{
	k = unit_new();
	DIRS("/a", "/a/x", "/a/x/y", "/b", "/c", "/proc");
	OK(maestro_mount(k, "proc", "/proc", "proc", 0, NULL));
}

static bool there(const char *path)
{
	return !maestro_access(k, path, F_OK);
}

/* The line of /proc/self/mountinfo of what is mounted there. */
static const char *info(const char *point)
{
	static char text[8192];
	char want[80], *line;
	int fd = maestro_open(k, "/proc/self/mountinfo", O_RDONLY);
	ssize_t n = maestro_read(k, fd, text, sizeof(text) - 1);

	ck_assert_int_gt(n, 0);
	text[n] = 0;
	OK(maestro_close(k, fd));
	snprintf(want, sizeof(want), " %s ", point);
	line = strstr(text, want);
	if (!line)
		return NULL;
	if (strchr(line, '\n'))
		*strchr(line, '\n') = 0;
	return line + strlen(want);
}

START_TEST(bound)
{
	struct stat a, b;

	setup();
	OK(maestro_mount(k, "/a/x", "/b", NULL, MS_BIND, NULL));
	unit_put(k, "/b/f", "x", 1);
	OK(maestro_stat(k, "/a/x/f", &a));
	OK(maestro_stat(k, "/b/f", &b));
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_uint_eq(a.st_dev, b.st_dev);
	/* Read-only as a mount, not as a file system. */
	OK(maestro_mount(k, NULL, "/b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NODEV, NULL));
	FAILS(maestro_open(k, "/b/f", O_WRONLY), EROFS);
	FAILS(maestro_mkdir(k, "/b/d", 0755), EROFS);
	FAILS(maestro_rename(k, "/b/f", "/a/x/g"), EXDEV);
	FAILS(maestro_link(k, "/b/f", "/a/x/g"), EXDEV);
	OK(maestro_mkdir(k, "/a/x/d", 0755));
	ck_assert_msg(!strncmp(info("/b"), "ro,nodev,relatime", 17), "%s", info("/b"));
	/* What is mounted below comes along only if asked for. */
	OK(maestro_mount(k, "t", "/a/x/y", "tmpfs", 0, NULL));
	unit_put(k, "/a/x/y/in", "x", 1);
	OK(maestro_mount(k, "/a", "/c", NULL, MS_BIND, NULL));
	ck_assert(there("/c/x/y") && !there("/c/x/y/in"));
	OK(maestro_umount(k, "/c", 0));
	OK(maestro_mount(k, "/a", "/c", NULL, MS_BIND | MS_REC, NULL));
	ck_assert(there("/c/x/y/in"));
	FAILS(maestro_umount(k, "/c", 0), EBUSY);
	OK(maestro_umount(k, "/c", MNT_DETACH));
	ck_assert(!there("/c/x") && there("/a/x/y/in"));
	/* A file on a file; not on a directory. */
	unit_put(k, "/one", "1", 1);
	unit_put(k, "/two", "22", 2);
	OK(maestro_mount(k, "/one", "/two", NULL, MS_BIND, NULL));
	OK(maestro_stat(k, "/two", &a));
	ck_assert_int_eq(a.st_size, 1);
	FAILS(maestro_unlink(k, "/two"), EBUSY);
	FAILS(maestro_rename(k, "/two", "/three"), EBUSY);
	OK(maestro_umount(k, "/two", 0));
	FAILS(maestro_mount(k, "/one", "/c", NULL, MS_BIND, NULL), ENOTDIR);
	FAILS(maestro_mount(k, "/a", "/one", NULL, MS_BIND, NULL), ENOTDIR);
	FAILS(maestro_mount(k, "/none", "/c", NULL, MS_BIND, NULL), ENOENT);
	FAILS(maestro_mount(k, "", "/c", NULL, MS_BIND, NULL), EINVAL);
	unit_end(k);
}
END_TEST

START_TEST(moved)
{
	setup();
	OK(maestro_mount(k, "t", "/b", "tmpfs", 0, NULL));
	DIRS("/b/d");
	OK(maestro_mount(k, "u", "/b/d", "tmpfs", 0, NULL));
	unit_put(k, "/b/d/f", "x", 1);
	OK(maestro_mount(k, "/b", "/c", NULL, MS_MOVE, NULL));
	ck_assert(there("/c/d/f") && !there("/b/d"));
	FAILS(maestro_mount(k, "/c", "/c/d", NULL, MS_MOVE, NULL), ELOOP);
	FAILS(maestro_mount(k, "/a/x", "/b", NULL, MS_MOVE, NULL), EINVAL); /* nothing is mounted there */
	unit_put(k, "/file", "x", 1);
	FAILS(maestro_mount(k, "/c", "/file", NULL, MS_MOVE, NULL), EINVAL);
	/* Not out of a shared one. */
	OK(maestro_mount(k, NULL, "/c", NULL, MS_SHARED, NULL));
	FAILS(maestro_mount(k, "/c/d", "/b", NULL, MS_MOVE, NULL), EINVAL);
	OK(maestro_mount(k, "/c", "/b", NULL, MS_MOVE, NULL));
	ck_assert(there("/b/d/f"));
	unit_end(k);
}
END_TEST

START_TEST(propagated)
{
	setup();
	OK(maestro_mount(k, "t", "/a", "tmpfs", 0, NULL));
	DIRS("/a/s");
	OK(maestro_mount(k, NULL, "/a", NULL, MS_SHARED, NULL));
	OK(maestro_mount(k, "/a", "/b", NULL, MS_BIND, NULL)); /* a peer */
	OK(maestro_mount(k, "/a", "/c", NULL, MS_BIND, NULL));
	OK(maestro_mount(k, NULL, "/c", NULL, MS_SLAVE, NULL));
	ck_assert_ptr_nonnull(strstr(info("/a"), "shared:"));
	ck_assert_ptr_nonnull(strstr(info("/c"), "master:"));
	OK(maestro_mount(k, "u", "/b/s", "tmpfs", 0, NULL));
	unit_put(k, "/b/s/f", "x", 1);
	ck_assert(there("/a/s/f") && there("/c/s/f"));
	OK(maestro_umount(k, "/a/s", 0));
	ck_assert(!there("/b/s/f") && !there("/c/s/f"));
	/* What is mounted in the slave stays there. */
	OK(maestro_mount(k, "v", "/c/s", "tmpfs", 0, NULL));
	unit_put(k, "/c/s/g", "x", 1);
	ck_assert(!there("/a/s/g"));
	OK(maestro_umount(k, "/c/s", 0));
	/* A slave that is shared again hands on. */
	OK(maestro_mount(k, NULL, "/c", NULL, MS_SHARED, NULL));
	DIRS("/e");
	OK(maestro_mount(k, "/c", "/e", NULL, MS_BIND, NULL));
	OK(maestro_mount(k, "w", "/a/s", "tmpfs", 0, NULL));
	unit_put(k, "/a/s/h", "x", 1);
	ck_assert(there("/e/s/h") && there("/c/s/h") && there("/b/s/h"));
	ck_assert(strstr(info("/e"), "shared:") && strstr(info("/e"), "master:"));
	OK(maestro_umount(k, "/b/s", 0));
	ck_assert(!there("/e/s/h"));
	/* Private, and not to be bound. */
	OK(maestro_mount(k, NULL, "/b", NULL, MS_PRIVATE, NULL));
	OK(maestro_mount(k, "w", "/a/s", "tmpfs", 0, NULL));
	unit_put(k, "/a/s/h", "x", 1);
	ck_assert(!there("/b/s/h"));
	OK(maestro_mount(k, NULL, "/b", NULL, MS_UNBINDABLE, NULL));
	DIRS("/f");
	FAILS(maestro_mount(k, "/b", "/f", NULL, MS_BIND, NULL), EINVAL);
	FAILS(maestro_mount(k, NULL, "/b", NULL, MS_SHARED | MS_PRIVATE, NULL), EINVAL);
	FAILS(maestro_mount(k, NULL, "/a/x", NULL, MS_SHARED, NULL), ENOENT);
	FAILS(maestro_mount(k, NULL, "/b/s", NULL, MS_SHARED, NULL), EINVAL); /* not a mount's root */
	/* A whole tree at once. */
	OK(maestro_mount(k, NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL));
	ck_assert_ptr_null(strstr(info("/a"), "shared:"));
	ck_assert_ptr_null(strstr(info("/e"), "master:"));
	unit_end(k);
}
END_TEST

START_TEST(in_use)
{
	struct statfs sf;
	int fd;

	setup();
	OK(maestro_mount(k, "t", "/b", "tmpfs", 0, "size=64k"));
	unit_put(k, "/b/f", "x", 1);
	fd = maestro_open(k, "/b/f", O_RDWR);
	OK(fd);
	FAILS(maestro_umount(k, "/b", 0), EBUSY);
	FAILS(maestro_mount(k, NULL, "/b", NULL, MS_REMOUNT | MS_RDONLY, NULL), EBUSY);
	FAILS(maestro_mount(k, NULL, "/b", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), EBUSY);
	OK(maestro_close(k, fd));
	OK(maestro_mount(k, NULL, "/b", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	FAILS(maestro_open(k, "/b/f", O_WRONLY), EROFS);
	OK(maestro_mount(k, NULL, "/b", NULL, MS_REMOUNT, "size=128k"));
	OK(maestro_statfs(k, "/b", &sf));
	ck_assert_int_eq(sf.f_blocks * sf.f_bsize, 128 << 10);
	FAILS(maestro_mount(k, NULL, "/b", NULL, MS_REMOUNT, "size=nonsense"), EINVAL);
	FAILS(maestro_mount(k, NULL, "/b/f", NULL, MS_REMOUNT, NULL), EINVAL);
	/* Marked first, and gone if nobody came by. */
	FAILS(maestro_umount(k, "/b", MNT_EXPIRE), EAGAIN);
	ck_assert(there("/b/f"));
	FAILS(maestro_umount(k, "/b", MNT_EXPIRE), EAGAIN);
	OK(maestro_umount(k, "/b", MNT_EXPIRE));
	FAILS(maestro_umount(k, "/b", 0), EINVAL);
	FAILS(maestro_umount(k, "/b", MNT_EXPIRE | MNT_DETACH), EINVAL);
	FAILS(maestro_umount(k, "/none", 0), ENOENT);
	/* Detached, it lives as long as it is open. */
	OK(maestro_mount(k, "t", "/b", "tmpfs", 0, NULL));
	fd = maestro_open(k, "/b", O_RDONLY | O_DIRECTORY);
	OK(fd);
	OK(maestro_umount(k, "/b", MNT_DETACH));
	OK(maestro_openat(k, fd, "still", O_CREAT | O_WRONLY, 0644));
	ck_assert(!there("/b/still"));
	OK(maestro_close(k, fd));
	/* Not through a link, if so wished. */
	OK(maestro_mount(k, "t", "/b", "tmpfs", 0, NULL));
	OK(maestro_symlink(k, "/b", "/link"));
	FAILS(maestro_umount(k, "/link", UMOUNT_NOFOLLOW), EINVAL);
	OK(maestro_umount(k, "/link", 0));
	/* Only for the privileged. */
	OK(maestro_syscall(k, SYS_setresuid, 1000, 1000, 1000));
	FAILS(maestro_mount(k, "t", "/b", "tmpfs", 0, NULL), EPERM);
	FAILS(maestro_umount(k, "/proc", 0), EPERM);
	unit_end(k);
}
END_TEST

START_TEST(other_roots)
{
	struct maestro_task *other;
	char path[32];

	setup();
	OK(maestro_mount(k, "t", "/b", "tmpfs", 0, NULL));
	DIRS("/b/old", "/b/in", "/b/in/deep");
	unit_put(k, "/b/in/f", "x", 1);
	FAILS(maestro_syscall(k, SYS_pivot_root, "/a", "/a/x"), EBUSY); /* the first root's own */
	FAILS(maestro_syscall(k, SYS_pivot_root, "/b", "/none"), ENOENT);
	/* In a changed root: there is nothing above it, by dots or by links. */
	OK(maestro_task_create(k, &other));
	OK(maestro_task_switch(k, other));
	OK(maestro_symlink(k, "/f", "/b/in/link"));
	OK(maestro_chdir(k, "/b/in/deep"));
	OK(maestro_syscall(k, SYS_chroot, "/b/in"));
	ck_assert(there("/f") && there("../f") && there("../../../../f") && there("/link") && !there("/a"));
	ck_assert_int_eq(maestro_getcwd(k, path, sizeof(path)), 6);
	ck_assert_str_eq(path, "/deep");
	FAILS(maestro_syscall(k, SYS_chroot, "/f"), ENOTDIR);
	OK(maestro_syscall(k, SYS_chroot, "/deep"));
	OK(maestro_chdir(k, "/"));
	ck_assert(!there("f"));
	OK(maestro_syscall(k, SYS_setresuid, 1000, 1000, 1000));
	FAILS(maestro_syscall(k, SYS_chroot, "/"), EPERM);
	OK(maestro_task_switch(k, NULL));
	OK(maestro_task_destroy(k, other));
	/* pivot_root below a mount that is the root of this process. */
	OK(maestro_mount(k, "/b", "/b", NULL, MS_BIND, NULL));
	OK(maestro_syscall(k, SYS_chroot, "/b"));
	OK(maestro_chdir(k, "/"));
	OK(maestro_mount(k, "n", "/in", "tmpfs", 0, NULL));
	DIRS("/in/put");
	unit_put(k, "/in/new", "x", 1);
	OK(maestro_syscall(k, SYS_pivot_root, "/in", "/in/put"));
	ck_assert(there("/new") && there("/put/old") && !there("/old"));
	OK(maestro_umount(k, "/put", MNT_DETACH));
	ck_assert(!there("/put/old"));
	unit_end(k);
}
END_TEST

START_TEST(refused)
{
	static char long_data[5000];
	const char *image = unit_image("-b 1024", 2);
	char disk[MAESTRO_DISK_NAME];

	setup();
	memset(long_data, 'x', sizeof(long_data) - 1);
	FAILS(maestro_mount(k, "t", "/b", "nothing", 0, NULL), ENODEV);
	FAILS(maestro_mount(k, "t", "/b", NULL, 0, NULL), EINVAL);
	FAILS(maestro_mount(k, "t", "/none", "tmpfs", 0, NULL), ENOENT);
	FAILS(maestro_mount(k, "t", "/b", "tmpfs", 0, "no-such-option"), EINVAL);
	FAILS(maestro_mount(k, "t", "/b", "tmpfs", 0, "size=1k,mode=999"), EINVAL);
	FAILS(maestro_mount(k, "/dev/none", "/b", "ext2", 0, NULL), ENOENT);
	FAILS(maestro_mount(k, "/proc/version", "/b", "ext2", 0, NULL), ENOTBLK);
	FAILS(maestro_mount(k, NULL, "/b", "ext2", 0, NULL), EINVAL);
	OK(maestro_disk_add_file(k, image, MAESTRO_DISK_READ_ONLY, disk));
	FAILS(maestro_mount(k, "/dev/vda", "/b", "ext2", 0, NULL), EACCES);
	FAILS(maestro_mount(k, "/dev/vda", "/b", "ext2", MS_RDONLY, "errors=nonsense"), EINVAL);
	FAILS(maestro_mount(k, "/dev/vda", "/b", "ext2", MS_RDONLY, "sb=7"), EINVAL);
	OK(maestro_mount(k, "/dev/vda", "/b", "ext2", MS_RDONLY, NULL));
	OK(maestro_mount(k, "/dev/vda", "/c", "ext2", MS_RDONLY, NULL)); /* the same file system again */
	FAILS(maestro_mount(k, NULL, "/b", NULL, MS_REMOUNT, NULL), EACCES);
	FAILS(maestro_disk_remove(k, disk), EBUSY);
	OK(maestro_umount(k, "/b", 0));
	FAILS(maestro_disk_remove(k, disk), EBUSY);
	OK(maestro_umount(k, "/c", 0));
	OK(maestro_disk_remove(k, disk));
	unit_end(k);
	unlink(image);
}
END_TEST

Suite *suite_mounts(void)
{
	Suite *s = suite_create("mounts");
	TCase *t = tcase_create("the tree of mounts");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, bound);
	tcase_add_test(t, moved);
	tcase_add_test(t, propagated);
	tcase_add_test(t, in_use);
	tcase_add_test(t, other_roots);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return s;
}
