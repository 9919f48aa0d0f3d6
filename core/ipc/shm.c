/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory (shmget(2), shmop(2), shmctl(2), sysvipc(7)).
 *
 * A segment is an unnamed shmem file; each shmat(2) opens it once more, with operations of its own, so that its areas count themselves: nattch is the
 * number of areas, over fork, split and unmapping alike. A segment that was removed while in use goes with its last area.
 * Locking: ipc.shm.lock, then the segment's; areas are opened and closed under mm.lock, which is outside both.
 */
#include <maestro/lib.h>
#include <maestro/mm.h>
#include <maestro/shmem.h>
#include <maestro/slab.h>

#include "sysv_priv.h"

#define SHM_DEST 01000u	  /* perm.mode: goes with the last area */
#define SHM_LOCKED 02000u /* perm.mode */
#define SHM_MIN 1

struct shm_segment {
	struct ipc_perm perm;
	/* [c] */
	size_t size;
	struct file *file;
	long committed; /* pages */
	pid_t cpid;
	/* [perm.lock] */
	pid_t lpid;
	s64 atime, dtime, ctime;
	unsigned long nattch;
	const struct task *creator;    /* NULL: it ended. Only compared */
	struct user_struct *locked_by; /* SHM_LOCK: who is charged, referenced */
};

static struct shm_segment *segment_of(struct ipc_perm *p)
{
	return container_of(p, struct shm_segment, perm);
}

static unsigned long segment_pages(const struct shm_segment *s)
{
	return ALIGN_UP(s->size, PAGE_SIZE) >> PAGE_SHIFT;
}

static void uncharge_lock(struct shm_segment *s, struct user_struct *u)
{
	if (u) {
		atomic_sub(&u->locked_shm, (long)segment_pages(s));
		user_put(u);
	}
}

static void segment_free(struct ipc_perm *p)
{
	struct shm_segment *s = segment_of(p);

	DEBUG_ASSERT(!s->nattch);
	uncharge_lock(s, s->locked_by);
	if (s->file)
		file_put(s->file);
	vm_uncommit(s->committed);
	kfree(s);
}

static void segment_put(struct shm_segment *s)
{
	ipc_put(&ipc_state()->shm, &s->perm);
}

/* ---------------------------------------------------------------- the end of a segment */

static bool may_go(const struct shm_segment *s)
{
	return !s->perm.deleted && !s->nattch && ((s->perm.mode & SHM_DEST) || load_relaxed(&ipc_state()->shm_rmid_forced));
}

/* shm.lock and perm.lock held; the table's reference is the caller's then. */
static void remove_locked(struct shm_segment *s)
{
	ipc_remove_locked(&ipc_state()->shm, &s->perm);
	ipc_state()->shm_pages -= segment_pages(s);
}

/* Of all segments: those of `creator` lose it (NULL: of those that have none); what may go, goes. */
static void sweep(const struct task *creator)
{
	struct ipc_ids *ids = &ipc_state()->shm;
	struct ipc_perm *p;

	for (int i = 0; (p = ipc_next(ids, &i)) != NULL; i++) {
		struct shm_segment *s = segment_of(p);
		bool gone = false;

		spin_lock(&ids->lock);
		spin_lock(&p->lock);
		if (s->creator == creator) {
			s->creator = NULL;
			gone = may_go(s);
			if (gone)
				remove_locked(s);
		}
		spin_unlock(&p->lock);
		spin_unlock(&ids->lock);
		if (gone)
			segment_put(s);
		segment_put(s);
	}
}

void shm_exit(struct task *t)
{
	if (!t->sysv_shm)
		return;
	t->sysv_shm = false;
	sweep(t);
}

void shm_set_rmid_forced(u32 on)
{
	store_relaxed(&ipc_state()->shm_rmid_forced, on);
	if (on)
		sweep(NULL);
}

/* ---------------------------------------------------------------- areas */

static void note_attach(struct shm_segment *s)
{
	spin_lock(&s->perm.lock);
	s->nattch++;
	s->atime = ipc_now();
	s->lpid = current->proc->pid;
	spin_unlock(&s->perm.lock);
}

static void area_open(struct vma *v)
{
	note_attach(v->file->priv);
}

static void area_close(struct vma *v)
{
	struct shm_segment *s = v->file->priv;
	struct ipc_ids *ids = &ipc_state()->shm;
	bool gone;

	spin_lock(&ids->lock);
	spin_lock(&s->perm.lock);
	DEBUG_ASSERT(s->nattch);
	s->nattch--;
	s->dtime = ipc_now();
	s->lpid = current->proc ? current->proc->pid : 0;
	gone = may_go(s);
	if (gone)
		remove_locked(s);
	spin_unlock(&s->perm.lock);
	spin_unlock(&ids->lock);
	if (gone)
		segment_put(s); /* the table's; the area's file has one of its own */
}

