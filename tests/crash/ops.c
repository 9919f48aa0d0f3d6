/* SPDX-License-Identifier: MIT */
/*
 * The file operations. They work on A (3000 bytes), B (10000), C (empty), D/ with f and g, R/ (empty), S (a long symlink), X (with an extended attribute);
 * nothing touches K and KD/. In a sequence an operation may fail, for what an earlier one did; that is as good as any other.
 */
#include "crash.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <time.h>

#define LONG_TARGET "a target that is too long for the inode and takes a block of its own, 0123456789 0123456789"

static long put(struct maestro *k, const char *path, int flags, char c, size_t n, int64_t offset)
{
	static char data[20000];
	int fd = maestro_open(k, path, O_WRONLY | flags, 0644);
	long done;

	if (fd < 0)
		return fd;
	for (size_t i = 0; i < n; i++)
		data[i] = (char)(c + (char)(i % 61));
	done = flags & O_APPEND ? maestro_write(k, fd, data, n) : maestro_pwrite(k, fd, data, n, offset);
	maestro_close(k, fd);
	return done;
}

void ops_prepare(struct maestro *k)
{
	MUST(put(k, "/mnt/A", O_CREAT, 'A', 3000, 0));
	MUST(put(k, "/mnt/B", O_CREAT, 'B', 10000, 0));
	MUST(put(k, "/mnt/C", O_CREAT, 'C', 0, 0));
	MUST(put(k, "/mnt/X", O_CREAT, 'X', 1500, 0));
	MUST(maestro_setxattr(k, "/mnt/X", "user.t", "old", 3, 0));
	MUST(maestro_mkdir(k, "/mnt/D", 0755));
	MUST(put(k, "/mnt/D/f", O_CREAT, 'f', 5000, 0));
	MUST(put(k, "/mnt/D/g", O_CREAT, 'g', 100, 0));
	MUST(maestro_mkdir(k, "/mnt/R", 0700));
	MUST(maestro_symlink(k, LONG_TARGET, "/mnt/S"));
	MUST(put(k, "/mnt/K", O_CREAT, 'K', 7000, 0));
	MUST(maestro_mkdir(k, "/mnt/KD", 0711));
	MUST(put(k, "/mnt/KD/k", O_CREAT, 'k', 2000, 0));
	MUST(maestro_symlink(k, "short", "/mnt/KD/s"));
}

