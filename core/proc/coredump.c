/* SPDX-License-Identifier: MIT */
/*
 * Core dumps (core(5)): whether there is one, its name from /proc/sys/kernel/core_pattern, the file or the program that takes it.
 *
 *   core_dump: core_begin: the group is dying of the signal, its other threads come to core_wait() -> open or start the program -> core_elf_write
 *   -> core_end: they go on to their end
 *
 * Locking: proc.core and struct core_state under sighand.lock; the pattern under uts_lock. The dumping thread holds neither while it writes.
 */
#include <hal/context.h>
#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>
#include <maestro/version.h>

#include "core_priv.h"
#include "proc_priv.h"

#define CORE_NAME_MAX 512u
#define CORE_MIN_LIMIT PAGE_SIZE
#define HELPER_ARGS 32u

/* ---------------------------------------------------------------- threads */

static bool core_begin(struct core_state *c, const struct siginfo *info)
{
	struct task *t = hal_current(), *o;
	struct proc *p = t->proc;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	if ((p->flags & PROC_GROUP_EXIT) || p->group_exec_task) {
		sighand_unlock(s, flags);
		return false;
	}
	*c = (struct core_state){ .dumper = t, .info = info };
	list_init(&c->parked);
	wait_queue_init(&c->wait);
	p->flags = (p->flags & PROC_SIGNAL_UNKILLABLE) | PROC_GROUP_EXIT;
	p->group_exit_code = info->signo;
	list_for_each(o, &p->threads, thread_node)
		if (o != t && !(o->flags & (TASK_EXITING | TASK_PAST_CORE)))
			c->remaining++;
	signal_kill_others(t, false);
	p->core = c;
	sighand_unlock(s, flags);
	wait_event(&c->wait, !load_acquire(&c->remaining));
	return true;
}

static void core_end(struct core_state *c, bool dumped)
{
	struct proc *p = c->dumper->proc;
	unsigned long flags;
	struct sighand *s = sighand_lock(c->dumper, &flags);

	p->core = NULL;
	if (dumped)
		p->group_exit_code |= WAIT_CORE;
	store_release(&c->done, true);
	wake_up_all(&c->wait);
	sighand_unlock(s, flags);
	/* The others wake on our stack's wait queue: let each leave it. */
	wait_event(&c->wait, list_empty(&c->parked));
	s = sighand_lock(c->dumper, &flags); /* the last of them is done with it */
	sighand_unlock(s, flags);
}

void core_wait(void)
{
	struct task *t = hal_current();
	struct core_thread me = { .task = t };
	struct core_state *c;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);

	c = t->proc->core;
	if (!c || c->dumper == t) {
		t->flags |= TASK_PAST_CORE;
		sighand_unlock(s, flags);
		return;
	}
	list_add_tail(&c->parked, &me.node);
	store_release(&c->remaining, c->remaining - 1);
	wake_up_all(&c->wait);
	sighand_unlock(s, flags);
	wait_event(&c->wait, load_acquire(&c->done));
	s = sighand_lock(t, &flags);
	list_del(&me.node);
	wake_up_all(&c->wait);
	t->flags |= TASK_PAST_CORE;
	sighand_unlock(s, flags);
}

/* ---------------------------------------------------------------- the name */

/* A '/' in a name would lead elsewhere. */
static void add_name(struct seq_buf *b, const char *text)
{
	size_t from = b->len;

	seq_puts(b, text);
	for (; !b->failed && from < b->len; from++)
		if (b->buf[from] == '/')
			b->buf[from] = '!';
}

static void add_exe(struct seq_buf *b, bool whole)
{
	struct task *t = hal_current();
	char *buf = path_buf_alloc();
	struct path root;
	bool unreachable;
	const char *name = NULL, *base;

	if (buf && t->mm->exe_file) {
		fs_ctx_get_root(&root);
		name = path_text(&t->mm->exe_file->path, &root, buf, PATH_MAX, &unreachable);
		path_put(&root);
	}
	base = name && !whole ? strrchr(name, '/') : NULL;
	add_name(b, base ? base + 1 : name ? name : t->comm);
	if (buf)
		path_buf_free(buf);
}

