/* SPDX-License-Identifier: MIT */
/*
 * Mounts made step by step, in files that stand for them: fsopen(2), fspick(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2).
 * Specification: Documentation/filesystems/mount_api.rst of Linux; limits and errors are those of Linux 6.1.
 *
 *   fsopen("ext2") -> a struct fsconf; fsconfig: source and options, then FSCONFIG_CMD_CREATE -> its super; fsmount -> a file that holds a mount
 *   which hangs nowhere (mount.c); move_mount -> it has a place.
 *
 * Locking: fsconf.mutex for all of it.
 */
#include "vfs_priv.h"

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

enum fsconf_phase { CREATE_PARAMS, AWAITING_MOUNT, AWAITING_RECONF, RECONF_PARAMS, FAILED };
enum { FSCONFIG_SET_FLAG, FSCONFIG_SET_STRING, FSCONFIG_SET_BINARY, FSCONFIG_SET_PATH, FSCONFIG_SET_PATH_EMPTY, FSCONFIG_SET_FD, FSCONFIG_CMD_CREATE, FSCONFIG_CMD_RECONFIGURE };

#define WORD_MAX 256u /* a key or a value, with its NUL */
#define LOG_LINES 8u
#define OPTIONS_MAX (PATH_MAX - 2)

struct fsconf {
	const struct fs_type *type; /* [c] */
	struct mutex mutex;
	/* [mutex] */
	enum fsconf_phase phase;
	struct super *sb; /* an active reference, or NULL */
	char *source;
	unsigned flags, mask; /* MS_* of the super that were set, and which were named */
	char *options;	      /* "a,b=c", of path_buf_alloc(), or NULL */
	size_t len;
	char *log[LOG_LINES]; /* what went wrong, for read(2): a ring */
	unsigned log_at, log_n;
};

/* ---------------------------------------------------------------- what went wrong */
__printf(2, 3) static kerr_t complain(struct fsconf *c, const char *format, ...)
{
	char line[WORD_MAX + 96];
	unsigned at = (c->log_at + c->log_n) % LOG_LINES;
	va_list ap;

	va_start(ap, format);
	kvsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (c->log_n == LOG_LINES) {
		kfree(c->log[at]);
		c->log_at = (c->log_at + 1) % LOG_LINES;
	} else {
		c->log_n++;
	}
	c->log[at] = kstrdup(line, GFP_KERNEL); /* NULL: the line is lost */
	return KERR(EINVAL);
}

static ssize_t fsconf_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct fsconf *c = f->priv;
	const char *line;
	ssize_t ret = -ENODATA;

	(void)pos;
	if (mutex_lock_interruptible(&c->mutex))
		return -ERESTARTSYS;
	if (c->log_n) {
		line = c->log[c->log_at] ? c->log[c->log_at] : "";
		ret = (ssize_t)strlen(line);
		if ((size_t)ret > it->count) {
			ret = -EMSGSIZE;
		} else {
			if (copy_to_iter(it, line, (size_t)ret) != (size_t)ret)
				ret = -EFAULT;
			kfree(c->log[c->log_at]);
			c->log[c->log_at] = NULL;
			c->log_at = (c->log_at + 1) % LOG_LINES;
			c->log_n--;
		}
	}
	mutex_unlock(&c->mutex);
	return ret;
}

/* ---------------------------------------------------------------- life */
/* What was said up to now has been used. */
static void forget_params(struct fsconf *c)
{
	kfree(c->source);
	c->source = NULL;
	if (c->options)
		path_buf_free(c->options);
	c->options = NULL;
	c->len = 0;
	c->flags = c->mask = 0;
}

static void fsconf_free(struct fsconf *c)
{
	forget_params(c);
	for (unsigned i = 0; i < LOG_LINES; i++)
		kfree(c->log[i]);
	if (c->sb)
		super_put(c->sb);
	kfree(c);
}

static void fsconf_release(struct inode *inode, struct file *f)
{
	(void)inode;
	fsconf_free(f->priv);
}

static const struct file_ops fsconf_fops = { .read_iter = fsconf_read, .llseek = noop_llseek, .release = fsconf_release };

/* sb: an active reference that is consumed, or NULL. */
static long fsconf_install(const struct fs_type *t, struct super *sb, enum fsconf_phase phase, bool cloexec)
{
	struct fsconf *c = kzalloc(sizeof(*c), GFP_KERNEL);
	long fd;

	if (!c) {
		if (sb)
			super_put(sb);
		return -ENOMEM;
	}
	c->type = t;
	c->sb = sb;
	c->phase = phase;
	mutex_init(&c->mutex, RANK_FSCONF, "fsconf");
	fd = fd_install_anon("anon_inode:[fscontext]", &fsconf_fops, c, O_RDWR | (cloexec ? O_CLOEXEC : 0));
	if (fd < 0)
		fsconf_free(c);
	return fd;
}

