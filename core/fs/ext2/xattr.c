/* SPDX-License-Identifier: MIT */
/*
 * Extended attributes: in the space behind an inode larger than 128 bytes, and in one block that inodes with equal attributes may share (h_refcount).
 *
 * Both are a region of entries that grow up and values that grow down. A change builds the new region in memory from the old one, then puts it in place,
 * so a full region is noticed before anything changed. A shared block is never changed, but replaced.
 *
 * With ea_inode a large value may be the content of an inode of its own, without a name: read, never made.
 *
 * POSIX ACLs stand on the disk in a form of their own, shorter than that of getxattr(2); core/vfs/acl.c enforces them.
 *
 * Locking: ext2_inode.tree, for reading or writing; bufs by their lock.
 */
#include <maestro/acl.h>
#include <maestro/cred.h>

#include "ext2.h"

#define XATTR_MAGIC 0xEA020000u
#define XATTR_CREATE 1
#define XATTR_REPLACE 2
#define XATTR_NAME_MAX 255

struct xattr_header {
	u32 magic, refcount, blocks, hash, checksum, reserved[3];
};
struct xattr_entry {
	u8 name_len, name_index;
	u16 value_offs;
	u32 value_ino, value_size, hash; /* value_ino not 0: the value is in that inode */
	char name[];
};
_Static_assert(sizeof(struct xattr_header) == 32 && sizeof(struct xattr_entry) == 16, "extended attributes");

enum { IDX_USER = 1, IDX_ACL_ACCESS = 2, IDX_ACL_DEFAULT = 3, IDX_TRUSTED = 4, IDX_SECURITY = 6, IDX_SYSTEM = 7 };
static const struct {
	const char *prefix;
	u8 index;
	bool whole; /* the prefix is the name */
} prefixes[] = {
	{ "user.", IDX_USER, false },
	{ "system.posix_acl_access", IDX_ACL_ACCESS, true },
	{ "system.posix_acl_default", IDX_ACL_DEFAULT, true },
	{ "trusted.", IDX_TRUSTED, false },
	{ "security.", IDX_SECURITY, false },
};

struct key {
	u8 index, len;
	const char *name;
};

/* Offsets of entries and values count from base; entries start at `first`. */
struct region {
	u8 *base;
	u32 size, first;
	bool ea_inode; /* values may be in inodes */
};

static kerr_t key_parse(const char *name, struct key *k)
{
	for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++) {
		size_t n = strlen(prefixes[i].prefix), len;

		if (strncmp(name, prefixes[i].prefix, n) != 0)
			continue;
		len = strlen(name + n);
		if (prefixes[i].whole && len)
			continue;
		if (!prefixes[i].whole && !len)
			return KERR(EINVAL);
		if (len > XATTR_NAME_MAX)
			return KERR(ERANGE);
		*k = (struct key){ .index = prefixes[i].index, .len = (u8)len, .name = name + n };
		return KERR(0);
	}
	return KERR(EOPNOTSUPP);
}

static u32 entry_len(u32 name_len)
{
	return (u32)(sizeof(struct xattr_entry) + name_len + 3) & ~3u;
}
static u32 value_len(u32 n)
{
	return (n + 3) & ~3u;
}

/* The entry at off, checked; NULL at the end. *bad: what is there is not one. */
static struct xattr_entry *entry_get(const struct region *r, u32 off, bool *bad)
{
	struct xattr_entry *e = (struct xattr_entry *)(void *)(r->base + off);
	u32 end_mark;

	*bad = false;
	if (off + sizeof(end_mark) > r->size)
		return NULL; /* full to the brim */
	memcpy(&end_mark, e, sizeof(end_mark));
	if (!end_mark)
		return NULL;
	*bad = off + sizeof(*e) > r->size || off + entry_len(e->name_len) > r->size || (e->value_ino && !r->ea_inode) ||
	       (e->value_size && !e->value_ino && (e->value_offs < r->first || e->value_offs > r->size || e->value_size > r->size - e->value_offs));
	return *bad ? NULL : e;
}

