/* SPDX-License-Identifier: MIT */
/*
 * mkfs: an empty ext2 file system with the features that mke2fs gives one: ext_attr, resize_inode, dir_index, filetype, sparse_super, large_file.
 *
 * A group holds, in this order: superblock and group descriptors with blocks kept for their growth (groups 0, 1 and powers of 3, 5 and 7), block
 * bitmap, inode bitmap, inode table, data. Group 0 has in its data the root, lost+found and the map of the blocks kept for growth, which belong to
 * the resize inode: in its doubly indirect block each such block of group 0 stands as an indirect block that names its copies.
 */
#include "img.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "ext2_disk.h"

#define LOST_FOUND_BYTES 16384u
#define MIN_FREE_OF_LAST_GROUP 50u

struct maker {
	struct session *s;
	const char *file;
	int fd;
	uint64_t at; /* bytes before the file system */
	struct ext2_super sb;
	struct ext2_group *groups;
	uint32_t ngroups, block, gdt_blocks, table_blocks, now;
	bool blank;  /* all of it reads as zeros already */
	/* of group 0, in the order they are taken */
	uint32_t root_block, lost_block, lost_blocks, resize_block;
	int err;
};

/* ---------------------------------------------------------------- writing */
static void put_at(struct maker *m, uint64_t offset, const void *data, size_t n)
{
	const char *p = data;

	while (n && !m->err) {
		ssize_t put = pwrite(m->fd, p, n, (off_t)(m->at + offset));

		if (put <= 0) {
			m->err = put ? -errno : -EIO;
			return;
		}
		p += put;
		offset += (uint64_t)put;
		n -= (size_t)put;
	}
}

static void put_block(struct maker *m, uint32_t block, const void *data, size_t n)
{
	put_at(m, (uint64_t)block * m->block, data, n);
}

static void clear_blocks(struct maker *m, uint32_t block, uint32_t n)
{
	static const char zeros[65536];
	uint64_t at = (uint64_t)block * m->block, left = (uint64_t)n * m->block;

	if (m->blank)
		return;
	if (!fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(m->at + at), (off_t)left))
		return;
	while (left && !m->err) {
		size_t part = left < sizeof(zeros) ? (size_t)left : sizeof(zeros);

		put_at(m, at, zeros, part);
		at += part;
		left -= part;
	}
}

/* ---------------------------------------------------------------- geometry */
static bool power_of(uint32_t n, uint32_t base)
{
	while (n > 1 && n % base == 0)
		n /= base;
	return n == 1;
}

static bool has_super(uint32_t group)
{
	return group <= 1 || power_of(group, 3) || power_of(group, 5) || power_of(group, 7);
}

static uint32_t group_start(const struct maker *m, uint32_t group)
{
	return m->sb.first_data_block + group * m->sb.blocks_per_group;
}

static uint32_t group_blocks(const struct maker *m, uint32_t group)
{
	uint32_t left = m->sb.blocks - group_start(m, group);

	return left < m->sb.blocks_per_group ? left : m->sb.blocks_per_group;
}

static uint32_t before_bitmaps(const struct maker *m, uint32_t group)
{
	return has_super(group) ? 1 + m->gdt_blocks + m->sb.reserved_gdt : 0;
}

static uint32_t overhead(const struct maker *m, uint32_t group)
{
	return before_bitmaps(m, group) + 2 + m->table_blocks;
}

/* Blocks taken at the start of a group. */
static uint32_t used_blocks(const struct maker *m, uint32_t group)
{
	uint32_t n = overhead(m, group);

	if (!group)
		n += 1 + m->lost_blocks + (m->sb.reserved_gdt ? 1 : 0);
	return n;
}

static void choose_block(struct maker *m, uint64_t size, const struct mkfs_options *o, uint64_t *ratio)
{
	bool small = size < 512ull << 20;

	m->block = o->block ? o->block : small ? 1024 : 4096;
	*ratio = o->ratio ? o->ratio : size < 3ull << 20 ? 8192 : small ? 4096 : 16384;
	m->sb.inode_size = (uint16_t)(o->inode_size ? o->inode_size : 256);
}

static uint32_t divide_up(uint64_t a, uint64_t b)
{
	return (uint32_t)((a + b - 1) / b);
}

