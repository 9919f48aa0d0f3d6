/* SPDX-License-Identifier: MIT */
/*
 * procfs: inodes, directories, links and text files over the tables of nodes. Text is built whole when a read starts at 0 and served from there, so a
 * program that reads in pieces sees one moment. Locking: none of its own; each show function takes what it reads.
 */
#include <maestro/fs.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>

#include "proc_fs.h"

#define PROC_MAGIC 0x9fa0

/* ---------------------------------------------------------------- context */
kerr_t proc_ctx_get(struct inode *inode, struct pctx *c)
{
	struct proc_inode *pi = proc_i(inode);

	*c = (struct pctx){.number = pi->number};
	if (!pi->pid)
		return 0;
	c->task = task_find(pi->pid);
	if (c->task && c->task->proc && c->task->start_time == pi->start) {
		c->proc = c->task->proc;
		return 0;
	}
	if (c->task)
		task_put(c->task);
	c->task = NULL;
	return KERR(ESRCH);
}

void proc_ctx_put(struct pctx *c)
{
	if (c->task)
		task_put(c->task);
}

bool proc_may_look(struct task *t)
{
	const struct cred *me = current_cred(), *it = t->cred;

	if (t->proc == hal_current()->proc)
		return true;
	if (me->fsuid == it->uid && me->fsuid == it->euid && me->fsuid == it->suid && me->fsgid == it->gid && me->fsgid == it->egid && me->fsgid == it->sgid)
		return true;
	return capable(CAP_SYS_PTRACE);
}

/* ---------------------------------------------------------------- inodes */
static struct inode *proc_alloc_inode(struct super *sb)
{
	struct proc_inode *pi = kzalloc(sizeof(*pi), GFP_KERNEL);

	(void)sb;
	return pi ? &pi->vfs : NULL;
}

static void proc_free_inode(struct inode *inode)
{
	kfree(proc_i(inode));
}

static const struct inode_ops proc_dir_ops, proc_link_ops, proc_magic_ops, proc_file_ops;
static const struct file_ops proc_dir_fops;

static bool owned_by_root(const struct pnode *n, struct task *t)
{
	/* As Linux: what is in a directory belongs to the process, unless it is not dumpable; kernel threads belong to root. */
	(void)n;
	return !t->mm || t->mm->dumpable != DUMP_BY_USER;
}

static ino_t make_ino(const struct pnode *n, pid_t pid, int number)
{
	u32 h = hash_ptr(n) ^ hash_u32((u32)pid * 31 + (u32)number + 1);

	return (h & 0x7fffffff) | 0x1000;
}

static kerr_t make_inode(struct super *sb, const struct pnode *n, struct task *t, int number, struct inode **out)
{
	struct inode *inode;
	kerr_t err = inode_new(sb, &inode);

	if (err)
		return err;
	proc_i(inode)->node = n;
	proc_i(inode)->number = number;
	inode->mode = n->mode;
	inode->nlink = S_ISDIR(n->mode) ? 2 : 1;
	if (sb->magic == PROC_MAGIC)
		inode->flags |= INODE_NO_NEW;
	inode->ino = make_ino(n, t ? t->tid : 0, number);
	inode->atime = inode->mtime = inode->ctime = inode->btime = ktime_get_real_coarse_ts();
	if (t) {
		proc_i(inode)->pid = t->tid;
		proc_i(inode)->start = t->start_time;
		if (!owned_by_root(n, t)) {
			inode->uid = t->cred->euid;
			inode->gid = t->cred->egid;
		}
	}
	if (S_ISDIR(n->mode)) {
		inode->ops = &proc_dir_ops;
		inode->fops = &proc_dir_fops;
	} else if (S_ISLNK(n->mode)) {
		inode->ops = n->follow ? &proc_magic_ops : &proc_link_ops;
	} else {
		inode->ops = &proc_file_ops;
		inode->fops = n->fops ? n->fops : &proc_text_fops;
	}
	*out = inode;
	return 0;
}

static bool proc_revalidate(struct dentry *d)
{
	struct pctx c;
	bool alive;

	if (!d->inode)
		return false; /* what was not there may be there now */
	if (!proc_i(d->inode)->pid)
		return true;
	if (proc_ctx_get(d->inode, &c))
		return false;
	alive = true;
	if (proc_i(d->inode)->number >= 0) { /* an open file */
		struct file *f = task_file_get(c.task, proc_i(d->inode)->number);

		alive = f != NULL;
		if (f)
			file_put(f);
	}
	proc_ctx_put(&c);
	return alive;
}

