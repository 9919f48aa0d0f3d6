/* SPDX-License-Identifier: MIT */
/*
 * Control sequences of a virtual terminal that begin with CSI: cursor, erasing, modes, colours, reports.
 * Locking: vt_core.lock.  Specification: console_codes(4).
 */
#include "vt_priv.h"

#include <maestro/lib.h>

void vc_reply(struct vc *vc, const char *text)
{
	size_t n = strlen(text);

	if (vc->reply_len + n > VT_REPLY)
		return; /* a program that asks without reading gets no flood of answers */
	memcpy(vc->reply + vc->reply_len, text, n);
	vc->reply_len += (unsigned)n;
}

/* ---- colours ---- */
static const u8 ansi_to_vga[8] = { 0, 4, 2, 6, 1, 5, 3, 7 };

u8 vt_vga_colour(unsigned n)
{
	return (u8)(ansi_to_vga[n & 7] | (n & 8));
}

struct rgb {
	unsigned r, g, b;
};

/* A foreground is a hue and perhaps bold, as it stands alone. */
static void set_foreground(struct vt_pen *p, struct rgb c)
{
	unsigned rg = MAX(c.r, c.g), max = MAX(rg, c.b), half = max / 2;

	p->fg = (u8)((c.r > half ? 4 : 0) | (c.g > half ? 2 : 0) | (c.b > half ? 1 : 0));
	p->half = false;
	p->bold = max > 0xaa;
	if (p->fg == 7 && max <= 0x55) {
		p->fg = 0;
		p->bold = true;
	}
}

static void set_background(struct vt_pen *p, struct rgb c)
{
	p->bg = (u8)((c.r & 0x80 ? 4 : 0) | (c.g & 0x80 ? 2 : 0) | (c.b & 0x80 ? 1 : 0));
}

static struct rgb colour256(unsigned n)
{
	unsigned on = n < 8 ? 0xaa : 0xff, off = n < 8 ? 0 : 0x55;

	if (n < 16)
		return (struct rgb){ n & 1 ? on : off, n & 2 ? on : off, n & 4 ? on : off };
	if (n >= 232)
		return (struct rgb){ (n - 232) * 10 + 8, (n - 232) * 10 + 8, (n - 232) * 10 + 8 };
	n -= 16;
	return (struct rgb){ n / 36 * 255 / 6, n / 6 % 6 * 255 / 6, n % 6 * 255 / 6 };
}

/* 38 or 48 at par[i], then 5;n or 2;r;g;b. Returns how many parameters were used after it; nothing is set if they are not understood. */
static unsigned extended_colour(struct vc *vc, unsigned i, void (*set)(struct vt_pen *p, struct rgb c))
{
	const unsigned *par = vc->par + i + 1;
	unsigned left = vc->npar - i;

	if (left >= 2 && par[0] == 5) {
		set(&vc->pen, colour256(par[1] & 255));
		return 2;
	}
	if (left >= 4 && par[0] == 2) {
		set(&vc->pen, (struct rgb){ par[1] & 255, par[2] & 255, par[3] & 255 });
		return 4;
	}
	return left ? 1 : 0;
}

static void sgr_reset(struct vc *vc)
{
	struct vt_pen *p = &vc->pen;

	p->fg = vc->default_attr & 15;
	p->bg = vc->default_attr >> 4;
	p->bold = p->half = p->italic = p->underline = p->blink = p->reverse = false;
}

/* 10: the usual characters. 11, 12: the font's own codes, control characters shown; with 12 the upper half of them. */
static void sgr_font(struct vc *vc, unsigned v)
{
	vc->show_controls = v != 10;
	vc->upper_half = v == 12;
	vc->translate = v == 10 ? vc->pen.charset[vc->pen.shift] : CHARSET_IBM;
}

