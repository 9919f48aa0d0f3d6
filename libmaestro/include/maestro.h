/* SPDX-License-Identifier: MIT */
/*
 * libmaestro: a Linux-compatible kernel as a library.
 *
 *   struct maestro *k;
 *   char disk[MAESTRO_DISK_NAME];
 *   maestro_create(NULL, &k);
 *   maestro_disk_add_file(k, "image.ext2", 0, disk);           -> "vda", node /dev/vda
 *   maestro_mkdir(k, "/mnt", 0755);
 *   maestro_mount(k, "/dev/vda", "/mnt", "ext2", 0, NULL);
 *   int fd = maestro_open(k, "/mnt/hello", O_CREAT | O_WRONLY, 0644);
 *   maestro_write(k, fd, "hello\n", 6);
 *   maestro_close(k, fd);
 *   maestro_umount(k, "/mnt", 0);
 *   maestro_destroy(k);
 *
 * Build with `pkg-config --cflags --libs maestro`.
 *
 * Results. Calls return what Linux's system calls return to the C library: a result, or -errno (for example -ENOENT). errno is not touched. Flags,
 * structures and numbers are those of Linux on x86-64, as in the host's <fcntl.h>, <sys/stat.h>, <sys/mount.h> and so on. Pointers are the
 * process's own; a pointer that cannot be followed gives -EFAULT, not a crash (SIGSEGV and SIGBUS handlers are installed for that by the first
 * maestro_create(); faults elsewhere go to the handlers that were there before).
 *
 * Instances. Each has its own memory, mounts, open files, processes and clock; instances know nothing of each other. All state of one is in
 * memory that maestro_destroy() gives back. The first root is an empty tmpfs with a devtmpfs on /dev.
 *
 * Threads. Any thread may call into any instance at any time. All threads that enter one instance are threads of one process there: they share
 * file descriptors, working directory, umask and credentials of the first (root), and each has its own credentials from then on. With
 * options.threads 0 or 1 one thread at a time runs inside, others wait; with N, N run in parallel. Calls that block (a read from an empty pipe)
 * let others in. A thread that ends should call maestro_thread_exit() before. maestro_create() and maestro_destroy() of one instance are
 * for one thread; no other may be inside or enter when it is destroyed. After fork() in the host only the child may go on with an instance that
 * the parent then leaves alone, or the other way round; with other threads in the process at that time, neither the child.
 *
 * Time. No host thread is created. Kernel threads (write-back, for one) run when a caller blocks, when a call made work for them, and in
 * maestro_pump(). A process that holds a mounted disk for long should pump now and then, or sync.
 *
 * What is not here: fork, exec, exit, mmap and other calls on address spaces and control flow (-ENOSYS); signals are not delivered to callers (they
 * are ignored by default; signalfd and sigtimedwait see blocked ones); sockets other than AF_UNIX.
 *
 * Errors that are the kernel's own fault (a panic) go to options.panicked, which may longjmp() out; without it the process aborts. After a panic the
 * instance answers -EIO; only maestro_destroy() is useful then.
 */
#ifndef MAESTRO_H
#define MAESTRO_H

#ifndef MAESTRO_NO_STDINT
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* This header's version; functions are only added within a major one. */
#define MAESTRO_VERSION_MAJOR 0
#define MAESTRO_VERSION_MINOR 1
#define MAESTRO_VERSION ((MAESTRO_VERSION_MAJOR << 16) | MAESTRO_VERSION_MINOR)
/* The library's, to compare with. */
unsigned maestro_version(void);

struct maestro; /* an instance */
struct stat;
struct statfs;
struct statx;
struct timespec;
struct iovec;
struct pollfd;

