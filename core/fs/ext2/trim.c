/* SPDX-License-Identifier: MIT */
/*
 * FITRIM (fstrim(8)): the disk is told which blocks are free, so that a file that is the disk gets holes there.
 *
 * Everything is written first: a block that a crash would give back to a file is not thrown away. While a run of blocks is discarded nobody can allocate: a
 * write to it would come before the discard.
 *
 * Locking: ext2_sb.alloc, group by group.
 */
#include <maestro/cred.h>
#include <maestro/uaccess.h>

#include "ext2.h"

struct fstrim_range { /* bytes */
	u64 start, len, minlen;
};
_Static_assert(sizeof(struct fstrim_range) == 24, "struct fstrim_range");

/* Blocks [from, to) of a group, at least `least` in a run. *done: how many blocks were discarded. */
static kerr_t trim_group(struct ext2_sb *s, u32 group, u32 from, u32 to, u32 least, u64 *done)
{
	u32 base = ext2_group_first(s, group);
	struct buf *b;
	kerr_t err;

	mutex_lock(&s->alloc);
	err = ext2_block_bitmap(s, group, &b);
	if (err)
		goto unlock;
	while (!err && from < to) {
		u32 start = (u32)bitmap_find_zero(b->data, to, from), end = start;

		while (end < to && !bitmap_test(b->data, end))
			end++;
		if (end - start >= least && end > start) {
			err = block_discard(s->bdev, (u64)(base + start) << s->block_bits, (u64)(end - start) << s->block_bits);
			*done += err ? 0 : end - start;
		}
		from = end + 1;
	}
	buf_put(b);
unlock:
	mutex_unlock(&s->alloc);
	return err;
}

static kerr_t trim(struct ext2_sb *s, struct fstrim_range *r)
{
	u64 first = r->start >> s->block_bits, end, done = 0;
	u64 least = MAX(r->minlen >> s->block_bits, 1ull);
	kerr_t err = KERR(0);

	if (least > s->blocks_per_group || first >= s->blocks_count || r->len < s->block_size)
		return KERR(EINVAL);
	end = (r->len >> s->block_bits) >= s->blocks_count - first ? s->blocks_count : first + (r->len >> s->block_bits);
	first = MAX(first, (u64)s->first_data_block);
	for (u32 g = 0; g < s->groups && !err; g++) {
		u32 base = ext2_group_first(s, g), count = ext2_group_blocks(s, g);

		if (base >= end || base + count <= first)
			continue;
		err = trim_group(s, g, first > base ? (u32)first - base : 0, end < base + count ? (u32)end - base : count, (u32)least, &done);
		if (kerr_code(err) == -EUCLEAN) /* said, and not used: nothing is known to be free there */
			err = KERR(0);
		if (!err && task_signal_pending())
			err = KERR(EINTR);
		cond_resched();
	}
	r->len = done << s->block_bits;
	return err;
}

kerr_t ext2_fitrim(struct super *sb, void __user *arg)
{
	struct ext2_sb *s = EXT2_SB(sb);
	struct fstrim_range r;
	kerr_t err;

	if (!capable(CAP_SYS_ADMIN))
		return KERR(EPERM);
	if (!s->bdev->disk->has_discard)
		return KERR(EOPNOTSUPP);
	err = copy_from_user(&r, arg, sizeof(r));
	if (err)
		return err;
	if (ext2_read_only(sb))
		return KERR(EROFS);
	err = sb->ops->sync_fs(sb, true);
	if (!err)
		err = trim(s, &r);
	return err ? err : copy_to_user(arg, &r, sizeof(r));
}
