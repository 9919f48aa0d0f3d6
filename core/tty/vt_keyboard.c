/* SPDX-License-Identifier: MIT */
/*
 * Key codes to characters: US layout, the sequences of TERM=linux, locks, composed Alt codes, switching of terminals, Ctrl-Alt-Del.
 * vt_key() is called from a keyboard's interrupt: what may sleep (switching, telling init) is left to a work item.
 * Locking: vt_core.kbd.lock (RANK_LEAF); the characters go to the line after it is released.
 * Specification: keyboard codes of Linux's input-event-codes; terminfo(5) entry "linux"; ioctl_console(2) for keysyms and modes.
 */
#include "vt_priv.h"

#include <maestro/lib.h>

enum { MOD_SHIFT = 1, MOD_ALTGR = 2, MOD_CTRL = 4, MOD_ALT = 8 };
enum { LOCK_SCROLL = 1, LOCK_NUM = 2, LOCK_CAPS = 4 };
enum { K_RAW, K_XLATE, K_MEDIUMRAW, K_UNICODE, K_OFF };
enum {
	KEY_ESC = 1, KEY_BACKSPACE = 14, KEY_TAB = 15, KEY_ENTER = 28, KEY_LEFTCTRL = 29, KEY_LEFTSHIFT = 42, KEY_RIGHTSHIFT = 54,
	KEY_KPASTERISK = 55, KEY_LEFTALT = 56, KEY_SPACE = 57, KEY_CAPSLOCK = 58, KEY_F1 = 59, KEY_F10 = 68, KEY_NUMLOCK = 69,
	KEY_SCROLLLOCK = 70, KEY_KP7 = 71, KEY_KPDOT = 83, KEY_102ND = 86, KEY_F11 = 87, KEY_F12 = 88, KEY_KPENTER = 96, KEY_RIGHTCTRL = 97,
	KEY_KPSLASH = 98, KEY_RIGHTALT = 100, KEY_HOME = 102, KEY_UP = 103, KEY_PAGEUP = 104, KEY_LEFT = 105, KEY_RIGHT = 106, KEY_END = 107,
	KEY_DOWN = 108, KEY_PAGEDOWN = 109, KEY_INSERT = 110, KEY_DELETE = 111,
};

/* Codes 1..57 and 86: characters without and with Shift. 0: not a character. */
static const char plain_map[58] = "\0\0331234567890-=\177\tqwertyuiop[]\r\0asdfghjkl;'`\0\\zxcvbnm,./\0*\0 ";
static const char shift_map[58] = "\0\033!@#$%^&*()_+\177\tQWERTYUIOP{}\r\0ASDFGHJKL:\"~\0|ZXCVBNM<>?\0*\0 ";
/* Keypad 71..83: what it is with and without Num Lock. '\0': nothing. */
static const char pad_map[13] = "789-456+1230.";
static const u8 pad_nav[13] = { KEY_HOME, KEY_UP, KEY_PAGEUP, 0, KEY_LEFT, 0, KEY_RIGHT, 0, KEY_END, KEY_DOWN, KEY_PAGEDOWN, KEY_INSERT, KEY_DELETE };
static const char pad_app[13] = "wxyStuvlqrspn"; /* ESC O and this, in application mode */

struct key_out {
	u8 buf[16];
	unsigned len;
};
static void emit(struct key_out *o, const char *s)
{
	while (*s && o->len < sizeof(o->buf))
		o->buf[o->len++] = (u8)*s++;
}
static void emit_byte(struct key_out *o, u8 c)
{
	if (o->len < sizeof(o->buf))
		o->buf[o->len++] = c;
}

static void emit_utf8(struct key_out *o, u32 ch)
{
	if (ch < 0x80) {
		emit_byte(o, (u8)ch);
	} else if (ch < 0x800) {
		emit_byte(o, (u8)(0xc0 | (ch >> 6)));
		emit_byte(o, (u8)(0x80 | (ch & 0x3f)));
	} else {
		emit_byte(o, (u8)(0xe0 | (ch >> 12)));
		emit_byte(o, (u8)(0x80 | ((ch >> 6) & 0x3f)));
		emit_byte(o, (u8)(0x80 | (ch & 0x3f)));
	}
}

static bool key_down(const struct vt_core *c, unsigned key)
{
	return (c->kbd.down[key / 32] >> (key % 32)) & 1;
}

