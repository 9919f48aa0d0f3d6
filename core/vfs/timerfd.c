/* SPDX-License-Identifier: MIT */
/*
 * timerfd_create(2): clocks as files. Deadlines are kept in monotonic time; those given as a time of day stand in vfs.timerfds, and move when the clock is
 * set. Locking: vfs.timerfd_lock for that list, then the timer's own lock.
 */
#include "vfs_priv.h"

#include <maestro/time_user.h>

#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

struct timerfd {
	struct timer timer;
	struct spinlock lock; /* irqsave */
	u64 ticks;	      /* [lock] expirations not yet read */
	ktime_t next, interval; /* [lock] monotonic; next 0: not armed */
	bool expired;	      /* [lock] `next` was the last expiration: periods since are counted, and the timer runs again, when somebody looks */
	bool cancelled;	      /* [lock] the clock was set under a timer that wants to know */
	int clock;	      /* [c] */
	/* [vfs.timerfd_lock] */
	struct list real_node; /* its deadline is a time of day */
	bool cancel_on_set;
	struct wait_queue wq;
};

static void timerfd_fire(struct timer *t)
{
	struct timerfd *tf = container_of(t, struct timerfd, timer);
	unsigned long flags = spin_lock_irqsave(&tf->lock);

	if (tf->next) {
		tf->ticks++;
		tf->expired = tf->interval != 0; /* started again here, a period shorter than an interrupt would leave time for nothing else */
		if (!tf->interval)
			tf->next = 0;
	}
	spin_unlock_irqrestore(&tf->lock, flags);
	wake_up_n(&tf->wq, 0, EPOLLIN | EPOLLRDNORM);
}

/* Counts the periods that are over since the timer fired, and starts it for the next. */
static void catch_up(struct timerfd *tf)
{
	ktime_t now = ktime_get();
	u64 missed;

	assert_held(&tf->lock);
	if (!tf->expired)
		return;
	tf->expired = false;
	missed = now > tf->next ? div64_u64((u64)(now - tf->next), (u64)tf->interval) : 0;
	tf->ticks += missed;
	tf->next += (ktime_t)missed * tf->interval; /* not after now */
	tf->next = tf->interval > S64_MAX - tf->next ? S64_MAX : tf->next + tf->interval;
	timer_start(&tf->timer, tf->next);
}

