/* SPDX-License-Identifier: MIT */
/* /proc/PID/net and /proc/sys/net: the sockets there are, and their limits (proc(5), unix(7), socket(7)). */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/net.h>

#include "proc_fs.h"

static void show_unix(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	unix_show_sockets(s);
}

const struct pnode proc_net_nodes[] = {{.name = "unix", .mode = S_IFREG | 0444, .show = show_unix}, {.name = NULL}};

PROC_WORD(net, rmem_default, 2240, S32_MAX)
PROC_WORD(net, rmem_max, 2240, S32_MAX)
PROC_WORD(net, wmem_default, 4480, S32_MAX)
PROC_WORD(net, wmem_max, 4480, S32_MAX)
PROC_WORD(net, somaxconn, 1, S32_MAX)
PROC_WORD(net, optmem_max, 1, S32_MAX)
PROC_WORD(net, max_dgram_qlen, 1, S32_MAX)

static const struct pnode core_nodes[] = {
	PROC_WORD_NODE(optmem_max), PROC_WORD_NODE(rmem_default), PROC_WORD_NODE(rmem_max), PROC_WORD_NODE(somaxconn),
	PROC_WORD_NODE(wmem_default), PROC_WORD_NODE(wmem_max), {.name = NULL},
};
static const struct pnode unix_nodes[] = {PROC_WORD_NODE(max_dgram_qlen), {.name = NULL}};
const struct pnode proc_sys_net_nodes[] = {
	{.name = "core", .mode = S_IFDIR | 0555, .children = core_nodes},
	{.name = "unix", .mode = S_IFDIR | 0555, .children = unix_nodes},
	{.name = NULL},
};
