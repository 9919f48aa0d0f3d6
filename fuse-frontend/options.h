/* SPDX-License-Identifier: MIT */
/* maestro-fuse: what the command line says. */
#pragma once

#include "fs_host.h"

struct settings {
	char *image, *mountpoint; /* absolute */
	int read_only, read_write, help, version, foreground, debug, no_lock, fakeroot, no_xattr, no_recovery, writeback, helper, fake, allow_other;
	unsigned long long offset, size;
	unsigned memory; /* MiB */
	unsigned threads, vcpus, part;
	long long uid, gid; /* -1: as in the image */
	char *type, *data, *errors, *log;
};

/* -1: go on, with args ready for fuse_session_new(); else the exit status. */
int settings_parse(struct settings *s, struct fuse_args *args);
/* The image becomes a disk of the instance. 0 or -errno. */
int settings_open_disk(const struct settings *s, struct front *f, char disk[MAESTRO_DISK_NAME]);
