/* SPDX-License-Identifier: MIT */
/*
 * Terminal lines and their life: registering, opening, closing, hanging up; which line is the console.
 *
 * A line's struct tty is made at its first open and kept, with its termios, as long as the line; a pty's lives until both ends and every
 * process that has it as controlling terminal let go. A hangup raises tty.gen: files of an older generation are hung up for good.
 * Locking: tty_state.mutex for opens, closes and hangups.  Specification: tty(4), console(4), pts(4).
 */
#include "tty_priv.h"

#include <maestro/dev.h>
#include <maestro/lib.h>
#include <maestro/printk.h>

const u8 tty_default_cc[NCCS] = {
	[VINTR] = 3, [VQUIT] = 034, [VERASE] = 0177, [VKILL] = 025, [VEOF] = 4, [VMIN] = 1, [VSTART] = 021, [VSTOP] = 023,
	[VSUSP] = 032, [VREPRINT] = 022, [VDISCARD] = 017, [VWERASE] = 027, [VLNEXT] = 026,
};

void tty_default_termios(struct ktermios *k)
{
	memset(k, 0, sizeof(*k));
	k->iflag = ICRNL | IXON;
	k->oflag = OPOST | ONLCR;
	k->cflag = B38400 | CS8 | CREAD | HUPCL;
	k->lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	memcpy(k->cc, tty_default_cc, NCCS);
	k->ispeed = k->ospeed = 38400;
}

struct tty *tty_get(struct tty *t)
{
	atomic_inc(&t->refs);
	return t;
}

void tty_put(struct tty *t)
{
	if (t && atomic_dec_and_test(&t->refs) && t->release)
		t->release(t);
}

void *tty_driver_data(struct tty *t)
{
	return t->line->driver;
}

struct tty_line *tty_line_of(struct tty *t)
{
	return t->line;
}

const struct ktermios *tty_termios(struct tty *t)
{
	return &t->termios;
}

/* As stat(2) of the i386 ABI and /proc write a device number. */
u32 tty_encode_dev(dev_t d)
{
	u32 minor = DEV_MINOR(d);

	return (minor & 0xff) | (DEV_MAJOR(d) << 8) | ((minor & ~0xffu) << 12);
}

int tty_dev_number(struct tty *t)
{
	return t ? (int)tty_encode_dev(t->line->dev) : 0;
}

void tty_name(struct tty *t, char *buf, size_t size)
{
	if (!t)
		strlcpy(buf, "?", size);
	else if (t->pty)
		ksnprintf(buf, size, "pts/%u", t->pty->index);
	else
		strlcpy(buf, t->line->name, size);
}

kerr_t tty_object_init(struct tty *t, struct tty_line *l, bool with_ring)
{
	t->line = l;
	t->ops = l->ops;
	atomic_set(&t->refs, 1);
	list_init(&t->files);
	mutex_init(&t->read_mutex, RANK_TTY, "tty read");
	mutex_init(&t->write_mutex, RANK_TTY, "tty write");
	mutex_init(&t->ldisc, RANK_TTY, "tty ldisc");
	wait_queue_init(&t->read_wait);
	wait_queue_init(&t->write_wait);
	fasync_queue_init(&t->async);
	t->termios = l->init_termios;
	t->winsize = l->init_winsize;
	tty_ring_init(t);
	if (with_ring) {
		t->ring = kmalloc(TTY_RING * sizeof(*t->ring), GFP_KERNEL);
		if (!t->ring)
			return KERR(ENOMEM);
	}
	return 0;
}

