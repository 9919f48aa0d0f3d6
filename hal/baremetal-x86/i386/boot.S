/* SPDX-License-Identifier: MIT */
/*
 * From the boot loader to C. Multiboot 1 (3.3) and Multiboot 2 (3.3) leave us in flat 32-bit protected mode without paging, EAX the magic number,
 * EBX the address of what they know. We check for what no error message could be given later, map the first 768 MiB both at 0 and at 0xC0000000
 * with 2 MiB pages, and jump there.
 */
#define KERNEL_BASE 0xC0000000
#define PHYS(x) ((x) - KERNEL_BASE)
#define STACK_SIZE 8192

	.section .multiboot, "a"
	.balign 8
	.long 0x1BADB002		/* Multiboot 1: align modules, memory map */
	.long 0x3
	.long -(0x1BADB002 + 0x3)
	.balign 8
mb2_header:
	.long 0xE85250D6		/* Multiboot 2, i386 */
	.long 0
	.long mb2_end - mb2_header
	.long -(0xE85250D6 + (mb2_end - mb2_header))
	.balign 8
	.short 1, 0			/* information we read: command line, loader, modules, memory map, ACPI */
	.long 8 + 4 * 6
	.long 1, 2, 3, 6, 14, 15
	.balign 8
	.short 6, 0			/* modules on page boundaries */
	.long 8
	.balign 8
	.short 0, 0
	.long 8
mb2_end:

	.section .boot.text, "ax"
	.globl x86_entry
x86_entry:
	cli
	cld
	movl %eax, %esi
	movl %ebx, %edi
	movl $PHYS(x86_boot_stack + STACK_SIZE), %esp
	/* CPUID exists if the ID flag of EFLAGS can be changed. */
	pushfl
	popl %eax
	movl %eax, %ecx
	xorl $0x200000, %eax
	pushl %eax
	popfl
	pushfl
	popl %eax
	xorl %ecx, %eax
	jz too_old
	movl $1, %eax
	cpuid
	testl $(1 << 6), %edx		/* PAE */
	jz too_old

	/* The directory maps 0..768 MiB; entries 0 and 3 of the pointer table share it. Memory of ours is zero: .bss. */
	movl $PHYS(x86_boot_pd), %edx
	movl $0x83, %eax		/* present, writable, 2 MiB */
	movl $384, %ecx
1:	movl %eax, (%edx)
	addl $0x200000, %eax
	addl $8, %edx
	loop 1b
	movl $PHYS(x86_boot_pdpt), %edx
	movl $(PHYS(x86_boot_pd) + 1), (%edx)
	movl $(PHYS(x86_boot_pd) + 1), 24(%edx)
	movl %cr4, %eax
	orl $0x20, %eax			/* PAE */
	movl %eax, %cr4
	movl %edx, %cr3
	movl %cr0, %eax
	andl $~0x6000000c, %eax		/* caches on, no FPU emulation, TS clear */
	orl $0x80010022, %eax		/* PG, WP; NE, MP: FPU errors are exception 16 */
	movl %eax, %cr0
	movl $1f, %eax
	jmp *%eax
1:	addl $KERNEL_BASE, %esp
	xorl %ebp, %ebp
	movl %esi, %eax
	movl %edi, %edx
	call x86_start
2:	hlt
	jmp 2b

too_old:
	movl $PHYS(too_old_text), %esi
	movl $0xB8000, %edi
1:	lodsb
	testb %al, %al
	jz 3f
	movb $0x4F, %ah
	stosw
	movb %al, %bl
	movl $100000, %ecx
	movw $0x3FD, %dx
2:	inb %dx, %al
	testb $0x20, %al
	loopz 2b
	movb %bl, %al
	movw $0x3F8, %dx
	outb %al, %dx
	jmp 1b
3:	hlt
	jmp 3b
too_old_text:
	.asciz "Maestro needs a processor with PAE (Pentium Pro or newer). Halted.\r\n"

	.section .bss.stack, "aw", @nobits
	.balign 8192
	.globl x86_boot_stack
x86_boot_stack:
	.skip STACK_SIZE
	.globl x86_df_stack
x86_df_stack:
	.skip STACK_SIZE
	.balign 4096
	.globl x86_boot_pd
x86_boot_pd:
	.skip 4096
x86_boot_pdpt:
	.skip 32
	.section .note.GNU-stack, "", @progbits