static void choose_reserved_gdt(struct maker *m)
{
	struct ext2_super *sb = &m->sb;
	uint64_t most = sb->blocks < UINT32_MAX / 1024 ? sb->blocks * 1024ull : UINT32_MAX;
	uint32_t groups = divide_up(most - sb->first_data_block, sb->blocks_per_group), want = divide_up(groups, m->block / 32);

	want = want > m->gdt_blocks ? want - m->gdt_blocks : 0;
	sb->reserved_gdt = (uint16_t)(want < m->block / 4 ? want : m->block / 4);
}

/* Inodes a group, so many that they fill whole blocks; false: more than a bitmap block counts. */
static bool choose_inodes(struct maker *m, uint64_t inodes)
{
	struct ext2_super *sb = &m->sb;
	uint32_t per_block = m->block / sb->inode_size, each = divide_up(inodes, m->ngroups);

	if (each > m->block * 8 || inodes > UINT32_MAX)
		return false;
	if (each < EXT2_FIRST_INO + 1)
		each = EXT2_FIRST_INO + 1;
	/* whole blocks, and whole bytes of the bitmap */
	m->table_blocks = divide_up((each + 7) & ~7u, per_block);
	each = (m->table_blocks * per_block) & ~7u;
	if (each > m->block * 8)
		each = m->block * 8;
	if ((uint64_t)each * m->ngroups > UINT32_MAX)
		return false;
	m->table_blocks = divide_up(each, per_block);
	sb->inodes_per_group = each;
	sb->inodes = each * m->ngroups;
	return true;
}

static int choose_geometry(struct maker *m, uint64_t size, const struct mkfs_options *o)
{
	struct ext2_super *sb = &m->sb;
	uint64_t ratio;

	choose_block(m, size, o, &ratio);
	m->lost_blocks = LOST_FOUND_BYTES / m->block < 12 ? LOST_FOUND_BYTES / m->block : 12; /* without indirect blocks */
	if (size / m->block > UINT32_MAX)
		return -EFBIG;
	sb->blocks = (uint32_t)(size / m->block);
	sb->first_data_block = m->block == 1024;
	sb->blocks_per_group = sb->frags_per_group = m->block * 8;
	for (;;) {
		uint32_t last;

		if (sb->blocks <= sb->first_data_block)
			return -ENOSPC;
		m->ngroups = divide_up(sb->blocks - sb->first_data_block, sb->blocks_per_group);
		m->gdt_blocks = divide_up(m->ngroups, m->block / 32);
		choose_reserved_gdt(m);
		if (!choose_inodes(m, o->inodes ? o->inodes : size / ratio))
			return -EINVAL;
		last = group_blocks(m, m->ngroups - 1);
		if (last >= overhead(m, m->ngroups - 1) + MIN_FREE_OF_LAST_GROUP)
			break;
		if (m->ngroups == 1) {
			/* A very small one: without room for growth, and as few blocks free as there are. */
			sb->reserved_gdt = 0;
			sb->compat &= ~(uint32_t)EXT2_COMPAT_RESIZE;
			return last >= overhead(m, 0) + 1 + m->lost_blocks ? 0 : -ENOSPC;
		}
		sb->blocks -= last; /* the rest is too little for a group */
	}
	if (!sb->reserved_gdt)
		sb->compat &= ~(uint32_t)EXT2_COMPAT_RESIZE;
	return used_blocks(m, 0) < group_blocks(m, 0) ? 0 : -EINVAL; /* no whole group has more to hold */
}

/* ---------------------------------------------------------------- contents */
static void place_groups(struct maker *m)
{
	struct ext2_super *sb = &m->sb;
	uint64_t free_blocks = 0;

	for (uint32_t g = 0; g < m->ngroups; g++) {
		uint32_t at = group_start(m, g) + before_bitmaps(m, g);
		struct ext2_group *d = &m->groups[g];

		d->block_bitmap = at;
		d->inode_bitmap = at + 1;
		d->inode_table = at + 2;
		d->free_blocks = (uint16_t)(group_blocks(m, g) - used_blocks(m, g));
		d->free_inodes = (uint16_t)(sb->inodes_per_group - (g ? 0 : EXT2_FIRST_INO));
		d->dirs = g ? 0 : 2;
		free_blocks += d->free_blocks;
	}
	sb->free_blocks = (uint32_t)free_blocks;
	sb->free_inodes = sb->inodes - EXT2_FIRST_INO;
	m->root_block = m->groups[0].inode_table + m->table_blocks;
	m->lost_block = m->root_block + 1;
	m->resize_block = m->lost_block + m->lost_blocks;
}

