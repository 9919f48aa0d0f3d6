/* SPDX-License-Identifier: MIT */
/*
 * Allocation of inodes. Files go to their directory's group; directories are spread as Orlov's allocator does: those at the top of the tree over groups
 * with much room, others near their parent unless that group is short of room or of luck (debts).
 *
 * Locking: ext2_sb.alloc; the buf's lock while a bitmap or descriptor changes.
 */
#include <maestro/acl.h>
#include <maestro/cred.h>
#include <maestro/init.h>

#include "ext2.h"

#define INODE_COST 64
#define BLOCK_COST 256

static kerr_t inode_bitmap(struct ext2_sb *s, u32 group, struct buf **out)
{
	u32 block = ext2_group_desc(s, group, NULL)->inode_bitmap;
	kerr_t err = buf_read(s->bdev, block, out);

	if (err && kerr_code(err) != -ENOMEM)
		EXT2_ERROR_AT(s->sb, 0, block, "cannot read inode bitmap of group %u, block %u", group, block);
	return err;
}

static void count_inode(struct ext2_sb *s, u32 group, s32 inodes, bool dir)
{
	struct buf *b;
	struct ext2_group *gd = ext2_group_desc(s, group, &b);

	buf_lock(b);
	/* Counts that are wrong on disk must not wrap. */
	if (inodes < 0 || gd->free_inodes)
		gd->free_inodes = (u16)(gd->free_inodes - inodes);
	if (dir && (inodes > 0 || gd->used_dirs))
		gd->used_dirs = (u16)(gd->used_dirs + inodes);
	buf_mark_dirty(b);
	buf_unlock(b);
	if (inodes < 0 || s->free_inodes)
		store_relaxed(&s->free_inodes, s->free_inodes - (u32)inodes);
	if (dir) {
		if (inodes > 0 || s->dirs)
			s->dirs += (u32)inodes;
		if (inodes > 0 && s->debts[group] < 255)
			s->debts[group]++;
	} else if (inodes > 0 && s->debts[group]) {
		s->debts[group]--;
	}
	s->counts_dirty = true;
}

/* ---------------------------------------------------------------- which group */
static bool topdir_group(const struct ext2_sb *s, u32 *out)
{
	u32 avg_inodes = s->free_inodes / s->groups, avg_blocks = s->free_blocks / s->groups, best_dirs = ~0u, start = random_u32() % s->groups;
	bool found = false;

	for (u32 i = 0; i < s->groups; i++) {
		u32 g = (start + i) % s->groups;
		const struct ext2_group *gd = ext2_group_desc(s, g, NULL);

		if (!gd->free_inodes || gd->used_dirs >= best_dirs || gd->free_inodes < avg_inodes || gd->free_blocks < avg_blocks)
			continue;
		best_dirs = gd->used_dirs;
		*out = g;
		found = true;
	}
	return found;
}

static bool near_parent_group(const struct ext2_sb *s, u32 parent, u32 *out)
{
	u32 avg_inodes = s->free_inodes / s->groups, avg_blocks = s->free_blocks / s->groups;
	u32 max_dirs = s->dirs / s->groups + s->inodes_per_group / 16;
	u32 blocks_per_dir = s->dirs ? (s->blocks_count - s->free_blocks) / s->dirs : s->blocks_per_group;
	u32 max_debt = s->blocks_per_group / MAX(blocks_per_dir, (u32)BLOCK_COST);
	u32 min_inodes = avg_inodes > s->inodes_per_group / 4 ? avg_inodes - s->inodes_per_group / 4 : 1;
	u32 min_blocks = avg_blocks > s->blocks_per_group / 4 ? avg_blocks - s->blocks_per_group / 4 : 0;

	max_debt = MIN(max_debt, s->inodes_per_group / INODE_COST);
	max_debt = max_debt > 255 ? 255 : max_debt ? max_debt : 1;
	for (u32 i = 0; i < s->groups; i++) {
		u32 g = (parent + i) % s->groups;
		const struct ext2_group *gd = ext2_group_desc(s, g, NULL);

		if (!gd->free_inodes || s->debts[g] >= max_debt || gd->used_dirs >= max_dirs || gd->free_inodes < min_inodes ||
		    gd->free_blocks < min_blocks)
			continue;
		*out = g;
		return true;
	}
	return false;
}

