/* SPDX-License-Identifier: MIT */
/* The PC speaker, on channel 2 of the PIT, for the terminals' bell. Locking: none, a tone is set whole or not heard right. Specification: Intel 8254. */
#include "../console.h"

#include <maestro/tty.h>
#include <x86/x86.h>

#define PIT_HZ 1193182u
#define GATE_AND_SPEAKER 3u

static void tone(unsigned hz)
{
	unsigned divisor = hz ? PIT_HZ / hz : 0;
	unsigned long flags = hal_irq_save();

	if (divisor < 2 || divisor > 0xffff) {
		outb(0x61, (u8)(inb(0x61) & ~GATE_AND_SPEAKER));
	} else {
		outb(0x43, 0xb6); /* channel 2, both bytes, square wave */
		outb(0x42, (u8)divisor);
		outb(0x42, (u8)(divisor >> 8));
		outb(0x61, (u8)(inb(0x61) | GATE_AND_SPEAKER));
	}
	hal_irq_restore(flags);
}

void speaker_probe(void)
{
	vt_sound_register(tone);
}
