/* SPDX-License-Identifier: MIT */
/*
 * Inodes on disk: reading with all checks, writing, deleting, changing attributes.
 *
 * Times: 128-byte inodes keep seconds, signed 32 bits. Larger ones keep nanoseconds and two more bits of seconds in the *_extra words, as far as the
 * inode's own i_extra_isize goes (the layout of ext4, which serves ext2 images on today's Linux).
 *
 * Locking: the inode table's bufs by the buf lock; pointers by ext2_inode.tree.
 */
#include "ext2.h"

#define TABLE_READAHEAD 8 /* blocks */

/* Is the extra field inside what this inode says it has? */
#define HAS_EXTRA(s, extra_isize, field)                                      \
	((s)->inode_size > EXT2_OLD_INODE &&                                  \
	 EXT2_OLD_INODE + (extra_isize) >= offsetof(struct ext2_dinode, field) + sizeof(u32))

kerr_t ext2_inode_buf(struct super *sb, u32 ino, struct buf **buf, struct ext2_dinode **out)
{
	struct ext2_sb *s = EXT2_SB(sb);
	u32 group, index, block, first;
	struct buf *b;
	kerr_t err;

	if (ino < 1 || ino > s->inodes_count) {
		EXT2_ERROR_AT(sb, ino, 0, "bad inode number %u", ino);
		return KERR(EUCLEAN);
	}
	group = (ino - 1) / s->inodes_per_group;
	index = (ino - 1) % s->inodes_per_group;
	first = ext2_group_desc(s, group, NULL)->inode_table;
	block = first + (index >> s->inodes_per_block_bits);
	b = buf_find(s->bdev, block);
	if (!b || !buf_test(b, BUF_UPTODATE)) {
		u32 from = (block - first) & ~(u32)(TABLE_READAHEAD - 1);

		buf_put(b);
		buf_readahead(s->bdev, first + from, MIN((u32)TABLE_READAHEAD, s->itb_per_group - from));
		err = buf_read(s->bdev, block, &b);
		if (err) {
			if (kerr_code(err) != -ENOMEM)
				EXT2_ERROR_AT(sb, ino, block, "cannot read inode %u, block %u", ino, block);
			return err;
		}
	}
	*buf = b;
	*out = (struct ext2_dinode *)(void *)((u8 *)b->data + ((index & ((1u << s->inodes_per_block_bits) - 1)) << s->inode_bits));
	return KERR(0);
}

/* ---------------------------------------------------------------- times */
static struct timespec64 time_decode(u32 sec, u32 extra)
{
	struct timespec64 t = { .sec = (s32)sec, .nsec = (s32)(extra >> 2) };

	t.sec += (s64)(extra & 3) << 32;
	if (t.nsec >= NSEC_PER_SEC)
		t.nsec = 0;
	return t;
}

static u32 time_extra(struct timespec64 t)
{
	return ((u32)((u64)(t.sec - (s32)t.sec) >> 32) & 3) | (u32)t.nsec << 2;
}

static void times_read(struct inode *inode, const struct ext2_sb *s, const struct ext2_dinode *raw, u16 extra)
{
	inode->atime = time_decode(raw->atime, HAS_EXTRA(s, extra, atime_extra) ? raw->atime_extra : 0);
	inode->mtime = time_decode(raw->mtime, HAS_EXTRA(s, extra, mtime_extra) ? raw->mtime_extra : 0);
	inode->ctime = time_decode(raw->ctime, HAS_EXTRA(s, extra, ctime_extra) ? raw->ctime_extra : 0);
	if (HAS_EXTRA(s, extra, crtime))
		inode->btime = time_decode(raw->crtime, HAS_EXTRA(s, extra, crtime_extra) ? raw->crtime_extra : 0);
}

/* Without the extra word a time outside 32 bits is clamped, not wrapped. */
static void time_write(struct timespec64 t, u32 *sec, u32 *extra)
{
	if (extra)
		*extra = time_extra(t);
	else if (t.sec > S32_MAX)
		t.sec = S32_MAX;
	else if (t.sec < -(s64)S32_MAX - 1)
		t.sec = -(s64)S32_MAX - 1;
	*sec = (u32)t.sec;
}

