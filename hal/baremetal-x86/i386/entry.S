/* SPDX-License-Identifier: MIT */
/*
 * Ways into the kernel and out of it. All of them leave a struct hal_regs (hal/regs_i386.h) on the kernel stack; its esp and ss exist only if
 * the entry came from user mode. Intel SDM vol. 3, 6.12 (interrupts), 5.8.7 (SYSENTER).
 *
 * Segments: the kernel runs with the user's flat DS and ES (a selector of ring 3 may be used in ring 0), so that an ordinary program's entry
 * loads none; other values are replaced at entry and put back at exit. FS and GS are not used by the kernel: they are saved at entry and
 * loaded at exit only if they differ from what is needed; a context switch nulls them, because the TLS entries of the GDT changed.
 *
 * The offsets TASK_MM and MM_VDSO are absolute symbols from i386/offsets.c. C is called with its first argument in EAX (the bare-metal build
 * has -mregparm=3).
 */
#include "../../../core/abi/i386/vdso/layout.h"

#define R_EBX 0
#define R_ECX 4
#define R_EDX 8
#define R_ESI 12
#define R_EDI 16
#define R_EBP 20
#define R_EAX 24
#define R_DS 28
#define R_ES 32
#define R_FS 36
#define R_GS 40
#define R_ORIG 44
#define R_EIP 48
#define R_CS 52
#define R_EFLAGS 56
#define R_ESP 60
#define USER_CS 0x73
#define USER_DS 0x7b
#define TASK_WORK 0
#define STACK_MASK (-8192)

	.macro FIXUP from, to
	.pushsection .fixup_table, "a"
	.long \from, \to
	.popsection
	.endm

	.macro PUSH_GENERAL
	pushl %eax
	pushl %ebp
	pushl %edi
	pushl %esi
	pushl %edx
	pushl %ecx
	pushl %ebx
	.endm

	.macro PUSH_SEGMENTS
	pushl %gs
	pushl %fs
	pushl %es
	pushl %ds
	.endm

	/* Flat DS and ES; clobbers EAX. */
	.macro FLAT_SEGMENTS
	cmpw $USER_DS, R_DS(%esp)
	jne 771f
	cmpw $USER_DS, R_ES(%esp)
	je 772f
771:	movl $USER_DS, %eax
	movl %eax, %ds
	movl %eax, %es
772:
	.endm

	.section .entry.text, "ax"

/* --- SYSENTER: EBP is the user's stack pointer, with EBP, EDX, ECX pushed on it by __kernel_vsyscall --- */
	.globl x86_sysenter, x86_sysenter_traced
	.balign 64
x86_sysenter:
	movl (%esp), %esp		/* the MSR points at tss.esp0 */
	pushl $USER_DS
	pushl %ebp
	pushfl
	orl $0x200, (%esp)		/* it was on in user mode */
sysenter_frame:
	pushl $USER_CS
	pushl $0			/* eip, below */
	pushl %eax
	PUSH_SEGMENTS
	PUSH_GENERAL
	cld
	movl %esp, %edi
	andl $STACK_MASK, %edi
	movl (%edi), %edi		/* hal_current() */
	movl TASK_MM(%edi), %eax
	movl MM_VDSO(%eax), %esi
	addl $VDSO_RETURN, %esi
	movl %esi, R_EIP(%esp)
	cmpw $USER_DS, R_DS(%esp)
	jne sysenter_segments
	cmpw $USER_DS, R_ES(%esp)
	jne sysenter_segments
sysenter_go:
	sti
	cmpl $0xBFFFFFFC, %ebp
	ja sysenter_bad_stack
1:	movl (%ebp), %ebp
	FIXUP 1b, sysenter_bad_stack
	movl %ebp, R_EBP(%esp)
	movl %esp, %eax
	call upcall_syscall
	cli
	cmpl $0, TASK_WORK(%edi)
	jne user_work
	cmpl %esi, R_EIP(%esp)		/* sigreturn, exec */
	jne user_exit
	testl $0x100, R_EFLAGS(%esp)
	jne user_exit
	movl %gs, %eax
	cmpw %ax, R_GS(%esp)
	jne user_exit
	movl %fs, %eax
	cmpw %ax, R_FS(%esp)
	jne user_exit
	movl R_EBX(%esp), %ebx
	movl %esi, %edx
	movl R_ESP(%esp), %ecx
	movl R_ESI(%esp), %esi
	movl R_EDI(%esp), %edi
	movl R_EBP(%esp), %ebp
	movl R_EAX(%esp), %eax
	addl $R_EFLAGS, %esp
	andl $~0x200, (%esp)
	popfl
	sti				/* takes effect after the next instruction */
	sysexit
sysenter_segments:
	movl $USER_DS, %eax
	movl %eax, %ds
	movl %eax, %es
	xorl %esi, %esi			/* leave by IRET */
	jmp sysenter_go
sysenter_bad_stack:
	movl $-14, R_EAX(%esp)		/* EFAULT */
	jmp user_return
/* #DB on x86_sysenter's first instruction moves here, with the trap flag off in the kernel: the program single-steps. */
x86_sysenter_traced:
	movl (%esp), %esp
	pushl $USER_DS
	pushl %ebp
	pushfl
	orl $0x300, (%esp)
	jmp sysenter_frame

/* --- int $0x80 --- */
	.globl x86_int80
	.balign 16
x86_int80:
	pushl %eax
	PUSH_SEGMENTS
	PUSH_GENERAL
	cld
	FLAT_SEGMENTS
	sti
	movl %esp, %eax
	call upcall_syscall
user_return:
	cli
	movl %esp, %edi
	andl $STACK_MASK, %edi
	movl (%edi), %edi
	cmpl $0, TASK_WORK(%edi)
	jne user_work
