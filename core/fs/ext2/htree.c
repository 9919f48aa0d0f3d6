/* SPDX-License-Identifier: MIT */
/*
 * The index of a directory: a tree of at most two levels over its blocks, sorted by the hash of names.
 *
 *   block 0   "." and "..", whose record reaches to the end of the block and hides: struct dx_info, then entries
 *   a node    one empty record as long as the block hides: entries
 *   a leaf    a block of ordinary entries whose hashes lie between its own in the index and the next one's
 *
 * An index entry is (hash, block); the first of a block has limit and count in place of the hash. Bit 0 of a hash tells that the leaf before ends with names
 * of the same hash, so a search goes on there. Entries that are removed leave the index as it is. When a leaf is full it is split at the middle hash; a full
 * index block is split, or gets a second level below the root. An index that makes no sense is not used: searches are linear then, and with the first
 * addition the directory is a plain one. Specification: Documentation/filesystems/ext4/directory.rst of Linux, "Hash Tree Directories".
 *
 * Locking: the directory's rwsem, by the VFS; the page lock while a block changes. One block is changed at a time.
 */
#include "dir.h"

struct ext2_dx_entry {
	u32 hash, block;
};
struct dx_limits {
	u16 limit, count;
};
struct dx_info {
	u32 zero;
	u8 hash_version, length, levels, flags;
};
_Static_assert(sizeof(struct ext2_dx_entry) == 8 && sizeof(struct dx_limits) == 4 && sizeof(struct dx_info) == 8, "directory index");
#define DOTS_LEN 24u /* the records of "." and "..", were they no longer than they must */
#define NODE_HEAD 8u
#define BLOCK_MASK 0x0fffffffu

struct map_entry { /* of a leaf to be split */
	u32 hash;
	u16 off, len; /* of the whole record, with the room behind the name */
};

static struct dx_limits *limits(const struct ext2_dx_frame *f)
{
	return (struct dx_limits *)(void *)f->e;
}

static unsigned root_limit(const struct ext2_sb *s)
{
	return (s->block_size - DOTS_LEN - (u32)sizeof(struct dx_info)) / (u32)sizeof(struct ext2_dx_entry);
}

static unsigned node_limit(const struct ext2_sb *s)
{
	return (s->block_size - NODE_HEAD) / (u32)sizeof(struct ext2_dx_entry);
}

/* With checksums the last entry's place is theirs. */
static bool frame_sane(const struct ext2_dx_frame *f, unsigned limit)
{
	return limits(f)->limit <= limit && limits(f)->limit + 1u >= limit && limits(f)->count && limits(f)->count <= limit;
}

/* The last entry whose hash is not above; the first counts as 0. */
static void frame_search(struct ext2_dx_frame *f, u32 hash)
{
	unsigned low = 1, high = limits(f)->count;

	while (low < high) {
		unsigned mid = low + (high - low) / 2;

		if (f->e[mid].hash > hash)
			high = mid;
		else
			low = mid + 1;
	}
	f->at = low - 1;
}

void ext2_dx_put(struct ext2_dx_path *p)
{
	for (unsigned i = 0; i <= p->levels; i++)
		ext2_dirblk_put(&p->f[i].b);
}

u32 ext2_dx_leaf(const struct ext2_dx_path *p)
{
	const struct ext2_dx_frame *f = &p->f[p->levels];

	return f->e[f->at].block & BLOCK_MASK;
}

/* An index block that cannot be read or makes no sense: no index. Only want of memory and bad disks are worth telling apart. */
static kerr_t unusable(kerr_t err)
{
	return kerr_code(err) == -ENOMEM || kerr_code(err) == -EIO ? err : KERR(EOPNOTSUPP);
}

static kerr_t open_root(struct inode *dir, struct ext2_dx_path *p)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	const struct dx_info *info;
	kerr_t err = ext2_dirblk_get(dir, NULL, 0, &p->f[0].b);

	if (err)
		return unusable(err);
	info = (const struct dx_info *)(const void *)(p->f[0].b.data + DOTS_LEN);
	p->f[0].e = (struct ext2_dx_entry *)(void *)(p->f[0].b.data + DOTS_LEN + sizeof(*info));
	if (info->zero || info->hash_version >= EXT2_HASHES || info->length != sizeof(*info) || info->levels >= EXT2_DX_LEVELS ||
	    (info->flags & 1) || !frame_sane(&p->f[0], root_limit(s))) {
		ext2_dirblk_put(&p->f[0].b);
		return KERR(EOPNOTSUPP);
	}
	p->levels = info->levels;
	p->version = info->hash_version;
	return KERR(0);
}

