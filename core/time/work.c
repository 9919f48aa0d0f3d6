/* SPDX-License-Identifier: MIT */
/*
 * Work: functions that a kernel thread runs soon, in the order they were queued. A work may queue itself again, or free itself, from its function.
 *
 * Locking: time.work_lock (RANK_WORK, irqsave).
 */
#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/timer.h>
#include <maestro/wait.h>

static struct time_state *ts(void)
{
	return &kernel()->time;
}

void work_init(struct work *w, void (*fn)(struct work *w))
{
	list_init(&w->node);
	w->fn = fn;
	w->queued = false;
}

bool work_queue(struct work *w)
{
	struct time_state *s = ts();
	unsigned long flags = spin_lock_irqsave(&s->work_lock);
	bool fresh = !w->queued;

	if (fresh) {
		w->queued = true;
		list_add_tail(&s->works, &w->node);
	}
	spin_unlock_irqrestore(&s->work_lock, flags);
	if (fresh)
		wake_up(&s->work_wait);
	return fresh;
}

bool work_cancel(struct work *w)
{
	struct time_state *s = ts();
	unsigned long flags = spin_lock_irqsave(&s->work_lock);
	bool was = w->queued;

	if (was) {
		w->queued = false;
		list_del(&w->node);
	}
	spin_unlock_irqrestore(&s->work_lock, flags);
	return was;
}

static struct work *take_work(struct time_state *s)
{
	unsigned long flags = spin_lock_irqsave(&s->work_lock);
	struct work *w = NULL;

	if (!list_empty(&s->works)) {
		w = list_first(&s->works, struct work, node);
		list_del(&w->node);
		w->queued = false;
	}
	s->work_running = w;
	spin_unlock_irqrestore(&s->work_lock, flags);
	return w;
}

static void worker(void *unused)
{
	struct time_state *s = ts();

	(void)unused;
	for (;;) {
		struct work *w = take_work(s);

		wake_up_all(&s->work_done); /* the one before is not running any more */
		if (w) {
			w->fn(w); /* w may be gone after it */
			continue;
		}
		if (kthread_should_stop())
			return;
		wait_event(&s->work_wait, load_relaxed(&s->works.next) != &s->works || kthread_should_stop());
	}
}

static bool is_idle(struct work *w)
{
	struct time_state *s = ts();
	unsigned long flags = spin_lock_irqsave(&s->work_lock);
	bool idle = !w->queued && s->work_running != w;

	spin_unlock_irqrestore(&s->work_lock, flags);
	return idle;
}

void work_flush(struct work *w)
{
	wait_event(&ts()->work_done, is_idle(w));
}

static void delayed_fire(struct timer *t)
{
	(void)work_queue(&container_of(t, struct delayed_work, timer)->work);
}

void delayed_work_init(struct delayed_work *w, void (*fn)(struct work *w))
{
	work_init(&w->work, fn);
	timer_init(&w->timer, delayed_fire);
}

void delayed_work_queue(struct delayed_work *w, ktime_t delay)
{
	timer_start(&w->timer, hal_time_ns() + delay);
}

void delayed_work_cancel(struct delayed_work *w)
{
	timer_cancel_sync(&w->timer);
	(void)work_cancel(&w->work);
	work_flush(&w->work);
}

kerr_t work_system_init(void)
{
	struct time_state *s = ts();

	spin_init(&s->work_lock, RANK_WORK, "work");
	list_init(&s->works);
	wait_queue_init(&s->work_wait);
	wait_queue_init(&s->work_done);
	return kthread_create(&s->worker, worker, NULL, "kworker/0");
}
