/* SPDX-License-Identifier: MIT */
/* Disks of the hosted backend: where their kernel half (disk_kern.c) and their host half (disk_host.c) meet. */
#pragma once

#include "host.h"

/* As the host's struct iovec (checked in disk_host.c). */
struct host_iov {
	void *base;
	host_u64 len;
};
/*
 * What carries a disk. All return 0 or -errno, and are called inside the instance, on one vCPU at a time per disk: they must not enter it.
 * flush, discard: NULL if there is no such thing.
 *
 * window: what is on the disk there as memory, for system calls of the host alone (which answer EFAULT where it cannot be read; touching it may be SIGBUS).
 * Any thread. NULL, as result or member: not possible, now at least.
 */
struct host_disk_ops {
	int (*transfer)(void *arg, _Bool write, const struct host_iov *iov, unsigned n, host_u64 offset, host_u64 bytes);
	int (*flush)(void *arg);
	int (*discard)(void *arg, host_u64 offset, host_u64 bytes);
	void (*release)(void *arg); /* the disk is gone */
	const void *(*window)(void *arg, host_u64 offset, host_u64 bytes);
};
struct host_disk_info {
	host_u64 sectors; /* of 512 bytes */
	_Bool read_only, no_partscan;
	const char *model;
};

/* --- disk_host.c --- */
enum {
	HOST_FILE_READ_ONLY = 1,
	HOST_FILE_NO_LOCK = 2,
	HOST_FILE_FALL_BACK = 4, /* read-only if it cannot be written */
	HOST_FILE_NO_FLUSH = 16, /* flushes do not wait for the host's disk */
};
/* Opens an image; *arg and *info are for disk_kern.c. size 0: up to the end of the file. 0 or -errno; -EBUSY: another process has it. */
int host_file_open(const char *path, unsigned flags, host_u64 offset, host_u64 size, void **arg, struct host_disk_info *info);
void host_file_close(void *arg);
extern const struct host_disk_ops host_file_ops;

/* --- disk_kern.c; inside the instance --- */
/* Registers a disk, named vda, vdb ...; name gets at least 8 bytes. 0 or -errno (then arg is still the caller's). */
int hosted_disk_add(const struct host_disk_ops *ops, void *arg, const struct host_disk_info *info, char *name);
/* A window of a block device, or NULL. */
struct block_device;
const void *hosted_disk_window(const struct block_device *b, host_u64 offset, host_u64 bytes);
/* -ENODEV; -EBUSY while it, or a part of it, is mounted or open. */
int hosted_disk_remove(const char *name);
