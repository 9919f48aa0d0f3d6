/* SPDX-License-Identifier: MIT */
/*
 * Start of the core. kernel_start() brings up each room in the order of the table below; what is usable after each level is said there.
 * On a machine upcall_boot() then starts the first process, which finishes in core/init/user.c; the boot context becomes the idle loop.
 * Hosted: the library calls kernel_start() itself and goes on as a caller's task.
 */
#include <hal/memory.h>
#include <hal/platform.h>
#include <hal/upcall.h>
#include <maestro/abi.h>
#include <maestro/block.h>
#include <maestro/dev.h>
#include <maestro/fs.h>
#include <maestro/futex.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/net.h>
#include <maestro/pagecache.h>
#include <maestro/printk.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/sysv.h>
#include <maestro/timer.h>
#include <maestro/tty.h>
#include <maestro/version.h>
#include <maestro/vfs.h>

static const struct {
	kerr_t (*init)(void);
	const char *name;
} levels[] = {
	/* Frames and objects can be allocated. */
	{page_init, "page frames"},
	{slab_init, "objects"},
	/* Locks may sleep; the boot context is a task. */
	{sched_init, "scheduler"},
	{random_init, "random numbers"},
	/* Timers fire, clocks run. */
	{time_init, "clocks"},
	/* Pids, signals, credentials: kernel threads can be made. */
	{proc_init, "processes"},
	{futex_init, "futexes"},
	{sysv_init, "System V IPC"},
	{work_system_init, "work queues"},
	{mm_init, "address spaces"},
	{pagecache_init, "page cache"},
	{abi_vdso_init, "vdso"},
	/* Device numbers have meaning; disks may register. */
	{chrdev_init, "character devices"},
	{block_init, "block devices"},
	{loop_init, "loop devices"},
	/* File systems can be mounted; vfs_init mounts the first root. */
	{tmpfs_init, "tmpfs"},
	{devtmpfs_init, "devtmpfs"},
	{procfs_init, "proc"},
	{sysfs_init, "sysfs"},
	{devpts_init, "devpts"},
	{mqueue_init, "mqueue"},
	{ext2_init, "ext2"},
	{vfs_init, "file systems"},
	{net_init, "sockets"},
	{devtmpfs_start, "device nodes"},
	{mqueue_start, "message queues"},
	{writeback_init, "write-back"},
	/* Lines and screens may register. */
	{tty_init, "terminals"},
	{vt_init, "screens"},
};

const struct boot_params *boot_params(void)
{
	return &kernel()->params;
}

kerr_t kernel_start(void)
{
	const struct hal_boot_info *info = hal_boot_info();

	log_init();
	boot_params_parse(info->cmdline);
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		kerr_t err = levels[i].init();

		if (err) {
			klog_err("cannot start %s: error %d", levels[i].name, -kerr_code(err));
			return err;
		}
	}
	kernel()->syscall.trace_all = !strcmp(boot_params()->trace, "all");
	kernel()->running = true;
	return 0;
}

void upcall_boot(void)
{
	const struct hal_boot_info *info = hal_boot_info();
	kerr_t err = kernel_start();

	if (err)
		panic("not enough memory to start (%llu KiB of RAM)", (unsigned long long)(info->ram_total >> 10));
	klog(LOG_NOTICE, "Maestro " MAESTRO_VERSION_TEXT ", compatible with Linux 6.1, on %s, started by %s", hal_machine(), info->loader);
	klog(LOG_NOTICE, "memory: %llu MiB, %llu KiB of it for the kernel", (unsigned long long)(info->ram_total >> 20),
	     (unsigned long long)((info->ram_total >> 10) - (page_free_count() << (PAGE_SHIFT - 10))));
	klog_info("command line: %s", info->cmdline);
	err = proc_spawn_init(kernel_boot_user, NULL);
	if (err)
		panic("cannot make the first process: error %d", -kerr_code(err));
	sched_idle_loop();
}
