/* SPDX-License-Identifier: MIT */
/* Finds the terminals of a PC. The screen first: it is the console when the boot line names none. */
#include "console.h"

#include <x86/x86.h>

void x86_console_drivers_init(void)
{
	vga_probe();
	serial_probe();
	ps2_probe();
	speaker_probe();
}
