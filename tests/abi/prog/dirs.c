// SPDX-License-Identifier: MIT
/* Directories: mkdir, rmdir, getdents64, getcwd, chdir, chroot. */
#include "../abi.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *name, const char *path)
{
	static char buf[65536];
	char *names[512], text[900] = "";
	int fd = open(path, O_RDONLY | O_DIRECTORY), count = 0;
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, 300)) > 0)
		for (char *p = buf; p < buf + n;) {
			struct { uint64_t ino; int64_t off; uint16_t len; uint8_t type; char name[]; }
				__attribute__((packed)) *d = (void *)p;
			if (count < 512) {
				char entry[300];
				snprintf(entry, sizeof(entry), "%s:%d", d->name, d->type);
				names[count++] = strdup(entry);
			}
			p += d->len;
		}
	qsort(names, (size_t)count, sizeof(names[0]), by_name);
	for (int i = 0; i < count && i < 40; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", names[i]);
	abi_line(name, "%d entries, last %ld: %s", count, n, text);
	close(fd);
}

int main(void)
{
	char buf[512], start[512], name[32];
	struct stat st;
	int fd, n;

	CALL("mkdir", mkdir("d", 0777));
	stat("d", &st);
	HEX("mode", st.st_mode);
	NUM("links", st.st_nlink);
	CALL("mkdir exists", mkdir("d", 0777));
	CALL("mkdir slash", mkdir("s/", 0777));
	CALL("mkdir missing parent", mkdir("no/d", 0777));
	CALL("mkdir dot", mkdir(".", 0777));
	CALL("mkdir dotdot", mkdir("d/..", 0777));
	CALL("mkdir dot inside", mkdir("d/.", 0777));
	CALL("mkdir root", mkdir("/", 0777));
	CALL("mkdir empty", mkdir("", 0777));
	CALL("mkdir sticky", mkdir("t", 01777));
	stat("t", &st);
	HEX("sticky mode", st.st_mode);
	mkdir("d/sub", 0755);
	stat("d", &st);
	NUM("links with sub", st.st_nlink);
	abi_file("d/f", "x", 0644);
	symlink("f", "d/l");
	mkfifo("d/p", 0644);
	mknod("d/c", S_IFCHR | 0600, makedev(1, 3));
	list("list d", "d");
	list("list sub", "d/sub");
	fd = open("d", O_RDONLY);
	CALL("getdents small", syscall(SYS_getdents64, fd, buf, 10));
	CALL("getdents fault", syscall(SYS_getdents64, fd, (void *)8, 512));
	CALL("getdents 0", syscall(SYS_getdents64, fd, buf, 0));
	close(fd);
	fd = open("d/f", O_RDONLY);
	CALL("getdents file", syscall(SYS_getdents64, fd, buf, 512));
	close(fd);
	CALL("getdents bad fd", syscall(SYS_getdents64, 99, buf, 512));
	CALL("rmdir full", rmdir("d"));
	CALL("rmdir file", rmdir("d/f"));
	CALL("rmdir missing", rmdir("none"));
	CALL("rmdir dot", rmdir("."));
	CALL("rmdir d/.", rmdir("d/."));
	CALL("rmdir d/..", rmdir("d/sub/.."));
	CALL("rmdir slash", rmdir("s/"));
	CALL("rmdir sub", rmdir("d/sub"));
	CALL("rmdir root", rmdir("/"));
	CALL("rmdir link", (symlink("t", "tl"), rmdir("tl")));
	CALL("rmdir link/", rmdir("tl/"));
	stat("d", &st);
	NUM("links without sub", st.st_nlink);
	/* Removal while reading the directory, and a large one. */
	mkdir("many", 0755);
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "many/file-%03d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	DIR *dir = opendir("many");
	struct dirent *de;
	int seen = 0, gone = 0;
	while ((de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		seen++;
		snprintf(name, sizeof(name), "many/%.20s", de->d_name);
		gone += unlink(name) == 0;
	}
	closedir(dir);
	NUM("seen while removing", seen);
	NUM("removed", gone);
	CALL("rmdir emptied", rmdir("many"));
	mkdir("seek", 0755);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "seek/%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
	}
	dir = opendir("seek");
	char third[300] = "";
	long where = 0;
	for (int i = 0; (de = readdir(dir)); i++) {
		if (i == 4)
			where = telldir(dir);
		if (i == 5)
			snprintf(third, sizeof(third), "%s", de->d_name);
	}
	seekdir(dir, where);
	de = readdir(dir);
	YES("seekdir", de && strcmp(de->d_name, third) == 0);
	rewinddir(dir);
	for (seen = 0; readdir(dir);)
		seen++;
	NUM("rewound", seen);
	closedir(dir);
	/* Where we are. */
	getcwd(start, sizeof(start));
	CALL("chdir", chdir("d"));
	getcwd(buf, sizeof(buf));
	STR("cwd tail", buf + strlen(start));
	NUM("getcwd length", syscall(SYS_getcwd, buf, sizeof(buf)) - (long)strlen(start));
	CALL("getcwd small", syscall(SYS_getcwd, buf, 3));
	CALL("getcwd zero", syscall(SYS_getcwd, buf, 0));
	CALL("chdir file", chdir("f"));
	CALL("chdir missing", chdir("none"));
	CALL("chdir up", chdir(".."));
	CALL("fchdir", (fd = open("t", O_RDONLY), fchdir(fd)));
	getcwd(buf, sizeof(buf));
	STR("fchdir tail", buf + strlen(start));
	CALL("fchdir bad", fchdir(99));
	CALL("fchdir file", fchdir(open("../d/f", O_RDONLY)));
	CALL("rmdir cwd", rmdir("../t"));
	CALL("getcwd removed", syscall(SYS_getcwd, buf, sizeof(buf)));
	CALL("create in removed", open("x", O_CREAT | O_WRONLY, 0644));
	CALL("mkdir in removed", mkdir("x", 0755));
	CALL("stat dot removed", stat(".", &st));
	NUM("links removed", st.st_nlink);
	list("list removed", ".");
	CALL("chdir dotdot from removed", chdir(".."));
	CALL("back", chdir(start));
	CHILD("chroot",
		CALL("chroot call", chroot("d"));
		CALL("chdir root", chdir("/"));
		CALL("sees f", access("/f", F_OK));
		CALL("dotdot stays", chdir("/../.."));
		CALL("still sees f", access("f", F_OK));
		getcwd(buf, sizeof(buf));
		STR("cwd in chroot", buf);
	);
	CHILD("chroot outside cwd",
		chroot("d");
		n = (int)syscall(SYS_getcwd, buf, sizeof(buf));
		YES("unreachable", n > 0 && strncmp(buf, "(unreachable)", 13) == 0);
	);
	CALL("chroot file", chroot("d/f"));
	CALL("chroot missing", chroot("none"));
	CHILD("chroot unprivileged", setuid(1000); CALL("eperm", chroot("d")));
	return 0;
}