static const struct dentry_ops proc_dentry_ops = {.revalidate = proc_revalidate, .no_cache_on_put = true};
static const struct dentry_ops proc_static_dentry_ops = {.no_cache_on_put = false};

/* ---------------------------------------------------------------- directories */
static const struct pnode pid_dir = {.name = "PID", .mode = S_IFDIR | 0555, .children = proc_pid_nodes};
static const struct pnode task_dir = {.name = "TID", .mode = S_IFDIR | 0555, .children = proc_task_nodes};

bool proc_file_process(struct file *f, struct proc **out)
{
	struct pctx c;

	if (f->ops != &proc_dir_fops || proc_i(f->inode)->node != &pid_dir)
		return false;
	*out = NULL;
	if (!kerr_code(proc_ctx_get(f->inode, &c))) {
		*out = proc_get(c.proc);
		proc_ctx_put(&c);
	}
	return true;
}

static kerr_t fd_follow(struct pctx *c, struct path *out)
{
	struct file *f = task_file_get(c->task, c->number);

	if (!f)
		return KERR(ENOENT);
	*out = f->path;
	path_get(out);
	file_put(f);
	return 0;
}

static void fdinfo_show(struct seq_buf *s, struct pctx *c)
{
	struct file *f = task_file_get(c->task, c->number);

	if (!f)
		return;
	seq_printf(s, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n", (long long)f->pos, f->flags, f->path.mnt->id, (unsigned long long)f->inode->ino);
	if (f->ops->show_fdinfo)
		f->ops->show_fdinfo(f, s);
	file_put(f);
}

static const struct pnode fd_link = {.name = "fd", .mode = S_IFLNK | 0700, .follow = fd_follow};
static const struct pnode fdinfo_file = {.name = "fdinfo", .mode = S_IFREG | 0400, .show = fdinfo_show};

/* A decimal number with no sign or leading zero; -1: not one. */
static long parse_number(const struct name *n)
{
	long v = 0;

	if (!n->len || n->len > 9 || (n->str[0] == '0' && n->len > 1))
		return -1;
	for (u32 i = 0; i < n->len; i++) {
		if (n->str[i] < '0' || n->str[i] > '9')
			return -1;
		v = v * 10 + (n->str[i] - '0');
	}
	return v;
}

static const struct pnode *find_child(const struct pnode *list, const struct name *n)
{
	for (; list && list->name; list++)
		if (strlen(list->name) == n->len && !memcmp(list->name, n->str, n->len))
			return list;
	return NULL;
}

/* A thread by number, below /proc (any thread, as Linux) or in a process's task directory. */
static kerr_t lookup_thread(struct super *sb, long tid, struct proc *of, struct inode **out)
{
	struct task *t = task_find((pid_t)tid);
	kerr_t err = KERR(ENOENT);

	if (t && t->proc && (!of || t->proc == of))
		err = make_inode(sb, of ? &task_dir : &pid_dir, t, -1, out);
	if (t)
		task_put(t);
	return err;
}

#define ENTRY_NAME 40

static kerr_t lookup_list(struct inode *dir, const struct name *name, struct pctx *c, struct inode **out)
{
	const struct pnode_list *list = proc_i(dir)->node->list;
	char text[ENTRY_NAME];

	for (int n = -1; (n = list->next(c, n, text, sizeof(text))) >= 0;)
		if (strlen(text) == name->len && !memcmp(text, name->str, name->len))
			return make_inode(dir->sb, list->entry, c->task, n, out);
	return KERR(ENOENT);
}

static kerr_t lookup_dynamic(struct inode *dir, const struct name *name, struct pctx *c, struct inode **out)
{
	const struct pnode *node = proc_i(dir)->node;
	long number;

	if (node->list)
		return lookup_list(dir, name, c, out);
	number = parse_number(name);
	if (number < 0)
		return KERR(ENOENT);
	if (node->children == proc_root_nodes)
		return lookup_thread(dir->sb, number, NULL, out);
	if (node->flags & PN_LIST_TASKS)
		return lookup_thread(dir->sb, number, c->proc, out);
	if (node->flags & (PN_LIST_FDS | PN_LIST_FDINFO)) {
		struct file *f = proc_may_look(c->task) ? task_file_get(c->task, (int)number) : NULL;
		kerr_t err;

		if (!f)
			return KERR(ENOENT);
		err = make_inode(dir->sb, node->flags & PN_LIST_FDS ? &fd_link : &fdinfo_file, c->task, (int)number, out);
		if (!err && (node->flags & PN_LIST_FDS))
			(*out)->mode = S_IFLNK | (f->mode & FMODE_READ ? 0500 : 0) | (f->mode & FMODE_WRITE ? 0300 : 0);
		file_put(f);
		return err;
	}
	return KERR(ENOENT);
}

static kerr_t proc_lookup(struct inode *dir, struct dentry *d)
{
	const struct pnode *child;
	struct inode *inode = NULL;
	struct pctx c;
	kerr_t err = proc_ctx_get(dir, &c);

	if (err)
		return KERR(ENOENT);
	child = find_child(proc_i(dir)->node->children, &d->name);
	if (child && child->present && !child->present(&c))
		err = KERR(ENOENT);
	else if (child)
		err = make_inode(dir->sb, child, c.task, proc_i(dir)->number, &inode);
	else
		err = lookup_dynamic(dir, &d->name, &c, &inode);
	proc_ctx_put(&c);
	if (err && kerr_code(err) != -ENOENT)
		return err;
	d->ops = child && !child->present && !proc_i(dir)->pid ? &proc_static_dentry_ops : &proc_dentry_ops;
	dentry_splice(d, err ? NULL : inode);
	return 0;
}

static bool emit_number(struct dir_context *ctx, long n, ino_t ino, unsigned type, loff_t next)
{
	char text[16];
	int len = ksnprintf(text, sizeof(text), "%ld", n);

	return ctx->actor(ctx, text, (size_t)len, ino, type, next);
}

/* The smallest pid above `after` among processes, or threads of `of`; 0 when there is none. */
static pid_t next_pid(pid_t after, struct proc *of)
{
	unsigned long flags = tasklist_lock();
	pid_t best = 0;

	if (of) {
		struct task *t;

		list_for_each(t, &of->threads, thread_node)
			if (t->tid > after && (!best || t->tid < best))
				best = t->tid;
	} else {
		struct proc *p;

		for_each_proc(p)
			if (p->pid > after && (!best || p->pid < best))
				best = p->pid;
	}
	tasklist_unlock(flags);
	return best;
}

#define DYNAMIC_POS 0x1000 /* positions of numbered entries: this + number + 1 */

static kerr_t iterate_dynamic(struct file *f, struct dir_context *ctx, const struct pnode *node, struct pctx *c)
{
	long last = ctx->pos < DYNAMIC_POS ? -1 : (long)(ctx->pos - DYNAMIC_POS) - 1;

	(void)f;
	if (node->list) {
		char text[ENTRY_NAME];

		for (int n = (int)last; (n = node->list->next(c, n, text, sizeof(text))) >= 0;) {
			if (!ctx->actor(ctx, text, strlen(text), make_ino(node->list->entry, 0, n), (node->list->entry->mode & S_IFMT) >> 12,
					DYNAMIC_POS + (loff_t)n + 1))
				return 0;
			ctx->pos = DYNAMIC_POS + (loff_t)n + 1;
		}
	} else if (node->flags & (PN_LIST_FDS | PN_LIST_FDINFO)) {
		if (!proc_may_look(c->task))
			return KERR(EACCES);
		for (int n; (n = proc_task_next_fd(c->task, (int)last + 1)) >= 0; last = n) {
			bool links = node->flags & PN_LIST_FDS;

			if (!emit_number(ctx, n, make_ino(links ? &fd_link : &fdinfo_file, c->task->tid, n), links ? DT_LNK : DT_REG, DYNAMIC_POS + n + 1))
				return 0;
			ctx->pos = DYNAMIC_POS + n + 1;
		}
	} else if ((node->flags & PN_LIST_TASKS) || node->children == proc_root_nodes) {
		bool threads = node->flags & PN_LIST_TASKS;

		for (pid_t n; (n = next_pid((pid_t)MAX(last, 0L), threads ? c->proc : NULL)) != 0; last = n) {
			if (!emit_number(ctx, n, make_ino(threads ? &task_dir : &pid_dir, n, -1), DT_DIR, DYNAMIC_POS + n + 1))
				return 0;
			ctx->pos = DYNAMIC_POS + n + 1;
		}
	}
	return 0;
}

static kerr_t proc_iterate(struct file *f, struct dir_context *ctx)
{
	const struct pnode *node = proc_i(f->inode)->node;
	loff_t at = 2;
	struct pctx c;
	kerr_t err = proc_ctx_get(f->inode, &c);

	if (err)
		return KERR(ENOENT);
	if (ctx->pos == 0) {
		if (!ctx->actor(ctx, ".", 1, f->inode->ino, DT_DIR, 1))
			goto out;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->actor(ctx, "..", 2, f->path.dentry->parent->inode->ino, DT_DIR, 2))
			goto out;
		ctx->pos = 2;
	}
	for (const struct pnode *n = node->children; n && n->name; n++, at++) {
		if (ctx->pos > at || (n->present && !n->present(&c)))
			continue;
		if (!ctx->actor(ctx, n->name, strlen(n->name), make_ino(n, c.task ? c.task->tid : 0, proc_i(f->inode)->number), (n->mode & S_IFMT) >> 12, at + 1))
			goto out;
		ctx->pos = at + 1;
	}
	err = iterate_dynamic(f, ctx, node, &c);
out:
	proc_ctx_put(&c);
	return err;
}

