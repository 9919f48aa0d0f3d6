/* SPDX-License-Identifier: MIT */
/* Timers of timer_create(2). A process owns them; fork does not copy them, exec and exit end them. */
#pragma once

#include <maestro/signal.h>
#include <maestro/timer.h>

struct proc;
struct task;

#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD 2 /* to the kernel the same as SIGEV_SIGNAL */
#define SIGEV_THREAD_ID 4

struct posix_timer_spec {
	int clock, notify, signo;
	pid_t tid; /* SIGEV_THREAD_ID */
	u64 value;
	bool default_value; /* value is the timer's number */
};

/* Of current's process. The number, or -errno. */
long do_timer_create(const struct posix_timer_spec *spec);
kerr_t do_timer_settime(int id, bool absolute, const struct itimer_spec *new, struct itimer_spec *old) __must_check;
kerr_t do_timer_gettime(int id, struct itimer_spec *out) __must_check;

kerr_t do_timer_delete(int id) __must_check;
long do_timer_getoverrun(int id);

/* All of p's: exec, and the last thread's exit. May sleep. */
void posix_timers_drop(struct proc *p);
/* Current took a timer's signal: counts what it missed into info, starts the next interval. */
void posix_timer_taken(struct siginfo *info);
/* CLOCK_REALTIME was set on by delta, ns: absolute timers on it follow. Process context. */
void posix_timers_clock_moved(s64 delta);
/* The tick, of a process that has timers on CPU clocks. */
void posix_timers_tick(struct task *t);
