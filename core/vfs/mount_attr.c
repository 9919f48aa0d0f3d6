/* SPDX-License-Identifier: MIT */
/*
 * What mounts allow and with whom they share: remounting, propagation, mount_setattr(2). Follows mount(2), mount_setattr(2).
 * Locking: vfs.mount_mutex for all changes; a writer counts itself, then looks at the flags (mount_want_write), so flags are set before the count is read.
 */
#include "vfs_priv.h"

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

/* Keeps new writers out of m; KERR(EBUSY), and nothing has changed, if there are some. */
static kerr_t make_readonly(struct mount *m)
{
	u32 old = m->flags;

	DEBUG_ASSERT(mutex_is_held(&vfs()->mount_mutex));
	WRITE_ONCE(m->flags, old | MS_RDONLY);
	memory_barrier();
	if (old & MS_RDONLY || atomic_read(&m->writers) <= 0)
		return 0;
	WRITE_ONCE(m->flags, old);
	return KERR(EBUSY);
}

static kerr_t mount_set_flags(struct mount *m, unsigned mflags)
{
	kerr_t err = mflags & MS_RDONLY ? make_readonly(m) : KERR(0);

	if (!err)
		WRITE_ONCE(m->flags, mflags & MNT_FLAGS);
	return err;
}

static bool super_has_writers(const struct super *sb)
{
	struct mount *m;

	list_for_each(m, &vfs()->mounts, all_node)
		if (m->sb == sb && atomic_read(&m->writers) > 0)
			return true;
	return false;
}

kerr_t mount_remount_super(struct super *sb, unsigned flags, const char *data)
{
	u32 old = sb->flags;
	kerr_t err = 0;

	DEBUG_ASSERT(mutex_is_held(&vfs()->mount_mutex));
	if ((flags & MS_RDONLY) && !(old & MS_RDONLY)) {
		/* New writers see the flag; those who were faster are seen here. */
		WRITE_ONCE(sb->flags, old | MS_RDONLY);
		memory_barrier();
		if (super_has_writers(sb))
			err = KERR(EBUSY);
		WRITE_ONCE(sb->flags, old);
	}
	return err ? err : super_remount(sb, flags, data, false);
}

kerr_t mount_remount(const struct path *at, unsigned flags, unsigned mflags, const char *data)
{
	kerr_t err;

	if (at->dentry != at->mnt->root)
		return KERR(EINVAL);
	mutex_lock(&vfs()->mount_mutex);
	if (!mount_is_seen(at->mnt)) {
		err = KERR(EINVAL);
	} else if (flags & MS_BIND) {
		err = mount_set_flags(at->mnt, mflags);
	} else {
		err = mount_remount_super(at->mnt->sb, flags, data);
		if (!err)
			WRITE_ONCE(at->mnt->flags, mflags & MNT_FLAGS);
	}
	mutex_unlock(&vfs()->mount_mutex);
	return err;
}

#define MS_PROPAGATION (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE)

kerr_t mount_propagation(const struct path *at, unsigned flags)
{
	unsigned type = flags & MS_PROPAGATION;
	struct mount *m;

	if ((type & (type - 1)) || (flags & ~(MS_REC | MS_SILENT | type)))
		return KERR(EINVAL);
	if (at->dentry != at->mnt->root)
		return KERR(EINVAL);
	mutex_lock(&vfs()->mount_mutex);
	for (m = at->mnt; m; m = flags & MS_REC ? mount_next_in_tree(m, at->mnt) : NULL)
		mount_set_propagation(m, type);
	mutex_unlock(&vfs()->mount_mutex);
	return 0;
}

/* ---------------------------------------------------------------- mount_setattr(2) */
#define MOUNT_ATTR_RDONLY 0x1u
#define MOUNT_ATTR_NOSUID 0x2u
#define MOUNT_ATTR_NODEV 0x4u
#define MOUNT_ATTR_NOEXEC 0x8u
#define MOUNT_ATTR__ATIME 0x70u
#define MOUNT_ATTR_NOATIME 0x10u
#define MOUNT_ATTR_STRICTATIME 0x20u
#define MOUNT_ATTR_NODIRATIME 0x80u
#define MOUNT_ATTR_IDMAP 0x100000u
#define MOUNT_ATTR_NOSYMFOLLOW 0x200000u
#define MOUNT_ATTR_VALID                                                                                                     \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME | \
	 MOUNT_ATTR_NOSYMFOLLOW)
#define AT_RECURSIVE 0x8000u

struct abi_mount_attr {
	u64 set, clr, propagation, userns_fd;
};
_Static_assert(sizeof(struct abi_mount_attr) == 32, "MOUNT_ATTR_SIZE_VER0");

/* The flags but those of access times. */
static unsigned plain_flags(u64 attr)
{
	return (attr & MOUNT_ATTR_RDONLY ? MS_RDONLY : 0) | (attr & MOUNT_ATTR_NOSUID ? MS_NOSUID : 0) | (attr & MOUNT_ATTR_NODEV ? MS_NODEV : 0) |
	       (attr & MOUNT_ATTR_NOEXEC ? MS_NOEXEC : 0) | (attr & MOUNT_ATTR_NODIRATIME ? MS_NODIRATIME : 0) |
	       (attr & MOUNT_ATTR_NOSYMFOLLOW ? MS_NOSYMFOLLOW : 0);
}