/* The best there is when no group is good: at least the average of free inodes, then any. */
static bool any_dir_group(const struct ext2_sb *s, u32 parent, u32 *out)
{
	for (u32 least = s->free_inodes / s->groups;; least = 0) {
		for (u32 i = 0; i < s->groups; i++) {
			u32 g = (parent + i) % s->groups, n = ext2_group_desc(s, g, NULL)->free_inodes;

			if (n && n >= least) {
				*out = g;
				return true;
			}
		}
		if (!least)
			return false;
	}
}

static bool dir_group(const struct ext2_sb *s, const struct inode *parent, u32 *out)
{
	u32 pg = EXT2_I(parent)->group;

	if (parent->ino == EXT2_ROOT_INO || (EXT2_I(parent)->flags & EXT2_TOPDIR_FL))
		return topdir_group(s, out) || any_dir_group(s, pg, out);
	return near_parent_group(s, pg, out) || any_dir_group(s, pg, out);
}

static bool group_fits_file(const struct ext2_sb *s, u32 g)
{
	const struct ext2_group *gd = ext2_group_desc(s, g, NULL);

	return gd->free_inodes && gd->free_blocks;
}

static bool file_group(const struct ext2_sb *s, const struct inode *parent, u32 *out)
{
	u32 pg = EXT2_I(parent)->group, g;

	if (group_fits_file(s, pg)) {
		*out = pg;
		return true;
	}
	/* Full: jump by a hash of the directory in growing steps, so that the files of one directory meet again. */
	g = (pg + (u32)parent->ino) % s->groups;
	for (u32 i = 1; i < s->groups; i <<= 1) {
		g = (g + i) % s->groups;
		if (group_fits_file(s, g)) {
			*out = g;
			return true;
		}
	}
	for (u32 i = 0; i < s->groups; i++) {
		g = (pg + i) % s->groups;
		if (ext2_group_desc(s, g, NULL)->free_inodes) {
			*out = g;
			return true;
		}
	}
	return false;
}

/* ---------------------------------------------------------------- taking and giving back */
/* A free bit of the group, set. KERR(ENOSPC): the descriptor promised what the bitmap does not have. */
static kerr_t take_bit(struct ext2_sb *s, u32 group, u32 *ino)
{
	u32 reserved = group == 0 ? s->first_ino - 1 : 0, bit;
	struct buf *b;
	kerr_t err = inode_bitmap(s, group, &b);

	if (err)
		return err;
	bit = (u32)bitmap_find_zero(b->data, s->inodes_per_group, reserved);
	if (bit < s->inodes_per_group) {
		buf_lock(b);
		bitmap_set(b->data, bit);
		buf_mark_dirty(b);
		buf_unlock(b);
		*ino = group * s->inodes_per_group + bit + 1;
	} else {
		err = KERR(ENOSPC);
	}
	buf_put(b);
	return err;
}

static kerr_t number_alloc(struct ext2_sb *s, const struct inode *dir, bool is_dir, u32 *ino)
{
	kerr_t err = KERR(ENOSPC);
	u32 group = 0;

	mutex_lock_nested(&s->alloc);
	if (!s->free_inodes || !(is_dir ? dir_group(s, dir, &group) : file_group(s, dir, &group)))
		goto out;
	for (u32 i = 0; i < s->groups && err; i++) {
		err = ext2_group_desc(s, group, NULL)->free_inodes ? take_bit(s, group, ino) : KERR(ENOSPC);
		if (err && ++group == s->groups)
			group = 0;
	}
	if (!err)
		count_inode(s, group, 1, is_dir);
out:
	mutex_unlock(&s->alloc);
	return err;
}

