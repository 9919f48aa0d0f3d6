/* SPDX-License-Identifier: MIT */
/* What mkfs, label and info read and write of ext2 on disk; core/fs/ext2/ext2.h has the whole of it. Little-endian, as the hosts we run on. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define EXT2_SUPER_AT 1024u
#define EXT2_MAGIC 0xef53u
enum { EXT2_BAD_INO = 1, EXT2_ROOT_INO = 2, EXT2_RESIZE_INO = 7, EXT2_FIRST_INO = 11 };
enum { EXT2_COMPAT_EXT_ATTR = 8, EXT2_COMPAT_RESIZE = 16, EXT2_COMPAT_DIR_INDEX = 32 };
enum { EXT2_INCOMPAT_FILETYPE = 2 };
enum { EXT2_RO_SPARSE_SUPER = 1, EXT2_RO_LARGE_FILE = 2, EXT2_RO_CSUM = 0x400 | 0x10 };

struct ext2_super {
	uint32_t inodes, blocks, reserved_blocks, free_blocks, free_inodes, first_data_block, log_block, log_frag;
	uint32_t blocks_per_group, frags_per_group, inodes_per_group, mtime, wtime;
	uint16_t mounts, max_mounts, magic, state, errors, minor_rev;
	uint32_t last_check, check_interval, creator, rev;
	uint16_t def_uid, def_gid;
	uint32_t first_ino;
	uint16_t inode_size, group;
	uint32_t compat, incompat, ro_compat;
	uint8_t uuid[16];
	char label[16], last_mounted[64];
	uint32_t algorithms;
	uint8_t prealloc, prealloc_dir;
	uint16_t reserved_gdt;
	uint8_t journal_uuid[16];
	uint32_t journal_ino, journal_dev, orphan, hash_seed[4];
	uint8_t hash_version, journal_backup;
	uint16_t desc_size;
	uint32_t mount_opts, first_meta_bg, mkfs_time, journal_blocks[17], blocks_hi, reserved_hi, free_hi;
	uint16_t min_extra, want_extra;
	uint32_t flags;
	uint8_t rest[668];
};
_Static_assert(sizeof(struct ext2_super) == 1024 && offsetof(struct ext2_super, uuid) == 104 && offsetof(struct ext2_super, flags) == 352, "superblock");

struct ext2_group {
	uint32_t block_bitmap, inode_bitmap, inode_table;
	uint16_t free_blocks, free_inodes, dirs, flags;
	uint32_t reserved[3];
};
_Static_assert(sizeof(struct ext2_group) == 32, "group descriptor");

struct ext2_inode {
	uint16_t mode, uid;
	uint32_t size, atime, ctime, mtime, dtime;
	uint16_t gid, links;
	uint32_t blocks, flags, osd1, block[15], generation, file_acl, size_high, faddr;
	uint8_t osd2[12];
	uint16_t extra, checksum_hi;
	uint32_t ctime_extra, mtime_extra, atime_extra, crtime, crtime_extra, version_hi, project;
};
_Static_assert(sizeof(struct ext2_inode) == 160, "inode");
