/* SPDX-License-Identifier: MIT */
/* The state of the time room in struct kernel. Timers are in kernel.cpus. */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>
#include <maestro/wait.h>

struct task;
struct work;

struct time_state {
	/* [clock_lock] RANK_LEAF, irqsave, to write; readers use the counts */
	struct spinlock clock_lock;
	struct seqcount offset_seq;
	s64 real_offset; /* CLOCK_REALTIME - hal_time_ns() */
	struct seqcount coarse_seq;
	ktime_t coarse_at; /* hal_time_ns() of the coarse clock's last step */
	s64 coarse_sec;	   /* CLOCK_REALTIME then */
	s32 coarse_nsec;
	u32 moved;	   /* [a] how often the clock was set */
	struct wait_queue moved_wait; /* who sleeps until a time of day */
	s32 minuteswest, dsttime; /* settimeofday(2): kept for programs, used for nothing */
	/* work queue [work_lock] RANK_WORK, irqsave */
	struct spinlock work_lock;
	struct list works;
	struct work *work_running;
	struct wait_queue work_wait, work_done;
	struct task *worker; /* [c] */
};
