/* SPDX-License-Identifier: MIT */
/*
 * Pseudo-terminals. The slave is a whole struct tty; the master is its cable: reading it takes the slave's output from a ring, writing it runs
 * the slave's discipline at once, in the writer's context. The table of pairs serves /dev/ptmx and devpts.
 *
 * Life: a pair is freed with the last reference on its tty (the master's file, slave files, processes whose terminal it is).
 * Locking: tty_state.pty_lock for the table and what devpts shows; pty.lock for the master's side, inside the slave's ldisc lock.
 * Specification: pty(7), pts(4), TIOCPKT in ioctl_tty(2), grantpt(3).
 */
#include "tty_priv.h"

#include <maestro/lib.h>
#include <maestro/tty_ioctl.h>

#define OUT_MASK (PTY_OUT - 1)
#define CHUNK 256u

/* ---- the slave's driver ---- */
static struct pty *pty_of(struct tty *t)
{
	return t->pty;
}

static u32 out_used(const struct pty *p)
{
	return load_relaxed(&p->out_head) - load_relaxed(&p->out_tail);
}

static size_t slave_write_room(struct tty *t)
{
	struct pty *p = pty_of(t);

	return load_relaxed(&p->master_closed) ? PTY_OUT : PTY_OUT - out_used(p);
}

static void wake_master(struct pty *p, u32 events)
{
	if (wait_queue_active(&p->master_read))
		wake_up_poll(&p->master_read, events);
	fasync_notify(&p->master_async, events & EPOLLPRI ? POLL_PRI : POLL_IN);
}

static size_t slave_write(struct tty *t, const u8 *buf, size_t n)
{
	struct pty *p = pty_of(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);
	size_t first;

	if (p->master_closed) {
		spin_unlock_irqrestore(&p->lock, flags);
		return n; /* nobody will ever read it */
	}
	n = MIN(n, (size_t)(PTY_OUT - (p->out_head - p->out_tail)));
	first = MIN(n, (size_t)(PTY_OUT - (p->out_head & OUT_MASK)));
	memcpy(p->out + (p->out_head & OUT_MASK), buf, first);
	memcpy(p->out, buf + first, n - first);
	store_relaxed(&p->out_head, p->out_head + (u32)n);
	spin_unlock_irqrestore(&p->lock, flags);
	wake_master(p, EPOLLIN | EPOLLRDNORM);
	return n;
}

