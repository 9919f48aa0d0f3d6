/* SPDX-License-Identifier: MIT */
/* See model_host.h. It reads images of its own making only, so it believes them. */
#include "model_host.h"

#include <string.h>

#define RO_METADATA_CSUM 0x400u
#define IN_64BIT 0x80u
#define IN_CSUM_SEED 0x2000u
#define FL_INDEX 0x1000u
#define FL_EXTENTS 0x80000u
#define FL_INLINE 0x10000000u
#define JOURNAL_INO 8
#define TOUCHED 64
#define PATCH_BYTES 10
#define PATCHES_MOST 40

enum kind { SUPER, GROUP, INODE, DIR, NODE, POINTERS, XATTR, JOURNAL, BITMAP, ANY, KINDS };
struct touched {
	enum kind kind;
	uint32_t index;
};

static uint32_t get32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}
static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}
static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v);
	put16(p + 2, v >> 16);
}

static uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *s = p;

	while (n--) {
		crc ^= *s++;
		for (unsigned i = 0; i < 8; i++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78u : 0);
	}
	return crc;
}

/* ---------------------------------------------------------------- where things are */
static size_t group_at(const struct model *m, uint32_t group)
{
	return (size_t)m->gdt_block * m->block_size + (size_t)group * m->desc_size;
}

static size_t inode_at(const struct model *m, uint32_t ino)
{
	uint32_t table = get32(m->image + group_at(m, (ino - 1) / m->inodes_per_group) + 8);

	return (size_t)table * m->block_size + (size_t)((ino - 1) % m->inodes_per_group) * m->inode_size;
}

static void add(const struct model *m, struct model_list *l, uint32_t block, uint32_t ino)
{
	if (l->n < MODEL_MOST && block && block < m->blocks)
		l->b[l->n++] = (struct model_block){ block, ino };
}

static void add_data(struct model *m, uint32_t block, uint32_t ino, int dir)
{
	if (dir)
		add(m, &m->dirs, block, ino);
	else if (ino == JOURNAL_INO)
		add(m, &m->journal, block, ino);
}

static void scan_extents(struct model *m, const uint8_t *node, uint32_t ino, int dir)
{
	unsigned entries = get16(node + 2), depth = get16(node + 6);

	for (unsigned i = 0; i < entries; i++) {
		const uint8_t *e = node + 12 + 12 * i;

		if (depth) {
			add(m, &m->nodes, get32(e + 4), ino);
			scan_extents(m, m->image + (size_t)get32(e + 4) * m->block_size, ino, dir);
		} else {
			for (uint32_t b = 0; b < get16(e + 4) % 32768u; b++)
				add_data(m, get32(e + 8) + b, ino, dir);
		}
	}
}

static void scan_pointers(struct model *m, uint32_t block, unsigned depth, uint32_t ino, int dir)
{
	if (!block)
		return;
	if (!depth) {
		add_data(m, block, ino, dir);
		return;
	}
	add(m, &m->pointers, block, ino);
	for (uint32_t i = 0; i < m->block_size / 4; i++)
		scan_pointers(m, get32(m->image + (size_t)block * m->block_size + 4 * i), depth - 1, ino, dir);
}

static void scan_inode(struct model *m, uint32_t ino)
{
	const uint8_t *raw = m->image + inode_at(m, ino);
	unsigned type = get16(raw) & 0170000;
	uint32_t flags = get32(raw + 32);

	if (!get16(raw) && ino != JOURNAL_INO)
		return;
	add(m, &m->in_use, 1, ino);
	add(m, &m->xattrs, get32(raw + 104), ino);
	if ((type != 0100000 && type != 0040000) || (flags & FL_INLINE))
		return;
	if (flags & FL_EXTENTS) {
		scan_extents(m, raw + 40, ino, type == 0040000);
		return;
	}
	for (unsigned i = 0; i < 15; i++)
		scan_pointers(m, get32(raw + 40 + 4 * i), i < 12 ? 0 : i - 11, ino, type == 0040000);
}

