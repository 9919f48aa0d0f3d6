/* SPDX-License-Identifier: MIT */
/*
 * The dentry cache: names of directories, positive and negative, found by (parent, name).
 *
 * Structures: a hash table of dentries; each dentry is on its parent's list of children and on its inode's list of aliases; unused ones
 * are on an LRU list and stay hashed until memory is wanted. A child holds a reference to its parent, a positive dentry one to its inode.
 * Locking: vfs.dcache_lock covers all of it and nothing sleeps under it, so that a walk of many components takes it once. Inodes are
 * put after it is dropped: freed dentries are first collected on a list of victims.
 * Only a holder of a reference, or one who holds the lock while the count is 0, may unhash a dentry; dentry_put() relies on it.
 */
#include "vfs_priv.h"

#include <maestro/notify.h>

static struct hlist *dhash_slot(u32 hash)
{
	return &vfs()->dhash[(hash ^ (hash >> 16)) & vfs()->dhash_mask];
}

u32 name_hash(const struct dentry *parent, const char *s, size_t len)
{
	u32 h = name_hash_start(parent);

	for (size_t i = 0; i < len; i++)
		h = name_hash_step(h, (u8)s[i]);
	return name_hash_end(h);
}

struct dentry *dcache_find_locked(struct dentry *parent, const char *s, u32 len, u32 hash)
{
	struct dentry *d;

	assert_held(&vfs()->dcache_lock);
	hlist_for_each(d, dhash_slot(hash), hash) {
		if (d->name.hash != hash || d->parent != parent || d->name.len != len)
			continue;
		if (memcmp(d->name.str, s, len) == 0) {
			if (!(d->flags & DENTRY_REFERENCED))
				d->flags |= DENTRY_REFERENCED;
			return d;
		}
	}
	return NULL;
}

struct dentry *dcache_find(struct dentry *parent, const struct name *n)
{
	struct dentry *d;

	spin_lock(&vfs()->dcache_lock);
	d = dcache_find_locked(parent, n->str, n->len, n->hash);
	if (d)
		dentry_get(d);
	spin_unlock(&vfs()->dcache_lock);
	return d;
}

static void dentry_hash_locked(struct dentry *d)
{
	d->flags |= DENTRY_HASHED;
	hlist_add(dhash_slot(d->name.hash), &d->hash);
}

static void dentry_unhash_locked(struct dentry *d)
{
	hlist_del(&d->hash);
	d->flags &= ~(u32)DENTRY_HASHED;
}

static void lru_remove_locked(struct dentry *d)
{
	if (d->flags & DENTRY_LRU) {
		list_del(&d->lru);
		d->flags &= ~(u32)DENTRY_LRU;
		vfs()->nunused--;
	}
}

static void lru_add_locked(struct dentry *d)
{
	if (!(d->flags & DENTRY_LRU)) {
		list_add_tail(&vfs()->dlru, &d->lru);
		d->flags |= DENTRY_LRU;
		vfs()->nunused++;
	}
}

/* Takes d out of every structure, onto the list of victims. Its parent's reference is still counted. */
static void dentry_detach_locked(struct dentry *d, struct list *victims)
{
	dentry_unhash_locked(d);
	lru_remove_locked(d);
	list_del(&d->sibling);
	list_del(&d->alias);
	list_add_tail(victims, &d->lru);
	vfs()->ndentries--;
}

/* Gives back one reference under the lock; unused dentries are kept or become victims, and so on upwards. */
static void dentry_unref_locked(struct dentry *d, struct list *victims)
{
	while (atomic_dec_and_test(&d->refs)) {
		struct dentry *parent = d->parent;

		if ((d->flags & DENTRY_HASHED) && !(d->ops && d->ops->no_cache_on_put)) {
			lru_add_locked(d);
			return;
		}
		dentry_detach_locked(d, victims);
		if (parent == d)
			return;
		d = parent;
	}
}

