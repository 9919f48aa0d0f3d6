/* SPDX-License-Identifier: MIT */
/* i386: structures of the process calls as programs see them, and the class of ELF files that run (Linux's uapi as the man pages give it). */
#pragma once

#include <maestro/elf.h>
#include <maestro/types.h>

#define abi_elf_ehdr elf32_ehdr
#define abi_elf_phdr elf32_phdr
#define ABI_ELF_CLASS 1
#define ABI_SECCOMP_STRICT { 3, 4, 1, 119 } /* read, write, exit, sigreturn */
#define ABI_ELF_DYN_BASE 0x00400000UL
#define ABI_BRK_RANDOM_PAGES 0x2000u /* 32 MiB */
#define ABI_DYN_RANDOM_PAGES 0x100u  /* 8 bits, as mmap_rnd_bits */

struct abi_timeval_long {
	s32 sec, usec;
};
struct abi_rusage {
	struct abi_timeval_long utime, stime;
	s32 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct abi_rusage) == 72, "getrusage(2)");
struct abi_rlimit {
	u32 cur, max;
};
struct abi_tms {
	s32 utime, stime, cutime, cstime;
};
struct abi_sysinfo {
	s32 uptime;
	u32 loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	u32 totalhigh, freehigh, mem_unit;
	char fill[8];
};
_Static_assert(sizeof(struct abi_sysinfo) == 64, "sysinfo(2)");
struct abi_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
