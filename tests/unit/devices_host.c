/* SPDX-License-Identifier: MIT */
/* Character devices: those of memory, the log, and pairs of pseudo-terminals. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

static struct maestro *k;
static char buf[100000], other[100000];

static int opened(const char *path, int flags)
{
	int fd = maestro_open(k, path, flags, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(-fd));
	return fd;
}

START_TEST(of_memory)
{
	struct pollfd p;
	int fd, bits = -1;

	k = unit_new();
	fd = opened("/dev/null", O_RDWR);
	ck_assert_int_eq(maestro_read(k, fd, buf, 10), 0);
	ck_assert_int_eq(maestro_write(k, fd, buf, 1000), 1000);
	ck_assert_int_eq(maestro_lseek(k, fd, 50, SEEK_SET), 0);
	p = (struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT };
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	fd = opened("/dev/zero", O_RDWR);
	memset(buf, 'x', sizeof(buf));
	ck_assert_int_eq(maestro_read(k, fd, buf, sizeof(buf)), sizeof(buf));
	for (unsigned i = 0; i < sizeof(buf); i++)
		ck_assert(!buf[i]);
	FAILS(maestro_read(k, fd, (char *)8, 10), EFAULT);
	fd = opened("/dev/full", O_RDWR);
	FAILS(maestro_write(k, fd, buf, 1), ENOSPC);
	ck_assert_int_eq(maestro_read(k, fd, buf, 10), 10);
	fd = opened("/dev/urandom", O_RDWR);
	ck_assert_int_eq(maestro_read(k, fd, buf, 5000), 5000);
	ck_assert_int_eq(maestro_read(k, fd, other, 5000), 5000);
	ck_assert(memcmp(buf, other, 5000) != 0);
	ck_assert_int_eq(maestro_write(k, fd, buf, 100), 100);
	OK(maestro_ioctl(k, fd, RNDGETENTCNT, &bits));
	ck_assert_int_eq(bits, 256);
	FAILS(maestro_ioctl(k, fd, TCGETS, buf), ENOTTY);
	ck_assert_int_eq(maestro_read(k, opened("/dev/random", O_RDONLY), buf, 32), 32);
	/* A node elsewhere is the same device; numbers that nobody has are none. */
	OK(maestro_mknod(k, "/mynull", S_IFCHR | 0600, makedev(1, 3)));
	ck_assert_int_eq(maestro_write(k, opened("/mynull", O_WRONLY), "x", 1), 1);
	OK(maestro_mknod(k, "/nothing", S_IFCHR | 0600, makedev(77, 3)));
	FAILS(maestro_open(k, "/nothing", O_RDONLY), ENXIO);
	OK(maestro_mknod(k, "/nodisk", S_IFBLK | 0600, makedev(77, 3)));
	FAILS(maestro_open(k, "/nodisk", O_RDONLY), ENXIO);
	unit_end(k);
}
END_TEST

/* Whole records, one a read, as programs write them and the kernel does. */
START_TEST(kernel_log)
{
	char line[1024];
	ssize_t n;
	int r, w;

	k = unit_new();
	w = opened("/dev/kmsg", O_WRONLY);
	ck_assert_int_eq(maestro_write(k, w, "<4>first words\n", 15), 15);
	ck_assert_int_eq(maestro_write(k, w, "without a level", 15), 15);
	r = opened("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	do {
		n = maestro_read(k, r, line, sizeof(line) - 1);
		ck_assert_int_gt(n, 0);
		line[n] = 0;
	} while (!strstr(line, "first words"));
	ck_assert_msg(!strncmp(line, "12,", 3) && strstr(line, ";first words\n"), "%s", line); /* user's, warning */
	n = maestro_read(k, r, line, sizeof(line) - 1);
	ck_assert_int_gt(n, 0);
	line[n] = 0;
	ck_assert_ptr_nonnull(strstr(line, ";without a level\n"));
	FAILS(maestro_read(k, r, line, sizeof(line)), EAGAIN);
	OK(maestro_lseek(k, r, 0, SEEK_SET));
	FAILS(maestro_read(k, r, line, 4), EINVAL); /* no room for a record */
	OK(maestro_lseek(k, r, 0, SEEK_END));
	FAILS(maestro_read(k, r, line, sizeof(line)), EAGAIN);
	FAILS(maestro_lseek(k, r, 5, SEEK_SET), ESPIPE);
	unit_end(k);
}
END_TEST

