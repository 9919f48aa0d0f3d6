/* SPDX-License-Identifier: MIT */
/*
 * maestro-img: files in ext2 images, without root.
 *
 *   main.c     commands, options, scripts        text.c    strings, numbers, modes, dates as users write them
 *   session.c  the kernel instance, its images   side.c    the same calls on the host's files and on an image's
 *   mkfs.c     a new file system                 copy.c    trees from side to side
 *   show.c     ls cat stat find df info          tar_read.c, tar_write.c, tar.c
 *   change.c   mkdir rm mv ln chmod ...          spec.c    tables of owners, modes and devices
 *
 * One kernel instance serves one run. An image is a disk of it, mounted on a directory; before calls go to an image that directory becomes the
 * root (chroot), so that absolute links inside lead where they would on the booted system. All is one thread.
 *
 * Functions return 0 or -errno where they say nothing else, and leave the complaint to the caller; those that return enum img_exit have complained.
 */
#pragma once

#include <maestro.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

/* Exit codes, in maestro-img(1). The worst of a run counts. */
enum img_exit { IMG_OK, IMG_FAILED, IMG_USAGE, IMG_NO_IMAGE, IMG_NO_SPACE, IMG_WRITE };

/* --- text.c --- */
struct text { /* a string that grows; data is NUL-terminated once anything was added */
	char *data;
	size_t len, size;
};
void text_add(struct text *t, const char *s, size_t n); /* exits when there is no memory, as all of these */
void text_adds(struct text *t, const char *s);
void text_cut(struct text *t, size_t len);
void text_free(struct text *t);
/* Appends "/name" (one slash) and returns the length before, for text_cut(). */
size_t text_push(struct text *t, const char *name);
void *must_alloc(size_t n);
void *must_realloc(void *p, size_t n);
char *must_dup(const char *s);
/* 0, or -EINVAL. Sizes take K M G T (1024) behind the number. */
int parse_size(const char *s, uint64_t *out);
int parse_number(const char *s, uint64_t max, uint64_t *out);
int parse_owner(const char *s, int64_t *uid, int64_t *gid); /* UID, UID:GID, :GID; -1: not given */
int parse_seconds(const char *s, struct timespec *out);	    /* [-]SECONDS[.FRACTION]; *out is set in any case */
int parse_date(const char *s, struct timespec *out);	    /* @SECONDS[.FRACTION], or YYYY-MM-DD[ HH:MM[:SS]] in UTC, or now */
/* The mode that chmod(1)'s MODE makes of `mode` (type bits as in st_mode). */
int parse_mode(const char *s, mode_t mode, mode_t *out);
void print_mode(mode_t mode, char out[11]);
void print_date(const struct timespec *t, char out[64]);
const char *base_name(const char *path);
char *without_slashes(const char *path); /* at the end of it; a copy */
/* A line into words as a shell does (quotes, backslash, # comments), in place: how many, or -EINVAL. */
int split_words(char *line, char **words, int max);

