/* SPDX-License-Identifier: MIT */
/*
 * Mounting, checking the superblock, synchronising.
 *
 * Nothing that is read from the disk is believed before it is checked: the geometry against the device and against itself, each group's tables against the
 * group. A file system with features we do not know is refused (incompat) or mounted read-only (ro_compat), with their names in the log.
 *
 * While it is mounted for writing the superblock says "not cleanly unmounted"; the counts in it are brought up to date by sync.
 *
 * Locking: super.umount_sem, by the VFS, for mount, remount and unmount; the superblock's buf lock for its fields.
 */
#include <maestro/acl.h>
#include <maestro/fs.h>

#include "ext2.h"

bool ext2_read_only(const struct super *sb)
{
	return load_relaxed(&sb->flags) & MS_RDONLY;
}

/* ---------------------------------------------------------------- geometry */
static bool is_power_of(u32 n, u32 base)
{
	u32 p = base;

	while (p < n && p <= U32_MAX / base)
		p *= base;
	return p == n;
}

bool ext2_group_has_super(const struct ext2_sb *s, u32 group)
{
	if (!(s->es->feature_ro_compat & EXT2_RO_SPARSE_SUPER) || group <= 1)
		return true;
	return (group & 1) && (is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7));
}

static kerr_t bad_super(const struct ext2_sb *s, const char *what, u64 value)
{
	klog_err("EXT2-fs (%s): bad superblock: %s (%llu)", s->sb->id, what, (unsigned long long)value);
	return KERR(EUCLEAN);
}

static kerr_t check_inode_geometry(struct ext2_sb *s)
{
	const struct ext2_super *es = s->es;
	u32 per_block;

	s->inode_size = es->rev_level ? es->inode_size : EXT2_OLD_INODE;
	s->first_ino = es->rev_level ? es->first_ino : EXT2_GOOD_OLD_FIRST_INO;
	if (s->inode_size < EXT2_OLD_INODE || s->inode_size > s->block_size || (s->inode_size & (s->inode_size - 1)))
		return bad_super(s, "inode size", s->inode_size);
	s->inode_bits = ilog2(s->inode_size);
	s->inodes_per_block_bits = s->block_bits - s->inode_bits;
	per_block = 1u << s->inodes_per_block_bits;
	s->inodes_per_group = es->inodes_per_group;
	if (!s->inodes_per_group || s->inodes_per_group > s->block_size * 8 || (s->inodes_per_group & (per_block - 1)))
		return bad_super(s, "inodes per group", s->inodes_per_group);
	s->itb_per_group = s->inodes_per_group >> s->inodes_per_block_bits;
	s->inodes_count = es->inodes_count;
	if (s->first_ino < EXT2_GOOD_OLD_FIRST_INO || s->first_ino > s->inodes_per_group)
		return bad_super(s, "first inode", s->first_ino);
	return KERR(0);
}

static bool has_flex_bg(const struct ext2_sb *s)
{
	return s->es->feature_incompat & EXT2_INCOMPAT_FLEX_BG;
}

/* With bigalloc a bit of the block bitmap stands for a cluster of blocks. */
static kerr_t check_clusters(struct ext2_sb *s)
{
	const struct ext2_super *es = s->es;
	u32 clusters = es->frags_per_group;

	s->cluster_bits = 0;
	if (!(es->feature_ro_compat & EXT2_RO_BIGALLOC)) {
		if (es->log_frag_size != es->log_block_size)
			return bad_super(s, "fragment size", es->log_frag_size);
		clusters = s->blocks_per_group;
	} else if (es->log_frag_size < es->log_block_size || es->log_frag_size > 20) {
		return bad_super(s, "cluster size", es->log_frag_size);
	} else {
		s->cluster_bits = es->log_frag_size - es->log_block_size;
	}
	if (clusters < 64 || clusters > s->block_size * 8 || (clusters & 7) || (u64)clusters << s->cluster_bits != s->blocks_per_group)
		return bad_super(s, "blocks per group", s->blocks_per_group);
	return KERR(0);
}

