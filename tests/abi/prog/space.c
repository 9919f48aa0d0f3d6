// SPDX-License-Identifier: MIT
/* Space and contents of files: fallocate, holes, O_DIRECT, RWF flags, advice, memfd and seals, attributes, growth through maps. */
#include "../abi.h"
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

static char page[8192] __attribute__((aligned(4096)));

static void size(const char *name, int fd)
{
	struct stat st;

	fstat(fd, &st);
	abi_line(name, "%lld", (long long)st.st_size);
}

static void test_fallocate(void)
{
	int fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644), ro = open("f", O_RDONLY);
	struct stat st;

	CALL("allocate", fallocate(fd, 0, 0, 10000));
	size("size", fd);
	CALL("keep size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100000));
	size("kept", fd);
	CALL("punch without keep", fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
	memset(page, 'x', sizeof(page));
	pwrite(fd, page, 8192, 0);
	CALL("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 5000));
	pread(fd, page, 8192, 0);
	abi_line("punched", "%x %x %x %x", page[999], page[1000], page[5999], page[6000]);
	CALL("zero range", fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096));
	CALL("collapse", fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096));
	CALL("insert", fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 4096));
	CALL("unknown", fallocate(fd, 0x800, 0, 4096));
	CALL("read only", fallocate(ro, 0, 0, 10));
	CALL("too far", fallocate64(fd, 0, 0x7fffffffffffffffLL - 5, 10));
	CALL("dir", fallocate(open(".", O_RDONLY), 0, 0, 10));
	int p[2];
	pipe(p);
	CALL("pipe", fallocate(p[1], 0, 0, 10));
	CALL("null", fallocate(open("/dev/null", O_WRONLY), 0, 0, 10));
	CALL("posix", posix_fallocate(fd, 0, 50000));
	size("after posix", fd);
	ftruncate(fd, 0);
	fstat(fd, &st);
	NUM("blocks of nothing", st.st_blocks);
	pwrite(fd, "a", 1, 20000);
	CALL("data from 0", lseek(fd, 0, SEEK_DATA) >= 16384);
	CALL("hole at 0", lseek(fd, 0, SEEK_HOLE));
	CALL("hole in data", lseek(fd, 20000, SEEK_HOLE));
	CALL("data at end", lseek(fd, 20001, SEEK_DATA));
	CALL("hole negative", lseek(fd, -1, SEEK_HOLE));
	pread(fd, page, 100, 0);
	CALL("a read is no data", lseek(fd, 0, SEEK_DATA) >= 16384);
	CALL("whence", lseek(fd, 0, 9));
	close(fd);
	close(ro);
}

/* Far enough for indirect blocks. */
static void test_big_holes(void)
{
	static char buf[100000];
	enum { TOTAL = 6000000, FROM = 100001, TO = 5000003 };
	int fd = open("big", O_RDWR | O_CREAT | O_TRUNC, 0644), wrong = 0;
	struct stat st;

	memset(buf, 'b', sizeof(buf));
	for (int i = 0; i < TOTAL; i += (int)sizeof(buf))
		pwrite(fd, buf, sizeof(buf), i);
	fsync(fd);
	CALL("big punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FROM, TO - FROM));
	fstat(fd, &st);
	abi_line("big size", "%lld %s", (long long)st.st_size, st.st_blocks < 2300 && st.st_blocks > 2100 ? "few blocks" : "other blocks");
	for (int i = 0; i < TOTAL; i += (int)sizeof(buf)) {
		pread(fd, buf, sizeof(buf), i);
		for (int j = 0; j < (int)sizeof(buf); j++)
			wrong += buf[j] != (i + j >= FROM && i + j < TO ? 0 : 'b');
	}
	NUM("wrong bytes", wrong);
	CALL("big hole", lseek(fd, 0, SEEK_HOLE));
	CALL("big data", lseek(fd, 200000, SEEK_DATA));
	memset(buf, 'n', sizeof(buf));
	CALL("into the hole", pwrite(fd, buf, 50000, 2000000));
	CALL("to the end", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5500000, 9000000));
	CALL("past the end", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 7000000, 10));
	pread(fd, buf, 1, 2049999);
	pread(fd, buf + 1, 1, 5499999);
	pread(fd, buf + 2, 1, 5500000);
	pread(fd, buf + 3, 1, TOTAL - 1);
	BYTES("bytes", buf, 4);
	size("size", fd);
	CALL("no more data", lseek(fd, 5600000, SEEK_DATA));
	close(fd);
	unlink("big");
}

