/* SPDX-License-Identifier: MIT */
/* The one kernel of this machine, and the task the boot context is: it becomes the idle task of CPU 0. */
#include <maestro/kernel.h>
#include <maestro/task.h>

struct kernel the_kernel;
extern struct task x86_boot_task;
struct task x86_boot_task;
