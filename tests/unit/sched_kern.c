/* SPDX-License-Identifier: MIT */
/* Kernel threads, wait queues, mutexes, rwsems, timers, work: on the virtual clock, so that times are exact. */
#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/slab.h>
#include <maestro/timer.h>
#include <maestro/wait.h>

#include "ktest.h"

struct pair {
	struct wait_queue q;
	struct mutex m;
	unsigned turn, rounds, counter;
};

static void pong(void *arg)
{
	struct pair *p = arg;

	for (unsigned i = 0; i < p->rounds; i++) {
		wait_event(&p->q, load_relaxed(&p->turn) == 1);
		store_relaxed(&p->turn, 0);
		wake_up_all(&p->q);
	}
}

static const char *ping_pong(void)
{
	struct pair p = {.rounds = 200};
	struct task *t;

	wait_queue_init(&p.q);
	EXPECT(!kthread_create(&t, pong, &p, "pong"));
	for (unsigned i = 0; i < p.rounds; i++) {
		store_relaxed(&p.turn, 1);
		wake_up_all(&p.q);
		wait_event(&p.q, load_relaxed(&p.turn) == 0);
	}
	kthread_stop(t);
	return NULL;
}

/* Three threads that lose updates when they are preempted at the wrong place. */
struct race {
	struct spinlock lock;
	unsigned counter, trace;
	struct atomic left;
	struct wait_queue q;
};

static void racer(void *arg)
{
	struct race *r = arg;

	for (unsigned i = 0; i < 50; i++) {
		unsigned long flags = spin_lock_irqsave(&r->lock);
		unsigned seen = r->counter;

		spin_unlock_irqrestore(&r->lock, flags);
		flags = spin_lock_irqsave(&r->lock);
		r->counter = seen + 1;
		r->trace = r->trace * 31 + seen;
		spin_unlock_irqrestore(&r->lock, flags);
	}
	if (atomic_dec_and_test(&r->left))
		wake_up_all(&r->q);
}

const char *ktest_race(unsigned *counter, unsigned *trace)
{
	struct race r = {.trace = 1};
	struct task *t[3];

	spin_init(&r.lock, RANK_LEAF, "race");
	wait_queue_init(&r.q);
	atomic_set(&r.left, ARRAY_SIZE(t));
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		EXPECT(!kthread_create(&t[i], racer, &r, "racer"));
	wait_event(&r.q, atomic_read(&r.left) == 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++)
		kthread_stop(t[i]);
	*counter = r.counter;
	*trace = r.trace;
	return NULL;
}

static void add_slowly(void *arg)
{
	struct pair *p = arg;

	for (unsigned i = 0; i < p->rounds; i++) {
		unsigned seen;

		mutex_lock(&p->m);
		seen = p->counter;
		sched_yield_current(); /* anybody who came in now would lose our update */
		p->counter = seen + 1;
		mutex_unlock(&p->m);
	}
}

static const char *mutex_excludes(void)
{
	struct pair p = {.rounds = 50};
	struct task *t[5];

	mutex_init(&p.m, RANK_NONE, "test");
	for (unsigned i = 0; i < 5; i++)
		EXPECT(!kthread_create(&t[i], add_slowly, &p, "adder"));
	add_slowly(&p);
	for (unsigned i = 0; i < 5; i++)
		kthread_stop(t[i]);
	EXPECT(p.counter == 300);
	return NULL;
}

struct rw {
	struct rwsem s;
	int inside, most_readers;
	bool writer, bad;
};

static void read_often(void *arg)
{
	struct rw *r = arg;

	for (unsigned i = 0; i < 30; i++) {
		rwsem_read_lock(&r->s);
		r->inside++;
		r->most_readers = MAX(r->most_readers, r->inside);
		r->bad |= r->writer;
		sched_yield_current();
		r->inside--;
		rwsem_read_unlock(&r->s);
	}
}

static void write_often(void *arg)
{
	struct rw *r = arg;

	for (unsigned i = 0; i < 30; i++) {
		rwsem_write_lock(&r->s);
		r->bad |= r->inside || r->writer;
		r->writer = true;
		sched_yield_current();
		r->writer = false;
		rwsem_write_unlock(&r->s);
	}
}

