/* SPDX-License-Identifier: MIT */
/*
 * sysfs: the files that user space looks for at once (consoles, CPUs, block devices), as a tree of nodes like procfs's. Buses and drivers do not
 * appear here: all devices are "virtual".
 */
#include <hal/cpu.h>
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

static void show_cpu_range(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	if (hal_cpu_count() > 1)
		seq_printf(s, "0-%u\n", hal_cpu_count() - 1);
	else
		seq_puts(s, "0\n");
}

static const struct pnode console_nodes[] = {{.name = "active", .mode = S_IFREG | 0444, .show = show_active_consoles}, {.name = NULL}};
static const struct pnode tty_nodes[] = {{.name = "console", .mode = S_IFDIR | 0755, .children = console_nodes}, {.name = NULL}};
static const struct pnode class_nodes[] = {
	{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_class_block},
	{.name = "tty", .mode = S_IFDIR | 0755, .children = tty_nodes},
	{.name = NULL},
};
static const struct pnode empty_nodes[] = {{.name = NULL}};
/* One package of cores with one thread each: nothing here depends on how they truly lie. */
static void show_one(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%d\n", c->number);
}

static void show_zero(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "0\n");
}

static void show_mask(struct seq_buf *s, u32 mask)
{
	/* as many digits as it takes to show each possible CPU */
	seq_printf(s, "%0*x\n", (int)((hal_cpu_count() + 3) / 4), mask);
}

static void show_own_mask(struct seq_buf *s, struct pctx *c)
{
	show_mask(s, 1u << c->number);
}

static void show_all_mask(struct seq_buf *s, struct pctx *c)
{
	unsigned n = hal_cpu_count();

	(void)c;
	show_mask(s, n < 32 ? (1u << n) - 1 : ~0u);
}

static int next_cpu(struct pctx *c, int after, char *name, size_t size)
{
	int n = after + 1;

	(void)c;
	if (n >= (int)hal_cpu_count())
		return -1;
	ksnprintf(name, size, "cpu%d", n);
	return n;
}

static const struct pnode topology_nodes[] = {
	{.name = "core_cpus", .mode = S_IFREG | 0444, .show = show_own_mask},
	{.name = "core_cpus_list", .mode = S_IFREG | 0444, .show = show_one},
	{.name = "core_id", .mode = S_IFREG | 0444, .show = show_one},
	{.name = "core_siblings", .mode = S_IFREG | 0444, .show = show_all_mask},
	{.name = "core_siblings_list", .mode = S_IFREG | 0444, .show = show_cpu_range},
	{.name = "package_cpus", .mode = S_IFREG | 0444, .show = show_all_mask},
	{.name = "package_cpus_list", .mode = S_IFREG | 0444, .show = show_cpu_range},
	{.name = "physical_package_id", .mode = S_IFREG | 0444, .show = show_zero},
	{.name = "thread_siblings", .mode = S_IFREG | 0444, .show = show_own_mask},
	{.name = "thread_siblings_list", .mode = S_IFREG | 0444, .show = show_one},
	{.name = NULL},
};
static const struct pnode one_cpu_nodes[] = {{.name = "topology", .mode = S_IFDIR | 0755, .children = topology_nodes}, {.name = NULL}};
static const struct pnode cpu_dir = {.name = "CPU", .mode = S_IFDIR | 0755, .children = one_cpu_nodes};
static const struct pnode_list cpus = {&cpu_dir, next_cpu};
static void show_last_cpu(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_printf(s, "%u\n", hal_cpu_count() - 1);
}

/* An empty list of CPUs: none is off, none is set apart. */
static void show_no_cpu(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "\n");
}

static const struct pnode cpu_nodes[] = {
	{.name = "isolated", .mode = S_IFREG | 0444, .show = show_no_cpu},
	{.name = "kernel_max", .mode = S_IFREG | 0444, .show = show_last_cpu},
	{.name = "offline", .mode = S_IFREG | 0444, .show = show_no_cpu},
	{.name = "online", .mode = S_IFREG | 0444, .show = show_cpu_range},
	{.name = "possible", .mode = S_IFREG | 0444, .show = show_cpu_range},
	{.name = "present", .mode = S_IFREG | 0444, .show = show_cpu_range},
	{.name = NULL},
};
static const struct pnode system_nodes[] = {{.name = "cpu", .mode = S_IFDIR | 0755, .children = cpu_nodes, .list = &cpus}, {.name = NULL}};
static const struct pnode virtual_nodes[] = {{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_disks}, {.name = NULL}};
static const struct pnode devices_nodes[] = {
	{.name = "system", .mode = S_IFDIR | 0755, .children = system_nodes},
	{.name = "virtual", .mode = S_IFDIR | 0755, .children = virtual_nodes},
	{.name = NULL},
};
static const struct pnode dev_nodes[] = {
	{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_dev_block},
	{.name = "char", .mode = S_IFDIR | 0755, .children = empty_nodes},
	{.name = NULL},
};
static const struct pnode root_nodes[] = {
	{.name = "block", .mode = S_IFDIR | 0755, .list = &sysfs_block},
	{.name = "bus", .mode = S_IFDIR | 0755, .children = empty_nodes},
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
