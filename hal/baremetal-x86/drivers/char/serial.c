/* SPDX-License-Identifier: MIT */
/*
 * 16550 serial ports, ttyS0..ttyS3, with FIFOs and interrupts both ways; the log's console on one of them, polled.
 *
 * Output goes through a ring that the transmit interrupt empties. Log lines are written straight to the port with the same lock held, between
 * bytes of the ring. A port whose console is used before the driver runs was set up by the early console; the speed is set again here.
 * Locking: port.lock (RANK_CONSOLE, irqsave). Not held while input or room is reported to the tty.
 * Specification: National PC16550D data sheet; RS-232 modem lines as termios(3) wants them (CLOCAL, CRTSCTS, HUPCL).
 */
#include "../console.h"

#include <abi/tty.h>
#include <maestro/lib.h>
#include <maestro/lock.h>
#include <maestro/printk.h>
#include <maestro/sched.h>
#include <maestro/timer.h>
#include <maestro/tty.h>
#include <maestro/tty_ioctl.h>
#include <maestro/uaccess.h>
#include <x86/x86.h>

#define PORTS 4u
#define TX_RING 4096u
#define TX_MASK (TX_RING - 1)
#define FIFO 16u
#define BASE_BAUD 115200u
#define RX_BATCH 64u

enum { REG_DATA, REG_IER, REG_IIR, REG_LCR, REG_MCR, REG_LSR, REG_MSR, REG_SCRATCH };
enum { IER_RX = 1, IER_TX = 2, IER_LINE = 4, IER_MODEM = 8 };
enum { LCR_DLAB = 0x80, LCR_BREAK = 0x40 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT2 = 8, MCR_LOOP = 0x10 };
enum { LSR_DATA = 1, LSR_OVERRUN = 2, LSR_PARITY = 4, LSR_FRAME = 8, LSR_BREAK = 0x10, LSR_THRE = 0x20, LSR_EMPTY = 0x40 };
enum { MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80, MSR_DDCD = 8 };
#define C_CSIZE 060u
#define C_CSTOPB 0100u
#define C_PARENB 0400u
#define C_PARODD 01000u
#define C_HUPCL 02000u
#define C_CLOCAL 04000u
#define C_CMSPAR 010000000000u
#define C_CRTSCTS 020000000000u
#define C_CBAUD 010017u

struct port {
	/* [c] */
	struct tty_line line;
	u16 base;
	u8 irq;
	bool present;
	struct log_console log;
	/* [lock] */
	struct spinlock lock;
	u8 ier, mcr, lcr;
	bool open, stopped, cts_stop, hupcl, clocal, flow;
	u32 head, tail;
	u8 tx[TX_RING];
	u32 rx_count, tx_count, overruns, frame_errors, parity_errors, breaks;
};
static struct port ports[PORTS];

static u8 reg_read(const struct port *p, unsigned reg)
{
	return inb((u16)(p->base + reg));
}
static void reg_write(const struct port *p, unsigned reg, u8 v)
{
	outb((u16)(p->base + reg), v);
}

/* ---- output ---- */
static void set_ier(struct port *p, u8 ier)
{
	if (p->ier != ier) {
		p->ier = ier;
		reg_write(p, REG_IER, ier);
	}
}

/* Fills the FIFO if it is empty; keeps the transmit interrupt on as long as there is more. */
static void transmit(struct port *p)
{
	assert_held(&p->lock);
	if (p->stopped || p->cts_stop || p->head == p->tail) {
		set_ier(p, p->ier & (u8)~IER_TX);
		return;
	}
	if (reg_read(p, REG_LSR) & LSR_THRE)
		for (unsigned i = 0; i < FIFO && p->head != p->tail; i++) {
			reg_write(p, REG_DATA, p->tx[p->tail++ & TX_MASK]);
			p->tx_count++;
		}
	set_ier(p, p->ier | IER_TX);
}

