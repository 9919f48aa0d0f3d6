/* SPDX-License-Identifier: MIT */
/*
 * The grid of cells of a virtual terminal: putting characters, moving the cursor, erasing, scrolling. Changes mark rows; vt_flush() shows them.
 * Locking: vt_core.lock for all.  Specification: console_codes(4), ECMA-48.
 */
#include "vt_priv.h"

#include <maestro/lib.h>

#define VT_ITALIC_COLOUR 2
#define COLS (vt_core()->cols)
#define ROWS (vt_core()->rows)

static u32 *cell(struct vc *vc, unsigned row, unsigned col)
{
	DEBUG_ASSERT(row < ROWS && col < COLS);
	return vc->cells + row * COLS + col;
}

void vc_dirty(struct vc *vc, unsigned row, unsigned count)
{
	struct vt_core *c = vt_core();

	assert_held(&c->lock);
	if (vc->index != c->foreground)
		return;
	for (; count-- && row < c->rows; row++)
		c->dirty |= 1ULL << row;
}

static u8 combine(const struct vc *vc, u8 fg, bool bold, bool reverse)
{
	const struct vt_pen *p = &vc->pen;
	u8 a = (u8)(fg | p->bg << 4);

	if (reverse != vc->reverse_screen)
		a = (u8)((a & 0x88) | (a & 0x70) >> 4 | (a & 7) << 4);
	return a ^ (u8)((p->blink ? 0x80 : 0) | (bold ? 8 : 0));
}

/* Colours as VGA has them. Italic, underline and half bright are shown as colours of their own; bold turns the bright bit over; blink is the high bit. */
void vc_update_attr(struct vc *vc)
{
	struct vt_pen *p = &vc->pen;
	u8 fg = p->italic ? VT_ITALIC_COLOUR : p->underline ? vc->underline_colour : p->half ? vc->half_colour : p->fg;

	vc->attr = combine(vc, fg, p->bold, p->reverse);
}

/* Erased cells have the colours, and blink, of what is written, and nothing of its emphasis. */
static u32 blank(const struct vc *vc)
{
	return ' ' | ((u32)combine(vc, vc->pen.fg, false, false) << 24);
}

void vc_fill(struct vc *vc, unsigned row, unsigned col, size_t count)
{
	u32 *p = cell(vc, row, col), b = blank(vc);
	size_t left = (size_t)ROWS * COLS - (row * COLS + col);

	count = MIN(count, left);
	vc_dirty(vc, row, (unsigned)(col + count + COLS - 1) / COLS);
	while (count--)
		*p++ = b;
}

/* lines > 0: up. Rows [top, bottom). */
void vc_scroll(struct vc *vc, unsigned top, unsigned bottom, int lines)
{
	unsigned height = bottom - top, n = (unsigned)(lines < 0 ? -lines : lines);
	size_t row_size = COLS * sizeof(u32);

	DEBUG_ASSERT(top < bottom && bottom <= ROWS);
	if (n >= height)
		n = height - 1; /* one line always stays, as on Linux */
	if (!n)
		return;
	if (lines > 0 && top == 0 && vc->index == vt_core()->foreground)
		for (unsigned row = 0; row < n; row++)
			vt_history_push(vt_core(), cell(vc, row, 0));
	if (lines > 0)
		memmove(cell(vc, top, 0), cell(vc, top + n, 0), (height - n) * row_size);
	else
		memmove(cell(vc, top + n, 0), cell(vc, top, 0), (height - n) * row_size);
	vc_fill(vc, lines > 0 ? bottom - n : top, 0, (size_t)n * COLS);
	vc_dirty(vc, top, height);
}

void vc_goto(struct vc *vc, int x, int y)
{
	int low = 0, high = (int)ROWS - 1;

	if (vc->origin) {
		low = (int)vc->top;
		high = (int)vc->bottom - 1;
	}
	x = MAX(x, 0);
	y = MAX(y, low);
	vc->pen.x = (unsigned)MIN(x, (int)COLS - 1);
	vc->pen.y = (unsigned)MIN(y, high);
	vc->wrap_pending = false;
}

void vc_line_feed(struct vc *vc)
{
	if (vc->pen.y + 1 == vc->bottom)
		vc_scroll(vc, vc->top, vc->bottom, 1);
	else if (vc->pen.y + 1 < ROWS)
		vc->pen.y++;
	vc->wrap_pending = false;
}

void vc_reverse_feed(struct vc *vc)
{
	if (vc->pen.y == vc->top)
		vc_scroll(vc, vc->top, vc->bottom, -1);
	else if (vc->pen.y > 0)
		vc->pen.y--;
	vc->wrap_pending = false;
}

void vc_insert_chars(struct vc *vc, unsigned n)
{
	unsigned x = vc->pen.x, left = COLS - x;

	n = MIN(n, left);
	memmove(cell(vc, vc->pen.y, x) + n, cell(vc, vc->pen.y, x), (left - n) * sizeof(u32));
	vc_fill(vc, vc->pen.y, x, n);
	vc_dirty(vc, vc->pen.y, 1);
	vc->wrap_pending = false;
}

void vc_delete_chars(struct vc *vc, unsigned n)
{
	unsigned x = vc->pen.x, left = COLS - x;

	n = MIN(n, left);
	memmove(cell(vc, vc->pen.y, x), cell(vc, vc->pen.y, x) + n, (left - n) * sizeof(u32));
	vc_fill(vc, vc->pen.y, COLS - n, n);
	vc_dirty(vc, vc->pen.y, 1);
	vc->wrap_pending = false;
}

static void put_one(struct vc *vc, u32 ch)
{
	if (vc->wrap_pending) {
		vc->pen.x = 0;
		vc_line_feed(vc);
	}
	if (vc->insert)
		vc_insert_chars(vc, 1);
	*cell(vc, vc->pen.y, vc->pen.x) = ch | ((u32)vc->attr << 24);
	vc_dirty(vc, vc->pen.y, 1);
	if (vc->pen.x + 1 < COLS)
		vc->pen.x++;
	else
		vc->wrap_pending = vc->autowrap;
}

void vc_put_char(struct vc *vc, u32 ch)
{
	unsigned width = vt_char_width(ch);

	if (!width)
		return;
	put_one(vc, ch);
	if (width == 2)
		put_one(vc, ' ');
}

void vc_erase_display(struct vc *vc, unsigned how)
{
	size_t at = vc->pen.y * COLS + vc->pen.x, all = (size_t)ROWS * COLS;

	switch (how) {
	case 0:
		vc_fill(vc, vc->pen.y, vc->pen.x, all - at);
		break;
	case 1:
		vc_fill(vc, 0, 0, at + 1);
		break;
	case 2:
	case 3:
		vc_fill(vc, 0, 0, all);
		break;
	default:
		return;
	}
	vc->wrap_pending = false;
}

void vc_erase_line(struct vc *vc, unsigned how)
{
	unsigned x = vc->pen.x, y = vc->pen.y;

	switch (how) {
	case 0:
		vc_fill(vc, y, x, COLS - x);
		break;
	case 1:
		vc_fill(vc, y, 0, x + 1);
		break;
	case 2:
		vc_fill(vc, y, 0, COLS);
		break;
	default:
		return;
	}
	vc->wrap_pending = false;
}
