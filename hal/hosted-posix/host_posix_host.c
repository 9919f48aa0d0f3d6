/* SPDX-License-Identifier: MIT */
/*
 * The hosted backend's side of libc: memory, clocks, threads, the fault handler. No kernel header is seen here. A thread's records are found through
 * one thread-specific list, freed when the thread ends or the instance does.
 */
#include "host.h"

#include "track.h"

#include <cpuid.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#ifdef HOSTED_VALGRIND
#include <valgrind/memcheck.h>
#endif

/* Sanitizer runtimes define these; without one they are absent. */
void __sanitizer_start_switch_fiber(void **fake, const void *bottom, size_t size) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void *fake, const void **bottom, size_t *size) __attribute__((weak));
void *__tsan_get_current_fiber(void) __attribute__((weak));
void *__tsan_create_fiber(unsigned flags) __attribute__((weak));
void __tsan_destroy_fiber(void *fiber) __attribute__((weak));
void __tsan_switch_to_fiber(void *fiber, unsigned flags) __attribute__((weak));
void __asan_poison_memory_region(void const volatile *p, size_t n) __attribute__((weak));
void __asan_unpoison_memory_region(void const volatile *p, size_t n) __attribute__((weak));

#define HUGE (2ULL << 20)

/*
 * The start of an arena is always used: page descriptors, tables, the first objects. As one huge page it costs one fault, which is most of what
 * starting an instance takes.
 */
void *host_reserve(host_u64 size, _Bool huge)
{
	char *p = mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return NULL;
	before = (size_t)(-(uintptr_t)p & (HUGE - 1));
	if (before)
		munmap(p, before);
	munmap(p + before + size, HUGE - before);
	(void)madvise(p + before, huge ? size : HUGE, MADV_HUGEPAGE); /* only faster */
	return p + before;
}

void host_unreserve(void *p, host_u64 size)
{
	host_unpoison(p, size);
	munmap(p, size);
}

/* ---------------------------------------------------------------- clocks */
/*
 * Each call of the library reads the clock twice, so it must be cheap: between looks at the host's clock (at least every RESYNC_CYCLES) the cycle counter
 * carries on from the last, at the rate measured since the process began. Per thread, so that no lock is needed; never back within a thread.
 */
#define RESYNC_CYCLES (1u << 19)
#define CALIBRATE_NS 20000000LL
static struct {
	host_u64 cycles;
	host_s64 ns;
	host_u64 rate; /* ns per cycle << 32; 0: not known, or the counter is not to be trusted. atomic */
	_Bool usable;
} tsc;
static __thread struct {
	host_u64 cycles;
	host_s64 ns;
} tsc_last;

static host_s64 read_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Invariant counters only: CPUID 0x80000007, EDX bit 8. */
static void tsc_init(void)
{
	unsigned a, b, c, d;

	if (!__get_cpuid(0x80000007, &a, &b, &c, &d) || !(d & 0x100))
		return;
	tsc.ns = read_clock();
	tsc.cycles = __builtin_ia32_rdtsc();
	tsc.usable = 1;
}

static host_s64 resync(void)
{
	host_s64 ns = read_clock();
	host_u64 cycles = __builtin_ia32_rdtsc();

	if (tsc.usable && ns - tsc.ns > CALIBRATE_NS && cycles > tsc.cycles && !__atomic_load_n(&tsc.rate, __ATOMIC_RELAXED)) {
		unsigned __int128 scaled = (unsigned __int128)(host_u64)(ns - tsc.ns) << 32;

		__atomic_store_n(&tsc.rate, (host_u64)(scaled / (cycles - tsc.cycles)), __ATOMIC_RELAXED);
	}
	if (ns < tsc_last.ns && tsc_last.ns - ns < 1000000)
		ns = tsc_last.ns; /* we were a little fast */
	tsc_last.cycles = cycles;
	tsc_last.ns = ns;
	return ns;
}

host_s64 host_clock_ns(void)
{
	host_u64 rate = __atomic_load_n(&tsc.rate, __ATOMIC_RELAXED), gone;

	if (!rate)
		return resync();
	gone = __builtin_ia32_rdtsc() - tsc_last.cycles;
	if (gone >= RESYNC_CYCLES)
		return resync();
	return tsc_last.ns + (host_s64)(gone * (rate >> 12) >> 20);
}

host_s64 host_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

_Bool host_random(void *buf, host_u64 n)
{
	track_touch(buf, n);
	return getrandom(buf, n, 0) == (ssize_t)n;
}

void host_write_stderr(const char *text, host_u64 n)
{
	while (n) {
		ssize_t w = write(2, text, n);

		if (w <= 0)
			return;
		text += w;
		n -= (host_u64)w;
	}
}