/* --- session.c --- */
struct image {
	struct image *next;
	char *file;
	unsigned part;	       /* 0: none */
	uint64_t offset, size; /* size 0: to the end */
	bool writable;
	char disk[MAESTRO_DISK_NAME], mount[16];
};
struct session {
	struct maestro *k; /* NULL until needed */
	struct image *images, *current;
	int top;	     /* the instance's own root */
	unsigned mounts;     /* how many there were */
	uint64_t offset, size, memory; /* options */
	const char *at;	     /* the image that "@" means in a script */
	bool quiet, script;
	int64_t epoch;	     /* SOURCE_DATE_EPOCH, or -1 */
	enum img_exit worst;
	/* progress */
	uint64_t done_files, done_bytes;
	struct timespec shown;
	bool showing;
};
struct place { /* what an argument names: IMAGE[:part=N][:/path] */
	char *file, *path; /* path NULL: none was given */
	unsigned part;
};
void session_init(struct session *s);
/* Writes all out and ends the instance. */
enum img_exit session_end(struct session *s);
void place_parse(const struct session *s, const char *arg, struct place *out);
void place_free(struct place *p);
bool place_in_image(const char *arg); /* IMAGE:/path */
/* The image that p names, mounted. */
enum img_exit image_open(struct session *s, const struct place *p, bool write, struct image **out);
enum img_exit image_close(struct session *s, struct image *im);
/* If this file is open, closes it: its raw bytes are about to be changed. */
enum img_exit image_close_file(struct session *s, const char *file);
/* Where the file system is in the host's file: bytes. */
enum img_exit image_range(struct session *s, const struct place *p, uint64_t *offset, uint64_t *size);
void image_enter(struct session *s, struct image *im);
int64_t now_seconds(const struct session *s);
/* "maestro-img: ...", and remembers the worst exit code. err: a -errno whose text is added, or 0. */
void complain(struct session *s, enum img_exit code, int err, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* What could not be written at `path`; for -ENOSPC how much room there is. need: bytes that were still to come. */
enum img_exit complain_write(struct session *s, struct image *im, const char *path, int err, uint64_t need);
void progress(struct session *s, uint64_t files, uint64_t bytes);
void progress_end(struct session *s);

/* --- side.c: paths and descriptors of the host (im NULL) or of an image --- */
struct side {
	struct session *s;
	struct image *im;
};
struct names {
	char **list;
	size_t count;
};
int side_lstat(struct side *d, const char *path, struct stat *out);
int side_stat(struct side *d, const char *path, struct stat *out);
int side_list(struct side *d, const char *path, struct names *out); /* sorted, without . and .. */
void names_free(struct names *n);
int side_readlink(struct side *d, const char *path, char out[4097]);
int side_open(struct side *d, const char *path, int flags, mode_t mode);
int side_close(struct side *d, int fd);
ssize_t side_read(struct side *d, int fd, void *buf, size_t n, uint64_t offset);
int side_write(struct side *d, int fd, const void *buf, size_t n, uint64_t offset); /* all of it */
int64_t side_seek(struct side *d, int fd, int64_t offset, int whence);
int side_resize(struct side *d, int fd, uint64_t size);
int side_mkdir(struct side *d, const char *path, mode_t mode);
int side_mknod(struct side *d, const char *path, mode_t mode, dev_t dev);
int side_symlink(struct side *d, const char *target, const char *path);
int side_link(struct side *d, const char *from, const char *to);
int side_unlink(struct side *d, const char *path);
int side_rmdir(struct side *d, const char *path);
int side_rename(struct side *d, const char *from, const char *to);
int side_chown(struct side *d, const char *path, uid_t uid, gid_t gid);
int side_chmod(struct side *d, const char *path, mode_t mode);
int side_times(struct side *d, const char *path, const struct timespec times[2]);
ssize_t side_listxattr(struct side *d, const char *path, char *buf, size_t n);
ssize_t side_getxattr(struct side *d, const char *path, const char *name, void *buf, size_t n);
int side_setxattr(struct side *d, const char *path, const char *name, const void *val, size_t n);
int side_removexattr(struct side *d, const char *path, const char *name);
/* A tree, directories after what is in them. */
int side_remove_all(struct side *d, const char *path);
/* mkdir -p. */
int side_make_path(struct side *d, const char *path, mode_t mode);

/* --- copy.c --- */
#define COPY_CHUNK (1u << 20)
struct override { /* what replaces the source's */
	int64_t uid, gid;  /* -1: kept */
	const char *mode;  /* as for chmod; NULL: kept */
};
struct links { /* files with several names, already made */
	struct link_entry *slots;
	size_t count, size;
};
/* The name under which the file (dev, ino) was made, or NULL, and then `path` is noted. */
const char *links_note(struct links *l, dev_t dev, ino_t ino, const char *path);
void links_free(struct links *l);
struct copy {
	struct session *s;
	struct side from, to;
	struct override over;
	struct links links;
	char *buf;	   /* COPY_CHUNK */
	bool keep_dirs; /* directories that are there stay as they are */
	bool warned_owner, warned_xattr;
};
void copy_init(struct copy *c, struct session *s, struct image *from, struct image *to);
void copy_fini(struct copy *c);
/* What `from` names becomes `to`; a directory is merged into one that is there, other things are replaced. */
enum img_exit copy_tree(struct copy *c, const char *from, const char *to);
/* Bytes that a tree of the host would take in blocks of this size, and how many inodes. */
int copy_measure(const char *path, unsigned block, uint64_t *bytes, uint64_t *inodes);
/* Owner, mode, times, extended attributes (mode not for links). */
int put_meta(struct side *to, const char *path, const struct stat *st);

/* --- tar_read.c, tar_write.c --- */
enum tar_format { TAR_PAX, TAR_GNU, TAR_USTAR };
/* Unpacks the archive on fd into dir of the image. name: of the archive, for messages. */
enum img_exit tar_extract(struct session *s, struct image *im, int fd, const char *name, const char *dir, const struct override *over);
/* Opens an archive; a compressed one through its program (*child, to be waited for, or 0). "-": standard input. */
int tar_open(const char *name, pid_t *child);
enum img_exit tar_create(struct session *s, struct image *im, int fd, const char *name, const char *dir, enum tar_format format);

/* --- spec.c --- */
enum img_exit spec_apply(struct session *s, struct image *im, const char *file, const char *dir);

/* --- mkfs.c --- */
struct mkfs_options {
	unsigned block, inode_size; /* 0: chosen by size */
	uint64_t inodes, ratio;	    /* 0: chosen */
	double reserved;	    /* percent */
	const char *label, *uuid;   /* uuid: NULL random */
	bool force;
};
/* Formats `file` (made `size` bytes long if size is not 0 and it is no part of a larger one). */
enum img_exit mkfs(struct session *s, const struct place *p, uint64_t size, const struct mkfs_options *o);
enum img_exit command_label(struct session *s, int argc, char **argv);
enum img_exit command_info(struct session *s, int argc, char **argv);
int parse_uuid(const char *s, uint8_t out[16]);

/* --- commands: argv[0] is the name --- */
enum img_exit command_ls(struct session *s, int argc, char **argv);
enum img_exit command_cat(struct session *s, int argc, char **argv);
enum img_exit command_stat(struct session *s, int argc, char **argv);
enum img_exit command_find(struct session *s, int argc, char **argv);
enum img_exit command_df(struct session *s, int argc, char **argv);
enum img_exit command_getfattr(struct session *s, int argc, char **argv);
enum img_exit command_mkdir(struct session *s, int argc, char **argv);
enum img_exit command_rm(struct session *s, int argc, char **argv);
enum img_exit command_mv(struct session *s, int argc, char **argv);
enum img_exit command_ln(struct session *s, int argc, char **argv);
enum img_exit command_chmod(struct session *s, int argc, char **argv);
enum img_exit command_chown(struct session *s, int argc, char **argv);
enum img_exit command_touch(struct session *s, int argc, char **argv);
enum img_exit command_setfattr(struct session *s, int argc, char **argv);
enum img_exit command_write(struct session *s, int argc, char **argv);
enum img_exit command_mknod(struct session *s, int argc, char **argv);
enum img_exit command_cp(struct session *s, int argc, char **argv);
enum img_exit command_tar(struct session *s, int argc, char **argv);
enum img_exit command_untar(struct session *s, int argc, char **argv);
enum img_exit command_spec(struct session *s, int argc, char **argv);
enum img_exit command_mkfs(struct session *s, int argc, char **argv);

/* --- main.c --- */
/*
 * getopt_long() with the options that every command has (--offset, --sizelimit, --memory, --quiet, --help) already taken: the next option's
 * letter, -1 at the end; '?' after complaining. letters as for getopt, longs may be NULL. `optind` and `optarg` as usual.
 */
struct option;
int next_option(struct session *s, int argc, char **argv, const char *letters, const struct option *longs);
/* Complains of the use of a command and points to its --help. */
enum img_exit usage_error(struct session *s, const char *command, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The first operand is an image: opens it. The rest are from optind on. */
enum img_exit open_operand(struct session *s, int argc, char **argv, bool write, struct side *out);
