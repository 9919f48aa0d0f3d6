/* SPDX-License-Identifier: MIT */
/* The memory devices, major 1 (null(4), full(4), random(4)), and /dev/kmsg. No state of their own, but a reader's place in the log. */
#include <maestro/dev.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>
#include <maestro/shmem.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "dev_priv.h"

enum { MINOR_NULL = 3, MINOR_ZERO = 5, MINOR_FULL = 7, MINOR_RANDOM = 8, MINOR_URANDOM = 9, MINOR_KMSG = 11 };

static ssize_t null_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	(void)f;
	(void)it;
	(void)pos;
	return 0;
}

static ssize_t null_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	size_t n = it->count;

	(void)f;
	(void)pos;
	iov_iter_advance(it, n);
	return (ssize_t)n;
}

/* Position has no meaning: any seek goes to 0, as on Linux. */
static loff_t null_llseek(struct file *f, loff_t off, int whence)
{
	(void)off;
	(void)whence;
	f->pos = 0;
	return 0;
}

static ssize_t zero_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	size_t want = it->count, done = 0;

	(void)f;
	(void)pos;
	while (done < want) {
		size_t chunk = MIN(want - done, (size_t)65536), n = iov_iter_zero(it, chunk);

		done += n;
		if (n < chunk)
			break;
		if (done < want) {
			if (task_signal_pending())
				break;
			cond_resched();
		}
	}
	return done || !want ? (ssize_t)done : -EFAULT;
}

static kerr_t zero_mmap(struct file *f, struct vma *v)
{
	(void)f;
	if (v->flags & VM_SHARED)
		return shmem_zero_setup(v);
	v->ops = NULL; /* private: plain anonymous memory */
	return 0;
}

static ssize_t full_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	(void)f;
	(void)it;
	(void)pos;
	return -ENOSPC;
}

static ssize_t random_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	size_t want = it->count, done = 0;
	u8 chunk[256];

	(void)f;
	(void)pos;
	while (done < want) {
		size_t n = MIN(want - done, sizeof(chunk)), moved;

		random_bytes(chunk, n);
		moved = copy_to_iter(it, chunk, n);
		done += moved;
		if (moved < n)
			break;
		if (task_signal_pending() && done >= 256)
			break;
		cond_resched();
	}
	return done || !want ? (ssize_t)done : -EFAULT;
}

static ssize_t random_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	size_t want = it->count, done = 0;
	u8 chunk[64];

	(void)f;
	(void)pos;
	while (done < want) {
		size_t n = copy_from_iter(it, chunk, MIN(want - done, sizeof(chunk)));

		if (!n)
			break;
		random_add_entropy(chunk, n);
		done += n;
		cond_resched();
	}
	return done || !want ? (ssize_t)done : -EFAULT;
}

#define RNDGETENTCNT 0x80045200u
#define RNDADDTOENTCNT 0x40045201u

static long random_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	int bits = 256;

	(void)f;
	switch (cmd) {
	case RNDGETENTCNT:
		return kerr_code(put_user(bits, (void __user *)arg));
	case RNDADDTOENTCNT:
		return capable(CAP_SYS_ADMIN) ? -EINVAL : -EPERM;
	default:
		return -ENOIOCTLCMD;
	}
}

/*
 * /dev/kmsg: each read gives one record, "PRIORITY,SEQ,MICROSECONDS,-;TEXT\n". SEQ is the record's position in the log in bytes: it grows with each,
 * but by more than one. Bytes of the text that are not printable ASCII are given as \xNN.
 */
static kerr_t kmsg_open(struct inode *inode, struct file *f)
{
	u64 *seq;

	(void)inode;
	if ((f->mode & FMODE_READ) && !capable(CAP_SYSLOG))
		return KERR(EPERM);
	seq = kmalloc(sizeof(*seq), GFP_KERNEL);
	if (!seq)
		return KERR(ENOMEM);
	*seq = log_start();
	f->priv = seq;
	return 0;
}

static void kmsg_release(struct inode *inode, struct file *f)
{
	(void)inode;
	kfree(f->priv);
}

/* Takes "C" off the line's front if it stands there. */
static bool skip_char(const char **p, char c)
{
	return **p == c && (*p)++;
}

static bool skip_number(const char **p, u64 *out)
{
	while (**p == ' ')
		(*p)++;
	return !kstrtou64(p, 10, out);
}

/* "<P>[    1.234567] text" -> the priority, microseconds and the text. */
static const char *split_line(const char *line, u64 *priority, u64 *us)
{
	const char *p = line;
	u64 sec, frac;

	if (!skip_char(&p, '<') || !skip_number(&p, priority) || !skip_char(&p, '>') || !skip_char(&p, '[') || !skip_number(&p, &sec) ||
	    !skip_char(&p, '.') || !skip_number(&p, &frac) || !skip_char(&p, ']') || !skip_char(&p, ' ')) {
		*priority = LOG_INFO;
		*us = 0;
		return line;
	}
	*us = sec * 1000000 + frac;
	return p;
}

