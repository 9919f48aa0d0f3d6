/* SPDX-License-Identifier: MIT */
/*
 * Nodes: file handles for servers. A node is found by its inode in a hash table, so all names of one object give one node; it keeps a path (some name that led
 * to it), which keeps dentry and inode. Open files are kept on a list, so that the end of the instance finds them.
 *
 * Acting as somebody: the calling task's credentials are exchanged for prepared ones during the call; a few are kept ready.
 *
 * Locking: lib_nodes.mutex (RANK_NONE: outermost, nothing sleeping inside but allocation) for the table, the list and the credentials.
 */
#include <maestro/cred.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "hosted_kern.h"
#include "lib_kern.h"

#define NODE_BUCKETS 4096u
#define READY_CREDS 8u

struct maestro_node {
	struct hlist_node hash; /* [mutex] */
	struct path path;	/* [c] */
	u64 count;		/* [mutex] lookups not yet forgotten */
};
struct maestro_file {
	struct list node; /* [mutex] */
	struct file *file; /* [c] */
};
struct ready_cred {
	const struct cred *cred; /* NULL: free */
	u32 uid, gid;
	bool privileged;
};
struct lib_nodes {
	struct mutex mutex;
	struct hlist hash[NODE_BUCKETS];
	struct list files;
	struct ready_cred ready[READY_CREDS];
	unsigned next_ready;
};

static struct kernel_host *kern_host(void)
{
	return ((struct hosted *)HOSTED_TLS_GET(inst))->kern;
}

/* Made at first use; the instance's first thread makes it before others know a node. */
static struct lib_nodes *nodes(void)
{
	struct kernel_host *kh = kern_host();
	struct lib_nodes *l;

	if (likely(kh->lib))
		return kh->lib;
	mutex_lock(&kh->disks_mutex);
	l = kh->lib;
	if (!l) {
		l = kzalloc(sizeof(*l), GFP_KERNEL);
		if (l) {
			mutex_init(&l->mutex, RANK_NONE, "nodes");
			list_init(&l->files);
			store_release(&kh->lib, l);
		}
	}
	mutex_unlock(&kh->disks_mutex);
	return l;
}

/* ---------------------------------------------------------------- entering as somebody */
static int enter(struct maestro *k)
{
	int err = hosted_enter(&k->h);

	if (unlikely(err))
		return err;
	if (unlikely(!nodes())) {
		hosted_leave();
		return -ENOMEM;
	}
	return 0;
}

static kerr_t make_cred(const struct maestro_caller *who, const struct cred **out)
{
	struct group_list *none;
	struct cred *c;
	kerr_t err = groups_alloc(0, &none);

	if (err)
		return err;
	err = cred_prepare(&c);
	if (err) {
		atomic_dec(&none->refs);
		return err;
	}
	atomic_dec(&c->groups->refs); /* the task's own list has another reference */
	c->groups = none;
	c->fsuid = who->uid;
	c->fsgid = who->gid;
	if (!who->privileged && who->uid) {
		c->uid = c->euid = c->suid = who->uid;
		c->gid = c->egid = c->sgid = who->gid;
		c->cap_effective = c->cap_permitted = c->cap_inheritable = c->cap_ambient = 0;
	}
	*out = c;
	return 0;
}

/* A reference to credentials for who. */
static kerr_t find_cred(const struct maestro_caller *who, const struct cred **out)
{
	struct lib_nodes *l = nodes();
	struct ready_cred *r;
	kerr_t err = KERR(0);

	mutex_lock(&l->mutex);
	for (unsigned i = 0; i < READY_CREDS; i++) {
		r = &l->ready[i];
		if (r->cred && r->uid == who->uid && r->gid == who->gid && r->privileged == who->privileged)
			goto found;
	}
	r = &l->ready[l->next_ready++ % READY_CREDS];
	{
		const struct cred *made;

		err = make_cred(who, &made);
		if (err)
			goto out;
		if (r->cred)
			cred_put(r->cred);
		*r = (struct ready_cred){.cred = made, .uid = who->uid, .gid = who->gid, .privileged = who->privileged};
	}
found:
	*out = cred_get(r->cred);
out:
	mutex_unlock(&l->mutex);
	return err;
}

static const struct cred *exchange_cred(const struct cred *c)
{
	unsigned long flags = tasklist_lock(); /* others look at it under the lock */
	const struct cred *old = hal_current()->cred;

	hal_current()->cred = c;
	tasklist_unlock(flags);
	return old;
}

