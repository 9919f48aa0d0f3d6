/* SPDX-License-Identifier: MIT */
/* process_mrelease(2): takes the memory of a process that is being killed, before it gets around to giving it back itself. */
#include "vm.h"

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

/* Private memory only: it dies with the process, whatever it still does on its way out. */
static void release_private(struct mm *mm)
{
	struct vma *v;

	rwsem_write_lock(&mm->lock);
	list_for_each(v, &mm->vma_list, list_node)
		if (!(v->flags & (VM_SHARED | VM_PFNMAP)))
			mm_zap(mm, v->start, v->end);
	rwsem_write_unlock(&mm->lock);
}

static long release(struct proc *p)
{
	unsigned long flags = tasklist_lock();
	struct mm *mm = proc_mm(p);
	/* Nobody else may use it: the others would miss their pages. */
	bool dying = (p->flags & PROC_GROUP_EXIT) && mm && (unsigned)atomic_read(&mm->users) <= p->nthreads;

	tasklist_unlock(flags);
	if (!mm)
		return -ESRCH;
	if (dying && !mm->host)
		release_private(mm);
	mm_unref(mm);
	return dying ? 0 : -EINVAL;
}

long sys_process_mrelease(int pidfd, unsigned flags)
{
	struct proc *p;
	long ret;

	if (flags)
		return -EINVAL;
	p = pidfd_get(pidfd, NULL);
	if (!p)
		return -EBADF;
	ret = release(p);
	proc_put(p);
	return ret;
}
