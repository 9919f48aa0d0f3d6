/* SPDX-License-Identifier: MIT */
/* i386: the class of ELF files that run, where they lie, and what strict seccomp allows. */
#pragma once

#include <maestro/elf.h>

#define abi_elf_ehdr elf32_ehdr
#define abi_elf_phdr elf32_phdr
#define ABI_ELF_CLASS 1
#define ABI_SECCOMP_STRICT { 3, 4, 1, 119 } /* read, write, exit, sigreturn */
#define ABI_ELF_DYN_BASE 0x00400000UL
#define ABI_BRK_RANDOM_PAGES 0x2000u /* 32 MiB */
#define ABI_DYN_RANDOM_PAGES 0x100u  /* 8 bits, as mmap_rnd_bits */
