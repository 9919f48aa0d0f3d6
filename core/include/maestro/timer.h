/* SPDX-License-Identifier: MIT */
/* core/time: one-shot timers in a per-CPU tree, clocks, and conversions. Tickless: the earliest timer arms the hardware. */
#pragma once

#include <maestro/lock.h>
#include <maestro/rbtree.h>
#include <maestro/types.h>

struct timer {
	struct rb_node node; /* [cpu timer lock] */
	ktime_t deadline;    /* [cpu timer lock] absolute, hal_time_ns */
	void (*fn)(struct timer *t); /* interrupt context (hosted: a pump), interrupts off; may start the timer again */
	u32 cpu;	     /* [cpu timer lock] */
	bool queued;	     /* [a] */
};
void timer_init(struct timer *t, void (*fn)(struct timer *t));
void timer_start(struct timer *t, ktime_t deadline); /* moves it if queued. Any context */
bool timer_cancel(struct timer *t);		     /* true if it was queued. Any context; fn may still be running */
void timer_cancel_sync(struct timer *t);	     /* and waits until fn is not running. Not from fn */
static inline bool timer_queued(const struct timer *t)
{
	return __atomic_load_n(&t->queued, __ATOMIC_RELAXED);
}
void timers_run(void);				     /* called by upcall_timer: runs what is due, arms the next. Interrupts off */
ktime_t timers_next(void);			     /* this CPU's earliest deadline or S64_MAX; the tick of a busy CPU does not count */

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID 3
#define CLOCK_MONOTONIC_RAW 4
#define CLOCK_REALTIME_COARSE 5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME 7
#define CLOCK_REALTIME_ALARM 8
#define CLOCK_BOOTTIME_ALARM 9
#define CLOCK_TAI 11

struct timespec64 {
	s64 sec;
	s32 nsec;
};
ktime_t ktime_get(void);      /* monotonic ns */
s64 ktime_get_real(void);     /* ns since the Epoch */
/* For file times: like ktime_get_real but cheap (the value of the last tick or entry is enough, at most 4 ms old). */
struct timespec64 ktime_get_real_coarse_ts(void);
void ktime_set_real(s64 ns);  /* settimeofday */
struct timespec64 ns_to_timespec(s64 ns);
static inline s64 timespec_to_ns(struct timespec64 t) /* saturates */
{
	if (t.sec >= S64_MAX / NSEC_PER_SEC)
		return S64_MAX;
	return t.sec * NSEC_PER_SEC + t.nsec;
}
struct itimer_spec { /* of a timer: its period, the time to its next expiration */
	struct timespec64 interval, value;
};
static inline bool timespec_valid(struct timespec64 t)
{
	return t.sec >= 0 && t.nsec >= 0 && t.nsec < NSEC_PER_SEC;
}
kerr_t time_init(void) __must_check;
s64 ktime_real_offset(void);  /* CLOCK_REALTIME - CLOCK_MONOTONIC, ns */
/* The deadline in hal_time_ns() for an absolute time on a clock; CLOCK_REALTIME is taken as it stands now. KERR(EINVAL): no such clock to sleep on. */
kerr_t clock_to_deadline(int clock, s64 ns, ktime_t *deadline) __must_check;
/* ns on any clock of clock_gettime(2), CPU clocks of current, of its process and of others (clock_getcpuclockid(3)) too. KERR(EINVAL). */
kerr_t clock_read(int clock, s64 *ns) __must_check;
/* Sleeps; KERR(ERESTARTSYS)-class if a signal came first. deadline absolute. */
kerr_t sleep_until(ktime_t deadline) __must_check;
/* The same until an absolute time of CLOCK_REALTIME, ns, however the clock is set meanwhile. */
kerr_t sleep_until_real(s64 ns) __must_check;
/* The clock was set on by delta, ns: timerfds follow (core/vfs/timerfd.c). */
void timerfd_clock_moved(s64 delta);

/* --- work: functions run soon by a kernel thread; may sleep. --- */
struct work {
	struct list node; /* [work lock] */
	void (*fn)(struct work *w);
	bool queued;	  /* [work lock] */
};
struct delayed_work {
	struct work work;
	struct timer timer;
};
void work_init(struct work *w, void (*fn)(struct work *w));
bool work_queue(struct work *w); /* false if it was queued already. Any context */
void delayed_work_init(struct delayed_work *w, void (*fn)(struct work *w));
void delayed_work_queue(struct delayed_work *w, ktime_t delay);
void work_flush(struct work *w); /* waits until it is neither queued nor running */
bool work_cancel(struct work *w); /* true: it was queued and now is not. It may still be running */
void delayed_work_cancel(struct delayed_work *w); /* and waits until it is not running. May sleep */
kerr_t work_system_init(void) __must_check;