static kerr_t area_fault(struct vm_fault *f)
{
	return generic_vm_ops.fault(f);
}

static kerr_t area_mkwrite(struct vm_fault *f)
{
	return generic_vm_ops.page_mkwrite(f);
}

static const struct vm_ops shm_vm_ops = {
	.open = area_open,
	.close = area_close,
	.fault = area_fault,
	.page_mkwrite = area_mkwrite,
};

static kerr_t shm_mmap(struct file *f, struct vma *v)
{
	kerr_t err = generic_mmap(f, v);

	if (err)
		return err;
	v->ops = &shm_vm_ops;
	note_attach(f->priv);
	return 0;
}

static void shm_release(struct inode *inode, struct file *f)
{
	(void)inode;
	segment_put(f->priv);
}

static const struct file_ops shm_fops = { .mmap = shm_mmap, .release = shm_release };

/* ---------------------------------------------------------------- shmget */

static kerr_t charge(struct ipc_perm *p)
{
	struct ipc_state *s = ipc_state();
	unsigned long pages = segment_pages(segment_of(p));

	if (s->shm_pages + pages < pages || s->shm_pages + pages > s->shm_all)
		return KERR(ENOSPC);
	s->shm_pages += pages;
	return 0;
}

/* No huge pages are set aside: as Linux answers then. */
static kerr_t refuse_huge(int flags)
{
	unsigned log2 = (unsigned)flags >> 26 & 63;

	if (log2 && log2 != 21)
		return KERR(EINVAL);
	return capable(CAP_IPC_LOCK) ? KERR(ENOMEM) : KERR(EPERM);
}

static kerr_t segment_fill(struct shm_segment *s, int flags)
{
	char name[16];
	kerr_t err;

	if (!(flags & SHM_NORESERVE)) {
		err = vm_commit((long)segment_pages(s));
		if (err)
			return err;
		s->committed = (long)segment_pages(s);
	}
	ksnprintf(name, sizeof(name), "SYSV%08x", (u32)s->perm.key);
	return shmem_file((loff_t)s->size, name, &s->file);
}

static kerr_t segment_make(ipc_key_t key, size_t size, int flags, struct shm_segment **out)
{
	struct shm_segment *s;
	kerr_t err;

	if (size < SHM_MIN || size > ipc_state()->shm_max)
		return KERR(EINVAL);
	if (ALIGN_UP(size, PAGE_SIZE) < size)
		return KERR(ENOSPC);
	if (flags & SHM_HUGETLB)
		return refuse_huge(flags);
	s = kzalloc(sizeof(*s), GFP_KERNEL);
	if (!s)
		return KERR(ENOMEM);
	ipc_perm_init(&s->perm, key, flags, "shm");
	s->size = size;
	s->cpid = current->proc->pid;
	s->ctime = ipc_now();
	s->creator = current;
	err = segment_fill(s, flags);
	if (err) {
		segment_put(s);
		return err;
	}
	*out = s;
	return 0;
}

static long shm_create(ipc_key_t key, size_t size, int flags)
{
	struct ipc_state *st = ipc_state();
	struct shm_segment *s;
	kerr_t err = segment_make(key, size, flags, &s);
	int id;

	if (err)
		return kerr_code(err);
	atomic_inc(&s->perm.refs);
	err = ipc_add(&st->shm, &s->perm, load_relaxed(&st->shm_mni), charge);
	if (err) {
		atomic_dec(&s->perm.refs);
	} else {
		s->file->inode->ino = (ino_t)(u32)s->perm.id; /* /proc/PID/maps tells it so */
		current->sysv_shm = true;
	}
	id = s->perm.id;
	segment_put(s);
	return err ? kerr_code(err) : id;
}

static bool segment_smaller(const struct ipc_perm *p, size_t size)
{
	return container_of(p, struct shm_segment, perm)->size < size;
}

long do_shmget(ipc_key_t key, size_t size, int flags)
{
	return ipc_get(&ipc_state()->shm, key, size, flags);
}

/* ---------------------------------------------------------------- shmctl */

static void segment_stat(const struct shm_segment *s, struct shm_stat *out)
{
	ipc_stat_fill(&s->perm, &out->perm);
	out->size = s->size;
	out->atime = s->atime;
	out->dtime = s->dtime;
	out->ctime = s->ctime;
	out->cpid = s->cpid;
	out->lpid = s->lpid;
	out->nattch = s->nattch;
}

