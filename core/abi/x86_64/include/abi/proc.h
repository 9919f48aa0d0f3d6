/* SPDX-License-Identifier: MIT */
/* x86_64: structures of the process calls as programs see them, and the class of ELF files that run (Linux's uapi as the man pages give it). */
#pragma once

#include <maestro/elf.h>
#include <maestro/types.h>

#define abi_elf_ehdr elf64_ehdr
#define abi_elf_phdr elf64_phdr
#define ABI_ELF_CLASS 2
#define ABI_SECCOMP_STRICT { 0, 1, 60, 15 } /* read, write, exit, rt_sigreturn */
#define ABI_ELF_DYN_BASE 0x555555554000UL
#define ABI_BRK_RANDOM_PAGES 0x2000u /* 32 MiB */
#define ABI_DYN_RANDOM_PAGES 0x10000000u /* 28 bits */

struct abi_timeval_long {
	s64 sec, usec;
};
struct abi_rusage {
	struct abi_timeval_long utime, stime;
	s64 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct abi_rusage) == 144, "getrusage(2)");
struct abi_rlimit {
	u64 cur, max;
};
struct abi_tms {
	s64 utime, stime, cutime, cstime;
};
struct abi_sysinfo {
	s64 uptime;
	u64 loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	u64 totalhigh, freehigh;
	u32 mem_unit;
};
_Static_assert(sizeof(struct abi_sysinfo) == 112, "sysinfo(2)");
struct abi_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
