/* SPDX-License-Identifier: MIT */
/* prctl(2), personality(2), unshare(2). Options for things that do not exist here (MCE policies, ...) fail with EINVAL, as prctl(2) has it. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/seccomp.h>
#include <maestro/sysv.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "prctl_priv.h"

enum { PR_SET_PDEATHSIG = 1, PR_GET_PDEATHSIG, PR_GET_DUMPABLE, PR_SET_DUMPABLE, PR_GET_KEEPCAPS = 7, PR_SET_KEEPCAPS, PR_GET_TIMING = 13, PR_SET_TIMING,
       PR_SET_NAME, PR_GET_NAME, PR_GET_SECCOMP = 21, PR_SET_SECCOMP, PR_CAPBSET_READ = 23, PR_CAPBSET_DROP, PR_GET_SECUREBITS = 27, PR_SET_SECUREBITS, PR_SET_TIMERSLACK, PR_GET_TIMERSLACK,
       PR_SET_CHILD_SUBREAPER = 36, PR_GET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_THP_DISABLE = 42, PR_CAP_AMBIENT = 47 };
#define TIMER_SLACK_DEFAULT 50000u

static long set_name(const char __user *name)
{
	struct task *t = hal_current();
	char buf[sizeof(t->comm)];
	ssize_t n = hal_strncpy_from_user(buf, name, sizeof(buf) - 1);

	if (n < 0)
		return -EFAULT;
	buf[MIN((size_t)n, sizeof(buf) - 1)] = 0;
	memset(t->comm, 0, sizeof(t->comm));
	strlcpy(t->comm, buf, sizeof(t->comm));
	return 0;
}

static long set_pdeathsig(unsigned long sig)
{
	if (sig > NSIG)
		return -EINVAL;
	hal_current()->pdeath_signal = (u8)sig;
	return 0;
}

static long prctl_mm(int option, unsigned long arg)
{
	struct mm *mm = hal_current()->mm;

	if (!mm)
		return -EINVAL;
	if (option == PR_GET_DUMPABLE)
		return mm->dumpable;
	if (arg > 1)
		return -EINVAL;
	mm->dumpable = (u8)arg;
	return 0;
}

long sys_prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5)
{
	struct task *t = hal_current();

	switch (option) {
	case PR_SET_PDEATHSIG:
		return set_pdeathsig(arg2);
	case PR_GET_PDEATHSIG:
		return kerr_code(put_user((int)t->pdeath_signal, (int __user *)arg2));
	case PR_GET_DUMPABLE:
	case PR_SET_DUMPABLE:
		return prctl_mm(option, arg2);
	case PR_GET_KEEPCAPS:
		return !!(current_cred()->securebits & SECURE_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return prctl_keepcaps_set(arg2);
	case PR_GET_TIMING:
		return 0; /* statistical */
	case PR_SET_TIMING:
		return arg2 ? -EINVAL : 0;
	case PR_SET_NAME:
		return set_name((const char __user *)arg2);
	case PR_GET_NAME:
		return kerr_code(copy_to_user((void __user *)arg2, t->comm, sizeof(t->comm)));
	case PR_GET_SECCOMP:
		return t->seccomp_mode;
	case PR_SET_SECCOMP:
		return seccomp_prctl(arg2, (const void __user *)arg3);
	case PR_CAPBSET_READ:
		return prctl_capbset_read(arg2);
	case PR_CAPBSET_DROP:
		return prctl_capbset_drop(arg2);
	case PR_GET_SECUREBITS:
		return current_cred()->securebits;
	case PR_SET_SECUREBITS:
		return prctl_securebits_set(arg2);
	case PR_SET_TIMERSLACK:
		t->timer_slack = (long)arg2 > 0 ? arg2 : TIMER_SLACK_DEFAULT;
		return 0;
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack;
	case PR_SET_CHILD_SUBREAPER:
		t->proc->is_subreaper = arg2;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return kerr_code(put_user((int)t->proc->is_subreaper, (int __user *)arg2));
	case PR_SET_NO_NEW_PRIVS:
		return arg2 != 1 || arg3 || arg4 || arg5 ? -EINVAL : prctl_no_new_privs_set();
	case PR_GET_NO_NEW_PRIVS:
		return arg2 || arg3 || arg4 || arg5 ? -EINVAL : hal_current()->no_new_privs;
	case PR_GET_THP_DISABLE:
		return arg2 || arg3 || arg4 || arg5 ? -EINVAL : 1; /* there are none */
	case PR_CAP_AMBIENT:
		return arg4 || arg5 ? -EINVAL : prctl_ambient(arg2, arg3);
	default:
		return -EINVAL;
	}
}

long sys_personality(unsigned long persona)
{
	struct proc *p = hal_current()->proc;
	long old = (long)p->personality;

	if (persona != 0xffffffff)
		p->personality = (u32)persona;
	return old;
}

#define UNSHARE_NAMESPACES (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)
#define UNSHARE_KNOWN (CLONE_THREAD | CLONE_FS | CLONE_SIGHAND | CLONE_VM | CLONE_FILES | CLONE_SYSVSEM | UNSHARE_NAMESPACES)

long sys_unshare(unsigned long flags)
{
	struct task *t = hal_current();
	struct files *files = NULL;
	struct fs_ctx *fs = NULL;
	kerr_t err = KERR(0);

	if ((flags & ~UNSHARE_KNOWN) || (flags & UNSHARE_NAMESPACES)) /* no namespaces here */
		return -EINVAL;
	if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) &&
	    (t->proc->nthreads > 1 || ((flags & CLONE_VM) && atomic_read(&t->mm->users) > 1)))
		return -EINVAL;
	if ((flags & CLONE_FS) && atomic_read(&t->fs->refs) > 1)
		err = fs_ctx_dup(t->fs, &fs);
	if (!err && (flags & CLONE_FILES) && atomic_read(&t->files->refs) > 1)
		err = files_dup(t->files, &files);
	if (err) {
		if (fs)
			fs_ctx_put(fs);
		return kerr_code(err);
	}
	if (flags & CLONE_SYSVSEM)
		sem_exit(t); /* as at its end */
	if (fs) {
		struct fs_ctx *old = t->fs;

		t->fs = fs;
		fs_ctx_put(old);
	}
	if (files) {
		struct files *old = t->files;

		t->files = files;
		files_put(old);
	}
	return 0;
}
