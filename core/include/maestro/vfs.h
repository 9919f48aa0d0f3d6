/* SPDX-License-Identifier: MIT */
/*
 * The virtual file system: super, inode, dentry, mount, file, and what a file system provides.
 * Context of all operations: process, may sleep, unless said. Lock table per operation: docs/locking.md.
 *
 *   open("/a/b")  namei: walks dentries (dcache) from the task's root or cwd over mounts, calling inode_ops.lookup on a miss
 *                 -> struct file on (mount, dentry), file_ops from the inode -> fd in the task's files
 */
#pragma once

#include <maestro/cred.h>
#include <maestro/fasync.h>
#include <maestro/lock.h>
#include <maestro/pagecache.h>
#include <maestro/timer.h>
#include <maestro/wait.h>

#define S_IFMT 0170000u
#define S_IFSOCK 0140000u
#define S_IFLNK 0120000u
#define S_IFREG 0100000u
#define S_IFBLK 0060000u
#define S_IFDIR 0040000u
#define S_IFCHR 0020000u
#define S_IFIFO 0010000u
#define S_ISUID 04000u
#define S_ISGID 02000u
#define S_ISVTX 01000u
#define S_ISLNK(m) (((m)&S_IFMT) == S_IFLNK)
#define S_ISREG(m) (((m)&S_IFMT) == S_IFREG)
#define S_ISDIR(m) (((m)&S_IFMT) == S_IFDIR)
#define S_ISCHR(m) (((m)&S_IFMT) == S_IFCHR)
#define S_ISBLK(m) (((m)&S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m)&S_IFMT) == S_IFSOCK)

/* i386 and x86_64 agree on these (fcntl.h). O_LARGEFILE is 0100000 in the file's flags. */
#define O_ACCMODE 3u
#define O_RDONLY 0u
#define O_WRONLY 1u
#define O_RDWR 2u
#define O_CREAT 0100u
#define O_EXCL 0200u
#define O_NOCTTY 0400u
#define O_TRUNC 01000u
#define O_APPEND 02000u
#define O_NONBLOCK 04000u
#define O_DSYNC 010000u
#define O_ASYNC 020000u
#define O_DIRECT 040000u
#define O_LARGEFILE 0100000u
#define O_DIRECTORY 0200000u
#define O_NOFOLLOW 0400000u
#define O_NOATIME 01000000u
#define O_CLOEXEC 02000000u
#define O_SYNC 04010000u
#define O_PATH 010000000u
#define O_TMPFILE 020200000u

#define AT_FDCWD (-100)
#define AT_SYMLINK_NOFOLLOW 0x100u
#define AT_EACCESS 0x200u
#define AT_REMOVEDIR 0x200u
#define AT_SYMLINK_FOLLOW 0x400u
#define AT_NO_AUTOMOUNT 0x800u
#define AT_EMPTY_PATH 0x1000u

#define MAY_EXEC 1u
#define MAY_WRITE 2u
#define MAY_READ 4u
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define SEEK_DATA 3
#define SEEK_HOLE 4

#define EPOLLIN 0x001u
#define EPOLLPRI 0x002u
#define EPOLLOUT 0x004u
#define EPOLLERR 0x008u
#define EPOLLHUP 0x010u
#define EPOLLNVAL 0x020u
#define EPOLLRDNORM 0x040u
#define EPOLLRDBAND 0x080u
#define EPOLLWRNORM 0x100u
#define EPOLLWRBAND 0x200u
#define EPOLLRDHUP 0x2000u

struct inode;
struct dentry;
struct file;
struct super;
struct mount;
struct fs_type;
struct block_device;
struct poll_table;
struct vma;

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};
void path_get(const struct path *p);
void path_put(const struct path *p);

/* ---------------------------------------------------------------- inode */
/* What setattr changes. */
enum { ATTR_MODE = 1, ATTR_UID = 2, ATTR_GID = 4, ATTR_SIZE = 8, ATTR_ATIME = 16, ATTR_MTIME = 32, ATTR_CTIME = 64, ATTR_ATIME_SET = 128, ATTR_MTIME_SET = 256, ATTR_KILL_SUID = 512, ATTR_KILL_SGID = 1024, ATTR_TRUNC_OPEN = 2048 };
struct attr {
	u32 valid;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	loff_t size;
	struct timespec64 atime, mtime, ctime;
};
struct kstat {
	dev_t dev, rdev;
	ino_t ino;
	mode_t mode;
	u32 nlink;
	uid_t uid;
	gid_t gid;
	loff_t size;
	u64 blocks; /* 512-byte units */
	u32 blksize;
	struct timespec64 atime, mtime, ctime, btime;
	bool has_btime;
	u64 attributes, attributes_mask, mnt_id;
};
struct name { /* a component; not NUL-terminated for the file system */
	const char *str;
	u32 len;
	u32 hash;
};
/*
 * Locks: `dir` is held for writing (rwsem) in all that change it, for reading in lookup. A victim or source inode is write-locked in unlink, rmdir, link, rename.
 * A new object's dentry is negative on entry; on success the op has called dentry_instantiate().
 */
