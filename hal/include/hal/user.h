/* SPDX-License-Identifier: MIT */
/*
 * HAL contract: user memory. All of these may fault pages in and so may sleep, unless inside uaccess_disable_faults() (then a page that is
 * not present is a failure). They check that the range lies in user space. No lock that the fault path takes (mm->lock) is held. Use them through <maestro/uaccess.h>.
 */
#pragma once

#include <hal/arch.h>
#include <maestro/errno.h>

/* Return the number of bytes NOT copied (0: all). */
size_t hal_copy_from_user(void *dst, const void __user *src, size_t n) __must_check;
size_t hal_copy_to_user(void __user *dst, const void *src, size_t n) __must_check;
size_t hal_clear_user(void __user *dst, size_t n) __must_check;
/* Length without NUL if found within n bytes; n if there was none; -EFAULT. Copies as it goes. */
ssize_t hal_strncpy_from_user(char *dst, const char __user *src, size_t n) __must_check;
/* Atomic on an aligned user word (futex). *old receives the value before. KERR(EFAULT). op: add, or, andn, xor, xchg. */
enum hal_user_op { HAL_USER_SET, HAL_USER_ADD, HAL_USER_OR, HAL_USER_ANDN, HAL_USER_XOR };
kerr_t hal_user_atomic(u32 __user *p, enum hal_user_op op, u32 operand, u32 *old) __must_check;
kerr_t hal_user_cmpxchg(u32 __user *p, u32 expected, u32 desired, u32 *old) __must_check;
kerr_t hal_user_load(const u32 __user *p, u32 *val) __must_check;