/* Enters as who; *saved is for leave_as(). */
static int enter_as(struct maestro *k, const struct maestro_caller *who, const struct cred **saved)
{
	const struct cred *c;
	int err = enter(k);

	*saved = NULL;
	if (unlikely(err))
		return err;
	if (who) {
		kerr_t kerr = find_cred(who, &c);

		if (kerr) {
			hosted_leave();
			return kerr_code(kerr);
		}
		*saved = exchange_cred(c);
	}
	return 0;
}

static void leave_as(const struct cred *saved)
{
	if (saved)
		cred_put(exchange_cred(saved));
	hosted_leave();
}

/* ---------------------------------------------------------------- the table */
static struct hlist *bucket(struct lib_nodes *l, const struct inode *inode)
{
	return &l->hash[hash_ptr(inode) >> 20];
}
STATIC_ASSERT(NODE_BUCKETS == 1u << 12);

static struct maestro_node *find_node(struct lib_nodes *l, const struct path *p)
{
	struct maestro_node *n;

	hlist_for_each(n, bucket(l, p->dentry->inode), hash)
		if (n->path.dentry->inode == p->dentry->inode && n->path.mnt == p->mnt)
			return n;
	return NULL;
}

/* The node of p's object, one lookup more. Consumes the reference to p, also on error. */
static kerr_t node_of(struct path *p, struct maestro_node **out)
{
	struct lib_nodes *l = nodes();
	struct maestro_node *n, *fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);

	if (!fresh) {
		path_put(p);
		return KERR(ENOMEM);
	}
	mutex_lock(&l->mutex);
	n = find_node(l, p);
	if (!n) {
		n = fresh;
		fresh = NULL;
		n->path = *p;
		hlist_add(bucket(l, p->dentry->inode), &n->hash);
	}
	n->count++;
	mutex_unlock(&l->mutex);
	if (fresh) {
		path_put(p);
		kfree(fresh);
	}
	*out = n;
	return 0;
}

static void node_release(struct maestro_node *n)
{
	path_put(&n->path);
	kfree(n);
}

void maestro_node_forget(struct maestro *k, struct maestro_node *n, uint64_t count)
{
	struct lib_nodes *l;
	bool last;

	if (enter(k))
		return;
	l = nodes();
	mutex_lock(&l->mutex);
	n->count -= MIN(count, n->count);
	last = !n->count;
	if (last)
		hlist_del(&n->hash);
	mutex_unlock(&l->mutex);
	if (last)
		node_release(n);
	hosted_leave();
}

void lib_nodes_release(void)
{
	struct lib_nodes *l = kern_host()->lib;
	struct maestro_file *f, *tmp;

	if (!l)
		return;
	list_for_each_safe(f, tmp, &l->files, node) {
		list_del(&f->node);
		file_put(f->file);
		kfree(f);
	}
	for (unsigned i = 0; i < NODE_BUCKETS; i++) {
		struct hlist *h = &l->hash[i];

		while (h->first) {
			struct maestro_node *n = container_of(h->first, struct maestro_node, hash);

			hlist_del(&n->hash);
			node_release(n);
		}
	}
	for (unsigned i = 0; i < READY_CREDS; i++)
		if (l->ready[i].cred)
			cred_put(l->ready[i].cred);
	kern_host()->lib = NULL;
	kfree(l);
}

int maestro_node_root(struct maestro *k, const char *path, struct maestro_node **out)
{
	struct path p;
	kerr_t err;
	int code = enter(k);

	if (code)
		return code;
	err = path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &p);
	if (!err)
		err = node_of(&p, out);
	hosted_leave();
	return kerr_code(err);
}

/* ---------------------------------------------------------------- names */
static kerr_t lookup_in(struct maestro_node *dir, const char *name, struct maestro_node **out)
{
	struct path p = {.mnt = dir->path.mnt};
	struct inode *inode = dir->path.dentry->inode;
	size_t len = strlen(name);
	kerr_t err;

	if (!S_ISDIR(inode->mode))
		return KERR(ENOTDIR);
	err = inode_permission(inode, MAY_EXEC);
	if (err)
		return err;
	if (!strcmp(name, ".") || !strcmp(name, "..")) {
		/* Above the root of a mount is only itself. */
		bool up = name[1] && dir->path.dentry != dir->path.mnt->root;

		p.dentry = dentry_get(up ? dir->path.dentry->parent : dir->path.dentry);
	} else {
		err = vfs_lookup_one(dir->path.dentry, name, len, &p.dentry);
		if (err)
			return err;
		if (!p.dentry->inode) {
			dentry_put(p.dentry);
			return KERR(ENOENT);
		}
	}
	mount_get(p.mnt);
	return node_of(&p, out);
}