/* The master flushes its input. */
static void drop_output(struct tty *t)
{
	struct pty *p = pty_of(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	store_relaxed(&p->out_tail, p->out_head);
	spin_unlock_irqrestore(&p->lock, flags);
}

void pty_packet(struct tty *t, u8 set, u8 clear)
{
	struct pty *p = t->pty;
	unsigned long flags;

	if (!p)
		return;
	flags = spin_lock_irqsave(&p->lock);
	if (p->packet)
		p->pktstatus = (u8)((p->pktstatus & ~clear) | set);
	spin_unlock_irqrestore(&p->lock, flags);
	if (p->packet)
		wake_master(p, EPOLLIN | EPOLLRDNORM | EPOLLPRI);
}

static bool usual_flow(const struct ktermios *k)
{
	return (k->iflag & IXON) && k->cc[VSTART] == 021 && k->cc[VSTOP] == 023;
}

static void slave_set_termios(struct tty *t, const struct ktermios *old)
{
	bool flow = usual_flow(&t->termios);

	t->termios.cflag = (t->termios.cflag & ~(CSIZE | PARENB)) | CS8 | CREAD;
	if (flow != usual_flow(old))
		pty_packet(t, flow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP, TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
	if ((t->termios.lflag | old->lflag) & EXTPROC)
		pty_packet(t, TIOCPKT_IOCTL, 0);
}

static const struct tty_driver_ops slave_ops = {
	.write = slave_write,
	.write_room = slave_write_room,
	/* No flush_output: what the slave wrote is the master's to read at once, nothing lies between. */
	.set_termios = slave_set_termios,
};

void pty_master_room(struct pty *p)
{
	if (wait_queue_active(&p->master_write))
		wake_up_poll(&p->master_write, EPOLLOUT | EPOLLWRNORM);
}

kerr_t pty_slave_check_open(struct pty *p)
{
	unsigned long flags = spin_lock_irqsave(&p->lock);
	bool refuse = p->master_closed || p->locked;

	if (!refuse)
		p->slave_closed = false;
	spin_unlock_irqrestore(&p->lock, flags);
	return refuse ? KERR(EIO) : KERR(0);
}

void pty_slave_last_close(struct pty *p)
{
	unsigned long flags = spin_lock_irqsave(&p->lock);

	p->slave_closed = true;
	spin_unlock_irqrestore(&p->lock, flags);
	wake_up_n(&p->master_read, 0, EPOLLIN | EPOLLHUP);
	wake_up_n(&p->master_write, 0, EPOLLOUT | EPOLLHUP);
	fasync_notify(&p->master_async, POLL_IN);
}

/* ---- the table ---- */
static void pty_release(struct tty *t)
{
	struct pty *p = t->pty;
	struct tty_state *s = tty_state();
	unsigned long flags = spin_lock_irqsave(&s->pty_lock);

	s->ptys[p->index] = NULL;
	s->pty_count--;
	spin_unlock_irqrestore(&s->pty_lock, flags);
	kfree(p->out);
	kfree(p);
}

struct pty *pty_find(unsigned index)
{
	struct tty_state *s = tty_state();
	unsigned long flags = spin_lock_irqsave(&s->pty_lock);
	struct pty *p = index < s->pty_slots ? s->ptys[index] : NULL;

	if (p && !atomic_inc_not_zero(&p->tty.refs))
		p = NULL;
	spin_unlock_irqrestore(&s->pty_lock, flags);
	return p;
}

static void fill_info(const struct pty *p, struct pts_info *out)
{
	*out = (struct pts_info){ p->index, p->serial, p->uid, p->gid, p->mode };
}

bool pty_info(unsigned index, struct pts_info *out)
{
	struct tty_state *s = tty_state();
	unsigned long flags = spin_lock_irqsave(&s->pty_lock);
	struct pty *p = index < s->pty_slots ? s->ptys[index] : NULL;
	bool found = p && p->node;

	if (found)
		fill_info(p, out);
	spin_unlock_irqrestore(&s->pty_lock, flags);
	return found;
}

bool pty_alive(unsigned index, u32 serial)
{
	struct pts_info info;

	return pty_info(index, &info) && info.serial == serial;
}

bool pty_next(unsigned from, unsigned *index)
{
	struct tty_state *s = tty_state();
	unsigned long flags = spin_lock_irqsave(&s->pty_lock);
	bool found = false;

	for (; from < s->pty_slots && !found; from++)
		if (s->ptys[from] && s->ptys[from]->node) {
			*index = from;
			found = true;
		}
	spin_unlock_irqrestore(&s->pty_lock, flags);
	return found;
}

void pty_set_attr(unsigned index, u32 serial, uid_t uid, gid_t gid, mode_t mode)
{
	struct tty_state *s = tty_state();
	unsigned long flags = spin_lock_irqsave(&s->pty_lock);
	struct pty *p = index < s->pty_slots ? s->ptys[index] : NULL;

	if (p && p->serial == serial) {
		p->uid = uid;
		p->gid = gid;
		p->mode = mode & 07777;
	}
	spin_unlock_irqrestore(&s->pty_lock, flags);
}

/* Doubles the table when it is full. tty_state.mutex held: one grows at a time. */
static kerr_t grow_table(struct tty_state *s)
{
	unsigned slots = s->pty_slots ? s->pty_slots * 2 : 16;
	struct pty **bigger, **old;
	unsigned long flags;

	DEBUG_ASSERT(mutex_is_held(&s->mutex));
	if (s->pty_count >= MIN(s->devpts.max, (unsigned)PTY_MAX))
		return KERR(ENOSPC);
	if (s->pty_count < s->pty_slots)
		return 0;
	bigger = kzalloc(slots * sizeof(*bigger), GFP_KERNEL);
	if (!bigger)
		return KERR(ENOMEM);
	flags = spin_lock_irqsave(&s->pty_lock);
	old = s->ptys;
	if (s->pty_slots)
		memcpy(bigger, old, s->pty_slots * sizeof(*bigger));
	s->ptys = bigger;
	s->pty_slots = slots;
	spin_unlock_irqrestore(&s->pty_lock, flags);
	kfree(old);
	return 0;
}

static void enter_table(struct tty_state *s, struct pty *p)
{
	unsigned long flags = spin_lock_irqsave(&s->pty_lock);
	unsigned i = 0;

	while (i < s->pty_slots && s->ptys[i])
		i++;
	DEBUG_ASSERT(i < s->pty_slots);
	p->index = i;
	p->serial = ++s->pty_serial;
	p->node = true;
	p->uid = current_cred()->fsuid;
	p->gid = s->devpts.gid_set ? s->devpts.gid : current_cred()->fsgid;
	p->mode = s->devpts.mode;
	p->line.dev = DEV(PTS_MAJOR, i);
	ksnprintf(p->line.name, sizeof(p->line.name), "pts/%u", i);
	s->ptys[i] = p;
	s->pty_count++;
	spin_unlock_irqrestore(&s->pty_lock, flags);
}

static kerr_t pty_make(struct pty **out)
{
	struct tty_state *s = tty_state();
	struct pty *p = kzalloc(sizeof(*p), GFP_KERNEL);
	kerr_t err;

	if (!p)
		return KERR(ENOMEM);
	p->out = kmalloc(PTY_OUT, GFP_KERNEL);
	err = p->out ? KERR(0) : KERR(ENOMEM);
	if (err)
		goto free_pty;
	p->line.ops = &slave_ops;
	tty_default_termios(&p->line.init_termios);
	p->line.init_termios.cflag &= ~HUPCL;
	err = tty_object_init(&p->tty, &p->line, false);
	if (err)
		goto free_pty;
	p->line.tty = &p->tty;
	p->tty.pty = p;
	p->tty.release = pty_release;
	p->locked = true;
	spin_init(&p->lock, RANK_TTY_BUF, "pty");
	wait_queue_init(&p->master_read);
	wait_queue_init(&p->master_write);
	fasync_queue_init(&p->master_async);
	mutex_lock(&s->mutex);
	err = grow_table(s);
	if (!err)
		enter_table(s, p);
	mutex_unlock(&s->mutex);
	if (err)
		goto free_pty;
	*out = p;
	return 0;
free_pty:
	kfree(p->out);
	kfree(p);
	return err;
}

/* ---- the master ---- */
kerr_t ptmx_open(struct inode *inode, struct file *f)
{
	struct pty *p;
	kerr_t err;

	(void)inode;
	err = pty_make(&p);
	if (err)
		return err;
	f->priv = p;
	f->mode |= FMODE_STREAM;
	return 0;
}

static void ptmx_release(struct inode *inode, struct file *f)
{
	struct pty *p = f->priv;
	unsigned long flags;

	(void)inode;
	flags = spin_lock_irqsave(&tty_state()->pty_lock);
	p->node = false;
	spin_unlock_irqrestore(&tty_state()->pty_lock, flags);
	flags = spin_lock_irqsave(&p->lock);
	p->master_closed = true;
	p->packet = false;
	spin_unlock_irqrestore(&p->lock, flags);
	tty_hangup(&p->tty, false);
	f->priv = NULL;
	tty_put(&p->tty);
}

/* At most n bytes of what waits: in packet mode a status byte alone, or a zero byte and data. -EIO: the slave is closed and all is read. */
static ssize_t master_take(struct pty *p, u8 *buf, size_t n, bool first)
{
	unsigned long flags = spin_lock_irqsave(&p->lock);
	u32 used = p->out_head - p->out_tail;
	size_t len = 0, run;

	if (p->packet && first) {
		if (p->pktstatus) {
			buf[len++] = p->pktstatus;
			p->pktstatus = 0;
			goto out;
		}
		if (used)
			buf[len++] = 0;
	}
	n = MIN(n - len, (size_t)used);
	run = MIN(n, (size_t)(PTY_OUT - (p->out_tail & OUT_MASK)));
	memcpy(buf + len, p->out + (p->out_tail & OUT_MASK), run);
	memcpy(buf + len + run, p->out, n - run);
	store_relaxed(&p->out_tail, p->out_tail + (u32)n);
	len += n;
out:
	spin_unlock_irqrestore(&p->lock, flags);
	if (!len && !used && load_relaxed(&p->slave_closed))
		return -EIO;
	return (ssize_t)len;
}

/* The slave's writers have room again; echo that waited goes first. */
static void slave_output_room(struct pty *p)
{
	if (unlikely(n_tty_echo_pending(&p->tty))) {
		mutex_lock(&p->tty.ldisc);
		n_tty_echo_flush(&p->tty);
		mutex_unlock(&p->tty.ldisc);
	}
	tty_output_ready(&p->line);
}

static bool master_readable(const struct pty *p)
{
	return out_used(p) || load_relaxed(&p->slave_closed) || (p->packet && load_relaxed(&p->pktstatus));
}

static ssize_t ptmx_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pty *p = f->priv;
	u8 buf[CHUNK];
	ssize_t done = 0, n;

	(void)pos;
	while (it->count) {
		bool status;

		n = master_take(p, buf, MIN(it->count, sizeof(buf)), done == 0);
		if (n < 0)
			return done ? done : n;
		if (n > 0) {
			size_t moved = copy_to_iter(it, buf, (size_t)n);

			status = done == 0 && p->packet && buf[0];
			done += (ssize_t)moved;
			slave_output_room(p);
			if (moved < (size_t)n)
				return done ? done : -EFAULT;
			if (status)
				break;
			continue;
		}
		if (done)
			break;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(&p->master_read, master_readable(p)))
			return -ERESTARTSYS;
	}
	return done;
}

