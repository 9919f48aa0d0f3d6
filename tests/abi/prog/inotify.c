// SPDX-License-Identifier: MIT
/* inotify: which events, in which order, under which names; masks, limits of reads, ends of watches. */
#include "../abi.h"
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/xattr.h>

static int fd;

/* All that is queued: wd:mask:name, "+" at a cookie, "!" where it is the same as the one before. */
static void events(const char *name)
{
	char buf[4096], text[900] = "";
	uint32_t cookie = 0;
	ssize_t n = read(fd, buf, sizeof(buf));

	if (n < 0) {
		abi_return(name, -1);
		return;
	}
	for (char *p = buf; p < buf + n;) {
		struct inotify_event *e = (void *)p;
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%d:%x%s:%s ", e->wd, e->mask,
			 !e->cookie ? "" : e->cookie == cookie ? "!" : "+", e->len ? e->name : "");
		cookie = e->cookie;
		p += sizeof(*e) + e->len;
	}
	STR(name, text);
}

static void test_order(void)
{
	char buf[64];
	int f, d, w;

	mkdir("w", 0755);
	abi_file("outside", "o", 0644);
	CALL("watch dir", inotify_add_watch(fd, "w", IN_ALL_EVENTS));
	f = open("w/a", O_CREAT | O_RDWR, 0644);
	events("create");
	write(f, "data", 4);
	events("write");
	pread(f, buf, 4, 0);
	events("read");
	pread(f, buf, 4, 100);
	events("read nothing");
	ftruncate(f, 1);
	events("ftruncate");
	fchmod(f, 0600);
	events("fchmod");
	fchown(f, 0, 0);
	events("fchown");
	futimens(f, NULL);
	events("futimens");
	futimens(f, (struct timespec[2]) { { 0, UTIME_OMIT }, { 5, 0 } });
	events("mtime only");
	futimens(f, (struct timespec[2]) { { 5, 0 }, { 0, UTIME_OMIT } });
	events("atime only");
	fsetxattr(f, "trusted.x", "v", 1, 0);
	events("setxattr");
	close(f);
	events("close write");
	close(open("w/a", O_RDONLY));
	events("open and close");
	close(open("w/a", O_PATH));
	events("O_PATH");
	close(open("w/a", O_WRONLY | O_TRUNC));
	events("O_TRUNC");
	truncate("w/a", 10);
	events("truncate");
	link("w/a", "w/b");
	events("link");
	symlink("a", "w/s");
	events("symlink");
	mknod("w/p", S_IFIFO | 0644, 0);
	events("mknod");
	mkdir("w/d", 0755);
	events("mkdir");
	d = open("w", O_RDONLY | O_DIRECTORY);
	events("open dir");
	getdents64(d, buf, sizeof(buf));
	events("getdents");
	close(d);
	events("close dir");
	abi_file("w/d/deep", "x", 0644);
	events("below");
	rename("w/a", "w/c");
	events("rename inside");
	rename("w/c", "w/b");
	events("rename to a link of it");
	rename("w/p", "w/b");
	events("rename over");
	rename("w/d", "w/e");
	events("rename dir");
	rename("outside", "w/in");
	events("moved in");
	rename("w/in", "outside");
	events("moved out");
	syscall(SYS_renameat2, AT_FDCWD, "w/e", AT_FDCWD, "w/s", 2);
	events("exchange");
	rmdir("w/e");
	events("rmdir of a link");
	unlink("w/e");
	unlink("w/s/deep");
	rmdir("w/s");
	unlink("w/b");
	unlink("w/c");
	events("removals");
	CALL("watch self too", w = inotify_add_watch(fd, ".", IN_DELETE | IN_ISDIR));
	rmdir("w");
	events("watched dir removed");
	CALL("rm gone", inotify_rm_watch(fd, 1));
	CALL("rm", inotify_rm_watch(fd, w));
	events("ignored");
}

static void test_self(void)
{
	int w, f;

	abi_file("f", "x", 0644);
	CALL("watch file", w = inotify_add_watch(fd, "f", IN_ALL_EVENTS));
	chmod("f", 0600);
	link("f", "g");
	events("file attrib");
	rename("f", "h");
	events("move self");
	unlink("h");
	events("a link less");
	f = open("g", O_RDWR);
	unlink("g");
	events("unlinked but open");
	write(f, "x", 1);
	close(f);
	events("closed");
	CALL("rm again", inotify_rm_watch(fd, w));
	abi_file("old", "x", 0644);
	abi_file("new", "x", 0644);
	inotify_add_watch(fd, "old", IN_ALL_EVENTS);
	rename("new", "old");
	events("replaced");
	mkdir("d", 0755);
	inotify_add_watch(fd, "d", IN_ALL_EVENTS);
	rename("d", "d2");
	rmdir("d2");
	events("dir moved and removed");
}

