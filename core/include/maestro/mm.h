/* SPDX-License-Identifier: MIT */
/*
 * User address spaces: struct mm, struct vma, faults, mmap and friends.
 *
 * mm.lock (rwsem) protects the vma tree: faults and user copies take it for reading, mmap and munmap for writing. mm.pt_lock (spinlock) protects the page
 * tables and the counts of pages. Order: mm.lock, mapping.i_mmap_lock, pt_lock.
 */
#pragma once

#include <hal/mmu.h>
#include <maestro/lock.h>
#include <maestro/page.h>
#include <maestro/rbtree.h>
#include <maestro/xarray.h>

#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define PROT_GROWSDOWN 0x01000000
#define PROT_GROWSUP 0x02000000
#define MAP_SHARED 0x01
#define MAP_PRIVATE 0x02
#define MAP_SHARED_VALIDATE 0x03
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_GROWSDOWN 0x0100
#define MAP_DENYWRITE 0x0800
#define MAP_EXECUTABLE 0x1000
#define MAP_LOCKED 0x2000
#define MAP_NORESERVE 0x4000
#define MAP_POPULATE 0x8000
#define MAP_NONBLOCK 0x10000
#define MAP_STACK 0x20000
#define MAP_HUGETLB 0x40000
#define MAP_SYNC 0x80000
#define MAP_FIXED_NOREPLACE 0x100000
#define MREMAP_MAYMOVE 1
#define MREMAP_FIXED 2
#define MREMAP_DONTUNMAP 4
#define MLOCK_ONFAULT 1
#define MCL_CURRENT 1
#define MCL_FUTURE 2
#define MCL_ONFAULT 4
#define MS_ASYNC 1
#define MS_INVALIDATE 2
#define MS_SYNC 4
enum { MADV_NORMAL = 0, MADV_RANDOM = 1, MADV_SEQUENTIAL = 2, MADV_WILLNEED = 3, MADV_DONTNEED = 4, MADV_FREE = 8, MADV_REMOVE = 9,
       MADV_DONTFORK = 10, MADV_DOFORK = 11, MADV_MERGEABLE = 12, MADV_UNMERGEABLE = 13, MADV_HUGEPAGE = 14, MADV_NOHUGEPAGE = 15,
       MADV_DONTDUMP = 16, MADV_DODUMP = 17, MADV_WIPEONFORK = 18, MADV_KEEPONFORK = 19, MADV_COLD = 20, MADV_PAGEOUT = 21,
       MADV_POPULATE_READ = 22, MADV_POPULATE_WRITE = 23, MADV_DONTNEED_LOCKED = 24 };

enum {
	VM_READ = 1 << 0,
	VM_WRITE = 1 << 1,
	VM_EXEC = 1 << 2,
	VM_SHARED = 1 << 3,
	VM_MAYREAD = 1 << 4,
	VM_MAYWRITE = 1 << 5,
	VM_MAYEXEC = 1 << 6,
	VM_MAYSHARE = 1 << 7,
	VM_GROWSDOWN = 1 << 8,
	VM_LOCKED = 1 << 9,
	VM_PFNMAP = 1 << 10,	/* frames without struct page */
	VM_DONTCOPY = 1 << 11,
	VM_DONTEXPAND = 1 << 12,
	VM_ACCOUNT = 1 << 13,
	VM_NORESERVE = 1 << 14,
	VM_STACK = 1 << 15,
	VM_SPECIAL_NAME = 1 << 16, /* ops->name gives it (vdso, vvar) */
	VM_WIPEONFORK = 1 << 17,
	VM_SEQ_READ = 1 << 18,
	VM_RAND_READ = 1 << 19,
	VM_DONTDUMP = 1 << 20,
};

