/* SPDX-License-Identifier: MIT */
/* What the compiler gives: attributes, hints, and the annotations that checkers read. */
#pragma once

#define __noreturn __attribute__((noreturn))
#define __must_check __attribute__((warn_unused_result))
#define __printf(fmt, args) __attribute__((format(printf, fmt, args)))
#define __packed __attribute__((packed))
#define __aligned(n) __attribute__((aligned(n)))
#define __unused __attribute__((unused))
#define __noinline __attribute__((noinline))
#define __always_inline inline __attribute__((always_inline))
#define __cold __attribute__((cold))
#define __weak __attribute__((weak))
#define fallthrough __attribute__((fallthrough))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* A pointer into the memory of the calling program; only uaccess.h may follow it. */
#if defined(__clang__)
#define __user __attribute__((noderef, address_space(1)))
#define __force __attribute__((address_space(0)))
#else
#define __user
#endif

/* Clang's -Wthread-safety reads these; to gcc they are nothing. */
#if defined(__clang__)
#define CAPABILITY(name) __attribute__((capability(name)))
#define REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define ACQUIRES(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASES(...) __attribute__((release_capability(__VA_ARGS__)))
#define TRY_ACQUIRES(got, ...) __attribute__((try_acquire_capability(got, __VA_ARGS__))) /* it has the locks if it returns `got` (true, false) */
#define ASSUMES(...) __attribute__((assert_capability(__VA_ARGS__)))
#define GUARDED_BY(x) __attribute__((guarded_by(x)))
#define NO_LOCK_ANALYSIS __attribute__((no_thread_safety_analysis))
#else
#define CAPABILITY(name)
#define REQUIRES(...)
#define ACQUIRES(...)
#define RELEASES(...)
#define TRY_ACQUIRES(got, ...)
#define ASSUMES(...)
#define GUARDED_BY(x)
#define NO_LOCK_ANALYSIS
#endif

#define offsetof(type, member) __builtin_offsetof(type, member)
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(1 ? (ptr) : &((type *)0)->member) - offsetof(type, member)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define MIN(a, b) ({ __typeof__(a) min_a_ = (a); __typeof__(b) min_b_ = (b); min_a_ < min_b_ ? min_a_ : min_b_; })
#define MAX(a, b) ({ __typeof__(a) max_a_ = (a); __typeof__(b) max_b_ = (b); max_a_ > max_b_ ? max_a_ : max_b_; })
/* align must be a power of two. */
#define ALIGN_UP(x, align) (((x) + ((__typeof__(x))(align) - 1)) & ~((__typeof__(x))(align) - 1))
#define ALIGN_DOWN(x, align) ((x) & ~((__typeof__(x))(align) - 1))
#define IS_ALIGNED(x, align) (((x) & ((__typeof__(x))(align) - 1)) == 0)
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
