/* SPDX-License-Identifier: MIT */
/* /proc/sys: what sysctl(8), glibc, procps and shells read or set (proc(5)). A value that Maestro does not use is not listed. */
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/version.h>
#include <maestro/pagecache.h>
#include <maestro/notify.h>
#include <maestro/printk.h>

#include "proc_fs.h"

/* --- a u32 of mm_state, by offset --- */
kerr_t proc_parse_u32(const char *text, u32 *out)
{
	const char *p = text;
	u64 v;
	kerr_t err;

	while (*p == ' ' || *p == '\t')
		p++;
	err = kstrtou64(&p, 10, &v);
	if (err)
		return err;
	while (*p == ' ' || *p == '\t' || *p == '\n')
		p++;
	if (*p || v > U32_MAX)
		return KERR(EINVAL);
	*out = (u32)v;
	return 0;
}

kerr_t proc_write_u32(const char *text, u32 min, u32 max, u32 *word)
{
	u32 v;
	kerr_t err = proc_parse_u32(text, &v);

	if (err || v < min || v > max)
		return KERR(EINVAL);
	store_relaxed(word, v);
	return KERR(0);
}

PROC_WORD(mm, overcommit_memory, 0, 2)
PROC_WORD(mm, overcommit_ratio, 0, U32_MAX)
PROC_WORD(mm, dirty_ratio, 0, 100)
PROC_WORD(mm, dirty_background_ratio, 0, 100)
PROC_WORD(mm, dirty_writeback_centisecs, 0, U32_MAX)
PROC_WORD(mm, dirty_expire_centisecs, 0, U32_MAX)
PROC_WORD(mm, max_map_count, 0, U32_MAX)
PROC_WORD(mm, mmap_min_addr, 0, 0x10000000)
PROC_WORD(mm, swappiness, 0, 200)
PROC_WORD(mm, panic_on_oom, 0, 2)
PROC_WORD(mm, randomize_va_space, 0, 2)
PROC_WORD(proc, core_uses_pid, 0, 1)
PROC_WORD(proc, suid_dumpable, 0, 2)

static kerr_t write_drop_caches(struct seq_buf *unused, struct pctx *c)
{
	u32 what;
	kerr_t err = proc_parse_u32(c->arg, &what);

	(void)unused;
	if (err || what < 1 || what > 4)
		return KERR(EINVAL);
	drop_caches(what & 3);
	return 0;
}

/* --- names --- */
static void show_name(struct seq_buf *s, const char *src)
{
	char text[UTS_LEN + 1];

	spin_lock(&kernel()->proc.uts_lock);
	strlcpy(text, src, sizeof(text));
	spin_unlock(&kernel()->proc.uts_lock);
	seq_printf(s, "%s\n", text);
}

static kerr_t set_name(char *dst, const char *text)
{
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		len--;
	if (len > UTS_LEN)
		return KERR(EINVAL);
	spin_lock(&kernel()->proc.uts_lock);
	memcpy(dst, text, len);
	dst[len] = '\0';
	spin_unlock(&kernel()->proc.uts_lock);
	return 0;
}

static void show_hostname(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	show_name(s, kernel()->proc.nodename);
}

static kerr_t write_hostname(struct seq_buf *unused, struct pctx *c)
{
	(void)unused;
	return set_name(kernel()->proc.nodename, c->arg);
}

static void show_domainname(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	show_name(s, kernel()->proc.domainname);
}

static kerr_t write_domainname(struct seq_buf *unused, struct pctx *c)
{
	(void)unused;
	return set_name(kernel()->proc.domainname, c->arg);
}

static void show_core_pattern(struct seq_buf *s, struct pctx *c)
{
	char text[CORE_PATTERN_MAX];

	(void)c;
	spin_lock(&kernel()->proc.uts_lock);
	strlcpy(text, kernel()->proc.core_pattern, sizeof(text));
	spin_unlock(&kernel()->proc.uts_lock);
	seq_printf(s, "%s\n", text);
}

