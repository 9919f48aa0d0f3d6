/* SPDX-License-Identifier: MIT */
/* Device numbers, character devices, and devtmpfs (the kernel makes and removes the nodes in /dev itself). */
#pragma once

#include <maestro/errno.h>
#include <maestro/list.h>
#include <maestro/types.h>

struct file_ops;
struct block_device;

/* Gives minors [first, first+count) of `major` their operations. fops->open finds its object by inode->rdev. KERR(EBUSY), KERR(ENOMEM). */
kerr_t chrdev_register(u32 major, u32 first, u32 count, const char *name, const struct file_ops *fops) __must_check;
void chrdev_unregister(u32 major, u32 first, u32 count);
const struct file_ops *chrdev_find(dev_t dev); /* NULL: ENXIO */
/* A node /dev/NAME (NAME may hold slashes: "pts/0", "input/event0"). mode with S_IFCHR or S_IFBLK. Works before devtmpfs is mounted. */
kerr_t dev_node_add(const char *name, mode_t mode, dev_t dev) __must_check;
void dev_node_remove(const char *name);
kerr_t chrdev_init(void) __must_check; /* mem devices: null zero full random urandom kmsg */
void chrdev_for_each(void (*fn)(void *arg, u32 major, const char *name), void *arg);