int model_open(struct model *m, uint8_t *image, size_t size)
{
	const uint8_t *es = image + 1024;

	memset(m, 0, sizeof(*m));
	if (size < 8192 || get16(es + 56) != 0xEF53)
		return -1;
	m->image = image;
	m->size = size;
	m->block_size = 1024u << get32(es + 24);
	m->inode_size = get32(es + 76) ? get16(es + 88) : 128;
	m->features_in = get32(es + 96);
	m->features_ro = get32(es + 100);
	m->desc_size = m->features_in & IN_64BIT ? get16(es + 254) : 32;
	m->blocks = get32(es + 4);
	m->inodes = get32(es);
	m->inodes_per_group = get32(es + 40);
	m->groups = (m->blocks - get32(es + 20) - 1) / get32(es + 32) + 1;
	m->gdt_block = 1024 / m->block_size + 1;
	m->seed = m->features_in & IN_CSUM_SEED ? get32(es + 624) : crc32c(~0u, es + 104, 16);
	for (uint32_t ino = 1; ino <= m->inodes && ino <= MODEL_MOST; ino++)
		scan_inode(m, ino);
	return 0;
}

/* ---------------------------------------------------------------- checksums */
static uint32_t inode_seed(const struct model *m, const uint8_t *img, uint32_t ino)
{
	uint8_t number[4];

	put32(number, ino);
	return crc32c(crc32c(m->seed, number, 4), img + inode_at(m, ino) + 100, 4);
}

static void fix_inode(const struct model *m, uint8_t *img, uint32_t ino)
{
	uint8_t *raw = img + inode_at(m, ino);
	int high = m->inode_size > 128 && get16(raw + 128) >= 4;
	uint32_t crc;

	put16(raw + 124, 0);
	if (high)
		put16(raw + 130, 0);
	crc = crc32c(inode_seed(m, img, ino), raw, m->inode_size);
	put16(raw + 124, crc);
	if (high)
		put16(raw + 130, crc >> 16);
}

static void fix_dir(const struct model *m, uint8_t *img, const struct model_block *b)
{
	uint8_t *p = img + (size_t)b->block * m->block_size;
	uint32_t seed = inode_seed(m, img, b->ino), at = 0, limit, count;
	static const uint8_t zero[4];

	if (get32(img + inode_at(m, b->ino) + 32) & FL_INDEX) {
		if (get16(p + 4) == m->block_size)
			at = 8;
		else if (get16(p + 4) == 12 && get16(p + 16) == m->block_size - 12)
			at = 32;
	}
	if (!at) {
		put32(p + m->block_size - 4, crc32c(seed, p, m->block_size - 12));
		return;
	}
	limit = get16(p + at);
	count = get16(p + at + 2);
	if (count > limit || at + 8 * limit + 8 > m->block_size)
		return;
	put32(p + at + 8 * limit + 4, crc32c(crc32c(crc32c(seed, p, at + 8 * count), p + at + 8 * limit, 4), zero, 4));
}

static void fix_node(const struct model *m, uint8_t *img, const struct model_block *b)
{
	uint8_t *p = img + (size_t)b->block * m->block_size;
	uint32_t at = 12 + 12u * get16(p + 4);

	if (at + 4 <= m->block_size)
		put32(p + at, crc32c(inode_seed(m, img, b->ino), p, at));
}

static void fix_xattr(const struct model *m, uint8_t *img, const struct model_block *b)
{
	uint8_t *p = img + (size_t)b->block * m->block_size, number[8] = { 0 };

	put32(number, b->block);
	put32(p + 16, 0);
	put32(p + 16, crc32c(crc32c(m->seed, number, 8), p, m->block_size));
}

static void fix_group(const struct model *m, uint8_t *img, uint32_t group)
{
	uint8_t *p = img + group_at(m, group), number[4];

	put32(number, group);
	put16(p + 30, 0);
	put16(p + 30, crc32c(crc32c(m->seed, number, 4), p, m->desc_size));
}

/* In this order: the inode's generation goes into the sums of its blocks. */
static void fix(const struct model *m, uint8_t *img, const struct touched *t, unsigned n, int leave_super)
{
	for (unsigned i = 0; i < n; i++) {
		switch (t[i].kind) {
		case INODE: fix_inode(m, img, m->in_use.b[t[i].index].ino); break;
		case DIR: fix_dir(m, img, &m->dirs.b[t[i].index]); break;
		case NODE: fix_node(m, img, &m->nodes.b[t[i].index]); break;
		case XATTR: fix_xattr(m, img, &m->xattrs.b[t[i].index]); break;
		case GROUP: fix_group(m, img, t[i].index); break;
		default: break;
		}
	}
	if (!leave_super)
		put32(img + 2044, crc32c(~0u, img + 1024, 1020));
}

