/* SPDX-License-Identifier: MIT */
/*
 * VGA text mode 3: 80 x 25 cells of code page 437 in memory at 0xB8000, the cursor in the CRT controller. Memory is only written: reading it is
 * slow on virtual machines, and the terminal keeps its own copy.
 * Locking: called with the terminals' lock held.  Specification: VGA (IBM PS/2 Hardware Interface Technical Reference, video subsystem).
 */
#include "../console.h"

#include <maestro/printk.h>
#include <maestro/tty.h>
#include <x86/x86.h>

#define COLUMNS 80u
#define ROWS 25u
#define VGA_TEXT ((volatile u16 *)(HAL_DIRECT_BASE + 0xB8000))
#define CRTC 0x3D4

static struct vt_display display;
static unsigned cursor_at = ~0u;
static bool cursor_shown;

static void crtc_write(u8 index, u8 v)
{
	outb(CRTC, index);
	outb(CRTC + 1, v);
}

static void vga_put(struct vt_display *d, unsigned row, unsigned col, u32 ch, u8 attr)
{
	(void)d;
	VGA_TEXT[row * COLUMNS + col] = (u16)(vt_to_cp437(ch) | (attr << 8));
}

static void vga_cursor(struct vt_display *d, unsigned row, unsigned col, bool visible)
{
	unsigned at = row * COLUMNS + col;

	(void)d;
	if (visible && at != cursor_at) {
		cursor_at = at;
		crtc_write(0x0E, (u8)(at >> 8));
		crtc_write(0x0F, (u8)at);
	}
	if (visible != cursor_shown) {
		cursor_shown = visible;
		crtc_write(0x0A, visible ? 13 : 0x20); /* bit 5: off */
		crtc_write(0x0B, 14);
	}
}

void vga_probe(void)
{
	/* The display begins at the start of its memory whatever the firmware left; an index register that keeps no value: no VGA. */
	crtc_write(0x0C, 0);
	crtc_write(0x0D, 0);
	outb(CRTC, 0x0F);
	if (inb(CRTC) != 0x0F) {
		klog_info("vga: no text screen");
		return;
	}
	display.cols = COLUMNS;
	display.rows = ROWS;
	display.put = vga_put;
	display.cursor = vga_cursor;
	if (vt_register_display(&display))
		klog_err("vga: the screen could not be set up");
}
