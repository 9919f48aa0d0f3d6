/* SPDX-License-Identifier: MIT */
/*
 * Private to the tty room.
 *
 *   driver interrupt -> tty_input(line): ring -> work item -> n_tty_receive() -> read buffer -> read(2)
 *   write(2) -> n_tty_write_chunk() (OPOST) -> ops->write()
 *
 * Locks, outermost first: tty_state.mutex (opens, closes, hangups), tty.read_mutex or tty.write_mutex (one reader, one writer at a time; held
 * while sleeping), tty.ldisc (the discipline and output; never held while waiting for an event, so that ^C is handled while a writer floods),
 * the process tree lock (session and foreground group), tty.ring_lock.
 */
#pragma once

#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/proc.h>
#include <maestro/timer.h>
#include <maestro/tty.h>
#include <maestro/vfs.h>

/* termios(3) bits, the same in both ABIs. */
enum { VINTR, VQUIT, VERASE, VKILL, VEOF, VTIME, VMIN, VSWTC, VSTART, VSTOP, VSUSP, VEOL, VREPRINT, VDISCARD, VWERASE, VLNEXT, VEOL2 };
#define IGNBRK 0000001u
#define BRKINT 0000002u
#define IGNPAR 0000004u
#define PARMRK 0000010u
#define INPCK 0000020u
#define ISTRIP 0000040u
#define INLCR 0000100u
#define IGNCR 0000200u
#define ICRNL 0000400u
#define IUCLC 0001000u
#define IXON 0002000u
#define IXANY 0004000u
#define IXOFF 0010000u
#define IMAXBEL 0020000u
#define IUTF8 0040000u
#define OPOST 0000001u
#define OLCUC 0000002u
#define ONLCR 0000004u
#define OCRNL 0000010u
#define ONOCR 0000020u
#define ONLRET 0000040u
#define TABDLY 0014000u
#define XTABS 0014000u
#define CBAUD 0010017u
#define CBAUDEX 0010000u
#define BOTHER 0010000u
#define B0 0u
#define B9600 0000015u
#define B38400 0000017u
#define IBSHIFT 16
#define CSIZE 0000060u
#define CS5 0000000u
#define CS6 0000020u
#define CS7 0000040u
#define CS8 0000060u
#define CSTOPB 0000100u
#define CREAD 0000200u
#define PARENB 0000400u
#define PARODD 0001000u
#define HUPCL 0002000u
#define CLOCAL 0004000u
#define CMSPAR 010000000000u
#define CRTSCTS 020000000000u
#define ISIG 0000001u
#define ICANON 0000002u
#define ECHO 0000010u
#define ECHOE 0000020u
#define ECHOK 0000040u
#define ECHONL 0000100u
#define NOFLSH 0000200u
#define TOSTOP 0000400u
#define ECHOCTL 0001000u
#define ECHOPRT 0002000u
#define ECHOKE 0004000u
#define FLUSHO 0010000u
#define PENDIN 0040000u
#define IEXTEN 0100000u
#define EXTPROC 0200000u

#define TIOCPKT_FLUSHREAD 1
#define TIOCPKT_FLUSHWRITE 2
#define TIOCPKT_STOP 4
#define TIOCPKT_START 8
#define TIOCPKT_NOSTOP 16
#define TIOCPKT_DOSTOP 32
#define TIOCPKT_IOCTL 64

#define TTY_MAJOR 4
#define TTYAUX_MAJOR 5
#define PTS_MAJOR 136
#define PTY_MAX 4096
#define VT_COUNT 6

#define N_TTY_SIZE 4096u
#define N_TTY_ECHO 1024u
#define TTY_RING 8192u /* characters between interrupt and discipline */
#define TTY_MAX_EXPAND 8u /* bytes that one character can become on output */

struct n_tty { /* [tty.ldisc]; head, canon_head and tail are also read without it, to test for input */
	u32 head, canon_head, tail;  /* free-running; canon_head: end of the last whole line */
	u32 echo_head, echo_tail;
	u32 column, canon_column;    /* of the output; where the line being edited began */
	bool lnext, erasing;
	unsigned long eol[BITMAP_LONGS(N_TTY_SIZE)]; /* this character ends a line; a NUL so marked is an end of file */
	u8 buf[N_TTY_SIZE];
	u8 echo[N_TTY_ECHO];	     /* processed output that found no room */
};

