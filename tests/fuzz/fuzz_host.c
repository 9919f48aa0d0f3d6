/* SPDX-License-Identifier: MIT */
/*
 * The fuzzers' entry: one input is a damaged image (model_host.h), and with the target `ops` what to do with it. The kernel is made once; each input starts
 * from a snapshot of it, with the image as a disk.
 *
 * Target read: mounts read-only, and reads everything. Target ops: mounts for writing; then each 4 bytes of the rest of the input are an operation, two names
 * and a number.
 */
#include <errno.h>
#include <fcntl.h>
#include <maestro.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../images/tree_host.h"
#include "fuzz_host.h"
#include "model_host.h"

#define DISK_MOST (2560u << 10)
#define BASES_MOST 16
#define OPS_MOST 64

static struct {
	struct maestro *k;
	struct maestro_snapshot *start;
	struct model *bases[BASES_MOST];
	unsigned nbases;
	uint8_t image[DISK_MOST];
	size_t used; /* of image; the rest is 0 */
} f;

static int disk_read(void *arg, void *buf, uint64_t offset, size_t len)
{
	(void)arg;
	memcpy(buf, f.image + offset, len);
	return 0;
}

/* Not reached while there is a snapshot, but a disk that can be written has it. */
static int disk_write(void *arg, const void *buf, uint64_t offset, size_t len)
{
	(void)arg;
	memcpy(f.image + offset, buf, len);
	return 0;
}

static const struct maestro_disk_ops disk_ops = { .read = disk_read, .write = disk_write };

static void die(const char *what, int err)
{
	fprintf(stderr, "fuzz: %s: %d\n", what, err);
	exit(2);
}

static void log_line(void *arg, const char *text, size_t len)
{
	(void)arg;
	fwrite(text, 1, len, stderr);
}

static void load_bases(void)
{
	const char *folder = getenv("FUZZ_BASES");

	for (unsigned i = 0; i < BASES_MOST; i++) {
		struct model *m = malloc(sizeof(*m));
		uint8_t *image = malloc(DISK_MOST);
		char path[4096];
		FILE *file;
		size_t n;

		snprintf(path, sizeof(path), "%s/%u.img", folder ? folder : "build/fuzz/bases", i);
		file = fopen(path, "rb");
		if (!file) {
			free(m);
			free(image);
			break;
		}
		n = m && image ? fread(image, 1, DISK_MOST, file) : 0;
		fclose(file);
		if (!n || model_open(m, image, n))
			die(path, 0);
		f.bases[f.nbases++] = m;
	}
	if (!f.nbases)
		die("no images: make build/fuzz/bases", 0);
}

/* At the first input, so that the library's signal handlers come after the fuzzer's, and pass on what is not theirs. */
static void start(void)
{
	struct maestro_options o = { .size = sizeof(o), .memory = 32 << 20, .virtual_clock = true, .seed = 1, .log_level = 8,
				     .log = getenv("FUZZ_VERBOSE") ? log_line : NULL };
	char name[MAESTRO_DISK_NAME];
	int err;

	load_bases();
	err = maestro_create(&o, &f.k);
	if (!err)
		err = maestro_disk_add_ops(f.k, &disk_ops, NULL, DISK_MOST / 512, MAESTRO_DISK_NO_PARTITIONS, name);
	if (!err)
		err = maestro_mkdir(f.k, "/mnt", 0755);
	if (!err)
		err = maestro_snapshot(f.k, &f.start);
	if (err)
		die("no kernel", err);
}