struct file;
struct task;
struct vma;
struct vm_fault {
	struct vma *vma;
	uaddr_t addr;	 /* page-aligned */
	pgoff_t pgoff;	 /* in the file */
	unsigned flags;	 /* FAULT_* of hal/upcall.h */
	struct page *page; /* out: with a reference, uptodate, unlocked */
	bool major;	   /* out: it took I/O */
};
struct vm_ops {
	void (*open)(struct vma *v);  /* a copy was made (fork, split); NULL: nothing to do */
	void (*close)(struct vma *v); /* NULL: nothing */
	/* Finds the page for a file map. KERR(ENOMEM), KERR(EFAULT) past the end (SIGBUS), KERR(EIO) (SIGBUS). mm.lock held for reading; sleeps. */
	kerr_t (*fault)(struct vm_fault *f);
	/* A shared writable page is about to be dirtied (allocate blocks, update times). Page locked on success. NULL: just set dirty. */
	kerr_t (*page_mkwrite)(struct vm_fault *f);
	const char *(*name)(struct vma *v);
};
struct vma {
	/* [mm.lock] */
	uaddr_t start, end; /* page-aligned, end exclusive */
	u32 flags;	    /* VM_* */
	struct mm *mm;
	struct rb_node node;
	struct list list_node;	 /* in address order */
	struct file *file;	 /* a reference, or NULL: anonymous */
	pgoff_t pgoff;		 /* of start */
	const struct vm_ops *ops; /* NULL: anonymous */
	void *priv;
	bool has_anon; /* [a] a private copy was made in it: fork must copy its tables. Only ever set */
	/* [mapping.i_mmap_lock]; start, end and pgoff of a file map change under it as well */
	struct list i_mmap_node;
};

enum { DUMP_NEVER, DUMP_BY_USER, DUMP_AS_ROOT };
#define DUMP_FILTER_DEFAULT 0x33u
struct mm {
	/* [c] after exec */
	uaddr_t start_code, end_code, start_data, end_data, start_brk, start_stack, arg_start, arg_end, env_start, env_end;
	uaddr_t mmap_base, vdso;
	struct file *exe_file;
	u64 auxv[52]; /* pairs, for /proc/PID/auxv */
	unsigned auxc;
	u8 dumpable; /* DUMP_*, prctl(2) PR_SET_DUMPABLE */
	u32 dump_filter; /* [a] /proc/PID/coredump_filter */
	bool host; /* hosted: user addresses are the host process's own; no vmas */
	/* [a] */
	struct atomic users; /* tasks */
	struct atomic refs;  /* users count as one */
	/* [lock] */
	struct rwsem lock;
	struct rb_tree vmas;
	struct list vma_list;
	struct vma *cache;   /* [a] last hit */
	unsigned vma_count;
	uaddr_t brk;
	u64 total_pages, locked_pages, data_pages, stack_pages, exec_pages, shared_pages;
	u32 def_flags;
	/* [pt_lock] */
	struct spinlock pt_lock;
	struct hal_mmu mmu;
	long rss_anon, rss_file, rss_shmem;
	u64 hiwater_rss;
	struct xarray stash; /* by page number: private pages of PROT_NONE areas, which the tables cannot hold */
	unsigned long nstash;
	struct spinlock aio_lock; /* RANK_SPIN_OUTER */
	struct list aio_contexts; /* [aio_lock] struct aio_context of io_setup(2) */
	struct atomic membarrier; /* [a] registrations of membarrier(2) */
};

kerr_t mm_alloc(struct mm **out) __must_check;
/* fork: a copy-on-write copy of current's space. */
kerr_t mm_fork(struct mm **out, struct mm *src) __must_check;
void mm_get(struct mm *mm);	  /* one more task */
void mm_put_user(struct mm *mm);  /* the last task: unmaps everything. May sleep */
void mm_ref(struct mm *mm);
void mm_unref(struct mm *mm);
/* exec: current uses mm from now on, and owns the caller's user reference. The old one is the caller's to put. Never sleeps. */
void mm_switch(struct mm *mm);

struct vma *vma_find(struct mm *mm, uaddr_t addr); /* first with end > addr, or NULL. mm.lock held */
/* A new area; addr is a hint unless MAP_FIXED. file may be NULL. Returns the address or -errno (as long: check with IS_ERR_VALUE). Takes mm.lock. */
long do_mmap(struct file *file, uaddr_t addr, size_t len, unsigned prot, unsigned flags, pgoff_t pgoff);
/* For exec: into another mm than current's; vm_flags are added. */
long mm_map(struct mm *mm, struct file *file, uaddr_t addr, size_t len, unsigned prot, unsigned flags, pgoff_t pgoff, u32 vm_flags);
/*
 * A special area (vDSO). Without ops->fault, priv is an array of struct page * (one per page; NULL: SIGBUS), which outlives the mm.
 * mm.lock not held.
 */
