/* SPDX-License-Identifier: MIT */
/*
 * The life of an address space, its accounting, and the layout of a new program's.
 *
 * mm.users counts tasks; the last unmaps everything. mm.refs counts those plus all who only look (ptrace, procfs, a CPU that still has its tables
 * loaded); the last frees it. Specification: proc(5) on overcommit_memory; personality(2) ADDR_NO_RANDOMIZE.
 */
#include "vm.h"

#include <maestro/aio.h>

#define ADDR_NO_RANDOMIZE 0x0040000u

kerr_t mm_init(void)
{
	struct mm_state *s = mm_state();
	struct mem_info info;
	kerr_t err = kmem_cache_create(&s->mm_cache, "mm", sizeof(struct mm), 0);

	if (!err)
		err = kmem_cache_create(&s->vma_cache, "vma", sizeof(struct vma), 0);
	if (err)
		return err;
	s->zero = page_alloc((enum gfp)(GFP_KERNEL | GFP_ZERO));
	if (!s->zero)
		return KERR(ENOMEM);
	page_set(s->zero, PG_UPTODATE);
	spin_init(&s->task_mm_lock, RANK_LEAF, "task_mm");
	page_stats(&info);
	s->total_pages = (unsigned long)info.total;
	s->cache_floor = (long)MIN(s->total_pages / 32, 4096ul);
	s->overcommit_ratio = 50;
	s->max_map_count = 65530;
	s->mmap_min_addr = 65536;
	s->randomize_va_space = 2;
	s->swappiness = 60;
	return KERR(0);
}

struct page *zero_page(void)
{
	return mm_state()->zero;
}

kerr_t mm_alloc(struct mm **out)
{
	struct mm *mm = kmem_cache_alloc(mm_state()->mm_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));
	kerr_t err;

	if (!mm)
		return KERR(ENOMEM);
	atomic_set(&mm->users, 1);
	atomic_set(&mm->refs, 1);
	rwsem_init(&mm->lock, RANK_MM, "mm");
	spin_init(&mm->pt_lock, RANK_PT, "mm.pt");
	list_init(&mm->vma_list);
	spin_init(&mm->aio_lock, RANK_SPIN_OUTER, "mm.aio");
	list_init(&mm->aio_contexts);
	xa_init(&mm->stash);
	mm->dumpable = DUMP_BY_USER;
	mm->dump_filter = DUMP_FILTER_DEFAULT;
	err = hal_mmu_init(&mm->mmu);
	if (err) {
		kmem_cache_free(mm_state()->mm_cache, mm);
		return err;
	}
	*out = mm;
	return KERR(0);
}

void mm_get(struct mm *mm)
{
	atomic_inc(&mm->users);
}

void mm_ref(struct mm *mm)
{
	atomic_inc(&mm->refs);
}

/* The lock is passed once so that a task_mm_get() that has read a stale pointer is done with it. */
void mm_unref(struct mm *mm)
{
	struct mm_state *s = mm_state();

	if (!atomic_dec_and_test(&mm->refs))
		return;
	DEBUG_ASSERT(list_empty(&mm->vma_list) && atomic_read(&mm->users) == 0);
	spin_lock(&s->task_mm_lock);
	spin_unlock(&s->task_mm_lock);
	hal_mmu_fini(&mm->mmu);
	kmem_cache_free(s->mm_cache, mm);
}

void mm_put_user(struct mm *mm)
{
	struct file *exe;

	if (!atomic_dec_and_test(&mm->users))
		return;
	aio_exit_mm(mm);
	mm_unmap_all(mm);
	exe = mm->exe_file;
	mm->exe_file = NULL;
	if (exe)
		exe_file_put(exe);
	mm_unref(mm);
}

struct mm *task_mm_get(struct task *t)
{
	struct mm_state *s = mm_state();
	struct mm *mm;

	spin_lock(&s->task_mm_lock);
	mm = load_relaxed(&t->mm);
	if (mm && !atomic_inc_not_zero(&mm->refs))
		mm = NULL;
	spin_unlock(&s->task_mm_lock);
	return mm;
}

/* A task without a space of its own has a reference on the one that is loaded (core/sched): it is not needed any more. */
void mm_switch(struct mm *mm)
{
	unsigned long irq = hal_irq_save();
	struct task *t = current;
	struct mm *borrowed = t->mm ? NULL : t->active_mm;

	store_relaxed(&t->mm, mm);
	t->active_mm = NULL;
	hal_mmu_activate(&mm->mmu);
	hal_irq_restore(irq);
	if (borrowed)
		mm_unref(borrowed);
}

/* ---- overcommit ---- */

u64 vm_commit_limit(void)
{
	struct mm_state *s = mm_state();

	return div_u64((u64)s->total_pages * load_relaxed(&s->overcommit_ratio), 100);
}

kerr_t vm_commit(long pages)
{
	struct mm_state *s = mm_state();
	u32 mode = load_relaxed(&s->overcommit_memory);
	long total = atomic_add_return(&s->committed, pages);

	if (likely(mode == 1) || (mode == 0 && pages <= (long)s->total_pages))
		return KERR(0);
	if (mode == 2 && (u64)(s64)total <= vm_commit_limit())
		return KERR(0);
	vm_uncommit(pages);
	return KERR(ENOMEM);
}

void vm_uncommit(long pages)
{
	atomic_sub(&mm_state()->committed, pages);
}

/* ---- layout of a new program ---- */

u32 mm_randomizes(void)
{
	const struct proc *p = current->proc;

	return p && (p->personality & ADDR_NO_RANDOMIZE) ? 0 : load_relaxed(&mm_state()->randomize_va_space);
}

/* A random number of bytes, page-aligned: 8 MiB in a space of 3 GiB, 16 GiB in a large one; maps 1 MiB, or the same. */
static uaddr_t random_offset(unsigned small_bits, unsigned large_bits)
{
	unsigned bits = sizeof(uaddr_t) > 4 ? large_bits : small_bits;

	return mm_randomizes() ? ((uaddr_t)random_u32() & ((1UL << bits) - 1)) << PAGE_SHIFT : 0;
}

/* Maps go below the stack's largest extent: its limit, held between 128 MiB and five sixths of the space, and the guard gap. */
static uaddr_t choose_mmap_base(u64 stack_rlimit)
{
	uaddr_t max = HAL_USER_END / 6 * 5, gap = stack_rlimit > max ? max : (uaddr_t)stack_rlimit;
	uaddr_t pad = STACK_GUARD + (8UL << 20);

	gap = MIN(MAX(gap, 128UL << 20), max - pad) + pad;
	return ALIGN_DOWN(HAL_USER_END - gap - random_offset(8, 28), PAGE_SIZE);
}

kerr_t mm_setup_stack(struct mm *mm, u64 stack_rlimit, bool exec_stack, uaddr_t *top)
{
	uaddr_t end = HAL_USER_END - PAGE_SIZE - random_offset(11, 22);
	size_t size = 33 * PAGE_SIZE;
	u32 flags = VM_GROWSDOWN | VM_STACK | VM_ACCOUNT;
	long at;

	mm->mmap_base = choose_mmap_base(stack_rlimit);
	at = mm_map(mm, NULL, end - size, size, PROT_READ | PROT_WRITE | (exec_stack ? PROT_EXEC : 0),
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0, flags);
	if (IS_ERR_VALUE(at))
		return kerr_of(at);
	mm->start_stack = end;
	*top = end;
	return KERR(0);
}
