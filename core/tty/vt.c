/* SPDX-License-Identifier: MIT */
/*
 * Virtual terminals: six screens behind tty1..tty6, one of them shown (which, is vt_switch.c's); the log's console on the screen; console ioctls.
 * Output only changes cells; vt_flush() then gives the display the cells that differ from what it shows, a few rows at a time.
 * Locking: vt_core.lock, interrupts off, in short pieces.  Specification: ioctl_console(2), console(4).
 */
#include "vt_priv.h"

#include <abi/tty.h>
#include <maestro/dev.h>
#include <maestro/lib.h>
#include <maestro/tty_ioctl.h>

#define VT_PIECE 256u
#define FLUSH_ROWS 4u

/* ---- showing ---- */
static void flush_row(struct vt_core *c, struct vc *vc, unsigned row)
{
	const u32 *want = vt_history_row(c, vc, row);
	u32 *have = c->shown + row * c->cols;

	for (unsigned col = 0; col < c->cols; col++)
		if (want[col] != have[col]) {
			have[col] = want[col];
			c->display->put(c->display, row, col, want[col] & 0xffffff, (u8)(want[col] >> 24));
		}
	c->dirty &= ~(1ULL << row);
}

/* At most `rows` dirty rows; true if some are left. */
static bool flush_some(struct vt_core *c, unsigned rows)
{
	struct vc *vc = &c->vc[c->foreground];

	assert_held(&c->lock);
	if (vc->graphics) {
		c->dirty = 0;
		return false;
	}
	for (unsigned row = 0; row < c->rows && c->dirty && rows; row++)
		if ((c->dirty >> row) & 1) {
			flush_row(c, vc, row);
			rows--;
		}
	if (!c->dirty)
		c->display->cursor(c->display, vc->pen.y, vc->pen.x, vc->cursor_on && !c->history.view);
	return c->dirty != 0;
}

void vt_flush(struct vt_core *c, bool locked)
{
	bool more;

	if (locked) {
		flush_some(c, ~0u);
		return;
	}
	do {
		unsigned long flags = spin_lock_irqsave(&c->lock);

		more = flush_some(c, FLUSH_ROWS);
		spin_unlock_irqrestore(&c->lock, flags);
	} while (more);
}

void vt_repaint(struct vt_core *c)
{
	assert_held(&c->lock);
	memset(c->shown, 0xff, c->rows * c->cols * sizeof(u32));
	c->dirty = c->rows == 64 ? ~0ULL : (1ULL << c->rows) - 1;
}

/* ---- the tty's driver ---- */
static size_t vt_write(struct tty *t, const u8 *buf, size_t n)
{
	struct vt_core *c = vt_core();
	struct vc *vc = vc_of(t);
	u8 reply[VT_REPLY];
	size_t done = 0;

	while (done < n) {
		size_t piece = MIN(n - done, (size_t)VT_PIECE);
		unsigned long flags = spin_lock_irqsave(&c->lock);
		unsigned len, show, hz, ms;
		bool bell;

		vc_put_bytes(vc, buf + done, piece);
		len = vc->reply_len;
		memcpy(reply, vc->reply, len);
		vc->reply_len = 0;
		bell = vc->bell;
		show = vc->show;
		hz = vc->bell_hz;
		ms = vc->bell_ms;
		vc->bell = false;
		vc->show = 0;
		spin_unlock_irqrestore(&c->lock, flags);
		tty_input(&vc->line, reply, len);
		if (unlikely(bell))
			vt_sound(c, hz, ms);
		if (unlikely(show))
			vt_switch(show - 1);
		done += piece;
	}
	if (vc->index == load_relaxed(&c->foreground))
		vt_flush(c, false);
	return n;
}

static size_t vt_write_room(struct tty *t)
{
	(void)t;
	return 4096; /* a screen never waits */
}

static void vt_hangup(struct tty *t)
{
	struct vt_core *c = vt_core();
	unsigned long flags = spin_lock_irqsave(&c->lock);

	vc_reset(vc_of(t), false);
	vc_of(t)->graphics = false;
	vt_owner_reset(vc_of(t));
	spin_unlock_irqrestore(&c->lock, flags);
}

/* ---- ioctls ---- */
bool vt_may_configure(struct tty *t)
{
	return (current->proc && current->proc->tty == t) || capable(CAP_SYS_TTY_CONFIG);
}

static long out_int(unsigned long arg, int v)
{
	return kerr_code(put_user(v, (int __user *)arg));
}