static void dentry_dispose(struct list *victims)
{
	while (!list_empty(victims)) {
		struct dentry *d = list_first(victims, struct dentry, lru);

		list_del(&d->lru);
		if (d->inode) {
			notify_inode_gone(d->inode);
			inode_put(d->inode);
		}
		if (d->flags & DENTRY_NAME_ALLOC)
			kfree(d->name.str);
		kmem_cache_free(vfs()->dentry_cache, d);
	}
}

void dentry_put(struct dentry *d)
{
	int old = atomic_read(&d->refs);
	struct list victims;

	for (;;) {
		DEBUG_ASSERT(old > 0);
		if (old == 1 && (d->flags & (DENTRY_HASHED | DENTRY_LRU)) != (DENTRY_HASHED | DENTRY_LRU))
			break;
		if (atomic_cmpxchg(&d->refs, &old, old - 1))
			return;
	}
	list_init(&victims);
	spin_lock(&vfs()->dcache_lock);
	dentry_unref_locked(d, &victims);
	spin_unlock(&vfs()->dcache_lock);
	dentry_dispose(&victims);
}

kerr_t dentry_alloc(struct super *sb, struct dentry *parent, const struct name *n, struct dentry **out)
{
	struct dentry *d = kmem_cache_alloc(vfs()->dentry_cache, GFP_KERNEL);
	char *text;

	if (!d)
		return KERR(ENOMEM);
	memset(d, 0, offsetof(struct dentry, inline_name));
	text = d->inline_name;
	if (n->len >= DNAME_INLINE) {
		text = kmalloc(n->len + 1, GFP_KERNEL);
		if (!text) {
			kmem_cache_free(vfs()->dentry_cache, d);
			return KERR(ENOMEM);
		}
		d->flags = DENTRY_NAME_ALLOC;
	}
	memcpy(text, n->str, n->len);
	text[n->len] = 0;
	d->name = (struct name) { text, n->len, n->hash };
	d->sb = sb;
	d->parent = d;
	atomic_set(&d->refs, 1);
	list_init(&d->sibling);
	list_init(&d->children);
	list_init(&d->lru);
	list_init(&d->alias);
	spin_lock(&vfs()->dcache_lock);
	vfs()->ndentries++;
	if (parent) {
		d->parent = dentry_get(parent);
		d->name.hash = name_hash(parent, text, n->len);
		list_add(&parent->children, &d->sibling);
	}
	spin_unlock(&vfs()->dcache_lock);
	*out = d;
	return 0;
}

static void dentry_set_inode_locked(struct dentry *d, struct inode *inode)
{
	DEBUG_ASSERT(!d->inode);
	if (S_ISDIR(inode->mode))
		inode->rwsem.rank = RANK_INODE_DIR;
	d->inode = inode;
	list_add(&inode->dentries, &d->alias);
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
	spin_lock(&vfs()->dcache_lock);
	dentry_set_inode_locked(d, inode);
	spin_unlock(&vfs()->dcache_lock);
}

/* Two lookups of one name may run at once (the directory is only read-locked): the second is marked LOST and its caller takes the first. */
void dentry_splice(struct dentry *d, struct inode *inode)
{
	spin_lock(&vfs()->dcache_lock);
	if (dcache_find_locked(d->parent, d->name.str, d->name.len, d->name.hash)) {
		d->flags |= DENTRY_LOST;
	} else {
		if (inode)
			dentry_set_inode_locked(d, inode);
		dentry_hash_locked(d);
		inode = NULL;
	}
	spin_unlock(&vfs()->dcache_lock);
	if (inode)
		inode_put(inode);
}

kerr_t dentry_make_root(struct inode *inode, struct dentry **out)
{
	const struct name n = { "/", 1, 0 };
	struct dentry *d;
	kerr_t err = dentry_alloc(inode->sb, NULL, &n, &d);

	if (err) {
		inode_put(inode);
		return err;
	}
	dentry_instantiate(d, inode);
	*out = d;
	return 0;
}

