/* SPDX-License-Identifier: MIT */
/* The state of core/fs/dev in struct kernel: device numbers and the nodes of /dev. */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>

struct dev_state {
	struct spinlock lock;  /* RANK_LEAF */
	struct list chrdevs;   /* [lock] struct chrdev_range */
	struct mutex node_lock; /* RANK_MOUNT: taken before anything of the VFS */
	struct list nodes;     /* [node_lock] struct dev_node: what the kernel wants in /dev */
	struct mount *devtmpfs; /* [c] after devtmpfs_start(); the kernel's own mount */
	u8 boot_id[16];	       /* [c] random, for /proc/sys/kernel/random/boot_id */
};
