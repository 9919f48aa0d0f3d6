/* SPDX-License-Identifier: MIT */
/*
 * Bulk copies and fills: memcpy, memset and friends with the C convention of the build (three arguments in EAX, EDX, ECX), and their variants
 * for user memory, which return in EAX how many bytes were left.
 *
 * Processors with fast string instructions (ERMS) get "rep movsb"; others 32 bytes a round by registers, which is quicker there than
 * "rep movsl" and does not need the alignment that that one is fast with.
 *
 * With SSE2, WIDE_MIN bytes and more go through XMM0 and XMM1, twice to four times as fast. They are the program's: what was in them is kept on
 * the stack meanwhile. A context switch in the middle saves and loads our values with all others, which is why only tasks with an FPU image may
 * do it: between two kernel threads, or to one and back, nothing is saved. No such move raises a floating-point exception.
 */
#define WIDE_MIN 256
#define STACK_MASK (-8192) /* HAL_KSTACK_SIZE: the lowest word of a stack is its task */
	.macro FIXUP from, to
	.pushsection .fixup_table, "a"
	.long \from, \to
	.popsection
	.endm

	/* One pair of words of a round; \off from ESI to EDI. With \user the accesses have fixups. */
	.macro COPY_PAIR off, user
91:	movl \off(%esi), %eax
92:	movl \off+4(%esi), %edx
93:	movl %eax, \off(%edi)
94:	movl %edx, \off+4(%edi)
	.if \user
	FIXUP 91b, copy_user_round_fault
	FIXUP 92b, copy_user_round_fault
	FIXUP 93b, copy_user_round_fault
	FIXUP 94b, copy_user_round_fault
	.endif
	.endm

	.macro COPY_ROUND user
	COPY_PAIR 0, \user
	COPY_PAIR 8, \user
	COPY_PAIR 16, \user
	COPY_PAIR 24, \user
	addl $32, %esi
	addl $32, %edi
	.endm

	/* On to \narrow if this copy cannot use the wide registers. Changes \scratch, as in EAX. */
	.macro WIDE_OR narrow, scratch
	cmpl $WIDE_MIN, %ecx
	jb \narrow
	cmpb $0, x86_copy_wide
	je \narrow
	movl $STACK_MASK, \scratch
	andl %esp, \scratch
	movl (\scratch), \scratch
	cmpl $0, TASK_FPU(\scratch)
	je \narrow
	.endm
	.macro WIDE_BEGIN
	subl $32, %esp
	movups %xmm0, (%esp)
	movups %xmm1, 16(%esp)
	.endm
	.macro WIDE_END
	movups (%esp), %xmm0
	movups 16(%esp), %xmm1
	addl $32, %esp
	.endm
	/* 32 bytes from ESI to EDI, both moved on. */
	.macro WIDE_ROUND user
91:	movups (%esi), %xmm0
92:	movups 16(%esi), %xmm1
93:	movups %xmm0, (%edi)
94:	movups %xmm1, 16(%edi)
	.if \user
	FIXUP 91b, copy_user_wide_fault
	FIXUP 92b, copy_user_wide_fault
	FIXUP 93b, copy_user_wide_fault
	FIXUP 94b, copy_user_wide_fault
	.endif
	addl $32, %esi
	addl $32, %edi
	.endm

	.text
/* EAX dst, EDX src, ECX n -> EAX bytes left */
	.globl x86_copy_user
	.balign 16
x86_copy_user:
	pushl %esi
	pushl %edi
	movl %eax, %edi
	movl %edx, %esi
	cmpl $32, %ecx
	jb copy_user_tail
	cmpb $0, x86_has_erms
	jne copy_user_bytes
	WIDE_OR copy_user_narrow, %eax
	WIDE_BEGIN
	subl $32, %ecx
	.balign 8
1:	WIDE_ROUND 1
	subl $32, %ecx
	jae 1b
	WIDE_END
	addl $32, %ecx
	jmp copy_user_tail
copy_user_narrow:
	subl $32, %ecx
	.balign 8
1:	COPY_ROUND 1
	subl $32, %ecx
	jae 1b
	addl $32, %ecx
	jmp copy_user_tail
/* After a fault inside a round ECX is 32 too low; whatever was copied is copied again, byte by byte up to the very one that faults. */
copy_user_tail:
	movl %ecx, %edx
	shrl $2, %ecx
	jz 3f
2:	movl (%esi), %eax
	FIXUP 2b, copy_user_words_fault
4:	movl %eax, (%edi)
	FIXUP 4b, copy_user_words_fault
	addl $4, %esi
	addl $4, %edi
	subl $4, %edx
	decl %ecx
	jnz 2b
3:	movl %edx, %ecx
5:	rep movsb
	FIXUP 5b, copy_user_end
copy_user_end:
	movl %ecx, %eax
	popl %edi
	popl %esi
	ret
copy_user_words_fault:
	movl %edx, %ecx
	jmp 5b
copy_user_wide_fault:
	WIDE_END
	/* The fixup of a round, and the ERMS way in (which has not subtracted). */
copy_user_round_fault:
	addl $32, %ecx