void dentry_drop(struct dentry *d)
{
	spin_lock(&vfs()->dcache_lock);
	dentry_unhash_locked(d);
	spin_unlock(&vfs()->dcache_lock);
}

void dentry_delete(struct dentry *d)
{
	struct inode *inode = NULL;

	spin_lock(&vfs()->dcache_lock);
	if (atomic_read_acquire(&d->refs) == 1 && (d->flags & DENTRY_HASHED) && list_empty(&d->children)) {
		inode = d->inode;
		d->inode = NULL;
		list_del(&d->alias);
	} else {
		dentry_unhash_locked(d);
	}
	spin_unlock(&vfs()->dcache_lock);
	if (inode) {
		notify_inode_gone(inode);
		inode_put(inode);
	}
}

/* Walks the tree below top, leaves first, without recursion; a directory is looked at again after its children went. force: pins do not count. */
static void dentry_collect_locked(struct dentry *top, bool force, struct list *victims)
{
	struct dentry *d = top;
	struct list *next = top->children.next;

	for (;;) {
		if (next != &d->children) {
			d = list_entry(next, struct dentry, sibling);
			next = d->children.next;
			continue;
		}
		if (d == top)
			return;
		next = d->sibling.next;
		if (force || atomic_read_acquire(&d->refs) == 0) {
			struct dentry *parent = d->parent;

			dentry_detach_locked(d, victims);
			atomic_dec(&parent->refs);
			d = parent;
		} else {
			d = d->parent;
		}
	}
}

void dentry_prune_children(struct dentry *d)
{
	struct list victims;

	list_init(&victims);
	spin_lock(&vfs()->dcache_lock);
	dentry_collect_locked(d, false, &victims);
	spin_unlock(&vfs()->dcache_lock);
	dentry_dispose(&victims);
}

void dentry_kill_tree(struct dentry *root)
{
	struct list victims;

	list_init(&victims);
	spin_lock(&vfs()->dcache_lock);
	dentry_collect_locked(root, true, &victims);
	dentry_detach_locked(root, &victims);
	spin_unlock(&vfs()->dcache_lock);
	dentry_dispose(&victims);
}

static void dentry_rename_locked(struct dentry *d, struct dentry *parent, struct name name, bool name_alloc)
{
	dentry_unhash_locked(d);
	list_del(&d->sibling);
	d->parent = parent;
	list_add(&parent->children, &d->sibling);
	d->name = name;
	d->name.hash = name_hash(parent, name.str, name.len);
	d->flags = (d->flags & ~(u32)DENTRY_NAME_ALLOC) | (name_alloc ? DENTRY_NAME_ALLOC : 0);
	dentry_hash_locked(d);
}

static void swap_names(struct dentry *a, struct dentry *b)
{
	bool a_alloc = a->flags & DENTRY_NAME_ALLOC, b_alloc = b->flags & DENTRY_NAME_ALLOC;
	const char *a_long = a->name.str, *b_long = b->name.str;
	u32 a_len = a->name.len, b_len = b->name.len;
	char tmp[DNAME_INLINE];

	memcpy(tmp, a->inline_name, DNAME_INLINE);
	memcpy(a->inline_name, b->inline_name, DNAME_INLINE);
	memcpy(b->inline_name, tmp, DNAME_INLINE);
	a->name = (struct name) { b_alloc ? b_long : a->inline_name, b_len, 0 };
	b->name = (struct name) { a_alloc ? a_long : b->inline_name, a_len, 0 };
	a->flags = (a->flags & ~(u32)DENTRY_NAME_ALLOC) | (b_alloc ? DENTRY_NAME_ALLOC : 0);
	b->flags = (b->flags & ~(u32)DENTRY_NAME_ALLOC) | (a_alloc ? DENTRY_NAME_ALLOC : 0);
}