static unsigned sgr_one(struct vc *vc, unsigned i)
{
	struct vt_pen *p = &vc->pen;
	unsigned v = vc->par[i], used = 0;

	switch (v) {
	case 0: sgr_reset(vc); break;
	case 1: p->bold = true; p->half = false; break;
	case 2: p->half = true; p->bold = false; break;
	case 3: p->italic = true; break;
	case 4: p->underline = true; break;
	case 5: p->blink = true; break;
	case 7: p->reverse = true; break;
	case 10: case 11: case 12: sgr_font(vc, v); break;
	case 21: p->underline = true; break;
	case 22: p->bold = p->half = false; break;
	case 23: p->italic = false; break;
	case 24: p->underline = false; break;
	case 25: p->blink = false; break;
	case 27: p->reverse = false; break;
	case 30 ... 37: p->fg = ansi_to_vga[v - 30]; break;
	case 38: used = extended_colour(vc, i, set_foreground); break;
	case 39: p->fg = vc->default_attr & 15; break;
	case 40 ... 47: p->bg = ansi_to_vga[v - 40]; break;
	case 48: used = extended_colour(vc, i, set_background); break;
	case 49: p->bg = vc->default_attr >> 4; break;
	case 90 ... 97:
		p->fg = ansi_to_vga[v - 90];
		p->bold = true;
		p->half = false;
		break;
	case 98: case 99: p->bold = true; p->half = false; break;
	case 100 ... 107: p->bg = ansi_to_vga[v - 100]; break;
	default: break;
	}
	return used;
}

static void sgr(struct vc *vc)
{
	for (unsigned i = 0; i <= vc->npar; i++)
		i += sgr_one(vc, i);
	vc_update_attr(vc);
}

/* ---- modes ---- */
static void reverse_screen(struct vc *vc, bool on)
{
	struct vt_core *c = vt_core();

	if (vc->reverse_screen == on)
		return;
	vc->reverse_screen = on;
	for (unsigned i = 0; i < c->rows * c->cols; i++) {
		u32 a = vc->cells[i] >> 24;

		a = (a & 0x88) | ((a & 7) << 4) | ((a >> 4) & 7);
		vc->cells[i] = (vc->cells[i] & 0xffffff) | (a << 24);
	}
	vc_update_attr(vc);
	vc_dirty(vc, 0, c->rows);
}

static void private_mode(struct vc *vc, unsigned mode, bool on)
{
	switch (mode) {
	case 1: store_relaxed(&vc->app_cursor, on); break;
	case 5: reverse_screen(vc, on); break;
	case 6:
		vc->origin = on;
		vc_goto(vc, 0, on ? (int)vc->top : 0);
		break;
	case 7:
		vc->autowrap = on;
		vc->wrap_pending = false;
		break;
	case 25: vc->cursor_on = on; break;
	default: break; /* mouse, bracketed paste, alternate screen: not this terminal's */
	}
}

static void modes(struct vc *vc, bool on)
{
	for (unsigned i = 0; i <= vc->npar; i++) {
		if (vc->csi_private == '?')
			private_mode(vc, vc->par[i], on);
		else if (vc->par[i] == 3)
			vc->show_controls = on;
		else if (vc->par[i] == 4)
			vc->insert = on;
		else if (vc->par[i] == 20)
			vc->newline_mode = on;
	}
}

/* ---- the rest ---- */
static void report(struct vc *vc)
{
	char text[VT_REPLY];

	if (vc->par[0] == 5)
		vc_reply(vc, "\033[0n");
	if (vc->par[0] == 6) {
		ksnprintf(text, sizeof(text), "\033[%u;%uR", vc->pen.y + 1 + (vc->origin ? vc->top : 0), vc->pen.x + 1);
		vc_reply(vc, text);
	}
}

static void set_region(struct vc *vc)
{
	unsigned rows = vt_core()->rows;
	unsigned top = vc->par[0] ? vc->par[0] : 1, bottom = vc->par[1] ? vc->par[1] : rows;

	if (top >= bottom || bottom > rows)
		return;
	vc->top = top - 1;
	vc->bottom = bottom;
	vc_goto(vc, 0, vc->origin ? (int)vc->top : 0);
}

static void lines_in_region(struct vc *vc, int n)
{
	if (vc->pen.y >= vc->bottom) /* above the region is as good as in it, as on Linux */
		return;
	vc_scroll(vc, vc->pen.y, vc->bottom, n);
	vc->wrap_pending = false;
}

