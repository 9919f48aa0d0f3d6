/* SPDX-License-Identifier: MIT */
/*
 * maestro-fuse: what its parts share.
 *
 *   main_host.c     mounting, by two processes: one keeps the mount and the log, the other serves
 *   options_host.c  the command line
 *   wire_host.c     reading from and writing to the FUSE device
 *   place_host.c    on which CPU the server waits for them
 *   serve_host.c    the serving process: threads that answer requests
 *   sandbox_host.c  what the serving process gives up before it reads a request or a block of the file system
 *   ops_host.c      requests on names and attributes
 *   io_host.c       requests on contents, directories, extended attributes
 */
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <maestro.h>
#include <sys/stat.h>

#define PLACE_CPUS 4
struct place { /* place_host.c's */
	int cpu[PLACE_CPUS]; /* on which the thread may run */
	unsigned cpus;	     /* 0: it is not to be moved */
	unsigned way, last;  /* 0: anywhere, else on cpu[way - 1]; last: what the last trials gave */
	bool trying;
	unsigned seen, count; /* requests this way; those that came quickly */
	unsigned stay, left;  /* windows */
	int64_t before, sum;  /* ns */
	int64_t average[PLACE_CPUS + 1]; /* by way */
};
struct wire { /* wire_host.c's */
	struct place place;
	int fd;
	uint64_t init; /* the request that began the session, until it is answered */
	uint32_t offered; /* FUSE_* flags of the host's kernel */
	bool may_spin, nonblocking;
	int credit;		  /* how well it pays to ask again before sleeping */
	unsigned rest, rest_next; /* waits without that */
};
struct front {
	struct maestro *k;
	struct maestro_node *root;
	double timeout; /* s that the host's kernel may keep names and attributes */
	bool read_only, fakeroot, no_xattr, writeback, stateless, stateless_dirs;
	int64_t uid, gid; /* all files are shown as theirs; -1: as they are */
	unsigned threads;
	struct wire wire;
	uint64_t file_limit; /* no write of the process goes beyond that offset; 0: no limit */
};

/* --- ops_host.c --- */
extern const struct fuse_lowlevel_ops front_ops;
struct maestro_node *front_node(const struct front *f, fuse_ino_t ino);
struct maestro_caller front_caller(fuse_req_t req);
void front_stat(const struct front *f, const struct maestro_attr *a, struct stat *st);
/* Takes over one lookup of n; gives it back on error. */
int front_entry(const struct front *f, struct maestro_node *n, struct fuse_entry_param *e);
static inline struct front *front_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* --- io_host.c: the operations of their names --- */
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t offset, off_t length, struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in, struct fuse_file_info *fi_in, fuse_ino_t out, off_t off_out,
			struct fuse_file_info *fi_out, size_t len, int flags);
void op_ioctl(fuse_req_t req, fuse_ino_t ino, unsigned cmd, void *arg, struct fuse_file_info *fi, unsigned flags, const void *in, size_t in_size,
	      size_t out_size);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* --- wire_host.c --- */
/* The session's requests come from fd from now on. 0 or -errno. */
int wire_attach(struct front *f, struct fuse_session *se, int fd);
/* The request being answered by this thread is to take away set-id bits too. */
bool wire_kills_privs(void);
/*
 * Answers it, without an error, from pieces of memory that may be such as only system calls can touch. 0, and req is gone; or -errno, and nothing was
 * answered: -EFAULT if they could not be read.
 */
int wire_reply_pieces(fuse_req_t req, const struct iovec *pieces, unsigned count, size_t bytes);
/* Memory for the requests of a thread, which can be freed by wire_buffer_free(); NULL: libfuse may get its own. */
char *wire_buffer(struct front *f);
void wire_buffer_free(struct front *f, char *buf);

/* --- place_host.c --- */
/* alone: there is one serving thread. */
void place_init(struct place *p, bool alone);
/* By the serving thread, when a request came. */
void place_request(struct place *p, int64_t now);

/* --- serve_host.c --- */
/* Signals, and sandbox(). 0 or -errno. */
int confine(const struct front *f);
/*
 * Answers requests until the mount is gone, SIGTERM comes, or the other end of `control` is closed; then writes all out and ends the instance. The exit
 * status of the process.
 */
int serve(struct front *f, struct fuse_session *se, int control);

/* --- sandbox_host.c --- */
/* Gives up privileges and system calls, for good. 0 or -errno. */
int sandbox(uint64_t file_limit);
