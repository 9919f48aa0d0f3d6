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

enum { PTRACE_PEEKUSER = 3, PTRACE_POKEUSER = 6, PTRACE_GETREGS = 12, PTRACE_SETREGS = 13, PTRACE_GETFPXREGS = 18, PTRACE_SETFPXREGS = 19,
       PTRACE_GETREGSET = 0x4204, PTRACE_SETREGSET = 0x4205, PTRACE_GET_SYSCALL_INFO = 0x420e };
#define USER_SIZE 284u	   /* struct user */
#define NT_PRSTATUS 1u
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
	u64 word[7]; /* entry: number, arguments; exit: result, "is an error" */
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

static long user_area(struct task *t, bool write, unsigned long addr, unsigned long data)
{
	const u32 *words = (const u32 *)(const void *)hal_user_regs(t);

	if (addr & 3 || addr > USER_SIZE - 4)
		return -EIO;
	if (write) /* no debug registers for programs */
		return addr / 4 < WORDS ? kerr_code(set_word(t, (unsigned)addr / 4, (u32)data)) : -EIO;
	return kerr_code(put_user(addr / 4 < WORDS ? words[addr / 4] : 0, (u32 __user *)data));
}

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

static long regset(struct task *t, bool write, unsigned long type, struct iovec_k __user *uvec)
{
	struct iovec_k v;
	size_t size = type == NT_PRSTATUS ? sizeof(struct hal_regs) : HAL_FPU_SIZE;
	long ret;

	if (type != NT_PRSTATUS && type != NT_PRXFPREG)
		return -EINVAL;
	if (copy_in(&v, uvec))
		return -EFAULT;
	if (v.len & 3)
		return -EINVAL;
	v.len = MIN(v.len, size);
	if (type == NT_PRXFPREG)
		ret = fpu(t, write, v.base, v.len);
	else
		ret = kerr_code(write ? set_regs(t, v.base, v.len) : copy_to_user(v.base, hal_user_regs(t), v.len));
	return ret ? ret : kerr_code(copy_out(uvec, &v));
}

static long syscall_info(struct task *t, unsigned long size, void __user *to)
{
	const struct hal_regs *r = hal_user_regs(t);
	struct info i = { .op = (u8)t->ptrace_op, .arch = AUDIT_ARCH_I386, .ip = r->eip, .sp = r->esp };
	size_t real = INFO_HEAD;

	if (t->ptrace_op == PTRACE_OP_ENTRY) {
		const u32 args[7] = { r->orig_eax, r->ebx, r->ecx, r->edx, r->esi, r->edi, r->ebp };

		for (unsigned k = 0; k < 7; k++)
			i.word[k] = args[k];
		real += sizeof(i.word);
	} else if (t->ptrace_op == PTRACE_OP_EXIT) {
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
		return kerr_code(copy_to_user(p, hal_user_regs(t), sizeof(struct hal_regs)));
	case PTRACE_SETREGS:
		return kerr_code(set_regs(t, p, sizeof(struct hal_regs)));
	case PTRACE_GETFPXREGS:
	case PTRACE_SETFPXREGS:
		return fpu(t, request == PTRACE_SETFPXREGS, p, HAL_FPU_SIZE);
	case PTRACE_GETREGSET:
	case PTRACE_SETREGSET:
		return regset(t, request == PTRACE_SETREGSET, addr, p);
	case PTRACE_GET_SYSCALL_INFO:
		return syscall_info(t, addr, p);
	default:
		return -EIO;
	}
}