static void clear_tabs(struct vc *vc)
{
	if (vc->par[0] == 0)
		vc->tabs[vc->pen.x / 32] &= ~(1u << (vc->pen.x % 32));
	else if (vc->par[0] == 3)
		memset(vc->tabs, 0, sizeof(vc->tabs));
}

static void set_leds(struct vc *vc)
{
	for (unsigned i = 0; i <= vc->npar; i++)
		if (vc->par[i] == 0)
			vc->leds = 0;
		else if (vc->par[i] <= 3)
			vc->leds |= (u8)(1u << (vc->par[i] - 1));
}

/* ESC [ n ; m ]: the settings of setterm(1). The screen is never blanked. */
static void setting(struct vc *vc)
{
	unsigned v = vc->par[1];

	switch (vc->par[0]) {
	case 1:
		if (vc->npar && v < 16)
			vc->underline_colour = vt_vga_colour(v);
		break;
	case 2:
		if (vc->npar && v < 16)
			vc->half_colour = vt_vga_colour(v);
		break;
	case 8: vc->default_attr = vc->attr; break;
	case 10: vc->bell_hz = vc->npar ? v : VT_BELL_HZ; break;
	case 11: vc->bell_ms = vc->npar ? MIN(v, 2000u) : VT_BELL_MS; break;
	case 12:
		if (v >= 1 && v <= VT_COUNT)
			vc->show = v;
		return;
	case 15: vc->show = vt_core()->previous + 1; return;
	default: return;
	}
	vc_update_attr(vc);
}

static bool cursor_move(struct vc *vc, u8 final)
{
	/* Large enough for any screen, small enough not to overflow. */
	int n = (int)MIN(vc->par[0], 4096u), m = (int)MIN(vc->par[1], 4096u), one = n ? n : 1;
	int x = (int)vc->pen.x, y = (int)vc->pen.y, base = vc->origin ? (int)vc->top : 0;

	switch (final) {
	case 'A': vc_goto(vc, x, y - one); break;
	case 'B': case 'e': vc_goto(vc, x, y + one); break;
	case 'C': case 'a': vc_goto(vc, x + one, y); break;
	case 'D': vc_goto(vc, x - one, y); break;
	case 'E': vc_goto(vc, 0, y + one); break;
	case 'F': vc_goto(vc, 0, y - one); break;
	case 'G': case '`': vc_goto(vc, one - 1, y); break;
	case 'd': vc_goto(vc, x, base + one - 1); break;
	case 'H': case 'f': vc_goto(vc, (m ? m : 1) - 1, base + one - 1); break;
	default: return false;
	}
	return true;
}

static void csi_plain(struct vc *vc, u8 final)
{
	unsigned n = vc->par[0] ? MIN(vc->par[0], 4096u) : 1;

	if (cursor_move(vc, final))
		return;
	switch (final) {
	case ']': setting(vc); break;
	case '@': vc_insert_chars(vc, n); break;
	case 'J': vc_erase_display(vc, vc->par[0]); break;
	case 'K': vc_erase_line(vc, vc->par[0]); break;
	case 'L': lines_in_region(vc, -(int)n); break;
	case 'M': lines_in_region(vc, (int)n); break;
	case 'P': vc_delete_chars(vc, n); break;
	case 'X':
		vc_fill(vc, vc->pen.y, vc->pen.x, MIN(n, vt_core()->cols - vc->pen.x));
		vc->wrap_pending = false;
		break;
	case 'c':
		if (!vc->par[0])
			vc_reply(vc, "\033[?6c"); /* a VT102 */
		break;
	case 'g': clear_tabs(vc); break;
	case 'm': sgr(vc); break;
	case 'n': report(vc); break;
	case 'q': set_leds(vc); break;
	case 'r': set_region(vc); break;
	case 's': vc->saved = vc->pen; break;
	case 'u': vc_restore(vc); break;
	default: break;
	}
}

void vc_csi(struct vc *vc, u8 final)
{
	if ((final == 'h' || final == 'l') && (vc->csi_private == 0 || vc->csi_private == '?'))
		modes(vc, final == 'h');
	else if (vc->csi_private == 0)
		csi_plain(vc, final);
}
