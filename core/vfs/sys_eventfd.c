/* SPDX-License-Identifier: MIT */
/* eventfd(2), signalfd(2): counters and signals as files. Each object has a spinlock of its own. */
#include "vfs_priv.h"

#include <maestro/aio.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

long fd_install_anon(const char *name, const struct file_ops *ops, void *priv, u32 flags)
{
	struct file *f;
	kerr_t err = file_anon(name, ops, priv, O_RDWR | (flags & O_NONBLOCK), &f);
	long fd;

	if (err)
		return kerr_code(err);
	f->mode |= FMODE_STREAM;
	fd = fd_install(f, flags & O_CLOEXEC);
	if (fd < 0) {
		f->priv = NULL; /* the caller frees it */
		f->ops = NULL;
		file_put(f);
	}
	return fd;
}

/* ---------------------------------------------------------------- eventfd */
struct eventfd {
	struct spinlock lock;
	u64 count; /* [lock] */
	bool semaphore; /* [c] */
	struct wait_queue wq;
};

static ssize_t eventfd_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct eventfd *e = f->priv;
	u64 v;

	(void)pos;
	if (it->count < sizeof(v))
		return -EINVAL;
	for (;;) {
		kerr_t err;

		spin_lock(&e->lock);
		v = e->count;
		if (v) {
			v = e->semaphore ? 1 : v;
			e->count -= v;
			spin_unlock(&e->lock);
			break;
		}
		spin_unlock(&e->lock);
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&e->wq, READ_ONCE(e->count) != 0);
		if (err)
			return kerr_code(err);
	}
	wake_up_n(&e->wq, 0, EPOLLOUT | EPOLLWRNORM);
	return copy_to_iter(it, &v, sizeof(v)) == sizeof(v) ? (ssize_t)sizeof(v) : -EFAULT;
}

static ssize_t eventfd_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct eventfd *e = f->priv;
	u64 v;

	(void)pos;
	if (it->count != sizeof(v))
		return -EINVAL;
	if (copy_from_iter(it, &v, sizeof(v)) != sizeof(v))
		return -EFAULT;
	if (v == U64_MAX)
		return -EINVAL;
	for (;;) {
		kerr_t err;

		spin_lock(&e->lock);
		if (U64_MAX - e->count > v) {
			e->count += v;
			spin_unlock(&e->lock);
			break;
		}
		spin_unlock(&e->lock);
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&e->wq, U64_MAX - READ_ONCE(e->count) > v);
		if (err)
			return kerr_code(err);
	}
	wake_up_n(&e->wq, 0, EPOLLIN | EPOLLRDNORM);
	return sizeof(v);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->priv;
	u32 mask = 0;
	u64 count;

	poll_wait(pt, f, &e->wq);
	spin_lock(&e->lock);
	count = e->count;
	spin_unlock(&e->lock);
	if (count > 0)
		mask |= EPOLLIN;
	if (count == U64_MAX)
		mask |= EPOLLERR;
	if (count < U64_MAX - 1)
		mask |= EPOLLOUT;
	return mask;
}

static void priv_release(struct inode *inode, struct file *f)
{
	(void)inode;
	kfree(f->priv);
}

static void eventfd_fdinfo(struct file *f, struct seq_buf *s)
{
	seq_printf(s, "eventfd-count: %16llx\n", (unsigned long long)((struct eventfd *)f->priv)->count);
}

static const struct file_ops eventfd_fops = {
	.llseek = noop_llseek,
	.read_iter = eventfd_read, .write_iter = eventfd_write, .poll = eventfd_poll, .release = priv_release, .show_fdinfo = eventfd_fdinfo,
};

bool eventfd_is(const struct file *f)
{
	return f->ops == &eventfd_fops;
}

void eventfd_add(struct file *f, u64 n)
{
	struct eventfd *e = f->priv;

	DEBUG_ASSERT(eventfd_is(f));
	spin_lock(&e->lock);
	e->count += MIN(n, U64_MAX - 1 - e->count);
	spin_unlock(&e->lock);
	wake_up_n(&e->wq, 0, EPOLLIN | EPOLLRDNORM);
}

long sys_eventfd2(unsigned count, int flags)
{
	struct eventfd *e;
	long fd;

	if ((u32)flags & ~(O_CLOEXEC | O_NONBLOCK | 1u))
		return -EINVAL;
	e = kzalloc(sizeof(*e), GFP_KERNEL);
	if (!e)
		return -ENOMEM;
	spin_init(&e->lock, RANK_SPIN_OUTER, "eventfd");
	wait_queue_init(&e->wq);
	e->count = count;
	e->semaphore = flags & 1;
	fd = fd_install_anon("anon_inode:[eventfd]", &eventfd_fops, e, (u32)flags);
	if (fd < 0)
		kfree(e);
	return fd;
}

long sys_eventfd(unsigned count)
{
	return sys_eventfd2(count, 0);
}

