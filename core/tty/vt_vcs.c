/* SPDX-License-Identifier: MIT */
/*
 * The contents of screens as files: /dev/vcsN holds the font's codes, /dev/vcsaN those with attributes behind four bytes (lines, columns, and the
 * cursor's column and line), /dev/vcsuN the characters, four bytes each. N 0 ("vcs"): the screen that is shown.
 * Locking: vt_core.lock, a piece at a time; what a read longer than a piece sees may have changed in between.  Specification: vcs(4).
 */
#include "vt_priv.h"

#include <maestro/dev.h>
#include <maestro/lib.h>
#include <maestro/vfs.h>

#define VCS_MAJOR 7u
#define HEADER 4u
#define PIECE 256u
#define MINORS_OF_A_KIND 64u

enum vcs_kind { VCS_CODES, VCS_UNICODE, VCS_ATTRIBUTES }; /* by minor / 64 */

static enum vcs_kind kind_of(const struct file *f)
{
	return (enum vcs_kind)(DEV_MINOR(f->inode->rdev) / MINORS_OF_A_KIND);
}

/* The screen; lock held. */
static struct vc *screen_of(const struct file *f)
{
	struct vt_core *c = vt_core();
	unsigned n = DEV_MINOR(f->inode->rdev) % MINORS_OF_A_KIND;

	return &c->vc[n ? n - 1 : c->foreground];
}

static loff_t size_of(enum vcs_kind kind)
{
	unsigned cells = vt_core()->rows * vt_core()->cols;

	return kind == VCS_CODES ? cells : kind == VCS_UNICODE ? cells * 4 : HEADER + cells * 2;
}

static size_t piece_size(const struct iov_iter *it, loff_t left)
{
	size_t n = MIN(it->count, (size_t)PIECE);

	return left < (loff_t)n ? (size_t)left : n;
}

static u8 header_byte(const struct vc *vc, unsigned at)
{
	const unsigned values[HEADER] = { vt_core()->rows, vt_core()->cols, vc->pen.x, vc->pen.y };

	return (u8)MIN(values[at], 255u);
}

static u8 get_byte(const struct vc *vc, enum vcs_kind kind, unsigned at)
{
	switch (kind) {
	case VCS_CODES:
		return vt_to_cp437(vc->cells[at] & 0xffffff);
	case VCS_UNICODE:
		return (u8)((vc->cells[at / 4] & 0xffffff) >> (at % 4 * 8));
	default:
		if (at < HEADER)
			return header_byte(vc, at);
		at -= HEADER;
		return at & 1 ? (u8)(vc->cells[at / 2] >> 24) : vt_to_cp437(vc->cells[at / 2] & 0xffffff);
	}
}

static void put_code(struct vc *vc, unsigned cell, u8 code)
{
	vc->cells[cell] = (vc->cells[cell] & 0xff000000u) | (code ? vt_cp437[code] : ' ');
	vc_dirty(vc, cell / vt_core()->cols, 1);
}

static void put_byte(struct vc *vc, enum vcs_kind kind, unsigned at, u8 v)
{
	if (kind == VCS_CODES) {
		put_code(vc, at, v);
	} else if (at == 2) {
		vc->pen.x = MIN(v, vt_core()->cols - 1);
		vc->wrap_pending = false;
	} else if (at == 3) {
		vc->pen.y = MIN(v, vt_core()->rows - 1);
	} else if (at >= HEADER) {
		at -= HEADER;
		if (at & 1) {
			vc->cells[at / 2] = (vc->cells[at / 2] & 0xffffff) | (u32)v << 24;
			vc_dirty(vc, at / 2 / vt_core()->cols, 1);
		} else {
			put_code(vc, at / 2, v);
		}
	}
}

static ssize_t vcs_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	enum vcs_kind kind = kind_of(f);
	loff_t size = size_of(kind);
	size_t done = 0;
	u8 piece[PIECE];

	if (*pos < 0 || (kind == VCS_UNICODE && (((size_t)*pos | it->count) & 3)))
		return -EINVAL;
	while (it->count && *pos < size) {
		size_t n = piece_size(it, size - *pos), moved;
		unsigned long flags = spin_lock_irqsave(&vt_core()->lock);
		struct vc *vc = screen_of(f);

		for (size_t i = 0; i < n; i++)
			piece[i] = get_byte(vc, kind, (unsigned)*pos + (unsigned)i);
		spin_unlock_irqrestore(&vt_core()->lock, flags);
		moved = copy_to_iter(it, piece, n);
		*pos += (loff_t)moved;
		done += moved;
		if (moved < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

static ssize_t vcs_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	enum vcs_kind kind = kind_of(f);
	loff_t size = size_of(kind);
	size_t done = 0, n;
	u8 piece[PIECE];

	if (kind == VCS_UNICODE)
		return -EOPNOTSUPP;
	if (*pos < 0 || *pos > size)
		return -EINVAL;
	while (it->count && *pos < size) {
		unsigned long flags;
		struct vc *vc;

		n = copy_from_iter(it, piece, piece_size(it, size - *pos));
		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		flags = spin_lock_irqsave(&vt_core()->lock);
		vc = screen_of(f);
		for (size_t i = 0; i < n; i++)
			put_byte(vc, kind, (unsigned)*pos + (unsigned)i, piece[i]);
		spin_unlock_irqrestore(&vt_core()->lock, flags);
		*pos += (loff_t)n;
		done += n;
	}
	vt_flush(vt_core(), false);
	return (ssize_t)done;
}

static loff_t vcs_llseek(struct file *f, loff_t off, int whence)
{
	return fixed_size_llseek(f, off, whence, size_of(kind_of(f)));
}

static kerr_t vcs_open(struct inode *inode, struct file *f)
{
	(void)f;
	return DEV_MINOR(inode->rdev) % MINORS_OF_A_KIND <= VT_COUNT ? 0 : KERR(ENXIO);
}

static const struct file_ops vcs_ops = {
	.open = vcs_open,
	.read_iter = vcs_read,
	.write_iter = vcs_write,
	.llseek = vcs_llseek,
};

kerr_t vt_vcs_register(void)
{
	static const struct { const char *name; enum vcs_kind kind; } kinds[] = {
		{ "vcs", VCS_CODES }, { "vcsu", VCS_UNICODE }, { "vcsa", VCS_ATTRIBUTES } };
	kerr_t err = chrdev_register(VCS_MAJOR, 0, 3 * MINORS_OF_A_KIND, "vcs", &vcs_ops);
	char name[12];

	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		for (unsigned n = 0; n <= VT_COUNT && !err; n++) {
			ksnprintf(name, sizeof(name), n ? "%s%u" : "%s", kinds[i].name, n);
			err = dev_node_add(name, S_IFCHR | 0600, DEV(VCS_MAJOR, kinds[i].kind * MINORS_OF_A_KIND + n));
		}
	return err;
}
