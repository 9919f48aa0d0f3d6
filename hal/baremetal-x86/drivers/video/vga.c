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
#define DAC_INDEX 0x3C8
#define DAC_DATA 0x3C9

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

/* Text attributes name registers of the attribute controller, which the firmware leaves at these entries of the DAC. */
static void vga_palette(struct vt_display *d, const u8 rgb[16][3])
{
	static const u8 entry[16] = { 0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f };

	(void)d;
	for (unsigned i = 0; i < 16; i++) {
		outb(DAC_INDEX, entry[i]);
		for (unsigned j = 0; j < 3; j++)
			outb(DAC_DATA, rgb[i][j] >> 2);
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
	display.palette = vga_palette;
	if (vt_register_display(&display))
		klog_err("vga: the screen could not be set up");
}
