/* SPDX-License-Identifier: MIT */
/*
 * The set of areas of an address space: a red-black tree by address and a list in the same order, no two overlap.
 *
 * mm.lock held for writing wherever the set or an area changes; for reading to look. A file's areas are also on its mapping's i_mmap list; their
 * bounds change under i_mmap_lock too, since reverse maps read them.
 */
#include "vm.h"

struct vma *vma_alloc(struct mm *mm)
{
	struct vma *v = kmem_cache_alloc(mm_state()->vma_cache, (enum gfp)(GFP_KERNEL | GFP_ZERO));

	if (v) {
		v->mm = mm;
		list_init(&v->list_node);
		list_init(&v->i_mmap_node);
	}
	return v;
}

void vma_free(struct vma *v)
{
	if (v->ops && v->ops->close)
		v->ops->close(v);
	if (v->file)
		file_put(v->file);
	kmem_cache_free(mm_state()->vma_cache, v);
}

struct vma *vma_prev(const struct mm *mm, const struct vma *v)
{
	return v->list_node.prev == &mm->vma_list ? NULL : list_entry(v->list_node.prev, struct vma, list_node);
}

struct vma *vma_next(const struct mm *mm, const struct vma *v)
{
	return v->list_node.next == &mm->vma_list ? NULL : list_entry(v->list_node.next, struct vma, list_node);
}

struct vma *vma_last(const struct mm *mm)
{
	return list_empty(&mm->vma_list) ? NULL : list_last(&mm->vma_list, struct vma, list_node);
}

struct vma *vma_find(struct mm *mm, uaddr_t addr)
{
	struct vma *v = load_relaxed(&mm->cache), *best = NULL;
	struct rb_node *n = mm->vmas.root;

