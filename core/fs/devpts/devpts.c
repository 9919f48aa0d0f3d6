/* SPDX-License-Identifier: MIT */
/*
 * devpts: a directory with the slaves of the open pseudo-terminals, and ptmx. There is one instance, shared by all mounts (`newinstance` is
 * taken and means the same). Nothing is stored here: lookup and readdir ask the table of pairs; owner and mode live in the pair.
 *
 * A dentry is good as long as its pair is: revalidate compares the serial number in inode.generation. Inode numbers hold it too, so that a
 * new pair never meets an old one's inode.
 * Locking: the table's own spinlock (core/tty/pty.c).  Specification: pts(4), mount(8) "devpts".
 */
#include "../../tty/tty_priv.h"

#include <maestro/fs.h>
#include <maestro/lib.h>

#define DEVPTS_MAGIC 0x1cd1
#define ROOT_INO 1
#define PTMX_INO 2
#define FIRST_INO 3

static ino_t pts_ino(unsigned index, u32 serial)
{
	return (ino_t)FIRST_INO + index + ((ino_t)((serial - 1) & 0xfff) * PTY_MAX);
}

/* ---- options ---- */
struct options {
	bool gid_set;
	u32 uid, gid, mode, ptmxmode, max;
};

static kerr_t option_number(const char *text, unsigned base, u64 limit, u32 *out)
{
	u64 v;
	kerr_t err = kstrtou64(&text, base, &v);

	if (err || (*text && *text != ',') || v > limit)
		return KERR(EINVAL);
	*out = (u32)v;
	return 0;
}

static const char *option_value(const char *at, const char *name)
{
	size_t n = strlen(name);

	return strncmp(at, name, n) ? NULL : at + n;
}

static kerr_t parse_one(const char *at, struct options *o)
{
	static const char *const flags[] = { "newinstance", "rw", "ro", "nosuid", "noexec", "relatime", "noatime" };
	size_t len = strchr(at, ',') ? (size_t)(strchr(at, ',') - at) : strlen(at);
	const char *v;

	v = option_value(at, "gid=");
	if (v) {
		o->gid_set = true;
		return option_number(v, 10, U32_MAX, &o->gid);
	}
	v = option_value(at, "mode=");
	if (v)
		return option_number(v, 8, 07777, &o->mode);
	v = option_value(at, "ptmxmode=");
	if (v)
		return option_number(v, 8, 07777, &o->ptmxmode);
	v = option_value(at, "max=");
	if (v)
		return option_number(v, 10, PTY_MAX, &o->max);
	for (unsigned i = 0; i < ARRAY_SIZE(flags); i++)
		if (strlen(flags[i]) == len && !strncmp(at, flags[i], len))
			return 0;
	return len ? KERR(EINVAL) : KERR(0);
}

static kerr_t apply_options(const char *data)
{
	struct tty_state *s = tty_state();
	struct options o = { .mode = 0600, .max = PTY_MAX };
	unsigned long flags;

	while (data && *data) {
		kerr_t err = parse_one(data, &o);

		if (err)
			return err;
		data = strchr(data, ',');
		if (data)
			data++;
	}
	flags = spin_lock_irqsave(&s->pty_lock);
	s->devpts.gid_set = o.gid_set;
	s->devpts.gid = o.gid;
	s->devpts.mode = o.mode & 0777;
	s->devpts.ptmxmode = o.ptmxmode & 0777;
	s->devpts.max = o.max;
	spin_unlock_irqrestore(&s->pty_lock, flags);
	return 0;
}

/* ---- inodes ---- */
static kerr_t pts_setattr(struct inode *inode, const struct attr *a)
{
	kerr_t err = inode_setattr_simple(inode, a);

	if (!err && inode->ino >= FIRST_INO)
		pty_set_attr(DEV_MINOR(inode->rdev), inode->generation, inode->uid, inode->gid, inode->mode);
	return err;
}

static const struct inode_ops pts_inode_ops = { .setattr = pts_setattr };

static bool pts_revalidate(struct dentry *d)
{
	if (!d->inode)
		return false;
	return d->inode->ino == PTMX_INO || pty_alive(DEV_MINOR(d->inode->rdev), d->inode->generation);
}

static const struct dentry_ops pts_dentry_ops = { .revalidate = pts_revalidate };

static kerr_t get_node(struct super *sb, const struct pts_info *info, struct inode **out)
{
	bool ptmx = !info;
	struct inode *inode;
	kerr_t err = inode_get_locked(sb, ptmx ? PTMX_INO : pts_ino(info->index, info->serial), &inode);

	if (err)
		return err;
	if (inode->state & I_NEW) {
		mode_t mode = S_IFCHR | (ptmx ? tty_state()->devpts.ptmxmode : info->mode);

		inode->mode = mode;
		inode->uid = ptmx ? 0 : info->uid;
		inode->gid = ptmx ? 0 : info->gid;
		inode->nlink = 1;
		inode->generation = ptmx ? 0 : info->serial;
		inode->atime = inode->mtime = inode->ctime = ktime_get_real_coarse_ts();
		inode->ops = &pts_inode_ops;
		inode_init_special(inode, mode, ptmx ? DEV(TTYAUX_MAJOR, 2) : DEV(PTS_MAJOR, info->index));
		inode_unlock_new(inode);
	}
	*out = inode;
	return 0;
}