/* ---------------------------------------------------------------- pseudo-terminals */
static void with_ptys(const char *options)
{
	k = unit_new();
	if (maestro_access(k, "/dev/pts", F_OK))
		OK(maestro_mkdir(k, "/dev/pts", 0755));
	OK(maestro_mount(k, "devpts", "/dev/pts", "devpts", 0, options));
}

START_TEST(pty_pair)
{
	struct winsize ws = { .ws_row = 50, .ws_col = 132 }, got;
	struct termios t;
	struct pollfd p;
	int master, slave, n = -1, locked = 0;
	char name[32];

	with_ptys(NULL);
	master = opened("/dev/ptmx", O_RDWR | O_NOCTTY);
	OK(maestro_ioctl(k, master, TIOCGPTN, &n));
	snprintf(name, sizeof(name), "/dev/pts/%d", n);
	FAILS(maestro_open(k, name, O_RDWR | O_NOCTTY), EIO); /* locked */
	OK(maestro_ioctl(k, master, TIOCSPTLCK, &locked));
	slave = opened(name, O_RDWR | O_NOCTTY | O_NONBLOCK);
	/* A line is given on when it ends, and comes back as an echo. */
	ck_assert_int_eq(maestro_write(k, master, "hello", 5), 5);
	FAILS(maestro_read(k, slave, buf, 100), EAGAIN);
	ck_assert_int_eq(maestro_write(k, master, "\177\177p!\r", 5), 5);
	ck_assert_int_eq(maestro_read(k, slave, buf, 100), 6);
	ck_assert(!memcmp(buf, "help!\n", 6));
	n = (int)maestro_read(k, master, buf, 100);
	ck_assert_msg(n == 15 && !memcmp(buf, "hello\b \b\b \bp!\r\n", 15), "%d %.*s", n, n, buf);
	/* Output is given new lines. */
	ck_assert_int_eq(maestro_write(k, slave, "a\nb", 3), 3);
	ck_assert_int_eq(maestro_read(k, master, buf, 100), 4);
	ck_assert(!memcmp(buf, "a\r\nb", 4));
	/* Raw: nothing is changed, nothing waits. */
	OK(maestro_ioctl(k, slave, TCGETS, &t));
	t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	t.c_iflag = 0;
	t.c_oflag = 0;
	OK(maestro_ioctl(k, slave, TCSETS, &t));
	ck_assert_int_eq(maestro_write(k, master, "x\r", 2), 2);
	ck_assert_int_eq(maestro_read(k, slave, buf, 100), 2);
	ck_assert(!memcmp(buf, "x\r", 2));
	OK(maestro_ioctl(k, master, TIOCSWINSZ, &ws));
	OK(maestro_ioctl(k, slave, TIOCGWINSZ, &got));
	ck_assert(got.ws_row == 50 && got.ws_col == 132);
	p = (struct pollfd){ .fd = slave, .events = POLLIN | POLLOUT };
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert_int_eq(p.revents, POLLOUT);
	/* The master goes: the slave hangs up, and its name is gone. */
	OK(maestro_close(k, master));
	ck_assert_int_eq(maestro_read(k, slave, buf, 100), 0);
	FAILS(maestro_write(k, slave, "x", 1), EIO);
	ck_assert_int_eq(maestro_poll(k, &p, 1, 0), 1);
	ck_assert(p.revents & POLLHUP);
	FAILS(maestro_open(k, name, O_RDWR | O_NOCTTY), ENOENT);
	unit_end(k);
}
END_TEST

