/* SPDX-License-Identifier: MIT */
/* The kernel log: a ring read by syslog(2), /dev/kmsg and dmesg, and echoed on the consoles. */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

enum log_level { LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

/* A line's priority is its level, and above that the facility of syslog(3) that it comes from: 0 the kernel, else a program (/dev/kmsg). */
#define LOG_USER (1u << 3)
#define LOG_LEVEL(priority) ((priority) & 7u)

/* One line, without its newline. Any context, interrupts too; never sleeps, never allocates. */
void klog(unsigned priority, const char *fmt, ...) __printf(2, 3);
void kvlog(unsigned priority, const char *fmt, va_list ap) __printf(2, 0);
#define klog_err(...) klog(LOG_ERR, __VA_ARGS__)
#define klog_warn(...) klog(LOG_WARN, __VA_ARGS__)
#define klog_info(...) klog(LOG_INFO, __VA_ARGS__)
#define klog_debug(...) klog(LOG_DEBUG, __VA_ARGS__)

/* A sink of log text. write() gets whole lines; any context, no sleeping. level: only lines more urgent are written. */
struct log_console {
	const char *name; /* "ttyS", "tty" : what console= selects */
	void (*write)(struct log_console *c, const char *text, size_t len);
	void *priv;
	struct log_console *next; /* [log lock] */
};
void log_console_register(struct log_console *c);
/* Copies log text from byte position *seq on (oldest if it was overwritten), advances *seq. For syslog(2). Returns bytes. */
size_t log_read(u64 *seq, char *buf, size_t size);
u64 log_end(void);   /* the position after the newest byte */
u64 log_start(void); /* the position of the oldest byte still kept */
struct wait_queue *log_wait(void); /* woken when text is added */
/*
 * The log's text is lines "<P>[ssssss.uuuuuu] message\n", P the priority; a position that log_read gives or takes is at a line's start
 * unless the reader stopped inside one.
 */
void log_init(void);		      /* the first thing kernel_start does; klog works before it, too */
void log_set_console_level(int level); /* lines with a level below it go to the consoles; the boot line's loglevel= and quiet, syslog(2) */
int log_console_level(void);
void log_console_unregister(struct log_console *c);
void log_clear(u64 seq); /* what is older than this position is not shown again (dmesg -C) */
u64 log_cleared(void);	 /* the position after what was cleared */
/* syslog(2)'s own place, which all its readers share: what they have not read begins here; and takes text. False: another was there first. */
u64 log_unread(void);
bool log_take(u64 from, u64 to) __must_check;
struct iov_iter;
/* syslog(2), reading, and /proc/kmsg: bytes, 0 (nothing, and nonblock), or -errno. Sleeps. */
ssize_t syslog_read(struct iov_iter *to, bool nonblock) __must_check;
/* Wakes readers of the log if that is due and was not possible where the text was added. Called at interrupt exit and by the tick. */
void log_wake_if_pending(void);
/* A line was logged for the first time at this place: for warnings that would repeat. `once` is a member of some state struct. */
#define klog_once(once, level, ...) ((once) ? (void)0 : ((once) = true, klog((level), __VA_ARGS__)))
