/* SPDX-License-Identifier: MIT */
/*
 * Locks. Order: docs/locking.md; `enum lock_rank` is asserted at acquire in debug builds (a lock's rank must be higher than that of every lock
 * the task holds; equal only with the _nested calls). Spinlocks turn preemption off, and interrupts with _irqsave; no sleeping inside.
 */
#pragma once

#include <hal/arch.h>
#include <maestro/assert.h>
#include <maestro/atomic.h>
#include <maestro/errno.h>
#include <maestro/list.h>

struct task;

/* Outermost first. */
enum lock_rank {
	RANK_NONE,
	/* sleeping */
	RANK_FILE_POS,	 /* file.pos_mutex: held over all of a read, write or readdir, of files of /proc too */
	RANK_PROC_TEXT,	 /* proc_text.mutex: over making and copying the text of an open file of /proc */
	RANK_LOOPS,	 /* block.loop_mutex: which loop devices there are */
	RANK_FSCONF,	 /* fsconf.mutex: a mount being prepared by fsopen(2) */
	RANK_MOUNT,	 /* vfs.mount_mutex: the mount tree */
	RANK_ACCT,	 /* proc.acct_mutex: the file that process accounting goes to, and writing to it */
	RANK_SB_UMOUNT,	 /* super.umount_sem */
	RANK_RENAME,	 /* super.rename_mutex */
	RANK_EVENTS,	 /* epoll.mutex, aio_context.mutex */
	RANK_INODE_DIR,	 /* inode.rwsem of a directory (parent) */
	RANK_INODE,	 /* inode.rwsem of the object in it */
	RANK_PIPE,	 /* pipe.mutex */
	RANK_SOCKET_READ, /* unix_sock.read_mutex */
	RANK_TTY,	 /* tty.termios_sem, tty.ldisc mutexes */
	RANK_PROC_TREE,	 /* sleeping locks over the process tree, if any */
	RANK_LOOP,	 /* loop.mutex: what a loop device is bound to */
	RANK_PTRACE,	 /* proc.ptrace_mutex */
	RANK_EXEC,	 /* proc.exec_mutex */
	RANK_MM,	 /* mm.lock */
	RANK_FS,	 /* a file system's own mutexes */
	RANK_PAGE,	 /* a page's PG_LOCKED bit */
	RANK_FS_ALLOC,	 /* a file system's allocation mutexes, below page locks */
	RANK_BUF,	 /* a buffer's lock bit */
	RANK_MUTEX_LEAF, /* mutexes inside which no other sleeping lock is taken */
	/* spinning */
	RANK_SPIN_OUTER,
	RANK_NET_TABLE,	  /* net: names of sockets */
	RANK_NET_GC,	  /* net: sockets in messages */
	RANK_SOCKET,	  /* socket.lock */
	RANK_FILES,	  /* files.lock */
	RANK_TASKLIST,	  /* proc.tree_lock: parents, children, groups, sessions, pid maps */
	RANK_SIGHAND,	  /* sighand.lock: signal queues and handlers */
	RANK_TTY_BUF,	  /* tty input and output buffers */
	RANK_DCACHE,	  /* dentry hash, children, LRU */
	RANK_INODE_CACHE, /* inode hash and lists */
	RANK_ISPIN,	  /* inode.lock: times, flags, i_state */
	RANK_I_MMAP,	  /* mapping.i_mmap_lock */
	RANK_PT,	  /* mm.pt_lock: page tables */
	RANK_MAPPING,	  /* mapping.lock: page tree */
	RANK_LRU,
	RANK_BUF_HASH,
	RANK_BLOCK_QUEUE,
	RANK_DRIVER,	  /* a device: registers and rings; not held over request_end() */
	RANK_FUTEX,
	RANK_PI, /* proc.pi_lock: owners of futexes and who waits for them */
	RANK_WORK,
	RANK_WAITQ, /* wait_queue.lock */
	RANK_TIMER,
	RANK_RUNQUEUE,
	RANK_SLAB,
	RANK_BUDDY,
	RANK_LEAF, /* takes no other lock but the log's */
	RANK_LOG,
	RANK_CONSOLE,
};

