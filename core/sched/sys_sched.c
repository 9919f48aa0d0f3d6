/* SPDX-License-Identifier: MIT */
/*
 * Scheduling calls (sched(7)): policies, priorities, nice values, affinity. Rights as sched_setscheduler(2) and setpriority(2) give them:
 * the same user, and RLIMIT_NICE and RLIMIT_RTPRIO, or CAP_SYS_NICE.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include "../time/time_impl.h"
#include "sched_impl.h"

#include <maestro/cred.h>
#include <maestro/futex.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>

#define SCHED_RESET_ON_FORK 0x40000000
#define SCHED_FLAG_RESET_ON_FORK 1u
#define SCHED_FLAG_KEEP_POLICY 8u
#define SCHED_FLAG_KEEP_PARAMS 16u
#define PRIO_PROCESS 0
#define PRIO_PGRP 1
#define PRIO_USER 2

struct sched_attr {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period; /* SCHED_DEADLINE, which is not here */
	u32 util_min, util_max;
};
STATIC_ASSERT(sizeof(struct sched_attr) == 56);
#define SCHED_ATTR_SIZE_VER0 48u

/* With a reference, or NULL. 0: current. */
static struct task *find(pid_t pid)
{
	return pid ? task_find(pid) : task_get(hal_current());
}

/* Tree lock held: another's cred is stable under it. */
static bool same_user_locked(const struct task *t)
{
	const struct cred *me = current_cred();

	return t->cred && (me->euid == t->cred->euid || me->euid == t->cred->uid);
}

static bool may_change(struct task *t)
{
	unsigned long flags = tasklist_lock();
	bool same = same_user_locked(t);

	tasklist_unlock(flags);
	return same || capable(CAP_SYS_NICE);
}

static u64 rlimit_of(const struct task *t, unsigned which)
{
	return t->proc ? t->proc->rlim[which].cur : 0;
}

bool sched_may_nice(const struct task *t, int nice)
{
	return nice >= t->se.nice || (u64)(20 - nice) <= rlimit_of(t, RLIMIT_NICE) || capable(CAP_SYS_NICE);
}

static bool is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool policy_valid(int policy)
{
	return policy == SCHED_OTHER || is_rt(policy) || policy == SCHED_BATCH || policy == SCHED_IDLE;
}

static long set_policy(struct task *t, int policy, int prio, int nice, bool reset)
{
	if (!policy_valid(policy) || (is_rt(policy) ? prio < 1 || prio > 99 : prio != 0))
		return -EINVAL;
	if (!may_change(t))
		return -EPERM;
	if (!capable(CAP_SYS_NICE)) {
		u64 limit = rlimit_of(t, RLIMIT_RTPRIO);

		if (is_rt(policy) && ((policy != t->se.policy && !limit) || (prio > t->se.rt_base && (u64)prio > limit)))
			return -EPERM;
		if (!is_rt(policy) && !sched_may_nice(t, nice))
			return -EPERM;
		if (t->se.policy == SCHED_IDLE && policy != SCHED_IDLE && !sched_may_nice(t, t->se.nice - 1))
			return -EPERM;
		if (t->se.reset_on_fork && !reset)
			return -EPERM;
	}
	t->se.reset_on_fork = reset;
	sched_set(t, (enum sched_policy)policy, prio, nice);
	futex_pi_priority_changed(t);
	return 0;
}

static long set_scheduler(pid_t pid, int policy, const void __user *param)
{
	struct task *t;
	s32 prio;
	bool reset;
	long ret;

	if (pid < 0 || !param)
		return -EINVAL;
	if (copy_in(&prio, param))
		return -EFAULT;
	t = find(pid);
	if (!t)
		return -ESRCH;
	if (policy < 0) { /* sched_setparam: the policy stays */
		policy = t->se.policy;
		reset = t->se.reset_on_fork;
	} else {
		reset = policy & SCHED_RESET_ON_FORK;
		policy &= ~SCHED_RESET_ON_FORK;
	}
	ret = set_policy(t, policy, prio, t->se.nice, reset);
	task_put(t);
	return ret;
}

