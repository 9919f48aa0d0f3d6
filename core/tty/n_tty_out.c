/* SPDX-License-Identifier: MIT */
/*
 * The line discipline, output side: OPOST processing, column tracking, echo, flow control.
 *
 * Echo is processed at once. Where the driver has no room it waits, processed, in n_tty.echo; a writer's output then waits behind it, so that
 * the column counter sees characters in the order in which they leave.
 * Locking: tty.ldisc.  Specification: POSIX 2017, XBD 11.2.3; termios(3).
 */
#include "tty_priv.h"

#include <maestro/lib.h>

#define EMASK (N_TTY_ECHO - 1)

static size_t room(struct tty *t)
{
	return t->stopped ? 0 : t->ops->write_room(t);
}

bool n_tty_can_write(struct tty *t)
{
	return room(t) >= TTY_MAX_EXPAND;
}

/* Bytes of c after OPOST, at most TTY_MAX_EXPAND, into out; moves the column. */
static unsigned post_process(struct tty *t, u8 c, u8 *out)
{
	struct n_tty *n = &t->n;
	u32 of = t->termios.oflag;
	unsigned len = 0, spaces;

	switch (c) {
	case '\n':
		if (of & ONLRET)
			n->column = 0;
		if (of & ONLCR) {
			n->column = 0;
			out[len++] = '\r';
		}
		n->canon_column = n->column;
		break;
	case '\r':
		if ((of & ONOCR) && n->column == 0)
			return 0;
		if (of & OCRNL) {
			c = '\n';
			if (of & ONLRET)
				n->canon_column = n->column = 0;
			break;
		}
		n->canon_column = n->column = 0;
		break;
	case '\t':
		spaces = 8 - (n->column & 7);
		n->column += spaces;
		if ((of & TABDLY) == XTABS) {
			memset(out, ' ', spaces);
			return spaces;
		}
		break;
	case '\b':
		if (n->column > 0)
			n->column--;
		break;
	default:
		if (c < 0x20 || c == 0x7f)
			break;
		if ((of & OLCUC) && c >= 'a' && c <= 'z')
			c ^= 0x20;
		if (!(I_FLAG(t, IUTF8) && (c & 0xc0) == 0x80))
			n->column++;
	}
	out[len++] = c;
	return len;
}

static void echo_bytes(struct tty *t, const u8 *p, unsigned len)
{
	struct n_tty *n = &t->n;

	/* It goes out when all that came together is processed: a signal character among it takes back the echo of what stood before. */
	if (N_TTY_ECHO - (n->echo_head - n->echo_tail) < len)
		n_tty_echo_flush(t);
	if (N_TTY_ECHO - (n->echo_head - n->echo_tail) < len)
		return; /* nobody takes the output: the echo is lost, the input is not */
	while (len--)
		n->echo[n->echo_head++ & EMASK] = *p++;
}

void n_tty_echo_raw(struct tty *t, u8 c)
{
	u8 out[TTY_MAX_EXPAND];

	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	if (O_FLAG(t, OPOST))
		echo_bytes(t, out, post_process(t, c, out));
	else
		echo_bytes(t, &c, 1);
}

void n_tty_echo_char(struct tty *t, u8 c)
{
	if (L_FLAG(t, ECHOCTL) && (c < 0x20 || c == 0x7f) && c != '\t') {
		u8 out[2] = { '^', c ^ 0100 };

		echo_bytes(t, out, 2);
		t->n.column += 2;
		return;
	}
	n_tty_echo_raw(t, c);
}

void n_tty_echo_flush(struct tty *t)
{
	struct n_tty *n = &t->n;

	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	while (n->echo_head != n->echo_tail) {
		size_t run = MIN(n->echo_head - n->echo_tail, N_TTY_ECHO - (n->echo_tail & EMASK));

		run = MIN(run, room(t));
		if (run)
			run = t->ops->write(t, n->echo + (n->echo_tail & EMASK), run);
		if (!run)
			return;
		store_relaxed(&n->echo_tail, n->echo_tail + (u32)run);
	}
}

/* How many of buf were taken. */
size_t n_tty_write_chunk(struct tty *t, const u8 *buf, size_t n)
{
	u8 out[512];
	size_t space, len = 0, i;

	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	n_tty_echo_flush(t);
	if (n_tty_echo_pending(t))
		return 0;
	space = room(t);
	if (!O_FLAG(t, OPOST))
		return space ? t->ops->write(t, buf, MIN(n, space)) : 0;
	space = MIN(space, sizeof(out));
	for (i = 0; i < n; i++) {
		/* The column has moved once a character is processed: it must then go out. */
		if (len + TTY_MAX_EXPAND > space)
			break;
		len += post_process(t, buf[i], out + len);
	}
	if (len)
		t->ops->write(t, out, len);
	return i;
}

void n_tty_send_xchar(struct tty *t, u8 c)
{
	if (c)
		t->ops->write(t, &c, 1);
}

void tty_stop(struct tty *t)
{
	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	if (t->stopped)
		return;
	t->stopped = true;
	if (t->ops->start_stop)
		t->ops->start_stop(t, true);
	pty_packet(t, TIOCPKT_STOP, TIOCPKT_START);
}

void tty_start(struct tty *t)
{
	DEBUG_ASSERT(mutex_is_held(&t->ldisc));
	if (!t->stopped || t->tco_stopped)
		return;
	t->stopped = false;
	if (t->ops->start_stop)
		t->ops->start_stop(t, false);
	pty_packet(t, TIOCPKT_START, TIOCPKT_STOP);
	n_tty_echo_flush(t);
	wake_up_all(&t->write_wait);
}
