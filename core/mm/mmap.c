/* SPDX-License-Identifier: MIT */
/*
 * mmap, munmap, brk, and the end of an address space. mm.lock is held for writing while the set of areas changes.
 *
 *   do_mmap: checks that need no lock, makes the file of shared anonymous memory -> mmap_locked: finds or clears the place, accounts, lets the file
 *   set the area up, links and merges it -> mm_populate, unlocked
 *
 * Unmapping empties the tables before an area leaves its mapping's list: a truncation in between still finds its pages' maps.
 * Specification: mmap(2), munmap(2), brk(2), getrlimit(2).
 */
#include "vm.h"

#define READ_IMPLIES_EXEC 0x0400000u
#define MAP_KNOWN                                                                                                             \
	(MAP_SHARED_VALIDATE | MAP_FIXED | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_DENYWRITE | MAP_EXECUTABLE | MAP_LOCKED |          \
	 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_FIXED_NOREPLACE)

/* ---- unmapping ---- */

static void discard_vma(struct mm *mm, struct vma *v)
{
	long pages = (long)vma_pages(v);

	vma_unlink(mm, v);
	vma_account(mm, v, -pages);
	if (v->flags & VM_ACCOUNT)
		vm_uncommit(pages);
	vma_free(v);
}

static void note_hiwater(struct mm *mm)
{
	u64 rss = (u64)mm_rss(mm);

	if (rss > mm->hiwater_rss)
		mm->hiwater_rss = rss;
}

kerr_t munmap_locked(struct mm *mm, uaddr_t start, size_t len)
{
	uaddr_t end = start + len;
	struct vma *v, *next, *first;
	kerr_t err;

	DEBUG_ASSERT(rwsem_is_held_write(&mm->lock));
	v = vma_find(mm, start);
	if (!v || v->start >= end)
		return KERR(0);
	err = vma_isolate(mm, start, end, &first);
	if (err)
		return err;
	note_hiwater(mm);
	for (v = first; v && v->start < end; v = next) {
		next = vma_next(mm, v);
		mm_zap(mm, v->start, v->end);
		discard_vma(mm, v);
	}
	return KERR(0);
}

kerr_t do_munmap(uaddr_t addr, size_t len)
{
	struct mm *mm = current->mm;
	kerr_t err;

	if (!IS_ALIGNED(addr, PAGE_SIZE) || !len || addr >= HAL_USER_END || len > HAL_USER_END - addr)
		return KERR(EINVAL);
	rwsem_write_lock(&mm->lock);
	err = munmap_locked(mm, addr, ALIGN_UP(len, PAGE_SIZE));
	rwsem_write_unlock(&mm->lock);
	return err;
}

static bool maps_from(const struct vma *v, uaddr_t addr, const struct vm_ops *ops)
{
	return v->ops == ops && v->start >= addr && (v->start - addr) >> PAGE_SHIFT == v->pgoff;
}

kerr_t mm_unmap_file_at(uaddr_t addr, const struct vm_ops *ops)
{
	struct mm *mm = current->mm;
	struct inode *inode = NULL;
	struct vma *v, *next;
	kerr_t err = KERR(0);

	rwsem_write_lock(&mm->lock);
	for (v = vma_find(mm, addr); v && !err; v = next) {
		next = vma_next(mm, v);
		if (inode && v->start - addr >= (uaddr_t)inode_size(inode))
			break;
		if (!maps_from(v, addr, ops) || (inode && v->file->inode != inode))
			continue;
		if (!inode)
			inode = inode_get(v->file->inode);
		err = munmap_locked(mm, v->start, v->end - v->start);
	}
	rwsem_write_unlock(&mm->lock);
	if (!inode)
		return KERR(EINVAL);
	inode_put(inode);
	return err;
}

/*
 * The tables are emptied in few long runs, each of whole tables (nothing else lies in the gaps), since a backend frees a table at once if all of its
 * range goes. A wide gap starts a new run: with 47 bits of addresses nobody wants to step through it.
 */
