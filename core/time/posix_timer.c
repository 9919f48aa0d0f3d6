/* SPDX-License-Identifier: MIT */
/*
 * POSIX timers (timer_create(2), timer_settime(2), timer_getoverrun(2)).
 *
 * A timer brings its own struct sigqueue, so that it cannot fail to signal. While that waits to be taken the timer rests: the next interval starts when
 * the signal is taken (posix_timer_taken), and the intervals that went by since are the overrun. Timers on CPU clocks are looked at by the tick.
 *
 * Locking: sighand.lock of the process. A timer's function takes it, so a timer is cancelled outside the lock; the counts of references keep it.
 */
#include "../sched/sched_impl.h"

#include <hal/time.h>
#include <maestro/cred.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/posix_timer.h>
#include <maestro/proc.h>
#include <maestro/slab.h>

#define RESTART_MIN 4000000 /* ns: an ignored signal's timer goes on by itself, and no faster than a tick */

struct posix_timer {
	/* [c] */
	int id, clock, notify;
	bool cpu_clock;
	struct proc *proc;	/* outlives it */
	struct task *target;	/* SIGEV_THREAD_ID, a reference; or NULL: the group */
	struct task *measured;	/* whose CPU clock, a reference; NULL: the group's */
	struct sigqueue *queue; /* NULL: SIGEV_NONE */
	struct atomic refs;	/* [a] */
	/* [sighand.lock] */
	struct list node;
	s64 deadline, interval; /* ns of hal_time_ns() or of the CPU clock; interval 0: once */
	bool armed;		/* the deadline is to come */
	bool real;		/* the deadline is a time of day: it moves when the clock is set */
	bool waiting;		/* the signal is sent and not taken yet */
	u32 cycle;		/* names the signal that was sent last; never 0 */
	int overrun;		/* of the last signal taken */
	struct timer timer;
};

static void timer_put(struct posix_timer *pt)
{
	if (!atomic_dec_and_test(&pt->refs))
		return;
	if (pt->target)
		task_put(pt->target);
	if (pt->measured)
		task_put(pt->measured);
	kfree(pt);
}

static struct posix_timer *timer_find_locked(struct proc *p, int id)
{
	struct posix_timer *pt;

	list_for_each(pt, &p->posix_timers, node)
		if (pt->id == id) {
			atomic_inc(&pt->refs);
			return pt;
		}
	return NULL;
}

/* Of current's process, with a reference; or NULL. */
static struct posix_timer *timer_find(int id)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	struct posix_timer *pt = timer_find_locked(t->proc, id);

	sighand_unlock(s, flags);
	return pt;
}

/* Not under sighand.lock. */
static s64 timer_now(const struct posix_timer *pt)
{
	if (!pt->cpu_clock)
		return hal_time_ns();
	return (s64)(pt->measured ? sched_task_runtime(pt->measured) : sched_proc_runtime(pt->proc));
}

/* ---------------------------------------------------------------- going off */

/* Moves the deadline on to the first that is later than now. The intervals passed. */
static u64 forward(struct posix_timer *pt, s64 now)
{
	u64 n = 1;

	if (now >= pt->deadline && now - pt->deadline >= pt->interval)
		n += div64_u64((u64)(now - pt->deadline), (u64)pt->interval);
	pt->deadline += (s64)n * pt->interval;
	return n;
}

static void arm(struct posix_timer *pt)
{
	pt->armed = true;
	if (pt->queue && !pt->cpu_clock)
		timer_start(&pt->timer, pt->deadline);
}

/* sighand.lock held. t: a thread of the group, or the target. */
static void expire(struct posix_timer *pt, struct task *t, s64 now)
{
	if (!pt->armed)
		return; /* set anew meanwhile */
	pt->armed = false;
	if (++pt->cycle == 0)
		pt->cycle = 1;
	pt->queue->info.timer.cycle = pt->cycle;
	pt->queue->info.timer.overrun = 0;
	if (signal_send_timer(t, pt->queue, !pt->target)) {
		pt->waiting = true;
	} else if (pt->interval) {
		(void)forward(pt, MAX(now, pt->deadline + RESTART_MIN - pt->interval));
		arm(pt);
	}
}

static void timer_fire(struct timer *timer)
{
	struct posix_timer *pt = container_of(timer, struct posix_timer, timer);
	unsigned long flags = tasklist_lock(), sflags;
	struct task *leader = pt->proc->leader;

	if (leader) {
		struct sighand *s = sighand_lock(leader, &sflags);

		if (!pt->target || !(pt->target->flags & TASK_EXITING))
			expire(pt, pt->target ? pt->target : leader, hal_time_ns());
		sighand_unlock(s, sflags);
	}
	tasklist_unlock(flags);
}

static void move_locked(struct posix_timer *pt, s64 delta)
{
	if (!pt->real)
		return;
	pt->deadline -= delta;
	if (pt->armed)
		arm(pt);
}

