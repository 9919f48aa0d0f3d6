/* SPDX-License-Identifier: MIT */
/* core/lib: strings, formatting, bits, hashes, trees. No locks, no allocation unless said. Any context. */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

/* --- string.c: as ISO C; the compiler may emit calls to the first four. --- */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *find);
/* Copies at most size-1 bytes and always ends with NUL; returns strlen(src). */
size_t strlcpy(char *dst, const char *src, size_t size);

/* --- fmt.c: %d %i %u %x %X %o %c %s %p %% with flags "-+ 0#", width, precision, '*', h hh l ll z t. No floats. --- */
/* Returns the length the whole text would have; writes at most size bytes, NUL included. */
int kvsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int ksnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/* As ksnprintf, but returns what was really written (< size). For building text piecewise. */
int kscnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/* Parses a number in base (0: by prefix) at *s, advances *s past it. KERR(EINVAL) if no digit, KERR(ERANGE). */
kerr_t kstrtou64(const char **s, unsigned base, u64 *out) __must_check;

/* --- bits --- */
static inline unsigned bit_width(unsigned long x) /* 0 for 0; 1 + index of the highest bit */
{
	return x ? (unsigned)(sizeof(long) * 8) - (unsigned)__builtin_clzl(x) : 0;
}
static inline unsigned ilog2(unsigned long x)
{
	return bit_width(x) - 1;
}
/* Of x != 0. The compiler's own for 64 bits may be calls to its library on a 32-bit machine. */
static inline unsigned ctz64(u64 x)
{
	u32 lo = (u32)x;

	return lo ? (unsigned)__builtin_ctz(lo) : 32 + (unsigned)__builtin_ctz((u32)(x >> 32));
}
static inline unsigned clz64(u64 x)
{
	u32 hi = (u32)(x >> 32);

	return hi ? (unsigned)__builtin_clz(hi) : 32 + (unsigned)__builtin_clz((u32)x);
}
#define BITS_PER_LONG (sizeof(long) * 8)
#define BITMAP_LONGS(bits) DIV_ROUND_UP(bits, BITS_PER_LONG)
static inline bool bitmap_test(const unsigned long *map, size_t i)
{
	return (map[i / BITS_PER_LONG] >> (i % BITS_PER_LONG)) & 1;
}
static inline void bitmap_set(unsigned long *map, size_t i)
{
	map[i / BITS_PER_LONG] |= 1UL << (i % BITS_PER_LONG);
}
static inline void bitmap_clear(unsigned long *map, size_t i)
{
	map[i / BITS_PER_LONG] &= ~(1UL << (i % BITS_PER_LONG));
}
/* First clear (or set) bit at or after `from`, or `bits` if none. */
size_t bitmap_find_zero(const unsigned long *map, size_t bits, size_t from);
size_t bitmap_find_set(const unsigned long *map, size_t bits, size_t from);

/* --- hash.c --- */
u32 hash_bytes(const void *p, size_t n, u32 seed);
static inline u32 hash_u32(u32 x)
{
	return x * 0x9E3779B1u;
}
static inline u32 hash_ptr(const void *p)
{
	return hash_u32((u32)((uintptr_t)p >> 4));
}
/* Of n bytes on top of seed, the value for those before; ~0 to begin. Nothing is inverted at the end. */
u32 crc32_le(u32 seed, const void *p, size_t n);
u32 crc32c(u32 seed, const void *p, size_t n);
u16 crc16(u16 seed, const void *p, size_t n);

/* --- sort.c: heap sort, in place, no allocation --- */
void sort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *));

/* --- endian --- */
#define le16_to_cpu(x) ((u16)(x))
#define le32_to_cpu(x) ((u32)(x))
#define le64_to_cpu(x) ((u64)(x))
#define cpu_to_le16(x) ((u16)(x))
#define cpu_to_le32(x) ((u32)(x))
#define cpu_to_le64(x) ((u64)(x))
#define be16_to_cpu(x) __builtin_bswap16(x)
#define be32_to_cpu(x) __builtin_bswap32(x)
#define be64_to_cpu(x) __builtin_bswap64(x)
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "both machines are little-endian");

/* --- div.c: 64-bit division on 32-bit machines. Divisor not 0. --- */
u64 div_u64(u64 n, u32 d);
u64 div_u64_rem(u64 n, u32 d, u32 *rem);
u64 div64_u64(u64 n, u64 d);
s64 div64_s64(s64 n, s64 d);
u64 mod64_u64(u64 n, u64 d);
