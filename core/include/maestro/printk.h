/* SPDX-License-Identifier: MIT */
/* The kernel log: a ring read by syslog(2), /dev/kmsg and dmesg, and echoed on the consoles. */
#pragma once

#include <maestro/errno.h>
#include <maestro/types.h>

enum log_level { LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARN, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

/* One line, without its newline. Any context, interrupts too; never sleeps, never allocates. */
void klog(enum log_level level, const char *fmt, ...) __printf(2, 3);
void kvlog(enum log_level level, const char *fmt, va_list ap) __printf(2, 0);
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
 * The log's text is lines "<L>[ssssss.uuuuuu] message\n", L the level's digit; a position that log_read gives or takes is at a line's start
 * unless the reader stopped inside one.
 */
void log_init(void);		      /* the first thing kernel_start does; klog works before it, too */
void log_set_console_level(int level); /* lines with a level below it go to the consoles; the boot line's loglevel= and quiet, syslog(2) */
int log_console_level(void);
void log_console_unregister(struct log_console *c);
void log_clear(void);		      /* forgets what was logged so far (dmesg -C) */
/* Wakes readers of the log if that is due and was not possible where the text was added. Called at interrupt exit and by the tick. */
void log_wake_if_pending(void);
/* A line was logged for the first time at this place: for warnings that would repeat. `once` is a member of some state struct. */
#define klog_once(once, level, ...) ((once) ? (void)0 : ((once) = true, klog((level), __VA_ARGS__)))
