/* SPDX-License-Identifier: MIT */
/*
 * PCI functions in sysfs, as libpci and udev look for them (Linux, Documentation/ABI/testing/sysfs-bus-pci): what configuration space says of each.
 * All stand in the root bus's directory, those behind bridges too. An entry's number is what hal_pci_next() calls the function.
 *
 * Locking: none; nothing is kept.
 */
#include <hal/pci.h>
#include <maestro/lib.h>
#include <maestro/vfs.h>

#include "sysfs.h"

#define CONFIG_SIZE 256u
#define CONFIG_OPEN 64u /* bytes that anyone may read; further registers may do harm when read */

static int next_function(struct pctx *c, int after, char *name, size_t size)
{
	int n = hal_pci_next(after);

	(void)c;
	ksnprintf(name, size, "0000:%02x:%02x.%d", n >> 8 & 255, n >> 3 & 31, n & 7);
	return n;
}

static u32 config_word(struct pctx *c, unsigned offset)
{
	return hal_pci_config((unsigned)c->number, offset);
}

/* The system's maker and number; bridges keep other things there. */
static u32 subsystem(struct pctx *c)
{
	return config_word(c, 0x0c) >> 16 & 0x7f ? 0 : config_word(c, 0x2c);
}

#define SHOW(name, ...)                                     \
	static void name(struct seq_buf *s, struct pctx *c) \
	{                                                   \
		seq_printf(s, __VA_ARGS__);                 \
	}

SHOW(show_class, "0x%06x\n", config_word(c, 0x08) >> 8)
SHOW(show_device, "0x%04x\n", config_word(c, 0) >> 16)
SHOW(show_irq, "%u\n", config_word(c, 0x3c) & 255)
SHOW(show_revision, "0x%02x\n", config_word(c, 0x08) & 255)
SHOW(show_subsystem_device, "0x%04x\n", subsystem(c) >> 16)
SHOW(show_subsystem_vendor, "0x%04x\n", subsystem(c) & 0xffff)
SHOW(show_vendor, "0x%04x\n", config_word(c, 0) & 0xffff)

static void show_modalias(struct seq_buf *s, struct pctx *c)
{
	u32 id = config_word(c, 0), sub = subsystem(c), class = config_word(c, 0x08);

	seq_printf(s, "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n", id & 0xffff, id >> 16, sub & 0xffff, sub >> 16, class >> 24, class >> 16 & 255,
		   class >> 8 & 255);
}

static ssize_t config_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	unsigned function = (unsigned)proc_i(f->inode)->number;
	u32 words[CONFIG_SIZE / 4], size = capable(CAP_SYS_ADMIN) ? CONFIG_SIZE : CONFIG_OPEN;
	size_t want, moved;

	if (*pos >= (loff_t)size)
		return 0;
	for (u32 i = 0; i < size; i += 4)
		words[i / 4] = hal_pci_config(function, i);
	want = MIN((size_t)(size - (u32)*pos), it->count);
	moved = copy_to_iter(it, (const u8 *)words + *pos, want);
	*pos += (loff_t)moved;
	return moved || !want ? (ssize_t)moved : -EFAULT;
}

static const struct file_ops config_fops = {.read_iter = config_read, .llseek = generic_llseek};

static kerr_t target_bus(struct pctx *c, char *buf)
{
	(void)c;
	strlcpy(buf, "../../../bus/pci", PATH_MAX);
	return 0;
}

static kerr_t target_function(struct pctx *c, char *buf)
{
	char name[16];

	next_function(c, c->number - 1, name, sizeof(name));
	ksnprintf(buf, PATH_MAX, "../../../devices/pci0000:00/%s", name);
	return 0;
}

#define FILE(n, fn) {.name = (n), .mode = S_IFREG | 0444, .show = (fn)}
static const struct pnode function_nodes[] = {
	FILE("class", show_class),
	{.name = "config", .mode = S_IFREG | 0444, .fops = &config_fops},
	FILE("device", show_device),
	FILE("irq", show_irq),
	FILE("modalias", show_modalias),
	FILE("revision", show_revision),
	{.name = "subsystem", .mode = S_IFLNK | 0777, .target = target_bus},
	FILE("subsystem_device", show_subsystem_device),
	FILE("subsystem_vendor", show_subsystem_vendor),
	FILE("vendor", show_vendor),
	{.name = NULL},
};
static const struct pnode function_dir = {.name = "FUNCTION", .mode = S_IFDIR | 0755, .children = function_nodes};
static const struct pnode function_link = {.name = "LINK", .mode = S_IFLNK | 0777, .target = target_function};
static const struct pnode_list function_links = {&function_link, next_function};

const struct pnode_list sysfs_pci_functions = {&function_dir, next_function};
const struct pnode sysfs_pci_bus_nodes[] = {{.name = "devices", .mode = S_IFDIR | 0755, .list = &function_links}, {.name = NULL}};

bool sysfs_pci_present(struct pctx *c)
{
	(void)c;
	return hal_pci_next(-1) >= 0;
}
