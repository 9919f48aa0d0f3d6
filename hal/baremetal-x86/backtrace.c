/* SPDX-License-Identifier: MIT */
/*
 * Return addresses by frame pointers, and names for them. The symbol table is made by hal/baremetal-x86/link between two links: addresses in
 * ascending order, offsets of names, names. In the first link the arrays are absent (weak).
 */
#include <hal/platform.h>
#include <maestro/lib.h>
#include <x86/x86.h>

extern const u32 x86_symbol_count __weak;
extern const u32 x86_symbol_pc[] __weak;
extern const u32 x86_symbol_name[] __weak;
extern const char x86_symbol_text[] __weak;

size_t hal_backtrace(uintptr_t *pcs, size_t max)
{
	uintptr_t *frame = __builtin_frame_address(0), stack = (uintptr_t)frame & ~(HAL_KSTACK_SIZE - 1);
	size_t n = 0;

	/* Frames of one stack, each above the one before. */
	while (n < max && ((uintptr_t)frame & ~(HAL_KSTACK_SIZE - 1)) == stack && !((uintptr_t)frame & 3)) {
		uintptr_t *next = (uintptr_t *)frame[0];

		if (frame[1] < (uintptr_t)x86_image_start || frame[1] >= (uintptr_t)x86_text_end)
			break;
		pcs[n++] = frame[1];
		if (next <= frame)
			break;
		frame = next;
	}
	return n;
}

bool hal_symbol(uintptr_t pc, const char **name, size_t *offset)
{
	size_t lo = 0, hi = &x86_symbol_count ? x86_symbol_count : 0;

	if (pc < (uintptr_t)x86_image_start || pc >= (uintptr_t)x86_text_end)
		return false;
	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (x86_symbol_pc[mid] <= pc)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return false;
	*name = x86_symbol_text + x86_symbol_name[lo - 1];
	*offset = pc - x86_symbol_pc[lo - 1];
	return true;
}
