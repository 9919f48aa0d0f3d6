/* SPDX-License-Identifier: MIT */
/* The file systems of the core: each registers its fs_type. Boot context, before the first mount. KERR(ENOMEM). */
#pragma once

#include <maestro/errno.h>

kerr_t tmpfs_init(void) __must_check;	 /* "tmpfs", "ramfs"; also the first root */
kerr_t devtmpfs_init(void) __must_check; /* "devtmpfs": the nodes of dev_node_add() */
kerr_t devtmpfs_start(void) __must_check; /* after vfs_init: makes the nodes announced so far */
kerr_t procfs_init(void) __must_check;	 /* "proc" */
kerr_t sysfs_init(void) __must_check;	 /* "sysfs" */
kerr_t devpts_init(void) __must_check;	 /* "devpts" */
kerr_t mqueue_init(void) __must_check;	 /* "mqueue" */
kerr_t mqueue_start(void) __must_check;	 /* after vfs_init: the kernel's own mount, that mq_open(2) works in */
kerr_t ext2_init(void) __must_check;	 /* "ext2" */
