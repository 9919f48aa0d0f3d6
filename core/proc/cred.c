/* SPDX-License-Identifier: MIT */
/*
 * Credentials: shared, immutable, replaced whole (credentials(7), capabilities(7)). A change goes: cred_prepare(), edit the copy, cred_commit().
 * current->cred is written by its owner under the tree lock, so that others may take a reference under it.
 * What execve(2) does to them is cred_exec.c's.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#include "proc_priv.h"

static void groups_put(struct group_list *g)
{
	if (atomic_dec_and_test(&g->refs))
		kfree(g);
}

void cred_put(const struct cred *shared)
{
	struct cred *c = (struct cred *)(uintptr_t)shared;

	if (!c || !atomic_dec_and_test(&c->refs))
		return;
	groups_put(c->groups);
	user_put(c->user);
	kmem_cache_free(kernel()->proc.cred_cache, c);
}

const struct cred *current_cred(void)
{
	const struct cred *c = hal_current()->cred;

	return likely(c != NULL) ? c : kernel()->proc.root_cred;
}

kerr_t cred_kernel(const struct cred **out)
{
	struct proc_state *s = &kernel()->proc;
	struct cred *c;
	kerr_t err;

	if (s->root_cred) {
		*out = cred_get(s->root_cred);
		return KERR(0);
	}
	c = kmem_cache_alloc(s->cred_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));
	if (!c)
		return KERR(ENOMEM);
	err = KERR(ENOMEM);
	c->groups = kzalloc(sizeof(*c->groups), GFP_KERNEL);
	if (!c->groups)
		goto free_cred;
	err = user_find(0, &c->user);
	if (err)
		goto free_groups;
	atomic_set(&c->refs, 1);
	atomic_set(&c->groups->refs, 1);
	c->cap_effective = c->cap_permitted = c->cap_bounding = CAP_FULL;
	*out = c;
	return KERR(0);
free_groups:
	kfree(c->groups);
free_cred:
	kmem_cache_free(s->cred_cache, c);
	return err;
}

kerr_t cred_prepare(struct cred **out)
{
	const struct cred *old = current_cred();
	struct cred *c = kmem_cache_alloc(kernel()->proc.cred_cache, GFP_KERNEL);

	if (!c)
		return KERR(ENOMEM);
	/* all but the count of the old one, which others change meanwhile */
	memcpy((u8 *)c + offsetof(struct cred, uid), (const u8 *)old + offsetof(struct cred, uid), sizeof(*c) - offsetof(struct cred, uid));
	atomic_set(&c->refs, 1);
	atomic_inc(&c->groups->refs);
	atomic_inc(&c->user->refs);
	*out = c;
	return KERR(0);
}

void cred_abort(struct cred *c)
{
	cred_put(c);
}

kerr_t cred_set_user(struct cred *c, uid_t uid)
{
	struct user_struct *u;
	kerr_t err = user_find(uid, &u);

	if (err)
		return err;
	user_put(c->user);
	c->user = u;
	return KERR(0);
}

void cred_commit(struct cred *c)
{
	struct task *t = hal_current();
	const struct cred *old = t->cred;
	unsigned long flags;

	if (old && old->user != c->user) {
		atomic_inc(&c->user->processes);
		atomic_dec(&old->user->processes);
	}
	if (t->mm && old && (old->euid != c->euid || old->egid != c->egid || old->fsuid != c->fsuid || old->fsgid != c->fsgid ||
			     (c->cap_permitted & ~old->cap_permitted)))
		t->mm->dumpable = (u8)load_relaxed(&kernel()->proc.suid_dumpable); /* proc(5) */
	flags = tasklist_lock();
	t->cred = c;
	tasklist_unlock(flags);
	cred_put(old);
}

bool cred_capable(const struct cred *c, int cap)
{
	return (c->cap_effective >> cap) & 1;
}

bool capable(int cap)
{
	if (!cred_capable(current_cred(), cap))
		return false;
	hal_current()->flags |= TASK_USED_SUPERPRIV;
	return true;
}

bool cred_in_group(const struct cred *c, gid_t gid)
{
	const struct group_list *g = c->groups;
	unsigned lo = 0, hi = g->count;

	if (c->fsgid == gid)
		return true;
	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (g->gid[mid] == gid)
			return true;
		if (g->gid[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

#define CAP_FS_MASK ((1ULL << CAP_CHOWN) | (1ULL << CAP_MKNOD) | (1ULL << CAP_DAC_OVERRIDE) | (1ULL << CAP_DAC_READ_SEARCH) | \
		     (1ULL << CAP_FOWNER) | (1ULL << CAP_FSETID) | (1ULL << CAP_MAC_OVERRIDE) | (1ULL << CAP_LINUX_IMMUTABLE))

void cred_fixup_caps(struct cred *new, const struct cred *old)
{
	bool had_root = old->uid == 0 || old->euid == 0 || old->suid == 0;
	bool has_root = new->uid == 0 || new->euid == 0 || new->suid == 0;

	if (new->securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (had_root && !has_root) {
		if (!(new->securebits & SECURE_KEEP_CAPS))
			new->cap_permitted = new->cap_effective = 0;
		new->cap_ambient = 0;
	}
	if (old->euid == 0 && new->euid != 0)
		new->cap_effective = 0;
	if (old->euid != 0 && new->euid == 0)
		new->cap_effective = new->cap_permitted;
	if (old->fsuid == 0 && new->fsuid != 0)
		new->cap_effective &= ~CAP_FS_MASK;
	if (old->fsuid != 0 && new->fsuid == 0)
		new->cap_effective |= new->cap_permitted & CAP_FS_MASK;
}