static size_t serial_write(struct tty *t, const u8 *buf, size_t n)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);
	size_t i;

	for (i = 0; i < n && p->head - p->tail < TX_RING; i++)
		p->tx[p->head++ & TX_MASK] = buf[i];
	if (!(p->ier & IER_TX))
		transmit(p);
	spin_unlock_irqrestore(&p->lock, flags);
	return i;
}

static size_t serial_write_room(struct tty *t)
{
	struct port *p = tty_driver_data(t);

	return TX_RING - (load_relaxed(&p->head) - load_relaxed(&p->tail));
}

static size_t serial_chars_queued(struct tty *t)
{
	struct port *p = tty_driver_data(t);

	return load_relaxed(&p->head) - load_relaxed(&p->tail);
}

static void serial_flush_output(struct tty *t)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	p->tail = p->head;
	spin_unlock_irqrestore(&p->lock, flags);
}

static void serial_start_stop(struct tty *t, bool stop)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	p->stopped = stop;
	transmit(p);
	spin_unlock_irqrestore(&p->lock, flags);
}

/* ---- settings ---- */
static void set_mcr(struct port *p, u8 on, u8 off)
{
	p->mcr = (u8)((p->mcr & ~off) | on);
	reg_write(p, REG_MCR, p->mcr);
}

static void set_line(struct port *p, const struct ktermios *k)
{
	u32 baud = k->ospeed, divisor;

	assert_held(&p->lock);
	p->lcr = (u8)((k->cflag & C_CSIZE) >> 4);
	if (k->cflag & C_CSTOPB)
		p->lcr |= 4;
	if (k->cflag & C_PARENB)
		p->lcr |= (u8)(8 | (k->cflag & C_PARODD ? 0 : 0x10) | (k->cflag & C_CMSPAR ? 0x20 : 0));
	p->hupcl = k->cflag & C_HUPCL;
	p->clocal = k->cflag & C_CLOCAL;
	p->flow = k->cflag & C_CRTSCTS;
	if (!baud) { /* B0: hang up */
		set_mcr(p, 0, MCR_DTR | MCR_RTS);
		reg_write(p, REG_LCR, p->lcr);
		return;
	}
	divisor = (BASE_BAUD + baud / 2) / baud;
	divisor = divisor < 1 ? 1 : divisor > 0xffff ? 0xffff : divisor;
	reg_write(p, REG_LCR, p->lcr | LCR_DLAB);
	reg_write(p, REG_DATA, (u8)divisor);
	reg_write(p, REG_IER, (u8)(divisor >> 8));
	reg_write(p, REG_LCR, p->lcr);
	if (p->open)
		set_mcr(p, MCR_DTR | MCR_RTS | MCR_OUT2, 0);
	p->cts_stop = p->flow && !(reg_read(p, REG_MSR) & MSR_CTS);
	if (p->open)
		transmit(p);
}

static void serial_set_termios(struct tty *t, const struct ktermios *old)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	(void)old;
	set_line(p, tty_termios(t));
	spin_unlock_irqrestore(&p->lock, flags);
}

static void serial_throttle(struct tty *t, bool on)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	if (p->flow)
		set_mcr(p, on ? 0 : MCR_RTS, on ? MCR_RTS : 0);
	/* Without flow control to the other end, leaving bytes in the FIFO still holds back an emulated line. */
	set_ier(p, on ? p->ier & (u8)~IER_RX : p->ier | IER_RX);
	spin_unlock_irqrestore(&p->lock, flags);
}

static void serial_send_break(struct tty *t, int ms)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	reg_write(p, REG_LCR, p->lcr | LCR_BREAK);
	spin_unlock_irqrestore(&p->lock, flags);
	if (sleep_until(ktime_get() + ms * NSEC_PER_MSEC))
		klog_debug("%s: break cut short", p->line.name);
	flags = spin_lock_irqsave(&p->lock);
	reg_write(p, REG_LCR, p->lcr);
	spin_unlock_irqrestore(&p->lock, flags);
}

