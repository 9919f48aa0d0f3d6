/* SPDX-License-Identifier: MIT */
/* Structures of the process calls as programs see them: getrusage(2), getrlimit(2), times(2), sysinfo(2), uname(2). */
#pragma once

#include <abi/time.h>
#include <maestro/types.h>

struct abi_rusage {
	struct abi_timeval utime, stime;
	long maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw, nivcsw;
};
_Static_assert(sizeof(struct abi_rusage) == (sizeof(long) == 8 ? 144 : 72), "getrusage(2)");
struct abi_rlimit {
	unsigned long cur, max;
};
struct abi_tms {
	long utime, stime, cutime, cstime;
};
struct abi_sysinfo {
	long uptime;
	unsigned long loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	unsigned long totalhigh, freehigh;
	u32 mem_unit;
	char fill[20 - 2 * sizeof(long) - sizeof(u32)];
};
_Static_assert(sizeof(struct abi_sysinfo) == (sizeof(long) == 8 ? 112 : 64), "sysinfo(2)");
struct abi_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