/* ---------------------------------------------------------------- instances */
struct maestro_options {
	size_t size;	       /* sizeof(struct maestro_options): what the caller knows of it */
	uint64_t memory;       /* bytes of RAM; 0: 64 MiB. Taken from the host as it is used. At least 8 MiB */
	unsigned threads;      /* how many threads run inside in parallel: 0 or 1 .. 8 */
	bool virtual_clock;    /* time stands still, except that it jumps to the next timer when all inside sleep */
	uint64_t seed;	       /* not 0: random numbers are a sequence that starts here */
	/* Kernel log: whole lines with their newline, more urgent than log_level (0 .. 8; 0: 7). NULL: only a panic is told, on stderr. Called inside: it
	 * must not call into any instance. */
	void (*log)(void *arg, const char *text, size_t len);
	void *log_arg;
	int log_level;
	const char *cmdline;   /* boot line, at most 495 bytes; NULL: none */
	/* The kernel's invariants are broken. May longjmp; if it returns, the process aborts. */
	void (*panicked)(void *arg, const char *text);
	void *panic_arg;
	/*
	 * Kernel code is preempted at one in so many of the places where it may be (2 or more; 0: nowhere), drawn from `seed`. With the virtual clock and one calling
	 * thread, the same seed and the same calls are the same run, to the last switch: a race that a seed finds comes again with it. Not with threads > 1.
	 */
	unsigned preemption;
	bool huge_pages;       /* memory is taken 2 MiB at a time where the host can: fewer faults for one that will use much, waste for a small one */
};
/* options may be NULL: all 0. 0; -ENOMEM, -EINVAL. */
int maestro_create(const struct maestro_options *options, struct maestro **out);
/*
 * Writes everything out, unmounts, frees. Returns 0, or the first error of writing out (-EIO, -ENOSPC): the instance is gone in any case. NULL is
 * harmless. After a panic nothing is written.
 */
int maestro_destroy(struct maestro *k);
/* The calling thread will not call again (its task goes). Harmless if it never did. */
void maestro_thread_exit(struct maestro *k);
/* Lets kernel threads and due timers run: until nothing is runnable (ns < 0), or for that long by the instance's clock. */
void maestro_pump(struct maestro *k, int64_t ns);
/* The instance's monotonic clock, ns. */
int64_t maestro_time(struct maestro *k);
/*
 * For tests: the nth allocation of memory from now on fails (1: the next; 0: none). Returns how many were counted since the last call.
 */
uint64_t maestro_fail_nth_alloc(struct maestro *k, uint64_t n);
/*
 * What is to go wrong from now on, replacing what was planned before. Counts begin at 0; the nth of a kind is 1 for the next, 0 for none. A chance is
 * in millionths, drawn from `seed`: the same seed and the same calls give the same failures. NULL: all goes well (and the power is on again).
 * I/O is counted over all disks of the instance, a request of the block layer as one, whatever its length.
 */
struct maestro_faults {
	size_t size; /* sizeof(struct maestro_faults) */
	uint64_t seed;
	uint64_t alloc_nth, read_nth, write_nth, flush_nth;
	uint32_t alloc_per_million, read_per_million, write_per_million, flush_per_million;
	int io_error; /* what I/O that fails returns, -errno; 0: -EIO */
	/*
	 * The power is cut at this write (0: never): the first cut_sectors sectors of it still arrive; later writes, flushes and discards are lost, and the
	 * kernel is told that all is well. Reads give what is on the disk.
	 */
	uint32_t cut_sectors;
	uint64_t cut_write;
};
struct maestro_fault_counts {
	uint64_t allocs, reads, writes, flushes;
	bool power_off; /* cut_write was reached */
};
/* 0; -EINVAL: size, io_error; -EIO after a panic. */
int maestro_fault_plan(struct maestro *k, const struct maestro_faults *plan);
int maestro_fault_counts(struct maestro *k, struct maestro_fault_counts *out);
/* A virtual clock goes on by ns, timers that come due run. -EINVAL: the clock is the host's, or ns < 0. */
int maestro_clock_advance(struct maestro *k, int64_t ns);
/* The instance's wall clock; its monotonic one does not change. -EINVAL, -EFAULT. */
int maestro_clock_set(struct maestro *k, const struct timespec *wall);

/*
 * Tasks. A thread is a task of the instance's first process (see Threads, above). It can be another for a while: each of these is a process of its own, root's,
 * in /, with no file open. Several threads can each be one; calls made as a task see its files, working directory, umask and credentials.
 */
struct maestro_task;
/* 0; -ENOMEM, -EAGAIN: too many. */
int maestro_task_create(struct maestro *k, struct maestro_task **out);
/* The calling thread is t from now on; NULL: itself again. -EBUSY: another thread is t; -ENOMEM. */
int maestro_task_switch(struct maestro *k, struct maestro_task *t);
/* It exits; its files are closed. The calling thread is itself again. -EBUSY: another thread is t. NULL is harmless. */
int maestro_task_destroy(struct maestro *k, struct maestro_task *t);

struct maestro_memory {
	uint64_t total, free, cached, dirty; /* bytes */
	uint64_t objects;		     /* kernel objects in use, all kinds */
};
int maestro_memory(struct maestro *k, struct maestro_memory *out);
/* Gives back caches (clean pages, unused names and inodes), so that what is left is in use. */
void maestro_drop_caches(struct maestro *k);