struct inode_ops {
	/* Finds d->name in dir: dentry_splice(d, inode or NULL for "no such"). Errors other than ENOENT are returned. */
	kerr_t (*lookup)(struct inode *dir, struct dentry *d);
	kerr_t (*create)(struct inode *dir, struct dentry *d, mode_t mode);
	kerr_t (*link)(struct dentry *old, struct inode *dir, struct dentry *d);
	kerr_t (*unlink)(struct inode *dir, struct dentry *d);
	kerr_t (*symlink)(struct inode *dir, struct dentry *d, const char *target);
	kerr_t (*mkdir)(struct inode *dir, struct dentry *d, mode_t mode);
	kerr_t (*rmdir)(struct inode *dir, struct dentry *d);
	kerr_t (*mknod)(struct inode *dir, struct dentry *d, mode_t mode, dev_t rdev);
	/* flags: RENAME_NOREPLACE is already checked; RENAME_EXCHANGE is passed. */
	kerr_t (*rename)(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, unsigned flags);
	kerr_t (*tmpfile)(struct inode *dir, struct inode **out, mode_t mode);
	/* The link's text, NUL-terminated, into buf (PATH_MAX). */
	kerr_t (*readlink)(struct inode *inode, char *buf);
	/* A magic link (/proc/PID/fd/N): gives the path itself, referenced. NULL: ordinary. */
	kerr_t (*follow)(struct inode *inode, struct path *out);
	/* Checked by the caller; applies, marks dirty. NULL: inode_setattr_simple. */
	kerr_t (*setattr)(struct inode *inode, const struct attr *a);
	/* NULL: from the inode's fields. */
	kerr_t (*getattr)(struct inode *inode, struct kstat *out);
	kerr_t (*permission)(struct inode *inode, unsigned mask); /* NULL: mode bits */
	ssize_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
	kerr_t (*setxattr)(struct inode *inode, const char *name, const void *val, size_t size, int flags); /* val NULL: remove */
	ssize_t (*listxattr)(struct inode *inode, char *buf, size_t size);
};

enum inode_state { I_NEW = 1, I_DIRTY = 2, I_DIRTY_PAGES = 4, I_FREEING = 8, I_SYNC = 16, I_DIRTY_TIME = 32, I_BAD = 64 /* never became valid */ };
enum { INODE_IMMUTABLE = 1, INODE_APPEND = 2, INODE_NOATIME = 4, INODE_SYNC = 8, INODE_DIRSYNC = 16, INODE_PRIVATE = 32, INODE_DEAD = 64 /* a removed directory */,
       INODE_NO_NEW = 256 /* a directory where no name can be made, even by those who may write: ENOENT */,
       INODE_NO_CAPS = 512 /* known to have no security.capability */,
       INODE_LINKABLE = 128 /* made by O_TMPFILE without O_EXCL: may get its first name */ };
