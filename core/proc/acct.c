/* SPDX-License-Identifier: MIT */
/*
 * Process accounting (acct(2), acct(5), version 3 of the record): when the last thread of a process ends, what it used is appended to a file.
 *
 *   sys_acct: opens the file, acct_mutex, the old one is put
 *   acct_process: from do_exit(), while the address space is still there; a record, the file's room looked at every half minute
 *
 * The file keeps its file system mounted only as long as nobody unmounts it: umount(2) counts the reference out, and accounting ends with the mount.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/printk.h>
#include <maestro/proc.h>
#include <maestro/timer.h>
#include <maestro/tty.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "proc_priv.h"

#define ACCT_TICK 10000000u /* ns: times are in 1/100 s */

enum { ACCT_FORK = 1, ACCT_SUPERUSER = 2, ACCT_CORE = 8, ACCT_SIGNAL = 16 };

struct acct_record {
	u8 flag, version;
	u16 tty;
	u32 exit_code, uid, gid, pid, ppid, begin;
	u32 elapsed;				    /* an IEEE 754 float */
	u16 utime, stime, mem, io, rw, minflt, majflt, swaps; /* comp_t */
	char comm[16];
};
_Static_assert(sizeof(struct acct_record) == 64, "acct(5)");
_Static_assert(offsetof(struct acct_record, begin) == 24 && offsetof(struct acct_record, utime) == 32 && offsetof(struct acct_record, comm) == 48, "acct(5)");

/* comp_t: 13 bits and an exponent of 3, base 8; rounded */
static u16 comp(u64 v)
{
	unsigned exponent = 0;
	bool up = false;

	while (v > 0x1fff) {
		up = v & 4;
		v >>= 3;
		exponent++;
	}
	if (up && ++v > 0x1fff) {
		v >>= 3;
		exponent++;
	}
	return exponent > 7 ? 0xffff : (u16)(exponent << 13 | v);
}

/* The bits of v as a float of single precision, cut off. */
static u32 float_bits(u64 v)
{
	unsigned top = 63;

	if (!v)
		return 0;
	for (; !(v >> 63); top--)
		v <<= 1;
	return (127 + top) << 23 | ((u32)(v >> 40) & 0x7fffff);
}

static void fill(struct acct_record *r, struct task *t)
{
	struct proc *p = t->proc;
	u64 elapsed = (u64)(hal_time_ns() - p->start_time);
	struct rusage_k used;
	unsigned long flags = tasklist_lock();
	int code = p->flags & PROC_GROUP_EXIT ? p->group_exit_code : p->leader->exit_code;

	rusage_of_proc(p, &used);
	*r = (struct acct_record){
		.flag = (u8)((p->leader->flags & TASK_NO_EXEC ? ACCT_FORK : 0) | (p->used_privilege ? ACCT_SUPERUSER : 0) | (code & 0x80 ? ACCT_CORE : 0) |
			     (code & 0x7f ? ACCT_SIGNAL : 0)),
		.version = 3,
		.tty = p->tty ? (u16)tty_dev_number(p->tty) : 0,
		.exit_code = (u32)code,
		.uid = t->cred->uid,
		.gid = t->cred->gid,
		.pid = (u32)p->pid,
		.ppid = (u32)p->ppid,
		.begin = (u32)div_u64((u64)ktime_get_real() - elapsed, NSEC_PER_SEC),
		.elapsed = float_bits(div_u64(elapsed, ACCT_TICK)),
		.utime = comp(div_u64(used.utime, ACCT_TICK)),
		.stime = comp(div_u64(used.stime, ACCT_TICK)),
		.mem = comp(t->mm ? t->mm->total_pages << (PAGE_SHIFT - 10) : 0),
		.minflt = comp(used.minflt),
		.majflt = comp(used.majflt),
	};
	tasklist_unlock(flags);
	memcpy(r->comm, t->comm, sizeof(r->comm));
}

/* /proc/sys/kernel/acct: [0] resume above, [1] pause below so many percent of free blocks, [2] look every so many seconds */
static void look_for_room(struct proc_state *s)
{
	const u32 *limit = s->acct_limits;
	ktime_t now = hal_time_ns();
	struct kstatfs st;

	DEBUG_ASSERT(mutex_is_held(&s->acct_mutex));
	if (now < s->acct_look || kerr_code(vfs_statfs(s->acct_file->inode->sb, &st)))
		return;
	s->acct_look = now + (ktime_t)limit[2] * NSEC_PER_SEC;
	if (s->acct_paused ? st.bavail < div_u64(st.blocks * limit[0], 100) : st.bavail > div_u64(st.blocks * limit[1], 100))
		return;
	s->acct_paused = !s->acct_paused;
	klog_info("Process accounting %s", s->acct_paused ? "paused" : "resumed");
}

/* As who opened the file, and without the limit on sizes of files of the one that ends. */
static void append(struct file *f, const struct acct_record *r)
{
	struct task *t = hal_current();
	struct rlimit64 *limit = &t->proc->rlim[RLIMIT_FSIZE], kept = *limit;
	const struct cred *mine = t->cred;
	ssize_t n;

	limit->cur = RLIM_INFINITY;
	t->cred = f->cred;
	n = file_write_kernel(f, r, sizeof(*r), 0);
	(void)n; /* no room: that record is lost */
	t->cred = mine;
	*limit = kept;
}

void acct_process(void)
{
	struct proc_state *s = &kernel()->proc;
	struct acct_record r;

	if (likely(!load_relaxed(&s->acct_file)))
		return;
	fill(&r, hal_current());
	mutex_lock(&s->acct_mutex);
	if (s->acct_file) {
		look_for_room(s);
		if (!s->acct_paused)
			append(s->acct_file, &r);
	}
	mutex_unlock(&s->acct_mutex);
}

/* ---------------------------------------------------------------- on and off */

/* f's reference follows; NULL: off. only: off if the file is on this mount; NULL: whatever it is. */
static void change(struct file *f, const struct mount *only)
{
	struct proc_state *s = &kernel()->proc;
	struct file *old = NULL;

	mutex_lock(&s->acct_mutex);
	if (!only || (s->acct_file && s->acct_file->path.mnt == only)) {
		old = s->acct_file;
		store_relaxed(&s->acct_file, f);
		s->acct_paused = true; /* until its room was looked at */
		s->acct_look = 0;
	}
	mutex_unlock(&s->acct_mutex);
	if (old)
		file_put(old);
}

void acct_stop(const struct mount *m)
{
	if (load_relaxed(&kernel()->proc.acct_file))
		change(NULL, m);
}

int acct_pins(const struct mount *m)
{
	struct proc_state *s = &kernel()->proc;
	int n;

	mutex_lock(&s->acct_mutex);
	n = s->acct_file && s->acct_file->path.mnt == m;
	mutex_unlock(&s->acct_mutex);
	return n;
}

long sys_acct(const char __user *name)
{
	struct open_how_k how = {.flags = O_WRONLY | O_APPEND | O_LARGEFILE};
	struct file *f = NULL;
	char *path;
	kerr_t err;

	if (!capable(CAP_SYS_PACCT))
		return -EPERM;
	if (name) {
		err = getname(name, false, &path);
		if (err)
			return kerr_code(err);
		err = do_open(AT_FDCWD, path, &how, &f);
		putname(path);
		if (err)
			return kerr_code(err);
		if (!S_ISREG(f->inode->mode)) {
			file_put(f);
			return -EACCES;
		}
	}
	change(f, NULL);
	return 0;
}