static const char *rwsem_excludes(void)
{
	struct rw r = {.inside = 0};
	struct task *t[6];

	rwsem_init(&r.s, RANK_NONE, "test");
	for (unsigned i = 0; i < 6; i++)
		EXPECT(!kthread_create(&t[i], i < 4 ? read_often : write_often, &r, "rw"));
	for (unsigned i = 0; i < 6; i++)
		kthread_stop(t[i]);
	EXPECT(!r.bad && r.most_readers > 1);
	return NULL;
}

static const char *sleep_is_exact(void)
{
	ktime_t start = hal_time_ns();
	kerr_t err;

	err = sleep_until(start + 3600 * NSEC_PER_SEC);
	EXPECT(!err);
	EXPECT(hal_time_ns() - start >= 3600 * NSEC_PER_SEC && hal_time_ns() - start < 3601 * NSEC_PER_SEC);
	EXPECT(ktime_get_real() > 1600000000LL * NSEC_PER_SEC);
	return NULL;
}

struct alarm {
	struct timer t;
	unsigned *order, mine;
	ktime_t at;
};

static void ring(struct timer *t)
{
	struct alarm *a = container_of(t, struct alarm, t);

	a->mine = ++*a->order;
	a->at = hal_time_ns();
}

static const char *timers_in_order(void)
{
	static const u8 ms[] = {50, 10, 30, 20, 40};
	struct alarm a[ARRAY_SIZE(ms)];
	unsigned order = 0;
	ktime_t start = hal_time_ns();
	kerr_t err;

	for (unsigned i = 0; i < ARRAY_SIZE(ms); i++) {
		timer_init(&a[i].t, ring);
		a[i].order = &order;
		a[i].mine = 0;
		timer_start(&a[i].t, start + ms[i] * NSEC_PER_MSEC);
	}
	EXPECT(timer_cancel(&a[2].t) && !timer_cancel(&a[2].t));
	err = sleep_until(start + 60 * NSEC_PER_MSEC);
	EXPECT(!err && a[1].mine == 1 && a[3].mine == 2 && a[2].mine == 0 && a[4].mine == 3 && a[0].mine == 4);
	for (unsigned i = 0; i < ARRAY_SIZE(ms); i++)
		EXPECT(i == 2 || (a[i].at >= start + ms[i] * NSEC_PER_MSEC && a[i].at < start + (ms[i] + 5) * NSEC_PER_MSEC));
	return NULL;
}

static const char *wait_times_out(void)
{
	struct wait_queue q;
	ktime_t start = hal_time_ns();
	kerr_t err;

	wait_queue_init(&q);
	err = wait_event_interruptible_until(&q, false, start + 5 * NSEC_PER_MSEC);
	EXPECT(kerr_code(err) == -ETIMEDOUT && hal_time_ns() >= start + 5 * NSEC_PER_MSEC);
	return NULL;
}

struct count_work {
	struct work w;
	unsigned n;
};

static void count_one(struct work *w)
{
	container_of(w, struct count_work, w)->n++;
}

static const char *work_runs(void)
{
	struct count_work c = {.n = 0};

	work_init(&c.w, count_one);
	EXPECT(work_queue(&c.w) && !work_queue(&c.w));
	work_flush(&c.w);
	EXPECT(c.n == 1 && work_queue(&c.w));
	EXPECT(work_cancel(&c.w));
	work_flush(&c.w);
	EXPECT(c.n == 1);
	return NULL;
}

static void spin_a_while(void *arg)
{
	unsigned *done = arg;

	for (unsigned i = 0; i < 10; i++)
		sched_yield_current();
	__atomic_add_fetch(done, 1, __ATOMIC_SEQ_CST);
}

static const char *many_threads(void)
{
	struct task **t = kmalloc(sizeof(*t) * 100, GFP_KERNEL);
	unsigned done = 0;

	EXPECT(t);
	for (unsigned i = 0; i < 100; i++)
		EXPECT(!kthread_create(&t[i], spin_a_while, &done, "many"));
	for (unsigned i = 0; i < 100; i++)
		kthread_stop(t[i]);
	kfree(t);
	EXPECT(done == 100);
	return NULL;
}

KTEST_SUITE(sched, "scheduler", {"ping-pong", ping_pong}, {"mutex", mutex_excludes}, {"rwsem", rwsem_excludes}, {"sleep", sleep_is_exact},
	    {"timers", timers_in_order}, {"waits time out", wait_times_out}, {"work", work_runs}, {"a hundred threads", many_threads});
