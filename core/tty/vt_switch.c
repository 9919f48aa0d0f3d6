/* SPDX-License-Identifier: MIT */
/*
 * Which screen is shown, and who decides: switching, programs that want to be asked (VT_PROCESS), and the ioctls about that.
 * A switch away from such a program's screen sends it a signal and waits, as vt_core.pending, for its VT_RELDISP.
 * Locking: vt_core.lock; signals are sent, and waiters woken, after it is released.  Specification: ioctl_console(2).
 */
#include "vt_priv.h"

#include <abi/tty.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/tty_ioctl.h>

#define RELDISP_REFUSED 0
#define RELDISP_ACQUIRED 2

static void forget_owner(struct vc *vc)
{
	vc->mode = (struct vt_owner){ .mode = VT_AUTO };
}

/* False: the owner is gone. No lock held. */
static bool tell_owner(pid_t owner, int sig)
{
	struct proc *p = proc_find(owner);
	kerr_t err;

	if (!p)
		return false;
	err = sig ? signal_send_proc(p, sig, SIGINFO_KERNEL) : 0;
	proc_put(p);
	return !err;
}

static void show_locked(struct vt_core *c, unsigned index)
{
	assert_held(&c->lock);
	c->pending = -1;
	vt_history_clear(c);
	c->previous = c->foreground;
	c->foreground = index;
	vt_repaint(c);
	if (c->display->palette)
		c->display->palette(c->display, c->vc[index].palette);
}

/* After a switch, without the lock: the program on the new screen is told that it has it. */
static void shown(struct vt_core *c, unsigned index)
{
	struct vt_owner owner;
	unsigned long flags = spin_lock_irqsave(&c->lock);

	owner = c->vc[index].mode;
	spin_unlock_irqrestore(&c->lock, flags);
	vt_flush(c, false);
	vt_set_leds(&c->vc[index], c->vc[index].leds);
	if (owner.mode == VT_PROCESS && !tell_owner(owner.pid, owner.acqsig)) {
		flags = spin_lock_irqsave(&c->lock);
		if (c->vc[index].mode.pid == owner.pid)
			forget_owner(&c->vc[index]);
		spin_unlock_irqrestore(&c->lock, flags);
	}
	wake_up_all(&c->switched);
}

/* The screen's program is asked. True: the switch waits for its answer. Lock held, released and taken again. */
static bool ask_owner(struct vt_core *c, struct vc *vc, unsigned index, unsigned long *flags) REQUIRES(c->lock)
{
	struct vt_owner owner = vc->mode;
	bool told;

	c->pending = (int)index;
	spin_unlock_irqrestore(&c->lock, *flags);
	told = tell_owner(owner.pid, owner.relsig);
	*flags = spin_lock_irqsave(&c->lock);
	if (told)
		return true;
	if (vc->mode.pid == owner.pid) {
		forget_owner(vc);
		vc->graphics = false;
	}
	return false;
}

bool vt_switch(unsigned index)
{
	struct vt_core *c = vt_core();
	unsigned long flags;
	struct vc *vc;
	bool done;

	if (!c || !c->display || index >= VT_COUNT)
		return false;
	flags = spin_lock_irqsave(&c->lock);
	vc = &c->vc[c->foreground];
	if (c->locked_switch || (vc->mode.mode == VT_AUTO && vc->graphics && index != c->foreground) ||
	    (vc->mode.mode == VT_PROCESS && index != c->foreground && ask_owner(c, vc, index, &flags))) {
		spin_unlock_irqrestore(&c->lock, flags);
		return false;
	}
	done = index != c->foreground;
	if (done)
		show_locked(c, index);
	spin_unlock_irqrestore(&c->lock, flags);
	if (done)
		shown(c, index);
	return true;
}

dev_t vt_foreground_dev(void)
{
	struct vt_core *c = vt_core();

	return c && c->display ? c->vc[load_relaxed(&c->foreground)].line.dev : 0;
}

void vt_owner_reset(struct vc *vc)
{
	assert_held(&vt_core()->lock);
	forget_owner(vc);
}

/* ---- ioctls ---- */
static bool is_open(const struct vc *vc)
{
	return vc->line.tty && load_relaxed(&vc->line.tty->opens);
}

static long get_state(struct vt_core *c, unsigned long arg)
{
	struct abi_vt_stat st = { .v_active = (u16)(load_relaxed(&c->foreground) + 1), .v_state = 1 };

	for (unsigned i = 0; i < VT_COUNT; i++)
		if (is_open(&c->vc[i]))
			st.v_state |= (u16)(2u << i);
	return kerr_code(copy_out((struct abi_vt_stat __user *)arg, &st));
}

