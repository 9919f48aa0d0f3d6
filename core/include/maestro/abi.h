/* SPDX-License-Identifier: MIT */
/* What the generic core asks of the ABI it is built with (core/abi/<arch>). */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

struct hal_regs;
struct mm;
struct clone_args;
struct task;

/* Maps the vDSO (and its data page) into a new program's space, sets mm->vdso; without one: 0 and mm->vdso stays 0. mm.lock not held. */
kerr_t abi_vdso_map(struct mm *mm) __must_check;
kerr_t abi_vdso_init(void) __must_check;
/* Addresses inside the mapped vDSO; 0 if there is none. */
uaddr_t abi_vdso_sigreturn(const struct mm *mm, bool rt);
uaddr_t abi_vdso_sysinfo(const struct mm *mm); /* AT_SYSINFO */
/* The clock changed: rewrites the vDSO's data. wall_offset: ns from monotonic time to the time of day. Called under the clock's write lock. */
void abi_vdso_update(s64 wall_offset);
/* Registers of a fresh program. */
void abi_exec_regs(struct hal_regs *regs, uaddr_t entry, uaddr_t sp);
/* clone: the child's stack pointer and TLS from the arguments. KERR(EFAULT), KERR(EINVAL). */
kerr_t abi_clone_regs(struct task *child, const struct clone_args *args) __must_check;
uaddr_t abi_user_ip(const struct hal_regs *regs);
void abi_set_user_ip(struct hal_regs *regs, uaddr_t ip);
uaddr_t abi_user_sp(const struct hal_regs *regs);
long abi_syscall_result(const struct hal_regs *regs);
void abi_set_syscall_result(struct hal_regs *regs, long ret);
/* ptrace(2) on the registers of t, which is stopped: the requests that know them. 0 or more, or -errno; -EIO: unknown. */
long abi_ptrace(struct task *t, long request, unsigned long addr, unsigned long data);
void abi_ptrace_step(struct task *t, bool on); /* t traps after its next instruction */
/* Core dumps: appends a thread's status (info: the signal the group dies of), its process's description, its other registers, each with core_note(). */
struct seq_buf;
struct siginfo;
void abi_core_status(struct seq_buf *s, struct task *t, int sig, const struct siginfo *info);
void abi_core_process(struct seq_buf *s, struct task *t);
void abi_core_registers(struct seq_buf *s, struct task *t);
void core_note(struct seq_buf *s, const char *name, unsigned type, const void *data, size_t size); /* core/proc/core_elf.c */
bool abi_in_syscall(const struct hal_regs *regs); /* this entry was a system call that has not been restarted */
