/* SPDX-License-Identifier: MIT */
/*
 * A program around the fuzzers' entry: for AFL++ (compiled by its compiler: persistent mode, the input in shared memory), and by any other compiler to
 * run inputs again: files of bytes, or of hexadecimal digits if the name ends in .hex (# to the end of the line is a comment). -t SECONDS: again and
 * again for so long, to see how fast that goes.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fuzz_host.h"

#define INPUT_MOST 65536

#ifdef __AFL_FUZZ_TESTCASE_LEN
__AFL_FUZZ_INIT();
#endif

static size_t unhex(uint8_t *buf, size_t n)
{
	size_t out = 0;
	int high = -1;

	for (size_t i = 0; i < n; i++) {
		int c = tolower(buf[i]), v;

		if (c == '#') {
			while (i < n && buf[i] != '\n')
				i++;
			continue;
		}
		if (!isxdigit(c))
			continue;
		v = c <= '9' ? c - '0' : c - 'a' + 10;
		if (high < 0) {
			high = v;
		} else {
			buf[out++] = (uint8_t)(high << 4 | v);
			high = -1;
		}
	}
	return out;
}

struct input {
	uint8_t *data;
	size_t size;
};

static bool load(const char *path, struct input *in)
{
	FILE *file = fopen(path, "rb");

	in->data = malloc(INPUT_MOST);
	if (!file || !in->data) {
		perror(path);
		return false;
	}
	in->size = fread(in->data, 1, INPUT_MOST, file);
	fclose(file);
	if (strlen(path) > 4 && !strcmp(path + strlen(path) - 4, ".hex"))
		in->size = unhex(in->data, in->size);
	return true;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* CPU time: other processes do not count. */
static void measure(const struct input *in, int n, double seconds)
{
	unsigned long done = 0;
	double start, end;

	(void)LLVMFuzzerTestOneInput(in[0].data, in[0].size); /* makes the kernel */
	start = end = now();
	for (; end - start < seconds; end = now())
		for (int i = 0; i < n; i++, done++)
			(void)LLVMFuzzerTestOneInput(in[i].data, in[i].size);
	printf("%d inputs, %.0f a second\n", n, (double)done / (end - start));
}

int main(int argc, char **argv)
{
	double seconds = 0;
	struct input *in;
	int n = 0;

#ifdef __AFL_FUZZ_TESTCASE_LEN
	if (argc == 1) {
		const uint8_t *buf;

		__AFL_INIT();
		buf = __AFL_FUZZ_TESTCASE_BUF;
		while (__AFL_LOOP(20000))
			(void)LLVMFuzzerTestOneInput(buf, (size_t)__AFL_FUZZ_TESTCASE_LEN);
		return 0;
	}
#endif
	if (argc > 2 && !strcmp(argv[1], "-t")) {
		seconds = atof(argv[2]);
		argv += 2;
		argc -= 2;
	}
	in = calloc((size_t)argc, sizeof(*in));
	if (!in || argc < 2)
		return 2;
	for (int i = 1; i < argc; i++) {
		if (!load(argv[i], &in[n]))
			return 1;
		if (seconds <= 0)
			(void)LLVMFuzzerTestOneInput(in[n].data, in[n].size);
		n++;
	}
	if (seconds > 0)
		measure(in, n, seconds);
	else
		printf("%d inputs\n", n);
	return 0;
}
