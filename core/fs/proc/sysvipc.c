/* SPDX-License-Identifier: MIT */
/* /proc/sysvipc, and the limits of System V IPC in /proc/sys/kernel (sysvipc(7), proc(5)). */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/sysv.h>

#include "proc_fs.h"

#define SHOW(name, call)                                      \
	static void name(struct seq_buf *s, struct pctx *c)   \
	{                                                     \
		(void)c;                                      \
		call(s);                                      \
	}
SHOW(show_shm, shm_show)
SHOW(show_sem, sem_show)
SHOW(show_msg, msg_show)

const struct pnode proc_sysvipc_nodes[] = {
	{.name = "msg", .mode = S_IFREG | 0444, .show = show_msg},
	{.name = "sem", .mode = S_IFREG | 0444, .show = show_sem},
	{.name = "shm", .mode = S_IFREG | 0444, .show = show_shm},
	{.name = NULL},
};

static void skip_blanks(const char **p)
{
	while (**p == ' ' || **p == '\t' || **p == '\n')
		++*p;
}

kerr_t proc_parse_numbers(const char *text, u64 max, u64 *out, unsigned n)
{
	const char *p = text;

	skip_blanks(&p);
	for (unsigned i = 0; i < n && *p; i++) {
		u64 v;

		if (kstrtou64(&p, 10, &v) || v > max || (*p && *p != ' ' && *p != '\t' && *p != '\n'))
			return KERR(EINVAL);
		out[i] = v;
		skip_blanks(&p);
	}
	return 0;
}

#define LIMIT(field, type, max)                                               \
	void proc_show_##field(struct seq_buf *s, struct pctx *c)             \
	{                                                                     \
		(void)c;                                                      \
		seq_printf(s, "%lu\n", (unsigned long)load_relaxed(&kernel()->ipc.field)); \
	}                                                                     \
	kerr_t proc_write_##field(struct seq_buf *unused, struct pctx *c)     \
	{                                                                     \
		u64 v = kernel()->ipc.field;                                  \
		kerr_t err = proc_parse_numbers(c->arg, (max), &v, 1);             \
                                                                              \
		(void)unused;                                                 \
		if (!err)                                                     \
			store_relaxed(&kernel()->ipc.field, (type)v);         \
		return err;                                                   \
	}
LIMIT(shm_max, unsigned long, ULONG_MAX)
LIMIT(shm_all, unsigned long, ULONG_MAX)
LIMIT(shm_mni, u32, 32768)
LIMIT(msg_max, u32, S32_MAX)
LIMIT(msg_mnb, u32, S32_MAX)
LIMIT(msg_mni, u32, 32768)

void proc_show_shm_rmid_forced(struct seq_buf *s, struct pctx *c)
{
	(void)c;
	seq_printf(s, "%u\n", load_relaxed(&kernel()->ipc.shm_rmid_forced));
}

kerr_t proc_write_shm_rmid_forced(struct seq_buf *unused, struct pctx *c)
{
	u64 v = kernel()->ipc.shm_rmid_forced;
	kerr_t err = proc_parse_numbers(c->arg, 1, &v, 1);

	(void)unused;
	if (!err)
		shm_set_rmid_forced((u32)v);
	return err;
}

void proc_show_sem_limits(struct seq_buf *s, struct pctx *c)
{
	const struct ipc_state *i = &kernel()->ipc;

	(void)c;
	seq_printf(s, "%u\t%u\t%u\t%u\n", i->sem_msl, i->sem_mns, i->sem_opm, i->sem_mni);
}

kerr_t proc_write_sem_limits(struct seq_buf *unused, struct pctx *c)
{
	struct ipc_state *i = &kernel()->ipc;
	u64 v[4] = { i->sem_msl, i->sem_mns, i->sem_opm, i->sem_mni };
	kerr_t err = proc_parse_numbers(c->arg, S32_MAX, v, 4);

	(void)unused;
	if (err)
		return err;
	if (v[3] > 32768)
		return KERR(ERANGE);
	store_relaxed(&i->sem_msl, (u32)v[0]);
	store_relaxed(&i->sem_mns, (u32)v[1]);
	store_relaxed(&i->sem_opm, (u32)v[2]);
	store_relaxed(&i->sem_mni, (u32)v[3]);
	return 0;
}
