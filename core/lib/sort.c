/* SPDX-License-Identifier: MIT */
/* Heap sort: in place, no allocation, no recursion, n log n at worst (Knuth, vol. 3, 5.2.3). */
#include <maestro/lib.h>

static void swap_items(u8 *a, u8 *b, size_t size)
{
	while (size--) {
		u8 t = *a;

		*a++ = *b;
		*b++ = t;
	}
}

static void sift_down(u8 *base, size_t root, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	for (size_t child; (child = 2 * root + 1) < n; root = child) {
		if (child + 1 < n && cmp(base + child * size, base + (child + 1) * size) < 0)
			child++;
		if (cmp(base + root * size, base + child * size) >= 0)
			return;
		swap_items(base + root * size, base + child * size, size);
	}
}

void sort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	u8 *b = base;

	for (size_t i = n / 2; i-- > 0;)
		sift_down(b, i, n, size, cmp);
	for (size_t i = n; i-- > 1;) {
		swap_items(b, b + i * size, size);
		sift_down(b, 0, i, size, cmp);
	}
}
