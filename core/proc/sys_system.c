/* SPDX-License-Identifier: MIT */
/* Calls about the system as a whole: uname(2), sethostname(2), sysinfo(2), reboot(2), getrandom(2), ioprio_set(2). */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/proc.h>
#include <hal/platform.h>
#include <hal/time.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/page.h>
#include <maestro/proc.h>
#include <maestro/timer.h>
#include <maestro/uaccess.h>
#include <maestro/version.h>

#include "proc_priv.h"

long sys_newuname(void __user *out)
{
	struct proc_state *s = &kernel()->proc;
	struct abi_utsname u;
	unsigned long flags;

	memset(&u, 0, sizeof(u));
	strlcpy(u.sysname, UTS_SYSNAME, sizeof(u.sysname));
	strlcpy(u.release, UTS_RELEASE, sizeof(u.release));
	strlcpy(u.version, UTS_VERSION, sizeof(u.version));
	strlcpy(u.machine, hal_machine(), sizeof(u.machine));
	flags = spin_lock_irqsave(&s->uts_lock);
	strlcpy(u.nodename, s->nodename, sizeof(u.nodename));
	strlcpy(u.domainname, s->domainname, sizeof(u.domainname));
	spin_unlock_irqrestore(&s->uts_lock, flags);
	return kerr_code(copy_to_user(out, &u, sizeof(u)));
}

static long set_name(char *to, const void __user *name, size_t len)
{
	struct proc_state *s = &kernel()->proc;
	char buf[UTS_LEN + 1];
	unsigned long flags;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len > UTS_LEN)
		return -EINVAL;
	memset(buf, 0, sizeof(buf));
	if (copy_from_user(buf, name, len))
		return -EFAULT;
	flags = spin_lock_irqsave(&s->uts_lock);
	memcpy(to, buf, sizeof(buf));
	spin_unlock_irqrestore(&s->uts_lock, flags);
	return 0;
}

long sys_sethostname(const void __user *name, size_t len)
{
	return set_name(kernel()->proc.nodename, name, len);
}

long sys_setdomainname(const void __user *name, size_t len)
{
	return set_name(kernel()->proc.domainname, name, len);
}

long sys_sysinfo(void __user *out)
{
	struct abi_sysinfo u;
	struct mem_info m;
	unsigned long load[3];
	unsigned shift = 0;

	page_stats(&m);
	sched_loadavg(load);
	/* Sizes in bytes where they fit the words, else in pages. */
	if (sizeof(long) == 8 || m.total < 1u << (32 - PAGE_SHIFT))
		shift = PAGE_SHIFT;
	memset(&u, 0, sizeof(u));
	u.uptime = (__typeof__(u.uptime))div_u64((u64)hal_time_ns() + 999999999, 1000000000);
	for (unsigned i = 0; i < 3; i++)
		u.loads[i] = (__typeof__(u.loads[0]))load[i] << 5;
	u.totalram = (__typeof__(u.totalram))(m.total << shift);
	u.freeram = (__typeof__(u.freeram))(m.free << shift);
	u.sharedram = (__typeof__(u.sharedram))(m.shmem << shift);
	u.bufferram = (__typeof__(u.bufferram))(m.buffers << shift);
	u.totalhigh = (__typeof__(u.totalhigh))(m.high_total << shift);
	u.freehigh = (__typeof__(u.freehigh))(m.high_free << shift);
	u.procs = (u16)kernel()->proc.nr_threads;
	u.mem_unit = shift ? 1 : (u32)PAGE_SIZE;
	return kerr_code(copy_to_user(out, &u, sizeof(u)));
}

/* ---------------------------------------------------------------- reboot */

#define REBOOT_MAGIC1 0xfee1deadu
#define REBOOT_RESTART 0x01234567u
#define REBOOT_HALT 0xcdef0123u
#define REBOOT_CAD_ON 0x89abcdefu
#define REBOOT_CAD_OFF 0x00000000u
#define REBOOT_POWER_OFF 0x4321fedcu
#define REBOOT_RESTART2 0xa1b2c3d4u

static bool magic2_valid(unsigned m)
{
	return m == 672274793 || m == 85072278 || m == 369367448 || m == 537993216;
}

