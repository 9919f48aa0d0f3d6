/* SPDX-License-Identifier: MIT */
/*
 * read, write and poll of a terminal (all but a pty's master).
 * read_mutex and write_mutex keep whole reads and writes apart and are held while sleeping; the discipline's lock only while bytes move.
 * Specification: POSIX XBD 11.1.4 (access control), 11.1.7 (the four cases of MIN and TIME), 11.1.8; hung-up files as in termios(3) of Linux:
 * reads give end of file, writes EIO.
 */
#include "tty_priv.h"

#include <maestro/lib.h>

#define TTY_CHUNK 256u

static kerr_t lock_one(struct mutex *m, bool nonblock) TRY_ACQUIRES(false, m) NO_LOCK_ANALYSIS
{
	kerr_t err;

	if (nonblock)
		return mutex_trylock(m) ? KERR(0) : KERR(EAGAIN);
	err = mutex_lock_interruptible(m);
	return err ? KERR(ERESTARTSYS) : KERR(0);
}

/* When a read in raw mode is over. */
struct read_rule {
	bool canon;
	size_t min;	  /* enough */
	ktime_t between;  /* after each byte, ns; 0: no limit */
	ktime_t deadline; /* S64_MAX: none; 0: do not wait at all */
};

static struct read_rule read_rule(const struct tty *t)
{
	struct read_rule r = { .canon = L_FLAG(t, ICANON) && !L_FLAG(t, EXTPROC), .min = 1, .deadline = S64_MAX };
	ktime_t time = (ktime_t)t->termios.cc[VTIME] * (100 * NSEC_PER_MSEC);

	if (r.canon)
		return r;
	if (t->termios.cc[VMIN]) {
		r.min = t->termios.cc[VMIN];
		r.between = time;
	} else {
		r.deadline = time ? ktime_get() + time : 0;
	}
	return r;
}

/* One step: moves what is there. -EFAULT, or bytes; *over: the line ended. */
static ssize_t read_step(struct tty *t, struct iov_iter *it, bool *any, bool *over)
{
	u8 buf[TTY_CHUNK];
	size_t got, moved;

	mutex_lock_nested(&t->ldisc);
	*any = n_tty_take(t, buf, MIN(it->count, sizeof(buf)), &got, over);
	mutex_unlock(&t->ldisc);
	if (!*any)
		return 0;
	tty_input_kick(t);
	moved = copy_to_iter(it, buf, got);
	if (moved < got && !moved)
		return -EFAULT;
	return (ssize_t)moved;
}

static ssize_t read_loop(struct tty_file *tf, struct iov_iter *it, bool nonblock)
{
	struct tty *t = tf->tty;
	struct read_rule rule = read_rule(t);
	ssize_t done = 0;

	for (;;) {
		bool any, over;
		ssize_t n;
		kerr_t err;

		if (tty_file_hung_up(tf))
			return done;
		n = read_step(t, it, &any, &over);
		if (n < 0)
			return done ? done : n;
		if (any) {
			done += n;
			rule.canon = L_FLAG(t, ICANON) && !L_FLAG(t, EXTPROC);
			if (over || it->count == 0 || (!rule.canon && (size_t)done >= rule.min))
				return done;
			if (rule.between)
				rule.deadline = ktime_get() + rule.between;
			continue;
		}
		if (rule.deadline == 0)
			return done;
		if (nonblock)
			return done ? done : -EAGAIN;
		err = wait_event_interruptible_until(&t->read_wait, n_tty_input_ready(t, false) || tty_file_hung_up(tf), rule.deadline);
		if (kerr_code(err) == -ETIMEDOUT)
			return done;
		if (err)
			return done ? done : -ERESTARTSYS;
	}
}

ssize_t tty_read_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct tty_file *tf = f->priv;
	bool nonblock = f->flags & O_NONBLOCK;
	ssize_t ret;
	kerr_t err;

	(void)pos;
	if (tty_file_hung_up(tf) || it->count == 0)
		return 0;
	if (!tf->console) {
		err = tty_check_change(tf->tty, SIGTTIN);
		if (err)
			return kerr_code(err);
	}
	err = lock_one(&tf->tty->read_mutex, nonblock);
	if (err)
		return kerr_code(err);
	ret = read_loop(tf, it, nonblock);
	mutex_unlock(&tf->tty->read_mutex);
	if (ret > 0)
		file_accessed(f);
	return ret;
}

