/* SPDX-License-Identifier: MIT */
/*
 * Iterators over the segments of a read or a write: user memory, kernel memory, or pages.
 *
 * it->off counts into the first segment; it->iov (or segs) steps on and nsegs counts down as segments are used up, and the last one stays, so that
 * iov_iter_revert() can walk back. No locks. User copies may sleep. Specification: readv(2).
 */
#include <maestro/lib.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>

enum iov_dir { IOV_PUT, IOV_TAKE, IOV_CLEAR };
#define IOV_MAX 1024
#define RW_MAX 0x7ffff000UL /* what one call moves at most, as on Linux */

void iov_iter_vec(struct iov_iter *it, const struct iovec_k *iov, unsigned n, size_t total, bool to_iter)
{
	it->kind = IOV_USER;
	it->to_iter = to_iter;
	it->count = total;
	it->off = 0;
	it->nsegs = n;
	it->iov = iov;
}

void iov_iter_pages(struct iov_iter *it, const struct page_seg *segs, unsigned n, size_t total, bool to_iter)
{
	it->kind = IOV_PAGES;
	it->to_iter = to_iter;
	it->through = false;
	it->count = total;
	it->off = 0;
	it->nsegs = n;
	it->segs = segs;
}

static size_t seg_len(const struct iov_iter *it)
{
	return it->kind == IOV_PAGES ? it->segs->len : it->iov->len;
}

static void kernel_move(void *seg, void *k, size_t n, enum iov_dir dir)
{
	if (dir == IOV_PUT)
		memcpy(seg, k, n);
	else if (dir == IOV_TAKE)
		memcpy(k, seg, n);
	else
		memset(seg, 0, n);
}

static size_t user_move(void __user *seg, void *k, size_t n, enum iov_dir dir)
{
	if (dir == IOV_PUT)
		return n - hal_copy_to_user(seg, k, n);
	if (dir == IOV_TAKE)
		return n - hal_copy_from_user(k, seg, n);
	return n - hal_clear_user(seg, n);
}

static size_t page_move(const struct iov_iter *it, void *k, size_t n, enum iov_dir dir)
{
	size_t at = it->segs->off + it->off;
	struct page *p = it->segs->page + (at >> PAGE_SHIFT); /* a segment may span contiguous frames */
	size_t part = MIN(n, PAGE_SIZE - (at & ~PAGE_MASK));
	u8 *va = page_map(p);

	kernel_move(va + (at & ~PAGE_MASK), k, part, dir);
	page_unmap(va);
	return part;
}

static size_t seg_move(const struct iov_iter *it, void *k, size_t n, enum iov_dir dir)
{
	u8 __user *base;

	if (it->kind == IOV_PAGES)
		return page_move(it, k, n, dir);
	base = (u8 __user *)it->iov->base + it->off;
	if (it->kind == IOV_USER)
		return user_move(base, k, n, dir);
	kernel_move((void *)(uintptr_t)base, k, n, dir);
	return n;
}

static bool next_seg(struct iov_iter *it)
{
	if (it->nsegs <= 1)
		return false;
	it->nsegs--;
	it->off = 0;
	if (it->kind == IOV_PAGES)
		it->segs++;
	else
		it->iov++;
	return true;
}

static size_t iov_move(struct iov_iter *it, u8 *k, size_t n, enum iov_dir dir)
{
	size_t total = 0;

	n = MIN(n, it->count);
	while (total < n) {
		size_t room = seg_len(it) - it->off, part = MIN(n - total, room), done;

		if (!room) {
			if (!next_seg(it))
				break;
			continue;
		}
		done = seg_move(it, k ? k + total : NULL, part, dir);
		it->off += done;
		it->count -= done;
		total += done;
		if (!done || (done < part && it->kind != IOV_PAGES))
			break;
	}
	return total;
}

/* The common case, one user buffer with room, goes straight to the copy. */
size_t copy_to_iter(struct iov_iter *it, const void *src, size_t n)
{
	if (likely(it->kind == IOV_USER && n <= it->count && n <= it->iov->len - it->off)) {
		size_t done = n - hal_copy_to_user((u8 __user *)it->iov->base + it->off, src, n);

		it->off += done;
		it->count -= done;
		return done;
	}
	return iov_move(it, (u8 *)(uintptr_t)src, n, IOV_PUT);
}

