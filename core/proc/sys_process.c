/* SPDX-License-Identifier: MIT */
/* The calls that make, replace, end and await processes: fork(2), clone3(2), execve(2), _exit(2), wait4(2), waitid(2). clone(2) is in core/abi. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/proc.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "proc_priv.h"

#define CSIGNAL 0xffu
/* struct clone_args of clone(2); versions end where the sizes say. */
struct abi_clone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#define CLONE_ARGS_SIZE_VER0 64

long sys_fork(void)
{
	struct clone_args a = { .exit_signal = SIGCHLD };

	return do_clone(&a);
}

long sys_vfork(void)
{
	struct clone_args a = { .flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD };

	return do_clone(&a);
}

long sys_clone3(const void __user *uargs, size_t size)
{
	struct abi_clone_args u;
	struct clone_args a;
	kerr_t err;

	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	err = copy_struct_from_user(&u, sizeof(u), uargs, size);
	if (err)
		return kerr_code(err);
	if ((u.flags & (CSIGNAL | CLONE_DETACHED)) || (u.flags >> 33))
		return -EINVAL;
	if (u.exit_signal > NSIG || ((u.flags & (CLONE_THREAD | CLONE_PARENT)) && u.exit_signal))
		return -EINVAL;
	if (!u.stack != !u.stack_size || u.stack > HAL_USER_END || u.stack_size > HAL_USER_END - u.stack)
		return -EINVAL;
	if (!u.set_tid != !u.set_tid_size)
		return -EINVAL;
	memset(&a, 0, sizeof(a));
	a.flags = u.flags;
	a.pidfd_ptr = u.pidfd;
	a.child_tid_ptr = u.child_tid;
	a.parent_tid_ptr = u.parent_tid;
	a.exit_signal = (int)u.exit_signal;
	a.stack = u.stack + u.stack_size;
	a.tls = u.tls;
	a.set_tid_ptr = u.set_tid;
	a.set_tid_size = u.set_tid_size;
	return do_clone(&a);
}

long sys_execveat(int dirfd, const char __user *path, const void __user *argv, const void __user *envp, int flags)
{
	struct exec_strings a = { .user = argv }, e = { .user = envp };
	char *name;
	kerr_t err = getname(path, (unsigned)flags & AT_EMPTY_PATH, &name);

	if (err)
		return kerr_code(err);
	err = do_execve(dirfd, name, a, e, flags);
	putname(name);
	return kerr_code(err);
}

long sys_execve(const char __user *path, const void __user *argv, const void __user *envp)
{
	return sys_execveat(AT_FDCWD, path, argv, envp, 0);
}

long sys_exit(int code)
{
	do_exit((code & 0xff) << 8);
}

long sys_exit_group(int code)
{
	do_group_exit((code & 0xff) << 8);
}

/* ---------------------------------------------------------------- wait */

#define WNOHANG 1u
#define WUNTRACED 2u
#define WEXITED 4u
#define WCONTINUED 8u
#define WNOWAIT 0x01000000u
#define WNOTHREAD 0x20000000u
#define WALL 0x40000000u
#define WCLONE 0x80000000u

static void fill_rusage(struct abi_rusage *to, const struct rusage_k *from)
{
	u32 rem;

	memset(to, 0, sizeof(*to));
	to->utime.sec = (__typeof__(to->utime.sec))div_u64_rem(from->utime, 1000000000, &rem);
	to->utime.usec = rem / 1000;
	to->stime.sec = (__typeof__(to->stime.sec))div_u64_rem(from->stime, 1000000000, &rem);
	to->stime.usec = rem / 1000;
	to->maxrss = (__typeof__(to->maxrss))from->maxrss;
	to->minflt = (__typeof__(to->minflt))from->minflt;
	to->majflt = (__typeof__(to->majflt))from->majflt;
	to->nvcsw = (__typeof__(to->nvcsw))from->nvcsw;
	to->nivcsw = (__typeof__(to->nivcsw))from->nivcsw;
	to->inblock = (__typeof__(to->inblock))from->inblock;
	to->oublock = (__typeof__(to->oublock))from->oublock;
}

static kerr_t rusage_to_user(void __user *dst, const struct rusage_k *from)
{
	struct abi_rusage u;

	fill_rusage(&u, from);
	return copy_to_user(dst, &u, sizeof(u));
}

