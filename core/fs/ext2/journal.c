/* SPDX-License-Identifier: MIT */
/*
 * The journal of ext3 and ext4 (jbd2), for reading: what an unclean one holds is replayed into the buffer cache and pinned there. The disk is never written,
 * so mounting such an image changes nothing, and the image is as it was once it is unmounted.
 *
 * The log is a ring of blocks in an inode, all big-endian. A transaction is descriptor blocks (each a list of tags, and behind it the blocks they name),
 * revoke blocks (names of blocks that older copies must not be written to) and one commit block. Three passes over it, as Documentation/filesystems/ext4/journal
 * of Linux has it: find the last whole transaction, gather what was revoked, replay. Each step takes a block of the ring, so a pass ends.
 *
 * Fast commits are not replayed: the tree is then that of the last full commit, and the log says so.
 *
 * Locking: runs in mount, alone; the buf's lock while its content is replaced.
 */
#include "ext2.h"

#define J_MAGIC 0xC03B3998u
#define J_ESCAPE 1u
#define J_SAME_UUID 2u
#define J_LAST_TAG 8u
#define J_COMPAT_CHECKSUM 1u
#define J_REVOKE 1u
#define J_64BIT 2u
#define J_ASYNC_COMMIT 4u
#define J_CSUM_V2 8u
#define J_CSUM_V3 16u
#define J_FAST_COMMIT 32u
#define J_KNOWN (J_REVOKE | J_64BIT | J_ASYNC_COMMIT | J_CSUM_V2 | J_CSUM_V3 | J_FAST_COMMIT)
#define J_CRC32 1
#define J_CRC32C 4
#define J_FC_BLOCKS 256u
#define FC_TAG_HEAD 9

enum { J_DESCRIPTOR = 1, J_COMMIT = 2, J_SUPER_V1 = 3, J_SUPER_V2 = 4, J_REVOKES = 5 };

/* All big-endian. */
struct j_header {
	u32 magic, type, sequence;
};
struct j_super {
	struct j_header h;
	u32 blocksize, maxlen, first, sequence, start, err, compat, incompat, ro_compat;
	u8 uuid[16];
	u32 users, dynsuper, max_transaction, max_trans_data;
	u8 checksum_type, pad[3];
	u32 num_fc_blocks, head, pad2[40], checksum;
};
struct j_commit {
	struct j_header h;
	u8 checksum_type, checksum_size, pad[2];
	u32 checksum[8];
	u32 sec_hi, sec, nsec;
};
struct j_revokes {
	struct j_header h;
	u32 bytes; /* of all that is used in the block */
};
_Static_assert(offsetof(struct j_super, users) == 64 && offsetof(struct j_super, checksum) == 252 && offsetof(struct j_commit, checksum) == 16 &&
		       offsetof(struct j_commit, sec_hi) == 48,
	       "journal");

enum pass { PASS_SCAN, PASS_REVOKE, PASS_REPLAY };

struct revoke {
	u32 block, sequence;
};

struct journal {
	struct super *sb;
	struct ext2_sb *s;
	struct inode *inode;
	/* of its superblock */
	u32 first, last, maxlen, start, sequence, compat, incompat, fc_blocks, seed;
	u32 tag_bytes, tail_bytes; /* tail_bytes: a checksum at the end of descriptor and revoke blocks */
	/* found by PASS_SCAN */
	u32 end_sequence;
	/* by PASS_REVOKE */
	struct revoke *revokes;
	u32 nrevokes, revoke_room;
	/* by PASS_REPLAY */
	u32 replay_room, replayed;
	bool bad_data;
};

/* Where a pass is. */
struct walk {
	enum pass pass;
	u32 at, left;	 /* next block of the log; how many there are to go until it has come round */
	u32 sequence;	 /* of the transaction that is read */
	u64 last_commit; /* s: commit times only grow, so an older one is left from the last time round */
	u32 crc;	 /* J_COMPAT_CHECKSUM: of the transaction so far */
	bool doubtful;	 /* a checksum did not fit: corrupt, or left from before? Its commit will tell */
	bool end;
};