struct inode {
	/* [c] */
	ino_t ino;
	struct super *sb;
	const struct inode_ops *ops;
	const struct file_ops *fops; /* what open() gives; for device nodes set by inode_init_special */
	dev_t rdev;
	/* [a] */
	struct atomic refs;
	struct atomic writers;	   /* open for writing; negative: execution denies it (ETXTBSY) */
	struct atomic readers;	   /* regular files open for reading only: for leases */
	/* [rwsem] */
	struct rwsem rwsem;
	mode_t mode; /* type bits constant */
	uid_t uid;
	gid_t gid;
	u32 nlink;
	loff_t size; /* read with inode_size() */
	u64 blocks;  /* 512-byte units [lock] */
	u32 flags;   /* INODE_* */
	/* [lock] */
	struct spinlock lock; /* RANK_ISPIN */
	struct timespec64 atime, mtime, ctime, btime;
	u32 generation;
	u64 version;
	u32 state; /* enum inode_state */
	/* [inode cache lock] */
	struct hlist_node hash;
	struct list lru, sb_node;
	struct list dirty_node;	 /* [sb->dirty_lock] */
	ktime_t dirtied;	 /* [sb->dirty_lock] when it came on the dirty list */
	struct list dentries;	 /* [dcache lock] aliases */
	struct mapping *mapping; /* [c] usually &data */
	struct mapping data;
	union { /* special files and rooms of their own */
		struct pipe *pipe;
		struct block_device *bdev;
		void *priv;
	};
	struct hlist watches;	     /* [vfs.notify_lock] inotify's */
	struct file_lock_ctx *locks; /* [lock] flock and POSIX locks, or NULL */
	u32 nleases;		     /* [vfs.locks_lock] to write */
	u32 seals;		     /* memfd */
};
/* --- inode cache (core/vfs/inode.c) --- */
kerr_t inode_new(struct super *sb, struct inode **out) __must_check; /* not hashed, refs 1, zeroed, mapping set up */
/* Found in the cache (uptodate, referenced), or a new one with I_NEW that the caller fills and ends with inode_unlock_new() or inode_fail_new(). */
kerr_t inode_get_locked(struct super *sb, ino_t ino, struct inode **out) __must_check;
struct inode *inode_find(struct super *sb, ino_t ino); /* NULL if not cached */
void inode_make_findable(struct inode *inode);	       /* a live one, made without inode_insert(): hashes it, if it is not */
void inode_insert(struct inode *inode);		       /* hashes a fresh one under its ino; still I_NEW: end with inode_unlock_new */
void inode_unlock_new(struct inode *inode);
void inode_fail_new(struct inode *inode);
static inline struct inode *inode_get(struct inode *i)
{
	atomic_inc(&i->refs);
	return i;
}
/* A reference to an inode seen on a list of its super (whose lock is held); false: it is being freed. */
bool inode_grab(struct inode *inode) __must_check;
void inode_put(struct inode *inode); /* the last one with nlink 0 evicts; else it stays cached. May sleep */
enum { DIRTY_SYNC = I_DIRTY, DIRTY_PAGES = I_DIRTY_PAGES };
/* INODE_*: inode.flags are changed under inode.lock and read without it. Any context that holds no lock above RANK_ISPIN. */
void inode_flags_change(struct inode *inode, u32 set, u32 clear);
void inode_mark_dirty(struct inode *inode, u32 what); /* any context that holds no lock above RANK_INODE_CACHE */
loff_t inode_size(const struct inode *inode);	      /* without tearing on 32-bit */
void inode_set_size(struct inode *inode, loff_t size);
void inode_touch(struct inode *inode, u32 attr_times); /* ATTR_ATIME|MTIME|CTIME to now, marks dirty */
void file_accessed(struct file *f);		       /* relatime and its mount flags */
void inode_init_special(struct inode *inode, mode_t mode, dev_t rdev); /* fops of char, block, fifo, socket nodes */
void inode_init_owner(struct inode *inode, const struct inode *dir, mode_t mode); /* fsuid, fsgid or set-gid directory's */
kerr_t inode_setattr_simple(struct inode *inode, const struct attr *a); /* all but size on disk: fields and times, mark dirty */
kerr_t inode_write_sync(struct inode *inode, bool wait) __must_check;	/* pages, then inode */
void inode_nlink_drop(struct inode *inode);
void inode_nlink_add(struct inode *inode);
bool inode_owner_or_capable(const struct inode *inode);
/* A change of contents or owner takes file capabilities away, whoever makes it. rwsem held for writing. */
kerr_t inode_drop_caps_slow(struct inode *inode) __must_check;
static inline kerr_t inode_drop_caps(struct inode *inode);
u32 inode_privs_to_kill(const struct inode *inode); /* the ATTR_KILL_* of a change of the contents by current. rwsem held for writing */
kerr_t inode_kill_privs(struct inode *inode) __must_check; /* before a change of the contents by one without CAP_FSETID. rwsem held for writing */
kerr_t inode_size_ok(const struct inode *inode, loff_t size) __must_check; /* may it grow so far: KERR(EFBIG), with SIGXFSZ past RLIMIT_FSIZE */
kerr_t inode_permission(struct inode *inode, unsigned mask) __must_check; /* by current's fsuid etc. */

