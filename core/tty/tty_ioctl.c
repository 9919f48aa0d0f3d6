/* SPDX-License-Identifier: MIT */
/*
 * ioctls of terminals. Those of the whole pair of a pty (termios, window size) are in tty_ioctl_termios(), which the master uses too; then the
 * rest of a line's; at last the driver is asked.
 * Locking: tty.ldisc around changes of termios, window size and buffers.  Specification: tty_ioctl(4), ioctl_tty(2).
 */
#include "tty_priv.h"

#include <abi/tty.h>
#include <maestro/lib.h>
#include <maestro/tty_ioctl.h>

#define UARG ((void __user *)arg)

static long to_user(void __user *dst, const void *src, size_t n)
{
	return kerr_code(copy_to_user(dst, src, n));
}

static long put_int(unsigned long arg, int v)
{
	return to_user(UARG, &v, sizeof(v));
}

/* ---- termios ---- */
static void get_termios(struct tty *t, struct ktermios *out)
{
	mutex_lock(&t->ldisc);
	*out = t->termios;
	mutex_unlock(&t->ldisc);
}

enum termios_form { FORM_TERMIO, FORM_TERMIOS, FORM_TERMIOS2 };

static long termios_out(const struct ktermios *k, enum termios_form form, unsigned long arg)
{
	struct abi_termios2 u;

	if (form == FORM_TERMIO) {
		struct abi_termio o = { (u16)k->iflag, (u16)k->oflag, (u16)k->cflag, (u16)k->lflag, k->line, { 0 } };

		memcpy(o.c_cc, k->cc, sizeof(o.c_cc));
		return to_user(UARG, &o, sizeof(o));
	}
	u.c_iflag = k->iflag;
	u.c_oflag = k->oflag;
	u.c_cflag = k->cflag;
	u.c_lflag = k->lflag;
	u.c_line = k->line;
	memcpy(u.c_cc, k->cc, NCCS);
	u.c_ispeed = k->ispeed;
	u.c_ospeed = k->ospeed;
	return to_user(UARG, &u, form == FORM_TERMIOS2 ? sizeof(u) : sizeof(struct abi_termios));
}

static long termios_get(struct tty *t, enum termios_form form, unsigned long arg)
{
	struct ktermios k;

	get_termios(t, &k);
	return termios_out(&k, form, arg);
}

static kerr_t termios_in(struct ktermios *k, enum termios_form form, unsigned long arg)
{
	struct abi_termios2 u;
	struct abi_termio o;
	kerr_t err;

	if (form == FORM_TERMIO) {
		err = copy_in(&o, (const struct abi_termio __user *)UARG);
		if (err)
			return err;
		k->iflag = (k->iflag & 0xffff0000u) | o.c_iflag;
		k->oflag = (k->oflag & 0xffff0000u) | o.c_oflag;
		k->cflag = (k->cflag & 0xffff0000u) | o.c_cflag;
		k->lflag = (k->lflag & 0xffff0000u) | o.c_lflag;
		memcpy(k->cc, o.c_cc, sizeof(o.c_cc));
		termios_fix_speed(k);
		return 0;
	}
	u.c_ispeed = k->ispeed;
	u.c_ospeed = k->ospeed;
	err = copy_from_user(&u, UARG, form == FORM_TERMIOS2 ? sizeof(u) : sizeof(struct abi_termios));
	if (err)
		return err;
	k->iflag = u.c_iflag;
	k->oflag = u.c_oflag;
	k->cflag = u.c_cflag;
	k->lflag = u.c_lflag;
	k->line = u.c_line;
	memcpy(k->cc, u.c_cc, NCCS);
	k->ispeed = u.c_ispeed;
	k->ospeed = u.c_ospeed;
	termios_fix_speed(k);
	return 0;
}

/* Where `locked` has a bit, *out keeps that of `was`. */
static void keep_bits(u32 *out, u32 was, u32 locked)
{
	*out = (*out & ~locked) | (was & locked);
}

