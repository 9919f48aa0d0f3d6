/* SPDX-License-Identifier: MIT */
/* What the files of core/vfs share among themselves. */
#pragma once

#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/task.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

/* dentry.flags [dcache lock] */
enum { DENTRY_HASHED = 1, DENTRY_LRU = 2, DENTRY_REFERENCED = 4, DENTRY_NAME_ALLOC = 8, DENTRY_LOST = 16 };

static inline struct vfs_state *vfs(void)
{
	return &kernel()->vfs;
}
static inline bool kerr_is(kerr_t err, int e)
{
	return kerr_code(err) == -e;
}
static inline bool name_is_dot(const char *s, size_t len)
{
	return s[0] == '.' && (len == 1 || (len == 2 && s[1] == '.'));
}
#define MAX_RW_COUNT 0x7ffff000UL
#define S_IALLUGO 07777u
/* In a mount's flags only these occur. */
#define MNT_FLAGS (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_NOSYMFOLLOW)

/* --- dcache.c --- */
u32 hash_buckets(u32 least, u32 most, u32 pages); /* one for so many free pages, a power of two from least to most */
kerr_t dcache_init(void) __must_check;
/* The hashed dentry, no reference. dcache lock held. */
struct dentry *dcache_find_locked(struct dentry *parent, const char *s, u32 len, u32 hash);
/* With a reference, or NULL. */
struct dentry *dcache_find(struct dentry *parent, const struct name *n);
void dentry_move(struct dentry *d, struct dentry *target, bool exchange); /* rename's tail */
void dentry_kill_tree(struct dentry *root); /* the super goes: everything below and root itself, pinned or not */
bool dentry_is_below(const struct dentry *d, const struct dentry *ancestor); /* or equal. rename mutex or dcache lock held */

/* The hash is made while a name is scanned: start, one step a byte, end. */
static inline u32 name_hash_start(const struct dentry *parent)
{
	return 2166136261u ^ (u32)((uintptr_t)parent >> 4);
}
static inline u32 name_hash_step(u32 h, u8 c)
{
	return (h ^ c) * 0x01000193u;
}
static inline u32 name_hash_end(u32 h)
{
	return h ^ (h >> 15);
}

bool file_can_direct(const struct file *f); /* O_DIRECT means something there */
loff_t noop_llseek(struct file *f, loff_t off, int whence); /* files without places that take lseek(2) and ignore it */

/* --- inode.c --- */
kerr_t inode_cache_init(void) __must_check;
void super_evict_inodes(struct super *sb);
u64 vfs_new_ino(void);
/* ETXTBSY against execution. */
kerr_t inode_write_get(struct inode *inode) __must_check;
void inode_write_put(struct inode *inode);

/* --- attr.c --- */
kerr_t permission_generic(struct inode *inode, unsigned mask) __must_check; /* never sleeps, mode bits and capabilities */
kerr_t inode_setattr_locked(struct inode *inode, const struct attr *a) __must_check; /* through ops.setattr. rwsem held */
kerr_t path_want_write(const struct path *p) __must_check;
void path_getattr(struct inode *inode, struct kstat *out);

/* --- super.c, mount.c --- */
kerr_t super_get(const struct fs_type *t, const char *source, unsigned flags, const char *data, struct super **out) __must_check;
void super_put(struct super *sb); /* one active reference */
kerr_t super_remount(struct super *sb, unsigned flags, const char *data, bool force) __must_check;
/* The mount on (mnt, dentry), no reference, or NULL. dcache lock held. */
struct mount *mount_lookup_locked(struct mount *mnt, struct dentry *d);
void path_follow_mounts(struct path *p); /* to the top of what is mounted there; references follow */
/* References p, or what is mounted on top of it. */
void path_follow_mounts_get(struct path *p);
kerr_t mount_init(void) __must_check;
/* What a copy of a mount has of its propagation: the same; or it becomes a slave of the original, and maybe shares with others in turn. */
enum mount_clone { CLONE_SAME, CLONE_SLAVE, CLONE_SHARED_SLAVE };
/* A copy of what is seen at src (with rec: and of the mounts below it), not attached, not listed. mount_mutex held, as for all that follows. */
kerr_t mount_clone_tree(const struct path *src, enum mount_clone how, bool rec, struct mount **out) __must_check;
void mount_attach_below(struct mount *m, const struct path *at); /* what is mounted there already goes on top of m */
/* Is it in the tree that begins at the first mount? */
bool mount_is_seen(const struct mount *m);
/* The next mount of the subtree of top, in order parent before child; NULL at the end. */
struct mount *mount_next_in_tree(struct mount *m, const struct mount *top);
/*
 * Without mount_mutex, which these take. Files that hold a tree which hangs nowhere: of a new mount of sb (which stays the caller's), of a copy of what is
 * seen at src (with rec: and of the mounts below). mount_file_released() is the end of such a file: the tree goes, unless it has found a place.
 */