/* ---------------------------------------------------------------- dentry */
#define DNAME_INLINE 32
struct dentry {
	/* [c] while hashed; rename changes them under the rename mutex and dcache lock */
	struct dentry *parent; /* itself for a root */
	struct name name;
	struct inode *inode;  /* NULL: negative. [dcache lock] and parent's rwsem */
	struct super *sb;
	struct atomic refs;   /* [a] */
	/* [dcache lock] */
	struct hlist_node hash;
	struct list sibling, children, lru, alias;
	u32 flags;
	unsigned mounted; /* how many mounts sit on it */
	const struct dentry_ops *ops;
	void *priv;
	char inline_name[DNAME_INLINE];
};
struct dentry_ops {
	bool (*revalidate)(struct dentry *d); /* false: drop it and look up again (procfs) */
	bool no_cache_on_put;		      /* drop when unused */
	/* text of a dentry without a place ("pipe:[12]"); NULL: by path */
	size_t (*dname)(struct dentry *d, char *buf, size_t size);
};
static inline struct dentry *dentry_get(struct dentry *d)
{
	atomic_inc(&d->refs);
	return d;
}
void dentry_put(struct dentry *d);
kerr_t dentry_alloc(struct super *sb, struct dentry *parent, const struct name *n, struct dentry **out) __must_check; /* takes a ref on parent */
void dentry_instantiate(struct dentry *d, struct inode *inode); /* negative -> positive; consumes the inode reference */
void dentry_splice(struct dentry *d, struct inode *inode);	/* end of lookup: hashes d, positive or negative (inode NULL) */
kerr_t dentry_make_root(struct inode *inode, struct dentry **out) __must_check; /* consumes inode, also on error */
void dentry_drop(struct dentry *d);   /* unhash: the next lookup asks the file system */
void dentry_prune_children(struct dentry *d); /* forgets what nobody uses below d */
void dentry_delete(struct dentry *d);	      /* its object lost this name: becomes negative, or is unhashed if others hold it */
u32 name_hash(const struct dentry *parent, const char *s, size_t len);
/* Text of path p as seen from root (at the end of buf). Returns start inside buf or NULL (ENAMETOOLONG). Deleted: " (deleted)". *unreachable out.
 * Without mounts (mnt NULL in both): inside its file system. */
char *path_text(const struct path *p, const struct path *root, char *buf, size_t size, bool *unreachable);

/* ---------------------------------------------------------------- super, fs_type, mount */
struct kstatfs {
	u64 type, bsize, blocks, bfree, bavail, files, ffree, fsid, namelen, frsize, flags;
};
#define MS_RDONLY 1u
#define MS_NOSUID 2u
#define MS_NODEV 4u
#define MS_NOEXEC 8u
#define MS_SYNCHRONOUS 16u
#define MS_REMOUNT 32u
#define MS_MANDLOCK 64u
#define MS_DIRSYNC 128u
#define MS_NOSYMFOLLOW 256u
#define MS_NOATIME 1024u
#define MS_NODIRATIME 2048u
#define MS_BIND 4096u
#define MS_MOVE 8192u
#define MS_REC 16384u
#define MS_SILENT 32768u
#define MS_UNBINDABLE (1u << 17)
#define MS_PRIVATE (1u << 18)
#define MS_SLAVE (1u << 19)
#define MS_SHARED (1u << 20)
#define MS_RELATIME (1u << 21)
#define MS_STRICTATIME (1u << 24)
#define MS_LAZYTIME (1u << 25)
struct seq_buf;
#define FILE_ID_WORDS 4u
struct file_id { /* what a file handle says: name_to_handle_at(2) */
	u32 word[FILE_ID_WORDS];
	unsigned words;
	int type;
};
struct super_ops {
	/* An inode with room for the file system's part; zeroed. NULL: kzalloc(sizeof(struct inode)). */
	struct inode *(*alloc_inode)(struct super *sb);
	void (*free_inode)(struct inode *inode);
	kerr_t (*write_inode)(struct inode *inode, bool wait);
	/* nlink is 0 and nobody uses it (delete on disk), or it leaves the cache; pages are already gone after mapping_truncate(..., 0) which evict must call. */
	void (*evict_inode)(struct inode *inode);
	/* File systems whose tree lives in memory: frees everything below the root directory, before put_super. NULL: nothing. */
	void (*kill_tree)(struct inode *root);
	void (*put_super)(struct super *sb);
	kerr_t (*sync_fs)(struct super *sb, bool wait);
	kerr_t (*statfs)(struct super *sb, struct kstatfs *out);
	kerr_t (*remount)(struct super *sb, unsigned *ms_flags, const char *data);
	void (*show_options)(struct super *sb, struct seq_buf *s);
	/* Handles. All three, or NULL: there are none. */
	void (*id_make)(struct inode *inode, struct file_id *out);
	kerr_t (*id_find)(struct super *sb, const struct file_id *id, struct inode **out); /* KERR(ESTALE); also inodes without links that are open */
	kerr_t (*dir_parent)(struct inode *dir, struct inode **out);			   /* rwsem is not held */
};
struct super {
	const struct fs_type *type; /* [c] */
	const struct super_ops *ops;
	struct dentry *root;
	dev_t dev;	 /* st_dev */
	u32 blocksize;
	loff_t max_bytes;
	u32 time_gran;	 /* ns */
	s64 time_min, time_max; /* s */
	u64 magic;
	struct block_device *bdev; /* or NULL */
	char id[32];	 /* "sda1" */
	u32 flags;	 /* MS_RDONLY | MS_SYNCHRONOUS ... [umount_sem] */
	struct atomic active; /* [a] mounts */
	struct rwsem umount_sem;
	struct mutex rename_mutex;
	struct spinlock inodes_lock;
	struct list inodes; /* [inodes_lock] */
	struct spinlock dirty_lock;
	struct list dirty;  /* [dirty_lock] inodes */
	struct list node;   /* [vfs.supers_lock] */
	struct errseq wb_err; /* of pages of any of its files */
	void *priv;
};
struct fs_type {
	const char *name;
	u32 flags; /* FS_* */
	/* Fills a new super (dev, bdev are set for FS_REQUIRES_DEV): ops, root, magic, blocksize. On error leaves nothing. */
	kerr_t (*fill_super)(struct super *sb, const char *data, bool silent);
	/* Of fsconfig(2): "key" or "key=value". KERR(ENOENT): no such option; KERR(EINVAL): a bad value. NULL: that shows when it is mounted. */
	kerr_t (*check_option)(const char *option);
};
enum { FS_REQUIRES_DEV = 1, FS_SINGLE = 2 /* one super for all mounts: sysfs, devtmpfs */, FS_NODEV_LISTED = 4 };
kerr_t fs_register(const struct fs_type *t) __must_check;
const struct fs_type *fs_find(const char *name);
kerr_t fs_no_options(const char *option) __must_check; /* a check_option of a type without any */

