/* SPDX-License-Identifier: MIT */
/* i386: what programs see of signals: siginfo, sigaction, alternate stacks (sigaction(2), sigaltstack(2)). Frames are private to abi/i386/signal.c. */
#pragma once

#include <maestro/types.h>

typedef u32 abi_ptr_t;

struct abi_siginfo {
	s32 signo, err, code;
	union {
		struct {
			s32 pid;
			u32 uid;
			u32 value;
		} rt;
		struct {
			s32 pid;
			u32 uid;
			s32 status, utime, stime;
		} chld;
		struct {
			u32 addr;
		} fault;
		struct {
			s32 tid, overrun;
			u32 value;
		} timer;
		struct {
			s32 band, fd;
		} poll;
		struct {
			u32 call_addr;
			s32 syscall;
			u32 arch;
		} sys;
		u8 pad[116];
	};
};
_Static_assert(sizeof(struct abi_siginfo) == 128, "sigaction(2)");

struct abi_sigaction {
	u32 handler, flags, restorer;
	u64 mask;
};
_Static_assert(sizeof(struct abi_sigaction) == 20, "sigaction(2)");
struct abi_stack {
	u32 sp;
	s32 flags;
	u32 size;
};
#define ABI_MINSIGSTKSZ 2048u
struct abi_sigevent {
	u32 value;
	s32 signo, notify;
	s32 tid;
	s32 pad[12];
};
_Static_assert(sizeof(struct abi_sigevent) == 64, "sigevent(7)");
