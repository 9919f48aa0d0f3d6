/* SPDX-License-Identifier: MIT */
/* The drivers of terminals. Each looks for its device and registers it; boot context, may sleep. */
#pragma once

void serial_probe(void);
void vga_probe(void);
void ps2_probe(void);
void speaker_probe(void);
