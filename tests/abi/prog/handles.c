// SPDX-License-Identifier: MIT
/* Handles of files: size, errors, files and directories opened by them; after renames, deletion, and when nobody knows the name any more. */
#include "../abi.h"

struct handle {
	struct file_handle h;
	unsigned char bytes[128];
};

static int make(const char *path, struct handle *h, int flags)
{
	int id;

	h->h.handle_bytes = 128;
	return name_to_handle_at(AT_FDCWD, path, &h->h, &id, flags);
}

static int by(struct handle *h, int flags)
{
	return open_by_handle_at(AT_FDCWD, &h->h, flags);
}

static void text_of(const char *name, int fd)
{
	char text[32] = "";

	if (fd < 0) {
		FAILED(name);
		return;
	}
	read(fd, text, sizeof(text) - 1);
	close(fd);
	STR(name, text);
}

static void making(void)
{
	struct handle h;
	int id, fd;

	h.h.handle_bytes = 0;
	CALL("how long", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0));
	NUM("bytes", h.h.handle_bytes);
	NUM("type of too long", h.h.handle_type);
	h.h.handle_bytes = 4;
	CALL("too small", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0));
	h.h.handle_bytes = 128;
	CALL("handle", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0));
	NUM("its bytes", h.h.handle_bytes);
	NUM("its type", h.h.handle_type);
	CALL("bad flag", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0x10));
	h.h.handle_bytes = 200;
	CALL("too long", name_to_handle_at(AT_FDCWD, "x", &h.h, &id, 0));
	h.h.handle_bytes = 128;
	CALL("missing", name_to_handle_at(AT_FDCWD, "none", &h.h, &id, 0));
	CALL("empty", name_to_handle_at(AT_FDCWD, "", &h.h, &id, 0));
	CALL("bad handle", name_to_handle_at(AT_FDCWD, "x", (void *)16, &id, 0));
	CALL("bad id", name_to_handle_at(AT_FDCWD, "x", &h.h, (void *)16, 0));
	fd = open("x", O_PATH);
	h.h.handle_bytes = 128;
	CALL("of a descriptor", name_to_handle_at(fd, "", &h.h, &id, AT_EMPTY_PATH));
	text_of("of a descriptor opens", by(&h, O_RDONLY));
	CALL("mount by O_PATH", open_by_handle_at(fd, &h.h, O_RDONLY));
	close(fd);
	CALL("of proc", make("/proc/self", &h, 0));
	struct handle a, b;
	make("link", &a, 0);
	make("x", &b, 0);
	YES("link is another", memcmp(a.bytes, b.bytes, 8));
	make("link", &a, AT_SYMLINK_FOLLOW);
	YES("followed it is the same", !memcmp(&a, &b, sizeof(struct file_handle) + a.h.handle_bytes));
	make("hard", &a, 0);
	YES("a hard link as well", !memcmp(&a, &b, sizeof(struct file_handle) + a.h.handle_bytes));
}