kerr_t mount_open_super(struct super *sb, const char *source, unsigned mflags, struct file **out) __must_check;
kerr_t mount_open_copy(const struct path *src, bool rec, struct file **out) __must_check;
void mount_file_released(struct mount *m);
kerr_t mount_move(const struct path *src, const struct path *at) __must_check; /* the mount whose top src is, to `at` */
void mounts_changed(void); /* tells who polls /proc/mounts; any lock may be held */
/* mount_attr.c: mount(2) with MS_REMOUNT, and with MS_SHARED and the like; a remount of all that sees sb, with mount_mutex held. KERR(EBUSY): somebody writes. */
kerr_t mount_remount(const struct path *at, unsigned flags, unsigned mflags, const char *data) __must_check;
kerr_t mount_propagation(const struct path *at, unsigned flags) __must_check;
kerr_t mount_remount_super(struct super *sb, unsigned flags, const char *data) __must_check;
kerr_t mount_attr_to_flags(unsigned attr, unsigned *mflags) __must_check; /* fsmount(2)'s MOUNT_ATTR_* as a mount's flags */
/* mount_peers.c */
void mount_share(struct mount *m);
kerr_t mount_set_group(const struct path *from, const struct path *to) __must_check; /* move_mount(2)'s MOVE_MOUNT_SET_GROUP. mount_mutex is not held */
void mount_set_propagation(struct mount *m, unsigned type); /* MS_SHARED, MS_PRIVATE, MS_SLAVE, MS_UNBINDABLE */
void mount_clone_propagation(struct mount *m, struct mount *old, enum mount_clone how);
/* source, shared, is about to be attached at `at`, whose mount is shared: copies for all that it happens to as well, attached, on `copies` by all_node. */
kerr_t mount_propagate(const struct path *at, struct mount *source, struct list *copies) __must_check;
/* m is to be unmounted from a shared parent: is what goes with it in use; and its list, by all_node. */
bool mount_propagated_busy(struct mount *m);
void mount_propagated_umount(struct mount *m, struct list *gone);
kerr_t anon_init(void) __must_check;
/* A dentry without a place, on an inode of its own (a number of its own, current's owner, times of now). */
kerr_t pseudo_dentry(struct mount *mnt, mode_t mode, const struct dentry_ops *ops, struct dentry **out) __must_check;
bool path_is_mountpoint(const struct dentry *d);

/* --- namei.c --- */
enum last_type { LAST_NORM, LAST_ROOT, LAST_DOT, LAST_DOTDOT };
struct link_text { /* the text of a symbolic link being walked */
	struct link_text *up;
	const char *rest; /* where to go on in the text above; NULL: nothing was left */
	char text[];
};
struct walk {
	const char *s;	       /* what is still to be walked */
	unsigned flags;	       /* LOOKUP_* */
	unsigned links;	       /* followed so far */
	struct path path;      /* where we are; references only in `held` */
	struct path held;      /* references; equals path whenever the dcache lock is not held */
	struct path root;      /* "/" and the top for ".."; references are the caller's or the context's */
	bool root_ref;	       /* root is referenced by us */
	struct link_text *text;
	struct fd base;	       /* keeps dirfd open */
	enum last_type last_type;
	struct name last;      /* with LOOKUP_PARENT: the last component, inside s's text */
	bool trailing;	       /* slashes follow it */
};
kerr_t walk_start(struct walk *w, int dirfd, const char *name, unsigned flags) __must_check;
kerr_t walk_start_at(struct walk *w, const struct path *base, const char *name, unsigned flags) __must_check;
/*
 * Walks. With LOOKUP_PARENT: w->path is the last component's directory, referenced by w->held. Without: *out is the object, referenced.
 * The dcache lock is not held on return. walk_end() always follows.
 */
