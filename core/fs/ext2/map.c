/* SPDX-License-Identifier: MIT */
/*
 * The tree of block pointers: 12 direct ones in the inode, then one tree each of depth 1, 2 and 3 through indirect blocks.
 *
 * A new branch is built whole (its blocks taken, its indirect blocks filled) and then hung into the tree by one pointer, so that a failure on the way
 * leaves nothing behind.
 *
 * Locking: ext2_inode.tree, for reading to walk, for writing to change; the buf's lock while an indirect block changes.
 */
#include "ext2.h"

#define MAX_DEPTH 4

struct path_to {
	unsigned depth;		 /* pointers to follow: 1..4 */
	u32 slot[MAX_DEPTH];	 /* the index at each level; [0] in the inode */
};

struct level {
	struct buf *buf; /* NULL: the inode itself */
	u32 *slots;
};

static kerr_t path_of(const struct ext2_sb *s, u64 lblk, struct path_to *p)
{
	u32 bits = s->addr_bits, mask = (1u << bits) - 1;

	if (lblk < EXT2_NDIR) {
		p->depth = 1;
		p->slot[0] = (u32)lblk;
		return KERR(0);
	}
	lblk -= EXT2_NDIR;
	for (unsigned level = 1; level <= 3; level++) {
		if (!(lblk >> (bits * level))) {
			p->depth = level + 1;
			p->slot[0] = EXT2_IND + level - 1;
			for (unsigned i = 1; i <= level; i++)
				p->slot[i] = (u32)(lblk >> (bits * (level - i))) & mask;
			return KERR(0);
		}
		lblk -= 1ULL << (bits * level);
	}
	return KERR(EFBIG);
}

u64 ext2_max_size(const struct ext2_sb *s)
{
	u64 per = 1ULL << s->addr_bits, tree = EXT2_NDIR + per + per * per + per * per * per;
	/* i_blocks has 32 bits of 512-byte units, and the indirect blocks count too. */
	u64 sectors = (1ULL << 32) - 1, limit = sectors >> (s->block_bits - 9), meta;

	meta = 1 + 1 + per + 1 + per + per * per;
	if (tree + meta > limit) {
		/* One indirect block for each `per` blocks of data, and one for each `per` of those: a little less than the limit is always safe. */
		tree = limit - (limit >> s->addr_bits) - (limit >> (2 * s->addr_bits)) - 8;
	}
	return tree << s->block_bits;
}

void ext2_add_blocks(struct inode *inode, s32 blocks)
{
	s64 units = (s64)blocks * (s64)(1u << (EXT2_SB(inode->sb)->block_bits - 9));

	spin_lock(&inode->lock);
	inode->blocks = units < 0 && inode->blocks < (u64)-units ? 0 : (u64)((s64)inode->blocks + units);
	spin_unlock(&inode->lock);
	inode_mark_dirty(inode, DIRTY_SYNC);
}

static void note_indirect(struct ext2_inode *ei, u32 block)
{
	unsigned n = MIN(ei->ndirty_ind, (unsigned)ARRAY_SIZE(ei->dirty_ind));

	for (unsigned i = 0; i < n; i++) {
		if (ei->dirty_ind[i] == block)
			return;
	}
	if (n < ARRAY_SIZE(ei->dirty_ind))
		ei->dirty_ind[n] = block;
	ei->ndirty_ind = n + 1;
}

static bool pointer_ok(struct inode *inode, u32 block, const char *what)
{
	if (likely(ext2_data_block_ok(EXT2_SB(inode->sb), block, 1)))
		return true;
	EXT2_ERROR_AT(inode->sb, inode->ino, block, "inode %llu: %s block number %u is outside the data zone", (unsigned long long)inode->ino, what, block);
	return false;
}

/* Data must lie in the data zone, and not on any group's tables: a write would destroy them. */
static kerr_t check_run(struct inode *inode, u32 block, u32 count)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);

	if (likely(ext2_data_block_ok(s, block, count) && !ext2_overlaps_tables(s, block, count)))
		return KERR(0);
	EXT2_ERROR_AT(inode->sb, inode->ino, block, "inode %llu: blocks %u to %u are not in the data zone", (unsigned long long)inode->ino, block, block + count - 1);
	return KERR(EUCLEAN);
}

