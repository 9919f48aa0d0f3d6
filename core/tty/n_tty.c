/* SPDX-License-Identifier: MIT */
/*
 * The line discipline, input side: line editing, signals, flow control, and the buffer that read(2) takes from.
 *
 * One ring of 4096 characters. [tail, canon_head) are whole lines in canonical mode, [canon_head, head) is the line being edited. `eol` marks
 * the characters that end a line; an end of file is a marked NUL, which is never given to the program.
 * Locking: tty.ldisc for all, but the predicates that a sleeping reader tests.
 * Specification: POSIX 2017, XBD 11 (general terminal interface); termios(3) for what Linux adds.
 */
#include "tty_priv.h"

#include <maestro/lib.h>

#define MASK (N_TTY_SIZE - 1)

static u8 char_at(const struct n_tty *n, u32 pos)
{
	return n->buf[pos & MASK];
}

static bool is_cntrl(u8 c)
{
	return c < 0x20 || c == 0x7f;
}

static bool is_continuation(const struct tty *t, u8 c)
{
	return I_FLAG(t, IUTF8) && (c & 0xc0) == 0x80;
}

static bool is_word(u8 c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c >= 0x80;
}

void n_tty_flush_input(struct tty *t)
{
	struct n_tty *n = &t->n;

	n->head = n->canon_head = n->tail = 0;
	n->lnext = n->erasing = false;
	memset(n->eol, 0, sizeof(n->eol));
}

void n_tty_reset(struct tty *t)
{
	n_tty_flush_input(t);
	t->n.echo_head = t->n.echo_tail = 0;
	t->n.column = t->n.canon_column = 0;
}

size_t n_tty_chars(struct tty *t)
{
	struct n_tty *n = &t->n;
	size_t count = 0;

	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	if (!L_FLAG(t, ICANON) || L_FLAG(t, EXTPROC))
		return n->head - n->tail;
	for (u32 i = n->tail; i != n->canon_head; i++)
		if (!(bitmap_test(n->eol, i & MASK) && char_at(n, i) == 0))
			count++;
	return count;
}

bool n_tty_input_ready(const struct tty *t, bool poll)
{
	u32 tail = load_relaxed(&t->n.tail);
	u32 want = 1;

	if (L_FLAG(t, ICANON) && !L_FLAG(t, EXTPROC))
		return load_relaxed(&t->n.canon_head) != tail;
	if (poll && t->termios.cc[VTIME] == 0 && t->termios.cc[VMIN] > 1)
		want = t->termios.cc[VMIN];
	return load_relaxed(&t->n.head) - tail >= want;
}

/* While a line without an end fills the buffer, characters are taken (and dropped): the editing keys must go on working. */
bool n_tty_has_room(struct tty *t)
{
	struct n_tty *n = &t->n;

	if (load_relaxed(&n->head) - load_relaxed(&n->tail) < N_TTY_SIZE - 1)
		return true;
	return L_FLAG(t, ICANON) && load_relaxed(&n->canon_head) == load_relaxed(&n->tail);
}

/* One place stays free for the end of the line. */
static bool store(struct tty *t, u8 c)
{
	struct n_tty *n = &t->n;

	if (n->head - n->tail >= N_TTY_SIZE - 1) {
		if (I_FLAG(t, IMAXBEL))
			n_tty_echo_raw(t, '\a');
		return false;
	}
	bitmap_clear(n->eol, n->head & MASK);
	n->buf[n->head & MASK] = c;
	store_relaxed(&n->head, n->head + 1);
	return true;
}

static void store_line_end(struct tty *t, u8 c)
{
	struct n_tty *n = &t->n;

	DEBUG_ASSERT(n->head - n->tail < N_TTY_SIZE);
	n->buf[n->head & MASK] = c;
	bitmap_set(n->eol, n->head & MASK);
	n->head++;
	store_release(&n->canon_head, n->head);
}

static void finish_erasing(struct tty *t)
{
	if (t->n.erasing) {
		n_tty_echo_raw(t, '/');
		t->n.erasing = false;
	}
}

