/* SPDX-License-Identifier: MIT */
/*
 * mremap(2): shrink, grow in place, or move. A move makes a second area on the same file, carries table entries over in chunks (with i_mmap_lock
 * held, so that no reverse map looks between), and unmaps the old range. File areas without private copies are simply faulted in again.
 * mm.lock held for writing.
 */
#include "vm.h"

#define CHUNK 32u

struct batch {
	unsigned n;
	uaddr_t va[CHUNK];
	struct hal_pte pte[CHUNK];
};

static void note_entry(void *arg, uaddr_t va, struct hal_pte pte)
{
	struct batch *b = arg;

	b->va[b->n] = va;
	b->pte[b->n++] = pte;
}

/* All of the chunk or nothing. */
static kerr_t carry_locked(struct mm *mm, uaddr_t from, uaddr_t to, size_t len)
{
	kerr_t err = KERR(0);
	struct batch b;

	b.n = 0;
	hal_mmu_walk(&mm->mmu, from, from + len, note_entry, &b);
	for (unsigned i = 0; i < b.n && !err; i++)
		err = hal_mmu_set(&mm->mmu, to + (b.va[i] - from), b.pte[i].frame, b.pte[i].flags);
	if (b.n)
		hal_mmu_unmap(&mm->mmu, err ? to : from, (err ? to : from) + len, NULL, NULL);
	return err;
}

static kerr_t carry_chunk(const struct vma *v, uaddr_t from, uaddr_t to, size_t len) NO_LOCK_ANALYSIS
{
	struct mapping *m = list_empty(&v->i_mmap_node) ? NULL : vma_mapping(v);
	struct mm *mm = v->mm;
	kerr_t err;

	for (unsigned tries = 0;; tries++) {
		if (m)
			spin_lock(&m->i_mmap_lock);
		spin_lock(&mm->pt_lock);
		err = carry_locked(mm, from, to, len);
		spin_unlock(&mm->pt_lock);
		if (m)
			spin_unlock(&m->i_mmap_lock);
		if (!err || tries == 10)
			return err;
		if (!reclaim_pages(64, GFP_KERNEL) && !out_of_memory())
			return err;
	}
}

/* Should a table not be had at all, the program cannot go on: a part of its memory is at neither place. */
static void carry_tables(const struct vma *v, uaddr_t from, uaddr_t to, size_t len)
{
	kerr_t err = KERR(0);
	size_t done, part;

	for (done = 0; done < len && !err; done += part) {
		part = MIN(len - done, CHUNK * PAGE_SIZE);
		err = carry_chunk(v, from + done, to + done, part);
	}
	if (!err && v->mm->nstash)
		err = stash_move(v->mm, from, to, len);
	if (err)
		signal_force(current, SIGKILL, SIGINFO_KERNEL);
}

/* ---- moving ---- */

static struct vma *second_area(struct mm *mm, struct vma *v, uaddr_t old, uaddr_t to, size_t len)
{
	struct vma *n = vma_alloc(mm);

	if (!n)
		return NULL;
	n->start = to;
	n->end = to + len;
	n->flags = v->flags;
	n->pgoff = v->file ? vma_pgoff(v, old) : 0;
	n->file = v->file ? file_get(v->file) : NULL;
	n->ops = v->ops;
	n->has_anon = v->has_anon;
	n->priv = v->priv;
	if (v->priv && (!v->ops || !v->ops->fault))
		n->priv = (struct page **)v->priv + ((old - v->start) >> PAGE_SHIFT);
	vma_link(mm, n);
	vma_account(mm, n, (long)(len >> PAGE_SHIFT));
	if (n->ops && n->ops->open)
		n->ops->open(n);
	return n;
}

/* The new length is accounted whole; unmapping the old range gives its share back. */
static long move_area(struct mm *mm, struct vma *v, uaddr_t old, size_t old_len, size_t new_len, uaddr_t to)
{
	long pages = (long)(new_len >> PAGE_SHIFT);
	struct vma *n;
	kerr_t err;

	if (mm->vma_count + 3 >= mm_state()->max_map_count)
		return -ENOMEM;
	if ((v->flags & VM_ACCOUNT) && vm_commit(pages))
		return -ENOMEM;
	n = second_area(mm, v, old, to, new_len);
	if (!n) {
		if (v->flags & VM_ACCOUNT)
			vm_uncommit(pages);
		return -ENOMEM;
	}
	if (old_len && (!v->file || v->has_anon || (v->flags & VM_PFNMAP)))
		carry_tables(v, old, to, old_len);
	if (v->flags & VM_SPECIAL_NAME && mm->vdso == old)
		mm->vdso = to;
	if (old_len) {
		err = munmap_locked(mm, old, old_len);
		if (err) /* no memory to cut the old area: it stays, empty, and faults in anew */
			klog_debug("mremap: old range stays mapped");
	}
	vma_merge(n);
	return (long)to;
}

/* ---- checks ---- */

