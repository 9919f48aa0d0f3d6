/* SPDX-License-Identifier: MIT */
/* eventfd(2), timerfd_create(2), signalfd(2): counters, clocks and signals as files. Each object has a spinlock of its own. */
#include "vfs_priv.h"

#include <maestro/aio.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

static long install_anon(const char *name, const struct file_ops *ops, void *priv, u32 flags)
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
	fd = install_anon("anon_inode:[eventfd]", &eventfd_fops, e, (u32)flags);
	if (fd < 0)
		kfree(e);
	return fd;
}

long sys_eventfd(unsigned count)
{
	return sys_eventfd2(count, 0);
}

/* ---------------------------------------------------------------- timerfd */
struct timerfd {
	struct timer timer;
	struct spinlock lock; /* irqsave */
	u64 ticks;	      /* [lock] expirations not yet read */
	ktime_t next, interval; /* [lock] monotonic; next 0: not armed */
	int clock;	      /* [c] */
	struct wait_queue wq;
};
struct timerfd_spec {
	struct timespec64 interval, value;
};

static void timerfd_fire(struct timer *t)
{
	struct timerfd *tf = container_of(t, struct timerfd, timer);
	unsigned long flags = spin_lock_irqsave(&tf->lock);

	if (tf->next) {
		tf->ticks++;
		/* Later ticks are counted when somebody reads: one timer a period is enough to wake. */
		tf->next = tf->interval ? tf->next + tf->interval : 0;
		if (tf->next)
			timer_start(&tf->timer, tf->next);
	}
	spin_unlock_irqrestore(&tf->lock, flags);
	wake_up_n(&tf->wq, 0, EPOLLIN | EPOLLRDNORM);
}

static ssize_t timerfd_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct timerfd *tf = f->priv;
	unsigned long flags;
	u64 n;

	(void)pos;
	if (it->count < sizeof(n))
		return -EINVAL;
	for (;;) {
		kerr_t err;

		flags = spin_lock_irqsave(&tf->lock);
		n = tf->ticks;
		tf->ticks = 0;
		spin_unlock_irqrestore(&tf->lock, flags);
		if (n)
			break;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&tf->wq, READ_ONCE(tf->ticks) != 0);
		if (err)
			return kerr_code(err);
	}
	return copy_to_iter(it, &n, sizeof(n)) == sizeof(n) ? (ssize_t)sizeof(n) : -EFAULT;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *tf = f->priv;

	poll_wait(pt, f, &tf->wq);
	return READ_ONCE(tf->ticks) ? EPOLLIN | EPOLLRDNORM : 0;
}

static void timerfd_release(struct inode *inode, struct file *f)
{
	struct timerfd *tf = f->priv;
	unsigned long flags;

	(void)inode;
	flags = spin_lock_irqsave(&tf->lock);
	tf->next = 0;
	spin_unlock_irqrestore(&tf->lock, flags);
	timer_cancel_sync(&tf->timer);
	kfree(tf);
}

static const struct file_ops timerfd_fops = { .read_iter = timerfd_read, .llseek = noop_llseek, .poll = timerfd_poll, .release = timerfd_release };