static kerr_t open_node(struct inode *dir, const struct ext2_dx_frame *above, struct ext2_dx_frame *f)
{
	kerr_t err = ext2_dirblk_get(dir, NULL, above->e[above->at].block & BLOCK_MASK, &f->b);

	if (err)
		return unusable(err);
	f->e = (struct ext2_dx_entry *)(void *)(f->b.data + NODE_HEAD);
	f->at = 0;
	if (frame_sane(f, node_limit(EXT2_SB(dir->sb))))
		return KERR(0);
	ext2_dirblk_put(&f->b);
	return KERR(EOPNOTSUPP);
}

kerr_t ext2_dx_probe(struct inode *dir, const char *name, size_t len, u32 *hash, struct ext2_dx_path *p)
{
	kerr_t err = open_root(dir, p);

	if (err)
		return err;
	if (name)
		*hash = ext2_dx_hash(EXT2_SB(dir->sb), p->version, name, len);
	frame_search(&p->f[0], *hash);
	for (unsigned i = 1; i <= p->levels; i++) {
		err = open_node(dir, &p->f[i - 1], &p->f[i]);
		if (err) {
			p->levels = i - 1;
			ext2_dx_put(p);
			return err;
		}
		frame_search(&p->f[i], *hash);
	}
	return KERR(0);
}

kerr_t ext2_dx_next(struct inode *dir, struct ext2_dx_path *p, u32 *start)
{
	unsigned i = p->levels;

	while (p->f[i].at + 1u >= limits(&p->f[i])->count) {
		if (!i)
			return KERR(ENOENT);
		i--;
	}
	*start = p->f[i].e[++p->f[i].at].hash;
	for (; i < p->levels; i++) {
		struct ext2_dx_frame below;
		kerr_t err = open_node(dir, &p->f[i], &below);

		if (err)
			return err;
		ext2_dirblk_put(&p->f[i + 1].b);
		p->f[i + 1] = below;
	}
	return KERR(0);
}

static kerr_t find_in_leaf(struct inode *dir, u32 leaf, const char *name, size_t len, struct ext2_slot *out)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_dirblk b;
	u32 first, off;
	kerr_t err = leaf ? ext2_dirblk_get(dir, NULL, leaf, &b) : KERR(EUCLEAN);

	if (err)
		return unusable(err);
	first = (u32)(b.data - (u8 *)b.base);
	if (!ext2_find_in(b.base, first, first + s->block_size, name, len, &off)) {
		ext2_dirblk_put(&b);
		return KERR(ENOENT);
	}
	*out = (struct ext2_slot){ .page = b.page, .off = off, .ino = ext2_entry_at(b.base, off)->inode };
	page_unmap(b.base); /* the reference goes to the slot */
	return KERR(0);
}

kerr_t ext2_dx_find(struct inode *dir, const char *name, size_t len, struct ext2_slot *out)
{
	struct ext2_dx_path p;
	u32 hash, start;
	kerr_t err = ext2_dx_probe(dir, name, len, &hash, &p), next;

	if (err)
		return err;
	for (;;) {
		err = find_in_leaf(dir, ext2_dx_leaf(&p), name, len, out);
		if (kerr_code(err) != -ENOENT)
			break;
		next = ext2_dx_next(dir, &p, &start);
		if (next) {
			err = next;
			break;
		}
		if ((start & ~1u) != hash)
			break;
	}
	ext2_dx_put(&p);
	return err;
}

/* ---------------------------------------------------------------- growing */
static void insert_entry(struct ext2_dx_frame *f, u32 hash, u32 block)
{
	struct dx_limits *l = limits(f);

	DEBUG_ASSERT(l->count < l->limit);
	ext2_dirblk_change_begin(&f->b);
	memmove(&f->e[f->at + 2], &f->e[f->at + 1], (l->count - f->at - 1) * sizeof(f->e[0]));
	f->e[f->at + 1] = (struct ext2_dx_entry){ .hash = hash, .block = block };
	l->count++;
	ext2_dirblk_change_end(&f->b);
}

