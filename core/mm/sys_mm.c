/* SPDX-License-Identifier: MIT */
/*
 * System calls on the calling program's address space. Arguments are checked here as far as the ABI is concerned; do_x() does the work.
 * A caller of the library whose addresses are its host process's own has no address space of ours to change: -ENOSYS.
 * Specification: the man page of each call.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/uaccess.h>

#include "vm.h"

static bool no_space(void)
{
	return !current->mm || current->mm->host;
}

static long status(kerr_t err)
{
	return kerr_code(err);
}

long do_mmap_fd(uaddr_t addr, size_t len, unsigned prot, unsigned flags, int fd, pgoff_t pgoff)
{
	struct file *f;
	long ret;

	if (no_space())
		return -ENOSYS;
	addr = (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) ? addr : addr & PAGE_MASK;
	if (flags & MAP_ANONYMOUS)
		return do_mmap(NULL, addr, len, prot, flags, 0);
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = do_mmap(f, addr, len, prot, flags, pgoff);
	file_put(f);
	return ret;
}

long sys_munmap(unsigned long addr, size_t len)
{
	return no_space() ? -ENOSYS : status(do_munmap(addr, len));
}

long sys_mprotect(unsigned long addr, size_t len, unsigned long prot)
{
	return no_space() ? -ENOSYS : status(do_mprotect(addr, len, (unsigned)prot));
}

long sys_brk(unsigned long brk)
{
	return no_space() ? -ENOSYS : do_brk(brk);
}

long sys_mremap(unsigned long addr, size_t old_len, size_t new_len, unsigned long flags, unsigned long new_addr)
{
	return no_space() ? -ENOSYS : do_mremap(addr, old_len, new_len, (unsigned)flags, new_addr);
}

long sys_madvise(unsigned long addr, size_t len, int advice)
{
	return no_space() ? -ENOSYS : status(do_madvise(current->mm, addr, len, advice));
}

/* What the shared map behind [addr, addr + len) is of, referenced, and its protection. NULL: not one shared map of one file. */
static struct file *shared_map(uaddr_t addr, size_t len, unsigned *prot)
{
	struct vma *v = vma_find(current->mm, addr), *first = v;

	if (!v || v->start > addr || !(v->flags & VM_SHARED) || !v->file)
		return NULL;
	while (v->end < addr + len) {
		struct vma *next = vma_find(current->mm, v->end);

		if (!next || next->start != v->end || next->file != first->file || ((next->flags ^ first->flags) & ~(VM_ACCOUNT | VM_NORESERVE)))
			return NULL;
		v = next;
	}
	*prot = (first->flags & VM_READ ? PROT_READ : 0) | (first->flags & VM_WRITE ? PROT_WRITE : 0) | (first->flags & VM_EXEC ? PROT_EXEC : 0);
	return file_get(first->file);
}