/* ---- open and close ---- */
static kerr_t serial_open(struct tty *t)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	p->open = true;
	p->stopped = false;
	set_line(p, tty_termios(t));
	reg_write(p, REG_IIR, 0x87); /* FIFOs on, cleared, interrupt at 8 bytes */
	for (unsigned i = 0; i < 64 && (reg_read(p, REG_LSR) & LSR_DATA); i++)
		(void)reg_read(p, REG_DATA);
	(void)reg_read(p, REG_MSR);
	set_mcr(p, MCR_OUT2, 0);
	p->ier = 0;
	set_ier(p, IER_RX | IER_LINE | IER_MODEM);
	transmit(p);
	spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

static void serial_close(struct tty *t)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags = spin_lock_irqsave(&p->lock);

	p->open = false;
	p->tail = p->head;
	set_ier(p, 0);
	if (p->hupcl && !p->log.write)
		set_mcr(p, 0, MCR_DTR | MCR_RTS);
	spin_unlock_irqrestore(&p->lock, flags);
}

/* ---- ioctls ---- */
static int modem_lines(struct port *p)
{
	u8 msr = reg_read(p, REG_MSR);

	return (p->mcr & MCR_DTR ? TIOCM_DTR : 0) | (p->mcr & MCR_RTS ? TIOCM_RTS : 0) | (p->mcr & MCR_OUT2 ? TIOCM_OUT2 : 0) |
	       (msr & MSR_CTS ? TIOCM_CTS : 0) | (msr & MSR_DSR ? TIOCM_DSR : 0) | (msr & MSR_RI ? TIOCM_RNG : 0) | (msr & MSR_DCD ? TIOCM_CAR : 0);
}

static u8 mcr_of(int lines)
{
	return (u8)((lines & TIOCM_DTR ? MCR_DTR : 0) | (lines & TIOCM_RTS ? MCR_RTS : 0) | (lines & TIOCM_LOOP ? MCR_LOOP : 0));
}

static long modem_ioctl(struct port *p, unsigned cmd, unsigned long arg)
{
	const u8 all = MCR_DTR | MCR_RTS | MCR_LOOP;
	unsigned long flags;
	int v;
	kerr_t err;

	if (cmd == TIOCMGET) {
		flags = spin_lock_irqsave(&p->lock);
		v = modem_lines(p);
		spin_unlock_irqrestore(&p->lock, flags);
		return kerr_code(put_user(v, (int __user *)arg));
	}
	err = copy_in(&v, (const int __user *)arg);
	if (err)
		return kerr_code(err);
	flags = spin_lock_irqsave(&p->lock);
	if (cmd == TIOCMBIC)
		set_mcr(p, 0, mcr_of(v));
	else
		set_mcr(p, mcr_of(v), cmd == TIOCMSET ? all : 0);
	spin_unlock_irqrestore(&p->lock, flags);
	return 0;
}

static long get_serial(struct port *p, unsigned long arg)
{
	struct abi_serial_struct s;

	memset(&s, 0, sizeof(s));
	s.type = 4; /* 16550A */
	s.line = (s32)(p - ports);
	s.port = p->base;
	s.irq = p->irq;
	s.xmit_fifo_size = (s32)FIFO;
	s.baud_base = (s32)BASE_BAUD;
	s.close_delay = 50;
	s.closing_wait = 3000;
	return kerr_code(copy_out((struct abi_serial_struct __user *)arg, &s));
}

static long get_counts(struct port *p, unsigned long arg)
{
	int c[20] = { 0 }; /* struct serial_icounter_struct */

	c[4] = (int)p->rx_count;
	c[5] = (int)p->tx_count;
	c[6] = (int)p->frame_errors;
	c[7] = (int)p->overruns;
	c[8] = (int)p->parity_errors;
	c[9] = (int)p->breaks;
	return kerr_code(copy_to_user((void __user *)arg, c, sizeof(c)));
}