static void keep_locked(struct ktermios *k, const struct ktermios *was, const struct ktermios *locked)
{
	keep_bits(&k->iflag, was->iflag, locked->iflag);
	keep_bits(&k->oflag, was->oflag, locked->oflag);
	keep_bits(&k->cflag, was->cflag, locked->cflag);
	keep_bits(&k->lflag, was->lflag, locked->lflag);
	for (unsigned i = 0; i < NCCS; i++)
		if (locked->cc[i])
			k->cc[i] = was->cc[i];
}

void tty_set_termios(struct tty *t, const struct ktermios *new)
{
	const u32 soft = HUPCL | CREAD | CLOCAL;
	struct ktermios old;

	mutex_lock(&t->ldisc);
	old = t->termios;
	t->termios = *new;
	t->termios.line = 0; /* only N_TTY */
	keep_locked(&t->termios, &old, &t->locked);
	if (t->ops->set_termios) {
		t->ops->set_termios(t, &old);
	} else { /* no hardware: speed and character format stay what they are */
		t->termios.cflag = (t->termios.cflag & soft) | (old.cflag & ~soft);
		t->termios.ispeed = old.ispeed;
		t->termios.ospeed = old.ospeed;
	}
	n_tty_termios_changed(t, &old);
	mutex_unlock(&t->ldisc);
	tty_input_kick(t);
}

kerr_t tty_wait_until_sent(struct tty *t, ktime_t deadline)
{
	if (!t->ops->chars_queued && !n_tty_echo_pending(t))
		return 0;
	return wait_event_interruptible_until(&t->write_wait,
					      (!t->ops->chars_queued || !t->ops->chars_queued(t)) && (!n_tty_echo_pending(t) || t->stopped), deadline);
}

void tty_flush(struct tty *t, bool input, bool output)
{
	mutex_lock(&t->ldisc);
	if (input) {
		n_tty_flush_input(t);
		tty_ring_flush(t);
		pty_packet(t, TIOCPKT_FLUSHREAD, 0);
	}
	if (output) {
		t->n.echo_head = t->n.echo_tail = 0;
		if (t->ops->flush_output)
			t->ops->flush_output(t);
		pty_packet(t, TIOCPKT_FLUSHWRITE, 0);
	}
	mutex_unlock(&t->ldisc);
	if (input)
		tty_input_kick(t);
	if (output)
		wake_up_all(&t->write_wait);
}

static long termios_set(struct tty *t, unsigned long arg, enum termios_form form, bool wait, bool flush)
{
	struct ktermios k;
	kerr_t err = tty_check_change(t, SIGTTOU);

	if (err)
		return kerr_code(err);
	get_termios(t, &k);
	err = termios_in(&k, form, arg);
	if (err)
		return kerr_code(err);
	if (wait || flush) {
		err = tty_wait_until_sent(t, S64_MAX);
		if (err)
			return kerr_code(err);
	}
	if (flush)
		tty_flush(t, true, false);
	tty_set_termios(t, &k);
	return 0;
}

static long termios_lock(struct tty *t, unsigned cmd, unsigned long arg)
{
	struct ktermios k;
	kerr_t err;

	if (cmd == TIOCSLCKTRMIOS && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&t->ldisc);
	k = t->locked;
	mutex_unlock(&t->ldisc);
	if (cmd == TIOCGLCKTRMIOS)
		return termios_out(&k, FORM_TERMIOS, arg);
	err = termios_in(&k, FORM_TERMIOS, arg);
	if (err)
		return kerr_code(err);
	mutex_lock(&t->ldisc);
	t->locked = k;
	mutex_unlock(&t->ldisc);
	return 0;
}

/* ---- window size ---- */
kerr_t tty_resize(struct tty *t, const struct winsize_k *ws)
{
	bool same;
	pid_t pgrp;

	mutex_lock(&t->ldisc);
	same = !memcmp(ws, &t->winsize, sizeof(*ws));
	t->winsize = *ws;
	if (!same && t->ops->resize)
		t->ops->resize(t, ws);
	mutex_unlock(&t->ldisc);
	pgrp = load_relaxed(&t->pgrp);
	if (!same && pgrp)
		signal_send_pgrp(pgrp, SIGWINCH, SIGINFO_KERNEL);
	return 0;
}

