/* SPDX-License-Identifier: MIT */
/*
 * Directories: entries in blocks, in the page cache of the directory. An entry never crosses a block; a removed one is merged into its predecessor, or has
 * inode 0 when it is the first of its block.
 *
 * Indexed directories (htree.c) can be walked as plain ones, which their format allows: the index hides in entries that look empty. So it is done where the
 * index is of no use or makes no sense. The position of readdir is a byte offset in plain directories, a hash in those that are indexed or could become so.
 *
 * A page is checked once, when it is first used (page.priv), so the walks over it need no bounds checks of their own beyond the page's end.
 *
 * Locking: the directory's rwsem, by the VFS; the page lock while entries change.
 */
#include "dir.h"

#define PAGE_CHECKED 0x32747865ul

/* Where its entries end. */
static loff_t dir_end(const struct inode *dir)
{
	return unlikely(ext2_has_inline_data(dir)) ? (loff_t)EXT2_SB(dir->sb)->block_size : inode_size(dir);
}

static u32 page_limit(const struct inode *dir, pgoff_t index)
{
	loff_t left = dir_end(dir) - ((loff_t)index << PAGE_SHIFT);

	return left >= (loff_t)PAGE_SIZE ? (u32)PAGE_SIZE : left > 0 ? (u32)left : 0;
}

static const char *bad_entry(const struct ext2_sb *s, const struct ext2_dirent *e, u32 off)
{
	if ((off & (s->block_size - 1)) > s->block_size - EXT2_REC_LEN(1))
		return "record does not fit in its block"; /* not even its head */
	if (e->rec_len < EXT2_REC_LEN(1))
		return "record is too short";
	if (e->rec_len & 3)
		return "record length is not a multiple of 4";
	if ((off & (s->block_size - 1)) + e->rec_len > s->block_size)
		return "record leaves its block";
	if (e->inode && (!e->name_len || e->rec_len < EXT2_REC_LEN(e->name_len)))
		return "name does not fit its record";
	if (e->inode > s->inodes_count)
		return "inode number out of range";
	return NULL;
}

static kerr_t check_page(struct inode *dir, struct page *p, void *base)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	u32 limit = page_limit(dir, p->index);

	if (ext2_is_encrypted(dir))
		return KERR(ENOKEY);
	for (u32 off = 0; off < limit;) {
		const struct ext2_dirent *e = ext2_entry_at(base, off);
		const char *wrong = bad_entry(s, e, off);

		if (s->metadata_csum && !(off & (s->block_size - 1)) && !ext2_dir_csum_ok(dir, e)) {
			EXT2_ERROR_AT(dir->sb, dir->ino, 0, "directory %llu, block %llu: invalid checksum", (unsigned long long)dir->ino,
				   (((unsigned long long)p->index << PAGE_SHIFT) + off) >> s->block_bits);
			return KERR(EBADMSG);
		}
		if (wrong) {
			EXT2_ERROR_AT(dir->sb, dir->ino, 0, "directory %llu, offset %llu: %s", (unsigned long long)dir->ino,
				   ((unsigned long long)p->index << PAGE_SHIFT) + off, wrong);
			return KERR(EUCLEAN);
		}
		off += e->rec_len;
	}
	store_relaxed(&p->priv, PAGE_CHECKED);
	return KERR(0);
}

/* The page, referenced, checked and mapped at *base. f: whose read-ahead to use, or NULL. */
static kerr_t dir_page(struct inode *dir, struct file *f, pgoff_t index, struct page **out, void **base)
{
	kerr_t err = mapping_read_page(dir->mapping, index, f, out);

	if (err)
		return err;
	*base = page_map(*out);
	if (unlikely(load_relaxed(&(*out)->priv) != PAGE_CHECKED)) {
		err = check_page(dir, *out, *base);
		if (err) {
			page_unmap(*base);
			page_put(*out);
		}
	}
	return err;
}

static void dir_page_put(struct page *p, void *base)
{
	page_unmap(base);
	page_put(p);
}