/* ---- lines ---- */
kerr_t tty_line_register(struct tty_line *l)
{
	kerr_t err;

	l->console = tty_console_selected(l->name);
	mutex_lock(&tty_state()->mutex);
	if (tty_line_find(l->dev)) {
		mutex_unlock(&tty_state()->mutex);
		return KERR(EBUSY);
	}
	list_add_tail(&tty_state()->lines, &l->node);
	mutex_unlock(&tty_state()->mutex);
	err = dev_node_add(l->name, S_IFCHR | (DEV_MAJOR(l->dev) == TTY_MAJOR && DEV_MINOR(l->dev) < 64 ? 0620u : 0660u), l->dev);
	if (err) /* the line works all the same: a node can be made by hand */
		klog_warn("tty: no node for %s: error %d", l->name, kerr_code(err));
	return 0;
}

struct tty_line *tty_line_find(dev_t dev)
{
	struct tty_line *l;

	list_for_each(l, &tty_state()->lines, node)
		if (l->dev == dev)
			return l;
	return NULL;
}

static size_t console_name_len(const char *spec)
{
	const char *comma = strchr(spec, ',');

	return comma ? (size_t)(comma - spec) : strlen(spec);
}

static bool console_is(const char *spec, const char *name)
{
	size_t n = console_name_len(spec);

	return n == strlen(name) && !strncmp(spec, name, n);
}

bool tty_console_selected(const char *name)
{
	const struct boot_params *bp = boot_params();

	for (unsigned i = 0; i < bp->nconsoles; i++)
		if (console_is(bp->console[i], name))
			return true;
	return bp->nconsoles == 0 && !strcmp(name, "tty0");
}

const char *tty_console_options(const char *name)
{
	const struct boot_params *bp = boot_params();

	for (unsigned i = bp->nconsoles; i-- > 0;)
		if (console_is(bp->console[i], name))
			return bp->console[i] + console_name_len(bp->console[i]);
	return "";
}

static struct tty_line *line_by_spec(const char *spec)
{
	struct tty_line *l;

	if (console_is(spec, "tty0"))
		return vt_foreground_dev() ? tty_line_find(vt_foreground_dev()) : NULL;
	list_for_each(l, &tty_state()->lines, node)
		if (console_is(spec, l->name))
			return l;
	return NULL;
}

struct tty_line *tty_console_line(void)
{
	const struct boot_params *bp = boot_params();
	struct tty_line *l;

	for (unsigned i = bp->nconsoles; i-- > 0;) {
		l = line_by_spec(bp->console[i]);
		if (l)
			return l;
	}
	l = line_by_spec("tty0");
	if (!l && !list_empty(&tty_state()->lines))
		l = list_first(&tty_state()->lines, struct tty_line, node);
	return l;
}

size_t tty_console_names(char *buf, size_t size)
{
	const struct boot_params *bp = boot_params();
	size_t len = 0;

	if (!size)
		return 0;
	buf[0] = '\0';
	mutex_lock(&tty_state()->mutex);
	for (unsigned i = 0; i < bp->nconsoles; i++)
		if (line_by_spec(bp->console[i]))
			len += (size_t)kscnprintf(buf + len, size - len, "%s%.*s", len ? " " : "", (int)console_name_len(bp->console[i]), bp->console[i]);
	if (!len && tty_console_line())
		len = (size_t)kscnprintf(buf, size, "%s", vt_foreground_dev() ? "tty0" : tty_console_line()->name);
	mutex_unlock(&tty_state()->mutex);
	return len;
}

struct tty *tty_line_tty(struct tty_line *l)
{
	struct tty *t = l->tty;

	DEBUG_ASSERT(mutex_is_held(&tty_state()->mutex));
	if (t)
		return t;
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return NULL;
	if (tty_object_init(t, l, true)) {
		kfree(t);
		return NULL;
	}
	store_release(&l->tty, t);
	return t;
}

/* ---- open ---- */
static kerr_t first_open(struct tty *t)
{
	kerr_t err = t->ops->open ? t->ops->open(t) : KERR(0);

	if (err || t->pty)
		return err;
	mutex_lock_nested(&t->ldisc);
	n_tty_reset(t);
	tty_ring_flush(t);
	t->stopped = t->tco_stopped = t->xoff_sent = false;
	mutex_unlock(&t->ldisc);
	return 0;
}