int maestro_node_lookup(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, struct maestro_node **out)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = lookup_in(dir, name, out);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_mkdir(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, struct maestro_node **out)
{
	const struct cred *saved;
	struct path p;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_mkdir(&dir->path, name, mode, &p);
	if (!err)
		err = node_of(&p, out);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_mknod(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, uint32_t major,
		       uint32_t minor, struct maestro_node **out)
{
	const struct cred *saved;
	struct path p;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	if (!(mode & S_IFMT))
		mode |= S_IFREG;
	if (S_ISREG(mode))
		err = vfs_create(&dir->path, name, mode, &p);
	else if (major > 0xfff || minor > 0xfffff)
		err = KERR(EINVAL);
	else
		err = vfs_mknod(&dir->path, name, mode, DEV(major, minor), &p);
	if (!err)
		err = node_of(&p, out);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_symlink(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, const char *target,
			 struct maestro_node **out)
{
	const struct cred *saved;
	struct path p;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_symlink(&dir->path, name, target, &p);
	if (!err)
		err = node_of(&p, out);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_link(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, struct maestro_node *dir, const char *name)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_link(&n->path, &dir->path, name);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_unlink(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_unlink(&dir->path, name);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_rmdir(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_rmdir(&dir->path, name);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_rename(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, struct maestro_node *ndir,
			const char *nname, unsigned flags)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_rename(&dir->path, name, &ndir->path, nname, flags);
	leave_as(saved);
	return kerr_code(err);
}

ssize_t maestro_node_readlink(struct maestro *k, struct maestro_node *n, char *buf, size_t size)
{
	char *text;
	ssize_t len;
	int code = enter(k);

	if (code)
		return code;
	text = path_buf_alloc();
	len = -ENOMEM;
	if (text) {
		kerr_t err = vfs_readlink(&n->path, text);

		len = kerr_code(err);
		if (!err) {
			len = (ssize_t)MIN(strlen(text), size);
			memcpy(buf, text, (size_t)len);
		}
		path_buf_free(text);
	}
	hosted_leave();
	return len;
}

/* ---------------------------------------------------------------- attributes */
static kerr_t read_attr(const struct path *p, struct maestro_attr *out)
{
	struct kstat st;
	kerr_t err = vfs_getattr(p, &st);

	if (err)
		return err;
	*out = (struct maestro_attr){
		.ino = st.ino,
		.size = (u64)st.size,
		.blocks = st.blocks,
		.dev = st.dev,
		.mode = st.mode,
		.nlink = st.nlink,
		.uid = st.uid,
		.gid = st.gid,
		.rdev_major = DEV_MAJOR(st.rdev),
		.rdev_minor = DEV_MINOR(st.rdev),
		.blksize = st.blksize,
		.atime = st.atime.sec,
		.mtime = st.mtime.sec,
		.ctime = st.ctime.sec,
		.atime_ns = (u32)st.atime.nsec,
		.mtime_ns = (u32)st.mtime.nsec,
		.ctime_ns = (u32)st.ctime.nsec,
	};
	return 0;
}

int maestro_node_getattr(struct maestro *k, struct maestro_node *n, struct maestro_attr *out)
{
	kerr_t err;
	int code = enter(k);

	if (code)
		return code;
	err = read_attr(&n->path, out);
	hosted_leave();
	return kerr_code(err);
}

static kerr_t fill_attr(struct attr *to, unsigned set, const struct maestro_attr *a)
{
	if (set & MAESTRO_SET_MODE) {
		to->valid |= ATTR_MODE;
		to->mode = a->mode & 07777;
	}
	if (set & MAESTRO_SET_UID) {
		to->valid |= ATTR_UID;
		to->uid = a->uid;
	}
	if (set & MAESTRO_SET_GID) {
		to->valid |= ATTR_GID;
		to->gid = a->gid;
	}
	if (set & (MAESTRO_SET_ATIME | MAESTRO_SET_ATIME_NOW)) {
		to->valid |= ATTR_ATIME | (set & MAESTRO_SET_ATIME ? ATTR_ATIME_SET : 0);
		to->atime = set & MAESTRO_SET_ATIME ? (struct timespec64){a->atime, (s32)a->atime_ns} : ktime_get_real_coarse_ts();
	}
	if (set & (MAESTRO_SET_MTIME | MAESTRO_SET_MTIME_NOW)) {
		to->valid |= ATTR_MTIME | (set & MAESTRO_SET_MTIME ? ATTR_MTIME_SET : 0);
		to->mtime = set & MAESTRO_SET_MTIME ? (struct timespec64){a->mtime, (s32)a->mtime_ns} : ktime_get_real_coarse_ts();
	}
	if (to->atime.nsec < 0 || to->mtime.nsec < 0 || to->atime.nsec >= NSEC_PER_SEC || to->mtime.nsec >= NSEC_PER_SEC)
		return KERR(EINVAL);
	return 0;
}

static kerr_t change_attr(const struct path *p, unsigned set, const struct maestro_attr *a)
{
	struct attr to = {0};
	kerr_t err = fill_attr(&to, set, a);

	if (err)
		return err;
	/* What can fail of itself comes first. */
	if (set & MAESTRO_SET_SIZE) {
		if (a->size > (u64)S64_MAX)
			return KERR(EINVAL);
		err = vfs_truncate(p, (loff_t)a->size);
	}
	if (!err && to.valid)
		err = vfs_setattr(p, &to);
	return err;
}

int maestro_node_setattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, unsigned set, const struct maestro_attr *a, struct maestro_attr *out)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = change_attr(&n->path, set, a);
	if (!err)
		err = read_attr(&n->path, out);
	leave_as(saved);
	return kerr_code(err);
}

int maestro_node_statfs(struct maestro *k, struct maestro_node *n, struct maestro_statfs *out)
{
	struct kstatfs st;
	kerr_t err;
	int code = enter(k);

	if (code)
		return code;
	err = vfs_statfs(n->path.dentry->sb, &st);
	if (!err)
		*out = (struct maestro_statfs){
			.blocks = st.blocks,
			.bfree = st.bfree,
			.bavail = st.bavail,
			.files = st.files,
			.ffree = st.ffree,
			.bsize = (u32)st.bsize,
			.frsize = (u32)st.frsize,
			.namelen = (u32)st.namelen,
			.read_only = (n->path.mnt->flags | n->path.dentry->sb->flags) & MS_RDONLY,
		};
	hosted_leave();
	return kerr_code(err);
}

/* ---------------------------------------------------------------- extended attributes */
ssize_t maestro_node_getxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, const char *name, void *buf, size_t size)
{
	const struct cred *saved;
	ssize_t len = enter_as(k, who, &saved);

	if (len)
		return len;
	len = vfs_getxattr(&n->path, name, buf, size);
	leave_as(saved);
	return len;
}

ssize_t maestro_node_listxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, char *buf, size_t size)
{
	const struct cred *saved;
	ssize_t len = enter_as(k, who, &saved);

	if (len)
		return len;
	len = vfs_listxattr(&n->path, buf, size);
	leave_as(saved);
	return len;
}