/* What does not fit is cut, as by Linux. */
static kerr_t write_core_pattern(struct seq_buf *unused, struct pctx *c)
{
	size_t len = 0;

	(void)unused;
	while (len < CORE_PATTERN_MAX - 1 && c->arg[len] && c->arg[len] != '\n')
		len++;
	spin_lock(&kernel()->proc.uts_lock);
	memcpy(kernel()->proc.core_pattern, c->arg, len);
	kernel()->proc.core_pattern[len] = '\0';
	spin_unlock(&kernel()->proc.uts_lock);
	return 0;
}

/* --- constants --- */
#define TEXT(fn, ...)                                        \
	static void fn(struct seq_buf *s, struct pctx *c)        \
	{                                                        \
		(void)c;                                             \
		seq_printf(s, __VA_ARGS__);                          \
	}
TEXT(show_ostype, "Linux\n")
TEXT(show_osrelease, "%s\n", UTS_RELEASE)
TEXT(show_osversion, "%s\n", UTS_VERSION)
TEXT(show_pid_max, "%u\n", (unsigned)PID_MAX)
TEXT(show_threads_max, "%u\n", (unsigned)PID_MAX)
TEXT(show_ngroups_max, "65536\n")
TEXT(show_cap_last_cap, "%d\n", CAP_COUNT - 1)
TEXT(show_overflow_id, "65534\n")
TEXT(show_printk, "%d\t4\t1\t7\n", boot_params()->loglevel)
TEXT(show_panic, "%d\n", boot_params()->panic_timeout)
TEXT(show_file_max, "%llu\n", (unsigned long long)S64_MAX)
TEXT(show_nr_open, "1048576\n")
TEXT(show_file_nr, "%d\t0\t%llu\n", atomic_read(&kernel()->vfs.nfiles), (unsigned long long)S64_MAX)
TEXT(show_inode_nr, "%lu\t%lu\n", (unsigned long)kernel()->vfs.ninodes, (unsigned long)kernel()->vfs.niunused)
TEXT(show_dentry_state, "%lu\t%lu\t45\t0\t0\t0\n", (unsigned long)kernel()->vfs.ndentries, (unsigned long)kernel()->vfs.nunused)
TEXT(show_pipe_max, "1048576\n")
TEXT(show_inotify_events, "%u\n", INOTIFY_MAX_EVENTS)
TEXT(show_inotify_instances, "%d\n", INOTIFY_MAX_INSTANCES)
TEXT(show_inotify_watches, "%d\n", INOTIFY_MAX_WATCHES)
TEXT(show_poolsize, "256\n")
TEXT(show_entropy, "256\n")