long sys_getrusage(int who, void __user *out)
{
	struct task *t = hal_current();
	struct rusage_k u;
	unsigned long flags;

	switch (who) {
	case 0: /* RUSAGE_SELF */
		flags = tasklist_lock();
		rusage_of_proc(t->proc, &u);
		tasklist_unlock(flags);
		break;
	case -1: /* RUSAGE_CHILDREN */
		flags = tasklist_lock();
		u = t->proc->children_dead;
		tasklist_unlock(flags);
		break;
	case 1: /* RUSAGE_THREAD */
		rusage_of_task(t, &u);
		break;
	default:
		return -EINVAL;
	}
	return kerr_code(rusage_to_user(out, &u));
}

long sys_times(void __user *out)
{
	struct proc *p = hal_current()->proc;
	struct rusage_k u;
	struct abi_tms tms;
	unsigned long flags;

	if (out) {
		flags = tasklist_lock();
		rusage_of_proc(p, &u);
		tms.cutime = (__typeof__(tms.cutime))div_u64(p->children_dead.utime, 10000000);
		tms.cstime = (__typeof__(tms.cstime))div_u64(p->children_dead.stime, 10000000);
		tasklist_unlock(flags);
		tms.utime = (__typeof__(tms.utime))div_u64(u.utime, 10000000);
		tms.stime = (__typeof__(tms.stime))div_u64(u.stime, 10000000);
		if (copy_to_user(out, &tms, sizeof(tms)))
			return -EFAULT;
	}
	return (long)div_u64((u64)ktime_get(), 10000000);
}

long sys_wait4(pid_t pid, void __user *status, int options, void __user *rusage)
{
	struct rusage_k usage;
	int st = 0;
	struct wait_args a = { .options = (unsigned)options | WEXITED, .status = &st, .usage = rusage ? &usage : NULL };
	long ret;

	if ((unsigned)options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL))
		return -EINVAL;
	if (pid == (pid_t)0x80000000)
		return -ESRCH;
	if (pid < -1) {
		a.idtype = 2;
		a.id = -pid;
	} else if (pid == 0) {
		a.idtype = 2;
		a.id = hal_current()->proc->pgrp;
	} else if (pid > 0) {
		a.idtype = 1;
		a.id = pid;
	}
	ret = do_wait(&a);
	if (ret > 0) {
		if (status && put_user(st, (int __user *)status))
			return -EFAULT;
		if (rusage && rusage_to_user(rusage, &usage))
			return -EFAULT;
	}
	return ret;
}

long sys_waitpid(pid_t pid, void __user *status, int options)
{
	return sys_wait4(pid, status, options, NULL);
}

long sys_waitid(int idtype, pid_t id, void __user *info, int options, void __user *rusage)
{
	struct rusage_k usage;
	struct siginfo si;
	struct wait_args a = { .idtype = idtype, .id = id, .options = (unsigned)options, .info = &si, .usage = rusage ? &usage : NULL };
	struct proc *p = NULL;
	u32 fd_flags = 0;
	long ret;

	if ((unsigned)options & ~(WNOHANG | WNOWAIT | WEXITED | WUNTRACED | WCONTINUED | WNOTHREAD | WCLONE | WALL))
		return -EINVAL;
	if (!((unsigned)options & (WEXITED | WUNTRACED | WCONTINUED)))
		return -EINVAL;
	if (idtype < 0 || idtype > 3 || (idtype == 3 && id < 0))
		return -EINVAL;
	if ((idtype == 1 && id <= 0) || (idtype == 2 && id < 0))
		return -EINVAL;
	if (idtype == 2 && !id)
		a.id = hal_current()->proc->pgrp;
	if (idtype == 3) { /* P_PIDFD */
		p = pidfd_get(id, &fd_flags);
		if (!p)
			return -EBADF;
		a.proc = p;
		if (fd_flags & O_NONBLOCK)
			a.options |= WNOHANG;
	}
	memset(&si, 0, sizeof(si));
	ret = do_wait(&a);
	if (p)
		proc_put(p);
	if (!ret && (fd_flags & O_NONBLOCK) && !((unsigned)options & WNOHANG))
		ret = -EAGAIN;
	if (ret > 0 && rusage && rusage_to_user(rusage, &usage))
		return -EFAULT;
	if (info && siginfo_to_user(info, &si)) /* zeros if there was nothing, even on an error, as on Linux */
		return -EFAULT;
	return MIN(ret, 0L);
}
