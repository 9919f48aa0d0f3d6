/* SPDX-License-Identifier: MIT */
/*
 * i386 only: ipc(2), which is all of System V IPC behind one number; what the libc says IPC_64 to has the layouts of today, the rest those of 1992, with
 * 16-bit ids. And semtimedop's form with a 64-bit time.
 */
#if __has_include(<gen/sys_proto.h>)
#include <gen/sys_proto.h>
#endif
#include <maestro/lib.h>
#include <maestro/sysv.h>
#include <maestro/uaccess.h>

enum { CALL_SEMOP = 1, CALL_SEMGET, CALL_SEMCTL, CALL_SEMTIMEDOP, CALL_MSGSND = 11, CALL_MSGRCV, CALL_MSGGET, CALL_MSGCTL, CALL_SHMAT = 21, CALL_SHMDT,
       CALL_SHMGET, CALL_SHMCTL };

struct old_ipc_perm {
	s32 key;
	u16 uid, gid, cuid, cgid, mode, seq;
};
struct old_shmid_ds {
	struct old_ipc_perm perm;
	s32 segsz, atime, dtime, ctime;
	u16 cpid, lpid, nattch, unused;
	u32 unused2, unused3;
};
_Static_assert(sizeof(struct old_shmid_ds) == 48, "ipc(2)");
struct old_shminfo {
	s32 max, min, mni, seg, all;
};
struct old_semid_ds {
	struct old_ipc_perm perm;
	s32 otime, ctime;
	u32 base, pending, pending_last, undo;
	u16 nsems;
};
_Static_assert(sizeof(struct old_semid_ds) == 44, "ipc(2)");
struct old_msqid_ds {
	struct old_ipc_perm perm;
	u32 first, last;
	s32 stime, rtime, ctime;
	u32 lcbytes, lqbytes;
	u16 cbytes, qnum, qbytes, lspid, lrpid;
};
_Static_assert(sizeof(struct old_msqid_ds) == 56, "ipc(2)");

static u16 narrow(unsigned long n)
{
	return n > 0xffff ? 0xffff : (u16)n;
}

static u16 narrow_id(u32 id)
{
	return id > 0xffff ? 65534 : (u16)id;
}

static u32 wide_id(u16 id)
{
	return id == 0xffff ? U32_MAX : id;
}

static void put_perm(struct old_ipc_perm *to, const struct ipc_stat *from)
{
	*to = (struct old_ipc_perm) { from->key, narrow_id(from->uid), narrow_id(from->gid), narrow_id(from->cuid), narrow_id(from->cgid), (u16)from->mode,
				      (u16)from->seq };
}

static void get_perm(struct ipc_stat *to, const struct old_ipc_perm *from)
{
	to->uid = wide_id(from->uid);
	to->gid = wide_id(from->gid);
	to->mode = from->mode;
}

/* ---------------------------------------------------------------- shm */

static kerr_t old_shm_out(int cmd, const union shm_io *io, void __user *buf)
{
	if (cmd == IPC_INFO) {
		struct old_shminfo i = { (s32)MIN(io->limits.max, (unsigned long)S32_MAX), (s32)io->limits.min, (s32)io->limits.mni, (s32)io->limits.seg,
					 (s32)io->limits.all };

		return copy_to_user(buf, &i, sizeof(i));
	}
	if (cmd == IPC_STAT || cmd == SHM_STAT || cmd == SHM_STAT_ANY) {
		const struct shm_stat *s = &io->stat;
		struct old_shmid_ds ds = { .segsz = (s32)s->size, .atime = (s32)s->atime, .dtime = (s32)s->dtime, .ctime = (s32)s->ctime, .cpid = (u16)s->cpid,
					   .lpid = (u16)s->lpid, .nattch = (u16)s->nattch };

		put_perm(&ds.perm, &s->perm);
		return copy_to_user(buf, &ds, sizeof(ds));
	}
	return 0;
}

static long old_shmctl(int id, int cmd, void __user *buf)
{
	union shm_io io;
	long ret;

	if ((cmd & IPC_64) || (cmd & ~IPC_64) == SHM_INFO) /* one layout of the latter */
		return sys_shmctl(id, cmd & ~IPC_64, buf);
	if (id < 0 || cmd < 0)
		return -EINVAL;
	if (cmd == IPC_SET) {
		struct old_shmid_ds ds;

		if (copy_in(&ds, (const struct old_shmid_ds __user *)buf))
			return -EFAULT;
		get_perm(&io.stat.perm, &ds.perm);
	}
	ret = do_shmctl(id, cmd, &io);
	return ret >= 0 && old_shm_out(cmd, &io, buf) ? -EFAULT : ret;
}

/* ---------------------------------------------------------------- sem */