void posix_timers_clock_moved(s64 delta)
{
	unsigned long flags = tasklist_lock(), sflags;
	struct posix_timer *pt;
	struct proc *p;

	for_each_proc(p) {
		struct sighand *s;

		if (!p->leader || list_empty(&p->posix_timers))
			continue;
		s = sighand_lock(p->leader, &sflags);
		list_for_each(pt, &p->posix_timers, node)
			move_locked(pt, delta);
		sighand_unlock(s, sflags);
	}
	tasklist_unlock(flags);
}

void posix_timers_tick(struct task *t)
{
	struct proc *p = t->proc;
	s64 all = (s64)sched_proc_runtime(p);
	struct posix_timer *pt;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	list_for_each(pt, &p->posix_timers, node) {
		s64 now;

		if (!pt->cpu_clock || !pt->armed || !pt->queue)
			continue;
		now = pt->measured ? (s64)sched_task_runtime(pt->measured) : all;
		if (now >= pt->deadline && (!pt->target || !(pt->target->flags & TASK_EXITING)))
			expire(pt, pt->target ? pt->target : t, now);
	}
	sighand_unlock(s, flags);
}

void posix_timer_taken(struct siginfo *info)
{
	struct posix_timer *pt = timer_find(info->timer.timer_id);
	unsigned long flags;
	struct sighand *s;
	s64 now;

	if (!pt)
		return;
	now = timer_now(pt);
	s = sighand_lock(hal_current(), &flags);
	if (pt->waiting && pt->cycle == info->timer.cycle) {
		pt->waiting = false;
		pt->overrun = 0;
		if (pt->interval) {
			u64 n = forward(pt, now) - 1;

			pt->overrun = n > S32_MAX ? S32_MAX : (int)n;
			arm(pt);
		}
		info->timer.overrun = pt->overrun;
	}
	sighand_unlock(s, flags);
	timer_put(pt);
}

/* ---------------------------------------------------------------- setting */

/* What is left, in Linux's words: 0 never runs, so what is due has 1 ns. sighand.lock held. */
static void read_timer(struct posix_timer *pt, s64 now, struct itimer_spec *out)
{
	s64 left = 0;

	if (pt->interval && (pt->waiting || (pt->armed && !pt->queue && pt->deadline <= now)))
		(void)forward(pt, now); /* nobody else does */
	if (pt->armed || (pt->waiting && pt->interval)) {
		left = pt->deadline - now;
		if (left <= 0)
			left = pt->queue ? 1 : 0;
	}
	out->value = ns_to_timespec(left);
	out->interval = ns_to_timespec(pt->interval);
}

/* Stops it for good or for a while; its function does not run when this returns. Not under sighand.lock. */
static void disarm(struct posix_timer *pt, struct task *t)
{
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	pt->armed = pt->waiting = false;
	sighand_unlock(s, flags);
	timer_cancel_sync(&pt->timer);
}

static kerr_t deadline_of(struct posix_timer *pt, bool absolute, struct timespec64 value, s64 *out)
{
	s64 ns = timespec_to_ns(value), now;

	if (absolute && !pt->cpu_clock)
		return clock_to_deadline(pt->clock, ns, out);
	now = absolute ? 0 : timer_now(pt);
	*out = ns > S64_MAX - now ? S64_MAX : now + ns;
	return KERR(0);
}

kerr_t do_timer_settime(int id, bool absolute, const struct itimer_spec *new, struct itimer_spec *old)
{
	struct posix_timer *pt;
	unsigned long flags;
	struct sighand *s;
	s64 deadline, now;
	kerr_t err;

	if (!timespec_valid(new->value) || !timespec_valid(new->interval))
		return KERR(EINVAL);
	pt = timer_find(id);
	if (!pt)
		return KERR(EINVAL);
	now = timer_now(pt);
	s = sighand_lock(hal_current(), &flags);
	if (old)
		read_timer(pt, now, old);
	sighand_unlock(s, flags);
	disarm(pt, hal_current());
	err = deadline_of(pt, absolute, new->value, &deadline);
	s = sighand_lock(hal_current(), &flags);
	if (!err && !list_empty(&pt->node)) {
		pt->deadline = deadline;
		pt->real = absolute && (pt->clock == CLOCK_REALTIME || pt->clock == CLOCK_REALTIME_ALARM || pt->clock == CLOCK_TAI);
		pt->interval = timespec_to_ns(new->interval);
		pt->overrun = 0;
		if (new->value.sec || new->value.nsec)
			arm(pt);
		else
			pt->interval = 0;
	}
	sighand_unlock(s, flags);
	timer_put(pt);
	return err;
}

kerr_t do_timer_gettime(int id, struct itimer_spec *out)
{
	struct posix_timer *pt = timer_find(id);
	unsigned long flags;
	struct sighand *s;
	s64 now;

	if (!pt)
		return KERR(EINVAL);
	now = timer_now(pt);
	s = sighand_lock(hal_current(), &flags);
	read_timer(pt, now, out);
	sighand_unlock(s, flags);
	timer_put(pt);
	return KERR(0);
}

long do_timer_getoverrun(int id)
{
	struct posix_timer *pt = timer_find(id);
	int n;

	if (!pt)
		return -EINVAL;
	n = load_relaxed(&pt->overrun);
	timer_put(pt);
	return n;
}

