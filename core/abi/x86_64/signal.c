/* SPDX-License-Identifier: MIT */
/*
 * Signals, registers and clone of the x86_64 ABI, as far as they exist: only the hosted kernel speaks it, to threads of its own process. No program runs
 * in user mode there, so there is no stack to build a handler's frame on: abi_signal_frame() always says so. What remains is the result of the call.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <hal/regs_x86_64.h>
#include <maestro/abi.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/seccomp.h>
#include <maestro/seccomp_bpf.h>

bool abi_signal_frame(struct hal_regs *regs, int sig, const struct siginfo *info, const struct sigaction_k *sa, sigset_t oldmask)
{
	(void)regs;
	(void)sig;
	(void)info;
	(void)sa;
	(void)oldmask;
	return false;
}

/* The library's caller repeats a call itself: whatever was interrupted is EINTR. */
void abi_syscall_restart(struct hal_regs *regs, bool has_handler, bool sa_restart)
{
	(void)has_handler;
	(void)sa_restart;
	switch (-regs->ret) {
	case ERESTARTSYS:
	case ERESTARTNOINTR:
	case ERESTARTNOHAND:
	case ERESTART_RESTARTBLOCK:
		regs->ret = -EINTR;
		break;
	default:
		break;
	}
}

void abi_exec_regs(struct hal_regs *regs, uaddr_t entry, uaddr_t sp)
{
	memset(regs, 0, sizeof(*regs));
	regs->nr = -1;
	regs->ip = entry;
	regs->sp = sp;
}

uaddr_t abi_user_ip(const struct hal_regs *regs)
{
	return regs->ip;
}
void abi_set_user_ip(struct hal_regs *regs, uaddr_t ip)
{
	regs->ip = ip;
}
uaddr_t abi_user_sp(const struct hal_regs *regs)
{
	return regs->sp;
}
long abi_syscall_result(const struct hal_regs *regs)
{
	return regs->ret;
}
void abi_set_syscall_result(struct hal_regs *regs, long ret)
{
	regs->ret = ret;
}
/* No program runs in user mode here: there is nobody to trace. */
long abi_ptrace(struct task *t, long request, unsigned long addr, unsigned long data)
{
	(void)t;
	(void)request;
	(void)addr;
	(void)data;
	return -EIO;
}
void abi_ptrace_step(struct task *t, bool on)
{
	(void)t;
	(void)on;
}
/* Nor does a host's thread come by a filter (seccomp(2) refuses it). */
void abi_syscall_rollback(struct hal_regs *regs)
{
	regs->ret = regs->nr;
}
void abi_seccomp_data(const struct hal_regs *regs, struct seccomp_data *d)
{
	*d = (struct seccomp_data){ .nr = (s32)regs->nr };
}
/* And nobody who could dump core. */
void abi_core_status(struct seq_buf *s, struct task *t, int sig, const struct siginfo *info)
{
	(void)s;
	(void)t;
	(void)sig;
	(void)info;
}
void abi_core_process(struct seq_buf *s, struct task *t)
{
	(void)s;
	(void)t;
}
void abi_core_registers(struct seq_buf *s, struct task *t)
{
	(void)s;
	(void)t;
}
bool abi_in_syscall(const struct hal_regs *regs)
{
	return regs->nr >= 0;
}

/* hal_context_fork() refuses a host's thread before this is asked. */
kerr_t abi_clone_regs(struct task *child, const struct clone_args *args)
{
	(void)child;
	(void)args;
	return KERR(ENOSYS);
}

/* clone(flags, stack, parent_tid, child_tid, tls) */
long sys_clone(unsigned long flags, unsigned long stack, void __user *parent_tid, void __user *child_tid, unsigned long tls)
{
	struct clone_args a = {
		.flags = flags & ~0xffUL,
		.exit_signal = (int)(flags & 0xff),
		.stack = stack,
		.parent_tid_ptr = (uaddr_t)parent_tid,
		.pidfd_ptr = (uaddr_t)parent_tid, /* CLONE_PIDFD takes its place: not both */
		.child_tid_ptr = (uaddr_t)child_tid,
		.tls = tls,
	};

	if (a.exit_signal > NSIG)
		return -EINVAL;
	return do_clone(&a);
}