long sys_timerfd_create(int clock, int flags)
{
	struct timerfd *tf;
	long fd;

	if ((u32)flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	switch (clock) {
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		if (!capable(CAP_WAKE_ALARM))
			return -EPERM;
		break;
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
		break;
	default:
		return -EINVAL;
	}
	tf = kzalloc(sizeof(*tf), GFP_KERNEL);
	if (!tf)
		return -ENOMEM;
	timer_init(&tf->timer, timerfd_fire);
	spin_init(&tf->lock, RANK_FUTEX, "timerfd");
	wait_queue_init(&tf->wq);
	tf->clock = clock;
	fd = install_anon("anon_inode:[timerfd]", &timerfd_fops, tf, (u32)flags);
	if (fd < 0)
		kfree(tf);
	return fd;
}

static void timerfd_get(struct timerfd *tf, struct timerfd_spec *out)
{
	unsigned long flags = spin_lock_irqsave(&tf->lock);
	ktime_t next = tf->next, interval = tf->interval;

	spin_unlock_irqrestore(&tf->lock, flags);
	out->interval = ns_to_timespec(interval);
	out->value = next ? time_left(next) : (struct timespec64) { 0, 0 };
}

#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2

static void timerfd_set(struct timerfd *tf, int how, const struct timerfd_spec *s)
{
	ktime_t value = timespec_to_ns(s->value), now = ktime_get();
	unsigned long flags = spin_lock_irqsave(&tf->lock);

	tf->next = 0;
	spin_unlock_irqrestore(&tf->lock, flags);
	timer_cancel_sync(&tf->timer);
	flags = spin_lock_irqsave(&tf->lock);
	tf->ticks = 0;
	tf->interval = timespec_to_ns(s->interval);
	if (value) {
		if (!(how & TFD_TIMER_ABSTIME))
			value = value > S64_MAX - now ? S64_MAX : now + value;
		else if (tf->clock == CLOCK_REALTIME || tf->clock == CLOCK_REALTIME_ALARM)
			value -= ktime_get_real() - now;
		tf->next = value > 0 ? value : 1;
		timer_start(&tf->timer, tf->next);
	}
	spin_unlock_irqrestore(&tf->lock, flags);
}

static struct file *timerfd_file(int fd, long *err)
{
	struct file *f = fd_get(fd);

	*err = -EBADF;
	if (f && f->ops != &timerfd_fops) {
		file_put(f);
		f = NULL;
		*err = -EINVAL;
	}
	return f;
}

static bool spec_valid(const struct timerfd_spec *s)
{
	return timespec_valid(s->interval) && timespec_valid(s->value);
}

static long do_settime(int fd, int how, const struct timerfd_spec *want, struct timerfd_spec *old)
{
	struct file *f;
	long err;

	if ((how & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) || !spec_valid(want))
		return -EINVAL;
	f = timerfd_file(fd, &err);
	if (!f)
		return err;
	timerfd_get(f->priv, old);
	timerfd_set(f->priv, how, want);
	file_put(f);
	return 0;
}

static long do_gettime(int fd, struct timerfd_spec *out)
{
	long err;
	struct file *f = timerfd_file(fd, &err);

	if (!f)
		return err;
	timerfd_get(f->priv, out);
	file_put(f);
	return 0;
}

struct spec_native {
	struct ts_native interval, value;
};
struct spec_wide {
	struct ts_wide interval, value;
};

static long native_out(void __user *p, const struct timerfd_spec *s)
{
	struct spec_native n = { { (long)s->interval.sec, s->interval.nsec }, { (long)s->value.sec, s->value.nsec } };

	return p ? kerr_code(copy_out((struct spec_native __user *)p, &n)) : 0;
}

static long wide_out(void __user *p, const struct timerfd_spec *s)
{
	struct spec_wide n = { { s->interval.sec, s->interval.nsec }, { s->value.sec, s->value.nsec } };

	return p ? kerr_code(copy_out((struct spec_wide __user *)p, &n)) : 0;
}

long sys_timerfd_settime(int fd, int how, const void __user *new, void __user *old)
{
	struct timerfd_spec want, was;
	struct spec_native n;
	long ret;

	if (copy_in(&n, (const struct spec_native __user *)new))
		return -EFAULT;
	if ((unsigned long)n.value.nsec >= (unsigned long)NSEC_PER_SEC || (unsigned long)n.interval.nsec >= (unsigned long)NSEC_PER_SEC)
		return -EINVAL;
	want.interval = (struct timespec64) { n.interval.sec, (s32)n.interval.nsec };
	want.value = (struct timespec64) { n.value.sec, (s32)n.value.nsec };
	ret = do_settime(fd, how, &want, &was);
	return ret ? ret : native_out(old, &was);
}

long sys_timerfd_gettime(int fd, void __user *value)
{
	struct timerfd_spec s;
	long ret = do_gettime(fd, &s);

	return ret ? ret : native_out(value, &s);
}

long sys_timerfd_settime64(int fd, int how, const void __user *new, void __user *old)
{
	struct timerfd_spec want, was;
	struct spec_wide n;
	long ret;

	if (copy_in(&n, (const struct spec_wide __user *)new))
		return -EFAULT;
	want.interval = (struct timespec64) { n.interval.sec, (s32)n.interval.nsec };
	want.value = (struct timespec64) { n.value.sec, (s32)n.value.nsec };
	ret = do_settime(fd, how, &want, &was);
	return ret ? ret : wide_out(old, &was);
}

long sys_timerfd_gettime64(int fd, void __user *value)
{
	struct timerfd_spec s;
	long ret = do_gettime(fd, &s);

	return ret ? ret : wide_out(value, &s);
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
		ret = install_anon("anon_inode:[signalfd]", &signalfd_fops, s, (u32)flags);
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
