/* SPDX-License-Identifier: MIT */
/* maestro-fuse: what main_host.c and ops_host.c share. */
#pragma once

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <maestro.h>

struct front {
	struct maestro *k;
	struct maestro_node *root;
	double timeout; /* s that the host's kernel may keep names and attributes */
	bool read_only;
};
extern const struct fuse_lowlevel_ops front_ops;
