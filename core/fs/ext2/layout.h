/* SPDX-License-Identifier: MIT */
/*
 * ext2, ext3 and ext4 on disk: Documentation/filesystems/ext4 of Linux and "The Second Extended File System" by D. Poirier describe it. All is little-endian
 * (the journal is not: journal.c). Nothing here is to be believed before it was checked.
 */
#pragma once

#include <maestro/lib.h>

#define EXT2_MAGIC 0xEF53
#define EXT2_ROOT_INO 2
#define EXT2_GOOD_OLD_FIRST_INO 11
#define EXT2_NDIR 12
#define EXT2_IND 12
#define EXT2_NBLOCKS 15
#define EXT2_LINK_MAX 32000
#define EXT2_FAST_LINK 60

enum { EXT2_VALID_FS = 1, EXT2_ERROR_FS = 2 }; /* s_state */
enum { EXT2_ERRORS_CONTINUE = 1, EXT2_ERRORS_RO = 2, EXT2_ERRORS_PANIC = 3 };

#define EXT2_COMPAT_HAS_JOURNAL 0x0004u
#define EXT2_COMPAT_EXT_ATTR 0x0008u
#define EXT2_COMPAT_DIR_INDEX 0x0020u
#define EXT2_COMPAT_SPARSE_SUPER2 0x0200u
#define EXT2_INCOMPAT_FILETYPE 0x0002u
#define EXT2_INCOMPAT_RECOVER 0x0004u
#define EXT2_INCOMPAT_META_BG 0x0010u
#define EXT2_INCOMPAT_EXTENTS 0x0040u
#define EXT2_INCOMPAT_64BIT 0x0080u
#define EXT2_INCOMPAT_MMP 0x0100u
#define EXT2_INCOMPAT_FLEX_BG 0x0200u
#define EXT2_INCOMPAT_EA_INODE 0x0400u
#define EXT2_INCOMPAT_CSUM_SEED 0x2000u
#define EXT2_INCOMPAT_LARGE_DIR 0x4000u
#define EXT2_INCOMPAT_INLINE_DATA 0x8000u
#define EXT2_INCOMPAT_ENCRYPT 0x10000u
#define EXT2_INCOMPAT_CASEFOLD 0x20000u
#define EXT2_RO_SPARSE_SUPER 0x0001u
#define EXT2_RO_LARGE_FILE 0x0002u
#define EXT2_RO_BTREE_DIR 0x0004u
#define EXT2_RO_HUGE_FILE 0x0008u
#define EXT2_RO_GDT_CSUM 0x0010u
#define EXT2_RO_DIR_NLINK 0x0020u
#define EXT2_RO_EXTRA_ISIZE 0x0040u
#define EXT2_RO_QUOTA 0x0100u
#define EXT2_RO_BIGALLOC 0x0200u
#define EXT2_RO_METADATA_CSUM 0x0400u
#define EXT2_RO_READONLY 0x1000u
#define EXT2_RO_PROJECT 0x2000u
#define EXT2_RO_VERITY 0x8000u
#define EXT2_RO_ORPHAN_PRESENT 0x10000u

struct ext2_super {
	u32 inodes_count, blocks_count, r_blocks_count, free_blocks_count, free_inodes_count, first_data_block, log_block_size, log_frag_size;
	u32 blocks_per_group, frags_per_group, inodes_per_group, mtime, wtime; /* frags: clusters, with bigalloc */
	u16 mnt_count, max_mnt_count, magic, state, errors, minor_rev;
	u32 lastcheck, checkinterval, creator_os, rev_level;
	u16 def_resuid, def_resgid;
	u32 first_ino;
	u16 inode_size, block_group_nr;
	u32 feature_compat, feature_incompat, feature_ro_compat;
	u8 uuid[16];
	char volume_name[16], last_mounted[64];
	u32 algorithm_usage_bitmap;
	u8 prealloc_blocks, prealloc_dir_blocks;
	u16 reserved_gdt_blocks;
	u8 journal_uuid[16];
	u32 journal_inum, journal_dev, last_orphan;
	u32 hash_seed[4];
	u8 def_hash_version, jnl_backup_type;
	u16 desc_size;
	u32 default_mount_opts, first_meta_bg, mkfs_time, jnl_blocks[17];
	u32 blocks_count_hi, r_blocks_count_hi, free_blocks_hi;
	u16 min_extra_isize, want_extra_isize;
	u32 flags;
	u16 raid_stride, mmp_interval;
	u32 mmp_block[2], raid_stripe_width;
	u8 log_groups_per_flex, checksum_type, encryption_level, pad;
	u32 kbytes_written[2], snapshot[5];
	u32 error_count, first_error_time, first_error_ino, first_error_block[2];
	char first_error_func[32];
	u32 first_error_line, last_error_time, last_error_ino, last_error_line, last_error_block[2];
	char last_error_func[32];
	u8 mount_opts[64];
	u32 usr_quota_inum, grp_quota_inum, overhead_clusters, backup_bgs[2];
	u8 encrypt_algos[4], encrypt_pw_salt[16];
	u32 lpf_ino, prj_quota_inum, checksum_seed;
	u8 wtime_hi, mtime_hi, mkfs_time_hi, lastcheck_hi, first_error_time_hi, last_error_time_hi, first_error_errcode, last_error_errcode;
	u16 encoding, encoding_flags;
	u32 orphan_file_inum, reserved[94];
	u32 checksum; /* crc32c of all before it */
};
_Static_assert(sizeof(struct ext2_super) == 1024, "superblock");
_Static_assert(offsetof(struct ext2_super, uuid) == 104 && offsetof(struct ext2_super, first_meta_bg) == 260 &&
		       offsetof(struct ext2_super, want_extra_isize) == 350 && offsetof(struct ext2_super, error_count) == 404 &&
		       offsetof(struct ext2_super, mount_opts) == 512 && offsetof(struct ext2_super, checksum_seed) == 624 &&
		       offsetof(struct ext2_super, orphan_file_inum) == 640 && offsetof(struct ext2_super, checksum) == 1020,
	       "superblock");

