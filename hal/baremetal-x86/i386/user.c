/* SPDX-License-Identifier: MIT */
/*
 * User memory. The range is checked once against HAL_USER_END; then plain instructions touch it, each with an entry in the fixup table: where
 * the fault handler cannot mend the access, execution goes on at the fixup. Bulk copies are in copy.S.
 */
#include <hal/user.h>
#include <maestro/lib.h>
#include <maestro/task.h>
#include <x86/x86.h>

#define FIXUP(insn, target) ".pushsection .fixup_table, \"a\"\n\t.long " #insn ", " #target "\n\t.popsection\n"

/* Both return the number of bytes left. */
size_t X86_ASMCALL x86_copy_user(void *dst, const void *src, size_t n);
size_t X86_ASMCALL x86_clear_user(void *dst, size_t n);

static inline bool in_user(const void *p, size_t n)
{
	return (uintptr_t)p <= HAL_USER_END && n <= HAL_USER_END - (uintptr_t)p;
}

/* Loads of 1, 2, 4 bytes; false after a fault. */
#define LOAD(name, type, insn, reg)                                             \
	static inline bool name(type *out, const void *p)                       \
	{                                                                       \
		u32 bad = 0;                                                    \
		type v = 0;                                                     \
		__asm__ volatile("1: " insn " (%2), %" reg "1\n2:\n\t"          \
				 ".pushsection .text.unlikely\n"                \
				 "3: movl $1, %0\n\tjmp 2b\n\t"                 \
				 ".popsection\n\t" FIXUP(1b, 3b)                \
				 : "+&r"(bad), "=&q"(v)                         \
				 : "r"(p)                                       \
				 : "memory");                                   \
		*out = v;                                                       \
		return likely(!bad);                                            \
	}
#define STORE(name, type, insn, reg)                                            \
	static inline bool name(void *p, type v)                                \
	{                                                                       \
		u32 bad = 0;                                                    \
		__asm__ volatile("1: " insn " %" reg "1, (%2)\n2:\n\t"          \
				 ".pushsection .text.unlikely\n"                \
				 "3: movl $1, %0\n\tjmp 2b\n\t"                 \
				 ".popsection\n\t" FIXUP(1b, 3b)                \
				 : "+&r"(bad)                                   \
				 : "q"(v), "r"(p)                               \
				 : "memory");                                   \
		return likely(!bad);                                            \
	}
LOAD(load8, u8, "movb", "b")
LOAD(load16, u16, "movw", "w")
LOAD(load32, u32, "movl", "")
STORE(store8, u8, "movb", "b")
STORE(store16, u16, "movw", "w")
STORE(store32, u32, "movl", "")

struct word16 {
	u16 v;
} __packed;
struct word32 {
	u32 v;
} __packed;

size_t hal_copy_from_user(void *dst, const void __user *src, size_t n)
{
	u32 a, b;
	u16 h;
	u8 c;

	if (unlikely(!in_user(src, n)))
		return n;
	switch (n) {
	case 0:
		return 0;
	case 1:
		if (!load8(&c, src))
			return n;
		*(u8 *)dst = c;
		return 0;
	case 2:
		if (!load16(&h, src))
			break;
		((struct word16 *)dst)->v = h;
		return 0;
	case 4:
		if (!load32(&a, src))
			break;
		((struct word32 *)dst)->v = a;
		return 0;
	case 8:
		if (!load32(&a, src) || !load32(&b, (const u8 *)src + 4))
			break;
		((struct word32 *)dst)[0].v = a;
		((struct word32 *)dst)[1].v = b;
		return 0;
	default:
		break;
	}
	return x86_copy_user(dst, src, n);
}

size_t hal_copy_to_user(void __user *dst, const void *src, size_t n)
{
	if (unlikely(!in_user(dst, n)))
		return n;
	switch (n) {
	case 0:
		return 0;
	case 1:
		return store8(dst, *(const u8 *)src) ? 0 : n;
	case 2:
		if (store16(dst, ((const struct word16 *)src)->v))
			return 0;
		break;
	case 4:
		if (store32(dst, ((const struct word32 *)src)->v))
			return 0;
		break;
	case 8:
		if (store32(dst, ((const struct word32 *)src)[0].v) && store32((u8 *)dst + 4, ((const struct word32 *)src)[1].v))
			return 0;
		break;
	default:
		break;
	}
	return x86_copy_user(dst, src, n);
}

size_t hal_clear_user(void __user *dst, size_t n)
{
	if (unlikely(!in_user(dst, n)))
		return n;
	return x86_clear_user(dst, n);
}

ssize_t hal_strncpy_from_user(char *dst, const char __user *src, size_t n)
{
	const u8 *s = (const u8 *)src;
	size_t room = (uintptr_t)s < HAL_USER_END ? HAL_USER_END - (uintptr_t)s : 0, max = MIN(n, room), i = 0;
	u8 c;

	/* Byte by byte to a word's boundary; then words, which never cross a page. */
	while (i < max && ((uintptr_t)(s + i) & 3)) {
		if (!load8(&c, s + i))
			return -EFAULT;
		dst[i] = (char)c;
		if (!c)
			return (ssize_t)i;
		i++;
	}
	while (max - i >= 4) {
		u32 w;

		if (!load32(&w, s + i))
			return -EFAULT;
		if ((w - 0x01010101u) & ~w & 0x80808080u)
			break;
		((struct word32 *)(void *)(dst + i))->v = w;
		i += 4;
	}
	for (; i < max; i++) {
		if (!load8(&c, s + i))
			return -EFAULT;
		dst[i] = (char)c;
		if (!c)
			return (ssize_t)i;
	}
	return max < n ? -EFAULT : (ssize_t)n;
}

static inline bool word_ok(const u32 *p)
{
	return in_user(p, sizeof(*p)) && IS_ALIGNED((uintptr_t)p, 4);
}

/* *p == expected: becomes desired. *old: what was there. False after a fault. */
static bool cmpxchg32(u32 *p, u32 expected, u32 desired, u32 *old)
{
	u32 bad = 0, found = expected;

	__asm__ volatile("1: lock cmpxchgl %3, (%2)\n2:\n\t"
			 ".pushsection .text.unlikely\n"
			 "3: movl $1, %0\n\tjmp 2b\n\t"
			 ".popsection\n\t" FIXUP(1b, 3b)
			 : "+&r"(bad), "+&a"(found)
			 : "r"(p), "r"(desired)
			 : "memory", "cc");
	*old = found;
	return !bad;
}

kerr_t hal_user_cmpxchg(u32 __user *p, u32 expected, u32 desired, u32 *old)
{
	if (!word_ok(p) || !cmpxchg32(p, expected, desired, old))
		return KERR(EFAULT);
	return 0;
}

kerr_t hal_user_atomic(u32 __user *p, enum hal_user_op op, u32 operand, u32 *old)
{
	u32 v, found;

	if (!word_ok(p) || !load32(&v, p))
		return KERR(EFAULT);
	for (;;) {
		u32 want = op == HAL_USER_SET  ? operand
			   : op == HAL_USER_ADD ? v + operand
			   : op == HAL_USER_OR  ? v | operand
			   : op == HAL_USER_ANDN ? v & ~operand
						 : v ^ operand;

		if (!cmpxchg32(p, v, want, &found))
			return KERR(EFAULT);
		if (found == v)
			break;
		v = found;
	}
	*old = v;
	return 0;
}

kerr_t hal_user_load(const u32 __user *p, u32 *val)
{
	return word_ok(p) && load32(val, p) ? 0 : KERR(EFAULT);
}