long sys_sched_setscheduler(pid_t pid, int policy, const void __user *param)
{
	return policy < 0 ? -EINVAL : set_scheduler(pid, policy, param);
}

long sys_sched_setparam(pid_t pid, const void __user *param)
{
	return set_scheduler(pid, -1, param);
}

long sys_sched_getscheduler(pid_t pid)
{
	struct task *t;
	long ret;

	if (pid < 0)
		return -EINVAL;
	t = find(pid);
	if (!t)
		return -ESRCH;
	ret = t->se.policy | (t->se.reset_on_fork ? SCHED_RESET_ON_FORK : 0);
	task_put(t);
	return ret;
}

long sys_sched_getparam(pid_t pid, void __user *param)
{
	struct task *t;
	s32 prio;

	if (pid < 0 || !param)
		return -EINVAL;
	t = find(pid);
	if (!t)
		return -ESRCH;
	prio = t->se.rt_base;
	task_put(t);
	return copy_out(param, &prio) ? -EFAULT : 0;
}

long sys_sched_setattr(pid_t pid, const void __user *uattr, unsigned flags)
{
	struct sched_attr a = { 0 };
	struct task *t;
	u32 size;
	kerr_t err;
	long ret;

	if (!uattr || pid < 0 || flags)
		return -EINVAL;
	if (copy_in(&size, uattr))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(&a, sizeof(a), uattr, size);
	if (err)
		return kerr_code(err);
	if ((s32)a.policy < 0 || (a.flags & ~(u64)(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS)))
		return -EINVAL;
	a.nice = a.nice < -20 ? -20 : a.nice > 19 ? 19 : a.nice;
	t = find(pid);
	if (!t)
		return -ESRCH;
	if (a.flags & SCHED_FLAG_KEEP_POLICY)
		a.policy = t->se.policy;
	if (a.flags & SCHED_FLAG_KEEP_PARAMS) {
		a.nice = t->se.nice;
		a.priority = t->se.rt_base;
	}
	if (a.priority > 99)
		ret = -EINVAL;
	else
		ret = set_policy(t, (int)a.policy, (int)a.priority, is_rt((int)a.policy) ? t->se.nice : a.nice, a.flags & SCHED_FLAG_RESET_ON_FORK);
	task_put(t);
	return ret;
}

long sys_sched_getattr(pid_t pid, void __user *uattr, unsigned size, unsigned flags)
{
	struct sched_attr a = { 0 };
	struct task *t;

	if (!uattr || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_VER0 || flags)
		return -EINVAL;
	t = find(pid);
	if (!t)
		return -ESRCH;
	a.size = MIN(size, (u32)sizeof(a));
	a.policy = t->se.policy;
	a.flags = t->se.reset_on_fork ? SCHED_FLAG_RESET_ON_FORK : 0;
	a.priority = t->se.rt_base;
	a.nice = is_rt(t->se.policy) ? 0 : t->se.nice;
	a.util_max = 1024;
	task_put(t);
	return copy_to_user(uattr, &a, a.size) ? -EFAULT : 0;
}

long sys_sched_get_priority_max(int policy)
{
	if (policy == 6) /* SCHED_DEADLINE: has none */
		return 0;
	return policy_valid(policy) ? (is_rt(policy) ? 99 : 0) : -EINVAL;
}

long sys_sched_get_priority_min(int policy)
{
	if (policy == 6)
		return 0;
	return policy_valid(policy) ? (is_rt(policy) ? 1 : 0) : -EINVAL;
}

struct timespec64 rr_interval_of(struct task *t)
{
	if (t->se.policy == SCHED_RR)
		return ns_to_timespec(SCHED_RR_QUANTUM);
	return t->se.policy == SCHED_FIFO ? (struct timespec64){ 0, 0 } : ns_to_timespec(SCHED_TICK_NS);
}

long do_rr_get_interval(pid_t pid, struct timespec64 *out)
{
	struct task *t;

	if (pid < 0)
		return -EINVAL;
	t = find(pid);
	if (!t)
		return -ESRCH;
	*out = rr_interval_of(t);
	task_put(t);
	return 0;
}

long sys_sched_rr_get_interval(pid_t pid, void __user *tp)
{
	struct timespec64 t;
	long ret = do_rr_get_interval(pid, &t);

	if (ret)
		return ret;
	return put_timespec(t, tp, false) ? -EFAULT : 0;
}

