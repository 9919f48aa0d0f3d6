/* SPDX-License-Identifier: MIT */
/*
 * CPUs in sysfs (Linux, Documentation/ABI/testing/sysfs-devices-system-cpu). One package of cores with one thread each: nothing here depends on how they
 * truly lie. Caches are as the processor describes them.
 */
#include <hal/cpu.h>
#include <hal/platform.h>
#include <maestro/lib.h>

#include "sysfs.h"

/* ---------------------------------------------------------------- topology */
static void show_range(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	if (hal_cpu_count() > 1)
		seq_printf(s, "0-%u\n", hal_cpu_count() - 1);
	else
		seq_puts(s, "0\n");
}

static void show_number(struct seq_buf *s, struct pctx *c)
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

static const struct pnode topology_nodes[] = {
	{.name = "core_cpus", .mode = S_IFREG | 0444, .show = show_own_mask},
	{.name = "core_cpus_list", .mode = S_IFREG | 0444, .show = show_number},
	{.name = "core_id", .mode = S_IFREG | 0444, .show = show_number},
	{.name = "core_siblings", .mode = S_IFREG | 0444, .show = show_all_mask},
	{.name = "core_siblings_list", .mode = S_IFREG | 0444, .show = show_range},
	{.name = "package_cpus", .mode = S_IFREG | 0444, .show = show_all_mask},
	{.name = "package_cpus_list", .mode = S_IFREG | 0444, .show = show_range},
	{.name = "physical_package_id", .mode = S_IFREG | 0444, .show = show_zero},
	{.name = "thread_siblings", .mode = S_IFREG | 0444, .show = show_own_mask},
	{.name = "thread_siblings_list", .mode = S_IFREG | 0444, .show = show_number},
	{.name = NULL},
};

/* ---------------------------------------------------------------- caches */
#define CACHES_MAX 16 /* of a CPU: number of an entry is cpu * CACHES_MAX + index */

static bool cache_of(struct pctx *c, struct hal_cpu_cache *out)
{
	return hal_cpu_cache((unsigned)c->number % CACHES_MAX, out);
}

#define SHOW_CACHE(name, ...)                               \
	static void name(struct seq_buf *s, struct pctx *c) \
	{                                                   \
		struct hal_cpu_cache cache;                 \
                                                            \
		if (cache_of(c, &cache))                    \
			seq_printf(s, __VA_ARGS__);         \
	}

static const char *const cache_types[] = {[HAL_CACHE_DATA] = "Data", [HAL_CACHE_INSTRUCTION] = "Instruction", [HAL_CACHE_UNIFIED] = "Unified"};

SHOW_CACHE(show_line_size, "%u\n", cache.line_size)
SHOW_CACHE(show_id, "%u\n", cache.shared ? 0 : (unsigned)c->number / CACHES_MAX)
SHOW_CACHE(show_level, "%u\n", cache.level)
SHOW_CACHE(show_sets, "%u\n", cache.sets)
SHOW_CACHE(show_partitions, "%u\n", cache.partitions)
SHOW_CACHE(show_size, "%uK\n", cache.line_size * cache.partitions * cache.ways * cache.sets / 1024)
SHOW_CACHE(show_type, "%s\n", cache_types[cache.type])
SHOW_CACHE(show_ways, "%u\n", cache.ways)

static void show_sharers(struct seq_buf *s, struct pctx *c, void (*own)(struct seq_buf *, struct pctx *), void (*all)(struct seq_buf *, struct pctx *))
{
	struct pctx cpu = {.number = c->number / CACHES_MAX};
	struct hal_cpu_cache cache;

	if (cache_of(c, &cache))
		(cache.shared ? all : own)(s, &cpu);
}

static void show_sharers_list(struct seq_buf *s, struct pctx *c)
{
	show_sharers(s, c, show_number, show_range);
}

static void show_sharers_mask(struct seq_buf *s, struct pctx *c)
{
	show_sharers(s, c, show_own_mask, show_all_mask);
}

static int next_cache(struct pctx *c, int after, char *name, size_t size)
{
	int n = after < 0 ? c->number * CACHES_MAX : after + 1;
	struct hal_cpu_cache cache;

	if (n / CACHES_MAX != c->number || !hal_cpu_cache((unsigned)n % CACHES_MAX, &cache))
		return -1;
	ksnprintf(name, size, "index%d", n % CACHES_MAX);
	return n;
}

static const struct pnode cache_nodes[] = {
	{.name = "coherency_line_size", .mode = S_IFREG | 0444, .show = show_line_size},
	{.name = "id", .mode = S_IFREG | 0444, .show = show_id},
	{.name = "level", .mode = S_IFREG | 0444, .show = show_level},
	{.name = "number_of_sets", .mode = S_IFREG | 0444, .show = show_sets},
	{.name = "physical_line_partition", .mode = S_IFREG | 0444, .show = show_partitions},
	{.name = "shared_cpu_list", .mode = S_IFREG | 0444, .show = show_sharers_list},
	{.name = "shared_cpu_map", .mode = S_IFREG | 0444, .show = show_sharers_mask},
	{.name = "size", .mode = S_IFREG | 0444, .show = show_size},
	{.name = "type", .mode = S_IFREG | 0444, .show = show_type},
	{.name = "ways_of_associativity", .mode = S_IFREG | 0444, .show = show_ways},
	{.name = NULL},
};
static const struct pnode cache_dir = {.name = "CACHE", .mode = S_IFDIR | 0755, .children = cache_nodes};
static const struct pnode_list caches = {&cache_dir, next_cache};

/* ---------------------------------------------------------------- the directory of CPUs */
static const struct pnode one_cpu_nodes[] = {
	{.name = "cache", .mode = S_IFDIR | 0755, .list = &caches},
	{.name = "topology", .mode = S_IFDIR | 0755, .children = topology_nodes},
	{.name = NULL},
};

static int next_cpu(struct pctx *c, int after, char *name, size_t size)
{
	int n = after + 1;

	(void)c;
	if (n >= (int)hal_cpu_count())
		return -1;
	ksnprintf(name, size, "cpu%d", n);
	return n;
}

static const struct pnode cpu_dir = {.name = "CPU", .mode = S_IFDIR | 0755, .children = one_cpu_nodes};
const struct pnode_list sysfs_cpus = {&cpu_dir, next_cpu};

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

const struct pnode sysfs_cpu_nodes[] = {
	{.name = "isolated", .mode = S_IFREG | 0444, .show = show_no_cpu},
	{.name = "kernel_max", .mode = S_IFREG | 0444, .show = show_last_cpu},
	{.name = "offline", .mode = S_IFREG | 0444, .show = show_no_cpu},
	{.name = "online", .mode = S_IFREG | 0444, .show = show_range},
	{.name = "possible", .mode = S_IFREG | 0444, .show = show_range},
	{.name = "present", .mode = S_IFREG | 0444, .show = show_range},
	{.name = NULL},
};
