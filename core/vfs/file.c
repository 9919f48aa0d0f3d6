/* SPDX-License-Identifier: MIT */
/*
 * Open files: making, releasing, and the operations on them with kernel types.
 * A file's references to its mount and dentry keep the file system busy; FMODE_WRITER says that it is counted as a writer of its inode
 * (against execution) and of its mount (against a read-only remount).
 */
#include "vfs_priv.h"

#include <maestro/block.h>
#include <maestro/dev.h>
#include <maestro/notify.h>

static const struct file_ops no_fops;

struct file *file_alloc(void)
{
	struct file *f = kmem_cache_alloc(vfs()->file_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));

	if (!f)
		return NULL;
	atomic_set(&f->refs, 1);
	f->cred = cred_get(current_cred());
	spin_init(&f->lock, RANK_FILES, "file.lock");
	mutex_init(&f->pos_mutex, RANK_FILE_POS, "file.pos");
	list_init(&f->epoll_links);
	atomic_inc(&vfs()->nfiles);
	return f;
}

static kerr_t file_pick_ops(struct file *f, struct inode *inode)
{
	switch (inode->mode & S_IFMT) {
	case S_IFCHR:
		f->ops = chrdev_find(inode->rdev);
		return f->ops ? KERR(0) : KERR(ENXIO);
	case S_IFBLK:
		f->ops = &block_fops;
		return 0;
	case S_IFIFO:
		f->ops = &fifo_fops;
		return 0;
	case S_IFSOCK:
		return KERR(ENXIO);
	default:
		f->ops = inode->fops ? inode->fops : &no_fops;
		return 0;
	}
}

static kerr_t file_writer_get(struct file *f, struct inode *inode)
{
	kerr_t err = mount_want_write(f->path.mnt);

	if (err)
		return err;
	err = inode_write_get(inode);
	if (err)
		mount_drop_write(f->path.mnt);
	else
		f->mode |= FMODE_WRITER;
	return err;
}

bool file_can_direct(const struct file *f)
{
	const struct mapping *m = f->inode->mapping;

	return S_ISBLK(f->inode->mode) || (m->ops && m->ops->write_pages);
}

kerr_t file_finish_open(struct file *f, u32 flags)
{
	struct inode *inode = f->path.dentry->inode;
	kerr_t err;

	f->inode = inode;
	f->flags = flags & ~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	if (flags & O_PATH) {
		f->mode = FMODE_PATH;
		f->ops = &no_fops;
		return 0;
	}
	f->mode = (flags + 1) & O_ACCMODE;
	if ((f->mode & FMODE_WRITE) && S_ISREG(inode->mode)) {
		err = file_writer_get(f, inode);
		if (err)
			return err;
	}
	if ((f->mode & (FMODE_READ | FMODE_WRITE)) == FMODE_READ && S_ISREG(inode->mode)) {
		atomic_inc(&inode->readers);
		f->mode |= FMODE_READER;
	}
	if (S_ISREG(inode->mode)) {
		err = lease_break(inode, f->mode & FMODE_WRITE, flags & O_NONBLOCK);
		if (err)
			return err;
		if (!(flags & O_LARGEFILE) && inode_size(inode) > S32_MAX)
			return KERR(EOVERFLOW);
		f->ra.max_pages = 32;
	}
	f->wb_err_seen = errseq_sample(&inode->mapping->wb_err);
	f->sb_err_seen = errseq_sample(&f->path.mnt->sb->wb_err);
	err = file_pick_ops(f, inode);
	if (err)
		return err;
	if (f->ops->open) {
		f->flags |= flags & O_NOCTTY;
		err = f->ops->open(inode, f);
		f->flags &= ~O_NOCTTY;
		if (err)
			f->ops = NULL; /* nothing to release */
	}
	if (!err && (flags & O_DIRECT) && !file_can_direct(f))
		err = KERR(EINVAL);
	return err;
}

