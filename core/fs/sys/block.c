/* SPDX-License-Identifier: MIT */
/*
 * Disks and partitions in sysfs, as lsblk(8), blkid(8) and libblkid look for them (Linux, Documentation/ABI/stable/sysfs-block). An entry's number is its
 * device number; the device is looked up anew for each file that is read, so one that went leaves empty files behind.
 *
 * Locking: block.mutex, by block_for_each() and block_find().
 */
#include <maestro/block.h>
#include <maestro/lib.h>

#include "sysfs.h"

/* ---------------------------------------------------------------- lists */
enum list_kind { LIST_DISKS, LIST_PARTS, LIST_ALL };
struct pick {
	enum list_kind kind;
	int after, best;
	dev_t disk; /* whose partitions */
	bool by_number;
	char *name;
	size_t size;
};

static void pick_one(struct block_device *b, void *arg)
{
	struct pick *p = arg;
	int n = (int)b->dev;

	if (n <= p->after || (p->best >= 0 && n >= p->best))
		return;
	if (p->kind == LIST_DISKS && b->partno)
		return;
	if (p->kind == LIST_PARTS && (!b->partno || DEV(b->disk->major, b->disk->first_minor) != p->disk))
		return;
	p->best = n;
	if (p->by_number)
		ksnprintf(p->name, p->size, "%u:%u", DEV_MAJOR(b->dev), DEV_MINOR(b->dev));
	else
		strlcpy(p->name, b->name, p->size);
}

static int pick(struct pick p)
{
	p.best = -1;
	block_for_each(pick_one, &p);
	return p.best;
}

static int next_disk(struct pctx *c, int after, char *name, size_t size)
{
	(void)c;
	return pick((struct pick){.kind = LIST_DISKS, .after = after, .name = name, .size = size});
}

static int next_part(struct pctx *c, int after, char *name, size_t size)
{
	return pick((struct pick){.kind = LIST_PARTS, .after = after, .disk = (dev_t)c->number, .name = name, .size = size});
}

static int next_device(struct pctx *c, int after, char *name, size_t size)
{
	(void)c;
	return pick((struct pick){.kind = LIST_ALL, .after = after, .name = name, .size = size});
}

static int next_number(struct pctx *c, int after, char *name, size_t size)
{
	(void)c;
	return pick((struct pick){.kind = LIST_ALL, .after = after, .by_number = true, .name = name, .size = size});
}

/* ---------------------------------------------------------------- links */
static kerr_t link_to(struct pctx *c, const char *up, char *buf)
{
	struct block_device *b = block_find((dev_t)c->number);

	if (!b)
		return KERR(ENOENT);
	ksnprintf(buf, PATH_MAX, "%sdevices/virtual/block/%s%s%s", up, b->disk->name, b->partno ? "/" : "", b->partno ? b->name : "");
	block_put(b);
	return 0;
}

static kerr_t target_from_block(struct pctx *c, char *buf)
{
	return link_to(c, "../", buf);
}

static kerr_t target_from_class(struct pctx *c, char *buf)
{
	return link_to(c, "../../", buf);
}

static kerr_t target_subsystem(struct pctx *c, char *buf)
{
	struct block_device *b = block_find((dev_t)c->number);
	bool part = b && b->partno;

	block_put(b);
	strlcpy(buf, part ? "../../../../../class/block" : "../../../../class/block", PATH_MAX);
	return 0;
}

/* ---------------------------------------------------------------- files */
#define SHOW(name, ...)                                                \
	static void name(struct seq_buf *s, struct pctx *c)             \
	{                                                               \
		struct block_device *b = block_find((dev_t)c->number); \
                                                                        \
		if (!b)                                                 \
			return;                                         \
		seq_printf(s, __VA_ARGS__);                             \
		block_put(b);                                           \
	}
#define CONSTANT(name, text)                                \
	static void name(struct seq_buf *s, struct pctx *c) \
	{                                                   \
		(void)c;                                    \
		seq_puts(s, text);                          \
	}

