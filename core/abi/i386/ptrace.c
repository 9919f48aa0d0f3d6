/* SPDX-License-Identifier: MIT */
/*
 * Registers of i386 programs for ptrace(2): struct user_regs_struct has the words of struct hal_regs in their order; struct user begins with it.
 * The traced task sleeps. Segments and flags are checked as sigreturn(2) checks them: what a tracer writes is what the program could have itself.
 */
#include <hal/context.h>
#include <hal/regs_i386.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/ptrace.h>
#include <maestro/uaccess.h>

#include "fpu.h"
#include "tls.h"

enum { PTRACE_PEEKUSER = 3, PTRACE_POKEUSER = 6, PTRACE_GETREGS = 12, PTRACE_SETREGS, PTRACE_GETFPREGS, PTRACE_SETFPREGS, PTRACE_GETFPXREGS = 18,
       PTRACE_SETFPXREGS, PTRACE_GET_THREAD_AREA = 25, PTRACE_SET_THREAD_AREA, PTRACE_GETREGSET = 0x4204, PTRACE_SETREGSET = 0x4205, PTRACE_GET_SYSCALL_INFO = 0x420e };
#define USER_SIZE 284u	   /* struct user */
#define USER_DEBUG 252u	   /* its u_debugreg */
enum { NT_PRSTATUS = 1, NT_PRFPREG = 2, NT_386_TLS = 0x200, NT_X86_XSTATE = 0x202 };
#define NT_PRXFPREG 0x46e62b7fu
#define AUDIT_ARCH_I386 0x40000003u
#define FLAG_TF 0x100u
#define FLAGS_OWN 0x00050dd5u /* what a program can set: AC RF OF DF TF SF ZF AF PF CF */
#define WORDS (sizeof(struct hal_regs) / 4)
#define WORD(member) (offsetof(struct hal_regs, member) / 4)

struct info {
	u8 op, pad[3];
	u32 arch;
	u64 ip, sp;
	u64 word[7];  /* entry: number, arguments; exit: result, "is an error" */
	u32 ret_data; /* seccomp: after what entry has */
};
#define INFO_HEAD 24u
STATIC_ASSERT(offsetof(struct info, word) == INFO_HEAD);

void abi_ptrace_step(struct task *t, bool on)
{
	struct hal_regs *r = hal_user_regs(t);

	r->eflags = on ? r->eflags | FLAG_TF : r->eflags & ~FLAG_TF;
}

static kerr_t set_word(struct task *t, unsigned i, u32 value)
{
	u32 *words = (u32 *)(void *)hal_user_regs(t);

	switch (i) {
	case WORD(cs):
	case WORD(ss):
		if ((value & 3) != 3)
			return KERR(EIO);
		value &= 0xffff;
		break;
	case WORD(ds):
	case WORD(es):
	case WORD(fs):
	case WORD(gs):
		value &= 0xffff;
		if (value && (value & 3) != 3)
			return KERR(EIO);
		break;
	case WORD(eflags):
		value = (words[i] & ~FLAGS_OWN) | (value & FLAGS_OWN);
		break;
	default:
		break;
	}
	words[i] = value;
	return KERR(0);
}

static kerr_t set_regs(struct task *t, const void __user *from, size_t n)
{
	u32 words[WORDS];
	kerr_t err = copy_from_user(words, from, n);

	for (unsigned i = 0; i < n / 4 && !err; i++)
		err = set_word(t, i, words[i]);
	return err;
}

/* ---------------------------------------------------------------- debug registers */

#define DR6_RESERVED 0xffff0ff0u
#define DR7_RESERVED 0xfc00u
enum { DR_STATUS = 6, DR_CONTROL = 7 };
enum { DR_EXECUTE, DR_WRITE, DR_IO, DR_ACCESS };

/* Intel SDM vol. 3, 18.2.4, and what Linux takes: no I/O breakpoints, no 8 bytes, aligned, in user space. */
static kerr_t debug_check(unsigned long addr, unsigned control, unsigned i)
{
	unsigned type = control >> (16 + 4 * i) & 3, len = (control >> (18 + 4 * i) & 3) + 1;

	if (!(control >> (2 * i) & 3))
		return KERR(0);
	if (type == DR_IO || len == 3 || (type == DR_EXECUTE && len != 1) || (addr & (len - 1)) || addr >= HAL_USER_END)
		return KERR(EINVAL);
	return KERR(0);
}