static kerr_t corrupt(struct inode *inode)
{
	EXT2_ERROR_AT(inode->sb, inode->ino, 0, "inode %llu: damaged extended attributes", (unsigned long long)inode->ino);
	return KERR(EUCLEAN);
}

/* KERR(ENODATA): not there. */
static kerr_t region_find(struct inode *inode, const struct region *r, const struct key *k, struct xattr_entry **out)
{
	struct xattr_entry *e;
	bool bad;

	for (u32 off = r->first; (e = entry_get(r, off, &bad)) != NULL; off += entry_len(e->name_len)) {
		if (e->name_index == k->index && e->name_len == k->len && !memcmp(e->name, k->name, k->len)) {
			*out = e;
			return KERR(0);
		}
	}
	return bad ? corrupt(inode) : KERR(ENODATA);
}

/* ---------------------------------------------------------------- where the regions are */
static bool has_ea_inode(const struct ext2_sb *s)
{
	return s->es->feature_incompat & EXT2_INCOMPAT_EA_INODE;
}

/* Behind the inode. KERR(ENODATA): there is no room or nothing in it. space_only: room is enough. buf stays referenced on success. */
static kerr_t body_region(struct inode *inode, bool space_only, struct region *r, struct buf **buf)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	u32 start = EXT2_OLD_INODE + EXT2_I(inode)->extra_isize, magic;
	struct ext2_dinode *raw;
	struct buf *b;
	kerr_t err;

	if (s->inode_size <= EXT2_OLD_INODE || !EXT2_I(inode)->extra_isize || start + 32 > s->inode_size)
		return KERR(ENODATA);
	err = ext2_inode_buf(inode->sb, (u32)inode->ino, &b, &raw);
	if (err)
		return err;
	memcpy(&magic, (u8 *)raw + start, sizeof(magic));
	if (magic != XATTR_MAGIC && !space_only) {
		buf_put(b);
		return KERR(ENODATA);
	}
	*buf = b;
	*r = (struct region){ .base = (u8 *)raw + start + 4, .size = s->inode_size - start - 4, .first = 0, .ea_inode = has_ea_inode(s) };
	return KERR(0);
}

/* The attribute block. KERR(ENODATA): none. */
static kerr_t block_region(struct inode *inode, struct region *r, struct buf **buf)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	u32 block = EXT2_I(inode)->file_acl;
	const struct xattr_header *h;
	struct buf *b;
	kerr_t err;

	if (!block)
		return KERR(ENODATA);
	err = buf_read(s->bdev, block, &b);
	if (err)
		return err;
	h = b->data;
	if (h->magic != XATTR_MAGIC || h->blocks != 1 || !h->refcount) {
		buf_put(b);
		return corrupt(inode);
	}
	if (s->metadata_csum && !buf_test(b, BUF_CHECKED)) {
		if (!ext2_xattr_block_csum_ok(s, block, h, offsetof(struct xattr_header, checksum))) {
			buf_put(b);
			EXT2_ERROR_AT(inode->sb, inode->ino, block, "inode %llu: invalid checksum of extended attributes, block %u", (unsigned long long)inode->ino, block);
			return KERR(EBADMSG);
		}
		buf_set_checked(b);
	}
	*buf = b;
	*r = (struct region){ .base = b->data, .size = s->block_size, .first = sizeof(*h), .ea_inode = has_ea_inode(s) };
	return KERR(0);
}

/* ---------------------------------------------------------------- reading */
#define FAR_MAX 65536u /* as long as a value of getxattr(2) can be */

struct far_value {
	u32 ino, size; /* ino 0: none */
};

