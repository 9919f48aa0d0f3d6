/* SPDX-License-Identifier: MIT */
/*
 * seccomp(2): strict mode, and filters. A thread's filters are a chain that grows only at its newest end; threads and children share the older part. All
 * are run at each call, and the strictest answer holds. Notifications to a supervisor are not there: SECCOMP_RET_USER_NOTIF fails with ENOSYS, as
 * without a listener, and nobody can become one.
 *
 * Locking: task.seccomp_mode and the head of the chain are changed under sighand.lock, by their thread or by SECCOMP_FILTER_FLAG_TSYNC of a sibling;
 * the thread itself reads them without. A filter is constant.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/exec.h>
#include <hal/context.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/ptrace.h>
#include <maestro/seccomp.h>
#include <maestro/uaccess.h>

#include "proc_priv.h"
#include <maestro/seccomp_bpf.h>

enum { SET_MODE_STRICT, SET_MODE_FILTER, GET_ACTION_AVAIL, GET_NOTIF_SIZES };
enum { FLAG_TSYNC = 1, FLAG_LOG = 2, FLAG_SPEC_ALLOW = 4, FLAG_NEW_LISTENER = 8, FLAG_TSYNC_ESRCH = 16, FLAG_WAIT_KILLABLE = 32, FLAG_ALL = 63 };
#define RET_KILL_PROCESS 0x80000000u
#define RET_KILL_THREAD 0u
#define RET_TRAP 0x00030000u
#define RET_ERRNO 0x00050000u
#define RET_USER_NOTIF 0x7fc00000u
#define RET_TRACE 0x7ff00000u
#define RET_LOG 0x7ffc0000u
#define RET_ALLOW 0x7fff0000u
#define RET_ACTION 0xffff0000u
#define RET_DATA 0x0000ffffu
#define ERRNO_MAX 4095u
#define CHAIN_MAX 32768u /* instructions of a chain, with 4 for each filter */
#define SYS_SECCOMP 1

struct seccomp_filter {
	struct atomic refs;
	struct seccomp_filter *older; /* a reference */
	bool log;
	unsigned count;
	struct bpf_insn insn[];
};
struct program { /* struct sock_fprog */
	u16 count;
	const struct bpf_insn __user *insn;
};

static void filter_put(struct seccomp_filter *f)
{
	while (f && atomic_dec_and_test(&f->refs)) {
		struct seccomp_filter *older = f->older;

		kfree(f);
		f = older;
	}
}

unsigned seccomp_filters(const struct task *t)
{
	unsigned n = 0;

	for (const struct seccomp_filter *f = t->seccomp_filter; f; f = f->older)
		n++;
	return n;
}

void seccomp_inherit(struct task *t, struct task *me)
{
	t->no_new_privs = me->no_new_privs;
	t->seccomp_mode = me->seccomp_mode;
	t->seccomp_filter = me->seccomp_filter;
	if (t->seccomp_filter)
		atomic_inc(&t->seccomp_filter->refs);
	if (t->seccomp_mode)
		t->flags |= TASK_SECCOMP;
}

void seccomp_release(struct task *t)
{
	filter_put(t->seccomp_filter);
	t->seccomp_filter = NULL;
}

/* ---------------------------------------------------------------- at a call */

static void __cold report(const struct seccomp_data *d, int sig)
{
	klog(LOG_NOTICE, "seccomp: %s (%d): system call %d, signal %d", hal_current()->comm, hal_current()->proc->pid, d->nr, sig);
}

static bool __cold strict_enter(const struct seccomp_data *d)
{
	static const int allowed[] = ABI_SECCOMP_STRICT;

	for (unsigned i = 0; i < ARRAY_SIZE(allowed); i++)
		if (d->nr == allowed[i])
			return true;
	hal_current()->seccomp_mode = SECCOMP_DEAD;
	report(d, SIGKILL);
	do_exit(SIGKILL);
}

/* The strictest answer of all; *from: who gave it. */
static u32 ask(const struct seccomp_data *d, const struct seccomp_filter **from)
{
	u32 answer = RET_ALLOW;

	*from = NULL;
	for (const struct seccomp_filter *f = hal_current()->seccomp_filter; f; f = f->older) {
		u32 one = seccomp_bpf_run(f->insn, d);

		if ((s32)(one & RET_ACTION) < (s32)(answer & RET_ACTION)) {
			answer = one;
			*from = f;
		}
	}
	return answer;
}