	if (v && v->start <= addr && addr < v->end)
		return v;
	while (n) {
		v = rb_entry(n, struct vma, node);
		if (v->end > addr) {
			best = v;
			if (v->start <= addr)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (best)
		store_relaxed(&mm->cache, best);
	return best;
}

static void file_link(struct vma *v)
{
	struct mapping *m = vma_mapping(v);

	if (!m || (v->flags & VM_PFNMAP))
		return;
	spin_lock(&m->i_mmap_lock);
	list_add_tail(&m->i_mmap, &v->i_mmap_node);
	spin_unlock(&m->i_mmap_lock);
	if (vma_is_shared_writable(v))
		atomic_inc(&m->writable_maps);
}

static void file_unlink(struct vma *v)
{
	struct mapping *m = vma_mapping(v);

	if (!m || list_empty(&v->i_mmap_node))
		return;
	spin_lock(&m->i_mmap_lock);
	list_del(&v->i_mmap_node);
	spin_unlock(&m->i_mmap_lock);
	if (vma_is_shared_writable(v))
		atomic_dec(&m->writable_maps);
}

void vma_link(struct mm *mm, struct vma *v)
{
	struct rb_node **link = &mm->vmas.root, *parent = NULL, *prev;

	while (*link) {
		struct vma *o = rb_entry(*link, struct vma, node);

		DEBUG_ASSERT(v->end <= o->start || v->start >= o->end);
		parent = *link;
		link = v->start < o->start ? &parent->left : &parent->right;
	}
	rb_insert(&mm->vmas, &v->node, parent, link);
	prev = rb_prev(&v->node);
	list_add(prev ? &rb_entry(prev, struct vma, node)->list_node : &mm->vma_list, &v->list_node);
	mm->vma_count++;
	file_link(v);
}

void vma_unlink(struct mm *mm, struct vma *v)
{
	file_unlink(v);
	rb_erase(&mm->vmas, &v->node);
	list_del(&v->list_node);
	mm->vma_count--;
	if (mm->cache == v)
		store_relaxed(&mm->cache, NULL);
}

void vma_set_range(struct vma *v, uaddr_t start, uaddr_t end, pgoff_t pgoff) NO_LOCK_ANALYSIS
{
	struct mapping *m = list_empty(&v->i_mmap_node) ? NULL : vma_mapping(v);

	DEBUG_ASSERT(start < end);
	if (m)
		spin_lock(&m->i_mmap_lock);
	v->start = start;
	v->end = end;
	v->pgoff = pgoff;
	if (m)
		spin_unlock(&m->i_mmap_lock);
}

kerr_t vma_split(struct vma *v, uaddr_t addr, struct vma **out)
{
	struct mm *mm = v->mm;
	struct vma *up;

	DEBUG_ASSERT(v->start < addr && addr < v->end);
	if (mm->vma_count >= mm_state()->max_map_count)
		return KERR(ENOMEM);
	up = vma_alloc(mm);
	if (!up)
		return KERR(ENOMEM);
	up->start = addr;
	up->end = v->end;
	up->flags = v->flags;
	up->pgoff = v->file ? vma_pgoff(v, addr) : 0;
	up->file = v->file ? file_get(v->file) : NULL;
	up->ops = v->ops;
	up->has_anon = v->has_anon;
	up->priv = v->priv;
	if (!v->ops || !v->ops->fault) /* an array of pages goes with the address */
		up->priv = v->priv ? (struct page **)v->priv + ((addr - v->start) >> PAGE_SHIFT) : NULL;
	vma_set_range(v, v->start, addr, v->pgoff);
	vma_link(mm, up);
	if (up->ops && up->ops->open)
		up->ops->open(up);
	*out = up;
	return KERR(0);
}

kerr_t vma_isolate(struct mm *mm, uaddr_t start, uaddr_t end, struct vma **first)
{
	struct vma *v = vma_find(mm, start), *up;
	kerr_t err;

	if (v && v->start < start) {
		err = vma_split(v, start, &up);
		if (err)
			return err;
		v = up;
	}
	*first = v;
	while (v && v->end < end)
		v = vma_next(mm, v);
	if (v && v->start < end && v->end > end)
		return vma_split(v, end, &up);
	return KERR(0);
}

bool vma_alike(const struct vma *a, const struct vma *b)
{
	const struct vm_ops *o = a->ops;

	return a->flags == b->flags && a->file == b->file && o == b->ops && a->priv == b->priv &&
	       !(a->flags & (VM_PFNMAP | VM_SPECIAL_NAME | VM_DONTEXPAND)) && (!o || (!o->open && !o->close));
}

static bool may_join(const struct vma *a, const struct vma *b)
{
	return a && b && a->end == b->start && vma_alike(a, b) && (!a->file || a->pgoff + vma_pages(a) == b->pgoff);
}

/* b goes, a takes its place. Reverse maps may find a page in neither for a moment only if nobody holds both: bounds change first. */
static void join(struct mm *mm, struct vma *a, struct vma *b)
{
	uaddr_t end = b->end;

	if (b->has_anon)
		a->has_anon = true;
	vma_set_range(a, a->start, end, a->pgoff);
	vma_unlink(mm, b);
	vma_free(b);
}

struct vma *vma_merge(struct vma *v)
{
	struct mm *mm = v->mm;
	struct vma *prev = vma_prev(mm, v), *next;

	if (may_join(prev, v)) {
		join(mm, prev, v);
		v = prev;
	}
	next = vma_next(mm, v);
	if (may_join(v, next))
		join(mm, v, next);
	return v;
}

/* ---- accounting ---- */

static bool is_data(u32 flags)
{
	return (flags & (VM_WRITE | VM_SHARED | VM_GROWSDOWN)) == VM_WRITE;
}

void vma_account(struct mm *mm, const struct vma *v, long pages)
{
	u64 n = (u64)(s64)pages; /* two's complement: a negative count subtracts */

	mm->total_pages += n;
	if (v->flags & VM_LOCKED)
		mm->locked_pages += n;
	if (v->flags & VM_SHARED)
		mm->shared_pages += n;
	if (v->flags & VM_GROWSDOWN)
		mm->stack_pages += n;
	else if (is_data(v->flags))
		mm->data_pages += n;
	else if ((v->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
		mm->exec_pages += n;
}

bool vma_within_limits(const struct mm *mm, u32 flags, u64 pages)
{
	if (mm->total_pages + pages > rlimit_get(RLIMIT_AS) >> PAGE_SHIFT)
		return false;
	return !is_data(flags) || mm->data_pages + pages <= rlimit_get(RLIMIT_DATA) >> PAGE_SHIFT;
}

/* ---- free ranges ---- */

/* Nothing new is put into the guard gap below a stack. */
static uaddr_t guarded_start(const struct vma *v)
{
	if (!(v->flags & VM_GROWSDOWN))
		return v->start;
	return v->start > STACK_GUARD ? v->start - STACK_GUARD : 0;
}

static bool range_is_free(struct mm *mm, uaddr_t addr, size_t len)
{
	struct vma *v;

	if (addr < mm_state()->mmap_min_addr || addr > HAL_USER_END || len > HAL_USER_END - addr)
		return false;
	v = vma_find(mm, addr);
	return !v || guarded_start(v) >= addr + len;
}

static uaddr_t gap_down(struct mm *mm, size_t len)
{
	uaddr_t top = mm->mmap_base ? mm->mmap_base : HAL_USER_END - PAGE_SIZE, floor = mm_state()->mmap_min_addr;
	struct vma *v = vma_find(mm, top - 1);

	if (v)
		top = MIN(top, guarded_start(v));
	v = v ? vma_prev(mm, v) : vma_last(mm);
	for (;; v = vma_prev(mm, v)) {
		uaddr_t low = v ? MAX(v->end, floor) : floor;

		if (top > low && top - low >= len)
			return top - len;
		if (!v)
			return 0;
		top = MIN(top, guarded_start(v));
	}
}

static uaddr_t gap_up(struct mm *mm, size_t len)
{
	uaddr_t at = ALIGN_DOWN(HAL_USER_END / 3, PAGE_SIZE);
	struct vma *v;

	for (v = vma_find(mm, at); v; v = vma_next(mm, v)) {
		uaddr_t limit = guarded_start(v);

		if (limit > at && limit - at >= len)
			return at;
		at = MAX(at, v->end);
	}
	return at < HAL_USER_END && HAL_USER_END - at >= len ? at : 0;
}

/* 0: none. */
uaddr_t vma_find_gap(struct mm *mm, uaddr_t hint, size_t len)
{
	uaddr_t addr;

	if (len > HAL_USER_END)
		return 0;
	hint &= PAGE_MASK;
	if (hint && range_is_free(mm, hint, len))
		return hint;
	addr = gap_down(mm, len);
	return addr ? addr : gap_up(mm, len);
}

/* ---- stacks ---- */

static kerr_t may_grow(const struct vma *v, uaddr_t addr)
{
	const struct mm *mm = v->mm;
	const struct vma *prev = vma_prev(mm, v);
	u64 pages = (v->start - addr) >> PAGE_SHIFT;

	if (v->end - addr > rlimit_get(RLIMIT_STACK) || addr < mm_state()->mmap_min_addr)
		return KERR(ENOMEM);
	if (prev && !(prev->flags & VM_GROWSDOWN) && (prev->flags & (VM_READ | VM_WRITE | VM_EXEC)) &&
	    (prev->end > addr || addr - prev->end < STACK_GUARD))
		return KERR(ENOMEM);
	if (prev && prev->end > addr)
		return KERR(ENOMEM);
	if (!vma_within_limits(mm, v->flags, pages))
		return KERR(ENOMEM);
	if ((v->flags & VM_LOCKED) && !capable(CAP_IPC_LOCK) &&
	    (mm->locked_pages + pages) << PAGE_SHIFT > rlimit_get(RLIMIT_MEMLOCK))
		return KERR(ENOMEM);
	return (v->flags & VM_ACCOUNT) ? vm_commit((long)pages) : KERR(0);
}

kerr_t vma_grow_down(struct vma *v, uaddr_t addr)
{
	kerr_t err;

	addr &= PAGE_MASK;
	if (addr >= v->start)
		return KERR(0);
	err = may_grow(v, addr);
	if (err)
		return err;
	vma_account(v->mm, v, (long)((v->start - addr) >> PAGE_SHIFT));
	vma_set_range(v, addr, v->end, v->pgoff);
	return KERR(0);
}

const char *vma_name(struct vma *v)
{
	const struct mm *mm = v->mm;

	if (v->ops && v->ops->name)
		return v->ops->name(v);
	if (v->file)
		return NULL;
	if (v->start <= mm->brk && v->end >= mm->start_brk && mm->brk > mm->start_brk)
		return "[heap]";
	if (v->start <= mm->start_stack && v->end >= mm->start_stack)
		return "[stack]";
	return NULL;
}