struct mount {
	struct super *sb;	    /* [c] */
	struct dentry *root;	    /* [c] what of the super is seen (bind) */
	int id;			    /* [vfs.mount_mutex] to set, once; 0: a kernel's own */
	char *source;		    /* [c] text for /proc/mounts */
	struct atomic refs;	    /* [a] */
	/* [vfs.mount_lock, spin] written also under vfs.mount_mutex */
	struct mount *parent;
	struct dentry *point;
	struct list child_node, children, all_node;
	struct hlist_node hash;	    /* by (parent, point) */
	u32 flags;		    /* MS_NOSUID.. as mnt flags */
	/* [vfs.mount_mutex] propagation, core/vfs/mount_peers.c */
	int peer_group;		    /* 0: not shared; else the number of: */
	struct list peers;	    /* a ring of mounts, without a head */
	struct mount *master;	    /* what happens in its group happens here */
	struct list slaves, slave_node; /* in the master's */
	bool unbindable;
	bool detached;
	bool listed;		    /* in vfs.mounts */
	bool held;		    /* made read-only by a change that may yet be refused */
	bool loose;		    /* the top of a tree that hangs nowhere yet: the file that made it holds it */
	bool expiring;		    /* unused since umount2(MNT_EXPIRE); any mount_put() clears it, racing is harmless */
	struct atomic writers;	    /* [a] mnt_want_write count */
};
struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m);
void mount_put_unused(struct mount *m); /* the same, but it does not count as a use for MNT_EXPIRE */
/* Refuses with KERR(EROFS); keeps the mount from becoming read-only meanwhile. */
kerr_t mount_want_write(struct mount *m) __must_check;
void mount_drop_write(struct mount *m);
kerr_t do_mount(const char *source, const struct path *at, const char *type, unsigned flags, const char *data) __must_check;
kerr_t do_umount(const struct path *at, unsigned flags) __must_check;
/* A mount outside any tree (kernel-internal: pipes, anon inodes, tests). */
kerr_t mount_kernel(const struct fs_type *t, const char *source, unsigned flags, const char *data, struct mount **out) __must_check;
kerr_t do_pivot_root(const struct path *new_root, const struct path *put_old) __must_check;
kerr_t do_sync_all(bool wait);	   /* sync(2) */
kerr_t super_sync(struct super *sb, bool wait) __must_check;
kerr_t vfs_remount_all_ro(void);   /* shutdown: sync and make every file system read-only */
kerr_t vfs_statfs(struct super *sb, struct kstatfs *out) __must_check;
/* For /proc/mounts and /proc/filesystems. The mount mutex is held meanwhile. */
void mount_for_each(void (*fn)(struct mount *m, void *arg), void *arg);
void fs_type_for_each(void (*fn)(const struct fs_type *t, void *arg), void *arg);
void super_for_each(void (*fn)(struct super *sb, void *arg), void *arg);
kerr_t vfs_init(void) __must_check; /* caches, rootfs (a tmpfs) as the first mount */

