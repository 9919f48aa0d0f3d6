/* SPDX-License-Identifier: MIT */
/* Broken invariants. No input from a program, a disk or a boot line may reach these. */
#pragma once

#include <maestro/compiler.h>

/* Prints the message, a backtrace and the log's tail, and stops the machine (hosted: aborts the instance). Any context. */
void panic(const char *fmt, ...) __noreturn __cold __printf(1, 2);
void assert_failed(const char *expr, const char *file, int line) __noreturn __cold;

/* Always on: cheap checks on cold paths. */
#define ASSERT(x) (likely(x) ? (void)0 : assert_failed(#x, __FILE__, __LINE__))
/* Only in debug builds (the hosted tests, `make DEBUG=1`). */
#ifdef MAESTRO_DEBUG
#define DEBUG_ASSERT(x) ASSERT(x)
#else
#define DEBUG_ASSERT(x) ((void)sizeof(!(x)))
#endif
#define STATIC_ASSERT(x) _Static_assert(x, #x)
