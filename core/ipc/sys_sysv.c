/* SPDX-License-Identifier: MIT */
/* The System V calls with the layouts of today (IPC_64): shmctl(2), semctl(2), msgctl(2) and their families. The older layouts: core/abi/i386/sys_ipc.c. */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <abi/ipc.h>
#include <maestro/lib.h>
#include <maestro/sysv.h>
#include <maestro/uaccess.h>

static void put_perm(struct abi_ipc_perm *to, const struct ipc_stat *from)
{
	to->key = from->key;
	to->uid = from->uid;
	to->gid = from->gid;
	to->cuid = from->cuid;
	to->cgid = from->cgid;
	to->mode = (__typeof__(to->mode))from->mode;
	to->seq = (u16)from->seq;
}

static void get_perm(struct ipc_stat *to, const struct abi_ipc_perm *from)
{
	to->uid = from->uid;
	to->gid = from->gid;
	to->mode = from->mode;
}

/* ---------------------------------------------------------------- shm */

long sys_shmget(int key, size_t size, int flags)
{
	return do_shmget(key, size, flags);
}

long sys_shmat(int id, unsigned long addr, int flags)
{
	uaddr_t at;
	long ret = do_shmat(id, addr, flags, &at);

	return ret ? ret : (long)at;
}

long sys_shmdt(unsigned long addr)
{
	return do_shmdt(addr);
}

static kerr_t shm_out(int cmd, const union shm_io *io, void __user *buf)
{
	if (cmd == IPC_STAT || cmd == SHM_STAT || cmd == SHM_STAT_ANY) {
		const struct shm_stat *s = &io->stat;
		struct abi_shmid_ds ds = { .segsz = (__typeof__(ds.segsz))s->size, .cpid = s->cpid, .lpid = s->lpid, .nattch = s->nattch };

		put_perm(&ds.perm, &s->perm);
		ds.atime = abi_ipc_time(s->atime);
		ds.dtime = abi_ipc_time(s->dtime);
		ds.ctime = abi_ipc_time(s->ctime);
		return copy_to_user(buf, &ds, sizeof(ds));
	}
	if (cmd == IPC_INFO) {
		struct abi_shminfo i = { .max = io->limits.max, .min = io->limits.min, .mni = io->limits.mni, .seg = io->limits.seg, .all = io->limits.all };

		return copy_to_user(buf, &i, sizeof(i));
	}
	if (cmd == SHM_INFO) {
		struct abi_shm_info i;

		memset(&i, 0, sizeof(i));
		i.used_ids = io->info.used;
		i.total = io->info.total;
		i.resident = io->info.resident;
		return copy_to_user(buf, &i, sizeof(i));
	}
	return 0;
}

long sys_shmctl(int id, int cmd, void __user *buf)
{
	union shm_io io;
	long ret;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	if (cmd == IPC_SET) {
		struct abi_shmid_ds ds;

		if (copy_in(&ds, (const struct abi_shmid_ds __user *)buf))
			return -EFAULT;
		get_perm(&io.stat.perm, &ds.perm);
	}
	ret = do_shmctl(id, cmd, &io);
	return ret >= 0 && shm_out(cmd, &io, buf) ? -EFAULT : ret;
}

/* ---------------------------------------------------------------- sem */

long sys_semget(int key, int nsems, int flags)
{
	return do_semget(key, nsems, flags);
}

long sys_semop(int id, const void __user *ops, size_t n)
{
	return sem_op_user(id, ops, n > U32_MAX ? U32_MAX : (unsigned)n, NULL, false);
}

long sys_semtimedop(int id, const void __user *ops, size_t n, const void __user *timeout)
{
	return sem_op_user(id, ops, n > U32_MAX ? U32_MAX : (unsigned)n, timeout, false);
}

static kerr_t sem_out(int cmd, const union sem_io *io, void __user *buf)
{
	if (cmd == IPC_STAT || cmd == SEM_STAT || cmd == SEM_STAT_ANY) {
		const struct sem_stat *s = &io->stat;
		struct abi_semid_ds ds = { .nsems = s->nsems };

		put_perm(&ds.perm, &s->perm);
		ds.otime = (__typeof__(ds.otime))s->otime;
		ds.ctime = (__typeof__(ds.ctime))s->ctime;
		if (sizeof(ds.otime) < sizeof(s->otime)) {
			ds.otime_high = (u32)(s->otime >> 32);
			ds.ctime_high = (u32)(s->ctime >> 32);
		}
		return copy_to_user(buf, &ds, sizeof(ds));
	}
	return cmd == IPC_INFO || cmd == SEM_INFO ? copy_to_user(buf, &io->info, sizeof(io->info)) : KERR(0);
}

long sys_semctl(int id, int num, int cmd, unsigned long arg)
{
	void __user *buf = (void __user *)arg;
	union sem_io io;
	long ret;

	if (id < 0)
		return -EINVAL;
	if (cmd >= GETPID && cmd <= SETALL)
		return do_semctl_values(id, num, cmd, arg);
	if (cmd == IPC_SET) {
		struct abi_semid_ds ds;

		if (copy_in(&ds, (const struct abi_semid_ds __user *)buf))
			return -EFAULT;
		get_perm(&io.stat.perm, &ds.perm);
	}
	ret = do_semctl(id, cmd, &io);
	return ret >= 0 && sem_out(cmd, &io, buf) ? -EFAULT : ret;
}

/* ---------------------------------------------------------------- msg */

long sys_msgget(int key, int flags)
{
	return do_msgget(key, flags);
}

long sys_msgsnd(int id, const void __user *msg, size_t size, int flags)
{
	const long __user *type = msg;
	long t;

	if (copy_in(&t, type))
		return -EFAULT;
	return do_msgsnd(id, t, type + 1, size, flags);
}

long sys_msgrcv(int id, void __user *msg, size_t size, long type, int flags)
{
	return do_msgrcv(id, msg, size, type, flags);
}

static kerr_t msg_out(int cmd, const union msg_io *io, void __user *buf)
{
	if (cmd == IPC_STAT || cmd == MSG_STAT || cmd == MSG_STAT_ANY) {
		const struct msg_stat *s = &io->stat;
		struct abi_msqid_ds ds = { .cbytes = s->cbytes, .qnum = s->qnum, .qbytes = s->qbytes, .lspid = s->lspid, .lrpid = s->lrpid };

		put_perm(&ds.perm, &s->perm);
		ds.stime = abi_ipc_time(s->stime);
		ds.rtime = abi_ipc_time(s->rtime);
		ds.ctime = abi_ipc_time(s->ctime);
		return copy_to_user(buf, &ds, sizeof(ds));
	}
	return cmd == IPC_INFO || cmd == MSG_INFO ? copy_to_user(buf, &io->info, sizeof(io->info)) : KERR(0);
}

long sys_msgctl(int id, int cmd, void __user *buf)
{
	union msg_io io;
	long ret;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	if (cmd == IPC_SET) {
		struct abi_msqid_ds ds;

		if (copy_in(&ds, (const struct abi_msqid_ds __user *)buf))
			return -EFAULT;
		get_perm(&io.stat.perm, &ds.perm);
		io.stat.qbytes = (unsigned long)ds.qbytes;
	}
	ret = do_msgctl(id, cmd, &io);
	return ret >= 0 && msg_out(cmd, &io, buf) ? -EFAULT : ret;
}
