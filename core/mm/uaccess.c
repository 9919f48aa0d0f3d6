/* SPDX-License-Identifier: MIT */
/*
 * User memory: what is more than one HAL copy. No state, no locks; may sleep (the HAL's copies fault pages in).
 * Specification: the contract in maestro/uaccess.h; copy_struct_from_user follows the rule of extensible structs in clone3(2) and openat2(2).
 */
#include <maestro/lib.h>
#include <maestro/uaccess.h>

kerr_t copy_string_from_user(char *dst, const char __user *src, size_t size)
{
	ssize_t n = hal_strncpy_from_user(dst, src, size);

	if (n < 0)
		return KERR(EFAULT);
	return (size_t)n >= size ? KERR(ENAMETOOLONG) : KERR(0);
}

static kerr_t check_zeroed_user(const u8 __user *p, size_t n)
{
	u8 buf[64];

	while (n) {
		size_t part = MIN(n, sizeof(buf));
		kerr_t err = copy_from_user(buf, p, part);

		if (err)
			return err;
		for (size_t i = 0; i < part; i++)
			if (buf[i])
				return KERR(E2BIG);
		p += part;
		n -= part;
	}
	return KERR(0);
}

kerr_t copy_struct_from_user(void *dst, size_t ksize, const void __user *src, size_t usize)
{
	size_t common = MIN(ksize, usize);

	if (usize > ksize) {
		kerr_t err = check_zeroed_user((const u8 __user *)src + ksize, usize - ksize);

		if (err)
			return err;
	}
	memset((u8 *)dst + common, 0, ksize - common);
	return copy_from_user(dst, src, common);
}
