/* SPDX-License-Identifier: MIT */
/*
 * A PS/2 keyboard behind an i8042 controller: scan codes of set 1 (the controller translates) become key codes for vt_key(). The lights are
 * set by a small state machine in the interrupt, since the keyboard answers each byte.
 * Locking: the interrupt owns the decoder; the lights' state has a spinlock.  Specification: IBM PS/2 Technical Reference, keyboard and 8042.
 */
#include "../console.h"

#include <maestro/lock.h>
#include <maestro/printk.h>
#include <maestro/sched.h>
#include <maestro/tty.h>
#include <x86/x86.h>

#define DATA 0x60
#define STATUS 0x64
#define STATUS_OUT 1 /* a byte for us */
#define STATUS_IN 2  /* the controller has not taken ours */
#define STATUS_AUX 0x20
#define KEYBOARD_IRQ 1

enum led_step { LED_IDLE, LED_COMMAND_SENT, LED_VALUE_SENT };
static struct {
	struct spinlock lock;
	enum led_step step; /* [lock] */
	u8 leds, sent;	    /* [lock] wanted; last sent */
	bool extended;	    /* [interrupt] after E0 */
	u8 pause;	    /* [interrupt] bytes of E1 left */
	u32 down[8];	    /* [interrupt] to tell repeats */
} kb;

static bool wait_input_empty(void)
{
	for (unsigned i = 0; i < 10000; i++) {
		if (!(inb(STATUS) & STATUS_IN))
			return true;
		x86_io_wait();
	}
	return false;
}

static bool send(u8 byte)
{
	if (!wait_input_empty())
		return false;
	outb(DATA, byte);
	return true;
}

static bool command(u8 byte)
{
	if (!wait_input_empty())
		return false;
	outb(STATUS, byte);
	return true;
}

/* Polled, for the probe: -1 in time. */
static int receive(void)
{
	for (unsigned i = 0; i < 100000; i++) {
		if (inb(STATUS) & STATUS_OUT)
			return inb(DATA);
		x86_io_wait();
	}
	return -1;
}

/* ---- lights ---- */
static void led_start(void)
{
	assert_held(&kb.lock);
	if (kb.step != LED_IDLE || kb.leds == kb.sent)
		return;
	if (send(0xED))
		kb.step = LED_COMMAND_SENT;
}

static void set_leds(u8 leds)
{
	unsigned long flags = spin_lock_irqsave(&kb.lock);

	kb.leds = leds & 7;
	led_start();
	spin_unlock_irqrestore(&kb.lock, flags);
}

static void led_answer(bool ok)
{
	unsigned long flags = spin_lock_irqsave(&kb.lock);

	if (ok && kb.step == LED_COMMAND_SENT && send(kb.leds)) {
		kb.sent = kb.leds;
		kb.step = LED_VALUE_SENT;
	} else {
		kb.step = LED_IDLE;
		if (ok)
			led_start();
	}
	spin_unlock_irqrestore(&kb.lock, flags);
}

/* ---- scan codes ---- */
static u8 extended_key(u8 code)
{
	static const u8 map[][2] = {
		{ 0x1c, 96 }, { 0x1d, 97 }, { 0x35, 98 }, { 0x37, 99 }, { 0x38, 100 }, { 0x46, 119 }, { 0x47, 102 }, { 0x48, 103 },
		{ 0x49, 104 }, { 0x4b, 105 }, { 0x4d, 106 }, { 0x4f, 107 }, { 0x50, 108 }, { 0x51, 109 }, { 0x52, 110 }, { 0x53, 111 },
		{ 0x5b, 125 }, { 0x5c, 126 }, { 0x5d, 127 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(map); i++)
		if (map[i][0] == code)
			return map[i][1];
	return 0; /* 2a, 36: shifts that the keyboard makes up around E0 keys */
}

static void key(unsigned code, bool down)
{
	bool was = (kb.down[code / 32] >> (code % 32)) & 1;

	if (down)
		kb.down[code / 32] |= 1u << (code % 32);
	else
		kb.down[code / 32] &= ~(1u << (code % 32));
	vt_key(code, down ? (was ? 2 : 1) : 0);
}

static void scan(u8 byte)
{
	u8 code = byte & 0x7f;

	if (kb.pause) {
		if (!--kb.pause)
			vt_key(119, byte & 0x80 ? 0 : 1);
		return;
	}
	if (byte == 0xE0) {
		kb.extended = true;
		return;
	}
	if (byte == 0xE1) {
		kb.pause = 2;
		return;
	}
	if (!kb.extended && (byte == 0xFA || byte == 0xFE)) {
		led_answer(byte == 0xFA);
		return;
	}
	if (kb.extended)
		code = extended_key(code);
	kb.extended = false;
	if (code)
		key(code, !(byte & 0x80));
}

static void ps2_interrupt(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 16; i++) {
		u8 status = inb(STATUS), byte;

		if (!(status & STATUS_OUT))
			return;
		byte = inb(DATA);
		if (!(status & STATUS_AUX))
			scan(byte);
	}
}

void ps2_probe(void)
{
	int config;

	spin_init(&kb.lock, RANK_CONSOLE, "ps2");
	if (inb(STATUS) == 0xFF) {
		klog_info("ps2: no controller");
		return;
	}
	command(0xAD); /* quiet while it is set up */
	command(0xA7);
	for (unsigned i = 0; i < 32 && (inb(STATUS) & STATUS_OUT); i++)
		(void)inb(DATA);
	command(0x20);
	config = receive();
	if (config < 0) {
		klog_info("ps2: the controller does not answer");
		return;
	}
	if (x86_irq_register(KEYBOARD_IRQ, ps2_interrupt, NULL)) {
		klog_err("ps2: no interrupt");
		return;
	}
	command(0x60);
	send((u8)((config | 0x41) & ~0x12)); /* interrupt on, translate to set 1, keyboard clock on, no mouse interrupt */
	command(0xAE);
	send(0xF4);
	vt_keyboard_register(set_leds);
	kb.sent = 0xff;
	set_leds(0);
}
