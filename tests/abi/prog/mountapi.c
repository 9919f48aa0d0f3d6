// SPDX-License-Identifier: MIT
/* fsopen, fsconfig, fsmount, fspick, open_tree, move_mount, mount_setattr: steps, order, errors, and what is seen after them. */
#include "../abi.h"

enum { SET_FLAG, SET_STRING, SET_BINARY, SET_PATH, SET_PATH_EMPTY, SET_FD, CREATE, RECONFIGURE };
enum { CLONE = 1, RECURSIVE = 0x8000, F_EMPTY = 4, T_EMPTY = 0x40, SET_GROUP = 0x100 };

struct attr { uint64_t set, clr, propagation, userns; };

static int s_fsopen(const char *type, unsigned flags) { return (int)syscall(SYS_fsopen, type, flags); }
static int s_fsconfig(int fd, unsigned cmd, const char *key, const void *value, int aux) { return (int)syscall(SYS_fsconfig, fd, cmd, key, value, aux); }
static int s_fsmount(int fd, unsigned flags, unsigned attr) { return (int)syscall(SYS_fsmount, fd, flags, attr); }
static int s_fspick(int fd, const char *path, unsigned flags) { return (int)syscall(SYS_fspick, fd, path, flags); }
static int s_open_tree(int fd, const char *path, unsigned flags) { return (int)syscall(SYS_open_tree, fd, path, flags); }
static int s_move(int from, const char *f, int to, const char *t, unsigned flags) { return (int)syscall(SYS_move_mount, from, f, to, t, flags); }
static int s_setattr(int fd, const char *path, unsigned flags, const void *a, size_t n) { return (int)syscall(SYS_mount_setattr, fd, path, flags, a, n); }

/* The line of mountinfo of what ends so, without numbers: options and type. */
static void show(const char *name, const char *end)
{
	char line[1024], where[256], opts[256], rest[512], out[600] = "not there";
	FILE *f = fopen("/proc/self/mountinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		size_t n;

		if (sscanf(line, "%*d %*d %*s %*s %255s %255s", where, opts) != 2)
			continue;
		n = strlen(where);
		if (n < strlen(end) || strcmp(where + n - strlen(end), end))
			continue;
		char *dash = strstr(line, " - ");
		rest[0] = 0;
		if (dash)
			sscanf(dash, " - %511s", rest);
		snprintf(out, sizeof(out), "%s %s%s%s", opts, strstr(line, "shared:") ? "shared " : "", strstr(line, "unbindable") ? "unbindable " : "", rest);
	}
	if (f)
		fclose(f);
	STR(name, out);
}

static void messages(const char *name, int fd)
{
	char text[256];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n < 0) {
		FAILED(name);
		return;
	}
	text[n] = 0;
	STR(name, text);
}