/* ---------------------------------------------------------------- making and ending */

/* CPU clocks of this process and its threads (clock_getcpuclockid(3)), and the clocks one can sleep on. */
static kerr_t set_clock(struct posix_timer *pt, int clock)
{
	int id = ~(clock >> 3);
	s64 ns;
	kerr_t err = clock_read(clock, &ns);

	if (err)
		return err;
	pt->clock = clock;
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return KERR(0);
	case CLOCK_REALTIME_ALARM: /* nothing suspends here: there is no sleep to wake the machine from */
	case CLOCK_BOOTTIME_ALARM:
		return capable(CAP_WAKE_ALARM) ? KERR(0) : KERR(EPERM);
	case CLOCK_PROCESS_CPUTIME_ID:
		pt->cpu_clock = true;
		return KERR(0);
	case CLOCK_THREAD_CPUTIME_ID:
		pt->cpu_clock = true;
		pt->measured = task_get(hal_current());
		return KERR(0);
	}
	if (clock >= 0)
		return KERR(EOPNOTSUPP); /* the raw and the coarse ones are only read */
	pt->cpu_clock = true;
	if (clock & 4)
		pt->measured = id ? task_find(id) : task_get(hal_current());
	else if (id && id != hal_current()->proc->pid)
		return KERR(EOPNOTSUPP); /* another process's time: its ticks do not look here */
	return (clock & 4) && !pt->measured ? KERR(EINVAL) : KERR(0);
}

static kerr_t set_signal(struct posix_timer *pt, const struct posix_timer_spec *spec)
{
	pt->notify = spec->notify;
	switch (spec->notify) {
	case SIGEV_NONE:
		return KERR(0);
	case SIGEV_SIGNAL | SIGEV_THREAD_ID:
		pt->target = task_find(spec->tid);
		if (!pt->target || pt->target->proc != pt->proc)
			return KERR(EINVAL);
		break;
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		break;
	default:
		return KERR(EINVAL);
	}
	if (spec->signo < 1 || spec->signo > NSIG)
		return KERR(EINVAL);
	pt->queue = signal_timer_queue(hal_current(), pt);
	if (!pt->queue)
		return KERR(EAGAIN);
	pt->queue->info = (struct siginfo){ .signo = spec->signo, .code = SI_TIMER, .timer = { .value = spec->value } };
	return KERR(0);
}

long do_timer_create(const struct posix_timer_spec *spec)
{
	struct proc *p = hal_current()->proc;
	struct posix_timer *pt = kzalloc(sizeof(*pt), GFP_KERNEL);
	unsigned long flags;
	struct sighand *s;
	kerr_t err;

	if (!pt)
		return -EAGAIN;
	atomic_set(&pt->refs, 1);
	pt->proc = p;
	list_init(&pt->node);
	timer_init(&pt->timer, timer_fire);
	err = set_clock(pt, spec->clock);
	if (!err)
		err = set_signal(pt, spec);
	if (err) {
		timer_put(pt);
		return kerr_code(err);
	}
	s = sighand_lock(hal_current(), &flags);
	pt->id = p->posix_timer_next++ & S32_MAX;
	if (pt->queue) {
		pt->queue->info.timer.timer_id = pt->id;
		if (spec->default_value)
			pt->queue->info.timer.value = (u64)pt->id;
	}
	if (pt->cpu_clock)
		p->cpu_clock_timers++;
	list_add_tail(&p->posix_timers, &pt->node);
	sighand_unlock(s, flags);
	return pt->id;
}

/* Its reference in the list was taken over; t: current, or the last thread of the process. */
static void timer_end(struct posix_timer *pt, struct task *t)
{
	unsigned long flags;
	struct sighand *s;

	disarm(pt, t);
	s = sighand_lock(t, &flags);
	if (pt->queue)
		signal_timer_queue_free(pt->queue);
	pt->queue = NULL;
	sighand_unlock(s, flags);
	timer_put(pt);
}

static void unlink_locked(struct posix_timer *pt)
{
	list_del(&pt->node);
	if (pt->cpu_clock)
		pt->proc->cpu_clock_timers--;
}

kerr_t do_timer_delete(int id)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	struct posix_timer *pt = timer_find_locked(t->proc, id);

	if (pt)
		unlink_locked(pt);
	sighand_unlock(s, flags);
	if (!pt)
		return KERR(EINVAL);
	timer_end(pt, t);
	timer_put(pt);
	return KERR(0);
}

void posix_timers_drop(struct proc *p)
{
	struct task *t = hal_current();

	for (;;) {
		unsigned long flags;
		struct sighand *s = sighand_lock(t, &flags);
		struct posix_timer *pt = NULL;

		if (!list_empty(&p->posix_timers)) {
			pt = list_first(&p->posix_timers, struct posix_timer, node);
			unlink_locked(pt);
		}
		sighand_unlock(s, flags);
		if (!pt)
			return;
		timer_end(pt, t);
	}
}
