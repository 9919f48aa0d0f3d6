/* SPDX-License-Identifier: MIT */
/*
 * Clocks. Monotonic time is the HAL's; real time is that plus an offset. The coarse clock for file times is kept as seconds and
 * nanoseconds, moved on by each tick and each way out of idle, so that reading it costs neither a division nor a look at the hardware.
 *
 * Locking: writers take time.clock_lock (RANK_LEAF, irqsave); readers retry on the sequence counts.
 */
#include "../sched/sched_impl.h"

#include <hal/time.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/posix_timer.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/timer.h>

static struct time_state *ts(void)
{
	return &kernel()->time;
}

ktime_t ktime_get(void)
{
	return hal_time_ns();
}

s64 ktime_real_offset(void)
{
	u32 seq;
	s64 off;

	do {
		seq = seq_read_begin(&ts()->offset_seq);
		off = ts()->real_offset;
	} while (seq_read_retry(&ts()->offset_seq, seq));
	return off;
}

s64 ktime_get_real(void)
{
	return hal_time_ns() + ktime_real_offset();
}

struct timespec64 ns_to_timespec(s64 ns)
{
	struct timespec64 t;
	u32 rem;

	if (ns >= 0) {
		t.sec = (s64)div_u64_rem((u64)ns, NSEC_PER_SEC, &rem);
		t.nsec = (s32)rem;
		return t;
	}
	t.sec = -(s64)div_u64_rem(-(u64)ns, NSEC_PER_SEC, &rem);
	t.nsec = 0;
	if (rem) {
		t.sec--;
		t.nsec = (s32)(NSEC_PER_SEC - rem);
	}
	return t;
}

static void coarse_set(ktime_t now)
{
	struct timespec64 t = ns_to_timespec(now + ts()->real_offset);

	seq_write_begin(&ts()->coarse_seq);
	ts()->coarse_at = now;
	ts()->coarse_sec = t.sec;
	ts()->coarse_nsec = t.nsec;
	seq_write_end(&ts()->coarse_seq);
}

void time_update_coarse(ktime_t now)
{
	struct time_state *s = ts();
	unsigned long flags = spin_lock_irqsave(&s->clock_lock);
	s64 step = now - s->coarse_at;

	if (step > 0 && step < NSEC_PER_SEC) {
		s32 nsec = s->coarse_nsec + (s32)step;

		seq_write_begin(&s->coarse_seq);
		s->coarse_at = now;
		if (nsec >= NSEC_PER_SEC) {
			nsec -= NSEC_PER_SEC;
			s->coarse_sec++;
		}
		s->coarse_nsec = nsec;
		seq_write_end(&s->coarse_seq);
	} else if (step > 0) {
		coarse_set(now);
	}
	spin_unlock_irqrestore(&s->clock_lock, flags);
}

struct timespec64 ktime_get_real_coarse_ts(void)
{
	struct timespec64 t;
	u32 seq;

	do {
		seq = seq_read_begin(&ts()->coarse_seq);
		t.sec = ts()->coarse_sec;
		t.nsec = ts()->coarse_nsec;
	} while (seq_read_retry(&ts()->coarse_seq, seq));
	return t;
}

static void set_offset(s64 real)
{
	struct time_state *s = ts();
	unsigned long flags = spin_lock_irqsave(&s->clock_lock);
	ktime_t now = hal_time_ns();

	seq_write_begin(&s->offset_seq);
	s->real_offset = real - now;
	seq_write_end(&s->offset_seq);
	coarse_set(now);
	if (kernel()->running)
		abi_vdso_update(s->real_offset);
	spin_unlock_irqrestore(&s->clock_lock, flags);
}

/* Deadlines at a time of day come sooner or later by `delta`. */
static void clock_moved(s64 delta)
{
	posix_timers_clock_moved(delta);
	timerfd_clock_moved(delta);
	(void)__atomic_fetch_add(&ts()->moved, 1, __ATOMIC_RELEASE);
	wake_up_all(&ts()->moved_wait);
}