static void contexts(void)
{
	int c, m, fd;
	char small[2];

	CALL("fsopen flag", s_fsopen("tmpfs", 2));
	CALL("fsopen none", s_fsopen("nosuchfs", 0));
	CALL("fsopen null", s_fsopen(NULL, 0));
	CALL("fsopen bad pointer", s_fsopen((char *)16, 0));
	DOES("fsopen", c = s_fsopen("tmpfs", 1));
	NUM("cloexec", fcntl(c, F_GETFD));
	HEX("mode", fcntl(c, F_GETFL) & O_ACCMODE);
	messages("nothing to say", c);
	CALL("write", write(c, "x", 1));
	CALL("fsmount early", s_fsmount(c, 0, 0));
	CALL("fsconfig fd -1", s_fsconfig(-1, SET_FLAG, "ro", NULL, 0));
	CALL("fsconfig fd 99", s_fsconfig(99, SET_FLAG, "ro", NULL, 0));
	CALL("fsconfig other fd", s_fsconfig(1, SET_FLAG, "ro", NULL, 0));
	CALL("cmd", s_fsconfig(c, 99, NULL, NULL, 0));
	CALL("flag with value", s_fsconfig(c, SET_FLAG, "ro", "x", 0));
	CALL("flag without key", s_fsconfig(c, SET_FLAG, NULL, NULL, 0));
	CALL("flag with aux", s_fsconfig(c, SET_FLAG, "ro", NULL, 1));
	CALL("string without value", s_fsconfig(c, SET_STRING, "size", NULL, 0));
	CALL("create with key", s_fsconfig(c, CREATE, "k", NULL, 0));
	CALL("unknown flag", s_fsconfig(c, SET_FLAG, "nonsense", NULL, 0));
	CALL("small buffer", read(c, small, 2));
	messages("unknown flag said", c);
	messages("no more", c);
	CALL("bad value", s_fsconfig(c, SET_STRING, "size", "many", 0));
	messages("bad value said", c);
	CALL("size", s_fsconfig(c, SET_STRING, "size", "1m", 0));
	CALL("mode", s_fsconfig(c, SET_STRING, "mode", "0700", 0));
	CALL("source", s_fsconfig(c, SET_STRING, "source", "here", 0));
	CALL("source again", s_fsconfig(c, SET_STRING, "source", "there", 0));
	messages("source again said", c);
	CALL("source flag", s_fsconfig(c, SET_FLAG, "source", NULL, 0));
	messages("source flag said", c);
	CALL("bad key pointer", s_fsconfig(c, SET_FLAG, (char *)16, NULL, 0));
	CALL("bad value pointer", s_fsconfig(c, SET_STRING, "size", (char *)16, 0));
	char *big = malloc(400);
	memset(big, 'a', 399);
	big[399] = 0;
	CALL("long key", s_fsconfig(c, SET_FLAG, big, NULL, 0));
	CALL("long value", s_fsconfig(c, SET_STRING, "size", big, 0));
	CALL("reconfigure", s_fsconfig(c, RECONFIGURE, NULL, NULL, 0));
	CALL("create", s_fsconfig(c, CREATE, NULL, NULL, 0));
	CALL("create again", s_fsconfig(c, CREATE, NULL, NULL, 0));
	CALL("late param", s_fsconfig(c, SET_STRING, "size", "2m", 0));
	CALL("fsmount flag", s_fsmount(c, 2, 0));
	CALL("fsmount attr", s_fsmount(c, 0, 0x100));
	CALL("fsmount atime", s_fsmount(c, 0, 0x30));
	CALL("fsmount fd", s_fsmount(99, 0, 0));
	CALL("fsmount other fd", s_fsmount(1, 0, 0));
	DOES("fsmount", m = s_fsmount(c, 1, 2 | 4 | 0x10));
	HEX("fl", fcntl(m, F_GETFL) & ~O_LARGEFILE);
	NUM("fd", fcntl(m, F_GETFD));
	CALL("fsmount again", s_fsmount(c, 0, 0));
	CALL("create in it", (fd = openat(m, "f", O_CREAT | O_RDWR, 0644)) >= 0);
	close(fd);
	CALL("not umountable", (fchdir(m), umount2(".", 0)));
	CALL("no mount in it", (mkdir("sub", 0755), mount("none", "sub", "tmpfs", 0, NULL)));
	CALL("no bind from it", mount(".", "/proc", NULL, MS_BIND, NULL));
	CALL("back", chdir("/tmp/mountapi"));
	CALL("move flag", s_move(m, "", AT_FDCWD, "m", F_EMPTY | 0x800));
	CALL("move not empty", s_move(m, "", AT_FDCWD, "m", 0));
	CALL("move to file", s_move(m, "", AT_FDCWD, "file", F_EMPTY));
	CALL("move to none", s_move(m, "", AT_FDCWD, "none", F_EMPTY));
	CALL("move of sub", s_move(m, "sub", AT_FDCWD, "m", 0));
	show("before", "/mountapi/m");
	CALL("move", s_move(m, "", AT_FDCWD, "m", F_EMPTY));
	show("after", "/mountapi/m");
	CALL("same file", access("m/f", F_OK));
	CALL("move again", s_move(m, "", AT_FDCWD, "n", F_EMPTY));
	show("moved on", "/mountapi/n");
	CALL("busy", umount("n"));
	close(m);
	CALL("reconfigure sets", s_fsconfig(c, SET_FLAG, "ro", NULL, 0));
	CALL("reconfigure late", s_fsconfig(c, RECONFIGURE, NULL, NULL, 0));
	CALL("is ro", open("n/g", O_CREAT | O_RDWR, 0644));
	CALL("umount", umount("n"));
	close(c);
	c = s_fsopen("tmpfs", 0);
	s_fsconfig(c, CREATE, NULL, NULL, 0);
	m = s_fsmount(c, 0, 0x20);
	CALL("closed unseen", (close(m), close(c)));
}