static bool seq_after(u32 a, u32 b)
{
	return (s32)(a - b) > 0;
}

static bool has_csum(const struct journal *j)
{
	return j->incompat & (J_CSUM_V2 | J_CSUM_V3);
}

static u32 get_be32(const void *p)
{
	u32 v;

	memcpy(&v, p, sizeof(v));
	return be32_to_cpu(v);
}

/* CRC-32 with the bits the other way round, as the first checksums of journals have it. */
static u32 crc32_be(u32 crc, const u8 *p, size_t n)
{
	while (n--) {
		crc ^= (u32)*p++ << 24;
		for (unsigned i = 0; i < 8; i++)
			crc = (crc << 1) ^ (crc & 0x80000000u ? 0x04c11db7u : 0);
	}
	return crc;
}

static kerr_t corrupt(const struct journal *j, const char *what, u32 at)
{
	klog_err("EXT2-fs (%s): journal, block %u: %s", j->sb->id, at, what);
	return KERR(EUCLEAN);
}

/* ---------------------------------------------------------------- blocks of the log */
static kerr_t read_log(struct journal *j, u32 at, struct buf **out)
{
	u32 phys, len;
	bool fresh;
	kerr_t err = ext2_map(j->inode, at, 1, false, &phys, &len, &fresh);

	if (err)
		return err;
	if (!phys)
		return corrupt(j, "a hole", at);
	return buf_read(j->s->bdev, phys, out);
}

/* The next block in the ring; KERR(ENODATA): it has come round. */
static kerr_t next_block(struct journal *j, struct walk *w, struct buf **out)
{
	kerr_t err;

	if (!w->left)
		return KERR(ENODATA);
	err = read_log(j, w->at, out);
	w->left--;
	if (++w->at >= j->last)
		w->at = j->first;
	return err;
}

/* Of a block with one 32-bit field, at `at`, that counts as 0. */
static bool block_csum_ok(const struct journal *j, const struct buf *b, u32 at)
{
	static const u32 zero;
	const u8 *p = b->data;
	u32 crc = crc32c(j->seed, p, at);

	crc = crc32c(crc, &zero, sizeof(zero));
	crc = crc32c(crc, p + at + sizeof(zero), b->size - at - sizeof(zero));
	return crc == get_be32(p + at);
}

/* ---------------------------------------------------------------- what was revoked */
static int cmp_revoke(const void *a, const void *b)
{
	const struct revoke *x = a, *y = b;

	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return seq_after(x->sequence, y->sequence) ? 1 : x->sequence == y->sequence ? 0 : -1;
}

/* Sorted, the newest of each block. */
static void revokes_compact(struct journal *j)
{
	u32 n = 0;

	sort(j->revokes, j->nrevokes, sizeof(j->revokes[0]), cmp_revoke);
	for (u32 i = 0; i < j->nrevokes; i++) {
		if (n && j->revokes[n - 1].block == j->revokes[i].block)
			n--;
		j->revokes[n++] = j->revokes[i];
	}
	j->nrevokes = n;
}

static kerr_t revoke_add(struct journal *j, u32 block, u32 sequence)
{
	if (j->nrevokes == j->revoke_room) {
		revokes_compact(j);
		if (j->nrevokes >= j->revoke_room / 2) {
			u32 room = j->revoke_room ? 2 * j->revoke_room : 64;
			struct revoke *more = krealloc(j->revokes, room * sizeof(*more), GFP_KERNEL);

			if (!more)
				return KERR(ENOMEM);
			j->revokes = more;
			j->revoke_room = room;
		}
	}
	j->revokes[j->nrevokes++] = (struct revoke){ block, sequence };
	return KERR(0);
}

static bool is_revoked(const struct journal *j, u32 block, u32 sequence)
{
	u32 lo = 0, hi = j->nrevokes;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (j->revokes[mid].block < block)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < j->nrevokes && j->revokes[lo].block == block && !seq_after(sequence, j->revokes[lo].sequence);
}