static u32 debug_get(struct task *t, unsigned i)
{
	struct hal_debug d;

	hal_debug_get(t, &d);
	if (i < 4)
		return (u32)d.addr[i];
	return i == DR_STATUS ? (u32)d.status ^ DR6_RESERVED : i == DR_CONTROL ? (u32)d.control : 0;
}

static kerr_t debug_set(struct task *t, unsigned i, u32 value)
{
	struct hal_debug d;
	kerr_t err = KERR(0);

	hal_debug_get(t, &d);
	if (i < 4) {
		d.addr[i] = value;
		err = value >= HAL_USER_END ? KERR(EINVAL) : debug_check(value, (unsigned)d.control, i);
	} else if (i == DR_STATUS) {
		d.status = value ^ DR6_RESERVED;
	} else if (i == DR_CONTROL) {
		d.control = value & ~DR7_RESERVED;
		for (unsigned k = 0; k < 4 && !err; k++)
			err = debug_check(d.addr[k], (unsigned)d.control, k);
	} else {
		err = KERR(EIO);
	}
	if (!err)
		hal_debug_set(t, &d);
	return err;
}

/* ---------------------------------------------------------------- struct user */

static long user_area(struct task *t, bool write, unsigned long addr, unsigned long data)
{
	const u32 *words = (const u32 *)(const void *)hal_user_regs(t);
	u32 value = 0;

	if (addr & 3 || addr > USER_SIZE - 4)
		return -EIO;
	if (write) {
		if (addr >= USER_DEBUG)
			return kerr_code(debug_set(t, (unsigned)(addr - USER_DEBUG) / 4, (u32)data));
		return addr / 4 < WORDS ? kerr_code(set_word(t, (unsigned)addr / 4, (u32)data)) : -EIO;
	}
	if (addr >= USER_DEBUG)
		value = debug_get(t, (unsigned)(addr - USER_DEBUG) / 4);
	else if (addr / 4 < WORDS)
		value = words[addr / 4];
	return kerr_code(put_user(value, (u32 __user *)data));
}

/* ---------------------------------------------------------------- floating point, TLS */

static long fpu(struct task *t, bool write, void __user *p, size_t n)
{
	u8 image[HAL_FPU_SIZE] __aligned(16);

	hal_fpu_save(t, image);
	if (!write)
		return kerr_code(copy_to_user(p, image, n));
	if (copy_from_user(image, p, n))
		return -EFAULT;
	return kerr_code(hal_fpu_load(t, image));
}

static long x87(struct task *t, bool write, void __user *p, size_t n)
{
	struct fxsave fx __aligned(16);
	struct fsave f;

	hal_fpu_save(t, &fx);
	i386_fsave_from_fx(&f, &fx);
	if (!write)
		return kerr_code(copy_to_user(p, &f, n));
	if (copy_from_user(&f, p, n))
		return -EFAULT;
	i386_fx_from_fsave(&fx, &f);
	return kerr_code(hal_fpu_load(t, &fx));
}

static long tls(struct task *t, bool write, void __user *p, size_t n)
{
	struct user_desc d[TLS_ENTRIES];
	kerr_t err = KERR(0);

	for (unsigned i = 0; i < TLS_ENTRIES && !err; i++)
		err = i386_tls_get(t, TLS_ENTRY_FIRST + i, &d[i]);
	if (err)
		return kerr_code(err);
	if (!write)
		return kerr_code(copy_to_user(p, d, n));
	if (copy_from_user(d, p, n))
		return -EFAULT;
	for (unsigned i = 0; i < n / sizeof(d[0]) && !err; i++) {
		d[i].entry = TLS_ENTRY_FIRST + i;
		err = i386_tls_set(t, &d[i]);
	}
	return kerr_code(err);
}

static long thread_area(struct task *t, bool write, unsigned long entry, void __user *p)
{
	struct user_desc d;
	kerr_t err;

	if ((long)entry < 0)
		return -EIO;
	if (write) {
		err = copy_from_user(&d, p, sizeof(d));
		d.entry = (u32)entry;
		return kerr_code(err ? err : i386_tls_set(t, &d));
	}
	err = i386_tls_get(t, (unsigned)entry, &d);
	return kerr_code(err ? err : copy_to_user(p, &d, sizeof(d)));
}

/* ---------------------------------------------------------------- register sets */

static long general(struct task *t, bool write, void __user *p, size_t n)
{
	return kerr_code(write ? set_regs(t, p, n) : copy_to_user(p, hal_user_regs(t), n));
}