static void times_write(const struct inode *inode, const struct ext2_sb *s, struct ext2_dinode *raw, u16 extra)
{
	time_write(inode->atime, &raw->atime, HAS_EXTRA(s, extra, atime_extra) ? &raw->atime_extra : NULL);
	time_write(inode->mtime, &raw->mtime, HAS_EXTRA(s, extra, mtime_extra) ? &raw->mtime_extra : NULL);
	time_write(inode->ctime, &raw->ctime, HAS_EXTRA(s, extra, ctime_extra) ? &raw->ctime_extra : NULL);
	if (HAS_EXTRA(s, extra, crtime))
		time_write(inode->btime, &raw->crtime, HAS_EXTRA(s, extra, crtime_extra) ? &raw->crtime_extra : NULL);
}

/* ---------------------------------------------------------------- device numbers: the old 8:8 form in block[0], or 12:20 in block[1] */
static dev_t dev_decode(const u32 *block)
{
	if (block[0])
		return DEV((block[0] >> 8) & 0xff, block[0] & 0xff);
	return DEV((block[1] & 0xfff00) >> 8, (block[1] & 0xff) | ((block[1] >> 12) & 0xfff00));
}

static void dev_encode(dev_t dev, u32 *block)
{
	u32 major = DEV_MAJOR(dev), minor = DEV_MINOR(dev);
	bool old = major < 256 && minor < 256;

	block[0] = old ? major << 8 | minor : 0;
	block[1] = old ? 0 : (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

/* ---------------------------------------------------------------- reading */
void ext2_flags_to_vfs(struct inode *inode)
{
	u32 f = EXT2_I(inode)->flags, all = INODE_SYNC | INODE_APPEND | INODE_IMMUTABLE | INODE_NOATIME | INODE_DIRSYNC;
	u32 set = (f & EXT2_SYNC_FL ? INODE_SYNC : 0u) | (f & EXT2_APPEND_FL ? INODE_APPEND : 0u) | (f & EXT2_IMMUTABLE_FL ? INODE_IMMUTABLE : 0u) |
		  (f & EXT2_NOATIME_FL ? INODE_NOATIME : 0u) | (f & EXT2_DIRSYNC_FL ? INODE_DIRSYNC : 0u);

	inode_flags_change(inode, set, all & ~set);
}

void ext2_set_ops(struct inode *inode)
{
	inode->mapping->ops = &ext2_mapping_ops;
	if (S_ISREG(inode->mode)) {
		inode->ops = &ext2_file_inode_ops;
		inode->fops = &ext2_file_ops;
	} else if (S_ISDIR(inode->mode)) {
		inode->ops = &ext2_dir_inode_ops;
		inode->fops = &ext2_dir_ops;
		inode->mapping->gfp = GFP_NOFS; /* entries are walked all the time: in the direct map, please */
	} else if (S_ISLNK(inode->mode)) {
		inode->ops = &ext2_symlink_ops;
		inode->mapping->gfp = GFP_NOFS;
	} else {
		inode->ops = &ext2_special_ops;
		inode_init_special(inode, inode->mode, inode->rdev);
	}
}

/* Flags that change what the block pointers mean count only if the file system has the feature. */
static u32 foreign_flags(const struct ext2_sb *s)
{
	u32 has = s->es->rev_level ? s->es->feature_incompat : 0;

	return (has & EXT2_INCOMPAT_EXTENTS ? 0 : EXT2_EXTENTS_FL) | (has & EXT2_INCOMPAT_INLINE_DATA ? 0 : EXT2_INLINE_DATA_FL);
}

/* What Linux would call corrupt: NULL if all is well. */
static const char *bad_inode(const struct ext2_sb *s, const struct ext2_dinode *raw, const struct inode *inode, u16 extra)
{
	u32 type = raw->mode & S_IFMT;

	if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFCHR && type != S_IFBLK && type != S_IFIFO && type != S_IFSOCK)
		return "unknown type";
	if (s->inode_size > EXT2_OLD_INODE && ((u32)extra > s->inode_size - EXT2_OLD_INODE || (extra & 3)))
		return "bad extra size";
	if (inode->size < 0 || (u64)inode->size > (u64)s->sb->max_bytes)
		return "bad size";
	if (raw->file_acl && !ext2_data_block_ok(s, raw->file_acl, 1))
		return "bad extended attribute block";
	if (raw->flags & foreign_flags(s))
		return "flags of a feature that the file system has not";
	if ((s->es->feature_incompat & EXT2_INCOMPAT_64BIT) && raw->acl_high)
		return "extended attribute block out of range";
	if (type == S_IFDIR && ((u32)inode->size & (s->block_size - 1)) && !(raw->flags & EXT2_INLINE_DATA_FL))
		return "directory size is not a whole number of blocks";
	if (type == S_IFDIR && (u64)inode->size >> s->block_bits > s->blocks_count) /* it would take ages to search */
		return "directory larger than the file system";
	return NULL;
}

/* i_blocks, 512-byte units. */
static u64 disk_blocks(const struct ext2_sb *s, const struct ext2_dinode *raw)
{
	u64 n = raw->blocks;

	if (!(s->es->feature_ro_compat & EXT2_RO_HUGE_FILE))
		return n;
	n |= (u64)raw->blocks_high << 32;
	return raw->flags & EXT2_HUGE_FILE_FL ? n << (s->block_bits - 9) : n;
}

static kerr_t fill_inode(struct inode *inode)
{
	struct super *sb = inode->sb;
	const struct ext2_sb *s = EXT2_SB(sb);
	struct ext2_inode *ei = EXT2_I(inode);
	struct ext2_dinode *raw;
	const char *wrong;
	struct buf *b;
	u16 extra;
	kerr_t err = ext2_inode_buf(sb, (u32)inode->ino, &b, &raw);

	if (err)
		return err;
	if (!raw->links || (!raw->mode && raw->dtime)) {
		buf_put(b);
		return KERR(ESTALE);
	}
	if (!ext2_inode_csum_ok(s, (u32)inode->ino, raw)) {
		u64 block = b->block;

		buf_put(b);
		EXT2_ERROR_AT(sb, inode->ino, block, "inode %llu, block %llu: invalid checksum", (unsigned long long)inode->ino, (unsigned long long)block);
		return KERR(EBADMSG);
	}
	inode->mode = raw->mode;
	inode->uid = raw->uid | (u32)raw->uid_high << 16;
	inode->gid = raw->gid | (u32)raw->gid_high << 16;
	inode->nlink = raw->links;
	inode->size = raw->size;
	if (S_ISREG(inode->mode) || (S_ISDIR(inode->mode) && (s->es->feature_incompat & EXT2_INCOMPAT_LARGE_DIR)))
		inode->size |= (loff_t)((u64)raw->size_high << 32);
	inode->blocks = disk_blocks(s, raw);
	inode->generation = raw->generation;
	extra = s->inode_size > EXT2_OLD_INODE ? raw->extra_isize : 0;
	wrong = bad_inode(s, raw, inode, extra);
	if (wrong) {
		buf_put(b);
		EXT2_ERROR_AT(sb, inode->ino, 0, "inode %llu: %s (mode 0%o, size %llu)", (unsigned long long)inode->ino, wrong, inode->mode,
			   (unsigned long long)inode->size);
		return KERR(EUCLEAN);
	}
	ei->flags = raw->flags;
	ei->file_acl = raw->file_acl;
	ei->extra_isize = extra;
	ei->group = ((u32)inode->ino - 1) / s->inodes_per_group;
	memcpy(ei->block, raw->block, sizeof(ei->block));
	/* It has no block but that of its attributes. */
	ei->fast_link = S_ISLNK(inode->mode) && !ext2_has_inline_data(inode) &&
			inode->blocks == (ei->file_acl ? (s->block_size << s->cluster_bits) >> 9 : 0);
	times_read(inode, s, raw, extra);
	buf_put(b);
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		inode->rdev = dev_decode(ei->block);
	if (S_ISLNK(inode->mode) && (!inode->size || inode->size >= (ext2_fast_symlink(inode) ? EXT2_FAST_LINK : (loff_t)s->block_size))) {
		EXT2_ERROR_AT(sb, inode->ino, 0, "inode %llu: symbolic link of %llu bytes", (unsigned long long)inode->ino, (unsigned long long)inode->size);
		return KERR(EUCLEAN);
	}
	ext2_flags_to_vfs(inode);
	ext2_set_ops(inode);
	ei->valid = true;
	return KERR(0);
}

kerr_t ext2_iget(struct super *sb, u32 ino, struct inode **out)
{
	if (ino != EXT2_ROOT_INO && ino < EXT2_SB(sb)->first_ino)
		return KERR(ESTALE);
	return ext2_iget_special(sb, ino, out);
}

kerr_t ext2_iget_special(struct super *sb, u32 ino, struct inode **out)
{
	struct inode *inode;
	kerr_t err;

	if (!ino || ino > EXT2_SB(sb)->inodes_count)
		return KERR(ESTALE);
	err = inode_get_locked(sb, ino, &inode);
	if (err)
		return err;
	if (!(READ_ONCE(inode->state) & I_NEW)) {
		if (unlikely(!inode->nlink)) { /* deleted and still open; only a damaged directory names it */
			inode_put(inode);
			return KERR(ESTALE);
		}
		*out = inode;
		return KERR(0);
	}
	err = fill_inode(inode);
	if (err) {
		inode_fail_new(inode);
		return err;
	}
	inode_unlock_new(inode);
	*out = inode;
	return KERR(0);
}

/* ---------------------------------------------------------------- writing */
static void pack_inode(struct inode *inode, struct ext2_dinode *raw)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	loff_t size = inode_size(inode);

	raw->mode = (u16)inode->mode;
	raw->uid = (u16)inode->uid;
	raw->uid_high = (u16)(inode->uid >> 16);
	raw->gid = (u16)inode->gid;
	raw->gid_high = (u16)(inode->gid >> 16);
	raw->links = (u16)inode->nlink;
	raw->size = (u32)size;
	if (S_ISREG(inode->mode))
		raw->size_high = (u32)(size >> 32);
	spin_lock(&inode->lock);
	raw->blocks = (u32)inode->blocks;
	if (s->inode_size > EXT2_OLD_INODE)
		raw->extra_isize = ei->extra_isize;
	times_write(inode, s, raw, ei->extra_isize);
	spin_unlock(&inode->lock);
	raw->dtime = ei->dtime;
	raw->flags = load_relaxed(&ei->flags);
	raw->generation = inode->generation;
	raw->file_acl = ei->file_acl;
	if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
		dev_encode(inode->rdev, ei->block);
	memcpy(raw->block, ei->block, sizeof(raw->block));
}

