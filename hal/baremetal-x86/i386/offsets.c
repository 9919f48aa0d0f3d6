/* SPDX-License-Identifier: MIT */
/* Offsets of core structs that entry.S and copy.S use, as absolute symbols: the linker puts them in, so no header is generated. */
#include <maestro/mm.h>
#include <maestro/task.h>

_Static_assert(offsetof(struct task, work) == 0, "entry.S: TASK_WORK");
_Static_assert(sizeof(struct hal_tls) == 12, "three words");
void x86_offsets(void);
void x86_offsets(void)
{
	__asm__ volatile(".globl TASK_MM, TASK_FPU, MM_VDSO\n"
			 ".set TASK_MM, %c0\n"
			 ".set MM_VDSO, %c1\n"
			 ".set TASK_FPU, %c2" ::"i"(offsetof(struct task, mm)),
			 "i"(offsetof(struct mm, vdso)), "i"(offsetof(struct task, ctx.fpu)));
}
