/* SPDX-License-Identifier: MIT */
/*
 * Kernel threads: tasks of no process, in no address space of their own. References: one for being scheduled (put after the last switch), one
 * for who created it. task.exit_wait is a record of its end that the two share.
 */
#include "sched_impl.h"

#include <hal/context.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/wait.h>

/* Lives as long as the thread: made with it, freed by whoever is last of the two. */
struct kthread_done {
	struct wait_queue wait;
	bool done;	    /* [a] */
	struct atomic refs; /* the thread's, the creator's */
};

static void done_put(struct kthread_done *d)
{
	if (atomic_dec_and_test(&d->refs))
		kfree(d);
}

static void kthread_entry(void *arg)
{
	struct task *t = arg;
	struct kthread_done *d = t->exit_wait;

	sched_finish_switch();
	hal_irq_enable();
	t->kthread_fn(t->kthread_arg);
	store_release(&d->done, true);
	wake_up_all(&d->wait);
	done_put(d);
	task_set_state(TASK_DEAD);
	schedule();
	panic("a dead kernel thread runs");
}

kerr_t kthread_create(struct task **out, void (*fn)(void *), void *arg, const char *name)
{
	struct kthread_done *d = kzalloc(sizeof(*d), GFP_KERNEL);
	struct task *t;
	kerr_t err;

	if (!d)
		return KERR(ENOMEM);
	wait_queue_init(&d->wait);
	atomic_set(&d->refs, 2);
	err = task_alloc(&t, name);
	if (err)
		goto free_done;
	t->flags |= TASK_KTHREAD;
	t->kthread_fn = fn;
	t->kthread_arg = arg;
	t->exit_wait = d;
	t->syscall_nr = -1;
	sched_fork_init(t, this_cpu()->idle); /* the class and rights of nobody: not those of who happens to ask */
	err = hal_context_init(t, kthread_entry, t);
	if (err)
		goto put_task;
	*out = task_get(t);
	sched_wake_new(t);
	return KERR(0);
put_task:
	task_put(t);
free_done:
	kfree(d);
	return err;
}

bool kthread_should_stop(void)
{
	return load_acquire(&hal_current()->kthread_stop);
}

void kthread_stop(struct task *t)
{
	struct kthread_done *d = t->exit_wait;

	__atomic_store_n(&t->kthread_stop, true, __ATOMIC_SEQ_CST);
	(void)task_wake(t, TASK_SLEEPING);
	wait_event(&d->wait, load_acquire(&d->done));
	done_put(d);
	task_put(t);
}
