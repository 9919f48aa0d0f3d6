/* SPDX-License-Identifier: MIT */
/* /proc/PID and /proc/PID/task/TID: what a process is, holds and has used (proc(5)). Each function takes the locks of what it reads, briefly. */
#include <maestro/abi.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/seccomp.h>
#include <maestro/tty.h>

#include "proc_fs.h"

#define TICK (NSEC_PER_SEC / 100) /* USER_HZ */

struct mm *proc_task_mm(struct task *t)
{
	struct mm *mm = task_mm_get(t);

	if (mm && mm->host) {
		mm_unref(mm);
		return NULL;
	}
	return mm;
}

/* What a task may drop while it is looked at: it clears its pointers under the tree lock, so a reference taken there is safe. */
static struct files *task_files_get(struct task *t)
{
	unsigned long flags = tasklist_lock();
	struct files *files = t->files;

	if (files)
		atomic_inc(&files->refs);
	tasklist_unlock(flags);
	return files;
}

static struct fs_ctx *task_fs_get(struct task *t)
{
	unsigned long flags = tasklist_lock();
	struct fs_ctx *fs = t->fs;

	if (fs)
		atomic_inc(&fs->refs);
	tasklist_unlock(flags);
	return fs;
}

struct file *task_file_get(struct task *t, int n)
{
	struct files *files = task_files_get(t);
	struct file *f = NULL;

	if (!files)
		return NULL;
	spin_lock(&files->lock);
	if (n >= 0 && (unsigned)n < files->max && bitmap_test(files->open, (size_t)n) && files->fd[n])
		f = file_get(files->fd[n]);
	spin_unlock(&files->lock);
	files_put(files);
	return f;
}

int proc_task_next_fd(struct task *t, int n)
{
	struct files *files = task_files_get(t);
	int found = -1;

	if (!files)
		return -1;
	spin_lock(&files->lock);
	for (; (unsigned)n < files->max; n++)
		if (bitmap_test(files->open, (size_t)n) && files->fd[n]) {
			found = n;
			break;
		}
	spin_unlock(&files->lock);
	files_put(files);
	return found;
}

char proc_state_letter(const struct task *t)
{
	unsigned state = load_relaxed(&t->state);

	if (state & (TASK_ZOMBIE | TASK_DEAD)) /* a leader waits for its parent, other threads for nobody */
		return state & TASK_ZOMBIE || t == t->proc->leader ? 'Z' : 'X';
	if (state & TASK_STOPPED)
		return 'T';
	if (state & TASK_TRACED)
		return 't';
	if (state & (TASK_UNINTERRUPTIBLE | TASK_KILLABLE))
		return 'D';
	return state & TASK_INTERRUPTIBLE ? 'S' : 'R';
}

static const char *state_word(char letter)
{
	switch (letter) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'D':
		return "D (disk sleep)";
	case 'T':
		return "T (stopped)";
	case 't':
		return "t (tracing stop)";
	case 'Z':
		return "Z (zombie)";
	default:
		return "X (dead)";
	}
}

/* ---------------------------------------------------------------- memory text */
static ssize_t read_mm_range(struct seq_buf *s, struct mm *mm, uaddr_t start, uaddr_t end)
{
	char *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	ssize_t total = 0;

	if (!buf) {
		s->failed = true;
		return 0;
	}
	while (start < end) {
		ssize_t n = mm_access(mm, start, buf, MIN((size_t)(end - start), (size_t)PAGE_SIZE), false);

		if (n <= 0)
			break;
		seq_write(s, buf, (size_t)n);
		start += (size_t)n;
		total += n;
	}
	kfree(buf);
	return total;
}

static void show_cmdline(struct seq_buf *s, struct pctx *c)
{
	struct mm *mm = proc_task_mm(c->task);

	if (!mm)
		return;
	read_mm_range(s, mm, mm->arg_start, mm->arg_end);
	/* A program that wrote a longer title over its arguments goes on into the environment. */
	if (s->len && s->len == mm->arg_end - mm->arg_start && s->buf[s->len - 1]) {
		size_t args = s->len;
		const char *nul;

		read_mm_range(s, mm, mm->env_start, mm->env_end);
		nul = memchr(s->buf + args, '\0', s->len - args);
		if (nul)
			s->len = (size_t)(nul - s->buf) + 1;
	}
	mm_unref(mm);
}

