/* SPDX-License-Identifier: MIT */
/* Hashes: FNV-1a with a final mix for tables; CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320) for formats that ask for it. */
#include <maestro/lib.h>

u32 hash_bytes(const void *p, size_t n, u32 seed)
{
	const u8 *s = p;
	u32 h = seed ^ 0x811C9DC5u;

	while (n--)
		h = (h ^ *s++) * 0x01000193u;
	h ^= h >> 15;
	return h * 0x85EBCA6Bu;
}

/* A nibble at a time: a table of 16 words instead of 256. */
u32 crc32_le(u32 seed, const void *p, size_t n)
{
	static const u32 table[16] = {
		0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
		0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
	};
	const u8 *s = p;

	while (n--) {
		seed ^= *s++;
		seed = (seed >> 4) ^ table[seed & 15];
		seed = (seed >> 4) ^ table[seed & 15];
	}
	return seed;
}