#define FSOPEN_CLOEXEC 1u

/* A short string of the program's. KERR(EINVAL): too long. */
static kerr_t word_in(const char __user *user, char *buf)
{
	kerr_t err = copy_string_from_user(buf, user, WORD_MAX);

	return kerr_is(err, ENAMETOOLONG) ? KERR(EINVAL) : err;
}

long sys_fsopen(const char __user *type, unsigned flags)
{
	const struct fs_type *t;
	char name[WORD_MAX];
	kerr_t err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & ~FSOPEN_CLOEXEC)
		return -EINVAL;
	err = word_in(type, name);
	if (err)
		return kerr_code(err);
	t = fs_find(name);
	return t ? fsconf_install(t, NULL, CREATE_PARAMS, flags & FSOPEN_CLOEXEC) : -ENODEV;
}

#define FSPICK_CLOEXEC 1u
#define FSPICK_SYMLINK_NOFOLLOW 2u
#define FSPICK_NO_AUTOMOUNT 4u
#define FSPICK_EMPTY_PATH 8u

long sys_fspick(int dirfd, const char __user *name, unsigned flags)
{
	struct path p;
	kerr_t err;
	long ret = -EINVAL;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & ~(FSPICK_CLOEXEC | FSPICK_SYMLINK_NOFOLLOW | FSPICK_NO_AUTOMOUNT | FSPICK_EMPTY_PATH))
		return -EINVAL;
	err = user_path(dirfd, name, (flags & FSPICK_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & FSPICK_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);
	if (err)
		return kerr_code(err);
	if (p.dentry == p.mnt->root) {
		atomic_inc(&p.mnt->sb->active);
		ret = fsconf_install(p.mnt->sb->type, p.mnt->sb, RECONF_PARAMS, flags & FSPICK_CLOEXEC);
	}
	path_put(&p);
	return ret;
}

/* ---------------------------------------------------------------- parameters */
/* Words that mean the same to all file systems. False: it is none of them. */
static bool set_common_flag(struct fsconf *c, const char *key)
{
	static const struct {
		const char *word;
		unsigned set, clear;
	} words[] = {{"dirsync", MS_DIRSYNC, 0}, {"lazytime", MS_LAZYTIME, 0}, {"mand", MS_MANDLOCK, 0}, {"ro", MS_RDONLY, 0}, {"sync", MS_SYNCHRONOUS, 0},
		     {"async", 0, MS_SYNCHRONOUS}, {"nolazytime", 0, MS_LAZYTIME}, {"nomand", 0, MS_MANDLOCK}, {"rw", 0, MS_RDONLY}};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(key, words[i].word)) {
			c->flags = (c->flags & ~words[i].clear) | words[i].set;
			c->mask |= words[i].set | words[i].clear;
			return true;
		}
	return false;
}

static kerr_t set_source(struct fsconf *c, const char *value)
{
	if (!value)
		return complain(c, "e Non-string source\n");
	if (c->source)
		return complain(c, "e Multiple sources\n");
	c->source = kstrdup(value, GFP_KERNEL);
	return c->source ? KERR(0) : KERR(ENOMEM);
}

/* value NULL: a flag. */
static kerr_t add_option(struct fsconf *c, const char *key, const char *value)
{
	kerr_t err;
	int n;

	if (strchr(key, ',') || (value && strchr(value, ',')))
		return complain(c, "e VFS: Legacy: Option '%s' contained comma\n", key);
	if (!c->options) {
		c->options = path_buf_alloc();
		if (!c->options)
			return KERR(ENOMEM);
	}
	n = ksnprintf(c->options + c->len, OPTIONS_MAX - c->len, "%s%s%s%s", c->len ? "," : "", key, value ? "=" : "", value ? value : "");
	if ((size_t)n >= OPTIONS_MAX - c->len) {
		c->options[c->len] = 0;
		return complain(c, "e VFS: Legacy: Cumulative options too large\n");
	}
	if (c->type->check_option) {
		err = c->type->check_option(c->options + c->len + (c->len ? 1 : 0));
		if (err) {
			c->options[c->len] = 0;
			return kerr_is(err, ENOENT) ? complain(c, "e %s: Unknown parameter '%s'\n", c->type->name, key) :
						      complain(c, "e %s: Bad value for '%s'\n", c->type->name, key);
		}
	}
	c->len += (size_t)n;
	return 0;
}

static kerr_t set_param(struct fsconf *c, const char *key, const char *value)
{
	if (c->phase != CREATE_PARAMS && c->phase != RECONF_PARAMS)
		return KERR(EBUSY);
	if (set_common_flag(c, key))
		return 0;
	return strcmp(key, "source") ? add_option(c, key, value) : set_source(c, value);
}

