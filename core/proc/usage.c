/* SPDX-License-Identifier: MIT */
/*
 * What processes used: getrusage(2), times(2), and the sums that wait4(2) returns.
 * A thread's numbers live in its task; when it dies they are added to proc.self_dead, and when the process is reaped, to its parent's children_dead.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/proc.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>

#include "proc_priv.h"

void rusage_add(struct rusage_k *to, const struct rusage_k *from)
{
	to->utime += from->utime;
	to->stime += from->stime;
	to->minflt += from->minflt;
	to->majflt += from->majflt;
	to->nvcsw += from->nvcsw;
	to->nivcsw += from->nivcsw;
	to->inblock += from->inblock;
	to->oublock += from->oublock;
	to->maxrss = MAX(to->maxrss, from->maxrss);
}

void rusage_of_task(struct task *t, struct rusage_k *out)
{
	struct mm *mm = t->mm;

	memset(out, 0, sizeof(*out));
	if (t == hal_current())
		sched_account_current();
	out->utime = t->utime;
	out->stime = t->stime;
	out->minflt = t->min_flt;
	out->majflt = t->maj_flt;
	out->nvcsw = t->se.nvcsw;
	out->nivcsw = t->se.nivcsw;
	if (mm && t == hal_current()) { /* another's mm may go any moment */
		u64 rss = (u64)(mm->rss_anon + mm->rss_file + mm->rss_shmem);

		out->maxrss = MAX(mm->hiwater_rss, rss) << (PAGE_SHIFT - 10);
	}
}

/* Tree lock held, or p is current's. */
void rusage_of_proc(struct proc *p, struct rusage_k *out)
{
	struct rusage_k one;
	struct task *t;

	*out = p->self_dead;
	list_for_each(t, &p->threads, thread_node) {
		if (t->state & (TASK_ZOMBIE | TASK_DEAD))
			continue; /* a dead leader: in self_dead already */
		rusage_of_task(t, &one);
		rusage_add(out, &one);
	}
}
