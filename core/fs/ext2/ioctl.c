/* SPDX-License-Identifier: MIT */
/*
 * ioctls of files and directories: the inode flags of chattr(1) (ioctl_iflags(2)), the generation number, FIBMAP, FIEMAP (fiemap.c) and FITRIM (trim.c).
 * The command numbers carry sizeof(long), the data is an int.
 */
#include <maestro/cred.h>
#include <maestro/uaccess.h>

#include "ext2.h"

#define IOC_LONG ((unsigned)sizeof(long) << 16)
#define FS_IOC_GETFLAGS (0x80006601u | IOC_LONG)
#define FS_IOC_SETFLAGS (0x40006602u | IOC_LONG)
#define FS_IOC_GETVERSION (0x80007601u | IOC_LONG)
#define FS_IOC_SETVERSION (0x40007602u | IOC_LONG)
#define FS_IOC_FSGETXATTR 0x801c581fu
#define FS_IOC_FSSETXATTR 0x401c5820u
#define FS_IOC_FIEMAP 0xc020660bu
#define FITRIM 0xc0185879u
#define FIBMAP 1
#define FIGETBSZ 2

/* FS_IOC_FSGETXATTR, as XFS had it first (ioctl_xfs_fsgetxattr(2)). */
struct fsxattr {
	u32 xflags, extsize, nextents, projid, cowextsize;
	u8 pad[8];
};
_Static_assert(sizeof(struct fsxattr) == 28, "struct fsxattr");
static const struct {
	u32 xflag, flag;
} xflags[] = {
	{ 0x8, EXT2_IMMUTABLE_FL }, { 0x10, EXT2_APPEND_FL }, { 0x20, EXT2_SYNC_FL }, { 0x40, EXT2_NOATIME_FL }, { 0x80, EXT2_NODUMP_FL },
};

static u32 flags_mask(mode_t mode, u32 flags)
{
	if (S_ISDIR(mode))
		return flags;
	flags &= ~(u32)(EXT2_DIRSYNC_FL | EXT2_TOPDIR_FL);
	return S_ISREG(mode) ? flags : flags & (EXT2_NODUMP_FL | EXT2_NOATIME_FL);
}

static kerr_t set_flags_locked(struct inode *inode, u32 flags)
{
	struct ext2_inode *ei = EXT2_I(inode);
	u32 changed;

	flags = flags_mask(inode->mode, flags);
	changed = flags ^ ei->flags;
	if ((changed & (EXT2_APPEND_FL | EXT2_IMMUTABLE_FL)) && !capable(CAP_LINUX_IMMUTABLE))
		return KERR(EPERM);
	store_relaxed(&ei->flags, (ei->flags & ~EXT2_FL_USER_MODIFIABLE) | (flags & EXT2_FL_USER_MODIFIABLE));
	ext2_flags_to_vfs(inode);
	inode_touch(inode, ATTR_CTIME);
	return KERR(0);
}

static kerr_t set_word(struct file *f, unsigned cmd, const void __user *arg)
{
	struct inode *inode = f->inode;
	kerr_t err = mount_want_write(f->path.mnt);
	u32 v;

	if (err)
		return err;
	if (!inode_owner_or_capable(inode))
		err = KERR(EPERM);
	if (!err)
		err = copy_from_user(&v, arg, sizeof(v));
	if (!err) {
		rwsem_write_lock(&inode->rwsem);
		if (cmd == FS_IOC_SETFLAGS) {
			err = set_flags_locked(inode, v);
		} else {
			inode->generation = v;
			inode_touch(inode, ATTR_CTIME);
		}
		rwsem_write_unlock(&inode->rwsem);
	}
	mount_drop_write(f->path.mnt);
	return err;
}

static kerr_t fsxattr_get(const struct inode *inode, void __user *arg)
{
	struct fsxattr x = { 0 };

	for (unsigned i = 0; i < ARRAY_SIZE(xflags); i++)
		x.xflags |= EXT2_I(inode)->flags & xflags[i].flag ? xflags[i].xflag : 0u;
	return copy_to_user(arg, &x, sizeof(x));
}

/* No projects here: only 0, which every file has. Hints of extents have no place to be kept. */
static kerr_t fsxattr_check(const struct fsxattr *x)
{
	u32 known = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(xflags); i++)
		known |= xflags[i].xflag;
	return x->projid || x->extsize || x->cowextsize || (x->xflags & ~known) ? KERR(EOPNOTSUPP) : KERR(0);
}

static kerr_t fsxattr_set(struct file *f, const void __user *arg)
{
	struct inode *inode = f->inode;
	struct fsxattr x;
	kerr_t err = copy_from_user(&x, arg, sizeof(x));
	u32 flags;

	if (!err)
		err = mount_want_write(f->path.mnt);
	if (err)
		return err;
	if (!inode_owner_or_capable(inode))
		err = KERR(EPERM);
	if (!err)
		err = fsxattr_check(&x);
	if (!err) {
		rwsem_write_lock(&inode->rwsem);
		flags = EXT2_I(inode)->flags;
		for (unsigned i = 0; i < ARRAY_SIZE(xflags); i++)
			flags = x.xflags & xflags[i].xflag ? flags | xflags[i].flag : flags & ~xflags[i].flag;
		err = set_flags_locked(inode, flags);
		rwsem_write_unlock(&inode->rwsem);
	}
	mount_drop_write(f->path.mnt);
	return err;
}

static kerr_t fibmap(struct inode *inode, void __user *arg)
{
	u32 phys = 0, len;
	bool fresh;
	s32 block;
	kerr_t err;

	if (!capable(CAP_SYS_RAWIO))
		return KERR(EPERM);
	if (!S_ISREG(inode->mode))
		return KERR(EINVAL);
	err = copy_from_user(&block, arg, sizeof(block));
	if (err)
		return err;
	if (block < 0)
		return KERR(EINVAL);
	err = ext2_map(inode, (u32)block, 1, false, &phys, &len, &fresh);
	if (err)
		return err;
	return copy_to_user(arg, &phys, sizeof(phys));
}

long ext2_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct inode *inode = f->inode;
	void __user *uarg = (void __user *)arg;
	kerr_t err;
	u32 v;

	switch (cmd) {
	case FS_IOC_GETFLAGS:
		v = EXT2_I(inode)->flags & EXT2_FL_USER_VISIBLE;
		err = copy_to_user(uarg, &v, sizeof(v));
		break;
	case FS_IOC_GETVERSION:
		v = inode->generation;
		err = copy_to_user(uarg, &v, sizeof(v));
		break;
	case FS_IOC_SETFLAGS:
	case FS_IOC_SETVERSION:
		err = set_word(f, cmd, uarg);
		break;
	case FS_IOC_FSGETXATTR:
		err = fsxattr_get(inode, uarg);
		break;
	case FS_IOC_FSSETXATTR:
		err = fsxattr_set(f, uarg);
		break;
	case FIBMAP:
		err = fibmap(inode, uarg);
		break;
	case FIGETBSZ:
		v = EXT2_SB(inode->sb)->block_size;
		err = copy_to_user(uarg, &v, sizeof(v));
		break;
	case FS_IOC_FIEMAP:
		err = ext2_fiemap(inode, uarg);
		break;
	case FITRIM:
		err = ext2_fitrim(inode->sb, uarg);
		break;
	default:
		return -ENOIOCTLCMD;
	}
	return kerr_code(err);
}