/* Interrupts off, nothing left to do: back to the program. */
user_exit:
	movl %gs, %eax
	cmpw %ax, R_GS(%esp)
	je 2f
1:	movw R_GS(%esp), %gs
	FIXUP 1b, bad_gs
2:	movl %fs, %eax
	cmpw %ax, R_FS(%esp)
	je 2f
1:	movw R_FS(%esp), %fs
	FIXUP 1b, bad_fs
2:	popl %ebx
	popl %ecx
	popl %edx
	popl %esi
	popl %edi
	popl %ebp
	cmpw $USER_DS, R_DS - R_EAX(%esp)
	jne 1f
	cmpw $USER_DS, R_ES - R_EAX(%esp)
	jne 1f
2:	popl %eax
	addl $R_EIP - R_DS, %esp
3:	iretl
	FIXUP 3b, bad_iret
1:	movw R_ES - R_EAX(%esp), %es
	FIXUP 1b, bad_es
4:	movw R_DS - R_EAX(%esp), %ds
	FIXUP 4b, bad_ds
	jmp 2b
/* A selector that cannot be loaded becomes the null selector. */
bad_gs:	movl $0, R_GS(%esp)
	jmp user_exit
bad_fs:	movl $0, R_FS(%esp)
	jmp user_exit
bad_es:	movl $0, R_ES - R_EAX(%esp)
	jmp 1b
bad_ds:	movl $0, R_DS - R_EAX(%esp)
	jmp 4b
user_work:
	movl %esp, %eax
	call upcall_user_return
	jmp user_exit
/* IRET itself refused CS, SS or EIP: its frame is on top of the stack, the other registers are the program's. */
bad_iret:
	pushl $-1
	PUSH_SEGMENTS
	PUSH_GENERAL
	FLAT_SEGMENTS
	movl %esp, %eax
	call x86_bad_iret
	jmp user_return

/* --- first run of a task --- */
	.globl x86_fork_return, x86_kernel_start, x86_enter_user
x86_fork_return:
	call sched_finish_switch
	jmp user_return
/* EBX entry, ESI its argument. */
x86_kernel_start:
	movl %esi, %eax
	call *%ebx
	ud2				/* entry never returns */
/* hal_enter_user: EAX the saved registers at the stack's top. */
x86_enter_user:
	movl %eax, %esp
	jmp user_return

/* --- switch: EAX where to put our stack pointer, EDX the next one --- */
	.globl x86_switch_stack
x86_switch_stack:
	pushl %ebp
	pushl %ebx
	pushl %esi
	pushl %edi
	movl %esp, (%eax)
	movl %edx, %esp
	popl %edi
	popl %esi
	popl %ebx
	popl %ebp
	ret

/* --- exceptions and interrupts --- */
	/* Stack: trap number (in the slot of gs), error code (in the slot of orig_eax), eip, cs, eflags. */
	.balign 16
trap_common:
	pushl %fs
	pushl %es
	pushl %ds
	PUSH_GENERAL
	cld
	movl R_GS(%esp), %ecx
	movl R_ORIG(%esp), %edx
	movl %gs, %eax
	movl %eax, R_GS(%esp)
	movl $-1, R_ORIG(%esp)
	FLAT_SEGMENTS
	movl %esp, %eax
	call x86_trap
	testb $3, R_CS(%esp)
	jne user_return
kernel_exit:
	popl %ebx
	popl %ecx
	popl %edx
	popl %esi
	popl %edi
	popl %ebp
	popl %eax
	addl $R_EIP - R_DS, %esp
	iretl

	.balign 16
irq_common:
	/* Stack: vector in the slot of orig_eax, eip, cs, eflags. */
	PUSH_SEGMENTS
	PUSH_GENERAL
	cld
	movl R_ORIG(%esp), %edx
	movl $-1, R_ORIG(%esp)
	FLAT_SEGMENTS
	movl %esp, %eax
	call x86_irq
	testb $3, R_CS(%esp)
	jne user_return
	call upcall_irq_exit_kernel
	jmp kernel_exit

trap_debug:
	cmpl $x86_sysenter, (%esp)
	jne 1f
	andl $~0x100, 8(%esp)
	movl $x86_sysenter_traced, (%esp)
	iretl
1:	pushl $0
	pushl $1
	jmp trap_common
/* Nobody asks for NMIs; one may come while no usable stack is there. */
trap_nmi:
	iretl

	/* Vectors 0..31: those of the SDM that push an error code are 8, 10..14, 17, 21, 29, 30. */
	.altmacro
	.macro TRAP_STUB n
	.balign 8
stub_\n:
	.if (\n == 1)
	jmp trap_debug
	.elseif (\n == 2)
	jmp trap_nmi
	.else
	.ifeq ((1 << \n) & 0x60227d00)
	pushl $0
	.endif
	pushl $\n
	jmp trap_common
	.endif
	.endm
	.macro IRQ_STUB n
	.balign 8
stub_\n:
	pushl $\n
	jmp irq_common
	.endm
	.macro STUB_ADDRESS n
	.long stub_\n
	.endm

	.set i, 0
	.rept 32
	TRAP_STUB %i
	.set i, i + 1
	.endr
	.rept 224
	IRQ_STUB %i
	.set i, i + 1
	.endr

	.section .rodata
	.balign 4
	.globl x86_stub_table
x86_stub_table:
	.set i, 0
	.rept 256
	STUB_ADDRESS %i
	.set i, i + 1
	.endr

	/* The double fault task: a task gate enters here with a stack of its own. */
	.section .entry.text, "ax"
	.globl x86_df_entry
x86_df_entry:
	call x86_double_fault
	.section .note.GNU-stack, "", @progbits