static void devices(void)
{
	int c;

	c = s_fsopen("ext2", 0);
	CALL("ext2 without source", s_fsconfig(c, CREATE, NULL, NULL, 0));
	CALL("after failure", s_fsconfig(c, SET_FLAG, "ro", NULL, 0));
	CALL("create after failure", s_fsconfig(c, CREATE, NULL, NULL, 0));
	CALL("mount after failure", s_fsmount(c, 0, 0));
	close(c);
	c = s_fsopen("ext2", 0);
	CALL("binary", s_fsconfig(c, SET_BINARY, "k", "v", 1));
	CALL("path", s_fsconfig(c, SET_PATH, "source", "/dev/null", AT_FDCWD));
	CALL("fd", s_fsconfig(c, SET_FD, "fd", NULL, 0));
	CALL("fd -2", s_fsconfig(c, SET_FD, "fd", NULL, -2));
	CALL("comma", s_fsconfig(c, SET_STRING, "a", "b,c", 0));
	CALL("anything", s_fsconfig(c, SET_FLAG, "anything", NULL, 0));
	CALL("no device", s_fsconfig(c, SET_STRING, "source", "/dev/nothing", 0));
	CALL("create", s_fsconfig(c, CREATE, NULL, NULL, 0));
	close(c);
	c = s_fsopen("ext2", 0);
	s_fsconfig(c, SET_STRING, "source", "file", 0);
	CALL("a file", s_fsconfig(c, CREATE, NULL, NULL, 0));
	close(c);
	c = s_fsopen("ext2", 0);
	s_fsconfig(c, SET_STRING, "source", "/dev/null", 0);
	CALL("a character device", s_fsconfig(c, CREATE, NULL, NULL, 0));
	close(c);
	c = s_fsopen("sysfs", 0);
	CALL("sysfs option", s_fsconfig(c, SET_FLAG, "foo", NULL, 0));
	messages("sysfs option said", c);
	close(c);
}

static void picks(void)
{
	int c;

	mount("src", "m", "tmpfs", 0, "size=1m");
	CALL("pick flag", s_fspick(AT_FDCWD, "m", 0x10));
	CALL("pick none", s_fspick(AT_FDCWD, "none", 0));
	CALL("pick no root", s_fspick(AT_FDCWD, "file", 0));
	CALL("pick empty", s_fspick(AT_FDCWD, "", 0));
	DOES("pick", c = s_fspick(AT_FDCWD, "m", 1));
	CALL("no mount of it", s_fsmount(c, 0, 0));
	CALL("no create", s_fsconfig(c, CREATE, NULL, NULL, 0));
	CALL("ro", s_fsconfig(c, SET_FLAG, "ro", NULL, 0));
	int fd = open("m/f", O_CREAT | O_RDWR, 0644);
	CALL("writers", s_fsconfig(c, RECONFIGURE, NULL, NULL, 0));
	CALL("after writers", s_fsconfig(c, RECONFIGURE, NULL, NULL, 0));
	close(fd);
	close(c);
	c = s_fspick(AT_FDCWD, "m", 0);
	CALL("ro again", s_fsconfig(c, SET_FLAG, "ro", NULL, 0));
	CALL("reconfigure", s_fsconfig(c, RECONFIGURE, NULL, NULL, 0));
	CALL("is ro", open("m/g", O_CREAT | O_RDWR, 0644));
	CALL("rw", s_fsconfig(c, SET_FLAG, "rw", NULL, 0));
	CALL("reconfigure twice", s_fsconfig(c, RECONFIGURE, NULL, NULL, 0));
	CALL("is rw", close(open("m/g", O_CREAT | O_RDWR, 0644)));
	CALL("picked is not busy", umount("m"));
	close(c);
}

