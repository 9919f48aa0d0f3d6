/* SPDX-License-Identifier: MIT */
/*
 * The parser of a virtual terminal: bytes to characters (UTF-8), control characters, escape sequences.
 * Any byte sequence leaves it in a defined state; parameters saturate.
 * Locking: vt_core.lock.  Specification: console_codes(4), ECMA-48, RFC 3629.
 */
#include "vt_priv.h"

#include <maestro/lib.h>

void vc_reset(struct vc *vc, bool clear)
{
	struct vt_core *c = vt_core();

	vc->pen = (struct vt_pen){ .fg = vc->default_attr & 15, .bg = vc->default_attr >> 4, .charset = { CHARSET_LATIN1, CHARSET_GRAPHICS } };
	vc->saved = vc->pen;
	vc->top = 0;
	vc->bottom = c->rows;
	vc->wrap_pending = vc->origin = vc->insert = vc->newline_mode = vc->reverse_screen = vc->show_controls = false;
	vc->autowrap = vc->cursor_on = true;
	vc->state = VT_GROUND;
	vc->utf_need = 0;
	vc->utf_off = vc->upper_half = false;
	vc->translate = CHARSET_LATIN1;
	vc->app_cursor = vc->app_keypad = false;
	vc->bell_hz = VT_BELL_HZ;
	vc->bell_ms = VT_BELL_MS;
	vc->reply_len = 0;
	for (unsigned i = 0; i < ARRAY_SIZE(vc->tabs); i++)
		vc->tabs[i] = 0x01010101;
	vc_update_attr(vc);
	if (clear)
		vc_erase_display(vc, 2);
}

static void tab(struct vc *vc)
{
	unsigned last = vt_core()->cols - 1;

	while (vc->pen.x < last) {
		vc->pen.x++;
		if (vc->tabs[vc->pen.x / 32] & (1u << (vc->pen.x % 32)))
			break;
	}
}

void vc_restore(struct vc *vc)
{
	vc->pen = vc->saved;
	vc->translate = vc->pen.charset[vc->pen.shift];
	vc_update_attr(vc);
	vc_goto(vc, (int)vc->pen.x, (int)vc->pen.y);
}

static void begin_csi(struct vc *vc)
{
	memset(vc->par, 0, sizeof(vc->par));
	vc->npar = 0;
	vc->csi_private = 0;
	vc->state = VT_CSI;
}

/* A C0 control, anywhere. False: not one. */
static bool control(struct vc *vc, u8 c)
{
	switch (c) {
	case 0:
	case 127:
		break;
	case 7:
		vc->bell = true;
		break;
	case '\b':
		if (vc->pen.x)
			vc->pen.x--;
		vc->wrap_pending = false;
		break;
	case '\t':
		tab(vc);
		break;
	case '\n':
	case '\v':
	case '\f':
		vc_line_feed(vc);
		if (vc->newline_mode)
			vc->pen.x = 0;
		break;
	case '\r':
		vc->pen.x = 0;
		vc->wrap_pending = false;
		break;
	case 14:
	case 15:
		vc->pen.shift = c == 14;
		vc->translate = vc->pen.charset[vc->pen.shift];
		vc->show_controls = c == 14;
		break;
	case 24:
	case 26:
		vc->state = VT_GROUND;
		break;
	case 27:
		vc->state = VT_ESC;
		break;
	default:
		return c < 32;
	}
	return true;
}

static void escape(struct vc *vc, u8 c)
{
	vc->state = VT_GROUND;
	switch (c) {
	case '[': begin_csi(vc); break;
	case ']': vc->state = VT_OSC; break;
	case '%': vc->state = VT_PERCENT; break;
	case '#': vc->state = VT_HASH; break;
	case '(': case ')':
		vc->charset_slot = c == ')';
		vc->state = VT_CHARSET;
		break;
	case 'P': case '_': case '^':
		vc->string_esc = 0;
		vc->state = VT_STRING;
		break;
	case 'E':
		vc->pen.x = 0;
		vc_line_feed(vc);
		break;
	case 'D': vc_line_feed(vc); break;
	case 'M': vc_reverse_feed(vc); break;
	case 'H': vc->tabs[vc->pen.x / 32] |= 1u << (vc->pen.x % 32); break;
	case 'Z': vc_reply(vc, "\033[?6c"); break;
	case '7': vc->saved = vc->pen; break;
	case '8': vc_restore(vc); break;
	case '=': store_relaxed(&vc->app_keypad, true); break;
	case '>': store_relaxed(&vc->app_keypad, false); break;
	case 'c': vc_reset(vc, true); break;
	default: break;
	}
}