kerr_t mm_map_special(struct mm *mm, uaddr_t addr, size_t len, u32 vm_flags, const struct vm_ops *ops, void *priv) __must_check;
kerr_t do_munmap(uaddr_t addr, size_t len) __must_check;
/* Unmaps what is left of a file map with these operations whose first page was mapped at addr (shmdt(2)). KERR(EINVAL): there is none. */
kerr_t mm_unmap_file_at(uaddr_t addr, const struct vm_ops *ops) __must_check;
kerr_t do_mprotect(uaddr_t addr, size_t len, unsigned prot) __must_check;
long do_mremap(uaddr_t addr, size_t old_len, size_t new_len, unsigned flags, uaddr_t new_addr);
long do_brk(uaddr_t brk);
/* Handles a fault in mm; mm.lock not held. A signal's code on failure: 0 ok, else the fields are set. */
struct fault_result {
	int sig, code; /* 0: mended */
};
struct fault_result mm_fault(struct mm *mm, uaddr_t addr, unsigned flags);
/* Access another mm (ptrace, /proc/PID/mem, exec's stack). Returns bytes moved. */
ssize_t mm_access(struct mm *mm, uaddr_t addr, void *buf, size_t len, bool write);
/* Pins the page at addr, faulting it in. KERR(EFAULT). Caller puts it. */
kerr_t mm_get_page(struct mm *mm, uaddr_t addr, bool write, struct page **out) __must_check;
/* Unmaps all maps of file pages [first, last] of a mapping (truncate); even_cows: private copies too. */
void mapping_unmap(struct mapping *m, pgoff_t first, pgoff_t last, bool even_cows);
/* rmap for write-back: makes all shared maps of the page read-only and clean; true if one was dirty. */
bool page_mkclean(struct page *p);
/* rmap for reclaim: unmaps the page everywhere; true if no map is left. *referenced: it was used. */
bool page_try_unmap(struct page *p, bool *referenced);
#define IS_ERR_VALUE(x) ((unsigned long)(x) >= (unsigned long)-4095)
kerr_t mm_init(void) __must_check;

struct proc;
long oom_score(struct proc *p); /* /proc/PID/oom_score: how near it is to being killed when memory is out; about 667 and up, 0: never (core/mm/oom.c) */

/* --- more for other rooms --- */
long do_mmap_fd(uaddr_t addr, size_t len, unsigned prot, unsigned flags, int fd, pgoff_t pgoff); /* the system call's body, for the ABIs */
long do_fadvise(int fd, loff_t off, loff_t len, int advice);
/* Another task's mm with a reference (mm_unref), or NULL. Any context but interrupts. */
struct mm *task_mm_get(struct task *t);
/* May current look into t, whose space is mm: the rule of ptrace(2) for PTRACE_MODE_ATTACH_REALCREDS. */
bool mm_may_access(struct task *t, const struct mm *mm);
/* "[heap]", "[stack]", "[vdso]" or NULL: what /proc/PID/maps prints in place of a path. mm.lock held */
const char *vma_name(struct vma *v);
/* For a device's mmap(): maps frames that have no counted struct page, all at once; the area becomes VM_PFNMAP. KERR(ENOMEM). mm.lock held for writing. */
kerr_t vma_map_frames(struct vma *v, paddr_t start, size_t len, bool uncached) __must_check;
/*
 * Faults in what is missing of [start, start + len), until something fails. Private writable areas get pages of their own; write: shared ones are
 * made writable too. mm.lock not held. KERR(ENOMEM), KERR(EFAULT), KERR(EINTR).
 */
kerr_t mm_populate(struct mm *mm, uaddr_t start, size_t len, bool write) __must_check;
kerr_t do_madvise(struct mm *mm, uaddr_t start, size_t len, int advice) __must_check;
kerr_t do_mlock(uaddr_t start, size_t len, bool on_fault) __must_check;
kerr_t do_munlock(uaddr_t start, size_t len) __must_check;
kerr_t do_mlockall(int flags) __must_check;
kerr_t do_munlockall(void) __must_check;
/* Overcommit accounting, in pages. KERR(ENOMEM). */
kerr_t vm_commit(long pages) __must_check;
void vm_uncommit(long pages);
u64 vm_commit_limit(void); /* pages */
/* Kills the process that frees most; false if there is none to kill. Waits a moment for its end. Sleeping context. */
bool out_of_memory(void);
/* Pages of the mm in memory. */
static inline long mm_rss(const struct mm *mm)
{
	return load_relaxed(&mm->rss_anon) + load_relaxed(&mm->rss_file) + load_relaxed(&mm->rss_shmem);
}
struct page *zero_page(void);

/* What current's next program gets at random places: 0 nothing, 1 maps, stack and program, 2 the heap too (/proc/sys/kernel/randomize_va_space). */
u32 mm_randomizes(void);
/* Stack of a new program: reserves the area below HAL_USER_END (randomised). */
kerr_t mm_setup_stack(struct mm *mm, u64 stack_rlimit, bool exec_stack, uaddr_t *top) __must_check;
