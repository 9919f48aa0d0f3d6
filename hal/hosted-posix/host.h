/* SPDX-License-Identifier: MIT */
/*
 * Where the two halves of the hosted backend meet: x_kern.c sees kernel headers only, x_host.c libc only, and both see this, which uses nothing but
 * fixed-width types. One struct hosted per kernel instance, one struct host_thread per (host thread, instance).
 */
#pragma once

#define HOSTED_MAX_VCPUS 8
#define HOSTED_MAX_DISKS 32
#define HOSTED_MAX_SEGS 32 /* pieces of memory in one transfer */

typedef __UINT8_TYPE__ host_u8;
typedef __UINT32_TYPE__ host_u32;
typedef __UINT64_TYPE__ host_u64;
typedef __INT64_TYPE__ host_s64;

/* A stack that can be switched to, with what sanitizers want to know of it. */
struct host_stack {
	void *sp;	   /* while not running */
	const void *bottom; /* lowest byte */
	host_u64 size;
	void *tsan, *asan_fake;
	unsigned valgrind; /* the id memcheck gave it */
	struct host_stack *next_fiber; /* [lock] all fibers of the instance */
};

struct hosted;
struct host_thread {
	struct hosted *inst;
	host_u64 owner;		   /* the host thread */
	void *cond;		   /* a host condition variable */
	struct host_stack carrier; /* this thread's own stack while it runs a fiber */
	struct host_thread *next;  /* [lock] all threads of the instance */
	struct host_thread *next_parked; /* [lock] */
	/* [lock] what a parked thread was given */
	void *granted_task;	/* its own task is to go on */
	int granted_vcpu;	/* -1: none */
	_Bool parked;
	/* the kernel's, opaque to the host half */
	void *task;	 /* struct task of this thread */
	void *own_task;	 /* what it was before it became another, or NULL */
	void *next_task; /* whom a fiber wants to be followed by */
};

struct hosted_vcpu {
	int held;	    /* atomic: 1 while a thread runs on it */
	_Bool kicked;	    /* [lock] another vCPU queued work here */
	host_s64 deadline;  /* atomic: next timer, ns; INT64_MAX none */
	void *idle;	    /* struct task */
};

/* What is to go wrong with disks: the instance's transfers are counted over all of them. */
enum { HOST_IO_READ, HOST_IO_WRITE, HOST_IO_FLUSH, HOST_IO_KINDS };
struct hosted_faults {
	host_u64 nth[HOST_IO_KINDS];	/* this one fails; 0: none */
	host_u32 per_million[HOST_IO_KINDS];
	host_u64 random;		/* of those */
	int error;			/* -errno */
	host_u64 cut_write;		/* from this write on all is lost, and nobody is told; 0: never */
	host_u64 cut_bytes;		/* which of it still arrives */
	host_u64 seen[HOST_IO_KINDS];
	_Bool power_off;
};

struct hosted {
	host_u8 *arena;
	host_u64 arena_size;
	unsigned nvcpus;
	struct hosted_vcpu vcpu[HOSTED_MAX_VCPUS];
	void *mutex;	      /* "lock" below */
	void *enter_cond;
	int enter_waiters;    /* atomic */
	struct host_thread *threads; /* [lock] */
	struct host_thread *parked;  /* [lock] FIFO */
	struct host_thread *parked_tail;
	int nparked;	      /* atomic */
	struct host_stack *fibers; /* [lock] */
	_Bool virtual_clock;
	_Bool dead;	      /* it panicked: nobody may enter any more */
	host_s64 virtual_now; /* atomic, ns */
	host_s64 start_ns;    /* of the host's clock */
	void (*log)(void *arg, const char *text, host_u64 len);
	void *log_arg;
	void (*panicked)(void *arg, const char *text);
	void *panic_arg;
	char cmdline[512];
	void *kern;	      /* the kernel half's own: boot information */
	host_u64 seed;	      /* 0: the host's entropy; else the start of a repeatable sequence */
	unsigned preemption;  /* one in so many places; 0: none. nvcpus is 1 */
	host_u64 preempt_random;
	struct backing *backings; /* [lock] what carries the disks: backing_host.c */
	struct hosted_snapshot *snapshots; /* [lock] newest first */
	struct hosted_faults faults; /* counted inside; threads > 1: roughly */
	struct track *track;  /* [lock] of the arena; NULL while there is no snapshot */
};

