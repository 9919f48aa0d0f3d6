/* SPDX-License-Identifier: MIT */
/*
 * struct kernel: all the state of one kernel. The core has no other mutable object. Each room keeps its part in state/<room>.h,
 * and reaches it as kernel()->room. Only .c files that need a part include this header.
 */
#pragma once

#include <maestro/init.h>
#include <maestro/kernel_fwd.h>
#include <maestro/sched.h>
#include <maestro/state/abi.h>
#include <maestro/state/block.h>
#include <maestro/state/debug.h>
#include <maestro/state/dev.h>
#include <maestro/state/fs.h>
#include <maestro/state/ipc.h>
#include <maestro/state/lib.h>
#include <maestro/state/mm.h>
#include <maestro/state/mqueue.h>
#include <maestro/state/net.h>
#include <maestro/state/proc.h>
#include <maestro/state/sched.h>
#include <maestro/state/syscall.h>
#include <maestro/state/time.h>
#include <maestro/state/tty.h>
#include <maestro/state/vfs.h>

struct kernel {
	struct cpu cpus[HAL_MAX_CPUS];
	struct boot_params params;
	struct lib_state lib;	  /* log, random */
	struct page_state page;	  /* state/mm.h: frames, buddy */
	struct slab_state slab;
	struct mm_state mm;	  /* page cache, reclaim, write-back, vm accounting */
	struct sched_state sched;
	struct time_state time;
	struct proc_state proc;	  /* pids, tree, signals, futexes */
	struct vfs_state vfs;	  /* dcache, icache, mounts, fs types */
	struct fs_state fs;	  /* caches of each file system */
	struct block_state block;
	struct dev_state dev;
	struct ipc_state ipc;	  /* System V objects */
	struct mqueue_state mqueue; /* POSIX message queues */
	struct tty_state tty;
	struct net_state net;	  /* sockets */
	struct syscall_state syscall;
	struct abi_state abi;
	struct debug_state debug; /* syscall counts, trace */
	bool running;		  /* kernel_start() is done */
	bool shutting_down;
};