static void echo_input(struct tty *t, u8 c)
{
	if (!L_FLAG(t, ECHO))
		return;
	finish_erasing(t);
	if (c == '\n') {
		n_tty_echo_raw(t, c);
		return;
	}
	if (t->n.head == t->n.canon_head)
		t->n.canon_column = t->n.column;
	n_tty_echo_char(t, c);
}

/* ---- signals and flow ---- */
static void send_signal(struct tty *t, int sig)
{
	pid_t pgrp = load_relaxed(&t->pgrp);

	if (pgrp > 0)
		signal_send_pgrp(pgrp, sig, SIGINFO_KERNEL);
	if (L_FLAG(t, NOFLSH))
		return;
	t->n.echo_head = t->n.echo_tail = 0;
	if (t->ops->flush_output)
		t->ops->flush_output(t);
	n_tty_flush_input(t);
	pty_packet(t, TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE, 0);
	wake_up_all(&t->write_wait);
}

static void signal_char(struct tty *t, int sig, u8 c)
{
	send_signal(t, sig);
	if (I_FLAG(t, IXON) && !t->tco_stopped)
		tty_start(t);
	if (L_FLAG(t, ECHO))
		n_tty_echo_char(t, c);
}

/* ---- editing ---- */
static void echo_backspace(struct tty *t)
{
	n_tty_echo_raw(t, '\b');
	n_tty_echo_raw(t, ' ');
	n_tty_echo_raw(t, '\b');
}

/* A tab's width is known only from what stands before it: since the last tab, or since the line began. */
static void echo_erase_tab(struct tty *t)
{
	struct n_tty *n = &t->n;
	u32 width = 0, pos = n->head;
	bool after_tab = false;

	while (pos != n->canon_head && !after_tab) {
		u8 c = char_at(n, --pos);

		if (c == '\t')
			after_tab = true;
		else if (is_cntrl(c))
			width += L_FLAG(t, ECHOCTL) ? 2 : 0;
		else if (!is_continuation(t, c))
			width++;
	}
	if (!after_tab)
		width += n->canon_column;
	for (width = 8 - (width & 7); width; width--)
		n_tty_echo_raw(t, '\b');
}

static void echo_erased(struct tty *t, u32 from, u32 to, bool single)
{
	struct n_tty *n = &t->n;
	u8 c = char_at(n, from);

	if (!L_FLAG(t, ECHO))
		return;
	if (L_FLAG(t, ECHOPRT)) {
		if (!n->erasing) {
			n_tty_echo_raw(t, '\\');
			n->erasing = true;
		}
		n_tty_echo_char(t, c);
		while (++from != to)
			n_tty_echo_raw(t, char_at(n, from));
	} else if (single && !L_FLAG(t, ECHOE)) {
		n_tty_echo_char(t, t->termios.cc[VERASE]);
	} else if (c == '\t') {
		echo_erase_tab(t);
	} else {
		if (is_cntrl(c) && L_FLAG(t, ECHOCTL))
			echo_backspace(t);
		if (!is_cntrl(c) || L_FLAG(t, ECHOCTL))
			echo_backspace(t);
	}
}

static void erase(struct tty *t, bool word, bool line)
{
	struct n_tty *n = &t->n;
	bool seen = false;

	while (n->head != n->canon_head) {
		u32 end = n->head, start = end;

		do
			start--;
		while (start != n->canon_head && is_continuation(t, char_at(n, start)));
		if (is_continuation(t, char_at(n, start)) && !line)
			break; /* half a character: its start was read already */
		if (word) {
			if (is_word(char_at(n, start)))
				seen = true;
			else if (seen)
				break;
		}
		n->head = start;
		echo_erased(t, start, end, !word && !line);
		if (!word && !line)
			break;
	}
	if (n->head == n->canon_head && L_FLAG(t, ECHO))
		finish_erasing(t);
}

static void kill_line(struct tty *t)
{
	struct n_tty *n = &t->n;

	if (n->head == n->canon_head)
		return;
	if (L_FLAG(t, ECHO) && L_FLAG(t, ECHOK) && L_FLAG(t, ECHOKE) && L_FLAG(t, ECHOE)) {
		erase(t, false, true);
		return;
	}
	n->head = n->canon_head;
	if (!L_FLAG(t, ECHO))
		return;
	finish_erasing(t);
	n_tty_echo_char(t, t->termios.cc[VKILL]);
	if (L_FLAG(t, ECHOK))
		n_tty_echo_raw(t, '\n');
}