void host_abort(void)
{
	abort();
}

void host_lock(struct hosted *h)
{
	pthread_mutex_lock(h->mutex);
}

void host_unlock(struct hosted *h)
{
	pthread_mutex_unlock(h->mutex);
}

void host_cond_wait(struct hosted *h, void *cond, host_s64 deadline)
{
	struct timespec ts;

	if (deadline == INT64_MAX) {
		pthread_cond_wait(cond, h->mutex);
		return;
	}
	ts.tv_sec = deadline / 1000000000LL;
	ts.tv_nsec = deadline % 1000000000LL;
	pthread_cond_timedwait(cond, h->mutex, &ts);
}

void host_cond_signal(void *cond)
{
	pthread_cond_signal(cond);
}

static pthread_cond_t *cond_new(void)
{
	pthread_cond_t *c = malloc(sizeof(*c));
	pthread_condattr_t attr;

	if (!c)
		return NULL;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
	return c;
}

static void cond_free(pthread_cond_t *c)
{
	if (c)
		pthread_cond_destroy(c);
	free(c);
}

/* ---------------------------------------------------------------- faults in user copies */
#define FAULT_FETCH 16 /* in the page fault's error code: of an instruction */
static struct sigaction old_segv, old_bus;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	ucontext_t *uc = context;
	uintptr_t ip = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
	struct sigaction *old = sig == SIGSEGV ? &old_segv : &old_bus;
	int saved_errno = errno;

	if (sig == SIGSEGV && !(uc->uc_mcontext.gregs[REG_ERR] & FAULT_FETCH) && track_fault(info->si_addr)) {
		errno = saved_errno;
		return;
	}
	if (ip >= (uintptr_t)hosted_guard_start && ip < (uintptr_t)hosted_guard_end) {
		uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)hosted_guard_fault;
		return;
	}
	/* Not ours: what the process had before. */
	if (old->sa_flags & SA_SIGINFO) {
		old->sa_sigaction(sig, info, context);
	} else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
		old->sa_handler(sig);
	} else {
		signal(sig, SIG_DFL);
		raise(sig);
	}
}

static void process_init(void)
{
	struct sigaction sa;

	tsc_init();
	memset(&sa, 0, sizeof(sa));
	sa.sa_sigaction = on_fault;
	sa.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGSEGV, &sa, &old_segv);
	sigaction(SIGBUS, &sa, &old_bus);
}

/* ---------------------------------------------------------------- instances and threads */
/* A thread knows its records by instance; most have one. */
struct thread_slot {
	struct hosted *inst;
	host_u64 serial;
	struct host_thread *thread;
};
#define THREAD_SLOTS 4
static __thread struct thread_slot slots[THREAD_SLOTS];
static __thread unsigned next_slot;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static host_u64 serials;

struct inst_host { /* what h->mutex points to begins with the mutex */
	pthread_mutex_t mutex;
	host_u64 serial;
};

int host_init(struct hosted *h)
{
	struct inst_host *ih = calloc(1, sizeof(*ih));

	pthread_once(&once, process_init);
	if (!ih)
		return -ENOMEM;
	pthread_mutex_init(&ih->mutex, NULL);
	ih->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
	h->mutex = ih;
	h->enter_cond = cond_new();
	if (!h->enter_cond) {
		pthread_mutex_destroy(&ih->mutex);
		free(ih);
		return -ENOMEM;
	}
	h->start_ns = host_clock_ns();
	return 0;
}

void host_fini(struct hosted *h)
{
	struct inst_host *ih = h->mutex;

	while (h->fibers)
		host_fiber_destroy(h, h->fibers);
	while (h->threads) {
		struct host_thread *t = h->threads;

		h->threads = t->next;
		cond_free(t->cond);
		free(t);
	}
	cond_free(h->enter_cond);
	pthread_mutex_destroy(&ih->mutex);
	free(ih);
}

static void find_own_stack(struct host_stack *s)
{
	pthread_attr_t attr;
	void *addr;
	size_t size;

	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	if (!pthread_attr_getstack(&attr, &addr, &size)) {
		s->bottom = addr;
		s->size = size;
	}
	pthread_attr_destroy(&attr);
}

/* The record this thread has already, though its slot was taken by another instance. */
static struct host_thread *thread_find(struct hosted *h)
{
	struct host_thread *t;

	host_lock(h);
	for (t = h->threads; t && t->owner != (host_u64)pthread_self(); t = t->next)
		;
	host_unlock(h);
	return t;
}