static void test_masks(void)
{
	int w, w2, f;

	mkdir("m", 0755);
	CALL("again", w = inotify_add_watch(fd, "m", IN_CREATE));
	CALL("same", inotify_add_watch(fd, "m", IN_DELETE) == w);
	abi_file("m/a", "", 0644);
	unlink("m/a");
	events("replaced mask");
	CALL("mask add", inotify_add_watch(fd, "m", IN_CREATE | IN_MASK_ADD) == w);
	abi_file("m/a", "", 0644);
	unlink("m/a");
	events("added mask");
	CALL("mask create", inotify_add_watch(fd, "m", IN_CREATE | IN_MASK_CREATE));
	CALL("create and add", inotify_add_watch(fd, "m", IN_CREATE | IN_MASK_CREATE | IN_MASK_ADD));
	inotify_rm_watch(fd, w);
	events("removed");
	abi_file("m/f", "", 0644);
	CALL("onlydir", inotify_add_watch(fd, "m/f", IN_CREATE | IN_ONLYDIR));
	symlink("m", "ml");
	CALL("onlydir link", w = inotify_add_watch(fd, "ml", IN_CREATE | IN_ONLYDIR));
	CALL("dont follow", w2 = inotify_add_watch(fd, "ml", IN_ATTRIB | IN_DONT_FOLLOW));
	YES("other watch", w != w2);
	inotify_rm_watch(fd, w);
	inotify_rm_watch(fd, w2);
	CALL("oneshot", inotify_add_watch(fd, "m", IN_CREATE | IN_ONESHOT) > 0);
	events("removed both");
	abi_file("m/o1", "", 0644);
	abi_file("m/o2", "", 0644);
	events("once");
	CALL("excl", w = inotify_add_watch(fd, "m", IN_MODIFY | IN_EXCL_UNLINK));
	f = open("m/f", O_RDWR);
	write(f, "x", 1);
	unlink("m/f");
	write(f, "x", 1);
	events("excl unlink");
	close(f);
	inotify_add_watch(fd, "m", IN_MODIFY);
	f = open("m/o1", O_RDWR);
	write(f, "x", 1);
	unlink("m/o1");
	events("before");
	write(f, "x", 1);
	events("unlinked is told");
	close(f);
	inotify_rm_watch(fd, w);
	events("last");
	CALL("not inotify", inotify_add_watch(0, "m", IN_CREATE));
	CALL("bad fd", inotify_add_watch(99, "m", IN_CREATE));
	CALL("unknown bits", inotify_add_watch(fd, "m", 0x00100000));
	CALL("rm not inotify", inotify_rm_watch(0, 1));
	CALL("rm bad fd", inotify_rm_watch(99, 1));
	CALL("rm zero", inotify_rm_watch(fd, 0));
	CHILD("unreadable", mkdir("secret", 0700); setuid(1000); CALL("add", inotify_add_watch(fd, "secret", IN_CREATE)));
}

static void test_reading(void)
{
	char buf[40];
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	int ep = epoll_create1(0), w, n;

	mkdir("r", 0755);
	w = inotify_add_watch(fd, "r", IN_CREATE | IN_DELETE);
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	CALL("epoll idle", epoll_wait(ep, &ev, 1, 0));
	CALL("poll idle", poll(&p, 1, 0));
	mkdir("r/1", 0755);
	mkdir("r/sixteenbyteslong", 0755);
	CALL("epoll", epoll_wait(ep, &ev, 1, 0));
	CALL("poll", poll(&p, 1, 0));
	HEX("revents", p.revents);
	ioctl(fd, FIONREAD, &n);
	NUM("FIONREAD", n);
	CALL("too small", read(fd, buf, 20));
	CALL("one fits", read(fd, buf, sizeof(buf)));
	CALL("second does not", read(fd, buf, sizeof(buf)));
	events("second");
	CALL("lseek", lseek(fd, 5, SEEK_SET));
	CALL("pread", pread(fd, buf, 10, 0));
	CALL("write", write(fd, "x", 1));
	rmdir("r/1");
	mkdir("r/1", 0755);
	rmdir("r/1");
	mkdir("r/1", 0755);
	events("not merged");
	CALL("efault", (mkdir("r/2", 0755), read(fd, (void *)8, 1000)));
	inotify_rm_watch(fd, w);
	events("end");
	close(ep);
	CHILD("blocking", int b = inotify_init();
		inotify_add_watch(b, "r", IN_CREATE);
		if (fork() == 0) { abi_sleep_ms(30); mkdir("r/late", 0755); _exit(0); }
		CALL("waits", read(b, buf, sizeof(buf)));
		wait(NULL));
	STR("link", (buf[n = (int)readlink("/proc/self/fd/3", buf, sizeof(buf) - 1)] = 0, buf));
}

static void test_unmount(void)
{
	mkdir("mnt", 0755);
	mount("none", "mnt", "tmpfs", 0, NULL);
	abi_file("mnt/f", "x", 0644);
	mkdir("mnt/d", 0755);
	CALL("on mount", inotify_add_watch(fd, "mnt", IN_CREATE));
	CALL("in mount", inotify_add_watch(fd, "mnt/f", IN_DELETE_SELF));
	CALL("also", inotify_add_watch(fd, "mnt/d", IN_DELETE));
	CALL("umount", umount("mnt"));
	events("unmounted");
}

static void test_many(void)
{
	char name[40], last[40] = "";
	int n = 0, overflows = 0;
	ssize_t r;
	static char buf[65536];

	mkdir("many", 0755);
	inotify_add_watch(fd, "many", IN_CREATE | IN_DELETE);
	for (int i = 0; i < 8300; i++) {
		snprintf(name, sizeof(name), "many/%d", i);
		close(open(name, O_CREAT | O_WRONLY, 0644));
		unlink(name);
	}
	while ((r = read(fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + r; p += sizeof(struct inotify_event) + ((struct inotify_event *)p)->len) {
			struct inotify_event *e = (void *)p;
			n++;
			if (e->mask & IN_Q_OVERFLOW) {
				overflows++;
				NUM("overflow wd", e->wd);
			} else {
				snprintf(last, sizeof(last), "%s", e->name);
			}
		}
	abi_line("many", "%d events, %d overflows, last %s", n, overflows, last);
	n = 0;
	while (n < 1000 && inotify_init1(O_CLOEXEC) >= 0)
		n++;
	YES("instances are limited", n < 1000 && errno == EMFILE);
}

int main(void)
{
	fd = inotify_init1(IN_NONBLOCK);
	test_order();
	test_self();
	test_masks();
	test_reading();
	test_unmount();
	test_many();
	return 0;
}
