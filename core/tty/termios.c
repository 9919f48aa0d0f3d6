/* SPDX-License-Identifier: MIT */
/* Line speeds: between the codes of c_cflag and bits per second. Specification: termios(3), ioctl_tty(2) (BOTHER). */
#include "tty_priv.h"

static const u32 baud_low[16] = { 0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400 };
static const u32 baud_high[16] = { 0, 57600, 115200, 230400, 460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000,
				   3000000, 3500000, 4000000 };

u32 termios_baud(u32 cbaud, u32 bother)
{
	cbaud &= CBAUD;
	if (cbaud == BOTHER)
		return bother;
	return cbaud & CBAUDEX ? baud_high[cbaud & 15] : baud_low[cbaud & 15];
}

u32 termios_encode_baud(u32 baud)
{
	for (u32 i = 0; i < 16; i++)
		if (baud_low[i] == baud)
			return i;
	for (u32 i = 1; i < 16; i++)
		if (baud_high[i] == baud)
			return CBAUDEX | i;
	return BOTHER;
}

/* Makes ispeed and ospeed agree with cflag. An input speed of B0 means the output speed. */
void termios_fix_speed(struct ktermios *k)
{
	u32 in = (k->cflag >> IBSHIFT) & CBAUD;

	k->ospeed = termios_baud(k->cflag, k->ospeed);
	k->ispeed = in == 0 ? k->ospeed : termios_baud(in, k->ispeed);
}