static void sigsys(const struct seccomp_data *d, u32 data, bool fatal)
{
	struct siginfo info;

	memset(&info, 0, sizeof(info));
	info.signo = SIGSYS;
	info.code = SYS_SECCOMP;
	info.err = (int)data;
	info.sys.call_addr = d->ip;
	info.sys.syscall = d->nr;
	info.sys.arch = d->arch;
	if (fatal) {
		unsigned long flags;
		struct sighand *s = sighand_lock(hal_current(), &flags);

		s->action[SIGSYS - 1].handler = SIG_DFL;
		sighand_unlock(s, flags);
	}
	signal_force(hal_current(), SIGSYS, &info);
}

static bool __cold kill_for(struct hal_regs *regs, const struct seccomp_data *d, u32 action, u32 data)
{
	struct task *t = hal_current();

	t->seccomp_mode = SECCOMP_DEAD;
	report(d, SIGSYS);
	if (action == RET_KILL_THREAD && t->proc->nthreads > 1)
		do_exit(SIGSYS);
	abi_syscall_rollback(regs);
	sigsys(d, data, true);
	return false;
}

/* True: ask the filters about the call that it is now. */
static bool ask_tracer(struct hal_regs *regs, u32 data)
{
	struct task *t = hal_current();

	if (!t->ptracer || !(t->ptrace_options & (1u << PTRACE_EVENT_SECCOMP))) {
		abi_set_syscall_result(regs, -ENOSYS);
		return false;
	}
	ptrace_event(PTRACE_EVENT_SECCOMP, data);
	return !sig_is_fatal_pending(t);
}

static bool filter_enter(struct hal_regs *regs, struct seccomp_data *d, bool asked)
{
	const struct seccomp_filter *from;
	u32 answer = ask(d, &from), action = answer & RET_ACTION, data = answer & RET_DATA;

	switch (action) {
	case RET_ALLOW:
		return true;
	case RET_LOG:
		report(d, 0);
		return true;
	case RET_ERRNO:
		abi_set_syscall_result(regs, -(long)MIN(data, ERRNO_MAX));
		if (from->log)
			report(d, 0);
		return false;
	case RET_TRAP:
		abi_syscall_rollback(regs);
		sigsys(d, data, false);
		return false;
	case RET_TRACE:
		if (asked)
			return true;
		if (!ask_tracer(regs, data))
			return false;
		abi_seccomp_data(regs, d);
		return d->nr >= 0 && filter_enter(regs, d, true);
	case RET_USER_NOTIF:
		abi_set_syscall_result(regs, -ENOSYS);
		return false;
	default:
		return kill_for(regs, d, action, data);
	}
}

bool seccomp_enter(struct hal_regs *regs)
{
	struct seccomp_data d;

	abi_seccomp_data(regs, &d);
	switch (hal_current()->seccomp_mode) {
	case SECCOMP_STRICT:
		return strict_enter(&d);
	case SECCOMP_FILTER:
		return filter_enter(regs, &d, false);
	default:
		return hal_current()->seccomp_mode == SECCOMP_DISABLED;
	}
}

/* ---------------------------------------------------------------- giving up calls */

static bool may_become(const struct task *t, u8 mode)
{
	return !t->seccomp_mode || t->seccomp_mode == mode;
}

static void set_mode(struct task *t, u8 mode)
{
	t->seccomp_mode = mode;
	t->flags |= TASK_SECCOMP;
}

static long become_strict(void)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s;
	long ret = -EINVAL;

	if (!hal_user_regs(t))
		return -ENOSYS; /* a host's thread: its calls do not come by here */
	s = sighand_lock(t, &flags);
	if (may_become(t, SECCOMP_STRICT)) {
		set_mode(t, SECCOMP_STRICT);
		ret = 0;
	}
	sighand_unlock(s, flags);
	return ret;
}

static kerr_t program_from_user(struct program *p, const void __user *from)
{
	struct {
		u16 count;
		unsigned long insn;
	} user;

	if (copy_from_user(&user, from, sizeof(user)))
		return KERR(EFAULT);
	if (!user.count || user.count > BPF_INSNS_MAX)
		return KERR(EINVAL);
	*p = (struct program){ user.count, (const struct bpf_insn __user *)user.insn };
	return KERR(0);
}

static kerr_t filter_make(const void __user *from, bool log, struct seccomp_filter **out)
{
	struct seccomp_filter *f;
	struct program p;
	kerr_t err = program_from_user(&p, from);

	if (err)
		return err;
	if (!hal_current()->no_new_privs && !capable(CAP_SYS_ADMIN))
		return KERR(EACCES);
	f = kzalloc(sizeof(*f) + p.count * sizeof(f->insn[0]), GFP_KERNEL);
	if (!f)
		return KERR(ENOMEM);
	atomic_set(&f->refs, 1);
	f->log = log;
	f->count = p.count;
	err = copy_from_user(f->insn, p.insn, p.count * sizeof(f->insn[0]));
	if (!err)
		err = seccomp_bpf_check(f->insn, f->count);
	if (err)
		kfree(f);
	else
		*out = f;
	return err;
}