/* The disk's ACL (short entries where there is no id) as getxattr(2) gives it. */
static ssize_t acl_export(const u8 *v, u32 n, u8 *out, size_t size)
{
	size_t len = 4;
	u32 version;

	if (n < 4)
		return -EUCLEAN;
	memcpy(&version, v, sizeof(version));
	if (version != 1)
		return -EUCLEAN;
	for (u32 off = 4; off < n; len += 8) {
		u32 id = ~0u, step = 4;
		u16 tag;

		if (n - off < 4)
			return -EUCLEAN;
		memcpy(&tag, v + off, sizeof(tag));
		if (tag == ACL_USER || tag == ACL_GROUP) {
			if (n - off < 8)
				return -EUCLEAN;
			memcpy(&id, v + off + 4, sizeof(id));
			step = 8;
		}
		if (size >= len + 8) {
			memcpy(out + len, v + off, 4);
			memcpy(out + len + 4, &id, sizeof(id));
		}
		off += step;
	}
	version = 2;
	if (size >= 4)
		memcpy(out, &version, sizeof(version));
	return !size || size >= len ? (ssize_t)len : -ERANGE;
}

/* The reverse: out has room for size bytes. A list was checked by who sets it. */
static size_t acl_import(const u8 *v, size_t size, u8 *out)
{
	const u32 version = 1;
	size_t len = sizeof(version);

	memcpy(out, &version, sizeof(version));
	for (size_t off = 4; off + 8 <= size; off += 8) {
		u16 tag;

		memcpy(&tag, v + off, sizeof(tag));
		memcpy(out + len, v + off, 4);
		len += 4;
		if (tag == ACL_USER || tag == ACL_GROUP) {
			memcpy(out + len, v + off + 4, 4);
			len += 4;
		}
	}
	return len;
}

static ssize_t value_out(const struct key *k, const u8 *value, u32 len, void *buf, size_t size)
{
	if (k->index == IDX_ACL_ACCESS || k->index == IDX_ACL_DEFAULT)
		return acl_export(value, len, buf, size);
	if (size && len > size)
		return -ERANGE;
	if (size)
		memcpy(buf, value, len);
	return (ssize_t)len;
}

/* far: set if the value is in an inode, which is not to be read under the tree's lock. */
static ssize_t region_read(struct inode *inode, const struct region *r, struct buf *b, const struct key *k, void *buf, size_t size, struct far_value *far)
{
	struct xattr_entry *e;
	kerr_t err = region_find(inode, r, k, &e);
	ssize_t n = kerr_code(err);

	if (!err && e->value_ino)
		*far = (struct far_value){ e->value_ino, e->value_size };
	else if (!err)
		n = value_out(k, r->base + e->value_offs, e->value_size, buf, size);
	buf_put(b);
	return n;
}

/* The contents of the inode, len bytes. */
static kerr_t far_copy(struct inode *value, u8 *dst, u32 len)
{
	for (u32 at = 0; at < len; at += (u32)PAGE_SIZE) {
		struct page *p;
		u8 *va;
		kerr_t err = mapping_read_page(value->mapping, at >> PAGE_SHIFT, NULL, &p);

		if (err)
			return err;
		va = page_map(p);
		memcpy(dst + at, va, MIN(len - at, (u32)PAGE_SIZE));
		page_unmap(va);
		page_put(p);
	}
	return KERR(0);
}

/* The hash of the value stands where other inodes have their atime. */
static ssize_t far_read(struct inode *inode, const struct key *k, const struct far_value *far, void *buf, size_t size)
{
	const struct ext2_sb *s = EXT2_SB(inode->sb);
	struct inode *value;
	u8 *mem = NULL;
	ssize_t n;
	kerr_t err;

	if (far->size > FAR_MAX)
		return kerr_code(corrupt(inode));
	err = ext2_iget_special(inode->sb, far->ino, &value);
	if (kerr_code(err) == -ESTALE)
		return kerr_code(corrupt(inode));
	if (err)
		return kerr_code(err);
	if (!S_ISREG(value->mode) || !(EXT2_I(value)->flags & EXT2_EA_INODE_FL) || inode_size(value) != (loff_t)far->size)
		err = corrupt(inode);
	if (!err) {
		mem = kmalloc(MAX(far->size, 1u), GFP_NOFS);
		err = mem ? far_copy(value, mem, far->size) : KERR(ENOMEM);
	}
	if (!err && crc32c(s->csum_seed, mem, far->size) != (u32)value->atime.sec)
		err = corrupt(inode);
	n = err ? kerr_code(err) : value_out(k, mem, far->size, buf, size);
	kfree(mem);
	inode_put(value);
	return n;
}

