/* SPDX-License-Identifier: MIT */
/*
 * Private to virtual terminals.
 * Locks: vt_core.lock (RANK_CONSOLE: the log is written with it) for every screen; kbd.lock (RANK_LEAF) for the keyboard. Neither is held
 * while input is handed to a line: answers and keys are collected first.
 */
#pragma once

#include "tty_priv.h"

#include <maestro/timer.h>

#include <maestro/printk.h>

#define VT_MAX_PARAMS 16
#define VT_MAX_COLS 256u
#define VT_MAX_ROWS 64u
#define VT_REPLY 32u
#define VT_BELL_HZ 750u
#define VT_BELL_MS 125u

enum vt_state { VT_GROUND, VT_ESC, VT_CSI, VT_CSI_IGNORE, VT_CHARSET, VT_HASH, VT_PERCENT, VT_OSC, VT_OSC_PALETTE, VT_STRING, VT_FUNCKEY };
enum vt_charset { CHARSET_LATIN1, CHARSET_GRAPHICS, CHARSET_IBM };

struct vt_pen { /* what a saved cursor holds too */
	unsigned x, y;
	u8 fg, bg; /* VGA colours 0..7 of fg may have 8 */
	bool bold, half, italic, underline, blink, reverse;
	u8 charset[2], shift; /* G0, G1; which is in use */
};
struct vt_owner { /* who is asked before the screen is switched away */
	u8 mode;     /* VT_AUTO: nobody */
	s8 waitv;
	s16 relsig, acqsig;
	pid_t pid;
};
struct vc {
	/* [c] */
	struct tty_line line;
	unsigned index;
	/* [vt_core.lock] */
	u32 *cells; /* rows * cols: character, attribute << 24 */
	struct vt_pen pen, saved;
	u8 attr;	      /* of pen */
	unsigned top, bottom; /* scrolling region, bottom exclusive */
	bool wrap_pending, origin, autowrap, insert, newline_mode, cursor_on, reverse_screen, show_controls;
	u32 tabs[VT_MAX_COLS / 32];
	enum vt_state state;
	u8 csi_private, charset_slot, osc_count, string_esc;
	unsigned par[VT_MAX_PARAMS], npar;
	u32 utf_char, utf_min;
	u8 utf_need;
	bool utf_off;
	u8 translate;	 /* the character set of bytes that are not UTF-8 */
	bool upper_half; /* such bytes get their high bit */
	u8 reply[VT_REPLY];
	unsigned reply_len;
	bool graphics; /* KD_GRAPHICS: a program has the screen */
	struct vt_owner mode;
	u8 palette[16][3];				 /* red, green, blue of each VGA colour */
	u8 default_attr, underline_colour, half_colour; /* as VGA has them */
	unsigned bell_hz, bell_ms;
	u8 osc_par[7]; /* digits of a palette entry */
	/* [vt_core.lock] what output asks for that cannot be done under the lock */
	bool bell;
	unsigned show; /* a screen to switch to, from 1; 0: none */
	/* [a] what the keyboard asks */
	bool app_cursor, app_keypad;
	u8 kbd_mode; /* K_RAW.. */
	u8 leds;     /* lock state: 1 scroll, 2 num, 4 caps */
	bool meta_bit;
};
struct vt_core {
	struct spinlock lock;
	struct vt_display *display; /* [c] */
	unsigned cols, rows;	    /* [c] */
	/* [lock] */
	u32 *shown;		    /* what the display has; ~0: unknown */
	u64 dirty;		    /* rows */
	unsigned foreground;	    /* index */
	unsigned previous;
	bool locked_switch;
	int pending; /* where to switch once the screen's owner agrees, or -1 */
	struct {
		u32 *lines; /* [c] a ring, or NULL */
		unsigned next, count;
		unsigned view; /* lines that the screen shows of it, above its own */
	} history;
	struct {
		void (*tone)(unsigned hz); /* the driver's, or NULL; 0: silence */
		struct timer timer;
	} sound;
	struct wait_queue switched; /* VT_WAITACTIVE */
	struct log_console log;
	/* [kbd.lock] */
	struct {
		struct spinlock lock;
		u32 down[8];	 /* keys held, a bit each */
		unsigned alt_code;
		bool alt_digits;
		int want_vt;	 /* to switch to, or -1 */
		int scroll;	 /* lines to look back */
		bool reboot;
		struct work work;
		void (*set_leds)(u8 leds); /* the keyboard driver's, or NULL */
	} kbd;
	struct vc vc[VT_COUNT];
};
static inline struct vt_core *vt_core(void)
{
	return kernel()->tty.vt;
}
static inline struct vc *vc_of(struct tty *t)
{
	return container_of(t->line, struct vc, line);
}