/* ---------------------------------------------------------------- links */
static kerr_t proc_readlink(struct inode *inode, char *buf)
{
	const struct pnode *n = proc_i(inode)->node;
	struct path p, root;
	struct pctx c;
	char *text, *start;
	kerr_t err = proc_ctx_get(inode, &c);

	if (err)
		return err;
	if (n->target) {
		err = n->target(&c, buf);
		goto put_ctx;
	}
	err = proc_may_look(c.task) ? n->follow(&c, &p) : KERR(EACCES);
	if (err)
		goto put_ctx;
	text = path_buf_alloc();
	if (text) {
		bool unreachable;

		fs_ctx_get_root(&root);
		start = path_text(&p, &root, text, PATH_MAX, &unreachable);
		if (start)
			strlcpy(buf, start, PATH_MAX);
		else
			err = KERR(ENAMETOOLONG);
		path_put(&root);
		path_buf_free(text);
	} else {
		err = KERR(ENOMEM);
	}
	path_put(&p);
put_ctx:
	proc_ctx_put(&c);
	return err;
}

static kerr_t proc_follow(struct inode *inode, struct path *out)
{
	const struct pnode *n = proc_i(inode)->node;
	struct pctx c;
	kerr_t err = proc_ctx_get(inode, &c);

	if (err)
		return err;
	err = proc_may_look(c.task) ? n->follow(&c, out) : KERR(EACCES);
	proc_ctx_put(&c);
	return err;
}

