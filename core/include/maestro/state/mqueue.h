/* SPDX-License-Identifier: MIT */
/* The state of POSIX message queues in struct kernel. */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>

struct mount;
struct task;
struct mq_attr_k;

struct mqueue_state {
	struct mount *mnt; /* [c] after mqueue_start(): the kernel's own mount */
	/* [mutex] RANK_MOUNT: over mq_open(2)'s lookup and creation */
	struct mutex mutex;
	const struct task *creator; /* who creates a queue with attributes of its own; others read only whether it is they */
	const struct mq_attr_k *creator_attr;
	struct atomic queues; /* [a] */
	/* limits [a] */
	u32 queues_max, msg_max, msgsize_max, msg_default, msgsize_default;
};
