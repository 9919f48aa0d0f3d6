/* SPDX-License-Identifier: MIT */
/*
 * execve(2), execveat(2).
 *
 *   gather strings -> open, follow #! lines -> credentials -> exec_elf_load: a complete new mm -> other threads go -> commit
 *
 * All that can fail comes before the commit, and leaves the caller as it was; only waiting for the other threads cannot be undone for them.
 */
#include <hal/context.h>
#include <maestro/abi.h>
#include <maestro/futex.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/notify.h>
#include <maestro/posix_timer.h>
#include <maestro/ptrace.h>
#include <maestro/slab.h>

#include "exec_priv.h"
#include "proc_priv.h"

/* ---------------------------------------------------------------- the file */

/* KERR(ETXTBSY) if somebody has the file open for writing. */
static kerr_t deny_write(struct file *f)
{
	struct atomic *w = &f->inode->writers;
	int n = atomic_read(w);

	do {
		if (n > 0)
			return KERR(ETXTBSY);
	} while (!atomic_cmpxchg(w, &n, n - 1));
	return KERR(0);
}

struct file *exe_file_get(struct file *f)
{
	atomic_dec(&f->inode->writers); /* below 0 already: nobody writes */
	return file_get(f);
}

void exe_file_put(struct file *f)
{
	atomic_inc(&f->inode->writers);
	file_put(f);
}

static kerr_t open_path(const struct path *p, struct file **out)
{
	struct inode *inode = p->dentry->inode;
	struct file *f;
	kerr_t err;

	if (S_ISLNK(inode->mode))
		return KERR(ELOOP);
	if (!S_ISREG(inode->mode) || ((p->mnt->flags | p->mnt->sb->flags) & MS_NOEXEC))
		return KERR(EACCES);
	err = inode_permission(inode, MAY_EXEC);
	if (err)
		return err;
	err = file_open_path(p, O_RDONLY | O_LARGEFILE, current_cred(), &f);
	if (!err)
		notify_file(f, IN_OPEN);
	if (err)
		return err;
	err = deny_write(f);
	if (err) {
		file_put(f);
		return err;
	}
	*out = f;
	return KERR(0);
}

kerr_t exec_open(int dirfd, const char *name, unsigned lookup, struct file **out)
{
	struct path p;
	kerr_t err = path_lookup(dirfd, name, lookup, &p);

	if (err)
		return err;
	err = open_path(&p, out);
	path_put(&p);
	return err;
}

/* ---------------------------------------------------------------- scripts */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static kerr_t add_prefix(struct exec *x, const char *s, size_t n)
{
	char *copy = kstrndup(s, n, GFP_KERNEL);

	if (!copy)
		return KERR(ENOMEM);
	ASSERT(x->nprefix < EXEC_MAX_PREFIX);
	x->prefix[x->nprefix++] = copy;
	return KERR(0);
}

/* "#! interpreter [argument]": execve(2), "Interpreter scripts". The line, its NUL or newline included, must lie in the head. */
static kerr_t parse_script(struct exec *x)
{
	char *line = (char *)x->head + 2, *end = (char *)x->head + EXEC_HEAD, *stop, *name, *name_end;
	kerr_t err = KERR(0);

	for (stop = line; stop < end && *stop != '\n' && *stop; stop++)
		;
	for (name = line; name < stop && is_blank(*name); name++)
		;
	for (name_end = name; name_end < stop && !is_blank(*name_end); name_end++)
		;
	if (name == name_end || (stop == end && name_end == stop)) /* none, or cut off in the name */
		return KERR(ENOEXEC);
	if (x->unreachable)
		return KERR(ENOENT);
	while (is_blank(stop[-1]))
		stop--;
	for (line = name_end; line < stop && is_blank(*line); line++)
		;
	if (!x->depth)
		err = add_prefix(x, x->name, PATH_MAX);
	if (!err && line < stop)
		err = add_prefix(x, line, (size_t)(stop - line));
	if (!err)
		err = add_prefix(x, name, (size_t)(name_end - name));
	return err;
}

static kerr_t read_head(struct exec *x)
{
	ssize_t n;

	memset(x->head, 0, sizeof(x->head));
	n = file_read_kernel(x->file, x->head, sizeof(x->head), 0);
	return n < 0 ? kerr_of(n) : KERR(0);
}

/* From the file named to the one that is a program. x->file is open on success. */
static kerr_t find_program(struct exec *x, int dirfd, const char *path, unsigned lookup)
{
	kerr_t err = exec_open(dirfd, path, lookup, &x->file);

	while (!err) {
		err = read_head(x);
		if (err || x->head[0] != '#' || x->head[1] != '!')
			break;
		if (x->depth == EXEC_MAX_DEPTH) {
			err = KERR(ELOOP);
			break;
		}
		err = parse_script(x);
		if (err)
			break;
		x->depth++;
		exe_file_put(x->file);
		x->file = NULL;
		err = exec_open(AT_FDCWD, x->prefix[x->nprefix - 1], LOOKUP_FOLLOW, &x->file);
	}
	return err;
}