static kerr_t check_group_geometry(struct ext2_sb *s)
{
	const struct ext2_super *es = s->es;
	u64 device_blocks = block_bytes(s->bdev) >> s->block_bits;
	kerr_t err;

	s->blocks_count = es->blocks_count;
	s->first_data_block = es->first_data_block;
	s->blocks_per_group = es->blocks_per_group;
	err = check_clusters(s);
	if (err)
		return err;
	if (s->first_data_block != (s->block_size == 1024 ? 1u : 0u) && (s->first_data_block || !s->cluster_bits))
		return bad_super(s, "first data block", s->first_data_block);
	if (s->blocks_count <= s->first_data_block || s->blocks_count > device_blocks)
		return bad_super(s, "size in blocks, beyond the device", s->blocks_count);
	if (es->blocks_count_hi && (es->feature_incompat & EXT2_INCOMPAT_64BIT)) {
		klog_err("EXT2-fs (%s): more than 2^32 blocks", s->sb->id);
		return KERR(EFBIG);
	}
	if (s->itb_per_group + 3 >= s->blocks_per_group && !has_flex_bg(s))
		return bad_super(s, "inode table larger than its group", s->itb_per_group);
	s->groups = (s->blocks_count - s->first_data_block - 1) / s->blocks_per_group + 1;
	if ((u64)s->groups * s->inodes_per_group != s->inodes_count)
		return bad_super(s, "number of inodes", s->inodes_count);
	s->desc_shift = ilog2(EXT2_GROUP_SIZE);
	if (es->feature_incompat & EXT2_INCOMPAT_64BIT) {
		if (es->desc_size < sizeof(struct ext2_group) || es->desc_size > 1024 || (es->desc_size & (es->desc_size - 1)))
			return bad_super(s, "size of group descriptors", es->desc_size);
		s->desc_shift = ilog2(es->desc_size);
	}
	s->desc_bits = s->block_bits - s->desc_shift;
	s->gdt_blocks = (s->groups + (1u << s->desc_bits) - 1) >> s->desc_bits;
	if (!(es->feature_incompat & EXT2_INCOMPAT_META_BG) && s->gdt_blocks + 1 >= s->blocks_per_group)
		return bad_super(s, "descriptors larger than a group", s->gdt_blocks);
	return KERR(0);
}

/*
 * The group's tables must lie in the group (with flex_bg on the device), behind each other or not, but not on each other or on the superblock.
 */
static bool group_sane(const struct ext2_sb *s, u32 group)
{
	const struct ext2_group *gd = ext2_group_desc(s, group, NULL);
	u32 first = has_flex_bg(s) ? s->first_data_block : ext2_group_first(s, group);
	u32 end = has_flex_bg(s) ? s->blocks_count : first + ext2_group_blocks(s, group), table_end = gd->inode_table + s->itb_per_group;

	if (s->desc_shift > ilog2(EXT2_GROUP_SIZE) && (gd->block_bitmap_hi || gd->inode_bitmap_hi || gd->inode_table_hi))
		return false;
	if (gd->block_bitmap <= s->first_data_block || gd->block_bitmap < first || gd->block_bitmap >= end ||
	    gd->inode_bitmap <= s->first_data_block || gd->inode_bitmap < first || gd->inode_bitmap >= end)
		return false;
	if (gd->inode_table <= s->first_data_block || gd->inode_table < first || gd->inode_table >= end || s->itb_per_group > end - gd->inode_table)
		return false;
	return gd->block_bitmap != gd->inode_bitmap && !(gd->block_bitmap >= gd->inode_table && gd->block_bitmap < table_end) &&
	       !(gd->inode_bitmap >= gd->inode_table && gd->inode_bitmap < table_end);
}

/* Which block holds the i-th block of descriptors: behind the superblock, or with meta_bg at the start of the groups it describes. */
static u32 gdt_block(const struct ext2_sb *s, u32 super_block, u32 i)
{
	u32 group = i << s->desc_bits;

	if (!(s->es->feature_incompat & EXT2_INCOMPAT_META_BG) || i < s->es->first_meta_bg)
		return super_block + 1 + i;
	return ext2_group_first(s, group) + ext2_boot_blocks(s, group) + (ext2_group_has_super(s, group) ? 1 : 0);
}