static void show_environ(struct seq_buf *s, struct pctx *c)
{
	struct mm *mm = proc_task_mm(c->task);

	if (!mm)
		return;
	read_mm_range(s, mm, mm->env_start, mm->env_end);
	mm_unref(mm);
}

static void show_auxv(struct seq_buf *s, struct pctx *c)
{
	struct mm *mm = proc_task_mm(c->task);

	if (!mm)
		return;
	for (unsigned i = 0; i < mm->auxc; i++) {
		unsigned long word = (unsigned long)mm->auxv[i];

		seq_write(s, &word, sizeof(word));
	}
	mm_unref(mm);
}

static u64 mm_rss_pages(const struct mm *mm)
{
	long n = mm->rss_anon + mm->rss_file + mm->rss_shmem;

	return n > 0 ? (u64)n : 0;
}

static void show_statm(struct seq_buf *s, struct pctx *c)
{
	struct mm *mm = proc_task_mm(c->task);

	if (!mm) {
		seq_puts(s, "0 0 0 0 0 0 0\n");
		return;
	}
	seq_printf(s, "%llu %llu %ld %lu 0 %llu 0\n", (unsigned long long)mm->total_pages, (unsigned long long)mm_rss_pages(mm), mm->rss_file + mm->rss_shmem,
		   (mm->end_code - mm->start_code + PAGE_SIZE - 1) >> PAGE_SHIFT, (unsigned long long)(mm->data_pages + mm->stack_pages));
	mm_unref(mm);
}

/* ---------------------------------------------------------------- stat, status */
struct family { /* copied under the tree lock */
	pid_t pid, ppid, tracer, pgrp, session, tpgid;
	int tty, threads;
	bool leader;
};

static void family_of(struct task *t, struct family *f)
{
	struct proc *p = t->proc;
	struct tty *tty;
	unsigned long flags = tasklist_lock();

	f->pid = p->pid;
	f->ppid = p->parent ? p->parent->pid : 0;
	f->tracer = t->ptracer && t->ptracer->proc ? t->ptracer->proc->pid : 0;
	f->pgrp = p->pgrp;
	f->session = p->session;
	f->threads = (int)p->nthreads;
	f->leader = p->leader == t;
	tty = p->tty ? tty_get(p->tty) : NULL;
	tasklist_unlock(flags);
	f->tty = tty ? tty_dev_number(tty) : 0;
	f->tpgid = tty ? tty_foreground_pgrp(tty) : -1;
	if (tty)
		tty_put(tty);
}

struct sigsets {
	sigset_t pending, shared, blocked, ignored, caught;
	unsigned queued;
};

static void sigsets_of(struct task *t, struct sigsets *out)
{
	struct sighand *sh = t->sighand; /* lives as long as t */
	unsigned long flags;

	*out = (struct sigsets){0};
	if (!sh)
		return;
	flags = spin_lock_irqsave(&sh->lock);
	out->pending = t->pending.set;
	out->shared = t->proc->shared_pending.set;
	out->blocked = t->blocked;
	for (int sig = 1; sig <= NSIG; sig++) {
		u64 handler = sh->action[sig - 1].handler;

		if (handler == SIG_IGN)
			out->ignored |= SIGMASK(sig);
		else if (handler != SIG_DFL)
			out->caught |= SIGMASK(sig);
	}
	spin_unlock_irqrestore(&sh->lock, flags);
}

