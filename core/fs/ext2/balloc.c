/* SPDX-License-Identifier: MIT */
/*
 * Allocation of blocks: bitmaps, group counts, and windows.
 *
 * A file that is being written keeps a window: a stretch of blocks other files stay out of, so that two files that grow at once do not interleave. The window
 * exists in memory only; what of it is not used costs nothing. It doubles with each that was used up. When nothing is free outside windows they are ignored.
 *
 * Locking: ext2_sb.alloc for everything here; the buf's lock while a bitmap or descriptor changes.
 */
#include <maestro/cred.h>

#include "ext2.h"

#define WINDOW_MIN 8u
#define WINDOW_MAX 1024u
#define WINDOWS_MAX 32u

/* ---------------------------------------------------------------- bitmaps */
static bool bit_run_set(const unsigned long *map, u32 bit, u32 count)
{
	return bitmap_find_zero(map, bit + count, bit) >= bit + count;
}

/* The group's own tables must be marked in use; a bitmap that says otherwise would have us overwrite them. */
static bool bitmap_sane(const struct ext2_sb *s, u32 group, const struct ext2_group *gd, const unsigned long *map)
{
	u32 first = ext2_group_first(s, group);

	return bitmap_test(map, gd->block_bitmap - first) && bitmap_test(map, gd->inode_bitmap - first) &&
	       bit_run_set(map, gd->inode_table - first, s->itb_per_group);
}

kerr_t ext2_block_bitmap(struct ext2_sb *s, u32 group, struct buf **out)
{
	const struct ext2_group *gd = ext2_group_desc(s, group, NULL);
	kerr_t err;

	if (s->group_flags[group] & GRP_BAD)
		return KERR(EUCLEAN);
	err = buf_read(s->bdev, gd->block_bitmap, out);
	if (err) {
		if (kerr_code(err) != -ENOMEM)
			EXT2_ERROR_AT(s->sb, 0, gd->block_bitmap, "cannot read block bitmap of group %u, block %u", group, gd->block_bitmap);
		return err;
	}
	if (likely(s->group_flags[group] & GRP_BLOCKS_CHECKED))
		return KERR(0);
	if (!bitmap_sane(s, group, gd, (*out)->data)) {
		s->group_flags[group] |= GRP_BAD;
		buf_put(*out);
		EXT2_ERROR_AT(s->sb, 0, gd->block_bitmap, "block bitmap of group %u, block %u, does not cover the group's tables: group not used", group, gd->block_bitmap);
		return KERR(EUCLEAN);
	}
	s->group_flags[group] |= GRP_BLOCKS_CHECKED;
	return KERR(0);
}

static void group_adjust(struct ext2_sb *s, u32 group, s32 blocks)
{
	struct buf *b;
	struct ext2_group *gd = ext2_group_desc(s, group, &b);

	buf_lock(b);
	/* A count that is too low on disk must not wrap round to plenty. */
	gd->free_blocks = blocks < 0 && gd->free_blocks < (u32)-blocks ? 0 : (u16)(gd->free_blocks + blocks);
	buf_mark_dirty(b);
	buf_unlock(b);
	store_relaxed(&s->free_blocks, blocks < 0 && s->free_blocks < (u32)-blocks ? 0 : s->free_blocks + (u32)blocks);
	s->counts_dirty = true;
}

/* ---------------------------------------------------------------- windows */
static void window_drop_locked(struct ext2_sb *s, struct ext2_inode *ei)
{
	if (!ei->win_len)
		return;
	ei->win_len = 0;
	list_del(&ei->window_node);
	s->nwindows--;
}

void ext2_window_drop(struct inode *inode)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);

	if (!load_relaxed(&ei->win_len)) /* only its own users give an inode a window */
		return;
	mutex_lock_nested(&s->alloc);
	window_drop_locked(s, ei);
	ei->win_next_len = 0;
	mutex_unlock(&s->alloc);
}

static void window_set(struct ext2_sb *s, struct ext2_inode *ei, u32 start, u32 end)
{
	window_drop_locked(s, ei);
	if (s->nwindows >= WINDOWS_MAX)
		window_drop_locked(s, list_first(&s->windows, struct ext2_inode, window_node));
	ei->win_start = start;
	ei->win_len = end - start;
	list_add_tail(&s->windows, &ei->window_node);
	s->nwindows++;
}

