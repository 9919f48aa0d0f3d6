/* SPDX-License-Identifier: MIT */
/* The inside of an instance's life, and the way in for system calls. */
#include <hal/regs_x86_64.h>
#include <hal/time.h>
#include <hal/upcall.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/pagecache.h>
#include <maestro/printk.h>
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "hosted_kern.h"
#include "lib_kern.h"

#define UMOUNT_NOFOLLOW 8u
#define MNT_DETACH 2u

/* ---------------------------------------------------------------- life */
static kerr_t mount_dev(void)
{
	struct path dev;
	kerr_t err = do_mkdir(AT_FDCWD, "/dev", 0755);

	if (err)
		return err;
	err = path_lookup(AT_FDCWD, "/dev", LOOKUP_DIRECTORY, &dev);
	if (err)
		return err;
	err = do_mount("devtmpfs", &dev, "devtmpfs", MS_NOSUID, NULL);
	path_put(&dev);
	return err;
}

int lib_start(struct maestro *k)
{
	int err;
	kerr_t kerr;

	err = hosted_enter(&k->h);
	if (err)
		return err;
	log_set_console_level(k->log_level);
	kerr = mount_dev();
	if (!kerr)
		hosted_pump(-1);
	hosted_leave();
	return kerr_code(kerr);
}

/* Newest first, until only what cannot be unmounted is left. */
static bool unmount_newest(void)
{
	struct vfs_state *v = &kernel()->vfs;
	struct mount *m, *victim = NULL;
	struct path p;
	kerr_t err;

	mutex_lock(&v->mount_mutex);
	list_for_each(m, &v->mounts, all_node)
		if (m != v->root_mnt && m->sb->bdev)
			victim = m;
	if (victim)
		mount_get(victim);
	mutex_unlock(&v->mount_mutex);
	if (!victim)
		return false;
	p = (struct path){.mnt = victim, .dentry = dentry_get(victim->root)};
	err = super_sync(victim->sb, true);
	if (err)
		klog_err("unmount: error %d writing out", kerr_code(err));
	err = do_umount(&p, MNT_DETACH);
	path_put(&p);
	return !err;
}

int lib_finish(struct maestro *k)
{
	kerr_t err, sync_err;
	int code;

	lib_tasks_release(k);
	code = hosted_enter(&k->h);
	if (code)
		return code;
	if (hal_current()->files) {
		struct files *f = hal_current()->files;

		for (unsigned fd = 0; fd < f->max; fd++) {
			err = do_close((int)fd);
			if (err && kerr_code(err) != -EBADF && !code)
				code = kerr_code(err);
		}
	}
	sync_err = do_sync_all(true);
	lib_nodes_release();
	acct_stop(NULL);
	while (unmount_newest())
		;
	err = vfs_remount_all_ro();
	if (err)
		klog_warn("destroy: something was still in use: error %d", kerr_code(err));
	hosted_leave();
	return kerr_code(sync_err) ? kerr_code(sync_err) : code;
}

void maestro_thread_exit(struct maestro *k)
{
	(void)hosted_task_switch(&k->h, NULL);
	if (!hosted_enter(&k->h))
		hosted_detach();
}

void maestro_pump(struct maestro *k, int64_t ns)
{
	if (hosted_enter(&k->h))
		return;
	hosted_pump(ns);
	hosted_leave();
}

int64_t maestro_time(struct maestro *k)
{
	int64_t now;

	if (hosted_enter(&k->h))
		return 0;
	now = hal_time_ns();
	hosted_leave();
	return now;
}

uint64_t maestro_fail_nth_alloc(struct maestro *k, uint64_t n)
{
	uint64_t seen;

	if (hosted_enter(&k->h))
		return 0;
	seen = alloc_fail_seen();
	alloc_fail_nth(n);
	hosted_leave();
	return seen;
}

static u64 mix_seed(u64 seed, u64 n)
{
	return (seed + n) * 0x9E3779B97F4A7C15ULL;
}

