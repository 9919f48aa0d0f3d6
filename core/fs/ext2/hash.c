/* SPDX-License-Identifier: MIT */
/*
 * The hashes of names that directory indexes are sorted by: "legacy", half of MD4 (RFC 1320, three rounds of eight steps), and TEA (Wheeler and Needham) as
 * a compression function. All take the name as words that are padded with its length; whether a byte is signed depends on the machine the file system was
 * made on, which the superblock's flags remember. Specification: Documentation/filesystems/ext4/directory.rst of Linux.
 */
#include "dir.h"

#define HASH_END 0xfffffffeu /* stands for "behind the last" */

/* n words of the next 4 * n bytes; what the name does not fill is padding. */
static void to_words(const char *name, size_t len, bool is_signed, u32 *words, unsigned n)
{
	u32 pad = (u32)len & 0xff, value;
	size_t used = MIN(len, (size_t)n * 4);

	pad |= pad << 8;
	pad |= pad << 16;
	for (unsigned w = 0; w < n; w++) {
		value = pad;
		for (size_t i = (size_t)w * 4; i < used && i < (size_t)w * 4 + 4; i++)
			value = (value << 8) + (is_signed ? (u32)(s32)(s8)name[i] : (u32)(u8)name[i]);
		words[w] = value;
	}
}

static u32 legacy(const char *name, size_t len, bool is_signed)
{
	u32 last = 0x37abe8f9, hash = 0x12a3fe2d;

	for (size_t i = 0; i < len; i++) {
		u32 c = is_signed ? (u32)(s32)(s8)name[i] : (u32)(u8)name[i], next = last + (hash ^ (c * 7152373u));

		if (next & 0x80000000u)
			next -= 0x7fffffffu;
		last = hash;
		hash = next;
	}
	return hash << 1;
}

static u32 rotate(u32 x, unsigned n)
{
	return x << n | x >> (32 - n);
}

static u32 md4_mix(unsigned round, u32 x, u32 y, u32 z)
{
	if (round == 0)
		return z ^ (x & (y ^ z));
	if (round == 1)
		return (x & y) + ((x ^ y) & z);
	return x ^ y ^ z;
}

static void half_md4(u32 state[4], const u32 words[8])
{
	static const u8 order[3][8] = { { 0, 1, 2, 3, 4, 5, 6, 7 }, { 1, 3, 5, 7, 0, 2, 4, 6 }, { 3, 7, 2, 6, 1, 5, 0, 4 } };
	static const u8 turn[3][4] = { { 3, 7, 11, 19 }, { 3, 5, 9, 13 }, { 3, 9, 11, 15 } };
	static const u32 constant[3] = { 0, 0x5a827999, 0x6ed9eba1 };
	u32 a = state[0], b = state[1], c = state[2], d = state[3];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 8; i++) {
			u32 t = rotate(a + md4_mix(round, b, c, d) + words[order[round][i]] + constant[round], turn[round][i & 3]);

			a = d;
			d = c;
			c = b;
			b = t;
		}
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
}

static void tea(u32 state[4], const u32 words[4])
{
	u32 x = state[0], y = state[1], sum = 0;

	for (unsigned i = 0; i < 16; i++) {
		sum += 0x9e3779b9;
		x += ((y << 4) + words[0]) ^ (y + sum) ^ ((y >> 5) + words[1]);
		y += ((x << 4) + words[2]) ^ (x + sum) ^ ((x >> 5) + words[3]);
	}
	state[0] += x;
	state[1] += y;
}

u32 ext2_dx_hash(const struct ext2_sb *s, unsigned version, const char *name, size_t len)
{
	static const u32 start[4] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476 };
	const u32 *seed = s->es->hash_seed;
	bool is_signed = !(s->es->flags & EXT2_FLAGS_UNSIGNED_HASH);
	u32 state[4], words[8], hash;
	size_t step = version == EXT2_HASH_TEA ? 16 : 32;

	DEBUG_ASSERT(version < EXT2_HASHES);
	if (version == EXT2_HASH_LEGACY) {
		hash = legacy(name, len, is_signed);
	} else {
		memcpy(state, seed[0] | seed[1] | seed[2] | seed[3] ? seed : start, sizeof(state));
		for (size_t at = 0; at < len; at += step) {
			to_words(name + at, len - at, is_signed, words, (unsigned)step / 4);
			if (version == EXT2_HASH_TEA)
				tea(state, words);
			else
				half_md4(state, words);
		}
		hash = version == EXT2_HASH_TEA ? state[0] : state[1];
	}
	hash &= ~1u;
	return hash == HASH_END ? HASH_END - 2 : hash;
}