static void show_one_stat(struct seq_buf *s, struct pctx *c, bool thread)
{
	struct task *t = c->task;
	struct mm *mm = proc_task_mm(t);
	struct rusage_k self, kids = c->proc->children_dead;
	struct sigsets sig;
	struct family f;
	bool look = proc_may_look(t);

	family_of(t, &f);
	sigsets_of(t, &sig);
	if (thread)
		rusage_of_task(t, &self);
	else
		rusage_of_proc(c->proc, &self);
	seq_printf(s, "%d (%s) %c %d %d %d %d %d %u %llu %llu %llu %llu ", t->tid, t->comm, proc_state_letter(t), f.ppid, f.pgrp, f.session, f.tty, f.tpgid,
		   t->flags & TASK_KTHREAD ? 0x200000u : 0x400000u, (unsigned long long)self.minflt, (unsigned long long)kids.minflt, (unsigned long long)self.majflt,
		   (unsigned long long)kids.majflt);
	seq_printf(s, "%llu %llu %llu %llu %d %d %d 0 %llu ", (unsigned long long)div_u64(self.utime, TICK), (unsigned long long)div_u64(self.stime, TICK),
		   (unsigned long long)div_u64(kids.utime, TICK), (unsigned long long)div_u64(kids.stime, TICK),
		   t->se.rt_priority ? -1 - t->se.rt_priority : 20 + t->se.nice, t->se.nice, f.threads, (unsigned long long)div_u64((u64)t->start_time, TICK));
	seq_printf(s, "%llu %llu %lu %lu %lu %lu %lu %lu ", mm ? (unsigned long long)mm->total_pages << PAGE_SHIFT : 0ULL, mm ? (unsigned long long)mm_rss_pages(mm) : 0ULL,
		   (unsigned long)MIN(c->proc->rlim[RLIMIT_RSS].cur, (u64)ULONG_MAX), mm && look ? mm->start_code : 0UL, mm && look ? mm->end_code : 0UL,
		   mm && look ? mm->start_stack : 0UL, 0UL, 0UL);
	seq_printf(s, "%lu %lu %lu %lu 0 0 0 %d %u %u %u 0 0 0 ", (unsigned long)(sig.pending & 0x7fffffff), (unsigned long)(sig.blocked & 0x7fffffff),
		   (unsigned long)(sig.ignored & 0x7fffffff), (unsigned long)(sig.caught & 0x7fffffff), thread ? -1 : c->proc->exit_signal, t->se.cpu,
		   t->se.rt_base, t->se.policy);
	seq_printf(s, "%lu %lu %lu %lu %lu %lu %lu %d\n", mm && look ? mm->start_data : 0UL, mm && look ? mm->end_data : 0UL, mm && look ? mm->start_brk : 0UL,
		   mm && look ? mm->arg_start : 0UL, mm && look ? mm->arg_end : 0UL, mm && look ? mm->env_start : 0UL, mm && look ? mm->env_end : 0UL,
		   look ? t->exit_code : 0);
	if (mm)
		mm_unref(mm);
}

static void show_stat(struct seq_buf *s, struct pctx *c)
{
	show_one_stat(s, c, false);
}

static void show_task_stat(struct seq_buf *s, struct pctx *c)
{
	show_one_stat(s, c, true);
}

static void show_status_mm(struct seq_buf *s, const struct mm *mm)
{
	u64 rss = mm_rss_pages(mm), text = (mm->end_code - mm->start_code + PAGE_SIZE - 1) >> PAGE_SHIFT;

	seq_printf(s, "VmPeak:\t%8llu kB\nVmSize:\t%8llu kB\nVmLck:\t%8llu kB\nVmPin:\t       0 kB\nVmHWM:\t%8llu kB\nVmRSS:\t%8llu kB\n",
		   (unsigned long long)mm->total_pages * 4, (unsigned long long)mm->total_pages * 4, (unsigned long long)mm->locked_pages * 4,
		   (unsigned long long)MAX(mm->hiwater_rss, rss) * 4, (unsigned long long)rss * 4);
	seq_printf(s, "RssAnon:\t%8ld kB\nRssFile:\t%8ld kB\nRssShmem:\t%8ld kB\nVmData:\t%8llu kB\nVmStk:\t%8llu kB\nVmExe:\t%8llu kB\nVmLib:\t%8llu kB\n",
		   mm->rss_anon * 4, mm->rss_file * 4, mm->rss_shmem * 4, (unsigned long long)mm->data_pages * 4, (unsigned long long)mm->stack_pages * 4,
		   (unsigned long long)text * 4, (unsigned long long)(mm->exec_pages > text ? mm->exec_pages - text : 0) * 4);
	seq_printf(s, "VmPTE:\t%8lu kB\nVmSwap:\t       0 kB\nHugetlbPages:\t       0 kB\nCoreDumping:\t0\nTHP_enabled:\t0\n", (unsigned long)hal_mmu_table_pages(&mm->mmu) * 4);
}