int maestro_fault_plan(struct maestro *k, const struct maestro_faults *plan)
{
	static const struct maestro_faults nothing;
	const struct maestro_faults *p = plan ? plan : &nothing;
	int err;

	if (plan && plan->size < sizeof(*plan))
		return -EINVAL;
	if (p->io_error > 0 || p->io_error < -4095)
		return -EINVAL;
	err = hosted_enter(&k->h);
	if (err)
		return err;
	k->h.faults = (struct hosted_faults){
		.nth = {p->read_nth, p->write_nth, p->flush_nth},
		.per_million = {p->read_per_million, p->write_per_million, p->flush_per_million},
		.random = mix_seed(p->seed, 1),
		.error = p->io_error ? p->io_error : -EIO,
		.cut_write = p->cut_write,
		.cut_bytes = (u64)p->cut_sectors * 512,
	};
	alloc_fail_often(p->alloc_per_million, mix_seed(p->seed, 2));
	alloc_fail_nth(p->alloc_nth);
	hosted_leave();
	return 0;
}

int maestro_fault_counts(struct maestro *k, struct maestro_fault_counts *out)
{
	const struct hosted_faults *f = &k->h.faults;
	int err = hosted_enter(&k->h);

	if (err)
		return err;
	*out = (struct maestro_fault_counts){
		.allocs = alloc_fail_seen(),
		.reads = f->seen[HOST_IO_READ],
		.writes = f->seen[HOST_IO_WRITE],
		.flushes = f->seen[HOST_IO_FLUSH],
		.power_off = f->power_off,
	};
	hosted_leave();
	return 0;
}

int maestro_clock_advance(struct maestro *k, int64_t ns)
{
	int err;

	if (!k->h.virtual_clock || ns < 0)
		return -EINVAL;
	err = hosted_enter(&k->h);
	if (err)
		return err;
	hosted_clock_advance(ns);
	hosted_pump(-1);
	hosted_leave();
	return 0;
}

static void count_objects(void *arg, const char *name, size_t size, size_t in_use, size_t total)
{
	(void)name;
	(void)size;
	(void)total;
	*(uint64_t *)arg += in_use;
}

int maestro_memory(struct maestro *k, struct maestro_memory *out)
{
	struct mem_info info;
	int err = hosted_enter(&k->h);

	if (err)
		return err;
	page_stats(&info);
	*out = (struct maestro_memory){
		.total = info.total << PAGE_SHIFT,
		.free = page_free_count() << PAGE_SHIFT,
		.cached = info.cached << PAGE_SHIFT,
		.dirty = info.dirty << PAGE_SHIFT,
	};
	(void)slab_for_each(count_objects, &out->objects);
	hosted_leave();
	return 0;
}

void maestro_drop_caches(struct maestro *k)
{
	if (hosted_enter(&k->h))
		return;
	drop_caches(3);
	drop_caches(3); /* what the first round let go of */
	hosted_leave();
}

/* ---------------------------------------------------------------- system calls */
/*
 * Calls that act on the program itself: its address space, its flow of control, its end. The program here is the host process; only the host's kernel
 * can do that.
 */
static bool call_is_refused(long nr)
{
	switch (nr) {
	case 9 ... 12:	/* mmap mprotect munmap brk */
	case 15:	/* rt_sigreturn */
	case 25 ... 28: /* mremap msync mincore madvise */
	case 30:	/* shmat */
	case 56 ... 60: /* clone fork vfork execve exit */
	case 67:	/* shmdt */
	case 101:	/* ptrace */
	case 149 ... 152: /* mlock munlock mlockall munlockall */
	case 158:	/* arch_prctl */
	case 169:	/* reboot */
	case 216:	/* remap_file_pages */
	case 218:	/* set_tid_address */
	case 231:	/* exit_group */
	case 273:	/* set_robust_list */
	case 322:	/* execveat */
	case 325:	/* mlock2 */
	case 435:	/* clone3 */
		return true;
	}
	return false;
}

long maestro_syscall6(struct maestro *k, long nr, unsigned long a, unsigned long b, unsigned long c, unsigned long d, unsigned long e, unsigned long f)
{
	struct hal_regs r = {.nr = nr, .arg = {a, b, c, d, e, f}};
	int err;

	if (unlikely(call_is_refused(nr)))
		return -ENOSYS;
	err = hosted_enter(&k->h);
	if (unlikely(err))
		return err;
	upcall_syscall(&r);
	hosted_leave();
	/* no user mode where a call could be restarted */
	if (unlikely(r.ret <= -ERESTARTSYS && r.ret >= -ERESTART_RESTARTBLOCK))
		return -EINTR;
	return r.ret;
}
