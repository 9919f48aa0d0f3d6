/* SPDX-License-Identifier: MIT */
/*
 * Restartable sequences, rseq(2): a thread registers a structure in its memory where it reads which CPU it is on, and names critical sections there.
 * A section that is disturbed, because the thread lost the CPU or a signal handler is to run, does not go on: the thread continues at the section's
 * abort address.
 *
 *   switch to the thread (set_current): rseq_event, WORK_NOTIFY -> on its way to user mode: rseq_resume; before a signal's frame: rseq_signal
 *
 * The event is set under the run queue's lock while the thread does not run, and else belongs to the thread: no lock of its own.
 * Layouts are the program's: struct rseq and struct rseq_cs of rseq(2), the same in all ABIs.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/uaccess.h>

#define RSEQ_FLAG_UNREGISTER 1
#define RSEQ_CPU_ID_UNINITIALIZED 0xffffffffu
#define RSEQ_SIZE 32u

struct rseq {
	u32 cpu_id_start, cpu_id;
	u64 rseq_cs;
	u32 flags;
	u8 pad[12];
};
STATIC_ASSERT(sizeof(struct rseq) == RSEQ_SIZE);
struct rseq_cs {
	u32 version, flags;
	u64 start_ip, post_commit_offset, abort_ip;
};
STATIC_ASSERT(sizeof(struct rseq_cs) == 32);

static struct rseq __user *area(const struct task *t)
{
	return (struct rseq __user *)(uaddr_t)t->rseq_ptr;
}

/* *cs: the section that the program says it is in; its size 0: none. */
static kerr_t read_section(const struct task *t, struct rseq_cs *cs)
{
	u32 sig;
	u64 at;

	memset(cs, 0, sizeof(*cs));
	if (copy_in(&at, &area(t)->rseq_cs))
		return KERR(EFAULT);
	if (likely(!at))
		return KERR(0);
	if (at >= HAL_USER_END)
		return KERR(EINVAL);
	if (copy_in(cs, (const struct rseq_cs __user *)(uaddr_t)at))
		return KERR(EFAULT);
	if (cs->start_ip >= HAL_USER_END || cs->start_ip + cs->post_commit_offset >= HAL_USER_END || cs->abort_ip >= HAL_USER_END || cs->version ||
	    cs->start_ip + cs->post_commit_offset < cs->start_ip || cs->abort_ip - cs->start_ip < cs->post_commit_offset)
		return KERR(EINVAL);
	/* The word before the abort address proves that it is meant to be jumped to. */
	if (copy_in(&sig, (const u32 __user *)(uaddr_t)(cs->abort_ip - sizeof(sig))))
		return KERR(EFAULT);
	return sig == t->rseq_sig ? KERR(0) : KERR(EINVAL);
}

static kerr_t leave_section(struct task *t, struct hal_regs *regs)
{
	bool event = t->rseq_event;
	struct rseq_cs cs;
	u32 flags;
	kerr_t err;

	t->rseq_event = false;
	err = read_section(t, &cs);
	if (err || !cs.post_commit_offset)
		return err;
	if (abi_user_ip(regs) - cs.start_ip >= cs.post_commit_offset)
		return put_user((u64)0, &area(t)->rseq_cs);
	if (cs.flags) /* asked once not to be restarted; such sections are errors now */
		return KERR(EINVAL);
	err = copy_in(&flags, &area(t)->flags);
	if (!err && flags)
		err = KERR(EINVAL);
	if (err || !event)
		return err;
	err = put_user((u64)0, &area(t)->rseq_cs);
	if (!err)
		abi_set_user_ip(regs, (uaddr_t)cs.abort_ip);
	return err;
}

static kerr_t tell_cpu(struct task *t)
{
	u32 cpu = t->se.cpu, ids[2] = { cpu, cpu };

	return copy_to_user(&area(t)->cpu_id_start, ids, sizeof(ids));
}

void rseq_resume(struct hal_regs *regs)
{
	struct task *t = hal_current();

	if (leave_section(t, regs) || tell_cpu(t))
		signal_force(t, SIGSEGV, SIGINFO_KERNEL);
}

bool rseq_signal(struct hal_regs *regs)
{
	struct task *t = hal_current();

	t->rseq_event = true;
	return !leave_section(t, regs) && !tell_cpu(t);
}

long sys_rseq(void __user *rseq, u32 size, int flags, u32 sig)
{
	struct task *t = hal_current();
	const u32 none[2] = { 0, RSEQ_CPU_ID_UNINITIALIZED };
	struct rseq __user *at = rseq;
	u64 section;

	if (t->flags & TASK_HOSTED_CALLER)
		return -ENOSYS; /* its sections run outside of this kernel */
	if (flags & RSEQ_FLAG_UNREGISTER) {
		if (flags != RSEQ_FLAG_UNREGISTER || !t->rseq_ptr || t->rseq_ptr != (uaddr_t)rseq || size != RSEQ_SIZE)
			return -EINVAL;
		if (t->rseq_sig != sig)
			return -EPERM;
		if (copy_to_user(&area(t)->cpu_id_start, none, sizeof(none)))
			return -EFAULT;
		t->rseq_ptr = 0;
		return 0;
	}
	if (flags)
		return -EINVAL;
	if (t->rseq_ptr) {
		if (t->rseq_ptr != (uaddr_t)rseq || size != RSEQ_SIZE)
			return -EINVAL;
		return t->rseq_sig != sig ? -EPERM : -EBUSY;
	}
	if (!IS_ALIGNED((uaddr_t)rseq, RSEQ_SIZE) || size != RSEQ_SIZE)
		return -EINVAL;
	if ((uaddr_t)rseq >= HAL_USER_END)
		return -EFAULT;
	/* A section left over from another use of the memory would be taken for one that runs. */
	if (copy_in(&section, &at->rseq_cs) || (section && put_user((u64)0, &at->rseq_cs)))
		return -EFAULT;
	t->rseq_ptr = (uaddr_t)rseq;
	t->rseq_sig = sig;
	t->rseq_event = false;
	(void)atomic_or(&t->work, WORK_NOTIFY);
	return 0;
}