int maestro_node_setxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, const char *name, const void *val, size_t size, int flags)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_setxattr(&n->path, name, val, size, flags);
	leave_as(saved);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- open files */
static kerr_t open_path(const struct path *p, unsigned flags, struct maestro_file **out)
{
	struct lib_nodes *l = nodes();
	struct maestro_file *f = kzalloc(sizeof(*f), GFP_KERNEL);
	kerr_t err;

	if (!f)
		return KERR(ENOMEM);
	err = file_open_path(p, (flags & ~(O_CREAT | O_EXCL | O_NOCTTY)) | O_LARGEFILE, NULL, &f->file);
	if (err) {
		kfree(f);
		return err;
	}
	mutex_lock(&l->mutex);
	list_add(&l->files, &f->node);
	mutex_unlock(&l->mutex);
	*out = f;
	return 0;
}

int maestro_node_open(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, unsigned flags, struct maestro_file **out)
{
	const struct cred *saved;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = open_path(&n->path, flags, out);
	leave_as(saved);
	return kerr_code(err);
}

/* The file was just made by us: it is opened whatever its mode says (open(2)), with all privileges. */
static kerr_t open_made(const struct path *p, unsigned flags, struct maestro_file **file)
{
	const struct cred *mine = exchange_cred(cred_get(kernel()->proc.root_cred));
	kerr_t err = open_path(p, flags & ~O_TRUNC, file);

	cred_put(exchange_cred(mine));
	return err;
}

static void close_file(struct maestro_file *f)
{
	struct lib_nodes *l = nodes();

	mutex_lock(&l->mutex);
	list_del(&f->node);
	mutex_unlock(&l->mutex);
	file_put(f->file);
	kfree(f);
}

int maestro_node_create(struct maestro *k, const struct maestro_caller *who, struct maestro_node *dir, const char *name, uint32_t mode, unsigned flags,
			struct maestro_node **out, struct maestro_file **file)
{
	const struct cred *saved;
	struct path p;
	kerr_t err;
	int code = enter_as(k, who, &saved);

