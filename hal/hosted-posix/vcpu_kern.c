/* SPDX-License-Identifier: MIT */
/*
 * vCPUs, callers and fibers: hal/cpu.h and hal/context.h in a host process.
 *
 * A vCPU is a lock. A caller's thread that enters takes one and is then current on it; when its task blocks it becomes a carrier: it runs fibers
 * (kernel threads) and timers on that vCPU until its own task is due again, or it gives the vCPU up and parks. A task of another thread is continued by
 * handing the vCPU to that thread. The idle context has no stack: "idle" is a vCPU that nobody, or a carrier's loop, holds.
 *
 * A typical call:   hosted_enter -> upcall_syscall ... schedule() -> hal_context_switch -> carry() ... -> hosted_leave
 *
 * Locking: struct hosted's lock covers parking and granting. A vCPU's `held` is taken by compare-and-swap, so the uncontended path takes no lock.
 */
#include <hal/context.h>
#include <hal/cpu.h>
#include <hal/memory.h>
#include <hal/time.h>
#include <hal/upcall.h>
#include <maestro/init.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/page.h>
#include <maestro/proc.h>
#include <maestro/sched.h>
#include <maestro/timer.h>

#include "hosted_kern.h"

__thread struct hosted_tls hosted_tls __attribute__((tls_model("initial-exec")));

#define FIBER_STACK_ORDER 4 /* 64 KiB */
#define FIBER_CANARY 0x6d61657374726f21ULL

struct hosted_fiber {
	struct host_stack stack;
	struct page *pages;
	void (*entry)(void *arg);
	void *arg;
};

static struct hosted *inst(void)
{
	return HOSTED_TLS_GET(inst);
}
static struct hosted_vcpu *vcpu(void)
{
	return HOSTED_TLS_GET(vcpu);
}
static struct host_thread *thread(void)
{
	return HOSTED_TLS_GET(thread);
}

static void take_vcpu(struct hosted_vcpu *v)
{
	HOSTED_TLS_SET(vcpu, v);
	HOSTED_TLS_SET(running, (struct task *)v->idle);
	HOSTED_TLS_SET(irq_off, 1);
}

