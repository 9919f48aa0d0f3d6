/* SPDX-License-Identifier: MIT */
/* The files of /proc itself: memory, CPUs, devices, file systems, what is not implemented (proc(5)). */
#include <hal/platform.h>
#include <maestro/block.h>
#include <maestro/dev.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/version.h>
#include <maestro/printk.h>
#include <maestro/syscall_table.h>
#include <maestro/tty.h>

#include "proc_fs.h"

#define TICK (NSEC_PER_SEC / 100)

/* Pages a new program could have without swapping: what is free above the reserve, and files' pages down to a working rest, as Linux estimates. */
static u64 pages_available(const struct mem_info *m)
{
	u64 all, reserve, low, cache = m->active + m->inactive + m->buffers, got;

	page_reserve_count(&all, &reserve);
	low = reserve + reserve / 4;
	cache -= MIN(cache, m->shmem);
	got = m->free + cache - MIN(cache / 2, low);
	return got > reserve ? got - reserve : 0;
}

static void show_meminfo(struct seq_buf *s, struct pctx *c)
{
	struct mem_info m;
	u64 available;

	(void)c;
	page_stats(&m);
	m.buffers = load_relaxed(&kernel()->block.bytes) >> PAGE_SHIFT;
	m.kernel_stack = (u64)load_relaxed(&kernel()->proc.nr_threads) * (HAL_KSTACK_SIZE / PAGE_SIZE);
	available = pages_available(&m);
	seq_printf(s, "MemTotal:       %8llu kB\nMemFree:        %8llu kB\nMemAvailable:   %8llu kB\nBuffers:        %8llu kB\nCached:         %8llu kB\n"
		      "SwapCached:            0 kB\nActive:         %8llu kB\nInactive:       %8llu kB\n",
		   (unsigned long long)m.total * 4, (unsigned long long)m.free * 4, (unsigned long long)MIN(available, m.total) * 4, (unsigned long long)m.buffers * 4,
		   (unsigned long long)m.cached * 4, (unsigned long long)m.active * 4, (unsigned long long)m.inactive * 4);
	seq_printf(s, "HighTotal:      %8llu kB\nHighFree:       %8llu kB\nLowTotal:       %8llu kB\nLowFree:        %8llu kB\n", (unsigned long long)m.high_total * 4,
		   (unsigned long long)m.high_free * 4, (unsigned long long)(m.total - m.high_total) * 4, (unsigned long long)(m.free - m.high_free) * 4);
	seq_printf(s, "SwapTotal:             0 kB\nSwapFree:              0 kB\nDirty:          %8llu kB\nWriteback:      %8llu kB\nAnonPages:      %8llu kB\n"
		      "Mapped:         %8llu kB\nShmem:          %8llu kB\nSlab:           %8llu kB\nSReclaimable:          0 kB\nSUnreclaim:     %8llu kB\n"
		      "KernelStack:    %8llu kB\nPageTables:     %8llu kB\nCommitLimit:    %8llu kB\nCommitted_AS:   %8llu kB\n",
		   (unsigned long long)m.dirty * 4, (unsigned long long)m.writeback * 4, (unsigned long long)m.anon * 4, (unsigned long long)m.mapped * 4,
		   (unsigned long long)m.shmem * 4, (unsigned long long)m.slab * 4, (unsigned long long)m.slab * 4, (unsigned long long)m.kernel_stack * 4,
		   (unsigned long long)m.page_tables * 4, (unsigned long long)m.commit_limit * 4, (unsigned long long)m.committed * 4);
}

static void show_stat(struct seq_buf *s, struct pctx *c)
{
	u64 user = 0, system = 0, idle = 0, irqs = 0, switches = 0;
	s64 boot = ktime_get_real() - ktime_get();

	(void)c;
	for (unsigned i = 0; i < hal_cpu_count(); i++) {
		const struct cpu *cpu = &kernel()->cpus[i];

		user += cpu->user_ns;
		system += cpu->system_ns;
		idle += cpu->idle_ns;
		irqs += cpu->irq_count;
		switches += cpu->switches;
	}
	seq_printf(s, "cpu  %llu 0 %llu %llu 0 0 0 0 0 0\n", (unsigned long long)div_u64(user, TICK), (unsigned long long)div_u64(system, TICK),
		   (unsigned long long)div_u64(idle, TICK));
	for (unsigned i = 0; i < hal_cpu_count(); i++) {
		const struct cpu *cpu = &kernel()->cpus[i];

		seq_printf(s, "cpu%u %llu 0 %llu %llu 0 0 0 0 0 0\n", i, (unsigned long long)div_u64(cpu->user_ns, TICK),
			   (unsigned long long)div_u64(cpu->system_ns, TICK), (unsigned long long)div_u64(cpu->idle_ns, TICK));
	}
	seq_printf(s, "intr %llu\nctxt %llu\nbtime %llu\nprocesses %llu\nprocs_running %u\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n", (unsigned long long)irqs,
		   (unsigned long long)switches, (unsigned long long)div_u64((u64)MAX(boot, (s64)0), NSEC_PER_SEC), (unsigned long long)kernel()->proc.forks,
		   sched_nr_running());
}