static void set_bits(uint8_t *map, uint32_t from, uint32_t to)
{
	for (; from < to && from % 8; from++)
		map[from / 8] |= (uint8_t)(1u << from % 8);
	for (; from + 8 <= to; from += 8)
		map[from / 8] = 0xff;
	for (; from < to; from++)
		map[from / 8] |= (uint8_t)(1u << from % 8);
}

static void put_bitmaps(struct maker *m, uint32_t group, uint8_t *buf)
{
	const struct ext2_group *d = &m->groups[group];

	memset(buf, 0, m->block);
	set_bits(buf, 0, used_blocks(m, group));
	set_bits(buf, group_blocks(m, group), m->block * 8);
	put_block(m, d->block_bitmap, buf, m->block);
	memset(buf, 0, m->block);
	set_bits(buf, 0, group ? 0 : EXT2_FIRST_INO);
	set_bits(buf, m->sb.inodes_per_group, m->block * 8);
	put_block(m, d->inode_bitmap, buf, m->block);
}

static uint32_t put_entry(uint8_t *at, uint32_t ino, uint32_t len, const char *name, uint8_t type)
{
	uint16_t rec = (uint16_t)len;

	memcpy(at, &ino, 4);
	memcpy(at + 4, &rec, 2);
	at[6] = (uint8_t)strlen(name);
	at[7] = type;
	memcpy(at + 8, name, strlen(name));
	return len;
}

static void put_inode(struct maker *m, uint32_t ino, struct ext2_inode *n)
{
	bool large = m->sb.inode_size > 128;

	n->atime = n->ctime = n->mtime = m->now;
	if (large) {
		n->extra = 32;
		n->crtime = m->now;
	}
	put_at(m, (uint64_t)m->groups[0].inode_table * m->block + (ino - 1) * m->sb.inode_size, n, large ? sizeof(*n) : 128);
}

static void put_directories(struct maker *m, uint8_t *buf)
{
	struct ext2_inode root = {.mode = S_IFDIR | 0755, .size = m->block, .links = 3, .blocks = m->block / 512, .block = {m->root_block}};
	struct ext2_inode lost = {.mode = S_IFDIR | 0700, .size = m->lost_blocks * m->block, .links = 2, .blocks = m->lost_blocks * (m->block / 512)};
	uint32_t at;

	memset(buf, 0, m->block);
	at = put_entry(buf, EXT2_ROOT_INO, 12, ".", 2);
	at += put_entry(buf + at, EXT2_ROOT_INO, 12, "..", 2);
	put_entry(buf + at, EXT2_FIRST_INO, m->block - at, "lost+found", 2);
	put_block(m, m->root_block, buf, m->block);
	put_inode(m, EXT2_ROOT_INO, &root);
	for (uint32_t i = 0; i < m->lost_blocks; i++) {
		lost.block[i] = m->lost_block + i;
		memset(buf, 0, m->block);
		at = i ? 0 : put_entry(buf, EXT2_FIRST_INO, 12, ".", 2);
		put_entry(buf + at, i ? 0 : EXT2_ROOT_INO, m->block - at, i ? "" : "..", i ? 0 : 2);
		put_block(m, m->lost_block + i, buf, m->block);
	}
	put_inode(m, EXT2_FIRST_INO, &lost);
}

static void put_resize_inode(struct maker *m, uint32_t *buf)
{
	const struct ext2_super *sb = &m->sb;
	uint32_t per_block = m->block / 4, copies = 0, first = sb->first_data_block + 1 + m->gdt_blocks;
	uint64_t size = ((uint64_t)per_block * per_block + per_block + 12) * m->block;
	struct ext2_inode n = {.mode = S_IFREG | 0600, .links = 1, .size = (uint32_t)size, .size_high = (uint32_t)(size >> 32)};

	if (!sb->reserved_gdt)
		return;
	memset(buf, 0, m->block);
	for (uint32_t i = 0; i < sb->reserved_gdt; i++)
		buf[(m->gdt_blocks + i) % per_block] = first + i;
	put_block(m, m->resize_block, buf, m->block);
	for (uint32_t i = 0; i < sb->reserved_gdt; i++) {
		memset(buf, 0, m->block);
		copies = 0;
		for (uint32_t g = 1; g < m->ngroups; g++)
			if (has_super(g))
				buf[copies++] = first + i + g * sb->blocks_per_group;
		put_block(m, first + i, buf, m->block);
	}
	n.block[13] = m->resize_block;
	n.blocks = (1 + sb->reserved_gdt * (1 + copies)) * (m->block / 512);
	put_inode(m, EXT2_RESIZE_INO, &n);
}