static ssize_t ptmx_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pty *p = f->priv;
	struct tty *t = &p->tty;
	u8 buf[CHUNK];
	ssize_t done = 0;

	(void)pos;
	while (it->count) {
		size_t n = copy_from_iter(it, buf, MIN(it->count, sizeof(buf))), k;

		if (!n)
			return done ? done : -EFAULT;
		mutex_lock(&t->ldisc);
		k = n_tty_receive(t, buf, NULL, n);
		mutex_unlock(&t->ldisc);
		if (k < n)
			iov_iter_revert(it, n - k);
		done += (ssize_t)k;
		if (k)
			continue;
		if (f->flags & O_NONBLOCK)
			return done ? done : -EAGAIN;
		if (wait_event_interruptible(&p->master_write, n_tty_has_room(t)))
			return done ? done : -ERESTARTSYS;
	}
	return done;
}

static u32 ptmx_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->priv;
	u32 mask = 0;

	poll_wait(pt, f, &p->master_read);
	poll_wait(pt, f, &p->master_write);
	if (out_used(p))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (p->packet && load_relaxed(&p->pktstatus))
		mask |= EPOLLPRI | EPOLLIN | EPOLLRDNORM;
	if (load_relaxed(&p->slave_closed))
		mask |= EPOLLHUP;
	if (n_tty_has_room(&p->tty))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

