/* SPDX-License-Identifier: MIT */
/*
 * Operations on names. What they may assume (locks held, names checked, permission) is in vfs.h, struct inode_ops.
 *
 * Order on disk: a name is added after its inode is made, and removed before its inode is released. A rename adds (or redirects) the new name before
 * it removes the old one.
 */
#include "ext2.h"

static const struct name dotdot = { .str = "..", .len = 2, .hash = 0 };

/* On a damaged file system the count may be too low; it must not wrap. */
static void nlink_drop(struct inode *inode)
{
	if (likely(inode->nlink))
		inode_nlink_drop(inode);
	else
		EXT2_ERROR_AT(inode->sb, inode->ino, 0, "inode %llu has more names than its link count", (unsigned long long)inode->ino);
}

static kerr_t ext2_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *inode;
	struct ext2_slot slot;
	kerr_t err;

	if (d->name.len > NAME_MAX)
		return KERR(ENAMETOOLONG);
	err = ext2_dir_find(dir, d->name.str, d->name.len, &slot);
	/* Names that differ in case only are the same there; which those are is not known here. */
	if (kerr_code(err) == -ENOENT && unlikely(EXT2_I(dir)->flags & EXT2_CASEFOLD_FL) &&
	    (EXT2_SB(dir->sb)->es->feature_incompat & EXT2_INCOMPAT_CASEFOLD))
		return KERR(EOPNOTSUPP);
	if (kerr_code(err) == -ENOENT) {
		dentry_splice(d, NULL);
		return KERR(0);
	}
	if (err)
		return err;
	ext2_slot_put(&slot);
	if (unlikely(slot.ino == dir->ino || slot.ino == EXT2_ROOT_INO)) {
		EXT2_ERROR_AT(dir->sb, dir->ino, 0, "directory %llu contains itself or the root", (unsigned long long)dir->ino);
		return KERR(EUCLEAN);
	}
	err = ext2_iget(dir->sb, slot.ino, &inode);
	if (kerr_code(err) == -ESTALE) {
		EXT2_ERROR_AT(dir->sb, dir->ino, 0, "directory %llu names inode %u, which is not in use", (unsigned long long)dir->ino, slot.ino);
		return KERR(EUCLEAN);
	}
	if (err)
		return err;
	dentry_splice(d, inode);
	return KERR(0);
}

/* A new inode that got no name: goes away with its last reference. */
void ext2_discard_new(struct inode *inode)
{
	while (inode->nlink)
		inode_nlink_drop(inode);
	inode_unlock_new(inode);
	inode_put(inode);
}

/* As for the directory: a failure is reported, the name stays. */
static void sync_if_asked(struct inode *inode)
{
	kerr_t err = KERR(0);

	if ((inode->sb->flags & MS_SYNCHRONOUS) || (inode->flags & INODE_SYNC))
		err = inode_write_sync(inode, true);
	if (err)
		klog_err("EXT2-fs (%s): error %d writing inode %llu", inode->sb->id, kerr_code(err), (unsigned long long)inode->ino);
}

/* Gives the new inode (I_NEW, links counted) its name. */
static kerr_t add_nondir(struct inode *dir, struct dentry *d, struct inode *inode)
{
	kerr_t err = ext2_dir_add(dir, &d->name, inode);

	if (err) {
		ext2_discard_new(inode);
		return err;
	}
	sync_if_asked(inode);
	inode_unlock_new(inode);
	dentry_instantiate(d, inode);
	return KERR(0);
}

static kerr_t ext2_create(struct inode *dir, struct dentry *d, mode_t mode)
{
	struct inode *inode;
	kerr_t err = ext2_inode_create(dir, mode, &inode);

	return err ? err : add_nondir(dir, d, inode);
}

static kerr_t ext2_mknod(struct inode *dir, struct dentry *d, mode_t mode, dev_t rdev)
{
	struct inode *inode;
	kerr_t err = ext2_inode_create(dir, mode, &inode);

	if (err)
		return err;
	if (S_ISCHR(mode) || S_ISBLK(mode))
		inode_init_special(inode, inode->mode, rdev);
	inode_mark_dirty(inode, DIRTY_SYNC);
	return add_nondir(dir, d, inode);
}

