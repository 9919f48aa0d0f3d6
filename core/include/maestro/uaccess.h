/* SPDX-License-Identifier: MIT */
/*
 * User memory. Sizes come from the kernel object: copy_in(&obj, uptr), copy_out(uptr, &obj). Each returns KERR(EFAULT) on a bad pointer.
 * May sleep (faults pages in). An iov_iter walks a list of user or kernel segments; file operations take it, so that the core and the
 * library use the same read and write paths as programs do.
 */
#pragma once

#include <hal/user.h>
#include <maestro/page.h>

static inline kerr_t __must_check copy_from_user(void *dst, const void __user *src, size_t n)
{
	return unlikely(hal_copy_from_user(dst, src, n)) ? KERR(EFAULT) : KERR(0);
}
static inline kerr_t __must_check copy_to_user(void __user *dst, const void *src, size_t n)
{
	return unlikely(hal_copy_to_user(dst, src, n)) ? KERR(EFAULT) : KERR(0);
}
static inline kerr_t __must_check clear_user(void __user *dst, size_t n)
{
	return unlikely(hal_clear_user(dst, n)) ? KERR(EFAULT) : KERR(0);
}
#define copy_in(objp, uptr) copy_from_user((objp), (uptr), sizeof(*(objp)))
#define copy_out(uptr, objp) copy_to_user((uptr), (objp), sizeof(*(objp)))
#define put_user(val, uptr) ({ __typeof__(val) pu_ = (val); copy_to_user((uptr), &pu_, sizeof(pu_)); })
/* A user string of at most size-1 bytes. KERR(ENAMETOOLONG), KERR(EFAULT). */
kerr_t copy_string_from_user(char *dst, const char __user *src, size_t size) __must_check;
static inline void pagefault_disable(void);
static inline void pagefault_enable(void);
/* copy_struct_from_user: for extensible structs (clone3, openat2): usize given by the program. KERR(E2BIG) if unknown bytes are not 0. */
kerr_t copy_struct_from_user(void *dst, size_t ksize, const void __user *src, size_t usize) __must_check;

struct iovec_k { /* the program's struct iovec: native words in both ABIs */
	void __user *base;
	size_t len;
};
enum iov_kind { IOV_USER, IOV_KERNEL, IOV_PAGES };
struct page_seg {
	struct page *page;
	u32 off, len;
};
struct iov_iter {
	u8 kind;
	bool to_iter;  /* true: data flows into the segments (a read) */
	bool through;  /* IOV_PAGES, a write: whole pages may go past the cache (mapping_ops.write_through) */
	size_t count;  /* bytes left */
	size_t off;    /* into the first segment */
	unsigned nsegs;
	union {
		const struct iovec_k *iov;   /* IOV_USER, IOV_KERNEL (base is then a kernel address) */
		const struct page_seg *segs; /* IOV_PAGES */
	};
	struct iovec_k one; /* storage for the single-buffer case */
};
/* An iterator over one buffer points into itself: it must not be copied (use iov_iter_revert to go back). */
static inline void iov_iter_single(struct iov_iter *it, u8 kind, void *buf, size_t len, bool to_iter)
{
	it->kind = kind;
	it->to_iter = to_iter;
	it->count = len;
	it->off = 0;
	it->nsegs = 1;
	it->iov = &it->one;
	it->one.base = (void __user *)buf;
	it->one.len = len;
}
static inline void iov_iter_user(struct iov_iter *it, void __user *buf, size_t len, bool to_iter)
{
	iov_iter_single(it, IOV_USER, (void *)(uintptr_t)buf, len, to_iter);
}
static inline void iov_iter_kernel(struct iov_iter *it, void *buf, size_t len, bool to_iter)
{
	iov_iter_single(it, IOV_KERNEL, buf, len, to_iter);
}
void iov_iter_vec(struct iov_iter *it, const struct iovec_k *iov, unsigned n, size_t total, bool to_iter);
void iov_iter_pages(struct iov_iter *it, const struct page_seg *segs, unsigned n, size_t total, bool to_iter);
/* Move at most n bytes and advance; return what was moved (less on a fault). */
size_t copy_to_iter(struct iov_iter *it, const void *src, size_t n) __must_check;
size_t copy_from_iter(struct iov_iter *it, void *dst, size_t n) __must_check;
size_t iov_iter_zero(struct iov_iter *it, size_t n) __must_check;
size_t copy_page_to_iter(struct iov_iter *it, struct page *p, size_t off, size_t n) __must_check;
size_t copy_page_from_iter(struct iov_iter *it, struct page *p, size_t off, size_t n) __must_check;
/* Without faulting: for use under page locks; 0 if the source is not present. Then fault in and retry. */
size_t copy_page_from_iter_atomic(struct iov_iter *it, struct page *p, size_t off, size_t n) __must_check;
/* Touches the next n bytes for reading by the kernel; how many of them can be reached. 0: EFAULT. */
size_t iov_iter_fault_in(struct iov_iter *it, size_t n);
void iov_iter_advance(struct iov_iter *it, size_t n);
void iov_iter_revert(struct iov_iter *it, size_t n);
/* Reads and checks a program's iovec array (<= 1024, total <= SSIZE_MAX-ish). small: storage for up to 8; *out is small or allocated (iovec_free). -> total or -errno */
#define IOV_FAST 8
ssize_t iovec_import(const void __user *uvec, unsigned long n, struct iovec_k *small, struct iovec_k **out) __must_check;
void iovec_free(struct iovec_k *vec, struct iovec_k *small);

#include <maestro/task.h>
static inline void pagefault_disable(void)
{
	hal_current()->pagefault_disabled++;
	compiler_barrier();
}
static inline void pagefault_enable(void)
{
	compiler_barrier();
	hal_current()->pagefault_disabled--;
}