/* The record of a line of the log. Its length. */
static size_t make_record(char *out, size_t size, const char *line, u64 seq)
{
	u64 priority, us;
	const char *text = split_line(line, &priority, &us);
	size_t n = (size_t)kscnprintf(out, size, "%llu,%llu,%llu,-;", (unsigned long long)priority, (unsigned long long)seq, (unsigned long long)us);

	for (; *text && n + 6 < size; text++) {
		u8 c = (u8)*text;

		if (c < ' ' || c >= 127 || c == '\\')
			n += (size_t)kscnprintf(out + n, size - n, "\\x%02x", c);
		else
			out[n++] = (char)c;
	}
	out[n++] = '\n';
	return n;
}

/* The next line from *seq on, ended by a 0 in place of its newline; *seq moves behind it. False: there is none. */
static bool next_line(u64 *seq, char *line)
{
	u64 at = *seq;
	size_t n = log_read(&at, line, LOG_LINE);
	char *nl;

	if (!n)
		return false;
	line[n] = '\0';
	nl = strchr(line, '\n');
	if (nl)
		*nl = '\0';
	*seq = at - n + (nl ? (size_t)(nl - line) + 1 : n);
	return true;
}

#define RECORD_MAX (LOG_LINE * 4 + 64)

static ssize_t kmsg_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	u64 *seq = f->priv, at = *seq;
	ssize_t ret = -EINVAL;
	char *line, *record;
	size_t n;
	kerr_t err;

	(void)pos;
	if (at < log_start()) { /* overwritten before it was read */
		*seq = log_start();
		return -EPIPE;
	}
	if (log_end() <= at) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(log_wait(), log_end() > at);
		if (err)
			return kerr_code(err);
	}
	line = kmalloc(LOG_LINE + 1 + RECORD_MAX, GFP_KERNEL);
	if (!line)
		return -ENOMEM;
	record = line + LOG_LINE + 1;
	n = next_line(&at, line) ? make_record(record, RECORD_MAX, line, *seq) : 0;
	if (n && n <= it->count)
		ret = copy_to_iter(it, record, n) == n ? (ssize_t)n : -EFAULT;
	if (ret > 0)
		*seq = at;
	kfree(line);
	return ret;
}

static ssize_t kmsg_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	size_t total = it->count, n;
	unsigned priority = LOG_USER | LOG_WARN;
	const char *text;
	char *buf;

	(void)f;
	(void)pos;
	if (total > 992)
		return -EINVAL;
	buf = kmalloc(total + 1, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	n = copy_from_iter(it, buf, total);
	if (n < total) {
		kfree(buf);
		return -EFAULT;
	}
	buf[n] = '\0';
	text = buf;
	if (*text == '<') {
		const char *p = text + 1;
		u64 given;

		if (skip_number(&p, &given) && skip_char(&p, '>') && given < 1024) {
			/* no program speaks for the kernel */
			priority = given >= LOG_USER ? (unsigned)given : LOG_USER | (unsigned)given;
			text = p;
		}
	}
	n = strlen(text);
	if (n && text[n - 1] == '\n')
		buf[(size_t)(text - buf) + n - 1] = '\0';
	klog(priority, "%s", text);
	kfree(buf);
	return (ssize_t)total;
}

static u32 kmsg_poll(struct file *f, struct poll_table *pt)
{
	u64 *seq = f->priv;

	poll_wait(pt, f, log_wait());
	return (log_end() > *seq ? EPOLLIN | EPOLLRDNORM : 0u) | EPOLLOUT | EPOLLWRNORM;
}

static loff_t kmsg_llseek(struct file *f, loff_t off, int whence)
{
	u64 *seq = f->priv;

	if (off)
		return -ESPIPE;
	if (whence == SEEK_SET)
		*seq = log_start();
	else if (whence == SEEK_DATA)
		*seq = log_cleared();
	else if (whence == SEEK_END)
		*seq = log_end();
	else
		return -EINVAL;
	return 0;
}

static const struct file_ops null_fops = {.read_iter = null_read, .write_iter = null_write, .llseek = null_llseek};
static const struct file_ops zero_fops = {.read_iter = zero_read, .write_iter = null_write, .llseek = null_llseek, .mmap = zero_mmap};
static const struct file_ops full_fops = {.read_iter = zero_read, .write_iter = full_write, .llseek = null_llseek};
static const struct file_ops random_fops = {.read_iter = random_read, .write_iter = random_write, .llseek = null_llseek, .ioctl = random_ioctl};
static const struct file_ops kmsg_fops = {.open = kmsg_open,	   .release = kmsg_release, .read_iter = kmsg_read,
					  .write_iter = kmsg_write, .poll = kmsg_poll,	   .llseek = kmsg_llseek};

static const struct {
	const char *name;
	u32 minor;
	mode_t mode;
	const struct file_ops *fops;
} devices[] = {
	{"null", MINOR_NULL, 0666, &null_fops},	      {"zero", MINOR_ZERO, 0666, &zero_fops},	      {"full", MINOR_FULL, 0666, &full_fops},
	{"random", MINOR_RANDOM, 0666, &random_fops}, {"urandom", MINOR_URANDOM, 0666, &random_fops}, {"kmsg", MINOR_KMSG, 0644, &kmsg_fops},
};

kerr_t mem_devices_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		kerr_t err = chrdev_register(1, devices[i].minor, 1, "mem", devices[i].fops);

		if (!err)
			err = dev_node_add(devices[i].name, S_IFCHR | devices[i].mode, DEV(1, devices[i].minor));
		if (err)
			return err;
	}
	return 0;
}