static long serial_ioctl(struct tty *t, unsigned cmd, unsigned long arg)
{
	struct port *p = tty_driver_data(t);
	unsigned long flags;

	switch (cmd) {
	case TIOCMGET:
	case TIOCMSET:
	case TIOCMBIS:
	case TIOCMBIC:
		return modem_ioctl(p, cmd, arg);
	case TIOCGSERIAL:
		return get_serial(p, arg);
	case TIOCGICOUNT:
		return get_counts(p, arg);
	case TIOCSBRK:
	case TIOCCBRK:
		flags = spin_lock_irqsave(&p->lock);
		reg_write(p, REG_LCR, cmd == TIOCSBRK ? p->lcr | LCR_BREAK : p->lcr);
		spin_unlock_irqrestore(&p->lock, flags);
		return 0;
	}
	return -ENOIOCTLCMD;
}

static const struct tty_driver_ops serial_ops = {
	.write = serial_write,
	.write_room = serial_write_room,
	.chars_queued = serial_chars_queued,
	.flush_output = serial_flush_output,
	.set_termios = serial_set_termios,
	.throttle = serial_throttle,
	.start_stop = serial_start_stop,
	.ioctl = serial_ioctl,
	.open = serial_open,
	.close = serial_close,
	.send_break = serial_send_break,
};

/* ---- interrupts ---- */
struct rx {
	u8 buf[RX_BATCH];
	unsigned n;
	u8 bad, bad_flag; /* a character with an error ends the batch */
};

static u8 error_flag(struct port *p, u8 lsr)
{
	if (lsr & LSR_BREAK) {
		p->breaks++;
		return TTY_BREAK;
	}
	if (lsr & LSR_PARITY) {
		p->parity_errors++;
		return TTY_PARITY;
	}
	p->frame_errors++;
	return TTY_FRAME;
}

/* True if there is more than fits a batch. */
static bool receive(struct port *p, struct rx *rx)
{
	rx->n = 0;
	rx->bad_flag = TTY_NORMAL;
	while (rx->n < RX_BATCH) {
		u8 lsr = reg_read(p, REG_LSR), c;

		if (!(lsr & LSR_DATA) || lsr == 0xff)
			return false;
		c = reg_read(p, REG_DATA);
		p->rx_count++;
		if (lsr & LSR_OVERRUN)
			p->overruns++;
		if (lsr & (LSR_BREAK | LSR_PARITY | LSR_FRAME)) {
			rx->bad = c;
			rx->bad_flag = error_flag(p, lsr);
			return true;
		}
		rx->buf[rx->n++] = c;
	}
	return true;
}

static bool modem_change(struct port *p)
{
	u8 msr = reg_read(p, REG_MSR);

	p->cts_stop = p->flow && !(msr & MSR_CTS);
	return (msr & MSR_DDCD) && !(msr & MSR_DCD) && !p->clocal;
}

static void service(struct port *p)
{
	unsigned budget = 32;
	struct rx rx;
	bool more, room, lost;

	do {
		unsigned long flags = spin_lock_irqsave(&p->lock);
		u32 before = p->head - p->tail;

		more = p->ier & IER_RX ? receive(p, &rx) : (rx.n = 0, rx.bad_flag = TTY_NORMAL, false);
		lost = modem_change(p);
		transmit(p);
		room = before > TX_RING / 4 ? p->head - p->tail <= TX_RING / 4 : before && p->head == p->tail;
		spin_unlock_irqrestore(&p->lock, flags);
		if (rx.n)
			tty_input(&p->line, rx.buf, rx.n);
		if (rx.bad_flag)
			tty_input_flag(&p->line, rx.bad, rx.bad_flag);
		if (room)
			tty_output_ready(&p->line);
		if (lost)
			tty_carrier_lost(&p->line);
	} while (more && --budget);
}

static void serial_interrupt(void *arg)
{
	struct port *p = arg;

	/* Until the port asks no more: ISA lines are edge-triggered, one left high is never heard again. */
	for (unsigned i = 0; i < 256; i++) {
		if (!load_relaxed(&p->open) || (reg_read(p, REG_IIR) & 1))
			return;
		service(p);
	}
}

/* ---- the log ---- */
static void put_polled(struct port *p, u8 c)
{
	for (unsigned spins = 0; !(reg_read(p, REG_LSR) & LSR_THRE) && spins < 100000; spins++)
		hal_cpu_relax();
	reg_write(p, REG_DATA, c);
}