static void show_status(struct seq_buf *s, struct pctx *c)
{
	struct task *t = c->task;
	const struct cred *cr;
	struct mm *mm = proc_task_mm(t);
	struct files *files = task_files_get(t);
	struct sigsets sig;
	struct family f;
	unsigned long flags;

	family_of(t, &f);
	sigsets_of(t, &sig);
	flags = tasklist_lock();
	cr = cred_get(t->cred);
	tasklist_unlock(flags);
	seq_puts(s, "Name:\t");
	seq_escape(s, t->comm, "\n\\");
	seq_printf(s, "\nUmask:\t%04o\nState:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", t->fs ? t->fs->umask : 0u,
		   state_word(proc_state_letter(t)), f.pid, t->tid, f.ppid, f.tracer);
	seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\nFDSize:\t%u\nGroups:\t", cr->uid, cr->euid, cr->suid, cr->fsuid, cr->gid, cr->egid, cr->sgid, cr->fsgid,
		   files ? files->max : 0);
	for (unsigned i = 0; i < cr->groups->count; i++)
		seq_printf(s, i ? " %u" : "%u", cr->groups->gid[i]);
	seq_printf(s, " \nNStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", f.pid, t->tid, f.pgrp, f.session);
	if (mm)
		show_status_mm(s, mm);
	seq_printf(s, "Threads:\t%d\nSigQ:\t%u/%llu\nSigPnd:\t%016llx\nShdPnd:\t%016llx\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n", f.threads, sig.queued,
		   (unsigned long long)c->proc->rlim[RLIMIT_SIGPENDING].cur, (unsigned long long)sig.pending, (unsigned long long)sig.shared,
		   (unsigned long long)sig.blocked, (unsigned long long)sig.ignored, (unsigned long long)sig.caught);
	seq_printf(s, "CapInh:\t%016llx\nCapPrm:\t%016llx\nCapEff:\t%016llx\nCapBnd:\t%016llx\nCapAmb:\t%016llx\nNoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t%u\n",
		   (unsigned long long)cr->cap_inheritable, (unsigned long long)cr->cap_permitted, (unsigned long long)cr->cap_effective,
		   (unsigned long long)cr->cap_bounding, (unsigned long long)cr->cap_ambient, t->no_new_privs, t->seccomp_mode, seccomp_filters(t));
	seq_printf(s, "Cpus_allowed:\t%llx\nCpus_allowed_list:\t", (unsigned long long)(t->se.affinity & ((1ULL << hal_cpu_count()) - 1)));
	seq_printf(s, hal_cpu_count() > 1 ? "0-%u\n" : "%u\n", hal_cpu_count() - 1);
	seq_printf(s, "Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%llu\nnonvoluntary_ctxt_switches:\t%llu\n", (unsigned long long)t->se.nvcsw,
		   (unsigned long long)t->se.nivcsw);
	cred_put(cr);
	if (files)
		files_put(files);
	if (mm)
		mm_unref(mm);
}

/* ---------------------------------------------------------------- the small ones */
static void show_comm(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%s\n", c->task->comm);
}

static kerr_t write_comm(struct seq_buf *unused, struct pctx *c)
{
	(void)unused;
	if (c->proc != hal_current()->proc)
		return KERR(EINVAL);
	strlcpy(c->task->comm, c->arg, sizeof(c->task->comm));
	return 0;
}