static void test_growth(void)
{
	int fd = open("m", O_RDWR | O_CREAT | O_TRUNC, 0644);
	char *m;

	write(fd, "hello", 5);
	m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	memcpy(m + 5, "beyond", 6);
	size("not grown by a map", fd);
	ftruncate(fd, 3);
	ftruncate(fd, 12);
	pread(fd, page, 12, 0);
	BYTES("shrunk and grown", page, 12);
	pwrite(fd, "Z", 1, 6);
	BYTES("map sees write", m, 12);
	m[7] = 'Q';
	pread(fd, page, 12, 0);
	BYTES("read sees map", page, 12);
	CHILD("past the end", m[4096] = 1);
	ftruncate(fd, 5000);
	m[4096] = 'P';
	pread(fd, page, 1, 4096);
	BYTES("second page", page, 1);
	ftruncate(fd, 100);
	CHILD("cut off", m[4096] = 1);
	CALL("msync", msync(m, 4096, MS_SYNC));
	munmap(m, 8192);
	CALL("write at the end", pwrite(fd, "x", 1, 100));
	int a = open("m", O_WRONLY | O_APPEND);
	CALL("append ignores pwrite", pwrite(a, "yy", 2, 0));
	size("appended", fd);
	CALL("append position", lseek(a, 0, SEEK_CUR));
	write(a, "z", 1);
	CALL("after write", lseek(a, 0, SEEK_CUR));
	close(a);
	close(fd);
}

static void test_flags(void)
{
	struct iovec v = { "abc", 3 }, r = { page, 10 };
	int fd = open("r", O_RDWR | O_CREAT | O_TRUNC, 0644), d;
	int p[2];

	CALL("pwritev2", pwritev2(fd, &v, 1, 0, RWF_DSYNC));
	CALL("sync", pwritev2(fd, &v, 1, 3, RWF_SYNC));
	CALL("append", pwritev2(fd, &v, 1, 0, RWF_APPEND));
	size("appended", fd);
	CALL("at position", pwritev2(fd, &v, 1, -1, 0));
	CALL("position", lseek(fd, 0, SEEK_CUR));
	CALL("hipri", preadv2(fd, &r, 1, 0, RWF_HIPRI));
	CALL("unknown", preadv2(fd, &r, 1, 0, 0x100));
	CALL("preadv2", preadv2(fd, &r, 1, 1, 0));
	BYTES("read", page, 8);
	CALL("negative", preadv(fd, &r, 1, -5));
	CALL("preadv pipe", (pipe(p), preadv(p[0], &r, 1, 0)));
	CALL("preadv2 pipe -1", (write(p[1], "x", 1), preadv2(p[0], &r, 1, -1, 0)));
	CALL("nowait empty pipe", preadv2(p[0], &r, 1, -1, RWF_NOWAIT));
	CALL("too many", readv(fd, &r, 2000));
	CALL("none", readv(fd, &r, 0));
	struct iovec big[2] = { { page, 0x7fffffff }, { page, 0x7fffffff } };
	CALL("overflow", readv(fd, big, 2));
	big[0].iov_len = (size_t)-1;
	CALL("negative length", readv(fd, big, 1));
	CALL("fadvise", posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED));
	CALL("fadvise bad", posix_fadvise(fd, 0, 0, 77));
	CALL("fadvise pipe", posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL));
	CALL("fadvise negative", posix_fadvise(fd, 0, -1, POSIX_FADV_NORMAL));
	CALL("readahead", readahead(fd, 0, 4096));
	CALL("readahead pipe", readahead(p[0], 0, 4096));
	CALL("readahead write only", readahead(open("r", O_WRONLY), 0, 4096));
	CALL("sync_file_range", sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
	CALL("range bad flag", sync_file_range(fd, 0, 0, 8));
	CALL("range negative", sync_file_range(fd, -1, 0, 0));
	CALL("range pipe", sync_file_range(p[0], 0, 0, 0));
	CALL("syncfs", syncfs(fd));
	CALL("syncfs bad", syncfs(99));
	d = open("d", O_RDWR | O_CREAT | O_TRUNC | O_DIRECT, 0644);
	if (d < 0) {
		FAILED("O_DIRECT");
	} else {
		memset(page, 'd', 4096);
		CALL("direct write", write(d, page, 4096));
		memset(page, 0, 4096);
		CALL("direct read", pread(d, page, 4096, 0));
		YES("direct same", page[0] == 'd' && page[4095] == 'd');
		CALL("direct odd", pread(d, page + 1, 512, 0));
		CALL("direct odd length", pread(d, page, 100, 0));
		CALL("direct past end", pread(d, page, 4096, 8192));
		close(d);
	}
	close(fd);
}

