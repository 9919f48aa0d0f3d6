/* SPDX-License-Identifier: MIT */
/*
 * Symbolic links: a text of up to 59 bytes lives in the inode, where other files have their block pointers; a longer one in the file's first block.
 *
 * Locking: none; the text never changes once the link has a name.
 */
#include "ext2.h"

kerr_t ext2_symlink_store(struct inode *inode, const char *target, size_t len)
{
	struct ext2_inode *ei = EXT2_I(inode);
	struct page *p;
	u8 *va;
	kerr_t err;

	if (len < EXT2_FAST_LINK) {
		memcpy(ei->block, target, len);
		ei->fast_link = true;
		inode_set_size(inode, (loff_t)len);
		inode_mark_dirty(inode, DIRTY_SYNC);
		return KERR(0);
	}
	err = ext2_write_begin(inode->mapping, 0, (unsigned)len, &p);
	if (err)
		return err;
	va = page_map(p);
	memcpy(va, target, len);
	page_unmap(va);
	(void)ext2_write_end(inode->mapping, 0, (unsigned)len, (unsigned)len, p);
	return KERR(0);
}

/* The size was checked when the inode was read: below 60 here, below a block there. */
kerr_t ext2_readlink(struct inode *inode, char *buf)
{
	size_t len = (size_t)inode_size(inode);
	struct page *p;
	void *va;
	kerr_t err;

	if (ext2_is_encrypted(inode))
		return KERR(ENOKEY);
	if (ext2_fast_symlink(inode)) {
		memcpy(buf, EXT2_I(inode)->block, len);
		buf[len] = '\0';
		return KERR(0);
	}
	err = mapping_read_page(inode->mapping, 0, NULL, &p);
	if (err)
		return err;
	va = page_map(p);
	memcpy(buf, va, len);
	page_unmap(va);
	page_put(p);
	buf[len] = '\0';
	return KERR(0);
}

const struct inode_ops ext2_symlink_ops = {
	.readlink = ext2_readlink,
	.setattr = ext2_setattr,
	.getattr = ext2_getattr,
	.getxattr = ext2_getxattr,
	.setxattr = ext2_setxattr,
	.listxattr = ext2_listxattr,
};
