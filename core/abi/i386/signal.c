/* SPDX-License-Identifier: MIT */
/*
 * Signal frames of i386: what lies on a program's stack while its handler runs, and the way back, sigreturn(2).
 *
 * The layout is an ABI: unwinders, debuggers and programs that look into ucontext_t read it. From the stack pointer of the handler up:
 *   without SA_SIGINFO   return address, signal, sigcontext, room for an old FPU image, upper half of the mask, trampoline code
 *   with SA_SIGINFO      return address, signal, &info, &ucontext, siginfo, ucontext, trampoline code
 * then the FPU state: 112 bytes as FSAVE writes them, and, 64-byte aligned, the 512 of FXSAVE (Intel SDM vol. 1, 10.5).
 * The trampoline on the stack is there for unwinders that look for its bytes; the return address leads into the vDSO.
 *
 * What comes back is the program's to forge: segments and flags are checked so that it gains nothing, and a bad FXSAVE image is refused by the HAL.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/signal.h>
#include <hal/context.h>
#include <hal/regs_i386.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>

#include "fpu.h"

#define USER_CS 0x73u
#define USER_DS 0x7bu
#define TLS_FIRST 0x33u
#define TLS_LAST 0x43u
#define FLAGS_RESTORED 0x00050dd5u /* AC RF OF DF TF SF ZF AF PF CF */
#define FLAGS_CLEARED 0x00010500u  /* RF DF TF: off when a handler starts */
#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM 0x80000000u
#define NR_RESTART_SYSCALL 0u

#define SW_RESERVED 464 /* in the image: what Linux uses to announce more than FXSAVE state; zero here */

struct sigcontext {
	u16 gs, gsh, fs, fsh, es, esh, ds, dsh;
	u32 edi, esi, ebp, esp, ebx, edx, ecx, eax, trapno, err, eip;
	u16 cs, csh;
	u32 eflags, esp_at_signal;
	u16 ss, ssh;
	u32 fpstate, oldmask, cr2;
};
_Static_assert(sizeof(struct sigcontext) == 88, "frame layout");
struct ucontext {
	u32 flags, link;
	struct abi_stack stack;
	struct sigcontext mc;
	u64 sigmask;
};
_Static_assert(sizeof(struct ucontext) == 116, "frame layout");

struct frame {
	u32 pretcode, sig;
	struct sigcontext sc;
	u8 fpstate_unused[112 + 512];
	u32 extramask;
	u8 retcode[8];
};
_Static_assert(offsetof(struct frame, extramask) == 720, "frame layout");
struct rt_frame {
	u32 pretcode, sig, pinfo, puc;
	struct abi_siginfo info;
	struct ucontext uc;
	u8 retcode[8];
};
_Static_assert(offsetof(struct rt_frame, uc) == 144, "frame layout");

static const u8 trampoline[8] = { 0x58, 0xb8, 119, 0, 0, 0, 0xcd, 0x80 };    /* pop %eax; mov $sigreturn,%eax; int $0x80 */
static const u8 rt_trampoline[8] = { 0xb8, 173, 0, 0, 0, 0xcd, 0x80, 0 }; /* mov $rt_sigreturn,%eax; int $0x80 */

/* ---------------------------------------------------------------- FPU */

static kerr_t fpu_to_user(u32 at)
{
	struct {
		struct fsave f;
		struct fxsave fx __aligned(16);
	} img;

	_Static_assert(sizeof(img) == sizeof(struct fsave) + HAL_FPU_SIZE, "as on the stack of the program: one behind the other");
	hal_fpu_save(hal_current(), &img.fx);
	memset((u8 *)&img.fx + SW_RESERVED, 0, HAL_FPU_SIZE - SW_RESERVED);
	i386_fsave_from_fx(&img.f, &img.fx);
	return copy_to_user((void __user *)(uaddr_t)at, &img, sizeof(img));
}

static kerr_t fpu_from_user(u32 at)
{
	struct {
		struct fsave f;
		struct fxsave fx __aligned(16);
	} img;
	kerr_t err;

	if (!at) {
		hal_fpu_reset(hal_current());
		return KERR(0);
	}
	err = copy_from_user(&img.f, (const void __user *)(uaddr_t)at, sizeof(img.f));
	if (err)
		return err;
	if (img.f.magic) /* x87 only: SSE state stays as it is */
		hal_fpu_save(hal_current(), &img.fx);
	else
		err = copy_from_user(&img.fx, (const void __user *)(uaddr_t)(at + sizeof(img.f)), sizeof(img.fx));
	if (err)
		return err;
	i386_fx_from_fsave(&img.fx, &img.f);
	return hal_fpu_load(hal_current(), &img.fx);
}

/* ---------------------------------------------------------------- building */