static void put_supers(struct maker *m)
{
	for (uint32_t g = 0; g < m->ngroups; g++) {
		uint64_t at = (uint64_t)group_start(m, g) * m->block;

		if (!has_super(g))
			continue;
		m->sb.group = (uint16_t)g;
		if (g)
			clear_blocks(m, group_start(m, g) + 1, m->gdt_blocks + m->sb.reserved_gdt);
		put_at(m, g ? at : EXT2_SUPER_AT, &m->sb, sizeof(m->sb));
		put_at(m, (uint64_t)(group_start(m, g) + 1) * m->block, m->groups, m->ngroups * sizeof(*m->groups));
	}
}

static void put_all(struct maker *m)
{
	uint8_t *buf = must_alloc(m->block);
	static const char zeros[EXT2_SUPER_AT];

	put_at(m, 0, zeros, sizeof(zeros)); /* a boot sector of somebody else's would be misleading */
	clear_blocks(m, m->sb.first_data_block + 1, m->gdt_blocks + m->sb.reserved_gdt);
	for (uint32_t g = 0; g < m->ngroups && !m->err; g++) {
		clear_blocks(m, m->groups[g].inode_table, m->table_blocks);
		put_bitmaps(m, g, buf);
	}
	put_directories(m, buf);
	put_resize_inode(m, (uint32_t *)(void *)buf);
	put_supers(m);
	free(buf);
}

/* ---------------------------------------------------------------- names */
int parse_uuid(const char *s, uint8_t out[16])
{
	unsigned n = 0;

	for (; *s && n < 32; s++) {
		char word[2] = {*s, 0}, *end;
		unsigned v;

		if (*s == '-' && (n == 8 || n == 12 || n == 16 || n == 20))
			continue;
		v = (unsigned)strtoul(word, &end, 16);
		if (*end || end == word)
			return -EINVAL;
		out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] | v : v << 4);
		n++;
	}
	return *s || n != 32 ? -EINVAL : 0;
}

/* Random, or with SOURCE_DATE_EPOCH what follows from what is made. */
static int choose_uuid(struct maker *m, const struct mkfs_options *o, uint64_t size)
{
	uint8_t *u = m->sb.uuid;

	if (o->uuid && !strcmp(o->uuid, "clear"))
		return 0;
	if (o->uuid && strcmp(o->uuid, "random") != 0)
		return parse_uuid(o->uuid, u);
	if (m->s->epoch >= 0) {
		uint64_t h = (uint64_t)m->s->epoch * 0x9e3779b97f4a7c15ULL ^ size;

		for (const char *c = o->label ? o->label : ""; *c; c++)
			h = (h ^ (uint8_t)*c) * 0x100000001b3ULL;
		for (unsigned i = 0; i < 16; i++, h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9ULL)
			u[i] = (uint8_t)(h >> 56);
	} else if (getrandom(u, 16, 0) != 16) {
		return -errno;
	}
	u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
	u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
	return 0;
}

static void fill_super(struct maker *m, const struct mkfs_options *o)
{
	struct ext2_super *sb = &m->sb;

	sb->log_block = sb->log_frag = m->block == 1024 ? 0 : m->block == 2048 ? 1 : 2;
	sb->reserved_blocks = (uint32_t)(sb->blocks * o->reserved / 100);
	sb->wtime = sb->last_check = sb->mkfs_time = m->now;
	sb->max_mounts = 0xffff;
	sb->magic = EXT2_MAGIC;
	sb->state = 1;
	sb->errors = 1;
	sb->rev = 1;
	sb->first_ino = EXT2_FIRST_INO;
	memcpy(sb->hash_seed, sb->uuid, 16); /* any will do */
	sb->hash_version = 1; /* half MD4 */
	sb->flags = 1;	      /* of signed characters */
	sb->mount_opts = 0xc; /* user_xattr, acl */
	if (sb->inode_size > 128)
		sb->min_extra = sb->want_extra = 32;
	if (o->label)
		memcpy(sb->label, o->label, strlen(o->label));
}

