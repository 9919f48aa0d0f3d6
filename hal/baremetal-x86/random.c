/* SPDX-License-Identifier: MIT */
/* Entropy: RDRAND where it is there; else the jitter of reading a slow port, measured with the TSC, which is not of cryptographic quality. */
#include <hal/platform.h>
#include <maestro/lib.h>
#include <x86/x86.h>

static bool rdrand(u32 *out)
{
	for (int i = 0; i < 10; i++) {
		u8 ok;

		__asm__ volatile("rdrand %0; setc %1" : "=r"(*out), "=qm"(ok)::"cc");
		if (ok)
			return true;
	}
	return false;
}

static u32 jitter(void)
{
	u32 v = 0;

	for (int i = 0; i < 16; i++) {
		(void)inb(0x61);
		v = (v << 5 | v >> 27) ^ (u32)hal_cycles();
		v *= 0x9E3779B1u;
	}
	return v;
}

bool hal_random(void *buf, size_t n)
{
	u8 *out = buf;
	bool good = x86_has_rdrand;

	while (n) {
		size_t part = MIN(n, sizeof(u32));
		u32 v = 0;

		if (!x86_has_rdrand || !rdrand(&v)) {
			v = jitter();
			good = false;
		}
		memcpy(out, &v, part);
		out += part;
		n -= part;
	}
	return good;
}