long sys_reboot(int magic, int magic2, unsigned cmd, const void __user *arg)
{
	(void)arg; /* RESTART2's words are for boot loaders of other machines */
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if ((unsigned)magic != REBOOT_MAGIC1 || !magic2_valid((unsigned)magic2))
		return -EINVAL;
	switch (cmd) {
	case REBOOT_RESTART:
	case REBOOT_RESTART2:
		kernel_shutdown(SHUTDOWN_RESTART);
		return 0;
	case REBOOT_HALT:
		kernel_shutdown(SHUTDOWN_HALT);
		return 0;
	case REBOOT_POWER_OFF:
		kernel_shutdown(SHUTDOWN_POWER_OFF);
		return 0;
	case REBOOT_CAD_ON:
	case REBOOT_CAD_OFF:
		kernel()->proc.ctrl_alt_del_reboots = cmd == REBOOT_CAD_ON;
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---------------------------------------------------------------- getrandom */

#define GRND_NONBLOCK 1u
#define GRND_RANDOM 2u
#define GRND_INSECURE 4u

static kerr_t wait_for_entropy(void)
{
	while (!random_ready()) {
		kerr_t err = sleep_until(hal_time_ns() + 10 * NSEC_PER_MSEC);

		if (err)
			return KERR(ERESTARTSYS);
	}
	return KERR(0);
}

long sys_getrandom(void __user *buf, size_t count, unsigned flags)
{
	u8 chunk[256];
	size_t done = 0;

	if ((flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE)) || (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if (!(flags & GRND_INSECURE) && !random_ready()) {
		kerr_t err = flags & GRND_NONBLOCK ? KERR(EAGAIN) : wait_for_entropy();

		if (err)
			return kerr_code(err);
	}
	count = MIN(count, (size_t)S32_MAX);
	while (done < count) {
		size_t n = MIN(count - done, sizeof(chunk));

		random_bytes(chunk, n);
		if (copy_to_user((u8 __user *)buf + done, chunk, n))
			return done ? (long)done : -EFAULT;
		done += n;
		if (done % PAGE_SIZE == 0) {
			if (task_signal_pending())
				break;
			cond_resched();
		}
	}
	memset(chunk, 0, sizeof(chunk));
	return (long)done;
}

/* ---------------------------------------------------------------- ioprio */

enum { IOPRIO_WHO_PROCESS = 1, IOPRIO_WHO_PGRP, IOPRIO_WHO_USER };
enum { IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE };
#define IOPRIO_CLASS(p) ((unsigned)(p) >> 13)
#define IOPRIO_LEVEL(p) ((unsigned)(p) & 0x1fff)

static kerr_t ioprio_check(int prio)
{
	switch (IOPRIO_CLASS(prio)) {
	case IOPRIO_RT:
		if (!capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
			return KERR(EPERM);
		return IOPRIO_LEVEL(prio) < 8 ? KERR(0) : KERR(EINVAL);
	case IOPRIO_BE:
		return IOPRIO_LEVEL(prio) < 8 ? KERR(0) : KERR(EINVAL);
	case IOPRIO_IDLE:
		return KERR(0);
	case IOPRIO_NONE:
		return IOPRIO_LEVEL(prio) ? KERR(EINVAL) : KERR(0);
	default:
		return KERR(EINVAL);
	}
}

static bool is_meant(const struct task *t, int which, int who)
{
	const struct task *me = hal_current();

	switch (which) {
	case IOPRIO_WHO_PROCESS:
		return who ? t->tid == who : t == me;
	case IOPRIO_WHO_PGRP:
		return t->proc->pgrp == (who ? who : me->proc->pgrp);
	default:
		return t->cred->uid == (who ? (uid_t)who : me->cred->uid);
	}
}

/* One process: what was set, or 0. Of several: what a thread works with that set nothing, by its niceness. */
static u32 ioprio_of(const struct task *t, int which)
{
	if (which == IOPRIO_WHO_PROCESS || IOPRIO_CLASS(t->ioprio))
		return t->ioprio;
	return (t->se.rt_priority ? IOPRIO_RT : IOPRIO_BE) << 13 | (u32)(t->se.nice + 20) / 5;
}

/* Sets (set true) or finds the most urgent. Tree lock held. *found: any thread was meant. */
static long ioprio_walk(int which, int who, bool set, u32 prio, bool *found)
{
	const struct cred *c = current_cred();
	long best = IOPRIO_IDLE << 13 | 7;
	struct proc *p;
	struct task *t;

	for_each_proc(p)
		list_for_each(t, &p->threads, thread_node) {

			if (!is_meant(t, which, who))
				continue;
			*found = true;
			if (!set) {
				best = MIN(best, (long)ioprio_of(t, which));
				continue;
			}
			if (t->cred->uid != c->euid && t->cred->uid != c->uid && !capable(CAP_SYS_NICE))
				return -EPERM;
			t->ioprio = prio;
		}
	return set ? 0 : best;
}

static long ioprio_call(int which, int who, bool set, int prio)
{
	bool found = false;
	unsigned long flags;
	long ret;

	if (which < IOPRIO_WHO_PROCESS || which > IOPRIO_WHO_USER)
		return -EINVAL;
	flags = tasklist_lock();
	ret = ioprio_walk(which, who, set, (u32)prio, &found);
	tasklist_unlock(flags);
	return found ? ret : -ESRCH;
}

long sys_ioprio_set(int which, int who, int ioprio)
{
	kerr_t err = ioprio_check(ioprio);

	return err ? kerr_code(err) : ioprio_call(which, who, true, ioprio);
}

long sys_ioprio_get(int which, int who)
{
	return ioprio_call(which, who, false, 0);
}
