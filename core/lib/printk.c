/* SPDX-License-Identifier: MIT */
/*
 * The kernel log. A ring of text lines; each new line is also written, under the log's lock and so in order, to every registered console, or
 * by the HAL's early output while there is none. Readers are woken at once where that is safe (no spinlock held, not in an interrupt),
 * else from the next interrupt exit or tick: a log line may come from under the run queue's lock, which a wake-up takes.
 *
 * Locking: log.lock (RANK_LOG, irqsave). After panic() has begun, only the panicking CPU writes, and takes no lock.
 */
#include <hal/platform.h>
#include <hal/time.h>
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/printk.h>
#include <maestro/wait.h>

STATIC_ASSERT((LOG_SIZE & (LOG_SIZE - 1)) == 0);

static struct log_state *the_log(void)
{
	return &kernel()->lib.log;
}

void log_init(void)
{
	struct log_state *l = the_log();

	spin_init(&l->lock, RANK_LOG, "log");
	wait_queue_init(&l->wait);
	l->console_level = LOG_DEBUG;
	l->ready = true;
}

static void append(struct log_state *l, const char *text, size_t n)
{
	for (size_t done = 0; done < n;) {
		size_t at = (size_t)(l->end & (LOG_SIZE - 1)), take = MIN(n - done, LOG_SIZE - at);

		memcpy(l->ring + at, text + done, take);
		l->end += take;
		done += take;
	}
	if (l->end - l->start <= LOG_SIZE)
		return;
	/* the oldest line was overwritten in part: begin at the next */
	l->start = l->end - LOG_SIZE;
	while (l->ring[l->start & (LOG_SIZE - 1)] != '\n')
		l->start++;
	l->start++;
}

static void to_consoles(struct log_state *l, const char *text, size_t n)
{
	if (!l->consoles) {
		hal_console_write(text, n);
		return;
	}
	for (struct log_console *c = l->consoles; c; c = c->next)
		c->write(c, text, n);
}

static void __printf(3, 0) log_line(struct log_state *l, unsigned priority, const char *fmt, va_list ap)
{
	u64 ns = (u64)hal_time_ns();
	int head, n, m;
	u32 us;
	u64 s;

	s = div_u64_rem(div_u64(ns, NSEC_PER_USEC), 1000000, &us);
	head = kscnprintf(l->line, LOG_LINE - 1, "<%u>", priority);
	n = head + kscnprintf(l->line + head, LOG_LINE - 1 - (size_t)head, "[%5lu.%06u] ", (unsigned long)s, us);
	m = kvsnprintf(l->line + n, LOG_LINE - 1 - (size_t)n, fmt, ap);
	n = MIN(n + m, LOG_LINE - 2);
	while (n > head && l->line[n - 1] == '\n')
		n--;
	/* one line is one record: readers of the ring know a record's end by it */
	for (int i = head; i < n; i++)
		if (l->line[i] == '\n')
			l->line[i] = ' ';
	l->line[n++] = '\n';
	append(l, l->line, (size_t)n);
	if ((int)LOG_LEVEL(priority) < l->console_level || !l->ready)
		to_consoles(l, l->line + head, (size_t)(n - head));
}

static bool may_wake_here(void)
{
	struct task *t = hal_current();

	return t && atomic_read(&t->preempt_count) == 0 && !this_cpu()->irq_depth;
}

void log_wake_if_pending(void)
{
	struct log_state *l = the_log();

	if (likely(!load_relaxed(&l->wake_pending)))
		return;
	store_relaxed(&l->wake_pending, false);
	wake_up_all(&l->wait);
}

void kvlog(unsigned priority, const char *fmt, va_list ap)
{
	struct log_state *l = the_log();
	unsigned long flags;

	if (unlikely(load_relaxed(&kernel()->debug.panicking))) {
		log_line(l, priority, fmt, ap);
		return;
	}
	flags = spin_lock_irqsave(&l->lock);
	log_line(l, priority, fmt, ap);
	spin_unlock_irqrestore(&l->lock, flags);
	if (l->ready && wait_queue_active(&l->wait)) {
		store_relaxed(&l->wake_pending, true);
		if (may_wake_here())
			log_wake_if_pending();
	}
}

void klog(unsigned priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	kvlog(priority, fmt, ap);
	va_end(ap);
}

void log_console_register(struct log_console *c)
{
	struct log_state *l = the_log();
	unsigned long flags = spin_lock_irqsave(&l->lock);

	c->next = l->consoles;
	l->consoles = c;
	spin_unlock_irqrestore(&l->lock, flags);
}

void log_console_unregister(struct log_console *c)
{
	struct log_state *l = the_log();
	unsigned long flags = spin_lock_irqsave(&l->lock);

	for (struct log_console **link = &l->consoles; *link; link = &(*link)->next)
		if (*link == c) {
			*link = c->next;
			break;
		}
	spin_unlock_irqrestore(&l->lock, flags);
}

size_t log_read(u64 *seq, char *buf, size_t size)
{
	struct log_state *l = the_log();
	size_t done = 0;

	/* in pieces: a page of text must not be copied with interrupts off */
	while (done < size) {
		unsigned long flags = spin_lock_irqsave(&l->lock);
		size_t at, n;

		if (*seq < l->start)
			*seq = l->start;
		if (*seq > l->end)
			*seq = l->end;
		at = (size_t)(*seq & (LOG_SIZE - 1));
		n = MIN(size - done, (size_t)LOG_LINE);
		n = MIN(n, (size_t)(l->end - *seq));
		n = MIN(n, LOG_SIZE - at);
		memcpy(buf + done, l->ring + at, n);
		*seq += n;
		done += n;
		spin_unlock_irqrestore(&l->lock, flags);
		if (!n)
			break;
	}
	return done;
}

static u64 read_position(const u64 *p)
{
	struct log_state *l = the_log();
	unsigned long flags = spin_lock_irqsave(&l->lock);
	u64 v = *p;

	spin_unlock_irqrestore(&l->lock, flags);
	return v;
}

u64 log_end(void)
{
	return read_position(&the_log()->end);
}

u64 log_start(void)
{
	return read_position(&the_log()->start);
}

u64 log_cleared(void)
{
	struct log_state *l = the_log();
	unsigned long flags = spin_lock_irqsave(&l->lock);
	u64 v = MAX(l->cleared, l->start);

	spin_unlock_irqrestore(&l->lock, flags);
	return v;
}

void log_clear(u64 seq)
{
	struct log_state *l = the_log();
	unsigned long flags = spin_lock_irqsave(&l->lock);

	l->cleared = MAX(l->cleared, seq);
	spin_unlock_irqrestore(&l->lock, flags);
}

u64 log_unread(void)
{
	struct log_state *l = the_log();
	unsigned long flags = spin_lock_irqsave(&l->lock);
	u64 v = MAX(l->taken, l->start);

	spin_unlock_irqrestore(&l->lock, flags);
	return v;
}

bool log_take(u64 from, u64 to)
{
	struct log_state *l = the_log();
	unsigned long flags = spin_lock_irqsave(&l->lock);
	bool ours = l->taken <= from;

	if (ours)
		l->taken = to;
	spin_unlock_irqrestore(&l->lock, flags);
	return ours;
}

struct wait_queue *log_wait(void)
{
	return &the_log()->wait;
}

void log_set_console_level(int level)
{
	store_relaxed(&the_log()->console_level, level);
}

int log_console_level(void)
{
	return load_relaxed(&the_log()->console_level);
}
