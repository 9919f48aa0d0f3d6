/* SPDX-License-Identifier: MIT */
/* The state of the fs room in struct kernel. */
#pragma once

#include <maestro/lock.h>
#include <maestro/types.h>

struct kmem_cache;
struct ext2_state {
	struct kmem_cache *inodes; /* [c] struct ext2_inode */
};

struct fs_state {
	struct ext2_state ext2;
};
