/* SPDX-License-Identifier: MIT */
/*
 * A program around the fuzzers' entry: for AFL++ (compiled by its compiler: persistent mode, the input in shared memory), and by any other compiler to
 * run inputs again: files of bytes, or of hexadecimal digits if the name ends in .hex (# to the end of the line is a comment).
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static int run_file(const char *path)
{
	static uint8_t buf[INPUT_MOST];
	FILE *file = fopen(path, "rb");
	size_t n;

	if (!file) {
		perror(path);
		return 1;
	}
	n = fread(buf, 1, sizeof(buf), file);
	fclose(file);
	if (strlen(path) > 4 && !strcmp(path + strlen(path) - 4, ".hex"))
		n = unhex(buf, n);
	(void)LLVMFuzzerTestOneInput(buf, n);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

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
	for (int i = 1; i < argc; i++)
		failed |= run_file(argv[i]);
	printf("%d inputs\n", argc - 1);
	return failed;
}