static void csi_byte(struct vc *vc, u8 c)
{
	if (c >= '0' && c <= '9') {
		unsigned v = vc->par[vc->npar];

		vc->par[vc->npar] = v * 10 + (unsigned)(c - '0');
	} else if (c == ':') {
		vc->state = VT_CSI_IGNORE;
	} else if (c == ';') {
		if (vc->npar + 1 < VT_MAX_PARAMS)
			vc->npar++;
		else
			vc->state = VT_CSI_IGNORE;
	} else if (c >= '<' && c <= '?') {
		vc->csi_private = c;
	} else if (c == '[' && vc->npar == 0 && vc->par[0] == 0 && !vc->csi_private) {
		vc->state = VT_FUNCKEY; /* the echo of a function key, ESC [ [ A: one more byte to swallow */
	} else if (c >= 0x20 && c < 0x30) {
		vc->csi_private = c; /* an intermediate: no sequence with one is known here */
	} else {
		vc->state = VT_GROUND;
		if (c >= 0x40 && c < 0x7f)
			vc_csi(vc, c);
	}
}

static void decaln(struct vc *vc)
{
	struct vt_core *c = vt_core();

	for (unsigned i = 0; i < c->rows * c->cols; i++)
		vc->cells[i] = 'E' | ((u32)vc->attr << 24);
	vc_dirty(vc, 0, c->rows);
}

static void charset(struct vc *vc, u8 c)
{
	if (c == '0')
		vc->pen.charset[vc->charset_slot] = CHARSET_GRAPHICS;
	else if (c == 'B')
		vc->pen.charset[vc->charset_slot] = CHARSET_LATIN1;
	else if (c == 'U')
		vc->pen.charset[vc->charset_slot] = CHARSET_IBM;
	if (vc->charset_slot == vc->pen.shift)
		vc->translate = vc->pen.charset[vc->pen.shift];
}