/* A parameter that is a file or bytes: no file system here has one. */
static kerr_t refuse_param(struct fsconf *c, const char *key)
{
	if (c->phase != CREATE_PARAMS && c->phase != RECONF_PARAMS)
		return KERR(EBUSY);
	if (set_common_flag(c, key))
		return 0;
	return strcmp(key, "source") ? complain(c, "e %s: Unknown parameter '%s'\n", c->type->name, key) : set_source(c, NULL);
}

static kerr_t create(struct fsconf *c)
{
	kerr_t err;

	if (c->phase != CREATE_PARAMS)
		return KERR(EBUSY);
	if (!capable(CAP_SYS_ADMIN)) /* the file may have been given to others */
		return KERR(EPERM);
	err = super_get(c->type, c->source, c->flags, c->options, &c->sb);
	c->phase = err ? FAILED : AWAITING_MOUNT;
	return err;
}

static kerr_t reconfigure(struct fsconf *c)
{
	kerr_t err;

	if (c->phase != RECONF_PARAMS)
		return KERR(EBUSY);
	if (!capable(CAP_SYS_ADMIN))
		return KERR(EPERM);
	mutex_lock(&vfs()->mount_mutex);
	err = mount_remount_super(c->sb, (c->sb->flags & ~c->mask) | (c->flags & c->mask), c->options);
	mutex_unlock(&vfs()->mount_mutex);
	forget_params(c);
	c->phase = err ? FAILED : AWAITING_RECONF;
	return err;
}

static kerr_t fsconf_do(struct fsconf *c, unsigned cmd, const char *key, const char *value)
{
	kerr_t err = mutex_lock_interruptible(&c->mutex);

	if (err)
		return err;
	if (c->phase == AWAITING_RECONF)
		c->phase = RECONF_PARAMS;
	if (cmd == FSCONFIG_CMD_CREATE)
		err = create(c);
	else if (cmd == FSCONFIG_CMD_RECONFIGURE)
		err = reconfigure(c);
	else if (cmd != FSCONFIG_SET_FLAG && cmd != FSCONFIG_SET_STRING)
		err = refuse_param(c, key);
	else
		err = set_param(c, key, value);
	mutex_unlock(&c->mutex);
	return err;
}

/* Which of the arguments a command has. */
static long check_args(unsigned cmd, bool key, bool value, int aux)
{
	switch (cmd) {
	case FSCONFIG_SET_FLAG:
		return !key || value || aux ? -EINVAL : 0;
	case FSCONFIG_SET_STRING:
		return !key || !value || aux ? -EINVAL : 0;
	case FSCONFIG_SET_BINARY:
		return !key || !value || aux <= 0 || aux > 1024 * 1024 ? -EINVAL : 0;
	case FSCONFIG_SET_PATH:
	case FSCONFIG_SET_PATH_EMPTY:
		return !key || !value || (aux != AT_FDCWD && aux < 0) ? -EINVAL : 0;
	case FSCONFIG_SET_FD:
		return !key || value || aux < 0 ? -EINVAL : 0;
	case FSCONFIG_CMD_CREATE:
	case FSCONFIG_CMD_RECONFIGURE:
		return key || value || aux ? -EINVAL : 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* The configuration behind fd, its file referenced. */
static long fsconf_file(int fd, struct file **out)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	if (f->ops != &fsconf_fops) {
		file_put(f);
		return -EINVAL;
	}
	*out = f;
	return 0;
}

static kerr_t fsconfig_strings(struct fsconf *c, unsigned cmd, const char __user *ukey, const char __user *uvalue)
{
	char *words = kmalloc(2 * WORD_MAX, GFP_KERNEL), *value = words + WORD_MAX;
	kerr_t err = words ? KERR(0) : KERR(ENOMEM);

	if (!err && ukey)
		err = word_in(ukey, words);
	if (!err && uvalue)
		err = word_in(uvalue, value);
	if (!err)
		err = fsconf_do(c, cmd, words, uvalue ? value : NULL);
	kfree(words);
	return err;
}

/* What is refused in the end has to be there first. */
static kerr_t fsconfig_object(struct fsconf *c, unsigned cmd, const char __user *ukey, const void __user *value, int aux)
{
	struct file *f;
	char *name;
	kerr_t err = 0;

	if (!c->type->check_option)
		return KERR(EOPNOTSUPP);
	if (cmd == FSCONFIG_SET_FD) {
		f = fd_get(aux);
		if (!f)
			return KERR(EBADF);
		file_put(f);
	} else if (cmd != FSCONFIG_SET_BINARY) {
		err = getname((const char __user *)value, cmd == FSCONFIG_SET_PATH_EMPTY, &name);
		if (!err)
			putname(name);
	}
	return err ? err : fsconfig_strings(c, cmd, ukey, NULL);
}

long sys_fsconfig(int fd, unsigned cmd, const char __user *key, const void __user *value, int aux)
{
	struct file *f;
	long ret;

	if (fd < 0)
		return -EINVAL;
	ret = check_args(cmd, key, value, aux);
	if (!ret)
		ret = fsconf_file(fd, &f);
	if (ret)
		return ret;
	if (cmd >= FSCONFIG_SET_BINARY && cmd <= FSCONFIG_SET_FD)
		ret = kerr_code(fsconfig_object(f->priv, cmd, key, value, aux));
	else
		ret = kerr_code(fsconfig_strings(f->priv, cmd, key, (const char __user *)value));
	file_put(f);
	return ret;
}

/* ---------------------------------------------------------------- mounts in files */
#define FSMOUNT_CLOEXEC 1u

static long install_mount_file(kerr_t err, struct file *f, bool cloexec)
{
	long fd;

	if (err)
		return kerr_code(err);
	fd = fd_install(f, cloexec ? O_CLOEXEC : 0);
	if (fd < 0)
		file_put(f);
	return fd;
}

static kerr_t fsconf_mount(struct fsconf *c, unsigned mflags, struct file **out)
{
	kerr_t err = mutex_lock_interruptible(&c->mutex);

	if (err)
		return err;
	if (!c->sb)
		err = KERR(EINVAL);
	else if (c->phase != AWAITING_MOUNT)
		err = KERR(EBUSY);
	else
		err = mount_open_super(c->sb, c->source, mflags, out);
	if (!err) {
		forget_params(c);
		c->phase = AWAITING_RECONF;
	}
	mutex_unlock(&c->mutex);
	return err;
}

long sys_fsmount(int fd, unsigned flags, unsigned attr)
{
	struct file *conf, *f = NULL;
	unsigned mflags;
	kerr_t err;
	long ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & ~FSMOUNT_CLOEXEC)
		return -EINVAL;
	err = mount_attr_to_flags(attr, &mflags);
	if (err)
		return kerr_code(err);
	ret = fsconf_file(fd, &conf);
	if (ret)
		return ret;
	err = fsconf_mount(conf->priv, mflags, &f);
	file_put(conf);
	return install_mount_file(err, f, flags & FSMOUNT_CLOEXEC);
}

