/* SPDX-License-Identifier: MIT */
/*
 * Where things lie in the vDSO image, as offsets from its first byte; vdso.S and vdso.lds hold to it. One page of data (struct vdso_data)
 * lies right before the image.
 */
#pragma once

#define VDSO_VSYSCALL 0x800	   /* __kernel_vsyscall */
#define VDSO_SYSENTER 0x803	   /* its four bytes "mov %esp, %ebp; sysenter" */
#define VDSO_RETURN 0x809	   /* where SYSEXIT goes; the int $0x80 before it restarts the call */
#define VDSO_SIGRETURN 0x820
#define VDSO_RT_SIGRETURN 0x830