static kerr_t store_inode(struct inode *inode, bool wait)
{
	struct ext2_inode *ei = EXT2_I(inode);
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_dinode *raw;
	struct buf *b;
	kerr_t err = ext2_inode_buf(inode->sb, (u32)inode->ino, &b, &raw);

	if (err)
		return err;
	if (S_ISREG(inode->mode) && inode_size(inode) > S32_MAX)
		ext2_set_large_file(s);
	rwsem_read_lock(&ei->tree); /* pointers and i_blocks from one moment */
	buf_lock(b);
	pack_inode(inode, raw);
	buf_mark_dirty(b);
	buf_unlock(b);
	rwsem_read_unlock(&ei->tree);
	if (wait)
		err = buf_write_sync(b);
	buf_put(b);
	return err;
}

kerr_t ext2_write_inode(struct inode *inode, bool wait)
{
	if (!EXT2_I(inode)->valid || ext2_read_only(inode->sb))
		return KERR(0);
	return store_inode(inode, wait);
}

void ext2_evict_inode(struct inode *inode)
{
	struct ext2_inode *ei = EXT2_I(inode);
	kerr_t err;

	mapping_truncate(&inode->data, 0);
	ext2_window_drop(inode);
	if (!ei->valid || inode->nlink || ext2_read_only(inode->sb))
		return;
	ei->dtime = (u32)ktime_get_real_coarse_ts().sec;
	inode_set_size(inode, 0);
	if (S_ISREG(inode->mode) || S_ISDIR(inode->mode) || (S_ISLNK(inode->mode) && !ext2_fast_symlink(inode)))
		ext2_truncate_blocks(inode, 0);
	ext2_xattr_delete(inode);
	err = store_inode(inode, false);
	if (err)
		klog_err("EXT2-fs (%s): cannot write deleted inode %llu: error %d", inode->sb->id, (unsigned long long)inode->ino, kerr_code(err));
	ext2_inode_free(inode);
	ei->valid = false;
}

