/* SPDX-License-Identifier: MIT */
/*
 * A port with no machine. Each body says in prose what a port must do there; the contracts (arguments, context, errors) are in hal/include/hal. A new port begins
 * as a copy of this directory. It is built and linked with the core to prove that the core needs nothing else.
 */
#include <hal/context.h>
#include <hal/cpu.h>
#include <hal/memory.h>
#include <hal/mmu.h>
#include <hal/pci.h>
#include <hal/platform.h>
#include <hal/time.h>
#include <hal/upcall.h>
#include <hal/user.h>

struct kernel *null_kernel;
struct task *null_current;

/* ---------------------------------------------------------------- cpu.h */
unsigned hal_cpu_count(void)
{
	/* How many processors the firmware lists (ACPI MADT, a device tree), at most HAL_MAX_CPUS. */
	return 1;
}

kerr_t hal_cpu_start(unsigned cpu)
{
	/* Give it a stack and its own per-CPU data, send it through the machine's start-up protocol, wait until it says that it lives. There it ends in
	 * upcall_cpu_start(), and then sched_idle_loop(). */
	(void)cpu;
	return KERR(ENODEV);
}

void hal_cpu_idle(void)
{
	/* Turn interrupts on and stop until the next one, as one step: an interrupt between the two must still end the stop (x86: sti; hlt). */
}

void hal_cpu_kick(unsigned cpu)
{
	/* Send that processor an interrupt whose handler calls upcall_kick(). It need not wait. */
	(void)cpu;
}

/* ---------------------------------------------------------------- context.h */
kerr_t hal_context_init(struct task *t, void (*entry)(void *arg), void *arg)
{
	/* Map a stack of HAL_KSTACK_SIZE with an unmapped page below it; lay out on it what hal_context_switch() will pop, so that the first switch
	 * to t lands in entry(arg) with interrupts off. */
	(void)t;
	(void)entry;
	(void)arg;
	return KERR(ENOMEM);
}

void hal_context_fini(struct task *t)
{
	/* Give the stack back. Nobody runs on it: the core sees to that. */
	(void)t;
}

void hal_context_switch(struct task *prev, struct task *next)
{
	/*
	 * Push what the calling convention has the callee keep, and the FPU state if prev has a user side; put the stack pointer in prev->ctx; take next's;
	 * point traps from user mode at next's stack; load its TLS and its temporary maps; make hal_current() answer next; pop, return. The return
	 * happens in next's old call of this function, or at the entry hal_context_init() laid out.
	 */
	(void)prev;
	(void)next;
}

kerr_t hal_context_fork(struct task *child, struct task *parent)
{
	/* A stack for the child with a copy of the parent's user registers at its top, result register 0; the first switch to it calls sched_finish_switch(),
	 * and leaves the kernel as a system call does. FPU and TLS are copied. */
	(void)child;
	(void)parent;
	return KERR(ENOSYS);
}

struct hal_regs *hal_user_regs(struct task *t)
{
	/* The registers that the entry code pushed at the top of t's kernel stack. */
	(void)t;
	return NULL;
}

void hal_enter_user(void)
{
	/* Drop what is on the kernel stack, and go out through the same code that ends a system call, upcall_user_return() included. */
	for (;;)
		;
}

void hal_fpu_save(struct task *t, void *buf)
{
	/* The FXSAVE image of t: from the unit itself if t runs, else from where the last switch left it. */
	(void)t;
	(void)buf;
}

kerr_t hal_fpu_load(struct task *t, const void *buf)
{
	/* Refuse what would fault (reserved bits of MXCSR); else the opposite of saving. */
	(void)t;
	(void)buf;
	return KERR(EINVAL);
}

void hal_fpu_reset(struct task *t)
{
	/* The state the ABI gives a new program. */
	(void)t;
}

void hal_debug_set(struct task *t, const struct hal_debug *d)
{
	/* Keep them with t; load them when it is switched to (now, if it is current). A machine without such registers keeps control 0, and has
	 * its ABI's tracer refuse them. */
	(void)t;
	(void)d;
}

void hal_debug_get(const struct task *t, struct hal_debug *d)
{
	(void)t;
	*d = (struct hal_debug){ 0 };
}

void hal_tls_set(struct task *t, unsigned slot, const struct hal_tls *tls)
{
	/* Keep it in t; if t runs, load it into this processor's descriptor table or base register as well. */
	(void)t;
	(void)slot;
	(void)tls;
}

