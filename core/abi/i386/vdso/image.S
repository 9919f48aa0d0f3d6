/* SPDX-License-Identifier: MIT */
/* The vDSO image in the kernel's read-only data; abi_vdso_init() copies it to pages that programs map. */
	.section .rodata
	.balign 4096
	.globl abi_vdso_image, abi_vdso_image_end
abi_vdso_image:
	.incbin "build/vdso-i386.so"
abi_vdso_image_end:
	.section .note.GNU-stack, "", @progbits
