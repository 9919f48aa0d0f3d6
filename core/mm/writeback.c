/* SPDX-License-Identifier: MIT */
/*
 * Write-back: the flusher thread, and the throttle of those who make pages dirty.
 *
 * Every dirty_writeback_centisecs the flusher writes what has been dirty for dirty_expire_centisecs; above the background ratio, or when kicked, it
 * writes everything. A writer above the hard ratio writes its own file and waits for pages to come clean. super.dirty holds dirty inodes, oldest
 * first [super.dirty_lock]; inode_write_sync() (core/vfs/inode.c) writes one. Specification: proc(5), /proc/sys/vm/dirty_*.
 */
#include "vm.h"

#define WRITE_CHUNK 256 /* pages a throttled writer writes at a time */

struct flush {
	ktime_t cutoff; /* inodes dirty since before it are written */
};

static unsigned long dirtyable_pages(void)
{
	return (unsigned long)page_free_count() + (unsigned long)atomic_read(&mm_state()->nr_cached);
}

static bool dirty_above(u32 percent)
{
	struct mm_state *s = mm_state();
	unsigned long dirty = (unsigned long)(atomic_read(&s->nr_dirty) + atomic_read(&s->nr_writeback));

	return dirty > dirtyable_pages() / 100 * percent + 16;
}

/* The oldest inode before the cutoff, referenced; it goes to the list's end, so that a rewritten one does not hold us for ever. */
static struct inode *next_dirty(struct super *sb, ktime_t cutoff)
{
	struct inode *found = NULL;
	ktime_t now = ktime_get();

	spin_lock(&sb->dirty_lock);
	while (!found && !list_empty(&sb->dirty)) {
		struct inode *i = list_first(&sb->dirty, struct inode, dirty_node);

		if (i->dirtied > cutoff)
			break;
		list_move_tail(&sb->dirty, &i->dirty_node);
		i->dirtied = now > cutoff ? now : cutoff + 1;
		if (inode_grab(i))
			found = i;
	}
	spin_unlock(&sb->dirty_lock);
	return found;
}

/* Errors stay with the mapping (fsync reports them) or are the file system's to log. */
static void flush_super(struct super *sb, void *arg)
{
	const struct flush *f = arg;
	struct inode *i;
	kerr_t err;

	if ((sb->flags & MS_RDONLY) || !sb->ops)
		return;
	while ((i = next_dirty(sb, f->cutoff))) {
		err = inode_write_sync(i, false);
		if (err)
			klog_debug("write-back of inode %llu on %s: error %d", (unsigned long long)i->ino, sb->id,
				   -kerr_code(err));
		inode_put(i);
		cond_resched();
	}
	if (sb->ops->sync_fs) {
		err = sb->ops->sync_fs(sb, false);
		if (err)
			klog_debug("write-back of %s: error %d", sb->id, -kerr_code(err));
	}
}

static void flush_once(bool all)
{
	struct mm_state *s = mm_state();
	ktime_t now = ktime_get();
	struct flush f = { .cutoff = now };

	if (!all)
		f.cutoff = now - (ktime_t)load_relaxed(&s->dirty_expire_centisecs) * 10 * NSEC_PER_MSEC;
	super_for_each(flush_super, &f);
	wake_up_all(&s->dirty_wait);
}

static ktime_t next_round(const struct mm_state *s)
{
	u32 cs = load_relaxed(&s->dirty_writeback_centisecs);

	return cs ? ktime_get() + (ktime_t)cs * 10 * NSEC_PER_MSEC : S64_MAX;
}

static void flusher(void *arg)
{
	struct mm_state *s = mm_state();

	(void)arg;
	current->flags |= TASK_MEMALLOC; /* others wait for it to free memory */
	while (!kthread_should_stop()) {
		ktime_t deadline = next_round(s);
		kerr_t err = wait_event_interruptible_until(&s->flusher_wait,
							    atomic_read(&s->flush_wanted) || kthread_should_stop(), deadline);
		bool kicked = atomic_xchg(&s->flush_wanted, 0);

		(void)err; /* kicked or in time: both are work */
		if (!kthread_should_stop())
			flush_once(kicked || dirty_above(load_relaxed(&s->dirty_background_ratio)));
	}
}

void writeback_kick(void)
{
	struct mm_state *s = mm_state();

	if (!atomic_xchg(&s->flush_wanted, 1))
		wake_up_all(&s->flusher_wait);
}

void wait_for_writeback_progress(ktime_t ns)
{
	struct mm_state *s = mm_state();
	struct wait_entry e;

	wait_entry_init(&e);
	wait_prepare(&s->dirty_wait, &e, TASK_UNINTERRUPTIBLE);
	(void)schedule_until(ktime_get() + ns);
	wait_finish(&s->dirty_wait, &e);
}

void balance_dirty_pages(struct mapping *m)
{
	struct mm_state *s = mm_state();

	if (likely(!dirty_above(load_relaxed(&s->dirty_background_ratio))) || (m->flags & MAPPING_SHMEM))
		return;
	writeback_kick();
	for (unsigned i = 0; i < 50 && dirty_above(load_relaxed(&s->dirty_ratio)); i++) {
		struct writeback wb = { .start = 0, .end = S64_MAX, .nr_to_write = WRITE_CHUNK };

		/* An error is kept in the mapping for fsync. */
		if (m->ops->write_pages && m->ops->write_pages(m, &wb))
			break;
		wait_for_writeback_progress(20 * NSEC_PER_MSEC);
		if (task_signal_pending() && task_signal_pending_state(TASK_KILLABLE))
			break;
	}
}

kerr_t writeback_init(void)
{
	kerr_t err = kthread_create(&mm_state()->flusher, flusher, NULL, "flusher");

	return err ? err : reclaim_init();
}
