/* SPDX-License-Identifier: MIT */
/* mq_open(2) and the rest of the POSIX message queue calls; mq_getsetattr(2). SIGEV_THREAD would need a netlink socket: ENOSYS. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/signal.h>
#include <hal/time.h>
#include <maestro/lib.h>
#include <maestro/posix_timer.h>
#include <maestro/time_user.h>

#include "mqueue.h"

struct mq_attr_user { /* struct mq_attr of mq_getattr(3) */
	long flags, maxmsg, msgsize, curmsgs, reserved[4];
};

/* ---------------------------------------------------------------- open, unlink */

/* A plain name, as the lookup of one component has it. */
static kerr_t check_name(const char *name)
{
	if (!*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return KERR(EACCES);
	return strlen(name) > NAME_MAX ? KERR(ENAMETOOLONG) : KERR(0);
}

static kerr_t queue_path(const char *name, u32 flags, mode_t mode, const struct mq_attr_k *attr, struct path *out)
{
	static const unsigned access[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE };
	struct mount *mnt = mq_state()->mnt;
	struct path root = { mnt, mnt->root };
	kerr_t err = path_lookup_at(&root, name, LOOKUP_NO_SYMLINKS, out);

	if (kerr_code(err) == -ENOENT && (flags & O_CREAT))
		return mq_create_named(name, mode & ~current->fs->umask, attr, out);
	if (!err && (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		err = KERR(EEXIST);
	else if (!err && (flags & O_ACCMODE) == O_ACCMODE)
		err = KERR(EINVAL);
	else if (!err)
		err = inode_permission(out->dentry->inode, access[flags & O_ACCMODE]);
	else
		return err;
	if (err)
		path_put(out);
	return err;
}

static kerr_t open_named(const char *name, u32 flags, mode_t mode, const struct mq_attr_k *attr, struct file **out)
{
	struct path p;
	kerr_t err = check_name(name);

	if (err)
		return err;
	mutex_lock(&mq_state()->mutex);
	err = queue_path(name, flags, mode, attr, &p);
	mutex_unlock(&mq_state()->mutex);
	if (err)
		return err;
	err = file_open_path(&p, flags & (O_ACCMODE | O_NONBLOCK), current_cred(), out);
	path_put(&p);
	return err;
}

long sys_mq_open(const char __user *uname, int flags, mode_t mode, const void __user *uattr)
{
	struct mq_attr_user a;
	struct mq_attr_k attr;
	struct file *f;
	char *name;
	kerr_t err;
	long fd;

	if (uattr && copy_from_user(&a, uattr, sizeof(a)))
		return -EFAULT;
	err = getname(uname, false, &name);
	if (err)
		return kerr_code(err);
	if (uattr)
		attr = (struct mq_attr_k) { a.maxmsg, a.msgsize };
	err = open_named(name, (u32)flags, mode, uattr ? &attr : NULL, &f);
	putname(name);
	if (err)
		return kerr_code(err);
	fd = fd_install(f, O_CLOEXEC);
	if (fd < 0)
		file_put(f);
	return fd;
}

long sys_mq_unlink(const char __user *uname)
{
	struct mount *mnt = mq_state()->mnt;
	struct path root = { mnt, mnt->root };
	char *name;
	kerr_t err = getname(uname, false, &name);

	if (err)
		return kerr_code(err);
	err = check_name(name);
	if (!err)
		err = vfs_unlink(&root, name);
	putname(name);
	return kerr_code(err);
}

/* ---------------------------------------------------------------- send, receive */

/* The queue's file, referenced. KERR(EBADF): no queue, or not open for that. */
static kerr_t queue_file(int fd, u32 mode, struct file **out)
{
	struct file *f = fd_get(fd);

	if (!f)
		return KERR(EBADF);
	if (f->ops != &mq_file_fops || (mode && !(f->mode & mode))) {
		file_put(f);
		return KERR(EBADF);
	}
	*out = f;
	return 0;
}

/* Absolute, on CLOCK_REALTIME. KERR(EFAULT), KERR(EINVAL). */
static kerr_t queue_deadline(const void __user *timeout, bool time64, ktime_t *deadline)
{
	struct timespec64 t;
	kerr_t err;

	*deadline = S64_MAX;
	if (!timeout)
		return 0;
	err = get_timespec(&t, timeout, time64);
	if (err)
		return err;
	return timespec_valid(t) ? clock_to_deadline(CLOCK_REALTIME, timespec_to_ns(t), deadline) : KERR(EINVAL);
}

static kerr_t send_from_user(struct file *f, const void __user *text, size_t len, unsigned prio, ktime_t deadline)
{
	struct mq_queue *q = mq_of(f->inode);
	struct mq_msg *m;
	kerr_t err;

	if (len > (size_t)q->attr.msgsize)
		return KERR(EMSGSIZE);
	m = kmalloc(sizeof(*m) + len, GFP_KERNEL);
	if (!m)
		return KERR(ENOMEM);
	list_init(&m->node);
	m->size = len;
	m->prio = prio;
	err = copy_from_user(m->text, text, len);
	if (!err)
		err = mq_send(q, m, f->flags & O_NONBLOCK, deadline);
	if (err)
		kfree(m);
	else
		inode_touch(f->inode, ATTR_ATIME | ATTR_MTIME | ATTR_CTIME);
	return err;
}

static long timedsend(int fd, const void __user *text, size_t len, unsigned prio, const void __user *timeout, bool time64)
{
	ktime_t deadline;
	struct file *f;
	kerr_t err = queue_deadline(timeout, time64, &deadline);

	if (!err && prio >= MQ_PRIO_MAX)
		err = KERR(EINVAL);
	if (!err)
		err = queue_file(fd, FMODE_WRITE, &f);
	if (err)
		return kerr_code(err);
	err = send_from_user(f, text, len, prio, deadline);
	file_put(f);
	return kerr_code(err);
}

static long receive_to_user(struct file *f, void __user *text, size_t len, u32 __user *prio, ktime_t deadline)
{
	struct mq_queue *q = mq_of(f->inode);
	struct mq_msg *m;
	kerr_t err;
	long ret;

	if (len < (size_t)q->attr.msgsize)
		return -EMSGSIZE;
	err = mq_receive(q, f->flags & O_NONBLOCK, deadline, &m);
	if (err)
		return kerr_code(err);
	inode_touch(f->inode, ATTR_ATIME | ATTR_MTIME | ATTR_CTIME);
	ret = (long)m->size;
	if ((prio && put_user(m->prio, prio)) || copy_to_user(text, m->text, m->size))
		ret = -EFAULT;
	kfree(m);
	return ret;
}

static long timedreceive(int fd, void __user *text, size_t len, void __user *prio, const void __user *timeout, bool time64)
{
	ktime_t deadline;
	struct file *f;
	kerr_t err = queue_deadline(timeout, time64, &deadline);
	long ret;

	if (!err)
		err = queue_file(fd, FMODE_READ, &f);
	if (err)
		return kerr_code(err);
	ret = receive_to_user(f, text, len, prio, deadline);
	file_put(f);
	return ret;
}

long sys_mq_timedsend(int fd, const void __user *msg, size_t len, unsigned prio, const void __user *timeout)
{
	return timedsend(fd, msg, len, prio, timeout, false);
}

long sys_mq_timedsend_time64(int fd, const void __user *msg, size_t len, unsigned prio, const void __user *timeout)
{
	return timedsend(fd, msg, len, prio, timeout, true);
}

long sys_mq_timedreceive(int fd, void __user *msg, size_t len, void __user *prio, const void __user *timeout)
{
	return timedreceive(fd, msg, len, prio, timeout, false);
}

long sys_mq_timedreceive_time64(int fd, void __user *msg, size_t len, void __user *prio, const void __user *timeout)
{
	return timedreceive(fd, msg, len, prio, timeout, true);
}

/* ---------------------------------------------------------------- notify, attributes */

/* struct sigevent as far as it is used here: value, signal, kind. */
struct sigevent_user {
	unsigned long value;
	int signo, notify;
};

static kerr_t get_event(const void __user *sevp, struct mq_notify_k *n)
{
	struct sigevent_user e;

	if (copy_from_user(&e, sevp, sizeof(e)))
		return KERR(EFAULT);
	if (e.notify != SIGEV_NONE && e.notify != SIGEV_SIGNAL && e.notify != SIGEV_THREAD)
		return KERR(EINVAL);
	if (e.notify == SIGEV_SIGNAL && (e.signo < 0 || e.signo > NSIG))
		return KERR(EINVAL);
	*n = (struct mq_notify_k) { e.notify, e.signo, e.value };
	return e.notify == SIGEV_THREAD ? KERR(ENOSYS) : KERR(0);
}

long sys_mq_notify(int fd, const void __user *sevp)
{
	struct mq_notify_k n;
	struct file *f;
	kerr_t err = sevp ? get_event(sevp, &n) : KERR(0);

	if (!err)
		err = queue_file(fd, 0, &f);
	if (err)
		return kerr_code(err);
	err = mq_set_notify(mq_of(f->inode), sevp ? &n : NULL);
	file_put(f);
	return kerr_code(err);
}

long sys_mq_getsetattr(int fd, const void __user *new, void __user *old)
{
	struct mq_attr_user want, was = { 0 };
	struct mq_queue *q;
	struct file *f;
	kerr_t err;

	if (new && copy_from_user(&want, new, sizeof(want)))
		return -EFAULT;
	if (new && (want.flags & ~(long)O_NONBLOCK))
		return -EINVAL;
	err = queue_file(fd, 0, &f);
	if (err)
		return kerr_code(err);
	q = mq_of(f->inode);
	spin_lock(&q->lock);
	was.maxmsg = q->attr.maxmsg;
	was.msgsize = q->attr.msgsize;
	was.curmsgs = q->count;
	spin_unlock(&q->lock);
	spin_lock(&f->lock);
	was.flags = (long)(f->flags & O_NONBLOCK);
	if (new)
		f->flags = (f->flags & ~O_NONBLOCK) | (u32)want.flags;
	spin_unlock(&f->lock);
	if (new)
		inode_touch(f->inode, ATTR_ATIME | ATTR_CTIME);
	file_put(f);
	return old && copy_to_user(old, &was, sizeof(was)) ? -EFAULT : 0;
}
