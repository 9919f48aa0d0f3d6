/* SPDX-License-Identifier: MIT */
/*
 * TIOCLINUX and the palette: the smaller requests to a console. Selecting and pasting want a mouse and are not here, nor is blanking: EINVAL.
 * Locking: vt_core.lock.  Specification: ioctl_console(2), TIOCLINUX, GIO_CMAP.
 */
#include "vt_priv.h"

#include <maestro/lib.h>
#include <maestro/tty_ioctl.h>

#define TIOCL_GETSHIFTSTATE 6
#define TIOCL_GETFGCONSOLE 12
#define TIOCL_SCROLLCONSOLE 13
#define CMAP_SIZE 48

const u8 vt_default_palette[16][3] = { /* of VGA's colours, in the order of attributes */
	{ 0, 0, 0 }, { 0, 0, 0xaa }, { 0, 0xaa, 0 }, { 0, 0xaa, 0xaa }, { 0xaa, 0, 0 }, { 0xaa, 0, 0xaa }, { 0xaa, 0x55, 0 }, { 0xaa, 0xaa, 0xaa },
	{ 0x55, 0x55, 0x55 }, { 0x55, 0x55, 0xff }, { 0x55, 0xff, 0x55 }, { 0x55, 0xff, 0xff }, { 0xff, 0x55, 0x55 }, { 0xff, 0x55, 0xff },
	{ 0xff, 0xff, 0x55 }, { 0xff, 0xff, 0xff },
};

void vt_palette_show(struct vc *vc)
{
	struct vt_core *c = vt_core();

	assert_held(&c->lock);
	if (vc->index == c->foreground && c->display && c->display->palette)
		c->display->palette(c->display, vc->palette);
}

void vt_palette_reset(struct vc *vc)
{
	if (!memcmp(vc->palette, vt_default_palette, sizeof(vc->palette)))
		return;
	memcpy(vc->palette, vt_default_palette, sizeof(vc->palette));
	vt_palette_show(vc);
}

/* The colours of all screens, in the order of control sequences: red is 1. */
static long set_palettes(struct vt_core *c, unsigned long arg)
{
	u8 map[CMAP_SIZE];
	unsigned long flags;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	if (copy_from_user(map, (const void __user *)arg, sizeof(map)))
		return -EFAULT;
	flags = spin_lock_irqsave(&c->lock);
	for (unsigned i = 0; i < VT_COUNT; i++)
		for (unsigned colour = 0; colour < 16; colour++)
			memcpy(c->vc[i].palette[vt_vga_colour(colour)], map + colour * 3, 3);
	vt_palette_show(&c->vc[c->foreground]);
	spin_unlock_irqrestore(&c->lock, flags);
	return 0;
}

static long get_palette(struct vt_core *c, struct vc *vc, unsigned long arg)
{
	u8 map[CMAP_SIZE];
	unsigned long flags = spin_lock_irqsave(&c->lock);

	for (unsigned colour = 0; colour < 16; colour++)
		memcpy(map + colour * 3, vc->palette[vt_vga_colour(colour)], 3);
	spin_unlock_irqrestore(&c->lock, flags);
	return kerr_code(copy_to_user((void __user *)arg, map, sizeof(map)));
}

static long scroll(struct vt_core *c, unsigned long arg)
{
	unsigned long flags;
	s32 lines;

	if (copy_in(&lines, (const s32 __user *)(arg + 4)))
		return -EFAULT;
	flags = spin_lock_irqsave(&c->lock);
	vt_history_look(c, -MIN(MAX(lines, -10000), 10000));
	spin_unlock_irqrestore(&c->lock, flags);
	vt_flush(c, false);
	return 0;
}

static long tiocl(struct vt_core *c, struct tty *t, unsigned long arg)
{
	u8 what;

	if ((!current->proc || current->proc->tty != t) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (copy_in(&what, (const u8 __user *)arg))
		return -EFAULT;
	switch (what) {
	case TIOCL_GETSHIFTSTATE:
		return kerr_code(put_user(vt_shift_state(c), (u8 __user *)arg));
	case TIOCL_GETFGCONSOLE:
		return (long)load_relaxed(&c->foreground);
	case TIOCL_SCROLLCONSOLE:
		return scroll(c, arg);
	}
	return -EINVAL;
}

long vt_ioctl_linux(struct vt_core *c, struct tty *t, unsigned cmd, unsigned long arg)
{
	switch (cmd) {
	case TIOCLINUX:
		return tiocl(c, t, arg);
	case GIO_CMAP:
		return get_palette(c, vc_of(t), arg);
	case PIO_CMAP:
		return set_palettes(c, arg);
	}
	return -ENOIOCTLCMD;
}