/* ---------------------------------------------------------------- file */
#define FMODE_READ 1u
#define FMODE_WRITE 2u
#define FMODE_PATH 4u
#define FMODE_EXEC 8u
#define FMODE_STREAM 16u /* no position: pipes, ttys; ESPIPE on lseek and pread */
#define FMODE_NONOTIFY 32u
#define FMODE_READER 128u /* counted in inode.readers */
#define FMODE_UNMOUNT 256u /* its mount goes with it, unless that has found a place */
#define FMODE_WRITER 64u /* counted in inode.writers and mount.writers */
struct dir_context {
	/* Takes one entry; false: buffer full, stop. pos: cookie after this entry. type: DT_*. */
	bool (*actor)(struct dir_context *ctx, const char *name, size_t len, ino_t ino, unsigned type, loff_t next_pos);
	loff_t pos; /* where to go on */
};
enum { DT_UNKNOWN = 0, DT_FIFO = 1, DT_CHR = 2, DT_DIR = 4, DT_BLK = 6, DT_REG = 8, DT_LNK = 10, DT_SOCK = 12 };
struct file_ops {
	kerr_t (*open)(struct inode *inode, struct file *f);	/* NULL: nothing to do */
	void (*release)(struct inode *inode, struct file *f);	/* the last reference went */
	kerr_t (*flush)(struct file *f);			/* each close(2) */
	ssize_t (*read_iter)(struct file *f, struct iov_iter *it, loff_t *pos);
	ssize_t (*write_iter)(struct file *f, struct iov_iter *it, loff_t *pos);
	loff_t (*llseek)(struct file *f, loff_t off, int whence); /* NULL: ESPIPE with FMODE_STREAM, else generic */
	kerr_t (*iterate)(struct file *f, struct dir_context *ctx); /* readdir; inode's rwsem held for reading */
	/* Calls poll_wait() on its queues, returns EPOLL* bits that are ready now. NULL: always IN|OUT. */
	u32 (*poll)(struct file *f, struct poll_table *pt);
	long (*ioctl)(struct file *f, unsigned cmd, unsigned long arg); /* -ENOIOCTLCMD: unknown */
	kerr_t (*mmap)(struct file *f, struct vma *v);		/* sets v->ops; NULL: ENODEV */
	kerr_t (*fsync)(struct file *f, loff_t start, loff_t end, bool datasync);
	long (*fallocate)(struct file *f, int mode, loff_t off, loff_t len);
	kerr_t (*set_flags)(struct file *f, unsigned flags);	/* F_SETFL; NULL: accept */
	kerr_t (*fasync)(int fd, struct file *f, bool on);	/* O_ASYNC comes or goes: fasync_set(). NULL: no signals here */
	void (*show_fdinfo)(struct file *f, struct seq_buf *s);
	uaddr_t (*get_unmapped_area)(struct file *f, size_t len);
};
struct file {
	struct path path;	    /* [c] references */
	struct inode *inode;	    /* [c] */
	const struct file_ops *ops; /* [c] after open */
	const struct cred *cred;    /* [c] */
	struct atomic refs;	    /* [a] */
	u32 mode;		    /* [c] FMODE_* */
	u32 flags;		    /* O_*; [lock] */
	struct spinlock lock;
	struct mutex pos_mutex;
	loff_t pos;		    /* [pos_mutex] */
	struct readahead ra;	    /* [o]-ish: races are harmless */
	u32 wb_err_seen, sb_err_seen; /* [a] errors of write-back that who has it was told of: of the file, of its file system */
	void *priv;
	struct list epoll_links;    /* [vfs.epoll_mutex] */
	struct file *defer_next;    /* [vfs.defer_lock] */
	struct file_owner owner;    /* [lock] F_SETOWN */
};
kerr_t file_open_path(const struct path *p, u32 flags, const struct cred *c, struct file **out) __must_check; /* takes its own references */
/* A file on no path: pipes, eventfd, epoll. name for /proc: "anon_inode:[eventfd]". */
kerr_t file_anon(const char *name, const struct file_ops *ops, void *priv, u32 flags, struct file **out) __must_check;
/* A file on an inode of its own, outside any tree, on a kernel-internal mount. The caller fills flags, mode, ops, priv; until then nothing is released. */
kerr_t file_pseudo(struct mount *mnt, mode_t mode, const struct dentry_ops *ops, struct file **out) __must_check;
static inline struct file *file_get(struct file *f)
{
	atomic_inc(&f->refs);
	return f;
}
void file_put(struct file *f); /* the last one releases. May sleep; from atomic context it is deferred */
ssize_t vfs_read(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos); /* for exec and tools */
ssize_t file_write_kernel(struct file *f, const void *buf, size_t n, loff_t pos);
kerr_t vfs_fsync(struct file *f, loff_t start, loff_t end, bool datasync) __must_check;
kerr_t vfs_truncate(const struct path *p, loff_t size) __must_check;
kerr_t vfs_getattr(const struct path *p, struct kstat *out) __must_check;
long vfs_ioctl(struct file *f, unsigned cmd, unsigned long arg);
u32 vfs_poll(struct file *f, struct poll_table *pt);
/* A name of the program's, looked up. lookup: LOOKUP_*. */
kerr_t user_path(int dirfd, const char __user *name, unsigned lookup, struct path *out) __must_check;
loff_t vfs_llseek(struct file *f, loff_t off, int whence);
loff_t fixed_size_llseek(struct file *f, loff_t off, int whence, loff_t size); /* of a device: not beyond its end */
kerr_t vfs_iterate(struct file *f, struct dir_context *ctx) __must_check;
kerr_t vfs_setattr(const struct path *p, struct attr *a) __must_check; /* checks permission, takes locks */

