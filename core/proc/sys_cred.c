/* SPDX-License-Identifier: MIT */
/*
 * User and group ids: setuid(2), setreuid(2), setresuid(2), setfsuid(2), their group twins, getgroups(2), setgroups(2).
 * The id -1 means "leave it".
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>

#include "proc_priv.h"

#define NGROUPS_MAX 65536u
#define KEEP ((u32)-1)

long sys_getuid(void)
{
	return current_cred()->uid;
}
long sys_geteuid(void)
{
	return current_cred()->euid;
}
long sys_getgid(void)
{
	return current_cred()->gid;
}
long sys_getegid(void)
{
	return current_cred()->egid;
}

/* The new user ids are in c; ends the change. */
static long commit_uids(struct cred *c)
{
	const struct cred *old = current_cred();

	if (c->uid != old->uid) {
		kerr_t err = cred_set_user(c, c->uid);

		if (err) {
			cred_abort(c);
			return kerr_code(err);
		}
	}
	cred_fixup_caps(c, old);
	cred_commit(c);
	return 0;
}

static long refuse(struct cred *c)
{
	cred_abort(c);
	return -EPERM;
}

long sys_setuid(uid_t uid)
{
	struct cred *c;
	kerr_t err;

	if (uid == KEEP)
		return -EINVAL;
	err = cred_prepare(&c);
	if (err)
		return kerr_code(err);
	if (capable(CAP_SETUID))
		c->uid = c->suid = uid;
	else if (uid != c->uid && uid != c->suid)
		return refuse(c);
	c->euid = c->fsuid = uid;
	return commit_uids(c);
}

long sys_setreuid(uid_t ruid, uid_t euid)
{
	const struct cred *old = current_cred();
	struct cred *c;
	kerr_t err = cred_prepare(&c);

	if (err)
		return kerr_code(err);
	if (ruid != KEEP) {
		if (ruid != old->uid && ruid != old->euid && !capable(CAP_SETUID))
			return refuse(c);
		c->uid = ruid;
	}
	if (euid != KEEP) {
		if (euid != old->uid && euid != old->euid && euid != old->suid && !capable(CAP_SETUID))
			return refuse(c);
		c->euid = euid;
	}
	if (ruid != KEEP || (euid != KEEP && euid != old->uid))
		c->suid = c->euid;
	c->fsuid = c->euid;
	return commit_uids(c);
}

static bool is_my_uid(const struct cred *c, uid_t uid)
{
	return uid == KEEP || uid == c->uid || uid == c->euid || uid == c->suid;
}

long sys_setresuid(uid_t ruid, uid_t euid, uid_t suid)
{
	const struct cred *old = current_cred();
	struct cred *c;
	kerr_t err = cred_prepare(&c);

	if (err)
		return kerr_code(err);
	if (!(is_my_uid(old, ruid) && is_my_uid(old, euid) && is_my_uid(old, suid)) && !capable(CAP_SETUID))
		return refuse(c);
	if (ruid != KEEP)
		c->uid = ruid;
	if (euid != KEEP)
		c->euid = euid;
	if (suid != KEEP)
		c->suid = suid;
	c->fsuid = c->euid;
	return commit_uids(c);
}

static long put_three(u32 __user *a, u32 va, u32 __user *b, u32 vb, u32 __user *d, u32 vd)
{
	if (put_user(va, a) || put_user(vb, b) || put_user(vd, d))
		return -EFAULT;
	return 0;
}

long sys_getresuid(void __user *ruid, void __user *euid, void __user *suid)
{
	const struct cred *c = current_cred();

	return put_three(ruid, c->uid, euid, c->euid, suid, c->suid);
}

long sys_getresgid(void __user *rgid, void __user *egid, void __user *sgid)
{
	const struct cred *c = current_cred();

	return put_three(rgid, c->gid, egid, c->egid, sgid, c->sgid);
}

/* Never fails: returns the id before, changed or not. */
long sys_setfsuid(uid_t uid)
{
	const struct cred *old = current_cred();
	long before = old->fsuid;
	struct cred *c;

	if (uid == KEEP || uid == old->fsuid || !(is_my_uid(old, uid) || capable(CAP_SETUID)) || cred_prepare(&c))
		return before;
	c->fsuid = uid;
	cred_fixup_caps(c, old);
	cred_commit(c);
	return before;
}