static kerr_t read_groups(struct ext2_sb *s, u32 super_block)
{
	s->gdt = kzalloc(s->gdt_blocks * sizeof(s->gdt[0]), GFP_KERNEL);
	s->group_flags = kzalloc(s->groups, GFP_KERNEL);
	s->debts = kzalloc(s->groups, GFP_KERNEL);
	if (!s->gdt || !s->group_flags || !s->debts)
		return KERR(ENOMEM);
	for (u32 i = 0; i < s->gdt_blocks; i++) {
		kerr_t err = buf_read(s->bdev, gdt_block(s, super_block, i), &s->gdt[i]);

		if (err) {
			klog_err("EXT2-fs (%s): cannot read group descriptors, block %u", s->sb->id, gdt_block(s, super_block, i));
			return err;
		}
	}
	for (u32 g = 0; g < s->groups; g++) {
		const struct ext2_group *gd = ext2_group_desc(s, g, NULL);

		if (!group_sane(s, g)) {
			klog_err("EXT2-fs (%s): group %u: tables are not in the group: %u %u %u", s->sb->id, g, gd->block_bitmap, gd->inode_bitmap,
				 gd->inode_table);
			return KERR(EUCLEAN);
		}
		if (!ext2_group_csum_ok(s, g)) /* said and gone on from, as by Linux: such an image is only read */
			klog_err("EXT2-fs (%s): group %u: invalid checksum of its descriptor", s->sb->id, g);
		s->free_blocks += gd->free_blocks;
		s->free_inodes += gd->free_inodes;
		s->dirs += gd->used_dirs;
		if (s->desc_shift > ilog2(EXT2_GROUP_SIZE)) {
			s->free_blocks += (u32)gd->free_blocks_hi << 16;
			s->free_inodes += (u32)gd->free_inodes_hi << 16;
		}
		s->overhead += 2 + s->itb_per_group;
		if (ext2_group_has_super(s, g))
			s->overhead += 1 + s->gdt_blocks + s->es->reserved_gdt_blocks;
	}
	s->overhead += s->first_data_block;
	if (s->es->rev_level && s->es->overhead_clusters && s->no_write_features)
		s->overhead = s->es->overhead_clusters << s->cluster_bits;
	return has_flex_bg(s) ? ext2_zones_build(s) : KERR(0);
}

/* Finds the superblock at 1 KiB unit `at`, sets the device's block size to the file system's. */
static kerr_t read_super(struct ext2_sb *s, u32 at, bool silent, u32 *super_block)
{
	u32 size = MAX(1024u, s->bdev->disk->logical_block);
	u64 byte = (u64)at << 10;

	for (unsigned pass = 0;; pass++) {
		kerr_t err = block_set_size(s->bdev, size);

		if (!err)
			err = buf_read(s->bdev, byte >> ilog2(size), &s->sbuf);
		if (err) {
			klog_err("EXT2-fs (%s): unable to read superblock", s->sb->id);
			return err;
		}
		s->es = (struct ext2_super *)(void *)((u8 *)s->sbuf->data + ((u32)byte & (size - 1)));
		if (s->es->magic != EXT2_MAGIC) {
			if (!silent)
				klog_err("EXT2-fs (%s): can't find an ext2 file system", s->sb->id);
			return KERR(EINVAL);
		}
		if (s->es->log_block_size > 2) {
			klog_err("EXT2-fs (%s): block size 1024 << %u is not supported", s->sb->id, s->es->log_block_size);
			return KERR(EINVAL);
		}
		s->block_size = 1024u << s->es->log_block_size;
		if (s->block_size < s->bdev->disk->logical_block)
			return bad_super(s, "blocks smaller than the disk's", s->block_size);
		if (s->block_size == size)
			break;
		if (pass)
			return bad_super(s, "block size changes while read", s->block_size);
		size = s->block_size;
		buf_put(s->sbuf);
		s->sbuf = NULL;
	}
	s->block_bits = ilog2(s->block_size);
	s->addr_bits = s->block_bits - 2;
	*super_block = (u32)(byte >> s->block_bits);
	return KERR(0);
}

/* ---------------------------------------------------------------- the superblock while mounted */
static void super_update(struct ext2_sb *s)
{
	u32 free_blocks, free_inodes;

	mutex_lock(&s->alloc);
	free_blocks = s->free_blocks;
	free_inodes = s->free_inodes;
	s->counts_dirty = false;
	mutex_unlock(&s->alloc);
	buf_lock(s->sbuf);
	s->es->free_blocks_count = free_blocks;
	s->es->free_inodes_count = free_inodes;
	s->es->wtime = (u32)ktime_get_real_coarse_ts().sec;
	buf_mark_dirty(s->sbuf);
	buf_unlock(s->sbuf);
}

