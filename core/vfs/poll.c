/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several files: what poll, select and epoll share. A poll_wait_set hangs an entry on the wait queue of every file asked; the
 * first that wakes marks the set, and the files are asked again. Follows poll(2), select(2).
 */
#include "vfs_priv.h"

static bool poll_wake(struct wait_entry *e, u32 key)
{
	struct poll_wait_set *s = e->priv;

	(void)key;
	store_release(&s->triggered, true);
	task_wake_sleeping(s->task);
	return true;
}

static struct poll_slot *poll_slot_new(struct poll_wait_set *s)
{
	struct poll_block *b;

	if (s->n < POLL_INLINE)
		return &s->slot[s->n++];
	b = s->blocks;
	if (!b || b->n == ARRAY_SIZE(b->slot)) {
		b = kmalloc(sizeof(*b), GFP_KERNEL);
		if (!b) {
			s->failed = true;
			return NULL;
		}
		b->n = 0;
		b->next = s->blocks;
		s->blocks = b;
	}
	return &b->slot[b->n++];
}

static void poll_queue(struct poll_table *pt, struct file *f, struct wait_queue *q)
{
	struct poll_wait_set *s = container_of(pt, struct poll_wait_set, pt);
	struct poll_slot *slot = poll_slot_new(s);

	if (!slot)
		return;
	wait_entry_init(&slot->entry);
	slot->entry.wake = poll_wake;
	slot->entry.priv = s;
	slot->q = q;
	slot->file = file_get(f);
	wait_add(q, &slot->entry);
}

void poll_set_init(struct poll_wait_set *s)
{
	s->pt.queue = poll_queue;
	s->pt.key = ~0u;
	s->task = current;
	s->triggered = false;
	s->failed = false;
	s->n = 0;
	s->blocks = NULL;
}

static void slot_free(struct poll_slot *slot)
{
	wait_remove(slot->q, &slot->entry);
	file_put(slot->file);
}

void poll_set_fini(struct poll_wait_set *s)
{
	for (unsigned i = 0; i < s->n; i++)
		slot_free(&s->slot[i]);
	while (s->blocks) {
		struct poll_block *b = s->blocks;

		for (unsigned i = 0; i < b->n; i++)
			slot_free(&b->slot[i]);
		s->blocks = b->next;
		kfree(b);
	}
	s->n = 0;
}

kerr_t poll_set_sleep(struct poll_wait_set *s, ktime_t deadline)
{
	bool late = false;

	if (s->failed)
		return KERR(ENOMEM);
	task_set_state(TASK_INTERRUPTIBLE);
	if (task_signal_pending_state(TASK_INTERRUPTIBLE)) {
		task_set_state(TASK_RUNNING);
		return KERR(EINTR);
	}
	if (!load_acquire(&s->triggered)) {
		if (deadline == S64_MAX)
			schedule();
		else
			late = schedule_until(deadline);
	}
	task_set_state(TASK_RUNNING);
	/* Entries stay queued: cleared before the files are asked again, so that no event is missed. */
	store_release(&s->triggered, false);
	memory_barrier();
	return late ? KERR(ETIMEDOUT) : KERR(0);
}

/* ---------------------------------------------------------------- times and masks of the calls */
ktime_t poll_deadline(struct timespec64 t)
{
	s64 ns = timespec_to_ns(t);
	ktime_t now = ktime_get();

	if (!ns)
		return 0;
	return ns > S64_MAX - now ? S64_MAX : now + ns;
}

struct timespec64 time_left(ktime_t deadline)
{
	ktime_t now = ktime_get();

	return ns_to_timespec(deadline > now ? deadline - now : 0);
}

kerr_t sigmask_swap(const void __user *mask, size_t size, bool *on)
{
	sigset_t set;
	kerr_t err;

	*on = false;
	if (!mask)
		return 0;
	if (size != sizeof(set))
		return KERR(EINVAL);
	err = copy_in(&set, (const sigset_t __user *)mask);
	if (err)
		return err;
	current->saved_mask = current->blocked;
	signal_set_blocked(set & ~SIG_KERNEL_ONLY);
	*on = true;
	return 0;
}

long sigmask_restore(bool on, long ret)
{
	if (!on)
		return ret;
	if (ret == -EINTR || ret == -ERESTARTNOHAND || ret == -ERESTARTSYS)
		current->flags |= TASK_RESTORE_SIGMASK;
	else
		signal_set_blocked(current->saved_mask);
	return ret;
}