static void put_uuid(struct seq_buf *s, u8 u[16])
{
	u[6] = (u8)((u[6] & 0x0f) | 0x40); /* RFC 4122 version 4 */
	u[8] = (u8)((u[8] & 0x3f) | 0x80);
	for (int i = 0; i < 16; i++)
		seq_printf(s, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", u[i]);
	seq_puts(s, "\n");
}

static void show_uuid(struct seq_buf *s, struct pctx *c)
{
	u8 u[16];

	(void)c;
	random_bytes(u, sizeof(u));
	put_uuid(s, u);
}

/* The same for one boot: made from the moment it began and what the generator gave first. */
static void show_boot_id(struct seq_buf *s, struct pctx *c)
{
	u8 u[16];

	(void)c;
	memcpy(u, kernel()->dev.boot_id, sizeof(u));
	put_uuid(s, u);
}

static const struct pnode random_nodes[] = {
	{.name = "boot_id", .mode = S_IFREG | 0444, .show = show_boot_id},
	{.name = "entropy_avail", .mode = S_IFREG | 0444, .show = show_entropy},
	{.name = "poolsize", .mode = S_IFREG | 0444, .show = show_poolsize},
	{.name = "uuid", .mode = S_IFREG | 0444, .show = show_uuid},
	{.name = NULL},
};
/* --- what real-time tasks may use; -1: everything --- */
static kerr_t parse_s32(const char *text, s32 *out)
{
	bool minus;
	u32 v;
	kerr_t err;

	while (*text == ' ' || *text == '\t')
		text++;
	minus = *text == '-';
	err = proc_parse_u32(text + minus, &v);
	if (err || v > S32_MAX)
		return KERR(EINVAL);
	*out = minus ? -(s32)v : (s32)v;
	return 0;
}

static void show_rt_period(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_printf(s, "%d\n", load_relaxed(&kernel()->sched.rt_period_us));
}

static kerr_t write_rt_period(struct seq_buf *unused, struct pctx *c)
{
	s32 v;
	kerr_t err = parse_s32(c->arg, &v);

	(void)unused;
	return err ? err : sched_rt_limits_set(v, load_relaxed(&kernel()->sched.rt_runtime_us));
}

static void show_rt_runtime(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_printf(s, "%d\n", load_relaxed(&kernel()->sched.rt_runtime_us));
}

static kerr_t write_rt_runtime(struct seq_buf *unused, struct pctx *c)
{
	s32 v;
	kerr_t err = parse_s32(c->arg, &v);

	(void)unused;
	return err ? err : sched_rt_limits_set(load_relaxed(&kernel()->sched.rt_period_us), v);
}

static void show_acct(struct seq_buf *s, struct pctx *c)
{
	const u32 *v = kernel()->proc.acct_limits;

	(void)c;
	seq_printf(s, "%u\t%u\t%u\n", v[0], v[1], v[2]);
}

static kerr_t write_acct(struct seq_buf *unused, struct pctx *c)
{
	u32 *limits = kernel()->proc.acct_limits;
	u64 v[3] = {limits[0], limits[1], limits[2]};
	kerr_t err = proc_parse_numbers(c->arg, S32_MAX, v, 3);

	(void)unused;
	for (unsigned i = 0; !err && i < 3; i++)
		store_relaxed(&limits[i], (u32)v[i]);
	return err;
}

static const struct pnode kernel_nodes[] = {
	{.name = "acct", .mode = S_IFREG | 0644, .show = show_acct, .write = write_acct},
	{.name = "cap_last_cap", .mode = S_IFREG | 0444, .show = show_cap_last_cap},
	{.name = "core_pattern", .mode = S_IFREG | 0644, .show = show_core_pattern, .write = write_core_pattern},
	PROC_WORD_NODE(core_uses_pid),
	{.name = "domainname", .mode = S_IFREG | 0644, .show = show_domainname, .write = write_domainname},
	{.name = "hostname", .mode = S_IFREG | 0644, .show = show_hostname, .write = write_hostname},
	PROC_VALUE_NODE("msgmax", msg_max),
	PROC_VALUE_NODE("msgmnb", msg_mnb),
	PROC_VALUE_NODE("msgmni", msg_mni),
	{.name = "ngroups_max", .mode = S_IFREG | 0444, .show = show_ngroups_max},
	{.name = "osrelease", .mode = S_IFREG | 0444, .show = show_osrelease},
	{.name = "ostype", .mode = S_IFREG | 0444, .show = show_ostype},
	{.name = "overflowgid", .mode = S_IFREG | 0444, .show = show_overflow_id},
	{.name = "overflowuid", .mode = S_IFREG | 0444, .show = show_overflow_id},
	{.name = "panic", .mode = S_IFREG | 0444, .show = show_panic},
	{.name = "pid_max", .mode = S_IFREG | 0444, .show = show_pid_max},
	{.name = "printk", .mode = S_IFREG | 0444, .show = show_printk},
	{.name = "random", .mode = S_IFDIR | 0555, .children = random_nodes},
	PROC_WORD_NODE(randomize_va_space),
	{.name = "sched_rt_period_us", .mode = S_IFREG | 0644, .show = show_rt_period, .write = write_rt_period},
	{.name = "sched_rt_runtime_us", .mode = S_IFREG | 0644, .show = show_rt_runtime, .write = write_rt_runtime},
	PROC_VALUE_NODE("sem", sem_limits),
	PROC_VALUE_NODE("shm_rmid_forced", shm_rmid_forced),
	PROC_VALUE_NODE("shmall", shm_all),
	PROC_VALUE_NODE("shmmax", shm_max),
	PROC_VALUE_NODE("shmmni", shm_mni),
	{.name = "threads-max", .mode = S_IFREG | 0444, .show = show_threads_max},
	{.name = "version", .mode = S_IFREG | 0444, .show = show_osversion},
	{.name = NULL},
};
static const struct pnode vm_nodes[] = {
	PROC_WORD_NODE(dirty_background_ratio),
	PROC_WORD_NODE(dirty_expire_centisecs),
	PROC_WORD_NODE(dirty_ratio),
	PROC_WORD_NODE(dirty_writeback_centisecs),
	{.name = "drop_caches", .mode = S_IFREG | 0200, .write = write_drop_caches},
	PROC_WORD_NODE(max_map_count),
	PROC_WORD_NODE(mmap_min_addr),
	PROC_WORD_NODE(overcommit_memory),
	PROC_WORD_NODE(overcommit_ratio),
	PROC_WORD_NODE(panic_on_oom),
	PROC_WORD_NODE(swappiness),
	{.name = NULL},
};
static const struct pnode inotify_nodes[] = {
	{.name = "max_queued_events", .mode = S_IFREG | 0444, .show = show_inotify_events},
	{.name = "max_user_instances", .mode = S_IFREG | 0444, .show = show_inotify_instances},
	{.name = "max_user_watches", .mode = S_IFREG | 0444, .show = show_inotify_watches},
	{.name = NULL},
};
PROC_WORD(mqueue, queues_max, 0, S32_MAX)
PROC_WORD(mqueue, msg_max, 1, 65536)
PROC_WORD(mqueue, msgsize_max, 128, 16 << 20)
PROC_WORD(mqueue, msg_default, 1, 65536)
PROC_WORD(mqueue, msgsize_default, 128, 16 << 20)
static const struct pnode mqueue_nodes[] = {
	PROC_WORD_NODE(msg_default), PROC_WORD_NODE(msg_max), PROC_WORD_NODE(msgsize_default), PROC_WORD_NODE(msgsize_max), PROC_WORD_NODE(queues_max), {.name = NULL},
};
PROC_WORD(vfs, aio_max, 0, S32_MAX)
PROC_WORD(vfs, dnotify_enable, 0, S32_MAX)
PROC_WORD(vfs, lease_break_time, 0, S32_MAX)
#define VFS_NODE(name_, field) {.name = (name_), .mode = S_IFREG | 0644, .show = show_##field, .write = write_##field}

static void show_aio_nr(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_printf(s, "%d\n", atomic_read(&kernel()->vfs.aio_events));
}

static const struct pnode fs_nodes[] = {
	VFS_NODE("aio-max-nr", aio_max),
	{.name = "aio-nr", .mode = S_IFREG | 0444, .show = show_aio_nr},
	{.name = "dentry-state", .mode = S_IFREG | 0444, .show = show_dentry_state},
	VFS_NODE("dir-notify-enable", dnotify_enable),
	{.name = "file-max", .mode = S_IFREG | 0444, .show = show_file_max},
	{.name = "file-nr", .mode = S_IFREG | 0444, .show = show_file_nr},
	{.name = "inode-nr", .mode = S_IFREG | 0444, .show = show_inode_nr},
	{.name = "inotify", .mode = S_IFDIR | 0555, .children = inotify_nodes},
	VFS_NODE("lease-break-time", lease_break_time),
	{.name = "mqueue", .mode = S_IFDIR | 0555, .children = mqueue_nodes},
	{.name = "nr_open", .mode = S_IFREG | 0444, .show = show_nr_open},
	{.name = "pipe-max-size", .mode = S_IFREG | 0444, .show = show_pipe_max},
	PROC_WORD_NODE(suid_dumpable),
	{.name = NULL},
};
const struct pnode proc_sys_nodes[] = {
	{.name = "fs", .mode = S_IFDIR | 0555, .children = fs_nodes},
	{.name = "kernel", .mode = S_IFDIR | 0555, .children = kernel_nodes},
	{.name = "net", .mode = S_IFDIR | 0555, .children = proc_sys_net_nodes},
	{.name = "vm", .mode = S_IFDIR | 0555, .children = vm_nodes},
	{.name = NULL},
};