void ext2_set_large_file(struct ext2_sb *s)
{
	if (s->es->feature_ro_compat & EXT2_RO_LARGE_FILE)
		return;
	buf_lock(s->sbuf);
	s->es->feature_ro_compat |= EXT2_RO_LARGE_FILE;
	buf_mark_dirty(s->sbuf);
	buf_unlock(s->sbuf);
}

/* For mke2fs and tune2fs, which warn of what was in use: when the first file is opened, as by Linux. It goes to the disk with the next write of the superblock. */
void ext2_tell_mount_point(struct ext2_sb *s, struct mount *m)
{
	struct path top = { m, m->root };
	const char *text;
	char *buf;

	if (__atomic_exchange_n(&s->mount_point_told, true, __ATOMIC_RELAXED))
		return;
	buf = path_buf_alloc();
	text = buf ? path_text(&top, NULL, buf, PATH_MAX, NULL) : NULL;
	if (text) {
		buf_lock(s->sbuf);
		(void)strlcpy(s->es->last_mounted, text, sizeof(s->es->last_mounted));
		buf_mark_dirty(s->sbuf);
		buf_unlock(s->sbuf);
	}
	if (buf)
		path_buf_free(buf);
}

/* From now on we write. */
static kerr_t begin_writing(struct ext2_sb *s)
{
	struct ext2_super *es = s->es;

	if (!(es->state & EXT2_VALID_FS))
		klog_warn("EXT2-fs (%s): warning: mounting unchecked fs, running e2fsck is recommended", s->sb->id);
	else if (es->state & EXT2_ERROR_FS)
		klog_warn("EXT2-fs (%s): warning: mounting fs with errors, running e2fsck is recommended", s->sb->id);
	if (es->last_orphan)
		klog_warn("EXT2-fs (%s): warning: deleted inodes await e2fsck", s->sb->id);
	s->mount_state = es->state;
	buf_lock(s->sbuf);
	es->state &= (u16)~EXT2_VALID_FS;
	es->mnt_count++;
	if (!(es->flags & (EXT2_FLAGS_SIGNED_HASH | EXT2_FLAGS_UNSIGNED_HASH)))
		es->flags |= EXT2_FLAGS_SIGNED_HASH;
	es->mtime = es->wtime = (u32)ktime_get_real_coarse_ts().sec;
	buf_mark_dirty(s->sbuf);
	buf_unlock(s->sbuf);
	return buf_write_sync(s->sbuf);
}

/* All is on disk; says so. */
static kerr_t end_writing(struct ext2_sb *s)
{
	kerr_t err, e;

	super_update(s);
	err = buf_sync(s->bdev, true);
	e = block_flush(s->bdev);
	if (!err)
		err = e;
	buf_lock(s->sbuf);
	s->es->state = err ? s->mount_state & (u16)~EXT2_VALID_FS : s->mount_state;
	buf_mark_dirty(s->sbuf);
	buf_unlock(s->sbuf);
	e = buf_write_sync(s->sbuf);
	if (!e)
		e = block_flush(s->bdev);
	return err ? err : e;
}

static kerr_t ext2_sync_fs(struct super *sb, bool wait)
{
	struct ext2_sb *s = EXT2_SB(sb);
	kerr_t err;

	if (ext2_read_only(sb))
		return KERR(0);
	if (s->counts_dirty)
		super_update(s);
	err = buf_sync(s->bdev, wait);
	if (!err && wait)
		err = block_flush(s->bdev);
	return err;
}

static kerr_t ext2_statfs(struct super *sb, struct kstatfs *out)
{
	const struct ext2_sb *s = EXT2_SB(sb);
	const struct ext2_super *es = s->es;
	u32 overhead = s->minixdf || s->overhead > s->blocks_count ? 0 : s->overhead;
	u64 free = (u64)load_relaxed(&s->free_blocks) << s->cluster_bits;
	u64 id[2];

	memcpy(id, es->uuid, sizeof(id));
	*out = (struct kstatfs){
		.type = EXT2_MAGIC,
		.bsize = s->block_size,
		.frsize = s->block_size,
		.blocks = s->blocks_count - overhead,
		.bfree = free,
		.bavail = free > es->r_blocks_count ? free - es->r_blocks_count : 0,
		.files = s->inodes_count,
		.ffree = load_relaxed(&s->free_inodes),
		.fsid = id[0] ^ id[1],
		.namelen = NAME_MAX,
	};
	return KERR(0);
}