ssize_t ext2_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct ext2_inode *ei = EXT2_I(inode);
	struct far_value far = { 0 };
	ssize_t n = -ENODATA;
	struct region r;
	struct buf *b;
	struct key k;
	kerr_t err = key_parse(name, &k);

	if (err)
		return kerr_code(err);
	if (k.index == IDX_TRUSTED && !capable(CAP_SYS_ADMIN))
		return -ENODATA;
	rwsem_read_lock(&ei->tree);
	err = body_region(inode, false, &r, &b);
	if (!err)
		n = region_read(inode, &r, b, &k, buf, size, &far);
	else if (kerr_code(err) != -ENODATA)
		n = kerr_code(err);
	if (n == -ENODATA) {
		err = block_region(inode, &r, &b);
		n = err ? kerr_code(err) : region_read(inode, &r, b, &k, buf, size, &far);
	}
	rwsem_read_unlock(&ei->tree);
	return far.ino ? far_read(inode, &k, &far, buf, size) : n;
}

kerr_t ext2_xattr_inline(struct inode *inode, u8 *dst, u32 room, u32 *len)
{
	static const struct key k = { .index = IDX_SYSTEM, .len = 4, .name = "data" };
	struct ext2_inode *ei = EXT2_I(inode);
	struct xattr_entry *e;
	struct region r;
	struct buf *b;
	kerr_t err;

	*len = 0;
	rwsem_read_lock(&ei->tree);
	err = body_region(inode, false, &r, &b);
	if (!err) {
		err = region_find(inode, &r, &k, &e);
		if (!err && (e->value_ino || e->value_size > room)) {
			err = corrupt(inode);
		} else if (!err) {
			*len = e->value_size;
			memcpy(dst, r.base + e->value_offs, *len);
		}
		buf_put(b);
	}
	rwsem_read_unlock(&ei->tree);
	return kerr_code(err) == -ENODATA ? KERR(0) : err;
}

/* Adds the names of one region to buf; *total goes on counting past size. */
static kerr_t region_list(struct inode *inode, const struct region *r, char *buf, size_t size, size_t *total)
{
	struct xattr_entry *e;
	bool bad;

	for (u32 off = r->first; (e = entry_get(r, off, &bad)) != NULL; off += entry_len(e->name_len)) {
		for (unsigned i = 0; i < ARRAY_SIZE(prefixes); i++) {
			size_t n = strlen(prefixes[i].prefix);

			if (prefixes[i].index != e->name_index || (e->name_index == IDX_TRUSTED && !capable(CAP_SYS_ADMIN)))
				continue;
			if (*total + n + e->name_len + 1 <= size) {
				memcpy(buf + *total, prefixes[i].prefix, n);
				memcpy(buf + *total + n, e->name, e->name_len);
				buf[*total + n + e->name_len] = '\0';
			}
			*total += n + e->name_len + 1;
		}
	}
	return bad ? corrupt(inode) : KERR(0);
}

ssize_t ext2_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct ext2_inode *ei = EXT2_I(inode);
	size_t total = 0;
	struct region r;
	struct buf *b;
	kerr_t err;

	rwsem_read_lock(&ei->tree);
	err = body_region(inode, false, &r, &b);
	if (!err) {
		err = region_list(inode, &r, buf, size, &total);
		buf_put(b);
	} else if (kerr_code(err) == -ENODATA) {
		err = KERR(0);
	}
	if (!err) {
		err = block_region(inode, &r, &b);
		if (!err) {
			err = region_list(inode, &r, buf, size, &total);
			buf_put(b);
		} else if (kerr_code(err) == -ENODATA) {
			err = KERR(0);
		}
	}
	rwsem_read_unlock(&ei->tree);
	if (err)
		return kerr_code(err);
	return size && total > size ? -ERANGE : (ssize_t)total;
}

