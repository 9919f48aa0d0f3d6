/* SPDX-License-Identifier: MIT */
/*
 * ext2: what its files share. The layout on disk is in layout.h.
 *
 *   super.c mount, options, sync     balloc.c blocks        map.c file block -> disk block, truncate     file.c pages and file operations
 *   inode.c inodes on disk           ialloc.c inode numbers dir.c entries in directories                namei.c operations on names
 *   xattr.c extended attributes      ioctl.c flags          symlink.c
 *   dir.h, htree.c, htree_read.c, hash.c the index of large directories   error.c damage
 * For reading ext3 and ext4:
 *   features.c what can be mounted   extents.c block map    inline.c files inside inodes   csum.c checksums   zones.c tables anywhere   journal.c recovery
 *
 * Locks, outermost first (all sleeping; "docs/locking.md"):
 *   inode.rwsem      as the VFS takes it
 *   page lock        content of a page; directory entries
 *   ext2_inode.tree  (rwsem, RANK_FS_ALLOC) block pointers of one inode, in the inode and in its indirect blocks
 *   ext2_sb.alloc    (mutex, RANK_FS_ALLOC, nested in tree) bitmaps, group descriptors, counters, allocation windows
 *   buf lock         content of one metadata block
 */
#pragma once

#include <maestro/block.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/pagecache.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#include "layout.h"

/* What can be written. */
#define EXT2_INCOMPAT_SUPP (EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_META_BG)
#define EXT2_RO_SUPP (EXT2_RO_SPARSE_SUPER | EXT2_RO_LARGE_FILE | EXT2_RO_BTREE_DIR | EXT2_RO_EXTRA_ISIZE)

/* ---------------------------------------------------------------- in memory */
enum { GRP_BLOCKS_CHECKED = 1, GRP_BAD = 2 };

struct ext2_zone {
	u32 start, end;
};

struct ext2_sb {
	/* [c] */
	struct super *sb;
	struct block_device *bdev;
	struct buf *sbuf;	  /* holds the superblock */
	struct ext2_super *es;	  /* in sbuf; [sbuf lock] */
	struct buf **gdt;	  /* blocks of group descriptors */
	u32 block_size, block_bits, addr_bits; /* addr_bits: log2 of pointers per block */
	u32 inode_size, inodes_per_block_bits, inode_bits;
	u32 groups, gdt_blocks, blocks_per_group, inodes_per_group, itb_per_group;
	u32 first_data_block, first_ino, blocks_count, inodes_count, desc_bits, desc_shift; /* log2: descriptors per block, bytes of one */
	u32 overhead;		  /* blocks that hold the file system's own tables */
	u32 want_extra;
	u32 sb_option;		  /* sb=, 0 none */
	/* [umount_sem] */
	u32 errors;
	bool grpid, minixdf, noreserve;
	u32 resuid, resgid;
	u16 mount_state;	  /* s_state as found: put back when we leave */
	bool no_write_features;	  /* features.c: never writable */
	/* [c] of ext4 */
	bool metadata_csum, gdt_csum;
	u32 csum_seed;
	u32 cluster_bits;	  /* log2 of blocks that a bit of the bitmaps stands for */
	struct ext2_zone *zones;  /* flex_bg only */
	u32 nzones;
	struct buf **replayed;	  /* blocks whose content is the journal's, not the disk's: pinned, by number */
	u32 nreplayed;
	bool noload;		  /* the journal is not to be looked at */
	bool mount_point_told;	  /* [a] since this mount, in the superblock */
	/* [alloc] */
	struct mutex alloc;
	u32 free_blocks, free_inodes, dirs;
	u8 *group_flags;	  /* GRP_* */
	u8 *debts;		  /* Orlov: directories less files, per group */
	struct list windows;	  /* struct ext2_inode.window_node, oldest first */
	unsigned nwindows;
	u32 next_generation;
	bool counts_dirty;
	struct atomic nerrors;	  /* [a] reported so far */
};

struct ext2_inode {
	struct inode vfs; /* first */
	/* [tree] */
	struct rwsem tree;
	u32 block[EXT2_NBLOCKS]; /* pointers, a short symlink's text, a device's number */
	u32 last_lblk, last_pblk; /* where the last allocation was; 0, 0: nowhere */
	u32 dirty_ind[8];	  /* indirect blocks changed since the last fsync */
	unsigned ndirty_ind;	  /* above 8: too many to list */
	/* [ext2_sb.alloc] */
	u32 win_start, win_len;	  /* blocks kept for this file; len 0: none */
	u32 win_next_len;
	struct list window_node;
	/* [vfs.lock, or its maker] */
	u32 flags; /* EXT2_*_FL; [inode.rwsem] to change, read without */
	u32 file_acl, dtime;
	u32 group;
	u16 extra_isize;
	bool fast_link; /* [c] a symlink whose text is in block[] */
	bool valid; /* filled from disk or freshly made: evict may act on it */
	/* [rwsem] directories */
	struct ext2_full {
		u32 page, need; /* no page below this one has room for an entry of so many bytes; 0: not known of any */
	} full[4];
	u32 lookup_page; /* where the last lookup succeeded */
};