/* Any context, a panic in our own interrupt too: the lock is only tried for a while. */
static void serial_log(struct log_console *lc, const char *text, size_t n)
{
	struct port *p = lc->priv;
	unsigned long flags = hal_irq_save();
	unsigned tries = 1000000;
	bool locked;

	while (!(locked = spin_trylock(&p->lock)) && --tries)
		hal_cpu_relax();
	for (; n--; text++) {
		if (*text == '\n')
			put_polled(p, '\r');
		put_polled(p, (u8)*text);
	}
	if (locked)
		spin_unlock_irqrestore(&p->lock, flags);
	else
		hal_irq_restore(flags);
}

/* ---- start ---- */
/* console=ttyS0,115200n8: speed, parity n o e, bits. */
static void console_options(const char *opt, struct ktermios *k)
{
	u64 baud;

	if (*opt == ',')
		opt++;
	if (kstrtou64(&opt, 10, &baud) || !baud || baud > BASE_BAUD)
		return;
	k->cflag = (k->cflag & ~C_CBAUD) | termios_encode_baud((u32)baud);
	k->ispeed = k->ospeed = (u32)baud;
	if (*opt == 'o' || *opt == 'e')
		k->cflag |= C_PARENB | (*opt == 'o' ? C_PARODD : 0);
	if (*opt && opt[1] == '7')
		k->cflag = (k->cflag & ~C_CSIZE) | 040;
}

static bool detect(struct port *p)
{
	u8 mcr;

	reg_write(p, REG_SCRATCH, 0xA5);
	if (reg_read(p, REG_SCRATCH) != 0xA5)
		return false;
	/* In loop-back the modem inputs follow the outputs: this is a UART, not a register that keeps what it is given. */
	mcr = reg_read(p, REG_MCR);
	reg_write(p, REG_MCR, MCR_LOOP | 0x0a);
	p->present = (reg_read(p, REG_MSR) & 0xf0) == 0x90;
	reg_write(p, REG_MCR, mcr);
	return p->present;
}

static void probe_one(unsigned i)
{
	static const u16 bases[PORTS] = { 0x3F8, 0x2F8, 0x3E8, 0x2E8 };
	static const u8 irqs[PORTS] = { 4, 3, 4, 3 };
	struct port *p = &ports[i];

	p->base = bases[i];
	p->irq = irqs[i];
	spin_init(&p->lock, RANK_CONSOLE, "serial");
	if (!detect(p))
		return;
	ksnprintf(p->line.name, sizeof(p->line.name), "ttyS%u", i);
	p->line.dev = DEV(4, 64 + i);
	p->line.ops = &serial_ops;
	p->line.driver = p;
	tty_default_termios(&p->line.init_termios);
	p->line.init_termios.cflag = (p->line.init_termios.cflag & ~C_CBAUD) | termios_encode_baud(9600) | C_CLOCAL;
	p->line.init_termios.ispeed = p->line.init_termios.ospeed = 9600;
	reg_write(p, REG_IER, 0);
	if (x86_irq_register(p->irq, serial_interrupt, p)) {
		klog_err("%s: no interrupt", p->line.name);
		return;
	}
	if (tty_console_selected(p->line.name)) {
		unsigned long flags;

		console_options(tty_console_options(p->line.name), &p->line.init_termios);
		flags = spin_lock_irqsave(&p->lock);
		set_line(p, &p->line.init_termios);
		reg_write(p, REG_IIR, 0x07);
		set_mcr(p, MCR_DTR | MCR_RTS, 0);
		spin_unlock_irqrestore(&p->lock, flags);
		p->log.name = "ttyS";
		p->log.write = serial_log;
		p->log.priv = p;
	}
	if (tty_line_register(&p->line))
		return;
	if (p->log.write)
		log_console_register(&p->log);
	klog_info("%s: 16550A at %#x, irq %u", p->line.name, p->base, p->irq);
}

void serial_probe(void)
{
	for (unsigned i = 0; i < PORTS; i++)
		probe_one(i);
}