kerr_t ext2_dirblk_get(struct inode *dir, struct file *f, u32 lblk, struct ext2_dirblk *out)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	u32 byte_bits = PAGE_SHIFT - s->block_bits;
	kerr_t err;

	if (lblk >= (u32)(inode_size(dir) >> s->block_bits))
		return KERR(EUCLEAN);
	err = dir_page(dir, f, lblk >> byte_bits, &out->page, &out->base);
	if (!err)
		out->data = (u8 *)out->base + ((lblk & ((1u << byte_bits) - 1)) << s->block_bits);
	return err;
}

void ext2_dirblk_put(struct ext2_dirblk *b)
{
	dir_page_put(b->page, b->base);
}

/* To change entries: what is on its way to the disk goes there as it is, never half of one state and half of another. */
static void lock_stable(struct page *p)
{
	page_lock(p);
	page_wait_writeback(p);
}

void ext2_dirblk_change_begin(struct ext2_dirblk *b)
{
	lock_stable(b->page);
}

void ext2_dirblk_change_end(struct ext2_dirblk *b)
{
	page_set_dirty(b->page);
	page_unlock(b->page);
}

static pgoff_t dir_pages(const struct inode *dir)
{
	return (pgoff_t)((dir_end(dir) + (loff_t)PAGE_SIZE - 1) >> PAGE_SHIFT);
}

/* ---------------------------------------------------------------- lookup */
bool ext2_find_in(void *base, u32 from, u32 to, const char *name, size_t len, u32 *off)
{
	for (u32 o = from; o < to;) {
		const struct ext2_dirent *e = ext2_entry_at(base, o);

		if (e->name_len == len && e->inode && e->name[0] == name[0] && !memcmp(e->name, name, len)) {
			*off = o;
			return true;
		}
		if (unlikely(!e->rec_len))
			return false; /* it was checked; memory under us was not */
		o += e->rec_len;
	}
	return false;
}

kerr_t ext2_dir_find(struct inode *dir, const char *name, size_t len, struct ext2_slot *out)
{
	struct ext2_inode *ei = EXT2_I(dir);
	bool dots = ext2_name_is_dots(name, len);
	pgoff_t pages = dir_pages(dir), start = dots ? 0 : load_relaxed(&ei->lookup_page), n = start < pages ? start : 0;

	if (!dots && ext2_dir_indexed(dir)) {
		kerr_t err = ext2_dx_find(dir, name, len, out);

		if (kerr_code(err) != -EOPNOTSUPP)
			return err;
	}
	for (pgoff_t i = 0; i < pages; i++) {
		struct page *p;
		void *base;
		u32 off;
		kerr_t err = dir_page(dir, NULL, n, &p, &base);

		if (err)
			return err;
		if (ext2_find_in(base, 0, page_limit(dir, n), name, len, &off)) {
			out->page = p;
			out->off = off;
			out->ino = ext2_entry_at(base, off)->inode;
			page_unmap(base);
			store_relaxed(&ei->lookup_page, (u32)n);
			return KERR(0);
		}
		dir_page_put(p, base);
		if (++n >= pages)
			n = 0;
	}
	return KERR(ENOENT);
}

/* ---------------------------------------------------------------- readdir */
/* On-disk file types happen to be 1..7 for regular, directory, char, block, fifo, socket, symlink. */
unsigned ext2_entry_type(const struct ext2_sb *s, const struct ext2_dirent *e)
{
	static const u8 types[] = { DT_UNKNOWN, DT_REG, DT_DIR, DT_CHR, DT_BLK, DT_FIFO, DT_SOCK, DT_LNK };

	return ext2_has_filetype(s) && e->file_type < ARRAY_SIZE(types) ? types[e->file_type] : DT_UNKNOWN;
}

static u8 disk_type(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return 1;
	case S_IFDIR: return 2;
	case S_IFCHR: return 3;
	case S_IFBLK: return 4;
	case S_IFIFO: return 5;
	case S_IFSOCK: return 6;
	case S_IFLNK: return 7;
	default: return 0;
	}
}

/* The first entry at or after off: the directory may have changed since off was given out, so go from the start of the block. */
static u32 entry_boundary(const struct ext2_sb *s, void *base, u32 off)
{
	u32 o = off & ~(s->block_size - 1);

	while (o < off) {
		u16 rec = ext2_entry_at(base, o)->rec_len;

		if (!rec)
			return off;
		o += rec;
	}
	return o;
}