static unsigned modifiers(const struct vt_core *c)
{
	unsigned m = 0;

	if (key_down(c, KEY_LEFTSHIFT) || key_down(c, KEY_RIGHTSHIFT))
		m |= MOD_SHIFT;
	if (key_down(c, KEY_LEFTCTRL) || key_down(c, KEY_RIGHTCTRL))
		m |= MOD_CTRL;
	if (key_down(c, KEY_LEFTALT))
		m |= MOD_ALT;
	if (key_down(c, KEY_RIGHTALT))
		m |= MOD_ALTGR;
	return m;
}

/* 0: the key gives no character. */
static char base_char(unsigned key, bool shift)
{
	if (key == KEY_102ND)
		return shift ? '>' : '<';
	if (key >= sizeof(plain_map))
		return 0;
	return shift ? shift_map[key] : plain_map[key];
}

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* -1: Ctrl makes nothing of it. */
static int with_ctrl(char c)
{
	if (c >= '@' && c <= '~')
		return c & 0x1f;
	switch (c) {
	case ' ': case '2': return 0;
	case '3': return 033;
	case '4': return 034;
	case '5': return 035;
	case '6': return 036;
	case '7': case '/': case '-': return 037;
	case '8': case '?': return 0177;
	case 0177: return '\b';
	case '\t': case '\r': case 033: return c;
	}
	return -1;
}

static void char_key(struct vc *vc, unsigned key, unsigned mods, struct key_out *o)
{
	char c = base_char(key, mods & MOD_SHIFT);
	bool meta = mods & MOD_ALT;
	int code;

	if (!c)
		return;
	if ((vc->leds & LOCK_CAPS) && is_letter(c))
		c ^= 0x20;
	if (key == KEY_TAB && (mods & MOD_SHIFT)) {
		emit(o, meta ? "\033\033[Z" : "\033[Z");
		return;
	}
	if ((mods & MOD_ALTGR) && (c | 0x20) == 'e' && !(mods & MOD_CTRL)) {
		emit_utf8(o, 0x20ac);
		return;
	}
	code = mods & MOD_CTRL ? with_ctrl(c) : (u8)c;
	if (code < 0)
		return;
	if (meta && vc->meta_bit) {
		emit_utf8(o, (u32)code | 0x80);
		return;
	}
	if (meta)
		emit_byte(o, 033);
	emit_byte(o, (u8)code);
	if (code == '\r' && vc->newline_mode)
		emit_byte(o, '\n');
}

static void nav_key(struct vc *vc, unsigned key, unsigned mods, struct key_out *o)
{
	static const char arrows[4][2] = { { KEY_UP, 'A' }, { KEY_DOWN, 'B' }, { KEY_RIGHT, 'C' }, { KEY_LEFT, 'D' } };
	static const char pages[6][2] = { { KEY_HOME, '1' }, { KEY_INSERT, '2' }, { KEY_DELETE, '3' },
					  { KEY_END, '4' }, { KEY_PAGEUP, '5' }, { KEY_PAGEDOWN, '6' } };

	if (mods & MOD_ALT)
		emit_byte(o, 033);
	for (unsigned i = 0; i < ARRAY_SIZE(arrows); i++)
		if ((unsigned)arrows[i][0] == key) {
			emit(o, load_relaxed(&vc->app_cursor) ? "\033O" : "\033[");
			emit_byte(o, (u8)arrows[i][1]);
			return;
		}
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
		if ((unsigned)pages[i][0] == key) {
			emit(o, "\033[");
			emit_byte(o, (u8)pages[i][1]);
			emit_byte(o, '~');
		}
}

/* F1..F12, and with Shift F13..F20 as the linux terminal names them. */
static void function_key(unsigned n, unsigned mods, struct key_out *o)
{
	static const char *const plain[12] = { "[A", "[B", "[C", "[D", "[E", "17~", "18~", "19~", "20~", "21~", "23~", "24~" };
	static const char *const shifted[8] = { "25~", "26~", "28~", "29~", "31~", "32~", "33~", "34~" };

	emit(o, "\033[");
	emit(o, (mods & MOD_SHIFT) && n < 8 ? shifted[n] : plain[n]);
}

static int function_index(unsigned key)
{
	if (key >= KEY_F1 && key <= KEY_F10)
		return (int)(key - KEY_F1);
	if (key == KEY_F11 || key == KEY_F12)
		return (int)(10 + key - KEY_F11);
	return -1;
}

