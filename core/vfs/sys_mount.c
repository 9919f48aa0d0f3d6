/* SPDX-License-Identifier: MIT */
/* mount(2), umount(2), pivot_root(2). Copies in and checks privilege; mount.c does the work. */
#include "vfs_priv.h"

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

#define MS_MGC_VAL 0xc0ed0000u
#define MS_MGC_MSK 0xffff0000u
#define UMOUNT_FLAGS 15
#define UMOUNT_NOFOLLOW 8

/* An optional string argument; *out NULL if it was not given. */
static kerr_t opt_string(const char __user *user, char **out)
{
	*out = NULL;
	return user ? getname(user, true, out) : KERR(0);
}

/* Mount data is a page of text that may end at an unmapped page: as much as is there. */
static kerr_t mount_data(const void __user *user, char **out)
{
	char *buf;
	kerr_t err;

	*out = NULL;
	if (!user)
		return 0;
	buf = path_buf_alloc();
	if (!buf)
		return KERR(ENOMEM);
	err = copy_string_from_user(buf, user, PATH_MAX);
	if (kerr_is(err, ENAMETOOLONG)) {
		buf[PATH_MAX - 1] = 0;
		err = 0;
	}
	if (err) {
		path_buf_free(buf);
		return err;
	}
	*out = buf;
	return 0;
}

static void opt_free(char *s)
{
	if (s)
		path_buf_free(s);
}

long sys_mount(const char __user *usource, const char __user *utarget, const char __user *utype, unsigned long flags, const void __user *udata)
{
	char *source = NULL, *type = NULL, *data = NULL;
	struct path at;
	kerr_t err = opt_string(utype, &type);

	if (!err)
		err = opt_string(usource, &source);
	if (!err)
		err = mount_data(udata, &data);
	if (!err)
		err = user_path(AT_FDCWD, utarget, LOOKUP_FOLLOW, &at);
	if (!err) {
		/* Old programs put a magic number in the upper half. */
		if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
			flags &= ~(unsigned long)MS_MGC_MSK;
		if (!capable(CAP_SYS_ADMIN))
			err = KERR(EPERM);
		else
			err = do_mount(source, &at, type, (unsigned)flags, data);
		path_put(&at);
	}
	opt_free(data);
	opt_free(source);
	opt_free(type);
	return kerr_code(err);
}

long sys_umount(const char __user *target, int flags)
{
	struct path at;
	kerr_t err;

	if (flags & ~UMOUNT_FLAGS)
		return -EINVAL;
	err = user_path(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &at);
	if (err)
		return kerr_code(err);
	err = capable(CAP_SYS_ADMIN) ? do_umount(&at, (unsigned)flags) : KERR(EPERM);
	dentry_put(at.dentry);
	mount_put_unused(at.mnt);
	return kerr_code(err);
}

long sys_oldumount(const char __user *target)
{
	return sys_umount(target, 0);
}

long sys_pivot_root(const char __user *new_root, const char __user *put_old)
{
	struct path n, o;
	kerr_t err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path(AT_FDCWD, new_root, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &n);
	if (err)
		return kerr_code(err);
	err = user_path(AT_FDCWD, put_old, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &o);
	if (!err) {
		err = do_pivot_root(&n, &o);
		path_put(&o);
	}
	path_put(&n);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- sysfs(2), ustat(2) */
enum { SYSFS_INDEX = 1, SYSFS_NAME, SYSFS_COUNT };

struct type_search {
	const char *name; /* by name, or NULL: by index */
	unsigned index, at;
	const struct fs_type *found;
};
static void note_type(const struct fs_type *t, void *arg)
{
	struct type_search *s = arg;

	if (!s->found && (s->name ? !strcmp(s->name, t->name) : s->at == s->index)) {
		s->found = t;
		s->index = s->at;
	}
	s->at++;
}

static long type_index(const char __user *user)
{
	struct type_search s = { 0 };
	char *name;
	kerr_t err = getname(user, false, &name);

	if (err)
		return kerr_code(err);
	s.name = name;
	fs_type_for_each(note_type, &s);
	putname(name);
	return s.found ? (long)s.index : -EINVAL;
}

long sys_sysfs(int option, unsigned long arg1, unsigned long arg2)
{
	struct type_search s = { .index = (unsigned)arg1 };

	switch (option) {
	case SYSFS_INDEX:
		return type_index((const char __user *)arg1);
	case SYSFS_NAME:
		fs_type_for_each(note_type, &s);
		if (!s.found)
			return -EINVAL;
		return copy_to_user((void __user *)arg2, s.found->name, strlen(s.found->name) + 1) ? -EFAULT : 0;
	case SYSFS_COUNT:
		s.index = ~0u;
		fs_type_for_each(note_type, &s);
		return (long)s.at;
	default:
		return -EINVAL;
	}
}
