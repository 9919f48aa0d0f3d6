/* SPDX-License-Identifier: MIT */
/* getrlimit(2), setrlimit(2), prlimit(2). Limits belong to the thread group; written under the tree lock, single words are read without. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/proc.h>
#include <maestro/kernel.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>

#define NR_OPEN 1048576u

/* new and old may be NULL. */
static kerr_t do_prlimit(struct proc *p, unsigned which, const struct rlimit64 *new, struct rlimit64 *old)
{
	unsigned long flags;
	kerr_t err = KERR(0);
	struct rlimit64 *r;

	if (which >= RLIMIT_COUNT)
		return KERR(EINVAL);
	if (new) {
		if (new->cur > new->max)
			return KERR(EINVAL);
		if (which == RLIMIT_NOFILE && new->max > NR_OPEN)
			return KERR(EPERM);
	}
	r = &p->rlim[which];
	flags = tasklist_lock();
	if (new && new->max > r->max && !capable(CAP_SYS_RESOURCE))
		err = KERR(EPERM);
	if (!err && old)
		*old = *r;
	if (!err && new)
		*r = *new;
	tasklist_unlock(flags);
	return err;
}

static u64 widen(u64 v)
{
	return v == (__typeof__(((struct abi_rlimit *)0)->cur))-1 ? RLIM_INFINITY : v;
}

long sys_getrlimit(unsigned which, void __user *out)
{
	struct abi_rlimit u;
	struct rlimit64 r;
	kerr_t err = do_prlimit(hal_current()->proc, which, NULL, &r);

	if (err)
		return kerr_code(err);
	u.cur = (__typeof__(u.cur))MIN(r.cur, (u64)ULONG_MAX);
	u.max = (__typeof__(u.max))MIN(r.max, (u64)ULONG_MAX);
	return kerr_code(copy_to_user(out, &u, sizeof(u)));
}

long sys_setrlimit(unsigned which, const void __user *in)
{
	struct abi_rlimit u;
	struct rlimit64 r;

	if (copy_from_user(&u, in, sizeof(u)))
		return -EFAULT;
	r.cur = widen(u.cur);
	r.max = widen(u.max);
	return kerr_code(do_prlimit(hal_current()->proc, which, &r, NULL));
}

/* All ids of `to` are ours, or we may anyway. */
static bool may_limit(struct task *to)
{
	const struct cred *me = current_cred(), *c = to->cred;

	if (to->proc == hal_current()->proc)
		return true;
	if (me->uid == c->euid && me->uid == c->suid && me->uid == c->uid && me->gid == c->egid && me->gid == c->sgid && me->gid == c->gid)
		return true;
	return capable(CAP_SYS_RESOURCE);
}

long sys_prlimit64(pid_t pid, unsigned which, const void __user *unew, void __user *uold)
{
	struct task *t = pid ? task_find(pid) : task_get(hal_current());
	struct rlimit64 new, old;
	kerr_t err = KERR(0);

	if (!t)
		return -ESRCH;
	if (unew)
		err = copy_from_user(&new, unew, sizeof(new));
	if (!err && !may_limit(t))
		err = KERR(EPERM);
	if (!err)
		err = do_prlimit(t->proc, which, unew ? &new : NULL, uold ? &old : NULL);
	task_put(t);
	if (!err && uold)
		err = copy_to_user(uold, &old, sizeof(old));
	return kerr_code(err);
}
