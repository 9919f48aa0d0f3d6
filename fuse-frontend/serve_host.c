/* SPDX-License-Identifier: MIT */
/*
 * The serving process. Some threads read requests and answer them; the first one lets the kernel's own threads (write-back) run now and then. To end, a
 * signal interrupts the reads.
 */
#include "fs_host.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_THREADS 16
#define TICK_MS 100
#define PUMP_TICKS 10
#define WAKE_MS 10

struct worker {
	pthread_t thread;
	struct fuse_session *se;
	struct front *f;
	int result;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	char *own = wire_buffer(w->f);
	struct fuse_buf buf = {.mem = own};

	while (!fuse_session_exited(w->se)) {
		int n = fuse_session_receive_buf(w->se, &buf);

		if (n == -EINTR)
			continue;
		if (n <= 0) { /* 0: unmounted */
			w->result = n;
			fuse_session_exit(w->se);
			break;
		}
		fuse_session_process_buf(w->se, &buf);
	}
	if (own)
		wire_buffer_free(w->f, own);
	else
		free(buf.mem);
	maestro_thread_exit(w->f->k);
	return NULL;
}

static volatile sig_atomic_t ending;

static void on_signal(int nr)
{
	(void)nr;
	ending = 1;
}

static void nothing(int nr)
{
	(void)nr;
}

static int catch_signals(void)
{
	static const int ends[] = {SIGTERM, SIGINT, SIGHUP};
	struct sigaction sa = {.sa_handler = on_signal};
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL); /* the keeper's mask came with fork() */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (sigaction(ends[i], &sa, NULL))
			return -errno;
	sa.sa_handler = nothing; /* only interrupts */
	return sigaction(SIGUSR1, &sa, NULL) ? -errno : 0;
}

int confine(const struct front *f)
{
	int err;

	mallopt(M_MMAP_THRESHOLD, 4 << 20); /* buffers of requests are used again */
	mallopt(M_TRIM_THRESHOLD, 16 << 20);
	err = catch_signals();
	return err ? err : sandbox(f->file_limit);
}

/* Whether all have ended, until then waking them. */
static void join(struct worker *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		while (pthread_tryjoin_np(w[i].thread, NULL) == EBUSY) {
			(void)pthread_kill(w[i].thread, SIGUSR1);
			(void)poll(NULL, 0, WAKE_MS);
		}
	}
}

/* This thread only pumps, so it gets the signals; workers get SIGUSR1 alone. */
static unsigned start(struct front *f, struct fuse_session *se, struct worker *w)
{
	unsigned n = 0, want = f->threads < MAX_THREADS ? f->threads : MAX_THREADS;
	sigset_t ends, old;

	sigfillset(&ends);
	sigdelset(&ends, SIGUSR1);
	sigdelset(&ends, SIGSEGV); /* the library's, for bad pointers */
	sigdelset(&ends, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &ends, &old);
	for (; n < want; n++) {
		w[n] = (struct worker){.se = se, .f = f};
		if (pthread_create(&w[n].thread, NULL, work, &w[n]))
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return n;
}

int serve(struct front *f, struct fuse_session *se, int control)
{
	struct pollfd keeper = {.fd = control};
	struct worker workers[MAX_THREADS];
	unsigned n = start(f, se, workers);
	int status = n ? 0 : 1;

	for (unsigned round = 1; n && !ending && !fuse_session_exited(se); round++) {
		if (poll(&keeper, 1, TICK_MS) > 0)
			break;
		if (round % PUMP_TICKS == 0)
			maestro_pump(f->k, -1);
	}
	fuse_session_exit(se);
	join(workers, n);
	for (unsigned i = 0; i < n; i++)
		if (workers[i].result < 0 && workers[i].result != -ENODEV)
			status = 1;
	if (maestro_destroy(f->k)) {
		fprintf(stderr, "maestro-fuse: the image could not be written out at the end: it may be damaged (e2fsck -f)\n");
		status = 1;
	}
	return status;
}
