/* SPDX-License-Identifier: MIT */
/*
 * madvise(2) and mlock(2): advice that changes an area's flags is applied like mprotect, to whole areas cut out of the range; advice that acts on
 * pages needs mm.lock for reading only. A hole in the range is an error reported after the rest was done.
 */
#include "vm.h"

/* ---- flags ---- */

static void set_area_flags(struct vma *v, u32 set, u32 clear)
{
	long pages = (long)vma_pages(v);

	vma_account(v->mm, v, -pages);
	v->flags = (v->flags & ~clear) | set;
	vma_account(v->mm, v, pages);
}

/* Changes flags in a range; *hole: some of it is not mapped. mm.lock held for writing. */
static kerr_t change_flags(struct mm *mm, uaddr_t start, uaddr_t end, u32 set, u32 clear, bool *hole)
{
	uaddr_t at = start;
	struct vma *v;
	kerr_t err = vma_isolate(mm, start, end, &v);

	*hole = false;
	while (!err && v && v->start < end) {
		*hole |= v->start > at;
		at = v->end;
		if ((v->flags & (set | clear)) != set)
			set_area_flags(v, set, clear);
		v = vma_next(mm, vma_merge(v));
	}
	*hole |= at < end;
	return err;
}

static kerr_t check_flag_advice(struct mm *mm, uaddr_t start, uaddr_t end, int advice)
{
	for (struct vma *v = vma_find(mm, start); v && v->start < end; v = vma_next(mm, v)) {
		if (advice == MADV_WIPEONFORK && (v->file || v->ops))
			return KERR(EINVAL);
		if ((advice == MADV_DOFORK || advice == MADV_DODUMP) && (v->flags & VM_PFNMAP))
			return KERR(EINVAL);
	}
	return KERR(0);
}

static kerr_t advise_flags(struct mm *mm, uaddr_t start, uaddr_t end, int advice, u32 set, u32 clear)
{
	bool hole = false;
	kerr_t err;

	rwsem_write_lock(&mm->lock);
	err = check_flag_advice(mm, start, end, advice);
	if (!err)
		err = change_flags(mm, start, end, set, clear, &hole);
	rwsem_write_unlock(&mm->lock);
	return !err && hole ? KERR(ENOMEM) : err;
}

/* ---- pages ---- */

static void will_need(const struct vma *v, uaddr_t start, uaddr_t end)
{
	struct mapping *m = vma_mapping(v);

	if (m && S_ISREG(v->file->inode->mode))
		readahead_range(m, vma_pgoff(v, start), MIN((end - start) >> PAGE_SHIFT, 8192UL), ULONG_MAX);
}

static kerr_t advise_area(struct vma *v, uaddr_t start, uaddr_t end, int advice)
{
	switch (advice) {
	case MADV_WILLNEED:
		will_need(v, start, end);
		return KERR(0);
	case MADV_FREE:
		if (v->ops)
			return KERR(EINVAL);
		fallthrough;
	case MADV_DONTNEED:
		if (v->flags & (VM_LOCKED | VM_PFNMAP))
			return KERR(EINVAL);
		mm_zap(v->mm, start, end);
		return KERR(0);
	case MADV_DONTNEED_LOCKED:
		if (v->flags & VM_PFNMAP)
			return KERR(EINVAL);
		mm_zap(v->mm, start, end);
		return KERR(0);
	default: /* COLD, PAGEOUT: hints about reclaim, which follows the accessed bits */
		return (v->flags & (VM_LOCKED | VM_PFNMAP)) ? KERR(EINVAL) : KERR(0);
	}
}

static kerr_t advise_pages(struct mm *mm, uaddr_t start, uaddr_t end, int advice)
{
	kerr_t err = KERR(0);
	bool hole = false;
	struct vma *v;

	rwsem_read_lock(&mm->lock);
	for (v = vma_find(mm, start); !err && v && v->start < end; v = vma_next(mm, v)) {
		hole |= v->start > start;
		start = MAX(start, v->start);
		err = advise_area(v, start, MIN(v->end, end), advice);
		start = v->end;
	}
	hole |= start < end;
	rwsem_read_unlock(&mm->lock);
	return !err && hole ? KERR(ENOMEM) : err;
}

/* MADV_REMOVE: punches a hole in the file behind a shared map, outside mm.lock. */
static kerr_t punch(struct mm *mm, uaddr_t start, uaddr_t end)
{
	struct file *f = NULL;
	kerr_t err = KERR(0);
	loff_t off = 0;
	struct vma *v;
	long ret;

	rwsem_read_lock(&mm->lock);
	v = vma_find(mm, start);
	if (!v || v->start > start || v->end < end)
		err = KERR(ENOMEM);
	else if (!v->file || (v->flags & VM_LOCKED))
		err = KERR(EINVAL);
	else if ((v->flags & (VM_SHARED | VM_WRITE)) != (VM_SHARED | VM_WRITE))
		err = KERR(EACCES);
	else
		f = file_get(v->file);
	if (f)
		off = (loff_t)vma_pgoff(v, start) << PAGE_SHIFT;
	rwsem_read_unlock(&mm->lock);
	if (!f)
		return err;
	ret = f->ops->fallocate ? f->ops->fallocate(f, 3 /* PUNCH_HOLE | KEEP_SIZE */, off, (loff_t)(end - start)) : -EOPNOTSUPP;
	file_put(f);
	return kerr_of(ret);
}