static inline struct ext2_inode *EXT2_I(const struct inode *inode)
{
	return (struct ext2_inode *)(uintptr_t)inode;
}
static inline struct ext2_sb *EXT2_SB(const struct super *sb)
{
	return sb->priv;
}

/* --- super.c --- */
struct ext2_error_at {
	const char *func;
	unsigned line;
	u32 ino, block; /* 0: none in particular */
};
/* A structure on the disk is wrong: says so, marks the file system, and makes it read-only, or panics, if it is set so. No buf is locked. May sleep. */
void ext2_error(struct super *sb, const struct ext2_error_at *at, const char *fmt, ...) __printf(3, 4) __cold;
#define EXT2_ERROR_AT(sb, ino, block, ...) ext2_error((sb), &(const struct ext2_error_at){ __func__, __LINE__, (u32)(ino), (block) }, __VA_ARGS__)
#define EXT2_ERROR(sb, ...) EXT2_ERROR_AT(sb, 0, 0, __VA_ARGS__)
static inline bool ext2_has_filetype(const struct ext2_sb *s)
{
	return s->es->feature_incompat & EXT2_INCOMPAT_FILETYPE;
}
bool ext2_group_has_super(const struct ext2_sb *s, u32 group);
static inline u32 ext2_group_first(const struct ext2_sb *s, u32 group)
{
	return s->first_data_block + group * s->blocks_per_group;
}
/* How many blocks of the group lie before its superblock: one, if clusters have group 0 start at the boot block. */
static inline u32 ext2_boot_blocks(const struct ext2_sb *s, u32 group)
{
	return !group && s->block_size == 1024 && !s->first_data_block ? 1 : 0;
}
static inline u32 ext2_group_blocks(const struct ext2_sb *s, u32 group)
{
	return group == s->groups - 1 ? s->blocks_count - ext2_group_first(s, group) : s->blocks_per_group;
}
/* The descriptor inside its buf; valid as long as the super. Changes under `alloc` and the buf's lock. */
static inline struct ext2_group *ext2_group_desc(const struct ext2_sb *s, u32 group, struct buf **buf)
{
	struct buf *b = s->gdt[group >> s->desc_bits];

	if (buf)
		*buf = b;
	return (struct ext2_group *)(void *)((u8 *)b->data + ((group & ((1u << s->desc_bits) - 1)) << s->desc_shift));
}
static inline bool ext2_data_block_ok(const struct ext2_sb *s, u32 block, u32 count)
{
	return block > s->first_data_block && block < s->blocks_count && count <= s->blocks_count - block;
}
void ext2_set_large_file(struct ext2_sb *s);
bool ext2_read_only(const struct super *sb);

/* --- features.c --- */
/* Sets s->no_write_features, and says so if !read_only. KERR(EINVAL): not to be mounted (as this type); silent: not said if another type may take it. */
kerr_t ext2_check_features(struct ext2_sb *s, bool read_only, bool silent) __must_check;
void ext2_log_read_only(const struct ext2_sb *s, const char *what); /* what, and which features are the reason */

/* --- zones.c --- */
kerr_t ext2_zones_build(struct ext2_sb *s) __must_check; /* KERR(EUCLEAN): tables on each other. s->zones is the caller's to free, also on error */
bool ext2_zones_overlap(const struct ext2_sb *s, u32 block, u32 count);

/* --- csum.c: without metadata_csum all is well --- */
kerr_t ext2_csum_setup(struct ext2_sb *s) __must_check; /* the superblock's own. KERR(EBADMSG), KERR(EINVAL) */
bool ext2_group_csum_ok(const struct ext2_sb *s, u32 group);
bool ext2_inode_csum_ok(const struct ext2_sb *s, u32 ino, const struct ext2_dinode *raw);
bool ext2_inode_block_csum_ok(const struct inode *inode, const void *data, u32 len, u32 stored); /* of len bytes of a block that belongs to inode */
bool ext2_xattr_block_csum_ok(const struct ext2_sb *s, u64 block, const void *data, u32 at); /* at: where in it its own field is */
bool ext2_dir_csum_ok(const struct inode *dir, const void *data); /* a block of a directory: leaf or index */
static inline void buf_set_checked(struct buf *b)
{
	(void)atomic_or(&b->flags, 1L << BUF_CHECKED);
}

