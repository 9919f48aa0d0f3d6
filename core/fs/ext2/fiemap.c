/* SPDX-License-Identifier: MIT */
/*
 * FS_IOC_FIEMAP (Linux's Documentation/filesystems/fiemap.rst): where the blocks of a file are. Blocks are allocated as soon as there is data in memory, so
 * nothing is ever "not yet placed". Not for files of ext4's own kinds, whose extents may be reserved only.
 */
#include <maestro/mm.h>
#include <maestro/pagecache.h>
#include <maestro/uaccess.h>

#include "ext2.h"

struct fiemap {
	u64 start, length;
	u32 flags, mapped, count, reserved;
};
struct fiemap_extent {
	u64 logical, physical, length, reserved[2];
	u32 flags, reserved2[3];
};
_Static_assert(sizeof(struct fiemap) == 32 && sizeof(struct fiemap_extent) == 56, "struct fiemap");
enum { FIEMAP_FLAG_SYNC = 1, EXTENT_LAST = 1, EXTENT_MERGED = 0x1000 /* from a map of single blocks */ };

static kerr_t put_extent(struct fiemap *m, struct fiemap_extent __user *to, const struct fiemap_extent *e)
{
	kerr_t err = m->count ? copy_to_user(&to[m->mapped], e, sizeof(*e)) : KERR(0);

	if (!err)
		m->mapped++;
	return err;
}

/* Blocks [at, end); what lies side by side is one extent. */
static kerr_t walk(struct inode *inode, u64 at, u64 end, struct fiemap *m, struct fiemap_extent __user *to)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct fiemap_extent e = { .flags = EXTENT_MERGED };
	kerr_t err = KERR(0);

	while (at < end && !err && (!m->count || m->mapped < m->count)) {
		u32 phys, len;
		bool fresh;
		u64 where;

		err = ext2_map(inode, at, (u32)MIN(end - at, 1ull << 20), false, &phys, &len, &fresh);
		if (err)
			break;
		where = (u64)phys << s->block_bits;
		if (phys && e.length && e.logical + e.length == at << s->block_bits && e.physical + e.length == where) {
			e.length += (u64)len << s->block_bits;
		} else if (phys) {
			if (e.length)
				err = put_extent(m, to, &e);
			e.logical = at << s->block_bits;
			e.physical = where;
			e.length = (u64)len << s->block_bits;
		}
		at += len;
		if (task_signal_pending())
			err = KERR(EINTR);
		cond_resched();
	}
	e.flags |= EXTENT_LAST;
	if (!err && e.length && (!m->count || m->mapped < m->count))
		err = put_extent(m, to, &e);
	return err;
}

kerr_t ext2_fiemap(struct inode *inode, void __user *arg)
{
	struct fiemap_extent __user *to = (struct fiemap_extent __user *)((struct fiemap __user *)arg + 1);
	unsigned bits = EXT2_SB(inode->sb)->block_bits;
	u64 size, end;
	struct fiemap m;
	kerr_t err, e;

	if (ext2_has_inline_data(inode) || (load_relaxed(&EXT2_I(inode)->flags) & EXT2_EXTENTS_FL))
		return KERR(EOPNOTSUPP);
	err = copy_from_user(&m, arg, sizeof(m));
	if (err)
		return err;
	m.mapped = 0;
	if (m.count > U32_MAX / sizeof(struct fiemap_extent) || !m.length)
		return KERR(EINVAL);
	if (m.start > (u64)inode->sb->max_bytes)
		return KERR(EFBIG);
	if (m.flags & ~(u32)FIEMAP_FLAG_SYNC) {
		m.flags &= ~(u32)FIEMAP_FLAG_SYNC;
		err = KERR(EBADR);
	} else if (m.flags & FIEMAP_FLAG_SYNC) {
		err = mapping_write_range(inode->mapping, 0, S64_MAX, true);
	}
	if (!err) {
		rwsem_read_lock(&inode->rwsem);
		size = (u64)inode_size(inode);
		end = m.length > size || m.start > size - m.length ? size : m.start + m.length;
		err = walk(inode, m.start >> bits, (end + (1u << bits) - 1) >> bits, &m, to);
		rwsem_read_unlock(&inode->rwsem);
	}
	e = copy_to_user(arg, &m, sizeof(m));
	return err ? err : e;
}