/* ---------------------------------------------------------------- attributes */
kerr_t ext2_set_size(struct inode *inode, loff_t size)
{
	loff_t old = inode_size(inode);
	struct page *tail = NULL;
	kerr_t err;

	if (size > inode->sb->max_bytes)
		return KERR(EFBIG);
	/* The last page's tail must be zero on disk too, should the file grow again: so it has to be cached for mapping_truncate() to wipe it. */
	if (size < old && ((u32)size & (PAGE_SIZE - 1))) {
		err = mapping_read_page(inode->mapping, (pgoff_t)(size >> PAGE_SHIFT), NULL, &tail);
		if (err)
			return err;
	}
	inode_set_size(inode, size);
	if (size < old) {
		mapping_truncate(inode->mapping, size);
		ext2_truncate_blocks(inode, (u64)size);
	}
	if (tail)
		page_put(tail);
	inode_mark_dirty(inode, DIRTY_SYNC);
	return KERR(0);
}

kerr_t ext2_setattr(struct inode *inode, const struct attr *a)
{
	struct attr rest = *a;
	kerr_t err;

	if ((a->valid & ATTR_SIZE) && a->size != inode_size(inode)) {
		if (!S_ISREG(inode->mode))
			return KERR(EINVAL);
		err = ext2_set_size(inode, a->size);
		if (err)
			return err;
	}
	rest.valid &= (u32)~ATTR_SIZE;
	err = inode_setattr_simple(inode, &rest);
	if (!err && ((inode->sb->flags & MS_SYNCHRONOUS) || (inode->flags & INODE_SYNC)))
		err = inode_write_sync(inode, true);
	return err;
}