/* ---------------------------------------------------------------- snapshots */
/*
 * The whole instance as it is now, to come back to as often as wanted: memory, open files, mounts, clock, random numbers, and the disks' contents. Taking
 * one takes less than a millisecond; restoring costs a copy of the pages written since (some 10 us for a mounted file system and a few calls).
 *
 * While an instance has a snapshot, what it writes to the disks that it had then stays in memory, and flushes do nothing: files on the host do not change.
 * maestro_snapshot_free() of the last snapshot writes the disks out as they are then; maestro_destroy() with snapshots still there does not.
 * Disks added after the snapshot are written through, and removed by restoring.
 *
 * Not part of it: what the host's own files get besides (a disk that another process writes to), what log callbacks and disk operations of the caller keep
 * for themselves, and handles (nodes, files) handed out after it: restoring makes those invalid. A thread that first came after it comes as new again.
 * Snapshots are of one process: fork() copies them with the instance, they cannot be taken elsewhere.
 *
 * No thread may be inside meanwhile (-EBUSY where that is seen). SIGSEGV finds the pages that are written: a handler that the program installs later must
 * pass on what is not its own. While a snapshot exists, a buffer of the instance's own memory must not be given to the host's read(2) and the like by
 * anyone but the library (disk operations of the caller may).
 */
struct maestro_snapshot;
/* 0; -EBUSY; -ENOMEM; -EIO after a panic; -EOPNOTSUPP in a program under ThreadSanitizer (and, with a library made for that, valgrind). */
int maestro_snapshot(struct maestro *k, struct maestro_snapshot **out);
/* The instance is as it was. Also after a panic that was left by longjmp. 0; -EBUSY; -EINVAL: not a snapshot of k. */
int maestro_restore(struct maestro *k, struct maestro_snapshot *s);
/* It is not needed any more; the instance stays as it is. 0; -EBUSY, -EINVAL: nothing was done; or the first error of writing the disks out. */
int maestro_snapshot_free(struct maestro *k, struct maestro_snapshot *s);

/* ---------------------------------------------------------------- disks */
#define MAESTRO_DISK_NAME 8 /* "vda", "vdb" ..., with NUL */
enum {
	MAESTRO_DISK_READ_ONLY = 1,
	MAESTRO_DISK_NO_LOCK = 2,   /* do not take flock(2) on the file (taken exclusively, or shared if read-only) */
	MAESTRO_DISK_FALL_BACK = 4, /* read-only if the file may not be written */
	MAESTRO_DISK_NO_PARTITIONS = 8,
	MAESTRO_DISK_NO_FLUSH = 16, /* a flush does not wait for the host's disk: what was synced survives this process, not a crash of the host */
};
/* A file, or a block device of the host, as a disk. 0; -EBUSY: another process has it locked; -ENOENT, -EACCES, -EINVAL (shorter than a sector), -ENOMEM. */
int maestro_disk_add_file(struct maestro *k, const char *path, unsigned flags, char name[MAESTRO_DISK_NAME]);
/* Only `size` bytes of it (0: to the end) from `offset` on, a multiple of 512. */
int maestro_disk_add_file_part(struct maestro *k, const char *path, unsigned flags, uint64_t offset, uint64_t size, char name[MAESTRO_DISK_NAME]);
/*
 * A disk of the caller's making. Functions return 0 or -errno, run inside (they must not call into the instance), one at a time per disk. offset and len are
 * bytes, multiples of 512. flush: everything written so far is to be lasting; NULL: it is at once. discard: NULL: not supported.
 */
struct maestro_disk_ops {
	int (*read)(void *arg, void *buf, uint64_t offset, size_t len);
	int (*write)(void *arg, const void *buf, uint64_t offset, size_t len);
	int (*flush)(void *arg);
	int (*discard)(void *arg, uint64_t offset, uint64_t len);
	void (*release)(void *arg); /* the disk is gone; may be NULL */
};
/* ops is kept by reference. sectors of 512 bytes. */
int maestro_disk_add_ops(struct maestro *k, const struct maestro_disk_ops *ops, void *arg, uint64_t sectors, unsigned flags, char name[MAESTRO_DISK_NAME]);
/* -ENODEV; -EBUSY while mounted or open. */
int maestro_disk_remove(struct maestro *k, const char *name);