/* --- poll (core/vfs/poll.c) --- */
struct poll_table {
	void (*queue)(struct poll_table *pt, struct file *f, struct wait_queue *q); /* NULL: only asking */
	u32 key; /* events of interest */
};
static inline void poll_wait(struct poll_table *pt, struct file *f, struct wait_queue *q)
{
	if (pt && pt->queue)
		pt->queue(pt, f, q);
}

/* ---------------------------------------------------------------- fds */
struct fdtable;
struct files {
	struct atomic refs;
	struct spinlock lock; /* RANK_FILES */
	unsigned max;	      /* [lock] size of the arrays */
	struct file **fd;     /* [lock] */
	unsigned long *open, *cloexec; /* [lock] */
	unsigned next;
	struct file *inline_fd[32];
	unsigned long inline_open[64 / (8 * sizeof(long))], inline_cloexec[64 / (8 * sizeof(long))];
};
kerr_t files_alloc(struct files **out) __must_check;
kerr_t files_dup(struct files *src, struct files **out) __must_check;
void files_put(struct files *f); /* closes all with the last reference */
void files_close_exec(struct files *f);
/* With a reference. NULL: EBADF. fd_get refuses O_PATH files; fd_get_any takes them too. */
struct file *fd_get(int fd);
struct file *fd_get_any(int fd);
struct file *task_file_get(struct task *t, int fd); /* of any task, O_PATH files too; core/fs/proc */
/*
 * As fd_get, without touching the count when nobody else can close it (files not shared): put with fd_put_light.
 */
struct fd {
	struct file *file;
	bool ref;
};
struct fd fd_get_light(int fd);
static inline void fd_put_light(struct fd f)
{
	if (f.ref)
		file_put(f.file);
}
long fd_install(struct file *f, unsigned flags); /* lowest free; consumes the reference on success only. -EMFILE */
long fd_install_from(struct file *f, unsigned min, unsigned flags);
kerr_t fd_reserve(unsigned flags, int *out) __must_check; /* then fd_fill or fd_unreserve */
void fd_fill(int fd, struct file *f);
void fd_unreserve(int fd);
kerr_t do_close(int fd);

/* ---------------------------------------------------------------- fs context, names */
struct fs_ctx {
	struct atomic refs;
	struct spinlock lock;
	mode_t umask;
	struct path root, cwd; /* [lock] */
};
kerr_t fs_ctx_dup(struct fs_ctx *src, struct fs_ctx **out) __must_check;
/* A context whose root and cwd are the first mount's root: for the first process. */
kerr_t fs_ctx_alloc(struct fs_ctx **out) __must_check;
void fs_ctx_put(struct fs_ctx *f);
void fs_ctx_get_root(struct path *out); /* of current, referenced */
void fs_ctx_get_cwd(struct path *out);
void fs_ctx_set_cwd(const struct path *p); /* takes its own reference */
void fs_ctx_set_root(const struct path *p);