long sys_sched_yield(void)
{
	sched_yield_current();
	return 0;
}

/* --- affinity: masks of longs --- */
long sys_sched_setaffinity(pid_t pid, unsigned len, const void __user *mask)
{
	u64 m = 0;
	struct task *t;
	long ret;

	if (copy_from_user(&m, mask, MIN((size_t)len, sizeof(m))))
		return -EFAULT;
	t = find(pid);
	if (!t)
		return -ESRCH;
	ret = may_change(t) ? kerr_code(sched_set_affinity(t, m & ((1ULL << HAL_MAX_CPUS) - 1))) : -EPERM;
	task_put(t);
	return ret;
}

long sys_sched_getaffinity(pid_t pid, unsigned len, void __user *mask)
{
	unsigned long m;
	struct task *t;

	if (len < sizeof(m) || len % sizeof(m))
		return -EINVAL;
	t = find(pid);
	if (!t)
		return -ESRCH;
	m = (unsigned long)(t->se.affinity & load_relaxed(&kernel()->sched.online_mask));
	task_put(t);
	return copy_out(mask, &m) ? -EFAULT : (long)sizeof(m);
}

long sys_getcpu(void __user *cpu, void __user *node, void __user *unused)
{
	u32 id = load_relaxed(&hal_current()->se.cpu), zero = 0;

	(void)unused; /* a cache that Linux ignores since 2.6.24 */
	if ((cpu && copy_out(cpu, &id)) || (node && copy_out(node, &zero)))
		return -EFAULT;
	return 0;
}

/* --- nice: setpriority(2) over a process, a group, a user --- */
struct prio_walk {
	bool set;
	int nice;     /* to set, or the least found */
	long result;  /* of setting; -ESRCH while nobody was found */
	bool may_all; /* CAP_SYS_NICE */
};

static void prio_one(struct task *t, struct prio_walk *w)
{
	if (!w->set) {
		if (w->result == -ESRCH || t->se.nice < w->nice)
			w->nice = t->se.nice;
		w->result = 0;
		return;
	}
	if (!w->may_all && !same_user_locked(t)) {
		w->result = -EPERM;
		return;
	}
	if (w->nice < t->se.nice && !w->may_all && (u64)(20 - w->nice) > rlimit_of(t, RLIMIT_NICE)) {
		w->result = -EACCES;
		return;
	}
	if (w->result == -ESRCH)
		w->result = 0;
	sched_set(t, (enum sched_policy)t->se.policy, t->se.rt_base, w->nice);
}

static void prio_proc(struct proc *p, void *arg)
{
	struct task *t;

	list_for_each(t, &p->threads, thread_node)
		prio_one(t, arg);
}

static void prio_walk(int which, int who, struct prio_walk *w)
{
	struct task *t = which == PRIO_PROCESS ? find(who) : NULL;
	unsigned long flags = tasklist_lock();
	struct proc *p;

	w->result = -ESRCH;
	if (which == PRIO_PROCESS && t) {
		prio_one(t, w);
	} else if (which == PRIO_PGRP) {
		pgrp_for_each(who ? who : hal_current()->proc->pgrp, prio_proc, w);
	} else if (which == PRIO_USER) {
		uid_t uid = who ? (uid_t)who : current_cred()->uid;

		for_each_proc(p)
			if (p->leader && p->leader->cred && p->leader->cred->uid == uid)
				prio_proc(p, w);
	}
	tasklist_unlock(flags);
	if (t)
		task_put(t);
}

long sys_getpriority(int which, int who)
{
	struct prio_walk w = { .set = false };

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	prio_walk(which, who, &w);
	return w.result ? w.result : 20 - w.nice;
}

long sys_setpriority(int which, int who, int prio)
{
	struct prio_walk w = { .set = true, .nice = prio < -20 ? -20 : prio > 19 ? 19 : prio, .may_all = capable(CAP_SYS_NICE) };

	if (which < PRIO_PROCESS || which > PRIO_USER)
		return -EINVAL;
	prio_walk(which, who, &w);
	return w.result;
}