static kerr_t ext2_tmpfile(struct inode *dir, struct inode **out, mode_t mode)
{
	struct inode *inode;
	kerr_t err = ext2_inode_create(dir, mode, &inode);

	if (err)
		return err;
	inode_nlink_drop(inode);
	inode_unlock_new(inode);
	*out = inode;
	return KERR(0);
}

static kerr_t ext2_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	size_t len = strlen(target);
	struct inode *inode;
	kerr_t err;

	if (len + 1 > EXT2_SB(dir->sb)->block_size)
		return KERR(ENAMETOOLONG);
	err = ext2_inode_create(dir, S_IFLNK | 0777, &inode);
	if (err)
		return err;
	err = ext2_symlink_store(inode, target, len);
	if (err) {
		ext2_discard_new(inode);
		return err;
	}
	return add_nondir(dir, d, inode);
}

static kerr_t ext2_link(struct dentry *old, struct inode *dir, struct dentry *d)
{
	struct inode *inode = old->inode;
	kerr_t err;

	if (inode->nlink >= EXT2_LINK_MAX)
		return KERR(EMLINK);
	inode_touch(inode, ATTR_CTIME);
	inode_nlink_add(inode);
	err = ext2_dir_add(dir, &d->name, inode);
	if (err) {
		nlink_drop(inode);
		return err;
	}
	sync_if_asked(inode);
	dentry_instantiate(d, inode_get(inode));
	return KERR(0);
}

static kerr_t ext2_mkdir(struct inode *dir, struct dentry *d, mode_t mode)
{
	struct inode *inode;
	kerr_t err;

	if (dir->nlink >= EXT2_LINK_MAX)
		return KERR(EMLINK);
	err = ext2_inode_create(dir, S_IFDIR | mode, &inode);
	if (err)
		return err;
	inode_nlink_add(inode);
	err = ext2_dir_make_empty(inode, dir);
	if (!err)
		err = ext2_dir_add(dir, &d->name, inode);
	if (err) {
		ext2_discard_new(inode);
		return err;
	}
	inode_nlink_add(dir);
	inode_unlock_new(inode);
	dentry_instantiate(d, inode);
	return KERR(0);
}

static kerr_t find_checked(struct inode *dir, struct dentry *d, struct ext2_slot *slot)
{
	kerr_t err = ext2_dir_find(dir, d->name.str, d->name.len, slot);

	if (!err && slot->ino != d->inode->ino) {
		ext2_slot_put(slot);
		EXT2_ERROR_AT(dir->sb, dir->ino, 0, "directory %llu changed behind us: inode %u for %llu", (unsigned long long)dir->ino, slot->ino,
			   (unsigned long long)d->inode->ino);
		return KERR(EUCLEAN);
	}
	return err;
}

static kerr_t ext2_unlink(struct inode *dir, struct dentry *d)
{
	struct inode *inode = d->inode;
	struct ext2_slot slot;
	kerr_t err = find_checked(dir, d, &slot);

	if (err)
		return err;
	err = ext2_dir_delete(dir, &slot);
	ext2_slot_put(&slot);
	if (err)
		return err;
	inode_touch(inode, ATTR_CTIME);
	nlink_drop(inode);
	return KERR(0);
}

static kerr_t ext2_rmdir(struct inode *dir, struct dentry *d)
{
	struct inode *inode = d->inode;
	bool empty;
	kerr_t err = ext2_dir_is_empty(inode, &empty);

	if (err)
		return err;
	if (!empty)
		return KERR(ENOTEMPTY);
	err = ext2_unlink(dir, d);
	if (err)
		return err;
	inode_set_size(inode, 0);
	while (inode->nlink)
		inode_nlink_drop(inode);
	nlink_drop(dir);
	return KERR(0);
}

/* ---------------------------------------------------------------- rename */
/* Points the ".." of a directory that moves at its new parent. */
static kerr_t set_parent(struct inode *inode, struct inode *parent)
{
	struct ext2_slot slot;
	kerr_t err = ext2_dir_find(inode, dotdot.str, dotdot.len, &slot);

	if (err)
		return kerr_code(err) == -ENOENT ? KERR(EUCLEAN) : err;
	err = ext2_dir_set(inode, &slot, parent, false);
	ext2_slot_put(&slot);
	return err;
}