static const struct regset {
	unsigned type, unit, size;
	long (*move)(struct task *t, bool write, void __user *p, size_t n);
} regsets[] = {
	{ NT_PRSTATUS, 4, sizeof(struct hal_regs), general },
	{ NT_PRFPREG, 4, FSAVE_USER_SIZE, x87 },
	{ NT_PRXFPREG, 4, HAL_FPU_SIZE, fpu },
	{ NT_386_TLS, sizeof(struct user_desc), TLS_ENTRIES * sizeof(struct user_desc), tls },
	{ NT_X86_XSTATE, 8, 0, NULL }, /* the FPU state is FXSAVE's: there is no more */
};

static long regset(struct task *t, bool write, unsigned long type, struct iovec_k __user *uvec)
{
	const struct regset *r = regsets;
	struct iovec_k v;
	long ret;

	if (copy_in(&v, uvec))
		return -EFAULT;
	while (r->type != type)
		if (++r == regsets + ARRAY_SIZE(regsets))
			return -EINVAL;
	if (v.len % r->unit)
		return -EINVAL;
	if (!r->move)
		return -ENODEV;
	v.len = MIN(v.len, r->size);
	ret = r->move(t, write, v.base, v.len);
	return ret ? ret : kerr_code(copy_out(uvec, &v));
}

/* ---------------------------------------------------------------- the call it stopped for */

static unsigned stop_op(const struct task *t)
{
	switch (t->last_siginfo ? t->last_siginfo->code : 0) {
	case SIGTRAP | 0x80:
		return t->ptrace_message == PTRACE_MESSAGE_ENTRY ? PTRACE_OP_ENTRY : t->ptrace_message == PTRACE_MESSAGE_EXIT ? PTRACE_OP_EXIT : PTRACE_OP_NONE;
	case SIGTRAP | PTRACE_EVENT_SECCOMP << 8:
		return PTRACE_OP_SECCOMP;
	default:
		return PTRACE_OP_NONE;
	}
}

static long syscall_info(struct task *t, unsigned long size, void __user *to)
{
	const struct hal_regs *r = hal_user_regs(t);
	struct info i = { .op = (u8)stop_op(t), .arch = AUDIT_ARCH_I386, .ip = r->eip, .sp = r->esp };
	size_t real = INFO_HEAD;

	if (i.op == PTRACE_OP_ENTRY || i.op == PTRACE_OP_SECCOMP) {
		const u32 args[7] = { r->orig_eax, r->ebx, r->ecx, r->edx, r->esi, r->edi, r->ebp };

		for (unsigned k = 0; k < 7; k++)
			i.word[k] = args[k];
		real += sizeof(i.word);
		if (i.op == PTRACE_OP_SECCOMP) {
			i.ret_data = (u32)t->ptrace_message;
			real += sizeof(i.ret_data);
		}
	} else if (i.op == PTRACE_OP_EXIT) {
		i.word[0] = (u64)(s64)(s32)r->eax;
		i.word[1] = r->eax >= (u32)-4095;
		real += 9;
	}
	return copy_to_user(to, &i, MIN(size, real)) ? -EFAULT : (long)real;
}

long abi_ptrace(struct task *t, long request, unsigned long addr, unsigned long data)
{
	void __user *p = (void __user *)data;

	switch (request) {
	case PTRACE_PEEKUSER:
	case PTRACE_POKEUSER:
		return user_area(t, request == PTRACE_POKEUSER, addr, data);
	case PTRACE_GETREGS:
	case PTRACE_SETREGS:
		return general(t, request == PTRACE_SETREGS, p, sizeof(struct hal_regs));
	case PTRACE_GETFPREGS:
	case PTRACE_SETFPREGS:
		return x87(t, request == PTRACE_SETFPREGS, p, FSAVE_USER_SIZE);
	case PTRACE_GETFPXREGS:
	case PTRACE_SETFPXREGS:
		return fpu(t, request == PTRACE_SETFPXREGS, p, HAL_FPU_SIZE) ? -EIO : 0;
	case PTRACE_GET_THREAD_AREA:
	case PTRACE_SET_THREAD_AREA:
		return thread_area(t, request == PTRACE_SET_THREAD_AREA, addr, p);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return regset(t, request == PTRACE_SETREGSET, addr, p);
	case PTRACE_GET_SYSCALL_INFO:
		return syscall_info(t, addr, p);
	default:
		return -EIO;
	}
}
