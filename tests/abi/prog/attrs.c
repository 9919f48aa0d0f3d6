// SPDX-License-Identifier: MIT
/* stat and statx fields, chmod, chown, umask, times, access, and the *at forms. */
#include "../abi.h"
#include <sys/statfs.h>
#include <grp.h>
#include <utime.h>

#define setgroups_none() setgroups(0, NULL)

static void show(const char *name, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		abi_line(name, "%s", abi_errno(errno));
	else
		abi_line(name, "mode %o links %lu uid %u gid %u size %lld", st.st_mode,
			 (unsigned long)st.st_nlink, st.st_uid, st.st_gid, (long long)st.st_size);
}

static void times(const char *name, const char *path)
{
	struct stat st;

	stat(path, &st);
	abi_line(name, "a %lld.%09ld m %lld.%09ld", (long long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
		 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void test_stat(void)
{
	struct stat st;
	struct statx sx;
	struct statfs sf;

	abi_file("f", "12345", 0644);
	show("stat file", "f");
	stat("f", &st);
	NUM("blksize", st.st_blksize);
	YES("blocks", st.st_blocks > 0 && st.st_blocks <= 8);
	NUM("rdev", st.st_rdev);
	YES("ino", st.st_ino > 0);
	CALL("stat missing", stat("none", &st));
	CALL("stat not dir", stat("f/x", &st));
	CALL("stat empty", stat("", &st));
	CALL("fstat bad", fstat(99, &st));
	stat("/dev/null", &st);
	HEX("null mode", st.st_mode);
	HEX("null rdev", st.st_rdev);
	CALL("statx", statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &sx));
	HEX("statx mask", sx.stx_mask & STATX_BASIC_STATS);
	HEX("statx mode", sx.stx_mode);
	NUM("statx size", sx.stx_size);
	NUM("statx links", sx.stx_nlink);
	NUM("statx blksize", sx.stx_blksize);
	CALL("statx both sync", statx(AT_FDCWD, "f", AT_STATX_SYNC_TYPE, STATX_ALL, &sx));
	CALL("statx bad mask", statx(AT_FDCWD, "f", 0, 0x80000000u, &sx));
	CALL("statx bad flag", statx(AT_FDCWD, "f", 0x4, STATX_ALL, &sx));
	CALL("statx empty", statx(0, "", AT_EMPTY_PATH, STATX_ALL, &sx));
	CALL("statfs", statfs(".", &sf));
	YES("statfs sane", sf.f_bsize == 4096 && sf.f_blocks > sf.f_bfree && sf.f_namelen == 255);
	CALL("statfs proc", statfs("/proc", &sf));
	HEX("proc type", sf.f_type);
	statfs("/tmp", &sf);
	HEX("tmpfs type", sf.f_type);
	CALL("fstatfs bad", fstatfs(99, &sf));
	CALL("fstatat bad flag", fstatat(AT_FDCWD, "f", &st, 0x8));
	CALL("fstatat empty", fstatat(AT_FDCWD, "", &st, AT_EMPTY_PATH));
	HEX("is dir", st.st_mode & S_IFMT);
}

/* What is left of set-id bits when somebody else, of group 1000, changes the contents. */
static void change_of_another(int how, mode_t mode, gid_t gid)
{
	static const char *const ways[] = {"write", "truncate", "ftruncate", "O_TRUNC", "fallocate", "O_RDWR"};

	unlink("cs");
	abi_file("cs", "12345", 0644);
	chown("cs", 0, gid);
	chmod("cs", mode);
	CHILD(ways[how], setgroups_none(); setgid(1000); setuid(1001);
		int fd = open("cs", how == 3 ? O_RDWR | O_TRUNC : O_RDWR);
		NUM("done", how == 0 ? write(fd, "x", 1) : how == 1 ? truncate("cs", 2) : how == 2 ? ftruncate(fd, 2) : how == 4 ? fallocate(fd, 0, 0, 10000) : 0));
	show("set-id bits", "cs");
}

static void test_mode(void)
{
	int fd = open("f", O_RDWR);

	CALL("chmod", chmod("f", 06755));
	show("chmod shows", "f");
	CALL("fchmod", fchmod(fd, 0600));
	show("fchmod shows", "f");
	CALL("chmod missing", chmod("none", 0));
	CALL("fchmodat", fchmodat(AT_FDCWD, "f", 0640, 0));
	CALL("fchmod bad", fchmod(99, 0));
	CALL("chmod high bits", chmod("f", 0170644));
	show("high bits gone", "f");
	CALL("chown", chown("f", 10, 20));
	show("chown shows", "f");
	CALL("chown -1", chown("f", -1, 21));
	show("chown -1 shows", "f");
	chmod("f", 06777);
	CALL("chown clears set-id", chown("f", 11, -1));
	show("cleared", "f");
	chmod("f", 02767);
	chown("f", 12, -1);
	show("setgid without group x", "f");
	chmod("f", 06777);
	write(fd, "x", 1);
	show("root write keeps set-id", "f");
	CALL("lchown link", (symlink("f", "l"), lchown("l", 5, 6)));
	show("link owner", "l");
	show("target owner", "f");
	CALL("fchown", fchown(fd, 1000, 1000));
	CALL("fchownat bad flag", fchownat(AT_FDCWD, "f", 0, 0, 0x4));
	CALL("fchownat empty", fchownat(fd, "", 1000, 1000, AT_EMPTY_PATH));
	chmod("f", 06777);
	chmod(".", 0777);
	CHILD("user",
		setgroups_none();
		setgid(1000); setuid(1000);
		write(fd, "x", 1);
		show("user write clears set-id", "f");
		CALL("own chmod", chmod("f", 0604));
		CALL("chown away", chown("f", 0, -1));
		CALL("chgrp foreign", chown("f", -1, 7));
		CALL("chgrp own", chown("f", -1, 1000));
		CALL("chmod foreign", chmod("/abi/list", 0777));
		close(open("u", O_CREAT | O_WRONLY, 0666));
		show("created by user", "u");
		CALL("setgid foreign group", (chmod("u", 02755)));
		show("setgid kept", "u");
	);
	close(fd);
	mkdir("sg", 0755);
	chown("sg", 0, 50);
	for (int how = 0; how < 6; how++) {
		static const mode_t modes[] = {06777, 02767, 04767, 06767};

		for (unsigned m = 0; m < 4; m++) {
			change_of_another(how, modes[m], 1000);
			change_of_another(how, modes[m], 2000);
		}
	}
	chmod("sg", 02755);
	abi_file("sg/f", "", 0644);
	mkdir("sg/d", 0755);
	show("group inherited", "sg/f");
	show("setgid inherited", "sg/d");
	NUM("umask", umask(077));
	abi_file("masked", "", 0666);
	show("masked", "masked");
	mkdir("maskeddir", 0777);
	show("maskeddir", "maskeddir");
	NUM("umask high", umask(07777));
	NUM("umask kept", umask(022));
	CALL("mknod fifo", mknod("fifo", S_IFIFO | 0666, 0));
	show("fifo", "fifo");
	CALL("mknod reg", mknod("reg", S_IFREG | 0600, 0));
	CALL("mknod 0 type", mknod("reg0", 0600, 0));
	show("0 type", "reg0");
	CALL("mknod dir", mknod("dir", S_IFDIR | 0600, 0));
	CALL("mknod sock", mknod("sock", S_IFSOCK | 0600, 0));
	CALL("mknod chr", mknod("chr", S_IFCHR | 0600, makedev(1, 5)));
	CALL("mknod exists", mknod("chr", S_IFCHR | 0600, makedev(1, 5)));
	CALL("mknod bad type", mknod("bad", 0xd000 | 0600, 0));
	struct stat st;
	stat("chr", &st);
	HEX("chr rdev", st.st_rdev);
	mknod("wide", S_IFCHR | 0600, makedev(300, 70000));
	stat("wide", &st);
	HEX("wide rdev", st.st_rdev);
	CALL("open no driver", open("wide", O_RDONLY));
	CALL("open socket", open("sock", O_RDONLY));
	char c = 1;
	int z = open("chr", O_RDONLY);
	CALL("chr works", read(z, &c, 1));
	CHILD("mknod user", setuid(1000); CALL("mknod chr user", mknod("uchr", S_IFCHR, makedev(1, 3)));
		CALL("mkfifo user", mkfifo("ufifo", 0600)));
}

static void test_times(void)
{
	struct timespec ts[2] = { { 1000000000, 123456789 }, { 1100000000, 987654321 } };
	struct stat st, st2;
	int fd;

	abi_file("t", "t", 0644);
	CALL("utimensat", utimensat(AT_FDCWD, "t", ts, 0));
	stat("t", &st);
	abi_line("times", "a %lld m %lld", (long long)st.st_atime, (long long)st.st_mtime);
	ts[0].tv_nsec = UTIME_OMIT;
	ts[1] = (struct timespec) { 5, 0 };
	CALL("omit", utimensat(AT_FDCWD, "t", ts, 0));
	times("omitted", "t");
	ts[0].tv_nsec = UTIME_NOW;
	ts[1].tv_nsec = UTIME_OMIT;
	CALL("now", utimensat(AT_FDCWD, "t", ts, 0));
	stat("t", &st);
	YES("now is now", labs((long)(st.st_atime - time(NULL))) < 3);
	NUM("m kept", st.st_mtime);
	ts[0].tv_nsec = 1000000000;
	CALL("bad nsec", utimensat(AT_FDCWD, "t", ts, 0));
	ts[0].tv_nsec = -1;
	CALL("negative nsec", utimensat(AT_FDCWD, "t", ts, 0));
	CALL("missing", utimensat(AT_FDCWD, "none", NULL, 0));
	CALL("null times", utimensat(AT_FDCWD, "t", NULL, 0));
	CALL("bad flag", utimensat(AT_FDCWD, "t", NULL, 4));
	fd = open("t", O_RDONLY);
	ts[0] = ts[1] = (struct timespec) { 7, 0 };
	CALL("futimens", futimens(fd, ts));
	times("futimens shows", "t");
	CALL("utimes", utimes("t", (struct timeval[2]) { { 9, 0 }, { 10, 0 } }));
	times("utimes shows", "t");
	CALL("utime", utime("t", &(struct utimbuf) { 11, 12 }));
	times("utime shows", "t");
	symlink("t", "tl");
	CALL("nofollow", utimensat(AT_FDCWD, "tl", ts, AT_SYMLINK_NOFOLLOW));
	times("target untouched", "t");
	ts[0] = ts[1] = (struct timespec) { -100, 0 };
	CALL("before 1970", utimensat(AT_FDCWD, "t", ts, 0));
	times("before 1970 shows", "t");
	/* What moves which time. */
	ts[0] = ts[1] = (struct timespec) { 100, 0 };
	utimensat(AT_FDCWD, "t", ts, 0);
	fd = open("t", O_RDWR);
	char c;
	stat("t", &st);
	read(fd, &c, 1);
	write(fd, "x", 1);
	stat("t", &st2);
	YES("write moves m", st2.st_mtime != 100);
	mkdir("td", 0755);
	utimensat(AT_FDCWD, "td", ts, 0);
	abi_file("td/f", "", 0644);
	stat("td", &st);
	YES("create moves dir m", st.st_mtime != 100);
	utimensat(AT_FDCWD, "td", ts, 0);
	unlink("td/f");
	stat("td", &st);
	YES("unlink moves dir m", st.st_mtime != 100);
	utimensat(AT_FDCWD, "t", ts, 0);
	chmod("t", 0600);
	stat("t", &st);
	YES("chmod keeps m", st.st_mtime == 100);
	YES("chmod moves c", st.st_ctime != 100);
	truncate("t", 2);
	stat("t", &st);
	YES("truncate same size moves m", st.st_mtime != 100);
	utimensat(AT_FDCWD, "t", ts, 0);
	rename("t", "t2");
	stat("t2", &st);
	YES("rename keeps m", st.st_mtime == 100);
	chmod("t2", 0666);
	CHILD("user times", setuid(1000);
		CALL("touch writable", utimensat(AT_FDCWD, "t2", NULL, 0));
		CALL("set foreign", utimensat(AT_FDCWD, "t2", ts, 0)));
	chmod("t2", 0644);
	CHILD("user times 2", setuid(1000); CALL("touch unwritable", utimensat(AT_FDCWD, "t2", NULL, 0)));
}

static void test_access(void)
{
	abi_file("x0", "", 0000);
	abi_file("x4", "", 0644);
	abi_file("x7", "", 0755);
	mkdir("closed", 0700);
	abi_file("closed/f", "", 0644);
	CALL("F_OK", access("x4", F_OK));
	CALL("missing", access("nope", F_OK));
	CALL("bad mode", access("x4", 8));
	CALL("root R 000", access("x0", R_OK | W_OK));
	CALL("root X 000", access("x0", X_OK));
	CALL("root X 644", access("x4", X_OK));
	CALL("root X 755", access("x7", X_OK));
	CALL("dir X", access("closed", X_OK));
	CALL("faccessat2 bad flag", syscall(SYS_faccessat2, AT_FDCWD, "x4", F_OK, 0x4));
	CALL("faccessat2 eaccess", syscall(SYS_faccessat2, AT_FDCWD, "x4", W_OK, AT_EACCESS));
	symlink("nowhere", "dang");
	CALL("dangling", access("dang", F_OK));
	CALL("dangling nofollow", syscall(SYS_faccessat2, AT_FDCWD, "dang", F_OK, AT_SYMLINK_NOFOLLOW));
	CHILD("user access",
		setgroups_none();
		setresgid(1000, 1000, 1000); setresuid(1000, 1000, 1000);
		CALL("user R 644", access("x4", R_OK));
		CALL("user W 644", access("x4", W_OK));
		CALL("user R 000", access("x0", R_OK));
		CALL("user in closed", access("closed/f", F_OK));
		CALL("user open 000", open("x0", O_RDONLY));
		CALL("user open W 644", open("x4", O_WRONLY));
		CALL("user open closed", open("closed/f", O_RDONLY));
		CALL("user chdir closed", chdir("closed"));
		CALL("user exec 644", execl("x4", "x4", NULL)));
	CHILD("real against effective",
		setresuid(1000, 0, 0);
		CALL("access uses real", access("x0", R_OK));
		CALL("eaccess uses effective", syscall(SYS_faccessat2, AT_FDCWD, "x0", R_OK, AT_EACCESS)));
}

static void test_at(void)
{
	int d, f;
	struct stat st;

	mkdir("base", 0755);
	abi_file("base/f", "x", 0644);
	d = open("base", O_RDONLY);
	f = open("base/f", O_RDONLY);
	CALL("openat", f = openat(d, "f", O_RDONLY));
	CALL("openat bad fd", openat(99, "f", O_RDONLY));
	CALL("openat bad fd absolute", openat(99, "/dev/null", O_RDONLY) >= 0);
	CALL("openat file fd", openat(f, "f", O_RDONLY));
	CALL("openat creat", openat(d, "g", O_CREAT | O_WRONLY, 0644) >= 0);
	CALL("mkdirat", mkdirat(d, "sub", 0755));
	CALL("fstatat", fstatat(d, "sub", &st, 0));
	CALL("symlinkat", symlinkat("g", d, "sl"));
	char b[10];
	CALL("readlinkat", readlinkat(d, "sl", b, 10));
	int l = openat(d, "sl", O_PATH | O_NOFOLLOW);
	CALL("readlinkat empty", readlinkat(l, "", b, 10));
	CALL("linkat", linkat(d, "g", d, "h", 0));
	CALL("renameat", renameat(d, "h", AT_FDCWD, "moved"));
	CALL("unlinkat", unlinkat(d, "g", 0));
	CALL("unlinkat dir no flag", unlinkat(d, "sub", 0));
	CALL("unlinkat dir", unlinkat(d, "sub", AT_REMOVEDIR));
	CALL("mknodat", mknodat(d, "ff", S_IFIFO | 0600, 0));
	CALL("fchmodat", fchmodat(d, "f", 0600, 0));
	CALL("fchownat nofollow", fchownat(d, "sl", 3, 3, AT_SYMLINK_NOFOLLOW));
	CALL("faccessat", faccessat(d, "f", R_OK, 0));
	struct { uint64_t flags, mode, resolve; } how = { O_RDONLY, 0, 0 };
	CALL("openat2", syscall(SYS_openat2, d, "f", &how, sizeof(how)) >= 0);
	how.resolve = 8;	/* RESOLVE_BENEATH */
	CALL("openat2 beneath", syscall(SYS_openat2, d, "../x4", &how, sizeof(how)));
	how.resolve = 4;	/* RESOLVE_NO_SYMLINKS */
	CALL("openat2 no symlinks", syscall(SYS_openat2, d, "sl", &how, sizeof(how)));
	CALL("openat2 size", syscall(SYS_openat2, d, "f", &how, 8));
	how.resolve = 0; how.flags = 1u << 30;
	CALL("openat2 unknown flag", syscall(SYS_openat2, d, "f", &how, sizeof(how)));
}

int main(void)
{
	test_stat();
	test_mode();
	test_times();
	test_access();
	test_at();
	return 0;
}
