/* SPDX-License-Identifier: MIT */
/*
 * Text from the first instruction on: the first serial port, polled, and the VGA text screen. No state but the cursor; used before the drivers
 * are there, and in a panic. 16550 data sheet; VGA text mode 3.
 */
#include <hal/platform.h>
#include <maestro/lib.h>
#include <x86/x86.h>

#define COM1 0x3F8
#define VGA_TEXT ((volatile u16 *)(HAL_DIRECT_BASE + 0xB8000))
#define COLUMNS 80u
#define ROWS 25u

static unsigned column, row;
static bool serial_ready, serial_absent;

static void serial_init(void)
{
	serial_ready = true;
	outb(COM1 + 7, 0x5A); /* the scratch register tells whether somebody is there */
	if (inb(COM1 + 7) != 0x5A) {
		serial_absent = true;
		return;
	}
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 0x80);
	outb(COM1 + 0, 1); /* 115200 */
	outb(COM1 + 1, 0);
	outb(COM1 + 3, 3); /* 8N1 */
	outb(COM1 + 2, 7); /* FIFO on, cleared */
	outb(COM1 + 4, 3);
}

static void serial_put(u8 c)
{
	for (unsigned spins = 0; !(inb(COM1 + 5) & 0x20); spins++)
		if (spins > 100000)
			return;
	outb(COM1, c);
}

static void screen_scroll(void)
{
	for (unsigned i = 0; i < COLUMNS * (ROWS - 1); i++)
		VGA_TEXT[i] = VGA_TEXT[i + COLUMNS];
	for (unsigned i = COLUMNS * (ROWS - 1); i < COLUMNS * ROWS; i++)
		VGA_TEXT[i] = 0x0720;
}

static void screen_put(u8 c)
{
	if (c >= ' ') {
		VGA_TEXT[row * COLUMNS + column] = (u16)(0x0700 | c);
		column++;
	} else if (c == '\t') {
		column = (column + 8) & ~7u;
	}
	if (c == '\r')
		column = 0;
	if (c != '\n' && column < COLUMNS)
		return;
	column = 0;
	if (row + 1 < ROWS)
		row++;
	else
		screen_scroll();
}

void hal_console_write(const char *text, size_t n)
{
	if (!serial_ready)
		serial_init();
	for (size_t i = 0; i < n; i++) {
		u8 c = (u8)text[i];

		if (!serial_absent) {
			if (c == '\n')
				serial_put('\r');
			serial_put(c);
		}
		screen_put(c);
	}
}