static ssize_t timerfd_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct timerfd *tf = f->priv;
	unsigned long flags;
	bool cancelled;
	u64 n;

	(void)pos;
	if (it->count < sizeof(n))
		return -EINVAL;
	for (;;) {
		kerr_t err;

		flags = spin_lock_irqsave(&tf->lock);
		cancelled = tf->cancelled;
		if (cancelled)
			tf->expired = false; /* it stands still, as on Linux */
		catch_up(tf);
		n = tf->ticks;
		tf->ticks = 0;
		tf->cancelled = false;
		spin_unlock_irqrestore(&tf->lock, flags);
		if (cancelled)
			return -ECANCELED;
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

#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2

static bool is_real(const struct timerfd *tf)
{
	return tf->clock == CLOCK_REALTIME || tf->clock == CLOCK_REALTIME_ALARM;
}

/* Does it follow the clock, by its last setting? 0: no. */
static void follow_clock(struct timerfd *tf, int how)
{
	unsigned long flags = spin_lock_irqsave(&vfs()->timerfd_lock);

	list_del(&tf->real_node);
	if ((how & TFD_TIMER_ABSTIME) && is_real(tf)) {
		list_add_tail(&vfs()->timerfds, &tf->real_node);
		tf->cancel_on_set = how & TFD_TIMER_CANCEL_ON_SET;
	}
	spin_unlock_irqrestore(&vfs()->timerfd_lock, flags);
}

void timerfd_clock_moved(s64 delta)
{
	unsigned long flags = spin_lock_irqsave(&vfs()->timerfd_lock);
	struct timerfd *tf;

	list_for_each(tf, &vfs()->timerfds, real_node) {
		spin_lock(&tf->lock);
		if (tf->next) {
			tf->next = MAX(tf->next - delta, (ktime_t)1);
			if (!tf->expired)
				timer_start(&tf->timer, tf->next);
		}
		if (tf->cancel_on_set) {
			tf->cancelled = true;
			tf->ticks++;
		}
		spin_unlock(&tf->lock);
		if (tf->cancel_on_set)
			wake_up_n(&tf->wq, 0, EPOLLIN | EPOLLRDNORM);
	}
	spin_unlock_irqrestore(&vfs()->timerfd_lock, flags);
}

static void timerfd_release(struct inode *inode, struct file *f)
{
	struct timerfd *tf = f->priv;
	unsigned long flags;

	(void)inode;
	follow_clock(tf, 0);
	flags = spin_lock_irqsave(&tf->lock);
	tf->next = 0;
	tf->expired = false;
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
	list_init(&tf->real_node);
	tf->clock = clock;
	fd = fd_install_anon("anon_inode:[timerfd]", &timerfd_fops, tf, (u32)flags);
	if (fd < 0)
		kfree(tf);
	return fd;
}

static void timerfd_get(struct timerfd *tf, struct itimer_spec *out)
{
	unsigned long flags = spin_lock_irqsave(&tf->lock);
	ktime_t next, interval = tf->interval;

	catch_up(tf);
	next = tf->next;
	spin_unlock_irqrestore(&tf->lock, flags);
	out->interval = ns_to_timespec(interval);
	out->value = next ? time_left(next) : (struct timespec64) { 0, 0 };
}

/* KERR(ECANCELED): it is set, but the clock was set before and nobody has read of it. */
static kerr_t timerfd_set(struct timerfd *tf, int how, const struct itimer_spec *s)
{
	ktime_t value = timespec_to_ns(s->value), now = ktime_get();
	unsigned long flags;
	bool cancelled;

	follow_clock(tf, 0);
	flags = spin_lock_irqsave(&tf->lock);

	tf->next = 0;
	tf->expired = false;
	spin_unlock_irqrestore(&tf->lock, flags);
	timer_cancel_sync(&tf->timer);
	flags = spin_lock_irqsave(&tf->lock);
	tf->ticks = 0;
	tf->interval = timespec_to_ns(s->interval);
	if (value) {
		if (!(how & TFD_TIMER_ABSTIME))
			value = value > S64_MAX - now ? S64_MAX : now + value;
		else if (is_real(tf))
			value -= ktime_get_real() - now;
		tf->next = value > 0 ? value : 1;
		timer_start(&tf->timer, tf->next);
	}
	cancelled = tf->cancelled;
	tf->cancelled = false;
	spin_unlock_irqrestore(&tf->lock, flags);
	follow_clock(tf, how);
	return cancelled && (how & TFD_TIMER_CANCEL_ON_SET) ? KERR(ECANCELED) : KERR(0);
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

static bool spec_valid(const struct itimer_spec *s)
{
	return timespec_valid(s->interval) && timespec_valid(s->value);
}

static long do_settime(int fd, int how, const struct itimer_spec *want, struct itimer_spec *old)
{
	struct file *f;
	kerr_t set;
	long err;

	if ((how & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) || !spec_valid(want))
		return -EINVAL;
	f = timerfd_file(fd, &err);
	if (!f)
		return err;
	timerfd_get(f->priv, old);
	set = timerfd_set(f->priv, how, want);
	file_put(f);
	return kerr_code(set);
}

static long do_gettime(int fd, struct itimer_spec *out)
{
	long err;
	struct file *f = timerfd_file(fd, &err);

	if (!f)
		return err;
	timerfd_get(f->priv, out);
	file_put(f);
	return 0;
}

static long settime(int fd, int how, const void __user *new, void __user *old, bool time64)
{
	struct itimer_spec want, was;
	long ret;

	if (get_itimerspec(&want, new, time64))
		return -EFAULT;
	ret = do_settime(fd, how, &want, &was);
	return ret || !old ? ret : kerr_code(put_itimerspec(&was, old, time64));
}

static long gettime(int fd, void __user *value, bool time64)
{
	struct itimer_spec s;
	long ret = do_gettime(fd, &s);

	return ret ? ret : kerr_code(put_itimerspec(&s, value, time64));
}

long sys_timerfd_settime(int fd, int how, const void __user *new, void __user *old)
{
	return settime(fd, how, new, old, false);
}

long sys_timerfd_gettime(int fd, void __user *value)
{
	return gettime(fd, value, false);
}

long sys_timerfd_settime64(int fd, int how, const void __user *new, void __user *old)
{
	return settime(fd, how, new, old, true);
}

long sys_timerfd_gettime64(int fd, void __user *value)
{
	return gettime(fd, value, true);
}
