/* SPDX-License-Identifier: MIT */
/*
 * Extents, for reading: the block map of ext4 as a tree of (file block, disk block, length), its root in the inode where ext2 has its block pointers.
 *
 * The depth that a node names must be one less than its parent's, so a walk ends whatever the tree looks like. A node is checked whole when its block is
 * first used; what bounds the walk is checked each time.
 *
 * Locking: ext2_inode.tree, for reading.
 */
#include "ext2.h"

#define EXT_MAGIC 0xF30A
#define EXT_MAX_DEPTH 5
#define EXT_INIT_MAX 32768u /* above: that many less, allocated but never written: reads as zeros */

struct ext_header {
	u16 magic, entries, max, depth;
	u32 generation;
};
struct ext_leaf {
	u32 block;
	u16 len, start_hi;
	u32 start;
};
struct ext_index {
	u32 block, leaf;
	u16 leaf_hi, unused;
};
_Static_assert(sizeof(struct ext_header) == 12 && sizeof(struct ext_leaf) == 12 && sizeof(struct ext_index) == 12, "extents");

struct node {
	const struct ext_header *h;
	u32 at;	  /* its block, for messages; 0: the inode */
	u32 room; /* bytes */
};

static kerr_t bad_node(struct inode *inode, const struct node *n, const char *what)
{
	EXT2_ERROR_AT(inode->sb, inode->ino, n->at, "inode %llu: extents in block %u: %s (magic %x, entries %u, max %u, depth %u)", (unsigned long long)inode->ino, n->at, what,
		   n->h->magic, n->h->entries, n->h->max, n->h->depth);
	return KERR(EUCLEAN);
}

static u32 leaf_len(const struct ext_leaf *e)
{
	return e->len > EXT_INIT_MAX ? e->len - EXT_INIT_MAX : e->len;
}

/* What keeps the walk inside the node. */
static kerr_t check_header(struct inode *inode, const struct node *n, unsigned depth)
{
	const struct ext_header *h = n->h;

	if (h->magic != EXT_MAGIC)
		return bad_node(inode, n, "no magic number");
	if (h->depth != depth)
		return bad_node(inode, n, "unexpected depth");
	if (!h->max || h->max > (n->room - sizeof(*h)) / sizeof(struct ext_leaf) || h->entries > h->max)
		return bad_node(inode, n, "too many entries");
	if (depth && !h->entries)
		return bad_node(inode, n, "an index without entries");
	return KERR(0);
}

/* In order, and leaves not on each other. */
static kerr_t check_entries(struct inode *inode, const struct node *n)
{
	const struct ext_leaf *e = (const void *)(n->h + 1);
	u64 next = 0;

	for (u32 i = 0; i < n->h->entries; i++) {
		u32 len = n->h->depth ? 1 : leaf_len(&e[i]);

		if (!len || e[i].block < next)
			return bad_node(inode, n, "entries out of order");
		next = (u64)e[i].block + len;
		if (next > (u64)U32_MAX + 1)
			return bad_node(inode, n, "an extent leaves the file");
	}
	return KERR(0);
}

static kerr_t check_csum(struct inode *inode, const struct node *n)
{
	u32 at = (u32)(sizeof(*n->h) + n->h->max * sizeof(struct ext_leaf)), stored;

	if (!EXT2_SB(inode->sb)->metadata_csum)
		return KERR(0);
	if (at + sizeof(stored) > n->room)
		return bad_node(inode, n, "no room for its checksum");
	memcpy(&stored, (const u8 *)n->h + at, sizeof(stored));
	if (ext2_inode_block_csum_ok(inode, n->h, at, stored))
		return KERR(0);
	(void)bad_node(inode, n, "wrong checksum");
	return KERR(EBADMSG);
}

