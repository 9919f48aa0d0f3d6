/* SPDX-License-Identifier: MIT */
/* The state of core/lib in struct kernel: the log, random numbers, the xarray's node cache. */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>
#include <maestro/wait.h>

struct kmem_cache;
struct log_console;

#define LOG_SIZE (HAL_KSTACK_SIZE > 16384 ? 128u * 1024 : 64u * 1024) /* bytes, a power of two */
#define LOG_LINE 512

struct log_state {
	struct spinlock lock; /* RANK_LOG, irqsave */
	/* [lock] */
	u64 end;	      /* bytes ever written; the ring holds the last LOG_SIZE of them, from a line's start */
	u64 start;
	u64 cleared;	      /* positions: what dmesg shows begins here; and what syslog(2) has not given out yet */
	u64 taken;
	struct log_console *consoles;
	char line[LOG_LINE];
	char ring[LOG_SIZE];
	/* [a] */
	int console_level;    /* lines more urgent than this go to the consoles */
	int saved_level;      /* console_level before syslog(2) turned the consoles off; 0: they are on */
	bool wake_pending;    /* readers wait for news, and the writer could not wake them */
	struct wait_queue wait;
	bool ready;	      /* [c] the queue above is initialised */
};

struct random_state {
	struct spinlock lock; /* RANK_LEAF, irqsave */
	/* [lock] */
	u32 key[8];
	u64 counter;
	u8 pool[256];	      /* output not yet given out */
	unsigned pool_left;
	bool ready;
};

struct lib_state {
	struct log_state log;
	struct random_state random;
	struct kmem_cache *xa_nodes; /* [c] */
};
