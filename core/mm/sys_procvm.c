/* SPDX-License-Identifier: MIT */
/*
 * process_vm_readv(2), process_vm_writev(2): copies between the caller's memory and another process's, through a page of the kernel's.
 * The right is ptrace's: same user and group ids and dumpable, or CAP_SYS_PTRACE. A partial transfer returns what was moved.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/uaccess.h>

#include "vm.h"

static bool ids_match(const struct cred *c, const struct cred *t)
{
	return c->uid == t->euid && c->uid == t->suid && c->uid == t->uid && c->gid == t->egid && c->gid == t->sgid &&
	       c->gid == t->gid;
}

bool mm_may_access(struct task *t, const struct mm *mm)
{
	unsigned long irq;
	bool ok;

	if (t->proc == current->proc || capable(CAP_SYS_PTRACE))
		return true;
	irq = tasklist_lock();
	ok = ids_match(current_cred(), t->cred);
	tasklist_unlock(irq);
	return ok && mm->dumpable == DUMP_BY_USER;
}

static long find_mm(pid_t pid, struct mm **out)
{
	struct task *t = task_find(pid);
	long ret = 0;

	if (!t)
		return -ESRCH;
	*out = task_mm_get(t);
	if (!*out)
		ret = -ESRCH;
	else if (!mm_may_access(t, *out))
		ret = -EPERM;
	else if ((*out)->host)
		ret = -ENOSYS;
	if (ret && *out)
		mm_unref(*out);
	task_put(t);
	return ret;
}

/* One remote segment. Returns bytes moved, or -EFAULT if none. */
static ssize_t transfer(struct mm *mm, const struct iovec_k *r, struct iov_iter *it, u8 *buf, bool write)
{
	size_t done = 0;

	while (done < r->len && it->count) {
		size_t left = MIN(r->len - done, it->count), n = MIN(left, PAGE_SIZE), got;
		uaddr_t at = (uaddr_t)r->base + done;
		ssize_t moved;

		if (write) {
			got = copy_from_iter(it, buf, n);
			moved = got ? mm_access(mm, at, buf, got, true) : -EFAULT;
		} else {
			moved = mm_access(mm, at, buf, n, false);
			if (moved > 0)
				moved = (ssize_t)copy_to_iter(it, buf, (size_t)moved);
		}
		if (moved <= 0)
			return done ? (ssize_t)done : -EFAULT;
		done += (size_t)moved;
		if ((size_t)moved < n)
			break;
	}
	return (ssize_t)done;
}

static ssize_t transfer_all(struct mm *mm, const struct iovec_k *remote, unsigned long n, struct iov_iter *it, bool write)
{
	u8 *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	ssize_t total = 0, got = 0;

	if (!buf)
		return -ENOMEM;
	for (unsigned long i = 0; i < n && it->count; i++) {
		got = transfer(mm, &remote[i], it, buf, write);
		if (got < 0)
			break;
		total += got;
		if ((size_t)got < remote[i].len)
			break;
	}
	kfree(buf);
	return total ? total : got;
}

static long process_vm(pid_t pid, const void __user *lvec, unsigned long ln, const void __user *rvec, unsigned long rn,
		       unsigned long flags, bool write)
{
	struct iovec_k lsmall[IOV_FAST], rsmall[IOV_FAST], *local, *remote;
	struct iov_iter it;
	struct mm *mm;
	ssize_t total, ret;

	if (flags)
		return -EINVAL;
	total = iovec_import(lvec, ln, lsmall, &local);
	if (total <= 0) {
		if (!total)
			iovec_free(local, lsmall);
		return total;
	}
	ret = iovec_import(rvec, rn, rsmall, &remote);
	if (ret < 0)
		goto free_local;
	if (!ret)
		goto free_remote;
	ret = find_mm(pid, &mm);
	if (ret)
		goto free_remote;
	iov_iter_vec(&it, local, (unsigned)ln, (size_t)total, !write);
	ret = transfer_all(mm, remote, rn, &it, write);
	mm_unref(mm);
free_remote:
	iovec_free(remote, rsmall);
free_local:
	iovec_free(local, lsmall);
	return ret;
}

/* Advice that takes nothing away, for another process. */
static bool advice_for_others(int advice)
{
	return advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_WILLNEED;
}

static long advise(struct task *t, const struct iovec_k *vec, unsigned long n, int advice)
{
	struct mm *mm = task_mm_get(t);
	kerr_t err = KERR(0);
	long done = 0;

	if (!mm)
		return -ESRCH;
	if (!mm_may_access(t, mm) || !capable(CAP_SYS_NICE))
		err = KERR(EPERM);
	for (unsigned long i = 0; i < n && !err; i++) {
		err = do_madvise(mm, (uaddr_t)vec[i].base, vec[i].len, advice);
		if (!err)
			done += (long)vec[i].len;
	}
	mm_unref(mm);
	return done ? done : kerr_code(err);
}

long sys_process_madvise(int pidfd, const void __user *uvec, size_t n, int advice, unsigned flags)
{
	struct iovec_k small[IOV_FAST], *vec;
	struct task *t = NULL;
	struct proc *p;
	ssize_t total;
	long ret;

	if (flags)
		return -EINVAL;
	total = iovec_import(uvec, n, small, &vec);
	if (total < 0)
		return total;
	p = pidfd_get(pidfd, NULL);
	if (p) {
		t = task_find(p->pid);
		proc_put(p);
	}
	if (!p)
		ret = -EBADF;
	else if (!advice_for_others(advice))
		ret = -EINVAL;
	else
		ret = t ? advise(t, vec, n, advice) : -ESRCH;
	if (t)
		task_put(t);
	iovec_free(vec, small);
	return ret;
}

long sys_process_vm_readv(pid_t pid, const void __user *lvec, unsigned long ln, const void __user *rvec, unsigned long rn,
			  unsigned long flags)
{
	return process_vm(pid, lvec, ln, rvec, rn, flags, false);
}

long sys_process_vm_writev(pid_t pid, const void __user *lvec, unsigned long ln, const void __user *rvec, unsigned long rn,
			   unsigned long flags)
{
	return process_vm(pid, lvec, ln, rvec, rn, flags, true);
}