static void reprint(struct tty *t, u8 c)
{
	struct n_tty *n = &t->n;

	finish_erasing(t);
	n_tty_echo_char(t, c);
	n_tty_echo_raw(t, '\n');
	for (u32 i = n->canon_head; i != n->head; i++)
		n_tty_echo_char(t, char_at(n, i));
}

/* Canonical mode's own keys. True: c was one, and is done. */
static bool canon_char(struct tty *t, u8 c)
{
	const u8 *cc = t->termios.cc;
	bool ext = L_FLAG(t, IEXTEN);

	if (c == '\n') {
		if (L_FLAG(t, ECHO | ECHONL)) {
			finish_erasing(t);
			n_tty_echo_raw(t, c);
		}
		store_line_end(t, c);
		return true;
	}
	if (c == 0)
		return false; /* a key set to NUL is off */
	if (c == cc[VERASE] || (c == cc[VWERASE] && ext)) {
		erase(t, c != cc[VERASE], false);
	} else if (c == cc[VKILL]) {
		kill_line(t);
	} else if (c == cc[VLNEXT] && ext) {
		t->n.lnext = true;
		if (L_FLAG(t, ECHO)) {
			finish_erasing(t);
			if (L_FLAG(t, ECHOCTL)) {
				n_tty_echo_raw(t, '^');
				n_tty_echo_raw(t, '\b');
			}
		}
	} else if (c == cc[VREPRINT] && ext && L_FLAG(t, ECHO)) {
		reprint(t, c);
	} else if (c == cc[VEOF]) {
		store_line_end(t, 0);
	} else if (c == cc[VEOL] || (c == cc[VEOL2] && ext)) {
		echo_input(t, c);
		if (c == 0xff && I_FLAG(t, PARMRK) && !store(t, c))
			return true;
		store_line_end(t, c);
	} else {
		return false;
	}
	return true;
}

static void plain_char(struct tty *t, u8 c)
{
	echo_input(t, c);
	if (c == 0xff && I_FLAG(t, PARMRK) && !store(t, c))
		return;
	store(t, c);
}

static u8 map_case(struct tty *t, u8 c)
{
	if (I_FLAG(t, ISTRIP))
		c &= 0x7f;
	if (I_FLAG(t, IUCLC) && L_FLAG(t, IEXTEN) && c >= 'A' && c <= 'Z')
		c |= 0x20;
	return c;
}

/* True: c was for flow control or a signal. */
static bool control_char(struct tty *t, u8 c)
{
	const u8 *cc = t->termios.cc;

	if (c && I_FLAG(t, IXON)) {
		if (c == cc[VSTART] || c == cc[VSTOP]) {
			if (c == cc[VSTART] && !(c == cc[VSTOP] && !t->stopped)) {
				if (!t->tco_stopped)
					tty_start(t);
			} else {
				tty_stop(t);
			}
			return true;
		}
	}
	if (c && L_FLAG(t, ISIG)) {
		if (c == cc[VINTR])
			return signal_char(t, SIGINT, c), true;
		if (c == cc[VQUIT])
			return signal_char(t, SIGQUIT, c), true;
		if (c == cc[VSUSP])
			return signal_char(t, SIGTSTP, c), true;
	}
	if (t->stopped && !t->tco_stopped && I_FLAG(t, IXON) && I_FLAG(t, IXANY))
		tty_start(t);
	return false;
}

static void receive_char(struct tty *t, u8 c)
{
	c = map_case(t, c);
	if (L_FLAG(t, EXTPROC)) {
		store(t, c);
		return;
	}
	if (t->n.lnext) {
		t->n.lnext = false;
		plain_char(t, c);
		return;
	}
	if (control_char(t, c))
		return;
	if (c == '\r') {
		if (I_FLAG(t, IGNCR))
			return;
		if (I_FLAG(t, ICRNL))
			c = '\n';
	} else if (c == '\n' && I_FLAG(t, INLCR)) {
		c = '\r';
	}
	if (L_FLAG(t, ICANON) && canon_char(t, c))
		return;
	plain_char(t, c);
}