SHOW(show_dev, "%u:%u\n", DEV_MAJOR(b->dev), DEV_MINOR(b->dev))
SHOW(show_size, "%llu\n", (unsigned long long)b->sectors)
SHOW(show_start, "%llu\n", (unsigned long long)b->start)
SHOW(show_partno, "%u\n", b->partno)
SHOW(show_ro, "%d\n", b->read_only || b->disk->read_only)
SHOW(show_removable, "%d\n", b->disk->removable)
SHOW(show_range, "%u\n", b->disk->minors)
SHOW(show_logical, "%u\n", b->disk->logical_block)
SHOW(show_rotational, "%d\n", b->disk->rotational)
SHOW(show_max_kb, "%u\n", b->disk->max_sectors / 2)
SHOW(show_max_segments, "%u\n", b->disk->max_segs)
SHOW(show_read_ahead, "%u\n", b->readahead / 2)
SHOW(show_fua, "%d\n", b->disk->has_fua)
SHOW(show_cache, "%s\n", b->disk->has_flush ? "write back" : "write through")
SHOW(show_discard, "%u\n", b->disk->has_discard ? b->disk->logical_block : 0)
SHOW(show_discard_max, "%llu\n", b->disk->has_discard ? (unsigned long long)b->disk->max_sectors << SECTOR_SHIFT : 0ULL)
SHOW(show_model, "%s\n", b->disk->model)
SHOW(show_serial, "%s\n", b->disk->serial)
SHOW(show_inflight, "%8d %8u\n", 0, b->disk->inflight)
SHOW(show_nr_requests, "%u\n", b->disk->queue_depth)
SHOW(show_stat, "%8llu %8d %8llu %8d %8llu %8llu %8llu %8d %8u %8llu %8llu\n", (unsigned long long)(b->partno ? 0 : b->disk->reads), 0,
     (unsigned long long)(b->partno ? 0 : b->disk->read_sectors), 0, (unsigned long long)(b->partno ? 0 : b->disk->writes),
     (unsigned long long)(b->partno ? 0 : b->disk->merges), (unsigned long long)(b->partno ? 0 : b->disk->write_sectors), 0, b->disk->inflight,
     (unsigned long long)div_u64(b->disk->io_ns, 1000000), (unsigned long long)div_u64(b->disk->io_ns, 1000000))
SHOW(show_uevent, b->partno ? "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=partition\nPARTN=%u\n" : "MAJOR=%u\nMINOR=%u\nDEVNAME=%s\nDEVTYPE=disk\n",
     DEV_MAJOR(b->dev), DEV_MINOR(b->dev), b->name, b->partno)
CONSTANT(show_zero, "0\n")
CONSTANT(show_none, "none\n")
CONSTANT(show_deadline, "[mq-deadline] none\n")

/* ---------------------------------------------------------------- loop: what a loop device that is bound stands for */
static bool loop_of_entry(struct pctx *c, struct loop_status *out)
{
	struct block_device *b = block_find((dev_t)c->number);
	bool bound = b && loop_status(b, out);

	block_put(b);
	return bound;
}

static bool loop_is_bound(struct pctx *c)
{
	struct loop_status l;
	bool bound = loop_of_entry(c, &l);

	if (bound)
		file_put(l.file);
	return bound;
}

static void show_backing_file(struct seq_buf *s, struct pctx *c)
{
	struct loop_status l;
	bool unreachable;
	struct path root;
	char *buf, *text;

	if (!loop_of_entry(c, &l))
		return;
	buf = path_buf_alloc();
	fs_ctx_get_root(&root);
	text = buf ? path_text(&l.file->path, &root, buf, PATH_MAX, &unreachable) : NULL;
	s->failed |= !text;
	if (text)
		seq_printf(s, "%s\n", text);
	path_put(&root);
	if (buf)
		path_buf_free(buf);
	file_put(l.file);
}

#define SHOW_LOOP(name, value)                                      \
	static void name(struct seq_buf *s, struct pctx *c)         \
	{                                                           \
		struct loop_status l;                               \
                                                                    \
		if (!loop_of_entry(c, &l))                          \
			return;                                     \
		seq_printf(s, "%llu\n", (unsigned long long)(value)); \
		file_put(l.file);                                   \
	}
SHOW_LOOP(show_loop_offset, l.offset)
SHOW_LOOP(show_loop_limit, l.sizelimit)
SHOW_LOOP(show_loop_autoclear, l.autoclear)

