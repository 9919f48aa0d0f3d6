/* SPDX-License-Identifier: MIT */
/*
 * The inode cache: inodes by (super, number), unused ones kept on an LRU list, dirty ones on their super's list.
 *
 * Life: inode_get_locked() makes one with I_NEW, which only its maker may use until inode_unlock_new(). The last inode_put() evicts an
 * inode without links (or unhashed), and keeps any other. While I_FREEING stands, the inode is still in the hash: a lookup of its number
 * waits until it is gone, so that the file system never has two inodes of one number.
 * Locking: vfs.inode_lock (hash, LRU, I_FREEING), sb->inodes_lock and sb->dirty_lock (outside it), inode.lock for the state word (inside).
 */
#include "vfs_priv.h"

static struct hlist *ihash_slot(const struct super *sb, ino_t ino)
{
	u32 h = hash_u32((u32)ino ^ (u32)(ino >> 32)) ^ hash_ptr(sb);

	return &vfs()->ihash[(h ^ (h >> 16)) & vfs()->ihash_mask];
}

static void state_change(struct inode *inode, u32 set, u32 clear)
{
	spin_lock(&inode->lock);
	store_relaxed(&inode->state, (inode->state | set) & ~clear);
	spin_unlock(&inode->lock);
}

void inode_flags_change(struct inode *inode, u32 set, u32 clear)
{
	spin_lock(&inode->lock);
	store_relaxed(&inode->flags, (inode->flags | set) & ~clear);
	spin_unlock(&inode->lock);
}

static struct inode *find_locked(struct super *sb, ino_t ino)
{
	struct inode *i;

	assert_held(&vfs()->inode_lock);
	hlist_for_each(i, ihash_slot(sb, ino), hash)
		if (i->ino == ino && i->sb == sb)
			return i;
	return NULL;
}

static void inode_free(struct inode *inode)
{
	struct super *sb = inode->sb;

	locks_free(inode);
	if (sb->ops && sb->ops->free_inode)
		sb->ops->free_inode(inode);
	else if (sb->ops && sb->ops->alloc_inode)
		kfree(inode);
	else
		kmem_cache_free(vfs()->inode_cache, inode);
}

kerr_t inode_new(struct super *sb, struct inode **out)
{
	struct inode *i;

	if (sb->ops && sb->ops->alloc_inode)
		i = sb->ops->alloc_inode(sb);
	else
		i = kmem_cache_alloc(vfs()->inode_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));
	if (!i)
		return KERR(ENOMEM);
	i->sb = sb;
	i->nlink = 1;
	atomic_set(&i->refs, 1);
	rwsem_init(&i->rwsem, RANK_INODE, "inode.rwsem");
	spin_init(&i->lock, RANK_ISPIN, "inode.lock");
	list_init(&i->lru);
	list_init(&i->dirty_node);
	list_init(&i->dentries);
	mapping_init(&i->data, i, NULL);
	i->mapping = &i->data;
	spin_lock(&sb->inodes_lock);
	list_add_tail(&sb->inodes, &i->sb_node);
	spin_unlock(&sb->inodes_lock);
	spin_lock(&vfs()->inode_lock);
	vfs()->ninodes++;
	spin_unlock(&vfs()->inode_lock);
	*out = i;
	return 0;
}

static void lru_remove_locked(struct inode *i)
{
	if (!list_empty(&i->lru)) {
		list_del(&i->lru);
		vfs()->niunused--;
	}
}

/* Cleans an inode with I_FREEING set and no references out of everything, then frees it. */
static void inode_evict(struct inode *inode)
{
	struct super *sb = inode->sb;

	DEBUG_ASSERT(atomic_read(&inode->refs) == 0);
	spin_lock(&sb->dirty_lock);
	list_del(&inode->dirty_node);
	spin_unlock(&sb->dirty_lock);
	if (!(inode->state & I_BAD) && sb->ops && sb->ops->evict_inode)
		sb->ops->evict_inode(inode);
	if (inode->data.nrpages)
		mapping_truncate(&inode->data, 0);
	spin_lock(&sb->dirty_lock);
	list_del(&inode->dirty_node);
	spin_unlock(&sb->dirty_lock);
	spin_lock(&sb->inodes_lock);
	list_del(&inode->sb_node);
	spin_unlock(&sb->inodes_lock);
	spin_lock(&vfs()->inode_lock);
	hlist_del(&inode->hash);
	vfs()->ninodes--;
	spin_unlock(&vfs()->inode_lock);
	if (wait_queue_active(&vfs()->inode_wait))
		wake_up_all(&vfs()->inode_wait);
	inode_free(inode);
}