static void pad_key(struct vt_core *c, struct vc *vc, unsigned key, unsigned mods, struct key_out *o)
{
	unsigned i = key - KEY_KP7;

	if ((mods & MOD_ALT) && pad_map[i] >= '0' && pad_map[i] <= '9') {
		c->kbd.alt_code = (c->kbd.alt_code * 10 + (unsigned)(pad_map[i] - '0')) % 100000;
		c->kbd.alt_digits = true;
	} else if (load_relaxed(&vc->app_keypad) && !(mods & MOD_SHIFT)) {
		emit(o, "\033O");
		emit_byte(o, (u8)pad_app[i]);
	} else if (((vc->leds & LOCK_NUM) != 0) != ((mods & MOD_SHIFT) != 0) || pad_map[i] == '-' || pad_map[i] == '+') {
		emit_byte(o, (u8)pad_map[i]);
	} else if (pad_nav[i]) {
		nav_key(vc, pad_nav[i], mods, o);
	} else {
		emit(o, "\033[G"); /* the middle key */
	}
}

/* Keys for the kernel. True: used up. */
static bool system_key(struct vt_core *c, struct vc *vc, unsigned key, unsigned mods, bool repeat)
{
	int fn = function_index(key);

	if ((mods & MOD_CTRL) && (mods & (MOD_ALT | MOD_ALTGR)) && (key == KEY_DELETE || key == KEY_KPDOT)) {
		c->kbd.reboot = true;
	} else if ((mods & (MOD_ALT | MOD_ALTGR)) && fn >= 0) {
		if (fn < VT_COUNT)
			c->kbd.want_vt = fn;
	} else if ((mods & MOD_ALT) && (key == KEY_LEFT || key == KEY_RIGHT)) {
		c->kbd.want_vt = (int)((vc->index + (key == KEY_RIGHT ? 1 : VT_COUNT - 1)) % VT_COUNT);
	} else if ((mods & MOD_SHIFT) && (key == KEY_PAGEUP || key == KEY_PAGEDOWN)) {
		c->kbd.scroll += (int)c->rows / 2 * (key == KEY_PAGEUP ? 1 : -1);
	} else if (key == KEY_CAPSLOCK || key == KEY_NUMLOCK || key == KEY_SCROLLLOCK) {
		if (!repeat)
			vc->leds ^= key == KEY_CAPSLOCK ? LOCK_CAPS : key == KEY_NUMLOCK ? LOCK_NUM : LOCK_SCROLL;
	} else {
		return false;
	}
	return true;
}

static void pressed(struct vt_core *c, struct vc *vc, unsigned key, unsigned mods, struct key_out *o)
{
	int fn = function_index(key);

	if (fn >= 0)
		function_key((unsigned)fn, mods, o);
	else if (key >= KEY_KP7 && key <= KEY_KPDOT)
		pad_key(c, vc, key, mods, o);
	else if (key == KEY_KPENTER || key == KEY_KPSLASH || key == KEY_KPASTERISK)
		emit_byte(o, key == KEY_KPENTER ? '\r' : key == KEY_KPSLASH ? '/' : '*');
	else if (key >= KEY_HOME && key <= KEY_DELETE)
		nav_key(vc, key, mods, o);
	else
		char_key(vc, key, mods, o);
}

/* The raw modes: key codes as medium-raw bytes; a set-1 scan code for the codes that have a plain one. */
static void raw_key(unsigned mode, unsigned key, int value, struct key_out *o)
{
	if (mode == K_MEDIUMRAW || (mode == K_RAW && key <= 88))
		emit_byte(o, (u8)((key & 0x7f) | (value ? 0 : 0x80)));
}

static void alt_released(struct vt_core *c, struct key_out *o)
{
	if (c->kbd.alt_digits)
		emit_utf8(o, c->kbd.alt_code & 0xffff);
	c->kbd.alt_digits = false;
	c->kbd.alt_code = 0;
}