/* One %x of core(5); false: not one of them. */
static bool expand(struct seq_buf *b, char what, int sig)
{
	struct task *t = hal_current();
	const struct cred *c = current_cred();

	switch (what) {
	case '%':
		seq_puts(b, "%");
		return true;
	case 'p':
	case 'P':
		seq_printf(b, "%d", t->proc->pid);
		return true;
	case 'i':
	case 'I':
		seq_printf(b, "%d", t->tid);
		return true;
	case 'u':
		seq_printf(b, "%u", c->uid);
		return true;
	case 'g':
		seq_printf(b, "%u", c->gid);
		return true;
	case 'd':
		seq_printf(b, "%d", t->mm->dumpable);
		return true;
	case 's':
		seq_printf(b, "%d", sig);
		return true;
	case 't':
		seq_printf(b, "%lld", (long long)div_u64((u64)hal_time_wall(), 1000000000));
		return true;
	case 'h': {
		char host[UTS_LEN + 1];

		spin_lock(&kernel()->proc.uts_lock);
		strlcpy(host, kernel()->proc.nodename, sizeof(host));
		spin_unlock(&kernel()->proc.uts_lock);
		add_name(b, host);
		return true;
	}
	case 'e':
		add_name(b, t->comm);
		return true;
	case 'f':
	case 'E':
		add_exe(b, what == 'E');
		return true;
	case 'c':
		seq_printf(b, "%llu", (unsigned long long)rlimit_get(RLIMIT_CORE));
		return true;
	default:
		return false;
	}
}

/* The pattern with its %x replaced. For a program, blanks outside of them end an argument: a NUL stands there. *args: how many there are. */
static bool format_name(struct seq_buf *b, const char *pattern, bool pipe, int sig, unsigned *args)
{
	bool has_pid = false, uses_pid;

	*args = 1;
	for (const char *p = pattern; *p; p++) {
		if (pipe && *p == ' ') {
			while (p[1] == ' ')
				p++;
			if (b->len && p[1]) {
				seq_write(b, "", 1);
				++*args;
			}
		} else if (*p != '%') {
			seq_write(b, p, 1);
		} else if (p[1]) {
			has_pid |= p[1] == 'p';
			(void)expand(b, *++p, sig);
		}
	}
	uses_pid = load_relaxed(&kernel()->proc.core_uses_pid);
	if (uses_pid && !has_pid && !pipe)
		seq_printf(b, ".%d", hal_current()->proc->pid);
	seq_write(b, "", 1);
	return !b->failed && b->len <= CORE_NAME_MAX && b->buf[0];
}

/* ---------------------------------------------------------------- a file */

/* Ours alone, and new or to be overwritten: nobody may have prepared it to read what is dumped. */
static bool fit_for_core(struct file *f)
{
	const struct inode *i = f->inode;

	return S_ISREG(i->mode) && i->nlink == 1 && i->uid == current_cred()->fsuid && !((i->mode & 0677) ^ 0600);
}

static bool open_core(struct core_out *o, const char *name, bool careful)
{
	struct open_how_k how = { .flags = O_CREAT | O_RDWR | O_NOFOLLOW | O_LARGEFILE | (careful ? O_EXCL : 0), .mode = 0600 };
	const struct cred *mine = hal_current()->cred;
	struct cred *root = NULL;
	kerr_t err;

	if (careful) { /* suid_dumpable 2: as root, at a place that the program did not choose */
		if (name[0] != '/' || cred_prepare(&root))
			return false;
		root->fsuid = 0;
		root->cap_effective = root->cap_permitted = CAP_FULL;
		hal_current()->cred = root;
	} else {
		err = do_unlink(AT_FDCWD, name); /* ours, or not to be written to */
		(void)err;
	}
	err = do_open(AT_FDCWD, name, &how, &o->file);
	if (!err && (!fit_for_core(o->file) || kerr_code(vfs_truncate(&o->file->path, 0)))) {
		file_put(o->file);
		err = KERR(EPERM);
	}
	if (careful) {
		hal_current()->cred = mine;
		cred_abort(root);
	}
	return !err;
}

/* ---------------------------------------------------------------- a program */

struct helper {
	struct atomic refs; /* [a] the two processes' */
	struct wait_queue wait;
	int runs; /* 0: not known yet, -1: it cannot be run */
	struct file *in;
	char *argv[HELPER_ARGS + 1];
	struct seq_buf words;
};

static void helper_put(struct helper *h)
{
	if (!atomic_dec_and_test(&h->refs))
		return;
	seq_free(&h->words);
	kfree(h);
}