void inode_put(struct inode *inode)
{
	int old = atomic_read(&inode->refs);
	bool evict = false;

	while (old > 1)
		if (atomic_cmpxchg(&inode->refs, &old, old - 1))
			return;
	spin_lock(&vfs()->inode_lock);
	if (atomic_dec_and_test(&inode->refs)) {
		evict = inode->nlink == 0 || hlist_unhashed(&inode->hash);
		if (evict) {
			lru_remove_locked(inode);
			state_change(inode, I_FREEING, 0);
		} else if (list_empty(&inode->lru)) {
			list_add_tail(&vfs()->ilru, &inode->lru);
			vfs()->niunused++;
		}
	}
	spin_unlock(&vfs()->inode_lock);
	if (evict)
		inode_evict(inode);
}

bool inode_grab(struct inode *inode)
{
	bool ok;

	spin_lock(&vfs()->inode_lock);
	ok = !(load_relaxed(&inode->state) & (I_FREEING | I_NEW)); /* I_NEW goes under inode.lock only */
	if (ok)
		atomic_inc(&inode->refs);
	spin_unlock(&vfs()->inode_lock);
	return ok;
}

static bool inode_is_going(struct super *sb, ino_t ino)
{
	struct inode *i;
	bool going;

	spin_lock(&vfs()->inode_lock);
	i = find_locked(sb, ino);
	going = i && (i->state & I_FREEING);
	spin_unlock(&vfs()->inode_lock);
	return going;
}

/* Finds a live one, with a reference and past I_NEW; waits for one that is going. NULL: not there. */
static struct inode *find_wait(struct super *sb, ino_t ino)
{
	for (;;) {
		struct inode *i;
		bool going;

		spin_lock(&vfs()->inode_lock);
		i = find_locked(sb, ino);
		going = i && (i->state & I_FREEING);
		if (i && !going)
			atomic_inc(&i->refs);
		spin_unlock(&vfs()->inode_lock);
		if (!i)
			return NULL;
		if (going) {
			wait_event(&vfs()->inode_wait, !inode_is_going(sb, ino));
			continue;
		}
		if (READ_ONCE(i->state) & I_NEW)
			wait_event(&vfs()->inode_wait, !(READ_ONCE(i->state) & I_NEW));
		if (!(READ_ONCE(i->state) & I_BAD))
			return i;
		inode_put(i);
	}
}

struct inode *inode_find(struct super *sb, ino_t ino)
{
	return find_wait(sb, ino);
}

kerr_t inode_get_locked(struct super *sb, ino_t ino, struct inode **out)
{
	for (;;) {
		struct inode *i = find_wait(sb, ino);
		kerr_t err;
		bool lost;

		if (i) {
			*out = i;
			return 0;
		}
		err = inode_new(sb, &i);
		if (err)
			return err;
		i->ino = ino;
		i->state = I_NEW;
		spin_lock(&vfs()->inode_lock);
		lost = find_locked(sb, ino) != NULL;
		if (!lost)
			hlist_add(ihash_slot(sb, ino), &i->hash);
		spin_unlock(&vfs()->inode_lock);
		if (!lost) {
			*out = i;
			return 0;
		}
		state_change(i, I_BAD, I_NEW);
		inode_put(i);
	}
}

void inode_insert(struct inode *inode)
{
	state_change(inode, I_NEW, 0);
	spin_lock(&vfs()->inode_lock);
	hlist_add(ihash_slot(inode->sb, inode->ino), &inode->hash);
	spin_unlock(&vfs()->inode_lock);
}

void inode_make_findable(struct inode *inode)
{
	spin_lock(&vfs()->inode_lock);
	if (hlist_unhashed(&inode->hash))
		hlist_add(ihash_slot(inode->sb, inode->ino), &inode->hash);
	spin_unlock(&vfs()->inode_lock);
}