static kerr_t read_indirect(struct inode *inode, u32 block, struct buf **out)
{
	kerr_t err;

	if (!pointer_ok(inode, block, "indirect"))
		return KERR(EUCLEAN);
	err = buf_read(EXT2_SB(inode->sb)->bdev, block, out);
	if (err && kerr_code(err) != -ENOMEM)
		EXT2_ERROR_AT(inode->sb, inode->ino, block, "inode %llu: cannot read indirect block %u", (unsigned long long)inode->ino, block);
	return err;
}

/* Walks as far as the tree goes. l[0..*n-1] are the levels reached; the pointer l[*n-1].slots[p->slot[*n-1]] is 0 or the data block. */
static kerr_t walk(struct inode *inode, const struct path_to *p, struct level *l, unsigned *n)
{
	l[0] = (struct level){ .buf = NULL, .slots = EXT2_I(inode)->block };
	*n = 1;
	while (*n < p->depth) {
		u32 next = l[*n - 1].slots[p->slot[*n - 1]];
		kerr_t err;

		if (!next)
			break;
		err = read_indirect(inode, next, &l[*n].buf);
		if (err)
			return err;
		l[*n].slots = l[*n].buf->data;
		(*n)++;
	}
	return KERR(0);
}

static void levels_put(struct level *l, unsigned n)
{
	for (unsigned i = 1; i < n; i++)
		buf_put(l[i].buf);
}

static u32 slots_at(const struct ext2_sb *s, unsigned level)
{
	return level ? 1u << s->addr_bits : EXT2_NDIR; /* what a run in the inode may span */
}

/* How many pointers from slot on continue the run (or the hole) that starts there. */
static u32 run_length(const struct ext2_sb *s, const struct level *l, unsigned level, u32 slot, u32 max)
{
	u32 first = l->slots[slot], end = slots_at(s, level), n = 1;

	while (n < max && slot + n < end && l->slots[slot + n] == (first ? first + n : 0))
		n++;
	return n;
}

static kerr_t map_lookup(struct inode *inode, const struct path_to *p, u32 max, u32 *phys, u32 *len)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct level l[MAX_DEPTH];
	unsigned n;
	kerr_t err = walk(inode, p, l, &n);

	if (!err && n == p->depth) {
		u32 slot = p->slot[n - 1];

		*phys = l[n - 1].slots[slot];
		*len = run_length(s, &l[n - 1], n - 1, slot, max);
		if (*phys)
			err = check_run(inode, *phys, *len);
	} else if (!err) { /* no leaf: a hole to the end of what the missing leaf would cover */
		u32 last = p->slot[p->depth - 1];

		*phys = 0;
		*len = MIN(max, slots_at(s, p->depth - 1) - last);
	}
	levels_put(l, n);
	return err;
}

/* ---------------------------------------------------------------- allocation */
/* Right after the last block of the file if it grows; else near what precedes it in the tree. */
static u32 find_goal(struct inode *inode, u64 lblk, const struct path_to *p, const struct level *l, unsigned n)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	u32 slot = p->slot[n - 1], colour;

	if (ei->last_pblk && lblk == (u64)ei->last_lblk + 1)
		return ei->last_pblk + 1;
	for (u32 i = slot; i-- > 0;) {
		if (l[n - 1].slots[i])
			return l[n - 1].slots[i] + (n == p->depth ? slot - i : 1);
	}
	if (l[n - 1].buf)
		return (u32)l[n - 1].buf->block + 1;
	/* An empty file: writers of different programs start at different places of the group. */
	colour = ((u32)current->tid & 15) * (s->blocks_per_group >> 4);
	if (!S_ISREG(inode->mode) || colour >= ext2_group_blocks(s, ei->group))
		colour = 0;
	return ext2_group_first(s, ei->group) + colour;
}

/* A new indirect block that holds one pointer (or count of them) at slot. */
static kerr_t fill_indirect(struct inode *inode, u32 block, u32 slot, u32 first, u32 count)
{
	struct buf *b;
	kerr_t err = buf_get(EXT2_SB(inode->sb)->bdev, block, &b);

	if (err)
		return err;
	buf_lock(b);
	memset(b->data, 0, b->size);
	for (u32 i = 0; i < count; i++)
		((u32 *)b->data)[slot + i] = first + i;
	buf_set_uptodate(b);
	buf_mark_dirty_first(b); /* what the block held before must not be taken for pointers */
	buf_unlock(b);
	buf_put(b);
	note_indirect(EXT2_I(inode), block);
	return KERR(0);
}