kerr_t ext2_getattr(struct inode *inode, struct kstat *out)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	const struct ext2_inode *ei = EXT2_I(inode);

	out->dev = inode->sb->dev;
	out->rdev = inode->rdev;
	out->ino = inode->ino;
	out->mode = inode->mode;
	out->nlink = inode->nlink;
	out->uid = inode->uid;
	out->gid = inode->gid;
	out->size = inode_size(inode);
	out->blksize = s->block_size;
	spin_lock(&inode->lock);
	out->blocks = inode->blocks;
	if (unlikely(ext2_has_inline_data(inode)) && S_ISREG(inode->mode))
		out->blocks += ((u64)out->size + 511) >> 9; /* or some would think it holds nothing */
	out->atime = inode->atime;
	out->mtime = inode->mtime;
	out->ctime = inode->ctime;
	out->btime = inode->btime;
	spin_unlock(&inode->lock);
	out->has_btime = HAS_EXTRA(s, ei->extra_isize, crtime);
	/* STATX_ATTR_IMMUTABLE, APPEND, NODUMP, ENCRYPTED, VERITY have the numbers of their flags */
	out->attributes_mask = EXT2_IMMUTABLE_FL | EXT2_APPEND_FL | EXT2_NODUMP_FL;
	if (s->es->feature_incompat & EXT2_INCOMPAT_ENCRYPT)
		out->attributes_mask |= EXT2_ENCRYPT_FL;
	if (s->es->feature_ro_compat & EXT2_RO_VERITY)
		out->attributes_mask |= EXT2_VERITY_FL;
	out->attributes = ei->flags & out->attributes_mask;
	return KERR(0);
}
