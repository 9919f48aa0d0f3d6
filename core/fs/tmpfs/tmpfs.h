/* SPDX-License-Identifier: MIT */
/* tmpfs: private structures. Also the body of devtmpfs. */
#pragma once

#include <maestro/rbtree.h>
#include <maestro/shmem.h>
#include <maestro/vfs.h>

struct tmpfs_dirent {
	struct rb_node by_name;	  /* [dir rwsem] keyed by hash, then name */
	struct rb_node by_cookie; /* [dir rwsem] in order of creation: what readdir follows */
	loff_t cookie;
	struct inode *inode;	  /* a reference */
	u32 hash, len;
	char name[];
};
struct tmpfs_xattr {
	struct list node;
	size_t size;
	char *name;
	u8 value[];
};
struct tmpfs_inode {
	struct rb_tree by_name, by_cookie; /* [rwsem] directories */
	loff_t next_cookie;		   /* [rwsem] */
	ino_t parent;			   /* [a] directories: where it is; its own for the root */
	char *target;			   /* [c] symbolic links */
	struct list xattrs;		   /* [rwsem] */
	struct inode vfs;
};
struct tmpfs_super {
	struct shmem_limit limit;
	struct atomic_long inodes; /* [a] in use */
	long max_inodes;	   /* 0: no limit */
	mode_t mode;		   /* of the root directory */
	uid_t uid;
	gid_t gid;
	struct atomic_long next_ino;
	u32 generation;		   /* [c] of all inodes: no number is used twice */
};

static inline struct tmpfs_inode *tmpfs_i(struct inode *i)
{
	return container_of(i, struct tmpfs_inode, vfs);
}
static inline struct tmpfs_super *tmpfs_sb(struct super *sb)
{
	return sb->priv;
}

kerr_t tmpfs_fill_super(struct super *sb, const char *data, bool silent) __must_check;
/* A new inode owned by current, counted; not in any directory. KERR(ENOSPC), KERR(ENOMEM). */
kerr_t tmpfs_inode_make(struct super *sb, const struct inode *dir, mode_t mode, dev_t rdev, struct inode **out) __must_check;

#define TMPFS_DIRENT_SIZE 20 /* what an entry adds to the size of its directory, "." and ".." as well; a number Linux made up */

/* --- dir.c; dir's rwsem is held, for writing where it changes --- */
struct tmpfs_dirent *tmpfs_dirent_find(struct inode *dir, const char *name, u32 len);
/* Takes its own reference on inode. KERR(ENOMEM). */
kerr_t tmpfs_dirent_add(struct inode *dir, const char *name, u32 len, struct inode *inode) __must_check;
void tmpfs_dirent_remove(struct inode *dir, struct tmpfs_dirent *de); /* puts its inode */
bool tmpfs_dir_empty(struct inode *dir);
void tmpfs_dir_free_all(struct inode *dir); /* the whole tree below */
extern const struct inode_ops tmpfs_dir_ops, tmpfs_file_ops, tmpfs_link_ops;
extern const struct file_ops tmpfs_dir_fops, tmpfs_file_fops;
ssize_t tmpfs_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
kerr_t tmpfs_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags);
ssize_t tmpfs_listxattr(struct inode *inode, char *buf, size_t size);
void tmpfs_xattr_free(struct inode *inode);
