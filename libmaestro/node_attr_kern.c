/* SPDX-License-Identifier: MIT */
/* Attributes of nodes, plain and extended. */
#include "node_kern.h"

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
	return NODE_CALL(k, read_attr(&n->path, out));
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
	if (set & MAESTRO_SET_CTIME) {
		to->valid |= ATTR_CTIME;
		to->ctime = (struct timespec64){a->ctime, (s32)a->ctime_ns};
	}
	if (set & MAESTRO_SET_KILL_PRIVS)
		to->valid |= ATTR_KILL_SUID;
	if (to->atime.nsec < 0 || to->mtime.nsec < 0 || to->ctime.nsec < 0 || to->atime.nsec >= NSEC_PER_SEC || to->mtime.nsec >= NSEC_PER_SEC ||
	    to->ctime.nsec >= NSEC_PER_SEC)
		return KERR(EINVAL);
	return 0;
}

/* The new state goes to *out, which may be a. */
static kerr_t change_attr(const struct path *p, unsigned set, const struct maestro_attr *a, struct maestro_attr *out)
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
	return err ? err : read_attr(p, out);
}

int maestro_node_setattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, unsigned set, const struct maestro_attr *a, struct maestro_attr *out)
{
	return NODE_CALL_AS(k, who, change_attr(&n->path, set, a, out));
}

static kerr_t read_statfs(const struct path *p, struct maestro_statfs *out)
{
	struct kstatfs st;
	kerr_t err = vfs_statfs(p->dentry->sb, &st);

	if (err)
		return err;
	*out = (struct maestro_statfs){
		.blocks = st.blocks,
		.bfree = st.bfree,
		.bavail = st.bavail,
		.files = st.files,
		.ffree = st.ffree,
		.bsize = (u32)st.bsize,
		.frsize = (u32)st.frsize,
		.namelen = (u32)st.namelen,
		.read_only = (p->mnt->flags | p->dentry->sb->flags) & MS_RDONLY,
	};
	return 0;
}

int maestro_node_statfs(struct maestro *k, struct maestro_node *n, struct maestro_statfs *out)
{
	return NODE_CALL(k, read_statfs(&n->path, out));
}

/* ---------------------------------------------------------------- extended attributes */
ssize_t maestro_node_getxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, const char *name, void *buf, size_t size)
{
	const struct cred *saved;
	ssize_t len = node_enter_as(k, who, &saved);

	if (len)
		return len;
	len = vfs_getxattr(&n->path, name, buf, size);
	node_leave_as(saved);
	return len;
}

ssize_t maestro_node_listxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, char *buf, size_t size)
{
	const struct cred *saved;
	ssize_t len = node_enter_as(k, who, &saved);

	if (len)
		return len;
	len = vfs_listxattr(&n->path, buf, size);
	node_leave_as(saved);
	return len;
}

int maestro_node_setxattr(struct maestro *k, const struct maestro_caller *who, struct maestro_node *n, const char *name, const void *val, size_t size, int flags)
{
	return NODE_CALL_AS(k, who, vfs_setxattr(&n->path, name, val, size, flags));
}