static kerr_t iterate_plain(struct file *f, struct dir_context *ctx)
{
	struct inode *dir = f->inode;
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	loff_t size = dir_end(dir);

	while (ctx->pos >= 0 && ctx->pos < size) {
		pgoff_t index = (pgoff_t)(ctx->pos >> PAGE_SHIFT);
		loff_t start = (loff_t)index << PAGE_SHIFT;
		u32 limit = page_limit(dir, index), off;
		struct page *p;
		void *base;
		kerr_t err = dir_page(dir, f, index, &p, &base);

		if (err)
			return err;
		for (off = entry_boundary(s, base, (u32)(ctx->pos - start)); off < limit;) {
			const struct ext2_dirent *e = ext2_entry_at(base, off);
			u32 rec = e->rec_len;

			if (unlikely(!rec))
				break;
			if (e->inode && !ctx->actor(ctx, e->name, e->name_len, e->inode, ext2_entry_type(s, e), start + off + rec)) {
				dir_page_put(p, base);
				return KERR(0);
			}
			off += rec;
			ctx->pos = start + off;
		}
		dir_page_put(p, base);
		ctx->pos = start + (off < limit ? limit : off);
	}
	return KERR(0);
}

static kerr_t ext2_iterate(struct file *f, struct dir_context *ctx)
{
	kerr_t err = KERR(EOPNOTSUPP);

	if (ext2_reads_by_hash(f->inode))
		err = ext2_dx_iterate(f, ctx);
	return kerr_code(err) == -EOPNOTSUPP ? iterate_plain(f, ctx) : err;
}

/* ---------------------------------------------------------------- changes */
/*
 * Times, flags, and the write-out that a synchronous directory asks for. Its failure is not the operation's: the entry has changed, and undoing more than
 * was done would make things worse.
 */
static void dir_changed(struct inode *dir, bool times)
{
	struct ext2_inode *ei = EXT2_I(dir);

	if (times)
		inode_touch(dir, ATTR_MTIME | ATTR_CTIME);
	if ((ei->flags & EXT2_INDEX_FL) && !ext2_dir_indexed(dir))
		store_relaxed(&ei->flags, ei->flags & ~(u32)EXT2_INDEX_FL); /* a file system without indexes */
	spin_lock(&dir->lock);
	dir->version++;
	spin_unlock(&dir->lock);
	inode_mark_dirty(dir, DIRTY_SYNC);
	if ((dir->flags & (INODE_DIRSYNC | INODE_SYNC)) || (dir->sb->flags & (MS_DIRSYNC | MS_SYNCHRONOUS))) {
		kerr_t err = inode_write_sync(dir, true);

		if (err)
			klog_err("EXT2-fs (%s): error %d writing directory %llu", dir->sb->id, kerr_code(err), (unsigned long long)dir->ino);
	}
}

static void fill_entry(const struct ext2_sb *s, struct ext2_dirent *e, const char *name, size_t len, const struct inode *inode)
{
	e->name_len = (u8)len;
	memcpy(e->name, name, len);
	e->inode = (u32)inode->ino;
	e->file_type = ext2_has_filetype(s) ? disk_type(inode->mode) : 0;
}

bool ext2_add_in(const struct ext2_sb *s, void *base, u32 from, u32 to, const struct name *name, const struct inode *inode)
{
	u32 need = EXT2_REC_LEN(name->len);

	for (u32 o = from; o < to;) {
		struct ext2_dirent *e = ext2_entry_at(base, o);
		u32 rec = e->rec_len, used = e->inode ? EXT2_REC_LEN(e->name_len) : 0;

		if (unlikely(!rec))
			return false;
		if (rec - used >= need) {
			if (used) {
				struct ext2_dirent *fresh = ext2_entry_at(e, used);

				fresh->rec_len = (u16)(rec - used);
				e->rec_len = (u16)used;
				e = fresh;
			}
			fill_entry(s, e, name->str, name->len, inode);
			return true;
		}
		o += rec;
	}
	return false;
}

