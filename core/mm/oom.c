/* SPDX-License-Identifier: MIT */
/*
 * Out of memory: the process that frees most is killed, never the kernel. Points are pages in memory and of tables, moved by oom_score_adj in
 * thousandths of RAM; -1000 exempts, and so does being init. Called where a page for a program cannot be had (fault.c), with no spinlock held.
 * Specification: proc(5), /proc/PID/oom_score_adj.
 */
#include "vm.h"

struct choice {
	struct proc *proc; /* a reference */
	long points;
	bool dying; /* one is on its way out already */
};

struct mm *proc_mm(struct proc *p)
{
	struct task *t;

	list_for_each(t, &p->threads, thread_node) {
		struct mm *mm = task_mm_get(t);

		if (mm)
			return mm;
	}
	return NULL;
}

static long points_of(const struct proc *p, const struct mm *mm)
{
	long total = (long)((unsigned long)kernel()->mm.total_pages);

	return mm_rss(mm) + (long)hal_mmu_table_pages(&mm->mmu) + (long)p->oom_score_adj * (total / 1000 + 1);
}

long oom_score(struct proc *p)
{
	long total = (long)((unsigned long)kernel()->mm.total_pages), points = 0;
	unsigned long irq = tasklist_lock();
	struct mm *mm = proc_mm(p);

	if (mm && p->pid != 1 && p->oom_score_adj > -1000)
		points = MAX((1000 + points_of(p, mm) * 1000 / total) * 2 / 3, 0L);
	tasklist_unlock(irq);
	if (mm)
		mm_unref(mm);
	return points;
}

static void consider(struct choice *c, struct proc *p)
{
	struct mm *mm;
	long points;

	if (p->pid == 1 || (p->flags & PROC_SIGNAL_UNKILLABLE) || p->oom_score_adj <= -1000 || p->is_zombie)
		return;
	mm = proc_mm(p);
	if (!mm)
		return;
	points = points_of(p, mm);
	if (mm->host) /* the host process cannot be killed by us */
		points = -1;
	mm_unref(mm);
	if (points >= 0 && (p->flags & PROC_GROUP_EXIT))
		c->dying = true;
	else if (points > c->points) {
		c->points = points;
		c->proc = p;
	}
}

static void choose(struct choice *c)
{
	unsigned long irq = tasklist_lock();
	struct proc *p;

	for_each_proc(p)
		consider(c, p);
	if (c->proc)
		proc_get(c->proc);
	tasklist_unlock(irq);
}

static void let_it_die(void)
{
	task_set_state(TASK_UNINTERRUPTIBLE);
	(void)schedule_until(ktime_get() + 20 * NSEC_PER_MSEC);
}

bool out_of_memory(void)
{
	struct choice c = { .points = -1 };
	kerr_t err;

	choose(&c);
	if (c.dying || !c.proc) {
		if (c.proc)
			proc_put(c.proc);
		if (c.dying)
			let_it_die();
		return c.dying;
	}
	atomic_inc(&mm_state()->oom_kills);
	klog(LOG_ERR, "Out of memory: Killed process %d (%s) score %ld, free pages %llu", (int)c.proc->pid,
	     c.proc->leader->comm, c.points, (unsigned long long)page_free_count());
	err = signal_send_proc(c.proc, SIGKILL, SIGINFO_KERNEL);
	if (err)
		klog_warn("out of memory: cannot kill process %d: error %d", (int)c.proc->pid, -kerr_code(err));
	if (c.proc != current->proc)
		let_it_die();
	proc_put(c.proc);
	return true;
}