static enum img_exit check_options(struct session *s, const struct mkfs_options *o)
{
	const char *what = NULL;

	if (o->block && o->block != 1024 && o->block != 2048 && o->block != 4096)
		what = "-b: blocks are of 1024, 2048 or 4096 bytes";
	else if (o->inode_size && (o->inode_size < 128 || o->inode_size > 1024 || (o->inode_size & (o->inode_size - 1))))
		what = "-I: inodes are of 128, 256, 512 or 1024 bytes";
	else if (o->label && strlen(o->label) > 16)
		what = "-L: a label has at most 16 bytes";
	else if (o->ratio && o->ratio < 1024)
		what = "-i: at least 1024 bytes for each inode";
	if (what)
		complain(s, IMG_USAGE, 0, "mkfs: %s", what);
	return what ? IMG_USAGE : IMG_OK;
}

/* Opens and locks the file; makes it that long, unless the file system is only a part of it. */
static int open_target(struct maker *m, const struct place *p, uint64_t size, bool force)
{
	struct ext2_super old;
	struct stat st;

	m->fd = open(p->file, O_RDWR | O_CLOEXEC | (size && !p->part ? O_CREAT : 0), 0666);
	if (m->fd < 0)
		return -errno;
	if (flock(m->fd, LOCK_EX | LOCK_NB))
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (!force && pread(m->fd, &old, sizeof(old), (off_t)(m->at + EXT2_SUPER_AT)) == sizeof(old) && old.magic == EXT2_MAGIC)
		return -EEXIST;
	if (!size || p->part || m->at || fstat(m->fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	if (ftruncate(m->fd, 0) || ftruncate(m->fd, (off_t)size))
		return -errno;
	m->blank = true;
	return 0;
}

static enum img_exit tell(struct maker *m, int err)
{
	if (err == -EBUSY)
		complain(m->s, IMG_NO_IMAGE, 0, "%s is in use: unmount it first", m->file);
	else if (err == -EEXIST)
		complain(m->s, IMG_FAILED, 0, "%s holds an ext2, ext3 or ext4 file system already: mkfs -F overwrites it", m->file);
	else if (err == -ENOSPC)
		complain(m->s, IMG_NO_SPACE, 0, "%s: too small for a file system with these blocks and inodes", m->file);
	else if (err == -EFBIG)
		complain(m->s, IMG_FAILED, 0, "%s: too large: ext2 has at most 4294967295 blocks", m->file);
	else if (err == -EINVAL)
		complain(m->s, IMG_USAGE, 0, "mkfs: too many inodes for that size, or no UUID");
	else
		complain(m->s, IMG_FAILED, err, "%s", m->file);
	return m->s->worst;
}

enum img_exit mkfs(struct session *s, const struct place *p, uint64_t size, const struct mkfs_options *o)
{
	struct maker m = {.s = s, .file = p->file, .fd = -1, .now = (uint32_t)now_seconds(s)};
	enum img_exit bad = check_options(s, o);
	uint64_t room = size;
	int err;

	if (!bad)
		bad = image_close_file(s, p->file);
	if (!bad && (!size || p->part || s->offset)) {
		bad = image_range(s, p, &m.at, &room);
		if (!bad && size && size < room)
			room = size;
	}
	if (bad)
		return bad;
	m.sb.compat = EXT2_COMPAT_EXT_ATTR | EXT2_COMPAT_RESIZE | EXT2_COMPAT_DIR_INDEX;
	m.sb.incompat = EXT2_INCOMPAT_FILETYPE;
	m.sb.ro_compat = EXT2_RO_SPARSE_SUPER | EXT2_RO_LARGE_FILE;
	err = choose_geometry(&m, room, o);
	if (!err)
		err = choose_uuid(&m, o, room);
	if (!err)
		err = open_target(&m, p, size, o->force);
	if (!err) {
		fill_super(&m, o);
		m.groups = must_alloc(m.ngroups * sizeof(*m.groups));
		place_groups(&m);
		put_all(&m);
		free(m.groups);
		err = m.err;
	}
	if (m.fd >= 0 && close(m.fd) && !err)
		err = -errno;
	return err ? tell(&m, err) : IMG_OK;
}