void ktime_set_real(s64 ns)
{
	s64 before = ktime_real_offset();

	set_offset(ns);
	hal_time_set_wall(ns);
	clock_moved(ktime_real_offset() - before);
}

kerr_t sleep_until_real(s64 ns)
{
	ktime_t deadline;
	u32 seen;
	kerr_t err;

	do {
		seen = load_acquire(&ts()->moved);
		err = clock_to_deadline(CLOCK_REALTIME, ns, &deadline);
		if (err)
			return err;
		err = wait_event_interruptible_until(&ts()->moved_wait, load_acquire(&ts()->moved) != seen, deadline);
	} while (!err);
	return kerr_code(err) == -ETIMEDOUT ? KERR(0) : err;
}

kerr_t time_init(void)
{
	spin_init(&ts()->clock_lock, RANK_LEAF, "clock");
	wait_queue_init(&ts()->moved_wait);
	set_offset(hal_time_wall());
	return KERR(0);
}

/* --- CPU clocks: dynamic clock ids are ~pid << 3 | kind, kind bit 2 for a thread (clock_getcpuclockid(3)) --- */
u64 sched_proc_runtime(struct proc *p)
{
	unsigned long flags = tasklist_lock();
	struct task *t;
	u64 ns = p->self_dead.utime + p->self_dead.stime;

	list_for_each(t, &p->threads, thread_node)
		if (!(load_relaxed(&t->state) & (TASK_ZOMBIE | TASK_DEAD)))
			ns += sched_task_runtime(t);
	tasklist_unlock(flags);
	return ns;
}

static kerr_t read_cpu_clock(int clock, s64 *ns)
{
	pid_t id = ~(clock >> 3);
	bool per_thread = clock & 4;

	if ((clock & 3) > 2 || id < 0)
		return KERR(EINVAL);
	if (per_thread) {
		struct task *t = id ? task_find(id) : task_get(hal_current());
		bool mine = t && t->proc == hal_current()->proc;

		if (mine)
			*ns = (s64)sched_task_runtime(t);
		if (t)
			task_put(t);
		return mine ? KERR(0) : KERR(EINVAL);
	}
	{
		struct proc *p = id ? proc_find(id) : proc_get(hal_current()->proc);

		if (!p)
			return KERR(EINVAL);
		*ns = (s64)sched_proc_runtime(p);
		proc_put(p);
	}
	return KERR(0);
}

kerr_t clock_read(int clock, s64 *ns)
{
	struct timespec64 t;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI: /* the offset of TAI is 0 until somebody sets it */
		*ns = ktime_get_real();
		return KERR(0);
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = hal_time_ns();
		return KERR(0);
	case CLOCK_REALTIME_COARSE:
		t = ktime_get_real_coarse_ts();
		*ns = timespec_to_ns(t);
		return KERR(0);
	case CLOCK_MONOTONIC_COARSE:
		t = ktime_get_real_coarse_ts();
		*ns = timespec_to_ns(t) - ktime_real_offset();
		return KERR(0);
	case CLOCK_PROCESS_CPUTIME_ID:
		*ns = (s64)sched_proc_runtime(hal_current()->proc);
		return KERR(0);
	case CLOCK_THREAD_CPUTIME_ID:
		*ns = (s64)sched_task_runtime(hal_current());
		return KERR(0);
	}
	return clock < 0 ? read_cpu_clock(clock, ns) : KERR(EINVAL);
}

kerr_t clock_to_deadline(int clock, s64 ns, ktime_t *deadline)
{
	s64 off;

	switch (clock) {
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*deadline = ns;
		return KERR(0);
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_TAI:
		off = ktime_real_offset();
		/* far times saturate: "for ever" must not wrap into the past */
		*deadline = off < 0 && ns > S64_MAX + off ? S64_MAX : ns - off;
		return KERR(0);
	}
	return KERR(EINVAL);
}
