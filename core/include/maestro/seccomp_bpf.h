/* SPDX-License-Identifier: MIT */
/* Classic BPF programs over a system call's description: the part of the machine that seccomp(2) allows. */
#pragma once

#include <maestro/assert.h>
#include <maestro/errno.h>
#include <maestro/types.h>

#define BPF_INSNS_MAX 4096u
struct bpf_insn { /* struct sock_filter */
	u16 code;
	u8 jt, jf;
	u32 k;
};
STATIC_ASSERT(sizeof(struct bpf_insn) == 8);
struct seccomp_data { /* what a program reads, word by word */
	s32 nr;
	u32 arch;
	u64 ip, args[6];
};
STATIC_ASSERT(sizeof(struct seccomp_data) == 64);

/* KERR(EINVAL): it could run on, jump out of itself, read what is not there or was not written, or has an instruction that is not for seccomp. */
kerr_t seccomp_bpf_check(const struct bpf_insn *insn, unsigned count) __must_check;
/* A checked program's result. Never sleeps; takes at most as many steps as it has instructions. */
u32 seccomp_bpf_run(const struct bpf_insn *insn, const struct seccomp_data *data);