/* --- host half: host_posix_host.c --- */
void *host_reserve(host_u64 size, _Bool huge); /* zero pages on demand, or NULL; huge: in pieces of 2 MiB where the host can */
void host_unreserve(void *p, host_u64 size);
host_s64 host_clock_ns(void);
host_s64 host_wall_ns(void);
_Bool host_random(void *buf, host_u64 n);
void host_write_stderr(const char *text, host_u64 n);
void host_abort(void) __attribute__((noreturn));
void host_lock(struct hosted *h);
void host_unlock(struct hosted *h);
/* Waits on a condition with the lock held; deadline by host_clock_ns, INT64_MAX none. */
void host_cond_wait(struct hosted *h, void *cond, host_s64 deadline);
void host_cond_signal(void *cond);
int host_init(struct hosted *h); /* 0 or -errno */
void host_fini(struct hosted *h);
/* The calling thread's record in h, made on first use; NULL: no memory. */
struct host_thread *host_thread_get(struct hosted *h);
/* Switches stacks with the annotations that ASan and TSan need. */
void host_switch(struct host_stack *from, struct host_stack *to);
void host_fiber_create(struct hosted *h, struct host_stack *s);
void host_fiber_destroy(struct hosted *h, struct host_stack *s);
void host_fiber_entered(void); /* first thing on a new fiber */
host_u64 host_backtrace(host_u64 *pcs, host_u64 max);
_Bool host_symbol(host_u64 pc, const char **name, host_u64 *offset);
void host_poison(const void *p, host_u64 n);
void host_unpoison(const void *p, host_u64 n);

/* --- snapshot_host.c; outside. -EBUSY: somebody is inside --- */
struct hosted_snapshot;
int hosted_snapshot(struct hosted *h, struct hosted_snapshot **out); /* -ENOMEM; -EIO: it panicked; -EOPNOTSUPP: under ThreadSanitizer or valgrind */
int hosted_restore(struct hosted *h, struct hosted_snapshot *s);     /* -EINVAL: not a snapshot of h. A panic is undone as well */
int hosted_snapshot_forget(struct hosted *h, struct hosted_snapshot *s); /* -EINVAL; an error of writing disks out: it is gone in any case */
void hosted_snapshots_release(struct hosted *h);		      /* the instance goes, and what was written since the oldest */

/* --- switch.S --- */
void hosted_switch_stack(void **save_sp, void *load_sp);
void *hosted_make_stack(void *top, void (*entry)(void *), void *arg); /* an sp to switch to */
/* Copies n bytes; returns how many were not copied because one side faulted. */
host_u64 hosted_copy_guarded(void *dst, const void *src, host_u64 n);
host_u64 hosted_zero_guarded(void *dst, host_u64 n);
/* Up to n bytes of a string, NUL included: its length, n if it is longer, -1 on a fault. */
host_s64 hosted_strncpy_guarded(char *dst, const char *src, host_u64 n);
int hosted_load32_guarded(const host_u32 *p, host_u32 *val); /* 0, or -1 on a fault */
int hosted_cas32_guarded(host_u32 *p, host_u32 *expected, host_u32 desired); /* 1 swapped, 0 not (*expected updated), -1 fault */
extern const char hosted_guard_start[], hosted_guard_end[], hosted_guard_fault[];

/* --- kernel half: vcpu_kern.c, for libmaestro --- */
/* Builds the kernel in h->arena; 0 or -errno. The caller is not inside afterwards. */
int hosted_boot(struct hosted *h);
/* Enters the instance as the calling thread's task (made if new); 0 or -errno. Not nested. */
int hosted_enter(struct hosted *h);
void hosted_leave(void);
/* Inside: lets fibers and timers run until nothing is runnable, or (with ns >= 0) at least that long. */
void hosted_pump(host_s64 ns);
/* Inside, virtual clock: it is `ns` later. Timers that came due run in the next pump. */
void hosted_clock_advance(host_s64 ns);
/* Inside: the calling thread's task goes. It is outside afterwards. */
void hosted_detach(void);
/* --- tasks besides those of threads --- */
/* Inside: a process of its own, with no thread. 0 or -errno. */
int hosted_task_new(void **task);
/* Outside: the calling thread is `task` from now on; NULL: itself again. -EBUSY: another thread is. */
int hosted_task_switch(struct hosted *h, void *task);
/* Inside, as that task: it ends. The thread is itself again, and outside. */
void hosted_task_end(void);