static void show_uptime(struct seq_buf *s, struct pctx *c)
{
	u64 up = div_u64((u64)ktime_get(), 10000000), idle = 0;
	u32 up_frac, idle_frac;

	(void)c;
	for (unsigned i = 0; i < hal_cpu_count(); i++)
		idle += kernel()->cpus[i].idle_ns;
	idle = div_u64(idle, 10000000);
	up = div_u64_rem(up, 100, &up_frac);
	idle = div_u64_rem(idle, 100, &idle_frac);
	seq_printf(s, "%llu.%02u %llu.%02u\n", (unsigned long long)up, up_frac, (unsigned long long)idle, idle_frac);
}

static void show_loadavg(struct seq_buf *s, struct pctx *c)
{
	unsigned long load[3];

	(void)c;
	sched_loadavg(load);
	for (int i = 0; i < 3; i++)
		seq_printf(s, "%lu.%02lu ", load[i] >> 11, ((load[i] & 2047) * 100) >> 11);
	seq_printf(s, "%u/%u %d\n", sched_nr_running(), kernel()->proc.nr_threads, kernel()->proc.last_pid);
}

static void show_version(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_printf(s, "Linux version %s (maestro) (%s) %s\n", UTS_RELEASE, "cc " __VERSION__, UTS_VERSION);
}

static void show_cpuinfo(struct seq_buf *s, struct pctx *c)
{
	char *buf = kmalloc(2048, GFP_KERNEL);

	(void)c;
	s->failed |= !buf;
	for (unsigned i = 0; buf && i < hal_cpu_count(); i++)
		seq_write(s, buf, hal_cpuinfo(i, buf, 2048));
	kfree(buf);
}

static void show_cmdline(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_printf(s, "%s\n", boot_params()->cmdline);
}

static void show_filesystems(struct seq_buf *s, struct pctx *c)
{
	const struct vfs_state *v = &kernel()->vfs;

	(void)c;
	for (unsigned i = 0; i < v->ntypes; i++)
		seq_printf(s, "%s\t%s\n", v->types[i]->flags & FS_REQUIRES_DEV ? "" : "nodev", v->types[i]->name);
}

static void show_one_chrdev(void *arg, u32 major, const char *name)
{
	seq_printf(arg, "%3u %s\n", major, name);
}

static void show_one_blkdev(struct block_device *b, void *arg)
{
	struct seq_buf *s = ((void **)arg)[0];
	unsigned long *last = ((void **)arg)[1];

	if (DEV_MAJOR(b->dev) == *last)
		return;
	*last = DEV_MAJOR(b->dev);
	seq_printf(s, "%3u %s\n", DEV_MAJOR(b->dev), *last == 8 ? "sd" : *last == 254 ? "virtblk" : "blkdev");
}

static void show_devices(struct seq_buf *s, struct pctx *c)
{
	unsigned long last = ~0UL;
	void *arg[2] = {s, &last};

	(void)c;
	seq_puts(s, "Character devices:\n");
	chrdev_for_each(show_one_chrdev, s);
	seq_puts(s, "\nBlock devices:\n");
	block_for_each(show_one_blkdev, arg);
}

static void show_one_partition(struct block_device *b, void *arg)
{
	seq_printf(arg, "%4u  %7u %10llu %s\n", DEV_MAJOR(b->dev), DEV_MINOR(b->dev), (unsigned long long)(b->sectors >> 1), b->name);
}

static void show_partitions(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "major minor  #blocks  name\n\n");
	block_for_each(show_one_partition, s);
}

static void show_one_diskstat(struct block_device *b, void *arg)
{
	const struct disk *d = b->disk;

	if (b->partno)
		seq_printf(arg, "%4u %7u %s 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n", DEV_MAJOR(b->dev), DEV_MINOR(b->dev), b->name);
	else
		seq_printf(arg, "%4u %7u %s %llu 0 %llu 0 %llu %llu %llu 0 %u 0 0 0 0 0 0 0 0\n", DEV_MAJOR(b->dev), DEV_MINOR(b->dev), b->name,
			   (unsigned long long)d->reads, (unsigned long long)d->read_sectors, (unsigned long long)d->writes, (unsigned long long)d->merges,
			   (unsigned long long)d->write_sectors, d->inflight);
}