static bool chain_has(const struct seccomp_filter *chain, const struct seccomp_filter *f)
{
	if (!f)
		return true;
	while (chain && chain != f)
		chain = chain->older;
	return chain;
}

/* A sibling that has gone another way, and cannot follow: its tid. 0: none. sighand.lock held */
static pid_t who_cannot_follow(struct task *t)
{
	struct task *o;

	list_for_each(o, &t->proc->threads, thread_node) {
		if (o == t || (o->flags & TASK_EXITING) || !o->seccomp_mode)
			continue;
		if (o->seccomp_mode != SECCOMP_FILTER || !chain_has(t->seccomp_filter, o->seccomp_filter))
			return o->tid;
	}
	return 0;
}

/* Their former filters go on `old`, through refs that are dropped later: one each. sighand.lock held */
static void bring_others(struct task *t)
{
	struct task *o;

	list_for_each(o, &t->proc->threads, thread_node) {
		struct seccomp_filter *was = o->seccomp_filter;

		if (o == t || (o->flags & TASK_EXITING))
			continue;
		atomic_inc(&t->seccomp_filter->refs);
		o->seccomp_filter = t->seccomp_filter;
		if (was)
			atomic_dec(&was->refs); /* not the last: it is in our chain */
		set_mode(o, SECCOMP_FILTER);
		if (t->no_new_privs) /* or it could gain some, and keep our filter */
			store_relaxed(&o->no_new_privs, true);
	}
}

static unsigned chain_length(const struct seccomp_filter *f)
{
	unsigned n = 0;

	for (; f; f = f->older)
		n += f->count + 4;
	return n;
}

static long attach(struct seccomp_filter *f, unsigned long how)
{
	struct task *t = hal_current();
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	long ret = 0;
	pid_t who;

	if (!may_become(t, SECCOMP_FILTER))
		ret = -EINVAL;
	else if (chain_length(t->seccomp_filter) + f->count > CHAIN_MAX)
		ret = -ENOMEM;
	else if ((how & FLAG_TSYNC) && (who = who_cannot_follow(t)))
		ret = how & FLAG_TSYNC_ESRCH ? -ESRCH : who;
	if (!ret) {
		f->older = t->seccomp_filter;
		t->seccomp_filter = f;
		set_mode(t, SECCOMP_FILTER);
		if (how & FLAG_TSYNC)
			bring_others(t);
	}
	sighand_unlock(s, flags);
	return ret;
}

static long become_filtered(unsigned long how, const void __user *program)
{
	struct seccomp_filter *f;
	kerr_t err;
	long ret;

	if (how & ~(unsigned long)FLAG_ALL)
		return -EINVAL;
	if ((how & FLAG_WAIT_KILLABLE) && !(how & FLAG_NEW_LISTENER))
		return -EINVAL;
	if ((how & FLAG_TSYNC) && (how & FLAG_NEW_LISTENER) && !(how & FLAG_TSYNC_ESRCH))
		return -EINVAL;
	if (!hal_user_regs(hal_current()))
		return -ENOSYS;
	err = filter_make(program, how & FLAG_LOG, &f);
	if (err)
		return kerr_code(err);
	ret = how & FLAG_NEW_LISTENER ? -EOPNOTSUPP : attach(f, how);
	if (ret)
		filter_put(f);
	return ret;
}

static long action_available(const void __user *from)
{
	static const u32 actions[] = { RET_KILL_PROCESS, RET_KILL_THREAD, RET_TRAP, RET_ERRNO, RET_TRACE, RET_LOG, RET_ALLOW };
	u32 action;

	if (copy_in(&action, (const u32 __user *)from))
		return -EFAULT;
	for (unsigned i = 0; i < ARRAY_SIZE(actions); i++)
		if (actions[i] == action)
			return 0;
	return -EOPNOTSUPP;
}

long seccomp_prctl(unsigned long mode, const void __user *program)
{
	if (mode == SECCOMP_STRICT)
		return become_strict();
	return mode == SECCOMP_FILTER ? become_filtered(0, program) : -EINVAL;
}

long sys_seccomp(unsigned op, unsigned flags, const void __user *args)
{
	switch (op) {
	case SET_MODE_STRICT:
		return flags || args ? -EINVAL : become_strict();
	case SET_MODE_FILTER:
		return become_filtered(flags, args);
	case GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_available(args);
	case GET_NOTIF_SIZES:
		return flags ? -EINVAL : -EOPNOTSUPP;
	default:
		return -EINVAL;
	}
}
