/* SPDX-License-Identifier: MIT */
/*
 * 64-bit division. A 32-bit machine has none in C without a compiler's library, so it is done by schoolbook division in base 2^16
 * (Knuth, The Art of Computer Programming, vol. 2, 4.3.1, algorithm D) or by shift and subtract for wide divisors.
 * div_u64_rem is weak: a backend may know an instruction for it.
 */
#include <maestro/lib.h>

#if __SIZEOF_LONG__ == 8
__weak u64 div_u64_rem(u64 n, u32 d, u32 *rem)
{
	*rem = (u32)(n % d);
	return n / d;
}

static u64 div_wide(u64 n, u64 d, u64 *rem)
{
	*rem = n % d;
	return n / d;
}
#else
/* (hi:lo) / d with hi < d: the quotient fits 32 bits. */
static u32 div_two_by_one(u32 hi, u32 lo, u32 d, u32 *rem)
{
	unsigned shift = (unsigned)__builtin_clz(d);
	u32 d1, d0, q1, q0, r, un32, un10, un1, un0, un21;

	d <<= shift;
	d1 = d >> 16;
	d0 = d & 0xffff;
	un32 = shift ? (hi << shift) | (lo >> (32 - shift)) : hi;
	un10 = lo << shift;
	un1 = un10 >> 16;
	un0 = un10 & 0xffff;

	q1 = un32 / d1;
	r = un32 - q1 * d1;
	while (q1 > 0xffff || q1 * d0 > ((r << 16) | un1)) {
		q1--;
		r += d1;
		if (r > 0xffff)
			break;
	}
	un21 = (un32 << 16) + un1 - q1 * d;
	q0 = un21 / d1;
	r = un21 - q0 * d1;
	while (q0 > 0xffff || q0 * d0 > ((r << 16) | un0)) {
		q0--;
		r += d1;
		if (r > 0xffff)
			break;
	}
	*rem = ((un21 << 16) + un0 - q0 * d) >> shift;
	return (q1 << 16) + q0;
}

__weak u64 div_u64_rem(u64 n, u32 d, u32 *rem)
{
	u32 hi = (u32)(n >> 32), lo = (u32)n, qhi;

	if (!hi) {
		*rem = lo % d;
		return lo / d;
	}
	qhi = hi / d;
	return ((u64)qhi << 32) | div_two_by_one(hi - qhi * d, lo, d, rem);
}

static u64 div_wide(u64 n, u64 d, u64 *rem)
{
	u64 q = 0;
	int shift;

	if (!(d >> 32)) {
		u32 r;

		q = div_u64_rem(n, (u32)d, &r);
		*rem = r;
		return q;
	}
	if (n < d) {
		*rem = n;
		return 0;
	}
	shift = (int)(clz64(d) - clz64(n));
	for (d <<= shift; shift >= 0; shift--, d >>= 1) {
		q <<= 1;
		if (n >= d) {
			n -= d;
			q |= 1;
		}
	}
	*rem = n;
	return q;
}
#endif

u64 div_u64(u64 n, u32 d)
{
	u32 rem;

	return div_u64_rem(n, d, &rem);
}

u64 div64_u64(u64 n, u64 d)
{
	u64 rem;

	return div_wide(n, d, &rem);
}

u64 mod64_u64(u64 n, u64 d)
{
	u64 rem;

	(void)div_wide(n, d, &rem);
	return rem;
}

s64 div64_s64(s64 n, s64 d)
{
	u64 q = div64_u64(n < 0 ? -(u64)n : (u64)n, d < 0 ? -(u64)d : (u64)d);

	return (n < 0) != (d < 0) ? (s64)-q : (s64)q;
}