static kerr_t ext2_remount(struct super *sb, unsigned *ms_flags, const char *data)
{
	struct ext2_sb *s = EXT2_SB(sb);
	struct ext2_options o = { .errors = s->errors,
				  .resuid = s->resuid,
				  .resgid = s->resgid,
				  .grpid = s->grpid,
				  .minixdf = s->minixdf,
				  .noreserve = s->noreserve,
				  .noacl = !(sb->flags & MS_POSIXACL) };
	bool was_ro = ext2_read_only(sb), want_ro = *ms_flags & MS_RDONLY;
	kerr_t err = ext2_options_parse(sb, data, &o);

	if (err)
		return err;
	if (was_ro && !want_ro) {
		if (s->no_write_features) {
			ext2_log_read_only(s, "cannot remount for writing");
			return KERR(EROFS);
		}
		if (block_read_only(s->bdev))
			return KERR(EROFS);
		err = begin_writing(s);
	} else if (!was_ro && want_ro) {
		err = end_writing(s);
	}
	if (!err)
		ext2_options_use(s, &o, ms_flags);
	return err;
}

/* ---------------------------------------------------------------- mount, unmount */
/* What read_groups() made. */
static void groups_free(struct ext2_sb *s)
{
	for (u32 i = 0; s->gdt && i < s->gdt_blocks; i++)
		buf_put(s->gdt[i]);
	kfree(s->gdt);
	kfree(s->group_flags);
	kfree(s->debts);
	kfree(s->zones);
	s->gdt = NULL;
	s->group_flags = s->debts = NULL;
	s->zones = NULL;
	s->nzones = s->free_blocks = s->free_inodes = s->dirs = s->overhead = 0;
}

static void state_free(struct ext2_sb *s)
{
	groups_free(s);
	buf_put(s->sbuf);
	ext2_journal_forget(s);
	kfree(s);
}

static void ext2_put_super(struct super *sb)
{
	struct ext2_sb *s = EXT2_SB(sb);
	struct block_device *bdev = s->bdev;

	if (!ext2_read_only(sb)) {
		kerr_t err = end_writing(s);

		if (err)
			klog_err("EXT2-fs (%s): error %d while unmounting", sb->id, kerr_code(err));
	}
	/* Read-only after an error: what changed before that still goes to the disk. */
	if (buf_sync(bdev, true))
		klog_err("EXT2-fs (%s): lost writes of metadata", sb->id);
	sb->priv = NULL;
	state_free(s);
	/* File contents went past the buffer cache: what it holds of them may be stale. */
	(void)buf_invalidate(bdev);
}

static struct inode *ext2_alloc_inode(struct super *sb)
{
	struct ext2_inode *ei = kmem_cache_alloc(kernel()->fs.ext2.inodes, (enum gfp)(GFP_NOFS | GFP_ZERO));

	(void)sb;
	if (!ei)
		return NULL;
	rwsem_init(&ei->tree, RANK_FS_ALLOC, "ext2_inode.tree");
	list_init(&ei->window_node);
	return &ei->vfs;
}

static void ext2_free_inode(struct inode *inode)
{
	kmem_cache_free(kernel()->fs.ext2.inodes, EXT2_I(inode));
}

/* ---------------------------------------------------------------- handles: number and generation */
enum { FILEID_INO32_GEN = 1, FILEID_INO32_GEN_PARENT };

static void ext2_id_make(struct inode *inode, struct file_id *id)
{
	*id = (struct file_id){ .word = { (u32)inode->ino, inode->generation }, .words = 2, .type = FILEID_INO32_GEN };
}

