/* SPDX-License-Identifier: MIT */
/* capget(2), capset(2), and the parts of prctl(2) that change capabilities: bounding and ambient sets, securebits, no_new_privs. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>

#include "prctl_priv.h"

#define CAP_V1 0x19980330u
#define CAP_V2 0x20071026u
#define CAP_V3 0x20080522u

struct cap_header {
	u32 version;
	s32 pid;
};
struct cap_data {
	u32 effective, permitted, inheritable;
};

/* How many cap_data the version has; 0: unknown, and ours is written to the header. */
static unsigned read_header(struct cap_header *h, const void __user *uh, kerr_t *err)
{
	*err = copy_from_user(h, uh, sizeof(*h));
	if (*err)
		return 0;
	if (h->version == CAP_V1)
		return 1;
	if (h->version == CAP_V2 || h->version == CAP_V3)
		return 2;
	*err = put_user(CAP_V3, (u32 __user *)(uaddr_t)uh);
	if (!*err)
		*err = KERR(EINVAL);
	return 0;
}

long sys_capget(void __user *header, void __user *data)
{
	struct cap_data d[2];
	struct cap_header h;
	const struct cred *c;
	unsigned long flags;
	struct task *t;
	kerr_t err;
	unsigned n = read_header(&h, header, &err);

	if (!n)
		return !data && err == KERR(EINVAL) ? 0 : kerr_code(err);
	if (h.pid < 0)
		return -EINVAL;
	flags = tasklist_lock();
	t = h.pid ? pid_task(h.pid) : hal_current();
	c = t ? cred_get(t->cred) : NULL;
	tasklist_unlock(flags);
	if (!c)
		return -ESRCH;
	for (unsigned i = 0; i < 2; i++) {
		d[i].effective = (u32)(c->cap_effective >> (32 * i));
		d[i].permitted = (u32)(c->cap_permitted >> (32 * i));
		d[i].inheritable = (u32)(c->cap_inheritable >> (32 * i));
	}
	cred_put(c);
	return data ? kerr_code(copy_to_user(data, d, n * sizeof(d[0]))) : 0;
}

/* capset(2): what may be set. */
static kerr_t check_capset(const struct cred *old, cap_t e, cap_t p, cap_t i)
{
	if (!cred_capable(old, CAP_SETPCAP) && (i & ~(old->cap_inheritable | old->cap_permitted)))
		return KERR(EPERM);
	if (i & ~(old->cap_inheritable | old->cap_bounding))
		return KERR(EPERM);
	if ((p & ~old->cap_permitted) || (e & ~p))
		return KERR(EPERM);
	return KERR(0);
}

long sys_capset(const void __user *header, const void __user *data)
{
	struct cap_data d[2];
	struct cap_header h;
	struct cred *c;
	cap_t e, p, i;
	kerr_t err;
	unsigned n = read_header(&h, header, &err);

	if (!n)
		return kerr_code(err);
	if (h.pid && h.pid != hal_current()->tid)
		return -EPERM;
	memset(d, 0, sizeof(d));
	if (copy_from_user(d, data, n * sizeof(d[0])))
		return -EFAULT;
	e = (d[0].effective | (u64)d[1].effective << 32) & CAP_FULL;
	p = (d[0].permitted | (u64)d[1].permitted << 32) & CAP_FULL;
	i = (d[0].inheritable | (u64)d[1].inheritable << 32) & CAP_FULL;
	err = check_capset(current_cred(), e, p, i);
	if (!err)
		err = cred_prepare(&c);
	if (err)
		return kerr_code(err);
	c->cap_effective = e;
	c->cap_permitted = p;
	c->cap_inheritable = i;
	c->cap_ambient &= p & i;
	cred_commit(c);
	return 0;
}

/* ---------------------------------------------------------------- prctl */

long prctl_capbset_read(unsigned long cap)
{
	if (cap >= CAP_COUNT)
		return -EINVAL;
	return (long)((current_cred()->cap_bounding >> cap) & 1);
}

long prctl_capbset_drop(unsigned long cap)
{
	struct cred *c;
	kerr_t err;

	if (!capable(CAP_SETPCAP))
		return -EPERM;
	if (cap >= CAP_COUNT)
		return -EINVAL;
	err = cred_prepare(&c);
	if (err)
		return kerr_code(err);
	c->cap_bounding &= ~(1ULL << cap);
	cred_commit(c);
	return 0;
}

long prctl_securebits_set(unsigned long bits)
{
	const struct cred *old = current_cred();
	struct cred *c;
	kerr_t err;

	if (bits & ~(unsigned long)(SECURE_ALL_BITS | SECURE_ALL_LOCKS))
		return -EPERM;
	/* A locked bit stays, a lock too. */
	if (((old->securebits & SECURE_ALL_LOCKS) >> 1) & (old->securebits ^ bits))
		return -EPERM;
	if (old->securebits & SECURE_ALL_LOCKS & ~bits)
		return -EPERM;
	if (!capable(CAP_SETPCAP))
		return -EPERM;
	err = cred_prepare(&c);
	if (err)
		return kerr_code(err);
	c->securebits = (u32)bits;
	cred_commit(c);
	return 0;
}

long prctl_keepcaps_set(unsigned long on)
{
	struct cred *c;
	kerr_t err;

	if (on > 1)
		return -EINVAL;
	if (current_cred()->securebits & SECURE_KEEP_CAPS_LOCKED)
		return -EPERM;
	err = cred_prepare(&c);
	if (err)
		return kerr_code(err);
	c->securebits = on ? c->securebits | SECURE_KEEP_CAPS : c->securebits & ~SECURE_KEEP_CAPS;
	cred_commit(c);
	return 0;
}

long prctl_no_new_privs_set(void)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	store_relaxed(&t->no_new_privs, true);
	sighand_unlock(s, flags);
	return 0;
}

enum { AMBIENT_IS_SET = 1, AMBIENT_RAISE, AMBIENT_LOWER, AMBIENT_CLEAR_ALL };

long prctl_ambient(unsigned long op, unsigned long cap)
{
	const struct cred *old = current_cred();
	struct cred *c;
	kerr_t err;
	cap_t bit;

	if (op == AMBIENT_CLEAR_ALL ? cap != 0 : cap >= CAP_COUNT)
		return -EINVAL;
	bit = 1ULL << cap;
	if (op == AMBIENT_IS_SET)
		return !!(old->cap_ambient & bit);
	if (op < AMBIENT_RAISE || op > AMBIENT_CLEAR_ALL)
		return -EINVAL;
	if (op == AMBIENT_RAISE && (!(old->cap_permitted & old->cap_inheritable & bit) || (old->securebits & SECURE_NO_CAP_AMBIENT_RAISE)))
		return -EPERM;
	err = cred_prepare(&c);
	if (err)
		return kerr_code(err);
	if (op == AMBIENT_CLEAR_ALL)
		c->cap_ambient = 0;
	else
		c->cap_ambient = op == AMBIENT_RAISE ? c->cap_ambient | bit : c->cap_ambient & ~bit;
	cred_commit(c);
	return 0;
}