void inode_unlock_new(struct inode *inode)
{
	if (S_ISDIR(inode->mode))
		inode->rwsem.rank = RANK_INODE_DIR;
	state_change(inode, 0, I_NEW);
	if (wait_queue_active(&vfs()->inode_wait))
		wake_up_all(&vfs()->inode_wait);
}

void inode_fail_new(struct inode *inode)
{
	spin_lock(&vfs()->inode_lock);
	hlist_del(&inode->hash);
	spin_unlock(&vfs()->inode_lock);
	state_change(inode, I_BAD, I_NEW);
	if (wait_queue_active(&vfs()->inode_wait))
		wake_up_all(&vfs()->inode_wait);
	inode_put(inode);
}

/* ---------------------------------------------------------------- dirty inodes */
void inode_mark_dirty(struct inode *inode, u32 what)
{
	struct super *sb = inode->sb;

	/* Racy on purpose: a clearer writes the inode after it cleared the bits, and so sees this change. */
	if ((READ_ONCE(inode->state) & what) == what)
		return;
	spin_lock(&sb->dirty_lock);
	spin_lock(&inode->lock);
	inode->state |= what;
	if (list_empty(&inode->dirty_node) && !(inode->state & I_FREEING) && sb->ops && sb->ops->write_inode) {
		inode->dirtied = ktime_get();
		list_add_tail(&sb->dirty, &inode->dirty_node);
	}
	spin_unlock(&inode->lock);
	spin_unlock(&sb->dirty_lock);
}

/* Off the dirty list unless something is still dirty. */
static void inode_settle(struct inode *inode)
{
	struct super *sb = inode->sb;

	spin_lock(&sb->dirty_lock);
	spin_lock(&inode->lock);
	if (!(inode->state & (I_DIRTY | I_DIRTY_PAGES | I_DIRTY_TIME)))
		list_del(&inode->dirty_node);
	spin_unlock(&inode->lock);
	spin_unlock(&sb->dirty_lock);
}

kerr_t inode_write_sync(struct inode *inode, bool wait)
{
	struct super *sb = inode->sb;
	u32 was = READ_ONCE(inode->state);
	kerr_t err = 0, err2;

	if (was & I_DIRTY_PAGES) {
		state_change(inode, 0, I_DIRTY_PAGES);
		err = mapping_write_range(inode->mapping, 0, S64_MAX, wait);
		if (xa_marked(&inode->mapping->pages, XA_MARK_DIRTY))
			state_change(inode, I_DIRTY_PAGES, 0);
	} else if (wait) {
		err = mapping_write_range(inode->mapping, 0, S64_MAX, true);
	}
	if ((READ_ONCE(inode->state) & (I_DIRTY | I_DIRTY_TIME)) && sb->ops && sb->ops->write_inode) {
		state_change(inode, 0, I_DIRTY | I_DIRTY_TIME);
		err2 = sb->ops->write_inode(inode, wait);
		if (err2)
			err = err2;
	}
	inode_settle(inode);
	return err;
}

/* ---------------------------------------------------------------- leaving */
static void dispose(struct list *victims)
{
	while (!list_empty(victims)) {
		struct inode *i = list_first(victims, struct inode, lru);

		list_del(&i->lru);
		inode_evict(i);
	}
}

/* The super goes: nobody uses its inodes any more, and they were written. */
void super_evict_inodes(struct super *sb)
{
	struct list victims;
	struct inode *i;

	list_init(&victims);
	spin_lock(&sb->inodes_lock);
	list_for_each(i, &sb->inodes, sb_node) {
		spin_lock(&vfs()->inode_lock);
		if (atomic_read_acquire(&i->refs) == 0 && !(i->state & I_FREEING)) {
			lru_remove_locked(i);
			state_change(i, I_FREEING, 0);
			list_add_tail(&victims, &i->lru);
		}
		spin_unlock(&vfs()->inode_lock);
	}
	spin_unlock(&sb->inodes_lock);
	dispose(&victims);
}