static void trees(void)
{
	int t, u;

	mount("src", "m", "tmpfs", 0, NULL);
	mkdir("m/d", 0755);
	mkdir("m/e", 0755);
	abi_file("m/e/f", "text", 0644);
	mount("sub", "m/d", "tmpfs", MS_NOEXEC, NULL);
	abi_file("m/d/g", "text", 0644);
	CALL("open_tree flag", s_open_tree(AT_FDCWD, "m", 2));
	CALL("recursive alone", s_open_tree(AT_FDCWD, "m", RECURSIVE));
	CALL("open_tree none", s_open_tree(AT_FDCWD, "none", CLONE));
	CALL("empty", s_open_tree(AT_FDCWD, "", CLONE));
	DOES("plain", t = s_open_tree(AT_FDCWD, "m", O_CLOEXEC));
	HEX("plain fl", fcntl(t, F_GETFL) & ~O_LARGEFILE);
	NUM("plain fd", fcntl(t, F_GETFD));
	CALL("move by it", s_move(t, "", AT_FDCWD, "n", F_EMPTY));
	show("moved", "/mountapi/n");
	show("its child too", "/mountapi/n/d");
	CALL("move back", s_move(AT_FDCWD, "n", AT_FDCWD, "m", 0));
	close(t);
	DOES("clone", t = s_open_tree(AT_FDCWD, "m", CLONE));
	CALL("no child", faccessat(t, "d/g", F_OK, 0));
	CALL("clone moves", s_move(t, "", AT_FDCWD, "n", F_EMPTY));
	CALL("file there", access("n/e/f", F_OK));
	close(t);
	CALL("umount clone", umount("n"));
	DOES("clone of dir", t = s_open_tree(AT_FDCWD, "m/e", CLONE));
	CALL("dir moves", s_move(t, "", AT_FDCWD, "n", F_EMPTY));
	CALL("dir seen", access("n/f", F_OK));
	CALL("umount dir", (close(t), umount("n")));
	DOES("recursive", t = s_open_tree(AT_FDCWD, "m", CLONE | RECURSIVE | O_CLOEXEC));
	CALL("child", faccessat(t, "d/g", F_OK, 0));
	CALL("child of it does not move", s_move(t, "d", AT_FDCWD, "n", 0));
	CALL("copy of a copy", s_open_tree(t, "", CLONE | AT_EMPTY_PATH));
	CALL("to itself", s_move(t, "", t, "e", F_EMPTY));
	CALL("tree moves", s_move(t, "", AT_FDCWD, "n", F_EMPTY));
	show("tree child", "/mountapi/n/d");
	CALL("child busy", umount("n"));
	CALL("into itself", s_move(AT_FDCWD, "n", AT_FDCWD, "n/e", 0));
	CALL("below itself", s_move(AT_FDCWD, "m", AT_FDCWD, "m/d", 0));
	close(t);
	umount2("n", MNT_DETACH);
	t = s_open_tree(AT_FDCWD, "m", CLONE);
	CALL("not busy by a copy", (umount("m/d"), umount("m")));
	CALL("copy lives", faccessat(t, "e/f", F_OK, 0));
	CALL("dup holds", (u = dup(t), close(t), faccessat(u, "e/f", F_OK, 0)));
	close(u);
	mount("src", "m", "tmpfs", 0, NULL);
	mount(NULL, "m", NULL, MS_UNBINDABLE, NULL);
	CALL("unbindable", s_open_tree(AT_FDCWD, "m", CLONE));
	umount("m");
	DOES("file", t = s_open_tree(AT_FDCWD, "file", CLONE));
	CALL("file on directory", s_move(t, "", AT_FDCWD, "m", F_EMPTY));
	CALL("file on file", s_move(t, "", AT_FDCWD, "other", F_EMPTY));
	char text[8] = "";
	close(t);
	t = open("other", O_RDONLY);
	NUM("text", read(t, text, 7));
	close(t);
	CALL("umount file", umount("other"));
	CALL("not a mount", s_move(AT_FDCWD, "file", AT_FDCWD, "other", 0));
}

static void groups(void)
{
	mount("src", "m", "tmpfs", 0, NULL);
	mkdir("m/d", 0755);
	mount("m", "n", NULL, MS_BIND, NULL);
	CALL("private", s_move(AT_FDCWD, "m", AT_FDCWD, "n", SET_GROUP));
	mount(NULL, "m", NULL, MS_SHARED, NULL);
	CALL("no mount", s_move(AT_FDCWD, "m/d", AT_FDCWD, "n", SET_GROUP));
	CALL("group", s_move(AT_FDCWD, "m", AT_FDCWD, "n", SET_GROUP));
	CALL("twice", s_move(AT_FDCWD, "m", AT_FDCWD, "n", SET_GROUP));
	show("shared now", "/mountapi/n");
	CALL("mount in it", mount("x", "m/d", "tmpfs", 0, NULL));
	show("seen in both", "/mountapi/n/d");
	int t = s_open_tree(AT_FDCWD, "m", CLONE);
	CALL("out of a shared one", s_move(AT_FDCWD, "m/d", AT_FDCWD, "n", 0));
	close(t);
	umount("m/d");
	CALL("no other super", s_move(AT_FDCWD, "m", AT_FDCWD, "/proc", SET_GROUP));
	umount("n");
	umount("m");
}