/* A new block at the end of the directory, with this one entry, or none (NULL). */
static kerr_t append_block(struct inode *dir, const struct name *name, const struct inode *inode)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	loff_t pos = inode_size(dir);
	u32 off = (u32)pos & (PAGE_SIZE - 1);
	struct ext2_dirent *e;
	struct page *p;
	void *base;
	kerr_t err;

	if (pos + (loff_t)s->block_size > S32_MAX)
		return KERR(ENOSPC);
	err = ext2_write_begin(dir->mapping, pos, s->block_size, &p);
	if (err)
		return err;
	base = page_map(p);
	memset((u8 *)base + off, 0, s->block_size);
	e = ext2_entry_at(base, off);
	e->rec_len = (u16)s->block_size;
	if (name)
		fill_entry(s, e, name->str, name->len, inode);
	page_unmap(base);
	if (!off)
		store_relaxed(&p->priv, PAGE_CHECKED); /* all of it is ours */
	(void)ext2_write_end(dir->mapping, pos, s->block_size, s->block_size, p);
	return KERR(0);
}

kerr_t ext2_dir_append(struct inode *dir, u32 *lblk)
{
	u32 n = (u32)(inode_size(dir) >> EXT2_SB(dir->sb)->block_bits);
	kerr_t err = append_block(dir, NULL, NULL);

	if (!err)
		*lblk = n;
	return err;
}

/* The first page that may have room for an entry of so many bytes. */
static pgoff_t first_with_room(const struct ext2_inode *ei, u32 need)
{
	pgoff_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(ei->full); i++)
		if (ei->full[i].need && ei->full[i].need <= need)
			n = MAX(n, (pgoff_t)ei->full[i].page);
	return n;
}

/* No page below this one has room for an entry of so many bytes. Takes the place of what says least. */
static void note_full(struct ext2_inode *ei, u32 need, pgoff_t page)
{
	struct ext2_full *to = &ei->full[0];

	for (unsigned i = 0; i < ARRAY_SIZE(ei->full) && to->need != need; i++)
		if (ei->full[i].need == need || ei->full[i].page < to->page)
			to = &ei->full[i];
	*to = (struct ext2_full){ (u32)page, need };
}

static void note_room(struct ext2_inode *ei, pgoff_t page)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ei->full); i++)
		if (page < ei->full[i].page)
			ei->full[i].page = (u32)page;
}

/* Into a directory without an index, at the first place that is large enough. KERR(ENOSPC): there is none in the blocks it has. */
static kerr_t add_plain(struct inode *dir, const struct name *name, struct inode *inode)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_inode *ei = EXT2_I(dir);
	u32 need = EXT2_REC_LEN(name->len);
	pgoff_t n = first_with_room(ei, need), pages = dir_pages(dir);
	bool done = false;

	for (; n < pages && !done; n++) {
		struct page *p;
		void *base;
		kerr_t err = dir_page(dir, NULL, n, &p, &base);

		if (err)
			return err;
		lock_stable(p);
		done = ext2_add_in(s, base, 0, page_limit(dir, n), name, inode);
		if (done)
			page_set_dirty(p);
		page_unlock(p);
		dir_page_put(p, base);
		if (done)
			note_full(ei, need, n);
	}
	return done ? KERR(0) : KERR(ENOSPC);
}

/* Where the blocks there are have no room. */
static kerr_t add_growing(struct inode *dir, const struct name *name, struct inode *inode, bool may_index)
{
	bool made = false;
	kerr_t err = may_index ? ext2_dx_make(dir, &made) : KERR(0);

	if (err)
		return err;
	if (made)
		return ext2_dx_add(dir, name, inode, true);
	note_full(EXT2_I(dir), EXT2_REC_LEN(name->len), (pgoff_t)(inode_size(dir) >> PAGE_SHIFT));
	return append_block(dir, name, inode);
}