/* ---------------------------------------------------------------- text files */
static kerr_t text_open(struct inode *inode, struct file *f)
{
	const struct pnode *n = proc_i(inode)->node;
	struct proc_text *t;
	struct pctx c;
	kerr_t err = proc_ctx_get(inode, &c);

	if (err)
		return err;
	if ((n->flags & PN_PTRACE) && !proc_may_look(c.task))
		err = KERR(EACCES);
	proc_ctx_put(&c);
	if (err)
		return err;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return KERR(ENOMEM);
	mutex_init(&t->mutex, RANK_PROC_TEXT, "proc_text");
	f->priv = t;
	return 0;
}

static void text_release(struct inode *inode, struct file *f)
{
	struct proc_text *t = f->priv;

	(void)inode;
	seq_free(&t->text);
	kfree(t);
}

/* Text is made at the beginning, and given out from there on. */
static kerr_t text_make(struct proc_text *t, struct inode *inode)
{
	struct pctx c;
	kerr_t err = proc_ctx_get(inode, &c);

	if (err)
		return err;
	t->text.len = 0;
	t->text.failed = false;
	proc_i(inode)->node->show(&t->text, &c);
	proc_ctx_put(&c);
	return KERR(0);
}

static ssize_t text_give(const struct seq_buf *s, struct iov_iter *it, loff_t *pos)
{
	size_t moved;

	if (s->failed)
		return -ENOMEM;
	if (*pos < 0 || (u64)*pos >= s->len || !it->count)
		return 0;
	moved = copy_to_iter(it, s->buf + *pos, MIN(it->count, s->len - (size_t)*pos));
	if (!moved)
		return -EFAULT;
	*pos += (loff_t)moved;
	return (ssize_t)moved;
}

