/* SPDX-License-Identifier: MIT */
/* futex(2). */
#pragma once
#include <maestro/types.h>
#include <maestro/errno.h>
struct task;
long do_futex(u64 uaddr, int op, u32 val, ktime_t deadline, bool has_timeout, u64 uaddr2, u32 val2, u32 val3);
struct futex_vec { /* struct futex_waitv of futex_waitv(2) */
	u64 val, uaddr;
	u32 flags, reserved;
};
/* Waits on all words; the index of the one that was woken, or -errno. deadline absolute. The flags are checked. */
long do_futex_waitv(const struct futex_vec *vec, unsigned n, ktime_t deadline);
void futex_exit_robust(struct task *t); /* walks the robust list at exit, clears child tid and wakes */
/* t's real-time priority was changed: those it waits behind inherit it. */
void futex_pi_priority_changed(struct task *t);
long futex_wake_addr(u64 uaddr, unsigned n, bool shared);
kerr_t futex_init(void) __must_check;