static long shm_stat(int id, int cmd, struct shm_stat *out)
{
	struct ipc_perm *p;
	long ret = ipc_stat_lock(&ipc_state()->shm, id, cmd == IPC_STAT, cmd == SHM_STAT_ANY, &p);

	if (!p)
		return ret;
	if (ret >= 0)
		segment_stat(segment_of(p), out);
	ipc_stat_unlock(&ipc_state()->shm, p);
	return ret;
}

/* Pages of all segments that are in memory. */
static unsigned long resident_pages(void)
{
	unsigned long n = 0;
	struct ipc_perm *p;

	for (int i = 0; (p = ipc_next(&ipc_state()->shm, &i)) != NULL; i++) {
		n += (unsigned long)(segment_of(p)->file->inode->blocks >> (PAGE_SHIFT - 9));
		segment_put(segment_of(p));
	}
	return n;
}

static long shm_info(int cmd, union shm_io *io)
{
	struct ipc_state *s = ipc_state();
	unsigned used;
	int max = ipc_max_index(&s->shm, &used);

	memset(io, 0, sizeof(*io));
	if (cmd == IPC_INFO) {
		io->limits.max = s->shm_max;
		io->limits.min = SHM_MIN;
		io->limits.mni = io->limits.seg = s->shm_mni;
		io->limits.all = s->shm_all;
	} else {
		io->info.used = (int)used;
		io->info.total = s->shm_pages;
		io->info.resident = resident_pages();
	}
	return max;
}

static kerr_t segment_set(struct ipc_perm *p, const void *in)
{
	kerr_t err = ipc_stat_set(p, &((const struct shm_stat *)in)->perm);

	if (!err)
		segment_of(p)->ctime = ipc_now();
	return err;
}

static void segment_remove(struct ipc_perm *p)
{
	if (segment_of(p)->nattch) {
		p->mode |= SHM_DEST;
		ipc_forget_key_locked(p);
	} else {
		remove_locked(segment_of(p));
	}
}

const struct ipc_ops shm_ipc_ops = {
	.free = segment_free,
	.smaller = segment_smaller,
	.create = shm_create,
	.set = segment_set,
	.remove = segment_remove,
};

static kerr_t charge_lock(struct shm_segment *s, struct user_struct *u)
{
	u64 limit = rlimit_get(RLIMIT_MEMLOCK);
	long now = atomic_add_return(&u->locked_shm, (long)segment_pages(s));

	if (capable(CAP_IPC_LOCK) || limit == RLIM_INFINITY || (u64)now <= limit >> PAGE_SHIFT)
		return 0;
	atomic_sub(&u->locked_shm, (long)segment_pages(s));
	return KERR(ENOMEM);
}

/* Nothing is ever swapped out here: what is left of the lock is who pays for it. perm.lock held. *put: whose charge ends. */
static kerr_t lock_locked(struct shm_segment *s, int cmd, struct user_struct **put)
{
	const struct cred *c = current_cred();
	kerr_t err = 0;

	if (s->perm.deleted)
		return KERR(EIDRM);
	if (!capable(CAP_IPC_LOCK)) {
		if (c->euid != s->perm.uid && c->euid != s->perm.cuid)
			return KERR(EPERM);
		if (cmd == SHM_LOCK && !rlimit_get(RLIMIT_MEMLOCK))
			return KERR(EPERM);
	}
	if (cmd == SHM_LOCK && !(s->perm.mode & SHM_LOCKED)) {
		err = charge_lock(s, c->user);
		if (!err) {
			atomic_inc(&c->user->refs);
			s->locked_by = c->user;
			s->perm.mode |= SHM_LOCKED;
		}
	} else if (cmd == SHM_UNLOCK && (s->perm.mode & SHM_LOCKED)) {
		*put = s->locked_by;
		s->locked_by = NULL;
		s->perm.mode &= ~SHM_LOCKED;
	}
	return err;
}

/* SHM_LOCK and SHM_UNLOCK. */
static long shm_lock(int id, int cmd)
{
	struct user_struct *put = NULL;
	struct ipc_perm *p;
	kerr_t err = ipc_find(&ipc_state()->shm, id, &p);

	if (err)
		return kerr_code(err);
	spin_lock(&p->lock);
	err = lock_locked(segment_of(p), cmd, &put);
	spin_unlock(&p->lock);
	uncharge_lock(segment_of(p), put);
	segment_put(segment_of(p));
	return kerr_code(err);
}

long do_shmctl(int id, int cmd, union shm_io *io)
{
	if (id < 0)
		return -EINVAL;
	switch (cmd) {
	case IPC_INFO:
	case SHM_INFO:
		return shm_info(cmd, io);
	case IPC_STAT:
	case SHM_STAT:
	case SHM_STAT_ANY:
		return shm_stat(id, cmd, &io->stat);
	case IPC_RMID:
		return ipc_change(&ipc_state()->shm, id, NULL);
	case IPC_SET:
		return ipc_change(&ipc_state()->shm, id, &io->stat);
	case SHM_LOCK:
	case SHM_UNLOCK:
		return shm_lock(id, cmd);
	default:
		return -EINVAL;
	}
}

