// SPDX-License-Identifier: MIT
/* The smallest program: what fork-exec-wait starts. */
#include <sys/syscall.h>

void _start(void);
void _start(void)
{
	__asm__ volatile("int $0x80" : : "a"(SYS_exit), "b"(0));
	for (;;) {
	}
}