kerr_t ext2_dir_add(struct inode *dir, const struct name *name, struct inode *inode)
{
	bool indexed = ext2_dir_indexed(dir);
	kerr_t err = indexed ? ext2_dx_add(dir, name, inode, false) : KERR(EOPNOTSUPP);

	if (kerr_code(err) == -EOPNOTSUPP) {
		if (indexed)
			klog_warn("EXT2-fs (%s): directory %llu: the index makes no sense and is dropped", dir->sb->id, (unsigned long long)dir->ino);
		store_relaxed(&EXT2_I(dir)->flags, EXT2_I(dir)->flags & ~(u32)EXT2_INDEX_FL);
		err = add_plain(dir, name, inode);
		if (kerr_code(err) == -ENOSPC)
			err = add_growing(dir, name, inode, !indexed);
	}
	if (!err)
		dir_changed(dir, true);
	return err;
}

kerr_t ext2_dir_delete(struct inode *dir, struct ext2_slot *slot)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_inode *ei = EXT2_I(dir);
	void *base = page_map(slot->page);
	struct ext2_dirent *e = ext2_entry_at(base, slot->off), *prev = NULL;

	lock_stable(slot->page);
	for (u32 o = slot->off & ~(s->block_size - 1); o < slot->off;) {
		prev = ext2_entry_at(base, o);
		if (!prev->rec_len)
			break;
		o += prev->rec_len;
	}
	if (prev)
		prev->rec_len = (u16)(prev->rec_len + e->rec_len);
	e->inode = 0;
	page_set_dirty(slot->page);
	page_unlock(slot->page);
	page_unmap(base);
	note_room(ei, slot->page->index);
	dir_changed(dir, true);
	return KERR(0);
}

/* The entry names another inode now. */
kerr_t ext2_dir_set(struct inode *dir, struct ext2_slot *slot, struct inode *inode, bool times)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	void *base = page_map(slot->page);
	struct ext2_dirent *e = ext2_entry_at(base, slot->off);

	lock_stable(slot->page);
	e->inode = (u32)inode->ino;
	e->file_type = ext2_has_filetype(s) ? disk_type(inode->mode) : 0;
	page_set_dirty(slot->page);
	page_unlock(slot->page);
	page_unmap(base);
	dir_changed(dir, times);
	return KERR(0);
}

kerr_t ext2_dir_make_empty(struct inode *inode, struct inode *parent)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_dirent *dot, *dotdot;
	struct page *p;
	void *base;
	kerr_t err = ext2_write_begin(inode->mapping, 0, s->block_size, &p);

	if (err)
		return err;
	base = page_map(p);
	memset(base, 0, s->block_size);
	dot = ext2_entry_at(base, 0);
	dot->rec_len = (u16)EXT2_REC_LEN(1);
	fill_entry(s, dot, ".", 1, inode);
	dotdot = ext2_entry_at(base, dot->rec_len);
	dotdot->rec_len = (u16)(s->block_size - dot->rec_len);
	fill_entry(s, dotdot, "..", 2, parent);
	page_unmap(base);
	store_relaxed(&p->priv, PAGE_CHECKED);
	(void)ext2_write_end(inode->mapping, 0, s->block_size, s->block_size, p);
	return KERR(0);
}

static bool only_dots(const struct inode *dir, void *base, u32 limit)
{
	for (u32 o = 0; o < limit;) {
		const struct ext2_dirent *e = ext2_entry_at(base, o);

		if (!e->rec_len)
			return false;
		if (e->inode) {
			if (e->name[0] != '.' || e->name_len > 2)
				return false;
			if (e->name_len == 1 ? e->inode != dir->ino : e->name[1] != '.')
				return false;
		}
		o += e->rec_len;
	}
	return true;
}

kerr_t ext2_dir_is_empty(struct inode *dir, bool *empty)
{
	pgoff_t pages = dir_pages(dir);

	*empty = true;
	for (pgoff_t n = 0; n < pages && *empty; n++) {
		struct page *p;
		void *base;
		kerr_t err = dir_page(dir, NULL, n, &p, &base);

		if (err)
			return err;
		*empty = only_dots(dir, base, page_limit(dir, n));
		dir_page_put(p, base);
	}
	return KERR(0);
}

const struct file_ops ext2_dir_ops = {
	.iterate = ext2_iterate,
	.llseek = generic_llseek,
	.fsync = ext2_fsync,
	.release = ext2_dx_release,
	.ioctl = ext2_ioctl,
};
