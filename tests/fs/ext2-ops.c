/* SPDX-License-Identifier: MIT */
/*
 * A random sequence of file operations, drawn from a seed: on an ext2 image through libmaestro, or in a directory of the host's. Each operation is told with
 * its result on one line, then the tree as it is in the end, so that two runs can be compared line by line.
 *
 *   ext2-ops image FILE SEED OPS     ext2-ops host DIRECTORY SEED OPS
 *
 * Device nodes are made, never opened: both sides are mounted with nodev. FIFOs are opened without waiting.
 *
 * All goes by system call numbers of x86_64, which both sides speak; the only difference is who answers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include <maestro.h>

#define DIRS 6
#define NAMES 60
#define MANY 1500 /* names in the directory that grows */
#define MAX_IO 24000
#define RENAME_FLAGS_MAX 3
#define MODE_AVOID 01000u /* in sticky directories the host's fs.protected_* have their say */

static struct maestro *machine;
static uint64_t state;
static int punches; /* when the host leaves an indirect block empty, and when it frees it, follows no rule worth copying: i_blocks is compared without */
static unsigned char buffer[MAX_IO], dirents[32768];

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return below ? (uint32_t)((state >> 33) % below) : 0;
}

#define P(x) ((unsigned long)(uintptr_t)(x))
static long call(long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e)
{
	long r;

	if (machine)
		return maestro_syscall6(machine, nr, a, b, c, d, e, 0);
	r = syscall(nr, a, b, c, d, e, 0);
	return r < 0 ? -errno : r;
}

static uint64_t hash_bytes(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 1099511628211ULL;
	return h;
}
#define HASH_START 14695981039346656037ULL

/* ---------------------------------------------------------------- names */
static const char *dirs[DIRS] = { ".", "a", "a/b", "c", "c/d/e", "many" };

static void draw_path(char *out, size_t size)
{
	unsigned dir = draw(DIRS + 3);
	char name[256];
	uint32_t n;

	if (dir >= DIRS - 1) { /* often: the directory that grows */
		n = draw(MANY);
		(void)snprintf(name, sizeof(name), n % 7 ? "entry-%u" : "a-name-of-another-length-%u-%0*u", n, 20 + (int)(n % 150), n);
		(void)snprintf(out, size, "many/%s", name);
		return;
	}
	n = draw(NAMES);
	if (n < 4)
		(void)snprintf(name, sizeof(name), "%0*u", 150 + (int)n * 30, n);
	else if (n < 8)
		(void)snprintf(name, sizeof(name), "\xc3\xa4\xe2\x82\xac\xff%u", n);
	else
		(void)snprintf(name, sizeof(name), "n%u", n);
	(void)snprintf(out, size, "%s/%s", dirs[dir], name);
}

static void fill(size_t n)
{
	uint32_t x = draw(0x7fffffff);

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		buffer[i] = (unsigned char)(x >> 24);
	}
}

/* ---------------------------------------------------------------- operations */
static long with_file(const char *path, int flags, long (*fn)(int fd))
{
	long fd = call(SYS_openat, (unsigned long)AT_FDCWD, P(path), (unsigned long)flags, 0, 0), r;

	if (fd < 0)
		return fd;
	r = fn((int)fd);
	(void)call(SYS_close, (unsigned long)fd, 0, 0, 0, 0);
	return r;
}

static uint64_t draw_offset(void)
{
	switch (draw(12)) {
	case 0: return (uint64_t)draw(1u << 30);
	case 1: return (uint64_t)draw(70) << 20;
	case 2: return (uint64_t)1 << 31; /* needs large_file */
	default: return draw(300000);
	}
}

static long do_write(int fd)
{
	size_t n = draw(4) ? draw(3000) : draw(MAX_IO);
	uint64_t at = draw_offset();

	fill(n);
	return call(SYS_pwrite64, (unsigned long)fd, P(buffer), n, at, 0);
}

static long do_append(int fd)
{
	size_t n = draw(5000);

	fill(n);
	return call(SYS_write, (unsigned long)fd, P(buffer), n, 0, 0);
}

static long do_read(int fd)
{
	size_t n = draw(MAX_IO);
	uint64_t at = draw_offset();
	long r = call(SYS_pread64, (unsigned long)fd, P(buffer), n, at, 0);

	if (r > 0)
		printf(" %016llx", (unsigned long long)hash_bytes(HASH_START, buffer, (size_t)r));
	return r;
}