static void show_diskstats(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	block_for_each(show_one_diskstat, s);
}

static void show_swaps(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
}

static void show_vmstat(struct seq_buf *s, struct pctx *c)
{
	struct mm_state *mm = &kernel()->mm;
	struct mem_info m;

	(void)c;
	page_stats(&m);
	seq_printf(s, "nr_free_pages %llu\nnr_inactive_file %llu\nnr_active_file %llu\nnr_anon_pages %llu\nnr_mapped %llu\nnr_file_pages %llu\nnr_dirty %llu\nnr_writeback %llu\n"
		      "nr_shmem %llu\nnr_page_table_pages %llu\n",
		   (unsigned long long)m.free, (unsigned long long)m.inactive, (unsigned long long)m.active, (unsigned long long)m.anon, (unsigned long long)m.mapped,
		   (unsigned long long)m.cached, (unsigned long long)m.dirty, (unsigned long long)m.writeback, (unsigned long long)m.shmem,
		   (unsigned long long)m.page_tables);
	seq_printf(s, "pgpgin %ld\npgpgout %ld\npswpin 0\npswpout 0\npgfault %ld\npgmajfault %ld\npgscan_kswapd %ld\npgsteal_kswapd %ld\noom_kill %ld\n",
		   (long)atomic_read(&mm->pages_read) * 4, (long)atomic_read(&mm->pages_written) * 4, (long)atomic_read(&mm->pgfault), (long)atomic_read(&mm->pgmajfault),
		   (long)atomic_read(&mm->pages_scanned), (long)atomic_read(&mm->pages_stolen), (long)atomic_read(&mm->oom_kills));
}

static void show_one_slab(void *arg, const char *name, size_t size, size_t in_use, size_t total)
{
	seq_printf(arg, "%-17s %6lu %6lu %6lu %4lu    1 : tunables    0    0    0 : slabdata      0      0      0\n", name, (unsigned long)in_use, (unsigned long)total,
		   (unsigned long)size, (unsigned long)(size ? MAX(PAGE_SIZE / size, 1UL) : 0));
}

static void show_slabinfo(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab>\n");
	slab_for_each(show_one_slab, s);
}

static void show_interrupts(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "           CPU0\n");
	seq_printf(s, "TOT: %10llu\n", (unsigned long long)kernel()->cpus[0].irq_count);
}

static void show_consoles(struct seq_buf *s, struct pctx *c)
{
	char names[128];
	size_t n = tty_console_names(names, sizeof(names));

	(void)c;
	for (size_t i = 0; i < n;) {
		size_t len = 0;

		while (i + len < n && names[i + len] != ' ' && names[i + len] != '\n')
			len++;
		if (len) {
			names[i + len < sizeof(names) ? i + len : sizeof(names) - 1] = '\0';
			seq_printf(s, "%-20s -W- (EC   )\n", names + i);
		}
		i += len + 1;
	}
}

/* What programs asked for in vain: number, name, how often. */
static void show_missing(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	for (unsigned i = 0; i < SYSCALL_MISSING_MAX; i++) {
		int n = atomic_read(&kernel()->syscall.missing[i]);

		if (n)
			seq_printf(s, "%u %s %d\n", i, i < syscall_count && syscall_table[i].name ? syscall_table[i].name : "unknown", n);
	}
}

static kerr_t target_self(struct pctx *c, char *buf)
{
	const struct proc *p = hal_current()->proc;

	(void)c;
	if (!p)
		return KERR(ENOENT);
	ksnprintf(buf, PATH_MAX, "%d", p->pid);
	return 0;
}

static kerr_t target_thread_self(struct pctx *c, char *buf)
{
	const struct task *t = hal_current();

	(void)c;
	if (!t->proc)
		return KERR(ENOENT);
	ksnprintf(buf, PATH_MAX, "%d/task/%d", t->proc->pid, t->tid);
	return 0;
}

static kerr_t target_mounts(struct pctx *c, char *buf)
{
	(void)c;
	strlcpy(buf, "self/mounts", PATH_MAX);
	return 0;
}

static kerr_t target_net(struct pctx *c, char *buf)
{
	(void)c;
	strlcpy(buf, "self/net", PATH_MAX);
	return 0;
}

static void show_locks(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	vfs_show_locks(s);
}