/* In the new process, root's, with init's directories. */
static void helper_main(void *arg)
{
	static const char *const env[] = { "HOME=/", "TERM=linux", "PATH=/sbin:/bin:/usr/sbin:/usr/bin", NULL };
	struct helper *h = arg;
	long fd = fd_install(file_get(h->in), 0);
	kerr_t err = KERR(EMFILE);

	if (fd == 0)
		err = do_execve(AT_FDCWD, h->argv[0], (struct exec_strings){ .kern = (const char *const *)h->argv }, (struct exec_strings){ .kern = env }, 0);
	else
		file_put(h->in);
	if (err)
		klog_warn("core dump: cannot run %s: error %d", h->argv[0], -kerr_code(err));
	file_put(h->in); /* the program has its own */
	store_release(&h->runs, err ? -1 : 1);
	wake_up_all(&h->wait);
	helper_put(h);
	if (err)
		do_group_exit(1 << 8);
}

/* *out: its process, a reference. */
static bool start_helper(struct core_out *o, struct seq_buf *words, unsigned args, struct proc **out)
{
	struct helper *h = kzalloc(sizeof(*h), GFP_KERNEL);
	struct file *ends[2];
	char *at = words->buf;
	bool runs;

	if (!h || args > HELPER_ARGS || kerr_code(do_pipe(ends, 0))) {
		kfree(h);
		return false;
	}
	atomic_set(&h->refs, 2);
	wait_queue_init(&h->wait);
	h->in = ends[0];
	h->words = *words;
	*words = (struct seq_buf){ 0 };
	for (unsigned i = 0; i < args; i++, at += strlen(at) + 1)
		h->argv[i] = at;
	if (kerr_code(proc_spawn_helper(helper_main, h, out))) {
		helper_put(h);
		helper_put(h);
		file_put(ends[0]);
		file_put(ends[1]);
		return false;
	}
	wait_event(&h->wait, load_acquire(&h->runs));
	runs = h->runs > 0;
	helper_put(h);
	if (!runs)
		file_put(ends[1]);
	o->file = ends[1];
	o->pipe = true;
	return runs;
}

/* ---------------------------------------------------------------- the dump */

static bool dump_to(struct core_state *c, const char *pattern)
{
	struct core_out o = { .limit = rlimit_get(RLIMIT_CORE) };
	int dumpable = load_relaxed(&hal_current()->mm->dumpable);
	bool pipe = pattern[0] == '|', ok = false;
	struct seq_buf name = { 0 };
	struct proc *helper = NULL;
	unsigned args;

	if (!format_name(&name, pattern + pipe, pipe, c->info->signo, &args))
		goto out;
	if (pipe) {
		if (o.limit == 1) /* a helper that crashes itself, core(5) */
			goto out;
		o.limit = U64_MAX >> 1;
		ok = start_helper(&o, &name, args, &helper);
	} else {
		ok = o.limit >= CORE_MIN_LIMIT && open_core(&o, name.buf, dumpable == DUMP_AS_ROOT);
	}
	if (ok) {
		ok = core_elf_write(&o, c);
		file_put(o.file);
	}
	if (helper) { /* it may still read /proc/PID: we stay until it is done */
		kerr_t woken = wait_event_killable(&helper->exit_wait, load_acquire(&helper->is_zombie));

		(void)woken;
		proc_put(helper);
	}
out:
	seq_free(&name);
	return ok;
}

void core_dump(const struct siginfo *info)
{
	struct task *t = hal_current();
	char pattern[CORE_PATTERN_MAX];
	struct core_state c;

	if (!t->mm || t->mm->host || !hal_user_regs(t) || load_relaxed(&t->mm->dumpable) == DUMP_NEVER)
		return;
	spin_lock(&kernel()->proc.uts_lock);
	strlcpy(pattern, kernel()->proc.core_pattern, sizeof(pattern));
	spin_unlock(&kernel()->proc.uts_lock);
	if (!pattern[0] || (pattern[0] != '|' && rlimit_get(RLIMIT_CORE) < CORE_MIN_LIMIT))
		return; /* nothing would be written: do not even stop the others */
	if (!core_begin(&c, info))
		return;
	(void)atomic_and(&t->work, ~WORK_SIGNAL); /* what is pending will not be taken; writes to a pipe shall not end for it */
	core_end(&c, dump_to(&c, pattern));
}
