/* SPDX-License-Identifier: MIT */
/* Between FSAVE's image of the x87 registers and FXSAVE's. The registers are the same; FXSAVE has one tag bit a register, FSAVE two. */
#include <maestro/lib.h>

#include "fpu.h"

/* One register, ten bytes: too short for memcpy() to pay. */
struct st_register {
	u32 low, high;
	u16 top;
} __packed;
static void copy_register(u8 *to, const u8 *from)
{
	*(struct st_register *)to = *(const struct st_register *)from;
}

/* Two bits per register, from one "not empty" bit each and the contents. */
static u32 tag_word(const struct fxsave *fx)
{
	u32 twd = 0xffff0000u, top = (fx->swd >> 11) & 7;

	if (!fx->ftw)
		return 0xffffffffu; /* no register is in use: most programs, most of the time */
	for (unsigned i = 0; i < 8; i++) {
		const u8 *st = fx->st[(i - top) & 7];
		u16 exp;
		u64 mant;
		u32 tag;

		memcpy(&mant, st, 8);
		memcpy(&exp, st + 8, 2);
		if (!(fx->ftw & (1u << i)))
			tag = 3; /* empty */
		else if ((exp & 0x7fff) == 0x7fff)
			tag = 2; /* special */
		else if (!(exp & 0x7fff))
			tag = mant ? 2 : 1;
		else
			tag = mant >> 63 ? 0 : 2;
		twd |= tag << (2 * i);
	}
	return twd;
}

void i386_fsave_from_fx(struct fsave *to, const struct fxsave *fx)
{
	to->cw = fx->cwd | 0xffff0000u;
	to->sw = fx->swd | 0xffff0000u;
	to->tag = tag_word(fx);
	to->ipoff = fx->fip;
	to->cssel = (fx->fcs & 0xffff) | (u32)fx->fop << 16;
	to->dataoff = fx->foo;
	to->datasel = fx->fos;
	for (unsigned i = 0; i < 8; i++)
		copy_register(to->st[i], fx->st[i]);
	to->status = fx->swd;
	to->magic = 0;
}

/* The x87 part of the FSAVE image counts, as on Linux: a handler may have changed it. */
void i386_fx_from_fsave(struct fxsave *fx, const struct fsave *from)
{
	u32 ftw = 0;

	fx->cwd = (u16)from->cw;
	fx->swd = (u16)from->sw;
	for (unsigned i = 0; i < 8; i++)
		if (((from->tag >> (2 * i)) & 3) != 3)
			ftw |= 1u << i;
	fx->ftw = (u8)ftw;
	fx->fop = (u16)(from->cssel >> 16);
	fx->fip = from->ipoff;
	fx->fcs = from->cssel & 0xffff;
	fx->foo = from->dataoff;
	fx->fos = from->datasel & 0xffff;
	for (unsigned i = 0; i < 8; i++)
		copy_register(fx->st[i], from->st[i]);
}
