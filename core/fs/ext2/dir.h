/* SPDX-License-Identifier: MIT */
/* What the files about directories share: dir.c (blocks and entries), htree.c (the index), htree_read.c (reading in the order of hashes), hash.c. */
#pragma once

#include "ext2.h"

/* A block of a directory: its page, referenced, checked and mapped. */
struct ext2_dirblk {
	struct page *page;
	void *base; /* of the page */
	u8 *data;   /* of the block */
};
/* f: whose read-ahead to use, or NULL. KERR(EUCLEAN): beyond the end, or damaged. May sleep. */
kerr_t ext2_dirblk_get(struct inode *dir, struct file *f, u32 lblk, struct ext2_dirblk *out) __must_check;
void ext2_dirblk_put(struct ext2_dirblk *b);
/* Around each change of what is in the block; the end marks it dirty. */
void ext2_dirblk_change_begin(struct ext2_dirblk *b);
void ext2_dirblk_change_end(struct ext2_dirblk *b);
static inline struct ext2_dirent *ext2_entry_at(void *base, u32 off)
{
	return (struct ext2_dirent *)(void *)((u8 *)base + off);
}
static inline bool ext2_name_is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}
unsigned ext2_entry_type(const struct ext2_sb *s, const struct ext2_dirent *e); /* DT_* */
/* The name among the entries [from, to) of what base points at; *off: where. */
bool ext2_find_in(void *base, u32 from, u32 to, const char *name, size_t len, u32 *off);
/* Puts the entry where there is room. Inside a change. */
bool ext2_add_in(const struct ext2_sb *s, void *base, u32 from, u32 to, const struct name *name, const struct inode *inode);
/* A block more, empty. KERR(ENOSPC), KERR(EIO). */
kerr_t ext2_dir_append(struct inode *dir, u32 *lblk) __must_check;

/* --- hash.c --- */
enum { EXT2_HASH_LEGACY, EXT2_HASH_HALF_MD4, EXT2_HASH_TEA, EXT2_HASHES };
/* The hash the index sorts by; its lowest bit is 0. version: of the index. */
u32 ext2_dx_hash(const struct ext2_sb *s, unsigned version, const char *name, size_t len);

/* --- htree.c --- */
#define EXT2_DX_LEVELS 2 /* of index blocks, the root among them */
struct ext2_dx_frame {
	struct ext2_dirblk b;
	struct ext2_dx_entry *e; /* e[0] holds limit and count where the others have a hash */
	unsigned at;
};
struct ext2_dx_path { /* from the root to the entry that leads to a leaf */
	struct ext2_dx_frame f[EXT2_DX_LEVELS];
	unsigned levels; /* below the root */
	unsigned version;
};
#define EXT2_FL_OTHER_HASH 0x40000800u /* encrypted, or names without case: not hashed as they stand */
static inline bool ext2_dir_indexed(const struct inode *dir)
{
	return (EXT2_I(dir)->flags & (EXT2_INDEX_FL | EXT2_FL_OTHER_HASH)) == EXT2_INDEX_FL && (EXT2_SB(dir->sb)->es->feature_compat & EXT2_COMPAT_DIR_INDEX);
}
/* To the leaf where a name of this hash would be first. name NULL: *hash is it; else *hash is what it has. KERR(EOPNOTSUPP): the index cannot be used. */
kerr_t ext2_dx_probe(struct inode *dir, const char *name, size_t len, u32 *hash, struct ext2_dx_path *p) __must_check;
void ext2_dx_put(struct ext2_dx_path *p);
u32 ext2_dx_leaf(const struct ext2_dx_path *p);
/* To the next leaf; *start is the hash it begins with, bit 0 tells that the leaf before ends with that hash too. KERR(ENOENT): that was the last. */
kerr_t ext2_dx_next(struct inode *dir, struct ext2_dx_path *p, u32 *start) __must_check;
kerr_t ext2_dx_find(struct inode *dir, const char *name, size_t len, struct ext2_slot *out) __must_check;
/* split: not before the leaf is split, as is done with the first leaf. */
kerr_t ext2_dx_add(struct inode *dir, const struct name *name, struct inode *inode, bool split) __must_check;
/* Gives a directory of one full block an index. false: it has to stay as it is. */
kerr_t ext2_dx_make(struct inode *dir, bool *made) __must_check;

/* --- htree_read.c --- */
/* Positions are hashes, so that entries which move to another block are met once. KERR(EOPNOTSUPP): the index cannot be used. */
kerr_t ext2_dx_iterate(struct file *f, struct dir_context *ctx) __must_check;
void ext2_dx_release(struct inode *inode, struct file *f);
static inline bool ext2_reads_by_hash(const struct inode *dir)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);

	return (s->es->feature_compat & EXT2_COMPAT_DIR_INDEX) && (ext2_dir_indexed(dir) || inode_size(dir) == (loff_t)s->block_size);
}