static void hang_in(struct inode *inode, struct level *l, u32 slot, u32 first, u32 count)
{
	if (l->buf)
		buf_lock(l->buf);
	for (u32 i = 0; i < count; i++)
		l->slots[slot + i] = first + i;
	if (!l->buf)
		return;
	buf_mark_dirty(l->buf);
	buf_unlock(l->buf);
	note_indirect(EXT2_I(inode), (u32)l->buf->block);
}

/* The levels n..depth-1 are missing, and up to max data blocks: makes them. */
static kerr_t make_branch(struct inode *inode, u64 lblk, const struct path_to *p, struct level *l, unsigned n, u32 max, u32 *phys, u32 *len)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	unsigned missing = p->depth - n, made = 0;
	u32 ind[MAX_DEPTH], goal = find_goal(inode, lblk, p, l, n), leaf = p->slot[p->depth - 1], count, data = 0;
	kerr_t err = KERR(0);

	for (; made < missing && !err; made++) {
		u32 one = 1;

		err = ext2_blocks_alloc(inode, goal, &one, &ind[made]);
		if (err)
			break;
		goal = ind[made] + 1;
	}
	count = MIN(max, slots_at(s, p->depth - 1) - leaf);
	if (!err && !missing)
		count = run_length(s, &l[n - 1], n - 1, leaf, count); /* the hole's length */
	if (!err)
		err = ext2_blocks_alloc(inode, goal, &count, &data);
	/* From the leaf up, each pointing to what was made before it. */
	for (unsigned i = missing; i-- > 0 && !err;) {
		bool is_leaf = i + 1 == missing;

		err = fill_indirect(inode, ind[i], p->slot[n + i], is_leaf ? data : ind[i + 1], is_leaf ? count : 1);
	}
	if (err) {
		if (data)
			ext2_blocks_free(inode, data, count);
		while (made-- > 0) {
			buf_forget(s->bdev, ind[made]);
			ext2_blocks_free(inode, ind[made], 1);
		}
		return err;
	}
	hang_in(inode, &l[n - 1], p->slot[n - 1], missing ? ind[0] : data, missing ? 1 : count);
	ext2_add_blocks(inode, (s32)(count + missing));
	ei->last_lblk = (u32)lblk + count - 1;
	ei->last_pblk = data + count - 1;
	*phys = data;
	*len = count;
	return KERR(0);
}

static kerr_t map_create(struct inode *inode, u64 lblk, const struct path_to *p, u32 max, u32 *phys, u32 *len, bool *fresh)
{
	struct level l[MAX_DEPTH];
	unsigned n;
	kerr_t err = walk(inode, p, l, &n);

	*fresh = false;
	if (!err && n == p->depth && l[n - 1].slots[p->slot[n - 1]]) {
		*phys = l[n - 1].slots[p->slot[n - 1]];
		*len = run_length(EXT2_SB(inode->sb), &l[n - 1], n - 1, p->slot[n - 1], max);
		err = check_run(inode, *phys, *len);
	} else if (!err) {
		err = make_branch(inode, lblk, p, l, n, max, phys, len);
		*fresh = !err;
	}
	levels_put(l, n);
	return err;
}

/* Inline data is in no block. */
static kerr_t map_ext4(struct inode *inode, u64 lblk, u32 max, u32 *phys, u32 *len)
{
	struct ext2_inode *ei = EXT2_I(inode);
	kerr_t err = KERR(0);

	if (ext2_has_inline_data(inode)) {
		*phys = 0;
		*len = max;
		return KERR(0);
	}
	rwsem_read_lock(&ei->tree);
	err = ext2_extent_lookup(inode, lblk, max, phys, len);
	rwsem_read_unlock(&ei->tree);
	return err;
}