static kerr_t ext2_id_find(struct super *sb, const struct file_id *id, struct inode **out)
{
	u32 ino = id->word[0];
	struct inode *inode;
	kerr_t err = KERR(0);

	if (id->words < 2 || id->type < FILEID_INO32_GEN || id->type > FILEID_INO32_GEN_PARENT)
		return KERR(ESTALE);
	if (ino != EXT2_ROOT_INO && ino < EXT2_SB(sb)->first_ino)
		return KERR(ESTALE);
	inode = inode_find(sb, ino);
	if (!inode)
		err = ext2_iget(sb, ino, &inode);
	if (err)
		return err;
	if (id->word[1] && inode->generation != id->word[1]) {
		inode_put(inode);
		return KERR(ESTALE);
	}
	*out = inode;
	return KERR(0);
}

static kerr_t ext2_dir_parent(struct inode *dir, struct inode **out)
{
	struct ext2_slot slot;
	kerr_t err;

	rwsem_read_lock(&dir->rwsem);
	err = ext2_dir_find(dir, "..", 2, &slot);
	rwsem_read_unlock(&dir->rwsem);
	if (err)
		return err;
	ext2_slot_put(&slot);
	return ext2_iget(dir->sb, slot.ino, out);
}

static const struct super_ops ext2_super_ops = {
	.alloc_inode = ext2_alloc_inode,
	.free_inode = ext2_free_inode,
	.write_inode = ext2_write_inode,
	.evict_inode = ext2_evict_inode,
	.put_super = ext2_put_super,
	.sync_fs = ext2_sync_fs,
	.statfs = ext2_statfs,
	.remount = ext2_remount,
	.show_options = ext2_show_options,
	.id_make = ext2_id_make,
	.id_find = ext2_id_find,
	.dir_parent = ext2_dir_parent,
};

static void set_limits(struct super *sb, struct ext2_sb *s)
{
	const struct ext2_super *es = s->es;
	u32 room = s->inode_size - EXT2_OLD_INODE, want = MAX(es->min_extra_isize, es->want_extra_isize);

	s->want_extra = 0;
	if (room)
		s->want_extra = want >= 4 && want <= room && !(want & 3) ? want : MIN(room, 32u);
	sb->blocksize = s->block_size;
	sb->magic = EXT2_MAGIC;
	sb->max_bytes = (loff_t)(es->rev_level ? ext2_max_size(s) : (u64)S32_MAX); /* revision 0 has nowhere to say "large files" */
	if (es->rev_level && (es->feature_incompat & EXT2_INCOMPAT_EXTENTS))
		sb->max_bytes = (loff_t)((u64)U32_MAX << s->block_bits); /* and the page cache's index has 32 bits on a small machine */
	sb->time_min = -(s64)S32_MAX - 1;
	if (s->want_extra >= 24) { /* up to crtime_extra */
		sb->time_gran = 1;
		sb->time_max = (3LL << 32) + S32_MAX;
	} else {
		sb->time_gran = (u32)NSEC_PER_SEC;
		sb->time_max = S32_MAX;
	}
}

/* The root inode is out of the cache again: nothing of a failed mount stays. */
static void forget_root(struct super *sb)
{
	struct inode *inode = inode_find(sb, EXT2_ROOT_INO);

	if (!inode)
		return;
	EXT2_I(inode)->valid = false;
	inode->nlink = 0;
	inode_put(inode);
}

static kerr_t make_root(struct super *sb)
{
	struct inode *inode;
	kerr_t err = ext2_iget(sb, EXT2_ROOT_INO, &inode);

	if (err) {
		klog_err("EXT2-fs (%s): cannot read the root directory: error %d", sb->id, kerr_code(err));
		return kerr_code(err) == -ESTALE ? KERR(EUCLEAN) : err;
	}
	if (!S_ISDIR(inode->mode) || (!inode->blocks && !ext2_has_inline_data(inode)) || !inode->size) {
		klog_err("EXT2-fs (%s): the root is no directory; run e2fsck", sb->id);
		inode_put(inode);
		err = KERR(EUCLEAN);
	} else {
		err = dentry_make_root(inode, &sb->root);
	}
	if (err)
		forget_root(sb);
	return err;
}

/* Everything that the superblock and the group descriptors say. */
static kerr_t load_geometry(struct ext2_sb *s, u32 super_block)
{
	kerr_t err = ext2_csum_setup(s);

	if (!err)
		err = check_inode_geometry(s);
	if (!err)
		err = check_group_geometry(s);
	if (!err)
		err = read_groups(s, super_block);
	return err;
}