static long do_truncate(int fd)
{
	return call(SYS_ftruncate, (unsigned long)fd, draw_offset(), 0, 0, 0);
}

static long do_punch(int fd)
{
	uint64_t at = draw_offset(), n = 1 + draw(100000);

	if (!punches)
		return 0;
	return call(SYS_fallocate, (unsigned long)fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, n, 0);
}

static long do_sync(int fd)
{
	return call(SYS_fsync, (unsigned long)fd, 0, 0, 0, 0);
}

/* Names and kinds, in no particular order. */
static long do_readdir(int fd)
{
	uint64_t sum = 0;
	size_t size = 300 + draw(draw(2) ? 2000 : sizeof(dirents) - 300);
	long n;

	while ((n = call(SYS_getdents64, (unsigned long)fd, P(dirents), size, 0, 0)) > 0) {
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(const void *)(dirents + at);
			unsigned char type = d->d_type;

			sum += hash_bytes(hash_bytes(HASH_START, d->d_name, strlen(d->d_name)), &type, 1);
			at += d->d_reclen;
		}
	}
	printf(" %016llx", (unsigned long long)sum);
	return n;
}

static long op_write(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_WRONLY | O_CREAT | O_NONBLOCK, do_write);
}
static long op_append(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_WRONLY | O_APPEND | O_NONBLOCK, do_append);
}
static long op_create(const char *p, const char *q)
{
	long fd = call(SYS_openat, (unsigned long)AT_FDCWD, P(p), O_WRONLY | O_CREAT | O_NONBLOCK | (draw(2) ? O_EXCL : 0), draw(01000), 0);

	(void)q;
	if (fd >= 0)
		(void)call(SYS_close, (unsigned long)fd, 0, 0, 0, 0);
	return fd >= 0 ? 0 : fd;
}
static long op_read(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_RDONLY | O_NONBLOCK, do_read);
}
static long op_truncate(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_RDWR | O_NONBLOCK, do_truncate);
}
static long op_punch(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_RDWR | O_NONBLOCK, do_punch);
}
static long op_fsync(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_RDONLY | O_NONBLOCK, do_sync);
}
static long op_readdir(const char *p, const char *q)
{
	(void)p;
	(void)q;
	return with_file(dirs[draw(DIRS)], O_RDONLY | O_DIRECTORY, do_readdir);
}
static long op_mkdir(const char *p, const char *q)
{
	(void)q;
	return call(SYS_mkdir, P(p), draw(010000) & ~MODE_AVOID, 0, 0, 0);
}
static long op_rmdir(const char *p, const char *q)
{
	(void)q;
	return call(SYS_rmdir, P(p), 0, 0, 0, 0);
}
static long op_unlink(const char *p, const char *q)
{
	(void)q;
	return call(SYS_unlink, P(p), 0, 0, 0, 0);
}
static long op_rename(const char *p, const char *q)
{
	return call(SYS_renameat2, (unsigned long)AT_FDCWD, P(p), (unsigned long)AT_FDCWD, P(q), draw(3) ? 0 : draw(RENAME_FLAGS_MAX));
}
/* As root: for others it depends on the host's fs.protected_hardlinks. */
static long op_link(const char *p, const char *q)
{
	long user = call(SYS_setfsuid, 0, 0, 0, 0, 0), r = call(SYS_link, P(p), P(q), 0, 0, 0);

	(void)call(SYS_setfsuid, (unsigned long)user, 0, 0, 0, 0);
	return r;
}
static long op_symlink(const char *p, const char *q)
{
	char target[512];

	(void)q;
	(void)snprintf(target, sizeof(target), "%0*u", 1 + (int)draw(draw(3) ? 70 : 500), draw(9));
	return call(SYS_symlink, P(target), P(p), 0, 0, 0);
}
static long op_mknod(const char *p, const char *q)
{
	static const unsigned types[] = { S_IFIFO, S_IFCHR, S_IFBLK, S_IFSOCK, S_IFREG };
	unsigned type = types[draw(5)];

	(void)q;
	return call(SYS_mknod, P(p), type | draw(01000), type == S_IFCHR || type == S_IFBLK ? draw(1u << 20) : 0, 0, 0);
}
static long op_chmod(const char *p, const char *q)
{
	(void)q;
	return call(SYS_chmod, P(p), draw(010000) & ~MODE_AVOID, 0, 0, 0);
}
static long op_chown(const char *p, const char *q)
{
	(void)q;
	return call(SYS_lchown, P(p), draw(3) ? draw(70000) : (unsigned long)-1, draw(70000), 0, 0);
}
static void draw_attribute(char *out, size_t size)
{
	static const char *const classes[] = { "user.", "trusted.", "security.", "system.", "other." };
	unsigned c = draw(20);

	(void)snprintf(out, size, "%sx%u", classes[c < 12 ? 0 : c < 16 ? 1 : c < 18 ? 2 : c < 19 ? 3 : 4], draw(6));
}
static long op_setxattr(const char *p, const char *q)
{
	char name[64];
	size_t n = draw(4) ? draw(60) : draw(1200);

	(void)q;
	draw_attribute(name, sizeof(name));
	fill(n);
	printf(" %s %zu", name, n);
	return call(SYS_lsetxattr, P(p), P(name), P(buffer), n, draw(3));
}
static long op_removexattr(const char *p, const char *q)
{
	char name[64];

	(void)q;
	draw_attribute(name, sizeof(name));
	printf(" %s", name);
	return call(SYS_lremovexattr, P(p), P(name), 0, 0, 0);
}
static long op_utimes(const char *p, const char *q)
{
	struct timespec t[2] = { { .tv_sec = draw(0x7fffffff), .tv_nsec = draw(1000000000) }, { .tv_sec = draw(0x7fffffff), .tv_nsec = 5 } };

	(void)q;
	return call(SYS_utimensat, (unsigned long)AT_FDCWD, P(p), P(t), AT_SYMLINK_NOFOLLOW, 0);
}
static long do_flags(int fd)
{
	static const int masks[] = { 0, FS_APPEND_FL, FS_IMMUTABLE_FL, FS_NODUMP_FL, FS_NOATIME_FL, FS_SYNC_FL, 0, 0 };
	int flags = 0;
	long r = call(SYS_ioctl, (unsigned long)fd, FS_IOC_GETFLAGS, P(&flags), 0, 0);

	if (r)
		return r;
	printf(" %x", (unsigned)flags);
	flags = (flags & FS_INDEX_FL) | masks[draw(8)];
	return call(SYS_ioctl, (unsigned long)fd, FS_IOC_SETFLAGS, P(&flags), 0, 0);
}
static long do_fsxattr(int fd)
{
	static const uint32_t known[] = { 0, 0x8, 0x10, 0x20, 0x40, 0x80, 0, 0 };
	struct fsxattr x;
	long r = call(SYS_ioctl, (unsigned long)fd, FS_IOC_FSGETXATTR, P(&x), 0, 0);

	if (r)
		return r;
	printf(" %x %u", x.fsx_xflags & 0xf8, x.fsx_projid);
	if (draw(10))
		x.fsx_xflags = known[draw(8)] | known[draw(8)];
	else
		x.fsx_projid = 5; /* refused; with other flags Linux's ext4 driver says so too, but has set them by then */
	return call(SYS_ioctl, (unsigned long)fd, FS_IOC_FSSETXATTR, P(&x), 0, 0);
}
static long op_fsxattr(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_RDONLY | O_NONBLOCK, do_fsxattr);
}
static long op_flags(const char *p, const char *q)
{
	(void)q;
	return with_file(p, O_RDONLY | O_NONBLOCK, do_flags);
}
/* Mostly sound lists; some lack what they need. */
static long op_acl(const char *p, const char *q)
{
	struct { uint32_t version; struct { uint16_t tag, perm; uint32_t id; } e[8]; } a = { .version = 2 };
	const char *name = draw(3) ? "system.posix_acl_access" : "system.posix_acl_default";
	unsigned n = 0, named = 0;

	(void)q;
	for (unsigned tag = 1; tag <= 32; tag <<= 1) {
		unsigned many = tag == 2 || tag == 8 ? draw(3) : tag == 16 ? (named || !draw(3)) : draw(30) != 0;

		for (unsigned i = 0; i < many && n < 8; i++, n++) {
			a.e[n].tag = (uint16_t)tag;
			a.e[n].perm = (uint16_t)draw(8);
			a.e[n].id = tag == 2 || tag == 8 ? 999 + draw(4) : ~0u;
			named += tag == 2 || tag == 8;
		}
	}
	printf(" %s %u", name, n);
	if (!draw(5))
		return call(SYS_removexattr, P(p), P(name), 0, 0, 0);
	return call(SYS_setxattr, P(p), P(name), P(&a), 4 + 8 * n, 0);
}
static long op_acl_of_dir(const char *p, const char *q)
{
	(void)p;
	return op_acl(dirs[draw(DIRS)], q);
}
static long op_user(const char *p, const char *q)
{
	(void)p;
	(void)q;
	(void)call(SYS_setfsgid, 999 + draw(4), 0, 0, 0, 0);
	return call(SYS_setfsuid, draw(2) ? 0 : 999 + draw(3), 0, 0, 0, 0);
}

