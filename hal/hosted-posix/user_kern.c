/* SPDX-License-Identifier: MIT */
/*
 * hal/user.h in a host process. A caller's user memory is the host process itself: copies are guarded, so that a wild pointer is EFAULT and not the
 * process's death. A task with an address space of its own (unit tests of fork and faults) is translated by the software page table.
 */
#include <hal/mmu.h>
#include <hal/upcall.h>
#include <hal/user.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/task.h>

#include "hosted_kern.h"

static bool is_host(void)
{
	const struct mm *mm = hal_current()->mm;

	return !mm || mm->host;
}

static bool range_ok(uaddr_t a, size_t n)
{
	return n <= HAL_USER_END && a <= HAL_USER_END - n && (a >= HAL_USER_START || !n);
}

/* The kernel's view of a user byte, its page faulted in as wanted; NULL if it cannot be. */
static u8 *translate(uaddr_t a, bool write)
{
	struct task *t = hal_current();

	for (;;) {
		struct hal_pte pte = hal_mmu_get(&t->mm->mmu, a & PAGE_MASK);
		u32 need = HAL_PTE_PRESENT | (write ? HAL_PTE_WRITE : 0u);

		if ((pte.flags & need) == need)
			return (u8 *)hal_phys_to_virt(pte.frame) + (a & ~PAGE_MASK);
		if (t->pagefault_disabled || !upcall_page_fault(NULL, a, (write ? FAULT_WRITE : 0u) | (pte.flags & HAL_PTE_PRESENT ? FAULT_PRESENT : 0u)))
			return NULL;
	}
}

static size_t in_page(uaddr_t a, size_t n)
{
	return MIN(n, (size_t)(PAGE_SIZE - (a & ~PAGE_MASK)));
}

size_t hal_copy_from_user(void *dst, const void __user *src, size_t n)
{
	uaddr_t a = (uaddr_t)src;

	if (!range_ok(a, n))
		return n;
	if (is_host())
		return hosted_copy_guarded(dst, (const void *)a, n);
	while (n) {
		size_t k = in_page(a, n);
		u8 *p = translate(a, false);

		if (!p)
			break;
		memcpy(dst, p, k);
		dst = (u8 *)dst + k;
		a += k;
		n -= k;
	}
	return n;
}

size_t hal_copy_to_user(void __user *dst, const void *src, size_t n)
{
	uaddr_t a = (uaddr_t)dst;

	if (!range_ok(a, n))
		return n;
	if (is_host())
		return hosted_copy_guarded((void *)a, src, n);
	while (n) {
		size_t k = in_page(a, n);
		u8 *p = translate(a, true);

		if (!p)
			break;
		memcpy(p, src, k);
		src = (const u8 *)src + k;
		a += k;
		n -= k;
	}
	return n;
}

size_t hal_clear_user(void __user *dst, size_t n)
{
	uaddr_t a = (uaddr_t)dst;

	if (!range_ok(a, n))
		return n;
	if (is_host())
		return hosted_zero_guarded((void *)a, n);
	while (n) {
		size_t k = in_page(a, n);
		u8 *p = translate(a, true);

		if (!p)
			break;
		memset(p, 0, k);
		a += k;
		n -= k;
	}
	return n;
}

ssize_t hal_strncpy_from_user(char *dst, const char __user *src, size_t n)
{
	uaddr_t a = (uaddr_t)src;
	size_t done = 0;

	if (is_host()) {
		/* Not a byte behind the string's end is touched: it may belong to somebody else (memcheck says so). */
		s64 len;

		if (!range_ok(a, 1))
			return -EFAULT;
		len = hosted_strncpy_guarded(dst, (const char *)a, MIN(n, (size_t)(HAL_USER_END - a)));
		return len < 0 ? -EFAULT : (ssize_t)len;
	}

	while (done < n) {
		/* Up to the next page: what lies behind the string's end may not be there. */
		size_t k = in_page(a + done, n - done), got;
		const char *nul;

		got = k - hal_copy_from_user(dst + done, (const void __user *)(a + done), k);
		nul = memchr(dst + done, '\0', got);
		if (nul)
			return nul - dst;
		if (got < k)
			return -EFAULT;
		done += got;
	}
	return (ssize_t)n;
}

/* A user word as an address that the guarded operations take; faults it in where the page table is ours. */
static kerr_t word_address(const u32 __user *p, bool write, u32 **out)
{
	uaddr_t a = (uaddr_t)p;

	if ((a & 3) || !range_ok(a, 4))
		return KERR(EFAULT);
	*out = is_host() ? (u32 *)a : (u32 *)(void *)translate(a, write);
	return *out ? KERR(0) : KERR(EFAULT);
}

kerr_t hal_user_load(const u32 __user *p, u32 *val)
{
	u32 *w;
	kerr_t err = word_address(p, false, &w);

	if (err)
		return err;
	return hosted_load32_guarded(w, val) ? KERR(EFAULT) : KERR(0);
}

kerr_t hal_user_cmpxchg(u32 __user *p, u32 expected, u32 desired, u32 *old)
{
	u32 *w;
	kerr_t err = word_address(p, true, &w);

	if (err)
		return err;
	*old = expected;
	return hosted_cas32_guarded(w, old, desired) < 0 ? KERR(EFAULT) : KERR(0);
}

static u32 apply(enum hal_user_op op, u32 old, u32 operand)
{
	switch (op) {
	case HAL_USER_SET:
		return operand;
	case HAL_USER_ADD:
		return old + operand;
	case HAL_USER_OR:
		return old | operand;
	case HAL_USER_ANDN:
		return old & ~operand;
	case HAL_USER_XOR:
		return old ^ operand;
	}
	return old;
}

kerr_t hal_user_atomic(u32 __user *p, enum hal_user_op op, u32 operand, u32 *old)
{
	u32 *w;
	int swapped;
	kerr_t err = word_address(p, true, &w);

	if (err)
		return err;
	if (hosted_load32_guarded(w, old))
		return KERR(EFAULT);
	do {
		swapped = hosted_cas32_guarded(w, old, apply(op, *old, operand));
	} while (!swapped);
	return swapped < 0 ? KERR(EFAULT) : KERR(0);
}
