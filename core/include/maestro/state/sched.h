/* SPDX-License-Identifier: MIT */
/* The state of the sched room in struct kernel; the run queues are in kernel.cpus. */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>

struct sched_state {
	/* [a] */
	unsigned ncpus;		/* online */
	unsigned long online_mask;
	s32 rt_period_us, rt_runtime_us; /* what real-time tasks may use while others wait; -1: all */
	/* [load_lock] RANK_LEAF, irqsave */
	struct spinlock load_lock;
	unsigned long load[3];	/* 1, 5, 15 minutes; 11 fraction bits */
	ktime_t load_next;	/* when they are due to be updated */
};