static long set_kd_mode(struct vt_core *c, struct vc *vc, unsigned long arg)
{
	unsigned long flags;

	if (arg > 3)
		return -EINVAL;
	flags = spin_lock_irqsave(&c->lock);
	vc->graphics = arg == 1; /* 2 and 3 are old names of text */
	if (!vc->graphics && vc->index == c->foreground)
		vt_repaint(c);
	spin_unlock_irqrestore(&c->lock, flags);
	vt_flush(c, false);
	return 0;
}

static long key_entry(unsigned long arg)
{
	struct abi_kbentry e;
	kerr_t err = copy_in(&e, (const struct abi_kbentry __user *)arg);

	if (err)
		return kerr_code(err);
	e.kb_value = e.kb_index < 128 ? vt_keysym(e.kb_index, e.kb_table) : 0x200; /* K_HOLE */
	return kerr_code(copy_out((struct abi_kbentry __user *)arg, &e));
}

static long keyboard_set(struct tty *t, struct vc *vc, unsigned cmd, unsigned long arg)
{
	if (!vt_may_configure(t))
		return -EPERM;
	switch (cmd) {
	case KDSKBMODE:
		if (arg > 4)
			return -EINVAL;
		store_relaxed(&vc->kbd_mode, (u8)arg);
		return 0;
	case KDSKBMETA:
		if (arg != 3 && arg != 4)
			return -EINVAL;
		store_relaxed(&vc->meta_bit, arg == 3);
		return 0;
	default: /* KDSKBLED: the lock state; KDSETLED: the lights alone, which here are the same */
		if (arg > 0x77 && cmd == KDSKBLED)
			return -EINVAL;
		vt_set_leds(vc, (u8)(arg & 7));
		return 0;
	}
}

static long vt_ioctl_keyboard(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg)
{
	struct vc *vc = vc_of(t);

	switch (cmd) {
	case KDGKBTYPE:
		return kerr_code(put_user((u8)2, (u8 __user *)arg)); /* KB_101 */
	case KDGETMODE:
		return out_int(arg, vc->graphics);
	case KDSETMODE:
		return vt_may_configure(t) ? set_kd_mode(c, vc, arg) : -EPERM;
	case KDGKBMODE:
		return out_int(arg, vc->kbd_mode);
	case KDGKBMETA:
		return out_int(arg, vc->meta_bit ? 3 : 4);
	case KDGKBLED:
	case KDGETLED:
		return kerr_code(put_user((u8)(vc->leds & 7), (u8 __user *)arg));
	case KDSKBMODE:
	case KDSKBMETA:
	case KDSKBLED:
	case KDSETLED:
		return keyboard_set(t, vc, cmd, arg);
	case KDGKBENT:
		return key_entry(arg);
	}
	return -ENOIOCTLCMD;
}