/* ---------------------------------------------------------------- building a region */
struct builder {
	struct region r; /* the new one */
	u32 at, low;	 /* next entry; lowest value */
	bool hashed;	 /* blocks carry hashes */
	bool full;
};

static u32 entry_hash(const struct xattr_entry *e, const u8 *value)
{
	u32 hash = 0;

	for (u32 i = 0; i < e->name_len; i++)
		hash = (hash << 5) ^ (hash >> 27) ^ (u8)e->name[i];
	for (u32 i = 0; i < e->value_size; i += 4) {
		u32 word = 0;

		memcpy(&word, value + i, MIN(4u, e->value_size - i));
		hash = (hash << 16) ^ (hash >> 16) ^ word;
	}
	return hash;
}

static void build_add(struct builder *b, const struct key *k, const void *value, u32 size)
{
	struct xattr_entry *e = (struct xattr_entry *)(void *)(b->r.base + b->at);

	if (b->full || b->at + entry_len(k->len) + 4 > b->low || value_len(size) > b->low - (b->at + entry_len(k->len) + 4)) {
		b->full = true;
		return;
	}
	b->low -= value_len(size);
	memcpy(b->r.base + b->low, value, size);
	e->name_len = k->len;
	e->name_index = k->index;
	e->value_offs = size ? (u16)b->low : 0;
	e->value_size = size;
	memcpy(e->name, k->name, k->len);
	e->hash = b->hashed ? entry_hash(e, b->r.base + b->low) : 0;
	b->at += entry_len(k->len);
}

static int key_cmp(const struct key *a, const struct xattr_entry *e)
{
	if (a->index != e->name_index)
		return a->index < e->name_index ? -1 : 1;
	if (a->len != e->name_len)
		return a->len < e->name_len ? -1 : 1;
	return memcmp(a->name, e->name, a->len);
}

/* The old region (may be NULL: empty) without k, and with k = val if val is not NULL, in order. b->r.base is zeroed memory. */
static kerr_t build(struct inode *inode, struct builder *b, const struct region *old, const struct key *k, const void *val, u32 size)
{
	struct xattr_entry *e;
	bool bad = false;

	b->at = b->r.first;
	b->low = b->r.size;
	for (u32 off = old ? old->first : 0; old && (e = entry_get(old, off, &bad)) != NULL; off += entry_len(e->name_len)) {
		struct key ek = { .index = e->name_index, .len = e->name_len, .name = e->name };
		int c = key_cmp(k, e);

		if (c < 0 && val) {
			build_add(b, k, val, size);
			val = NULL;
		}
		if (c)
			build_add(b, &ek, old->base + e->value_offs, e->value_size);
	}
	if (bad)
		return corrupt(inode);
	if (val)
		build_add(b, k, val, size);
	return b->full ? KERR(ENOSPC) : KERR(0);
}

/* ---------------------------------------------------------------- the block */
static void block_seal(u8 *data, u32 size)
{
	struct xattr_header *h = (struct xattr_header *)(void *)data;
	struct region r = { .base = data, .size = size, .first = sizeof(*h) };
	struct xattr_entry *e;
	bool bad;

	h->magic = XATTR_MAGIC;
	h->refcount = 1;
	h->blocks = 1;
	h->hash = 0;
	for (u32 off = r.first; (e = entry_get(&r, off, &bad)) != NULL; off += entry_len(e->name_len))
		h->hash = (h->hash << 16) ^ (h->hash >> 16) ^ e->hash;
}

