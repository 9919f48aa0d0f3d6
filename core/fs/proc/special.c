/* SPDX-License-Identifier: MIT */
/* Files of /proc that are more than text: mem (another's memory), mounts and mountinfo (with poll), kmsg (the log as it grows). */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>

#include "proc_fs.h"

/* ---------------------------------------------------------------- mem */
static kerr_t mem_open(struct inode *inode, struct file *f)
{
	struct pctx c;
	kerr_t err = proc_ctx_get(inode, &c);

	if (err)
		return err;
	if (proc_may_look(c.task))
		f->priv = proc_task_mm(c.task); /* may be NULL: reads give 0 */
	else
		err = KERR(EACCES);
	proc_ctx_put(&c);
	return err;
}

static void mem_release(struct inode *inode, struct file *f)
{
	(void)inode;
	if (f->priv)
		mm_unref(f->priv);
}

static ssize_t mem_move(struct file *f, struct iov_iter *it, loff_t *pos, bool write)
{
	struct mm *mm = f->priv;
	size_t done = 0;
	char *buf;

	if (!mm)
		return 0;
	buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	while (it->count) {
		size_t n = MIN(it->count, (size_t)PAGE_SIZE);
		ssize_t moved;

		if (write && copy_from_iter(it, buf, n) != n)
			break;
		moved = mm_access(mm, (uaddr_t)*pos, buf, n, write);
		if (moved <= 0)
			break;
		if (!write && copy_to_iter(it, buf, (size_t)moved) != (size_t)moved)
			break;
		*pos += moved;
		done += (size_t)moved;
		if ((size_t)moved < n)
			break;
	}
	kfree(buf);
	return done ? (ssize_t)done : -EIO;
}

static ssize_t mem_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	return mem_move(f, it, pos, false);
}

static ssize_t mem_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	return mem_move(f, it, pos, true);
}

static loff_t mem_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	f->pos = off;
	return off;
}

const struct file_ops proc_mem_fops = {.open = mem_open, .release = mem_release, .read_iter = mem_read, .write_iter = mem_write, .llseek = mem_llseek};

/* ---------------------------------------------------------------- mounts */
static kerr_t mounts_open(struct inode *inode, struct file *f)
{
	struct seq_buf *s;
	kerr_t err = proc_text_fops.open(inode, f);

	if (err)
		return err;
	s = f->priv;
	vfs_show_mounts(s, proc_i(inode)->node->flags & (1 << 16));
	return 0;
}

static ssize_t mounts_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct seq_buf *s = f->priv;
	size_t moved;

	if (*pos == 0) {
		s->len = 0;
		s->failed = false;
		vfs_show_mounts(s, proc_i(f->inode)->node->flags & (1 << 16));
	}
	if (s->failed)
		return -ENOMEM;
	if (*pos < 0 || (u64)*pos >= s->len || !it->count)
		return 0;
	moved = copy_to_iter(it, s->buf + *pos, MIN(it->count, s->len - (size_t)*pos));
	if (!moved)
		return -EFAULT;
	*pos += (loff_t)moved;
	return (ssize_t)moved;
}

/* As Linux: always readable; a change of the mount tree is an error and a priority event, once. */
static u32 mounts_poll(struct file *f, struct poll_table *pt)
{
	struct vfs_state *v = &kernel()->vfs;
	u32 event = (u32)atomic_read(&v->mount_event), ready = EPOLLIN | EPOLLRDNORM;

	poll_wait(pt, f, &v->mount_wait);
	spin_lock(&f->lock);
	if (f->wb_err_seen != event) {
		if (f->wb_err_seen)
			ready |= EPOLLERR | EPOLLPRI;
		f->wb_err_seen = event;
	}
	spin_unlock(&f->lock);
	return ready;
}

static void mounts_release(struct inode *inode, struct file *f)
{
	proc_text_fops.release(inode, f);
}

const struct file_ops proc_mounts_fops = {
	.open = mounts_open, .release = mounts_release, .read_iter = mounts_read, .poll = mounts_poll, .llseek = generic_llseek};

/* ---------------------------------------------------------------- kmsg: the log's text, given out once, waiting for more; as syslog(2) */
static kerr_t kmsg_open(struct inode *inode, struct file *f)
{
	(void)inode;
	(void)f;
	return capable(CAP_SYSLOG) ? KERR(0) : KERR(EPERM);
}

static ssize_t kmsg_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	bool nonblock = f->flags & O_NONBLOCK;
	ssize_t n;

	(void)pos;
	if (!it->count)
		return -EINVAL;
	n = syslog_read(it, nonblock);
	return n || !nonblock ? n : -EAGAIN;
}

static u32 kmsg_poll(struct file *f, struct poll_table *pt)
{
	poll_wait(pt, f, log_wait());
	return log_end() > log_unread() ? EPOLLIN | EPOLLRDNORM : 0;
}

const struct file_ops proc_kmsg_fops = {.open = kmsg_open, .read_iter = kmsg_read, .poll = kmsg_poll};