/* A journal that was not emptied: replays it, and looks at all again. */
static kerr_t recover(struct ext2_sb *s, u32 super_block)
{
	const struct ext2_super *es = s->es;
	kerr_t err;

	if (!es->rev_level || !(es->feature_compat & EXT2_COMPAT_HAS_JOURNAL) || (es->journal_inum && !(es->feature_incompat & EXT2_INCOMPAT_RECOVER)))
		return KERR(0);
	if (s->noload) {
		klog_warn("EXT2-fs (%s): the journal is not replayed: files may be as they never were", s->sb->id);
		return KERR(0);
	}
	err = ext2_journal_recover(s->sb);
	if (err || !s->nreplayed)
		return err;
	if (es->magic != EXT2_MAGIC || es->log_block_size != s->block_bits - 10)
		return bad_super(s, "another file system in the journal", es->log_block_size);
	groups_free(s);
	return load_geometry(s, super_block);
}

static kerr_t load(struct super *sb, struct ext2_sb *s, struct ext2_options *o, bool silent)
{
	u32 super_block;
	kerr_t err = read_super(s, o->sb ? o->sb : 1, silent, &super_block);

	if (err)
		return err;
	ext2_options_from_disk(s->es, o);
	ext2_options_use(s, o, &sb->flags);
	err = ext2_check_features(s, sb->flags & MS_RDONLY, silent);
	if (!err)
		err = load_geometry(s, super_block);
	return err ? err : recover(s, super_block);
}

static kerr_t ext2_fill_super(struct super *sb, const char *data, bool silent)
{
	struct ext2_sb *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct ext2_options o = { 0 };
	kerr_t err;

	if (!s)
		return KERR(ENOMEM);
	s->sb = sb;
	s->bdev = sb->bdev;
	mutex_init(&s->alloc, RANK_FS_ALLOC, "ext2_sb.alloc");
	list_init(&s->windows);
	sb->priv = s;
	sb->ops = &ext2_super_ops;
	err = ext2_options_parse(sb, data, &o);
	if (!err) {
		s->sb_option = o.sb;
		s->noload = o.noload;
		err = load(sb, s, &o, silent);
	}
	if (err)
		goto fail;
	s->mount_state = s->es->state;
	set_limits(sb, s);
	if (s->no_write_features)
		sb->flags |= MS_RDONLY;
	if (!(sb->flags & MS_RDONLY) && block_read_only(s->bdev)) {
		err = KERR(EROFS);
		goto fail;
	}
	err = make_root(sb);
	if (err)
		goto fail;
	if (!(sb->flags & MS_RDONLY)) {
		err = begin_writing(s);
		if (err) { /* the disk takes no writes: better to know now, and go on reading */
			klog_err("EXT2-fs (%s): cannot write the superblock: error %d, mounted read-only", sb->id, kerr_code(err));
			sb->flags |= MS_RDONLY;
		}
	}
	if (s->es->rev_level && (s->es->feature_ro_compat & EXT2_RO_VERITY))
		klog_warn("EXT2-fs (%s): files with fs-verity are read without being verified", sb->id);
	klog_info("EXT2-fs (%s): mounted%s, %u blocks of %u bytes, %u groups", sb->id, sb->flags & MS_RDONLY ? " read-only" : "", s->blocks_count,
		  s->block_size, s->groups);
	return KERR(0);

fail:
	sb->priv = NULL;
	sb->ops = NULL;
	state_free(s);
	return err;
}

/* In the order in which Linux lists and tries them. */
static const struct fs_type ext2_types[] = {
	{ .name = "ext3", .flags = FS_REQUIRES_DEV, .fill_super = ext2_fill_super, .check_option = ext2_check_option },
	{ .name = "ext2", .flags = FS_REQUIRES_DEV, .fill_super = ext2_fill_super, .check_option = ext2_check_option },
	{ .name = "ext4", .flags = FS_REQUIRES_DEV, .fill_super = ext2_fill_super, .check_option = ext2_check_option },
};

kerr_t ext2_init(void)
{
	kerr_t err = kmem_cache_create(&kernel()->fs.ext2.inodes, "ext2_inode", sizeof(struct ext2_inode), sizeof(u64));

	for (unsigned i = 0; i < ARRAY_SIZE(ext2_types) && !err; i++)
		err = fs_register(&ext2_types[i]);
	return err;
}
