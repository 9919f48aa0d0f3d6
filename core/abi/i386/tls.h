/* SPDX-License-Identifier: MIT */
/* A thread's TLS descriptors in the form of set_thread_area(2), for tracers and core dumps too. exec_regs.c. */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

struct task;

#define TLS_ENTRY_FIRST 6u /* of the GDT */
#define TLS_ENTRIES 3u
struct user_desc {
	u32 entry, base, limit;
	u32 flags; /* the low bits are those of struct hal_tls */
};
/* Of current, or of a task that does not run. KERR(EINVAL): no such entry, or (set) a segment that programs cannot have. */
kerr_t i386_tls_set(struct task *t, const struct user_desc *d) __must_check;
kerr_t i386_tls_get(struct task *t, unsigned entry, struct user_desc *d) __must_check;