static long vt_ioctl(struct tty *t, unsigned cmd, unsigned long arg)
{
	struct vt_core *c = vt_core();
	struct abi_vt_sizes sizes;
	kerr_t err;
	long ret;

	if (cmd == VT_RESIZE) {
		if (!capable(CAP_SYS_TTY_CONFIG))
			return -EPERM;
		err = copy_in(&sizes, (const struct abi_vt_sizes __user *)arg);
		if (err)
			return kerr_code(err);
		return (!sizes.v_rows || sizes.v_rows == c->rows) && (!sizes.v_cols || sizes.v_cols == c->cols) ? 0 : -EINVAL;
	}
	ret = vt_ioctl_switching(c, t, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = vt_ioctl_keyboard(c, t, cmd, arg);
	if (ret == -ENOIOCTLCMD)
		ret = vt_ioctl_sound(c, t, cmd, arg);
	return ret == -ENOIOCTLCMD ? vt_ioctl_linux(c, t, cmd, arg) : ret;
}

static const struct tty_driver_ops vt_ops = {
	.write = vt_write,
	.write_room = vt_write_room,
	.hangup = vt_hangup,
	.ioctl = vt_ioctl,
};

/* ---- the log ---- */
/* Any context. When the lock cannot be had (the log speaks out of the emulator itself, in a panic) the lines are left out of the screen. */
void vt_console_write(const char *text, size_t n)
{
	struct vt_core *c = vt_core();
	unsigned long flags = hal_irq_save();
	unsigned tries = 1000000;
	struct vc *vc;

	while (!spin_trylock(&c->lock))
		if (!--tries) {
			hal_irq_restore(flags);
			return;
		}
	vc = &c->vc[c->foreground];
	for (; n--; text++) {
		if (*text == '\n')
			vc_put_bytes(vc, (const u8 *)"\r", 1);
		vc_put_bytes(vc, (const u8 *)text, 1);
	}
	vt_flush(c, true);
	spin_unlock_irqrestore(&c->lock, flags);
}

static void log_write(struct log_console *lc, const char *text, size_t n)
{
	(void)lc;
	vt_console_write(text, n);
}

/* What was logged before there was a screen. Lines are "<level>text". */
static void log_replay(void)
{
	char buf[VT_PIECE];
	u64 seq = log_start();
	bool show = true, head = true;
	unsigned skip = 0;
	size_t n;

	while ((n = log_read(&seq, buf, sizeof(buf))) != 0)
		for (size_t i = 0; i < n; i++) {
			if (head && buf[i] == '<')
				skip = 3;
			head = buf[i] == '\n';
			if (skip == 2)
				show = buf[i] - '0' < log_console_level();
			if (skip)
				skip--;
			else if (show)
				vt_console_write(buf + i, 1);
		}
}

/* ---- start ---- */
static kerr_t vc_setup(struct vt_core *c, struct vc *vc, unsigned index)
{
	unsigned long flags;

	vc->index = index;
	vc->cells = kmalloc(c->rows * c->cols * sizeof(u32), GFP_KERNEL);
	if (!vc->cells)
		return KERR(ENOMEM);
	vc->kbd_mode = 3; /* K_UNICODE */
	memcpy(vc->palette, vt_default_palette, sizeof(vc->palette));
	vc->default_attr = 7;
	vc->underline_colour = 3;
	vc->half_colour = 8;
	flags = spin_lock_irqsave(&c->lock);
	vc_reset(vc, true);
	spin_unlock_irqrestore(&c->lock, flags);
	ksnprintf(vc->line.name, sizeof(vc->line.name), "tty%u", index + 1);
	vc->line.dev = DEV(TTY_MAJOR, index + 1);
	vc->line.ops = &vt_ops;
	tty_default_termios(&vc->line.init_termios);
	vc->line.init_termios.iflag |= IUTF8;
	vc->line.init_winsize = (struct winsize_k){ (u16)c->rows, (u16)c->cols, 0, 0 };
	return 0;
}

static bool log_wanted(void)
{
	char name[8];

	if (tty_console_selected("tty0"))
		return true;
	for (unsigned i = 1; i <= VT_COUNT; i++) {
		ksnprintf(name, sizeof(name), "tty%u", i);
		if (tty_console_selected(name))
			return true;
	}
	return false;
}

kerr_t vt_register_display(struct vt_display *d)
{
	struct vt_core *c = vt_core();
	unsigned long flags;
	kerr_t err = 0;

	if (!c || c->display)
		return KERR(EBUSY);
	if (!d->cols || !d->rows || d->cols > VT_MAX_COLS || d->rows > VT_MAX_ROWS)
		return KERR(EINVAL);
	c->cols = d->cols;
	c->rows = d->rows;
	c->shown = kmalloc(c->rows * c->cols * sizeof(u32), GFP_KERNEL);
	if (!c->shown)
		return KERR(ENOMEM);
	for (unsigned i = 0; i < VT_COUNT && !err; i++)
		err = vc_setup(c, &c->vc[i], i);
	if (err) {
		for (unsigned i = 0; i < VT_COUNT; i++)
			kfree(c->vc[i].cells);
		kfree(c->shown);
		return err;
	}
	vt_history_init(c);
	flags = spin_lock_irqsave(&c->lock);
	c->display = d;
	vt_repaint(c);
	spin_unlock_irqrestore(&c->lock, flags);
	vt_flush(c, false);
	err = dev_node_add("tty0", S_IFCHR | 0620, DEV(TTY_MAJOR, 0));
	for (unsigned i = 0; i < VT_COUNT && !err; i++)
		err = tty_line_register(&c->vc[i].line);
	if (!err)
		err = vt_vcs_register();
	if (log_wanted()) {
		c->log.name = "tty";
		c->log.write = log_write;
		log_replay();
		log_console_register(&c->log);
	}
	return err;
}

kerr_t vt_init(void)
{
	struct vt_core *c = kzalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return KERR(ENOMEM);
	spin_init(&c->lock, RANK_CONSOLE, "vt");
	wait_queue_init(&c->switched);
	c->pending = -1;
	vt_keyboard_init(c);
	vt_sound_init(c);
	kernel()->tty.vt = c;
	return 0;
}