/* --- journal.c --- */
/*
 * Replays the journal into s->replayed, from a mount that has all read but the root. What was read before may have changed: to be read again.
 * KERR(EUCLEAN), KERR(EBADMSG), KERR(EINVAL), KERR(EIO), KERR(ENOMEM). Also on error ext2_journal_forget() gives back what there is.
 */
kerr_t ext2_journal_recover(struct super *sb) __must_check;
void ext2_journal_forget(struct ext2_sb *s);
bool ext2_is_replayed(const struct ext2_sb *s, u32 block); /* then its content is in the buffer cache only */

/* --- extents.c --- */
/* As ext2_map() without create. tree held for reading. KERR(EUCLEAN), KERR(EBADMSG), KERR(EIO), KERR(EFBIG), KERR(ENOMEM). */
kerr_t ext2_extent_lookup(struct inode *inode, u64 lblk, u32 max, u32 *phys, u32 *len) __must_check;
static inline bool ext2_has_extents(const struct inode *inode)
{
	return load_relaxed(&EXT2_I(inode)->flags) & EXT2_EXTENTS_FL;
}

/* --- inline.c --- */
void ext2_inline_read_page(struct inode *inode, struct page *p); /* fills and ends the locked page */
static inline bool ext2_has_inline_data(const struct inode *inode)
{
	return load_relaxed(&EXT2_I(inode)->flags) & EXT2_INLINE_DATA_FL;
}

void ext2_tell_mount_point(struct ext2_sb *s, struct mount *m); /* may sleep */

/* --- options.c --- */
struct ext2_options {
	u32 errors, resuid, resgid, sb;
	bool grpid, minixdf, noreserve, noload, noacl;
};
kerr_t ext2_check_option(const char *option) __must_check; /* fs_type.check_option */
/* data: "a,b=c"; NULL or empty: nothing. Changes *o only as far as it says. */
kerr_t ext2_options_parse(const struct super *sb, const char *data, struct ext2_options *o) __must_check;
void ext2_options_from_disk(const struct ext2_super *es, struct ext2_options *o); /* what was not said */
void ext2_options_use(struct ext2_sb *s, const struct ext2_options *o, u32 *flags); /* flags: of the super, or what they are to be */
void ext2_show_options(struct super *sb, struct seq_buf *q);

/* --- balloc.c --- */
/* Up to *count contiguous blocks near goal; *count becomes what was got. inode's tree lock held for writing (or the inode is private). KERR(ENOSPC), KERR(EIO). */
kerr_t ext2_blocks_alloc(struct inode *inode, u32 goal, u32 *count, u32 *out) __must_check;
void ext2_blocks_free(struct inode *inode, u32 block, u32 count);
/* false: free, or its bitmap cannot be read. block must be in the data zone. */
bool ext2_block_in_use(struct inode *inode, u32 block);
bool ext2_overlaps_tables(const struct ext2_sb *s, u32 block, u32 count);
void ext2_window_drop(struct inode *inode);
/* The group's bitmap, checked. s->alloc held. KERR(EUCLEAN): said, the group is not used; KERR(EIO), KERR(ENOMEM). */
kerr_t ext2_block_bitmap(struct ext2_sb *s, u32 group, struct buf **out) __must_check;

/* --- ialloc.c --- */
/* A new inode in dir, hashed, I_NEW, owner and mode set; end with inode_unlock_new(). */
kerr_t ext2_inode_create(struct inode *dir, mode_t mode, struct inode **out) __must_check;
void ext2_inode_free(struct inode *inode);

/* --- inode.c --- */
kerr_t ext2_iget(struct super *sb, u32 ino, struct inode **out) __must_check; /* KERR(ESTALE): not in use */
kerr_t ext2_iget_special(struct super *sb, u32 ino, struct inode **out) __must_check; /* those without a name too: the journal, values of attributes */
kerr_t ext2_write_inode(struct inode *inode, bool wait) __must_check;
void ext2_evict_inode(struct inode *inode);
kerr_t ext2_setattr(struct inode *inode, const struct attr *a) __must_check;
kerr_t ext2_getattr(struct inode *inode, struct kstat *out) __must_check;
void ext2_set_ops(struct inode *inode);
void ext2_flags_to_vfs(struct inode *inode);
/* The inode's place in the inode table. */
kerr_t ext2_inode_buf(struct super *sb, u32 ino, struct buf **buf, struct ext2_dinode **out) __must_check;
/* There are no keys here: names, contents and link texts are not told. KERR(ENOKEY). */
static inline bool ext2_is_encrypted(const struct inode *inode)
{
	return unlikely(load_relaxed(&EXT2_I(inode)->flags) & EXT2_ENCRYPT_FL) && (EXT2_SB(inode->sb)->es->feature_incompat & EXT2_INCOMPAT_ENCRYPT);
}
static inline bool ext2_fast_symlink(const struct inode *inode)
{
	return EXT2_I(inode)->fast_link;
}