static bool vcpu_try_hold(struct hosted_vcpu *v)
{
	int free = 0;

	return __atomic_compare_exchange_n(&v->held, &free, 1, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* ---------------------------------------------------------------- CPUs */
unsigned hal_cpu_count(void)
{
	return inst()->nvcpus;
}

kerr_t hal_cpu_start(unsigned cpu)
{
	(void)cpu;
	return 0; /* vCPUs have nothing to start: a thread that enters runs them */
}

void hal_cpu_idle(void)
{
	panic("hosted: the idle loop has no stack");
}

static void stir_parked(struct hosted *h);

void hal_cpu_kick(unsigned cpu)
{
	struct hosted *h = inst();

	host_lock(h);
	h->vcpu[cpu].kicked = true;
	stir_parked(h);
	host_unlock(h);
}

void hal_timer_arm(ktime_t deadline)
{
	struct hosted_vcpu *v = vcpu();

	__atomic_store_n(&v->deadline, deadline, __ATOMIC_RELAXED);
}

/*
 * Kernel code is preempted at places drawn from the seed, as if an interrupt had ended a time slice there. The choice of who goes on is drawn with it: the
 * queue is a ring then, and every place a chance to turn it further.
 */
void hosted_preempt_point(void)
{
	struct hosted *h = inst();
	struct task *t = hal_current();

	h->preempt_random = h->preempt_random * 6364136223846793005ULL + 1442695040888963407ULL;
	if ((h->preempt_random >> 33) % h->preemption || t == vcpu()->idle || this_cpu()->irq_depth)
		return;
	t->se.to_tail = true;
	(void)atomic_or(&t->work, WORK_RESCHED);
	if (atomic_read(&t->preempt_count) == 0)
		preempt_schedule();
}

/* ---------------------------------------------------------------- contexts */
static void fiber_main(void *arg)
{
	struct hosted_fiber *f = arg;

	host_fiber_entered();
	f->entry(f->arg);
	panic("hosted: a kernel thread's entry returned");
}

kerr_t hal_context_init(struct task *t, void (*entry)(void *arg), void *arg)
{
	struct page *pages = pages_alloc(FIBER_STACK_ORDER, GFP_KERNEL);
	struct hosted_fiber *f;
	u8 *base;

	if (!pages)
		return KERR(ENOMEM);
	base = page_address(pages);
	f = (struct hosted_fiber *)base; /* the record lies below the canary at the stack's end */
	*f = (struct hosted_fiber){.pages = pages, .entry = entry, .arg = arg};
	*(u64 *)(base + sizeof(*f)) = FIBER_CANARY;
	f->stack.bottom = base + sizeof(*f) + sizeof(u64);
	f->stack.size = (PAGE_SIZE << FIBER_STACK_ORDER) - sizeof(*f) - sizeof(u64);
	f->stack.sp = hosted_make_stack(base + (PAGE_SIZE << FIBER_STACK_ORDER), fiber_main, f);
	host_fiber_create(inst(), &f->stack);
	t->ctx.fiber = f;
	t->ctx.thread = NULL;
	return 0;
}

void hal_context_fini(struct task *t)
{
	struct hosted_fiber *f = t->ctx.fiber;

	t->ctx.fiber = NULL;
	t->ctx.thread = NULL;
	if (!f)
		return;
	host_fiber_destroy(inst(), &f->stack);
	host_unpoison(f, PAGE_SIZE << FIBER_STACK_ORDER); /* frames that never returned */
	pages_free(f->pages, FIBER_STACK_ORDER);
}

static void check_canary(const struct hosted_fiber *f)
{
	if (unlikely(*(const u64 *)((const u8 *)f + sizeof(*f)) != FIBER_CANARY))
		panic("hosted: a kernel thread ran over its stack");
}

/* --- parking: the lock is held --- */
static void park_enqueue(struct hosted *h, struct host_thread *t)
{
	t->parked = true;
	t->next_parked = NULL;
	if (h->parked)
		h->parked_tail->next_parked = t;
	else
		h->parked = t;
	h->parked_tail = t;
	__atomic_add_fetch(&h->nparked, 1, __ATOMIC_SEQ_CST);
}

static void park_remove(struct hosted *h, struct host_thread *t)
{
	struct host_thread *prev = NULL;

	for (struct host_thread **p = &h->parked; *p; prev = *p, p = &(*p)->next_parked)
		if (*p == t) {
			*p = t->next_parked;
			if (h->parked_tail == t)
				h->parked_tail = prev;
			break;
		}
	t->parked = false;
	__atomic_sub_fetch(&h->nparked, 1, __ATOMIC_SEQ_CST);
}

static void release_vcpu_locked(struct hosted *h, struct hosted_vcpu *v)
{
	__atomic_store_n(&v->held, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&h->enter_waiters, __ATOMIC_SEQ_CST))
		host_cond_signal(h->enter_cond);
}

/* A free vCPU that has something to do: queued work or a due timer. Held on return. */
static struct hosted_vcpu *find_due_vcpu(struct hosted *h, ktime_t now, ktime_t *next)
{
	*next = S64_MAX;
	for (unsigned i = 0; i < h->nvcpus; i++) {
		struct hosted_vcpu *v = &h->vcpu[i];
		ktime_t deadline = __atomic_load_n(&v->deadline, __ATOMIC_RELAXED);

		if ((v->kicked || deadline <= now) && vcpu_try_hold(v)) {
			v->kicked = false;
			return v;
		}
		if (deadline > now)
			*next = MIN(*next, deadline);
	}
	return NULL;
}

/* With a virtual clock time passes only when nobody can run: then it jumps to the next deadline. */
static bool advance_virtual(struct hosted *h, ktime_t next)
{
	for (unsigned i = 0; i < h->nvcpus; i++)
		if (__atomic_load_n(&h->vcpu[i].held, __ATOMIC_SEQ_CST))
			return false;
	if (next == S64_MAX)
		return false;
	__atomic_store_n(&h->virtual_now, next, __ATOMIC_SEQ_CST);
	return true;
}

/*
 * Waits, holding no vCPU, until this thread's task was chosen (returned, with the run queue's lock held, on the vCPU that came with it), or until it is
 * worth carrying a vCPU again (NULL; it is held, idle).
 */
static struct task *park(struct hosted *h, struct host_thread *t)
{
	struct task *task = NULL;
	struct hosted_vcpu *v = NULL;

	park_enqueue(h, t);
	for (;;) {
		ktime_t next, now = hal_time_ns();

		if (t->granted_vcpu >= 0) {
			v = &h->vcpu[t->granted_vcpu];
			task = t->granted_task;
			t->granted_vcpu = -1;
			t->granted_task = NULL;
			break;
		}
		v = find_due_vcpu(h, now, &next);
		if (v)
			break;
		if (h->virtual_clock) {
			if (advance_virtual(h, next))
				continue;
			next = S64_MAX;
		}
		host_cond_wait(h, t->cond, next == S64_MAX ? S64_MAX : next + h->start_ns);
	}
	park_remove(h, t);
	host_unlock(h);
	take_vcpu(v);
	if (task)
		sched_host_resume();
	return task;
}

/* Somebody parked, who was given nothing yet, looks again at what there is to do. */
static void stir_parked(struct hosted *h)
{
	for (struct host_thread *t = h->parked; t; t = t->next_parked)
		if (t->granted_vcpu < 0) {
			host_cond_signal(t->cond);
			return;
		}
}

static void grant(struct hosted *h, struct host_thread *t, struct hosted_vcpu *v, struct task *task)
{
	if (t->granted_vcpu >= 0) {
		/* It was given one to carry, and has not woken up yet: that one is for another. */
		struct hosted_vcpu *old = &h->vcpu[t->granted_vcpu];

		old->kicked = true;
		release_vcpu_locked(h, old);
		t->granted_vcpu = (int)(v - h->vcpu);
		stir_parked(h);
	}
	t->granted_vcpu = (int)(v - h->vcpu);
	t->granted_task = task;
	host_cond_signal(t->cond);
}

/* Gives this vCPU to the thread of `next`, which may be carrying another one and only gets it when it parks; and parks. The run queue's lock is held at entry. */
static struct task *hand_over(struct hosted *h, struct host_thread *self, struct task *next)
{
	struct hosted_vcpu *v = vcpu();

	sched_host_hand_over();
	HOSTED_TLS_SET(vcpu, NULL);
	host_lock(h);
	grant(h, next->ctx.thread, v, next);
	return park(h, self);
}

/* This vCPU is idle and held: what to run next (its run queue locked). Gives the vCPU up while there is nothing. */
static struct task *find_work(struct hosted *h, struct host_thread *self)
{
	for (;;) {
		struct hosted_vcpu *v = vcpu();
		struct task *next = sched_host_pick();

		if (next)
			return next;
		HOSTED_TLS_SET(vcpu, NULL);
		host_lock(h);
		release_vcpu_locked(h, v);
		next = park(h, self);
		if (next)
			return next;
	}
}

/* On a caller's own stack: runs others until `self`'s task is chosen. The run queue's lock is held at entry and at return. */
static void carry(struct host_thread *self, struct task *next)
{
	struct hosted *h = self->inst;

	while (next != self->task) {
		if (next && next->ctx.fiber) {
			struct hosted_fiber *f = next->ctx.fiber;

			HOSTED_TLS_SET(running, next);
			host_switch(&self->carrier, &f->stack);
			check_canary(f);
			next = self->next_task;
		} else if (next && next->ctx.thread) {
			next = hand_over(h, self, next);
			if (!next)
				next = find_work(h, self);
		} else { /* idle */
			HOSTED_TLS_SET(running, next);
			sched_finish_switch();
			HOSTED_TLS_SET(irq_off, 1);
			next = find_work(h, self);
		}
	}
	HOSTED_TLS_SET(running, next);
}

void hal_context_switch(struct task *prev, struct task *next)
{
	struct host_thread *t = thread();

	if (prev->ctx.fiber) {
		t->next_task = next;
		host_switch(&prev->ctx.fiber->stack, &t->carrier);
		return; /* on whatever thread carries it now */
	}
	carry(prev->ctx.thread, next);
}

/* --- what needs a user side: not in this backend --- */
kerr_t hal_context_fork(struct task *child, struct task *parent)
{
	(void)child;
	(void)parent;
	return KERR(ENOSYS);
}

struct hal_regs *hal_user_regs(struct task *t)
{
	(void)t;
	return NULL;
}

void hal_enter_user(void)
{
	panic("hosted: there is no user mode to enter");
}

void hal_fpu_save(struct task *t, void *buf)
{
	(void)t;
	memset(buf, 0, HAL_FPU_SIZE);
}

kerr_t hal_fpu_load(struct task *t, const void *buf)
{
	(void)t;
	(void)buf;
	return KERR(EINVAL);
}

void hal_fpu_reset(struct task *t)
{
	(void)t;
}

/* No program's instruction runs here that could hit one. */
void hal_debug_set(struct task *t, const struct hal_debug *d)
{
	(void)t;
	(void)d;
}

void hal_debug_get(const struct task *t, struct hal_debug *d)
{
	(void)t;
	*d = (struct hal_debug){ 0 };
}

void hal_tls_set(struct task *t, unsigned slot, const struct hal_tls *tls)
{
	t->tls.slot[slot] = *tls;
}

void hal_tls_get(struct task *t, unsigned slot, struct hal_tls *tls)
{
	*tls = t->tls.slot[slot];
}

/* ---------------------------------------------------------------- entering and leaving */
static void set_instance(struct hosted *h, struct host_thread *t)
{
	HOSTED_TLS_SET(inst, h);
	HOSTED_TLS_SET(thread, t);
	HOSTED_TLS_SET(arena, h->arena);
	HOSTED_TLS_SET(kernel, (struct kernel *)h->arena);
	HOSTED_TLS_SET(preemption, h->preemption);
}

static struct hosted_vcpu *wait_for_vcpu(struct hosted *h)
{
	struct hosted_vcpu *v = NULL;

	host_lock(h);
	__atomic_add_fetch(&h->enter_waiters, 1, __ATOMIC_SEQ_CST);
	while (!v) {
		for (unsigned i = 0; i < h->nvcpus && !v; i++)
			if (vcpu_try_hold(&h->vcpu[i]))
				v = &h->vcpu[i];
		if (!v)
			host_cond_wait(h, h->enter_cond, S64_MAX);
	}
	__atomic_sub_fetch(&h->enter_waiters, 1, __ATOMIC_SEQ_CST);
	host_unlock(h);
	return v;
}

/* A library call has no user side where a signal could be delivered: what nobody waits for is dropped. */
static void ignore_signals(struct task *t)
{
	for (int sig = 1; sig <= NSIG; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			t->sighand->action[sig - 1].handler = SIG_IGN;
}

static kerr_t attach(struct host_thread *t)
{
	struct kernel_host *kh = t->inst->kern;
	struct task *task;
	kerr_t err = proc_attach_caller(&task, kh->callers);

	if (err)
		return err;
	task->flags |= TASK_HOSTED_CALLER;
	task->ctx.thread = t;
	t->task = task;
	if (!kh->callers) {
		kh->callers = task->proc;
		ignore_signals(task);
	}
	return 0;
}

static void step_on(struct task *t);

int hosted_enter(struct hosted *h)
{
	struct host_thread *t = host_thread_get(h);
	struct hosted_vcpu *v = NULL;

	if (unlikely(!t))
		return -ENOMEM;
	if (unlikely(h->dead))
		return -EIO;
	for (unsigned i = 0; i < h->nvcpus && !v; i++)
		if (vcpu_try_hold(&h->vcpu[i]))
			v = &h->vcpu[i];
	if (unlikely(!v))
		v = wait_for_vcpu(h);
	set_instance(h, t);
	take_vcpu(v);
	if (unlikely(!t->task)) {
		kerr_t err = attach(t);

		if (err) {
			HOSTED_TLS_SET(vcpu, NULL);
			host_lock(h);
			release_vcpu_locked(h, v);
			host_unlock(h);
			return kerr_code(err);
		}
	}
	step_on(t->task);
	return 0;
}

/* The vCPU goes to a parked thread if there is work or an earlier timer for one, else it is free. */
static void leave_vcpu(struct hosted *h, struct hosted_vcpu *v, bool more)
{
	HOSTED_TLS_SET(vcpu, NULL);
	if (likely(!more)) {
		/* Who parks or waits to enter counts himself first, and then looks at `held`: one of us sees the other. */
		__atomic_store_n(&v->held, 0, __ATOMIC_SEQ_CST);
		if (likely(!__atomic_load_n(&h->nparked, __ATOMIC_SEQ_CST) && !__atomic_load_n(&h->enter_waiters, __ATOMIC_SEQ_CST)))
			return;
		host_lock(h);
		stir_parked(h); /* a timer may be nearer than it was */
		if (__atomic_load_n(&h->enter_waiters, __ATOMIC_SEQ_CST))
			host_cond_signal(h->enter_cond);
		host_unlock(h);
		return;
	}
	host_lock(h);
	v->kicked = true; /* who is parked, or parks next, sees to it */
	stir_parked(h);
	release_vcpu_locked(h, v);
	host_unlock(h);
}

/* The current task goes off its vCPU, which is idle and held after. True if other tasks wait for it. */
static bool step_off(void)
{
	bool more;

	HOSTED_TLS_SET(irq_off, 1);
	more = sched_host_leave(hal_current());
	HOSTED_TLS_SET(running, (struct task *)vcpu()->idle);
	return more;
}

static void step_on(struct task *t)
{
	sched_host_enter(t);
	HOSTED_TLS_SET(running, t);
	HOSTED_TLS_SET(irq_off, 0);
}

void hosted_leave(void)
{
	bool more;

	/* Kernel threads that this call woke run now: nobody may call again for long. */
	if (unlikely(load_relaxed(&this_cpu()->nr_running) > 1))
		sched_yield_current();
	more = step_off();
	leave_vcpu(inst(), vcpu(), more);
}

/* Work queued on a vCPU that nobody holds: the caller goes there and runs it. */
static bool visit_kicked(void)
{
	struct hosted *h = inst();
	struct host_thread *t = thread();

	for (unsigned i = 0; i < h->nvcpus; i++) {
		struct hosted_vcpu *v = &h->vcpu[i];
		struct cpu *cpu = (struct cpu *)hal_kernel() + i;

		if (v == vcpu() || !load_relaxed(&cpu->nr_running) || !vcpu_try_hold(v))
			continue;
		leave_vcpu(h, vcpu(), step_off());
		take_vcpu(v);
		step_on(t->task);
		return true;
	}
	return false;
}

/* Runs this vCPU's due timers, as the interrupt would. */
static void run_due_timers(void)
{
	if (__atomic_load_n(&vcpu()->deadline, __ATOMIC_RELAXED) > hal_time_ns())
		return;
	HOSTED_TLS_SET(irq_off, 1);
	upcall_irq_enter();
	upcall_timer(false);
	upcall_irq_leave();
	HOSTED_TLS_SET(irq_off, 0);
	upcall_irq_exit_kernel();
}

void hosted_pump(s64 ns)
{
	ktime_t end = ns < 0 ? 0 : hal_time_ns() + ns;

	do {
		/* what is due by the clock, and then all that this made runnable; other callers' tasks are theirs to run */
		run_due_timers();
		for (unsigned idle = 0; idle < 2;) {
			idle = sched_nr_running() > 1 ? 0 : idle + 1;
			sched_yield_current();
			if (!idle && load_relaxed(&this_cpu()->nr_running) <= 1 && !visit_kicked())
				break; /* the rest runs on other vCPUs, in their holders' threads */
		}
		if (ns >= 0) {
			kerr_t err = sleep_until(MIN(end, hal_time_ns() + NSEC_PER_MSEC));

			if (err)
				break;
		}
	} while (ns >= 0 && hal_time_ns() < end);
}

/* The thread's task ends, and the thread is outside, with `instead` for the next time. While it ends it may sleep, so it is the thread's up to then. */
static void end_current(struct host_thread *t, struct task *instead)
{
	struct task *task = t->task;
	struct hosted_vcpu *v;
	bool more;

	proc_detach_caller(task);
	t->task = instead;
	v = vcpu(); /* where it woke up */
	more = step_off();
	task_put(task);
	leave_vcpu(inst(), v, more);
}

void hosted_detach(void)
{
	struct host_thread *t = thread();

	if (t->task == ((struct kernel_host *)inst()->kern)->callers->leader) {
		/* The first one holds the files of all: it stays as long as the instance. */
		hosted_leave();
		return;
	}
	end_current(t, NULL);
}

int hosted_task_new(void **task)
{
	struct task *t;
	kerr_t err = proc_attach_caller(&t, NULL);

	if (err)
		return kerr_code(err);
	t->state = TASK_NEW; /* no wake-up reaches it outside */
	t->ctx.thread = NULL;
	ignore_signals(t);
	*task = t;
	return 0;
}

int hosted_task_switch(struct hosted *h, void *task)
{
	struct host_thread *t = host_thread_get(h);
	bool taken = false;

	if (!t)
		return -ENOMEM;
	host_lock(h);
	for (const struct host_thread *other = h->threads; other && task; other = other->next)
		taken |= other != t && other->task == task;
	if (!taken && t->own_task && (!task || task == t->own_task)) {
		t->task = t->own_task;
		t->own_task = NULL;
	} else if (!taken && task && task != t->task) {
		t->own_task = t->own_task ? t->own_task : t->task;
		t->task = task;
		((struct task *)task)->ctx.thread = t;
	}
	host_unlock(h);
	return taken ? -EBUSY : 0;
}

void hosted_task_end(void)
{
	struct host_thread *t = thread();
	struct task *instead = t->own_task;

	t->own_task = NULL;
	end_current(t, instead);
}

/* ---------------------------------------------------------------- birth */
int hosted_boot(struct hosted *h)
{
	struct host_thread *t = host_thread_get(h);
	struct kernel_host *kh;
	struct task *idle;
	kerr_t err;

	if (!t)
		return -ENOMEM;
	/* The arena begins with the kernel, this backend's part, and the idle tasks; the rest is RAM. */
	set_instance(h, t);
	kh = (struct kernel_host *)(h->arena + ALIGN_UP(sizeof(struct kernel), 64UL));
	h->kern = kh;
	idle = (struct task *)((u8 *)kh + ALIGN_UP(sizeof(*kh), 64UL));
	kh->ram.start = ALIGN_UP((paddr_t)((u8 *)(idle + h->nvcpus) - h->arena), PAGE_SIZE);
	kh->ram.end = h->arena_size;
	kh->info = (struct hal_boot_info){.cmdline = h->cmdline, .loader = "host", .ram = &kh->ram, .ram_count = 1, .ram_end = h->arena_size, .ram_total = h->arena_size};
	for (unsigned i = 0; i < h->nvcpus; i++) {
		h->vcpu[i] = (struct hosted_vcpu){.deadline = S64_MAX, .idle = idle + i};
		idle[i].se.cpu = i;
	}
	mutex_init(&kh->disks_mutex, RANK_NONE, "disks");
	mutex_init(&kh->tasks_mutex, RANK_NONE, "tasks");
	h->vcpu[0].held = 1;
	take_vcpu(&h->vcpu[0]);
	err = kernel_start();
	for (unsigned i = 1; i < h->nvcpus && !err; i++) {
		HOSTED_TLS_SET(running, idle + i);
		upcall_cpu_start(i);
		/* callers inherit from the idle task of the vCPU they first enter on */
		idle[i].se.policy = SCHED_OTHER;
		idle[i].se.affinity = ~0ULL;
		HOSTED_TLS_SET(running, idle);
	}
	leave_vcpu(h, &h->vcpu[0], true);
	return kerr_code(err);
}
