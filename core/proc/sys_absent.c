/* SPDX-License-Identifier: MIT */
/*
 * Calls of parts that this kernel does not have: modules, swap space, quotas, I/O ports for programs, local descriptor tables. What
 * they can say truly they say (nothing is swapped on, so swapoff(2) is EINVAL; no module fits, so init_module(2) is ENOEXEC); wrong arguments are refused
 * as by Linux; what is left is ENOSYS. Specification: the man page of each call.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

/* The error of looking a name up; 0: it is there. *mode: what it is. */
static long look(const char __user *name, mode_t *mode)
{
	struct path p;
	kerr_t err = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return kerr_code(err);
	*mode = p.dentry->inode->mode;
	path_put(&p);
	return 0;
}

/* ---------------------------------------------------------------- swap, quotas */

#define SWAP_FLAGS_VALID 0x7ffff

long sys_swapon(const char __user *name, int flags)
{
	mode_t mode;
	long ret;

	if (flags & ~SWAP_FLAGS_VALID)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = look(name, &mode);
	if (!ret)
		ret = S_ISREG(mode) || S_ISBLK(mode) ? -ENOSYS : -EINVAL;
	return ret;
}

long sys_swapoff(const char __user *name)
{
	mode_t mode;
	long ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = look(name, &mode);
	return ret ? ret : -EINVAL;
}

#define MAXQUOTAS 3u
#define Q_SYNC 0x800001u

static long check_quota(u32 cmd)
{
	if ((cmd & 0xff) >= MAXQUOTAS)
		return -EINVAL;
	return 0;
}

long sys_quotactl(unsigned cmd, const char __user *special, int id, void __user *addr)
{
	mode_t mode;
	long ret = check_quota(cmd);

	(void)id;
	(void)addr;
	if (ret)
		return ret;
	if (!special)
		return cmd >> 8 == Q_SYNC ? 0 : -ENODEV; /* no quotas: nothing to write out */
	ret = look(special, &mode);
	if (!ret)
		ret = S_ISBLK(mode) ? -ENOSYS : -ENOTBLK;
	return ret;
}

long sys_quotactl_fd(int fd, unsigned cmd, int id, void __user *addr)
{
	struct file *f;
	long ret = check_quota(cmd);

	(void)id;
	(void)addr;
	if (ret)
		return ret;
	f = fd_get_any(fd);
	if (!f)
		return -EBADF;
	file_put(f);
	return -EINVAL; /* a file system without any type of quota */
}

/* Libraries of the a.out times (uselib(2)): of no format that is known, once they may be read and executed. */
long sys_uselib(const char __user *name)
{
	struct path p;
	kerr_t err = user_path(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return kerr_code(err);
	err = S_ISREG(p.dentry->inode->mode) ? inode_permission(p.dentry->inode, MAY_READ | MAY_EXEC) : KERR(EACCES);
	path_put(&p);
	return err ? kerr_code(err) : -ENOEXEC;
}

/* ---------------------------------------------------------------- modules */

long sys_init_module(const void __user *image, size_t len, const char __user *params)
{
	u8 head[4];

	(void)params;
	if (!capable(CAP_SYS_MODULE))
		return -EPERM;
	if (len < sizeof(head) * 13) /* an ELF header */
		return -ENOEXEC;
	return copy_from_user(head, image, sizeof(head)) ? -EFAULT : -ENOEXEC;
}

long sys_finit_module(int fd, const char __user *params, int flags)
{
	struct file *f;
	long ret = -ENOEXEC;

	(void)params;
	if (!capable(CAP_SYS_MODULE))
		return -EPERM;
	if (flags & ~7)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (!(f->mode & FMODE_READ))
		ret = -EBADF;
	else if (!S_ISREG(f->inode->mode))
		ret = -EINVAL;
	else if (f->mode & FMODE_WRITE)
		ret = -ETXTBSY;
	file_put(f);
	return ret;
}

long sys_delete_module(const char __user *user, unsigned flags)
{
	char name[56];
	kerr_t err;

	(void)flags;
	if (!capable(CAP_SYS_MODULE))
		return -EPERM;
	err = copy_string_from_user(name, user, sizeof(name));
	return kerr_code(err) == -EFAULT ? -EFAULT : -ENOENT;
}

/* ---------------------------------------------------------------- the i386 machine */

#define IO_PORTS 65536UL

long sys_ioperm(unsigned long from, unsigned long num, int on)
{
	if (from + num <= from || from + num > IO_PORTS)
		return -EINVAL;
	if (!on)
		return 0; /* it never had any */
	return capable(CAP_SYS_RAWIO) ? -ENOSYS : -EPERM;
}

long sys_iopl(unsigned level)
{
	if (level > 3)
		return -EINVAL;
	if (!level)
		return 0;
	return capable(CAP_SYS_RAWIO) ? -ENOSYS : -EPERM;
}

enum { LDT_READ = 0, LDT_READ_DEFAULT = 2 };

/* No program has a local descriptor table: it is empty. */
long sys_modify_ldt(int func, void __user *ptr, size_t n)
{
	size_t size = 5 * 8; /* what the first Unix programs found in theirs: five null descriptors */

	if (func == LDT_READ)
		return 0;
	if (func != LDT_READ_DEFAULT)
		return -ENOSYS;
	size = MIN(size, n);
	return clear_user(ptr, size) ? -EFAULT : (long)size;
}