struct tty {
	/* [c] */
	struct tty_line *line;
	const struct tty_driver_ops *ops;
	struct pty *pty; /* the pair this is the slave of, or NULL */
	void (*release)(struct tty *t); /* the last reference went */
	/* [a] */
	struct atomic refs;
	u32 gen;	  /* hangups; written under tty_state.mutex. A file opened in another generation is hung up */
	bool stopped;	  /* ^S or TCOOFF; written under ldisc */
	bool async_out;	  /* an O_ASYNC file could not write all: its owner hears of room */
	bool tco_stopped; /* by TCOOFF: ^Q does not start it */
	/* [tty_state.mutex] */
	unsigned opens;
	struct list files; /* tty_file.node */
	bool exclusive;
	/* [process tree lock] 0: none */
	pid_t session, pgrp;
	/* one at a time */
	struct mutex read_mutex, write_mutex;
	struct wait_queue read_wait, write_wait;
	struct fasync_queue async; /* the slave's files, or the line's */
	/* [ldisc] */
	struct mutex ldisc;
	struct ktermios termios; /* flags are also read without the lock */
	struct ktermios locked;	 /* bits and characters that a change of termios leaves as they are: TIOCSLCKTRMIOS */
	struct winsize_k winsize;
	struct n_tty n;
	bool xoff_sent;
	/* [ring_lock] RANK_TTY_BUF, irqsave */
	struct spinlock ring_lock;
	u16 *ring; /* character, flag << 8; NULL for ptys */
	u32 ring_head, ring_tail;
	bool throttled;
	u32 overruns;
	struct work input_work, hangup_work;
};

struct tty_file { /* file.priv */
	struct tty *tty; /* [c] a reference */
	struct file *file;
	struct list node; /* [tty_state.mutex] */
	u32 gen;	  /* [a] */
	bool console;	  /* opened as /dev/console */
};
static inline bool tty_file_hung_up(const struct tty_file *tf)
{
	return load_relaxed(&tf->gen) != load_relaxed(&tf->tty->gen);
}
static inline struct tty_state *tty_state(void)
{
	return &kernel()->tty;
}
#define L_FLAG(t, f) ((t)->termios.lflag & (f))
#define I_FLAG(t, f) ((t)->termios.iflag & (f))
#define O_FLAG(t, f) ((t)->termios.oflag & (f))

/* --- tty_core.c --- */
extern const struct file_ops tty_fops, ptmx_fops;
kerr_t tty_object_init(struct tty *t, struct tty_line *l, bool with_ring) __must_check;
struct tty_line *tty_line_find(dev_t dev); /* tty_state.mutex held */
struct tty_line *tty_console_line(void);   /* what /dev/console is; tty_state.mutex held */
struct tty *tty_line_tty(struct tty_line *l); /* makes it if need be; NULL: no memory. tty_state.mutex held */
kerr_t tty_open_as(struct tty *t, struct file *f, bool console, bool noctty) __must_check;
/* All that a hangup means; exit_session: the session's leader is ending. May sleep; no tty lock held. */
void tty_hangup(struct tty *t, bool exit_session);
u32 tty_encode_dev(dev_t d);

