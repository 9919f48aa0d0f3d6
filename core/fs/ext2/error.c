/* SPDX-License-Identifier: MIT */
/*
 * Damage found while mounted: told in the log and noted in the superblock; then the file system goes on, becomes read-only, or stops the machine, as errors= or
 * the superblock says (ext4(5)).
 *
 * Locking: the superblock's buf lock for its fields.
 */
#include "ext2.h"

#define ERRORS_SHOWN 20 /* then one in a thousand */

/* For tune2fs -l and e2fsck: how many errors, where the first and the last were found. sbuf is locked. */
static void note_error(struct ext2_super *es, const struct ext2_error_at *at)
{
	s64 now = ktime_get_real_coarse_ts().sec;

	if (!es->error_count) {
		es->first_error_time = (u32)now;
		es->first_error_time_hi = (u8)(now >> 32);
		es->first_error_line = at->line;
		es->first_error_ino = at->ino;
		es->first_error_block[0] = at->block;
		es->first_error_block[1] = 0;
		strlcpy(es->first_error_func, at->func, sizeof(es->first_error_func));
	}
	es->last_error_time = (u32)now;
	es->last_error_time_hi = (u8)(now >> 32);
	es->last_error_line = at->line;
	es->last_error_ino = at->ino;
	es->last_error_block[0] = at->block;
	es->last_error_block[1] = 0;
	strlcpy(es->last_error_func, at->func, sizeof(es->last_error_func));
	es->error_count++;
}

/* What was noted is to be found after the restart. */
static void panic_if_asked(struct ext2_sb *s)
{
	kerr_t err;

	if (s->errors != EXT2_ERRORS_PANIC)
		return;
	err = ext2_read_only(s->sb) ? KERR(0) : buf_write_sync(s->sbuf);
	panic("EXT2-fs (device %s): panic forced after error%s", s->sb->id, err ? ", which could not be written down" : "");
}

void ext2_error(struct super *sb, const struct ext2_error_at *at, const char *fmt, ...)
{
	struct ext2_sb *s = EXT2_SB(sb);
	unsigned n = (unsigned)atomic_add_return(&s->nerrors, 1);
	char text[192];
	va_list ap;

	if (n <= ERRORS_SHOWN || n % 1000 == 0) {
		va_start(ap, fmt);
		(void)kvsnprintf(text, sizeof(text), fmt, ap);
		va_end(ap);
		klog(LOG_CRIT, "EXT2-fs error (device %s): %s: %s", sb->id, at->func, text);
	}
	s->mount_state |= EXT2_ERROR_FS;
	if (ext2_read_only(sb)) {
		panic_if_asked(s);
		return;
	}
	buf_lock(s->sbuf);
	s->es->state |= EXT2_ERROR_FS;
	note_error(s->es, at);
	buf_mark_dirty(s->sbuf);
	buf_unlock(s->sbuf);
	panic_if_asked(s);
	if (s->errors == EXT2_ERRORS_CONTINUE)
		return;
	klog(LOG_CRIT, "EXT2-fs (%s): remounting file system read-only", sb->id);
	store_relaxed(&sb->flags, sb->flags | MS_RDONLY);
}
