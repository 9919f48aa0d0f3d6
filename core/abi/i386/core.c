/* SPDX-License-Identifier: MIT */
/* Notes of i386 core dumps: struct elf_prstatus and elf_prpsinfo as <sys/procfs.h> has them, x87, FXSAVE and TLS registers (core(5), gABI chapter 5). */
#include <hal/context.h>
#include <hal/regs_i386.h>
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/proc.h>
#include <maestro/vfs.h>

#include "fpu.h"
#include "tls.h"

enum { NT_PRSTATUS = 1, NT_PRFPREG = 2, NT_PRPSINFO = 3, NT_386_TLS = 0x200 };
#define NT_PRXFPREG 0x46e62b7fu

struct timeval32 {
	s32 sec, usec;
};
struct prstatus {
	s32 signo, code, err;
	s16 cursig, pad;
	u32 sigpend, sighold;
	s32 pid, ppid, pgrp, sid;
	struct timeval32 utime, stime, cutime, cstime;
	struct hal_regs reg;
	s32 fpvalid;
};
STATIC_ASSERT(sizeof(struct prstatus) == 144 && offsetof(struct prstatus, reg) == 72);
struct prpsinfo {
	u8 state;
	char sname;
	u8 zombie;
	s8 nice;
	u32 flags;
	u16 uid, gid;
	s32 pid, ppid, pgrp, sid;
	char fname[16], args[80];
};
STATIC_ASSERT(sizeof(struct prpsinfo) == 124);

static struct timeval32 timeval(u64 ns)
{
	u32 rest;
	u64 s = div_u64_rem(ns, 1000000000, &rest);

	return (struct timeval32){ (s32)s, (s32)(rest / 1000) };
}

void abi_core_status(struct seq_buf *s, struct task *t, int sig, const struct siginfo *info)
{
	const struct proc *p = t->proc;
	struct prstatus st = { .signo = info->signo, .cursig = (s16)sig, .sigpend = (u32)t->pending.set,
			       .sighold = (u32)t->blocked, .pid = t->tid, .ppid = p->ppid, .pgrp = p->pgrp, .sid = p->session, .fpvalid = 1 };

	st.utime = timeval(t->utime);
	st.stime = timeval(t->stime);
	st.cutime = timeval(p->children_dead.utime);
	st.cstime = timeval(p->children_dead.stime);
	st.reg = *hal_user_regs(t);
	core_note(s, "CORE", NT_PRSTATUS, &st, sizeof(st));
}

void abi_core_process(struct seq_buf *s, struct task *t)
{
	const struct proc *p = t->proc;
	struct prpsinfo ps = { .sname = 'R', .nice = (s8)t->se.nice, .flags = t->flags, .uid = (u16)t->cred->uid, .gid = (u16)t->cred->gid, .pid = p->pid,
			       .ppid = p->ppid, .pgrp = p->pgrp, .sid = p->session };
	size_t len = MIN((size_t)(t->mm->arg_end - t->mm->arg_start), sizeof(ps.args) - 1);
	ssize_t n = mm_access(t->mm, t->mm->arg_start, ps.args, len, false);

	for (ssize_t i = 0; i < n; i++)
		if (!ps.args[i])
			ps.args[i] = ' ';
	strlcpy(ps.fname, t->comm, sizeof(ps.fname));
	core_note(s, "CORE", NT_PRPSINFO, &ps, sizeof(ps));
}

void abi_core_registers(struct seq_buf *s, struct task *t)
{
	struct fxsave fx __aligned(16);
	struct user_desc d[TLS_ENTRIES];
	struct fsave f;
	kerr_t err = KERR(0);

	hal_fpu_save(t, &fx);
	i386_fsave_from_fx(&f, &fx);
	core_note(s, "CORE", NT_PRFPREG, &f, FSAVE_USER_SIZE);
	core_note(s, "LINUX", NT_PRXFPREG, &fx, sizeof(fx));
	for (unsigned i = 0; i < TLS_ENTRIES && !err; i++)
		err = i386_tls_get(t, TLS_ENTRY_FIRST + i, &d[i]);
	if (!err)
		core_note(s, "LINUX", NT_386_TLS, d, sizeof(d));
}