static const struct pnode maestro_nodes[] = {{.name = "syscalls", .mode = S_IFREG | 0444, .show = show_missing}, {.name = NULL}};
static void show_nothing(struct seq_buf *s, struct pctx *c)
{
	(void)s;
	(void)c;
}
/* ps(1) and fuser(1) name terminals by it. */
static void show_tty_drivers(struct seq_buf *s, struct pctx *c)
{
	static const struct {
		const char *driver, *node, *numbers, *kind;
		int major;
	} rows[] = {{"/dev/tty", "/dev/tty", "0", "system:/dev/tty", 5},   {"/dev/console", "/dev/console", "1", "system:console", 5},
		    {"/dev/ptmx", "/dev/ptmx", "2", "system", 5},	    {"/dev/vc/0", "/dev/vc/0", "0", "system:vtmaster", 4},
		    {"serial", "/dev/ttyS", "64-95", "serial", 4},	    {"pty_slave", "/dev/pts", "0-1048575", "pty:slave", 136},
		    {"pty_master", "/dev/ptm", "0-1048575", "pty:master", 128}, {"unknown", "/dev/tty", "1-63", "console", 4}};

	(void)c;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		seq_printf(s, "%-20s %-13s %3d %7s %s\n", rows[i].driver, rows[i].node, rows[i].major, rows[i].numbers, rows[i].kind);
}

static void show_ldiscs(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "n_tty       0\n");
}

static void show_cgroups(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
}

static void show_execdomains(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "0-0\tLinux           \t[kernel]\n");
}

static const struct pnode tty_nodes[] = {
	{.name = "drivers", .mode = S_IFREG | 0444, .show = show_tty_drivers},
	{.name = "ldiscs", .mode = S_IFREG | 0444, .show = show_ldiscs},
	{.name = NULL},
};

const struct pnode proc_root_nodes[] = {
	{.name = "cgroups", .mode = S_IFREG | 0444, .show = show_cgroups},
	{.name = "cmdline", .mode = S_IFREG | 0444, .show = show_cmdline},
	{.name = "consoles", .mode = S_IFREG | 0444, .show = show_consoles},
	{.name = "cpuinfo", .mode = S_IFREG | 0444, .show = show_cpuinfo},
	{.name = "devices", .mode = S_IFREG | 0444, .show = show_devices},
	{.name = "diskstats", .mode = S_IFREG | 0444, .show = show_diskstats},
	{.name = "execdomains", .mode = S_IFREG | 0444, .show = show_execdomains},
	{.name = "filesystems", .mode = S_IFREG | 0444, .show = show_filesystems},
	{.name = "interrupts", .mode = S_IFREG | 0444, .show = show_interrupts},
	{.name = "kmsg", .mode = S_IFREG | 0400, .fops = &proc_kmsg_fops},
	{.name = "loadavg", .mode = S_IFREG | 0444, .show = show_loadavg},
	{.name = "locks", .mode = S_IFREG | 0444, .show = show_locks},
	{.name = "maestro", .mode = S_IFDIR | 0555, .children = maestro_nodes},
	{.name = "meminfo", .mode = S_IFREG | 0444, .show = show_meminfo},
	{.name = "modules", .mode = S_IFREG | 0444, .show = show_nothing},
	{.name = "mounts", .mode = S_IFLNK | 0777, .target = target_mounts},
	{.name = "net", .mode = S_IFLNK | 0777, .target = target_net},
	{.name = "partitions", .mode = S_IFREG | 0444, .show = show_partitions},
	{.name = "self", .mode = S_IFLNK | 0777, .target = target_self},
	{.name = "slabinfo", .mode = S_IFREG | 0400, .show = show_slabinfo},
	{.name = "stat", .mode = S_IFREG | 0444, .show = show_stat},
	{.name = "swaps", .mode = S_IFREG | 0444, .show = show_swaps},
	{.name = "sys", .mode = S_IFDIR | 0555, .children = proc_sys_nodes},
	{.name = "sysvipc", .mode = S_IFDIR | 0555, .children = proc_sysvipc_nodes},
	{.name = "thread-self", .mode = S_IFLNK | 0777, .target = target_thread_self},
	{.name = "tty", .mode = S_IFDIR | 0555, .children = tty_nodes},
	{.name = "uptime", .mode = S_IFREG | 0444, .show = show_uptime},
	{.name = "version", .mode = S_IFREG | 0444, .show = show_version},
	{.name = "vmstat", .mode = S_IFREG | 0444, .show = show_vmstat},
	{.name = NULL},
};
