/* SPDX-License-Identifier: MIT */
/*
 * Terminals: struct tty is a line with termios, an n_tty line discipline, a window size, a session. Drivers (serial, VT, pty) feed input and take output.
 * Follows termios(3), tty_ioctl(4), and n_tty as Linux documents it.
 */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>
#include <maestro/wait.h>

#define NCCS 19
struct ktermios {
	u32 iflag, oflag, cflag, lflag;
	u8 line;
	u8 cc[NCCS];
	u32 ispeed, ospeed;
};
struct winsize_k {
	u16 row, col, xpixel, ypixel;
};
struct tty;
struct tty_driver_ops {
	/* Takes bytes for output; returns how many were accepted. Called under the tty's output lock; must not sleep. */
	size_t (*write)(struct tty *t, const u8 *buf, size_t n);
	size_t (*write_room)(struct tty *t);
	size_t (*chars_queued)(struct tty *t);	    /* NULL: 0 */
	void (*flush_output)(struct tty *t);	    /* NULL ok */
	void (*set_termios)(struct tty *t, const struct ktermios *old); /* NULL ok */
	void (*throttle)(struct tty *t, bool on);   /* input buffer is full / has room. NULL ok */
	void (*start_stop)(struct tty *t, bool stop); /* ^S ^Q. NULL ok */
	void (*hangup)(struct tty *t);
	long (*ioctl)(struct tty *t, unsigned cmd, unsigned long arg); /* -ENOIOCTLCMD: unknown */
	kerr_t (*open)(struct tty *t);		    /* first open */
	void (*close)(struct tty *t);		    /* last close */
	void (*resize)(struct tty *t, const struct winsize_k *ws);
	void (*send_break)(struct tty *t, int ms);
};
struct n_tty;
/* Lifecycle and full definition: core/tty/tty_priv.h. Drivers use these: */
struct tty_line { /* what a driver registers: a place that a tty can be opened on */
	char name[16]; /* "ttyS0", "tty1": the node */
	dev_t dev;
	const struct tty_driver_ops *ops;
	struct ktermios init_termios;
	struct winsize_k init_winsize;
	void *driver;
	struct tty *tty; /* [tty mutex] while open; persists termios over closes */
	struct list node;
	bool console;	 /* selected by console= : /dev/console goes to the last of them */
};
kerr_t tty_line_register(struct tty_line *l) __must_check;
extern const u8 tty_default_cc[NCCS];
void tty_default_termios(struct ktermios *t); /* 38400 sane */
/* Input from the line. flag: 0 normal, or TTY_BREAK.. Any context; queues, and a worker (or the caller's pump) runs the discipline. */
enum { TTY_NORMAL, TTY_BREAK, TTY_FRAME, TTY_PARITY, TTY_OVERRUN };
void tty_input(struct tty_line *l, const u8 *buf, size_t n);
void tty_input_flag(struct tty_line *l, u8 c, u8 flag);
void tty_output_ready(struct tty_line *l); /* room again. Any context */
void tty_carrier_lost(struct tty_line *l); /* hangup. Any context */
void *tty_driver_data(struct tty *t);
struct tty_line *tty_line_of(struct tty *t);
const struct ktermios *tty_termios(struct tty *t);
kerr_t tty_init(void) __must_check; /* tty core, ptmx, /dev/tty, /dev/console */
/* --- console= --- */
bool tty_console_selected(const char *name);	   /* "ttyS0"; "tty0" also if no console= was given */
const char *tty_console_options(const char *name); /* ",115200n8" or "" */
/* Names of the consoles, separated by spaces, the one behind /dev/console last ("tty0 ttyS0"). Returns the length. May sleep. */
size_t tty_console_names(char *buf, size_t size);
/* process side */
struct proc;
struct tty *tty_get(struct tty *t);
void tty_put(struct tty *t);
void tty_session_exit(struct proc *p); /* the session leader died: SIGHUP to the foreground, detach */
int tty_dev_number(struct tty *t);     /* tty_nr of /proc/PID/stat, 0 none */
pid_t tty_foreground_pgrp(struct tty *t); /* -1 none */
u32 termios_baud(u32 cbaud, u32 bother); /* bits/s of a CBAUD field; bother: what BOTHER means */
u32 termios_encode_baud(u32 baud);	  /* the CBAUD bits, BOTHER if no name fits */
void tty_name(struct tty *t, char *buf, size_t size);

/* --- VT: a screen of cells behind a tty; drivers of displays implement vt_display --- */
struct vt_display {
	unsigned cols, rows;
	void (*put)(struct vt_display *d, unsigned row, unsigned col, u32 ch, u8 attr); /* attr: VGA colours, low 4 fg, high 4 bg. ch: Unicode */
	void (*cursor)(struct vt_display *d, unsigned row, unsigned col, bool visible);
	void (*scroll)(struct vt_display *d, unsigned top, unsigned bottom, int lines); /* up if > 0. NULL: repaint */
	void (*palette)(struct vt_display *d, const u8 rgb[16][3]); /* NULL ok */
	void *priv;
};
kerr_t vt_register_display(struct vt_display *d) __must_check;
/* Keys from a keyboard driver: Linux key codes (input-event-codes), pressed 1, released 0, repeat 2. Any context. */
void vt_key(unsigned keycode, int value);
/* What sets a keyboard's lights (1 scroll, 2 num, 4 caps). Any context; may not sleep. */
void vt_keyboard_register(void (*set_leds)(u8 leds));
/* What makes a tone of so many Hz (0: silence). Any context; may not sleep. */
void vt_sound_register(void (*tone)(unsigned hz));
kerr_t vt_init(void) __must_check;
#define VT_FONT_CODES 0xf000u /* from here 256 private characters that are the font's codes themselves */
/* Characters: a font's code for a Unicode character (a square if none), whether it has one, code page 437, DEC line drawing 0x5f..0x7e, columns (0, 1, 2). Any context. */
u8 vt_to_cp437(u32 ch);
bool vt_has_code(u32 ch);
unsigned vt_char_width(u32 ch);
extern const u16 vt_cp437[256];
extern const u16 vt_dec_graphics[32];
