/* SPDX-License-Identifier: MIT */
/*
 * Inline data, for reading: a small file or directory inside its inode, in the 60 bytes of the block pointers and then in the value of an extended
 * attribute "system.data" behind the inode. A directory keeps its parent's number first, then entries; "." and ".." are not stored, and are put before
 * them here, so that the page of such a directory looks like that of any other.
 *
 * Locking: as a page is filled: the page lock; ext2_inode.tree for the attribute.
 */
#include "ext2.h"

#define IN_INODE ((u32)sizeof(((struct ext2_inode *)NULL)->block))
#define DOTS 24u

/* The stored bytes, at most a block; dst has room for a block. */
static kerr_t read_all(struct inode *inode, u8 *dst, u32 *len)
{
	u32 more;
	kerr_t err;

	memcpy(dst, EXT2_I(inode)->block, IN_INODE);
	err = ext2_xattr_inline(inode, dst + IN_INODE, EXT2_SB(inode->sb)->block_size - IN_INODE, &more);
	*len = IN_INODE + more;
	return err;
}

static struct ext2_dirent *put_entry(u8 *block, u32 at, u32 ino, u32 rec_len, const char *name)
{
	struct ext2_dirent *e = (struct ext2_dirent *)(void *)(block + at);

	e->inode = ino;
	e->rec_len = (u16)rec_len;
	e->name_len = (u8)strlen(name);
	e->file_type = *name ? 2 : 0;
	memcpy(e->name, name, strlen(name));
	return e;
}

/* A block as it would be if it were one: two dots, the entries of both parts, and an unused entry to the end. */
static kerr_t fill_dir(struct inode *dir, u8 *block)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	u8 *raw = kmalloc(s->block_size, GFP_NOFS);
	u32 len, parent;
	kerr_t err;

	if (!raw)
		return KERR(ENOMEM);
	err = read_all(dir, raw, &len);
	if (!err && len + DOTS - sizeof(parent) + EXT2_REC_LEN(1) > s->block_size)
		err = KERR(EUCLEAN);
	if (!err) {
		memcpy(&parent, raw, sizeof(parent));
		memset(block, 0, PAGE_SIZE);
		put_entry(block, 0, (u32)dir->ino, 12, ".");
		put_entry(block, 12, parent, 12, "..");
		memcpy(block + DOTS, raw + sizeof(parent), len - sizeof(parent));
		len += DOTS - (u32)sizeof(parent);
		put_entry(block, len, 0, s->block_size - len, "");
	}
	kfree(raw);
	return err;
}

static kerr_t fill_file(struct inode *inode, u8 *block)
{
	u32 len, size = (u32)MIN((u64)inode_size(inode), (u64)EXT2_SB(inode->sb)->block_size);
	kerr_t err = read_all(inode, block, &len);

	if (!err && size < len)
		len = size;
	memset(block + len, 0, PAGE_SIZE - len);
	return err;
}

void ext2_inline_read_page(struct inode *inode, struct page *p)
{
	u8 *va = page_map(p);
	kerr_t err = KERR(0);

	p->priv = 0;
	if (p->index)
		memset(va, 0, PAGE_SIZE);
	else if (S_ISDIR(inode->mode))
		err = fill_dir(inode, va);
	else
		err = fill_file(inode, va);
	page_unmap(va);
	if (err && kerr_code(err) != -ENOMEM)
		EXT2_ERROR_AT(inode->sb, inode->ino, 0, "inode %llu: damaged inline data", (unsigned long long)inode->ino);
	page_end_read(p, kerr_code(err));
}