struct CAPABILITY("spinlock") spinlock {
	struct atomic v; /* 0 free, 1 held */
#ifdef MAESTRO_DEBUG
	enum lock_rank rank;
	const char *name;
	struct task *owner;
#endif
};
void spin_init(struct spinlock *l, enum lock_rank rank, const char *name);

/* Debug bookkeeping (ranks held, "may sleep?"); nothing otherwise. core/debug/lockdep.c */
#ifdef MAESTRO_DEBUG
void lock_debug_acquire(const void *lock, enum lock_rank rank, const char *name, bool nested);
void lock_debug_release(const void *lock);
void might_sleep(void); /* asserts: no spinlock held, not in an interrupt, preemption on */
#else
#define lock_debug_acquire(lock, rank, name, nested) ((void)0)
#define lock_debug_release(lock) ((void)0)
#define might_sleep() ((void)0)
#endif

void spin_lock_slow(struct spinlock *l);
/* Defined in sched.h (they need struct task): spin_lock, spin_unlock, spin_trylock, spin_lock_irqsave, spin_unlock_irqrestore, spin_lock_nested. */

/* A sleeping mutual exclusion; owner only may unlock. */
struct CAPABILITY("mutex") mutex {
	struct task *owner; /* [a] NULL when free */
	struct spinlock lock;
	struct list waiters; /* [lock] FIFO, handed over */
	enum lock_rank rank;
	const char *name;
};
void mutex_init(struct mutex *m, enum lock_rank rank, const char *name);
void mutex_lock(struct mutex *m) ACQUIRES(m);
void mutex_lock_nested(struct mutex *m) ACQUIRES(m); /* same rank as one already held; the caller has an order of its own */
bool mutex_trylock(struct mutex *m) __must_check TRY_ACQUIRES(true, m);
/* KERR(EINTR) if a signal came first. */
kerr_t mutex_lock_interruptible(struct mutex *m) __must_check TRY_ACQUIRES(false, m);
void mutex_unlock(struct mutex *m) RELEASES(m);
bool mutex_is_held(const struct mutex *m); /* by the current task */

/* Many readers or one writer; sleeping; writers are not starved. */
struct CAPABILITY("rwsem") rwsem {
	struct spinlock lock;
	int count;	     /* [lock] readers, or -1 */
	struct list waiters; /* [lock] */
	struct task *writer; /* [lock] for asserts */
	enum lock_rank rank;
	const char *name;
};
void rwsem_init(struct rwsem *s, enum lock_rank rank, const char *name);
void rwsem_read_lock(struct rwsem *s);
bool rwsem_read_trylock(struct rwsem *s) __must_check;
void rwsem_read_unlock(struct rwsem *s);
void rwsem_write_lock(struct rwsem *s);
void rwsem_write_lock_nested(struct rwsem *s);
bool rwsem_write_trylock(struct rwsem *s) __must_check;
void rwsem_write_unlock(struct rwsem *s);
void rwsem_downgrade(struct rwsem *s);
bool rwsem_is_held_write(const struct rwsem *s); /* by the current task */

/* Readers retry while a writer was at work; writers hold a spinlock of their own. */
struct seqcount {
	u32 seq; /* [a] odd while a writer is inside */
};
static inline u32 seq_read_begin(const struct seqcount *s)
{
	u32 v;

	while ((v = load_acquire(&s->seq)) & 1)
		hal_cpu_relax();
	return v;
}
static inline bool seq_read_retry(const struct seqcount *s, u32 start)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load_relaxed(&s->seq) != start;
}
static inline void seq_write_begin(struct seqcount *s)
{
	store_relaxed(&s->seq, s->seq + 1);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}
static inline void seq_write_end(struct seqcount *s)
{
	store_release(&s->seq, s->seq + 1);
}