static kerr_t rename_exchange(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd)
{
	struct inode *a = od->inode, *b = nd->inode;
	bool adir = S_ISDIR(a->mode), bdir = S_ISDIR(b->mode), cross = odir != ndir;
	struct ext2_slot sa, sb;
	kerr_t err;

	if (cross && adir != bdir && (adir ? ndir : odir)->nlink >= EXT2_LINK_MAX)
		return KERR(EMLINK);
	err = find_checked(odir, od, &sa);
	if (err)
		return err;
	err = find_checked(ndir, nd, &sb);
	if (err) {
		ext2_slot_put(&sa);
		return err;
	}
	err = ext2_dir_set(odir, &sa, b, true);
	if (!err)
		err = ext2_dir_set(ndir, &sb, a, true);
	ext2_slot_put(&sa);
	ext2_slot_put(&sb);
	if (!err && cross && adir)
		err = set_parent(a, ndir);
	if (!err && cross && bdir)
		err = set_parent(b, odir);
	if (!err && cross && adir != bdir) {
		nlink_drop(adir ? odir : ndir);
		inode_nlink_add(adir ? ndir : odir);
	}
	inode_touch(a, ATTR_CTIME);
	inode_touch(b, ATTR_CTIME);
	return err;
}

/* The victim loses the name that was redirected. */
static void drop_victim(struct inode *victim, struct inode *dir)
{
	inode_touch(victim, ATTR_CTIME);
	if (!S_ISDIR(victim->mode)) {
		nlink_drop(victim);
		return;
	}
	while (victim->nlink)
		inode_nlink_drop(victim);
	inode_set_size(victim, 0);
	nlink_drop(dir);
}

static kerr_t rename_check(struct inode *odir, struct inode *inode, struct inode *ndir, struct inode *victim)
{
	bool empty = true;
	kerr_t err = KERR(0);

	if (victim && S_ISDIR(victim->mode))
		err = ext2_dir_is_empty(victim, &empty);
	if (err)
		return err;
	if (!empty)
		return KERR(ENOTEMPTY);
	if (S_ISDIR(inode->mode) && odir != ndir && !victim && ndir->nlink >= EXT2_LINK_MAX)
		return KERR(EMLINK);
	return KERR(0);
}

static kerr_t ext2_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, unsigned flags)
{
	struct inode *inode = od->inode, *victim = nd->inode;
	bool moves_dir = S_ISDIR(inode->mode) && odir != ndir;
	struct ext2_slot slot;
	kerr_t err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
		return KERR(EINVAL);
	if (flags & RENAME_EXCHANGE)
		return rename_exchange(odir, od, ndir, nd);
	err = rename_check(odir, inode, ndir, victim);
	if (err)
		return err;
	err = find_checked(odir, od, &slot); /* before anything changes */
	if (err)
		return err;
	ext2_slot_put(&slot);
	if (victim) {
		err = find_checked(ndir, nd, &slot);
		if (!err) {
			err = ext2_dir_set(ndir, &slot, inode, true);
			ext2_slot_put(&slot);
		}
		if (!err)
			drop_victim(victim, ndir);
	} else {
		err = ext2_dir_add(ndir, &nd->name, inode);
	}
	if (err)
		return err;
	/* Found again: adding to the same directory may have moved entries of its block. */
	err = ext2_dir_find(odir, od->name.str, od->name.len, &slot);
	if (err)
		return err;
	err = ext2_dir_delete(odir, &slot);
	ext2_slot_put(&slot);
	inode_touch(inode, ATTR_CTIME);
	if (moves_dir) {
		kerr_t e = set_parent(inode, ndir);

		inode_nlink_add(ndir);
		nlink_drop(odir);
		if (!err)
			err = e;
	}
	return err;
}

const struct inode_ops ext2_dir_inode_ops = {
	.lookup = ext2_lookup,
	.create = ext2_create,
	.link = ext2_link,
	.unlink = ext2_unlink,
	.symlink = ext2_symlink,
	.mkdir = ext2_mkdir,
	.rmdir = ext2_rmdir,
	.mknod = ext2_mknod,
	.rename = ext2_rename,
	.tmpfile = ext2_tmpfile,
	.setattr = ext2_setattr,
	.getattr = ext2_getattr,
	.getxattr = ext2_getxattr,
	.setxattr = ext2_setxattr,
	.listxattr = ext2_listxattr,
};

const struct inode_ops ext2_special_ops = {
	.setattr = ext2_setattr,
	.getattr = ext2_getattr,
	.getxattr = ext2_getxattr,
	.setxattr = ext2_setxattr,
	.listxattr = ext2_listxattr,
};
