/* SPDX-License-Identifier: MIT */
/*
 * The id calls of 16-bit ids (setuid(2), "C library/kernel differences"): 0xffff means -1, ids that do not fit read as 65534 (overflowuid).
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/cred.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>

#define OVERFLOW_ID 65534u
#define NGROUPS_MAX 65536u

/* The 32-bit calls, core/proc/sys_cred.c. */
#if !__has_include(<gen/sys_proto.h>)
long sys_setuid(uid_t uid);
long sys_setgid(gid_t gid);
long sys_setreuid(uid_t ruid, uid_t euid);
long sys_setregid(gid_t rgid, gid_t egid);
long sys_setresuid(uid_t ruid, uid_t euid, uid_t suid);
long sys_setresgid(gid_t rgid, gid_t egid, gid_t sgid);
long sys_setfsuid(uid_t uid);
long sys_setfsgid(gid_t gid);
#endif

static u32 widen(u32 id)
{
	id &= 0xffff;
	return id == 0xffff ? (u32)-1 : id;
}

static u16 narrow(u32 id)
{
	return id > 0xffff ? OVERFLOW_ID : (u16)id;
}

static long put_three(u16 __user *a, u32 va, u16 __user *b, u32 vb, u16 __user *c, u32 vc)
{
	if (put_user(narrow(va), a) || put_user(narrow(vb), b) || put_user(narrow(vc), c))
		return -EFAULT;
	return 0;
}

long sys_getuid16(void)
{
	return narrow(current_cred()->uid);
}
long sys_geteuid16(void)
{
	return narrow(current_cred()->euid);
}
long sys_getgid16(void)
{
	return narrow(current_cred()->gid);
}
long sys_getegid16(void)
{
	return narrow(current_cred()->egid);
}
long sys_setuid16(uid_t uid)
{
	return sys_setuid(widen(uid));
}
long sys_setgid16(gid_t gid)
{
	return sys_setgid(widen(gid));
}
long sys_setreuid16(uid_t ruid, uid_t euid)
{
	return sys_setreuid(widen(ruid), widen(euid));
}
long sys_setregid16(gid_t rgid, gid_t egid)
{
	return sys_setregid(widen(rgid), widen(egid));
}
long sys_setresuid16(uid_t ruid, uid_t euid, uid_t suid)
{
	return sys_setresuid(widen(ruid), widen(euid), widen(suid));
}
long sys_setresgid16(gid_t rgid, gid_t egid, gid_t sgid)
{
	return sys_setresgid(widen(rgid), widen(egid), widen(sgid));
}
long sys_setfsuid16(uid_t uid)
{
	return sys_setfsuid(widen(uid));
}
long sys_setfsgid16(gid_t gid)
{
	return sys_setfsgid(widen(gid));
}

long sys_getresuid16(void __user *ruid, void __user *euid, void __user *suid)
{
	const struct cred *c = current_cred();

	return put_three(ruid, c->uid, euid, c->euid, suid, c->suid);
}

long sys_getresgid16(void __user *rgid, void __user *egid, void __user *sgid)
{
	const struct cred *c = current_cred();

	return put_three(rgid, c->gid, egid, c->egid, sgid, c->sgid);
}

long sys_getgroups16(int n, void __user *list)
{
	const struct group_list *g = current_cred()->groups;

	if (n < 0)
		return -EINVAL;
	if (n) {
		if ((unsigned)n < g->count)
			return -EINVAL;
		for (unsigned i = 0; i < g->count; i++)
			if (put_user(narrow(g->gid[i]), (u16 __user *)list + i))
				return -EFAULT;
	}
	return (long)g->count;
}

long sys_setgroups16(int n, const void __user *list)
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
	for (unsigned i = 0; i < g->count; i++) {
		u16 id;

		if (copy_in(&id, (const u16 __user *)list + i)) {
			kfree(g);
			return -EFAULT;
		}
		g->gid[i] = id;
	}
	return groups_install(g);
}