/* ---------------------------------------------------------------- system calls */
/* By the x86-64 number (SYS_* of <sys/syscall.h>), as syscall(2); missing arguments need not be given. */
#define maestro_syscall(k, ...) maestro_syscall_pad_(k, __VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define maestro_syscall_pad_(k, nr, a, b, c, d, e, f, ...)                                                                      \
	maestro_syscall6(k, nr, (unsigned long)(a), (unsigned long)(b), (unsigned long)(c), (unsigned long)(d), (unsigned long)(e), \
			 (unsigned long)(f))
long maestro_syscall6(struct maestro *k, long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e, unsigned long f);

int maestro_mount(struct maestro *k, const char *source, const char *target, const char *type, unsigned long flags, const char *data);
int maestro_umount(struct maestro *k, const char *target, int flags);
int maestro_open(struct maestro *k, const char *path, int flags, ...); /* mode_t mode with O_CREAT */
int maestro_openat(struct maestro *k, int dir, const char *path, int flags, ...);
int maestro_close(struct maestro *k, int fd);
ssize_t maestro_read(struct maestro *k, int fd, void *buf, size_t n);
ssize_t maestro_write(struct maestro *k, int fd, const void *buf, size_t n);
ssize_t maestro_pread(struct maestro *k, int fd, void *buf, size_t n, int64_t offset);
ssize_t maestro_pwrite(struct maestro *k, int fd, const void *buf, size_t n, int64_t offset);
ssize_t maestro_readv(struct maestro *k, int fd, const struct iovec *iov, int n);
ssize_t maestro_writev(struct maestro *k, int fd, const struct iovec *iov, int n);
int64_t maestro_lseek(struct maestro *k, int fd, int64_t offset, int whence);
int maestro_stat(struct maestro *k, const char *path, struct stat *out);
int maestro_lstat(struct maestro *k, const char *path, struct stat *out);
int maestro_fstat(struct maestro *k, int fd, struct stat *out);
int maestro_fstatat(struct maestro *k, int dir, const char *path, struct stat *out, int flags);
int maestro_statx(struct maestro *k, int dir, const char *path, int flags, unsigned mask, struct statx *out);
int maestro_access(struct maestro *k, const char *path, int mode);
int maestro_mkdir(struct maestro *k, const char *path, unsigned mode);
int maestro_mkdirat(struct maestro *k, int dir, const char *path, unsigned mode);
int maestro_mknod(struct maestro *k, const char *path, unsigned mode, unsigned long dev);
int maestro_unlink(struct maestro *k, const char *path);
int maestro_unlinkat(struct maestro *k, int dir, const char *path, int flags);
int maestro_rmdir(struct maestro *k, const char *path);
int maestro_rename(struct maestro *k, const char *from, const char *to);
int maestro_renameat2(struct maestro *k, int fdir, const char *from, int tdir, const char *to, unsigned flags);
int maestro_link(struct maestro *k, const char *from, const char *to);
int maestro_linkat(struct maestro *k, int fdir, const char *from, int tdir, const char *to, int flags);
int maestro_symlink(struct maestro *k, const char *target, const char *path);
int maestro_symlinkat(struct maestro *k, const char *target, int dir, const char *path);
ssize_t maestro_readlink(struct maestro *k, const char *path, char *buf, size_t n);
ssize_t maestro_readlinkat(struct maestro *k, int dir, const char *path, char *buf, size_t n);
ssize_t maestro_getdents64(struct maestro *k, int fd, void *buf, size_t n);
int maestro_chdir(struct maestro *k, const char *path);
ssize_t maestro_getcwd(struct maestro *k, char *buf, size_t n); /* length with NUL */
unsigned maestro_umask(struct maestro *k, unsigned mask);
int maestro_truncate(struct maestro *k, const char *path, int64_t size);
int maestro_ftruncate(struct maestro *k, int fd, int64_t size);
int maestro_fallocate(struct maestro *k, int fd, int mode, int64_t offset, int64_t len);
int maestro_fsync(struct maestro *k, int fd);
int maestro_fdatasync(struct maestro *k, int fd);
int maestro_syncfs(struct maestro *k, int fd);
void maestro_sync(struct maestro *k);
int maestro_chmod(struct maestro *k, const char *path, unsigned mode);
int maestro_fchmod(struct maestro *k, int fd, unsigned mode);
int maestro_chown(struct maestro *k, const char *path, unsigned uid, unsigned gid);
int maestro_lchown(struct maestro *k, const char *path, unsigned uid, unsigned gid);
int maestro_fchown(struct maestro *k, int fd, unsigned uid, unsigned gid);
int maestro_utimensat(struct maestro *k, int dir, const char *path, const struct timespec *times, int flags); /* times[2] or NULL: now */
int maestro_statfs(struct maestro *k, const char *path, struct statfs *out);
int maestro_fstatfs(struct maestro *k, int fd, struct statfs *out);
int maestro_dup(struct maestro *k, int fd);
int maestro_dup2(struct maestro *k, int fd, int to);
int maestro_fcntl(struct maestro *k, int fd, int cmd, ...); /* long or pointer, where cmd wants one */
int maestro_ioctl(struct maestro *k, int fd, unsigned long cmd, ...);
int maestro_flock(struct maestro *k, int fd, int op);
int maestro_pipe2(struct maestro *k, int fds[2], int flags);
int maestro_poll(struct maestro *k, struct pollfd *fds, unsigned long n, int timeout_ms);
ssize_t maestro_getxattr(struct maestro *k, const char *path, const char *name, void *buf, size_t n);
ssize_t maestro_lgetxattr(struct maestro *k, const char *path, const char *name, void *buf, size_t n);
ssize_t maestro_listxattr(struct maestro *k, const char *path, char *buf, size_t n);
int maestro_setxattr(struct maestro *k, const char *path, const char *name, const void *val, size_t n, int flags);
int maestro_removexattr(struct maestro *k, const char *path, const char *name);