/* TIOCGPTPEER: the slave by the devpts that the master was opened in, or that lies beside its node: no path of the program is trusted. */
static kerr_t peer_path(struct file *f, struct pty *p, struct path *out)
{
	struct path base = { f->path.mnt, f->path.dentry->parent };
	char name[16];
	kerr_t err;

	ksnprintf(name, sizeof(name), "%u", p->index);
	err = path_lookup_at(&base, name, LOOKUP_NO_SYMLINKS, out);
	if (err) {
		ksnprintf(name, sizeof(name), "pts/%u", p->index);
		err = path_lookup_at(&base, name, LOOKUP_NO_SYMLINKS, out);
	}
	if (err)
		return err;
	if (out->dentry->inode && S_ISCHR(out->dentry->inode->mode) && out->dentry->inode->rdev == p->line.dev)
		return 0;
	path_put(out);
	return KERR(ENOENT);
}

static long open_peer(struct file *f, struct pty *p, u32 flags)
{
	struct path path;
	struct file *peer;
	kerr_t err = peer_path(f, p, &path);
	long fd;

	if (err)
		return kerr_code(err);
	err = file_open_path(&path, flags, current_cred(), &peer);
	path_put(&path);
	if (err)
		return kerr_code(err);
	fd = fd_install(peer, flags);
	if (fd < 0)
		file_put(peer);
	return fd;
}