static const struct op {
	const char *name;
	unsigned weight;
	long (*run)(const char *p, const char *q);
} ops[] = {
	{ "create", 28, op_create },  { "write", 14, op_write },	 { "append", 6, op_append },   { "read", 8, op_read },	     { "truncate", 5, op_truncate },
	{ "punch", 3, op_punch },     { "fsync", 1, op_fsync },	 { "readdir", 2, op_readdir }, { "mkdir", 6, op_mkdir },     { "rmdir", 3, op_rmdir },
	{ "unlink", 12, op_unlink },  { "rename", 10, op_rename }, { "link", 5, op_link },	       { "symlink", 5, op_symlink }, { "mknod", 4, op_mknod },
	{ "chmod", 4, op_chmod },     { "chown", 4, op_chown },	 { "setxattr", 8, op_setxattr }, { "removexattr", 3, op_removexattr },
	{ "utimes", 2, op_utimes },   { "flags", 2, op_flags },
	{ "fsxattr", 1, op_fsxattr },	 { "user", 3, op_user },	 { "acl", 4, op_acl },
	{ "acl-of-dir", 2, op_acl_of_dir },
};

static void run_one(unsigned i)
{
	const size_t n = sizeof(ops) / sizeof(ops[0]);
	char p[600], q[600];
	unsigned total = 0, pick;
	long r;

	for (size_t k = 0; k < n; k++)
		total += ops[k].weight;
	pick = draw(total);
	draw_path(p, sizeof(p));
	draw_path(q, sizeof(q));
	for (size_t k = 0; k < n; k++) {
		if (pick >= ops[k].weight) {
			pick -= ops[k].weight;
			continue;
		}
		printf("%u %s %s", i, ops[k].name, p);
		if (ops[k].run == op_rename || ops[k].run == op_link)
			printf(" %s", q);
		r = ops[k].run(p, q);
		printf(" = %ld\n", r);
		return;
	}
}