static void number_free(struct ext2_sb *s, u32 ino, bool is_dir)
{
	u32 group = (ino - 1) / s->inodes_per_group, bit = (ino - 1) % s->inodes_per_group;
	bool was = false;
	struct buf *b;

	mutex_lock_nested(&s->alloc);
	if (!inode_bitmap(s, group, &b)) {
		buf_lock(b);
		was = bitmap_test(b->data, bit);
		if (was) {
			bitmap_clear(b->data, bit);
			buf_mark_dirty(b);
		}
		buf_unlock(b);
		buf_put(b);
		if (was)
			count_inode(s, group, -1, is_dir);
	}
	mutex_unlock(&s->alloc);
	if (!was)
		EXT2_ERROR_AT(s->sb, ino, 0, "inode %u was free already", ino);
}

void ext2_inode_free(struct inode *inode)
{
	number_free(EXT2_SB(inode->sb), (u32)inode->ino, S_ISDIR(inode->mode));
}

static u32 inherited_flags(const struct inode *dir, mode_t mode)
{
	u32 flags = EXT2_I(dir)->flags & EXT2_FL_INHERITED;

	if (S_ISDIR(mode))
		return flags & ~(u32)EXT2_TOPDIR_FL;
	flags &= ~(u32)(EXT2_DIRSYNC_FL | EXT2_TOPDIR_FL);
	return S_ISREG(mode) ? flags : flags & (EXT2_NODUMP_FL | EXT2_NOATIME_FL);
}

/* Wipes the old tenant's record: nothing of its attributes may show through the new one's. */
static kerr_t wipe_record(struct inode *inode)
{
	struct ext2_dinode *raw;
	struct buf *b;
	kerr_t err = ext2_inode_buf(inode->sb, (u32)inode->ino, &b, &raw);

	if (err)
		return err;
	buf_lock(b);
	memset(raw, 0, EXT2_SB(inode->sb)->inode_size);
	buf_mark_dirty(b);
	buf_unlock(b);
	buf_put(b);
	return KERR(0);
}

kerr_t ext2_inode_create(struct inode *dir, mode_t mode, struct inode **out)
{
	struct super *sb = dir->sb;
	struct ext2_sb *s = EXT2_SB(sb);
	struct ext2_inode *ei;
	struct inode *inode;
	kerr_t err;
	u32 ino;

	err = inode_new(sb, &inode);
	if (err)
		return err;
	err = number_alloc(s, dir, S_ISDIR(mode), &ino);
	if (err)
		goto free_inode;
	ei = EXT2_I(inode);
	inode->ino = ino;
	err = wipe_record(inode);
	if (err) {
		number_free(s, ino, S_ISDIR(mode));
		goto free_inode;
	}
	inode_init_owner(inode, dir, mode);
	if (s->grpid)
		inode->gid = dir->gid;
	inode->nlink = 1;
	inode->atime = inode->mtime = inode->ctime = inode->btime = ktime_get_real_coarse_ts();
	if (sb->time_gran >= (u32)NSEC_PER_SEC)
		inode->atime.nsec = inode->mtime.nsec = inode->ctime.nsec = inode->btime.nsec = 0;
	inode->generation = random_u32();
	ei->group = (ino - 1) / s->inodes_per_group;
	ei->flags = inherited_flags(dir, inode->mode);
	ei->extra_isize = (u16)s->want_extra;
	ei->valid = true;
	ext2_flags_to_vfs(inode);
	ext2_set_ops(inode);
	inode_insert(inode);
	inode_mark_dirty(inode, DIRTY_SYNC);
	err = inode_acl_inherit(dir, inode);
	if (err) {
		ext2_discard_new(inode);
		return err;
	}
	*out = inode;
	return KERR(0);

free_inode:
	inode->nlink = 0; /* not valid: evicting it touches nothing on disk */
	inode_put(inode);
	return err;
}