kerr_t tty_open_as(struct tty *t, struct file *f, bool console, bool noctty)
{
	struct tty_file *tf = kzalloc(sizeof(*tf), GFP_KERNEL);
	kerr_t err;

	if (!tf)
		return KERR(ENOMEM);
	mutex_lock(&tty_state()->mutex);
	if (t->exclusive && t->opens && !capable(CAP_SYS_ADMIN))
		err = KERR(EBUSY);
	else
		err = t->pty ? pty_slave_check_open(t->pty) : KERR(0);
	if (!err && !t->opens)
		err = first_open(t);
	if (err) {
		mutex_unlock(&tty_state()->mutex);
		kfree(tf);
		return err;
	}
	tf->tty = tty_get(t);
	tf->file = f;
	tf->console = console;
	tf->gen = t->gen;
	store_relaxed(&t->opens, t->opens + 1);
	list_add_tail(&t->files, &tf->node);
	f->priv = tf;
	f->mode |= FMODE_STREAM;
	mutex_unlock(&tty_state()->mutex);
	if (!noctty)
		tty_open_ctty(t, f);
	return 0;
}

/* The tty behind a device number, referenced. */
static kerr_t find_tty(dev_t dev, struct tty **out)
{
	struct tty_line *l;
	struct tty *t;

	if (DEV_MAJOR(dev) == PTS_MAJOR) {
		struct pty *p = pty_find(DEV_MINOR(dev));

		if (!p)
			return KERR(EIO);
		*out = &p->tty;
		return 0;
	}
	mutex_lock(&tty_state()->mutex);
	if (dev == DEV(TTYAUX_MAJOR, 1))
		l = tty_console_line();
	else if (dev == DEV(TTY_MAJOR, 0))
		l = line_by_spec("tty0");
	else
		l = tty_line_find(dev);
	t = l ? tty_line_tty(l) : NULL;
	if (t)
		tty_get(t);
	mutex_unlock(&tty_state()->mutex);
	if (!l)
		return KERR(ENXIO);
	if (!t)
		return KERR(ENOMEM);
	*out = t;
	return 0;
}

static kerr_t tty_open(struct inode *inode, struct file *f)
{
	dev_t dev = inode->rdev;
	bool console = dev == DEV(TTYAUX_MAJOR, 1);
	bool noctty = console || dev == DEV(TTY_MAJOR, 0) || (f->flags & O_NOCTTY);
	struct tty *t;
	kerr_t err;

	if (dev == DEV(TTYAUX_MAJOR, 0)) {
		t = tty_get_current();
		if (!t)
			return KERR(ENXIO);
		noctty = true;
	} else {
		err = find_tty(dev, &t);
		if (err)
			return err;
	}
	err = tty_open_as(t, f, console, noctty);
	tty_put(t);
	return err;
}

/* ---- close ---- */
static void redirect_drop(struct tty *t)
{
	if (tty_state()->redirect == t) {
		store_relaxed(&tty_state()->redirect, NULL);
		tty_put(t);
	}
}

static void last_close(struct tty *t)
{
	t->exclusive = false;
	redirect_drop(t);
	if (t->pty) {
		pty_slave_last_close(t->pty);
		return;
	}
	tty_clear_session(t, false, false);
	if (t->ops->close)
		t->ops->close(t);
}

static void tty_release(struct inode *inode, struct file *f)
{
	struct tty_file *tf = f->priv;
	struct tty *t = tf->tty;

	(void)inode;
	/* What was written shall leave before the line is turned off; a line stopped by ^S does not hold the closer for ever. */
	if (!tty_file_hung_up(tf) && load_relaxed(&t->opens) == 1 && !t->stopped && tty_wait_until_sent(t, ktime_get() + 30 * NSEC_PER_SEC))
		klog_debug("tty: %s closed with output left", t->line->name);
	mutex_lock(&tty_state()->mutex);
	list_del(&tf->node);
	if (!tty_file_hung_up(tf)) {
		DEBUG_ASSERT(t->opens > 0);
		store_relaxed(&t->opens, t->opens - 1);
		if (!t->opens)
			last_close(t);
	}
	mutex_unlock(&tty_state()->mutex);
	f->priv = NULL;
	tty_put(t);
	kfree(tf);
}