static void show_limits(struct seq_buf *s, struct pctx *c)
{
	static const struct {
		const char *name, *unit;
	} rows[RLIMIT_COUNT] = {
		{"Max cpu time", "seconds"},	 {"Max file size", "bytes"},	{"Max data size", "bytes"},	  {"Max stack size", "bytes"},
		{"Max core file size", "bytes"}, {"Max resident set", "bytes"}, {"Max processes", "processes"},	  {"Max open files", "files"},
		{"Max locked memory", "bytes"},	 {"Max address space", "bytes"}, {"Max file locks", "locks"},	  {"Max pending signals", "signals"},
		{"Max msgqueue size", "bytes"},	 {"Max nice priority", ""},	{"Max realtime priority", ""},	  {"Max realtime timeout", "us"},
	};

	seq_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (unsigned i = 0; i < RLIMIT_COUNT; i++) {
		const struct rlimit64 *r = &c->proc->rlim[i];
		char soft[24], hard[24];

		ksnprintf(soft, sizeof(soft), r->cur == RLIM_INFINITY ? "unlimited" : "%llu", (unsigned long long)r->cur);
		ksnprintf(hard, sizeof(hard), r->max == RLIM_INFINITY ? "unlimited" : "%llu", (unsigned long long)r->max);
		seq_printf(s, "%-25s %-20s %-20s ", rows[i].name, soft, hard);
		seq_printf(s, *rows[i].unit ? "%-10s\n" : "\n", rows[i].unit);
	}
}

static void show_io(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "rchar: %llu\nwchar: %llu\nsyscr: 0\nsyscw: 0\nread_bytes: %llu\nwrite_bytes: %llu\ncancelled_write_bytes: 0\n", (unsigned long long)c->task->io_rchar,
		   (unsigned long long)c->task->io_wchar, (unsigned long long)c->proc->io_counters[4], (unsigned long long)c->proc->io_counters[5]);
}

static void show_oom_score_adj(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%d\n", load_relaxed(&c->proc->oom_score_adj));
}

static kerr_t write_oom_score_adj(struct seq_buf *unused, struct pctx *c)
{
	const char *p = c->arg;
	bool negative = *p == '-';
	u64 v;
	int adj;
	kerr_t err;

	(void)unused;
	p += negative;
	err = kstrtou64(&p, 10, &v);
	if (err || v > 1000)
		return KERR(EINVAL);
	adj = negative ? -(int)v : (int)v;
	if (adj < load_relaxed(&c->proc->oom_score_adj) && !capable(CAP_SYS_RESOURCE))
		return KERR(EACCES);
	store_relaxed(&c->proc->oom_score_adj, adj);
	return 0;
}

/* The old file: a seventeenth of the new one's range; -17 is "never". */
#define OOM_ADJ_MAX 15
#define OOM_DISABLE (-17)

static void show_oom_adj(struct seq_buf *s, struct pctx *c)
{
	int adj = load_relaxed(&c->proc->oom_score_adj);

	seq_printf(s, "%d\n", adj == 1000 ? OOM_ADJ_MAX : adj * -OOM_DISABLE / 1000);
}

static kerr_t write_oom_adj(struct seq_buf *unused, struct pctx *c)
{
	const char *p = c->arg;
	bool negative = *p == '-';
	int adj;
	u64 v;

	(void)unused;
	p += negative;
	if (kstrtou64(&p, 10, &v) || v > (negative ? -OOM_DISABLE : OOM_ADJ_MAX))
		return KERR(EINVAL);
	adj = negative ? -(int)v : (int)v;
	adj = adj == OOM_ADJ_MAX ? 1000 : adj * 1000 / -OOM_DISABLE;
	if (adj < load_relaxed(&c->proc->oom_score_adj) && !capable(CAP_SYS_RESOURCE))
		return KERR(EACCES);
	store_relaxed(&c->proc->oom_score_adj, adj);
	return 0;
}

static void show_oom_score(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%ld\n", oom_score(c->proc));
}

static void show_setgroups(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "allow\n");
}

static void show_timerslack(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%llu\n", (unsigned long long)c->task->timer_slack);
}

#define DEFAULT_SLACK 50000u /* ns: what a thread begins with, and what 0 means */