/* One owner less; the last one frees it. tree held for writing. */
static void block_release(struct inode *inode, struct buf *b)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct xattr_header *h = b->data;
	u32 block = (u32)b->block;
	bool last;

	buf_lock(b);
	last = h->refcount <= 1;
	if (!last) {
		h->refcount--;
		buf_mark_dirty(b);
	}
	buf_unlock(b);
	if (last) {
		buf_forget(s->bdev, block);
		ext2_blocks_free(inode, block, 1);
	}
	ext2_add_blocks(inode, -1);
}

static void note_feature(struct ext2_sb *s)
{
	if (s->es->feature_compat & EXT2_COMPAT_EXT_ATTR)
		return;
	buf_lock(s->sbuf);
	s->es->feature_compat |= EXT2_COMPAT_EXT_ATTR;
	buf_mark_dirty(s->sbuf);
	buf_unlock(s->sbuf);
}

static kerr_t block_new(struct inode *inode, const u8 *data)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	u32 one = 1, block;
	struct buf *b;
	kerr_t err = ext2_blocks_alloc(inode, ext2_group_first(s, ei->group), &one, &block);

	if (err)
		return err;
	err = buf_get(s->bdev, block, &b);
	if (err) {
		ext2_blocks_free(inode, block, 1);
		return err;
	}
	buf_lock(b);
	memcpy(b->data, data, s->block_size);
	buf_set_uptodate(b);
	buf_mark_dirty(b);
	buf_unlock(b);
	buf_put(b);
	ei->file_acl = block;
	ext2_add_blocks(inode, 1);
	note_feature(s);
	return KERR(0);
}

/* Puts the built block in place of the old one (NULL: there was none). empty: no attributes are left in it. */
static kerr_t block_commit(struct inode *inode, struct buf *old, u8 *data, bool empty)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	const struct xattr_header *h = old ? old->data : NULL;
	kerr_t err = KERR(0);

	if (!empty)
		block_seal(data, s->block_size);
	if (old && !empty && h->refcount == 1) {
		buf_lock(old);
		memcpy(old->data, data, s->block_size);
		buf_mark_dirty(old);
		buf_unlock(old);
		return KERR(0);
	}
	if (!empty)
		err = block_new(inode, data);
	else
		EXT2_I(inode)->file_acl = 0;
	if (!err && old)
		block_release(inode, old);
	return err;
}

static void body_commit(struct region *r, struct buf *b, const u8 *data, bool empty)
{
	u32 magic = empty ? 0 : XATTR_MAGIC;

	buf_lock(b);
	memcpy(r->base - 4, &magic, sizeof(magic));
	memcpy(r->base, data, r->size);
	buf_mark_dirty(b);
	buf_unlock(b);
}

/* ---------------------------------------------------------------- setting */
struct place { /* one of the two regions, old and new */
	struct region old;
	struct buf *buf;
	struct builder b;
	bool room;   /* there is such a region, or there can be */
	bool exists; /* and there is something in it now */
	bool has;    /* the attribute among it */
};

static kerr_t place_look(struct inode *inode, struct place *p, const struct key *k)
{
	struct xattr_entry *e;
	kerr_t err;

	if (!p->exists)
		return KERR(0);
	err = region_find(inode, &p->old, k, &e);
	p->has = !err;
	return kerr_code(err) == -ENODATA ? KERR(0) : err;
}

static kerr_t places_open(struct inode *inode, const struct key *k, struct place *body, struct place *block)
{
	u32 magic;
	kerr_t err = body_region(inode, true, &body->old, &body->buf);

	if (err && kerr_code(err) != -ENODATA)
		return err;
	body->room = !err;
	if (body->room) {
		memcpy(&magic, body->old.base - 4, sizeof(magic));
		body->exists = magic == XATTR_MAGIC;
	}
	err = block_region(inode, &block->old, &block->buf);
	if (err && kerr_code(err) != -ENODATA)
		return err;
	block->room = true;
	block->exists = !err;
	err = place_look(inode, body, k);
	return err ? err : place_look(inode, block, k);
}