static void attributes(void)
{
	struct attr a = { 0 };
	struct { struct attr a; uint64_t more; } wide = { { 0 }, 1 };
	int fd, t;

	mount("src", "m", "tmpfs", MS_NODEV, NULL);
	mkdir("m/d", 0755);
	mount("sub", "m/d", "tmpfs", 0, NULL);
	CALL("setattr flag", s_setattr(AT_FDCWD, "m", 1, &a, sizeof(a)));
	CALL("small", s_setattr(AT_FDCWD, "m", 0, &a, 24));
	CALL("huge", s_setattr(AT_FDCWD, "m", 0, &a, 8192));
	CALL("wide", s_setattr(AT_FDCWD, "m", 0, &wide, sizeof(wide)));
	CALL("nothing", s_setattr(AT_FDCWD, "none", 0, &a, sizeof(a)));
	CALL("bad pointer", s_setattr(AT_FDCWD, "m", 0, (void *)16, sizeof(a)));
	a.set = 0x100;
	CALL("unknown", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a.set = 0x10;
	CALL("atime alone", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a.clr = 0x10;
	CALL("atime in part", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a.clr = 0x70;
	CALL("noatime", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	show("noatime seen", "/mountapi/m");
	a.set = 0x30;
	CALL("two atimes", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a.set = 0x20 | 8 | 0x200000;
	CALL("strict", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	show("strict seen", "/mountapi/m");
	a = (struct attr){ .set = 2 | 0x80, .clr = 4 | 8 };
	CALL("set and clear", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	show("set and clear seen", "/mountapi/m");
	show("child not", "/mountapi/m/d");
	a = (struct attr){ .set = 1 | 4 };
	CALL("missing", s_setattr(AT_FDCWD, "none", 0, &a, sizeof(a)));
	CALL("no root", s_setattr(AT_FDCWD, "m/d/..", 0, &a, sizeof(a)));
	CALL("not a mount", s_setattr(AT_FDCWD, "file", 0, &a, sizeof(a)));
	fd = open("m/d/f", O_CREAT | O_RDWR, 0644);
	CALL("writers below", s_setattr(AT_FDCWD, "m", RECURSIVE, &a, sizeof(a)));
	show("nothing changed", "/mountapi/m");
	close(fd);
	CALL("recursive", s_setattr(AT_FDCWD, "m", RECURSIVE, &a, sizeof(a)));
	show("changed", "/mountapi/m");
	show("child changed", "/mountapi/m/d");
	CALL("is ro", open("m/d/g", O_CREAT | O_RDWR, 0644));
	a = (struct attr){ .clr = 1 };
	CALL("rw", s_setattr(AT_FDCWD, "m", RECURSIVE, &a, sizeof(a)));
	CALL("is rw", close(open("m/d/g", O_CREAT | O_RDWR, 0644)));
	a = (struct attr){ .propagation = MS_SHARED | MS_PRIVATE };
	CALL("two propagations", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a = (struct attr){ .propagation = 1 };
	CALL("bad propagation", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a = (struct attr){ .propagation = MS_SHARED };
	CALL("shared", s_setattr(AT_FDCWD, "m", RECURSIVE, &a, sizeof(a)));
	show("shared seen", "/mountapi/m/d");
	a = (struct attr){ .propagation = MS_PRIVATE };
	CALL("private", s_setattr(AT_FDCWD, "m", RECURSIVE, &a, sizeof(a)));
	a = (struct attr){ .set = 0x100000, .userns = 99 };
	CALL("idmap bad fd", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a.userns = 1;
	CALL("idmap other fd", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	a.clr = 0x100000;
	CALL("idmap cleared", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	t = s_open_tree(AT_FDCWD, "m", CLONE);
	a = (struct attr){ .set = 1 };
	CALL("of a loose tree", s_setattr(t, "", AT_EMPTY_PATH, &a, sizeof(a)));
	s_move(t, "", AT_FDCWD, "n", F_EMPTY);
	show("loose seen", "/mountapi/n");
	close(t);
	umount("n");
	umount("m/d");
	umount("m");
}

static void user(void)
{
	struct attr a = { .set = 1 };
	int fresh = s_fsopen("tmpfs", 0), picked = s_fspick(AT_FDCWD, "/", 0);

	setuid(1000);
	CALL("user create", s_fsconfig(fresh, CREATE, NULL, NULL, 0));
	CALL("user reconfigure", s_fsconfig(picked, RECONFIGURE, NULL, NULL, 0));
	CALL("user fsopen", s_fsopen("tmpfs", 0));
	CALL("user fspick", s_fspick(AT_FDCWD, "m", 0));
	CALL("user open_tree", close(s_open_tree(AT_FDCWD, "m", 0)));
	CALL("user clone", s_open_tree(AT_FDCWD, "m", CLONE));
	CALL("user move", s_move(AT_FDCWD, "m", AT_FDCWD, "n", 0));
	CALL("user setattr", s_setattr(AT_FDCWD, "m", 0, &a, sizeof(a)));
	CALL("user fsmount", s_fsmount(1, 0, 0));
}

int main(void)
{
	mkdir("m", 0755);
	mkdir("n", 0755);
	abi_file("file", "text", 0644);
	abi_file("other", "", 0644);
	contexts();
	devices();
	picks();
	trees();
	groups();
	attributes();
	CHILD("user", user());
	return 0;
}