enum { LOOKUP_FOLLOW = 1, LOOKUP_DIRECTORY = 2, LOOKUP_EMPTY = 4, LOOKUP_NO_MAGIC = 8, LOOKUP_NO_XDEV = 16, LOOKUP_BENEATH = 32, LOOKUP_IN_ROOT = 64, LOOKUP_NO_SYMLINKS = 128, LOOKUP_PARENT = 256, LOOKUP_CACHED = 512 };
/* name: a kernel string. out is referenced. KERR(ENOENT), KERR(ENOTDIR), KERR(ELOOP), KERR(EACCES), KERR(ENAMETOOLONG). */
kerr_t path_lookup(int dirfd, const char *name, unsigned flags, struct path *out) __must_check;
kerr_t path_lookup_at(const struct path *base, const char *name, unsigned flags, struct path *out) __must_check;
/* A user path into a buffer of path_buf_alloc(). KERR(ENOENT) for "" unless `empty_ok`. */
kerr_t getname(const char __user *user, bool empty_ok, char **out) __must_check;
static inline void putname(char *name);

/* do_x: kernel types only; used by system calls, the library and FUSE. */
struct open_how_k {
	u32 flags;
	mode_t mode;
	u32 resolve; /* LOOKUP_* */
};
kerr_t do_open(int dirfd, const char *name, const struct open_how_k *how, struct file **out) __must_check;
kerr_t do_mkdir(int dirfd, const char *name, mode_t mode) __must_check;
kerr_t do_mknod(int dirfd, const char *name, mode_t mode, dev_t dev) __must_check;
kerr_t do_mknod_path(int dirfd, const char *name, mode_t mode, dev_t dev, struct path *out) __must_check; /* and what was made, referenced; out may be NULL */
kerr_t do_unlink(int dirfd, const char *name) __must_check;
kerr_t do_rmdir(int dirfd, const char *name) __must_check;
kerr_t do_symlink(const char *target, int dirfd, const char *name) __must_check;
kerr_t do_link(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags) __must_check;
#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE 2u
#define RENAME_WHITEOUT 4u
kerr_t do_rename(int odfd, const char *oname, int ndfd, const char *nname, unsigned flags) __must_check;
/* The same on inodes, locks taken inside: for FUSE and servers of handles. dir must be a directory; d is looked up in it. */
kerr_t vfs_lookup_one(struct dentry *parent, const char *name, size_t len, struct dentry **out) __must_check; /* may be negative */
kerr_t vfs_create(const struct path *dir, const char *name, mode_t mode, struct path *out) __must_check;
kerr_t vfs_mkdir(const struct path *dir, const char *name, mode_t mode, struct path *out) __must_check;
kerr_t vfs_mknod(const struct path *dir, const char *name, mode_t mode, dev_t dev, struct path *out) __must_check;
kerr_t vfs_symlink(const struct path *dir, const char *name, const char *target, struct path *out) __must_check;
kerr_t vfs_link(const struct path *old, const struct path *dir, const char *name) __must_check;
kerr_t vfs_unlink(const struct path *dir, const char *name) __must_check;
kerr_t vfs_rmdir(const struct path *dir, const char *name) __must_check;
kerr_t vfs_rename(const struct path *odir, const char *oname, const struct path *ndir, const char *nname, unsigned flags) __must_check;
kerr_t vfs_readlink(const struct path *p, char *buf) __must_check;
ssize_t vfs_getxattr(const struct path *p, const char *name, void *buf, size_t size);
kerr_t vfs_setxattr(const struct path *p, const char *name, const void *val, size_t size, int flags) __must_check;
ssize_t vfs_listxattr(const struct path *p, char *buf, size_t size);

#include <maestro/slab.h>
static inline void putname(char *name)
{
	path_buf_free(name);
}

static inline kerr_t inode_drop_caps(struct inode *inode)
{
	return likely(load_relaxed(&inode->flags) & INODE_NO_CAPS) || !S_ISREG(inode->mode) ? KERR(0) : inode_drop_caps_slow(inode);
}

/* --- text files in proc and sys, built in a buffer that grows --- */
struct seq_buf {
	char *buf;
	size_t len, cap;
	bool failed; /* out of memory: the reader gets ENOMEM */
};
void seq_printf(struct seq_buf *s, const char *fmt, ...) __printf(2, 3);
void seq_puts(struct seq_buf *s, const char *text);
void seq_write(struct seq_buf *s, const void *p, size_t n);
void seq_escape(struct seq_buf *s, const char *text, const char *chars); /* \ooo for those, as /proc/mounts does */
void seq_free(struct seq_buf *s);

/* The text of /proc/PID/mounts, or mountinfo, as current sees it (core/vfs/mounts_text.c). */
void vfs_show_mounts(struct seq_buf *s, bool info);

void vfs_show_locks(struct seq_buf *s); /* /proc/locks (core/vfs/locks.c) */

/* pipes (core/vfs/pipe.c) */
extern const struct file_ops fifo_fops;
kerr_t do_pipe(struct file *out[2], unsigned flags) __must_check; /* 0 reads, 1 writes */
