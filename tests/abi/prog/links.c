// SPDX-License-Identifier: MIT
/* link, unlink, symlink, readlink, rename and their rules. */
#include "../abi.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static long links(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 ? -errno : (long)st.st_nlink;
}

static const char *content(const char *path)
{
	static char buf[32];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	close(fd);
	buf[n < 0 ? 0 : n] = 0;
	return n < 0 ? abi_errno(errno) : buf;
}

int main(void)
{
	char buf[300], target[5000];
	struct stat st;
	int fd, n;

	abi_file("a", "A", 0644);
	abi_file("b", "B", 0644);
	mkdir("d", 0755);
	mkdir("e", 0755);
	CALL("link", link("a", "a2"));
	NUM("nlink", links("a"));
	CALL("link exists", link("a", "b"));
	CALL("link missing", link("none", "x"));
	CALL("link dir", link("d", "x"));
	CALL("link slash", link("a", "x/"));
	CALL("link into missing", link("a", "no/x"));
	CALL("link to dir", link("a", "d"));
	CALL("symlink", symlink("a", "s"));
	CALL("link to symlink", link("s", "s2"));
	lstat("s2", &st);
	HEX("is a link", st.st_mode & S_IFMT);
	CALL("linkat follow", linkat(AT_FDCWD, "s", AT_FDCWD, "s3", AT_SYMLINK_FOLLOW));
	NUM("nlink 3", links("a"));
	CALL("linkat bad flag", linkat(AT_FDCWD, "a", AT_FDCWD, "x", 0x4));
	fd = open("a", O_RDONLY);
	CALL("linkat empty path", linkat(fd, "", AT_FDCWD, "ep", AT_EMPTY_PATH));
	close(fd);
	CALL("unlink", unlink("a2"));
	CALL("unlink missing", unlink("a2"));
	CALL("unlink dir", unlink("d"));
	CALL("unlink slash", unlink("a/"));
	CALL("unlink dot", unlink("."));
	CALL("unlinkat dir", unlinkat(AT_FDCWD, "e", AT_REMOVEDIR));
	CALL("unlinkat bad flag", unlinkat(AT_FDCWD, "a", 1));
	mkdir("e", 0755);
	/* An open file lives after its last name. */
	abi_file("ghost", "boo", 0644);
	fd = open("ghost", O_RDWR);
	CALL("unlink open", unlink("ghost"));
	fstat(fd, &st);
	NUM("ghost nlink", st.st_nlink);
	CALL("ghost read", read(fd, buf, 10));
	CALL("ghost write", write(fd, "more", 4));
	fstat(fd, &st);
	NUM("ghost size", st.st_size);
	CALL("ghost link", linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH));
	close(fd);
	CALL("readlink", n = readlink("s", buf, sizeof(buf)));
	BYTES("readlink bytes", buf, n);
	CALL("readlink short", readlink("readlink-none", buf, 3));
	CALL("readlink file", readlink("a", buf, sizeof(buf)));
	CALL("readlink zero", readlink("s", buf, 0));
	CALL("readlink dir", readlink("d", buf, sizeof(buf)));
	lstat("s", &st);
	HEX("symlink mode", st.st_mode);
	NUM("symlink size", st.st_size);
	CALL("symlink empty", symlink("", "x"));
	CALL("symlink exists", symlink("q", "a"));
	CALL("symlink slash", symlink("q", "newlink/"));
	memset(target, 't', sizeof(target));
	target[59] = 0;
	CALL("symlink 59", symlink(target, "fast"));
	CALL("readlink 59", readlink("fast", target, sizeof(target)));
	memset(target, 'u', sizeof(target));
	target[60] = 0;
	CALL("symlink 60", symlink(target, "slow"));
	CALL("readlink 60", readlink("slow", target, sizeof(target)));
	CALL("readlink 60 cut", readlink("slow", target, 10));
	memset(target, 'v', sizeof(target));
	target[4095] = 0;
	CALL("symlink 4095", symlink(target, "longest"));
	target[4095] = 'v';
	target[4096] = 0;
	CALL("symlink 4096", symlink(target, "toolong"));
	/* Chains: 40 links are followed, 41 are not. */
	abi_file("c0", "chain", 0644);
	for (int i = 1; i <= 41; i++) {
		char from[16], to[16];
		snprintf(from, sizeof(from), "c%d", i - 1);
		snprintf(to, sizeof(to), "c%d", i);
		symlink(from, to);
	}
	CALL("chain 40", stat("c40", &st));
	CALL("chain 41", stat("c41", &st));
	symlink("y", "x1");
	symlink("x1", "y");
	CALL("loop stat", stat("x1", &st));
	CALL("loop lstat", lstat("x1", &st));
	CALL("loop inside", stat("x1/z", &st));
	symlink("d/", "dl");
	CALL("through dir link", lstat("dl/.", &st));
	symlink("a/", "al");
	CALL("file link with slash", stat("al", &st));
	/* rename */
	CALL("rename", rename("a", "r"));
	STR("renamed", content("r"));
	STR("old gone", content("a"));
	CALL("rename over", rename("r", "b"));
	STR("over", content("b"));
	CALL("rename missing", rename("none", "x"));
	CALL("rename same", rename("b", "b"));
	link("b", "b2");
	CALL("rename same inode", rename("b", "b2"));
	CALL("both stay", access("b", F_OK) | access("b2", F_OK));
	CALL("file onto dir", rename("b", "d"));
	CALL("dir onto file", rename("d", "b"));
	CALL("dir onto empty dir", rename("d", "e"));
	mkdir("d", 0755);
	abi_file("d/f", "f", 0644);
	CALL("dir onto full dir", rename("e", "d"));
	CALL("dir into itself", rename("d", "d/x"));
	CALL("dir onto parent", (mkdir("d/s", 0755), rename("d/s", "d")));
	CALL("rename dot", rename(".", "x"));
	CALL("rename d/.", rename("d/.", "x"));
	CALL("rename to dot", rename("d", "."));
	CALL("rename dotdot", rename("d/..", "x"));
	CALL("rename file slash", rename("b", "x/"));
	CALL("rename file/", rename("b/", "x"));
	CALL("rename dir slash", rename("d/", "dd/"));
	NUM("dd links", links("dd"));
	mkdir("p", 0755);
	NUM("p links", links("p"));
	CALL("move dir", rename("dd/s", "p/s"));
	NUM("p links after", links("p"));
	NUM("dd links after", links("dd"));
	CALL("moved dotdot", stat("p/s/../../b", &st));
	CALL("into missing", rename("b", "no/x"));
	CALL("rename symlink", rename("s2", "s9"));
	lstat("s9", &st);
	HEX("stays a link", st.st_mode & S_IFMT);
	CALL("noreplace", syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "b2", RENAME_NOREPLACE));
	CALL("noreplace new", syscall(SYS_renameat2, AT_FDCWD, "b", AT_FDCWD, "b3", RENAME_NOREPLACE));
	abi_file("x1f", "one", 0644);
	abi_file("x2f", "two", 0644);
	CALL("exchange", syscall(SYS_renameat2, AT_FDCWD, "x1f", AT_FDCWD, "x2f", RENAME_EXCHANGE));
	STR("exchanged", content("x1f"));
	CALL("exchange missing", syscall(SYS_renameat2, AT_FDCWD, "x1f", AT_FDCWD, "none", RENAME_EXCHANGE));
	CALL("bad flags", syscall(SYS_renameat2, AT_FDCWD, "x1f", AT_FDCWD, "x2f", 3));
	CALL("across file systems", rename("x1f", "/proc/x"));
	CALL("link across", link("x1f", "/dev/x"));
	CALL("open renamed", (fd = open("x1f", O_RDONLY), rename("x1f", "x3f")));
	CALL("still reads", read(fd, buf, 10));
	/* Permission: sticky directories and read-only parents. */
	mkdir("sticky", 01777);
	chmod("sticky", 01777);
	abi_file("sticky/root", "r", 0666);
	mkdir("shut", 0755);
	abi_file("shut/f", "r", 0666);
	chmod(".", 0755);
	CHILD("unprivileged",
		setgid(1000); setuid(1000);
		CALL("unlink in sticky", unlink("sticky/root"));
		CALL("rename in sticky", rename("sticky/root", "sticky/mine"));
		CALL("unlink in shut", unlink("shut/f"));
		CALL("mkdir in shut", mkdir("shut/d", 0755));
		CALL("symlink in shut", symlink("x", "shut/d"));
		CALL("rename from shut", rename("shut/f", "sticky/f"));
		CALL("own file", open("sticky/own", O_CREAT | O_WRONLY, 0644) >= 0);
		CALL("unlink own", unlink("sticky/own"));
	);
	return 0;
}