/* ---------------------------------------------------------------- preparations */

static kerr_t set_name(struct exec *x, int dirfd, const char *path)
{
	struct files *files = hal_current()->files;
	size_t size = strlen(path) + 32;

	x->name = kmalloc(size, GFP_KERNEL);
	if (!x->name)
		return KERR(ENOMEM);
	if (dirfd == AT_FDCWD || path[0] == '/') {
		strlcpy(x->name, path, size);
		return KERR(0);
	}
	ksnprintf(x->name, size, path[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dirfd, path);
	spin_lock(&files->lock);
	x->unreachable = dirfd >= 0 && (unsigned)dirfd < files->max && bitmap_test(files->cloexec, (size_t)dirfd);
	spin_unlock(&files->lock);
	return KERR(0);
}

static kerr_t gather_strings(struct exec *x, struct exec_strings argv, struct exec_strings envp)
{
	struct exec_args *a = &x->args;
	u64 quarter = rlimit_get(RLIMIT_STACK) / 4;
	kerr_t err;

	a->limit = (size_t)MIN(MAX(quarter, 32 * PAGE_SIZE), 6ULL << 20);
	err = exec_args_vector(a, argv, &x->argc);
	if (!err && !x->argc) { /* a program may count on argv[0] */
		err = exec_args_kernel(a, "");
		x->argc = 1;
	}
	if (!err)
		err = exec_args_vector(a, envp, &x->envc);
	return err ? err : exec_args_kernel(a, x->name);
}

static kerr_t gather_prefix(struct exec *x)
{
	kerr_t err = KERR(0);

	x->pre.limit = x->args.limit;
	for (unsigned i = x->nprefix; !err && i; i--)
		err = exec_args_kernel(&x->pre, x->prefix[i - 1]);
	return err;
}

static kerr_t prepare_cred(struct exec *x)
{
	kerr_t err = cred_prepare(&x->cred);

	return err ? err : cred_exec(x->cred, &x->file->path, &x->secure);
}

/* ---------------------------------------------------------------- the other threads */

/* current takes the number, and with it the place, of the leader, which has ended. */
static void become_leader(struct task *t)
{
	struct proc *p = t->proc;
	unsigned long flags = tasklist_lock(), sflags;
	struct sighand *s = sighand_lock(t, &sflags);
	struct task *old = p->leader;
	struct pid *mine = t->pid;

	t->pid = old->pid;
	t->tid = t->pid->nr;
	t->pid->task = t;
	if (old->ptracer)
		ptrace_unlink(old); /* its tracer hears of the exec, not of its end */
	old->pid = NULL;
	mine->task = NULL;
	p->leader = task_get(t);
	list_del(&old->thread_node);
	sighand_unlock(s, sflags);
	pid_drop_if_unused(mine);
	tasklist_unlock(flags);
	task_put(old);
}

static kerr_t end_other_threads(struct task *t)
{
	struct proc *p = t->proc;
	unsigned long flags;
	struct sighand *s = sighand_lock(t, &flags);
	kerr_t err = KERR(0);

	if (p->nthreads == 1 && p->leader == t) {
		sighand_unlock(s, flags);
		return KERR(0);
	}
	if ((p->flags & PROC_GROUP_EXIT) || p->group_exec_task) {
		sighand_unlock(s, flags);
		return KERR(EAGAIN);
	}
	p->group_exec_task = t;
	signal_kill_others(t, false);
	sighand_unlock(s, flags);
	for (;;) {
		task_set_state(TASK_KILLABLE);
		if (load_acquire(&p->nthreads) == 1)
			break;
		if (sig_is_fatal_pending(t)) {
			err = KERR(EAGAIN);
			break;
		}
		schedule();
	}
	task_set_state(TASK_RUNNING);
	if (!err && p->leader != t)
		become_leader(t);
	s = sighand_lock(t, &flags);
	p->group_exec_task = NULL;
	sighand_unlock(s, flags);
	return err;
}

/* ---------------------------------------------------------------- the commit */

/* What the commit needs and may lack memory for. */
struct spare {
	struct files *files;
	struct sighand *sighand;
};

static kerr_t spare_alloc(struct spare *s, struct task *t)
{
	kerr_t err = KERR(0);

	s->files = NULL;
	s->sighand = NULL;
	if (atomic_read(&t->files->refs) > 1)
		err = files_dup(t->files, &s->files);
	if (!err && atomic_read(&t->sighand->refs) > 1) {
		s->sighand = sighand_alloc();
		if (!s->sighand)
			err = KERR(ENOMEM);
	}
	return err;
}

static void spare_free(struct spare *s)
{
	if (s->files)
		files_put(s->files);
	sighand_put(s->sighand);
}

static void renew_handlers(struct task *t, struct spare *spare)
{
	struct sighand *fresh = spare->sighand;

	if (fresh) {
		unsigned long flags = tasklist_lock(), sflags;
		struct sighand *old = sighand_lock(t, &sflags);

		memcpy(fresh->action, old->action, sizeof(fresh->action));
		fresh->replaced = old; /* t's reference goes over to it */
		store_release(&t->sighand, fresh);
		spare->sighand = NULL;
		sighand_unlock(old, sflags);
		tasklist_unlock(flags);
	}
	posix_timers_drop(t->proc);
	signal_flush_handlers(t);
	t->altstack.sp = t->altstack.size = 0;
	t->altstack.flags = 2; /* SS_DISABLE */
}

static void renew_files(struct task *t, struct spare *spare)
{
	if (spare->files) {
		struct files *old = t->files;

		t->files = spare->files;
		spare->files = NULL;
		files_put(old);
	}
	files_close_exec(t->files);
}

static void renew_mm(struct exec *x)
{
	const struct cred *c = current_cred(); /* cred_commit() sees to what changes */

	x->mm->exe_file = x->file; /* the reference, and with it the denial of writers */
	x->file = NULL;
	x->mm->dumpable = c->euid != c->uid || c->egid != c->gid ? (u8)load_relaxed(&kernel()->proc.suid_dumpable) : DUMP_BY_USER;
	if (hal_current()->mm)
		x->mm->dump_filter = hal_current()->mm->dump_filter;
	mm_switch(x->mm);
	x->mm = NULL;
}

static void commit(struct exec *x, struct spare *spare, uaddr_t sp)
{
	struct task *t = hal_current();
	struct proc *p = t->proc;
	const char *base = strrchr(x->name, '/');
	uaddr_t entry = x->entry;
	struct mm *old_mm = t->mm;

	futex_exit_robust(t);
	t->clear_child_tid_ptr = t->set_child_tid_ptr = t->robust_list_head = t->rseq_ptr = 0;
	mutex_lock(&p->exec_mutex);
	renew_mm(x);
	renew_handlers(t, spare);
	strlcpy(t->comm, base ? base + 1 : x->name, sizeof(t->comm));
	if (x->secure) {
		t->pdeath_signal = 0;
		p->personality &= 0xff; /* no flags that make a privileged program easier to attack */
	}
	cred_commit(x->cred);
	x->cred = NULL;
	p->has_execed = true;
	p->exit_signal = SIGCHLD;
	t->flags &= ~(u32)TASK_NO_EXEC;
	t->restart.fn = NULL;
	mutex_unlock(&p->exec_mutex);
	vfork_complete(t);
	if (old_mm)
		mm_put_user(old_mm);
	renew_files(t, spare);
	hal_fpu_reset(t);
	abi_exec_regs(hal_user_regs(t), entry, sp);
	if (t->ptracer)
		ptrace_exec(x->old_tid);
}

static kerr_t exec_all(struct exec *x, int dirfd, const char *path, struct exec_strings argv, struct exec_strings envp, unsigned lookup)
{
	struct task *t = hal_current();
	struct spare spare;
	uaddr_t sp;
	kerr_t err = set_name(x, dirfd, path);

	if (!err)
		err = gather_strings(x, argv, envp); /* first, as on Linux: a bad argv is EFAULT even if there is no program */
	if (!err)
		err = find_program(x, dirfd, path, lookup);
	if (!err)
		err = prepare_cred(x);
	if (!err)
		err = gather_prefix(x);
	if (!err)
		err = exec_elf_load(x, &sp);
	if (err)
		return err;
	x->old_tid = t->tid;
	err = spare_alloc(&spare, t);
	if (!err)
		err = end_other_threads(t);
	if (!err)
		commit(x, &spare, sp);
	spare_free(&spare);
	return err;
}

kerr_t do_execve(int dirfd, const char *path, struct exec_strings argv, struct exec_strings envp, int flags)
{
	unsigned lookup = (unsigned)flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct exec *x;
	kerr_t err;

	if ((unsigned)flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return KERR(EINVAL);
	if (!hal_user_regs(hal_current()))
		return KERR(ENOSYS); /* a host's thread has no program to replace */
	if ((unsigned)flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	x = kzalloc(sizeof(*x), GFP_KERNEL);
	if (!x)
		return KERR(ENOMEM);
	err = exec_all(x, dirfd, path, argv, envp, lookup);
	if (x->mm)
		mm_put_user(x->mm);
	if (x->file)
		exe_file_put(x->file);
	if (x->cred)
		cred_abort(x->cred);
	exec_args_free(&x->args);
	exec_args_free(&x->pre);
	for (unsigned i = 0; i < x->nprefix; i++)
		kfree(x->prefix[i]);
	kfree(x->name);
	kfree(x);
	return err;
}