kerr_t ext2_map(struct inode *inode, u64 lblk, u32 max, bool create, u32 *phys, u32 *len, bool *fresh)
{
	struct ext2_inode *ei = EXT2_I(inode);
	struct path_to p;
	kerr_t err;

	if (unlikely(load_relaxed(&ei->flags) & (EXT2_EXTENTS_FL | EXT2_INLINE_DATA_FL))) {
		*fresh = false;
		return create ? KERR(EROFS) : map_ext4(inode, lblk, max, phys, len);
	}
	err = path_of(EXT2_SB(inode->sb), lblk, &p);
	if (err)
		return err;
	*fresh = false;
	rwsem_read_lock(&ei->tree);
	err = map_lookup(inode, &p, max, phys, len);
	rwsem_read_unlock(&ei->tree);
	if (err || !create || *phys)
		return err;
	rwsem_write_lock(&ei->tree);
	err = map_create(inode, lblk, &p, max, phys, len, fresh);
	rwsem_write_unlock(&ei->tree);
	return err;
}

/* ---------------------------------------------------------------- truncation */
/* Freed blocks are gathered into runs: one trip to the bitmap for each. */
struct free_run {
	struct inode *inode;
	u32 start, count;
	s32 total;
};

static void run_flush(struct free_run *r)
{
	if (r->count)
		ext2_blocks_free(r->inode, r->start, r->count);
	r->count = 0;
}

static void run_add(struct free_run *r, u32 block)
{
	r->total++;
	if (r->count && block == r->start + r->count) {
		r->count++;
		return;
	}
	run_flush(r);
	r->start = block;
	r->count = 1;
}

static void free_subtree(struct free_run *r, u32 block, unsigned depth);

/* Frees what the pointers from..n-1 lead to. depth: of what they point at, 0 is data. */
static void free_slots(struct free_run *r, u32 *slots, u32 from, u32 n, unsigned depth)
{
	for (u32 i = from; i < n; i++) {
		u32 block = slots[i];

		if (!block)
			continue;
		slots[i] = 0;
		if (depth)
			free_subtree(r, block, depth);
		else if (pointer_ok(r->inode, block, "data"))
			run_add(r, block);
	}
}

/*
 * An indirect block and all below it. A hostile tree may contain a block twice, or itself: pointers are cleared as they are followed, and a block that is
 * free already is not entered, so each is worked through once.
 */
static void free_subtree(struct free_run *r, u32 block, unsigned depth)
{
	struct ext2_sb *s = EXT2_SB(r->inode->sb);
	struct buf *b;

	if (!pointer_ok(r->inode, block, "indirect"))
		return;
	if (!ext2_block_in_use(r->inode, block)) {
		EXT2_ERROR_AT(r->inode->sb, r->inode->ino, block, "inode %llu: indirect block %u is free", (unsigned long long)r->inode->ino, block);
		return;
	}
	if (read_indirect(r->inode, block, &b))
		return;
	/* Without the buf's lock: should it be on its way to the disk just now, no matter, it is forgotten next. */
	free_slots(r, b->data, 0, 1u << s->addr_bits, depth - 1);
	buf_put(b);
	buf_forget(s->bdev, block);
	run_add(r, block);
	run_flush(r);
	cond_resched();
}

static bool all_zero(const u32 *slots, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		if (slots[i])
			return false;
	}
	return true;
}

/* Cuts the subtree of *at (of depth >= 1) so that `keep` data blocks are left, keep > 0. Goes itself when nothing is in what is kept. */
static void cut_subtree(struct free_run *r, u32 *at, unsigned depth, u64 keep)
{
	struct ext2_sb *s = EXT2_SB(r->inode->sb);
	unsigned span_bits = s->addr_bits * (depth - 1); /* data blocks under one pointer, log2 */
	u32 full = (u32)(keep >> span_bits), n = 1u << s->addr_bits;
	u64 part = keep & ((1ULL << span_bits) - 1);
	u32 *slots, was = 0;
	struct buf *b;

	if (read_indirect(r->inode, *at, &b))
		return;
	slots = b->data;
	if (part && full < n && (was = slots[full]) != 0)
		cut_subtree(r, &slots[full], depth - 1, part);
	if (part)
		full++;
	if (all_zero(slots, MIN(full, n))) {
		buf_put(b);
		free_subtree(r, *at, depth);
		*at = 0;
		return;
	}
	if (full < n || (was && !slots[full - 1])) {
		/* Not under the buf's lock: freeing reads other blocks. A write-out that sees half of it is followed by another. */
		free_slots(r, slots, full, n, depth - 1);
		buf_lock(b);
		buf_mark_dirty(b);
		buf_unlock(b);
		note_indirect(EXT2_I(r->inode), *at);
	}
	buf_put(b);
}