static int hex_digit(u8 c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void palette_byte(struct vc *vc, u8 c)
{
	int digit = hex_digit(c);
	u8 *p = vc->osc_par;

	if (digit < 0) {
		vc->state = VT_GROUND;
		return;
	}
	p[vc->osc_count++] = (u8)digit;
	if (vc->osc_count < 7)
		return;
	for (unsigned i = 0; i < 3; i++)
		vc->palette[vt_vga_colour(p[0])][i] = (u8)(p[1 + 2 * i] << 4 | p[2 + 2 * i]);
	vt_palette_show(vc);
	vc->state = VT_GROUND;
}

/* OSC: ESC ] P nrrggbb sets a palette entry, ESC ] R resets them all; all else is text up to BEL or ST. */
static void osc_byte(struct vc *vc, u8 c)
{
	if (c == 'P') {
		vc->osc_count = 0;
		vc->state = VT_OSC_PALETTE;
	} else if (c == 'R') {
		vt_palette_reset(vc);
		vc->state = VT_GROUND;
	} else {
		vc->string_esc = 0;
		vc->state = VT_STRING;
	}
}

static void string_byte(struct vc *vc, u8 c)
{
	if (c == 7 || c == 24 || c == 26 || (vc->string_esc && c == '\\'))
		vc->state = VT_GROUND;
	else if (vc->string_esc)
		escape(vc, c); /* not the end, but another sequence */
	vc->string_esc = c == 27;
}

static void sequence_byte(struct vc *vc, u8 c)
{
	if (vc->state == VT_STRING) {
		string_byte(vc, c);
		return;
	}
	if (control(vc, c))
		return;
	switch (vc->state) {
	case VT_ESC: escape(vc, c); return;
	case VT_CSI: csi_byte(vc, c); return;
	case VT_CSI_IGNORE:
		if (c >= 0x40)
			vc->state = VT_GROUND;
		return;
	case VT_OSC: osc_byte(vc, c); return;
	case VT_OSC_PALETTE: palette_byte(vc, c); return;
	case VT_CHARSET: charset(vc, c); break;
	case VT_HASH:
		if (c == '8')
			decaln(vc);
		break;
	case VT_PERCENT:
		vc->utf_off = c == '@';
		vc->utf_need = 0;
		break;
	default: break;
	}
	vc->state = VT_GROUND;
}

/* A byte outside UTF-8: by the character set in use. What the font has not it shows by the byte's code. */
static void show_byte(struct vc *vc, u8 c)
{
	u32 ch = vc->upper_half ? c | 0x80u : c;

	if (vc->translate == CHARSET_IBM)
		ch |= VT_FONT_CODES;
	else if (vc->translate == CHARSET_GRAPHICS && ch >= 0x5f && ch <= 0x7e)
		ch = vt_dec_graphics[ch - 0x5f];
	if (ch >= 0x20)
		vc_put_char(vc, vt_has_code(ch) ? ch : VT_FONT_CODES | c);
}

/* A byte above 0x7f in the ground state, or one that breaks a sequence off. True: c is used up. */
static bool utf8_byte(struct vc *vc, u8 c)
{
	if (vc->utf_need) {
		if ((c & 0xc0) != 0x80) {
			vc->utf_need = 0;
			vc_put_char(vc, 0xfffd);
			return c >= 0x80 ? utf8_byte(vc, c) : false;
		}
		vc->utf_char = (vc->utf_char << 6) | (c & 0x3f);
		if (--vc->utf_need)
			return true;
		if (vc->utf_char < vc->utf_min || vc->utf_char > 0x10ffff || (vc->utf_char & ~0x7ffu) == 0xd800)
			vc->utf_char = 0xfffd;
		if (vc->utf_char == 0x9b)
			begin_csi(vc);
		else
			vc_put_char(vc, vc->utf_char);
		return true;
	}
	if (c >= 0xc0 && c < 0xfe) { /* also what is too long by RFC 3629: it becomes one wrong character */
		unsigned more = c >= 0xfc ? 5 : c >= 0xf8 ? 4 : c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;

		vc->utf_need = (u8)more;
		vc->utf_char = c & (0x3fu >> more);
		vc->utf_min = more == 1 ? 0x80 : 1u << (5 * more + 1);
		return true;
	}
	vc_put_char(vc, 0xfffd);
	return true;
}

/* Is the byte a control character, where it is not part of UTF-8? */
static bool is_control(const struct vc *vc, u8 c)
{
	static const u32 always = 1u | 1u << '\b' | 1u << '\n' | 1u << '\f' | 1u << '\r' | 1u << 14 | 1u << 15 | 1u << 27;
	static const u32 usually = always | 1u << 7 | 1u << '\t' | 1u << '\v' | 1u << 24 | 1u << 26;

	if (c >= 32)
		return c == 0x9b || (c == 127 && !vc->show_controls);
	return !((vc->show_controls ? ~always : vc->utf_off ? ~usually : 0) >> c & 1);
}

static void ground_byte(struct vc *vc, u8 c)
{
	if (!vc->utf_off && !vc->show_controls && (c >= 0x80 || vc->utf_need) && utf8_byte(vc, c))
		return;
	if (c == 0x9b)
		begin_csi(vc);
	else if (is_control(vc, c))
		control(vc, c);
	else if (vc->utf_off || vc->show_controls)
		show_byte(vc, c);
	else
		vc_put_char(vc, c); /* ASCII is the same in every set of UTF-8 */
}

void vc_put_bytes(struct vc *vc, const u8 *buf, size_t n)
{
	struct vt_core *c = vt_core();

	assert_held(&c->lock);
	if (unlikely(c->history.view) && vc->index == c->foreground)
		vt_history_look(c, -(int)c->history.view);
	for (; n--; buf++)
		if (likely(vc->state == VT_GROUND))
			ground_byte(vc, *buf);
		else
			sequence_byte(vc, *buf);
}
