/* SPDX-License-Identifier: MIT */
/*
 * Reading a directory in the order of its hashes. The position is the upper 31 bits of the hash (0 and 1: "." and ".."), as it has to fit the offsets of 32-bit
 * programs. An entry keeps its hash when a leaf is split, so who reads while others add meets each entry that stays exactly once.
 *
 * Names that share a position and do not all fit the reader's buffer: how many of them were taken is kept with the open file (struct ext2_dir_read).
 *
 * Locking: the directory's rwsem, by the VFS; file.pos_mutex for what belongs to the open file.
 */
#include "dir.h"

#define POS_DOT 0
#define POS_DOTDOT 1
#define POS_FIRST 2
#define POS_END 0x7fffffff

struct ext2_dir_read { /* [file.pos_mutex] */
	loff_t pos;	/* names of this position ... */
	unsigned taken; /* ... that were handed out */
};
struct item {
	u32 pos, hash, ino;
	u32 off; /* in names, below */
	u8 len, type;
};
/* The entries of one leaf, and of those that continue it. */
struct batch {
	struct item *items;
	unsigned n, room;
	char *names;
	u32 names_len, names_room;
	loff_t next; /* position behind them */
};

static void batch_free(struct batch *b)
{
	kfree(b->items);
	kfree(b->names);
}

static kerr_t batch_reserve(struct batch *b, const struct ext2_sb *s)
{
	unsigned more = s->block_size / EXT2_REC_LEN(1);
	struct item *items = krealloc(b->items, (b->n + more) * sizeof(*items), GFP_KERNEL);
	char *names;

	if (!items)
		return KERR(ENOMEM);
	b->items = items;
	b->room = b->n + more;
	names = krealloc(b->names, b->names_len + s->block_size, GFP_KERNEL);
	if (!names)
		return KERR(ENOMEM);
	b->names = names;
	b->names_room = b->names_len + s->block_size;
	return KERR(0);
}

static u32 position(u32 hash)
{
	return MAX(hash >> 1, (u32)POS_FIRST);
}

/* Adds the entries of a block that are not before `from`. */
static kerr_t batch_add(struct batch *b, struct inode *dir, struct file *f, u32 lblk, unsigned version, u32 from)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_dirblk blk;
	kerr_t err = batch_reserve(b, s);

	if (!err)
		err = ext2_dirblk_get(dir, f, lblk, &blk);
	if (err)
		return err;
	for (u32 off = 0; off < s->block_size;) {
		const struct ext2_dirent *e = ext2_entry_at(blk.data, off);
		u32 hash;

		off += e->rec_len;
		if (!e->rec_len)
			break;
		if (!e->inode || ext2_name_is_dots(e->name, e->name_len))
			continue;
		hash = ext2_dx_hash(s, version, e->name, e->name_len);
		if (position(hash) < from || b->n == b->room || b->names_len + e->name_len > b->names_room)
			continue;
		b->items[b->n++] = (struct item){ .pos = position(hash), .hash = hash, .ino = e->inode, .off = b->names_len, .len = e->name_len,
						  .type = (u8)ext2_entry_type(s, e) };
		memcpy(b->names + b->names_len, e->name, e->name_len);
		b->names_len += e->name_len;
	}
	ext2_dirblk_put(&blk);
	return KERR(0);
}

static int by_position(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	return x->pos != y->pos ? (x->pos < y->pos ? -1 : 1) : x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : x->off < y->off ? -1 : 1;
}

/* What is in the leaf for position `from`, and in its continuations. */
static kerr_t batch_read(struct batch *b, struct inode *dir, struct file *f, u32 from)
{
	u32 hash = from == POS_FIRST ? 0 : from << 1, start = 0;
	struct ext2_dx_path p;
	kerr_t err;

	b->n = b->names_len = 0;
	b->next = POS_END;
	if (!ext2_dir_indexed(dir))
		return batch_add(b, dir, f, 0, MIN((unsigned)EXT2_SB(dir->sb)->es->def_hash_version, EXT2_HASHES - 1u), from);
	err = ext2_dx_probe(dir, NULL, 0, &hash, &p);
	if (err)
		return err;
	do {
		err = batch_add(b, dir, f, ext2_dx_leaf(&p), p.version, from);
		if (!err)
			err = ext2_dx_next(dir, &p, &start);
	} while (!err && ((start & 1) || position(start) == from));
	if (!err && position(start) > from) {
		b->next = position(start);
	} else if (!err) {
		EXT2_ERROR_AT(dir->sb, dir->ino, 0, "directory %llu: its index is not sorted", (unsigned long long)dir->ino);
		err = KERR(EUCLEAN);
	} else if (kerr_code(err) == -ENOENT) {
		err = KERR(0);
	}
	ext2_dx_put(&p);
	return err;
}

