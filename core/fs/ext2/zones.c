/* SPDX-License-Identifier: MIT */
/*
 * Zones: with flex_bg the tables of a group may be anywhere, so all blocks of tables are kept as one sorted list of ranges, to be looked up by block. No two
 * tables may share a block; without flex_bg each group's are checked against the group alone (super.c), which needs no list.
 */
#include "ext2.h"

enum { RUN_BLOCK_BITMAPS, RUN_INODE_BITMAPS, RUN_TABLES, RUN_SUPERS, RUNS };

struct builder {
	struct ext2_sb *s;
	u32 room;
	struct ext2_zone run[RUNS]; /* one per kind: tables of one kind mostly follow each other */
};

static kerr_t emit(struct builder *b, const struct ext2_zone *z)
{
	struct ext2_sb *s = b->s;

	if (z->start == z->end)
		return KERR(0);
	if (s->nzones == b->room) {
		struct ext2_zone *more = krealloc(s->zones, 2 * (size_t)b->room * sizeof(*more), GFP_KERNEL);

		if (!more)
			return KERR(ENOMEM);
		s->zones = more;
		b->room *= 2;
	}
	s->zones[s->nzones++] = *z;
	return KERR(0);
}

static kerr_t add(struct builder *b, unsigned kind, u32 start, u32 count)
{
	struct ext2_zone *run = &b->run[kind];
	kerr_t err;

	if (run->end == start && run->start != run->end) {
		run->end += count;
		return KERR(0);
	}
	err = emit(b, run);
	*run = (struct ext2_zone){ start, start + count };
	return err;
}

static int cmp_zone(const void *a, const void *b)
{
	const struct ext2_zone *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static kerr_t add_group(struct builder *b, u32 group)
{
	const struct ext2_sb *s = b->s;
	const struct ext2_group *gd = ext2_group_desc(s, group, NULL);
	u32 own = 1 + ext2_boot_blocks(s, group) + (s->es->feature_incompat & EXT2_INCOMPAT_META_BG ? 0 : s->gdt_blocks), first = ext2_group_first(s, group);
	kerr_t err = add(b, RUN_BLOCK_BITMAPS, gd->block_bitmap, 1);

	if (!err)
		err = add(b, RUN_INODE_BITMAPS, gd->inode_bitmap, 1);
	if (!err)
		err = add(b, RUN_TABLES, gd->inode_table, s->itb_per_group);
	if (!err && ext2_group_has_super(s, group))
		err = add(b, RUN_SUPERS, first, MIN(own, ext2_group_blocks(s, group)));
	return err;
}

kerr_t ext2_zones_build(struct ext2_sb *s)
{
	struct builder b = { .s = s, .room = 16 };
	kerr_t err = KERR(0);

	s->zones = kmalloc(b.room * sizeof(s->zones[0]), GFP_KERNEL);
	if (!s->zones)
		return KERR(ENOMEM);
	for (u32 g = 0; g < s->groups && !err; g++)
		err = add_group(&b, g);
	for (unsigned i = 0; i < RUNS && !err; i++)
		err = emit(&b, &b.run[i]);
	if (err)
		return err;
	sort(s->zones, s->nzones, sizeof(s->zones[0]), cmp_zone);
	for (u32 i = 1; i < s->nzones; i++) {
		if (s->zones[i].start < s->zones[i - 1].end) {
			klog_err("EXT2-fs (%s): tables of groups lie on each other at block %u", s->sb->id, s->zones[i].start);
			return KERR(EUCLEAN);
		}
	}
	return KERR(0);
}

bool ext2_zones_overlap(const struct ext2_sb *s, u32 block, u32 count)
{
	u32 lo = 0, hi = s->nzones;

	while (lo < hi) { /* the first that ends behind block */
		u32 mid = lo + (hi - lo) / 2;

		if (s->zones[mid].end > block)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < s->nzones && s->zones[lo].start < block + count;
}