static ssize_t text_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct proc_text *t = f->priv;
	kerr_t err = KERR(0);
	ssize_t ret;

	if (!proc_i(f->inode)->node->show)
		return -EINVAL;
	mutex_lock(&t->mutex);
	if (*pos == 0 || !t->text.buf)
		err = text_make(t, f->inode);
	ret = err ? kerr_code(err) : text_give(&t->text, it, pos);
	mutex_unlock(&t->mutex);
	return ret;
}

static ssize_t text_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const struct pnode *n = proc_i(f->inode)->node;
	size_t len = it->count;
	struct pctx c;
	char *text;
	kerr_t err;

	(void)pos;
	if (!n->write)
		return -EINVAL;
	if (len > PAGE_SIZE - 1)
		return -EINVAL;
	text = kmalloc(len + 1, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	if (copy_from_iter(it, text, len) != len) {
		kfree(text);
		return -EFAULT;
	}
	text[len] = '\0';
	err = proc_ctx_get(f->inode, &c);
	if (!err) {
		c.arg = text;
		err = n->write(NULL, &c);
		proc_ctx_put(&c);
	}
	kfree(text);
	return err ? kerr_code(err) : (ssize_t)len;
}

const struct file_ops proc_text_fops = {.open = text_open, .release = text_release, .read_iter = text_read, .write_iter = text_write, .llseek = generic_llseek};
const struct file_ops proc_mounts_fops = {.open = proc_mounts_open, .release = text_release, .read_iter = text_read, .poll = proc_mounts_poll, .llseek = generic_llseek};

/* mode and owner can be asked and set within the life of the inode only */
static kerr_t proc_setattr(struct inode *inode, const struct attr *a)
{
	if (a->valid & (ATTR_MODE | ATTR_UID | ATTR_GID))
		return KERR(EPERM);
	return inode_setattr_simple(inode, a);
}

static const struct inode_ops proc_dir_ops = {.lookup = proc_lookup, .setattr = proc_setattr};
static const struct inode_ops proc_link_ops = {.readlink = proc_readlink, .setattr = proc_setattr};
static const struct inode_ops proc_magic_ops = {.readlink = proc_readlink, .follow = proc_follow, .setattr = proc_setattr};
static const struct inode_ops proc_file_ops = {.setattr = proc_setattr};
static const struct file_ops proc_dir_fops = {.iterate = proc_iterate, .llseek = generic_llseek};

/* ---------------------------------------------------------------- mount */
static kerr_t proc_statfs(struct super *sb, struct kstatfs *out)
{
	*out = (struct kstatfs){.type = sb->magic, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX};
	return 0;
}

static void proc_evict_inode(struct inode *inode)
{
	mapping_truncate(&inode->data, 0);
}

static const struct super_ops proc_super_ops = {
	.alloc_inode = proc_alloc_inode, .free_inode = proc_free_inode, .evict_inode = proc_evict_inode, .statfs = proc_statfs};
static const struct pnode root_node = {.name = "/", .mode = S_IFDIR | 0555, .children = proc_root_nodes};

kerr_t pnode_fill_super(struct super *sb, const struct pnode *top, u64 magic)
{
	struct inode *root;
	kerr_t err;

	sb->ops = &proc_super_ops;
	sb->magic = magic;
	sb->blocksize = 1024;
	sb->max_bytes = S64_MAX;
	sb->time_gran = 1;
	err = make_inode(sb, top, NULL, -1, &root);
	if (err)
		return err;
	root->ino = 1;
	return dentry_make_root(root, &sb->root);
}

static kerr_t proc_fill_super(struct super *sb, const char *data, bool silent)
{
	(void)data;
	(void)silent;
	return pnode_fill_super(sb, &root_node, PROC_MAGIC);
}

static const struct fs_type proc_type = {.name = "proc", .flags = FS_NODEV_LISTED, .fill_super = proc_fill_super};

kerr_t procfs_init(void)
{
	return fs_register(&proc_type);
}
