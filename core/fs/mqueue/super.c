/* SPDX-License-Identifier: MIT */
/*
 * The mqueue file system: all queues in one directory, mounted on /dev/mqueue by who likes (mq_overview(7), "Mounting the message queue filesystem"). A
 * file's text says what its queue holds; open(2) makes a queue with the usual limits. The directory is tmpfs's.
 */
#include <maestro/fs.h>
#include <maestro/lib.h>
#include <maestro/posix_timer.h>

#include "mqueue.h"

#define MQUEUE_MAGIC 0x19800202

static struct inode *mqueue_alloc_inode(struct super *sb)
{
	struct mq_inode *m = kzalloc(sizeof(*m), GFP_KERNEL);

	(void)sb;
	if (!m)
		return NULL;
	spin_init(&m->q.lock, RANK_SPIN_OUTER, "mqueue");
	list_init(&m->q.messages);
	list_init(&m->q.senders);
	list_init(&m->q.receivers);
	wait_queue_init(&m->q.poll_wait);
	list_init(&m->t.xattrs);
	return &m->t.vfs;
}

static void mqueue_free_inode(struct inode *inode)
{
	kfree(container_of(inode, struct mq_inode, t.vfs));
}

static void mqueue_evict_inode(struct inode *inode)
{
	mapping_truncate(&inode->data, 0);
	if (S_ISREG(inode->mode) && mq_of(inode)->user) {
		mq_fini(mq_of(inode));
		atomic_dec(&mq_state()->queues);
	}
}

/* ---------------------------------------------------------------- files */

static ssize_t mq_read_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct mq_queue *q = mq_of(f->inode);
	char text[MQ_FILE_SIZE];
	size_t n, moved;

	spin_lock(&q->lock);
	n = (size_t)kscnprintf(text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", (unsigned long)q->bytes,
			       q->notify_owner ? q->notify_kind : 0, q->notify_owner && q->notify_kind == SIGEV_SIGNAL ? q->notify_sig : 0,
			       q->notify_owner ? q->notify_owner->pid : 0);
	spin_unlock(&q->lock);
	if (*pos < 0 || *pos >= (loff_t)n)
		return 0;
	n -= (size_t)*pos;
	moved = copy_to_iter(it, text + *pos, MIN(n, it->count));
	if (!moved && it->count)
		return -EFAULT;
	*pos += (loff_t)moved;
	inode_touch(f->inode, ATTR_ATIME | ATTR_CTIME);
	return (ssize_t)moved;
}

static u32 mq_poll(struct file *f, struct poll_table *pt)
{
	struct mq_queue *q = mq_of(f->inode);
	u32 mask = 0;

	poll_wait(pt, f, &q->poll_wait);
	spin_lock(&q->lock);
	if (q->count)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (q->count < q->attr.maxmsg)
		mask |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock(&q->lock);
	return mask;
}

/* Any close of the queue by the process that wanted to be told ends that. */
static kerr_t mq_flush(struct file *f)
{
	return current->proc ? mq_set_notify(mq_of(f->inode), NULL) : KERR(0);
}

const struct file_ops mq_file_fops = {
	.read_iter = mq_read_iter,
	.poll = mq_poll,
	.flush = mq_flush,
	.llseek = generic_llseek,
};
static const struct inode_ops mq_file_ops;

/* ---------------------------------------------------------------- directory */

static kerr_t inode_make(struct super *sb, const struct inode *dir, mode_t mode, struct inode **out)
{
	struct inode *inode;
	kerr_t err = inode_new(sb, &inode);

	if (err)
		return err;
	inode->ino = (ino_t)atomic_add_return(&tmpfs_sb(sb)->next_ino, 1);
	inode_init_owner(inode, dir, mode);
	inode->nlink = S_ISDIR(mode) ? 2 : 1;
	inode->atime = inode->mtime = inode->ctime = inode->btime = ktime_get_real_coarse_ts();
	*out = inode;
	return 0;
}

