/* SPDX-License-Identifier: MIT */
/* i386 only: nice(2), which x86_64 programs have over setpriority(2). */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "../../sched/sched_impl.h"

#include <maestro/kernel.h>

long sys_nice(int inc)
{
	struct task *t = hal_current();
	int nice;

	inc = inc < -40 ? -40 : inc > 40 ? 40 : inc;
	nice = t->se.nice + inc;
	nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
	if (!sched_may_nice(t, nice))
		return -EPERM;
	sched_set(t, (enum sched_policy)t->se.policy, t->se.rt_base, nice);
	return 0;
}
