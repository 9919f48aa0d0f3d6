/* SPDX-License-Identifier: MIT */
/* The x87 state in both forms that programs see: FSAVE's, of signal frames, tracers and core dumps, and FXSAVE's (Intel SDM vol. 1, 8.1.10, 10.5). */
#pragma once

#include <hal/context.h>
#include <maestro/types.h>

/* As FSAVE, and what Linux puts behind it; `fx` is the FXSAVE image. */
struct fsave {
	u32 cw, sw, tag, ipoff, cssel, dataoff, datasel;
	u8 st[8][10];
	u16 status, magic; /* magic 0: an FXSAVE image follows; 0xffff: none */
};
_Static_assert(sizeof(struct fsave) == 112, "frame layout");
struct fxsave {
	u16 cwd, swd;
	u8 ftw, reserved;
	u16 fop;
	u32 fip, fcs, foo, fos, mxcsr, mxcsr_mask;
	u8 st[8][16];
	u8 rest[HAL_FPU_SIZE - 160];
};
_Static_assert(sizeof(struct fxsave) == HAL_FPU_SIZE, "Intel SDM vol. 1, table 10-2");
#define FSAVE_USER_SIZE 108u /* struct user_i387_struct: without status and magic */
void i386_fsave_from_fx(struct fsave *to, const struct fxsave *fx);
/* The x87 part of *fx becomes *from's. */
void i386_fx_from_fsave(struct fxsave *fx, const struct fsave *from);
