/* SPDX-License-Identifier: MIT */
/*
 * The text of /proc/PID/mounts and mountinfo (proc(5), fstab(5)): the mounts that current can reach from its root, oldest first.
 * Locking: mount_for_each holds the mount mutex.
 */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/vfs.h>

#include "vfs_priv.h"

struct text {
	struct seq_buf *s;
	struct path root;
	char *buf;
	bool info;
};

static void show_flags(struct seq_buf *s, const struct mount *m)
{
	static const struct {
		u32 bit;
		const char *word;
	} words[] = {{MS_NOSUID, ",nosuid"}, {MS_NODEV, ",nodev"}, {MS_NOEXEC, ",noexec"}, {MS_NOATIME, ",noatime"}, {MS_NODIRATIME, ",nodiratime"},
		     {MS_RELATIME, ",relatime"}, {MS_NOSYMFOLLOW, ",nosymfollow"}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (m->flags & words[i].bit)
			seq_puts(s, words[i].word);
}

static void show_super_options(struct seq_buf *s, struct super *sb)
{
	if (sb->flags & MS_SYNCHRONOUS)
		seq_puts(s, ",sync");
	if (sb->flags & MS_DIRSYNC)
		seq_puts(s, ",dirsync");
	if (sb->flags & MS_LAZYTIME)
		seq_puts(s, ",lazytime");
	if (sb->ops->show_options)
		sb->ops->show_options(sb, s);
}

static void show_mount(struct seq_buf *s, struct mount *m, const char *where)
{
	bool ro = (m->flags | m->sb->flags) & MS_RDONLY;

	seq_escape(s, m->source ? m->source : "none", " \t\n\\");
	seq_puts(s, " ");
	seq_escape(s, where, " \t\n\\");
	seq_printf(s, " %s %s", m->sb->type->name, ro ? "ro" : "rw");
	show_flags(s, m);
	show_super_options(s, m->sb);
	seq_puts(s, " 0 0\n");
}

static void show_mountinfo(struct seq_buf *s, struct mount *m, const char *where)
{
	struct path inside = {NULL, m->root}, top = {NULL, m->sb->root}; /* in the file system, whatever is mounted where */
	char *buf = path_buf_alloc(), *text = NULL;
	bool unreachable;

	if (buf && m->root != m->sb->root)
		text = path_text(&inside, &top, buf, PATH_MAX, &unreachable);
	seq_printf(s, "%d %d %u:%u ", m->id, m->parent ? m->parent->id : m->id, DEV_MAJOR(m->sb->dev), DEV_MINOR(m->sb->dev));
	seq_escape(s, text ? text : "/", " \t\n\\");
	seq_puts(s, " ");
	seq_escape(s, where, " \t\n\\");
	seq_puts(s, m->flags & MS_RDONLY ? " ro" : " rw");
	show_flags(s, m);
	if (m->peer_group)
		seq_printf(s, " shared:%d", m->peer_group);
	if (m->master)
		seq_printf(s, " master:%d", m->master->peer_group);
	if (m->unbindable)
		seq_puts(s, " unbindable");
	seq_printf(s, " - %s ", m->sb->type->name);
	seq_escape(s, m->source ? m->source : "none", " \t\n\\");
	seq_puts(s, m->sb->flags & MS_RDONLY ? " ro" : " rw");
	show_super_options(s, m->sb);
	seq_puts(s, "\n");
	if (buf)
		path_buf_free(buf);
}

static void show_one(struct mount *m, void *arg)
{
	struct text *t = arg;
	struct path at = {m, m->root};
	bool unreachable = false;
	char *where = path_text(&at, &t->root, t->buf, PATH_MAX, &unreachable);

	if (!where || unreachable)
		return;
	if (t->info)
		show_mountinfo(t->s, m, where);
	else
		show_mount(t->s, m, where);
}

void vfs_show_mounts(struct seq_buf *s, bool info)
{
	struct text t = {.s = s, .buf = path_buf_alloc(), .info = info};

	if (!t.buf) {
		s->failed = true;
		return;
	}
	fs_ctx_get_root(&t.root);
	mount_for_each(show_one, &t);
	path_put(&t.root);
	path_buf_free(t.buf);
}