kerr_t do_madvise(struct mm *mm, uaddr_t start, size_t len, int advice)
{
	uaddr_t end;

	/* What lies behind user space is a hole like others. */
	end = start + ALIGN_UP(len, PAGE_SIZE);
	if (!IS_ALIGNED(start, PAGE_SIZE) || (len && !ALIGN_UP(len, PAGE_SIZE)) || end < start)
		return KERR(EINVAL);
	switch (advice) {
	case MADV_NORMAL:
		return advise_flags(mm, start, end, advice, 0, VM_SEQ_READ | VM_RAND_READ);
	case MADV_RANDOM:
		return advise_flags(mm, start, end, advice, VM_RAND_READ, VM_SEQ_READ);
	case MADV_SEQUENTIAL:
		return advise_flags(mm, start, end, advice, VM_SEQ_READ, VM_RAND_READ);
	case MADV_DONTFORK:
		return advise_flags(mm, start, end, advice, VM_DONTCOPY, 0);
	case MADV_DOFORK:
		return advise_flags(mm, start, end, advice, 0, VM_DONTCOPY);
	case MADV_DONTDUMP:
		return advise_flags(mm, start, end, advice, VM_DONTDUMP, 0);
	case MADV_DODUMP:
		return advise_flags(mm, start, end, advice, 0, VM_DONTDUMP);
	case MADV_WIPEONFORK:
		return advise_flags(mm, start, end, advice, VM_WIPEONFORK, 0);
	case MADV_KEEPONFORK:
		return advise_flags(mm, start, end, advice, 0, VM_WIPEONFORK);
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_COLD:
	case MADV_PAGEOUT:
		return start == end ? KERR(0) : advise_pages(mm, start, end, advice);
	case MADV_REMOVE:
		return start == end ? KERR(0) : punch(mm, start, end);
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return mm_populate(mm, start, end - start, advice == MADV_POPULATE_WRITE);
	default: /* huge and merged pages: not in this kernel, as on one built without them */
		return KERR(EINVAL);
	}
}

/* ---- mlock ---- */

static kerr_t locked_limit(struct mm *mm, uaddr_t start, uaddr_t end)
{
	u64 limit = rlimit_get(RLIMIT_MEMLOCK), want = mm->locked_pages;

	if (capable(CAP_IPC_LOCK))
		return KERR(0);
	if (!limit)
		return KERR(EPERM);
	want += (end - start) >> PAGE_SHIFT;
	for (struct vma *v = vma_find(mm, start); v && v->start < end; v = vma_next(mm, v))
		if (v->flags & VM_LOCKED) /* counted already */
			want -= (MIN(v->end, end) - MAX(v->start, start)) >> PAGE_SHIFT;
	return want > limit >> PAGE_SHIFT ? KERR(ENOMEM) : KERR(0);
}

static bool lock_range(uaddr_t start, size_t len, uaddr_t *first, uaddr_t *end)
{
	*first = ALIGN_DOWN(start, PAGE_SIZE);
	if (start >= HAL_USER_END || len > HAL_USER_END - start)
		return false;
	*end = ALIGN_UP(start + len, PAGE_SIZE);
	return true;
}

kerr_t do_mlock(uaddr_t start, size_t len, bool on_fault)
{
	struct mm *mm = current->mm;
	bool hole = false;
	uaddr_t end;
	kerr_t err;

	if (!lock_range(start, len, &start, &end))
		return KERR(ENOMEM);
	rwsem_write_lock(&mm->lock);
	err = locked_limit(mm, start, end);
	if (!err)
		err = change_flags(mm, start, end, VM_LOCKED, 0, &hole);
	rwsem_write_unlock(&mm->lock);
	if (err || hole)
		return err ? err : KERR(ENOMEM);
	if (on_fault || start == end)
		return KERR(0);
	err = mm_populate(mm, start, end - start, false);
	return err && kerr_code(err) == -EFAULT ? KERR(ENOMEM) : err;
}

kerr_t do_munlock(uaddr_t start, size_t len)
{
	struct mm *mm = current->mm;
	bool hole = false;
	uaddr_t end;
	kerr_t err;

	if (!lock_range(start, len, &start, &end))
		return KERR(ENOMEM);
	rwsem_write_lock(&mm->lock);
	err = change_flags(mm, start, end, 0, VM_LOCKED, &hole);
	rwsem_write_unlock(&mm->lock);
	return !err && hole ? KERR(ENOMEM) : err;
}

kerr_t do_mlockall(int flags)
{
	struct mm *mm = current->mm;
	u64 limit = rlimit_get(RLIMIT_MEMLOCK);
	kerr_t err = KERR(0);
	bool hole;

	if (!flags || (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) || flags == MCL_ONFAULT)
		return KERR(EINVAL);
	if (!capable(CAP_IPC_LOCK) && !limit)
		return KERR(EPERM);
	rwsem_write_lock(&mm->lock);
	if (!capable(CAP_IPC_LOCK) && (flags & MCL_CURRENT) && mm->total_pages > limit >> PAGE_SHIFT)
		err = KERR(ENOMEM);
	if (!err) {
		mm->def_flags = (flags & MCL_FUTURE) ? VM_LOCKED : 0;
		if (flags & MCL_CURRENT)
			err = change_flags(mm, 0, HAL_USER_END, VM_LOCKED, 0, &hole);
	}
	rwsem_write_unlock(&mm->lock);
	if (err || !(flags & MCL_CURRENT) || (flags & MCL_ONFAULT))
		return err;
	if (mm_populate(mm, 0, HAL_USER_END, false)) /* as on Linux: what could not be read in is locked when it comes */
		klog_debug("mlockall: populate stopped");
	return KERR(0);
}

kerr_t do_munlockall(void)
{
	struct mm *mm = current->mm;
	bool hole;
	kerr_t err;

	rwsem_write_lock(&mm->lock);
	mm->def_flags = 0;
	err = change_flags(mm, 0, HAL_USER_END, 0, VM_LOCKED, &hole);
	rwsem_write_unlock(&mm->lock);
	return err;
}