static long set_packet(struct pty *p, int on)
{
	unsigned long flags = spin_lock_irqsave(&p->lock);

	if (on && !p->packet)
		p->pktstatus = 0;
	p->packet = on;
	spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

static long pair_ioctl(struct file *f, struct pty *p, unsigned cmd, unsigned long arg)
{
	int __user *uarg = (int __user *)arg;
	int v;
	kerr_t err = 0;

	switch (cmd) {
	case TIOCGPTN:
		return kerr_code(put_user((int)p->index, uarg));
	case TIOCSPTLCK:
		err = copy_in(&v, uarg);
		if (!err)
			store_relaxed(&p->locked, v != 0);
		return kerr_code(err);
	case TIOCGPTLCK:
		return kerr_code(put_user((int)p->locked, uarg));
	case TIOCPKT:
		err = copy_in(&v, uarg);
		return err ? kerr_code(err) : set_packet(p, v);
	case TIOCGPKT:
		return kerr_code(put_user((int)p->packet, uarg));
	case TIOCGPTPEER:
		return open_peer(f, p, (u32)arg & ~(O_CREAT | O_EXCL | O_TRUNC | O_PATH));
	case TIOCSIG:
		if (arg != SIGINT && arg != SIGQUIT && arg != SIGTSTP)
			return -EINVAL;
		if (load_relaxed(&p->tty.pgrp))
			signal_send_pgrp(p->tty.pgrp, (int)arg, SIGINFO_KERNEL);
		return 0;
	}
	return -ENOIOCTLCMD;
}

static long ptmx_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct pty *p = f->priv;
	u32 dev = tty_encode_dev(DEV(TTYAUX_MAJOR, 2));
	long ret;

	switch (cmd) {
	case FIONREAD:
		return kerr_code(put_user((int)out_used(p), (int __user *)arg));
	case TIOCOUTQ:
		return kerr_code(put_user(0, (int __user *)arg)); /* what is written is at once in the slave's buffer */
	case TIOCGDEV:
		return kerr_code(put_user(dev, (u32 __user *)arg));
	case TCFLSH:
		if (arg > 2)
			return -EINVAL;
		if (arg != 1)
			drop_output(&p->tty);
		if (arg != 1)
			slave_output_room(p);
		return 0;
	}
	ret = pair_ioctl(f, p, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = tty_ioctl_termios(&p->tty, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = tty_ioctl_session(&p->tty, true, cmd, arg);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

static kerr_t ptmx_fasync(int fd, struct file *f, bool on)
{
	struct pty *p = f->priv;

	return tty_fasync_set(&p->tty, fd, f, &p->master_async, on);
}

const struct file_ops ptmx_fops = {
	.open = ptmx_open,
	.release = ptmx_release,
	.read_iter = ptmx_read,
	.write_iter = ptmx_write,
	.poll = ptmx_poll,
	.ioctl = ptmx_ioctl,
	.fasync = ptmx_fasync,
};