long sys_setgid(gid_t gid)
{
	struct cred *c;
	kerr_t err;

	if (gid == KEEP)
		return -EINVAL;
	err = cred_prepare(&c);
	if (err)
		return kerr_code(err);
	if (capable(CAP_SETGID))
		c->gid = c->sgid = gid;
	else if (gid != c->gid && gid != c->sgid)
		return refuse(c);
	c->egid = c->fsgid = gid;
	cred_commit(c);
	return 0;
}

long sys_setregid(gid_t rgid, gid_t egid)
{
	const struct cred *old = current_cred();
	struct cred *c;
	kerr_t err = cred_prepare(&c);

	if (err)
		return kerr_code(err);
	if (rgid != KEEP) {
		if (rgid != old->gid && rgid != old->egid && !capable(CAP_SETGID))
			return refuse(c);
		c->gid = rgid;
	}
	if (egid != KEEP) {
		if (egid != old->gid && egid != old->egid && egid != old->sgid && !capable(CAP_SETGID))
			return refuse(c);
		c->egid = egid;
	}
	if (rgid != KEEP || (egid != KEEP && egid != old->gid))
		c->sgid = c->egid;
	c->fsgid = c->egid;
	cred_commit(c);
	return 0;
}

static bool is_my_gid(const struct cred *c, gid_t gid)
{
	return gid == KEEP || gid == c->gid || gid == c->egid || gid == c->sgid;
}

long sys_setresgid(gid_t rgid, gid_t egid, gid_t sgid)
{
	const struct cred *old = current_cred();
	struct cred *c;
	kerr_t err = cred_prepare(&c);

	if (err)
		return kerr_code(err);
	if (!(is_my_gid(old, rgid) && is_my_gid(old, egid) && is_my_gid(old, sgid)) && !capable(CAP_SETGID))
		return refuse(c);
	if (rgid != KEEP)
		c->gid = rgid;
	if (egid != KEEP)
		c->egid = egid;
	if (sgid != KEEP)
		c->sgid = sgid;
	c->fsgid = c->egid;
	cred_commit(c);
	return 0;
}

long sys_setfsgid(gid_t gid)
{
	const struct cred *old = current_cred();
	long before = old->fsgid;
	struct cred *c;

	if (gid == KEEP || gid == old->fsgid || !(is_my_gid(old, gid) || capable(CAP_SETGID)) || cred_prepare(&c))
		return before;
	c->fsgid = gid;
	cred_commit(c);
	return before;
}

/* ---------------------------------------------------------------- supplementary groups */

static int gid_cmp(const void *a, const void *b)
{
	gid_t x = *(const gid_t *)a, y = *(const gid_t *)b;

	return x < y ? -1 : x > y;
}

kerr_t groups_alloc(unsigned n, struct group_list **out)
{
	struct group_list *g = kmalloc(sizeof(*g) + n * sizeof(gid_t), GFP_KERNEL);

	if (!g)
		return KERR(ENOMEM);
	atomic_set(&g->refs, 1);
	g->count = n;
	*out = g;
	return KERR(0);
}

/* Installs g (its reference is taken over, also on error) as current's groups. */
long groups_install(struct group_list *g)
{
	struct cred *c;
	kerr_t err = cred_prepare(&c);

	if (err) {
		kfree(g);
		return kerr_code(err);
	}
	sort(g->gid, g->count, sizeof(gid_t), gid_cmp);
	if (atomic_dec_and_test(&c->groups->refs))
		kfree(c->groups);
	c->groups = g;
	cred_commit(c);
	return 0;
}

long sys_getgroups(int n, void __user *list)
{
	const struct group_list *g = current_cred()->groups;

	if (n < 0)
		return -EINVAL;
	if (n) {
		if ((unsigned)n < g->count)
			return -EINVAL;
		if (copy_to_user(list, g->gid, g->count * sizeof(gid_t)))
			return -EFAULT;
	}
	return g->count;
}

long sys_setgroups(int n, const void __user *list)
{
	struct group_list *g;
	kerr_t err;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if ((unsigned)n > NGROUPS_MAX)
		return -EINVAL;
	err = groups_alloc((unsigned)n, &g);
	if (err)
		return kerr_code(err);
	err = copy_from_user(g->gid, list, (size_t)n * sizeof(gid_t));
	if (err) {
		kfree(g);
		return kerr_code(err);
	}
	return groups_install(g);
}
