/* SPDX-License-Identifier: MIT */
/*
 * Between libfuse and the device: what libfuse does not do for us.
 *
 * Waiting. A request that finds its server asleep wakes it on another CPU, which may cost more than the request itself. So after an answer the device is asked
 * again for a short while before we sleep, as long as that pays: every wait that was in vain, or in which somebody else needed our CPU, counts against it.
 * An idle mount costs nothing. Only with one thread: several would all be woken for each request.
 *
 * Set-id bits (FUSE_HANDLE_KILLPRIV_V2, which libfuse knows only later): the host's kernel asks for security.capability at the first write to a file
 * instead of each, and leaves it to us to take away set-id bits; requests say when (linux/fuse.h).
 *
 * Contents. A request is read to where the data of a write stands at the beginning of a page of the instance's, so it can go to the disk from there; a read
 * is answered from where the data is.
 */
#include "fs_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SPIN_NS 200000	 /* longer than an answer's way to its reader and the next request's way back take */
#define TAKEN_NS 1000000 /* who was away for so long was not alone on the CPU */
#define CREDIT_MOST 32
#define MISS_COSTS 4
#define REST_LEAST 64 /* waits without asking again, before that is tried once more */
#define REST_MOST 4096
#define TRY_CREDIT (2 * MISS_COSTS)

#define DATA_OFFSET (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
#define MOST_READ ((1u << 20) + 4096) /* a write's data, and what stands before it */
#define BUFFER_PAGES (MOST_READ / 4096 + 1)
#define MOST_PIECES 1023

static _Thread_local bool kill_privs;
static _Thread_local uint64_t unique; /* of the request */

bool wire_kills_privs(void)
{
	return kill_privs;
}

/* ---------------------------------------------------------------- waiting */
static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void set_nonblocking(struct wire *w, int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && !fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK))
		w->nonblocking = on;
}

static void rest(struct wire *w)
{
	w->rest = w->rest_next;
	w->rest_next = w->rest_next * 2 < REST_MOST ? w->rest_next * 2 : REST_MOST;
}

/* It did not pay: after some of those we sleep at once for a time. */
static void count_miss(struct wire *w, int cost)
{
	w->credit -= cost;
	if (w->credit <= 0)
		rest(w);
}

static void count_hit(struct wire *w)
{
	if (w->credit < CREDIT_MOST && ++w->credit == CREDIT_MOST)
		w->rest_next = REST_LEAST;
}

static ssize_t sleep_and_read(int fd, void *buf, size_t len)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	do {
		if (poll(&p, 1, -1) < 0)
			return -1;
		n = read(fd, buf, len);
	} while (n < 0 && errno == EAGAIN);
	return n;
}

static ssize_t ask_and_read(struct wire *w, int fd, void *buf, size_t len)
{
	int64_t start = now_ns(), last = start, t;
	ssize_t n;

	for (;;) {
		n = read(fd, buf, len);
		if (n >= 0 || errno != EAGAIN) {
			count_hit(w);
			return n;
		}
		t = now_ns();
		if (t - last > TAKEN_NS) {
			count_miss(w, CREDIT_MOST);
			break;
		}
		if (t - start > SPIN_NS) {
			count_miss(w, MISS_COSTS);
			break;
		}
		last = t;
	}
	return sleep_and_read(fd, buf, len);
}

/* Whether to ask before sleeping, this time. */
static bool worth_asking(struct wire *w, int fd)
{
	if (!w->may_spin || w->place.way)
		return false;
	if (w->rest) {
		if (--w->rest)
			return false;
		w->credit = TRY_CREDIT;
	}
	if (!w->nonblocking)
		set_nonblocking(w, fd, true);
	return w->nonblocking;
}

static ssize_t next_request(struct wire *w, int fd, void *buf, size_t len)
{
	if (worth_asking(w, fd))
		return ask_and_read(w, fd, buf, len);
	if (w->nonblocking)
		set_nonblocking(w, fd, false);
	return read(fd, buf, len);
}

/* ---------------------------------------------------------------- what requests and answers say */
static void note_request(struct wire *w, const char *buf, size_t len)
{
	const struct fuse_in_header *h = (const void *)buf;
	const void *arg = buf + sizeof(*h);

	kill_privs = false;
	if (len < sizeof(*h))
		return;
	unique = h->unique;
	if (h->opcode == FUSE_WRITE && len >= sizeof(*h) + sizeof(struct fuse_write_in)) {
		kill_privs = ((const struct fuse_write_in *)arg)->write_flags & FUSE_WRITE_KILL_SUIDGID;
	} else if (h->opcode == FUSE_SETATTR && len >= sizeof(*h) + sizeof(struct fuse_setattr_in)) {
		kill_privs = ((const struct fuse_setattr_in *)arg)->valid & FATTR_KILL_SUIDGID;
	} else if (h->opcode == FUSE_INIT && len >= sizeof(*h) + offsetof(struct fuse_init_in, flags) + sizeof(uint32_t)) {
		w->init = h->unique;
		w->offered = ((const struct fuse_init_in *)arg)->flags;
	}
}

static ssize_t wire_read(int fd, void *buf, size_t len, void *userdata)
{
	struct wire *w = &((struct front *)userdata)->wire;
	ssize_t n = next_request(w, fd, buf, len < MOST_READ ? len : MOST_READ);

	if (n > 0) {
		note_request(w, buf, (size_t)n);
		if (w->place.cpus)
			place_request(&w->place, now_ns());
	}
	return n;
}

static ssize_t wire_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	struct wire *w = &((struct front *)userdata)->wire;
	const struct fuse_out_header *h = iov[0].iov_base;

	if (w->init && h->unique == w->init && count > 1 && !h->error && iov[1].iov_len > offsetof(struct fuse_init_out, flags) + sizeof(uint32_t)) {
		struct fuse_init_out *out = iov[1].iov_base;

		out->flags |= w->offered & FUSE_HANDLE_KILLPRIV_V2;
		w->init = 0;
	}
	return writev(fd, iov, count);
}

int wire_reply_pieces(fuse_req_t req, const struct iovec *pieces, unsigned count, size_t bytes)
{
	static _Thread_local struct iovec iov[MOST_PIECES + 1];
	struct fuse_out_header h = {.len = (uint32_t)(sizeof(h) + bytes), .unique = unique};

	if (count > MOST_PIECES)
		return -EINVAL;
	iov[0] = (struct iovec){&h, sizeof(h)};
	memcpy(iov + 1, pieces, count * sizeof(*pieces));
	if (writev(front_of(req)->wire.fd, iov, (int)count + 1) < 0 && errno != ENOENT && errno != ENODEV) /* those: nobody waits for it any more */
		return -errno;
	fuse_reply_none(req);
	return 0;
}

char *wire_buffer(struct front *f)
{
	char *pages = maestro_buffer_alloc(f->k, BUFFER_PAGES * 4096);

	return pages ? pages + 4096 - DATA_OFFSET : NULL;
}

void wire_buffer_free(struct front *f, char *buf)
{
	maestro_buffer_free(f->k, buf - (4096 - DATA_OFFSET), BUFFER_PAGES * 4096);
}

static unsigned cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

int wire_attach(struct front *f, struct fuse_session *se, int fd)
{
	static const struct fuse_custom_io io = {.read = wire_read, .writev = wire_writev};

	f->wire = (struct wire){.fd = fd, .may_spin = f->threads == 1 && cpus() > 1, .credit = TRY_CREDIT, .rest_next = REST_LEAST};
	place_init(&f->wire.place, f->threads == 1);
	return fuse_session_custom_io(se, &io, fd);
}