/* A new block becomes an index node with n entries. */
static kerr_t node_new(struct inode *dir, const struct ext2_dx_entry *e, unsigned n, u32 *lblk)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_dx_frame f = { .at = 0 };
	kerr_t err = ext2_dir_append(dir, lblk);

	if (!err)
		err = ext2_dirblk_get(dir, NULL, *lblk, &f.b);
	if (err)
		return err;
	f.e = (struct ext2_dx_entry *)(void *)(f.b.data + NODE_HEAD);
	ext2_dirblk_change_begin(&f.b); /* its one record is empty and as long as the block: it stays */
	memcpy(f.e, e, n * sizeof(*e));
	*limits(&f) = (struct dx_limits){ .limit = (u16)node_limit(s), .count = (u16)n };
	ext2_dirblk_change_end(&f.b);
	ext2_dirblk_put(&f.b);
	return KERR(0);
}

static void node_cut(struct ext2_dx_frame *f, unsigned count)
{
	ext2_dirblk_change_begin(&f->b);
	limits(f)->count = (u16)count;
	ext2_dirblk_change_end(&f->b);
}

/* All entries of the root move into a node below it. */
static kerr_t add_level(struct inode *dir, struct ext2_dx_path *p)
{
	struct ext2_dx_frame *root = &p->f[0];
	struct dx_info *info = (struct dx_info *)(void *)(root->b.data + DOTS_LEN);
	u32 lblk;
	kerr_t err = node_new(dir, root->e, limits(root)->count, &lblk);

	if (err)
		return err;
	ext2_dirblk_change_begin(&root->b);
	limits(root)->count = 1;
	root->e[0].block = lblk;
	info->levels = 1;
	ext2_dirblk_change_end(&root->b);
	return KERR(0);
}

/* Room for an entry more in the block that leads to the leaf. The path does not lead there any more. */
static kerr_t grow_index(struct inode *dir, struct ext2_dx_path *p)
{
	struct ext2_dx_frame *f = &p->f[p->levels];
	unsigned half = limits(f)->count / 2u;
	u32 lblk;
	kerr_t err;

	if (!p->levels)
		return add_level(dir, p);
	if (limits(&p->f[0])->count == limits(&p->f[0])->limit) {
		klog_warn("EXT2-fs (%s): directory %llu: the index is full", dir->sb->id, (unsigned long long)dir->ino);
		return KERR(ENOSPC);
	}
	err = node_new(dir, f->e + half, limits(f)->count - half, &lblk);
	if (err)
		return err;
	insert_entry(&p->f[0], f->e[half].hash, lblk);
	node_cut(f, half);
	return KERR(0);
}

static int by_hash(const void *a, const void *b)
{
	const struct map_entry *x = a, *y = b;

	return x->hash < y->hash ? -1 : x->hash > y->hash ? 1 : (int)x->off - (int)y->off;
}

static int by_place(const void *a, const void *b)
{
	const struct map_entry *x = a, *y = b;

	return (int)x->off - (int)y->off;
}

/* The entries in use of a block. */
static unsigned map_block(const struct ext2_sb *s, unsigned version, void *data, struct map_entry *map)
{
	unsigned n = 0;

	for (u32 off = 0; off < s->block_size;) {
		const struct ext2_dirent *e = ext2_entry_at(data, off);

		if (e->inode)
			map[n++] = (struct map_entry){ .hash = ext2_dx_hash(s, version, e->name, e->name_len), .off = (u16)off, .len = e->rec_len };
		off += e->rec_len;
	}
	return n;
}

/* The mapped entries of `from`, packed into the block `to`. */
static void pack(const struct ext2_sb *s, u8 *to, const u8 *from, const struct map_entry *map, unsigned n)
{
	struct ext2_dirent *last = ext2_entry_at(to, 0);
	u32 off = 0;

	last->inode = 0;
	last->name_len = 0;
	for (unsigned i = 0; i < n; i++) {
		const struct ext2_dirent *e = (const struct ext2_dirent *)(const void *)(from + map[i].off);

		last = ext2_entry_at(to, off);
		memcpy(last, e, EXT2_REC_LEN(e->name_len));
		last->rec_len = (u16)EXT2_REC_LEN(e->name_len);
		off += last->rec_len;
	}
	last->rec_len = (u16)(s->block_size - (u32)((u8 *)last - to));
}