/* As Linux since 4.0: a map of another part of the file takes the place. */
long sys_remap_file_pages(unsigned long addr, size_t size, unsigned long prot, unsigned long pgoff, unsigned long flags)
{
	struct file *f;
	unsigned p;
	long ret;

	if (no_space())
		return -ENOSYS;
	addr &= PAGE_MASK;
	size &= PAGE_MASK;
	if (prot || addr + size <= addr || pgoff + (size >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	rwsem_read_lock(&current->mm->lock);
	f = shared_map(addr, size, &p);
	rwsem_read_unlock(&current->mm->lock);
	if (!f)
		return -EINVAL;
	ret = do_mmap(f, addr, size, p, (unsigned)(flags & MAP_NONBLOCK) | MAP_SHARED | MAP_FIXED | MAP_POPULATE, (pgoff_t)pgoff);
	file_put(f);
	return IS_ERR_VALUE(ret) ? ret : 0;
}

/* The processor has no protection keys, or we do not use them: what Linux answers then (pkeys(7)). */
long sys_pkey_mprotect(unsigned long addr, size_t len, unsigned long prot, int pkey)
{
	return pkey == -1 ? sys_mprotect(addr, len, prot) : -EINVAL;
}

long sys_pkey_alloc(unsigned long flags, unsigned long rights)
{
	return flags || (rights & ~3UL) ? -EINVAL : -ENOSPC;
}

long sys_pkey_free(int pkey)
{
	(void)pkey;
	return -EINVAL;
}

long sys_mlock(unsigned long addr, size_t len)
{
	return no_space() ? -ENOSYS : status(do_mlock(addr, len, false));
}

long sys_mlock2(unsigned long addr, size_t len, int flags)
{
	if (flags & ~MLOCK_ONFAULT)
		return -EINVAL;
	return no_space() ? -ENOSYS : status(do_mlock(addr, len, flags & MLOCK_ONFAULT));
}

long sys_munlock(unsigned long addr, size_t len)
{
	return no_space() ? -ENOSYS : status(do_munlock(addr, len));
}

long sys_mlockall(int flags)
{
	return no_space() ? -ENOSYS : status(do_mlockall(flags));
}

long sys_munlockall(void)
{
	return no_space() ? -ENOSYS : status(do_munlockall());
}

/* ---- mincore ---- */

static bool cached(const struct vma *v, uaddr_t addr)
{
	struct mapping *m = vma_mapping(v);
	struct page *p;
	bool there;

	if (!m || !m->ops)
		return false;
	p = mapping_find(m, vma_pgoff(v, addr));
	if (!p)
		return false;
	there = page_test(p, PG_UPTODATE);
	page_put(p);
	return there;
}

/* Fills at most n bytes; how many pages were looked at, or -ENOMEM at a hole. */
static long mincore_some(struct mm *mm, uaddr_t addr, u8 *vec, size_t n)
{
	long ret = 0;
	size_t i;

	rwsem_read_lock(&mm->lock);
	for (i = 0; i < n && !ret; i++, addr += PAGE_SIZE) {
		const struct vma *v = vma_find(mm, addr);
		bool present;

		if (!v || v->start > addr) {
			ret = -ENOMEM;
			break;
		}
		spin_lock(&mm->pt_lock);
		present = (hal_mmu_get(&mm->mmu, addr).flags & HAL_PTE_PRESENT) ||
			  (mm->nstash && xa_load(&mm->stash, addr >> PAGE_SHIFT));
		spin_unlock(&mm->pt_lock);
		vec[i] = present || cached(v, addr);
	}
	rwsem_read_unlock(&mm->lock);
	return ret ? ret : (long)i;
}

long sys_mincore(unsigned long start, size_t len, void __user *vec)
{
	u8 buf[256];
	size_t pages = ALIGN_UP(len, PAGE_SIZE) >> PAGE_SHIFT;

	if (no_space())
		return -ENOSYS;
	if (!IS_ALIGNED(start, PAGE_SIZE))
		return -EINVAL;
	if (start >= HAL_USER_END || len > HAL_USER_END - start)
		return -ENOMEM;
	for (size_t done = 0; done < pages;) {
		long n = mincore_some(current->mm, start + (done << PAGE_SHIFT), buf, MIN(pages - done, sizeof(buf)));

		if (n < 0)
			return n;
		if (copy_to_user((u8 __user *)vec + done, buf, (size_t)n))
			return -EFAULT;
		done += (size_t)n;
	}
	return 0;
}

/* ---- msync ---- */

/* The next file to sync in [*at, end), referenced, with its byte range; *at moves on. NULL at the end. */
static struct file *msync_next(struct mm *mm, uaddr_t *at, uaddr_t end, int flags, loff_t range[2], long *err)
{
	struct file *f = NULL;

	rwsem_read_lock(&mm->lock);
	while (*at < end && !f) {
		const struct vma *v = vma_find(mm, *at);
		uaddr_t start, stop;

		if (!v || v->start > *at)
			*err = -ENOMEM;
		if (!v || v->start >= end) {
			*at = end;
			break;
		}
		start = MAX(v->start, *at);
		stop = MIN(v->end, end);
		if ((flags & MS_INVALIDATE) && (v->flags & VM_LOCKED))
			*err = -EBUSY;
		if ((flags & MS_SYNC) && v->file && (v->flags & VM_SHARED)) {
			f = file_get(v->file);
			range[0] = (loff_t)vma_pgoff(v, start) << PAGE_SHIFT;
			range[1] = range[0] + (loff_t)(stop - start) - 1;
		}
		*at = stop;
	}
	rwsem_read_unlock(&mm->lock);
	return f;
}

long sys_msync(unsigned long start, size_t len, int flags)
{
	loff_t range[2] = { 0, 0 };
	uaddr_t end;
	struct file *f;
	long ret = 0;

	if (no_space())
		return -ENOSYS;
	if ((flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || !IS_ALIGNED(start, PAGE_SIZE) ||
	    ((flags & MS_ASYNC) && (flags & MS_SYNC)))
		return -EINVAL;
	if (start >= HAL_USER_END || len > HAL_USER_END - start)
		return len ? -ENOMEM : 0;
	end = start + ALIGN_UP(len, PAGE_SIZE);
	while ((f = msync_next(current->mm, &start, end, flags, range, &ret))) {
		kerr_t err = vfs_fsync(f, range[0], range[1], true);

		file_put(f);
		if (err)
			return kerr_code(err);
	}
	return ret;
}

/* ---- memfd ---- */

#define MFD_CLOEXEC 1u
#define MFD_ALLOW_SEALING 2u
#define MFD_NAME_MAX 249

long sys_memfd_create(const char __user *uname, unsigned flags)
{
	char name[6 + MFD_NAME_MAX + 1] = "memfd:";
	struct file *f;
	kerr_t err;
	long fd;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING))
		return -EINVAL;
	err = copy_string_from_user(name + 6, uname, MFD_NAME_MAX + 1);
	if (err)
		return kerr_code(err) == -ENAMETOOLONG ? -EINVAL : kerr_code(err);
	err = shmem_file(0, name, &f);
	if (err)
		return kerr_code(err);
	if (flags & MFD_ALLOW_SEALING)
		f->inode->seals = 0;
	fd = fd_install(f, (flags & MFD_CLOEXEC) ? O_CLOEXEC : 0);
	if (fd < 0)
		file_put(f);
	return fd;
}

/* ---- membarrier ---- */

enum { MB_QUERY = 0, MB_GLOBAL = 1, MB_GLOBAL_EXP = 2, MB_REG_GLOBAL_EXP = 4, MB_PRIVATE_EXP = 8, MB_REG_PRIVATE_EXP = 16,
       MB_PRIVATE_SYNC = 32, MB_REG_PRIVATE_SYNC = 64, MB_PRIVATE_RSEQ = 128, MB_REG_PRIVATE_RSEQ = 256 };
#define MB_ALL (MB_GLOBAL | MB_GLOBAL_EXP | MB_REG_GLOBAL_EXP | MB_PRIVATE_EXP | MB_REG_PRIVATE_EXP | MB_PRIVATE_SYNC | MB_REG_PRIVATE_SYNC | \
		MB_PRIVATE_RSEQ | MB_REG_PRIVATE_RSEQ)
