/* SPDX-License-Identifier: MIT */
/* The kernel half of the hosted backend: what its files share. */
#pragma once

#include <hal/memory.h>
#include <maestro/lock.h>

#include "host.h"

struct proc;
struct hosted_disk;
/* In the arena, after struct kernel. */
struct kernel_host {
	struct hal_boot_info info;
	struct hal_ram_range ram;
	struct proc *callers; /* the process whose threads the callers are */
	/* disk_kern.c */
	struct mutex disks_mutex; /* RANK_NONE: outermost */
	struct hosted_disk *disk[HOSTED_MAX_DISKS]; /* [disks_mutex] */
	struct mutex tasks_mutex; /* RANK_NONE */
	struct maestro_task *tasks; /* [tasks_mutex] libmaestro's: tasks that are no thread's own */
	void *lib; /* libmaestro's own: its open handles */
};