copy_user_bytes:
	jmp 5b

/* EAX dst, EDX n -> EAX bytes left */
	.macro CLEAR_WORD off
91:	movl %eax, \off(%edi)
	FIXUP 91b, clear_round_fault
	.endm
	.globl x86_clear_user
	.balign 16
x86_clear_user:
	pushl %edi
	movl %eax, %edi
	movl %edx, %ecx
	xorl %eax, %eax
	cmpb $0, x86_has_erms
	jne 2f
	WIDE_OR clear_narrow, %edx
	WIDE_BEGIN
	pxor %xmm0, %xmm0
	subl $32, %ecx
	.balign 8
1:	movups %xmm0, (%edi)
	FIXUP 1b, clear_wide_fault
4:	movups %xmm0, 16(%edi)
	FIXUP 4b, clear_wide_fault
	addl $32, %edi
	subl $32, %ecx
	jae 1b
clear_wide_fault:
	WIDE_END
	jmp clear_round_fault
clear_narrow:
	subl $32, %ecx
	jb clear_round_fault
	.balign 8
1:	CLEAR_WORD 0
	CLEAR_WORD 4
	CLEAR_WORD 8
	CLEAR_WORD 12
	CLEAR_WORD 16
	CLEAR_WORD 20
	CLEAR_WORD 24
	CLEAR_WORD 28
	addl $32, %edi
	subl $32, %ecx
	jae 1b
/* The rest, or, byte by byte, what a fault left. */
clear_round_fault:
	addl $32, %ecx
2:	rep stosb
	FIXUP 2b, clear_end
clear_end:
	movl %ecx, %eax
	popl %edi
	ret

/* EAX dst, EDX src, ECX n -> EAX dst */
	.globl memcpy
	.balign 16
memcpy:
	pushl %esi
	pushl %edi
	pushl %eax
	movl %eax, %edi
	movl %edx, %esi
	cmpl $32, %ecx
	jb 3f
	cmpb $0, x86_has_erms
	jne 5f
	WIDE_OR 7f, %eax
	WIDE_BEGIN
	subl $32, %ecx
	.balign 8
1:	WIDE_ROUND 0
	subl $32, %ecx
	jae 1b
	WIDE_END
	addl $32, %ecx
	jmp 3f
7:	subl $32, %ecx
	.balign 8
1:	COPY_ROUND 0
	subl $32, %ecx
	jae 1b
	addl $32, %ecx
3:	movl %ecx, %edx
	shrl $2, %ecx
	jz 4f
2:	movl (%esi), %eax
	addl $4, %esi
	movl %eax, (%edi)
	addl $4, %edi
	decl %ecx
	jnz 2b
4:	movl %edx, %ecx
	andl $3, %ecx
	jz 6f
5:	rep movsb
6:	popl %eax
	popl %edi
	popl %esi
	ret

/* EAX dst, EDX src, ECX n -> EAX dst. Downwards only where the areas overlap that way. */
	.globl memmove
	.balign 16
memmove:
	pushl %ebx
	movl %eax, %ebx
	subl %edx, %ebx
	cmpl %ecx, %ebx
	popl %ebx
	jae memcpy			/* dst below src, or beyond its end */
	pushl %esi
	pushl %edi
	pushl %eax
	leal -1(%eax, %ecx), %edi
	leal -1(%edx, %ecx), %esi
	std
	movl %ecx, %edx
	andl $3, %ecx
	rep movsb
	movl %edx, %ecx
	shrl $2, %ecx
	subl $3, %esi
	subl $3, %edi
	rep movsl
	cld
	popl %eax
	popl %edi
	popl %esi
	ret

/* EAX dst, EDX byte, ECX n -> EAX dst */
	.globl memset
	.balign 16
memset:
	pushl %edi
	pushl %eax
	movl %eax, %edi
	movzbl %dl, %eax
	imull $0x01010101, %eax
	cmpb $0, x86_has_erms
	jne 4f
	WIDE_OR 7f, %edx
	WIDE_BEGIN
	movd %eax, %xmm0
	pshufd $0, %xmm0, %xmm0
	subl $32, %ecx
	.balign 8
1:	movups %xmm0, (%edi)
	movups %xmm0, 16(%edi)
	addl $32, %edi
	subl $32, %ecx
	jae 1b
	WIDE_END
	jmp 2f
7:	subl $32, %ecx
	jb 2f
	.balign 8
1:	movl %eax, (%edi)
	movl %eax, 4(%edi)
	movl %eax, 8(%edi)
	movl %eax, 12(%edi)
	movl %eax, 16(%edi)
	movl %eax, 20(%edi)
	movl %eax, 24(%edi)
	movl %eax, 28(%edi)
	addl $32, %edi
	subl $32, %ecx
	jae 1b
2:	andl $31, %ecx
	movl %ecx, %edx
	shrl $2, %ecx
	jz 3f
5:	movl %eax, (%edi)
	addl $4, %edi
	decl %ecx
	jnz 5b
3:	movl %edx, %ecx
	andl $3, %ecx
4:	rep stosb
	popl %eax
	popl %edi
	ret
	.section .note.GNU-stack, "", @progbits
