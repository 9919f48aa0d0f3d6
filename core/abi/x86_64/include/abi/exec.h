/* SPDX-License-Identifier: MIT */
/* x86_64: the class of ELF files that run, where they lie, and what strict seccomp allows. */
#pragma once

#include <maestro/elf.h>

#define abi_elf_ehdr elf64_ehdr
#define abi_elf_phdr elf64_phdr
#define ABI_ELF_CLASS 2
#define ABI_SECCOMP_STRICT { 0, 1, 60, 15 } /* read, write, exit, rt_sigreturn */
#define ABI_ELF_DYN_BASE 0x555555554000UL
#define ABI_BRK_RANDOM_PAGES 0x2000u /* 32 MiB */
#define ABI_DYN_RANDOM_PAGES 0x10000000u /* 28 bits */
