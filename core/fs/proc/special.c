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
void proc_show_mounts(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	vfs_show_mounts(s, false);
}

void proc_show_mountinfo(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	vfs_show_mounts(s, true);
}

kerr_t proc_mounts_open(struct inode *inode, struct file *f)
{
	kerr_t err = proc_text_fops.open(inode, f);

	if (!err)
		((struct proc_text *)f->priv)->seen = (u32)atomic_read(&kernel()->vfs.mount_event);
	return err;
}

/* As Linux: always readable; a change of the mount tree is an error and a priority event, once. */
u32 proc_mounts_poll(struct file *f, struct poll_table *pt)
{
	struct vfs_state *v = &kernel()->vfs;
	struct proc_text *t = f->priv;
	u32 event, ready = EPOLLIN | EPOLLRDNORM;

	poll_wait(pt, f, &v->mount_wait);
	spin_lock(&f->lock);
	event = (u32)atomic_read(&v->mount_event);
	if (t->seen != event)
		ready |= EPOLLERR | EPOLLPRI;
	t->seen = event;
	spin_unlock(&f->lock);
	return ready;
}

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