/* ---------------------------------------------------------------- nodes */
/*
 * Files without path names, for servers (FUSE, 9P, NFS): a node is an object of a file system: a file, a directory ... The same object is the same node, however it
 * was found. maestro_node_root() and each call with `out` add one to a node's lookup count; maestro_node_forget() takes from it, and at 0 the handle
 * is gone. A node keeps its object usable after its last name was removed, as an open file does. Handles must all be forgotten before the
 * file system is unmounted (-EBUSY otherwise).
 *
 * `who` acts: it owns what it makes, and is checked unless privileged. NULL: root. The instance's umask applies to create (use maestro_umask(k, 0)
 * if modes come masked already); mkdir and mknod take the mode as it is.
 */
struct maestro_node;
struct maestro_file; /* an open file */
struct maestro_caller {
	uint32_t uid, gid;
	bool privileged; /* permissions were checked elsewhere: only ownership of new files is by uid and gid */
};
struct maestro_attr {
	uint64_t ino, size, blocks; /* blocks of 512 bytes */
	uint64_t dev;
	uint32_t mode, nlink, uid, gid, rdev_major, rdev_minor, blksize;
	int64_t atime, mtime, ctime; /* s */
	uint32_t atime_ns, mtime_ns, ctime_ns;
};
enum { MAESTRO_SET_MODE = 1, MAESTRO_SET_UID = 2, MAESTRO_SET_GID = 4, MAESTRO_SET_SIZE = 8, MAESTRO_SET_ATIME = 16, MAESTRO_SET_MTIME = 32,
       MAESTRO_SET_ATIME_NOW = 64, MAESTRO_SET_MTIME_NOW = 128, MAESTRO_SET_CTIME = 256,
       MAESTRO_SET_KILL_PRIVS = 512 /* set-id bits go, as chown(2) takes them */ };
struct maestro_statfs {
	uint64_t blocks, bfree, bavail, files, ffree;
	uint32_t bsize, frsize, namelen;
	bool read_only;
};
/* The node that the path leads to (links followed). */
int maestro_node_root(struct maestro *k, const char *path, struct maestro_node **out);
void maestro_node_forget(struct maestro *k, struct maestro_node *n, uint64_t count);
int maestro_node_lookup(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, struct maestro_node **out);
int maestro_node_getattr(struct maestro *k, struct maestro_node *n, struct maestro_attr *out);
/* `set` names the members of *a to use. The new state goes to *out (may be a). */
int maestro_node_setattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, unsigned set, const struct maestro_attr *a, struct maestro_attr *out);
/* Length; buf is not NUL-terminated when it is full. */
ssize_t maestro_node_readlink(struct maestro *k, struct maestro_node *n, char *buf, size_t size);
int maestro_node_mkdir(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, struct maestro_node **out);
int maestro_node_mknod(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, uint32_t major,
		       uint32_t minor, struct maestro_node **out);
