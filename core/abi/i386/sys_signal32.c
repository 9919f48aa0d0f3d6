/* SPDX-License-Identifier: MIT */
/* The signal calls of before real-time signals: sets of 32 bits (sigaction(2), "C library/kernel differences"; signal(2)). */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>

#define OLD_BITS 0xffffffffULL

struct old_sigaction {
	u32 handler, mask, flags, restorer;
};

long sys_sigaction(int sig, const void __user *act, void __user *oact)
{
	struct old_sigaction u;
	struct sigaction_k new, old;
	kerr_t err;

	if (act) {
		if (copy_from_user(&u, act, sizeof(u)))
			return -EFAULT;
		new.handler = u.handler;
		new.flags = u.flags;
		new.restorer = u.restorer;
		new.mask = u.mask;
	}
	err = do_sigaction(sig, act ? &new : NULL, oact ? &old : NULL);
	if (err || !oact)
		return kerr_code(err);
	u.handler = (u32)old.handler;
	u.mask = (u32)old.mask;
	u.flags = (u32)old.flags;
	u.restorer = (u32)old.restorer;
	return kerr_code(copy_to_user(oact, &u, sizeof(u)));
}

long sys_signal(int sig, unsigned long handler)
{
	struct sigaction_k new = { .handler = handler, .flags = SA_RESETHAND | SA_NODEFER }, old;
	kerr_t err = do_sigaction(sig, &new, &old);

	return err ? kerr_code(err) : (long)old.handler;
}

long sys_sigprocmask(int how, const void __user *uset, void __user *uold)
{
	u32 old = (u32)hal_current()->blocked, set;
	kerr_t err;

	if (uset) {
		err = copy_in(&set, (const u32 __user *)uset);
		if (!err)
			err = do_sigprocmask(how, set, OLD_BITS);
		if (err)
			return kerr_code(err);
	}
	return uold ? kerr_code(put_user(old, (u32 __user *)uold)) : 0;
}

long sys_sigpending(void __user *uset)
{
	u32 set = (u32)(signal_pending_set() & hal_current()->blocked);

	return kerr_code(put_user(set, (u32 __user *)uset));
}

/* Two unused arguments come first. */
long sys_sigsuspend(int unused1, int unused2, unsigned long mask)
{
	(void)unused1;
	(void)unused2;
	return do_sigsuspend((hal_current()->blocked & ~OLD_BITS) | mask);
}

long sys_sgetmask(void)
{
	return (long)(u32)hal_current()->blocked;
}

long sys_ssetmask(unsigned long mask)
{
	u32 old = (u32)hal_current()->blocked;

	signal_set_blocked(mask);
	return (long)old;
}