kerr_t walk_run(struct walk *w, struct path *out) __must_check;
/* Goes on through the symbolic link d (a reference is kept by the caller) found in w->path; then walk_run() again. */
kerr_t walk_follow(struct walk *w, struct dentry *d) __must_check;
void walk_end(struct walk *w);
/* The component in parent: cached, or asked from the file system. May be negative. */
kerr_t lookup_child(struct dentry *parent, const struct name *n, unsigned flags, struct dentry **out) __must_check;
/* The same with parent's inode rwsem held for writing. */
kerr_t lookup_child_locked(struct dentry *parent, const struct name *n, struct dentry **out) __must_check;
struct name name_make(const struct dentry *parent, const char *s, size_t len);

/* --- names.c: on a locked directory --- */
kerr_t may_create(struct inode *dir, struct dentry *d) __must_check;
kerr_t dir_create(struct inode *dir, struct dentry *d, mode_t mode) __must_check;
mode_t mode_masked(mode_t mode); /* by current's umask */

/* --- open.c --- */
/* As open(2) of what p is already, permissions and all. p stays the caller's. */
kerr_t open_path_checked(const struct path *p, u32 flags, struct file **out) __must_check;

/* --- file.c, fd.c --- */
struct file *file_alloc(void);
kerr_t file_finish_open(struct file *f, u32 flags) __must_check; /* f->path set; ops and open() */
struct file *files_take(struct files *t, int fd); /* out of the table */
kerr_t file_close(struct file *f, struct files *owner) __must_check; /* flush, POSIX locks, put */
bool files_test_cloexec(int fd);
bool files_set_cloexec(int fd, bool on);
long fd_dup_to(int oldfd, int newfd, unsigned flags);

/* --- fasync.c: struct f_owner_ex of F_GETOWN_EX and F_SETOWN_EX --- */
kerr_t file_owner_get_user(struct file *f, void __user *arg) __must_check;
kerr_t file_owner_set_user(struct file *f, const void __user *arg) __must_check;

/* --- lease.c --- */
long lease_set(struct file *f, int fd, unsigned long type); /* F_SETLEASE */
long lease_get(struct file *f);				      /* F_GETLEASE */
void lease_file_released(struct file *f);
kerr_t lease_break_slow(struct inode *inode, bool write, bool nonblock) __must_check;
/* Somebody opens or truncates the file: leases in the way are given up first. May sleep. KERR(EWOULDBLOCK), KERR(ERESTARTSYS). */
static inline kerr_t lease_break(struct inode *inode, bool write, bool nonblock)
{
	return unlikely(load_relaxed(&inode->nleases)) ? lease_break_slow(inode, write, nonblock) : KERR(0);
}

/* --- dnotify.c --- */
#define IN_MOVED_WITHIN 0x1000u /* a name changed within its directory; inotify has no such event */
long dnotify_set(struct file *f, int fd, unsigned long arg); /* F_NOTIFY */
void dnotify_tell_slow(const struct inode *dir, u32 event);
void dnotify_closed_slow(const struct file *f, const struct files *owner);
/* event (IN_*) came to a directory, which is not looked into. No spinlock held. */
static inline void dnotify_tell(const struct inode *dir, u32 event)
{
	if (unlikely(load_relaxed(&vfs()->ndnotifies)))
		dnotify_tell_slow(dir, event);
}
/* f is closed through a table of files; NULL: its last reference goes. */
static inline void dnotify_closed(const struct file *f, const struct files *owner)
{
	if (unlikely(load_relaxed(&vfs()->ndnotifies)))
		dnotify_closed_slow(f, owner);
}

/* --- locks.c --- */
struct file_lock_ctx;
void locks_remove_posix(struct file *f, struct files *owner);
void locks_remove_file(struct file *f);
void locks_free(struct inode *inode);
kerr_t locks_init(void) __must_check;
struct flock_k {
	int type, whence;
	loff_t start, len;
	pid_t pid;
};
enum { F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2 };
kerr_t fcntl_getlk(struct file *f, struct flock_k *l, bool ofd) __must_check;
kerr_t fcntl_setlk(struct file *f, int fd, const struct flock_k *l, bool ofd, bool wait) __must_check;
long do_flock(struct file *f, unsigned op);

