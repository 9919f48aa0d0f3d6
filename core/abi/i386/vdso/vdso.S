/* SPDX-License-Identifier: MIT */
/*
 * __kernel_vsyscall: the quick way into the kernel. SYSENTER saves neither stack pointer nor return address: EBP carries the first, the second
 * is always VDSO_RETURN, and SYSEXIT clobbers ECX and EDX, which are therefore on the stack. The kernel reads the sixth argument (EBP) from
 * there. "int $0x80" right before VDSO_RETURN is what a restarted call executes: the registers then are what they were for SYSENTER.
 * On a CPU without SYSENTER the kernel replaces the four bytes at VDSO_SYSENTER by no-ops.
 *
 * The signal trampolines have the byte sequences by which unwinders know them.
 */
#include "layout.h"

	.macro EXPORT name
	.globl \name
	.type \name, @function
\name:
	.endm

	.section .text.vsyscall, "ax"
	.org 0
EXPORT __kernel_vsyscall
	pushl %ecx
	pushl %edx
	pushl %ebp
	movl %esp, %ebp
	sysenter
	int $0x80
	popl %ebp
	popl %edx
	popl %ecx
	ret
	.size __kernel_vsyscall, . - __kernel_vsyscall
	.org VDSO_SIGRETURN - VDSO_VSYSCALL, 0x90
EXPORT __kernel_sigreturn
	popl %eax
	movl $119, %eax
	int $0x80
	.size __kernel_sigreturn, . - __kernel_sigreturn
	.org VDSO_RT_SIGRETURN - VDSO_VSYSCALL, 0x90
EXPORT __kernel_rt_sigreturn
	movl $173, %eax
	int $0x80
	.size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn
	.org 0x40, 0x90
	.section .note.GNU-stack, "", @progbits
