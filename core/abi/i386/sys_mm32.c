/* SPDX-License-Identifier: MIT */
/* i386: the memory calls whose arguments differ from x86_64's. Specification: mmap2(2), posix_fadvise(2). */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/mm.h>
#include <maestro/mm.h>
#include <maestro/uaccess.h>

long sys_mmap_pgoff(unsigned long addr, size_t len, unsigned long prot, unsigned long flags, unsigned long fd,
		    unsigned long pgoff)
{
	return do_mmap_fd(addr, len, (unsigned)prot, (unsigned)flags, (int)fd, pgoff);
}

long sys_old_mmap(const void __user *uargs)
{
	struct abi_mmap_args a;
	kerr_t err = copy_in(&a, (const struct abi_mmap_args __user *)uargs);

	if (err)
		return kerr_code(err);
	if (a.offset & ~PAGE_MASK)
		return -EINVAL;
	return do_mmap_fd(a.addr, a.len, a.prot, a.flags, a.fd, a.offset >> PAGE_SHIFT);
}

long sys_fadvise64_64(int fd, s64 offset, s64 len, int advice)
{
	return do_fadvise(fd, offset, len, advice);
}