/* --- pipe.c --- */
struct pipe;
struct pipe *pipe_of(struct file *f); /* NULL: not a pipe */
long pipe_get_size(struct file *f);
long pipe_set_size(struct file *f, size_t size);
/* Moves pages or bytes for splice; see pipe.c. */
ssize_t pipe_splice_from(struct file *in, struct file *out, loff_t *pos, size_t n, bool nonblock);
ssize_t pipe_splice_to(struct file *in, loff_t *pos, struct file *out, size_t n, bool nonblock);
ssize_t pipe_to_pipe(struct file *in, struct file *out, size_t n, bool nonblock, bool keep);

/* --- epoll.c --- */
void epoll_file_released(struct file *f);
kerr_t epoll_init(void) __must_check;

/* --- poll.c --- */
#define POLL_INLINE 8
struct poll_slot {
	struct wait_entry entry;
	struct wait_queue *q;
	struct file *file;
};
struct poll_block {
	struct poll_block *next;
	unsigned n;
	struct poll_slot slot[24];
};
struct poll_wait_set {
	struct poll_table pt;
	struct task *task;
	bool triggered; /* [a] */
	bool failed;	/* no memory for an entry */
	unsigned n;
	struct poll_slot slot[POLL_INLINE];
	struct poll_block *blocks;
};
void poll_set_init(struct poll_wait_set *s);
void poll_set_fini(struct poll_wait_set *s);
/* Sleeps until an event or the deadline: 0, KERR(ETIMEDOUT), KERR(EINTR). */
kerr_t poll_set_sleep(struct poll_wait_set *s, ktime_t deadline) __must_check;
struct sigset_swap {
	bool on;
};
kerr_t sigmask_swap(const void __user *mask, size_t size, bool *on) __must_check;
long sigmask_restore(bool on, long ret); /* keeps the swapped mask when a handler is to run under it */
ktime_t poll_deadline(struct timespec64 t);
/* What is left until deadline, never negative. */
struct timespec64 time_left(ktime_t deadline);

/* --- sys_eventfd.c: a file without a place, in a new descriptor; priv stays the caller's on error --- */
long fd_install_anon(const char *name, const struct file_ops *ops, void *priv, u32 flags);

/* --- sys_*.c --- */
long do_fcntl(int fd, unsigned cmd, unsigned long arg, bool wide_locks);
kerr_t do_stat_path(int dirfd, const char __user *name, unsigned at_flags, struct kstat *out) __must_check;
kerr_t do_fstat(int fd, struct kstat *out) __must_check;
kerr_t do_truncate_user(const char __user *name, s64 len) __must_check;
kerr_t do_ftruncate(int fd, s64 len) __must_check;
kerr_t do_statfs_path(const char __user *name, struct kstatfs *k) __must_check;
kerr_t do_statfs_fd(int fd, struct kstatfs *k) __must_check;
/* Fills any of the ABI's statfs structs. */
#define FILL_STATFS(s, k)                                          \
	do {                                                       \
		(s).type = (__typeof__((s).type))(k).type;         \
		(s).bsize = (__typeof__((s).bsize))(k).bsize;      \
		(s).blocks = (__typeof__((s).blocks))(k).blocks;   \
		(s).bfree = (__typeof__((s).bfree))(k).bfree;      \
		(s).bavail = (__typeof__((s).bavail))(k).bavail;   \
		(s).files = (__typeof__((s).files))(k).files;      \
		(s).ffree = (__typeof__((s).ffree))(k).ffree;      \
		(s).fsid[0] = (u32)(k).fsid;                       \
		(s).fsid[1] = (u32)((k).fsid >> 32);               \
		(s).namelen = (__typeof__((s).namelen))(k).namelen; \
		(s).frsize = (__typeof__((s).frsize))(k).frsize;   \
		(s).flags = (__typeof__((s).flags))(k).flags;      \
	} while (0)
long select_core(int n, void __user *in, void __user *out, void __user *ex, ktime_t deadline);
kerr_t do_utimes(int dirfd, const char __user *name, const struct timespec64 *ts, unsigned flags) __must_check; /* ts NULL: now */
/* Device numbers as programs see them: minor 8 bits, major 12, minor's rest. */
static inline u32 dev_encode(dev_t d)
{
	u32 major = DEV_MAJOR(d), minor = DEV_MINOR(d);

	return (minor & 0xff) | (major << 8) | ((minor & ~0xffu) << 12);
}
static inline dev_t dev_decode(u32 d)
{
	return DEV((d & 0xfff00) >> 8, (d & 0xff) | ((d >> 12) & 0xfff00));
}