/* How many of the sorted entries stay: about half of the bytes. At least one goes, and one stays. */
static unsigned split_point(const struct ext2_sb *s, const struct map_entry *map, unsigned n)
{
	u32 size = 0;
	unsigned stay = n;

	while (stay > 1 && size + map[stay - 1].len / 2u <= s->block_size / 2)
		size += map[--stay].len;
	return stay == n ? n / 2 : stay;
}

struct split {
	struct map_entry *map;
	u8 *copy; /* of the leaf as it was */
};

static kerr_t split_alloc(const struct ext2_sb *s, struct split *w)
{
	w->map = kmalloc(s->block_size / EXT2_REC_LEN(1) * sizeof(w->map[0]), GFP_NOFS);
	w->copy = kmalloc(s->block_size, GFP_NOFS);
	if (w->map && w->copy)
		return KERR(0);
	kfree(w->map);
	kfree(w->copy);
	return KERR(ENOMEM);
}

static void split_free(struct split *w)
{
	kfree(w->map);
	kfree(w->copy);
}

/* The upper half of the leaf moves to a new block. *leaf becomes the one for `hash`. */
static kerr_t split_leaf(struct inode *dir, struct ext2_dx_path *p, u32 hash, u32 *leaf)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_dirblk low, high;
	struct split w;
	unsigned n, stay;
	u32 middle, lblk;
	kerr_t err = split_alloc(s, &w);

	if (err)
		return err;
	err = ext2_dirblk_get(dir, NULL, *leaf, &low);
	if (err)
		goto free_work;
	memcpy(w.copy, low.data, s->block_size);
	n = map_block(s, p->version, w.copy, w.map);
	if (n < 2) { /* one name and no room for another: it is no leaf that was checked */
		err = KERR(EUCLEAN);
		goto put_low;
	}
	sort(w.map, n, sizeof(w.map[0]), by_hash);
	stay = split_point(s, w.map, n);
	middle = w.map[stay].hash;
	err = ext2_dir_append(dir, &lblk);
	if (!err)
		err = ext2_dirblk_get(dir, NULL, lblk, &high);
	if (err)
		goto put_low;
	ext2_dirblk_change_begin(&high);
	pack(s, high.data, w.copy, w.map + stay, n - stay);
	ext2_dirblk_change_end(&high);
	ext2_dirblk_put(&high);
	insert_entry(&p->f[p->levels], middle | (w.map[stay - 1].hash == middle), lblk);
	sort(w.map, stay, sizeof(w.map[0]), by_place); /* the last has the room, and counts for more in the next split: as Linux does it */
	ext2_dirblk_change_begin(&low);
	pack(s, low.data, w.copy, w.map, stay);
	ext2_dirblk_change_end(&low);
	if (hash >= middle)
		*leaf = lblk;
put_low:
	ext2_dirblk_put(&low);
free_work:
	split_free(&w);
	return err;
}

/* KERR(ENOSPC): no room in this leaf. */
static kerr_t add_in_leaf(struct inode *dir, u32 leaf, const struct name *name, const struct inode *inode)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_dirblk b;
	kerr_t err = leaf ? ext2_dirblk_get(dir, NULL, leaf, &b) : KERR(EUCLEAN);
	bool done;

	if (err)
		return unusable(err);
	ext2_dirblk_change_begin(&b);
	done = ext2_add_in(s, b.data, 0, s->block_size, name, inode);
	ext2_dirblk_change_end(&b);
	ext2_dirblk_put(&b);
	return done ? KERR(0) : KERR(ENOSPC);
}

/* The leaf is full: splits it, or makes room in the index (*again: then all starts anew). */
static kerr_t add_by_split(struct inode *dir, struct ext2_dx_path *p, u32 hash, const struct name *name, const struct inode *inode, bool *again)
{
	const struct dx_limits *l = limits(&p->f[p->levels]);
	u32 leaf = ext2_dx_leaf(p);
	kerr_t err;

	*again = l->count == l->limit;
	if (*again)
		return grow_index(dir, p);
	err = split_leaf(dir, p, hash, &leaf);
	return err ? err : add_in_leaf(dir, leaf, name, inode);
}

