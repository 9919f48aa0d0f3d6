/* SPDX-License-Identifier: MIT */
/*
 * Real users: what RLIMIT_NPROC and RLIMIT_SIGPENDING count over all processes of a user (getrlimit(2)).
 * A short list under one spinlock: a machine has few users at a time. Each cred holds a reference on its real user's.
 */
#include <maestro/cred.h>
#include <maestro/kernel.h>
#include <maestro/slab.h>

static struct user_struct *user_find_locked(uid_t uid)
{
	struct user_struct *u;

	list_for_each(u, &kernel()->proc.users, node)
		if (u->uid == uid) {
			atomic_inc(&u->refs);
			return u;
		}
	return NULL;
}

kerr_t user_find(uid_t uid, struct user_struct **out)
{
	struct proc_state *s = &kernel()->proc;
	unsigned long flags = spin_lock_irqsave(&s->user_lock);
	struct user_struct *u = user_find_locked(uid), *fresh;

	spin_unlock_irqrestore(&s->user_lock, flags);
	if (u) {
		*out = u;
		return KERR(0);
	}
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL);
	if (!fresh)
		return KERR(ENOMEM);
	flags = spin_lock_irqsave(&s->user_lock);
	u = user_find_locked(uid); /* another may have been quicker */
	if (!u) {
		u = fresh;
		fresh = NULL;
		u->uid = uid;
		atomic_set(&u->refs, 1);
		list_add(&s->users, &u->node);
	}
	spin_unlock_irqrestore(&s->user_lock, flags);
	kfree(fresh);
	*out = u;
	return KERR(0);
}

void user_put(struct user_struct *u)
{
	struct proc_state *s = &kernel()->proc;
	unsigned long flags;

	/* Not the last: no lock. The last one goes under it, so that user_find() never revives a dying entry. */
	for (int refs = atomic_read(&u->refs); refs > 1;)
		if (atomic_cmpxchg(&u->refs, &refs, refs - 1))
			return;
	flags = spin_lock_irqsave(&s->user_lock);
	if (!atomic_dec_and_test(&u->refs)) {
		spin_unlock_irqrestore(&s->user_lock, flags);
		return;
	}
	list_del(&u->node);
	spin_unlock_irqrestore(&s->user_lock, flags);
	kfree(u);
}