static kerr_t atime_flags(u64 attr, unsigned *out)
{
	switch (attr & MOUNT_ATTR__ATIME) {
	case 0:
		*out = MS_RELATIME;
		return 0;
	case MOUNT_ATTR_NOATIME:
		*out = MS_NOATIME;
		return 0;
	case MOUNT_ATTR_STRICTATIME:
		*out = 0;
		return 0;
	default:
		return KERR(EINVAL);
	}
}

kerr_t mount_attr_to_flags(unsigned attr, unsigned *mflags)
{
	unsigned atime;
	kerr_t err = attr & ~MOUNT_ATTR_VALID ? KERR(EINVAL) : atime_flags(attr, &atime);

	if (!err)
		*mflags = plain_flags(attr) | atime;
	return err;
}

struct attr_change {
	unsigned set, clr; /* MS_* of mounts */
	unsigned propagation;
	bool rec;
};

static u32 changed_flags(const struct mount *m, const struct attr_change *c)
{
	return (m->flags & ~c->clr) | c->set;
}

static struct mount *next_changed(struct mount *m, const struct mount *top, const struct attr_change *c)
{
	return c->rec ? mount_next_in_tree(m, top) : NULL;
}

/* Those that become read-only become so now; on error none has. */
static kerr_t hold_writers(struct mount *top, const struct attr_change *c)
{
	struct mount *m, *undo;
	kerr_t err;

	for (m = top; m; m = next_changed(m, top, c)) {
		if (!(changed_flags(m, c) & MS_RDONLY) || (m->flags & MS_RDONLY))
			continue;
		err = make_readonly(m);
		if (!err) {
			m->held = true;
			continue;
		}
		for (undo = top; undo != m; undo = next_changed(undo, top, c)) {
			if (undo->held)
				WRITE_ONCE(undo->flags, undo->flags & ~MS_RDONLY);
			undo->held = false;
		}
		return err;
	}
	return 0;
}

static kerr_t mount_change(const struct path *at, const struct attr_change *c)
{
	struct mount *top = at->mnt, *m;
	kerr_t err = 0;

	if (at->dentry != top->root)
		return KERR(EINVAL);
	mutex_lock(&vfs()->mount_mutex);
	if (top->parent ? !mount_is_seen(top) : !top->loose)
		err = KERR(EINVAL);
	if (!err)
		err = hold_writers(top, c);
	for (m = top; !err && m; m = next_changed(m, top, c)) {
		m->held = false;
		WRITE_ONCE(m->flags, changed_flags(m, c));
		if (c->propagation)
			mount_set_propagation(m, c->propagation);
	}
	mutex_unlock(&vfs()->mount_mutex);
	if (!err)
		mounts_changed();
	return err;
}

/* Maps of ids come from user namespaces, of which there are none: no file is one. */
static kerr_t refuse_idmap(const struct abi_mount_attr *a)
{
	struct file *f;

	if (!((a->set | a->clr) & MOUNT_ATTR_IDMAP))
		return 0;
	f = !(a->clr & MOUNT_ATTR_IDMAP) && a->userns_fd <= S32_MAX ? fd_get((int)a->userns_fd) : NULL;
	if (f)
		file_put(f);
	return f || (a->clr & MOUNT_ATTR_IDMAP) || a->userns_fd > S32_MAX ? KERR(EINVAL) : KERR(EBADF);
}

static kerr_t attr_change(const struct abi_mount_attr *a, struct attr_change *c)
{
	unsigned atime = 0;
	kerr_t err;

	if (a->propagation & ~(u64)MS_PROPAGATION || (a->propagation & (a->propagation - 1)))
		return KERR(EINVAL);
	if ((a->set | a->clr) & ~(u64)(MOUNT_ATTR_VALID | MOUNT_ATTR_IDMAP))
		return KERR(EINVAL);
	c->propagation = (unsigned)a->propagation;
	c->set = plain_flags(a->set);
	c->clr = plain_flags(a->clr);
	if (a->clr & MOUNT_ATTR__ATIME) {
		if ((a->clr & MOUNT_ATTR__ATIME) != MOUNT_ATTR__ATIME)
			return KERR(EINVAL);
		err = atime_flags(a->set, &atime);
		if (err)
			return err;
		c->set |= atime;
		c->clr |= MS_RELATIME | MS_NOATIME;
	} else if (a->set & MOUNT_ATTR__ATIME) {
		return KERR(EINVAL);
	}
	return refuse_idmap(a);
}

long sys_mount_setattr(int dirfd, const char __user *name, unsigned flags, const void __user *uattr, size_t size)
{
	struct abi_mount_attr a;
	struct attr_change c = { .rec = flags & AT_RECURSIVE };
	struct path at;
	kerr_t err;

	if (flags & ~(AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < sizeof(a))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = copy_struct_from_user(&a, sizeof(a), uattr, size);
	if (err || (!a.set && !a.clr && !a.propagation))
		return kerr_code(err);
	err = attr_change(&a, &c);
	if (!err)
		err = user_path(dirfd, name, (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &at);
	if (err)
		return kerr_code(err);
	err = mount_change(&at, &c);
	path_put(&at);
	return kerr_code(err);
}
