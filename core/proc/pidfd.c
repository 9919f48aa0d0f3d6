/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of processes: pidfd_open(2), pidfd_getfd(2), CLONE_PIDFD; pidfd_send_signal(2) is in sys_signal.c. The file holds a reference on its
 * struct proc, so that the number of a process that is gone never means another. It polls readable once the process has ended (proc.exit_wait).
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/vfs.h>

#include "proc_priv.h"

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct proc *p = f->priv;

	poll_wait(pt, f, &p->exit_wait);
	return load_acquire(&p->is_zombie) ? EPOLLIN | EPOLLRDNORM : 0;
}

static void pidfd_release(struct inode *inode, struct file *f)
{
	(void)inode;
	proc_put(f->priv);
}

static void pidfd_fdinfo(struct file *f, struct seq_buf *s)
{
	struct proc *p = f->priv;
	pid_t pid = load_relaxed(&p->reaped) ? -1 : p->pid;

	seq_printf(s, "Pid:\t%d\nNSpid:\t%d\n", pid, pid);
}

static const struct file_ops pidfd_fops = { .poll = pidfd_poll, .release = pidfd_release, .show_fdinfo = pidfd_fdinfo };

kerr_t pidfd_file(struct proc *p, u32 flags, struct file **out)
{
	kerr_t err = file_anon("[pidfd]", &pidfd_fops, proc_get(p), O_RDWR | (flags & O_NONBLOCK), out);

	if (err)
		proc_put(p);
	else
		(*out)->mode |= FMODE_STREAM;
	return err;
}

struct proc *pidfd_get(int fd, u32 *flags)
{
	struct file *f = fd_get(fd);
	struct proc *p = NULL;

	if (!f)
		return NULL;
	if (f->ops == &pidfd_fops) {
		p = proc_get(f->priv);
		if (flags)
			*flags = f->flags;
	}
	file_put(f);
	return p;
}

kerr_t pidfd_or_dir_get(int fd, struct proc **out)
{
	struct file *f = fd_get(fd);
	kerr_t err = KERR(0);

	if (!f)
		return KERR(EBADF);
	if (f->ops == &pidfd_fops)
		*out = proc_get(f->priv);
	else if (!proc_file_process(f, out))
		err = KERR(EBADF);
	else if (!*out)
		err = KERR(ESRCH);
	file_put(f);
	return err;
}

long sys_pidfd_open(pid_t pid, unsigned flags)
{
	unsigned long irq;
	struct proc *p;
	struct file *f;
	kerr_t err;
	bool thread;
	long fd;

	if ((flags & ~O_NONBLOCK) || pid <= 0)
		return -EINVAL;
	irq = tasklist_lock();
	p = pid_proc(pid);
	thread = !p && pid_task(pid);
	if (p)
		proc_get(p);
	tasklist_unlock(irq);
	if (!p)
		return thread ? -EINVAL : -ESRCH;
	err = pidfd_file(p, flags, &f);
	proc_put(p);
	if (err)
		return kerr_code(err);
	fd = fd_install(f, O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

static struct task *leader_get(struct proc *p)
{
	unsigned long flags = tasklist_lock();
	struct task *t = p->leader;

	if (t)
		task_get(t);
	tasklist_unlock(flags);
	return t;
}

static long steal_file(struct task *t, int fd)
{
	struct mm *mm = task_mm_get(t);
	struct file *f;
	long ret;
	bool may;

	if (!mm)
		return -ESRCH;
	may = mm_may_access(t, mm);
	mm_unref(mm);
	if (!may)
		return -EPERM;
	f = task_file_get(t, fd);
	if (!f)
		return -EBADF;
	ret = fd_install(f, O_CLOEXEC);
	if (ret < 0)
		file_put(f);
	return ret;
}

long sys_pidfd_getfd(int pidfd, int fd, unsigned flags)
{
	struct proc *p;
	struct task *t;
	long ret;

	if (flags)
		return -EINVAL;
	p = pidfd_get(pidfd, NULL);
	if (!p)
		return -EBADF;
	t = leader_get(p);
	proc_put(p);
	if (!t)
		return -ESRCH;
	ret = steal_file(t, fd);
	task_put(t);
	return ret;
}

/* ---------------------------------------------------------------- kcmp(2) */

enum { KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM };

/* An order that says nothing about where things lie. */
static long compare(const void *a, const void *b)
{
	u32 x = hash_ptr(a), y = hash_ptr(b);

	if (a == b)
		return 0;
	if (x == y)
		return (uintptr_t)a < (uintptr_t)b ? 1 : 2;
	return x < y ? 1 : 2;
}

static long compare_files(struct task *a, struct task *b, unsigned long i, unsigned long j)
{
	struct file *x = task_file_get(a, i > S32_MAX ? -1 : (int)i), *y = task_file_get(b, j > S32_MAX ? -1 : (int)j);
	long ret = x && y ? compare(x, y) : -EBADF;

	if (x)
		file_put(x);
	if (y)
		file_put(y);
	return ret;
}

static bool may_look(struct task *t)
{
	struct mm *mm = task_mm_get(t);
	bool may = mm ? mm_may_access(t, mm) : capable(CAP_SYS_PTRACE);

	if (mm)
		mm_unref(mm);
	return may;
}

static long kcmp(struct task *a, struct task *b, int type, unsigned long i, unsigned long j)
{
	if (!may_look(a) || !may_look(b))
		return -EPERM;
	switch (type) {
	case KCMP_FILE:
		return compare_files(a, b, i, j);
	case KCMP_VM:
		return compare(a->mm, b->mm);
	case KCMP_FILES:
		return compare(a->files, b->files);
	case KCMP_FS:
		return compare(a->fs, b->fs);
	case KCMP_SIGHAND:
		return compare(a->sighand, b->sighand);
	case KCMP_IO: /* nobody shares I/O contexts or undo lists: there are none, as on Linux until they are used */
	case KCMP_SYSVSEM:
		return 0;
	default:
		return -EINVAL;
	}
}

long sys_kcmp(pid_t pid1, pid_t pid2, int type, unsigned long i, unsigned long j)
{
	struct task *a = task_find(pid1), *b = task_find(pid2);
	long ret = a && b ? kcmp(a, b, type, i, j) : -ESRCH;

	if (a)
		task_put(a);
	if (b)
		task_put(b);
	return ret;
}
