/* SPDX-License-Identifier: MIT */
/*
 * Interval timers (getitimer(2)) and the CPU time limit. ITIMER_REAL is proc.real_timer, whose function is itimer_real_fire(); VIRTUAL and PROF count
 * down as the tick charges CPU time, so they have its resolution.
 *
 * Locking: sighand.lock of the group, irqsave.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "../sched/sched_impl.h"

#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/posix_timer.h>
#include <maestro/proc.h>
#include <maestro/time_user.h>

#define ITIMER_REAL 0
#define ITIMER_PROF 2

struct itimer_ns {
	s64 value, interval; /* value 0: not running */
};

static struct itimer_ns read_locked(struct proc *p, int which)
{
	struct itimer_ns it;

	if (which != ITIMER_REAL) {
		it.value = (s64)p->cpu_timer[which - 1].value;
		it.interval = (s64)p->cpu_timer[which - 1].interval;
		return it;
	}
	it.value = 0;
	if (timer_queued(&p->real_timer)) {
		it.value = p->real_timer.deadline - hal_time_ns();
		if (it.value <= 0)
			it.value = NSEC_PER_USEC; /* due any moment; 0 would say that it does not run */
	}
	it.interval = p->real_interval;
	return it;
}

static struct itimer_ns set_timer(int which, const struct itimer_ns *new)
{
	struct proc *p = hal_current()->proc;
	struct spinlock *lock = &hal_current()->sighand->lock;
	unsigned long flags = spin_lock_irqsave(lock);
	struct itimer_ns old = read_locked(p, which);

	if (!new) {
		spin_unlock_irqrestore(lock, flags);
		return old;
	}
	if (which == ITIMER_REAL) {
		/* its function takes this lock: it must not be waited for inside */
		p->real_interval = 0;
		spin_unlock_irqrestore(lock, flags);
		timer_cancel_sync(&p->real_timer);
		flags = spin_lock_irqsave(lock);
		p->real_interval = new->value ? new->interval : 0;
		if (new->value) {
			ktime_t now = hal_time_ns();

			timer_start(&p->real_timer, new->value > S64_MAX - now ? S64_MAX : now + new->value);
		}
	} else {
		p->cpu_timer[which - 1].value = (u64)new->value;
		p->cpu_timer[which - 1].interval = (u64)new->interval;
	}
	spin_unlock_irqrestore(lock, flags);
	return old;
}

static kerr_t put_itimer(struct itimer_ns it, void __user *p)
{
	struct timespec64 v = ns_to_timespec(it.value), i = ns_to_timespec(it.interval);
	struct abi_itimerval u = { .interval = { (abi_time_t)i.sec, i.nsec / 1000 }, .value = { (abi_time_t)v.sec, v.nsec / 1000 } };

	return copy_out(p, &u);
}

long sys_getitimer(int which, void __user *value)
{
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	return put_itimer(set_timer(which, NULL), value) ? -EFAULT : 0;
}

static bool timeval_ns(const struct abi_timeval *t, s64 *ns)
{
	struct timespec64 ts = { t->sec, 0 };

	if (t->sec < 0 || t->usec < 0 || t->usec >= 1000000)
		return false;
	*ns = timespec_to_ns(ts);
	if (*ns != S64_MAX)
		*ns += (s64)t->usec * 1000;
	return true;
}

long sys_setitimer(int which, const void __user *new, void __user *old)
{
	struct abi_itimerval u = { 0 };
	struct itimer_ns it, was;

	if (new && copy_in(&u, new))
		return -EFAULT;
	/* a NULL here is an old bug of programs that Linux forgives: it stops the timer */
	if (!timeval_ns(&u.value, &it.value) || !timeval_ns(&u.interval, &it.interval) || which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	was = set_timer(which, &it);
	return old && put_itimer(was, old) ? -EFAULT : 0;
}

long sys_alarm(unsigned seconds)
{
	struct itimer_ns it = { (s64)seconds * NSEC_PER_SEC, 0 }, was = set_timer(ITIMER_REAL, &it);
	struct timespec64 left = ns_to_timespec(was.value);

	/* rounded, but never to the 0 that says there was none */
	if ((!left.sec && left.nsec) || left.nsec >= NSEC_PER_SEC / 2)
		left.sec++;
	return (long)left.sec;
}

static bool count_down(struct itimer_cpu *it, u64 ns)
{
	if (!it->value)
		return false;
	if (it->value > ns) {
		it->value -= ns;
		return false;
	}
	it->value = it->interval;
	return true;
}

static void check_cpu_limit(struct proc *p)
{
	u64 seconds = div_u64(sched_proc_runtime(p), NSEC_PER_SEC);
	struct rlimit64 *lim = &p->rlim[RLIMIT_CPU];
	kerr_t err = KERR(0);

	if (seconds >= lim->max) {
		err = signal_send_proc(p, SIGKILL, SIGINFO_KERNEL);
	} else if (seconds >= lim->cur) {
		/* once a second from then on, as Linux does */
		lim->cur = seconds + 1;
		err = signal_send_proc(p, SIGXCPU, SIGINFO_KERNEL);
	}
	(void)err; /* neither is a real-time signal, which alone can fail */
}

void itimer_cpu_tick(void)
{
	struct task *t = hal_current();
	struct proc *p = t->proc;
	/* What was charged since the last tick, at switches and by calls that read CPU clocks too. */
	u64 user = t->utime - t->se.tick_utime, all = t->se.sum_exec - t->se.tick_exec;
	bool virtual = false, prof = false;
	kerr_t err = KERR(0);

	t->se.tick_utime = t->utime;
	t->se.tick_exec = t->se.sum_exec;

	if (t->flags & TASK_EXITING)
		return;
	if (unlikely(p->cpu_timer[0].value | p->cpu_timer[1].value)) {
		unsigned long flags = spin_lock_irqsave(&t->sighand->lock);

		virtual = count_down(&p->cpu_timer[0], user);
		prof = count_down(&p->cpu_timer[1], all);
		spin_unlock_irqrestore(&t->sighand->lock, flags);
		if (virtual)
			err = signal_send_proc(p, SIGVTALRM, SIGINFO_KERNEL);
		if (prof)
			err = signal_send_proc(p, SIGPROF, SIGINFO_KERNEL);
		(void)err; /* see above */
	}
	if (unlikely(load_relaxed(&p->cpu_clock_timers)))
		posix_timers_tick(t);
	if (unlikely(p->rlim[RLIMIT_CPU].cur != RLIM_INFINITY))
		check_cpu_limit(p);
}