/* The first block at or after `block` that is in nobody else's window; *limit: where the next foreign window starts. */
static u32 window_skip(const struct ext2_sb *s, const struct ext2_inode *self, u32 block, u32 *limit)
{
	const struct ext2_inode *w;
	bool moved;

	do {
		moved = false;
		list_for_each(w, &s->windows, window_node) {
			if (w != self && block >= w->win_start && block - w->win_start < w->win_len) {
				block = w->win_start + w->win_len;
				moved = true;
			}
		}
	} while (moved);
	list_for_each(w, &s->windows, window_node) {
		if (w != self && w->win_start > block && w->win_start < *limit)
			*limit = w->win_start;
	}
	return block;
}

/* ---------------------------------------------------------------- search */
struct found {
	u32 start, len; /* free blocks, absolute */
};

/* Free bits in [from, to) of the group, up to want, that no foreign window holds (ignore: no matter). */
static bool find_in(const struct ext2_sb *s, const struct ext2_inode *self, const unsigned long *map, u32 base, u32 from, u32 to, u32 want,
		    bool ignore, struct found *f)
{
	while (from < to) {
		u32 bit = (u32)bitmap_find_zero(map, to, from), end, limit = base + to;

		if (bit >= to)
			return false;
		if (!ignore) {
			u32 skipped = window_skip(s, self, base + bit, &limit) - base;

			if (skipped != bit) {
				from = skipped;
				continue;
			}
		}
		end = (u32)bitmap_find_set(map, MIN(limit - base, bit + want), bit);
		f->start = base + bit;
		f->len = MIN(end, bit + want) - bit;
		return true;
	}
	return false;
}

/* A place to start in a group where no goal binds us: a whole free byte gives room to grow, else any bit. */
static u32 roomy_bit(const unsigned long *map, u32 bits)
{
	const u8 *bytes = (const u8 *)map;
	const u8 *hit = memchr(bytes, 0, bits / 8);

	return hit ? (u32)(hit - bytes) * 8 : 0;
}

static void take(struct ext2_sb *s, struct buf *b, u32 group, const struct found *f)
{
	u32 bit = f->start - ext2_group_first(s, group);

	buf_lock(b);
	for (u32 i = 0; i < f->len; i++)
		bitmap_set(b->data, bit + i);
	buf_mark_dirty(b);
	buf_unlock(b);
	group_adjust(s, group, -(s32)f->len);
}

/* Tries one group from `bit` on (~0: where there is room). KERR(ENOSPC): nothing there. */
static kerr_t alloc_in_group(struct ext2_sb *s, struct ext2_inode *ei, u32 group, u32 bit, u32 want, bool ignore, struct found *f)
{
	u32 bits = ext2_group_blocks(s, group), base = ext2_group_first(s, group);
	struct buf *b;
	kerr_t err;
	bool got = false;

	if (!ext2_group_desc(s, group, NULL)->free_blocks)
		return KERR(ENOSPC);
	err = ext2_block_bitmap(s, group, &b);
	if (err)
		return err;
	if (bit == ~0u)
		bit = roomy_bit(b->data, bits);
	if (ei && ei->win_len && base + bit >= ei->win_start && base + bit < ei->win_start + ei->win_len)
		got = find_in(s, ei, b->data, base, bit, MIN(ei->win_start + ei->win_len - base, bits), want, ignore, f);
	if (!got)
		got = find_in(s, ei, b->data, base, bit, bits, want, ignore, f) || (bit && find_in(s, ei, b->data, base, 0, bit, want, ignore, f));
	if (got && !ext2_data_block_ok(s, f->start, f->len)) {
		EXT2_ERROR_AT(s->sb, 0, f->start, "group %u has free blocks outside the data zone: %u", group, f->start);
		got = false;
	}
	if (got)
		take(s, b, group, f);
	buf_put(b);
	return got ? KERR(0) : KERR(ENOSPC);
}

/* Moves the file's window to where it grows now. */
static void window_follow(struct ext2_sb *s, struct ext2_inode *ei, u32 group, const struct found *f)
{
	u32 end_of_group = ext2_group_first(s, group) + ext2_group_blocks(s, group), limit = end_of_group;

	if (ei->win_len && f->start >= ei->win_start && f->start + f->len < ei->win_start + ei->win_len)
		return;
	ei->win_next_len = ei->win_next_len ? MIN(ei->win_next_len * 2, WINDOW_MAX) : WINDOW_MIN;
	(void)window_skip(s, ei, f->start, &limit);
	if (limit - f->start > ei->win_next_len)
		limit = f->start + ei->win_next_len;
	if (limit > f->start + f->len)
		window_set(s, ei, f->start, limit);
	else
		window_drop_locked(s, ei);
}

/* Reserved blocks are for the superuser and those the superblock or options name. */
static bool may_use_reserve(const struct ext2_sb *s)
{
	const struct cred *c = current_cred();

	return capable(CAP_SYS_RESOURCE) || c->fsuid == s->resuid || (s->resgid && cred_in_group(c, s->resgid));
}

