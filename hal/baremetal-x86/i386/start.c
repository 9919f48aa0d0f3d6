/* SPDX-License-Identifier: MIT */
/*
 * The first C code. Stands on: boot.S (paging is on, 768 MiB mapped at 0xC0000000). Brings up, in this order, what the core may
 * count on at upcall_boot(): memory ranges, final page tables, descriptor tables, interrupt controller, clock, ACPI.
 */
#include <hal/memory.h>
#include <hal/platform.h>
#include <hal/upcall.h>
#include <maestro/lib.h>
#include <maestro/task.h>
#include <x86/x86.h>

extern struct task x86_boot_task;
extern u8 x86_boot_stack[];
_Static_assert(HAL_KSTACK_SIZE == 8192, "boot.S, entry.S");

void x86_fatal(const char *text)
{
	static const char end[] = "\nMaestro cannot start. Halted.\n";

	hal_console_write(text, strlen(text));
	hal_console_write(end, sizeof(end) - 1);
	hal_halt(text);
}

void X86_ASMCALL x86_start(u32 magic, u32 info)
{
	*(struct task **)x86_boot_stack = &x86_boot_task;
	x86_boot_task.ctx.stack = x86_boot_stack;
	x86_cpu_init();
	x86_boot_parse(magic, info);
	x86_paging_init();
	x86_desc_init();
	x86_irq_init();
	x86_time_init();
	upcall_boot();
	x86_fatal("the boot context came back");
}
