/* SPDX-License-Identifier: MIT */
/* x86_64: mmap takes its offset in bytes. Specification: mmap(2). */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/mm.h>

long sys_mmap(unsigned long addr, size_t len, unsigned long prot, unsigned long flags, unsigned long fd, unsigned long off)
{
	return off & ~PAGE_MASK ? -EINVAL : do_mmap_fd(addr, len, (unsigned)prot, (unsigned)flags, (int)fd, off >> PAGE_SHIFT);
}