/* --- vt_emul.c: lock held --- */
void vc_reset(struct vc *vc, bool clear);
void vc_put_bytes(struct vc *vc, const u8 *buf, size_t n);
void vc_restore(struct vc *vc); /* the saved cursor and pen */
/* --- vt_screen.c: lock held --- */
void vc_dirty(struct vc *vc, unsigned row, unsigned count);
void vc_fill(struct vc *vc, unsigned row, unsigned col, size_t count); /* with blanks, over line ends */
void vc_scroll(struct vc *vc, unsigned top, unsigned bottom, int lines);
void vc_update_attr(struct vc *vc);
void vc_put_char(struct vc *vc, u32 ch);
void vc_line_feed(struct vc *vc);
void vc_reverse_feed(struct vc *vc);
void vc_goto(struct vc *vc, int x, int y); /* absolute, clamped to the screen or the region */
void vc_erase_display(struct vc *vc, unsigned how);
void vc_erase_line(struct vc *vc, unsigned how);
void vc_insert_chars(struct vc *vc, unsigned n);
void vc_delete_chars(struct vc *vc, unsigned n);
/* --- vt_csi.c: lock held --- */
u8 vt_vga_colour(unsigned n); /* of 0..15 as control sequences have them */
void vc_csi(struct vc *vc, u8 final);
void vc_reply(struct vc *vc, const char *text);
/* --- vt_history.c: lock held --- */
void vt_history_init(struct vt_core *c); /* not locked; may sleep */
void vt_history_push(struct vt_core *c, const u32 *row);
void vt_history_clear(struct vt_core *c);
void vt_history_look(struct vt_core *c, int lines);			 /* further back; negative: forward */
const u32 *vt_history_row(const struct vt_core *c, const struct vc *vc, unsigned row); /* the cells to show there */
/* --- vt.c --- */
bool vt_may_configure(struct tty *t);
void vt_repaint(struct vt_core *c); /* lock held */
void vt_flush(struct vt_core *c, bool locked); /* locked: do all with the lock held */
/* --- vt_switch.c --- */
bool vt_switch(unsigned index); /* not from interrupts. False: not now, or not yet */
void vt_owner_reset(struct vc *vc);
long vt_ioctl_switching(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg);
/* --- vt_vcs.c, vt_sound.c, vt_linux.c --- */
kerr_t vt_vcs_register(void);
void vt_sound_init(struct vt_core *c);
void vt_sound(struct vt_core *c, unsigned hz, unsigned ms); /* hz 0: silence; ms 0: until told */
long vt_ioctl_sound(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg);
long vt_ioctl_linux(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg);
extern const u8 vt_default_palette[16][3];
void vt_palette_reset(struct vc *vc); /* lock held */
void vt_palette_show(struct vc *vc);
/* --- vt_keyboard.c --- */
void vt_keyboard_init(struct vt_core *c);
u8 vt_shift_state(struct vt_core *c); /* as TIOCLINUX 6 has it */
u16 vt_keysym(unsigned keycode, unsigned mods); /* as KDGKBENT reports it */
void vt_set_leds(struct vc *vc, u8 leds);