#define TABLE_SPAN (4UL << 20) /* a multiple of what one table covers on any machine we know */
#define WIDE_GAP (1UL << 30)

static void zap_all(struct mm *mm)
{
	const struct vma *v, *next;

	for (v = list_first(&mm->vma_list, struct vma, list_node); v; v = next) {
		uaddr_t start = ALIGN_DOWN(v->start, TABLE_SPAN), end = v->end;

		for (next = vma_next(mm, v); next && next->start - end < WIDE_GAP; next = vma_next(mm, next))
			end = next->end;
		end = HAL_USER_END - end > TABLE_SPAN ? ALIGN_UP(end, TABLE_SPAN) : HAL_USER_END;
		mm_zap(mm, start, end);
	}
}

/* The last task is gone: the tables first, then the areas. */
void mm_unmap_all(struct mm *mm)
{
	struct vma *v, *next;

	if (list_empty(&mm->vma_list))
		return;
	rwsem_write_lock(&mm->lock);
	note_hiwater(mm);
	zap_all(mm);
	list_for_each_safe(v, next, &mm->vma_list, list_node)
		discard_vma(mm, v);
	rwsem_write_unlock(&mm->lock);
}

/* ---- mapping ---- */

static u32 prot_to_flags(unsigned prot)
{
	return ((prot & PROT_READ) ? (u32)VM_READ : 0) | ((prot & PROT_WRITE) ? (u32)VM_WRITE : 0) |
	       ((prot & PROT_EXEC) ? (u32)VM_EXEC : 0);
}

static bool file_noexec(const struct file *f)
{
	return f->path.mnt && (f->path.mnt->flags & MS_NOEXEC);
}

/* What the way the file was opened, its mount, and its seals allow; adds to *vf. */
static kerr_t check_file(const struct file *f, unsigned prot, bool shared, u32 *vf)
{
	if (shared) {
		u32 seals = f->inode->seals;

		if ((prot & PROT_WRITE) && !(f->mode & FMODE_WRITE))
			return KERR(EACCES);
		if ((prot & PROT_WRITE) && (load_relaxed(&f->inode->flags) & INODE_APPEND))
			return KERR(EACCES);
		if ((prot & PROT_WRITE) && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
			return KERR(EPERM);
		*vf |= VM_SHARED | VM_MAYSHARE;
		if (!(f->mode & FMODE_WRITE))
			*vf &= ~(u32)(VM_MAYWRITE | VM_SHARED);
		if (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE))
			*vf &= ~(u32)VM_MAYWRITE;
	}
	if (!(f->mode & FMODE_READ))
		return KERR(EACCES);
	if (file_noexec(f)) {
		if (prot & PROT_EXEC)
			return KERR(EPERM);
		*vf &= ~(u32)VM_MAYEXEC;
	}
	if (!f->ops->mmap)
		return KERR(ENODEV);
	return (*vf & VM_GROWSDOWN) ? KERR(EINVAL) : KERR(0);
}

static kerr_t check_kind(const struct file *file, unsigned prot, unsigned flags, u32 *vf)
{
	*vf |= prot_to_flags(prot) | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC;
	if (flags & MAP_GROWSDOWN)
		*vf |= VM_GROWSDOWN;
	if (flags & MAP_NORESERVE)
		*vf |= VM_NORESERVE;
	switch (flags & MAP_SHARED_VALIDATE) {
	case MAP_SHARED_VALIDATE:
		if (flags & ~MAP_KNOWN)
			return KERR(EOPNOTSUPP);
		fallthrough;
	case MAP_SHARED:
		if (file)
			return check_file(file, prot, true, vf);
		return KERR(EINVAL);
	case MAP_PRIVATE:
		return file ? check_file(file, prot, false, vf) : KERR(0);
	default:
		return KERR(EINVAL);
	}
}

