/* SPDX-License-Identifier: MIT */
/*
 * Sockets as files: sockfs, where each has an inode, the file operations, which go to the family, and what all families share. Follows socket(7).
 *
 * The file owns the socket: file.priv, [c]. socket.file points back, without a reference, under socket.lock. The socket itself lives as long as its
 * references: a family keeps some for peers and for messages under way.
 */
#include "net_priv.h"

#define WMEM_DEFAULT (256u * (256u + ABI_SKB_HEAD + ABI_SKB_TAIL))

/* ---------------------------------------------------------------- the common part */
void socket_init(struct socket *s, const struct socket_ops *ops, int type, int protocol)
{
	s->ops = ops;
	s->type = type;
	s->protocol = protocol;
	atomic_set(&s->refs, 1);
	atomic_set(&s->wmem, 0);
	s->sndbuf = (int)load_relaxed(&net()->wmem_default);
	s->rcvbuf = (int)load_relaxed(&net()->rmem_default);
	s->rcvlowat = 1;
	s->peek_off = -1;
	s->rcvtimeo = s->sndtimeo = ULONG_MAX;
	spin_init(&s->lock, RANK_SOCKET, "socket");
	fasync_queue_init(&s->async);
	wait_queue_init(&s->in);
	wait_queue_init(&s->out);
}

kerr_t socket_take_error(struct socket *s)
{
	if (likely(!load_relaxed(&s->error)))
		return 0;
	return kerr_of(-(long)__atomic_exchange_n(&s->error, 0, __ATOMIC_RELAXED));
}

kerr_t socket_wait_error(kerr_t err, ktime_t timeo)
{
	if (kerr_code(err) == -ETIMEDOUT)
		return KERR(EAGAIN);
	return kerr_code(err) == -ERESTARTSYS && timeo != S64_MAX ? KERR(EINTR) : err;
}

ktime_t socket_deadline(ktime_t timeo)
{
	return timeo == S64_MAX || !timeo ? timeo : deadline_after(ns_to_timespec(timeo));
}

void socket_state_changed(struct socket *s)
{
	wake_up_n(&s->in, 0, 0);
	wake_up_n(&s->out, 0, 0);
}

void socket_no_space(struct socket *s)
{
	spin_lock(&s->lock);
	store_relaxed(&s->flags, s->flags | SOCKET_NOSPACE);
	spin_unlock(&s->lock);
}

void socket_has_space(struct socket *s)
{
	spin_lock(&s->lock);
	store_relaxed(&s->flags, s->flags & ~(u32)SOCKET_NOSPACE);
	spin_unlock(&s->lock);
	fasync_notify(&s->async, POLL_OUT);
}

void socket_urgent(struct socket *s)
{
	struct file *f;

	spin_lock(&s->lock);
	f = s->file && atomic_inc_not_zero(&s->file->refs) ? s->file : NULL;
	spin_unlock(&s->lock);
	if (!f)
		return;
	if (file_owner_signal(f, SIGURG))
		fasync_notify_urgent(&s->async);
	file_put(f);
}

void socket_set_peercred(struct socket *s, pid_t pid, const struct cred *cred)
{
	assert_held(&s->lock);
	if (s->peer_cred)
		cred_put(s->peer_cred);
	s->peer_pid = pid;
	s->peer_cred = cred ? cred_get(cred) : NULL;
}

/* ---------------------------------------------------------------- file operations */
static inline struct socket *file_socket(const struct file *f)
{
	return f->priv;
}

static ssize_t socket_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct socket *s = file_socket(f);
	struct socket_msg m = { .it = it, .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0 };

	(void)pos;
	if (unlikely(!it->count))
		return 0;
	return s->ops->recvmsg(s, &m, it->count);
}

static ssize_t socket_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct socket *s = file_socket(f);
	struct socket_msg m = { .it = it, .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0 };

	(void)pos;
	if (s->type == SOCK_SEQPACKET)
		m.flags |= MSG_EOR;
	return s->ops->sendmsg(s, &m, it->count);
}