static long open_query(struct vt_core *c, unsigned long arg)
{
	int found = -1;

	for (unsigned i = 0; i < VT_COUNT && found < 0; i++)
		if (!is_open(&c->vc[i]))
			found = (int)i + 1;
	return kerr_code(put_user(found, (int __user *)arg));
}

static long activate(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg)
{
	if (!vt_may_configure(t))
		return -EPERM;
	if (arg == 0 || arg > VT_COUNT)
		return -ENXIO;
	if (cmd == VT_ACTIVATE) {
		vt_switch((unsigned)arg - 1);
		return 0;
	}
	return wait_event_interruptible(&c->switched, load_relaxed(&c->foreground) == arg - 1) ? -ERESTARTNOHAND : 0;
}

static long get_mode(struct vt_core *c, struct vc *vc, unsigned long arg)
{
	struct abi_vt_mode m = { 0 };
	unsigned long flags = spin_lock_irqsave(&c->lock);

	m.mode = (s8)vc->mode.mode;
	m.waitv = vc->mode.waitv;
	m.relsig = vc->mode.relsig;
	m.acqsig = vc->mode.acqsig;
	spin_unlock_irqrestore(&c->lock, flags);
	return kerr_code(copy_out((struct abi_vt_mode __user *)arg, &m));
}

static long set_mode(struct vt_core *c, struct tty *t, unsigned long arg)
{
	struct abi_vt_mode m;
	unsigned long flags;
	struct vc *vc = vc_of(t);

	if (!vt_may_configure(t))
		return -EPERM;
	if (copy_in(&m, (const struct abi_vt_mode __user *)arg))
		return -EFAULT;
	if ((m.mode != VT_AUTO && m.mode != VT_PROCESS) || m.relsig < 0 || m.relsig > NSIG || m.acqsig < 0 || m.acqsig > NSIG)
		return -EINVAL;
	flags = spin_lock_irqsave(&c->lock);
	vc->mode = (struct vt_owner){ .mode = (u8)m.mode, .waitv = m.waitv, .relsig = m.relsig, .acqsig = m.acqsig, .pid = current->proc->pid };
	if (vc->index == c->foreground)
		c->pending = -1;
	spin_unlock_irqrestore(&c->lock, flags);
	return 0;
}

/* The program that was asked answers; or says that it has taken over the screen. */
static long release_display(struct vt_core *c, struct tty *t, unsigned long arg)
{
	struct vc *vc = vc_of(t);
	unsigned long flags;
	int next = -1;
	long ret = 0;

	if (!vt_may_configure(t))
		return -EPERM;
	flags = spin_lock_irqsave(&c->lock);
	if (vc->mode.mode != VT_PROCESS)
		ret = -EINVAL;
	else if (c->pending < 0 || vc->index != c->foreground)
		ret = arg == RELDISP_ACQUIRED ? 0 : -EINVAL;
	else if (arg == RELDISP_REFUSED)
		c->pending = -1;
	else
		next = c->pending;
	if (next >= 0)
		show_locked(c, (unsigned)next);
	spin_unlock_irqrestore(&c->lock, flags);
	if (next >= 0)
		shown(c, (unsigned)next);
	return ret;
}

long vt_ioctl_switching(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg)
{
	switch (cmd) {
	case VT_OPENQRY:
		return open_query(c, arg);
	case VT_GETMODE:
		return get_mode(c, vc_of(t), arg);
	case VT_SETMODE:
		return set_mode(c, t, arg);
	case VT_RELDISP:
		return release_display(c, t, arg);
	case VT_GETSTATE:
		return get_state(c, arg);
	case VT_ACTIVATE:
	case VT_WAITACTIVE:
		return activate(c, t, cmd, arg);
	case VT_DISALLOCATE:
		if (arg > VT_COUNT)
			return -ENXIO;
		return arg && is_open(&c->vc[arg - 1]) ? -EBUSY : 0;
	case VT_LOCKSWITCH:
	case VT_UNLOCKSWITCH:
		if (!capable(CAP_SYS_TTY_CONFIG))
			return -EPERM;
		store_relaxed(&c->locked_switch, cmd == VT_LOCKSWITCH);
		return 0;
	}
	return -ENOIOCTLCMD;
}
