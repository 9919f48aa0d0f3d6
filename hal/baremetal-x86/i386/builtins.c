/* SPDX-License-Identifier: MIT */
/* What gcc calls for 64-bit bit operations on a 32-bit machine (gcc internals, 4.1 "Routines for integer arithmetic"). Arguments as the build passes them. */
#include <maestro/types.h>

int __ctzdi2(u64 x);
int __clzdi2(u64 x);
int __popcountdi2(u64 x);
int __ffsdi2(u64 x);

int __ctzdi2(u64 x)
{
	return (u32)x ? __builtin_ctz((u32)x) : 32 + __builtin_ctz((u32)(x >> 32));
}

int __clzdi2(u64 x)
{
	return x >> 32 ? __builtin_clz((u32)(x >> 32)) : 32 + __builtin_clz((u32)x);
}

int __popcountdi2(u64 x)
{
	x -= (x >> 1) & 0x5555555555555555ull;
	x = (x & 0x3333333333333333ull) + ((x >> 2) & 0x3333333333333333ull);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
	x += x >> 8;
	x += x >> 16;
	return (int)((x + (x >> 32)) & 0x7f);
}

int __ffsdi2(u64 x)
{
	return x ? __ctzdi2(x) + 1 : 0;
}