/* Chooses the place, and clears it for MAP_FIXED. */
static kerr_t take_place(struct mm *mm, struct file *file, uaddr_t *addr, size_t len, unsigned flags)
{
	uaddr_t at = *addr;
	struct vma *v;

	if (!(flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		at = file && file->ops->get_unmapped_area ? file->ops->get_unmapped_area(file, len) : vma_find_gap(mm, at, len);
		if (!at)
			return KERR(ENOMEM);
		*addr = at;
		return KERR(0);
	}
	if (!IS_ALIGNED(at, PAGE_SIZE))
		return KERR(EINVAL);
	if (at >= HAL_USER_END || len > HAL_USER_END - at)
		return KERR(ENOMEM);
	if (at < mm_state()->mmap_min_addr && !capable(CAP_SYS_RAWIO))
		return KERR(EPERM);
	v = vma_find(mm, at);
	if (!v || v->start >= at + len)
		return KERR(0);
	if (flags & MAP_FIXED_NOREPLACE)
		return KERR(EEXIST);
	return munmap_locked(mm, at, len);
}

static kerr_t check_locked_limit(const struct mm *mm, u64 pages)
{
	if (capable(CAP_IPC_LOCK))
		return KERR(0);
	if (!rlimit_get(RLIMIT_MEMLOCK))
		return KERR(EPERM);
	return mm->locked_pages + pages > rlimit_get(RLIMIT_MEMLOCK) >> PAGE_SHIFT ? KERR(EAGAIN) : KERR(0);
}

/* Private writable memory counts against the commit limit; shared anonymous memory too. */
static bool accountable(const struct file *file, u32 vf, unsigned flags)
{
	u32 mode = load_relaxed(&mm_state()->overcommit_memory);

	if ((vf & VM_NORESERVE) && mode != 2)
		return false;
	if (flags & MAP_ANONYMOUS)
		return !(vf & VM_SHARED) ? (vf & VM_WRITE) != 0 : true;
	return file && (vf & (VM_WRITE | VM_SHARED)) == VM_WRITE;
}

static kerr_t make_vma(struct mm *mm, struct file *file, uaddr_t addr, size_t len, u32 vf, pgoff_t pgoff, struct vma **out)
{
	struct vma *v = vma_alloc(mm);
	kerr_t err = KERR(0);

	if (!v)
		return KERR(ENOMEM);
	v->start = addr;
	v->end = addr + len;
	v->flags = vf;
	v->pgoff = pgoff;
	if (file) {
		v->file = file_get(file);
		err = file->ops->mmap(file, v);
	}
	if (err) {
		mm_zap(mm, addr, addr + len); /* frames it may have mapped */
		v->ops = NULL;
		vma_free(v);
		return err;
	}
	*out = v;
	return KERR(0);
}

/* Anonymous memory next to its like only moves the neighbour's end. */
static bool extend_neighbour(struct mm *mm, uaddr_t addr, size_t len, u32 vf)
{
	struct vma *v = vma_find(mm, addr), *prev = v ? vma_prev(mm, v) : vma_last(mm);

	if (!prev || prev->end != addr || prev->flags != vf || prev->file || prev->ops)
		return false;
	vma_set_range(prev, prev->start, addr + len, prev->pgoff);
	vma_account(mm, prev, (long)(len >> PAGE_SHIFT));
	vma_merge(prev);
	return true;
}

long mmap_locked(struct mm *mm, struct file *file, uaddr_t addr, size_t len, unsigned prot, unsigned flags, pgoff_t pgoff,
		 u32 vf)
{
	long pages = (long)(len >> PAGE_SHIFT);
	struct vma *v;
	kerr_t err;

	DEBUG_ASSERT(rwsem_is_held_write(&mm->lock) && IS_ALIGNED(len, PAGE_SIZE) && len);
	if (mm->vma_count >= mm_state()->max_map_count)
		return -ENOMEM;
	vf |= mm->def_flags | ((flags & MAP_LOCKED) ? (u32)VM_LOCKED : 0);
	err = check_kind(file, prot, flags, &vf);
	if (!err && (vf & VM_LOCKED))
		err = check_locked_limit(mm, (u64)pages);
	if (!err && !vma_within_limits(mm, vf, (u64)pages) && !(flags & MAP_FIXED))
		err = KERR(ENOMEM);
	if (!err)
		err = take_place(mm, file, &addr, len, flags);
	if (!err && (flags & MAP_FIXED) && !vma_within_limits(mm, vf, (u64)pages))
		err = KERR(ENOMEM);
	if (err)
		return kerr_code(err);
	if (accountable(file, vf, flags)) {
		vf |= VM_ACCOUNT;
		err = vm_commit(pages);
		if (err)
			return kerr_code(err);
	}
	if (!file && extend_neighbour(mm, addr, len, vf))
		return (long)addr;
	err = make_vma(mm, file, addr, len, vf, file ? pgoff : 0, &v);
	if (err) {
		if (vf & VM_ACCOUNT)
			vm_uncommit(pages);
		return kerr_code(err);
	}
	vma_link(mm, v);
	vma_account(mm, v, pages);
	vma_merge(v);
	return (long)addr;
}

long mm_map(struct mm *mm, struct file *file, uaddr_t addr, size_t len, unsigned prot, unsigned flags, pgoff_t pgoff,
	    u32 vm_flags)
{
	long ret;

	if (!len || len > HAL_USER_END)
		return -EINVAL;
	rwsem_write_lock(&mm->lock);
	ret = mmap_locked(mm, file, addr, ALIGN_UP(len, PAGE_SIZE), prot, flags, pgoff, vm_flags);
	rwsem_write_unlock(&mm->lock);
	return ret;
}

static kerr_t check_args(struct file *file, size_t len, unsigned flags, pgoff_t pgoff)
{
	if (!len)
		return KERR(EINVAL);
	if (len > HAL_USER_END)
		return KERR(ENOMEM);
	if (!file && (flags & MAP_ANONYMOUS) && (flags & MAP_SHARED_VALIDATE) == MAP_SHARED_VALIDATE)
		return KERR(EINVAL); /* only files validate */
	if (pgoff + (ALIGN_UP(len, PAGE_SIZE) >> PAGE_SHIFT) < pgoff)
		return KERR(EOVERFLOW);
	if (flags & MAP_HUGETLB) /* the pool of huge pages is empty */
		return KERR(ENOMEM);
	if (!file && !(flags & MAP_ANONYMOUS))
		return KERR(EBADF);
	return (flags & MAP_SHARED) && file && S_ISCHR(file->inode->mode) ? shmem_prepare() : KERR(0); /* it may be /dev/zero */
}

long do_mmap(struct file *file, uaddr_t addr, size_t len, unsigned prot, unsigned flags, pgoff_t pgoff)
{
	struct mm *mm = current->mm;
	struct file *shared = NULL;
	kerr_t err = check_args(file, len, flags, pgoff);
	long ret;

	if (err)
		return kerr_code(err);
	len = ALIGN_UP(len, PAGE_SIZE);
	if ((prot & PROT_READ) && current->proc && (current->proc->personality & READ_IMPLIES_EXEC) &&
	    !(file && file_noexec(file)))
		prot |= PROT_EXEC;
	if (!file && (flags & MAP_SHARED)) {
		err = shmem_file((loff_t)len, "dev/zero", &shared);
		if (err)
			return kerr_code(err);
		file = shared;
		pgoff = 0;
	}
	rwsem_write_lock(&mm->lock);
	ret = mmap_locked(mm, file, addr, len, prot, flags, pgoff, 0);
	if (!IS_ERR_VALUE(ret) && ((mm->def_flags & VM_LOCKED) || (flags & MAP_LOCKED)))
		flags |= MAP_POPULATE;
	rwsem_write_unlock(&mm->lock);
	if (shared)
		file_put(shared);
	if (!IS_ERR_VALUE(ret) && (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE) {
		err = mm_populate(mm, (uaddr_t)ret, len, false);
		if (err) /* as on Linux: the map stands, the pages come when they are used */
			klog_debug("mmap: populate stopped: error %d", -kerr_code(err));
	}
	return ret;
}

kerr_t mm_map_special(struct mm *mm, uaddr_t addr, size_t len, u32 vm_flags, const struct vm_ops *ops, void *priv)
{
	struct vma *v;
	kerr_t err = KERR(0);

	DEBUG_ASSERT(IS_ALIGNED(addr | len, PAGE_SIZE) && len);
	rwsem_write_lock(&mm->lock);
	v = vma_find(mm, addr);
	if (v && v->start < addr + len)
		err = KERR(EEXIST);
	if (!err)
		err = make_vma(mm, NULL, addr, len, vm_flags | VM_DONTEXPAND | VM_SPECIAL_NAME, 0, &v);
	if (!err) {
		v->ops = ops;
		v->priv = priv;
		vma_link(mm, v);
		vma_account(mm, v, (long)(len >> PAGE_SHIFT));
	}
	rwsem_write_unlock(&mm->lock);
	return err;
}

kerr_t vma_map_frames(struct vma *v, paddr_t start, size_t len, bool uncached)
{
	u32 flags = vma_pte_flags(v) | HAL_PTE_SPECIAL | ((v->flags & VM_WRITE) ? (u32)HAL_PTE_WRITE : 0) |
		    (uncached ? (u32)HAL_PTE_UNCACHED : 0);
	kerr_t err = KERR(0);

	if (len > v->end - v->start)
		return KERR(EINVAL);
	v->flags |= VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
	spin_lock(&v->mm->pt_lock);
	for (size_t off = 0; off < len && !err; off += PAGE_SIZE)
		err = hal_mmu_set(&v->mm->mmu, v->start + off, start + off, flags);
	spin_unlock(&v->mm->pt_lock);
	return err;
}

/* ---- brk ---- */

static bool data_limit_ok(const struct mm *mm, uaddr_t brk)
{
	return (u64)(brk - mm->start_brk) + (mm->end_data - mm->start_data) <= rlimit_get(RLIMIT_DATA);
}

static bool grow_heap(struct mm *mm, uaddr_t from, uaddr_t to)
{
	struct vma *next = vma_find(mm, from);
	long ret;

	if (next && (next->start < to || ((next->flags & VM_GROWSDOWN) && next->start - to < STACK_GUARD)))
		return false;
	ret = mmap_locked(mm, NULL, from, to - from, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0, 0);
	return !IS_ERR_VALUE(ret);
}

static bool set_brk_locked(struct mm *mm, uaddr_t brk)
{
	uaddr_t old_end = ALIGN_UP(mm->brk, PAGE_SIZE), new_end = ALIGN_UP(brk, PAGE_SIZE);

	if (brk < mm->start_brk || brk >= HAL_USER_END || !data_limit_ok(mm, brk))
		return false;
	if (new_end < old_end && munmap_locked(mm, new_end, old_end - new_end))
		return false;
	if (new_end > old_end && !grow_heap(mm, old_end, new_end))
		return false;
	mm->brk = brk;
	return true;
}

long do_brk(uaddr_t brk)
{
	struct mm *mm = current->mm;
	bool populate;
	uaddr_t old, now;

	rwsem_write_lock(&mm->lock);
	old = mm->brk;
	populate = set_brk_locked(mm, brk) && (mm->def_flags & VM_LOCKED) && brk > old;
	now = mm->brk;
	rwsem_write_unlock(&mm->lock);
	if (populate && mm_populate(mm, ALIGN_DOWN(old, PAGE_SIZE), ALIGN_UP(now, PAGE_SIZE) - ALIGN_DOWN(old, PAGE_SIZE), false))
		klog_debug("brk: populate stopped");
	return (long)now;
}