/* ---------------------------------------------------------------- signalfd */
struct signalfd {
	sigset_t mask; /* [a]-ish: one word or two, replaced whole by its owner */
};
struct signalfd_siginfo_k {
	u32 signo;
	s32 err, code;
	u32 pid, uid;
	s32 fd;
	u32 tid, band, overrun, trapno;
	s32 status, int_;
	u64 ptr, utime, stime, addr;
	u16 addr_lsb, pad2;
	s32 syscall;
	u64 call_addr;
	u32 arch;
	u8 pad[28];
};
_Static_assert(sizeof(struct signalfd_siginfo_k) == 128, "signalfd(2)");

/* Tells the senders that somebody may wait here. */
static void signalfd_attach(void)
{
	if (current->sighand)
		current->sighand->signalfd_wait = &vfs()->signalfd_wait;
}

static bool signalfd_pending(const struct signalfd *s)
{
	struct task *t = current;
	sigset_t set = t->pending.set;

	if (t->proc)
		set |= t->proc->shared_pending.set;
	return set & s->mask;
}

static void siginfo_convert(const struct siginfo *i, struct signalfd_siginfo_k *o)
{
	memset(o, 0, sizeof(*o));
	o->signo = (u32)i->signo;
	o->err = i->err;
	o->code = i->code;
	if (i->signo == SIGCHLD && i->code > 0) {
		o->pid = (u32)i->chld.pid;
		o->uid = i->chld.uid;
		o->status = i->chld.status;
		o->utime = i->chld.utime;
		o->stime = i->chld.stime;
	} else if (i->code == SI_TIMER) {
		o->tid = (u32)i->timer.timer_id;
		o->overrun = (u32)i->timer.overrun;
		o->ptr = i->timer.value;
		o->int_ = (s32)i->timer.value;
	} else if (i->code > 0 && i->code != SI_KERNEL && (SIGMASK(i->signo) & (SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGFPE)))) {
		o->addr = i->fault.addr;
		o->trapno = i->fault.trapno;
	} else if (i->signo == SIGIO && i->code > 0) {
		o->band = (u32)i->poll.band;
		o->fd = i->poll.fd;
	} else {
		o->pid = (u32)i->user.pid;
		o->uid = i->user.uid;
		o->ptr = i->user.value;
		o->int_ = (s32)i->user.value;
	}
}

static ssize_t signalfd_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct signalfd *s = f->priv;
	ssize_t done = 0;

	(void)pos;
	if (it->count < sizeof(struct signalfd_siginfo_k))
		return -EINVAL;
	signalfd_attach();
	while (it->count >= sizeof(struct signalfd_siginfo_k)) {
		struct signalfd_siginfo_k out;
		struct siginfo info;
		kerr_t err;

		if (signal_dequeue(~s->mask, &info)) {
			siginfo_convert(&info, &out);
			if (copy_to_iter(it, &out, sizeof(out)) != sizeof(out))
				return done ? done : -EFAULT;
			done += (ssize_t)sizeof(out);
			continue;
		}
		if (done)
			break;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&vfs()->signalfd_wait, signalfd_pending(s));
		if (err)
			return kerr_code(err);
	}
	return done;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	signalfd_attach();
	poll_wait(pt, f, &vfs()->signalfd_wait);
	return signalfd_pending(f->priv) ? EPOLLIN : 0;
}

static void signalfd_fdinfo(struct file *f, struct seq_buf *s)
{
	seq_printf(s, "sigmask:\t%016llx\n", (unsigned long long)((struct signalfd *)f->priv)->mask);
}

static const struct file_ops signalfd_fops = {
	.llseek = noop_llseek,
	.read_iter = signalfd_read, .poll = signalfd_poll, .release = priv_release, .show_fdinfo = signalfd_fdinfo,
};

long sys_signalfd4(int fd, const void __user *mask, size_t size, int flags)
{
	struct signalfd *s;
	struct file *f;
	sigset_t set;
	long ret;

	if (((u32)flags & ~(O_CLOEXEC | O_NONBLOCK)) || size != sizeof(set))
		return -EINVAL;
	if (copy_in(&set, (const sigset_t __user *)mask))
		return -EFAULT;
	set &= ~SIG_KERNEL_ONLY;
	signalfd_attach();
	if (fd == -1) {
		s = kzalloc(sizeof(*s), GFP_KERNEL);
		if (!s)
			return -ENOMEM;
		s->mask = set;
		ret = fd_install_anon("anon_inode:[signalfd]", &signalfd_fops, s, (u32)flags);
		if (ret < 0)
			kfree(s);
		return ret;
	}
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = -EINVAL;
	if (f->ops == &signalfd_fops) {
		((struct signalfd *)f->priv)->mask = set;
		wake_up_all(&vfs()->signalfd_wait);
		ret = fd;
	}
	file_put(f);
	return ret;
}

long sys_signalfd(int fd, const void __user *mask, size_t size)
{
	return sys_signalfd4(fd, mask, size, 0);
}