/* The last entry that starts at or before lblk; -1: all start behind it. Entries of both kinds start with their file block. */
static s32 find_entry(const struct node *n, u32 lblk)
{
	const struct ext_leaf *e = (const void *)(n->h + 1);
	s32 lo = 0, hi = n->h->entries;

	while (lo < hi) {
		s32 mid = lo + (hi - lo) / 2;

		if (e[mid].block <= lblk)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - 1;
}

static kerr_t read_node(struct inode *inode, const struct ext_index *x, unsigned depth, struct node *n, struct buf **out)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct buf *b;
	kerr_t err;

	if (x->leaf_hi || !ext2_data_block_ok(s, x->leaf, 1) || ext2_overlaps_tables(s, x->leaf, 1)) {
		EXT2_ERROR_AT(inode->sb, inode->ino, x->leaf, "inode %llu: extent node at block %u, outside the data zone", (unsigned long long)inode->ino, x->leaf);
		return KERR(EUCLEAN);
	}
	err = buf_read(s->bdev, x->leaf, &b);
	if (err) {
		if (kerr_code(err) != -ENOMEM)
			EXT2_ERROR_AT(inode->sb, inode->ino, x->leaf, "inode %llu: cannot read extent node, block %u", (unsigned long long)inode->ino, x->leaf);
		return err;
	}
	*n = (struct node){ .h = b->data, .at = x->leaf, .room = s->block_size };
	err = check_header(inode, n, depth);
	if (!err && !buf_test(b, BUF_CHECKED)) {
		err = check_csum(inode, n);
		if (!err)
			err = check_entries(inode, n);
		if (!err)
			buf_set_checked(b);
	}
	if (err)
		buf_put(b);
	else
		*out = b;
	return err;
}

/* In a leaf; what lies between extents, and what was never written, is a hole. end: the leaf knows nothing from there on. */
static kerr_t map_in_leaf(struct inode *inode, const struct node *n, u32 lblk, u64 end, u32 max, u32 *phys, u32 *len)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	s32 i = find_entry(n, lblk);
	const struct ext_leaf *e = (const struct ext_leaf *)(const void *)(n->h + 1) + i;
	u32 skip = i >= 0 ? lblk - e->block : 0;

	*phys = 0;
	if (i >= 0 && skip < leaf_len(e)) {
		*len = MIN(max, leaf_len(e) - skip);
		if (e->start_hi || !ext2_data_block_ok(s, e->start, leaf_len(e)) || ext2_overlaps_tables(s, e->start, leaf_len(e))) {
			EXT2_ERROR_AT(inode->sb, inode->ino, e->start, "inode %llu: extent of blocks %u, %u long, is not in the data zone", (unsigned long long)inode->ino, e->start,
				   leaf_len(e));
			return KERR(EUCLEAN);
		}
		if (e->len <= EXT_INIT_MAX)
			*phys = e->start + skip;
		return KERR(0);
	}
	if (i + 1 < n->h->entries)
		end = MIN(end, (u64)e[1].block);
	*len = end > lblk ? (u32)MIN((u64)max, end - lblk) : 1;
	return KERR(0);
}

kerr_t ext2_extent_lookup(struct inode *inode, u64 lblk, u32 max, u32 *phys, u32 *len)
{
	struct node n = { .h = (const void *)EXT2_I(inode)->block, .room = sizeof(EXT2_I(inode)->block) };
	unsigned depth = n.h->depth;
	u64 end = (u64)U32_MAX + 1;
	struct buf *b = NULL;
	kerr_t err;

	if (lblk > U32_MAX)
		return KERR(EFBIG);
	if (depth > EXT_MAX_DEPTH)
		return bad_node(inode, &n, "too deep");
	err = check_header(inode, &n, depth);
	if (!err)
		err = check_entries(inode, &n);
	while (!err && depth) {
		const struct ext_index *x = (const void *)(n.h + 1);
		s32 i = find_entry(&n, (u32)lblk);
		struct buf *next;

		if (i + 1 < n.h->entries)
			end = MIN(end, (u64)x[i + 1].block);
		if (i < 0)
			break;
		err = read_node(inode, &x[i], --depth, &n, &next);
		buf_put(b);
		b = err ? NULL : next;
	}
	if (!err && !depth)
		err = map_in_leaf(inode, &n, (u32)lblk, end, max, phys, len);
	else if (!err) { /* before the first block that the index knows */
		*phys = 0;
		*len = end > lblk ? (u32)MIN((u64)max, end - lblk) : 1;
	}
	buf_put(b);
	return err;
}