#define OPEN_TREE_CLONE 1u
#define AT_RECURSIVE 0x8000u

long sys_open_tree(int dirfd, const char __user *name, unsigned flags)
{
	struct file *f = NULL;
	struct path p;
	kerr_t err;

	if (flags & ~(AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | OPEN_TREE_CLONE | O_CLOEXEC))
		return -EINVAL;
	if ((flags & (AT_RECURSIVE | OPEN_TREE_CLONE)) == AT_RECURSIVE)
		return -EINVAL;
	if ((flags & OPEN_TREE_CLONE) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path(dirfd, name, (flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW) | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);
	if (err)
		return kerr_code(err);
	err = flags & OPEN_TREE_CLONE ? mount_open_copy(&p, flags & AT_RECURSIVE, &f) : file_open_path(&p, O_PATH, current_cred(), &f);
	path_put(&p);
	return install_mount_file(err, f, flags & O_CLOEXEC);
}

#define MOVE_MOUNT_F_SYMLINKS 1u
#define MOVE_MOUNT_F_AUTOMOUNTS 2u
#define MOVE_MOUNT_F_EMPTY_PATH 4u
#define MOVE_MOUNT_T_SHIFT 4
#define MOVE_MOUNT_SET_GROUP 0x100u
#define MOVE_MOUNT_VALID 0x177u

static unsigned move_lookup(unsigned flags)
{
	return (flags & MOVE_MOUNT_F_SYMLINKS ? LOOKUP_FOLLOW : 0) | (flags & MOVE_MOUNT_F_EMPTY_PATH ? LOOKUP_EMPTY : 0);
}

long sys_move_mount(int from_dirfd, const char __user *from, int to_dirfd, const char __user *to, unsigned flags)
{
	struct path src, at;
	kerr_t err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (flags & ~MOVE_MOUNT_VALID)
		return -EINVAL;
	err = user_path(from_dirfd, from, move_lookup(flags), &src);
	if (err)
		return kerr_code(err);
	err = user_path(to_dirfd, to, move_lookup(flags >> MOVE_MOUNT_T_SHIFT), &at);
	if (!err) {
		err = flags & MOVE_MOUNT_SET_GROUP ? mount_set_group(&src, &at) : mount_move(&src, &at);
		path_put(&at);
	}
	path_put(&src);
	return kerr_code(err);
}
