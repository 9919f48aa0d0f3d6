// SPDX-License-Identifier: MIT
/* Memory maps and page faults. */
#include "bench.h"

#include <stddef.h>
#include <sys/mman.h>

static void page_fault(long n)
{
	while (n > 0) {
		long pages = n < 1024 ? n : 1024;
		char *p = mmap(NULL, (size_t)pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
		for (long i = 0; i < pages; i++)
			*(volatile char *)(p + i * 4096) = 1;
		munmap(p, (size_t)pages * 4096);
		n -= pages;
	}
}

static void map_unmap(long n)
{
	while (n-- > 0) {
		char *p = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, data_fd, 0);
		if (p == MAP_FAILED)
			die("mmap");
		(void)*(volatile char *)p;
		munmap(p, 65536);
	}
}

/* One operation is a MiB mapped, each page of it touched, and given back. */
static void map_touch(long n)
{
	enum { SIZE = 1 << 20 };

	while (n-- > 0) {
		char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			die("mmap");
		for (long i = 0; i < SIZE; i += 4096)
			*(volatile char *)(p + i) = 1;
		munmap(p, SIZE);
	}
}

const struct row rows_memory[] = {
	{ "page-fault", page_fault, 10240, 0, NULL, 0 },
	{ "mmap-file", map_unmap, 2000, 0, NULL, 0 },
	{ "mmap-touch-1m", map_touch, 40, 0, NULL, 0 },
	{ NULL, NULL, 0, 0, NULL, 0 },
};