static long winsize_ioctl(struct tty *t, unsigned cmd, unsigned long arg)
{
	struct abi_winsize u;
	struct winsize_k k;
	kerr_t err;

	if (cmd == TIOCGWINSZ) {
		mutex_lock(&t->ldisc);
		k = t->winsize;
		mutex_unlock(&t->ldisc);
		u = (struct abi_winsize){ k.row, k.col, k.xpixel, k.ypixel };
		return to_user(UARG, &u, sizeof(u));
	}
	err = copy_in(&u, (const struct abi_winsize __user *)UARG);
	if (err)
		return kerr_code(err);
	k = (struct winsize_k){ u.ws_row, u.ws_col, u.ws_xpixel, u.ws_ypixel };
	return kerr_code(tty_resize(t, &k));
}

long tty_ioctl_termios(struct tty *t, unsigned cmd, unsigned long arg)
{
	switch (cmd) {
	case TCGETS:
		return termios_get(t, FORM_TERMIOS, arg);
	case TCGETS2:
		return termios_get(t, FORM_TERMIOS2, arg);
	case TCGETA:
		return termios_get(t, FORM_TERMIO, arg);
	case TIOCGLCKTRMIOS:
	case TIOCSLCKTRMIOS:
		return termios_lock(t, cmd, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return termios_set(t, arg, FORM_TERMIOS, cmd == TCSETSW, cmd == TCSETSF);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return termios_set(t, arg, FORM_TERMIOS2, cmd == TCSETSW2, cmd == TCSETSF2);
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return termios_set(t, arg, FORM_TERMIO, cmd == TCSETAW, cmd == TCSETAF);
	case TIOCGWINSZ:
	case TIOCSWINSZ:
		return winsize_ioctl(t, cmd, arg);
	case TIOCGSOFTCAR:
		return put_int(arg, !!(t->termios.cflag & CLOCAL));
	case TIOCGETD:
		return put_int(arg, 0); /* N_TTY */
	}
	return -ENOIOCTLCMD;
}

/* ---- output, breaks, flow ---- */
static long break_ioctl(struct tty *t, unsigned cmd, unsigned long arg)
{
	kerr_t err = tty_check_change(t, SIGTTOU);
	int ms = 250;

	if (!err)
		err = tty_wait_until_sent(t, S64_MAX);
	if (err)
		return kerr_code(err);
	if (cmd == TCSBRK && arg)
		return 0;
	if (cmd == TCSBRKP && arg)
		ms = arg > 100 ? 10000 : (int)arg * 100;
	if (t->ops->send_break)
		t->ops->send_break(t, ms);
	return 0;
}

static long flow_ioctl(struct tty *t, unsigned long arg)
{
	kerr_t err = tty_check_change(t, SIGTTOU);

	if (err)
		return kerr_code(err);
	if (arg > 3)
		return -EINVAL;
	mutex_lock(&t->ldisc);
	switch (arg) {
	case 0: /* TCOOFF */
		t->tco_stopped = true;
		tty_stop(t);
		break;
	case 1: /* TCOON */
		if (t->tco_stopped) {
			t->tco_stopped = false;
			tty_start(t);
		}
		break;
	default: /* TCIOFF, TCION */
		n_tty_send_xchar(t, t->termios.cc[arg == 2 ? VSTOP : VSTART]);
	}
	mutex_unlock(&t->ldisc);
	return 0;
}

static long flush_ioctl(struct tty *t, unsigned long arg)
{
	kerr_t err = tty_check_change(t, SIGTTOU);

	if (err)
		return kerr_code(err);
	if (arg > 2)
		return -EINVAL;
	tty_flush(t, arg != 1, arg != 0);
	return 0;
}

static long softcar_ioctl(struct tty *t, unsigned long arg)
{
	struct ktermios k;
	int on;
	kerr_t err = copy_in(&on, (const int __user *)UARG);

	if (err)
		return kerr_code(err);
	get_termios(t, &k);
	k.cflag = (k.cflag & ~CLOCAL) | (on ? CLOCAL : 0);
	tty_set_termios(t, &k);
	return 0;
}

static long sti_ioctl(struct tty *t, unsigned long arg)
{
	kerr_t err;
	u8 c;

	if ((!current->proc || current->proc->tty != t) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = copy_in(&c, (const u8 __user *)UARG);
	if (err)
		return kerr_code(err);
	mutex_lock(&t->ldisc);
	n_tty_receive(t, &c, NULL, 1);
	mutex_unlock(&t->ldisc);
	return 0;
}

static long queue_ioctl(struct tty *t, unsigned cmd, unsigned long arg)
{
	size_t n;

	mutex_lock(&t->ldisc);
	if (cmd == FIONREAD)
		n = n_tty_chars(t);
	else
		n = (t->ops->chars_queued ? t->ops->chars_queued(t) : 0) + (t->n.echo_head - t->n.echo_tail);
	mutex_unlock(&t->ldisc);
	return put_int(arg, (int)n);
}

/* ---- the line as a whole ---- */
static long console_redirect(struct tty_file *tf)
{
	struct tty *t = tf->console ? NULL : tf->tty, *old;
	long ret = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&tty_state()->mutex);
	old = tty_state()->redirect;
	if (t && old) {
		ret = -EBUSY;
		old = NULL;
	} else if (t && tty_file_hung_up(tf)) {
		ret = -EIO;
	} else {
		store_relaxed(&tty_state()->redirect, t ? tty_get(t) : NULL);
	}
	mutex_unlock(&tty_state()->mutex);
	tty_put(old);
	return ret;
}

static long exclusive_ioctl(struct tty *t, unsigned cmd, unsigned long arg)
{
	if (cmd == TIOCGEXCL)
		return put_int(arg, t->exclusive);
	mutex_lock(&tty_state()->mutex);
	t->exclusive = cmd == TIOCEXCL;
	mutex_unlock(&tty_state()->mutex);
	return 0;
}

long tty_ioctl_session(struct tty *t, bool master, unsigned cmd, unsigned long arg)
{
	pid_t pid;
	kerr_t err;
	long ret;

	switch (cmd) {
	case TIOCSPGRP:
		err = copy_in(&pid, (const pid_t __user *)UARG);
		return err ? kerr_code(err) : tty_ioctl_spgrp(t, master, pid);
	case TIOCGPGRP:
		ret = tty_ioctl_gpgrp(t, master, &pid);
		return ret ? ret : put_int(arg, pid);
	case TIOCGSID:
		ret = tty_ioctl_gsid(t, master, &pid);
		return ret ? ret : put_int(arg, pid);
	}
	return -ENOIOCTLCMD;
}

static long line_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;
	u32 dev;
	int ldisc;
	kerr_t err;

	switch (cmd) {
	case TCSBRK:
	case TCSBRKP:
		return break_ioctl(t, cmd, arg);
	case TCXONC:
		return flow_ioctl(t, arg);
	case TCFLSH:
		return flush_ioctl(t, arg);
	case TIOCSSOFTCAR:
		return softcar_ioctl(t, arg);
	case TIOCSTI:
		return sti_ioctl(t, arg);
	case TIOCOUTQ:
	case FIONREAD:
		return queue_ioctl(t, cmd, arg);
	case TIOCCONS:
		return console_redirect(tf);
	case TIOCEXCL:
	case TIOCNXCL:
	case TIOCGEXCL:
		return exclusive_ioctl(t, cmd, arg);
	case TIOCSCTTY:
		return tty_ioctl_sctty(t, f, arg);
	case TIOCNOTTY:
		return tty_ioctl_notty(t);
	case TIOCGDEV:
		dev = tty_encode_dev(t->line->dev);
		return to_user(UARG, &dev, sizeof(dev));
	case TIOCVHANGUP:
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		tty_hangup(t, false);
		return 0;
	case TIOCSETD:
		err = copy_in(&ldisc, (const int __user *)UARG);
		if (err)
			return kerr_code(err);
		return ldisc == 0 ? 0 : -EINVAL;
	}
	return tty_ioctl_session(t, false, cmd, arg);
}

long tty_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct tty_file *tf = f->priv;
	long ret;

	if (tty_file_hung_up(tf))
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	ret = tty_ioctl_termios(tf->tty, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = line_ioctl(f, cmd, arg);
	if (ret == -ENOIOCTLCMD && tf->tty->ops->ioctl)
		ret = tf->tty->ops->ioctl(tf->tty, cmd, arg);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}