/*
 * d takes target's name and place. Names are swapped, so that nothing is allocated; target ends unhashed under d's old name, or, with
 * exchange, hashed there. Both are referenced by the caller; the directories' rwsems and the rename mutex are held.
 */
void dentry_move(struct dentry *d, struct dentry *target, bool exchange)
{
	struct dentry *from, *to;

	spin_lock(&vfs()->dcache_lock);
	from = d->parent;
	to = target->parent;
	dentry_unhash_locked(d);
	dentry_unhash_locked(target);
	swap_names(d, target);
	dentry_rename_locked(d, to, d->name, d->flags & DENTRY_NAME_ALLOC);
	/* The references to the parents change hands with the places. */
	dentry_rename_locked(target, from, target->name, target->flags & DENTRY_NAME_ALLOC);
	if (!exchange)
		dentry_unhash_locked(target);
	spin_unlock(&vfs()->dcache_lock);
}

bool dentry_is_below(const struct dentry *d, const struct dentry *ancestor)
{
	while (d != ancestor) {
		if (d->parent == d)
			return false;
		d = d->parent;
	}
	return true;
}

/* Oldest first; what was found again since gets another round. */
#define SHRINK_STEP 256 /* dentries looked at under one holding of the lock */
static size_t dentry_shrink(struct shrinker *s, size_t nr, enum gfp gfp)
{
	/* Where all were used of late the hand goes round until it meets the first again: else there would seem to be nothing. */
	size_t freed = 0, looked = 0, most = 2 * load_relaxed(&vfs()->nunused);
	struct list victims;

	(void)s;
	/* Freeing a dentry may evict an inode, which may write. */
	if (!(gfp & GFP_WAIT) || (gfp & GFP_NOIO))
		return 0;
	list_init(&victims);
	spin_lock(&vfs()->dcache_lock);
	while (freed < nr && !list_empty(&vfs()->dlru) && looked++ < MAX(freed ? 0 : most, nr * 4)) {
		struct dentry *d = list_first(&vfs()->dlru, struct dentry, lru), *parent = d->parent;

		if (looked % SHRINK_STEP == 0) { /* others want the lock too */
			spin_unlock(&vfs()->dcache_lock);
			cond_resched();
			spin_lock(&vfs()->dcache_lock);
			continue;
		}
		if (atomic_read_acquire(&d->refs) > 0) {
			lru_remove_locked(d);
		} else if (d->flags & DENTRY_REFERENCED) {
			d->flags &= ~(u32)DENTRY_REFERENCED;
			list_move_tail(&vfs()->dlru, &d->lru);
		} else {
			dentry_detach_locked(d, &victims);
			freed++;
			if (parent != d)
				dentry_unref_locked(parent, &victims);
		}
	}
	spin_unlock(&vfs()->dcache_lock);
	dentry_dispose(&victims);
	return freed;
}

u32 hash_buckets(u32 least, u32 most, u32 pages)
{
	u64 free = page_free_count();
	u32 n = least;

	while (n < most && (u64)n * pages < free)
		n *= 2;
	return n;
}

kerr_t dcache_init(void)
{
	struct vfs_state *v = vfs();
	u32 buckets = hash_buckets(1024, 65536, 4);
	kerr_t err;

	spin_init(&v->dcache_lock, RANK_DCACHE, "dcache");
	list_init(&v->dlru);
	err = kmem_cache_create(&v->dentry_cache, "dentry", sizeof(struct dentry), 16);
	if (err)
		return err;
	v->dhash = kzalloc(buckets * sizeof(struct hlist), GFP_KERNEL);
	if (!v->dhash)
		return KERR(ENOMEM);
	v->dhash_mask = buckets - 1;
	v->dentry_shrinker.name = "dentry";
	v->dentry_shrinker.shrink = dentry_shrink;
	shrinker_register(&v->dentry_shrinker);
	return 0;
}
