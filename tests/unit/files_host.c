/* SPDX-License-Identifier: MIT */
/* Files by system calls, on tmpfs (/) and, by the same tests, on ext2 (/mnt). */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct maestro *k;
static const char *image;
static char top[16]; /* "/t" or "/mnt/t" */

static const char *at(const char *name)
{
	static char buf[8][512];
	static unsigned next;
	char *b = buf[next++ % 8];

	snprintf(b, sizeof(buf[0]), "%s/%s", top, name);
	return b;
}

static void setup(int on_ext2)
{
	k = unit_new();
	image = NULL;
	strcpy(top, "/t");
	if (on_ext2) {
		image = unit_image("-b 1024", 16);
		unit_mount(k, image);
		strcpy(top, "/mnt/t");
	}
	OK(maestro_mkdir(k, top, 0755));
}

static void teardown(void)
{
	if (image)
		unit_umount(k);
	unit_end(k);
	if (image)
		unit_fsck(image);
}

START_TEST(walks)
{
	struct stat a, b;
	char buf[64];

	setup(_i);
	OK(maestro_mkdir(k, at("d"), 0755));
	OK(maestro_mkdir(k, at("d/e"), 0755));
	unit_put(k, at("d/e/f"), "x", 1);
	OK(maestro_stat(k, at("d/e/f"), &a));
	OK(maestro_stat(k, at("./d//e/../e/./f"), &b));
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	FAILS(maestro_stat(k, at("d/e/f/g"), &a), ENOTDIR);
	FAILS(maestro_stat(k, at("d/e/f/"), &a), ENOTDIR);
	FAILS(maestro_stat(k, at("d/x/f"), &a), ENOENT);
	FAILS(maestro_stat(k, "", &a), ENOENT);
	FAILS(maestro_stat(k, at("0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"), &a), ENAMETOOLONG);
	OK(maestro_chdir(k, at("d/e")));
	OK(maestro_stat(k, "f", &b));
	OK(maestro_stat(k, "../../d/e/f", &b));
	ck_assert_int_gt(maestro_getcwd(k, buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, at("d/e"));
	OK(maestro_chdir(k, "/"));
	teardown();
}
END_TEST

START_TEST(symlinks)
{
	struct stat st;
	char buf[64];

	setup(_i);
	unit_put(k, at("f"), "hello", 5);
	OK(maestro_symlink(k, "f", at("l")));
	OK(maestro_symlink(k, "loop2", at("loop1")));
	OK(maestro_symlink(k, "loop1", at("loop2")));
	OK(maestro_symlink(k, "nowhere", at("dangling")));
	OK(maestro_stat(k, at("l"), &st));
	ck_assert(S_ISREG(st.st_mode) && st.st_size == 5);
	OK(maestro_lstat(k, at("l"), &st));
	ck_assert(S_ISLNK(st.st_mode) && st.st_size == 1);
	ck_assert_int_eq(maestro_readlink(k, at("dangling"), buf, 4), 4);
	ck_assert(!memcmp(buf, "nowh", 4));
	FAILS(maestro_stat(k, at("loop1"), &st), ELOOP);
	FAILS(maestro_stat(k, at("dangling"), &st), ENOENT);
	FAILS(maestro_open(k, at("l"), O_RDONLY | O_NOFOLLOW), ELOOP);
	FAILS(maestro_open(k, at("dangling"), O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
	unit_put(k, at("dangling"), "y", 1); /* creates what it points to */
	OK(maestro_stat(k, at("nowhere"), &st));
	FAILS(maestro_readlink(k, at("f"), buf, sizeof(buf)), EINVAL);
	/* a chain longer than 40 */
	for (int i = 0; i < 45; i++) {
		char from[16], to[16];

		snprintf(from, sizeof(from), "c%d", i);
		snprintf(to, sizeof(to), "c%d", i + 1);
		OK(maestro_symlink(k, to, at(from)));
	}
	unit_put(k, at("c45"), "z", 1);
	FAILS(maestro_stat(k, at("c0"), &st), ELOOP);
	OK(maestro_stat(k, at("c10"), &st));
	teardown();
}
END_TEST

START_TEST(renames)
{
	struct stat a, b;

	setup(_i);
	unit_put(k, at("a"), "a", 1);
	unit_put(k, at("b"), "bb", 2);
	OK(maestro_mkdir(k, at("d"), 0755));
	OK(maestro_mkdir(k, at("d/e"), 0755));
	OK(maestro_mkdir(k, at("empty"), 0755));
	OK(maestro_stat(k, at("a"), &a));
	OK(maestro_rename(k, at("a"), at("b")));
	OK(maestro_stat(k, at("b"), &b));
	ck_assert(a.st_ino == b.st_ino && b.st_size == 1);
	FAILS(maestro_stat(k, at("a"), &a), ENOENT);
	OK(maestro_rename(k, at("b"), at("b")));
	FAILS(maestro_rename(k, at("b"), at("d")), EISDIR);
	FAILS(maestro_rename(k, at("d"), at("b")), ENOTDIR);
	FAILS(maestro_rename(k, at("d"), at("d/e/x")), EINVAL);
	FAILS(maestro_rename(k, at("empty"), at("d")), ENOTEMPTY);
	OK(maestro_rename(k, at("d/e"), at("empty")));
	OK(maestro_stat(k, at("d"), &a));
	ck_assert_int_eq(a.st_nlink, 2);
	OK(maestro_rename(k, at("empty"), at("d/moved")));
	OK(maestro_stat(k, at("d"), &a));
	ck_assert_int_eq(a.st_nlink, 3);
	OK(maestro_stat(k, at("d/moved/.."), &b));
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	FAILS(maestro_renameat2(k, AT_FDCWD, at("b"), AT_FDCWD, at("d"), 1), EEXIST);
	OK(maestro_renameat2(k, AT_FDCWD, at("b"), AT_FDCWD, at("d"), 2)); /* exchange */
	OK(maestro_stat(k, at("b/moved"), &a));
	OK(maestro_stat(k, at("d"), &a));
	ck_assert(S_ISREG(a.st_mode));
	FAILS(maestro_rename(k, at("b"), "/dev/x"), EXDEV);
	teardown();
}
END_TEST

START_TEST(unlinked_but_open)
{
	struct stat st;
	char buf[8];
	int fd;

	setup(_i);
	fd = maestro_open(k, at("f"), O_CREAT | O_RDWR, 0600);
	OK(fd);
	ck_assert_int_eq(maestro_write(k, fd, "gone", 4), 4);
	OK(maestro_link(k, at("f"), at("g")));
	OK(maestro_unlink(k, at("f")));
	OK(maestro_fstat(k, fd, &st));
	ck_assert_int_eq(st.st_nlink, 1);
	OK(maestro_unlink(k, at("g")));
	OK(maestro_fstat(k, fd, &st));
	ck_assert_int_eq(st.st_nlink, 0);
	ck_assert_int_eq(maestro_pread(k, fd, buf, 8, 0), 4);
	ck_assert_int_eq(maestro_pwrite(k, fd, "still", 5, 100000), 5);
	OK(maestro_close(k, fd));
	FAILS(maestro_close(k, fd), EBADF);
	OK(maestro_mkdir(k, at("d"), 0755));
	fd = maestro_open(k, at("d"), O_RDONLY | O_DIRECTORY);
	OK(fd);
	OK(maestro_rmdir(k, at("d")));
	FAILS(maestro_openat(k, fd, "x", O_CREAT | O_WRONLY, 0600), ENOENT);
	OK(maestro_close(k, fd));
	teardown();
}
END_TEST

static void become(unsigned uid)
{
	OK(maestro_syscall(k, SYS_setresgid, uid, uid, 0));
	OK(maestro_syscall(k, SYS_setresuid, uid, uid, 0));
}

static void become_root(void)
{
	OK(maestro_syscall(k, SYS_setresuid, 0, 0, 0));
	OK(maestro_syscall(k, SYS_setresgid, 0, 0, 0));
}

START_TEST(permissions)
{
	struct stat st;
	int fd;

	setup(_i);
	OK(maestro_chmod(k, top, 01777));
	unit_put(k, at("roots"), "x", 1);
	OK(maestro_chmod(k, at("roots"), 0600));
	OK(maestro_mkdir(k, at("closed"), 0700));
	unit_put(k, at("closed/f"), "x", 1);
	become(1000);
	FAILS(maestro_open(k, at("roots"), O_RDONLY), EACCES);
	FAILS(maestro_stat(k, at("closed/f"), &st), EACCES);
	FAILS(maestro_unlink(k, at("roots")), EPERM); /* sticky */
	FAILS(maestro_chmod(k, at("roots"), 0777), EPERM);
	FAILS(maestro_chown(k, at("roots"), 1000, 1000), EPERM);
	unit_put(k, at("mine"), "x", 1);
	OK(maestro_stat(k, at("mine"), &st));
	ck_assert(st.st_uid == 1000 && st.st_gid == 1000 && (st.st_mode & 0777) == 0644);
	FAILS(maestro_chown(k, at("mine"), 0, 0), EPERM);
	OK(maestro_chmod(k, at("mine"), 0444));
	FAILS(maestro_open(k, at("mine"), O_WRONLY), EACCES);
	fd = maestro_open(k, at("new"), O_CREAT | O_RDWR, 0);
	OK(fd); /* its maker may write, whatever the mode */
	OK(maestro_close(k, fd));
	become_root();
	fd = maestro_open(k, at("mine"), O_WRONLY);
	OK(fd); /* root may */
	OK(maestro_close(k, fd));
	teardown();
}
END_TEST

START_TEST(attributes)
{
	struct timespec t[2] = {{.tv_sec = 1000, .tv_nsec = 0}, {.tv_sec = 2000, .tv_nsec = 0}};
	const char *a, *b, *bb;
	char buf[256];
	struct stat st;

	setup(_i);
	unit_put(k, at("f"), "12345", 5);
	OK(maestro_utimensat(k, AT_FDCWD, at("f"), t, 0));
	OK(maestro_stat(k, at("f"), &st));
	ck_assert(st.st_atime == 1000 && st.st_mtime == 2000 && st.st_ctime >= 1600000000);
	OK(maestro_truncate(k, at("f"), 2));
	OK(maestro_stat(k, at("f"), &st));
	ck_assert(st.st_size == 2 && st.st_mtime >= 1600000000);
	OK(maestro_chmod(k, at("f"), 06755));
	OK(maestro_chown(k, at("f"), 5, 6));
	OK(maestro_stat(k, at("f"), &st));
	ck_assert((st.st_mode & 07777) == 0755 && st.st_uid == 5 && st.st_gid == 6);
	/* tmpfs of Linux 6.1 has no user attributes */
	a = _i ? "user.a" : "trusted.a";
	b = _i ? "user.b" : "trusted.b";
	bb = _i ? "user.bb" : "trusted.bb";
	FAILS(maestro_getxattr(k, at("f"), a, buf, sizeof(buf)), ENODATA);
	OK(maestro_setxattr(k, at("f"), a, "value", 5, 0));
	FAILS(maestro_setxattr(k, at("f"), a, "value", 5, 1), EEXIST);
	FAILS(maestro_setxattr(k, at("f"), b, "value", 5, 2), ENODATA);
	OK(maestro_setxattr(k, at("f"), bb, "w", 1, 0));
	ck_assert_int_eq(maestro_getxattr(k, at("f"), a, buf, sizeof(buf)), 5);
	ck_assert_int_eq(maestro_getxattr(k, at("f"), a, NULL, 0), 5);
	FAILS(maestro_getxattr(k, at("f"), a, buf, 3), ERANGE);
	ck_assert_int_eq(maestro_listxattr(k, at("f"), buf, sizeof(buf)), strlen(a) + strlen(bb) + 2);
	OK(maestro_removexattr(k, at("f"), a));
	FAILS(maestro_removexattr(k, at("f"), a), ENODATA);
	ck_assert_int_eq(maestro_listxattr(k, at("f"), buf, sizeof(buf)), strlen(bb) + 1);
	teardown();
}
END_TEST

struct dirent64 {
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

/* Names that stay are seen exactly once, though others come and go meanwhile. */
START_TEST(directory_changes)
{
	static char buf[600] __attribute__((aligned(8)));
	char name[32], seen[200] = {0};
	int fd, round = 0;
	long n;

	setup(_i);
	OK(maestro_mkdir(k, at("d"), 0755));
	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "d/stays%03d", i);
		unit_put(k, at(name), "", 0);
		snprintf(name, sizeof(name), "d/goes%03d", i);
		unit_put(k, at(name), "", 0);
	}
	fd = maestro_open(k, at("d"), O_RDONLY | O_DIRECTORY);
	OK(fd);
	while ((n = maestro_getdents64(k, fd, buf, sizeof(buf))) > 0) {
		for (long pos = 0; pos < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(const void *)(buf + pos);

			if (!strncmp(d->name, "stays", 5))
				ck_assert_int_eq(seen[atoi(d->name + 5)]++, 0);
			pos += d->reclen;
		}
		if (round >= 100)
			continue; /* a list that is as long as we make it has no end */
		snprintf(name, sizeof(name), "d/goes%03d", round);
		OK(maestro_unlink(k, at(name)));
		snprintf(name, sizeof(name), "d/comes%03d", round++);
		unit_put(k, at(name), "", 0);
	}
	OK(n);
	for (int i = 0; i < 200; i++)
		ck_assert_msg(seen[i] == 1, "stays%03d was seen %d times", i, seen[i]);
	OK(maestro_close(k, fd));
	teardown();
}
END_TEST

START_TEST(reads_and_writes)
{
	static char data[100000], back[100000];
	uint32_t seed = 7;
	int fd;

	setup(_i);
	fd = maestro_open(k, at("f"), O_CREAT | O_RDWR, 0600);
	OK(fd);
	for (int i = 0; i < 300; i++) {
		size_t off = unit_random(&seed) % 90000, n = unit_random(&seed) % 10000;

		for (size_t j = 0; j < n; j++)
			data[off + j] = (char)unit_random(&seed);
		ck_assert_int_eq(maestro_pwrite(k, fd, data + off, n, (int64_t)off), n);
		if (i % 10 == 0) {
			ck_assert_int_ge(maestro_pread(k, fd, back, sizeof(back), 0), 0);
			ck_assert(!memcmp(back, data, 90000));
		}
	}
	OK(maestro_fsync(k, fd));
	ck_assert_int_eq(maestro_lseek(k, fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(maestro_read(k, fd, back, 10), 10);
	ck_assert_int_eq(maestro_lseek(k, fd, 0, SEEK_CUR), 10);
	FAILS(maestro_lseek(k, fd, -20, SEEK_CUR), EINVAL);
	OK(maestro_close(k, fd));
	fd = maestro_open(k, at("f"), O_WRONLY | O_APPEND | O_TRUNC);
	OK(fd);
	ck_assert_int_eq(maestro_write(k, fd, "ab", 2), 2);
	ck_assert_int_eq(maestro_lseek(k, fd, 0, SEEK_SET), 0);
	ck_assert_int_eq(maestro_write(k, fd, "cd", 2), 2);
	FAILS(maestro_read(k, fd, back, 1), EBADF);
	OK(maestro_close(k, fd));
	fd = maestro_open(k, at("f"), O_RDONLY);
	ck_assert_int_eq(maestro_read(k, fd, back, 10), 4);
	ck_assert(!memcmp(back, "abcd", 4));
	OK(maestro_close(k, fd));
	teardown();
}
END_TEST

START_TEST(nodes)
{
	const struct maestro_caller user = {.uid = 1000, .gid = 100};
	struct maestro_node *root, *d, *f, *g;
	struct maestro_attr a;
	struct maestro_file *file;
	char buf[16];

	setup(_i);
	OK(maestro_chmod(k, top, 0777));
	OK(maestro_node_root(k, top, &root));
	OK(maestro_node_mkdir(k, &user, root, "d", 0755, &d));
	OK(maestro_node_create(k, &user, d, "f", 0640, O_RDWR, &f, &file));
	OK(maestro_node_getattr(k, f, &a));
	ck_assert(a.uid == 1000 && a.gid == 100 && a.mode == (S_IFREG | 0640));
	ck_assert_int_eq(maestro_file_write(k, file, "hello", 5, 0), 5);
	ck_assert_int_eq(maestro_file_read(k, file, buf, 16, 1), 4);
	OK(maestro_node_link(k, &user, f, root, "g"));
	OK(maestro_node_lookup(k, &user, root, "g", &g));
	ck_assert_ptr_eq(f, g); /* one object, one node */
	OK(maestro_node_rename(k, &user, root, "g", d, "h", 0));
	FAILS(maestro_node_lookup(k, &user, root, "g", &g), ENOENT);
	a.mode = 0;
	OK(maestro_node_setattr(k, NULL, d, MAESTRO_SET_MODE, &a, &a));
	FAILS(maestro_node_lookup(k, &user, d, "f", &g), EACCES);
	FAILS(maestro_node_unlink(k, &user, d, "f"), EACCES);
	OK(maestro_node_unlink(k, NULL, d, "f"));
	OK(maestro_node_unlink(k, NULL, d, "h"));
	OK(maestro_node_getattr(k, f, &a));
	ck_assert(a.nlink == 0 && a.size == 5);
	maestro_file_close(k, file);
	maestro_node_forget(k, f, 2);
	maestro_node_forget(k, d, 1);
	OK(maestro_node_rmdir(k, NULL, root, "d"));
	maestro_node_forget(k, root, 1);
	teardown();
}
END_TEST

Suite *suite_files(void)
{
	Suite *s = suite_create("files");
	TCase *t = tcase_create("tmpfs and ext2");

	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, walks, 0, 2);
	tcase_add_loop_test(t, symlinks, 0, 2);
	tcase_add_loop_test(t, renames, 0, 2);
	tcase_add_loop_test(t, unlinked_but_open, 0, 2);
	tcase_add_loop_test(t, permissions, 0, 2);
	tcase_add_loop_test(t, attributes, 0, 2);
	tcase_add_loop_test(t, directory_changes, 0, 2);
	tcase_add_loop_test(t, reads_and_writes, 0, 2);
	tcase_add_loop_test(t, nodes, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