static kerr_t queue_make(struct inode *dir, mode_t mode, struct inode **out)
{
	struct mqueue_state *s = mq_state();
	struct inode *inode;
	kerr_t err;

	if ((u32)atomic_read(&s->queues) >= load_relaxed(&s->queues_max) && !capable(CAP_SYS_RESOURCE))
		return KERR(ENOSPC);
	err = inode_make(dir->sb, dir, (mode & ~S_IFMT) | S_IFREG, &inode);
	if (err)
		return err;
	inode->ops = &mq_file_ops;
	inode->fops = &mq_file_fops;
	inode->size = MQ_FILE_SIZE;
	err = mq_init(mq_of(inode), load_relaxed(&s->creator) == current ? s->creator_attr : NULL);
	if (err) {
		inode->nlink = 0;
		inode_put(inode);
		return err;
	}
	atomic_inc(&s->queues);
	*out = inode;
	return 0;
}

static void touch_dir(struct inode *dir)
{
	inode_touch(dir, ATTR_ATIME | ATTR_MTIME | ATTR_CTIME);
}

static kerr_t mqueue_create(struct inode *dir, struct dentry *d, mode_t mode)
{
	struct inode *inode;
	kerr_t err = queue_make(dir, mode, &inode);

	if (err)
		return err;
	err = tmpfs_dirent_add(dir, d->name.str, d->name.len, inode);
	if (err) {
		inode->nlink = 0;
		inode_put(inode);
		return err;
	}
	touch_dir(dir);
	dentry_instantiate(d, inode);
	return 0;
}

static kerr_t mqueue_lookup(struct inode *dir, struct dentry *d)
{
	return tmpfs_dir_ops.lookup(dir, d);
}

static kerr_t mqueue_unlink(struct inode *dir, struct dentry *d)
{
	return tmpfs_dir_ops.unlink(dir, d);
}

static const struct inode_ops mqueue_dir_ops = { .lookup = mqueue_lookup, .create = mqueue_create, .unlink = mqueue_unlink };

kerr_t mq_create_named(const char *name, mode_t mode, const struct mq_attr_k *attr, struct path *out)
{
	struct mqueue_state *s = mq_state();
	struct path root = { s->mnt, s->mnt->root };
	kerr_t err;

	DEBUG_ASSERT(mutex_is_held(&s->mutex));
	s->creator_attr = attr;
	store_relaxed(&s->creator, attr ? current : NULL);
	err = vfs_create(&root, name, mode, out);
	store_relaxed(&s->creator, NULL);
	return err;
}

/* ---------------------------------------------------------------- super */

static kerr_t mqueue_statfs(struct super *sb, struct kstatfs *out)
{
	*out = (struct kstatfs) { .type = sb->magic, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX };
	return 0;
}

static void mqueue_put_super(struct super *sb)
{
	kfree(sb->priv);
	sb->priv = NULL;
}

static const struct super_ops mqueue_super_ops = {
	.alloc_inode = mqueue_alloc_inode,
	.free_inode = mqueue_free_inode,
	.evict_inode = mqueue_evict_inode,
	.put_super = mqueue_put_super,
	.kill_tree = tmpfs_dir_free_all,
	.statfs = mqueue_statfs,
};

static kerr_t mqueue_fill_super(struct super *sb, const char *data, bool silent)
{
	struct inode *root;
	kerr_t err;

	(void)data;
	(void)silent;
	sb->priv = kzalloc(sizeof(struct tmpfs_super), GFP_KERNEL);
	if (!sb->priv)
		return KERR(ENOMEM);
	sb->ops = &mqueue_super_ops;
	sb->magic = MQUEUE_MAGIC;
	sb->blocksize = PAGE_SIZE;
	sb->max_bytes = S32_MAX;
	sb->time_gran = 1;
	err = inode_make(sb, NULL, S_IFDIR | 01777, &root);
	if (!err) {
		root->ops = &mqueue_dir_ops;
		root->fops = &tmpfs_dir_fops;
		root->size = 2 * TMPFS_DIRENT_SIZE;
		err = dentry_make_root(root, &sb->root);
	}
	if (err)
		mqueue_put_super(sb);
	return err;
}

static const struct fs_type mqueue_type = { .name = "mqueue", .flags = FS_SINGLE | FS_NODEV_LISTED, .fill_super = mqueue_fill_super };

kerr_t mqueue_init(void)
{
	struct mqueue_state *s = mq_state();

	mutex_init(&s->mutex, RANK_MOUNT, "mqueue");
	s->queues_max = 256;
	s->msg_max = s->msg_default = 10;
	s->msgsize_max = s->msgsize_default = 8192;
	return fs_register(&mqueue_type);
}

kerr_t mqueue_start(void)
{
	return mount_kernel(&mqueue_type, "mqueue", 0, NULL, &mq_state()->mnt);
}
