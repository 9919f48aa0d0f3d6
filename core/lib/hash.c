/* SPDX-License-Identifier: MIT */
/*
 * Hashes: FNV-1a with a final mix for tables; for formats that ask for them CRC-32 (IEEE 802.3, reflected polynomial 0xEDB88320), CRC-32C (Castagnoli,
 * RFC 3720, reflected 0x82F63B78), CRC-16 (ARC, reflected 0xA001).
 */
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
static u32 crc_nibbles(const u32 *table, u32 crc, const void *p, size_t n)
{
	const u8 *s = p;

	while (n--) {
		crc ^= *s++;
		crc = (crc >> 4) ^ table[crc & 15];
		crc = (crc >> 4) ^ table[crc & 15];
	}
	return crc;
}

u32 crc32_le(u32 seed, const void *p, size_t n)
{
	static const u32 table[16] = {
		0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4, 0x4DB26158, 0x5005713C,
		0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C, 0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
	};

	return crc_nibbles(table, seed, p, n);
}

u32 crc32c(u32 seed, const void *p, size_t n)
{
	static const u32 table[16] = {
		0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
		0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
	};

	return crc_nibbles(table, seed, p, n);
}

u16 crc16(u16 seed, const void *p, size_t n)
{
	static const u32 table[16] = {
		0x0000, 0xCC01, 0xD801, 0x1400, 0xF001, 0x3C00, 0x2800, 0xE401, 0xA001, 0x6C00, 0x7800, 0xB401, 0x5000, 0x9C01, 0x8801, 0x4400,
	};

	return (u16)crc_nibbles(table, seed, p, n);
}
