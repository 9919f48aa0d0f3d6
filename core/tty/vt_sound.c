/* SPDX-License-Identifier: MIT */
/* The bell of virtual terminals, KIOCSOUND and KDMKTONE: one voice, switched off by a timer. Locking: none; a driver's tone() is one short sequence. */
#include "vt_priv.h"

#include <maestro/lib.h>
#include <maestro/tty_ioctl.h>

#define TICKS_PER_SECOND 1193182u /* of the counter whose divisor the ioctls give */

static void sound_off(struct timer *t)
{
	struct vt_core *c = container_of(t, struct vt_core, sound.timer);

	c->sound.tone(0);
}

void vt_sound_init(struct vt_core *c)
{
	timer_init(&c->sound.timer, sound_off);
}

void vt_sound_register(void (*tone)(unsigned hz))
{
	if (vt_core())
		vt_core()->sound.tone = tone;
}

void vt_sound(struct vt_core *c, unsigned hz, unsigned ms)
{
	if (!c->sound.tone)
		return;
	timer_cancel(&c->sound.timer);
	c->sound.tone(hz);
	if (hz && ms)
		timer_start(&c->sound.timer, ktime_get() + (ktime_t)ms * NSEC_PER_MSEC);
}

long vt_ioctl_sound(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg)
{
	unsigned divisor = arg & 0xffff, hz = divisor ? TICKS_PER_SECOND / divisor : 0;

	if (cmd != KIOCSOUND && cmd != KDMKTONE)
		return -ENOIOCTLCMD;
	if (!vt_may_configure(t))
		return -EPERM;
	vt_sound(c, hz, cmd == KDMKTONE ? (unsigned)(arg >> 16) & 0xffff : 0);
	return 0;
}