/* The area that holds all of the range and may be resized. */
static kerr_t find_area(struct mm *mm, uaddr_t addr, size_t old_len, size_t new_len, struct vma **out)
{
	struct vma *v = vma_find(mm, addr);
	u64 grow = new_len > old_len ? (new_len - old_len) >> PAGE_SHIFT : 0;

	if (!v || v->start > addr)
		return KERR(EFAULT);
	if (!old_len && !(v->flags & (VM_SHARED | VM_MAYSHARE)))
		return KERR(EINVAL);
	if (old_len > v->end - addr)
		return KERR(EFAULT);
	*out = v;
	if (!grow)
		return KERR(0);
	if (v->flags & (VM_DONTEXPAND | VM_PFNMAP))
		return KERR(EFAULT);
	if (v->file && vma_pgoff(v, addr) + (new_len >> PAGE_SHIFT) < vma_pgoff(v, addr))
		return KERR(EINVAL);
	if ((v->flags & VM_LOCKED) && !capable(CAP_IPC_LOCK) &&
	    mm->locked_pages + grow > rlimit_get(RLIMIT_MEMLOCK) >> PAGE_SHIFT)
		return KERR(EAGAIN);
	return vma_within_limits(mm, v->flags, grow) ? KERR(0) : KERR(ENOMEM);
}

static long remap_to(struct mm *mm, uaddr_t addr, size_t old_len, size_t new_len, uaddr_t to)
{
	struct vma *v;
	kerr_t err;

	if (!IS_ALIGNED(to, PAGE_SIZE) || to >= HAL_USER_END || new_len > HAL_USER_END - to ||
	    (addr < to + new_len && to < addr + old_len))
		return -EINVAL;
	if (to < mm_state()->mmap_min_addr && !capable(CAP_SYS_RAWIO))
		return -EPERM;
	err = find_area(mm, addr, MIN(old_len, new_len), new_len, &v);
	if (!err)
		err = munmap_locked(mm, to, new_len);
	if (!err && old_len > new_len) {
		err = munmap_locked(mm, addr + new_len, old_len - new_len);
		old_len = new_len;
	}
	if (!err)
		err = find_area(mm, addr, old_len, new_len, &v); /* it may have been cut */
	return err ? kerr_code(err) : move_area(mm, v, addr, old_len, new_len, to);
}

static bool can_extend(struct mm *mm, const struct vma *v, uaddr_t end)
{
	const struct vma *next = vma_next(mm, v);

	if (end > HAL_USER_END || end < v->end)
		return false;
	if (!next)
		return true;
	return next->start >= end && (!(next->flags & VM_GROWSDOWN) || next->start - end >= STACK_GUARD);
}

static long extend(struct mm *mm, struct vma *v, uaddr_t addr, size_t grow)
{
	long pages = (long)(grow >> PAGE_SHIFT);

	if ((v->flags & VM_ACCOUNT) && vm_commit(pages))
		return -ENOMEM;
	vma_set_range(v, v->start, v->end + grow, v->pgoff);
	vma_account(mm, v, pages);
	vma_merge(v);
	return (long)addr;
}

static long remap_here(struct mm *mm, uaddr_t addr, size_t old_len, size_t new_len, unsigned flags)
{
	struct vma *v;
	uaddr_t to;
	kerr_t err;

	if (old_len >= new_len) {
		err = find_area(mm, addr, old_len, new_len, &v);
		if (!err && old_len > new_len)
			err = munmap_locked(mm, addr + new_len, old_len - new_len);
		return err ? kerr_code(err) : (long)addr;
	}
	err = find_area(mm, addr, old_len, new_len, &v);
	if (err)
		return kerr_code(err);
	if (old_len && old_len == v->end - addr && can_extend(mm, v, addr + new_len))
		return extend(mm, v, addr, new_len - old_len);
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	to = vma_find_gap(mm, 0, new_len);
	return to ? move_area(mm, v, addr, old_len, new_len, to) : -ENOMEM;
}

long do_mremap(uaddr_t addr, size_t old_len, size_t new_len, unsigned flags, uaddr_t new_addr)
{
	struct mm *mm = current->mm;
	bool populate;
	long ret;

	if ((flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED)) || ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) ||
	    !IS_ALIGNED(addr, PAGE_SIZE) || !new_len || new_len > HAL_USER_END || old_len > HAL_USER_END)
		return -EINVAL; /* MREMAP_DONTUNMAP is refused */
	old_len = ALIGN_UP(old_len, PAGE_SIZE);
	new_len = ALIGN_UP(new_len, PAGE_SIZE);
	rwsem_write_lock(&mm->lock);
	if (flags & MREMAP_FIXED)
		ret = remap_to(mm, addr, old_len, new_len, new_addr);
	else
		ret = remap_here(mm, addr, old_len, new_len, flags);
	populate = !IS_ERR_VALUE(ret) && new_len > old_len && mm->locked_pages;
	if (populate) {
		const struct vma *v = vma_find(mm, (uaddr_t)ret);

		populate = v && (v->flags & VM_LOCKED);
	}
	rwsem_write_unlock(&mm->lock);
	if (populate && mm_populate(mm, (uaddr_t)ret + old_len, new_len - old_len, false))
		klog_debug("mremap: populate stopped");
	return ret;
}
