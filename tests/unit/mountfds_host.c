/* SPDX-License-Identifier: MIT */
/* Mounts as descriptors (fsopen(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2)), and files by handles (name_to_handle_at(2)). */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ST_RDONLY 1
#define ST_NOSUID 2

static struct maestro *k;

static long fsopen_(const char *type, unsigned flags)
{
	return maestro_syscall(k, SYS_fsopen, type, flags);
}
static long fsconfig_(int fd, unsigned cmd, const char *key, const void *value, int aux)
{
	return maestro_syscall(k, SYS_fsconfig, fd, cmd, key, value, aux);
}
static long fsmount_(int fd, unsigned flags, unsigned attr)
{
	return maestro_syscall(k, SYS_fsmount, fd, flags, attr);
}
static long setattr_(const char *path, unsigned flags, uint64_t set, uint64_t clr, uint64_t propagation)
{
	struct mount_attr a = {.attr_set = set, .attr_clr = clr, .propagation = propagation};

	return maestro_syscall(k, SYS_mount_setattr, AT_FDCWD, path, flags, &a, sizeof(a));
}
static long place(int from, const char *to)
{
	return maestro_syscall(k, SYS_move_mount, from, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH);
}

/* The next line of what went wrong. */
static const char *said(int fd)
{
	static char line[400];
	long n = maestro_read(k, fd, line, sizeof(line) - 1);

	OK(n);
	line[n] = 0;
	return line;
}

static long flags_of(const char *path)
{
	struct statfs s;

	OK(maestro_syscall(k, SYS_statfs, path, &s));
	return (long)s.f_flags;
}