static void opening(void)
{
	struct handle h, bad;
	int fd, m = open(".", O_RDONLY | O_DIRECTORY);

	make("x", &h, 0);
	text_of("opened", open_by_handle_at(m, &h.h, O_RDONLY));
	text_of("by cwd", by(&h, O_RDONLY));
	CALL("bad fd", open_by_handle_at(99, &h.h, O_RDONLY));
	CALL("write", (fd = by(&h, O_RDWR | O_CLOEXEC)) >= 0);
	NUM("cloexec", fcntl(fd, F_GETFD));
	NUM("written", pwrite(fd, "TEXT", 4, 0));
	close(fd);
	CALL("exclusive", by(&h, O_RDWR | O_CREAT | O_EXCL));
	CALL("as directory", by(&h, O_RDONLY | O_DIRECTORY));
	CALL("path", (fd = by(&h, O_PATH)) >= 0);
	close(fd);
	bad = h;
	bad.h.handle_bytes = 0;
	CALL("no bytes", by(&bad, O_RDONLY));
	bad.h.handle_bytes = 129;
	CALL("many bytes", by(&bad, O_RDONLY));
	bad.h.handle_bytes = 4;
	CALL("few bytes", by(&bad, O_RDONLY));
	bad = h;
	memset(bad.bytes, 0xee, h.h.handle_bytes);
	CALL("nonsense", by(&bad, O_RDONLY));
	memset(bad.bytes, 0, h.h.handle_bytes);
	CALL("zeros", by(&bad, O_RDONLY));
	CALL("bad pointer", open_by_handle_at(m, (void *)16, O_RDONLY));
	int p = open("/proc", O_RDONLY);
	CALL("on proc", open_by_handle_at(p, &h.h, O_RDONLY));
	close(p);
	make("link", &h, 0);
	CALL("link", by(&h, O_RDONLY));
	CALL("link by path", (fd = by(&h, O_PATH | O_NOFOLLOW)) >= 0);
	char text[16] = "";
	NUM("its text", readlinkat(fd, "", text, 15));
	STR("text", text);
	close(fd);
	make("d/e", &h, 0);
	CALL("directory", (fd = by(&h, O_RDONLY | O_DIRECTORY)) >= 0);
	text_of("in it", openat(fd, "f", O_RDONLY));
	close(fd);
	CALL("directory to write", by(&h, O_RDWR));
	make("pipe", &h, 0);
	CALL("pipe", (fd = by(&h, O_RDWR | O_NONBLOCK)) >= 0);
	close(fd);
	close(m);
}

static void changing(void)
{
	struct handle h, d;
	char cwd[256];
	int fd;

	make("d/e/f", &h, 0);
	make("d/e", &d, 0);
	CALL("rename", rename("d/e/f", "y"));
	text_of("after rename", by(&h, O_RDONLY));
	CALL("rename directory", rename("d/e", "g"));
	fd = by(&d, O_RDONLY);
	CALL("go there", fchdir(fd));
	STR("its name", strrchr(getcwd(cwd, sizeof(cwd)), '/'));
	CALL("back", chdir(".."));
	close(fd);
	fd = open("y", O_RDONLY);
	unlink("y");
	text_of("deleted and open", by(&h, O_RDONLY));
	close(fd);
	CALL("deleted", by(&h, O_RDONLY));
	rmdir("g");
	CALL("directory deleted", by(&d, O_RDONLY));
	make("x", &h, 0);
	unlink("x");
	text_of("by its other name", by(&h, O_RDONLY));
}

/* The names of a subtree are forgotten by the kernel; handles lead there all the same. */
static void forgotten(void)
{
	struct handle f, d;
	char cwd[256];
	int fd;

	mkdir("one", 0755);
	mkdir("one/two", 0755);
	mkdir("one/two/three", 0755);
	abi_file("one/two/three/file", "deep", 0644);
	make("one/two/three/file", &f, 0);
	make("one/two/three", &d, 0);
	sync();
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY);
	if (fd >= 0)
		write(fd, "2", 1);
	close(fd);
	text_of("file of no known name", by(&f, O_RDONLY));
	CALL("directory of no known name", (fd = by(&d, O_RDONLY)) >= 0);
	CALL("go there", fchdir(fd));
	YES("where it is", strstr(getcwd(cwd, sizeof(cwd)), "/one/two/three") != NULL);
	close(fd);
	text_of("file by name", open("file", O_RDONLY));
	CALL("up", chdir("../../.."));
}

static void user(void)
{
	struct handle h;

	setuid(1000);
	CALL("user makes", make("link", &h, 0));
	CALL("user opens", by(&h, O_RDONLY));
}

int main(void)
{
	abi_file("x", "text", 0644);
	symlink("x", "link");
	link("x", "hard");
	mkfifo("pipe", 0644);
	mkdir("d", 0755);
	mkdir("d/e", 0755);
	abi_file("d/e/f", "inner", 0644);
	making();
	opening();
	changing();
	forgotten();
	CHILD("user", user());
	return 0;
}