static size_t inode_shrink(struct shrinker *s, size_t nr, enum gfp gfp)
{
	struct vfs_state *v = vfs();
	size_t freed = 0, looked = 0;
	struct list victims;

	(void)s;
	if (!(gfp & GFP_WAIT) || (gfp & GFP_NOIO))
		return 0;
	list_init(&victims);
	spin_lock(&v->inode_lock);
	while (freed < nr && looked++ < nr * 2 && !list_empty(&v->ilru)) {
		struct inode *i = list_first(&v->ilru, struct inode, lru);

		if (atomic_read_acquire(&i->refs) > 0) {
			lru_remove_locked(i);
		} else if ((i->state & (I_DIRTY | I_DIRTY_PAGES | I_DIRTY_TIME | I_SYNC)) || i->data.nrpages) {
			/* Its pages go by the page reclaim, its changes by write-back; then its turn comes. */
			list_move_tail(&v->ilru, &i->lru);
		} else {
			lru_remove_locked(i);
			state_change(i, I_FREEING, 0);
			list_add_tail(&victims, &i->lru);
			freed++;
		}
	}
	spin_unlock(&v->inode_lock);
	dispose(&victims);
	return freed;
}

kerr_t inode_cache_init(void)
{
	struct vfs_state *v = vfs();
	u32 buckets = hash_buckets(512, 32768, 8);
	kerr_t err;

	spin_init(&v->inode_lock, RANK_INODE_CACHE, "inode cache");
	spin_init(&v->ino_lock, RANK_LEAF, "ino");
	list_init(&v->ilru);
	wait_queue_init(&v->inode_wait);
	err = kmem_cache_create(&v->inode_cache, "inode", sizeof(struct inode), 16);
	if (err)
		return err;
	v->ihash = kzalloc(buckets * sizeof(struct hlist), GFP_KERNEL);
	if (!v->ihash)
		return KERR(ENOMEM);
	v->ihash_mask = buckets - 1;
	v->inode_shrinker.name = "inode";
	v->inode_shrinker.shrink = inode_shrink;
	shrinker_register(&v->inode_shrinker);
	return 0;
}

u64 vfs_new_ino(void)
{
	u64 ino;

	spin_lock(&vfs()->ino_lock);
	ino = ++vfs()->next_ino;
	spin_unlock(&vfs()->ino_lock);
	return ino;
}

/* ---------------------------------------------------------------- fields */
#if __SIZEOF_LONG__ == 8
loff_t inode_size(const struct inode *inode)
{
	return load_relaxed(&inode->size);
}

void inode_set_size(struct inode *inode, loff_t size)
{
	store_relaxed(&inode->size, size);
}
#else
/* Two words: the lock keeps a reader from seeing halves of two sizes. */
loff_t inode_size(const struct inode *inode)
{
	struct inode *i = (struct inode *)(uintptr_t)inode;
	loff_t size;

	spin_lock(&i->lock);
	size = i->size;
	spin_unlock(&i->lock);
	return size;
}

void inode_set_size(struct inode *inode, loff_t size)
{
	spin_lock(&inode->lock);
	inode->size = size;
	spin_unlock(&inode->lock);
}
#endif

void inode_nlink_drop(struct inode *inode)
{
	ASSERT(inode->nlink > 0);
	inode->nlink--;
	inode_mark_dirty(inode, DIRTY_SYNC);
}

void inode_nlink_add(struct inode *inode)
{
	inode->nlink++;
	inode_mark_dirty(inode, DIRTY_SYNC);
}

void inode_init_special(struct inode *inode, mode_t mode, dev_t rdev)
{
	inode->mode = mode;
	inode->rdev = S_ISCHR(mode) || S_ISBLK(mode) ? rdev : 0;
	/* Device nodes get theirs at open, by number: the driver may come later. */
	inode->fops = S_ISFIFO(mode) ? &fifo_fops : NULL;
}

void inode_init_owner(struct inode *inode, const struct inode *dir, mode_t mode)
{
	const struct cred *c = current_cred();

	inode->uid = c->fsuid;
	inode->gid = c->fsgid;
	if (dir && (dir->mode & S_ISGID)) {
		inode->gid = dir->gid;
		if (S_ISDIR(mode))
			mode |= S_ISGID;
	}
	inode->mode = mode;
}

kerr_t inode_write_get(struct inode *inode)
{
	int n = atomic_read(&inode->writers);

	do {
		if (n < 0)
			return KERR(ETXTBSY);
	} while (!atomic_cmpxchg(&inode->writers, &n, n + 1));
	return 0;
}

void inode_write_put(struct inode *inode)
{
	atomic_dec(&inode->writers);
}