void hal_tls_get(struct task *t, unsigned slot, struct hal_tls *tls)
{
	/* What hal_tls_set() kept. */
	(void)t;
	(void)slot;
	*tls = (struct hal_tls){0};
}

/* ---------------------------------------------------------------- memory.h */
const struct hal_boot_info *hal_boot_info(void)
{
	/* What the loader told: usable RAM without what the kernel and its modules lie in, the command line, the initrd. */
	static const struct hal_boot_info none = {.cmdline = "", .loader = "nobody"};

	return &none;
}

void *hal_kmap(paddr_t frame)
{
	/* One of the current task's few kernel addresses for frames outside the direct map; they travel with the task. */
	return hal_phys_to_virt(frame);
}

void hal_kunmap(void *va)
{
	/* Undo the last hal_kmap() of this task; flush the translation on this processor. */
	(void)va;
}

kerr_t hal_map_device(paddr_t start, size_t size, bool uncached, void **out)
{
	/* Kernel address space for the registers, mapped with the attributes the machine wants for devices. */
	(void)start;
	(void)size;
	(void)uncached;
	(void)out;
	return KERR(ENOMEM);
}

void hal_poison(const void *p, size_t n)
{
	/* Only where a sanitizer watches. */
	(void)p;
	(void)n;
}

void hal_unpoison(const void *p, size_t n)
{
	(void)p;
	(void)n;
}

/* ---------------------------------------------------------------- mmu.h */
kerr_t hal_mmu_init(struct hal_mmu *mmu)
{
	/* An empty root table; the kernel's part, if the machine has one in each space, shared or copied into it. */
	mmu->root = NULL;
	return KERR(ENOMEM);
}

void hal_mmu_fini(struct hal_mmu *mmu)
{
	/* Free every table of the user part, and the root. */
	(void)mmu;
}

void hal_mmu_activate(struct hal_mmu *mmu)
{
	/* Load the root register unless it holds this root already; note that this processor may now have translations of mmu. */
	(void)mmu;
}

struct hal_pte hal_mmu_get(struct hal_mmu *mmu, uaddr_t va)
{
	/* Walk; translate the machine's bits into HAL_PTE_*. */
	(void)mmu;
	(void)va;
	return (struct hal_pte){0};
}

kerr_t hal_mmu_set(struct hal_mmu *mmu, uaddr_t va, paddr_t frame, u32 flags)
{
	/* Make missing tables (GFP_ATOMIC), write the entry in one store; if one was there, flush it wherever mmu may be loaded. */
	(void)mmu;
	(void)va;
	(void)frame;
	(void)flags;
	return KERR(ENOMEM);
}

u32 hal_mmu_fill(struct hal_mmu *mmu, uaddr_t va, const pfn_t *frames, unsigned n, u32 flags)
{
	/* A fault maps the neighbours too: find the table once, and write those entries that hold nothing. */
	(void)mmu;
	(void)va;
	(void)frames;
	(void)n;
	(void)flags;
	return 0;
}

void hal_mmu_unmap(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_frames_fn *fn, void *arg)
{
	/* Clear each entry by an exchange (the processor may set accessed meanwhile), hand batches of frames to fn, flush, free empty tables. */
	(void)mmu;
	(void)start;
	(void)end;
	(void)fn;
	(void)arg;
}

void hal_mmu_change(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, u32 set, u32 clear)
{
	/* The same with a compare-and-exchange that keeps what the processor sets; flush if a right or a bit was taken. */
	(void)mmu;
	(void)start;
	(void)end;
	(void)set;
	(void)clear;
}

void hal_mmu_walk(struct hal_mmu *mmu, uaddr_t start, uaddr_t end, hal_mmu_fn *fn, void *arg)
{
	/* Visit what is present; skip what has no tables. */
	(void)mmu;
	(void)start;
	(void)end;
	(void)fn;
	(void)arg;
}

kerr_t hal_mmu_copy(struct hal_mmu *dst, struct hal_mmu *src, uaddr_t start, uaddr_t end, bool cow, hal_mmu_frames_fn *fn, void *arg)
{
	/* Table by table, in a loop of few instructions: fork of a large process spends its time here. */
	(void)dst;
	(void)src;
	(void)start;
	(void)end;
	(void)cow;
	(void)fn;
	(void)arg;
	return KERR(ENOMEM);
}

void hal_mmu_flush(struct hal_mmu *mmu)
{
	/* All of this space's translations, here and, by an interrupt that is waited for, on each processor that may have some. */
	(void)mmu;
}

size_t hal_mmu_table_pages(const struct hal_mmu *mmu)
{
	/* Counted as tables are made and freed. */
	(void)mmu;
	return 0;
}