static struct host_thread *thread_new(struct hosted *h)
{
	struct host_thread *t = thread_find(h);

	if (t) {
		/* It may be a dead thread's whose id came again: its task goes on, its stack is another. */
		find_own_stack(&t->carrier);
		if (__tsan_get_current_fiber)
			t->carrier.tsan = __tsan_get_current_fiber();
		return t;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->owner = (host_u64)pthread_self();
	t->inst = h;
	t->granted_vcpu = -1;
	t->cond = cond_new();
	if (!t->cond) {
		free(t);
		return NULL;
	}
	find_own_stack(&t->carrier);
	if (__tsan_get_current_fiber)
		t->carrier.tsan = __tsan_get_current_fiber();
	host_lock(h);
	t->next = h->threads;
	h->threads = t;
	host_unlock(h);
	return t;
}

struct host_thread *host_thread_get(struct hosted *h)
{
	const struct inst_host *ih = h->mutex;
	struct thread_slot *s;

	for (unsigned i = 0; i < THREAD_SLOTS; i++)
		if (slots[i].inst == h && slots[i].serial == ih->serial)
			return slots[i].thread;
	s = &slots[next_slot++ % THREAD_SLOTS];
	s->thread = thread_new(h);
	s->inst = s->thread ? h : NULL;
	s->serial = ih->serial;
	return s->thread;
}

/* ---------------------------------------------------------------- fibers */
void host_fiber_create(struct hosted *h, struct host_stack *s)
{
	track_touch(s->bottom, s->size); /* a fault on it would have no stack to be handled on */
	if (__tsan_create_fiber)
		s->tsan = __tsan_create_fiber(0);
#ifdef HOSTED_VALGRIND
	s->valgrind = VALGRIND_STACK_REGISTER(s->bottom, (const char *)s->bottom + s->size);
#endif
	host_lock(h);
	s->next_fiber = h->fibers;
	h->fibers = s;
	host_unlock(h);
}

void host_fiber_destroy(struct hosted *h, struct host_stack *s)
{
	host_lock(h);
	for (struct host_stack **p = &h->fibers; *p; p = &(*p)->next_fiber)
		if (*p == s) {
			*p = s->next_fiber;
			break;
		}
	host_unlock(h);
	if (__tsan_destroy_fiber && s->tsan)
		__tsan_destroy_fiber(s->tsan);
	s->tsan = NULL;
#ifdef HOSTED_VALGRIND
	VALGRIND_STACK_DEREGISTER(s->valgrind);
#endif
}

__attribute__((no_sanitize("thread"))) void host_switch(struct host_stack *from, struct host_stack *to)
{
	if (__sanitizer_start_switch_fiber)
		__sanitizer_start_switch_fiber(&from->asan_fake, to->bottom, to->size);
	if (__tsan_switch_to_fiber)
		__tsan_switch_to_fiber(to->tsan, 0);
	hosted_switch_stack(&from->sp, to->sp);
	if (__sanitizer_finish_switch_fiber)
		__sanitizer_finish_switch_fiber(from->asan_fake, NULL, NULL);
}

void host_fiber_entered(void)
{
	if (__sanitizer_finish_switch_fiber)
		__sanitizer_finish_switch_fiber(NULL, NULL, NULL);
}

/* ---------------------------------------------------------------- debugging */
host_u64 host_backtrace(host_u64 *pcs, host_u64 max)
{
	void *frames[64];
	int n = backtrace(frames, max < 64 ? (int)max : 64);

	for (int i = 0; i < n; i++)
		pcs[i] = (host_u64)(uintptr_t)frames[i];
	return n > 0 ? (host_u64)n : 0;
}

_Bool host_symbol(host_u64 pc, const char **name, host_u64 *offset)
{
	Dl_info info;

	if (!dladdr((void *)(uintptr_t)pc, &info) || !info.dli_sname)
		return 0;
	*name = info.dli_sname;
	*offset = pc - (host_u64)(uintptr_t)info.dli_saddr;
	return 1;
}

void host_poison(const void *p, host_u64 n)
{
	if (__asan_poison_memory_region) {
		track_touch(p, n); /* what is poisoned goes with the page */
		__asan_poison_memory_region(p, n);
	}
#ifdef HOSTED_VALGRIND
	(void)VALGRIND_MAKE_MEM_NOACCESS(p, n);
#endif
}

void host_unpoison(const void *p, host_u64 n)
{
	if (__asan_unpoison_memory_region) {
		track_touch(p, n);
		__asan_unpoison_memory_region(p, n);
	}
#ifdef HOSTED_VALGRIND
	(void)VALGRIND_MAKE_MEM_DEFINED(p, n);
#endif
}