static void tmpfs_at(const char *point)
{
	int c = (int)fsopen_("tmpfs", 0), m;

	OK(maestro_mkdir(k, point, 0755));
	OK(fsconfig_(c, FSCONFIG_SET_STRING, "mode", "0750", 0));
	OK(fsconfig_(c, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	OK(m = (int)fsmount_(c, 0, 0));
	OK(place(m, point));
	OK(maestro_close(k, m));
	OK(maestro_close(k, c));
}

START_TEST(configured)
{
	struct stat st;
	int c, m;

	k = unit_new();
	OK(maestro_mkdir(k, "/t", 0755));
	OK(c = (int)fsopen_("tmpfs", FSOPEN_CLOEXEC));
	ck_assert_int_eq(maestro_syscall(k, SYS_fcntl, c, F_GETFD), FD_CLOEXEC);
	FAILS(fsmount_(c, 0, 0), EINVAL); /* not made yet */
	OK(fsconfig_(c, FSCONFIG_SET_STRING, "size", "1m", 0));
	OK(fsconfig_(c, FSCONFIG_SET_STRING, "mode", "0700", 0));
	OK(fsconfig_(c, FSCONFIG_SET_STRING, "source", "here", 0));
	OK(fsconfig_(c, FSCONFIG_SET_FLAG, "ro", NULL, 0));
	OK(fsconfig_(c, FSCONFIG_SET_FLAG, "rw", NULL, 0)); /* the last word counts */
	OK(fsconfig_(c, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
	FAILS(fsconfig_(c, FSCONFIG_CMD_CREATE, NULL, NULL, 0), EBUSY);
	FAILS(fsconfig_(c, FSCONFIG_SET_FLAG, "ro", NULL, 0), EBUSY);
	OK(m = (int)fsmount_(c, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME));
	FAILS(fsmount_(c, 0, 0), EBUSY); /* one is enough */
	OK(maestro_syscall(k, SYS_mkdirat, m, "inside", 0755)); /* it can be worked in before it is anywhere */
	FAILS(maestro_access(k, "/t/inside", F_OK), ENOENT);
	OK(place(m, "/t"));
	OK(maestro_access(k, "/t/inside", F_OK));
	OK(maestro_stat(k, "/t", &st));
	ck_assert_uint_eq(st.st_mode, S_IFDIR | 0700);
	ck_assert_int_eq(flags_of("/t") & (ST_NOSUID | ST_RDONLY), ST_NOSUID);

	/* the same configuration changes it: AWAITING_RECONF */
	OK(fsconfig_(c, FSCONFIG_SET_FLAG, "ro", NULL, 0));
	OK(fsconfig_(c, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	FAILS(maestro_mkdir(k, "/t/no", 0755), EROFS);
	OK(maestro_close(k, m));
	OK(maestro_close(k, c));
	OK(maestro_umount(k, "/t", 0));
	FAILS(maestro_access(k, "/t/inside", F_OK), ENOENT);
	unit_end(k);
}
END_TEST

START_TEST(complaints)
{
	char key[300];
	int c, p;

	k = unit_new();
	FAILS(fsopen_("nothing", 0), ENODEV);
	FAILS(fsopen_("tmpfs", 8), EINVAL);
	FAILS(fsopen_((const char *)8, 0), EFAULT);
	OK(c = (int)fsopen_("tmpfs", 0));
	FAILS(maestro_read(k, c, key, sizeof(key)), ENODATA);
	FAILS(fsconfig_(c, FSCONFIG_SET_STRING, "colour", "red", 0), EINVAL);
	ck_assert_str_eq(said(c), "e tmpfs: Unknown parameter 'colour'\n");
	FAILS(fsconfig_(c, FSCONFIG_SET_STRING, "size", "big", 0), EINVAL);
	ck_assert_str_eq(said(c), "e tmpfs: Bad value for 'size'\n");
	FAILS(fsconfig_(c, FSCONFIG_SET_FLAG, "source", NULL, 0), EINVAL);
	ck_assert_str_eq(said(c), "e Non-string source\n");
	OK(fsconfig_(c, FSCONFIG_SET_STRING, "source", "a", 0));
	FAILS(fsconfig_(c, FSCONFIG_SET_STRING, "source", "b", 0), EINVAL);
	FAILS(maestro_read(k, c, key, 5), EMSGSIZE); /* not lost */
	ck_assert_str_eq(said(c), "e Multiple sources\n");
	for (char i = '0'; i <= '9'; i++) { /* eight are kept, the oldest go */
		memcpy(key, "x?", 3);
		key[1] = i;
		FAILS(fsconfig_(c, FSCONFIG_SET_FLAG, key, NULL, 0), EINVAL);
	}
	ck_assert_str_eq(said(c), "e tmpfs: Unknown parameter 'x2'\n");
	memset(key, 'k', sizeof(key));
	key[sizeof(key) - 1] = 0;
	FAILS(fsconfig_(c, FSCONFIG_SET_FLAG, key, NULL, 0), EINVAL);

	/* arguments that a command does not have */
	FAILS(fsconfig_(c, FSCONFIG_SET_FLAG, "ro", "1", 0), EINVAL);
	FAILS(fsconfig_(c, FSCONFIG_SET_STRING, "mode", NULL, 0), EINVAL);
	FAILS(fsconfig_(c, FSCONFIG_SET_BINARY, "mode", "x", 0), EINVAL);
	FAILS(fsconfig_(c, FSCONFIG_SET_BINARY, "mode", "x", 1), EINVAL);
	FAILS(fsconfig_(c, FSCONFIG_SET_PATH, "mode", "/", AT_FDCWD), EINVAL);
	FAILS(fsconfig_(c, FSCONFIG_SET_PATH, "mode", "", AT_FDCWD), ENOENT);
	FAILS(fsconfig_(c, FSCONFIG_SET_FD, "mode", NULL, 999), EBADF);
	FAILS(fsconfig_(c, FSCONFIG_SET_FD, "mode", NULL, c), EINVAL);
	FAILS(fsconfig_(c, FSCONFIG_CMD_CREATE, "key", NULL, 0), EINVAL);
	FAILS(fsconfig_(c, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0), EBUSY);
	FAILS(fsconfig_(c, 99, NULL, NULL, 0), EOPNOTSUPP);
	FAILS(fsconfig_(-1, FSCONFIG_CMD_CREATE, NULL, NULL, 0), EINVAL);
	FAILS(fsconfig_(999, FSCONFIG_CMD_CREATE, NULL, NULL, 0), EBADF);
	OK(p = maestro_open(k, "/", O_RDONLY));
	FAILS(fsconfig_(p, FSCONFIG_CMD_CREATE, NULL, NULL, 0), EINVAL);
	FAILS(fsmount_(p, 0, 0), EINVAL);
	FAILS(fsmount_(c, 0, 0x30), EINVAL); /* two ways of atime */
	FAILS(fsmount_(c, 4, 0), EINVAL);
	OK(maestro_close(k, p));
	OK(maestro_close(k, c));

	OK(c = (int)fsopen_("ext2", 0)); /* without a disk */
	ck_assert_int_lt(fsconfig_(c, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	FAILS(fsconfig_(c, FSCONFIG_SET_FLAG, "ro", NULL, 0), EBUSY); /* it has failed for good */
	OK(maestro_close(k, c));
	unit_end(k);
}
END_TEST

/* fspick(2): a mounted one is configured anew. */
START_TEST(picked)
{
	const char *image = unit_image("-b 1024", 4);
	int c;

	k = unit_new();
	unit_mount(k, image);
	FAILS(maestro_syscall(k, SYS_fspick, AT_FDCWD, "/mnt", 64), EINVAL);
	FAILS(maestro_syscall(k, SYS_fspick, AT_FDCWD, "/mnt/lost+found", 0), EINVAL);
	OK(c = (int)maestro_syscall(k, SYS_fspick, AT_FDCWD, "/mnt", FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT));
	FAILS(fsconfig_(c, FSCONFIG_CMD_CREATE, NULL, NULL, 0), EBUSY);
	OK(fsconfig_(c, FSCONFIG_SET_FLAG, "ro", NULL, 0));
	OK(fsconfig_(c, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	FAILS(maestro_mkdir(k, "/mnt/d", 0755), EROFS);
	OK(fsconfig_(c, FSCONFIG_SET_FLAG, "rw", NULL, 0));
	OK(fsconfig_(c, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0));
	OK(maestro_mkdir(k, "/mnt/d", 0755));
	FAILS(fsconfig_(c, FSCONFIG_SET_STRING, "errors", "nonsense", 0), EINVAL);
	ck_assert_str_eq(said(c), "e ext2: Bad value for 'errors'\n");
	OK(maestro_close(k, c));
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

START_TEST(trees)
{
	int one, all;

	k = unit_new();
	tmpfs_at("/a");
	tmpfs_at("/a/b");
	tmpfs_at("/a/b/c");
	unit_put(k, "/a/b/c/file", "x", 1);
	OK(maestro_mkdir(k, "/copy", 0755));
	FAILS(maestro_syscall(k, SYS_open_tree, AT_FDCWD, "/a", AT_RECURSIVE), EINVAL); /* only with a copy */
	OK(one = (int)maestro_syscall(k, SYS_open_tree, AT_FDCWD, "/a", OPEN_TREE_CLONE));
	OK(all = (int)maestro_syscall(k, SYS_open_tree, AT_FDCWD, "/a", OPEN_TREE_CLONE | AT_RECURSIVE | OPEN_TREE_CLOEXEC));
	OK(place(one, "/copy"));
	OK(maestro_access(k, "/copy/b", F_OK));
	FAILS(maestro_access(k, "/copy/b/c", F_OK), ENOENT);
	FAILS(place(one, "/copy/b/c"), ENOENT);
	FAILS(maestro_umount(k, "/copy", 0), EBUSY);
	OK(maestro_close(k, one));
	OK(maestro_umount(k, "/copy", 0));
	OK(maestro_syscall(k, SYS_mount_setattr, all, "", AT_EMPTY_PATH | AT_RECURSIVE, &(struct mount_attr){.attr_set = MOUNT_ATTR_RDONLY}, sizeof(struct mount_attr)));
	OK(place(all, "/copy"));
	FAILS(maestro_mkdir(k, "/copy/b/c/no", 0755), EROFS);
	OK(maestro_mkdir(k, "/a/b/c/yes", 0755));
	OK(maestro_access(k, "/copy/b/c/yes", F_OK));
	FAILS(maestro_syscall(k, SYS_move_mount, AT_FDCWD, "/a/b", AT_FDCWD, "/copy", 0x1000), EINVAL);
	OK(maestro_close(k, all));
	OK(maestro_umount(k, "/copy", 2 /* MNT_DETACH */));
	unit_end(k);
}
END_TEST

START_TEST(attributes)
{
	struct mount_attr a = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = 999};
	char big[8192] = {0};
	int fd;

	k = unit_new();
	tmpfs_at("/a");
	tmpfs_at("/a/b");
	OK(setattr_("/a", 0, MOUNT_ATTR_NOSUID, 0, 0));
	ck_assert(flags_of("/a") & ST_NOSUID);
	ck_assert(!(flags_of("/a/b") & ST_NOSUID));
	OK(setattr_("/a", AT_RECURSIVE, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, 0));
	ck_assert(!(flags_of("/a") & ST_NOSUID));

	/* a writer below keeps all of the tree writable */
	OK(fd = maestro_open(k, "/a/b/f", O_CREAT | O_WRONLY));
	FAILS(setattr_("/a", AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0, 0), EBUSY);
	OK(maestro_mkdir(k, "/a/d", 0755));
	OK(maestro_close(k, fd));
	OK(setattr_("/a", AT_RECURSIVE, MOUNT_ATTR_RDONLY, 0, 0));
	FAILS(maestro_mkdir(k, "/a/e", 0755), EROFS);
	FAILS(maestro_mkdir(k, "/a/b/e", 0755), EROFS);
	OK(setattr_("/a", 0, 0, MOUNT_ATTR_RDONLY, 0));
	OK(maestro_mkdir(k, "/a/e", 0755));
	FAILS(maestro_mkdir(k, "/a/b/e", 0755), EROFS);

	OK(setattr_("/a", 0, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0));
	ck_assert(flags_of("/a") & 1024); /* ST_NOATIME */
	OK(setattr_("/a", 0, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0));
	ck_assert(!(flags_of("/a") & (1024 | 4096)));
	FAILS(setattr_("/a", 0, MOUNT_ATTR_NOATIME, 0, 0), EINVAL); /* the old way is to be cleared */
	FAILS(setattr_("/a", 0, 0, MOUNT_ATTR_NOATIME, 0), EINVAL);
	FAILS(setattr_("/a", 0, 0x30, MOUNT_ATTR__ATIME, 0), EINVAL);
	FAILS(setattr_("/a", 0, 1ull << 40, 0, 0), EINVAL);
	FAILS(setattr_("/a", 0, 0, 0, 3), EINVAL);
	FAILS(setattr_("/a", 1, 0, 0, 0), EINVAL);
	FAILS(setattr_("/a/d", 0, MOUNT_ATTR_NOSUID, 0, 0), EINVAL); /* no mount's root */
	FAILS(setattr_("/none", 0, MOUNT_ATTR_NOSUID, 0, 0), ENOENT);
	OK(setattr_("/a", 0, 0, 0, 0));
	OK(setattr_("/a", 0, 0, 0, 1 << 20)); /* MS_SHARED */
	FAILS(maestro_syscall(k, SYS_mount_setattr, AT_FDCWD, "/a", 0, &a, sizeof(a)), EBADF);
	a.userns_fd = (uint64_t)maestro_open(k, "/", O_RDONLY);
	FAILS(maestro_syscall(k, SYS_mount_setattr, AT_FDCWD, "/a", 0, &a, sizeof(a)), EINVAL);
	FAILS(maestro_syscall(k, SYS_mount_setattr, AT_FDCWD, "/a", 0, &a, 8), EINVAL);
	FAILS(maestro_syscall(k, SYS_mount_setattr, AT_FDCWD, "/a", 0, big, sizeof(big)), E2BIG);
	big[100] = 1;
	FAILS(maestro_syscall(k, SYS_mount_setattr, AT_FDCWD, "/a", 0, big, 200), E2BIG); /* words that are not known yet */
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- handles */
struct handle {
	unsigned bytes;
	int type;
	unsigned char data[128];
};

static long handle_of(const char *path, struct handle *h, int *mount_id)
{
	h->bytes = sizeof(h->data);
	return maestro_syscall(k, SYS_name_to_handle_at, AT_FDCWD, path, h, mount_id, 0);
}
static long open_handle(int mount_fd, const struct handle *h, int flags)
{
	return maestro_syscall(k, SYS_open_by_handle_at, mount_fd, h, flags);
}

/* What a handle names is found again when nothing of it is cached, after renames, and not any more when it is gone. */
static void handles_in(const char *top)
{
	char deep[100], file[120], moved[100], buf[8];
	struct handle d, f, stale;
	struct stat st, seen;
	int root, fd, id, other;

	snprintf(deep, sizeof(deep), "%s/one/two/three", top);
	for (char *p = strchr(deep + strlen(top) + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = 0;
		OK(maestro_mkdir(k, deep, 0755));
		*p = '/';
	}
	OK(maestro_mkdir(k, deep, 0755));
	snprintf(file, sizeof(file), "%s/file", deep);
	unit_put(k, file, "inside", 6);
	OK(handle_of(deep, &d, &id));
	OK(handle_of(file, &f, &other));
	ck_assert_int_eq(id, other);
	OK(maestro_stat(k, deep, &st));
	OK(root = maestro_open(k, top, O_RDONLY));
	for (int round = 0; round < 2; round++) {
		if (round) {
			maestro_sync(k);
			maestro_drop_caches(k);
		}
		OK(fd = (int)open_handle(root, &f, O_RDONLY));
		ck_assert_int_eq(maestro_read(k, fd, buf, sizeof(buf)), 6);
		ck_assert(!memcmp(buf, "inside", 6));
		OK(maestro_close(k, fd));
		OK(fd = (int)open_handle(root, &d, O_RDONLY | O_DIRECTORY));
		OK(maestro_fstat(k, fd, &seen));
		ck_assert_uint_eq(st.st_ino, seen.st_ino);
		OK(maestro_syscall(k, SYS_fchdir, fd));
		ck_assert_int_gt(maestro_syscall(k, SYS_getcwd, moved, sizeof(moved)), 0); /* it is where it belongs */
		ck_assert_str_eq(moved, deep);
		OK(maestro_chdir(k, "/"));
		OK(maestro_close(k, fd));
	}
	snprintf(moved, sizeof(moved), "%s/moved", top);
	OK(maestro_rename(k, file, moved));
	OK(fd = (int)open_handle(root, &f, O_RDWR));
	OK(maestro_unlink(k, moved));
	OK(maestro_fstat(k, fd, &seen));
	ck_assert_uint_eq(seen.st_nlink, 0);
	OK(maestro_close(k, fd));
	FAILS(open_handle(root, &f, O_RDONLY), ESTALE);
	stale = d;
	stale.data[4] ^= 0xff; /* the generation, or a word that no file has */
	FAILS(open_handle(root, &stale, O_RDONLY), ESTALE);
	d.bytes = 0;
	FAILS(open_handle(root, &d, O_RDONLY), EINVAL);
	d.bytes = 129;
	FAILS(open_handle(root, &d, O_RDONLY), EINVAL);
	FAILS(open_handle(999, &f, O_RDONLY), EBADF);
	FAILS(maestro_syscall(k, SYS_open_by_handle_at, root, 8, 0), EFAULT);
	f.bytes = 1;
	FAILS(maestro_syscall(k, SYS_name_to_handle_at, AT_FDCWD, top, &f, &id, 0), EOVERFLOW);
	ck_assert_uint_gt(f.bytes, 1); /* so much is needed */
	f.bytes = 1000;
	FAILS(maestro_syscall(k, SYS_name_to_handle_at, AT_FDCWD, top, &f, &id, 0), EINVAL);
	FAILS(maestro_syscall(k, SYS_name_to_handle_at, AT_FDCWD, top, &f, &id, 1), EINVAL);
	f.bytes = sizeof(f.data);
	OK(maestro_syscall(k, SYS_name_to_handle_at, root, "", &f, &id, AT_EMPTY_PATH));
	OK(fd = (int)open_handle(root, &f, O_PATH));
	OK(maestro_close(k, fd));
	OK(maestro_close(k, root));
}

START_TEST(handles)
{
	const char *image = unit_image(_i ? "-b 1024" : "-b 4096", 4);

	k = unit_new();
	unit_mount(k, image);
	handles_in("/mnt");
	OK(maestro_mkdir(k, "/t", 0755));
	OK(maestro_mount(k, "none", "/t", "tmpfs", 0, NULL));
	handles_in("/t");
	unit_umount(k);
	unit_end(k);
	unit_fsck(image);
}
END_TEST

Suite *suite_mountfds(void)
{
	Suite *s = suite_create("mountfds");
	TCase *t = tcase_create("configured mounts");

	tcase_add_test(t, configured);
	tcase_add_test(t, complaints);
	tcase_add_test(t, picked);
	tcase_add_test(t, trees);
	tcase_add_test(t, attributes);
	suite_add_tcase(s, t);
	t = tcase_create("handles");
	tcase_add_loop_test(t, handles, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