void vt_key(unsigned key, int value)
{
	struct vt_core *c = vt_core();
	struct key_out out = { .len = 0 };
	struct vc *vc;
	unsigned long flags;
	unsigned mods, mode;
	u8 old_leds, leds;
	bool work;

	if (!c || !c->display || key == 0 || key >= 256)
		return;
	vc = &c->vc[load_relaxed(&c->foreground)];
	flags = spin_lock_irqsave(&c->kbd.lock);
	if (value)
		c->kbd.down[key / 32] |= 1u << (key % 32);
	else
		c->kbd.down[key / 32] &= ~(1u << (key % 32));
	mods = modifiers(c);
	mode = load_relaxed(&vc->kbd_mode);
	old_leds = vc->leds;
	if (mode == K_RAW || mode == K_MEDIUMRAW)
		raw_key(mode, key, value, &out);
	else if (value && !system_key(c, vc, key, mods, value == 2) && mode != K_OFF)
		pressed(c, vc, key, mods, &out);
	else if (!value && key == KEY_LEFTALT)
		alt_released(c, &out);
	leds = vc->leds;
	work = c->kbd.want_vt >= 0 || c->kbd.scroll || c->kbd.reboot || leds != old_leds;
	spin_unlock_irqrestore(&c->kbd.lock, flags);
	if (work)
		work_queue(&c->kbd.work);
	tty_input(&vc->line, out.buf, out.len);
}

/* ---- what an interrupt cannot do ---- */
static void tell_init(void)
{
	struct proc *init = proc_find(1);

	if (!init)
		return;
	if (signal_send_proc(init, SIGINT, SIGINFO_KERNEL))
		klog_warn("keyboard: init could not be told of Ctrl-Alt-Del");
	proc_put(init);
}

static void hold_output(struct vc *vc)
{
	struct tty *t = load_acquire(&vc->line.tty);
	bool stop = vc->leds & LOCK_SCROLL;

	if (!t || t->stopped == stop)
		return;
	mutex_lock(&t->ldisc);
	if (stop)
		tty_stop(t);
	else
		tty_start(t);
	mutex_unlock(&t->ldisc);
}

static void look_back(struct vt_core *c, int lines)
{
	unsigned long flags;

	if (!lines)
		return;
	flags = spin_lock_irqsave(&c->lock);
	vt_history_look(c, lines);
	spin_unlock_irqrestore(&c->lock, flags);
	vt_flush(c, false);
}

static void keyboard_work(struct work *w)
{
	struct vt_core *c = vt_core();
	struct vc *vc = &c->vc[load_relaxed(&c->foreground)];
	unsigned long flags = spin_lock_irqsave(&c->kbd.lock);
	int want = c->kbd.want_vt;
	bool reboot = c->kbd.reboot;
	int look = c->kbd.scroll;

	(void)w;
	c->kbd.scroll = 0;
	c->kbd.want_vt = -1;
	c->kbd.reboot = false;
	spin_unlock_irqrestore(&c->kbd.lock, flags);
	vt_set_leds(vc, vc->leds);
	look_back(c, look);
	hold_output(vc);
	if (want >= 0)
		vt_switch((unsigned)want);
	if (reboot)
		tell_init();
}

void vt_set_leds(struct vc *vc, u8 leds)
{
	struct vt_core *c = vt_core();

	vc->leds = leds;
	if (vc->index == load_relaxed(&c->foreground) && c->kbd.set_leds)
		c->kbd.set_leds(leds);
}

void vt_keyboard_register(void (*set_leds)(u8 leds))
{
	if (vt_core())
		vt_core()->kbd.set_leds = set_leds;
}

u8 vt_shift_state(struct vt_core *c)
{
	unsigned long flags = spin_lock_irqsave(&c->kbd.lock);
	u8 state = (u8)modifiers(c);

	spin_unlock_irqrestore(&c->kbd.lock, flags);
	return state;
}

u16 vt_keysym(unsigned key, unsigned mods)
{
	char c = base_char(key, mods & MOD_SHIFT);
	int fn = function_index(key), code;

	if (mods > 15)
		return 0x27e; /* K_NOSUCHMAP */
	if (fn >= 0)
		return (u16)(mods & MOD_ALT ? 0x500 + fn : 0x100 + fn); /* KT_CONS, KT_FN */
	if (!c)
		return 0x200;
	code = mods & MOD_CTRL ? with_ctrl(c) : (u8)c;
	if (code < 0)
		return 0x200;
	if (mods & MOD_ALT)
		return (u16)(0x800 + code); /* KT_META */
	return (u16)((is_letter((char)code) ? 0xb00 : 0) + code); /* KT_LETTER follows Caps Lock */
}

void vt_keyboard_init(struct vt_core *c)
{
	spin_init(&c->kbd.lock, RANK_LEAF, "keyboard");
	work_init(&c->kbd.work, keyboard_work);
	c->kbd.want_vt = -1;
}