/* Of others it is for CAP_SYS_NICE. */
static kerr_t write_timerslack(struct seq_buf *unused, struct pctx *c)
{
	const char *p = c->arg;
	u64 v;

	(void)unused;
	if (c->task != hal_current() && !capable(CAP_SYS_NICE))
		return KERR(EPERM);
	if (kstrtou64(&p, 10, &v) || (*p && *p != '\n'))
		return KERR(EINVAL);
	c->task->timer_slack = v ? v : DEFAULT_SLACK;
	return 0;
}

static void show_wchan(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "0");
}

static void show_personality(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%08x\n", c->proc->personality);
}

static void show_loginuid(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%u", c->proc->login_uid);
}

static void show_sessionid(struct seq_buf *s, struct pctx *c)
{
	seq_printf(s, "%u", c->proc->login_session);
}

/* Only of oneself; once it is set, changing it is for CAP_AUDIT_CONTROL. */
static kerr_t write_loginuid(struct seq_buf *unused, struct pctx *c)
{
	const char *p = c->arg;
	u64 uid;

	(void)unused;
	if (c->proc != hal_current()->proc)
		return KERR(EPERM);
	if (kstrtou64(&p, 10, &uid) || uid > U32_MAX)
		return KERR(EINVAL);
	if (c->proc->login_uid != U32_MAX && !capable(CAP_AUDIT_CONTROL))
		return KERR(EPERM);
	c->proc->login_uid = (u32)uid;
	c->proc->login_session = uid == U32_MAX ? U32_MAX : (u32)atomic_inc_return(&kernel()->proc.logins);
	return 0;
}

static void show_cgroup(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "0::/\n");
}

static void show_id_map(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_puts(s, "         0          0 4294967295\n");
}

/* ---------------------------------------------------------------- links */
static kerr_t follow_exe(struct pctx *c, struct path *out)
{
	struct mm *mm = proc_task_mm(c->task);
	kerr_t err = KERR(ENOENT);

	if (!mm)
		return err;
	rwsem_read_lock(&mm->lock);
	if (mm->exe_file) {
		*out = mm->exe_file->path;
		path_get(out);
		err = 0;
	}
	rwsem_read_unlock(&mm->lock);
	mm_unref(mm);
	return err;
}

static void show_coredump_filter(struct seq_buf *s, struct pctx *c)
{
	struct mm *mm = proc_task_mm(c->task);

	if (!mm)
		return;
	seq_printf(s, "%08x\n", load_relaxed(&mm->dump_filter));
	mm_unref(mm);
}

static kerr_t write_coredump_filter(struct seq_buf *unused, struct pctx *c)
{
	struct mm *mm = proc_task_mm(c->task);
	const char *p = c->arg;
	u64 v;
	kerr_t err;

	(void)unused;
	if (!mm)
		return KERR(ESRCH);
	err = kstrtou64(&p, 0, &v);
	if (!err && *p && *p != '\n')
		err = KERR(EINVAL);
	if (!err)
		store_relaxed(&mm->dump_filter, (u32)v & 0x1ff);
	mm_unref(mm);
	return err;
}

static kerr_t follow_fs(struct pctx *c, struct path *out, bool root)
{
	struct fs_ctx *fs = task_fs_get(c->task);

	if (!fs)
		return KERR(ENOENT);
	spin_lock(&fs->lock);
	*out = root ? fs->root : fs->cwd;
	path_get(out);
	spin_unlock(&fs->lock);
	fs_ctx_put(fs);
	return 0;
}

static kerr_t follow_cwd(struct pctx *c, struct path *out)
{
	return follow_fs(c, out, false);
}

static kerr_t follow_root(struct pctx *c, struct path *out)
{
	return follow_fs(c, out, true);
}