kerr_t ext2_dx_add(struct inode *dir, const struct name *name, struct inode *inode, bool split)
{
	bool again;
	kerr_t err;

	do {
		struct ext2_dx_path p;
		u32 hash;

		again = false;
		err = ext2_dx_probe(dir, name->str, name->len, &hash, &p);
		if (err)
			return err;
		err = split ? KERR(ENOSPC) : add_in_leaf(dir, ext2_dx_leaf(&p), name, inode);
		if (kerr_code(err) == -ENOSPC)
			err = add_by_split(dir, &p, hash, name, inode, &again);
		ext2_dx_put(&p);
	} while (!err && again);
	return err;
}

/* ---------------------------------------------------------------- a new index */
/* "." and ".." stand first, as short as can be: the index lies where the rest of ".." was. */
static bool has_dots(const u8 *data)
{
	const struct ext2_dirent *dot = (const struct ext2_dirent *)(const void *)data;
	const struct ext2_dirent *dotdot = (const struct ext2_dirent *)(const void *)(data + EXT2_REC_LEN(1));

	return dot->inode && dot->rec_len == EXT2_REC_LEN(1) && dot->name_len == 1 && dot->name[0] == '.' && dotdot->inode && dotdot->name_len == 2 &&
	       dotdot->name[0] == '.' && dotdot->name[1] == '.';
}

/* Records as they are, but the last, which reaches to the end. */
static void move_records(const struct ext2_sb *s, u8 *to, const u8 *from, u32 len)
{
	struct ext2_dirent *e = ext2_entry_at(to, 0);

	if (!len)
		return; /* "." and ".." were alone: the block is empty already */
	memcpy(to, from, len);
	for (u32 off = 0; off < len; off += e->rec_len)
		e = ext2_entry_at(to, off);
	e->rec_len = (u16)(s->block_size - (u32)((u8 *)e - to));
}

static void build_root(const struct ext2_sb *s, u8 *data, u32 leaf)
{
	struct ext2_dirent *dotdot = ext2_entry_at(data, EXT2_REC_LEN(1));
	struct dx_info *info = (struct dx_info *)(void *)(data + DOTS_LEN);
	struct ext2_dx_frame f = { .e = (struct ext2_dx_entry *)(void *)(info + 1) };

	dotdot->rec_len = (u16)(s->block_size - EXT2_REC_LEN(1));
	memset(info, 0, s->block_size - DOTS_LEN);
	info->hash_version = s->es->def_hash_version;
	info->length = sizeof(*info);
	*limits(&f) = (struct dx_limits){ .limit = (u16)root_limit(s), .count = 1 };
	f.e[0].block = leaf;
}

kerr_t ext2_dx_make(struct inode *dir, bool *made)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_dirblk root, leaf;
	u32 lblk, first;
	kerr_t err;

	*made = false;
	if (!(s->es->feature_compat & EXT2_COMPAT_DIR_INDEX) || inode_size(dir) != (loff_t)s->block_size || s->es->def_hash_version >= EXT2_HASHES)
		return KERR(0);
	err = ext2_dirblk_get(dir, NULL, 0, &root);
	if (err)
		return err;
	if (!has_dots(root.data))
		goto put_root;
	err = ext2_dir_append(dir, &lblk);
	if (!err)
		err = ext2_dirblk_get(dir, NULL, lblk, &leaf);
	if (err)
		goto put_root;
	first = EXT2_REC_LEN(1) + ext2_entry_at(root.data, EXT2_REC_LEN(1))->rec_len;
	ext2_dirblk_change_begin(&leaf);
	move_records(s, leaf.data, root.data + first, s->block_size - first);
	ext2_dirblk_change_end(&leaf);
	ext2_dirblk_put(&leaf);
	ext2_dirblk_change_begin(&root);
	build_root(s, root.data, lblk);
	ext2_dirblk_change_end(&root);
	EXT2_I(dir)->flags |= EXT2_INDEX_FL;
	*made = true;
put_root:
	ext2_dirblk_put(&root);
	return err;
}