#define FILE(n, fn) {.name = (n), .mode = S_IFREG | 0444, .show = (fn)}
static const struct pnode none[] = {{.name = NULL}};
static const struct pnode queue_nodes[] = {
	FILE("discard_granularity", show_discard),
	FILE("discard_max_bytes", show_discard_max),
	FILE("discard_zeroes_data", show_zero),
	FILE("fua", show_fua),
	FILE("hw_sector_size", show_logical),
	FILE("logical_block_size", show_logical),
	FILE("max_hw_sectors_kb", show_max_kb),
	FILE("max_sectors_kb", show_max_kb),
	FILE("max_segments", show_max_segments),
	FILE("minimum_io_size", show_logical),
	FILE("nr_requests", show_nr_requests),
	FILE("optimal_io_size", show_zero),
	FILE("physical_block_size", show_logical),
	FILE("read_ahead_kb", show_read_ahead),
	FILE("rotational", show_rotational),
	FILE("scheduler", show_deadline),
	FILE("write_cache", show_cache),
	FILE("zoned", show_none),
	{.name = NULL},
};
static const struct pnode loop_nodes[] = {
	FILE("autoclear", show_loop_autoclear),
	FILE("backing_file", show_backing_file),
	FILE("dio", show_zero),
	FILE("offset", show_loop_offset),
	FILE("partscan", show_zero),
	FILE("sizelimit", show_loop_limit),
	{.name = NULL},
};
static const struct pnode device_nodes[] = {FILE("model", show_model), FILE("serial", show_serial), {.name = NULL}};
static const struct pnode part_nodes[] = {
	FILE("alignment_offset", show_zero),
	FILE("dev", show_dev),
	FILE("discard_alignment", show_zero),
	{.name = "holders", .mode = S_IFDIR | 0755, .children = none},
	FILE("inflight", show_inflight),
	FILE("partition", show_partno),
	FILE("ro", show_ro),
	FILE("size", show_size),
	FILE("start", show_start),
	FILE("stat", show_stat),
	{.name = "subsystem", .mode = S_IFLNK | 0777, .target = target_subsystem},
	FILE("uevent", show_uevent),
	{.name = NULL},
};
static const struct pnode part_dir = {.name = "PART", .mode = S_IFDIR | 0755, .children = part_nodes};
static const struct pnode_list parts = {&part_dir, next_part};
static const struct pnode disk_nodes[] = {
	FILE("alignment_offset", show_zero),
	FILE("dev", show_dev),
	{.name = "device", .mode = S_IFDIR | 0755, .children = device_nodes},
	FILE("discard_alignment", show_zero),
	FILE("ext_range", show_range),
	FILE("hidden", show_zero),
	{.name = "holders", .mode = S_IFDIR | 0755, .children = none},
	FILE("inflight", show_inflight),
	{.name = "loop", .mode = S_IFDIR | 0755, .children = loop_nodes, .present = loop_is_bound},
	{.name = "queue", .mode = S_IFDIR | 0755, .children = queue_nodes},
	FILE("range", show_range),
	FILE("removable", show_removable),
	FILE("ro", show_ro),
	FILE("size", show_size),
	{.name = "slaves", .mode = S_IFDIR | 0755, .children = none},
	FILE("stat", show_stat),
	{.name = "subsystem", .mode = S_IFLNK | 0777, .target = target_subsystem},
	FILE("uevent", show_uevent),
	{.name = NULL},
};
static const struct pnode disk_dir = {.name = "DISK", .mode = S_IFDIR | 0755, .children = disk_nodes, .list = &parts};
static const struct pnode link_from_block = {.name = "LINK", .mode = S_IFLNK | 0777, .target = target_from_block};
static const struct pnode link_from_class = {.name = "LINK", .mode = S_IFLNK | 0777, .target = target_from_class};

const struct pnode_list sysfs_disks = {&disk_dir, next_disk};
const struct pnode_list sysfs_block = {&link_from_block, next_disk};
const struct pnode_list sysfs_class_block = {&link_from_class, next_device};
const struct pnode_list sysfs_dev_block = {&link_from_class, next_number};