static void file_release(struct file *f)
{
	struct inode *inode = f->inode;

	if (inode && f->ops)
		notify_file(f, f->mode & FMODE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
	if (!list_empty(&f->epoll_links))
		epoll_file_released(f);
	if (inode && inode->locks)
		locks_remove_file(f);
	if (inode && unlikely(load_relaxed(&inode->nleases)))
		lease_file_released(f);
	dnotify_closed(f, NULL);
	if (unlikely(f->flags & O_ASYNC) && f->ops && f->ops->fasync) {
		kerr_t gone = f->ops->fasync(-1, f, false);

		(void)gone; /* only coming needs memory */
	}
	if (f->ops && f->ops->release)
		f->ops->release(inode, f);
	if (f->mode & FMODE_READER)
		atomic_dec(&inode->readers);
	if (f->mode & FMODE_WRITER) {
		inode_write_put(inode);
		mount_drop_write(f->path.mnt);
	}
	cred_put(f->cred);
	if (unlikely(f->mode & FMODE_UNMOUNT))
		mount_file_released(f->path.mnt);
	if (f->path.mnt)
		path_put(&f->path);
	atomic_dec(&vfs()->nfiles);
	kmem_cache_free(vfs()->file_cache, f);
}

static void release_deferred(struct work *w)
{
	unsigned long flags = spin_lock_irqsave(&vfs()->defer_lock);
	struct file *f = vfs()->deferred;

	(void)w;
	vfs()->deferred = NULL;
	spin_unlock_irqrestore(&vfs()->defer_lock, flags);
	while (f) {
		struct file *next = f->defer_next;

		file_release(f);
		f = next;
	}
}

void file_put(struct file *f)
{
	unsigned long flags;

	if (!atomic_dec_and_test(&f->refs))
		return;
	if (likely(atomic_read(&current->preempt_count) == 0)) {
		file_release(f);
		return;
	}
	flags = spin_lock_irqsave(&vfs()->defer_lock);
	f->defer_next = vfs()->deferred;
	vfs()->deferred = f;
	spin_unlock_irqrestore(&vfs()->defer_lock, flags);
	work_queue(&vfs()->defer_work);
}

static kerr_t file_init(void)
{
	struct vfs_state *v = vfs();

	spin_init(&v->defer_lock, RANK_WORK, "file.defer");
	work_init(&v->defer_work, release_deferred);
	v->aio_max = 65536;
	list_init(&v->leases);
	v->lease_break_time = 45;
	spin_init(&v->timerfd_lock, RANK_SPIN_OUTER, "timerfds");
	list_init(&v->timerfds);
	list_init(&v->dnotifies);
	v->dnotify_enable = 1;
	spin_init(&v->fasync_lock, RANK_SPIN_OUTER, "fasync");
	spin_init(&v->notify_lock, RANK_ISPIN, "notify");
	return kmem_cache_create(&v->file_cache, "file", sizeof(struct file), 16);
}

kerr_t vfs_init(void)
{
	kerr_t err = dcache_init();

	if (!err)
		err = inode_cache_init();
	if (!err)
		err = file_init();
	if (!err)
		err = locks_init();
	if (!err)
		err = epoll_init();
	if (!err)
		err = mount_init();
	if (!err)
		err = anon_init();
	return err;
}

/* ---------------------------------------------------------------- operations */
#define DIRECT_ALIGN 512u /* sectors; what goes through the cache all the same is held to it, as on a disk */

static bool direct_misaligned(const struct file *f, const struct iov_iter *it, loff_t pos)
{
	size_t bits = (size_t)pos | it->count;

	if (!S_ISREG(f->inode->mode) || it->kind != IOV_USER)
		return false;
	for (unsigned i = 0; i < it->nsegs; i++)
		bits |= (uintptr_t)it->iov[i].base | it->iov[i].len;
	return bits & (DIRECT_ALIGN - 1);
}

ssize_t vfs_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n;

	if (unlikely(!(f->mode & FMODE_READ)))
		return -EBADF;
	if (unlikely(!f->ops->read_iter))
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (unlikely(f->flags & O_DIRECT) && direct_misaligned(f, it, *pos))
		return -EINVAL;
	n = f->ops->read_iter(f, it, pos);
	if (n > 0) {
		current->io_rchar += (u64)n;
		notify_file(f, IN_ACCESS);
	}
	return n;
}

ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n;

	if (unlikely(!(f->mode & FMODE_WRITE)))
		return -EBADF;
	if (unlikely(!f->ops->write_iter))
		return -EINVAL;
	if (unlikely(f->flags & O_DIRECT) && direct_misaligned(f, it, f->flags & O_APPEND ? 0 : *pos))
		return -EINVAL;
	n = f->ops->write_iter(f, it, pos);
	if (n > 0) {
		current->io_wchar += (u64)n;
		notify_file(f, IN_MODIFY);
	}
	return n;
}

ssize_t file_read_kernel(struct file *f, void *buf, size_t n, loff_t pos)
{
	struct iov_iter it;

	if (!f->ops->read_iter)
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	iov_iter_kernel(&it, buf, n, true);
	return f->ops->read_iter(f, &it, &pos);
}

ssize_t file_write_kernel(struct file *f, const void *buf, size_t n, loff_t pos)
{
	struct iov_iter it;

	if (!(f->mode & FMODE_WRITE))
		return -EBADF;
	if (!f->ops->write_iter)
		return -EINVAL;
	iov_iter_kernel(&it, (void *)(uintptr_t)buf, n, false);
	return f->ops->write_iter(f, &it, &pos);
}

kerr_t vfs_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	if (!f->ops->fsync)
		return KERR(EINVAL);
	return f->ops->fsync(f, start, end, datasync);
}

long vfs_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	long ret = f->ops->ioctl ? f->ops->ioctl(f, cmd, arg) : -ENOIOCTLCMD;

	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

u32 vfs_poll(struct file *f, struct poll_table *pt)
{
	if (!f->ops->poll)
		return EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;
	return f->ops->poll(f, pt);
}

loff_t noop_llseek(struct file *f, loff_t off, int whence)
{
	(void)off;
	(void)whence;
	return f->pos;
}

loff_t fixed_size_llseek(struct file *f, loff_t off, int whence, loff_t size)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence == SEEK_END)
		off += size;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0 || off > size)
		return -EINVAL;
	f->pos = off;
	return off;
}

loff_t vfs_llseek(struct file *f, loff_t off, int whence)
{
	if (f->ops->llseek)
		return f->ops->llseek(f, off, whence);
	if (f->mode & FMODE_STREAM)
		return -ESPIPE;
	return generic_llseek(f, off, whence);
}

kerr_t vfs_iterate(struct file *f, struct dir_context *ctx)
{
	struct inode *inode = f->inode;
	kerr_t err;

	if (!f->ops->iterate)
		return KERR(ENOTDIR);
	rwsem_read_lock(&inode->rwsem);
	if (load_relaxed(&inode->flags) & INODE_DEAD) {
		err = KERR(ENOENT);
	} else {
		ctx->pos = f->pos;
		err = f->ops->iterate(f, ctx);
		f->pos = ctx->pos;
		file_accessed(f);
	}
	rwsem_read_unlock(&inode->rwsem);
	if (!err)
		notify_file(f, IN_ACCESS);
	return err;
}