size_t copy_from_iter(struct iov_iter *it, void *dst, size_t n)
{
	if (likely(it->kind == IOV_USER && n <= it->count && n <= it->iov->len - it->off)) {
		size_t done = n - hal_copy_from_user(dst, (u8 __user *)it->iov->base + it->off, n);

		it->off += done;
		it->count -= done;
		return done;
	}
	return iov_move(it, dst, n, IOV_TAKE);
}

size_t iov_iter_zero(struct iov_iter *it, size_t n)
{
	return iov_move(it, NULL, n, IOV_CLEAR);
}

size_t copy_page_to_iter(struct iov_iter *it, struct page *p, size_t off, size_t n)
{
	u8 *va = page_map(p);
	size_t done;

	DEBUG_ASSERT(off + n <= PAGE_SIZE);
	done = copy_to_iter(it, va + off, n);
	page_unmap(va);
	return done;
}

size_t copy_page_from_iter(struct iov_iter *it, struct page *p, size_t off, size_t n)
{
	u8 *va = page_map(p);
	size_t done;

	DEBUG_ASSERT(off + n <= PAGE_SIZE);
	done = copy_from_iter(it, va + off, n);
	page_unmap(va);
	return done;
}

size_t copy_page_from_iter_atomic(struct iov_iter *it, struct page *p, size_t off, size_t n)
{
	size_t done;

	pagefault_disable();
	done = copy_page_from_iter(it, p, off, n);
	pagefault_enable();
	return done;
}

static bool touch_user(const u8 __user *p)
{
	u8 byte;

	return !hal_copy_from_user(&byte, p, 1);
}

size_t iov_iter_fault_in(struct iov_iter *it, size_t n)
{
	const struct iovec_k *v = it->iov;
	size_t off = it->off, done = 0;

	n = MIN(n, it->count);
	if (it->kind != IOV_USER)
		return n;
	for (unsigned i = 0; i < it->nsegs && done < n; i++, v++, off = 0) {
		const u8 __user *p = (const u8 __user *)v->base + off;
		size_t left = MIN(n - done, v->len - off); /* counted, not compared: p may wrap */

		while (left) {
			size_t step = MIN(left, (size_t)(PAGE_SIZE - ((uintptr_t)p & ~PAGE_MASK)));

			if (!touch_user(p))
				return done;
			done += step;
			left -= step;
			p += step;
		}
	}
	return done;
}

void iov_iter_advance(struct iov_iter *it, size_t n)
{
	n = MIN(n, it->count);
	it->count -= n;
	while (n) {
		size_t part = MIN(n, seg_len(it) - it->off);

		it->off += part;
		n -= part;
		if (n && !next_seg(it))
			return;
	}
}

void iov_iter_revert(struct iov_iter *it, size_t n)
{
	it->count += n;
	while (n > it->off) {
		n -= it->off;
		it->nsegs++;
		if (it->kind == IOV_PAGES)
			it->segs--;
		else
			it->iov--;
		it->off = seg_len(it);
	}
	it->off -= n;
}

/* Checks and clips what a program gave; the total or -errno. */
static ssize_t iovec_check(struct iovec_k *v, unsigned long n)
{
	size_t total = 0;

	for (unsigned long i = 0; i < n; i++) {
		uaddr_t base = (uaddr_t)v[i].base;

		if (v[i].len > (size_t)SSIZE_MAX)
			return -EINVAL;
		if (v[i].len && (base >= HAL_USER_END || v[i].len > HAL_USER_END - base))
			return -EFAULT;
		v[i].len = MIN(v[i].len, RW_MAX - total);
		total += v[i].len;
	}
	return (ssize_t)total;
}

ssize_t iovec_import(const void __user *uvec, unsigned long n, struct iovec_k *small, struct iovec_k **out)
{
	struct iovec_k *v = small;
	kerr_t err;
	ssize_t total;

	if (n > IOV_MAX)
		return -EINVAL;
	if (n > IOV_FAST) {
		v = kmalloc(n * sizeof(*v), GFP_KERNEL);
		if (!v)
			return -ENOMEM;
	}
	err = copy_from_user(v, uvec, n * sizeof(*v));
	total = err ? kerr_code(err) : iovec_check(v, n);
	if (total < 0)
		iovec_free(v, small);
	else
		*out = v;
	return total;
}

void iovec_free(struct iovec_k *vec, struct iovec_k *small)
{
	if (vec != small)
		kfree(vec);
}