/* ---------------------------------------------------------------- tables */
#define COMMON_NODES(stat_fn)                                                                                    \
	{.name = "stat", .mode = S_IFREG | 0444, .show = stat_fn},                                                   \
	{.name = "status", .mode = S_IFREG | 0444, .show = show_status},                                             \
	{.name = "statm", .mode = S_IFREG | 0444, .show = show_statm},                                               \
	{.name = "cmdline", .mode = S_IFREG | 0444, .show = show_cmdline},                                           \
	{.name = "comm", .mode = S_IFREG | 0644, .show = show_comm, .write = write_comm},                            \
	{.name = "environ", .mode = S_IFREG | 0400, .show = show_environ, .flags = PN_PTRACE},                       \
	{.name = "auxv", .mode = S_IFREG | 0400, .show = show_auxv, .flags = PN_PTRACE},                             \
	{.name = "maps", .mode = S_IFREG | 0444, .show = proc_show_maps, .flags = PN_PTRACE},                             \
	{.name = "smaps", .mode = S_IFREG | 0444, .show = proc_show_smaps, .flags = PN_PTRACE},                           \
	{.name = "smaps_rollup", .mode = S_IFREG | 0444, .show = proc_show_smaps_rollup, .flags = PN_PTRACE},        \
	{.name = "pagemap", .mode = S_IFREG | 0400, .fops = &proc_pagemap_fops, .flags = PN_PTRACE},                 \
	{.name = "mem", .mode = S_IFREG | 0600, .fops = &proc_mem_fops},                                             \
	{.name = "mounts", .mode = S_IFREG | 0444, .fops = &proc_mounts_fops, .show = proc_show_mounts},             \
	{.name = "mountinfo", .mode = S_IFREG | 0444, .fops = &proc_mounts_fops, .show = proc_show_mountinfo},       \
	{.name = "net", .mode = S_IFDIR | 0555, .children = proc_net_nodes},                                         \
	{.name = "limits", .mode = S_IFREG | 0444, .show = show_limits},                                             \
	{.name = "io", .mode = S_IFREG | 0400, .show = show_io, .flags = PN_PTRACE},                                 \
	{.name = "oom_score_adj", .mode = S_IFREG | 0644, .show = show_oom_score_adj, .write = write_oom_score_adj}, \
	{.name = "oom_adj", .mode = S_IFREG | 0644, .show = show_oom_adj, .write = write_oom_adj},                   \
	{.name = "oom_score", .mode = S_IFREG | 0444, .show = show_oom_score},                                       \
	{.name = "coredump_filter", .mode = S_IFREG | 0644, .show = show_coredump_filter, .write = write_coredump_filter}, \
	{.name = "wchan", .mode = S_IFREG | 0444, .show = show_wchan},                                               \
	{.name = "personality", .mode = S_IFREG | 0400, .show = show_personality, .flags = PN_PTRACE},               \
	{.name = "loginuid", .mode = S_IFREG | 0644, .show = show_loginuid, .write = write_loginuid},                \
	{.name = "sessionid", .mode = S_IFREG | 0444, .show = show_sessionid},                                       \
	{.name = "cgroup", .mode = S_IFREG | 0444, .show = show_cgroup},                                             \
	{.name = "uid_map", .mode = S_IFREG | 0644, .show = show_id_map},                                            \
	{.name = "gid_map", .mode = S_IFREG | 0644, .show = show_id_map},                                            \
	{.name = "projid_map", .mode = S_IFREG | 0644, .show = show_id_map},                                         \
	{.name = "setgroups", .mode = S_IFREG | 0644, .show = show_setgroups},                                       \
	{.name = "exe", .mode = S_IFLNK | 0777, .follow = follow_exe},                                               \
	{.name = "cwd", .mode = S_IFLNK | 0777, .follow = follow_cwd},                                               \
	{.name = "root", .mode = S_IFLNK | 0777, .follow = follow_root},                                             \
	{.name = "fd", .mode = S_IFDIR | 0500, .flags = PN_LIST_FDS},                                                \
	{.name = "fdinfo", .mode = S_IFDIR | 0555, .flags = PN_LIST_FDINFO}

const struct pnode proc_pid_nodes[] = {
	COMMON_NODES(show_stat), {.name = "timerslack_ns", .mode = S_IFREG | 0666, .show = show_timerslack, .write = write_timerslack, .flags = PN_PTRACE}, {.name = "task", .mode = S_IFDIR | 0555, .flags = PN_LIST_TASKS}, {.name = NULL},
};
const struct pnode proc_task_nodes[] = {COMMON_NODES(show_task_stat), {.name = NULL}};
