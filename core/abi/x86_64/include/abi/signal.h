/* SPDX-License-Identifier: MIT */
/* x86_64: what programs see of signals: siginfo, sigaction, alternate stacks (sigaction(2), sigaltstack(2)). */
#pragma once

#include <maestro/types.h>

typedef u64 abi_ptr_t;

struct abi_siginfo {
	s32 signo, err, code, gap;
	union {
		struct {
			s32 pid;
			u32 uid;
			u64 value;
		} rt;
		struct {
			s32 pid;
			u32 uid;
			s32 status, gap;
			s64 utime, stime;
		} chld;
		struct {
			u64 addr;
		} fault;
		struct {
			s32 tid, overrun;
			u64 value;
		} timer;
		struct {
			s64 band;
			s32 fd;
		} poll;
		struct {
			u64 call_addr;
			s32 syscall;
			u32 arch;
		} sys;
		u8 pad[112];
	};
};
_Static_assert(sizeof(struct abi_siginfo) == 128, "sigaction(2)");

struct abi_sigaction {
	u64 handler, flags, restorer, mask;
};
_Static_assert(sizeof(struct abi_sigaction) == 32, "sigaction(2)");
struct abi_stack {
	u64 sp;
	s32 flags;
	u64 size;
};
_Static_assert(sizeof(struct abi_stack) == 24, "sigaltstack(2)");
#define ABI_MINSIGSTKSZ 2048u
struct abi_sigevent {
	u64 value;
	s32 signo, notify;
	s32 tid;
	s32 pad[11];
};
_Static_assert(sizeof(struct abi_sigevent) == 64, "sigevent(7)");
