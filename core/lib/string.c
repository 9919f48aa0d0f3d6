/* SPDX-License-Identifier: MIT */
/*
 * Memory and string functions, as ISO C 7.24 describes them. The four that the compiler calls by itself are weak: a backend that
 * knows a quicker way on its processor gives its own.
 */
#include <maestro/lib.h>

/* A machine word that may alias anything. */
typedef unsigned long __attribute__((may_alias)) word_t;
#define WORD sizeof(word_t)

/* The loops below must not be recognised as the functions they implement. */
#if defined(__clang__)
#define NO_LOOP_PATTERN __attribute__((no_builtin))
#else
#define NO_LOOP_PATTERN __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

NO_LOOP_PATTERN __weak void *memcpy(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if (n >= 4 * WORD && (((uintptr_t)d ^ (uintptr_t)s) & (WORD - 1)) == 0) {
		for (; (uintptr_t)d & (WORD - 1); n--)
			*d++ = *s++;
		word_t *dw = __builtin_assume_aligned(d, WORD);
		const word_t *sw = __builtin_assume_aligned(s, WORD);

		for (; n >= 4 * WORD; n -= 4 * WORD, dw += 4, sw += 4) {
			word_t a = sw[0], b = sw[1], c = sw[2], e = sw[3];

			dw[0] = a;
			dw[1] = b;
			dw[2] = c;
			dw[3] = e;
		}
		for (; n >= WORD; n -= WORD)
			*dw++ = *sw++;
		d = (u8 *)dw;
		s = (const u8 *)sw;
	}
	while (n--)
		*d++ = *s++;
	return dst;
}

NO_LOOP_PATTERN __weak void *memmove(void *dst, const void *src, size_t n)
{
	u8 *d = dst;
	const u8 *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= n)
		return memcpy(dst, src, n);
	if ((((uintptr_t)d ^ (uintptr_t)s) & (WORD - 1)) == 0) {
		for (; n && ((uintptr_t)(d + n) & (WORD - 1)); n--)
			d[n - 1] = s[n - 1];
		for (; n >= WORD; n -= WORD)
			*(word_t *)__builtin_assume_aligned(d + n - WORD, WORD) =
				*(const word_t *)__builtin_assume_aligned(s + n - WORD, WORD);
	}
	for (; n; n--)
		d[n - 1] = s[n - 1];
	return dst;
}

NO_LOOP_PATTERN __weak void *memset(void *dst, int c, size_t n)
{
	u8 *d = dst;
	word_t v = (word_t)(u8)c * (~(word_t)0 / 255);

	if (n >= 2 * WORD) {
		for (; (uintptr_t)d & (WORD - 1); n--)
			*d++ = (u8)c;
		word_t *dw = __builtin_assume_aligned(d, WORD);

		for (; n >= 4 * WORD; n -= 4 * WORD, dw += 4)
			dw[0] = dw[1] = dw[2] = dw[3] = v;
		for (; n >= WORD; n -= WORD)
			*dw++ = v;
		d = (u8 *)dw;
	}
	while (n--)
		*d++ = (u8)c;
	return dst;
}

__weak int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	if ((((uintptr_t)x | (uintptr_t)y) & (WORD - 1)) == 0)
		for (; n >= WORD; n -= WORD, x += WORD, y += WORD)
			if (*(const word_t *)__builtin_assume_aligned(x, WORD) !=
			    *(const word_t *)__builtin_assume_aligned(y, WORD))
				break;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x - *y;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const u8 *p = s;

	for (; n; n--, p++)
		if (*p == (u8)c)
			return (void *)(uintptr_t)p;
	return NULL;
}

NO_LOOP_PATTERN size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (u8)*a - (u8)*b;
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (!*s)
			return (char *)(uintptr_t)found;
	}
}

char *strstr(const char *s, const char *find)
{
	size_t n = strlen(find);

	for (;; s++) {
		if (!strncmp(s, find, n))
			return (char *)(uintptr_t)s;
		if (!*s)
			return NULL;
	}
}

size_t strlcpy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);

	if (size) {
		size_t k = n < size ? n : size - 1;

		memcpy(dst, src, k);
		dst[k] = 0;
	}
	return n;
}