int maestro_node_symlink(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, const char *target,
			 struct maestro_node **out);
int maestro_node_link(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, struct maestro_node *dir, const char *name);
int maestro_node_unlink(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name);
int maestro_node_rmdir(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name);
/* flags: RENAME_NOREPLACE 1, RENAME_EXCHANGE 2. */
int maestro_node_rename(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, struct maestro_node *ndir,
			const char *nname, unsigned flags);
/* flags: O_* as for open(2); O_CREAT and O_EXCL are ignored. Directories too. */
int maestro_node_open(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, unsigned flags, struct maestro_file **out);
/* Makes a new file (-EEXIST) and opens it. */
int maestro_node_create(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, unsigned flags,
			struct maestro_node **out, struct maestro_file **file);
/*
 * A file that belongs to the node: open for reading, and for writing where file system and file allow any; it goes with the node and is not to be closed.
 * For servers that keep no state of what their clients have open, and have checked what these may do.
 */
int maestro_node_file(struct maestro *k, struct maestro_node *n, struct maestro_file **out);
/* What may be done with the file has changed (FS_IOC_SETFLAGS): its own file is opened anew. */
int maestro_node_file_again(struct maestro *k, struct maestro_node *n);
/* ioctl(2) of the file system; arg as the command wants it. -ENOTTY: there is no such command. */
long maestro_file_ioctl(struct maestro *k, const struct maestro_caller *who, struct maestro_file *f, unsigned cmd, void *arg);
ssize_t maestro_file_read(struct maestro *k, struct maestro_file *f, void *buf, size_t n, uint64_t offset);
ssize_t maestro_file_write(struct maestro *k, struct maestro_file *f, const void *buf, size_t n, uint64_t offset);
/*
 * Reading without copying: give() gets what the file holds at offset, n bytes at most, in pieces of memory that are good until it returns. They are for system calls
 * of the host alone (some may be a map of a disk's image: a system call answers EFAULT where that cannot be read). give() must not call into the
 * instance; another thread may, and may close the file meanwhile. What it returns is returned; 0: the end of the file; -EOPNOTSUPP, -ENOMEM: use maestro_file_read().
 */
typedef ssize_t maestro_give(void *arg, const struct iovec *pieces, unsigned count, size_t bytes);
ssize_t maestro_file_give(struct maestro *k, struct maestro_file *f, uint64_t offset, size_t n, maestro_give *give, void *arg);
/*
 * Memory of the instance, in whole pages. What maestro_file_write() finds in it (from the beginning of a page, 64 KiB or more) goes to the disk at once, instead of
 * by way of the page cache, where it is in whole pages of the file. NULL: no memory. It goes with the instance.
 */
void *maestro_buffer_alloc(struct maestro *k, size_t size);
void maestro_buffer_free(struct maestro *k, void *buf, size_t size);
int maestro_file_flush(struct maestro *k, struct maestro_file *f); /* as each close(2) does */
int maestro_file_fsync(struct maestro *k, struct maestro_file *f, bool data_only);
int maestro_file_fallocate(struct maestro *k, struct maestro_file *f, int mode, uint64_t offset, uint64_t len);
/* whence SEEK_DATA 3, SEEK_HOLE 4. */
int64_t maestro_file_lseek(struct maestro *k, struct maestro_file *f, int64_t offset, int whence);
/*
 * Calls entry() for each name from position `offset` on (0: the beginning), "." and ".." too, until it returns false (that entry was not taken) or the end.
 * next: the position after the entry. type: DT_*. entry() must not call into the instance.
 */
typedef bool maestro_entry(void *arg, const char *name, size_t len, uint64_t ino, unsigned type, uint64_t next);
int maestro_file_readdir(struct maestro *k, struct maestro_file *f, uint64_t offset, maestro_entry *entry, void *arg);
void maestro_file_close(struct maestro *k, struct maestro_file *f);
int maestro_node_statfs(struct maestro *k, struct maestro_node *n, struct maestro_statfs *out);
/* size 0: returns the size wanted. -ENODATA, -ERANGE, -EOPNOTSUPP. */
ssize_t maestro_node_getxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, const char *name, void *buf, size_t size);
ssize_t maestro_node_listxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, char *buf, size_t size);
/* flags: XATTR_CREATE 1, XATTR_REPLACE 2. val NULL: removes. */
int maestro_node_setxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, const char *name, const void *val, size_t size, int flags);

#ifdef __cplusplus
}
#endif
#endif