/* ---------------------------------------------------------------- the tree */
static void tell_contents(const char *path)
{
	long fd = call(SYS_openat, (unsigned long)AT_FDCWD, P(path), O_RDONLY, 0, 0), n;
	uint64_t h = HASH_START, at = 0;

	if (fd < 0) {
		printf(" unreadable %ld", fd);
		return;
	}
	for (;;) { /* holes are skipped, or files of gigabytes would take for ever */
		long data = call(SYS_lseek, (unsigned long)fd, at, SEEK_DATA, 0, 0);

		if (data < 0)
			break;
		at = (uint64_t)data & ~(uint64_t)4095;
		n = call(SYS_pread64, (unsigned long)fd, P(buffer), 4096, at, 0);
		if (n <= 0)
			break;
		for (long i = 0; i < n; i++)
			if (buffer[i]) {
				h = hash_bytes(h, &at, sizeof(at));
				h = hash_bytes(h, buffer, (size_t)n);
				break;
			}
		at += (uint64_t)n;
	}
	printf(" %016llx", (unsigned long long)h);
	(void)call(SYS_close, (unsigned long)fd, 0, 0, 0, 0);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void tell_attributes(const char *path)
{
	static char list[65536], value[65536];
	long n = call(SYS_llistxattr, P(path), P(list), sizeof(list), 0, 0);
	uint64_t sum = 0;

	for (long at = 0; at < n; at += (long)strlen(list + at) + 1) {
		long v = call(SYS_lgetxattr, P(path), P(list + at), P(value), sizeof(value), 0);

		sum += hash_bytes(hash_bytes(HASH_START, list + at, strlen(list + at)), value, v > 0 ? (size_t)v : 0) + (uint64_t)(v < 0 ? v : 0);
	}
	printf(" x%016llx", (unsigned long long)sum);
}

static void tell(const char *path, unsigned depth);

static void tell_children(const char *path, unsigned depth)
{
	long fd = call(SYS_openat, (unsigned long)AT_FDCWD, P(path), O_RDONLY | O_DIRECTORY, 0, 0), n;
	size_t count = 0, room = 64;
	char **names = malloc(room * sizeof(*names));

	while (fd >= 0 && names && (n = call(SYS_getdents64, (unsigned long)fd, P(dirents), sizeof(dirents), 0, 0)) > 0) {
		for (long at = 0; at < n; at += ((const struct dirent64 *)(const void *)(dirents + at))->d_reclen) {
			const char *name = ((const struct dirent64 *)(const void *)(dirents + at))->d_name;

			if (!strcmp(name, ".") || !strcmp(name, "..") || !strcmp(name, "lost+found"))
				continue;
			if (count == room)
				names = realloc(names, (room *= 2) * sizeof(*names));
			names[count++] = strdup(name);
		}
	}
	(void)call(SYS_close, (unsigned long)fd, 0, 0, 0, 0);
	qsort(names, count, sizeof(*names), by_name);
	for (size_t i = 0; i < count; i++) {
		char child[4096];

		(void)snprintf(child, sizeof(child), "%s/%s", path, names[i]);
		tell(child, depth + 1);
		free(names[i]);
	}
	free(names);
}

static void tell(const char *path, unsigned depth)
{
	struct stat st;
	char link[4096];
	long r = call(SYS_lstat, P(path), P(&st), 0, 0, 0);

	if (r) {
		printf("%s: %ld\n", path, r);
		return;
	}
	printf("%s %o %lu %u %u", path, st.st_mode, (unsigned long)st.st_nlink, st.st_uid, st.st_gid);
	printf(" %lld %lld %lx", (long long)st.st_size, punches ? 0LL : (long long)st.st_blocks, (unsigned long)st.st_rdev);
	tell_attributes(path);
	if (S_ISREG(st.st_mode))
		tell_contents(path);
	if (S_ISLNK(st.st_mode)) {
		r = call(SYS_readlink, P(path), P(link), sizeof(link), 0, 0);
		printf(" -> %.*s", (int)(r > 0 ? r : 0), link);
	}
	printf("\n");
	if (S_ISDIR(st.st_mode) && depth < 40)
		tell_children(path, depth);
}

static int open_image(const char *file)
{
	struct maestro_options o = { .size = sizeof(o) };
	char disk[MAESTRO_DISK_NAME], source[64];
	int err = maestro_create(&o, &machine);

	if (!err)
		err = maestro_disk_add_file(machine, file, 0, disk);
	if (err)
		return err;
	(void)snprintf(source, sizeof(source), "/dev/%s", disk);
	err = (int)maestro_mkdir(machine, "/m", 0755);
	if (!err)
		err = maestro_mount(machine, source, "/m", "ext2", MS_NODEV, NULL);
	return err ? err : (int)maestro_chdir(machine, "/m");
}

int main(int argc, char **argv)
{
	unsigned n;
	int err = 0;

	if (argc != 5)
		return 2;
	state = strtoull(argv[3], NULL, 0) * 2 + 1;
	n = (unsigned)strtoul(argv[4], NULL, 0);
	punches = (state >> 1) % 2;
	if (!strcmp(argv[1], "image"))
		err = open_image(argv[2]);
	else if (chdir(argv[2]))
		err = -errno;
	if (err) {
		fprintf(stderr, "ext2-ops: %s: %s\n", argv[2], strerror(-err));
		return 2;
	}
	(void)call(SYS_umask, 022, 0, 0, 0, 0);
	for (unsigned i = 1; i < DIRS; i++) {
		(void)call(SYS_mkdir, P("c/d"), 0777, 0, 0, 0);
		(void)call(SYS_mkdir, P(dirs[i]), 0777, 0, 0, 0);
	}
	for (unsigned i = 0; i < n; i++)
		run_one(i);
	(void)call(SYS_setfsuid, 0, 0, 0, 0, 0);
	(void)call(SYS_sync, 0, 0, 0, 0, 0);
	tell(".", 0);
	if (!machine)
		return 0;
	(void)maestro_chdir(machine, "/");
	err = maestro_umount(machine, "/m", 0);
	if (!err)
		err = maestro_destroy(machine);
	if (err)
		fprintf(stderr, "ext2-ops: unmounting: %s\n", strerror(-err));
	return err ? 2 : 0;
}
