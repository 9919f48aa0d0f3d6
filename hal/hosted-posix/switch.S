/* SPDX-License-Identifier: MIT */
/*
 * x86_64: switching stacks (System V ABI: rbx rbp r12-r15, mxcsr and the x87 control word are the callee's to keep), and copies that survive a bad
 * pointer: the SIGSEGV handler sends a fault between hosted_guard_start and hosted_guard_end to hosted_guard_fault.
 */
	.text
	.globl hosted_switch_stack
	.hidden hosted_switch_stack
	.type hosted_switch_stack, @function
hosted_switch_stack:
	push	%rbp
	push	%rbx
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	sub	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	ldmxcsr	(%rsp)
	fldcw	4(%rsp)
	add	$8, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbx
	pop	%rbp
	ret
	.size hosted_switch_stack, . - hosted_switch_stack

	/* void *hosted_make_stack(void *top, void (*entry)(void *), void *arg) */
	.globl hosted_make_stack
	.hidden hosted_make_stack
	.type hosted_make_stack, @function
hosted_make_stack:
	mov	%rdi, %rax
	and	$-16, %rax
	sub	$16, %rax		/* a zero return address ends backtraces */
	movq	$0, (%rax)
	movq	$0, 8(%rax)
	lea	fiber_start(%rip), %rcx
	sub	$64, %rax
	mov	%rcx, 56(%rax)		/* return address of the first switch */
	movq	$0, 48(%rax)		/* rbp */
	mov	%rsi, 40(%rax)		/* rbx: entry */
	mov	%rdx, 32(%rax)		/* r12: arg */
	movq	$0, 24(%rax)
	movq	$0, 16(%rax)
	movq	$0, 8(%rax)
	stmxcsr	(%rax)
	fnstcw	4(%rax)
	ret
	.size hosted_make_stack, . - hosted_make_stack

	.type fiber_start, @function
fiber_start:
	mov	%r12, %rdi
	call	*%rbx
	ud2
	.size fiber_start, . - fiber_start

	/*
	 * Guarded code. Each routine keeps in rcx what is not yet done, and returns it; the fault handler does the same. load and cas put -1 there.
	 */
	.globl hosted_guard_start, hosted_guard_end, hosted_guard_fault
	.hidden hosted_guard_start, hosted_guard_end, hosted_guard_fault
	.globl hosted_copy_guarded
	.hidden hosted_copy_guarded
	.type hosted_copy_guarded, @function
hosted_copy_guarded:
	mov	%rdx, %rcx
	jmp	1f
	.globl hosted_zero_guarded
	.hidden hosted_zero_guarded
	.type hosted_zero_guarded, @function
hosted_zero_guarded:
	mov	%rsi, %rcx
	xor	%eax, %eax
	jmp	2f
	.globl hosted_load32_guarded
	.hidden hosted_load32_guarded
	.type hosted_load32_guarded, @function
hosted_load32_guarded:
	mov	$-1, %rcx
	jmp	3f
	.globl hosted_cas32_guarded
	.hidden hosted_cas32_guarded
	.type hosted_cas32_guarded, @function
hosted_cas32_guarded:
	mov	(%rsi), %eax
	mov	$-1, %rcx
	jmp	4f
	.globl hosted_strncpy_guarded
	.hidden hosted_strncpy_guarded
	.type hosted_strncpy_guarded, @function
hosted_strncpy_guarded:
	mov	$-1, %rcx
	xor	%r8d, %r8d
	jmp	6f
hosted_guard_start:
1:	rep movsb
	jmp	hosted_guard_fault
2:	rep stosb
	jmp	hosted_guard_fault
3:	mov	(%rdi), %eax
	mov	%eax, (%rsi)
	xor	%eax, %eax
	ret
4:	lock cmpxchg %edx, (%rdi)
	jne	5f
	mov	$1, %eax
	ret
5:	mov	%eax, (%rsi)
	xor	%eax, %eax
	ret
6:	cmp	%rdx, %r8
	jae	7f
	mov	(%rsi,%r8), %al
	mov	%al, (%rdi,%r8)
	test	%al, %al
	je	7f
	inc	%r8
	jmp	6b
7:	mov	%r8, %rax
	ret
hosted_guard_end:
hosted_guard_fault:
	mov	%rcx, %rax
	ret
	.section .note.GNU-stack, "", @progbits