/* Sends all of buf; -EAGAIN, -EIO, -ERESTARTSYS in *why when it stops short. Returns bytes taken. */
static size_t write_all(struct tty_file *tf, struct tty *t, const u8 *buf, size_t n, bool nonblock, int *why)
{
	size_t done = 0;

	while (done < n) {
		size_t k;

		if (tty_file_hung_up(tf)) {
			*why = -EIO;
			break;
		}
		if (task_signal_pending() && done) {
			*why = -ERESTARTSYS;
			break;
		}
		mutex_lock_nested(&t->ldisc);
		k = n_tty_write_chunk(t, buf + done, n - done);
		mutex_unlock(&t->ldisc);
		done += k;
		if (k)
			continue;
		if (nonblock) {
			*why = -EAGAIN;
			break;
		}
		if (wait_event_interruptible(&t->write_wait, n_tty_can_write(t) || tty_file_hung_up(tf))) {
			*why = -ERESTARTSYS;
			break;
		}
	}
	return done;
}

static ssize_t write_loop(struct tty_file *tf, struct tty *t, struct iov_iter *it, bool nonblock)
{
	u8 buf[TTY_CHUNK];
	ssize_t done = 0;
	int why = 0;

	while (it->count && !why) {
		size_t n = copy_from_iter(it, buf, MIN(it->count, sizeof(buf))), k;

		if (!n) {
			why = -EFAULT;
			break;
		}
		k = write_all(tf, t, buf, n, nonblock, &why);
		done += (ssize_t)k;
		if (k < n)
			iov_iter_revert(it, n - k);
		if (!why && it->count && task_signal_pending())
			why = -ERESTARTSYS;
	}
	return done ? done : why;
}

/* /dev/console may be redirected by TIOCCONS. With a reference. */
static struct tty *write_target(struct tty_file *tf)
{
	struct tty *t = tf->tty;

	if (tf->console && load_relaxed(&tty_state()->redirect)) {
		mutex_lock(&tty_state()->mutex);
		if (tty_state()->redirect)
			t = tty_state()->redirect;
		tty_get(t);
		mutex_unlock(&tty_state()->mutex);
		return t;
	}
	return tty_get(t);
}

ssize_t tty_write_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct tty_file *tf = f->priv;
	bool nonblock = f->flags & O_NONBLOCK;
	struct tty *t;
	ssize_t ret;
	kerr_t err;

	(void)pos;
	if (tty_file_hung_up(tf))
		return -EIO;
	if (!tf->console && L_FLAG(tf->tty, TOSTOP)) {
		err = tty_check_change(tf->tty, SIGTTOU);
		if (err)
			return kerr_code(err);
	}
	t = write_target(tf);
	err = lock_one(&t->write_mutex, nonblock);
	if (err) {
		tty_put(t);
		return kerr_code(err);
	}
	ret = write_loop(tf, t, it, nonblock);
	if (unlikely(it->count && (f->flags & O_ASYNC)))
		store_relaxed(&t->async_out, true);
	mutex_unlock(&t->write_mutex);
	tty_put(t);
	return ret;
}

u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	u32 mask = 0;

	poll_wait(pt, f, &t->read_wait);
	poll_wait(pt, f, &t->write_wait);
	if (tty_file_hung_up(tf))
		return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
	if (n_tty_input_ready(t, true))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (n_tty_can_write(t))
		mask |= EPOLLOUT | EPOLLWRNORM;
	return mask;
}

kerr_t tty_fasync_set(struct tty *t, int fd, struct file *f, struct fasync_queue *q, bool on)
{
	pid_t pgrp = load_relaxed(&t->pgrp);
	kerr_t err = fasync_set(fd, f, q, on);

	if (err || !on)
		return err;
	if (!pgrp || file_owner_set(f, OWNER_PGRP, pgrp, false))
		err = file_owner_set(f, OWNER_PID, current->proc->pid, false);
	return err;
}

kerr_t tty_fasync(int fd, struct file *f, bool on)
{
	struct tty_file *tf = f->priv;

	return tty_fasync_set(tf->tty, fd, f, &tf->tty->async, on);
}