/* The reader's buffer is full before item i: remembers how many of its position went before. */
static kerr_t remember(struct file *f, struct dir_context *ctx, const struct batch *b, unsigned i)
{
	struct ext2_dir_read *r = f->priv;
	unsigned taken = 0;

	while (taken < i && b->items[i - taken - 1].pos == b->items[i].pos)
		taken++;
	ctx->pos = b->items[i].pos;
	if (!r && taken) {
		r = kzalloc(sizeof(*r), GFP_KERNEL);
		if (!r)
			return KERR(ENOMEM);
		f->priv = r;
	}
	if (r)
		*r = (struct ext2_dir_read){ .pos = ctx->pos, .taken = taken };
	return KERR(0);
}

static unsigned taken_before(const struct file *f, loff_t pos)
{
	const struct ext2_dir_read *r = f->priv;

	return r && r->pos == pos ? r->taken : 0;
}

/* false in *more: the reader's buffer is full. */
static kerr_t batch_emit(struct batch *b, struct file *f, struct dir_context *ctx, bool *more)
{
	unsigned skip = taken_before(f, ctx->pos), i = 0;

	*more = true;
	sort(b->items, b->n, sizeof(b->items[0]), by_position);
	while (i < b->n && i < skip && b->items[i].pos == ctx->pos)
		i++;
	for (; i < b->n; i++) {
		const struct item *it = &b->items[i];
		loff_t next = i + 1 < b->n ? (loff_t)b->items[i + 1].pos : b->next;

		if (!ctx->actor(ctx, b->names + it->off, it->len, it->ino, it->type, next)) {
			*more = false;
			return remember(f, ctx, b, i);
		}
	}
	ctx->pos = b->next;
	return KERR(0);
}

static kerr_t emit_dots(struct inode *dir, struct file *f, struct dir_context *ctx, bool *more)
{
	const struct ext2_sb *s = EXT2_SB(dir->sb);
	struct ext2_dirblk b;
	kerr_t err = ext2_dirblk_get(dir, f, 0, &b);
	u32 off = 0;

	if (err)
		return err;
	*more = true;
	while (off < s->block_size && ctx->pos < POS_FIRST && *more) {
		const struct ext2_dirent *e = ext2_entry_at(b.data, off);
		bool dots = e->inode && ext2_name_is_dots(e->name, e->name_len);
		loff_t pos = dots && e->name_len == 2 ? POS_DOTDOT : POS_DOT;

		if (!e->rec_len)
			break;
		off += e->rec_len;
		if (!dots || pos < ctx->pos)
			continue;
		*more = ctx->actor(ctx, e->name, e->name_len, e->inode, ext2_entry_type(s, e), pos + 1);
		if (*more)
			ctx->pos = pos + 1;
	}
	ext2_dirblk_put(&b);
	if (*more)
		ctx->pos = POS_FIRST;
	return KERR(0);
}

kerr_t ext2_dx_iterate(struct file *f, struct dir_context *ctx)
{
	struct inode *dir = f->inode;
	struct batch b = { .items = NULL };
	kerr_t err = KERR(0);
	bool more = true;

	if (ctx->pos < 0 || ctx->pos >= POS_END || !inode_size(dir))
		return KERR(0);
	if (ctx->pos < POS_FIRST)
		err = emit_dots(dir, f, ctx, &more);
	while (!err && more && ctx->pos < POS_END) {
		err = batch_read(&b, dir, f, (u32)ctx->pos);
		if (!err)
			err = batch_emit(&b, f, ctx, &more);
		cond_resched();
	}
	batch_free(&b);
	return err;
}

void ext2_dx_release(struct inode *inode, struct file *f)
{
	(void)inode;
	kfree(f->priv);
	f->priv = NULL;
}
