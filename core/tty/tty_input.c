/* SPDX-License-Identifier: MIT */
/*
 * From a driver's interrupt to the discipline: a ring of characters with flags, and a work item that feeds n_tty_receive().
 * The ring is filled in any context under ring_lock; only the work item empties it. When the discipline has no room the work item stops, and
 * tty_input_kick() (a reader made room) starts it again.
 */
#include "tty_priv.h"

#include <maestro/lib.h>

#define RING_MASK (TTY_RING - 1)
#define RING_BATCH 128u

static void set_throttle(struct tty *t, bool on)
{
	unsigned long flags = spin_lock_irqsave(&t->ring_lock);
	bool change = t->throttled != on;

	t->throttled = on;
	spin_unlock_irqrestore(&t->ring_lock, flags);
	if (change && t->ops->throttle)
		t->ops->throttle(t, on);
}

static u32 ring_peek(struct tty *t, u8 *buf, u8 *fl)
{
	unsigned long flags = spin_lock_irqsave(&t->ring_lock);
	u32 n = MIN(t->ring_head - t->ring_tail, RING_BATCH);

	for (u32 i = 0; i < n; i++) {
		u16 v = t->ring[(t->ring_tail + i) & RING_MASK];

		buf[i] = (u8)v;
		fl[i] = (u8)(v >> 8);
	}
	spin_unlock_irqrestore(&t->ring_lock, flags);
	return n;
}

/* tail_seen: where the peek was; a flush in between has moved the tail past it. */
static void ring_drop(struct tty *t, u32 n)
{
	unsigned long flags = spin_lock_irqsave(&t->ring_lock);

	t->ring_tail += MIN(n, t->ring_head - t->ring_tail);
	spin_unlock_irqrestore(&t->ring_lock, flags);
}

static void input_work(struct work *w)
{
	struct tty *t = container_of(w, struct tty, input_work);
	u8 buf[RING_BATCH], fl[RING_BATCH];
	u32 n;
	size_t taken;

	for (;;) {
		mutex_lock(&t->ldisc);
		n = ring_peek(t, buf, fl);
		taken = n_tty_receive(t, buf, fl, n);
		ring_drop(t, (u32)taken);
		mutex_unlock(&t->ldisc);
		if (taken < RING_BATCH)
			break;
		cond_resched();
	}
	if (n == taken)
		set_throttle(t, false);
}

static void hangup_work(struct work *w)
{
	tty_hangup(container_of(w, struct tty, hangup_work), false);
}

void tty_ring_init(struct tty *t)
{
	spin_init(&t->ring_lock, RANK_TTY_BUF, "tty ring");
	work_init(&t->input_work, input_work);
	work_init(&t->hangup_work, hangup_work);
}

void tty_ring_flush(struct tty *t)
{
	unsigned long flags;

	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	if (!t->ring)
		return;
	flags = spin_lock_irqsave(&t->ring_lock);
	t->ring_tail = t->ring_head;
	spin_unlock_irqrestore(&t->ring_lock, flags);
}

void tty_input_kick(struct tty *t)
{
	if (t->pty)
		pty_master_room(t->pty);
	else if (load_relaxed(&t->ring_head) != load_relaxed(&t->ring_tail))
		work_queue(&t->input_work);
}

static void ring_add(struct tty *t, const u8 *buf, size_t n, u8 flag)
{
	unsigned long flags = spin_lock_irqsave(&t->ring_lock);
	u32 used;

	for (size_t i = 0; i < n; i++) {
		if (t->ring_head - t->ring_tail >= TTY_RING) {
			t->overruns += (u32)(n - i);
			break;
		}
		t->ring[t->ring_head++ & RING_MASK] = (u16)(buf[i] | (flag << 8));
	}
	used = t->ring_head - t->ring_tail;
	spin_unlock_irqrestore(&t->ring_lock, flags);
	if (used > TTY_RING / 4 * 3)
		set_throttle(t, true);
	work_queue(&t->input_work);
}

/* A line that nobody has open takes no input: what was typed before a program listens is dropped, as the cable would. */
static struct tty *listening(struct tty_line *l)
{
	struct tty *t = load_acquire(&l->tty);

	return t && t->ring && load_relaxed(&t->opens) && (t->termios.cflag & CREAD) ? t : NULL;
}

void tty_input(struct tty_line *l, const u8 *buf, size_t n)
{
	struct tty *t = listening(l);

	if (t && n)
		ring_add(t, buf, n, TTY_NORMAL);
}

void tty_input_flag(struct tty_line *l, u8 c, u8 flag)
{
	struct tty *t = listening(l);

	if (t)
		ring_add(t, &c, 1, flag);
}

void tty_output_ready(struct tty_line *l)
{
	struct tty *t = load_acquire(&l->tty);

	if (!t)
		return;
	if (wait_queue_active(&t->write_wait))
		wake_up_poll(&t->write_wait, EPOLLOUT | EPOLLWRNORM);
	if (unlikely(load_relaxed(&t->async_out))) {
		store_relaxed(&t->async_out, false);
		fasync_notify(&t->async, POLL_OUT);
	}
	if (unlikely(n_tty_echo_pending(t)) && t->ring)
		work_queue(&t->input_work); /* n_tty_receive of nothing flushes the echo */
}

void tty_carrier_lost(struct tty_line *l)
{
	struct tty *t = load_acquire(&l->tty);

	if (t && load_relaxed(&t->opens))
		work_queue(&t->hangup_work);
}