static kerr_t take_revokes(struct journal *j, const struct walk *w, const struct buf *b)
{
	const struct j_revokes *r = b->data;
	u32 size = j->incompat & J_64BIT ? 8 : 4, end = be32_to_cpu(r->bytes);
	kerr_t err = KERR(0);

	if (end > b->size - j->tail_bytes)
		return corrupt(j, "too many revoked blocks", (u32)b->block);
	for (u32 at = sizeof(*r); at + size <= end && !err; at += size) {
		const u8 *p = (const u8 *)b->data + at;

		if (size == 8 && get_be32(p))
			continue; /* there is no such block */
		err = revoke_add(j, get_be32(p + size - 4), w->sequence);
	}
	return err;
}

/* ---------------------------------------------------------------- replay */
static kerr_t pin(struct journal *j, struct buf *b)
{
	struct ext2_sb *s = j->s;

	if (s->nreplayed == j->replay_room) {
		u32 room = j->replay_room ? 2 * j->replay_room : 64;
		struct buf **more = krealloc(s->replayed, room * sizeof(*more), GFP_KERNEL);

		if (!more)
			return KERR(ENOMEM);
		s->replayed = more;
		j->replay_room = room;
	}
	s->replayed[s->nreplayed++] = b;
	return KERR(0);
}

static kerr_t replay_block(struct journal *j, u32 block, const struct buf *from, bool escaped)
{
	static const u32 magic = cpu_to_le32(__builtin_bswap32(J_MAGIC));
	struct buf *b;
	kerr_t err;

	if (block >= j->s->blocks_count)
		return corrupt(j, "names a block beyond the file system", (u32)from->block);
	err = buf_get(j->s->bdev, block, &b);
	if (err)
		return err;
	err = pin(j, b);
	if (err) {
		buf_put(b);
		return err;
	}
	buf_lock(b);
	memmove(b->data, from->data, b->size);
	if (escaped)
		memcpy(b->data, &magic, sizeof(magic));
	buf_set_uptodate(b);
	buf_unlock(b);
	j->replayed++;
	return KERR(0);
}

struct tag {
	u32 block, block_hi, flags, csum;
};

static struct tag tag_read(const struct journal *j, const u8 *p)
{
	struct tag t = { .block = get_be32(p) };

	if (j->incompat & J_CSUM_V3) {
		t.flags = get_be32(p + 4);
		t.block_hi = get_be32(p + 8);
		t.csum = get_be32(p + 12);
	} else {
		t.csum = (u32)p[4] << 8 | p[5];
		t.flags = (u32)p[6] << 8 | p[7];
		t.block_hi = j->incompat & J_64BIT ? get_be32(p + 8) : 0;
	}
	return t;
}

static bool data_csum_ok(const struct journal *j, const struct tag *t, u32 sequence, const struct buf *b)
{
	u32 be = be32_to_cpu(sequence), crc;

	if (!has_csum(j))
		return true;
	crc = crc32c(crc32c(j->seed, &be, sizeof(be)), b->data, b->size);
	return j->incompat & J_CSUM_V3 ? crc == t->csum : (u16)crc == t->csum;
}

static kerr_t take_tag(struct journal *j, struct walk *w, const struct tag *t)
{
	struct buf *b;
	kerr_t err;

	if (w->pass != PASS_REPLAY && !(w->pass == PASS_SCAN && (j->compat & J_COMPAT_CHECKSUM))) {
		if (!w->left)
			return KERR(ENODATA);
		w->left--;
		if (++w->at >= j->last)
			w->at = j->first;
		return KERR(0);
	}
	err = next_block(j, w, &b);
	if (err)
		return err;
	if (w->pass == PASS_SCAN) {
		w->crc = crc32_be(w->crc, b->data, b->size);
	} else if (t->block_hi || !is_revoked(j, t->block, w->sequence)) {
		if (!data_csum_ok(j, t, w->sequence, b)) {
			klog_err("EXT2-fs (%s): journal: invalid checksum of block %u in transaction %u", j->sb->id, t->block, w->sequence);
			j->bad_data = true;
		} else {
			err = t->block_hi ? corrupt(j, "names a block beyond the file system", (u32)b->block) :
					    replay_block(j, t->block, b, t->flags & J_ESCAPE);
		}
	}
	buf_put(b);
	return err;
}

