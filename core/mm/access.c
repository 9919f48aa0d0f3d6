/* SPDX-License-Identifier: MIT */
/*
 * Reaching into an address space by its tables: for debuggers, exec, procfs, direct I/O, futexes. The page is found under pt_lock and referenced;
 * what is missing is faulted in and looked for again.
 */
#include "vm.h"

struct lookup {
	struct page *page;
	bool never; /* a device's frame: there is no page to have */
};

/* A private page that only this entry has may be written for a debugger though the area is read-only. */
static bool may_use(const struct page *p, u32 pte_flags, bool write, bool force)
{
	if (!write || (pte_flags & HAL_PTE_WRITE))
		return true;
	return force && page_test(p, PG_ANON) && atomic_read_acquire(&p->refs) == 1;
}

static struct lookup look(struct mm *mm, uaddr_t addr, bool write, bool force)
{
	struct lookup l = { NULL, false };
	struct hal_pte pte;

	spin_lock(&mm->pt_lock);
	pte = hal_mmu_get(&mm->mmu, addr);
	if (pte.flags & HAL_PTE_PRESENT) {
		struct page *p = phys_to_page(pte.frame);

		if ((pte.flags & HAL_PTE_SPECIAL) && p != mm_state()->zero)
			l.never = true;
		else if (may_use(p, pte.flags, write, force))
			l.page = p;
	}
	if (l.page)
		page_get(l.page);
	spin_unlock(&mm->pt_lock);
	return l;
}

static kerr_t get_page(struct mm *mm, uaddr_t addr, bool write, bool force, struct page **out)
{
	unsigned flags = (write ? (unsigned)FAULT_WRITE : 0) | (force ? (unsigned)FAULT_FORCE : 0);

	addr &= PAGE_MASK;
	if (addr >= HAL_USER_END) /* the tables hold the kernel there */
		return KERR(EFAULT);
	for (;;) {
		struct lookup l = look(mm, addr, write, force);
		struct fault_result r;

		if (l.page) {
			*out = l.page;
			return KERR(0);
		}
		if (l.never)
			return KERR(EFAULT);
		r = mm_fault(mm, addr, flags);
		if (r.sig)
			return r.sig == SIGKILL ? KERR(ENOMEM) : KERR(EFAULT);
	}
}

kerr_t mm_get_page(struct mm *mm, uaddr_t addr, bool write, struct page **out)
{
	return get_page(mm, addr, write, false, out);
}

static void move(struct page *p, size_t off, void *buf, size_t n, bool write)
{
	u8 *va = page_map(p);

	if (write)
		memcpy(va + off, buf, n);
	else
		memcpy(buf, va + off, n);
	page_unmap(va);
	if (write && !page_test(p, PG_ANON)) /* write-back may have cleaned it since the fault */
		page_set_dirty(p);
}

ssize_t mm_access(struct mm *mm, uaddr_t addr, void *buf, size_t len, bool write)
{
	size_t done = 0;

	while (done < len) {
		size_t off = (addr + done) & ~PAGE_MASK, n = MIN(len - done, PAGE_SIZE - off);
		struct page *p;
		kerr_t err = get_page(mm, addr + done, write, true, &p);

		if (err)
			return done ? (ssize_t)done : kerr_code(err);
		move(p, off, (u8 *)buf + done, n, write);
		page_put(p);
		done += n;
	}
	return (ssize_t)done;
}

static kerr_t populate_area(struct mm *mm, const struct vma *area, uaddr_t start, uaddr_t end, bool write_shared)
{
	bool write = (area->flags & VM_WRITE) && (write_shared || !(area->flags & VM_SHARED));

	for (; start < end; start += PAGE_SIZE) {
		struct vma *v;
		enum fault_outcome out;

		v = vma_find(mm, start);
		if (!v || v->start > start)
			return KERR(ENOMEM);
		out = fault_in_vma(v, start, write ? FAULT_WRITE : 0);
		if (out == FAULT_RETRY)
			start -= PAGE_SIZE;
		else if (out == FAULT_NOMEM)
			return KERR(ENOMEM);
		else if (out != FAULT_OK)
			return KERR(EFAULT);
		cond_resched();
		if (task_signal_pending() && task_signal_pending_state(TASK_KILLABLE))
			return KERR(EINTR);
	}
	return KERR(0);
}

/* Private writable areas get their own pages; others are read in, and written for if `write`. */
kerr_t mm_populate(struct mm *mm, uaddr_t start, size_t len, bool write)
{
	uaddr_t end = start + len;
	kerr_t err = KERR(0);

	rwsem_read_lock(&mm->lock);
	while (!err && start < end) {
		struct vma *v = vma_find(mm, start);
		uaddr_t stop;

		if (!v || v->start >= end)
			break;
		start = MAX(start, v->start);
		stop = MIN(end, v->end);
		if (!(v->flags & VM_PFNMAP) && (v->flags & (VM_READ | VM_WRITE | VM_EXEC)))
			err = populate_area(mm, v, start, stop, write);
		start = stop;
	}
	rwsem_read_unlock(&mm->lock);
	return err;
}