static void save_context(struct sigcontext *sc, const struct hal_regs *r, u32 fpstate, sigset_t mask)
{
	const struct task *t = hal_current();

	memset(sc, 0, sizeof(*sc));
	sc->gs = (u16)r->gs;
	sc->fs = (u16)r->fs;
	sc->es = (u16)r->es;
	sc->ds = (u16)r->ds;
	sc->edi = r->edi;
	sc->esi = r->esi;
	sc->ebp = r->ebp;
	sc->esp = r->esp;
	sc->ebx = r->ebx;
	sc->edx = r->edx;
	sc->ecx = r->ecx;
	sc->eax = r->eax;
	sc->trapno = t->trap_no;
	sc->err = t->trap_error;
	sc->eip = r->eip;
	sc->cs = (u16)r->cs;
	sc->eflags = r->eflags;
	sc->esp_at_signal = r->esp;
	sc->ss = (u16)r->ss;
	sc->fpstate = fpstate;
	sc->oldmask = (u32)mask;
	sc->cr2 = (u32)t->trap_addr;
}

static bool on_altstack(const struct task *t, u32 sp)
{
	const struct sig_altstack *a = &t->altstack;

	return !((u32)a->flags & SS_AUTODISARM) && a->size && sp > a->sp && sp - a->sp <= a->size;
}

/* Where the frame begins; *fpstate is above it. 0: it would run over the end of the alternate stack. */
static u32 place(const struct hal_regs *r, const struct sigaction_k *sa, size_t size, u32 *fpstate)
{
	const struct task *t = hal_current();
	bool nested = on_altstack(t, r->esp);
	u32 sp = r->esp;

	if ((sa->flags & SA_ONSTACK) && t->altstack.size && !nested)
		sp = (u32)(t->altstack.sp + t->altstack.size);
	sp = ALIGN_DOWN(sp - HAL_FPU_SIZE, 64u) - (u32)sizeof(struct fsave);
	*fpstate = sp;
	sp -= (u32)size;
	sp = ALIGN_DOWN(sp + 4, 16u) - 4;
	if (nested && !on_altstack(t, sp))
		return 0;
	return sp;
}

static u32 return_address(const struct sigaction_k *sa, bool rt, u32 retcode)
{
	uaddr_t vdso;

	if (sa->flags & SA_RESTORER)
		return (u32)sa->restorer;
	vdso = hal_current()->mm->vdso ? abi_vdso_sigreturn(hal_current()->mm, rt) : 0;
	return vdso ? (u32)vdso : retcode;
}

static void enter_handler(struct hal_regs *r, const struct sigaction_k *sa, u32 sp, u32 eax, u32 edx, u32 ecx)
{
	r->esp = sp;
	r->eip = (u32)sa->handler;
	r->eax = eax;
	r->edx = edx;
	r->ecx = ecx;
	r->ds = r->es = r->ss = USER_DS;
	r->cs = USER_CS;
	r->eflags &= ~FLAGS_CLEARED;
}

static bool build_old(struct hal_regs *r, int sig, const struct sigaction_k *sa, sigset_t mask)
{
	u32 fp, sp = place(r, sa, sizeof(struct frame), &fp);
	struct frame __user *at = (struct frame __user *)(uaddr_t)sp;
	struct {
		u32 pretcode, sig;
		struct sigcontext sc;
	} head;
	struct {
		u32 extramask;
		u8 retcode[8];
	} tail;

	if (!sp || fpu_to_user(fp))
		return false;
	head.pretcode = return_address(sa, false, sp + offsetof(struct frame, retcode));
	head.sig = (u32)sig;
	save_context(&head.sc, r, fp, mask);
	tail.extramask = (u32)(mask >> 32);
	memcpy(tail.retcode, trampoline, sizeof(trampoline));
	if (copy_to_user(at, &head, sizeof(head)) || copy_to_user(&at->extramask, &tail, sizeof(tail)))
		return false;
	enter_handler(r, sa, sp, (u32)sig, 0, 0);
	return true;
}

static bool build_rt(struct hal_regs *r, int sig, const struct siginfo *info, const struct sigaction_k *sa, sigset_t mask)
{
	const struct task *t = hal_current();
	u32 fp, sp = place(r, sa, sizeof(struct rt_frame), &fp);
	struct rt_frame __user *at = (struct rt_frame __user *)(uaddr_t)sp;
	u32 uinfo = sp + offsetof(struct rt_frame, info), uuc = sp + offsetof(struct rt_frame, uc);
	u32 head[4] = { return_address(sa, true, sp + offsetof(struct rt_frame, retcode)), (u32)sig, uinfo, uuc };
	struct {
		struct ucontext uc;
		u8 retcode[8];
	} tail;

	if (!sp || fpu_to_user(fp))
		return false;
	memset(&tail, 0, sizeof(tail));
	tail.uc.stack.sp = (u32)t->altstack.sp;
	tail.uc.stack.size = (u32)t->altstack.size;
	tail.uc.stack.flags = (t->altstack.size ? (on_altstack(t, r->esp) ? SS_ONSTACK : 0) : SS_DISABLE) | (s32)((u32)t->altstack.flags & SS_AUTODISARM);
	save_context(&tail.uc.mc, r, fp, mask);
	tail.uc.sigmask = mask;
	memcpy(tail.retcode, rt_trampoline, sizeof(rt_trampoline));
	if (copy_to_user(at, head, sizeof(head)) || siginfo_to_user(&at->info, info) || copy_to_user(&at->uc, &tail, sizeof(tail)))
		return false;
	enter_handler(r, sa, sp, (u32)sig, uinfo, uuc);
	return true;
}

