/* SPDX-License-Identifier: MIT */
/*
 * Scrollback: the lines that went over the top of the screen that is shown, and looking at them (Shift with PageUp and PageDown, TIOCLINUX).
 * A ring of lines; switching to another screen empties it. What a program writes, or a key that it gets, shows the present again.
 * Locking: vt_core.lock for all.
 */
#include "vt_priv.h"

#include <maestro/lib.h>

#define HISTORY_LINES 400u

/* Without memory for it there is no scrollback. */
void vt_history_init(struct vt_core *c)
{
	c->history.lines = kmalloc(HISTORY_LINES * c->cols * sizeof(u32), GFP_KERNEL);
}

void vt_history_push(struct vt_core *c, const u32 *row)
{
	assert_held(&c->lock);
	if (!c->history.lines)
		return;
	memcpy(c->history.lines + c->history.next * c->cols, row, c->cols * sizeof(u32));
	c->history.next = (c->history.next + 1) % HISTORY_LINES;
	if (c->history.count < HISTORY_LINES)
		c->history.count++;
}

void vt_history_clear(struct vt_core *c)
{
	assert_held(&c->lock);
	c->history.next = c->history.count = 0;
	vt_history_look(c, -(int)c->history.view);
}

void vt_history_look(struct vt_core *c, int lines)
{
	int view = (int)c->history.view + lines;

	assert_held(&c->lock);
	view = MIN(MAX(view, 0), (int)c->history.count);
	if ((unsigned)view == c->history.view)
		return;
	c->history.view = (unsigned)view;
	vc_dirty(&c->vc[c->foreground], 0, c->rows);
}

const u32 *vt_history_row(const struct vt_core *c, const struct vc *vc, unsigned row)
{
	unsigned view = c->history.view;

	if (likely(row >= view))
		return vc->cells + (row - view) * c->cols;
	return c->history.lines + (c->history.next + HISTORY_LINES - view + row) % HISTORY_LINES * c->cols;
}