void ext2_truncate_blocks(struct inode *inode, u64 size)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	struct free_run r = { .inode = inode };
	u64 keep = (size + s->block_size - 1) >> s->block_bits;

	/* Never on an image that is written: the pointers are something else. */
	if (unlikely(load_relaxed(&ei->flags) & (EXT2_EXTENTS_FL | EXT2_INLINE_DATA_FL)))
		return;
	ext2_window_drop(inode);
	rwsem_write_lock(&ei->tree);
	ei->last_pblk = 0;
	if (keep < EXT2_NDIR)
		free_slots(&r, ei->block, (u32)keep, EXT2_NDIR, 0);
	keep = keep > EXT2_NDIR ? keep - EXT2_NDIR : 0;
	for (unsigned level = 1; level <= 3; level++) {
		u64 span = 1ULL << (s->addr_bits * level);
		u32 *slot = &ei->block[EXT2_IND + level - 1];

		if (*slot && !keep)
			free_slots(&r, slot, 0, 1, level);
		else if (*slot && keep < span)
			cut_subtree(&r, slot, level, keep);
		keep = keep > span ? keep - span : 0;
	}
	run_flush(&r);
	if (!size)
		ei->ndirty_ind = 0;
	rwsem_write_unlock(&ei->tree);
	if (r.total)
		ext2_add_blocks(inode, -r.total);
}

static void clear_slots(struct inode *inode, struct level *l, u32 slot, u32 n)
{
	if (l->buf)
		buf_lock(l->buf);
	memset(&l->slots[slot], 0, n * sizeof(u32));
	if (!l->buf)
		return;
	buf_mark_dirty(l->buf);
	buf_unlock(l->buf);
	note_indirect(EXT2_I(inode), (u32)l->buf->block);
}

/* Takes indirect blocks without a pointer left off the tree, from the lowest up. Their number; blocks[] is for the caller to free. */
static u32 drop_empty(struct inode *inode, const struct path_to *p, struct level *l, unsigned n, u32 blocks[MAX_DEPTH])
{
	u32 per = 1u << EXT2_SB(inode->sb)->addr_bits, gone = 0;

	while (n-- > 1 && all_zero(l[n].slots, per)) {
		blocks[gone++] = (u32)l[n].buf->block;
		clear_slots(inode, &l[n - 1], p->slot[n - 1], 1);
	}
	return gone;
}

kerr_t ext2_unmap(struct inode *inode, u64 lblk, u32 n)
{
	struct ext2_inode *ei = EXT2_I(inode);
	struct level l[MAX_DEPTH];
	struct path_to p;
	u32 blocks[MAX_DEPTH], gone = 0;
	unsigned found;
	kerr_t err = path_of(EXT2_SB(inode->sb), lblk, &p);

	if (err)
		return err;
	rwsem_write_lock(&ei->tree);
	err = walk(inode, &p, l, &found);
	if (!err && found == p.depth) {
		clear_slots(inode, &l[found - 1], p.slot[found - 1], n);
		gone = drop_empty(inode, &p, l, found, blocks);
		ei->last_pblk = 0;
	}
	levels_put(l, found);
	for (u32 i = 0; i < gone; i++) {
		buf_forget(EXT2_SB(inode->sb)->bdev, blocks[i]);
		ext2_blocks_free(inode, blocks[i], 1);
	}
	rwsem_write_unlock(&ei->tree);
	if (!err)
		ext2_add_blocks(inode, -(s32)(n + gone));
	return err;
}

kerr_t ext2_sync_indirect(struct inode *inode)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	u32 list[ARRAY_SIZE(ei->dirty_ind)];
	kerr_t err = KERR(0);
	unsigned n;

	rwsem_write_lock(&ei->tree);
	n = ei->ndirty_ind;
	ei->ndirty_ind = 0;
	memcpy(list, ei->dirty_ind, sizeof(list));
	rwsem_write_unlock(&ei->tree);
	if (n > ARRAY_SIZE(list))
		return buf_sync(s->bdev, true);
	for (unsigned i = 0; i < n; i++) {
		struct buf *b = buf_find(s->bdev, list[i]);
		kerr_t e = KERR(0);

		if (b && buf_test(b, BUF_DIRTY))
			e = buf_write_sync(b);
		buf_put(b);
		if (e && !err)
			err = e;
	}
	return err;
}