/* Files of /dev/console stay alive over a hangup: they belong to the system, not to the session. */
static void hangup_files(struct tty *t)
{
	struct tty_file *tf;
	unsigned left = 0;

	store_relaxed(&t->gen, t->gen + 1);
	list_for_each(tf, &t->files, node)
		if (tf->console && tf->gen == t->gen - 1) {
			store_relaxed(&tf->gen, t->gen);
			left++;
		}
	if (t->opens && !left && !t->pty && t->ops->close)
		t->ops->close(t);
	if (t->opens && !left && t->pty)
		pty_slave_last_close(t->pty);
	store_relaxed(&t->opens, left);
}

void tty_hangup(struct tty *t, bool exit_session)
{
	tty_get(t);
	mutex_lock(&tty_state()->mutex);
	redirect_drop(t);
	t->exclusive = false;
	hangup_files(t);
	mutex_lock_nested(&t->ldisc);
	n_tty_reset(t);
	tty_ring_flush(t);
	if (t->ops->flush_output)
		t->ops->flush_output(t);
	t->stopped = t->tco_stopped = t->xoff_sent = false;
	if (DEV_MAJOR(t->line->dev) != TTY_MAJOR || DEV_MINOR(t->line->dev) < 64)
		t->termios = t->line->init_termios;
	if (t->ops->hangup)
		t->ops->hangup(t);
	mutex_unlock(&t->ldisc);
	mutex_unlock(&tty_state()->mutex);
	tty_clear_session(t, true, exit_session);
	wake_up_n(&t->read_wait, 0, EPOLLHUP | EPOLLIN | EPOLLERR);
	wake_up_n(&t->write_wait, 0, EPOLLHUP | EPOLLOUT | EPOLLERR);
	fasync_notify(&t->async, POLL_IN);
	tty_put(t);
}

const struct file_ops tty_fops = {
	.open = tty_open,
	.release = tty_release,
	.read_iter = tty_read_iter,
	.write_iter = tty_write_iter,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.fasync = tty_fasync,
};

static kerr_t register_devices(void)
{
	kerr_t err = chrdev_register(TTY_MAJOR, 0, 64, "tty", &tty_fops);

	if (!err)
		err = chrdev_register(TTY_MAJOR, 64, 192, "ttyS", &tty_fops);
	if (!err)
		err = chrdev_register(TTYAUX_MAJOR, 0, 1, "/dev/tty", &tty_fops);
	if (!err)
		err = chrdev_register(TTYAUX_MAJOR, 1, 1, "/dev/console", &tty_fops);
	if (!err)
		err = chrdev_register(TTYAUX_MAJOR, 2, 1, "/dev/ptmx", &ptmx_fops);
	if (!err)
		err = chrdev_register(PTS_MAJOR, 0, PTY_MAX, "pts", &tty_fops);
	return err;
}

kerr_t tty_init(void)
{
	struct tty_state *s = tty_state();
	kerr_t err;

	mutex_init(&s->mutex, RANK_TTY, "tty");
	list_init(&s->lines);
	spin_init(&s->pty_lock, RANK_LEAF, "pty table");
	s->devpts.mode = 0600;
	s->devpts.max = PTY_MAX;
	err = register_devices();
	if (!err)
		err = dev_node_add("tty", S_IFCHR | 0666, DEV(TTYAUX_MAJOR, 0));
	if (!err)
		err = dev_node_add("console", S_IFCHR | 0600, DEV(TTYAUX_MAJOR, 1));
	if (!err)
		err = dev_node_add("ptmx", S_IFCHR | 0666, DEV(TTYAUX_MAJOR, 2));
	return err;
}
