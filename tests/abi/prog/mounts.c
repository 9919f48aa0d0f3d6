// SPDX-License-Identifier: MIT
/* mount and umount: kinds, flags, errors; busy and lazy; bind and remount. */
#include "../abi.h"
#include <poll.h>
#include <sys/statfs.h>

/* The root of what is mounted there, inside its file system, as mountinfo tells it. */
static void abi_mount_root(const char *name)
{
	FILE *f = fopen("/proc/self/mountinfo", "r");
	char line[512], root[256], point[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%*d %*d %*s %255s %255s", root, point) == 2 && strrchr(point, '/') && !strcmp(strrchr(point, '/') + 1, name))
			abi_line("mounted root", "%s", root);
	if (f)
		fclose(f);
}

/* Who polls a file of mounts hears of each change since it was opened, or since he asked last, once. */
static void polled(const char *name)
{
	struct pollfd p = { open(name, O_RDONLY), POLLIN | POLLPRI, 0 };
	char buf[8];

	mount("none", "n", "tmpfs", 0, NULL);
	NUM("poll", poll(&p, 1, 0));
	HEX("changed since open", p.revents);
	poll(&p, 1, 0);
	HEX("told once", p.revents);
	umount("n");
	NUM("read", read(p.fd, buf, sizeof(buf)));
	poll(&p, 1, 0);
	HEX("changed again", p.revents);
	poll(&p, 1, 0);
	HEX("and told", p.revents);
	close(p.fd);
}

int main(void)
{
	int fd;
	struct stat st, up;

	mkdir("m", 0755);
	mkdir("n", 0755);
	abi_file("f", "x", 0644);
	CALL("mount tmpfs", mount("none", "m", "tmpfs", 0, "size=1m,mode=700"));
	stat("m", &st);
	HEX("mode", st.st_mode);
	lstat(".", &up);
	YES("other device", st.st_dev != up.st_dev);
	CALL("create inside", fd = open("m/f", O_CREAT | O_RDWR, 0644));
	static char block[65536];
	long total = 0, r;
	while ((r = write(fd, block, sizeof(block))) > 0 && total < 4 << 20)
		total += r;
	CALL("full", write(fd, block, sizeof(block)));
	NUM("held", total);
	CALL("umount busy", umount("m"));
	CALL("rmdir mount point", rmdir("m"));
	CALL("rename mount point", rename("m", "k"));
	CALL("remount ro busy", mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	close(fd);
	CALL("remount ro", mount(NULL, "m", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	CALL("create on ro", open("m/g", O_CREAT | O_RDWR, 0644));
	CALL("open write on ro", open("m/f", O_WRONLY));
	CALL("unlink on ro", unlink("m/f"));
	CALL("chmod on ro", chmod("m/f", 0600));
	CALL("mkdir on ro", mkdir("m/d", 0755));
	CALL("access W on ro", access("m/f", W_OK));
	CALL("utime on ro", utimensat(AT_FDCWD, "m/f", NULL, 0));
	CALL("truncate on ro", truncate("m/f", 0));
	CALL("remount rw", mount(NULL, "m", NULL, MS_REMOUNT, NULL));
	CALL("unlink on rw", unlink("m/f"));
	abi_file("m/inside", "in", 0644);
	CALL("bind", mount("m", "n", NULL, MS_BIND, NULL));
	CALL("seen through bind", access("n/inside", F_OK));
	CALL("rename across mounts", rename("m/inside", "n/other"));
	CALL("link across mounts", link("m/inside", "n/other"));
	CALL("umount bind", umount("n"));
	CALL("bind on itself", mount("m", "m", NULL, MS_BIND, NULL));
	CALL("and again", mount("m", "m", NULL, MS_BIND, NULL));
	CALL("umount it", umount("m"));
	CALL("umount it", umount("m"));
	CALL("still there", access("m/inside", F_OK));
	mkdir("m/deep", 0755);
	CALL("bind part", mount("m/deep", "n", NULL, MS_BIND, NULL));
	abi_mount_root("n");
	CALL("umount part", umount("n"));
	CALL("bind file", mount("/abi/list", "f", NULL, MS_BIND, NULL));
	stat("f", &st);
	YES("file is bound", st.st_size > 1);
	CALL("umount file", umount("f"));
	CALL("noexec", mount("none", "n", "tmpfs", MS_NOEXEC | MS_NODEV | MS_NOSUID, NULL));
	abi_file("n/s", "#!/bin/busybox true\n", 0755);
	CALL("exec on noexec", execl("n/s", "s", NULL));
	CALL("access X on noexec", access("n/s", X_OK));
	mknod("n/null", S_IFCHR | 0666, makedev(1, 3));
	CALL("device on nodev", open("n/null", O_RDONLY));
	CALL("over it", mount("none", "n", "tmpfs", 0, NULL));
	CALL("covered", access("n/s", F_OK));
	CALL("umount top", umount("n"));
	CALL("uncovered", access("n/s", F_OK));
	CALL("umount", umount("n"));
	CALL("umount twice", umount("n"));
	CALL("umount missing", umount("none"));
	CALL("umount2 bad flag", umount2("m", 0x100));
	CALL("expire first", umount2("m", MNT_EXPIRE));
	CALL("expire second", umount2("m", MNT_EXPIRE));
	mount("none", "m", "tmpfs", 0, NULL);
	symlink("m", "ml");
	CALL("nofollow", umount2("ml", UMOUNT_NOFOLLOW));
	CALL("through link", umount("ml"));
	mount("none", "m", "tmpfs", 0, NULL);
	fd = open("m", O_RDONLY);
	abi_file("m/lazy", "l", 0644);
	CALL("lazy", umount2("m", MNT_DETACH));
	CALL("open fd lives", openat(fd, "lazy", O_RDONLY) >= 0);
	CALL("not by name", access("m/lazy", F_OK));
	CALL("unknown type", mount("none", "m", "nosuchfs", 0, NULL));
	CALL("missing target", mount("none", "zz", "tmpfs", 0, NULL));
	CALL("on a file", mount("none", "f", "tmpfs", 0, NULL));
	CALL("no type", mount("none", "m", NULL, 0, NULL));
	CALL("bad option", mount("none", "m", "tmpfs", 0, "nonsense=1"));
	CALL("ext2 no device", mount("none", "m", "ext2", 0, NULL));
	CALL("ext2 missing", mount("/dev/zz", "m", "ext2", 0, NULL));
	CALL("ext2 on file", mount("f", "m", "ext2", 0, NULL));
	CALL("ext2 on chr", mount("/dev/null", "m", "ext2", 0, NULL));
	CALL("bind missing", mount("zz", "m", NULL, MS_BIND, NULL));
	CALL("remount not mount", mount(NULL, "m", NULL, MS_REMOUNT, NULL));
	CALL("second proc", mount("proc", "m", "proc", 0, NULL));
	CALL("same content", access("m/self/stat", R_OK));
	CALL("umount proc", umount("m"));
	CALL("move", (mount("none", "m", "tmpfs", MS_NOATIME, NULL), mkdir("m/d", 0755), mount("m", "n", NULL, MS_MOVE, NULL)));
	CALL("moved there", access("n/d", F_OK));
	CALL("not here", access("m/d", F_OK));
	umount("n");
	CHILD("user", setuid(1000);
		CALL("mount", mount("none", "m", "tmpfs", 0, NULL));
		CALL("umount", umount("/proc"));
		CALL("mount missing", mount("none", "zz", "tmpfs", 0, NULL)));
	CALL("pivot_root same", syscall(SYS_pivot_root, ".", "."));
	CALL("umount2 empty", umount2("", 0));
	polled("/proc/self/mounts");
	polled("/proc/self/mountinfo");
	return 0;
}
