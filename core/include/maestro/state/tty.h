/* SPDX-License-Identifier: MIT */
/* The state of the tty room in struct kernel. */
#pragma once

#include <maestro/list.h>
#include <maestro/lock.h>
#include <maestro/types.h>

struct pty;
struct tty;
struct tty_line;
struct vt_core;

struct tty_state {
	/* [c] after tty_init and vt_init */
	struct vt_core *vt;
	/* [mutex] RANK_TTY */
	struct mutex mutex;
	struct list lines;	/* tty_line.node */
	struct tty *redirect;	/* TIOCCONS: where writes to /dev/console go; a reference, or NULL */
	/* [pty_lock] RANK_LEAF */
	struct spinlock pty_lock;
	struct pty **ptys;	/* by index */
	unsigned pty_slots;	/* size of ptys */
	unsigned pty_count;
	u32 pty_serial;
	/* devpts mount options, [pty_lock] */
	struct {
		bool gid_set;
		u32 gid, mode, ptmxmode;
		unsigned max;
	} devpts;
};
