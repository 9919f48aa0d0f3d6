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

#define NET_WORD(field, min, max)                                           \
	static void show_##field(struct seq_buf *s, struct pctx *c)             \
	{                                                                       \
		(void)c;                                                            \
		seq_printf(s, "%u\n", load_relaxed(&kernel()->net.field));          \
	}                                                                       \
	static kerr_t write_##field(struct seq_buf *unused, struct pctx *c)     \
	{                                                                       \
		u32 v;                                                              \
		kerr_t err = proc_parse_u32(c->arg, &v);                            \
                                                                            \
		(void)unused;                                                       \
		if (err || v < (min) || v > (max))                                  \
			return KERR(EINVAL);                                            \
		store_relaxed(&kernel()->net.field, v);                             \
		return 0;                                                           \
	}
NET_WORD(rmem_default, 2240u, S32_MAX)
NET_WORD(rmem_max, 2240u, S32_MAX)
NET_WORD(wmem_default, 4480u, S32_MAX)
NET_WORD(wmem_max, 4480u, S32_MAX)
NET_WORD(somaxconn, 1u, S32_MAX)
NET_WORD(optmem_max, 1u, S32_MAX)
NET_WORD(max_dgram_qlen, 1u, S32_MAX)
#define NET_NODE(field) {.name = #field, .mode = S_IFREG | 0644, .show = show_##field, .write = write_##field}

static const struct pnode core_nodes[] = {NET_NODE(optmem_max),	  NET_NODE(rmem_default), NET_NODE(rmem_max), NET_NODE(somaxconn),
					  NET_NODE(wmem_default), NET_NODE(wmem_max),	  {.name = NULL}};
static const struct pnode unix_nodes[] = {NET_NODE(max_dgram_qlen), {.name = NULL}};
const struct pnode proc_sys_net_nodes[] = {
	{.name = "core", .mode = S_IFDIR | 0555, .children = core_nodes},
	{.name = "unix", .mode = S_IFDIR | 0555, .children = unix_nodes},
	{.name = NULL},
};