static long create(struct maestro *k)
{
	return put(k, "/mnt/N", O_CREAT | O_EXCL, 'N', 0, 0);
}
static long create_written(struct maestro *k)
{
	return put(k, "/mnt/N", O_CREAT, 'n', 2500, 0);
}
static long create_below(struct maestro *k)
{
	return put(k, "/mnt/D/n", O_CREAT, 'm', 600, 0);
}
static long overwrite(struct maestro *k)
{
	return put(k, "/mnt/A", 0, 'o', 1200, 900);
}
static long append(struct maestro *k)
{
	return put(k, "/mnt/A", O_APPEND, 'p', 1800, 0);
}
static long append_indirect(struct maestro *k)
{
	return put(k, "/mnt/B", O_APPEND, 'q', 6000, 0);
}
static long write_far(struct maestro *k)
{
	return put(k, "/mnt/C", 0, 'r', 1000, 300000);
}
static long write_new_trunc(struct maestro *k)
{
	return put(k, "/mnt/A", O_TRUNC, 's', 2100, 0);
}
static long truncate_some(struct maestro *k)
{
	return maestro_truncate(k, "/mnt/A", 700);
}
static long truncate_all(struct maestro *k)
{
	return maestro_truncate(k, "/mnt/B", 0);
}
static long truncate_longer(struct maestro *k)
{
	return maestro_truncate(k, "/mnt/A", 9000);
}
static long rename_plain(struct maestro *k)
{
	return maestro_rename(k, "/mnt/A", "/mnt/A2");
}
static long rename_over(struct maestro *k)
{
	return maestro_rename(k, "/mnt/A", "/mnt/B");
}
static long rename_across(struct maestro *k)
{
	return maestro_rename(k, "/mnt/A", "/mnt/D/a");
}
static long rename_dir(struct maestro *k)
{
	return maestro_rename(k, "/mnt/D", "/mnt/R/D");
}
static long exchange(struct maestro *k)
{
	return maestro_renameat2(k, AT_FDCWD, "/mnt/B", AT_FDCWD, "/mnt/X", 2);
}
static long replace(struct maestro *k)
{
	long err = put(k, "/mnt/tmp", O_CREAT | O_TRUNC, 't', 2222, 0);
	int fd;

	if (err < 0)
		return err;
	fd = maestro_open(k, "/mnt/tmp", O_RDONLY);
	maestro_fsync(k, fd);
	maestro_close(k, fd);
	return maestro_rename(k, "/mnt/tmp", "/mnt/A");
}
static long link_new(struct maestro *k)
{
	return maestro_link(k, "/mnt/A", "/mnt/L");
}
static long unlink_small(struct maestro *k)
{
	return maestro_unlink(k, "/mnt/A");
}
static long unlink_big(struct maestro *k)
{
	return maestro_unlink(k, "/mnt/B");
}
static long make_dir(struct maestro *k)
{
	return maestro_mkdir(k, "/mnt/M", 0750);
}
static long remove_dir(struct maestro *k)
{
	return maestro_rmdir(k, "/mnt/R");
}
static long symlink_short(struct maestro *k)
{
	return maestro_symlink(k, "target", "/mnt/Y");
}
static long symlink_long(struct maestro *k)
{
	return maestro_symlink(k, LONG_TARGET, "/mnt/Z");
}
static long unlink_symlink(struct maestro *k)
{
	return maestro_unlink(k, "/mnt/S");
}
static long xattr_new(struct maestro *k)
{
	return maestro_setxattr(k, "/mnt/A", "user.t", "a value", 7, 0);
}
static long xattr_change(struct maestro *k)
{
	return maestro_setxattr(k, "/mnt/X", "user.t", "another", 7, 0);
}
static long xattr_remove(struct maestro *k)
{
	return maestro_removexattr(k, "/mnt/X", "user.t");
}
static long falloc(struct maestro *k, const char *path, int mode, int64_t offset, int64_t len)
{
	int fd = maestro_open(k, path, O_RDWR);
	long err = fd < 0 ? fd : maestro_fallocate(k, fd, mode, offset, len);

	if (fd >= 0)
		maestro_close(k, fd);
	return err;
}
static long punch(struct maestro *k)
{
	return falloc(k, "/mnt/B", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2048, 5000);
}
static long allocate(struct maestro *k)
{
	return falloc(k, "/mnt/C", 0, 0, 4000);
}
static long change_mode(struct maestro *k)
{
	return maestro_chmod(k, "/mnt/A", 0600);
}
static long change_owner(struct maestro *k)
{
	return maestro_chown(k, "/mnt/A", 1000, 1000);
}
static long change_times(struct maestro *k)
{
	const struct timespec t[2] = {{1, 0}, {2, 0}};

	return maestro_utimensat(k, AT_FDCWD, "/mnt/A", t, 0);
}
static long make_fifo(struct maestro *k)
{
	return maestro_mknod(k, "/mnt/F", S_IFIFO | 0644, 0);
}

const struct op ops[] = {
	{"create", create, {"N"}},
	{"create and write", create_written, {"N"}},
	{"create in a directory", create_below, {"D/n"}},
	{"overwrite", overwrite, {"A"}},
	{"append", append, {"A"}},
	{"append past the direct blocks", append_indirect, {"B"}},
	{"write far behind the end", write_far, {"C"}},
	{"open with O_TRUNC and write", write_new_trunc, {"A"}},
	{"truncate to 700", truncate_some, {"A"}},
	{"truncate to 0", truncate_all, {"B"}},
	{"truncate to 9000", truncate_longer, {"A"}},
	{"rename", rename_plain, {"A2", "A"}},
	{"rename over", rename_over, {"B", "A"}},
	{"rename to another directory", rename_across, {"D/a", "A"}},
	{"rename a directory", rename_dir, {"R/D", "D"}},
	{"exchange", exchange, {"B", "X"}},
	{"replace by rename", replace, {"A", "tmp"}},
	{"link", link_new, {"L"}},
	{"unlink", unlink_small, {"A"}},
	{"unlink with indirect blocks", unlink_big, {"B"}},
	{"mkdir", make_dir, {"M"}},
	{"rmdir", remove_dir, {"R"}},
	{"symlink", symlink_short, {"Y"}},
	{"long symlink", symlink_long, {"Z"}},
	{"unlink a symlink", unlink_symlink, {"S"}},
	{"setxattr", xattr_new, {"A"}},
	{"setxattr again", xattr_change, {"X"}},
	{"removexattr", xattr_remove, {"X"}},
	{"punch a hole", punch, {"B"}},
	{"fallocate", allocate, {"C"}},
	{"chmod", change_mode, {"A"}},
	{"chown", change_owner, {"A"}},
	{"utimensat", change_times, {"A"}},
	{"mkfifo", make_fifo, {"F"}},
};
const unsigned nops = sizeof(ops) / sizeof(ops[0]);