/* The second half is there only with 64bit and a desc_size of 64 or more. */
struct ext2_group {
	u32 block_bitmap, inode_bitmap, inode_table;
	u16 free_blocks, free_inodes, used_dirs, flags;
	u32 exclude_bitmap;
	u16 block_bitmap_csum, inode_bitmap_csum, itable_unused, checksum;
	u32 block_bitmap_hi, inode_bitmap_hi, inode_table_hi;
	u16 free_blocks_hi, free_inodes_hi, used_dirs_hi, itable_unused_hi;
	u32 exclude_bitmap_hi;
	u16 block_bitmap_csum_hi, inode_bitmap_csum_hi;
	u32 reserved;
};
#define EXT2_GROUP_SIZE 32u
_Static_assert(sizeof(struct ext2_group) == 64 && offsetof(struct ext2_group, checksum) == 30 &&
		       offsetof(struct ext2_group, block_bitmap_hi) == EXT2_GROUP_SIZE,
	       "group descriptor");

struct ext2_dinode {
	u16 mode, uid;
	u32 size, atime, ctime, mtime, dtime;
	u16 gid, links;
	u32 blocks, flags, osd1;
	u32 block[EXT2_NBLOCKS];
	u32 generation, file_acl, size_high, faddr;
	u16 blocks_high, acl_high, uid_high, gid_high, checksum_lo, reserved;
	/* only when the inodes are larger than 128 bytes, as far as extra_isize says */
	u16 extra_isize, checksum_hi;
	u32 ctime_extra, mtime_extra, atime_extra, crtime, crtime_extra, version_hi, projid;
};
#define EXT2_OLD_INODE 128u
_Static_assert(offsetof(struct ext2_dinode, extra_isize) == EXT2_OLD_INODE && offsetof(struct ext2_dinode, file_acl) == 104 &&
		       offsetof(struct ext2_dinode, checksum_lo) == 124 && sizeof(struct ext2_dinode) == 160,
	       "inode");

/* s_flags: how the bytes of names were taken when they were hashed */
enum { EXT2_FLAGS_SIGNED_HASH = 1, EXT2_FLAGS_UNSIGNED_HASH = 2 };

/* i_flags */
enum {
	EXT2_SYNC_FL = 0x8,
	EXT2_IMMUTABLE_FL = 0x10,
	EXT2_APPEND_FL = 0x20,
	EXT2_NODUMP_FL = 0x40,
	EXT2_NOATIME_FL = 0x80,
	EXT2_ENCRYPT_FL = 0x800,
	EXT2_INDEX_FL = 0x1000,
	EXT2_DIRSYNC_FL = 0x10000,
	EXT2_TOPDIR_FL = 0x20000,
	EXT2_HUGE_FILE_FL = 0x40000, /* i_blocks counts file system blocks */
	EXT2_EXTENTS_FL = 0x80000,
	EXT2_VERITY_FL = 0x100000,
	EXT2_EA_INODE_FL = 0x200000, /* holds the value of an extended attribute */
	EXT2_INLINE_DATA_FL = 0x10000000,
	EXT2_PROJINHERIT_FL = 0x20000000,
	EXT2_CASEFOLD_FL = 0x40000000,
};
#define EXT2_FL_INHERITED 0x0003004fu /* secrm unrm compr sync nodump ... dirsync topdir, as Linux hands down */
#define EXT2_FL_USER_VISIBLE 0x0003dfffu
#define EXT2_FL_USER_MODIFIABLE 0x000380ffu

struct ext2_dirent {
	u32 inode;
	u16 rec_len;
	u8 name_len, file_type;
	char name[];
};
_Static_assert(sizeof(struct ext2_dirent) == 8, "directory entry");
#define EXT2_REC_LEN(n) (((u32)(n) + 8u + 3u) & ~3u)
