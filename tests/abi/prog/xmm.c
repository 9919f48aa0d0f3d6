// SPDX-License-Identifier: MIT
/* Vector registers across calls that copy much: whatever the kernel copies with, the program's are as they were; and the counts where a copy breaks off. */
#include "../abi.h"

#include <pthread.h>

enum { BIG = 65536 };

static const unsigned char pattern[16] __attribute__((aligned(16))) = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

/* int $0x80 with all of XMM0..XMM7 holding the pattern; adds the bytes that came back different to *bad. */
static long call3(long nr, long a, long b, long c, int *bad)
{
	unsigned char back[8][16];
	long ret;

	__asm__ volatile("movups %[p], %%xmm0; movups %[p], %%xmm1; movups %[p], %%xmm2; movups %[p], %%xmm3;"
			 "movups %[p], %%xmm4; movups %[p], %%xmm5; movups %[p], %%xmm6; movups %[p], %%xmm7;"
			 "int $0x80;"
			 "movups %%xmm0, (%[o]); movups %%xmm1, 16(%[o]); movups %%xmm2, 32(%[o]); movups %%xmm3, 48(%[o]);"
			 "movups %%xmm4, 64(%[o]); movups %%xmm5, 80(%[o]); movups %%xmm6, 96(%[o]); movups %%xmm7, 112(%[o])"
			 : "=a"(ret)
			 : "0"(nr), "b"(a), "c"(b), "d"(c), [p] "m"(pattern), [o] "S"(back)
			 : "memory");
	for (int i = 0; i < 8; i++)
		*bad += memcmp(back[i], pattern, 16) != 0;
	return ret;
}

static char source[BIG], target[BIG];

static void *keep_copying(void *arg)
{
	int *bad = arg, p[2];

	if (pipe(p) < 0)
		return NULL;
	for (int i = 0; i < 200; i++) {
		call3(4 /* write */, p[1], (long)source, 4096, bad);
		call3(3 /* read */, p[0], (long)target + 4096 * (i & 7), 4096, bad);
	}
	return NULL;
}

static void broken_off(int fd, char *edge)
{
	static const int before[] = { 0, 64, 128, 256, 320, 1024, 4032 }; /* Linux copies whole lines of 64 bytes, or none of one */
	int bad = 0;

	for (unsigned i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		lseek(fd, 0, SEEK_SET);
		long n = call3(3, fd, (long)(edge - before[i]), 8192, &bad);
		abi_line("read to an edge", "%d: %ld %s", before[i], n, n <= 0 || !memcmp(edge - before[i], source, (size_t)n) ? "right" : "wrong");
	}
	NUM("registers at edges", bad);
}

int main(void)
{
	int bad = 0, others[4] = { 0 }, status, p[2];
	pthread_t t[4];
	char *map;

	for (int i = 0; i < BIG; i++)
		source[i] = (char)(i * 7 + i / 256);
	int fd = open("xmm.data", O_RDWR | O_CREAT | O_TRUNC, 0600);
	NUM("write", call3(4, fd, (long)source, BIG, &bad));
	lseek(fd, 0, SEEK_SET);
	NUM("read", call3(3, fd, (long)target, BIG, &bad));
	YES("same", !memcmp(source, target, BIG));
	NUM("registers", bad);

	/* The source is read from the file page by page while it is copied. */
	map = mmap(NULL, BIG, PROT_READ, MAP_SHARED, fd, 0);
	pipe(p);
	NUM("write of a map", call3(4, p[1], (long)map + 1, 20001, &bad));
	NUM("read of it", call3(3, p[0], (long)target + 3, 20001, &bad));
	YES("same again", !memcmp(source + 1, target + 3, 20001));
	munmap(map, BIG);
	NUM("registers after faults", bad);

	map = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mprotect(map + 4096, 4096, PROT_NONE);
	broken_off(fd, map + 4096);

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, keep_copying, &others[i]);
	keep_copying(&bad);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		bad += others[i];
	}
	NUM("registers of threads", bad);

	pid_t child = call3(2 /* fork */, 0, 0, 0, &bad);
	if (child == 0) {
		memset(source, 9, BIG); /* copies on write */
		_exit(bad);
	}
	memset(source, 8, BIG);
	waitpid(child, &status, 0);
	NUM("registers of a child", status);
	NUM("registers at the end", bad);
	unlink("xmm.data");
	return 0;
}