/* --- through.c: of mapping_ops --- */
kerr_t ext2_locate(struct inode *inode, loff_t pos, size_t max, u64 *at, size_t *len) __must_check;
kerr_t ext2_write_through(struct inode *inode, struct page *page, size_t len, loff_t pos, size_t *done) __must_check;

/* --- map.c --- */
/*
 * Where file block lblk is: *phys (0: a hole) and *len, how many blocks from there on lie side by side (or are holes), at most max. create: allocates
 * holes (then *len may be less than asked, *fresh says that these are new). KERR(ENOSPC), KERR(EIO), KERR(EUCLEAN), KERR(EFBIG).
 */
kerr_t ext2_map(struct inode *inode, u64 lblk, u32 max, bool create, u32 *phys, u32 *len, bool *fresh) __must_check;
void ext2_truncate_blocks(struct inode *inode, u64 size); /* frees all blocks beyond size bytes */
/* Makes holes of n mapped blocks that ext2_map() told in one go. They stay taken: the caller frees them. Indirect blocks that become empty go. */
kerr_t ext2_unmap(struct inode *inode, u64 lblk, u32 n) __must_check;
kerr_t ext2_sync_indirect(struct inode *inode) __must_check;
u64 ext2_max_size(const struct ext2_sb *s);
void ext2_add_blocks(struct inode *inode, s32 blocks); /* i_blocks, in file system blocks */

/* --- fiemap.c, trim.c --- */
kerr_t ext2_fiemap(struct inode *inode, void __user *arg) __must_check;
kerr_t ext2_fitrim(struct super *sb, void __user *arg) __must_check; /* writes everything out first */

/* --- punch.c --- */
long ext2_fallocate(struct file *f, int mode, loff_t off, loff_t len); /* holes only: -EOPNOTSUPP for all else, as Linux */

/* --- file.c --- */
extern const struct file_ops ext2_file_ops;
extern const struct mapping_ops ext2_mapping_ops;
kerr_t ext2_write_begin(struct mapping *m, loff_t pos, unsigned len, struct page **out) __must_check;
unsigned ext2_write_end(struct mapping *m, loff_t pos, unsigned len, unsigned copied, struct page *page);
kerr_t ext2_fsync(struct file *f, loff_t start, loff_t end, bool datasync) __must_check;
kerr_t ext2_set_size(struct inode *inode, loff_t size) __must_check;

/* --- dir.c --- */
extern const struct file_ops ext2_dir_ops;
struct ext2_slot { /* an entry: where it is, and the page, referenced */
	struct page *page;
	u32 off;
	u32 ino;
};
kerr_t ext2_dir_find(struct inode *dir, const char *name, size_t len, struct ext2_slot *out) __must_check; /* KERR(ENOENT) */
static inline void ext2_slot_put(struct ext2_slot *s)
{
	page_put(s->page);
}
kerr_t ext2_dir_add(struct inode *dir, const struct name *name, struct inode *inode) __must_check;
kerr_t ext2_dir_delete(struct inode *dir, struct ext2_slot *slot) __must_check;
kerr_t ext2_dir_set(struct inode *dir, struct ext2_slot *slot, struct inode *inode, bool times) __must_check;
kerr_t ext2_dir_make_empty(struct inode *inode, struct inode *parent) __must_check;
kerr_t ext2_dir_is_empty(struct inode *dir, bool *empty) __must_check;

/* --- namei.c, symlink.c --- */
extern const struct inode_ops ext2_dir_inode_ops, ext2_file_inode_ops, ext2_symlink_ops, ext2_special_ops;
kerr_t ext2_readlink(struct inode *inode, char *buf);
void ext2_discard_new(struct inode *inode); /* made, but it gets no name */
kerr_t ext2_symlink_store(struct inode *inode, const char *target, size_t len) __must_check;

/* --- xattr.c --- */
ssize_t ext2_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
ssize_t ext2_listxattr(struct inode *inode, char *buf, size_t size);
kerr_t ext2_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags);
void ext2_xattr_delete(struct inode *inode); /* with the inode */
/* The value of "system.data", at most room bytes of it; *len 0: there is none. */
kerr_t ext2_xattr_inline(struct inode *inode, u8 *dst, u32 room, u32 *len) __must_check;

/* --- ioctl.c --- */
long ext2_ioctl(struct file *f, unsigned cmd, unsigned long arg);