static kerr_t take_descriptor(struct journal *j, struct walk *w, const struct buf *b)
{
	const u8 *p = (const u8 *)b->data + sizeof(struct j_header), *end = (const u8 *)b->data + b->size - j->tail_bytes;
	kerr_t err = KERR(0);

	if (w->pass == PASS_SCAN && (j->compat & J_COMPAT_CHECKSUM))
		w->crc = crc32_be(w->crc, b->data, b->size);
	while (!err && (size_t)(end - p) >= j->tag_bytes) {
		struct tag t = tag_read(j, p);

		err = take_tag(j, w, &t);
		p += j->tag_bytes + (t.flags & J_SAME_UUID ? 0 : 16);
		if ((t.flags & J_LAST_TAG) || p > end)
			break;
	}
	return err;
}

/* ---------------------------------------------------------------- the passes */
static bool commit_csum_ok(const struct journal *j, const struct walk *w, const struct buf *b)
{
	const struct j_commit *c = b->data;

	if (has_csum(j))
		return block_csum_ok(j, b, offsetof(struct j_commit, checksum));
	if (!(j->compat & J_COMPAT_CHECKSUM) || (!c->checksum_type && !c->checksum_size))
		return true;
	return c->checksum_type == J_CRC32 && c->checksum_size == sizeof(u32) && be32_to_cpu(c->checksum[0]) == w->crc;
}

static kerr_t take_commit(struct journal *j, struct walk *w, const struct buf *b)
{
	const struct j_commit *c = b->data;
	u64 time = (u64)be32_to_cpu(c->sec_hi) << 32 | be32_to_cpu(c->sec);

	if (w->pass == PASS_SCAN) {
		if (w->doubtful && time < w->last_commit) {
			w->end = true;
			return KERR(0);
		}
		if (w->doubtful || (!commit_csum_ok(j, w, b) && time >= w->last_commit && !(j->incompat & J_ASYNC_COMMIT))) {
			klog_err("EXT2-fs (%s): journal transaction %u is corrupt", j->sb->id, w->sequence);
			return w->doubtful ? KERR(EBADMSG) : KERR(EUCLEAN);
		}
		if (!commit_csum_ok(j, w, b)) { /* with asynchronous commits: its blocks may not have made it */
			w->end = true;
			return KERR(0);
		}
		w->last_commit = time;
	}
	w->sequence++;
	w->crc = ~0u;
	return KERR(0);
}

/* One block of the log that is none of data. */
static kerr_t step(struct journal *j, struct walk *w)
{
	const struct j_header *h;
	struct buf *b;
	u32 type;
	kerr_t err;

	if (w->pass != PASS_SCAN && w->sequence == j->end_sequence) {
		w->end = true;
		return KERR(0);
	}
	err = next_block(j, w, &b);
	if (err)
		return err;
	h = b->data;
	type = be32_to_cpu(h->type);
	if (be32_to_cpu(h->magic) != J_MAGIC || be32_to_cpu(h->sequence) != w->sequence) {
		w->end = true;
	} else if (type == J_COMMIT) {
		err = take_commit(j, w, b);
	} else if (type == J_DESCRIPTOR || type == J_REVOKES) {
		if (j->tail_bytes && !block_csum_ok(j, b, b->size - j->tail_bytes))
			w->doubtful = true;
		if (w->doubtful && w->pass != PASS_SCAN)
			err = KERR(EBADMSG);
		else if (type == J_DESCRIPTOR)
			err = take_descriptor(j, w, b);
		else if (w->pass == PASS_REVOKE)
			err = take_revokes(j, w, b);
	} else {
		w->end = true;
	}
	buf_put(b);
	return err;
}