/* ---------------------------------------------------------------- user.h */
size_t hal_copy_from_user(void *dst, const void __user *src, size_t n)
{
	/* Check the range against HAL_USER_END; copy by code whose faults a table sends to a fix-up that returns what was not copied. The fault handler
	 * first asks upcall_page_fault(). */
	(void)dst;
	(void)src;
	return n;
}

size_t hal_copy_to_user(void __user *dst, const void *src, size_t n)
{
	(void)dst;
	(void)src;
	return n;
}

size_t hal_clear_user(void __user *dst, size_t n)
{
	(void)dst;
	return n;
}

ssize_t hal_strncpy_from_user(char *dst, const char __user *src, size_t n)
{
	/* Word by word up to the first word with a zero byte, not past the end of user space. */
	(void)dst;
	(void)src;
	(void)n;
	return -EFAULT;
}

kerr_t hal_user_atomic(u32 __user *p, enum hal_user_op op, u32 operand, u32 *old)
{
	/* An atomic instruction, or a loop of them, in code with a fix-up as above. */
	(void)p;
	(void)op;
	(void)operand;
	(void)old;
	return KERR(EFAULT);
}

kerr_t hal_user_cmpxchg(u32 __user *p, u32 expected, u32 desired, u32 *old)
{
	(void)p;
	(void)expected;
	(void)desired;
	(void)old;
	return KERR(EFAULT);
}

kerr_t hal_user_load(const u32 __user *p, u32 *val)
{
	(void)p;
	(void)val;
	return KERR(EFAULT);
}

/* ---------------------------------------------------------------- time.h */
ktime_t hal_time_ns(void)
{
	/* A counter that all processors agree on, scaled by a multiplication and a shift. Never back, not even between processors. */
	return 0;
}

s64 hal_time_wall(void)
{
	/* The battery-backed clock, read when it does not change in between. */
	return 0;
}

void hal_time_set_wall(s64 ns)
{
	(void)ns;
}

void hal_timer_arm(ktime_t deadline)
{
	/* Program this processor's one-shot timer; its interrupt calls upcall_timer(). If the device counts less far, arm it for as far as it goes, and again. */
	(void)deadline;
}

u32 hal_time_resolution(void)
{
	return 1;
}

bool hal_time_vclock(struct hal_vclock *out)
{
	/* If programs can read the counter themselves: how to scale it. */
	(void)out;
	return false;
}

/* ---------------------------------------------------------------- platform.h */
void hal_console_write(const char *text, size_t n)
{
	/* Poll a serial port, or draw: no interrupt, no lock that a panic could meet held. */
	(void)text;
	(void)n;
}

bool hal_random(void *buf, size_t n)
{
	/* The processor's generator; else jitter of counters, and false. */
	(void)buf;
	(void)n;
	return false;
}

void hal_power_off(void)
{
	/* ACPI S5, or the hypervisor's port. Returning says that it cannot be done. */
}

void hal_reboot(void)
{
	/* Each way the machine knows, one after the other, the violent last. */
}

void hal_halt(const char *why)
{
	(void)why; /* the log has it */
	/* Stop the other processors, interrupts off, stop. */
	for (;;)
		;
}

size_t hal_backtrace(uintptr_t *pcs, size_t max)
{
	/* Follow frame pointers as long as they stay on the stack. */
	(void)pcs;
	(void)max;
	return 0;
}

bool hal_symbol(uintptr_t pc, const char **name, size_t *offset)
{
	/* A table of the kernel's own symbols, sorted, linked in by a second pass. */
	(void)pc;
	(void)name;
	(void)offset;
	return false;
}

void hal_devices_probe(void)
{
	/* Look at each bus; register what has a driver with the core (disk_register and its like). */
}

const char *hal_machine(void)
{
	return "null";
}

size_t hal_cpuinfo(unsigned cpu, char *buf, size_t size)
{
	/* Text in the form that programs expect of /proc/cpuinfo. */
	(void)cpu;
	(void)buf;
	(void)size;
	return 0;
}

bool hal_cpu_cache(unsigned index, struct hal_cpu_cache *out)
{
	/* What the processor says of its caches, the nearest first. */
	(void)index;
	(void)out;
	return false;
}

int hal_pci_next(int after)
{
	/* Without a PCI bus, this is all. */
	(void)after;
	return -1;
}

u32 hal_pci_config(unsigned function, unsigned offset)
{
	/* Never called where hal_pci_next() finds nothing. */
	(void)function;
	(void)offset;
	return ~0u;
}