static void test_memfd(void)
{
	int fd, ro;
	char link[64], path[64];

	CALL("memfd", fd = memfd_create("name", MFD_ALLOW_SEALING | MFD_CLOEXEC));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	link[readlink(path, link, 63)] = 0;
	STR("link", link);
	struct stat st;
	fstat(fd, &st);
	abi_line("stat", "%o links %d size %lld", st.st_mode, (int)st.st_nlink, (long long)st.st_size);
	CALL("cloexec", fcntl(fd, F_GETFD));
	HEX("flags", fcntl(fd, F_GETFL));
	CALL("seals", fcntl(fd, F_GET_SEALS));
	ftruncate(fd, 4096);
	CALL("add", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	CALL("shrink", ftruncate(fd, 10));
	CALL("grow", ftruncate(fd, 5000));
	CALL("write past", pwrite(fd, page, 10, 4090));
	CALL("fallocate past", fallocate(fd, 0, 0, 5000));
	CALL("write in", pwrite(fd, page, 10, 0));
	char *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CALL("seal mapped", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CALL("future", fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	m[0] = 1;
	CALL("write future", pwrite(fd, page, 1, 0));
	CALL("map future", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0);
	munmap(m, 4096);
	CALL("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CALL("punch sealed", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096));
	CALL("private map", mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	CALL("reopen", ro = open(path, O_RDONLY));
	CALL("add by reader", fcntl(ro, F_ADD_SEALS, F_SEAL_SEAL));
	CALL("seal seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	CALL("no more", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	HEX("all seals", fcntl(fd, F_GET_SEALS));
	CALL("seals of a file", fcntl(open("r", O_RDWR), F_GET_SEALS));
	CALL("no sealing", fcntl(memfd_create("n", 0), F_ADD_SEALS, F_SEAL_GROW));
	CALL("bad flag", memfd_create("n", 0x100));
	memset(page, 'n', 260);
	page[250] = 0;
	CALL("name too long", memfd_create(page, 0));
	page[249] = 0;
	CALL("name fits", memfd_create(page, 0) >= 0);
}

static void test_xattr(void)
{
	char buf[300];

	abi_file("x", "", 0644);
	mkdir("xd", 0755);
	symlink("x", "xl");
	CALL("user", setxattr("x", "user.a", "1", 1, 0));
	CALL("user get", getxattr("x", "user.a", buf, sizeof(buf)));
	CALL("user on dir", setxattr("xd", "user.a", "1", 1, 0));
	CALL("user on link", lsetxattr("xl", "user.a", "1", 1, 0));
	CALL("trusted on link", lsetxattr("xl", "trusted.a", "1", 1, 0));
	CALL("security", setxattr("x", "security.a", "1", 1, 0));
	CALL("system", setxattr("x", "system.a", "1", 1, 0));
	CALL("empty rest", setxattr("x", "user.", "1", 1, 0));
	CALL("empty value", setxattr("x", "user.e", "", 0, 0));
	CALL("empty get", getxattr("x", "user.e", buf, sizeof(buf)));
	memset(page, 'n', 256);
	memcpy(page, "user.", 5);
	page[256] = 0;
	CALL("name too long", setxattr("x", page, "1", 1, 0));
	CHILD("by others", setuid(1000);
		CALL("set", setxattr("x", "user.b", "1", 1, 0));
		CALL("get", getxattr("x", "user.a", buf, sizeof(buf)));
		CALL("trusted set", setxattr("x", "trusted.b", "1", 1, 0));
		CALL("trusted get", getxattr("x", "trusted.b", buf, sizeof(buf)));
		CALL("list", listxattr("xl", buf, sizeof(buf)) >= 0));
	CALL("remove", removexattr("x", "user.a"));
	CALL("null", setxattr("/dev/null", "user.a", "1", 1, 0));
	CALL("proc", setxattr("/proc/version", "user.a", "1", 1, 0));
	CALL("proc list", listxattr("/proc/version", buf, sizeof(buf)));
}

static void test_statfs(void)
{
	struct statfs s;
	static const char *const where[] = { "/", "/tmp", "/proc", "/dev/pts", "/dev" };

	for (unsigned i = 0; i < sizeof(where) / sizeof(*where); i++) {
		statfs(where[i], &s);
		abi_line(where[i], "type %lx bsize %ld frsize %ld namelen %ld flags %lx", (long)s.f_type, (long)s.f_bsize, (long)s.f_frsize,
			 (long)s.f_namelen, (long)s.f_flags);
	}
	int p[2];
	pipe(p);
	fstatfs(p[0], &s);
	abi_line("pipe", "type %lx bsize %ld namelen %ld", (long)s.f_type, (long)s.f_bsize, (long)s.f_namelen);
	fstatfs(memfd_create("n", 0), &s);
	abi_line("memfd", "type %lx", (long)s.f_type);
	CALL("missing", statfs("none", &s));
}

static void test_chown(void)
{
	struct stat st;

	abi_file("c", "", 0644);
#define MODE(name) do { stat("c", &st); abi_line(name, "%o uid %d gid %d", st.st_mode, (int)st.st_uid, (int)st.st_gid); } while (0)
	chmod("c", 06755);
	chown("c", 1000, 1000);
	MODE("set-id lost by chown");
	chmod("c", 06745);
	chown("c", -1, -1);
	MODE("without group execution");
	chmod("c", 06755);
	CHILD("write by others", chmod("c", 06777); setuid(1001); write(open("c", O_WRONLY), "x", 1));
	MODE("set-id lost by write");
	chmod("c", 06777);
	CHILD("truncate by others", setuid(1001); CALL("truncate", truncate("c", 0)));
	MODE("set-id lost by truncate");
	chmod("c", 06777);
	CHILD("fallocate by others", setuid(1001); int f = open("c", O_WRONLY); fallocate(f, 0, 0, 10));
	MODE("after fallocate");
	CHILD("owner", setgid(1000); setuid(1000);
		CALL("give away", chown("c", 1001, -1));
		CALL("other group", chown("c", -1, 0));
		CALL("own group", chown("c", -1, 1000));
		CALL("own uid", chown("c", 1000, -1));
		CALL("set-gid", chmod("c", 02755)));
	MODE("in the end");
	mkdir("cd", 02775);
	chown("cd", 0, 50);
	chmod("cd", 02775);
	abi_file("cd/f", "", 0644);
	stat("cd/f", &st);
	abi_line("group of directory", "%o gid %d", st.st_mode, (int)st.st_gid);
	chown("cd", 0, 51);
	stat("cd", &st);
	abi_line("dir keeps set-gid", "%o", st.st_mode);
}

static struct {
	struct fiemap m;
	struct fiemap_extent e[4];
} map;

/* On ext2; not on tmpfs. Where on the disk is not told: that is the file system's own affair. */
static void extents(const char *name, int fd, unsigned long long start, unsigned long long len, unsigned flags, unsigned count)
{
	memset(&map, 0, sizeof(map));
	map.m.fm_start = start;
	map.m.fm_length = len;
	map.m.fm_flags = flags;
	map.m.fm_extent_count = count;
	CALL(name, ioctl(fd, FS_IOC_FIEMAP, &map));
	abi_line(name, "flags %#x mapped %u", map.m.fm_flags, map.m.fm_mapped_extents);
	for (unsigned i = 0; i < map.m.fm_mapped_extents && i < count; i++)
		abi_line("extent", "%llu for %llu flags %#x %s", (unsigned long long)map.e[i].fe_logical, (unsigned long long)map.e[i].fe_length,
			 map.e[i].fe_flags, map.e[i].fe_physical ? "somewhere" : "nowhere");
}

static void test_extents(void)
{
	int fd = open("ext", O_RDWR | O_CREAT | O_TRUNC, 0644), p[2];

	extents("empty", fd, 0, ~0ULL, 0, 4);
	pwrite(fd, page, 4096, 0);
	pwrite(fd, page, 4096, 40960);
	fsync(fd);
	extents("two", fd, 0, ~0ULL, FIEMAP_FLAG_SYNC, 4);
	extents("counted", fd, 0, ~0ULL, 0, 0);
	extents("first", fd, 0, ~0ULL, 0, 1);
	extents("part", fd, 4096, 8192, 0, 4);
	extents("one byte", fd, 41000, 1, 0, 4);
	extents("behind", fd, 1 << 20, 1 << 20, 0, 4);
	extents("no length", fd, 0, 0, 0, 4);
	extents("unknown flag", fd, 0, 100, 0x80000000u | FIEMAP_FLAG_SYNC, 4);
	extents("too many", fd, 0, 100, 0, 0x7fffffff);
	extents("too far", fd, 1ULL << 62, 100, 0, 4);
	CALL("bad pointer", ioctl(fd, FS_IOC_FIEMAP, (void *)8));
	pipe(p);
	extents("of a pipe", p[0], 0, 100, 0, 4);
}

int main(void)
{
	test_extents();
	test_fallocate();
	test_big_holes();
	test_growth();
	test_flags();
	test_memfd();
	test_xattr();
	test_statfs();
	test_chown();
	return 0;
}