/* --- tty_file.c --- */
/* O_ASYNC: who has no owner yet gets the foreground group, or current's process. */
kerr_t tty_fasync_set(struct tty *t, int fd, struct file *f, struct fasync_queue *q, bool on) __must_check;
kerr_t tty_fasync(int fd, struct file *f, bool on) __must_check;
ssize_t tty_read_iter(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t tty_write_iter(struct file *f, struct iov_iter *it, loff_t *pos);
u32 tty_poll(struct file *f, struct poll_table *pt);

/* --- tty_input.c --- */
void tty_ring_init(struct tty *t);
void tty_ring_flush(struct tty *t);
void tty_input_kick(struct tty *t); /* there is room again: the ring may go on, a throttled driver too */

/* --- tty_job.c --- */
/* A background process may not: 0, -EIO, -ERESTARTSYS (the signal is sent). */
kerr_t tty_check_change(struct tty *t, int sig) __must_check;
void tty_open_ctty(struct tty *t, struct file *f);
long tty_ioctl_sctty(struct tty *t, struct file *f, unsigned long arg);
long tty_ioctl_notty(struct tty *t);
long tty_ioctl_gpgrp(struct tty *t, bool master, pid_t *out);
long tty_ioctl_spgrp(struct tty *t, bool master, pid_t pgrp);
long tty_ioctl_gsid(struct tty *t, bool master, pid_t *out);
void tty_clear_session(struct tty *t, bool hangup, bool exit_session);
struct tty *tty_get_current(void); /* the controlling terminal, referenced, or NULL */

/* --- tty_ioctl.c --- */
long tty_ioctl(struct file *f, unsigned cmd, unsigned long arg);
/* What the two ends of a pty share; -ENOIOCTLCMD: not one of these. */
long tty_ioctl_termios(struct tty *t, unsigned cmd, unsigned long arg);
/* Session and foreground group, asked from either end. */
long tty_ioctl_session(struct tty *t, bool master, unsigned cmd, unsigned long arg);
void tty_set_termios(struct tty *t, const struct ktermios *new);
kerr_t tty_wait_until_sent(struct tty *t, ktime_t deadline) __must_check;
kerr_t tty_resize(struct tty *t, const struct winsize_k *ws);
void tty_flush(struct tty *t, bool input, bool output);
/* --- termios.c --- */
void termios_fix_speed(struct ktermios *k);

/* --- n_tty.c, all with tty.ldisc held but the predicates --- */
void n_tty_reset(struct tty *t);
void n_tty_flush_input(struct tty *t);
/* Returns how many were taken: fewer when the read buffer is full. flags NULL: all TTY_NORMAL. */
size_t n_tty_receive(struct tty *t, const u8 *buf, const u8 *flags, size_t n);
bool n_tty_has_room(struct tty *t);
bool n_tty_input_ready(const struct tty *t, bool poll);
/* Up to n characters, of one line only if ICANON. *line_end: the line is over (maybe by EOF, with nothing). False: nothing to read. */
bool n_tty_take(struct tty *t, u8 *buf, size_t n, size_t *got, bool *line_end);
size_t n_tty_chars(struct tty *t); /* FIONREAD */
void n_tty_termios_changed(struct tty *t, const struct ktermios *old);
/* --- n_tty_out.c --- */
size_t n_tty_write_chunk(struct tty *t, const u8 *buf, size_t n);
bool n_tty_can_write(struct tty *t); /* no lock */
void n_tty_echo_raw(struct tty *t, u8 c);  /* through OPOST */
void n_tty_echo_char(struct tty *t, u8 c); /* and as ^X */
void n_tty_echo_flush(struct tty *t);
static inline bool n_tty_echo_pending(const struct tty *t)
{
	return load_relaxed(&t->n.echo_head) != load_relaxed(&t->n.echo_tail);
}
void n_tty_send_xchar(struct tty *t, u8 c);
void tty_stop(struct tty *t);
void tty_start(struct tty *t);

/* --- pty.c --- */
struct pty {
	struct tty tty; /* the slave */
	struct tty_line line;
	/* [c] */
	unsigned index;
	u32 serial;
	/* [pty_lock] */
	bool node; /* visible in devpts */
	uid_t uid;
	gid_t gid;
	mode_t mode;
	/* [lock] RANK_TTY_BUF */
	struct spinlock lock;
	bool locked, master_closed, slave_closed, packet;
	u8 pktstatus;
	u32 out_head, out_tail; /* the slave's output, that the master reads */
	u8 *out;
	struct wait_queue master_read, master_write;
	struct fasync_queue master_async;
	/* what the node of the pair is in devpts: path of the master's mount */
};
#define PTY_OUT 8192u
kerr_t ptmx_open(struct inode *inode, struct file *f);
struct pty *pty_find(unsigned index); /* with a reference on its tty, visible or not; NULL */
bool pty_alive(unsigned index, u32 serial);
void pty_packet(struct tty *t, u8 set, u8 clear);
void pty_master_room(struct pty *p); /* the slave's buffer has room */
void pty_slave_last_close(struct pty *p);
kerr_t pty_slave_check_open(struct pty *p) __must_check;
/* devpts */
struct pts_info {
	unsigned index;
	u32 serial;
	uid_t uid;
	gid_t gid;
	mode_t mode;
};
bool pty_info(unsigned index, struct pts_info *out); /* a visible one */
bool pty_next(unsigned from, unsigned *index);	     /* the first visible one at or after */
void pty_set_attr(unsigned index, u32 serial, uid_t uid, gid_t gid, mode_t mode);

/* --- vt --- */
void vt_console_write(const char *text, size_t n);
dev_t vt_foreground_dev(void); /* 0: no VT */
kerr_t vt_lines_register(void) __must_check;
