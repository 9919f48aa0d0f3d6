/* SPDX-License-Identifier: MIT */
/*
 * i386 registers as the core sees them: a fresh program's (psABI i386, "Process Initialization"), a clone's, and the fields generic code asks for.
 * Thread-local storage: set_thread_area(2), get_thread_area(2) fill one of three descriptors, GDT entries 6 to 8, selectors 0x33, 0x3b, 0x43.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <hal/context.h>
#include <hal/regs_i386.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/seccomp.h>
#include <maestro/seccomp_bpf.h>
#include <maestro/uaccess.h>

#include "tls.h"

#define AUDIT_ARCH_I386 0x40000003u
#define USER_CS 0x73
#define USER_DS 0x7b
#define FLAGS_FRESH 0x202 /* interrupts on, and the bit that is always 1 */

void abi_exec_regs(struct hal_regs *regs, uaddr_t entry, uaddr_t sp)
{
	static const struct hal_tls none;

	memset(regs, 0, sizeof(*regs));
	regs->ds = regs->es = regs->ss = USER_DS;
	regs->cs = USER_CS;
	regs->eflags = FLAGS_FRESH;
	regs->eip = (u32)entry;
	regs->esp = (u32)sp;
	regs->orig_eax = U32_MAX;
	for (unsigned i = 0; i < TLS_ENTRIES; i++)
		hal_tls_set(hal_current(), i, &none);
	hal_debug_set(hal_current(), &(struct hal_debug){ 0 });
}

uaddr_t abi_user_ip(const struct hal_regs *regs)
{
	return regs->eip;
}
void abi_set_user_ip(struct hal_regs *regs, uaddr_t ip)
{
	regs->eip = (u32)ip;
}
uaddr_t abi_user_sp(const struct hal_regs *regs)
{
	return regs->esp;
}
long abi_syscall_result(const struct hal_regs *regs)
{
	return (long)regs->eax;
}
void abi_set_syscall_result(struct hal_regs *regs, long ret)
{
	regs->eax = (u32)ret;
}
void abi_syscall_rollback(struct hal_regs *regs)
{
	regs->eax = regs->orig_eax;
}
void abi_seccomp_data(const struct hal_regs *regs, struct seccomp_data *d)
{
	*d = (struct seccomp_data){ .nr = (s32)regs->orig_eax, .arch = AUDIT_ARCH_I386, .ip = regs->eip,
				    .args = { regs->ebx, regs->ecx, regs->edx, regs->esi, regs->edi, regs->ebp } };
}
bool abi_in_syscall(const struct hal_regs *regs)
{
	return (s32)regs->orig_eax >= 0;
}

/* ---------------------------------------------------------------- TLS descriptors */

#define DESC_32BIT 1u
#define DESC_CONTENTS 6u
#define DESC_READ_ONLY 8u
#define DESC_PAGES 16u
#define DESC_NOT_PRESENT 32u
#define DESC_USEABLE 64u
#define DESC_FLAGS 127u

static bool desc_is_empty(const struct user_desc *d)
{
	return !d->base && !d->limit &&
	       ((d->flags & DESC_FLAGS) == (DESC_READ_ONLY | DESC_NOT_PRESENT) || !(d->flags & DESC_FLAGS));
}

static kerr_t desc_check(const struct user_desc *d)
{
	if (desc_is_empty(d))
		return KERR(0);
	if (!(d->flags & DESC_32BIT) || (d->flags & DESC_CONTENTS) > 2 || (d->flags & DESC_NOT_PRESENT))
		return KERR(EINVAL); /* 16-bit, code, or absent segments */
	return KERR(0);
}

static void desc_install(struct task *t, const struct user_desc *d)
{
	struct hal_tls tls = { d->base, d->limit, d->flags & DESC_FLAGS };

	if (desc_is_empty(d))
		memset(&tls, 0, sizeof(tls));
	hal_tls_set(t, d->entry - TLS_ENTRY_FIRST, &tls);
}

static bool slot_is_free(struct task *t, unsigned i)
{
	struct hal_tls tls;

	hal_tls_get(t, i, &tls);
	return !tls.base && !tls.limit && !tls.flags;
}

kerr_t i386_tls_set(struct task *t, const struct user_desc *d)
{
	kerr_t err = desc_check(d);

	if (err)
		return err;
	if (d->entry - TLS_ENTRY_FIRST >= TLS_ENTRIES)
		return KERR(EINVAL);
	desc_install(t, d);
	return KERR(0);
}

kerr_t i386_tls_get(struct task *t, unsigned entry, struct user_desc *d)
{
	struct hal_tls tls;

	if (entry - TLS_ENTRY_FIRST >= TLS_ENTRIES)
		return KERR(EINVAL);
	hal_tls_get(t, entry - TLS_ENTRY_FIRST, &tls);
	*d = (struct user_desc){ entry, tls.base, tls.limit, tls.flags };
	if (!tls.base && !tls.limit && !tls.flags)
		d->flags = DESC_READ_ONLY | DESC_NOT_PRESENT;
	return KERR(0);
}

long sys_set_thread_area(void __user *udesc)
{
	struct task *t = hal_current();
	struct user_desc d;
	kerr_t err;

	if (copy_from_user(&d, udesc, sizeof(d)))
		return -EFAULT;
	err = desc_check(&d);
	if (err)
		return kerr_code(err);
	if (d.entry == U32_MAX) {
		unsigned i = 0;

		while (i < TLS_ENTRIES && !slot_is_free(t, i))
			i++;
		if (i == TLS_ENTRIES)
			return -ESRCH;
		d.entry = TLS_ENTRY_FIRST + i;
		if (put_user(d.entry, &((struct user_desc __user *)udesc)->entry))
			return -EFAULT;
	}
	return kerr_code(i386_tls_set(t, &d));
}

long sys_get_thread_area(void __user *udesc)
{
	struct user_desc d;
	kerr_t err;

	if (copy_from_user(&d, udesc, sizeof(d)))
		return -EFAULT;
	err = i386_tls_get(hal_current(), d.entry, &d);
	if (!err)
		err = copy_to_user(udesc, &d, sizeof(d));
	return kerr_code(err);
}

/* ---------------------------------------------------------------- clone */

kerr_t abi_clone_regs(struct task *child, const struct clone_args *args)
{
	struct hal_regs *regs = hal_user_regs(child);
	struct user_desc d;

	if (args->stack)
		regs->esp = (u32)args->stack;
	if (!(args->flags & CLONE_SETTLS))
		return KERR(0);
	if (copy_from_user(&d, (const void __user *)(uaddr_t)args->tls, sizeof(d)))
		return KERR(EFAULT);
	return i386_tls_set(child, &d);
}

/* clone(flags, stack, parent_tid, tls, child_tid) */
long sys_clone(unsigned long flags, unsigned long stack, void __user *parent_tid, unsigned long tls, void __user *child_tid)
{
	struct clone_args a = {
		.flags = flags & ~0xffUL,
		.exit_signal = (int)(flags & 0xff),
		.stack = stack,
		.parent_tid_ptr = (uaddr_t)parent_tid,
		.pidfd_ptr = (uaddr_t)parent_tid, /* CLONE_PIDFD takes its place: not both */
		.child_tid_ptr = (uaddr_t)child_tid,
		.tls = tls,
	};

	if (a.exit_signal > NSIG)
		return -EINVAL;
	return do_clone(&a);
}