static const char *const names[] = {
	"a", "b", "big", "dir", "dir/a", "dir/sub", "dir/sub/x", "many", "many/n1", "many/n17", "many/a name that takes some room", "link", "long-link", "attr",
	"new", "dir/new", "new/in", "many/new", "sparse", ".", "lost+found", "x/../y",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

static void one_fd_op(const struct world *w, unsigned op, const char *path, uint64_t n)
{
	static char buf[8192];
	long fd = CALL(w, SYS_openat, AT_FDCWD, path, (op & 1 ? O_RDWR | O_CREAT : O_RDONLY) | O_NONBLOCK, 0644, 0);

	if (fd < 0)
		return;
	switch (op) {
	case 1: CALL(w, SYS_pwrite64, fd, buf, 1 + n * 31 % sizeof(buf), n * 997, 0); break;
	case 3: CALL(w, SYS_pwrite64, fd, buf, 100, n << 22, 0); break;
	case 5: CALL(w, SYS_fallocate, fd, 3, n * 500, 1 + n * 1000, 0); break;
	case 7: CALL(w, SYS_ftruncate, fd, n * n * 13, 0, 0, 0); break;
	case 2: CALL(w, SYS_pread64, fd, buf, sizeof(buf), n * 4000, 0); break;
	case 4: CALL(w, SYS_getdents64, fd, buf, sizeof(buf), 0, 0); break;
	case 6: CALL(w, SYS_lseek, fd, n * 512, n & 1 ? SEEK_HOLE : SEEK_DATA, 0, 0); break;
	default: CALL(w, SYS_fsync, fd, 0, 0, 0, 0); break;
	}
	CALL(w, SYS_close, fd, 0, 0, 0, 0);
}

static void one_op(const struct world *w, const uint8_t *d)
{
	const char *a = names[d[1] % NAMES], *b = names[d[2] % NAMES];
	unsigned op = d[0] % 24;
	uint64_t n = d[3];
	char value[700];
	struct stat st;

	memset(value, 'v', sizeof(value));
	switch (op) {
	case 8: CALL(w, SYS_mkdir, a, 0755, 0, 0, 0); break;
	case 9: CALL(w, SYS_rmdir, a, 0, 0, 0, 0); break;
	case 10: CALL(w, SYS_unlink, a, 0, 0, 0, 0); break;
	case 11: CALL(w, SYS_rename, a, b, 0, 0, 0); break;
	case 12: CALL(w, SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2); break;
	case 13: CALL(w, SYS_link, a, b, 0, 0, 0); break;
	case 14: CALL(w, SYS_symlink, n & 1 ? a : "a/long/text/that/does/not/fit/into/the/inode/and/needs/a/block/of/its/own/to/be/in", b, 0, 0, 0); break;
	case 15: CALL(w, SYS_lsetxattr, a, "user.one", value, n * 3 % sizeof(value), 0); break;
	case 16: CALL(w, SYS_lsetxattr, a, "trusted.two", value, n % 50, n % 3); break;
	case 17: CALL(w, SYS_lremovexattr, a, n & 1 ? "user.one" : "user.attr", 0, 0, 0); break;
	case 18: CALL(w, SYS_lgetxattr, a, "user.attr", value, sizeof(value), 0); break;
	case 19: CALL(w, SYS_chmod, a, n << 3, 0, 0, 0); break;
	case 20: CALL(w, SYS_mknod, a, (n & 1 ? S_IFCHR : S_IFIFO) | 0600, n, 0, 0); break;
	case 21: CALL(w, SYS_sync, 0, 0, 0, 0, 0); break;
	case 22: maestro_drop_caches(w->k); break;
	case 23: CALL(w, SYS_lstat, a, &st, 0, 0, 0); break;
	default: one_fd_op(w, op, a, n); break;
	}
}

static void run_ops(const struct world *w, const uint8_t *data, size_t size)
{
	for (unsigned i = 0; i < OPS_MOST && size >= 4; i++, data += 4, size -= 4)
		one_op(w, data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct limits limits = { .depth = 6, .entries = 400, .file_bytes = 1 << 16 };
	const struct model *m;
	struct world w;
	size_t used;

	if (!f.k)
		start();
	if (size < 3)
		return 0;
	m = f.bases[data[0] % f.nbases];
	memcpy(f.image, m->image, m->size);
	if (f.used > m->size)
		memset(f.image + m->size, 0, f.used - m->size);
	f.used = m->size;
	used = model_patch(m, f.image, data, size);
	if (maestro_restore(f.k, f.start))
		abort();
	w.k = f.k;
	if (maestro_mount(f.k, "/dev/vda", "/mnt", "ext4", fuzz_target_ops ? 0 : MS_RDONLY, "errors=continue") || maestro_chdir(f.k, "/mnt"))
		return 0;
	if (fuzz_target_ops)
		run_ops(&w, data + used, size - used);
	tree_read(&w, ".", &limits, NULL);
	if (maestro_chdir(f.k, "/") || maestro_umount(f.k, "/mnt", 0))
		abort();
	return 0;
}