static kerr_t place_build(struct inode *inode, struct place *p, u8 *mem, u32 size, u32 first, bool hashed, const struct key *k, const void *val, u32 n)
{
	memset(mem, 0, size);
	p->b = (struct builder){ .r = { .base = mem, .size = size, .first = first }, .hashed = hashed };
	return build(inode, &p->b, p->exists ? &p->old : NULL, k, val, n);
}

static kerr_t set_locked(struct inode *inode, const struct key *k, const void *val, u32 size, int flags, u8 *body_mem, u8 *block_mem,
			 struct place *body, struct place *block)
{
	u32 bs = EXT2_SB(inode->sb)->block_size, first = sizeof(struct xattr_header);
	bool in_body = false, there;
	kerr_t err = places_open(inode, k, body, block);

	if (err)
		return err;
	there = body->has || block->has;
	if (there && (flags & XATTR_CREATE))
		return KERR(EEXIST);
	if (!there && (!val || (flags & XATTR_REPLACE)))
		return KERR(ENODATA);
	if (size > bs)
		return KERR(ENOSPC);
	/* Check: build what will be there. */
	if (body->room && val) {
		err = place_build(inode, body, body_mem, body->old.size, 0, false, k, val, size);
		in_body = !err;
		if (err && kerr_code(err) != -ENOSPC)
			return err;
	}
	if (body->room && !in_body) {
		err = place_build(inode, body, body_mem, body->old.size, 0, false, k, NULL, 0);
		if (err)
			return err;
	}
	err = place_build(inode, block, block_mem, bs, first, true, k, in_body ? NULL : val, size);
	if (err)
		return err;
	/* Commit: only the block can still fail, so it goes first. */
	if (block->has || (val && !in_body)) {
		err = block_commit(inode, block->exists ? block->buf : NULL, block_mem, block->b.at == first);
		if (err)
			return err;
	}
	if (body->has || in_body)
		body_commit(&body->old, body->buf, body_mem, body->b.at == 0);
	return KERR(0);
}

kerr_t ext2_setxattr(struct inode *inode, const char *name, const void *val, size_t size, int flags)
{
	struct ext2_sb *s = EXT2_SB(inode->sb);
	struct ext2_inode *ei = EXT2_I(inode);
	struct place body = { 0 }, block = { 0 };
	struct key k;
	kerr_t err = key_parse(name, &k);
	bool acl;
	u8 *mem;

	if (err)
		return err;
	if (k.index == IDX_TRUSTED && !capable(CAP_SYS_ADMIN))
		return KERR(EPERM);
	acl = val && (k.index == IDX_ACL_ACCESS || k.index == IDX_ACL_DEFAULT);
	if (acl && size > s->block_size)
		return KERR(ENOSPC);
	mem = kmalloc(3 * (size_t)s->block_size, GFP_NOFS);
	if (!mem)
		return KERR(ENOMEM);
	if (acl) {
		size = acl_import(val, size, mem + 2 * (size_t)s->block_size);
		val = mem + 2 * (size_t)s->block_size;
	}
	rwsem_write_lock(&ei->tree);
	err = set_locked(inode, &k, val, (u32)size, flags, mem, mem + s->block_size, &body, &block);
	rwsem_write_unlock(&ei->tree);
	buf_put(body.buf);
	buf_put(block.buf);
	kfree(mem);
	if (!err)
		inode_touch(inode, ATTR_CTIME);
	return err;
}

void ext2_xattr_delete(struct inode *inode)
{
	struct ext2_inode *ei = EXT2_I(inode);
	struct region r;
	struct buf *b;

	rwsem_write_lock(&ei->tree);
	if (ei->file_acl && !block_region(inode, &r, &b)) {
		block_release(inode, b);
		buf_put(b);
	}
	ei->file_acl = 0;
	rwsem_write_unlock(&ei->tree);
}