static void receive_flagged(struct tty *t, u8 c, u8 flag)
{
	switch (flag) {
	case TTY_BREAK:
		if (I_FLAG(t, IGNBRK))
			return;
		if (I_FLAG(t, BRKINT)) {
			send_signal(t, SIGINT);
			return;
		}
		if (I_FLAG(t, PARMRK)) {
			store(t, 0xff);
			store(t, 0);
		}
		store(t, 0);
		return;
	case TTY_PARITY:
	case TTY_FRAME:
		if (!I_FLAG(t, INPCK)) {
			receive_char(t, c);
			return;
		}
		if (I_FLAG(t, IGNPAR))
			return;
		if (I_FLAG(t, PARMRK)) {
			store(t, 0xff);
			store(t, 0);
			store(t, c);
		} else {
			store(t, 0);
		}
		return;
	case TTY_OVERRUN:
		t->overruns++;
		return;
	default:
		receive_char(t, c);
	}
}

size_t n_tty_receive(struct tty *t, const u8 *buf, const u8 *flags, size_t n)
{
	size_t i;

	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	for (i = 0; i < n; i++) {
		if (unlikely(!n_tty_has_room(t))) {
			/* The keys that signal work even when nobody reads. */
			if ((flags && flags[i]) || L_FLAG(t, EXTPROC) || t->n.lnext || !control_char(t, map_case(t, buf[i])))
				break;
			continue;
		}
		if (flags && flags[i])
			receive_flagged(t, buf[i], flags[i]);
		else
			receive_char(t, buf[i]);
	}
	if (I_FLAG(t, IXOFF) && !t->xoff_sent && t->n.head - t->n.tail > N_TTY_SIZE - 256) {
		t->xoff_sent = true;
		n_tty_send_xchar(t, t->termios.cc[VSTOP]);
	}
	n_tty_echo_flush(t);
	if (n_tty_input_ready(t, true)) {
		if (wait_queue_active(&t->read_wait))
			wake_up_poll(&t->read_wait, EPOLLIN | EPOLLRDNORM);
		fasync_notify(&t->async, POLL_IN);
	}
	return i;
}

bool n_tty_take(struct tty *t, u8 *buf, size_t n, size_t *got, bool *line_end)
{
	struct n_tty *l = &t->n;
	bool canon = L_FLAG(t, ICANON) && !L_FLAG(t, EXTPROC);
	u32 limit = canon ? l->canon_head : l->head;
	u32 pos = l->tail;
	size_t count = 0;

	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	*got = 0;
	*line_end = false;
	if (pos == limit)
		return false;
	while (pos != limit && count < n) {
		bool end = canon && bitmap_test(l->eol, pos & MASK);
		u8 c = char_at(l, pos++);

		if (!end || c)
			buf[count++] = c;
		if (end) {
			*line_end = true;
			break;
		}
	}
	/* An end of file right behind a full buffer belongs to this read: it is not a second, empty one. */
	if (canon && !*line_end && pos != limit && bitmap_test(l->eol, pos & MASK) && char_at(l, pos) == 0) {
		*line_end = true;
		pos++;
	}
	store_relaxed(&l->tail, pos);
	*got = count;
	if (t->xoff_sent && l->head - l->tail < 256) {
		t->xoff_sent = false;
		n_tty_send_xchar(t, t->termios.cc[VSTART]);
	}
	return true;
}

/* What is in the buffer when ICANON goes on becomes a line of its own; when it goes off, plain characters. */
void n_tty_termios_changed(struct tty *t, const struct ktermios *old)
{
	struct n_tty *n = &t->n;

	if ((old->lflag ^ t->termios.lflag) & (ICANON | EXTPROC)) {
		memset(n->eol, 0, sizeof(n->eol));
		if (L_FLAG(t, ICANON) && n->head != n->tail) {
			bitmap_set(n->eol, (n->head - 1) & MASK);
			store_relaxed(&n->canon_head, n->head);
		} else {
			store_relaxed(&n->canon_head, n->tail);
		}
		n->erasing = n->lnext = false;
	}
	if ((old->iflag & IXON) && !I_FLAG(t, IXON) && !t->tco_stopped)
		tty_start(t);
	wake_up_all(&t->read_wait);
	wake_up_all(&t->write_wait);
}