static kerr_t run(struct journal *j, enum pass pass)
{
	struct walk w = { .pass = pass, .at = j->start, .left = j->last - j->first, .sequence = j->sequence, .crc = ~0u };
	kerr_t err = KERR(0);

	while (!err && !w.end) {
		err = step(j, &w);
		cond_resched();
	}
	if (kerr_code(err) == -ENODATA) /* all of the ring was in use */
		err = KERR(0);
	if (pass == PASS_SCAN)
		j->end_sequence = w.sequence;
	else if (!err && w.sequence != j->end_sequence)
		err = corrupt(j, "changed while it was read", w.at);
	return err;
}

/* ---------------------------------------------------------------- opening it */
static kerr_t check_super_csum(const struct journal *j, const struct j_super *js)
{
	u32 at = offsetof(struct j_super, checksum), crc;
	static const u32 zero;

	if (!has_csum(j))
		return KERR(0);
	if ((j->incompat & J_CSUM_V2) && (j->incompat & J_CSUM_V3))
		return corrupt(j, "two kinds of checksums", 0);
	if (js->checksum_type != J_CRC32C)
		return corrupt(j, "unknown kind of checksums", 0);
	crc = crc32c(crc32c(~0u, js, at), &zero, sizeof(zero));
	crc = crc32c(crc, (const u8 *)js + at + sizeof(zero), sizeof(struct ext2_super) - at - sizeof(zero)); /* it is as long as that one */
	if (crc == be32_to_cpu(js->checksum))
		return KERR(0);
	klog_err("EXT2-fs (%s): journal: invalid checksum of its superblock", j->sb->id);
	return KERR(EBADMSG);
}

static kerr_t parse_super(struct journal *j, const struct j_super *js)
{
	u32 type = be32_to_cpu(js->h.type), unknown;

	if (be32_to_cpu(js->h.magic) != J_MAGIC || be32_to_cpu(js->blocksize) != j->s->block_size || (type != J_SUPER_V1 && type != J_SUPER_V2))
		return corrupt(j, "no journal superblock", 0);
	j->first = be32_to_cpu(js->first);
	j->last = j->maxlen = be32_to_cpu(js->maxlen);
	j->sequence = be32_to_cpu(js->sequence);
	j->start = be32_to_cpu(js->start);
	if (type == J_SUPER_V2) {
		j->compat = be32_to_cpu(js->compat);
		j->incompat = be32_to_cpu(js->incompat);
		unknown = j->incompat & ~J_KNOWN;
		if (unknown) {
			klog_err("EXT2-fs (%s): journal: unsupported features 0x%x", j->sb->id, unknown);
			return KERR(EINVAL);
		}
	}
	if (j->incompat & J_FAST_COMMIT) {
		j->fc_blocks = js->num_fc_blocks ? be32_to_cpu(js->num_fc_blocks) : J_FC_BLOCKS;
		if (j->fc_blocks >= j->maxlen)
			return corrupt(j, "bad size of fast commits", 0);
		j->last -= j->fc_blocks;
	}
	if (!j->first || j->first >= j->last || j->maxlen > j->s->blocks_count || (u64)j->maxlen > (u64)inode_size(j->inode) >> j->s->block_bits)
		return corrupt(j, "bad size", 0);
	if (j->start && (j->start < j->first || j->start >= j->last))
		return corrupt(j, "starts outside of itself", 0);
	j->seed = crc32c(~0u, js->uuid, sizeof(js->uuid));
	j->tail_bytes = has_csum(j) ? sizeof(u32) : 0;
	j->tag_bytes = j->incompat & J_CSUM_V3 ? 16 : 8 + (j->incompat & J_CSUM_V2 ? 2u : 0) + (j->incompat & J_64BIT ? 4u : 0);
	return check_super_csum(j, js);
}

static bool has_fast_commits(struct journal *j)
{
	struct buf *b;
	const u8 *p;
	u32 sequence;
	u16 tag;
	bool there;

	if (!j->fc_blocks || read_log(j, j->last, &b))
		return false;
	p = b->data;
	memcpy(&tag, p, sizeof(tag)); /* tag and length; features; the transaction it goes on from: little-endian */
	memcpy(&sequence, p + 8, sizeof(sequence));
	there = tag == FC_TAG_HEAD && sequence == j->end_sequence;
	buf_put(b);
	return there;
}