	if (code)
		return code;
	err = vfs_create(&dir->path, name, (mode & 07777 & ~hal_current()->fs->umask) | S_IFREG, &p);
	if (!err) {
		struct maestro_file *f;

		err = open_made(&p, flags, &f);
		if (err) {
			path_put(&p);
		} else {
			err = node_of(&p, out);
			if (err)
				close_file(f);
			else
				*file = f;
		}
	}
	leave_as(saved);
	return kerr_code(err);
}

ssize_t maestro_file_read(struct maestro *k, struct maestro_file *f, void *buf, size_t n, uint64_t offset)
{
	struct iov_iter it;
	loff_t pos = (loff_t)offset;
	ssize_t got = enter(k);

	if (got)
		return got;
	iov_iter_user(&it, (void __user *)buf, MIN(n, 0x7ffff000UL), true);
	got = pos < 0 ? -EINVAL : vfs_read(f->file, &it, &pos);
	hosted_leave();
	return got;
}

ssize_t maestro_file_write(struct maestro *k, struct maestro_file *f, const void *buf, size_t n, uint64_t offset)
{
	struct iov_iter it;
	loff_t pos = (loff_t)offset;
	ssize_t put = enter(k);

	if (put)
		return put;
	iov_iter_user(&it, (void __user *)(uintptr_t)buf, MIN(n, 0x7ffff000UL), false);
	put = pos < 0 ? -EINVAL : vfs_write(f->file, &it, &pos);
	hosted_leave();
	return put;
}

int maestro_file_flush(struct maestro *k, struct maestro_file *f)
{
	kerr_t err;
	int code = enter(k);

	if (code)
		return code;
	err = f->file->ops->flush ? f->file->ops->flush(f->file) : KERR(0);
	hosted_leave();
	return kerr_code(err);
}

int maestro_file_fsync(struct maestro *k, struct maestro_file *f, bool data_only)
{
	kerr_t err;
	int code = enter(k);

	if (code)
		return code;
	err = vfs_fsync(f->file, 0, S64_MAX, data_only);
	hosted_leave();
	return kerr_code(err);
}

int maestro_file_fallocate(struct maestro *k, struct maestro_file *f, int mode, uint64_t offset, uint64_t len)
{
	long ret;
	int code = enter(k);

	if (code)
		return code;
	if (!(f->file->mode & FMODE_WRITE))
		ret = -EBADF;
	else if (!f->file->ops->fallocate)
		ret = -EOPNOTSUPP;
	else if (!len || offset > (u64)S64_MAX || len > (u64)S64_MAX - offset)
		ret = -EINVAL;
	else
		ret = f->file->ops->fallocate(f->file, mode, (loff_t)offset, (loff_t)len);
	hosted_leave();
	return (int)ret;
}

int64_t maestro_file_lseek(struct maestro *k, struct maestro_file *f, int64_t offset, int whence)
{
	int64_t pos = enter(k);

	if (pos)
		return pos;
	mutex_lock(&f->file->pos_mutex);
	pos = vfs_llseek(f->file, offset, whence);
	mutex_unlock(&f->file->pos_mutex);
	hosted_leave();
	return pos;
}

struct entry_ctx {
	struct dir_context ctx;
	maestro_entry *entry;
	void *arg;
};

static bool pass_entry(struct dir_context *ctx, const char *name, size_t len, ino_t ino, unsigned type, loff_t next_pos)
{
	struct entry_ctx *e = container_of(ctx, struct entry_ctx, ctx);

	return e->entry(e->arg, name, len, ino, type, (u64)next_pos);
}

int maestro_file_readdir(struct maestro *k, struct maestro_file *f, uint64_t offset, maestro_entry *entry, void *arg)
{
	struct entry_ctx e = {.ctx = {.actor = pass_entry}, .entry = entry, .arg = arg};
	loff_t at = 0;
	kerr_t err = KERR(0);
	int code = enter(k);

	if (code)
		return code;
	mutex_lock(&f->file->pos_mutex);
	if ((u64)f->file->pos != offset)
		at = vfs_llseek(f->file, (loff_t)offset, SEEK_SET);
	if (at < 0)
		err = kerr_of((long)at);
	else
		err = vfs_iterate(f->file, &e.ctx);
	mutex_unlock(&f->file->pos_mutex);
	hosted_leave();
	return kerr_code(err);
}

void maestro_file_close(struct maestro *k, struct maestro_file *f)
{
	if (enter(k))
		return;
	close_file(f);
	hosted_leave();
}