static bool has_room(const struct ext2_sb *s)
{
	return s->free_blocks && (s->free_blocks > s->es->r_blocks_count || may_use_reserve(s));
}

kerr_t ext2_blocks_alloc(struct inode *inode, u32 goal, u32 *count, u32 *out)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	kerr_t err = KERR(ENOSPC);
	struct found f = { 0, 0 };
	u32 group, bit;

	if (!ext2_data_block_ok(s, goal, 1))
		goal = MAX(ext2_group_first(s, ei->group), s->first_data_block + 1);
	group = (goal - s->first_data_block) / s->blocks_per_group;
	bit = (goal - s->first_data_block) % s->blocks_per_group;
	mutex_lock_nested(&s->alloc);
	if (!has_room(s))
		goto out;
	for (unsigned pass = 0; pass < 2 && err; pass++) {
		for (u32 i = 0; i < s->groups; i++) {
			err = alloc_in_group(s, ei, group, i ? ~0u : bit, *count, pass > 0, &f);
			if (!err)
				break;
			if (++group == s->groups)
				group = 0;
		}
	}
	if (err) { /* a damaged group among full ones: full is what the caller can do something about */
		err = KERR(ENOSPC);
		goto out;
	}
	if (S_ISREG(inode->mode) && !s->noreserve)
		window_follow(s, ei, group, &f);
	*count = f.len;
	*out = f.start;
out:
	mutex_unlock(&s->alloc);
	return err;
}

/* ---------------------------------------------------------------- freeing */
static void free_in_group(struct ext2_sb *s, u32 group, u32 bit, u32 count)
{
	u32 freed = 0;
	struct buf *b;

	if (ext2_block_bitmap(s, group, &b))
		return; /* reported: the blocks are lost until e2fsck */
	buf_lock(b);
	for (u32 i = 0; i < count; i++) {
		if (bitmap_test(b->data, bit + i)) {
			bitmap_clear(b->data, bit + i);
			freed++;
		}
	}
	buf_mark_dirty(b);
	buf_unlock(b);
	buf_put(b);
	if (freed != count)
		EXT2_ERROR(s->sb, "%u of blocks %u to %u were free already", count - freed, ext2_group_first(s, group) + bit,
			   ext2_group_first(s, group) + bit + count - 1);
	group_adjust(s, group, (s32)freed);
}

bool ext2_overlaps_tables(const struct ext2_sb *s, u32 block, u32 count)
{
	u32 group = (block - s->first_data_block) / s->blocks_per_group, end = block + count;

	if (s->zones)
		return ext2_zones_overlap(s, block, count);
	for (; group < s->groups && ext2_group_first(s, group) < end; group++) {
		const struct ext2_group *gd = ext2_group_desc(s, group, NULL);

		if ((gd->block_bitmap >= block && gd->block_bitmap < end) || (gd->inode_bitmap >= block && gd->inode_bitmap < end) ||
		    (block < gd->inode_table + s->itb_per_group && gd->inode_table < end))
			return true;
	}
	return false;
}

bool ext2_block_in_use(struct inode *inode, u32 block)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	bool used = false;
	struct buf *b;

	mutex_lock_nested(&s->alloc);
	if (!ext2_block_bitmap(s, (block - s->first_data_block) / s->blocks_per_group, &b)) {
		used = bitmap_test(b->data, (block - s->first_data_block) % s->blocks_per_group);
		buf_put(b);
	}
	mutex_unlock(&s->alloc);
	return used;
}

void ext2_blocks_free(struct inode *inode, u32 block, u32 count)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);

	if (!ext2_data_block_ok(s, block, count)) {
		EXT2_ERROR_AT(inode->sb, inode->ino, block, "freeing blocks outside the data zone: inode %llu, block %u, count %u", (unsigned long long)inode->ino, block,
			   count);
		return;
	}
	mutex_lock_nested(&s->alloc);
	while (count) {
		u32 group = (block - s->first_data_block) / s->blocks_per_group;
		u32 bit = (block - s->first_data_block) % s->blocks_per_group;
		u32 n = MIN(count, s->blocks_per_group - bit);

		if (ext2_overlaps_tables(s, block, n))
			EXT2_ERROR_AT(inode->sb, inode->ino, block, "freeing the tables of group %u: inode %llu, block %u, count %u", group, (unsigned long long)inode->ino,
				   block, n);
		else
			free_in_group(s, group, bit, n);
		block += n;
		count -= n;
	}
	mutex_unlock(&s->alloc);
}