#define MB_FLAG_CPU 1u

/* A CPU that switched to us has passed a barrier: the task visits each one. */
static long barrier_everywhere(void)
{
	u64 home = current->se.affinity;
	kerr_t err = KERR(0);

	memory_barrier();
	if (hal_cpu_count() == 1)
		return 0;
	for (unsigned cpu = 0; cpu < hal_cpu_count() && !err; cpu++) {
		err = sched_set_affinity(current, 1ULL << cpu);
		for (unsigned tries = 0; !err && this_cpu()->id != cpu; tries++) {
			if (tries == 1000)
				err = KERR(EAGAIN);
			sched_yield_current();
		}
	}
	if (sched_set_affinity(current, home))
		klog_debug("membarrier: affinity not restored");
	return kerr_code(err);
}

/* The visit takes the CPU from who runs there, which also ends a restartable sequence (rseq(2)). Each command's registration is its next bit. */
static long membarrier_private(int cmd)
{
	int need = cmd << 1;

	if (!current->mm || !(atomic_read(&current->mm->membarrier) & need))
		return -EPERM;
	return atomic_read(&current->mm->users) == 1 ? 0 : barrier_everywhere();
}

/* cpu: with MB_FLAG_CPU, the only one that matters; to visit the others too does no harm. */
long sys_membarrier(int cmd, unsigned flags, int cpu)
{
	(void)cpu;
	if (flags & ~(cmd == MB_PRIVATE_RSEQ ? MB_FLAG_CPU : 0))
		return -EINVAL;
	switch (cmd) {
	case MB_QUERY:
		return MB_ALL;
	case MB_GLOBAL:
	case MB_GLOBAL_EXP:
		return barrier_everywhere();
	case MB_REG_GLOBAL_EXP:
	case MB_REG_PRIVATE_EXP:
	case MB_REG_PRIVATE_SYNC:
	case MB_REG_PRIVATE_RSEQ:
		if (current->mm)
			atomic_or(&current->mm->membarrier, cmd);
		return 0;
	case MB_PRIVATE_EXP:
	case MB_PRIVATE_SYNC:
	case MB_PRIVATE_RSEQ:
		return membarrier_private(cmd);
	default:
		return -EINVAL;
	}
}
