/* SPDX-License-Identifier: MIT */
/* sysfs: the lists of devices that other files of this directory make. */
#pragma once

#include "../proc/proc_fs.h"

/* cpu.c: /sys/devices/system/cpu, beside the entries of CPUs; and these */
extern const struct pnode sysfs_cpu_nodes[];
extern const struct pnode_list sysfs_cpus;
/* pci.c: /sys/devices/pci0000:00 and /sys/bus/pci, where there is such a bus */
extern const struct pnode_list sysfs_pci_functions;
extern const struct pnode sysfs_pci_bus_nodes[];
bool sysfs_pci_present(struct pctx *c);
/* block.c: /sys/devices/virtual/block, and the links to it from /sys/block, /sys/class/block and /sys/dev/block */
extern const struct pnode_list sysfs_disks, sysfs_block, sysfs_class_block, sysfs_dev_block;
