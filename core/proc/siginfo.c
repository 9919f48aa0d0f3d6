/* SPDX-License-Identifier: MIT */
/*
 * siginfo between the kernel's form and the program's (sigaction(2), "The siginfo_t argument"). Which member of the union counts follows from
 * signal and code: codes below 0 and SI_USER come from programs, positive ones from the kernel and by signal.
 */
#include <abi/signal.h>
#include <maestro/lib.h>
#include <maestro/signal.h>
#include <maestro/uaccess.h>

#define PTR(x) ((abi_ptr_t)(x))

static void poll_to_abi(struct abi_siginfo *to, const struct siginfo *from)
{
	to->poll.band = (__typeof__(to->poll.band))from->poll.band;
	to->poll.fd = from->poll.fd;
}

static void kernel_to_abi(struct abi_siginfo *to, const struct siginfo *from)
{
	switch (from->signo) {
	case SIGCHLD:
		to->chld.pid = from->chld.pid;
		to->chld.uid = from->chld.uid;
		to->chld.status = from->chld.status;
		to->chld.utime = (__typeof__(to->chld.utime))from->chld.utime;
		to->chld.stime = (__typeof__(to->chld.stime))from->chld.stime;
		break;
	case SIGILL:
	case SIGFPE:
	case SIGSEGV:
	case SIGBUS:
	case SIGTRAP:
		to->fault.addr = PTR(from->fault.addr);
		break;
	case SIGSYS:
		to->sys.call_addr = PTR(from->sys.call_addr);
		to->sys.syscall = from->sys.syscall;
		to->sys.arch = from->sys.arch;
		break;
	default: /* SIGIO, or what F_SETSIG put in its place */
		poll_to_abi(to, from);
	}
}

void siginfo_to_abi(struct abi_siginfo *to, const struct siginfo *from)
{
	memset(to, 0, sizeof(*to));
	to->signo = from->signo;
	to->err = from->err;
	to->code = from->code;
	if (from->code > 0 && from->code < SI_KERNEL) {
		kernel_to_abi(to, from);
	} else if (from->code == SI_TIMER) {
		to->timer.tid = from->timer.timer_id;
		to->timer.overrun = from->timer.overrun;
		to->timer.value = PTR(from->timer.value);
	} else if (from->code == SI_SIGIO) {
		poll_to_abi(to, from);
	} else if (from->code != SI_KERNEL) {
		to->rt.pid = from->user.pid;
		to->rt.uid = from->user.uid;
		to->rt.value = PTR(from->user.value);
	}
}

kerr_t siginfo_to_user(void __user *dst, const struct siginfo *info)
{
	struct abi_siginfo u;

	siginfo_to_abi(&u, info);
	return copy_to_user(dst, &u, sizeof(u));
}

kerr_t siginfo_from_user(struct siginfo *info, const void __user *src)
{
	struct abi_siginfo u;
	kerr_t err = copy_from_user(&u, src, sizeof(u));

	if (err)
		return err;
	memset(info, 0, sizeof(*info));
	info->signo = u.signo;
	info->err = u.err;
	info->code = u.code;
	if (u.code == SI_TIMER) {
		info->timer.timer_id = u.timer.tid;
		info->timer.overrun = u.timer.overrun;
		info->timer.value = u.timer.value;
	} else {
		info->user.pid = u.rt.pid;
		info->user.uid = u.rt.uid;
		info->user.value = u.rt.value;
	}
	return KERR(0);
}