/* A decimal index without leading zeros. */
static bool parse_index(const struct name *n, unsigned *out)
{
	unsigned v = 0;

	if (n->len == 0 || n->len > 4 || (n->len > 1 && n->str[0] == '0'))
		return false;
	for (u32 i = 0; i < n->len; i++) {
		if (n->str[i] < '0' || n->str[i] > '9')
			return false;
		v = v * 10 + (unsigned)(n->str[i] - '0');
	}
	*out = v;
	return true;
}

static kerr_t devpts_lookup(struct inode *dir, struct dentry *d)
{
	struct inode *inode = NULL;
	struct pts_info info;
	unsigned index;
	kerr_t err = 0;

	d->ops = &pts_dentry_ops;
	if (d->name.len == 4 && !memcmp(d->name.str, "ptmx", 4))
		err = get_node(dir->sb, NULL, &inode);
	else if (parse_index(&d->name, &index) && pty_info(index, &info))
		err = get_node(dir->sb, &info, &inode);
	if (err)
		return err;
	dentry_splice(d, inode);
	return 0;
}

static const struct inode_ops root_ops = { .lookup = devpts_lookup };

/* Cookies: 1 after ".", 2 after "..", 3 after ptmx, 4 + index after a slave. */
static kerr_t devpts_iterate(struct file *f, struct dir_context *ctx)
{
	struct pts_info info;
	char name[12];
	unsigned index;

	(void)f;
	if (ctx->pos == 0) {
		if (!ctx->actor(ctx, ".", 1, ROOT_INO, DT_DIR, 1))
			return 0;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		ino_t up = f->path.dentry->parent->inode ? f->path.dentry->parent->inode->ino : ROOT_INO;

		if (!ctx->actor(ctx, "..", 2, up, DT_DIR, 2))
			return 0;
		ctx->pos = 2;
	}
	if (ctx->pos == 2) {
		if (!ctx->actor(ctx, "ptmx", 4, PTMX_INO, DT_CHR, 3))
			return 0;
		ctx->pos = 3;
	}
	while (ctx->pos < 3 + PTY_MAX && ctx->pos >= 3 && pty_next((unsigned)ctx->pos - 3, &index)) {
		size_t n = (size_t)kscnprintf(name, sizeof(name), "%u", index);
		loff_t next = (loff_t)index + 4;

		if (pty_info(index, &info) && !ctx->actor(ctx, name, n, pts_ino(index, info.serial), DT_CHR, next))
			return 0;
		ctx->pos = next;
	}
	return 0;
}

static loff_t devpts_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static ssize_t dir_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	(void)f;
	(void)it;
	(void)pos;
	return -EISDIR;
}

static const struct file_ops root_fops = { .read_iter = dir_read, .iterate = devpts_iterate, .llseek = devpts_llseek };

/* ---- super ---- */
static kerr_t devpts_statfs(struct super *sb, struct kstatfs *out)
{
	*out = (struct kstatfs){ .type = sb->magic, .bsize = PAGE_SIZE, .frsize = PAGE_SIZE, .namelen = NAME_MAX };
	return 0;
}

static kerr_t devpts_remount(struct super *sb, unsigned *ms_flags, const char *data)
{
	struct inode *ptmx;
	kerr_t err = apply_options(data);

	(void)ms_flags;
	if (err)
		return err;
	ptmx = inode_find(sb, PTMX_INO);
	if (ptmx) {
		ptmx->mode = S_IFCHR | tty_state()->devpts.ptmxmode;
		inode_put(ptmx);
	}
	return 0;
}

static void devpts_show_options(struct super *sb, struct seq_buf *s)
{
	const struct tty_state *t = tty_state();

	(void)sb;
	if (t->devpts.gid_set)
		seq_printf(s, ",gid=%u", t->devpts.gid);
	seq_printf(s, ",mode=%03o,ptmxmode=%03o", t->devpts.mode, t->devpts.ptmxmode);
	if (t->devpts.max < PTY_MAX)
		seq_printf(s, ",max=%u", t->devpts.max);
}

static const struct super_ops devpts_super_ops = {
	.statfs = devpts_statfs,
	.remount = devpts_remount,
	.show_options = devpts_show_options,
};

static kerr_t devpts_fill_super(struct super *sb, const char *data, bool silent)
{
	struct inode *root;
	kerr_t err = apply_options(data);

	(void)silent;
	if (err)
		return err;
	sb->ops = &devpts_super_ops;
	sb->magic = DEVPTS_MAGIC;
	sb->blocksize = 1024;
	sb->max_bytes = S64_MAX;
	sb->time_gran = 1;
	err = inode_get_locked(sb, ROOT_INO, &root);
	if (err)
		return err;
	root->mode = S_IFDIR | 0755;
	root->nlink = 2;
	root->ops = &root_ops;
	root->fops = &root_fops;
	root->atime = root->mtime = root->ctime = ktime_get_real_coarse_ts();
	inode_unlock_new(root);
	return dentry_make_root(root, &sb->root);
}

static const struct fs_type devpts_type = { .name = "devpts", .flags = FS_SINGLE | FS_NODEV_LISTED, .fill_super = devpts_fill_super };

kerr_t devpts_init(void)
{
	return fs_register(&devpts_type);
}
