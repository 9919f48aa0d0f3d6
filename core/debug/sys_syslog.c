/* SPDX-License-Identifier: MIT */
/*
 * syslog(2): the kernel log for dmesg(1) and for daemons. The text is the ring's: lines "<P>[sssss.uuuuuu] message\n". As in Debian's Linux, all
 * of it is for CAP_SYSLOG only (dmesg_restrict).
 *
 * Locking: none of its own; a read gives out text first and then takes it off the shared place, again if another reader was faster.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/cred.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/wait.h>

enum syslog_action {
	ACTION_CLOSE, ACTION_OPEN, ACTION_READ, ACTION_READ_ALL, ACTION_READ_CLEAR, ACTION_CLEAR, ACTION_CONSOLE_OFF, ACTION_CONSOLE_ON,
	ACTION_CONSOLE_LEVEL, ACTION_SIZE_UNREAD, ACTION_SIZE_BUFFER
};
#define LEVEL_MIN 1
#define LEVEL_MAX 8
#define CHUNK 1024

/* Copies the text from `from` to `to` out. The bytes copied; -EFAULT if there was none. */
static ssize_t copy_log(struct iov_iter *it, char *buf, u64 from, u64 to)
{
	size_t done = 0;

	while (from < to && it->count) {
		u64 left = to - from;
		size_t want = MIN(it->count, (size_t)CHUNK), n, moved;

		if (want > left)
			want = (size_t)left;
		n = log_read(&from, buf, want);
		if (!n)
			break;
		moved = copy_to_iter(it, buf, n);
		done += moved;
		if (moved < n)
			return done ? (ssize_t)done : -EFAULT;
	}
	return (ssize_t)done;
}

ssize_t syslog_read(struct iov_iter *to, bool nonblock)
{
	char *buf = kmalloc(CHUNK, GFP_KERNEL);
	size_t room = MIN(to->count, (size_t)CHUNK);
	ssize_t ret;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		u64 from = log_unread(), next = from;
		size_t n = log_read(&next, buf, room);
		kerr_t err;

		if (n && !log_take(from, next))
			continue;
		if (n) {
			ret = copy_to_iter(to, buf, n) == n ? (ssize_t)n : -EFAULT;
			break;
		}
		ret = 0;
		if (nonblock)
			break;
		err = wait_event_interruptible(log_wait(), log_end() > log_unread());
		if (err) {
			ret = kerr_code(err);
			break;
		}
	}
	kfree(buf);
	return ret;
}

/* The start of the first line at or after `seq`. */
static u64 line_start(char *buf, u64 seq)
{
	u64 at = seq - 1;

	if (seq <= log_start())
		return log_start();
	while (seq < log_end()) {
		size_t n = log_read(&at, buf, 128);
		const char *nl = memchr(buf, '\n', n);

		if (!n)
			break;
		if (nl)
			return at - n + (size_t)(nl - buf) + 1;
	}
	return log_end();
}

/* The newest whole lines that fit. */
static long read_all(struct iov_iter *it, bool clear)
{
	char *buf = kmalloc(CHUNK, GFP_KERNEL);
	u64 from = log_cleared(), end = log_end();
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	if (end - from > it->count)
		from = line_start(buf, end - it->count);
	n = copy_log(it, buf, from, end);
	if (clear && n >= 0)
		log_clear(end);
	kfree(buf);
	return n;
}

static long set_level(int level)
{
	struct log_state *l = &kernel()->lib.log;

	if (level < LEVEL_MIN || level > LEVEL_MAX)
		return -EINVAL;
	store_relaxed(&l->saved_level, 0);
	log_set_console_level(level);
	return 0;
}

static long console_off(bool off)
{
	struct log_state *l = &kernel()->lib.log;
	int saved = load_relaxed(&l->saved_level);

	if (off && !saved) {
		store_relaxed(&l->saved_level, log_console_level());
		log_set_console_level(LEVEL_MIN);
	} else if (!off && saved) {
		store_relaxed(&l->saved_level, 0);
		log_set_console_level(saved);
	}
	return 0;
}

static long give_text(enum syslog_action action, void __user *buf, int len)
{
	struct iov_iter it;

	if (!buf || len < 0)
		return -EINVAL;
	if (!len)
		return 0;
	if ((uintptr_t)buf >= HAL_USER_END || (uintptr_t)len > HAL_USER_END - (uintptr_t)buf) /* before any text is taken */
		return -EFAULT;
	iov_iter_user(&it, buf, (size_t)len, true);
	return action == ACTION_READ ? syslog_read(&it, false) : read_all(&it, action == ACTION_READ_CLEAR);
}

long sys_syslog(int type, void __user *buf, int len)
{
	if (!capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch ((unsigned)type) {
	case ACTION_CLOSE:
	case ACTION_OPEN:
		return 0;
	case ACTION_READ:
	case ACTION_READ_ALL:
	case ACTION_READ_CLEAR:
		return give_text((enum syslog_action)type, buf, len);
	case ACTION_CLEAR:
		log_clear(log_end());
		return 0;
	case ACTION_CONSOLE_OFF:
	case ACTION_CONSOLE_ON:
		return console_off(type == ACTION_CONSOLE_OFF);
	case ACTION_CONSOLE_LEVEL:
		return set_level(len);
	case ACTION_SIZE_UNREAD:
		return (long)(log_end() - log_unread());
	case ACTION_SIZE_BUFFER:
		return LOG_SIZE;
	default:
		return -EINVAL;
	}
}