/* ---------------------------------------------------------------- patches */
/* The structure that kind and index name; *len 0: there is none. */
static uint8_t *find(const struct model *m, uint8_t *img, enum kind kind, uint32_t *index, uint32_t *len)
{
	static const size_t lists[KINDS] = {
		[DIR] = offsetof(struct model, dirs),	  [NODE] = offsetof(struct model, nodes),     [POINTERS] = offsetof(struct model, pointers),
		[XATTR] = offsetof(struct model, xattrs), [JOURNAL] = offsetof(struct model, journal),
	};
	const struct model_list *l;

	*len = m->block_size;
	switch (kind) {
	case SUPER:
		*len = 1020;
		return img + 1024;
	case GROUP:
		*index %= m->groups;
		*len = m->desc_size;
		return img + group_at(m, *index);
	case INODE:
		*index %= m->in_use.n;
		*len = m->inode_size;
		return img + inode_at(m, m->in_use.b[*index].ino);
	case BITMAP:
		return img + (size_t)get32(m->image + group_at(m, *index / 2 % m->groups) + 4 * (*index & 1)) * m->block_size;
	case ANY:
		*index %= m->blocks;
		if (((size_t)*index + 1) * m->block_size > m->size)
			*index = 0;
		return img + (size_t)*index * m->block_size;
	default:
		l = (const void *)((const uint8_t *)m + lists[kind]);
		if (!l->n) {
			*len = 0;
			return img;
		}
		*index %= l->n;
		return img + (size_t)l->b[*index].block * m->block_size;
	}
}

/* Values that mean something here: limits, and blocks and inodes that are something else. */
static uint32_t special(const struct model *m, uint32_t v)
{
	const uint32_t table[] = {
		0, 1, 2, 8, 12, 0x7f, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000u, 0xffffffffu, m->blocks, m->blocks - 1, m->inodes, m->inodes + 1,
		m->block_size, m->block_size - 12, m->gdt_block, m->gdt_block - 1, get32(m->image + group_at(m, 0)), get32(m->image + group_at(m, 0) + 4),
		get32(m->image + group_at(m, 0) + 8), m->dirs.n ? m->dirs.b[v % m->dirs.n].block : 3, m->nodes.n ? m->nodes.b[v % m->nodes.n].block : 4,
		m->pointers.n ? m->pointers.b[v % m->pointers.n].block : 5, m->in_use.b[v % m->in_use.n].ino, m->xattrs.n ? m->xattrs.b[0].block : 6,
	};

	return table[(v >> 8) % (sizeof(table) / sizeof(table[0]))];
}

static void patch(const struct model *m, uint8_t *img, const uint8_t *d, struct touched *t)
{
	uint32_t index = get16(d + 2), at = get16(d + 4), value = get32(d + 6), len;
	uint8_t *p;

	*t = (struct touched){ .kind = d[0] % KINDS };
	p = find(m, img, t->kind, &index, &len);
	t->index = index;
	if (!len)
		return;
	p += at % (len - 3);
	switch (d[1] % 7) {
	case 0: *p = (uint8_t)value; break;
	case 1: put16(p, value); break;
	case 2: put32(p, value); break;
	case 3: put16(p, get16(p) + value); break;
	case 4: put32(p, special(m, value)); break;
	case 5: put16(p, special(m, value)); break;
	default: *p ^= (uint8_t)(1u << value % 8); break;
	}
}

size_t model_patch(const struct model *m, uint8_t *img, const uint8_t *data, size_t size)
{
	struct touched t[PATCHES_MOST];
	unsigned n = 0;
	size_t at = 3;

	if (size < at)
		return size;
	for (; n < data[2] % PATCHES_MOST && size - at >= PATCH_BYTES; at += PATCH_BYTES)
		patch(m, img, data + at, &t[n++]);
	if ((m->features_ro & RO_METADATA_CSUM) && !(data[1] & 1))
		fix(m, img, t, n, data[1] & 2);
	return at;
}