static long old_semctl(int id, int num, int cmd, unsigned long arg)
{
	void __user *buf = (void __user *)arg;
	bool set = cmd == IPC_SET, stat = cmd == IPC_STAT || cmd == SEM_STAT || cmd == SEM_STAT_ANY;
	struct old_semid_ds ds;
	union sem_io io;
	long ret;

	if ((cmd & IPC_64) || (!set && !stat))
		return sys_semctl(id, num, cmd & ~IPC_64, arg);
	if (id < 0)
		return -EINVAL;
	if (set) {
		if (copy_in(&ds, (const struct old_semid_ds __user *)buf))
			return -EFAULT;
		get_perm(&io.stat.perm, &ds.perm);
	}
	ret = do_semctl(id, cmd, &io);
	if (ret < 0 || set)
		return ret;
	memset(&ds, 0, sizeof(ds));
	put_perm(&ds.perm, &io.stat.perm);
	ds.otime = (s32)io.stat.otime;
	ds.ctime = (s32)io.stat.ctime;
	ds.nsems = (u16)io.stat.nsems;
	return copy_to_user(buf, &ds, sizeof(ds)) ? -EFAULT : ret;
}

/* union semun by reference, as ipc(2) has it. */
static long semctl_by_reference(int id, int num, int cmd, const void __user *ptr)
{
	unsigned long arg;

	if (!ptr)
		return -EINVAL;
	if (copy_in(&arg, (const unsigned long __user *)ptr))
		return -EFAULT;
	return old_semctl(id, num, cmd, arg);
}

long sys_semtimedop_time64(int id, const void __user *ops, size_t n, const void __user *timeout)
{
	return sem_op_user(id, ops, n, timeout, true);
}

/* ---------------------------------------------------------------- msg */

static void old_msg_fill(struct old_msqid_ds *ds, const struct msg_stat *s)
{
	memset(ds, 0, sizeof(*ds));
	put_perm(&ds->perm, &s->perm);
	ds->stime = (s32)s->stime;
	ds->rtime = (s32)s->rtime;
	ds->ctime = (s32)s->ctime;
	ds->cbytes = narrow(s->cbytes);
	ds->lcbytes = s->cbytes;
	ds->qnum = narrow(s->qnum);
	ds->qbytes = narrow(s->qbytes);
	ds->lqbytes = s->qbytes;
	ds->lspid = (u16)s->lspid;
	ds->lrpid = (u16)s->lrpid;
}

static long old_msgctl(int id, int cmd, void __user *buf)
{
	bool set = cmd == IPC_SET, stat = cmd == IPC_STAT || cmd == MSG_STAT || cmd == MSG_STAT_ANY;
	struct old_msqid_ds ds;
	union msg_io io;
	long ret;

	if ((cmd & IPC_64) || (!set && !stat))
		return sys_msgctl(id, cmd & ~IPC_64, buf);
	if (id < 0)
		return -EINVAL;
	if (set) {
		if (copy_in(&ds, (const struct old_msqid_ds __user *)buf))
			return -EFAULT;
		get_perm(&io.stat.perm, &ds.perm);
		io.stat.qbytes = ds.qbytes ? ds.qbytes : ds.lqbytes;
	}
	ret = do_msgctl(id, cmd, &io);
	if (ret < 0 || set)
		return ret;
	old_msg_fill(&ds, &io.stat);
	return copy_to_user(buf, &ds, sizeof(ds)) ? -EFAULT : ret;
}

/* Version 0 passes buffer and type in a structure. */
static long old_msgrcv(int id, unsigned long size, unsigned long flags, const void __user *ptr)
{
	struct {
		u32 buf;
		s32 type;
	} k;

	if (!ptr)
		return -EINVAL;
	if (copy_from_user(&k, ptr, sizeof(k)))
		return -EFAULT;
	return do_msgrcv(id, (void __user *)(uaddr_t)k.buf, size, k.type, (int)flags);
}

/* ---------------------------------------------------------------- ipc */

static long ipc_shmat(int id, unsigned long flags, unsigned long result, uaddr_t addr)
{
	uaddr_t at;
	long ret = do_shmat(id, addr, (int)flags, &at);

	return ret ? ret : kerr_code(put_user(at, (uaddr_t __user *)result));
}

long sys_ipc(unsigned call, int first, unsigned long second, unsigned long third, const void __user *ptr, long fifth)
{
	unsigned version = call >> 16;
	void __user *out = (void __user *)(uaddr_t)ptr;

	switch (call & 0xffff) {
	case CALL_SEMOP:
		return sem_op_user(first, ptr, (unsigned)second, NULL, false);
	case CALL_SEMTIMEDOP:
		return sem_op_user(first, ptr, (unsigned)second, (const void __user *)fifth, false);
	case CALL_SEMGET:
		return do_semget(first, (int)second, (int)third);
	case CALL_SEMCTL:
		return semctl_by_reference(first, (int)second, (int)third, ptr);
	case CALL_MSGSND:
		return sys_msgsnd(first, ptr, second, (int)third);
	case CALL_MSGRCV:
		return version ? do_msgrcv(first, out, second, fifth, (int)third) : old_msgrcv(first, second, third, ptr);
	case CALL_MSGGET:
		return do_msgget(first, (int)second);
	case CALL_MSGCTL:
		return old_msgctl(first, (int)second, out);
	case CALL_SHMAT:
		return version == 1 ? -EINVAL : ipc_shmat(first, second, third, (uaddr_t)ptr);
	case CALL_SHMDT:
		return do_shmdt((uaddr_t)ptr);
	case CALL_SHMGET:
		return do_shmget(first, second, (int)third);
	case CALL_SHMCTL:
		return old_shmctl(first, (int)second, out);
	default:
		return -ENOSYS;
	}
}