bool abi_signal_frame(struct hal_regs *regs, int sig, const struct siginfo *info, const struct sigaction_k *sa, sigset_t oldmask)
{
	return sa->flags & SA_SIGINFO ? build_rt(regs, sig, info, sa, oldmask) : build_old(regs, sig, sa, oldmask);
}

/* ---------------------------------------------------------------- going back */

/* A data segment a program can have in ds, es, fs, gs. Others become the null selector. */
static u32 data_selector(u16 sel)
{
	if (sel == USER_DS || sel == USER_CS)
		return sel;
	if (sel >= TLS_FIRST && sel <= TLS_LAST && (sel & 7) == 3) {
		struct hal_tls tls;

		hal_tls_get(hal_current(), (sel - TLS_FIRST) >> 3, &tls);
		if (tls.base || tls.limit || tls.flags)
			return sel;
	}
	return 0;
}

static kerr_t restore_context(struct hal_regs *r, const struct sigcontext *sc)
{
	hal_current()->restart.fn = NULL;
	if ((sc->cs | 3) != USER_CS || (sc->ss | 3) != USER_DS)
		return KERR(EFAULT); /* there are no other code and stack segments */
	r->gs = data_selector(sc->gs);
	r->fs = data_selector(sc->fs);
	r->es = data_selector(sc->es);
	r->ds = data_selector(sc->ds);
	r->edi = sc->edi;
	r->esi = sc->esi;
	r->ebp = sc->ebp;
	r->esp = sc->esp;
	r->ebx = sc->ebx;
	r->edx = sc->edx;
	r->ecx = sc->ecx;
	r->eax = sc->eax;
	r->eip = sc->eip;
	r->cs = USER_CS;
	r->ss = USER_DS;
	r->eflags = (r->eflags & ~FLAGS_RESTORED) | (sc->eflags & FLAGS_RESTORED);
	r->orig_eax = U32_MAX; /* not in a system call any more: nothing to restart */
	return fpu_from_user(sc->fpstate);
}

static long bad_frame(void)
{
	signal_force(hal_current(), SIGSEGV, SIGINFO_KERNEL);
	return 0;
}

long sys_sigreturn(void)
{
	struct hal_regs *r = hal_user_regs(hal_current());
	const struct frame __user *at = (const struct frame __user *)(uaddr_t)(r->esp - 8);
	struct sigcontext sc;
	u32 extramask;

	if (copy_from_user(&sc, &at->sc, sizeof(sc)) || copy_from_user(&extramask, &at->extramask, sizeof(extramask)))
		return bad_frame();
	signal_set_blocked((u64)extramask << 32 | sc.oldmask);
	if (restore_context(r, &sc))
		return bad_frame();
	return (long)r->eax;
}

long sys_rt_sigreturn(void)
{
	struct task *t = hal_current();
	struct hal_regs *r = hal_user_regs(t);
	const struct rt_frame __user *at = (const struct rt_frame __user *)(uaddr_t)(r->esp - 4);
	struct ucontext uc;

	if (copy_from_user(&uc, &at->uc, sizeof(uc)))
		return bad_frame();
	signal_set_blocked(uc.sigmask);
	if (restore_context(r, &uc.mc))
		return bad_frame();
	/* The stack as it was; a frame that says otherwise, nonsense included, is ignored as by Linux. */
	if (!on_altstack(t, r->esp)) {
		u32 mode = (u32)uc.stack.flags & ~(SS_AUTODISARM | SS_ONSTACK);

		if (mode == SS_DISABLE) {
			t->altstack.sp = t->altstack.size = 0;
			t->altstack.flags = uc.stack.flags;
		} else if (!mode && uc.stack.size >= ABI_MINSIGSTKSZ) {
			t->altstack.sp = uc.stack.sp;
			t->altstack.size = uc.stack.size;
			t->altstack.flags = uc.stack.flags;
		}
	}
	return (long)r->eax;
}

/* ---------------------------------------------------------------- restarting */

void abi_syscall_restart(struct hal_regs *r, bool has_handler, bool sa_restart)
{
	bool again;

	if (!abi_in_syscall(r))
		return;
	switch (-(s32)r->eax) {
	case ERESTART_RESTARTBLOCK:
		if (!has_handler)
			r->orig_eax = NR_RESTART_SYSCALL;
		again = !has_handler;
		break;
	case ERESTARTNOHAND:
		again = !has_handler;
		break;
	case ERESTARTSYS:
		again = !has_handler || sa_restart;
		break;
	case ERESTARTNOINTR:
		again = true;
		break;
	default:
		return;
	}
	if (!again) {
		r->eax = (u32)-EINTR;
		return;
	}
	r->eax = r->orig_eax;
	r->eip -= 2; /* int $0x80, which the vDSO's sysenter also returns behind */
	r->orig_eax = U32_MAX;
}
