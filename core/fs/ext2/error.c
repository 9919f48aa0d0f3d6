/* SPDX-License-Identifier: MIT */
/*
 * Damage found while mounted: told in the log, counted in the superblock, and the file system goes on or becomes read-only as errors= says.
 * errors=panic is treated as errors=remount-ro: a disk must not stop the machine.
 *
 * Locking: the superblock's buf lock for its fields.
 */
#include "ext2.h"

#define ERRORS_SHOWN 20 /* then one in a thousand */

/* For tune2fs -l and e2fsck: how many errors, where the first and the last were found. sbuf is locked. */
static void note_error(struct ext2_super *es, const char *func, unsigned line)
{
	s64 now = ktime_get_real_coarse_ts().sec;

	if (!es->error_count) {
		es->first_error_time = (u32)now;
		es->first_error_time_hi = (u8)(now >> 32);
		es->first_error_line = line;
		strlcpy(es->first_error_func, func, sizeof(es->first_error_func));
	}
	es->last_error_time = (u32)now;
	es->last_error_time_hi = (u8)(now >> 32);
	es->last_error_line = line;
	strlcpy(es->last_error_func, func, sizeof(es->last_error_func));
	es->error_count++;
}

void ext2_error(struct super *sb, const char *func, unsigned line, const char *fmt, ...)
{
	struct ext2_sb *s = EXT2_SB(sb);
	unsigned n = (unsigned)atomic_add_return(&s->nerrors, 1);
	char text[192];
	va_list ap;

	if (n <= ERRORS_SHOWN || n % 1000 == 0) {
		va_start(ap, fmt);
		(void)kvsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		klog(LOG_CRIT, "EXT2-fs error (device %s): %s: %s", sb->id, func, text);
	}
	s->mount_state |= EXT2_ERROR_FS;
	if (ext2_read_only(sb))
		return;
	buf_lock(s->sbuf);
	s->es->state |= EXT2_ERROR_FS;
	note_error(s->es, func, line);
	buf_mark_dirty(s->sbuf);
	buf_unlock(s->sbuf);
	if (s->errors == EXT2_ERRORS_CONTINUE)
		return;
	klog(LOG_CRIT, "EXT2-fs (%s): remounting file system read-only", sb->id);
	store_relaxed(&sb->flags, sb->flags | MS_RDONLY);
}
