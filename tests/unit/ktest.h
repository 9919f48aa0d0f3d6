/* SPDX-License-Identifier: MIT */
/* Tests of kernel internals: compiled as the core is, run inside a fresh instance (virtual clock). */
#pragma once

#include <maestro/lib.h>
#include <maestro/types.h>

struct ktest {
	const char *name;
	const char *(*fn)(void); /* NULL, or what was wrong */
};
struct ktest_suite {
	const char *name;
	const struct ktest *tests;
	unsigned count;
};
extern const struct ktest_suite ktest_lib, ktest_mm, ktest_sched, ktest_vfs, ktest_aio, ktest_program;

/* How many updates were not lost, and a number for the order of all; NULL or what was wrong. */
const char *ktest_race(unsigned *counter, unsigned *trace);

#define KTEST_STRING2(x) #x
#define KTEST_STRING(x) KTEST_STRING2(x)
#define EXPECT(x)                                                        \
	do {                                                             \
		if (!(x))                                                \
			return __FILE__ ":" KTEST_STRING(__LINE__) ": " #x; \
	} while (0)
#define KTEST_SUITE(id, text, ...)                                                    \
	static const struct ktest id##_tests[] = {__VA_ARGS__};                          \
	const struct ktest_suite ktest_##id = {text, id##_tests, ARRAY_SIZE(id##_tests)}

static inline u32 ktest_random(u32 *state) /* xorshift32 */
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}
