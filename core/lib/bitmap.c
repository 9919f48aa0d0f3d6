/* SPDX-License-Identifier: MIT */
/* Searching bit maps a word at a time. */
#include <maestro/lib.h>

/* First bit at or after `from` in map ^ flip. */
static size_t find(const unsigned long *map, size_t bits, size_t from, unsigned long flip)
{
	size_t i = from / BITS_PER_LONG;
	unsigned long word;

	if (from >= bits)
		return bits;
	word = (map[i] ^ flip) & (~0UL << (from % BITS_PER_LONG));
	while (!word) {
		if (++i >= BITMAP_LONGS(bits))
			return bits;
		word = map[i] ^ flip;
	}
	i = i * BITS_PER_LONG + (size_t)__builtin_ctzl(word);
	return i < bits ? i : bits;
}

size_t bitmap_find_set(const unsigned long *map, size_t bits, size_t from)
{
	return find(map, bits, from, 0);
}

size_t bitmap_find_zero(const unsigned long *map, size_t bits, size_t from)
{
	return find(map, bits, from, ~0UL);
}
