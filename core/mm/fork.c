/* SPDX-License-Identifier: MIT */
/*
 * fork(2): a copy of an address space. Areas are copied; tables only where the child could not find the pages again by itself: private areas that
 * hold private copies, and device maps. Everything else is faulted in when it is used.
 *
 * Both mm.locks are held for writing; the child's is not visible to anyone yet.
 */
#include "vm.h"

#define COPY_CHUNK (2UL << 20) /* what is copied under the spinlocks at a time */

static void count_copies(void *arg, const pfn_t *frames, unsigned n)
{
	struct mm *dst = arg;
	unsigned others = 0;

	for (unsigned i = 0; i < n; i++) {
		struct page *p = frame_page(frames[i]);

		page_get(p);
		atomic_inc(&p->mapcount); /* not the first: the parent has one */
		if (unlikely(!page_test(p, PG_ANON))) {
			mm_count_page(dst, p, 1);
			others++;
		}
	}
	dst->rss_anon += (long)(n - others);
}

static kerr_t copy_chunk(struct mm *dst, struct mm *src, uaddr_t start, uaddr_t end, bool cow)
{
	kerr_t err;

	spin_lock(&src->pt_lock);
	spin_lock_nested(&dst->pt_lock);
	err = hal_mmu_copy(&dst->mmu, &src->mmu, start, end, cow, count_copies, dst);
	spin_unlock(&dst->pt_lock);
	spin_unlock(&src->pt_lock);
	return err;
}

static kerr_t copy_tables(struct mm *dst, struct mm *src, const struct vma *v)
{
	bool cow = !(v->flags & (VM_SHARED | VM_PFNMAP));
	uaddr_t at = v->start, next;

	for (; at < v->end; at = next) {
		kerr_t err;

		next = v->end - at > COPY_CHUNK ? ALIGN_DOWN(at, COPY_CHUNK) + COPY_CHUNK : v->end;
		err = copy_chunk(dst, src, at, next, cow);
		if (err) { /* tables come from the atomic reserve: make room and try once more */
			mm_zap_tables(dst, at, next);
			reclaim_pages(64, GFP_KERNEL);
			err = copy_chunk(dst, src, at, next, cow);
		}
		if (err)
			return err;
	}
	return src->nstash ? stash_copy(dst, src, v->start, v->end) : KERR(0);
}

static bool needs_tables(const struct vma *v)
{
	if (v->flags & VM_WIPEONFORK)
		return false;
	if (v->flags & VM_PFNMAP)
		return true;
	return v->has_anon && !(v->flags & VM_SHARED);
}

static kerr_t copy_vma(struct mm *dst, struct mm *src, const struct vma *v)
{
	struct vma *c;

	if (v->flags & VM_ACCOUNT) {
		kerr_t err = vm_commit((long)vma_pages(v));

		if (err)
			return err;
	}
	c = vma_alloc(dst);
	if (!c) {
		if (v->flags & VM_ACCOUNT)
			vm_uncommit((long)vma_pages(v));
		return KERR(ENOMEM);
	}
	c->start = v->start;
	c->end = v->end;
	c->flags = v->flags & ~(u32)VM_LOCKED;
	c->pgoff = v->pgoff;
	c->file = v->file ? file_get(v->file) : NULL;
	c->ops = v->ops;
	c->priv = v->priv;
	c->has_anon = v->has_anon && !(v->flags & VM_WIPEONFORK);
	vma_link(dst, c);
	vma_account(dst, c, (long)vma_pages(c));
	if (c->ops && c->ops->open)
		c->ops->open(c);
	return needs_tables(v) ? copy_tables(dst, src, v) : KERR(0);
}

static void copy_layout(struct mm *dst, const struct mm *src)
{
	dst->start_code = src->start_code;
	dst->end_code = src->end_code;
	dst->start_data = src->start_data;
	dst->end_data = src->end_data;
	dst->start_brk = src->start_brk;
	dst->brk = src->brk;
	dst->start_stack = src->start_stack;
	dst->arg_start = src->arg_start;
	dst->arg_end = src->arg_end;
	dst->env_start = src->env_start;
	dst->env_end = src->env_end;
	dst->mmap_base = src->mmap_base;
	dst->vdso = src->vdso;
	memcpy(dst->auxv, src->auxv, sizeof(dst->auxv));
	dst->auxc = src->auxc;
	dst->dumpable = src->dumpable;
	dst->dump_filter = src->dump_filter;
	dst->host = src->host;
	dst->exe_file = src->exe_file ? exe_file_get(src->exe_file) : NULL;
	atomic_set(&dst->membarrier, atomic_read(&src->membarrier));
}

static kerr_t copy_areas(struct mm *dst, struct mm *src)
{
	kerr_t err = KERR(0);
	struct vma *v;

	rwsem_write_lock(&src->lock);
	copy_layout(dst, src);
	list_for_each(v, &src->vma_list, list_node) {
		if (v->flags & VM_DONTCOPY)
			continue;
		err = copy_vma(dst, src, v);
		if (err)
			break;
	}
	spin_lock(&src->pt_lock);
	hal_mmu_flush(&src->mmu); /* its entries lost the right to write */
	spin_unlock(&src->pt_lock);
	rwsem_write_unlock(&src->lock);
	return err;
}

kerr_t mm_fork(struct mm **out, struct mm *src)
{
	struct mm *dst;
	kerr_t err = mm_alloc(&dst);

	if (err)
		return err;
	err = copy_areas(dst, src);
	if (err) {
		mm_put_user(dst);
		return err;
	}
	*out = dst;
	return KERR(0);
}
