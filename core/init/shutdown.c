/* SPDX-License-Identifier: MIT */
/* The end of a machine: file systems are written out and made read-only, then the backend turns it off (reboot(2)). */
#include <hal/platform.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/printk.h>
#include <maestro/timer.h>
#include <maestro/vfs.h>

void kernel_shutdown(enum shutdown how)
{
	static const char *const words[] = {"System halted", "Power down", "Restarting system"};
	kerr_t err = do_sync_all(true);

	if (err)
		klog_err("shutdown: some data could not be written: error %d", -kerr_code(err));
	err = vfs_remount_all_ro();
	if (err)
		klog_warn("shutdown: a file system stays writable: error %d", -kerr_code(err));
	kernel()->shutting_down = true;
	klog(LOG_NOTICE, "reboot: %s", words[how]);
	if (how == SHUTDOWN_RESTART)
		hal_reboot();
	else if (how == SHUTDOWN_POWER_OFF)
		hal_power_off();
	if (how == SHUTDOWN_POWER_OFF)
		klog(LOG_EMERG, "the machine cannot turn itself off; it may be switched off now");
	hal_halt("halted by reboot(2)");
}