static int cmp_buf(const void *a, const void *b)
{
	const struct buf *x = *(struct buf *const *)a, *y = *(struct buf *const *)b;

	return x->block < y->block ? -1 : x->block > y->block;
}

/* Sorted, one reference to each. */
static void replayed_compact(struct ext2_sb *s)
{
	u32 n = 0;

	sort(s->replayed, s->nreplayed, sizeof(s->replayed[0]), cmp_buf);
	for (u32 i = 0; i < s->nreplayed; i++) {
		if (n && s->replayed[n - 1] == s->replayed[i])
			buf_put(s->replayed[i]);
		else
			s->replayed[n++] = s->replayed[i];
	}
	s->nreplayed = n;
}

static kerr_t replay_log(struct journal *j)
{
	kerr_t err = KERR(0);

	if (!j->start) { /* nothing in it, but fast commits maybe */
		j->end_sequence = j->sequence;
	} else {
		for (enum pass pass = PASS_SCAN; pass <= PASS_REPLAY && !err; pass++) {
			err = run(j, pass);
			if (pass == PASS_REVOKE && !err)
				revokes_compact(j);
		}
	}
	replayed_compact(j->s);
	if (!err && j->bad_data)
		err = KERR(EBADMSG);
	if (err)
		return err;
	klog_info("EXT2-fs (%s): journal: recovered in memory, %u transactions, %u blocks; the disk is as it was", j->sb->id,
		  j->start ? j->end_sequence - j->sequence : 0, j->s->nreplayed);
	if (has_fast_commits(j))
		klog_warn("EXT2-fs (%s): journal: fast commits are not replayed: files are as of the last full commit", j->sb->id);
	return KERR(0);
}

/* Out of the cache again: the replay may have changed it. */
static void forget(struct inode *inode)
{
	EXT2_I(inode)->valid = false;
	inode->nlink = 0;
	inode_put(inode);
}

kerr_t ext2_journal_recover(struct super *sb)
{
	struct ext2_sb *s = EXT2_SB(sb);
	struct journal j = { .sb = sb, .s = s };
	struct buf *b;
	kerr_t err;

	if (!s->es->journal_inum) {
		klog_err("EXT2-fs (%s): journal on another device: not supported", sb->id);
		return KERR(EINVAL);
	}
	err = ext2_iget_special(sb, s->es->journal_inum, &j.inode);
	if (kerr_code(err) == -ESTALE)
		err = KERR(EUCLEAN);
	if (err) {
		klog_err("EXT2-fs (%s): cannot read the journal's inode %u: error %d", sb->id, s->es->journal_inum, kerr_code(err));
		return err;
	}
	if (!S_ISREG(j.inode->mode) || ext2_has_inline_data(j.inode))
		err = corrupt(&j, "its inode is no file", 0);
	if (!err)
		err = read_log(&j, 0, &b);
	if (!err) {
		err = parse_super(&j, b->data);
		buf_put(b);
	}
	if (!err)
		err = replay_log(&j);
	kfree(j.revokes);
	forget(j.inode);
	return err;
}

void ext2_journal_forget(struct ext2_sb *s)
{
	for (u32 i = 0; i < s->nreplayed; i++) {
		u64 block = s->replayed[i]->block;

		buf_put(s->replayed[i]);
		buf_forget(s->bdev, block);
	}
	kfree(s->replayed);
	s->replayed = NULL;
	s->nreplayed = 0;
}

bool ext2_is_replayed(const struct ext2_sb *s, u32 block)
{
	u32 lo = 0, hi = s->nreplayed;

	while (lo < hi) {
		u32 mid = lo + (hi - lo) / 2;

		if (s->replayed[mid]->block < block)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->nreplayed && s->replayed[lo]->block == block;
}
