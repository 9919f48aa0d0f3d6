/* SPDX-License-Identifier: MIT */
/*
 * mprotect(2): what can be changed is found, then areas are cut, then each changes. Tables lose rights at once and gain them by faults, which know about
 * copy-on-write and dirty tracking. mm.lock held for writing.
 */
#include "vm.h"

#define VM_ACCESS (VM_READ | VM_WRITE | VM_EXEC)

static u32 new_flags(const struct vma *v, unsigned prot)
{
	return (v->flags & ~(u32)VM_ACCESS) | ((prot & PROT_READ) ? (u32)VM_READ : 0) |
	       ((prot & PROT_WRITE) ? (u32)VM_WRITE : 0) | ((prot & PROT_EXEC) ? (u32)VM_EXEC : 0);
}

STATIC_ASSERT(VM_MAYREAD == VM_READ << 4 && VM_MAYWRITE == VM_WRITE << 4 && VM_MAYEXEC == VM_EXEC << 4);

static bool becomes_accountable(const struct vma *v, u32 flags)
{
	return (flags & VM_WRITE) && !(v->flags & (VM_WRITE | VM_SHARED | VM_ACCOUNT | VM_NORESERVE | VM_PFNMAP));
}

/*
 * Areas are changed up to the first that refuses or is missing, as by Linux: *end comes back as its start, with the error. Also adds up what is to
 * be accounted, in pages.
 */
static kerr_t check_range(struct mm *mm, uaddr_t start, uaddr_t *end, unsigned prot, long *charge)
{
	struct vma *v = vma_find(mm, start);
	uaddr_t last = *end;

	for (*charge = 0; start < last; v = vma_next(mm, v)) {
		u32 flags;
		uaddr_t stop;

		*end = start;
		if (!v || v->start > start)
			return KERR(ENOMEM);
		flags = new_flags(v, prot);
		stop = MIN(v->end, last);
		if (flags & ~(flags >> 4) & VM_ACCESS)
			return KERR(EACCES);
		if (becomes_accountable(v, flags)) {
			*charge += (long)((stop - start) >> PAGE_SHIFT);
			if (!vma_within_limits(mm, flags, 0))
				return KERR(ENOMEM);
		}
		start = stop;
	}
	*end = last;
	return KERR(0);
}

static kerr_t change_tables(struct vma *v)
{
	struct mm *mm = v->mm;
	u32 clear = ((v->flags & VM_WRITE) ? 0 : (u32)HAL_PTE_WRITE) | ((v->flags & VM_EXEC) ? 0 : (u32)HAL_PTE_EXEC);

	if (!(v->flags & VM_ACCESS)) {
		kerr_t err = v->has_anon ? stash_range(mm, v->start, v->end) : KERR(0);

		if (!err && !(v->flags & VM_PFNMAP))
			mm_zap_tables(mm, v->start, v->end);
		return err;
	}
	spin_lock(&mm->pt_lock);
	hal_mmu_change(&mm->mmu, v->start, v->end, (v->flags & VM_EXEC) ? HAL_PTE_EXEC : 0, clear);
	spin_unlock(&mm->pt_lock);
	return KERR(0);
}

static kerr_t change_area(struct vma *v, unsigned prot)
{
	u32 flags = new_flags(v, prot);
	long pages = (long)vma_pages(v);

	if (flags == v->flags)
		return KERR(0);
	if (becomes_accountable(v, flags))
		flags |= VM_ACCOUNT;
	vma_account(v->mm, v, -pages);
	v->flags = flags;
	vma_account(v->mm, v, pages);
	return change_tables(v);
}

/* The flags of areas that were not reached by an error are left, and their charge given back. */
static kerr_t change_range(struct mm *mm, struct vma *v, uaddr_t end, unsigned prot, long charge)
{
	kerr_t err = KERR(0);

	while (!err && v && v->start < end) {
		if (becomes_accountable(v, new_flags(v, prot)))
			charge -= (long)vma_pages(v);
		err = change_area(v, prot);
		v = vma_next(mm, vma_merge(v));
	}
	if (charge)
		vm_uncommit(charge);
	return err;
}

static kerr_t mprotect_locked(struct mm *mm, uaddr_t start, uaddr_t end, unsigned prot)
{
	struct vma *v = vma_find(mm, start);
	long charge;
	kerr_t err, stopped;

	if (!v || v->start >= end)
		return KERR(ENOMEM);
	if (prot & PROT_GROWSDOWN) {
		if (!(v->flags & VM_GROWSDOWN))
			return KERR(EINVAL);
		start = v->start;
	}
	stopped = check_range(mm, start, &end, prot, &charge);
	if (start == end)
		return stopped;
	err = charge ? vm_commit(charge) : KERR(0);
	if (err)
		return err;
	err = vma_isolate(mm, start, end, &v);
	if (err) {
		vm_uncommit(charge);
		return err;
	}
	err = change_range(mm, v, end, prot, charge);
	return err ? err : stopped;
}

kerr_t do_mprotect(uaddr_t addr, size_t len, unsigned prot)
{
	struct mm *mm = current->mm;
	kerr_t err;

	if (!IS_ALIGNED(addr, PAGE_SIZE) || (prot & ~(unsigned)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN)))
		return KERR(EINVAL); /* PROT_GROWSUP: no area grows up here */
	if (!len)
		return KERR(0);
	if (addr >= HAL_USER_END || len > HAL_USER_END - addr)
		return KERR(ENOMEM);
	if ((prot & PROT_READ) && current->proc && (current->proc->personality & 0x0400000u)) /* READ_IMPLIES_EXEC */
		prot |= PROT_EXEC;
	rwsem_write_lock(&mm->lock);
	err = mprotect_locked(mm, addr, addr + ALIGN_UP(len, PAGE_SIZE), prot);
	rwsem_write_unlock(&mm->lock);
	return err;
}
