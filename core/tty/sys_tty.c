/* SPDX-License-Identifier: MIT */
/* vhangup(2). */
#include "tty_priv.h"
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif

long sys_vhangup(void)
{
	struct tty *t;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	t = tty_get_current();
	if (t)
		tty_hangup(t, false);
	tty_put(t);
	return 0;
}
