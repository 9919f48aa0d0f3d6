/* SPDX-License-Identifier: MIT */
/*
 * sysfs: the files that user space looks for at once (consoles, CPUs, block devices, PCI functions), as a tree of nodes like procfs's.
 * Drivers do not appear here: all block devices are "virtual".
 */
#include <maestro/fs.h>
#include <maestro/lib.h>
#include <maestro/tty.h>

#include "sysfs.h"

#define SYSFS_MAGIC 0x62656572

static void show_active_consoles(struct seq_buf *s, struct pctx *c)
{
	char names[128];
	size_t n = tty_console_names(names, sizeof(names));

	(void)c;
	while (n && (names[n - 1] == '\n' || names[n - 1] == ' ' || !names[n - 1]))
		n--;
	seq_write(s, names, n);
	seq_puts(s, "\n");
}

static const struct pnode console_nodes[] = {{.name = "active", .mode = S_IFREG | 0444, .show = show_active_consoles}, {.name = NULL}};
static const struct pnode tty_nodes[] = {{.name = "console", .mode = S_IFDIR | 0755, .children = console_nodes}, {.name = NULL}};
static const struct pnode class_nodes[] = {
	{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_class_block},
	{.name = "tty", .mode = S_IFDIR | 0755, .children = tty_nodes},
	{.name = NULL},
};
static const struct pnode empty_nodes[] = {{.name = NULL}};
static const struct pnode system_nodes[] = {{.name = "cpu", .mode = S_IFDIR | 0755, .children = sysfs_cpu_nodes, .list = &sysfs_cpus}, {.name = NULL}};
static const struct pnode virtual_nodes[] = {{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_disks}, {.name = NULL}};
static const struct pnode devices_nodes[] = {
	{.name = "pci0000:00", .mode = S_IFDIR | 0755, .list = &sysfs_pci_functions, .present = sysfs_pci_present},
	{.name = "system", .mode = S_IFDIR | 0755, .children = system_nodes},
	{.name = "virtual", .mode = S_IFDIR | 0755, .children = virtual_nodes},
	{.name = NULL},
};
static const struct pnode dev_nodes[] = {
	{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_dev_block},
	{.name = "char", .mode = S_IFDIR | 0755, .children = empty_nodes},
	{.name = NULL},
};
static const struct pnode bus_nodes[] = {
	{.name = "pci", .mode = S_IFDIR | 0755, .children = sysfs_pci_bus_nodes, .present = sysfs_pci_present},
	{.name = NULL},
};
static const struct pnode root_nodes[] = {
	{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_block},
	{.name = "bus", .mode = S_IFDIR | 0755, .children = bus_nodes},
	{.name = "class", .mode = S_IFDIR | 0755, .children = class_nodes},
	{.name = "dev", .mode = S_IFDIR | 0755, .children = dev_nodes},
	{.name = "devices", .mode = S_IFDIR | 0755, .children = devices_nodes},
	{.name = "fs", .mode = S_IFDIR | 0755, .children = empty_nodes},
	{.name = "kernel", .mode = S_IFDIR | 0755, .children = empty_nodes},
	{.name = NULL},
};
static const struct pnode root_node = {.name = "/", .mode = S_IFDIR | 0555, .children = root_nodes};

static kerr_t sysfs_fill_super(struct super *sb, const char *data, bool silent)
{
	(void)data;
	(void)silent;
	return pnode_fill_super(sb, &root_node, SYSFS_MAGIC);
}

static const struct fs_type sysfs_type = {.name = "sysfs", .flags = FS_SINGLE | FS_NODEV_LISTED, .fill_super = sysfs_fill_super, .check_option = fs_no_options};

kerr_t sysfs_init(void)
{
	return fs_register(&sysfs_type);
}