static u32 socket_poll(struct file *f, struct poll_table *pt)
{
	struct socket *s = file_socket(f);

	poll_wait(pt, f, &s->in);
	poll_wait(pt, f, &s->out);
	return s->ops->poll(s, f, pt);
}

enum { FIOSETOWN = 0x8901, SIOCSPGRP, FIOGETOWN, SIOCGPGRP };

static long socket_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	s32 who;

	if (cmd == FIOSETOWN || cmd == SIOCSPGRP)
		return copy_in(&who, (const s32 __user *)arg) ? -EFAULT : kerr_code(file_owner_set_number(f, who));
	if (cmd == FIOGETOWN || cmd == SIOCGPGRP)
		return kerr_code(put_user((s32)file_owner_get_number(f), (s32 __user *)arg));
	return file_socket(f)->ops->ioctl(file_socket(f), cmd, arg);
}

static void socket_release(struct inode *inode, struct file *f)
{
	(void)inode;
	file_socket(f)->ops->release(file_socket(f));
}

static kerr_t socket_fasync(int fd, struct file *f, bool on)
{
	return fasync_set(fd, f, &file_socket(f)->async, on);
}

static kerr_t socket_set_flags(struct file *f, unsigned flags)
{
	(void)f;
	(void)flags;
	return 0;
}

static const struct file_ops socket_fops = {
	.release = socket_release,
	.read_iter = socket_read,
	.write_iter = socket_write,
	.poll = socket_poll,
	.ioctl = socket_ioctl,
	.fasync = socket_fasync,
	.set_flags = socket_set_flags,
};

struct socket *socket_of_file(const struct file *f)
{
	return f->ops == &socket_fops ? file_socket(f) : NULL;
}

kerr_t socket_fd(int fd, struct fd *f, struct socket **out)
{
	*f = fd_get_light(fd);
	if (unlikely(!f->file))
		return KERR(EBADF);
	*out = socket_of_file(f->file);
	if (likely(*out))
		return 0;
	fd_put_light(*f);
	return KERR(ENOTSOCK);
}

/* ---------------------------------------------------------------- sockfs */
static size_t socket_dname(struct dentry *d, char *buf, size_t size)
{
	return (size_t)ksnprintf(buf, size, "socket:[%llu]", (unsigned long long)d->inode->ino);
}

static const struct dentry_ops socket_dentry_ops = { .dname = socket_dname };

kerr_t socket_file(struct socket *s, u32 flags, struct file **out)
{
	struct file *f;
	kerr_t err = file_pseudo(net()->sock_mnt, S_IFSOCK | 0777, &socket_dentry_ops, &f);

	if (err)
		return err;
	f->flags = O_RDWR | (flags & O_NONBLOCK);
	f->mode = FMODE_READ | FMODE_WRITE | FMODE_STREAM;
	f->ops = &socket_fops;
	f->priv = s;
	spin_lock(&s->lock);
	s->file = f;
	spin_unlock(&s->lock);
	*out = f;
	return 0;
}

static const struct super_ops sock_super_ops = { .alloc_inode = NULL };

static kerr_t sock_fill_super(struct super *sb, const char *data, bool silent)
{
	struct inode *root;
	kerr_t err;

	(void)data;
	(void)silent;
	sb->ops = &sock_super_ops;
	sb->magic = 0x534f434b;
	err = inode_new(sb, &root);
	if (err)
		return err;
	root->ino = 1;
	root->mode = S_IFDIR | 0555;
	return dentry_make_root(root, &sb->root);
}

static const struct fs_type sock_type = { .name = "sockfs", .flags = FS_NODEV_LISTED, .fill_super = sock_fill_super };

kerr_t net_init(void)
{
	struct net_state *n = net();
	kerr_t err = mount_kernel(&sock_type, "sockfs", MS_NOATIME, NULL, &n->sock_mnt);

	n->wmem_max = n->rmem_max = n->wmem_default = n->rmem_default = WMEM_DEFAULT;
	n->somaxconn = 4096;
	n->optmem_max = sizeof(long) * (2 * 1024 + 512);
	n->max_dgram_qlen = 10;
	return err ? err : unix_init();
}
