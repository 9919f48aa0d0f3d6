/* SPDX-License-Identifier: MIT */
/* The pieces of a core dump: coredump.c decides and finds a place, core_elf.c writes the file. */
#pragma once

#include <maestro/proc.h>
#include <maestro/vfs.h>

/* [sighand.lock] while proc.core points at it; on the stack of the thread that dumps */
struct core_state {
	struct task *dumper;
	const struct siginfo *info;
	unsigned remaining;	/* threads that are on their way to core_wait() */
	struct list parked;	/* struct core_thread, asleep there until `done` */
	struct wait_queue wait;
	bool done;
};
struct core_thread {
	struct list node;
	struct task *task;
};
/* Where the dump goes: a file (sought over zeros), or a pipe (everything is written). */
struct core_out {
	struct file *file;
	bool pipe;
	u64 limit;  /* bytes */
	loff_t pos;
};
/* The whole dump of current's process, whose other threads are parked; false: nothing was written. Sleeps; no lock held. */
bool core_elf_write(struct core_out *out, const struct core_state *c);