START_TEST(slave_goes)
{
	int master, slave, locked = 0;

	with_ptys(NULL);
	master = opened("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK);
	OK(maestro_ioctl(k, master, TIOCSPTLCK, &locked));
	slave = (int)maestro_ioctl(k, master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	OK(slave);
	ck_assert_int_eq(maestro_write(k, slave, "bye", 3), 3);
	OK(maestro_close(k, slave));
	ck_assert_int_eq(maestro_read(k, master, buf, 100), 3); /* what was written comes first */
	FAILS(maestro_read(k, master, buf, 100), EIO);
	slave = opened("/dev/pts/0", O_RDWR | O_NOCTTY);
	FAILS(maestro_read(k, master, buf, 100), EAGAIN); /* it is back */
	unit_end(k);
}
END_TEST

START_TEST(folder_of_slaves)
{
	struct stat st;
	struct statfs sf;
	int fd[3], dir, names = 0;
	long n;

	with_ptys("mode=620,gid=5,ptmxmode=666,max=3");
	for (unsigned i = 0; i < 3; i++)
		fd[i] = opened("/dev/ptmx", O_RDWR | O_NOCTTY);
	FAILS(maestro_open(k, "/dev/ptmx", O_RDWR | O_NOCTTY), ENOSPC);
	OK(maestro_stat(k, "/dev/pts/1", &st));
	ck_assert(S_ISCHR(st.st_mode) && (st.st_mode & 07777) == 0620 && st.st_gid == 5 && st.st_rdev == makedev(136, 1));
	OK(maestro_stat(k, "/dev/pts/ptmx", &st));
	ck_assert_int_eq(st.st_mode & 07777, 0666);
	OK(maestro_chown(k, "/dev/pts/1", 1000, 7));
	OK(maestro_chmod(k, "/dev/pts/1", 0600));
	OK(maestro_stat(k, "/dev/pts/1", &st));
	ck_assert(st.st_uid == 1000 && st.st_gid == 7 && (st.st_mode & 07777) == 0600);
	OK(maestro_close(k, fd[1]));
	FAILS(maestro_stat(k, "/dev/pts/1", &st), ENOENT);
	dir = opened("/dev/pts", O_RDONLY | O_DIRECTORY);
	while ((n = maestro_getdents64(k, dir, buf, 100)) > 0)
		for (long at = 0; at < n; at += *(unsigned short *)(buf + at + 16))
			names++;
	OK(n);
	ck_assert_int_eq(names, 5); /* . .. ptmx 0 2 */
	fd[1] = opened("/dev/ptmx", O_RDWR | O_NOCTTY); /* the lowest that is free, and as new */
	OK(maestro_stat(k, "/dev/pts/1", &st));
	ck_assert(st.st_gid == 5 && st.st_uid == 0);
	FAILS(maestro_stat(k, "/dev/pts/7", &st), ENOENT);
	FAILS(maestro_stat(k, "/dev/pts/01", &st), ENOENT);
	FAILS(maestro_unlink(k, "/dev/pts/1"), EPERM);
	FAILS(maestro_open(k, "/dev/pts/new", O_CREAT | O_RDWR, 0644), EACCES);
	OK(maestro_statfs(k, "/dev/pts", &sf));
	ck_assert_int_eq(sf.f_type, 0x1cd1);
	OK(maestro_mount(k, NULL, "/dev/pts", NULL, MS_REMOUNT, "mode=600"));
	FAILS(maestro_mount(k, NULL, "/dev/pts", NULL, MS_REMOUNT, "mode=x"), EINVAL);
	unit_end(k);
}
END_TEST

Suite *suite_devices(void)
{
	Suite *s = suite_create("devices");
	TCase *t = tcase_create("memory, log, terminals");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, of_memory);
	tcase_add_test(t, kernel_log);
	tcase_add_test(t, pty_pair);
	tcase_add_test(t, slave_goes);
	tcase_add_test(t, folder_of_slaves);
	suite_add_tcase(s, t);
	return s;
}