/* ---------------------------------------------------------------- shmat, shmdt */

/* A file of the segment for one attachment. */
static kerr_t attach_file(struct shm_segment *s, int flags, struct file **out)
{
	kerr_t err = file_open_path(&s->file->path, (flags & SHM_RDONLY ? O_RDONLY : O_RDWR) | O_LARGEFILE, current_cred(), out);

	if (err)
		return err;
	atomic_inc(&s->perm.refs);
	(*out)->priv = s;
	(*out)->ops = &shm_fops;
	return 0;
}

/* The address as SHM_RND has it, and do_mmap's flags. */
static kerr_t choose_place(uaddr_t *addr, int flags, unsigned *map)
{
	*map = MAP_SHARED;
	if (!*addr)
		return flags & SHM_REMAP ? KERR(EINVAL) : KERR(0);
	if (*addr & ~PAGE_MASK) {
		if (!(flags & SHM_RND))
			return KERR(EINVAL);
		*addr &= PAGE_MASK;
		if (!*addr && (flags & SHM_REMAP))
			return KERR(EINVAL);
	}
	*map |= flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	return 0;
}

static long attach(struct shm_segment *s, uaddr_t addr, int flags, unsigned map, uaddr_t *at)
{
	unsigned prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) | (flags & SHM_EXEC ? PROT_EXEC : 0);
	struct file *f;
	kerr_t err = attach_file(s, flags, &f);
	long ret;

	if (err)
		return kerr_code(err);
	ret = do_mmap(f, addr, s->size, prot, map, 0);
	file_put(f);
	if (IS_ERR_VALUE(ret))
		return ret == -EEXIST || (ret == -ENOMEM && (map & MAP_FIXED_NOREPLACE) && addr + s->size < addr) ? -EINVAL : ret;
	*at = (uaddr_t)ret;
	return 0;
}

long do_shmat(int id, uaddr_t addr, int flags, uaddr_t *at)
{
	int wanted = (flags & SHM_RDONLY ? 0444 : 0666) | (flags & SHM_EXEC ? 0111 : 0);
	struct ipc_perm *p;
	unsigned map;
	kerr_t err;
	long ret = 0;

	if (!current->mm || current->mm->host)
		return -ENOSYS; /* no address space of ours */
	if (id < 0)
		return -EINVAL;
	err = choose_place(&addr, flags, &map);
	if (!err)
		err = ipc_find(&ipc_state()->shm, id, &p);
	if (err)
		return kerr_code(err);
	spin_lock(&p->lock);
	if (!ipc_allowed(p, wanted))
		ret = -EACCES;
	else if (p->deleted)
		ret = -EIDRM;
	spin_unlock(&p->lock);
	if (!ret)
		ret = attach(segment_of(p), addr, flags, map, at);
	segment_put(segment_of(p));
	return ret;
}

long do_shmdt(uaddr_t addr)
{
	if (!current->mm || current->mm->host)
		return -ENOSYS;
	return addr & ~PAGE_MASK ? -EINVAL : kerr_code(mm_unmap_file_at(addr, &shm_vm_ops));
}

/* ---------------------------------------------------------------- /proc/sysvipc/shm */

#define WORD_WIDTH (sizeof(long) > 4 ? 21 : 10)

void shm_show(struct seq_buf *s)
{
	struct ipc_perm *p;

	seq_printf(s, "       key      shmid perms %*s  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime %*s %*s\n", WORD_WIDTH,
		   "size", WORD_WIDTH, "rss", WORD_WIDTH, "swap");
	for (int i = 0; (p = ipc_next(&ipc_state()->shm, &i)) != NULL; i++) {
		struct shm_segment *seg = segment_of(p);
		struct shm_stat st;

		spin_lock(&p->lock);
		segment_stat(seg, &st);
		spin_unlock(&p->lock);
		seq_printf(s, "%10d %10d  %4o %*lu %5u %5u  %5lu %5u %5u %5u %5u %10llu %10llu %10llu %*lu %*lu\n", st.perm.key, p->id, st.perm.mode,
			   WORD_WIDTH, (unsigned long)st.size, (unsigned)st.cpid, (unsigned)st.lpid, st.nattch, st.perm.uid, st.perm.gid, st.perm.cuid,
			   st.perm.cgid, (unsigned long long)st.atime, (unsigned long long)st.dtime, (unsigned long long)st.ctime, WORD_WIDTH,
			   (unsigned long)seg->file->inode->blocks << 9, WORD_WIDTH, 0UL);
		segment_put(seg);
	}
}
