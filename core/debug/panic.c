/* SPDX-License-Identifier: MIT */
/*
 * The end of a kernel whose invariants are broken. Nothing here takes a lock, allocates or trusts more than the log's ring and the HAL.
 */
#include <hal/cpu.h>
#include <hal/platform.h>
#include <hal/time.h>
#include <maestro/assert.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>

static void print_backtrace(void)
{
	uintptr_t pcs[24];
	size_t n = hal_backtrace(pcs, ARRAY_SIZE(pcs));

	klog(LOG_EMERG, "Call trace:");
	for (size_t i = 0; i < n; i++) {
		const char *name;
		size_t offset;

		/* a return address may stand after the function's last instruction: look up the call */
		if (hal_symbol(pcs[i] - 1, &name, &offset))
			klog(LOG_EMERG, " %s+%#zx", name, offset + 1);
		else
			klog(LOG_EMERG, " %#lx", (unsigned long)pcs[i]);
	}
}

/* panic=N of the boot line: N seconds, then a restart; negative: at once; 0: stay. */
static void wait_and_reboot(void)
{
	int seconds = kernel()->params.panic_timeout;
	ktime_t until;

	if (!seconds)
		return;
	if (seconds > 0) {
		klog(LOG_EMERG, "Rebooting in %d seconds..", seconds);
		until = hal_time_ns() + seconds * NSEC_PER_SEC;
		while (hal_time_ns() < until)
			hal_cpu_relax();
	}
	hal_reboot();
}

void panic(const char *fmt, ...)
{
	struct debug_state *d = &kernel()->debug;
	struct task *t = hal_current();
	char text[256];
	va_list ap;

	(void)hal_irq_save();
	if (__atomic_exchange_n(&d->panicking, true, __ATOMIC_SEQ_CST)) {
		/* a second one, while telling of the first */
		static const char again[] = "panic: another fault while panicking\n";

		hal_console_write(again, sizeof(again) - 1);
		hal_halt(again);
	}
	va_start(ap, fmt);
	(void)kvsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	klog(LOG_EMERG, "Kernel panic - not syncing: %s", text);
	if (t)
		klog(LOG_EMERG, "CPU: %u PID: %d Comm: %s", t->se.cpu, t->tid, t->comm);
	print_backtrace();
	klog(LOG_EMERG, "---[ end Kernel panic - not syncing: %s ]---", text);
	wait_and_reboot();
	hal_halt(text);
}

void assert_failed(const char *expr, const char *file, int line)
{
	panic("assertion failed: %s, %s:%d", expr, file, line);
}
